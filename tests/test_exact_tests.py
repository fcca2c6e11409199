"""Tests for few counts: never over-sized, and as strong as they say."""

import sys
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.statistics import exact_tests
from helpers.statistics.auc import auc_best_scores

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import auc_by_loop

# a busy machine must not fail a test, nor chance
quick = settings(max_examples=50, deadline=None, derandomize=True)


def test_fisher_exact_is_never_oversized():
    n1, n0, total = 106, 423, 28
    ways = [comb(n1, k) * comb(n0, total - k) for k in range(total + 1)]
    pvalues = [exact_tests.fisher_exact(k, n1, total - k, n0) for k in range(total + 1)]
    for alpha in (0.01, 0.05, 0.2):
        size = sum(w for w, p in zip(ways, pvalues, strict=True) if p <= alpha) / sum(ways)
        assert size <= alpha
    assert exact_tests.power_fisher(n1, n0, total, 1) == pytest.approx(
        sum(w for w, p in zip(ways, pvalues, strict=True) if p <= 0.05) / sum(ways)
    )


def test_power_is_what_the_plan_states():
    # 28 flagged, a fifth of colour: about 0.4 at a ratio of 2 and 0.8 at 3
    assert 0.35 < exact_tests.power_fisher(104, 425, 28, 2) < 0.5
    assert 0.75 < exact_tests.power_fisher(104, 425, 28, 3) < 0.87
    with pytest.raises(ValueError, match="cannot give"):
        exact_tests.power_fisher(10, 10, 20, 3)


def test_power_agrees_with_a_simulation_of_searches():
    n1, n0, ratio = 106, 423, 3
    p0 = 28 / (n1 * ratio + n0)
    rng = np.random.default_rng(2)
    k1, k0 = rng.binomial(n1, ratio * p0, 400_000), rng.binomial(n0, p0, 400_000)
    k1 = k1[k1 + k0 == 28]
    p = {k: exact_tests.fisher_exact(k, n1, 28 - k, n0) for k in np.unique(k1)}
    power = np.mean([p[k] <= 0.05 for k in k1])
    assert power == pytest.approx(exact_tests.power_fisher(n1, n0, 28, ratio), abs=0.012)


def test_holm_known_answer():
    p = pd.Series([0.01, 0.04, 0.03], index=["Dlib", "SFace", "Facenet"])
    adjusted = exact_tests.holm(p)
    assert adjusted.to_dict() == pytest.approx({"Dlib": 0.03, "SFace": 0.06, "Facenet": 0.06})


@settings(quick, max_examples=15)  # statsmodels collects garbage at every call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_monotone_and_never_below_the_raw_p(p):
    adjusted = exact_tests.holm(p)
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (adjusted >= np.array(p)).all() and (adjusted <= 1).all()
    assert adjusted[order[0]] == pytest.approx(min(1, len(p) * min(p)))


def test_holm_refuses_a_missing_p():
    with pytest.raises(ValueError, match="none missing"):
        exact_tests.holm([0.1, np.nan])


def test_permutation_test_size_power_and_strata():
    rng = np.random.default_rng(5)
    sex = np.repeat([0, 1], [60, 140])
    labelled = rng.random(200) < np.where(sex == 0, 0.5, 0.15)
    pvalues, crude, power = [], [], []
    for r in range(300):
        best = rng.normal(size=200) - 1.5 * (sex == 0)  # women nearer, the group has more women
        pvalues.append(exact_tests.rank_permutation_test(best, labelled, sex, 199, seed=r).p)
        if r < 60:
            crude.append(auc_best_scores(best[labelled], best[~labelled]).p)
            power.append(exact_tests.rank_permutation_test(best - labelled, labelled, sex, 199).p)
    size = np.mean(np.array(pvalues) <= 0.05)
    assert size <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 300), size
    assert size > 0.01
    assert np.mean(np.array(crude) <= 0.05) > 0.5  # without strata sex would pass for ethnicity
    assert np.mean(np.array(power) <= 0.05) > 0.9


def test_permutation_p_against_every_permutation():
    best = np.array([0.1, 0.2, 0.2, 0.4, 0.5, 0.6])
    labelled = np.array([True, True, False, False, False, False])
    found = exact_tests.rank_permutation_test(best, labelled, np.zeros(6), 20_000, seed=1)
    every = [auc_by_loop(best[[i, j]], np.delete(best, [i, j])) for i in range(6) for j in range(i)]
    observed = auc_by_loop(best[:2], best[2:])
    exact = np.mean(np.abs(np.array(every) - 0.5) >= abs(observed - 0.5) - 1e-12)
    assert found.auc == pytest.approx(observed)
    assert found.p == pytest.approx(exact, abs=0.01)
    again = exact_tests.rank_permutation_test(best, labelled, np.zeros(6), 20_000, seed=1)
    assert again == found
    with pytest.raises(ValueError, match="nothing to permute"):
        exact_tests.rank_permutation_test(best, labelled, labelled, 99)
