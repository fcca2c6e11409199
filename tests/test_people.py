"""Notebook 01: the counts behind their tables, figures and sentences."""

import pandas as pd
import pytest

from helpers.experiments.the_people import tables as people
from helpers.faces.enrolment import read_faces, read_failures
from helpers.faces.pipelines import MODELS, PIPELINES
from helpers.protocol.shipping import PUBLIC, faces_path
from helpers.sources import rosters
from helpers.sources.fetch import load_manifest
from helpers.sources.groups import GROUPS
from helpers.statistics import rates

# ---------------------------------------------------------------- known answers


def test_age_changes_on_the_birthday():
    born = pd.Series(["1950-07-25", "1950-07-26", "1950-07-27", "1952-02-29", "1950-12-01"])
    assert people.ages(born, "2018-07-26").tolist() == [68, 68, 67, 66, 67]


def test_quartiles_are_those_of_the_enrolled_faces():
    table = pd.DataFrame({"group": ["b"] * 5 + ["a"] * 2, "face_size": [1, 2, 3, 4, 100, 7, None]})
    table["sharpness"], table["brightness"] = 10 * table["face_size"], table["face_size"]
    found = people.quartiles(table, ["group"], {"group": ["b", "a"]})
    assert found["group"].tolist() == ["b"] * 3 + ["a"] * 3
    assert found["measure"].tolist() == ["face_size", "sharpness", "brightness"] * 2
    first = found.iloc[0]
    assert (first["faces"], first["q25"], first["median"], first["q75"]) == (5, 2, 3, 4)
    assert found["faces"].tolist() == [5, 5, 5, 1, 1, 1]  # a failure to enrol is no face
    assert found.iloc[4][["q25", "median", "q75"]].tolist() == [70, 70, 70]


def test_labels_are_counted_by_image_and_disagreements_among_repeated_images():
    labels = pd.DataFrame(
        [
            (30, "male", "White", 1, False, True),
            (None, "male", "White", 2, True, False),  # two names, two ages
            (None, None, "Black", 3, True, False),
            (8, "female", "Asian", 2, False, False),  # two names that agree
            (None, None, None, 1, False, False),  # a name without labels
        ],
        columns=["age", "gender", "race", "files", "disputed", "adult"],
    )
    found = people.label_counts(labels).set_index("quantity")["images"].tolist()
    assert found == [9, 5, 3, 2, 2, 1, 0, 1, 1]


def test_chance_of_a_candidate_is_that_of_independent_comparisons():
    assert rates.chance_of_a_candidate(0.5, 3) == pytest.approx(0.875)
    assert rates.chance_of_a_candidate(1e-6, 25_000) == pytest.approx(1 - (1 - 1e-6) ** 25_000)
    assert rates.chance_of_a_candidate(1e-15, 10) == pytest.approx(1e-14)  # no cancellation


# ---------------------------------------------------------------- what ships agrees with itself


@pytest.mark.parametrize("feed", ["native", "deepface"])
def test_faces_are_found_alike_for_all_pipelines_of_a_feed(feed):
    mine = [m for m in MODELS if PIPELINES[m].feed == feed]
    for dataset in PUBLIC:
        failed = [tuple(read_failures(faces_path(dataset, m))["id"]) for m in mine]
        assert len(mine) == 3 and len(set(failed)) == 1, dataset
        assert read_faces(faces_path(dataset, mine[0]))["detector_score"].min() >= 0.9 - 1e-6


def test_enrolment_is_told_by_feed():
    table = people.show_enrolment().set_index("Images")
    assert table.loc["Members, as searched"].tolist() == ["0 of 529 (0.0 %)", "2 of 529 (0.4 %)"]
    assert set(people.PUBLIC.values()) == set(PUBLIC)


def test_every_member_is_in_one_group_and_failures_add_up():
    members = people.photographed()
    counts = people.counts(members).set_index("group")
    assert counts.loc["All", "all"] == len(members) == len(rosters.load_members())
    assert counts.loc["Members of colour", "all"] == members["of_colour"].sum()
    assert counts.loc[list(GROUPS), "all"].sum() == len(members)
    assert members["failed"].sum() == members["face_size"].isna().sum()


def test_second_portraits_are_those_of_the_roster():
    found = set(people.photographed("second-portraits")["member_id"])
    links = rosters.load_second_portraits()
    assert (
        found == set(links[links["kept"]]["member_id"]) == set(load_manifest("second-portraits").id)
    )


def test_vacant_seats_are_the_vacant_ones():
    table = people.seats()
    vacant = table[table["Held on 26 July 2018 by"] == "nobody: vacant"]
    assert sorted(vacant["Seat"]) == rosters.vacant_seats()
    assert vacant["Sworn in"].eq("").all()


def test_tables_of_utkface_agree_with_each_other():
    labels, table = people.utkface_labels(), people.utkface()
    assert table["images"].sum() == labels["different images"] == len(load_manifest("utkface"))
    adults = table[table["adult"]]
    assert adults["images"].sum() == labels["adults of 18 to 75, no label missing or disputed"]
    quality = people.utkface_quality()
    assert (quality["q25"] <= quality["median"]).all() and (
        quality["median"] <= quality["q75"]
    ).all()
    faces = quality[quality["measure"] == "sharpness"].groupby(quality["gender"].eq("all"))["faces"]
    assert faces.sum().tolist() == [adults["enrolled"].sum()] * 2


def test_composition_adds_up_to_everybody():
    table = people.composition()
    sums = table.groupby("section", sort=False)[["congress_share", "utkface_share"]].sum()
    whole = sums.drop("Recorded gender").to_numpy().ravel()
    assert whole == pytest.approx([1] * 4)
