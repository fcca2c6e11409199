"""A collection of face metadata and exact 1:N search: every probe against every gallery face.

Scores are distances (small is alike), rounded to 4 decimals; a candidate is a gallery face at or
below the threshold. Nothing is approximated and nothing is indexed (`helpers.faces.exact`).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces import enrolment, exact
from helpers.faces.exact import DECIMALS as DECIMALS
from helpers.faces.exact import Prepared

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


def check_comparable(probes: Collection, gallery: Collection | Prepared) -> None:
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


def prepare(gallery: Collection) -> Prepared:
    """Make a gallery ready for many searches, in any order of its ids.

    Embeddings of float32 are not copied: a np.memmap of a file may be larger than the memory.
    Raises UserError for embeddings that are zero or not finite, and ids that occur twice.
    """
    ids, embeddings = gallery.ids, gallery.embeddings
    squared = exact.squared_lengths(embeddings)
    bad = ~np.isfinite(squared) | ((squared == 0) & (gallery.metric == "cosine"))
    if bad.any():
        raise UserError(f"the embedding of {str(ids[bad][0])!r} is zero or not finite")
    place = np.arange(len(ids))
    if not (ids[:-1] < ids[1:]).all():
        order = np.argsort(ids, kind="stable")
        place[order] = np.arange(len(ids))
        if (ids[order[:-1]] == ids[order[1:]]).any():
            raise UserError("an id occurs twice in the gallery")
    with np.errstate(over="ignore"):  # what float32 cannot hold is decided without it
        screen = np.asarray(embeddings).astype(np.float32, copy=False)
    lengths = exact.lengths(squared, gallery.metric)
    moved = None
    exact_in_float32 = embeddings.dtype == np.float32 or np.array_equal(screen, embeddings)
    if gallery.metric == "euclidean" and exact_in_float32:
        moved = exact.moved(screen)
    return Prepared(ids, place, embeddings, screen, *lengths, gallery.description, moved)


def score_blocks(probes: Collection, gallery: Collection):
    """Yield (slice of probes, scores (n probes in the slice, n gallery) float64) block by block.

    Memory is bounded by BLOCK scores. Raises UserError for collections that cannot be compared.
    """
    check_comparable(probes, gallery)
    a, b = (exact.normalised(c.embeddings, probes.metric) for c in (probes, gallery))
    step = max(1, BLOCK // len(b))
    for start in range(0, len(a), step):
        rows = slice(start, min(start + step, len(a)))
        yield rows, exact.distances(a[rows], b, probes.metric)


def search(
    probes: Collection,
    gallery: Collection | Prepared,
    threshold: float | None = None,
    top: int | None = None,
    exclude_same_id: bool = False,
) -> pd.DataFrame:
    """Search every probe in the gallery -> candidates: probe_id, gallery_id, score, rank.

    Returned are all gallery faces at or below `threshold`, at most `top` a probe; rank 1 is the
    most alike, equal scores are ranked by gallery id. A probe that is itself in the gallery is
    returned like any other face (score 0) unless `exclude_same_id`. For many searches in one
    gallery `prepare` it once.
    Raises UserError for empty or incomparable collections, or a threshold that is no number.
    """
    if threshold is not None and not np.isfinite(threshold):
        raise UserError(f"the threshold {threshold} is no number")
    if top is not None and top < 1:
        raise UserError("top must be at least 1")
    check_comparable(probes, gallery)
    if isinstance(gallery, Collection):
        gallery = prepare(gallery)
    own = _own_rows(probes.ids, gallery) if exclude_same_id else None
    probe, face, score = exact.nearest(probes.embeddings, gallery, threshold, top, own)
    return pd.DataFrame(
        {
            "probe_id": _texts(probes.ids, probe),
            "gallery_id": _texts(gallery.ids, face),
            "score": score,
            "rank": np.arange(len(probe)) - np.searchsorted(probe, probe) + 1,
        }
    )


def _own_rows(ids: np.ndarray, gallery: Prepared) -> np.ndarray:
    """The rows of the faces with the given ids in a gallery, -1 for those it lacks."""
    order = np.argsort(gallery.place)
    at = np.searchsorted(gallery.ids, ids, sorter=order)
    row = order[np.minimum(at, len(order) - 1)]
    return np.where(gallery.ids[row] == ids, row, -1)


def _texts(ids: np.ndarray, at: np.ndarray):
    """The ids at some places, of which many are the same: each is made a text once."""
    used = np.zeros(len(ids), dtype=bool)
    used[at] = True
    return pd.array(ids[used].astype(str), dtype="str").take(np.cumsum(used)[at] - 1)
