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
NEAR = {"dlib-native": 0.22, "SFace": 0.22, "Facenet": 0.06}
MARGIN = pd.Series({1: 0.06, 2: 0.05, 3: 0.04})
ELSEWHERE = pd.Series({"z": "z"})  # clusters of faces that are not among the candidates


def in_models(ids, embeddings, models=MODELS):
    """The same faces as seen by several models that agree."""
    return [synthetic.collection(ids, embeddings, model) for model in models]


def clusters_of(collections):
    return same_person.identity_clusters(collections, NEAR)


def ids_of(n, letter="u"):
    return [f"{letter}{i:05d}" for i in range(1, n + 1)]


# ---- clusters


def test_planted_duplicates_are_one_identity_and_nobody_else_is():
    rng = np.random.default_rng(1)
    singles = synthetic.people(rng, 40)
    twins = synthetic.near(rng, singles[:5], 0.01)
    ids = ids_of(45)
    clusters = clusters_of(in_models(ids, np.vstack([singles, twins])))
    assert list(clusters.index) == ids
    for i in range(5):
        assert clusters[ids[40 + i]] == clusters[ids[i]] == ids[i]  # named by the smallest id
    assert (clusters.iloc[5:40] == ids[5:40]).all()


def test_a_chain_of_near_faces_is_one_identity():
    # each is near the next one only
    angles = np.arccos(1 - 0.06) * np.arange(4)
    chain = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(4)])
    clusters = clusters_of(in_models(ids_of(4), chain, ("Facenet", "SFace")))
    assert 1 - chain[0] @ chain[3] > NEAR["Facenet"]
    assert set(clusters) == {"u00001"}
    broken = clusters_of(
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
    clusters = clusters_of(collections)
    assert (clusters.nunique() == 1) == (agreeing >= same_person.NEAR_VOTES)


def test_with_one_model_that_one_decides():
    rng = np.random.default_rng(3)
    face = synthetic.people(rng, 1)
    both = np.vstack([face, synthetic.near(rng, face, 0.001)])
    assert clusters_of(in_models(ids_of(2), both, ("SFace",))).nunique() == 1


def test_a_face_that_one_model_failed_on_is_judged_by_the_others():
    rng = np.random.default_rng(4)
    faces = synthetic.people(rng, 3)
    faces[2] = synthetic.near(rng, faces[:1], 0.001)[0]
    a, b = in_models(ids_of(3), faces, ("SFace", "Facenet"))
    less = synthetic.collection(ids_of(2), faces[:2], "dlib-native")
    clusters = clusters_of([a, less, b])
    assert clusters["u00003"] == clusters["u00001"] == "u00001"
    assert clusters["u00002"] == "u00002"


def test_clusters_do_not_depend_on_the_order_of_faces():
    rng = np.random.default_rng(5)
    faces = synthetic.people(rng, 20)
    faces[10:15] = synthetic.near(rng, faces[:5], 0.02)
    ids = np.array(ids_of(20))
    order = rng.permutation(20)
    forward = clusters_of(in_models(ids, faces))
    shuffled = clusters_of(in_models(ids[order], faces[order]))
    assert forward.equals(shuffled)


# ---- the gap to the next identity


def candidates(*rows) -> pd.DataFrame:
    """Rows (probe_id, gallery_id, score) -> candidates with ranks."""
    table = pd.DataFrame(rows, columns=["probe_id", "gallery_id", "score"])
    table["rank"] = table.groupby("probe_id")["score"].rank(method="first").astype(int)
    return table


def test_the_gaps_are_between_identities_in_order_of_their_best_score():
    near = candidates(
        ("q", "b", 0.4), ("q", "a", 0.45),
        ("p", "c", 0.34), ("p", "a", 0.10), ("p", "a2", 0.11), ("p", "b", 0.30), ("p", "c2", 0.29),
        ("p", "d", 0.40), ("p", "e", 0.50),
    )  # fmt: skip
    clusters = pd.Series({"a": "a", "a2": "a", "b": "b", "c": "c", "c2": "c"})
    gaps = same_person.gaps(near, clusters)
    of_p = gaps[gaps["probe_id"] == "p"].set_index("k")
    assert of_p["cluster"].to_list() == ["a", "c", "b"]
    assert of_p["clusters"].to_list() == [("a",), ("a", "c"), ("a", "b", "c")]
    assert of_p["score"].to_list() == [0.1, 0.29, 0.3]
    assert of_p["next_score"].to_list() == [0.29, 0.3, 0.4]
    assert of_p["gap"].to_list() == [0.19, 0.01, 0.1]
    of_q = gaps[gaps["probe_id"] == "q"].set_index("k")
    assert of_q["gap"].to_list() == [0.05, 0.0]  # after the second there is nobody


def test_faces_without_a_cluster_are_their_own():
    gaps = same_person.gaps(candidates(("p", "x", 0.1), ("p", "y", 0.2)), ELSEWHERE)
    assert gaps["cluster"].to_list() == ["x", "y"] and gaps["gap"].iloc[0] == 0.1


def test_the_gap_is_understated_where_one_identity_fills_the_list():
    gaps = same_person.gaps(
        candidates(("p", "a", 0.1), ("p", "a2", 0.15)), pd.Series({"a": "a", "a2": "a"})
    )
    assert gaps["gap"].to_list() == [0.05]


# ---- distances from people who are known to be different


def strangers(rng, n=200):
    """Candidates of n probes with gaps of 0.001 to n/1000 after each place, in random order."""
    rows, steps = [], np.column_stack([rng.permutation(n) + 1 for _ in range(4)]) / 1000
    for i, scores in enumerate(steps.cumsum(axis=1)):
        rows += [(f"M{i:03d}", f"v{i}-{j}", score) for j, score in enumerate(scores)]
    return candidates(*rows), steps[:, 1:]


def test_margins_are_what_a_share_of_strangers_exceed():
    near, steps = strangers(np.random.default_rng(10))
    table = same_person.margins(near)
    assert list(table["k"]) == [1, 2, 3] * 2 and (table["searches"] == 200).all()
    for row in table.itertuples():
        beyond = (steps[:, row.k - 1] > row.margin + 1e-9).sum()
        assert beyond == {95: 10, 99.5: 1}[row.percentile]
    ordered = table.set_index(["percentile", "k"])["margin"]
    assert (ordered[same_person.ALONE] > ordered[same_person.PERCENTILE]).all()


@pytest.mark.parametrize(("model", "part"), [("SFace", 4), ("dlib-native", 2)])
def test_near_duplicates_are_half_as_far_apart_as_the_nearest_strangers(model, part, monkeypatch):
    monkeypatch.setattr("helpers.faces.collection.BLOCK", 1000)  # several blocks
    monkeypatch.setattr(same_person, "NEAR_SHARE", 0.01)
    rng = np.random.default_rng(12)
    members = synthetic.collection(ids_of(40, "M"), synthetic.people(rng, 40, d=16), model)
    former = synthetic.collection(ids_of(100, "v"), synthetic.people(rng, 100, d=16), model)
    limit = same_person.near_limit(members, former)
    scores = np.sort(search(members, former)["score"])
    assert limit["reached"] == scores[39] and limit["pairs"] == 4000  # one in a hundred of 4,000
    assert limit["near"] == round(scores[39] / part, 4) and limit["pipeline"] == model


def test_half_the_way_is_the_same_in_both_metrics():
    """A quarter of a cosine distance is half of the distance of the same templates."""
    near = {}
    for model in ("SFace", "dlib-native"):
        rng = np.random.default_rng(13)
        sides = [
            synthetic.collection(ids_of(60, x), synthetic.people(rng, 60), model) for x in "Mv"
        ]
        near[model] = same_person.near_limit(*sides)["near"]
    assert near["dlib-native"] == pytest.approx(np.sqrt(2 * near["SFace"]), abs=1e-3)


# ---- the rule


def world(rng, members=12, strangers=60):
    """Members, strangers, and member 0 in the gallery as u00001 and u00002; all models alike."""
    faces = synthetic.people(rng, members + strangers, d=512)
    who, others = faces[:members], faces[members:]
    gallery = np.vstack([synthetic.near(rng, who[[0, 0]], 0.02), others])
    return who, gallery, ids_of(len(gallery))


def decide(who, seconds, gallery, ids, models=MODELS):
    members = ids_of(len(who), "M")
    clusters = clusters_of(in_models(ids, gallery, models))
    seen = {}
    for model in models:
        of_model = synthetic.collection(ids, gallery, model)
        near = search(synthetic.collection(members, who, model), of_model, top=20)
        second = None
        if seconds:
            second = synthetic.collection(list(seconds), np.vstack(list(seconds.values())), model)
            second = search(second, of_model, top=20)
        seen[model] = same_person.evidence(near, second, clusters, MARGIN)
    return same_person.decide(seen)


def test_a_planted_member_is_found_with_the_whole_cluster():
    who, gallery, ids = world(np.random.default_rng(6))
    found = decide(who, {}, gallery, ids)
    same = found[found["same_person"]]
    assert same[["probe_id", "cluster", "second_portrait", "k"]].to_numpy().tolist() == [
        ["M00001", "u00001", "none", 1]
    ]
    assert set(same["pipelines"].item().split()) == set(MODELS)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_member_in_several_clusters_is_found_up_to_three(count):
    rng = np.random.default_rng(14)
    who = synthetic.people(rng, 1, d=512)
    own = [synthetic.near(rng, who, 0.30 + 0.01 * i) for i in range(count)]  # no near-duplicates
    gallery = np.vstack([*own, synthetic.people(rng, 60, d=512)])
    found = decide(who, {}, gallery, ids_of(len(gallery)))
    same = found[found["same_person"]]
    assert set(same["cluster"]) == (set(ids_of(count)) if count < 4 else set())
    assert (same["k"] == count).all()


def test_a_second_portrait_that_agrees_keeps_the_decision_and_one_that_does_not_revokes_it():
    rng = np.random.default_rng(7)
    who, gallery, ids = world(rng)
    agrees = decide(who, {"M00001": synthetic.near(rng, who[:1], 0.05)}, gallery, ids)
    row = agrees.set_index(["probe_id", "cluster"]).loc["M00001", "u00001"]
    assert row["decision"] == same_person.SAME and row["second_portrait"] == "yes"
    other = decide(who, {"M00001": gallery[30:31]}, gallery, ids)
    row = other.set_index(["probe_id", "cluster"]).loc["M00001", "u00001"]
    assert row["decision"] == same_person.CONTESTED and row["second_portrait"] == "no"


def seen(*rows) -> dict[str, pd.DataFrame]:
    """Rows (model, k, clusters, apart, second portrait) of member M1 -> evidence by model."""
    table = pd.DataFrame(rows, columns=["model", "k", "clusters", "apart", "second_portrait"])
    table["clusters"] = [tuple(c.split()) for c in table["clusters"]]
    table = table.assign(probe_id="M1", apart=table["apart"].astype(bool))
    table = table.assign(cluster="", score=0.1, next_score=0.4, gap=0.3)
    return {model: part.drop(columns="model") for model, part in table.groupby("model")}


def decisions(*rows) -> dict[str, str]:
    table = same_person.decide(seen(*rows))
    assert list(table.columns) == same_person.DECISIONS and (table["probe_id"] == "M1").all()
    assert (table["same_person"] == (table["decision"] == "same person")).all()
    return dict(zip(table["cluster"], table["decision"], strict=True))


SAME, CONTESTED = same_person.SAME, same_person.CONTESTED
A1, B1, C1 = (("A", 1, "u1"), ("B", 1, "u1"), ("C", 1, "u1"))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # one pipeline alone is not enough
        ([(*A1, 1, "none"), (*B1, 0, "none")], {"u1": CONTESTED}),
        ([(*A1, 1, "yes"), (*B1, 0, "no")], {"u1": CONTESTED}),
        # nor are two that see different identities
        ([(*A1, 1, "none"), ("B", 1, "u2", 1, "none")], {"u1": CONTESTED, "u2": CONTESTED}),
        # nor is one of two that sees one identity more
        ([(*A1, 1, "none"), ("B", 2, "u1 u2", 1, "none")], {"u1": CONTESTED, "u2": CONTESTED}),
        ([(*A1, 1, "none"), (*B1, 1, "none")], {"u1": SAME}),
        ([(*A1, 1, "none"), (*B1, 1, "none"), (*C1, 1, "none")], {"u1": SAME}),
        # the second portrait must agree in one of them at least, where there is one
        ([(*A1, 1, "yes"), (*B1, 1, "no")], {"u1": SAME}),
        ([(*A1, 1, "none"), (*B1, 1, "no")], {"u1": CONTESTED}),
        ([(*A1, 1, "no"), (*B1, 1, "no")], {"u1": CONTESTED}),
        # it does not count where nobody stands apart
        ([(*A1, 1, "no"), (*B1, 1, "no"), (*C1, 0, "yes")], {"u1": CONTESTED}),
        # the same two identities
        ([("A", 2, "u1 u2", 1, "none"), ("C", 2, "u1 u2", 1, "none")], {"u1": SAME, "u2": SAME}),
        # the smallest k for which all holds; what stands apart with it at a larger one is contested
        (
            [(*A1, 1, "none"), (*B1, 1, "none"), ("A", 2, "u1 u2", 1, "none"),
             ("B", 2, "u1 u2", 1, "none")],
            {"u1": SAME, "u2": CONTESTED},
        ),
        (
            [(*A1, 1, "no"), (*B1, 1, "no"), ("A", 2, "u1 u2", 1, "yes"),
             ("B", 2, "u1 u2", 1, "yes")],
            {"u1": SAME, "u2": SAME},
        ),
        # first for both portraits without standing apart: in two pipelines, and first only
        ([(*A1, 0, "yes"), (*B1, 0, "yes")], {"u1": CONTESTED}),
        ([(*A1, 0, "yes"), (*B1, 0, "no"), (*C1, 0, "none")], {}),
        ([(*A1, 0, "yes"), ("B", 1, "u2", 0, "yes")], {}),
        ([("A", 2, "u1 u2", 0, "yes"), ("B", 2, "u1 u2", 0, "yes")], {}),
    ],
)  # fmt: skip
def test_what_the_rule_decides(rows, expected):
    assert decisions(*rows) == expected


def test_a_decision_names_its_grounds():
    rows = [(*A1, 1, "no"), (*B1, 1, "yes"), ("A", 2, "u1 u2", 1, "no"), ("C", 1, "u3", 0, "no")]
    table = same_person.decide(seen(*rows)).set_index("cluster")
    assert table.loc["u1", ["k", "pipelines", "second_portrait"]].to_list() == [1, "A B", "yes"]
    assert table.loc["u2", ["k", "pipelines", "second_portrait"]].to_list() == [2, "A", "no"]
    first = same_person.decide(seen((*A1, 0, "yes"), (*B1, 0, "yes"))).iloc[0]
    assert first[["k", "pipelines", "second_portrait"]].to_list() == [1, "", "yes"]


def test_a_gap_of_exactly_the_margin_stands_apart():
    near = candidates(("p", "a", 0.1), ("p", "b", 0.163), ("q", "a", 0.1), ("q", "b", 0.1629))
    found = same_person.evidence(near, None, ELSEWHERE, pd.Series({1: 0.063, 2: 1.0}))
    assert found.loc[found["apart"], "probe_id"].to_list() == ["p"]


def test_each_k_has_its_own_margin():
    near = candidates(*(("p", x, s) for x, s in zip("abcd", (0.1, 0.15, 0.2, 0.21), strict=True)))
    found = same_person.evidence(near, None, ELSEWHERE, MARGIN)  # gaps 0.05, 0.05, 0.01
    assert found["apart"].to_list() == [False, True, False]


def test_the_second_portrait_is_asked_for_the_same_k_first_in_any_order():
    near = candidates(*(("p", x, s) for x, s in zip("abcd", (0.1, 0.2, 0.3, 0.4), strict=True)),
                      ("q", "a", 0.1), ("q", "b", 0.2))  # fmt: skip
    second = candidates(*(("p", x, s) for x, s in zip("bacd", (0.1, 0.2, 0.3, 0.4), strict=True)))
    found = same_person.evidence(near, second, ELSEWHERE, MARGIN)
    assert found[["probe_id", "second_portrait"]].to_numpy().tolist() == [
        ["p", "no"], ["p", "yes"], ["p", "yes"], ["q", "none"], ["q", "none"],
    ]  # fmt: skip


def test_nobody_stands_apart():
    near = candidates(("p", "a", 0.1), ("p", "b", 0.1))
    nobody = same_person.evidence(near, None, ELSEWHERE, MARGIN)
    found = same_person.decide({"SFace": nobody, "Facenet": nobody})
    assert found.empty and list(found.columns) == same_person.DECISIONS


def test_strangers_are_hardly_ever_taken_for_members():
    """With margins of one gallery in another, by pipelines that see strangers differently."""
    rng = np.random.default_rng(8)
    members, views = ids_of(200, "M"), {}
    for model in MODELS:
        faces = synthetic.people(rng, 600, d=64)
        who = synthetic.collection(members, faces[:200], model)
        known, other = (
            search(who, synthetic.collection(ids_of(200), part, model), top=20)
            for part in (faces[200:400], faces[400:])
        )
        margin = same_person.by_pipeline(same_person.margins(known).assign(pipeline=model), 95)
        views[model] = same_person.evidence(other, None, ELSEWHERE, margin[model])
        share = views[model].groupby("k")["apart"].mean()
        assert share.between(0.01, 0.12).all()
    found = same_person.decide(views)
    assert found["same_person"].sum() <= 2 and (found["decision"] == CONTESTED).sum() > 20


def test_errors_are_counted_by_k():
    seen_by = seen((*A1, 1, "none"), (*B1, 1, "none"), ("A", 3, "u1 u2 u3", 1, "none"))
    other = [("A", 2, "u4 u5", 1, "none"), ("B", 2, "u4 u5", 1, "none"), ("B", 1, "u4", 0, "no")]
    for model, table in seen(*other).items():
        seen_by[model] = pd.concat([seen_by[model], table.assign(probe_id="M2")])
    table = same_person.errors(seen_by).set_index("k")
    assert (table["searches"] == 2).all()
    assert table["same_person"].to_dict() == {1: 1, 2: 1, 3: 0}
    assert table["contested"].to_dict() == {1: 0, 2: 0, 3: 1}


def test_the_rule_of_one_pipeline():
    near = candidates(
        *(("p", x, s) for x, s in zip("abcd", (0.1, 0.2, 0.3, 0.4), strict=True)),
        *(("q", x, s) for x, s in zip("abcd", (0.1, 0.11, 0.3, 0.4), strict=True)),
        *(("r", x, s) for x, s in zip("abcd", (0.1, 0.11, 0.12, 0.13), strict=True)),
    )
    same = same_person.same_person_alone(near, ELSEWHERE, MARGIN)
    pairs = same[["probe_id", "cluster"]].to_numpy().tolist()
    assert pairs == [["p", "a"], ["q", "a"], ["q", "b"]]  # the smallest k
    assert list(same.columns) == same_person.DECISIONS
    assert same["same_person"].all() and (same["decision"] == SAME).all()


def test_the_rule_never_sees_recorded_groups():
    """No function takes members' labels, and the module reads no roster."""
    functions = [f for _, f in inspect.getmembers(same_person, inspect.isfunction)]
    mine = [f for f in functions if f.__module__ == same_person.__name__]
    assert len(mine) >= 5
    taken = {name for f in mine for name in inspect.signature(f).parameters}
    assert not taken & {"labels", "groups", "group", "people", "gender", "race"}
    source = inspect.getsource(same_person)
    assert "rosters" not in source and "load_members" not in source and "load_utkface" not in source


# ---- what ships


def test_every_pipeline_has_its_distances():
    from helpers.faces.pipelines import MODELS as all_models

    assert set(same_person.load_near()) == set(all_models)
    limits, alone = (
        same_person.load_margins(p) for p in (same_person.PERCENTILE, same_person.ALONE)
    )
    assert set(limits) == set(alone) == set(all_models)
    for model, margin in limits.items():
        assert list(margin.index) == [1, 2, 3] and margin.is_monotonic_decreasing
        assert (alone[model] > margin).all()  # one pipeline alone must be surer


def test_the_distances_that_ship_are_measured_again():
    from helpers.faces.pipelines import PRIMARY_MODELS
    from helpers.protocol import shipping

    limits = same_person.load_margins()
    for model in PRIMARY_MODELS:
        members, former = (shipping.load_dataset(d, model) for d in ("probes", "legislators"))
        near = search(members, former, top=same_person.DEPTH)
        again = same_person.margins(near).query("percentile == 95").set_index("k")["margin"]
        np.testing.assert_allclose(limits[model], again, atol=1e-4)
        limit = same_person.near_limit(members, former)["near"]
        assert same_person.load_near()[model] == pytest.approx(limit, abs=1e-4)


def test_the_decisions_that_ship_follow_the_rule():
    table = pd.read_csv(same_person.FOLDER / "same-person.csv", keep_default_na=False)
    assert list(table.columns) == [*same_person.DECISIONS, "decided_by"]
    assert not table.duplicated(["probe_id", "cluster"]).any()
    assert (table["same_person"] == (table["decision"] == SAME)).all()
    by_rule = table[table["decided_by"] == "rule"]
    assert set(by_rule["decision"]) == {SAME, CONTESTED} and set(by_rule["k"]) <= {1, 2, 3}
    assert set(by_rule["second_portrait"]) <= {"yes", "no", "none"}
    same = by_rule[by_rule["same_person"]]
    assert (same["pipelines"].str.split().str.len() >= same_person.AGREE).all()
    assert (same["second_portrait"] != "no").all()
    # all clusters of one k, and of one k only
    assert (same.groupby("probe_id")["k"].agg(["nunique", "size", "max"]).eval("size == max")).all()
    assert (same.groupby("probe_id")["k"].nunique() == 1).all()


def test_the_errors_that_ship_are_few():
    table = pd.read_csv(same_person.FOLDER / "same-person-errors.csv")
    assert list(table["k"]) == [1, 2, 3] and table["searches"].nunique() == 1
    assert table["same_person"].sum() <= 0.02 * table["searches"].iloc[0]
