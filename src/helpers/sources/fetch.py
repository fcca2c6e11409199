"""Where files come from: manifests of URLs and checksums -> verified local files.

A file is looked for in the cache, then in a mirror, then on the network, and counts only if its
SHA-256 is the one in the manifest. Manifests are `data/manifests/<dataset>.csv`.
"""

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pandas as pd
import pooch
import requests
from tqdm.auto import tqdm

from helpers.errors import UserError
from helpers.files import private_folder, sha256
from helpers.paths import DATA, cache_dir, mirror_dir

DATASETS = (
    "probes",
    "second-portraits",
    "same-photographs",
    "returning",
    "delegates",
    "legislators",
    "newcomers",
    "newcomers-second-portraits",
    "newcomers-same-photographs",
    "utkface",
    "rosters",
)
MANIFESTS = DATA / "manifests"
UTKFACE_ARCHIVE = "utkface/UTKFace.tar.gz"
STATUSES = ("cached", "mirror", "network", "failed")
REPORT = ["dataset", "id", "status", "path", "message"]
TIMEOUT = (5, 30)  # seconds to connect, seconds between two bytes
GIVE_UP_AFTER = 3  # connection failures in a row
# not `files.write_atomically`: a copy is renamed only if its hash is right, two threads may fetch
# one image, a later run clears what a killed one left, and only the owner may read UTKFace
PARTIAL = ".partial-"
STALE = 3600  # seconds after which a temporary file is taken for one of a killed run
LARGEST_FACE = 1 << 20  # bytes; the largest UTKFace image has 12,025
LABELS = ["id", "age", "gender", "race", "files", "disputed"]


def load_manifest(dataset: str) -> pd.DataFrame:
    """Read a dataset's manifest: id, url, sha256, bytes (utkface: id, sha256), all but bytes str.

    Raises UserError for an unknown dataset and ValueError for a damaged manifest.
    """
    if dataset not in DATASETS:
        raise UserError(f"unknown dataset {dataset!r}; known: {', '.join(DATASETS)}")
    columns = ["id", "sha256"] if dataset == "utkface" else ["id", "url", "sha256", "bytes"]
    path = MANIFESTS / f"{dataset}.csv"
    manifest = pd.read_csv(path, dtype={"id": str, "url": str, "sha256": str})
    if list(manifest.columns) != columns:
        raise ValueError(f"{path.name} has columns {list(manifest.columns)}, not {columns}")
    if manifest.id.duplicated().any() or not manifest.id.is_monotonic_increasing:
        raise ValueError(f"{path.name}: ids must be unique and sorted")
    if not manifest.sha256.str.fullmatch("[0-9a-f]{64}").all():
        raise ValueError(f"{path.name}: a SHA-256 is 64 lower-case hexadecimal digits")
    return manifest


def location(url: str) -> Path:
    """Path of a URL's copy below the cache or the mirror: `<host>/<path of the URL>`."""
    parts = urlsplit(url)
    path = PurePosixPath(parts.netloc, unquote(parts.path).lstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.netloc or ".." in path.parts:
        raise ValueError(f"not the address of a public file: {url!r}")
    return Path(path)


def local_files(dataset: str, ids=None) -> pd.DataFrame:
    """Verified local files of a dataset, or of some ids of it: id, path (Path), sorted by id.

    Files of the mirror are used where they lie. Raises UserError if any is missing or wrong.
    """
    manifest = load_manifest(dataset)
    if ids is not None:
        manifest = manifest[manifest.id.isin(set(ids))].reset_index(drop=True)

    def right(row):
        if dataset == "utkface":
            places = [cache_dir() / "utkface" / f"{row.id}.jpg"]
        else:  # a wrong copy in the cache must not hide a right one in the mirror
            places = [root / location(row.url) for root in (cache_dir(), mirror_dir()) if root]
        return next((p for p in places if p.is_file() and sha256(p) == row.sha256), None)

    with ThreadPoolExecutor(4) as pool:
        found = pd.Series(list(pool.map(right, manifest.itertuples())), dtype=object)
    good = found.notna()
    if not good.all():
        raise UserError(
            f"{(~good).sum()} of {len(manifest)} files of {dataset} are missing or wrong "
            f"(first: {manifest.id[~good].iloc[0]}); run: congress-test fetch {dataset}"
        )
    return pd.DataFrame({"id": manifest.id, "path": found})


def fetch(datasets, workers: int = 8, progress: bool = True, ids=None) -> pd.DataFrame:
    """Bring datasets into the cache: from the cache itself, else the mirror, else the network.

    ids: only these, of one dataset that has addresses. Returns a row a file: dataset, id, status
    (of STATUSES), path (None if failed), message (why, or which wrong copy was refused). Nothing
    raises for a single file; a partial or wrong one never gets its final name.
    """
    datasets = [datasets] if isinstance(datasets, str) else list(datasets)
    manifests = {dataset: load_manifest(dataset) for dataset in datasets}
    rows, jobs = [], []
    for dataset, manifest in manifests.items():
        if dataset == "utkface":
            rows += _fetch_utkface_default(progress)
        else:
            if ids is not None:
                manifest = manifest[manifest.id.isin(set(ids))]
            jobs += [(dataset, row) for row in manifest.itertuples(index=False)]
    for left in cache_dir().rglob(f"{PARTIAL}*"):
        if time.time() - left.stat().st_mtime >= STALE:
            left.unlink(missing_ok=True)
    network = {"failures": 0, "down": False, "lock": threading.Lock()}
    with ThreadPoolExecutor(max(1, workers)) as pool:
        results = pool.map(lambda job: _fetch_one(job[0], job[1], network), jobs)
        rows += tqdm(results, "fetch", len(jobs), disable=not progress or None, unit="file")
    return pd.DataFrame(rows, columns=REPORT)


def summary(report: pd.DataFrame) -> str:
    """What a fetch did, in words: counts, each refused or failed file (first ten), what to do."""
    lines = []
    for dataset, rows in report.groupby("dataset", sort=False):
        counts = rows.status.value_counts()
        parts = [f"{counts[s]} {s}" for s in STATUSES if s in counts]
        lines.append(f"{dataset}: {', '.join(parts)}")
    told = report[report.message.ne("")].drop_duplicates("message")
    lines += [f"  {m}" for m in told.message.head(10)]
    if len(told) > 10:
        lines.append(f"  and {len(told) - 10} more")
    return "\n".join(lines)


def _fetch_one(dataset, row, network):
    """One file into the cache; returns a row of the report."""
    target = cache_dir() / location(row.url)
    refused = []
    try:
        if target.is_file():
            found = sha256(target)
            if found == row.sha256:
                return dataset, row.id, "cached", target, ""
            refused.append(_refusal(target, row.sha256, found))
        if (mirror := mirror_dir()) and (copy := mirror / location(row.url)).is_file():
            if found := _install(lambda f: _copy(copy, f), target, row.sha256):
                refused.append(_refusal(copy, row.sha256, found))
            else:
                return dataset, row.id, "mirror", target, "; ".join(refused)
        if network["down"]:
            return dataset, row.id, "failed", None, "; ".join(refused) or NO_NETWORK
        found = _install(lambda f: _download(row.url, f), target, row.sha256)
        network["failures"] = 0
        if not found:
            return dataset, row.id, "network", target, "; ".join(refused)
        refused.append(_refusal(row.url, row.sha256, found))
    except (requests.ConnectionError, requests.Timeout):
        with network["lock"]:
            network["failures"] += 1
            network["down"] |= network["failures"] >= GIVE_UP_AFTER
        refused = refused or [NO_NETWORK]
    except (requests.RequestException, OSError) as error:
        refused.append(f"{row.url}: {error}")
    return dataset, row.id, "failed", None, "; ".join(refused)


NO_NETWORK = (
    "no copy in the cache or the mirror, and the network could not be reached: connect, or set "
    "CONGRESS_TEST_MIRROR to a folder laid out <host>/<path of the URL>, and run the command again"
)


def _refusal(place, expected, found):
    return f"refused {place}: expected SHA-256 {expected}, found {found}"


def _copy(source, file):
    with open(source, "rb") as stream:
        shutil.copyfileobj(stream, file)


def _download(url, file):
    pooch.HTTPDownloader(timeout=TIMEOUT)(url, file, None)


def _install(write, target, expected):
    """Write a temporary file beside the target; rename it if its hash is right, else return it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=PARTIAL)
    try:
        with open(handle, "wb") as file:
            write(file)
        found = sha256(Path(name))
        if found != expected:
            return found
        os.replace(name, target)
        return None
    finally:
        Path(name).unlink(missing_ok=True)


# UTKFace has no address: any copy will do, each image is recognised by its hash.


def fetch_utkface(source, progress: bool = True) -> dict:
    """Take UTKFace from a .tar.gz, a .zip or a folder into `<cache>/utkface/`.

    Each image is recognised by its SHA-256 and stored as `<id>.jpg`; names inside the archive
    are never used as paths, links are skipped. `labels.csv` (private, stays in the cache) gets
    LABELS from the file names; one on which an image's names disagree (disputed) is missing.
    Returns counts: matched, unknown, missing, duplicates (further names of an image already
    seen), malformed, disputed. Raises UserError if the source is not there or cannot be read to
    its end; what was read until then is kept.
    """
    source = Path(source)
    places, manifest = _utkface_places()
    place = dict(zip(manifest.sha256, places, strict=True))
    ids = dict(zip(manifest.sha256, manifest.id, strict=True))
    folder = private_folder(cache_dir() / "utkface")
    names: dict[str, list[str]] = {}
    unknown = 0
    off = not progress or None
    with tqdm(_faces(source), "utkface", len(ids), disable=off, unit="image") as bar:
        for name, data in bar:
            digest = hashlib.sha256(data).hexdigest() if data else ""
            if digest not in ids:
                unknown += 1
                continue
            names.setdefault(digest, []).append(re.split(r"[/\\]", name)[-1])
            target = place[digest]
            if len(names[digest]) == 1 and not (target.is_file() and sha256(target) == digest):
                _install(lambda file, data=data: file.write(data), target, digest)
    labels = pd.DataFrame([_labels(ids[d], n) for d, n in names.items()], columns=LABELS)
    missing = [d for d in ids if d not in names and not place[d].is_file()]
    if len(names) == len(ids):
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=PARTIAL)
        os.close(handle)
        labels.sort_values("id").to_csv(temporary, index=False, lineterminator="\n")
        os.replace(temporary, folder / "labels.csv")
    return {
        "matched": len(names),
        "unknown": unknown,
        "missing": len(missing),
        "duplicates": sum(len(n) for n in names.values()) - len(names),
        "malformed": sum(_parse(x)[2] is None for n in names.values() for x in n),
        "disputed": int(labels.disputed.sum()),
    }


def _utkface_places():
    manifest = load_manifest("utkface")
    folder = cache_dir() / "utkface"
    return [folder / f"{i}.jpg" for i in manifest.id], manifest


def _fetch_utkface_default(progress):
    places, manifest = _utkface_places()
    message = ""
    complete = (cache_dir() / "utkface" / "labels.csv").is_file()
    good = [
        complete and p.is_file() and sha256(p) == d
        for p, d in zip(places, manifest.sha256, strict=True)
    ]
    if not all(good):
        archive = mirror / UTKFACE_ARCHIVE if (mirror := mirror_dir()) else None
        if archive is None or not archive.is_file():
            message = (
                "UTKFace has no public address: download it from its publisher, then run "
                "congress-test fetch utkface --from ARCHIVE_OR_FOLDER"
            )
        else:
            try:
                fetch_utkface(archive, progress)
            except UserError as error:
                message = str(error)
    rows = []
    for i, path, ok in zip(manifest.id, places, good, strict=True):
        if ok or (path.is_file() and not message):
            rows.append(("utkface", i, "cached" if ok else "mirror", path, ""))
        else:
            why = message or f"the archive holds no image {i}"
            rows.append(("utkface", i, "failed", None, why))
    return rows


def _faces(source):
    """Yield (name, bytes; none if too large) of each regular .jpg in an archive or folder."""
    if source.is_dir():
        for folder, _, names in sorted(os.walk(source)):
            for path in (Path(folder, n) for n in sorted(names)):
                if not path.is_symlink() and path.is_file() and path.suffix.lower() == ".jpg":
                    small = path.stat().st_size <= LARGEST_FACE
                    yield path.name, path.read_bytes() if small else b""
        return
    if not source.is_file():
        raise UserError(f"{source}: no such file or folder")
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                for item in archive.infolist():
                    regular = (item.external_attr >> 16) & 0o170000 in (0, 0o100000)
                    if regular and item.filename.lower().endswith(".jpg"):
                        small = item.file_size <= LARGEST_FACE
                        data = archive.read(item) if small else b""
                        yield item.filename, data
            return
        with tarfile.open(source, "r|*") as archive:
            for item in archive:
                if item.isreg() and item.name.lower().endswith(".jpg"):
                    small = item.size <= LARGEST_FACE
                    data = archive.extractfile(item).read() if small else b""  # type: ignore[union-attr]
                    yield item.name, data
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise UserError(
            f"{source} is damaged or not a .tar.gz, .zip or folder ({error}); images read so far "
            "are kept: run the command again with a whole copy"
        ) from error


def _parse(name):
    """(age, gender, race) from `[age]_[gender]_[race]_[time].jpg...`; three None if malformed."""
    found = re.match(r"(\d{1,3})_([01])_([0-4])_\d{8}", name)
    if not found:
        return None, None, None
    age, gender, race = map(int, found.groups())
    return age, ("male", "female")[gender], ("White", "Black", "Asian", "Indian", "Others")[race]


def _labels(identifier, names):
    """One row of labels.csv; a label on which the names disagree is left missing."""
    parsed = [p for p in map(_parse, names) if p[2]]
    agreed = [
        v.pop() if len(v := set(values)) == 1 else None for values in zip(*parsed, strict=True)
    ]
    return identifier, *(agreed or [None] * 3), len(names), len(set(parsed)) > 1
