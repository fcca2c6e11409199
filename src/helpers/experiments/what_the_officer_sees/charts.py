"""The figures of notebook 09."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.what_the_officer_sees.tables import OUTCOMES
from helpers.show import plots, style

COLUMNS = 25  # squares in a row of the icon array
COLOURS = dict(zip(OUTCOMES, ("#1A3A8A", "#E0A800", "#A03F14", "#DADADA"), strict=True))
LABELS = {  # of the scenarios drawn: colour, label and where it stands
    "Users of such software": ("#A03F14", "users", 42, 80),
    "Facial examiners": (style.INK, "examiners", 3.0, 84),
    "Facial examiners, strict threshold": ("#1A3A8A", "examiners, strict threshold", 1.2, 50),
}


@style.styled()
def plot_thousand(table: pd.DataFrame) -> Figure:
    """An icon array a row of `table`: a square a search, coloured by OUTCOMES, counts below."""
    fig, axes = plots.new_figure(4.6, 1, len(table))
    for ax, row in zip(axes[0], table.to_dict("records"), strict=True):
        colours = np.repeat([COLOURS[name] for name in OUTCOMES], [row[n] for n in OUTCOMES])
        at = np.arange(len(colours))
        ax.scatter(at % COLUMNS, at // COLUMNS, c=colours, marker="s", s=13, linewidths=0)
        rows = len(colours) / COLUMNS
        for line, name in enumerate(OUTCOMES):
            ax.text(-0.5, rows + 1.6 + 2.9 * line, f"{row[name]} {name}", fontsize=8.5,
                    va="center", color=style.INK, weight="bold")  # fmt: skip
            ax.scatter(-1.6, rows + 1.6 + 2.9 * line, color=COLOURS[name], marker="s", s=26)
        ax.set_title(row["Threshold"], weight="bold")
        ax.set_xlim(-2.4, COLUMNS + 0.4)
        ax.set_ylim(rows + 12, -0.8)
        ax.set(xticks=[], yticks=[])
        ax.set_axis_off()
    return fig


@style.styled()
def plot_base_rate(table: pd.DataFrame, marked: float) -> Figure:
    """Of the persons named, the part who are someone else, by the part who are in the gallery.

    table: as from `reviewers.curves`; marked: a share to mark with a line.
    """
    fig, axes = plots.new_figure(3.6)
    ax = axes[0, 0]
    table = table.assign(percent=100 * table["share"])
    looks = {name: {"color": colour} for name, (colour, *_) in LABELS.items()}
    plots.lines(ax, table, "percent", "low", "scenario", looks, spread=("low", "high"), width=1.8,
                alpha=0.16)  # fmt: skip
    plots.log_axis(ax, "x", [1, 10, 100], "{:g} %")
    ax.set_xlim(1, 100)
    ax.set_ylim(0, 102)
    ax.yaxis.set_major_formatter(plots.PERCENT)
    ax.grid(axis="both")
    ax.axvline(100 * marked, color=style.MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
    plots.direct_label(ax, 108 * marked, 96, "New York, 2018", style.MUTED, weight="normal")
    for colour, label, x, y in LABELS.values():
        plots.direct_label(ax, x, y, label, colour)
    ax.set_xlabel("Searches whose person is in the gallery (logarithmic)", loc="left")
    return fig
