"""The grid of the explorer: threshold, gallery and its size, model -> members falsely matched.

Exact expectations over random parts of the gallery (`rates.expected_fpir_hypergeometric`). What
ships are sums over recorded groups of members.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.experiments.how_big_is_the_gallery import models_beyond
from helpers.experiments.what_the_officer_sees import tables as candidate_lists
from helpers.faces import collection
from helpers.faces.pipelines import MODELS
from helpers.paths import DATA
from helpers.protocol import shipped, shipping
from helpers.statistics import rates

RESULTS = DATA / "results"
TABLE = "explorer.csv"
STEPS = 20  # thresholds at even distances, besides the named ones
SIZES = {
    "utkface": (500, 1000, 2000, 3000, 5000, 7500, 10000, 12500, 15000),
    "legislators": (250, 500, 1000, 1500, 2000, 2500, 3000, 3500),
}  # faces; the whole gallery comes last
NAMED = {
    "default": "the library's default",
    "count:28": "28 members flagged in the whole gallery",
    "fmr:0.001": "calibrated to an FMR of 1e-3",
    "fmr:0.0001": "calibrated to an FMR of 1e-4",
    "fmr:1e-05": "calibrated to an FMR of 1e-5",
    "fmr:1e-06": "calibrated to an FMR of 1e-6",
}


def grid(best, named: dict) -> pd.DataFrame:
    """The thresholds of one gallery and model: columns threshold (ascending), name ("" if none).

    best: best impostor score of each member. Even steps lead from just below the best of all to
    the score within which 98 % of the members have a candidate, or the loosest named threshold.
    """
    best = np.sort(np.asarray(best)[np.isfinite(best)])
    low = 0.97 * min(best[0], *named.values())
    high = max(best[int(0.98 * (len(best) - 1))], *named.values())
    even = np.round(np.linspace(low, high, STEPS), 3)
    names = {round(value, 4): name for name, value in named.items()}
    values = sorted({*names, *(v for v in even if v not in names)})
    return pd.DataFrame({"threshold": values, "name": [names.get(v, "") for v in values]})


def expected(within: np.ndarray, faces: int, size: int, cells: pd.Series) -> pd.Series:
    """Expected members falsely matched in `size` of the `faces`, by cell; within: matches, each."""
    chance = models_beyond.expected(within, faces, size)
    return pd.Series(chance).groupby(cells.to_numpy()).sum()


def explore(scores_of: np.ndarray, enrolled: np.ndarray, cells, thresholds, sizes) -> pd.DataFrame:
    """The grid of one gallery and model: one row a threshold and size.

    scores_of: (enrolled members, faces) rounded scores. enrolled: (members,) bool; who failed to
    enrol is never matched. cells: (members,). Columns threshold, name, size, per_million (of a
    million single comparisons, those at or below the threshold), and one a cell: expected number of
    its members falsely matched.
    """
    n_faces = scores_of.shape[1]
    rows = []
    for threshold, name in thresholds[["threshold", "name"]].itertuples(index=False):
        within = np.zeros(len(enrolled), dtype=np.int64)
        within[enrolled] = rates.at_or_below(scores_of, threshold).sum(axis=1)
        head = {"threshold": threshold, "name": name}
        fmr = within.sum() / (enrolled.sum() * n_faces)
        for size in [*(s for s in sizes if s < n_faces), n_faces]:
            row = head | {"size": size, "per_million": 1e6 * fmr}
            rows.append(row | expected(within, n_faces, size, cells).to_dict())
    return pd.DataFrame(rows)


def make(out: Path) -> None:
    """Write explorer.csv into the folder `out`; deterministic."""
    parts = []
    pairs = [(gallery, model) for gallery in shipped.GALLERIES for model in MODELS]
    for gallery, model in pairs:
        members = shipped.result(gallery, model).members
        probes = shipping.load_dataset("probes", model)
        faces, _, kept = candidate_lists.faces_searched(gallery, model)
        strangers = collection.subset(faces, faces.ids[kept])
        blocks = [found for _, found in collection.score_blocks(probes, strangers)]
        position = pd.Index(probes.ids).get_indexer(members.loc[members["enrolled"], "member_id"])
        named = {p: shipped.result(gallery, model, p).summary["threshold"] for p in NAMED}
        thresholds = grid(members["score"], named)
        cells = members["group"] + ", " + members["gender"]
        found, enrolled = np.concatenate(blocks)[position], members["enrolled"].to_numpy()
        table = explore(found, enrolled, cells, thresholds, SIZES[gallery])
        parts.append(table.assign(gallery=gallery, model=model))
    table = pd.concat(parts, ignore_index=True)
    first = ["gallery", "model", "threshold", "name", "size", "per_million"]
    table = table[[*first, *table.columns.drop(first)]]
    table["per_million"] = table["per_million"].map(lambda v: float(f"{v:.4g}"))
    table = table.round(dict.fromkeys(table.columns[len(first) :], 2))
    table.to_csv(out / TABLE, index=False, float_format="%.6g", lineterminator="\n")
