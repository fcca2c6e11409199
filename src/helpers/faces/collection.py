"""A collection of face metadata and exact 1:N search: every probe against every gallery face.

Scores are distances (small is alike), rounded to 4 decimals; a candidate is a gallery face at or
below the threshold. Nothing is approximated and nothing is indexed: one matrix product in blocks.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces import enrolment
from helpers.statistics.rates import reach

DECIMALS = 4
BLOCK = 1_000_000  # scores held at a time, 8 MB


class Collection(NamedTuple):
    """Enrolled faces of one configuration: ids (n,) str, embeddings (n, d) float64, description."""

    ids: np.ndarray
    embeddings: np.ndarray
    description: dict

    @property
    def metric(self) -> str:
        return self.description["configuration"]["metric"]


def load_collection(path: Path) -> Collection:
    """Read a persisted collection, a Parquet file made by `enrol`.

    Raises UserError when it is missing, empty, or holds embeddings that cannot be compared.
    """
    return make_collection(enrolment.read_faces(path))


def make_collection(faces: pd.DataFrame) -> Collection:
    """Face metadata (columns id, embedding; description in attrs) -> a collection.

    An empty table makes an empty collection. Raises UserError for NaN, infinite or zero
    embeddings, embeddings of unequal length, and ids that occur twice.
    """
    ids = faces["id"].to_numpy(dtype=object).astype(str)
    if len(set(ids)) != len(ids):
        raise UserError("an id occurs twice in the collection")
    if len(faces) == 0:
        return Collection(ids, np.zeros((0, 0)), faces.attrs)
    if len({len(e) for e in faces["embedding"]}) != 1:
        raise UserError("the embeddings have unequal lengths: are they of one model?")
    embeddings = np.stack(faces["embedding"].to_list()).astype(np.float64)
    bad = ~np.isfinite(embeddings).all(axis=1) | ~embeddings.any(axis=1)
    if bad.any():
        raise UserError(f"the embedding of {str(ids[bad][0])!r} is zero or not finite")
    return Collection(ids, embeddings, faces.attrs)


def subset(collection: Collection, ids) -> Collection:
    """The faces with the given ids, in the collection's order."""
    keep = np.isin(collection.ids, np.asarray(list(ids), dtype=str))
    return collection._replace(ids=collection.ids[keep], embeddings=collection.embeddings[keep])


def check_comparable(probes: Collection, gallery: Collection) -> None:
    """Raise UserError unless both were enrolled with one configuration and the same weights."""
    if len(probes.ids) == 0 or len(gallery.ids) == 0:
        raise UserError(f"the {'gallery' if len(probes.ids) else 'probe set'} is empty")
    if differs := difference(probes.description, gallery.description):
        raise UserError(f"probes and gallery were enrolled differently ({differs})")
    if probes.embeddings.shape[1] != gallery.embeddings.shape[1]:
        raise UserError("probes and gallery have embeddings of different length")


def difference(one: dict, other: dict) -> str:
    """What keeps faces of two descriptions from being compared; "" where nothing does."""
    for key in ("configuration", "weights_sha256"):
        a, b = one[key], other[key]
        if a != b:
            differing = [k for k in a | b if a.get(k) != b.get(k)]
            return ", ".join(f"{k}: {a.get(k)} / {b.get(k)}" for k in differing)
    return ""


def score_blocks(probes: Collection, gallery: Collection):
    """Yield (slice of probes, scores (n probes in the slice, n gallery) float64) block by block.

    Memory is bounded by BLOCK scores. Raises UserError for collections that cannot be compared.
    """
    check_comparable(probes, gallery)
    a, b = (normalised(c.embeddings, probes.metric) for c in (probes, gallery))
    b_squared = (b * b).sum(axis=1)
    step = max(1, BLOCK // len(b))
    for start in range(0, len(a), step):
        rows = slice(start, min(start + step, len(a)))
        yield rows, distances(a[rows], b, b_squared, probes.metric)


def normalised(embeddings: np.ndarray, metric: str) -> np.ndarray:
    """Embeddings (n, d) as `distances` wants them: of length 1 for the metric "cosine"."""
    if metric == "cosine":
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings


def distances(a: np.ndarray, b: np.ndarray, b_squared: np.ndarray, metric: str) -> np.ndarray:
    """Scores (n, m), rounded, of normalised embeddings a (n, d) and b (m, d), float64.

    b_squared: the squared lengths of b, (m,).
    """
    product = a @ b.T
    if metric == "cosine":
        scores = 1 - product
    else:
        squared = (a**2).sum(axis=1)[:, None] + b_squared - 2 * product
        scores = np.sqrt(np.maximum(squared, 0))
    # + 0.0 turns a rounded -0.0 into 0.0
    return np.round(np.maximum(scores, 0), DECIMALS) + 0.0


def search(
    probes: Collection,
    gallery: Collection,
    threshold: float | None = None,
    top: int | None = None,
    exclude_same_id: bool = False,
) -> pd.DataFrame:
    """Search every probe in the gallery -> candidates: probe_id, gallery_id, score, rank.

    Returned are all gallery faces at or below `threshold`, at most `top` a probe; rank 1 is the
    most alike, equal scores are ranked by gallery id. A probe that is itself in the gallery is
    returned like any other face (score 0) unless `exclude_same_id`.
    Raises UserError for empty or incomparable collections, or a threshold that is no number.
    """
    if threshold is not None and not np.isfinite(threshold):
        raise UserError(f"the threshold {threshold} is no number")
    if top is not None and top < 1:
        raise UserError("top must be at least 1")
    order = np.argsort(gallery.ids, kind="stable")
    gallery = gallery._replace(ids=gallery.ids[order], embeddings=gallery.embeddings[order])
    parts = []
    for rows, scores in score_blocks(probes, gallery):
        if exclude_same_id:
            scores[probes.ids[rows][:, None] == gallery.ids[None, :]] = np.inf
        limit = np.full(len(scores), np.inf if threshold is None else reach(threshold))
        if top is not None and top < scores.shape[1]:
            # every face as near as the top-th one stays, so that ties are decided below
            limit = np.minimum(limit, np.partition(scores, top - 1, axis=1)[:, top - 1])
        probe, face = np.nonzero((scores <= limit[:, None]) & np.isfinite(scores))
        parts.append((probe + rows.start, face, scores[probe, face]))
    probe, face, score = (np.concatenate(x) for x in zip(*parts, strict=True))
    best_first = np.lexsort((face, score, probe))
    probe, face, score = probe[best_first], face[best_first], score[best_first]
    first = np.searchsorted(probe, probe)
    rank = np.arange(len(probe)) - first + 1
    keep = slice(None) if top is None else rank <= top
    return pd.DataFrame(
        {
            "probe_id": probes.ids[probe[keep]].astype(str),
            "gallery_id": gallery.ids[face[keep]].astype(str),
            "score": score[keep],
            "rank": rank[keep],
        }
    )
