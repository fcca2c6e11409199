"""`register` freezes a run of any two folders; `run --registration` refuses everything else."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from helpers.cli import app
from helpers.errors import UserError
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
