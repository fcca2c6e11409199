"""Scores of a gallery, reduced to what may ship: against a naive computation, score by score."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.errors import UserError
from helpers.faces.same_person import CONTESTED, SAME
from helpers.protocol import scores as store

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

UPTO = 1e-9


def naive(probes, gallery) -> np.ndarray:
    """Cosine or Euclidean distances, one at a time, rounded to four decimals."""
    table = np.zeros((len(probes.ids), len(gallery.ids)))
    for i, a in enumerate(probes.embeddings):
        for j, b in enumerate(gallery.embeddings):
            if probes.metric == "cosine":
                d = 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            else:
                d = np.linalg.norm(a - b)
            table[i, j] = round(max(d, 0), 4)
    return table


@pytest.fixture(params=["SFace", "dlib-native"])
def world(request, monkeypatch):
    """12 probes, 9 of them with a second portrait, and 30 gallery faces in 27 identities."""
    monkeypatch.setattr("helpers.faces.collection.BLOCK", 100)  # several blocks
    rng = np.random.default_rng(11)
    who = synthetic.people(rng, 12, d=8)
    strangers = synthetic.people(rng, 30, d=8)
    members = [f"M{i:03d}" for i in range(12)]
    ids = [f"u{i:05d}" for i in range(30)]
    probes = synthetic.collection(members, who, request.param)
    second = synthetic.collection(members[:9], synthetic.near(rng, who[:9], 0.1), request.param)
    gallery = synthetic.collection(ids, strangers, request.param)
    clusters = pd.Series(ids, index=ids)
    clusters[["u00005", "u00006"]] = "u00004"
    clusters["u00009"] = "u00008"
    same = pd.DataFrame(
        {
            "probe_id": ["M000", "M001"],
            "cluster": ["u00004", "u00008"],
            "decision": [SAME, CONTESTED],
        }
    )
    return probes, second, gallery, clusters, same


def test_best_scores_candidates_and_counts_are_those_of_a_naive_search(world):
    probes, second, gallery, clusters, same = world
    found = store.compute(probes, second, gallery, clusters, same, keep_probes=8)
    kept = ~np.isin(gallery.ids, ["u00004", "u00005", "u00006"])  # the whole cluster goes
    sure = ~np.isin(gallery.ids, ["u00008", "u00009"])
    assert found.faces == 27 and found.removed == 3  # a contested identity stays in the count
    genuine = np.diag(naive(probes, second)[:9])
    p90 = round(float(np.percentile(genuine, 90)), 4)
    assert found.description["genuine_p90"] == pytest.approx(p90, abs=1e-9)
    for portrait, side in (("first", probes), ("second", second)):
        table = naive(side, gallery)
        mine = found.best[found.best["portrait"] == portrait].set_index("probe_id").loc[side.ids]
        np.testing.assert_allclose(mine["any"], table.min(axis=1), atol=UPTO)
        np.testing.assert_allclose(mine["rule"], table[:, kept].min(axis=1), atol=UPTO)
        np.testing.assert_allclose(mine["strict"], table[:, kept & sure].min(axis=1), atol=UPTO)
        beyond = np.where(table > p90 + 1e-9, table, np.inf).min(axis=1)
        np.testing.assert_allclose(mine["p90"], beyond, atol=UPTO)
    table = naive(probes, gallery)
    limit = np.sort(table[:, kept].min(axis=1))[7]
    assert found.upto == pytest.approx(limit, abs=UPTO)
    expected = {
        (probes.ids[i], gallery.ids[j], table[i, j])
        for i, j in zip(*np.nonzero((table <= limit + 1e-9) & kept), strict=True)
    }
    mine = found.candidates[["probe_id", "gallery_id", "score"]].itertuples(index=False)
    assert {(p, g, round(s, 4)) for p, g, s in mine} == expected
    assert (found.candidates["cluster"] == found.candidates["gallery_id"].map(clusters)).all()
    assert found.candidates.groupby("probe_id")["rank"].min().eq(1).all()
    doubtful = found.candidates["gallery_id"].isin(["u00008", "u00009"])
    assert (found.candidates["contested"] == doubtful).all()


def test_the_histogram_holds_every_comparison(world):
    probes, second, gallery, clusters, same = world
    found = store.compute(probes, second, gallery, clusters, same, keep_probes=8)
    kept = ~np.isin(gallery.ids, ["u00004", "u00005", "u00006"])
    values = naive(probes, gallery)[:, kept].ravel()
    score, pairs = np.unique(values.round(4), return_counts=True)
    np.testing.assert_allclose(found.histogram["score"], score, atol=UPTO)
    assert found.histogram["pairs"].to_list() == list(pairs)
    assert found.histogram["pairs"].sum() == len(probes.ids) * found.faces
    for threshold in (0.0, float(score[5]), 0.7, float(score[-1]), 3.0):
        assert store.pairs_at(found, threshold) == (values <= threshold + 1e-9).sum()


def test_distances_beyond_the_last_bin_are_counted_there():
    far = synthetic.collection(["a"], [[9.0, 0.0]], "dlib-native")
    origin = synthetic.collection(["b", "c"], [[0.001, 0.0], [8.9, 0.0]], "dlib-native")
    _, histogram = store.best_and_histogram(
        far, origin, np.array([True, True]), np.array([True, True]), 0.0
    )
    assert histogram["pairs"].to_list() == [1, 1] and histogram["score"].to_list() == [0.1, 2.5]


def test_without_second_portraits_nothing_is_within_the_genuine_scores(world):
    probes, _, gallery, clusters, same = world
    found = store.compute(probes, None, gallery, clusters, same, keep_probes=8)
    assert set(found.best["portrait"]) == {"first"} and found.description["genuine_p90"] == 0.0
    np.testing.assert_allclose(found.best["p90"], found.best["any"])


def test_the_cap_keeps_the_nearest_of_a_face(world):
    probes, second, gallery, clusters, same = world
    free = store.compute(probes, second, gallery, clusters, same, keep_probes=12).candidates
    capped = store.compute(probes, second, gallery, clusters, same, 12, per_face=2).candidates
    assert free["gallery_id"].value_counts().max() > 2
    assert capped["gallery_id"].value_counts().max() == 2
    for face, part in capped.groupby("gallery_id"):
        of_face = free.loc[free["gallery_id"] == face, "score"].sort_values()
        assert sorted(part["score"]) == of_face.iloc[:2].to_list()
    merged = capped.merge(free, on=list(capped.columns))
    assert len(merged) == len(capped)  # ranks are those of the whole search


def test_keeping_more_probes_than_there_are_keeps_all(world):
    probes, second, gallery, clusters, same = world
    found = store.compute(probes, second, gallery, clusters, same, keep_probes=500)
    assert set(found.candidates["probe_id"]) == set(probes.ids)


def test_a_gallery_of_nothing_but_the_people_searched_is_refused(world):
    probes, _, _, _, _ = world
    same = pd.DataFrame({"probe_id": probes.ids, "cluster": probes.ids, "decision": SAME})
    clusters = pd.Series(probes.ids, index=probes.ids)
    with pytest.raises(UserError, match="every gallery face was left out"):
        store.compute(probes, None, probes, clusters, same, keep_probes=5)


def test_names_are_withheld_where_every_match_is_contested(world):
    """Of members with a candidate at the threshold, exactly those with contested ones alone."""
    probes, second, gallery, *_ = world
    table = naive(probes, gallery)
    nearest = gallery.ids[table.argsort(axis=1)[:, :2]]  # first and second face of each probe
    doubtful = [nearest[0, 0], nearest[1, 0], nearest[1, 1]]
    own = pd.Series(gallery.ids, index=gallery.ids)
    rows = pd.DataFrame({"probe_id": "M000", "cluster": doubtful, "decision": CONTESTED})
    found = store.compute(probes, second, gallery, own, rows, keep_probes=12)
    assert found.removed == 0
    some = 0
    for threshold in np.sort(table[:2].ravel())[[0, 1, 3, 8, 20]]:
        at = found.candidates[found.candidates["score"] <= threshold + 1e-9]
        alone = at.groupby("probe_id")["contested"].all()
        expected = set(alone.index[alone])
        assert store.withheld(found, probes.ids, threshold) == expected
        assert store.withheld(found, ["M005"], threshold) == expected & {"M005"}
        some += len(expected)
    assert some


def test_nobody_with_a_second_portrait(world):
    probes, second, _, _, _ = world
    strangers = second._replace(ids=np.array([f"X{i}" for i in range(len(second.ids))]))
    with pytest.raises(UserError, match="no probe has a second portrait"):
        store.genuine_scores(probes, strangers)


def test_genuine_scores_pair_each_probe_with_itself(world):
    probes, second, _, _, _ = world
    genuine = store.genuine_scores(probes, second).set_index("probe_id")["score"]
    table = naive(probes, second)
    assert genuine.to_dict() == pytest.approx({p: table[i, i] for i, p in enumerate(second.ids)})


def test_counts_by_stratum_are_those_of_a_naive_count(world):
    probes, _, gallery, _, _ = world
    kept = np.arange(30) % 7 != 0
    strata = pd.Series(np.where(np.arange(30) < 13, "a", "b"), index=gallery.ids)
    table = naive(probes, gallery)
    thresholds = {"near": float(np.quantile(table, 0.1)), "far": float(np.quantile(table, 0.6))}
    thresholds = {name: round(t, 4) for name, t in thresholds.items()}
    found = store.counts_by_stratum(probes, gallery, kept, strata, thresholds)
    expected = {}
    for name, threshold in thresholds.items():
        for i, probe in enumerate(probes.ids):
            for stratum in "ab":
                inside = (strata == stratum).to_numpy() & kept & (table[i] <= threshold + 1e-9)
                if inside.any():
                    expected[probe, name, stratum] = inside.sum()
    mine = found.set_index(["probe_id", "threshold", "stratum"])["faces"].to_dict()
    assert mine == expected


def test_scores_survive_being_stored(world, tmp_path, monkeypatch):
    probes, second, gallery, clusters, same = world
    found = store.compute(probes, second, gallery, clusters, same, keep_probes=8, per_face=3)
    monkeypatch.setattr(store, "DATA", tmp_path)
    store.save_scores(found, tmp_path / "scores" / "made-up")
    same.to_csv(tmp_path / "scores" / "same-person.csv", index=False)
    again = store.load_scores("made-up")
    for name in ("best", "candidates", "histogram", "same_person"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(found, name), check_dtype=False)
    assert again[3:6] == found[3:6] and again.description == found.description
    with pytest.raises(UserError, match="there are made-up"):
        store.load_scores("another")


def test_infinite_best_scores_survive_being_stored(world, tmp_path, monkeypatch):
    probes, second, gallery, clusters, same = world
    found = store.compute(probes, second, gallery, clusters, same, keep_probes=8)
    best = found.best.copy()
    best.loc[0, "p90"] = np.inf
    monkeypatch.setattr(store, "DATA", tmp_path)
    store.save_scores(found._replace(best=best), tmp_path / "scores" / "made-up")
    same.to_csv(tmp_path / "scores" / "same-person.csv", index=False)
    assert np.isinf(store.load_scores("made-up").best.loc[0, "p90"])


# ---- what ships


def shipped() -> list[str]:
    names = sorted(p.parent.name for p in (store.DATA / "scores").glob("*/summary.json"))
    assert {"utkface-dlib-native", "utkface-SFace", "utkface-Facenet"} <= set(names)
    return names


def test_the_scores_that_ship_fit_each_other():
    from helpers.rebuild import verification

    for name in shipped():
        row = verification.check_consistency(name.removeprefix("utkface-"), store.load_scores(name))
        assert row["agrees"], row["detail"]


def test_the_counts_that_ship_fit_the_histogram_and_the_strata():
    from helpers.protocol import calibration

    offered = calibration.thresholds()
    for name in shipped():
        scores = store.load_scores(name)
        folder = store.DATA / "scores" / name
        counts = pd.read_parquet(folder / "counts.parquet")
        strata = pd.read_csv(folder / "strata.csv").set_index("stratum")["faces"]
        assert strata.sum() == scores.faces
        assert (counts["faces"] <= counts["stratum"].map(strata)).all()
        config = scores.description["configuration"]
        mine = offered[offered["model"] == config["model"]]
        at = dict(
            zip("fmr:" + mine["target_fmr"].map("{:g}".format), mine["threshold"], strict=True)
        )
        at["default"] = config["default_threshold"]
        totals = counts.groupby("threshold")["faces"].sum()
        for threshold, value in at.items():
            assert totals.get(threshold, 0) == store.pairs_at(scores, value), (name, threshold)
        assert set(totals.index) <= set(at)
