"""What the size of the gallery does to the FPIR: exact below the gallery at hand, modelled beyond.

Below: a smaller gallery drawn at random from ours matches a probe with the hypergeometric chance,
and draws without replacement show the spread. Beyond: two models, kept apart. At a fixed threshold
the question is how unequal the probes' match rates are (gamma or log-normal). At a fixed FPIR it is
where the tail of the best scores ends (generalised Pareto). Both must first predict the whole
gallery from each of ten disjoint tenths of it.

Scores are distances: small is alike. Members who failed to enrol count as searched, no match.

`python -m helpers.experiments.how_big_is_the_gallery.tables` makes data/results/gallery-size-*: it
needs the face metadata of `utkface` (congress-test fetch, enrol).
"""

import argparse
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats
from tqdm import tqdm

from helpers.experiments import the_congress_test as headline
from helpers.experiments import the_question as claims
from helpers.faces import collection, same_person
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import scores as score_store
from helpers.protocol import shipping
from helpers.protocol.scores import DECIMALS
from helpers.show.figures import GROUP_ORDER
from helpers.sources import galleries, published
from helpers.statistics import rates
from helpers.statistics.intervals import wilson

RESULTS = DATA / "results"
SIZES = (1000, 2000, 5000, 10000)  # and the whole gallery
FIXED = "primary"  # the threshold that flags 28 in the whole gallery, whatever the gallery
FIXED_FPIR = headline.PRIMARY  # the threshold set anew in each gallery, so that 28 are flagged
CALIBRATED = ("fmr:0.0001", "fmr:1e-05", "fmr:1e-06")
POLICIES = ("default", *CALIBRATED, FIXED)
KINDS = ("gamma", "log-normal")
TENTHS = 10
DRAWS = 400
SEED = 20180726
TAIL = 0.2  # of the people searched: the best scores that the tail is fitted to
SEXES = ("female", "male")


# ---------------------------------------------------------------- what is known of our gallery


@cache
def members() -> pd.DataFrame:
    """Everyone searched, indexed by member_id: group, gender, of_colour as recorded."""
    people = headline.result("utkface", PRIMARY_MODELS[0]).members.set_index("member_id")
    return people[["group", "gender", "of_colour"]]


def faces(model: str) -> int:
    """Faces in the whole gallery, without probable same persons."""
    return headline.scores("utkface", model).faces


def threshold(model: str, policy: str) -> float:
    """The threshold (a distance) of one of POLICIES."""
    policy = FIXED_FPIR if policy == FIXED else policy
    return headline.result("utkface", model, policy).summary["threshold"]


def capped(model: str) -> int:
    """The most candidates that ship for one gallery face; below `PER_FACE` none is missing."""
    return int(headline.scores("utkface", model).candidates["gallery_id"].value_counts().max())


@cache
def counts(model: str, policy: str) -> pd.Series:
    """How many gallery faces lie at or below the threshold, for each member searched.

    From the shipped counts for the library default and the calibrated thresholds, from the shipped
    candidates for `FIXED`; ValueError if these are not complete up to it.
    """
    if policy == FIXED:
        scores = headline.scores("utkface", model)
        t = threshold(model, policy)
        if t > scores.upto or capped(model) >= score_store.PER_FACE:
            raise ValueError(f"{model}: the candidates that ship are not complete up to {t:g}")
        near = scores.candidates
        k = near[rates.at_or_below(near["score"], t)].groupby("probe_id").size()
    else:
        table = pd.read_parquet(DATA / "scores" / f"utkface-{model}" / "counts.parquet")
        k = table[table["threshold"] == policy].groupby("probe_id")["faces"].sum()
    return k.reindex(members().index, fill_value=0).astype(np.int64)


@cache
def results(name: str) -> pd.DataFrame:
    """One of the tables that `make` writes: draws, flagged, best or counts."""
    path = RESULTS / f"gallery-size-{name}"
    if name == "counts":
        return pd.read_parquet(path.with_suffix(".parquet"))
    return pd.read_csv(path.with_suffix(".csv"))


# ---------------------------------------------------------------- up to the whole gallery


def sizes(model: str) -> list[int]:
    """The gallery sizes that are shown: SIZES and the whole gallery."""
    return [*SIZES, faces(model)]


def expected(k, N: int, n: int) -> np.ndarray:
    """Chance of a candidate for each probe in n faces drawn from the N of which k match."""
    k = np.asarray(k, dtype=np.int64).reshape(-1, 1)
    return rates.expected_fpir_hypergeometric(k, np.array([N]), np.array([n]))


def naive(k, N: int, n: int) -> float:
    """FPIR in n faces, were all comparisons independent at the mean FMR of these probes."""
    return claims.chance_of_a_candidate(float(np.mean(k)) / N, n)


def curve(model: str, policy: str, at: list[int] | None = None) -> pd.DataFrame:
    """Expected FPIR at a fixed threshold by gallery size: a row a size.

    Columns model, policy, threshold, faces, searched, flagged (expected), fpir, low, high (95 %
    Wilson interval of the expected count: other members), naive.
    """
    k, N = counts(model, policy), faces(model)
    rows = []
    for n in at or sizes(model):
        flagged = expected(k, N, n).sum()
        rows.append((n, len(k), flagged, flagged / len(k), *wilson(flagged, len(k))))
    table = pd.DataFrame(rows, columns=["faces", "searched", "flagged", "fpir", "low", "high"])
    table.insert(0, "model", model)
    table.insert(1, "policy", policy)
    table.insert(2, "threshold", threshold(model, policy))
    table["naive"] = [naive(k, N, n) for n in table["faces"]]
    return table


@cache
def curves(policies: tuple = POLICIES) -> pd.DataFrame:
    """`curve` of the three models at each policy, with the spread over drawn galleries.

    spread_low, spread_high: what 95 % of galleries of that size drawn without replacement give
    (missing for the whole gallery, of which there is one).
    """
    table = pd.concat([curve(m, p) for m in PRIMARY_MODELS for p in policies], ignore_index=True)
    drawn = results("draws")[["model", "policy", "faces", "fpir_low", "fpir_high"]]
    drawn = drawn.rename(columns={"fpir_low": "spread_low", "fpir_high": "spread_high"})
    return table.merge(drawn, on=["model", "policy", "faces"], how="left")


def parts() -> dict[str, np.ndarray]:
    """The groups that are compared: name -> bool a member, in the order of `members`."""
    people = members()
    asian = people["group"].isin(["East Asian", "South Asian"])
    masks = {g: people["group"] == g for g in GROUP_ORDER}
    masks |= {
        "Members of colour": people["of_colour"],
        "Members of colour, not Asian": people["of_colour"] & ~asian,
    }
    for sex in SEXES:
        noun = {"female": "women", "male": "men"}[sex]
        inside = people["gender"] == sex
        masks |= {
            f"Members of colour, {noun}": people["of_colour"] & inside,
            f"White, {noun}": ~people["of_colour"] & inside,
        }
    return {name: mask.to_numpy() for name, mask in masks.items()}


@cache
def by_group(policy: str) -> pd.DataFrame:
    """Expected FPIR by recorded group and gallery size at a fixed threshold.

    Columns model, group, faces, searched, flagged (expected), fpir, low, high (Wilson), naive (with
    the group's own FMR).
    """
    rows = []
    for model in PRIMARY_MODELS:
        k, N = counts(model, policy).to_numpy(), faces(model)
        for n in sizes(model):
            chance = expected(k, N, n)
            for name, mask in parts().items():
                hit, m = chance[mask].sum(), int(mask.sum())
                own = naive(k[mask], N, n)
                rows.append((model, name, n, m, hit, hit / m, *wilson(hit, m), own))
    columns = ["model", "group", "faces", "searched", "flagged", "fpir", "low", "high", "naive"]
    return pd.DataFrame(rows, columns=columns)


@cache
def _cells() -> np.ndarray:
    """Who is in which cell, bool (4, members): women and men of colour, white women and men."""
    people = members()
    return np.array(
        [
            (people["of_colour"] == side) & (people["gender"] == sex)
            for side in (True, False)
            for sex in SEXES
        ]
    )


def ratio_of(flagged, searched) -> tuple[np.ndarray, np.ndarray]:
    """FPIR ratio of members of colour to white members: crude, and Mantel-Haenszel over sex.

    flagged (may be fractions), searched: (..., 4), the cells women and men of colour, white women
    and men. NaN where nobody is flagged, inf where only members of colour are.
    """
    k, n = np.asarray(flagged, dtype=np.float64), np.asarray(searched, dtype=np.float64)
    colour, white = slice(0, 2), slice(2, 4)
    both = np.maximum(n[..., colour] + n[..., white], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        crude = (k[..., colour].sum(-1) / n[..., colour].sum(-1)) / (
            k[..., white].sum(-1) / n[..., white].sum(-1)
        )
        within = (k[..., colour] * n[..., white] / both).sum(-1) / (
            k[..., white] * n[..., colour] / both
        ).sum(-1)
    return crude, within


@cache
def _redrawn(n: int, draws: int, seed: int) -> np.ndarray:
    """How often each of n people is in each of `draws` redrawn samples of n, (draws, n)."""
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws)
    return drawn.astype(np.float64)


def ratio_interval(chance, draws: int = 2000, seed: int = SEED) -> dict:
    """The ratios of `ratio_of` with 95 % intervals for other members (members redrawn).

    chance: of being flagged, one a member in the order of `members`. Returns ratio, low, high,
    within_sex, within_sex_low, within_sex_high; a draw without a flagged white member is inf.
    """
    chance, cells = np.asarray(chance, dtype=np.float64), _cells()
    weights = _redrawn(len(chance), draws, seed)
    drawn = ratio_of(weights @ (cells * chance).T, weights @ cells.T.astype(np.float64))
    found = {}
    for name, value, column in zip(
        ("ratio", "within_sex"), ratio_of(cells @ chance, cells.sum(axis=1)), drawn, strict=True
    ):
        ends = np.quantile(np.nan_to_num(column, nan=np.inf), [0.025, 0.975], method="nearest")
        prefix = "" if name == "ratio" else f"{name}_"
        found |= {name: float(value), f"{prefix}low": ends[0], f"{prefix}high": ends[1]}
    return found


def chance_flagged(model: str, policy: str, n: int) -> np.ndarray:
    """Chance of each member to be flagged in a random gallery of n faces.

    Exact at a fixed threshold; under FIXED_FPIR the share of the drawn galleries.
    """
    whole = n == faces(model)
    if policy != FIXED_FPIR or whole:  # in the whole gallery FIXED and FIXED_FPIR are one
        return expected(counts(model, FIXED if policy == FIXED_FPIR else policy), faces(model), n)
    table = results("flagged").query("model == @model and faces == @n")
    return (
        table.set_index("probe_id")["galleries"].reindex(members().index).fillna(0).to_numpy()
        / DRAWS
    )


@cache
def ratios() -> pd.DataFrame:
    """FPIR of members of colour over that of white members, by gallery size.

    At two fixed thresholds (default and FIXED) and at a fixed FPIR (FIXED_FPIR). Columns model,
    policy, faces, fpir, colour, white (their FPIRs), and as in `ratio_interval`; spread_low,
    spread_high: the crude ratio in 95 % of drawn galleries, members as they are (missing for the
    whole gallery).
    """
    drawn = results("draws").set_index(["model", "policy", "faces"])
    colour = members()["of_colour"].to_numpy()
    rows = []
    for model in PRIMARY_MODELS:
        for policy in ("default", FIXED, FIXED_FPIR):
            for n in sizes(model):
                chance = chance_flagged(model, policy, n)
                row = {"model": model, "policy": policy, "faces": n, "fpir": chance.mean()}
                row |= {"colour": chance[colour].mean(), "white": chance[~colour].mean()}
                row |= ratio_interval(chance)
                if n != faces(model):
                    ends = drawn.loc[(model, policy, n), ["ratio_low", "ratio_high"]]
                    row |= dict(zip(("spread_low", "spread_high"), ends, strict=True))
                rows.append(row)
    return pd.DataFrame(rows)


def concentration(model: str, policy: str) -> dict:
    """How unequally the false-matching pairs fall on the members.

    Returns pairs, flagged, even (members flagged if each pair fell on a member by lot) and half
    (the fewest members that hold half of the pairs between them).
    """
    k = np.sort(counts(model, policy))[::-1]
    pairs = int(k.sum())
    return {
        "pairs": pairs,
        "flagged": int((k > 0).sum()),
        "even": len(k) * claims.chance_of_a_candidate(1 / len(k), pairs),
        "half": int(np.searchsorted(np.cumsum(k), pairs / 2) + 1) if pairs else 0,
    }


# ---------------------------------------------------------------- beyond, at a fixed threshold

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


def _enrolled(model: str, policy: str) -> np.ndarray:
    """`counts` without the members who failed to enrol."""
    result = headline.result("utkface", model).members.set_index("member_id")
    return counts(model, policy)[result["enrolled"]].to_numpy()


def tenth_sizes(model: str) -> pd.Series:
    """Faces in each of the ten disjoint tenths."""
    table = results("best").query("model == @model")
    return table.groupby("tenth")["tenth_faces"].first()


@cache
def backtest_fixed_threshold() -> pd.DataFrame:
    """The whole gallery predicted from each tenth at the fixed thresholds: a row a prediction.

    Columns model, policy, kind, tenth, seen (flagged in the tenth), predicted, low, high (flagged
    in the whole gallery), truth, covered. A tenth in which nobody matches predicts nothing: NaN and
    not covered.
    """
    table = results("counts")
    rows = []
    for model in PRIMARY_MODELS:
        n_enrolled, N = len(_enrolled(model, "default")), faces(model)
        for policy in POLICIES:
            truth = int((counts(model, policy) > 0).sum())
            if not truth:
                continue  # no match in the whole gallery either: nothing to predict
            mine = table[(table["model"] == model) & (table["threshold"] == policy)]
            for tenth, n in tenth_sizes(model).items():
                k = mine.loc[mine["tenth"] == tenth, "faces"].to_numpy()
                k = np.concatenate([k, np.zeros(n_enrolled - len(k), dtype=np.int64)])
                for kind in KINDS:
                    mean, low, high = predict_flagged(fit_rates(k, n, kind), N)
                    head = (model, policy, kind, tenth, int((k > 0).sum()))
                    rows.append((*head, mean, low, high, truth, low <= truth <= high))
    columns = ["model", "policy", "kind", "tenth", "seen", "predicted", "low", "high", "truth"]
    return pd.DataFrame(rows, columns=[*columns, "covered"])


@cache
def bracket_test() -> pd.DataFrame:
    """Back-test of both models together and of their bracket: a row a model and policy.

    The bracket runs from the lower end of the one to the upper end of the other. Columns model,
    policy, truth, tenths, without (tenths in which nobody matches), and for gamma, log-normal and
    bracket how many of the tenths cover the truth; gamma_mean, log-normal_mean: mean prediction.
    """
    rows = []
    table = backtest_fixed_threshold()
    for (model, policy), part in table.groupby(["model", "policy"], sort=False):
        wide = part.pivot(index="tenth", columns="kind")
        low, high = wide["low"].min(axis=1), wide["high"].max(axis=1)
        truth = int(part["truth"].iloc[0])
        row = {"model": model, "policy": policy, "truth": truth, "tenths": len(wide)}
        row["without"] = int(low.isna().sum())
        for kind in KINDS:
            row[f"{kind}_mean"] = wide["predicted"][kind].mean()
            row[kind] = int(wide["covered"][kind].sum())
        row["bracket"] = int(((low <= truth) & (truth <= high)).sum())
        rows.append(row)
    return pd.DataFrame(rows)


@cache
def beyond_fixed_threshold(at: tuple[int, ...], policies: tuple = POLICIES) -> pd.DataFrame:
    """FPIR predicted for galleries larger than ours at the fixed thresholds.

    Columns model, policy, faces, now (FPIR in our gallery), gamma, log-normal (predicted FPIR), and
    low, high: the bracket of the intervals of both.
    """
    rows = []
    searched = len(members())
    for model in PRIMARY_MODELS:
        for policy in policies:
            k = _enrolled(model, policy)
            fits = {kind: fit_rates(k, faces(model), kind) for kind in KINDS}
            for n in at:
                found = {kind: np.array(predict_flagged(fits[kind], n)) for kind in KINDS}
                row = {"model": model, "policy": policy, "faces": n}
                row["now"] = (k > 0).sum() / searched
                row |= {kind: found[kind][0] / searched for kind in KINDS}
                row["low"] = min(f[1] for f in found.values()) / searched
                row["high"] = max(f[2] for f in found.values()) / searched
                rows.append(row)
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- beyond, at a fixed FPIR


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


def best_scores(model: str) -> np.ndarray:
    """The best impostor score of everyone searched, ascending, inf for a failure to enrol."""
    return np.sort(headline.result("utkface", model).members["score"].to_numpy())


def tail_size() -> int:
    """Best scores in the tail that is fitted."""
    return int(TAIL * len(members()))


@cache
def backtest_fixed_fpir() -> pd.DataFrame:
    """The threshold for 28 flagged in the whole gallery, predicted from each tenth.

    Columns model, grown (bool: with the growth exponent), tenth, start (threshold for 28 in the
    tenth), exponent, predicted, low, high, truth (thresholds), covered, and what the predicted
    threshold and the ends of its interval flag in the whole gallery: flagged, flagged_low,
    flagged_high (wanted: 28).
    """
    rows = []
    for model in PRIMARY_MODELS:
        table = results("best").query("model == @model")
        truth, whole = threshold(model, FIXED), best_scores(model)
        for tenth, part in table.groupby("tenth"):
            k = part["faces"].dropna().to_numpy(dtype=np.int64)
            n = int(part["tenth_faces"].iloc[0])
            for grown in (False, True):
                p = predict_threshold(part["score"], k, n, faces(model), len(members()), grown)
                ends = p["threshold"], p["low"], p["high"]
                flagged = [int(rates.at_or_below(whole, t).sum()) for t in ends]
                covered = bool(p["low"] <= truth <= p["high"])
                head = (model, grown, tenth, part["score"].iloc[len(k) - 1], p["exponent"])
                rows.append((*head, *ends, truth, covered, *flagged))
    columns = ["model", "grown", "tenth", "start", "exponent", "predicted", "low", "high", "truth"]
    return pd.DataFrame(
        rows, columns=[*columns, "covered", "flagged", "flagged_low", "flagged_high"]
    )


@cache
def genuine(model: str) -> np.ndarray:
    """Scores of members against their own second portraits."""
    both = (shipping.load_dataset(d, model) for d in ("probes", "second-portraits"))
    return score_store.genuine_scores(*both)["score"].to_numpy()


@cache
def beyond_fixed_fpir(at: tuple[int, ...]) -> pd.DataFrame:
    """Thresholds predicted to flag the ACLU's 28 in larger galleries, and the misses there.

    Columns model, grown, faces, threshold, low, high, exponent, misses, pairs, fnmr, fnmr_low,
    fnmr_high: members' second portraits beyond the predicted threshold (Wilson), and fnmr_at_low,
    fnmr_at_high: the share beyond the ends of its interval. The first row of each model is the
    whole gallery as it is.
    """
    rows = []
    for model in PRIMARY_MODELS:
        whole, k = best_scores(model), counts(model, FIXED)
        k = k[k > 0].to_numpy()
        best, scores = whole[: tail_size() + 1], genuine(model)
        t = threshold(model, FIXED)
        g = growth_exponent(k, faces(model), len(members()))
        now = {"threshold": t, "low": t, "high": t, "exponent": g}
        for grown in (False, True):
            for n in [faces(model), *at]:
                p = now if n == faces(model) else None
                p = p or predict_threshold(best, k, faces(model), n, len(members()), grown)
                miss = rates.fnmr(scores, p["threshold"])
                ends = [rates.fnmr(scores, max(p[e], 0)).rate for e in ("low", "high")]
                head = {"model": model, "grown": grown, "faces": n} | p
                names = ["misses", "pairs", "fnmr", "fnmr_low", "fnmr_high"]
                head |= dict(zip(names, miss, strict=True))
                rows.append(head | {"fnmr_at_low": ends[0], "fnmr_at_high": ends[1]})
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- sizes that others announced


def announced() -> pd.DataFrame:
    """Gallery sizes beyond ours that were announced: label, faces, source_url, status, note."""
    reply = published.published_results().query(
        "study == 'Amazon reply 2019' and quantity == 'false matches at 99 percent'"
    )
    ours = pd.DataFrame(
        {
            "label": "Amazon's test of 2019",
            "faces": reply["denominator"].astype(int),
            **{c: reply[c] for c in ("source_url", "status", "note")},
        }
    )
    table = pd.read_csv(DATA / "published" / "gallery_sizes.csv").iloc[[0]]
    fbi = table.rename(columns={"what": "label"})[
        ["label", "faces", "source_url", "status", "note"]
    ]
    return pd.concat([ours, fbi], ignore_index=True)


# ---------------------------------------------------------------- tables made from the embeddings


def draw_best(scores: np.ndarray, cluster: np.ndarray, at, draws: int, seed: int):
    """Best scores in galleries drawn without replacement, one array (sizes, people) a draw.

    scores: (faces, people). cluster: the identity of each face, 0, 1, ...; faces of one identity
    are drawn together. The galleries of one draw are nested.
    """
    rng = np.random.default_rng(seed)
    starts = [0, *sorted(at)[:-1]]
    for _ in range(draws):
        key = rng.random(cluster.max() + 1)
        order = np.argsort(key[cluster], kind="stable")[: max(at)]
        segments = np.minimum.reduceat(scores[order], starts, axis=0)
        yield np.minimum.accumulate(segments, axis=0)


def _draw_tables(model: str, scores, cluster, progress) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What drawn galleries give by policy and size, and how often each member is flagged.

    The second table is for FIXED_FPIR: model, faces, probe_id, galleries (of DRAWS).
    """
    people = members()
    colour = people["of_colour"].to_numpy()
    fixed = {p: threshold(model, p) for p in POLICIES}
    policies = (*POLICIES, FIXED_FPIR)
    found = {(p, n): [] for p in policies for n in SIZES}
    often = {n: np.zeros(len(people), dtype=np.int64) for n in SIZES}
    drawn = draw_best(scores, cluster, SIZES, DRAWS, SEED)
    for best in tqdm(drawn, total=DRAWS, desc=f"{model}: draws", disable=not progress):
        for row, n in zip(best, SIZES, strict=True):
            fixed[FIXED_FPIR] = rates.threshold_for_count(row, headline.ACLU_COUNT).threshold
            for policy in policies:
                flagged = rates.at_or_below(row, fixed[policy])
                values = fixed[policy], flagged[colour].mean(), flagged[~colour].mean()
                found[policy, n].append((*values, flagged.mean()))
            often[n] += flagged
    rows = []
    for (policy, n), values in found.items():
        t, k1, k0, share = np.array(values).T
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = k1 / k0
        ratio = ratio[~np.isnan(ratio)]  # nobody flagged at all
        ends = np.quantile(ratio, [0.025, 0.975], method="nearest") if len(ratio) else [np.nan] * 2
        row = {"model": model, "policy": policy, "faces": n, "galleries": DRAWS}
        for name, column in (("threshold", t), ("fpir", share)):
            low, high = np.quantile(column, [0.025, 0.975])
            row |= {name: column.mean(), f"{name}_low": low, f"{name}_high": high}
        rows.append(row | {"ratio_low": ends[0], "ratio_high": ends[1]})
    members_ = [
        pd.DataFrame({"model": model, "faces": n, "probe_id": people.index, "galleries": k})
        for n, k in often.items()
    ]
    return pd.DataFrame(rows), pd.concat(members_).query("galleries > 0")


def _tenth_tables(model: str, scores, tenth) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts by probe and tenth at the fixed thresholds, and the tail of best scores by tenth."""
    ids = members().index.to_numpy()
    counted, tails = [], []
    for j in range(TENTHS):
        mine = scores[tenth == j]
        for policy in POLICIES:
            k = rates.at_or_below(mine, threshold(model, policy)).sum(axis=0)
            some = np.flatnonzero(k)
            row = {"model": model, "threshold": policy, "probe_id": ids[some], "tenth": j}
            counted.append(pd.DataFrame(row | {"faces": k[some]}))
        best = mine.min(axis=0)
        order = np.argsort(best, kind="stable")[: tail_size() + 1]
        t = rates.threshold_for_count(best, headline.ACLU_COUNT).threshold
        k = rates.at_or_below(mine[:, order], t).sum(axis=0)
        row = {"model": model, "tenth": j, "tenth_faces": len(mine), "score": best[order]}
        # no probe is named: a score beyond the candidates that ship could help to locate a face
        tails.append(pd.DataFrame(row | {"faces": pd.array(np.where(k, k, -1), "Int64")}))
    tail = pd.concat(tails, ignore_index=True)
    tail["faces"] = tail["faces"].replace(-1, pd.NA)
    return pd.concat(counted, ignore_index=True), tail


def make(out: Path, progress: bool = False) -> None:
    """Write the results tables that need the private gallery's embeddings into a folder.

    gallery-size-draws.csv (galleries drawn without replacement: FPIR, thresholds, ratios),
    gallery-size-flagged.csv (in how many of them each member is among the 28),
    gallery-size-counts.parquet (matches by probe and tenth at the fixed thresholds),
    gallery-size-best.csv (the tail of the best scores in each tenth, without probes).
    Deterministic.
    """
    private = {m: shipping.load_dataset("utkface", m) for m in PRIMARY_MODELS}
    clusters = same_person.identity_clusters(list(private.values()))
    labels = galleries.load_utkface().set_index("id")
    same = headline.scores("utkface", PRIMARY_MODELS[0]).same_person
    left_out = set(same.loc[same["same_person"].astype(bool), "cluster"])
    kept = labels.index[labels["adult"] & ~clusters.reindex(labels.index).isin(left_out)]
    tables = {"draws": [], "flagged": [], "counts": [], "best": []}
    for model in PRIMARY_MODELS:
        gallery = collection.subset(private[model], kept)
        probes = shipping.load_dataset("probes", model)
        blocks = [s.astype(np.float32) for _, s in collection.score_blocks(probes, gallery)]
        scores = pd.DataFrame(np.vstack(blocks), index=probes.ids)
        scores = scores.reindex(members().index).fillna(np.float32(np.inf))
        scores = np.ascontiguousarray(scores.to_numpy(dtype=np.float32).T)
        cluster = np.unique(clusters.reindex(gallery.ids), return_inverse=True)[1]
        rank = np.random.default_rng(SEED).permutation(cluster.max() + 1)
        tenth = (rank * TENTHS // len(rank))[cluster]
        made = *_draw_tables(model, scores, cluster, progress), *_tenth_tables(model, scores, tenth)
        for name, table in zip(tables, made, strict=True):
            tables[name].append(table)
    out.mkdir(parents=True, exist_ok=True)
    joined = {name: pd.concat(parts_, ignore_index=True) for name, parts_ in tables.items()}
    joined["draws"].round(6).to_csv(out / "gallery-size-draws.csv", index=False)
    joined["flagged"].to_csv(out / "gallery-size-flagged.csv", index=False)
    joined["best"].round(DECIMALS).to_csv(
        out / "gallery-size-best.csv", index=False, float_format="%.4f"
    )
    joined["counts"].astype({"tenth": np.int8, "faces": np.int32}).to_parquet(
        out / "gallery-size-counts.parquet", index=False, compression="zstd"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Make data/results/gallery-size-*. Needs the face metadata of utkface for "
        "dlib-native, SFace and Facenet in the cache (congress-test fetch utkface, enrol)."
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    make(parser.parse_args().out, progress=True)


if __name__ == "__main__":
    main()
