"""Logistic regression for few events: a few covariates beside the group."""

import numpy as np
import pandas as pd
from scipy import optimize, stats


def firth_logistic(X, y):
    """Logistic regression with Firth's penalty, for few events and for separated groups.

    X: numeric dataframe, one column a term, without a constant (it is added); y: bool, flagged.
    Maximises log L + log|I| / 2 (Firth, Biometrika 80 (1993), 27-38). Returns one row a term:
    coefficient (log odds), odds_ratio, low, high (of the odds ratio, 95 %, profile penalised
    likelihood), p (penalised likelihood ratio test). Use at most one term for every ten events.

    >>> X, y = pd.DataFrame({"of_colour": [0] * 10 + [1] * 10}), [0] * 9 + [1] * 11
    >>> float(firth_logistic(X, y).at["of_colour", "odds_ratio"].round(1))  # 10.5 x 9.5 / 0.5 / 1.5
    133.0
    """
    y = np.asarray(y, dtype=np.float64)
    terms = ["constant", *X.columns]
    x = np.column_stack([np.ones(len(y)), X.to_numpy(dtype=np.float64)])
    if np.isnan(x).any() or not np.isin(y, (0, 1)).all():
        raise ValueError("X must be complete and y must hold only True and False")
    if np.linalg.matrix_rank(x) < x.shape[1]:
        raise ValueError("the terms are collinear, or one is constant: leave one out")
    free = np.arange(x.shape[1])
    beta, best = _firth_fit(x, y, np.zeros(x.shape[1]), free)
    limit = stats.chi2.ppf(0.95, 1) / 2
    se = np.sqrt(np.diag(np.linalg.inv(_firth_information(x, beta)[1])))
    rows = []
    for j in free:
        others = np.delete(free, j)

        def drop(value, j=j, others=others):
            start = beta.copy()
            start[j] = value
            return best - _firth_fit(x, y, start, others)[1]

        ends = [_crossing(drop, beta[j], sign * se[j], limit) for sign in (-1, 1)]
        p = stats.chi2.sf(max(0.0, 2 * drop(0.0)), 1)
        rows.append([beta[j], np.exp(beta[j]), *np.exp(ends), p])
    columns = ["coefficient", "odds_ratio", "low", "high", "p"]
    return pd.DataFrame(rows, index=pd.Index(terms, name="term"), columns=columns)


def _firth_information(x, beta):
    mu = 1 / (1 + np.exp(-np.clip(x @ beta, -500, 500)))
    w = mu * (1 - mu)
    return mu, (x * w[:, None]).T @ x


def _firth_value(x, y, beta):
    eta = x @ beta
    sign, logdet = np.linalg.slogdet(_firth_information(x, beta)[1])
    return (y * eta - np.logaddexp(0, eta)).sum() + (logdet / 2 if sign > 0 else -np.inf)


def _firth_fit(x, y, beta, free):
    """Newton steps on the penalised score of the free coefficients, halved until they climb."""
    value = _firth_value(x, y, beta)
    for _ in range(200 if len(free) else 0):
        mu, information = _firth_information(x, beta)
        inverse = np.linalg.inv(information)
        hat = mu * (1 - mu) * ((x @ inverse) * x).sum(axis=1)
        score = x.T @ (y - mu + hat * (0.5 - mu))
        step = np.zeros_like(beta)
        step[free] = np.linalg.solve(information[np.ix_(free, free)], score[free])
        step *= min(1.0, 5 / max(np.abs(step).max(), 1e-300))
        if np.abs(step).max() < 1e-8:
            break
        for _ in range(30):
            new = _firth_value(x, y, beta + step)
            if new >= value - 1e-10:  # less is rounding
                break
            step /= 2
        beta, value = beta + step, new
    return beta, value


def _crossing(drop, centre, step, limit):
    """Where the penalised likelihood has fallen by `limit`, from the maximum outwards."""
    end = centre + 2 * step
    for _ in range(40):
        if drop(end) > limit:
            return optimize.brentq(lambda v: drop(v) - limit, centre, end, xtol=1e-6)
        end += 2 * step
    return np.inf * np.sign(step)
