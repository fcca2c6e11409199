"""Intervals of rates and of ratios of two rates, of group 1 over group 0, from counts k of n.

Congress is a census: an interval speaks of other members, photos and galleries of this kind.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import proportion_confint


class RiskRatio(NamedTuple):
    """A ratio of two risks with its counts; `note` says why something is inf or NaN."""

    ratio: float
    low: float
    high: float
    k1: int
    n1: int
    k0: int
    n0: int
    method: str
    note: str


MANTEL_HAENSZEL = "Mantel-Haenszel, Greenland-Robins"
Z = stats.norm.ppf(0.5 + 0.95 / 2)


def check_counts(*pairs):
    """Raises ValueError unless each pair (k, n) is a whole number out of a whole number."""
    for k, n in pairs:
        if k != int(k) or n != int(n) or not 0 <= k <= n:
            raise ValueError(f"{k} of {n} is not a count out of a total")


def wilson(k, n):
    """Wilson score interval (95 %) of k out of n, from statsmodels.

    k, n: numbers or arrays, fractions too (counts divided by a design effect); n = 0 gives 0 to 1.
    Returns (low, high) of the shape given.

    >>> [round(end, 4) for end in wilson(81, 263)]  # Newcombe (1998), table I
    [0.2553, 0.3662]
    >>> wilson(0, 0)
    (0.0, 1.0)
    """
    k, n = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if not ((k >= 0) & (k <= n)).all():
        raise ValueError("k must lie between 0 and n: it counts some of the n searched")
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = proportion_confint(k, n, alpha=1 - 0.95, method="wilson")
    # rounding leaves 1e-18 where the bound is exactly 0 or 1
    low, high = np.where(k == 0, 0.0, low), np.where(k == n, 1.0, high)
    return (float(low), float(high)) if low.ndim == 0 else (low, high)


def risk_ratio(k1, n1, k0, n0):
    """Ratio of two FPIRs with the score interval (95 %) of Miettinen and Nurminen (1985).

    A zero cell still gives one bound: none flagged in group 1 gives 0 and an upper bound, none in
    group 0 inf and a lower bound, none in either NaN, with the reason in `note`. (Where everyone in
    a group is flagged, statsmodels' `confint_proportions_2indep` gives wrong bounds.)

    >>> found = risk_ratio(11, 106, 17, 423)
    >>> [round(x, 2) for x in found[:3]]
    [2.58, 1.26, 5.23]
    >>> risk_ratio(0, 103, 28, 426).note
    'nobody flagged in group 1'
    """
    check_counts((k1, n1), (k0, n0))
    if n1 == 0 or n0 == 0:
        raise ValueError("a risk ratio needs people searched in both groups")
    counts = (int(k1), int(n1), int(k0), int(n0))
    ratio, note = np.inf, ""
    if k0:
        ratio = (k1 / n1) / (k0 / n0)
    if not (k1 and k0):
        empty = "either group" if k1 == k0 else "group 0" if k1 else "group 1"
        note = f"nobody flagged in {empty}"
    if k1 == k0 == 0:
        ratio = low = high = float("nan")
    else:
        low, high = _score_bounds(*counts)
    return RiskRatio(ratio, low, high, *counts, "Miettinen-Nurminen score", note)


def _score_bounds(k1, n1, k0, n0):
    """The two ratios at which the score statistic is the quantile of chi-squared."""
    limit = stats.chi2.ppf(0.95, 1)
    total = n1 + n0

    def excess(log_ratio):
        ratio = np.exp(log_ratio)
        # risks that are most likely under this ratio: Miettinen and Nurminen (1985), appendix
        b = n1 * ratio + k1 + n0 + k0 * ratio
        root = np.sqrt(max(b * b - 4 * total * ratio * (k1 + k0), 0))
        p0 = min((b - root) / (2 * total * ratio), 1)
        p1 = min(ratio * p0, 1)
        variance = (p1 * (1 - p1) / n1 + ratio**2 * p0 * (1 - p0) / n0) * total / (total - 1)
        apart = k1 / n1 - ratio * k0 / n0
        if variance <= 0:
            return -limit if abs(apart) < 1e-9 else np.inf
        return apart**2 / variance - limit

    farthest = 30  # a ratio of e to the 30 is beyond any count of people
    middle = np.log(k1 / n1) - np.log(k0 / n0) if k1 and k0 else farthest * (1 if k1 else -1)
    low = np.exp(optimize.brentq(excess, -farthest, middle)) if k1 else 0.0
    high = np.exp(optimize.brentq(excess, middle, farthest)) if k0 else np.inf
    return float(low), float(high)


def mantel_haenszel_risk_ratio(table):
    """Risk ratio standardised over strata (sex), Mantel-Haenszel, Greenland-Robins interval.

    table: one row a stratum, columns k1, n1, k0, n0 (counts). A stratum with one group only adds
    nothing. Interval (95 %): Biometrics 41 (1985), 55-68. With no flagged in one whole group
    the ratio is 0 or inf and the interval is NaN, said in `note`.

    >>> strata = {"k1": [2, 9], "n1": [37, 69], "k0": [1, 16], "n0": [70, 353]}
    >>> round(mantel_haenszel_risk_ratio(pd.DataFrame(strata)).ratio, 2)
    2.98
    """
    missing = {"k1", "n1", "k0", "n0"} - set(table.columns)
    if missing:
        raise ValueError(f"the table of strata lacks the columns {sorted(missing)}")
    rows = table[["k1", "n1", "k0", "n0"]].to_numpy(dtype=np.float64)
    for k1, n1, k0, n0 in rows:
        check_counts((k1, n1), (k0, n0))
    counts = dict(zip(("k1", "n1", "k0", "n0"), map(int, rows.sum(axis=0)), strict=True))
    rows = rows[(rows[:, 1] > 0) & (rows[:, 3] > 0)]
    nan = float("nan")

    def found(ratio, low, high, note=""):
        return RiskRatio(ratio, low, high, **counts, method=MANTEL_HAENSZEL, note=note)

    if not len(rows):
        raise ValueError("no stratum holds members of both groups: nothing can be compared")
    k1, n1, k0, n0 = rows.T
    n = n1 + n0
    r, s = (k1 * n0 / n).sum(), (k0 * n1 / n).sum()
    if r == 0 and s == 0:
        return found(nan, nan, nan, "nobody flagged in a shared stratum")
    if r == 0 or s == 0:
        which, ratio = (1, 0.0) if r == 0 else (0, float("inf"))
        note = f"nobody flagged in group {which}; use the crude score interval"
        return found(ratio, nan, nan, note)
    tables = [[[a, b - a], [c, d - c]] for a, b, c, d in rows]
    ratio = float(StratifiedTable([np.array(t) for t in tables]).riskratio_pooled)
    se = np.sqrt(((n1 * n0 * (k1 + k0) - k1 * k0 * n) / n**2).sum() / (r * s))
    return found(ratio, float(ratio * np.exp(-Z * se)), float(ratio * np.exp(Z * se)))


def fmr_interval(probe_identity, gallery_identity, n_probes, n_gallery, n_comparisons):
    """FMR with a 95 % interval that allows for identities that take part in many comparisons.

    probe_identity, gallery_identity: the two identities of every false match at the threshold
    (equal length). n_probes, n_gallery: identities on each side, which must be disjoint sets.
    The relative variance is that of a count clustered both ways, sum r_i^2 + sum c_g^2 -
    sum x_ig^2 about their means, over S^2, and at least Poisson's.
    Returns (rate, low, high); raises ValueError without a single error.

    >>> found = fmr_interval(["a", "a", "b"], ["x", "y", "x"], 100, 1000, 100_000)
    >>> [f"{x:.1e}" for x in found]
    ['3.0e-05', '5.4e-06', '1.7e-04']
    """
    pairs = pd.DataFrame({"p": np.asarray(probe_identity), "g": np.asarray(gallery_identity)})
    s = len(pairs)
    if s == 0:
        raise ValueError("no false match at this threshold: its FMR has no interval of this kind")
    if s > n_comparisons or pairs["p"].nunique() > n_probes or pairs["g"].nunique() > n_gallery:
        raise ValueError("more errors or identities were given than were compared")
    rows = (pairs["p"].value_counts() ** 2).sum() - s**2 / n_probes
    columns = (pairs["g"].value_counts() ** 2).sum() - s**2 / n_gallery
    cells = (pairs.value_counts() ** 2).sum()
    se = np.sqrt(max(rows + columns - cells, s) / s**2)
    rate, z = s / n_comparisons, Z
    return rate, float(rate * np.exp(-z * se)), float(min(1.0, rate * np.exp(z * se)))


def logit_interval(p, variance):
    """95 % interval of a share p of known variance on the logit scale; NaN where p is 0 or 1."""
    if not 0 < p < 1 or not np.isfinite(variance):
        return float("nan"), float("nan")
    half = Z * np.sqrt(variance) / (p * (1 - p))
    centre = np.log(p / (1 - p))
    return float(1 / (1 + np.exp(half - centre))), float(1 / (1 + np.exp(-half - centre)))
