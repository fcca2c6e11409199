"""Notebook 05 from what ships: the numbers of its tables and figures.

Reads data/results/composition*, which `make` makes.
"""

import itertools
from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.who_is_in_the_gallery import compositions, matched
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import congress_test
from helpers.show.numbers import percent
from helpers.sources import groups
from helpers.statistics.intervals import wilson

Z = 1.959964
# how the text names the compositions
GALLERIES = {
    "White only": "White faces only",
    compositions.LEGISLATORS: "Former legislators",
    "US adults": "Like US adults",
    "US arrests": "Like US arrests",
    "as it is": "UTKFace as it is",
    "balanced": "Balanced",
    "Black only": "Black faces only",
    "Asian only": "Asian faces only",
    "Indian only": "Indian faces only",
    "Others only": "Other faces only",
    "women only": "Women only",
    "men only": "Men only",
    compositions.OWN: "Own label",
    "US arrests, men only": "Arrests, men only",
    "US arrests, Hispanic people as White": "Arrests, Hispanic people as White",
}
SHOWN = tuple(GALLERIES)[:12]
DRAWN = SHOWN[:7]  # in the picture of 28 marks
SERIES = {"crude": "All", "within": "Within recorded gender"}
AGES_GALLERIES = ("UTKFace as it is", "The members' ages", "The members' ages and genders")
AGES_FMRS = {  # thresholds at which counts by stratum ship; the second flags nearly 28
    "fmr:0.0001": "FMR of 1 in 10,000",
    "fmr:1e-05": "FMR of 1 in 100,000",
    "fmr:1e-06": "FMR of 1 in 1,000,000",
}


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(compositions.RESULTS / f"composition-{name}.csv")


@cache
def chances() -> pd.DataFrame:
    """The chance of each member in each gallery, with the member's recorded labels."""
    table = pd.read_parquet(compositions.RESULTS / "composition.parquet")
    table = table.astype(dict.fromkeys(("model", "composition", "policy", "member_id"), str))
    members = congress_test.people_searched()[["member_id", "group", "gender", "of_colour"]]
    table["chance"] = table["chance"].astype(np.float64)
    return table.merge(members, on="member_id", validate="many_to_one")


@cache
def galleries() -> pd.DataFrame:
    """One row a model, composition and policy: what ships, expected and searched by group, ratios.

    For each of RATIOS: <ratio>, <ratio>_low and _high. The interval adds the variance for other
    members to that for other gallery identities, which is on the safe side.
    """
    rows = []
    table = read("galleries").set_index(["model", "composition", "policy"])
    for key, part in chances().groupby(["model", "composition", "policy"], sort=False):
        chance = part["chance"].to_numpy()
        there = part.dropna(subset="chance")
        colour = there[there["of_colour"]]["chance"]
        white = there[~there["of_colour"]]["chance"]
        row = dict(zip(("model", "composition", "policy"), key, strict=True))
        row |= table.loc[key, ["threshold", "faces", "expected"]].to_dict()
        row |= {"colour_expected": colour.sum(), "colour_searched": len(colour)}
        row |= {"white_expected": white.sum(), "white_searched": len(white)}
        each = compositions.each_ratio(chance, part)
        for name, (values, within) in zip(compositions.RATIOS, each, strict=True):
            log = compositions.log_ratio(values, part, within)
            variance = compositions.variance_members(values, part, within)
            half = Z * np.sqrt(variance + table.loc[key, f"variance_{name}"])
            bounds = np.exp([log, log - half, log + half])
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), bounds, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def picked(names, policy: str = "matched") -> pd.DataFrame:
    """The rows of `galleries` of some compositions at a policy, in that order, model by model."""
    table = galleries().set_index(["model", "composition", "policy"])
    wanted = itertools.product(PRIMARY_MODELS, names, [policy])
    return table.loc[list(wanted)].reset_index()


@cache
def strata() -> pd.DataFrame:
    """Faces of each stratum that are enrolled: stratum, faces."""
    table = read("strata")
    return table[table["composition"] == "as it is"][["stratum", "faces"]].reset_index(drop=True)


def show_compositions() -> pd.DataFrame:
    """Who is in each gallery, in per cent of its faces, and the largest size it could have."""
    table = read("strata")
    faces = strata().set_index("stratum")["faces"]
    parts = table["stratum"].str.split(", ", expand=True)
    table = table.assign(gender=parts[0], race=parts[1], band=parts[2])
    rows = []
    plans = compositions.designs(faces)
    for name, part in table.groupby("composition", sort=False):
        who = {race: part["race"] == race for race in groups.RACES}
        who |= {"Women": part["gender"] == "female"}
        who |= {"Under 35": part["band"] != compositions.BANDS[1]}
        drawn = part["drawn"] / compositions.SIZE
        share = {k: percent(drawn[v].sum(), 0) for k, v in who.items()}
        size = compositions.largest_size(plans[name], faces)
        rows.append({"Gallery": GALLERIES[name]} | share | {"Largest size": f"{size:,}"})
    return pd.DataFrame(rows)


def ratio_rows() -> pd.DataFrame:
    """The matched ratios as the rows of a figure: model, row, series, ratio, low, high, ..."""
    columns = ["model", "composition", "threshold", "faces", "expected"]
    table, parts = picked(SHOWN), []
    for name, series in SERIES.items():
        part = table[[*columns, name, f"{name}_low", f"{name}_high"]]
        part = part.set_axis(["model", "row", *columns[2:], "ratio", "low", "high"], axis=1)
        parts.append(part.assign(series=series, row=part["row"].map(GALLERIES)))
    return pd.concat(parts, ignore_index=True)


def ratios() -> pd.DataFrame:
    """The ratios with their intervals, a row a gallery and program."""
    table = picked(GALLERIES)
    shown = {
        "Gallery": table["composition"].map(GALLERIES),
        "Program": table["model"].map(MODEL_LABELS),
        "Faces": table["faces"].astype(int),
        "Members of colour, expected": table["colour_expected"].round(1),
        "White members, expected": table["white_expected"].round(1),
    }
    shown = pd.DataFrame(shown)
    for name, words in {"crude": "Ratio", "within": "Within recorded gender"}.items():
        for end, word in {"": "", "_low": ", low", "_high": ", high"}.items():
            shown[words + word] = table[name + end].round(2)
    return shown.assign(**{"Without Asian members": table["not_asian"].round(2)})


def marks() -> pd.DataFrame:
    """How many of 28 marks are members of colour: expected, whole, and in proportion."""
    table = pd.concat([picked([name]) for name in DRAWN], ignore_index=True)
    searched = table["colour_searched"] + table["white_searched"]
    share = table["colour_expected"] / table["expected"]
    shown = {
        "Gallery": table["composition"].map(GALLERIES),
        "Program": table["model"].map(MODEL_LABELS),
        "Marks of colour": (compositions.WANTED * share).round().astype(int),
        "Of colour": (compositions.WANTED * share).round(1),
        "By chance": (compositions.WANTED * table["colour_searched"] / searched).round(1),
    }
    return pd.DataFrame(shown)


def group_rows(chance, group) -> list[tuple]:
    """By recorded group: name, searched, expected flagged, FPIR in %, low, high (Wilson)."""
    rows = []
    masks = groups.masks(group)
    for name in (groups.COLOUR, groups.NOT_ASIAN, *groups.GROUPS):
        n, k = int(masks[name].sum()), float(chance[masks[name]].sum())
        shares = [round(100 * v, 1) for v in (k / n, *wilson(k, n))]
        words = "White members" if name == groups.WHITE else name
        rows.append((words, n, round(k, 1), *shares))
    return rows


def by_group_table() -> pd.DataFrame:
    """Expected members flagged by recorded group: a row a mixed gallery, program and group."""
    table = chances().query("policy == 'matched'").set_index(["composition", "model"])
    rows = []
    for name, model in itertools.product(compositions.MAIN, PRIMARY_MODELS):
        part = table.loc[[(name, model)]]
        found = group_rows(part["chance"].to_numpy(), part["group"])
        rows += [(GALLERIES[name], MODEL_LABELS[model], *row) for row in found]
    columns = ["Gallery", "Program", "Group", "Searched", "Flagged, expected", "FPIR, %"]
    return pd.DataFrame(rows, columns=[*columns, "Low", "High"])


def own_is_highest() -> pd.DataFrame:
    """The label against which each group's FMR is highest, beside its own."""
    table = read("heat")
    table = table[table["group"].isin(groups.RACE_OF_GROUP)]
    found = table.loc[table.groupby(["model", "group"], sort=False)["fmr"].idxmax()]
    own = found["group"].map(groups.RACE_OF_GROUP)
    return found[["model", "group"]].assign(own=own, highest=found["race"])


def ages() -> pd.DataFrame:
    """Galleries with the members' ages and genders, at three thresholds, from counts that ship."""
    members = congress_test.people_searched()
    names = dict(zip(matched.DESIGNS, AGES_GALLERIES, strict=True))
    parts = []
    for (fmr, words), model in itertools.product(AGES_FMRS.items(), PRIMARY_MODELS):
        folder = DATA / "scores" / f"utkface-{model}"
        counts = pd.read_parquet(folder / "counts.parquet")
        faces = pd.read_csv(folder / "strata.csv").set_index("stratum")["faces"]
        found = matched.expected(members, counts[counts["threshold"] == fmr], faces)
        parts.append(found.assign(Threshold=words, Program=MODEL_LABELS[model]))
    table = pd.concat(parts, ignore_index=True)
    table["design"] = table["design"].map(names)
    columns = {"design": "Gallery", "size": "Faces", "flagged": "Flagged, expected"}
    columns |= {"crude": "Ratio", "within": "Within recorded gender"}
    columns |= {"not_asian": "Without Asian members"}
    table = table.round({"flagged": 1} | dict.fromkeys(compositions.RATIOS, 2))
    return table[["Threshold", "Program", *columns]].rename(columns=columns)


def one_threshold() -> pd.DataFrame:
    """Expected members flagged at the threshold of the 28 and at the publisher's, by gallery."""
    table, default = picked(SHOWN, "primary"), picked(SHOWN, "default")
    shown = {
        "Gallery": table["composition"].map(GALLERIES),
        "Program": table["model"].map(MODEL_LABELS),
        "Flagged at the threshold of the 28": table["expected"].round(1),
        "Flagged at the publisher's threshold": default["expected"].round(1),
        "Ratio at the publisher's threshold": default["crude"].round(2),
    }
    return pd.DataFrame(shown)
