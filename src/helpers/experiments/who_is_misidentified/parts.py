"""What "members of colour" is made of: parts by partial pooling, and how far groups lie apart."""

from functools import cache

import pandas as pd

from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.sources.groups import COLOUR, GROUPS, NOT_ASIAN, WHITE, asian
from helpers.statistics import pooling, rates
from helpers.statistics.differentials import differentials


@cache
def pooled() -> dict[tuple[str, str], tuple[pooling.Pooled, pooling.Heterogeneity]]:
    """Partial pooling and heterogeneity of the parts within gender, against white members.

    Keys: a model and COLOUR (all parts) or NOT_ASIAN (fitted without Asian members).
    """
    found = {}
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, shipped.PRIMARY).members
        for whole, part in ((COLOUR, members), (NOT_ASIAN, members[~asian(members["group"])])):
            order = [g for g in GROUPS if g in set(part["group"])]
            table = rates.within_sex(part, order=order)
            fitted = pooling.partial_pooling(table, WHITE)
            found[model, whole] = fitted, pooling.heterogeneity(table, WHITE)
    return found


@cache
def apart() -> pd.DataFrame:
    """`differentials` of the FPIR of the recorded groups at 28 flagged: its columns, and model."""
    tables = []
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, shipped.PRIMARY).members
        table = rates.by_group(members, "group", GROUPS)
        tables.append(differentials(table).assign(model=model))
    return pd.concat(tables, ignore_index=True)
