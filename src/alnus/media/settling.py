"""Large files go to the disk while the next cine is decoded, and then out of the memory that the system keeps files in.

A store outgrows that memory: writing it would push out all else, and a page that was not used before costs a virtual
machine several times what a used one does. What reads the store next reads sixteen frames of a cine, not all.
"""

from __future__ import annotations

import contextlib
import os
from threading import Thread

LARGE_BYTES = 16 << 20  # smaller ones are left to the system

_at_work: list[Thread] = []  # at most one
_begun: list[int] = []  # the descriptor of the file before, which is on its way to the disk


def settle(descriptor: int) -> None:
    """Begin to write a file out where it is large, and let go of the pages of the one before; wait for neither.

    descriptor: of a file that is written; the caller closes it. Where the disk is busy it is left to the system.
    """
    if not hasattr(os, "posix_fadvise") or os.fstat(descriptor).st_size < LARGE_BYTES:
        return
    if any(thread.is_alive() for thread in _at_work):
        return
    held = os.dup(descriptor)
    thread = Thread(target=_advise, args=(held,), daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no memory for a thread within this process's limit
        os.close(held)
        return
    _at_work[:] = [thread]


def _advise(descriptor: int) -> None:
    """Say of both files that nobody needs their pages: the system drops those that are written and writes the rest."""
    finished, _begun[:] = list(_begun), [descriptor]
    for each in (*finished, descriptor):
        with contextlib.suppress(OSError):  # a file system that takes no advice
            os.posix_fadvise(each, 0, 0, os.POSIX_FADV_DONTNEED)
    for each in finished:
        with contextlib.suppress(OSError):  # of a network drive that fails late; the descriptor is gone all the same
            os.close(each)
