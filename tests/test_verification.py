"""What ships is made again from images and compared: agreement is found, and so is every fault.

The faults are planted in a small made-up project with its own images and a stand-in for the models;
one test makes a sample of what really ships again.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from helpers.errors import UserError
from helpers.experiments.the_people import tables as people
from helpers.faces import enrolment, pipelines
from helpers.protocol import calibration, scores, shipping
from helpers.rebuild import tables, verification
from helpers.sources import fetch, rosters

sys.path.insert(0, str(Path(__file__).parent))
import images
import synthetic
from test_enrolment import Inline

from helpers.rebuild import comparison

COUNTS = {
    "probes": 12,
    "second-portraits": 8,
    "returning": 3,
    "delegates": 2,
    "legislators": 40,
    "newcomers": 4,
    "newcomers-second-portraits": 2,
    "utkface": 80,
}
PRIMARY = pipelines.PRIMARY_MODELS
ADDRESS = "https://example.org/{}/{}.png"


def fake_load(config):
    detect, crop, embed = images.fake_load(config)
    sign = {"sface-native": 1, "facenet-native": -1}.get(config.model, 2)

    def of_length_one(crops):
        colours = embed(crops) - 127
        lengths = np.linalg.norm(colours, axis=1, keepdims=True)
        return (np.sign(sign) * colours / lengths).astype("f4")

    return detect, crop, of_length_one


def few_results(out: Path) -> None:
    """A stand-in for the results tables."""
    out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"model": ["sface-native"] * 100, "score": np.arange(100) / 100})
    table.to_csv(out / "some.csv", index=False)


def draw(dataset, i):
    """Image number i of a dataset; a second portrait looks like the first, probe 0 is in both."""
    start = {
        "probes": 0, "second-portraits": 0, "returning": 50, "delegates": 100, "legislators": 200,
        "newcomers": 300, "newcomers-second-portraits": 350
    }.get(dataset)  # fmt: skip
    if dataset == "utkface":
        start = 0 if i == 0 else 400
    picture = images.scene(start + i)
    if dataset == "second-portraits":
        picture = picture.point(lambda v: int(0.9 * v))
    return picture if dataset != "legislators" or i else picture.point(lambda v: 90)  # no face


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The made-up project: mirror, manifests, cache, and data/ made with the stand-in."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("project")
        for dataset, count in COUNTS.items():
            rows = []
            for i in range(count):
                name = f"{dataset[0]}{i:05d}"
                url = ADDRESS.format(dataset, name)
                path = root / "mirror" / fetch.location(url)
                if dataset == "utkface":
                    path = root / "cache" / "utkface" / f"{name}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                draw(dataset, i).save(path, format="PNG")
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                rows.append((name, url, digest, path.stat().st_size))
            table = pd.DataFrame(rows, columns=["id", "url", "sha256", "bytes"])
            if dataset == "second-portraits":
                table["id"] = [f"p{i:05d}" for i in range(count)]
            if dataset == "utkface":
                table = table[["id", "sha256"]]
            (root / "data" / "manifests").mkdir(parents=True, exist_ok=True)
            table.to_csv(root / "data" / "manifests" / f"{dataset}.csv", index=False)
        n = COUNTS["utkface"]
        labels = pd.DataFrame({"id": [f"u{i:05d}" for i in range(n)], "age": 30})
        labels["gender"] = np.where(np.arange(n) % 2, "male", "female")
        labels = labels.assign(race="White", files=1, disputed=False)
        labels.loc[n - 1, "age"] = 10
        labels.to_csv(root / "cache" / "utkface" / "labels.csv", index=False)
        use(root, patch)
        for dataset in COUNTS:
            for model in PRIMARY:
                shipping.enrol_dataset(dataset, model, progress=False)
        shipping.ship(PRIMARY, root / "data")
        few_results(root / "data" / "results")
        yield root


def use(root: Path, patch) -> None:
    patch.setenv("CONGRESS_TEST_MIRROR", str(root / "mirror"))
    patch.setenv("CONGRESS_TEST_CACHE", str(root / "cache"))
    for module in (shipping, verification, scores):
        patch.setattr(module, "DATA", root / "data")
    patch.setattr(fetch, "MANIFESTS", root / "data" / "manifests")
    patch.setattr(calibration, "TARGETS", (0.2, 0.1))
    patch.setattr(calibration, "LOOSEST", 0.2)
    patch.setattr(shipping, "KEEP_PROBES", 9)
    kept = pd.DataFrame({"member_id": [f"p{i:05d}" for i in range(8)], "kept": True})
    patch.setattr(rosters, "load_second_portraits", lambda: kept)
    patch.setattr(pipelines, "MODELS", PRIMARY)
    patch.setattr(pipelines, "configuration", lambda model, detector="yunet":
                  synthetic.configuration(model))  # fmt: skip
    patch.setattr(pipelines, "load", fake_load)
    patch.setattr(pipelines, "weight_hashes", images.fake_weights)
    patch.setattr(enrolment, "ProcessPoolExecutor", Inline)
    for name in ("rosters", "second_portraits"):
        row = comparison._row(name, 1, True, "")
        patch.setattr(verification, f"check_{name}", lambda row=row: row)
    patch.setattr(tables, "make", few_results)
    patch.setattr(tables, "disagreements", lambda: {"some.csv: scores": ""})
    patch.setattr(people, "write_utkface_tables", lambda out, path: None)
    patch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def whole(built, tmp_path, monkeypatch):
    """A copy of the made-up project, to plant faults in; everything is really made again."""
    shutil.copytree(built, tmp_path / "project")
    use(tmp_path / "project", monkeypatch)
    return tmp_path / "project"


@pytest.fixture
def project(whole, built, monkeypatch):
    """The same, but what is made again is taken from the project without faults: faster."""

    def enrol_again(files, *_):
        return lambda dataset, model: (
            built
            / ("cache/faces" if dataset == "utkface" else "data/faces")
            / f"{dataset}-{model}{'-yunet' if dataset == 'utkface' else ''}.parquet"
        )

    monkeypatch.setattr(verification, "enrol_again", enrol_again)
    monkeypatch.setattr(
        shipping, "ship", lambda names, out, path: shutil.copytree(built / "data", out)
    )
    return whole


def verify(sample=None) -> pd.DataFrame:
    return verification.verify(sample, 1).set_index("what")


def wrong(report) -> set[str]:
    return set(report.index[~report["agrees"]])


def change_faces(path: Path, change) -> None:
    """Rewrite face metadata: change(table as a dataframe, description) -> dataframe."""
    frame = enrolment.read_faces(path)
    description = dict(frame.attrs)
    frame = change(frame, description)
    table = enrolment.pa.Table.from_pandas(
        frame, schema=pq.read_schema(path).remove_metadata(), preserve_index=False
    )
    enrolment.write_faces(table, path, description)


# ---- agreement


@pytest.mark.parametrize(
    ("change", "agrees", "said"),
    [
        (lambda t: t, True, "the same decisions, scores within 0.000"),
        (lambda t: t.assign(score=t["score"] - 0.03), True, "within 0.030"),
        (lambda t: t.assign(score=t["score"] - 0.1), False, "within 0.100"),
        (lambda t: t.assign(kept=~t["kept"]), False, "another second_portraits.csv"),
        (lambda t: t[1:], False, "another second_portraits.csv"),
    ],
)
def test_second_portraits_are_the_same_photographs_again(monkeypatch, change, agrees, said):
    stored = rosters.load_second_portraits()
    monkeypatch.setattr(verification, "_files", lambda *_: None)
    monkeypatch.setattr(rosters, "build_second_portraits", lambda members: change(stored))
    row = verification.check_second_portraits()
    assert row["agrees"] == agrees and said in row["detail"]


@pytest.mark.parametrize("name", ["members", "disagreements"])
def test_another_roster_is_noticed(mirror, monkeypatch, name):
    assert verification.check_rosters()["agrees"]
    maker = {"members": "build_members", "disagreements": "cross_check"}[name]
    built = getattr(rosters, maker)
    monkeypatch.setattr(rosters, maker, lambda *given: built(*given).assign(name="Somebody"))
    row = verification.check_rosters()
    assert not row["agrees"] and f"{name}.csv" in row["detail"]


def test_what_was_just_made_agrees(whole):
    report = verify()
    assert report["agrees"].all(), report[~report["agrees"]].to_string()
    expected = {f"faces/{d}-{m}.parquet" for d in shipping.PUBLIC for m in PRIMARY}
    for model in PRIMARY:
        folder = f"scores/utkface-{model}"
        expected |= {f"{folder}, in itself", f"{folder}: candidates", f"{folder}: best scores"}
    for root in ("scores", "calibration", "results"):
        expected |= {str(p.relative_to(whole / "data"))
                     for p in (whole / "data" / root).rglob("*") if p.is_file()}  # fmt: skip
    assert set(report.index) == expected | {
        "rosters",
        "second_portraits",
        "results/some.csv: scores",
    }
    assert report.loc["faces/legislators-sface-native.parquet", "checked"] == COUNTS["legislators"]
    assert "1 failures" in report.loc["faces/legislators-sface-native.parquet", "detail"]
    tables = report[report.index.str.endswith((".csv", ".parquet")) & (report.index.str[0] != "f")]
    assert tables["detail"].isin(["identical", "as many scores up to each point"]).all()


def test_a_sample_agrees_and_says_how_much_it_checked(whole):
    report = verify(sample=5)
    assert report["agrees"].all(), report[~report["agrees"]].to_string()
    assert report.loc["faces/legislators-sface-native.parquet", "checked"] == 5
    assert report.loc["faces/delegates-sface-native.parquet", "checked"] == 2
    near = report[report.index.str.endswith(": candidates")]
    assert len(near) == len(PRIMARY) and (near["checked"] >= 1).all()
    assert verify(sample=5).equals(report)  # the same sample each time
    assert verify(sample=500).shape == report.shape


# ---- planted faults in face metadata


@pytest.mark.parametrize("sample", [None, 12])
def test_a_changed_embedding_is_caught(whole, sample):
    path = whole / "data" / "faces" / "probes-sface-native.parquet"

    def turn(frame, _):
        frame.at[4, "embedding"] = frame["embedding"][4] + np.float32(0.01)
        return frame

    change_faces(path, turn)
    report = verify(sample)
    assert "faces/probes-sface-native.parquet" in wrong(report)
    assert "the embedding of p00004" in report.loc["faces/probes-sface-native.parquet", "detail"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: 1.05 * e, "the embedding of p00002"),  # longer, in the same direction
        (lambda e: np.full_like(e, np.nan), "the embedding of p00002"),
        (lambda e: -e, "the embedding of p00002"),
    ],
)
def test_other_embeddings_are_caught(project, change, said):
    path = project / "data" / "faces" / "probes-dlib-native.parquet"
    again = project / "again.parquet"
    shutil.copy(path, again)
    shutil.copy(enrolment.failures_path(path), enrolment.failures_path(again))

    def apply(frame, _):
        frame.at[2, "embedding"] = change(frame["embedding"][2])
        return frame

    change_faces(path, apply)
    ids = [f"p{i:05d}" for i in range(12)]
    row = verification.check_faces("probes", "dlib-native", again, ids)
    assert not row["agrees"] and said in row["detail"]
    # and not seen where this face was not drawn
    assert verification.check_faces("probes", "dlib-native", again, ids[3:])["agrees"]


@pytest.mark.parametrize(
    ("column", "value", "agrees"),
    [
        ("box_x", 500, False), ("left_eye_y", None, False), ("width", 7, False),
        ("faces_found", 3, False), ("sharpness", 9999.0, False), ("brightness", 1.0, False),
        ("image_sha256", "1" * 64, False), ("detector_score", 0.505, True),
    ],
)  # fmt: skip
def test_other_metadata_are_caught(project, column, value, agrees):
    def apply(frame, _):
        frame[column] = frame[column].astype(object)
        frame.at[1, column] = value
        return frame

    again = project / "again.parquet"
    path = project / "data" / "faces" / "probes-sface-native.parquet"
    shutil.copy(path, again)
    shutil.copy(enrolment.failures_path(path), enrolment.failures_path(again))
    change_faces(path, apply)
    row = verification.check_faces(
        "probes", "sface-native", again, [f"p{i:05d}" for i in range(12)]
    )
    assert row["agrees"] == agrees, row["detail"]
    assert agrees or "p00001" in row["detail"] or column == "image_sha256"


@pytest.mark.parametrize("sample", [None, 2])
def test_a_missing_row_and_a_missing_file_are_caught(project, sample):
    faces = project / "data" / "faces"
    change_faces(faces / "legislators-sface-native.parquet", lambda frame, _: frame.drop(index=7))
    (faces / "delegates-facenet-native.parquet").unlink()
    report = verify(sample)
    assert wrong(report) >= {
        "faces/legislators-sface-native.parquet",
        "faces/delegates-facenet-native.parquet",
    }
    said = report.loc["faces/legislators-sface-native.parquet", "detail"]
    assert "1 listed only before (first: l00008)" in said  # row 7 less the failure
    assert report.loc["faces/delegates-facenet-native.parquet", "detail"] == "the file is missing"


def test_a_row_too_many_and_a_failure_that_is_none_are_caught(project):
    faces = project / "data" / "faces"
    double = faces / "probes-sface-native.parquet"
    change_faces(double, lambda frame, _: pd.concat([frame, frame.iloc[:1]]))
    failures = enrolment.failures_path(faces / "probes-facenet-native.parquet")
    digest = fetch.load_manifest("probes")["sha256"][3]
    failures.write_text(failures.read_text() + f"p00003,no face found,,{digest}\n")
    change_faces(faces / "probes-facenet-native.parquet", lambda frame, _: frame.drop(index=3))
    report = verify(sample=12)
    assert "occurs twice" in report.loc["faces/probes-sface-native.parquet", "detail"]
    said = report.loc["faces/probes-facenet-native.parquet", "detail"]
    assert "1 enrolled only now (first: p00003)" in said and "failed only before" in said


@pytest.mark.parametrize("sample", [None, 4])
def test_other_weights_are_not_compared_and_do_not_count_as_agreement(project, sample):
    def other(frame, description):
        description["weights_sha256"] = dict.fromkeys(description["weights_sha256"], "1" * 64)
        return frame

    for dataset in shipping.PUBLIC:
        change_faces(project / "data" / "faces" / f"{dataset}-facenet-native.parquet", other)
    summary = project / "data" / "scores" / "utkface-facenet-native" / "summary.json"
    stored = json.loads(summary.read_text())
    stored["description"]["weights_sha256"] = {"yunet-facenet-native.onnx": "1" * 64}
    summary.write_text(json.dumps(stored))
    report = verify(sample)
    rows = {f"faces/{d}-facenet-native.parquet" for d in shipping.PUBLIC} | {
        "scores/utkface-facenet-native"
    }
    assert wrong(report) == rows | (
        {"scores/utkface-facenet-native/summary.json"} if sample is None else set()
    )
    for row in rows:
        assert (
            "not compared: made with other weights (yunet-facenet-native.onnx)"
            in report.loc[row, "detail"]
        )
        assert report.loc[row, "checked"] == 0


def test_another_configuration_is_not_compared(project):
    def other(frame, description):
        description["configuration"] |= {"crop": "half a face"}
        return frame

    change_faces(project / "data" / "faces" / "probes-sface-native.parquet", other)
    again = project / "again.parquet"
    source = project / "data" / "faces" / "delegates-sface-native.parquet"
    shutil.copy(source, again)
    shutil.copy(enrolment.failures_path(source), enrolment.failures_path(again))
    row = verification.check_faces("probes", "sface-native", again, [])
    assert not row["agrees"] and row["detail"] == "not compared: made with another crop"


# ---- planted faults in scores


def change_table(path: Path, change) -> None:
    if path.suffix == ".csv":
        change(pd.read_csv(path)).to_csv(path, index=False)
    else:
        change(pd.read_parquet(path)).to_parquet(path, index=False)


def nearer(frame, column="score", row=3, by=0.01):
    frame.loc[row, column] -= by
    return frame


@pytest.mark.parametrize("sample", [None, 80])
def test_a_changed_score_is_caught(project, sample):
    folder = project / "data" / "scores" / "utkface-sface-native"
    table = pd.read_parquet(folder / "candidates.parquet")
    row = table.index[table["rank"] > 1][0]  # no best score, so that only recomputing shows it
    change_table(folder / "candidates.parquet", lambda t: nearer(t, row=row))
    report = verify(sample)
    assert "scores/utkface-sface-native: candidates" in wrong(report)
    probe = table.loc[row, "probe_id"]
    assert (
        f"the score of {probe}" in report.loc["scores/utkface-sface-native: candidates", "detail"]
    )
    assert not any("facenet-native" in w for w in wrong(report))


def test_a_score_within_the_tolerance_agrees(project):
    folder = project / "data" / "scores" / "utkface-sface-native"
    table = pd.read_parquet(folder / "candidates.parquet")
    row = table.index[(table["rank"] > 1) & (table["score"] < table["score"].max() - 0.01)][0]
    change_table(folder / "candidates.parquet", lambda t: nearer(t, row=row, by=-0.001))
    assert verify(80)["agrees"].all()


@pytest.mark.parametrize("sample", [None, 80])
def test_a_missing_candidate_is_caught(project, sample):
    folder = project / "data" / "scores" / "utkface-dlib-native"
    table = pd.read_parquet(folder / "candidates.parquet")
    row = table.index[(table["rank"] > 1) & (table["score"] < table["score"].max() - 0.01)][0]
    change_table(folder / "candidates.parquet", lambda t: t.drop(index=row))
    report = verify(sample)
    assert {"scores/utkface-dlib-native: candidates", "scores/utkface-dlib-native, in itself"} <= (
        wrong(report)
    )
    said = report.loc["scores/utkface-dlib-native: candidates", "detail"]
    assert "1 candidates are missing" in said


def test_candidates_that_the_cap_took_away_are_not_missed(whole, monkeypatch):
    monkeypatch.setattr(scores, "PER_FACE", 2)
    shipping.ship(PRIMARY, whole / "data")
    near = pd.read_parquet(whole / "data/scores/utkface-sface-native/candidates.parquet")
    assert near["gallery_id"].value_counts().max() == 2
    assert verify()["agrees"].all()


def test_emptied_candidates_are_caught(project):
    folder = project / "data" / "scores" / "utkface-sface-native"
    change_table(folder / "candidates.parquet", lambda t: t.iloc[:0])
    assert wrong(verify(4)) >= {
        "scores/utkface-sface-native: candidates", "scores/utkface-sface-native, in itself",
    }  # fmt: skip


@pytest.mark.parametrize("column", ["any", "rule", "strict", "p90"])
@pytest.mark.parametrize("portrait", ["first", "second"])
def test_a_best_score_that_is_too_far_is_caught(project, column, portrait):
    folder = project / "data" / "scores" / "utkface-sface-native"
    best = pd.read_csv(folder / "best.csv")
    row = best.index[best["portrait"] == portrait][5]
    change_table(folder / "best.csv", lambda t: nearer(t, column, row, by=-0.05))
    assert "scores/utkface-sface-native: best scores" in wrong(verify(80))


def test_a_best_score_that_is_too_near_is_caught_when_everything_is_made_again(project):
    folder = project / "data" / "scores" / "utkface-sface-native"
    best = pd.read_csv(folder / "best.csv")
    row = best.index[best["portrait"] == "second"][5]
    change_table(folder / "best.csv", lambda t: nearer(nearer(t, "any", row), "rule", row))
    assert wrong(verify()) == {
        "scores/utkface-sface-native: best scores",
        "scores/utkface-sface-native/best.csv",
    }


def double_a_count(table):
    table.loc[table["faces"].idxmax(), "faces"] *= 2
    return table


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("scores/utkface-sface-native/counts.parquet", double_a_count),
        ("scores/utkface-sface-native/counts.parquet", lambda t: t.iloc[: len(t) // 2]),
        ("scores/utkface-sface-native/strata.csv", lambda t: nearer(t, "faces", 0, 9)),
        ("scores/utkface-sface-native/histogram.parquet", lambda t: nearer(t, "pairs", 0, -5)),
        ("scores/same-person.csv", lambda t: t.iloc[1:]),
        ("scores/utkface-enrolment.csv", lambda t: nearer(t, "images", 1, 9)),
        ("calibration/thresholds.csv", lambda t: nearer(t, "threshold", 0)),
        ("calibration/by-group.csv", lambda t: nearer(t, "errors", 0, -99)),
        ("calibration/thresholds.csv", lambda t: t.drop(columns="low")),
        ("results/some.csv", lambda t: t.assign(score=t["score"] + 0.05)),
        ("results/some.csv", lambda t: t.assign(model="facenet-native")),
        ("results/some.csv", lambda t: t.iloc[1:]),
    ],
)
def test_a_change_in_any_table_is_caught(project, file, change):
    change_table(project / "data" / file, change)
    assert file in wrong(verify())


def test_a_results_table_that_contradicts_the_scores_is_caught(project, monkeypatch):
    monkeypatch.setattr(tables, "disagreements", lambda: {"some.csv: scores": "1 differs"})
    report = verify(sample=3)
    assert report.loc["results/some.csv: scores", "detail"] == "1 differs"
    assert "results/some.csv: scores" in wrong(report)


def test_files_too_few_and_too_many_are_caught(project):
    (project / "data" / "scores" / "utkface-sface-native" / "strata.csv").unlink()
    (project / "data" / "scores" / "utkface-sface-native" / "private.csv").write_text("id\n1\n")
    report = verify()
    assert report.loc["scores/utkface-sface-native/strata.csv", "detail"] == "no such file ships"
    assert (
        report.loc["scores/utkface-sface-native/private.csv", "detail"]
        == "no such file was made again"
    )
    assert len(wrong(report)) == 2


# ---- without images


def test_without_the_images_it_says_what_to_do(whole, monkeypatch):
    monkeypatch.setattr(fetch, "_download", refuse)
    monkeypatch.delenv("CONGRESS_TEST_MIRROR")
    with pytest.raises(UserError, match=r"images of probes are needed .* set CONGRESS_TEST_MIRROR"):
        verify(sample=3)


def refuse(url, file):
    raise fetch.requests.ConnectionError


def test_without_the_private_set_the_rest_is_compared(project):
    shutil.rmtree(project / "cache" / "utkface")
    report = verify(sample=3)
    assert wrong(report) == {"scores of utkface"}
    said = report.loc["scores of utkface", "detail"]
    assert "not compared" in said and "congress-test fetch utkface --from" in said
    assert report.loc["faces/probes-sface-native.parquet", "checked"] == 3


def test_images_are_fetched_where_only_the_network_has_them(whole, monkeypatch):
    mirror, asked = whole / "mirror", []

    def serve(url, file):
        asked.append(url)
        file.write((mirror / fetch.location(url)).read_bytes())

    monkeypatch.setattr(fetch, "_download", serve)
    monkeypatch.delenv("CONGRESS_TEST_MIRROR")
    assert verify(sample=3)["agrees"].all()
    assert len(asked) == 5 * 3 + 2 * 2  # only the sample: three of five sets, and sets of two
