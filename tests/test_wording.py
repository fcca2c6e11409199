"""Pieces of sentences."""

import pytest

from helpers import wording


@pytest.mark.parametrize(
    ("texts", "said"),
    [(["a"], "a"), (["a", "b"], "a and b"), (iter("abc"), "a, b and c")],
)
def test_a_list_of_texts(texts, said):
    assert wording.listed(texts) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0004, "< 0.001"), (0.001, "0.001"), (0.0416, "0.042"), (float("nan"), "–")],
)
def test_a_p_value(value, said):
    assert wording.p_text(value) == said
