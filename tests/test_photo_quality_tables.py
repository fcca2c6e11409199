"""What ships of notebook 08: complete, in step with notebook 02, counted right, drawn right."""

import numpy as np
import pandas as pd
import pytest

from helpers.experiments.how_good_is_the_photo import charts
from helpers.experiments.how_good_is_the_photo import make as q
from helpers.experiments.how_good_is_the_photo import tables as t
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import shipped
from helpers.statistics import exact_tests

CACHED = (t.results, t.overall, t.gaps)


@pytest.fixture
def pretend(monkeypatch):
    """`pretend(table)` makes every table speak of `table` instead of what ships."""

    def clear():
        for function in CACHED:
            function.cache_clear()

    def use(table):
        clear()
        shown = table.copy()
        monkeypatch.setattr(t, "results", lambda: shown)

    real = CACHED[0]
    yield use
    monkeypatch.setattr(t, "results", real)
    clear()


# ---------------------------------------------------------------- the files


def test_every_member_occurs_once_in_every_condition_with_every_model():
    table = pd.read_parquet(DATA / "results" / q.ROWS)
    assert not table.duplicated(["probe_id", "kind", "level", "model"]).any()
    assert len(table) == 529 * len(q.conditions()) * len(PRIMARY_MODELS)
    there = set(zip(table["kind"], table["level"], table["model"], strict=True))
    assert there == {(k, v, m) for k, v in q.conditions() for m in PRIMARY_MODELS}


def test_no_score_with_a_private_face_ships():
    """Only whether it lies within a threshold; scores are with public faces alone."""
    table = pd.read_parquet(DATA / "results" / q.ROWS)
    allowed = ["probe_id", "kind", "level", "model", "enrolled", *q.POLICIES]
    assert list(table.columns) == [*allowed, "legislators", "genuine", "rank"]
    for column in ("enrolled", *q.POLICIES):
        assert table[column].dtype == bool
    for column in ("legislators", "genuine"):
        value = table[column].to_numpy()[np.isfinite(table[column])]
        assert np.allclose(value * 1e4, np.round(value * 1e4), atol=1e-6)


def test_failures_to_enrol_match_nobody_and_are_shared_by_the_models():
    table = pd.read_parquet(DATA / "results" / q.ROWS)
    failed = table[~table["enrolled"]]
    assert not failed[list(q.POLICIES)].any(axis=None)
    assert np.isinf(failed["legislators"]).all() and (failed["rank"] == 0).all()
    wide = table.pivot(index=["probe_id", "kind", "level"], columns="model", values="enrolled")
    assert (wide.nunique(axis=1) == 1).all()


@pytest.mark.parametrize("model", PRIMARY_MODELS)
@pytest.mark.parametrize(("column", "policy"), q.POLICIES.items())
def test_the_undegraded_portraits_give_the_result_of_the_congress_test(model, column, policy):
    mine = t.results().query("model == @model and kind == @q.UNDEGRADED").set_index("probe_id")
    members = shipped.result("utkface", model, policy).members.set_index("member_id")
    assert (mine[column].reindex(members.index) == members["flagged"]).all()
    assert (mine["enrolled"].reindex(members.index) == members["enrolled"]).all()


@pytest.mark.parametrize("model", PRIMARY_MODELS[:1])
def test_the_undegraded_portraits_give_the_result_with_former_legislators(model):
    mine = t.results().query("model == @model and kind == @q.UNDEGRADED").set_index("probe_id")
    members = shipped.result("legislators", model, shipped.PRIMARY).members
    members = members.set_index("member_id")
    assert (mine["at_legislators"].reindex(members.index) == members["flagged"]).all()


# ---------------------------------------------------------------- the tables


def test_overall_is_a_direct_count():
    table = t.overall().set_index(["kind", "level", "model"])
    raw = pd.read_parquet(DATA / "results" / q.ROWS)
    for key in (
        ("blur", 4.0, "sface-native"),
        ("dark", 6.0, "facenet-native"),
        ("scaled", 0.0, "dlib-native"),
    ):
        kind, level, model = key
        mine = raw[raw["model"] == model].set_index("probe_id")
        part = mine[(mine["kind"] == kind) & (mine["level"] == level)]
        before = mine[mine["kind"] == q.UNDEGRADED]
        row = table.loc[key]
        assert row["flagged"] == part["at_28"].sum() and row["searched"] == 529
        assert row["failed"] == (~part["enrolled"]).sum()
        assert row["change"] == pytest.approx((part["at_28"].sum() - 28) / 529)
        assert row["gained"] == (part["at_28"] & ~before["at_28"].reindex(part.index)).sum()
        mates = part["genuine"].notna()
        limit = shipped.result("utkface", model, shipped.PRIMARY).summary["threshold"]
        assert row["mates"] == mates.sum() == 262
        assert row["missed"] == (part["genuine"][mates] > limit + 1e-6).sum()


def test_the_undegraded_rows_change_nothing_and_are_not_tested():
    table = t.overall().query("kind == @q.UNDEGRADED")
    assert (table["flagged"] == 28).all() and (table["change"] == 0).all()
    assert table["holm_p"].isna().all()
    tests = t.overall()["holm_p"].notna().sum()
    assert tests == (len(q.conditions()) - 2) * len(PRIMARY_MODELS)


def test_gaps_are_made_of_the_two_groups():
    table, whole = t.gaps(), t.overall()
    assert ((table["k1"] + table["k0"]) == whole["flagged"]).all()
    assert ((table["n1"] + table["n0"]) == 529).all()
    adjusted = table["holm_p"].dropna()
    assert np.allclose(adjusted, exact_tests.holm(table.loc[adjusted.index, "p"]))


def test_groups_add_up_and_one_is_compared_with_white_members_alone():
    shown = t.show_no_face().set_index("Photo")
    black, white = shown["Black (47)"], shown["White (427)"]
    others = shown[["Hispanic (38)", "East Asian (9)", "South Asian (5)", "Native and Pacific (3)"]]
    assert (black + others.sum(axis=1) == shown["Members of colour (102)"]).all()
    found = t.no_face("Black").loc[shown.index]
    assert (found["k1"] == black).all() and (found["k0"] == white).all()
    assert set(found["n1"]) == {47} and set(found["n0"]) == {427}


# ---------------------------------------------------------------- as they are shown


def test_every_photo_has_a_name_of_its_own():
    names = [t.photo(*condition) for condition in q.conditions()]
    assert len(set(names)) == len(names)
    assert t.photo("blur", 6) == "Blur, strong" and t.photo("dark", 3) == "Too dark, mild"
    assert t.photo("cover", 2) == "Covered, mask" and t.photo("none", 0) == "As published"
    assert set(t.strong()) < set(names)


def test_without_any_effect_no_change_is_shown(pretend):
    table = t.results().copy()
    before = table[table["kind"] == q.UNDEGRADED].set_index(["probe_id", "model"])
    same = before.loc[pd.MultiIndex.from_frame(table[["probe_id", "model"]])].reset_index()
    same[["kind", "level"]] = table[["kind", "level"]].to_numpy()
    pretend(same.astype({"level": float}))
    assert set(t.show_moved()["Photo"]) == {"Only scaled"} and t.moved().empty
    assert (t.tallies().filter(like=":") == 0).all(axis=None)
    assert (t.show_gaps()["Holm p"] == "1.000").all()


def test_an_effect_on_one_group_shows_on_its_side(pretend):
    table = t.results().copy()
    real = ~table["kind"].isin([q.UNDEGRADED, q.SCALED])
    table["at_28"] = table["at_28"].where(~real, table["of_colour"])
    pretend(table)
    n = int(real.sum() / 529)
    assert (t.show_gaps()["Of colour"] == "102 of 102").all() and len(t.show_gaps()) == n
    assert (t.show_gaps()["Holm p"] == "< 0.001").all()
    all_programs = t.tallies().iloc[len(PRIMARY_MODELS)]
    assert all_programs["Threshold"] == "28 flagged" and all_programs["Program"] == "All programs"
    assert all_programs["falsely matched: more"] == all_programs["Degradations tested"] == n
    assert all_programs["falsely matched: fewer"] == 0


def test_counts_as_shown_are_those_of_the_tables():
    shown = t.show_counts().set_index("Photo")
    for model in PRIMARY_MODELS:
        label = t.MODEL_LABELS[model]
        row = t.overall().query("kind == 'blur' and level == 6 and model == @model").iloc[0]
        assert shown.loc["Blur, strong", f"{label}: falsely matched"] == row["flagged"]
        assert shown.loc["Blur, strong", f"{label}: not found"] == row["missed"]
        assert shown.loc["Blur, strong", "No face found"] == row["failed"]
    assert len(shown) == len(q.conditions())


def test_the_figure_shows_both_errors_of_the_same_photos():
    table = t.worse()
    photos = t.strong()
    assert len(table) == 2 * len(photos) * len(PRIMARY_MODELS)
    assert set(table["Photo"]) == set(photos)
    assert np.allclose(table["rate"], table["count"] / table["of"])
    assert ((table["low"] <= table["rate"]) & (table["rate"] <= table["high"])).all()


def test_photos_are_not_joined_and_zero_is_on_the_axis():
    for ax in charts.plot_worse(t.worse()).axes:
        assert ax.get_xlim() == (0, 100)
        drawn = [line.get_ydata() for line in ax.lines]
        assert all(len(set(np.round(y))) <= 1 for y in drawn) and len(ax.collections) > 0


def test_tables_have_a_row_for_each_condition_shown():
    assert len(t.show_levels()) == len(q.LEVELS)
    assert t.show_no_face()["Photo"].tolist() == t.strong()
