"""A reader study on a page: what was found, each reader's accuracy, the tests, reading times, and how it was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alnus.evaluation.readers.text import FIXED, METHODS, NOT_CORRECTED, TITLES
from alnus.report.document import Block, Bullets, Cell, Column, Figure, Figures, Listing, Row, Section, Table, Text
from alnus.report.wording import count, interval, is_number, number, p_phrase, p_value, share, spoken

Analyses = Mapping[str, Mapping[str, Any]]
LIMITS = (
    "Readings are taken as they stand in the table: whether readers were blinded, in which order and how long apart "
    "they read, and how the cases were chosen, Alnus cannot know.",
    "Nothing here is a basis for the care of a patient.",
)


def reader_sections(results: Mapping[str, Any], text: str) -> tuple[Section, ...]:
    """Return the sections of a reader study's results, as `alnus evaluate RATINGS --json` prints them."""
    analyses: Analyses = results["reader_study"]
    times = results.get("reading_times")
    sections = [Section("summary", "Summary", (Bullets(tuple(_sentences(analyses, times))),))]
    sections += [Section(metric, TITLES[metric], _blocks(metric, found)) for metric, found in analyses.items()]
    if times:
        sections.append(Section("times", "Reading times", _times(times)))
    return (
        *sections,
        Section("limits", "What this does not show", (Bullets(LIMITS),)),
        Section("text", "The same as text", (Listing("As printed by the command", text),)),
    )


def _sentences(analyses: Analyses, times: Mapping[str, Any] | None) -> list[str]:
    first = next(iter(analyses.values()))
    study = first["study"]
    classes = f", {study['positive']} with and {study['negative']} without metastasis" if study["positive"] else ""
    ways = study["treatments"]
    said = f" in {len(ways)} ways ({spoken(ways)})" if len(ways) > 1 else ""
    lines = [f"{count(len(study['readers']), 'reader')} read {count(study['cases'], 'case')}{classes}{said}."]
    for metric, found in analyses.items():
        means = [f"{mean['treatment']} {_estimate(metric, mean)}" for mean in found["means"]]
        lines.append(f"Mean {_inside(metric)} of the readers ({share(found['confidence'])} CI): {spoken(means)}.")
        lines += [_tested(_difference(metric, row), row, found["confidence"]) for row in found["differences"]]
    for row in (times or {}).get("ratios") or ():
        ratio = f"Time, {row['treatment_a']} over {row['treatment_b']}: {number(row['estimate'], 2)} times as long "
        lines.append(_tested(f"{ratio}({interval(row, digits=2)})", row, (times or {})["confidence"]))
    return lines


def _tested(said: str, row: Mapping[str, Any], confidence: float) -> str:
    shown = row["p_value"] < 1 - confidence
    verdict = (
        f"a difference is shown at the {100 * (1 - confidence):.3g}% level" if shown else "a difference is not shown"
    )
    return f"{said}, {p_phrase(row['p_value'])}: {verdict}."


def _inside(metric: str) -> str:
    return TITLES[metric] if metric == "auc" else metric


def _scale(metric: str) -> tuple[float, int]:
    return (1.0, 3) if metric == "auc" else (100.0, 1)


def _cell(metric: str, row: Mapping[str, Any] | None) -> Cell:
    """Return an accuracy with its interval, a share in percent."""
    if row is None:
        return Cell("–")
    scale, digits = _scale(metric)
    unit = "" if metric == "auc" else "%"
    ends = interval(row, digits=digits, scale=scale) if is_number(row["low"]) else "no interval"
    return Cell(f"{number(scale * row['estimate'], digits)}{unit}", f"({ends})")


def _estimate(metric: str, row: Mapping[str, Any]) -> str:
    return _cell(metric, row).text


def _difference_cell(metric: str, row: Mapping[str, Any]) -> Cell:
    scale, digits = _scale(metric)
    ends = interval(row, digits=digits, scale=scale, dash=" to ")
    return Cell(number(scale * row["estimate"], digits), f"({ends})")


def _difference(metric: str, row: Mapping[str, Any]) -> str:
    points = "" if metric == "auc" else " points"
    cell = _difference_cell(metric, row)
    return f"{TITLES[metric]}, {row['treatment_a']} less {row['treatment_b']}: {cell.main}{points} {cell.sub}"


def _blocks(metric: str, found: Mapping[str, Any]) -> tuple[Block, ...]:
    drawn = Figures((Figure(f"readers_{metric}", _caption(metric, found), _alt(metric, found), wide=True),))
    compared = _differences(metric, found)
    return (_accuracies(metric, found), drawn, *([compared] if compared else []), Text(_how(found)))


def _accuracies(metric: str, found: Mapping[str, Any]) -> Table:
    """Return each reader's accuracy and the readers' mean, a column a way of reading."""
    ways: Sequence[str] = found["study"]["treatments"]
    own = {(row["reader"], row["treatment"]): row for row in found["by_reader"]}
    means = {row["treatment"]: row for row in found["means"]}
    rows = [
        Row((Cell(reader), *(_cell(metric, own.get((reader, way))) for way in ways)))
        for reader in found["study"]["readers"]
    ]
    rows += [Row((Cell("Readers’ mean"), *(_cell(metric, means.get(way)) for way in ways)))]
    columns = (Column("Reader"), *(Column(way, "right") for way in ways))
    level = share(found["confidence"])
    caption = f"{TITLES[metric]} of each reader and their mean, with {level} intervals."
    notes = ("A reader’s own interval holds for other cases; that of the mean as the text below says.",)
    return Table(f"readers_{metric}", caption, columns, tuple(rows), notes)


def _differences(metric: str, found: Mapping[str, Any]) -> Table | None:
    if not found["differences"]:
        return None
    rows = tuple(
        Row(
            (
                Cell(f"{row['treatment_a']} less {row['treatment_b']}"),
                _difference_cell(metric, row),
                Cell(p_value(row["p_value"])),
            )
        )
        for row in found["differences"]
    )
    unit = "" if metric == "auc" else ", percentage points"
    columns = (Column("Ways of reading", share=1.5), Column(f"Difference{unit}", "right"), Column("P", "right", 0.5))
    notes = [_equality(found["equality"])] if found["equality"] else []
    notes += [NOT_CORRECTED] if len(rows) > 1 else []
    caption = f"{TITLES[metric]}: differences of the readers' means, with {share(found['confidence'])} intervals."
    return Table(f"differences_{metric}", caption, columns, rows, tuple(notes))


def _equality(test: Mapping[str, Any]) -> str:
    if test["df2"] is None:
        said = f"chi-square({test['df1']}) = {number(test['df1'] * test['statistic'], 2)}"
    else:
        said = f"F({test['df1']}, {number(test['df2'], 2)}) = {number(test['statistic'], 2)}"
    return f"All ways of reading equal: {said}, {p_phrase(test['p_value'])}."


def _how(found: Mapping[str, Any]) -> str:
    """Return the method in words, to whom the result extends, and what was missing."""
    covariance = METHODS[found["covariance"]] if "covariance" in found else "jackknife"
    over = f" ({covariance} covariance)" if found["cases"] == "random" else ""
    parts = [
        f"Obuchowski and Rockette’s analysis with Hillis’ degrees of freedom; {found['readers']} readers, "
        f"{found['cases']} cases{over}.",
        *(said for name, said in FIXED.items() if found[name] == "fixed"),
    ]
    study = found["study"]
    if str(study["layout"]).startswith("cases nested"):
        parts.append(f"Layout: {study['layout']}; accuracies without a case in common do not covary.")
    elif study["missing"]:
        parts.append(
            f"{study['missing']} of {study['missing'] + study['readings']} readings are missing (not every reader read "
            "every case in every way); the result holds if they are missing at random."
        )
    return " ".join(parts)


def _caption(metric: str, found: Mapping[str, Any]) -> str:
    return f"{TITLES[metric]} by reader and way of reading. Lines: {share(found['confidence'])} intervals."


def _alt(metric: str, found: Mapping[str, Any]) -> str:
    said = [f"{row['reader']}, {row['treatment']}: {_estimate(metric, row)}" for row in found["by_reader"]]
    said += [f"mean, {row['treatment']}: {_estimate(metric, row)}" for row in found["means"]]
    return f"{TITLES[metric]} of the readers. {'; '.join(said)}."


def _times(times: Mapping[str, Any]) -> tuple[Block, ...]:
    ways: Sequence[str] = times["study"]["treatments"]
    own = {(row["reader"], row["treatment"]): row for row in times["by_reader"]}
    means = {row["treatment"]: row for row in times["means"]}
    rows = [
        Row((Cell(reader), *(_seconds(own.get((reader, way))) for way in ways))) for reader in times["study"]["readers"]
    ]
    rows.append(Row((Cell("All readers"), *(_seconds(means.get(way)) for way in ways))))
    columns = (Column("Reader"), *(Column(way, "right") for way in ways))
    caption = f"Reading times, geometric means in seconds, with {share(times['confidence'])} intervals."
    notes = [
        f"{row['treatment_a']} over {row['treatment_b']}: {number(row['estimate'], 3)} times as long "
        f"({interval(row)}), {p_phrase(row['p_value'])}."
        for row in times.get("ratios") or ()
    ]
    return Table("reading_times", caption, columns, tuple(rows), tuple(notes)), Text(_how(times))


def _seconds(row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return Cell("–")
    ends = interval(row, digits=1) if is_number(row["low"]) else "no interval"
    return Cell(number(row["estimate"], 1), f"({ends})")
