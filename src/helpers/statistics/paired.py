"""Statistics of the same people asked twice: paired shares, gaps between groups; 95 % intervals.

Members count as independent; the gallery they share is taken as it is, before and after alike.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from helpers.statistics.stratified_exact import log_choose


class PairedChange(NamedTuple):
    """Change of a share when the same people are asked twice: after minus before."""

    n: int
    before: int
    after: int
    gained: int
    lost: int
    change: float
    low: float
    high: float
    p: float


def paired_change(before, after) -> PairedChange:
    """The change of a share with Tango's score interval (95 %) and McNemar's exact p.

    before, after: bool arrays over the same people. Tango, Statistics in Medicine 17 (1998),
    891-908. Raises ValueError for nobody, or unequal lengths.

    >>> found = paired_change([True, False, False, False], [True, True, True, False])
    >>> found.gained, found.lost, found.change, found.p
    (2, 0, 0.5, 0.5)
    """
    before, after = np.asarray(before, dtype=bool), np.asarray(after, dtype=bool)
    if before.shape != after.shape or before.size == 0:
        raise ValueError("a paired change needs the same people twice, and at least one")
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    n = before.size
    shares = int(before.sum()), int(after.sum()), gained, lost, (gained - lost) / n
    return PairedChange(n, *shares, *tango(gained, lost, n), mcnemar(gained, lost))


@cache
def mcnemar(gained: int, lost: int) -> float:
    """McNemar's exact p, two-sided: are as many gained as lost?

    >>> mcnemar(5, 0)
    0.0625
    """
    return min(1.0, 2 * float(stats.binom.cdf(min(gained, lost), gained + lost, 0.5)))


@cache
def tango(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Tango's score interval (95 %) of (gained - lost) / n, the difference of two paired shares.

    >>> [round(end, 3) for end in tango(12, 2, 50)]
    [0.061, 0.345]
    """
    z = stats.norm.ppf(0.975)

    def statistic(delta):
        # score of H0: difference = delta; q is the maximum likelihood of the share lost under it
        b = (2 * n - gained + lost) * delta - gained - lost
        c = -lost * delta * (1 - delta)
        q = (np.sqrt(max(b * b - 8 * n * c, 0)) - b) / (4 * n)
        variance = n * (2 * q + delta * (1 - delta))
        return (gained - lost - n * delta) / np.sqrt(max(variance, 1e-300))

    estimate, edge = (gained - lost) / n, 1 - 1e-12
    low, high = -1.0, 1.0
    if estimate > -edge and statistic(-edge) > z:
        low = optimize.brentq(lambda d: statistic(d) - z, -edge, estimate)
    if estimate < edge and statistic(edge) < -z:
        high = optimize.brentq(lambda d: statistic(d) + z, estimate, edge)
    return float(low), float(high)


class GapChange(NamedTuple):
    """Change of the gap between two groups: the first group's change minus the second's."""

    change: float
    low: float
    high: float
    p: float


def gap_change(before, after, of_colour, strata=None) -> GapChange:
    """How much more a share changed among members of colour than among white members.

    before, after, of_colour: bool arrays over the same people; strata: recorded gender, to compare
    within (each weighted by its part of all the people; one without both groups adds nothing).
    Interval: the Tango intervals of each group joined by the method of Zou and Donner (2008,
    "MOVER"). p: exact permutation test, two-sided: the groups' labels exchanged within the strata.
    Raises ValueError when no stratum holds both groups.

    >>> before, after = [0, 0, 0, 0], [1, 1, 0, 0]
    >>> found = gap_change(before, after, [True, True, False, False])
    >>> float(found.change), round(found.p, 3)
    (1.0, 0.333)
    """
    before, after = np.asarray(before, dtype=int), np.asarray(after, dtype=int)
    of_colour = np.asarray(of_colour, dtype=bool)
    strata = np.zeros(len(before)) if strata is None else np.asarray(strata)
    every = (strata == stratum for stratum in np.unique(strata))
    parts = [here for here in every if 0 < of_colour[here].sum() < here.sum()]
    if not parts:
        raise ValueError("no stratum holds members of both groups: nothing can be compared")
    total = sum(here.sum() for here in parts)
    change = down = up = 0.0
    possible, chance = np.zeros(1), np.ones(1)  # changes of the gap under exchanged labels
    for here in parts:
        weight = here.sum() / total
        for group, sign in ((of_colour & here, 1), (~of_colour & here, -1)):
            found = paired_change(before[group], after[group])
            change += sign * weight * found.change
            below, above = found.change - found.low, found.high - found.change
            down += (weight * (below if sign > 0 else above)) ** 2
            up += (weight * (above if sign > 0 else below)) ** 2
        step = (after - before)[here]
        n, n_colour = int(here.sum()), int((of_colour & here).sum())
        sums, likely = _sums(int((step < 0).sum()), int((step > 0).sum()), n, n_colour)
        gap = weight * (sums / n_colour - (step.sum() - sums) / (n - n_colour))
        possible = (possible[:, None] + gap).ravel()
        chance = (chance[:, None] * likely).ravel()
    p = min(1.0, float(chance[np.abs(possible) >= abs(change) - 1e-9].sum()))
    return GapChange(change, change - np.sqrt(down), change + np.sqrt(up), p)


def _sums(lost: int, gained: int, n: int, drawn: int) -> tuple[np.ndarray, np.ndarray]:
    """Gained minus lost among `drawn` of n people, and how likely each value is by chance."""

    minus = np.arange(min(lost, drawn) + 1)[:, None]
    plus = np.arange(min(gained, drawn) + 1)[None, :]
    rest, same = drawn - minus - plus, n - lost - gained
    fits = (rest >= 0) & (rest <= same)
    log = log_choose(lost, minus) + log_choose(gained, plus)
    log += log_choose(same, np.clip(rest, 0, same))
    likely = np.where(fits, np.exp(log - log_choose(n, drawn)), 0)
    sums = plus - minus
    offset = sums.min()
    found = np.bincount((sums - offset).ravel(), weights=likely.ravel())
    return np.arange(len(found)) + offset, found
