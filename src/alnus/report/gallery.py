"""Heatmaps of right and wrong cases, small enough to mail, and the name of every kind that has none."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from alnus.report.document import Case, Gallery
from alnus.report.run_files import RunFiles
from alnus.report.wording import OUTCOMES, set_title, source_title

PLURALS = {
    "TP": "true positives",
    "FN": "false negatives",
    "FP": "false positives",
    "TN": "true negatives",
}
LARGEST_SIDE_PX = 720
WIDE_PX = 480
MANY = 8
TOTAL_BYTES = 5_000_000
"""All heatmaps together, so that the HTML (a third more in base64) stays below 10 MB."""


def galleries(files: RunFiles) -> list[Gallery]:
    """Return one gallery for each test set and network of results.json that has cases or calls."""
    entries = files.explanations or ()
    found = []
    for name, body in files.sets().items():
        for source, numbers in body["sources"].items():
            if numbers.get("kind", "model") != "model":
                continue
            mine = [entry for entry in entries if entry.get("set") == name and entry.get("source") == source]
            found.append(_gallery(files, name, source, mine, numbers.get("counts") or {}))
    return found


def _gallery(
    files: RunFiles, name: str, source: str, entries: Sequence[Mapping[str, Any]], counts: Mapping[str, int]
) -> Gallery:
    cases, notes = [], []
    for outcome in OUTCOMES:
        of_kind = [entry for entry in entries if entry.get("kind") == outcome]
        shown = [case for entry in of_kind if (case := _case(files, entry)) is not None]
        cases += shown
        notes += [
            f"The picture of patient {entry.get('patient_id')} is missing: {entry.get('png')}."
            for entry in of_kind
            if _picture(files, entry) is None
        ]
        if not of_kind:
            notes.append(_none_of(outcome, counts.get(outcome.lower())))
    return Gallery(f"{set_title(name)}, {source_title(source)}", tuple(cases), tuple(notes), _columns(cases))


def _columns(cases: Sequence[Case]) -> int:
    """Return 2 where a picture is wide (two panels with words in them, to be read), 3 where there are many, else 4."""
    if len(cases) > MANY:
        return 3
    for case in cases:
        try:
            with Image.open(case.image) as image:
                if image.width >= WIDE_PX:
                    return 2
        except (UnidentifiedImageError, OSError):
            continue
    return 4


def _none_of(outcome: str, n: int | None) -> str:
    plural = PLURALS[outcome]
    if n == 0:
        return f"No {plural}: there are none on this set."
    number = "" if n is None else f" of the {n}"
    return f"No {plural} are shown: no heatmap was made for any{number}."


def _case(files: RunFiles, entry: Mapping[str, Any]) -> Case | None:
    picture = _picture(files, entry)
    if picture is None:
        return None
    patient, outcome = str(entry["patient_id"]), str(entry["kind"])
    score = f"{float(entry['score']):.3f}"
    frame = entry.get("keyframe")
    truth = "metastasis" if entry.get("label") == 1 else "no metastasis"
    call = "metastasis" if entry.get("call") == 1 else "no metastasis"
    return Case(
        image=str(picture),
        outcome=outcome,
        patient=patient,
        score=score,
        detail=f"truth: {truth}" + ("" if frame is None else f"; frame {frame}"),
        alt=f"Heatmap of patient {patient}: {OUTCOMES[outcome].lower()}, called {call}, truly {truth}, score {score}",
    )


def _picture(files: RunFiles, entry: Mapping[str, Any]) -> Path | None:
    """Return an image's path; None where it is missing or lies outside the run directory."""
    name = str(entry.get("png") or "")
    for base in (files.root / "explanations", files.root):
        path = (base / name).resolve()
        if name and path.is_file() and path.is_relative_to(files.root.resolve()):
            return path
    return None


def shrunken(paths: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield (path, MIME type, bytes) of each picture: as it is where small, else a JPEG within its share of bytes."""
    allowance = max(TOTAL_BYTES // max(len(paths), 1), 12_000)
    for path in paths:
        yield (path, *_fitted(Path(path), allowance))


def _fitted(path: Path, allowance: int) -> tuple[str, bytes]:
    raw = path.read_bytes()
    try:
        with Image.open(io.BytesIO(raw)) as image:
            if image.format == "PNG" and len(raw) <= min(allowance, 80_000) and max(image.size) <= LARGEST_SIDE_PX:
                return "image/png", raw
            picture = image.convert("RGB")
    except (UnidentifiedImageError, OSError):
        return "image/png", _placeholder()
    side = LARGEST_SIDE_PX
    while True:
        small = picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, format="JPEG", quality=88, optimize=True)
        if buffer.tell() <= allowance or side <= 160:
            return "image/jpeg", buffer.getvalue()
        side = side * 4 // 5


def _placeholder() -> bytes:
    """Return a grey square: the picture is damaged, its caption still holds."""
    buffer = io.BytesIO()
    Image.new("L", (64, 64), 128).save(buffer, format="PNG")
    return buffer.getvalue()
