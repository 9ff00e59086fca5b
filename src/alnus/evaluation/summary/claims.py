"""How many patients a claim about AUCs needs, as numbers and as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from alnus.errors import UsageError
from alnus.evaluation.power import (
    patients_for_auc,
    patients_for_auc_difference,
    patients_for_auc_width,
    power_of_auc_difference,
)
from alnus.evaluation.text import markdown_table

PAPER_SHARE = 21 / 61
"""With metastasis in the paper's testing set A."""
CORRELATIONS = (0.0, 0.3, 0.5, 0.7, 0.84, 0.9)
WIDTHS = (0.2, 0.1)


def sample_sizes(
    aucs: Sequence[float],
    *,
    share_positive: float = PAPER_SHARE,
    correlations: Sequence[float] = CORRELATIONS,
    power: float = 0.8,
    alpha: float = 0.05,
    study: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Return the patients that claims need: each AUC against 0.5 and to a width, the first against each other one.

    share_positive: of the patients, with metastasis. correlations: of the two estimated AUCs. study: patients with and
    without metastasis of a study whose own power is told. Raises UsageError for AUCs outside (0.5, 1) or alike.
    """
    if not aucs or any(not 0.5 < area < 1 for area in aucs) or len(set(aucs)) < len(aucs):
        given = ", ".join(f"{area:g}" for area in aucs)
        raise UsageError(f"power: AUCs between 0.5 and 1, no two alike, are expected; received {given or 'none'}")
    single = [
        {
            "auc": area,
            "against_chance": asdict(patients_for_auc(area, share_positive=share_positive, power=power, alpha=alpha)),
            "width": {
                str(width): asdict(
                    patients_for_auc_width(area, width=width, share_positive=share_positive, confidence=1 - alpha)
                )
                for width in WIDTHS
            },
        }
        for area in aucs
    ]
    pairs = []
    for other in aucs[1:]:
        for correlation in correlations:
            size = patients_for_auc_difference(
                aucs[0], other, correlation=correlation, share_positive=share_positive, power=power, alpha=alpha
            )
            own = None
            if study is not None and min(study) > 0:
                own = power_of_auc_difference(
                    aucs[0], other, positive=study[0], negative=study[1], correlation=correlation, alpha=alpha
                )
            pairs.append({"a": aucs[0], "b": other, "correlation": correlation, "needed": asdict(size), "power": own})
    return {
        "power": power,
        "alpha": alpha,
        "share_positive": share_positive,
        "study": None if study is None else {"positive": study[0], "negative": study[1]},
        "single": single,
        "pairs": pairs,
    }


def sample_size_lines(sizes: Mapping[str, Any]) -> list[str]:
    """Return the answer of `sample_sizes` as lines of two Markdown tables."""
    asked = f"{100 * sizes['power']:.0f}% power, two-sided {sizes['alpha']:g}, {100 * sizes['share_positive']:.0f}%"
    lines = [f"Patients needed ({asked} with metastasis)", ""]
    header = ["AUC", "to differ from 0.5", *[f"interval of {width}" for width in WIDTHS]]
    rows = [
        [
            f"{row['auc']:.3f}",
            _size(row["against_chance"]),
            *[_size(row["width"][str(width)]) for width in WIDTHS],
        ]
        for row in sizes["single"]
    ]
    lines += markdown_table(header, rows).splitlines()
    if not sizes["pairs"]:
        return lines
    study = sizes["study"]
    header = ["AUCs", "correlation", "patients needed"]
    header += [] if study is None else [f"power with {study['positive'] + study['negative']}"]
    rows = [
        [f"{row['a']:.3f} against {row['b']:.3f}", f"{row['correlation']:g}", _size(row["needed"])]
        + ([] if study is None else ["-" if row["power"] is None else f"{100 * row['power']:.0f}%"])
        for row in sizes["pairs"]
    ]
    note = "correlation: of the two estimated AUCs on the same patients; a study's own stands in results.json."
    return [*lines, "", *markdown_table(header, rows).splitlines(), "", note]


def _size(size: Mapping[str, int]) -> str:
    return f"{size['patients']} ({size['positive']} with metastasis)"
