"""Groups, thresholds, adjustment and the ACLU's list against direct counts and known answers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.experiments.who_is_misidentified import adjustment, parts, shown
from helpers.experiments.who_is_misidentified import charts as who_figures
from helpers.experiments.who_is_misidentified import simulation as who_simulation
from helpers.experiments.who_is_misidentified import tables as who
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import congress_test, shipped
from helpers.sources.groups import ASIAN, COLOUR, GROUPS, NOT_ASIAN
from helpers.statistics import auc, exact_tests

WHOLES = (COLOUR, NOT_ASIAN)
SCORES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, np.inf]), min_size=5, max_size=30)


@given(SCORES, SCORES)
@settings(max_examples=60, deadline=None)
def test_auc_with_one_stratum_is_the_plain_auc(a, b):
    one = np.arange(len(a) + len(b)) < len(a)
    found = who.auc_within([*a, *b], one, ~one, np.zeros(len(one)))
    plain = auc.auc_best_scores(a, b)
    assert found[0] == pytest.approx(plain.auc)
    if 0 < plain.auc < 1:
        assert found[1:] == pytest.approx((plain.low, plain.high))


def test_auc_within_strata_leaves_a_difference_between_strata_out():
    # women lie nearer, and are more of group one; within a gender both groups are alike
    best = np.array([1.0, 2, 1, 2, 1, 2, 1, 2, 11, 12, 11, 12, 11, 12, 11, 12])
    one = np.array([True] * 6 + [False] * 2 + [True] * 2 + [False] * 6)
    sex = np.repeat(["female", "male"], 8)
    assert who.auc_within(best, one, ~one, np.zeros(16))[0] > 0.7
    auc, low, high = who.auc_within(best, one, ~one, sex)
    assert auc == 0.5 and low < 0.5 < high


def test_auc_within_says_nothing_where_nothing_can_be_compared():
    one = np.array([True, False])
    assert np.isnan(who.auc_within([1.0, 2.0], one, ~one, np.array(["a", "b"]))).all()
    auc, low, high = who.auc_within([1.0, 2.0], one, ~one, np.zeros(2))
    assert auc == 1 and np.isnan([low, high]).all()


def test_auc_within_covers_with_strata_that_differ():
    rng = np.random.default_rng(4)
    held = []
    for _ in range(300):
        sex = rng.random(150) < 0.3
        one = rng.random(150) < np.where(sex, 0.5, 0.2)
        _, low, high = who.auc_within(rng.normal(size=150) - 2 * sex, one, ~one, sex)
        held.append(low <= 0.5 <= high)
    assert 0.91 < np.mean(held) < 0.985


def made_up(rng=None, n=400):
    """Members as the roster has them, with made-up scores."""
    rng = rng or np.random.default_rng(1)
    group = rng.choice(["White", "Black", "Hispanic", "East Asian"], n, p=[0.7, 0.12, 0.12, 0.06])
    people = pd.DataFrame(
        {
            "member_id": [f"m{i}" for i in range(n)],
            "group": group,
            "of_colour": group != "White",
            "gender": rng.choice(["female", "male"], n, p=[0.3, 0.7]),
            "party": rng.choice(["democrat", "republican"], n),
            "chamber": rng.choice(["house", "senate"], n),
            "date_of_birth": rng.choice(["1940-01-01", "1955-07-27", "1970-01-01"], n),
            "score": rng.normal(size=n).round(4),
        }
    )
    return people.assign(flagged=people["score"] <= np.sort(people["score"])[59])


def test_groups_divide_everybody_and_counterparts_are_others():
    for members in (congress_test.people_searched(), made_up()):
        rows = who.groups(members)
        inside = {g["group"]: g["inside"] for g in rows}
        assert len(inside) == len(rows)  # a name means one group
        parts = {}
        for g in rows:
            if g["against"]:
                assert not (g["inside"] & inside[g["against"]]).any()
            if "of colour" not in g["group"]:
                parts.setdefault(g["characteristic"], []).append(g["inside"])
        for characteristic, masks in parts.items():
            assert (np.sum(masks, axis=0) == 1).all(), characteristic
        assert (inside["Women of colour"] | inside["Men of colour"] == inside[COLOUR]).all()


def test_comparisons_are_what_a_direct_count_gives():
    members = made_up()
    table = who.compare(members).set_index("group")
    row = table.loc["Black"]
    black, white = members[members["group"] == "Black"], members[members["group"] == "White"]
    counts = (black["flagged"].sum(), len(black), white["flagged"].sum(), len(white))
    assert tuple(row[["k1", "n1", "k0", "n0"]]) == counts
    assert row["ratio"] == pytest.approx((counts[0] / counts[1]) / (counts[2] / counts[3]))
    assert row["p"] == pytest.approx(
        stats.fisher_exact(
            [[counts[0], counts[1] - counts[0]], [counts[2], counts[3] - counts[2]]]
        ).pvalue
    )
    top = bottom = 0.0
    for sex in ("female", "male"):
        b, w = (x[x["gender"] == sex]["flagged"] for x in (black, white))
        top += b.sum() * len(w) / (len(b) + len(w))
        bottom += w.sum() * len(b) / (len(b) + len(w))
    assert row["within"] == pytest.approx(top / bottom)


def test_a_group_without_members_keeps_its_row():
    table = who.compare(made_up()).set_index("group")
    row = table.loc["Native and Pacific"]
    assert row["n1"] == 0 and row[["ratio", "within", "p", "auc"]].isna().all()
    nobody = made_up().assign(flagged=False)
    assert who.compare(nobody)["ratio"].isna().all()


def test_a_group_of_a_few_has_no_interval():
    one, zero = np.arange(20) < 4, np.arange(20) >= 4
    row = who.ratio_of(np.arange(20) % 3 == 0, one, zero, np.full(20, ""))
    assert row["ratio"] == pytest.approx(0.5 / (5 / 16)) and np.isnan(row["low"])
    assert np.isfinite(who.ratio_of(np.arange(20) % 3 == 0, one, ~one, np.full(20, ""))["ratio"])
    one = np.arange(20) < 5
    assert np.isfinite(who.ratio_of(np.arange(20) % 3 == 0, one, ~one, np.full(20, ""))["low"])


def test_the_families_of_tests_are_the_stated_ones():
    table = who.secondary()
    primary = table[table["primary"]].set_index("model")
    summaries = [shipped.result("utkface", m, shipped.PRIMARY).summary for m in PRIMARY_MODELS]
    holm = exact_tests.holm([s["fisher_p"] for s in summaries])
    assert primary["holm_p"].to_numpy() == pytest.approx(holm)
    assert primary["within"].tolist() == pytest.approx([s["ratio_within_sex"] for s in summaries])
    rest = table[~table["primary"]]
    smallest = rest["p"].idxmin()
    assert rest.loc[smallest, "holm_p"] == pytest.approx(
        min(1, len(rest) * rest.loc[smallest, "p"])
    )
    assert (rest["holm_p"] >= rest["p"] - 1e-12).all()
    assert len(rest) == len(PRIMARY_MODELS) * (table["group"].nunique() - 1)


def one_comparison(**changes):
    """A table like that of `secondary`, one comparison in one model that holds everywhere."""
    up = {"ratio": 3.0, "low": 2.0, "high": 4.0, "within": 3.0, "within_low": 2.0}
    up |= {"within_high": 4.0, "auc": 0.7, "auc_low": 0.6, "auc_high": 0.8, "auc_within": 0.7}
    up |= {"auc_within_low": 0.6, "auc_within_high": 0.8, "p": 0.001, "holm_p": 0.01}
    return pd.DataFrame([{"model": "SFace", "group": "Women", "n1": 100, "n0": 100} | up | changes])


def half_drawn(table, **changes):
    """Half-samples with the intervals of `one_comparison`."""
    names = [f"{name}_{end}" for name in ("within", "auc") for end in ("low", "high")]
    half = table[["model", "group", *names]].assign(
        **{"ratio_low": table["low"], "ratio_high": table["high"]} | changes
    )
    return half.set_index(["model", "group"])


@pytest.mark.parametrize(
    ("part", "fails"),
    [
        ("low", "at 28"), ("within_low", "at 28"), ("at 14", "at 14"), ("at 56", "at 56"),
        ("auc_low", "no threshold"), ("auc_within_low", "no threshold"), ("holm_p", "Holm"),
        ("drawn ratio_low", "half-samples"), ("drawn auc_low", "half-samples"), (None, None),
    ],
)  # fmt: skip
def test_a_comparison_holds_only_if_every_check_does(monkeypatch, part, fails):
    good = one_comparison()
    tables, main, drawn = dict.fromkeys(who.COUNTS, good), good, {}
    bad = {"auc_low": 0.4, "auc_within_low": 0.4, "holm_p": 0.06}.get(part, 0.9)
    if part in ("at 14", "at 56"):
        tables[int(part[3:])] = one_comparison(within_low=0.9)
    elif part in ("low", "within_low"):
        tables[28] = one_comparison(**{part: bad})
    elif part and part.startswith("drawn"):
        drawn = {part.split()[1]: 0.4}
    elif part:
        main = one_comparison(**{part: bad})
    monkeypatch.setattr(who, "at_count", lambda count, variant: tables[count])
    monkeypatch.setattr(who, "secondary", lambda variant: main.copy())
    monkeypatch.setattr(who, "half_samples", lambda: half_drawn(good, **drawn))
    row = who.rule.__wrapped__().iloc[0]
    assert row["holds"] == int(part is None)
    assert [c for c in who.checks() if not row[c]] == ([fails] if fails else [])


def test_less_often_holds_too(monkeypatch):
    down = one_comparison(
        low=0.1, high=0.5, within_low=0.1, within_high=0.5, auc_low=0.2, auc_high=0.4,
        auc_within_low=0.2, auc_within_high=0.4, ratio=0.3, within=0.3, auc=0.3,
    )  # fmt: skip
    monkeypatch.setattr(who, "at_count", lambda count, variant: down)
    monkeypatch.setattr(who, "secondary", lambda variant: down.copy())
    monkeypatch.setattr(who, "half_samples", lambda: half_drawn(down))
    assert who.rule.__wrapped__()["holds"].tolist() == [-1]


def test_half_samples_are_no_check_where_none_were_drawn(monkeypatch):
    good = one_comparison()
    monkeypatch.setattr(who, "at_count", lambda count, variant: good)
    monkeypatch.setattr(who, "secondary", lambda variant: good.copy())
    monkeypatch.setattr(who, "half_samples", lambda: half_drawn(good, auc_low=0.4))
    assert who.rule.__wrapped__("strict")["holds"].tolist() == [1]
    assert who.rule.__wrapped__("rule")["holds"].tolist() == [0]


# ---------------------------------------------------------------- adjustment


def test_the_unadjusted_odds_ratio_is_that_of_the_two_by_two_table():
    table = adjustment.adjusted()
    assert table["terms"].str.count(",").max() == 1  # with the gap itself: three terms
    for model in PRIMARY_MODELS:
        data = adjustment.covariates(model)
        cell = pd.crosstab(data["woman"], data["flagged"]) + 0.5
        odds = cell.loc[1, True] * cell.loc[0, False] / (cell.loc[1, False] * cell.loc[0, True])
        row = table.query(
            "model == @model and gap == @adjustment.GAPS['woman'] and terms == ''"
        ).iloc[0]
        assert row["odds_ratio"] == pytest.approx(odds, rel=1e-4) and row["change"] == 1
        enrolled = shipped.result("utkface", model, shipped.PRIMARY).members["enrolled"].sum()
        assert row["events"] == data["flagged"].sum() and row["members"] == len(data) == enrolled


# ---------------------------------------------------------------- what ships, and what is said


def test_half_samples_ship_for_every_group_and_fit_the_counts():
    half = who.load("who-half-samples")
    everybody = [g["group"] for g in who.groups(congress_test.people_searched())]
    assert half["group"].tolist() == everybody * len(PRIMARY_MODELS)
    rate = half["flagged"] / half["searched"]
    assert ((half["low"] <= rate + 1e-4) & (rate - 1e-4 <= half["high"])).all()
    assert (half["design_effect"] > 0.99).all()
    for model, part in half.groupby("model"):
        flagged = shipped.result("utkface", model, shipped.PRIMARY).members["flagged"]
        groups = who.groups(congress_test.people_searched())
        assert part["flagged"].tolist() == [flagged[g["inside"]].sum() for g in groups]
        assert part["searched"].tolist() == [g["inside"].sum() for g in groups]


def test_simulations_ship_for_every_world():
    coverage, size = who.load("coverage"), who.load("test-size")
    assert coverage["world"].unique().tolist() == list(who_simulation.COVERAGE_WORLDS)
    assert coverage["coverage"].between(0, 1).all() and (coverage["repeats"] >= 200).all()
    assert size["world"].unique().tolist() == list(who_simulation.SIZE_WORLDS)
    assert size.groupby("world", sort=False)["test"].nunique().nunique() == 1


def test_one_made_up_search_runs_every_test_that_ships():
    found = who_simulation._tests(np.random.default_rng(0), {"shift": 0.0}, draws=50)
    shipped = set(who.load("test-size")["test"])
    assert set(found) - {"fisher"} < shipped and all(v in (0, 1) for v in list(found.values())[1:])
    strong = {"shift": 3.0, "gallery_share": 0.95}
    found = who_simulation._tests(np.random.default_rng(0), strong, draws=50)
    assert found["Fisher"] and found["FPIR ratio, half-samples"] and found["AUC, half-samples"]


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize(("model", "whole"), [(m, w) for m in PRIMARY_MODELS for w in WHOLES])
def test_parts_are_all_counted_and_the_pooled_row_is_their_sum(model, whole):
    found, test = parts.pooled()[model, whole]
    row = who.secondary().query("model == @model and group == @whole").iloc[0]
    assert found.parts[["flagged", "searched"]].sum().tolist() == [row["k1"], row["n1"]]
    left_out = set(ASIAN) if whole == NOT_ASIAN else set()
    assert list(found.parts.index) == [g for g in GROUPS[1:] if g not in left_out]
    assert (test.parts, test.flagged) == (len(found.parts), row["k1"])


def test_pooling_draws_a_part_towards_the_others():
    model = PRIMARY_MODELS[0]
    found, _ = parts.pooled()[model, COLOUR]
    alone = who.secondary().query("model == @model").set_index("group")["ratio"]
    assert found.parts.at["East Asian", "rate_ratio"] < alone["East Asian"]
    assert found.parts.at["Hispanic", "rate_ratio"] > alone["Hispanic"] == 0


def test_measures_have_a_row_for_every_program():
    table = parts.apart()
    assert table["model"].unique().tolist() == list(PRIMARY_MODELS)
    assert (table.query("groups == 'all groups'")["smallest"] == 3).all()


# ---------------------------------------------------------------- tables and pictures


def test_verdicts_are_those_of_the_rule():
    table = shown.verdicts()
    assert table["Left out"].nunique() == len(who.TREATMENTS)
    words = table.melt(["Compared", "Left out"])["value"]
    assert (words.str.startswith("more often") | words.str.startswith("could be chance (")).all()
    small = table[table["Compared"].str.startswith("East Asian")].iloc[0]
    assert small["Dlib"] == "more often, too few people"
    holds = sum((who.rule(v)["holds"] != 0)[who.rule(v)["group"].isin(g)].sum() for v, g in (
        ("rule", shown.STATEMENTS), ("any", (COLOUR, "Women")), ("strict", (COLOUR, "Women")),
    ))  # fmt: skip
    assert words.str.startswith("more often").sum() == holds


def test_tables_have_every_group_and_no_empty_number():
    table = shown.comparisons()
    assert len(table) == who.secondary()["group"].nunique()
    assert table["Group"].str.startswith("Native and Pacific (3)").any()
    names = ("verdicts", "checks", "bounds", "pooled_parts", "reversals", "comparisons", "odds")
    names += ("differentials",)
    shows = [getattr(shown, n) for n in names]
    for show in (*shows, who_simulation.show_coverage, who_simulation.show_size):
        text = show().to_string()
        assert "nan" not in text.lower() and "None" not in text and " sex" not in text, show


def test_picked_are_28_on_each_list():
    table = who_figures.picked()
    people = table["group"].isin(["Women", "Men"])
    for part in (table[people], table[~people]):
        assert part.groupby("list")["picked"].sum().tolist() == [28] * 4
        assert part.groupby("list")["by_lot"].sum().tolist() == pytest.approx([28] * 4)
    aclu = table[table["list"].str.startswith("The ACLU")].set_index("group")["picked"]
    assert aclu["Women"] == 1 and aclu[list(ASIAN)].sum() == 0
