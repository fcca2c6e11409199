"""Tests that hold for few counts: Fisher's, its power, permutation of ranks, Holm's correction.

Counts are named as in `helpers.statistics.intervals`. Best scores are distances: small is alike.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from helpers.statistics.auc import best_of_each
from helpers.statistics.intervals import check_counts


class Permutation(NamedTuple):
    """A stratified rank test by permutation; `auc` is the stratified AUC of the labelled."""

    auc: float
    p: float
    n_labelled: int
    n_others: int
    permutations: int


def fisher_exact(k1, n1, k0, n0):
    """Two-sided p of Fisher's exact test, conditional on k1 + k0 flagged (scipy).

    >>> round(fisher_exact(3, 4, 1, 4), 4)  # the lady tasting tea
    0.4857
    """
    check_counts((k1, n1), (k0, n0))
    return float(stats.fisher_exact([[k1, n1 - k1], [k0, n0 - k0]]).pvalue)


def holm(pvalues):
    """P values adjusted by Holm's step-down method (statsmodels); a Series keeps its index.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(pvalues, dtype=np.float64)
    if p.ndim != 1 or np.isnan(p).any() or ((p < 0) | (p > 1)).any():
        raise ValueError("Holm's method needs a list of p values between 0 and 1, none missing")
    adjusted = multipletests(p, method="holm")[1] if p.size else p
    if isinstance(pvalues, pd.Series):
        return pd.Series(adjusted, index=pvalues.index, name=pvalues.name)
    return adjusted


def power_fisher(n1, n0, k_total, ratio, alpha=0.05):
    """Exact power of Fisher's two-sided test when k_total are flagged and the risk ratio is given.

    The risks p1 = ratio * p0 are set so that k_total are expected (n1 p1 + n0 p0 = k_total). Given
    k_total flagged, how many of them are in group 1 follows Fisher's noncentral hypergeometric
    distribution with odds p1 (1 - p0) / (p0 (1 - p1)); power is its mass on the tables with
    p <= alpha. At ratio 1 this is the size of the test, below alpha because counts are discrete.

    >>> round(power_fisher(104, 425, 28, 2), 2)
    0.44
    """
    check_counts((k_total, n1 + n0))
    p0 = k_total / (n1 * ratio + n0)
    p1 = ratio * p0
    if not (ratio > 0 and p0 < 1 and p1 < 1):
        raise ValueError(f"a risk ratio of {ratio} cannot give {k_total} flagged of {n1 + n0}")
    odds = p1 * (1 - p0) / (p0 * (1 - p1))
    counts = np.arange(max(0, k_total - n0), min(n1, k_total) + 1)
    rejects = [fisher_exact(k, n1, k_total - k, n0) <= alpha for k in counts]
    mass = stats.nchypergeom_fisher.pmf(counts, n1 + n0, n1, k_total, odds)
    return float(mass[rejects].sum())


def rank_permutation_test(best, labelled, strata, permutations=9999, seed=0):
    """Do the labelled have smaller best scores than the others of their stratum?

    best: best score a member, inf for none. labelled: bool (members of colour; the ACLU's 28).
    strata: the labels are exchanged within these only (sex; sex x group). The statistic is the
    AUC pooled over strata, (pairs with the labelled below + half the ties) / pairs, 0.5 under the
    null. Two-sided p = (1 + permutations as far from 0.5) / (1 + permutations), never 0.

    >>> labelled = np.array([True, True, False, False, False, False])
    >>> best = np.array([0.10, 0.20, 0.30, 0.40, 0.50, np.inf])
    >>> found = rank_permutation_test(best, labelled, np.zeros(6), seed=1)
    >>> float(found.auc), round(found.p, 2)
    (1.0, 0.13)
    """
    best = best_of_each(best, "best")
    labelled, strata = np.asarray(labelled), np.asarray(strata)
    if labelled.dtype != bool or labelled.shape != best.shape or strata.shape != best.shape:
        raise ValueError("best, labelled (bool) and strata must hold one entry a member each")
    rng = np.random.default_rng(seed)
    pairs, observed, drawn = 0.0, 0.0, np.zeros(permutations)
    for code in np.unique(strata):
        inside = strata == code
        m, n = int(labelled[inside].sum()), int((~labelled[inside]).sum())
        if m == 0 or n == 0:
            continue  # nothing to exchange
        below = (m + n + 1) - stats.rankdata(best[inside])  # large = nearer to the strangers
        shift = m * (m + 1) / 2
        observed += below[labelled[inside]].sum() - shift
        order = rng.permuted(np.tile(below, (permutations, 1)), axis=1)
        drawn += order[:, :m].sum(axis=1) - shift
        pairs += m * n
    if not pairs:
        raise ValueError("no stratum holds both labelled and other members: nothing to permute")
    far = np.abs(drawn / pairs - 0.5) >= abs(observed / pairs - 0.5) - 1e-12
    p = (1 + int(far.sum())) / (1 + permutations)
    return Permutation(
        observed / pairs, p, int(labelled.sum()), int((~labelled).sum()), permutations
    )
