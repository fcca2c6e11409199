"""Gallery size: the exact curve, the models beyond it, what ships, and notebook 06's tables."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.experiments.how_big_is_the_gallery import make, models_beyond
from helpers.experiments.how_big_is_the_gallery import tables as g
from helpers.experiments.the_congress_test import tables as headline
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import scores as score_store
from helpers.protocol import shipped
from helpers.sources import published

# ---------------------------------------------------------------- up to the whole gallery


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.data())
def test_the_expected_chance_is_what_counting_every_gallery_gives(N, data):
    k, n = data.draw(st.integers(0, N)), data.draw(st.integers(1, N))
    every = list(itertools.combinations(range(N), n))
    hit = sum(min(chosen) < k for chosen in every)  # faces 0 to k - 1 match
    assert models_beyond.expected([k], N, n)[0] == pytest.approx(hit / len(every))


def test_the_naive_formula_takes_the_mean_match_rate():
    assert g.naive([0, 4], 1000, 500) == pytest.approx(1 - (1 - 0.002) ** 500)
    assert g.naive([0, 0], 1000, 500) == 0


@pytest.mark.parametrize("model", PRIMARY_MODELS)
@pytest.mark.parametrize("policy", g.POLICIES)
def test_counts_agree_with_the_histogram_and_with_the_best_scores(model, policy):
    k, t = g.counts(model, policy), g.threshold(model, policy)
    assert k.sum() == score_store.pairs_at(shipped.scores("utkface", model), t)
    named = shipped.PRIMARY if policy == g.FIXED else policy
    flagged = shipped.result("utkface", model, named).members.set_index("member_id")["flagged"]
    assert ((k > 0) == flagged.reindex(k.index)).all()


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_the_cap_on_candidates_does_not_bite(model):
    assert g.capped(model) < score_store.PER_FACE


def test_counts_refuse_candidates_that_are_not_complete(monkeypatch):
    monkeypatch.setattr(g, "capped", lambda model: score_store.PER_FACE)
    g.counts.cache_clear()
    with pytest.raises(ValueError, match="not complete"):
        g.counts("sface-native", g.FIXED)
    g.counts.cache_clear()


def test_the_curve_ends_at_the_result_of_the_whole_gallery():
    for (model, policy), table in g.curves().groupby(["model", "policy"]):
        named = shipped.PRIMARY if policy == g.FIXED else policy
        s = shipped.result("utkface", model, named).summary
        assert table["fpir"].iloc[-1] == pytest.approx(s["fpir"])
        assert table["fpir"].is_monotonic_increasing
        assert (table["low"] <= table["fpir"]).all() and (table["fpir"] <= table["high"]).all()


def test_groups_add_up_to_everybody():
    table = g.groups_by_size().pivot(
        index=["Program", "Faces"], columns="Group", values="Flagged, expected"
    )
    both = table["Members of colour"] + table["White members"]
    marks = g.marks().set_index(["Program", "Faces"])["Flagged"]
    assert both.to_numpy() == pytest.approx(marks[both.index].to_numpy(), abs=0.11)
    parts = table[["Black", "Hispanic", "Native and Pacific"]].sum(axis=1)
    assert (parts - table["Members of colour, not Asian"]).abs().max() < 0.2


def test_the_ratios_of_the_whole_gallery_are_those_of_the_primary_analysis():
    table = g.ratios().query("Threshold == 'Threshold of the 28'").set_index(["Program", "Faces"])
    for row in headline.primary().to_dict("records"):
        found = table.loc[(MODEL_LABELS[row["model"]], g.faces())]
        assert found["Ratio"] == pytest.approx(row["ratio"], abs=0.005)
        assert found["Within recorded gender"] == pytest.approx(row["ratio_within_sex"], abs=0.005)
        for end in ("low", "high"):
            assert np.log(found[f"Ratio, {end}"]) == pytest.approx(
                np.log(row[f"ratio_{end}"]), abs=0.3
            )


def test_concentration_counts_members_until_half_of_the_pairs(monkeypatch):
    monkeypatch.setattr(g, "counts", lambda model, policy: pd.Series([1, 0, 6, 2, 0, 3]))
    found = g.concentration().iloc[0]
    assert found["False-matching pairs"] == 12 and found["Members flagged"] == 4
    assert found["Members who hold half of the pairs"] == 1
    assert found["If pairs fell by lot"] == round(6 * (1 - (5 / 6) ** 12))


# ---------------------------------------------------------------- beyond, at a fixed threshold


def simulate(rates, n, N, seed):
    """Matches of probes with the given rates a face among n faces, and among N that hold them."""
    rng = np.random.default_rng(seed)
    k = rng.poisson(rates * n)
    return k, k + rng.poisson(rates * (N - n))


@pytest.mark.parametrize("kind", models_beyond.KINDS)
def test_a_prediction_holds_where_its_distribution_is_the_true_one(kind):
    n, N, held = 1800, 18000, 0
    for seed in range(12):
        rng = np.random.default_rng(1000 + seed)
        if kind == "gamma":
            rates = rng.gamma(0.3, 2e-4 / 0.3, 527)
        else:
            rates = 2e-4 * np.exp(rng.normal(-(1.5**2) / 2, 1.5, 527))
        k, truth = simulate(rates, n, N, seed)
        _, low, high = models_beyond.predict_flagged(models_beyond.fit_rates(k, n, kind), N)
        held += low <= (truth > 0).sum() <= high
    assert held >= 10


def test_without_heterogeneity_the_prediction_is_the_naive_formula():
    k, _ = simulate(np.full(5000, 3e-4), 2000, 20000, 0)
    for kind in models_beyond.KINDS:
        mean, low, high = models_beyond.predict_flagged(
            models_beyond.fit_rates(k, 2000, kind), 8000
        )
        naive = 5000 * g.naive(k, 2000, 8000)
        assert mean == pytest.approx(naive, rel=0.03)
        assert low <= naive * 1.01 and naive * 0.99 <= high


def test_unequal_probes_are_predicted_below_the_naive_formula():
    rates = np.concatenate([np.full(20, 5e-3), np.full(500, 1e-6)])
    k, _ = simulate(rates, 2000, 20000, 3)
    for kind in models_beyond.KINDS:
        assert models_beyond.predict_flagged(models_beyond.fit_rates(k, 2000, kind), 20000)[
            2
        ] < 520 * g.naive(k, 2000, 20000)


def test_a_gallery_that_does_not_grow_keeps_its_flagged():
    k = np.array([0] * 50 + [1, 2, 9])
    for kind in models_beyond.KINDS:
        assert models_beyond.predict_flagged(
            models_beyond.fit_rates(k, 100, kind), 100
        ) == pytest.approx((3, 3, 3))


def test_predictions_rise_with_the_gallery_and_never_pass_the_people():
    k = np.array([0] * 50 + [1, 2, 9])
    for kind in models_beyond.KINDS:
        fit = models_beyond.fit_rates(k, 1000, kind)
        means = [models_beyond.predict_flagged(fit, N)[0] for N in (1000, 5000, 10**5, 10**9)]
        assert means == sorted(means) and means[-1] <= 53


def test_no_match_means_no_prediction():
    fit = models_beyond.fit_rates(np.zeros(10, dtype=int), 100, "gamma")
    assert fit is None
    assert np.isnan(models_beyond.predict_flagged(fit, 1000)).all()
    with pytest.raises(ValueError, match="unknown mixing"):
        models_beyond.fit_rates([1], 100, "normal")


# ---------------------------------------------------------------- drawn galleries


def small_search(faces=60, people=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((faces, people)).astype(np.float32)


def test_drawn_galleries_are_nested_and_the_whole_one_is_the_gallery():
    scores = small_search()
    for best in make.draw_best(scores, np.arange(60), (10, 30, 60), 5, seed=1):
        assert best.shape == (3, 40)
        assert (np.diff(best, axis=0) <= 0).all()
        assert (best[-1] == scores.min(axis=0)).all()


def test_drawn_galleries_have_the_hypergeometric_mean():
    scores = small_search()
    k = (scores <= 0.03).sum(axis=0)
    drawn = np.array(
        [(b[0] <= 0.03).mean() for b in make.draw_best(scores, np.arange(60), (12, 60), 1500, 2)]
    )
    wanted = models_beyond.expected(k, 60, 12).mean()
    assert abs(drawn.mean() - wanted) < 4 * drawn.std() / np.sqrt(len(drawn))


def test_faces_of_one_identity_are_drawn_together():
    scores = np.eye(6, dtype=np.float32)  # 0 where a person's own face was not drawn
    seen = [b[0] for b in make.draw_best(1 - scores, np.array([0, 0, 1, 1, 2, 2]), (2,), 40, 3)]
    for best in seen:  # person i has the score 0 only with face i
        drawn = np.flatnonzero(best == 0)
        assert len(drawn) == 2 and drawn[0] // 2 == drawn[1] // 2


@pytest.fixture
def made_up(monkeypatch):
    """Sixty people, a made-up model, four thresholds."""
    people = pd.DataFrame(
        {
            "group": ["Black", "White"] * 30,
            "gender": ["female"] * 30 + ["male"] * 30,
            "of_colour": [True, False] * 30,
        },
        index=[f"M{i:02d}" for i in range(60)],
    )
    levels = dict(zip(g.POLICIES, (0.2, 0.1, 0.05, 0.02, 0.03), strict=True))
    monkeypatch.setattr(g, "members", lambda: people)
    monkeypatch.setattr(g, "threshold", lambda model, policy: levels[policy])
    monkeypatch.setattr(g, "SIZES", (20, 50))
    monkeypatch.setattr(g, "DRAWS", 30)
    return people, levels, small_search(100, 60, 5)


def test_the_table_of_draws_counts_what_was_drawn(made_up):
    _, levels, scores = made_up
    table = make._draw_table("any", scores, np.arange(100))
    assert len(table) == 2 * 5
    for row in table.to_dict("records"):
        k = (scores <= levels[row["policy"]] + 1e-9).sum(axis=0)
        exact = models_beyond.expected(k, 100, row["faces"]).mean()
        assert row["mean"] == pytest.approx(exact, abs=0.03)
        assert row["spread_low"] <= row["mean"] <= row["spread_high"]
        assert row["galleries"] == 30


def test_the_tenths_add_up(made_up):
    people, levels, scores = made_up
    counted = make._tenth_table("any", scores, np.arange(100) % 10)
    assert (counted["tenth_faces"] == 10).all()
    for policy, t in levels.items():
        k = counted[counted["threshold"] == policy].groupby("probe_id")["faces"].sum()
        wanted = (np.round(scores, 4) <= t).sum(axis=0)
        assert (k.reindex(people.index, fill_value=0).to_numpy() == wanted).all()


# ---------------------------------------------------------------- what ships


def tenths():
    return pd.read_parquet(g.RESULTS / "gallery-size-counts.parquet")


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_the_counts_of_the_tenths_are_those_of_the_whole_gallery(model):
    table = tenths().query("model == @model")
    for policy in g.POLICIES:
        mine = table[table["threshold"] == policy].groupby("probe_id")["faces"].sum()
        whole = g.counts(model, policy)
        assert (mine.reindex(whole.index, fill_value=0) == whole).all()
    sizes = table.groupby("tenth")["tenth_faces"].unique().explode()
    assert len(sizes) == g.TENTHS and sizes.sum() == g.faces(model)


def test_drawn_galleries_agree_with_the_exact_curve():
    """But for copies: faces of one identity are drawn together, and match together."""
    drawn = pd.read_csv(g.RESULTS / "gallery-size-draws.csv")
    heat = pd.read_csv(g.RESULTS / "composition-heat.csv").query("group == 'White'")
    copies = 1 - heat.groupby("model")["identities"].sum() / g.faces("dlib-native")
    copies = copies["dlib-native"]
    assert 0.02 < copies < 0.03
    exact = g.curves().set_index(["model", "policy", "faces"])["fpir"]
    for row in drawn.to_dict("records"):
        mean = exact[row["model"], row["policy"], row["faces"]]
        chance = 4 * ((row["spread_high"] - row["spread_low"]) / 3.92 + 1e-4)
        chance /= np.sqrt(row["galleries"])
        assert (1 - copies) * mean - chance < row["mean"] < mean + chance


def test_results_that_ship_name_no_gallery_face():
    for table in (tenths(), pd.read_csv(g.RESULTS / "gallery-size-draws.csv")):
        assert not {"gallery_id", "cluster"} & set(table.columns)
        for column in table.select_dtypes(exclude="number"):
            assert not table[column].astype(str).str.fullmatch(r"u\d{5}").any()


def test_gallery_sizes_of_others_have_a_source():
    everything = pd.read_csv(DATA / "published" / "gallery_sizes.csv")
    assert everything["faces"].iloc[0] == 640_000_000
    assert everything["source_url"].str.startswith("https://").all()
    assert set(everything["status"]) <= set(published.STATUSES)


# ---------------------------------------------------------------- notebook 06


def test_the_marks_end_at_28_and_the_formula_lies_beyond():
    table = g.marks()
    whole = table[table["Faces"] == g.faces()]
    assert len(table) == len(PRIMARY_MODELS) * (len(g.SIZES) + 1)
    assert (whole["Flagged"] == 28).all()
    assert (table["Formula"] >= table["Flagged"]).all()


def test_the_growth_is_that_of_the_exact_curve():
    table = g.growth().set_index("Program")
    curve = g.curves().query("model == 'sface-native' and policy == @g.FIXED")
    assert table.loc["SFace", "Growth of flagged"] == pytest.approx(
        curve["fpir"].iloc[-1] / curve["fpir"].iloc[0], abs=0.05
    )
    assert table.loc["SFace", "Formula over exact"] == pytest.approx(
        curve["naive"].iloc[-1] / curve["fpir"].iloc[-1], abs=0.005
    )


def test_back_tests_count_every_prediction_and_both_hold_as_often_as_either():
    rows = g.predictions()
    assert (rows.groupby(["model", "policy", "kind"]).size() == g.TENTHS).all()
    inside = rows["truth"].between(rows["low"], rows["high"]).groupby(rows["kind"]).sum()
    table = g.back_tests()
    total = table.iloc[-1]
    assert total["Gamma holds"] == inside["gamma"]
    assert total["Log-normal holds"] == inside["log-normal"]
    either = table[["Gamma holds", "Log-normal holds"]].max(axis=1)
    assert (table["Both together hold"] >= either).all()
    assert (table["Truth"].iloc[:-1] > 0).all()


def test_nothing_is_foretold_beyond_ten_times_the_gallery():
    assert g.larger()["Faces"].max() == 10 * g.faces()


def test_at_the_loosest_threshold_without_a_false_match_misses_are_counted():
    table = g.misses().query("Gallery == 'Our gallery, nobody flagged'")
    for model, row in zip(PRIMARY_MODELS, table.to_dict("records"), strict=True):
        t = shipped.result("utkface", model).members["score"].min() - 1e-4
        assert row["Missed"] == (np.round(g.genuine(model), 4) > t + 1e-6).sum()
        assert row["Pairs"] == len(g.genuine(model))
