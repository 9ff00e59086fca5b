"""The sections that results.json alone fills: measures, comparisons, probabilities, subgroups, readers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alnus.report.document import Block, Figure, Figures, Section, Text
from alnus.report.figures import has_points
from alnus.report.further_tables import differences_table, folds_table, further_table
from alnus.report.names import file_stem
from alnus.report.probability_figures import calibration_models, decision_models
from alnus.report.probability_tables import calibration_table, hundred_table, hundred_words, not_sure_table
from alnus.report.reader_tables import against_table, agreement_table, with_model_table
from alnus.report.run_files import RunFiles
from alnus.report.set_tables import called_at, comparisons_table, confusion, kind_of, measures_table, ordered, title_of
from alnus.report.subgroup_tables import fusion_table, interactions_table, subgroup_sources, subgroups_table
from alnus.report.summary import chosen_network
from alnus.report.wording import auc_cell, set_title, share, source_title

Sets = Mapping[str, Mapping[str, Any]]


def result_sections(sets: Sets, files: RunFiles) -> tuple[Section, ...]:
    """Return the sections of results; a part that results.json lacks is named."""
    return (
        Section("results", "Results", results(sets, files)),
        Section("comparisons", "Paired comparisons", comparisons(sets, files)),
        Section("probabilities", "Calibration and clinical use", probabilities(sets, files)),
        Section("subgroups", "Subgroups and clinical variables", subgroups(sets, files)),
        Section("readers", "Readers", readers(sets, files)),
    )


def absent(what: str, why: str) -> Text:
    """Return the paragraph that names a missing part."""
    return Text(why, heading=f"{what}: not available.", tone="note")


def _present(blocks: Iterable[Block | None], what: str, why: str) -> tuple[Block, ...]:
    """Return the blocks that there are, or the name of what is absent."""
    return tuple(block for block in blocks if block is not None) or (absent(what, why),)


def results(sets: Sets, files: RunFiles) -> tuple[Block, ...]:
    """Return, test set by test set, the measures; then ROC figures and 2x2 counts."""
    level = files.confidence
    blocks: list[Block] = [
        measures_table(name, body, level, widest=files.widest_interval) for name, body in sets.items()
    ]
    drawn = {name: body for name, body in sets.items() if has_points(body)}
    if drawn:
        blocks.append(Figures(tuple(_roc(files, name, body) for name, body in drawn.items())))
    blocks += [
        absent(f"ROC figure of {set_title(name)}", "No source has a curve or an operating point on it.")
        for name in sets
        if name not in drawn
    ]
    blocks += [matrices for name, body in sets.items() if (matrices := confusion(name, body)).items]
    further = (make(name, body, level) for name, body in sets.items() for make in (further_table, folds_table))
    return (*blocks, *(table for table in further if table))


def _roc(files: RunFiles, name: str, body: Mapping[str, Any]) -> Figure:
    sources = body["sources"]
    said = "; ".join(
        f"{title_of(key, sources)} AUC {auc_cell(source.get('auc')).text}" for key, source in ordered(sources)
    )
    caption = (
        f"{set_title(name)}: ROC curves. Filled points: networks {called_at(name, body)}. "
        "Open marks: readers. The diagonal is chance."
    )
    chosen = chosen_network(files, body)
    if chosen and sources[chosen].get("roc_band"):
        caption += f" Shaded: the pointwise {share(files.confidence)} band of {title_of(chosen, sources)}."
    return Figure(f"roc_{file_stem(name)}", caption, f"ROC curves on {set_title(name)}: {said}.")


def comparisons(sets: Sets, files: RunFiles) -> tuple[Block, ...]:
    """Return the primary comparison in words, then the tests raw and corrected."""
    blocks: list[Block] = []
    if primary := _primary(files):
        blocks.append(primary)
    for name, body in sets.items():
        table = comparisons_table(name, body, files.confidence)
        blocks.append(table or absent(f"Paired tests on {set_title(name)}", "None was declared, or none was possible."))
        if further := differences_table(name, body, files.confidence):
            blocks.append(further)
    return tuple(blocks)


def _primary(files: RunFiles) -> Text | None:
    primary = files.results.get("primary")
    if not isinstance(primary, Mapping):
        return None
    text = (
        f"{source_title(str(primary['a']))} against {source_title(str(primary['b']))}, their AUCs on "
        f"{set_title(str(primary['set']))}: {str(primary.get('how', '')).rstrip('.')}. Chosen without a look at a test "
        "set; it alone is not corrected for the number of tests."
    )
    return Text(text, heading="Primary comparison.")


def probabilities(sets: Sets, files: RunFiles) -> tuple[Block, ...]:
    """Return calibration, decision curves, what a call means for 100 patients, and "not sure"."""
    level = files.confidence
    blocks: list[Block | None] = []
    for name, body in sets.items():
        blocks.append(calibration_table(name, body, level))
        blocks.append(_figures(_calibration(files, name, body), _decision(files, name, body)))
        blocks.append(hundred_table(name, body, level))
        if chosen := chosen_network(files, body):
            blocks.append(hundred_words(name, body, chosen))
        blocks.append(not_sure_table(name, body, level))
    return _present(blocks, "Calibration and decision curves", "results.json holds none.")


def _figures(*figures: Figure | None) -> Figures | None:
    drawn = tuple(figure for figure in figures if figure is not None)
    return Figures(drawn) if drawn else None


def _calibration(files: RunFiles, name: str, body: Mapping[str, Any]) -> Figure | None:
    models = calibration_models(body)
    if not models:
        return None
    named = ", ".join(source_title(key) for key, _ in models)
    caption = (
        f"{set_title(name)}: calibration, before (left) and after (right) recalibration on validation. Line: share of "
        f"metastases by predicted probability, with its {share(files.confidence)} band. Dotted: perfect."
    )
    alt = f"Calibration curves on {set_title(name)} of {named}; slopes and intercepts are in the table of calibration."
    return Figure(f"calibration_{file_stem(name)}", caption, alt)


def _decision(files: RunFiles, name: str, body: Mapping[str, Any]) -> Figure | None:
    models = decision_models(body)
    if not models:
        return None
    caption = (
        f"{set_title(name)}: decision curves with {share(files.confidence)} bands. Net benefit: metastases found less "
        "needless biopsies at the exchange rate that the threshold probability states, a patient. Useful where the "
        "curve lies above both “biopsy all” and “biopsy none”."
    )
    alt = f"Decision curves on {set_title(name)}. " + " ".join(_where_useful(key, source) for key, source in models)
    return Figure(f"decision_{file_stem(name)}", caption, alt)


def _where_useful(name: str, source: Mapping[str, Any]) -> str:
    curve = source["decision_curve"]
    shown = [at for at, low in zip(curve["thresholds"], curve.get("advantage_low") or (), strict=False) if low > 0]
    if not shown:
        return f"{source_title(name)}: nowhere shown better than both."
    return f"{source_title(name)}: shown better than both between {min(shown):g} and {max(shown):g}."


def subgroups(sets: Sets, files: RunFiles) -> tuple[Block, ...]:
    """Return forest plots, AUCs by subgroup, interactions, and the fusion with clinical variables."""
    blocks: list[Block | None] = [_figures(_forest(files, name, body)) for name, body in sets.items()]
    for name, body in sets.items():
        blocks.append(subgroups_table(name, body, files.confidence))
        blocks.append(interactions_table(name, body))
    found = _present(blocks, "Subgroups", _why_not(sets, "subgroups", "results.json holds none."))
    fused = fusion_table(sets, files.confidence)
    why = _reason(files.results.get("fusion")) or "No clinical variable was joined with a score."
    return (*found, fused or absent("Fusion with clinical variables", why))


def _why_not(sets: Sets, part: str, otherwise: str) -> str:
    reasons = [reason for body in sets.values() if (reason := _reason(body.get(part)))]
    return reasons[0] if reasons else otherwise


def _reason(part: object) -> str:
    text = str(part.get("reason") or "") if isinstance(part, Mapping) else ""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def _forest(files: RunFiles, name: str, body: Mapping[str, Any]) -> Figure | None:
    chosen = chosen_network(files, body)
    found = subgroup_sources(body).get(str(chosen))
    if not found or chosen is None:
        return None
    title = title_of(chosen, body["sources"])
    caption = (
        f"{set_title(name)}, {title}: subgroups, each with patients with metastasis / all. Diamond and dashed line: "
        f"all patients. Lines: {share(files.confidence)} intervals."
    )
    said = "; ".join(
        f"{row.get('variable') or ''} {row.get('level') or 'all patients'}: AUC {auc_cell(row.get('auc')).text}".strip()
        for row in found["rows"]
    )
    return Figure(
        f"forest_{file_stem(name)}", caption, f"Forest plot of {title} on {set_title(name)}. {said}.", wide=True
    )


def readers(sets: Sets, files: RunFiles) -> tuple[Block, ...]:
    """Return the readers with and without the model, against the networks, and their agreement."""
    if not any(kind_of(s) == "reader" for body in sets.values() for s in body["sources"].values()):
        return (
            absent(
                "Readers",
                "No source is a reader: no reader_<name> column of a cohort, no kind “reader” of a table.",
            ),
        )
    blocks: list[Block | None] = []
    for name, body in sets.items():
        blocks.append(with_model_table(name, body, files.confidence))
        blocks.append(against_table(name, body, files.confidence))
        blocks.append(agreement_table(name, body, files.confidence))
    intro = Text("Each reader’s own measures stand in the tables of results and in the ROC figures.")
    why = _why_not(sets, "readers", "results.json holds no analysis of several readers; it takes two or more.")
    return (intro, *_present(blocks, "The analysis of readers", why))
