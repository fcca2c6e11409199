"""The figures of notebook 05."""

import numpy as np
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from helpers.faces.pipelines import MODEL_LABELS
from helpers.show.plots import new_figure
from helpers.show.style import INK, MUTED, style

MARKS = ((-0.16, "#001A80"), (0.16, "#A03F14"))  # offset in the row and colour of the two series
PER = 100_000  # comparisons, the unit of the heatmap


def plot_two_ratios(df, series, rows, ticks=(0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)):
    """Ratios on a log scale, a panel for each model, two marks a row; the line is a ratio of 1.

    df: model, row, series, ratio, low, high. series: the names of the filled and of the open
    marks. rows: the rows top to bottom. Intervals that leave the axes end in an arrow.
    """
    fig, axes = _panels(df, rows)
    shown = [t for t in ticks if t in (0.1, 1, 10, 100)]
    for ax in axes[0]:
        ax.set_xscale("log")
        ax.set_xlim(ticks[0] / 1.2, ticks[-1] * 1.2)
        ax.set_xticks(shown)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        ax.set_xticks([t for t in ticks if t not in shown], minor=True)
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.grid(axis="x", which="both")
        ax.axvline(1, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
    _marks(axes, df, "ratio", series, rows)
    axes[0, 0].set_xlabel("Ratio (logarithmic)", loc="left")
    return fig


def plot_two_rates(df, series, rows):
    """Rates in per cent on one scale, a panel for each model, two marks a row.

    df: model, row, series, fpir, low, high (shares); the rest as in `plot_two_ratios`.
    """
    df = df.assign(**{k: 100 * df[k] for k in ("fpir", "low", "high")})
    fig, axes = _panels(df, rows)
    for ax in axes[0]:
        ax.set_xlim(0, 100)
        ax.xaxis.set_major_locator(MaxNLocator(2))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g} %"))
        ax.grid(axis="x")
    _marks(axes, df, "fpir", series, rows)
    axes[0, 0].set_xlabel("Expected FPIR", loc="left")
    return fig


def _panels(df, rows):
    style()
    models = list(dict.fromkeys(df["model"]))
    fig, axes = new_figure(1.25 + 0.3 * len(rows), 1, len(models), sharex=True, sharey=True)
    for ax, model in zip(axes[0], models, strict=True):
        ax.set_title(MODEL_LABELS[model], pad=7)
        ax.spines["left"].set_visible(False)
        ax.set_ylim(len(rows) - 0.4, -0.6)
    axes[0, 0].set_yticks(range(len(rows)), rows)
    return fig, axes


def _marks(axes, df, value, series, rows) -> None:
    """Two marks with their intervals in each row of each panel."""
    models = list(dict.fromkeys(df["model"]))
    styles = {name: (at, colour) for name, (at, colour) in zip(series, MARKS, strict=True)}
    for ax, model in zip(axes[0], models, strict=True):
        part = df[df["model"] == model].set_index(["row", "series"])
        for y, row in enumerate(rows):
            for name, (at, colour) in styles.items():
                if (row, name) in part.index:
                    middle, low, high = part.loc[(row, name), [value, "low", "high"]]
                    fill = colour if at < 0 else "white"
                    _mark(ax, y + at, middle, low, high, colour, fill)


def _mark(ax, y, value, low, high, colour, fill) -> None:
    if not np.isfinite(value):
        return
    first, last = ax.get_xlim()
    ax.plot(np.clip([low, high], first, last), [y, y], color=colour, lw=1.8, alpha=0.5, zorder=2)
    for outside, at, shape in ((low < first, first, "<"), (high > last, last, ">")):
        if outside:
            ax.plot(at, y, shape, color=colour, ms=4, mew=0, clip_on=False, zorder=2)
    if first <= value <= last:
        ax.plot(value, y, "o", ms=4.6, color=colour, mfc=fill, mew=1.2, clip_on=False, zorder=3)


def plot_heat(df, groups, races, own):
    """FMR of groups of members against labels of the gallery, a panel for each model.

    df: model, group, race, errors, fmr, low, high (shares). Cells say the false matches in PER
    comparisons and the interval; a darker cell has more. own: group -> label, drawn with a frame.
    """
    style()
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
