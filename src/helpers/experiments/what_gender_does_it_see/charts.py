"""The pictures of notebook 12: errors with intervals, and curves over the threshold."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.experiments.what_gender_does_it_see.tables import CONFIDENCES, WORDS
from helpers.faces.gender_classifiers import CLASSIFIERS
from helpers.show.plots import PERCENT, lines, new_figure, plot_dots_with_intervals
from helpers.show.style import INK, styled

# classes of UTKFace in the colours of the groups that come nearest; "Others" has none
ALIKE = {"Asian": "East Asian", "Indian": "South Asian", "Others": "Native and Pacific"}
GENDER_STYLES: dict[str, dict] = {
    "female": {"color": "#A03F14", "marker": "o", "ls": "-"},
    "male": {"color": INK, "marker": "s", "ls": (0, (4, 1.5))},
}
MEASURES = {
    "rate": ("low", "high", "errors among decided"),
    "share": ("share_low", "share_high", "left undecided"),
}


def plot_strangers(table: pd.DataFrame) -> Figure:
    """Errors by published race, a block a classifier and gender."""
    table = table.assign(group=table["race"].replace(ALIKE))
    return plot_dots_with_intervals(
        table, "race", "rate", "low", "high", count="wrong", n="n", section="block",
        group="group", counted="wrong",
        xlabel="Guesses that differ from the published label",
    )  # fmt: skip


@styled()
def plot_curves(table: pd.DataFrame) -> Figure:
    """A row a classifier; errors among the decided and share undecided, members and strangers."""
    columns = [(people, m) for people in ("members", "strangers") for m in MEASURES]
    fig, axes = new_figure(4.3, len(CLASSIFIERS), len(columns), sharex=True, sharey="col")
    for i, name in enumerate(CLASSIFIERS):
        for ax, (people, measure) in zip(axes[i], columns, strict=True):
            part = table.query("classifier == @name and people == @people")
            _lines(ax, part, measure, "gender", GENDER_STYLES)
            title = f"{people.capitalize()}:\n{MEASURES[measure][2]}" if i == 0 else ""
            highest = table.query("people == @people")[MEASURES[measure][1]].max()
            _threshold_axis(ax, title, 105 * highest)
        axes[i, 0].set_ylabel(name)
    for gender, y in (("female", 0.86), ("male", 0.7)):
        _name(axes[0, -1], WORDS[gender].lower(), GENDER_STYLES[gender]["color"], y)
    axes[-1, 0].set_xlabel("Least confidence that counts", loc="left")
    return fig


def _name(ax, text: str, colour: str, y: float) -> None:
    """A line's name in its colour, in a panel that has room."""
    ax.text(0.05, y, text, color=colour, transform=ax.transAxes, weight="bold", fontsize=8,
            va="center")  # fmt: skip


def _lines(ax, part: pd.DataFrame, measure: str, by: str, looks: dict) -> None:
    part = part.assign(x=part.groupby(by).cumcount())
    low, high, _ = MEASURES[measure]
    lines(ax, part, "x", measure, by, looks, spread=(low, high), bars=True, width=1.3, alpha=0.35)


def _threshold_axis(ax, title: str, top: float) -> None:
    ax.set_title(title, fontsize=8, weight="normal", pad=5)
    ax.set_xticks(range(len(CONFIDENCES)), [f"{t:g}".lstrip("0") for t in CONFIDENCES])
    ax.tick_params(axis="x", labelsize=7)
    ax.set_ylim(0, top)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(PERCENT)
    ax.tick_params(axis="y", labelsize=7.5)
    ax.grid(axis="y")
