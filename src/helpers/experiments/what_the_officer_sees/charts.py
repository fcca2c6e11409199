"""The figures of notebook 09."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.what_the_officer_sees.tables import OUTCOMES
from helpers.show import plots, style

COLUMNS = 50  # squares in a row of the icon array
COLOURS = dict(zip(OUTCOMES, ("#1A3A8A", "#E0A800", "#A03F14", "#DADADA"), strict=True))
LABELS = {  # of the scenarios drawn: colour, label and where it stands
    "Users of such software": ("#A03F14", "users", 50, 64),
    "Facial examiners": (style.INK, "examiners", 7, 75),
    "Facial examiners, strict threshold": ("#1A3A8A", "examiners,\nstrict threshold", 1.2, 45),
}


@style.styled()
def plot_thousand(table: pd.DataFrame) -> Figure:
    """An icon array a row of `table`: a square a search, coloured by OUTCOMES, counts beside it."""
    fig, axes = plots.new_figure(0.5 + 1.5 * len(table), len(table))
    for ax, row in zip(axes[:, 0], table.to_dict("records"), strict=True):
        colours = np.repeat([COLOURS[name] for name in OUTCOMES], [row[n] for n in OUTCOMES])
        at = np.arange(len(colours))
        ax.scatter(at % COLUMNS, at // COLUMNS, c=colours, marker="s", s=11, linewidths=0)
        for y, name in zip((3, 7, 11, 15), OUTCOMES, strict=True):
            ax.text(COLUMNS + 2.5, y, f"{row[name]} {name}", fontsize=8.5, va="center")
            ax.scatter(COLUMNS + 1, y, color=COLOURS[name], marker="s", s=26)
        ax.set_title(row["Threshold"], pad=2)
        ax.set(xlim=(-0.6, 1.46 * COLUMNS), ylim=(len(at) / COLUMNS, -0.8), xticks=[], yticks=[])
        ax.set_axis_off()
    return fig


@style.styled()
def plot_base_rate(table: pd.DataFrame, marked: float) -> Figure:
    """Of the named, the part who are someone else (`reviewers.curves`); a line at `marked`."""
    fig, [[ax]] = plots.new_figure(3.6)
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
