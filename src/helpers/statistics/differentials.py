"""How far the error rates of groups lie apart, in the measures that evaluators report.

The largest rate over the smallest (NIST's inequity rate), the largest over the geometric mean
(draft NIST IR 8429, Grother 2022) and the Gini coefficient (Howard and others, arXiv 2203.05051,
2022). ISO/IEC 19795-10:2024 asks for such differences; no clause of it is claimed to be met.
"""

import numpy as np
import pandas as pd

PEOPLE = 30  # a smaller group is shown and leads no sentence
ERRORS = 30  # the rule of 30: fewer errors do not fix a rate (Doddington and others 2000)
ALL, LARGER = "all groups", f"groups of {PEOPLE} or more"
DRAWS = 10_000


def max_over_min(rates):
    """The largest rate over the smallest, inf where that is 0, NaN where all are.

    >>> float(max_over_min([0.02, 0.01, 0.08])), float(max_over_min([0.02, 0.0]))
    (8.0, inf)
    """
    rates = _checked(rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        return rates.max(axis=-1) / rates.min(axis=-1)


def max_over_geometric_mean(rates):
    """The largest rate over the geometric mean, inf where a rate is 0, NaN where all are.

    >>> float(max_over_geometric_mean([0.02, 0.01, 0.08]).round(3))  # 0.08 / 0.0252
    3.175
    """
    rates = _checked(rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        return rates.max(axis=-1) / np.exp(np.log(rates).mean(axis=-1))


def gini(rates):
    """Gini coefficient of n rates, times n / (n - 1) so that one rate alone above 0 gives 1.

    Along the last axis; each group counts once, whatever its size. 0: all equal; NaN where all are
    0. The correction for n is that of Howard and others (2022).

    >>> float(gini([0.0, 0.0, 0.3])), float(gini([0.25, 0.75]))
    (1.0, 0.5)
    """
    rates = np.sort(_checked(rates), axis=-1)
    n = rates.shape[-1]
    order = 2 * np.arange(1, n + 1) - n - 1
    with np.errstate(invalid="ignore"):
        return (rates * order).sum(axis=-1) / ((n - 1) * rates.sum(axis=-1))


MEASURES = {
    "max / min": max_over_min,
    "max / geometric mean": max_over_geometric_mean,
    "Gini": gini,
}


def enough(table: pd.DataFrame) -> pd.Series:
    """Whether a group has PEOPLE searched and ERRORS flagged: bool, one a row of the table.

    >>> table = pd.DataFrame({"searched": [400, 400, 29], "flagged": [30, 29, 29]})
    >>> enough(table).tolist()
    [True, False, False]
    """
    return (table["searched"] >= PEOPLE) & (table["flagged"] >= ERRORS)


def differentials(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """The measures of MEASURES over groups: with all of them, and without groups below PEOPLE.

    table: one row a group, columns searched and flagged, as `rates.by_group` gives them; groups in
    which nobody was searched are left out. Returns a row for each choice of groups and measure:
    groups (the choice), measure, value, chance (median) and chance_high (95 % point) if all those
    flagged were dealt out at random among the people of these groups (DRAWS draws), n_groups,
    smallest (people in the smallest), fewest (flagged in the group with fewest), zeros (groups with
    nobody flagged: both ratios are inf), enough (are all groups `enough`). Values are NaN for fewer
    than two groups, or with nobody flagged.

    >>> table = pd.DataFrame({"searched": [100, 200, 9], "flagged": [8, 4, 0]})
    >>> differentials(table).query("measure == 'max / min'")["value"].tolist()
    [inf, 4.0]
    """
    table = table.loc[table["searched"] > 0, ["searched", "flagged"]]
    if not table["flagged"].between(0, table["searched"]).all():
        raise ValueError("flagged must lie between 0 and searched: it counts some of them")
    rng = np.random.default_rng(seed)
    rows = []
    for choice, part in ((ALL, table), (LARGER, table[table["searched"] >= PEOPLE])):
        n, k = part["searched"].to_numpy(), part["flagged"].to_numpy()
        sizes = [0, 0, 0, 0, False]
        if len(part):
            sizes = [len(part), n.min(), k.min(), (k == 0).sum(), enough(part).all()]
        known = len(part) > 1 and k.sum() > 0
        drawn = rng.multivariate_hypergeometric(n, k.sum(), size=DRAWS) / n if known else None
        for name, measure in MEASURES.items():
            numbers = [np.nan] * 3
            if known:
                # a quantile that is one of the draws: between two infinite ones is nothing
                chance = np.quantile(measure(drawn), [0.5, 0.95], method="inverted_cdf")
                numbers = [float(measure(k / n)), *map(float, chance)]
            rows.append([choice, name, *numbers, *sizes])
    columns = ["groups", "measure", "value", "chance", "chance_high"]
    columns += ["n_groups", "smallest", "fewest", "zeros", "enough"]
    return pd.DataFrame(rows, columns=columns)


def _checked(rates):
    rates = np.asarray(rates, dtype=np.float64)
    if rates.ndim == 0 or rates.shape[-1] < 2:
        raise ValueError("at least two groups are needed: a single rate differs from nothing")
    if not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError("rates lie between 0 and 1, none missing: leave out groups without people")
    return rates
