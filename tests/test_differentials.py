"""Measures of how far rates lie apart, where their value is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.statistics import differentials as d

quick = settings(max_examples=50, deadline=None, derandomize=True)
some_rates = st.lists(st.floats(0.001, 0.999), min_size=2, max_size=8)


def counts(searched, flagged):
    return pd.DataFrame({"searched": searched, "flagged": flagged})


@quick
@given(some_rates)
def test_gini_is_the_mean_difference_over_twice_the_mean(rates):
    pairs = list(itertools.permutations(rates, 2))
    mean_difference = sum(abs(a - b) for a, b in pairs) / len(pairs)  # pairs of different groups
    assert d.gini(rates) == pytest.approx(mean_difference / (2 * np.mean(rates)), abs=1e-12)


@quick
@given(some_rates)
def test_ratios_do_not_change_with_the_order_and_grow_from_one(rates):
    for measure in (d.max_over_min, d.max_over_geometric_mean):
        assert measure(rates) == pytest.approx(measure(rates[::-1]))
        assert measure(rates) >= 1 - 1e-12
    assert d.max_over_geometric_mean(rates) <= d.max_over_min(rates) + 1e-12


def test_equal_rates_and_one_rate_alone():
    assert d.gini([0.2, 0.2, 0.2]) == pytest.approx(0)
    assert d.gini([0, 0, 0, 0.7]) == pytest.approx(1)
    assert d.max_over_min([0.2, 0.2]) == d.max_over_geometric_mean([0.2, 0.2]) == 1
    assert d.max_over_geometric_mean([0.01, 0.04]) == pytest.approx(2)


def test_a_rate_of_zero_makes_ratios_infinite_and_all_zero_makes_them_unknown():
    assert d.max_over_min([0.1, 0]) == d.max_over_geometric_mean([0.1, 0]) == np.inf
    for measure in d.MEASURES.values():
        assert np.isnan(measure([0, 0, 0]))


@pytest.mark.parametrize("rates", [[0.1], [0.1, 1.2], [0.1, np.nan], [-0.1, 0.2]])
def test_what_are_no_rates_of_groups_is_refused(rates):
    for measure in d.MEASURES.values():
        with pytest.raises(ValueError, match=r"two groups|between 0 and 1"):
            measure(rates)


def test_small_groups_are_left_out_of_the_second_choice_and_said():
    table = counts([427, 47, 38, 9, 0], [11, 7, 2, 7, 0])
    found = d.differentials(table).set_index(["groups", "measure"])
    assert found.loc[(d.ALL, "max / min"), "value"] == pytest.approx((7 / 9) / (11 / 427))
    assert found.loc[(d.LARGER, "max / min"), "value"] == pytest.approx((7 / 47) / (11 / 427))
    assert found.loc[d.ALL, "n_groups"].tolist() == [4] * 3  # nobody was searched of the fifth
    assert found.loc[d.LARGER, "smallest"].tolist() == [38] * 3
    assert found.loc[d.LARGER, "fewest"].tolist() == [2] * 3
    assert not found["enough"].any()


def test_enough_needs_people_and_errors_of_every_group():
    found = d.differentials(counts([500, 400, 10], [40, 30, 5])).set_index("groups")["enough"]
    assert not found[d.ALL].any()
    assert found[d.LARGER].all()


def test_zeros_are_counted_and_nobody_flagged_gives_no_value():
    found = d.differentials(counts([100, 100], [5, 0]))
    assert (found["zeros"] == 1).all()
    assert found.query("measure != 'Gini'")["value"].eq(np.inf).all()
    nothing = d.differentials(counts([100, 5], [0, 0]))
    assert nothing["value"].isna().all()
    assert nothing.query("groups == @d.LARGER")["n_groups"].eq(1).all()
    assert d.differentials(counts([5], [1]))["n_groups"].tolist() == [1, 1, 1, 0, 0, 0]


def test_chance_is_that_of_a_two_by_two_table():
    # six flagged among two groups of 30: the ratio is 1 (0.33), 2 (0.48), 5 (0.17) or inf (0.02)
    found = d.differentials(counts([30, 30], [3, 3])).query("groups == @d.ALL").iloc[0]
    assert (found["value"], found["chance"], found["chance_high"]) == pytest.approx((1, 2, 5))
    # 28 flagged, groups as large as those of Congress: equal chances give a ratio far from 1
    found = d.differentials(counts([427, 47, 38], [22, 3, 3])).iloc[0]
    assert 2 < found["chance"] < 4
    assert found["value"] < found["chance"]


def test_draws_are_the_same_each_time_and_bad_counts_are_refused():
    table = counts([427, 47, 38], [11, 7, 2])
    pd.testing.assert_frame_equal(d.differentials(table), d.differentials(table))
    with pytest.raises(ValueError, match="between 0 and searched"):
        d.differentials(counts([10, 10], [11, 1]))
