"""The picture of Congress beside the gallery in notebook 01."""

import pandas as pd
from matplotlib.figure import Figure

from helpers.show import plots, style

LOOKS = {
    "UTKFace": {"marker": "D", "color": style.IMPOSTOR_COLOUR},
    "Congress": {"marker": "o", "color": style.INK},
}


@style.styled()
def plot_composition(table: pd.DataFrame) -> Figure:
    """Shares of Congress (dots) and of the adults of UTKFace (diamonds), a row each."""
    at = plots.row_positions(table["section"], gap=1.25)
    fig, [[ax]] = plots.new_figure(0.6 + 0.2 * at[-1])
    for name, look in LOOKS.items():
        shares = 100 * table[f"{name.lower()}_share"]
        plots.dots(ax, pd.DataFrame({"y": at, "value": shares, "name": name}), LOOKS, size=6.5)
        plots.direct_label(ax, shares[0] + 3, at[0], name, look["color"])
    plots.name_rows(ax, at, table["label"], table["section"])
    ax.set(xlim=(-2, 109), ylim=(at[-1] + 0.6, at[0] - 1.6), xticks=range(0, 101, 25))
    ax.xaxis.set_major_formatter(plots.PERCENT)
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    plots.left_align(fig, ax)
    return fig
