"""The store: what it holds after a kill, between threads, and in and out of Parquet."""

import random
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.faces import collection, enrolment
from helpers.protocol import shipping
from helpers.service import store as face_store
from helpers.service.store import FaceStore, read_import

sys.path.insert(0, str(Path(__file__).parent))
import campaign_service

MODEL = "dlib-native"
PROBES = shipping.faces_path("probes", MODEL)


@pytest.fixture(scope="module")
def faces():
    return enrolment.read_faces(PROBES)


@pytest.fixture(scope="module")
def rows(faces):
    return faces.to_dict("records")


@pytest.fixture
def store(tmp_path):
    opened = FaceStore(tmp_path / "store")
    yield opened
    opened.close()


def add(store, rows, description, name="c"):
    return [store.add(name, [row], description, row["id"])[0] for row in rows]


def test_nobody_else_may_read_a_store(store, tmp_path, rows, faces):
    store.create("c", MODEL)
    add(store, rows[:1], faces.attrs)
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "store").iterdir()} == {0o600}


def test_what_is_stored_is_what_was_given(store, tmp_path, rows, faces):
    store.create("c", MODEL)
    for given_row, stored in zip(rows[:9], add(store, rows[:9], faces.attrs), strict=True):
        assert {c: stored[c] for c in face_store.METADATA} == {
            c: given_row[c] for c in face_store.METADATA
        }
        assert np.array_equal(stored["embedding"], given_row["embedding"])
    store.close()
    other = FaceStore(tmp_path / "store")  # the same, read from the disk
    assert [f["id"] for f in other.faces("c")] == [r["id"] for r in rows[:9]]
    assert np.array_equal(other.faces("c")[3]["embedding"], rows[3]["embedding"])
    other.close()


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 39), max_size=12),
    st.sampled_from([0.3, 0.6, 0.7, np.inf]),
    st.integers(1, 50),
)
def test_a_search_finds_what_the_exact_search_finds(rows, faces, gone, limit, top):
    folder = tempfile.TemporaryDirectory()
    store = FaceStore(Path(folder.name))
    store.create("c", MODEL)
    stored = add(store, rows[:40], faces.attrs)
    store.remove("c", [stored[i]["face_id"] for i in gone])
    kept = [r["id"] for i, r in enumerate(rows[:40]) if i not in gone]
    everyone = collection.load_collection(PROBES)
    gallery = collection.subset(everyone, kept)
    probes = collection.subset(everyone, [r["id"] for r in rows[36:44]])
    threshold = None if np.isinf(limit) else limit
    expected = collection.search(probes, gallery, threshold, top)
    for at, probe in enumerate(probes.ids):
        found = store.search("c", probes.embeddings[at], limit, top)
        wanted = expected[expected["probe_id"] == probe]
        assert [score for _, score in found] == wanted["score"].to_list()
        assert [face["id"] for face, _ in found] == wanted["gallery_id"].to_list()
    store.close()
    folder.cleanup()


def test_parquet_in_and_out_gives_the_same_faces(store, tmp_path, faces):
    assert store.import_faces(*read_import("c", PROBES)) == len(faces)
    out = tmp_path / "out.parquet"
    assert store.export_faces("c", out) == len(faces)
    back = enrolment.read_faces(out)
    pd.testing.assert_frame_equal(back, faces)
    assert back.attrs == faces.attrs


def test_adding_a_face_does_not_go_through_the_collection(store, rows, faces):
    def steps(name):
        count = []
        store._database.set_progress_handler(lambda: count.append(1), 10)  # steps of SQLite
        store.add(name, rows[0:1], faces.attrs, "another")
        store._database.set_progress_handler(None, 0)
        return len(count)

    store.import_faces(*read_import("c", PROBES))
    store.create("empty", MODEL)
    store._index("c"), store._index("empty")
    assert steps("c") < 2 * steps("empty")


def test_an_import_is_all_or_nothing(store, tmp_path, faces):
    store.import_faces(*read_import("c", PROBES))
    with pytest.raises(UserError, match="already"):
        store.import_faces(*read_import("c", PROBES))
    twins = faces.head(2).assign(id=["a b", "a_b"])
    table = pa.Table.from_pylist(twins.to_dict("records"), schema=pa.schema(enrolment.COLUMNS))
    enrolment.write_faces(table, tmp_path / "twins.parquet", faces.attrs)
    with pytest.raises(UserError, match="a_b"):
        store.import_faces(*read_import("d", tmp_path / "twins.parquet"))
    assert [c.id for c in store.collections()] == ["c"]
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    for wrong in ("x.parquet", "missing.parquet"):
        with pytest.raises(UserError):
            store.import_faces(*read_import("d", tmp_path / wrong))
    with pytest.raises(UserError, match="no collection"):
        store.export_faces("d", tmp_path / "y.parquet")


def test_ids_of_any_kind_come_back(store, tmp_path, faces):
    odd = faces.head(3).assign(id=["a b/ü.jpg", "x" * 400, "plain"])
    table = pa.Table.from_pylist(odd.to_dict("records"), schema=pa.schema(enrolment.COLUMNS))
    enrolment.write_faces(table, tmp_path / "odd.parquet", faces.attrs)
    store.import_faces(*read_import("c", tmp_path / "odd.parquet"))
    assert [f["external_image_id"] for f in store.faces("c")] == ["a_b__.jpg", "x" * 255, "plain"]
    store.export_faces("c", tmp_path / "back.parquet")
    assert set(enrolment.read_faces(tmp_path / "back.parquet")["id"]) == set(odd["id"])


def test_what_is_no_store(tmp_path):
    for name, content in (("text", b"hello" * 1000), ("other", None)):
        folder = tmp_path / name
        folder.mkdir()
        if content:
            (folder / face_store.FILE).write_bytes(content)
        else:
            other = sqlite3.connect(folder / face_store.FILE)
            other.execute("CREATE TABLE notes (a)")
            other.close()
        with pytest.raises(UserError, match="no face store"):
            FaceStore(folder)


def test_a_store_of_release_01_says_what_to_do(tmp_path):
    FaceStore(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / face_store.FILE)) as old:
        old.execute("PRAGMA user_version = 1")
    with pytest.raises(UserError, match=r"release 0\.1: export .* import them with this one$"):
        FaceStore(tmp_path)


def test_limits(store, rows, faces, monkeypatch):
    monkeypatch.setattr(face_store, "MOST_FACES", 2)
    monkeypatch.setattr(face_store, "MOST_COLLECTIONS", 1)
    store.create("c", MODEL)
    with pytest.raises(face_store.StoreFull):
        store.create("d", MODEL)
    add(store, rows[:2], faces.attrs)
    with pytest.raises(face_store.StoreFull):
        add(store, rows[2:3], faces.attrs)
    assert store.info("c").faces == 2
    with pytest.raises(ValueError, match="zero"):
        store.add("c", [{**rows[3], "embedding": np.zeros(128)}], faces.attrs)


def test_threads_that_add_search_and_delete_at_once(store, rows, faces):
    """Nothing is lost, nothing is there twice, and a search sees whole faces only."""
    store.create("c", MODEL)
    wrong, gone = [], []

    def adds(part):
        for row in part:
            for _ in range(2):  # two of everything: the second finds the first
                store.add("c", [row], faces.attrs, row["id"])

    def searches():
        for row in rows[:60]:
            found = store.search("c", row["embedding"], 0.0, 5)
            wrong.extend(f["id"] for f, _ in found if f["id"] != row["id"])

    def deletes():
        for _ in range(20):
            first = store.faces("c", limit=1)
            gone.extend(store.remove("c", [f["face_id"] for f in first]))
            time.sleep(0.002)

    jobs = [threading.Thread(target=adds, args=(rows[i : i + 60],)) for i in range(0, 180, 30)]
    jobs += [threading.Thread(target=searches) for _ in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    ids = [f["id"] for f in store.faces("c")]
    assert not wrong
    assert sorted(ids) == sorted(r["id"] for r in rows[:210])
    deletes()
    assert len(gone) == 20
    assert {f["face_id"] for f in store.faces("c")}.isdisjoint(gone)
    assert store.info("c").faces == 190


def test_an_import_survives_being_killed(tmp_path):
    found = campaign_service.kill_imports(tmp_path, 4, random.Random(3))
    assert found["nothing of it"] > 0


def test_a_collection_survives_being_killed(tmp_path):
    """Each acknowledged face is there, none twice, and the export is that of an import."""
    found = campaign_service.kill_services(tmp_path, 4, random.Random(3))
    assert found["while indexing"] == 4
