"""Rules for the value of a listed DICOM element: what passes is written anew, what does not is left out.

A value is never copied as it stands: numbers are parsed and formatted again, texts come from lists of ours. So nothing
else survives in an element that is allowed, whatever a machine or a person wrote there.
Source: DICOM PS3.15 E.1.1 (actions D, Z, X, K, C, U of Table E.1-1), PS3.5 6.2 (value representations).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID

from alnus.media.identity.mapping import MAPPED_ROOT, PSEUDONYM, Mapping

Values = list[Any]
_DIGITS = 9  # significant; more would leave room for text in the mantissa of a double
_LEAST, _MOST = 1e-9, 1e5  # magnitudes between which eight ASCII characters read as a double never lie


@dataclass(frozen=True)
class Rule:
    """What becomes of a listed element.

    kept: for the documentation, what survives. clean: a value (one item an entry) to what is written, [] for nothing.
    is_clean: whether a value may stand in a de-identified file.
    """

    kept: str
    clean: Callable[[Values, Mapping], Values]
    is_clean: Callable[[Values], bool]
    items: ReadOnly[str, Rule] | None = None


Allowlist = ReadOnly[str, Rule]  # by keyword
_NOBODY = Mapping(bytes(32), "")  # for rules that ask for no mapping


def _same(clean: Callable[[Values, Mapping], Values]) -> Callable[[Values], bool]:
    """Call clean what cleaning leaves as it is."""
    return lambda values: clean(values, _NOBODY) == values


def terms(*allowed: str) -> Rule:
    """Keep values that are all among the defined terms."""

    def clean(values: Values, _: Mapping) -> Values:
        found = [str(value).strip() for value in values]
        return found if all(value in allowed for value in found) else []

    return Rule(", ".join(allowed), clean, _same(clean))


def numbers(low: float, high: float, *, count: int | None = 1, whole: bool = False) -> Rule:
    """Keep `count` numbers (None: any) within the limits, written anew with 9 significant digits."""

    def one(value: Any) -> float | int | None:
        number = float(value)
        if not isfinite(number) or not low <= number <= high or (whole and number != int(number)):
            return None
        if whole:
            return int(number)
        return float(f"{number:.{_DIGITS}g}") if number == 0 or _LEAST <= abs(number) <= _MOST else None

    def clean(values: Values, _: Mapping) -> Values:
        found = [one(value) for value in values]
        return found if None not in found and count in (None, len(found)) else []

    kind = "whole number" if whole else "number"
    return Rule(
        f"{kind} from {low:g} to {high:g}", clean, lambda values: clean(values, _NOBODY) == [*map(float, values)]
    )


def uid() -> Rule:
    """Replace a UID by its keyed one (action U)."""
    return Rule(
        "mapped by the key",
        lambda values, mapping: [mapping.uid(str(value)) for value in values if str(value).strip(" \0")],
        lambda values: all(str(value).startswith(MAPPED_ROOT) for value in values),
    )


def class_uid() -> Rule:
    """Keep a UID of the standard's own (PS3.6 A); any other is left out."""

    def clean(values: Values, _: Mapping) -> Values:
        found = [UID(str(value), validation_mode=IGNORE) for value in values]
        return [value for value in found if value.name != str(value)]  # pydicom names those of PS3.6 alone

    return Rule("the standard's own UID", clean, _same(clean))


def day(*, with_time: bool = False) -> Rule:
    """Move a date back by the patient's days; of a DT, the time of day is dropped."""

    def clean(values: Values, mapping: Mapping) -> Values:
        moved = [mapping.day(str(value)[:8] if with_time else str(value)) for value in values]
        return moved if None not in moved else []

    return Rule(
        "date moved back" + (", without the time" if with_time else ""),
        clean,
        lambda values: all(re.fullmatch(r"\d{8}", str(value)) for value in values),
    )


def pseudonym() -> Rule:
    """Replace by the patient's pseudonym (action D)."""
    return Rule(
        "ALN- and 16 hexadecimal digits",
        lambda _, mapping: [mapping.pseudonym()],
        lambda values: all(PSEUDONYM.fullmatch(str(value)) for value in values),
    )


def written(*allowed: str, kept: str = "") -> Rule:
    """Leave the source's value out: the writer states its own, one of those allowed (none: it is always empty)."""
    return Rule(
        kept or ", ".join(allowed) or "emptied",
        lambda values, _: [],
        lambda values: all(str(value) in allowed for value in values),
    )


def measured(low: float, high: float, *, count: int | None = 1) -> Rule:
    """Leave the source's value out: the writer states what it measured of its own pixels, whole numbers."""
    return Rule("of the pixels as written", lambda values, _: [], numbers(low, high, count=count, whole=True).is_clean)


def tags(*keywords: str) -> Rule:
    """Leave the source's value out: the writer points to one of these elements."""
    allowed = [tag_for_keyword(keyword) for keyword in keywords]
    return Rule(
        " or ".join(keywords), lambda values, _: [], lambda values: all(int(value) in allowed for value in values)
    )


def maker(names: ReadOnly[str, str]) -> Rule:
    """Keep a known manufacturer, in our spelling. names: a lower-case word of its name to that spelling."""

    def clean(values: Values, _: Mapping) -> Values:
        words = set(re.findall(r"[a-z]+", " ".join(map(str, values)).lower()))
        return [next(iter([name for word, name in names.items() if word in words]), "")]

    spellings = sorted(set(names.values()))
    return Rule(", ".join(spellings), clean, lambda values: all(str(value) in {"", *spellings} for value in values))


def image_type(*regions: str) -> Rule:
    """State ImageType anew: derived (the pixels are cleaned), the defined terms and the hexadecimal code of US kept."""

    def clean(values: Values, _: Mapping) -> Values:
        found = [*(str(value).strip() for value in values), "", "", "", ""][:4]
        second = found[1] if found[1] in ("PRIMARY", "SECONDARY") else "SECONDARY"
        third = found[2] if found[2] in regions else ""
        fourth = found[3] if re.fullmatch(r"[0-3][0-9A-F]{3}", found[3]) else ""
        return ["DERIVED", second, *([third, fourth] if fourth else [third] if third else [])]

    return Rule("DERIVED, PRIMARY or SECONDARY, a defined term, the US code", clean, _same(clean))


def items(allowlist: Allowlist, *, required: tuple[str, ...] = ()) -> Rule:
    """Keep a sequence's items, each by an allowlist of its own; an item without a required element is left out."""

    def clean(values: Values, mapping: Mapping) -> Values:
        found = [surviving(item, allowlist, mapping) for item in values if isinstance(item, Dataset)]
        return [item for item in found if item and all(keyword in item for keyword in required)]

    return Rule(
        "items by their own list",
        clean,
        lambda values: all(not strangers(item, allowlist) for item in values),
        items=allowlist,
    )


def coded(scheme: str, meanings: ReadOnly[str, str]) -> Rule:
    """Keep coded items (PS3.3 8.8) whose code is known, with our own meaning of it."""

    def clean(values: Values, _: Mapping) -> Values:
        return [
            code_item(str(item.CodeValue), scheme, meanings[str(item.CodeValue)])
            for item in values
            if str(item.get("CodeValue")) in meanings and str(item.get("CodingSchemeDesignator")) == scheme
        ]

    return Rule(", ".join(meanings.values()), clean, _same(clean))


def code_item(value: str, scheme: str, meaning: str) -> Dataset:
    """Return an item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def values_of(dataset: Dataset, keyword: str) -> Values | None:
    """Return an element's values, [] where it is empty; None where it is absent, broken or not of its own VR."""
    try:
        element = dataset[keyword]
        if element.VR not in dictionary_VR(element.tag).split(" or "):
            return None
        value = element.value
        if isinstance(value, (MultiValue, DicomSequence, list)):
            return list(value)
        return [] if value is None or value == "" else [value]
    except Exception:  # absent, or any of the kinds that pydicom raises over a malformed element
        return None


def surviving(dataset: Dataset, allowlist: Allowlist, mapping: Mapping) -> Dataset:
    """Return a new data set of what the allowlist lets through; every other element does not even get looked at."""
    kept = Dataset()
    for keyword, rule in allowlist.items():
        values = values_of(dataset, keyword)
        if not values:
            continue
        try:
            cleaned = rule.clean(values, mapping)
        except Exception:  # a value that cannot be parsed as what it should be
            continue
        if cleaned:
            setattr(kept, keyword, _as_value(cleaned, is_sequence=dictionary_VR(keyword) == "SQ"))
    return kept


def _as_value(cleaned: Values, *, is_sequence: bool) -> Any:
    if is_sequence:
        return DicomSequence(cleaned)
    return cleaned[0] if len(cleaned) == 1 else cleaned


def strangers(dataset: Dataset, allowlist: Allowlist) -> list[str]:
    """Return the places, "(gggg,eeee)" or a keyword, of elements that a de-identified data set does not hold."""
    found = []
    for tag in dataset.keys():  # noqa: SIM118  iterating the data set itself would decode each element
        keyword = keyword_for_tag(tag)
        rule = None if tag.is_private else allowlist.get(keyword)
        if rule is None or not _is_clean(dataset, keyword, rule):
            found.append(keyword if keyword and not tag.is_private else f"({tag.group:04x},{tag.element:04x})")
    return found


def _is_clean(dataset: Dataset, keyword: str, rule: Rule) -> bool:
    try:
        values = values_of(dataset, keyword)
        return values is not None and rule.is_clean(values)
    except Exception:  # a value that cannot be parsed as what it should be
        return False
