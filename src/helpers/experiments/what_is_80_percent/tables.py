"""What a threshold, a distance, means: the tables of notebook 03.

Beside it: the FMR among members and strangers, members flagged, misses among second portraits, and
deepface's `confidence`.
"""

import itertools
from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.what_is_80_percent import halves
from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS, configuration
from helpers.paths import DATA
from helpers.protocol import calibration, error_rates, shipped
from helpers.show import numbers
from helpers.statistics import intervals, rates

DEEPFACE_MODELS = tuple(m for m in MODELS if m not in PRIMARY_MODELS)
DEFAULT, STRICT, AT_28, NONE = "default", "fmr", shipped.PRIMARY, "none"  # marked thresholds
STRICT_FMR = 1e-4
MARKS = {
    DEFAULT: "default",
    STRICT: "one in ten thousand",
    AT_28: "28 flagged",
    NONE: "none flagged",
}
CONFIDENCES = (80.0, 95.0, 99.0)


@cache
def tradeoff(model: str) -> pd.DataFrame:
    """Both errors at every score where one of them changes: threshold, fpir, fnmr (shares)."""
    pairs = error_rates.genuine(model)["score"].to_numpy()
    members, enrolled = error_rates.best_impostor(model), np.sort(pairs[np.isfinite(pairs)])
    at = np.unique(np.concatenate([enrolled, members[np.isfinite(members)]]))
    fpir = np.searchsorted(members, rates.reach(at), side="right") / len(members)
    found = np.searchsorted(enrolled, rates.reach(at), side="right") / len(enrolled)
    return pd.DataFrame({"threshold": at, "fpir": fpir, "fnmr": 1 - found})


def confidence(model: str, distance: float, verified: bool | None = None) -> float:
    """deepface's `confidence` (0 to 100); verified: as taken for, by default at its threshold."""
    config = configuration(model)
    from deepface.modules.verification import find_confidence

    if verified is None:
        verified = bool(rates.at_or_below(distance, config.default_threshold))
    return float(
        find_confidence(float(distance), config.recogniser, verified, distance_metric=config.metric)
    )


def logistic(model: str, distance):
    """100 / (1 + exp(-(w d / normalizer + b))), per cent: deepface's regression, not rescaled."""
    config = configuration(model)
    from deepface.config.confidence import confidences

    of = confidences[config.recogniser][config.metric]
    scale = max(1.0, of["normalizer"])  # deepface divides only where it is above 1
    return 100 / (1 + np.exp(-(of["w"] * np.asarray(distance, dtype=float) / scale + of["b"])))


@cache
def _matches(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Every stored distance up to the default threshold, and the confidence of a match there."""
    steps = round(configuration(model).default_threshold / error_rates.STEP)
    distances = np.round(np.arange(1, steps + 1) * error_rates.STEP, rates.DECIMALS)
    return distances, np.array([confidence(model, d, True) for d in distances])


def distance_for(model: str, wanted: float) -> float:
    """The largest distance (four decimals) of a match whose confidence reaches a value."""
    distances, values = _matches(model)
    if not (values >= wanted).any():
        raise ValueError(f"no match of {model} has a confidence of {wanted:g}")
    return float(distances[values >= wanted][-1])


def confidence_curve(model: str, points: int = 161) -> pd.DataFrame:
    """Columns model, distance, side (match|no match), confidence, logistic; to 1.6 x default."""
    default = configuration(model).default_threshold
    inside = np.linspace(error_rates.STEP, default, points)
    beyond = np.linspace(default + error_rates.STEP, 1.6 * default, points * 3 // 5)
    rows = [(d, side, confidence(model, d, side == "match"))
            for side, at in (("match", inside), ("no match", beyond)) for d in at]  # fmt: skip
    table = pd.DataFrame(rows, columns=["distance", "side", "confidence"])
    return table.assign(logistic=logistic(model, table["distance"]), model=model)


@cache
def calibrated() -> pd.DataFrame:
    """The thresholds set on halves of members and strangers, as `halves.calibrate` gives them."""
    return pd.read_csv(error_rates.RESULTS / halves.FILE)


def threshold_of(model: str, mark: str) -> float:
    """The distance behind one of MARKS; "none": the largest at which no member is flagged."""
    if mark == NONE:
        nearest = error_rates.best_impostor(model)[0]
        return float(np.round(nearest - error_rates.STEP, rates.DECIMALS))
    if mark != STRICT:
        return error_rates.threshold_of(model, mark)
    table = calibrated()
    mine = table[table["model"].eq(model) & np.isclose(table["target_fmr"], STRICT_FMR)]
    return float(mine["threshold"].item())


@cache
def marked() -> pd.DataFrame:
    """Every pipeline at every mark: columns model, mark, and `errors_at` there."""
    errors_at, each = error_rates.errors_at, itertools.product(MODELS, MARKS)
    rows = [{"model": m, "mark": x} | errors_at(m, threshold_of(m, x)) for m, x in each]
    return pd.DataFrame(rows)


def fmr_or_not(errors: float, fmr: float) -> str:
    """An FMR as "1 in 98,000", or that fewer than 30 errors carry it."""
    if errors < error_rates.MIN_ERRORS:
        return f"not offered ({errors:.0f} errors)"
    return numbers.one_in(fmr)


def show_calibrated() -> pd.DataFrame:
    """Thresholds for four FMRs: on halves of members and strangers, and on former legislators."""
    halved = calibrated().set_index(["model", "target_fmr"])
    former = calibration.thresholds().set_index(["model", "target_fmr"])["threshold"]
    rows = []
    for model, target in itertools.product(PRIMARY_MODELS, calibration.TARGETS):
        there = error_rates.errors_at(model, float(former[model, target]))
        fmr = there["implied_fmr"]
        few = target * halved.loc[model, "comparisons"].iloc[0]
        found = {"Distance": f"not offered ({few:.0f} errors)"}
        if (model, target) in halved.index:
            found = _calibrated_row(model, halved.loc[(model, target)])
        row = {"Program": MODEL_LABELS[model], "Set to": f"at 1 in {1 / target:,.0f}"} | found
        row["Distance by former legislators"] = f"{there['threshold']:.4f}"
        row["FMR among members there"] = fmr_or_not(there["pairs_at_threshold"], fmr)
        rows.append(row | {"Times the stated rate": f"{fmr / target:.1f}"})
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
    """Every pipeline at the marked thresholds; counts that a threshold was set to: no interval."""
    table = marked()
    counts = table["flagged"].astype(str) + " of " + table["searched"].astype(str)
    fmr = [fmr_or_not(k, f) for k, f in table[["pairs_at_threshold", "implied_fmr"]].to_numpy()]
    flagged = table.apply(numbers.fpir_of, axis=1)
    shown = {
        "Program": table["model"].map(MODEL_LABELS),
        "Threshold": table["mark"].map(MARKS),
        "Distance": table["threshold"].map("{:.4f}".format),
        "FMR among members": fmr,
        "Strangers a search": table["candidates"].map("{:.1f}".format),
        "Members flagged": flagged.mask(table["mark"].isin([AT_28, NONE]), counts),
        "Second portraits missed": table.apply(numbers.fnmr_of, axis=1),
    }
    return pd.DataFrame(shown)


def show_uses() -> pd.DataFrame:
    """Investigation (a ranked list) beside identification (a threshold), a row a pipeline."""
    rows = []
    for model in MODELS:
        pairs = error_rates.genuine(model)
        n, first = len(pairs), int((pairs["score"] <= pairs["best_impostor"]).sum())
        row = {"Program": MODEL_LABELS[model]}
        row["List: own portrait comes first"] = numbers.rate(first, n, *intervals.wilson(first, n))
        for mark, name in ((DEFAULT, "At the default"), (AT_28, "At 28 flagged")):
            found = error_rates.errors_at(model, threshold_of(model, mark))
            kept = n - found["not_first"]
            text = numbers.rate(kept, n, *intervals.wilson(kept, n))
            row[f"{name}: own portrait first and returned"] = text
            row[f"{name}: members with a stranger"] = found["flagged"]
        rows.append(row)
    return pd.DataFrame(rows)


def show_confidence() -> pd.DataFrame:
    """What a rule "confidence of at least 80, 95, 99" does with each pipeline of deepface's."""
    rows = []
    for wanted, model in itertools.product(CONFIDENCES, DEEPFACE_MODELS):
        found = error_rates.errors_at(model, distance_for(model, wanted))
        cells = MODEL_LABELS[model], f"at least {wanted:g}", f"{found['threshold']:.4f}"
        rows.append((*cells, numbers.fpir_of(found), numbers.fnmr_of(found)))
    columns = ["Program", "Confidence", "Distance", "Members flagged", "Second portraits missed"]
    return pd.DataFrame(rows, columns=columns)


def show_stated() -> pd.DataFrame:
    """What reports of the published tests say of thresholds and counts."""
    table = pd.read_csv(DATA / "published" / "thresholds.csv", keep_default_na=False)
    table["value"] = [
        f"{int(v):,}" if v.isdecimal() and int(v) >= 10_000 else v or "not stated"
        for v in table["value"]
    ]
    return table[["study", "quantity", "value"]].rename(columns=str.capitalize)
