"""What a browser sees: Jinja templates, plain JavaScript and CSS, no build step, nothing from another host."""
