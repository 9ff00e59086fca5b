"""What a report does not show, said in the report."""

from __future__ import annotations

from alnus.report.run_files import RunFiles
from alnus.report.wording import UNDERPOWERED_WIDTH, is_underpowered, set_title, spoken


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
        *_settings(files),
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
        f"On {spoken(wide)} at least one AUC has an interval wider than {UNDERPOWERED_WIDTH:g}, or none: too few "
        "patients to rank the sources. That a difference is not shown does not mean that there is none."
    ]


def _folds(files: RunFiles) -> list[str]:
    if "folds" not in files.sets():
        return []
    return [
        "Cross-validation pools the scores of networks trained on overlapping patients; the intervals treat them as "
        "independent scores of one network, which they are not, and there is no external test."
    ]


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
    return [f"Excluded inputs: {n}. If what made them unreadable is related to the disease, the results are biased."]
