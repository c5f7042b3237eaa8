"""Statistics against statsmodels and scipy, the figures we publish, and properties that hold for all data."""

from __future__ import annotations

import subprocess
import sys
from math import prod, sqrt

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from rrr_local.evaluation.statistics import (
    Interval,
    clustered_se,
    mcnemar_exact,
    min_detectable,
    paired_bootstrap,
    paired_difference,
    pass_at_k,
    wilson,
)

SCORE = st.floats(0, 1, allow_subnormal=False)
COUNTS = st.integers(0, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def pairs(score: st.SearchStrategy[float], min_size: int = 1) -> st.SearchStrategy[tuple[list[float], list[float]]]:
    """Scores before and after of the same problems."""
    return st.lists(st.tuples(score, score), min_size=min_size, max_size=60).map(
        lambda rows: ([before for before, _ in rows], [after for _, after in rows])
    )


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=1e-12)


@given(COUNTS.filter(lambda c: c[1] > 0), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_equals_statsmodels(counts: tuple[int, int], confidence: float) -> None:
    low, high = proportion_confint(*counts, alpha=1 - confidence, method="wilson")
    interval = wilson(*counts, confidence)
    assert (interval.low, interval.high) == (close(low), close(high))


@given(COUNTS)
def test_wilson_contains_the_rate_and_mirrors_with_it(counts: tuple[int, int]) -> None:
    passes, n = counts
    interval, mirrored = wilson(passes, n), wilson(n - passes, n)
    assert 0 <= interval.low <= (passes / n if n else 0.5) <= interval.high <= 1
    assert (1 - mirrored.high, 1 - mirrored.low) == (close(interval.low), close(interval.high))
    assert wilson(passes, n, 0.99).low <= interval.low


def test_wilson_knows_nothing_without_problems() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)
    assert wilson(0, 5).low == 0.0
    assert wilson(5, 5).high == 1.0


def test_wilson_covers_at_n_30() -> None:
    """The coverage, computed exactly, where the textbook interval covers only 78 %: n = 30, p = 0.95."""
    intervals = [wilson(k, 30) for k in range(31)]
    assert sum(stats.binom.pmf(k, 30, 0.95) for k, i in enumerate(intervals) if i.low <= 0.95 <= i.high) > 0.93


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_equals_statsmodels_and_scipy(fixed: int, broken: int) -> None:
    p_value = mcnemar_exact(fixed, broken)
    if fixed + broken:
        assert p_value == pytest.approx(stats.binomtest(fixed, fixed + broken).pvalue, rel=1e-9)
        assert p_value == pytest.approx(mcnemar([[5, fixed], [broken, 7]], exact=True).pvalue, rel=1e-9)
    assert p_value == mcnemar_exact(broken, fixed)
    assert 0 <= p_value <= 1


def test_mcnemar_by_hand() -> None:
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(5, 5) == 1.0
    assert mcnemar_exact(12, 3) == 2 * (1 + 15 + 105 + 455) / 2**15
    assert mcnemar_exact(0, 1000) == 2.0**-999


@given(pairs(SCORE, min_size=2))
def test_paired_difference_equals_statsmodels(scores: tuple[list[float], list[float]]) -> None:
    before, after = scores
    change = np.subtract(after, before)
    result = paired_difference(before, after)
    assert result.diff == close(change.mean())
    if change.min() < change.max():
        low, high = sm.stats.DescrStatsW(change).zconfint_mean()
        assert result.low == pytest.approx(max(low, -1), rel=1e-9, abs=1e-9)
        assert result.high == pytest.approx(min(high, 1), rel=1e-9, abs=1e-9)


@given(pairs(SCORE, min_size=2))
def test_paired_difference_equals_numpy(scores: tuple[list[float], list[float]]) -> None:
    before, after = scores
    change, result = np.subtract(after, before), paired_difference(before, after)
    assert result.diff == close(change.mean())
    if change.min() < change.max():
        half = stats.norm.ppf(0.975) * change.std(ddof=1) / sqrt(len(change))
        assert (result.low, result.high) == (close(max(result.diff - half, -1)), close(min(result.diff + half, 1)))
    assert (result.fixed, result.broken) == (int((change > 0).sum()), int((change < 0).sum()))


def test_what_the_screens_need_comes_without_numpy() -> None:
    """Their process must not import it."""
    code = (
        "import sys; from rrr_local.evaluation.statistics import mcnemar_exact, paired_difference, wilson; "
        "paired_difference([0, 1], [1, 1]), wilson(1, 2), mcnemar_exact(3, 1); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@given(pairs(st.sampled_from([0.0, 1.0])) | pairs(SCORE))
def test_swapping_before_and_after_flips_the_sign(scores: tuple[list[float], list[float]]) -> None:
    before, after = scores
    there, back = paired_difference(before, after), paired_difference(after, before)
    assert (back.diff, back.low, back.high) == (close(-there.diff), close(-there.high), close(-there.low))
    assert (back.fixed, back.broken, back.p_value, back.n) == (there.broken, there.fixed, there.p_value, there.n)
    assert -1 <= there.low <= there.diff <= there.high <= 1


@given(pairs(st.sampled_from([0.0, 1.0])))
def test_counts_of_fixed_and_broken_problems_make_the_difference(scores: tuple[list[float], list[float]]) -> None:
    before, after = scores
    result = paired_difference(before, after)
    assert result.fixed == sum(1 for b, a in zip(before, after, strict=True) if (b, a) == (0, 1))
    assert result.broken == sum(1 for b, a in zip(before, after, strict=True) if (b, a) == (1, 0))
    assert result.diff == close((result.fixed - result.broken) / result.n)
    assert result.p_value == mcnemar_exact(result.fixed, result.broken)


def test_an_evaluation_where_nothing_changed_still_has_an_interval() -> None:
    unseen = wilson(0, 10).high
    same = paired_difference([1] * 10, [1] * 10)
    assert (same.diff, same.low, same.high, same.p_value) == (0.0, close(-unseen), close(unseen), 1.0)
    best = paired_difference([0] * 10, [1] * 10)
    assert (best.diff, best.low, best.high, best.fixed) == (1.0, close(1 - 2 * unseen), 1.0, 10)
    single = paired_difference([0.0], [1.0])
    assert single.low < 0 < single.high


@pytest.mark.parametrize(
    ("before", "after"),
    [([], []), ([1], [1, 0]), ([2], [0]), ([0], [-0.1]), ([float("nan")], [1]), ([0], [float("inf")])],
)
def test_scores_that_cannot_be_paired_are_refused(before: list[float], after: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        paired_difference(before, after)
    with pytest.raises(ValueError, match="scores"):
        paired_bootstrap(before, after, seed=0)


def test_bootstrap_equals_scipy_resample_for_resample() -> None:
    rng = np.random.default_rng(5)
    before, after = rng.random(80), rng.random(80)
    interval = paired_bootstrap(before.tolist(), after.tolist(), seed=3, resamples=2000)
    result = stats.bootstrap(
        (after - before,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(3)
    )
    assert (interval.low, interval.high) == (
        close(result.confidence_interval.low),
        close(result.confidence_interval.high),
    )


def test_bootstrap_agrees_with_the_normal_interval_on_many_problems() -> None:
    rng = np.random.default_rng(11)
    before, after = rng.random(500).tolist(), rng.random(500).tolist()
    interval, normal = paired_bootstrap(before, after, seed=1), paired_difference(before, after)
    assert interval.low == pytest.approx(normal.low, abs=0.003)
    assert interval.high == pytest.approx(normal.high, abs=0.003)
    assert interval == paired_bootstrap(before, after, seed=1) != paired_bootstrap(before, after, seed=2)


@given(pairs(SCORE), st.integers(0, 2**32))
def test_bootstrap_flips_with_its_data_and_stays_within_them(
    scores: tuple[list[float], list[float]], seed: int
) -> None:
    before, after = scores
    there = paired_bootstrap(before, after, seed, resamples=50)
    back = paired_bootstrap(after, before, seed, resamples=50)
    assert (back.low, back.high) == (close(-there.high), close(-there.low))
    changes = [a - b for b, a in zip(before, after, strict=True)]
    assert min(changes) - 1e-12 <= there.low <= there.high <= max(changes) + 1e-12


@given(st.lists(st.tuples(SCORE, st.sampled_from("abcde")), min_size=2).filter(lambda r: len({c for _, c in r}) > 1))
def test_clustered_se_equals_statsmodels(rows: list[tuple[float, str]]) -> None:
    scores, clusters = [score for score, _ in rows], [cluster for _, cluster in rows]
    fit = sm.OLS(scores, np.ones(len(scores)))
    oracle = fit.fit(cov_type="cluster", cov_kwds={"groups": np.array([ord(c) for c in clusters])}).bse[0]
    assert clustered_se(scores, clusters) == pytest.approx(oracle, rel=1e-9, abs=1e-12)


def test_clustered_se_of_single_problems_is_the_ordinary_one_and_grows_with_clusters() -> None:
    scores = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5, 0.2]
    ordinary = float(np.std(scores, ddof=1)) / sqrt(len(scores))
    assert clustered_se(scores, range(8)) == close(ordinary)
    assert clustered_se(scores, "aaabbbcd") > ordinary


@pytest.mark.parametrize("clusters", ["aa", "abc", ""])
def test_clusters_that_say_nothing_are_refused(clusters: str) -> None:
    with pytest.raises(ValueError, match="cluster"):
        clustered_se([0.0, 1.0], clusters)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_equals_the_product_and_the_hypergeometric(case: tuple[int, int, int]) -> None:
    n, passes, k = case
    assert pass_at_k(n, passes, k) == close(1 - prod((n - passes - i) / (n - i) for i in range(k)))
    assert pass_at_k(n, passes, k) == pytest.approx(1 - stats.hypergeom.pmf(0, n, passes, k), rel=1e-9, abs=1e-9)
    assert pass_at_k(n, passes, 1) == close(passes / n)


@pytest.mark.parametrize("case", [(5, 6, 1), (5, -1, 1), (5, 2, 6), (5, 2, 0), (0, 0, 1)])
def test_pass_at_k_refuses_impossible_counts(case: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="samples"):
        pass_at_k(*case)


@pytest.mark.parametrize(("n", "points"), [(100, 14.0), (200, 9.9), (500, 6.3), (1000, 4.4), (2000, 3.1)])
def test_min_detectable_gives_the_published_figures(n: int, points: float) -> None:
    assert round(100 * min_detectable(n), 1) == points


@given(st.integers(2, 5000), st.floats(0.05, 0.95), st.floats(0, 0.9), st.floats(0.5, 0.95))
def test_a_difference_of_min_detectable_is_found_with_the_stated_power(
    n: int, p: float, rho: float, power: float
) -> None:
    """Oracle: the power of a two-sided z-test at that difference, its far tail left out as in the formula."""
    se = sqrt(2 * p * (1 - p) * (1 - rho) / n)
    critical = stats.norm.ppf(0.975) * se
    assert stats.norm.sf(critical, loc=min_detectable(n, p, rho, power), scale=se) == pytest.approx(power, abs=1e-9)


@pytest.mark.parametrize("counts", [(-1, 5), (6, 5), (0, -1)])
def test_impossible_counts_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="passes"):
        wilson(*counts)


def test_impossible_confidence_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence=95)
    with pytest.raises(ValueError, match="-1 broken"):
        mcnemar_exact(5, -1)
    with pytest.raises(ValueError, match="0 problems"):
        min_detectable(0)
