"""Two models of how unlike people are in being matched, carried beyond the gallery at hand."""

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


def expected(k, N: int, n: int) -> np.ndarray:
    """Chance of a candidate for each probe in n faces drawn from the N of which k match."""
    k = np.asarray(k, dtype=np.int64).reshape(-1, 1)
    return rates.expected_fpir_hypergeometric(k, np.array([N]), np.array([n]))
