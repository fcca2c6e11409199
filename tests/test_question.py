"""Notebook 00: the tables of what others published."""

import pandas as pd
import pytest

from helpers.experiments import the_question as q
from helpers.sources import published


def row(value, quantity="a", denominator=""):
    return pd.Series({"value": value, "quantity": quantity, "denominator": denominator})


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (row("28", denominator="535"), "28 of 535"),
        (row("73", denominator="1429"), "73 of 1,429"),
        (row("25000", "gallery size"), "25,000"),
        (row("more than 12000", "images"), "over 12,000"),
        (row("0.0866", "error (share)"), "8.66 %"),
        (row("0.2", "of colour (share)"), "20 %"),
        (row(">0.50", "errors (share)"), "over 50 %"),
        (row("80", "threshold (percent)"), "80 %"),
        (row("10 to >100", "differential (factor)"), "10 to >100"),
        (row("until further notice"), "until further notice"),
        (row(""), ""),
    ],
)
def test_a_published_value_is_written_out(given, shown):
    assert q._value(given) == shown


def test_every_published_number_is_in_one_table_or_among_the_events():
    tables = [q.numbers_of(s) for s in ([published.ACLU], q.AMAZON, q.others())]
    events = q.what_happened()["What"].str.cat(sep=" ")
    assert all(company in events for company in q.OTHER_COMPANIES)
    left = published.published_results()["study"].isin(q.OTHER_COMPANIES).sum()
    assert sum(map(len, tables)) + left == len(published.published_results())
    assert all(t.notna().all(axis=None) for t in tables)


def test_the_share_is_not_the_rate():
    reported, coded = q.by_colour().to_dict("records")
    assert reported["Of colour, of the matched"] == "11 of 28 (39.3 %)"
    assert coded["Of colour, of the matched"] == "12 of 28 (42.9 %)"
    assert coded["Matched, of members of colour"] == "12 %"  # 12 of 102
    assert coded["Matched, of white members"] == "4 %"  # 16 of 427
    assert reported["Matched, of members of colour"].startswith("about")


def test_a_test_that_is_not_disclosed_says_so():
    table = q.laid_open().set_index("Test")
    assert table.loc["ACLU 2018", ["Threshold", "Scores"]].tolist() == ["yes", "no"]
    assert table.loc["ACLU Massachusetts 2019", "Threshold"] == "not found"
    assert table.notna().all(axis=None)


def test_each_event_has_a_lane_and_a_dot():
    data = q.events()
    fig = q.plot_events(data)
    dots = sum(len(c.get_offsets()) for c in fig.axes[0].collections)
    assert dots == len(data) == len(published.events())
    assert set(data["lane"]) == set(q.LANES.values())
