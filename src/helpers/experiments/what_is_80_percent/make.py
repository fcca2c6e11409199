"""What ships for notebook 03: the false matches of former legislators, and of the members."""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.experiments.what_is_80_percent import halves
from helpers.faces import collection, same_person
from helpers.faces.pipelines import MODELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import calibration, error_rates, scores, shipping
from helpers.sources import galleries
from helpers.statistics import rates

BEYOND = 1e-2  # the curve ends at the default or at this FMR, whichever is looser


def fmr_curve(pairs: pd.DataFrame, n_probes: int, n_gallery: int) -> pd.DataFrame:
    """False matches at every score of some impostor pairs, with the spread of the FMR.

    pairs: probe_id, gallery_id (identities, each pair at most once), score. One row a score:
    score, errors (pairs at or below it), log_se (standard error of the logarithm of the FMR, as in
    `intervals.fmr_interval`), probes (different ones among the errors), effective_probes
    (errors^2 / sum of squared errors a probe: as many equally busy ones would make them).
    """
    if pairs.duplicated(["probe_id", "gallery_id"]).any():
        raise ValueError("a pair of identities was compared twice")
    pairs = pairs.sort_values("score", kind="stable")
    s = np.arange(1, len(pairs) + 1, dtype=np.float64)
    # the n-th error of an identity raises its squared count by 2 n - 1
    before = {c: pairs.groupby(c, sort=False).cumcount() for c in ("probe_id", "gallery_id")}
    squares = {c: np.cumsum(2.0 * n.to_numpy() + 1) for c, n in before.items()}
    rows = squares["probe_id"] - s**2 / n_probes
    columns = squares["gallery_id"] - s**2 / n_gallery
    table = {
        "score": pairs["score"].to_numpy(),
        "errors": s.astype(np.int64),
        "log_se": np.round(np.sqrt(np.maximum(rows + columns - s, s)) / s, 4),
        "probes": np.cumsum(before["probe_id"].to_numpy() == 0),
        "effective_probes": np.round(s**2 / squares["probe_id"], 1),
    }
    table = pd.DataFrame(table)
    return table.drop_duplicates("score", keep="last", ignore_index=True)


def make(out: Path) -> None:
    """Write false matches among impostors, and who they are, into a folder. Deterministic.

    Former legislators x one face of each adult identity of `utkface`; in `halves`, members.
    """
    private = {m: shipping.load_dataset("utkface", m) for m in MODELS}
    clusters = same_person.identity_clusters([private[m] for m in PRIMARY_MODELS])
    labels = galleries.load_utkface()
    adults = labels.loc[labels["adult"], "id"]
    curves, sets, halved = [], [], []
    for model in MODELS:
        gallery = collection.subset(private.pop(model), adults)
        people = shipping.load_dataset("legislators", model)
        near = collection.search(people, gallery, top=same_person.DEPTH)
        margin = same_person.load_margins(same_person.ALONE)[model]
        same = set(same_person.same_person_alone(near, clusters, margin)["probe_id"])
        of_face = clusters.reindex(gallery.ids)  # one face an identity: the first by id
        gallery = collection.subset(gallery, of_face.index[~of_face.duplicated()])
        pairs = collection.search(people, gallery, threshold=_limit(people, gallery))
        n, identities = len(set(people.ids) - same), len(gallery.ids)
        curve = fmr_curve(pairs[~pairs["probe_id"].isin(same)], n, identities)
        head = {"model": model, "impostors": "all"}
        curves.append(curve.assign(**head)[[*head, *curve.columns]])
        sizes = {"legislators": n, "identities": identities, "comparisons": n * identities}
        sets.append(head | sizes | {"left_out_as_same_person": len(same & set(people.ids))})
        members, strangers = _members_and_strangers(model, gallery, clusters)
        pairs = halves.impostors(members, strangers)
        found = halves.calibrate(pairs, members.ids, strangers.ids, calibration.TARGETS)
        halved.append(found.assign(model=model)[["model", *found.columns]])
    pd.concat(halved).to_csv(out / halves.FILE, index=False, float_format="%.6g")
    table = pd.concat(curves, ignore_index=True)
    table.to_parquet(out / error_rates.CURVE, index=False, compression="zstd")
    pd.DataFrame(sets).to_csv(out / error_rates.IMPOSTORS, index=False)


def _members_and_strangers(model: str, gallery, clusters: pd.Series):
    """The members, and one face of each identity that is probably none of them."""
    decisions = pd.read_csv(DATA / "scores" / "same-person.csv", keep_default_na=False)
    kept, _ = scores.left_in(clusters.reindex(gallery.ids).to_numpy(), decisions)
    return shipping.load_dataset("probes", model), collection.subset(gallery, gallery.ids[kept])


def _limit(people, gallery) -> float:
    """The end of the curve: the default or the score of the loosest FMR, from every 20th."""
    some = people._replace(ids=people.ids[::20], embeddings=people.embeddings[::20])
    found = np.concatenate([s.ravel() for _, s in collection.score_blocks(some, gallery)])
    default = people.description["configuration"]["default_threshold"]
    return float(np.round(max(default, np.quantile(found, BEYOND)), rates.DECIMALS))
