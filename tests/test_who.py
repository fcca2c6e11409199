"""Groups, thresholds, adjustment and the ACLU's list against direct counts and known answers."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.experiments.the_congress_test import tables as headline
from helpers.experiments.who_is_misidentified import charts as who_figures
from helpers.experiments.who_is_misidentified import simulation as who_simulation
from helpers.experiments.who_is_misidentified import tables as who
from helpers.experiments.who_is_misidentified import words as who_words
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import congress_test
from helpers.show import figures
from helpers.sources.groups import ASIAN, COLOUR
from helpers.statistics import auc

MODULES = (who_words, who_figures, who_simulation)
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
    assert primary["holm_p"].to_numpy() == pytest.approx(headline.primary()["holm_p"].to_numpy())
    assert primary["within"].to_numpy() == pytest.approx(
        headline.primary()["ratio_within_sex"].to_numpy()
    )
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


@pytest.mark.parametrize(
    "part", ["low", "within_low", "auc_low", "auc_within_low", "holm_p", "at 14", "at 56", None]
)
def test_a_comparison_holds_only_if_every_part_does(monkeypatch, part):
    bad = {"auc_low": 0.4, "auc_within_low": 0.4, "holm_p": 0.06}.get(part, 0.9)
    tables = dict.fromkeys(who.COUNTS, one_comparison())
    if part in ("at 14", "at 56"):
        tables[int(part[3:])] = one_comparison(within_low=0.9)
    elif part in ("low", "within_low"):
        tables[28] = one_comparison(**{part: bad})
    main = one_comparison(**{part: bad}) if part in one_comparison() else one_comparison()
    monkeypatch.setattr(who, "at_count", lambda count: tables[count])
    monkeypatch.setattr(who, "secondary", lambda: main.copy())
    assert who.rule.__wrapped__()["holds"].tolist() == [int(part is None)]


def test_less_often_holds_too(monkeypatch):
    down = one_comparison(
        low=0.1, high=0.5, within_low=0.1, within_high=0.5, auc_low=0.2, auc_high=0.4,
        auc_within_low=0.2, auc_within_high=0.4,
    )  # fmt: skip
    monkeypatch.setattr(who, "at_count", lambda count: down)
    monkeypatch.setattr(who, "secondary", lambda: down.copy())
    assert who.rule.__wrapped__()["holds"].tolist() == [-1]


def test_ratios_by_threshold_pass_through_the_three():
    table = who.by_threshold().set_index(["model", "gap", "flagged"]).sort_index()
    for row in who.secondary().query("group in ['Women', @COLOUR]").to_dict("records"):
        gap = f"{row['group']} / {who.counterpart(row['against'])}"
        assert table.loc[(row["model"], gap, 28), "ratio"] == pytest.approx(row["within"])


# ---------------------------------------------------------------- adjustment


def ranked(rng, n=300):
    age = rng.normal(size=n)
    data = pd.DataFrame({"of_colour": (rng.random(n) < 1 / (1 + np.exp(-2 * age))) * 1.0})
    return data.assign(age=age, score=(rng.normal(size=n) - 1.5 * age).round(1))


@pytest.mark.parametrize("seed", range(5))
def test_the_unadjusted_gap_in_ranks_is_the_auc(seed):
    data = ranked(np.random.default_rng(seed))
    one = data["of_colour"].to_numpy() == 1
    plain = auc.auc_best_scores(data["score"][one], data["score"][~one]).auc
    assert who.rank_gap(data, ["of_colour"])[0] == pytest.approx(plain)


def test_weights_count_members_more_than_once():
    rng = np.random.default_rng(2)
    data = ranked(rng, 80)
    weights = rng.multinomial(80, np.full(80, 1 / 80), size=3)
    found = who.rank_gap(data, ["of_colour", "age"], weights.astype(float))
    for draw, value in zip(weights, found, strict=True):
        again = data.loc[np.repeat(data.index, draw)].reset_index(drop=True)
        assert value == pytest.approx(who.rank_gap(again, ["of_colour", "age"])[0])


def test_adjustment_takes_away_a_gap_that_is_one_of_age():
    # over many samples: a group that differs in age only, and scores that depend on age only
    rng = np.random.default_rng(3)
    gaps = [
        [who.rank_gap(d, terms)[0] for terms in (["of_colour"], ["of_colour", "age"])]
        for d in (ranked(rng) for _ in range(20))
    ]
    before, after = np.mean(gaps, axis=0)
    assert before > 0.7 and abs(after - 0.5) < 0.05


def test_the_unadjusted_odds_ratio_is_that_of_the_two_by_two_table():
    table = who.adjusted()
    assert table["terms"].str.count(",").max() == 1  # with the gap itself: three terms
    for model in PRIMARY_MODELS:
        data = who.covariates(model)
        cell = pd.crosstab(data["woman"], data["flagged"]) + 0.5
        odds = cell.loc[1, True] * cell.loc[0, False] / (cell.loc[1, False] * cell.loc[0, True])
        row = table.query("model == @model and gap == @who.GAPS['woman'] and terms == ''").iloc[0]
        assert row["odds_ratio"] == pytest.approx(odds, rel=1e-4) and row["change"] == 1
        assert row["events"] == data["flagged"].sum() and row["members"] == len(data) < 529


def test_the_change_of_an_adjusted_rank_gap_is_a_difference():
    table = who.adjusted_ranks()
    plain = table[table["terms"] == ""].set_index(["model", "gap"])["auc"]
    base = plain.reindex(pd.MultiIndex.from_frame(table[["model", "gap"]])).to_numpy()
    assert table["change"].to_numpy() == pytest.approx(table["auc"].to_numpy() - base)
    assert (table["low"] < table["auc"]).all() and (table["auc"] < table["high"]).all()


# ---------------------------------------------------------------- the ACLU's list


def test_every_list_holds_28_and_its_groups_add_up():
    table = who.aclu_beside().set_index("group")
    lists = ["aclu", *PRIMARY_MODELS]
    for pair in (("Women", "Men"), (COLOUR, "White")):
        assert table.loc[list(pair), lists].sum().tolist() == [28] * 4
        assert table.loc[list(pair), "by_lot"].sum() == pytest.approx(28)
    assert table.loc["Women", "aclu"] == 1 and table.loc[list(ASIAN), "aclu"].sum() == 0


def test_a_share_implies_the_ratio_of_its_rates():
    for row in who.shares().to_dict("records"):
        part = row["n1"] / row["searched"]
        assert who.ratio_implied(row["share"], part) == pytest.approx(row["ratio"])
        assert row["low"] < row["ratio"] < row["high"]
    assert who.ratio_implied(0.39, 0.39) == pytest.approx(1)
    assert who.shares()["k1"].tolist()[:2] == [11, 12]


def test_the_rank_test_finds_what_is_there():
    listed, strata = who.aclu_listed()
    assert listed.sum() == 28 and len(strata) == 529
    assert who_simulation.rank_test_power(0.9, repeats=5, permutations=199) == 1
    assert who_simulation.rank_test_power(0.5, repeats=30, permutations=199) < 0.25


# ---------------------------------------------------------------- what ships, and what is said


def test_half_samples_ship_for_every_group_and_fit_the_counts(monkeypatch):
    half = who.load("who-half-samples")
    everybody = [g["group"] for g in who.groups(congress_test.people_searched())]
    assert half["group"].tolist() == everybody * len(PRIMARY_MODELS)
    rate = half["flagged"] / half["searched"]
    assert ((half["low"] <= rate + 1e-4) & (rate - 1e-4 <= half["high"])).all()
    assert (half["design_effect"] > 0.99).all()
    assert who_figures.forest()["flagged"].tolist() == half["flagged"].tolist()
    monkeypatch.setattr(who, "load", lambda name: half.assign(flagged=half["flagged"] + 1))
    with pytest.raises(ValueError, match="are old"):
        who_figures.forest.__wrapped__()


def test_simulations_ship_for_every_world():
    coverage, size = who.load("coverage"), who.load("test-size")
    assert coverage["world"].unique().tolist() == list(who_simulation.COVERAGE_WORLDS)
    assert coverage["coverage"].between(0, 1).all() and (coverage["repeats"] >= 200).all()
    made = size[size["world"].isin(who_simulation.SIZE_WORLDS)]
    assert made.groupby("world", sort=False)["test"].nunique().nunique() == 1
    power = size[size["world"] == "ACLU's list"]["rejected"]
    assert len(power) == len(who_simulation.POWER_AUCS) and power.is_monotonic_increasing


def test_one_made_up_search_runs_every_test_that_ships():
    found = who_simulation._tests(np.random.default_rng(0), {"shift": 0.0}, draws=50)
    shipped = set(who.load("test-size")["test"])
    assert set(found) - {"fisher"} < shipped and all(v in (0, 1) for v in list(found.values())[1:])
    strong = {"shift": 3.0, "gallery_share": 0.95}
    found = who_simulation._tests(np.random.default_rng(0), strong, draws=50)
    assert found["Fisher"] and found["FPIR ratio, half-samples"] and found["AUC, half-samples"]


def sentences():
    kinds = ("answer", "finding", "words_", "title_", "caption_", "alt_")
    return {
        f"{m.__name__}.{n}": getattr(m, n)
        for m in MODULES
        for n in dir(m)
        if n.startswith(kinds) and getattr(m, n).__module__ == m.__name__
    }


@pytest.mark.parametrize("name", sentences())
def test_sentences_are_whole_and_blame_nothing(name):
    text = sentences()[name]()
    assert len(text) > 30
    assert not re.search(
        r"\bnan\b|None(?! of)|\binf\b|\{|  |due to|because of|explained by|worst", text
    )


def test_no_opening_sentence_names_a_small_group():
    small = who.secondary().query("n1 < @who.HEADLINE_N")["group"].unique()
    for text in (who_words.answer(), who_words.finding()):
        assert not [g for g in small if g in text]


def test_the_answer_follows_the_rule(monkeypatch):
    table = who.rule()
    everywhere = table.assign(holds=np.where(table["group"] == "Women", 1, 0))
    monkeypatch.setattr(who, "rule", lambda: everywhere)
    assert "agree on Women against men and on nothing else" in who_words.answer()
    assert "only Women against men holds in all three" in who_words.finding()
    assert "By every model" in who_figures.title_groups()
    monkeypatch.setattr(who, "rule", lambda: table.assign(holds=0, holm_p=1.0))
    assert "No difference between groups holds" in who_words.answer()
    assert "no model falsely matches women more often" in who_words.answer()
    assert "lets no comparison through" in who_words.words_rule()
    monkeypatch.setattr(who, "rule", lambda: everywhere.assign(holds=-everywhere["holds"]))
    assert "falsely match women less often" in who_words.answer()


def test_tables_show_every_group_and_no_empty_number():
    shown = who_words.show_ratios()
    assert len(shown) == who.secondary()["group"].nunique()
    assert shown["Group"].str.startswith("Native and Pacific (3)").any()
    for module in MODULES:
        for name in (n for n in dir(module) if n.startswith("show_")):
            text = getattr(module, name)().to_string()
            assert not re.search(r"\bnan\b|None", text), name


def test_pictures_are_legible(tmp_path):
    drawn = {
        "groups": who_figures.plot_panels(who_figures.forest(), "fpir", tally="flagged"),
        "thresholds": who_figures.plot_thresholds(who.by_threshold()),
    }
    for name, figure in drawn.items():
        figures.save(
            figure, who.by_threshold(), id=f"fig-04-{name}", title="A title", subtitle="Unit",
            caption="A caption.", alt="x" * 50, notebook="04-who", folder=tmp_path,
        )  # fmt: skip
