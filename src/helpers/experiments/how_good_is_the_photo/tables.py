"""The tables behind notebook 08, from what ships (made by `make`)."""

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from helpers.experiments.how_good_is_the_photo.make import (
    ROWS,
    SCALED,
    SUMMARY,
    UNDEGRADED,
    conditions,
    thresholds,
)
from helpers.faces import enrolment
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import congress_test, shipping
from helpers.protocol.policy import ACLU_COUNT
from helpers.sources import groups
from helpers.statistics import exact_tests, intervals
from helpers.statistics.paired import gap_change, paired_change
from helpers.statistics.rates import at_or_below, threshold_for_count


@cache
def results() -> pd.DataFrame:
    """What ships, with the members' labels: one row a member, condition and model.

    Columns probe_id, kind, level, model, enrolled, at_28, at_default, at_fmr_1e_4 (falsely matched
    at that threshold), legislators, genuine, rank (see `search_one`), missed_28 and so on (the
    member's second portrait is not returned; missing without one), at_legislators and
    missed_legislators (the threshold that flags 28 undegraded in that gallery), of_colour, group,
    gender.
    """
    table = pd.read_parquet(DATA / "results" / ROWS)
    people = congress_test.people_searched().set_index("member_id")
    for column in ("of_colour", "group", "gender"):
        table[column] = table["probe_id"].map(people[column])
    for model in PRIMARY_MODELS:
        mine = table["model"] == model
        limits = thresholds(model)
        for column, limit in limits.items():
            missed = _missed(table.loc[mine, "genuine"], limit)
            table.loc[mine, column.replace("at_", "missed_")] = missed
        near = table.loc[mine, "legislators"]
        limit = threshold_for_count(near[table["kind"] == UNDEGRADED], ACLU_COUNT).threshold
        table.loc[mine, "at_legislators"] = at_or_below(near, limit)
        table.loc[mine, "missed_legislators"] = _missed(table.loc[mine, "genuine"], limit)
    return table.astype({"at_legislators": bool})


def _missed(genuine: pd.Series, limit: float) -> pd.Series:
    """1.0 where the own second portrait lies beyond the threshold, NaN where there is none."""
    beyond = ~at_or_below(genuine.fillna(np.inf), limit)
    return pd.Series(beyond, index=genuine.index, dtype=float).mask(genuine.isna())


def eye_distances() -> pd.Series:
    """Pixels between the eyes in each published portrait with a face."""
    faces = enrolment.read_faces(shipping.faces_path("probes", PRIMARY_MODELS[0]))
    x, y = (faces[f"left_eye_{a}"] - faces[f"right_eye_{a}"] for a in "xy")
    return pd.Series(np.hypot(x, y), name="eyes")


def summary() -> pd.DataFrame:
    """The threshold-free scores that ship, see `summarise`; one row a condition and model.

    Also auc_holm_p: of the change of the AUC, from its normal interval, Holm-adjusted.
    """
    table = pd.read_csv(DATA / "results" / SUMMARY)
    error = (table["auc_change_high"] - table["auc_change_low"]) / (2 * stats.norm.ppf(0.975))
    with np.errstate(invalid="ignore"):
        table["auc_p"] = 2 * stats.norm.sf(np.abs(table["auc_change"] / error))
    return _holm(table, "auc_p", "auc_holm_p")


def _each_condition(function) -> pd.DataFrame:
    """`function(rows, undegraded rows)` -> a dict, for each condition and model: one row each."""
    rows = []
    for model in PRIMARY_MODELS:
        mine = results().query("model == @model")
        parts = dict(iter(mine.groupby(["kind", "level"], sort=False)))
        before = parts[(UNDEGRADED, 0.0)]
        for kind, level in conditions():
            head = {"kind": kind, "level": level, "model": model}
            rows.append(head | function(parts[(kind, level)], before))
    return pd.DataFrame(rows)


@cache
def overall(policy: str = "28") -> pd.DataFrame:
    """FPIR, FNIR and failures to enrol of all members: one row a condition and model.

    policy: "28", "default", "fmr_1e_4", or "legislators" (28 flagged in that gallery).
    Columns kind, level, model; failed, searched, fte, .. (Wilson); flagged, fpir, fpir_low,
    fpir_high, fpir_enrolled (failures left out); change, change_low, change_high, gained, lost, p
    (paired with the undegraded portrait); missed, mates, fnir, .., fnir_enrolled, beyond_rank_1
    (the second portrait is not the nearest), fnir_change, .. (paired). A failure to enrol is no
    match and a miss.
    """

    def rates_of(rows, before):
        n, enrolled = len(rows), rows["enrolled"].to_numpy()
        flagged = rows[f"at_{policy}"].to_numpy()
        paired = paired_change(before[f"at_{policy}"], flagged)
        mates = rows["genuine"].notna().to_numpy()
        missed = rows[f"missed_{policy}"][mates].to_numpy(dtype=bool)
        misses = paired_change(before[f"missed_{policy}"][mates.tolist()], missed)
        ranked = rows["rank"][mates].to_numpy()
        result: dict = {"searched": n, "mates": int(mates.sum())}
        for name, rate, k, m in (
            ("failed", "fte", int((~enrolled).sum()), n),
            ("flagged", "fpir", int(flagged.sum()), n),
            ("missed", "fnir", int(missed.sum()), len(missed)),
        ):
            low, high = intervals.wilson(k, m)
            result |= {name: k, rate: k / m, f"{rate}_low": low, f"{rate}_high": high}
        return result | {
            "fpir_enrolled": flagged.sum() / max(enrolled.sum(), 1),
            "fnir_enrolled": missed[enrolled[mates]].mean() if enrolled[mates].any() else np.nan,
            "beyond_rank_1": int((ranked != 1).sum()),
            **{k: getattr(paired, k) for k in ("change", "gained", "lost", "p")},
            "change_low": paired.low,
            "change_high": paired.high,
            "fnir_change": misses.change,
            "fnir_change_low": misses.low,
            "fnir_change_high": misses.high,
            "fnir_p": misses.p,
        }

    table = _each_condition(rates_of)
    return _holm(_holm(table, "p", "holm_p"), "fnir_p", "fnir_holm_p")


def _holm(table: pd.DataFrame, p: str, name: str) -> pd.DataFrame:
    """Holm's adjustment over all degradations and models together."""
    tested = ~table["kind"].isin([UNDEGRADED, SCALED])
    return table.assign(**{name: exact_tests.holm(table.loc[tested, p]).reindex(table.index)})


@cache
def gaps(outcome: str = "at_28") -> pd.DataFrame:
    """Members of colour against white members: one row a condition and model.

    outcome: a column of `results` ("at_28", "missed_28", "failed"); members for whom it is missing
    are left out. Columns kind, level, model; k1, n1 (of colour), k0, n0 (white); change1, low1,
    high1, change0, .. (paired with the undegraded portrait); ratio, ratio_low, ratio_high
    (Miettinen-Nurminen); gap_change, ..; within_sex, .. (the same within recorded sex), within_p,
    within_holm_p.
    """

    def compare(rows, before):
        after, earlier = _outcome(rows, outcome), _outcome(before, outcome)
        some = after.notna().to_numpy()
        after, earlier = (x.to_numpy()[some].astype(bool) for x in (after, earlier))
        colour, sex = rows["of_colour"].to_numpy()[some], rows["gender"].to_numpy()[some]
        result = {}
        for side, mask in (("1", colour), ("0", ~colour)):
            found = paired_change(earlier[mask], after[mask])
            result |= {f"k{side}": found.after, f"n{side}": found.n, f"change{side}": found.change}
            result |= {f"low{side}": found.low, f"high{side}": found.high}
        ratio, ratio_low, ratio_high = _risk_ratio(*(result[k] for k in ("k1", "n1", "k0", "n0")))
        whole = gap_change(earlier, after, colour)
        within = gap_change(earlier, after, colour, sex)
        return result | {
            "ratio": ratio,
            "ratio_low": ratio_low,
            "ratio_high": ratio_high,
            "gap_change": whole.change,
            "gap_low": whole.low,
            "gap_high": whole.high,
            "within_sex": within.change,
            "within_low": within.low,
            "within_high": within.high,
            "within_p": within.p,
        }

    table = _each_condition(compare)
    return _holm(table, "within_p", "within_holm_p")


def _risk_ratio(k1, n1, k0, n0) -> tuple[float, float, float]:
    if k1 == n1 and k0 == n0:
        return 1.0, float("nan"), float("nan")  # everyone in both groups: the method has no bounds
    found = intervals.risk_ratio(k1, n1, k0, n0)
    return found.ratio, found.low, found.high


def _outcome(rows: pd.DataFrame, outcome: str) -> pd.Series:
    return (~rows["enrolled"]).astype(float) if outcome == "failed" else rows[outcome].astype(float)


@cache
def by_group(outcome: str = "at_28") -> pd.DataFrame:
    """Counts by recorded group: kind, level, model, group, count, n, before, change, low, high.

    Groups: every recorded one, members of colour, and these without Asian members.
    """
    rows = []
    for model in PRIMARY_MODELS:
        mine = results().query("model == @model")
        parts = dict(iter(mine.groupby(["kind", "level"], sort=False)))
        before = _outcome(parts[(UNDEGRADED, 0.0)], outcome).to_numpy()
        for kind, level in conditions():
            part = parts[(kind, level)]
            after = _outcome(part, outcome).to_numpy()
            for group, mask in group_masks(part).items():
                here = mask & ~np.isnan(after)
                if not here.any():
                    continue
                found = paired_change(before[here], after[here])
                head = {"kind": kind, "level": level, "model": model, "group": group}
                counts = {"count": found.after, "n": found.n, "before": found.before}
                interval = {"change": found.change, "low": found.low, "high": found.high}
                rows.append(head | counts | interval)
    return pd.DataFrame(rows)


def group_masks(members: pd.DataFrame) -> dict[str, np.ndarray]:
    """Group name -> bool array: recorded groups, members of colour, these without Asian members."""
    return groups.masks(members["group"])
