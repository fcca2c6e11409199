"""What a threshold means: the tables of notebook 03.

A threshold is a distance. Here it is laid beside other scales on which it can be read: the FMR
among members and strangers, the members flagged, the misses among second portraits, and deepface's
`confidence`.

`python -m helpers.rebuild.tables 03-what-is-80-percent` counts the false matches between former
legislators and `utkface` at every stored score into data/results/thresholds-fmr.parquet, who was
compared into data/results/thresholds-impostors.csv, and the thresholds calibrated on halves of the
members and strangers into data/results/thresholds-halves.csv. It needs the face metadata of
`utkface` (`congress-test enrol utkface`), which do not ship, and some minutes.
"""

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from helpers.experiments.what_is_80_percent import halves
from helpers.faces.pipelines import (
    MODEL_LABELS,
    MODELS,
    PRIMARY_MODELS,
    Configuration,
    configuration,
)
from helpers.paths import DATA
from helpers.protocol import calibration, error_rates, shipped
from helpers.show import numbers
from helpers.sources import published
from helpers.statistics import half_samples, intervals, rates

DEEPFACE_MODELS = tuple(m for m in MODELS if m not in PRIMARY_MODELS)
DEFAULT, STRICT, AT_28 = "default", "fmr", shipped.PRIMARY  # marked thresholds
STRICT_FMR = 1e-4
MARKS = {DEFAULT: "default", STRICT: "one in ten thousand", AT_28: "28 flagged"}
CONFIDENCES = (80.0, 95.0, 99.0)


@cache
def tradeoff(model: str) -> pd.DataFrame:
    """Both errors at every score where one of them changes, up to the end of the FMR curve.

    Columns threshold, fmr, fmr_low, fmr_high (missing where fewer than 30 errors carry it), fpir,
    fnmr, fnir, as shares.
    """
    pairs = error_rates.genuine(model)["score"].to_numpy()
    members = error_rates.best_impostor(model)
    known = error_rates.curve(model)
    at = np.unique(np.concatenate([pairs, members]))
    at = at[at <= known["score"].iloc[-1]]
    row = np.searchsorted(known["score"], rates.reach(at), side="right") - 1
    table = known[["fmr", "low", "high"]].where(known["offered"]).to_numpy()[np.maximum(row, 0)]
    table[row < 0] = np.nan
    enrolled = np.sort(pairs[np.isfinite(pairs)])
    passed = np.searchsorted(enrolled, rates.reach(at), side="right")
    return pd.DataFrame(
        {
            "threshold": at,
            **dict(zip(("fmr", "fmr_low", "fmr_high"), table.T, strict=True)),
            "fpir": np.searchsorted(members, rates.reach(at), side="right") / len(members),
            "fnmr": 1 - passed / len(enrolled),
            "fnir": 1 - passed / len(pairs),
        }
    )


# ---------------------------------------------------------------- deepface's confidence


@cache
def configuration_of(model: str) -> Configuration:
    """The configuration of a model, from deepface (which this import makes quiet)."""
    return configuration(model)


def confidence(model: str, distance: float, verified: bool | None = None) -> float:
    """The `confidence` (0 to 100) that deepface reports for a distance, by its own function.

    verified: what deepface takes the pair for; by default whether the distance is at or below the
    library's threshold.
    """
    config = configuration_of(model)
    from deepface.modules.verification import find_confidence

    if verified is None:
        verified = bool(rates.at_or_below(distance, config.default_threshold))
    return float(
        find_confidence(float(distance), config.recogniser, verified, distance_metric=config.metric)
    )


def logistic(model: str, distance):
    """What deepface's logistic regression gives before it is rescaled, in per cent.

    100 / (1 + exp(-(w d / normalizer + b))) with deepface's constants for the model and metric.
    """
    config = configuration_of(model)
    from deepface.config.confidence import confidences

    of = confidences[config.recogniser][config.metric]
    scale = max(1.0, of["normalizer"])  # deepface divides only where it is above 1
    return 100 / (1 + np.exp(-(of["w"] * np.asarray(distance, dtype=float) / scale + of["b"])))


@cache
def _matches(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Every stored distance up to the default threshold, and the confidence of a match there."""
    steps = round(configuration_of(model).default_threshold / error_rates.STEP)
    distances = np.round(np.arange(1, steps + 1) * error_rates.STEP, rates.DECIMALS)
    return distances, np.array([confidence(model, d, True) for d in distances])


def distance_for(model: str, wanted: float) -> float:
    """The largest distance (four decimals) of a match whose confidence reaches a value."""
    distances, values = _matches(model)
    if not (values >= wanted).any():
        raise ValueError(f"no match of {model} has a confidence of {wanted:g}")
    return float(distances[values >= wanted][-1])


def confidence_curve(model: str, points: int = 161) -> pd.DataFrame:
    """Confidence along the distance: model, distance, side (match|no match), confidence, logistic.

    From 0 to 1.6 times the default threshold, with the threshold itself on both sides.
    """
    default = configuration_of(model).default_threshold
    inside = np.linspace(error_rates.STEP, default, points)
    beyond = np.linspace(default + error_rates.STEP, 1.6 * default, points * 3 // 5)
    rows = [(d, side, confidence(model, d, side == "match"))
            for side, at in (("match", inside), ("no match", beyond)) for d in at]  # fmt: skip
    table = pd.DataFrame(rows, columns=["distance", "side", "confidence"])
    return table.assign(logistic=logistic(model, table["distance"]), model=model)


@cache
def jumps() -> pd.DataFrame:
    """What deepface's confidence does at the default threshold: a row a pipeline of deepface's.

    Columns model, metric, threshold, at (confidence of a match there), beyond (of a pair one stored
    step farther), logistic (the regression's own value there), highest (its value at distance 0),
    full (the largest distance with a confidence of 100).
    """
    rows = []
    for model in DEEPFACE_MODELS:
        config = configuration_of(model)
        t = config.default_threshold
        rows.append(
            {
                "model": model,
                "metric": config.metric,
                "threshold": t,
                "at": confidence(model, t),
                "beyond": confidence(model, t + error_rates.STEP),
                "logistic": float(logistic(model, t)),
                "highest": float(logistic(model, 0)),
                "full": distance_for(model, 100.0),
            }
        )
    return pd.DataFrame(rows)


def at_confidence(wanted=CONFIDENCES) -> pd.DataFrame:
    """What a rule "confidence of at least x" does: columns model, confidence, and `errors_at`."""
    rows = [
        {"model": m, "confidence": x} | error_rates.errors_at(m, distance_for(m, x))
        for x in wanted
        for m in DEEPFACE_MODELS
    ]
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- thresholds


@cache
def calibrated() -> pd.DataFrame:
    """The thresholds set on halves of members and strangers, as `halves.calibrate` gives them."""
    return pd.read_csv(error_rates.RESULTS / halves.FILE)


def threshold_of(model: str, mark: str) -> float:
    """The distance behind a mark: "default", "fmr" (STRICT_FMR among members) or "count:28"."""
    if mark != STRICT:
        return error_rates.threshold_of(model, mark)
    table = calibrated()
    mine = table[table["model"].eq(model) & np.isclose(table["target_fmr"], STRICT_FMR)]
    return float(mine["threshold"].item())


@cache
def marked() -> pd.DataFrame:
    """Every pipeline at every mark: columns model, mark, and `errors_at` there."""
    rows = [
        {"model": m, "mark": mark} | error_rates.errors_at(m, threshold_of(m, mark))
        for m in MODELS
        for mark in MARKS
    ]
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- the published tests


def compatible_counts(k: int, n: int, searched: int, design_effect: float = 1.0):
    """Counts out of `searched` whose rate does not differ from k of n at 5 %: (lowest, highest).

    Pooled z test of two proportions (the score test), our number of searches divided by the
    design effect of the shared gallery. Theirs is taken as it is: nobody knows its effect.
    """
    if not 0 < k < n or searched < 1 or design_effect < 1:
        raise ValueError("needs 0 < k < n, somebody searched and a design effect of 1 or more")
    ours = np.arange(searched + 1)
    size = searched / design_effect
    pooled = (k + ours / searched * size) / (n + size)
    se = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / size))
    kept = ours[np.abs(ours / searched - k / n) <= stats.norm.ppf(0.975) * se]
    return int(kept.min()), int(kept.max())


@cache
def _design_effect(model: str, threshold: float) -> float:
    people, found = shipped.result("utkface", model).members, shipped.scores("utkface", model)
    near = found.candidates
    clusters = near.drop_duplicates("gallery_id").set_index("gallery_id")["cluster"]
    people = people.drop(columns=["score", "flagged", "enrolled"])
    table = half_samples.half_sample(
        near, clusters, people, threshold=threshold, draws=400, seed=20180726
    )
    return float(max(1.0, table.loc["fpir", "design_effect"]))


@cache
def equivalents() -> pd.DataFrame:
    """Which threshold gives each published rate in our test, and its FMR: a row a test and model.

    Columns study, label, flagged, searched, low, high; model, count (ours of 529 at the same rate),
    our_searched, threshold, design_effect; counts_low, counts_high (compatible counts of ours) and
    their thresholds t_low, t_high; fmr, errors, comparisons, offered (former legislators); members
    (false matches among the members' comparisons), implied_fmr, strict_members, strict_fmr,
    loose_fmr: the same at t_low and t_high.
    """
    rows = []
    counted = published.searches().dropna(subset="low")  # an average has no interval
    for test in counted.to_dict("records"):
        for model in PRIMARY_MODELS:
            rows.append(_equivalent(test, model))
    return pd.DataFrame(rows)


def _equivalent(test: dict, model: str) -> dict:
    best = error_rates.best_impostor(model)

    def threshold(count):
        return rates.threshold_for_count(best, max(1, count)).threshold

    count = max(1, round(test["fpir"] * len(best)))
    at = threshold(count)
    effect = _design_effect(model, at)
    low, high = compatible_counts(test["flagged"], test["searched"], len(best), effect)
    ours, strict, loose = (
        error_rates.errors_at(model, t) for t in (at, threshold(low), threshold(high))
    )
    former = error_rates.fmr_at(model, at)
    return {
        **{k: test[k] for k in ("study", "label", "flagged", "searched", "low", "high")},
        "model": model,
        "count": count,
        "our_searched": len(best),
        "threshold": at,
        "design_effect": effect,
        "counts_low": low,
        "counts_high": high,
        "t_low": threshold(low),
        "t_high": threshold(high),
        **{k: former[k] for k in ("fmr", "errors", "comparisons", "offered")},
        "members": ours["pairs_at_threshold"],
        "implied_fmr": ours["implied_fmr"],
        "strict_members": strict["pairs_at_threshold"],
        "strict_fmr": strict["implied_fmr"],
        "loose_fmr": loose["implied_fmr"],
    }


@cache
def price_of_zero() -> pd.DataFrame:
    """What it costs that nobody is flagged: both errors, at 28 flagged and at none. A row a model.

    Columns model, threshold (the largest at which no member is flagged), missed, pairs, fnmr ..
    there, missed_28, fnmr_28 .., extra (missed more), fmr, offered, errors; zero_high: the upper
    end of the interval of none of 529.
    """
    rows = []
    for model in PRIMARY_MODELS:
        at_28 = error_rates.errors_at(model, error_rates.threshold_of(model, shipped.PRIMARY))
        strict = float(
            np.round(error_rates.best_impostor(model)[0] - error_rates.STEP, rates.DECIMALS)
        )
        found, fmr = error_rates.errors_at(model, strict), error_rates.fmr_at(model, strict)
        keys = ("missed", "fnmr", "fnmr_low", "fnmr_high")
        rows.append(
            {k: found[k] for k in ("model", "threshold", "flagged", "pairs", *keys)}
            | {f"{k}_28": at_28[k] for k in keys}
            | {"extra": found["missed"] - at_28["missed"], "zero_high": found["fpir_high"]}
            | {k: fmr[k] for k in ("fmr", "errors", "comparisons", "offered")}
        )
    return pd.DataFrame(rows)


def zero_bound(faces: int) -> dict:
    """What no false match among the members, in a gallery of so many faces, bounds: a dict.

    searched, fpir_high (Wilson, 0 of the members searched), fmr_high: the FMR that gives this
    FPIR, were all comparisons independent: 1 - (1 - FPIR)^(1/N).
    """
    searched = int(published.number(published.ACLU, "members searched"))
    high = float(intervals.wilson(0, searched)[1])
    return {
        "searched": searched,
        "faces": faces,
        "fpir_high": high,
        "fmr_high": float(-np.expm1(np.log1p(-high) / faces)),
    }


@cache
def stated() -> pd.DataFrame:
    """What the reports say of thresholds and counts: data/published/thresholds.csv, checked.

    Columns study, quantity, value (text; empty: not stated), source_url, status, note.
    """
    table = pd.read_csv(DATA / "published" / "thresholds.csv", dtype=str, keep_default_na=False)
    if not table["status"].isin(published.STATUSES).all():
        raise ValueError("thresholds.csv has an unknown status")
    return table


def stated_value(study: str, quantity: str) -> str:
    """One value of `stated`, as text; LookupError unless there is exactly one."""
    table = stated()
    found = table[table["study"].eq(study) & table["quantity"].eq(quantity)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} values of {quantity!r} in {study!r}")
    return found["value"].item()


# ---------------------------------------------------------------- as notebook 03 shows it


def fmr_or_not(errors: float, fmr: float) -> str:
    """An FMR as "1 in 98,000", or that fewer than 30 errors carry it."""
    if errors < error_rates.MIN_ERRORS:
        return f"not offered ({errors:.0f} errors)"
    return numbers.one_in(fmr)


def show_splits() -> pd.DataFrame:
    """Who was compared to calibrate: one row, as the primary pipelines enrolled the same faces."""
    table = calibrated().set_index("model").loc[list(PRIMARY_MODELS)]
    table = table.assign(faces=[shipped.scores("utkface", m).faces for m in table.index])
    names = {
        "faces": "Comparisons of a search",
        "members": "Members",
        "identities": "Identities",
        "comparisons": "Comparisons of two halves",
        "splits": "Splits",
    }
    return table[list(names)].drop_duplicates().map("{:,}".format).rename(columns=names)


def show_calibrated() -> pd.DataFrame:
    """Thresholds for four FMRs: on halves of members and strangers, and on former legislators."""
    halved = calibrated().set_index(["model", "target_fmr"])
    former = calibration.thresholds().set_index(["model", "target_fmr"])
    rows = []
    for model in PRIMARY_MODELS:
        for target in calibration.TARGETS:
            row = {"Program": MODEL_LABELS[model], "Set to": f"at 1 in {1 / target:,.0f}"}
            if (model, target) in halved.index:
                row |= _calibrated_row(model, halved.loc[(model, target)])
            else:
                few = target * halved.loc[model, "comparisons"].iloc[0]
                row |= {"Distance": f"not offered ({few:.0f} errors)"}
            at = float(former.loc[(model, target), "threshold"])
            there = error_rates.errors_at(model, at)
            row |= {
                "Distance by former legislators": f"{at:.4f}",
                "FMR among members there": fmr_or_not(
                    there["pairs_at_threshold"], there["implied_fmr"]
                ),
                "Times the stated rate": f"{there['implied_fmr'] / target:.1f}",
            }
            rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _calibrated_row(model: str, row) -> dict:
    found = error_rates.errors_at(model, row["threshold"])
    held = [numbers.one_in(row[c])[5:] for c in ("held_out", "held_out_high", "held_out_low")]
    return {
        "Distance": f"{row['threshold']:.4f} ({row['lowest']:.4f}–{row['highest']:.4f})",
        "FMR on the other halves": f"1 in {held[0]} (from {held[1]} to {held[2]})",
        "Members flagged": numbers.fpir_of(found),
    }


def show_marked() -> pd.DataFrame:
    """Every pipeline at its default, at an FMR of 1 in 10,000 among members, and at 28 flagged."""
    table = marked()
    fixed = table["mark"].eq(AT_28)
    counts = [numbers.rate(int(k), int(n)) for k, n in table[["flagged", "searched"]].to_numpy()]
    fmr = [fmr_or_not(k, f) for k, f in table[["pairs_at_threshold", "implied_fmr"]].to_numpy()]
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Threshold": table["mark"].map(MARKS),
            "Distance": table["threshold"].map("{:.4f}".format),
            "FMR among members": fmr,
            "Strangers a search": table["candidates"].map("{:.1f}".format),
            "Members flagged": table.apply(numbers.fpir_of, axis=1).mask(fixed, pd.Series(counts)),
            "Second portraits missed": table.apply(numbers.fnmr_of, axis=1),
        }
    )


def show_uses() -> pd.DataFrame:
    """Investigation (a ranked list) beside identification (a threshold), a row a pipeline."""
    rows = []
    for model in MODELS:
        pairs = error_rates.genuine(model)
        mates = len(pairs)
        first = int((pairs["score"] <= pairs["best_impostor"]).sum())
        row = {
            "Program": MODEL_LABELS[model],
            "List: own portrait comes first": numbers.rate(
                first, mates, *intervals.wilson(first, mates)
            ),
        }
        for mark, name in ((DEFAULT, "At the default"), (AT_28, "At 28 flagged")):
            found = error_rates.errors_at(model, threshold_of(model, mark))
            kept = found["mates"] - found["not_first"]
            row |= {
                f"{name}: own portrait first and returned": numbers.rate(
                    kept, mates, *intervals.wilson(kept, mates)
                ),
                f"{name}: members with a stranger": found["flagged"],
            }
        rows.append(row)
    return pd.DataFrame(rows)


def show_confidence() -> pd.DataFrame:
    """What a rule "confidence of at least 80, 95, 99" does with each pipeline of deepface's."""
    table = at_confidence()
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Confidence": table["confidence"].map("at least {:g}".format),
            "Distance": table["threshold"].map("{:.4f}".format),
            "Members flagged": table.apply(numbers.fpir_of, axis=1),
            "Second portraits missed": table.apply(numbers.fnmr_of, axis=1),
        }
    )


def show_jumps() -> pd.DataFrame:
    """deepface's confidence on both sides of its default threshold, a row a pipeline."""
    table = jumps()
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Default threshold": table["threshold"].map("{:g}".format),
            "Confidence at it": table["at"].map("{:.0f}".format),
            "One step beyond": table["beyond"].map("{:.0f}".format),
            "Logistic regression at it": table["logistic"].map("{:.0f} %".format),
            "Its value at distance 0": table["highest"].map("{:.0f} %".format),
        }
    )


def show_published() -> pd.DataFrame:
    """Each published rate, the threshold stated for it, and the FMR that gives it here."""
    table, known = equivalents(), stated()
    key = "similarity threshold (percent)"
    said = dict(known.loc[known["quantity"] == key, ["study", "value"]].to_numpy())
    said[published.ACLU] = f"{published.number(published.ACLU, key):.0f}"
    theirs = [
        numbers.rate(int(r["flagged"]), int(r["searched"]), r["low"], r["high"])
        for r in table.to_dict("records")
    ]
    former = [fmr_or_not(k, f) for k, f in table[["errors", "fmr"]].to_numpy()]
    return pd.DataFrame(
        {
            "Test": table["label"],
            "Falsely matched": theirs,
            "Setting": table["study"].map(lambda s: f"{v} %" if (v := said[s]) else "not stated"),
            "Program": table["model"].map(MODEL_LABELS),
            "Ours at that rate": [
                f"{k} of {n}" for k, n in table[["count", "our_searched"]].to_numpy()
            ],
            "Compatible": [
                f"{a} to {b}" for a, b in table[["counts_low", "counts_high"]].to_numpy()
            ],
            "FMR among members": [
                fmr_or_not(k, f) for k, f in table[["members", "implied_fmr"]].to_numpy()
            ],
            "At the compatible counts": [
                f"{numbers.one_in(loose)} to {fmr_or_not(k, strict)}"
                for loose, k, strict in table[
                    ["loose_fmr", "strict_members", "strict_fmr"]
                ].to_numpy()
            ],
            "FMR among former legislators": former,
        }
    )


def show_zero() -> pd.DataFrame:
    """Both errors at 28 flagged and at none, a row a primary pipeline."""
    table = price_of_zero()
    at_28 = [
        numbers.rate(r["missed_28"], r["pairs"], r["fnmr_low_28"], r["fnmr_high_28"])
        for r in table.to_dict("records")
    ]
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Distance, nobody flagged": table["threshold"].map("{:.4f}".format),
            "Missed at 28 flagged": at_28,
            "Missed at none flagged": table.apply(numbers.fnmr_of, axis=1),
        }
    )


def show_claimed_zero() -> pd.DataFrame:
    """What Amazon's reported zero at 99 would bound, and how far our comparisons carry."""
    faces = int(stated_value("Amazon reply 2018", "gallery size (faces)"))
    bound = zero_bound(faces)
    carried = max(error_rates.floor(m) for m in PRIMARY_MODELS)
    return pd.DataFrame(
        {
            "Members searched": [bound["searched"]],
            "Faces in Amazon's gallery": [f"{faces:,}"],
            "Upper end of a rate of none": [numbers.percent(bound["fpir_high"])],
            "FMR below": [numbers.one_in(bound["fmr_high"])],
            "Our comparisons carry down to": [numbers.one_in(carried)],
        }
    )
