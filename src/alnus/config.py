"""The configuration of a study: one frozen, typed object that is the YAML, the command line and the record.

A user's file states only its differences from a preset; the resolved whole is saved with the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator

from alnus.errors import ConfigError

NETWORKS = ("image", "mvit", "r2plus1d", "resnet3d", "tin", "x3d")
PRESETS = ("small", "paper")


class Section(BaseModel):
    """A part of the configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitConfig(Section):
    """Who is in which partition, where the cohort table has no `split` column of its own."""

    external_centers: tuple[str, ...] | None = None
    """Centres that become testing set B. None: where there are three or more centres, the smallest one."""
    test_fraction: float = Field(61 / 271, gt=0, lt=1)
    """Share of the internal patients in testing set A (the paper: 61 of 271)."""
    validation_fraction: float = Field(0.2, gt=0, lt=1)
    """Share of the remaining patients in the validation set. Assumed: the paper's share is not known."""
    folds: int = Field(0, ge=0)
    """0: the partitions above. K >= 2: K-fold cross-validation by patient over the whole table."""

    @model_validator(mode="after")
    def _one_fold_is_none(self) -> SplitConfig:
        if self.folds == 1:
            raise ValueError("folds must be 0 (no cross-validation) or at least 2")
        return self


class ClipConfig(Section):
    """What of a cine a network sees at once."""

    frames: int = Field(8, ge=1)
    sampling: Literal["segments", "dense", "keyframe"] = "segments"
    """segments: one frame from each of `frames` equal parts of the cine; dense: `stride` frames apart;
    keyframe: the one frame (or still) that the sonographer chose."""
    stride: int = Field(1, ge=1)
    """Distance of neighbouring frames of a dense clip, in frames of the cine."""
    resize_px: int = Field(256, ge=16)
    """Side of the square that the padded frame is resized to."""
    side_px: int = Field(224, ge=16)
    """Side of the crop that the network sees: random in training, central afterwards."""
    channels: Literal[1, 3] = 3
    """1: grey; 3: grey repeated, normalised as ImageNet was, for pretrained weights."""

    @model_validator(mode="after")
    def _fits(self) -> ClipConfig:
        if self.side_px > self.resize_px:
            raise ValueError(f"side_px {self.side_px} is larger than resize_px {self.resize_px}")
        if self.sampling == "keyframe" and self.frames != 1:
            raise ValueError(f"keyframe sampling sees 1 frame, not {self.frames}")
        return self


class AugmentationConfig(Section):
    """Random changes in training, the same for every frame of a clip. No vertical flip: depth is physics."""

    horizontal_flip: bool = True
    scale: tuple[float, float] = (0.9, 1.1)
    """Zoom about the centre, drawn uniformly."""
    gain: float = Field(0.1, ge=0, lt=1)
    """Largest relative change of brightness (receiver gain, log-compressed: an offset) as a share of full scale."""
    contrast: float = Field(0.15, ge=0, lt=1)
    """Largest relative change of contrast (dynamic range)."""

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> AugmentationConfig:
        low, high = self.scale
        if not 0.1 <= low <= high <= 10:
            raise ValueError(f"scale must be two numbers from 0.1 to 10, the smaller first; got {list(self.scale)}")
        return self


class TrainingConfig(Section):
    """How a network is trained."""

    epochs: int = Field(35, ge=1)
    max_steps: int | None = Field(None, ge=1)
    """Stop after so many optimiser steps (for a trial); None: after `epochs`."""
    batch_size: int = Field(8, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(0.01, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    warmup_epochs: float = Field(1.0, ge=0)
    gradient_clip: float = Field(20.0, gt=0)
    class_weights: bool = True
    """Weigh each class by the inverse of its share of the training patients."""
    patience_epochs: int | None = Field(None, ge=1)
    """Stop when the validation AUC has not risen for so many epochs; None: never early."""
    freeze_norm: bool = False
    """Keep batch normalisation's statistics as loaded (small batches, several processes)."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """auto: bf16 on a GPU that has it, 16-bit on an older one, 32-bit on a CPU."""
    memory_format: Literal["auto", "contiguous", "channels_last"] = "auto"
    """How tensors lie in memory. auto: channels_last, which is faster on a CPU and on a GPU; contiguous on Apple's."""
    workers: int = Field(0, ge=0)
    """Processes that load data; the result does not depend on their number."""
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: int | Literal["auto"] = 1
    num_nodes: int = Field(1, ge=1)
    strategy: Literal["auto", "ddp"] = "auto"
    """Lightning's name of the strategy: "ddp" for several devices or machines."""
    augmentation: AugmentationConfig = AugmentationConfig()


class InferenceConfig(Section):
    """How clips become a video's score and videos a patient's."""

    clips_per_video: int = Field(3, ge=1)
    """Clips spread evenly over the cine; their scores are averaged. A cine that so many dense clips do not cover gets
    more, up to 16."""
    batch_size: int = Field(8, ge=1)
    engine: Literal["auto", "eager", "compile", "onnx", "openvino"] = "eager"
    """What computes the scores: PyTorch as in training, bit for bit the same at any time, or a faster engine
    (docs/how-to/export-and-speed.md), whose probabilities differ by at most 0.01."""


class NetworkConfig(Section):
    """One network of the study: its architecture, its input, its training."""

    depth: Literal[10, 11, 16, 18, 24, 26, 34, 50, 55] = 18
    """Layers or blocks: image, tin 18, 50; r2plus1d, resnet3d 18, 34, 50; x3d 11, 26, 55; mvit 10, 16, 24."""
    width: int | None = Field(None, ge=4)
    """Channels of the first stage; None: the published size (64; x3d 24, mvit 96)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    stochastic_depth: float = Field(0.0, ge=0, lt=1)
    """Of mvit: share of its last block's branches left out at random in training; before it less, in the first none."""
    weights: Path | None = None
    """A checkpoint to start from; None: random weights."""
    clip: ClipConfig = ClipConfig()
    training: TrainingConfig = TrainingConfig()
    inference: InferenceConfig = InferenceConfig()


QualityCode = Literal[
    "not_ultrasound",
    "too_few_frames",
    "frozen",
    "black",
    "saturated",
    "colour_doppler",
    "dual_pane",
    "calipers",
    "low_frame_rate",
    "small_region",
    "no_sector",
    "roi_outside",
    "keyframe_outside",
    "unreadable",
]
"""Every fault that ingestion may find. The last three cannot be kept: there is nothing to store."""


class QualityConfig(Section):
    """When a video counts as faulty, and which faults leave it out of the cohort. docs/explanation/quality.md."""

    exclude: tuple[QualityCode, ...] = ("not_ultrasound", "black", "saturated", "frozen", "small_region")
    """Faults that exclude; every other one is a warning. By default what cannot be evidence at all."""
    min_frames: int = Field(8, ge=1)
    """too_few_frames: fewer than this; TIN's clip has 8, a shorter cine repeats frames."""
    min_frame_rate_hz: float = Field(5.0, ge=0)
    """low_frame_rate: under this, neighbouring frames of a sweep at about 10 mm/s lie over 2 mm apart, more than a
    lesion's margin."""
    min_changed_share: float = Field(0.002, ge=0, le=1)
    """A frame differs from the one before where more than this share of the frame's pixels changes."""
    min_moving_share: float = Field(0.02, ge=0, le=1)
    """frozen: a smaller share of the frames than this differs from the one before."""
    black_level: int = Field(12, ge=0, le=255)
    black_share: float = Field(0.99, gt=0, le=1)
    """black: more than `black_share` of the region's pixels never exceed `black_level` (of 255)."""
    saturated_level: int = Field(250, ge=0, le=255)
    saturated_share: float = Field(0.5, gt=0, le=1)
    """saturated: more than `saturated_share` of the region's pixels reach `saturated_level` in the typical frame."""
    min_region_px: int = Field(32, ge=1)
    """small_region: a side of the region is shorter: at 0.1 mm a pixel less than a small lesion and its margin."""
    min_region_share: float = Field(0.01, ge=0, le=1)
    """small_region: the region is a smaller share of the frame."""
    colour_level: int = Field(48, ge=1, le=255)
    """A cell of 8 pixels is coloured where its channels differ by more; a tinted grey map stays below."""
    colour_share: float = Field(0.005, ge=0, le=1)
    """colour_doppler: a larger share of the tissue is coloured (Doppler, elastography)."""
    natural_colour_share: float = Field(0.6, gt=0, le=1)
    """not_ultrasound: so much of the picture is coloured and its bright parts lack speckle."""


class EvaluationConfig(Section):
    """What is compared, and how sure the intervals are."""

    confidence: float = Field(0.95, gt=0.5, lt=1)
    comparisons: tuple[tuple[str, str], ...] | None = None
    """Declared pairs of sources, tested with Holm's correction; None: every video network against the image network."""
    primary: tuple[str, str] | None = None
    """The one comparison that is not corrected for testing several times: its AUCs on testing set A (or the folds).
    None: of the comparisons above the one whose first source has the highest AUC on the validation patients."""
    aggregation: Literal["mean", "max"] = "mean"
    """How a patient's videos become the patient's score."""
    threshold: Literal["youden", "sensitivity", "specificity"] = "youden"
    """How a source's threshold is chosen on the validation patients: by Youden's index, or where this share of the
    metastases is found (of the others spared)."""
    threshold_at: float = Field(0.9, gt=0, le=1)
    """The share of "sensitivity" and "specificity"."""
    widest_interval: float = Field(0.2, gt=0, le=1)
    """A share, an AUC or a difference of two whose interval is wider, from end to end, is marked "underpowered"."""
    fixed_specificity: float = Field(0.9, gt=0, lt=1)
    """The specificity at which sensitivity is read off the ROC curve, and from which the partial AUC is taken."""
    fixed_sensitivity: float = Field(0.9, gt=0, lt=1)
    """The sensitivity at which specificity is read off the ROC curve."""
    replicates: int = Field(2000, ge=100)
    """Bootstrap samples; where patients times replicates pass ten million, what needs them is left out."""
    recalibration: Literal["platt", "temperature", "isotonic"] = "platt"
    """The map from scores to probabilities, fitted on the validation patients."""
    coverage: float = Field(0.9, gt=0, lt=1)
    """Of each class so many patients shall keep their true answer where a case may be answered "not sure: examine"."""
    subgroups: tuple[str, ...] | None = None
    """The columns whose levels are reported apart; None: the centre and every clinical column."""
    fusion: tuple[str, ...] | None = None
    """The clinical columns that are joined with the video's score; None: every clinical column; []: none."""


class FaithfulnessConfig(Section):
    """How far the heatmaps are tested for truth. docs/explanation/heatmaps.md."""

    cases: Literal["all"] | NonNegativeInt = 40
    """Test patients, drawn by the seed, the same for every network, whose maps are compared with the lesion's masks and
    whose frames' weights with what they show; per test set; 0: none."""
    perturbed: NonNegativeInt = 20
    """So many of them for deletion and insertion, which score each cine some fifty times."""
    steps: int = Field(8, ge=2)
    """Points of a deletion or insertion curve after its first."""
    randomised: NonNegativeInt = 8
    """So many of them for the check with random weights."""


class ExplanationConfig(Section):
    """Which cases get heatmaps."""

    cases: int = Field(2, ge=0)
    """So many true and false, positive and negative cases each, per network and test set."""
    wrong: Literal["all"] | NonNegativeInt = 40
    """So many false positives and false negatives together, per network and test set, the most confident first, at
    least `cases` of each; "all": every one. Those beyond `cases` get a picture, but no MP4."""
    videos: bool = True
    """Write an MP4 of the cine with its heatmap beside the PNG."""
    faithfulness: FaithfulnessConfig = FaithfulnessConfig()


class StudyConfig(Section):
    """The whole protocol, from a cohort table to a report."""

    title: str = "ALN metastasis from breast ultrasound videos"
    cohort: Path
    out: Path
    preset: Literal["small", "paper"] = "paper"
    seed: int = Field(0, ge=0, lt=2**32)
    workers: int = Field(0, ge=0)
    """Processes for ingestion; 0: one a core."""
    models: tuple[str, ...] = ("tin", "r2plus1d", "resnet3d", "image")
    networks: dict[str, NetworkConfig]
    split: SplitConfig = SplitConfig()
    quality: QualityConfig = QualityConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    explanation: ExplanationConfig = ExplanationConfig()
    motion: bool = True
    """Score the test cines of each video network also shuffled, reversed, frozen and cut to one frame."""

    @model_validator(mode="after")
    def _models_are_known(self) -> StudyConfig:
        for name in self.models:
            if name not in self.networks:
                raise ValueError(f"models: '{name}' is not one of {', '.join(sorted(self.networks))}")
        if len(set(self.models)) != len(self.models) or not self.models:
            raise ValueError(f"models: name each network once, at least one; got {list(self.models)}")
        return self


def load_preset(name: str) -> dict[str, Any]:
    """Return a preset as the dictionary that its YAML file holds. Raises ConfigError for an unknown name."""
    if name not in PRESETS:
        raise ConfigError(f"preset: '{name}' is not one of {', '.join(PRESETS)}")
    text = (resources.files("alnus") / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it, mapping by mapping; neither argument is altered."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def resolve(changes: Mapping[str, Any], *, origin: str) -> StudyConfig:
    """Lay a user's differences over their preset and check the whole.

    A top-level `training`, `inference` or `clip` holds for every network; `networks.<name>` for that one.
    origin: what the user calls the source of `changes`, for messages. Raises ConfigError naming the key.
    """
    preset = load_preset(str(changes.get("preset", "paper")))
    changes = dict(changes)
    shared: dict[str, Any] = {key: changes.pop(key) for key in ("training", "inference", "clip") if key in changes}
    whole = merged(preset, {})
    whole["networks"] = {name: merged(network, shared) for name, network in preset["networks"].items()}
    return checked(StudyConfig, merged(whole, changes), origin=origin)


AnySection = TypeVar("AnySection", bound=Section)


def checked(section: type[AnySection], values: Mapping[str, Any], *, origin: str) -> AnySection:
    """Return a section of these values. Raises ConfigError naming the key; origin: what the user calls their source."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_first_problem(error)}") from None


def _first_problem(error: ValidationError) -> str:
    """Return pydantic's problems as one line: the key with its path, what is wrong, the value received."""
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "config"
        if problem["type"] == "extra_forbidden":
            lines.append(f"unknown key '{key}': remove it or correct its spelling")
        elif problem["type"] == "missing":
            lines.append(f"'{key}' is missing")
        else:
            received = "" if problem["type"] == "value_error" else f" (received {problem['input']!r})"
            lines.append(f"{key}: {problem['msg'].removeprefix('Value error, ')}{received}")
    return "; ".join(lines)


def read_config(path: Path, overrides: Mapping[str, Any] | None = None) -> StudyConfig:
    """Read a study's YAML file; its relative paths are relative to the file. `overrides` wins over the file.

    Raises ConfigError where the file is missing, is no YAML mapping, or does not validate.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: cannot be read as YAML ({reason})") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a mapping of keys to values is expected, not {type(values).__name__}")
    for key in ("cohort", "out"):
        if isinstance(values.get(key), str):
            values[key] = str(_beside(path, values[key]))
    return resolve(merged(values, overrides or {}), origin=str(path))


def _beside(path: Path, named: str) -> Path:
    """Return a path of a configuration file, relative to the file. Raises ConfigError for what can be no path."""
    try:
        return (path.parent / named).resolve()
    except (OSError, ValueError):
        raise ConfigError(f"{path}: {named!r} cannot be a path") from None


def dump_config(config: BaseModel) -> str:
    """Return a section of the configuration as YAML that `read_config` or `model_validate` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
