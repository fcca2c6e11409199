"""What a threshold means: notebook 03, the computation (its words are in `thresholds_words`).

A threshold is a distance. Here it is laid beside the other scales on which it can be read: the
library's default, deepface's `confidence`, the FMR among people who take no part in the test, the
FPIR of the members, and the misses among their second portraits.

`python -m helpers.rebuild.tables 03-what-is-80-percent` counts the false matches between former
legislators and `utkface` at every stored score into data/results/thresholds-fmr.parquet, and who
was compared into data/results/thresholds-impostors.csv. It needs the face metadata of `utkface`
(`congress-test enrol utkface`), which do not ship, and some minutes; everything else is read from
what ships.
"""

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from helpers.faces.pipelines import MODELS, PRIMARY_MODELS, Configuration, configuration
from helpers.paths import DATA
from helpers.protocol import calibration, error_rates, shipped
from helpers.protocol.policy import ACLU_COUNT
from helpers.sources import published
from helpers.statistics import half_samples, intervals, rates

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
    library's threshold. `dlib-native` has no confidence of its own: it gets deepface's for Dlib
    and the Euclidean distance, whose default threshold is the same.
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
    """What deepface's confidence does at the default threshold: a row a model.

    Columns model, metric, threshold, at (confidence of a match there), beyond (of a pair one stored
    step farther), logistic (the regression's own value there), highest (its value at distance 0),
    full (the largest distance with a confidence of 100).
    """
    rows = []
    for model in MODELS:
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
    """What a rule "confidence of at least x" does: columns model, confidence, and `errors_at`,
    with fmr, fmr_low, fmr_high, errors, comparisons, offered from the impostor pairs."""
    return _both(
        [({"model": m, "confidence": x}, m, distance_for(m, x)) for x in wanted for m in MODELS]
    )


def _both(asked) -> pd.DataFrame:
    """`errors_at` and `fmr_at` for (head, model, threshold) as rows of one table."""
    rows = []
    for head, model, threshold in asked:
        found = error_rates.fmr_at(model, threshold)
        fmr = {f"fmr_{k}": found[k] for k in ("low", "high")}
        rest = {k: found[k] for k in ("fmr", "errors", "comparisons", "offered")}
        rows.append(head | error_rates.errors_at(model, threshold) | rest | fmr)
    return pd.DataFrame(rows)


@cache
def scales() -> pd.DataFrame:
    """The marked thresholds of every model with both errors: the table behind the first chart.

    Columns model, mark (default, count:28, fmr:1e-3 ...), then as `at_confidence`; `confidence` is
    deepface's there.
    """
    marks = [
        "default",
        *(f"fmr:{t:g}" for t in calibration.TARGETS),
        f"count:{ACLU_COUNT}",
    ]
    offered = calibration.thresholds()
    rows = []
    for model in MODELS:
        mine = {f"fmr:{t:g}" for t in offered.loc[offered["model"] == model, "target_fmr"]}
        for mark in marks:
            if mark.startswith("fmr:") and mark not in mine:
                continue
            threshold = error_rates.threshold_of(model, mark)
            value = confidence(model, threshold)
            rows.append(({"model": model, "mark": mark, "confidence": value}, model, threshold))
    return _both(rows)


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


def smaller_gallery(fpir: float, faces: int, ours: int) -> float:
    """An FPIR carried over to another gallery size, the hazard -log(1 - FPIR) in proportion."""
    return float(-np.expm1(np.log1p(-fpir) * ours / faces))


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

    Columns study, label, flagged, searched, fpir, gallery; model, count (ours of 529 at the same
    rate), threshold, design_effect; counts_low, counts_high (compatible counts of ours) and their
    thresholds t_low, t_high; fmr, fmr_low, fmr_high (interval of the impostor pairs), errors,
    offered, range_low, range_high (from the strict end's lower bound to the loose end's upper one;
    range_low is NaN where fewer than 30 errors carry it); missed, pairs, fnmr..: see `errors_at`;
    sized_count, sized_threshold, sized_fmr: the same with the rate carried over to our gallery's
    size.
    """
    rows = []
    for test in published.searches().to_dict("records"):
        for model in PRIMARY_MODELS:
            rows.append(_equivalent(test, model))
    return pd.DataFrame(rows)


def _equivalent(test: dict, model: str) -> dict:
    best = error_rates.best_impostor(model)
    faces = shipped.scores("utkface", model).faces

    def threshold(count):
        return rates.threshold_for_count(best, max(1, count)).threshold

    count = max(1, round(test["fpir"] * len(best)))
    at = threshold(count)
    effect = _design_effect(model, at)
    low, high = compatible_counts(test["flagged"], test["searched"], len(best), effect)
    sized = smaller_gallery(test["fpir"], test["gallery"], faces)
    sized_count = max(1, round(sized * len(best)))
    found, strict, loose = (
        error_rates.fmr_at(model, t) for t in (at, threshold(low), threshold(high))
    )
    other = error_rates.fmr_at(model, threshold(sized_count))
    keys = ("study", "label", "people", "flagged", "searched", "fpir", "gallery")
    return {
        **{k: test[k] for k in keys},
        "model": model,
        "count": count,
        "our_searched": len(best),
        "threshold": at,
        "design_effect": effect,
        "counts_low": low,
        "counts_high": high,
        "t_low": threshold(low),
        "t_high": threshold(high),
        "fmr": found["fmr"],
        "fmr_low": found["low"],
        "fmr_high": found["high"],
        "errors": found["errors"],
        "comparisons": found["comparisons"],
        "offered": found["offered"],
        "range_low": strict["low"] if strict["offered"] else float("nan"),
        "range_high": loose["high"],
        "recent_fmr": error_rates.fmr_at(model, at, "recent")["fmr"],
        "recent_errors": error_rates.fmr_at(model, at, "recent")["errors"],
        "implied_fmr": error_rates.errors_at(model, at)["implied_fmr"],
        "sized_count": sized_count,
        "sized_threshold": threshold(sized_count),
        "sized_fmr": other["fmr"] if other["offered"] else float("nan"),
    }


def aclu_members() -> pd.DataFrame:
    """Members flagged at the thresholds compatible with the ACLU's rate.

    One row a member: one column a model with "strict" (flagged at the strictest of them), "28"
    (at the threshold of 28), "loose" (at the loosest only) or "".
    """
    table = equivalents().query("study == @published.ACLU").set_index("model")
    columns = {}
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model).members.set_index("member_id")["score"]
        row = table.loc[model]
        mark = np.select(
            [rates.at_or_below(members, row[t]) for t in ("t_low", "threshold", "t_high")],
            ["strict", "28", "loose"],
            "",
        )
        columns[model] = pd.Series(mark, index=members.index)
    return pd.DataFrame(columns)


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
