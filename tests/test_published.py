"""Published numbers: each has a source and a status, and comes from the table."""

import pandas as pd
import pytest

from helpers.sources import published


def test_every_number_has_a_source_and_a_known_status():
    results = published.published_results()
    assert len(results) == 59 and results.source_url.str.startswith("http").all()
    assert not results.note.str.contains("Was sourced|orrected").any()  # a history of this file


def test_the_numbers_of_the_aclu():
    assert published.number("ACLU 2018", "members falsely matched") == 28
    assert published.number("ACLU 2018", "gallery size (arrest photos)") == 25000
    assert published.number("ACLU 2018", "people of colour among the falsely matched") == 11


@pytest.mark.parametrize(
    ("study", "quantity"),
    [
        ("ACLU 2018", "no such thing"),
        ("Amazon reply 2018", "threshold recommended for law enforcement (percent)"),  # two
        ("NISTIR 8280 2019", "false-positive differential between demographic groups (factor)"),
    ],
)
def test_what_is_not_one_number_is_refused(study, quantity):
    with pytest.raises(LookupError):
        published.number(study, quantity)


def test_the_28_are_28_members_each_linked_to_one():
    listed = published.aclu_28()
    assert len(listed) == 28 and listed.member_id.is_unique
    assert listed.chamber.value_counts().to_dict() == {"house": 25, "senate": 3}
    assert listed.group.value_counts().to_dict() == {"White": 16, "Black": 6, "Hispanic": 6}
    assert listed.of_colour.sum() == 12 and listed.gender.eq("female").sum() == 1
    assert {"name_as_published", "source_url", "note", "name"} <= set(listed.columns)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [("member_id", "B000490", "twice"), ("member_id", "X000000", "not in the roster"),
     ("state", "AK", "another state")],
)  # fmt: skip
def test_a_wrong_link_is_refused(monkeypatch, column, value, told):
    listed = published._read("aclu_28.csv")
    assert listed.member_id[0] != value
    listed.loc[0, column] = value
    monkeypatch.setattr(published, "_read", lambda name: listed)
    with pytest.raises(ValueError, match=told):
        published.aclu_28()


def test_the_searches_of_others_have_the_size_of_their_gallery():
    table = published.searches().set_index("label")
    assert len(table) == 5
    first = table.loc["ACLU 2018: members of Congress"]
    assert (first["flagged"], first["searched"], first["gallery"]) == (28, 535, 25000)
    assert (round(first["low"], 3), round(first["high"], 3)) == (0.036, 0.075)
    athletes = table.loc["ACLU Massachusetts 2019: athletes"]
    assert (athletes["flagged"], athletes["searched"], athletes["gallery"]) == (27, 188, 20000)


def test_an_average_over_galleries_has_no_interval():
    table = published.searches()
    averages = table[table["study"].eq("Comparitech 2020")]
    assert averages["galleries"].tolist() == [4, 4]
    assert averages[["low", "high"]].isna().all(axis=None)
    assert table.drop(averages.index)[["low", "high"]].notna().all(axis=None)


def test_both_codings_are_there():
    reported, coded = published.codings().to_dict("records")
    assert (reported["colour_flagged"], reported["flagged"]) == (11, 28)
    assert (coded["colour_flagged"], coded["flagged"]) == (12, 28)


def test_events_are_those_since_the_test_and_a_day_that_is_unknown_stands_in_the_middle():
    events = published.events()
    assert events["day"].between("2018-07-27", "2026-12-31").all()
    days = events.set_index("date")["day"].dt.strftime("%Y-%m-%d")
    assert days["2022"] == "2022-07-01"
    assert days["2019-07"] == "2019-07-15"
    assert days["2020-01-09"] == "2020-01-09"


DAMAGES = [
    ("results.csv", "published_results", "status", "hearsay"),
    ("results.csv", "published_results", "source_url", "asmdc.org"),
    ("results.csv", "published_results", "date", "in 2018"),
    ("events_since_2018.csv", "events", "status", "hearsay"),
    ("events_since_2018.csv", "events", "kind", "rumour"),
    ("events_since_2018.csv", "events", "date", "2008-10-03"),
    ("events_since_2018.csv", "events", "date", "2026-12-01"),  # out of order
    ("events_since_2018.csv", "events", "value", "some"),
    ("disclosed.csv", "disclosures", "published", "perhaps"),
    ("disclosed.csv", "disclosures", "source_url", ""),
]


@pytest.mark.parametrize(("name", "read", "column", "value"), DAMAGES)
def test_a_damaged_row_is_refused(monkeypatch, name, read, column, value):
    table = published._read(name)
    table.loc[0, column] = value
    monkeypatch.setattr(published, "_read", lambda name: table)
    with pytest.raises(ValueError, match=name):
        getattr(published, read)()


@pytest.mark.parametrize(("name", "read"), sorted({damage[:2] for damage in DAMAGES}))
def test_a_repeated_row_is_refused(monkeypatch, name, read):
    table = published._read(name)
    again = pd.concat([table, table.tail(1)], ignore_index=True)
    monkeypatch.setattr(published, "_read", lambda name: again)
    with pytest.raises(ValueError, match=name):
        getattr(published, read)()
