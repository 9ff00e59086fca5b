"""Are the heatmaps true? Against the lesion, against the network's own score, and against random weights, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alnus.report.document import Block, Bullets, Cell, Column, Figure, Figures, Row, Table, Text
from alnus.report.names import file_stem
from alnus.report.run_files import RunFiles
from alnus.report.wording import ABSENT, count, has_estimate, interval, number, set_title, share, source_title, spoken

GROUPS = {"all": "all", "right": "called rightly", "wrong": "called wrongly"}
Named = Sequence[tuple[str, Mapping[str, Any]]]
MEASURES = {
    "pointing": ("Pointing game", ("uniform", "centre")),
    "energy": ("Energy in the lesion", ("uniform", "centre")),
    "frame_lesion": ("Lesion in the heaviest frame", ("random", "middle")),
    "deletion": ("Deletion (lower is better)", ("random", "centre")),
    "insertion": ("Insertion (higher is better)", ("random", "centre")),
}
GAINS = {
    "pointing_gain": "the pointing game",
    "energy_gain": "energy in the lesion",
    "frame_lesion_gain": "the lesion in the heaviest frame",
    "deletion_gain": "deletion",
    "insertion_gain": "insertion",
}
"""Of the measures of results.json: above 0 the map is better than a uniform one, a frame or parts at random."""


CENTRE = {"energy_gain_centre": "energy", "deletion_gain_centre": "deletion", "insertion_gain_centre": "insertion"}
"""The same against a map that points to the middle."""


def tested(body: Mapping[str, Any]) -> Named:
    """Return the networks of a set whose heatmaps were tested."""
    return [(name, source["explanation"]) for name, source in body["sources"].items() if source.get("explanation")]


def faithfulness_blocks(files: RunFiles) -> tuple[Block, ...]:
    """Return the answers in words, a table and a figure for each test set; why there are none where there are none."""
    sets = {name: tested(body) for name, body in files.sets().items()}
    if not any(sets.values()):
        why = "The heatmaps were not tested (explanation.faithfulness.cases: 0), or there is no test set."
        return (Text(why, heading="Tests of the heatmaps: not available.", tone="note"),)
    blocks: list[Block] = [Text(_intro(sets))]
    for name, networks in sets.items():
        if networks:
            blocks.append(Bullets(tuple(_answers(networks)), heading=f"{set_title(name)}."))
            blocks.append(_table(name, networks, files.confidence))
            if any(part.get("curves") for _, part in networks):
                blocks.append(Figures((_figure(name, networks),)))
    return tuple(blocks)


def _intro(sets: Mapping[str, Named]) -> str:
    drawn = spoken(
        [f"{set_title(name)}, {count(nets[0][1]['cases'], 'patient')}" for name, nets in sets.items() if nets]
    )
    return (
        f"Measured on test patients drawn by the seed, the same for every network ({drawn}); deletion, insertion and "
        "random weights on the first of them. Pointing game: does the largest value of a frame’s map lie in the "
        "lesion? Energy: which share of all evidence lies there? Both against the lesion’s masks of every frame, where "
        "the cohort table names them. Deletion and insertion: the mean score while the marked parts are blurred away, "
        "or come back, first those that the map marks most. A uniform map, one that always points to the middle and "
        "parts at random say what knows nothing would get."
    )


def _answers(networks: Named) -> list[str]:
    return [f"{source_title(name)}: {_answer(part)}" for name, part in networks]


def _answer(part: Mapping[str, Any]) -> str:
    """Return in words in which tests the map of one network is shown to be better than chance, worse, or neither."""
    measures = part["groups"]["all"]
    known = {said: _sign(measures[key]) for key, said in GAINS.items() if has_estimate(measures.get(key))}
    said = {1: "better than chance in", -1: "worse than chance in", 0: "neither is shown in"}
    parts = [f"{words} {spoken(names)}" for sign, words in said.items() if (names := _with(known, sign))]
    return "; ".join([*parts, *_against_centre(measures), *_random_weights(part)]) + "."


def _against_centre(measures: Mapping[str, Any]) -> list[str]:
    """Return in which tests the middle of the picture does better than the map, which is no small thing to know."""
    better = [said for key, said in CENTRE.items() if _sign(measures.get(key)) < 0]
    return [f"the middle of the picture does better than the map in {spoken(better)}"] if better else []


def _with(known: Mapping[str, int], sign: int) -> list[str]:
    return [name for name, found in known.items() if found == sign]


def _random_weights(part: Mapping[str, Any]) -> list[str]:
    randomised = part.get("randomised")
    if not randomised:
        return []
    last = randomised["steps"][-1]["similarity"]
    known = {True: "random weights change the map", False: "it is not shown that random weights change the map"}
    said = known.get(randomised["changed"], "too few cases to say whether random weights change the map")
    return [f"{said} (rank correlation {number(last['estimate'], 2)}{_ends(last, ', ')})"]


def _sign(measure: Mapping[str, Any] | None) -> int:
    """Return 1 where the whole interval is above 0, -1 where it is below, else 0."""
    if not has_estimate(measure) or measure.get("low") is None:
        return 0
    return int(measure["low"] > 0) - int(measure["high"] < 0)


def _ends(measure: Mapping[str, Any], before: str = "") -> str:
    return "" if measure.get("low") is None else f"{before}{interval(measure, digits=2, dash=' to ')}"


def _table(name: str, networks: Named, confidence: float) -> Table:
    shown = {
        key: value for key, value in MEASURES.items() if any(part["groups"]["all"].get(key) for _, part in networks)
    }
    rows: list[Row] = []
    for source, part in networks:
        rows.append(Row((Cell(f"{source_title(source)}{_without(part)}"),), heading=True))
        rows += [_row(title, part["groups"][group], shown) for group, title in GROUPS.items()]
    columns = (Column("Cases", share=0.9), *(Column(title, "right") for title, _ in shown.values()))
    caption = f"{set_title(name)}: tests of the heatmaps, means over patients with {share(confidence)} intervals."
    notes = (
        "Below each number its interval (bootstrap of n patients; none below three) and what two baselines get on the "
        "same cases. Right and wrong calls stand apart: a map may be true to a network that is wrong.",
    )
    return Table(f"heatmap_tests_{name}", caption, columns, tuple(rows), notes)


def _without(part: Mapping[str, Any]) -> str:
    none = part["without_evidence"]
    return f" ({count(none, 'case')} of {part['cases']} without any evidence for metastasis)" if none else ""


def _row(title: str, measures: Mapping[str, Any], shown: Mapping[str, tuple[str, tuple[str, ...]]]) -> Row:
    cells = [_cell(key, measures, baselines) for key, (_, baselines) in shown.items()]
    patients = [measure["patients"] for key in shown if (measure := measures.get(key))]
    return Row((Cell(title, f"({max(patients)})" if patients else "(0)"), *cells))


def _cell(key: str, measures: Mapping[str, Any], baselines: Sequence[str]) -> Cell:
    measure = measures.get(key)
    if not has_estimate(measure):
        return Cell(ABSENT)
    known = [(name, measures.get(f"{key}_{name}")) for name in baselines]
    beside = ", ".join(f"{name} {number(base['estimate'], 2)}" for name, base in known if has_estimate(base))
    ends = _ends(measure)
    return Cell(
        number(measure["estimate"], 2), " ".join(([f"({ends}; n {measure['patients']})"] if ends else []) + [beside])
    )


def _figure(name: str, networks: Named) -> Figure:
    caption = (
        f"{set_title(name)}: the mean score while parts of the cine are removed (upper row) or shown (lower row), in "
        "the order of the heat, at random, and from the centre outwards."
    )
    said = "; ".join(
        f"{source_title(source)}: deletion {_mean(part, 'deletion')}, insertion {_mean(part, 'insertion')}"
        for source, part in networks
    )
    alt = f"Deletion and insertion curves on {set_title(name)}. Mean score on the way, heat then random: {said}."
    return Figure(f"heatmap_tests_{file_stem(name)}", caption, alt, wide=True)


def _mean(part: Mapping[str, Any], key: str) -> str:
    measures = part["groups"]["all"]
    values = [measures.get(key), measures.get(f"{key}_random")]
    return " and ".join(number(value["estimate"], 2) if has_estimate(value) else ABSENT for value in values)
