"""What can be refused before hours of work: networks that cannot be built or loaded, comparisons of nobody."""

from __future__ import annotations

from typing import Any

from alnus.cohort import Cohort
from alnus.config import StudyConfig
from alnus.console import Reporter
from alnus.errors import ConfigError
from alnus.study.truth import CEILINGS


def check_comparisons(config: StudyConfig, cohort: Cohort) -> None:
    """Refuse a declared comparison of a source, or a column, that the study will not have. Raises ConfigError."""
    known = {*config.models, *cohort.readers, *(CEILINGS if cohort.is_phantom else ())}
    primary = config.evaluation.primary
    named = {"comparisons": config.evaluation.comparisons or (), "primary": (primary,) if primary else ()}
    for key, pairs in named.items():
        for name in (name for pair in pairs for name in pair if name not in known):
            there = ", ".join(sorted(known))
            raise ConfigError(f"evaluation.{key}: '{name}' is no network or reader of this study ({there})")
    columns = ("center", *cohort.clinical)
    for key in ("subgroups", "fusion"):
        for name in (name for name in getattr(config.evaluation, key) or () if name not in columns):
            there = ", ".join(columns)
            raise ConfigError(f"evaluation.{key}: '{name}' is no clinical column of {cohort.source.name} ({there})")


def check_networks(config: StudyConfig, *, reporter: Reporter | None = None) -> None:
    """Build each network once and load its starting weights, and tell the reporter what was done with them.

    Raises ConfigError, WeightsError.
    """
    import torch

    from alnus.models import build_from_config, load_weights

    for name in config.models:
        network = config.networks[name]
        if network.training.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
            raise ConfigError(
                f"networks.{name}.training.accelerator: '{network.training.accelerator}', but no CUDA device is there; "
                "say auto or cpu"
            )
        if network.weights is None:
            with torch.device("meta"):
                build_from_config(name, network)
        else:
            report = load_weights(build_from_config(name, network), network.weights, head="replace")
            if reporter is not None:
                reporter.say(f"{name} starts from {network.weights.name}: {report}")


def computer() -> dict[str, Any]:
    """Return what computes: the GPU's name or the CPU, and the number of threads, which changes the last bits."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {"device": device, "threads": torch.get_num_threads(), "cuda": torch.version.cuda}
