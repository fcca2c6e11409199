"""The tables of notebook 02 against a direct count, and the README against the tables."""

import re

import numpy as np
import pytest
from scipy import stats

from helpers.experiments.the_congress_test import tables as headline
from helpers.experiments.the_congress_test import words
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import ROOT
from helpers.protocol import congress_test, shipped
from helpers.show import numbers


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_primary_is_what_a_direct_count_gives(model):
    people = congress_test.people_searched().set_index("member_id")
    best = shipped.scores("utkface", model).best.query("portrait == 'first'")
    score = best.set_index("probe_id")["rule"].reindex(people.index).fillna(np.inf)
    threshold = np.sort(score)[27]
    flagged = score <= threshold + 1e-9
    row = headline.primary().set_index("model").loc[model]
    assert row["threshold"] == pytest.approx(threshold)
    assert row["flagged"] == flagged.sum() >= 28
    assert row["colour_flagged"] == (flagged & people["of_colour"]).sum()
    assert row["white_flagged"] == (flagged & ~people["of_colour"]).sum()
    table = [
        [row["colour_flagged"], row["colour_searched"] - row["colour_flagged"]],
        [row["white_flagged"], row["white_searched"] - row["white_flagged"]],
    ]
    assert row["fisher_p"] == pytest.approx(stats.fisher_exact(table).pvalue)


def test_primary_searches_every_voting_member_and_adjusts_for_three_models():
    table = headline.primary()
    assert list(table["model"]) == list(PRIMARY_MODELS)
    assert (table["colour_searched"] + table["white_searched"] == 529).all()
    ordered = np.sort(table["fisher_p"])
    assert np.sort(table["holm_p"])[0] == pytest.approx(min(1, 3 * ordered[0]))


def test_a_member_of_each_list_is_flagged_by_the_model_that_names_them():
    table = headline.flagged_members()
    assert table["aclu"].sum() == 28
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, shipped.PRIMARY).members
        assert set(table.index[table[model]]) == set(members.query("flagged")["member_id"])


def test_stability_counts_only_second_portraits_of_the_flagged():
    for row in headline.stability().to_dict("records"):
        assert 0 <= row["again"] <= row["with_second"] <= row["flagged"]
        assert row["again"] <= row["second_flagged"] <= row["second_searched"]


def test_bounds_only_lose_matches_when_faces_are_left_out():
    table = headline.bounds().pivot(index="model", columns="variant", values="flagged_default")
    assert (table["rule"] <= table["any"]).all()
    assert (table["p90"] <= table["any"]).all()


def test_delegates_are_added_to_the_denominator():
    table = headline.with_delegates()
    assert (table["all_searched"] == 535).all()
    assert (table["all_flagged"] == table["flagged"] + table["delegates_flagged"]).all()


def test_by_group_adds_up():
    table = headline.by_group()
    for _, part in table.groupby("model"):
        counts = part.set_index("group")[["flagged", "searched"]]
        parts = counts.drop(index=["Members of colour", "Members of colour, not Asian", "White"])
        assert (parts.sum() == counts.loc["Members of colour"]).all()
        assert counts.loc["White", "searched"] + parts["searched"].sum() == 529


def test_the_readme_gives_the_answer_of_the_notebook():
    readme = re.sub(r"\s+", " ", (ROOT / "README.md").read_text("utf-8"))
    assert re.sub(r"\s+", " ", words.answer()) in readme
    faces = int(headline.defaults().query("gallery == 'utkface'")["faces"].max())
    assert f"{faces:,} adults of UTKFace" in readme


def test_titles_and_sentences_follow_the_numbers():
    significant = headline.significant()
    found = {0: "no model", 1: "one of", 2: "two of", 3: "all three"}[len(significant)]
    assert found in words.answer()
    assert found.split()[0].capitalize() in words.title_primary()
    for row in headline.primary().to_dict("records"):
        assert numbers.ratio_interval(row["ratio_low"], row["ratio_high"]) in (words.answer())
