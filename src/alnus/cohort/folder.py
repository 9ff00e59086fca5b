"""A first draft of a cohort table from a folder of DICOM or video files; labels and centres are left to the user.

A DICOM header's patient id groups the files of one patient and is written nowhere: the draft has running numbers.
"""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pydicom
from pydicom.uid import UID

from alnus.errors import CohortError
from alnus.media.containers import HEAD_BYTES, VIDEOS, sniffed
from alnus.provenance import atomic_path

VIDEO_SUFFIXES = (".avi", ".mp4", ".m4v", ".mov", ".mpeg", ".mpg", ".mkv", ".webm", ".wmv", ".gif")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
SUFFIX = re.compile(r"\.(?=.*[a-z])[a-z0-9]{1,4}")
HEADER_TAGS = ["SOPClassUID", "PatientID", "IssuerOfPatientID", "Rows"]
STANDARD_ROOT = "1.2.840.10008"  # of every class that the standard defines (PS3.5, 9)
IMAGES = ("Image Storage", "Volume Storage")  # in the names of the classes of images (PS3.6, Table A-1)


@dataclass(frozen=True)
class FolderReport:
    """What the draft holds, what of the folder it does not, and what the user has to do."""

    table: Path
    patients: int
    videos: int
    skipped: int
    """Files that are no video and no DICOM image, and links."""
    unreadable: tuple[str, ...]
    """Names of DICOM files whose header cannot be read, or ends too early: they are not in the draft."""
    unnameable: tuple[str, ...]
    """Files that no table can name, as Python writes them: they are not in the draft either."""
    empty: tuple[str, ...]
    """Names of files without content that may have been DICOM: they are not in the draft either."""
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return what a user is told."""
        return [
            f"{self.table}: {self.patients} patients, {self.videos} videos; {self.skipped} other files skipped",
            *(
                f"not in the draft: {name}: its DICOM header is cut or cannot be read; export it again"
                for name in self.unreadable
            ),
            *(f"not in the draft: {name}: the file is empty; export it again" for name in self.empty),
            *(f"not in the draft: {name}: its name does not fit a table; rename it" for name in self.unnameable),
            *self.notes,
        ]


@dataclass(frozen=True)
class _Found:
    """A media file: its path relative to the root, and whose it is. header_patient never leaves this module."""

    path: Path
    is_dicom: bool
    header_patient: tuple[str, str] | None = None


def from_folder(root: Path, out: Path) -> FolderReport:
    """Draft the cohort table `out` (CSV: `patient_id, video, label, center`) from the files under `root`.

    A video's patient is the first folder below the root, else the file's own name without its suffix. DICOM files are
    grouped by the patient id of their headers and named P001, P002, ... in the order of their paths; where a header
    has none, by folder as videos are. `label` and `center` are empty, for the user to fill.
    Raises CohortError where the folder does not exist, holds no media, or `out` exists (it may have been filled in).
    """
    if not root.is_dir():
        raise CohortError(f"{root}: no such folder; name the folder that holds the videos")
    if out.exists():
        raise CohortError(f"{out}: exists already and may have been filled in; name another file or remove it")
    found: list[_Found] = []
    unreadable: list[str] = []
    unnameable: list[str] = []
    empty: list[str] = []
    skipped: Counter[str] = Counter()
    for path in _files(root):
        if path.is_symlink() or not path.is_file():
            skipped["links and no files"] += 1
        elif not _is_text(path):
            unnameable.append(ascii(str(path.relative_to(root))))
        elif _is_empty_dicom(path):
            empty.append(path.relative_to(root).as_posix())
        elif path.suffix.lower() in DICOM_SUFFIXES or (kind := _kind(path)) == "dicom":
            skipped["DICOM without an image"] += _add_dicom(root, path, found, unreadable)
        elif kind in VIDEOS or path.suffix.lower() in VIDEO_SUFFIXES:
            found.append(_Found(path.relative_to(root), is_dicom=False))
        else:
            skipped[_suffix(path)] += 1
    if not found:
        raise CohortError(_nothing_found(root, skipped.total(), [*unreadable, *empty, *unnameable]))
    patients = _patients(found)
    _write(root, out, found, patients)
    notes = _notes(out, found, +skipped)
    lost = tuple(unreadable), tuple(unnameable), tuple(empty)
    return FolderReport(out, len(set(patients)), len(found), skipped.total(), *lost, notes)


def _nothing_found(root: Path, others: int, lost: Sequence[str]) -> str:
    """Return why there is no draft. lost: names of files that may be what was looked for."""
    counted = f"{root}: holds no video and no DICOM image ({others} other files)"
    if lost:
        return f"{counted} that can be read; {len(lost)} cannot, the first is {lost[0]}: export them again"
    return f"{counted}; name the folder that holds the videos"


def _files(root: Path) -> Iterator[Path]:
    """Yield every file under the root in a fixed order, from one walk that follows no links."""
    for folder, folders, names in os.walk(root, followlinks=False):
        folders.sort()
        for name in sorted(names):
            yield Path(folder, name)


def _is_text(path: Path) -> bool:
    """Tell whether the path can be written in a UTF-8 table, on one line."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return str(path).isprintable()


def _suffix(path: Path) -> str:
    """Return a file's suffix, "no suffix", or "others" for what is a number or a word after a dot: it may be a name."""
    suffix = path.suffix.lower()
    return (suffix if SUFFIX.fullmatch(suffix) else "others") if suffix else "no suffix"


def _is_empty_dicom(path: Path) -> bool:
    """Tell a file without content that an archive may have exported: of DICOM's suffixes, or with a name like a UID."""
    may_be = path.suffix.lower() in DICOM_SUFFIXES or _suffix(path) in ("no suffix", "others")
    return may_be and not path.name.startswith(".") and path.stat().st_size == 0


def _kind(path: Path) -> str | None:
    """Return what a file's first bytes are, whatever it is called; None where that is nothing that is read."""
    try:
        with path.open("rb") as stream:
            return sniffed(stream.read(HEAD_BYTES))
    except OSError:
        return None


def _add_dicom(root: Path, path: Path, found: list[_Found], unreadable: list[str]) -> int:
    """Put a DICOM file among the found or the unreadable; return 1 where it holds no image (a report, a DICOMDIR).

    What is of a class of images, or of none, and states no rows has lost the rest of its header.
    """
    relative = path.relative_to(root)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a header's quirks are the ingestion's to report
            bare = _kind(path) == "dicom"  # without PS3.10's mark, too, as ingestion reads it
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=HEADER_TAGS, force=bare)
            has_image = "Rows" in header  # (0028,0010), in every image (PS3.3 C.7.6.3)
            is_cut = not has_image and _is_of_images(header)
            patient = str(header.get("PatientID", "") or "").strip()  # (0010,0020)
            issuer = str(header.get("IssuerOfPatientID", "") or "").strip()  # (0010,0021)
    except Exception:  # pydicom lets a malformed file raise nearly anything; its text may quote the header
        unreadable.append(relative.as_posix())
        return 0
    if has_image:
        found.append(_Found(relative, is_dicom=True, header_patient=(issuer, patient) if patient else None))
    elif is_cut:
        unreadable.append(relative.as_posix())
    return 0 if has_image or is_cut else 1


def _is_of_images(header: pydicom.FileDataset) -> bool:
    """Tell whether a header's class is one of images; True where it states none, or the beginning of one."""
    stated = str(header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or "")  # (0008,0016)
    name = UID(stated).name
    is_cut = name == stated and (stated.startswith(STANDARD_ROOT) or STANDARD_ROOT.startswith(stated))
    return is_cut or any(words in name for words in IMAGES)


def _patients(found: Sequence[_Found]) -> list[str]:
    """Return each file's patient: its folder or name, or a running number for a patient of the DICOM headers."""
    by_path = ["" if file.header_patient else _patient_of_path(file.path) for file in found]
    people = list(dict.fromkeys(file.header_patient for file in found if file.header_patient))
    width = max(3, len(str(len(people))))
    taken = set(by_path)
    numbers = (f"P{number:0{width}d}" for number in range(1, len(people) + len(taken) + 1))
    number_of = dict(zip(people, (name for name in numbers if name not in taken), strict=False))
    return [
        number_of[file.header_patient] if file.header_patient else name
        for file, name in zip(found, by_path, strict=True)
    ]


def _patient_of_path(relative: Path) -> str:
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def _write(root: Path, out: Path, found: Sequence[_Found], patients: Sequence[str]) -> None:
    base = os.path.relpath(root, out.parent) if root.resolve().drive == out.resolve().drive else root.resolve()
    videos = [Path(base, file.path).as_posix() for file in found]
    with atomic_path(out) as temporary:
        frame = pd.DataFrame({"patient_id": patients, "video": videos, "label": "", "center": ""})
        frame.to_csv(temporary, index=False)


def _notes(out: Path, found: Sequence[_Found], skipped: Counter[str]) -> tuple[str, ...]:
    notes = [
        f"fill column label in {out}: 1 = metastasis by pathology, 0 = none, the same for all rows of a patient",
        "fill column center with the hospital, or leave it empty in every row",
        "check patient_id: files of one patient must have the same one",
        "folder and file names stand in the table as they are: rename those that name a person",
    ]
    if any(file.is_dicom and not file.header_patient for file in found):
        notes.append("some DICOM files have no patient id: their patient is the folder or file name")
    if skipped:
        notes.append("skipped: " + ", ".join(f"{number} {kind}" for kind, number in sorted(skipped.items())))
    return tuple(notes)
