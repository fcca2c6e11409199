"""Galleries with the members' ages and genders: known answers, and what ships."""

import itertools

import numpy as np
import pandas as pd
import pytest

from helpers.experiments.who_is_in_the_gallery import compositions, matched
from helpers.protocol.congress_test import people_searched
from helpers.sources.groups import GENDERS, RACES

STRATA = [f"{g}, {r}, {b}" for g, r, b in itertools.product(GENDERS, RACES, compositions.BANDS)]
# no two alike, the older ones whiter
FACES = pd.Series(
    [200 + 10 * i + 300 * ("White" in s and "35" in s) for i, s in enumerate(STRATA)], index=STRATA
)


def members(women_young, women_old, men_young, men_old):
    """So many members of each gender and band, of colour and white in turn."""
    cells = [("female", "1999-01-01"), ("female", "1950-01-01")]
    cells += [("male", "1999-01-01"), ("male", "1950-01-01")]
    numbers = (women_young, women_old, men_young, men_old)
    rows = [c for c, n in zip(cells, numbers, strict=True) for _ in range(n)]
    table = pd.DataFrame(rows, columns=["gender", "date_of_birth"])
    colour = np.arange(len(table)) % 2 == 0
    group = np.where(colour, "Black", "White")
    ids = [f"m{i}" for i in range(len(table))]
    return table.assign(member_id=ids, of_colour=colour, group=group)


def by(shares, *places):
    keys = [[s.split(", ")[p] for s in shares.index] for p in places]
    return shares.groupby(keys if len(keys) > 1 else keys[0]).sum()


def test_a_birthday_on_the_day_of_the_search_makes_the_older_band():
    born = pd.Series(["1983-07-26", "1983-07-27", "1930-01-01"])
    assert matched.bands(born).tolist() == ["35-75", "18-34", "35-75"]


def test_targets_are_the_shares_of_the_members_and_list_empty_cells():
    found = matched.targets(members(0, 2, 1, 5)).set_index(["gender", "age_band"])["share"]
    assert found.to_dict() == {
        ("female", "18-34"): 0,
        ("female", "35-75"): 0.25,
        ("male", "18-34"): 0.125,
        ("male", "35-75"): 0.625,
    }


def test_the_members_of_congress_are_old_and_men():
    found = matched.targets(people_searched()).set_index(["gender", "age_band"])["share"] * 529
    assert found.round(6).to_dict() == {
        ("female", "18-34"): 1,
        ("female", "35-75"): 106,
        ("male", "18-34"): 3,
        ("male", "35-75"): 419,
    }


def test_each_design_changes_what_it_names_and_nothing_else():
    found = matched.designs(members(2, 6, 8, 24), FACES)
    asis = found[matched.AS_IT_IS]
    for shares in found.values():
        assert list(shares.index) == STRATA
        assert shares.sum() == pytest.approx(1)
    for name in (matched.AGES, matched.AGES_GENDERS):
        assert by(found[name], 2).to_dict() == pytest.approx({"18-34": 0.25, "35-75": 0.75})
    assert by(found[matched.AGES], 0, 1).to_dict() == pytest.approx(by(asis, 0, 1).to_dict())
    assert by(found[matched.AGES_GENDERS], 0)["female"] == pytest.approx(0.2)
    assert by(found[matched.AGES_GENDERS], 1).to_dict() == pytest.approx(by(asis, 1).to_dict())


def test_ages_depend_on_neither_gender_nor_label():
    shares = matched.designs(members(2, 6, 8, 24), FACES)[matched.AGES]
    old = shares[shares.index.str.endswith("35-75")].to_numpy()
    young = shares[shares.index.str.endswith("18-34")].to_numpy()
    assert old / young == pytest.approx(3)


def test_counts_become_matches_of_every_member_and_stratum():
    counts = pd.DataFrame(
        {"probe_id": ["m1", "m1", "x"], "stratum": ["a", "b", "a"], "faces": [3, 1, 9]}
    )
    found = matched.matches(counts, ["m0", "m1"], ["b", "c", "a"])
    assert found.tolist() == [[0, 0, 0], [1, 0, 3]]
    with pytest.raises(ValueError, match="'a'"):
        matched.matches(counts, ["m0", "m1"], ["b", "c"])


def test_expected_fpir_where_it_is_known():
    """One face matches one white member: its chance is the part of its stratum that is drawn."""
    people = members(2, 6, 8, 24)
    white = people.loc[~people["of_colour"], "member_id"].iloc[0]
    stratum = "male, White, 18-34"
    counts = pd.DataFrame({"probe_id": [white], "stratum": [stratum], "faces": [1]})
    found = matched.expected(people, counts, FACES).set_index("design")
    assert found["size"].nunique() == 1
    size = found["size"].iloc[0]
    for name, shares in matched.designs(people, FACES).items():
        part = compositions.apportion(shares, size)[stratum] / FACES[stratum]
        assert found.loc[name, "flagged"] == pytest.approx(part)
        assert found.loc[name, "crude"] == 0
    assert found.loc[matched.AGES, "flagged"] < found.loc[matched.AS_IT_IS, "flagged"]


def test_matches_in_every_face_leave_no_gap_in_any_gallery():
    people = members(2, 6, 8, 24)
    every = itertools.product(people["member_id"], FACES.items())
    counts = pd.DataFrame([(m, s, n) for m, (s, n) in every])
    counts.columns = ["probe_id", "stratum", "faces"]
    found = matched.expected(people, counts, FACES)
    assert found["flagged"].to_numpy() == pytest.approx(len(people))
    assert found[["crude", "within"]].to_numpy() == pytest.approx(1)
