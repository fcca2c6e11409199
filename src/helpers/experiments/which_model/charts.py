"""The pictures of notebook 07: specification curves, and what each choice does."""

import numpy as np
import seaborn.objects as so

from helpers.faces.pipelines import MODEL_LABELS
from helpers.protocol import policy as policies
from helpers.show.numbers import percent
from helpers.show.plots import draw, log_axis, new_figure, note
from helpers.show.style import GRID, INK, MUTED, styled

BAND = "#9DB4C8"
LIGHT = "#B9B9B9"
LABELS = {
    "model": MODEL_LABELS,
    "gallery": {"utkface": "strangers", "legislators": "former legislators"},
    "size": {"whole": "whole gallery", "sample": "sample of the gallery"},
    "detector": {"yunet": "YuNet", "opencv": "OpenCV Haar", "dlib": "dlib HOG"},
    "framing": {"as published": "photo as published", "as UTKFace": "photo cropped as UTKFace"},
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
        "p90": "90 % of genuine left out",
    },
    "denominator": {"searched": "failures: no match", "enrolled": "failures: left out"},
}
AXIS_NAMES = {
    "model": "model",
    "gallery": "gallery: strangers or former legislators",
    "size": "gallery: whole or a sample",
    "detector": "detector",
    "framing": "framing of the members' photographs",
    "portrait": "which portrait",
    "policy": "threshold",
    "variant": "who is left out as the same person",
    "denominator": "what a failure to enrol counts as",
}


def plot_curve(table, panels, reference, log):
    """Sorted estimates with intervals above, the choices as marks below.

    table: rows in the order drawn, counted (bool) in one block each; panels: columns estimate, low,
    high and a name. By hand, because seaborn makes a path of each of a thousand strokes.
    """
    gap = 0 if table["counted"].all() else 0.03 * len(table)
    x = np.arange(len(table)) + np.where(table["counted"], 0, gap)
    options = [
        (axis, option, label)
        for axis, labels in LABELS.items()
        for option, label in labels.items()
        if table[axis].eq(option).any()
    ]
    breaks = np.cumsum(
        [0] + [0.5 * (a[0] != b[0]) for a, b in zip(options[1:], options, strict=False)]
    )
    y = np.arange(len(options)) + breaks
    heights = [1.35] * len(panels) + [0.145 * (y[-1] + 1)]
    with styled():
        fig, axes = new_figure(
            sum(heights) + 0.6, len(heights), 1, sharex=True,
            gridspec_kw={"height_ratios": heights},
        )  # fmt: skip
        for ax, (value, low, high, name) in zip(axes[:, 0], panels, strict=False):
            limits = (0.1, 30) if log else (0, 1)
            for side, colour, shade in ((True, INK, BAND), (False, MUTED, GRID)):
                here = table["counted"].to_numpy() == side
                _segments(ax, x[here], table.loc[here, low].clip(*limits),
                          table.loc[here, high].clip(*limits), shade, 0.5)  # fmt: skip
                middle = table.loc[here, value].clip(*limits)
                across = np.column_stack(
                    [x[here] - 0.5, x[here] + 0.5, np.full(here.sum(), np.nan)]
                )
                level = np.column_stack([middle, middle, middle])
                ax.plot(across.ravel(), level.ravel(), color=colour, lw=1.3)
            if log:
                log_axis(ax, "y", [0.1, 0.3, 1, 3, 10, 30])
            else:
                ax.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f} %")
            ax.set_ylim(*limits)
            ax.axhline(reference, color=MUTED, lw=0.9, ls=(0, (4, 3)))
            ax.tick_params(axis="y", labelcolor=MUTED, labelsize=8)
            ax.set_ylabel(name)
            ax.grid(axis="y")
            ax.tick_params(axis="x", length=0)
        for side, name in ((True, "counted"), (False, "shown only")):
            here = table["counted"].to_numpy() == side
            if gap and here.any():
                axes[0, 0].annotate(f"{name} ({here.sum():,})", (x[here].mean(), 1), xytext=(0, 3),
                                    xycoords=("data", "axes fraction"), ha="center",
                                    textcoords="offset points", weight="bold", fontsize=8,
                                    color=INK if side else MUTED)  # fmt: skip
        ax = axes[-1, 0]
        for at, (axis, option, _) in zip(y, options, strict=True):
            here = table[axis].eq(option).to_numpy()
            for side, colour in ((True, INK), (False, LIGHT)):
                _runs(ax, x, here & (table["counted"].to_numpy() == side), at, colour)
            middle = table.loc[here & table["counted"], panels[0][0]].median()
            text = "" if np.isnan(middle) else f"{middle:.1f}" if log else percent(middle, 0)
            note(ax, at, text)
        ax.annotate("median", (1, 1), xycoords="axes fraction", xytext=(6, 2), fontsize=7.5,
                    textcoords="offset points", va="bottom", color=MUTED)  # fmt: skip
        ax.set_yticks(y, [label for _, _, label in options], fontsize=7.5)
        ax.set_ylim(y[-1] + 0.6, -0.6)
        ax.set_xlim(-3, x[-1] + 3)
        ax.set_xticks([])
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
    return fig


def _runs(ax, x, here, y, colour) -> None:
    """Horizontal strokes over the columns where `here`, neighbours as one, in a single path."""
    edges = np.flatnonzero(np.diff(np.r_[False, here, False]))
    first, last = edges[::2], edges[1::2] - 1
    # a gap in x parts the blocks of columns; no run crosses it, for `here` is within one block
    ends = np.column_stack([x[first] - 0.5, x[last] + 0.5, np.full(len(first), np.nan)])
    ax.plot(ends.ravel(), np.full(ends.size, y), color=colour, lw=7)


def _segments(ax, x, low, high, colour, width) -> None:
    """Vertical strokes as one path: thousands of single ones would make a large file."""
    low, high = np.broadcast_to(low, x.shape), np.broadcast_to(high, x.shape)
    rows = np.column_stack([low, high, np.full(len(x), np.nan)]).astype(float)
    ax.plot(np.repeat(x, 3), rows.ravel(), color=colour, lw=width)


@styled()
def plot_moves(table):
    """How far each choice moves the ratio when all others stay: `specification.moves` drawn."""
    fig, axes = new_figure(0.9 + 0.24 * len(table))
    ax = axes[0, 0]
    bar = so.Range({"zorder": 1}, color=BAND, linewidth=2.2)
    dot = so.Dot(color=INK, pointsize=5.6, edgecolor="white", edgewidth=0.7)
    plot = so.Plot(table.assign(name=table["choice"].map(AXIS_NAMES)), y="name")
    plot = plot.add(bar, orient="y", xmin="factor", xmax="factor_90").add(dot, x="factor")
    draw(ax, plot)
    for y, row in enumerate(table.itertuples()):
        names = "–" if np.isnan(row.shared) else percent(row.shared, 0)
        for offset, text in ((8, percent(row.flips / row.pairs, 0)), (62, names)):
            note(ax, y, text, offset, fontsize=8, color=INK)
    for offset, text in ((8, "flips"), (62, "names shared")):
        ax.annotate(text, (1, 1), xycoords="axes fraction", xytext=(offset, 3), va="bottom",
                    textcoords="offset points", fontsize=7.5, color=MUTED)  # fmt: skip
    right = max(3.2, 1.1 * table["factor_90"].max())
    log_axis(ax, "x", [v for v in (1, 1.5, 2, 3, 5, 10) if v <= right])
    ax.set_xlim(0.97, right)
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("larger ratio / smaller ratio", loc="left")
    return fig
