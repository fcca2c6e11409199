"""Scores against a gallery in parts, of which nobody holds more than one at a time.

The same numbers as of one collection: identity clusters are looked for only around the candidates
that the same-person rule looks at, and as far as they reach.
"""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array

from helpers.errors import UserError
from helpers.faces import parts, same_person
from helpers.faces.collection import Collection, subset
from helpers.protocol import scores
from helpers.protocol.scores import Scores


def compute(
    probes: Collection,
    second: Collection | None,
    address: str,
    margin: pd.Series | None,
    twice: pd.DataFrame,
    keep_probes: int,
    pool=None,
) -> Scores:
    """`scores.compute` in a gallery in parts, by the pool's machines if there is a pool.

    margin: of the same-person rule, by k; None where the rule is not applied. twice: decisions on
    gallery faces, each named as its own cluster, from a file that is searched. Clusters other than
    single faces are known for those faces only that the rule looks at. Raises UserError.
    """
    same = pd.DataFrame(columns=same_person.DECISIONS)
    clusters = pd.Series(twice["cluster"].to_numpy(), twice["cluster"], dtype="str")
    clusters = clusters[~clusters.index.duplicated()]
    if margin is not None:
        near = parts.search(probes, address, top=same_person.DEPTH, pool=pool)
        looked = {*near["gallery_id"], *twice["cluster"]}
        clusters = clusters_of(looked, address, probes, pool)
        same = same_person.same_person_alone(near, clusters, margin)
    if len(twice):
        twice = twice.assign(cluster=twice["cluster"].map(clusters))
        same = pd.concat([twice, same], ignore_index=True).drop_duplicates(["probe_id", "cluster"])
    removed = clusters.index[clusters.isin(same["cluster"])].to_numpy(dtype=str)
    faces = parts.read(address)["faces"] - len(removed)
    if faces == 0:
        raise UserError(scores.NOBODY_LEFT)
    p90 = scores.genuine_p90(scores.genuine_scores(probes, second)) if second else 0.0
    best, histograms = [], []
    for portrait, side in (("first", probes), ("second", second)):
        if side:
            found, histogram = parts.over(address, _measure, _joined, (side, removed, p90), pool)
            best.append(found.assign(portrait=portrait))
            histograms.append(histogram)
    upto = float(np.sort(best[0]["rule"])[min(keep_probes, len(best[0])) - 1])
    candidates = parts.search(probes, address, upto, pool=pool)
    candidates = candidates[~candidates["gallery_id"].isin(removed)].reset_index(drop=True)
    candidates["rank"] = candidates.groupby("probe_id", sort=False).cumcount() + 1
    cluster = candidates["gallery_id"].map(clusters).fillna(candidates["gallery_id"])
    candidates.insert(2, "cluster", cluster.astype("str"))
    candidates.insert(3, "contested", False)
    return Scores(
        best=pd.concat(best, ignore_index=True),
        candidates=candidates,
        histogram=histograms[0],
        faces=faces,
        removed=len(removed),
        upto=upto,
        same_person=same,
        description={**probes.description, "genuine_p90": p90},
    )


def with_images(address: str, hashes: pd.Series, pool=None) -> pd.DataFrame:
    """Faces of the gallery (id, image_sha256) whose image is one of those."""
    columns = ["id", "image_sha256"]
    return parts.over(address, _with_images, _tables, (set(hashes),), pool, columns=columns)


def _with_images(part: pd.DataFrame, hashes: set) -> pd.DataFrame:
    return part[part["image_sha256"].isin(hashes)]


def _tables(some: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(some, ignore_index=True)


def clusters_of(ids, address: str, like: Collection, pool=None) -> pd.Series:
    """`same_person.identity_clusters` of some faces and of all that these lead to: id -> cluster.

    like: faces of the same pipeline.
    """
    limit = same_person.load_near()[like.description["configuration"]["model"]]
    links, seen, new = [], set(), set(ids)
    while new:
        faces = parts.over(address, subset, _together, (sorted(new),), pool)
        links.append(parts.search(faces, address, limit, pool=pool))
        seen |= new
        new = set(links[-1]["gallery_id"]) - seen
    every = pd.concat(links)
    names = np.array(sorted(seen))
    a, b = (
        np.searchsorted(names, every[c].to_numpy(dtype=str)) for c in ("probe_id", "gallery_id")
    )
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(len(names),) * 2)
    return same_person.components(names, graph)


def _together(some: list[Collection]) -> Collection:
    ids, vectors = ([c.ids for c in some], [c.embeddings for c in some])
    return some[0]._replace(ids=np.concatenate(ids), embeddings=np.concatenate(vectors))


def _measure(part: Collection, probes: Collection, removed: np.ndarray, p90: float):
    kept = ~np.isin(part.ids, removed)
    return scores.best_and_histogram(probes, part, kept, kept, p90)


def _joined(measured: list) -> tuple[pd.DataFrame, pd.DataFrame]:
    best, histograms = (pd.concat(tables) for tables in zip(*measured, strict=True))
    best = best.groupby("probe_id", sort=False).min().reset_index()
    return best, histograms.groupby("score")["pairs"].sum().reset_index()
