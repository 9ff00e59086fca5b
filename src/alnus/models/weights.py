"""Start a network from somebody's checkpoint: recognise it, convert it, say what was done, refuse what does not fit.

Departures: a grey network takes the sum of a colour network's first filters over the colours. On a grey image under
one normalisation for all three colours that is the same network; ImageNet's means and deviations differ a little
between colours, so a network trained with them answers a little differently until it is trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from alnus.errors import WeightsError
from alnus.models.checkpoints import Dialect, State, dialect_of, read_state, renamed

HEAD = ("fc.weight", "fc.bias")


@dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint; every key is the network's own.

    origin: whose it is. loaded: taken from the file. folded: of those, summed over the colours for grey input.
    replaced: the head, where the network keeps its own on request. missing: of the network, absent from the file by
    design (interlacing over 2-D weights; counters of old files). left: of the file, not used (a replaced head).
    """

    origin: str
    loaded: tuple[str, ...]
    folded: tuple[str, ...]
    replaced: tuple[str, ...]
    missing: tuple[str, ...]
    left: tuple[str, ...]

    def __str__(self) -> str:
        """Return one line for the user."""
        counts = {"folded to grey": self.folded, "head replaced": self.replaced, "new": self.missing, "left": self.left}
        rest = "".join(f", {len(keys)} {what}" for what, keys in counts.items() if keys)
        return f"{self.origin}: {len(self.loaded)} tensors loaded{rest}"


def load_weights(model: nn.Module, path: Path | str, *, head: Literal["strict", "replace"] = "strict") -> LoadReport:
    """Fill a network of `build` from a checkpoint; on refusal it stays as it was.

    head: "strict" needs the file's last layer to fit, "replace" keeps the network's own.
    Raises WeightsError where the file cannot be read as plain tensors, is nobody's that we know, holds NaN, or
    differs from the network in a key or a shape.
    """
    path = Path(path)
    state = read_state(path)
    dialect = dialect_of(state)
    if dialect is None:
        first = ", ".join(sorted(state)[:3])
        raise WeightsError(f"{path}: no network that Alnus knows has these tensors ({first}, ...)")
    report, taken = _matched(model, renamed(state, dialect), dialect, path=path, replace=head == "replace")
    with torch.no_grad():
        own = model.state_dict()
        for key, value in taken.items():
            own[key].copy_(value)
    return report


def _matched(
    model: nn.Module, state: State, dialect: Dialect, *, path: Path, replace: bool
) -> tuple[LoadReport, State]:
    own = model.state_dict()
    replaced = tuple(key for key in HEAD if replace and key in own)
    taken = {key: state[key] for key in own if key in state and key not in replaced}
    strange = [key for key in state if key not in own and key not in replaced]
    missing = [key for key in own if key not in taken and key not in replaced]
    by_design = [key for key in missing if _may_be_missing(key, dialect)]
    _refuse_keys(path, dialect, strange, [key for key in missing if key not in by_design])
    taken, folded = _folded(taken, own)
    for key, value in taken.items():
        _check(path, key, value, own[key])
    report = LoadReport(
        origin=dialect.origin,
        loaded=tuple(taken),
        folded=folded,
        replaced=replaced,
        missing=tuple(by_design),
        left=tuple(key for key in replaced if key in state),
    )
    return report, taken


def _may_be_missing(key: str, dialect: Dialect) -> bool:
    return key.endswith("num_batches_tracked") or (dialect.two_dimensional and ".interlace." in key)


def _refuse_keys(path: Path, dialect: Dialect, strange: list[str], missing: list[str]) -> None:
    if not strange and not missing:
        return
    parts = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (("the network has not", strange), ("the file has not", missing))
        if keys
    ]
    raise WeightsError(f"{path}: {dialect.origin} does not fit the network: {'; '.join(parts)}")


def _folded(taken: State, own: State) -> tuple[State, tuple[str, ...]]:
    """Sum the first convolution over three colours where the network is grey."""
    first = next((key for key in ("conv1.weight", "stem.0.weight") if key in taken), None)
    if first is None or taken[first].ndim < 4 or (taken[first].shape[1], own[first].shape[1]) != (3, 1):
        return taken, ()
    return {**taken, first: taken[first].sum(1, keepdim=True)}, (first,)


def _check(path: Path, key: str, value: Tensor, own: Tensor) -> None:
    if value.shape != own.shape:
        advice = ": head='replace' keeps the network's own" if key in HEAD else ""
        raise WeightsError(
            f"{path}: {key} has shape {tuple(value.shape)}, the network needs {tuple(own.shape)}{advice}"
        )
    if not bool(torch.isfinite(value).all()):
        raise WeightsError(f"{path}: {key} holds NaN or infinite values")
