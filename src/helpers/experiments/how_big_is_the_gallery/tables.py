"""What the size of the gallery does to the FPIR: exact below the gallery at hand, modelled beyond.

Below: a smaller gallery drawn at random from ours matches a probe with the hypergeometric chance,
and draws without replacement show the spread. Beyond: two models, kept apart. At a fixed threshold
the question is how unequal the probes' match rates are (gamma or log-normal). At a fixed FPIR it is
where the tail of the best scores ends (generalised Pareto). Both must first predict the whole
gallery from each of ten disjoint tenths of it.

Scores are distances: small is alike. Members who failed to enrol count as searched, no match.

`python -m helpers.rebuild.tables 06-how-big-is-the-gallery` makes data/results/gallery-size-*: it
needs the face metadata of `utkface` (congress-test fetch, enrol).
"""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.how_big_is_the_gallery import models_beyond
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import scores as score_store
from helpers.protocol import shipped, shipping
from helpers.sources import groups, published
from helpers.statistics import rates
from helpers.statistics.intervals import wilson

RESULTS = DATA / "results"
SIZES = (1000, 2000, 5000, 10000)  # and the whole gallery
FIXED = "primary"  # the threshold that flags 28 in the whole gallery, whatever the gallery
FIXED_FPIR = shipped.PRIMARY  # the threshold set anew in each gallery, so that 28 are flagged
CALIBRATED = ("fmr:0.0001", "fmr:1e-05", "fmr:1e-06")
POLICIES = ("default", *CALIBRATED, FIXED)
TENTHS = 10
DRAWS = 400
TAIL = 0.2  # of the people searched: the best scores that the tail is fitted to
SEXES = ("female", "male")


# ---------------------------------------------------------------- what is known of our gallery


@cache
def members() -> pd.DataFrame:
    """Everyone searched, indexed by member_id: group, gender, of_colour as recorded."""
    people = shipped.result("utkface", PRIMARY_MODELS[0]).members.set_index("member_id")
    return people[["group", "gender", "of_colour"]]


def faces(model: str) -> int:
    """Faces in the whole gallery, without probable same persons."""
    return shipped.scores("utkface", model).faces


def threshold(model: str, policy: str) -> float:
    """The threshold (a distance) of one of POLICIES."""
    policy = FIXED_FPIR if policy == FIXED else policy
    return shipped.result("utkface", model, policy).summary["threshold"]


def capped(model: str) -> int:
    """The most candidates that ship for one gallery face; below `PER_FACE` none is missing."""
    return int(shipped.scores("utkface", model).candidates["gallery_id"].value_counts().max())


@cache
def counts(model: str, policy: str) -> pd.Series:
    """How many gallery faces lie at or below the threshold, for each member searched.

    From the shipped counts for the library default and the calibrated thresholds, from the shipped
    candidates for `FIXED`; ValueError if these are not complete up to it.
    """
    if policy == FIXED:
        scores = shipped.scores("utkface", model)
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
    path = f"{RESULTS}/gallery-size-{name}"
    return pd.read_parquet(f"{path}.parquet") if name == "counts" else pd.read_csv(f"{path}.csv")


# ---------------------------------------------------------------- up to the whole gallery


def sizes(model: str) -> list[int]:
    """The gallery sizes that are shown: SIZES and the whole gallery."""
    return [*SIZES, faces(model)]


def naive(k, N: int, n: int) -> float:
    """FPIR in n faces, were all comparisons independent at the mean FMR of these probes."""
    return rates.chance_of_a_candidate(float(np.mean(k)) / N, n)


def curve(model: str, policy: str, at: list[int] | None = None) -> pd.DataFrame:
    """Expected FPIR at a fixed threshold by gallery size: a row a size.

    Columns model, policy, threshold, faces, searched, flagged (expected), fpir, low, high (95 %
    Wilson interval of the expected count: other members), naive.
    """
    k, N = counts(model, policy), faces(model)
    rows = []
    for n in at or sizes(model):
        flagged = models_beyond.expected(k, N, n).sum()
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
    masks = {k: pd.Series(v, people.index) for k, v in groups.masks(people["group"]).items()}
    for sex in SEXES:
        noun = {"female": "women", "male": "men"}[sex]
        inside = people["gender"] == sex
        masks |= {
            f"{groups.COLOUR}, {noun}": people["of_colour"] & inside,
            f"{groups.WHITE}, {noun}": ~people["of_colour"] & inside,
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
            chance = models_beyond.expected(k, N, n)
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


def ratio_interval(chance, draws: int = 2000, seed: int = models_beyond.SEED) -> dict:
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
        return models_beyond.expected(
            counts(model, FIXED if policy == FIXED_FPIR else policy), faces(model), n
        )
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
        "even": len(k) * rates.chance_of_a_candidate(1 / len(k), pairs),
        "half": int(np.searchsorted(np.cumsum(k), pairs / 2) + 1) if pairs else 0,
    }


# ---------------------------------------------------------------- beyond, at a fixed threshold


def _enrolled(model: str, policy: str) -> np.ndarray:
    """`counts` without the members who failed to enrol."""
    result = shipped.result("utkface", model).members.set_index("member_id")
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
                for kind in models_beyond.KINDS:
                    mean, low, high = models_beyond.predict_flagged(
                        models_beyond.fit_rates(k, n, kind), N
                    )
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
        for kind in models_beyond.KINDS:
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
            fits = {
                kind: models_beyond.fit_rates(k, faces(model), kind) for kind in models_beyond.KINDS
            }
            for n in at:
                found = {
                    kind: np.array(models_beyond.predict_flagged(fits[kind], n))
                    for kind in models_beyond.KINDS
                }
                row = {"model": model, "policy": policy, "faces": n}
                row["now"] = (k > 0).sum() / searched
                row |= {kind: found[kind][0] / searched for kind in models_beyond.KINDS}
                row["low"] = min(f[1] for f in found.values()) / searched
                row["high"] = max(f[2] for f in found.values()) / searched
                rows.append(row)
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- beyond, at a fixed FPIR


def best_scores(model: str) -> np.ndarray:
    """The best impostor score of everyone searched, ascending, inf for a failure to enrol."""
    return np.sort(shipped.result("utkface", model).members["score"].to_numpy())


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
                p = models_beyond.predict_threshold(
                    part["score"], k, n, faces(model), len(members()), grown
                )
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
        g = models_beyond.growth_exponent(k, faces(model), len(members()))
        now = {"threshold": t, "low": t, "high": t, "exponent": g}
        for grown in (False, True):
            for n in [faces(model), *at]:
                p = now if n == faces(model) else None
                p = p or models_beyond.predict_threshold(
                    best, k, faces(model), n, len(members()), grown
                )
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
        "study == 'Amazon reply 2019' and quantity == 'gallery size (images)'"
    )
    ours = pd.DataFrame(
        {
            "label": "Amazon's test of 2019",
            "faces": reply["value"].astype(int),
            **{c: reply[c] for c in ("source_url", "status", "note")},
        }
    )
    table = pd.read_csv(DATA / "published" / "gallery_sizes.csv").iloc[[0]]
    fbi = table.rename(columns={"what": "label"})[
        ["label", "faces", "source_url", "status", "note"]
    ]
    return pd.concat([ours, fbi], ignore_index=True)
