"""Mutations that know a little of the formats: a DICOM element's value, a size field of a container."""

from __future__ import annotations

import random
import warnings
from io import BytesIO

import atheris
import pydicom
from pydicom.dataset import Dataset

NUMBERS = ("0", "-1", "nan", "inf", "1e400", "1\\2", "99999999999", "65535", "2147483648", "3.7")
TEXTS = (*NUMBERS, "", " ", "\\", "\x00", "Ω^x")
WORDS = (0, 1, 2, 3, 7, 8, 16, 255, 256, 32767, 32768, 65500, 65535)
SIZES = (0, 1, 7, 8, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
STRUCTURED_SHARE = 0.4  # of the mutations; the others are libFuzzer's own


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """Return a changed input: an element of a DICOM file, a 4-byte field, or what libFuzzer makes of it."""
    chance = random.Random(seed)
    if chance.random() < STRUCTURED_SHARE:
        changed = _element_changed(data, chance) if data[128:132] == b"DICM" else _field_changed(data, chance)
        if changed and len(changed) <= max_size:
            return changed
    return bytes(atheris.Mutate(data, max_size))


def _field_changed(data: bytes, chance: random.Random) -> bytes:
    if len(data) < 16:
        return b""
    at = chance.randrange(min(len(data) - 4, 2048) if chance.random() < 0.7 else len(data) - 4)
    octets = chance.choice((1, 2, 4, 8))
    value = chance.choice(SIZES) & ((1 << 8 * octets) - 1)
    order = chance.choice(("big", "little"))
    return data[:at] + value.to_bytes(octets, order) + data[at + octets :]


def _element_changed(data: bytes, chance: random.Random) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(BytesIO(data), force=True)
            _change(dataset, chance)
            content = BytesIO()
            dataset.save_as(content, enforce_file_format=False)
            return content.getvalue()
    except Exception:  # an input that is already broken: libFuzzer's own mutation instead
        return b""


def _change(dataset: Dataset, chance: random.Random) -> None:
    element = dataset[chance.choice(list(dataset.keys()))]
    action = chance.random()
    if action < 0.15:
        del dataset[element.tag]
    elif element.VR == "SQ":
        if element.value and action < 0.8:
            _change(element.value[0], chance)
        else:
            element.value = [*element.value, *element.value, Dataset()]
    elif action < 0.25:
        element.VR = chance.choice(("UN", "SQ", "OB", "US", "DS", "IS", "LO", "FD"))
    elif isinstance(element.value, bytes):
        element.value = element.value[: chance.randrange(len(element.value) + 1)]
    elif isinstance(element.value, int) and element.VR in ("US", "SS", "UL", "SL"):
        element.value = chance.choice(WORDS)
    else:
        element._value = chance.choice(TEXTS)
