"""Exact inference on one odds ratio from several two-by-two tables; counts as in `intervals`."""

from typing import NamedTuple

import numpy as np
from scipy import optimize
from scipy.special import gammaln

from helpers.statistics.intervals import check_counts

FARTHEST = 20.0  # a log odds ratio of 20 is beyond any count of people


class Conditional(NamedTuple):
    """A common odds ratio with its exact interval, and one-sided p values of a ratio of 1.

    p_higher: chance of as many flagged in group 1 or more; p_lower: of as few or fewer. Where the
    flagged are all in strata that compare nobody, ratio is NaN, the interval 0 to inf, both p 1.
    """

    odds_ratio: float
    low: float
    high: float
    p_higher: float
    p_lower: float


def conditional_odds_ratio(table) -> Conditional:
    """Exact conditional test and 95 % interval of a common odds ratio over strata.

    table: one row a stratum, columns k1, n1, k0, n0. Given how many are flagged in each stratum,
    the number flagged in group 1 is a sum of noncentral hypergeometric variables. The estimate is
    the conditional maximum likelihood one, the interval inverts two one-sided tests: Mehta, Patel
    and Gray, JASA 80 (1985), 969-973; for one stratum Fisher's test.

    >>> import pandas as pd
    >>> tea = pd.DataFrame({"k1": [3], "n1": [4], "k0": [1], "n0": [4]})
    >>> round(conditional_odds_ratio(tea).p_higher, 4)  # the lady tasting tea
    0.2429
    """
    rows = [tuple(int(x) for x in row) for row in table[["k1", "n1", "k0", "n0"]].to_numpy()]
    for k1, n1, k0, n0 in rows:
        check_counts((k1, n1), (k0, n0))
    lowest, log_weight = _distribution(rows)
    values = lowest + np.arange(len(log_weight))
    observed = sum(k1 for k1, *_ in rows)
    if len(values) == 1:
        return Conditional(np.nan, 0.0, np.inf, 1.0, 1.0)

    def masses(log_ratio):
        log_mass = log_weight + values * log_ratio
        mass = np.exp(log_mass - log_mass.max())
        return mass / mass.sum()

    def higher(log_ratio):
        return masses(log_ratio)[values >= observed].sum()

    def lower(log_ratio):
        return masses(log_ratio)[values <= observed].sum()

    tail = (1 - 0.95) / 2
    smallest, largest = observed == values[0], observed == values[-1]
    low = 0.0 if smallest else np.exp(_root(lambda x: higher(x) - tail))
    high = np.inf if largest else np.exp(_root(lambda x: tail - lower(x)))
    ratio = 0.0 if smallest else np.inf
    if not (smallest or largest):
        ratio = np.exp(_root(lambda x: masses(x) @ values - observed))
    p_higher, p_lower = min(1.0, float(higher(0.0))), min(1.0, float(lower(0.0)))
    return Conditional(float(ratio), float(low), float(high), p_higher, p_lower)


def _root(increasing) -> float:
    return optimize.brentq(increasing, -FARTHEST, FARTHEST)


def _distribution(rows):
    """The smallest sum of k1 given the margins, and the log weights of it and those above."""
    lowest, weight, log_scale = 0, np.ones(1), 0.0
    for k1, n1, k0, n0 in rows:
        flagged = k1 + k0
        k = np.arange(max(0, flagged - n0), min(n1, flagged) + 1)
        log_ways = log_choose(n1, k) + log_choose(n0, flagged - k)
        weight = np.convolve(weight, np.exp(log_ways - log_ways.max()))
        log_scale += log_ways.max()
        lowest += int(k[0])
    return lowest, np.log(weight) + log_scale


def log_choose(n, k):
    """The logarithm of n choose k, of numbers or arrays."""
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
