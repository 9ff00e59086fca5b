"""Others' checkpoints: read as plain tensors, recognised by their keys, renamed to ours.

Nothing in a file is ever executed: safetensors holds tensors only, and a .pth is read with `weights_only`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from alnus.errors import WeightsError

State = dict[str, Tensor]
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")
PREFIXES = ("module.", "model.", "_orig_mod.")  # DistributedDataParallel, Lightning, torch.compile


def read_state(path: Path) -> State:
    """Return the named tensors of a .safetensors or torch file, without wrappers and prefixes.

    Raises WeightsError where the file cannot be read, holds code, or holds no tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    state = _unwrapped(_read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path))
    if not state:
        raise WeightsError(f"{path}: holds no named tensors, so it is no checkpoint")
    return _without_prefixes(state)


def _read_safetensors(path: Path) -> State:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: is not a whole safetensors file ({_line(error)})") from None


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's hints to unpickle without the guard
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its bytes spell
        reason = "it holds code or objects, which are never run" if "nsupported" in str(error) else _line(error)
        raise WeightsError(f"{path}: cannot be read as plain tensors: {reason}. Save its state_dict alone") from None


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0][:200]


def _unwrapped(value: Any) -> State:
    if not isinstance(value, Mapping):
        return {}
    for key in WRAPPERS:
        if isinstance(value.get(key), Mapping):
            return _unwrapped(value[key])
    return {str(key): tensor for key, tensor in value.items() if isinstance(tensor, Tensor)}


def _without_prefixes(state: State) -> State:
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            return _without_prefixes({key.removeprefix(prefix): value for key, value in state.items()})
    return state


@dataclass(frozen=True)
class Dialect:
    """How somebody names a network's tensors.

    sign: a key that only this dialect has. renames: (pattern, replacement) applied in order to every key.
    two_dimensional: a network of still frames, which TIN's trunk can start from.
    """

    origin: str
    sign: re.Pattern[str]
    renames: tuple[tuple[str, str], ...] = ()
    two_dimensional: bool = False


_MMACTION = (
    (r"^backbone\.", ""),
    (r"^cls_head\.(fc_cls|new_fc)\.", "fc."),
    (r"\.conv(\d)\.conv\.net1\.", ".interlace."),
    (r"(^|\.)conv(\d)\.conv\.(net2\.|net\.)?", r"\1conv\2."),
    (r"(^|\.)conv(\d)\.bn\.", r"\1bn\2."),
    (r"\.downsample\.conv\.", ".downsample.0."),
    (r"\.downsample\.bn\.", ".downsample.1."),
)
_X_TEMPORAL = (
    (r"^base_model\.", ""),
    (r"^new_fc\.", "fc."),
    (r"\.conv1\.net1\.biasnet\.net\.conv\.", ".interlace.offset_net.conv."),
    (r"\.conv1\.net1\.biasnet\.net\.fc\.", ".interlace.offset_net.fc1."),
    (r"\.conv1\.net1\.biasnet\.net\.lastlayer\.", ".interlace.offset_net.fc2."),
    (r"\.conv1\.net1\.weightnet\.net\.lastlayer\.", ".interlace.weight_net.conv."),
    (r"\.conv1\.net(2)?\.", ".conv1."),
)

DIALECTS = (
    Dialect("X-Temporal TIN", re.compile(r"\.net1\.biasnet\."), _X_TEMPORAL),
    Dialect("X-Temporal TSN/TSM", re.compile(r"^base_model\.layer1\."), _X_TEMPORAL, two_dimensional=True),
    Dialect("MMAction2 TIN", re.compile(r"\.net1\.offset_net\."), _MMACTION),
    Dialect("MMAction2 TSN/TSM", re.compile(r"^backbone\.layer1\.0\.conv1\.conv\."), _MMACTION, two_dimensional=True),
    Dialect("Alnus TIN", re.compile(r"^layer1\.0\.interlace\.")),
    Dialect("R(2+1)D of torchvision or Alnus", re.compile(r"^layer1\.0\.conv[12]\.0\.[03]\.weight$")),
    Dialect("ResNet-3D of torchvision or Alnus", re.compile(r"^layer1\.0\.conv1\.0\.weight$")),
    Dialect("image ResNet of torchvision or Alnus", re.compile(r"^layer1\.0\.conv1\.weight$"), two_dimensional=True),
)


def dialect_of(state: State) -> Dialect | None:
    """Return whose names these are, the most particular first; None where nobody's we know."""
    return next((dialect for dialect in DIALECTS if any(dialect.sign.search(key) for key in state)), None)


def renamed(state: State, dialect: Dialect) -> State:
    """Return the tensors under our keys."""
    name = _renamer(dialect.renames)
    return {name(key): value for key, value in state.items()}


def _renamer(renames: tuple[tuple[str, str], ...]) -> Callable[[str], str]:
    def rename(key: str) -> str:
        for pattern, replacement in renames:
            key = re.sub(pattern, replacement, key)
        return key

    return rename
