"""How patients came into the partitions and videos into a network, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alnus.report.run_files import RunFiles
from alnus.report.wording import count, number, spoken

DRAWN, GIVEN = "drawn", "given"  # what run.json may say of the partitions


def assignment_words(files: RunFiles) -> str:
    """Return how the patients were assigned to partitions or folds; "" where the run does not say."""
    origin = files.run.get("partitions")
    if origin == GIVEN:
        return "The assignment is the cohort table’s own."
    if origin != DRAWN:
        return ""
    split, seed = files.config.get("split") or {}, files.run.get("seed", files.config.get("seed"))
    if split.get("folds"):
        return f"The folds were drawn at random (seed {seed}), each with the same share of metastases."
    drawn = (
        f"Drawn at random (seed {seed}), alike in label and centre: {_percent(split, 'test_fraction')} of the internal "
        f"patients for testing set A, {_percent(split, 'validation_fraction')} of the others for validation"
    )
    outside = centers_of(files, "test_b")
    return f"{drawn}; testing set B is {_named(outside)}." if outside else f"{drawn}."


def _percent(split: Mapping[str, Any], key: str) -> str:
    value = split.get(key)
    return f"{number(100 * float(value), 1)}%" if isinstance(value, int | float) else "a share"


def _named(centers: list[str]) -> str:
    return f"{'centre' if len(centers) == 1 else 'centres'} {spoken(centers)}"


def centers_of(files: RunFiles, *partitions: str) -> list[str]:
    """Return the centres of some partitions' patients, sorted; none where splits.csv names none."""
    splits = files.splits
    if splits is None or not {"center", "split"} <= set(splits.columns):
        return []
    return sorted(set(splits.loc[splits["split"].isin(partitions), "center"]) - {""})


def has_fusion(files: RunFiles) -> bool:
    """Tell whether clinical columns were joined with a score."""
    return any(body.get("fusion") for body in files.sets().values())


def preparation_words(files: RunFiles) -> str:
    """Return what was done to every video between its file and a network; "" where no network is recorded."""
    if not files.models:
        return ""
    excluded = (files.config.get("quality") or {}).get("exclude") or ()
    faults = f" ({', '.join(str(code).replace('_', ' ') for code in excluded)})" if excluded else ""
    fused = (
        " In the fusion, numbers were standardised, levels became columns of 0 and 1, and a missing number the median."
        if has_fusion(files)
        else ""
    )
    return (
        "Preparation, alike for every patient: a video was decoded once to grey and cut to the scanned region that its "
        "file states or, where it states none, that was found from what moves; marks that stand still in it were "
        f"blackened. Faults were looked for by stated rules; some leave a video out{faults}. The store keeps pixels, "
        "timing and spacing under the study’s own ids, and no header, which is no proof that nobody can be recognised "
        "in the pixels. A frame was padded to a square, resized, cropped and normalised; each card says how large and "
        f"how frames were sampled.{fused}"
    )


def openings_count(files: RunFiles) -> str:
    """Return how many openings of test sets the run directory logs, in words; "" where none is logged."""
    logged = files.openings if files.openings is not None else files.results.get("openings")
    n = 0 if logged is None else len(logged)
    return count(n, "opening") if n else ""
