"""Firth's regression where its answer is known."""

import numpy as np
import pandas as pd
import pytest

from helpers.statistics import regression


def two_by_two(k1, n1, k0, n0):
    y = np.repeat([1, 0, 1, 0], [k1, n1 - k1, k0, n0 - k0]).astype(bool)
    return pd.DataFrame({"colour": np.repeat([1, 0], [n1, n0])}), y


@pytest.mark.parametrize("counts", [(11, 106, 17, 423), (0, 20, 5, 60), (4, 4, 1, 30)])
def test_firth_in_a_two_by_two_table_adds_one_half_to_each_cell(counts):
    k1, n1, k0, n0 = counts
    found = regression.firth_logistic(*two_by_two(*counts)).loc["colour"]
    odds = (k1 + 0.5) * (n0 - k0 + 0.5) / ((n1 - k1 + 0.5) * (k0 + 0.5))
    assert found["odds_ratio"] == pytest.approx(odds, rel=1e-6)
    assert found["low"] < found["odds_ratio"] < found["high"]
    assert np.isfinite(found[["low", "high"]]).all()
    assert (found["p"] < 0.05) == (not found["low"] < 1 < found["high"])


def test_firth_size_and_bad_input():
    rng = np.random.default_rng(6)
    rejected = []
    for _ in range(40):
        x = pd.DataFrame({"colour": rng.random(300) < 0.2, "age": rng.normal(size=300)})
        y = rng.random(300) < 0.08
        rejected.append(regression.firth_logistic(x, y).loc["colour", "p"] <= 0.05)
    assert np.mean(rejected) < 0.18  # 8 or more of 40 at a size of 0.05: once in 1000
    with pytest.raises(ValueError, match="collinear"):
        regression.firth_logistic(x.assign(twice=2 * x["age"]), y)
    with pytest.raises(ValueError, match="complete"):
        regression.firth_logistic(x.assign(age=np.nan), y)
