"""Who is who in a gallery without names: near-duplicates, and members who may be in it themselves.

Both rules look at scores alone, never at recorded groups, and their parameters were fixed before
any total by group was computed.
"""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from helpers.faces.collection import Collection, score_blocks

# Two gallery faces are one identity when at least two models put them this near: far below what
# different people reach by chance, so other photographs of one person mostly stay apart.
NEAR = {"dlib-native": 0.22, "SFace": 0.22, "Facenet": 0.06, "Dlib": 0.012}
NEAR_VOTES = 2
# A candidate stands apart when the next identity is farther by this much: the 95th percentile of
# the same gap when the members are searched among former legislators, where none of them is.
MARGIN = {"dlib-native": 0.058, "SFace": 0.063, "Facenet": 0.093}
AGREE = 2  # models that must see the same identity stand apart
# With one model alone: the 99.5th percentile.
MARGIN_ALONE = {"dlib-native": 0.090, "SFace": 0.094, "Facenet": 0.172, "Dlib": 0.018}
# In a smaller gallery the next identity is farther by chance, and the margins mean nothing.
SMALLEST_GALLERY = 1000
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


def stands_apart(
    candidates: pd.DataFrame,
    second_candidates: pd.DataFrame | None,
    clusters: pd.Series,
    margin: float,
) -> pd.DataFrame:
    """Probes whose best candidate stands apart by at least `margin`, in one model's scores.

    Returns probe_id, cluster, score, next_score, gap, second_portrait: does the same identity rank
    first for the member's second portrait too ("yes", "no", "none" where there is none).
    """
    table = gaps(candidates, clusters)
    table = table[table["gap"] >= margin].reset_index(drop=True)
    if second_candidates is None or second_candidates.empty:
        return table.assign(second_portrait="none")
    first = second_candidates[second_candidates["rank"] == 1].set_index("probe_id")["gallery_id"]
    second = table["probe_id"].map(first)
    agrees = second.map(clusters).fillna(second) == table["cluster"]
    return table.assign(
        second_portrait=np.where(second.isna(), "none", np.where(agrees, "yes", "no"))
    )


def same_person_alone(candidates, clusters, margin: float) -> pd.DataFrame:
    """Probable same persons by one model, no second portraits: probe_id, cluster, same_person."""
    table = stands_apart(candidates, None, clusters, margin)
    return table.assign(same_person=True)


def probable_same_person(apart: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Members who are probably in the gallery themselves, by the rule of the design.

    apart: model -> result of `stands_apart` with that model's MARGIN. A member is taken to be in
    the gallery when at least AGREE models see the same identity stand apart **and**, if the member
    has a second portrait, it ranks first for that one too in at least one of these models. The
    whole cluster is then left out for every model. Returns a row for each pair of a member and an
    identity that stands apart in any model: probe_id, cluster, models, second_portrait,
    same_person.
    """
    columns = ["probe_id", "cluster", "models", "second_portrait", "same_person"]
    rows = []
    every = pd.concat([t.assign(model=m) for m, t in apart.items()])
    for (probe, cluster), part in every.groupby(["probe_id", "cluster"], sort=True):
        seen = set(part["second_portrait"])
        second = "yes" if "yes" in seen else "no" if "no" in seen else "none"
        agreed = len(part) >= AGREE and second != "no"
        rows.append((probe, cluster, " ".join(sorted(part["model"])), second, agreed))
    return pd.DataFrame(rows, columns=columns)
