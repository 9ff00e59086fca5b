"""The public ALN-Ultra data set as a cohort table, wherever its files lie.

Its index holds 284 patients and 1,536 videos; the 257 patients with a biopsy result have 1,430 of them.

Source: Zenodo record 18483501 and the public repository Yajie-Zhang/ALN-Ultra, whose index maps a patient to
`["EXPERT BIOPSY", [video files], image file]`. That the first number is the expert's reading and the second the
biopsy's is read from the published code, which trains on the second; the data set does not say it in words.
The published protocol (`data_split` of its data loader): entries whose second number is 2 are left out; five folds
by `StratifiedKFold(n_splits=5, shuffle=True, random_state=0)` over the kept entries in the index's order,
stratified on the second number; the still comes from `image_pad/`, a patient's joined video from `video_concate/`.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from alnus.cohort.reading import first_few
from alnus.errors import CohortError
from alnus.provenance import atomic_path

INDEX_NAMES = ("index.json", "data_image_selected_video.json")
STILLS, JOINED = "image_pad", "video_concate"
NO_RESULT = 2
FOLDS = 5


@dataclass(frozen=True)
class AlnUltraReport:
    """What was written: the table, what it holds, and what of the data set is not in it."""

    table: Path
    index: Path
    patients: int
    videos: int
    left_out: tuple[str, ...]
    """Patients without a biopsy result ("2 2"), as in the published protocol."""
    videos_missing: int
    images_missing: int
    duplicates: tuple[str, ...]
    """Files that lie in several places under the root; the first path in order of depth and name was taken."""
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return what a user is told."""
        return [
            f"{self.table}: {self.patients} patients, {self.videos} videos, after {self.index}",
            f"left out, for want of a biopsy result: {len(self.left_out)} patients",
            "reader_expert is the index's first number, label (the biopsy) its second, as in the published code",
            *(f"{name} lies in several places; the first was taken" for name in self.duplicates),
            *(f"warning: {warning}" for warning in self.warnings),
        ]


@dataclass(frozen=True)
class Entry:
    """A patient of the index. expert: None where the index holds no reading; biopsy: 0, 1 or 2 (no result)."""

    patient: str
    expert: int | None
    biopsy: int
    videos: tuple[str, ...]
    image: str


def from_aln_ultra(root: Path, out: Path, *, index: Path | None = None, concatenated: bool = False) -> AlnUltraReport:
    """Write the cohort table of the ALN-Ultra data set under `root` to the CSV file `out`.

    One row a video: `patient_id`, `video`, `label` (the biopsy: the index's second number), `fold` (the
    published five), `image` (the still), `reader_expert` (the index's first number). Paths are relative to the table.
    index: the index file, else it is looked for under `root`. concatenated: one row a patient, the joined video of
    `video_concate/`. A row whose files are not there stays, and a warning counts them.
    Raises CohortError where there is no index, several that differ, or a malformed entry.
    """
    if not root.is_dir():
        raise CohortError(f"{root}: no such folder; name the folder that holds the ALN-Ultra data set")
    files = _walked(root)
    index = index or _found_index(root, files)
    entries = read_index(index)
    kept = [entry for entry in entries if entry.biopsy != NO_RESULT]
    if len(kept) < FOLDS:
        raise CohortError(
            f"{index}: {len(kept)} entries have a biopsy result; at least {FOLDS} are needed for the folds"
        )
    locate = _Locator(root, files, out.parent)
    table = _rows(kept, published_folds(index, kept), locate, concatenated=concatenated)
    with atomic_path(out) as temporary:
        table.to_csv(temporary, index=False)
    left_out = tuple(entry.patient for entry in entries if entry.biopsy == NO_RESULT)
    return _report(root, out, index, table, left_out, locate)


def read_index(path: Path) -> list[Entry]:
    """Return the index's entries in its order. Raises CohortError naming the file, and the malformed entry."""
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=lambda pairs: _unique(path, pairs))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CohortError(f"{path}: cannot be read as the ALN-Ultra index ({' '.join(str(error).split())})") from None
    if not isinstance(loaded, dict) or not loaded:
        raise CohortError(f"{path}: is not the ALN-Ultra index: a mapping of patients to entries is expected")
    entries = [_entry(path, patient, value) for patient, value in loaded.items()]
    owner: dict[str, str] = {}
    for entry in entries:
        for video in entry.videos:
            if owner.setdefault(video, entry.patient) != entry.patient or entry.videos.count(video) > 1:
                raise CohortError(f"{path}: entry '{entry.patient}': video '{video}' stands twice in the index")
    return entries


def _unique(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise CohortError(f"{path}: entry '{twice}' stands twice; keep one")
    return result


def _entry(path: Path, patient: str, value: Any) -> Entry:
    match value:
        case [str() as label, [*videos], str() as image] if _is_named(videos, image):
            numbers = re.fullmatch(r"\s*([012])\s+([012])\s*", label)
            if numbers and patient.strip():
                expert, biopsy = int(numbers.group(1)), int(numbers.group(2))
                names = tuple(PurePosixPath(video).name for video in videos)
                reading = None if expert == NO_RESULT else expert
                return Entry(patient, reading, biopsy, names, PurePosixPath(image).name)
    received = json.dumps(value, ensure_ascii=False)
    received = received if len(received) <= 120 else f"{received[:120]}..."
    raise CohortError(
        f"{path}: entry '{patient}': received {received}, expected [\"EXPERT BIOPSY\" (each 0, 1 or 2),"
        " [video files], image file]"
    )


def _is_named(videos: Sequence[Any], image: str) -> bool:
    """Tell whether there is at least one video and each file has a name without control characters."""
    names = [*videos, image]
    return bool(videos) and all(
        isinstance(name, str) and re.fullmatch(r"[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f/.]", name) for name in names
    )


def published_folds(index: Path, kept: Sequence[Entry]) -> list[int]:
    """Return each kept entry's fold, 0..4, as the published code draws them (its seed is always 0)."""
    labels = np.array([entry.biopsy for entry in kept])
    if np.bincount(labels, minlength=2).min() < FOLDS:
        raise CohortError(f"{index}: the published {FOLDS} folds need {FOLDS} patients of each class")
    folds = np.empty(len(kept), dtype=np.int64)
    splitter = StratifiedKFold(n_splits=FOLDS, shuffle=True, random_state=0)
    for fold, (_, held_out) in enumerate(splitter.split(labels, labels)):
        folds[held_out] = fold
    return [int(fold) for fold in folds]


def _walked(root: Path) -> dict[str, list[Path]]:
    """Return every file under the root by its name in lower case, shallow ones first; links are not followed."""
    files: dict[str, list[Path]] = defaultdict(list)
    for folder, _, names in os.walk(root, followlinks=False):
        for name in names:
            files[name.lower()].append(Path(folder, name))
    for paths in files.values():
        paths.sort(key=lambda path: (len(path.parts), str(path)))
    return dict(files)


def _found_index(root: Path, files: dict[str, list[Path]]) -> Path:
    found = [path for name in INDEX_NAMES for path in files.get(name, [])]
    if not found:
        raise CohortError(f"{root}: neither {' nor '.join(INDEX_NAMES)} lies under it; name the index with --index")
    if len({path.read_bytes() for path in found}) > 1:
        listed = first_few([str(path) for path in found])
        raise CohortError(f"{root}: several index files differ: {listed}; choose one with --index")
    return found[0]


class _Locator:
    """Finds the index's files under the root, and keeps count of what is absent or lies in several places."""

    def __init__(self, root: Path, files: dict[str, list[Path]], base: Path) -> None:
        self.root, self.files, self.base = root, files, base
        self.absent: dict[str, set[str]] = {"video": set(), "image": set()}
        self.duplicates: list[str] = []

    def __call__(self, kind: str, name: str, is_preferred: Callable[[Path], bool]) -> str:
        """Return the file's path relative to the table; where it is absent, where it was expected."""
        paths = self.files.get(name.lower(), [])
        candidates = [path for path in paths if is_preferred(path)] or paths
        if not candidates:
            self.absent[kind].add(name)
            return self._relative(self.root / name)
        if len(candidates) > 1:
            self.duplicates.append(name)
        return self._relative(candidates[0])

    def _relative(self, path: Path) -> str:
        try:
            return Path(os.path.relpath(path, self.base)).as_posix()
        except ValueError:  # another drive (Windows): there is no relative path
            return path.resolve().as_posix()


def _rows(kept: Sequence[Entry], folds: Sequence[int], locate: _Locator, *, concatenated: bool) -> pd.DataFrame:
    rows = []
    for entry, fold in zip(kept, folds, strict=True):
        image = locate("image", entry.image, lambda path: STILLS in path.parts)
        for name in _joined(entry) if concatenated else entry.videos:
            video = locate("video", name, lambda path: (JOINED in path.parts) == concatenated)
            expert = "" if entry.expert is None else str(entry.expert)
            rows.append((entry.patient, video, entry.biopsy, fold, image, expert))
    return pd.DataFrame(rows, columns=["patient_id", "video", "label", "fold", "image", "reader_expert"])


def _joined(entry: Entry) -> list[str]:
    """Return the name of the patient's joined video, as the published code forms it from the first video's."""
    return [entry.videos[0].split("_")[0].removesuffix(".avi") + ".avi"]


def _report(
    root: Path, out: Path, index: Path, table: pd.DataFrame, left_out: tuple[str, ...], locate: _Locator
) -> AlnUltraReport:
    missing = {kind: len(names) for kind, names in locate.absent.items()}
    warnings = []
    if missing["video"]:
        warnings.append(
            f"{missing['video']} of {len(table)} videos were not found under {root}: evaluation of the experts works,"
            " ingestion will list them as excluded"
        )
    if missing["image"]:
        warnings.append(f"{missing['image']} of {table['image'].nunique()} stills were not found under {root}")
    if locate.duplicates:
        warnings.append(
            f"{len(locate.duplicates)} files lie in several places under {root}, the first by depth and name was"
            f" taken: {first_few(locate.duplicates)}"
        )
    return AlnUltraReport(
        table=out,
        index=index,
        patients=table["patient_id"].nunique(),
        videos=len(table),
        left_out=left_out,
        videos_missing=missing["video"],
        images_missing=missing["image"],
        duplicates=tuple(locate.duplicates),
        warnings=tuple(warnings),
    )
