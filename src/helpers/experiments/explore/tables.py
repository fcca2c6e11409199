"""What the explorer and its notebook show: positions of the sliders on the shipped grid."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.explore.make import RESULTS, TABLE
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
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
    """The rows of the table: name -> cells that it sums, of one recorded gender or ("") of all."""
    mine = cells().index[[gender in ("", c.split(", ")[1]) for c in cells().index]]
    inside = groups.masks([c.split(", ")[0] for c in mine])
    order = (groups.WHITE, groups.COLOUR, groups.NOT_ASIAN, *groups.OF_COLOUR)
    everyone = {"": "All members", "female": "All women", "male": "All men"}[gender]
    return {everyone: mine.tolist()} | {g: mine[inside[g]].tolist() for g in order}


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
    for model in PRIMARY_MODELS:
        for words, (policy, size) in POSITIONS.items():
            r = state("utkface", model, policy, size).iloc[0]
            said = numbers.rate(round(r["flagged"]), r["searched"], r["low"], r["high"])
            rows.append((MODEL_LABELS[model], words, said))
    return pd.DataFrame(rows, columns=["Pipeline", "Position", "Falsely matched (FPIR)"])
