"""Gallery size: the exact curve, the models beyond it, what ships, and notebook 06's tables."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.experiments.how_big_is_the_gallery import charts as plots
from helpers.experiments.how_big_is_the_gallery import display, make, models_beyond
from helpers.experiments.how_big_is_the_gallery import tables as g
from helpers.experiments.the_congress_test import tables as headline
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import scores as score_store
from helpers.protocol import shipped
from helpers.sources import published
from helpers.statistics import intervals

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
    for model in PRIMARY_MODELS:
        for policy in ("default", g.FIXED):
            named = shipped.PRIMARY if policy == g.FIXED else policy
            s = shipped.result("utkface", model, named).summary
            table = g.curve(model, policy)
            assert table["fpir"].iloc[-1] == pytest.approx(s["fpir"])
            assert table["fpir"].is_monotonic_increasing
            assert (table["low"] <= table["fpir"]).all() and (table["fpir"] <= table["high"]).all()


def test_groups_add_up_to_everybody():
    table = g.by_group(g.FIXED).set_index(["model", "faces", "group"])
    for (model, n), part in table.groupby(level=[0, 1]):
        row = g.curve(model, g.FIXED, [n]).iloc[0]
        found = part.droplevel([0, 1])
        both = found.loc[["Members of colour", "White"]].sum()
        assert both["flagged"] == pytest.approx(row["flagged"])
        assert both["searched"] == row["searched"]
        by_sex = found.loc[["White, women", "White, men"]].sum()
        assert by_sex["flagged"] == pytest.approx(found.loc["White", "flagged"])


def test_the_ratios_are_the_estimators_of_the_primary_analysis():
    flagged, searched = [3, 5, 2, 9], [20, 40, 60, 250]
    table = pd.DataFrame(
        [{"k1": 3, "n1": 20, "k0": 2, "n0": 60}, {"k1": 5, "n1": 40, "k0": 9, "n0": 250}]
    )
    crude, within = g.ratio_of(flagged, searched)
    assert crude == pytest.approx(intervals.risk_ratio(8, 60, 11, 310).ratio)
    assert within == pytest.approx(intervals.mantel_haenszel_risk_ratio(table).ratio)


def test_ratios_without_flagged_white_members_are_infinite_or_missing():
    assert g.ratio_of([1, 0, 0, 0], [5, 5, 5, 5])[0] == np.inf
    assert np.isnan(g.ratio_of([0, 0, 0, 0], [5, 5, 5, 5])[0])


def test_the_ratio_interval_agrees_with_the_score_interval_where_flags_are_certain():
    members = shipped.result("utkface", "dlib-native", shipped.PRIMARY).members
    found = g.ratio_interval(members["flagged"].to_numpy(dtype=float))
    primary = headline.primary().set_index("model").loc["dlib-native"]
    assert found["ratio"] == pytest.approx(primary["ratio"])
    assert found["within_sex"] == pytest.approx(primary["ratio_within_sex"])
    for end in ("low", "high"):
        assert np.log(found[end]) == pytest.approx(np.log(primary[f"ratio_{end}"]), abs=0.3)


def test_concentration_counts_members_until_half_of_the_pairs(monkeypatch):
    monkeypatch.setattr(g, "counts", lambda model, policy: pd.Series([1, 0, 6, 2, 0, 3]))
    found = g.concentration("any", "any")
    assert (found["pairs"], found["flagged"], found["half"]) == (12, 4, 1)
    assert found["even"] == pytest.approx(6 * (1 - (5 / 6) ** 12))
    monkeypatch.setattr(g, "counts", lambda model, policy: pd.Series([0, 0]))
    assert g.concentration("any", "any")["half"] == 0


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


# ---------------------------------------------------------------- beyond, at a fixed FPIR


@pytest.mark.parametrize("xi", [-0.3, 0.0, 0.2])
def test_the_pareto_fit_finds_shape_and_scale(xi):
    x = stats.genpareto.rvs(xi, scale=0.5, size=200_000, random_state=1)
    found = models_beyond.pareto(x)
    assert found == pytest.approx((xi, 0.5), abs=0.02)


def test_the_pareto_fit_takes_samples_in_columns():
    x = stats.genpareto.rvs(-0.2, size=(400, 3), random_state=2)
    xi, sigma = models_beyond.pareto(x)
    for j in range(3):
        assert models_beyond.pareto(x[:, j]) == pytest.approx((xi[j], sigma[j]))


def test_the_growth_exponent_is_one_for_single_matches_and_low_for_repeated():
    assert models_beyond.growth_exponent(np.ones(5, dtype=int), 1000, 10_000) == pytest.approx(
        1, abs=0.01
    )
    assert models_beyond.growth_exponent(np.full(5, 8), 1000, 10_000) < 0.05


def best_of(n, people, seed, tail=0.2):
    """The lower tail of the best of n scores with an exponential lower tail, for each person."""
    rng = np.random.default_rng(seed)
    best = np.sort(1 - stats.expon.rvs(size=people, random_state=rng) / 20 - np.log(n) / 20)
    return best[: int(tail * people) + 1]


def test_a_threshold_is_predicted_where_every_face_adds_its_own_chance():
    people, flagged = 4000, 200
    k = np.ones(flagged, dtype=int)
    small, large = best_of(1000, people, 1), best_of(10_000, people, 2)
    p = models_beyond.predict_threshold(small, k, 1000, 10_000, people, grown=False)
    assert p["low"] <= large[flagged - 1] <= p["high"]
    grown = models_beyond.predict_threshold(small, k, 1000, 10_000, people, grown=True)
    assert grown["threshold"] == pytest.approx(p["threshold"], abs=0.005)


def test_slower_growth_asks_for_a_less_strict_threshold():
    best = best_of(1000, 500, 3)
    plain, grown = (
        models_beyond.predict_threshold(best, np.full(28, 4), 1000, 10_000, 500, grown=x)
        for x in (False, True)
    )
    assert plain["threshold"] < grown["threshold"] < best[27]


def test_a_gallery_that_does_not_grow_keeps_its_threshold():
    best = best_of(1000, 2000, 4)
    p = models_beyond.predict_threshold(
        best, np.ones(100, dtype=int), 1000, 1000, 2000, grown=False
    )
    assert p["threshold"] == pytest.approx(best[99], abs=0.005)


def test_too_short_a_tail_is_refused():
    with pytest.raises(ValueError, match="too few"):
        models_beyond.predict_threshold(np.linspace(0, 1, 6), [1], 100, 1000, 50, grown=False)


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
    table, often = make._draw_tables("any", scores, np.arange(100), progress=False)
    assert len(table) == 2 * 6
    free = table[table["policy"] == g.FIXED_FPIR]
    assert (free["fpir"] >= 28 / 60 - 1e-9).all()
    assert (often.groupby("faces")["galleries"].sum() >= 28 * 30).all()
    assert often["galleries"].max() <= 30
    loose = table[table["policy"] == "default"].set_index("faces")
    k = (scores <= levels["default"] + 1e-9).sum(axis=0)
    assert loose.loc[50, "fpir"] == pytest.approx(
        models_beyond.expected(k, 100, 50).mean(), abs=0.03
    )
    assert (table["fpir_low"] <= table["fpir"]).all()


def test_the_tenths_add_up_and_name_nobody_in_the_tail(made_up):
    people, levels, scores = made_up
    tenth = np.arange(100) % 10
    counted, tail = make._tenth_tables("any", scores, tenth)
    for policy, t in levels.items():
        k = counted[counted["threshold"] == policy].groupby("probe_id")["faces"].sum()
        wanted = (np.round(scores, 4) <= t).sum(axis=0)
        assert (k.reindex(people.index, fill_value=0).to_numpy() == wanted).all()
    assert "probe_id" not in tail
    assert (tail.groupby("tenth").size() == int(0.2 * 60) + 1).all()
    assert tail.groupby("tenth")["score"].is_monotonic_increasing.all()


# ---------------------------------------------------------------- what ships


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_the_counts_of_the_tenths_are_those_of_the_whole_gallery(model):
    table = g.results("counts").query("model == @model")
    for policy in g.POLICIES:
        mine = table[table["threshold"] == policy].groupby("probe_id")["faces"].sum()
        whole = g.counts(model, policy)
        assert (mine.reindex(whole.index, fill_value=0) == whole).all()
    assert g.tenth_sizes(model).sum() == g.faces(model)
    assert g.tenth_sizes(model).min() >= 50


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_the_tails_of_the_tenths_hold_the_best_scores_of_all(model):
    tail = g.results("best").query("model == @model")
    best = g.best_scores(model)
    assert list(tail.columns) == ["model", "tenth", "tenth_faces", "score", "faces"]
    assert (tail.groupby("tenth").size() == g.tail_size() + 1).all()
    flagged = tail.dropna(subset="faces").groupby("tenth").size()
    assert (flagged >= 28).all() and (flagged <= 30).all()
    assert tail["score"].min() == pytest.approx(best[0])


def test_drawn_galleries_agree_with_the_exact_curve():
    """But for copies: faces of one identity are drawn together, and match together."""
    drawn = g.results("draws")
    heat = pd.read_csv(g.RESULTS / "composition-heat.csv").query("group == 'White'")
    copies = 1 - heat.groupby("model")["identities"].sum() / g.faces("dlib-native")
    copies = copies["dlib-native"]
    assert 0.02 < copies < 0.03
    for row in drawn[drawn["policy"] != g.FIXED_FPIR].to_dict("records"):
        exact = g.curve(row["model"], row["policy"], [row["faces"]])["fpir"].iloc[0]
        spread = (row["fpir_high"] - row["fpir_low"]) / 3.92 + 1e-4
        chance = 4 * spread / np.sqrt(row["galleries"])
        assert (1 - copies) * exact - chance < row["fpir"] < exact + chance


def test_the_drawn_28_are_28():
    table = g.results("flagged").groupby(["model", "faces"])["galleries"].sum()
    assert (table >= 28 * g.DRAWS).all() and (table <= 29 * g.DRAWS).all()


def test_results_that_ship_name_no_gallery_face():
    for name in ("draws", "flagged", "best", "counts"):
        table = g.results(name)
        assert not {"gallery_id", "cluster"} & set(table.columns)
        for column in table.select_dtypes(exclude="number"):
            assert not table[column].astype(str).str.fullmatch(r"u\d{5}").any()


def test_announced_sizes_have_a_source():
    table = g.announced()
    assert list(table["faces"]) == [1_000_000, 640_000_000]
    assert table["source_url"].str.startswith("https://").all()
    everything = pd.read_csv(DATA / "published" / "gallery_sizes.csv")
    assert set(everything["status"]) <= set(published.STATUSES)


# ---------------------------------------------------------------- notebook 06


def test_the_marks_end_at_28_and_the_formula_lies_beyond():
    table = display.marks()
    whole = table[table["Faces"] == display.whole()]
    assert len(table) == len(PRIMARY_MODELS) * (len(g.SIZES) + 1)
    assert (whole["Flagged"] == 28).all()
    assert (table["Formula"] >= table["Flagged"]).all()


def test_the_growth_is_that_of_the_exact_curve():
    table = display.growth().set_index("Program")
    curve = g.curve("sface-native", g.FIXED)
    assert table.loc["SFace", "Growth of flagged"] == pytest.approx(
        curve["fpir"].iloc[-1] / curve["fpir"].iloc[0], abs=0.05
    )
    assert table.loc["SFace", "Formula over exact"] == pytest.approx(
        curve["naive"].iloc[-1] / curve["fpir"].iloc[-1], abs=0.005
    )


def test_back_tests_show_every_prediction_and_its_failures():
    table = display.backtest()
    assert (table.groupby(["model", "policy", "method"]).size() == g.TENTHS).all()
    inside = (table["low"] <= table["truth"]) & (table["truth"] <= table["high"])
    fixed = table["policy"] != g.FIXED_FPIR
    assert (inside == table["covered"])[fixed].all()
    assert display.foretold()["Intervals that hold"].sum() == table["covered"].sum()


def test_the_bracket_holds_at_least_as_often_as_its_parts():
    table = g.bracket_test()
    assert (table["bracket"] >= table[list(models_beyond.KINDS)].max(axis=1)).all()
    held = display.held().set_index("Model")
    assert held.loc["Both together", "Hold the truth"] == table["bracket"].sum()
    assert (held["Back-tests"] == table["tenths"].sum()).all()


def test_nothing_is_foretold_beyond_ten_times_the_gallery():
    assert display.larger()["Faces"].max() == 10 * display.whole()


def test_at_the_loosest_threshold_without_a_false_match_misses_are_counted():
    table = display.misses().query("Gallery == 'Our gallery, nobody flagged'")
    for model, row in zip(PRIMARY_MODELS, table.to_dict("records"), strict=True):
        t = g.best_scores(model)[0] - 1e-4
        assert row["Missed"] == (np.round(g.genuine(model), 4) > t + 1e-6).sum()
        assert row["Pairs"] == len(g.genuine(model))


def test_sizes_of_others_are_the_published_ones():
    table = display.sizes().set_index("Gallery")["Faces"]
    assert table["The ACLU's test of 2018"] == "25,000"
    assert table["The FBI"] == "640 million" and table["Amazon's test of 2019"] == "1 million"


def test_the_figures_are_readable():
    from helpers.show.layout import layout_problems

    tests = display.backtest()
    drawn = [
        plots.plot_size(g.curves()),
        plots.plot_ratio(g.ratios()),
        plots.plot_marks(display.marks()),
        plots.plot_foretold(tests[tests["policy"] == g.FIXED]),
    ]
    for fig in drawn:
        assert layout_problems(fig) == []
