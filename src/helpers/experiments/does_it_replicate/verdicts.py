"""What counts as replicated: counts of newcomers -> a verdict on each registered hypothesis.

A hypothesis is a row: model, kind ("part" or "pooled"), part (a recorded group, members of colour,
or "" for none), direction ("higher" or "lower" than white newcomers), ratio_115 (odds ratio).
"""

from functools import cache

import numpy as np
import pandas as pd

from helpers.sources import groups
from helpers.statistics import exact_tests, rates
from helpers.statistics.stratified_exact import Conditional, conditional_odds_ratio

ALPHA = 0.05
LEAST_NEWCOMERS = 3  # of a part with a hypothesis
LEAST_PROBABILITY = 0.95  # that the part's rate is higher, by the pooling of the 115th
DRAWS = 1000
SEED = 20180726
KINDS = ("part", "pooled")
REPLICATED, NOT, UNDECIDED = "replicated", "not replicated", "undecided"
NONE = "no part predicted"
VERDICTS = {
    REPLICATED: f"the one-sided exact p, Holm-adjusted over the pipelines, is at most {ALPHA:g}",
    NOT: "not the first, and the 95 % interval of the odds ratio leaves out the odds ratio "
    "of the 115th",
    UNDECIDED: "everything else",
}
TRUTHS = ("as in the 115th", "no difference")
COUNTS = ["k1", "n1", "k0", "n0"]


def counts(people: pd.DataFrame, part: str) -> pd.DataFrame:
    """k1, n1 of a part, k0, n0 of white people, a row a gender; part: a group or groups.COLOUR."""
    colour = groups.of_colour(people["group"])
    inside = colour if part == groups.COLOUR else people["group"].eq(part).to_numpy()
    rows = []
    for gender in groups.GENDERS:
        here = people["gender"].eq(gender).to_numpy()
        one, other = (people.loc[here & side, "flagged"] for side in (inside, ~colour))
        rows.append([one.sum(), len(one), other.sum(), len(other)])
    return pd.DataFrame(rows, index=pd.Index(groups.GENDERS, name="gender"), columns=COUNTS)


def predicted_part(parts: pd.DataFrame, newcomers: pd.Series) -> str:
    """The part with the surest higher rate in the 115th, "" if none is sure enough.

    parts: of `pooling.partial_pooling`. newcomers: of each part; LEAST_NEWCOMERS make a candidate.
    """
    enough = newcomers.reindex(parts.index).fillna(0).ge(LEAST_NEWCOMERS)
    above = parts.loc[enough, "above"]
    return str(above.idxmax()) if len(above) and above.max() >= LEAST_PROBABILITY else ""


def decide(hypotheses: pd.DataFrame, tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Verdicts on hypotheses from the newcomers' counts, one table of `counts` a hypothesis.

    Adds flagged, searched, white_flagged, white_searched, odds_ratio, low, high (exact, within
    recorded gender), p (one-sided), p_holm (over the pipelines, each kind by itself) and verdict.
    """
    found = pd.DataFrame([exact(t) for t in tables], index=hypotheses.index)
    sums = pd.DataFrame([t[COUNTS].sum() for t in tables], index=hypotheses.index)
    sums = sums.set_axis(["flagged", "searched", "white_flagged", "white_searched"], axis=1)
    table = hypotheses.join(sums).join(found[["odds_ratio", "low", "high"]])
    higher = hypotheses["direction"] == "higher"
    table["p"] = found["p_higher"].where(higher, found["p_lower"])
    predicted = table["part"].ne("")
    table.loc[~predicted, ["odds_ratio", "low", "high", "p"]] = np.nan
    table["p_holm"] = np.nan
    for kind in KINDS:
        here = predicted & table["kind"].eq(kind)
        table.loc[here, "p_holm"] = exact_tests.holm(table.loc[here, "p"])
    columns = ["ratio_115", "odds_ratio", "low", "high", "p_holm"]
    found_verdicts = judge(*(table[c].to_numpy() for c in columns))
    table["verdict"] = np.where(predicted, found_verdicts, NONE)
    return table


def judge(ratio_115, odds_ratio, low, high, p_holm) -> np.ndarray:
    """The verdicts of `VERDICTS` for arrays, an entry each; the wrong side of 1 decides nothing."""
    outside = (ratio_115 < low) | (ratio_115 > high)
    # nobody flagged where both are: nothing is known
    contradicted = np.where(~np.isnan(odds_ratio) & outside, NOT, UNDECIDED)
    return np.where(p_holm <= ALPHA, REPLICATED, contradicted)


def exact(table: pd.DataFrame) -> Conditional:
    """`conditional_odds_ratio` of a table of `counts`; remembered, as simulations repeat tables."""
    return _exact(tuple(map(tuple, table[COUNTS].to_numpy().tolist())))


@cache
def _exact(rows):
    return conditional_odds_ratio(pd.DataFrame(rows, columns=COUNTS))


def power(
    hypotheses: pd.DataFrame, searched: list[pd.DataFrame], white_rates: list, draws: int = DRAWS
) -> pd.DataFrame:
    """How often each verdict falls if the odds ratios are those of the 115th, and if they are 1.

    searched: newcomers of each hypothesis, as `counts` (n1, n0). white_rates: see `white_rates`.
    Pipelines are drawn independently, a sketch, with a fixed seed. Returns model, kind, part, truth
    (one of TRUTHS), the share of draws of each verdict; no row for a hypothesis without a part.
    """
    rows = []
    for kind in KINDS:
        chosen = np.flatnonzero(hypotheses["kind"].eq(kind) & hypotheses["part"].ne(""))
        mine = hypotheses.iloc[chosen].to_dict("records")
        for truth in TRUTHS:
            rng = np.random.default_rng([SEED, KINDS.index(kind), TRUTHS.index(truth)])
            found = []
            for i, row in zip(chosen, mine, strict=True):
                ratio = row["ratio_115"] if truth == TRUTHS[0] else 1.0
                found.append(_draw(rng, searched[i], white_rates[i], ratio, draws))
            one_sided = [f[f"p_{row['direction']}"] for f, row in zip(found, mine, strict=True)]
            adjusted = holm_of_each(np.column_stack(one_sided)) if found else np.empty((draws, 0))
            for f, p, row in zip(found, adjusted.T, mine, strict=True):
                said = judge(row["ratio_115"], f["odds_ratio"], f["low"], f["high"], p)
                names = {key: row[key] for key in ("model", "kind", "part")}
                shares = {v: float((said == v).mean()) for v in VERDICTS}
                rows.append(names | {"truth": truth} | shares)
    return pd.DataFrame(rows, columns=["model", "kind", "part", "truth", *VERDICTS])


def _draw(rng, searched, white, ratio, draws):
    """Estimates from made-up newcomers: white ones flagged at rate `white`, others by the ratio."""
    odds = ratio * white / (1 - white)
    n1, n0 = searched["n1"].to_numpy(), searched["n0"].to_numpy()
    k1 = rng.binomial(n1, odds / (1 + odds), size=(draws, len(n1)))
    k0 = rng.binomial(n0, white, size=(draws, len(n0)))
    cells = np.stack([k1, np.broadcast_to(n1, k1.shape), k0, np.broadcast_to(n0, k0.shape)], axis=2)
    return pd.DataFrame([_exact(tuple(map(tuple, draw))) for draw in cells.tolist()])


def holm_of_each(pvalues: np.ndarray) -> np.ndarray:
    """`exact_tests.holm` of each row; statsmodels collects garbage at every call, which is slow."""
    order = np.argsort(pvalues, axis=1)
    steps = np.arange(pvalues.shape[1], 0, -1)
    sorted_p = np.take_along_axis(pvalues, order, axis=1) * steps
    adjusted = np.minimum(np.maximum.accumulate(sorted_p, axis=1), 1)
    back = np.empty_like(adjusted)
    np.put_along_axis(back, order, adjusted, axis=1)
    return back


def white_rates(people: pd.DataFrame) -> np.ndarray:
    """Rate at which white people are flagged, by gender, with half a person added."""
    two = np.where(groups.of_colour(people["group"]), groups.COLOUR, groups.WHITE)
    table = rates.within_sex(people.assign(group=two))
    white = table.xs(groups.WHITE, level=1).loc[list(groups.GENDERS)]
    return ((white["flagged"] + 0.5) / (white["searched"] + 1)).to_numpy()
