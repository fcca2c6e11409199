"""Intervals on data with a known answer, and how often they hold it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from helpers.statistics import intervals


def test_wilson_known_answers():
    # Newcombe (1998), table I: 81 of 263 and 0 of 20
    assert intervals.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert intervals.wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert intervals.wilson(0, 0) == (0, 1)
    low, high = intervals.wilson(np.array([0, 5]), np.array([5, 5]))
    assert low[0] == 0 and high[1] == 1
    with pytest.raises(ValueError, match="between 0 and n"):
        intervals.wilson(6, 5)


def test_wilson_coverage_is_near_nominal():
    n = 529
    k = np.arange(n + 1)
    low, high = intervals.wilson(k, np.full(n + 1, n))
    for p in (0.02, 0.053, 0.1, 0.3):
        inside = stats.binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum()
        assert 0.93 < inside < 0.975, (p, inside)


def score_root(k1, n1, k0, n0, ratio):
    """Miettinen and Nurminen's statistic, the restricted estimate found by maximising."""

    def loss(p0):
        p1 = ratio * p0
        return -stats.binom.logpmf(k1, n1, p1) - stats.binom.logpmf(k0, n0, p0)

    top = min(1, 1 / ratio)
    p0 = optimize.minimize_scalar(
        loss, bounds=(1e-12, top * (1 - 1e-12)), method="bounded", options={"xatol": 1e-13}
    ).x
    p1, n = ratio * p0, n1 + n0
    variance = (p1 * (1 - p1) / n1 + ratio**2 * p0 * (1 - p0) / n0) * n / (n - 1)
    return (k1 / n1 - ratio * k0 / n0) / np.sqrt(variance)


@pytest.mark.parametrize("counts", [(11, 106, 17, 423), (5, 103, 23, 426), (1, 12, 27, 517)])
def test_risk_ratio_interval_inverts_the_score_test(counts):
    found = intervals.risk_ratio(*counts)
    assert abs(score_root(*counts, found.low)) == pytest.approx(1.96, abs=0.01)
    assert abs(score_root(*counts, found.high)) == pytest.approx(1.96, abs=0.01)
    plain = stats.contingency.relative_risk(*counts)
    assert found.ratio == pytest.approx(plain.relative_risk)


def test_risk_ratio_with_empty_cells_keeps_a_bound_and_a_reason():
    none = intervals.risk_ratio(0, 103, 28, 426)
    assert (none.ratio, none.low) == (0, 0) and 0 < none.high < 1 and "group 1" in none.note
    only = intervals.risk_ratio(28, 103, 0, 426)
    assert only.ratio == only.high == np.inf and only.low > 1 and "group 0" in only.note
    nobody = intervals.risk_ratio(0, 103, 0, 426)
    assert np.isnan(nobody[:3]).all() and nobody.note
    assert abs(score_root(0, 103, 28, 426, none.high)) == pytest.approx(1.96, abs=0.01)
    with pytest.raises(ValueError, match="both groups"):
        intervals.risk_ratio(0, 0, 1, 5)
    with pytest.raises(ValueError, match="not a count"):
        intervals.risk_ratio(6, 5, 1, 5)


def coverage_of_ratio(n1, n0, p1, p0):
    """Exact: every table that matters, weighted by its chance."""
    inside = seen = 0
    for k1 in range(stats.binom.ppf(1e-4, n1, p1).astype(int), n1 + 1):
        w1 = stats.binom.pmf(k1, n1, p1)
        if w1 < 1e-4:
            continue
        for k0 in range(n0 + 1):
            w = w1 * stats.binom.pmf(k0, n0, p0)
            if w < 1e-5:
                continue
            low, high = intervals.risk_ratio(k1, n1, k0, n0)[1:3]
            seen += w
            inside += w * (low <= p1 / p0 <= high)
    return inside / seen


@pytest.mark.parametrize("ratio", [1, 2])
def test_risk_ratio_coverage(ratio):
    p0 = 28 / (423 + 106 * ratio)
    assert 0.935 < coverage_of_ratio(106, 423, ratio * p0, p0) < 0.98


def strata(rng=None):
    """Two sexes; women are matched three times as often, and more of the group are women."""
    n1, n0 = np.array([38, 68]), np.array([70, 353])
    p0 = np.array([0.12, 0.04])
    if rng is None:
        return n1, n0, p0
    return pd.DataFrame(
        {"k1": rng.binomial(n1, 1.5 * p0), "n1": n1, "k0": rng.binomial(n0, p0), "n0": n0}
    )


def test_mantel_haenszel_known_answer_and_standardisation():
    # expected counts times 1000: the common ratio is met exactly, the crude one is not
    n1, n0, p0 = strata()
    table = (
        pd.DataFrame({"k1": 1500 * n1 * p0, "n1": 1000 * n1, "k0": 1000 * n0 * p0, "n0": 1000 * n0})
        .round()
        .astype(int)
    )
    found = intervals.mantel_haenszel_risk_ratio(table)
    assert found.ratio == pytest.approx(1.5)
    assert intervals.risk_ratio(*table.sum()[["k1", "n1", "k0", "n0"]]).ratio > 1.8
    # one stratum: the crude ratio with the usual log interval
    one = intervals.mantel_haenszel_risk_ratio(table.head(1))
    plain = stats.contingency.relative_risk(*(int(v) for v in table.iloc[0]))
    assert one.ratio == pytest.approx(plain.relative_risk)
    assert one[1:3] == pytest.approx(tuple(plain.confidence_interval()), rel=1e-9)


def test_mantel_haenszel_says_what_it_cannot_do():
    table = pd.DataFrame({"k1": [0, 0], "n1": [9, 4], "k0": [2, 1], "n0": [50, 3]})
    found = intervals.mantel_haenszel_risk_ratio(table)
    assert found.ratio == 0 and np.isnan(found.high) and "group 1" in found.note
    with pytest.raises(ValueError, match="no stratum"):
        intervals.mantel_haenszel_risk_ratio(table.assign(k1=0, n1=0))
    with pytest.raises(ValueError, match="lacks the columns"):
        intervals.mantel_haenszel_risk_ratio(table.drop(columns="n0"))


def test_mantel_haenszel_coverage():
    rng = np.random.default_rng(1)
    found = [intervals.mantel_haenszel_risk_ratio(strata(rng)) for _ in range(800)]
    inside = np.mean([f.low <= 1.5 <= f.high for f in found])
    assert 0.93 < inside < 0.975, inside


def test_fmr_interval_covers_where_identities_repeat():
    rng = np.random.default_rng(3)
    people, faces, rate = 150, 400, 2e-3
    plain = clustered = 0
    for _ in range(400):
        a, b = rng.gamma(0.5, 2, people), rng.gamma(0.5, 2, faces)  # goats and wolves
        i, g = np.nonzero(rng.random((people, faces)) < rate * np.outer(a, b))
        found, low, high = intervals.fmr_interval(i, g, people, faces, people * faces)
        assert found == len(i) / (people * faces)
        clustered += low <= rate <= high
        low, high = intervals.wilson(len(i), people * faces)
        plain += low <= rate <= high
    assert 0.90 < clustered / 400 < 0.98
    assert plain / 400 < 0.80
    with pytest.raises(ValueError, match="no false match"):
        intervals.fmr_interval([], [], 5, 5, 25)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 120), st.integers(2, 450), st.data())
def test_the_score_interval_is_statsmodels_where_that_is_right(n1, n0, data):
    from statsmodels.stats.proportion import confint_proportions_2indep

    k1, k0 = data.draw(st.integers(1, n1 - 1)), data.draw(st.integers(1, n0 - 1))
    ours = intervals.risk_ratio(k1, n1, k0, n0)
    theirs = confint_proportions_2indep(k1, n1, k0, n0, compare="ratio", method="score")
    assert np.allclose((ours.low, ours.high), np.real(theirs), rtol=1e-4)


@pytest.mark.parametrize("counts", [(5, 5, 8, 9), (3, 5, 9, 9), (0, 5, 9, 9), (5, 5, 9, 9)])
def test_where_everyone_in_a_group_is_flagged_the_bounds_hold_the_ratio(counts):
    ratio = intervals.risk_ratio(*counts)
    assert ratio.low <= ratio.ratio <= ratio.high
    if counts[0]:  # the other way round it is the inverse
        k1, n1, k0, n0 = counts
        other = intervals.risk_ratio(k0, n0, k1, n1)
        assert np.isclose(ratio.low, 1 / other.high) and np.isclose(ratio.high, 1 / other.low)
    assert intervals.risk_ratio(5, 5, 8, 9).low < 1 < intervals.risk_ratio(5, 5, 8, 9).high
