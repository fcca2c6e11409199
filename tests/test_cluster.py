"""Work on a Dask cluster: two worker processes enrol and search as one machine does, bit for bit,
whoever is killed, and refuse what is damaged or made with other versions."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from helpers import cli
from helpers.errors import UserError
from helpers.faces import cluster, collection, enrolment, parts, pipelines, same_person
from helpers.paths import ROOT
from helpers.protocol import in_parts, scores

sys.path.insert(0, str(Path(__file__).parent))
import images
import synthetic

CHAIN, DEPTH = 25, 12
FACES = 13  # of the 17 images of `folder`, in five parts of 4
# what each worker runs first: the stand-in for the models; a search that can be held up by a file
WORKER = """
import os, sys, time
from pathlib import Path
sys.path[:0] = {path!r}
import images
from helpers.faces import cluster, collection, pipelines
pipelines.load, pipelines.weight_hashes = images.fake_load, images.fake_weights
images.LOG = {log!r}
true = sys.__dict__.setdefault("the_true_search", collection.search)  # Dask runs this twice
def search(probes, gallery, *more):
    with open(Path(images.LOG, "searched"), "a") as file:
        print(os.getpid(), gallery.ids[0], file=file)
    while gallery.ids[0].startswith("held") and not Path(images.LOG, "go").exists():
        time.sleep(0.01)
    return true(probes, gallery, *more)
collection.search = search
{more}
"""


# ---- a gallery in parts, on one machine


@pytest.fixture
def fake(monkeypatch):
    """Enrolment without models, in parts of 4 images."""
    monkeypatch.setattr(parts, "PART", 4)
    monkeypatch.setattr(pipelines, "load", images.fake_load)
    monkeypatch.setattr(pipelines, "weight_hashes", images.fake_weights)


def here(monkeypatch) -> cluster.Pool:
    """A pool that works at once, in this process; `enrolment` loads its pipeline anew."""
    monkeypatch.setattr(enrolment, "_loaded", {})

    def submit(work, *args):
        future = Future()
        try:
            future.set_result(work(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    return cluster.Pool(submit, lambda: 1, {BrokenProcessPool: "somebody was lost"})


def folder(place: Path) -> pd.DataFrame:
    """17 images, of which four cannot be enrolled; the first can be held up."""
    place.mkdir()
    for i in range(FACES):
        images.scene(i, height=images.HELD if i == 0 else 64).save(place / f"{i:03d}.png")
    (place / "001.5.jpg").write_bytes(b"")
    (place / "NA.jpg").write_text("no image")
    Image.new("RGB", (40, 30), (90, 90, 90)).save(place / "flat.png")
    (place / "gone.png").symlink_to(place / "nowhere.png")
    return images.listed(place)


def contents(place: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in place.iterdir() if p.is_file()}


def enrol(listed, out: Path, pool, make=parts.enrol) -> tuple[int, int]:
    return make(listed, out, "SFace", progress=False, pool=pool)


def split(faces: collection.Collection, size: int, out: Path) -> str:
    """Write a collection as a gallery in parts of `size` faces; some are empty."""
    out.mkdir()
    faces = collection.subset(faces, faces.ids)
    order = np.argsort(faces.ids)
    rows = []
    for i, start in enumerate(range(0, len(order), size)):
        for name, some in ((f"part-{2 * i:06d}", order[start : start + size]),
                           (f"part-{2 * i + 1:06d}", order[:0])):  # fmt: skip
            part = faces._replace(ids=faces.ids[some], embeddings=faces.embeddings[some])
            synthetic.write(out / f"{name}.parquet", part)
            rows.append(parts._row(out / f"{name}.parquet"))
    parts.write(out, faces.description, rows, 0)
    return str(out)


def made_up(n: int, model: str, first: str = "g") -> collection.Collection:
    """Faces of float32; every tenth is the one before it again, so scores are equal."""
    rng = np.random.default_rng(11)
    vectors = synthetic.people(rng, n, 24).astype(np.float32)
    vectors[10::10] = vectors[9:-1:10]
    ids = rng.permutation([f"{first}{i:04d}é" for i in range(n)])
    return synthetic.collection(ids, vectors, model)


@pytest.mark.parametrize("model", ["SFace", "dlib-native"])
@pytest.mark.parametrize("size", [17, 50])
def test_a_search_in_parts_is_a_search(tmp_path, monkeypatch, model, size):
    gallery, probes = made_up(150, model), made_up(31, model, "p")
    address = split(gallery, size, tmp_path / "gallery")
    monkeypatch.setattr(parts, "JOINED", 3)
    for share in (1, 10**6):
        monkeypatch.setattr(parts, "SHARE", share)
        for threshold, top in ((None, 1), (None, 9), (0.8, None), (0.9, 4), (-1, None)):
            found = parts.search(probes, address, threshold, top)
            whole = collection.search(probes, gallery, threshold, top)
            pd.testing.assert_frame_equal(found, whole, check_exact=True)


def test_it_does_not_matter_who_is_done_first():
    gallery, probes = made_up(150, "SFace"), made_up(31, "SFace", "p")
    ids = sorted(gallery.ids)
    some = [collection.subset(gallery, ids[i::4]) for i in range(4)]
    for top in (None, 9):
        tables = [collection.search(probes, part, None, top) for part in some]
        whole = collection.search(probes, gallery, None, top)
        for order in (tables, tables[::-1]):
            found = parts._merged(probes.ids, top, order)
            pd.testing.assert_frame_equal(found, whole, check_exact=True)


def test_a_gallery_lies_in_a_folder_or_anywhere_that_fsspec_knows(tmp_path):
    gallery, probes = made_up(60, "SFace"), made_up(5, "SFace", "p")
    address = split(gallery, 20, tmp_path / "gallery")
    fsspec.filesystem("memory").put(address, "/here/", recursive=True)
    here, there = (parts.search(probes, a, top=3) for a in (address, "memory://here/gallery"))
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    assert parts.is_one(address) and parts.is_one("memory://here/gallery")
    with pytest.raises(UserError, match="memory://nowhere is no gallery in parts"):
        parts.search(probes, "memory://nowhere")


def test_one_part_is_held_at_a_time(tmp_path, monkeypatch):
    address = split(made_up(60, "SFace"), 20, tmp_path / "gallery")
    sizes, true = [], collection.search
    monkeypatch.setattr(
        collection, "search", lambda p, g, *more: sizes.append(len(g.ids)) or true(p, g, *more)
    )
    parts.search(made_up(5, "SFace", "p"), address, top=3)
    assert sizes == [20, 20, 20]


def test_what_is_damaged_is_named(tmp_path):
    gallery, probes = made_up(60, "SFace"), made_up(5, "SFace", "p")
    address = split(gallery, 20, tmp_path / "gallery")
    part = tmp_path / "gallery" / "part-000002.parquet"
    whole = part.read_bytes()
    for wrong in (whole[:-1], whole[:500] + bytes([whole[500] ^ 1]) + whole[501:]):
        part.write_bytes(wrong)
        with pytest.raises(UserError, match=r"part-000002\.parquet of .* is damaged"):
            parts.search(probes, address)
    part.unlink()
    with pytest.raises(UserError, match=r"part-000002\.parquet of .* cannot be read"):
        parts.search(probes, address)
    part.write_bytes(whole)
    listed = json.loads((tmp_path / "gallery" / "gallery.json").read_text())
    listed["parts"][2] = listed["parts"][0]
    (tmp_path / "gallery" / "gallery.json").write_text(json.dumps(listed))
    with pytest.raises(UserError, match="overlap"):
        parts.search(probes, address)
    (tmp_path / "gallery" / "gallery.json").write_text("{")
    with pytest.raises(UserError, match="is no gallery in parts"):
        parts.search(probes, address)


def test_what_cannot_be_searched_in_parts(tmp_path):
    gallery, probes = made_up(60, "SFace"), made_up(5, "SFace", "p")
    address = split(gallery, 20, tmp_path / "gallery")
    with pytest.raises(UserError, match="enrolled differently"):
        parts.search(made_up(5, "Facenet", "p"), address)
    with pytest.raises(UserError, match="top must be"):
        parts.search(probes, address, top=0)
    empty = split(collection.subset(gallery, []), 20, tmp_path / "empty")
    with pytest.raises(UserError, match="the gallery is empty"):
        parts.search(probes, empty)


def test_parts_hold_what_one_file_holds(tmp_path, fake, monkeypatch):
    listed, pool = folder(tmp_path / "in"), here(monkeypatch)
    assert enrol(listed, tmp_path / "out", pool) == (FACES, 4)
    assert enrol(listed, tmp_path / "out.parquet", pool, enrolment.enrol) == (FACES, 4)
    one = enrolment.read_faces(tmp_path / "out.parquet")
    names = [f"part-{i:06d}.parquet" for i in range(5)]
    many = [enrolment.read_faces(tmp_path / "out" / name) for name in names]
    pd.testing.assert_frame_equal(pd.concat(many, ignore_index=True), one)
    failures = pd.concat(enrolment.read_failures(tmp_path / "out" / name) for name in names)
    assert sorted(failures["id"]) == ["001.5.jpg", "NA.jpg", "flat.png", "gone.png"]
    gallery = parts.read(str(tmp_path / "out"))
    assert [row["name"] for row in gallery["parts"]] == names
    assert (gallery["faces"], gallery["failures"]) == (FACES, 4)
    assert gallery["description"] | {"images_sha256": one.attrs["images_sha256"]} == one.attrs


@pytest.mark.parametrize("rule", [True, False])
def test_the_protocol_in_parts_gives_the_same_scores(tmp_path, monkeypatch, rule):
    """A member is in the gallery, in a chain of neighbours that leads beyond what is looked at."""
    near, rng = same_person.load_near()["SFace"], np.random.default_rng(12)
    probes = synthetic.collection([f"p{i}" for i in range(9)], synthetic.people(rng, 9, 24))
    second = probes._replace(embeddings=synthetic.near(rng, probes.embeddings, 0.2))
    faces = synthetic.people(rng, 300, 24)
    faces[0] = synthetic.near(rng, probes.embeddings[:1], 0.01)[0]
    for i in range(1, CHAIN):
        faces[i] = synthetic.near(rng, faces[i - 1 : i], 0.9 * near)[0]
    faces[50] = synthetic.near(rng, faces[49:50], 0.5 * near)[0]  # two of a stranger
    gallery = synthetic.collection(rng.permutation([f"g{i:03d}" for i in range(300)]), faces)
    gallery = gallery._replace(embeddings=gallery.embeddings.astype(np.float32).astype(float))
    address = split(gallery, 40, tmp_path / "gallery")
    monkeypatch.setattr(parts, "SHARE", 90)
    monkeypatch.setattr(parts, "JOINED", 2)
    monkeypatch.setattr(same_person, "DEPTH", DEPTH)
    margin = pd.Series(0.3, index=[1, 2, 3])
    clusters, same = pd.Series(dtype=str), pd.DataFrame(columns=same_person.DECISIONS)
    if rule:
        clusters = same_person.identity_clusters([gallery])
        found = collection.search(probes, gallery, top=DEPTH)
        assert found["gallery_id"].isin(gallery.ids[:CHAIN]).sum() < CHAIN
        same = same_person.same_person_alone(found, clusters, margin)
    whole = scores.compute(probes, second, gallery, clusters, same, 4)
    none = pd.DataFrame(columns=["probe_id", "cluster"])
    parted = in_parts.compute(probes, second, address, margin if rule else None, none, 4)
    assert whole.removed == parted.removed == (CHAIN if rule else 0)
    for name in scores.Scores._fields:
        a, b = getattr(whole, name), getattr(parted, name)
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, check_exact=True, check_dtype=bool(len(a)))
        else:
            assert a == b, name


def test_only_what_changed_is_enrolled_again(tmp_path, fake, monkeypatch):
    listed, pool, out = folder(tmp_path / "in"), here(monkeypatch), tmp_path / "out"
    enrol(listed, out, pool)
    before = contents(out)
    done, true = [], enrolment.enrol_batch
    monkeypatch.setattr(
        enrolment, "enrol_batch", lambda w, r: done.append(r[0]["id"]) or true(w, r)
    )
    enrol(listed, out, pool)
    assert contents(out) == before and done == []
    part = out / "part-000001.parquet"  # a face of it is no longer what it was
    part.write_bytes(part.read_bytes()[:500] + b"?" + part.read_bytes()[501:])
    enrol(listed, out, pool)
    assert contents(out) == before and done == ["003.png"]
    images.scene(99).save(tmp_path / "in" / "005.png")
    enrol(listed, out, pool)
    assert done == ["003.png", "003.png"]
    enrol(listed.iloc[:9], out, pool)  # fewer images: the last part is another, two are gone
    assert done[2:] == ["007.png"]
    assert sorted(p.stem for p in out.glob("*.parquet")) == [f"part-{i:06d}" for i in range(3)]
    enrol(listed.iloc[:9], tmp_path / "fresh", pool)
    assert contents(tmp_path / "fresh") == contents(out)


def test_while_parts_change_there_is_no_gallery(tmp_path, fake, monkeypatch):
    listed, pool, out = folder(tmp_path / "in"), here(monkeypatch), tmp_path / "out"
    enrol(listed, out, pool)
    images.scene(99).save(tmp_path / "in" / "005.png")
    (tmp_path / "in" / "012.png").unlink()

    def fail(*args):
        raise BrokenProcessPool if args[-1][0]["id"] == "011.png" else UserError("not this one")

    true = parts._enrol_part
    monkeypatch.setattr(
        parts, "_enrol_part", lambda *a: fail(*a) if a[-1][0]["id"] == "011.png" else true(*a)
    )
    with pytest.raises(UserError, match=r"somebody was lost; .* the same command goes on"):
        enrol(listed, out, pool)
    with pytest.raises(UserError, match="is no gallery in parts"):
        parts.search(made_up(5, "SFace", "p"), str(out))


def test_a_worker_with_other_versions_or_weights_is_refused():
    wanted = {"weights_sha256": {"a.onnx": "0" * 64}, "versions": cluster.software()}
    cluster.refuse_others(wanted, wanted)
    for key, other, said in (
        ("versions", {**cluster.software(), "numpy": "1.0"}, r"numpy 1\.0, not \d"),
        ("weights_sha256", {"a.onnx": "1" * 64}, "a.onnx 1+, not 0+"),
        ("weights_sha256", {}, "a.onnx None, not 0+"),
    ):
        with pytest.raises(UserError, match=f"a worker on .* has {said}"):
            cluster.refuse_others({**wanted, key: other}, wanted)


def test_nobody_left_is_said(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.01)
    pool = cluster.Pool(lambda *_: Future(), lambda: 0, {})
    with pytest.raises(UserError, match="no worker is left"):
        list(cluster.each(pool, abs, [("a", (1,))]))


def test_no_more_tasks_are_out_than_are_wanted():
    sent, futures = [], []

    def submit(work, task):
        sent.append(task)
        futures.append(Future())
        return futures[-1]

    found = cluster.each(cluster.Pool(submit, lambda: 3, {}), abs, ((i, (i,)) for i in range(10)))
    threading.Timer(0.2, lambda: futures[1].set_result("done")).start()
    assert next(found) == (1, "done") and sent == [0, 1, 2]


# ---- a cluster of processes


class Machines:
    """A scheduler and workers, each a process of its own, at loopback."""

    def __init__(self, log: Path):
        self.log = log
        log.mkdir()
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen] = []

    def start(self, *command) -> subprocess.Popen:
        path = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])
        call = [sys.executable, "-m", "dask", *map(str, command), "--no-dashboard"]
        with (self.log / "output.txt").open("a") as out:
            process = subprocess.Popen(
                call, env=os.environ | {"PYTHONPATH": path}, stdout=out, stderr=out
            )
        self.processes.append(process)
        return process

    def open(self) -> subprocess.Popen:
        return self.start("scheduler", "--host", "127.0.0.1", "--port", self.port)

    def add(self, more: str = "") -> subprocess.Popen:
        script = self.log / f"worker{len(self.processes)}.py"
        path = [str(ROOT / "src"), str(Path(__file__).parent)]
        script.write_text(WORKER.format(path=path, log=str(self.log), more=more))
        return self.start(
            *("worker", self.address, "--no-nanny", "--nthreads", 1, "--preload", script)
        )

    def kill_all(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """A scheduler and two workers."""
    monkeypatch.setattr(cluster, "PATIENCE", 100)  # other tests may be running
    those = Machines(tmp_path / "log")
    those.open()
    those.add()
    those.add()
    yield those
    those.kill_all()


def until(condition, running: Future | None = None):
    """What a condition says as soon as it is true; fails after two minutes, or with what runs."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if said := condition():
            return said
        if running and running.done():
            running.result()
        time.sleep(0.01)
    raise AssertionError("nothing happened for two minutes")


def held(log: Path) -> int:
    """The process that a file `go` is waited for by, 0 if none is."""
    for one in log.glob("*.log"):
        if f"({images.HELD}, " in one.read_text()[-20:]:
            return int(one.stem)
    lines = (log / "searched").read_text().split() if (log / "searched").exists() else []
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return next((int(pid) for pid, id in pairs if id.startswith("held")), 0)


def begin(work, *args) -> Future:
    return ThreadPoolExecutor(1).submit(work, *args)


def forget(log: Path):
    for one in [*log.glob("*.log"), *log.glob("searched"), *log.glob("go")]:
        one.unlink()


def half_held() -> tuple[collection.Collection, collection.Collection]:
    """9 probes and a gallery of 60, the first 15 of which can be held up."""
    gallery = made_up(60, "SFace")
    ids = [f"held{i}" if i < "g0015" else i for i in gallery.ids]
    return made_up(9, "SFace", "p"), gallery._replace(ids=np.array(ids))


def test_two_workers_do_what_one_machine_does_and_one_is_killed(
    tmp_path, fake, machines, monkeypatch
):
    listed, log = folder(tmp_path / "in"), machines.log
    done = tmp_path / "out" / "part-000004.parquet"

    def enrolled():
        with cluster.connect(machines.address) as pool:
            until(lambda: pool.slots() == 2)
            return enrol(listed, tmp_path / "out", pool)

    running = begin(enrolled)
    until(done.exists, running)  # one worker is held by the first part, the other did all the rest
    os.kill(until(lambda: held(log), running), signal.SIGKILL)
    (log / "go").touch()
    assert running.result(120) == (FACES, 4)
    assert len(list(log.glob("*.log"))) == 2
    enrol(listed, tmp_path / "calm", here(monkeypatch))
    assert contents(tmp_path / "out") == contents(tmp_path / "calm")

    # and a search, after a third worker has come
    forget(log)
    machines.add()
    probes, gallery = half_held()
    address = split(gallery, 15, tmp_path / "gallery")
    monkeypatch.setattr(parts, "SHARE", 15)

    def searched():
        with cluster.connect(machines.address) as pool:
            until(lambda: pool.slots() == 2)
            return parts.search(probes, address, None, 4, pool)

    running = begin(searched)
    os.kill(until(lambda: held(log), running), signal.SIGKILL)
    (log / "go").touch()
    pd.testing.assert_frame_equal(
        running.result(120), collection.search(probes, gallery, None, 4), check_exact=True
    )


def test_a_lost_scheduler_is_said_and_the_same_command_goes_on(
    tmp_path, fake, machines, monkeypatch
):
    listed, log, out = folder(tmp_path / "in"), machines.log, tmp_path / "out"
    probes, gallery = half_held()
    address, keep = split(gallery, 15, tmp_path / "gallery"), tmp_path / "found.csv.parts"
    monkeypatch.setattr(parts, "SHARE", 15)

    def both(workers):  # one after the other: each gives what was done before it was interrupted
        with cluster.connect(machines.address) as pool:
            until(lambda: pool.slots() == workers)
            faces = enrol(listed, out, pool)
        with cluster.connect(machines.address) as pool:
            return faces, parts.search(probes, address, 0.9, None, pool, keep)

    def interrupted(finished, many: int) -> dict[Path, int]:
        running = begin(both, 2)
        until(lambda: len(finished()) == many, running)
        machines.processes[0].kill()
        with pytest.raises(UserError, match=r"the scheduler was lost; .* the same command goes on"):
            running.result(120)
        assert len(finished()) == many
        machines.kill_all()
        machines.processes.clear()
        machines.open()
        machines.add()
        return {path: path.stat().st_mtime_ns for path in finished()}

    before = interrupted(lambda: list(out.glob("*.parquet")), 4)
    assert not (out / "gallery.json").exists()
    forget(log)
    (log / "go").touch()
    # the first part alone is left: three of its four images can be decoded
    with cluster.connect(machines.address) as pool:
        assert enrol(listed, out, pool) == (FACES, 4)
    assert sum(len(p.read_text().splitlines()) for p in log.glob("*.log")) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    enrol(listed, tmp_path / "calm", here(monkeypatch))
    assert contents(out) == contents(tmp_path / "calm")

    (log / "go").unlink()
    machines.add()
    before = interrupted(lambda: list(keep.glob("*.parquet")), 3)
    forget(log)
    (log / "go").touch()
    faces, found = both(1)
    assert faces == (FACES, 4)
    assert (log / "searched").read_text().split()[1::2] == ["heldg0000é"]
    pd.testing.assert_frame_equal(found, collection.search(probes, gallery, 0.9), check_exact=True)
    # what was kept is of this search only
    again = parts.search(probes, address, 0.8, keep=keep)
    pd.testing.assert_frame_equal(again, collection.search(probes, gallery, 0.8), check_exact=True)


def test_workers_that_differ_are_refused_and_what_kills_them_is_named(tmp_path, fake, monkeypatch):
    listed = folder(tmp_path / "in")
    probes, gallery = half_held()
    address = split(gallery, 4, tmp_path / "gallery")
    monkeypatch.setattr(parts, "SHARE", 4)
    machines = Machines(tmp_path / "log")
    (machines.log / "go").touch()
    monkeypatch.setattr(cluster, "PATIENCE", 100)
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    machines.open()
    machines.add()
    machines.add("pipelines.weight_hashes = lambda config: {'other.onnx': '1' * 64}")
    try:
        with cluster.connect(machines.address) as pool:
            until(lambda: pool.slots() == 2)
            with pytest.raises(UserError, match=f"a worker on .* has other.onnx {'1' * 64}, not"):
                enrol(listed, tmp_path / "out", pool)
        with cluster.connect(machines.address) as pool:
            parts.search(probes, address, None, 3, pool)  # nothing is embedded
        machines.add("cluster.software = lambda: {'numpy': '1.0'}")
        with cluster.connect(machines.address) as pool:
            until(lambda: pool.slots() == 3)
            with pytest.raises(UserError, match=r"a worker on .* numpy 1\.0, not \d"):
                parts.search(probes, address, None, 3, pool)
        # the part over which workers die (here one is enough) is named
        for other in machines.processes[2:]:
            other.kill()
        forget(machines.log)
        with cluster.connect(machines.address) as pool:
            until(lambda: pool.slots() == 1)
            running = begin(parts.search, probes, address, None, 3, pool)
            os.kill(until(lambda: held(machines.log), running), signal.SIGKILL)
            with pytest.raises(UserError, match=r"workers died .* over part-\d{6}\.parquet; what"):
                running.result(120)
    finally:
        machines.kill_all()


# ---- the command line


def call(*arguments, status=0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.output


def test_a_search_by_the_command_line_on_a_local_cluster(tmp_path):
    gallery, probes = made_up(60, "SFace"), made_up(9, "SFace", "p")
    address = split(gallery, 15, tmp_path / "gallery")
    for faces, name in ((gallery, "gallery"), (probes, "probes")):
        synthetic.write(tmp_path / f"{name}.parquet", faces)
    both = ("search", "--probes", tmp_path / "probes.parquet", "--gallery")
    for name, where in (
        ("one", [tmp_path / "gallery.parquet"]),
        ("parts", [address]),
        ("cluster", [address, "--scheduler", "local", "--workers", 2]),
    ):
        assert "90 candidates of 9 probes" in call(*both, *where, "--out", tmp_path / f"{name}.csv")
    one, parted, cluster_made = (
        (tmp_path / f"{name}.csv").read_bytes() for name in ("one", "parts", "cluster")
    )
    assert one == parted == cluster_made
    assert not list(tmp_path.glob("*.parts"))
    run = ("run", "--probes", tmp_path / "probes.parquet", "--model", "SFace", "--json")
    whole, many = (
        json.loads(call(*run, "--gallery", g)) for g in (tmp_path / "gallery.parquet", address)
    )
    assert whole == many and whole["summary"]["gallery_faces"] == 60


def test_what_a_cluster_is_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.1)
    synthetic.write(tmp_path / "a.parquet", made_up(9, "SFace"))
    a = tmp_path / "a.parquet"
    search = ("search", "--probes", a, "--out", tmp_path / "out.csv", "--gallery")
    address = split(made_up(60, "SFace"), 15, tmp_path / "gallery")
    for command, said in (
        ((*search, a, "--scheduler", "local"), "wants a gallery in parts"),
        ((*search, tmp_path), "is no gallery in parts"),
        ((*search, address, "--scheduler", "tcp://127.0.0.1:1"), "no scheduler answers"),
        ((*search, address, "--scheduler", "tcp://x:1", "--workers", 2), "--workers is for this"),
        (("run", "--probes", address, "--model", "SFace"), "is no set of probes"),
    ):
        assert said in call(*command, status=2)


def test_the_folder_of_parts_is_one_that_can_be(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "enrol", lambda images, out, *_, **__: (len(images), 0))
    (tmp_path / "in").mkdir()
    images.scene(1).save(tmp_path / "in" / "1.png")
    enrolling = ("enrol", "--images", tmp_path / "in", "--out")
    for good in (f"{tmp_path}/new/", f"{tmp_path}/in/"):
        assert f"1 faces enrolled in {good}" in call(*enrolling, good)
    assert "is a file" in call(*enrolling, f"{tmp_path}/in/1.png/", status=2)
    assert "there is no folder" in call(*enrolling, f"{tmp_path}/nowhere/new/", status=2)
    assert "is a folder" in call(*enrolling, f"{tmp_path}/in", status=2)


def test_photographs_on_both_sides_are_left_out_in_parts_as_well(tmp_path):
    probes, gallery = made_up(9, "SFace", "p"), made_up(60, "SFace")
    ids = sorted(gallery.ids)
    hashes = {i: f"{n:064x}" for n, i in enumerate([*ids, *probes.ids])}
    hashes[probes.ids[3]] = hashes[ids[20]]
    synthetic.write(tmp_path / "probes.parquet", probes, hashes=hashes)
    synthetic.write(tmp_path / "gallery.parquet", gallery, hashes=hashes)
    (tmp_path / "parts").mkdir()
    rows = []
    for i in range(3):
        part = collection.subset(gallery, ids[20 * i : 20 * i + 20])
        order = np.argsort(part.ids)
        part = part._replace(ids=part.ids[order], embeddings=part.embeddings[order])
        synthetic.write(tmp_path / "parts" / f"part-{i:06d}.parquet", part, hashes=hashes)
        rows.append(parts._row(tmp_path / "parts" / f"part-{i:06d}.parquet"))
    parts.write(tmp_path / "parts", gallery.description, rows, 0)
    run = ("run", "--probes", tmp_path / "probes.parquet", "--model", "SFace", "--json")
    whole, many = (
        json.loads(call(*run, "--gallery", tmp_path / g)) for g in ("gallery.parquet", "parts")
    )
    assert whole == many and whole["summary"]["gallery_faces_left_out"] == 1


def test_dask_is_imported_only_when_asked_for(tmp_path):
    code = "import sys, helpers.faces.parts; "
    code += "print(sorted({'dask', 'distributed', 'fsspec'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
