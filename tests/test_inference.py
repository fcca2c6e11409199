"""Estimators on data with a known answer: coverage of intervals, size of tests."""

import time
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from helpers.statistics import inference

# a busy machine must not fail a test, nor chance
quick = settings(max_examples=50, deadline=None, derandomize=True)

# Single tables


def test_wilson_known_answers():
    # Newcombe (1998), table I: 81 of 263 and 0 of 20
    assert inference.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert inference.wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert inference.wilson(0, 0) == (0, 1)
    low, high = inference.wilson(np.array([0, 5]), np.array([5, 5]))
    assert low[0] == 0 and high[1] == 1
    with pytest.raises(ValueError, match="between 0 and n"):
        inference.wilson(6, 5)


def test_wilson_coverage_is_near_nominal():
    n = 529
    k = np.arange(n + 1)
    low, high = inference.wilson(k, np.full(n + 1, n))
    for p in (0.02, 0.053, 0.1, 0.3):
        inside = stats.binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum()
        assert 0.93 < inside < 0.975, (p, inside)


def score_root(k1, n1, k0, n0, ratio):
    """Miettinen and Nurminen's statistic, the restricted estimate found by maximising."""

    def loss(p0):
        p1 = ratio * p0
        return -stats.binom.logpmf(k1, n1, p1) - stats.binom.logpmf(k0, n0, p0)

    top = min(1, 1 / ratio)
    p0 = optimize.minimize_scalar(
        loss, bounds=(1e-12, top * (1 - 1e-12)), method="bounded", options={"xatol": 1e-13}
    ).x
    p1, n = ratio * p0, n1 + n0
    variance = (p1 * (1 - p1) / n1 + ratio**2 * p0 * (1 - p0) / n0) * n / (n - 1)
    return (k1 / n1 - ratio * k0 / n0) / np.sqrt(variance)


@pytest.mark.parametrize("counts", [(11, 106, 17, 423), (5, 103, 23, 426), (1, 12, 27, 517)])
def test_risk_ratio_interval_inverts_the_score_test(counts):
    found = inference.risk_ratio(*counts)
    assert abs(score_root(*counts, found.low)) == pytest.approx(1.96, abs=0.01)
    assert abs(score_root(*counts, found.high)) == pytest.approx(1.96, abs=0.01)
    plain = stats.contingency.relative_risk(*counts)
    assert found.ratio == pytest.approx(plain.relative_risk)


def test_risk_ratio_with_empty_cells_keeps_a_bound_and_a_reason():
    none = inference.risk_ratio(0, 103, 28, 426)
    assert (none.ratio, none.low) == (0, 0) and 0 < none.high < 1 and "group 1" in none.note
    only = inference.risk_ratio(28, 103, 0, 426)
    assert only.ratio == only.high == np.inf and only.low > 1 and "group 0" in only.note
    nobody = inference.risk_ratio(0, 103, 0, 426)
    assert np.isnan(nobody[:3]).all() and nobody.note
    assert abs(score_root(0, 103, 28, 426, none.high)) == pytest.approx(1.96, abs=0.01)
    with pytest.raises(ValueError, match="both groups"):
        inference.risk_ratio(0, 0, 1, 5)
    with pytest.raises(ValueError, match="not a count"):
        inference.risk_ratio(6, 5, 1, 5)


def coverage_of_ratio(n1, n0, p1, p0):
    """Exact: every table that matters, weighted by its chance."""
    inside = seen = 0
    for k1 in range(stats.binom.ppf(1e-4, n1, p1).astype(int), n1 + 1):
        w1 = stats.binom.pmf(k1, n1, p1)
        if w1 < 1e-4:
            continue
        for k0 in range(n0 + 1):
            w = w1 * stats.binom.pmf(k0, n0, p0)
            if w < 1e-5:
                continue
            low, high = inference.risk_ratio(k1, n1, k0, n0)[1:3]
            seen += w
            inside += w * (low <= p1 / p0 <= high)
    return inside / seen


@pytest.mark.parametrize("ratio", [1, 2])
def test_risk_ratio_coverage(ratio):
    p0 = 28 / (423 + 106 * ratio)
    assert 0.935 < coverage_of_ratio(106, 423, ratio * p0, p0) < 0.98


def strata(rng=None):
    """Two sexes; women are matched three times as often, and more of the group are women."""
    n1, n0 = np.array([38, 68]), np.array([70, 353])
    p0 = np.array([0.12, 0.04])
    if rng is None:
        return n1, n0, p0
    return pd.DataFrame(
        {"k1": rng.binomial(n1, 1.5 * p0), "n1": n1, "k0": rng.binomial(n0, p0), "n0": n0}
    )


def test_mantel_haenszel_known_answer_and_standardisation():
    # expected counts times 1000: the common ratio is met exactly, the crude one is not
    n1, n0, p0 = strata()
    table = (
        pd.DataFrame({"k1": 1500 * n1 * p0, "n1": 1000 * n1, "k0": 1000 * n0 * p0, "n0": 1000 * n0})
        .round()
        .astype(int)
    )
    found = inference.mantel_haenszel_risk_ratio(table)
    assert found.ratio == pytest.approx(1.5)
    assert inference.risk_ratio(*table.sum()[["k1", "n1", "k0", "n0"]]).ratio > 1.8
    # one stratum: the crude ratio with the usual log interval
    one = inference.mantel_haenszel_risk_ratio(table.head(1))
    plain = stats.contingency.relative_risk(*(int(v) for v in table.iloc[0]))
    assert one.ratio == pytest.approx(plain.relative_risk)
    assert one[1:3] == pytest.approx(tuple(plain.confidence_interval()), rel=1e-9)


def test_mantel_haenszel_says_what_it_cannot_do():
    table = pd.DataFrame({"k1": [0, 0], "n1": [9, 4], "k0": [2, 1], "n0": [50, 3]})
    found = inference.mantel_haenszel_risk_ratio(table)
    assert found.ratio == 0 and np.isnan(found.high) and "group 1" in found.note
    with pytest.raises(ValueError, match="no stratum"):
        inference.mantel_haenszel_risk_ratio(table.assign(k1=0, n1=0))
    with pytest.raises(ValueError, match="lacks the columns"):
        inference.mantel_haenszel_risk_ratio(table.drop(columns="n0"))


def test_mantel_haenszel_coverage():
    rng = np.random.default_rng(1)
    found = [inference.mantel_haenszel_risk_ratio(strata(rng)) for _ in range(800)]
    inside = np.mean([f.low <= 1.5 <= f.high for f in found])
    assert 0.93 < inside < 0.975, inside


def test_fisher_exact_is_never_oversized():
    n1, n0, total = 106, 423, 28
    ways = [comb(n1, k) * comb(n0, total - k) for k in range(total + 1)]
    pvalues = [inference.fisher_exact(k, n1, total - k, n0) for k in range(total + 1)]
    for alpha in (0.01, 0.05, 0.2):
        size = sum(w for w, p in zip(ways, pvalues, strict=True) if p <= alpha) / sum(ways)
        assert size <= alpha
    assert inference.power_fisher(n1, n0, total, 1) == pytest.approx(
        sum(w for w, p in zip(ways, pvalues, strict=True) if p <= 0.05) / sum(ways)
    )


def test_power_is_what_the_plan_states():
    # 28 flagged, a fifth of colour: about 0.4 at a ratio of 2 and 0.8 at 3
    assert 0.35 < inference.power_fisher(104, 425, 28, 2) < 0.5
    assert 0.75 < inference.power_fisher(104, 425, 28, 3) < 0.87
    with pytest.raises(ValueError, match="cannot give"):
        inference.power_fisher(10, 10, 20, 3)


def test_power_agrees_with_a_simulation_of_searches():
    n1, n0, ratio = 106, 423, 3
    p0 = 28 / (n1 * ratio + n0)
    rng = np.random.default_rng(2)
    k1, k0 = rng.binomial(n1, ratio * p0, 400_000), rng.binomial(n0, p0, 400_000)
    k1 = k1[k1 + k0 == 28]
    p = {k: inference.fisher_exact(k, n1, 28 - k, n0) for k in np.unique(k1)}
    power = np.mean([p[k] <= 0.05 for k in k1])
    assert power == pytest.approx(inference.power_fisher(n1, n0, 28, ratio), abs=0.012)


def test_holm_known_answer():
    p = pd.Series([0.01, 0.04, 0.03], index=["Dlib", "SFace", "Facenet"])
    adjusted = inference.holm(p)
    assert adjusted.to_dict() == pytest.approx({"Dlib": 0.03, "SFace": 0.06, "Facenet": 0.06})


@settings(quick, max_examples=15)  # statsmodels collects garbage at every call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_monotone_and_never_below_the_raw_p(p):
    adjusted = inference.holm(p)
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (adjusted >= np.array(p)).all() and (adjusted <= 1).all()
    assert adjusted[order[0]] == pytest.approx(min(1, len(p) * min(p)))


def test_holm_refuses_a_missing_p():
    with pytest.raises(ValueError, match="none missing"):
        inference.holm([0.1, np.nan])


def test_fmr_interval_covers_where_identities_repeat():
    rng = np.random.default_rng(3)
    people, faces, rate = 150, 400, 2e-3
    plain = clustered = 0
    for _ in range(400):
        a, b = rng.gamma(0.5, 2, people), rng.gamma(0.5, 2, faces)  # goats and wolves
        i, g = np.nonzero(rng.random((people, faces)) < rate * np.outer(a, b))
        found, low, high = inference.fmr_interval(i, g, people, faces, people * faces)
        assert found == len(i) / (people * faces)
        clustered += low <= rate <= high
        low, high = inference.wilson(len(i), people * faces)
        plain += low <= rate <= high
    assert 0.90 < clustered / 400 < 0.98
    assert plain / 400 < 0.80
    with pytest.raises(ValueError, match="no false match"):
        inference.fmr_interval([], [], 5, 5, 25)


# Best scores


def auc_by_loop(a, b):
    return sum((x < y) + 0.5 * (x == y) for x in a for y in b) / (len(a) * len(b))


few = st.lists(st.one_of(st.integers(0, 8).map(float), st.just(np.inf)), min_size=2, max_size=15)


@quick
@given(few, few)
def test_auc_against_a_loop(a, b):
    found = inference.auc_best_scores(a, b)
    assert found.auc == pytest.approx(auc_by_loop(a, b))
    assert inference.auc_best_scores(b, a).auc == pytest.approx(1 - found.auc)
    if not np.isnan(found.low):
        assert found.low <= found.auc <= found.high


def test_auc_direction():
    # members of colour nearer to the strangers: above one half
    assert inference.auc_best_scores([0.1, 0.2], [0.3, 0.4, np.inf]).auc == 1
    with pytest.raises(ValueError, match="both groups"):
        inference.auc_best_scores([], [0.1])


def test_auc_delong_variance_against_its_definition_and_its_coverage():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=20).round(1), rng.normal(size=35).round(1)
    auc, variance = inference._delong(a, b)
    psi = (a[:, None] < b) + 0.5 * (a[:, None] == b)
    expected = psi.mean(1).var(ddof=1) / 20 + psi.mean(0).var(ddof=1) / 35
    assert (auc, variance) == pytest.approx((psi.mean(), expected))
    true = stats.norm.cdf(0.5 / np.sqrt(2))
    inside = [
        low <= true <= high
        for _, low, high, *_ in (
            inference.auc_best_scores(rng.normal(-0.5, 1, 60), rng.normal(0, 1, 200))
            for _ in range(1000)
        )
    ]
    assert 0.93 < np.mean(inside) < 0.975


def test_permutation_test_size_power_and_strata():
    rng = np.random.default_rng(5)
    sex = np.repeat([0, 1], [60, 140])
    labelled = rng.random(200) < np.where(sex == 0, 0.5, 0.15)
    pvalues, crude, power = [], [], []
    for r in range(300):
        best = rng.normal(size=200) - 1.5 * (sex == 0)  # women nearer, the group has more women
        pvalues.append(inference.rank_permutation_test(best, labelled, sex, 199, seed=r).p)
        if r < 60:
            crude.append(inference.auc_best_scores(best[labelled], best[~labelled]).p)
            power.append(inference.rank_permutation_test(best - labelled, labelled, sex, 199).p)
    size = np.mean(np.array(pvalues) <= 0.05)
    assert size <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 300), size
    assert size > 0.01
    assert np.mean(np.array(crude) <= 0.05) > 0.5  # without strata sex would pass for ethnicity
    assert np.mean(np.array(power) <= 0.05) > 0.9


def test_permutation_p_against_every_permutation():
    best = np.array([0.1, 0.2, 0.2, 0.4, 0.5, 0.6])
    labelled = np.array([True, True, False, False, False, False])
    found = inference.rank_permutation_test(best, labelled, np.zeros(6), 20_000, seed=1)
    every = [auc_by_loop(best[[i, j]], np.delete(best, [i, j])) for i in range(6) for j in range(i)]
    observed = auc_by_loop(best[:2], best[2:])
    exact = np.mean(np.abs(np.array(every) - 0.5) >= abs(observed - 0.5) - 1e-12)
    assert found.auc == pytest.approx(observed)
    assert found.p == pytest.approx(exact, abs=0.01)
    again = inference.rank_permutation_test(best, labelled, np.zeros(6), 20_000, seed=1)
    assert again == found
    with pytest.raises(ValueError, match="nothing to permute"):
        inference.rank_permutation_test(best, labelled, labelled, 99)


# Firth


def two_by_two(k1, n1, k0, n0):
    y = np.repeat([1, 0, 1, 0], [k1, n1 - k1, k0, n0 - k0]).astype(bool)
    return pd.DataFrame({"colour": np.repeat([1, 0], [n1, n0])}), y


@pytest.mark.parametrize("counts", [(11, 106, 17, 423), (0, 20, 5, 60), (4, 4, 1, 30)])
def test_firth_in_a_two_by_two_table_adds_one_half_to_each_cell(counts):
    k1, n1, k0, n0 = counts
    found = inference.firth_logistic(*two_by_two(*counts)).loc["colour"]
    odds = (k1 + 0.5) * (n0 - k0 + 0.5) / ((n1 - k1 + 0.5) * (k0 + 0.5))
    assert found["odds_ratio"] == pytest.approx(odds, rel=1e-6)
    assert found["low"] < found["odds_ratio"] < found["high"]
    assert np.isfinite(found[["low", "high"]]).all()
    assert (found["p"] < 0.05) == (not found["low"] < 1 < found["high"])


def test_firth_size_and_bad_input():
    rng = np.random.default_rng(6)
    rejected = []
    for _ in range(40):
        x = pd.DataFrame({"colour": rng.random(300) < 0.2, "age": rng.normal(size=300)})
        y = rng.random(300) < 0.08
        rejected.append(inference.firth_logistic(x, y).loc["colour", "p"] <= 0.05)
    assert np.mean(rejected) < 0.18  # 8 or more of 40 at a size of 0.05: once in 1000
    with pytest.raises(ValueError, match="collinear"):
        inference.firth_logistic(x.assign(twice=2 * x["age"]), y)
    with pytest.raises(ValueError, match="complete"):
        inference.firth_logistic(x.assign(age=np.nan), y)


# One gallery for everybody


def a_search(seed=0, **world):
    return inference.simulate_search(np.random.default_rng(seed), **world)


def test_half_sample_counts_and_reproduces():
    candidates, clusters, members = a_search()
    members["group"] = np.where(members["of_colour"], "Black", "White")
    one = inference.half_sample(candidates, clusters, members, "count:28", draws=100)
    two = inference.half_sample(
        candidates.sample(frac=1, random_state=1), clusters, members, "count:28", draws=100
    )
    pd.testing.assert_frame_equal(one, two)
    best = candidates.groupby("probe_id")["score"].min().sort_values()
    top = members.set_index("member_id").loc[best.index[:28], "of_colour"].sum()
    assert one.loc["fpir", ["numerator", "denominator"]].tolist() == [28, 529]
    assert np.isnan(one.loc["fpir", "low"])  # fixed by the policy
    assert one.loc["false match share", ["numerator", "denominator"]].tolist() == [top, 28]
    k, n = one.loc["fpir of colour", ["numerator", "denominator"]]
    ratio = inference.risk_ratio(k, n, 28 - k, 529 - n)
    assert one.loc["risk ratio", "estimate"] == pytest.approx(ratio.ratio)
    assert (one["design_effect"].dropna() > 0.999).all()
    fixed = inference.half_sample(candidates, clusters, members, float(best.iloc[27]), draws=100)
    assert fixed.loc["fpir", "numerator"] == 28 and fixed.loc["fpir", "low"] < 28 / 529


def test_half_sample_against_a_plain_loop():
    candidates, clusters, members = a_search(seed=3, n=60, n_clusters=80)
    data = inference._half_data(candidates, clusters, members)
    rng = np.random.default_rng(9)
    best = inference._half_best(data, None, 20, rng)
    inside = np.random.default_rng(9).random((20, data["n_codes"])) < 0.5
    # the codes of the clusters, in the order in which the sorted rows meet them
    rows = candidates.assign(cluster=candidates["gallery_id"].map(clusters))
    rows["first"] = pd.factorize(rows["cluster"])[0]
    rows = rows.sort_values(["probe_id", "score", "first"])
    code = {c: i for i, c in enumerate(pd.unique(rows["cluster"]))}
    for draw in range(20):
        kept = rows[[inside[draw, code[c]] for c in rows["cluster"]]]
        expected = kept.groupby("probe_id")["score"].min().reindex(range(60), fill_value=np.inf)
        assert np.array_equal(best[draw], expected)
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=20).astype(float)
    auc = inference._weighted_auc(best, weights, data["of_colour"])
    flags = inference._flags(best, weights, "count", 7)
    for draw in range(20):
        people = np.repeat(np.arange(60), weights[draw].astype(int))
        colour = data["of_colour"][people]
        scores = best[draw, people]
        assert auc[draw] == pytest.approx(auc_by_loop(scores[colour], scores[~colour]))
        assert np.array_equal(flags[draw], best[draw] <= np.sort(scores)[6])


def test_exactly_half_of_the_clusters_are_drawn():
    # one face a member, all members alike: in how many halves is each cluster?
    n = 30
    candidates = pd.DataFrame(
        [(p, g, 0.1 + 0.01 * (g != p)) for p in range(n) for g in range(n)],
        columns=["probe_id", "gallery_id", "score"],
    )
    members = pd.DataFrame({"member_id": range(n), "of_colour": np.arange(n) < 10})
    data = inference._half_data(candidates, None, members)
    best = inference._half_best(data, n, 500, np.random.default_rng(0))
    assert ((best == 0.1).sum(axis=1) == 15).all()
    larger = inference._half_best(data, 1000, 500, np.random.default_rng(0))
    size = (larger == 0.1).sum(axis=1)
    assert size.mean() == pytest.approx(15, abs=0.5) and size.std() > 2
    with pytest.raises(ValueError, match="more than 29"):
        inference._half_best(data, 29, 10, np.random.default_rng(0))


def test_redrawing_both_counts_a_pair_three_times():
    # false matches that are separate pairs: members A, faces B have no effect of their own
    rng = np.random.default_rng(1)
    rows = []
    for pair in range(150):
        rows += [(pair, f"g{pair}", 0.1), (pair, f"h{pair}", 0.9)]
    candidates = pd.DataFrame(rows, columns=["probe_id", "gallery_id", "score"])
    members = pd.DataFrame({"member_id": range(3000), "of_colour": rng.random(3000) < 0.2})
    row = inference.half_sample(candidates, None, members, 0.5, draws=800).loc["fpir"]
    assert row["sd_members"] ** 2 * 150 == pytest.approx(1, rel=0.15)
    assert row["sd_gallery"] ** 2 * 150 == pytest.approx(1, rel=0.15)
    assert row["sd_both"] ** 2 * 150 == pytest.approx(3, rel=0.15)
    assert row["design_effect"] == pytest.approx(1, abs=0.25)


def test_one_face_that_everybody_matches_is_seen():
    # 40 matches, all with the same face: one event, not forty
    rows = [(p, "hub", 0.1) for p in range(40)]
    rows += [(p, f"g{p}", 0.1) for p in range(40, 45)] + [(p, "far", 0.9) for p in range(500)]
    candidates = pd.DataFrame(rows, columns=["probe_id", "gallery_id", "score"])
    members = pd.DataFrame({"member_id": range(500), "of_colour": np.arange(500) % 5 == 0})
    row = inference.half_sample(candidates, None, members, 0.5, draws=500).loc["fpir"]
    low, high = inference.wilson(45, 500)
    assert row["design_effect"] > 10
    assert row["low"] < low and row["high"] > 1.5 * high


def test_half_sample_says_what_is_wrong():
    candidates, clusters, members = a_search(n=80, n_clusters=60)
    half = inference.half_sample
    only_best = candidates.sort_values("score").drop_duplicates("probe_id")
    with pytest.raises(ValueError, match="next best"):
        half(only_best, clusters, members, "count:5")
    with pytest.raises(ValueError, match="too few candidates"):
        half(candidates[candidates["probe_id"] < 12], clusters, members, "count:12", draws=50)
    with pytest.raises(ValueError, match="no policy"):
        half(candidates, clusters, members, "best:3")
    with pytest.raises(ValueError, match="has no cluster"):
        half(candidates, clusters.iloc[:20], members, "count:5")
    with pytest.raises(ValueError, match="both of them"):
        half(candidates, clusters, members.assign(of_colour=True), "count:5")
    with pytest.raises(ValueError, match="at least 50"):
        half(candidates, clusters, members, "count:5", draws=10)


def test_half_sample_with_an_empty_cell_keeps_a_bound():
    candidates, clusters, members = a_search(seed=2)
    best = candidates.groupby("probe_id")["score"].min().sort_values()
    members["of_colour"] = members["member_id"].isin(best.index[200:300])
    found = inference.half_sample(candidates, clusters, members, "count:28", draws=100)
    assert found.loc["risk ratio", ["estimate", "low"]].tolist() == [0, 0]
    assert 0 < found.loc["risk ratio", "high"] < 1.5
    assert 0 < found.loc["fpir of colour", "high"] < 0.1


def test_half_sample_is_fast():
    candidates, clusters, members = a_search(n=535, n_clusters=2500, nearest=90)
    start = time.process_time()
    inference.half_sample(candidates, clusters, members, "count:28", draws=1000)
    assert time.process_time() - start < 10  # about 2 s; processor time, so load does not matter


@pytest.mark.parametrize("policy", ["count:28", "fixed"])
def test_coverage_with_a_shared_gallery_and_unequal_probes(policy):
    """Half-samples cover where intervals that ignore the gallery do not.

    Every face of this gallery has its own pull, so that few faces make most of the matches.
    60 repeats leave a standard error of 3 points: the bounds are for gross failure only. The
    measured table with 200 repeats stands in the docstring of `simulate_coverage`.
    """
    world = {"n": 400, "n_clusters": 300, "gallery_spread": 0.35, "probe_spread": 0.1, "shift": 3.0}
    world["gallery_share"] = 0.5
    found = inference.simulate_coverage(
        policy, repeats=60, truth_repeats=150, draws=100, seed=8, **world
    )
    for name in ("risk ratio", "risk ratio within sex", "false match share", "auc"):
        assert found.loc[name, "coverage"] >= 0.85, (name, found.loc[name, "coverage"])
    assert found.loc["risk ratio", "plain"] < found.loc["risk ratio", "coverage"] - 0.05
    if policy == "fixed":
        assert found.loc["fpir", "coverage"] >= 0.80
        assert found.loc["fpir", "plain"] < 0.70


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 120), st.integers(2, 450), st.data())
def test_the_score_interval_is_statsmodels_where_that_is_right(n1, n0, data):
    from statsmodels.stats.proportion import confint_proportions_2indep

    k1, k0 = data.draw(st.integers(1, n1 - 1)), data.draw(st.integers(1, n0 - 1))
    ours = inference.risk_ratio(k1, n1, k0, n0)
    theirs = confint_proportions_2indep(k1, n1, k0, n0, compare="ratio", method="score")
    assert np.allclose((ours.low, ours.high), np.real(theirs), rtol=1e-4)


@pytest.mark.parametrize("counts", [(5, 5, 8, 9), (3, 5, 9, 9), (0, 5, 9, 9), (5, 5, 9, 9)])
def test_where_everyone_in_a_group_is_flagged_the_bounds_hold_the_ratio(counts):
    ratio = inference.risk_ratio(*counts)
    assert ratio.low <= ratio.ratio <= ratio.high
    if counts[0]:  # the other way round it is the inverse
        k1, n1, k0, n0 = counts
        other = inference.risk_ratio(k0, n0, k1, n1)
        assert np.isclose(ratio.low, 1 / other.high) and np.isclose(ratio.high, 1 / other.low)
    assert inference.risk_ratio(5, 5, 8, 9).low < 1 < inference.risk_ratio(5, 5, 8, 9).high
