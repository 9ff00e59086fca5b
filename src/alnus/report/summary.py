"""The summary: sentences made from the numbers, claiming no more than they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alnus.evaluation.sources import CALLED, GIVEN, OWN
from alnus.evaluation.summary.readers import WITH
from alnus.evaluation.text import NO_VARIANCE
from alnus.report.document import Block, Bullets, Text
from alnus.report.run_files import RunFiles
from alnus.report.set_tables import PROPORTIONS, Sources, absence, kind_of, ordered, title_of
from alnus.report.wording import (
    count,
    difference,
    has_estimate,
    has_interval,
    in_sentence,
    interval,
    is_number,
    is_underpowered,
    number,
    p_phrase,
    proportion_cell,
    set_title,
    share,
    spoken,
)


def summary(files: RunFiles) -> tuple[Block, ...]:
    """Return a heading and a list of sentences for each test set."""
    lead = lead_network(files)
    blocks: list[Block] = []
    for name, body in files.sets().items():
        blocks += [
            Text(_population(files, name, body), heading=f"{set_title(name)}."),
            Bullets(tuple(_points(files, body, lead))),
        ]
    return tuple(blocks)


def _population(files: RunFiles, name: str, body: Mapping[str, Any]) -> str:
    patients = count(body["patients"], "simulated patient" if files.phantom else "patient")
    text = f"{patients}, {body['positive']} with and {body['negative']} without metastasis."
    return f"{text} Epochs and thresholds were chosen on these very patients: optimistic." if name == "val" else text


def lead_network(files: RunFiles) -> str | None:
    """Return the network of the primary comparison, else that with the highest validation AUC; None where none says.

    Neither looks at a test set, whose best network is likely to be flattered. Of `compare`: the first of the two.
    """
    if "a" in files.results:
        return str(files.results["a"])
    if isinstance(primary := files.results.get("primary"), Mapping):
        return str(primary["a"])
    best: dict[str, list[float]] = {}
    for model in files.models:
        if is_number(model.card.get("validation_auc")):
            best.setdefault(model.source, []).append(float(model.card["validation_auc"]))
    means = {source: sum(values) / len(values) for source, values in best.items()}
    return max(means, key=lambda source: means[source]) if means else None


def chosen_network(files: RunFiles, body: Mapping[str, Any]) -> str | None:
    """Return the network that a set's report is about: the one that was chosen before, else the highest AUC there."""
    models = {key: source for key, source in body["sources"].items() if kind_of(source) == "model"}
    lead = lead_network(files)
    return lead if lead in models else _highest(models)


def _points(files: RunFiles, body: Mapping[str, Any], lead: str | None) -> list[str]:
    sources: Sources = body["sources"]
    models = {key: source for key, source in sources.items() if kind_of(source) == "model"}
    chosen = chosen_network(files, body)
    points = []
    if chosen:
        why = _why(files, chosen, lead)
        subject = title_of(chosen, models) if len(models) == 1 else f"{title_of(chosen, models)}, {why},"
        points.append(" ".join(_network_sentences(files, chosen, models[chosen], subject)))
        points += _rival_sentences(models, chosen)
        points += _comparison_sentences(body, chosen, files.confidence)
    return [*points, *_reader_sentences(body), *_aided_sentences(body, files.confidence), *_ceiling_sentences(sources)]


def _why(files: RunFiles, chosen: str, lead: str | None) -> str:
    if chosen != lead:
        return "the network with the highest AUC here, which is likely to be flattered"
    if "a" in files.results:
        return "the first of the two"
    if isinstance(files.results.get("primary"), Mapping):
        return "the network of the primary comparison"
    return "the network with the highest validation AUC"


def _highest(models: Sources) -> str | None:
    known = {name: source["auc"]["estimate"] for name, source in models.items() if has_estimate(source.get("auc"))}
    return max(known, key=lambda name: known[name]) if known else next(iter(models), None)


def _network_sentences(files: RunFiles, name: str, source: Mapping[str, Any], subject: str) -> list[str]:
    auc, confidence = source.get("auc"), files.confidence
    if has_estimate(auc):
        level = f"{share(confidence)} CI " if has_interval(auc) else ""
        sentences = [f"{subject} reached an AUC of {number(auc['estimate'])} ({level}{interval(auc)})."]
    else:
        sentences = [f"{subject} has no AUC on this set: {absence(source)}"]
    measured = [
        f"{label.lower()} {_in_words(source[key])}"
        for key, label in list(PROPORTIONS.items())[:3]
        if has_estimate(source.get(key))
    ]
    if measured:
        sentences.append(f"{_by_what(files, name)}: {spoken(measured)}.")
    return sentences + (_doubts(auc) if has_estimate(auc) else [])


def _by_what(files: RunFiles, name: str) -> str:
    """Return how the calls came about; a run that does not say froze its thresholds on validation."""
    rule = ((files.results.get("thresholds") or {}).get(name) or {}).get("rule")
    if rule in (CALLED, OWN):
        return "By its calls as the table gives them"
    return f"At its threshold, {GIVEN if rule == GIVEN else 'frozen on validation'}"


def _in_words(measure: Mapping[str, Any]) -> str:
    cell = proportion_cell(measure)
    return f"{cell.main} {cell.sub[:-1]}; {cell.note})" if cell.note else cell.text


def _doubts(auc: Mapping[str, Any]) -> list[str]:
    """Return what an AUC's interval, or that it has none, leaves open."""
    if not has_interval(auc):
        return [
            "This AUC has no interval, for its variance on these patients is zero: the set is underpowered, and how "
            "firm the number is cannot be told."
        ]
    sentences = []
    if is_underpowered(auc):
        width = auc["high"] - auc["low"]
        sentences.append(
            f"The interval of this AUC is {number(width, 2)} wide: the set is underpowered, and much better or much "
            "worse networks are compatible with it."
        )
    if auc["low"] <= 0.5:
        sentences.append("The interval includes 0.5: that the network does better than chance is not shown.")
    return sentences


def _rival_sentences(models: Sources, chosen: str) -> list[str]:
    highest = _highest(models)
    if highest in (None, chosen) or not has_estimate(models[str(highest)].get("auc")):
        return []
    best, mine = models[str(highest)], models[chosen].get("auc")
    if has_estimate(mine) and mine["estimate"] >= best["auc"]["estimate"]:
        return []
    named = in_sentence(title_of(str(highest), models))
    return [
        f"On this set {named} had the highest AUC, {number(best['auc']['estimate'])} ({interval(best['auc'])}); picked "
        "for being the highest, it is likely to be flattered."
    ]


def _comparison_sentences(body: Mapping[str, Any], chosen: str, confidence: float) -> list[str]:
    sentences = []
    for item in body.get("comparisons") or ():
        auc = item.get("auc") or {}
        if chosen not in (item["a"], item["b"]) or not item.get("declared", True) or not has_estimate(auc):
            continue
        sources: Sources = body["sources"]
        pair = f"{title_of(item['a'], sources)} against {in_sentence(title_of(item['b'], sources))}"
        if not has_interval(auc):
            sentences.append(f"{pair}: difference of AUC {number(auc['estimate'])}; {NO_VARIANCE}.")
            continue
        adjusted = auc.get("p_holm") if is_number(auc.get("p_holm")) else auc.get("p_value")
        sentences.append(
            f"{pair}: difference of AUC {difference(auc).text}, {p_phrase(auc.get('p_value'))}"
            f"{_correction(item)}: {_verdict(adjusted, confidence)}."
        )
    return sentences


def _correction(item: Mapping[str, Any]) -> str:
    auc = item["auc"]
    if item.get("role") == "primary":
        return " (the primary comparison, not corrected)"
    return f", {p_phrase(auc['p_holm'])} after Holm’s correction" if is_number(auc.get("p_holm")) else ""


def _verdict(p: object, confidence: float) -> str:
    if not isinstance(p, int | float) or not is_number(p):
        return "no test could be made"
    alpha = 1 - confidence
    return f"a difference is shown at the {100 * alpha:.3g}% level" if p < alpha else "a difference is not shown"


def _ceiling_sentences(sources: Sources) -> list[str]:
    known = [
        f"{number(source['auc']['estimate'])} ({name})"
        for name, source in ordered(sources)
        if kind_of(source) == "ceiling" and has_estimate(source.get("auc"))
    ]
    if not known:
        return []
    return [f"What the simulation’s truth allows: the best possible reader’s AUC on these patients is {spoken(known)}."]


def _reader_sentences(body: Mapping[str, Any]) -> list[str]:
    """Return the range of the readers' measures, of those who read both ways for each way."""
    sources: Sources = body["sources"]
    alone, aided = readers_of(body)
    sentences = [_range(alone, sources, " alone" if aided else ""), _range(aided, sources, " with the model")]
    return [sentence for sentence in sentences if sentence]


def readers_of(body: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return a set's readers alone, and those of them with the model: the same people once more."""
    names = [name for name, source in body["sources"].items() if kind_of(source) == "reader"]
    treatments = (body.get("readers") or {}).get("treatments") or {}
    aided = sorted((treatments.get(WITH) or {}).values())
    return [name for name in names if name not in aided], aided


def _range(names: Sequence[str], sources: Sources, how: str) -> str:
    ranges = []
    for key in ("sensitivity", "specificity"):
        found = [sources[name][key] for name in names if name in sources]
        values = [100 * measure["estimate"] for measure in found if has_estimate(measure)]
        if values:
            low, high = number(min(values), 1), number(max(values), 1)
            ranges.append(f"{key} {low}%" if low == high else f"{key} {low}–{high}%")
    return f"{count(len(names), 'reader')}{how}: {spoken(ranges)}." if ranges else ""


def _aided_sentences(body: Mapping[str, Any], confidence: float) -> list[str]:
    """Return what the model changed in the readers' mean AUC, where they read both ways."""
    found = ((body.get("readers") or {}).get("with_model") or {}).get("auc") or {}
    if not found.get("differences"):
        return []
    changed, p = difference(found["differences"][0]).text, found["differences"][0].get("p_value")
    return [
        f"Mean AUC of the readers with the model less alone: {changed}, {p_phrase(p)} (readers and patients taken as "
        f"samples; not corrected): {_verdict(p, confidence)}."
    ]
