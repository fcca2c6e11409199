"""False matches and misses at any threshold, from what ships: impostors, and genuine pairs."""

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from helpers.faces import enrolment
from helpers.faces.pipelines import Configuration
from helpers.paths import DATA
from helpers.protocol import scores as score_store
from helpers.protocol import shipped, shipping
from helpers.protocol.policy import resolve
from helpers.statistics import rates

RESULTS = DATA / "results"
CURVE, IMPOSTORS = "thresholds-fmr.parquet", "thresholds-impostors.csv"
MIN_ERRORS = 30  # the rule of 30: an FMR on fewer errors is not offered
STEP = 10.0**-rates.DECIMALS


@cache
def impostors() -> pd.DataFrame:
    """Who was compared: model, impostors, legislators, identities, comparisons, left_out_as_..."""
    return pd.read_csv(RESULTS / IMPOSTORS)


@cache
def curve(model: str, which: str = "all") -> pd.DataFrame:
    """The FMR of a model at every score that ships, from `make`; `which`: "all" or "recent".

    Columns of `fmr_curve`, and comparisons, fmr, low, high (95 %), offered (at least 30 errors).
    """
    table = pd.read_parquet(RESULTS / CURVE)
    table = table[(table["model"] == model) & (table["impostors"] == which)]
    sets = impostors().set_index(["model", "impostors"]).loc[(model, which)]
    z = stats.norm.ppf(0.975)
    table = table.reset_index(drop=True).assign(comparisons=int(sets["comparisons"]))
    table["fmr"] = table["errors"] / table["comparisons"]
    table["low"] = table["fmr"] * np.exp(-z * table["log_se"])
    table["high"] = np.minimum(1, table["fmr"] * np.exp(z * table["log_se"]))
    return table.assign(offered=table["errors"] >= MIN_ERRORS)


def fmr_at(model: str, threshold: float, which: str = "all") -> dict:
    """FMR of a model at a threshold: threshold, errors, comparisons, fmr, low, high, offered, ...

    Without a single error fmr, low and high are NaN; on fewer than 30 `offered` is False. Raises
    ValueError beyond the loosest score of the curve.
    """
    table = curve(model, which)
    last = table["score"].iloc[-1]
    if threshold > rates.reach(last):
        raise ValueError(f"false matches of {model} were counted up to {last:g}, not {threshold:g}")
    row = int(np.searchsorted(table["score"], rates.reach(threshold), side="right")) - 1
    if row < 0:
        none = dict.fromkeys(table.columns, float("nan"))
        none |= table.iloc[0][["model", "impostors", "comparisons"]].to_dict()
        counts = {"errors": 0, "probes": 0, "effective_probes": 0.0, "offered": False}
        return none | counts | {"threshold": threshold}
    return table.iloc[row].to_dict() | {"threshold": threshold}


def floor(model: str, which: str = "all") -> float:
    """The smallest FMR that a model's impostor pairs carry: 30 errors in all comparisons."""
    return MIN_ERRORS / int(curve(model, which)["comparisons"].iloc[0])


@cache
def best_impostor(model: str) -> np.ndarray:
    """Best impostor score of each of the 529 members among the strangers, sorted; inf for none."""
    return np.sort(shipped.result("utkface", model).members["score"].to_numpy())


@cache
def genuine(model: str) -> pd.DataFrame:
    """Members with a second portrait (another photograph): probe_id, score, best_impostor.

    score: distance between the two, inf where one of them failed to enrol; best_impostor: of the
    first portrait among the strangers.
    """
    first, second = (shipping.load_dataset(d, model) for d in ("probes", "second-portraits"))
    score = score_store.genuine_scores(first, second).set_index("probe_id")["score"]
    failed = enrolment.read_failures(shipping.faces_path("second-portraits", model))["id"]
    best = shipped.scores("utkface", model).best.query("portrait == 'first'")
    table = pd.DataFrame({"probe_id": sorted({*second.ids, *failed})})
    for name, values in (("score", score), ("best_impostor", best.set_index("probe_id")["rule"])):
        table[name] = values.reindex(table["probe_id"]).fillna(np.inf).to_numpy()
    return table


def errors_at(model: str, threshold: float) -> dict:
    """Both kinds of error of a model at a threshold.

    threshold; flagged, searched, fpir (+ _low, _high): members with a stranger at or below it;
    missed, pairs, fnmr (..): genuine pairs above it, of those that enrolled; not_found, mates, fnir
    (..): members whose second portrait, enrolled beside the strangers, is not returned, a failure
    to enrol counts; not_first, fnir_first (..): or not at rank 1; candidates: strangers at or below
    it in an average search; implied_fmr: the same over all comparisons of members.
    """
    pairs = genuine(model)
    both = pairs["score"].to_numpy()
    first = np.where(pairs["score"] <= pairs["best_impostor"], 1, 2)
    fpir = rates.fpir(rates.at_or_below(best_impostor(model), threshold))
    fnmr = rates.fnmr(both[np.isfinite(both)], threshold)
    fnir = rates.fnir(both, threshold)
    rank_1 = rates.fnir(both, threshold, first, 1)
    near = score_store.pairs_at(shipped.scores("utkface", model), threshold)
    summary = shipped.result("utkface", model).summary
    row = {"model": model, "threshold": threshold}
    for counts, rate, found in (
        (("flagged", "searched"), "fpir", fpir),
        (("missed", "pairs"), "fnmr", fnmr),
        (("not_found", "mates"), "fnir", fnir),
        (("not_first", "mates"), "fnir_first", rank_1),
    ):
        row |= dict(zip(counts, (found.numerator, found.denominator), strict=True))
        row |= {rate: found.rate, f"{rate}_low": found.low, f"{rate}_high": found.high}
    return row | {
        "candidates": near / (summary["searched"] - summary["failures_to_enrol"]),
        "pairs_at_threshold": near,
        "implied_fmr": near / summary["comparisons"],
    }


@cache
def threshold_of(model: str, policy: str) -> float:
    """The distance behind a policy ("default", "fmr:1e-5", "count:28"), as in `protocol.policy`."""
    config = Configuration(**shipped.scores("utkface", model).description["configuration"])
    return resolve(policy, best_impostor(model), config)[0]
