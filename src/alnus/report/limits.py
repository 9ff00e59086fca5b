"""What a report does not show, said in the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from alnus.report.run_files import RunFiles
from alnus.report.wording import count, is_underpowered, set_title, source_title, spoken

SHRINKS = {"tin": 32, "image": 32, "x3d": 32, "mvit": 32, "r2plus1d": 16, "resnet3d": 16}
"""How many times smaller the last stage's map is than the picture, a side."""


def limitations(files: RunFiles) -> list[str]:
    """Return one sentence or two for each limitation that holds for this run."""
    return [
        *_data(files),
        "Alnus’ accuracy on patients’ lymph nodes is not yet measured: it has not been validated on an independent "
        "clinical cohort. Nothing here is a basis for the care of a patient.",
        *_size(files),
        *_folds(files),
        "Each network was trained with one seed. The intervals hold the chance of drawing these patients, not the "
        "chance in training, nor the choice of the settings.",
        *_validation(files),
        *_settings(files),
        *_heatmaps(files),
        *_inputs(files),
    ]


def _data(files: RunFiles) -> list[str]:
    if not files.phantom:
        return []
    return [
        "The videos, labels and readers of this cohort are simulated. The numbers show that the software runs and "
        "whether it finds evidence that the simulation put there; they say nothing about patients, sonographers or any "
        "network’s accuracy in a clinic."
    ]


def _size(files: RunFiles) -> list[str]:
    wide = [
        set_title(name)
        for name, body in files.sets().items()
        if any(is_underpowered(source.get("auc") or {}) for source in body["sources"].values())
    ]
    if not wide:
        return []
    return [
        f"On {spoken(wide)} at least one AUC has an interval wider than {files.widest_interval:g}, or none: too few "
        "patients to rank the sources. That a difference is not shown does not mean that there is none."
    ]


def _folds(files: RunFiles) -> list[str]:
    if "folds" not in files.sets():
        return []
    return [
        "Cross-validation pools the scores of networks trained on overlapping patients; the intervals treat them as "
        "independent scores of one network, which they are not, and there is no external test. The mean AUC of the "
        "folds, beside it, compares no scores of two networks."
    ]


def _validation(files: RunFiles) -> list[str]:
    if not files.models:
        return []
    return [
        "Epochs and thresholds were chosen on the validation patients, so every number on these patients is optimistic."
    ]


def _heatmaps(files: RunFiles) -> list[str]:
    if not files.explanations:
        return []
    cells: dict[int, list[str]] = {}
    for model in files.models:
        name, side = source_title(model.source), last_stage_cells(model.card)
        if side and name not in cells.setdefault(side, []):
            cells[side].append(name)
    known = [f"{side} × {side} cells over the picture for {spoken(names)}" for side, names in sorted(cells.items())]
    fineness = f": {spoken(known)}" if known else ""
    return [
        f"A heat map is no finer than its network’s last stage{fineness}. It is smoothed for the eye, shows roughly "
        "where evidence lay, and does not localise a lesion or a lymph node."
    ]


def last_stage_cells(card: Mapping[str, Any]) -> int | None:
    """Return how many cells a side the last stage of a model card's network has; None where the card does not say.

    The networks of frames shrink a picture 32 times, the 3-D ones, which pool no picture at their start, 16 times.
    """
    side = ((card.get("network") or {}).get("clip") or {}).get("side_px")
    shrinks = SHRINKS.get(str(card.get("name")))
    return math.ceil(side / shrinks) if isinstance(side, int) and shrinks else None


def _settings(files: RunFiles) -> list[str]:
    sentences = [
        "The settings of the study that this design follows (Li et al., Front. Oncol. 13:1219838, 2023) are not all "
        "known. Input size, frames and training settings are assumed, as listed in the configuration below."
    ]
    if files.config.get("preset") == "small":
        sentences.append(
            "The networks are of the small preset: a quarter of the published width, on small grey frames. They are no "
            "measure of the full-size networks."
        )
    return sentences


def _inputs(files: RunFiles) -> list[str]:
    n = 0 if files.excluded is None else len(files.excluded)
    if not n:
        return []
    return [
        f"{count(n, 'video was', 'videos were')} left out; the list of excluded inputs gives each one’s reason. If a "
        "reason is related to the disease, the results are biased."
    ]
