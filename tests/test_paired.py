"""Paired changes, gaps between groups and paired AUCs against known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.statistics.paired import gap_change, paired_change, tango

COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 400)).filter(sum)


def two_times(gained, lost, both, neither):
    """Before and after for the given counts."""
    before = np.repeat([False, True, True, False], [gained, lost, both, neither])
    after = np.repeat([True, False, True, False], [gained, lost, both, neither])
    return before, after


def test_a_paired_change_counts_who_was_gained_and_lost():
    found = paired_change(*two_times(9, 2, 5, 84))
    assert (found.n, found.before, found.after) == (100, 7, 14)
    assert (found.gained, found.lost) == (9, 2)
    assert found.change == pytest.approx(0.07)
    assert found.low < 0.07 < found.high
    # McNemar's exact p: the binomial of 2 or fewer out of 11, both sides
    assert found.p == pytest.approx(2 * stats.binom.cdf(2, 11, 0.5))


def test_nothing_that_changes_has_p_one_and_an_interval_around_zero():
    found = paired_change(*two_times(0, 0, 3, 50))
    assert found.change == 0 and found.p == 1
    assert found.low == pytest.approx(-found.high) and 0 < found.high < 0.1


def test_everyone_gained_or_lost():
    gained, lost = paired_change(*two_times(20, 0, 0, 0)), paired_change(*two_times(0, 20, 0, 0))
    z2 = 1.959964**2  # by hand: with all 20 gained, Tango's lower bound is (n - z2) / (n + z2)
    assert gained.low == pytest.approx((20 - z2) / (20 + z2), abs=1e-5)
    assert gained.change == gained.high == 1
    assert (lost.low, lost.high) == (-1, pytest.approx(-gained.low))


def test_nobody_and_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        paired_change([], [])
    with pytest.raises(ValueError, match="same people"):
        paired_change([True], [True, False])


@given(COUNTS)
@settings(max_examples=80, deadline=None)
def test_tangos_interval_inverts_mcnemars_score_test(counts):
    """It leaves out zero exactly when |b - c| / sqrt(b + c) exceeds 1.96, and is antisymmetric."""
    gained, lost, same = counts
    n = gained + lost + same
    low, high = tango(gained, lost, n)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    back = tango(lost, gained, n)
    assert (low, high) == pytest.approx((-back[1], -back[0]), abs=1e-7)
    z = (gained - lost) / np.sqrt(max(gained + lost, 1))
    if abs(abs(z) - 1.959964) > 1e-6:
        assert (low > 0 or high < 0) == (abs(z) > 1.959964)


def test_tangos_interval_covers_as_it_says():
    rng = np.random.default_rng(1)
    truth, covered = 0.06, []
    for gained, lost, _ in rng.multinomial(102, [0.10, 0.04, 0.86], size=600):
        low, high = tango(int(gained), int(lost), 102)
        covered.append(low <= truth <= high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_the_gap_is_the_difference_of_the_changes():
    before_c, after_c = two_times(10, 0, 5, 85)
    before_w, after_w = two_times(4, 4, 12, 380)
    colour = np.repeat([True, False], [100, 400])
    found = gap_change(np.r_[before_c, before_w], np.r_[after_c, after_w], colour)
    assert found.change == pytest.approx(0.10)
    alone = paired_change(before_c, after_c)
    assert found.low < alone.low + 0.02 and found.high > alone.high - 0.02
    assert found.low > 0 and found.p < 0.01
    # the other way round
    back = gap_change(np.r_[before_c, before_w], np.r_[after_c, after_w], ~colour)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_within_sex_a_gap_that_is_only_sex_goes_away():
    """Women change and men do not; most members of colour are women."""
    sex = np.repeat(["f", "m", "f", "m"], [80, 20, 80, 320])
    colour = np.repeat([True, True, False, False], [80, 20, 80, 320])
    before = np.zeros(500, dtype=bool)
    after = sex == "f"
    after[::2] = False  # half of the women
    assert gap_change(before, after, colour).change > 0.2
    within = gap_change(before, after, colour, sex)
    assert within.change == pytest.approx(0) and within.low < 0 < within.high
    assert within.p > 0.5


def test_a_stratum_without_both_groups_adds_nothing():
    before, after = two_times(5, 1, 2, 42)
    colour = np.arange(50) % 2 == 0
    alone = gap_change(before, after, colour)
    with_another = gap_change(
        np.r_[before, True], np.r_[after, False], np.r_[colour, True], np.r_[np.zeros(50), 1]
    )
    assert with_another == alone
    with pytest.raises(ValueError, match="both groups"):
        gap_change(before, after, np.ones(50, dtype=bool))


def test_the_permutation_is_fishers_exact_test_where_nobody_is_lost():
    """With one stratum and gains only, the sum is hypergeometric: p by hand."""
    colour = np.arange(40) < 12
    before, after = np.zeros(40, dtype=bool), np.zeros(40, dtype=bool)
    after[:6] = after[20:23] = True  # 6 of 12 and 3 of 28 gained
    law = stats.hypergeom(40, 9, 12)
    k = np.arange(10)
    gap = k / 12 - (9 - k) / 28
    expected = law.pmf(k)[np.abs(gap) >= abs(6 / 12 - 3 / 28) - 1e-9].sum()
    assert gap_change(before, after, colour).p == pytest.approx(expected)


def test_the_permutation_within_sex_is_what_shuffling_gives():
    rng = np.random.default_rng(11)
    sex = np.repeat(["f", "m"], [30, 70])
    colour = rng.random(100) < np.where(sex == "f", 0.4, 0.2)
    before, after = rng.random(100) < 0.2, rng.random(100) < 0.3
    after |= colour & (rng.random(100) < 0.15)
    found = gap_change(before, after, colour, sex)
    drawn = []
    for _ in range(3000):
        labels = colour.copy()
        for s in "fm":
            labels[sex == s] = rng.permutation(labels[sex == s])
        step = after.astype(int) - before
        gap = 0
        for s, weight in (("f", 0.3), ("m", 0.7)):
            here = sex == s
            gap += weight * (step[here & labels].mean() - step[here & ~labels].mean())
        drawn.append(abs(gap) >= abs(found.change) - 1e-9)
    assert found.p == pytest.approx(np.mean(drawn), abs=0.03)


def test_the_permutation_has_its_size_and_the_interval_its_coverage():
    rng = np.random.default_rng(3)
    colour = np.arange(300) < 60
    below, covered = [], []
    for _ in range(250):
        before = rng.random(300) < 0.06
        after = np.where(before, rng.random(300) < 0.5, rng.random(300) < 0.08)
        found = gap_change(before, after, colour)
        below.append(found.p <= 0.05)
        covered.append(found.low <= 0 <= found.high)
    assert np.mean(below) <= 0.075
    assert 0.91 <= np.mean(covered) <= 0.99
