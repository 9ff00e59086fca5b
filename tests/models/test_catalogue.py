"""`alnus models` lists what `build` builds, with its cost counted."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from alnus.models import NAMES, build, describe, facts
from alnus.models.catalogue import table


@pytest.fixture(scope="module")
def networks():
    return describe()


def test_every_network_is_listed_at_every_depth_and_one_is_its_default(networks):
    assert {(row.name, row.depth) for row in networks} == {(name, d) for name in NAMES for d in facts(name).depths}
    assert {row.name: row.depth for row in networks if row.default} == {n: facts(n).depths[0] for n in NAMES}


def test_operations_are_counted_two_for_a_multiplication_and_an_addition():
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        torch.nn.Linear(7, 5, bias=False)(torch.zeros(3, 7))
    assert counter.get_total_flops() == 2 * 3 * 7 * 5


@pytest.mark.parametrize("name", ["x3d", "mvit", "tin"])
def test_the_listed_cost_is_that_of_the_network_which_build_returns(networks, name):
    row = next(row for row in networks if row.name == name and row.default)
    with torch.device("meta"):
        network = build(name)
    assert row.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert row.input_shape == (3, facts(name).frames, facts(name).side_px, facts(name).side_px)
    assert row.width == facts(name).width


def test_the_table_has_a_line_a_network_and_the_weights_of_each(networks):
    lines = table(networks).splitlines()
    assert [line for line in lines if line.startswith("x3d")][1].split() == [
        *("x3d", "X3D", "26*", "3\u00d716\u00d7224\u00d7224", "3.0", "M", "9.5")
    ]
    assert lines[-len(NAMES) :] == [f"{name:10}{'; '.join(facts(name).accepts)}" for name in NAMES]
    assert max(map(len, lines[: len(networks) + 3])) <= 120
