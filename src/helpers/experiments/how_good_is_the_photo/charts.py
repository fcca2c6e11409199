"""The figure of notebook 08."""

import pandas as pd
from matplotlib.figure import Figure

from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show import plots, style

LOOKS = {
    MODEL_LABELS[m]: {"color": style.MODEL_LINES[m]["color"], "marker": marker}
    for m, marker in zip(PRIMARY_MODELS, "os^", strict=True)
}


@style.styled()
def plot_worse(table: pd.DataFrame) -> Figure:
    """Two panels on one axis, false matches and misses, of `worse`: a row a photo, unjoined."""
    photos = list(dict.fromkeys(table["Photo"]))
    fig, axes = plots.new_figure(0.8 + 0.56 * len(photos), 2, sharex=True)
    for ax, outcome in zip(axes[:, 0], dict.fromkeys(table["outcome"]), strict=True):
        part = table[table["outcome"] == outcome]
        y = part["Photo"].map(photos.index) + part["Program"].map(list(LOOKS).index) * 0.2 - 0.2
        values = 100 * part[["rate", "low", "high"]].set_axis(["value", "low", "high"], axis=1)
        plots.dots(ax, values.assign(y=y, name=part["Program"]), LOOKS, size=4.6, width=1.3)
        ax.set_title(f"{outcome}, of {part['of'].iloc[0]}")
        ax.set_yticks(range(len(photos)), photos)
        ax.set(xlim=(0, 100), ylim=(len(photos) - 0.5, -0.5))
        ax.xaxis.set_major_formatter(plots.PERCENT)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
    marks = plots.handles(LOOKS, lw=0, ms=5.5)
    axes[0, 0].legend(handles=marks, loc="center right", fontsize=8, handletextpad=0.2)
    return fig
