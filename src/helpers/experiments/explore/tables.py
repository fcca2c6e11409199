"""What the explorer and its notebook show: positions of the sliders on the shipped grid."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.explore.make import RESULTS, TABLE
from helpers.faces.pipelines import MODEL_LABELS, MODELS
from helpers.protocol import shipped
from helpers.show import numbers
from helpers.sources import groups
from helpers.statistics.intervals import wilson

GENDERS = {"": "Everyone", "female": "Women", "male": "Men"}  # as recorded by the publisher
OPENING = ("utkface", "dlib-native", "count:28")
POSITIONS = {
    "28 flagged, all faces": ("count:28", None),
    "28 flagged, a random 1,000 faces": ("count:28", 1000),
    "default, all faces": ("default", None),
    "default, a random 1,000 faces": ("default", 1000),
    "FMR 1e-5, all faces": ("fmr:1e-05", None),
}
DRAWN = (1000, 5000)  # sizes in the figure, besides the whole gallery


@cache
def table() -> pd.DataFrame:
    """The shipped grid: one row a gallery, model, threshold and size, columns as `explore`."""
    return pd.read_csv(RESULTS / TABLE, keep_default_na=False)


@cache
def cells() -> pd.Series:
    """How many members were searched, by cell ("White, female"), failures to enrol included."""
    members = shipped.result(*OPENING[:2]).members
    sizes = (members["group"] + ", " + members["gender"]).value_counts()
    return sizes.reindex(table().columns[6:]).rename("searched")


def rows(gender: str = "") -> dict[str, list[str]]:
    """The rows of the explorer's table: a name and the cells that it sums.

    gender: "" for everyone, else the recorded gender that is shown.
    """
    mine = [c for c in cells().index if gender in ("", c.split(", ")[1])]
    of_group = {g: [c for c in mine if c.split(", ")[0] == g] for g in groups.GROUPS}
    colour = [c for g in groups.OF_COLOUR for c in of_group[g]]
    return {
        {"": "All members", "female": "All women", "male": "All men"}[gender]: mine,
        groups.WHITE: of_group[groups.WHITE],
        groups.COLOUR: colour,
        groups.NOT_ASIAN: [
            c for g in groups.OF_COLOUR if g not in groups.ASIAN for c in of_group[g]
        ],
        **{g: of_group[g] for g in groups.OF_COLOUR},
    }


def state(gallery: str, model: str, policy: str, size: int | None = None, gender: str = ""):
    """One position of the sliders: a row each of `rows` with searched, flagged, fpir, low, high.

    policy: a name of NAMED. size: faces, None for the whole gallery. flagged is an expectation
    where the gallery is smaller than the whole; low, high: Wilson, as if so many were flagged.
    Raises LookupError for a position that is not on the grid.
    """
    found = table()
    found = found[(found["gallery"] == gallery) & (found["model"] == model)]
    found = found[(found["name"] == policy) & (found["size"] == (size or found["size"].max()))]
    if len(found) != 1:
        raise LookupError(f"{gallery}, {model}, {policy}, {size} is not on the grid")
    shown = []
    for name, parts in rows(gender).items():
        n, k = int(cells()[parts].sum()), float(found[parts].iloc[0].sum())
        low, high = wilson(k, n) if n else (np.nan, np.nan)
        fpir = k / n if n else np.nan
        shown.append((name, n, k, fpir, float(low), float(high)))
    return pd.DataFrame(shown, columns=["group", "searched", "flagged", "fpir", "low", "high"])


def show_positions() -> pd.DataFrame:
    """All members at some positions of the explorer, a row a pipeline and position."""
    rows = []
    for model in MODELS:
        for words, (policy, size) in POSITIONS.items():
            r = state("utkface", model, policy, size).iloc[0]
            said = numbers.rate(round(r["flagged"]), r["searched"], r["low"], r["high"])
            rows.append((MODEL_LABELS[model], words, said))
    return pd.DataFrame(rows, columns=["Pipeline", "Position", "Falsely matched (FPIR)"])


def curves() -> pd.DataFrame:
    """All members' FPIR over the thresholds for some gallery sizes of `utkface`, for the figure.

    Columns model, size, threshold, per_million, flagged, searched, fpir, low, high.
    """
    found = table()
    found = found[(found["gallery"] == "utkface") & (found["per_million"] > 0)]
    largest = found.groupby("model")["size"].transform("max")
    found = found[found["size"].isin(DRAWN) | (found["size"] == largest)]
    n = int(cells().sum())
    flagged = found[list(cells().index)].sum(axis=1)
    low, high = wilson(flagged.to_numpy(), n)
    columns = ["model", "size", "threshold", "per_million"]
    return found[columns].assign(flagged=flagged, searched=n, fpir=flagged / n, low=low, high=high)
