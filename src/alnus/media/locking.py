"""One ingestion at a time in a store, also where the file system knows no locks.

POSIX's flock goes with the process, however it ends. A file system without it (some Lustre and FUSE mounts) gets a file
that only one process can create; it names its machine and process, so that what a killed run left behind is told from
a run that goes on. On a file system that grants every flock without keeping it, two ingestions at once still corrupt
nothing (entries are renamed whole), but one of them may end with an error.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from alnus.errors import MediaError
from alnus.media.refusal import shown

LOCK, OWNER = ".lock", ".lock.owner"
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """Hold the store for one ingestion; wait for another that holds it. Raises OSError, or MediaError (`_owned`)."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            with _owned(store / OWNER):
                yield
        else:
            yield


@contextlib.contextmanager
def _owned(path: Path) -> Iterator[None]:
    """Create the owner's file and remove it at the end. Raises MediaError where another ingestion has created it."""
    if path.exists() and _is_left_behind(path):
        path.unlink(missing_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise MediaError(
            f"{shown(path.parent)}: another ingestion holds this store, and its file system has no locks; "
            f"wait until it ends, or delete {path.name} there if none runs"
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump({"host": socket.gethostname(), "pid": os.getpid()}, stream)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _is_left_behind(path: Path) -> bool:
    """Tell a killed run's file: of this machine, and no such process runs. In doubt, as on another machine: no."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        if owner["host"] != socket.gethostname():
            return False
        os.kill(int(owner["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return False
