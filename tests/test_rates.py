"""Error rates: properties on made-up searches, and known answers."""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.statistics import rates

# a busy machine must not fail a test, nor chance
quick = settings(max_examples=50, deadline=None, derandomize=True)
scores_1d = st.lists(st.integers(0, 30).map(lambda i: i / 1e4), min_size=1, max_size=40)


@quick
@given(st.lists(st.integers(0, 40), min_size=1), st.integers(0, 40), st.integers(0, 40))
def test_fpir_never_falls_as_the_threshold_rises(steps, a, b):
    best = np.array(steps) / 1e4
    low, high = (rates.fpir(rates.at_or_below(best, t / 1e4)) for t in sorted((a, b)))
    assert low.numerator == sum(s <= min(a, b) for s in steps)
    assert low.numerator <= high.numerator <= low.denominator == len(steps)
    assert 0 <= low.low <= low.rate <= low.high <= 1


def test_a_32_bit_score_at_the_threshold_is_a_match():
    # float32(0.07) is above 0.07, float32(0.6) too
    for value in (0.07, 0.6, 0.593, 0.3):
        assert rates.at_or_below(np.float32([value, value + 1e-4]), value).tolist() == [True, False]
        assert rates.at_or_below([value], np.float32(value)).all()


def test_a_confidence_and_a_limit_are_held_to_the_same_tolerance():
    confidence = np.array([0.9, 0.8999, np.float32(0.9), 0.1 + 0.2, np.nan])
    assert rates.at_or_above(confidence, 0.9).tolist() == [True, False, True, False, False]
    assert rates.at_or_above(confidence[:2], np.array([0.9001, 0.8999])).tolist() == [False, True]
    scores = np.array([0.06, 0.07, np.float32(0.07), 0.0701])
    assert np.searchsorted(scores, rates.reach(0.07), side="right") == 3
    assert rates.at_or_below(scores, 0.07).sum() == 3
    assert np.isinf(rates.reach(np.inf))


def test_fpir_needs_searches_and_booleans():
    assert rates.fpir([True] * 28 + [False] * 507)[:2] == (28, 535)
    with pytest.raises(ValueError, match="nobody"):
        rates.fpir(np.array([], dtype=bool))
    with pytest.raises(ValueError, match="True or False"):
        rates.fpir([0.07, 0.2])


def test_no_fewer_comparisons_were_made_than_scores_are_here():
    with pytest.raises(ValueError, match="every comparison made"):
        rates.threshold_for_fmr([0.1, 0.2], 1, 0.1)


def test_misses():
    assert rates.fnmr([0.1, 0.2, 0.3, np.inf], 0.2)[:3] == (2, 4, 0.5)
    assert rates.fnir([0.1, 0.2, 0.3, np.inf], 0.2)[:2] == (2, 4)
    assert rates.fnir([0.1, 0.2, 0.1], 0.2, ranks=[1, 2, np.nan], max_rank=1)[:2] == (2, 3)
    with pytest.raises(ValueError, match="rank of the mate"):
        rates.fnir([0.1], 0.2, max_rank=1)
    with pytest.raises(ValueError, match="NaN"):
        rates.fnmr([np.nan], 0.2)


@quick
@given(scores_1d, st.data())
def test_threshold_for_count_is_the_kth_best(best, data):
    k = data.draw(st.integers(1, len(best)))
    found = rates.threshold_for_count([*best, np.inf], k)
    assert found.threshold == sorted(best)[k - 1]
    assert found.attained == sum(b <= found.threshold for b in best) >= k
    # the next lower stored score flags fewer than k
    assert sum(b < found.threshold for b in best) < k
    assert (found.attained == k) == (k == len(best) or sorted(best)[k] > found.threshold)


def test_threshold_for_count_says_what_is_wrong():
    assert rates.threshold_for_count([0.1, 0.2, 0.2, 0.3], 2) == (0.2, 3, 2)
    with pytest.raises(ValueError, match="only 2 of 3"):
        rates.threshold_for_count([0.1, 0.2, np.inf], 3)
    for k in (0, 1.5):
        with pytest.raises(ValueError, match="whole number"):
            rates.threshold_for_count([0.1], k)


@quick
@given(
    st.lists(st.integers(0, 60), min_size=40, max_size=120),
    st.integers(1, 500),
    st.floats(0.01, 0.9),
)
def test_threshold_for_fmr_is_the_loosest_that_keeps_the_target(grid, extra, target):
    scores = np.array(grid) / 1e4
    # the comparisons that were not kept lie above the tail
    everything = np.concatenate([scores, np.full(extra, 0.5)])
    try:
        found = rates.threshold_for_fmr(scores, everything.size, target)
    except ValueError:
        kept = np.unique(scores)
        within = [t for t in kept if (scores <= t).sum() <= target * everything.size]
        at_best = (scores <= within[-1]).sum() if within else 0
        ends_early = within and within[-1] == kept[-1]
        assert at_best < 30 or ends_early
        return
    assert found.errors == (everything <= found.threshold + 1e-6).sum() >= 30
    assert found.fmr <= target * (1 + 1e-9)
    looser = scores[scores > found.threshold + 1e-6]
    if looser.size:
        assert (scores <= looser.min() + 1e-6).sum() > target * everything.size


def test_threshold_for_fmr_wants_thirty_errors_and_a_complete_tail():
    scores = np.arange(1, 101) / 1e4
    assert rates.threshold_for_fmr(scores, 10_000, 0.005)[:2] == (0.005, 50)
    with pytest.raises(ValueError, match="rests on 29 errors"):
        rates.threshold_for_fmr(scores, 10_000, 0.0029)
    with pytest.raises(ValueError, match="scores end at"):
        rates.threshold_for_fmr(scores, 10_000, 0.02)
    with pytest.raises(ValueError, match="0 errors"):
        rates.threshold_for_fmr([], 10_000, 0.00001)
    with pytest.raises(ValueError, match="between 0 and 1"):
        rates.threshold_for_fmr(scores, 10_000, 28)


def members():
    return pd.DataFrame(
        {
            "group": ["White"] * 4 + ["Black"] * 3,
            "gender": ["male", "male", "female", "female", "female", "female", "male"],
            "flagged": [True, False, False, False, True, True, False],
        }
    )


def test_by_group_counts_everyone_once():
    table = rates.by_group(members(), "group", order=["White", "Black", "Hispanic"])
    assert table["searched"].tolist() == [4, 3, 0]
    assert table["flagged"].tolist() == [1, 2, 0]
    assert np.isnan(table.loc["Hispanic", "fpir"])
    one = rates.fpir(members().query("group == 'Black'")["flagged"])
    assert table.loc["Black", ["fpir", "low", "high"]].tolist() == list(one[2:])
    with pytest.raises(ValueError, match="missing from the order"):
        rates.by_group(members(), "group", order=["White"])
    with pytest.raises(ValueError, match="1 members have no group"):
        rates.by_group(members().replace({"group": {"White": None}}).iloc[3:], "group")


def test_within_sex_splits_each_group():
    table = rates.within_sex(members(), order=["White", "Black"])
    assert table.loc[("female", "White"), ["searched", "flagged"]].tolist() == [2, 0]
    assert table.loc[("male", "Black"), ["searched", "flagged"]].tolist() == [1, 0]
    assert table["searched"].sum() == 7


def test_false_match_share_is_not_called_a_rate():
    # the ACLU's 28: 11 of colour
    flags = np.array([True] * 28 + [False] * 507)
    of_colour = np.arange(535) < 11
    share = rates.false_match_share(flags, of_colour)
    assert (share.numerator, share.denominator) == (11, 28)
    assert "rate" not in share._fields
    assert np.isnan(rates.false_match_share(np.zeros(5, bool), np.ones(5, bool)).share)


def by_enumeration(k, n):
    """Chance of at least one match, by listing every gallery that can be drawn."""
    hits = total = 0
    draws = [list(combinations(range(N), m)) for (_, N), m in zip(k, n, strict=True)]
    for a in draws[0]:
        for b in draws[1]:
            total += 1
            hits += any(i < k[0][0] for i in a) or any(i < k[1][0] for i in b)
    return hits / total


@quick
@given(st.data())
def test_hypergeometric_fpir_against_enumeration(data):
    N = [data.draw(st.integers(0, 6)), data.draw(st.integers(0, 5))]
    k = [data.draw(st.integers(0, x)) for x in N]
    n = [data.draw(st.integers(0, x)) for x in N]
    exact = by_enumeration(list(zip(k, N, strict=True)), n)
    assert rates.expected_fpir_hypergeometric(k, N, n) == pytest.approx(exact, abs=1e-12)


def test_hypergeometric_fpir_at_the_size_of_a_gallery():
    N, n = [18_000, 5_000], [1_000, 2_500]
    k = np.array([[0, 0], [1, 0], [40, 7], [17_500, 0], [0, 5_000]])
    found = rates.expected_fpir_hypergeometric(k, N, n)
    for row, value in zip(k, found, strict=True):
        none = 1
        for a, b, c in zip(row.tolist(), N, n, strict=True):
            none *= comb(b - a, c) / comb(b, c) if comb(b - a, c) else 0
        assert value == pytest.approx(1 - none, rel=1e-12, abs=1e-15)
    # a small chance in a large gallery keeps its digits
    assert rates.expected_fpir_hypergeometric([1], [10**9], [1]) == pytest.approx(1e-9, rel=1e-9)
    whole = rates.expected_fpir_hypergeometric(k, N, N)
    assert whole.tolist() == [0, 1, 1, 1, 1]


def test_hypergeometric_fpir_refuses_impossible_galleries():
    with pytest.raises(ValueError, match="more faces are to be drawn"):
        rates.expected_fpir_hypergeometric([1], [5], [6])
    with pytest.raises(ValueError, match="matches more faces"):
        rates.expected_fpir_hypergeometric([6], [5], [5])
    with pytest.raises(ValueError, match="whole numbers"):
        rates.expected_fpir_hypergeometric([0.5], [5], [5])
