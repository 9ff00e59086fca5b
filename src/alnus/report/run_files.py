"""What a report is made of: the files of a run directory, each read once, each absence remembered by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import pandas as pd
import yaml

from alnus.errors import UsageError
from alnus.report.wording import UNDERPOWERED_WIDTH

EXCLUDED = ("patient_id", "video", "reason")


@dataclass(frozen=True)
class ModelFiles:
    """One trained network: its folder below models/, its card, its learning curve (None where absent)."""

    folder: str
    card: Mapping[str, Any]
    metrics: pd.DataFrame | None

    @property
    def source(self) -> str:
        """The network's name in results.json."""
        return str(self.card.get("source") or self.card.get("name") or self.folder.split("/")[0])

    @property
    def fold(self) -> int | None:
        """The fold that the network did not see, or None."""
        fold = self.card.get("fold")
        return None if fold is None else int(fold)


@dataclass(frozen=True)
class RunFiles:
    """The content of a run directory. `missing`: what is not there, as sentences for the reader."""

    root: Path
    results: Mapping[str, Any]
    run: Mapping[str, Any]
    config: Mapping[str, Any]
    config_text: str
    splits: pd.DataFrame | None
    excluded: pd.DataFrame | None
    quality: pd.DataFrame | None
    videos: pd.DataFrame | None
    predictions: pd.DataFrame | None
    openings: pd.DataFrame | None
    cohort: Mapping[str, Any]
    models: tuple[ModelFiles, ...]
    explanations: tuple[Mapping[str, Any], ...] | None
    missing: tuple[str, ...] = field(default=())

    @property
    def phantom(self) -> bool:
        """True where any file says that the data are simulated: a doubt counts as simulated."""
        cards = any(bool(model.card.get("phantom")) for model in self.models)
        return bool(self.results.get("phantom")) or bool(self.run.get("phantom")) or cards

    @property
    def widest_interval(self) -> float:
        """Return the width from which on an interval is too wide to support a claim."""
        settings = self.results.get("settings")
        return float((settings if isinstance(settings, Mapping) else {}).get("widest_interval", UNDERPOWERED_WIDTH))

    @property
    def confidence(self) -> float:
        """The level of every interval."""
        return float(self.results.get("confidence", 0.95))

    def sets(self) -> dict[str, Mapping[str, Any]]:
        """Return the sets of results.json in the order of the paper; validation only where there is nothing else."""
        found = dict(self.results["sets"])
        order = ["test_a", "test_b", "folds"]
        names = [name for name in order if name in found] + [n for n in found if n not in (*order, "val", "train")]
        return {name: self._in_order(found[name]) for name in names or found}

    def models_in_order(self) -> list[str]:
        """Return the networks as the configuration lists them; results.json sorts them by name."""
        return [str(name) for name in self.config.get("models") or ()]

    def _in_order(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        order = self.models_in_order()
        names = sorted(body["sources"], key=lambda name: order.index(name) if name in order else len(order))
        return {**body, "sources": {name: body["sources"][name] for name in names}}


def read_run(root: Path) -> RunFiles:
    """Read a run directory. Raises UsageError where results.json is absent or empty, or a file is damaged."""
    results = _read_json(root / "results.json")
    if not isinstance(results, dict) or not isinstance(results.get("sets"), dict) or not results["sets"]:
        state = "is not there" if results is None else "holds no sets"
        raise UsageError(f"{root / 'results.json'} {state}: finish the study's evaluation before its report")
    run, cohort, index = (_read_json(root / name) for name in ("run.json", "cohort.json", "explanations/index.json"))
    splits, excluded = _read_table(root / "splits.csv"), _read_table(root / "excluded.csv")
    config_text = (root / "config.yaml").read_text(encoding="utf-8") if (root / "config.yaml").is_file() else ""
    models = tuple(_read_model(card, root) for card in sorted((root / "models").glob("**/model.json")))
    parts = {
        "run.json (provenance)": run,
        "config.yaml (configuration)": config_text or None,
        "cohort.json (cohort flow, Table 1)": cohort,
        "splits.csv (partitions)": splits,
        "excluded.csv (excluded inputs)": excluded,
        "models/ (model cards)": models or None,
        "explanations/index.json (heatmaps)": index,
    }
    return RunFiles(
        root=root,
        results=results,
        run=run or {},
        config=_mapping(config_text),
        config_text=config_text,
        splits=splits,
        excluded=excluded,
        quality=_read_table(root / "quality.csv"),
        videos=_read_videos(root),
        predictions=_read_table(root / "predictions.csv"),
        openings=_read_table(root / "openings.csv"),
        cohort=cohort or {},
        models=models,
        explanations=None if index is None else tuple(index),
        missing=tuple(name for name, part in parts.items() if part is None),
    )


def _mapping(text: str) -> Mapping[str, Any]:
    loaded = yaml.safe_load(text) if text else {}
    return loaded if isinstance(loaded, dict) else {}


def _read_json(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not JSON ({error}): repeat the stage that writes it") from None


def _read_table(path: Path) -> pd.DataFrame | None:
    """Read a CSV as text only: an id such as 007 or NA stays what it is."""
    if not path.is_file():
        return None
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=list(EXCLUDED))


def _read_videos(root: Path) -> pd.DataFrame | None:
    """Return videos.csv; of an older run what its store's index says, without centres."""
    videos, index = _read_table(root / "videos.csv"), _read_table(root / "store" / "index.csv")
    if videos is not None or index is None:
        return videos
    suffix = [PurePath(name).suffix.lower().lstrip(".") or "no suffix" for name in index["video"]]
    return index.assign(center="", container=suffix, keyframe="")


def _read_model(card: Path, root: Path) -> ModelFiles:
    metrics = card.with_name("metrics.csv")
    curve = pd.read_csv(metrics) if metrics.is_file() and metrics.stat().st_size > 0 else None
    return ModelFiles(card.parent.relative_to(root / "models").as_posix(), _read_json(card), curve)
