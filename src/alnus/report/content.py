"""The report's sections, put together from a run directory in the order that a reviewer expects."""

from __future__ import annotations

from collections.abc import Mapping

from alnus.report.banners import banner_of
from alnus.report.checklist_tables import checklists
from alnus.report.document import Block, Bullets, Document, Figure, Figures, Section, Text, numbered
from alnus.report.faithfulness_section import faithfulness_blocks
from alnus.report.figures import curves
from alnus.report.flow import Flow, cohort_flow, partitions
from alnus.report.gallery import galleries
from alnus.report.limits import limitations
from alnus.report.model_cards import model_cards
from alnus.report.motion_section import motion_blocks
from alnus.report.names import file_stem
from alnus.report.preparation import assignment_words, preparation_words
from alnus.report.provenance_block import provenance
from alnus.report.recordings import missing_table, recordings_table
from alnus.report.result_sections import absent, result_sections
from alnus.report.run_files import ModelFiles, RunFiles
from alnus.report.run_tables import cohort_table, excluded_table, networks_table, quality_table
from alnus.report.sample_size import openings_table, sample_size_table
from alnus.report.set_tables import kind_of, title_of
from alnus.report.summary import readers_of, summary
from alnus.report.wording import count, epoch_from_one, in_sentence, set_title, share, source_title, spoken
from alnus.report.wrong_cases import wrong_cases

TITLE = "ALN metastasis from breast ultrasound videos"


def build(files: RunFiles) -> Document:
    """Return the whole report of a run as data."""
    sections = [
        Section("summary", "Summary", (what_this_is(files), *summary(files))),
        Section("participants", "Participants", participants(files)),
        Section("recordings", "Recordings and missing data", recordings(files)),
        Section("methods", "Networks and methods", methods(files)),
        Section("sample-size", "Sample size", sample_size(files)),
        *result_sections(files.sets(), files),
        Section("motion", "Does motion help?", motion_blocks(files)),
        Section("curves", "Learning curves", learning_curves(files)),
        Section("wrong", "Every wrong call", tuple(wrong_cases(files))),
        Section("heatmaps", "Heatmaps of right and wrong cases", heatmaps(files)),
        Section("heatmap-tests", "Are the heatmaps true?", faithfulness_blocks(files)),
        Section("excluded", "Excluded and doubtful inputs", excluded(files)),
        Section("limits", "What this does not show", (Bullets(tuple(limitations(files))),)),
    ]
    last = Section("provenance", "Provenance", provenance(files))
    titles = {section.name: section.title for section in (*sections, last)}
    sections += [Section("checklists", "Reporting checklists", checklists(files, titles)), last]
    document = Document(
        title=str(files.config.get("title") or TITLE),
        subtitle="Report of a study with Alnus: prediction of axillary lymph node metastasis from breast ultrasound",
        banner=banner_of(files.phantom),
        phantom=files.phantom,
        date=str(files.run.get("finished") or files.run.get("started") or ""),
        sections=tuple(sections),
    )
    return numbered(document)


def what_this_is(files: RunFiles) -> Text:
    """Return the opening sentence: on whom, with what, judged by what."""
    sources = {name: source for body in files.sets().values() for name, source in body["sources"].items()}
    models = [title_of(name, sources) for name, source in sources.items() if kind_of(source) == "model"]
    readers = {name for body in files.sets().values() for name in readers_of(body)[0]}
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
    table, by_center = cohort_table(files), cohort_table(files, by="centre")
    blocks.append(table or absent("Table 1", "The run directory has no cohort.json with a table."))
    blocks.append(by_center or absent("The cohort by centre", "Fewer than two centres are named, or none recorded."))
    return tuple(blocks)


def _flow_alt(flow: Flow) -> str:
    stages = [f"{stage.label}: {stage.text}" for stage in (*flow.trunk, *flow.excluded)]
    stages += [f"left out for {reason}: {count(videos, 'video')}" for reason, videos in flow.reasons]
    return "Cohort flow. " + "; ".join([*stages, *(f"{leaf.label}: {leaf.text}" for leaf in flow.leaves)]) + "."


def recordings(files: RunFiles) -> tuple[Block, ...]:
    """Return the recordings by centre and the missing data, or the name of what is absent."""
    table, missing = recordings_table(files), missing_table(files)
    by_partition = recordings_table(files, by="partition")
    return (
        table or absent("The recordings", "The run directory has neither videos.csv nor a store."),
        *((by_partition,) if by_partition else ()),
        missing or absent("Missing data", "The run directory has no cohort.json with a table."),
    )


def sample_size(files: RunFiles) -> tuple[Block, ...]:
    """Return the sizes with what they are good for, and the openings of the test sets."""
    opened = openings_table(files)
    return (
        sample_size_table(files),
        opened or absent("The log of openings", "results.json lists no opening of a test set."),
    )


def methods(files: RunFiles) -> tuple[Block, ...]:
    """Return how the study was done, and the networks."""
    table = networks_table(files)
    return (
        Text(_design(files)),
        *((Text(prepared),) if (prepared := preparation_words(files)) else ()),
        Text(_statistics(files)),
        table or absent("The table of networks", "The run directory has no model card below models/."),
        *model_cards(files),
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
    how = assignment_words(files)
    return (
        f"{split}; no patient stands in two of them. {how}{' ' if how else ''}Each network saw the videos "
        "of the training patients only; its epoch and its threshold were chosen on the validation "
        "patients. A patient’s score is "
        f"{aggregation} of the scores of that patient’s videos. A score lies between 0 and 1, the higher "
        "the more suspicious; it is not calibrated, hence no probability of metastasis. The "
        "thresholds were frozen before the test sets were evaluated; a score at or above its "
        "threshold calls metastasis."
    )


def _statistics(files: RunFiles) -> str:
    level = share(files.confidence)
    has_primary = isinstance(files.results.get("primary"), Mapping)
    family = (
        "over the declared comparisons but the primary one, which alone is not corrected"
        if has_primary
        else "over the declared comparisons of a test set"
    )
    return (
        f"Statistics: area under the ROC curve (AUC) with DeLong’s {level} interval; proportions with Clopper and "
        f"Pearson’s exact {level} interval; on the same patients AUCs are compared by DeLong’s paired test and calls "
        f"by McNemar’s exact test, both two-sided, with Holm’s correction {family}. "
        f"{_more_statistics(files)}"
        "Readers pass through the same code as networks."
    )


def _more_statistics(files: RunFiles) -> str:
    """Return what version 2 of results.json has beyond; nothing for an older run."""
    settings = files.results.get("settings")
    if not isinstance(settings, Mapping):
        return ""
    return (
        f"ROC bands and partial AUCs by a stratified bootstrap ({settings.get('replicates')} samples); calibration by "
        f"a logistic spline, recalibration ({settings.get('recalibration')}) and “not sure” ends fitted on validation; "
        "net benefit with intervals; subgroups with interaction tests; several readers by Obuchowski and Rockette’s "
        "method. "
    )


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
