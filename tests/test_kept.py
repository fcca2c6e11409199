"""What a run leaves behind: private, checked, forgotten on demand, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.errors import UserError
from helpers.faces import enrolment, kept, pipelines
from helpers.files import alone
from helpers.paths import cache_dir
from helpers.protocol import congress_test
from helpers.show.report import report

sys.path.insert(0, str(Path(__file__).parent))
import images
from test_cli import call, refused, scenes
from test_enrolment import Inline


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, and enrolment in this process with a stand-in for the models."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(enrolment, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(enrolment, "BATCH", 4)
    monkeypatch.setattr(pipelines, "load", images.fake_load)
    monkeypatch.setattr(pipelines, "weight_hashes", images.fake_weights)
    return tmp_path / "cache"


def gathered(probes: Path, gallery: Path, labels=None, model: str = "SFace"):
    return congress_test.gather(str(probes), str(gallery), model, labels=labels, progress=False)


# ---- nobody is told


WATCH = """
import os, sys
log = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
names = ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect")
def look(event, arguments):
    if event in names:
        os.write(log, f"{event} {arguments}\\n".encode())
sys.addaudithook(look)
"""


def test_a_photograph_is_looked_at_and_nobody_is_told(tmp_path, mirror):
    """onnxruntime keeps an identifier of the device in the user's cache, unless told not to."""
    home, folder = tmp_path / "home", scenes(tmp_path / "photos", 2)
    home.mkdir()
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    (tmp_path / "seen").touch()
    changed = {"HOME": home, "XDG_CACHE_HOME": home / ".cache", "SEEN": tmp_path / "seen"}
    changed |= {"CONGRESS_TEST_CACHE": cache_dir(), "DEEPFACE_HOME": cache_dir() / "deepface"}
    changed |= {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    environment = os.environ | {k: str(v) for k, v in changed.items()}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = ["-m", "helpers.cli", "enrol", "--images", folder, "--out", tmp_path / "o.parquet"]
    subprocess.run(
        [sys.executable, *map(str, command), "--model", "sface-native"], env=environment, check=True
    )
    assert len(enrolment.read_failures(tmp_path / "o.parquet")) == 2
    assert [p for p in home.rglob("*") if p.is_file()] == []
    assert (tmp_path / "seen").read_text() == ""


def test_it_is_off_before_anything_is_loaded():
    code = "import helpers, os, sys; "
    code += "print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert found.stdout.split() == [b"1", b"False"]


# ---- the same photograph on both sides


def test_the_same_file_on_both_sides_is_no_false_match(tmp_path, cache):
    probes, gallery = scenes(tmp_path / "probes", 5), scenes(tmp_path / "gallery", 12, 100)
    for name in ("000.png", "001.png"):
        (gallery / f"copy of {name}").write_bytes((probes / name).read_bytes())
    (gallery / "notes.txt").write_text("x")
    people, scores = gathered(probes, gallery)
    result = congress_test.run(people, scores, "0.0001")
    assert result.summary["falsely_matched"] == 0
    assert result.summary["falsely_matched_none_left_out"] == 2
    assert result.summary["identical_images"] == result.summary["gallery_faces_left_out"] == 2
    text = report(result, "")
    assert "identical images         2 in the gallery are searched as well: left out" in text
    assert "with nobody left out 2 falsely matched" in text
    assert f"ignored                  in {gallery}: 1 file (no image)" in text
    json.dumps(congress_test.as_json(result), allow_nan=False)


def test_probes_that_are_the_gallery_are_called_so(tmp_path, cache):
    probes = scenes(tmp_path / "probes", 5)
    with pytest.raises(UserError, match=r"every photograph of .* is one of"):
        gathered(probes, probes)


def test_other_genders_are_kept_and_shown(tmp_path, cache):
    probes, gallery = scenes(tmp_path / "probes", 6), scenes(tmp_path / "gallery", 9, 100)
    rows = ["White,f", "Black,F", "White,Nonbinary", "Black,nonbinary", "White,", "Black,M"]
    (tmp_path / "labels.csv").write_text(
        "id;group;gender\n"
        + "".join(f"{i:03d}.png;{r}\n".replace(",", ";") for i, r in enumerate(rows))
    )
    result = congress_test.run(*gathered(probes, gallery, tmp_path / "labels.csv"), "count:3")
    searched = result.within_sex["searched"].groupby("gender").sum()
    assert searched.to_dict() == {"female": 2, "male": 1, "nonbinary": 2, "not recorded": 1}
    assert "nonbinary, White" in report(result, "")


# ---- what is kept, and for how long


def modes(folder: Path) -> set[str]:
    return {oct(p.stat().st_mode & 0o777) for p in [folder, *folder.rglob("*")] if p.is_dir()} | {
        oct(p.stat().st_mode & 0o777) for p in folder.rglob("*") if p.is_file()
    }


def test_templates_are_nobody_elses_to_read(tmp_path, cache):
    gathered(scenes(tmp_path / "probes", 3), scenes(tmp_path / "gallery", 3, 100))
    assert modes(cache) == {"0o700", "0o600"}
    listed = images.listed(tmp_path / "probes")
    enrolment.enrol(listed, tmp_path / "out" / "mine.parquet", "SFace", workers=1, progress=False)
    assert modes(tmp_path / "out") == {"0o700", "0o600"}


def templates(cache: Path) -> set[str]:
    return {i for p in cache.rglob("*.parquet") for i in enrolment.read_faces(p)["id"]}


def test_a_photograph_that_is_gone_is_forgotten_by_every_pipeline(tmp_path, cache):
    probes, gallery = scenes(tmp_path / "probes", 5), scenes(tmp_path / "gallery", 3, 100)
    for model in ("SFace", "Facenet"):
        gathered(probes, gallery, model=model)
    assert "004.png" in templates(cache)
    (probes / "004.png").unlink()
    gathered(probes, gallery)
    assert "004.png" not in templates(cache)
    # and one that was replaced
    before = {p.name for p in cache.rglob("*.parquet")}
    assert before == {"SFace-yunet.parquet", "Facenet-yunet.parquet"}
    gathered(probes, gallery, model="Facenet")
    images.scene(55).save(probes / "003.png")
    gathered(probes, gallery)
    hashes = {
        row.image_sha256
        for p in cache.rglob("*.parquet")
        for row in enrolment.read_faces(p).itertuples()
        if row.id == "003.png"
    }
    assert len(hashes) == 1


def test_forget_deletes_what_is_kept_of_a_folder_and_no_other(tmp_path, cache):
    probes, gallery = scenes(tmp_path / "probes", 3), scenes(tmp_path / "gallery", 3, 100)
    gathered(probes, gallery)
    assert call("forget", tmp_path / "elsewhere") == "0 files of face metadata deleted\n"
    for path in probes.iterdir():
        path.unlink()
    probes.rmdir()  # the folder need not be there
    assert call("forget", probes) == "1 files of face metadata deleted\n"
    assert templates(cache) == {"100.png", "101.png", "102.png"}
    (cache / "folders" / "0123-SFace-yunet.parquet").touch()  # as version 1.0 called them
    assert call("forget", gallery) == "2 files of face metadata deleted\n"
    assert [p for p in cache.rglob("*") if p.is_file()] == []


# ---- what is damaged


def damage(path: Path, at: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 0x55
    path.write_bytes(content)


@pytest.mark.parametrize("at", [0, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.999])
def test_a_damaged_file_of_the_cache_is_made_again(tmp_path, cache, at, capfd):
    probes, gallery = scenes(tmp_path / "probes", 9), scenes(tmp_path / "gallery", 9, 100)
    _, before = gathered(probes, gallery)
    path = kept.enrolled(images.listed(gallery), gallery, "SFace", "yunet", 1, False)
    whole, content = enrolment.read_faces(path), path.read_bytes()
    damage(path, at)
    capfd.readouterr()
    _, after = gathered(probes, gallery)
    said = capfd.readouterr().err
    assert said in ("", f"{path} is damaged: it is made again\n")
    assert path.read_bytes() == content or not said  # some bytes mean nothing
    pd.testing.assert_frame_equal(enrolment.read_faces(path), whole)
    pd.testing.assert_frame_equal(before.best, after.best)


@pytest.mark.parametrize("what", ["failures", "truncated", "empty", "text"])
def test_a_spoilt_file_of_the_cache_is_made_again(tmp_path, cache, what):
    probes = scenes(tmp_path / "probes", 9)
    (probes / "broken.png").write_bytes(b"x")
    path = kept.enrolled(images.listed(probes), probes, "SFace", "yunet", 1, False)
    whole = path.read_bytes(), enrolment.failures_path(path).read_bytes()
    if what == "failures":
        enrolment.failures_path(path).unlink()
    else:
        path.write_bytes({"truncated": whole[0][:-9], "empty": b"", "text": b"x" * 99}[what])
    assert kept.enrolled(images.listed(probes), probes, "SFace", "yunet", 1, False) == path
    assert (path.read_bytes(), enrolment.failures_path(path).read_bytes()) == whole


def test_a_damaged_batch_of_an_interrupted_run_is_done_again(tmp_path, cache, capfd, monkeypatch):
    probes, out = scenes(tmp_path / "probes", 9), tmp_path / "out.parquet"
    listed = images.listed(probes)
    enrolment.enrol(listed, tmp_path / "calm.parquet", "SFace", workers=1, progress=False)
    monkeypatch.setattr(enrolment, "_assemble", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        enrolment.enrol(listed, out, "SFace", workers=1, progress=False)
    monkeypatch.undo()
    monkeypatch.setattr(enrolment, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(enrolment, "BATCH", 4)
    monkeypatch.setattr(pipelines, "load", images.fake_load)
    monkeypatch.setattr(pipelines, "weight_hashes", images.fake_weights)
    damage(tmp_path / "out.parquet.parts" / "000001.parquet", 0.3)
    enrolment.enrol(listed, out, "SFace", workers=1, progress=False)
    assert "000001.parquet is damaged: its images are enrolled again" in capfd.readouterr().err
    assert out.read_bytes() == (tmp_path / "calm.parquet").read_bytes()


def test_a_damaged_file_of_ones_own_is_named(tmp_path, cache):
    probes, out = scenes(tmp_path / "probes", 40), tmp_path / "out.parquet"
    enrolment.enrol(images.listed(probes), out, "SFace", workers=1, progress=False)
    content = out.read_bytes()
    told = 0
    for at in np.linspace(4, len(content) - 9, 30).astype(int):
        out.write_bytes(content[:at] + bytes(8) + content[at + 8 :])
        try:
            enrolment.read_faces(out)
        except UserError as error:
            told += str(out) in str(error)
    assert told > 10
    out.write_text("my notes")
    text = refused("enrol", "--images", probes, "--out", out, "--model", "SFace")
    assert "no readable Parquet" in text and out.read_text() == "my notes"


def test_a_full_disk_says_what_is_kept_and_how_to_go_on(tmp_path, cache, monkeypatch):
    probes, out = scenes(tmp_path / "probes", 9), tmp_path / "out.parquet"
    write = enrolment.pq.write_table

    def full(table, path, **more):
        if "000001" in str(path):
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(table, path, **more)

    monkeypatch.setattr(enrolment.pq, "write_table", full)
    text = refused("enrol", "--images", probes, "--out", out, "--model", "SFace")
    assert "no space is left" in text and f"{out}.parts" in text
    left = {p.name for p in tmp_path.rglob("*") if p.is_file() and probes not in p.parents}
    assert left <= {"plan.json"} | {
        f"00000{i}.{s}" for i in "02" for s in ("parquet", "failures.csv")
    }
    monkeypatch.setattr(enrolment.pq, "write_table", write)
    assert "9 faces" in call("enrol", "--images", probes, "--out", out, "--model", "SFace")


# ---- two at once

SCRIPT = """
import sys
sys.path[:0] = {path!r}
import images
from helpers.faces import enrolment, pipelines
pipelines.load, pipelines.weight_hashes = images.fake_load, images.fake_weights
pipelines.configuration = images.fake_configuration
enrolment.BATCH, images.DELAY = 4, 0.1
if __name__ == "__main__":
    listed = images.listed(sys.argv[1])
    print(enrolment.enrol(listed, sys.argv[2], "SFace", workers=1, progress=False))
"""


def test_of_two_runs_on_an_empty_cache_the_second_waits(tmp_path):
    folder = scenes(tmp_path / "in", 12)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(path=[str(Path(__file__).parent), *sys.path]))
    command = [sys.executable, script, folder, tmp_path / "out" / "faces.parquet"]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(list(map(str, command)), **pipe) for _ in range(2)]
    ended = [process.communicate(timeout=100) for process in both]
    assert [out for out, _ in ended] == ["(12, 0)\n"] * 2
    said = sorted(error for _, error in ended)
    assert said[0] == "" and "another process makes" in said[1] and said[1].count("\n") == 1
    left = {p.name for p in (tmp_path / "out").iterdir()}
    assert left == {"faces.parquet", "faces.failures.csv"}


def test_a_lock_left_by_a_killed_process_locks_nobody_out(tmp_path):
    (tmp_path / ".a.lock").touch()
    with alone(tmp_path / "a"):
        assert (tmp_path / ".a.lock").exists()
    assert list(tmp_path.iterdir()) == []
