"""Two models of how unlike people are in being matched, carried beyond the gallery."""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from helpers.statistics import rates

SEED = 20180726
KINDS = ("gamma", "log-normal")


# A probe's match rate is the mean times a factor; the factors on a grid of logarithms
_STEP = 0.075


_NODES = np.arange(-22, 6 + _STEP / 2, _STEP)


_MEANS = np.linspace(-1.8, 1.8, 31)  # log of the mean rate over the observed one


_SHAPES = {"gamma": np.geomspace(0.02, 20, 31), "log-normal": np.linspace(0.05, 5, 31)}


@cache
def _mixing(kind: str) -> np.ndarray:
    """Probability of each node for every mean and shape of a mixing distribution of mean 1."""
    edges = np.concatenate([[-np.inf], _NODES[:-1] + _STEP / 2, [np.inf]])
    edges = edges[None, None, :] - _MEANS[:, None, None]
    shape = _SHAPES[kind][None, :, None]
    if kind == "gamma":
        cdf = stats.gamma.cdf(np.exp(edges), shape, scale=1 / shape)
    else:
        cdf = stats.norm.cdf((edges + shape**2 / 2) / shape)
    return np.diff(cdf, axis=2).reshape(-1, len(_NODES))


class Fit(NamedTuple):
    """Match rates fitted to a gallery of n faces; see `fit_rates`."""

    kind: str
    n: int
    flagged: int  # probes that match a face of the gallery
    others: int
    nodes: np.ndarray  # match rates a face
    posterior: np.ndarray  # of each mean and shape on the grid


def fit_rates(k, n: int, kind: str) -> Fit | None:
    """Fit how unequal the probes' match rates are; None if nobody matches.

    k: matching faces of each enrolled probe among n. The rates follow a gamma or log-normal
    distribution; its mean and shape have flat priors on a grid and the posterior that the counts k
    (Poisson given the rate) leave. Faces are taken as independent draws: a gallery face that
    resembles many members widens the truth and not the interval.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown mixing distribution {kind!r}; there are {', '.join(KINDS)}")
    k = np.asarray(k, dtype=np.int64)
    if not k.any():
        return None
    values, times = np.unique(k, return_counts=True)
    nodes = k.mean() / n * np.exp(_NODES)
    log_pmf = np.outer(values, np.log(n * nodes)) - n * nodes - special.gammaln(values + 1)[:, None]
    likelihood = _mixing(kind) @ np.exp(log_pmf).T
    log_likelihood = np.log(np.maximum(likelihood, 1e-300)) @ times
    posterior = np.exp(log_likelihood - log_likelihood.max())
    flagged = int((k > 0).sum())
    return Fit(kind, n, flagged, len(k) - flagged, nodes, posterior / posterior.sum())


def predict_flagged(fit: Fit | None, N: int, seed: int = SEED) -> tuple[float, float, float]:
    """How many probes have a candidate when the gallery of the fit grows to N: mean, low, high.

    A probe that matches already stays matched; for the others the chance is
    1 - E exp(-N rate) / E exp(-n rate). low, high: 95 % predictive interval. NaN without a fit.
    """
    if fit is None:
        return float("nan"), float("nan"), float("nan")
    weights = _mixing(fit.kind)
    new = 1 - (weights @ np.exp(-N * fit.nodes)) / (weights @ np.exp(-fit.n * fit.nodes))
    new = np.clip(new, 0, 1)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(new), 4000, p=fit.posterior)
    low, high = np.quantile(rng.binomial(fit.others, new[drawn]), [0.025, 0.975])
    mean = fit.others * float(fit.posterior @ new)
    return fit.flagged + mean, fit.flagged + float(low), fit.flagged + float(high)


def growth_exponent(k, n: int, searched: int) -> float:
    """How fast the FPIR grows with the gallery at a fixed threshold, from half of it to all.

    The slope of log(-log(1 - FPIR)) in log(faces): 1 if each further face adds a chance of its own,
    below 1 where the same probes match again and again. k: matching faces of each flagged probe.
    """
    half = expected(k, n, n // 2).sum() / searched
    whole = np.count_nonzero(k) / searched
    return float(np.log(np.log1p(-whole) / np.log1p(-half)) / np.log(n / (n // 2)))


def pareto(excess) -> tuple[float, float]:
    """Shape xi and scale sigma of a generalised Pareto distribution, by L-moments.

    Hosking and Wallis, Technometrics 29 (1987), 339-349: with the mean l1 and the second L-moment
    l2, xi = 2 - l1 / l2 and sigma = (1 - xi) l1. Columns are samples; each needs some spread.
    """
    x = np.sort(np.asarray(excess, dtype=np.float64), axis=0)
    m = len(x)
    rank = np.arange(m).reshape(-1, *[1] * (x.ndim - 1))
    l1 = x.mean(axis=0)
    l2 = 2 * (rank / (m - 1) * x).mean(axis=0) - l1
    xi = 2 - l1 / l2
    return xi, (1 - xi) * l1


def _tail_quantile(u, excess, share, level):
    """The score that a share `level` of the people searched is at or below, from the tail."""
    xi, sigma = pareto(excess)
    xi = np.where(np.abs(xi) < 1e-9, 1e-9, xi)
    return u - sigma / xi * ((level / share) ** -xi - 1)


def predict_threshold(best, k, n: int, N: int, searched: int, grown: bool, seed=SEED) -> dict:
    """Predict the threshold that keeps the FPIR when a gallery of n faces grows to N.

    best: the best scores of the TAIL of the people searched with the best ones, ascending, and one
    more, the end of the tail. k: matching faces of the first of them, those flagged now; the FPIR
    to keep is their share. The best scores below the end of the tail follow a generalised Pareto
    distribution. In a gallery m times as large FPIR is 1 - (1 - p)^(m^g), p the share of today's
    best scores at or below the threshold: g is 1 (`grown` False: every face adds its own chance) or
    the growth exponent of the gallery at hand.
    Returns threshold, low, high (95 %, from resampling the people with their best scores) and
    exponent. Raises ValueError for fewer than ten best scores in the tail.
    """
    best, k = np.asarray(best, dtype=np.float64), np.asarray(k, dtype=np.int64)
    m = len(best) - 1
    if m < 10 or len(k) > m:
        raise ValueError(f"{m} best scores are too few for a tail that holds {len(k)} flagged")
    target, u = len(k) / searched, best[-1]
    hits = np.concatenate([np.ones(len(k)), np.zeros(m - len(k))])
    halves = np.concatenate([expected(k, n, n // 2), np.zeros(m - len(k))])

    def level(whole, half):
        slope = np.log(np.log1p(-whole) / np.log1p(-half)) / np.log(n / (n // 2))
        g = np.clip(slope, 0, 1) if grown else np.ones_like(slope)
        return -np.expm1(np.log1p(-target) / (N / n) ** g)

    excess = u - best[:-1]
    at = _tail_quantile(u, excess, m / searched, level(target, halves.sum() / searched))
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, m, size=(m, 1000))
    share = rng.binomial(searched, m / searched, size=1000) / searched
    per_row = share / m  # weight of a resampled person among those searched
    whole = np.maximum(hits[rows].sum(axis=0), 1) * per_row
    half = np.maximum(halves[rows].sum(axis=0), 0.5) * per_row
    drawn = _tail_quantile(u, excess[rows], share, level(whole, half))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "threshold": float(at),
        "low": float(low),
        "high": float(high),
        "exponent": growth_exponent(k, n, searched),
    }


def expected(k, N: int, n: int) -> np.ndarray:
    """Chance of a candidate for each probe in n faces drawn from the N of which k match."""
    k = np.asarray(k, dtype=np.int64).reshape(-1, 1)
    return rates.expected_fpir_hypergeometric(k, np.array([N]), np.array([n]))
