"""How a network's kernels lie in memory, which the tensors between them follow."""

from __future__ import annotations

import torch
from torch import nn


def lay_for_device(network: nn.Module) -> None:
    """Lay the kernels as the device computes fastest: channels last, but on Apple's GPU, which was not measured."""
    if next(network.parameters()).device.type in ("cpu", "cuda"):
        lay_kernels_channels_last(network)


def lay_kernels_channels_last(network: nn.Module) -> None:
    """Let the channels of every 2-D and 3-D convolution's kernel come last: how processors and GPUs like them.

    The same network: shapes, names and, but for the last digits, numbers.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # a module's memory format
        elif isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload] # the same
