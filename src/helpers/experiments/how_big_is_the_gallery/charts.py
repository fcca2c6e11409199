"""The figures of notebook 06; each draws a table of `tables` or `display`."""

import numpy as np
import pandas as pd

from helpers.experiments.how_big_is_the_gallery.tables import FIXED, POLICIES, SIZES
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show.plots import lines, log_axis, name_rows, new_figure, note, row_positions
from helpers.show.style import INK, styled

POLICY_STYLE: dict[str, dict] = {
    "default": {"color": "#1DB9D6", "marker": "o"},
    "fmr:0.0001": {"color": "#A56C9F", "marker": "D"},
    "fmr:1e-05": {"color": "#A03F14", "marker": "s"},
    FIXED: {"color": INK, "marker": "X"},
}
FORMULA = "#A03F14"


@styled()
def plot_marks(table: pd.DataFrame):
    """A mark a member flagged, a row a program and size, the formula as a line; of `marks`."""
    at = row_positions(table["Program"])
    fig, [[ax]] = new_figure(0.5 + 0.165 * (at[-1] + 1))
    for y, row in zip(at, table.to_dict("records"), strict=True):
        x = np.arange(round(row["Flagged"])) + 0.5
        ax.plot(x, np.repeat(y, len(x)), "o", ms=3.6, mfc=INK, mew=0)
        ax.plot([row["Formula"]] * 2, [y - 0.4, y + 0.4], color=FORMULA, lw=2.2)
        note(ax, y, f"{row['Flagged']:.1f} and {row['Formula']:.1f}", fontsize=8)
    faces = table["Faces"].map("{:,} faces".format)
    name_rows(ax, at, faces, table["Program"])
    ax.set(xlim=(0, 1.03 * table["Formula"].max()), ylim=(at[-1] + 0.6, -1.4), xticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
    return fig


@styled()
def plot_size(table: pd.DataFrame):
    """FPIR against gallery size at the fixed thresholds, a panel a model, both axes logarithmic."""
    fig, axes = new_figure(5, len(PRIMARY_MODELS), 1, sharex=True, sharey=True)
    table = table.assign(spread_low=table["spread_low"].clip(lower=1e-4))
    for ax, model in zip(axes[:, 0], PRIMARY_MODELS, strict=True):
        part = table[table["model"] == model]
        ends = ("spread_low", "spread_high")
        lines(ax, part, "faces", "fpir", "policy", POLICY_STYLE, spread=ends)
        ax.set_title(MODEL_LABELS[model])
        log_axis(ax, "x", [SIZES[0], SIZES[-1]], "{:,}")
        log_axis(ax, "y", [0.1, 1, 10, 100], "{:g} %")
        ax.set(xlim=(850, 21000), ylim=(0.08, 130))
        ax.grid(axis="y")
        ax.spines["left"].set_visible(False)
    axes[-1, 0].set_xlabel("Faces in the gallery", loc="left")
    last = table[(table["model"] == PRIMARY_MODELS[0]) & (table["faces"] > SIZES[-1])]
    places = ("bottom", "center", "center", "top")  # some lines end close to each other
    for (policy, look), va in zip(POLICY_STYLE.items(), places, strict=True):
        y = 100 * last.set_index("policy").loc[policy, "fpir"]
        note(axes[0, 0], y, POLICIES[policy], fontsize=8, color=look["color"], va=va)
    return fig
