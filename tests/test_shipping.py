"""What ships of a private gallery is made as the design says, from any place and the same twice."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.errors import UserError
from helpers.faces import pipelines, same_person
from helpers.faces.collection import load_collection, search, subset
from helpers.protocol import calibration, scores, shipping
from helpers.sources import rosters

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

D = 512
MEMBERS = [f"M{i:03d}" for i in range(30)]
DELEGATES = [f"D{i:03d}" for i in range(3)]
FORMER = [f"v{i:06d}" for i in range(200)]
PRIVATE = [f"u{i:05d}" for i in range(1, 241)]
CHILDREN, UNLABELLED = PRIVATE[200:220], PRIVATE[220:230]
SMALL = PRIVATE[230:]  # ten adults of a stratum that hides nobody


def labels() -> pd.DataFrame:
    n = len(PRIVATE)
    table = pd.DataFrame({"id": PRIVATE, "age": 20, "gender": "female", "race": "White"})
    table.loc[1::2, "gender"] = "male"
    table.loc[100:, "age"] = 50
    table.loc[200:219, "age"] = 9
    table.loc[220:229, "race"] = None
    table.loc[230:, "race"] = "Black"
    return table.assign(files=1, disputed=np.arange(n) < 0)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder of face metadata: M000 is in the gallery twice, everybody else is not.

    Each pipeline sees strangers in its own way, so that they agree by chance only.
    """
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(31)
    for model in pipelines.PRIMARY_MODELS:
        who, private = synthetic.people(rng, 30, D), synthetic.people(rng, 240, D)
        private[10] = synthetic.near(rng, who[:1], 0.03)[0]
        private[20] = synthetic.near(rng, private[10:11], 0.002)[0]
        sides = {
            "probes": (MEMBERS, who),
            "second-portraits": (MEMBERS[:20], synthetic.near(rng, who[:20], 0.1)),
            "delegates": (DELEGATES, synthetic.people(rng, 3, D)),
            "legislators": (FORMER, synthetic.people(rng, 200, D)),
            "utkface": (PRIVATE, private),
        }
        for dataset, (ids, embeddings) in sides.items():
            ids, embeddings = list(ids), embeddings
            if dataset == "utkface":  # one image in which no face was found
                ids, embeddings = ids[:5] + ids[6:], np.delete(embeddings, 5, axis=0)
            collection = synthetic.collection(ids, embeddings, model)
            synthetic.write(folder / f"{dataset}-{model}.parquet", collection)
    return folder


def ship(faces, out, monkeypatch, cache):
    (cache / "utkface").mkdir(parents=True, exist_ok=True)
    labels().to_csv(cache / "utkface" / "labels.csv", index=False)
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(cache))
    monkeypatch.setattr(shipping, "DATA", out)
    kept = pd.DataFrame({"member_id": MEMBERS[:20], "kept": [True] * 19 + [False]})
    monkeypatch.setattr(rosters, "load_second_portraits", lambda: kept)
    monkeypatch.setattr(calibration, "TARGETS", (1e-2, 1e-3))
    monkeypatch.setattr(calibration, "LOOSEST", 1e-2)
    shipping.ship(
        pipelines.PRIMARY_MODELS, out, lambda dataset, model: faces / f"{dataset}-{model}.parquet"
    )


@pytest.fixture
def shipped(faces, tmp_path, monkeypatch):
    ship(faces, tmp_path / "data", monkeypatch, tmp_path / "cache")
    monkeypatch.setattr(scores, "DATA", tmp_path / "data")
    return tmp_path / "data"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_bytes_twice(faces, tmp_path, monkeypatch):
    for place in ("a", "b"):
        ship(faces, tmp_path / place, monkeypatch, tmp_path / "cache")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    ship(faces, tmp_path / "a", monkeypatch, tmp_path / "cache")  # over what is there
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_every_file_is_there(shipped):
    of_model = {"best.csv", "candidates.parquet", "counts.parquet", "histogram.parquet",
                "strata.csv", "summary.json"}  # fmt: skip
    expected = {f"scores/utkface-{m}/{f}" for m in pipelines.PRIMARY_MODELS for f in of_model}
    of_rule = ("", "-near", "-margins", "-errors")
    expected |= {f"scores/same-person{part}.csv" for part in of_rule}
    expected |= {"scores/utkface-enrolment.csv"}
    expected |= {"calibration/thresholds.csv", "calibration/by-group.csv"}
    assert set(contents(shipped)) == expected


def test_the_planted_member_and_every_near_duplicate_are_left_out(shipped):
    same = pd.read_csv(shipped / "scores" / "same-person.csv")
    row = same[same["same_person"]]
    assert row[["probe_id", "cluster", "k"]].to_numpy().tolist() == [["M000", PRIVATE[10], 1]]
    assert (same["decided_by"] == "rule").all()
    assert list(same.columns) == [*same_person.DECISIONS, "decided_by"]
    for model in pipelines.PRIMARY_MODELS:
        found = scores.load_scores(f"utkface-{model}")
        assert found.removed == 2
        assert not found.candidates["gallery_id"].isin([PRIVATE[10], PRIVATE[20]]).any()


def test_only_adults_with_labels_are_in_the_gallery(shipped, faces):
    adults = set(PRIVATE) - set(CHILDREN) - set(UNLABELLED)
    for model in pipelines.PRIMARY_MODELS:
        found = scores.load_scores(f"utkface-{model}")
        assert set(found.candidates["gallery_id"]) <= adults
        assert found.faces == len(adults) - 1 - 2  # less a failure to enrol and the planted member
        strata = pd.read_csv(shipped / "scores" / f"utkface-{model}" / "strata.csv")
        assert strata["faces"].sum() == found.faces
        assert set(strata["stratum"]) == {
            "female, Black, 35-75", "female, White, 18-34", "female, White, 35-75",
            "male, Black, 35-75", "male, White, 18-34", "male, White, 35-75",
        }  # fmt: skip
        side = load_collection(faces / f"probes-{model}.parquet")
        gallery = subset(load_collection(faces / f"utkface-{model}.parquet"), adults)
        gallery = subset(gallery, set(gallery.ids) - {PRIVATE[10], PRIVATE[20]})
        every = np.ones(len(gallery.ids), bool)
        best, _ = scores.best_and_histogram(side, gallery, every, every, 0.0)
        mine = found.best[found.best["portrait"] == "first"].set_index("probe_id")["rule"]
        np.testing.assert_allclose(mine[MEMBERS], best.set_index("probe_id")["rule"][MEMBERS])


def test_delegates_are_searched_but_set_no_limit(shipped):
    for model in pipelines.PRIMARY_MODELS:
        found = scores.load_scores(f"utkface-{model}")
        first = found.best[found.best["portrait"] == "first"].set_index("probe_id")
        assert list(first.index) == MEMBERS + DELEGATES
        assert found.upto == first.loc[MEMBERS, "rule"].max()  # all 30 are kept
        assert not found.candidates["probe_id"].isin(DELEGATES).any()
        assert found.histogram["pairs"].sum() == len(MEMBERS) * found.faces
        assert found.candidates["gallery_id"].value_counts().max() <= scores.PER_FACE


def test_every_second_portrait_is_searched(shipped):
    for model in pipelines.PRIMARY_MODELS:
        best = scores.load_scores(f"utkface-{model}").best
        assert list(best.loc[best["portrait"] == "second", "probe_id"]) == MEMBERS[:20]


def test_counts_are_complete_and_named_after_their_threshold(shipped):
    offered = pd.read_csv(shipped / "calibration" / "thresholds.csv")
    for model in pipelines.PRIMARY_MODELS:
        found = scores.load_scores(f"utkface-{model}")
        counts = pd.read_parquet(shipped / "scores" / f"utkface-{model}" / "counts.parquet")
        at = offered[offered["model"] == model]
        named = {f"fmr:{t:g}": v for t, v in zip(at["target_fmr"], at["threshold"], strict=True)}
        assert len(named) == 2
        for name, threshold in {"default": 0.5, **named}.items():
            total = counts.loc[counts["threshold"] == name, "faces"].sum()
            assert total == scores.pairs_at(found, threshold)


def test_nothing_measured_is_told_of_few_faces(shipped):
    table = pd.read_csv(shipped / "scores" / "utkface-enrolment.csv", keep_default_na=False)
    table = table.replace("", np.nan).set_index(["gender", "race", "age_band"])
    assert table["images"].sum() == 240 and table["failures"].sum() == 1
    enrolled = table["images"] - table["failures"]
    measured = table[["face_size", "sharpness", "brightness"]].notna()
    assert (measured.all(axis=1) == (enrolled >= shipping.SMALLEST)).all()
    assert measured.any(axis=None) and not measured.all(axis=None)


def test_what_a_person_decided_stays(shipped, faces, tmp_path, monkeypatch):
    path = shipped / "scores" / "same-person.csv"
    table = pd.read_csv(path)
    other = table.index[table["decision"] == "contested"][0]
    table.loc[table["same_person"], ["decision", "decided_by"]] = ["different", "A. Reader"]
    table.loc[other, ["decision", "decided_by"]] = ["same person", "A. Reader"]
    table.to_csv(path, index=False)
    ship(faces, shipped, monkeypatch, tmp_path / "cache")
    again = pd.read_csv(path)
    by_hand = again[again["decided_by"] == "A. Reader"].set_index("probe_id")["same_person"]
    assert by_hand.to_dict() == {"M000": False, table.loc[other, "probe_id"]: True}
    assert again["same_person"].sum() == 1 and not again.duplicated(["probe_id", "cluster"]).any()
    for model in pipelines.PRIMARY_MODELS:
        found = scores.load_scores(f"utkface-{model}")
        left_out = again.loc[again["same_person"], "cluster"].item()
        assert found.removed == 1 and left_out not in set(found.candidates["gallery_id"])


def test_a_decision_that_is_none_is_refused(shipped, faces, tmp_path, monkeypatch):
    path = shipped / "scores" / "same-person.csv"
    table = pd.read_csv(path)
    table.loc[0, ["decision", "decided_by"]] = ["Different", "A. Reader"]
    table.to_csv(path, index=False)
    with pytest.raises(UserError, match="'Different'; write same person, contested, different"):
        ship(faces, shipped, monkeypatch, tmp_path / "cache")


def test_the_rule_is_measured_among_former_legislators(shipped, faces):
    """Distances and errors that ship are those of members among people who are none of them."""
    margins = pd.read_csv(shipped / "scores" / same_person.MARGINS)
    near = pd.read_csv(shipped / "scores" / same_person.NEAR).set_index("pipeline")
    assert list(margins["pipeline"].unique()) == list(near.index) == list(pipelines.PRIMARY_MODELS)
    seen = {}
    for model, limits in same_person.by_pipeline(margins, 95).items():
        members, second, former = (
            load_collection(faces / f"{side}-{model}.parquet")
            for side in ("probes", "second-portraits", "legislators")
        )
        found, again = (search(side, former, top=same_person.DEPTH) for side in (members, second))
        own = pd.Series(FORMER, index=FORMER)
        seen[model] = same_person.evidence(found, again, own, limits)
        of_k = seen[model].groupby("k")["gap"]
        np.testing.assert_allclose(limits, of_k.quantile(0.95), atol=1e-4)
        assert near.loc[model, "near"] == same_person.near_limit(members, former)["near"]
    errors = pd.read_csv(shipped / "scores" / "same-person-errors.csv")
    pd.testing.assert_frame_equal(errors, same_person.errors(seen))
    assert errors["contested"].sum() > 0


def test_contested_identities_stay_in_the_count_and_are_marked(shipped):
    same = pd.read_csv(shipped / "scores" / "same-person.csv")
    doubtful = set(same.loc[same["decision"] == "contested", "cluster"])
    marked = 0
    for model in pipelines.PRIMARY_MODELS:
        found = scores.load_scores(f"utkface-{model}")
        near = found.candidates
        assert (near["contested"] == near["cluster"].isin(doubtful)).all()
        first = found.best[found.best["portrait"] == "first"].set_index("probe_id")
        nearest = near[~near["contested"]].groupby("probe_id")["score"].min()
        within = first.index[first["strict"] <= found.upto].difference(DELEGATES)
        assert (first.loc[within, "strict"] == nearest[within]).all()
        marked += near["contested"].sum()
    assert marked


def test_where_face_metadata_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(tmp_path))
    for dataset in shipping.PUBLIC:
        path = shipping.faces_path(dataset, "SFace")
        assert path == shipping.DATA / "faces" / f"{dataset}-SFace.parquet"
    for dataset, model, detector in (
        ("utkface", "SFace", "yunet"),  # private
        ("probes", "ArcFace", "yunet"),  # not one of ours
        ("probes", "SFace", "dlib"),
    ):
        path = shipping.faces_path(dataset, model, detector)
        assert path == tmp_path / "faces" / f"{dataset}-{model}-{detector}.parquet"


def test_what_ships_of_public_people_is_complete():
    """Every image of a public dataset is enrolled or a failure, by every model in one way."""
    from helpers.faces import enrolment
    from helpers.sources import fetch

    described = {}
    for dataset in shipping.PUBLIC:
        listed = set(fetch.load_manifest(dataset)["id"])
        for model in pipelines.MODELS:
            path = shipping.faces_path(dataset, model)
            ids = list(enrolment.read_faces(path)["id"]) + list(enrolment.read_failures(path)["id"])
            assert len(ids) == len(set(ids)) and set(ids) == listed, path.name
            made = enrolment.read_description(path)
            key = json.dumps([made["configuration"], made["weights_sha256"]], sort_keys=True)
            assert described.setdefault(model, key) == key, path.name
