"""`python -m alnus.cli`: the same as `alnus`."""

from alnus.cli import main

if __name__ == "__main__":
    main()
