"""Partial pooling: the parts of a group, each with few people, estimated together.

Counts come as `rates.within_sex` gives them; all parts are compared with one, the reference.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

# the prior: weak, and the same for every pipeline
BASE_SD = 2.0  # of a stratum's log odds, around those of everybody (with half a person added)
MU_SD = 1.0  # of the parts' mean log odds ratio, around 0
TAU_SD = 1.0  # scale of the half-normal of their spread

# the grids: steps are no wider than the densities summed over them, so that sums are integrals
STEP = 0.1
THETA = np.arange(-80, 81) * STEP
MU = np.arange(-20, 21) * 2 * STEP
TAU = (np.arange(20) + 0.5) * 2 * STEP
QUANTILES = (0.5, 0.025, 0.975)
MOST = 100  # flagged of one part: beyond, its odds ratio is narrower than the grid is fine
BASE = np.linspace(-5.25, 5.25, 15)  # in standard deviations from the mode
CURVED = 1.5  # sd of the parts where the mode is sought


class Pooled(NamedTuple):
    """Posterior of a partial pooling: a row for each part, and a row for mu and for tau.

    parts: flagged, searched, odds_ratio, low, high (against the reference, within strata),
    rate_ratio, rate_low, rate_high (standardised over the strata of all searched), above
    (probability that the odds ratio exceeds 1). spread: median, low, high on the log odds scale,
    above (probability above 0).
    """

    parts: pd.DataFrame
    spread: pd.DataFrame


class Heterogeneity(NamedTuple):
    """A test whether parts differ among themselves; flagged: how many of all parts together."""

    statistic: float
    p: float
    parts: int
    flagged: int


def partial_pooling(table: pd.DataFrame, reference: str) -> Pooled:
    """Odds ratios of parts against a reference within strata, drawn towards their common mean.

    table: indexed by (stratum, part), one or two strata; columns searched, flagged. The model is
    logit p = alpha_stratum + theta_part, theta 0 for the reference and else Normal(mu, tau);
    alpha Normal(log odds of everybody, 2), mu Normal(0, 1), tau half-Normal(1): "partial pooling"
    of Gelman and Hill (2007), ch. 12. Medians and 95 % intervals of the posterior, summed on a grid
    without random numbers: given alpha, mu and tau the parts are independent. A part that nobody
    belongs to has the posterior of a part not yet seen. In simulated searches of Congress the
    intervals held 95 % of truths drawn from the prior, but 79 to 84 % of one part of nine people
    whose odds ratio alone was 10 or 20: pooling draws such a part in.
    Raises ValueError without a reference or parts, for more than two strata, and for more than 100
    flagged of one part.

    >>> cells = [("f", "x"), ("f", "y"), ("f", "rest"), ("m", "x"), ("m", "y"), ("m", "rest")]
    >>> index = pd.MultiIndex.from_tuples(cells)
    >>> table = pd.DataFrame({"searched": 50, "flagged": [9, 0, 3, 6, 1, 3]}, index=index)
    >>> partial_pooling(table, "rest").parts["odds_ratio"].round(1).to_dict()
    {'x': 2.6, 'y': 0.3}
    """
    k, n, strata, parts = _counts(table, reference)
    if len(strata) > 2:
        raise ValueError(f"one or two strata can be integrated over, not {len(strata)}")
    if k[:, 1:].sum(axis=0).max() > MOST:
        raise ValueError(f"more than {MOST} flagged of one part: it needs no pooling")
    overall = (k.sum() + 0.5) / (n.sum() + 1)
    centre = np.log(overall / (1 - overall))
    alpha = _base_grid(k, n, centre)
    log_base = -(((alpha - centre) / BASE_SD) ** 2).sum(axis=1) / 2
    log_base += _log_likelihood(alpha, k[:, 0], n[:, 0], np.zeros(1))[:, 0]
    prior, log_spread = _spread_prior()
    seen, marginal = [], []
    for j in range(1, len(parts) + 1):
        each = _log_likelihood(alpha, k[:, j], n[:, j], THETA)
        top = each.max(axis=1, keepdims=True)
        seen.append(np.exp(each - top))
        marginal.append(np.maximum(seen[-1] @ prior, 1e-300))
        log_base += top[:, 0]
    log_weight = log_base[:, None] + log_spread + sum(np.log(m) for m in marginal)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    rows, shares = [], n.sum(axis=1) / n.sum()
    for j, (likelihood, total) in enumerate(zip(seen, marginal, strict=True), start=1):
        joint = likelihood * ((weight / total) @ prior.T)
        *odds, above = _summary(_edges(THETA), _share_up_to(joint.sum(axis=0)))
        rates = _rate_summary(alpha, shares, joint)
        rows.append([k[:, j].sum(), n[:, j].sum(), *np.exp(odds), *np.exp(rates), above])
    names = ["flagged", "searched", "odds_ratio", "low", "high"]
    names += ["rate_ratio", "rate_low", "rate_high", "above"]
    found = pd.DataFrame(rows, index=pd.Index(parts, name="part"), columns=names)
    return Pooled(found.astype({"flagged": int, "searched": int}), _spread(weight.sum(axis=0)))


def heterogeneity(
    table: pd.DataFrame, reference: str, permutations: int = 10_000, seed: int = 0
) -> Heterogeneity:
    """Do the parts, the reference left out, differ among themselves within strata?

    table: as for `partial_pooling`, any number of strata. In each stratum the flags are dealt out
    anew among the people of all parts; the statistic is the sum over parts of
    (flagged - expected)^2 / expected. p = (1 + permutations as large) / (1 + permutations). Where
    nobody or everybody is flagged, or only one part has people, p is 1.

    >>> index = pd.MultiIndex.from_tuples([("f", "x"), ("f", "y"), ("f", "rest")])
    >>> table = pd.DataFrame({"searched": [5, 5, 90], "flagged": [4, 0, 9]}, index=index)
    >>> found = heterogeneity(table, "rest")
    >>> float(found.statistic), abs(found.p - 10 / 210) < 0.006  # 2 C(5, 4) of C(10, 4) ways
    (4.0, True)
    """
    k, n, _, _ = _counts(table, reference)
    there = (n.sum(axis=0) > 0) & (np.arange(n.shape[1]) > 0)
    k, n = k[:, there], n[:, there]
    total, people = k.sum(axis=1), n.sum(axis=1)
    expected = (n * (total / np.maximum(people, 1))[:, None]).sum(axis=0)
    used = expected > 0

    def statistic(flagged):
        return (((flagged - expected) ** 2)[..., used] / expected[used]).sum(axis=-1)

    rng = np.random.default_rng(seed)
    drawn = sum(
        rng.multivariate_hypergeometric(n[s], total[s], size=permutations) for s in range(len(n))
    )
    observed = float(statistic(k.sum(axis=0)))
    as_large = int((statistic(drawn) >= observed - 1e-9).sum())
    return Heterogeneity(
        observed, (1 + as_large) / (1 + permutations), int(there.sum()), int(k.sum())
    )


def _counts(table, reference):
    """Flagged and searched as arrays (strata, 1 + parts), the reference first; strata; parts."""
    strata, groups = (list(table.index.unique(level)) for level in (0, 1))
    if reference not in groups:
        raise ValueError(f"the table has no {reference!r} to compare with: it has {groups}")
    parts = [g for g in groups if g != reference]
    if not parts:
        raise ValueError(f"the table has nobody but {reference!r}: nothing can be compared")
    columns = (
        table[c].unstack(fill_value=0).loc[strata, [reference, *parts]]
        for c in ("flagged", "searched")
    )
    k, n = (c.to_numpy(dtype=np.int64) for c in columns)
    if (k < 0).any() or (k > n).any():
        raise ValueError("flagged must lie between 0 and searched: it counts some of them")
    return k, n, strata, parts


def _log_likelihood(alpha, k, n, theta):
    """Of one part's counts in all strata: (bases, thetas)."""
    logit = alpha[:, None, :] + theta[None, :, None]
    return (k * logit - n * np.logaddexp(0, logit)).sum(axis=2)


def _base_grid(k, n, centre):
    """Log odds of the reference, (points, strata): a grid around their mode, by Newton's method."""
    strata, parts = k.shape
    stratum, part = np.divmod(np.arange(k.size), parts)
    x = np.zeros((k.size, strata + parts - 1))
    x[np.arange(k.size), stratum] = 1
    x[part > 0, strata + part[part > 0] - 1] = 1
    mean = np.repeat([centre, 0.0], [strata, parts - 1])
    precision = np.repeat([BASE_SD**-2, CURVED**-2], [strata, parts - 1])
    beta = mean.copy()
    for _ in range(100):
        mu = 1 / (1 + np.exp(-x @ beta))
        curvature = (x.T * (n.ravel() * mu * (1 - mu))) @ x + np.diag(precision)
        slope = x.T @ (k.ravel() - n.ravel() * mu) - precision * (beta - mean)
        step = np.linalg.solve(curvature, slope)
        beta += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    root = np.linalg.cholesky(np.linalg.inv(curvature)[:strata, :strata])
    points = np.stack(np.meshgrid(*[BASE] * strata, indexing="ij"), axis=-1).reshape(-1, strata)
    return beta[:strata] + points @ root.T


@cache
def _spread_prior():
    """Prior of theta given mu and tau, (thetas, mus x taus), and the log prior of these."""
    mu, tau = (a.ravel() for a in np.meshgrid(MU, TAU, indexing="ij"))
    log_prior = -((THETA[:, None] - mu) ** 2) / (2 * tau**2)
    prior = np.exp(log_prior)
    return prior / prior.sum(axis=0), -((mu / MU_SD) ** 2 + (tau / TAU_SD) ** 2) / 2


def _log_rate_ratios(alpha, shares, theta):
    """Log of the rate of a part over the reference's, strata in `shares`: (bases, thetas)."""
    logit = alpha[:, None, :] + theta[None, :, None]
    rate, base = (np.log((1 / (1 + np.exp(-z))) @ shares) for z in (logit, alpha))
    return rate - base[:, None]


def _edges(values):
    """Edges of the cells of an even grid, one more than it has points."""
    return np.append(values, 2 * values[-1] - values[-2]) - (values[1] - values[0]) / 2


def _share_up_to(weight):
    """Cumulative share at the edges of the cells, along the last axis."""
    total = np.cumsum(weight, axis=-1)
    return np.concatenate([np.zeros_like(total[..., :1]), total], axis=-1) / total[..., -1:]


def _summary(edges, shares):
    """Median, ends of the 95 % interval, probability above 0."""
    above = 1 - np.interp(0, edges, shares)
    return [*np.interp(QUANTILES, shares, edges), float(above)]


def _rate_summary(alpha, shares, joint):
    """Of the log rate ratio, a mixture over the bases: joint, (bases, thetas)."""
    edges = _edges(THETA)
    each, up_to = _log_rate_ratios(alpha, shares, edges), _share_up_to(joint)
    of_base = joint.sum(axis=1) / joint.sum()
    mixed = sum(w * np.interp(edges, x, c) for w, x, c in zip(of_base, each, up_to, strict=True))
    return np.interp(QUANTILES, mixed, edges)


def _spread(weight):
    """Medians and intervals of mu and tau from the weights of their grid."""
    weight = weight.reshape(len(MU), len(TAU))
    rows = [
        _summary(_edges(grid), _share_up_to(weight.sum(axis=axis)))
        for grid, axis in ((MU, 1), (TAU, 0))
    ]
    return pd.DataFrame(rows, index=["mu", "tau"], columns=["median", "low", "high", "above"])
