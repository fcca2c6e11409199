"""The chance that a score of one group is nearer than one of another (AUC), after DeLong.

Best scores are distances, inf where there was no candidate; ties count one half.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from helpers.statistics.intervals import logit_interval


class Auc(NamedTuple):
    """Chance that a score of group a is smaller (more alike) than one of group b."""

    auc: float
    low: float
    high: float
    p: float
    n_a: int
    n_b: int


def nearer(a, b):
    """How many of b lie below each of a, and how many of a below each of b; a tie is one half.

    Two float64 arrays of the shapes of a and b, from mid-ranks (Sun and Xu 2014) and exact.

    >>> nearer([0.1, 0.3], [0.2, 0.3, 0.4])
    (array([0. , 1.5]), array([1. , 1.5, 2. ]))
    """
    ranks = stats.rankdata(np.concatenate([a, b]))
    return ranks[: len(a)] - stats.rankdata(a), ranks[len(a) :] - stats.rankdata(b)


def delong_variance(shares_a, shares_b):
    """Variance of an AUC (DeLong 1988) from the share of the other group won by each of a and of b.

    NaN where a group has fewer than two people. Of paired AUCs: give the changes of the shares.
    """
    m, n = len(shares_a), len(shares_b)
    if min(m, n) < 2:
        return float("nan")
    return shares_a.var(ddof=1) / m + shares_b.var(ddof=1) / n


def delong(a, b):
    """AUC of a below b, and its variance.

    >>> a, b = np.array([0.1, 0.3]), np.array([0.2, 0.3, 0.4])
    >>> [round(float(x), 3) for x in delong(a, b)]
    [0.75, 0.083]
    """
    nearer_b, nearer_a = nearer(a, b)
    shares_a, shares_b = 1 - nearer_b / len(b), nearer_a / len(a)
    return shares_a.mean(), delong_variance(shares_a, shares_b)


def auc_best_scores(best_a, best_b):
    """Chance that the best impostor score of a member of group a is smaller than one of group b.

    Above 0.5: group a (members of colour, as a rule) lies nearer to the strangers, so it is worse
    off at every threshold on average. inf (no candidate) ties with inf. DeLong's 95 % interval on
    the logit scale (NaN at 0 or 1), p of scipy's `mannwhitneyu`. Members are taken as independent:
    for the shared gallery see `half_sample`.

    >>> auc_best_scores([0.1, 0.3], [0.2, 0.3]).auc
    0.625
    """
    a, b = (np.asarray(best, dtype=np.float64) for best in (best_a, best_b))
    for name, values in (("best_a", a), ("best_b", b)):
        if values.ndim != 1 or np.isnan(values).any():
            raise ValueError(f"{name}: one best score each, inf for no candidate, never NaN")
    if not len(a) or not len(b):
        raise ValueError("an AUC needs members in both groups")
    auc, variance = delong(a, b)
    low, high = logit_interval(auc, variance)
    ranks = stats.rankdata(np.concatenate([a, b]))  # inf becomes a rank
    p = stats.mannwhitneyu(ranks[: len(a)], ranks[len(a) :]).pvalue
    return Auc(float(auc), low, high, float(p), len(a), len(b))
