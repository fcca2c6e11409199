"""AUC of best scores against its definition."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.statistics.auc import auc_best_scores, delong

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import auc_by_loop

# a busy machine must not fail a test, nor chance
quick = settings(max_examples=50, deadline=None, derandomize=True)
few = st.lists(st.one_of(st.integers(0, 8).map(float), st.just(np.inf)), min_size=2, max_size=15)


@quick
@given(few, few)
def test_auc_against_a_loop(a, b):
    found = auc_best_scores(a, b)
    assert found.auc == pytest.approx(auc_by_loop(a, b))
    assert auc_best_scores(b, a).auc == pytest.approx(1 - found.auc)
    if not np.isnan(found.low):
        assert found.low <= found.auc <= found.high


def test_auc_direction():
    # members of colour nearer to the strangers: above one half
    assert auc_best_scores([0.1, 0.2], [0.3, 0.4, np.inf]).auc == 1
    with pytest.raises(ValueError, match="both groups"):
        auc_best_scores([], [0.1])


def test_auc_delong_variance_against_its_definition_and_its_coverage():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=20).round(1), rng.normal(size=35).round(1)
    auc, variance = delong(a, b)
    psi = (a[:, None] < b) + 0.5 * (a[:, None] == b)
    expected = psi.mean(1).var(ddof=1) / 20 + psi.mean(0).var(ddof=1) / 35
    assert (auc, variance) == pytest.approx((psi.mean(), expected))
    true = stats.norm.cdf(0.5 / np.sqrt(2))
    inside = [
        low <= true <= high
        for _, low, high, *_ in (
            auc_best_scores(rng.normal(-0.5, 1, 60), rng.normal(0, 1, 200)) for _ in range(1000)
        )
    ]
    assert 0.93 < np.mean(inside) < 0.975
