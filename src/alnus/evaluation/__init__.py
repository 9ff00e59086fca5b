"""Evaluation: from a predictions table to the numbers of a study; networks and sonographers through the same code.

Names are loaded when they are first used, so that `import alnus.evaluation` costs nothing. Imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.evaluation.agreement import Kappa as Kappa
    from alnus.evaluation.agreement import cohen_kappa as cohen_kappa
    from alnus.evaluation.agreement import fleiss_kappa as fleiss_kappa
    from alnus.evaluation.brier_score import Brier as Brier
    from alnus.evaluation.brier_score import CalibrationError as CalibrationError
    from alnus.evaluation.brier_score import brier as brier
    from alnus.evaluation.brier_score import expected_calibration_error as expected_calibration_error
    from alnus.evaluation.calibration_measures import Calibration as Calibration
    from alnus.evaluation.calibration_measures import Spiegelhalter as Spiegelhalter
    from alnus.evaluation.calibration_measures import calibration as calibration
    from alnus.evaluation.calibration_measures import calibration_intercept as calibration_intercept
    from alnus.evaluation.calibration_measures import calibration_slope as calibration_slope
    from alnus.evaluation.calibration_measures import expected_over_observed as expected_over_observed
    from alnus.evaluation.calibration_measures import spiegelhalter as spiegelhalter
    from alnus.evaluation.calibration_smooth import CalibrationCurve as CalibrationCurve
    from alnus.evaluation.calibration_smooth import calibration_curve as calibration_curve
    from alnus.evaluation.clustered import clustered_auc as clustered_auc
    from alnus.evaluation.clustered import compare_clustered_aucs as compare_clustered_aucs
    from alnus.evaluation.conformal import Conformal as Conformal
    from alnus.evaluation.conformal import coverage_to_expect as coverage_to_expect
    from alnus.evaluation.conformal import fit_conformal as fit_conformal
    from alnus.evaluation.decision_curves import DecisionCurve as DecisionCurve
    from alnus.evaluation.decision_curves import InHundred as InHundred
    from alnus.evaluation.decision_curves import decision_curve as decision_curve
    from alnus.evaluation.decision_curves import in_hundred as in_hundred
    from alnus.evaluation.delong import AucDifference as AucDifference
    from alnus.evaluation.delong import Estimate as Estimate
    from alnus.evaluation.delong import auc as auc
    from alnus.evaluation.delong import compare_aucs as compare_aucs
    from alnus.evaluation.delong import needed_correlation as needed_correlation
    from alnus.evaluation.fold_areas import FoldArea as FoldArea
    from alnus.evaluation.fold_areas import FoldAreas as FoldAreas
    from alnus.evaluation.fold_areas import auc_within_folds as auc_within_folds
    from alnus.evaluation.frozen_thresholds import FrozenThreshold as FrozenThreshold
    from alnus.evaluation.frozen_thresholds import freeze_threshold as freeze_threshold
    from alnus.evaluation.frozen_thresholds import threshold_at_sensitivity as threshold_at_sensitivity
    from alnus.evaluation.frozen_thresholds import threshold_at_specificity as threshold_at_specificity
    from alnus.evaluation.fusion import Fusion as Fusion
    from alnus.evaluation.fusion import Term as Term
    from alnus.evaluation.fusion import cross_validated as cross_validated
    from alnus.evaluation.fusion import fit_fusion as fit_fusion
    from alnus.evaluation.independent_aucs import IndependentAucDifference as IndependentAucDifference
    from alnus.evaluation.independent_aucs import compare_independent_aucs as compare_independent_aucs
    from alnus.evaluation.likelihood_ratios import LikelihoodRatio as LikelihoodRatio
    from alnus.evaluation.likelihood_ratios import negative_likelihood_ratio as negative_likelihood_ratio
    from alnus.evaluation.likelihood_ratios import positive_likelihood_ratio as positive_likelihood_ratio
    from alnus.evaluation.multiplicity import AdjustedTest as AdjustedTest
    from alnus.evaluation.multiplicity import DeclaredTest as DeclaredTest
    from alnus.evaluation.multiplicity import adjust as adjust
    from alnus.evaluation.operating_points import OperatingPoint as OperatingPoint
    from alnus.evaluation.operating_points import RocBand as RocBand
    from alnus.evaluation.operating_points import roc_band as roc_band
    from alnus.evaluation.operating_points import sensitivity_at as sensitivity_at
    from alnus.evaluation.operating_points import specificity_at as specificity_at
    from alnus.evaluation.paired import McNemar as McNemar
    from alnus.evaluation.paired import holm as holm
    from alnus.evaluation.paired import mcnemar as mcnemar
    from alnus.evaluation.paired_proportions import PairedDifference as PairedDifference
    from alnus.evaluation.paired_proportions import compare_calls as compare_calls
    from alnus.evaluation.partial_area import partial_auc as partial_auc
    from alnus.evaluation.power import SampleSize as SampleSize
    from alnus.evaluation.power import auc_correlation as auc_correlation
    from alnus.evaluation.power import auc_variance as auc_variance
    from alnus.evaluation.power import patients_for_auc as patients_for_auc
    from alnus.evaluation.power import patients_for_auc_difference as patients_for_auc_difference
    from alnus.evaluation.power import patients_for_auc_width as patients_for_auc_width
    from alnus.evaluation.power import patients_for_sensitivity as patients_for_sensitivity
    from alnus.evaluation.power import power_of_auc_difference as power_of_auc_difference
    from alnus.evaluation.power import underpowered as underpowered
    from alnus.evaluation.predictive_values import PredictiveValues as PredictiveValues
    from alnus.evaluation.predictive_values import compare_predictive_values as compare_predictive_values
    from alnus.evaluation.proportions import MEASURES as MEASURES
    from alnus.evaluation.proportions import Counts as Counts
    from alnus.evaluation.proportions import Proportion as Proportion
    from alnus.evaluation.proportions import accuracy as accuracy
    from alnus.evaluation.proportions import confusion as confusion
    from alnus.evaluation.proportions import npv as npv
    from alnus.evaluation.proportions import ppv as ppv
    from alnus.evaluation.proportions import proportion as proportion
    from alnus.evaluation.proportions import sensitivity as sensitivity
    from alnus.evaluation.proportions import specificity as specificity
    from alnus.evaluation.readers.analysis import plain as plain
    from alnus.evaluation.readers.mrmc import Mrmc as Mrmc
    from alnus.evaluation.readers.mrmc import mrmc as mrmc
    from alnus.evaluation.readers.power import cases_for_power as cases_for_power
    from alnus.evaluation.readers.power import mrmc_power as mrmc_power
    from alnus.evaluation.readers.ratings import ratings_of as ratings_of
    from alnus.evaluation.readers.ratings import read_ratings as read_ratings
    from alnus.evaluation.readers.standalone import Standalone as Standalone
    from alnus.evaluation.readers.standalone import model_against_readers as model_against_readers
    from alnus.evaluation.readers.text import mrmc_lines as mrmc_lines
    from alnus.evaluation.readers.text import standalone_lines as standalone_lines
    from alnus.evaluation.readers.text import times_lines as times_lines
    from alnus.evaluation.readers.times import ReadingTimes as ReadingTimes
    from alnus.evaluation.readers.times import reading_times as reading_times
    from alnus.evaluation.recalibration import Recalibration as Recalibration
    from alnus.evaluation.recalibration import fit_recalibration as fit_recalibration
    from alnus.evaluation.resampling import bootstrap as bootstrap
    from alnus.evaluation.results import compare_sources as compare_sources
    from alnus.evaluation.results import evaluate as evaluate
    from alnus.evaluation.results import evaluate_readers as evaluate_readers
    from alnus.evaluation.results import results_schema as results_schema
    from alnus.evaluation.roc import RocCurve as RocCurve
    from alnus.evaluation.roc import roc_curve as roc_curve
    from alnus.evaluation.roc import youden_threshold as youden_threshold
    from alnus.evaluation.subgroups import Interaction as Interaction
    from alnus.evaluation.subgroups import SubgroupRow as SubgroupRow
    from alnus.evaluation.subgroups import auc_interaction as auc_interaction
    from alnus.evaluation.subgroups import call_interaction as call_interaction
    from alnus.evaluation.subgroups import subgroup_rows as subgroup_rows
    from alnus.evaluation.summary.claims import sample_size_lines as sample_size_lines
    from alnus.evaluation.summary.claims import sample_sizes as sample_sizes
    from alnus.evaluation.summary.readers import reader_study as reader_study
    from alnus.evaluation.table import check_predictions as check_predictions
    from alnus.evaluation.table import read_predictions as read_predictions
    from alnus.evaluation.table import to_patients as to_patients
    from alnus.evaluation.text import format_comparisons as format_comparisons
    from alnus.evaluation.text import format_results as format_results
    from alnus.evaluation.thresholds import apply_thresholds as apply_thresholds
    from alnus.evaluation.thresholds import freeze_thresholds as freeze_thresholds

_HOME = {
    "agreement": ("Kappa", "cohen_kappa", "fleiss_kappa"),
    "brier_score": ("Brier", "CalibrationError", "brier", "expected_calibration_error"),
    "calibration_measures": (
        "Calibration", "Spiegelhalter", "calibration", "calibration_intercept", "calibration_slope",
        "expected_over_observed", "spiegelhalter",
    ),
    "calibration_smooth": ("CalibrationCurve", "calibration_curve"),
    "clustered": ("clustered_auc", "compare_clustered_aucs"),
    "conformal": ("Conformal", "coverage_to_expect", "fit_conformal"),
    "decision_curves": ("DecisionCurve", "InHundred", "decision_curve", "in_hundred"),
    "delong": ("AucDifference", "Estimate", "auc", "compare_aucs", "needed_correlation"),
    "fold_areas": ("FoldArea", "FoldAreas", "auc_within_folds"),
    "frozen_thresholds": (
        "FrozenThreshold", "freeze_threshold", "threshold_at_sensitivity", "threshold_at_specificity",
    ),
    "fusion": ("Fusion", "Term", "cross_validated", "fit_fusion"),
    "independent_aucs": ("IndependentAucDifference", "compare_independent_aucs"),
    "likelihood_ratios": ("LikelihoodRatio", "negative_likelihood_ratio", "positive_likelihood_ratio"),
    "multiplicity": ("AdjustedTest", "DeclaredTest", "adjust"),
    "operating_points": ("OperatingPoint", "RocBand", "roc_band", "sensitivity_at", "specificity_at"),
    "paired": ("McNemar", "holm", "mcnemar"),
    "paired_proportions": ("PairedDifference", "compare_calls"),
    "partial_area": ("partial_auc",),
    "power": (
        "SampleSize", "auc_correlation", "auc_variance", "patients_for_auc", "patients_for_auc_difference",
        "patients_for_auc_width", "patients_for_sensitivity", "power_of_auc_difference", "underpowered",
    ),
    "predictive_values": ("PredictiveValues", "compare_predictive_values"),
    "proportions": (
        "MEASURES", "Counts", "Proportion", "accuracy", "confusion", "npv", "ppv", "proportion",
        "sensitivity", "specificity",
    ),
    "readers.analysis": ("plain",),
    "readers.mrmc": ("Mrmc", "mrmc"),
    "readers.power": ("cases_for_power", "mrmc_power"),
    "readers.ratings": ("ratings_of", "read_ratings"),
    "readers.standalone": ("Standalone", "model_against_readers"),
    "readers.text": ("mrmc_lines", "standalone_lines", "times_lines"),
    "readers.times": ("ReadingTimes", "reading_times"),
    "recalibration": ("Recalibration", "fit_recalibration"),
    "resampling": ("bootstrap",),
    "results": ("compare_sources", "evaluate", "evaluate_readers", "results_schema"),
    "roc": ("RocCurve", "roc_curve", "youden_threshold"),
    "subgroups": ("Interaction", "SubgroupRow", "auc_interaction", "call_interaction", "subgroup_rows"),
    "summary.claims": ("sample_size_lines", "sample_sizes"),
    "summary.readers": ("reader_study",),
    "table": ("check_predictions", "read_predictions", "to_patients"),
    "text": ("format_comparisons", "format_results"),
    "thresholds": ("apply_thresholds", "freeze_thresholds"),
}  # fmt: skip
_MODULE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module that holds `name` and return it from there."""
    if name not in _MODULE:
        raise AttributeError(f"module 'alnus.evaluation' has no attribute '{name}'")
    return getattr(import_module(f"alnus.evaluation.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted([*globals(), *_MODULE])
