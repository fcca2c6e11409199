"""What is kept of people's own photographs: face metadata in the cache, by folder."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from helpers.faces import cluster, enrolment
from helpers.paths import cache_dir
from helpers.sources import photographs


def enrolled(
    images: pd.DataFrame,
    folder: Path,
    model: str,
    detector: str,
    workers: int | None = None,
    progress: bool = True,
    of: str = "",
    pool: cluster.Pool | None = None,
) -> Path:
    """Face metadata of a folder's images (id, path), from the cache or made there now.

    Whatever else is kept of photographs that the folder no longer holds, by other pipelines too, is
    deleted. `of`: what part of the folder this is, where it is not the whole.
    """
    place = _place(folder)
    path = place / of / f"{model}-{detector}.parquet"
    enrolment.enrol(images, path, model, detector, workers, progress, pool)
    there, now = photographs.in_folder(Path(folder))[0], dict(_photographs(path))
    for other in place.rglob("*.parquet"):
        with contextlib.suppress(OSError, pa.ArrowException):  # damaged: made again when needed
            if any(i not in there or now.get(i, sha) != sha for i, sha in _photographs(other)):
                other.unlink()
    return path


def forget(folder: Path) -> int:
    """Delete what is kept of a folder's photographs, there or not; return how many files that was.

    Files of versions that did not note the folder are all deleted.
    """
    cache = cache_dir()
    gone = [_place(folder), cache / "pairs", *(cache / "folders").glob("*.parquet*")]
    count = 0
    for path in gone:
        count += len(list(path.rglob("*.parquet"))) if path.is_dir() else path.is_file()
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in (cache / "folders").glob("*.failures.csv"):
        path.unlink()
    return count


def _place(folder: Path) -> Path:
    name = os.fsencode(Path(folder).resolve())
    return cache_dir() / "folders" / hashlib.sha256(name).hexdigest()[:16]


def _photographs(path: Path) -> list[tuple[str, str]]:
    table = pq.read_table(path, columns=["id", "image_sha256"])
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
