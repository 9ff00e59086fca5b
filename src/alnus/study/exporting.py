"""A trained network exported for an engine, compared on the user's own videos; int8 also by what it costs the AUC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from alnus import evaluation, inference, models  # inference and models load torch when first used
from alnus.clips.sample import CineSource, Sample
from alnus.console import Reporter
from alnus.errors import CohortError, MediaError, UsageError, WeightsError
from alnus.media import CineStore
from alnus.study.single import ingested, run_splits

if TYPE_CHECKING:
    from torch import Tensor, nn

CHECKED_CLIPS = 16  # real ones, that an export must answer as PyTorch does
CALIBRATION_CLIPS = 64  # that give int8 its ranges
AUC_LOSS = 0.005  # largest change of the AUC by int8
FEWEST_PATIENTS = 5  # of each class, without whom an AUC says nothing
TRAINING = ("train", "val")  # the patients whom an export may look at
INDEX = "index.csv"  # of a cine store

Roles = Mapping[str, str]  # patient -> split


@dataclass(frozen=True)
class Exported:
    """What was written, and where."""

    directory: Path
    card: inference.EngineCard

    def lines(self) -> list[str]:
        """Say what was found."""
        found = [_line(checked) for checked in self.card.checked]
        return [*found, f"Export: {self.directory}"]


def _line(found: inference.Checked) -> str:
    change = f"{found.precision}: largest change of a probability {found.largest_change:.2g} on {found.clips} clips"
    if found.auc_change is not None:
        return f"{change}; AUC of {found.auc_patients} patients changed by {found.auc_change:+.4f}"
    return change if found.holds else f"{change}, more than {found.bound:g}: `alnus predict` will not use it"


def export_network(
    model: Path, clips_from: Path, out: Path | None, *, to: str, int8: bool = False, reporter: Reporter
) -> Exported:
    """Export one trained network; it is written only where it answers as PyTorch does on real clips.

    clips_from: a cine store, a cohort table, or one video. out: None is `engines/<to>` (int8: `engines/<to>-int8`) in
    the model's directory, where `alnus predict --engine` finds it. Where the run's splits tell the patients apart, int8
    calibrates on the training ones, and no test patient is looked at. Raises UsageError, CohortError, MediaError, and
    WeightsError with the figures where the export differs.
    """
    if to not in ("onnx", "openvino"):
        raise UsageError(f"--to '{to}' is not one of onnx, openvino")
    network, card = models.load_model(model)
    out = out or model / "engines" / (f"{to}-int8" if int8 else to)
    with _source(clips_from, reporter) as (store, samples):
        roles = _roles(model, clips_from, card)
        allowed = [sample for sample in samples if roles.get(sample.patient_id, "train") in TRAINING]
        if not allowed:
            raise CohortError(f"{clips_from}: holds no video that may be looked at: training or validation patients")
        training = [sample for sample in allowed if roles.get(sample.patient_id, "train") == "train"] or allowed
        calibration = _clips(card, training, store, CALIBRATION_CLIPS) if int8 else None
        reporter.say(f"Exporting {card.source} to {to}{' in int8' if int8 else ''}")
        draft = inference.draft_export(network, card, to=cast(Literal["onnx", "openvino"], to), calibration=calibration)
        checked = inference.check_draft(draft, network, _clips(card, allowed, store, CHECKED_CLIPS))
        if int8:
            checked = (_judged(checked[0], draft, network, card, allowed, store, reporter),)
    return Exported(out, inference.write_export(out, draft, card, checked, clips_from=clips_from.name))


@contextmanager
def _source(clips_from: Path, reporter: Reporter) -> Iterator[tuple[CineStore, list[Sample]]]:
    """Yield the store and its samples; what cannot be read of a cohort is left out."""
    if (clips_from / INDEX).is_file():
        store = CineStore(clips_from)
        yield store, [Sample(patient_id=video, video=video) for video in store.videos()]
        return
    if not clips_from.is_file():
        raise UsageError(f"--clips {clips_from}: is neither a cine store ({INDEX}), a cohort table, nor a video")
    with ingested([clips_from], reporter) as (store, samples, failed):
        if not samples:
            raise MediaError("; ".join(item["reason"] for item in failed))
        yield store, samples


def _roles(model: Path, clips_from: Path, card: models.ModelCard) -> Roles:
    """Return each patient's split in the run that trained the network; nobody's where it is not known."""
    table = run_splits(model, clips_from, [card])
    if table is None:
        return {}
    if card.fold is not None:
        table = table[table["fold"] == card.fold]
    return dict(zip(table["patient_id"], table["split"], strict=True))


def _clips(card: models.ModelCard, samples: Sequence[Sample], store: CineSource, count: int) -> Tensor:
    """Return at most `count` clips of videos spread over the samples: one each, then the second ones, and so on."""
    import torch

    chosen = [samples[int(place)] for place in np.linspace(0, len(samples) - 1, min(len(samples), count)).round()]
    each = [inference.video_clips(card.network, sample, store) for sample in chosen]
    rounds = [clips[number] for number in range(max(map(len, each))) for clips in each if number < len(clips)]
    return torch.stack(rounds[:count])


def _judged(
    found: inference.Checked,
    draft: inference.Draft,
    network: nn.Module,
    card: models.ModelCard,
    samples: Sequence[Sample],
    store: CineSource,
    reporter: Reporter,
) -> inference.Checked:
    """Return int8's record with what it does to the AUC. Raises WeightsError where the loss is larger than allowed.

    Without labels of enough patients, each probability must hold the bound of the other precisions.
    """
    labelled = [sample for sample in samples if sample.label is not None]
    positive = {sample.patient_id for sample in labelled if sample.label == 1}
    negative = {sample.patient_id for sample in labelled} - positive
    if min(len(positive), len(negative)) < FEWEST_PATIENTS:
        if not found.holds:
            raise WeightsError(
                f"int8 changed a probability by {found.largest_change:.2g} on {found.clips} clips, more than "
                f"{found.bound:g}, and too few patients have a label to judge it by the AUC: nothing was written"
            )
        return found
    with reporter.progress("Scoring in float32 and int8") as progress:
        pairs = inference.paired_scores(draft, network, card, labelled, store, progress=progress)
    labels = [patient in positive for patient in pairs]
    before, after = (evaluation.auc(labels, [pair[k] for pair in pairs.values()]).estimate for k in (0, 1))
    if abs(after - before) > AUC_LOSS:
        raise WeightsError(
            f"int8 changed the AUC of {len(pairs)} patients from {before:.4f} to {after:.4f}, by more than "
            f"{AUC_LOSS:g} (largest change of a probability {found.largest_change:.2g}): nothing was written"
        )
    return found.model_copy(update={"auc_change": after - before, "auc_patients": len(pairs)})
