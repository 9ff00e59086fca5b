"""The tables of the run: the cohort (Table 1), the networks, the inputs that were excluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal

from alnus.report.document import Cell, Column, Row, Table
from alnus.report.run_files import ModelFiles, RunFiles
from alnus.report.set_tables import threshold_text
from alnus.report.wording import ABSENT, epoch_from_one, number, set_title, source_title

ARCHITECTURES = {
    "tin": "Temporal interlacing on ResNet-{depth}",
    "r2plus1d": "R(2+1)D-{depth}",
    "resnet3d": "ResNet-3D-{depth}",
    "image": "ResNet-{depth} on one image",
    "x3d": "X3D of {depth} blocks",
    "mvit": "MViTv2 of {depth} blocks",
}
PUBLISHED_WIDTHS = {"x3d": 24, "mvit": 96}  # the others: 64
SAMPLING = {"segments": "1 of each of {frames} segments", "dense": "every {nth} frame", "keyframe": "the keyframe"}
MOST_EXCLUDED = 200


def cohort_table(files: RunFiles, *, by: Literal["partition", "centre"] = "partition") -> Table | None:
    """Return Table 1 as cohort.json has it, or None where it is absent."""
    stored = files.cohort.get("table1" if by == "partition" else "by_center")
    if not isinstance(stored, Mapping) or not stored.get("rows"):
        return None
    labels = [_header(str(label)) for label in stored["columns"]]
    texts = [[str(value) for value in row] for row in stored["rows"]]
    first_number = _first_number_column(labels, texts)
    shares = [1.5 if k == 0 else 0.7 if label == "Missing" else 1.0 for k, label in enumerate(labels)]
    columns = tuple(Column(label, "left" if k < first_number else "right", shares[k]) for k, label in enumerate(labels))
    rows = tuple(Row(tuple(Cell(_tidy(text)) for text in row)) for row in texts)
    notes = ("Label 1: metastasis; 0: none. Missing: patients without the value.",)
    name = "cohort" if by == "partition" else "cohort_by_center"
    return Table(name, f"The cohort by {by}.", columns, rows, notes)


def _header(label: str) -> str:
    """Write a partition's name; leave out the placeholder names that pandas gives."""
    return "" if label.startswith("Unnamed") else set_title(label)


def _first_number_column(labels: Sequence[str], texts: Sequence[Sequence[str]]) -> int:
    """Return the index of the first column after the names: the first that holds digits in most of its cells."""
    if "Level" in labels:
        return labels.index("Level") + 1
    for index in range(1, len(labels)):
        filled = [row[index] for row in texts if row[index].strip()]
        if filled and sum(any(sign.isdigit() for sign in text) for text in filled) > len(filled) / 2:
            return index
    return 1


def _tidy(text: str) -> str:
    return "" if text.lower() in ("nan", "none", "<na>") else text


def networks_table(files: RunFiles) -> Table | None:
    """Return one row a network; with folds, its folds' ranges. None where no model card is there."""
    if not files.models:
        return None
    by_source: dict[str, list[ModelFiles]] = {}
    for model in files.models:
        by_source.setdefault(model.source, []).append(model)
    rows = tuple(_network_row(files, source, models) for source, models in configured_order(files, by_source))
    columns = (
        Column("Network", share=1.0),
        Column("Architecture", share=1.5),
        Column("Input", share=1.5),
        Column("Start", share=0.9),
        Column("Parameters", "right", 1.05),
        Column("Epochs (kept)", "right", 0.85),
        Column("Validation AUC", "right", 1.0),
        Column("Threshold", "right", 0.95),
    )
    notes = [
        "Kept: the epoch with the highest validation AUC, whose weights are used. Threshold: on the score (0 to 1, "
        f"not calibrated), {_rules(files)}, frozen before the test sets were opened."
    ]
    if any(len(models) > 1 for models in by_source.values()):
        notes.append("With cross-validation a network is trained once a fold: lowest to highest value over the folds.")
    return Table("networks", "The networks as trained.", columns, rows, tuple(notes))


def configured_order(files: RunFiles, by_source: Mapping[str, list[ModelFiles]]) -> list[tuple[str, list[ModelFiles]]]:
    """Return the networks as the configuration lists them, then by name."""
    order = files.models_in_order()
    return sorted(
        by_source.items(), key=lambda item: (order.index(item[0]) if item[0] in order else len(order), item[0])
    )


def _rules(files: RunFiles) -> str:
    networks = {model.source for model in files.models}
    frozen = files.results.get("thresholds") or {}
    rules = {str(entry.get("rule", "")) for source, entry in frozen.items() if source in networks} - {""}
    return "by " + ", ".join(sorted(rules)) if rules else "chosen on validation"


def _network_row(files: RunFiles, source: str, models: Sequence[ModelFiles]) -> Row:
    card = models[0].card
    network: Mapping[str, Any] = card.get("network") or {}
    frozen = (files.results.get("thresholds") or {}).get(source) or {}
    kept = [epoch_from_one(model.card.get("epoch")) for model in models]
    epochs = [None if model.metrics is None else len(model.metrics) for model in models]
    thresholds = list((frozen.get("folds") or {"": frozen.get("value")}).values())
    return Row(
        (
            Cell(source_title(source)),
            Cell(*architecture(str(card.get("name", source)), network)),
            Cell(*clip_text(network.get("clip") or {})),
            Cell(start(network)),
            Cell(f"{card['parameters']:,}" if card.get("parameters") else ABSENT),
            Cell(value_range(epochs, 0), f"({value_range(kept, 0)})"),
            Cell(value_range([model.card.get("validation_auc") for model in models], 3)),
            Cell(threshold_text(thresholds[0]) if len(thresholds) == 1 else value_range(thresholds, 3)),
        )
    )


def architecture(name: str, network: Mapping[str, Any]) -> tuple[str, str]:
    """Return an architecture in words, and its width where it is not the published one."""
    pattern = ARCHITECTURES.get(name, name)
    width, published = network.get("width"), PUBLISHED_WIDTHS.get(name, 64)
    main = pattern.replace("{depth}", str(network.get("depth", "?")))
    return main, "" if width in (None, published) else f"first stage {width} channels wide (published: {published})"


def clip_text(clip: Mapping[str, Any]) -> tuple[str, str]:
    """Return a clip's size and how its frames are sampled."""
    if not clip:
        return ABSENT, ""
    side, frames, stride = clip.get("side_px", "?"), clip.get("frames", "?"), int(clip.get("stride", 1))
    nth = {1: "1st", 2: "2nd", 3: "3rd"}.get(stride, f"{stride}th")
    pattern = SAMPLING.get(str(clip.get("sampling")), "")
    sampling = "neighbouring frames" if pattern.startswith("every") and stride == 1 else pattern
    colour = "grey" if clip.get("channels") == 1 else "RGB"
    return f"{frames} × {side} × {side} px, {colour}", sampling.format(frames=frames, nth=nth)


def start(network: Mapping[str, Any]) -> str:
    """Return the file of the starting weights, or "random"."""
    weights = network.get("weights")
    return PurePath(str(weights)).name if weights else "random"


def value_range(values: Sequence[Any], digits: int) -> str:
    """Return "0.81", or "0.81–0.92" over the folds."""
    known = [float(value) for value in values if value is not None]
    if not known:
        return ABSENT
    low, high = number(min(known), digits), number(max(known), digits)
    return low if low == high else f"{low}–{high}"


def excluded_table(files: RunFiles) -> Table | None:
    """Return the inputs that could not be used, with the reason, or None where nothing was excluded."""
    excluded = files.excluded
    if excluded is None or excluded.empty:
        return None
    shown = excluded.head(MOST_EXCLUDED)
    coded = "code" in excluded.columns
    rows = tuple(
        Row(
            (
                Cell(r.patient_id),
                Cell(r.video),
                *((Cell(str(r.code).replace("_", " ")),) if coded else ()),
                Cell(r.reason),
            )
        )
        for r in shown.itertuples()
    )
    notes = () if len(shown) == len(excluded) else (f"The first {len(shown)} of {len(excluded)}; all: excluded.csv.",)
    columns: tuple[Column, ...] = (
        Column("Patient", share=0.8),
        Column("Video", share=1.3),
        Column("Reason", share=2.4),
    )
    if coded:
        columns = (*columns[:2], Column("Code", share=0.9), columns[2])
    return Table("excluded", "Inputs that were left out, each with its reason.", columns, rows, notes)


def quality_table(files: RunFiles) -> Table | None:
    """Return how many videos each finding of the ingestion concerns, or None where nothing was found.

    A video left out counts as left out in every row of its findings; one with two warnings counts in two rows.
    """
    quality = files.quality
    if quality is None or quality.empty or not {"video", "code", "severity"} <= set(quality.columns):
        return None
    out = set() if files.excluded is None else set(files.excluded["video"])
    counted = quality.assign(is_out=quality["video"].isin(out)).drop_duplicates(["video", "code"])
    found = counted.groupby("code")["is_out"].agg(["size", "sum"]).sort_values(["size"], ascending=False, kind="stable")
    rows = tuple(
        Row((Cell(str(code).replace("_", " ")), Cell(str(int(row["sum"]))), Cell(str(int(row["size"] - row["sum"])))))
        for code, row in found.iterrows()
    )
    columns = (Column("Finding", share=1.6), Column("Videos left out", "right"), Column("Videos kept", "right"))
    notes = ("A video may have several findings. Each, with the value measured: quality.csv.",)
    return Table("quality", "What ingestion found in the videos.", columns, rows, notes)
