"""The tables of notebook 02 against a direct count."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.experiments.the_congress_test import tables as headline
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import congress_test, shipped
from helpers.sources import groups, published


def score_of(model, variant="rule"):
    """Best impostor score of each member's portrait, +inf for none."""
    people = congress_test.people_searched().set_index("member_id")
    best = shipped.scores("utkface", model).best.query("portrait == 'first'")
    return best.set_index("probe_id")[variant].reindex(people.index).fillna(np.inf)


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_primary_is_what_a_direct_count_gives(model):
    people = congress_test.people_searched().set_index("member_id")
    score = score_of(model)
    threshold = np.sort(score)[27]
    flagged = score <= threshold + 1e-9
    row = headline.primary().set_index("model").loc[model]
    assert row["threshold"] == pytest.approx(threshold)
    assert row["falsely_matched"] == flagged.sum() >= 28
    assert row["colour_flagged"] == (flagged & people["of_colour"]).sum()
    assert row["white_flagged"] == (flagged & ~people["of_colour"]).sum()
    table = [
        [row["colour_flagged"], row["colour_searched"] - row["colour_flagged"]],
        [row["white_flagged"], row["white_searched"] - row["white_flagged"]],
    ]
    assert row["fisher_p"] == pytest.approx(stats.fisher_exact(table).pvalue)


def test_primary_searches_every_voting_member_and_adjusts_for_three_pipelines():
    table = headline.primary()
    assert list(table["model"]) == list(PRIMARY_MODELS)
    assert (table["colour_searched"] + table["white_searched"] == 529).all()
    ordered = np.sort(table["fisher_p"])
    assert np.sort(table["holm_p"])[0] == pytest.approx(min(1, 3 * ordered[0]))


def test_bounds_have_the_half_sample_interval_of_the_planned_treatment_and_no_other():
    table = headline.bounds()
    order = [(m, v) for m in PRIMARY_MODELS for v in headline.VARIANTS]
    assert list(zip(table["model"], table["variant"], strict=True)) == order
    ends = table[["within_low", "within_high", "crude_low", "crude_high"]]
    assert (ends.notna().all(axis=1) == table["variant"].eq("rule")).all()
    rule = table[table["variant"] == "rule"]
    for name, low, high in (
        ("ratio_within_sex", "within_low", "within_high"),
        ("ratio", "crude_low", "crude_high"),
    ):
        assert ((rule[low] < rule[name]) & (rule[name] < rule[high])).all()


@pytest.mark.parametrize("variant", headline.VARIANTS)
def test_bounds_count_the_28_nearest_of_their_own_treatment(variant):
    colour = congress_test.people_searched().set_index("member_id")["of_colour"]
    table = headline.bounds().query("variant == @variant").set_index("model")
    for model in PRIMARY_MODELS:
        nearest = score_of(model, variant).nsmallest(28).index
        assert table.at[model, "colour_flagged"] == colour[nearest].sum()


def test_parts_add_up_to_members_of_colour_and_differ_from_their_sums():
    table = headline.show_parts().set_index("Group")
    single = table.loc[list(groups.OF_COLOUR)]
    for program in ("Searched", *map(MODEL_LABELS.get, PRIMARY_MODELS)):
        assert single[program].sum() == table.at[groups.COLOUR, program]
        asian = table.loc[list(groups.ASIAN), program].sum()
        assert table.at[groups.NOT_ASIAN, program] + asian == table.at[groups.COLOUR, program]
    assert table.at[groups.WHITE, "Searched"] + single["Searched"].sum() == 529
    within = headline.primary().set_index("model")["ratio_within_sex"]
    for model in PRIMARY_MODELS:
        text = table.at[groups.COLOUR, f"{MODEL_LABELS[model]}, ratio"]
        assert text.startswith(f"{within[model]:.2f} (")
        members = shipped.result("utkface", model, shipped.PRIMARY).members
        members = members[~members["group"].isin(groups.ASIAN)]
        ratio = congress_test.compare(members)["ratio_within_sex"]
        text = table.at[groups.NOT_ASIAN, f"{MODEL_LABELS[model]}, ratio"]
        assert text.startswith(f"{ratio:.2f} (")


def test_four_ways_keeps_every_member_in_one_seat():
    table = headline.four_ways()
    lists = [part for _, part in table.groupby("list", sort=False)]
    assert list(table["list"].unique()) == ["ACLU 2018", "Dlib", "SFace", "Facenet"]
    assert list(table.columns) == ["list", "group", "seat", "name", "flagged"]
    for part in lists:
        assert len(part) == 529 and part["flagged"].sum() == 28
        assert not part.duplicated(["group", "seat"]).any()
        assert (part.loc[~part["flagged"], "name"] == "").all()
    named = table[table["name"] != ""]
    assert (named.groupby("name")[["group", "seat"]].nunique() == 1).all(axis=None)
    seats = lists[0].set_index(["group", "seat"]).index
    assert all(part.set_index(["group", "seat"]).index.equals(seats) for part in lists)


def test_the_seats_of_a_list_are_those_of_its_members():
    table = headline.four_ways().query("list == 'ACLU 2018' and flagged")
    theirs = published.aclu_28()["member_id"]
    assert sorted(table["name"]) == sorted(headline.people().loc[theirs, "name"])


def test_no_match_that_rests_on_contested_identities_has_a_name():
    people, table = headline.people(), headline.show_names()
    seats = headline.four_ways()
    flagged, contested = {}, set()
    for model in PRIMARY_MODELS:
        threshold = np.sort(score_of(model))[27] + 1e-9
        flagged[MODEL_LABELS[model]] = set(people.index[score_of(model) <= threshold])
        sure = set(people.index[score_of(model, "strict") <= threshold])
        contested |= flagged[MODEL_LABELS[model]] - sure
    for label, members in flagged.items():
        named = set(people.loc[list(members - contested), "name"])  # on no list of ours
        assert set(table.loc[table[label] == "yes", "Member"]) == named
        assert set(seats.query("list == @label and name != ''")["name"]) == named
        assert set(people.loc[list(headline.lists(named=True)[label]), "name"]) == named
    assert (table["ACLU 2018"] == "yes").sum() == 28


def test_members_are_called_as_they_are_known():
    people = headline.people()
    assert set(headline.KNOWN_AS) <= set(people.index)
    assert people.loc["C001049", "name"] == "Lacy Clay"
    assert people.loc["J000288", "name"] == "Hank Johnson"
    assert people.loc["R000515", "name"] == "Bobby Rush"
    assert people["name"].is_unique


def test_overlap_counts_people_and_not_matches():
    counts = headline.show_overlap().set_index("What")["Count"]
    three = [headline.lists()[MODEL_LABELS[m]] for m in PRIMARY_MODELS]
    times = pd.Series([m for flagged in three for m in flagged]).value_counts()
    assert counts["Different people"] == len(set.union(*map(set, three)))
    assert counts["On all three lists"] == len(frozenset.intersection(*three))
    assert counts["On two lists"] == (times == 2).sum()
    assert counts["Matches"] == sum(map(len, three)) > counts["Contested matches"] > 0


def test_the_other_photo_counts_only_second_portraits_of_the_flagged():
    for row in headline.other_photo().to_dict("records"):
        assert 0 <= row["flagged again"] <= row["with a second portrait"] < row["flagged"]
        assert row["flagged again"] < row["all flagged"] < row["all second portraits"]


def test_other_photo_is_what_a_direct_count_gives():
    model = PRIMARY_MODELS[0]
    best = shipped.scores("utkface", model).best.query("portrait == 'second'")
    best = best.set_index("probe_id")["rule"]
    score = score_of(model)
    mine = best[best.index.isin(score.nsmallest(28).index)]
    row = headline.other_photo().iloc[0]
    assert row["with a second portrait"] == len(mine)
    assert row["flagged again"] == (mine <= np.sort(score)[27] + 1e-9).sum()


def test_every_list_has_the_aclus_and_each_pipeline_with_both_galleries():
    table = headline.every_list()
    assert len(table) == 1 + 2 * 6 and table["flagged"].between(28, 30).all()
    theirs = published.aclu_28()["of_colour"].sum()
    assert table.iloc[0][["of colour", "white"]].tolist() == [theirs, 28 - theirs]
    assert table["chance"].iloc[0] == pytest.approx(28 * 102 / 529, abs=0.05)
    rows = table.set_index(["gallery", "program"])["of colour"]
    for model in PRIMARY_MODELS:
        for gallery, name in (("utkface", "Adult"), ("legislators", "Former")):
            found = headline.primary(gallery).set_index("model").at[model, "colour_flagged"]
            mine = rows[[g.startswith(name) for g, _ in rows.index]]
            assert mine.droplevel(0)[MODEL_LABELS[model]] == found


def test_errors_of_the_rule_stand_beside_its_decisions():
    table = headline.show_rule().set_index("k")
    decided = shipped.scores("utkface", PRIMARY_MODELS[0]).same_person
    people = decided.groupby("decision")["probe_id"].nunique()
    assert table.at["any", "Members: probably a member"] == people["same person"]
    assert table.at["any", "Members: contested"] == people["contested"]
    sums = table.drop(index="any").drop(columns="Searched").sum()
    assert (sums == table.loc["any"].drop("Searched")).all()


def test_defaults_are_the_publishers_and_deepfaces():
    table = headline.show_defaults().set_index(["Gallery", "Model"])
    assert len(table) == 12
    for model in ("dlib-native", "Facenet"):
        row = table.loc[("adult strangers", MODEL_LABELS[model])]
        limit = float(row["Threshold (distance)"].split()[0])
        flagged = (score_of(model) <= limit + 1e-9).sum()
        assert row["Falsely matched (FPIR)"].startswith(f"{flagged} of 529 (")
