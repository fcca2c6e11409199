"""`register` freezes a run of any two folders; `run --registration` refuses everything else."""

import json
import shutil
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest
from typer.testing import CliRunner

from helpers.cli import app
from helpers.errors import UserError
from helpers.faces import enrolment, parts
from helpers.protocol import congress_test
from helpers.protocol import registration as r

sys.path.insert(0, str(Path(__file__).parent))
import images
import synthetic


@pytest.fixture
def councils(tmp_path, monkeypatch):
    """Another legislature and a gallery, made up; no network is loaded."""
    for name, start, count in (("council", 0, 3), ("mugshots", 50, 4)):
        (tmp_path / name).mkdir()
        for i in range(count):
            images.scene(start + i).save(tmp_path / name / f"{i}.png")
    monkeypatch.setattr(r.pipelines, "weight_hashes", lambda config: {"w.onnx": "0" * 64})
    monkeypatch.setattr(
        r.shipping, "configuration", lambda model, detector: synthetic.configuration(model)
    )
    return tmp_path


def plan(folder, threshold="0.25", **changes):
    choices = {"probes": str(folder / "council"), "gallery": str(folder / "mugshots")}
    choices |= {"model": "SFace", "detector": "yunet", "threshold": threshold, "labels": None}
    return r.register(**(choices | changes))


def test_the_same_run_is_what_was_registered(councils):
    r.write(plan(councils), councils / "plan.json")
    assert len(r.require(councils / "plan.json", plan(councils))) == 64
    assert json.loads((councils / "plan.json").read_text())["hypotheses"] == []


def test_hypotheses_are_typed_and_change_nothing_else(councils):
    r.write(plan(councils), councils / "plan.json")
    stored = json.loads((councils / "plan.json").read_text())
    stored["hypotheses"] = ["women are flagged more often than men"]
    (councils / "plan.json").write_text(json.dumps(stored))
    assert r.require(councils / "plan.json", plan(councils))


@pytest.mark.parametrize("side", ["council", "mugshots"])
def test_another_image_is_another_run(councils, side):
    r.write(plan(councils), councils / "plan.json")
    images.scene(99).save(councils / side / "0.png")
    named = {"council": "probes", "mugshots": "gallery"}[side]
    with pytest.raises(UserError, match=f"registered: {named} differ"):
        r.require(councils / "plan.json", plan(councils))


def test_another_threshold_labels_or_weights_are_another_run(councils, monkeypatch):
    r.write(plan(councils), councils / "plan.json")
    with pytest.raises(UserError, match="threshold differ"):
        r.require(councils / "plan.json", plan(councils, "0.3"))
    (councils / "labels.csv").write_text("id,group\n0.png,White\n")
    with pytest.raises(UserError, match="labels_sha256 differ"):
        r.require(councils / "plan.json", plan(councils, labels=councils / "labels.csv"))
    monkeypatch.setattr(r.pipelines, "weight_hashes", lambda config: {"w.onnx": "1" * 64})
    with pytest.raises(UserError, match="weights_sha256 differ"):
        r.require(councils / "plan.json", plan(councils))


def test_it_is_written_once_and_a_count_needs_scores(councils):
    r.write(plan(councils), councils / "plan.json")
    with pytest.raises(UserError, match="written once"):
        r.write(plan(councils), councils / "plan.json")
    with pytest.raises(UserError, match="needs the scores"):
        plan(councils, "count:28")


def test_the_command_refuses_before_anybody_is_enrolled(councils, monkeypatch):
    def never(*_, **__):
        raise AssertionError("enrolled")

    sides = ["--probes", str(councils / "council"), "--gallery", str(councils / "mugshots")]
    file = ["--model", "SFace", "--threshold", "0.25"]
    done = CliRunner().invoke(
        app, ["register", *sides, *file, "--out", str(councils / "plan.json")]
    )
    assert done.exit_code == 0 and "commit it before the run" in done.output
    monkeypatch.setattr(congress_test, "gather", never)
    other = [*file[:3], "0.26", "--registration", str(councils / "plan.json")]
    refused = CliRunner().invoke(app, ["run", *sides, *other])
    assert refused.exit_code == 2 and "threshold differ" in refused.output
    held = CliRunner().invoke(
        app, ["run", *sides, *file, "--registration", str(councils / "plan.json")]
    )
    assert isinstance(held.exception, AssertionError)  # it goes on to enrol


# ---- a gallery in parts


def in_parts(place: Path, seeds=(1, 2, 3)) -> Path:
    """Faces in parts of 6, one for each seed."""
    place.mkdir()
    for i, seed in enumerate(seeds):
        faces = synthetic.people(np.random.default_rng(seed), 6, 24).astype(np.float32)
        ids = [f"g{i}{j}" for j in range(6)]
        synthetic.write(place / f"part-{i:06d}.parquet", synthetic.collection(ids, faces))
    listed(place)
    return place


def listed(place: Path) -> None:
    """Write gallery.json of the parts that are there."""
    rows = [parts._row(path) for path in sorted(place.glob("*.parquet"))]
    made = enrolment.read_description(place / rows[0]["name"])
    parts.write(place, made, rows, 0)


@pytest.fixture
def sides(councils):
    """Probes and a gallery in parts on the command line; files of both."""
    faces = synthetic.people(np.random.default_rng(9), 4, 24)
    synthetic.write(councils / "probes.parquet", synthetic.collection(list("abcd"), faces))
    in_parts(councils / "parts")
    return ["--probes", str(councils / "probes.parquet"), "--model", "SFace", "--threshold", "0.9"]


def call(*arguments, status=0) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, done.output
    return " ".join(done.output.split())


def changed(place):
    shutil.rmtree(place)
    in_parts(place, (1, 2, 4))


def added(place):
    shutil.rmtree(place)
    in_parts(place, (1, 2, 3, 4))


def removed(place):
    (place / "part-000002.parquet").unlink()
    listed(place)


def missing(place):
    (place / "part-000002.parquet").unlink()


def damaged(place):
    part = place / "part-000001.parquet"
    part.write_bytes(part.read_bytes()[:500] + b"?" + part.read_bytes()[501:])


OTHER = "gallery differ; give what was registered, or register this run too, in another file"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed, OTHER),
        (added, OTHER),
        (removed, OTHER),
        (missing, "part-000002.parquet of"),
        (damaged, "copy it again, or enrol again, which makes only this part"),
    ],
)
def test_a_gallery_in_parts_is_the_one_registered(councils, sides, change, said):
    gallery = ["--gallery", str(councils / "parts")]
    call("register", *sides, *gallery, "--out", councils / "plan.json")
    run = ("run", *sides, *gallery, "--registration", councils / "plan.json")
    assert "as registered" in call(*run)
    change(councils / "parts")
    assert said in call(*run, status=2)
    if said != OTHER:  # what is not whole cannot be registered either
        assert said in call("register", *sides, *gallery, "--out", councils / "b.json", status=2)
        assert not (councils / "b.json").exists()


def test_a_gallery_in_parts_is_the_same_anywhere_but_not_in_one_file(councils, sides):
    fsspec.filesystem("memory").put(str(councils / "parts"), "/registered/", recursive=True)
    out = ("--out", councils / "plan.json")
    call("register", *sides, "--gallery", "memory://registered/parts", *out)
    run = ("run", *sides, "--registration", councils / "plan.json", "--gallery")
    assert "as registered" in call(*run, councils / "parts")
    whole = [enrolment.read_faces(p) for p in sorted((councils / "parts").glob("*.parquet"))]
    faces = np.concatenate([np.stack(part["embedding"]) for part in whole])
    ids = [i for part in whole for i in part["id"]]
    synthetic.write(councils / "one.parquet", synthetic.collection(ids, faces))
    assert OTHER in call(*run, councils / "one.parquet", status=2)


def test_of_parts_only_a_gallery_and_of_this_pipeline_is_registered(councils, sides):
    out = ("--out", str(councils / "plan.json"))
    gallery = ("--gallery", str(councils / "parts"))
    other = ("--probes", str(councils / "council"), "--model", "Facenet")
    assert "another configuration; say --model SFace" in call(
        "register", *other, *gallery, *out, status=2
    )
    assert "no set of probes" in call(
        "register", "--probes", councils / "parts", *gallery, *out, status=2
    )
    assert "takes no gallery in parts" in call(
        "new", councils / "my-test", "--probes", councils / "council", *gallery, status=2
    )
