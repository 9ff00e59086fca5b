"""A network ready to answer: batch normalisation folded into the convolution before it, the same numbers for less work.

Departures: float32's last digits differ, since the sums are taken in another order.
"""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from alnus.inference.interlaced import InterlacedResNet
from alnus.models import FrameResNet

Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def folded(network: nn.Module) -> nn.Module:
    """Return an evaluating copy of a network without the batch normalisations that follow a convolution.

    TIN is laid out anew as well (`InterlacedResNet`). The network itself is not touched.
    """
    made = copy.deepcopy(network).eval()
    for module in made.modules():
        _fold_neighbours(module)
        _fold_named(module)
    if isinstance(made, FrameResNet) and made.frames is not None:
        return InterlacedResNet(made).eval()
    return made


def _fold_neighbours(module: nn.Module) -> None:
    """Fold where a Sequential holds a normalisation behind its convolution."""
    if isinstance(module, nn.Sequential):
        for (first, conv), (second, norm) in pairwise(list(module.named_children())):
            last = _last_convolution(module, first, conv)
            if last is not None and isinstance(norm, Norm):
                _fold(*last, module, second)


def _last_convolution(holder: nn.Module, name: str, module: nn.Module) -> tuple[nn.Module, str] | None:
    """Return where the convolution lies that a module ends with: who holds it, and under which name."""
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        return holder, name
    if isinstance(module, nn.Sequential) and len(module):
        return _last_convolution(module, *list(module.named_children())[-1])
    return None


def _fold_named(module: nn.Module) -> None:
    """Fold where a module calls its normalisation `bn1` and the convolution before it `conv1`, as the 2-D ResNet's."""
    for name, child in list(module.named_children()):
        norm = f"bn{name.removeprefix('conv')}"
        if name.startswith("conv") and isinstance(child, nn.Conv2d) and isinstance(getattr(module, norm, None), Norm):
            _fold(module, name, module, norm)


def _fold(holder: nn.Module, name: str, norm_holder: nn.Module, norm: str) -> None:
    conv = getattr(holder, name)
    setattr(holder, name, fuse_conv_bn_eval(conv, getattr(norm_holder, norm)))
    setattr(norm_holder, norm, nn.Identity())
