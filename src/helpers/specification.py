"""The Congress test under every defensible choice at once: a specification curve.

A specification is one choice each of model, gallery, detector, framing, portrait, threshold policy,
same-person variant and denominator. RULES says, before any result, which choices are counted and
which are only shown. After Simonsohn, Simmons and Nelson, "Specification curve analysis" (2020).

`python -m helpers.specification` makes data/results/detectors*.{parquet,csv} from the photographs,
see `helpers.detectors`.
"""

import argparse
import itertools
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import (
    calibration,
    congress_test,
    detectors,
    headline,
    inference,
    models,
    rates,
    sources,
)
from helpers.detectors import DETECTORS, FRAMINGS, KEYS, RESULTS, SEED
from helpers.figures import GROUP_ORDER

# ---------------------------------------------------------------- the choices, fixed beforehand

POLICIES = ("default", "fmr:1e-4", "fmr:1e-5", "fmr:1e-6", "count:14", "count:28", "count:56")
AXES = {
    "model": models.MODELS,
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
    "ties": f"ties flag over {headline.MOST_TIES} members more than the policy asks for",
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
    seconds = set(sources.load_manifest("second-portraits")["id"])
    return specify(_settings(), members, members["member_id"].isin(seconds).to_numpy())


def _settings() -> list[dict]:
    """All searches: their choices, best scores and thresholds."""
    result = []
    for model, gallery in itertools.product(models.MODELS, headline.GALLERIES):
        found = headline.scores(gallery, model)
        offered = calibration.thresholds().query("model == @model and detector == 'yunet'")
        result.append(
            {
                "choices": {"model": model, "gallery": gallery, "size": "whole",
                            "detector": "yunet", "framing": "as published"},
                "best": found.best,
                "removed": found.removed,
                "faces": found.faces,
                "default": found.description["configuration"]["default_threshold"],
                "fmr": dict(zip(offered["target_fmr"], offered["threshold"], strict=True)),
            }
        )  # fmt: skip
    best = pd.read_parquet(RESULTS / "detectors.parquet").groupby(KEYS)
    calibrated = pd.read_csv(RESULTS / "detectors-thresholds.csv")
    for row in pd.read_csv(RESULTS / "detectors-settings.csv").to_dict("records"):
        gallery, _, sample = row["gallery"].partition(" ")
        mine = calibrated["model"].eq(row["model"]) & calibrated["detector"].eq(row["detector"])
        # no threshold was calibrated on cropped photographs
        offered = calibrated[mine & (row["framing"] == "as published")]
        result.append(
            {
                "choices": {"model": row["model"], "gallery": gallery, "size": sample or "whole",
                            "detector": row["detector"], "framing": row["framing"]},
                "best": best.get_group(tuple(row[k] for k in KEYS)),
                "removed": row["removed"],
                "faces": row["faces"],
                "default": row["default_threshold"],
                "fmr": dict(zip(offered["target_fmr"], offered["threshold"], strict=True)),
            }
        )  # fmt: skip
    return result


def specify(settings: list[dict], members: pd.DataFrame, has_second: np.ndarray) -> Curve:
    """Cross all settings with portraits, variants, policies and denominators.

    settings: dicts of choices, best (probe_id, portrait, any, rule, p90; distances), removed
    (gallery faces left out by the rule), faces, default and fmr (thresholds). members: member_id,
    of_colour, gender, group. has_second: which members have a second portrait. A choice that
    changes nothing makes no specification of its own: the variant "rule" where no face is left
    out, the denominator "enrolled" where nobody fails to enrol.
    """
    rows, flags, counted = [], [], []
    for setting in settings:
        sides = dict(tuple(setting["best"].groupby("portrait")))
        sides = {k: v.set_index("probe_id").reindex(members["member_id"]) for k, v in sides.items()}
        sides["second"] = sides["second"].where(has_second[:, None], sides["first"])
        variants = [v for v in AXES["variant"] if v != "rule" or setting["removed"]]
        for portrait, variant in itertools.product(AXES["portrait"], variants):
            best = sides[portrait][variant].to_numpy(dtype=float)
            enrolled = ~np.isnan(best)
            best = np.where(enrolled, best, np.inf)
            for policy in POLICIES:
                threshold = _threshold(policy, best, setting)
                if threshold is None:
                    continue
                flagged = rates.at_or_below(best, threshold)
                for denominator in AXES["denominator"]:
                    searched = enrolled if denominator == "enrolled" else np.ones_like(enrolled)
                    if denominator == "enrolled" and enrolled.all():
                        continue
                    choices = setting["choices"] | {
                        "portrait": portrait, "policy": policy,
                        "variant": variant, "denominator": denominator,
                    }  # fmt: skip
                    about = {"threshold": threshold, "faces": setting["faces"],
                             "failures": int((~enrolled).sum())}  # fmt: skip
                    rows.append(choices | about | _rates(flagged, searched, members, policy))
                    flags.append(flagged)
                    counted.append(searched)
    table = pd.DataFrame(rows)
    table["why"] = table.apply(_why, axis=1, members=len(members))
    return Curve(table, np.array(flags), np.array(counted), members)


def _threshold(policy, best, setting) -> float | None:
    kind, _, value = policy.partition(":")
    if kind == "default":
        return setting["default"]
    if kind == "fmr":
        return next((t for f, t in setting["fmr"].items() if np.isclose(f, float(value))), None)
    if np.isfinite(best).sum() < int(value):
        return None
    return rates.threshold_for_count(best, int(value)).threshold


def _rates(flagged, searched, members, policy) -> dict:
    k, n = int(flagged.sum()), int(searched.sum())
    low, high = (np.nan, np.nan) if policy.startswith("count") else inference.wilson(k, n)
    colour = members["of_colour"].to_numpy()
    asian = members["group"].isin(["East Asian", "South Asian"]).to_numpy()
    cells = []
    for sex in sorted(members["gender"].unique()):
        for side in (colour, ~colour):
            part = searched & side & (members["gender"] == sex).to_numpy()
            cells += [int((flagged & part).sum()), int(part.sum())]
    k1, n1, k0, n0 = (sum(cells[i::4]) for i in range(4))
    crude, within = _ratios(tuple(cells))
    kept = searched & colour & ~asian
    return {
        "searched": n, "flagged": k, "fpir": k / n, "low": low, "high": high,
        "colour_flagged": k1, "colour_searched": n1, "white_flagged": k0, "white_searched": n0,
        "ratio": crude[0], "ratio_low": crude[1], "ratio_high": crude[2],
        "within": within[0], "within_low": within[1], "within_high": within[2],
        "not_asian": inference.risk_ratio(int((flagged & kept).sum()), int(kept.sum()), k0, n0)[0],
    }  # fmt: skip


@cache
def _ratios(cells) -> tuple:
    """Crude and Mantel-Haenszel ratio of k1, n1, k0, n0 in each sex, with intervals."""
    strata = pd.DataFrame(np.reshape(cells, (-1, 4)), columns=["k1", "n1", "k0", "n0"])
    total = (int(v) for v in strata.sum())
    return (
        tuple(inference.risk_ratio(*total))[:3],
        tuple(inference.mantel_haenszel_risk_ratio(strata))[:3],
    )


def _why(row, members) -> str:
    """The first rule that keeps a specification from being counted, or nothing."""
    kind, _, wanted = row["policy"].partition(":")
    broken = {
        "score alone": row["variant"] == "p90",
        "failures": row["failures"] > MOST_FAILURES * members,
        "ties": kind == "count" and row["flagged"] > int(wanted) + headline.MOST_TIES,
        "few": row["flagged"] < FEWEST,
        "many": row["flagged"] > MOST * row["searched"],
    }
    return next((name for name, is_so in broken.items() if is_so), "")


def counted(found: Curve) -> Curve:
    """The specifications that RULES let count for the ratio."""
    keep = found.table["why"].eq("").to_numpy()
    return found._replace(
        table=found.table[keep].reset_index(drop=True),
        flagged=found.flagged[keep],
        searched=found.searched[keep],
    )


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


def log_ratios(found: Curve, of_colour: np.ndarray) -> np.ndarray:
    """Log FPIR ratio of each specification, half a person added to each count flagged.

    of_colour: bool or 0/1, shape (members,) or (members, draws). Returns (specifications, ..).
    """
    label = np.asarray(of_colour, dtype=np.float32)
    flagged, searched = found.flagged.astype(np.float32), found.searched.astype(np.float32)
    k1, n1 = flagged @ label, searched @ label
    k0, n0 = flagged @ (1 - label), searched @ (1 - label)
    return np.log((k1 + 0.5) / (n1 + 1)) - np.log((k0 + 0.5) / (n0 + 1))


def joint_test(found: Curve, draws: int = 1999, seed: int = SEED) -> pd.DataFrame:
    """Could the whole curve be chance? Who is of colour is shuffled within recorded sex.

    Every specification is computed again for each shuffle, so that their dependence is allowed for.
    One row a statistic (the median ratio; the share of specifications above 1): observed,
    expected (median of the shuffles), low, high (their central 95 %), p (two-sided).
    Not a test of one specification, and not of other photographs or galleries.
    """
    colour = found.members["of_colour"].to_numpy()
    rng = np.random.default_rng(seed)
    shuffled = np.repeat(colour[:, None], draws, axis=1)
    for sex in found.members["gender"].unique():
        mine = np.flatnonzero(found.members["gender"] == sex)
        order = rng.permuted(np.repeat(mine[:, None], draws, axis=1), axis=0)
        shuffled[mine] = colour[order]
    logs = np.column_stack([log_ratios(found, colour), log_ratios(found, shuffled)])
    rows = []
    for name, values in (
        ("median ratio", np.exp(np.median(logs, axis=0))),
        ("share above 1", (logs > 0).mean(axis=0)),
    ):
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
    logs = log_ratios(found, found.members["of_colour"].to_numpy())
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
    asian = members["group"].isin(["East Asian", "South Asian"])
    masks = {g: members["group"].eq(g) for g in GROUP_ORDER}
    masks["Members of colour"] = members["of_colour"]
    masks["Members of colour, not Asian"] = members["of_colour"] & ~asian
    fpirs = {
        name: (found.flagged & mask.to_numpy()).sum(axis=1)
        / (found.searched & mask.to_numpy()).sum(axis=1)
        for name, mask in masks.items()
    }
    rows = [
        (name, int(masks[name].sum()), int((f > fpirs["White"]).sum()), len(f),
         np.median(f), f.min(), f.max())
        for name, f in fpirs.items()
    ]  # fmt: skip
    columns = ["group", "members", "above", "specifications", "median", "least", "greatest"]
    return pd.DataFrame(rows, columns=columns)


def names(found: Curve, policy: str = headline.PRIMARY) -> pd.Series:
    """In how many of the specifications of one policy each member is flagged, by member id."""
    here = found.table["policy"].eq(policy).to_numpy()
    return pd.Series(found.flagged[here].sum(axis=0), index=found.members["member_id"])


def main() -> None:
    """Make data/results/detectors* from the photographs."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.specification",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write to")
    detectors.make(parser.parse_args().out)


if __name__ == "__main__":
    main()
