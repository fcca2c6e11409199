"""What ships for notebook 06, made from the face metadata: galleries drawn without replacement."""

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.experiments.how_big_is_the_gallery import models_beyond, tables
from helpers.faces import collection, same_person
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipped, shipping
from helpers.protocol.policy import ACLU_COUNT
from helpers.protocol.scores import DECIMALS
from helpers.sources import galleries
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


def _draw_tables(model: str, scores, cluster, progress) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What drawn galleries give by policy and size, and how often each member is flagged.

    The second table is for FIXED_FPIR: model, faces, probe_id, galleries (of DRAWS).
    """
    people = tables.members()
    colour = people["of_colour"].to_numpy()
    fixed = {p: tables.threshold(model, p) for p in tables.POLICIES}
    policies = (*tables.POLICIES, tables.FIXED_FPIR)
    found = {(p, n): [] for p in policies for n in tables.SIZES}
    often = {n: np.zeros(len(people), dtype=np.int64) for n in tables.SIZES}
    drawn = draw_best(scores, cluster, tables.SIZES, tables.DRAWS, models_beyond.SEED)
    for best in tqdm(
        drawn, total=tables.DRAWS, desc=f"{model}: draws", disable=not progress or None
    ):
        for row, n in zip(best, tables.SIZES, strict=True):
            fixed[tables.FIXED_FPIR] = rates.threshold_for_count(row, ACLU_COUNT).threshold
            for policy in policies:
                flagged = rates.at_or_below(row, fixed[policy])
                values = fixed[policy], flagged[colour].mean(), flagged[~colour].mean()
                found[policy, n].append((*values, flagged.mean()))
            often[n] += flagged
    rows = []
    for (policy, n), values in found.items():
        t, k1, k0, share = np.array(values).T
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = k1 / k0
        ratio = ratio[~np.isnan(ratio)]  # nobody flagged at all
        ends = np.quantile(ratio, [0.025, 0.975], method="nearest") if len(ratio) else [np.nan] * 2
        row = {"model": model, "policy": policy, "faces": n, "galleries": tables.DRAWS}
        for name, column in (("threshold", t), ("fpir", share)):
            low, high = np.quantile(column, [0.025, 0.975])
            row |= {name: column.mean(), f"{name}_low": low, f"{name}_high": high}
        rows.append(row | {"ratio_low": ends[0], "ratio_high": ends[1]})
    members_ = [
        pd.DataFrame({"model": model, "faces": n, "probe_id": people.index, "galleries": k})
        for n, k in often.items()
    ]
    return pd.DataFrame(rows), pd.concat(members_).query("galleries > 0")


def _tenth_tables(model: str, scores, tenth) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts by probe and tenth at the fixed thresholds, and the tail of best scores by tenth."""
    ids = tables.members().index.to_numpy()
    counted, tails = [], []
    for j in range(tables.TENTHS):
        mine = scores[tenth == j]
        for policy in tables.POLICIES:
            k = rates.at_or_below(mine, tables.threshold(model, policy)).sum(axis=0)
            some = np.flatnonzero(k)
            row = {"model": model, "threshold": policy, "probe_id": ids[some], "tenth": j}
            counted.append(pd.DataFrame(row | {"faces": k[some]}))
        best = mine.min(axis=0)
        order = np.argsort(best, kind="stable")[: tables.tail_size() + 1]
        t = rates.threshold_for_count(best, ACLU_COUNT).threshold
        k = rates.at_or_below(mine[:, order], t).sum(axis=0)
        row = {"model": model, "tenth": j, "tenth_faces": len(mine), "score": best[order]}
        # no probe is named: a score beyond the candidates that ship could help to locate a face
        tails.append(pd.DataFrame(row | {"faces": pd.array(np.where(k, k, -1), "Int64")}))
    tail = pd.concat(tails, ignore_index=True)
    tail["faces"] = tail["faces"].replace(-1, pd.NA)
    return pd.concat(counted, ignore_index=True), tail


def make(out: Path, progress: bool = False) -> None:
    """Write the results tables that need the private gallery's embeddings into a folder.

    gallery-size-draws.csv (galleries drawn without replacement: FPIR, thresholds, ratios),
    gallery-size-flagged.csv (in how many of them each member is among the 28),
    gallery-size-counts.parquet (matches by probe and tenth at the fixed thresholds),
    gallery-size-best.csv (the tail of the best scores in each tenth, without probes).
    Deterministic.
    """
    private = {m: shipping.load_dataset("utkface", m) for m in PRIMARY_MODELS}
    clusters = same_person.identity_clusters(list(private.values()))
    labels = galleries.load_utkface().set_index("id")
    same = shipped.scores("utkface", PRIMARY_MODELS[0]).same_person
    left_out = set(same.loc[same["same_person"].astype(bool), "cluster"])
    kept = labels.index[labels["adult"] & ~clusters.reindex(labels.index).isin(left_out)]
    found: dict[str, list] = {"draws": [], "flagged": [], "counts": [], "best": []}
    for model in PRIMARY_MODELS:
        gallery = collection.subset(private[model], kept)
        probes = shipping.load_dataset("probes", model)
        blocks = [s.astype(np.float32) for _, s in collection.score_blocks(probes, gallery)]
        scores = pd.DataFrame(np.vstack(blocks), index=probes.ids)
        scores = scores.reindex(tables.members().index).fillna(np.float32(np.inf))
        scores = np.ascontiguousarray(scores.to_numpy(dtype=np.float32).T)
        cluster = np.unique(clusters.reindex(gallery.ids), return_inverse=True)[1]
        rank = np.random.default_rng(models_beyond.SEED).permutation(cluster.max() + 1)
        tenth = (rank * tables.TENTHS // len(rank))[cluster]
        made = *_draw_tables(model, scores, cluster, progress), *_tenth_tables(model, scores, tenth)
        for name, table in zip(found, made, strict=True):
            found[name].append(table)
    out.mkdir(parents=True, exist_ok=True)
    joined = {name: pd.concat(parts_, ignore_index=True) for name, parts_ in found.items()}
    joined["draws"].round(6).to_csv(out / "gallery-size-draws.csv", index=False)
    joined["flagged"].to_csv(out / "gallery-size-flagged.csv", index=False)
    joined["best"].round(DECIMALS).to_csv(
        out / "gallery-size-best.csv", index=False, float_format="%.4f"
    )
    joined["counts"].astype({"tenth": np.int8, "faces": np.int32}).to_parquet(
        out / "gallery-size-counts.parquet", index=False, compression="zstd"
    )
