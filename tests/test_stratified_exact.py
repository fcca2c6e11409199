"""The exact conditional odds ratio over strata: published example, scipy, and brute force."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.statistics.stratified_exact import conditional_odds_ratio


def table(*rows):
    return pd.DataFrame(rows, columns=["k1", "n1", "k0", "n0"])


def test_a_published_example():
    # penicillin in rabbits, Mantel and Haenszel; R's mantelhaen.test(Rabbits, exact = TRUE)
    rabbits = table((0, 6, 0, 5), (3, 6, 0, 6), (6, 6, 2, 6), (5, 6, 6, 6), (2, 2, 5, 5))
    found = conditional_odds_ratio(rabbits)
    two_sided = found.p_higher + tail_as_small(rabbits)
    assert round(two_sided, 5) == 0.03994
    assert found.odds_ratio == pytest.approx(10.36102, abs=1e-4)
    assert found.low == pytest.approx(1.0774, rel=1e-3)
    assert found.high == pytest.approx(529.84, rel=1e-2)  # R looks for it less closely


def masses(strata):
    """Chance of each sum of k1 under a ratio of 1, by listing every table."""
    spread = []
    for k1, n1, k0, n0 in strata.itertuples(index=False):
        t = k1 + k0
        values = range(max(0, t - n0), min(n1, t) + 1)
        spread.append([(k, stats.hypergeom.pmf(k, n1 + n0, n1, t)) for k in values])
    chance = {}
    for choice in itertools.product(*spread):
        total = sum(k for k, _ in choice)
        chance[total] = chance.get(total, 0) + np.prod([p for _, p in choice])
    return chance


def tail_as_small(strata):
    """Chance of the sums on the other side that are no likelier than what was seen."""
    chance, seen = masses(strata), strata["k1"].sum()
    return sum(p for k, p in chance.items() if k < seen and p <= chance[seen] * (1 + 1e-7))


counts = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(counts, min_size=1, max_size=3))
def test_p_values_are_those_of_listing_every_table(rows):
    strata = table(*rows)
    found, chance = conditional_odds_ratio(strata), masses(strata)
    seen = strata["k1"].sum()
    assert found.p_higher == pytest.approx(sum(p for k, p in chance.items() if k >= seen))
    assert found.p_lower == pytest.approx(sum(p for k, p in chance.items() if k <= seen))
    if not np.isnan(found.odds_ratio):
        assert found.low <= found.odds_ratio <= found.high
        # the interval leaves 1 out exactly where a one-sided p is below 0.025
        assert (found.low > 1) == (found.p_higher < 0.025)
        assert (found.high < 1) == (found.p_lower < 0.025)


@pytest.mark.parametrize("row", [(3, 10, 2, 40), (1, 15, 5, 60), (7, 8, 1, 9)])
def test_one_stratum_is_scipys(row):
    k1, n1, k0, n0 = row
    other = stats.contingency.odds_ratio([[k1, n1 - k1], [k0, n0 - k0]], kind="conditional")
    interval = other.confidence_interval(0.95)
    found = conditional_odds_ratio(table(row))
    assert found.odds_ratio == pytest.approx(other.statistic, rel=1e-4)
    assert found[1:3] == pytest.approx((interval.low, interval.high), rel=1e-3)


def test_the_ends_and_nothing_to_compare():
    none = conditional_odds_ratio(table((0, 5, 3, 50), (0, 4, 1, 20)))
    assert none.odds_ratio == 0 and none.low == 0 and 1 < none.high < np.inf
    every = conditional_odds_ratio(table((2, 5, 0, 50)))
    assert every.odds_ratio == np.inf and every.high == np.inf and every.low > 1
    nothing = conditional_odds_ratio(table((0, 5, 0, 50), (2, 3, 0, 0)))
    assert np.isnan(nothing.odds_ratio) and nothing[1:] == (0.0, np.inf, 1.0, 1.0)
    with pytest.raises(ValueError, match="not a count"):
        conditional_odds_ratio(table((6, 5, 0, 50)))
