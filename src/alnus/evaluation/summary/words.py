"""results.json's further statistics as text: aligned tables and sentences below the tables of `evaluation.text`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alnus.evaluation.text import (
    MARK,
    NONE,
    format_auc,
    format_difference,
    format_p,
    format_proportion,
    markdown_table,
    marked,
)

Row = Mapping[str, Any]


def primary_line(results: Row, titles: Mapping[str, str]) -> str:
    """Return one sentence on the primary comparison, or why there is none; nothing where nothing is declared."""
    chosen = results["primary"]
    if chosen is None:
        return ""
    where = titles.get(chosen["set"], chosen["set"])
    return (
        f"Primary comparison: {chosen['a']} − {chosen['b']}, AUC, {where} ({chosen['how']}); "
        "Holm's correction over the other declared ones, all sets together."
    )


def opening_lines(results: Row, titles: Mapping[str, str]) -> list[str]:
    """Return a warning for each test set that was evaluated again after something had changed."""
    last = {row["set"]: row["number"] for row in results["openings"]}
    return [
        f"{titles.get(name, name)} was evaluated {number} times with different thresholds or predictions "
        "(openings.csv): its numbers are no longer those of patients never looked at."
        for name, number in last.items()
        if number > 1
    ]


def set_lines(part: Row, settings: Row, primary: Row | None) -> list[str]:
    """Return a set's further tables and sentences, each a paragraph."""
    sources = part["sources"]
    parts = [discrimination_table(sources, settings), calibration_table(sources)]
    parts += ["\n".join(clinical_lines(sources)), "\n".join(not_sure_lines(sources))]
    parts.append(differences_table(part["comparisons"]))
    source = primary["a"] if primary else next(iter(part["subgroups"]["sources"]), None)
    parts.append(subgroup_table(part["subgroups"], source))
    parts.append("\n".join(fusion_lines(part["fusion"])))
    parts += reader_lines(part["readers"])
    return [text for text in parts if text]


def discrimination_table(sources: Row, settings: Row) -> str:
    """Return what rests on the ROC curve, and likelihood ratios."""
    header = [
        "Source",
        "AUC, logit interval",
        f"Sensitivity at {100 * settings['fixed_specificity']:g}% spec.",
        f"Specificity at {100 * settings['fixed_sensitivity']:g}% sens.",
        "LR+",
        "LR−",
        "Right calls: all, with, without",
    ]
    rows = [
        [
            name,
            marked(format_auc(source["auc_logit"]), source["auc_logit"]),
            marked(format_proportion(source["sensitivity_at_specificity"]), source["sensitivity_at_specificity"]),
            marked(format_proportion(source["specificity_at_sensitivity"]), source["specificity_at_sensitivity"]),
            _number(source["lr_positive"], 1),
            _number(source["lr_negative"], 2),
            _right_calls(source),
        ]
        for name, source in sources.items()
    ]
    return markdown_table(header, rows)


def calibration_table(sources: Row) -> str:
    """Return calibration before and after recalibration, of the sources whose scores are probabilities."""
    header = ["Calibration", "Intercept", "Slope", "Expected / observed", "Brier", "ECE (by chance)"]
    rows = []
    for name, source in sources.items():
        for key, title in (("calibration", name), ("calibration_recalibrated", f"{name}, recalibrated")):
            found = source[key]
            if found:
                error = found["ece"]
                rows.append(
                    [
                        title,
                        *[_number(found[each], 2) for each in ("intercept", "slope", "expected_over_observed")],
                        f"{found['brier']['score']:.3f}",
                        f"{error['estimate']:.3f} ({error['if_calibrated']:.3f})",
                    ]
                )
    return markdown_table(header, rows) if rows else ""


def clinical_lines(sources: Row) -> Iterator[str]:
    """Yield for each model, of 100 patients, how many biopsies are spared and metastases missed."""
    for name, source in sources.items():
        if source["kind"] == "model" and source["in_hundred"]:
            yield f"{name}: {' '.join(source['in_hundred']['lines'])}"


def not_sure_lines(sources: Row) -> Iterator[str]:
    """Yield for each model how many patients get an answer where it may say "not sure", and how often it is right."""
    for name, source in sources.items():
        found = source["not_sure"]
        if source["kind"] == "model" and found:
            kept = [format_proportion(found["coverage"][each]) for each in ("positive", "negative")]
            yield (
                f'{name}: "not sure: examine" for {format_proportion(found["not_sure"])} of patients; of the others '
                f"{format_proportion(found['right_where_sure'])} are answered rightly. True answer kept: with "
                f"metastasis {kept[0]}, without {kept[1]} (asked {100 * found['asked']:g}%)."
            )


def differences_table(comparisons: Sequence[Row]) -> str:
    """Return differences of sensitivity and specificity with Newcombe's intervals, and of predictive values."""
    header = [
        "Comparison",
        "Sensitivity, points",
        "P (mid-p)",
        "Specificity, points",
        "P (mid-p)",
        "P (PPV)",
        "P (NPV)",
    ]
    rows = []
    for row in comparisons:
        if row["sensitivity"] or row["specificity"]:
            cells = [f"{row['a']} − {row['b']}"]
            for name in ("sensitivity", "specificity"):
                cells += [_points(row[name]), format_p((row[name] or {}).get("mid_p_value"))]
            rows.append([*cells, *[format_p((row[name] or {}).get("p_value")) for name in ("ppv", "npv")]])
    return markdown_table(header, rows) if rows else ""


def subgroup_table(subgroups: Row, source: str | None) -> str:
    """Return the subgroups of one source with the interactions' P values."""
    found = subgroups["sources"].get(source)
    if not found:
        return ""
    tested = {(test["variable"], test["measure"]): test for test in found["interactions"]}
    header = [f"Subgroups, {source}", "Patients", "AUC", "Sensitivity", "Specificity", "P of interaction (AUC)"]
    rows = []
    before = None
    for row in found["rows"]:
        test = tested.get((row["variable"], "auc")) if row["variable"] != before else None
        before = row["variable"]
        name = "all" if row["variable"] is None else f"{row['variable']}: {row['level']}"
        cells = [
            format_auc(row["auc"]),
            format_proportion(row["sensitivity"]),
            format_proportion(row["specificity"]),
        ]
        cells = [marked(text, row[key]) for text, key in zip(cells, ("auc", "sensitivity", "specificity"), strict=True)]
        p_value = format_p(test["p_value"]) if test else ""
        rows.append([name, f"{row['patients']} ({row['metastases']})", *cells, p_value])
    return markdown_table(header, rows)


def fusion_lines(found: Row | None) -> Iterator[str]:
    """Yield what clinical variables add to the score."""
    if not found or not found["auc"]:
        return
    yield (
        f"With clinical variables ({', '.join(found['variables'])}; {found['how']}): {found['source']} with them "
        f"{format_auc(found['auc'])}, alone {format_auc(found['auc_score'])}, they alone "
        f"{format_auc(found['auc_clinical'])}."
    )
    if found["difference"]:
        added, to_them = found["difference"], format_difference(found["clinical_difference"])
        yield (
            f"They add {format_difference(added)} to the AUC of the score, P {format_p(added['p_value'])}; "
            f"the score adds {to_them} to theirs."
        )
    if "note" in found:
        yield f"Note: {found['note']}"


def reader_lines(found: Row | None) -> list[str]:
    """Return agreement, readers with the model, and the models against the readers' average, each a paragraph."""
    if not found:
        return []
    parts = []
    if found["agreement"]["all"]:
        kappa = found["agreement"]["all"]
        parts.append(f"Readers' agreement on calls, Fleiss' kappa: {_number(kappa, 2)}, {kappa['subjects']} patients.")
    for metric, result in (found["with_model"] or {}).items():
        parts += [
            f"Readers {row['treatment_a']} less {row['treatment_b']}, {metric}: {format_difference(row)}, "
            f"P {format_p(row['p_value'])} ({result['readers']} readers, random cases)."
            for row in result.get("differences", ())
        ]
    rows = [
        [f"{model} − readers", metric, format_difference(result["difference"]), format_p(result["p_value"])]
        for model, by_metric in found["against_models"].items()
        for metric, result in by_metric.items()
        if "difference" in result
    ]
    if rows:
        parts.append(markdown_table(["Against the readers' average", "measure", "difference (CI)", "P"], rows))
    return parts


def underpowered_line(text: str, settings: Row) -> list[str]:
    """Return what the mark means, where it stands in the text."""
    if MARK not in text:
        return []
    return [f"{MARK} underpowered: the interval is wider than {100 * settings['widest_interval']:g} points."]


def _number(found: Row | None, digits: int) -> str:
    if found is None:
        return NONE
    return f"{found['estimate']:.{digits}f} ({found['low']:.{digits}f} to {found['high']:.{digits}f})"


def _right_calls(source: Row) -> str:
    """Return "52/61, 16/21, 36/40": right calls of all patients, of those with and of those without metastasis."""
    shares = [source[name] for name in ("accuracy", "sensitivity", "specificity")]
    return ", ".join(NONE if share is None else f"{share['numerator']}/{share['denominator']}" for share in shares)


def _points(found: Row | None) -> str:
    if found is None:
        return NONE
    shown = [f"{100 * found[name]:+.1f}" for name in ("estimate", "low", "high")]
    return marked(f"{shown[0]} ({shown[1]} to {shown[2]})", found)
