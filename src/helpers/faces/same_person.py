"""Who is who in a gallery without names: near-duplicates, and members who may be in it themselves.

The rule (section 4 of the design, `decide`) looks at scores alone, never at recorded groups. Its
distances are data, made by `ship`.
"""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from helpers.faces.collection import Collection, score_blocks
from helpers.paths import DATA

FOLDER = DATA / "scores"
NEAR, MARGINS = "same-person-near.csv", "same-person-margins.csv"

# Two gallery faces are one identity when at least two pipelines put them within half the distance
# that this share of pairs of different people reach: so other photographs of one person mostly stay
# apart, and different people do, too.
NEAR_SHARE = 1e-5
NEAR_VOTES = 2
MOST = 3  # identity clusters that may be one member
AGREE = 2  # pipelines that must see the same clusters stand apart
PERCENTILE, ALONE = 95, 99.5  # of the gaps among known strangers; ALONE: with one pipeline only
# In a smaller gallery the next identity is farther by chance, and the margins mean nothing.
SMALLEST_GALLERY = 1000
DEPTH = 50  # candidates a probe that are looked at for the next identity

SAME, CONTESTED, DIFFERENT = "same person", "contested", "different"
DECISIONS = ["probe_id", "cluster", "k", "pipelines", "second_portrait", "decision", "same_person"]


def near_limit(members: Collection, former: Collection) -> dict:
    """The distance within which two gallery faces are near-duplicates, in one pipeline.

    Half the distance that NEAR_SHARE of the pairs of a member and a former legislator reach, for a
    cosine distance (half the squared distance of templates of length 1) a quarter. Returns
    pipeline, pairs, share, reached (that distance), near.
    """
    pairs = len(members.ids) * len(former.ids)
    place = max(1, round(NEAR_SHARE * pairs)) - 1
    lowest = np.empty(0)
    for _, scores in score_blocks(members, former):
        lowest = np.sort(np.concatenate([lowest, scores.ravel()]))[: place + 1]
    reached = float(lowest[-1])
    near = reached / 4 if members.metric == "cosine" else reached / 2
    return {
        "pipeline": members.description["configuration"]["model"],
        "pairs": pairs,
        "share": NEAR_SHARE,
        "reached": reached,
        "near": round(near, 4),
    }


def margins(candidates: pd.DataFrame) -> pd.DataFrame:
    """How far the k nearest stand apart by chance: percentiles of the gaps among known strangers.

    candidates: members searched among people of whom each is one id and none is a member, as from
    `search` with `top=DEPTH`. Returns percentile, k, margin, searches.
    """
    ids = candidates["gallery_id"].unique()  # nobody is there twice
    gap = gaps(candidates, pd.Series(ids, index=ids)).groupby("k")["gap"]
    tables = {
        p: pd.DataFrame({"margin": gap.quantile(p / 100).round(4), "searches": gap.size()})
        for p in (PERCENTILE, ALONE)
    }
    return pd.concat(tables, names=["percentile"]).reset_index()


def load_near() -> dict[str, float]:
    """The near-duplicate distances that ship: pipeline -> distance."""
    return pd.read_csv(FOLDER / NEAR).set_index("pipeline")["near"].to_dict()


def load_margins(percentile: float = PERCENTILE) -> dict[str, pd.Series]:
    """The margins that ship: pipeline -> margin by k, at PERCENTILE or ALONE."""
    return by_pipeline(pd.read_csv(FOLDER / MARGINS), percentile)


def by_pipeline(table: pd.DataFrame, percentile: float) -> dict[str, pd.Series]:
    """A table of margins (pipeline, percentile, k, margin) -> pipeline -> margin by k."""
    mine = table[table["percentile"] == percentile]
    return {p: part.set_index("k")["margin"] for p, part in mine.groupby("pipeline", sort=False)}


def identity_clusters(
    collections: list[Collection], near: dict[str, float] | None = None, votes: int = NEAR_VOTES
) -> pd.Series:
    """Identity clusters of one gallery enrolled with several pipelines: gallery id -> cluster id.

    Faces are linked when at least `votes` of the pipelines put them within `near` (pipeline ->
    distance; what ships if None); a cluster is a connected component. A face that a pipeline failed
    on is judged by the others.
    """
    near = load_near() if near is None else near
    ids = np.array(sorted(set().union(*(c.ids for c in collections))))
    linked = coo_array((len(ids), len(ids)), dtype=np.int8).tocsr()
    for collection in collections:
        position = np.searchsorted(ids, collection.ids)
        limit = near[collection.description["configuration"]["model"]]
        for rows, scores in score_blocks(collection, collection):
            a, b = np.nonzero(scores <= limit)
            a = a + rows.start
            pairs = (np.ones(len(a), dtype=np.int8), (position[a], position[b]))
            linked = linked + coo_array(pairs, shape=linked.shape).tocsr()
    return components(ids, coo_array(linked >= min(votes, len(collections))))


def components(ids: np.ndarray, linked: coo_array) -> pd.Series:
    """Connected components of a graph of faces, each named by its smallest id: id -> cluster id."""
    _, label = connected_components(linked, directed=False)
    first = pd.Series(ids).groupby(label).transform("min")
    return pd.Series(first.to_numpy(), index=ids, name="cluster")


def gaps(candidates: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """How far each probe's k nearest identity clusters stand apart from the next one.

    `candidates` as from `search` with `top=DEPTH`; a face without a cluster is its own. Returns one
    row a probe and k of 1 to MOST: probe_id, k, cluster (the k-th nearest), clusters (the k
    nearest, a sorted tuple), score (of the k-th), next_score (of the one after it; where the
    candidates end before, the worst of them), gap = next_score - score.
    """
    cluster = candidates["gallery_id"].map(clusters).fillna(candidates["gallery_id"])
    table = candidates.assign(cluster=cluster).sort_values(["probe_id", "rank"])
    worst = table.groupby("probe_id")["score"].max()
    table = table.drop_duplicates(["probe_id", "cluster"])
    probes = table.groupby("probe_id")
    table = table.assign(k=probes.cumcount() + 1, next_score=probes["score"].shift(-1))
    table["next_score"] = table["next_score"].fillna(table["probe_id"].map(worst))
    table["gap"] = (table["next_score"] - table["score"]).round(4)
    table = table[table["k"] <= MOST].reset_index(drop=True)
    nearest = table.groupby("probe_id")["cluster"].agg(list)
    table["clusters"] = [
        tuple(sorted(nearest[probe][:k]))
        for probe, k in zip(table["probe_id"], table["k"], strict=True)
    ]
    return table[["probe_id", "k", "cluster", "clusters", "score", "next_score", "gap"]]


def evidence(
    candidates: pd.DataFrame,
    second_candidates: pd.DataFrame | None,
    clusters: pd.Series,
    margin: pd.Series,
) -> pd.DataFrame:
    """What one pipeline says of each probe and k: the table of `gaps` with two columns more.

    `apart`: the gap is at least the margin for that k. `second_portrait`: are the same clusters the
    k first for the probe's second portrait ("yes", "no"; "none" where there is none).
    """
    table = gaps(candidates, clusters)
    table["apart"] = table["gap"] >= table["k"].map(margin)
    table["second_portrait"] = "none"
    if second_candidates is not None and len(second_candidates):
        second = gaps(second_candidates, clusters).set_index(["probe_id", "k"])["clusters"]
        keys = pd.MultiIndex.from_frame(table[["probe_id", "k"]])
        other = second.reindex(keys).to_numpy()
        answers = np.where(other == table["clusters"].to_numpy(), "yes", "no")
        table["second_portrait"] = np.where(pd.isna(other), "none", answers)
    return table


def decide(seen: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The decisions of the rule on pairs of a member and an identity cluster.

    A member is probably the k nearest clusters, for the smallest such k, where these stand apart
    (see `margins`) in at least AGREE pipelines and are the k first for the second portrait, if
    there is one. What stands apart otherwise, or comes first for both portraits in two pipelines,
    is contested: it stays in the count, and no name is published for a match that rests on it.

    seen: pipeline -> `evidence` with that pipeline's margins. Returns DECISIONS: k (the smallest
    for which the cluster is among those that stand apart), pipelines in which it does (separated by
    blanks, "" for none), second_portrait (do the k first agree: "yes" in one of these pipelines at
    least, "no", or "none"), decision: SAME or CONTESTED, and same_person (bool).
    """
    every = pd.concat([table.assign(pipeline=p) for p, table in seen.items()], ignore_index=True)
    apart = _votes(every[every["apart"]])
    agreed = apart[(apart["votes"] >= AGREE) & (apart["second_portrait"] != "no")]
    same = agreed.drop_duplicates("probe_id").assign(decision=SAME)  # the smallest k
    first = _votes(every[(every["k"] == 1) & (every["second_portrait"] == "yes")])
    first = first[first["votes"] >= AGREE].assign(pipelines="")
    doubtful = pd.concat([apart, first]).assign(decision=CONTESTED)
    table = pd.concat([same, doubtful]).explode("clusters")
    table = table.rename(columns={"clusters": "cluster"})
    table = table.drop_duplicates(["probe_id", "cluster"])
    table["same_person"] = table["decision"] == SAME
    return table.sort_values(["probe_id", "cluster"], ignore_index=True)[DECISIONS]


def _votes(rows: pd.DataFrame) -> pd.DataFrame:
    """Pipelines that name the same k clusters of a probe, smallest k and most votes first."""

    def any_yes(answers):
        return next((a for a in ("yes", "no") if (answers == a).any()), "none")

    sets = rows.groupby(["probe_id", "k", "clusters"]).agg(
        pipelines=("pipeline", lambda names: " ".join(sorted(names))),
        votes=("pipeline", "size"),
        second_portrait=("second_portrait", any_yes),
    )
    return sets.reset_index().sort_values(
        ["probe_id", "k", "votes"], ascending=[True, True, False], kind="stable"
    )


def same_person_alone(
    candidates: pd.DataFrame, clusters: pd.Series, margin: pd.Series
) -> pd.DataFrame:
    """Probable same persons by one pipeline without second portraits: DECISIONS, nobody contested.

    margin: the pipeline's margins by k at ALONE; the smallest k that stands apart counts.
    """
    table = evidence(candidates, None, clusters, margin)
    table = table[table["apart"]].drop_duplicates("probe_id")  # the smallest k
    table = table.drop(columns="cluster").explode("clusters")
    table = table.rename(columns={"clusters": "cluster"}).reset_index(drop=True)
    return table.assign(pipelines="", decision=SAME, same_person=True)[DECISIONS]


def errors(seen: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Errors of the rule among known strangers, where every decision is wrong: a row a k.

    seen: as for `decide`, of members searched among people who are none of them. Returns k,
    searches, same_person (probes called the same person at that k), contested (probes with a
    contested cluster, by the smallest k of one).
    """
    table = decide(seen).sort_values("k")
    searched = set().union(*(t["probe_id"] for t in seen.values()))
    result = pd.DataFrame({"k": range(1, MOST + 1), "searches": len(searched)})
    for column, decision in (("same_person", SAME), ("contested", CONTESTED)):
        of_probe = table[table["decision"] == decision].drop_duplicates("probe_id")
        counts = of_probe["k"].value_counts()
        result[column] = counts.reindex(result["k"], fill_value=0).to_numpy()
    return result
