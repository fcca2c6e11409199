"""Who is falsely matched: groups, thresholds, adjustment, the ACLU's list; behind notebook 04.

The primary analysis is that of `helpers.experiments.the_congress_test.tables`; all else here is
exploratory. `python -m helpers.rebuild.tables 04-who-is-misidentified` makes what takes minutes:
half-sample intervals for every group (needs the face metadata of `utkface` in the cache) and the
simulations of `simulation`. They ship as data/results/who-half-samples.csv, coverage.csv and
test-size.csv, the same bytes each time.
"""

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from helpers.experiments.the_congress_test import tables as headline
from helpers.experiments.the_people import tables as people
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import shipped
from helpers.protocol.congress_test import people_searched
from helpers.protocol.policy import ACLU_COUNT
from helpers.sources import published
from helpers.sources.groups import COLOUR, GROUPS, NOT_ASIAN, not_asian
from helpers.statistics import exact_tests, intervals, rates, regression

COUNTS = (ACLU_COUNT // 2, ACLU_COUNT, 2 * ACLU_COUNT)  # flagged at the three thresholds of a rule
HEADLINE_N = 30  # smaller groups are shown everywhere and named in no opening sentence
FEWEST = 5  # below this a ratio or an AUC is shown without an interval: none of them is valid
ETHNICITY, GENDER, BOTH = "Recorded ethnicity", "Recorded gender", "Gender and ethnicity"
PARTY, CHAMBER, AGE = "Party", "Chamber", "Age in years"
AGES = {"under 50": (0, 49), "50–59": (50, 59), "60–69": (60, 69), "70 and over": (70, 200)}
QUALITY = ["sharpness", "brightness", "face_size"]
RESULTS = DATA / "results"
SEED = 20180726


# ---------------------------------------------------------------- groups and comparisons


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
    """FPIR ratio of group `one` to `zero` (bool arrays), crude and within strata, with counts.

    The keys k1 to within_high of `compare`. No interval for a group of fewer than FEWEST.
    """
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
def at_count(count: int) -> pd.DataFrame:
    """`compare` for each model at the threshold that flags so many: its columns and model."""
    tables = []
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, f"count:{count}").members
        tables.append(compare(members).assign(model=model))
    return pd.concat(tables, ignore_index=True)


@cache
def secondary() -> pd.DataFrame:
    """All comparisons at 28 flagged: columns model, those of `compare`, primary, holm_p.

    One family: every comparison but the primary one (members of colour against white members),
    all models together; the primary ones are adjusted among themselves, as in notebook 02.
    """
    table = at_count(ACLU_COUNT).copy()
    table["primary"] = table["group"] == COLOUR
    table["holm_p"] = np.nan
    for _, part in table[table["p"].notna()].groupby("primary"):
        table.loc[part.index, "holm_p"] = exact_tests.holm(part["p"])
    return table


@cache
def rule() -> pd.DataFrame:
    """Which comparisons hold, by the rule for any sentence about a group.

    The columns of `secondary`, for each of COUNTS ratio_<count>, low_.., high_.., and `holds`: 1
    (more often) or -1 (less often) where the FPIR ratio's 95 % interval lies on one side of 1 at
    all three thresholds, the AUC's on the same side of one half, all of them also within strata,
    and Holm's p at 28 flagged is below 0.05; else 0.
    """
    table = secondary().copy()
    up, down = table["holm_p"] < 0.05, table["holm_p"] < 0.05
    for count in COUNTS:
        at = at_count(count)
        for name in ("ratio", "low", "high"):
            table[f"{name}_{count}"] = at[name]
        up &= (at["low"] > 1) & (at["within_low"] > 1)
        down &= (at["high"] < 1) & (at["within_high"] < 1)
    up &= (table["auc_low"] > 0.5) & (table["auc_within_low"] > 0.5)
    down &= (table["auc_high"] < 0.5) & (table["auc_within_high"] < 0.5)
    return table.assign(holds=up.astype(int) - down.astype(int))


def counterpart(against: str) -> str:
    """A counterpart's name after a slash or "against": "white women", but "Republicans"."""
    return against if against in ("Republicans", "House") else against[0].lower() + against[1:]


@cache
def by_threshold(smallest: int = 10, largest: int = 264) -> pd.DataFrame:
    """FPIR ratios from strict to loose thresholds: a row for a model, gap and number flagged.

    Columns model, gap (members of colour against white within recorded gender; women against men
    within white and of colour), flagged, ratio, low, high (Mantel-Haenszel).
    """
    wanted = np.unique(np.geomspace(smallest, largest, 20).round().astype(int))
    rows = []
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, shipped.PRIMARY).members
        everybody = {g["group"]: g for g in groups(members)}
        score = members["score"].to_numpy()
        for count in sorted({*wanted, *COUNTS}):
            threshold = rates.threshold_for_count(score, int(count)).threshold
            flagged = rates.at_or_below(score, threshold)
            for group in (COLOUR, "Women"):
                g = everybody[group]
                zero = everybody[g["against"]]["inside"]
                found = ratio_of(flagged, g["inside"], zero, g["strata"])
                rows.append(
                    {
                        "model": model,
                        "gap": f"{group} / {counterpart(g['against'])}",
                        "flagged": int(flagged.sum()),
                        "ratio": found["within"],
                        "low": found["within_low"],
                        "high": found["within_high"],
                    }
                )
    return pd.DataFrame(rows).drop_duplicates(["model", "gap", "flagged"], ignore_index=True)


# ---------------------------------------------------------------- age and photo quality

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


# ---------------------------------------------------------------- the ACLU's list


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
    for r in headline.primary().itertuples():
        n = r.colour_searched + r.white_searched
        rows.append((r.model, True, r.colour_flagged, r.flagged, r.colour_searched, n))
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


# ---------------------------------------------------------------- what takes minutes


@cache
def load(name: str) -> pd.DataFrame:
    """A table that `main` made: "who-half-samples", "coverage" or "test-size"."""
    return pd.read_csv(RESULTS / f"{name}.csv")
