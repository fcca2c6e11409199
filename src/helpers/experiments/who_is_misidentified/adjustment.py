"""Gaps before and after adjustment for age and the photograph: a change, never an explanation."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.the_people import tables as people
from helpers.experiments.who_is_misidentified.tables import SEED
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.sources.groups import COLOUR
from helpers.statistics import regression

QUALITY = ["sharpness", "brightness", "face_size"]
GAPS = {"of_colour": f"{COLOUR} against white members", "woman": "Women against men"}
COVARIATES = {
    "of_colour": "white or of colour",
    "woman": "recorded gender",
    "age": "age",
    "sharpness": "sharpness",
    "brightness": "brightness",
    "face_size": "face size",
}


def covariates(model: str) -> pd.DataFrame:
    """The enrolled members with what a gap may be adjusted for, one row each.

    score, flagged (at 28), of_colour, woman (0 or 1), age (decades from the mean), sharpness,
    brightness, face_size (of the portrait; standard deviations from the mean).
    """
    members = shipped.result("utkface", model, shipped.PRIMARY).members
    photos = people.photographed().set_index("member_id").loc[members["member_id"]].reset_index()
    enrolled = ~photos["failed"].to_numpy() & members["enrolled"].to_numpy()
    members, photos = members[enrolled], photos[enrolled]
    quality = photos[QUALITY]
    return pd.DataFrame(
        {
            "score": members["score"].to_numpy(),
            "flagged": members["flagged"].to_numpy(),
            "of_colour": members["of_colour"].to_numpy(dtype=float),
            "woman": (members["gender"] == "female").to_numpy(dtype=float),
            "age": ((photos["age"] - photos["age"].mean()) / 10).to_numpy(),
            **{c: v.to_numpy() for c, v in ((quality - quality.mean()) / quality.std()).items()},
        }
    )


@cache
def adjusted() -> pd.DataFrame:
    """Odds ratios at 28 flagged before and after adjustment (Firth, at most three terms).

    Columns model, gap, terms (what it is adjusted for, "" for nothing), odds_ratio, low, high,
    change (odds ratio over the unadjusted one), events, members.
    """
    rows = []
    for model in PRIMARY_MODELS:
        data = covariates(model)
        sets = [["of_colour"], ["woman"], ["of_colour", "woman"]]
        sets += [["of_colour", "woman", c] for c in ("age", *QUALITY)]
        for terms in sets:
            fit = regression.firth_logistic(data[terms], data["flagged"])
            for gap in GAPS:
                if gap in terms:
                    others = [COVARIATES[t] for t in terms if t != gap]
                    rows.append(
                        {
                            "model": model,
                            "gap": GAPS[gap],
                            "terms": ", ".join(others),
                            **fit.loc[gap, ["odds_ratio", "low", "high"]],
                            "events": int(data["flagged"].sum()),
                            "members": len(data),
                        }
                    )
    table = pd.DataFrame(rows)
    alone = table[table["terms"] == ""].set_index(["model", "gap"])["odds_ratio"]
    base = alone.reindex(pd.MultiIndex.from_frame(table[["model", "gap"]])).to_numpy()
    table.insert(6, "change", table["odds_ratio"].to_numpy() / base)
    return table


def rank_gap(data: pd.DataFrame, terms: list[str], weights=None) -> np.ndarray:
    """The gap of the first of `terms` in the rank of the best scores, the others held equal.

    Least squares of the members' mid-ranks (0 to 1, near the strangers is large) on the terms:
    alone, one half plus the coefficient is exactly the AUC of `auc_within` with one stratum.
    weights: (draws, members), how often each member counts. Returns one half plus the coefficient,
    (draws,); without weights one draw of everybody once.
    """
    score = data["score"].to_numpy()
    w = np.ones((1, len(data))) if weights is None else weights
    order = np.argsort(score, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    tied = np.add.reduceat(w[:, order], first, axis=1)
    middle = (tied.cumsum(axis=1) - tied / 2) / w.sum(axis=1, keepdims=True)
    y = 1 - middle[:, np.unique(score, return_inverse=True)[1]]
    x = np.column_stack([np.ones(len(data)), data[terms]])
    k = x.shape[1]
    moments = (w @ (x[:, :, None] * x[:, None, :]).reshape(len(x), k * k)).reshape(-1, k, k)
    return 0.5 + np.linalg.solve(moments, ((w * y) @ x)[:, :, None])[:, 1, 0]


@cache
def adjusted_ranks(draws: int = 1000, seed: int = SEED) -> pd.DataFrame:
    """Threshold-free: the AUC before and after linear adjustment of the ranks, all members.

    Columns model, gap, terms, auc, low, high, change (AUC less the unadjusted one), change_low,
    change_high, members. Intervals: 2.5 to 97.5 % of `draws` redraws of the members.
    """
    rows = []
    for model in PRIMARY_MODELS:
        data = covariates(model)
        rng = np.random.default_rng(seed)
        weights = rng.multinomial(len(data), np.full(len(data), 1 / len(data)), size=draws)
        for gap, other in (("of_colour", "woman"), ("woman", "of_colour")):
            plain = None
            for more in ([], [other], [other, "age"], [other, *QUALITY], [other, "age", *QUALITY]):
                here = rank_gap(data, [gap, *more])[0]
                drawn = rank_gap(data, [gap, *more], weights.astype(float))
                plain = (here, drawn) if plain is None else plain
                low, high = np.quantile(drawn, [0.025, 0.975])
                change = np.quantile(drawn - plain[1], [0.025, 0.975])
                rows.append(
                    {
                        "model": model,
                        "gap": GAPS[gap],
                        "terms": ", ".join(COVARIATES[t] for t in more),
                        "auc": here,
                        "low": low,
                        "high": high,
                        "change": here - plain[0],
                        "change_low": change[0],
                        "change_high": change[1],
                        "members": len(data),
                    }
                )
    return pd.DataFrame(rows)
