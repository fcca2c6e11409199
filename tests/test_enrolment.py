"""Enrolment: whatever an image is, it ends as a row or as a failure with a reason, and a run that
was killed ends with the same bytes as one that was left alone."""

import contextlib
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFile

from helpers.errors import UserError
from helpers.faces import enrolment, pipelines
from helpers.files import sha256
from helpers.sources import photographs

sys.path.insert(0, str(Path(__file__).parent))
import images

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
FACES = 13  # of the 17 images of `small_set`
SCRIPT = """
import sys
sys.path[:0] = {path!r}
import images
from helpers.faces import enrolment, pipelines
pipelines.load, pipelines.weight_hashes = images.fake_load, images.fake_weights
pipelines.configuration = images.fake_configuration  # spares the import of deepface
enrolment.BATCH, images.DELAY = 4, {delay}
images.LOG = sys.argv[3]
if __name__ == "__main__":
    todo = images.listed(sys.argv[1])
    enrolment.enrol(todo, sys.argv[2], "SFace", workers=2, progress=False)
"""


class Inline:
    """Stands in for the pool of processes: works at once, in this process."""

    broken = False

    def __init__(self, workers, context, initializer, initargs):
        initializer(*initargs)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, work, *args) -> Future:
        future = Future()
        if self.broken:
            future.set_exception(BrokenProcessPool())
        else:
            future.set_result(work(*args))
        return future


@pytest.fixture
def fake(monkeypatch):
    """Enrolment in this process, in batches of 4, with a detector that takes colours for faces."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(enrolment, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(enrolment, "BATCH", 4)
    monkeypatch.setattr(pipelines, "load", images.fake_load)
    monkeypatch.setattr(pipelines, "weight_hashes", images.fake_weights)


def run(source, out: Path, model: str = "SFace", detector: str = "yunet") -> tuple[int, int]:
    listed = source if isinstance(source, pd.DataFrame) else images.listed(source)
    return enrolment.enrol(listed, out, model, detector, workers=1, progress=False)


def small_set(folder: Path) -> Path:
    """17 images in five batches, four of which cannot be enrolled; ids that look like numbers."""
    folder.mkdir()
    for i in range(FACES):
        images.scene(i).save(folder / f"{i:03d}.png")
    (folder / "001.5.jpg").write_bytes(b"")
    (folder / "NA.jpg").write_text("no image")
    Image.new("RGB", (40, 30), (90, 90, 90)).save(folder / "flat.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


# ---- what an image may be


def test_each_fault_has_its_reason(tmp_path, fake):
    folder = tmp_path / "in"
    folder.mkdir()
    readable = images.write_variants(images.scene(3), folder)
    reasons = images.write_faults(folder)
    Image.new("RGB", (64, 64), (200, 200, 200)).save(folder / "flat.png")
    reasons["flat.png"] = "no face found"
    (folder / "folder.jpg").mkdir()
    listed = images.listed(folder)
    others = {"a folder": folder / "folder.jpg", "long": folder / ("x" * 300 + ".jpg")}
    others |= {"missing": folder / "missing.jpg", "nul": "a\0b.jpg"}
    reasons |= {"a folder": "not a file", "long": "missing file", "missing": "missing file"}
    reasons["nul"] = "missing file"
    extra = pd.DataFrame({"id": others.keys(), "path": others.values()}, dtype=object)
    listed = pd.concat([listed, extra])

    faces, failed = run(listed, tmp_path / "out.parquet")

    table = enrolment.read_faces(tmp_path / "out.parquet")
    failures = enrolment.read_failures(tmp_path / "out.parquet")
    assert dict(zip(failures["id"], failures["reason"], strict=True)) == reasons
    assert table["id"].tolist() == sorted(readable)
    assert (faces, failed) == (len(table), len(failures))
    assert faces + failed == len(listed)
    assert "folder.jpg" not in set(listed["id"])
    # no path of this machine gets into the table of failures
    assert not failures["detail"].str.contains(str(tmp_path), regex=False).any()
    unhashed = failures.loc[failures["image_sha256"] == "", "reason"]
    assert set(unhashed) == {"missing file", "not a file"}


def test_every_way_to_hold_an_image_gives_the_same_pixels(tmp_path):
    scene = images.scene(4, 120, 80)
    colour = np.asarray(scene)[:, :, ::-1].astype(int)
    grey = np.asarray(scene.convert("L")).astype(int)[:, :, None]
    rounded = {"grey16.png": 1, "grey16.tif": 1}
    lossy = dict.fromkeys(["plain.jpg", "broken-exif.jpg", "stereo.jpg", "grey.jpg"], 2)
    lossy |= {"cmyk.jpg": 3, "palette.png": 15, "animated.gif": 15}
    for name in images.write_variants(scene, tmp_path):
        read = enrolment.read_image(tmp_path / name)
        assert read.dtype == np.uint8 and read.flags.c_contiguous, name
        difference = np.abs(read - (grey if name.startswith("grey") else colour))
        if name in lossy:
            assert 0 < difference.mean() <= lossy[name], name
        else:
            assert difference.max() <= rounded.get(name, 0), name


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_followed(tmp_path, orientation):
    scene = images.scene(5)
    images.write_turned(scene, orientation, tmp_path / "turned.png")
    upright = np.asarray(scene)[:, :, ::-1]
    assert np.array_equal(enrolment.read_image(tmp_path / "turned.png"), upright)


@pytest.mark.parametrize("name", ["bomb.png", "bomb.jpg", "bomb.gif"])
def test_a_decompression_bomb_is_refused_before_decoding(tmp_path, monkeypatch, name):
    images.write_faults(tmp_path)

    def decode(self):
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(enrolment.Unreadable, match="30000 x 30000") as error:
        enrolment.read_image(tmp_path / name)
    assert error.value.reason == "too many pixels"
    assert limit == Image.MAX_IMAGE_PIXELS, "the limit of other users of Pillow has changed"


def test_the_limit_of_pixels_is_a_limit(tmp_path, monkeypatch):
    images.scene(1, 100, 50).save(tmp_path / "a.png")
    monkeypatch.setattr(photographs, "MAX_PIXELS", 5000)
    assert enrolment.read_image(tmp_path / "a.png").shape == (50, 100, 3)
    monkeypatch.setattr(photographs, "MAX_PIXELS", 4999)
    with pytest.raises(enrolment.Unreadable, match="100 x 50"):
        enrolment.read_image(tmp_path / "a.png")


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    images.scene().save(tmp_path / "a.png")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(tmp_path / "a.png"))

    monkeypatch.setattr(photographs.Image, "open", refuse)
    with pytest.raises(
        enrolment.Unreadable, match=r"^PermissionError: Permission denied$"
    ) as error:
        enrolment.read_image(tmp_path / "a.png")
    assert error.value.reason == "unreadable file"
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(enrolment.Unreadable) as error:
        enrolment.read_image(tmp_path / "a.png")
    assert error.value.reason == "unreadable file"


def test_a_model_that_breaks_on_an_image_does_not_stop_the_run(tmp_path, fake, monkeypatch):
    def load(config):
        detect, crop, embed = images.fake_load(config)

        def picky_detect(image):
            if image.shape[0] == 1:
                raise RuntimeError("error:\n  too thin for me")
            return detect(image)

        def picky_crop(image, face):
            if image.shape[0] == 5:
                raise ValueError("nothing to cut")
            return {2: "bad", 3: crop(image, face) * np.nan}.get(len(image), crop(image, face))

        def picky_embed(crops):
            if "bad" in [c for c in crops if isinstance(c, str)]:
                raise ValueError("no")
            return embed(crops)

        return picky_detect, picky_crop, picky_embed

    monkeypatch.setattr(pipelines, "load", load)
    for height in range(1, 8):
        images.scene(height, 50, height).save(tmp_path / f"{height}.png")
    assert run(tmp_path, tmp_path / "out.parquet") == (3, 4)
    failures = enrolment.read_failures(tmp_path / "out.parquet")
    assert failures[["id", "reason", "detail"]].to_numpy().tolist() == [
        ["1.png", "detector failed", "RuntimeError: error: too thin for me"],
        ["2.png", "recogniser failed", "ValueError: no"],
        ["3.png", "no usable embedding", ""],
        ["5.png", "recogniser failed", "ValueError: nothing to cut"],
    ]


@pytest.mark.parametrize("room", [0, 20_000, 1 << 20])
def test_images_in_memory_are_bounded(tmp_path, fake, monkeypatch, room):
    """A batch is read as far as there is room, then looked at; the order has no bearing."""
    held, most, together = 0, 0, []

    def read(path):
        nonlocal held, most
        image = read_image(path)
        held += image.nbytes
        most = max(most, held)
        return image

    def load(config):
        detect, crop, embed = images.fake_load(config)

        def seen(image):
            nonlocal held
            held -= image.nbytes
            return detect(image)

        def embed_some(crops):
            together.append(len(crops))
            return embed(crops)

        return seen, crop, embed_some

    read_image = enrolment.read_image
    monkeypatch.setattr(enrolment, "read_image", read)
    monkeypatch.setattr(enrolment, "AT_ONCE", room)
    monkeypatch.setattr(pipelines, "load", load)
    monkeypatch.setattr(enrolment, "BATCH", 6)
    for i in range(8):
        images.scene(i, 50, 40).save(tmp_path / f"{i}.png")  # 6,000 bytes of pixels
    records = [{"id": str(i), "path": tmp_path / f"{i}.png"} for i in range(8)]
    enrolment._load_worker(pipelines.configuration("SFace"))
    rows, failures = enrolment._enrol_all([*records, {"id": "no", "path": tmp_path / "no.png"}])
    assert [row["id"] for row in rows] == [r["id"] for r in records] and len(failures) == 1
    assert most == {0: 6_000, 20_000: 24_000, 1 << 20: 36_000}[room] and held == 0
    assert together == {0: 8 * [1], 20_000: [4, 4], 1 << 20: [6, 2]}[room]


def test_ids_stay_as_they_are(tmp_path, fake):
    images.scene().save(tmp_path / "a.png")
    ids = ["007", "1e5", "NA", "null", 'é, "x"\n', ""]
    paths = [tmp_path / "a.png" if i % 2 else tmp_path / "no" for i in range(len(ids))]
    run(pd.DataFrame({"id": ids, "path": paths}), tmp_path / "out.parquet")
    kept = enrolment.read_faces(tmp_path / "out.parquet")["id"].tolist()
    lost = enrolment.read_failures(tmp_path / "out.parquet")["id"].tolist()
    assert kept == sorted(ids[1::2])
    assert lost == sorted(ids[0::2])


def test_ids_that_are_numbers_become_text(tmp_path, fake):
    images.scene().save(tmp_path / "a.png")
    listed = pd.DataFrame({"id": [10, 9], "path": [tmp_path / "a.png"] * 2})
    run(listed, tmp_path / "out.parquet")
    assert enrolment.read_faces(tmp_path / "out.parquet")["id"].tolist() == ["10", "9"]


def test_a_file_name_that_is_no_text(tmp_path, fake):
    try:
        images.scene().save(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    except OSError:
        pytest.xfail("this file system takes only names that are text")
    assert run(tmp_path, tmp_path / "out.parquet") == (1, 0)
    assert enrolment.read_faces(tmp_path / "out.parquet")["id"].tolist() == ["caf\\xe9.png"]


def test_what_cannot_be_enrolled_at_all(tmp_path, fake):
    with pytest.raises(UserError, match="no images"):
        run(pd.DataFrame({"id": [], "path": []}), tmp_path / "out.parquet")
    twice = pd.DataFrame({"id": ["b", "a", "b"], "path": ["x", "y", "z"]})
    with pytest.raises(UserError, match="'b' occurs twice"):
        run(twice, tmp_path / "out.parquet")
    assert not list(tmp_path.glob("out*"))


def test_face_metadata_can_be_told_from_other_files(tmp_path, fake):
    with pytest.raises(UserError, match="does not exist"):
        enrolment.read_faces(tmp_path / "no.parquet")
    (tmp_path / "text.parquet").write_text("x")
    with pytest.raises(UserError, match="no readable Parquet"):
        enrolment.read_faces(tmp_path / "text.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="no face metadata"):
        enrolment.read_faces(tmp_path / "other.parquet")


def test_rows_say_where_they_come_from(tmp_path, fake):
    run(small_set(tmp_path / "in"), tmp_path / "out.parquet")
    table = enrolment.read_faces(tmp_path / "out.parquet")
    assert list(table.columns) == list(enrolment.COLUMNS)
    row = table.set_index("id").loc["003.png"]
    assert row["image_sha256"] == sha256(tmp_path / "in" / "003.png")
    assert (row["width"], row["height"], row["faces_found"]) == (96, 64, 1)
    assert row["face_size"] == pytest.approx((row["box_w"] * row["box_h"]) ** 0.5)
    assert row["embedding"].dtype == np.float32
    assert table.attrs["weights_sha256"] == {"yunet-SFace.onnx": "0" * 64}
    assert table.attrs["configuration"]["metric"] == "cosine"
    assert set(table.attrs["versions"]) == set(enrolment.VERSIONED)


def test_progress_is_for_who_looks_on_and_never_for_a_log(tmp_path, fake, capfd, monkeypatch):
    listed = images.listed(small_set(tmp_path / "in"))
    for name, progress in (("a", False), ("b", True)):
        enrolment.enrol(listed, tmp_path / f"{name}.parquet", "SFace", workers=1, progress=progress)
        assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    enrolment.enrol(listed, tmp_path / "c.parquet", "SFace", workers=1, progress=False)
    assert capfd.readouterr() == ("", "")
    enrolment.enrol(listed, tmp_path / "d.parquet", "SFace", workers=1, progress=True)
    out, err = capfd.readouterr()
    assert out == "" and "enrol SFace: 100%" in err and "17/17" in err
    assert len({path.read_bytes() for path in tmp_path.glob("?.parquet")}) == 1


def test_quality_is_measured_on_the_face(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    image = np.full((300, 300, 3), 40, np.uint8)
    image[100:200, 100:200] = noise
    sharp, bright = enrolment._quality(image, (100, 100, 100, 100))
    dull, dark = enrolment._quality(image, (0, 0, 90, 90))
    assert sharp > 1000 and dull == 0
    assert bright == pytest.approx(noise.mean(), abs=3) and dark == 40
    assert np.isnan(enrolment._quality(image, (400, 400, 10, 10))).all()


# ---- what is done twice


def test_a_finished_output_is_left_alone(tmp_path, fake, monkeypatch):
    folder, out = small_set(tmp_path / "in"), tmp_path / "out.parquet"
    assert run(folder, out) == (FACES, 4)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("out*")}
    monkeypatch.setattr(enrolment, "ProcessPoolExecutor", None)  # nothing may be worked on
    (tmp_path / "out.parquet.parts").mkdir()
    assert run(folder, out) == (FACES, 4)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("out*")} == before


def test_an_output_of_other_work_is_done_again(tmp_path, fake):
    folder, out = small_set(tmp_path / "in"), tmp_path / "out.parquet"
    run(folder, out)
    images.scene(99).save(folder / "002.png")
    images.scene(98).save(folder / "gone too.png")
    assert run(folder, out) == (FACES + 1, 4)
    run(folder, tmp_path / "fresh.parquet")
    assert out.read_bytes() == (tmp_path / "fresh.parquet").read_bytes()
    run(folder, out, "Facenet")
    assert enrolment.read_description(out)["configuration"]["model"] == "Facenet"


@pytest.mark.parametrize("change", ["image", "list", "detector", "batch"])
def test_parts_of_other_work_are_thrown_away(tmp_path, fake, monkeypatch, change):
    folder, out = small_set(tmp_path / "in"), tmp_path / "out.parquet"
    assert killed_at(5, folder, out)
    parts = tmp_path / "out.parquet.parts"
    done = sorted(p.name for p in parts.glob("0*.failures.csv"))
    assert done == ["000000.failures.csv", "000001.failures.csv"]
    # a part that would be believed if it were kept
    shutil.copyfile(parts / "000000.parquet", parts / "000001.parquet")
    detector = "yunet"
    if change == "image":
        images.scene(77).save(folder / "012.png")
    elif change == "list":
        (folder / "012.png").unlink()
    elif change == "detector":
        detector = "dlib"
    else:
        monkeypatch.setattr(enrolment, "BATCH", 3)
    run(folder, out, detector=detector)
    run(folder, tmp_path / "fresh.parquet", detector=detector)
    assert out.read_bytes() == (tmp_path / "fresh.parquet").read_bytes()


def test_a_dead_worker_is_reported(tmp_path, fake, monkeypatch):
    monkeypatch.setattr(Inline, "broken", True)
    with pytest.raises(UserError, match=r"worker process died .* the same command goes on"):
        run(small_set(tmp_path / "in"), tmp_path / "out.parquet")
    monkeypatch.setattr(Inline, "broken", False)
    assert run(tmp_path / "in", tmp_path / "out.parquet") == (FACES, 4)


# ---- what is killed


def killed_at(step: int, folder: Path, out: Path) -> bool:
    """Enrol in a process that is killed before it renames or removes its `step`-th file (from 0).

    False if it came to its end first.
    """
    pid = os.fork()
    if pid == 0:
        seen = 0

        def dying(change):
            def wrapped(*args, **kwargs):
                nonlocal seen
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1
                return change(*args, **kwargs)

            return wrapped

        signal.alarm(60)
        try:
            Path.replace, os.unlink = dying(Path.replace), dying(os.unlink)
            run(folder, out)
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, "the process hung"
        return True
    assert os.WEXITSTATUS(status) == 0, "the process failed"
    return False


def test_killed_at_any_step_the_same_call_ends_with_the_same_bytes(tmp_path, fake, monkeypatch):
    monkeypatch.setattr(enrolment, "BATCH", 8)
    folder, calm = small_set(tmp_path / "in"), tmp_path / "calm"
    assert run(folder, calm / "out.parquet") == (FACES, 4)
    expected = contents(calm)
    assert sorted(expected) == ["out.failures.csv", "out.parquet"]
    step = 0
    while killed_at(step, folder, tmp_path / f"{step}" / "out.parquet"):
        out = tmp_path / f"{step}" / "out.parquet"
        # whoever sees the table before the second call sees it whole and with its failures
        assert not out.exists() or contents(tmp_path / f"{step}").items() >= expected.items()
        assert run(folder, out) == (FACES, 4)
        assert contents(tmp_path / f"{step}") == expected, f"killed at step {step}"
        step += 1
    # a plan, two files for each of three batches, the table and its failures twice; then all parts
    # and the lock
    assert step == (1 + 2 * 3 + 4) + (1 + 2 * 3) + 1


def locked(log: Path) -> bool:
    """Whether the process that wrote this log still lives."""
    with log.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_killed_at_random_with_its_processes_or_without_them(tmp_path):
    folder = small_set(tmp_path / "in")
    for i in range(13, 24):
        images.scene(i).save(folder / f"{i:03d}.png")
    # the first batch can be held up: those done meanwhile must not wait for it to be written
    images.scene(50, 90, images.HELD).save(folder / "000.png")
    script = tmp_path / "script.py"
    path = [str(Path(__file__).parent), *sys.path]
    script.write_text(SCRIPT.format(path=path, delay=0.05))
    listed = images.listed(folder)["id"].tolist()
    batches = [listed[i : i + 4] for i in range(0, len(listed), 4)]
    assert len(batches) == 7

    def start(name: str, log: Path, held: bool = False) -> subprocess.Popen:
        log.mkdir()
        if not held:
            (log / "go").touch()
        command = [sys.executable, str(script), str(folder), str(tmp_path / name / "out.parquet")]
        return subprocess.Popen([*command, str(log)], start_new_session=True)

    def finished(name: str) -> set[int]:
        parts = tmp_path / name / "out.parquet.parts"
        return {int(p.name[:6]) for p in parts.glob("0*.failures.csv")}

    def detections(log: Path) -> int:
        return sum(len(p.read_text().splitlines()) for p in log.glob("*.log"))

    def wait_for(condition, process=None) -> bool:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if condition():
                return True
            if process is not None and process.poll() is not None:
                return False
            time.sleep(0.01)
        raise AssertionError("nothing happened for two minutes")

    calm = start("calm", tmp_path / "log-calm")
    try:
        # alone, the parent: its processes must notice, and what is done must be kept
        process = start("out", tmp_path / "log-0", held=True)
        assert wait_for(lambda: len(finished("out")) >= 2, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kept = finished("out")
        assert 0 not in kept
        logs = list((tmp_path / "log-0").glob("*.log"))
        assert len(logs) == 2
        wait_for(lambda: not any(locked(log) for log in logs))
        # and together, wherever they are
        process = start("out", tmp_path / "log-1")
        goal = len(kept) + random.randint(0, 2)
        if wait_for(lambda: len(finished("out")) >= goal, process):
            time.sleep(random.uniform(0, 0.5))
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert finished("out") >= kept or (tmp_path / "out" / "out.parquet").exists()
        kept = finished("out")
        process = start("out", tmp_path / "log-2")
        assert process.wait(120) == 0
        assert calm.wait(120) == 0
    finally:
        for leftover in (calm, process):
            if leftover.poll() is None:
                os.killpg(leftover.pid, signal.SIGKILL)
    if kept:
        # of what was written, nothing was done again
        images_left = [name for i, batch in enumerate(batches) if i not in kept for name in batch]
        decodable = [n for n in images_left if n not in ("001.5.jpg", "NA.jpg", "gone.png")]
        assert detections(tmp_path / "log-2") == len(decodable)
    assert contents(tmp_path / "out") == contents(tmp_path / "calm")


# ---- real faces


@pytest.fixture(scope="module")
def real(mirror, tmp_path_factory):
    """Portraits in every form, enrolled with YuNet and SFace by two processes, as a user would."""
    folder = tmp_path_factory.mktemp("real")
    paths = images.portraits(mirror, 5)
    portrait = Image.open(paths[0]).convert("RGB")
    variants = images.write_variants(portrait, folder)
    reasons = images.write_faults(folder)
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    Image.new("RGB", (256, 256), (120, 130, 140)).save(folder / "flat.png")
    Image.new("RGB", (1, 1)).save(folder / "one-pixel.png")
    images.scene(1, 2000, 1).save(folder / "sliver.png")
    images.tile(paths[1:], [200, 420, 240, 180]).save(folder / "many.png")
    shutil.copyfile(paths[2], folder / "largest.jpg")
    out = folder / "out.parquet"
    listed = images.listed(folder)
    counted = enrolment.enrol(listed, out, "SFace", workers=2, progress=False)
    faces = enrolment.read_faces(out).set_index("id")
    failures = enrolment.read_failures(out).set_index("id")
    return counted, len(listed), variants, reasons, faces, failures


def cosine_distance(a, b) -> float:
    return 1 - float(np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b))


def test_every_real_image_is_a_row_or_a_failure(real):
    counted, total, variants, reasons, faces, failures = real
    assert counted == (len(faces), len(failures)) and sum(counted) == total
    assert set(faces.index) == {*variants, "many.png", "largest.jpg"}
    faceless = {"noise.png", "flat.png", "one-pixel.png"}
    assert failures.loc[list(faceless), "reason"].eq("no face found").all()
    assert failures.loc["sliver.png", "reason"] == "detector failed"
    expected = failures.drop(index=[*faceless, "sliver.png"])["reason"]
    assert expected.to_dict() == reasons


def test_a_face_is_itself_in_every_form_of_its_image(real):
    *_, variants, _, faces, _ = real
    plain = faces.loc["plain.png", "embedding"]
    # the same pixels a little damaged; two people are beyond 0.593
    limit = {"palette.png": 0.15, "animated.gif": 0.15, "cmyk.jpg": 0.15}
    for name in variants:
        grey = name.startswith("grey")
        score = cosine_distance(faces.loc[name, "embedding"], plain)
        assert score < (0.25 if grey else limit.get(name, 0.05)), name
        assert faces.loc[name, "faces_found"] == 1, name
    other = faces.loc["largest.jpg", "embedding"]
    assert cosine_distance(other, plain) > 0.5


def test_the_box_of_a_turned_copy_is_that_of_the_upright(real):
    *_, faces, _ = real
    columns = [c for c in faces.columns if c not in ("image_sha256", "embedding")]
    assert faces.loc["turned.png", columns].equals(faces.loc["plain.png", columns])
    assert np.array_equal(faces.loc["turned.png", "embedding"], faces.loc["plain.png", "embedding"])


def test_of_many_faces_the_largest_is_enrolled(real):
    *_, faces, _ = real
    many = faces.loc["many.png"]
    assert many["faces_found"] == 4
    assert many["box_x"] >= 200 and many["box_x"] + many["box_w"] <= 200 + 420
    assert cosine_distance(many["embedding"], faces.loc["largest.jpg", "embedding"]) < 0.5
    assert cosine_distance(many["embedding"], faces.loc["plain.png", "embedding"]) > 0.6
