"""The attack on what ships of a private gallery: from public probes and scores back to a face.

A comparison score with a known embedding is one linear equation in the unknown one. With the mean
and covariance of faces in general, few equations give the most likely face (the posterior mean of
a normal distribution); with as many equations as dimensions they give the face itself.

Scores of several pipelines with the same face are used together in two ways: `fused` finds the
face in each pipeline and adds up how far the database's faces are from it; `joint` takes the
embeddings of all pipelines as one long vector with one normal distribution, so that a score in one
pipeline also says something of the face in the others.

Dictionaries here are by pipeline. A face is as the metric sees it (`vectors`); z is that face, for
Euclidean scores followed by half its squared length (`lift`).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

ROUNDING = 1e-4 / np.sqrt(12)  # standard deviation of what rounding to four decimals takes away
# How much of the correlations between pipelines is taken for chance: of the shares 0, 0.1, 0.2,
# 0.3, 0.5, 0.7 and 0.9 the one that makes the other half of the former legislators most likely.
SHRINKAGE = 0.1


class Belief(NamedTuple):
    """Faces in general: mean (d,) and covariance (d, d) of z.

    again: (d, d), what is expected of z once another photograph z' of the person is known,
    z - mean = again (z' - mean), and left (d, d): the covariance about it.
    """

    mean: np.ndarray
    covariance: np.ndarray
    again: np.ndarray | None = None
    left: np.ndarray | None = None


class Knowledge(NamedTuple):
    """What the attacker knows: metrics, public probes, and beliefs of faces in general.

    ids: of the probes. probes: dict of (n, d). belief: dict of `Belief`; joint: one of the z of all
    pipelines side by side, in the order of `metric`.
    """

    metric: dict
    ids: np.ndarray
    probes: dict
    belief: dict
    joint: Belief


def vectors(collection) -> np.ndarray:
    """Embeddings as the metric sees them: of length 1 for the cosine."""
    e = collection.embeddings
    return e / np.linalg.norm(e, axis=1, keepdims=True) if collection.metric == "cosine" else e


def lift(faces: np.ndarray, metric: str) -> np.ndarray:
    """Faces (n, d) -> z; a Euclidean distance is linear in it: d^2 = |a|^2 + |x|^2 - 2 a x."""
    return faces if metric == "cosine" else np.column_stack([faces, (faces**2).sum(axis=1) / 2])


def side_by_side(faces: dict, metric: dict) -> np.ndarray:
    """The z of all pipelines as one: (n, sum of the lengths); rows are the same people."""
    return np.hstack([lift(faces[m], metric[m]) for m in metric])


def prior(faces: np.ndarray, metric: str) -> Belief:
    """Faces in general from examples (n, d) in one pipeline."""
    z = lift(faces, metric)
    return Belief(z.mean(axis=0), np.cov(z, rowvar=False) + 1e-9 * np.eye(z.shape[1]))


def joint_prior(faces, first, second, metric, shrinkage=SHRINKAGE) -> Belief:
    """Faces in general in all pipelines at once, from examples and pairs of photographs.

    first, second: dict of two photographs of the same people; they say how much of each principal
    axis is the person's and how much is the photograph's.
    """
    z = side_by_side(faces, metric)
    of = np.concatenate(
        [[i] * lift(faces[m][:1], k).shape[1] for i, (m, k) in enumerate(metric.items())]
    )
    trust = np.where(of[:, None] == of, 1, 1 - shrinkage)
    covariance = np.cov(z, rowvar=False) * trust + 1e-9 * np.eye(z.shape[1])
    _, axes = np.linalg.eigh(covariance)
    a, b = (side_by_side(pair, metric) @ axes for pair in (first, second))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    kept = np.clip(2 * (a * b).mean(axis=0) / (a**2 + b**2).mean(axis=0), 0, 0.99)
    again = (axes * kept) @ axes.T
    return Belief(z.mean(axis=0), covariance, again, covariance - again @ covariance @ again.T)


def equations(probes, scores, metric) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (k,) with known faces (k, d) as equations a z = b, and their standard errors (k,)."""
    if metric == "cosine":
        return probes, 1 - scores, np.full(len(scores), ROUNDING)
    a = np.column_stack([probes, -np.ones(len(probes))])
    return a, ((probes**2).sum(axis=1) - scores**2) / 2, ROUNDING * scores


def reconstruct(probes: np.ndarray, scores: np.ndarray, metric: str, belief: Belief) -> np.ndarray:
    """The most likely face (d,) given its scores (k,) with known faces (k, d)."""
    a, b, noise = equations(probes, scores, metric)
    gain = belief.covariance @ a.T
    inner = a @ gain + np.diag(noise**2)
    z = belief.mean + gain @ np.linalg.solve(inner, b - a @ belief.mean)
    return z[: probes.shape[1]]


def distances(x: np.ndarray, database: np.ndarray, metric: str) -> np.ndarray:
    """Distance of one face (d,) to each of a database (n, d)."""
    if metric == "cosine":
        return 1 - database @ (x / np.linalg.norm(x))
    return np.linalg.norm(database - x, axis=1)


def fused(seen: dict, knows: Knowledge, database: dict, nearest=False) -> np.ndarray:
    """How far each face of a database is from the one whose scores are seen: (n,), small is alike.

    seen: dict of (probes (k, d), scores (k,)). Distances to the reconstructed face in standard
    deviations, weighted by the number of scores. nearest: the best listed probe takes the place of
    the reconstructed face.
    """
    total = np.zeros(len(database["all"]))
    for m, (probes, scores) in seen.items():
        if nearest:
            x = probes[scores.argmin()]
        else:
            x = reconstruct(probes, scores, knows.metric[m], knows.belief[m])
        apart = distances(x, database[m], knows.metric[m])
        total = total + len(scores) * (apart - apart.mean()) / apart.std()
    return total


def joint(seen: dict, knows: Knowledge, database: dict) -> np.ndarray:
    """As `fused`, from all pipelines' scores at once: how unlikely they are for each face, (n,).

    By Bayes' rule the order is that of the posterior odds of being the person: the posterior mean
    is compared with each face of the database, weighted by the posterior's precision.
    """
    mean, _, again, left = knows.joint
    widths = [lift(knows.probes[m][:1], k).shape[1] for m, k in knows.metric.items()]
    starts = dict(zip(knows.metric, np.cumsum([0, *widths]), strict=False))
    a, b, noise = [], [], []
    for m, (probes, scores) in seen.items():
        part, right, error = equations(probes, scores, knows.metric[m])
        wide = np.zeros((len(part), len(mean)))
        wide[:, starts[m] : starts[m] + part.shape[1]] = part
        a, b, noise = [*a, wide], [*b, right], [*noise, error]
    a, b, noise = np.vstack(a), np.concatenate(b), np.concatenate(noise)
    expected = database["all"] @ (a @ again).T + (a - a @ again) @ mean
    root = np.linalg.cholesky(a @ left @ a.T + np.diag(noise**2))
    return (np.linalg.solve(root, (b - expected).T) ** 2).sum(axis=0)


def disguised(candidates: pd.DataFrame, how: str) -> pd.DataFrame:
    """Candidates without what their scores say, for comparison.

    how: "scores" (as they are); "list" (who is listed, each at the mean score); "permuted" (the
    scores of each probe exchanged between its faces).
    """
    score = candidates["score"].astype(float)
    if how == "list":
        score = score * 0 + score.mean()
    if how == "permuted":
        rng = np.random.default_rng(0)
        score = score.groupby(candidates["probe_id"]).transform(
            lambda s: rng.permutation(s.to_numpy())
        )
    return candidates.assign(score=score)


def attack(candidates: dict, knows: Knowledge, database: dict, truth: dict, way, how="scores"):
    """Attack every face of `candidates` that `truth` knows: rank of the right face, one row a face.

    candidates: dict of tables with probe_id, gallery_id, score. truth: gallery id -> row of the
    database that shows this person. way: `fused` or `joint`. how: as in `disguised`. Returns
    gallery_id, pipelines and scores (how many), rank (1 = first).
    """
    place = pd.Series(range(len(knows.ids)), index=knows.ids)
    parts = [disguised(t, how).assign(pipeline=m) for m, t in candidates.items()]
    every = pd.concat(parts, ignore_index=True)
    rows = []
    for face, part in every[every["gallery_id"].isin(list(truth))].groupby("gallery_id"):
        seen = {
            m: (knows.probes[m][place[one["probe_id"]].to_numpy()], one["score"].to_numpy())
            for m, one in part.groupby("pipeline")
        }
        apart = way(seen, knows, database)
        rank = 1 + int((apart < apart[truth[face]]).sum())
        rows.append((face, len(seen), len(part), rank))
    return pd.DataFrame(rows, columns=["gallery_id", "pipelines", "scores", "rank"])
