"""The figures of notebook 05."""

import numpy as np
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle

from helpers.faces.pipelines import MODEL_LABELS
from helpers.show.plots import dots, log_axis, name_rows, new_figure, note, row_positions
from helpers.show.style import INK, MUTED, styled

MARKS = ((-0.16, "#001A80"), (0.16, "#A03F14"))  # offset in the row and colour of the two series
PER = 100_000  # comparisons, the unit of the heatmap


@styled()
def plot_marks(df, marks=28):
    """Rows of `marks` people, those of colour filled: a block a gallery, a row a program."""
    at = row_positions(df["Gallery"])
    fig, [[ax]] = new_figure(0.55 + 0.155 * (at[-1] + 1))
    for y, row in zip(at, df.to_dict("records"), strict=True):
        filled = row["Marks of colour"]
        for first, last, colour in ((0, filled, INK), (filled, marks, "white")):
            x = np.arange(first, last) + 0.5
            ax.plot(x, np.repeat(y, len(x)), "o", ms=5, mfc=colour, mec=INK, mew=0.7)
        note(ax, y, str(filled), fontsize=8)
    chance = df["By chance"].iloc[0]
    ax.axvline(chance, color=MARKS[1][1], lw=1.2, zorder=0)
    ax.annotate(
        "their share", (chance, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
        textcoords="offset points", ha="center", fontsize=8, color=MARKS[1][1],
    )  # fmt: skip
    name_rows(ax, at, df["Program"], df["Gallery"])
    ax.set(xlim=(0, marks), ylim=(at[-1] + 0.6, -0.6), xticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
    return fig


@styled()
def plot_two_ratios(df, series, rows, ticks=(0.2, 1, 10, 100)):
    """Ratios on a log scale, a panel a model; intervals that leave it end in an arrow.

    df: model, row, series, ratio, low, high. series: of filled and open marks. rows: from the top.
    """
    limits = (ticks[0] / 1.2, ticks[-1] * 1.2)
    models = list(dict.fromkeys(df["model"]))
    fig, axes = new_figure(1.25 + 0.3 * len(rows), 1, len(models), sharex=True, sharey=True)
    for ax, model in zip(axes[0], models, strict=True):
        for name, (shift, colour) in zip(series, MARKS, strict=True):
            part = df[(df["model"] == model) & (df["series"] == name)]
            part = part.assign(value=part["ratio"], y=part["row"].map(rows.index) + shift)
            size = 4.6 if shift > 0 else 5.8  # a ring has its line around it
            look = {name: {"color": colour}}
            dots(ax, part.assign(name=name), look, limits, ring=shift > 0, size=size, width=1.8)
        ax.set_title(MODEL_LABELS[model], pad=7)
        log_axis(ax, "x", ticks[1:])
        ax.set_xlim(*limits)
        ax.grid(axis="x")
        ax.axvline(1, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        ax.spines["left"].set_visible(False)
        ax.set_ylim(len(rows) - 0.4, -0.6)
    axes[0, 0].set_yticks(range(len(rows)), rows)
    axes[0, 0].set_xlabel("Ratio (logarithmic)", loc="left")
    return fig


@styled()
def plot_heat(df, own):
    """Matches in PER comparisons, group by label, a panel a model; own: label to frame by group."""
    models = list(dict.fromkeys(df["model"]))
    fig, axes = new_figure(0.4 + 2.0 * len(models), len(models), 1)
    norm = LogNorm(df["fmr"][df["fmr"] > 0].min(), 5 * df["fmr"].max())
    df = df.assign(row=df["group"] + " (" + df["members"].astype(str) + ")")
    for ax, model in zip(axes[:, 0], models, strict=True):
        part = df[df["model"] == model]
        grid = part.pivot(index="row", columns="race", values="fmr")
        grid = grid.reindex(index=part["row"].unique(), columns=part["race"].unique())
        # a mesh, not an image: the figure stays one of vectors
        sns.heatmap(
            grid.clip(lower=norm.vmin), norm=norm, cmap="Blues", linewidths=0.5, cbar=False, ax=ax,
            annot=(PER * grid).map(_number), fmt="", annot_kws={"size": 8},
        )  # fmt: skip
        for i, group in enumerate(part["group"].unique()):
            if group in own:
                at = (grid.columns.get_loc(own[group]) + 0.02, i + 0.04)
                ax.add_patch(Rectangle(at, 0.96, 0.92, fill=False, ec=MARKS[1][1], lw=1.6))
        ax.tick_params(length=0, top=False, rotation=0)
        ax.set(xlabel="", ylabel="")
        ax.set_title(MODEL_LABELS[model], pad=5)
    axes[-1, 0].set_xlabel("Published label of the gallery's faces", loc="left")
    return fig


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}"
