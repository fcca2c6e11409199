"""The ACLU's list of 28 beside ours: groups, nearness, and a share against two rates."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.who_is_misidentified.tables import (
    ETHNICITY,
    GENDER,
    SEED,
    groups,
    secondary,
)
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.protocol.congress_test import people_searched
from helpers.sources import published
from helpers.statistics import exact_tests, intervals


@cache
def aclu_beside() -> pd.DataFrame:
    """The ACLU's 28 and ours by group: characteristic, group, searched, by_lot, aclu, each model.

    by_lot: how many a draw of 28 of all members by lot holds on average.
    """
    members = people_searched()
    listed, _ = aclu_listed()
    flagged = {
        m: shipped.result("utkface", m, shipped.PRIMARY).members["flagged"].to_numpy()
        for m in PRIMARY_MODELS
    }
    rows = []
    for g in groups(members):
        if g["characteristic"] in (ETHNICITY, GENDER):
            inside = g["inside"]
            rows.append(
                {
                    "characteristic": g["characteristic"],
                    "group": g["group"],
                    "searched": int(inside.sum()),
                    "by_lot": listed.sum() * inside.mean(),
                    "aclu": int((listed & inside).sum()),
                    **{m: int((f & inside).sum()) for m, f in flagged.items()},
                }
            )
    return pd.DataFrame(rows)


def aclu_listed() -> tuple[np.ndarray, np.ndarray]:
    """Who is on the ACLU's list, and the strata of the rank test: recorded gender x group."""
    members = people_searched()
    listed = members["member_id"].isin(published.aclu_28()["member_id"]).to_numpy()
    return listed, (members["gender"] + ", " + members["group"]).to_numpy(str)


@cache
def rank_test(permutations: int = 4999, seed: int = SEED) -> pd.DataFrame:
    """Do the ACLU's 28 lie nearer to our strangers than others of their gender and group?

    One row a model: auc (pooled over strata), p (permutation within strata), holm_p.
    """
    listed, strata = aclu_listed()
    rows = []
    for model in PRIMARY_MODELS:
        score = shipped.result("utkface", model, shipped.PRIMARY).members["score"]
        found = exact_tests.rank_permutation_test(score, listed, strata, permutations, seed)
        rows.append({"model": model, "auc": float(found.auc), "p": found.p})
    table = pd.DataFrame(rows)
    return table.assign(holm_p=exact_tests.holm(table["p"]))


@cache
def shares() -> pd.DataFrame:
    """Share, rates and ratio for the ACLU's list in both codings, and for our models.

    Columns source, exact (False: people searched rounded from a reported share), k1, flagged,
    share, share_low, share_high (Wilson), n1, searched, and ratio, low, high (FPIR ratio).
    """
    rows = [
        (f"ACLU, {r.coding}", r.exact, r.colour_flagged, r.flagged, r.colour_searched, r.searched)
        for r in published.codings().itertuples()
    ]
    for r in secondary()[secondary()["primary"]].itertuples():
        rows.append((r.model, True, r.k1, r.k1 + r.k0, r.n1, r.n1 + r.n0))
    table = pd.DataFrame(rows, columns=["source", "exact", "k1", "flagged", "n1", "searched"])
    table["share"] = table["k1"] / table["flagged"]
    table["share_low"], table["share_high"] = intervals.wilson(table["k1"], table["flagged"])
    found = [
        intervals.risk_ratio(r.k1, r.n1, r.flagged - r.k1, r.searched - r.n1)
        for r in table.itertuples()
    ]
    for name in ("ratio", "low", "high"):
        table[name] = [getattr(f, name) for f in found]
    return table


def ratio_implied(share: float, part: float) -> float:
    """The FPIR ratio that a false match share implies for a group that is `part` of the searched.

    The odds of the share over the odds of the part.
    """
    return share / (1 - share) / (part / (1 - part))
