"""The pictures of notebook 02 in which a mark is a member."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.show import plots
from helpers.show.style import IMPOSTOR_COLOUR, INK, styled
from helpers.sources import groups

ACROSS = 32  # seats in a row
LABEL = 2.6  # rows that the name of a group takes
EMPTY = "#D4D4D4"
ORDER = [*groups.OF_COLOUR, groups.WHITE]


@styled()
def four_ways(table: pd.DataFrame) -> Figure:
    """The members in the same seats, a panel a list: filled if flagged. table: `four_ways`."""
    bare = {"frame_on": False, "xticks": [], "yticks": []}
    fig, axes = plots.new_figure(5.6, 2, 2, sharex=True, sharey=True, subplot_kw=bare)
    for ax, (name, part) in zip(axes.flat, table.groupby("list", sort=False), strict=True):
        top = 0.0
        for group in ORDER:
            members = part[part["group"] == group]
            seat = members["seat"].to_numpy() - 1
            on = members["flagged"].to_numpy()
            x, y = seat % ACROSS, top + seat // ACROSS
            ax.scatter(x[~on], y[~on], s=9, marker="s", color=EMPTY, lw=0)
            ax.scatter(x[on], y[on], s=13, marker="s", color=IMPOSTOR_COLOUR, lw=0)
            text = f"{group}: {on.sum()} of {len(on)}"
            ax.text(-0.5, top - 1, text, fontsize=8, color=INK)
            top = y.max() + 1 + LABEL
        ax.set_title(name, fontsize=10)
        ax.set(xlim=(-0.8, ACROSS - 0.2), ylim=(top - LABEL, -LABEL))
    return fig


def rows_of_dots(table: pd.DataFrame) -> Figure:
    """A row of dots for each list: of colour filled, a tick at chance. table: `every_list`."""
    at = plots.row_positions(table["gallery"])
    fig, ax = _dots(0.5 + 0.21 * at[-1], at, table["flagged"].max())
    for y, row in zip(at, table.to_dict("records"), strict=True):
        x = np.arange(row["flagged"])
        on = x < row["of colour"]
        tick = [row["chance"] - 0.5] * 2
        ax.plot(tick, [y - 0.46, y + 0.46], color=IMPOSTOR_COLOUR, lw=2, zorder=0)
        ax.scatter(x[on], np.full(on.sum(), y), s=22, color=INK, lw=0)
        ax.scatter(x[~on], np.full((~on).sum(), y), s=19, color="white", ec="#8A8A8A", lw=0.8)
        plots.note(ax, y, f"{row['of colour']} of {row['flagged']}", 3, fontsize=8.5, color=INK)
    plots.name_rows(ax, at, table["program"], table["gallery"])
    plots.left_align(fig, ax)
    return fig


def other_photo(table: pd.DataFrame) -> Figure:
    """A row of dots for each program: flagged again, not again, no second portrait."""
    at = np.arange(len(table))
    fig, ax = _dots(1.35, at, table["flagged"].max())
    for y, row in enumerate(table.to_dict("records")):
        again, tried = row["flagged again"], row["with a second portrait"]
        x = np.arange(row["flagged"])
        ax.scatter(x[:again], [y] * again, s=34, color=IMPOSTOR_COLOUR, lw=0)
        ax.scatter(x[again:tried], [y] * (tried - again), s=30, color="white", ec=INK, lw=1)
        ax.scatter(x[tried:], [y] * (len(x) - tried), s=7, color="#A8A8A8", lw=0)
        plots.note(ax, y, f"{again} of {tried}", 3, fontsize=8.5, color=INK)
    plots.name_rows(ax, at, table["program"])
    plots.left_align(fig, ax)
    return fig


def _dots(height: float, at: np.ndarray, most: int):
    """A figure for rows of dots at `at`: no axis, room for half a dot."""
    fig, [[ax]] = plots.new_figure(height)
    ax.tick_params(bottom=False, labelbottom=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set(xlim=(-0.7, most - 0.3), ylim=(at[-1] + 0.6, min(at[0], 0) - 1.4 * (len(at) > 3) - 0.6))
    return fig, ax
