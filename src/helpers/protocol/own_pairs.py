"""The validity gate on anybody's photographs: a CSV of two files a row, and their folder."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from helpers.errors import UserError
from helpers.faces import collection, enrolment, kept
from helpers.faces.collection import Collection
from helpers.files import say
from helpers.protocol import shipping, validity
from helpers.sources import photographs, spreadsheets

COLUMNS = ["a", "b"]


def read(path: Path, images: Path) -> pd.DataFrame:
    """Read the pairs: a, b (file names in the folder `images`) and, where given, same (bool).

    Raises UserError for a missing file or folder, a header without a and b, other columns, empty
    cells, a row that names one file twice, a `same` that is not 1 or 0, and images that are not
    there.
    """
    if not Path(images).is_dir():
        raise UserError(f"{images}: no such folder of images")
    pairs = spreadsheets.read(path, "pairs")
    extra = [c for c in pairs.columns if c not in [*COLUMNS, "same"]]
    if not set(COLUMNS) <= set(pairs.columns):
        raise UserError(
            f"{path} has no header with the columns a and b (its first line reads "
            f"{', '.join(pairs.columns)!r}); write a,b above the two file names of each row"
        )
    if extra:
        raise UserError(f"{path} has a column {extra[0]!r}; it may have a, b and same")
    if pairs.empty:
        raise UserError(f"{path} has a header and no pairs")
    checks = {
        "names one file only": (pairs[COLUMNS] == "").any(axis=1),
        "names one file twice": pairs["a"] == pairs["b"],
    }
    if "same" in pairs:
        checks["has a same that is not 1 or 0"] = ~pairs["same"].isin(["0", "1"])
    for what, wrong in checks.items():
        if wrong.any():
            raise UserError(f"line {wrong.idxmax()} of {path} {what}")
    there = photographs.in_folder(Path(images))[0]
    files = sorted({*pairs["a"], *pairs["b"]})
    missing = [f for f in files if f not in there]
    if missing:
        raise UserError(
            f"{len(missing)} of the {len(files)} files in {path} are not in {images} "
            f"(first: {missing[0]!r})"
        )
    if "same" in pairs:
        pairs["same"] = pairs["same"] == "1"
    return pairs.drop_duplicates(ignore_index=True)


def people(pairs: pd.DataFrame) -> pd.Series:
    """Who is on each file, a number by file name: files of one person are those joined by pairs.

    Raises UserError where two files are called different people and other rows join them.
    """
    files = pd.Index(sorted({*pairs["a"], *pairs["b"]}))
    joined = pairs[pairs["same"]] if "same" in pairs else pairs
    a, b = (files.get_indexer(joined[c]) for c in COLUMNS)
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(len(files), len(files)))
    person = pd.Series(connected_components(graph, directed=False)[1], index=files)
    if "same" in pairs:
        apart = pairs[~pairs["same"]]
        wrong = person[apart["a"]].to_numpy() == person[apart["b"]].to_numpy()
        if wrong.any():
            row = apart[wrong].iloc[0]
            raise UserError(
                f"{row['a']} and {row['b']} are called different people (same is 0), but other "
                "rows make them one person"
            )
    return person


def compare(faces: Collection, pairs: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of the gate: a, b (people), score, genuine.

    Genuine are the rows of `pairs` (those with same = 1). Impostors are the rows with same = 0;
    without that column all pairs of files of different people. A file that failed to enrol is in
    none.
    """
    person = people(pairs)
    table = validity.pairs_among(faces, person[faces.ids].to_numpy())
    i, j = np.triu_indices(len(faces.ids), 1)
    place = pd.Series(np.arange(len(faces.ids)), index=faces.ids)
    enrolled = pairs[pairs["a"].isin(place.index) & pairs["b"].isin(place.index)]
    ends = np.sort(np.column_stack([place[enrolled[c]] for c in COLUMNS]), axis=1)
    listed = pd.MultiIndex.from_arrays([i, j]).isin(pd.MultiIndex.from_arrays(ends.T))
    return table[listed if "same" in pairs else listed | ~table["genuine"]]


def rank_1(faces: Collection, pairs: pd.DataFrame) -> dict:
    """Each file a, searched among all files b: is its own person first? Without `same` only."""
    probes, gallery = (collection.subset(faces, pairs[c]) for c in COLUMNS)
    return validity.rank_1(probes, gallery, people(pairs))


def enrolled(
    path: Path, images: Path, model: str, workers: int | None = None, progress: bool = True
) -> tuple[pd.DataFrame, Collection]:
    """Pairs from a CSV, and their faces, enrolled into the cache once; UserError as `read`,
    `people`.
    """
    pairs = read(path, images)
    people(pairs)  # contradictions are told before the images are enrolled
    names = sorted({*pairs["a"], *pairs["b"]})
    there = photographs.in_folder(Path(images))[0]
    files = pd.DataFrame({"id": names, "path": [there[n] for n in names]})
    out = kept.enrolled(files, images, model, shipping.DETECTOR, workers, progress, of="pairs")
    rows = enrolment.read_faces(out)
    faces = collection.make_collection(rows)
    sha = rows.set_index("id")["image_sha256"]
    copies = pairs["a"].map(sha).eq(pairs["b"].map(sha))
    if copies.any():
        say(f"{copies.sum()} of {len(pairs)} pairs are two copies of one photograph: left out")
        pairs = pairs[~copies].reset_index(drop=True)
    return pairs, faces


def gate(
    path: Path, images: Path, model: str, workers: int | None = None, progress: bool = True
) -> pd.DataFrame:
    """The gate of one pipeline on pairs from a CSV: one row, columns as in `validity.gate`.

    Raises UserError as `enrolled` does.
    """
    pairs, faces = enrolled(path, images, model, workers, progress)
    same = pairs[pairs["same"]] if "same" in pairs else pairs
    failed = ~(same["a"].isin(faces.ids) & same["b"].isin(faces.ids))
    result = validity.rates_of(compare(faces, pairs))
    if "same" not in pairs:
        result |= rank_1(faces, pairs)
    row = {"model": model, "dataset": Path(path).name} | result | {"failed": int(failed.sum())}
    return pd.DataFrame([row])
