"""What ships for notebook 06, made from the face metadata: galleries drawn without replacement."""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.experiments.how_big_is_the_gallery import models_beyond, tables
from helpers.experiments.what_the_officer_sees.tables import faces_searched
from helpers.faces import collection
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipping
from helpers.statistics import rates


def draw_best(scores: np.ndarray, cluster: np.ndarray, at, draws: int, seed: int):
    """Best scores in galleries drawn without replacement, one array (sizes, people) a draw.

    scores: (faces, people). cluster: the identity of each face, 0, 1, ...; faces of one identity
    are drawn together. The galleries of one draw are nested.
    """
    rng = np.random.default_rng(seed)
    starts = [0, *sorted(at)[:-1]]
    for _ in range(draws):
        key = rng.random(cluster.max() + 1)
        order = np.argsort(key[cluster], kind="stable")[: max(at)]
        segments = np.minimum.reduceat(scores[order], starts, axis=0)
        yield np.minimum.accumulate(segments, axis=0)


def _draw_table(model: str, scores, cluster) -> pd.DataFrame:
    """The FPIR in drawn galleries by policy and size: mean, and what 95 % of them lie between."""
    policies = {p: tables.threshold(model, p) for p in tables.POLICIES}
    found: dict[tuple, list] = {(p, n): [] for p in policies for n in tables.SIZES}
    drawn = draw_best(scores, cluster, tables.SIZES, tables.DRAWS, models_beyond.SEED)
    for best in drawn:
        for row, n in zip(best, tables.SIZES, strict=True):
            for policy, t in policies.items():
                found[policy, n].append(rates.at_or_below(row, t).mean())
    rows = [
        (model, policy, n, len(values), np.mean(values), *np.quantile(values, [0.025, 0.975]))
        for (policy, n), values in found.items()
    ]
    columns = ["model", "policy", "faces", "galleries", "mean", "spread_low", "spread_high"]
    return pd.DataFrame(rows, columns=columns)


def _tenth_table(model: str, scores, tenth) -> pd.DataFrame:
    """Matching faces by probe and tenth at each policy, where there are any."""
    ids = tables.members().index.to_numpy()
    found = []
    for j in range(tables.TENTHS):
        mine = scores[tenth == j]
        for policy in tables.POLICIES:
            k = rates.at_or_below(mine, tables.threshold(model, policy)).sum(axis=0)
            some = np.flatnonzero(k)
            row = {"model": model, "threshold": policy, "probe_id": ids[some], "tenth": j}
            found.append(pd.DataFrame(row | {"tenth_faces": len(mine), "faces": k[some]}))
    return pd.concat(found, ignore_index=True)


def make(out: Path) -> None:
    """Write gallery-size-draws.csv (FPIR in drawn galleries) and gallery-size-counts.parquet.

    The latter has matches by probe and tenth. Needs the faces of `utkface`. Deterministic.
    """
    draws, counts = [], []
    for model in PRIMARY_MODELS:
        faces, clusters, kept = faces_searched("utkface", model)
        gallery = collection.subset(faces, faces.ids[kept])
        probes = shipping.load_dataset("probes", model)
        blocks = [s.astype(np.float32) for _, s in collection.score_blocks(probes, gallery)]
        scores = pd.DataFrame(np.vstack(blocks), index=probes.ids)
        scores = scores.reindex(tables.members().index).fillna(np.float32(np.inf))
        scores = np.ascontiguousarray(scores.to_numpy(dtype=np.float32).T)
        cluster = np.unique(clusters.reindex(gallery.ids), return_inverse=True)[1]
        rank = np.random.default_rng(models_beyond.SEED).permutation(cluster.max() + 1)
        tenth = (rank * tables.TENTHS // len(rank))[cluster]
        draws.append(_draw_table(model, scores, cluster))
        counts.append(_tenth_table(model, scores, tenth))
    pd.concat(draws).round(6).to_csv(out / "gallery-size-draws.csv", index=False)
    small = {"tenth": np.int8, "tenth_faces": np.int32, "faces": np.int32}
    pd.concat(counts, ignore_index=True).astype(small).to_parquet(
        out / "gallery-size-counts.parquet", index=False, compression="zstd"
    )
