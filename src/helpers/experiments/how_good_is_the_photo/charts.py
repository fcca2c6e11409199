"""The figures of notebook 08."""

import pandas as pd
from matplotlib.figure import Figure

from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show import plots, style
from helpers.sources.groups import COLOUR

MARKERS = dict(zip(PRIMARY_MODELS, "os^", strict=True))
SIDES = {
    COLOUR: {"color": "#A03F14", "marker": "D"},
    "White members": {"color": "#4A4A4A", "marker": "o"},
}


@style.styled()
def plot_worse(table: pd.DataFrame) -> Figure:
    """Two panels on one axis, false matches and misses; a row a photo, a dot a program.

    table: as from `tables.worse`.
    """
    looks = {
        MODEL_LABELS[m]: {"color": style.MODEL_LINES[m]["color"], "marker": MARKERS[m]}
        for m in PRIMARY_MODELS
    }
    photos = list(dict.fromkeys(table["Photo"]))
    fig, axes = plots.new_figure(1.1 + 0.34 * len(photos), 1, 2, sharey=True)
    for ax, outcome in zip(axes[0], dict.fromkeys(table["outcome"]), strict=True):
        part = table[table["outcome"] == outcome]
        _rows(ax, part, photos, part["Program"], looks, (-0.2, 0, 0.2))
        ax.set_title(f"{outcome}, of {part['of'].iloc[0]}", weight="bold")
        ax.set_xlim(0, 100)
    _legend(axes[0, 0], looks, (1, 0.5))
    plots.left_align(fig, axes[0, 0])
    return fig


@style.styled()
def plot_sides(table: pd.DataFrame) -> Figure:
    """A panel a program, a row a photo, a dot a group; table: as from `tables.sides`."""
    photos = list(dict.fromkeys(table["Photo"]))
    fig, axes = plots.new_figure(1.1 + 0.24 * len(photos), 1, len(PRIMARY_MODELS), sharey=True)
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        part = table[table["Program"] == MODEL_LABELS[model]]
        _rows(ax, part, photos, part["Group"], SIDES, (-0.13, 0.13))
        ax.set_title(MODEL_LABELS[model], weight="bold")
        ax.set_xlim(0, 45)
    _legend(
        axes[0, 0], dict(zip(("of colour", "white"), SIDES.values(), strict=True)), (1.04, 0.07)
    )
    plots.left_align(fig, axes[0, 0])
    return fig


def _rows(ax, part: pd.DataFrame, photos: list, names: pd.Series, looks: dict, offsets) -> None:
    """Dots with intervals, those of one photo beside each other; nothing joins the photos."""
    shift = dict(zip(looks, offsets, strict=True))
    y = part["Photo"].map(photos.index) + names.map(shift)
    values = 100 * part[["rate", "low", "high"]].set_axis(["value", "low", "high"], axis=1)
    plots.dots(ax, values.assign(y=y, name=names), looks, size=4.6, width=1.3, alpha=0.45)
    ax.set_yticks(range(len(photos)), photos)
    ax.set_ylim(len(photos) - 0.5, -0.5)
    ax.xaxis.set_major_formatter(plots.PERCENT)
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)


def _legend(ax, looks: dict, at: tuple[float, float]) -> None:
    """A key where the panel is empty."""
    marks = plots.handles(looks, lw=0, ms=5.5)
    ax.legend(
        handles=marks, loc="center right", bbox_to_anchor=at, fontsize=8, handletextpad=0.2,
        frameon=True, framealpha=0.9, edgecolor="none", borderpad=0.2,
    )  # fmt: skip
