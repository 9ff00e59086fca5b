"""Every figure of a report by its file's name: one list, from which the files and the pages are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from alnus.report.curve_figure import learning_figure
from alnus.report.faithfulness_figure import faithfulness_figure
from alnus.report.faithfulness_section import tested
from alnus.report.flow import cohort_flow
from alnus.report.flow_figure import flow_figure
from alnus.report.forest_figure import forest_figure
from alnus.report.motion_figure import motion_figure
from alnus.report.motion_section import has_areas, moving
from alnus.report.names import file_stem
from alnus.report.probability_figures import calibration_figure, calibration_models, decision_figure, decision_models
from alnus.report.roc_figure import roc_figure
from alnus.report.run_files import ModelFiles, RunFiles
from alnus.report.subgroup_tables import subgroup_sources
from alnus.report.summary import chosen_network
from alnus.report.wording import has_estimate, set_title

Drawing = Callable[[], Figure]


def drawings(files: RunFiles) -> dict[str, Drawing]:
    """Return what draws each figure, by the stem of its file."""
    found: dict[str, Drawing] = {}
    flow = cohort_flow(files)
    if flow.trunk or flow.leaves:
        found["flow"] = partial(flow_figure, flow)
    for name, body in files.sets().items():
        found |= {f"{kind}_{file_stem(name)}": drawing for kind, drawing in _of_set(files, name, body).items()}
    for source, models in curves(files).items():
        found[f"learning_{file_stem(source)}"] = partial(learning_figure, models)
    return found


def _of_set(files: RunFiles, name: str, body: Mapping[str, Any]) -> dict[str, Drawing]:
    found: dict[str, Drawing] = {}
    order, chosen = colours(files), chosen_network(files, body)
    if has_points(body):
        options: dict[str, Any] = {"title": set_title(name), "confidence": files.confidence, "order": order}
        found["roc"] = partial(roc_figure, body["sources"], banded=chosen, **options)
    if calibrated := calibration_models(body):
        found["calibration"] = partial(calibration_figure, calibrated, order)
    if useful := decision_models(body):
        found["decision"] = partial(decision_figure, useful, order)
    if forest := subgroup_sources(body).get(str(chosen)):
        found["forest"] = partial(forest_figure, forest["rows"])
    if has_areas(networks := moving(body)):
        found["motion"] = partial(motion_figure, networks, (body["sources"].get("image") or {}).get("auc"), order)
    if any(part.get("curves") for _, part in tested(body)):
        found["heatmap_tests"] = partial(faithfulness_figure, tested(body))
    return found


def colours(files: RunFiles) -> list[str]:
    """Return the networks in the order of their colours: as configured, then by name."""
    named = files.models_in_order()
    others = {
        name
        for body in files.sets().values()
        for name, source in body["sources"].items()
        if source.get("kind", "model") == "model" and name not in named
    }
    return [*named, *sorted(others)]


def has_points(body: Mapping[str, Any]) -> bool:
    """Tell whether a set has anything to draw in an ROC figure."""
    return any(
        source.get("roc") or (has_estimate(source.get("sensitivity")) and has_estimate(source.get("specificity")))
        for source in body["sources"].values()
    )


def curves(files: RunFiles) -> dict[str, list[ModelFiles]]:
    """Return the networks that have a learning curve, each with its folds."""
    found: dict[str, list[ModelFiles]] = {}
    for model in files.models:
        if model.metrics is not None and "epoch" in model.metrics.columns and not model.metrics.empty:
            found.setdefault(model.source, []).append(model)
    order = files.models_in_order()
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))
