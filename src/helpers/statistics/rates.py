"""Error rates of a 1:N search: FPIR, FMR, FNMR, FNIR, by group, and the thresholds they need.

Scores are distances rounded to four decimals; at or below the threshold is a match. Names follow
ISO/IEC 19795-1:2021 and 2382-37:2022. Wilson intervals take searches as independent; members who
share one gallery are not, see `half_samples.half_sample`.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

DECIMALS = 4  # of a stored score
EPSILON = 1e-6  # far below one stored step, far above the error of a 32-bit float


class Rate(NamedTuple):
    """An error rate with its counts and its interval."""

    numerator: int
    denominator: int
    rate: float
    low: float
    high: float


class Share(NamedTuple):
    """A part of a whole: how many of the counted belong to a group. Not an error rate."""

    numerator: int
    denominator: int
    share: float
    low: float
    high: float


class CountThreshold(NamedTuple):
    """A threshold chosen by count; `attained` exceeds `wanted` only where scores are tied."""

    threshold: float
    attained: int
    wanted: int


class FmrThreshold(NamedTuple):
    """A threshold chosen by FMR, with the errors and comparisons behind it."""

    threshold: float
    errors: int
    comparisons: int
    fmr: float
    target: float


def reach(threshold):
    """The largest score still at a threshold: for `np.searchsorted` and scores that may be NaN.

    To compare other scores ask `at_or_below`.

    >>> scores = [0.05, 0.0699, 0.07, 0.07, 0.0701]
    >>> int(np.searchsorted(scores, reach(0.07), side="right"))
    4
    """
    return threshold + EPSILON


def at_or_above(confidences, threshold):
    """Which confidences, of four decimals, reach a threshold (one, or one each); NaN never does.

    >>> at_or_above([0.9, 0.8999, np.nan], 0.9).tolist()
    [True, False, False]
    """
    return np.asarray(confidences, dtype=np.float64) >= np.asarray(threshold) - EPSILON


def at_or_below(scores, threshold):
    """Which scores are matches: rounded to four decimals, at or below the threshold; bools.

    scores: any shape, float; inf where there was no candidate.

    >>> at_or_below([0.0699, 0.07, np.float32(0.07), 0.0701, np.inf], 0.07).tolist()
    [True, True, True, False, False]
    """
    threshold = float(threshold)
    if not np.isfinite(threshold):
        raise ValueError(f"the threshold must be a finite number, not {threshold}")
    scores = np.asarray(scores, dtype=np.float64)
    if np.isnan(scores).any():
        raise ValueError("a score is NaN; drop failed comparisons, or give inf for no candidate")
    return np.round(scores, DECIMALS) <= reach(threshold)


def _wilson(k, n):
    from helpers.statistics.intervals import wilson  # here: 50 MB of scipy, and a search needs none

    return wilson(k, n)


def _rate(numerator, denominator):
    low, high = _wilson(numerator, denominator)
    return Rate(int(numerator), int(denominator), numerator / denominator, low, high)


def _booleans(values, what):
    values = np.asarray(values)
    if values.dtype == object and all(isinstance(v, (bool, np.bool_)) for v in values.ravel()):
        values = values.astype(bool)
    if values.dtype != bool:
        raise ValueError(f"{what} must hold True or False and nothing else, not {values.dtype}")
    return values


def fpir(flagged):
    """Share of searches that returned a false match.

    flagged: bool array over searches of people who are not in the gallery; a failure to enrol is
    False. FPIR(N, T) depends on the gallery size N and the threshold T: name both beside it.

    >>> found = fpir([True] + 19 * [False])
    >>> found.numerator, found.denominator, found.rate
    (1, 20, 0.05)
    """
    flagged = _booleans(flagged, "flagged")
    if flagged.size == 0:
        raise ValueError("nobody was searched: an FPIR needs at least one search")
    return _rate(int(flagged.sum()), flagged.size)


def fnmr(genuine_scores, threshold):
    """Share of genuine comparisons (same person, two images) above the threshold.

    genuine_scores: one a pair; inf for a pair that failed to enrol counts as a miss.

    >>> fnmr([0.1, 0.2, 0.4, np.inf], 0.3).rate
    0.5
    """
    scores = np.asarray(genuine_scores, dtype=np.float64)
    if scores.size == 0:
        raise ValueError("no genuine pairs: an FNMR needs at least one")
    return _rate(int((~at_or_below(scores, threshold)).sum()), scores.size)


def fnir(genuine_scores, threshold, ranks=None, max_rank=None):
    """Share of searches of enrolled people whose own image is not returned.

    genuine_scores: the score of the enrolled mate in each search, inf where it was not returned.
    ranks: its rank (1 = best), needed with max_rank: a mate ranked worse is a miss as well.

    >>> fnir([0.1, 0.2, 0.4, np.inf], 0.3, ranks=[1, 9, 1, np.nan], max_rank=5).rate
    0.75
    """
    scores = np.asarray(genuine_scores, dtype=np.float64)
    if scores.size == 0:
        raise ValueError("no searches of enrolled people: an FNIR needs at least one")
    hit = at_or_below(scores, threshold)
    if max_rank is not None:
        if ranks is None or np.shape(ranks) != scores.shape:
            raise ValueError("a rank limit needs the rank of the mate in every search")
        # a missing rank (NaN) compares as not within the limit
        hit &= np.asarray(ranks, dtype=np.float64) <= max_rank
    return _rate(int((~hit).sum()), scores.size)


def threshold_for_count(best, k):
    """The threshold at which the k probes with the best impostor scores are flagged.

    best: best impostor score a probe (inf for none). Where the k-th and the (k+1)-th smallest are
    equal at four decimals every tied probe is flagged; `attained` says how many that is.

    >>> threshold_for_count([0.1, 0.2, 0.2, 0.5], 2)
    CountThreshold(threshold=0.2, attained=3, wanted=2)
    """
    best = np.asarray(best, dtype=np.float64)
    if k != int(k) or k < 1:
        raise ValueError(f"the count must be a whole number of at least 1, not {k}")
    k = int(k)
    if np.isnan(best).any():
        raise ValueError("a best score is NaN; give inf for a probe without a candidate")
    found = np.sort(np.round(best[np.isfinite(best)], DECIMALS))
    if k > found.size:
        raise ValueError(
            f"{k} flagged probes were asked for, but only {found.size} of {best.size} have any "
            "candidate: keep candidates up to a looser score"
        )
    threshold = float(found[k - 1])
    return CountThreshold(threshold, int(at_or_below(found, threshold).sum()), k)


def threshold_for_fmr(impostor_scores, n_comparisons, target, min_errors=30):
    """The loosest threshold, a stored score of four decimals, whose FMR does not exceed the target.

    impostor_scores: all of them, or their low tail (complete up to its largest), in any order;
    n_comparisons: how many were made in all. Raises ValueError when fewer than `min_errors` errors
    lie at the threshold (the rule of 30), or when the tail ends before the target is reached.

    >>> scores = np.arange(1, 101) / 1000
    >>> found = threshold_for_fmr(scores, 1_000_000, 5e-5)
    >>> found.threshold, found.errors
    (0.05, 50)
    """
    if not 0 < target < 1:
        raise ValueError(f"a target FMR lies between 0 and 1, not {target}")
    scores = np.asarray(impostor_scores, dtype=np.float64)
    if n_comparisons != int(n_comparisons) or n_comparisons < max(1, scores.size):
        raise ValueError(
            f"{n_comparisons} comparisons cannot have given {scores.size} scores: "
            "n_comparisons counts every comparison made, kept or not"
        )
    if np.isnan(scores).any():
        raise ValueError("an impostor score is NaN; drop failed comparisons")
    values, counts = np.unique(np.round(scores[np.isfinite(scores)], DECIMALS), return_counts=True)
    errors = np.cumsum(counts)
    allowed = int(np.floor(target * n_comparisons * (1 + 1e-12)))
    last = int(np.searchsorted(errors, allowed, side="right")) - 1
    n_errors = int(errors[last]) if last >= 0 else 0
    if last == values.size - 1 and n_errors < min(allowed, n_comparisons) and values.size:
        raise ValueError(
            f"the kept scores end at {values[-1]:g} with {n_errors} errors, before FMR {target:g} "
            f"({allowed} errors) is reached: keep impostor scores up to a looser score"
        )
    if n_errors < min_errors:
        raise ValueError(
            f"FMR {target:g} rests on {n_errors} errors in {n_comparisons:,} comparisons and at "
            f"least {min_errors} are needed: ask for a larger FMR (from about "
            f"{min_errors / n_comparisons:.2g}) or compare more people"
        )
    return FmrThreshold(
        float(values[last]), n_errors, n_comparisons, n_errors / n_comparisons, target
    )


def by_group(members, group_col, order=None):
    """FPIR of each group: one row a group with searched, flagged, fpir, low, high (95 %, Wilson).

    members: one row a person searched, with a bool column flagged. order: the groups as wanted; one
    that nobody belongs to gets a row of 0 searched and NaN, one that is not listed is an error.

    >>> members = pd.DataFrame({"group": ["x", "x", "y"], "flagged": [True, False, False]})
    >>> by_group(members, "group")["fpir"].to_dict()
    {'x': 0.5, 'y': 0.0}
    """
    return _table(members, {group_col: order})


def within_sex(members, order=None):
    """FPIR of each group within each recorded gender: `by_group`, indexed by (gender, group)."""
    return _table(members, {"gender": None, "group": order})


def _groups(members, column, order):
    values = members[column]
    if values.isna().any():
        raise ValueError(f"{int(values.isna().sum())} members have no {column}: name it 'unknown'")
    order = sorted(values.unique()) if order is None else list(order)
    unlisted = sorted(set(values.unique()) - set(order), key=str)
    if unlisted:
        raise ValueError(f"{column} {unlisted} is missing from the order of groups")
    return pd.Categorical(values, categories=order, ordered=True)


def _table(members, columns):
    flags = _booleans(members["flagged"], "flagged")
    frame = pd.DataFrame({c: _groups(members, c, order) for c, order in columns.items()})
    counts = frame.assign(flag=flags).groupby(list(columns), observed=False)["flag"]
    counts = counts.agg(["size", "sum"]).astype(np.int64)
    some = counts["size"].to_numpy() > 0
    fpirs, low, high = np.full((3, len(counts)), np.nan)
    hits, searched = counts["sum"].to_numpy()[some], counts["size"].to_numpy()[some]
    fpirs[some] = hits / searched
    low[some], high[some] = _wilson(hits, searched)
    counts = counts.set_axis(["searched", "flagged"], axis=1)
    return counts.assign(fpir=fpirs, low=low, high=high)


def false_match_share(flagged, of_colour):
    """What part of the falsely matched belongs to a group: a share, never an error rate.

    flagged, of_colour: bool arrays, one entry a person searched: set beside the share the group's
    part of those searched. NaN if nobody is flagged.

    >>> false_match_share([True, True, False], [True, False, False])[:3]
    (1, 2, 0.5)
    """
    flagged, of_colour = _booleans(flagged, "flagged"), _booleans(of_colour, "of_colour")
    if flagged.shape != of_colour.shape:
        raise ValueError(f"{flagged.size} flags do not fit {of_colour.size} members")
    k, n = int((flagged & of_colour).sum()), int(flagged.sum())
    if n == 0:
        return Share(0, 0, float("nan"), float("nan"), float("nan"))
    return Share(k, n, k / n, *_wilson(k, n))


def expected_fpir_hypergeometric(k_by_stratum, N_by_stratum, n_by_stratum):
    """Chance that a random smaller gallery holds at least one face that matches the probe.

    1 - prod_s C(N_s - k_s, n_s) / C(N_s, n_s): n_s faces are drawn without replacement from the
    N_s of stratum s, of which k_s match. k_by_stratum: int, shape (probes, strata) or (strata,);
    N_by_stratum, n_by_stratum: int, shape (strata,). Returns float64 of shape (probes,) or a
    single float; its mean over probes is the expected FPIR.

    >>> expected_fpir_hypergeometric([1], [10], [5])  # one face of ten matches, five are drawn
    0.5
    """
    k = np.asarray(k_by_stratum)
    N, n = np.atleast_1d(N_by_stratum), np.atleast_1d(n_by_stratum)
    single = k.ndim < 2
    k = np.atleast_2d(k)
    if N.shape != n.shape or k.ndim != 2 or k.shape[1] != N.size:
        raise ValueError(f"strata do not agree: k {k.shape}, N {N.shape}, n {n.shape}")
    for name, a in (("k", k), ("N", N), ("n", n)):
        if not np.issubdtype(a.dtype, np.integer) or (a.size and a.min() < 0):
            raise ValueError(f"{name} must hold counts: whole numbers, none below 0")
    if (k > N).any():
        raise ValueError("a probe matches more faces than its stratum holds")
    if (n > N).any():
        raise ValueError("more faces are to be drawn than a stratum holds; draw at most N_s")
    # C(N-k, n) / C(N, n) = prod_{j<k} (1 - n / (N - j)), exact where log-gammas lose small chances
    log_none = np.zeros(len(k))
    for s in range(N.size):
        j = np.arange(k[:, s].max(initial=0))
        share = np.minimum(n[s] / (N[s] - j), 1.0)  # 1: the non-matching faces have run out
        with np.errstate(divide="ignore"):
            steps = np.concatenate([[0.0], np.cumsum(np.log1p(-share))])
        log_none += steps[k[:, s]]
    chance = -np.expm1(log_none)
    return float(chance[0]) if single else chance


def chance_of_a_candidate(fmr: float, faces: int) -> float:
    """Chance that one search returns a stranger, were all comparisons independent: 1-(1-FMR)^N.

    >>> round(chance_of_a_candidate(1e-6, 25_000), 4)
    0.0247
    """
    return float(-np.expm1(faces * np.log1p(-fmr)))
