"""A compact card of each network: what it is, how it was trained, what it may be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alnus.report.document import Facts
from alnus.report.run_files import ModelFiles, RunFiles
from alnus.report.run_tables import architecture, clip_text, configured_order, start, value_range
from alnus.report.wording import count, epoch_from_one, number, source_title

RESEARCH = "Research only. Its accuracy on patients’ lymph nodes has not been measured."


def model_cards(files: RunFiles) -> list[Facts]:
    """Return a card a network, in the order of the configuration; with folds one for all of its folds."""
    by_source: dict[str, list[ModelFiles]] = {}
    for model in files.models:
        by_source.setdefault(model.source, []).append(model)
    return [_card(files, source, models) for source, models in configured_order(files, by_source)]


def _card(files: RunFiles, source: str, models: Sequence[ModelFiles]) -> Facts:
    card = models[0].card
    network: Mapping[str, Any] = card.get("network") or {}
    training: Mapping[str, Any] = network.get("training") or {}
    known = {
        "Answers": _answers(card),
        "Use": RESEARCH + (" Trained on simulated videos." if card.get("phantom") else ""),
        "Architecture": " ".join(part for part in architecture(str(card.get("name", source)), network) if part),
        "Input": ", ".join(part for part in clip_text(network.get("clip") or {}) if part),
        "Start": _start(card, network),
        "Trained on": _trained_on(files, models),
        "Optimisation": _optimisation(training),
        "Augmentation": _augmentation(training.get("augmentation")),
        "Kept epoch": value_range([epoch_from_one(model.card.get("epoch")) for model in models], 0)
        + ", by validation AUC "
        + value_range([model.card.get("validation_auc") for model in models], 3),
        "In use": _in_use(card, network),
        "Weights": _weights(models),
    }
    return Facts(
        tuple((name, value or "not recorded") for name, value in known.items()),
        heading=f"Model card: {source_title(source)}",
    )


def _start(card: Mapping[str, Any], network: Mapping[str, Any]) -> str:
    """Return the starting weights' file, its digest, whose they are, and what was loaded, replaced and left."""
    known = card.get("start")
    if not isinstance(known, Mapping):
        return f"{start(network)} weights"
    return f"{known.get('file')} (SHA-256 begins {str(known.get('sha256'))[:16]}): {known.get('summary')}"


def _answers(card: Mapping[str, Any]) -> str:
    classes = card.get("classes")
    named = " or ".join(map(str, classes)) if isinstance(classes, list) else "metastasis or none"
    return f"{named}: a score from 0 to 1 of one video, not calibrated"


def _trained_on(files: RunFiles, models: Sequence[ModelFiles]) -> str:
    if files.splits is None or "split" not in files.splits.columns:
        return ""
    if len(models) > 1:
        return f"{len(models)} folds, each network on the patients of its training part"
    people = files.splits[files.splits["split"] == "train"].drop_duplicates("patient_id")
    return f"{count(len(people), 'patient')}, {int((people['label'] == '1').sum())} with metastasis"


def _optimisation(training: Mapping[str, Any]) -> str:
    if not training:
        return ""
    parts = [
        str(training.get("optimizer", "")),
        f"learning rate {training['learning_rate']:g}" if "learning_rate" in training else "",
        f"weight decay {training['weight_decay']:g}" if "weight_decay" in training else "",
        f"batches of {training['batch_size']}" if "batch_size" in training else "",
        f"at most {training['epochs']} epochs" if training.get("epochs") else "",
        f"{training['warmup_epochs']:g} to warm up" if training.get("warmup_epochs") else "",
        f"gradients cut at {training['gradient_clip']:g}" if training.get("gradient_clip") else "",
        "classes weighted by their frequency" if training.get("class_weights") else "classes not weighted",
    ]
    return ", ".join(part for part in parts if part)


def _augmentation(settings: Any) -> str:
    if not isinstance(settings, Mapping):
        return ""
    scale = settings.get("scale")
    parts = [
        "horizontal flip" if settings.get("horizontal_flip") else "",
        f"scale {scale[0]:g}–{scale[1]:g}" if isinstance(scale, list) and len(scale) == 2 else "",
        f"gain ±{settings['gain']:g}" if settings.get("gain") else "",
        f"contrast ±{settings['contrast']:g}" if settings.get("contrast") else "",
    ]
    return ", ".join(part for part in parts if part) or "none"


def _in_use(card: Mapping[str, Any], network: Mapping[str, Any]) -> str:
    clips = (network.get("inference") or {}).get("clips_per_video")
    parts = [f"mean of {clips} clips a video" if clips else ""]
    if card.get("aggregation"):
        parts.append(f"{'highest' if card['aggregation'] == 'max' else 'mean'} score of a patient’s videos")
    threshold = card.get("threshold")
    parts.append(f"positive from {number(float(threshold))}" if isinstance(threshold, int | float) else "")
    return ", ".join(part for part in parts if part)


def _weights(models: Sequence[ModelFiles]) -> str:
    card = models[0].card
    hashes = [str(model.card["weights_sha256"])[:16] for model in models if model.card.get("weights_sha256")]
    parts = [
        f"{card['parameters']:,} parameters" if card.get("parameters") else "",
        f"seed {card['seed']}" if card.get("seed") is not None else "",
        f"SHA-256 begins {', '.join(hashes)}" if hashes else "",
        f"made {str(card['created'])[:10]}" if card.get("created") else "",
    ]
    return ", ".join(part for part in parts if part)
