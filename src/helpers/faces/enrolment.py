"""Enrolment: images -> face metadata (one row a face) and failures with reasons; resumable.

The largest face of an image is enrolled; `faces_found` says how many there were. What an image is,
and why one gives no pixels, is listed at `photographs.read_image`.
"""

import contextlib
import csv
import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from helpers.errors import UserError
from helpers.faces import cluster, pipelines
from helpers.files import alone, lock_file, private_folder, say, sha256, write_atomically
from helpers.paths import is_cached
from helpers.sources.photographs import Unreadable, in_words, read_image

BATCH = 16  # images: many small ones end at the same time on all processes
AT_ONCE = 64 << 20  # bytes of pixels: images of a batch that are in memory at a time
VERSIONED = ("deepface", "opencv-python-headless", "dlib-bin", "onnxruntime", "numpy", "pillow")
QUALITY_SIZE = 112  # sharpness is measured on crops of one size, in pixels

COLUMNS = {
    "id": pa.string(),
    "image_sha256": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "faces_found": pa.int32(),
    "box_x": pa.int32(),
    "box_y": pa.int32(),
    "box_w": pa.int32(),
    "box_h": pa.int32(),
    "left_eye_x": pa.int32(),
    "left_eye_y": pa.int32(),
    "right_eye_x": pa.int32(),
    "right_eye_y": pa.int32(),
    "detector_score": pa.float32(),
    "face_size": pa.float32(),
    "sharpness": pa.float32(),
    "brightness": pa.float32(),
    "embedding": pa.list_(pa.float32()),
}
FAILURE_COLUMNS = ("id", "reason", "detail", "image_sha256")

# the pipeline of a process that enrols; `_load_worker` sets them
_detect: Callable
_crop: Callable
_embed: Callable
_loaded: dict = {}
_ONE = threading.Lock()  # detectors are not made for several threads


def enrol(
    images: pd.DataFrame,
    out: Path,
    model: str,
    detector: str = "yunet",
    workers: int | None = None,
    progress: bool = True,
    pool: cluster.Pool | None = None,
) -> tuple[int, int]:
    """Enrol images into a Parquet file of face metadata; return (faces, failures).

    `images` has the columns id and path. Beside `out`, without its
    ".parquet", lie the failures in `….failures.csv`. Work is done
    in batches by one process a core, or by the pool, whose machines find the images at the same
    paths; each batch is written atomically when it is done, so a killed
    run loses at most the batch that each process had in hand, and the same command resumes to the
    same bytes. An image is a row or a failure, whatever is wrong with it. An `out` that was made
    from the same images, configuration, weights and versions is left as it is.
    Raises UserError for duplicate ids, missing weights, and workers that are lost or differ.
    """
    out = Path(out)
    images = in_order(images)
    config = pipelines.configuration(model, detector)
    description = describe(config)
    description["images_sha256"] = digest(images)
    parts = out.parent / f"{out.name}.parts"
    left = parts, lock_file(out)
    if not any(p.exists() for p in left) and _is_made(out, description, images):
        return _counts(out)
    private_folder(out.parent)
    with alone(out):
        if _is_made(out, description, images):  # by whoever was waited for
            shutil.rmtree(parts, ignore_errors=True)  # of a run killed just before its end
            return _counts(out)
        if out.exists() and read_description(out) == description:
            say(f"{out} or the failures beside it are damaged: they are made again")
        try:
            _enrol(images, out, parts, config, description, workers, progress, pool)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise UserError(
                f"no space is left for {out}; what was enrolled is kept in {parts}: make room and "
                "give the same command, or delete that folder"
            ) from error
    return _counts(out)


def _enrol(images, out, parts, config, description, workers, progress, pool) -> None:
    start_or_resume(parts, {"batch": BATCH, **description})
    records = images[["id", "path"]].to_dict("records")
    batches = [records[i : i + BATCH] for i in range(0, len(records), BATCH)]
    todo = [i for i, batch in enumerate(batches) if not _is_done(_part(parts, i), batch)]
    bar = tqdm(
        total=len(images),
        initial=len(images) - sum(len(batches[i]) for i in todo),
        desc=f"enrol {config.model}",
        unit="image",
        disable=not progress or None,  # None: shown on a terminal, never in a log
    )
    with bar, working(pool, config, workers, len(todo)) as those:
        wanted = {k: v for k, v in asked(description).items() if k != "images_sha256"}
        tasks = ((i, (wanted, batches[i])) for i in todo)
        for number, (rows, failures) in cluster.each(those, enrol_batch, tasks):
            _keep(rows, failures, _part(parts, number))
            bar.update(len(batches[number]))
    _assemble([_part(parts, i) for i in range(len(batches))], out, description)


def _part(parts: Path, number: int) -> Path:
    return parts / f"{number:06d}.parquet"


def discard_if_damaged(path: Path) -> None:
    """Throw away face metadata of the cache that cannot be read: they are made again."""
    if not (path.exists() and is_cached(path)):
        return
    try:
        read_faces(path)
    except UserError:
        say(f"{path} is damaged: it is made again")
        path.unlink()


def _is_made(out: Path, description: dict, images: pd.DataFrame) -> bool:
    """Whether a file is the whole outcome of this work.

    Raises UserError for another file than face metadata: it may be somebody's own.
    """
    discard_if_damaged(out)
    return (
        out.exists()
        and read_description(out) == description
        and _holds(out, images["id"].to_list())
    )


def _is_done(part: Path, batch: list[dict]) -> bool:
    """Whether a batch of an interrupted run is there; a damaged one is done again."""
    if not failures_path(part).exists():
        return False
    if whole := _holds(part, [record["id"] for record in batch]):
        return whole
    say(f"{part} is damaged: its images are enrolled again")
    return False


def _holds(path: Path, ids: list[str]) -> bool:
    """Whether a file and the failures beside it can be read, and say of every image what it is."""
    try:
        said = [*_read_table(path)["id"].to_pylist(), *read_failures(path)["id"]]
    except (UserError, OSError, ValueError, KeyError):
        return False
    return sorted(said) == ids


def _counts(out: Path) -> tuple[int, int]:
    return pq.read_metadata(out).num_rows, len(read_failures(out))


def in_order(images: pd.DataFrame) -> pd.DataFrame:
    """Images sorted by id, a text; raises UserError for none, and for an id that occurs twice."""
    if len(images) == 0:
        raise UserError("no images to enrol")
    images = images.assign(id=images["id"].astype(str)).sort_values("id", ignore_index=True)
    if images["id"].duplicated().any():
        twice = images.loc[images["id"].duplicated(), "id"].iloc[0]
        raise UserError(f"the id {twice!r} occurs twice; ids name faces and must differ")
    return images


@contextlib.contextmanager
def working(pool: cluster.Pool | None, config, workers: int | None, tasks: int):
    """The pool, or else processes of this machine that have the pipeline loaded."""
    if pool:
        yield pool
        return
    slots = min(workers or os.cpu_count() or 1, max(tasks, 1))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(slots, context, _load_worker, (config,)) as processes:
        lost = {BrokenProcessPool: "a worker process died (out of memory?)"}
        # each process has its next task at hand
        yield cluster.Pool(processes.submit, lambda: 2 * slots, lost)


def _keep(rows, failures, part: Path) -> None:
    with write_atomically(part, private=True) as half:
        pq.write_table(face_table(rows), half, write_page_checksum=True)
    # the failures file comes last: its presence says that the batch is complete
    write_failures(failures, part)


def _assemble(parts: list[Path], out: Path, description: dict) -> None:
    table = pa.concat_tables(map(_read_table, parts))
    finished = parts[0].with_name("finished.parquet")
    write_faces(table, finished, description)
    failures = [failures_path(part).read_bytes() for part in parts]
    head = failures[0].splitlines(keepends=True)[0]
    with write_atomically(failures_path(finished), private=True) as half:
        half.write_bytes(head + b"".join(lines.removeprefix(head) for lines in failures))
    # `out` comes last: its presence says that both are complete
    failures_path(finished).replace(failures_path(out))
    finished.replace(out)
    shutil.rmtree(finished.parent)


def write_faces(table: pa.Table, out: Path, description: dict) -> None:
    """Write face metadata with its description in the file's own metadata, atomically.

    Templates are biometric data: only the owner may read the file. In the cache it has checksums.
    """
    table = table.combine_chunks().replace_schema_metadata(
        {"congress_test": json.dumps(description, sort_keys=True)}
    )
    private_folder(out.parent)
    with write_atomically(out, private=True) as half:
        pq.write_table(table, half, compression="zstd", write_page_checksum=is_cached(out))


def read_faces(path: Path) -> pd.DataFrame:
    """Face metadata as a dataframe, embeddings as (d,) float32 arrays, description in `.attrs`.

    Raises UserError when the file is missing, damaged, or no face metadata.
    """
    description = read_description(path)
    frame = _read_table(path).to_pandas(ignore_metadata=True)
    frame.attrs = description
    return frame


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path} is damaged: make it again, or get another copy ({error})"
        ) from error


def read_description(path: Path) -> dict:
    """Configuration, weight hashes, versions and image digest of a face metadata file."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist; `congress-test enrol` makes such files")
    try:
        stored = (pq.read_schema(path).metadata or {}).get(b"congress_test")
        description = json.loads(stored or "null")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} is no readable Parquet file: {error}") from error
    if description is None:
        raise UserError(f"{path} is no face metadata (made by `congress-test enrol`)")
    return description


def read_failures(path: Path) -> pd.DataFrame:
    """Failures to enrol that lie beside a face metadata file: id, reason, detail, image_sha256.

    Raises UserError when they cannot be read.
    """
    path = failures_path(path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:  # pandas' own are some
        raise UserError(f"{path} cannot be read: {error}") from error
    if missing := set(FAILURE_COLUMNS) - set(table):
        raise UserError(f"{path} is no list of failures to enrol: it lacks {min(missing)}")
    return table


def write_failures(failures: list[tuple], out: Path) -> None:
    """Write failures to enrol (rows of FAILURE_COLUMNS) beside a file of face metadata."""
    with (
        write_atomically(failures_path(out), private=True) as half,
        half.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([FAILURE_COLUMNS, *failures])


def failures_path(out: Path) -> Path:
    """Where the failures of a face metadata file lie."""
    out = Path(out)
    return out.with_name(f"{out.name.removesuffix('.parquet')}.failures.csv")


def is_metadata(what: str | Path) -> bool:
    """Whether a path means face metadata: a file does, or the name of one that is missing."""
    path = Path(what)
    return path.is_file() or (path.suffix == ".parquet" and not path.is_dir())


def describe(config: pipelines.Configuration) -> dict:
    """What must be equal for two files of face metadata to be comparable, as JSON-able values."""
    return {
        "configuration": config._asdict(),
        "weights_sha256": pipelines.weight_hashes(config),
        "versions": {name: metadata.version(name) for name in VERSIONED},
    }


def asked(description: dict) -> dict:
    """What a worker must have to do the work of this machine: see `describe`."""
    return {**description, "versions": cluster.software()}


def _load_worker(config) -> None:
    cluster.begin()
    global _detect, _crop, _embed, _loaded
    _detect, _crop, _embed = pipelines.load(config)
    _loaded = asked(describe(config))


def enrol_batch(wanted: dict, records: list[dict]) -> tuple[list[dict], list[tuple]]:
    """Enrol images (id, path), on any machine -> rows of face metadata, failures.

    wanted: as from `asked`. Raises UserError where weights or versions are others.
    """
    with _ONE:
        if _loaded.get("configuration") != wanted["configuration"]:
            _load_worker(pipelines.Configuration(**wanted["configuration"]))
        cluster.refuse_others(_loaded, wanted)
        return _enrol_all(records)


def _enrol_all(records: list[dict]) -> tuple[list[dict], list[tuple]]:
    # step by step, not image by image: what a step needs stays in the processor's caches
    seen = []
    for some in _read_together(records):
        for step, reason in ((_find, "detector failed"), (_cut, "recogniser failed")):
            for row in some:
                _take(step, row, reason)
        with_crop = [row for row in some if "crop" in row]
        found = _embeddings([row.pop("crop") for row in with_crop])
        for row, outcome in zip(with_crop, found, strict=True):
            row["error" if isinstance(outcome, Unreadable) else "embedding"] = outcome
        seen += some
    rows = [row for row in seen if "error" not in row]
    return rows, [_failure(row) for row in seen if "error" in row]


def _read_together(records: list[dict]) -> Iterator[list[dict]]:
    """Rows of id, image_sha256, and image or error; a batch, or as many as AT_ONCE allows."""
    some: list[dict] = []
    held = 0
    for record in records:
        row = {"id": record["id"], "image_sha256": _image_hash(record["path"])}
        try:
            row["image"] = read_image(record["path"])
            held += row["image"].nbytes
        except Unreadable as error:
            row["error"] = error
        some.append(row)
        if held > AT_ONCE or len(some) == BATCH:
            yield some
            some, held = [], 0
    yield some


def _take(step: Callable, row: dict, reason: str) -> None:
    """A step on a row that has met no error; detectors and recognisers each have their own."""
    if "error" in row:
        return
    try:
        step(row)
    except Exception as error:
        known = isinstance(error, Unreadable)
        row["error"] = error if known else Unreadable(reason, in_words(error))
        row.pop("image", None)


def _find(row: dict) -> None:
    faces = _detect(row["image"])
    if not faces:
        raise Unreadable("no face found")
    row.update(face_rows(row["image"], faces)[0])


def _cut(row: dict) -> None:
    row["crop"] = _crop(row.pop("image"), row.pop("face"))


def _failure(row: dict) -> tuple:
    error = row["error"]
    detail = "" if str(error) == error.reason else str(error)
    return row["id"], error.reason, detail, row["image_sha256"]


def _embeddings(crops: list) -> list[np.ndarray | Unreadable]:
    """The embedding of each crop, or why the recogniser gives none."""
    if not crops:
        return []
    try:
        found = _embed(crops)
    except Exception as error:
        if len(crops) == 1:
            return [Unreadable("recogniser failed", in_words(error))]
        # one crop that breaks it does not take the others along
        return [one for crop in crops for one in _embeddings([crop])]
    return [one if usable(one) else Unreadable("no usable embedding") for one in found]


def usable(embedding: np.ndarray) -> bool:
    """Whether an embedding can be compared: every number finite, and not all of them zero."""
    return bool(np.isfinite(embedding).all() and embedding.any())


def face_rows(image: np.ndarray, faces: list[pipelines.Face]) -> list[dict]:
    """What face metadata say of each face of an image but id, hash and embedding; largest first.

    Each row also holds the `models.Face` itself, as `face`.
    """
    rows = []
    # ties go to the surer, then to the one further left
    for face in sorted(faces, key=lambda f: (-f.box[2] * f.box[3], -f.score, f.box)):
        x, y, w, h = face.box
        sharpness, brightness = _quality(image, face.box)
        left, right = face.left_eye or (None, None), face.right_eye or (None, None)
        rows.append(
            {
                "width": image.shape[1],
                "height": image.shape[0],
                "faces_found": len(faces),
                "box_x": x,
                "box_y": y,
                "box_w": w,
                "box_h": h,
                "left_eye_x": left[0],
                "left_eye_y": left[1],
                "right_eye_x": right[0],
                "right_eye_y": right[1],
                "detector_score": face.score,
                "face_size": float(np.sqrt(w * h)),
                "sharpness": sharpness,
                "brightness": brightness,
                "face": face,
            }
        )
    return rows


def _quality(image: np.ndarray, box) -> tuple[float, float]:
    """Sharpness (variance of the Laplacian) and brightness (mean grey, 0 to 255) of a face box."""
    import cv2

    x, y, w, h = box
    crop = image[max(y, 0) : max(y, 0) + h, max(x, 0) : max(x, 0) + w]
    if crop.size == 0:
        return float("nan"), float("nan")
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    grey = cv2.resize(grey, (QUALITY_SIZE, QUALITY_SIZE), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var()), float(grey.mean())


def face_table(rows: list[dict]) -> pa.Table:
    """Rows of face metadata as a table of COLUMNS."""
    return pa.Table.from_pylist(rows, schema=pa.schema(COLUMNS))


def start_or_resume(parts: Path, work: dict) -> None:
    """Keep the parts of an interrupted run of the same work, throw away those of any other."""
    plan = parts / "plan.json"
    wanted = json.dumps(work, sort_keys=True)
    if parts.exists() and not (plan.exists() and plan.read_text() == wanted):
        plan.unlink(missing_ok=True)  # first: without its plan no part counts
        shutil.rmtree(parts)
    private_folder(parts)
    with write_atomically(plan, private=True) as half:
        half.write_text(wanted)


def digest(images: pd.DataFrame) -> str:
    """One hash over ids and image bytes: what an enrolment was made from."""
    return digest_of(zip(images["id"], map(_image_hash, images["path"]), strict=True))


def digest_of(hashes: Iterable[tuple[str, str]]) -> str:
    """`digest` where the hash of each image is known: pairs of id and SHA-256, in order."""
    total = hashlib.sha256()
    for id, image in hashes:
        total.update(f"{id}\0{image}\n".encode())
    return total.hexdigest()


def _image_hash(path) -> str:
    """SHA-256 of an image, "" for one that cannot be read, which then fails to enrol."""
    try:
        # a pipe or a device may never end
        return sha256(path) if Path(path).is_file() else ""
    except (OSError, ValueError):
        return ""
