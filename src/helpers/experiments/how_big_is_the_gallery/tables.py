"""What the size of the gallery does to the FPIR at fixed thresholds; scores are distances.

Below the gallery at hand: exact (hypergeometric), and draws without replacement for the spread.
Beyond: two models of unequal match rates, which must first predict the whole from its tenths.
"""

import itertools
from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.how_big_is_the_gallery import models_beyond
from helpers.experiments.who_is_in_the_gallery import compositions
from helpers.experiments.who_is_in_the_gallery import tables as strangers
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import congress_test, shipped, shipping
from helpers.protocol import scores as score_store
from helpers.sources import published
from helpers.statistics import rates
from helpers.statistics.intervals import wilson

RESULTS = DATA / "results"
SIZES = (1000, 2000, 5000, 10000)  # and the whole gallery
FIXED = "primary"  # the threshold that flags 28 in the whole gallery, whatever the gallery
POLICIES = {
    "default": "Publisher's threshold",
    "fmr:0.0001": "FMR of 1 in 10,000",
    "fmr:1e-05": "FMR of 1 in 100,000",
    "fmr:1e-06": "FMR of 1 in 1,000,000",
    FIXED: "Threshold of the 28",
}
TENTHS = 10
DRAWS = 400
TIMES = 10  # no prediction beyond so many times our gallery


@cache
def members() -> pd.DataFrame:
    """Everyone searched, by member_id."""
    return congress_test.people_searched().set_index("member_id")


def faces(model: str = PRIMARY_MODELS[0]) -> int:
    """Faces in the whole gallery, without probable same persons."""
    return shipped.scores("utkface", model).faces


def threshold(model: str, policy: str) -> float:
    """The threshold (a distance) of one of POLICIES."""
    policy = shipped.PRIMARY if policy == FIXED else policy
    return shipped.result("utkface", model, policy).summary["threshold"]


def capped(model: str) -> int:
    """The most candidates that ship for one gallery face; below `PER_FACE` none is missing."""
    return int(shipped.scores("utkface", model).candidates["gallery_id"].value_counts().max())


@cache
def counts(model: str, policy: str) -> pd.Series:
    """Faces of the whole gallery at or below the threshold, for each member searched.

    From shipped counts, for `FIXED` from shipped candidates; ValueError if these do not reach it.
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


def naive(k, N: int, n: int) -> float:
    """FPIR in n faces, were all comparisons independent at the mean FMR of these probes."""
    return rates.chance_of_a_candidate(float(np.mean(k)) / N, n)


@cache
def curves() -> pd.DataFrame:
    """Expected FPIR by model, policy and gallery size, exact.

    Columns model, policy, threshold, faces, searched, flagged (expected), fpir, low, high (95 %
    Wilson interval of the expected count: other members), naive; spread_low, spread_high: what 95 %
    of galleries drawn without replacement give (missing for the whole gallery).
    """
    rows = []
    for model, policy in itertools.product(PRIMARY_MODELS, POLICIES):
        k, N = counts(model, policy), faces(model)
        for n in (*SIZES, N):
            flagged, m = models_beyond.expected(k, N, n).sum(), len(k)
            head = (model, policy, threshold(model, policy), n, m)
            rows.append((*head, flagged, flagged / m, *wilson(flagged, m), naive(k, N, n)))
    columns = ["model", "policy", "threshold", "faces", "searched", "flagged", "fpir"]
    drawn = pd.read_csv(RESULTS / "gallery-size-draws.csv").drop(columns=["galleries", "mean"])
    table = pd.DataFrame(rows, columns=[*columns, "low", "high", "naive"])
    return table.merge(drawn, on=["model", "policy", "faces"], how="left")


def percent(share):
    return (100 * share).round(1)


def marks() -> pd.DataFrame:
    """Members flagged at the threshold of the 28, by gallery size, beside the usual formula."""
    table = curves().query("policy == @FIXED")
    shown = {
        "Program": table["model"].map(MODEL_LABELS),
        "Faces": table["faces"],
        "Flagged": table["flagged"].round(1),
        "Formula": (table["searched"] * table["naive"]).round(1),
    }
    return pd.DataFrame(shown).reset_index(drop=True)


def growth() -> pd.DataFrame:
    """What the whole gallery brings over the smallest, at the threshold of the 28, by program."""
    table = curves().query("policy == @FIXED").set_index("model")
    first, last = table[table["faces"] == SIZES[0]], table[table["faces"] == faces()]
    ends = percent(first[["spread_low", "spread_high"]]).astype(str)
    shown = {
        "Program": first.index.map(MODEL_LABELS),
        "Faces, small": SIZES[0],
        "Flagged, small": first["flagged"].round(1),
        "Per cent, drawn small galleries": ends["spread_low"] + "–" + ends["spread_high"],
        "Faces, whole": faces(),
        "Flagged, whole": last["flagged"].round().astype(int),
        "Growth of faces": round(faces() / SIZES[0], 1),
        "Growth of flagged": (last["flagged"] / first["flagged"]).round(1),
        "Formula expects": (last["searched"] * last["naive"]).round(1),
        "Formula over exact": (last["naive"] / last["fpir"]).round(2),
    }
    return pd.DataFrame(shown).reset_index(drop=True)


def by_size() -> pd.DataFrame:
    """FPIR by program, threshold and gallery size: exact, its intervals, and the formula."""
    table = curves().query("faces not in [2000, 5000]")
    shown = {
        "Program": table["model"].map(MODEL_LABELS),
        "Threshold": table["policy"].map(POLICIES),
        "Faces": table["faces"],
        "Flagged, expected": table["flagged"].round(1),
        "FPIR, %": percent(table["fpir"]),
        "Low": percent(table["low"]),
        "High": percent(table["high"]),
        "Drawn galleries, low": percent(table["spread_low"]),
        "Drawn galleries, high": percent(table["spread_high"]),
        "Formula, %": percent(table["naive"]),
    }
    return pd.DataFrame(shown).reset_index(drop=True)


def concentration() -> pd.DataFrame:
    """On how many members the pairs fall, how many would by lot, and the fewest who hold half."""
    rows = []
    for model, policy in itertools.product(PRIMARY_MODELS, POLICIES):
        k = np.sort(counts(model, policy))[::-1]
        lot = len(k) * rates.chance_of_a_candidate(1 / len(k), k.sum())
        half = int(np.searchsorted(np.cumsum(k), k.sum() / 2) + 1)
        flagged = (k > 0).sum(), round(lot), half
        rows.append((MODEL_LABELS[model], POLICIES[policy], k.sum(), *flagged))
    columns = ["Program", "Threshold", "False-matching pairs", "Members flagged"]
    columns += ["If pairs fell by lot", "Members who hold half of the pairs"]
    return pd.DataFrame(rows, columns=columns)


@cache
def ratios() -> pd.DataFrame:
    """Ratios of FPIRs, smallest and whole gallery, two thresholds; intervals for other members."""
    people = members()
    colour = people["of_colour"].to_numpy()
    rows = []
    for model, policy in itertools.product(PRIMARY_MODELS, ("default", FIXED)):
        for n in (SIZES[0], faces(model)):
            chance = models_beyond.expected(counts(model, policy), faces(model), n)
            row = [MODEL_LABELS[model], POLICIES[policy], n]
            row += [round(100 * chance[mask].mean(), 1) for mask in (colour, ~colour)]
            for values, within in compositions.each_ratio(chance, people):
                log = compositions.log_ratio(values, people, within)
                half = 1.96 * np.sqrt(compositions.variance_members(values, people, within))
                row += list(np.exp([log, log - half, log + half]).round(2))
            rows.append(row)
    columns = ["Program", "Threshold", "Faces", "Of colour, %", "White, %"]
    for name in ("Ratio", "Within recorded gender", "Without Asian members"):
        columns += [name, f"{name}, low", f"{name}, high"]
    return pd.DataFrame(rows, columns=columns)


def groups_by_size() -> pd.DataFrame:
    """FPIR by recorded group in the smallest and the whole gallery, threshold of the 28."""
    rows = []
    for model, n in itertools.product(PRIMARY_MODELS, (SIZES[0], faces())):
        chance = models_beyond.expected(counts(model, FIXED), faces(model), n)
        found = strangers.group_rows(chance, members()["group"])
        rows += [(MODEL_LABELS[model], row[0], n, *row[1:]) for row in found]
    columns = ["Program", "Group", "Faces", "Searched", "Flagged, expected", "FPIR, %"]
    return pd.DataFrame(rows, columns=[*columns, "Low", "High"])


@cache
def predictions() -> pd.DataFrame:
    """The whole gallery foretold by each tenth: model, policy, kind, tenth, predicted, low, high,
    truth (members flagged in the whole gallery). NaN where nobody matches in the tenth.
    """
    rows = []
    table = pd.read_parquet(RESULTS / "gallery-size-counts.parquet")
    by = ["model", "threshold", "tenth", "tenth_faces"]
    for (model, policy, tenth, n), part in table.groupby(by):
        k = part["faces"].to_numpy()
        k = np.concatenate([k, np.zeros(len(members()) - len(k), dtype=np.int64)])
        truth = int((counts(model, policy) > 0).sum())
        for kind in models_beyond.KINDS:
            fit = models_beyond.fit_rates(k, n, kind)
            found = models_beyond.predict_flagged(fit, faces(model))
            rows.append((model, policy, kind, tenth, *found, truth))
    columns = ["model", "policy", "kind", "tenth", "predicted", "low", "high", "truth"]
    return pd.DataFrame(rows, columns=columns)


def back_tests() -> pd.DataFrame:
    """How many tenths foretell the whole gallery; both together: from lower to upper end."""
    ends, index = ["low", "high", "predicted"], ["model", "policy", "truth", "tenth"]
    wide = predictions().pivot(index=index, columns="kind", values=ends)
    truth = wide.index.get_level_values("truth").to_numpy()
    held = {
        f"{kind.capitalize()} holds": (wide["low"][kind] <= truth) & (truth <= wide["high"][kind])
        for kind in models_beyond.KINDS
    }
    low, high = wide["low"].min(axis=1), wide["high"].max(axis=1)
    held["Both together hold"] = (low <= truth) & (truth <= high)
    by = [wide.index.get_level_values(name) for name in ("model", "policy", "truth")]
    table = pd.DataFrame(held).assign(Tenths=1).groupby(by).sum()
    for kind in models_beyond.KINDS:
        table[f"{kind.capitalize()}, lowest"] = wide["predicted"][kind].groupby(by).min().round()
        table[f"{kind.capitalize()}, highest"] = wide["predicted"][kind].groupby(by).max().round()
    order = list(itertools.product(PRIMARY_MODELS, POLICIES))
    table = table.reset_index("truth").loc[order].reset_index(names=["Program", "Threshold"])
    table = table.replace({"Program": MODEL_LABELS, "Threshold": POLICIES})
    total = table[[*held, "Tenths"]].sum().to_dict()
    total |= {"Program": "All programs", "Threshold": "All thresholds"}
    table = pd.concat([table, pd.DataFrame([total])], ignore_index=True)
    return table.rename(columns={"truth": "Truth"}).astype({"Truth": "Int64"})


def larger() -> pd.DataFrame:
    """Members flagged at the threshold of the 28 in larger galleries of strangers, in per cent."""
    aclu = int(published.number("ACLU 2018", "gallery size (arrest photos)"))
    rows = []
    for model, n in itertools.product(PRIMARY_MODELS, (aclu, TIMES * faces())):
        k = counts(model, FIXED).to_numpy()
        fits = [models_beyond.fit_rates(k, faces(model), kind) for kind in models_beyond.KINDS]
        found = np.array([models_beyond.predict_flagged(fit, n) for fit in fits])
        shares = np.array([(k > 0).sum(), found[:, 1].min(), *found[:, 0], found[:, 2].max()])
        rows.append((MODEL_LABELS[model], n, *percent(shares / len(k))))
    kinds = [f"{kind.capitalize()}, %" for kind in models_beyond.KINDS]
    columns = ["Program", "Faces", "In our gallery, %", "Low", *kinds, "High"]
    return pd.DataFrame(rows, columns=columns)


@cache
def genuine(model: str) -> np.ndarray:
    """Scores of members against their own second portraits."""
    both = (shipping.load_dataset(d, model) for d in ("probes", "second-portraits"))
    return score_store.genuine_scores(*both)["score"].to_numpy()


def misses() -> pd.DataFrame:
    """Second portraits missed where 28 are flagged, and where the threshold flags nobody."""
    rows = []
    for model in PRIMARY_MODELS:
        best = shipped.result("utkface", model).members["score"].min()
        where = {
            "Our gallery, 28 flagged": threshold(model, FIXED),
            "Our gallery, nobody flagged": best - 10.0**-score_store.DECIMALS,
        }
        for name, t in where.items():
            missed, pairs, *shares = rates.fnmr(genuine(model), t)
            shares = [round(100 * share, 1) for share in shares]
            rows.append((MODEL_LABELS[model], name, f"{t:.3f}", missed, pairs, *shares))
    columns = ["Program", "Gallery", "Threshold", "Missed", "Pairs", "Missed, %", "Low", "High"]
    return pd.DataFrame(rows, columns=columns)
