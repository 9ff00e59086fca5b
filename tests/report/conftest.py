"""A run directory as a finished study leaves it, made in code: synthetic scores, evaluated by the real evaluation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from alnus.config import EvaluationConfig, resolve
from alnus.evaluation import evaluate

SIZES = {"train": (58, 110), "val": (15, 27), "test_a": (21, 40), "test_b": (17, 32)}
SKILL = {"tin": 1.9, "r2plus1d": 1.5, "resnet3d": 1.3, "image": 0.9}
CEILINGS = {"ideal reader, keyframe": 1.6, "ideal reader, video": 2.6}
READERS = {"anna": 1.1, "ben": 0.9, "chen": 1.3}
KINDS = dict.fromkeys(READERS, "reader") | dict.fromkeys(CEILINGS, "ceiling") | dict.fromkeys(SKILL, "model")


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function as `build_run`, for tests that want a run of their own; what was built once is copied."""
    built: dict[str, Path] = {}

    def made(root: Path, **options: Any) -> Path:
        kind = repr(sorted(options.items()))
        if kind not in built:
            built[kind] = build_run(tmp_path_factory.mktemp("built"), **options)
        return Path(shutil.copytree(built[kind], root, dirs_exist_ok=True))

    return made


@pytest.fixture(scope="session")
def phantom_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole phantom study with its report written; tests only read it."""
    from alnus.report import write_report

    run = build_run(tmp_path_factory.mktemp("phantom"))
    write_report(run)
    return run


def build_run(
    root: Path,
    *,
    sizes: dict[str, tuple[int, int]] = SIZES,
    readers: dict[str, float] = READERS,
    phantom: bool = True,
    folds: int = 0,
    explain: bool = True,
    seed: int = 7,
) -> Path:
    """Write a run directory without its report. sizes: patients with and without metastasis of each partition."""
    generator = np.random.default_rng(seed)
    splits = patients(sizes) if not folds else folded(patients({"folds": (40, 70)}), folds)
    skill = SKILL | readers | (CEILINGS if phantom else {})
    predictions = score(splits[splits["split"] != "train"], skill, readers, generator)
    results = evaluate(
        predictions,
        EvaluationConfig(replicates=100),
        kinds={k: v for k, v in KINDS.items() if k in skill},
        phantom=phantom,
    )
    write_files(root, splits, predictions, results, phantom=phantom, folds=folds, generator=generator)
    if explain:
        explanations(root, predictions, results, generator)
    return root


def patients(sizes: dict[str, tuple[int, int]]) -> pd.DataFrame:
    rows = []
    for split, (positive, negative) in sizes.items():
        for label in [1] * positive + [0] * negative:
            center = "Third hospital" if split == "test_b" else ("First hospital", "Second hospital")[len(rows) % 2]
            rows.append((f"P{len(rows) + 1:03d}", label, center, split))
    return pd.DataFrame(rows, columns=["patient_id", "label", "center", "split"])


def folded(table: pd.DataFrame, folds: int) -> pd.DataFrame:
    parts = []
    for fold in range(folds):
        held_out = np.arange(len(table)) % folds == fold
        validates = np.arange(len(table)) % folds == (fold + 1) % folds
        split = np.where(held_out, "folds", np.where(validates, "val", "train"))
        parts.append(table.assign(split=split, fold=fold))
    return pd.concat(parts, ignore_index=True)


def score(
    splits: pd.DataFrame, skill: dict[str, float], readers: dict[str, float], generator: np.random.Generator
) -> pd.DataFrame:
    """Scores of sources that share most of their evidence, as networks that see the same lesion do."""
    lesion = dict(zip(splits["patient_id"], generator.normal(size=len(splits)), strict=True))
    tables = []
    for source, distance in skill.items():
        evidence = splits["patient_id"].map(lesion) * 0.75 + generator.normal(size=len(splits)) * 0.66
        logit = (splits["label"] - 0.5) * distance + evidence
        value = 1 / (1 + np.exp(-logit)) if source not in readers else (logit > 0.1).astype(float)
        tables.append(splits.assign(source=source, video=splits["patient_id"] + ".dcm", score=value))
    return pd.concat(tables, ignore_index=True)


def write_files(
    root: Path,
    splits: pd.DataFrame,
    predictions: pd.DataFrame,
    results: dict[str, Any],
    *,
    phantom: bool,
    folds: int,
    generator: np.random.Generator,
) -> None:
    config = resolve({"preset": "small", "cohort": "cohort.csv", "out": "run"}, origin="test")
    (root / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    splits.to_csv(root / "splits.csv", index=False)
    frozen = {source: entry["value"] for source, entry in results["thresholds"].items()}
    cut = predictions["source"].map(frozen).astype(float).fillna(0.5)
    predictions.assign(call=(predictions["score"] >= cut).astype(int)).to_csv(root / "predictions.csv", index=False)
    excluded = [
        ("P900", "P900.avi", "ends after 3 of 60 frames"),
        ("P901", "P901.dcm", "is no DICOM file: it starts with text"),
    ]
    pd.DataFrame(excluded, columns=["patient_id", "video", "reason"]).to_csv(root / "excluded.csv", index=False)
    write(root / "results.json", results)
    write(root / "run.json", record(phantom))
    write(root / "cohort.json", cohort(splits))
    for name in SKILL:
        for fold in range(folds) if folds else [None]:
            write_model(root, name, fold, config.networks[name].model_dump(mode="json"), phantom, generator)


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def record(phantom: bool) -> dict[str, Any]:
    return {
        "versions": {"python": "3.11.9", "alnus": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6", "typst": "0.15.2"},
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "machine": {"system": "Linux-6.1-x86_64", "machine": "x86_64", "cores": 2},
        "device": "cpu",
        "seed": 0,
        "inputs": {f"P{k:03d}.dcm": f"{k:064x}" for k in range(320)},
        "started": "2026-03-01T10:00:00+00:00",
        "finished": "2026-03-01T10:09:41+00:00",
        "stages": {"ingest": {"seconds": 31.4}, "train": {"seconds": 402.8}, "predict": {"seconds": 12.1}},
        "phantom": phantom,
        "command": "alnus study cohort.csv --preset small --out run",
    }


def cohort(splits: pd.DataFrame) -> dict[str, Any]:
    people = splits.drop_duplicates("patient_id") if "fold" not in splits else splits[splits["split"] == "folds"]
    n, names = len(people), list(dict.fromkeys(people["split"]))
    counts = [(people["split"] == name).sum() for name in names]
    flow = [
        {"label": "In the cohort table", "patients": n + 2, "videos": n + 2},
        {"label": "Excluded videos, and patients left without a video", "patients": 2, "videos": 2},
        {"label": "Analysed", "patients": n, "videos": n},
        *({"label": k, "patients": int(c), "videos": int(c)} for k, c in zip(names, counts, strict=True)),
    ]
    numbers = [
        ["n", "", "", n, *counts],
        ["Label, n (%)", "0", "0", *[f"{c * 2 // 3} (65.5)" for c in (n, *counts)]],
        ["", "1", "", *[f"{c // 3} (34.5)" for c in (n, *counts)]],
        ["Age, mean (SD)", "", "4", *["52.1 (11.3)" for _ in (n, *counts)]],
    ]
    rows = [[str(cell) for cell in row] for row in numbers]
    return {"flow": flow, "table1": {"columns": ["Variable", "Level", "Missing", "Overall", *names], "rows": rows}}


def write_model(
    root: Path, name: str, fold: int | None, network: dict[str, Any], phantom: bool, generator: np.random.Generator
) -> None:
    folder = root / "models" / name / ("" if fold is None else f"fold_{fold}")
    epochs = np.arange(16)  # from 0, as training writes them
    auc = np.clip(0.5 + 0.4 * (1 - np.exp(-(epochs + 1) / 5)) + generator.normal(0, 0.03, 16), 0, 1)
    metrics = pd.DataFrame(
        {
            "epoch": epochs,
            "train_loss": 0.7 * np.exp(-epochs / 9),
            "val_loss": 0.45 + 0.25 * np.exp(-epochs / 6) + generator.normal(0, 0.02, 16),
            "val_auc": auc,
            "learning_rate": 0.002,
        }
    )
    best = int(np.argmax(auc))
    card = {
        "name": name,
        "source": name,
        "network": network,
        "seed": 0,
        "threshold": 0.47,
        "epoch": best,
        "validation_auc": float(auc[best]),
        "parameters": 1_234_567,
        "phantom": phantom,
        "fold": fold,
    }
    write(folder / "model.json", card)
    metrics.to_csv(folder / "metrics.csv", index=False)


def explanations(
    root: Path, predictions: pd.DataFrame, results: dict[str, Any], generator: np.random.Generator
) -> None:
    """Two cases of each outcome where there are as many; of the image network on set A no false negative."""
    index = []
    for name, body in results["sets"].items():
        for source in SKILL:
            rows = predictions[(predictions["split"] == name) & (predictions["source"] == source)]
            cut = body["sources"][source]["threshold"] or 0.5
            calls = (rows["score"] >= cut).astype(int)
            outcomes = np.where(calls == rows["label"], "T", "F") + np.where(calls == 1, "P", "N").astype(object)
            for row, call, outcome in zip(rows.itertuples(), calls, outcomes, strict=True):
                same = [e for e in index if (e["source"], e["set"], e["kind"]) == (source, name, outcome)]
                if name == "val" or len(same) >= 2 or (source, name, outcome) == ("image", "test_a", "FN"):
                    continue
                png = f"{source}_{row.patient_id}.png"
                picture(root / "explanations" / png, generator)
                index.append(
                    {
                        "source": source, "set": name, "patient_id": row.patient_id, "video": row.video,
                        "label": int(row.label), "call": int(call), "score": float(row.score), "kind": outcome,
                        "keyframe": 12, "png": png, "mp4": None,
                    }
                )  # fmt: skip
    write(root / "explanations" / "index.json", index)


def picture(path: Path, generator: np.random.Generator) -> None:
    """A frame with a dark blob, and beside it the same with a warm one, as the explanations draw them."""
    path.parent.mkdir(exist_ok=True)
    y, x = np.mgrid[0:80, 0:107]
    cx, cy = generator.uniform(35, 75), generator.uniform(28, 52)
    lesion = np.exp(-(((x - cx) / 20) ** 2 + ((y - cy) / 13) ** 2))
    grey = np.clip(generator.rayleigh(40, x.shape) * (1 - 0.8 * lesion), 0, 255)
    heat = np.exp(-(((x - cx - 9) / 15) ** 2 + ((y - cy + 5) / 12) ** 2))
    warm = np.stack([grey + 150 * heat, grey + 60 * heat * (1 - heat), grey * (1 - 0.6 * heat)], axis=-1)
    panels = np.concatenate([np.repeat(grey[..., None], 3, axis=2), warm], axis=1)
    frame = np.clip(panels, 0, 255).astype(np.uint8).repeat(3, 0).repeat(3, 1)
    page = np.full((frame.shape[0] + 110, frame.shape[1], 3), 18, np.uint8)
    page[21 : 21 + frame.shape[0]] = frame
    Image.fromarray(page).save(path)
