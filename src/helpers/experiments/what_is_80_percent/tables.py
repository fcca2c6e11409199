"""What a threshold means: notebook 03, the computation (its words are in `thresholds_words`).

A threshold is a distance. Here it is laid beside the other scales on which it can be read: the
library's default, deepface's `confidence`, the FMR among people who take no part in the test, the
FPIR of the members, and the misses among their second portraits.

`python -m helpers.experiments.what_is_80_percent.tables` counts the false matches between former
legislators and `utkface` at every stored score into data/results/thresholds-fmr.parquet, and who
was compared into data/results/thresholds-impostors.csv. It needs the face metadata of `utkface`
(`congress-test enrol utkface`), which do not ship, and some minutes; everything else is read from
what ships.
"""

import argparse
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from helpers.experiments import the_congress_test as headline
from helpers.experiments import the_question as claims
from helpers.faces import collection, enrolment, same_person
from helpers.faces.pipelines import MODELS, PRIMARY_MODELS, Configuration, configuration
from helpers.paths import DATA
from helpers.protocol import calibration, congress_test, shipping
from helpers.protocol import scores as score_store
from helpers.sources import galleries, published
from helpers.statistics import half_samples, intervals, rates

RESULTS = DATA / "results"
CURVE, IMPOSTORS = "thresholds-fmr.parquet", "thresholds-impostors.csv"
IMPOSTOR_SETS = ("all", "recent")
RECENT = 97  # Congress: who left in 1981 or later; most of their portraits are in colour
BEYOND = 1e-2  # the curve ends at the default or at this FMR, whichever is looser
MIN_ERRORS = 30  # the rule of 30: an FMR on fewer errors is not offered
CONFIDENCES = (80.0, 95.0, 99.0)
STEP = 10.0**-rates.DECIMALS


# ---------------------------------------------------------------- false matches among impostors


def fmr_curve(pairs: pd.DataFrame, n_probes: int, n_gallery: int) -> pd.DataFrame:
    """False matches at every score of some impostor pairs, with the spread of the FMR.

    pairs: probe_id, gallery_id (identities, each pair at most once), score. One row a score:
    score, errors (pairs at or below it), log_se (standard error of the logarithm of the FMR, as in
    `intervals.fmr_interval`), probes (different ones among the errors), effective_probes
    (errors^2 / sum of squared errors a probe: as many equally busy ones would make them).
    """
    if pairs.duplicated(["probe_id", "gallery_id"]).any():
        raise ValueError("a pair of identities was compared twice")
    pairs = pairs.sort_values("score", kind="stable")
    s = np.arange(1, len(pairs) + 1, dtype=np.float64)
    # the n-th error of an identity raises its squared count by 2 n - 1
    before = {c: pairs.groupby(c, sort=False).cumcount() for c in ("probe_id", "gallery_id")}
    squares = {c: np.cumsum(2.0 * n.to_numpy() + 1) for c, n in before.items()}
    rows = squares["probe_id"] - s**2 / n_probes
    columns = squares["gallery_id"] - s**2 / n_gallery
    table = pd.DataFrame(
        {
            "score": pairs["score"].to_numpy(),
            "errors": s.astype(np.int64),
            "log_se": np.round(np.sqrt(np.maximum(rows + columns - s, s)) / s, 4),
            "probes": np.cumsum(before["probe_id"].to_numpy() == 0),
            "effective_probes": np.round(s**2 / squares["probe_id"], 1),
        }
    )
    return table.drop_duplicates("score", keep="last", ignore_index=True)


def make(out: Path, progress: bool = False) -> None:
    """Write the false matches among impostors, and who they are, into a folder. Deterministic.

    Impostor pairs as in `calibration`: former legislators x one face of each identity of the
    adults of `utkface`. Set "recent": those who left Congress in 1981 or later, without anybody
    whom any primary model's same-person rule finds in the gallery.
    """
    private = {m: shipping.load_dataset("utkface", m) for m in MODELS}
    clusters = same_person.identity_clusters([private[m] for m in PRIMARY_MODELS])
    labels = galleries.load_utkface()
    adults = labels.loc[labels["adult"], "id"]
    former = galleries.load_legislators().set_index("gallery_id")["last_congress"]
    recent = set(former.index[former >= RECENT])
    sides, same = {}, {}
    for model in tqdm(MODELS, "who is in the gallery", disable=not progress):
        gallery = collection.subset(private.pop(model), adults)
        people = shipping.load_dataset("legislators", model)
        near = collection.search(people, gallery, top=same_person.DEPTH)
        margin = same_person.MARGIN_ALONE[model]
        same[model] = set(same_person.same_person_alone(near, clusters, margin)["probe_id"])
        of_face = clusters.reindex(gallery.ids)  # one face an identity: the first by id
        sides[model] = people, collection.subset(gallery, of_face.index[~of_face.duplicated()])
    in_any = set().union(*(same[m] for m in PRIMARY_MODELS))
    curves, sets = [], []
    for model in tqdm(MODELS, "false matches", disable=not progress):
        people, gallery = sides[model]
        everyone = set(people.ids)
        pairs = collection.search(people, gallery, threshold=_limit(people, gallery))
        for name, left_out, members in (
            ("all", same[model], everyone - same[model]),
            ("recent", (same[model] | in_any) & recent, (everyone & recent) - same[model] - in_any),
        ):
            mine = pairs[pairs["probe_id"].isin(members)]
            curve = fmr_curve(mine, len(members), len(gallery.ids))
            head = {"model": model, "impostors": name}
            curves.append(curve.assign(**head)[[*head, *curve.columns]])
            sizes = len(members), len(gallery.ids), len(members) * len(gallery.ids)
            numbers = dict(zip(("legislators", "identities", "comparisons"), sizes, strict=True))
            sets.append(head | numbers | {"left_out_as_same_person": len(left_out & everyone)})
    out.mkdir(parents=True, exist_ok=True)
    table = pd.concat(curves, ignore_index=True)
    table.to_parquet(out / CURVE, index=False, compression="zstd")
    pd.DataFrame(sets).to_csv(out / IMPOSTORS, index=False)


def _limit(people, gallery) -> float:
    """The end of the curve: the default or the score of the loosest FMR, from every 20th."""
    some = people._replace(ids=people.ids[::20], embeddings=people.embeddings[::20])
    found = np.concatenate([s.ravel() for _, s in collection.score_blocks(some, gallery)])
    default = people.description["configuration"]["default_threshold"]
    return float(np.round(max(default, np.quantile(found, BEYOND)), rates.DECIMALS))


@cache
def impostors() -> pd.DataFrame:
    """Who was compared: model, impostors, legislators, identities, comparisons, left_out_as_..."""
    return pd.read_csv(RESULTS / IMPOSTORS)


@cache
def curve(model: str, which: str = "all") -> pd.DataFrame:
    """The FMR of a model at every score that ships, from `make`; `which`: "all" or "recent".

    Columns of `fmr_curve`, and comparisons, fmr, low, high (95 %, identities on both sides
    resampled), offered (at least 30 errors).
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
    if threshold > last + rates.EPSILON:
        raise ValueError(f"false matches of {model} were counted up to {last:g}, not {threshold:g}")
    row = int(np.searchsorted(table["score"], threshold + rates.EPSILON, side="right")) - 1
    if row < 0:
        none = dict.fromkeys(table.columns, float("nan"))
        counts = {"errors": 0, "probes": 0, "effective_probes": 0.0, "offered": False}
        sizes = {"comparisons": int(table["comparisons"].iloc[0])}
        return none | counts | sizes | {"model": model, "impostors": which, "threshold": threshold}
    return table.iloc[row].to_dict() | {"threshold": threshold}


def floor(model: str, which: str = "all") -> float:
    """The smallest FMR that a model's impostor pairs carry: 30 errors in all comparisons."""
    return MIN_ERRORS / int(curve(model, which)["comparisons"].iloc[0])


# ---------------------------------------------------------------- the members


@cache
def best_impostor(model: str) -> np.ndarray:
    """Best impostor score of each of the 529 members among the strangers, sorted; inf for none."""
    return np.sort(headline.result("utkface", model).members["score"].to_numpy())


@cache
def genuine(model: str) -> pd.DataFrame:
    """Members with a second portrait (another photograph): probe_id, score, best_impostor.

    score: distance between the two, inf where one of them failed to enrol; best_impostor: of the
    first portrait among the strangers. Portraits that are the same photograph were dropped before.
    """
    first, second = (shipping.load_dataset(d, model) for d in ("probes", "second-portraits"))
    score = score_store.genuine_scores(first, second).set_index("probe_id")["score"]
    failed = enrolment.read_failures(shipping.faces_path("second-portraits", model))["id"]
    people = sorted({*second.ids, *failed})
    best = headline.scores("utkface", model).best.query("portrait == 'first'")
    best = best.set_index("probe_id")["rule"]
    return pd.DataFrame(
        {
            "probe_id": people,
            "score": score.reindex(people).fillna(np.inf).to_numpy(),
            "best_impostor": best.reindex(people).fillna(np.inf).to_numpy(),
        }
    )


def nearest_genuine() -> pd.DataFrame:
    """Are the two portraits ever as near as two prints of one photograph? A row a primary model.

    Columns model, pairs, nearest (smallest distance of a genuine pair), same_photograph (the
    distance below which two faces count as near-duplicates), below (pairs below it), and `votes`:
    how many pairs are below it in at least two models (the rule needs two).
    """
    rows, below = [], []
    for model in PRIMARY_MODELS:
        score = genuine(model).set_index("probe_id")["score"]
        near = score <= same_person.NEAR[model]
        below.append(near)
        rows.append(
            {
                "model": model,
                "pairs": int(np.isfinite(score).sum()),
                "nearest": score.min(),
                "same_photograph": same_person.NEAR[model],
                "below": int(near.sum()),
            }
        )
    votes = int((sum(n.astype(int) for n in below) >= same_person.NEAR_VOTES).sum())
    return pd.DataFrame(rows).assign(votes=votes)


def errors_at(model: str, threshold: float) -> dict:
    """Both kinds of error of a model at a threshold.

    threshold; flagged, searched, fpir (+ _low, _high): members with a stranger at or below it;
    missed, pairs, fnmr (..): genuine pairs above it, of those that enrolled; not_found, mates,
    fnir (..): members whose second portrait, enrolled beside the strangers, is not returned, a
    failure to enrol counts; not_first, fnir_first (..): or not at rank 1; candidates: strangers at
    or below it in an average search; implied_fmr: the same over all comparisons of members.
    """
    pairs = genuine(model)
    both = pairs["score"].to_numpy()
    enrolled = both[np.isfinite(both)]
    first = np.where(pairs["score"] <= pairs["best_impostor"], 1, 2)
    fpir = rates.fpir(rates.at_or_below(best_impostor(model), threshold))
    fnmr = rates.fnmr(enrolled, threshold)
    fnir = rates.fnir(both, threshold)
    rank_1 = rates.fnir(both, threshold, first, 1)
    near = score_store.pairs_at(headline.scores("utkface", model), threshold)
    searches, comparisons = _searches(model)
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
        "candidates": near / searches,
        "pairs_at_threshold": near,
        "implied_fmr": near / comparisons,
    }


def _searches(model: str) -> tuple[int, int]:
    """Searches of enrolled members, and the comparisons they made."""
    summary = headline.result("utkface", model).summary
    return summary["searched"] - summary["failures_to_enrol"], summary["comparisons"]


@cache
def threshold_of(model: str, policy: str) -> float:
    """The distance behind a policy: "default", "fmr:1e-5" or "count:28", as in `congress_test`."""
    config = Configuration(**headline.scores("utkface", model).description["configuration"])
    return congress_test.threshold_of(policy, best_impostor(model), config)[0]


@cache
def tradeoff(model: str) -> pd.DataFrame:
    """Both errors at every score where one of them changes, up to the end of the FMR curve.

    Columns threshold, fmr, fmr_low, fmr_high (missing where fewer than 30 errors carry it), fpir,
    fnmr, fnir, as shares.
    """
    pairs = genuine(model)["score"].to_numpy()
    members = best_impostor(model)
    known = curve(model)
    at = np.unique(np.concatenate([pairs, members]))
    at = at[at <= known["score"].iloc[-1]]
    row = np.searchsorted(known["score"], at + rates.EPSILON, side="right") - 1
    table = known[["fmr", "low", "high"]].where(known["offered"]).to_numpy()[np.maximum(row, 0)]
    table[row < 0] = np.nan
    enrolled = np.sort(pairs[np.isfinite(pairs)])
    passed = np.searchsorted(enrolled, at + rates.EPSILON, side="right")
    return pd.DataFrame(
        {
            "threshold": at,
            **dict(zip(("fmr", "fmr_low", "fmr_high"), table.T, strict=True)),
            "fpir": np.searchsorted(members, at + rates.EPSILON, side="right") / len(members),
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
        verified = distance <= config.default_threshold + rates.EPSILON
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
    steps = round(configuration_of(model).default_threshold / STEP)
    distances = np.round(np.arange(1, steps + 1) * STEP, rates.DECIMALS)
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
    inside = np.linspace(STEP, default, points)
    beyond = np.linspace(default + STEP, 1.6 * default, points * 3 // 5)
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
                "beyond": confidence(model, t + STEP),
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
        found = fmr_at(model, threshold)
        fmr = {f"fmr_{k}": found[k] for k in ("low", "high")}
        rest = {k: found[k] for k in ("fmr", "errors", "comparisons", "offered")}
        rows.append(head | errors_at(model, threshold) | rest | fmr)
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
        f"count:{congress_test.ACLU_COUNT}",
    ]
    offered = calibration.thresholds()
    rows = []
    for model in MODELS:
        mine = {f"fmr:{t:g}" for t in offered.loc[offered["model"] == model, "target_fmr"]}
        for mark in marks:
            if mark.startswith("fmr:") and mark not in mine:
                continue
            threshold = threshold_of(model, mark)
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
    people, found = headline.result("utkface", model).members, headline.scores("utkface", model)
    near = found.candidates
    clusters = near.drop_duplicates("gallery_id").set_index("gallery_id")["cluster"]
    people = people.drop(columns=["score", "flagged", "enrolled"])
    table = half_samples.half_sample(near, clusters, people, threshold, draws=400, seed=20180726)
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
    for test in claims.searches().to_dict("records"):
        for model in PRIMARY_MODELS:
            rows.append(_equivalent(test, model))
    return pd.DataFrame(rows)


def _equivalent(test: dict, model: str) -> dict:
    best = best_impostor(model)
    faces = headline.scores("utkface", model).faces

    def threshold(count):
        return rates.threshold_for_count(best, max(1, count)).threshold

    count = max(1, round(test["fpir"] * len(best)))
    at = threshold(count)
    effect = _design_effect(model, at)
    low, high = compatible_counts(test["flagged"], test["searched"], len(best), effect)
    sized = smaller_gallery(test["fpir"], test["gallery"], faces)
    sized_count = max(1, round(sized * len(best)))
    found, strict, loose = (fmr_at(model, t) for t in (at, threshold(low), threshold(high)))
    other = fmr_at(model, threshold(sized_count))
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
        "recent_fmr": fmr_at(model, at, "recent")["fmr"],
        "recent_errors": fmr_at(model, at, "recent")["errors"],
        "implied_fmr": errors_at(model, at)["implied_fmr"],
        "sized_count": sized_count,
        "sized_threshold": threshold(sized_count),
        "sized_fmr": other["fmr"] if other["offered"] else float("nan"),
    }


def aclu_members() -> pd.DataFrame:
    """Members flagged at the thresholds compatible with the ACLU's rate.

    One row a member: one column a model with "strict" (flagged at the strictest of them), "28"
    (at the threshold of 28), "loose" (at the loosest only) or "".
    """
    table = equivalents().query("study == @claims.ACLU").set_index("model")
    columns = {}
    for model in PRIMARY_MODELS:
        members = headline.result("utkface", model).members.set_index("member_id")["score"]
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
        at_28 = errors_at(model, threshold_of(model, headline.PRIMARY))
        strict = float(np.round(best_impostor(model)[0] - STEP, rates.DECIMALS))
        found, fmr = errors_at(model, strict), fmr_at(model, strict)
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
    searched = int(published.number(claims.ACLU, "members searched"))
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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Count false matches between former legislators and utkface, into data/results."
        " Needs the face metadata of utkface (congress-test enrol utkface) and some minutes."
    )
    parser.parse_args(arguments)
    make(RESULTS, progress=True)


if __name__ == "__main__":
    main()
