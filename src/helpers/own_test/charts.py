"""The pictures of a test: people as marks, and rates as dots with intervals."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.show import plots
from helpers.show.style import IMPOSTOR_COLOUR, INK, styled

ACROSS = ((100, 30), (math.inf, 60))  # up to so many people: marks in a row
EMPTY = "#DADADA"


def people(runs: pd.DataFrame) -> Figure:
    """A mark a person searched, a panel a pipeline: filled if taken for someone else.

    runs: a row a pipeline, with the columns pipeline, searched and flagged.
    """
    most = runs["searched"].max()
    across = next(marks for upto, marks in ACROSS if most <= upto)
    lines, step = math.ceil(most / across), 4.4 / across  # inches from mark to mark
    size = (0.62 * 72 * step) ** 2
    with styled():
        fig, axes = plots.new_figure(len(runs) * (0.3 + step * lines) + 0.8, len(runs))
        for ax, row in zip(axes[:, 0], runs.to_dict("records"), strict=True):
            place = np.arange(row["searched"])
            on = place < row["flagged"]
            x, y = place % across, place // across
            ax.scatter(x[~on], y[~on], s=size, marker="s", color=EMPTY, lw=0)
            ax.scatter(x[on], y[on], s=size, marker="s", color=IMPOSTOR_COLOUR, lw=0)
            ax.set_title(f"{row['pipeline']}: {on.sum():,} of {len(on):,}", pad=5)
            ax.set_xlim(-0.8, across - 0.2)
            ax.set_ylim(lines - 0.3, -0.7)
            ax.set_aspect("equal", anchor="NW")
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[["left", "bottom"]].set_visible(False)
    return fig


def rows(table: pd.DataFrame, xlabel: str) -> Figure:
    """FPIR with intervals; columns pipeline, label, searched, flagged, fpir, low, high."""
    sections = table["pipeline"] if table["pipeline"].nunique() > 1 else None
    at = np.arange(float(len(table))) if sections is None else plots.row_positions(sections)
    values = 100 * table[["fpir", "low", "high"]].to_numpy(float)
    limit = max(1.05 * float(np.nanmax(values, initial=1)), 1)
    with styled():
        fig, axes = plots.new_figure(0.9 + 0.25 * (at[-1] + 1))
        ax = axes[0, 0]
        marks = pd.DataFrame(values, columns=plots.MARKS[1:4]).assign(
            y=at, name=table["label"].astype(str).to_numpy()
        )
        plots.dots(ax, marks, {n: {"color": INK} for n in marks["name"]})
        ax.set_ylim(at[-1] + 0.6, -0.6 if sections is None else at[0] - 1.6)
        plots.name_rows(ax, at, table["label"], sections, ("everybody",))
        for y, k, n in zip(at, table["flagged"], table["searched"], strict=True):
            plots.note(ax, y, f"{k:,} of {n:,}", fontsize=8, color=INK)
        ax.set_xlim(0, limit)
        ax.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=3))
        ax.xaxis.set_major_formatter(plots.PERCENT)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(xlabel, loc="left")
        plots.left_align(fig, ax)
    return fig
