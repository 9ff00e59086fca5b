"""What is left of a patient's identity in a store, a run or any folder: looked for, and never shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from numpy.lib import format as npy

from alnus.errors import MediaError
from alnus.media.containers import STILLS, VIDEOS, first_bytes, sniffed
from alnus.media.identity.burned_in import burned_in_finds, ocr_available
from alnus.media.identity.inside import container_finds, dicom_finds, native_pixels, still_finds
from alnus.media.identity.traces import Kind, Sought, Trace, known_values, pattern_traces
from alnus.media.refusal import Refused, quiet, shown

Ocr = Literal["auto"] | bool
_CHUNK = 8 << 20
_TEXT_BYTES = 256 << 20  # a text file above this is searched for known values only
_HEAD, _CONTROL_SHARE = 1 << 16, 0.01  # of a file: bytes that are looked at, control codes that text may have
_ARCHIVES = (b"%PDF", b"PK\x03\x04", b"\x1f\x8b")  # text among compressed bytes
_HIDDEN = "***"


@dataclass(frozen=True)
class Find:
    """Something that may identify. file: struck out where its name identifies; value: never the identity itself."""

    file: str
    place: str
    kind: Kind
    value: str

    def line(self) -> str:
        """Return it as one line."""
        return f"{self.file}: {self.place}: {self.kind}, {self.value}"


def find_identity(
    paths: Sequence[Path],
    *,
    against: Iterable[Path] = (),
    ocr: Ocr = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> list[Find]:
    """Look through files and folders for what may identify a patient; in the files' order.

    DICOM headers by the allowlist, text for names, labelled ids, births and UIDs, file names, the metadata of videos
    and stills, and what tesseract reads in the frames. against: the sources; each identifying value of their headers is
    looked for in every byte. ocr: "auto" = where tesseract is installed; True raises UsageError where it is not.
    progress: called with (files done, files in all). Raises MediaError where a path is missing or a source unreadable.
    """
    reads = ocr_available(ocr)
    known = Sought(known_values(against))
    files = [(root, path) for root in paths for path in _files(root)]
    finds: list[Find] = []
    for done, (root, path) in enumerate(files, start=1):
        finds += _file_finds(root, path, known, reads=reads)
        if progress is not None:
            progress(done, len(files))
    return finds


def _files(root: Path) -> list[Path]:
    if not root.exists():
        raise MediaError(f"{shown(root)}: there is no such file or folder; name what to check")
    return sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]


def _file_finds(root: Path, path: Path, known: Sought, *, reads: bool) -> list[Find]:
    name = str(path.relative_to(root.parent)) if root.is_dir() else path.name
    in_name = list(_text_traces(name, known))
    label = shown(_hidden(name, in_name))
    finds = [Find(label, "file name", trace.kind, _redacted(trace.end - trace.start)) for trace in in_name]
    try:
        with quiet():
            found = list(_content(path, known, reads=reads))
    except Refused as refused:
        found = [("content", "unreadable", str(refused))]
    except Exception as error:  # whatever a foreign file does to a library, the others are still looked at
        found = [("content", "unreadable", f"it cannot be searched ({type(error).__name__})")]
    return finds + [Find(label, place, kind, value) for place, kind, value in dict.fromkeys(found)]


def _redacted(length: int) -> str:
    return f"{_HIDDEN} ({length} characters)"


def _hidden(name: str, traces: Iterable[Trace]) -> str:
    """Return a name with what identifies in it struck out."""
    strike = {place for trace in traces for place in range(trace.start, trace.end)}
    kept = ("\0" if place in strike else char for place, char in enumerate(name))
    return "".join(kept).replace("\0\0", "\0").replace("\0\0", "\0").replace("\0", "*")


def _text_traces(text: str, known: Sought) -> Iterator[Trace]:
    yield from pattern_traces(text)
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters have no lower case of their own length
        lowered = text
    yield from known.traces(lowered)


def _content(path: Path, known: Sought, *, reads: bool) -> Iterator[tuple[str, Kind, str]]:
    """Yield (place, kind, redacted value) of what a file holds."""
    if path.stat().st_size == 0:
        return
    head = first_bytes(path)
    kind = sniffed(head)
    if path.suffix == ".npy" and head.startswith(b"\x93NUMPY"):
        yield from _array_finds(path)
    elif kind == "dicom":
        yield from dicom_finds(path)
        yield from _byte_finds(path, known, skip=native_pixels(path) if known.known else None)
    elif kind in STILLS or kind in VIDEOS:
        yield from (still_finds(path) if kind in STILLS else container_finds(path, str(kind)))
        yield from _byte_finds(path, known)
    elif path.stat().st_size <= _TEXT_BYTES and _is_text(path):
        yield from _line_finds(path, known)
    else:
        yield from _byte_finds(path, known)
    if reads and (kind is not None or path.suffix == ".npy"):
        yield from burned_in_finds(path, known.known)


def _array_finds(path: Path) -> Iterator[tuple[str, Kind, str]]:
    """Look for bytes behind an array: the array itself is pixels, which are read as pixels."""
    with path.open("rb") as stream:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream)
        expected = stream.tell() + dtype.itemsize * _product(shape)
        extra = stream.seek(0, 2) - expected
    if extra:
        yield "after the array", "bytes", _redacted(extra)


def _product(shape: Sequence[int]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def _is_text(path: Path) -> bool:
    """Tell text, in UTF-8 or an encoding of one byte, from a program's bytes (PDF, archives) by its control codes."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    controls = sum(head.count(code) for code in range(32) if code not in b"\t\n\r\x1b")
    return not head.startswith(_ARCHIVES) and b"\0" not in head and controls <= _CONTROL_SHARE * len(head)


def _line_finds(path: Path, known: Sought) -> Iterator[tuple[str, Kind, str]]:
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            for trace in _text_traces(_decoded(raw), known):
                yield f"line {number}", trace.kind, _redacted(trace.end - trace.start)


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _byte_finds(path: Path, known: Sought, *, skip: tuple[int, int] | None = None) -> Iterator[tuple[str, Kind, str]]:
    """Search a file's bytes for what the sources hold, a piece at a time, in lower case.

    skip: uncompressed pixels from where to where; text in them is read as a person would, by `burned_in_finds`.
    """
    if not known.known:
        return
    overlap = 4 * max(len(value.text) for value in known.known)
    first_end, second_start = skip or (path.stat().st_size, path.stat().st_size)
    for start, end in ((0, first_end), (second_start, path.stat().st_size)):
        for offset, piece in _pieces(path, start, end, overlap):
            for value, at in known.in_bytes(piece):
                yield f"byte {offset + at}", value.kind, _redacted(len(value.text))


def _pieces(path: Path, start: int, end: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, lower-case bytes) of a part of a file; each piece begins with the end of the one before."""
    offset, kept = start, b""
    with path.open("rb") as stream:
        stream.seek(start)
        while piece := stream.read(min(_CHUNK, end - offset)):
            joined = kept + piece.lower()
            yield offset - len(kept), joined
            offset += len(piece)
            kept = joined[-overlap:]
