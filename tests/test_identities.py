"""Who is who in a gallery without names: near-duplicates, and the rule on probable same persons."""

import inspect
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.faces import same_person
from helpers.faces.collection import search

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

MODELS = ("SFace", "Facenet", "dlib-native")
ELSEWHERE = pd.Series({"z": "z"})  # clusters of faces that are not among the candidates


def in_models(ids, embeddings, models=MODELS):
    """The same faces as seen by several models that agree."""
    return [synthetic.collection(ids, embeddings, model) for model in models]


def ids_of(n, letter="u"):
    return [f"{letter}{i:05d}" for i in range(1, n + 1)]


# ---- clusters


def test_planted_duplicates_are_one_identity_and_nobody_else_is():
    rng = np.random.default_rng(1)
    singles = synthetic.people(rng, 40)
    twins = synthetic.near(rng, singles[:5], 0.01)
    ids = ids_of(45)
    clusters = same_person.identity_clusters(in_models(ids, np.vstack([singles, twins])))
    assert list(clusters.index) == ids
    for i in range(5):
        assert clusters[ids[40 + i]] == clusters[ids[i]] == ids[i]  # named by the smallest id
    assert (clusters.iloc[5:40] == ids[5:40]).all()


def test_a_chain_of_near_faces_is_one_identity():
    # each is near the next one only
    angles = np.arccos(1 - 0.06) * np.arange(4)
    chain = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(4)])
    clusters = same_person.identity_clusters(in_models(ids_of(4), chain, ("Facenet", "SFace")))
    assert 1 - chain[0] @ chain[3] > same_person.NEAR["Facenet"]
    assert set(clusters) == {"u00001"}
    broken = same_person.identity_clusters(
        in_models(["u00001", "u00002", "u00004"], chain[[0, 1, 3]], ("Facenet", "Facenet"))
    )
    assert broken["u00002"] == "u00001" and broken["u00004"] == "u00004"


@pytest.mark.parametrize("agreeing", [0, 1, 2, 3])
def test_two_models_must_agree(agreeing):
    rng = np.random.default_rng(2)
    apart = synthetic.people(rng, 2)
    together = np.vstack([apart[:1], synthetic.near(rng, apart[:1], 0.001)])
    collections = [
        synthetic.collection(ids_of(2), together if i < agreeing else apart, model)
        for i, model in enumerate(MODELS)
    ]
    clusters = same_person.identity_clusters(collections)
    assert (clusters.nunique() == 1) == (agreeing >= same_person.NEAR_VOTES)


def test_with_one_model_that_one_decides():
    rng = np.random.default_rng(3)
    face = synthetic.people(rng, 1)
    both = np.vstack([face, synthetic.near(rng, face, 0.001)])
    assert same_person.identity_clusters(in_models(ids_of(2), both, ("SFace",))).nunique() == 1


def test_a_face_that_one_model_failed_on_is_judged_by_the_others():
    rng = np.random.default_rng(4)
    faces = synthetic.people(rng, 3)
    faces[2] = synthetic.near(rng, faces[:1], 0.001)[0]
    a, b = in_models(ids_of(3), faces, ("SFace", "Facenet"))
    less = synthetic.collection(ids_of(2), faces[:2], "dlib-native")
    clusters = same_person.identity_clusters([a, less, b])
    assert clusters["u00003"] == clusters["u00001"] == "u00001"
    assert clusters["u00002"] == "u00002"


def test_clusters_do_not_depend_on_the_order_of_faces():
    rng = np.random.default_rng(5)
    faces = synthetic.people(rng, 20)
    faces[10:15] = synthetic.near(rng, faces[:5], 0.02)
    ids = np.array(ids_of(20))
    order = rng.permutation(20)
    forward = same_person.identity_clusters(in_models(ids, faces))
    shuffled = same_person.identity_clusters(in_models(ids[order], faces[order]))
    assert forward.equals(shuffled)


# ---- the gap to the next identity


def candidates(*rows) -> pd.DataFrame:
    """Rows (probe_id, gallery_id, score) -> candidates with ranks."""
    table = pd.DataFrame(rows, columns=["probe_id", "gallery_id", "score"])
    table["rank"] = table.groupby("probe_id")["score"].rank(method="first").astype(int)
    return table


def test_the_gap_is_measured_to_another_identity():
    near = candidates(("p", "a", 0.10), ("p", "a2", 0.11), ("p", "b", 0.30), ("q", "b", 0.4),
                      ("q", "a", 0.45))  # fmt: skip
    clusters = pd.Series({"a": "a", "a2": "a", "b": "b"})
    gaps = same_person.gaps(near, clusters).set_index("probe_id")
    assert gaps.loc["p", ["cluster", "score", "next_score", "gap"]].to_list() == [
        "a",
        0.1,
        0.3,
        0.2,
    ]
    assert gaps.loc["q", "gap"] == 0.05


def test_faces_without_a_cluster_are_their_own():
    gaps = same_person.gaps(candidates(("p", "x", 0.1), ("p", "y", 0.2)), ELSEWHERE)
    assert gaps["cluster"].item() == "x" and gaps["gap"].item() == 0.1


def test_the_gap_is_understated_where_one_identity_fills_the_list():
    gaps = same_person.gaps(
        candidates(("p", "a", 0.1), ("p", "a2", 0.15)), pd.Series({"a": "a", "a2": "a"})
    )
    assert gaps["gap"].item() == 0.05


# ---- the rule


def world(rng, members=12, strangers=60):
    """Members, strangers, and member 0 in the gallery as u00001 and u00002; all models alike."""
    faces = synthetic.people(rng, members + strangers, d=512)
    who, others = faces[:members], faces[members:]
    gallery = np.vstack([synthetic.near(rng, who[[0, 0]], 0.02), others])
    return who, gallery, ids_of(len(gallery))


def decide(who, seconds, gallery, ids, models=MODELS):
    members = ids_of(len(who), "M")
    clusters = same_person.identity_clusters(in_models(ids, gallery, models))
    apart = {}
    for model in models:
        of_model = synthetic.collection(ids, gallery, model)
        near = search(synthetic.collection(members, who, model), of_model, top=20)
        second = None
        if seconds:
            second = synthetic.collection(list(seconds), np.vstack(list(seconds.values())), model)
            second = search(second, of_model, top=1)
        apart[model] = same_person.stands_apart(near, second, clusters, same_person.MARGIN[model])
    return same_person.probable_same_person(apart)


def test_a_planted_member_is_found_with_the_whole_cluster():
    rng = np.random.default_rng(6)
    who, gallery, ids = world(rng)
    found = decide(who, {}, gallery, ids)
    same = found[found["same_person"]]
    assert same[["probe_id", "cluster", "second_portrait"]].to_numpy().tolist() == [
        ["M00001", "u00001", "none"]
    ]
    assert set(same["models"].item().split()) == set(MODELS)


def test_a_second_portrait_that_agrees_keeps_the_decision_and_one_that_does_not_revokes_it():
    rng = np.random.default_rng(7)
    who, gallery, ids = world(rng)
    agrees = decide(who, {"M00001": synthetic.near(rng, who[:1], 0.05)}, gallery, ids)
    row = agrees.set_index("probe_id").loc["M00001"]
    assert row["same_person"] and row["second_portrait"] == "yes"
    other = decide(who, {"M00001": gallery[30:31]}, gallery, ids)
    row = other.set_index("probe_id").loc["M00001"]
    assert not row["same_person"] and row["second_portrait"] == "no"


def test_one_model_alone_is_not_enough():
    row = {"probe_id": "M1", "cluster": "u1", "score": 0.1, "next_score": 0.4, "gap": 0.3}
    nothing = pd.DataFrame(columns=[*row, "second_portrait"])
    one = pd.DataFrame([row | {"second_portrait": "none"}])
    found = same_person.probable_same_person({"SFace": one, "Facenet": nothing})
    assert found["same_person"].to_list() == [False]
    elsewhere = same_person.probable_same_person(
        {"SFace": one, "Facenet": one.assign(cluster="u2")}
    )
    assert not elsewhere["same_person"].any() and len(elsewhere) == 2
    both = same_person.probable_same_person({"SFace": one, "Facenet": one})
    assert both["same_person"].to_list() == [True]


@pytest.mark.parametrize(
    ("seen", "decision"),
    [
        (("none", "none"), True),
        (("yes", "no"), True),  # in at least one of the models
        (("no", "no"), False),
        (("yes", "yes"), True),
    ],
)
def test_what_second_portraits_say(seen, decision):
    row = {"probe_id": "M1", "cluster": "u1", "score": 0.1, "next_score": 0.4, "gap": 0.3}
    apart = {
        model: pd.DataFrame([row | {"second_portrait": answer}])
        for model, answer in zip(("SFace", "Facenet"), seen, strict=True)
    }
    assert same_person.probable_same_person(apart)["same_person"].to_list() == [decision]


def test_a_gap_of_exactly_the_margin_stands_apart():
    near = candidates(("p", "a", 0.1), ("p", "b", 0.163), ("q", "a", 0.1), ("q", "b", 0.1629))
    found = same_person.stands_apart(near, None, ELSEWHERE, 0.063)
    assert found["probe_id"].to_list() == ["p"]


def test_nobody_stands_apart():
    near = candidates(("p", "a", 0.1), ("p", "b", 0.1))
    nobody = same_person.stands_apart(near, None, ELSEWHERE, 0.01)
    found = same_person.probable_same_person({"SFace": nobody, "Facenet": nobody})
    assert found.empty and "same_person" in found


def test_strangers_are_hardly_ever_taken_for_members():
    rng = np.random.default_rng(8)
    faces = synthetic.people(rng, 400, d=512)
    found = decide(faces[:100], {}, faces[100:], ids_of(300))
    assert found["same_person"].sum() <= 5


def test_the_rule_of_one_model():
    rng = np.random.default_rng(9)
    who, gallery, ids = world(rng)
    clusters = same_person.identity_clusters(in_models(ids, gallery, ("SFace",)))
    near = search(
        synthetic.collection(ids_of(len(who), "M"), who), synthetic.collection(ids, gallery), top=20
    )
    same = same_person.same_person_alone(near, clusters, same_person.MARGIN_ALONE["SFace"])
    assert ("M00001", "u00001") in set(zip(same["probe_id"], same["cluster"], strict=True))
    assert same["same_person"].all()


def test_the_rule_never_sees_recorded_groups():
    """No function takes members or labels, and the module reads no roster."""
    functions = [f for _, f in inspect.getmembers(same_person, inspect.isfunction)]
    mine = [f for f in functions if f.__module__ == same_person.__name__]
    assert len(mine) >= 5
    taken = {name for f in mine for name in inspect.signature(f).parameters}
    assert not taken & {"members", "labels", "groups", "group", "people", "gender", "race"}
    source = inspect.getsource(same_person)
    assert "rosters" not in source and "load_members" not in source and "load_utkface" not in source


def test_margins_are_stated_for_every_primary_model():
    from helpers.faces.pipelines import MODELS as all_models
    from helpers.faces.pipelines import PRIMARY_MODELS

    assert set(same_person.MARGIN) >= set(PRIMARY_MODELS)
    assert set(same_person.NEAR) == set(same_person.MARGIN_ALONE) == set(all_models)
    for model, margin in same_person.MARGIN.items():
        assert same_person.MARGIN_ALONE[model] > margin  # one model alone must be surer


# ---- what ships


def test_the_decisions_that_ship_follow_the_rule():
    from helpers.paths import DATA

    path = DATA / "scores" / "same-person.csv"
    table = pd.read_csv(path)
    assert list(table.columns) == [
        "probe_id", "cluster", "models", "second_portrait", "same_person", "decided_by",
    ]  # fmt: skip
    assert not table.duplicated(["probe_id", "cluster"]).any()
    by_rule = table[table["decided_by"] == "rule"]
    enough = by_rule["models"].str.split().str.len() >= same_person.AGREE
    assert (by_rule["same_person"] == (enough & (by_rule["second_portrait"] != "no"))).all()
    assert set(by_rule["second_portrait"]) <= {"yes", "no", "none"}
