"""What a run answers of the reporting checklists: by key, the section that holds it and a sentence from the run.

An answer is None where the run does not hold it; the item is then the authors' to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alnus.report.flow import cohort_flow, exclusions, partitions
from alnus.report.run_files import RunFiles
from alnus.report.set_tables import kind_of, title_of
from alnus.report.subgroup_tables import subgroup_sources
from alnus.report.summary import chosen_network
from alnus.report.wording import auc_cell, count, number, set_title, share, source_title, spoken

Answer = Callable[[RunFiles], str | None]


def _title(files: RunFiles) -> str | None:
    return (
        f"This report: “{files.config['title']}”; deep networks on ultrasound videos, judged by AUC."
        if (files.config.get("title"))
        else None
    )


def _summary(files: RunFiles) -> str:
    return f"Methods in brief and the results of {spoken([set_title(name) for name in files.sets()])}."


def _objectives(files: RunFiles) -> str | None:
    primary = files.results.get("primary")
    if isinstance(primary, Mapping):
        pair = f"{source_title(str(primary['a']))} against {source_title(str(primary['b']))}"
        return f"Primary comparison, chosen before the test sets were opened: AUC of {pair}."
    declared = sum(bool(c.get("declared")) for body in files.sets().values() for c in body.get("comparisons") or ())
    return f"{count(declared, 'comparison')} declared in the configuration." if declared else None


def _eligibility(files: RunFiles) -> str | None:
    codes = (files.config.get("quality") or {}).get("exclude")
    named = ", ".join(str(code).replace("_", " ") for code in codes) if codes else ""
    left_out = None if files.excluded is None else len(files.excluded)
    if left_out is None:
        return None
    rule = f" A video is left out where it is: {named}." if named else ""
    return f"At the level of data: {count(left_out, 'video')} left out, each with its reason.{rule}"


def _centers(files: RunFiles) -> str | None:
    if files.splits is None or "center" not in files.splits.columns:
        return None
    centers = sorted(set(files.splits["center"]) - {""})
    return f"{count(len(centers), 'centre')}: {', '.join(centers[:12])}." if centers else None


def _data_source(files: RunFiles) -> str | None:
    if files.phantom:
        return "Simulated by Alnus’ phantom: no patients."
    return f"The cohort table {str(files.config['cohort']).rsplit('/', 1)[-1]}." if files.config.get("cohort") else None


def _annotation(files: RunFiles) -> str | None:
    videos = files.videos
    if videos is None or "keyframe" not in videos.columns or not set(videos["keyframe"]) & {"chosen", "middle"}:
        return None
    chosen = int((videos["keyframe"] == "chosen").sum())
    return f"Keyframe or still given for {chosen} of {len(videos)} videos; for the others the middle frame."


def _recordings(files: RunFiles) -> str | None:
    if files.videos is None or files.videos.empty:
        return None
    return "Container, frames, duration, frame rate, size and spacing of the videos by centre."


def _recordings_and_software(files: RunFiles) -> str | None:
    parts = [part for part in (_recordings(files), _software(files)) if part]
    return " ".join(parts) or None


def _software(files: RunFiles) -> str | None:
    versions = files.run.get("versions") or {}
    if not versions:
        return None
    named = ", ".join(f"{name} {versions[name]}" for name in ("alnus", "python", "torch", "numpy") if name in versions)
    return f"{named}; all packages and the commit are listed."


def _preprocessing(files: RunFiles) -> str | None:
    if not files.models:
        return None
    return (
        "Videos decoded once to grey, cut to the scanned region, static text blackened, checked for quality alike for "
        "everybody; clips sampled and scaled as each model card says."
    )


def _index_test(files: RunFiles) -> str | None:
    names = list(dict.fromkeys(source_title(model.source) for model in files.models))
    return (
        f"{spoken(names)}: architecture, input, weights (SHA-256) in the table and the model cards." if names else None
    )


def _development(files: RunFiles) -> str | None:
    leaves = partitions(files.splits)
    return "; ".join(f"{leaf.label}: {leaf.text}" for leaf in leaves) + "." if leaves else None


def _thresholds(files: RunFiles) -> str | None:
    known = files.results.get("thresholds") or {}
    rules = sorted({str(entry.get("rule")) for entry in known.values() if entry.get("rule")})
    return f"Score from 0 to 1; cut-off by {spoken(rules)}, frozen before the test sets." if rules else None


def _reference(files: RunFiles) -> str:
    if files.phantom:
        return "The simulated label."
    return "The label column of the cohort table: 1 = metastasis by pathology."


def _blinding_test(files: RunFiles) -> str:
    readers = any(kind_of(s) == "reader" for body in files.sets().values() for s in body["sources"].values())
    text = "Networks saw the video alone, and no label of a test patient."
    return f"{text} Readers’ calls came with the cohort table." if readers else text


def _statistics(files: RunFiles) -> str:
    return f"Measures, {share(files.confidence)} intervals, paired tests and their correction are named."


def _indeterminate(files: RunFiles) -> str | None:
    if any(s.get("not_sure") for body in files.sets().values() for s in body["sources"].values()):
        return "Every patient with a usable video gets a call; beside it the answers with “not sure: examine” allowed."
    return "Every patient with a usable video gets a call; there is no indeterminate one."


def _missing(files: RunFiles) -> str | None:
    return "Missing values are counted by variable; who lacks a usable video is in the flow." if files.cohort else None


def _variability(files: RunFiles) -> str | None:
    parts = []
    if any(subgroup_sources(body) for body in files.sets().values()):
        parts.append("subgroups with interaction tests (exploratory)")
    if len(files.sets()) > 1:
        parts.append(f"{len(files.sets())} test sets")
    if any(model.fold is not None for model in files.models):
        parts.append("folds")
    return f"By {spoken(parts)}. Each network was trained with one seed." if parts else None


def _sample_size(files: RunFiles) -> str:
    sizes = [f"{set_title(name)} {body['patients']}" for name, body in files.sets().items()]
    return f"Patients evaluated: {', '.join(sizes)}; the precision that this gives, source by source."


def _fairness(files: RunFiles) -> str | None:
    variables = [
        str(item["name"])
        for body in files.sets().values()
        for item in (body.get("subgroups") or {}).get("variables") or ()
    ]
    named = list(dict.fromkeys(variables))
    return f"Performance by {spoken(named)}, with interaction tests; all wrong cases listed." if named else None


def _flow(files: RunFiles) -> str | None:
    flow = cohort_flow(files)
    if not flow.trunk:
        return None
    reasons = exclusions(files.excluded)
    why = f"; left out for {', '.join(f'{reason} ({n})' for reason, n in reasons[:5])}" if reasons else ""
    return f"From {flow.trunk[0].text} to {count(len(flow.leaves), 'partition')}{why}."


def _characteristics(files: RunFiles) -> str | None:
    return (
        "Table of the cohort by partition, and by centre where there are several."
        if files.cohort.get("table1")
        else None
    )


def _prevalence(files: RunFiles) -> str:
    shares = [
        f"{set_title(name)} {number(100 * body['positive'] / body['patients'], 1)}%"
        for name, body in files.sets().items()
        if body["patients"]
    ]
    return f"Share with metastasis: {', '.join(shares)}."


def _external_differences(files: RunFiles) -> str | None:
    if "test_b" not in files.sets() or not files.cohort.get("table1"):
        return None
    return "Testing set B beside the other partitions, in patients and in recordings."


def _crosstab(files: RunFiles) -> str:
    return "2 × 2 counts of every network and reader on every set."


def _accuracy(files: RunFiles) -> str | None:
    said = []
    for name, body in files.sets().items():
        chosen = chosen_network(files, body)
        if chosen:
            cell = auc_cell(body["sources"][chosen].get("auc"))
            said.append(f"{set_title(name)}, {title_of(chosen, body['sources'])}: AUC {cell.text}")
    return "; ".join(said) + "." if said else None


def _limits(files: RunFiles) -> str:
    return "What this run does not show, as far as the software can tell."


def _protocol(files: RunFiles) -> str | None:
    return "The resolved configuration is printed in full." if files.config_text else None


def _code(files: RunFiles) -> str | None:
    commit = files.run.get("commit")
    return f"Alnus is open source; commit {str(commit)[:12]}." if commit else None


def _audit(files: RunFiles) -> str:
    return "predictions.csv, thresholds with SHA-256, results.json and heatmaps are kept in the run directory."


def _predictors(files: RunFiles) -> str:
    fused = any(body.get("fusion") for body in files.sets().values())
    text = "The pixels of the video, or of the keyframe, alone."
    return f"{text} Clinical columns are joined with the score in a model apart (fusion)." if fused else text


def _training(files: RunFiles) -> str | None:
    return (
        "Optimiser, rates, epochs, augmentation, class weights and seed in each model card." if files.models else None
    )


def _clusters(files: RunFiles) -> str | None:
    if any(
        item.get("name") == "center"
        for body in files.sets().values()
        for item in (body.get("subgroups") or {}).get("variables") or ()
    ):
        return "Performance by centre, with a test of heterogeneity; the external set apart."
    return None


def _recalibration(files: RunFiles) -> str | None:
    method = (files.results.get("settings") or {}).get("recalibration")
    if not method:
        return None
    return f"Recalibration ({method}) fitted on validation patients, shown before and after; none on a test set."


def _calculation(files: RunFiles) -> str:
    how = "highest" if files.results.get("aggregation") == "max" else "mean"
    return f"By the frozen weights in this run; a patient’s score is the {how} of the videos’ scores."


def _imbalance(files: RunFiles) -> str | None:
    weights = {bool(((m.card.get("network") or {}).get("training") or {}).get("class_weights")) for m in files.models}
    if not weights:
        return None
    return (
        "Classes weighted in the loss, so that scores are no probabilities."
        if True in weights
        else "No method was used."
    )


def _full_model(files: RunFiles) -> str | None:
    hashed = any(model.card.get("weights_sha256") for model in files.models)
    return "Weights as safetensors with their SHA-256 in the run directory; code by commit." if hashed else None


def _poor_input(files: RunFiles) -> str:
    return "Faults of a video are found by stated rules and named; what cannot be read is refused with the reason."


def _disjoint(files: RunFiles) -> str | None:
    return "Of patients: no patient stands in two partitions." if files.splits is not None else None


def _start(files: RunFiles) -> str | None:
    if not files.models:
        return None
    given = {(model.card.get("network") or {}).get("weights") is not None for model in files.models}
    return "Random weights." if given == {False} else "As each model card says."


def _selection(files: RunFiles) -> str | None:
    return "The epoch with the highest validation AUC." if files.models else None


def _ensemble(files: RunFiles) -> str | None:
    return "No ensemble of networks; a video’s clips are averaged." if files.models else None


def _explanation(files: RunFiles) -> str | None:
    return f"Grad-CAM; {count(len(files.explanations), 'case')} drawn." if files.explanations else None


def _internal(files: RunFiles) -> str | None:
    name = next((name for name in ("test_a", "folds") if name in files.sets()), None)
    return f"{set_title(name)}: {files.sets()[name]['patients']} patients." if name else None


def _external(files: RunFiles) -> str | None:
    return f"Testing set B: {files.sets()['test_b']['patients']} patients." if "test_b" in files.sets() else None


def _failures(files: RunFiles) -> str | None:
    return (
        "Every false positive and false negative, with what all others said." if files.predictions is not None else None
    )


def _identity(files: RunFiles) -> str:
    return "Alnus keeps pixels and the study’s own ids only; burned-in text outside the region is cut off."


ANSWERS: Mapping[str, tuple[str, Answer]] = {
    "title": ("summary", _title),
    "summary": ("summary", _summary),
    "objectives": ("comparisons", _objectives),
    "eligibility": ("excluded", _eligibility),
    "centers": ("participants", _centers),
    "data_source": ("participants", _data_source),
    "annotation": ("recordings", _annotation),
    "recordings": ("recordings", _recordings),
    "recordings_and_software": ("recordings", _recordings_and_software),
    "software": ("provenance", _software),
    "preprocessing": ("methods", _preprocessing),
    "index_test": ("methods", _index_test),
    "development": ("participants", _development),
    "thresholds": ("methods", _thresholds),
    "reference": ("methods", _reference),
    "blinding_test": ("methods", _blinding_test),
    "statistics": ("methods", _statistics),
    "indeterminate": ("probabilities", _indeterminate),
    "missing": ("recordings", _missing),
    "variability": ("subgroups", _variability),
    "sample_size": ("sample-size", _sample_size),
    "fairness": ("subgroups", _fairness),
    "flow": ("participants", _flow),
    "characteristics": ("participants", _characteristics),
    "prevalence": ("results", _prevalence),
    "external_differences": ("participants", _external_differences),
    "crosstab": ("results", _crosstab),
    "accuracy": ("results", _accuracy),
    "limits": ("limits", _limits),
    "protocol": ("provenance", _protocol),
    "code": ("provenance", _code),
    "audit": ("provenance", _audit),
    "predictors": ("methods", _predictors),
    "training": ("methods", _training),
    "clusters": ("subgroups", _clusters),
    "recalibration": ("probabilities", _recalibration),
    "calculation": ("methods", _calculation),
    "imbalance": ("methods", _imbalance),
    "full_model": ("methods", _full_model),
    "poor_input": ("excluded", _poor_input),
    "disjoint": ("methods", _disjoint),
    "start": ("methods", _start),
    "selection": ("methods", _selection),
    "ensemble": ("methods", _ensemble),
    "explanation": ("heatmaps", _explanation),
    "internal": ("results", _internal),
    "external": ("results", _external),
    "failures": ("wrong", _failures),
    "identity": ("provenance", _identity),
}


def answered(files: RunFiles, key: str) -> tuple[str, Any]:
    """Return the section and the sentence for a key of the checklists; the sentence is None where there is none."""
    section, answer = ANSWERS[key]
    return section, answer(files)
