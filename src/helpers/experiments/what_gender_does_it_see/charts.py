"""The pictures of notebook 12: errors with intervals, and curves over the threshold."""

import itertools

import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.what_gender_does_it_see.tables import CONFIDENCES, WORDS
from helpers.faces.gender_classifiers import CLASSIFIERS
from helpers.show.plots import PERCENT, dots, lines, name_rows, new_figure, note, row_positions
from helpers.show.style import INK, styled

# classes of UTKFace in the colours of the groups that come nearest; "Others" has none
ALIKE = {"Asian": "East Asian", "Indian": "South Asian", "Others": "Native and Pacific"}
GENDER_STYLES: dict[str, dict] = {
    "female": {"color": "#A03F14", "marker": "o", "ls": "-"},
    "male": {"color": INK, "marker": "s", "ls": (0, (4, 1.5))},
}
MEASURES = {"rate": ("low", "high", "errors"), "share": ("share_low", "share_high", "undecided")}


@styled()
def plot_strangers(table: pd.DataFrame) -> Figure:
    """Errors by published race, a block a classifier and gender."""
    at = row_positions(table["block"])
    fig, [[ax]] = new_figure(0.8 + 0.19 * (at[-1] + 1))
    shares = 100 * table[["rate", "low", "high"]].set_axis(["value", "low", "high"], axis=1)
    dots(ax, shares.assign(y=at, name=table["race"].replace(ALIKE)))
    for y, share in zip(at, shares["value"], strict=True):
        note(ax, y, f"{share:.1f} %", fontsize=8)
    name_rows(ax, at, table["race"], table["block"])
    ax.set(xlim=(0, 12.5), ylim=(at[-1] + 0.6, -1.6), xticks=[0, 5, 10])
    ax.xaxis.set_major_formatter(PERCENT)
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    return fig


@styled()
def plot_curves(table: pd.DataFrame) -> Figure:
    """Errors among the decided above, share undecided below, a column a classifier."""
    fig, axes = new_figure(4, len(MEASURES), len(CLASSIFIERS), sharex=True, sharey="row")
    for (i, measure), (j, name) in itertools.product(enumerate(MEASURES), enumerate(CLASSIFIERS)):
        ax, (low, high, words) = axes[i, j], MEASURES[measure]
        part = table[table["classifier"] == name].astype({"gender": str})
        part = part.assign(x=part.groupby("gender").cumcount())
        lines(ax, part, "x", measure, "gender", GENDER_STYLES, spread=(low, high), bars=True)
        ax.set_title(f"{name}: {words}", fontsize=8, pad=5)
        ax.set_xticks(range(len(CONFIDENCES)), [f"{t:g}".lstrip("0") for t in CONFIDENCES])
        ax.set_ylim(0, 105 * table[high].max())
        ax.yaxis.set_major_formatter(PERCENT)
        ax.grid(axis="y")
    for gender, y in (("female", 0.86), ("male", 0.7)):
        axes[1, 0].text(
            0.05, y, WORDS[gender].lower(), color=GENDER_STYLES[gender]["color"], fontsize=8,
            transform=axes[1, 0].transAxes, weight="bold",
        )  # fmt: skip
    axes[-1, 0].set_xlabel("Least confidence that counts", loc="left")
    return fig
