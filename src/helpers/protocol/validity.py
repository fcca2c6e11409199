"""The validity gate: can a pipeline tell people apart at all, before anything is said of groups?

Pairs are genuine (two portraits of one person) or impostors; TAR (true accept rate) is the share of
genuine ones at or below the threshold of an FMR. A pipeline whose TAR at an FMR of 1 in 1,000 is
below 0.90 carries no conclusion about people.
"""

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.errors import UserError
from helpers.faces import collection, enrolment
from helpers.faces.collection import Collection
from helpers.faces.pipelines import MODELS
from helpers.protocol import shipping
from helpers.sources import returning
from helpers.statistics import auc, intervals, rates

VALID_TAR = 0.90
VALID_FMR = 1e-3
TARGETS = (VALID_FMR, 1e-4)
MIN_ERRORS = 30  # the rule of 30: an FMR with fewer errors allowed is not offered
RESAMPLES = 500
SEED = 20180726
SETS = ("second-portraits", "returning")


def passes(row) -> bool:
    """Whether a row of `measure` passes the gate; ValueError if its pairs are too few to say."""
    tar = row[f"tar_{VALID_FMR:g}"]
    if np.isnan(tar):
        raise ValueError(f"{row['impostors']:,} impostor pairs are too few for the gate")
    return bool(tar >= VALID_TAR)


def measure(first: Collection, second: Collection, failed: int = 0) -> dict:
    """The gate of one pipeline on two sets of portraits whose ids name people.

    Returns the numbers of `rates_of`, then rank_1 (people whose first portrait, searched among all
    of the second set, finds the own one before any other), searched, gallery (faces searched in),
    rank_1_rate, _low, _high (Wilson), and failed, as counted by the caller: genuine pairs that were
    not compared because a portrait failed to enrol.
    """
    result = rates_of(compare(first, second))
    own = collection.subset(first, second.ids)
    return result | rank_1(own, second) | {"failed": failed}


def compare(first: Collection, second: Collection) -> pd.DataFrame:
    """All pairs of two portraits of two sets, also within a set: a, b (people), score, genuine.

    Raises UserError unless both were enrolled alike, or where no person is in both.
    """
    collection.check_comparable(first, second)
    people = np.concatenate([first.ids, second.ids])
    embeddings = np.concatenate([first.embeddings, second.embeddings])
    table = pairs_among(first._replace(ids=people, embeddings=embeddings), people)
    if not table["genuine"].any():
        raise UserError("nobody has a portrait in both sets")
    return table


def pairs_among(faces: Collection, people: np.ndarray) -> pd.DataFrame:
    """All pairs of two faces: a, b (their people), score, genuine (a is b); n (n - 1) / 2 rows."""
    i, j = np.triu_indices(len(faces.ids), 1)
    scores = np.concatenate([block for _, block in collection.score_blocks(faces, faces)])
    codes = pd.factorize(people)[0]
    a, b = codes[i], codes[j]
    return pd.DataFrame({"a": a, "b": b, "score": scores[i, j], "genuine": a == b})


def rates_of(pairs: pd.DataFrame, resamples: int = RESAMPLES) -> dict:
    """Verification rates of compared pairs (columns a, b, score, genuine), with 95 % intervals.

    people, genuine, impostors (pairs); auc: chance that a genuine pair is nearer than an impostor
    pair; eer: the smallest rate that FMR and FNMR can both be held to; for each FMR of TARGETS
    threshold_<FMR> (a distance) and tar_<FMR>, NaN unless `offered`. _low, _high: of `resampled`
    people; those of tar and eer are at least as wide as Wilson's for the genuine pairs.
    """
    genuine = np.sort(pairs.loc[pairs["genuine"], "score"].to_numpy())
    impostor = np.sort(pairs.loc[~pairs["genuine"], "score"].to_numpy())
    if not len(genuine) or not len(impostor):
        raise UserError("the gate needs pairs of one person and pairs of different people")
    people = pd.unique(pairs[["a", "b"]].to_numpy().ravel())
    result: dict = {"people": len(people), "genuine": len(genuine), "impostors": len(impostor)}
    draws = resampled(pairs, resamples)
    result |= _with_interval("auc", float(auc.delong(genuine, impostor)[0]), draws["auc"])
    result |= _with_interval("eer", _eer(genuine, impostor), draws["eer"], len(genuine))
    for target in TARGETS:
        few = not offered(len(impostor), target)
        threshold, tar = (np.nan, np.nan) if few else _tar(genuine, impostor, target)
        name = f"tar_{target:g}"
        result[f"threshold_{target:g}"] = threshold
        result |= _with_interval(name, tar, draws[name], len(genuine))
    return result


def offered(impostors: int, target: float) -> bool:
    """Whether so many impostor pairs allow 30 errors at an FMR.

    >>> offered(30_000, 1e-3), offered(30_000, 1e-4)
    (True, False)
    """
    return impostors * target >= MIN_ERRORS


def _tar(genuine: np.ndarray, impostor: np.ndarray, target: float) -> tuple[float, float]:
    """The threshold of an FMR and the share of genuine pairs at or below it."""
    try:
        found = rates.threshold_for_fmr(impostor, len(impostor), target, min_errors=1)
    except ValueError:  # more impostors than that share the very lowest score
        return np.nan, 0.0
    return found.threshold, float(rates.at_or_below(genuine, found.threshold).mean())


def _eer(genuine: np.ndarray, impostor: np.ndarray) -> float:
    """The smallest rate that FMR and FNMR can both be held to; both sorted."""
    accepted = np.searchsorted(genuine, rates.reach(genuine), side="right") / len(genuine)
    fmr = np.searchsorted(impostor, rates.reach(genuine), side="right") / len(impostor)
    return float(np.maximum(fmr, 1 - accepted).min())


def _with_interval(name: str, value: float, draws: np.ndarray, genuine: int | None = None) -> dict:
    if np.isnan(value):
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), np.nan)
    low, high = np.quantile(draws, [0.025, 0.975])
    if genuine:
        least = intervals.wilson(value * genuine, genuine)
        low, high = min(low, least[0]), max(high, least[1])
    return {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}


def resampled(pairs: pd.DataFrame, resamples: int = RESAMPLES, seed: int = SEED) -> pd.DataFrame:
    """AUC, EER and TAR (columns auc, eer, tar_<FMR>) of resamples of the people, a row each.

    People are drawn with replacement. A genuine pair counts as often as its person was drawn, an
    impostor pair as often as the product of both; the threshold of an FMR is found again each time.
    """
    rng = np.random.default_rng(seed)
    codes, names = pd.factorize(pairs[["a", "b"]].to_numpy().ravel())
    people = len(names)
    table = pairs[["score", "genuine"]].round(rates.DECIMALS)  # equal scores are equal numbers
    table = table.assign(a=codes[::2], b=codes[1::2]).sort_values("score")
    genuine, impostor = (table[table["genuine"] == kind] for kind in (True, False))
    person, own = genuine["a"].to_numpy(), genuine["score"].to_numpy()
    a, b, other = (impostor[c].to_numpy() for c in ("a", "b", "score"))
    upto = np.searchsorted(other, rates.reach(own), side="right")
    below = np.searchsorted(other, own, side="left")
    accepted = np.searchsorted(own, rates.reach(own), side="right")
    ends = np.flatnonzero(np.append(np.diff(other) > 0, True)) + 1
    within = np.searchsorted(own, rates.reach(other[ends - 1]), side="right")
    rows = []
    for drawn in rng.multinomial(people, np.full(people, 1 / people), size=resamples):
        errors = np.concatenate([[0], np.cumsum(drawn[a] * drawn[b])])
        weight = drawn[person]
        found = np.concatenate([[0], np.cumsum(weight)])
        if not errors[-1] or not found[-1]:
            continue  # of a handful of people: nobody with both portraits was drawn
        fmr, tar = errors / errors[-1], found / found[-1]
        row = {"auc": 1 - (weight * (fmr[upto] + fmr[below])).sum() / 2 / found[-1]}
        row["eer"] = np.maximum(fmr[upto], 1 - tar[accepted]).min()
        for target in TARGETS:
            allowed = np.floor(np.round(target * errors[-1], 6))
            reached = errors[ends]
            last = np.searchsorted(reached, allowed, side="right") - 1
            some = last >= 0 and reached[last] > 0
            row[f"tar_{target:g}"] = tar[within[last]] if some else 0.0
        rows.append(row)
    if len(rows) < resamples / 2:
        raise UserError("too few people for an interval: the gate needs a few dozen")
    return pd.DataFrame(rows)


def rank_1(probes: Collection, gallery: Collection, person: pd.Series | None = None) -> dict:
    """How many probes find their own person first: counts, and the rate with Wilson's interval.

    person: id -> person, and a photograph does not find itself; without it the ids are people.
    """
    own_of = [c.ids if person is None else person[c.ids].to_numpy() for c in (probes, gallery)]
    hits = searched = 0
    for rows, scores in collection.score_blocks(probes, gallery):
        own = own_of[0][rows][:, None] == own_of[1]
        itself = probes.ids[rows][:, None] == gallery.ids if person is not None else False
        mine = np.where(own & ~np.asarray(itself), scores, np.inf).min(axis=1)
        hits += int((mine < np.where(own, np.inf, scores).min(axis=1)).sum())
        searched += int(np.isfinite(mine).sum())
    low, high = intervals.wilson(hits, searched)
    counts = {"rank_1": hits, "searched": searched, "gallery": len(gallery.ids)}
    return counts | {"rank_1_rate": hits / searched, "rank_1_low": low, "rank_1_high": high}


def members(model: str, dataset: str) -> tuple[Collection, Collection, int]:
    """First and other portraits of members, and how many pairs failed to enrol.

    dataset: "second-portraits", or "returning" without those that are the same photograph.
    """
    path = shipping.faces_path(dataset, model)
    first = collection.load_collection(shipping.faces_path("probes", model))
    second = collection.load_collection(path)
    failures = enrolment.read_failures(path)["id"]
    listed = set(second.ids) | set(failures)
    if dataset == "returning":
        listed &= set(returning.kept())
        second = collection.subset(second, listed)
    return first, second, len(listed - (set(first.ids) & set(second.ids)))


def available(model: str) -> list[str]:
    """The sets of other portraits whose face metadata are there for a pipeline, first ones too."""
    if not shipping.faces_path("probes", model).exists():
        return []
    return [d for d in SETS if shipping.faces_path(d, model).exists()]


def enrol(model: str, workers: int | None = None, progress: bool = True) -> None:
    """Enrol the members' portraits with a pipeline where that was not done: any deepface name."""
    for dataset in ("probes", *SETS):
        if not shipping.faces_path(dataset, model).exists():
            shipping.enrol_dataset(dataset, model, workers=workers, progress=progress)


def gate(
    model: str | None = None, workers: int | None = None, progress: bool = False
) -> pd.DataFrame:
    """`measure` on the sets of members' portraits: columns model, dataset, then its own.

    model: one pipeline, enrolled first where that was not done; None: all whose faces ship.
    """
    if model and SETS[0] not in available(model):
        enrol(model, workers, progress)
    models = [model] if model else MODELS
    todo = [(m, dataset) for m in models for dataset in available(m)]
    rows = []
    for name, dataset in tqdm(todo, desc="validate", unit="set", disable=not progress or None):
        row = measure(*members(name, dataset))
        rows.append({"model": name, "dataset": dataset} | row)
    return pd.DataFrame(rows)
