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

sys.path.insert(0, str(Path(__file__).parent))

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
