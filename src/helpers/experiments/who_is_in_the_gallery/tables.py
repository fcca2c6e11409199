"""Notebook 05 from what ships: the numbers of its tables and figures.

Reads data/results/composition*, which `make` makes.
"""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.the_people import tables as people
from helpers.experiments.who_is_in_the_gallery import compositions, matched
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import congress_test
from helpers.show import numbers
from helpers.show.numbers import percent
from helpers.sources import groups
from helpers.sources.groups import GROUPS
from helpers.statistics.intervals import wilson

Z = 1.959964
STATUS_WORDS = {
    "primary": "publisher's own page",
    "copy": "the publisher's table, on another page",
    "press": "press report",
}
TARGET_WORDS = {
    "us-adults": "US adults",
    "us-arrests": "US arrests",
    "us-arrests-suburban": "US arrests, suburban race table",
    "us-jails": "US jails",
    "asian": "share of Asian people who are Indian",
}
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
    "with children": "Children among them",
    "children only": "Children only",
    compositions.OWN: "Own label",
    compositions.OWN_SEX: "Own label and gender",
    "US arrests, men only": "Arrests, men only",
    "US arrests, Hispanic people as White": "Arrests, Hispanic people as White",
    "US arrests, suburban race table": "Arrests, suburban race table",
    "US arrests, white women twice as likely": "Arrests, white women twice as likely",
    "US arrests, white women half as likely": "Arrests, white women half as likely",
    "US jails": "Like US jails",
}
SHOWN = tuple(GALLERIES)[:14]
OWN_GALLERIES = ("as it is", compositions.OWN, compositions.OWN_SEX)
DRAWN = SHOWN[:7]  # in the picture of 28 marks
SERIES = {"crude": "All", "within": "Within recorded gender"}
AGES_FMRS = {  # thresholds at which counts by stratum ship; the second flags nearly 28
    "fmr:0.0001": "FMR of 1 in 10,000",
    "fmr:1e-05": "FMR of 1 in 100,000",
    "fmr:1e-06": "FMR of 1 in 1,000,000",
}


# ---------------------------------------------------------------- what ships


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(compositions.RESULTS / f"composition-{name}.csv")


@cache
def chances() -> pd.DataFrame:
    """The chance of each member in each gallery, with the member's recorded labels."""
    table = pd.read_parquet(compositions.RESULTS / "composition.parquet")
    for column in ("model", "composition", "policy", "member_id"):
        table[column] = table[column].astype(str)
    members = congress_test.people_searched()[["member_id", "group", "gender", "of_colour"]]
    table["chance"] = table["chance"].astype(np.float64)
    return table.merge(members, on="member_id", validate="many_to_one")


@cache
def galleries() -> pd.DataFrame:
    """One row a model, composition and policy, with the ratios of expected FPIRs.

    model, composition, policy, threshold, faces, expected (number flagged), colour_expected,
    colour_searched, white_expected, white_searched, and for each of crude, within (recorded gender)
    and not_asian: the ratio, <ratio>_low and _high. The interval adds the variance for other
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
        own = {
            "crude": (chance, False),
            "within": (chance, True),
            "not_asian": (compositions.without_asian(chance, part), False),
        }
        for name, log in zip(
            compositions.RATIOS, compositions.log_ratios(chance, part), strict=True
        ):
            values, within = own[name]
            variance = compositions.variance_members(values, part, within)
            half = Z * np.sqrt(variance + table.loc[key, f"variance_{name}"])
            row |= {
                name: np.exp(log),
                f"{name}_low": np.exp(log - half),
                f"{name}_high": np.exp(log + half),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def picked(compositions, policy: str = "matched") -> pd.DataFrame:
    """The rows of `galleries` of some compositions at a policy, in that order, model by model."""
    table = galleries()
    table = table[(table["policy"] == policy) & table["composition"].isin(compositions)]
    order = {name: i for i, name in enumerate(compositions)}
    model = {name: i for i, name in enumerate(PRIMARY_MODELS)}
    keys = [table["composition"].map(order), table["model"].map(model)]
    return table.iloc[np.lexsort(keys)].reset_index(drop=True)


def by_group(compositions, policy: str = "matched") -> pd.DataFrame:
    """Expected FPIR by recorded group: composition, model, group, searched, expected, fpir, low,
    high (Wilson on the expected number: as for one such gallery and independent searches).
    """
    rows = []
    table = chances()
    table = table[(table["policy"] == policy) & table["composition"].isin(compositions)].dropna()
    for (name, model), part in table.groupby(["composition", "model"], sort=False):
        for group, mask in groups.masks(part["group"]).items():
            n, k = int(mask.sum()), float(part.loc[mask, "chance"].sum())
            if n:
                low, high = wilson(k, n)
                rows.append((name, model, group, n, k, k / n, low, high))
    columns = ["composition", "model", "group", "searched", "expected", "fpir", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def heat(pairs: str = "same sex", threshold: str | None = None) -> pd.DataFrame:
    """FMR of each recorded group against each label, as `composition.heat` writes it."""
    threshold = threshold or f"fmr:{compositions.HEAT_FMR:g}"
    table = read("heat")
    return table[(table["pairs"] == pairs) & (table["threshold_name"] == threshold)].reset_index(
        drop=True
    )


def spread(compositions=compositions.MAIN, ratio: str = "crude") -> dict[str, pd.Series]:
    """Largest over smallest matched ratio when only the gallery, or only the program, changes.

    Keys: Gallery, a factor a model; Program, a factor a composition.
    """
    table = picked(compositions).pivot(index="model", columns="composition", values=ratio)
    return {
        "Gallery": table.max(axis=1) / table.min(axis=1),
        "Program": table.max(axis=0) / table.min(axis=0),
    }


# ---------------------------------------------------------------- who is in the galleries


def show_crosswalk() -> pd.DataFrame:
    """Each recorded group, the label of UTKFace taken as its own, and what that leaves out."""
    notes = {
        "White": "the nearest; UTKFace says nothing of Hispanic people who are white",
        "Black": "the nearest",
        "Hispanic": "mixes Hispanic, Latino and Middle Eastern; no class of its own",
        "East Asian": "the nearest",
        "South Asian": "the nearest",
        "Native and Pacific": "no class: left out of comparisons with the own group",
    }
    members = congress_test.people_searched()["group"].value_counts()
    adults = strata()
    adults = adults[~adults["stratum"].str.endswith(compositions.CHILD)]
    sizes = adults.groupby(adults["stratum"].str.split(", ").str[1])["faces"].sum()
    own = {g: groups.RACE_OF_GROUP.get(g, "none") for g in GROUPS}
    return pd.DataFrame(
        {
            "Recorded group (members)": GROUPS,
            "Members": [members[g] for g in GROUPS],
            "Label in UTKFace": own.values(),
            "Adult faces": [f"{sizes[v]:,}" if v in sizes else "0" for v in own.values()],
            "What it is worth": [notes[g] for g in GROUPS],
        }
    )


def show_targets() -> pd.DataFrame:
    """The published figures behind the targets, with their crosswalk, source and status."""
    table = compositions.targets()
    place = table[["race", "gender", "age_band"]].apply(
        lambda row: ", ".join(v for v in row if v), axis=1
    )
    site = table["source_url"].str.extract(r"https?://(?:www\.)?([^/]+)")[0]
    return pd.DataFrame(
        {
            "Target": table["target"].map(TARGET_WORDS),
            "Publisher's category": table["category"],
            "Here": place,
            "Published": table.apply(
                lambda r: f"{r['value']:,.10g} of {r['of']:,.10g} {r['unit']}", axis=1
            ),
            "Read at": site,
            "Read": table["status"].map(STATUS_WORDS),
            "Note": table["note"],
        }
    )


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
        share = part["drawn"] / part["drawn"].sum()
        parts_of_it = {race: share[part["race"] == race].sum() for race in groups.RACES}
        parts_of_it["Women"] = share[part["gender"] == "female"].sum()
        parts_of_it["Under 35"] = share[part["band"] != compositions.BANDS[1]].sum()
        row = {"Gallery": GALLERIES[name]} | {k: percent(v, 0) for k, v in parts_of_it.items()}
        row["Largest size"] = f"{compositions.largest_size(plans[name], faces):,}"
        rows.append(row)
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- the ratio


def ratio_rows() -> pd.DataFrame:
    """The matched ratios as the rows of a figure: model, row, series, ratio, low, high, ..."""
    parts = []
    for name, series in SERIES.items():
        table = picked(SHOWN)
        table = table[["model", "composition", "threshold", "faces", "expected", name]].assign(
            low=table[f"{name}_low"], high=table[f"{name}_high"], series=series
        )
        parts.append(table.rename(columns={"composition": "row", name: "ratio"}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(row=table["row"].map(GALLERIES))


def ratios(names=SHOWN, policy: str = "matched") -> pd.DataFrame:
    """The ratios of some galleries with their intervals, a row a gallery and program."""
    table = picked(names, policy)
    shown = pd.DataFrame(
        {
            "Gallery": table["composition"].map(GALLERIES),
            "Program": table["model"].map(MODEL_LABELS),
            "Faces": table["faces"].astype(int),
            "Members of colour, expected": table["colour_expected"].round(1),
            "White members, expected": table["white_expected"].round(1),
        }
    )
    for name, words in {"crude": "Ratio", "within": "Within recorded gender"}.items():
        shown[words] = table[name].round(2)
        shown[f"{words}, low"] = table[f"{name}_low"].round(2)
        shown[f"{words}, high"] = table[f"{name}_high"].round(2)
    return shown.assign(**{"Without Asian members": table["not_asian"].round(2)})


def marks() -> pd.DataFrame:
    """How many of 28 marks are members of colour: a row a gallery and program.

    Columns Gallery, Program, Marks of colour (whole), Of colour (expected), By chance (in
    proportion to those searched).
    """
    table = picked(DRAWN)
    table = table.iloc[np.argsort(table["composition"].map(DRAWN.index), kind="stable")]
    searched = table["colour_searched"] + table["white_searched"]
    share = table["colour_expected"] / table["expected"]
    return pd.DataFrame(
        {
            "Gallery": table["composition"].map(GALLERIES),
            "Program": table["model"].map(MODEL_LABELS),
            "Marks of colour": (compositions.WANTED * share).round().astype(int),
            "Of colour": (compositions.WANTED * share).round(1),
            "By chance": (compositions.WANTED * table["colour_searched"] / searched).round(1),
        }
    ).reset_index(drop=True)


def moved() -> pd.DataFrame:
    """How far the ratio moves with the gallery, program by program, and with the program."""
    sets = {"Four mixed galleries": compositions.MAIN, "All fourteen": SHOWN}
    measures = {"Ratio": "crude", "Within recorded gender": "within"}
    rows = [
        (galleries, measure, what, round(factor.min(), 1), round(factor.max(), 1))
        for galleries, names in sets.items()
        for measure, column in measures.items()
        for what, factor in spread(names, column).items()
    ]
    columns = ["Galleries", "Measure", "What changes", "Smallest factor", "Largest factor"]
    return pd.DataFrame(rows, columns=columns)


def by_group_table(names=compositions.MAIN) -> pd.DataFrame:
    """Expected members flagged by recorded group: a row a gallery, program and group."""
    table = by_group(names)
    order = [groups.COLOUR, groups.NOT_ASIAN, *GROUPS]
    keys = [table["group"].map(order.index), table["model"].map(PRIMARY_MODELS.index)]
    table = table.iloc[np.lexsort([*keys, table["composition"].map(list(names).index)])]
    return pd.DataFrame(
        {
            "Gallery": table["composition"].map(GALLERIES),
            "Program": table["model"].map(MODEL_LABELS),
            "Group": table["group"].replace({groups.WHITE: "White members"}),
            "Searched": table["searched"],
            "Flagged, expected": table["expected"].round(1),
            "FPIR, %": (100 * table["fpir"]).round(1),
            "Low": (100 * table["low"]).round(1),
            "High": (100 * table["high"]).round(1),
        }
    ).reset_index(drop=True)


# ---------------------------------------------------------------- pairs of groups


def show_heat() -> pd.DataFrame:
    """The rows that the heatmap draws, members in the order of groups."""
    table = heat()
    order = {m: i for i, m in enumerate(PRIMARY_MODELS)}
    return table.iloc[np.argsort(table["model"].map(order), kind="stable")].reset_index(drop=True)


def own_is_highest() -> pd.DataFrame:
    """For each model and group with a label: is its FMR highest against the own label?

    Columns model, group, own, highest (a label), ratio: FMR against the own label over that against
    all others together.
    """
    rows = []
    for (model, group), part in show_heat().groupby(["model", "group"], sort=False):
        own = groups.RACE_OF_GROUP.get(group)
        if own is None:
            continue
        part = part.set_index("race")
        if not part["errors"].any():
            rows.append((model, group, own, "none", np.nan))
            continue
        rest = part.drop(index=own)
        other = rest["errors"].sum() / rest["comparisons"].sum()
        ratio = part.loc[own, "fmr"] / other if other else np.inf
        rows.append((model, group, own, part["fmr"].idxmax(), ratio))
    return pd.DataFrame(rows, columns=["model", "group", "own", "highest", "ratio"])


# ---------------------------------------------------------------- equal own-group size


OWN_ROWS = (groups.COLOUR, groups.NOT_ASIAN, *GROUPS[:-1])


def own_figure_rows() -> pd.DataFrame:
    """Expected FPIR by group, gallery as it is against equally many of the own group.

    Columns model, row (group), series (composition), searched, expected, fpir, low, high.
    """
    table = by_group(("as it is", compositions.OWN))
    table = table[table["group"].isin(OWN_ROWS)]
    table = table.rename(columns={"composition": "series", "group": "row"})
    order = {m: i for i, m in enumerate(PRIMARY_MODELS)}
    return table.iloc[np.argsort(table["model"].map(order), kind="stable")].reset_index(drop=True)


# ---------------------------------------------------------------- the members' ages


def ages() -> pd.DataFrame:
    """Galleries with the members' own ages and genders beside UTKFace as it is, by program.

    One size and three thresholds, from the counts that ship. No intervals: the counts do not say
    which identities of the gallery match.
    """
    members = congress_test.people_searched()
    names = {
        matched.AS_IT_IS: "UTKFace as it is",
        matched.AGES: "The members' ages",
        matched.AGES_GENDERS: "The members' ages and genders",
    }
    parts = []
    for model in PRIMARY_MODELS:
        folder = DATA / "scores" / f"utkface-{model}"
        every = pd.read_parquet(folder / "counts.parquet")
        faces = pd.read_csv(folder / "strata.csv").set_index("stratum")["faces"]
        for policy, words in AGES_FMRS.items():
            found = matched.expected(members, every[every["threshold"] == policy], faces)
            parts.append(found.assign(threshold=words, program=MODEL_LABELS[model]))
    table = pd.concat(parts).query("design in @names")
    return pd.DataFrame(
        {
            "Threshold": table["threshold"],
            "Program": table["program"],
            "Gallery": table["design"].map(names),
            "Faces": table["size"],
            "Flagged, expected": table["flagged"].round(1),
            "Ratio": table["crude"].round(2),
            "Within recorded gender": table["within"].round(2),
            "Without Asian members": table["not_asian"].round(2),
        }
    ).reset_index(drop=True)


# ---------------------------------------------------------------- thresholds


def one_threshold(names=SHOWN) -> pd.DataFrame:
    """Expected members flagged in each gallery, at the library's threshold and at that of the 28.

    The 28 are flagged in the whole gallery, which is larger than these.
    """
    table = picked(names, "primary")
    default = picked(names, "default")
    return pd.DataFrame(
        {
            "Gallery": table["composition"].map(GALLERIES),
            "Program": table["model"].map(MODEL_LABELS),
            "Flagged at the threshold of the 28": table["expected"].round(1),
            "Flagged at the publisher's threshold": default["expected"].round(1),
            "Ratio at the publisher's threshold": default["crude"].round(2),
        }
    )


# ---------------------------------------------------------------- labels


def show_disagreement() -> pd.DataFrame:
    """How often the published labels of the same photograph, or of near-duplicates, differ."""
    shipped = people.utkface_labels()
    near = read("disagreement").set_index("label")
    several = int(shipped["images with several names"])
    rows = []
    for label, words in (("gender", "gender"), ("race", "race")):
        k = int(shipped[f"of these, names that disagree on {label}"])
        a, b, m, n = near.loc[label, ["clusters_differ", "clusters", "pairs_differ", "pairs"]]
        rows.append(
            {
                "Label": words,
                "Identical photographs that disagree": numbers.rate(
                    k, several, *wilson(k, several)
                ),
                "Near-duplicate identities that disagree": numbers.rate(a, b, *wilson(a, b)),
                "Pairs of near-duplicates that disagree": numbers.rate(m, n),
            }
        )
    return pd.DataFrame(rows)


def labels() -> pd.DataFrame:
    """The matched ratios under other labels: a row a variant, gallery and program."""
    table = read("labels")
    return pd.DataFrame(
        {
            "Labels": table["labels"],
            "Gallery": table["composition"].map(GALLERIES),
            "Program": table["model"].map(MODEL_LABELS),
            "Adult faces": table["faces"],
            "Ratio": table["ratio"].round(2),
            "Lowest of the redraws": table["ratio_low"].round(2),
            "Highest of the redraws": table["ratio_high"].round(2),
        }
    )
