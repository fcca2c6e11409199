"""Intervals for one shared gallery: a plain loop, made-up searches, and what is refused."""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.statistics import half_samples, intervals, made_up_searches

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import auc_by_loop


def a_search(seed=0, **world):
    return made_up_searches.simulate_search(np.random.default_rng(seed), **world)


def test_half_sample_counts_and_reproduces():
    candidates, clusters, members = a_search()
    members["group"] = np.where(members["of_colour"], "Black", "White")
    one = half_samples.half_sample(candidates, clusters, members, count=28, draws=100)
    two = half_samples.half_sample(
        candidates.sample(frac=1, random_state=1), clusters, members, count=28, draws=100
    )
    pd.testing.assert_frame_equal(one, two)
    best = candidates.groupby("probe_id")["score"].min().sort_values()
    top = members.set_index("member_id").loc[best.index[:28], "of_colour"].sum()
    assert one.loc["fpir", ["numerator", "denominator"]].tolist() == [28, 529]
    assert np.isnan(one.loc["fpir", "low"])  # fixed by the policy
    assert one.loc["false match share", ["numerator", "denominator"]].tolist() == [top, 28]
    k, n = one.loc["fpir of colour", ["numerator", "denominator"]]
    ratio = intervals.risk_ratio(k, n, 28 - k, 529 - n)
    assert one.loc["risk ratio", "estimate"] == pytest.approx(ratio.ratio)
    assert (one["design_effect"].dropna() > 0.999).all()
    fixed = half_samples.half_sample(
        candidates, clusters, members, threshold=float(best.iloc[27]), draws=100
    )
    assert fixed.loc["fpir", "numerator"] == 28 and fixed.loc["fpir", "low"] < 28 / 529


def test_half_sample_against_a_plain_loop():
    candidates, clusters, members = a_search(seed=3, n=60, n_clusters=80)
    data = half_samples._half_data(candidates, clusters, members)
    rng = np.random.default_rng(9)
    best = half_samples._half_best(data, None, 20, rng)
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
    auc = half_samples._weighted_auc(best, weights, data["of_colour"])
    flags = half_samples._flags(best, weights, "count", 7)
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
    data = half_samples._half_data(candidates, None, members)
    best = half_samples._half_best(data, n, 500, np.random.default_rng(0))
    assert ((best == 0.1).sum(axis=1) == 15).all()
    larger = half_samples._half_best(data, 1000, 500, np.random.default_rng(0))
    size = (larger == 0.1).sum(axis=1)
    assert size.mean() == pytest.approx(15, abs=0.5) and size.std() > 2
    with pytest.raises(ValueError, match="more than 29"):
        half_samples._half_best(data, 29, 10, np.random.default_rng(0))


def test_redrawing_both_counts_a_pair_three_times():
    # false matches that are separate pairs: members A, faces B have no effect of their own
    rng = np.random.default_rng(1)
    rows = []
    for pair in range(150):
        rows += [(pair, f"g{pair}", 0.1), (pair, f"h{pair}", 0.9)]
    candidates = pd.DataFrame(rows, columns=["probe_id", "gallery_id", "score"])
    members = pd.DataFrame({"member_id": range(3000), "of_colour": rng.random(3000) < 0.2})
    row = half_samples.half_sample(candidates, None, members, threshold=0.5, draws=800).loc["fpir"]
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
    row = half_samples.half_sample(candidates, None, members, threshold=0.5, draws=500).loc["fpir"]
    low, high = intervals.wilson(45, 500)
    assert row["design_effect"] > 10
    assert row["low"] < low and row["high"] > 1.5 * high


def test_half_sample_says_what_is_wrong():
    candidates, clusters, members = a_search(n=80, n_clusters=60)
    half = half_samples.half_sample
    only_best = candidates.sort_values("score").drop_duplicates("probe_id")
    with pytest.raises(ValueError, match="next best"):
        half(only_best, clusters, members, count=5)
    with pytest.raises(ValueError, match="too few candidates"):
        half(candidates[candidates["probe_id"] < 12], clusters, members, count=12, draws=50)
    for wrong in ({}, {"count": 5, "threshold": 0.5}):
        with pytest.raises(ValueError, match="one of the two"):
            half(candidates, clusters, members, **wrong)
    with pytest.raises(ValueError, match="81 of 80 members cannot be flagged"):
        half(candidates, clusters, members, count=81)
    with pytest.raises(ValueError, match="finite"):
        half(candidates, clusters, members, threshold=np.inf)
    with pytest.raises(ValueError, match="has no cluster"):
        half(candidates, clusters.iloc[:20], members, count=5)
    with pytest.raises(ValueError, match="both of them"):
        half(candidates, clusters, members.assign(of_colour=True), count=5)
    with pytest.raises(ValueError, match="at least 50"):
        half(candidates, clusters, members, count=5, draws=10)


def test_half_sample_with_an_empty_cell_keeps_a_bound():
    candidates, clusters, members = a_search(seed=2)
    best = candidates.groupby("probe_id")["score"].min().sort_values()
    members["of_colour"] = members["member_id"].isin(best.index[200:300])
    found = half_samples.half_sample(candidates, clusters, members, count=28, draws=100)
    assert found.loc["risk ratio", ["estimate", "low"]].tolist() == [0, 0]
    assert 0 < found.loc["risk ratio", "high"] < 1.5
    assert 0 < found.loc["fpir of colour", "high"] < 0.1


def test_half_sample_is_fast():
    candidates, clusters, members = a_search(n=535, n_clusters=2500, nearest=90)
    start = time.process_time()
    half_samples.half_sample(candidates, clusters, members, count=28, draws=1000)
    assert time.process_time() - start < 10  # about 2 s; processor time, so load does not matter


@pytest.mark.parametrize("fixed", [False, True])
def test_coverage_with_a_shared_gallery_and_unequal_probes(fixed):
    """Half-samples cover where intervals that ignore the gallery do not.

    Every face of this gallery has its own pull, so that few faces make most of the matches.
    60 repeats leave a standard error of 3 points: the bounds are for gross failure only. The
    measured table with 200 repeats stands in the docstring of `simulate_coverage`.
    """
    world = {"n": 400, "n_clusters": 300, "gallery_spread": 0.35, "probe_spread": 0.1, "shift": 3.0}
    world["gallery_share"] = 0.5
    found = made_up_searches.simulate_coverage(
        fixed=fixed, repeats=60, truth_repeats=150, draws=100, seed=8, **world
    )
    for name in ("risk ratio", "risk ratio within sex", "false match share", "auc"):
        assert found.loc[name, "coverage"] >= 0.85, (name, found.loc[name, "coverage"])
    assert found.loc["risk ratio", "plain"] < found.loc["risk ratio", "coverage"] - 0.05
    if fixed:
        assert found.loc["fpir", "coverage"] >= 0.80
        assert found.loc["fpir", "plain"] < 0.70
