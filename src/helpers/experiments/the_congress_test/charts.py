"""The pictures of notebook 02 in which a mark is a member."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.show import plots
from helpers.show.style import IMPOSTOR_COLOUR, INK, styled

ACROSS = 25  # seats in a row
GAP = 0.9  # rows between two groups
EMPTY = "#DADADA"


def four_ways(table: pd.DataFrame) -> Figure:
    """The members in the same seats, a panel a list: filled if flagged. table: `four_ways`."""
    rows, groups = _seat_rows(table)
    names = list(table["list"].unique())
    with styled():
        fig, axes = plots.new_figure(6.9, 2, 2, sharex=True, sharey=True)
        for ax, name in zip(axes.flat, names, strict=True):
            part = table[table["list"] == name]
            x = (part["seat"] - 1) % ACROSS
            y = part["group"].map(rows) + (part["seat"] - 1) // ACROSS
            on = part["flagged"].to_numpy()
            ax.scatter(x[~on], y[~on], s=17, marker="s", color=EMPTY, lw=0)
            ax.scatter(x[on], y[on], s=26, marker="s", color=IMPOSTOR_COLOUR, lw=0)
            for group, flagged in part.groupby("group", sort=False)["flagged"]:
                plots.note(ax, rows[group], str(int(flagged.sum())), 4, fontsize=10, color=INK)
            ax.set_title(name, fontsize=11.5, pad=5)
            ax.set_xlim(-0.8, ACROSS - 0.2)
            ax.set_ylim(max(y) + 0.9, -0.9)
            ax.tick_params(bottom=False, labelbottom=False)
            ax.spines[["left", "bottom"]].set_visible(False)
        for ax in axes[:, 0]:
            sizes = table["group"].value_counts() // len(names)
            labels = [f"{g}, {sizes[g]}" for g in groups]
            ax.set_yticks([rows[g] for g in groups], labels, fontsize=10)
    return fig


def _seat_rows(table: pd.DataFrame) -> tuple[dict[str, float], list[str]]:
    """Where the rows of each group begin, and the groups in order, the largest last."""
    sizes = table[table["list"] == table["list"].iloc[0]]["group"].value_counts(sort=False)
    groups = [*sizes.index[1:], sizes.index[0]]
    heights = [np.ceil(sizes[g] / ACROSS) + GAP for g in groups]
    starts = np.concatenate([[0.0], np.cumsum(heights)[:-1]])
    return dict(zip(groups, starts, strict=True)), groups


def rows_of_dots(table: pd.DataFrame) -> Figure:
    """A row of dots for each list: of colour filled, a tick at chance. table: `every_list`."""
    at = plots.row_positions(table["gallery"])
    with styled():
        fig, axes = plots.new_figure(0.7 + 0.27 * at[-1])
        ax = axes[0, 0]
        for y, row in zip(at, table.to_dict("records"), strict=True):
            x = np.arange(row["flagged"])
            on = x < row["of colour"]
            ax.scatter(x[on], np.full(on.sum(), y), s=34, color=INK, lw=0)
            ax.scatter(x[~on], np.full((~on).sum(), y), s=30, color="white", ec="#9A9A9A", lw=0.9)
            ax.plot(
                [row["chance"] - 0.5] * 2,
                [y - 0.46, y + 0.46],
                color=IMPOSTOR_COLOUR,
                lw=2,
                zorder=0,
            )
            text = f"{row['of colour']} of {row['flagged']}"
            plots.note(ax, y, text, 4, fontsize=9.5, color=INK)
        plots.name_rows(ax, at, table["program"], table["gallery"])
        _bare(fig, ax, at, table["flagged"].max())
    return fig


def other_photo(table: pd.DataFrame) -> Figure:
    """A row of dots for each program: flagged again, not again, no second portrait."""
    with styled():
        fig, axes = plots.new_figure(1.75)
        ax = axes[0, 0]
        for y, row in enumerate(table.to_dict("records")):
            again, tried = row["flagged again"], row["with a second portrait"]
            x = np.arange(row["flagged"])
            ax.scatter(x[:again], [y] * again, s=46, color=IMPOSTOR_COLOUR, lw=0)
            ax.scatter(x[again:tried], [y] * (tried - again), s=40, color="white", ec=INK, lw=1.1)
            ax.scatter(x[tried:], [y] * (len(x) - tried), s=9, color="#A8A8A8", lw=0)
            plots.note(ax, y, f"{again} of {tried}", 4, fontsize=10, color=INK)
        ax.set_yticks(range(len(table)), table["program"])
        _bare(fig, ax, np.arange(len(table)), table["flagged"].max())
    return fig


def _bare(fig, ax, at, most: int) -> None:
    """No axis below, room for the dots, larger names."""
    ax.tick_params(axis="y", labelsize=9.5)
    ax.tick_params(bottom=False, labelbottom=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_xlim(-0.7, most - 0.3)
    ax.set_ylim(at[-1] + 0.7, -1.6 if at[0] == 0 and len(at) > 3 else -0.7)
    plots.left_align(fig, ax)
