"""Partial pooling against brute force, and the test of heterogeneity against all its tables."""

import itertools
from math import comb

import numpy as np
import pandas as pd
import pytest

from helpers.statistics import pooling

# members of Congress as they are: white, and five parts
PEOPLE = {
    "female": {"White": 69, "Black": 18, "Hispanic": 10, "East": 7, "South": 2, "Native": 1},
    "male": {"White": 358, "Black": 29, "Hispanic": 28, "East": 2, "South": 3, "Native": 2},
}
PARTS = list(PEOPLE["male"])[1:]
SEARCHED = np.array([list(cell.values()) for cell in PEOPLE.values()])


def table(searched, flagged, parts=("White", *PARTS)):
    """Counts as arrays (strata, parts), the reference first."""
    searched, flagged = np.atleast_2d(searched), np.atleast_2d(flagged)
    index = pd.MultiIndex.from_product([[f"s{i}" for i in range(len(searched))], parts])
    return pd.DataFrame({"searched": searched.ravel(), "flagged": flagged.ravel()}, index=index)


def quantiles(values, weight):
    order = np.argsort(values)
    return np.interp((0.5, 0.025, 0.975), np.cumsum(weight[order]) / weight.sum(), values[order])


def by_brute_force(k, n, draws=1_500_000, seed=1):
    """The posterior from draws of the prior, weighted by their likelihood: the model, word by word.

    Returns log odds ratios and log rate ratios (draws, parts), mu, tau and the weights.
    """
    rng = np.random.default_rng(seed)
    share = (k.sum() + 0.5) / (n.sum() + 1)
    alpha = rng.normal(np.log(share / (1 - share)), 2, (draws, len(n)))
    mu, tau = rng.normal(0, 1, draws), np.abs(rng.normal(0, 1, draws))
    theta = rng.normal(mu[:, None], tau[:, None], (draws, n.shape[1] - 1))
    log_weight = np.zeros(draws)
    rate = np.zeros((draws, n.shape[1]))
    for s, j in itertools.product(range(len(n)), range(n.shape[1])):
        p = 1 / (1 + np.exp(-(alpha[:, s] + (theta[:, j - 1] if j else 0))))
        log_weight += k[s, j] * np.log(p) + (n[s, j] - k[s, j]) * np.log1p(-p)
        rate[:, j] += n[s].sum() / n.sum() * p
    weight = np.exp(log_weight - log_weight.max())
    return theta, np.log(rate[:, 1:] / rate[:, :1]), mu, tau, weight


@pytest.mark.parametrize(
    ("n", "k"),
    [
        ([[20, 12, 5], [90, 8, 4]], [[14, 11, 2], [2, 1, 0]]),  # so that strata matter to rates
        ([[40, 8, 20]], [[4, 5, 0]]),
    ],
)
def test_the_posterior_is_that_of_brute_force(n, k):
    n, k = np.array(n), np.array(k)
    theta, ratio, mu, tau, weight = by_brute_force(k, n)
    effective = weight.sum() ** 2 / (weight**2).sum()
    assert effective > 5000
    found = pooling.partial_pooling(table(n, k, ["White", "a", "b"]), "White")
    for j, part in enumerate("ab"):
        row, sd = found.parts.loc[part], np.sqrt(np.cov(theta[:, j], aweights=weight))
        for columns, draws in (
            (["odds_ratio", "low", "high"], theta[:, j]),
            (["rate_ratio", "rate_low", "rate_high"], ratio[:, j]),
        ):
            ours = np.log(row[columns].to_numpy(dtype=float))
            # the ends of an interval from 5,000 draws have a standard error of 0.04 sd
            assert ours == pytest.approx(quantiles(draws, weight), abs=0.1 * sd)
        assert row["above"] == pytest.approx(np.average(theta[:, j] > 0, weights=weight), abs=0.02)
    for name, draws in (("mu", mu), ("tau", tau)):
        ours = found.spread.loc[name, ["median", "low", "high"]].to_numpy(dtype=float)
        assert ours == pytest.approx(quantiles(draws, weight), abs=0.07)


def test_intervals_cover_as_often_as_they_say():
    """Truths drawn from the prior: 95 % of intervals hold theirs, and `above` is as often right."""
    rng = np.random.default_rng(7)
    held, said, true = [], [], []
    for _ in range(40):
        theta = np.append(0, rng.normal(rng.normal(), abs(rng.normal()), len(PARTS)))
        p = 1 / (1 + np.exp(-(rng.normal(-3, 0.5, (2, 1)) + theta)))
        parts = pooling.partial_pooling(table(SEARCHED, rng.binomial(SEARCHED, p)), "White").parts
        odds = np.exp(theta[1:])
        held.extend((parts["low"] <= odds) & (odds <= parts["high"]))
        said.extend(parts["above"])
        true.extend(odds > 1)
    assert 0.9 <= np.mean(held) < 1  # of 200
    assert np.mean(said) == pytest.approx(np.mean(true), abs=0.09)


def test_parts_are_drawn_together_and_the_small_ones_most():
    n = np.array([[400, 40, 40, 4]])
    found = pooling.partial_pooling(table(n, [[20, 10, 2, 0]], ["White", "a", "b", "c"]), "White")
    a, b, c = found.parts["odds_ratio"]
    alone = (10 / 30) / (20 / 380)
    assert 1 < b < c < a < alone  # b alone is 1 with few flagged, c alone 0
    width = np.log(found.parts["high"] / found.parts["low"])
    assert width["c"] > width["b"] > width["a"]


def test_the_order_and_name_of_parts_do_not_matter_and_equal_parts_are_equal():
    n, k = np.array([[100, 20, 20, 9]] * 2), np.array([[5, 4, 4, 0], [7, 2, 2, 1]])
    found = pooling.partial_pooling(table(n, k, ["White", "a", "b", "c"]), "White").parts
    pd.testing.assert_series_equal(found.loc["a"], found.loc["b"], check_names=False)
    turned = table(n, k, ["White", "a", "b", "c"]).iloc[::-1]
    again = pooling.partial_pooling(turned, "White").parts.loc[["a", "b", "c"]]
    pd.testing.assert_frame_equal(found, again, rtol=1e-4)
    assert found["flagged"].tolist() == [6, 6, 1]
    assert found["searched"].tolist() == [40, 40, 18]


def test_a_part_without_people_is_one_not_yet_seen():
    n, k = np.array([[300, 50, 50, 0]]), np.array([[12, 8, 6, 0]])
    found = pooling.partial_pooling(table(n, k, ["White", "a", "b", "c"]), "White")
    seen = pooling.partial_pooling(table(n[:, :3], k[:, :3], ["White", "a", "b"]), "White")
    pd.testing.assert_frame_equal(found.parts.loc[["a", "b"]], seen.parts, rtol=1e-6)
    assert np.log(found.parts.loc["c", "odds_ratio"]) == pytest.approx(
        seen.spread.loc["mu", "median"], abs=0.05
    )
    assert found.parts.loc["c", "high"] > found.parts.loc["a", "high"]


def test_everybody_alike_and_nobody_flagged():
    same = pooling.partial_pooling(table([[300, 90, 90]], [[30, 9, 9]], list("rab")), "r").parts
    assert same["rate_ratio"].to_numpy() == pytest.approx(1, abs=0.03)
    none = pooling.partial_pooling(table(SEARCHED, 0 * SEARCHED), "White").parts
    assert np.isfinite(none.to_numpy(dtype=float)).all()
    assert (none["low"] < 1).all() and (none["high"] > 1).all()


@pytest.mark.parametrize(
    ("counts", "reference", "said"),
    [
        (table([[9, 9]], [[1, 1]], ["White", "a"]), "Martian", "no 'Martian'"),
        (table([[9]], [[1]], ["White"]), "White", "nobody but"),
        (table([[9, 9]] * 3, [[1, 1]] * 3, ["White", "a"]), "White", "not 3"),
        (table([[9, 9]], [[1, 10]], ["White", "a"]), "White", "between 0 and searched"),
        (table([[900, 900]], [[1, 101]], ["White", "a"]), "White", "more than 100"),
    ],
)
def test_what_cannot_be_pooled_is_refused(counts, reference, said):
    with pytest.raises(ValueError, match=said):
        pooling.partial_pooling(counts, reference)


# ---------------------------------------------------------------- heterogeneity


def exact(k, n):
    """P of the test from every table with the same margins."""
    expected = (n * (k.sum(axis=1) / n.sum(axis=1))[:, None]).sum(axis=0)

    def statistic(flagged):
        return ((flagged - expected) ** 2 / expected).sum()

    def ways(s):
        for cells in itertools.product(*(range(m + 1) for m in n[s])):
            if sum(cells) == k[s].sum():
                mass = np.prod([comb(m, c) for m, c in zip(n[s], cells, strict=True)])
                yield np.array(cells), mass / comb(n[s].sum(), k[s].sum())

    tables = itertools.product(*(list(ways(s)) for s in range(len(n))))
    observed = statistic(k.sum(axis=0)) - 1e-9
    return sum(
        np.prod([mass for _, mass in t])
        for t in tables
        if statistic(sum(cells for cells, _ in t)) >= observed
    )


@pytest.mark.parametrize(
    ("k", "n"),
    [
        ([[3, 0, 1], [2, 1, 0]], [[4, 6, 5], [3, 8, 7]]),
        ([[1, 1, 2], [1, 3, 0]], [[4, 6, 5], [3, 8, 7]]),
        ([[4, 0, 0], [0, 0, 3]], [[4, 6, 5], [3, 8, 7]]),
    ],
)
def test_heterogeneity_is_the_exact_test(k, n):
    k, n = np.array(k), np.array(n)
    white = np.array([[50], [50]])
    counts = table(np.hstack([white, n]), np.hstack([white // 5, k]), ["White", *"abc"])
    found = pooling.heterogeneity(counts, "White")
    p = exact(k, n)
    assert found.p == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 10_000) + 1e-3)
    assert (found.parts, found.flagged) == (3, k.sum())


def test_a_gap_between_strata_is_no_heterogeneity():
    """All women flagged, no man: parts with more women have more flagged, as expected."""
    counts = table([[50, 9, 1], [50, 1, 9]], [[50, 9, 1], [0, 0, 0]], ["White", "a", "b"])
    found = pooling.heterogeneity(counts, "White")
    assert (found.statistic, found.p) == (0, 1)


def test_the_reference_does_not_count_and_the_seed_fixes_p():
    one, two = (table([[n, 9, 9]], [[k, 4, 1]], ["White", "a", "b"]) for n, k in ((50, 40), (9, 0)))
    assert pooling.heterogeneity(one, "White") == pooling.heterogeneity(two, "White")


def test_nothing_can_differ_when_nobody_is_flagged_or_one_part_has_people():
    assert pooling.heterogeneity(table(SEARCHED, 0 * SEARCHED), "White").p == 1
    alone = pooling.heterogeneity(table([[9, 9, 0]], [[1, 4, 0]], ["White", "a", "b"]), "White")
    assert (alone.p, alone.parts) == (1, 1)


def test_heterogeneity_has_the_size_that_it_says():
    rng = np.random.default_rng(3)
    rejected = []
    for _ in range(200):
        flagged = rng.binomial(SEARCHED, [[0.15], [0.05]])
        found = pooling.heterogeneity(table(SEARCHED, flagged), "White", permutations=500)
        rejected.append(found.p <= 0.05)
    assert np.mean(rejected) < 0.1  # 20 or more of 200 at a size of 0.05: once in 1000
