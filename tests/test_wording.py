"""Pieces of sentences."""

import math

import pytest

from helpers.show import numbers


@pytest.mark.parametrize(
    ("texts", "said"),
    [(["a"], "a"), (["a", "b"], "a and b"), (iter("abc"), "a, b and c")],
)
def test_a_list_of_texts(texts, said):
    assert numbers.listed(texts) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0004, "< 0.001"), (0.001, "0.001"), (0.0416, "0.042"), (float("nan"), "–")],
)
def test_a_p_value(value, said):
    assert numbers.p_text(value) == said


def test_a_change_has_a_sign():
    assert (numbers.signed(0.3), numbers.signed(-1.26, 1)) == ("+0.30", "−1.3")


@pytest.mark.parametrize(
    ("page", "odd"),
    [
        ("6.2 %, 95 % interval 4.5-8.6", "interval 4.5-8.6"),
        ("6.2 %, 95 % interval 5-9", "interval 5-9"),
        ("<td>101 of 102 (99.0 %, 94.7-99.8)</td>", "94.7-99.8"),
        ('<img alt="A ratio, 95 % interval <b>0.4-2.0">', "0.4-2.0"),
        ("a gallery of <b>25000</b> faces", "25000"),
        ('<img alt="25000 faces">', "25000"),
    ],
)
def test_a_number_in_another_style_is_found(page, odd):
    assert numbers.odd_numbers(page)[0].endswith(odd)


@pytest.mark.parametrize(
    "page",
    [
        "33 of 529 (6.2 %, 95 % interval 4.5–8.6) of 25,000; ISO/IEC 19795-1; men of 18-34",
        "`2.9e-03` of 0.10000, commit `1234567`, file 020301.jpg, 2018-07-26, 1.0-alpha",
        "<code>12345</code><script>12345; '1.2-3.4'</script>[x](y/12345.csv)",
    ],
)
def test_other_numbers_are_left_alone(page):
    assert numbers.odd_numbers(page) == []


def test_rates_are_written_one_way():
    assert numbers.rate(33, 529, 0.0447, 0.0863) == "33 of 529 (6.2 %, 95 % interval 4.5–8.6)"
    assert numbers.rate(28, 529) == "28 of 529 (5.3 %)"
    assert numbers.rate(0, 12, 0, 0.2425) == "0 of 12 (0.0 %, 95 % interval 0.0–24.2)"
    assert numbers.rate(30, 12_000_000) == "30 of 12,000,000 (0.00025 %)"
    assert numbers.rate(0, 0) == "0 of 0 (not defined)"
    assert numbers.ratio_interval(0.36, 2.2) == "0.36–2.20"
    assert numbers.ratio_interval(30.3, math.inf) == "30.30 or more"
    assert numbers.ratio(0.89, 0.36, 2.2) == "0.89 (0.36–2.20)"
    assert numbers.interval(math.nan, math.nan) == "not defined"


@pytest.mark.parametrize(
    "arguments", [(-1, 5), (6, 5), (1, -1), (1, 2, 0.1), (1, 2, None, 0.1), (0, 0, 0.1)]
)
def test_what_is_no_rate_or_has_half_an_interval_is_refused(arguments):
    with pytest.raises(ValueError):
        numbers.rate(*arguments)
