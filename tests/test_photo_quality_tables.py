"""What ships of notebook 08: complete, in step with notebook 02, counted right, in words."""

import numpy as np
import pandas as pd
import pytest

from helpers.experiments.how_good_is_the_photo import make as q
from helpers.experiments.how_good_is_the_photo import tables as t
from helpers.experiments.how_good_is_the_photo import words as w
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import shipped
from helpers.statistics import exact_tests

CACHED = (t.results, t.overall, t.gaps, t.by_group)


@pytest.fixture
def pretend(monkeypatch):
    """`pretend(table)` makes every table and sentence speak of `table` instead of what ships."""

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
    summary = pd.read_csv(DATA / "results" / q.SUMMARY)
    assert len(summary) == len(q.conditions()) * len(PRIMARY_MODELS)


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
    for key in (("blur", 4.0, "SFace"), ("dark", 6.0, "Facenet"), ("scaled", 0.0, "dlib-native")):
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
        assert row["beyond_rank_1"] == (part["rank"][mates] != 1).sum()


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
    assert np.allclose(table["gap_change"], table["change1"] - table["change0"])
    adjusted = table["within_holm_p"].dropna()
    assert np.allclose(adjusted, exact_tests.holm(table.loc[adjusted.index, "within_p"]))


def test_groups_add_up():
    table = t.by_group()
    for _, part in table.groupby(["kind", "level", "model"]):
        counts = part.set_index("group")[["count", "n", "before"]]
        colour = counts.loc["Members of colour"]
        parts = counts.drop(index=["White", "Members of colour", "Members of colour, not Asian"])
        asian = counts.loc[["East Asian", "South Asian"]].sum()
        assert (parts.sum() == colour).all()
        assert (counts.loc["Members of colour, not Asian"] == colour - asian).all()


# ---------------------------------------------------------------- the words


def test_sentences_carry_the_numbers_of_the_tables():
    row = t.overall().query("model == 'SFace'").iloc[2:].sort_values("change").iloc[-1]
    assert f"{row['flagged']} of 529 with" in w.answer()
    assert f"{row['flagged']} of 529 with" in w.finding()
    for policy in w.POLICY_WORDS:
        assert w.POLICY_WORDS[policy] in w.words_gaps()


def test_without_any_effect_the_sentences_say_so(pretend):
    table = t.results().copy()
    before = table[table["kind"] == q.UNDEGRADED].set_index(["probe_id", "model"])
    same = before.loc[pd.MultiIndex.from_frame(table[["probe_id", "model"]])].reset_index()
    same[["kind", "level"]] = table[["kind", "level"]].to_numpy()
    pretend(same.astype({"level": float}))
    assert "No degradation changes the number of false matches" in w.answer()
    assert "in none of" in w.answer()
    assert w.title_misses() == "No degradation changes the misses significantly"
    assert "No degradation changes the gap" in w.title_sides()
    assert "In none of" in w.words_failures()


def test_with_an_effect_on_one_group_the_sentences_say_which(pretend):
    table = t.results().copy()
    real = ~table["kind"].isin([q.UNDEGRADED, q.SCALED])
    table["at_28"] = table["at_28"].where(~real, table["of_colour"])
    table["enrolled"] = table["enrolled"].where(~(real & (table["kind"] == "dark")), False)
    table.loc[real, "missed_28"] = table.loc[real, "missed_28"].where(
        table.loc[real, "missed_28"].isna(), 1.0
    )
    pretend(table)
    n = int(real.sum() / 529)
    assert "raises false matches or leaves them" in w.title_false_matches().lower()
    assert f"against members of colour in {n}, in their favour in 0" in w.answer()
    assert w.title_misses() == f"Misses rise in {n} of {n} combinations of degradation and model"
    assert "Most fail with too dark" in w.words_failures()
    table["at_28"] = table["at_28"].where(~real, False)
    pretend(table)
    assert "lowers false matches" in w.title_false_matches()


def test_every_text_is_made_and_figures_can_be_drawn(tmp_path):
    from helpers.show import figures

    for name in dir(w):
        if name.startswith(("words_", "title_", "caption_", "alt_")):
            text = getattr(w, name)()
            assert len(text) > 20 and "nan" not in text, name
    saved = figures.save(
        w.plot_sides(w.sides()), w.sides(), id="fig-08-test", title=w.title_sides(),
        caption=w.caption_sides(), alt=w.alt_sides(), notebook="08-how-good-is-the-photo",
        folder=tmp_path,
    )  # fmt: skip
    assert saved["id"] == "fig-08-test"


def test_tables_have_a_row_for_each_condition_shown():
    n = len(q.LEVELS)
    assert len(w.show_levels()) == n
    assert len(w.show_overall()) == (n + 2) * len(PRIMARY_MODELS)
    assert len(w.show_gaps()) == n * len(PRIMARY_MODELS)
    assert len(w.show_parts()) == (n + 1) * len(PRIMARY_MODELS)
    assert w.show_failures().iloc[0]["Photo"] == w.KIND_LABELS[q.UNDEGRADED]
