"""Candidate lists: known answers on made-up faces, and what ships against a direct count."""

import re
import sys
from pathlib import Path

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.experiments.what_the_officer_sees import charts, reviewers
from helpers.experiments.what_the_officer_sees import tables as c
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import scores

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

from helpers.protocol import shipped

N = 60  # faces in the made-up gallery


@pytest.fixture(scope="module")
def world():
    """Three probes at known distances of 60 strangers; two have a second portrait."""
    rng = np.random.default_rng(3)
    people = synthetic.people(rng, 3, d=64)
    strangers = synthetic.people(rng, N, d=64)
    second = synthetic.near(rng, people[:2], 0.001)
    probes = synthetic.collection(["a", "b", "c"], people)
    return probes, synthetic.collection(["a", "b"], second), strangers


def _lists(world, strangers=None):
    probes, second, faces = world
    faces = faces if strangers is None else strangers
    ids = [f"g{i:02d}" for i in range(len(faces))]
    return c.lists(probes, second, synthetic.collection(ids, faces))


def _distances(probe, faces):
    cosine = faces @ probe / np.linalg.norm(faces, axis=1) / np.linalg.norm(probe)
    return np.round(1 - cosine, 4)


def test_the_scores_are_those_of_the_places_of_the_list(world):
    table, _ = _lists(world)
    for i, probe in enumerate(world[0].embeddings):
        ordered = np.sort(_distances(probe, world[2]))
        for k in c.LISTS:
            assert table[f"stranger_{k}"][i] == pytest.approx(ordered[k - 1], abs=1e-9)


def test_a_near_second_portrait_ranks_first_and_none_has_no_rank(world):
    table, _ = _lists(world)
    assert list(table["rank"][:2]) == [1, 1] and table["rank"].isna()[2]
    assert table["genuine"][:2].tolist() == pytest.approx([0.001, 0.001], abs=2e-4)
    assert np.isnan(table["genuine"][2])


def test_every_stranger_and_other_portrait_ahead_costs_a_rank(world):
    probes, second, faces = world
    closer = np.vstack([probes.embeddings[[0, 0, 0]], faces])  # three faces at distance 0 of "a"
    table, _ = _lists(world, closer)
    assert list(table["rank"][:2]) == [4, 1]
    # another member's second portrait at the same place counts like a stranger
    twins = second._replace(embeddings=np.vstack([second.embeddings[1], probes.embeddings[0]]))
    table, _ = _lists((probes, twins, faces))
    assert table["rank"][0] > 1


def test_a_tie_goes_against_the_person_sought(world):
    _, second, faces = world
    tied = np.vstack([second.embeddings[[0]], faces])
    table, _ = _lists(world, tied)
    assert table["rank"][0] == 2


def test_owners_count_the_shipped_scores_of_each_face(world):
    _, owners = _lists(world)
    nearest = [np.argmin(_distances(probe, world[2])) for probe in world[0].embeddings]
    assert owners.sum() == 3 * len(c.LISTS) and (owners[nearest] >= 1).all()


def test_a_gallery_shorter_than_the_list_is_refused(world):
    with pytest.raises(UserError, match="at least"):
        _lists(world, world[2][:20])


# ---- what ships


def test_what_ships_names_no_face_and_fits_what_ships_elsewhere():
    table = pd.read_csv(c.RESULTS / c.TABLE)
    columns = ["gallery", "model", "probe_id", *(f"stranger_{k}" for k in c.LISTS)]
    assert list(table.columns) == [*columns, "genuine", "rank"]
    text = (c.RESULTS / c.TABLE).read_text()
    assert not re.search(r"\bu\d{5}\b", text)
    for model in PRIMARY_MODELS:
        mine = c.table()[c.table()["model"] == model].set_index("probe_id")
        best = shipped.scores("utkface", model).best.query("portrait == 'first'")
        best = best.set_index("probe_id")["rule"].reindex(mine.index)
        assert np.allclose(mine["stranger_1"], best, atol=1e-9)
        ordered = mine[[f"stranger_{k}" for k in c.LISTS]].to_numpy()
        assert (np.diff(ordered, axis=1) >= 0).all()


def test_the_shipped_scores_are_far_too_few_for_an_attack():
    """Even told whose each is, a face would have a fraction of a score; 128 are needed."""
    faces = shipped.scores("utkface", "sface-native").faces
    assert (len(c.LISTS) * c.table().groupby("model").size() / faces < 0.2).all()
    assert scores.PER_FACE == 16


def test_rank_one_is_exactly_where_the_mate_is_nearer_than_the_first_stranger():
    for gallery in shipped.GALLERIES:
        table = c.table(gallery).dropna(subset=["genuine"])
        # other members' second portraits may come before, never the other way round
        first = table["rank"] == 1
        assert (table.loc[first, "genuine"] < table.loc[first, "stranger_1"]).all()
        beyond = table["genuine"] >= table["stranger_50"]
        assert (table.loc[beyond, "rank"] > 50).all()


# ---- the tables of the notebook


def test_innocents_without_a_threshold_are_the_length_of_the_list():
    table = c.errors()
    none = table[table["rule"] == "none"]
    assert np.allclose(
        none["mean"], c.THOUSAND * none["list_size"] * none["any"] / none["searched"]
    )
    cut = table[table["rule"] != "none"]
    assert (cut["mean"] <= c.THOUSAND * cut["list_size"] * cut["fpir"] + 1e-9).all()
    one = cut[cut["list_size"] == 1]
    assert np.allclose(one["mean"], c.THOUSAND * one["fpir"])


@pytest.mark.parametrize("rule", [r for r in c.RULES if r != "none"])
def test_counts_at_a_rule_flag_the_members_that_the_test_flags(rule):
    for model in PRIMARY_MODELS:
        result = shipped.result("utkface", model, rule)
        assert c.threshold(model, rule) == result.summary["threshold"]
        flagged = result.members.set_index("member_id")["flagged"]
        assert ((c.candidates_at(model, rule) > 0) == flagged).all()


def test_a_rule_that_is_not_offered_is_refused():
    with pytest.raises(UserError):
        c.candidates_at("sface-native", "fmr:1e-09")


def test_everyone_with_a_second_portrait_is_searched_and_failures_are_misses():
    table = c.enrolled()
    assert table.groupby("model").size().unique().tolist() == [263]
    lost = table[np.isinf(table["rank"])]
    assert (np.isinf(lost["genuine"])).all() and 0 < len(lost) < 30


def test_misses_are_one_minus_hits_and_grow_with_strictness():
    table, people = c.errors(), c.enrolled()
    for row in table.query("rule == 'none'").itertuples():
        beyond = people.loc[people["model"] == row.model, "rank"] > row.list_size
        assert (row.missed, row.enrolled) == (beyond.sum(), 263)
    for _, part in table.groupby(["model", "list_size"]):
        ordered = part.set_index("rule").loc[["none", "fmr:0.0001", "fmr:1e-05", "fmr:1e-06"]]
        assert ordered["missed"].is_monotonic_increasing
        assert ordered["mean"].is_monotonic_decreasing


# ---- as they are shown


@given(st.lists(st.floats(0, 500), min_size=1, max_size=6))
def test_whole_numbers_keep_their_sum_and_stay_within_one(values):
    found = c.whole(values)
    assert sum(found) == round(sum(values))
    assert all(abs(a - b) <= 1 for a, b in zip(found, values, strict=True))


def test_a_thousand_searches_are_a_thousand_and_follow_the_rates():
    for share in (0, 0.25, 1):
        table = c.thousand(share, tuple(c.RULES))
        assert (table[list(c.OUTCOMES)].sum(axis=1) == 1000).all()
        assert (table[["found", "missed"]].sum(axis=1) == round(1000 * share)).all()
    rates = c.errors().query("list_size == 10").set_index(["model", "rule"])
    table = c.thousand(0.5).set_index(["Program", "Threshold"])
    for model in PRIMARY_MODELS:
        for rule in ("none", "fmr:1e-05"):
            row = table.loc[(MODEL_LABELS[model], c.RULES[rule])]
            r = rates.loc[(model, rule)]
            assert abs(row["missed"] - 500 * r["fnir"]) < 1
            assert abs(row["strangers listed"] - 500 * r["fpir"]) < 1


def test_the_icon_array_has_a_square_of_its_colour_for_each_search():
    table = c.thousand(0.25).iloc[:2]
    fig = charts.plot_thousand(table)
    for ax, row in zip(fig.axes, table.to_dict("records"), strict=True):
        squares = ax.collections[0]
        assert len(np.unique(squares.get_offsets(), axis=0)) == 1000
        colours = [matplotlib.colors.to_hex(rgb).upper() for rgb in squares.get_facecolors()]
        assert {n: colours.count(charts.COLOURS[n]) for n in c.OUTCOMES} == {
            n: row[n] for n in c.OUTCOMES
        }


def test_a_difference_between_groups_is_noticed(monkeypatch):
    people = c.enrolled()
    lost = people.assign(rank=people["rank"].mask(people["of_colour"], 99.0))
    assert (c.differences() > 0.05).all()
    monkeypatch.setattr(c, "enrolled", lambda: lost)
    assert (c.differences.__wrapped__() < 0.001).all()


def test_the_first_by_group_are_counts_of_the_groups():
    shown = c.show_first_by_group().set_index("Group")
    people = c.enrolled().query("model == 'dlib-native' and group == 'Black'")
    assert shown.loc["Black", "Dlib"] == f"{(people['rank'] == 1).sum()} of {len(people)}"


def test_the_axis_of_wrong_names_starts_at_zero_and_shows_what_the_title_says():
    curves = reviewers.curves()
    ax = charts.plot_base_rate(curves, 0.25).axes[0]
    assert ax.get_ylim()[0] == 0
    drawn = [line for line in ax.lines if len(line.get_xdata()) > 2]
    assert len(drawn) == len(charts.LABELS)
    for line in drawn:
        assert line.get_ydata()[0] > 80 > line.get_ydata()[-1]  # of someone else, in per cent
