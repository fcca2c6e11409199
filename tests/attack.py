"""The attack on what ships of a private gallery: from public probes and scores back to a face.

A comparison score with a known embedding is one linear equation in the unknown one. With the mean
and covariance of faces in general, few equations give the most likely face (the posterior mean of
a normal distribution); with as many equations as dimensions they give the face itself.
"""

import numpy as np
import pandas as pd

ROUNDING = 1e-4 / np.sqrt(12)  # standard deviation of what rounding to four decimals takes away


def vectors(collection) -> np.ndarray:
    """Embeddings as the metric sees them: of length 1 for the cosine."""
    e = collection.embeddings
    return e / np.linalg.norm(e, axis=1, keepdims=True) if collection.metric == "cosine" else e


def prior(faces: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of faces in general; for Euclidean scores with half the squared length.

    A Euclidean distance is linear in a face and its squared length: d^2 = |a|^2 + |x|^2 - 2 a x.
    """
    z = faces if metric == "cosine" else np.column_stack([faces, (faces**2).sum(axis=1) / 2])
    return z.mean(axis=0), np.cov(z, rowvar=False) + 1e-9 * np.eye(z.shape[1])


def reconstruct(probes: np.ndarray, scores: np.ndarray, metric: str, belief) -> np.ndarray:
    """The most likely face (d,) given its scores (k,) with known faces (k, d)."""
    mean, covariance = belief
    if metric == "cosine":
        a, b, noise = probes, 1 - scores, ROUNDING
    else:
        a = np.column_stack([probes, -np.ones(len(probes))])
        b, noise = ((probes**2).sum(axis=1) - scores**2) / 2, ROUNDING * scores.mean()
    gain = covariance @ a.T
    inner = a @ gain + noise**2 * np.eye(len(a))
    return (mean + gain @ np.linalg.solve(inner, b - a @ mean))[: probes.shape[1]]


def distances(x: np.ndarray, database: np.ndarray, metric: str) -> np.ndarray:
    """Distance of one face (d,) to each of a database (n, d)."""
    if metric == "cosine":
        return 1 - database @ (x / np.linalg.norm(x))
    return np.linalg.norm(database - x, axis=1)


def rank(x: np.ndarray, database: np.ndarray, truth: int, metric: str) -> int:
    """At which rank a search for `x` returns the database's face number `truth` (1 = first)."""
    apart = distances(x, database, metric)
    return 1 + int((apart < apart[truth]).sum())


def attack(candidates, probe_ids, probe_vectors, metric, belief, database, truth, how="scores"):
    """Attack every face of `candidates`: rank of the right image in a database, one row a face.

    candidates: probe_id, gallery_id, score. truth: gallery id -> row of `database` that shows this
    person. how: what the attacker uses: "scores"; "list" (who is listed, each at the mean score);
    "permuted" (the scores of each probe exchanged between its faces); "nearest" (the best listed
    probe in the place of the face). Returns gallery_id, scores (how many), rank.
    """
    if how == "permuted":
        rng = np.random.default_rng(0)
        shuffled = candidates.groupby("probe_id")["score"].transform(
            lambda s: rng.permutation(s.to_numpy())
        )
        candidates = candidates.assign(score=shuffled)
    if how == "list":
        candidates = candidates.assign(score=candidates["score"].mean())
    place = pd.Series(range(len(probe_ids)), index=probe_ids)
    rows = []
    for face, part in candidates.groupby("gallery_id"):
        if face not in truth:
            continue
        known = probe_vectors[place[part["probe_id"]].to_numpy()]
        score = part["score"].to_numpy(dtype=float)
        if how == "nearest":
            found = known[score.argmin()]
        else:
            found = reconstruct(known, score, metric, belief)
        rows.append((face, len(part), rank(found, database, truth[face], metric)))
    return pd.DataFrame(rows, columns=["gallery_id", "scores", "rank"])
