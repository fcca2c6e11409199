"""The tables of notebook 06 as they are shown: rounded, in the words of the text."""

import numpy as np
import pandas as pd

from helpers.experiments.how_big_is_the_gallery import tables as size
from helpers.experiments.how_big_is_the_gallery.models_beyond import KINDS
from helpers.experiments.how_big_is_the_gallery.tables import FIXED, FIXED_FPIR, POLICIES
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol.policy import ACLU_COUNT
from helpers.protocol.scores import DECIMALS
from helpers.sources import groups, published
from helpers.statistics import rates

TIMES = 10  # no prediction beyond so many times our gallery
POLICY_LABELS = {
    "default": "Publisher's threshold",
    "fmr:0.0001": "FMR of 1 in 10,000",
    "fmr:1e-05": "FMR of 1 in 100,000",
    "fmr:1e-06": "FMR of 1 in 1,000,000",
    FIXED: "Threshold of the 28",
    FIXED_FPIR: "28 in every gallery",
}
METHODS = {False: "Tail alone", True: "Tail and measured growth"}


def whole() -> int:
    """Faces in the whole gallery, the same for the primary pipelines."""
    n = {size.faces(m) for m in PRIMARY_MODELS}
    if len(n) != 1:
        raise ValueError(f"the pipelines have galleries of different size: {sorted(n)}")
    return n.pop()


def aclu_gallery() -> int:
    """Faces in the ACLU's gallery."""
    return int(published.number("ACLU 2018", "gallery size (arrest photos)"))


def _percent(share):
    return (100 * share).round(1)


def marks() -> pd.DataFrame:
    """Members flagged at the threshold of the 28, by gallery size, beside the usual formula.

    Columns Program, Faces, Flagged (expected, exact), Formula (expected by 1 - (1 - FMR)^N).
    """
    table = size.curves((FIXED,))
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Faces": table["faces"],
            "Flagged": table["flagged"].round(1),
            "Formula": (table["searched"] * table["naive"]).round(1),
        }
    )


def growth() -> pd.DataFrame:
    """What the whole gallery brings over the smallest, at the threshold of the 28, by program."""
    table = size.curves((FIXED,))
    first = table[table["faces"] == size.SIZES[0]].set_index("model")
    last = table[table["faces"] == whole()].set_index("model")
    drawn = [f"{100 * a:.1f}–{100 * b:.1f}" for a, b in
             zip(first["spread_low"], first["spread_high"], strict=True)]  # fmt: skip
    return pd.DataFrame(
        {
            "Program": [MODEL_LABELS[m] for m in first.index],
            "Faces, small": size.SIZES[0],
            "Flagged, small": first["flagged"].round(1).to_numpy(),
            "Per cent, drawn small galleries": drawn,
            "Faces, whole": whole(),
            "Flagged, whole": last["flagged"].round().astype(int).to_numpy(),
            "Growth of faces": round(whole() / size.SIZES[0], 1),
            "Growth of flagged": (last["flagged"] / first["flagged"]).round(1).to_numpy(),
            "Formula expects": (last["searched"] * last["naive"]).round(1).to_numpy(),
            "Formula over exact": (last["naive"] / last["fpir"]).round(2).to_numpy(),
        }
    )


def by_size() -> pd.DataFrame:
    """FPIR by program, threshold and gallery size: exact, its intervals, and the formula."""
    table = size.curves()
    table = table[table["faces"].isin([size.SIZES[0], size.SIZES[-1], whole()])]
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Threshold": table["policy"].map(POLICY_LABELS),
            "Faces": table["faces"],
            "Flagged, expected": table["flagged"].round(1),
            "FPIR, %": _percent(table["fpir"]),
            "Low": _percent(table["low"]),
            "High": _percent(table["high"]),
            "Drawn galleries, low": _percent(table["spread_low"]),
            "Drawn galleries, high": _percent(table["spread_high"]),
            "Formula, %": _percent(table["naive"]),
        }
    ).reset_index(drop=True)


def concentration() -> pd.DataFrame:
    """On how many members the false-matching pairs fall, by program and threshold."""
    rows = []
    for model in PRIMARY_MODELS:
        for policy in POLICIES:
            c = size.concentration(model, policy)
            rows.append(
                {
                    "Program": MODEL_LABELS[model],
                    "Threshold": POLICY_LABELS[policy],
                    "False-matching pairs": c["pairs"],
                    "Members flagged": c["flagged"],
                    "If pairs fell by lot": round(c["even"]),
                    "Members who hold half of the pairs": c["half"],
                }
            )
    return pd.DataFrame(rows)


def ratio_by_size() -> pd.DataFrame:
    """The ratios at the smallest and the whole gallery, with intervals."""
    table = size.ratios()
    table = table[table["faces"].isin([size.SIZES[0], whole()])]
    shown = pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Fixed": table["policy"].map(POLICY_LABELS),
            "Faces": table["faces"],
            "Of colour, %": _percent(table["colour"]),
            "White, %": _percent(table["white"]),
        }
    )
    for name, column in {"Ratio": "", "Within recorded gender": "within_sex_"}.items():
        shown[name] = table["ratio" if not column else "within_sex"].round(2)
        shown[f"{name}, low"] = table[f"{column}low"].round(2)
        shown[f"{name}, high"] = table[f"{column}high"].round(2)
    ends = table[["spread_low", "spread_high"]].replace(np.inf, np.nan).round(2)
    shown[["Drawn galleries, low", "Drawn galleries, high"]] = ends
    return shown.reset_index(drop=True)


def groups_by_size() -> pd.DataFrame:
    """FPIR by recorded group in the smallest and the whole gallery, threshold of the 28."""
    table = size.by_group(FIXED)
    names = [groups.COLOUR, groups.NOT_ASIAN, *groups.GROUPS]
    table = table[table["faces"].isin([size.SIZES[0], whole()]) & table["group"].isin(names)]
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Group": table["group"].replace({groups.WHITE: "White members"}),
            "Faces": table["faces"],
            "Searched": table["searched"],
            "Flagged, expected": table["flagged"].round(1),
            "FPIR, %": _percent(table["fpir"]),
            "Low": _percent(table["low"]),
            "High": _percent(table["high"]),
        }
    ).reset_index(drop=True)


# ---------------------------------------------------------------- back-tests


def backtest() -> pd.DataFrame:
    """Every prediction of the whole gallery from a tenth, as rows of one figure.

    Columns model, policy, method, tenth, predicted, low, high, truth (members flagged), covered.
    At a fixed FPIR predicted is what the predicted threshold flags in the whole gallery.
    """
    constant = size.backtest_fixed_threshold().rename(columns={"kind": "method"})
    moving = size.backtest_fixed_fpir()
    moving = pd.DataFrame(
        {
            "model": moving["model"],
            "policy": FIXED_FPIR,
            "method": moving["grown"].map(METHODS),
            "tenth": moving["tenth"],
            "predicted": moving["flagged"],
            "low": moving["flagged_low"],
            "high": moving["flagged_high"],
            "truth": ACLU_COUNT,
            "covered": moving["covered"],
        }
    )
    return pd.concat([constant[list(moving.columns)], moving], ignore_index=True)


def foretold() -> pd.DataFrame:
    """The back-tests, a row a program, threshold and method: predictions, truth, how many hold."""
    by = ["model", "policy", "method"]
    table = backtest().groupby(by, sort=False)
    found = table.agg(
        truth=("truth", "first"),
        mean=("predicted", "mean"),
        lowest=("predicted", "min"),
        highest=("predicted", "max"),
        tenths=("tenth", "size"),
        held=("covered", "sum"),
    ).reset_index()
    return pd.DataFrame(
        {
            "Program": found["model"].map(MODEL_LABELS),
            "Threshold": found["policy"].map(POLICY_LABELS),
            "Method": found["method"].str.capitalize(),
            "Truth": found["truth"],
            "Mean prediction": found["mean"].round(1),
            "Lowest": found["lowest"].round(1),
            "Highest": found["highest"].round(1),
            "Tenths": found["tenths"],
            "Intervals that hold": found["held"].astype(int),
        }
    )


def held() -> pd.DataFrame:
    """How many of all back-tests at fixed thresholds each model's interval holds, and both."""
    table = size.bracket_test()
    names = {**{kind: kind.capitalize() for kind in KINDS}, "bracket": "Both together"}
    return pd.DataFrame(
        {
            "Model": list(names.values()),
            "Hold the truth": [int(table[kind].sum()) for kind in names],
            "Back-tests": int(table["tenths"].sum()),
        }
    )


# ---------------------------------------------------------------- larger galleries


def larger() -> pd.DataFrame:
    """Members flagged at the threshold of the 28 in larger galleries of strangers, in per cent."""
    table = size.beyond_fixed_threshold((aclu_gallery(), TIMES * whole()), (FIXED,))
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Faces": table["faces"],
            "In our gallery, %": _percent(table["now"]),
            "Low": _percent(table["low"]),
            **{f"{kind.capitalize()}, %": _percent(table[kind]) for kind in KINDS},
            "High": _percent(table["high"]),
        }
    )


def misses() -> pd.DataFrame:
    """Second portraits missed where 28 are flagged, here and in TIMES our gallery, and nobody."""
    table = size.beyond_fixed_fpir((TIMES * whole(),))
    table = table[table["grown"]]
    where = {whole(): "Our gallery, 28 flagged", TIMES * whole(): "Ten times ours, 28 flagged"}
    rows = []
    for model, part in table.groupby("model", sort=False):
        for row in part.to_dict("records"):
            values = [row[k] for k in ("misses", "pairs", "fnmr", "fnmr_low", "fnmr_high")]
            rows.append((model, where[row["faces"]], row["threshold"], *values))
        strictest = size.best_scores(model)[0] - 10.0**-DECIMALS
        missed = rates.fnmr(size.genuine(model), strictest)
        rows.append((model, "Our gallery, nobody flagged", strictest, *missed))
    columns = ["Program", "Gallery", "Threshold", "Missed", "Pairs", "Missed, %", "Low", "High"]
    found = pd.DataFrame(rows, columns=columns)
    found["Program"] = found["Program"].map(MODEL_LABELS)
    found["Threshold"] = found["Threshold"].map("{:.3f}".format)
    shares = ["Missed, %", "Low", "High"]
    found[shares] = _percent(found[shares])
    return found


def sizes() -> pd.DataFrame:
    """Sizes of galleries, ours and those that others announced, with where that stands."""
    aclu = published.published_results().query(
        "study == 'ACLU 2018' and quantity == 'gallery size (arrest photos)'"
    )
    others = size.announced()
    millions = others["faces"].map(lambda n: f"{n / 1e6:,.0f} million")
    return pd.DataFrame(
        {
            "Gallery": ["Ours", "The ACLU's test of 2018", "Amazon's test of 2019", "The FBI"],
            "Faces": [f"{whole():,}", f"{aclu_gallery():,}", *millions],
            "Where it stands": ["this repository", *aclu["source_url"], *others["source_url"]],
            "How it was read": ["counted", *aclu["status"], *others["status"]],
        }
    )
