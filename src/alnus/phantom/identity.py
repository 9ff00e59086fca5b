"""Invented people and hospitals for the DICOM headers and the burned-in text: what de-identification is tested on.

Nobody by these names is known; every value says in itself that it is invented, or lies in a range kept for fiction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

FAMILY = ("Quillfeather", "Thistlewick", "Marrowby", "Sköldmyra", "Oakenshaw-Fable", "Wintermoth", "Überwald")
GIVEN = (
    "Aurelia",
    "Benedetta",
    "Cosima",
    "Dorothea",
    "Elowen",
    "Florentine",
    "Gwendolin",
    "Henrike",
    "Isaura",
    "Noémie",
)
PHYSICIANS = ("Imaginarius^Otto^^Dr.", "Fictiva^Petra^^Dr.", "Phantomas^Ines^^Prof.", "Simulacra^Joan^^Dr.")
HOSPITALS = {
    "A": ("Invented General Hospital", "1 Nowhere Street, Phantom City"),
    "B": ("Imaginary Women's Clinic", "22 Fiction Road, Phantom City"),
    "C": ("Made-Up University Hospital", "333 Fable Avenue, Elsewhere"),
}


@dataclass(frozen=True)
class Identity:
    """A person who does not exist. name: DICOM PN. phone: in the block 555-01xx, which is kept for fiction."""

    name: str
    hospital_id: str
    birth_date: date
    age_years: int
    address: str
    phone: str
    study_date: date
    study_time: str
    accession: str
    physician: str
    operator: str


def invent_identity(generator: np.random.Generator, center: str) -> Identity:
    """Invent a woman between 28 and 84 who was examined between 2016 and 2021."""

    def pick(choices: tuple[str, ...]) -> str:
        return choices[int(generator.integers(len(choices)))]

    study = date(2016, 1, 4) + timedelta(days=int(generator.integers(0, 2000)))
    age = int(np.clip(round(generator.normal(53, 11)), 28, 84))
    birth = study - timedelta(days=int(age * 365.2425) + int(generator.integers(2, 363)))
    digits = int(generator.integers(10**6, 10**7))
    return Identity(
        name=f"{pick(FAMILY)}^{pick(GIVEN)}",
        hospital_id=f"INV{center}{digits}",
        birth_date=birth,
        age_years=age,
        address=f"{int(generator.integers(1, 200))} Nonesuch Lane, Phantom City",
        phone=f"+1-202-555-01{int(generator.integers(0, 100)):02d}",
        study_date=study,
        study_time=f"{int(generator.integers(8, 17)):02d}{int(generator.integers(0, 60)):02d}30",
        accession=f"ACC{center}{int(generator.integers(10**5, 10**6))}",
        physician=pick(PHYSICIANS),
        operator=pick(PHYSICIANS),
    )


def uid(*parts: object) -> str:
    """Return a DICOM UID that is a function of `parts`: 2.25 and 122 bits (PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big') >> 6}"
