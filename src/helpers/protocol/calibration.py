"""Thresholds calibrated to a stated FMR, on people who take no part in the test.

Impostor pairs: former legislators (mostly white men, often on old photographs) x one face of each
identity of the adults of `utkface`, whose identities are unknown. Legislators who are probably in
`utkface` themselves are left out by the same-person rule. `by-group.csv` shows how the FMR differs.
"""

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces import collection, same_person
from helpers.faces.pipelines import Configuration
from helpers.paths import DATA

TARGETS = (1e-3, 1e-4, 1e-5, 1e-6)
LOOSEST = max(TARGETS)
FOLDER = DATA / "calibration"


def threshold(config: Configuration, target: float) -> float:
    """The threshold (a distance) of a configuration at a target FMR, from what ships.

    Raises UserError when the configuration was not calibrated, or the FMR is not on offer.

    >>> from helpers.protocol.shipping import configuration
    >>> threshold(configuration("dlib-native"), 1e-4)
    0.5279
    """
    table = thresholds()
    mine = table[(table["model"] == config.model) & (table["detector"] == config.detector)]
    if mine.empty:
        raise UserError(
            f"{config.model} with detector {config.detector} is not calibrated; calibrated are "
            + ", ".join(sorted(set(table["model"] + " with " + table["detector"])))
        )
    row = mine[np.isclose(mine["target_fmr"], target, rtol=1e-6, atol=0)]
    if row.empty:
        offered = ", ".join(f"{t:g}" for t in sorted(mine["target_fmr"], reverse=True))
        raise UserError(f"no threshold for an FMR of {target:g} is on offer; there are {offered}")
    return float(row["threshold"].iloc[0])


def thresholds() -> pd.DataFrame:
    """The calibrated thresholds that ship: a row for each model and target FMR on offer.

    >>> sorted(thresholds()["target_fmr"].unique().tolist())
    [1e-06, 1e-05, 0.0001, 0.001]
    """
    return pd.read_csv(FOLDER / "thresholds.csv")


def calibrate(
    legislators: collection.Collection,
    gallery: collection.Collection,
    clusters: pd.Series,
    labels: pd.DataFrame,
    margin: pd.Series,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Calibrate one configuration; return the thresholds, and their FMR by published label.

    gallery: the adults of `utkface`; labels: indexed by gallery id, columns gender and race;
    margin: by k, of the same-person rule of one pipeline. A target with fewer than 30 errors is not
    offered.
    """
    config = legislators.description["configuration"]
    from helpers.statistics import intervals, rates

    near = collection.search(legislators, gallery, top=same_person.DEPTH)
    same = same_person.same_person_alone(near, clusters, margin)
    left_out = set(same["probe_id"])
    legislators = collection.subset(legislators, set(legislators.ids) - left_out)
    of_face = clusters.reindex(gallery.ids)
    gallery = collection.subset(gallery, of_face[~of_face.duplicated()].index)  # one an identity
    n = len(legislators.ids) * len(gallery.ids)
    pairs = collection.search(legislators, gallery, threshold=_limit(legislators, gallery))
    rows, groups = [], []
    sizes = labels.reindex(gallery.ids).groupby(["gender", "race"]).size()
    for target in TARGETS:
        try:
            found = rates.threshold_for_fmr(pairs["score"], n, target)
        except ValueError:
            continue
        at = pairs[rates.at_or_below(pairs["score"], found.threshold)]
        rate, low, high = intervals.fmr_interval(
            at["probe_id"], at["gallery_id"], len(legislators.ids), len(gallery.ids), n
        )
        head = {"model": config["model"], "detector": config["detector"], "target_fmr": target}
        counts = {"threshold": found.threshold, "errors": found.errors, "comparisons": n}
        sides = {"legislators": len(legislators.ids), "gallery_identities": len(gallery.ids)}
        sides["left_out_as_same_person"] = len(left_out)
        rows.append(head | counts | {"fmr": rate, "low": low, "high": high} | sides)
        errors = labels.reindex(at["gallery_id"]).groupby(["gender", "race"]).size()
        for (gender, race), size in sizes.items():
            k, m = int(errors.get((gender, race), 0)), int(size) * len(legislators.ids)
            groups.append(
                head | {"gender": gender, "race": race, "errors": k, "comparisons": m, "fmr": k / m}
            )
    return pd.DataFrame(rows), pd.DataFrame(groups)


def _limit(legislators, gallery) -> float:
    """A score a little beyond the loosest target, from every 20th legislator."""
    some = legislators._replace(ids=legislators.ids[::20], embeddings=legislators.embeddings[::20])
    scores = np.concatenate([s.ravel() for _, s in collection.score_blocks(some, gallery)])
    return float(np.round(np.quantile(scores, 2 * LOOSEST), 4))
