"""The pictures of notebook 12: errors with intervals, and curves over the threshold."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from helpers.experiments.what_gender_does_it_see.tables import CONFIDENCES, GENDERS, WORDS
from helpers.faces.gender_classifiers import CLASSIFIERS
from helpers.show.plots import new_figure, plot_dots_with_intervals
from helpers.show.style import GROUP_COLOURS, GROUP_MARKERS, INK
from helpers.sources.groups import RACES

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


def plot_members(table: pd.DataFrame) -> Figure:
    """Errors by recorded gender and intersection, a block a classifier."""
    return plot_dots_with_intervals(
        table, "cell", "rate", "low", "high", count="wrong", n="n", section="classifier",
        group="group", counted="wrong", emphasise=("All", *WORDS.values()),
        xlabel="Guesses that differ from the record",
    )  # fmt: skip


def plot_strangers(table: pd.DataFrame) -> Figure:
    """Errors by published race, a block a classifier and gender."""
    table = table.assign(group=table["race"].replace(ALIKE))
    return plot_dots_with_intervals(
        table, "race", "rate", "low", "high", count="wrong", n="n", section="block",
        group="group", counted="wrong",
        xlabel="Guesses that differ from the published label",
    )  # fmt: skip


def plot_curves(table: pd.DataFrame) -> Figure:
    """A row a classifier; errors among the decided and share undecided, members and strangers."""
    columns = [(people, m) for people in ("members", "strangers") for m in MEASURES]
    fig, axes = new_figure(4.3, len(CLASSIFIERS), len(columns), sharex=True, sharey="col")
    for i, name in enumerate(CLASSIFIERS):
        for ax, (people, measure) in zip(axes[i], columns, strict=True):
            part = table.query("classifier == @name and people == @people")
            for gender, style in GENDER_STYLES.items():
                _line(ax, part[part["gender"] == gender], measure, style)
            title = f"{people.capitalize()}:\n{MEASURES[measure][2]}" if i == 0 else ""
            highest = table.query("people == @people")[MEASURES[measure][1]].max()
            _threshold_axis(ax, title, 105 * highest)
        axes[i, 0].set_ylabel(name)
    for gender, y in (("female", 0.86), ("male", 0.7)):
        _name(axes[0, -1], WORDS[gender].lower(), GENDER_STYLES[gender]["color"], y)
    axes[-1, 0].set_xlabel("Least confidence that counts", loc="left")
    return fig


def plot_group_curves(table: pd.DataFrame) -> Figure:
    """A row a classifier; the strangers' errors and share undecided by race, women and men."""
    columns = [(gender, m) for m in MEASURES for gender in GENDERS]
    fig, axes = new_figure(4.9, len(CLASSIFIERS), len(columns), sharex=True, sharey="col")
    limits = {m: 105 * table[MEASURES[m][1]].max() for m in MEASURES}
    for i, name in enumerate(CLASSIFIERS):
        for ax, (gender, measure) in zip(axes[i], columns, strict=True):
            part = table.query("classifier == @name and gender == @gender")
            for race in RACES:
                like = ALIKE.get(race, race)
                style = {"color": GROUP_COLOURS[like], "marker": GROUP_MARKERS[like]}
                _line(ax, part[part["race"] == race], measure, style)
            title = f"{WORDS[gender]}:\n{MEASURES[measure][2]}" if i == 0 else ""
            _threshold_axis(ax, title, limits[measure])
        axes[i, 0].set_ylabel(name)
    axes[-1, 0].set_xlabel("Least confidence that counts", loc="left")
    for i, race in enumerate(RACES):
        _name(axes[0, -1], race, GROUP_COLOURS[ALIKE.get(race, race)], 0.9 - 0.12 * i)
    return fig


def _name(ax, text: str, colour: str, y: float) -> None:
    """A line's name in its colour, in a panel that has room."""
    ax.text(0.05, y, text, color=colour, transform=ax.transAxes, weight="bold", fontsize=8,
            va="center")  # fmt: skip


def _line(ax, part: pd.DataFrame, measure: str, style: dict) -> None:
    low, high, _ = MEASURES[measure]
    x = np.arange(len(part))
    ax.vlines(x, 100 * part[low], 100 * part[high], color=style["color"], lw=1.2, alpha=0.35)
    ax.plot(x, 100 * part[measure], ms=4, lw=1.3, mec="white", mew=0.5, clip_on=False, **style)


def _threshold_axis(ax, title: str, top: float) -> None:
    ax.set_title(title, loc="left", fontsize=8, pad=5)
    ax.set_xticks(range(len(CONFIDENCES)), [f"{t:g}".lstrip("0") for t in CONFIDENCES])
    ax.tick_params(axis="x", labelsize=7)
    ax.set_ylim(0, top)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.10g} %"))
    ax.tick_params(axis="y", labelsize=7.5)
    ax.grid(axis="y")
