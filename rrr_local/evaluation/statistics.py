"""What an evaluation may claim: intervals and tests on scores between 0 and 1, mostly paired on the same problems.

Each function is one formula, named in its docstring with its source. Where a problem was sampled k times, average the k
into its score first: problems, not samples, are the unit that varies.

The screens show these numbers, and their process must not import numpy: the two functions that need it import it themselves.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import comb, fsum, sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """A range that covers the true value with the stated confidence."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """After minus before on the same problems."""

    diff: float
    """Mean difference of the scores, -1 to 1."""
    low: float
    """Lower end of the 95 % interval of `diff`."""
    high: float
    fixed: int
    """Problems whose score rose."""
    broken: int
    """Problems whose score fell."""
    p_value: float
    """Two-sided exact McNemar; for scores other than 0 and 1 this is the sign test."""
    n: int
    """Problems compared."""


def wilson(passes: int, n: int, confidence: float = 0.95) -> Interval:
    """The Wilson score interval of a rate (Wilson 1927): the p with |passes/n - p| <= z sqrt(p(1-p)/n).

    Without problems nothing is known: 0 to 1. Raises `ValueError` for impossible counts or confidence.
    """
    if not 0 <= passes <= n:
        raise ValueError(f"{passes} passes of {n}")
    if n == 0:
        return Interval(0.0, 1.0)
    z2 = _z(confidence) ** 2
    p = passes / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # The ends are exactly 0 and 1 where all are equal; rounding must not cut the estimate off.
    return Interval(0.0 if passes == 0 else centre - half, 1.0 if passes == n else centre + half)


def mcnemar_exact(fixed: int, broken: int) -> float:
    """Two-sided exact p-value that a change fixes as many problems as it breaks (McNemar 1947).

    Twice the binomial tail P(X <= min(fixed, broken)), X ~ B(fixed + broken, 1/2), at most 1; summed in integers.
    """
    if min(fixed, broken) < 0:
        raise ValueError(f"{fixed} fixed, {broken} broken")
    n = fixed + broken
    tail = sum(comb(n, k) for k in range(min(fixed, broken) + 1))
    return min(1.0, 2 * tail / (1 << n))


def paired_difference(before: Sequence[float], after: Sequence[float]) -> PairedDifference:
    """Mean difference d of two evaluations of the same problems, in the same order, with a 95 % interval.

    d -+ z SE with SE = sd(after - before) / sqrt(n) (Miller 2024, arXiv 2411.00640), within -1 to 1. Where all
    differences are equal SE is 0 and says nothing; then the ends are what d becomes if the largest share of unlike
    problems that Wilson's interval still allows, `wilson(0, n).high`, all fell to -1 or rose to 1. Raises `ValueError`
    for unequal lengths, no problems, or scores outside 0 to 1.
    """
    change = _changes(before, after)
    n, diff = len(change), fsum(change) / len(change)
    if min(change) == max(change):
        unseen = wilson(0, n).high
        low, high = diff - unseen * (1 + diff), diff + unseen * (1 - diff)
    else:
        half = _z(0.95) * sqrt(fsum((each - diff) ** 2 for each in change) / (n - 1) / n)
        low, high = max(diff - half, -1.0), min(diff + half, 1.0)
    fixed, broken = sum(each > 0 for each in change), sum(each < 0 for each in change)
    return PairedDifference(diff, low, high, fixed, broken, mcnemar_exact(fixed, broken), n)


def paired_bootstrap(before: Sequence[float], after: Sequence[float], seed: int, resamples: int = 10_000) -> Interval:
    """95 % percentile bootstrap of the mean difference (Efron 1979): problems are drawn with replacement, in pairs.

    A check on `paired_difference` for scores that are not 0 or 1. Equal seeds give equal intervals.
    """
    import numpy as np

    change = np.asarray(_changes(before, after))
    rng = np.random.default_rng(seed)
    # One resample at a time: 10,000 x n indices at once would be 160 MB for 2,000 problems.
    means = [change[rng.integers(len(change), size=len(change))].mean() for _ in range(resamples)]
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(low), float(high))


def clustered_se(scores: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Standard error of the mean when problems of one cluster (one template, one source) vary together.

    sqrt(G/(G-1) sum over clusters of (sum of their residuals)^2) / n, with G clusters (Liang and Zeger 1986). With
    every problem its own cluster it is the ordinary standard error. Raises `ValueError` for fewer than two clusters.
    """
    if len(scores) != len(clusters):
        raise ValueError(f"{len(scores)} scores with {len(clusters)} clusters")
    names = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    if len(names) < 2:
        raise ValueError("a clustered standard error needs at least two clusters")
    import numpy as np

    values = np.asarray(scores, dtype=np.float64)
    sums = np.bincount([names[cluster] for cluster in clusters], weights=values - values.mean())
    return sqrt(len(names) / (len(names) - 1) * float(sums @ sums)) / len(values)


def pass_at_k(samples: int, passes: int, k: int) -> float:
    """Unbiased estimate that at least one of k tries passes (Chen et al. 2021, arXiv 2107.03374, equation 1).

    1 - C(n-c, k) / C(n, k) for c passes of n samples; equal to 1 - prod over i < k of (n-c-i) / (n-i).
    """
    if not (0 <= passes <= samples and 1 <= k <= samples):
        raise ValueError(f"{passes} passes of {samples} samples, k = {k}")
    return (comb(samples, k) - comb(samples - passes, k)) / comb(samples, k)


def min_detectable(n: int, p: float = 0.5, rho: float = 0.5, power: float = 0.8) -> float:
    """The smallest true difference that a paired evaluation of n problems shows at 95 % with the given power.

    (z_0.975 + z_power) sqrt(2 p (1-p) (1-rho) / n), p the pass rate, rho the correlation between before and after over
    problems (the power analysis of Miller 2024). 0.14 for 100 problems; say it before somebody runs 50.
    """
    if n < 1:
        raise ValueError(f"{n} problems")
    return (_z(0.95) + NormalDist().inv_cdf(power)) * sqrt(2 * p * (1 - p) * (1 - rho) / n)


def _z(confidence: float) -> float:
    """How many standard errors a two-sided interval reaches to each side: 1.96 for 0.95."""
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _changes(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """After minus before, problem by problem."""
    if len(before) != len(after) or len(before) == 0:
        raise ValueError(f"{len(before)} scores before, {len(after)} after: they must be the same problems")
    if not all(0 <= score <= 1 for scores in (before, after) for score in scores):
        raise ValueError("scores must be between 0 and 1")
    return [later - earlier for earlier, later in zip(before, after, strict=True)]
