"""The reviewer's arithmetic, with answers worked out by hand, and its sources."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.experiments.what_the_officer_sees import reviewers as r
from helpers.faces.pipelines import PRIMARY_MODELS

share = st.floats(0, 1)


def test_a_worked_example():
    # 500 enrolled, 400 of them on the list; 600 lists without the person
    found = r.outcomes(r.Reviewer(0.7, 0.1, 0.3), 0.5, 0.8)
    assert found["right"] == pytest.approx(280)
    assert found["wrong"] == pytest.approx(40 + 180)
    assert found["nobody"] == pytest.approx(500)
    assert found["right_share"] == pytest.approx(280 / 500)


def test_a_threshold_leaves_nothing_to_err_on():
    reviewer = r.Reviewer(0.7, 0.0, 0.3)
    assert r.outcomes(reviewer, 0.5, 0.8, shown=0)["wrong"] == 0
    assert r.outcomes(reviewer, 0.5, 0.8, shown=0.05)["wrong"] == pytest.approx(9)


def test_nobody_named_has_no_share():
    assert math.isnan(r.outcomes(r.Reviewer(0, 0, 0), 0.5, 0.5)["right_share"])


@given(share, share, share, share, share, share)
def test_every_search_ends_somewhere(finds, wrong, alarm, enrolled, on_list, shown):
    reviewer = r.Reviewer(finds, min(wrong, 1 - finds), alarm)
    found = r.outcomes(reviewer, enrolled, on_list, shown)
    assert found["right"] + found["wrong"] + found["nobody"] == pytest.approx(1000)
    assert min(found["right"], found["wrong"]) >= 0 and found["nobody"] >= -1e-6


@given(share, share)
def test_more_enrolled_people_make_names_more_often_right(a, b):
    low, high = sorted((a, b))
    few, many = (r.outcomes(r.Reviewer(0.5, 0.1, 0.5), p, 0.9) for p in (low, high))
    assert few["right_share"] <= many["right_share"] + 1e-12


@pytest.mark.parametrize(
    ("reviewer", "enrolled"),
    [(r.Reviewer(1.2, 0, 0), 0.5), (r.Reviewer(0.5, 0, 0.5), -0.1), (r.Reviewer(0.8, 0.4, 0), 0.5)],
)
def test_impossible_rates_are_refused(reviewer, enrolled):
    with pytest.raises(ValueError):
        r.outcomes(reviewer, enrolled, 0.9)


def test_every_published_rate_has_a_source_and_a_status():
    table = r.reviewers()
    assert table["source_url"].str.startswith("https://").all()
    assert table[["study", "date", "quantity", "value"]].ne("").all(axis=None)
    with pytest.raises(LookupError):
        r.published_rate("White 2015", "no such thing")


def test_the_scenarios_use_the_published_rates():
    table = r.scenarios().set_index("scenario")
    assert table.loc["Users of such software", "best"] == r.Reviewer(0.5, 0.0, 0.5)
    examiners = table.loc["Facial examiners", "worst"]
    assert examiners == pytest.approx(r.Reviewer(0.7, 0.3, 0.3))
    assert table.loc["Passport officers, first only", "best"] == pytest.approx((0.94, 0, 0.14))


def test_the_calculator_is_ordered():
    table = r.calculate()
    assert set(table["model"]) == set(PRIMARY_MODELS)
    cases = table.pivot(index=["scenario", "model", "share"], columns="case", values="wrong")
    assert (cases["best"] <= cases["worst"] + 1e-9).all()
    never = table[table["scenario"] == "A reviewer who never errs"]
    assert (never["wrong"] == 0).all()
    assert (table["right"] <= 1000 * table["share"]).all()


def test_police_figures_are_read_from_the_events():
    table = r.use().set_index("What became of the searches")
    assert r.base_rate() == pytest.approx(1851 / 7024)
    assert table.loc[r.USE[(r.DETROIT, "0.3")], "Share"] == 0.3
    assert table.loc[r.USE[(r.NEW_YORK, "998")], "Share"] == pytest.approx(998 / 7024)
    assert r.inputs()["as in New York"] == r.base_rate()


def test_an_event_that_is_gone_is_missed(monkeypatch):
    monkeypatch.setitem(r.USE, (r.NEW_YORK, "1"), "no such event")
    with pytest.raises(KeyError):
        r.use()


def test_the_table_of_names_is_that_of_the_calculator():
    shown = r.show_outcomes().set_index(["Who looks", "In the gallery"])
    table = r.calculate((0.1,)).query("scenario == 'Facial examiners'")
    row = shown.loc[("Facial examiners", "one in ten")]
    assert row["Right names"] == r.span(table["right"])
    assert row["Wrong names"] == r.span(table["wrong"])
    assert len(shown) == len(r.scenarios()) * len(r.inputs())


def test_spans():
    assert r.span([3.2, 1000.4]) == "3 to 1,000" and r.span([2.0, 2.1]) == "2"


def test_the_part_of_wrong_names_falls_as_more_are_in_the_gallery():
    for _, part in r.curves().groupby("scenario"):
        assert part.sort_values("share")["low"].is_monotonic_decreasing
        assert (part["low"] <= part["high"] + 1e-12).all()
