"""Gaps before and after adjustment for age and the photograph: a change, never an explanation."""

from functools import cache

import pandas as pd

from helpers.experiments.the_people import tables as people
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.sources.groups import COLOUR
from helpers.statistics import regression

QUALITY = ["sharpness", "brightness", "face_size"]
GAPS = {"of_colour": f"{COLOUR} against white members", "woman": "Women against men"}
COVARIATES = {"of_colour": "white or of colour", "woman": "recorded gender"}  # the rest as named


def covariates(model: str) -> pd.DataFrame:
    """The enrolled members with what a gap may be adjusted for, one row each.

    flagged (at 28), of_colour, woman (0 or 1), age (decades from the mean), sharpness, brightness,
    face_size (of the portrait; standard deviations from the mean).
    """
    members = shipped.result("utkface", model, shipped.PRIMARY).members.set_index("member_id")
    photos = people.photographed().set_index("member_id").loc[members.index]
    enrolled = ~photos["failed"].astype(bool) & members["enrolled"]
    members, photos = members[enrolled], photos[enrolled]
    quality = (photos[QUALITY] - photos[QUALITY].mean()) / photos[QUALITY].std()
    return quality.assign(
        flagged=members["flagged"],
        of_colour=members["of_colour"].astype(float),
        woman=(members["gender"] == "female").astype(float),
        age=(photos["age"] - photos["age"].mean()) / 10,
    )


@cache
def adjusted() -> pd.DataFrame:
    """Odds ratios at 28 flagged before and after adjustment (Firth, at most three terms).

    Columns model, gap, terms (what it is adjusted for, "" for nothing), odds_ratio, low, high,
    events, members, change (odds ratio over the unadjusted one).
    """
    rows = []
    for model in PRIMARY_MODELS:
        data = covariates(model)
        counts = {"events": int(data["flagged"].sum()), "members": len(data)}
        for gap, other in (("of_colour", "woman"), ("woman", "of_colour")):
            for more in ([], [other], *([other, c] for c in ("age", *QUALITY))):
                fit = regression.firth_logistic(data[[gap, *more]], data["flagged"]).loc[gap]
                terms = ", ".join(COVARIATES.get(c, c.replace("_", " ")) for c in more)
                row = {"model": model, "gap": GAPS[gap], "terms": terms}
                rows.append(row | fit[["odds_ratio", "low", "high"]].to_dict() | counts)
    table = pd.DataFrame(rows)
    alone = table.groupby(["model", "gap"])["odds_ratio"].transform("first")
    return table.assign(change=table["odds_ratio"] / alone)
