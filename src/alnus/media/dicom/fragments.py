"""Encapsulated pixel data: where each frame's bytes lie, by what is there and not by what a table claims.

Source: DICOM PS3.5 A.4 (items, basic and extended offset tables).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from alnus.media.dicom.codestream import MAGICS
from alnus.media.dicom.header import CUT_BEFORE_PIXELS
from alnus.media.dicom.source import Source
from alnus.media.refusal import COPY_AGAIN, CORRECT, EXPORT_AGAIN, Refused

ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_MOST_FRAGMENTS = 200_000
_HEAD_BYTES = 12  # the longest magic


@dataclass(frozen=True)
class Fragment:
    """An item of pixel data. starts_stream: its first bytes are those of a JPEG or JPEG 2000 code stream."""

    at: int
    length: int
    starts_stream: bool


@dataclass(frozen=True)
class Fragments:
    """All items but the first, which is the offset table.

    is_cut: the file ends before the delimiter. is_partial: it ends inside an item, which is left out.
    """

    items: tuple[Fragment, ...]
    offsets: tuple[int, ...]
    """The basic offset table: of each frame's first item, from the first item; mostly empty."""
    is_cut: bool
    is_partial: bool


def located(source: Source, at: int) -> Fragments:
    """Walk the items of encapsulated pixel data that begin at an offset. Raises Refused where they are none."""
    source.seek(at)
    head = source.read(8)
    if len(head) < 8:
        raise Refused(CUT_BEFORE_PIXELS)
    if head[:4] != ITEM:
        raise Refused(f"its pixel data are not encapsulated, as its transfer syntax says; {EXPORT_AGAIN}")
    length = int.from_bytes(head[4:], "little")
    table = source.read(length)
    offsets = tuple(int.from_bytes(table[index : index + 4], "little") for index in range(0, len(table) - 3, 4))
    if len(table) < length:
        return Fragments((), offsets, is_cut=True, is_partial=True)
    items: list[Fragment] = []
    while (head := source.read(8))[:4] == ITEM and len(head) == 8:
        length, start = int.from_bytes(head[4:], "little"), source.tell()
        magic = source.read(min(length, _HEAD_BYTES))
        if source.seek(start + length) < start + length:
            return Fragments(tuple(items), offsets, is_cut=True, is_partial=True)
        items.append(Fragment(start, length, magic.startswith(MAGICS)))
        if len(items) > _MOST_FRAGMENTS:
            raise Refused(f"its pixel data have more than {_MOST_FRAGMENTS} fragments")
    if len(head) == 8 and head[:4] != _DELIMITER:
        raise Refused(f"its pixel data are damaged after fragment {len(items)}; {COPY_AGAIN}")
    return Fragments(tuple(items), offsets, is_cut=len(head) < 8, is_partial=0 < len(head) < 4)


def frames_of(fragments: Fragments, count: int, extended: tuple[int, ...]) -> list[tuple[Fragment, ...]]:
    """Return each frame's fragments. Raises Refused where they are not `count`.

    A frame begins where a code stream does. For RLE, which has no mark, one fragment is one frame; else the offset
    tables count, basic or extended (`extended`), if each offset is that of an item. What a table says beyond that is
    not believed.
    """
    items = fragments.items
    starts = _starts(fragments, count, extended)
    whole = len(starts) - (fragments.is_partial and len(starts) == count)
    if whole < count and fragments.is_cut:
        raise Refused(f"the file is cut: only {whole} of {count} frames are there; {COPY_AGAIN}")
    if len(starts) != count:
        raise Refused(f"its NumberOfFrames is {count}, but its pixel data hold {len(starts)} frames; {CORRECT}")
    ends = [*starts[1:], len(items)]
    return [items[start:end] for start, end in zip(starts, ends, strict=True)]


def _starts(fragments: Fragments, count: int, extended: tuple[int, ...]) -> list[int]:
    """Return the index of each frame's first fragment."""
    items = fragments.items
    streams = [index for index, item in enumerate(items) if item.starts_stream]
    if streams[:1] == [0]:
        return streams
    if count == 1:
        return [0][: len(items)]
    for offsets in (extended, fragments.offsets):
        if len(items) > count == len(offsets) and (tabled := _tabled(items, offsets)):
            return tabled
    return list(range(len(items)))


def _tabled(items: tuple[Fragment, ...], offsets: tuple[int, ...]) -> list[int] | None:
    """Return the index of each frame's first fragment by an offset table, None where the table lies."""
    first = items[0].at
    index_at = {item.at - first: index for index, item in enumerate(items)}
    if any(offset not in index_at for offset in offsets):
        return None
    starts = [index_at[offset] for offset in offsets]
    is_rising = all(before < after for before, after in itertools.pairwise(starts))
    return starts if starts[0] == 0 and is_rising else None


def joined(source: Source, fragments: tuple[Fragment, ...]) -> bytes:
    """Return the bytes of a frame."""
    parts = []
    for fragment in fragments:
        source.seek(fragment.at)
        parts.append(source.read(fragment.length))
    return parts[0] if len(parts) == 1 else b"".join(parts)
