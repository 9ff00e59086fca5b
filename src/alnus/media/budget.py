"""What one file may cost the process that decodes it: memory, processor time, silence, and the size of what it writes.

The process limits itself through the kernel, so a decoder written in C that runs away is stopped as well. Memory is
RLIMIT_DATA, counted from what the process holds before the file: it bounds the pages that a process can write to,
those of threads and of anonymous maps included, but not the libraries and files that are mapped to be read, as
RLIMIT_AS would. Where the limit is met, an allocation fails. Processor time is RLIMIT_CPU, which a loaded machine does
not use up; it grows with each decoded frame. A read that never returns is ended by an alarm. It is a fence against
broken and hostile files, not a sandbox: a decoder under an attacker's full control could raise its own limits again.

Source: getrlimit(2), setitimer(2), proc(5).
"""

from __future__ import annotations

import contextlib
import math
import resource
import signal
import time
from pathlib import Path

from alnus.media.limits import MEBIBYTE, DecodeLimits

PIXELS_A_SECOND = 2_000_000  # a seventh of what JPEG 2000, the slowest of our decoders, does on one core
LATE_PIXELS_A_SECOND = 50_000_000  # for what follows the last frame: checksums and masks over what was written
FILE_COPIES = 4  # of a DICOM file in memory: its element, its fragments, their sum, a stream over it
WRITTEN_BYTES_A_PIXEL = 3  # an RGB frame
OPEN_FILES = 256
SILENCE_S = 60.0  # of wall time without a frame, at least: a network drive may stall so long
SILENCE_RATIO = 8  # wall time to processor time on a machine that does much else
_KINDS = (resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE)
ENDED_BY_TIME = (-signal.SIGXCPU, -signal.SIGALRM)  # exit status of a process that its budget ended


def fence() -> None:
    """Do once in a decoding process: no core dump (it would hold the patient's pixels), few files, first to be killed.

    The terminal's interruption is the asking process's to answer: it ends this one.
    """
    for kind, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, OPEN_FILES)):
        _set_soft(kind, _smaller(value, resource.getrlimit(kind)[0]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # elsewhere than on Linux there is no such file
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


class Budget:
    """What a file of so many bytes may cost; `decoded` extends the time. A context: after it all is as before.

    A limit that the process was started under, and which is lower, holds.
    """

    def __init__(self, limits: DecodeLimits, file_bytes: int) -> None:
        """Limit nothing yet."""
        self.memory_bytes = limits.memory_mb * MEBIBYTE + FILE_COPIES * file_bytes
        self._written_bytes = max(WRITTEN_BYTES_A_PIXEL * limits.max_pixels, FILE_COPIES * file_bytes) + MEBIBYTE
        self._start_s = limits.start_s + file_bytes / MEBIBYTE
        self._max_s = limits.max_s
        self._pixels = 0
        self._began_s = self._renewed_s = 0.0
        self._before = {kind: resource.getrlimit(kind)[0] for kind in _KINDS}

    def __enter__(self) -> Budget:
        """Begin to count."""
        held = writable_bytes()
        if held is not None:
            self._limit(resource.RLIMIT_DATA, held + self.memory_bytes)
        self._limit(resource.RLIMIT_FSIZE, self._written_bytes)
        self._began_s = time.process_time()
        self._renew()
        return self

    def __exit__(self, *_: object) -> None:
        """Lift the limits again."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for kind, value in self._before.items():
            _set_soft(kind, value)

    def decoded(self, pixels: int) -> None:
        """Count a decoded frame: it earns time for the next."""
        self._pixels += pixels
        if time.process_time() - self._renewed_s > 0.5:  # a call to the kernel
            self._renew()

    def _renew(self) -> None:
        now_s = self._renewed_s = time.process_time()
        window_s = self._start_s + self._pixels / LATE_PIXELS_A_SECOND
        earned_s = self._began_s + self._start_s + self._pixels / PIXELS_A_SECOND
        until_s = min(earned_s, now_s + window_s, self._began_s + self._max_s)
        self._limit(resource.RLIMIT_CPU, math.ceil(until_s))
        signal.setitimer(signal.ITIMER_REAL, min(max(SILENCE_S, SILENCE_RATIO * window_s), self._max_s))

    def _limit(self, kind: int, value: int) -> None:
        _set_soft(kind, _smaller(value, self._before[kind]))


def writable_bytes() -> int | None:
    """Return the memory of this process that RLIMIT_DATA counts; None where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return None


def _smaller(value: int, other: int) -> int:
    return value if other == resource.RLIM_INFINITY else min(value, other)


def _set_soft(kind: int, value: int) -> None:
    """Set a soft limit; the hard one stays, so that the soft one can be lifted again."""
    with contextlib.suppress(OSError, ValueError):  # a system that knows the limit but does not let it be set
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))
