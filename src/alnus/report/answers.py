"""What a run answers of the reporting checklists: by key, the section that holds it and a sentence from the run.

An answer is None where the run does not hold it; the item is then the authors' to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from alnus.report import data_answers as data
from alnus.report.faithfulness_section import tested
from alnus.report.flow import cohort_flow, exclusions
from alnus.report.motion_section import moving
from alnus.report.preparation import has_fusion, openings_count
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


def _goal(files: RunFiles) -> str | None:
    networks = spoken(list(dict.fromkeys(source_title(model.source) for model in files.models)))
    aims = _objectives(files)
    made = f"Development and evaluation: {networks} were trained and tested in this run." if networks else None
    return " ".join(part for part in (made, aims) if part) or None


def _recordings_and_software(files: RunFiles) -> str | None:
    parts = [part for part in (data.recordings(files), _software(files)) if part]
    return " ".join(parts) or None


def _software(files: RunFiles) -> str | None:
    versions = files.run.get("versions") or {}
    if not versions:
        return None
    named = ", ".join(f"{name} {versions[name]}" for name in ("alnus", "python", "torch", "numpy") if name in versions)
    return f"{named}; all packages and the commit are listed."


def _index_test(files: RunFiles) -> str | None:
    names = list(dict.fromkeys(source_title(model.source) for model in files.models))
    return (
        f"{spoken(names)}: architecture, input, weights (SHA-256) in the table and the model cards." if names else None
    )


def _thresholds(files: RunFiles) -> str | None:
    known = files.results.get("thresholds") or {}
    networks = {model.source for model in files.models} or set(known)
    rules = sorted({str(entry["rule"]) for name, entry in known.items() if name in networks and entry.get("rule")})
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
    named = _subgroup_variables(files)
    return f"Performance by {spoken(named)}, with interaction tests; all wrong cases listed." if named else None


def _subgroup_variables(files: RunFiles) -> list[str]:
    analysed = [body.get("subgroups") or {} for body in files.sets().values()]
    return list(dict.fromkeys(str(item["name"]) for part in analysed for item in part.get("variables") or ()))


def _flow(files: RunFiles) -> str | None:
    flow = cohort_flow(files)
    if not flow.trunk:
        return None
    reasons = exclusions(files.excluded)
    why = f"; left out for {', '.join(f'{reason} ({n})' for reason, n in reasons[:5])}" if reasons else ""
    return f"From {flow.trunk[0].text} to {count(len(flow.leaves), 'partition')}{why}."


def _prevalence(files: RunFiles) -> str:
    shares = [
        f"{set_title(name)} {number(100 * body['positive'] / body['patients'], 1)}%"
        for name, body in files.sets().items()
        if body["patients"]
    ]
    return f"Share with metastasis: {', '.join(shares)}."


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


def _performance(files: RunFiles) -> str | None:
    overall, named = _accuracy(files), _subgroup_variables(files)
    if overall is None:
        return None
    return f"{overall} In subgroups by {spoken(named)}." if named else f"{overall} No subgroup was analysed."


def _limits(files: RunFiles) -> str:
    return "What this run does not show, as far as the software can tell."


def _protocol(files: RunFiles) -> str | None:
    return "The resolved configuration is printed in full." if files.config_text else None


def _code(files: RunFiles) -> str | None:
    commit, changes = str(files.run.get("commit") or "").partition("+")[::2]
    version = (files.run.get("versions") or {}).get("alnus")
    if not commit:
        return f"Alnus is open source (Apache-2.0); version {version}." if version else None
    own = ", with changes that are in no commit" if changes else ""
    return f"Alnus is open source (Apache-2.0); commit {commit[:12]}{own}."


def _audit(files: RunFiles) -> str:
    kept = ["predictions.csv", "thresholds with SHA-256", "results.json"]
    kept += ["heatmaps"] if files.explanations else []
    log = f" {openings_count(files)} of test sets logged." if openings_count(files) else ""
    return f"{spoken(kept)} are kept in the run directory.{log}"


def _predictors(files: RunFiles) -> str:
    text = "The pixels of the video, or of the keyframe, alone."
    clinical = "Clinical columns are joined with the score in a model apart (fusion)."
    return f"{text} {clinical}" if has_fusion(files) else text


def _training(files: RunFiles) -> str | None:
    return (
        "Optimiser, rates, epochs, augmentation, class weights and seed in each model card." if files.models else None
    )


def _clusters(files: RunFiles) -> str | None:
    if "center" not in _subgroup_variables(files):
        return None
    text = "Performance by centre, with a test of heterogeneity"
    return f"{text}; the external set apart." if "test_b" in files.sets() else f"{text}."


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
    if True not in weights:
        return "No method was used." if weights else None
    again = " Recalibrated scores stand beside the raw ones." if _recalibration(files) else ""
    return (
        "In the loss a class weighs as much as it is rare in training, so that the rarer one counts; scores are no "
        f"probabilities.{again}"
    )


def _full_model(files: RunFiles) -> str | None:
    hashed = any(model.card.get("weights_sha256") for model in files.models)
    return "Weights as safetensors with their SHA-256 in the run directory; code by commit." if hashed else None


def _poor_input(files: RunFiles) -> str:
    return "Faults of a video are found by stated rules and named; what cannot be read is refused with the reason."


def _start(files: RunFiles) -> str | None:
    if not files.models:
        return None
    given = {(model.card.get("network") or {}).get("weights") is not None for model in files.models}
    return "Random weights." if given == {False} else "As each model card says."


def _selection(files: RunFiles) -> str | None:
    if not files.models:
        return None
    every = " Every network that was trained is reported." if len({model.source for model in files.models}) > 1 else ""
    return f"Of each network the epoch with the highest validation AUC.{every}"


def _ensemble(files: RunFiles) -> str | None:
    return "No ensemble of networks; a video’s clips are averaged." if files.models else None


def _explanation(files: RunFiles) -> str | None:
    if not files.explanations:
        return None
    checked = any(tested(body) for body in files.sets().values())
    how = (
        "tested against other maps, random weights and the lesion where its mask is known" if checked else "not tested"
    )
    return f"Grad-CAM; {count(len(files.explanations), 'case')} drawn; {how}."


def _robustness(files: RunFiles) -> str | None:
    if not any(moving(body) for body in files.sets().values()):
        return None
    return "The video networks’ scores on cines reversed, shuffled, frozen and cut to one frame, with paired tests."


def _failures(files: RunFiles) -> str | None:
    return (
        "Every false positive and false negative, with what all others said." if files.predictions is not None else None
    )


ANSWERS: Mapping[str, tuple[str, Answer]] = {
    "title": ("summary", _title),
    "summary": ("summary", _summary),
    "objectives": ("comparisons", _objectives),
    "goal": ("methods", _goal),
    "eligibility": ("excluded", data.eligibility),
    "centers": ("participants", data.centers),
    "data_source": ("provenance", data.data_source),
    "annotation": ("recordings", data.annotation),
    "recordings": ("recordings", data.recordings),
    "recordings_and_software": ("recordings", _recordings_and_software),
    "software": ("provenance", _software),
    "preprocessing": ("methods", data.preprocessing),
    "handling": ("methods", data.handling),
    "index_test": ("methods", _index_test),
    "development": ("methods", data.development),
    "assignment": ("methods", data.assignment),
    "numbers": ("participants", data.numbers),
    "thresholds": ("methods", _thresholds),
    "reference": ("methods", _reference),
    "blinding_test": ("methods", _blinding_test),
    "statistics": ("methods", _statistics),
    "indeterminate": ("probabilities", _indeterminate),
    "missing": ("recordings", data.missing),
    "variability": ("subgroups", _variability),
    "sample_size": ("sample-size", _sample_size),
    "fairness": ("subgroups", _fairness),
    "flow": ("participants", _flow),
    "characteristics": ("participants", data.characteristics),
    "prevalence": ("results", _prevalence),
    "external_differences": ("participants", data.external_differences),
    "crosstab": ("results", _crosstab),
    "accuracy": ("results", _accuracy),
    "performance": ("results", _performance),
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
    "disjoint": ("methods", data.disjoint),
    "start": ("methods", _start),
    "selection": ("methods", _selection),
    "ensemble": ("methods", _ensemble),
    "explanation": ("heatmaps", _explanation),
    "robustness": ("motion", _robustness),
    "internal": ("results", data.internal),
    "external": ("results", data.external),
    "failures": ("wrong", _failures),
    "identity": ("methods", data.identity),
}


def answered(files: RunFiles, key: str) -> tuple[str, Any]:
    """Return the section and the sentence for a key of the checklists; the sentence is None where there is none."""
    section, answer = ANSWERS[key]
    return section, answer(files)
