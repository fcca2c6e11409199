"""Who is who in a gallery without names: near-duplicates, and members who may be in it themselves.

Both rules look at scores alone, never at recorded groups, and their parameters were fixed before
any total by group was computed.
"""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from helpers.collection import Collection, score_blocks

# Two gallery faces are one identity when at least two models put them this near. The limits are
# far below any default threshold: near the 0.1th percentile of the members' best impostor scores.
NEAR = {"dlib-native": 0.32, "SFace": 0.38, "Facenet": 0.20, "Dlib": 0.020}
NEAR_VOTES = 2
# A candidate stands apart when the next identity is farther by this much (see `gaps`).
MARGIN = {"dlib-native": 0.08, "SFace": 0.15, "Facenet": 0.10, "Dlib": 0.015}
DEPTH = 50  # candidates a probe that are looked at for the next identity


def identity_clusters(collections: list[Collection], votes: int = NEAR_VOTES) -> pd.Series:
    """Identity clusters of one gallery enrolled with several models: gallery id -> cluster id.

    Faces are linked when at least `votes` of the models put them within NEAR; a cluster is a
    connected component, named by the smallest id in it. Only faces that every model enrolled can
    get all votes; a face that a model failed on is judged by the others.
    """
    ids = np.array(sorted(set().union(*(c.ids for c in collections))))
    linked = coo_array((len(ids), len(ids)), dtype=np.int8).tocsr()
    for collection in collections:
        position = np.searchsorted(ids, collection.ids)
        limit = NEAR[collection.description["configuration"]["model"]]
        for rows, scores in score_blocks(collection, collection):
            a, b = np.nonzero(scores <= limit)
            a = a + rows.start
            pairs = (np.ones(len(a), dtype=np.int8), (position[a], position[b]))
            linked = linked + coo_array(pairs, shape=linked.shape).tocsr()
    agreed = coo_array(linked >= min(votes, len(collections)))
    _, label = connected_components(agreed, directed=False)
    first = pd.Series(ids).groupby(label).transform("min")
    return pd.Series(first.to_numpy(), index=ids, name="cluster")


def gaps(candidates: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """How far each probe's best candidate stands apart from the next identity.

    `candidates` as from `search` with `top=DEPTH`. Returns one row a probe: probe_id, cluster,
    score, next_score (best of any other cluster; where all candidates are of one cluster, the worst
    of them, which understates the gap), gap = next_score - score.
    """
    table = candidates.assign(cluster=candidates["gallery_id"].map(clusters))
    table["cluster"] = table["cluster"].fillna(table["gallery_id"])
    best = table[table["rank"] == 1].set_index("probe_id")
    other = table[table["cluster"] != table["probe_id"].map(best["cluster"])]
    next_score = other.groupby("probe_id")["score"].min()
    worst = table.groupby("probe_id")["score"].max()
    result = best[["cluster", "score"]].assign(
        next_score=next_score.reindex(best.index).fillna(worst.reindex(best.index))
    )
    result["gap"] = (result["next_score"] - result["score"]).round(4)
    return result.reset_index()


def probable_same_person(
    candidates: pd.DataFrame,
    second_candidates: pd.DataFrame | None,
    clusters: pd.Series,
    margin: float,
) -> pd.DataFrame:
    """Members who are probably in the gallery themselves, by the rule of the design.

    The best candidate stands apart by at least `margin` **and**, where the member has a second
    portrait, the same identity ranks first for it too. Returns a row for each probe whose best
    candidate stands apart: probe_id, cluster, score, next_score, gap, second_portrait (yes, no,
    none), same_person (bool). The whole cluster is to be left out of the gallery.
    """
    table = gaps(candidates, clusters)
    table = table[table["gap"] >= margin].reset_index(drop=True)
    if second_candidates is None or second_candidates.empty:
        table["second_portrait"] = "none"
    else:
        first = second_candidates[second_candidates["rank"] == 1].set_index("probe_id")["gallery_id"]
        second = table["probe_id"].map(first)
        agrees = second.map(clusters).fillna(second) == table["cluster"]
        table["second_portrait"] = np.where(second.isna(), "none", np.where(agrees, "yes", "no"))
    table["same_person"] = table["second_portrait"] != "no"
    return table
