"""The scale of the service's Similarity: its anchors, its order, its way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import calibration, shipping
from helpers.service import similarity

model_names = st.sampled_from(PRIMARY_MODELS)
distances = st.integers(0, 25_000).map(lambda n: n / 10_000)  # as scores are stored


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_what_the_scale_is_fixed_at(model):
    config = shipping.configuration(model)
    strict = calibration.threshold(config, similarity.STRICT_FMR)
    for distance, percent in ((0, 100), (strict, 99), (config.default_threshold, 80), (3, 0)):
        assert similarity.from_distance(model, distance) == percent
    assert 0 < strict < config.default_threshold


@given(model_names, distances, distances)
def test_the_more_alike_the_higher(model, a, b):
    near, far = sorted([a, b])
    high, low = similarity.from_distance(model, [near, far])
    assert 0 <= low <= high <= 100
    if near < far and low > 0:
        assert low < high, "two scores have one similarity"


@given(model_names, distances)
def test_the_way_back(model, distance):
    percent = similarity.from_distance(model, distance)
    if percent > 0:
        assert similarity.to_distance(model, percent) == pytest.approx(distance, abs=5e-5)


@given(model_names, st.floats(0.1, 100), distances)
def test_a_threshold_in_percent_is_one_of_distance(model, threshold, distance):
    """Searching a step beyond `to_distance` misses nobody whose similarity reaches it."""
    if similarity.from_distance(model, distance) >= threshold:
        assert distance <= similarity.to_distance(model, threshold) + 1e-4


def test_the_table_says_what_was_calibrated():
    table = similarity.table()
    strict = table[table["similarity"] == similarity.STRICT].set_index("model")
    for model in PRIMARY_MODELS:
        config = shipping.configuration(model)
        expected = calibration.threshold(config, similarity.STRICT_FMR)
        assert strict.loc[model, "distance"] == expected
        assert strict.loc[model, "fmr"] == pytest.approx(similarity.STRICT_FMR, rel=0.1)
    ordered = table.sort_values(["model", "similarity"]).groupby("model")
    assert (ordered["fmr"].diff().dropna() < 0).all()
    assert (ordered["missed"].diff().dropna() >= 0).all()
    assert np.isfinite(table.select_dtypes("number")).all(axis=None)


def test_a_model_without_a_scale():
    with pytest.raises(UserError, match="no similarity scale"):
        similarity.from_distance("ArcFace", 0.5)
