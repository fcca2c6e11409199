"""Published numbers: each has a source and a status, and comes from the table."""

import pytest

from helpers.sources import published


def test_every_number_has_a_source_and_a_known_status():
    results = published.published_results()
    assert results.source_url.str.startswith("https://").all()
    assert results.status.isin(published.STATUSES).all()
    assert results[["study", "date", "quantity"]].ne("").all(axis=None)


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


def test_an_unknown_status_is_refused(monkeypatch):
    results = published._read("results.csv")
    results.loc[0, "status"] = "hearsay"
    monkeypatch.setattr(published, "_read", lambda name: results)
    with pytest.raises(ValueError, match="hearsay"):
        published.published_results()
