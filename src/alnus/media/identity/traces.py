"""Traces of identity in text and bytes: what looks like a name, an id or a UID, and what a source's header holds.

Source: DICOM PS3.5 6.2.1 (person names: components with carets), PS3.5 9 (UIDs), PS3.15 Table E.1-1 (what identifies).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from alnus.errors import MediaError
from alnus.media.containers import first_bytes, sniffed
from alnus.media.identity.allowlist import ALLOWLIST
from alnus.media.identity.mapping import MAPPED_ROOT, PSEUDONYM
from alnus.media.refusal import Refused, quiet, shown

Kind = Literal["name", "id", "date", "uid", "text", "element", "bytes", "metadata", "burned-in", "unreadable"]

_LETTERS = r"[^\W\d_]"
_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("name", re.compile(rf"(?<!\w){_LETTERS}[\w'’-]+\^{_LETTERS}[\w'’-]+")),
    ("uid", re.compile(r"(?<![\d.])[0-2](?:\.(?:0|[1-9]\d*)){5,}(?![\d.])")),
    (
        "id",
        re.compile(
            r"(?i)\b(?:MRN|medical record (?:no|number)|patient(?:'s)? ?(?:name|id)|accession(?: ?(?:no|number))?)\b"
            r"[\"']?\s*[:=#]\s*[\"']?([^\s\"',;<>]{3,})"
        ),
    ),
    (
        "date",
        re.compile(
            r"(?i)(?:\bdob\b|\bborn\b|\bgeb\b|birth)\D{0,16}((?:\d{1,4}[-./]\d{1,2}[-./]\d{1,4})|(?:19|20)\d{6})(?!\d)"
        ),
    ),
)
_SHORTEST_UID = 20
_STANDARD_ROOT = "1.2.840.10008."
_WORD = re.compile(r"[^\W_]+")
_NARROW = re.compile(rb"[\x20-\x7e\xc0-\xff]{6,}")
_UTF8 = re.compile(rb"(?=[\x20-\x7e]{0,32}\xc3)(?:[\x20-\x7e]|\xc3[\x80-\xbf]){6,}")  # what Latin-1 has, at least once
_WIDE = re.compile(rb"(?:[\x20-\x7e\xc0-\xff]\0){5,}[\x20-\x7e\xc0-\xff]")
_LAST_LATIN = "\xff"
_LEAST_VARIED = 3  # different characters; 00000000 and XXXX stand for what is unknown

_FREE_TEXT = ("Description", "Comments", "ProtocolName", "PatientState", "Reason", "History")
_HARMLESS = ("ManufacturerModelName", "SoftwareVersions", "CodeMeaning", "CodeValue", "CodingSchemeDesignator")
_TEXT_VRS = ("LO", "SH", "ST", "LT", "UT", "UC", "AE", "UR")
_SHORTEST_TEXT, _SHORTEST_NAME, _SHORTEST_IN_BYTES = 4, 3, 6


@dataclass(frozen=True)
class Trace:
    """Where in a text something identifies: the span of characters, and what it looks like."""

    start: int
    end: int
    kind: Kind


def pattern_traces(text: str) -> Iterator[Trace]:
    """Yield what looks like a person's name, a labelled id, a date of birth or a UID that is not mapped."""
    for kind, pattern in _PATTERNS:
        for found in pattern.finditer(text):
            start, end = found.span(found.lastindex or 0)
            if not _is_ours(kind, text[start:end]):
                yield Trace(start, end, kind)


def _is_ours(kind: Kind, value: str) -> bool:
    if kind == "uid":
        return len(value) < _SHORTEST_UID or value.startswith((MAPPED_ROOT, _STANDARD_ROOT))
    return PSEUDONYM.match(value) is not None


@dataclass(frozen=True)
class Known:
    """A value that a source's header holds, in one of the ways to write it, lower case."""

    text: str
    kind: Kind

    def encodings(self) -> set[bytes]:
        """Return its bytes in the encodings of headers and logs; none for what is short enough to occur by chance."""
        if _weight(self.text) < _SHORTEST_IN_BYTES:
            return set()
        return {self.text.encode(name, "ignore") for name in ("utf-8", "latin-1", "utf-16-le", "utf-16-be")}


class Sought:
    """The known values, laid out so that a text is gone through once however many they are."""

    def __init__(self, known: Iterable[Known]) -> None:
        self.known = tuple(known)
        self._by_word: dict[str, list[tuple[Known, int]]] = {}
        for value in self.known:
            if (word := _WORD.search(value.text)) is not None:
                self._by_word.setdefault(word[0], []).append((value, word.start()))

    def traces(self, lowered: str) -> Iterator[Trace]:
        """Yield where a value stands as a word, or words, of its own in a lower-case text."""
        for word in _WORD.finditer(lowered) if self.known else ():
            for value, before in self._by_word.get(word[0], ()):
                start = word.start() - before
                end = start + len(value.text)
                if lowered.startswith(value.text, max(start, 0)) and _WORD.match(lowered[end : end + 1]) is None:
                    yield Trace(max(start, 0), end, value.kind)

    def in_bytes(self, lowered: bytes) -> Iterator[tuple[Known, int]]:
        """Yield a value and its place for each that stands anywhere in lower-case bytes."""
        texts = "\n".join(_printed(lowered)).lower()
        for value in self.known:
            if _weight(value.text) < _SHORTEST_IN_BYTES:
                continue
            if value.text in texts or not value.text.isprintable() or max(value.text) > _LAST_LATIN:
                places = [place for form in value.encodings() if (place := lowered.find(form)) >= 0]
                if places or value.text in texts:
                    yield value, min(places, default=0)


def _printed(content: bytes) -> Iterator[str]:
    """Yield the runs of Latin letters in bytes, in Latin-1, UTF-8 and UTF-16, as the program `strings` does."""
    yield from (run[0].decode("latin-1") for run in _NARROW.finditer(content))
    yield from (run[0].decode("utf-8") for run in _UTF8.finditer(content))
    yield from (run[0][::2].decode("latin-1") for run in _WIDE.finditer(content))


def known_values(sources: Iterable[Path]) -> list[Known]:
    """Return what the DICOM headers of the sources hold that identifies: names, ids, dates, UIDs, institutions, text.

    Of a folder, of every file below it. Sources of other kinds have no header; the words of their file names are none
    that identify by themselves. Raises MediaError where a source cannot be read, or none of them is DICOM.
    """
    found: dict[Known, None] = {}
    roots, headers = list(sources), 0
    for path in (path for root in roots for path in _sources_of(root)):
        with quiet():
            try:
                if sniffed(first_bytes(path)) != "dicom":
                    continue
                header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
                found |= dict.fromkeys(_of_data_set(header))
                headers += 1
            except Refused as refused:
                raise MediaError(f"{shown(path)}: {refused}") from None
            except Exception as error:  # pydicom raises many kinds over a broken file
                raise MediaError(f"{shown(path)}: its header cannot be read ({type(error).__name__})") from None
    if roots and not headers:
        raise MediaError(f"{shown(roots[0])}: no DICOM header is there whose values could be looked for; name others")
    return list(found)


def _sources_of(root: Path) -> Iterator[Path]:
    """Yield a file, or the files below a folder that hold anything."""
    if root.is_dir():
        yield from (path for path in sorted(root.rglob("*")) if path.is_file() and path.stat().st_size)
    else:
        yield root


def _of_data_set(dataset: Dataset) -> Iterator[Known]:
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                for item in element.value:
                    yield from _of_data_set(item)
            else:
                yield from (
                    value
                    for value in _of_element(element)
                    if len(set(value.text)) >= _LEAST_VARIED or not value.text.isascii()
                )
        except Exception:  # a malformed element has no value to look for
            continue


def _of_element(element: DataElement) -> Iterator[Known]:
    values = element.value if element.VM > 1 else [element.value]
    for value in values:
        text = _as_text(value)
        if element.VR == "PN":
            yield from _of_name(text)
        elif element.VR in ("DA", "DT"):
            yield from _of_date(text)
        elif element.VR == "UI" and UID(text).name == text and not text.startswith(MAPPED_ROOT):
            yield Known(text, "uid")
        elif element.VR in _TEXT_VRS or element.tag.is_private or element.VR in ("UN", "OB"):
            yield from _of_text(element.keyword, text)


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1").strip(" \0") if len(value) < 1024 else ""
    return str(value).strip(" \0")


def _of_name(text: str) -> Iterator[Known]:
    """Yield a person's name whole and in parts, in either order, with usual separators, with and without accents."""
    for group in text.lower().split("="):
        for spelled in {group, _plain(group)}:
            parts = [part for part in re.split(r"[\^\s,]+", spelled) if _weight(part.strip(".")) > 1]
            yield from (Known(part, "name") for part in parts if _weight(part) >= _SHORTEST_NAME and part[-1] != ".")
            if len(parts) > 1:
                for first, second in (parts[:2], parts[1::-1]):
                    yield from (
                        Known(f"{first}{between}{second}", "name") for between in ("^", " ", ", ", "_", "-", "")
                    )


def _weight(text: str) -> int:
    """Return how much a text tells: its bytes, for a Chinese name has two or three signs."""
    return len(text.encode("utf-8", "surrogateescape"))


def _plain(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def _of_date(text: str) -> Iterator[Known]:
    found = re.match(r"(\d{4})(\d{2})(\d{2})", text)
    if found is None:
        return
    year, month, day = found.groups()
    for between in ("", "-", ".", "/", "_"):
        for order in ((year, month, day), (day, month, year), (month, day, year)):
            yield Known(between.join(order), "date")


def _of_text(keyword: str, text: str) -> Iterator[Known]:
    lowered = text.lower()
    if keyword in ALLOWLIST and not keyword.startswith(("Patient", "Accession", "Study")):
        return
    if keyword in _HARMLESS or len(lowered) < _SHORTEST_TEXT or not lowered.isprintable():
        return
    if (not keyword or keyword.endswith(_FREE_TEXT)) and not re.search(r"[\s\d]", lowered):
        return  # a single word of a description or of a private element is no identity: BREAST
    kind: Kind = "id" if re.search(r"\d", lowered) else "text"
    yield Known(lowered, kind)
    bare = re.sub(r"[\W_]+", "", lowered)
    if bare != lowered and re.search(r"\d", bare) and len(bare) >= _SHORTEST_IN_BYTES:
        yield Known(bare, kind)
