"""Thresholds set on half of the members and half of the strangers, judged on the other halves.

Members x one face of each adult identity of `utkface`, without probable same persons.
"""

import numpy as np
import pandas as pd

from helpers.faces import collection
from helpers.protocol import calibration, error_rates
from helpers.statistics import rates

FILE = "thresholds-halves.csv"
SPLITS = 200
SEED = 20180726


def impostors(members, gallery) -> pd.DataFrame:
    """Pairs of members and strangers: probe_id, gallery_id, score, as far as `calibrate` needs."""
    beyond = 2 * calibration.LOOSEST
    found = np.concatenate([s.ravel() for _, s in collection.score_blocks(members, gallery)])
    limit = float(np.round(np.quantile(found, beyond), rates.DECIMALS))
    return collection.search(members, gallery, threshold=limit)


def calibrate(pairs: pd.DataFrame, members, identities, targets, splits: int = SPLITS):
    """Thresholds for each target FMR, over random halves of the members and of the identities.

    pairs: probe_id, gallery_id, score (distances) of all impostor pairs to beyond the loosest
    threshold; members, identities: ids of everybody compared. Returns a row a target on offer (at
    least 30 errors in a quarter of the comparisons): target_fmr, threshold (median), lowest,
    highest (2.5 and 97.5 % of the splits), errors, held_out, held_out_low, held_out_high (FMR of
    the other halves: mean, 2.5 and 97.5 %), members, identities, comparisons (of one half with one
    half), splits.
    """
    rng = np.random.default_rng(SEED)
    sides = []
    for column, ids in (("probe_id", members), ("gallery_id", identities)):
        ids = np.sort(np.asarray(ids, dtype=str))
        sides.append((np.searchsorted(ids, pairs[column].to_numpy(dtype=str)), len(ids)))
    score = pairs["score"].to_numpy()
    n = (len(members) // 2) * (len(identities) // 2)
    found = []
    for _ in range(splits):
        # who is in a random half, rounded down
        first, second = (rng.permutation(size).argsort()[i] < size // 2 for i, size in sides)
        here, there = score[first & second], score[~first & ~second]
        rest = np.prod([size - size // 2 for _, size in sides])
        for target in targets:
            if n * target >= error_rates.MIN_ERRORS:
                at = rates.threshold_for_fmr(here, n, target, min_errors=1)
                held_out = rates.at_or_below(there, at.threshold).sum() / rest
                found.append((target, at.threshold, at.errors, held_out))
    table = pd.DataFrame(found, columns=["target_fmr", "threshold", "errors", "held_out"])
    rows = [_summary(target, part) for target, part in table.groupby("target_fmr")]
    sizes = {"members": len(members), "identities": len(identities), "comparisons": n}
    return pd.DataFrame(rows).assign(**sizes, splits=splits)


def _summary(target: float, part: pd.DataFrame) -> dict:
    median, low, high = part["threshold"].quantile([0.5, 0.025, 0.975]).round(rates.DECIMALS)
    held_low, held_high = part["held_out"].quantile([0.025, 0.975])
    row = {"target_fmr": target, "threshold": median, "lowest": low, "highest": high}
    row |= {"errors": int(part["errors"].median()), "held_out": part["held_out"].mean()}
    return row | {"held_out_low": held_low, "held_out_high": held_high}
