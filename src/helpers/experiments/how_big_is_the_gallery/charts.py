"""The figures of notebook 06; each draws a table of `tables` or `display`."""

import numpy as np
import pandas as pd

from helpers.experiments.how_big_is_the_gallery.display import POLICY_LABELS
from helpers.experiments.how_big_is_the_gallery.tables import FIXED, FIXED_FPIR, POLICIES, SIZES
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show.plots import (
    dots,
    handles,
    lines,
    log_axis,
    name_rows,
    new_figure,
    note,
    row_positions,
)
from helpers.show.style import INK, MUTED, styled

POLICY_STYLE: dict[str, dict] = {
    "default": {"color": "#1DB9D6", "marker": "o"},
    "fmr:0.0001": {"color": "#A56C9F", "marker": "D"},
    "fmr:1e-05": {"color": "#A03F14", "marker": "s"},
    "fmr:1e-06": {"color": "#001A80", "marker": "^"},
    FIXED: {"color": INK, "marker": "X"},
    FIXED_FPIR: {"color": "#A03F14", "marker": "s"},
}
HELD, FAILED = "#7FA8C9", "#A03F14"
LOWEST = 0.12  # of a ratio that is drawn


@styled()
def plot_marks(table: pd.DataFrame):
    """A mark a member flagged, a row a gallery size, and what the formula expects, as a line.

    table: Program, Faces, Flagged, Formula; a block a program.
    """
    at = row_positions(table["Program"])
    fig, axes = new_figure(0.5 + 0.165 * (at[-1] + 1))
    ax = axes[0, 0]
    for y, row in zip(at, table.to_dict("records"), strict=True):
        x = np.arange(round(row["Flagged"])) + 0.5
        ax.plot(x, np.repeat(y, len(x)), "o", ms=3.6, mfc=INK, mew=0)
        ax.plot([row["Formula"]] * 2, [y - 0.4, y + 0.4], color=FAILED, lw=2.2)
        note(ax, y, f"{row['Flagged']:.1f} and {row['Formula']:.1f}")
    faces = table["Faces"].map("{:,} faces".format)
    name_rows(ax, at, faces, table["Program"])
    ax.set(xlim=(0, 1.03 * table["Formula"].max()), ylim=(at[-1] + 0.6, -1.4), xticks=[])
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return fig


def _size_axis(ax) -> None:
    log_axis(ax, "x", [SIZES[0], SIZES[-1]], "{:,}")
    ax.set_xlim(850, 21000)
    ax.grid(axis="y")
    ax.spines["left"].set_visible(False)


def _panels_and_legend(height: float):
    """A row of a panel a model, and axes below for a legend that belongs to all of them."""
    fig, axes = new_figure(
        height, 2, len(PRIMARY_MODELS), sharex="row", sharey="row", height_ratios=[12, 1]
    )
    for ax in axes[1]:
        ax.set_axis_off()
    return fig, axes[0], axes[1, 0]


def _legend(below, looks: dict, columns: int) -> None:
    legend = below.legend(
        handles=handles(looks), loc="upper left", bbox_to_anchor=(0, 1.6), ncols=columns,
        fontsize=7.5, columnspacing=1.2, borderaxespad=0,
    )  # fmt: skip
    legend.set_in_layout(False)  # it is wider than the axes that hold it


@styled()
def plot_size(table: pd.DataFrame):
    """FPIR against gallery size at the fixed thresholds, a panel a model, both axes logarithmic."""
    fig, axes, below = _panels_and_legend(3.5)
    looks = {policy: POLICY_STYLE[policy] for policy in POLICIES}
    table = table.assign(spread_low=table["spread_low"].clip(lower=1e-4))
    for ax, model in zip(axes, PRIMARY_MODELS, strict=True):
        part = table[table["model"] == model]
        # nobody is flagged: no place on a logarithmic axis
        part = part[part.groupby("policy")["fpir"].transform("max") > 0]
        lines(ax, part, "faces", "fpir", "policy", looks, spread=("spread_low", "spread_high"))
        ax.set_title(MODEL_LABELS[model])
        _size_axis(ax)
        log_axis(ax, "y", [0.1, 1, 10, 100], "{:g} %")
        ax.set_ylim(0.08, 130)
    axes[0].set_xlabel("Faces in the gallery", loc="left")
    _legend(below, {POLICY_LABELS[policy]: look for policy, look in looks.items()}, 3)
    return fig


@styled()
def plot_ratio(table: pd.DataFrame):
    """FPIR ratio by gallery size at fixed thresholds and at a fixed FPIR, a panel a model."""
    fig, axes, below = _panels_and_legend(3.5)
    looks = {policy: POLICY_STYLE[policy] for policy in ("default", FIXED, FIXED_FPIR)}
    dashed = {policy: {"color": look["color"], "ls": (2, 2)} for policy, look in looks.items()}
    for ax, model in zip(axes, PRIMARY_MODELS, strict=True):
        part = table[table["model"] == model]
        lines(ax, part, "faces", "within_sex", "policy", dashed, scale=1, width=1.1)
        lines(ax, part, "faces", "ratio", "policy", looks, scale=1, size=4.5)
        ax.axhline(1, color=MUTED, lw=0.9, ls=(0, (5, 3)), zorder=1)
        ax.set_title(MODEL_LABELS[model])
        _size_axis(ax)
        log_axis(ax, "y", [1, 2, 5, 10])
    axes[0].set_xlabel("Faces in the gallery", loc="left")
    _legend(below, {POLICY_LABELS[policy]: look for policy, look in looks.items()}, 3)
    return fig


@styled()
def plot_foretold(table: pd.DataFrame):
    """Ten predictions of the members flagged, a row a method, a panel a program; line: the truth.

    table: the rows of `display.backtest` for one truth.
    """
    methods = list(dict.fromkeys(table["method"]))
    fig, axes = new_figure(
        1.25 + 0.5 * len(methods), 1, len(PRIMARY_MODELS), sharex=True, sharey=True
    )
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        part = table[table["model"] == model]
        y = part["method"].map(methods.index) + 0.05 * (part["tenth"] - 4.5)
        ax.plot(part["predicted"], y, "o", ms=4.5, mfc=HELD, mec="white", mew=0.4)
        ax.axvline(table["truth"].iloc[0], color=FAILED, lw=1.4, zorder=0)
        ax.set_title(MODEL_LABELS[model])
        ax.set(xlim=(0, 1.08 * table["predicted"].max()), ylim=(len(methods) - 0.4, -0.6))
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
    axes[0, 0].set_yticks(range(len(methods)), [m.capitalize() for m in methods])
    axes[0, 0].set_xlabel("Members flagged in the whole gallery", loc="left")
    return fig


@styled()
def plot_backtest(table: pd.DataFrame):
    """Predictions from each tenth over the truth, a column a model, a block a method."""
    blocks = list(dict.fromkeys(zip(table["policy"], table["method"], strict=True)))
    fig, axes = new_figure(6.6, 1, len(PRIMARY_MODELS), sharex=True, sharey=True)
    at = {block: 13 * i for i, block in enumerate(blocks)}
    looks = {True: {"color": HELD, "marker": "o"}, False: {"color": FAILED, "marker": "X"}}
    block = pd.Series(list(zip(table["policy"], table["method"], strict=True)), table.index)
    table = table.assign(y=block.map(at) + table["tenth"], name=table["covered"])
    for column in ("low", "predicted", "high"):
        table[column] = (table[column] / table["truth"]).clip(lower=LOWEST)
    table["value"] = table["predicted"]
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        mine = table[table["model"] == model]
        dots(ax, mine, looks, (LOWEST, 9), size=3.2, width=1, alpha=1)
        for (policy, method), y in at.items():
            part = mine[(mine["policy"] == policy) & (mine["method"] == method)]
            if part.empty:
                ax.text(1, y + 4.5, "nobody flagged", ha="center", va="center", fontsize=7.5,
                        color=MUTED)  # fmt: skip
            else:
                note(ax, y + 4.5, f"{int(part['covered'].sum())}/{len(part)}", 3)
        ax.axvline(1, color=INK, lw=0.9, zorder=0)
        log_axis(ax, "x", [0.2, 0.5, 1, 2, 5])
        ax.set_xlim(LOWEST, 9)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        ax.set_title(MODEL_LABELS[model])
        ax.set_ylim(13 * len(blocks) - 2, -2)
    names = [f"{POLICY_LABELS[policy]}:\n{method.lower()}" for policy, method in blocks]
    axes[0, 0].set_yticks([y + 4.5 for y in at.values()], names)
    axes[0, 0].set_xlabel("Predicted / true number flagged", loc="left")
    return fig
