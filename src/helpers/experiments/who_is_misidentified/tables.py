"""Who is falsely matched: every group against its counterpart, and what may be said of it.

Members of colour against white members is the primary comparison; all else is exploratory.
"""

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from helpers.experiments.the_people import tables as people
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import shipped
from helpers.protocol.policy import ACLU_COUNT
from helpers.sources.groups import COLOUR, GROUPS, NOT_ASIAN, not_asian
from helpers.statistics import exact_tests, intervals

COUNTS = (ACLU_COUNT // 2, ACLU_COUNT, 2 * ACLU_COUNT)  # flagged at the three thresholds of a rule
CHECKS = (*(f"at {count}" for count in COUNTS), "no threshold", "Holm")
HEADLINE_N = 30  # smaller groups are shown everywhere and named in no opening sentence
FEWEST = 5  # below this a ratio or an AUC is shown without an interval: none of them is valid
ETHNICITY, GENDER, BOTH = "Recorded ethnicity", "Recorded gender", "Gender and ethnicity"
PARTY, CHAMBER, AGE = "Party", "Chamber", "Age in years"
AGES = {"under 50": (0, 49), "50–59": (50, 59), "60–69": (60, 69), "70 and over": (70, 200)}
RESULTS = DATA / "results"
SEED = 20180726
# which matches count as the members themselves, and are left out: variants of the best scores
TREATMENTS = {
    "rule": "probable same persons left out",
    "any": "nobody left out",
    "strict": "contested identities left out too",
}


def groups(members: pd.DataFrame) -> list[dict]:
    """Every group that is shown: characteristic, group, against (or None), inside, strata.

    members: columns group, gender, of_colour, party, chamber, date_of_birth. inside: who belongs to
    the group, a bool array; against: the group of the same characteristic that it is compared with.
    strata: labels within which the comparison is standardised: recorded gender for ethnicity, white
    or of colour for gender, both for party, chamber and age; within a gender already: one stratum.
    """
    m = members
    colour, group = m["of_colour"].to_numpy(dtype=bool), m["group"]
    woman, age = (m["gender"] == "female").to_numpy(), people.ages(m["date_of_birth"])
    sex, tone = m["gender"].to_numpy(str), np.where(colour, "of colour", "white")
    none, each = np.full(len(m), ""), np.char.add(np.char.add(sex, ", "), tone)
    parts = {g: (group == g).to_numpy() for g in GROUPS}
    rows = [
        (ETHNICITY, COLOUR, "White", colour, sex),
        (ETHNICITY, NOT_ASIAN, "White", not_asian(group), sex),
        *((ETHNICITY, g, None if g == "White" else "White", i, sex) for g, i in parts.items()),
        (GENDER, "Women", "Men", woman, tone),
        (GENDER, "Men", None, ~woman, tone),
    ]
    for word, side in (("women", woman), ("men", ~woman)):
        rows.append((BOTH, f"{word.title()} of colour", f"White {word}", colour & side, none))
        for name, inside in parts.items():
            against = f"White {word}" if name != "White" else None
            against = "White men" if (name, word) == ("White", "women") else against
            rows.append((BOTH, f"{name} {word}", against, inside & side, none))
    rows += [
        (PARTY, "Democrats", "Republicans", (m["party"] == "democrat").to_numpy(), each),
        (PARTY, "Republicans", None, (m["party"] == "republican").to_numpy(), each),
        (PARTY, "Independents", "Republicans", (m["party"] == "independent").to_numpy(), each),
        (CHAMBER, "Senate", "House", (m["chamber"] == "senate").to_numpy(), each),
        (CHAMBER, "House", None, (m["chamber"] == "house").to_numpy(), each),
    ]
    for name, (low, high) in AGES.items():
        against = None if name == "60–69" else "60–69"  # the largest band
        rows.append((AGE, name, against, age.between(low, high).to_numpy(), each))
    keys = ("characteristic", "group", "against", "inside", "strata")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def auc_within(best, one, zero, strata) -> tuple[float, float, float]:
    """Chance that a best score of group `one` is smaller than one of `zero` in the same stratum.

    Strata are pooled by their pairs; ties, also of inf, count one half. Variance after DeLong
    (1988), under no difference where a stratum has one member of a group; 95 % interval on the
    logit scale. With one stratum this is `auc.auc_best_scores`. NaN where no stratum has both
    groups; no interval for an AUC of 0 or 1, or a group of fewer than FEWEST.
    """
    best = np.asarray(best, dtype=float)
    pairs, wins, variance = 0, 0.0, 0.0
    for code in np.unique(strata):
        a, b = best[one & (strata == code)], best[zero & (strata == code)]
        m, n = len(a), len(b)
        if not m or not n:
            continue
        below = (a[:, None] < b) + 0.5 * (a[:, None] == b)
        if min(m, n) > 1:
            v = below.mean(1).var(ddof=1) / m + below.mean(0).var(ddof=1) / n
        else:
            v = (m + n + 1) / (12 * m * n)
        pairs, wins, variance = pairs + m * n, wins + below.sum(), variance + (m * n) ** 2 * v
    if not pairs:
        return (float("nan"),) * 3
    auc, sd = wins / pairs, np.sqrt(variance) / pairs
    if not 0 < auc < 1 or min(one.sum(), zero.sum()) < FEWEST:
        return auc, float("nan"), float("nan")
    centre, half = np.log(auc / (1 - auc)), stats.norm.ppf(0.975) * sd / (auc * (1 - auc))
    low, high = 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))
    return float(auc), float(low), float(high)


def compare(members: pd.DataFrame) -> pd.DataFrame:
    """Each group that has a counterpart, against it: one row a comparison.

    members: as for `groups`, with score (best impostor score, inf for none) and flagged (bool).
    Columns characteristic, group, against, k1, n1 (flagged and searched of the group), k0, n0 (of
    its counterpart), ratio, low, high (FPIR ratio, Miettinen-Nurminen), within, within_low,
    within_high (Mantel-Haenszel over the strata of `groups`), p (Fisher), auc, auc_low, auc_high,
    auc_within, .. (see `auc_within`). NaN where a group has nobody.
    """
    flagged, score = members["flagged"].to_numpy(dtype=bool), members["score"].to_numpy()
    everybody = groups(members)
    inside = {g["group"]: g["inside"] for g in everybody}
    rows = []
    for g in everybody:
        if g["against"]:
            one, zero = g["inside"], inside[g["against"]]
            names = {k: g[k] for k in ("characteristic", "group", "against")}
            rows.append(names | compared(flagged, score, one, zero, g["strata"]))
    return pd.DataFrame(rows)


def compared(flagged, score, one, zero, strata) -> dict:
    """One comparison of `compare`: the members of `one` against those of `zero` (bool arrays)."""
    row = ratio_of(flagged, one, zero, strata)
    row["p"] = float("nan")
    if row["n1"] and row["n0"]:
        row["p"] = exact_tests.fisher_exact(row["k1"], row["n1"], row["k0"], row["n0"])
    for name, labels in (("auc", np.zeros(len(score))), ("auc_within", strata)):
        found = auc_within(score, one, zero, labels)
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
    return row


def ratio_of(flagged, one, zero, strata) -> dict:
    """The keys k1 to within_high of `compare`; no interval for a group below FEWEST."""
    count = {"k1": flagged & one, "n1": one, "k0": flagged & zero, "n0": zero}
    row: dict = {name: int(mask.sum()) for name, mask in count.items()}
    nan = float("nan")
    row |= dict.fromkeys(("ratio", "low", "high", "within", "within_low", "within_high"), nan)
    if row["n1"] and row["n0"]:
        crude = intervals.risk_ratio(*(row[c] for c in ("k1", "n1", "k0", "n0")))
        row |= {"ratio": crude.ratio, "low": crude.low, "high": crude.high}
    table = pd.DataFrame(count).groupby(strata).sum()
    if ((table["n1"] > 0) & (table["n0"] > 0)).any():
        pooled = intervals.mantel_haenszel_risk_ratio(table)
        row |= {"within": pooled.ratio, "within_low": pooled.low, "within_high": pooled.high}
    if min(row["n1"], row["n0"]) < FEWEST:
        row |= dict.fromkeys(("low", "high", "within_low", "within_high"), nan)
    return row


@cache
def at_count(count: int, variant: str = "rule") -> pd.DataFrame:
    """`compare` for each model at the threshold that flags so many: its columns and model."""
    tables = []
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, f"count:{count}", variant).members
        tables.append(compare(members).assign(model=model))
    return pd.concat(tables, ignore_index=True)


@cache
def secondary(variant: str = "rule") -> pd.DataFrame:
    """All comparisons at 28 flagged: columns model, those of `compare`, primary, holm_p.

    One family: every comparison but the primary one (members of colour against white members),
    all models together; the primary ones are adjusted among themselves, as in notebook 02.
    """
    table = at_count(ACLU_COUNT, variant).copy()
    table["primary"] = table["group"] == COLOUR
    table["holm_p"] = np.nan
    for _, part in table[table["p"].notna()].groupby("primary"):
        table.loc[part.index, "holm_p"] = exact_tests.holm(part["p"])
    return table


@cache
def rule(variant: str = "rule") -> pd.DataFrame:
    """Which comparisons hold, by the rule for any sentence about a group.

    The columns of `secondary`, for each of COUNTS within_<count>, .._low, .._high, and the
    `checks`, each 1 (more often), -1 (less often) or 0 (could be chance): `at <count>`,
    both FPIR ratios, crude and within strata, on one side of 1 with their intervals; "no
    threshold", both AUCs on one side of one half; "Holm", p at 28 flagged below 0.05;
    "half-samples", the ratios at 28 and the AUC by their half-samples. holds: the value that all
    checks share, else 0.
    """
    table = secondary(variant).copy()
    for count in COUNTS:
        at = at_count(count, variant)
        for end in ("", "_low", "_high"):
            table[f"within_{count}{end}"] = at[f"within{end}"]
        table[f"at {count}"] = _side(at, ("", "within_"), 1)
    table["no threshold"] = _side(table, ("auc_", "auc_within_"), 0.5)
    table["Holm"] = np.sign(table["ratio"].fillna(1) - 1) * (table["holm_p"] < 0.05)
    if variant == "rule":
        half = half_samples().reindex(pd.MultiIndex.from_frame(table[["model", "group"]]))
        ratios = _side(half, ("ratio_", "within_"), 1)
        table["half-samples"] = ratios * (ratios == _side(half, ("auc_",), 0.5))
    found = table[[*checks(variant)]]
    agree = found.nunique(axis=1) == 1
    return table.assign(holds=np.where(agree, found.iloc[:, 0], 0).astype(int))


def checks(variant: str = "rule") -> tuple[str, ...]:
    """The checks of `rule`; half-samples were drawn with probable same persons left out."""
    return (*CHECKS, "half-samples") if variant == "rule" else CHECKS


def _side(table, prefixes, null) -> np.ndarray:
    """1 where all intervals lie above `null`, -1 where all lie below, else 0."""
    above = np.all([table[f"{p}low"] > null for p in prefixes], axis=0)
    below = np.all([table[f"{p}high"] < null for p in prefixes], axis=0)
    return above.astype(int) - below.astype(int)


@cache
def load(name: str) -> pd.DataFrame:
    """A table that `make` made: "who-half-samples", "coverage" or "test-size"."""
    return pd.read_csv(RESULTS / f"{name}.csv")


def half_samples() -> pd.DataFrame:
    """The half-samples that ship, indexed by model and group: see `make.half_samples`."""
    return load("who-half-samples").set_index(["model", "group"])
