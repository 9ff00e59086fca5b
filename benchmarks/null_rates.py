"""How often tests reject a true null, and intervals cover the truth, at the paper's size: 21 of 61 patients.

    python benchmarks/null_rates.py > benchmarks/null_rates.json     # some minutes; --studies 500 for a quick look

Scores are binormal; the true AUCs are 0.80, 0.856 and 0.914. Fixed seeds. The table of `null_rates.md` is its output.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from scipy import special, stats

from alnus.errors import CohortError
from alnus.evaluation import (
    auc,
    auc_interaction,
    calibration_curve,
    calibration_intercept,
    calibration_slope,
    call_interaction,
    clustered_auc,
    cohen_kappa,
    compare_aucs,
    compare_calls,
    compare_clustered_aucs,
    compare_independent_aucs,
    compare_predictive_values,
    confusion,
    decision_curve,
    expected_over_observed,
    fleiss_kappa,
    mcnemar,
    negative_likelihood_ratio,
    partial_auc,
    positive_likelihood_ratio,
    proportion,
    roc_band,
    sensitivity_at,
    specificity_at,
    spiegelhalter,
)

POSITIVE, NEGATIVE = 21, 40
LABELS = np.repeat([1, 0], [POSITIVE, NEGATIVE])
AUCS = (0.80, 0.856, 0.914)
Hits = dict[str, bool]


def shift_of(area: float) -> float:
    """Return the distance of two normal distributions with this AUC."""
    return float(np.sqrt(2) * special.ndtri(area))


def pair(rng: np.random.Generator, area: float, *, correlation: float = 0.5) -> np.ndarray:
    """Return two sources' scores, (2, patients), of equal AUC."""
    shared, own = rng.normal(size=61), rng.normal(size=(2, 61))
    return correlation**0.5 * shared + (1 - correlation) ** 0.5 * own + LABELS * shift_of(area)


def aucs(area: float) -> Callable[[np.random.Generator], Hits]:
    """Return one study's answers for the intervals of an AUC."""

    def study(rng: np.random.Generator) -> Hits:
        scores = rng.normal(size=61) + LABELS * shift_of(area)
        hits = {}
        for interval in ("delong", "logit", "score"):
            found = auc(LABELS, scores, interval=interval)
            hits[f"AUC {area}, {interval}"] = found.low <= area <= found.high
        return hits

    return study


def curve(area: float) -> Callable[[np.random.Generator], Hits]:
    """Return one study's answers for operating points, partial area and bands (500 replicates each)."""
    grid = np.linspace(0, 1, 21)
    true = special.ndtr(shift_of(area) + special.ndtri(grid[1:-1]))
    fine = np.linspace(0, 0.2, 20001)
    strip = np.trapezoid(np.append(0, special.ndtr(shift_of(area) + special.ndtri(fine[1:]))), fine)
    mcclish = (1 + (strip - 0.02) / (0.2 - 0.02)) / 2

    def study(rng: np.random.Generator) -> Hits:
        scores = rng.normal(size=61) + LABELS * shift_of(area)
        at = sensitivity_at(LABELS, scores, 0.9, replicates=500)
        back = specificity_at(LABELS, scores, 0.9, replicates=500)
        band = roc_band(LABELS, scores, points=21, simultaneous=True, replicates=500)
        whole = (band.low[1:-1] <= true) & (true <= band.high[1:-1])
        kinds = ("bca", "percentile")
        area_of = {kind: partial_auc(LABELS, scores, low=0.8, interval=kind, replicates=500) for kind in kinds}
        return {
            f"sensitivity at specificity 0.9, AUC {area}": at.low <= true[1] <= at.high,
            f"specificity at sensitivity 0.9, AUC {area}": back.low <= true[1] <= back.high,
            f"simultaneous ROC band, AUC {area}": bool(whole.all()),
            **{
                f"partial AUC, specificity 0.8-1, {kind}, AUC {area}": x.low <= mcclish <= x.high
                for kind, x in area_of.items()
            },
        }

    return study


def shares(rng: np.random.Generator) -> Hits:
    """Return one study's answers for shares of 21 and differences of paired calls."""
    right = int(rng.binomial(POSITIVE, 0.762))
    hits = {}
    for interval in ("clopper-pearson", "wilson"):
        found = proportion(right, POSITIVE, interval=interval)
        hits[f"sensitivity 0.762 of 21, {interval}"] = found.low <= 0.762 <= found.high
    a, b = pair(rng, 0.856) > np.array([[0.75], [0.45]])
    truth = special.ndtr(shift_of(0.856) - 0.75) - special.ndtr(shift_of(0.856) - 0.45)
    for interval in ("newcombe", "tango"):
        found = compare_calls(LABELS, a, b, among="positive", interval=interval)
        hits[f"difference of two sensitivities, {interval}"] = found.low <= truth <= found.high
    return hits


def calibrated(rng: np.random.Generator) -> Hits:
    """Return one calibrated study's answers."""
    odds = rng.normal(-0.9, 1.3, size=61)
    labels, given = rng.random(61) < special.expit(odds), special.expit(odds)
    slope, intercept = calibration_slope(labels, given), calibration_intercept(labels, given)
    ratio = expected_over_observed(labels, given)
    return {
        "calibration slope": slope.low <= 1 <= slope.high,
        "calibration intercept": intercept.low <= 0 <= intercept.high,
        "expected over observed": ratio.low <= 1 <= ratio.high,
    }


def tests(rng: np.random.Generator) -> Hits:
    """Return which tests reject in one study in which every null is true."""
    a, b = pair(rng, 0.856)
    other = rng.normal(size=61) + LABELS * shift_of(0.856)
    calls = a > 0.6, b > 0.6
    groups = rng.permutation(61) % 2
    odds = rng.normal(-0.9, 1.3, size=61)
    fisher = partial(call_interaction, LABELS, variable="g")
    p_values: dict[str, Callable[[], float | None]] = {
        "DeLong, paired": lambda: compare_aucs(LABELS, a, b).p_value,
        "DeLong, unpaired": lambda: compare_independent_aucs(LABELS, a, LABELS, other).p_value,
        "McNemar, exact": lambda: mcnemar(LABELS, *calls).p_value,
        "McNemar, mid-p": lambda: mcnemar(LABELS, *calls, mid_p=True).p_value,
        "PPV, weighted score": lambda: compare_predictive_values(LABELS, *calls).p_value,
        "PPV, score": lambda: compare_predictive_values(LABELS, *calls).p_leisenring,
        "NPV, weighted score": lambda: compare_predictive_values(LABELS, *calls, value="npv").p_value,
        "interaction of the AUC": lambda: auc_interaction(LABELS, a, groups, variable="g").p_value,
        "interaction of the sensitivity, Fisher": lambda: fisher(calls[0], groups).p_value,
        "Spiegelhalter": lambda: spiegelhalter(rng.random(61) < special.expit(odds), special.expit(odds)).p_value,
    }
    hits = {}
    for name, test in p_values.items():
        try:
            found = test()
        except CohortError:
            found = None
        if found is not None:
            hits[name] = found < 0.05
    return hits


def clusters(rng: np.random.Generator) -> Hits:
    """Return whether the clustered interval covers: 1 to 4 videos of each of 61 patients."""
    videos = np.repeat(np.arange(61), rng.integers(1, 5, 61))
    scores = 0.8 * rng.normal(size=61)[videos] + 0.6 * rng.normal(size=len(videos)) + LABELS[videos] * shift_of(0.856)
    found, plain = clustered_auc(LABELS[videos], scores, videos), auc(LABELS[videos], scores)
    logit = clustered_auc(LABELS[videos], scores, videos, interval="logit")
    return {
        "AUC of videos 0.856, Obuchowski": found.low <= 0.856 <= found.high,
        "AUC of videos 0.856, Obuchowski, logit": logit.low <= 0.856 <= logit.high,
        "AUC of videos 0.856, as if each were a patient": plain.low <= 0.856 <= plain.high,
    }


def ratios(rng: np.random.Generator) -> Hits:
    """Return whether the intervals of likelihood ratios and of a ratio of predictive values cover."""
    cuts = np.array([0.75, 0.45])
    calls = pair(rng, 0.856) > cuts[:, None]
    found, missed = special.ndtr(shift_of(0.856) - cuts), special.ndtr(cuts - shift_of(0.856))
    wrong, spared = special.ndtr(-cuts), special.ndtr(cuts)
    counts = confusion(LABELS, calls[0])
    truths = {
        "likelihood ratio +": (positive_likelihood_ratio(counts), found[0] / wrong[0]),
        "likelihood ratio -": (negative_likelihood_ratio(counts), missed[0] / spared[0]),
    }
    hits = {name: x.low <= true <= x.high for name, (x, true) in truths.items()}
    for value, right, others in (
        ("ppv", POSITIVE * found, NEGATIVE * wrong),
        ("npv", NEGATIVE * spared, POSITIVE * missed),
    ):
        share = right / (right + others)
        x = compare_predictive_values(LABELS, *calls, value=value)
        if x.low is not None and x.high is not None:
            hits[f"ratio of two {value.upper()}s"] = x.low <= share[0] / share[1] <= x.high
    return hits


def kappas(rng: np.random.Generator) -> Hits:
    """Return whether the intervals of two and three readers' kappa cover; their latent readings correlate at 0.6."""
    scores = 0.6**0.5 * rng.normal(size=61) + 0.4**0.5 * rng.normal(size=(3, 61))
    calls, positive = scores > 0.4, special.ndtr(-0.4)
    both = stats.multivariate_normal.cdf([-0.4, -0.4], cov=[[1, 0.6], [0.6, 1]])
    true = (both - positive**2) / (positive - positive**2)
    two, three = cohen_kappa(calls[0], calls[1]), fleiss_kappa(calls.T)
    return {
        "Cohen's kappa": two.low <= true <= two.high,
        "Fleiss' kappa, 3 readers": three.low <= true <= three.high,
    }


def clinical(rng: np.random.Generator) -> Hits:
    """Return whether the bands of net benefit and of the calibration curve cover, point by point."""
    odds = rng.normal(-0.9, 1.3, size=61)
    labels, given = rng.random(61) < special.expit(odds), special.expit(odds)
    hits = {}
    curve_of = calibration_curve(labels, given)
    for at in (0.15, 0.3, 0.6):
        ends = (np.interp(at, curve_of.predicted, end) for end in (curve_of.low, curve_of.high))
        hits[f"calibration curve at {at}"] = next(ends) <= at <= next(ends)
    population = special.expit(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000, -0.9, 1.3))
    thresholds = np.array([0.1, 0.2, 0.4])
    decided = decision_curve(labels, given, thresholds=thresholds)
    for place, at in enumerate(thresholds):
        worth = population - (1 - population) * at / (1 - at)
        true, best = np.mean(worth * (population >= at)), max(np.mean(worth), 0)
        gain = decided.advantage_low[place] <= true - best <= decided.advantage_high[place]
        hits[f"net benefit at {at}"] = decided.low[place] <= true <= decided.high[place]
        hits[f"net benefit over the better of all and none at {at}"] = bool(gain)
    return hits


def more_tests(rng: np.random.Generator) -> Hits:
    """Return which of the other tests reject in one study in which every null is true."""
    a, b = pair(rng, 0.856)
    videos = np.repeat(np.arange(61), rng.integers(1, 5, 61))
    scores = 0.8 * rng.normal(size=(2, 61))[:, videos] + 0.6 * rng.normal(size=(2, len(videos)))
    scores += LABELS[videos] * shift_of(0.856)
    groups = rng.permutation(61) % 3
    p_values: dict[str, Callable[[], float | None]] = {
        "DeLong of videos, clustered": lambda: compare_clustered_aucs(LABELS[videos], *scores, videos).p_value,
        "NPV, score": lambda: compare_predictive_values(LABELS, a > 0.6, b > 0.6, value="npv").p_leisenring,
        "interaction of the AUC, 3 groups": lambda: auc_interaction(LABELS, a, groups, variable="g").p_value,
        "interaction of the specificity, 3 groups": lambda: (
            call_interaction(LABELS, a > 0.6, groups, variable="g", measure="specificity").p_value
        ),
    }
    hits = {}
    for name, test in p_values.items():
        try:
            found = test()
        except CohortError:
            found = None
        if found is not None:
            hits[name] = found < 0.05
    return hits


def counted(study: Callable[[np.random.Generator], Hits], studies: int, seed: int) -> Iterator[tuple[str, float, int]]:
    """Yield name, share and number of studies that answered."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[bool]] = {}
    for _ in range(studies):
        try:
            hits = study(rng)
        except CohortError:  # a study without a slope: counted nowhere
            continue
        for name, hit in hits.items():
            found.setdefault(name, []).append(bool(hit))
    for name, hits_of in found.items():
        yield name, float(np.mean(hits_of)), len(hits_of)


def main() -> None:
    """Print the rates as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    studies = parser.parse_args().studies
    started = time.process_time()
    plans = [
        *[(aucs(area), studies) for area in AUCS],
        *[(curve(area), studies // 10) for area in (0.856, 0.914)],
        (shares, studies), (calibrated, studies // 4), (tests, studies), (clusters, studies // 2),
        (ratios, studies), (kappas, studies // 2), (clinical, studies // 4), (more_tests, studies // 2),
    ]  # fmt: skip
    rates = {}
    for seed, (study, count) in enumerate(plans):
        for name, share, answered in counted(study, count, seed):
            low, high = stats.binomtest(round(share * answered), answered).proportion_ci()
            rates[name] = {
                "percent": round(100 * share, 2),
                "studies": answered,
                "ci": [round(100 * x, 2) for x in (low, high)],
            }
    print(json.dumps({"rates": rates, "cpu_s": round(time.process_time() - started)}, indent=1))


if __name__ == "__main__":
    main()
