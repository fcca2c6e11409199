"""Who was not there: the newcomers of the 116th and 117th Congress as data."""

import hashlib
import re

import pandas as pd
import pytest

from helpers.sources import fetch, galleries, groups, newcomers, rosters


@pytest.fixture(scope="module")
def shipped():
    return newcomers.load_newcomers()


def test_how_many_they_are_and_of_which_groups(shipped):
    assert len(shipped) == 169 and shipped["member_id"].is_monotonic_increasing
    found = shipped["group"].value_counts().to_dict()
    assert found == {
        "White": 123, "Black": 15, "Hispanic": 15, "East Asian": 4, "Native and Pacific": 4,
        "Middle Eastern": 3, "Multiple": 5,
    }  # fmt: skip
    assert shipped["of_colour"].sum() == 46
    assert shipped["congress"].value_counts().to_dict() == {116: 105, 117: 64}
    assert shipped["gender"].value_counts().to_dict() == {"male": 105, "female": 64}


def test_nobody_was_there_and_nobody_is_twice(shipped):
    assert not shipped["member_id"].isin(rosters.load_members()["member_id"]).any()
    assert not shipped["icpsr"].isin(rosters.load_members()["icpsr"].dropna()).any()
    assert not shipped["name"].duplicated().any()
    assert shipped["entered_office"].gt(rosters.DAY).all()


def test_both_codings_stay_and_where_they_differ(shipped):
    coding = newcomers.load_coding().set_index("member_id")
    for ours in ("ethnicity", "gender", "group", "status"):
        assert shipped[ours].eq(shipped["member_id"].map(coding[ours])).all()
    differ = shipped[shipped["ethnicity"].ne(shipped["publisher_ethnicity"])]
    assert len(differ) == 21
    row = differ.set_index("name").loc["Lucy McBath"]
    assert (row["publisher_ethnicity"], row["ethnicity"]) == ("White", "Black")
    assert shipped.query("gender != publisher_gender")["name"].tolist() == ["Maria Elvira Salazar"]


def test_the_uncertain_ones_are_marked(shipped):
    names = shipped["name"][shipped["uncertain"]]
    assert sorted(name.split()[-1] for name in names) == [
        "Bice", "Delgado", "Herrell", "Levin", "Malliotakis", "Mucarsel-Powell", "Omar", "Trahan",
    ]  # fmt: skip
    assert "Mike Levin" in set(names) and "Andy Levin" not in set(names)
    coding = newcomers.load_coding().set_index("name")
    assert coding["note"][names].str.len().gt(20).all()
    assert shipped.query("status == 'general record'")["name"].tolist() == [
        "Chris Jacobs", "Fred Keller",
    ]  # fmt: skip


def test_nobody_is_in_the_gallery_of_former_legislators(shipped):
    # five sat before; voteview has one number for both periods, so the gallery left them out
    came_back = shipped[shipped["sat_before"].ne("")]["name"]
    assert sorted(came_back) == [
        "Ann Kirkpatrick", "Cynthia Lummis", "Ed Case", "Kweisi Mfume", "Steven Horsford",
    ]  # fmt: skip
    assert shipped["gallery_id"].eq("").all()
    # by name too, should a person have another number there
    former = galleries.load_legislators()
    family = former["name"].str.split(",").str[0].str.casefold()
    for person in shipped.itertuples():
        first, *_, last = person.name.casefold().split()
        alike = former[family.eq(last) & former["name"].str.casefold().str.contains(f", {first}")]
        years = alike["born"] - int(person.date_of_birth[:4])
        assert years.abs().gt(2).all(), person.name
    pictures = fetch.load_manifest("legislators")["sha256"]
    for dataset in ("newcomers", "newcomers-second-portraits", "newcomers-same-photographs"):
        assert not fetch.load_manifest(dataset)["sha256"].isin(pictures).any()


def test_whoever_is_in_the_gallery_is_found_by_number():
    someone = galleries.load_legislators().iloc[7]
    number = int(someone["gallery_id"][1:])
    people = pd.DataFrame({"icpsr": pd.array([number, 999999, pd.NA], dtype="Int64")})
    assert newcomers.in_legislators(people).tolist() == [someone["gallery_id"], "", ""]


# corrections


def snapshot(**more):
    row = {"member_id": "X000001", "name": "Ann  Doe", "chamber": "house", "state": "NC",
           "district": 9, "party": "democrat", "gender": "male", "date_of_birth": "1970-01-01",
           "entered_office": "2019-01-03", "portrait_url": "https://x/",
           "source": "house-2020"}  # fmt: skip
    return pd.DataFrame([row | more, row | {"member_id": "X000002", "district": 10} | more])


def fix(field, published, corrected, member_id="X000001", name="Ann Doe"):
    return pd.DataFrame(
        [(member_id, name, "house-2020", field, published, corrected, "why", "where")],
        columns=newcomers.load_corrections().columns,
    )


@pytest.mark.parametrize(
    ("field", "published", "corrected"),
    [("name", "Ann  Doe", "Ann Doe"), ("party", "democrat", "republican"),
     ("gender", "male", "female"), ("date_of_birth", "1970-01-01", "1970-01-02"),
     ("entered_office", "2019-01-03", "2019-01-08")],
)  # fmt: skip
def test_a_correction_changes_one_value_of_one_row(field, published, corrected):
    rows = newcomers.correct(snapshot(), fix(field, published, corrected))
    assert rows[field].tolist() == [corrected, published]
    with pytest.raises(ValueError, match=f"{field} of Ann Doe does not fit"):
        newcomers.correct(snapshot(), fix(field, "other", corrected))


def test_a_seat_a_portrait_and_somebody_absent():
    rows = newcomers.correct(snapshot(), fix("seat", "NC-9: Ann  Doe", "NC-9: vacant"))
    assert rows["member_id"].tolist() == ["X000002"]
    with pytest.raises(ValueError, match="seat"):
        newcomers.correct(snapshot(), fix("seat", "NC-8: Ann  Doe", "NC-8: vacant"))
    rows = newcomers.correct(snapshot(), fix("portrait", "", "ann-doe.jpg"))
    assert rows["portrait_url"].tolist() == ["https://x/ann-doe.jpg", "https://x/"]
    nobody = fix("absent", "", "GA-5: Joe Roe", "", "Joe Roe")
    assert len(newcomers.correct(snapshot(), nobody)) == 2
    with pytest.raises(ValueError, match="absent"):
        newcomers.correct(snapshot(name="Joe Roe"), nobody)
    with pytest.raises(ValueError, match="state"):
        newcomers.correct(snapshot(), fix("state", "NC", "SC"))


def test_every_known_defect_has_its_row():
    table = newcomers.load_corrections()
    assert table["field"].value_counts().to_dict() == {
        "name": 18, "date_of_birth": 10, "seat": 9, "entered_office": 8, "party": 3, "absent": 2,
        "portrait": 1, "gender": 1,
    }  # fmt: skip
    assert table["reason"].ne("").all() and table["source"].ne("").all()


# checks


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [("group", "Martian", "group"), ("group", "Black", "one heritage"),
     ("status", "guess", "status"), ("gender", "Female", "gender"),
     ("publisher_ethnicity", "white-american", "publisher"),
     ("ethnicity", "White; Martian", "ethnicity"), ("entered_office", "2018-07-26", "entered"),
     ("ethnicity_source", "", "a source for each"), ("portrait_url", "", "portrait_url"),
     ("gender_source", "", "gender_source"), ("sat_before", "113rd", "sat_before"),
     ("name", "Jake  Auchincloss", "name"), ("gallery_id", "12", "gallery_id")],
)  # fmt: skip
def test_a_planted_fault_is_found_and_named(column, value, told):
    rows = rosters.read(rosters.ROSTER / "newcomers.csv", newcomers.NEWCOMERS)
    rows.loc[0, column] = value  # a white newcomer
    with pytest.raises(ValueError, match=told):
        newcomers.check_newcomers(rows)


def test_several_heritages_are_no_single_group():
    rows = rosters.read(rosters.ROSTER / "newcomers.csv", newcomers.NEWCOMERS)
    rows.loc[rows["name"].eq("Marilyn Strickland"), "group"] = "Black"
    with pytest.raises(ValueError, match="several are Multiple"):
        newcomers.check_newcomers(rows)


# files


def test_manifests_hold_the_portraits_of_the_roster(shipped):
    manifest = fetch.load_manifest("newcomers").set_index("id")["url"]
    assert manifest.to_dict() == shipped.set_index("member_id")["portrait_url"].to_dict()
    second = fetch.load_manifest("newcomers-second-portraits").set_index("id")["url"]
    has = shipped[shipped["second_portrait_url"].ne("")].set_index("member_id")
    assert second.to_dict() == has["second_portrait_url"].to_dict() and len(second) == 104
    table = newcomers.load_second_portraits().set_index("member_id")
    same = fetch.load_manifest("newcomers-same-photographs").set_index("id")["url"]
    assert same.to_dict() == table.query("not kept")["url"].to_dict() and len(same) == 16
    assert table["kept"].eq(table["score"].lt(rosters.SAME_PHOTOGRAPH)).all()


def test_no_portrait_serves_two_people(shipped):
    manifest = pd.concat(
        fetch.load_manifest(d) for d in ("newcomers", "newcomers-second-portraits", "probes")
    )
    assert not manifest["sha256"].duplicated().any()


@pytest.mark.mirror
def test_newcomers_are_built_again_byte_for_byte(mirror):
    built = newcomers.build_newcomers().to_csv(index=False, lineterminator="\n").encode()
    stored = (rosters.ROSTER / "newcomers.csv").read_bytes()
    assert hashlib.sha256(built).hexdigest() == hashlib.sha256(stored).hexdigest()


@pytest.mark.mirror
def test_a_sample_of_second_portraits_is_compared_again(mirror, shipped):
    table = newcomers.load_second_portraits()
    # near the threshold, on both sides of it
    near = table.assign(apart=(table["score"] - rosters.SAME_PHOTOGRAPH).abs()).nsmallest(
        6, "apart"
    )
    assert set(near["kept"]) == {True, False}
    built = newcomers.build_second_portraits(shipped[shipped["member_id"].isin(near["member_id"])])
    near = near.sort_values("member_id").reset_index(drop=True)
    assert built["kept"].tolist() == near["kept"].tolist()
    assert (built["score"] - near["score"]).abs().max() < 0.02


@pytest.mark.mirror
def test_terms_and_numbers_agree_with_another_publisher(mirror, shipped):
    people = rosters.load_congress_legislators().set_index("member_id")
    both = shipped[shipped["member_id"].isin(people.index)]
    assert len(both) == 108
    for person in both.itertuples():
        other = people.loc[person.member_id]
        starts = [term["start"] for term in other["terms"]]
        assert person.gender == other["gender"]
        assert pd.isna(other["icpsr"]) or person.icpsr == other["icpsr"]
        assert person.entered_office in starts
        assert bool(person.sat_before) == (min(starts) < rosters.DAY)
        if person.name != "Russ Fulcher":  # newcomers_corrections.csv says why
            assert person.date_of_birth == other["date_of_birth"]


def test_labels_are_those_of_one_place(shipped):
    assert set(shipped["group"]) <= set(groups.LATER_GROUPS)
    sources = shipped["ethnicity_source"].str.split("; ").explode()
    assert all(re.match("https?://", s) or s == "" for s in sources)
