"""The figures of notebook 05."""

import numpy as np
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator, NullFormatter

from helpers.faces.pipelines import MODEL_LABELS
from helpers.show.plots import (
    PERCENT,
    dots,
    log_axis,
    name_rows,
    new_figure,
    note,
    row_positions,
)
from helpers.show.style import INK, MUTED, styled

MARKS = ((-0.16, "#001A80"), (0.16, "#A03F14"))  # offset in the row and colour of the two series
PER = 100_000  # comparisons, the unit of the heatmap


@styled()
def plot_marks(df, marks=28):
    """Rows of `marks` people, those of colour filled: a block a gallery, a row a program.

    df: Gallery, Program, Marks of colour, By chance (where the line is drawn).
    """
    at = row_positions(df["Gallery"])
    fig, axes = new_figure(0.55 + 0.155 * (at[-1] + 1))
    ax = axes[0, 0]
    for y, row in zip(at, df.to_dict("records"), strict=True):
        filled = row["Marks of colour"]
        for first, last, colour in ((0, filled, INK), (filled, marks, "white")):
            x = np.arange(first, last) + 0.5
            ax.plot(x, np.repeat(y, len(x)), "o", ms=5, mfc=colour, mec=INK, mew=0.7)
        note(ax, y, str(filled))
    chance = df["By chance"].iloc[0]
    ax.axvline(chance, color=MARKS[1][1], lw=1.2, zorder=0)
    ax.annotate(
        "by chance", (chance, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
        textcoords="offset points", ha="center", fontsize=7.5, color=MARKS[1][1],
    )  # fmt: skip
    name_rows(ax, at, df["Program"], df["Gallery"])
    ax.set(xlim=(0, marks), ylim=(at[-1] + 0.6, -0.6), xticks=[])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return fig


@styled()
def plot_two_ratios(df, series, rows, ticks=(0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)):
    """Ratios on a log scale, a panel for each model, two marks a row; the line is a ratio of 1.

    df: model, row, series, ratio, low, high. series: the names of the filled and of the open
    marks. rows: the rows top to bottom. Intervals that leave the axes end in an arrow.
    """
    limits = (ticks[0] / 1.2, ticks[-1] * 1.2)
    fig, axes = _panels(df.assign(value=df["ratio"]), series, rows, limits)
    shown = [t for t in ticks if t in (0.1, 1, 10, 100)]
    for ax in axes[0]:
        log_axis(ax, "x", shown)
        ax.set_xlim(*limits)
        ax.set_xticks([t for t in ticks if t not in shown], minor=True)
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.grid(axis="x", which="both")
        ax.axvline(1, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
    axes[0, 0].set_xlabel("Ratio (logarithmic)", loc="left")
    return fig


@styled()
def plot_two_rates(df, series, rows):
    """Rates in per cent on one scale, a panel for each model, two marks a row.

    df: model, row, series, fpir, low, high (shares); the rest as in `plot_two_ratios`.
    """
    df = df.assign(value=100 * df["fpir"], low=100 * df["low"], high=100 * df["high"])
    fig, axes = _panels(df, series, rows, (0, 100))
    for ax in axes[0]:
        ax.set_xlim(0, 100)
        ax.xaxis.set_major_locator(MaxNLocator(2))
        ax.xaxis.set_major_formatter(PERCENT)
        ax.grid(axis="x")
    axes[0, 0].set_xlabel("Expected share flagged", loc="left")
    return fig


def _panels(df, series, rows, limits):
    """A panel a model with two marks in each row: dots above, rings below."""
    models = list(dict.fromkeys(df["model"]))
    fig, axes = new_figure(1.25 + 0.3 * len(rows), 1, len(models), sharex=True, sharey=True)
    df = df[df["row"].isin(rows)]
    for ax, model in zip(axes[0], models, strict=True):
        for name, (shift, colour) in zip(series, MARKS, strict=True):
            part = df[(df["model"] == model) & (df["series"] == name)]
            part = part.assign(y=part["row"].map(rows.index) + shift, name=name)
            size = 4.6 if shift > 0 else 5.8  # a ring has its line around it
            dots(ax, part, {name: {"color": colour}}, limits, ring=shift > 0, size=size, width=1.8)
        ax.set_title(MODEL_LABELS[model], pad=7)
        ax.spines["left"].set_visible(False)
        ax.set_ylim(len(rows) - 0.4, -0.6)
    axes[0, 0].set_yticks(range(len(rows)), rows)
    return fig, axes


@styled()
def plot_heat(df, groups, races, own):
    """FMR of groups of members against labels of the gallery, a panel for each model.

    df: model, group, race, errors, fmr, low, high (shares). Cells say the false matches in PER
    comparisons and the interval; a darker cell has more. own: group -> label, drawn with a frame.
    """
    models = list(dict.fromkeys(df["model"]))
    fig, axes = new_figure(0.4 + len(models) * (0.55 + 0.25 * len(groups)), len(models), 1)
    some = df[df["fmr"] > 0]["fmr"]
    norm = LogNorm(some.min(), some.max())
    for ax, model in zip(axes[:, 0], models, strict=True):
        part = df[df["model"] == model].set_index(["group", "race"])
        grid = np.array([[part.loc[(g, r), "fmr"] for r in races] for g in groups])
        texts = np.array([[_cell(part.loc[(g, r)]) for r in races] for g in groups])
        # a mesh, not an image: the figure stays one of vectors
        sns.heatmap(
            grid, mask=grid == 0, norm=norm, cmap="Blues", alpha=0.85, linewidths=0.5, cbar=False,
            xticklabels=races, yticklabels=groups, ax=ax,
        )  # fmt: skip
        ax.tick_params(axis="y", rotation=0)
        # by hand: seaborn writes no text in a cell without colour, and one of none is a finding
        for (i, j), fmr in np.ndenumerate(grid):
            light = fmr > 0 and norm(fmr) > 0.62
            ax.text(
                j + 0.5, i + 0.5, texts[i, j], ha="center", va="center", fontsize=7,
                color="white" if light else INK,
            )  # fmt: skip
            if own.get(groups[i]) == races[j]:
                ax.add_patch(_frame(j + 0.5, i + 0.5))
        ax.tick_params(length=0, top=False)
        ax.set_title(MODEL_LABELS[model], pad=5)
        for side in ax.spines.values():
            side.set_visible(False)
    axes[-1, 0].set_xlabel("Published label of the gallery's faces", loc="left")
    return fig


def _frame(x, y):
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, fill=False, ec="#A03F14", lw=1.6)


def _cell(row) -> str:
    value, low, high = (_number(PER * row[k]) for k in ("fmr", "low", "high"))
    return f"{value} ({low}–{high})" if row["errors"] else f"0 (0–{high})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}"
