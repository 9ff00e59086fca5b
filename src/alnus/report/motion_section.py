"""Does motion help? The networks on the same cines without order, without movement and with one frame, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alnus.report.document import Block, Bullets, Cell, Column, Figure, Figures, Row, Table, Text
from alnus.report.names import file_stem
from alnus.report.run_files import RunFiles
from alnus.report.wording import (
    ABSENT,
    auc_cell,
    difference,
    has_estimate,
    interval,
    number,
    p_phrase,
    p_value,
    set_title,
    share,
    source_title,
    spoken,
)

CINES = {
    "intact": "as it is",
    "reversed": "frames reversed",
    "shuffled": "frames shuffled",
    "frozen": "frozen to the keyframe",
    "single": "the keyframe alone",
}
QUESTIONS = {
    "movement": "What the moving cine shows beyond one frame held still",
    "order": "The order of the frames",
    "content": "What several frames show beyond one, in whatever order",
    "number": "The mere number of frames",
}
HOW = {
    "movement": "frozen cines ranked worse than intact ones",
    "order": "reversed or shuffled clips ranked worse than intact ones",
    "content": "frozen cines ranked worse than shuffled ones",
    "number": "one frame among blanks ranked worse than repeated",
}


def moving(body: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the video networks of a set whose altered cines were scored."""
    return [(name, source["motion"]) for name, source in body["sources"].items() if source.get("motion")]


def has_areas(networks: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    """Tell whether any cine has an AUC to be drawn: a set without two patients of each class has none."""
    return any(has_estimate(part["auc"][how]) for _, part in networks for how in CINES)


def motion_blocks(files: RunFiles) -> tuple[Block, ...]:
    """Return the answers in words, a table and a figure for each test set; why there are none where there are none."""
    sets = {name: moving(body) for name, body in files.sets().items()}
    if not any(sets.values()):
        why = "No altered cines were scored: the study has no video network, or was asked not to (motion: false)."
        return (Text(why, heading="Does motion help: not available.", tone="note"),)
    blocks: list[Block] = [Text(_intro(files))]
    for name, networks in sets.items():
        if networks:
            blocks.append(Bullets(tuple(_answers(networks)), heading=f"{set_title(name)}."))
            blocks += [Figures((_figure(files, name, networks),))] if has_areas(networks) else []
            blocks.append(_table(name, networks, files.confidence))
    return (*blocks, Text(_caveat(files), heading="How far this goes.", tone="note"))


def _intro(files: RunFiles) -> str:
    known = ""
    if files.phantom:
        known = (
            " What the phantom holds is known: nothing of its risk lies in the order of the frames (the direction of "
            "the sweep is drawn by lot). The keyframe shows the middle of the margin and two of the three axes; the "
            "rest is in what the frames of the sweep and of the compression show together."
        )
    return (
        "Each video network scored the same test cines again: every clip with its frames reversed, shuffled, replaced "
        "by the keyframe that the image network sees, and with that keyframe alone among blank frames. Reversed and "
        "shuffled clips hold the same frames as the intact ones, so that only the order differs." + known
    )


def _caveat(files: RunFiles) -> str:
    return (
        "An altered cine is unlike any that the network was trained on. A fall shows that the network draws on what "
        "was taken away, not that a network trained without it would do worse; where no fall is shown, a small one is "
        f"not excluded: the {share(files.confidence)} intervals say how small. Where shuffling lowers the AUC and "
        "reversal does not, jumps from frame to frame that no cine has are a likelier cause than a lost order. "
        "P values are DeLong’s, with Holm’s correction over all motion tests of all networks and test sets together; "
        "they are apart from the declared comparisons. The altered scores are in motion.csv."
    )


def _answers(networks: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Return a sentence a question: for which networks it is shown, with the strongest pair of each."""
    return [f"{title}: {_verdict(question, networks)}" for question, title in QUESTIONS.items()]


def _verdict(question: str, networks: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    shown = [item for item in networks if item[1]["answer"][question]["shown"]]
    tested = [item for item in networks if item[1]["answer"][question]["shown"] is not None]
    if not tested:
        return "could not be tested."
    if not shown:
        return f"not shown to matter for any network ({HOW[question]} by none). {_pairs(question, tested)}"
    others = "" if len(shown) == len(tested) else ", not for the others"
    names = spoken([source_title(name) for name, _ in shown])
    return f"shown to matter for {names}{others}. {_pairs(question, tested)}"


def _pairs(question: str, networks: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return "; ".join(_pair(name, part, part["answer"][question]) for name, part in networks) + "."


def _pair(name: str, part: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    a, b = str(answer["a"]), str(answer["b"])
    tested = _tested(part, a, b)
    ends = interval(tested, dash=" to ") if tested else ""
    said = f"{number(tested['estimate'])} ({ends}; {p_phrase(tested['p_holm'])})" if tested else ABSENT
    return f"{source_title(name)}, AUC {a} less {b}: {said}"


def _tested(part: Mapping[str, Any], a: str, b: str) -> Mapping[str, Any] | None:
    found = [row["auc"] for row in part["comparisons"] if (row["a"], row["b"]) == (a, b)]
    return found[0] if found and has_estimate(found[0]) else None


def _figure(files: RunFiles, name: str, networks: Sequence[tuple[str, Mapping[str, Any]]]) -> Figure:
    caption = (
        f"{set_title(name)}: AUC of each video network on the intact and the altered cines, with its "
        f"{share(files.confidence)} interval. Grey band: the image network. Dotted: chance."
    )
    said = "; ".join(
        f"{source_title(source)}: " + ", ".join(f"{CINES[how]} {auc_cell(part['auc'][how]).main}" for how in CINES)
        for source, part in networks
    )
    return Figure(f"motion_{file_stem(name)}", caption, f"AUCs on altered cines, {set_title(name)}. {said}.")


def _table(name: str, networks: Sequence[tuple[str, Mapping[str, Any]]], confidence: float) -> Table:
    rows: list[Row] = []
    for source, part in networks:
        rows.append(Row((Cell(f"{source_title(source)} ({part['patients']} patients)"),), heading=True))
        rows += [_row(part, how) for how in CINES]
    columns = (
        Column("Cine", share=1.2),
        Column("AUC", "right", 1.1),
        Column("AUC less intact", "right", 1.3),
        Column("AUC less image network", "right", 1.3),
        Column("Score less intact: with metastasis", "right", 1.1),
        Column("without", "right", 1.1),
    )
    caption = f"{set_title(name)}: the video networks on altered cines, with {share(confidence)} intervals."
    notes = (
        "P: Holm’s, over all motion tests. Score less intact: mean change of the score, bootstrap of patients. The "
        "comparison of the intact cine with the image network stands among the paired comparisons.",
    )
    return Table(f"motion_{name}", caption, columns, tuple(rows), notes)


def _row(part: Mapping[str, Any], how: str) -> Row:
    pair: Mapping[str, Any] = next((row for row in part["comparisons"] if (row["a"], row["b"]) == (how, "intact")), {})
    changes = [_change(pair.get(key)) for key in ("score_positive", "score_negative")]
    return Row(
        (
            Cell(CINES[how]),
            auc_cell(part["auc"][how]),
            _difference(_tested(part, how, "intact")),
            _difference(_tested(part, how, "image")),
            *changes,
        )
    )


def _difference(tested: Mapping[str, Any] | None) -> Cell:
    if tested is None:
        return Cell(ABSENT)
    made = difference(tested)
    p_text = p_value(tested.get("p_holm"))
    return Cell(made.main, made.sub, f"P {p_text}" if p_text.startswith("<") else f"P = {p_text}")


def _change(change: Mapping[str, Any] | None) -> Cell:
    if not has_estimate(change):
        return Cell(ABSENT)
    return Cell(number(change["estimate"]), f"({interval(change, dash=' to ')})")
