"""What groups mean: each definition fails here when it is inverted or a label is swapped."""

import numpy as np
import pandas as pd
import pytest

from helpers.paths import DATA
from helpers.sources import groups
from helpers.sources.rosters import load_members

SIX = ["White", "Black", "Hispanic", "East Asian", "South Asian", "Native and Pacific"]


def test_who_is_of_colour_and_who_is_asian():
    assert list(groups.GROUPS) == SIX
    assert groups.of_colour(SIX).tolist() == [False, True, True, True, True, True]
    assert groups.asian(SIX).tolist() == [False, False, False, True, True, False]
    assert groups.not_asian(SIX).tolist() == [False, True, True, False, False, True]
    assert list(groups.OF_COLOUR) == SIX[1:]


def test_masks_add_up():
    members = load_members().query("voting")
    found = groups.masks(members["group"])
    assert list(found) == [*SIX, "Members of colour", "Members of colour, not Asian"]
    size = {name: int(mask.sum()) for name, mask in found.items()}
    assert size["Members of colour"] == 102 and size["White"] == 427
    assert size["Members of colour, not Asian"] == 102 - size["East Asian"] - size["South Asian"]
    assert (found["Members of colour"] == members["of_colour"]).all()
    assert sum(size[g] for g in SIX) == len(members)


def test_a_group_of_which_nothing_is_known_is_refused():
    with pytest.raises(ValueError, match=r"neither white nor of colour.*Martian"):
        groups.of_colour(["White", "Martian"])


def test_free_text_labels():
    given = pd.Series(
        ["white", " White ", "WHITE-AMERICAN", "african_american", "Black", "pacific islander",
         "Native American", "east  asian", "asian-american", "Indian", "Martian ", "", None,
         "Not Recorded", "\uff37hite"]
    )  # fmt: skip
    assert groups.recorded(given).tolist() == [
        "White", "White", "White", "Black", "Black", "Native and Pacific",
        "Native and Pacific", "East Asian", "Asian", "Indian", "Martian", "not recorded",
        "not recorded", "not recorded", "White",
    ]  # fmt: skip
    assert groups.is_known(["White", "Asian", "Martian", "not recorded"]).tolist() == [
        True, True, False, False,
    ]  # fmt: skip


def test_the_order_puts_known_groups_first():
    assert groups.in_order(["Zulu", "South Asian", "White", "Alpha", "White"]) == [
        "White", "South Asian", "Alpha", "Zulu",
    ]  # fmt: skip


def test_races_are_the_gallerys_own_labels():
    ships = pd.read_csv(DATA / "galleries" / "utkface-quality.csv")
    races = set(ships["race"]) - {"all"}
    assert races == set(groups.RACES)
    assert groups.RACE_OF_GROUP == {
        "White": "White", "Black": "Black", "Hispanic": "Others",
        "East Asian": "Asian", "South Asian": "Indian",
    }  # fmt: skip


def test_codes_of_the_roster_become_groups():
    members = load_members()
    assert set(members["ethnicity"]) <= set(groups.ETHNICITIES.values())
    expected = {"White": "White", "Black": "Black", "Hispanic": "Hispanic",
                "Native American": "Native and Pacific",
                "Pacific Islander": "Native and Pacific"}  # fmt: skip
    plain = members[members["ethnicity"] != "Asian"]
    assert (plain["ethnicity"].map(expected) == plain["group"]).all()
    assert np.isin(members.loc[members["ethnicity"] == "Asian", "group"], groups.ASIAN).all()


def test_newcomers_have_two_more_groups_and_both_are_of_colour():
    more = [*SIX, "Middle Eastern", "Multiple"]
    assert list(groups.LATER_GROUPS) == more and list(groups.GROUPS) == SIX
    assert groups.of_colour(more).tolist() == [False] + [True] * 7
    assert groups.not_asian(more[-2:]).all() and not groups.asian(more[-2:]).any()
    assert groups.in_order(["Zulu", "Multiple", "Black", "Middle Eastern"]) == [
        "Black", "Middle Eastern", "Multiple", "Zulu",
    ]  # fmt: skip
    given = pd.Series(["middle-eastern-american", "multi-racial-american", "Middle eastern"])
    assert groups.recorded(given).tolist() == ["Middle Eastern", "Multiple", "Middle Eastern"]
    assert set(groups.ETHNICITIES.values()).isdisjoint(more[-2:])


def test_pooled_with_the_115th_middle_eastern_is_white():
    given = ["White", "Middle Eastern", "Multiple", "Black"]
    assert groups.as_in_115(given).tolist() == ["White", "White", "Multiple", "Black"]
