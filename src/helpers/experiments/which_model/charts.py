"""The pictures of notebook 07: rows of people, the specification curve, and what a choice does."""

import numpy as np
import pandas as pd
import seaborn.objects as so

from helpers.experiments.which_model.tables import CHOICES
from helpers.protocol import policy as policies
from helpers.show.numbers import percent
from helpers.show.plots import draw, log_axis, name_rows, new_figure, note, row_positions
from helpers.show.style import GRID, INK, MUTED, styled

BAND = "#9DB4C8"
COLOUR, WHITE = "#A03F14", "#D8D2C8"  # who is picked
LIGHT = "#B9B9B9"
LABELS = {
    "feed": {"native": "fed as published", "deepface": "fed by deepface"},
    "network": {"Dlib": "Dlib", "SFace": "SFace", "Facenet": "Facenet"},
    "gallery": {"utkface": "strangers", "legislators": "former legislators"},
    "size": {"whole": "whole gallery", "sample": "sample of the gallery"},
    "detector": {"yunet": "YuNet", "opencv": "OpenCV Haar", "dlib": "dlib HOG"},
    "framing": {"as published": "photo as published", "as UTKFace": "photo cut as UTKFace"},
    "portrait": {"first": "roster's portrait", "second": "other portrait, if any"},
    "policy": {
        "default": policies.label("default"),
        "fmr:1e-4": "FMR 1 in 10,000",
        "fmr:1e-5": "FMR 1 in 100,000",
        "fmr:1e-6": "FMR 1 in a million",
        **{name: policies.label(name) for name in ("count:14", "count:28", "count:56")},
    },
    "variant": {
        "any": "nobody left out",
        "rule": "same persons left out",
        "strict": "contested ones, too",
    },
}
LIMITS = 0.1, 30


@styled()
def plot_dots(table: pd.DataFrame):
    """A dot for each person picked, those of colour first; a tick where chance would end them.

    table: `tables.dots`. Rows that fail the gate are pale.
    """
    passes = table["Gate"].eq("passes")
    table = pd.concat([table[passes], table[~passes]], ignore_index=True)
    passes = table["Gate"].eq("passes")
    section = table["Gallery"] + passes.map({True: "", False: ", through deepface"})
    at = row_positions(section)
    fig, axes = new_figure(0.6 + 0.2 * at[-1])
    ax = axes[0, 0]
    one_each = table.assign(y=at, alpha=np.where(passes, 1.0, 0.45))
    one_each = one_each.loc[one_each.index.repeat(one_each["Picked"])]
    one_each["x"] = one_each.groupby(level=0).cumcount() + 1
    one_each = one_each.reset_index(drop=True)
    one_each["who"] = np.where(one_each["x"] <= one_each["Of colour"], "of colour", "white")
    dot = so.Dot(pointsize=6.4, edgewidth=0)
    plot = so.Plot(one_each, x="x", y="y", color="who", alpha="alpha")
    plot = plot.add(dot, legend=False)
    draw(ax, plot.scale(color={"of colour": COLOUR, "white": WHITE}, alpha=None))
    chance = table["By chance"] + 0.5
    ax.vlines(chance, at - 0.42, at + 0.42, color=INK, lw=1.6, zorder=5)
    ax.annotate("chance", (chance[0], at[0] - 0.42), xytext=(0, 2), textcoords="offset points",
                ha="center", fontsize=7.5, color=INK)  # fmt: skip
    name_rows(ax, at, table["Pipeline"].str.replace(" (deepface)", ""), section)
    for y, row in zip(at, table.itertuples(index=False), strict=True):
        note(ax, y, f"{row[4]} of {row[3]}", fontsize=8, color=INK)
    ax.set(xlim=(0, table["Picked"].max() + 1), ylim=(at[-1] + 0.6, -1.6), xticks=[])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return fig


@styled()
def plot_curve(table: pd.DataFrame):
    """Sorted ratios with intervals above, the choices as marks below.

    table: `tables.drawn`, in the order drawn, `counted` (bool) in one block each. By hand, because
    seaborn makes a path of each of a thousand strokes.
    """
    counted = table["counted"].to_numpy()
    gap = 0.04 * len(table)
    x = np.arange(len(table)) + np.where(counted, 0, gap)
    options = [
        (axis, option, label)
        for axis, labels in LABELS.items()
        for option, label in labels.items()
        if axis != "feed" and table[axis].eq(option).any()
    ]
    breaks = np.cumsum(
        [0] + [0.5 * (a[0] != b[0]) for a, b in zip(options[1:], options, strict=False)]
    )
    y = np.arange(len(options)) + breaks
    heights = [2.2, 0.15 * (y[-1] + 1)]
    fig, axes = new_figure(
        sum(heights) + 0.5, 2, 1, sharex=True, gridspec_kw={"height_ratios": heights}
    )
    _ratios(axes[0, 0], x, table)
    for side, name in ((True, "pass the gate"), (False, "deepface: fail the gate")):
        axes[0, 0].annotate(f"{name} ({(counted == side).sum()})", (x[counted == side].mean(), 1),
                            xytext=(0, 3), xycoords=("data", "axes fraction"), ha="center",
                            textcoords="offset points", weight="bold", fontsize=8,
                            color=INK if side else MUTED)  # fmt: skip
    ax = axes[1, 0]
    for at, (axis, option, _) in zip(y, options, strict=True):
        here = table[axis].eq(option).to_numpy()
        for side, colour in ((True, INK), (False, LIGHT)):
            _runs(ax, x, here & (counted == side), at, colour)
        middle = table.loc[here & counted, "ratio"].median()
        note(ax, at, "" if np.isnan(middle) else f"{middle:.1f}")
    ax.annotate("median", (1, 1), xycoords="axes fraction", xytext=(6, 2), fontsize=7.5,
                textcoords="offset points", va="bottom", color=MUTED)  # fmt: skip
    ax.set_yticks(y, [label for _, _, label in options], fontsize=7.5)
    ax.set_ylim(y[-1] + 0.6, -0.6)
    ax.set_xlim(-3, x[-1] + 3)
    ax.set_xticks([])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return fig


def _ratios(ax, x, table) -> None:
    counted = table["counted"].to_numpy()
    for side, colour, shade in ((True, INK, BAND), (False, MUTED, GRID)):
        here = counted == side
        rows = table[here]
        ends = [rows[c].clip(*LIMITS) for c in ("low", "high")]
        _strokes(ax, [x[here], x[here]], ends, color=shade, lw=0.6)
        middle = rows["ratio"].clip(*LIMITS)
        _strokes(ax, [x[here] - 0.5, x[here] + 0.5], [middle, middle], color=colour, lw=1.5)
    log_axis(ax, "y", [0.1, 0.3, 1, 3, 10, 30])
    ax.set_ylim(*LIMITS)
    ax.axhline(1, color=MUTED, lw=0.9, ls=(0, (4, 3)))
    ax.tick_params(axis="y", labelcolor=MUTED, labelsize=8)
    ax.set_ylabel("ratio")
    ax.grid(axis="y")
    ax.tick_params(axis="x", length=0)


def _strokes(ax, xs, ys, **look) -> None:
    """Many strokes as one path: thousands of single ones would make a large file."""
    gap = np.full(len(xs[0]), np.nan)
    ax.plot(np.column_stack([*xs, gap]).ravel(), np.column_stack([*ys, gap]).ravel(), **look)


def _runs(ax, x, here, y, colour) -> None:
    """Horizontal strokes over the columns where `here`, neighbours as one."""
    edges = np.flatnonzero(np.diff(np.r_[False, here, False]))
    first, last = edges[::2], edges[1::2] - 1
    # a gap in x parts the blocks of columns; no run crosses it, for `here` is within one block
    level = np.full(len(first), y)
    _strokes(ax, [x[first] - 0.5, x[last] + 0.5], [level, level], color=colour, lw=7)


@styled()
def plot_moves(table: pd.DataFrame):
    """How far each choice moves the ratio when all others stay: `tables.moves` drawn."""
    fig, axes = new_figure(0.9 + 0.24 * len(table))
    ax = axes[0, 0]
    bar = so.Range({"zorder": 1}, color=BAND, linewidth=2.2)
    dot = so.Dot(color=INK, pointsize=5.6, edgecolor="white", edgewidth=0.7)
    plot = so.Plot(table.assign(name=table["choice"].map(CHOICES)), y="name")
    plot = plot.add(bar, orient="y", xmin="factor", xmax="factor_90").add(dot, x="factor")
    draw(ax, plot)
    for y, row in enumerate(table.itertuples()):
        names = "–" if np.isnan(row.shared) else percent(row.shared, 0)
        note(ax, y, names, 8, fontsize=8, color=INK)
    ax.annotate("same people", (1, 1), xycoords="axes fraction", xytext=(8, 3), va="bottom",
                textcoords="offset points", fontsize=7.5, color=MUTED)  # fmt: skip
    right = 1.1 * table["factor_90"].max()
    log_axis(ax, "x", [v for v in (1, 1.5, 2, 3, 5, 10, 20) if v <= right])
    ax.set_xlim(0.97, right)
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("larger ratio / smaller ratio", loc="left")
    return fig
