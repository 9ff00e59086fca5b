"""How a study's or a training's arguments become its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alnus.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from alnus.config import QualityConfig, StudyConfig

Preset = Annotated[str | None, typer.Option(help="small (two CPU cores) or paper (the full-size networks; default).")]
Models = Annotated[
    str | None, typer.Option(help="Networks, by commas: tin,r2plus1d,resnet3d,image (default), x3d,mvit.")
]
Folds = Annotated[int | None, typer.Option(help="K-fold cross-validation by patient instead of fixed partitions.")]
Seed = Annotated[int | None, typer.Option(help="Seed of splits, weights and training (default 0).")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting, e.g. --set training.epochs=5 (repeatable).")
]


def config_of(
    source: Path,
    out: Path | None,
    *,
    preset: str | None = None,
    models: str | None = None,
    folds: int | None = None,
    seed: int | None = None,
    settings: list[str] | None = None,
) -> StudyConfig:
    """Return the configuration that a study's or training's arguments mean. Raises ConfigError, UsageError."""
    from alnus.config import merged, read_config, resolve

    changes: dict[str, Any] = {"preset": preset, "seed": seed, "out": None if out is None else str(out.resolve())}
    changes["models"] = None if models is None else [name.strip() for name in models.split(",")]
    changes = {key: value for key, value in changes.items() if value is not None}
    if folds is not None:
        changes["split"] = {"folds": folds}
    for setting in settings or []:
        changes = merged(changes, _parsed(setting))
    if source.suffix.lower() in (".yaml", ".yml"):
        return read_config(source, changes)
    if out is None:
        raise UsageError(f"{source} is a cohort table: say with --out where the run's directory shall be")
    return resolve({"cohort": str(source.resolve()), **changes}, origin="the command line")


def quality_of(settings: list[str] | None) -> QualityConfig:
    """Return the quality gate's configuration with `KEY=VALUE` changes. Raises ConfigError."""
    from alnus.config import QualityConfig, checked, merged

    changes: dict[str, Any] = {}
    for setting in settings or []:
        changes = merged(changes, _parsed(setting.removeprefix("quality.")))
    return checked(QualityConfig, changes, origin="--set")


def evaluation_changes(settings: list[str] | None) -> dict[str, Any]:
    """Return `KEY=VALUE` changes of the evaluation's configuration, with or without "evaluation." before the key."""
    from alnus.config import merged

    changes: dict[str, Any] = {}
    for setting in settings or []:
        changes = merged(changes, _parsed(setting.removeprefix("evaluation.")))
    return changes


def _parsed(setting: str) -> dict[str, Any]:
    """Return `a.b=value` as {"a": {"b": value}}; the value is read as YAML."""
    import yaml

    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {setting}: write KEY=VALUE, for instance training.epochs=5")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {setting}: the value cannot be read as YAML") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    result: dict[str, Any] = value
    return result
