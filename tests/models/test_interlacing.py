"""The shift agrees with a direct loop over frames, in value and gradient, and the module with its published recipe."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from alnus.models.interlacing import OffsetNet, TemporalInterlace, WeightNet, frame_lag, shift_matrix
from rivals import shift


def shifted_by_loop(data, offset):
    """out[s + b] += data[s] for both whole shifts beside the offset, each with its share; zeros outside the clip."""
    out = torch.zeros_like(data)
    below = math.floor(offset)
    for whole, share in ((below, 1 - (offset - below)), (below + 1, offset - below)):
        for source in range(len(data)):
            if 0 <= source + whole < len(data):
                out[source + whole] += share * data[source]
    return out


@pytest.mark.parametrize("offset", [0.0, 1.0, -1.0, 0.3, -0.3, 1.7, -1.7, 2.0, -2.0, 4.9, -4.9, 9.0])
def test_the_shift_matrix_moves_content_as_a_loop_does(offset):
    data = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = shift_matrix(torch.tensor([[offset]], dtype=torch.float64), frame_lag(5).double())[0, 0]
    torch.testing.assert_close(matrix @ data, shifted_by_loop(data, offset))


def test_content_moves_from_frame_s_to_s_plus_the_offset():
    matrix = shift_matrix(torch.tensor([[1.0, -1.0]]), frame_lag(3))[0]
    assert matrix[0].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert matrix[1].tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_the_gradient_of_the_shift_is_right_across_both_ends():
    offsets = torch.tensor([[0.3, -0.4, 1.6, -1.7], [3.2, -3.3, 4.6, -4.7]], dtype=torch.float64, requires_grad=True)
    data = torch.randn(2, 4, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b, x: shift_matrix(b, frame_lag(4).double()) @ x, (offsets, data))


@pytest.mark.parametrize("offset", [0.0, 1.0, -2.0, 0.3, -1.7, 4.6, -5.0])
def test_the_gradient_is_that_of_the_published_floor_and_loop_also_at_whole_offsets(offset):
    data = torch.randn(2, 5, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))  # (N, T, C, P)
    asked = torch.randn(2, 5, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def theirs(b, x):
        share = (b - b.floor())[:, None, :, None]
        return (1 - share) * shift(x, b.floor()) + share * shift(x, b.floor() + 1)

    def ours(b, x):
        return torch.einsum("ngts,nsgp->ntgp", shift_matrix(b, frame_lag(5).double()), x)

    found = []
    for function in (theirs, ours):
        b = torch.tensor([[offset, -offset, 0.0, 0.4]] * 2, dtype=torch.float64, requires_grad=True)
        x = data.clone().requires_grad_()
        found.append(torch.autograd.grad((function(b, x) * asked).sum(), (b, x)))
    torch.testing.assert_close(found[1], found[0])


def module(channels, frames):
    torch.manual_seed(3)
    made = TemporalInterlace(channels, frames).double()
    torch.nn.init.normal_(made.offset_net.fc2.weight, std=3)  # offsets that differ between clips and cross the ends
    torch.nn.init.normal_(made.offset_net.fc2.bias)
    torch.nn.init.normal_(made.weight_net.conv.bias)
    return made


def by_recipe(made, x, frames):
    """X-Temporal's steps, written as loops over clips, channels and frames."""
    out = x.clone()
    fold = x.shape[1] // 4
    for start in range(0, len(x), frames):
        part = x[start : start + frames, :fold]  # (frames, fold, height, width)
        pooled = part.mean((2, 3)).T[None]  # (1, fold, frames)
        net = made.offset_net
        line = functional.conv1d(pooled, net.conv.weight, net.conv.bias, padding=1)[:, 0]
        logits = functional.linear(
            functional.relu(functional.linear(line, net.fc1.weight, net.fc1.bias)), net.fc2.weight
        )
        first, second = (4 * (torch.sigmoid(logits + net.fc2.bias) - 0.5))[0].tolist()
        conv = made.weight_net.conv
        weights = 2 * torch.sigmoid(functional.conv1d(pooled, conv.weight, conv.bias, padding=1))[0]  # (2, frames)
        for channel in range(fold):
            group = channel // (fold // 4)
            offset = (first, second, -first, -second)[group]
            moved = shifted_by_loop(part[:, channel], offset)
            out[start : start + frames, channel] = moved * weights[group % 2][:, None, None]
    return out


@pytest.mark.parametrize(("channels", "frames"), [(16, 1), (16, 8), (64, 5), (32, 3)])
def test_interlacing_follows_the_published_recipe(channels, frames):
    made = module(channels, frames)
    x = torch.randn(3 * frames, channels, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(made(x), by_recipe(made, x, frames))


def test_interlacing_leaves_three_quarters_of_the_channels_alone():
    made, x = module(32, 4), torch.randn(8, 32, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(made(x)[:, 8:], x[:, 8:])
        assert not torch.isclose(made(x)[:, :8], x[:, :8]).any(0).any(-1).any(-1).all()


def test_the_gradient_of_interlacing_is_right():
    made = module(16, 3)
    x = torch.randn(6, 16, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(made, (x,))


def test_offsets_start_at_half_a_frame_and_weights_at_one_on_an_empty_clip():
    pooled = torch.zeros(1, 4, 8)
    offset_net, weight_net = OffsetNet(4, 8), WeightNet(4)
    torch.nn.init.zeros_(offset_net.fc2.weight)
    torch.testing.assert_close(offset_net(pooled), torch.full((1, 2), 0.5), atol=1e-4, rtol=0)
    torch.testing.assert_close(weight_net(pooled), torch.ones(1, 2, 8))


def test_channels_last_moves_the_same_and_stays_so_with_the_same_gradients():
    torch.manual_seed(0)
    interlace = TemporalInterlace(32, 5).double()
    x = torch.randn(2 * 5, 32, 6, 7, dtype=torch.float64)
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        given = x.clone(memory_format=layout).requires_grad_()
        moved = interlace(given)
        assert moved.is_contiguous(memory_format=layout)
        gradients = torch.autograd.grad((moved**3).sum(), [given, *interlace.parameters()])
        found.append((moved, *gradients))
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-12)
