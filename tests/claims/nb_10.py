"""What notebook 10 claims, and how it would be noticed if it were false."""

import pandas as pd

from helpers.experiments.explore import tables as t
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import FIGURES


def positions(program: str = "Dlib") -> dict[str, int]:
    """How many members are matched, by position, in the table that is cited."""
    table = pd.read_csv(FIGURES / "tab-10-positions.csv").set_index(["Pipeline", "Position"])
    return table.loc[program, "Falsely matched (FPIR)"].map(lambda s: int(s.split()[0])).to_dict()


def shares(**wanted) -> pd.Series:
    """The share of members matched at each position of the grid with these settings."""
    found = t.table().query("gallery == 'utkface'")
    for column, value in wanted.items():
        found = found[found[column] == value]
    return found[list(t.cells().index)].sum(axis=1) / t.cells().sum()


def nearly_anything() -> bool:
    """The threshold alone goes from few to nearly all, and the size alone more than halves."""
    for model in PRIMARY_MODELS:
        found = t.table().query("gallery == 'utkface' and model == @model")
        threshold = shares(model=model, size=found["size"].max())
        size = shares(model=model, name="count:28")
        if not (threshold.min() < 0.01 and threshold.max() > 0.95 and size.min() * 2 < size.max()):
            return False
    return True


def more_women() -> bool:
    part = {c: t.rows("female")[c] for c in ("White", "Members of colour")}
    women = {c: t.cells()[cells].sum() / t.cells()[t.rows()[c]].sum() for c, cells in part.items()}
    return women["Members of colour"] > women["White"]


CLAIMS = [
    (
        "Almost any number can be had, by moving the threshold and the size of the gallery.",
        nearly_anything,
    ),
    (
        "At its author's default Dlib takes 527 members for strangers with all faces, and 329 with "
        "a random 1,000.",
        lambda: (
            positions()["default, all faces"] == 527
            and positions()["default, a random 1,000 faces"] == 329
        ),
    ),
    (
        "At the threshold of 28 flagged, such a random draw leaves 3.",
        lambda: positions()["28 flagged, a random 1,000 faces"] == 3,
    ),
    (
        "A count of matches without both settings says little about a program.",
        lambda: positions()["default, all faces"] > 10 * positions()["28 flagged, all faces"],
    ),
    (
        "Women are a larger part of the members of colour than of the white members",
        more_women,
    ),
]
