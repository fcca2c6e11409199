"""The figure of notebook 10."""

import pandas as pd
from matplotlib.figure import Figure

from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show.plots import PERCENT, direct_label, lines, log_axis, new_figure
from helpers.show.style import styled


@styled()
def plot_curves(found: pd.DataFrame) -> Figure:
    """FPIR against the share of single comparisons at the threshold, a line a size."""
    colours = ["#5C8FB8", "#2F5F8A", "#1A1A1A"]
    fig, axes = new_figure(6.2, 3, 1, sharex=True, sharey=True)
    for ax, model in zip(axes.ravel(), PRIMARY_MODELS, strict=True):
        part = found[found["model"] == model]
        looks = {
            size: {"color": colour}
            for size, colour in zip(sorted(part["size"].unique()), colours, strict=True)
        }
        lines(ax, part, "per_million", "fpir", "size", looks, spread=("low", "high"), width=1.6)
        for (size, look), y in zip(looks.items(), (64, 79, 94), strict=True):
            direct_label(ax, 0.35, y, f"{size:,} faces", look["color"])
        ax.set_title(MODEL_LABELS[model])
        log_axis(ax, "x", [1, 10, 100, 1000, 10_000], "{:,}")
        ax.set_xlim(0.3, 1e5)
        ax.set_ylim(0, 101)
        ax.yaxis.set_major_formatter(PERCENT)
        ax.grid(axis="both")
    axes[2, 0].set_xlabel("Of a million single comparisons, at the threshold", loc="left")
    return fig
