"""A gallery in parts, for more faces than one machine holds, and exact search in it.

A folder, or an address that fsspec knows ("s3://..."):

    gallery.json               what the faces were made with, and a row a part: counts, digests
    part-000000.parquet        face metadata as `enrolment` writes them, ids in order over all parts
    part-000000.failures.csv   failures to enrol of its images

Whoever searches holds one part at a time, and believes it only if it has the digest that
gallery.json states.
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from helpers.errors import UserError
from helpers.faces import cluster, collection, enrolment, pipelines
from helpers.faces.collection import Collection
from helpers.files import private_folder, write_atomically

DESCRIPTION = "gallery.json"
PART = 8_192  # images of a part, and of a task of enrolment: three minutes of one core
SHARE = 1_000_000  # faces of a task of a search
JOINED = 10  # results that wait to be joined: they take memory


# ---- enrolment


def enrol(
    images: pd.DataFrame,
    out: str | Path,
    model: str,
    detector: str = "yunet",
    workers: int | None = None,
    progress: bool = True,
    pool: cluster.Pool | None = None,
) -> tuple[int, int]:
    """Enrol images into a folder of parts; return (faces, failures). Arguments as of `enrolment`.

    A part is a task, and written when it is done, by this machine. The same command goes on after
    an interruption: a part that is there stays if its images, by their hashes, configuration,
    weights and versions are the same, which a worker finds out. gallery.json comes last.
    """
    out, images = Path(out), enrolment.in_order(images)
    config = pipelines.configuration(model, detector)
    made = enrolment.describe(config)
    private_folder(out)
    names = [f"part-{i:06d}.parquet" for i in range(-(-len(images) // PART))]
    listed = _listed(out)
    rows = {}

    def tasks():
        for i, name in enumerate(names):
            records = images.iloc[i * PART : (i + 1) * PART].to_dict("records")
            known = _known(out / name, made, listed.get(name))
            yield name, (enrolment.asked(made), known, records)

    with (
        tqdm(
            total=len(names), desc=f"enrol {model}", unit="part", disable=not progress or None
        ) as bar,
        enrolment.working(pool, config, workers, len(names)) as those,
    ):
        for name, (table, failures, digest) in cluster.each(those, _enrol_part, tasks()):
            if table is not None:
                (out / DESCRIPTION).unlink(missing_ok=True)  # of other parts
                enrolment.write_failures(failures, out / name)
                enrolment.write_faces(table, out / name, {**made, "images_sha256": digest})
            rows[name] = _row(out / name)
            bar.update()
    for left in {path.name for path in out.glob("part-*.parquet")} - set(names):
        (out / left).unlink()
        enrolment.failures_path(out / left).unlink(missing_ok=True)
    faces = sum(row["faces"] for row in rows.values())
    write(out, made, [rows[name] for name in names], len(images) - faces)
    return faces, len(images) - faces


def write(out: Path, description: dict, rows: list[dict], failures: int) -> None:
    """Write gallery.json: what the parts were made with, and their rows."""
    faces = sum(row["faces"] for row in rows)
    text = {"description": description, "faces": faces, "failures": failures, "parts": rows}
    with write_atomically(out / DESCRIPTION, private=True) as half:
        half.write_text(json.dumps(text, indent=1, sort_keys=True) + "\n")


def _listed(out: Path) -> dict[str, str]:
    """The digests of the parts that gallery.json lists, if it is there."""
    try:
        return {row["name"]: row["sha256"] for row in read(str(out))["parts"]}
    except UserError:
        return {}


def _known(path: Path, made: dict, listed: str | None) -> str:
    """The digest of the images of a part that is there and whole, made the same way; else ""."""
    try:
        found = enrolment.read_description(path)
    except UserError:  # missing, or damaged
        return ""
    if listed not in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
        return ""
    images = found.pop("images_sha256")
    return images if found == made else ""


def _enrol_part(wanted: dict, known: str, records: list[dict]):
    """On a worker: face metadata of a part, its failures, the digest of its images.

    No metadata where the images are those of a part that is known.
    """
    if known and known == enrolment.digest(pd.DataFrame(records)):
        return None, [], known
    faces, failures = enrolment.enrol_batch(wanted, records)
    hashes = {row["id"]: row["image_sha256"] for row in faces}
    hashes |= {id: image for id, _, _, image in failures}
    digest = enrolment.digest_of((r["id"], hashes[r["id"]]) for r in records)
    return enrolment.face_table(faces), failures, digest


def _row(path: Path) -> dict:
    """What gallery.json says of a part."""
    data = path.read_bytes()
    ids = pq.read_table(pa.BufferReader(data), columns=["id"])["id"]
    return {
        "name": path.name,
        "faces": len(ids),
        "first": ids[0].as_py() if len(ids) else None,
        "last": ids[-1].as_py() if len(ids) else None,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


# ---- reading


def is_one(address: str) -> bool:
    """Whether a gallery in parts is meant, and no file and no folder of images."""
    return "://" in address or (Path(address) / DESCRIPTION).is_file()


def read(address: str) -> dict:
    """gallery.json: description, faces, failures, parts. Raises UserError."""
    try:
        gallery = json.loads(_bytes(address, DESCRIPTION))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{address} is no gallery in parts: `congress-test enrol --out FOLDER/` makes one, "
            f"and writes {DESCRIPTION} when all of it is there"
        ) from error
    ends = [end for row in gallery["parts"] if row["faces"] for end in (row["first"], row["last"])]
    if ends != sorted(ends) or set(ends[1:-1:2]) & set(ends[2::2]):
        raise UserError(f"the parts of {address} overlap: an id may occur twice; enrol it again")
    return gallery


def digest(address: str) -> str:
    """The SHA-256 of what gallery.json says, which names the gallery: it has that of every part.

    Raises UserError as `read` does. The parts are checked by whoever reads them.
    """
    return hashlib.sha256(json.dumps(read(address), sort_keys=True).encode()).hexdigest()


def check(address: str) -> None:
    """Read every part once; raises UserError naming the first that is missing or damaged."""
    for row in read(address)["parts"]:
        columns_of(address, row, ["id"])


def load(address: str, row: dict, description: dict) -> Collection:
    """A part as a collection, embeddings (n, d) float32. Raises UserError as `columns_of` does."""
    table = columns_of(address, row, ["id", "embedding"])
    vectors = table["embedding"].combine_chunks()
    if len(vectors.value_lengths().unique()) != 1:
        raise UserError(f"the embeddings in {row['name']} of {address} have unequal lengths")
    ids, vectors = table["id"].to_numpy().astype(str), vectors.flatten().to_numpy()
    return Collection(ids, vectors.reshape(len(ids), -1), description)


def columns_of(address: str, row: dict, columns: list[str]) -> pa.Table:
    """Columns of a part, if it has the digest that its row states.

    Raises UserError naming the part that is missing or damaged.
    """
    try:
        data = _bytes(address, row["name"])
    except OSError as error:
        raise UserError(f"{row['name']} of {address} cannot be read ({error})") from error
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        raise UserError(
            f"{row['name']} of {address} is damaged: it is not what {DESCRIPTION} lists; "
            "copy it again, or enrol again, which makes only this part"
        )
    return pq.read_table(pa.BufferReader(data), columns=columns, use_threads=False)


def _bytes(address: str, name: str) -> bytes:
    if "://" not in address:
        return (Path(address) / name).read_bytes()
    try:
        import fsspec
    except ImportError as error:
        raise UserError(f"{address} needs fsspec: pip install fsspec") from error
    with fsspec.open(f"{address.rstrip('/')}/{name}", "rb") as file:
        return file.read()


# ---- search


def search(
    probes: Collection,
    address: str,
    threshold: float | None = None,
    top: int | None = None,
    pool: cluster.Pool | None = None,
    keep: Path | None = None,
) -> pd.DataFrame:
    """`collection.search` in a gallery in parts: the same candidates, bit for bit.

    The pool's machines search a share of the parts each, and read them at the same address. What
    they find is kept in the folder `keep`, if one is given, until all is found: the same search
    goes on from there after an interruption; whoever has the result removes the folder.
    Raises UserError as `collection.search` does, and for parts that are missing or damaged.
    """
    if keep:
        sought = hashlib.sha256(probes.embeddings.tobytes() + "\0".join(probes.ids).encode())
        plan = {"probes": sought.hexdigest(), "gallery": digest(address), "share": SHARE}
        enrolment.start_or_resume(keep, plan | {"threshold": threshold, "top": top})
    join = functools.partial(_merged, probes.ids, top)
    return over(address, _search, join, (probes, threshold, top), pool, keep)


def over(
    address: str,
    work,
    join,
    args: tuple,
    pool: cluster.Pool | None = None,
    keep: Path | None = None,
    columns: list[str] | None = None,
):
    """`work(part, *args)` for each part of a gallery, by this process or the pool, joined.

    part: a Collection, or a table of the `columns` that are named. join: of a list of results one,
    in whatever order they were joined before. keep: where results, if they are tables, are kept
    and found again.
    """
    gallery = read(address)
    if gallery["faces"] == 0:
        raise UserError(f"the gallery is empty: {address}")
    done, tasks = [], []
    how = (address, gallery["description"], columns, work, join, args)
    for share in _shares(gallery["parts"]):
        name = share[0]["name"]
        if keep and (keep / name).exists():
            done.append(pd.read_parquet(keep / name))
        else:
            tasks.append((name, ({"versions": cluster.software()}, share, *how)))
    here = ((name, _share(*task)) for name, task in tasks)
    for name, made in cluster.each(pool, _share, tasks) if pool else here:
        if keep:
            with write_atomically(keep / name, private=True) as half:
                made.to_parquet(half, index=False)
        done = _short(join, [*done, made])
    return join(done)


def _share(wanted, rows, address, description, columns, work, join, args):
    """On a worker: some of the parts, of which it holds one at a time."""
    cluster.refuse_others({"versions": cluster.software()}, wanted)
    done: list = []
    for row in rows:
        if columns:
            part = columns_of(address, row, columns).to_pandas(ignore_metadata=True)
        else:
            part = load(address, row, description)
        done = _short(join, [*done, work(part, *args)])
    return join(done)


def _short(join, done: list) -> list:
    return [join(done)] if len(done) == JOINED else done


def _shares(rows: list[dict]) -> Iterator[list[dict]]:
    """Parts that follow each other, up to SHARE faces, without empty ones."""
    share: list[dict] = []
    for row in rows:
        if share and sum(r["faces"] for r in share) + row["faces"] > SHARE:
            yield share
            share = []
        if row["faces"]:
            share.append(row)
    if share:
        yield share


def _search(part: Collection, probes, threshold, top) -> pd.DataFrame:
    return collection.search(probes, part, threshold, top)


def _merged(ids: np.ndarray, top: int | None, tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Candidates of several searches of the same probes as one would have found them."""
    table = pd.concat(tables, ignore_index=True)
    table["place"] = pd.Series(np.arange(len(ids)), ids).reindex(table["probe_id"]).to_numpy()
    table = table.sort_values(["place", "score", "gallery_id"], ignore_index=True)
    table["rank"] = table.groupby("place").cumcount() + 1
    table = table[table["rank"] <= (top or np.inf)].reset_index(drop=True)
    return table.drop(columns="place")
