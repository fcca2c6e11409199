"""Tests that hold for few counts: Fisher's, its power, Holm's correction."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from helpers.statistics.intervals import check_counts


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

    The risks p1 = ratio * p0 are set so that k_total are expected. Given these, how many are in
    group 1 follows Fisher's noncentral hypergeometric distribution with odds
    p1 (1 - p0) / (p0 (1 - p1)); power is its mass on the tables with p <= alpha. At ratio 1 this is
    the size of the test, below alpha because counts are discrete.

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
