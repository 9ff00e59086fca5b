"""What each design asks of a reader: every case, once a treatment, in orders that the seed gives and nobody shares."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from alnus.serve.readers.design import TREATMENTS, Design, Treatment, begin_with_model, in_order, planned

CASES = [f"C-{number:03d}" for number in range(40)]


@pytest.mark.parametrize("design", Design)
def test_every_reader_reads_every_case_once_in_each_treatment(design):
    plan = planned(design, CASES, seed=5, reader=2, with_model_first=True)
    assert Counter((one.treatment, one.case) for one in plan) == {
        (treatment, case): 1 for treatment in TREATMENTS[design] for case in CASES
    }


def test_an_order_can_be_made_again_from_seed_reader_session_and_case_alone():
    by_hand = sorted(CASES, key=lambda case: hashlib.sha256(f"5|2|1|{case}".encode()).hexdigest())
    assert in_order(reversed(CASES), seed=5, reader=2, session=1) == by_hand


def test_orders_differ_between_readers_sessions_and_seeds():
    orders = [
        tuple(in_order(CASES, seed=seed, reader=reader, session=session))
        for seed in (1, 2)
        for reader in (1, 2, 3)
        for session in (1, 2)
    ]
    assert len(set(orders)) == len(orders)


def test_an_order_gives_every_case_every_place_alike():
    """Of 2,000 seeds each of four cases comes first in about 500; five standard deviations are 97."""
    first = Counter(in_order("abcd", seed=seed, reader=1, session=1)[0] for seed in range(2000))
    assert all(abs(count - 500) < 97 for count in first.values())


def test_a_second_reader_reads_alone_and_then_the_same_case_with_the_model_at_once():
    plan = planned(Design.SECOND_READER, CASES, seed=1, reader=1)
    pairs = [(one.case, two.case, one.treatment, two.treatment) for one, two in zip(plan[::2], plan[1::2], strict=True)]
    assert all(pair == (pair[0], pair[0], Treatment.ALONE, Treatment.WITH_MODEL) for pair in pairs)


@pytest.mark.parametrize("model_first", [False, True])
def test_a_crossover_reads_all_cases_one_way_and_then_all_the_other_in_another_order(model_first):
    plan = planned(Design.CROSSOVER, CASES, seed=1, reader=1, with_model_first=model_first)
    one, two = ([each for each in plan if each.session == session] for session in (1, 2))
    assert {each.treatment for each in one} == {Treatment.WITH_MODEL if model_first else Treatment.ALONE}
    assert {each.treatment for each in two} == {Treatment.ALONE if model_first else Treatment.WITH_MODEL}
    assert [each.case for each in one] != [each.case for each in two]


@pytest.mark.parametrize("readers", range(1, 9))
def test_half_of_a_crossovers_readers_begin_with_the_model(readers):
    sums = [sum(begin_with_model(seed=seed, readers=readers)) for seed in range(200)]
    assert set(sums) == ({readers // 2} if readers % 2 == 0 else {readers // 2, readers // 2 + 1})


def test_who_begins_with_the_model_is_left_to_the_seed():
    assert len({tuple(begin_with_model(seed=seed, readers=4)) for seed in range(100)}) == 6
