"""The Congress test under every defensible choice at once: a specification curve.

A specification is one choice each of network, feed, gallery, detector, framing, portrait, threshold
and treatment of probable same persons. RULES says, before any result, which choices are counted.
After Simonsohn, Simmons and Nelson, "Specification curve analysis" (2020).

The ratio is everywhere that of FPIRs within recorded gender (Mantel-Haenszel).
"""

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.experiments.the_people import validity as gate
from helpers.experiments.which_model.detectors import DETECTORS, FRAMINGS, KEYS, RESULTS, SEED
from helpers.faces import pipelines
from helpers.faces.pipelines import DEEPFACE, MODEL_LABELS, MODELS, NATIVE, PIPELINES
from helpers.protocol import calibration, congress_test, shipped, validity
from helpers.protocol.policy import parse
from helpers.show.numbers import percent, rate
from helpers.sources import fetch, groups
from helpers.statistics import exact_tests, intervals, rates

# ---------------------------------------------------------------- the choices, fixed beforehand

POLICIES = ("default", "fmr:1e-4", "fmr:1e-5", "fmr:1e-6", "count:14", "count:28", "count:56")
AXES = {
    "network": tuple(dict.fromkeys(row.recogniser for row in PIPELINES.values())),
    "feed": (NATIVE, DEEPFACE),
    "gallery": ("utkface", "legislators"),
    "size": ("whole", "sample"),
    "detector": DETECTORS,
    "framing": FRAMINGS,
    "portrait": ("first", "second"),
    "policy": POLICIES,
    "variant": ("any", "rule", "strict"),
}
SEARCH = list(AXES)[:6]  # the choices that make a search; the others read it
# A ratio says little where nearly nobody or nearly everybody is flagged.
FEWEST, MOST = 10, 0.5  # flagged: at least so many, at most so large a part of those searched
MOST_FAILURES = 0.05  # of the members fail to enrol
COUNTED, SAME_LIST = "", "same people"
RULES = ("failures", "ties", "few", "many", SAME_LIST)
DRAWS = 1999


class Curve(NamedTuple):
    """All specifications.

    table: one row each: the choices (AXES), threshold, faces, failures, flagged, fpir, ratio, low,
    high (within recorded gender, 95 %, Greenland-Robins), why (the first of RULES by which it is
    not counted, else ""). flagged, enrolled: bool (specifications, members), in `members`' order.
    """

    table: pd.DataFrame
    flagged: np.ndarray
    enrolled: np.ndarray
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
    for model, gallery in itertools.product(MODELS, shipped.GALLERIES):
        found = shipped.scores(gallery, model)
        default = found.description["configuration"]["default_threshold"]
        choices = (model, gallery, "whole", "yunet", FRAMINGS[0])
        result.append(_setting(choices, found.best, found.faces, default))
    best = pd.read_parquet(RESULTS / "detectors.parquet").assign(portrait="first").groupby(KEYS)
    for row in pd.read_csv(RESULTS / "detectors-settings.csv").to_dict("records"):
        gallery, _, size = row["gallery"].partition(" ")
        choices = (row["model"], gallery, size or "whole", row["detector"], row["framing"])
        mine = best.get_group(tuple(row[k] for k in KEYS))
        result.append(_setting(choices, mine, row["faces"], row["default_threshold"]))
    return result


def _setting(choices, best, faces, default) -> dict:
    """One search as `specify` takes it, with the thresholds calibrated for its configuration."""
    model, *rest = choices
    how = (PIPELINES[model].recogniser, PIPELINES[model].feed, *rest)
    choices = dict(zip(SEARCH, how, strict=True))
    offered = calibration.thresholds()
    mine = offered["model"].eq(model) & offered["detector"].eq(choices["detector"])
    # no threshold was calibrated on cropped photographs
    offered = offered[mine & (choices["framing"] == FRAMINGS[0])]
    return {
        "choices": choices,
        "best": best,
        "faces": faces,
        "default": default,
        "fmr": dict(zip(offered["target_fmr"], offered["threshold"], strict=True)),
    }


def specify(settings: list[dict], members: pd.DataFrame, has_second: np.ndarray) -> Curve:
    """Cross all settings with portraits, variants and policies.

    settings: dicts of choices, best (probe_id, portrait, any, rule, strict; distances), faces,
    default and fmr (thresholds). members: member_id, of_colour, gender, group. has_second: which
    members have a second portrait. A failure to enrol is no match; a variant that changes no best
    score makes no specification.
    """
    rows, flags, there = [], [], []
    other = {"first": np.zeros_like(has_second), "second": has_second}
    for setting in settings:
        sides = {
            portrait: part.set_index("probe_id").reindex(members["member_id"])
            for portrait, part in setting["best"].groupby("portrait")
        }
        for portrait, variant in itertools.product(sides, AXES["variant"]):
            if variant != "any" and not _leaves_out(setting["best"], variant):
                continue
            best = np.where(other[portrait], sides[portrait][variant], sides["first"][variant])
            enrolled = ~np.isnan(best)
            best = np.where(enrolled, best, np.inf)
            for policy in POLICIES:
                threshold = _threshold(policy, best, setting)
                if threshold is None:
                    continue
                choices = {"portrait": portrait, "policy": policy, "variant": variant}
                about = {"threshold": threshold, "faces": setting["faces"]}
                about["failures"] = int((~enrolled).sum())
                rows.append(setting["choices"] | choices | about)
                flags.append(rates.at_or_below(best, threshold))
                there.append(enrolled)
    found = Curve(pd.DataFrame(rows), np.array(flags), np.array(there), members)
    flagged = found.flagged.sum(axis=1)
    colour = members["of_colour"].to_numpy()
    within = dict(zip(["ratio", "low", "high"], ratios(found, colour, ~colour), strict=True))
    table = found.table.assign(flagged=flagged, fpir=flagged / len(members), **within)
    return found._replace(table=table.assign(why=_why(table, found.flagged)))


def _leaves_out(best: pd.DataFrame, variant: str) -> bool:
    before = AXES["variant"][AXES["variant"].index(variant) - 1]
    return not np.array_equal(best[before], best[variant], equal_nan=True)


def _threshold(policy, best, setting) -> float | None:
    kind, value = parse(policy)
    if kind == "default":
        return setting["default"]
    if kind == "fmr":
        return next((t for f, t in setting["fmr"].items() if np.isclose(f, value)), None)
    if np.isfinite(best).sum() < value:
        return None
    return rates.threshold_for_count(best, value).threshold


def _why(table: pd.DataFrame, flagged: np.ndarray) -> np.ndarray:
    """The first rule that keeps each specification from being counted, or an empty text."""
    members = flagged.shape[1]
    wanted = pd.to_numeric(table["policy"].str.extract(r"count:(\d+)")[0])
    broken = {
        "failures": table["failures"] > MOST_FAILURES * members,
        "ties": table["flagged"] > wanted + shipped.MOST_TIES,
        "few": table["flagged"] < FEWEST,
        "many": table["flagged"] > MOST * members,
    }
    why = pd.Series(np.select(list(broken.values()), list(broken), COUNTED), table.index)
    lists = table[["network", "feed", "gallery"]].assign(people=[f.tobytes() for f in flagged])
    again = lists[why.eq(COUNTED)].duplicated()
    why[again.index[again]] = SAME_LIST
    return why.to_numpy()


def only(found: Curve, keep) -> Curve:
    """Some of the specifications; keep: bool, one each."""
    keep = np.asarray(keep, dtype=bool)
    table = found.table[keep].reset_index(drop=True)
    return found._replace(table=table, flagged=found.flagged[keep], enrolled=found.enrolled[keep])


def counted(found: Curve, feed: str = NATIVE) -> Curve:
    """The specifications of one feed that RULES let count."""
    return only(found, found.table["why"].eq(COUNTED) & found.table["feed"].eq(feed))


# ---------------------------------------------------------------- the ratio, and chance


def ratios(found: Curve, one, other, enrolled: bool = False) -> tuple[np.ndarray, ...]:
    """FPIR ratios within recorded gender of `one` to `other` among the members: ratio, low, high.

    one, other: bool, (members,) or (members, draws); the results have the shape (specifications,)
    or (specifications, draws). enrolled: failures are left out instead of counted as no match.
    NaN where nobody of both is flagged.
    """
    one, other = (np.asarray(mask, dtype=np.float32) for mask in (one, other))
    flagged = found.flagged.astype(np.float32)
    there = found.enrolled.astype(np.float32) if enrolled else np.ones_like(flagged)
    strata = []
    for gender in found.members["gender"].unique():
        here = found.members["gender"].eq(gender).to_numpy()
        k, n = flagged[:, here], there[:, here]
        strata.append([k @ one[here], n @ one[here], k @ other[here], n @ other[here]])
    return mantel_haenszel(np.array(strata, dtype=float))


def mantel_haenszel(strata: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`intervals.mantel_haenszel_risk_ratio` for many tables at once: ratio, low, high.

    strata: shape (strata, 4, ...), the counts k1, n1, k0, n0. Interval NaN where a group has none
    flagged.
    """
    k1, n1, k0, n0 = np.moveaxis(strata, 1, 0)
    n = n1 + n0
    with np.errstate(divide="ignore", invalid="ignore"):
        r, s = (k1 * n0 / n).sum(axis=0), (k0 * n1 / n).sum(axis=0)
        ratio = r / s
        parts = ((n1 * n0 * (k1 + k0) - k1 * k0 * n) / n**2).sum(axis=0)
        variance = np.where(r * s > 0, parts / (r * s), np.nan)
        half = 1.959963984540054 * np.sqrt(variance)
        return ratio, ratio * np.exp(-half), ratio * np.exp(half)


def shuffled(members: pd.DataFrame, mask, draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """A mask of members, and as it lies after shuffling who is who within recorded gender.

    Shape (members, 1 + draws), the first column as it is. The same seed shuffles alike.
    """
    mask = np.asarray(mask)
    result = np.repeat(mask[:, None], draws + 1, axis=1)
    rng = np.random.default_rng(seed)
    for gender in sorted(members["gender"].unique()):
        mine = np.flatnonzero(members["gender"] == gender)
        order = rng.permuted(np.repeat(mine[:, None], draws, axis=1), axis=0)
        result[mine, 1:] = mask[order]
    return result


class Chance(NamedTuple):
    """A number of a curve beside what shuffled labels give: their median and central 95 %."""

    observed: float
    expected: float
    low: float
    high: float


def beside_chance(values: np.ndarray) -> Chance:
    """values: (1 + draws,), the observed one first."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return Chance(float(values[0]), float(np.nanmedian(values[1:])), float(low), float(high))


def survival(found: Curve, draws: int = DRAWS) -> dict[str, Chance]:
    """In what share of specifications each conclusion holds, and the median ratio; with chance.

    Every specification is computed again for each shuffle, so that their dependence is allowed for.
    """
    members = found.members
    group = members["group"]
    masks = {
        "colour": groups.of_colour(group),
        "not Asian": groups.not_asian(group),
        "white": ~groups.of_colour(group),
    }
    labels = {name: shuffled(members, mask, draws) for name, mask in masks.items()}
    ratio, low, high = ratios(found, labels["colour"], labels["white"])
    without, *_ = ratios(found, labels["not Asian"], labels["white"])
    values = {
        "median": np.nanmedian(ratio, axis=0),
        "more": (ratio > 1).mean(axis=0),
        "clearly more": (low > 1).mean(axis=0),
        "clearly less": (high < 1).mean(axis=0),
        "more, not Asian": (without > 1).mean(axis=0),
    }
    return {name: beside_chance(drawn) for name, drawn in values.items()}


# ---------------------------------------------------------------- what a choice does

SMALLEST, LARGEST = 0.05, 20  # ratios are compared within these; 0 and infinity have no logarithm


def pairs_apart(found: Curve, axis: str, differ: tuple[str, ...] = ()) -> pd.DataFrame:
    """Pairs of specifications that differ in one axis alone (and may differ in `differ`).

    Columns a, b (rows of the table), factor (larger ratio over smaller), flips (one above 1 and one
    below), shared (share of people in common; NaN unless both flag 28).
    """
    others = [a for a in AXES if a != axis and a not in differ]
    found_pairs = [
        pair
        for part in found.table.groupby(others).indices.values()
        for pair in itertools.combinations(part, 2)
    ]
    a, b = np.array(found_pairs, dtype=int).reshape(-1, 2).T
    logs = np.log(found.table["ratio"].clip(SMALLEST, LARGEST).fillna(1).to_numpy())
    both = (found.flagged[a] & found.flagged[b]).sum(axis=1)
    either = (found.flagged[a].sum(axis=1) + found.flagged[b].sum(axis=1)) / 2
    at_28 = found.table["policy"].eq(shipped.PRIMARY).to_numpy()
    return pd.DataFrame(
        {
            "a": a,
            "b": b,
            "factor": np.exp(np.abs(logs[a] - logs[b])),
            "flips": logs[a] * logs[b] < 0,
            "shared": np.where(at_28[a] & at_28[b], both / np.maximum(either, 1), np.nan),
        }
    )


def _summary(name: str, pairs: pd.DataFrame) -> tuple:
    return (
        name,
        len(pairs),
        pairs["factor"].median(),
        pairs["factor"].quantile(0.9),
        pairs["flips"].mean(),
        pairs["shared"].mean(),
    )


@cache
def moves() -> pd.DataFrame:
    """What each choice does when all others stay: one row a choice, the largest mover first.

    Columns choice, pairs, factor (median of the larger ratio over the smaller), factor_90 (its 90th
    percentile), flips (share of pairs on both sides of 1), shared (mean share of people in common
    at 28 flagged). Feed: native against deepface; all others among the native feeds. "programs of
    release 0.1": its three primary pipelines and the fourth, of which one was fed natively.
    """
    fair = only(curve(), curve().table["why"].isin([COUNTED, SAME_LIST]))
    native = only(fair, fair.table["feed"].eq(NATIVE))
    rows = [_summary("feed", pairs_apart(fair, "feed"))]
    for axis in AXES:
        pairs = pairs_apart(native, axis)
        if axis != "feed" and len(pairs):
            rows.append(_summary(axis, pairs))
    old = fair.table["feed"].eq(DEEPFACE) | fair.table["network"].eq("Dlib")
    rows.append(_summary("release 0.1", pairs_apart(only(fair, old), "network", ("feed",))))
    columns = ["choice", "pairs", "factor", "factor_90", "flips", "shared"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("factor", ascending=False, ignore_index=True)


def failures_counted_or_not() -> pd.Series:
    """Factor by which the ratio changes when failures are left out instead of counted as no match,
    of each counted specification in which somebody failed to enrol."""
    found = curve()
    found = only(found, found.table["why"].eq(COUNTED) & found.table["failures"].gt(0))
    colour = found.members["of_colour"].to_numpy()
    with_them, *_ = ratios(found, colour, ~colour)
    without, *_ = ratios(found, colour, ~colour, enrolled=True)
    known = (with_them > 0) & np.isfinite(with_them)
    return pd.Series(np.exp(np.abs(np.log(without[known] / with_them[known]))))


# ---------------------------------------------------------------- tables for readers

GALLERIES = {"utkface": "Adult strangers", "legislators": "Former legislators"}
FEEDS = {NATIVE: "as its publisher feeds it", DEEPFACE: "through deepface"}
CHOICES = {
    "feed": "feed: the publisher's or deepface's",
    "network": "network",
    "gallery": "gallery: strangers or former legislators",
    "size": "gallery: whole or a sample",
    "detector": "detector",
    "framing": "framing of the members' photographs",
    "portrait": "which portrait",
    "policy": "threshold",
    "variant": "who is left out as the same person",
    "release 0.1": "four programs compared at first",
}
RULE_LABELS = {
    COUNTED: "Counted",
    "failures": "Over 5 % of the members fail to enrol",
    "ties": "Ties flag more people than asked for",
    "few": "Fewer than ten people flagged",
    "many": "More than half of those searched flagged",
    SAME_LIST: "The same people as another choice",
}


def at_28() -> pd.DataFrame:
    """The first portraits at 28 flagged, whole galleries, rule applied: a row a pipeline, gallery.

    Columns model, gallery, flagged, of_colour, expected (of colour among as many women and men
    drawn at random), ratio, low, high, row (in `curve`).
    """
    found = curve()
    table = found.table
    usual = {a: options[0] for a, options in AXES.items() if a not in SEARCH[:3]}
    usual |= {"policy": shipped.PRIMARY}
    # the rule leaves nobody out of the former legislators
    left_out = table["variant"].eq(np.where(table["gallery"] == "utkface", "rule", "any"))
    usual.pop("variant")
    here = (table[list(usual)] == pd.Series(usual)).all(axis=1) & left_out
    rows = []
    colour = found.members["of_colour"].astype(float)
    share = colour.groupby(found.members["gender"]).transform("mean").to_numpy()
    for gallery, model in itertools.product(GALLERIES, MODELS):
        how = {"network": PIPELINES[model].recogniser, "feed": PIPELINES[model].feed}
        mine = (
            here & (table[list(how)] == pd.Series(how)).all(axis=1) & table["gallery"].eq(gallery)
        )
        row = table[mine].index[0]
        people = found.flagged[row]
        ratio = table.loc[row, ["ratio", "low", "high"]].to_list()
        counts = (int(people.sum()), int(people @ colour), float(share[people].sum()))
        rows.append((model, gallery, *counts, *ratio, row))
    columns = ["model", "gallery", "flagged", "of_colour", "expected", "ratio", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "row"])


def dots() -> pd.DataFrame:
    """`at_28` for the picture: Gallery, Pipeline, Gate, Picked, Of colour, By chance."""
    table = at_28()
    return pd.DataFrame(
        {
            "Gallery": table["gallery"].map(GALLERIES),
            "Pipeline": table["model"].map(MODEL_LABELS),
            "Gate": table["model"].map(_gate),
            "Picked": table["flagged"],
            "Of colour": table["of_colour"],
            "By chance": table["expected"].round(1),
        }
    )


@cache
def passing() -> frozenset:
    """The pipelines that pass the validity gate, measured on the members' second portraits."""
    table = gate.measured().query("dataset == @gate.LARGER")
    return frozenset(row["model"] for row in table.to_dict("records") if validity.passes(row))


def _gate(model: str) -> str:
    return "passes" if model in passing() else "fails"


def feeds() -> pd.DataFrame:
    """One network, two feeds: the gate, and what is picked among adult strangers at 28 flagged."""
    measured = gate.measured().query("dataset == @gate.LARGER").set_index("model")
    found, here = curve(), at_28().query("gallery == 'utkface'").set_index("model")
    framed, tar = _framed(), f"tar_{validity.VALID_FMR:g}"
    rows = []
    for model in sorted(MODELS, key=lambda m: AXES["network"].index(PIPELINES[m].recogniser)):
        native = next(m for m in pipelines.PRIMARY_MODELS if _network(m) == _network(model))
        both = found.flagged[here.at[model, "row"]] & found.flagged[here.at[native, "row"]]
        one, pair = here.loc[model], measured.loc[model]
        rows.append(
            {
                "Pipeline": MODEL_LABELS[model],
                "Pairs accepted": f"{percent(pair[tar])}: {_gate(model)}",
                "Own portrait first": percent(pair["rank_1_rate"]),
                "Of colour among those picked": f"{one['of_colour']} of {one['flagged']}",
                "Ratio": f"{one['ratio']:.2f}",
                "95 % interval": f"{one['low']:.2f}–{one['high']:.2f}",
                "Ratio, photo cut as UTKFace": f"{framed[model]:.2f}",
                "Picked by the native feed, too": int(both.sum()),
            }
        )
    return pd.DataFrame(rows)


def _network(model: str) -> str:
    return PIPELINES[model].recogniser


def _framed() -> dict[str, float]:
    """The ratio at 28 flagged with the members' photographs cut as UTKFace's, by pipeline."""
    table = curve().table.query("framing == @FRAMINGS[1] and variant == 'rule'")
    table = table[table["policy"].eq(shipped.PRIMARY)].set_index(["network", "feed"])["ratio"]
    return {m: table[_network(m), PIPELINES[m].feed] for m in MODELS}


def rules() -> pd.DataFrame:
    """How many specifications each rule leaves out: Rule, then a column a feed."""
    table = curve().table
    counts = table.groupby(["why", "feed"]).size().unstack(fill_value=0)
    counts = counts.reindex(list(RULE_LABELS), fill_value=0)
    columns = {f"{FEEDS[f].capitalize()}": counts[f].to_list() for f in FEEDS}
    shown = pd.DataFrame({"Rule": list(RULE_LABELS.values()), **columns})
    total = pd.DataFrame([{"Rule": "All", **{c: shown[c].sum() for c in columns}}])
    return pd.concat([shown, total], ignore_index=True)


def drawn() -> pd.DataFrame:
    """The specifications of the curve, native ones first, each block sorted by ratio."""
    table = curve().table
    table = table[table["why"].eq(COUNTED)].drop(columns="why")
    table = table.assign(counted=table["feed"].eq(NATIVE))
    # ties would stand in an order of the machine's own
    by = ["counted", "ratio", *AXES]
    return table.sort_values(by, ascending=[False] + [True] * (len(by) - 1), ignore_index=True)


@cache
def chances() -> pd.DataFrame:
    """`survival` of parts of the curve: where, specifications, conclusion, then as in `Chance`."""
    native, other = counted(curve()), counted(curve(), DEEPFACE)
    parts = {"All, as published": native}
    parts |= {n: only(native, native.table["network"].eq(n)) for n in AXES["network"]}
    parts |= {t: only(native, native.table["gallery"].eq(g)) for g, t in GALLERIES.items()}
    parts |= {"All, through deepface": other}
    rows = [
        (name, len(part.table), conclusion, *chance)
        for name, part in parts.items()
        for conclusion, chance in survival(part).items()
    ]
    return pd.DataFrame(rows, columns=["where", "specifications", "conclusion", *Chance._fields])


CONCLUSIONS = {
    "median": "Median ratio",
    "more": "More often",
    "clearly more": "Clearly more often",
    "clearly less": "Clearly less often",
    "more, not Asian": "More often, without Asian members",
}


def survived() -> pd.DataFrame:
    """`chances` for readers: a row a part of the curve; in brackets what shuffled labels give."""
    rows = []
    for (where, n), part in chances().groupby(["where", "specifications"], sort=False):
        row = {"Specifications": where, "Number": n}
        for one in part.itertuples():
            if one.conclusion == "median":
                text = f"{one.observed:.1f} (chance {one.low:.1f}–{one.high:.1f})"
            else:
                text = f"{percent(one.observed, 0)} (chance {interval_of(one)})"
            row[CONCLUSIONS[one.conclusion]] = text
        rows.append(row)
    return pd.DataFrame(rows)


def interval_of(chance) -> str:
    """The central 95 % of shuffles of a share, in whole per cent: "32–68 %"."""
    return f"{100 * chance.low:.0f}–{100 * chance.high:.0f} %"


def fpirs() -> pd.DataFrame:
    """How many are falsely matched in whole galleries, by threshold: native feeds, any portrait."""
    table = curve().table
    table = table[table["size"].eq("whole") & table["feed"].eq(NATIVE)]
    table = table[table["framing"].eq(FRAMINGS[0]) & ~table["policy"].str.startswith("count")]
    names = {"default": "Publisher's default", "fmr:1e-4": "FMR of 1 in 10,000"}
    names |= {"fmr:1e-5": "FMR of 1 in 100,000", "fmr:1e-6": "FMR of 1 in a million"}
    rows = [
        {
            "Threshold": name,
            "Least": percent(fpir.min()),
            "Median": percent(fpir.median()),
            "Greatest": percent(fpir.max()),
        }
        for policy, name in names.items()
        if len(fpir := table.loc[table["policy"].eq(policy), "fpir"])
    ]
    return pd.DataFrame(rows)


def shown_moves() -> pd.DataFrame:
    """`moves` for readers."""
    table = moves()
    return pd.DataFrame(
        {
            "Choice": table["choice"].map(CHOICES),
            "Pairs": table["pairs"],
            "Typical factor": table["factor"].round(2),
            "One pair in ten exceeds": table["factor_90"].round(2),
            "Other side of 1": table["flips"].map(lambda v: percent(v, 0)),
            "People in common": table["shared"].map(
                lambda v: "–" if np.isnan(v) else percent(v, 0)
            ),
        }
    )


def parts() -> pd.DataFrame:
    """Each recorded group against white members over the counted native specifications.

    Columns Group, Members, Picked more often (share of specifications, in brackets chance), Median,
    Least, Greatest FPIR.
    """
    found = counted(curve())
    group = found.members["group"]
    masks = groups.masks(group)
    white = shuffled(found.members, masks.pop(groups.WHITE))
    rows = []
    for name, mask in masks.items():
        ratio, *_ = ratios(found, shuffled(found.members, mask), white)
        chance = beside_chance((ratio > 1).mean(axis=0))
        fpir = pd.Series(found.flagged[:, mask].mean(axis=1))
        more = f"{percent(chance.observed, 0)} (chance {interval_of(chance)})"
        ends = [percent(f) for f in (fpir.median(), fpir.min(), fpir.max())]
        rows.append((name, int(mask.sum()), more, *ends))
    columns = ["Group", "Members", "Picked more often", "Median FPIR", "Least", "Greatest"]
    return pd.DataFrame(rows, columns=columns)


def names() -> pd.DataFrame:
    """How often the same members are picked at 28 flagged, over the counted native ones."""
    found = counted(curve())
    here = found.table["policy"].eq(shipped.PRIMARY).to_numpy()
    times, n = found.flagged[here].sum(axis=0), int(here.sum())
    rows = [
        ("Lists compared", n),
        ("On one list or more", int((times > 0).sum())),
        ("On most lists", int((times > n / 2).sum())),
        ("On every list", int((times == n).sum())),
    ]
    return pd.DataFrame(rows, columns=["Members", "Number"])


# ---------------------------------------------------------------- failures to enrol


@cache
def member_failures() -> pd.DataFrame:
    """Members whose roster's portrait fails to enrol: a row a way to find the face and a group.

    Columns how, group (All members, and those of `groups.masks`), failures, images, low, high
    (Wilson).
    """
    members = congress_test.people_searched()
    masks = {"All members": members["group"].notna()} | groups.masks(members["group"])
    found = curve()
    rows = []
    for how, choices in FINDERS.items():
        here = (found.table[list(choices)] == pd.Series(choices)).all(axis=1).to_numpy()
        failed = ~found.enrolled[here & found.table["portrait"].eq("first").to_numpy()].any(axis=0)
        for group, mask in masks.items():
            k, n = int((failed & mask).sum()), int(mask.sum())
            rows.append((how, group, k, n, *intervals.wilson(k, n)))
    columns = ["how", "group", "failures", "images", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


FINDERS = {
    "YuNet": {"detector": "yunet", "feed": NATIVE, "framing": FRAMINGS[0]},
    "YuNet, photo cut": {"detector": "yunet", "feed": NATIVE, "framing": FRAMINGS[1]},
    "YuNet of deepface": {"detector": "yunet", "feed": DEEPFACE, "framing": FRAMINGS[0]},
    "OpenCV Haar": {"detector": "opencv"},
    "dlib HOG": {"detector": "dlib"},
}


def gallery_failures() -> pd.DataFrame:
    """Failures to enrol of all datasets and, for the strangers, by published label.

    Columns dataset, detector, framing, part (all, a gender, a race), failures, elsewhere, images,
    low, high (Wilson, of the failures).
    """
    table = pd.read_csv(RESULTS / "detectors-failures.csv")
    table["low"], table["high"] = intervals.wilson(table["failures"], table["images"])
    return table


def shown_failures() -> pd.DataFrame:
    """Failures to enrol for readers: members by recorded group, strangers by published label."""
    table = member_failures()
    members = {
        how: part.set_index("group").apply(_rate, axis=1) for how, part in table.groupby("how")
    }
    strangers = gallery_failures().query("dataset == 'utkface'")
    detectors = {"yunet": "YuNet", "opencv": "OpenCV Haar", "dlib": "dlib HOG"}
    others = {
        detectors[d]: part.set_index("part").apply(_rate, axis=1)
        for d, part in strangers.groupby("detector")
    }
    upper = pd.DataFrame(members)[list(FINDERS)]
    upper.index = [f"{i} members" if i in groups.GROUPS else i for i in upper.index]
    lower = pd.DataFrame(others)
    label = {"all": "All strangers", "female": "Strangers, women", "male": "Strangers, men"}
    lower.index = [label.get(i, f"Strangers, {i}") for i in lower.index]
    order = [*label.values(), *(f"Strangers, {r}" for r in groups.RACES)]
    both = pd.concat([upper, lower.loc[order]]).fillna("")
    return both.rename_axis("People").reset_index()


def _rate(row) -> str:
    return rate(int(row["failures"]), int(row["images"]), row["low"], row["high"])


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
