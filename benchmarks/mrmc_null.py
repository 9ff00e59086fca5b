"""How often the reader-study tests reject where there is nothing to find, and how often their intervals hold the truth.

Roe and Metz's model of readers' ratings (`alnus.evaluation.readers.roe_metz`), fixed seeds. Prints a Markdown table.

    python benchmarks/mrmc_null.py                # 20,000 studies a row, some minutes on one core
    python benchmarks/mrmc_null.py --studies 1000
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from alnus.evaluation.checks import FloatArray
from alnus.evaluation.readers.analysis import Analysis, Question, analyse
from alnus.evaluation.readers.covariance import areas, covariance_of, shares
from alnus.evaluation.readers.roe_metz import RoeMetz, simulated_ratings

STRUCTURE = RoeMetz()


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    name: str
    separations: tuple[float, ...] = (1.5, 1.5)
    readers: int = 5
    positive: int = 30
    negative: int = 50
    method: str = "delong"
    metric: str = "auc"
    factor: str = "random"
    cases: str = "random"
    missing: float = 0.0
    structure: RoeMetz = STRUCTURE
    kind: str = "treatments"  # or "standalone", "times"


STILL = replace(STRUCTURE, treatment_reader=0.0)  # fixed readers: the same for both treatments
SAME = replace(STRUCTURE, treatment_case=0.0, case=0.6)  # fixed cases: no case is easier in one treatment
MUCH = RoeMetz(0.1, 0.1)
PAPER = {"positive": 21, "negative": 40}
LARGE = {"positive": 100, "negative": 100}
SETTINGS = (
    Setting("5 readers, 30 + 50 cases, AUC 0.86"),
    Setting("the same, jackknife", method="jackknife"),
    Setting("the same, unbiased", method="unbiased"),
    Setting("the same, a tenth of the readings missing, jackknife", method="jackknife", missing=0.1),
    Setting("3 readers, 21 + 40 cases, AUC 0.86", readers=3, **PAPER),
    Setting("5 readers, 21 + 40 cases, AUC 0.96", separations=(2.5, 2.5), **PAPER),
    Setting("10 readers, 60 + 60 cases, AUC 0.70", separations=(0.75, 0.75), readers=10, positive=60, negative=60),
    Setting("5 readers who differ more (variances 0.03)", structure=RoeMetz(0.03, 0.03)),
    Setting("3 treatments, 5 readers, 30 + 50 cases", separations=(1.5, 1.5, 1.5)),
    Setting("AUC 0.86 and 0.92: no null, rejecting is power", separations=(1.5, 2.0)),
    Setting("sensitivity at a threshold, 5 readers, 30 cases", metric="sensitivity"),
    Setting("fixed readers, 5 readers, 30 + 50 cases", factor="fixed", structure=STILL),
    Setting("fixed readers, 3 readers, 21 + 40 cases", factor="fixed", structure=STILL, readers=3, **PAPER),
    Setting("fixed cases, 5 readers, 30 + 50 cases", cases="fixed", structure=SAME),
    Setting("model against 5 readers, 30 + 50 cases", separations=(1.5,), kind="standalone"),
    Setting("model against 3 readers, 21 + 40 cases", separations=(1.5,), kind="standalone", readers=3, **PAPER),
    Setting(
        "model against 10 readers, 60 + 60 cases",
        separations=(1.5,),
        kind="standalone",
        readers=10,
        positive=60,
        negative=60,
    ),
    Setting("reading times, 3 readers, 60 cases", kind="times", readers=3, positive=60),
    Setting("reading times, 5 readers, 40 cases", kind="times", positive=40),
    Setting("reading times, 10 readers, 40 cases", kind="times", readers=10, positive=40),
    Setting("3 readers who differ much (variances 0.1), 100 + 100 cases", structure=MUCH, readers=3, **LARGE),
)


def run(setting: Setting, studies: int, seed: int) -> tuple[float, float, float]:
    """Return the shares of studies whose test rejects at 5%, whose interval of the difference and of a mean cover."""
    rng, counts = np.random.default_rng(seed), np.zeros(3)
    true_mean, true_difference = truth_of(setting)
    simulate = {"treatments": one_study, "standalone": one_standalone, "times": one_of_times}[setting.kind]
    for _ in range(studies):
        analysed = simulate(rng, setting)
        difference = analysed.differences[0] if analysed.differences else analysed.means[0]
        p_value = difference.p_value if analysed.equality is None else analysed.equality.p_value
        mean = analysed.means[0]
        counts += (
            p_value < 0.05,
            difference.low <= true_difference <= difference.high,
            mean.low <= true_mean <= mean.high,
        )
    rejected, differences, means = (counts / studies).tolist()
    return (
        rejected,
        differences,
        math.nan if setting.kind == "standalone" or "fixed" in (setting.factor, setting.cases) else means,
    )


def truth_of(setting: Setting) -> tuple[float, float]:
    """Return the first treatment's true mean and the true difference of the first two treatments."""
    if setting.kind != "treatments":
        return 0.0, 0.0
    if setting.metric == "auc":
        true = [setting.structure.expected_auc(each) for each in setting.separations]
    else:
        own = math.sqrt(1 + setting.structure.reader + setting.structure.treatment_reader)
        true = [float(special.ndtr((each - 0.75) / own)) for each in setting.separations]
    return true[0], true[0] - true[1]


def one_study(rng: np.random.Generator, setting: Setting) -> Analysis:
    """Simulate and analyse one study."""
    shape = {"readers": setting.readers, "positive": setting.positive, "negative": setting.negative}
    ratings = simulated_ratings(rng, setting.separations, **shape, model=setting.structure)
    flat = ratings.reshape(-1, ratings.shape[2])
    if setting.missing:
        flat[rng.random(flat.shape) < setting.missing] = np.nan
    if setting.metric == "auc":
        found = areas(flat, np.arange(flat.shape[1]) < setting.positive)
    else:
        found = shares((flat[:, : setting.positive] >= 0.75).astype(float))
    covariance = covariance_of(found, setting.method) if setting.cases == "random" else None
    question = Question(names(len(setting.separations)), names(setting.readers), setting.factor, 0.95, None, (0.0, 1.0))
    return analyse(found.estimates.reshape(ratings.shape[:2]), covariance, question)


def one_standalone(rng: np.random.Generator, setting: Setting) -> Analysis:
    """Simulate a model whose true AUC is the readers' mean, and the analysis of its differences to them."""
    structure = setting.structure
    truth = np.arange(setting.positive + setting.negative) < setting.positive
    case = rng.normal(0, math.sqrt(structure.case + structure.treatment_case), len(truth))
    own = rng.normal(0, math.sqrt(structure.reader_case + structure.error), (setting.readers + 1, len(truth)))
    of_reader = rng.normal(0, math.sqrt(structure.reader + structure.treatment_reader), (setting.readers, 2))
    latent: FloatArray = case + own
    latent[1:] += np.where(truth, setting.separations[0] + of_reader[:, :1], of_reader[:, 1:])
    latent[0] += truth * math.sqrt(2) * special.ndtri(structure.expected_auc(setting.separations[0]))
    found = areas(latent, truth)
    contrast = np.hstack([np.ones((setting.readers, 1)), -np.eye(setting.readers)])
    covariance = contrast @ covariance_of(found, setting.method) @ contrast.T
    question = Question(("difference",), names(setting.readers), setting.factor, 0.95, 0.0, (-1.0, 1.0))
    return analyse((contrast @ found.estimates)[None, :], covariance, question)


def one_of_times(rng: np.random.Generator, setting: Setting) -> Analysis:
    """Simulate log reading times (about a fifth of the variance each of reader and case) and their analysis."""
    r, c = setting.readers, setting.positive
    logs: FloatArray = rng.normal(0, 0.3, (1, r, 1)) + rng.normal(0, 0.1, (2, r, 1)) + rng.normal(0, 0.3, (1, 1, c))
    logs = logs + rng.normal(0, 0.2, (2, 1, c)) + rng.normal(0, 0.4, (2, r, c))
    found = shares(logs.reshape(-1, c))
    return analyse(
        found.estimates.reshape(2, r), covariance_of(found, "jackknife"), Question(names(2), names(r), "random", 0.95)
    )


def names(count: int) -> tuple[str, ...]:
    """Return names for treatments or readers."""
    return tuple(str(number) for number in range(count))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    error = 100 * math.sqrt(0.05 * 0.95 / options.studies)
    print(f"{options.studies} studies a row; the standard error of a rate of 5% or 95% is {error:.2f} points.\n")
    print("| study | rejects at 5% | 95% interval of the difference covers | of a mean covers |\n|---|---|---|---|")
    for number, setting in enumerate(SETTINGS):
        rejected, difference, mean = run(setting, options.studies, options.seed + number)
        of_mean = "" if math.isnan(mean) else f"{100 * mean:.1f}%"
        print(f"| {setting.name} | {100 * rejected:.1f}% | {100 * difference:.1f}% | {of_mean} |", flush=True)


if __name__ == "__main__":
    main()
