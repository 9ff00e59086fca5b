"""The report's sections, put together from a run directory in the order that a reviewer expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alnus.report.document import Block, Bullets, Document, Figure, Figures, Section, Text, numbered
from alnus.report.flow import Flow, cohort_flow, partitions
from alnus.report.gallery import galleries
from alnus.report.limits import limitations
from alnus.report.provenance_block import provenance
from alnus.report.run_files import ModelFiles, RunFiles
from alnus.report.run_tables import cohort_table, excluded_table, networks_table, quality_table
from alnus.report.set_tables import comparisons_table, confusion, kind_of, measures_table, ordered, title_of
from alnus.report.summary import summary
from alnus.report.wording import (
    auc_cell,
    count,
    epoch_from_one,
    has_estimate,
    in_sentence,
    set_title,
    share,
    source_title,
    spoken,
)

PHANTOM_BANNER = "PHANTOM COHORT: simulated data, no clinical meaning"
RESEARCH_BANNER = "For research, not for diagnosis"
TITLE = "ALN metastasis from breast ultrasound videos"


def build(files: RunFiles) -> Document:
    """Return the whole report of a run as data."""
    sections = (
        Section("summary", "Summary", (what_this_is(files), *summary(files))),
        Section("participants", "Participants", participants(files)),
        Section("methods", "Networks and methods", methods(files)),
        Section("results", "Results", results(files)),
        Section("curves", "Learning curves", learning_curves(files)),
        Section("heatmaps", "Heatmaps of right and wrong cases", heatmaps(files)),
        Section("excluded", "Excluded and doubtful inputs", excluded(files)),
        Section("limits", "What this does not show", (Bullets(tuple(limitations(files))),)),
        Section("provenance", "Provenance", provenance(files)),
    )
    document = Document(
        title=str(files.config.get("title") or TITLE),
        subtitle="Report of a study with Alnus: prediction of axillary lymph node metastasis from breast ultrasound",
        banner=PHANTOM_BANNER if files.phantom else RESEARCH_BANNER,
        phantom=files.phantom,
        date=str(files.run.get("finished") or files.run.get("started") or ""),
        sections=sections,
    )
    return numbered(document)


def what_this_is(files: RunFiles) -> Text:
    """Return the opening sentence: on whom, with what, judged by what."""
    sources = {name: source for body in files.sets().values() for name, source in body["sources"].items()}
    models = [title_of(name, sources) for name, source in sources.items() if kind_of(source) == "model"]
    readers = [name for name, source in sources.items() if kind_of(source) == "reader"]
    judged = [*models, *([count(len(readers), "reader")] if readers else [])]
    truth = "the simulated label" if files.phantom else "the label of the cohort table (by its definition, pathology)"
    tested = ", ".join(f"{set_title(name)} ({body['patients']})" for name, body in files.sets().items())
    names = spoken([judged[0], *(in_sentence(title) for title in judged[1:])])
    return Text(f"{names} compared with {truth}. Patients evaluated: {tested}. Details of each number are below.")


def participants(files: RunFiles) -> tuple[Block, ...]:
    """Return the cohort flow and Table 1, or the name of what is absent."""
    flow = cohort_flow(files)
    blocks: list[Block] = []
    if flow.trunk or flow.leaves:
        blocks.append(Figures((Figure("flow", "Flow of patients.", _flow_alt(flow)),)))
    else:
        blocks.append(absent("The cohort flow", "The run directory holds neither cohort.json nor splits.csv."))
    blocks += [Text(problem, heading="The counts do not add up.", tone="warning") for problem in flow.problems]
    table = cohort_table(files)
    blocks.append(table or absent("Table 1", "The run directory has no cohort.json with a table."))
    return tuple(blocks)


def _flow_alt(flow: Flow) -> str:
    stages = [f"{stage.label}: {stage.text}" for stage in (*flow.trunk, *flow.excluded)]
    return "Cohort flow. " + "; ".join([*stages, *(f"{leaf.label}: {leaf.text}" for leaf in flow.leaves)]) + "."


def methods(files: RunFiles) -> tuple[Block, ...]:
    """Return how the study was done, and the networks."""
    table = networks_table(files)
    return (
        Text(_design(files)),
        Text(_statistics(files)),
        table or absent("The table of networks", "The run directory has no model card below models/."),
    )


def _design(files: RunFiles) -> str:
    leaves = partitions(files.splits)
    patients = sum(leaf.patients for leaf in leaves)
    folds = "folds" in files.sets()
    if not leaves:
        split = "Patients were split into partitions"
    elif folds:
        split = f"{count(patients, 'patient')} were split into {len(leaves)} folds for cross-validation"
    else:
        split = f"{count(patients, 'patient')} were split into {len(leaves)} partitions"
    aggregation = {"mean": "the mean", "max": "the highest"}.get(
        str(files.results.get("aggregation", "mean")), "a summary"
    )
    return (
        f"{split}; no patient stands in two of them. Each network saw the videos of the training patients only; its "
        "epoch and its threshold were chosen on the validation patients. A patient’s score is "
        f"{aggregation} of the scores of that patient’s videos. A score lies between 0 and 1, the higher "
        "the more suspicious; it is not calibrated, hence no probability of metastasis. The "
        "thresholds were frozen before the test sets were evaluated; a score at or above its "
        "threshold calls metastasis."
    )


def _statistics(files: RunFiles) -> str:
    level = share(files.confidence)
    return (
        f"Statistics: area under the ROC curve (AUC) with DeLong’s {level} interval; proportions with Clopper and "
        f"Pearson’s exact {level} interval; on the same patients AUCs are compared by DeLong’s paired test and calls "
        "by McNemar’s exact test, both two-sided, with Holm’s correction over the declared comparisons of a test set. "
        "Readers pass through the same code as networks."
    )


def results(files: RunFiles) -> tuple[Block, ...]:
    """Return, test set by test set, the measures; then ROC figures, confusion matrices and paired tests."""
    sets = files.sets()
    measures = [measures_table(name, body, files.confidence) for name, body in sets.items()]
    drawn = {name: body for name, body in sets.items() if has_points(body)}
    blocks: list[Block] = [*measures]
    if drawn:
        blocks.append(Figures(tuple(_roc(name, body) for name, body in drawn.items())))
    blocks += [
        absent(f"ROC figure of {set_title(name)}", "No source has a curve or an operating point on it.")
        for name in sets
        if name not in drawn
    ]
    blocks += [confusion(name, body) for name, body in sets.items()]
    for name, body in sets.items():
        table = comparisons_table(name, body, files.confidence)
        blocks.append(table or absent(f"Paired tests on {set_title(name)}", "None was declared, or none was possible."))
    if not any(kind_of(s) == "reader" for body in sets.values() for s in body["sources"].values()):
        blocks.append(absent("Readers", "The cohort table has no reader_<name> column."))
    return tuple(blocks)


def has_points(body: Mapping[str, Any]) -> bool:
    """Tell whether a set has anything to draw in an ROC figure."""
    return any(
        source.get("roc") or (has_estimate(source.get("sensitivity")) and has_estimate(source.get("specificity")))
        for source in body["sources"].values()
    )


def _roc(name: str, body: Mapping[str, Any]) -> Figure:
    sources = body["sources"]
    said = "; ".join(
        f"{title_of(key, sources)} AUC {auc_cell(source.get('auc')).text}" for key, source in ordered(sources)
    )
    caption = (
        f"{set_title(name)}: ROC curves. Filled points: networks at their frozen thresholds. "
        "Open marks: readers. The diagonal is chance."
    )
    return Figure(f"roc_{file_stem(name)}", caption, f"ROC curves on {set_title(name)}: {said}.")


def curves(files: RunFiles) -> dict[str, list[ModelFiles]]:
    """Return the networks that have a learning curve, each with its folds."""
    found: dict[str, list[ModelFiles]] = {}
    for model in files.models:
        if model.metrics is not None and "epoch" in model.metrics.columns and not model.metrics.empty:
            found.setdefault(model.source, []).append(model)
    order = files.models_in_order()
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def learning_curves(files: RunFiles) -> tuple[Block, ...]:
    """Return a figure a network, and the name of each network that has none."""
    found = curves(files)
    figures = [
        Figure(f"learning_{file_stem(source)}", _learning_caption(source, models), _learning_alt(source, models))
        for source, models in found.items()
    ]
    blocks: list[Block] = [Figures(tuple(figures))] if figures else []
    lost = sorted({source_title(model.source) for model in files.models} - {source_title(name) for name in found})
    if lost:
        blocks.append(absent(f"Learning curve of {spoken(lost)}", "Its metrics.csv is not in the run directory."))
    if not files.models:
        blocks.append(absent("Learning curves", "The run directory has no networks below models/."))
    return tuple(blocks)


def _learning_caption(source: str, models: list[ModelFiles]) -> str:
    folds = f" One line for each of {len(models)} folds." if len(models) > 1 else ""
    return f"{source_title(source)}: loss and validation AUC by epoch. Circle: the kept epoch.{folds}"


def _learning_alt(source: str, models: list[ModelFiles]) -> str:
    kept = ", ".join(str(epoch_from_one(model.card.get("epoch")) or "unknown") for model in models)
    return f"Learning curves of {source_title(source)}; kept epoch {kept}."


def heatmaps(files: RunFiles) -> tuple[Block, ...]:
    """Return the galleries, or the name of what is absent."""
    if not files.explanations:
        return (absent("Heatmaps", "The run directory has none below explanations/."),)
    intro = (
        "Grad-CAM on one frame of each case: the warmer, the more that part of the picture spoke for metastasis. A "
        "heatmap says where a network looked, not that it was right to look there. Right and wrong calls stand side by "
        "side; what they share tells as much as what sets them apart."
    )
    return (Text(intro), *galleries(files))


def excluded(files: RunFiles) -> tuple[Block, ...]:
    """Return the table of what could not be used, or that nothing was excluded, or that this is not recorded."""
    if files.excluded is None:
        return (absent("The list of excluded inputs", "The run directory has no excluded.csv."),)
    table, found = excluded_table(files), quality_table(files)
    first: Block = table if table else Text("No video of the cohort table was left out.")
    return (first,) if found is None else (first, found)


def absent(what: str, why: str) -> Text:
    """Return the paragraph that names a missing part."""
    return Text(why, heading=f"{what}: not available.", tone="note")


def file_stem(name: str) -> str:
    """Return a name that is safe as a file's: letters, digits, dot, dash and underscore."""
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name) or "_"
