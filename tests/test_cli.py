"""The command line: what it prints and writes, and one sentence and status 2 on bad input."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers import cli
from helpers.faces import enrolment, kept
from helpers.paths import ROOT

sys.path.insert(0, str(Path(__file__).parent))
import images
import synthetic

from helpers.rebuild import comparison

COMMANDS = ("fetch", "enrol", "search", "run", "reproduce", "verify", "rebuild", "cite")
COMMANDS += ("serve", "import", "export", "similarity", "validate")
NOT_FOR_WHAT_SHIPS = ("deepface", "onnx", "onnxruntime", "cv2", "dlib", "matplotlib", "h5py")


def call(*arguments, status=0) -> str:
    """Run a command in this process; return what it printed."""
    result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(
        cli.app, [str(a) for a in arguments]
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.output


def refused(*arguments) -> str:
    """Run a command that must end with status 2 and one sentence; return the sentence."""
    text = call(*arguments, status=2)
    assert text.startswith("congress-test: ") and "Traceback" not in text
    assert text.count("\n") == 1 and text.endswith("\n"), text
    return text


def process(*arguments, options=()) -> subprocess.CompletedProcess:
    """Run a command as its own process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *options, "-m", "helpers.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


# ---- help


@pytest.mark.parametrize("command", [(), *((c,) for c in COMMANDS)], ids=str)
def test_every_command_explains_itself(command):
    text = call(*command, "--help")
    assert "Usage" in text
    for needed in COMMANDS if not command else ():
        assert needed in text
    if command:
        names = {c.name or c.callback.__name__: c.callback for c in cli.app.registered_commands}
        first = names[command[0]].__doc__.splitlines()[0].split(":")[0]
        assert first[:40] in text


def test_no_command_shows_the_help_and_an_unknown_one_is_refused():
    assert "Usage" in CliRunner().invoke(cli.app, []).output
    assert "No such command" in call("enroll", status=2)
    assert "No such option" in call("run", "--threshhold", "1", status=2)


# ---- run, on files of face metadata


@pytest.fixture
def files(tmp_path):
    """Face metadata of 9 probes (one more failed to enrol) and of 40 gallery faces."""
    rng = np.random.default_rng(41)
    who = synthetic.people(rng, 9, 64)
    gallery = synthetic.people(rng, 40, 64)
    gallery[7] = synthetic.near(rng, who[:1], 0.02)[0]  # p0 is in the gallery
    probes = synthetic.collection([f"p{i}.jpg" for i in range(9)], who)
    synthetic.write(tmp_path / "probes.parquet", probes, failed=["p9.jpg"])
    ids = [f"g{i:02d}.jpg" for i in range(40)]
    synthetic.write(tmp_path / "gallery.parquet", synthetic.collection(ids, gallery))
    labels = pd.DataFrame({"id": [f"p{i}.jpg" for i in range(10)], "name": list("ABCDEFGHIJ")})
    labels["group"] = ["White"] * 5 + ["Black"] * 4 + [None]
    labels["gender"] = ["f", "m"] * 5
    labels.to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path


def run_arguments(files, *more):
    sides = ("--probes", files / "probes.parquet", "--gallery", files / "gallery.parquet")
    return ("run", *sides, "--model", "SFace", *more)


def test_run_on_two_files(files):
    text = call(*run_arguments(files, "--threshold", "count:3"))
    assert "10 people in a gallery of 40 faces" in text
    assert "failures to enrol        1 (counted as no match)" in text
    assert "3 of 10 (30.0 %)" in text
    assert "not looked for: no margin is known" in text  # a gallery of 40 is too small for it


def test_run_with_labels_as_json_and_csv(files):
    arguments = run_arguments(files, "--threshold", "count:3", "--labels", files / "labels.csv")
    found = json.loads(call(*arguments, "--json", "--csv", files / "out.csv"))
    s = found["summary"]
    assert s["searched"] == 10 and s["failures_to_enrol"] == 1 and s["falsely_matched"] == 3
    assert s["fpir_low"] is None
    # one of ten has no recorded group: in neither side of the comparison
    assert s["white_searched"] + s["colour_searched"] == 9
    assert {row["group"] for row in found["groups"]} == {"White", "Black", "not recorded"}
    assert sum(row["searched"] for row in found["within_sex"]) == 10
    members = pd.read_csv(files / "out.csv")
    assert members["member_id"].to_list() == [f"p{i}.jpg" for i in range(10)]
    assert members["flagged"].sum() == 3 and not members["enrolled"].iloc[9]
    # the gallery side is never written: it may hold private people
    assert "g07" not in (files / "out.csv").read_text() and "gallery_id" not in members
    text = call(*arguments)
    named = members.loc[members["flagged"]].sort_values("score")["name"]
    assert text.rstrip().splitlines()[-1].strip() == "; ".join(named)


@pytest.mark.parametrize("threshold", ["2", "0.3", "default"])
def test_run_at_other_thresholds(files, threshold):
    s = json.loads(call(*run_arguments(files, "--threshold", threshold, "--json")))["summary"]
    assert s["fpir_low"] <= s["fpir"] <= s["fpir_high"]
    assert s["falsely_matched"] == (9 if threshold == "2" else s["falsely_matched"])


@pytest.mark.parametrize(
    ("threshold", "sentence"),
    [
        ("80%", "none of default, a number"),
        ("count:99", "only 9 of 10 have any candidate"),
        ("count:0", "whole number of at least 1"),
        ("fmr:2", "no threshold for an FMR of 2 is on offer; there are"),
        ("nan", "a distance is a number from 0 upwards"),
    ],
)
def test_a_bad_threshold(files, threshold, sentence):
    assert sentence in refused(*run_arguments(files, "--threshold", threshold))


def test_bad_input_of_run(files, tmp_path):
    both = {"--probes": files / "probes.parquet", "--gallery": files / "gallery.parquet"}

    def refuse(*more, model="SFace", **changes):
        sides = both | {f"--{k}": v for k, v in changes.items()}
        return refused("run", *(x for pair in sides.items() for x in pair), "--model", model, *more)

    assert "say --model SFace --detector yunet" in refuse(model="dlib-native")
    assert "unknown model 'Sface'; known are dlib-native" in refuse(model="Sface")
    assert "unknown detector 'yunex'" in refuse("--detector", "yunex")
    assert "none.parquet does not exist" in refuse(gallery=tmp_path / "none.parquet")
    assert "nowhere is not a folder" in refuse(probes=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no image in" in refuse(probes=tmp_path / "empty")
    (tmp_path / "text.parquet").write_text("no parquet")
    assert "no readable Parquet file" in refuse(gallery=tmp_path / "text.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    assert "is no face metadata" in refuse(gallery=tmp_path / "other.parquet")
    assert "labels.csv labels 10 images that are not in" in refuse(
        "--labels", files / "labels.csv", probes=files / "gallery.parquet"
    )
    (tmp_path / "bad.csv").write_text("id,age\np0.jpg,3\n")
    assert "needs a column id (or file) and at least one of" in refuse(
        "--labels", tmp_path / "bad.csv"
    )
    assert "cannot read the labels file" in refuse("--labels", tmp_path / "none.csv")
    assert "there is no folder" in refuse("--csv", tmp_path / "no" / "out.csv")
    assert "is a folder" in refuse("--csv", tmp_path)
    assert "--labels is for your own probes" in refuse(
        "--labels", files / "labels.csv", probes="congress"
    )


def test_sets_in_which_no_face_was_found(files):
    nobody = synthetic.collection([], np.zeros((0, 64)))
    synthetic.write(files / "nobody.parquet", nobody, failed=["p0.jpg"])
    for side in ("--probes", "--gallery"):
        text = refused(*run_arguments(files, side, files / "nobody.parquet"))
        assert "no face was found in any image of" in text and "nobody.parquet" in text


def test_sets_of_different_models(files):
    other = synthetic.collection(["x.jpg"], synthetic.people(np.random.default_rng(0), 1, 64))
    other.description["weights_sha256"] = {"SFace.onnx": "1" * 64}
    synthetic.write(files / "other.parquet", other)
    text = refused(*run_arguments(files, "--gallery", files / "other.parquet"))
    assert "enrolled differently (SFace.onnx" in text


@pytest.mark.parametrize("gallery", ["legislators", "utkface"])
@pytest.mark.parametrize("model", ["dlib-native", "SFace"])
def test_run_on_what_ships(gallery, model):
    text = call("run", "--gallery", gallery, "--model", model, "--threshold", "count:28")
    assert text.startswith(f"congress searched in {gallery}\n")
    assert "529 people" in text and "members of colour" in text and "who, nearest first" in text
    found = json.loads(
        call("run", "--gallery", gallery, "--model", model, "--threshold", "fmr:1e-3", "--json")
    )
    assert found["summary"]["policy"] == "fmr:1e-3"
    assert 0 < found["summary"]["falsely_matched"] <= found["summary"]["searched"] == 529


# ---- search, enrol, fetch


def test_search_writes_candidates(files):
    text = call("search", "--probes", files / "probes.parquet", "--gallery",
                files / "gallery.parquet", "--out", files / "near.csv", "--top", 3)  # fmt: skip
    assert "27 candidates of 9 probes" in text
    found = pd.read_csv(files / "near.csv")
    assert list(found.columns) == ["probe_id", "gallery_id", "score", "rank"]
    assert found.loc[
        (found["probe_id"] == "p0.jpg") & (found["rank"] == 1), "gallery_id"
    ].item() == ("g07.jpg")


def test_bad_input_of_search(files):
    sides = ("--probes", files / "probes.parquet", "--out", files / "near.csv")
    assert "does not exist" in refused("search", *sides, "--gallery", files / "none.parquet")
    other = synthetic.collection(["x"], np.ones((1, 64)), "Facenet")
    synthetic.write(files / "other.parquet", other)
    assert "enrolled differently" in refused("search", *sides, "--gallery", files / "other.parquet")
    assert "greater than or equal to 1" in call(
        "search", *sides, "--gallery", files / "gallery.parquet", "--top", 0, status=2
    )


@pytest.fixture
def fake_models(monkeypatch):
    """Enrolment in this process with a stand-in that takes colours for faces."""
    from test_enrolment import Inline

    from helpers.faces import pipelines

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(enrolment, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(pipelines, "load", images.fake_load)
    monkeypatch.setattr(pipelines, "weight_hashes", images.fake_weights)


def scenes(folder: Path, count: int, start: int = 0) -> Path:
    folder.mkdir()
    for i in range(start, start + count):
        images.scene(i).save(folder / f"{i:03d}.png")
    return folder


def test_enrol_a_folder_and_run_on_folders(tmp_path, fake_models, monkeypatch):
    probes, gallery = scenes(tmp_path / "probes", 5), scenes(tmp_path / "gallery", 20, 100)
    (gallery / "broken.jpg").write_bytes(b"")
    out = tmp_path / "gallery.parquet"
    text = call("enrol", "--images", gallery, "--out", out, "--model", "SFace", "--workers", 1)
    assert "20 faces enrolled in" in text and "1 failures to enrol" in text
    assert "empty file: 1" in text and len(enrolment.read_faces(out)) == 20
    monkeypatch.setattr(kept, "cache_dir", lambda: tmp_path / "cache")
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "file,name,gender\n" + "".join(f"{i:03d}.png,Person {i},f\n" for i in range(4))
    )
    both = ("--probes", probes, "--gallery", gallery, "--model", "SFace", "--workers", 1)
    text = call("run", *both, "--labels", labels, "--threshold", "count:2", "--json")
    found = json.loads(text[text.index("{") :])  # before it: the progress of enrolment
    assert found["summary"]["searched"] == 5 and found["summary"]["falsely_matched"] == 2
    again = json.loads(call("run", *both, "--threshold", "count:2", "--json"))
    assert again["summary"]["threshold"] == found["summary"]["threshold"]
    labels.write_text("id,name\nnobody.png,Nobody\n")
    assert "labels 1 images that are not in" in refused("run", *both, "--labels", labels)
    labels.write_text("id,name\n000.png,A\n000.png,B\n")
    assert "1 repeated ids" in refused("run", *both, "--labels", labels)


def test_bad_input_of_enrol(tmp_path, fake_models):
    out = ("--out", tmp_path / "out.parquet")
    assert "nowhere is not a folder" in refused("enrol", "--images", tmp_path / "nowhere", *out)
    assert "rosters is not a folder" in refused("enrol", "--images", "rosters", *out)
    folder = scenes(tmp_path / "in", 2)
    assert "unknown model 'VGG'" in refused("enrol", "--images", folder, *out, "--model", "VGG")
    assert "unknown detector" in refused("enrol", "--images", folder, *out, "--detector", "mtccn")
    (tmp_path / "file").write_text("")
    assert "file" in refused("enrol", "--images", folder, "--out", tmp_path / "file" / "x.parquet",
                             "--model", "SFace", "--workers", 1)  # fmt: skip
    assert "Missing option" in call("enrol", "--images", folder, status=2)


def test_bad_input_of_fetch(tmp_path, monkeypatch):
    text = refused("fetch", "mugshots")
    assert "unknown dataset 'mugshots'; there are rosters, probes" in text
    assert "--from is for utkface alone" in refused("fetch", "probes", "--from", tmp_path)
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(tmp_path / "cache"))
    assert "no such file or folder" in refused(
        "fetch", "utkface", "--from", tmp_path / "UTK.tar.gz"
    )
    (tmp_path / "empty").mkdir()
    text = call("fetch", "utkface", "--from", tmp_path / "empty", status=2)
    assert re.search(r"[\d,]+ images of utkface were not in", text)


def test_fetch_says_what_failed(monkeypatch):
    from helpers.sources import fetch as sources

    def fetch(status):
        row = ("probes", "A000055", status, None, "refused" if status == "failed" else "")
        return lambda datasets, progress: pd.DataFrame([row], columns=sources.REPORT)

    monkeypatch.setattr(sources, "fetch", fetch("failed"))
    assert "probes: 1 failed" in call("fetch", "probes", status=1)
    monkeypatch.setattr(sources, "fetch", fetch("mirror"))
    assert "probes: 1 mirror" in call("fetch", "probes")


def test_verify_fails_where_anything_differs(monkeypatch):
    from helpers.rebuild import verification

    def verify(agrees):
        row = ("faces", 3, agrees, "detail")
        return lambda sample, workers: pd.DataFrame([row], columns=comparison.REPORT)

    monkeypatch.setattr(verification, "verify", verify(True))
    assert "detail" in call("verify", "--sample", 8)
    monkeypatch.setattr(verification, "verify", verify(False))
    call("verify", status=1)
    assert "greater than or equal to 1" in call("verify", "--sample", 0, status=2)


# ---- as a process of its own


def test_a_process_ends_with_status_2_and_one_sentence():
    result = process("run", "--gallery", "utkface", "--model", "SFace", "--threshold", "loose")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == (
        "congress-test: --threshold 'loose' is none of default, a number, fmr:1e-5, count:28\n"
    )


@pytest.mark.parametrize("gallery", ["legislators", "utkface"])
def test_what_ships_runs_without_loading_models(gallery):
    """Imports are most of the time such a run takes."""
    arguments = ("run", "--gallery", gallery, "--model", "SFace", "--json")
    result = process(*arguments, options=("-X", "importtime"))
    assert result.returncode == 0, result.stderr[-2000:]
    assert json.loads(result.stdout)["summary"]["searched"] == 529
    loaded = {line.rsplit("|", 1)[1].strip() for line in result.stderr.splitlines() if "|" in line}
    assert "pandas" in loaded
    assert not {m.split(".")[0] for m in loaded} & set(NOT_FOR_WHAT_SHIPS)


# ---- with real portraits


def test_two_folders_of_portraits_end_to_end(mirror, tmp_path, monkeypatch):
    """Eight portraits against twelve others, one person in both, with labels, by SFace."""
    found = images.portraits(mirror, 20)
    probes, gallery = images.two_folders(found, 8, tmp_path)
    rows = [f"{p.name},{p.stem.title()},{'White' if i % 2 else 'Black'},{'fm'[i % 2]}\n"
            for i, p in enumerate(found[:8])]  # fmt: skip
    (tmp_path / "labels.csv").write_text("file,name,group,gender\n" + "".join(rows))
    monkeypatch.setattr(kept, "cache_dir", lambda: tmp_path / "cache")
    both = ("run", "--probes", probes, "--gallery", gallery, "--model", "SFace", "--workers", 2)
    text = call(*both, "--labels", tmp_path / "labels.csv", "--threshold", "count:3",
                "--csv", tmp_path / "out.csv")  # fmt: skip
    assert "9 people in a gallery of 13 faces" in text  # `again.png` is the first probe
    assert "failures to enrol        1 " in text and "3 of 9 (33.3 %)" in text
    assert "not looked for" in text and "FPIR by group" in text
    members = pd.read_csv(tmp_path / "out.csv").set_index("member_id")
    assert not members.loc["landscape.png", "enrolled"]
    assert members.loc["landscape.png", "group"] == "not recorded"
    assert members.loc[found[0].name, "score"] < 0.3
    s = json.loads(call(*both, "--json"))["summary"]
    assert s["threshold_origin"].startswith("default (") and s["searched"] == 9


def test_another_congress_needs_a_roster_and_portraits_and_no_code(mirror, tmp_path, monkeypatch):
    """Members of the 116th, by their own roster, searched among the former legislators."""
    houses = mirror / "raw.githubusercontent.com" / "CivilServiceUSA" / "us-house"
    (roster,) = houses.glob("991e8e02*/us-house/data/us-house.json")
    roster = pd.read_json(roster).assign(file=lambda r: r["name_slug"] + ".jpg")
    portraits = {path.name: path for path in images.portraits(mirror, 60)}
    sat_in_both = roster[roster["file"].isin(portraits)].sort_values("file")
    assert len(sat_in_both) > 20
    groups = {
        "white-american": "White",
        "african-american": "Black",
        "hispanic-american": "Hispanic",
    }
    labels = sat_in_both[["file", "name", "gender"]].assign(
        group=sat_in_both["ethnicity"].map(groups).fillna("Other")
    )
    labels.to_csv(tmp_path / "house-116.csv", index=False)
    (tmp_path / "portraits").mkdir()
    for name in labels["file"]:
        shutil.copy(portraits[name], tmp_path / "portraits")
    monkeypatch.setattr(kept, "cache_dir", lambda: tmp_path / "cache")
    said = call(
        *("run", "--probes", tmp_path / "portraits", "--labels", tmp_path / "house-116.csv"),
        *("--gallery", "legislators", "--model", "SFace", "--threshold", "count:4", "--json"),
    )
    answer = json.loads(said[said.index("{\n") :])  # after the progress bar
    assert answer["summary"]["searched"] == len(labels)
    assert answer["summary"]["falsely_matched"] == 4
    assert {g["group"] for g in answer["groups"]} >= set(labels["group"])
    flagged = sum(g["flagged"] for g in answer["groups"] if g["group"] in set(labels["group"]))
    assert flagged == 4


# ---- collections of the service


def test_a_collection_goes_in_and_out(files, tmp_path):
    store = ("--store", tmp_path / "store")
    assert call("import", "people", files / "gallery.parquet", *store) == "40 faces in people\n"
    assert "already" in refused("import", "people", files / "gallery.parquet", *store)
    assert "does not exist" in refused("import", "others", files / "missing.parquet", *store)
    out = tmp_path / "out.parquet"
    assert call("export", "people", out, *store) == f"40 faces in {out}\n"
    assert "no collection" in refused("export", "others", out, *store)
    pd.testing.assert_frame_equal(
        enrolment.read_faces(out), enrolment.read_faces(files / "gallery.parquet")
    )


def test_the_scale_is_shown_with_its_errors():
    lines = call("similarity").splitlines()
    assert len(lines) == 13  # three pipelines at four percentages
    assert all("95 % interval" in line for line in lines[1:])


def test_a_service_that_cannot_start_says_why(tmp_path):
    place = ("--store", tmp_path, "--port", 0)
    assert "ArcFace" in refused("serve", "--model", "ArcFace", *place)
    assert "CONGRESS_TEST_TOKEN" in refused("serve", "--host", "0.0.0.0", *place)
    assert "NAME=PATH" in refused("serve", "--bucket", "photos", *place)
