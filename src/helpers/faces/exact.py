"""The score of two faces, and all pairs that are near enough: float32 screens, float64 decides.

The score of two faces is what `pair_scores` makes of them, whatever else is searched; a matrix
product is faster, and decides wherever its error cannot matter. A sum of d products of numbers
rounded to a unit u is wrong by at most d u / (1 - d u) times the product of the two lengths
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1; Cauchy-Schwarz).
"""

import math
from typing import NamedTuple

import numpy as np

from helpers.statistics.rates import reach

DECIMALS = 4
STEPS = 10.0**DECIMALS  # in a score of 1
HALF = 0.51 / STEPS  # half a step, and a little more
BLOCK = 1_000_000  # scores held at a time
WIDTH = 65_536  # of them of one probe: many searches at once, in a core's own cache
ROWS = 1_024  # embeddings converted at a time
MANY = 64  # probes, from which on moving the gallery costs little beside the products
LENGTHS = (1e-15, 1e15)  # of embeddings whose products float32 can hold


class Prepared(NamedTuple):
    """A gallery made ready for many searches by `collection.prepare`.

    ids (n,) str; place (n,) int, that of each id among all of them sorted; embeddings (n, d), as
    given; screen (n, d), the same as float32; lengths and longest as from `lengths`; description;
    moved: as from `moved`, or None.
    """

    ids: np.ndarray
    place: np.ndarray
    embeddings: np.ndarray
    screen: np.ndarray
    lengths: np.ndarray
    longest: float
    description: dict
    moved: tuple[np.ndarray, np.ndarray, float] | None = None

    @property
    def metric(self) -> str:
        return self.description["configuration"]["metric"]


class _Meaning(NamedTuple):
    """What rough scores say: the score, or its square, is offset + slope * rough, +- error.

    offset, error: (n, 1), one a probe.
    """

    offset: np.ndarray
    slope: float
    error: np.ndarray
    is_square: bool

    def of(self, probe: np.ndarray) -> "_Meaning":
        """For pairs in a row, of the given probes."""
        return self._replace(offset=self.offset[probe, 0], error=self.error[probe, 0])

    def read(self, rough: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores of rough ones, and how far they may be off: of a table by row, else each."""
        score = self.slope * rough
        score += self.offset
        np.maximum(score, 0, out=score)
        if not self.is_square:
            return score, self.error
        np.sqrt(score, out=score)
        least = score.min(axis=1, keepdims=True) if score.ndim == 2 else score
        # sqrt(x) - sqrt(x - e) is e / (sqrt(x) + sqrt(x - e)), and more than sqrt(x + e) - sqrt(x);
        # where x is below e neither is more than sqrt(e)
        both = least + np.sqrt(np.maximum(least * least - self.error, 0))
        return score, self.error / np.maximum(both, np.sqrt(self.error))

    def limit(self, score: np.ndarray) -> np.ndarray:
        """What no rough score exceeds, float32, of a pair whose rounded score is at most that."""
        most = np.maximum(score + HALF, 0)
        most = ((most**2 if self.is_square else most) + self.error - self.offset) / self.slope
        return np.nextafter(most.astype(np.float32), np.float32(np.inf))


def _meaning(a: np.ndarray, longest: float, metric: str, precision) -> _Meaning:
    """Of rough scores of probes a: minus the product, or half of |b|^2 (<= longest^2) less it."""
    unit, unit64 = (float(np.finfo(each).eps) / 2 for each in (precision, np.float64))
    terms = a.shape[1] + 8  # the sum, and roundings of what goes in and of what is done after
    gamma, gamma64 = (terms * u / (1 - terms * u) for u in (unit, unit64))
    if metric == "cosine":
        one = np.ones((len(a), 1))
        return _Meaning(one, 1.0, (gamma + gamma64) * one, False)
    squared = (a * a).sum(axis=1, keepdims=True)
    length = np.sqrt(squared)
    error = 2 * gamma * length * longest + (8 * unit + 2 * gamma64) * (length + longest) ** 2
    return _Meaning(squared, 2.0, error, True)


def normalised(embeddings: np.ndarray, metric: str) -> np.ndarray:
    """Embeddings (n, d) as scores want them: float64, of length 1 for the metric "cosine"."""
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if metric == "cosine":
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings


def squared_lengths(embeddings: np.ndarray, centre=0) -> np.ndarray:
    """Squared lengths (n,) float64 of embeddings (n, d) less a centre, a few rows at a time."""
    squared = np.zeros(len(embeddings))
    for start in range(0, len(embeddings), ROWS):
        rows = embeddings[start : start + ROWS].astype(np.float64) - centre
        squared[start : start + ROWS] = (rows * rows).sum(axis=1)
    return squared


def lengths(squared: np.ndarray, metric: str) -> tuple[np.ndarray, float]:
    """What rough scores need of the gallery's squared lengths (n,): (n,) float32, and the longest.

    Each is what the product with a probe is multiplied with (cosine) or what is added to it, NaN
    where float32 cannot judge.
    """
    fits = squared < LENGTHS[1] ** 2
    longest = math.sqrt(squared.max(where=fits, initial=0))
    with np.errstate(over="ignore", divide="ignore"):
        if metric == "cosine":
            fits &= squared > LENGTHS[0] ** 2
            squared = 1 / np.sqrt(squared)
        else:
            squared = squared / 2
        return np.where(fits, squared, np.nan).astype(np.float32), longest


def moved(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """A centre (d,) float32 of embeddings (n, d) float32, and `lengths` of what is left without it.

    A Euclidean distance is the same from any centre, and the error of float32 much smaller where
    the vectors are shorter, so that fewer pairs are left to float64.
    """
    centre = embeddings[:ROWS].mean(axis=0, dtype=np.float64).astype(np.float32)
    return centre, *lengths(squared_lengths(embeddings, centre), "euclidean")


def pair_scores(a: np.ndarray, b: np.ndarray, metric: str) -> np.ndarray:
    """Scores (n,), rounded, of normalised embeddings a (n, d) and b (n, d), row by row."""
    if metric == "cosine":
        return _rounded(1 - (a * b).sum(axis=1))
    apart = a - b
    apart *= apart
    return _rounded(np.sqrt(apart.sum(axis=1)))


def _rounded(scores: np.ndarray) -> np.ndarray:
    return np.rint(np.maximum(scores, 0) * STEPS) / STEPS


def _decided(rough: np.ndarray, meaning: _Meaning, pairs) -> np.ndarray:
    """Rounded scores; pairs: places among the rough ones -> what `pair_scores` takes."""
    score, error = meaning.read(rough)
    score *= STEPS
    rounded = np.rint(score)
    score -= rounded
    np.abs(score, out=score)
    # nearer than the error to the middle of two roundings, or NaN
    unsure = np.flatnonzero(~(score < 0.5 - STEPS * error))
    rounded /= STEPS
    for start in range(0, len(unsure), ROWS):
        some = unsure[start : start + ROWS]
        rounded.flat[some] = pair_scores(*pairs(some))
    return rounded


def distances(a: np.ndarray, b: np.ndarray, metric: str) -> np.ndarray:
    """Scores (n, m), rounded, of normalised embeddings a (n, d) and b (m, d), float64."""
    rough = -a @ b.T
    if metric != "cosine":
        rough += (b * b).sum(axis=1) / 2
    meaning = _meaning(a, np.linalg.norm(b, axis=1).max(), metric, np.float64)
    return _decided(rough, meaning, lambda at: (a[at // len(b)], b[at % len(b)], metric))


def nearest(vectors: np.ndarray, gallery: Prepared, threshold=None, top=None, own=None):
    """Search embeddings (n, d) in a gallery -> row of the probe, row of the face, score; 3 arrays.

    Candidates as of `collection.search`, best first, probe by probe. own: for each probe the row of
    a face that is no candidate of it, or -1.
    """
    own = np.full(len(vectors), -1) if own is None else own
    step = min(len(vectors), math.isqrt(BLOCK))
    parts = []
    for start in range(0, len(vectors), step):
        rows = slice(start, start + step)
        # NaN and infinity are meant: they stand for what float32 cannot judge
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            a = normalised(vectors[rows], gallery.metric)
            probe, face, score = _nearest(a, gallery, threshold, top, own[rows])
        parts.append((probe + start, face, score))
    return tuple(np.concatenate(x) for x in zip(*parts, strict=True))


def _nearest(a: np.ndarray, gallery: Prepared, threshold, top, own):
    """`nearest` for a block of probes, normalised."""
    centre, lengths, longest = None, gallery.lengths, gallery.longest
    if gallery.moved and len(a) >= MANY:
        centre, lengths, longest = gallery.moved
    near = a if centre is None else a - centre
    meaning = _meaning(near, longest, gallery.metric, np.float32)
    reached = np.full((len(a), 1), np.inf if threshold is None else reach(threshold))
    limit = meaning.limit(reached)
    minus, width = -near.astype(np.float32), max(1, min(WIDTH, BLOCK // len(a)))
    minus[~((near * near).sum(axis=1) < LENGTHS[1] ** 2)] = np.nan
    memory = np.empty(len(a) * min(width, len(gallery.ids)), dtype=np.float32)
    kept, count = [], 0
    for start in range(0, len(gallery.ids), width):
        span = slice(start, start + width)
        screen, scale = gallery.screen[span], lengths[span]
        if centre is not None:
            screen = screen - centre
        elif gallery.metric == "cosine" and len(a) >= MANY:
            # a row of the gallery has fewer numbers than there are products with it
            screen, scale = screen * scale[:, None], None
        rough = _rough(minus, screen, scale, gallery.metric, memory)
        if top is not None and start == 0 and top < rough.shape[1]:
            # one more than asked for: one may be no candidate
            last = np.partition(rough, top, axis=1)[:, top : top + 1].astype(np.float64)
            # a score may be rounded up by half a step
            score, error = meaning.read(last)
            limit = np.fmin(limit, meaning.limit(score + error + HALF))
        far = rough > limit  # what is NaN is not
        at = np.flatnonzero(np.logical_not(far, out=far))
        probe, face = np.divmod(at, rough.shape[1])
        face += start

        def pairs(some, probe=probe, face=face):
            b = normalised(gallery.embeddings[face[some]], gallery.metric)
            return a[probe[some]], b, gallery.metric

        score = _decided(rough.ravel()[at].astype(np.float64), meaning.of(probe), pairs)
        keep = (score <= reached[probe, 0]) & np.isfinite(score) & (face != own[probe])
        kept.append((probe[keep], face[keep], score[keep]))
        count += len(kept[-1][0])
        if top is not None and count > 2 * top * len(a):
            kept = [_best(kept, gallery.place, top)]
            count = len(kept[0][0])
            probe, _, score = kept[0]
            full = np.flatnonzero(np.bincount(probe, minlength=len(a)) == top)
            worst = score[np.searchsorted(probe, full, side="right") - 1, None]
            reached[full] = np.minimum(reached[full], worst)
            limit = np.fmin(limit, meaning.limit(reached))
    return _best(kept, gallery.place, top)


def _rough(minus, screen, lengths, metric: str, memory: np.ndarray) -> np.ndarray:
    """Rough scores (n, faces of the screen) float32, in memory; NaN where float32 cannot judge.

    lengths: as from `lengths`; None where the screen has been multiplied with them.
    """
    rough = memory[: len(minus) * len(screen)].reshape(len(minus), -1)
    np.matmul(minus, screen.T, out=rough)
    if metric == "cosine" and lengths is not None:
        rough *= lengths
    elif metric == "euclidean":
        rough += lengths
    return rough


def _best(kept, place: np.ndarray, top):
    """Candidates in their order, the best `top` of each probe."""
    probe, face, score = (np.concatenate(x) for x in zip(*kept, strict=True))
    order = np.lexsort((_short(place[face]), _short(score, STEPS), _short(probe)))
    if top is not None:
        ordered = probe[order]
        order = order[np.arange(len(order)) - np.searchsorted(ordered, ordered) < top]
    return probe[order], face[order], score[order]


def _short(key: np.ndarray, steps: float = 1) -> np.ndarray:
    """Whole numbers over `steps`, as short whole ones if they fit: those are sorted faster."""
    return np.rint(key * steps).astype(np.uint16) if key.max(initial=0) * steps < 2**16 - 1 else key
