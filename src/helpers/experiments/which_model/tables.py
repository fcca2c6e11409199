"""The Congress test under every defensible choice at once: a specification curve.

A specification is one choice each of model, gallery, detector, framing, portrait, threshold policy,
same-person variant and denominator. RULES says, before any result, which choices are counted and
which are only shown. After Simonsohn, Simmons and Nelson, "Specification curve analysis" (2020).

`python -m helpers.rebuild.tables 07-which-model` makes data/results/detectors*.{parquet,csv} from
the photographs, see `detectors`.
"""

import itertools
import warnings
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.experiments.which_model.detectors import DETECTORS, FRAMINGS, KEYS, RESULTS, SEED
from helpers.faces import pipelines
from helpers.protocol import calibration, congress_test, shipped
from helpers.protocol.policy import parse
from helpers.sources import fetch, groups
from helpers.statistics import exact_tests, intervals, rates

# ---------------------------------------------------------------- the choices, fixed beforehand

POLICIES = ("default", "fmr:1e-4", "fmr:1e-5", "fmr:1e-6", "count:14", "count:28", "count:56")
AXES = {
    "model": pipelines.MODELS,
    "gallery": ("utkface", "legislators"),
    "size": ("whole", "sample"),
    "detector": DETECTORS,
    "framing": FRAMINGS,
    "portrait": ("first", "second"),
    "policy": POLICIES,
    "variant": ("any", "rule", "p90"),
    "denominator": ("searched", "enrolled"),
}
# A ratio says little where nearly nobody or nearly everybody is flagged.
FEWEST, MOST = 10, 0.5  # flagged: at least so many, at most so large a part of those searched
MOST_FAILURES = 0.05  # of the members fail to enrol
RULES = {
    "score alone": "every candidate nearer than 90 % of genuine pairs left out",
    "failures": "more than 5 % of the members fail to enrol",
    "ties": f"ties flag over {shipped.MOST_TIES} members more than the policy asks for",
    "few": f"fewer than {FEWEST} members flagged",
    "many": "more than half of those searched flagged",
}


# ---------------------------------------------------------------- every specification


class Curve(NamedTuple):
    """All specifications.

    table: one row each: the choices (AXES), threshold, faces, failures, searched, flagged, fpir,
    low, high (Wilson; NaN for counts), colour_flagged, .., white_searched, ratio, ratio_low,
    ratio_high, within, within_low, within_high, not_asian (the ratio without Asian members), why
    (the rule by which the ratio is only shown, else ""). flagged, searched: bool arrays
    (specifications, members), members in the order of `members`.
    """

    table: pd.DataFrame
    flagged: np.ndarray
    searched: np.ndarray
    members: pd.DataFrame


@cache
def curve() -> Curve:
    """Every specification of the members' search, from what ships."""
    members = congress_test.people_searched()
    seconds = set(fetch.load_manifest("second-portraits")["id"])
    return specify(_settings(), members, members["member_id"].isin(seconds).to_numpy())


@cache
def _settings() -> list[dict]:
    """All searches: their choices, best scores and thresholds."""
    result = []
    for model, gallery in itertools.product(pipelines.MODELS, shipped.GALLERIES):
        found = shipped.scores(gallery, model)
        default = found.description["configuration"]["default_threshold"]
        choices = (model, gallery, "whole", "yunet", FRAMINGS[0])
        result.append(_setting(choices, found.best, found.removed, found.faces, default))
    best = pd.read_parquet(RESULTS / "detectors.parquet").assign(portrait="first").groupby(KEYS)
    for row in pd.read_csv(RESULTS / "detectors-settings.csv").to_dict("records"):
        gallery, _, size = row["gallery"].partition(" ")
        choices = (row["model"], gallery, size or "whole", row["detector"], row["framing"])
        mine = best.get_group(tuple(row[k] for k in KEYS))
        result.append(
            _setting(choices, mine, row["removed"], row["faces"], row["default_threshold"])
        )
    return result


def _setting(choices, best, removed, faces, default) -> dict:
    """One search as `specify` takes it, with the thresholds calibrated for its configuration."""
    choices = dict(zip(list(AXES)[:5], choices, strict=True))
    offered = calibration.thresholds()
    mine = offered["model"].eq(choices["model"]) & offered["detector"].eq(choices["detector"])
    # no threshold was calibrated on cropped photographs
    offered = offered[mine & (choices["framing"] == FRAMINGS[0])]
    return {
        "choices": choices,
        "best": best,
        "removed": removed,
        "faces": faces,
        "default": default,
        "fmr": dict(zip(offered["target_fmr"], offered["threshold"], strict=True)),
    }


def specify(settings: list[dict], members: pd.DataFrame, has_second: np.ndarray) -> Curve:
    """Cross all settings with portraits, variants, policies and denominators.

    settings: dicts of choices, best (probe_id, portrait, any, rule, and where known p90;
    distances), removed (gallery faces left out by the rule), faces, default and fmr (thresholds).
    members: member_id, of_colour, gender, group. has_second: which members have a second portrait.
    A choice that changes nothing makes no specification of its own: the variant "rule" where no
    face is left out, the denominator "enrolled" where nobody fails to enrol.
    """
    rows, flags, counted = [], [], []
    other = {"first": np.zeros_like(has_second), "second": has_second}
    everyone = np.ones(len(members), dtype=bool)
    for setting in settings:
        sides = {
            portrait: part.set_index("probe_id").reindex(members["member_id"])
            for portrait, part in setting["best"].groupby("portrait")
        }
        variants = [v for v in AXES["variant"] if v in setting["best"]]
        variants = [v for v in variants if v != "rule" or setting["removed"]]
        for portrait, variant in itertools.product(sides, variants):
            best = np.where(other[portrait], sides[portrait][variant], sides["first"][variant])
            enrolled = ~np.isnan(best)
            best = np.where(enrolled, best, np.inf)
            sets = {"searched": everyone} | ({} if enrolled.all() else {"enrolled": enrolled})
            for policy in POLICIES:
                threshold = _threshold(policy, best, setting)
                if threshold is None:
                    continue
                flagged = rates.at_or_below(best, threshold)
                for denominator, searched in sets.items():
                    choices = (portrait, policy, variant, denominator)
                    rows.append(
                        setting["choices"]
                        | dict(zip(list(AXES)[-4:], choices, strict=True))
                        | {"threshold": threshold, "faces": setting["faces"]}
                        | {"failures": int((~enrolled).sum())}
                    )
                    flags.append(flagged)
                    counted.append(searched)
    found = Curve(pd.DataFrame(rows), np.array(flags), np.array(counted), members)
    table = pd.concat([found.table, _rates(found)], axis=1)
    table["why"] = _why(table, len(members))
    return found._replace(table=table)


def _threshold(policy, best, setting) -> float | None:
    kind, value = parse(policy)
    if kind == "default":
        return setting["default"]
    if kind == "fmr":
        return next((t for f, t in setting["fmr"].items() if np.isclose(f, value)), None)
    if np.isfinite(best).sum() < value:
        return None
    return rates.threshold_for_count(best, value).threshold


def counts(found: Curve, mask) -> tuple[np.ndarray, np.ndarray]:
    """Flagged and searched of each specification among the members of a mask."""
    mask = np.asarray(mask, dtype=np.float32)
    return (
        np.rint(found.flagged.astype(np.float32) @ mask).astype(int),
        np.rint(found.searched.astype(np.float32) @ mask).astype(int),
    )


def _rates(found: Curve) -> pd.DataFrame:
    """The columns of rates and ratios of `Curve`."""
    members = found.members
    colour = members["of_colour"].to_numpy()
    (k, n), (k1, n1), (k0, n0) = (counts(found, m) for m in (colour | ~colour, colour, ~colour))
    low, high = intervals.wilson(k, n)
    fixed = found.table["policy"].str.startswith("count")
    ratios = np.array([_ratio(*cells) for cells in zip(k1, n1, k0, n0, strict=True)])
    strata = [
        (*counts(found, sex & colour), *counts(found, sex & ~colour))
        for sex in (members["gender"].eq(g).to_numpy() for g in members["gender"].unique())
    ]
    within = mantel_haenszel(np.array(strata, dtype=float))
    k2, n2 = counts(found, groups.not_asian(members["group"]))
    with np.errstate(divide="ignore", invalid="ignore"):
        not_asian = (k2 / n2) / (k0 / n0)
    return pd.DataFrame(
        {
            "searched": n, "flagged": k, "fpir": k / n,
            "low": np.where(fixed, np.nan, low), "high": np.where(fixed, np.nan, high),
            "colour_flagged": k1, "colour_searched": n1,
            "white_flagged": k0, "white_searched": n0,
            **dict(zip(["ratio", "ratio_low", "ratio_high"], ratios.T, strict=True)),
            **dict(zip(["within", "within_low", "within_high"], within, strict=True)),
            "not_asian": not_asian,
        }
    )  # fmt: skip


@cache
def _ratio(k1, n1, k0, n0) -> tuple[float, float, float]:
    with warnings.catch_warnings():
        # statsmodels finds a bound beside the real line where a whole group is flagged
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        return tuple(intervals.risk_ratio(k1, n1, k0, n0))[:3]


def mantel_haenszel(strata: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`intervals.mantel_haenszel_risk_ratio` for many tables at once: ratio, low, high.

    strata: shape (strata, 4, tables), the counts k1, n1, k0, n0. Interval NaN where a group has
    none flagged.
    """
    k1, n1, k0, n0 = np.moveaxis(strata, 1, 0)
    n = n1 + n0
    r, s = (k1 * n0 / n).sum(axis=0), (k0 * n1 / n).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = r / s
        variance = ((n1 * n0 * (k1 + k0) - k1 * k0 * n) / n**2).sum(axis=0) / (r * s)
        half = 1.959963984540054 * np.sqrt(np.where(r * s > 0, variance, np.nan))
        return ratio, ratio * np.exp(-half), ratio * np.exp(half)


def _why(table: pd.DataFrame, members: int) -> np.ndarray:
    """The first rule that keeps each specification from being counted, or an empty text."""
    wanted = pd.to_numeric(table["policy"].str.extract(r"count:(\d+)")[0])
    broken = {
        "score alone": table["variant"].eq("p90"),
        "failures": table["failures"] > MOST_FAILURES * members,
        "ties": table["flagged"] > wanted + shipped.MOST_TIES,
        "few": table["flagged"] < FEWEST,
        "many": table["flagged"] > MOST * table["searched"],
    }
    return np.select(list(broken.values()), list(broken), "")


def only(found: Curve, keep: np.ndarray) -> Curve:
    """Some of the specifications; keep: bool, one each."""
    return found._replace(
        table=found.table[keep].reset_index(drop=True),
        flagged=found.flagged[keep],
        searched=found.searched[keep],
    )


def counted(found: Curve) -> Curve:
    """The specifications that RULES let count for the ratio."""
    return only(found, found.table["why"].eq("").to_numpy())


# ---------------------------------------------------------------- what survives


def conclusions(found: Curve, aclu: float) -> dict[str, tuple[pd.Series, pd.Series]]:
    """The conclusions to test: name -> (does it hold, for these specifications), bool series.

    aclu: the published FPIR. The FPIR of a default is asked of whole galleries alone (a sample has
    fewer matches) and of every share of flagged, the ratios of what is `counted`.
    """
    table = found.table
    fair = table["why"].eq("")
    default = (
        table["policy"].eq("default")
        & table["size"].eq("whole")
        & table["why"].isin(["", "few", "many"])
    )
    return {
        "default": (table["low"] > aclu, default),
        "above": (table["ratio"] > 1, fair),
        "clear": (table["ratio_low"] > 1, fair),
        "within": (table["within"] > 1, fair),
        "within clear": (table["within_low"] > 1, fair),
        "not Asian": (table["not_asian"] > 1, fair),
        "reversed": (table["ratio_high"] < 1, fair),
    }


def survival(found: Curve, aclu: float) -> pd.DataFrame:
    """How many specifications each conclusion holds in: over all, by model, by gallery.

    Columns conclusion, of (all, or the name of a model or gallery), holds, specifications.
    """
    rows = []
    for name, (holds, where) in conclusions(found, aclu).items():
        parts = {"all": where}
        for axis in ("model", "gallery"):
            parts |= {o: where & found.table[axis].eq(o) for o in AXES[axis]}
        rows += [(name, of, int((holds & part).sum()), int(part.sum()))
                 for of, part in parts.items()]  # fmt: skip
    return pd.DataFrame(rows, columns=["conclusion", "of", "holds", "specifications"])


def log_ratios(found: Curve, of_colour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log FPIR ratio of each specification and its standard error, half a person added to each
    count flagged.

    of_colour: bool or 0/1, shape (members,) or (members, draws). Returns (specifications, ..).
    """
    label = np.asarray(of_colour, dtype=np.float32)
    flagged, searched = found.flagged.astype(np.float32), found.searched.astype(np.float32)
    k1, n1 = flagged @ label + 0.5, searched @ label + 1
    k0, n0 = flagged @ (1 - label) + 0.5, searched @ (1 - label) + 1
    return np.log(k1 * n0 / (n1 * k0)), np.sqrt(1 / k1 - 1 / n1 + 1 / k0 - 1 / n0)


def joint_test(found: Curve, draws: int = 1999, seed: int = SEED) -> pd.DataFrame:
    """Could the whole curve be chance? Who is of colour is shuffled within recorded sex.

    Every specification is computed again for each shuffle, so that their dependence is allowed for.
    One row a statistic (the median ratio; the shares of specifications with a ratio above 1, and
    clearly above or below it: by 1.96 standard errors of the log): observed, expected (median of
    the shuffles), low, high (their central 95 %), p (two-sided).
    Not a test of one specification, and not of other photographs or galleries.
    """
    colour = found.members["of_colour"].to_numpy()
    rng = np.random.default_rng(seed)
    shuffled = np.repeat(colour[:, None], draws, axis=1)
    for sex in found.members["gender"].unique():
        mine = np.flatnonzero(found.members["gender"] == sex)
        order = rng.permuted(np.repeat(mine[:, None], draws, axis=1), axis=0)
        shuffled[mine] = colour[order]
    logs, errors = log_ratios(found, np.column_stack([colour, shuffled]))
    statistics = {
        "median ratio": np.exp(np.median(logs, axis=0)),
        "share above 1": (logs > 0).mean(axis=0),
        "share clearly above 1": (logs > 1.96 * errors).mean(axis=0),
        "share clearly below 1": (logs < -1.96 * errors).mean(axis=0),
    }
    rows = []
    for name, values in statistics.items():
        observed, chance = values[0], values[1:]
        tails = ((chance >= observed).sum(), (chance <= observed).sum())
        low, high = np.percentile(chance, [2.5, 97.5])
        p = min(1, 2 * (1 + min(tails)) / (draws + 1))
        rows.append((name, observed, np.median(chance), low, high, p))
    return pd.DataFrame(rows, columns=["statistic", "observed", "expected", "low", "high", "p"])


def moves(found: Curve) -> pd.DataFrame:
    """What each choice does when all others stay: one row an axis.

    Columns choice, pairs (of specifications that differ in this alone), factor (median of the
    larger ratio over the smaller), factor_90 (its 90th percentile), flips (pairs on both sides of
    a ratio of 1), shared (mean share of flagged members in common, among pairs under count:28; NaN
    where there are none).
    """
    logs, _ = log_ratios(found, found.members["of_colour"].to_numpy())
    rows = []
    for axis in AXES:
        others = [a for a in AXES if a != axis]
        pairs = [
            pair
            for part in found.table.groupby(others).indices.values()
            for pair in itertools.combinations(part, 2)
        ]
        if not pairs:
            continue
        a, b = np.array(pairs).T
        apart = np.abs(logs[a] - logs[b])
        same = found.table["policy"].to_numpy()[a] == "count:28"
        same &= found.table["policy"].to_numpy()[b] == "count:28"
        both = (found.flagged[a] & found.flagged[b]).sum(axis=1)
        either = (found.flagged[a].sum(axis=1) + found.flagged[b].sum(axis=1)) / 2
        shared = (both / either)[same].mean() if same.any() else np.nan
        flips = int((logs[a] * logs[b] < 0).sum())
        rows.append(
            (axis, len(pairs), np.exp(np.median(apart)), np.exp(np.quantile(apart, 0.9)), flips,
             shared)
        )  # fmt: skip
    columns = ["choice", "pairs", "factor", "factor_90", "flips", "shared"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        "factor", ascending=False, ignore_index=True
    )


def by_option(found: Curve, value: str = "ratio") -> pd.DataFrame:
    """Median of a column for each option of each axis: axis, option, specifications, median."""
    rows = [
        (axis, option, int(here.sum()), found.table.loc[here, value].median())
        for axis, options in AXES.items()
        for option in options
        if (here := found.table[axis].eq(option)).any()
    ]
    return pd.DataFrame(rows, columns=["axis", "option", "specifications", "median"])


def by_group(found: Curve) -> pd.DataFrame:
    """Each recorded group over the specifications: group, members, above (specifications with a
    higher FPIR than the white members), specifications, median, least and greatest FPIR."""
    members = found.members
    masks = groups.masks(members["group"])
    fpirs = {name: np.divide(*counts(found, mask)) for name, mask in masks.items()}
    rows = [
        (name, int(masks[name].sum()), int((f > fpirs["White"]).sum()), len(f),
         np.median(f), f.min(), f.max())
        for name, f in fpirs.items()
    ]  # fmt: skip
    columns = ["group", "members", "above", "specifications", "median", "least", "greatest"]
    return pd.DataFrame(rows, columns=columns)


def names(found: Curve, policy: str = shipped.PRIMARY) -> pd.Series:
    """In how many of the specifications of one policy each member is flagged, by member id."""
    here = found.table["policy"].eq(policy).to_numpy()
    return pd.Series(found.flagged[here].sum(axis=0), index=found.members["member_id"])


# ---------------------------------------------------------------- failures to enrol


@cache
def member_failures() -> pd.DataFrame:
    """Members whose roster's portrait fails to enrol: a row a detector, framing and group.

    Columns detector, framing, group (a recorded group, a gender, all, members of colour with and
    without Asian members), failures, images, low, high (Wilson).
    """
    members = congress_test.people_searched()
    masks = {"All members": members["group"].notna()} | groups.masks(members["group"])
    masks |= {"Women": members["gender"].eq("female"), "Men": members["gender"].eq("male")}
    enrolled = {}
    for setting in _settings():
        first = setting["best"].query("portrait == 'first'")["probe_id"]
        key = setting["choices"]["detector"], setting["choices"]["framing"]
        enrolled[key] = enrolled.get(key, set()) | set(first)
    rows = []
    for (detector, framing), ids in enrolled.items():
        failed = ~members["member_id"].isin(ids)
        for group, mask in masks.items():
            k, n = int((failed & mask).sum()), int(mask.sum())
            rows.append((detector, framing, group, k, n, *intervals.wilson(k, n)))
    columns = ["detector", "framing", "group", "failures", "images", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def gallery_failures() -> pd.DataFrame:
    """Failures to enrol of all datasets and, for the strangers, by published label.

    Columns dataset, detector, framing, part (all, a gender, a race), failures, elsewhere, images,
    low, high (Wilson, of the failures).
    """
    table = pd.read_csv(RESULTS / "detectors-failures.csv")
    table["low"], table["high"] = intervals.wilson(table["failures"], table["images"])
    return table


def uneven_failures(resamples: int = 9999) -> pd.DataFrame:
    """Do the strangers' failures differ by published race? One row a detector: detector, p, holm_p.

    Chi-squared statistic of failures and successes by race, its p from permutations.
    """
    table = gallery_failures().query("dataset == 'utkface' and part in @groups.RACES")
    rows = []
    for detector, part in table.groupby("detector", sort=False):
        cells = np.array([part["failures"], part["images"] - part["failures"]])
        rows.append((detector, chance_of(cells, resamples)))
    result = pd.DataFrame(rows, columns=["detector", "p"])
    return result.assign(holm_p=exact_tests.holm(result["p"]))


def chance_of(cells: np.ndarray, resamples: int = 9999, seed: int = SEED) -> float:
    """Permutation p of the chi-squared statistic of a 2 x k table, margins kept."""
    failed, total = cells[0].sum(), cells.sum(axis=0)
    if failed in (0, total.sum()):
        return 1.0
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(total, failed, resamples)
    # with fixed margins chi-squared is this sum times a constant
    expected = total * failed / total.sum()
    far = ((np.vstack([cells[0], drawn]) - expected) ** 2 / expected).sum(axis=1)
    return float((far >= far[0] - 1e-9).mean())


def framing() -> pd.DataFrame:
    """How faces lie in their images: images, faces, side, centre_x, centre_y (medians, as parts of
    the image's width; side: square root of the area of YuNet's box)."""
    return pd.read_csv(RESULTS / "detectors-framing.csv")
