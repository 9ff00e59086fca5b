"""Start a network from somebody's checkpoint: recognise it, convert it, say what was done, refuse what does not fit.

Departures: a 3-D network takes the layout of the checkpoint (`layout.py`), so that it gives the checkpoint's numbers;
TIN over weights that know no time begins without shifts, as that network applied to each frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from alnus.errors import WeightsError
from alnus.models.architectures import Network
from alnus.models.checkpoints import State, read_layout, read_state
from alnus.models.dialect import FAMILY_TITLES, Family
from alnus.models.dialects import Found, prefixes, recognise
from alnus.models.folding import NORM_OF, Grey, adapted, folded, sees_colours
from alnus.models.frame_resnet import FrameResNet
from alnus.models.inflation import inflated
from alnus.models.interlacing import TemporalInterlace
from alnus.models.layout import Layout
from alnus.models.registry import facts
from alnus.models.video_resnet import VideoResNet
from alnus.models.x3d import X3D

HEAD = ("fc.weight", "fc.bias")
INTERLACE = ".interlace."
STARTS: dict[str, tuple[Family, ...]] = {  # whose weights each network takes
    "image": ("image", "tsm"),
    "tin": ("tin", "image", "tsm"),
    "resnet3d": ("resnet3d", "image"),
    "r2plus1d": ("r2plus1d", "image"),
    "x3d": ("x3d",),
    "mvit": ("mvit",),
}


@dataclass(frozen=True)
class LoadReport:
    """What became of a checkpoint; every key is the network's own, but those of `left`.

    origin: what it is and whose. loaded: taken from the file. folded: of those, summed over the colours for grey input.
    replaced: the head, where the network keeps its own. missing: of the network, absent from the file by design
    (interlacing over 2-D weights; counters of old files). left: of the file, not used (a replaced head, another part of
    a larger model). notes: what the user should know of the conversion.
    """

    origin: str
    loaded: tuple[str, ...]
    folded: tuple[str, ...]
    replaced: tuple[str, ...]
    missing: tuple[str, ...]
    left: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one line for the user."""
        counts = {"folded to grey": self.folded, "head replaced": self.replaced, "new": self.missing, "left": self.left}
        rest = "".join(f", {len(keys)} {what}" for what, keys in counts.items() if keys)
        return f"{self.origin}: {len(self.loaded)} tensors loaded{rest}{''.join(f'; {note}' for note in self.notes)}"


def load_weights(
    model: nn.Module, path: Path | str, *, head: Literal["strict", "replace"] = "strict", grey: Grey = "repeated"
) -> LoadReport:
    """Fill a network of `build` from a checkpoint; on refusal it stays as it was.

    Call it before an optimiser is made: a network that takes the file's layout gets new parameters.
    head: "strict" needs the file's last layer to fit, "replace" keeps the network's own; of a TSM it is always kept.
    grey: what a grey network's input is to a colour checkpoint: "repeated", the same numbers three times, or
    "normalised", the same picture as `alnus.clips` normalises it for one channel and for three; of X3D and MViTv2,
    whose publishers' statistics are known, also what a colour network's input is.
    Raises WeightsError where the file cannot be read as plain tensors, is nobody's that we know, holds NaN, or is of
    another network, depth, key or shape.
    """
    path = Path(path)
    if not isinstance(model, Network):
        raise WeightsError(f"{path}: load_weights fills the networks of build, not a {type(model).__name__}")
    found = _found(path, read_state(path))
    _refuse_architecture(path, found, model)
    for key, value in found.state.items():
        _refuse_odd(path, key, value)
    target, notes = _in_its_layout(model, found, read_layout(path))
    report, taken = _matched(target, found, path=path, replace_head=head == "replace", grey=grey)
    _fill(target, {key: model.state_dict()[key] for key in report.replaced} | taken, new=report.missing)
    if target is not model:
        _become(model, target)
    return replace(report, notes=(*notes, *report.notes))


def _found(path: Path, state: State) -> Found:
    standing = prefixes(state)
    if len(standing) > 1:
        named = ", ".join(repr(prefix) for prefix in standing[:3])
        raise WeightsError(f"{path}: holds {len(standing)} networks, behind {named}: save one of them alone")
    found = recognise(state, standing[0]) if standing else None
    if found is None:
        first = ", ".join(sorted(state)[:3])
        raise WeightsError(f"{path}: no network that Alnus knows has these tensors ({first}, ...)")
    return found


def _name(model: Network) -> Family:
    if isinstance(model, FrameResNet):
        return "image" if model.frames is None else "tin"
    if isinstance(model, VideoResNet):
        return "r2plus1d" if model.factorised else "resnet3d"
    return "x3d" if isinstance(model, X3D) else "mvit"


def _refuse_architecture(path: Path, found: Found, model: Network) -> None:
    name = _name(model)
    article = "an" if found.family in ("x3d", "mvit") else "a"
    this = f"{path}: this is {article} {found.title}; the network is {model.title}"
    if found.family not in STARTS[name]:
        starts = " or ".join(dict.fromkeys(FAMILY_TITLES[family] for family in STARTS[name]))
        raise WeightsError(f"{this}, which starts from {starts}")
    if found.depth in (model.depth, None):  # None: blocks of no network, whose keys will tell
        return
    if found.depth in facts(name).depths:
        raise WeightsError(f"{this}: set depth {found.depth}")
    offered = ", ".join(map(str, sorted(facts(name).depths)))
    raise WeightsError(f"{this}, which has the depths {offered}")


def _in_its_layout(model: Network, found: Found, stated: Layout | None) -> tuple[Network, tuple[str, ...]]:
    """Return the network that the tensors go into, the model itself where its layout is theirs, and what to tell."""
    if isinstance(model, FrameResNet):
        return model, ()
    if found.layout is None:  # planes, whose stem of 64 kernels torchvision's R(2+1)D has not the middle channels for
        wanted = replace(model.layout, middle="convolution") if _name(model) == "r2plus1d" else model.layout
        unpooled = "" if model.layout.stem_pool == "space" else ", whose stem is followed by a pooling that is not here"
        notes: tuple[str, ...] = (f"inflated from planes{unpooled}",)
    else:
        wanted = stated or found.layout
        notes = () if model.layout_is_given or not found.unstated else (found.unstated,)
    if model.layout_is_given or wanted == model.layout:
        return model, notes
    whose = "middle channels by the paper's count" if found.layout is None else f"layout of {found.origin}"
    made, like = model.in_layout(wanted), model.fc.weight
    made.to(like.device, like.dtype).train(model.training)
    return made, (f"the network takes the {whose}", *notes)


def _become(model: Network, other: Network) -> None:
    """Take over the layout and layers of another of its kind. What held the model's parameters holds them no more."""
    model.layout = other.layout
    model._modules, model._parameters = other._modules, other._parameters


def _converted(found: Found, own: State, *, grey: Grey) -> tuple[State, tuple[str, ...]]:
    """Return the file's tensors as the network has them, and the key of what was folded to grey."""
    state, first = found.state, next(key for key in NORM_OF if key in own)
    theirs = first if first in found.state else "conv1.weight"
    channels = own[first].shape[1]
    is_folded = sees_colours(state, theirs) and channels == 1
    if grey == "normalised" and found.pixels is not None and sees_colours(state, theirs) and channels in (1, 3):
        state = state | adapted(state, theirs, found.pixels, channels=channels)
    elif is_folded:
        state = state | folded(state, theirs, grey)
    if found.family == "image" and first != "conv1.weight":
        state = inflated(state, own)
    return state, (first,) if is_folded else ()


def _matched(target: Network, found: Found, *, path: Path, replace_head: bool, grey: Grey) -> tuple[LoadReport, State]:
    """Return the tensors to take and the account of them. Raises WeightsError where they do not fit."""
    own = target.state_dict()
    state, folded_keys = _converted(found, own, grey=grey)
    replaced = HEAD if replace_head or found.family == "tsm" else ()
    taken = {key: state[key] for key in own if key in state and key not in replaced}
    missing = [key for key in own if key not in taken and key not in replaced]
    new = [key for key in missing if _may_be_missing(key, found)]
    strange = [key for key in state if key not in own and key not in replaced]
    _refuse_keys(path, found, strange, [key for key in missing if key not in new])
    for key, value in taken.items():
        _check(path, key, value, own[key])
    report = LoadReport(
        origin=found.title,
        loaded=tuple(taken),
        folded=folded_keys,
        replaced=replaced,
        missing=tuple(new),
        left=(*(key for key in replaced if key in state), *found.left),
        notes=_notes(found, new, grey),
    )
    return report, taken


def _notes(found: Found, new: list[str], grey: Grey) -> tuple[str, ...]:
    notes = []
    if grey == "normalised" and found.pixels is not None:
        notes.append("its publisher's normalisation of pictures is reckoned in")
    if found.family == "tsm":
        notes.append("its last layer reads shifted features and is left")
    if any(INTERLACE in key for key in new):
        notes.append("interlacing begins without shifts, each frame by itself")
    return tuple(notes)


def _may_be_missing(key: str, found: Found) -> bool:
    return key.endswith("num_batches_tracked") or (INTERLACE in key and found.family in ("image", "tsm"))


def _refuse_keys(path: Path, found: Found, strange: list[str], missing: list[str]) -> None:
    if not strange and not missing:
        return
    parts = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in (("the network has not", strange), ("the file has not", missing))
        if keys
    ]
    advice = ": head='replace' keeps the network's own last layer" if set(strange + missing) <= set(HEAD) else ""
    raise WeightsError(f"{path}: the {found.title} does not fit the network: {'; '.join(parts)}{advice}")


def _refuse_odd(path: Path, key: str, value: Tensor) -> None:
    if value.is_complex() or value.is_quantized:
        raise WeightsError(f"{path}: {key} holds {value.dtype}, not the real numbers that weights are")
    if value.layout != torch.strided or value.is_meta:
        raise WeightsError(f"{path}: {key} is no dense tensor with values: save the state_dict as torch.save does")


def _check(path: Path, key: str, value: Tensor, own: Tensor) -> None:
    if value.shape != own.shape:
        raise WeightsError(
            f"{path}: {key} has shape {tuple(value.shape)}, the network needs {tuple(own.shape)}{_way_out(key, value)}"
        )
    if value.is_floating_point() != own.is_floating_point():
        raise WeightsError(f"{path}: {key} holds {value.dtype}, not the real numbers of {own.dtype} that weights are")
    value = value.to(own.dtype)
    if not bool(torch.isfinite(value).all()):
        raise WeightsError(f"{path}: {key} holds NaN or infinite values")
    if key.endswith("running_var") and bool((value < 0).any()):
        raise WeightsError(f"{path}: {key} holds variances below zero")


def _way_out(key: str, value: Tensor) -> str:
    if key in HEAD:
        return ": head='replace' keeps the network's own"
    if key.endswith("offset_net.fc1.weight"):
        return f": it is a network of {len(value)} segments, set num_segments (clip.frames) so"
    return ""


@torch.no_grad()
def _fill(target: Network, taken: State, *, new: tuple[str, ...]) -> None:
    own = target.state_dict()
    for key, value in taken.items():
        own[key].copy_(value)
    if any(INTERLACE in key for key in new):
        for module in target.modules():
            if isinstance(module, TemporalInterlace):
                module.stand_still()
