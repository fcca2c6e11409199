"""Notebook 05 from what ships: the numbers of its tables and figures.

Reads data/results/composition*, which `make` makes.
"""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.the_people import tables as people
from helpers.experiments.who_is_in_the_gallery import compositions
from helpers.experiments.who_is_in_the_gallery import make as c
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import congress_test
from helpers.protocol import policy as policies
from helpers.show import numbers
from helpers.show.numbers import percent
from helpers.sources import groups
from helpers.sources.groups import GROUPS
from helpers.statistics.intervals import wilson

Z = 1.959964
POLICY_WORDS = {
    "default": policies.label("default"),
    "primary": "threshold of the 28 in the whole gallery",
    "matched": "threshold set anew, 28 expected",
}
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
SHOWN = (
    *compositions.MAIN,
    *compositions.SINGLE,
    "women only",
    "men only",
    compositions.LEGISLATORS,
)


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
    colour_searched, white_expected, white_searched, and for each of crude, within (recorded sex)
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


def spread(compositions=compositions.MAIN, ratio: str = "crude") -> dict:
    """How far the matched ratio moves with the gallery, and how far with the model.

    Keys: by_gallery, model -> largest over smallest ratio among the compositions; by_model,
    composition -> the same among the models; shares, of the sum of squares of the log ratios:
    model, composition, rest (two-way table, descriptive).
    """
    table = picked(compositions).pivot(index="model", columns="composition", values=ratio)
    logs = np.log(table)
    total = ((logs - logs.to_numpy().mean()) ** 2).to_numpy().sum()
    row, column = logs.mean(axis=1), logs.mean(axis=0)
    middle = logs.to_numpy().mean()
    model = logs.shape[1] * ((row - middle) ** 2).sum() / total
    gallery = logs.shape[0] * ((column - middle) ** 2).sum() / total
    return {
        "by_gallery": (table.max(axis=1) / table.min(axis=1)).to_dict(),
        "by_model": (table.max(axis=0) / table.min(axis=0)).to_dict(),
        "shares": {"model": model, "gallery": gallery, "rest": 1 - model - gallery},
    }


# ---------------------------------------------------------------- phrases


def ratio_text(row, name: str = "crude") -> str:
    return numbers.ratio(row[name], row[f"{name}_low"], row[f"{name}_high"])


def number_text(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}"


def expected_text(k: float, n: int) -> str:
    return f"{number_text(k)} of {n} ({percent(k / n)})"


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
        row = {"Gallery": name}
        row |= {race: share[part["race"] == race].sum() for race in groups.RACES}
        row["Women"] = share[part["gender"] == "female"].sum()
        row["Under 35"] = share[part["band"] != compositions.BANDS[1]].sum()
        row = {k: v if k == "Gallery" else percent(v, 0) for k, v in row.items()}
        row["Largest size"] = f"{compositions.largest_size(plans[name], faces):,}"
        rows.append(row)
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- the ratio


def ratio_rows() -> pd.DataFrame:
    """The matched ratios as the rows of a figure: model, row, series, ratio, low, high, ..."""
    parts = []
    for name in ("crude", "within"):
        table = picked(SHOWN)
        table = table[["model", "composition", "threshold", "faces", "expected", name]].assign(
            low=table[f"{name}_low"], high=table[f"{name}_high"], series=name
        )
        parts.append(table.rename(columns={"composition": "row", name: "ratio"}))
    return pd.concat(parts, ignore_index=True)


def show_ratios(compositions=SHOWN) -> pd.DataFrame:
    """The matched ratios written out, a row a gallery and model."""
    table = picked(compositions)
    return pd.DataFrame(
        {
            "Gallery": table["composition"],
            "Model": table["model"].map(MODEL_LABELS),
            "Threshold": table["threshold"].map("{:.4f}".format),
            "Of colour, expected": table.apply(
                lambda r: expected_text(r["colour_expected"], r["colour_searched"]), axis=1
            ),
            "White, expected": table.apply(
                lambda r: expected_text(r["white_expected"], r["white_searched"]), axis=1
            ),
            "FPIR ratio": table.apply(ratio_text, axis=1),
            "Within recorded sex": table.apply(ratio_text, axis=1, name="within"),
            "Not Asian": table.apply(ratio_text, axis=1, name="not_asian"),
        }
    )


def show_groups(compositions=compositions.MAIN) -> pd.DataFrame:
    """Expected number flagged by recorded group: a row a model and group, a column a gallery."""
    table = by_group(compositions)
    table["text"] = table.apply(_with_interval, axis=1)
    wide = table.pivot(index=["model", "group"], columns="composition", values="text")
    names = [groups.COLOUR, groups.NOT_ASIAN, *GROUPS]
    wide = wide.reindex(pd.MultiIndex.from_product([PRIMARY_MODELS, names]))[list(compositions)]
    shown = wide.rename(columns=lambda name: name[0].upper() + name[1:]).reset_index(
        names=["Model", "Group"]
    )
    return shown.assign(Model=shown["Model"].map(MODEL_LABELS)).fillna("–")


def _with_interval(row) -> str:
    text = expected_text(row["expected"], row["searched"])[:-1]
    return f"{text}, {numbers.interval(row['low'], row['high'])})"


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


def show_own() -> pd.DataFrame:
    """As `show_groups`, for the galleries of the own group, and of the own group and sex."""
    return show_groups(("as it is", compositions.OWN, compositions.OWN_SEX))


# ---------------------------------------------------------------- thresholds


def show_policies(names=compositions.MAIN) -> pd.DataFrame:
    """Expected number flagged and ratio of the main galleries at each threshold policy."""
    rows = []
    for name in names:
        for model in PRIMARY_MODELS:
            row = {"Gallery": name, "Model": MODEL_LABELS[model]}
            for policy in compositions.POLICIES:
                found = picked((name,), policy).set_index("model").loc[model]
                searched = found["colour_searched"] + found["white_searched"]
                words = POLICY_WORDS[policy].split(",")[0]
                row[f"Flagged, {words}"] = expected_text(found["expected"], int(searched))
                row[f"Ratio, {words}"] = ratio_text(found)
            rows.append(row)
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- children, women and men, arrests


OTHERS = (
    "as it is",
    "with children",
    "children only",
    "women only",
    "men only",
    compositions.LEGISLATORS,
)


def show_others() -> pd.DataFrame:
    """Children, women and men, legislators: expected number at one threshold, and the ratios."""
    one, matched = picked(OTHERS, "primary"), picked(OTHERS)
    searched = (one["colour_searched"] + one["white_searched"]).iloc[0]
    return pd.DataFrame(
        {
            "Gallery": one["composition"],
            "Model": one["model"].map(MODEL_LABELS),
            "Flagged at the one threshold": one["expected"].map(
                lambda k: expected_text(k, searched)
            ),
            "Ratio, 28 expected": matched.apply(ratio_text, axis=1),
            "Within recorded sex": matched.apply(ratio_text, axis=1, name="within"),
        }
    )


def show_arrests() -> pd.DataFrame:
    """The matched ratios under other assumptions on the arrest gallery."""
    return show_ratios(compositions.ARRESTS).drop(columns=["Threshold", "Not Asian"])


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


def show_labels() -> pd.DataFrame:
    """The matched ratios under other labels, a row a variant, a column a gallery and model."""
    table = read("labels")
    rows = []
    for labels, part in table.groupby("labels", sort=False):
        row = {"Labels": labels, "Adult faces": f"{part['faces'].iloc[0]:,}"}
        part = part.set_index(["composition", "model"])
        for name in c.RELABELLED:
            for model in PRIMARY_MODELS:
                found = part.loc[(name, model)]
                text = f"{found['ratio']:.2f}"
                if found["draws"] > 1:
                    text += f" ({found['ratio_low']:.2f}–{found['ratio_high']:.2f})"
                row[f"{name}, {MODEL_LABELS[model]}"] = text
        rows.append(row)
    return pd.DataFrame(rows)
