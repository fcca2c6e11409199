"""Named collections of face metadata that grow and shrink: the store behind the search service.

One SQLite file in write-ahead mode: what `add` returned is on the disk, whatever kills the process
next; no image is stored. Search is exact, in memory, with the scores of `helpers.faces.collection`.
One process has a store open at a time; its threads may share it. Embeddings: little-endian float32.
"""

import contextlib
import fcntl
import functools
import json
import os
import sqlite3
import threading
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from helpers.errors import UserError
from helpers.faces import collection, enrolment, exact
from helpers.files import private_folder
from helpers.service.protocol import as_name, check_name

FILE, LOCK = "faces.sqlite", "faces.lock"
CHUNK = 4_000  # rows in Python's hands at a time
IMPORT_CACHE = 500_000  # KiB of pages while importing: indexes larger than the cache are slow
VERSION = 2  # of the tables, in the file's own user_version
MOST_FACES = 1_000_000  # in one collection; some GB of memory
MOST_COLLECTIONS = 1_000
METADATA = tuple(c for c in enrolment.COLUMNS if c != "embedding")
IMPORTED = ("collection", "face_id", "image_id", "external_image_id", *METADATA, "embedding")
# what a search says of a face
FOUND = ("number", "id", "face_id", "image_id", "external_image_id", "width", "height")
FOUND += ("box_x", "box_y", "box_w", "box_h", "detector_score")
TYPES = {"string": "TEXT", "int32": "INTEGER", "float": "REAL"}

TABLES = f"""
CREATE TABLE collections (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    created REAL NOT NULL,
    description TEXT
) STRICT;
CREATE TABLE faces (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    face_id TEXT NOT NULL UNIQUE,
    image_id TEXT NOT NULL,
    external_image_id TEXT NOT NULL,
    {", ".join(f"{c} {TYPES[str(enrolment.COLUMNS[c])]}" for c in METADATA)},
    embedding BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX faces_by_id ON faces (collection, id);
CREATE INDEX faces_by_image ON faces (image_sha256);
CREATE INDEX faces_by_collection ON faces (collection);
"""


class NoSuchCollection(KeyError):
    """The store holds no collection of this name."""


class CollectionExists(ValueError):
    """The store holds a collection of this name already."""


class StoreFull(ValueError):
    """The store, or the collection, holds as much as it may."""


class Unlike(ValueError):
    """The faces were made with another configuration or other weights than the collection's."""


class Info(NamedTuple):
    """A collection: number, name, model, when it was made (seconds since 1970), how many faces."""

    number: int
    id: str
    model: str
    created: float
    faces: int


class _Index(NamedTuple):
    """The embeddings of a collection in memory; the arrays only ever grow at their end."""

    numbers: np.ndarray  # (capacity,) int64, ascending: the faces' in the database
    vectors: np.ndarray  # (capacity, d) float32, embeddings
    lengths: np.ndarray  # (capacity,) float32, see `exact.lengths`
    size: int  # how many of them count
    gallery: exact.Prepared | None  # the same, ready to be searched

    def at(self, number: int) -> int:
        """The row of a face by its number, -1 where there is none."""
        row = int(np.searchsorted(self.numbers[: self.size], number))
        return row if row < self.size and self.numbers[row] == number else -1


class FaceStore:
    """Collections in the folder of a store; made when it is missing, or refused (make=False).

    Raises UserError when the file is no store, or when another process has it open. So does each
    method where the database cannot do what it should: a full disk, a damaged file.
    """

    def __init__(self, folder: Path, make: bool = True):
        self._path = Path(folder) / FILE
        if make:
            private_folder(self._path.parent)
            if not self._path.exists():
                self._path.touch(0o600)  # as the files that SQLite makes beside it
        elif not self._path.is_file():
            raise UserError(f"there is no face store in {folder}")
        self._lock, self._reading = threading.RLock(), threading.Lock()
        self._indexes: dict[str, _Index] = {}
        lock = self._path.with_name(LOCK)
        lock.touch(0o600)
        with contextlib.ExitStack() as opened:
            mine = opened.enter_context(lock.open())
            try:
                fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(f"{self._path} is open in another process") from error
            with self._held():
                connect = functools.partial(
                    sqlite3.connect, timeout=2, isolation_level=None, check_same_thread=False
                )
                self._database, self._reader = (
                    opened.enter_context(contextlib.closing(connect(self._path))) for _ in range(2)
                )
                self._database.row_factory = self._reader.row_factory = sqlite3.Row
                self._open()
            self._open_files = opened.pop_all()

    @contextlib.contextmanager
    def _held(self, lock=None):
        """The database, for one thread; what goes wrong with it is said in words."""
        with lock or self._lock:
            try:
                yield
            except sqlite3.Error as error:
                if "locked" in str(error):
                    raise UserError(f"{self._path} is open in another process") from error
                why = error if os.access(self._path.parent, os.W_OK) else "it is write-protected"
                raise UserError(f"{self._path} is no face store that can be used: {why}") from error

    def _read(self, query: str, *values) -> list[sqlite3.Row]:
        """Rows of what is on the disk, by a connection of its own: nobody waits for a write."""
        with self._held(self._reading):
            return self._reader.execute(query, values).fetchall()

    def _open(self):
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self._database.execute(f"PRAGMA {pragma}")
        with self._transaction():
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            tables = self._database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            if version == 0 and tables == 0:
                for statement in TABLES.split(";")[:-1]:
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {VERSION}")
            elif version == 1 and tables:
                raise UserError(
                    f"{self._path} was made by release 0.1: export its collections with that "
                    "release (congress-test export) and import them with this one"
                )
            elif version != VERSION:
                raise sqlite3.DatabaseError(f"version {version}, expected {VERSION}")

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        with self._held(), self._reading:
            self._open_files.close()

    @contextlib.contextmanager
    def _transaction(self):
        """A write: alone in its process, whole or not at all. A nested one is part of the outer."""
        with self._held():
            if self._database.in_transaction:
                yield self._database
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def create(self, name: str, model: str) -> None:
        """Make an empty collection. Raises CollectionExists, StoreFull, UserError for its name."""
        check_name("CollectionId", name)
        with self._transaction() as db:
            if self._known(name):
                raise CollectionExists(name)
            if db.execute("SELECT count(*) FROM collections").fetchone()[0] >= MOST_COLLECTIONS:
                raise StoreFull(f"the store holds {MOST_COLLECTIONS:,} collections already")
            db.execute(
                "INSERT INTO collections (id, model, created) VALUES (?, ?, ?)",
                (name, model, time.time()),
            )

    def collections(self) -> list[Info]:
        """All collections, in the order in which they were made."""
        rows = self._read(
            "SELECT c.number, c.id, c.model, c.created, count(f.number) FROM collections c "
            "LEFT JOIN faces f ON f.collection = c.id GROUP BY c.number ORDER BY c.number"
        )
        return [Info(*row) for row in rows]

    def info(self, name: str) -> Info:
        """One collection. Raises NoSuchCollection."""
        row = self._row(name, "number, id, model, created")
        return Info(**row, faces=self._snapshot(name).size)

    def _row(self, name: str, columns: str) -> sqlite3.Row:
        rows = self._read(f"SELECT {columns} FROM collections WHERE id = ?", name)
        if not rows:
            raise NoSuchCollection(name)
        return rows[0]

    def delete(self, name: str) -> None:
        """Delete a collection with its faces. Raises NoSuchCollection."""
        with self._transaction() as db:
            if not db.execute("DELETE FROM collections WHERE id = ?", (name,)).rowcount:
                raise NoSuchCollection(name)
            self._indexes.pop(name, None)

    def _known(self, name: str) -> bool:
        query = "SELECT 1 FROM collections WHERE id = ?"
        return self._database.execute(query, (name,)).fetchone() is not None

    def add(self, name: str, rows: list[dict], description: dict, external: str = "") -> list[dict]:
        """Add the faces of one image; return them as they are stored, on disk when it returns.

        rows: face metadata (`enrolment.COLUMNS`; `id` may be missing). description: as in
        `enrolment.describe`; the first faces fix that of the collection. A face of the same image
        and box under the same external id is not stored twice: what is there is returned. Raises
        NoSuchCollection, StoreFull, and Unlike for another configuration or other weights.
        """
        for row in rows:
            if not enrolment.usable(np.asarray(row["embedding"])):
                raise ValueError("an embedding is zero or not finite")
        with self._lock:
            with self._transaction() as db:
                self._agree(name, description)
                index = self._index(name)
                if index.size + len(rows) > MOST_FACES:
                    raise StoreFull(f"a collection holds at most {MOST_FACES:,} faces")
                image_id = str(uuid.uuid4())
                stored = [self._add_one(db, name, row, external, image_id) for row in rows]
            # only now: what is found is on the disk
            if new := [face for face, is_new in stored if is_new]:
                numbers = np.array([face["number"] for face in new])
                vectors = np.stack([face["embedding"] for face in new])
                self._indexes[name] = _grown(index, numbers, vectors, description)
        return [face for face, _ in stored]

    def _add_one(self, db, name, row, external, image_id) -> tuple[dict, bool]:
        box = ("box_x", "box_y", "box_w", "box_h")
        of_image = db.execute(
            # by itself SQLite goes through the whole collection
            "SELECT * FROM faces INDEXED BY faces_by_image WHERE collection = ? "
            "AND image_sha256 = ? AND external_image_id = ?",
            (name, row["image_sha256"], external),
        ).fetchall()
        for face in of_image:
            if all(face[c] == row[c] for c in box):
                return _face(face), False
        face_id = str(uuid.uuid4())
        values = {c: _plain(row.get(c)) for c in METADATA} | {
            "collection": name,
            "face_id": face_id,
            # an image that was indexed before, with fewer of its faces, keeps its id
            "image_id": of_image[0]["image_id"] if of_image else image_id,
            "external_image_id": external,
            "id": row.get("id") or external or face_id,
            "embedding": np.asarray(row["embedding"], dtype="<f4").tobytes(),
        }
        insert = (
            f"INSERT INTO faces ({', '.join(values)}) "
            f"VALUES ({', '.join(f':{c}' for c in values)}) ON CONFLICT (collection, id) DO NOTHING"
        )
        done = db.execute(insert, values)
        if not done.rowcount:  # somebody else's face has this id already
            values["id"] = face_id
            done = db.execute(insert, values)
        return _face(values | {"number": done.lastrowid}), True

    def _agree(self, name: str, description: dict) -> None:
        row = self._database.execute(
            "SELECT model, description FROM collections WHERE id = ?", (name,)
        ).fetchone()
        if row is None:
            raise NoSuchCollection(name)
        if row["model"] != description["configuration"]["model"]:
            raise Unlike(f"model: {row['model']} / {description['configuration']['model']}")
        if row["description"] is None:
            text = json.dumps(description, sort_keys=True)
            update = "UPDATE collections SET description = ? WHERE id = ?"
            self._database.execute(update, (text, name))
        elif differs := collection.difference(json.loads(row["description"]), description):
            raise Unlike(differs)

    def description(self, name: str) -> dict | None:
        """How the faces of a collection were made (`enrolment.describe`); None while it is empty.

        Raises NoSuchCollection.
        """
        return json.loads(self._row(name, "description")[0] or "null")

    def faces(self, name: str, after: int = 0, limit: int | None = None, ids=None) -> list[dict]:
        """Faces in the order in which they came, after the given number; of the given face_ids.

        Raises NoSuchCollection.
        """
        self.description(name)  # raises where there is no such collection
        chosen, values = "", [name, after]
        if ids is not None:
            values += list(dict.fromkeys(ids))
            chosen = f"AND face_id IN ({', '.join('?' * (len(values) - 2))}) "
        rows = self._read(
            f"SELECT * FROM faces WHERE collection = ? AND number > ? {chosen}"
            "ORDER BY number LIMIT ?",
            *values,
            -1 if limit is None else limit,
        )
        return [_face(row) for row in rows]

    def remove(self, name: str, face_ids) -> list[str]:
        """Delete faces by face_id; return those that were there. Raises NoSuchCollection."""
        with self._lock:
            index = self._index(name)
            gone = {}
            with self._transaction() as db:
                delete = "DELETE FROM faces WHERE collection = ? AND face_id = ? RETURNING number"
                for face_id in dict.fromkeys(face_ids):
                    if row := db.execute(delete, (name, face_id)).fetchone():
                        gone[face_id] = row[0]
            if gone:
                left = ~np.isin(index.numbers[: index.size], list(gone.values()))
                numbers, vectors = (a[: index.size][left] for a in (index.numbers, index.vectors))
                self._indexes[name] = _grown(_nothing(), numbers, vectors, self.description(name))
        return list(gone)

    def embedding(self, name: str, face_id: str) -> np.ndarray | None:
        """The embedding (d,) float32 of a stored face, or None where there is none."""
        index = self._snapshot(name)
        row = index.at(self._number(name, face_id))
        return index.vectors[row] if row >= 0 else None

    def _number(self, name: str, face_id: str | None) -> int:
        query = "SELECT number FROM faces WHERE face_id = ? AND collection = ?"
        rows = self._read(query, face_id, name)
        return rows[0][0] if rows else -1

    def search(
        self, name: str, embedding: np.ndarray, limit: float, top: int, leave_out: str | None = None
    ) -> list[tuple[dict, float]]:
        """The `top` nearest faces (FOUND) at a distance of at most `limit`, nearest first.

        Equal distances come in the order in which the faces came. leave_out: a face_id that is no
        candidate. Raises NoSuchCollection.
        """
        index = self._snapshot(name)
        if index.gallery is None or not index.size:
            return []
        own = np.array([index.at(self._number(name, leave_out))])
        probe = np.asarray(embedding, dtype=np.float64)[None]
        _, near, scores = exact.nearest(probe, index.gallery, limit, top, own)
        numbers = index.numbers[near].tolist()
        rows = self._read(
            f"SELECT {', '.join(FOUND)} FROM faces "
            f"WHERE number IN ({', '.join('?' * len(numbers))})",
            *numbers,
        )
        found = {row["number"]: dict(row) for row in rows}  # less what was deleted meanwhile
        pairs = zip(numbers, scores.tolist(), strict=True)
        return [(found[number], score) for number, score in pairs if number in found]

    def _snapshot(self, name: str) -> _Index:
        # no lock where the index is there: a search must not wait for somebody's disk
        return self._indexes.get(name) or self._index(name)

    def _index(self, name: str) -> _Index:
        with self._held():
            if name not in self._indexes:
                if not self._known(name):
                    raise NoSuchCollection(name)
                of = "FROM faces WHERE collection = ?"
                count = self._database.execute(f"SELECT count(*) {of}", (name,)).fetchone()[0]
                numbers, vectors = np.zeros(count, dtype=np.int64), np.zeros((count, 0), np.float32)
                rows = self._database.execute(
                    f"SELECT number, embedding {of} ORDER BY number", (name,)
                )
                rows.row_factory = None
                for start in range(0, count, CHUNK):
                    some, blobs = zip(*rows.fetchmany(CHUNK), strict=True)
                    part = np.frombuffer(b"".join(blobs), dtype="<f4").reshape(len(some), -1)
                    if not start:
                        vectors = np.zeros((count, part.shape[1]), np.float32)
                    numbers[start : start + len(some)] = some
                    vectors[start : start + len(some)] = part
                index = _nothing()
                if count:
                    index = _grown(index, numbers, vectors, self.description(name))
                self._indexes[name] = index
            return self._indexes[name]

    def import_faces(self, name: str, frame: pd.DataFrame) -> int:
        """Make a collection from face metadata, as `read_import` gives them; return its size.

        All or nothing. Raises UserError.
        """
        model = frame.attrs["configuration"]["model"]
        try:
            with self._transaction() as db:
                db.execute(f"PRAGMA cache_size = -{IMPORT_CACHE}")
                self.create(name, model)
                self._agree(name, frame.attrs)
                values = ", ".join("?" * len(IMPORTED))
                insert = f"INSERT INTO faces ({', '.join(IMPORTED)}) VALUES ({values})"
                db.executemany(insert, _import_rows(name, frame))
        except (CollectionExists, StoreFull) as error:
            exists = f"there is a collection {name!r} already"
            raise UserError(
                exists if isinstance(error, CollectionExists) else str(error)
            ) from error
        return len(frame)

    def export_faces(self, name: str, path: Path) -> int:
        """Write a collection as face metadata, a Parquet file as `enrol` makes it; return its size.

        `id` is the id it was imported with, else the external id, else the face_id. A list of
        failures beside an older file of that name goes: a store knows of none. Raises UserError.
        """
        try:
            description = self.description(name)
        except NoSuchCollection as error:
            raise UserError(f"there is no collection {name!r}") from error
        schema = pa.schema(enrolment.COLUMNS)
        parts = []
        with self._held(self._reading):
            columns = ", ".join(enrolment.COLUMNS)
            rows = self._reader.execute(
                f"SELECT {columns} FROM faces WHERE collection = ? ORDER BY id", (name,)
            )
            while some := rows.fetchmany(CHUNK):
                parts.append(pa.Table.from_pylist([_face(row) for row in some], schema=schema))
        if not parts or not description:
            raise UserError(f"the collection {name!r} is empty")
        table = pa.concat_tables(parts)
        enrolment.failures_path(path).unlink(missing_ok=True)
        enrolment.write_faces(table, path, description)
        return table.num_rows


def read_import(name: str, path: Path) -> tuple[str, pd.DataFrame]:
    """What `import_faces` wants, from face metadata (`enrol`) and the new collection's name.

    The ids of the file will be external ids, with "_" for what those may not hold. Raises
    UserError for a name that no client could say, and faces that do not fit.
    """
    check_name("CollectionId", name)
    frame = enrolment.read_faces(path)
    collection.make_collection(frame)  # refuses what cannot be compared
    if len(frame) > MOST_FACES:
        raise UserError(f"{path} has {len(frame):,} faces; at most {MOST_FACES:,} fit")
    needed = ["image_sha256", "width", "height", "box_x", "box_y", "box_w", "box_h"]
    if frame[needed].isna().any(axis=None):
        raise UserError(f"{path} lacks the image or the box of a face")
    external = frame["id"].map(external_id)
    if len(twice := external[external.duplicated()]):
        raise UserError(f"two ids of {path} would become {twice.iloc[0]!r}")
    return name, frame


def external_id(text: str) -> str:
    """A text as an external image id: no longer, and of no other characters, than Amazon allows."""
    return as_name("ExternalImageId", text)


def _face(row) -> dict:
    face = dict(row)
    face["embedding"] = np.frombuffer(face["embedding"], dtype="<f4")
    return face


def _plain(value):
    """A number as SQLite knows it; NaN and NA as NULL."""
    if value is None or value != value:
        return None
    return value.item() if isinstance(value, np.generic) else value


def _import_rows(name: str, frame: pd.DataFrame):
    """Rows for the database, in the order of `IMPORTED`, of face metadata to be imported."""
    plain = frame[list(METADATA)].astype(object).where(frame[list(METADATA)].notna(), None)
    for row, embedding in zip(plain.itertuples(index=False), frame["embedding"], strict=True):
        blob = np.asarray(embedding, dtype="<f4").tobytes()
        yield name, str(uuid.uuid4()), str(uuid.uuid4()), external_id(row.id), *row, blob


def _nothing() -> _Index:
    return _Index(np.zeros(0, np.int64), np.zeros((0, 0), np.float32), np.zeros(0), 0, None)


def _grown(index: _Index, numbers: np.ndarray, vectors: np.ndarray, description) -> _Index:
    """The index with more faces at its end; those who search in the old one are not disturbed."""
    start, size = index.size, index.size + len(numbers)
    metric = description["configuration"]["metric"]
    lengths, longest = exact.lengths(exact.squared_lengths(vectors), metric)
    new = numbers, vectors, lengths
    arrays = list(new)  # as they are, a million need no second place
    if start and index.gallery:
        longest = max(longest, index.gallery.longest)
        arrays = [index.numbers, index.vectors, index.lengths]
        if size > len(index.numbers):
            room = size - start + max(64, start // 4)
            arrays = [
                np.concatenate([a[:start], np.zeros((room, *a.shape[1:]), a.dtype)]) for a in arrays
            ]
        for array, more in zip(arrays, new, strict=True):
            array[start:size] = more
    numbers, vectors, lengths = arrays
    place, seen = np.arange(size, dtype=np.int32), vectors[:size]
    gallery = exact.Prepared(place, place, seen, seen, lengths[:size], longest, description)
    return _Index(numbers, vectors, lengths, size, gallery)
