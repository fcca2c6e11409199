"""The Congress test under every defensible choice at once: a specification curve.

A specification is one choice on each of AXES; RULES says which are counted, none looks at a group.
After Simonsohn, Simmons and Nelson (2020). Ratios: FPIRs within recorded gender.
"""

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.experiments.which_model.detectors import DETECTORS, FRAMINGS, KEYS, RESULTS, SEED
from helpers.faces.pipelines import DEEPFACE, MODELS, NATIVE, PIPELINES
from helpers.protocol import calibration, congress_test, shipped
from helpers.protocol.policy import parse
from helpers.sources import fetch, groups
from helpers.statistics import rates

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
    high (95 %, Greenland-Robins), why (the first of RULES by which it is not counted, else "").
    flagged: bool (specifications, members), in the order of `members`.
    """

    table: pd.DataFrame
    flagged: np.ndarray
    members: pd.DataFrame


@cache
def curve() -> Curve:
    """Every specification of the members' search, from what ships."""
    searches = []
    for model, gallery in itertools.product(MODELS, shipped.GALLERIES):
        found = shipped.scores(gallery, model)
        default = found.description["configuration"]["default_threshold"]
        choices = (model, gallery, "whole", "yunet", FRAMINGS[0])
        searches.append(_setting(choices, found.best, found.faces, default))
    best = pd.read_parquet(RESULTS / "detectors.parquet").assign(portrait="first").groupby(KEYS)
    for row in pd.read_csv(RESULTS / "detectors-settings.csv").to_dict("records"):
        gallery, _, size = row["gallery"].partition(" ")
        choices = (row["model"], gallery, size or "whole", row["detector"], row["framing"])
        mine = best.get_group(tuple(row[k] for k in KEYS))
        searches.append(_setting(choices, mine, row["faces"], row["default_threshold"]))
    members = congress_test.people_searched()
    seconds = set(fetch.load_manifest("second-portraits")["id"])
    return specify(searches, members, members["member_id"].isin(seconds).to_numpy())


def _setting(choices, best, faces, default) -> dict:
    """One search as `specify` takes it, with the thresholds calibrated for its configuration."""
    model, *rest = choices
    how = (PIPELINES[model].recogniser, PIPELINES[model].feed, *rest)
    choices = dict(zip(SEARCH, how, strict=True))
    offered = calibration.thresholds()
    mine = offered["model"].eq(model) & offered["detector"].eq(choices["detector"])
    # no threshold was calibrated on cropped photographs
    offered = offered[mine & (choices["framing"] == FRAMINGS[0])]
    fmr = dict(zip(offered["target_fmr"], offered["threshold"], strict=True))
    return {"choices": choices, "best": best, "faces": faces, "default": default, "fmr": fmr}


def specify(settings: list[dict], members: pd.DataFrame, has_second: np.ndarray) -> Curve:
    """Cross all settings with portraits, variants and policies.

    settings: dicts of choices, best (probe_id, portrait, any, rule, strict; distances), faces,
    default and fmr (thresholds). members: member_id, of_colour, gender, group. has_second: which
    members have a second portrait. A failure to enrol is no match; a variant that changes no best
    score makes no specification.
    """
    rows, flags = [], []
    other = {"first": np.zeros_like(has_second), "second": has_second}
    for setting in settings:
        sides = {
            portrait: part.set_index("probe_id").reindex(members["member_id"])
            for portrait, part in setting["best"].groupby("portrait")
        }
        columns = setting["best"][list(AXES["variant"])].T.drop_duplicates()
        for portrait, variant in itertools.product(sides, columns.index):
            best = np.where(other[portrait], sides[portrait][variant], sides["first"][variant])
            failures = int(np.isnan(best).sum())
            best = np.nan_to_num(best, nan=np.inf)
            for policy in POLICIES:
                threshold = _threshold(policy, best, setting)
                if threshold is None:
                    continue
                choices = {"portrait": portrait, "policy": policy, "variant": variant}
                about = {"threshold": threshold, "faces": setting["faces"], "failures": failures}
                rows.append(setting["choices"] | choices | about)
                flags.append(rates.at_or_below(best, threshold))
    found = Curve(pd.DataFrame(rows), np.array(flags), members)
    flagged = found.flagged.sum(axis=1)
    colour = members["of_colour"].to_numpy()
    within = dict(zip(["ratio", "low", "high"], ratios(found, colour, ~colour), strict=True))
    table = found.table.assign(flagged=flagged, fpir=flagged / len(members), **within)
    return found._replace(table=table.assign(why=_why(table, found.flagged)))


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
    return found._replace(table=table, flagged=found.flagged[keep])


def counted(found: Curve, feed: str = NATIVE) -> Curve:
    """The specifications of one feed that RULES let count."""
    return only(found, found.table["why"].eq(COUNTED) & found.table["feed"].eq(feed))


def ratios(found: Curve, one, other) -> tuple[np.ndarray, ...]:
    """FPIR ratios within recorded gender of `one` to `other` among the members: ratio, low, high.

    one, other: bool, (members,) or (members, draws); the results have the shape (specifications,)
    or (specifications, draws): `intervals.mantel_haenszel_risk_ratio` for many tables at once. NaN
    where nobody of both is flagged; interval NaN where a group has none flagged.
    """
    one, other = (np.asarray(mask, dtype=np.float32) for mask in (one, other))
    flagged = found.flagged.astype(np.float32)
    r = s = parts = np.zeros(())
    with np.errstate(divide="ignore", invalid="ignore"):
        for here in found.members.groupby("gender").indices.values():
            k1, k0 = ((flagged[:, here] @ mask[here]).astype(float) for mask in (one, other))
            n1, n0 = (mask[here].sum(axis=0, dtype=float) for mask in (one, other))
            n = n1 + n0
            r, s = r + k1 * n0 / n, s + k0 * n1 / n
            parts = parts + (n1 * n0 * (k1 + k0) - k1 * k0 * n) / n**2
        half = 1.959963984540054 * np.sqrt(np.where(r * s > 0, parts / (r * s), np.nan))
        return r / s, r / s * np.exp(-half), r / s * np.exp(half)


def shuffled(members: pd.DataFrame, mask, draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """(members, 1 + draws): a mask, then shuffled within recorded gender; alike for one seed."""
    mask = np.asarray(mask)
    result = np.repeat(mask[:, None], draws + 1, axis=1)
    rng = np.random.default_rng(seed)
    for gender in sorted(members["gender"].unique()):
        mine = np.flatnonzero(members["gender"] == gender)
        order = rng.permuted(np.repeat(mine[:, None], draws, axis=1), axis=0)
        result[mine, 1:] = mask[order]
    return result


def survival(found: Curve, draws: int = DRAWS) -> pd.DataFrame:
    """How often each conclusion holds, and the median ratio: observed; low, high if labels shuffle.

    Every specification is computed again for each shuffle, so their dependence is allowed for.
    """
    group = found.members["group"]
    colour = groups.of_colour(group)
    masks = (colour, groups.not_asian(group), ~colour)
    labels, not_asian, white = (shuffled(found.members, mask, draws) for mask in masks)
    ratio, low, high = ratios(found, labels, white)
    values = {
        "median": np.nanmedian(ratio, axis=0),
        "more": (ratio > 1).mean(axis=0),
        "clearly more": (low > 1).mean(axis=0),
        "clearly less": (high < 1).mean(axis=0),
        "more, not Asian": (ratios(found, not_asian, white)[0] > 1).mean(axis=0),
    }
    rows = {name: (v[0], *np.nanpercentile(v[1:], [2.5, 97.5])) for name, v in values.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["observed", "low", "high"])


SMALLEST, LARGEST = 0.05, 20  # ratios are compared within these; 0 and infinity have no logarithm


def pairs_apart(found: Curve, axis: str) -> pd.DataFrame:
    """Pairs of specifications that differ in one axis alone: factor (larger ratio over smaller),
    flips (1 lies between), shared (share of people in common; NaN unless both flag 28).
    """
    parts = found.table.groupby([a for a in AXES if a != axis]).indices.values()
    pairs = [pair for part in parts for pair in itertools.combinations(part, 2)]
    a, b = np.array(pairs, dtype=int).reshape(-1, 2).T
    logs = np.log(found.table["ratio"].clip(SMALLEST, LARGEST).fillna(1).to_numpy())
    both = (found.flagged[a] & found.flagged[b]).sum(axis=1)
    either = (found.flagged[a].sum(axis=1) + found.flagged[b].sum(axis=1)) / 2
    at_28 = found.table["policy"].eq(shipped.PRIMARY).to_numpy()
    shown = {
        "factor": np.exp(np.abs(logs[a] - logs[b])),
        "flips": logs[a] * logs[b] < 0,
        "shared": np.where(at_28[a] & at_28[b], both / np.maximum(either, 1), np.nan),
    }
    return pd.DataFrame(shown)


CHOICES = {axis: axis for axis in ("feed", *AXES)} | {
    "size": "size of the gallery",
    "framing": "framing of the photo",
    "portrait": "which portrait",
    "policy": "threshold",
    "variant": "same-person rule",
}


@cache
def moves() -> pd.DataFrame:
    """What each choice does when all others stay: one row a choice, the largest mover first.

    Typical factor: median of the larger ratio over the smaller; then its 90th percentile, the share
    of pairs on both sides of 1, the mean share of people in common at 28 flagged. Feed: native
    against deepface; all others among the native feeds.
    """
    fair = only(curve(), curve().table["why"].isin([COUNTED, SAME_LIST]))
    native = only(fair, fair.table["feed"].eq(NATIVE))
    rows = []
    for axis, name in CHOICES.items():
        found = pairs_apart(fair if axis == "feed" else native, axis)
        factor = found["factor"].quantile([0.5, 0.9]).round(2)
        shares = found[["flips", "shared"]].mean().round(2)
        rows.append((name, len(found), *factor, *shares))
    columns = ["Choice", "Pairs", "Typical factor", "One pair in ten exceeds"]
    table = pd.DataFrame(rows, columns=[*columns, "Other side of 1", "People in common"])
    return table.sort_values("Typical factor", ascending=False, ignore_index=True)
