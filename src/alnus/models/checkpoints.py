"""Others' checkpoint files, read as plain tensors.

Nothing in a file is ever executed: safetensors holds tensors only, and a torch file is read with `weights_only`. A few
harmless records that training codes leave beside the weights are let through as empty shells.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import safe_globals

from alnus.errors import WeightsError
from alnus.models.file_kinds import refuse_other_kinds
from alnus.models.layout import Layout, layout_of

State = dict[str, Tensor]
WRAPPERS = ("state_dict", "model_state_dict", "state_dict_ema", "model_state", "model", "net", "weights")
INSERTED = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")  # torch.compile, FSDP
LAYOUT = "layout"  # of a network over space and time, in the metadata of our safetensors files
DEEPEST = 8  # wrappers around wrappers
MOST_TENSORS = 20_000  # ResNet-152 has 932
LONGEST_NAME = 500  # characters


class Shell:
    """What stands for a record of training in a file: it takes any content and does nothing with it."""

    def __init__(self, *_values: object, **_named: object) -> None: ...

    def __setstate__(self, _state: object) -> None: ...

    def __setitem__(self, _key: object, _value: object) -> None: ...

    def append(self, _value: object) -> None:
        """Take an item of a pickled list."""


# records, none of which calls anything: MMEngine's curves, options of command lines and of Lightning, paths, numbers
RECORDS = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "argparse.Namespace",
    "pathlib.PosixPath",
    "pathlib._local.PosixPath",
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
)


def read_state(path: Path) -> State:
    """Return the named tensors of a .safetensors or torch file, without wrappers.

    Raises WeightsError where the file cannot be read, holds code, or holds no tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    refuse_other_kinds(path)
    state = _unwrapped(_read_safetensors(path) if _is_safetensors(path) else _read_torch(path))
    if not state:
        raise WeightsError(f"{path}: holds no named tensors, so it is no checkpoint")
    if len(state) > MOST_TENSORS:
        raise WeightsError(f"{path}: holds {len(state)} tensors, more than any network that Alnus knows")
    if any(len(key) > LONGEST_NAME or not key.isprintable() for key in state):
        raise WeightsError(f"{path}: names a tensor by what is no name: control characters, or over {LONGEST_NAME}")
    for inserted in INSERTED:
        state = {key.replace(inserted, ""): value for key, value in state.items()}
    return state


def read_layout(path: Path) -> Layout | None:
    """Return the layout that an Alnus file states; None for every other file, and where it is the default."""
    if not _is_safetensors(path):
        return None
    try:
        with safe_open(path, framework="pt") as file:
            stated = (file.metadata() or {}).get(LAYOUT)
        return None if stated is None else layout_of(json.loads(stated))
    except (SafetensorError, OSError, ValueError, TypeError, RecursionError):
        raise WeightsError(f"{path}: the layout that its metadata states cannot be read") from None


def _is_safetensors(path: Path) -> bool:
    """By its name or its ninth byte, where the header's JSON begins."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def _read_safetensors(path: Path) -> State:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: is not a whole safetensors file ({_line(error)})") from None


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings(), safe_globals([(Shell, name) for name in RECORDS]):
            warnings.simplefilter("ignore")  # torch's hints to unpickle without the guard
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its bytes spell
        reason = "it holds code or objects, which are never run" if "nsupported" in str(error) else _line(error)
        reason = "it is damaged, or of another kind" if isinstance(error, KeyError | EOFError) else reason
        raise WeightsError(f"{path}: cannot be read as plain tensors: {reason}. Save its state_dict alone") from None


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(". ")[0][:200]


def _unwrapped(value: Any, *, depth: int = 0) -> State:
    if not isinstance(value, Mapping) or depth > DEEPEST:
        return {}
    for key in WRAPPERS:
        if isinstance(value.get(key), Mapping):
            return _unwrapped(value[key], depth=depth + 1)
    return {str(key): tensor for key, tensor in value.items() if isinstance(tensor, Tensor)}
