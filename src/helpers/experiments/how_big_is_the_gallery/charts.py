"""The figures of notebook 06; each draws a table of `tables` or its words."""

import pandas as pd
import seaborn.objects as so

from helpers.experiments.how_big_is_the_gallery.models_beyond import KINDS
from helpers.experiments.how_big_is_the_gallery.tables import (
    CALIBRATED,
    FIXED,
    FIXED_FPIR,
    POLICIES,
    SIZES,
)
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import policy as policies
from helpers.show.plots import (
    PERCENT,
    direct_label,
    dots,
    draw,
    handles,
    lines,
    log_axis,
    new_figure,
    note,
)
from helpers.show.style import INK, MUTED, styled

POLICY_LABELS = {
    "default": policies.label("default").capitalize(),
    **{name: f"Calibrated {policies.label(name)}" for name in CALIBRATED},
    FIXED: f"{policies.label(policies.PRIMARY)} in the whole gallery",
    FIXED_FPIR: f"{policies.label(policies.PRIMARY)} in every gallery",
}
POLICY_STYLE: dict[str, dict] = {
    "default": {"color": "#1DB9D6", "marker": "o"},
    "fmr:0.0001": {"color": "#A56C9F", "marker": "D"},
    "fmr:1e-05": {"color": "#A03F14", "marker": "s"},
    "fmr:1e-06": {"color": "#001A80", "marker": "^"},
    FIXED: {"color": INK, "marker": "X"},
    FIXED_FPIR: {"color": "#A03F14", "marker": "s"},
}
KIND_COLOUR = {"gamma": "#001A80", "log-normal": "#C98A00"}
HELD, FAILED = "#7FA8C9", "#A03F14"
LOWEST = 0.12  # of a ratio that is drawn


def what_is_fixed(policy: str) -> str:
    """What stays the same when the gallery grows, in words."""
    return {
        "default": "threshold: default",
        FIXED: "threshold: 28 in the whole",
        FIXED_FPIR: "FPIR: 28 in each gallery",
    }[policy]


def _size_axis(ax) -> None:
    log_axis(ax, "x", [SIZES[0], SIZES[-1]], "{:,}")
    ax.set_xlim(850, 21000)
    ax.grid(axis="y")
    ax.spines["left"].set_visible(False)


def _short(policy: str) -> str:
    label = POLICY_LABELS[policy].replace("Calibrated ", "")
    return label.replace("whole gallery", "whole").replace("every gallery", "each")


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
    _legend(below, {_short(policy): look for policy, look in looks.items()}, 5)
    return fig


@styled()
def plot_naive(table: pd.DataFrame):
    """Exact curve and independence formula, a column a model, a row a threshold."""
    fig, axes = new_figure(4.4, 2, len(PRIMARY_MODELS), sharex=True, sharey="row")
    looks = {
        "fpir": {"color": INK, "marker": "o"},
        "naive": {"color": FAILED, "ls": (4, 2), "marker": "^"},
    }
    everybody = table[table["group"] == "Everybody"].set_index(["policy", "model"])
    for policy, row in zip(("default", FIXED), axes, strict=True):
        for ax, model in zip(row, PRIMARY_MODELS, strict=True):
            both = everybody.loc[(policy, model)].melt("faces", list(looks))
            lines(ax, both, "faces", "value", "variable", looks, size=5.5)
            _size_axis(ax)
            ax.yaxis.set_major_formatter(PERCENT)
        row[0].set_ylim(0, 105 * everybody.loc[policy][["fpir", "naive"]].max(axis=None))
        row[0].set_ylabel(_short(policy))
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        ax.set_title(MODEL_LABELS[model])
    middle = everybody.loc[(FIXED, PRIMARY_MODELS[0])].iloc[2]
    direct_label(axes[1, 0], 1000, 160 * middle["naive"], "1−(1−FMR)^N", FAILED)
    direct_label(axes[1, 0], 6500, 60 * middle["fpir"], "exact", INK)
    axes[1, 0].set_xlabel("Faces in the gallery", loc="left")
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
    _legend(below, {f"Fixed {what_is_fixed(p)}": look for p, look in looks.items()}, 3)
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
    names = [f"{_short(policy)}:\n{method}" for policy, method in blocks]
    axes[0, 0].set_yticks([y + 4.5 for y in at.values()], names)
    axes[0, 0].set_xlabel("Predicted / true number flagged", loc="left")
    return fig


@styled()
def plot_beyond(table: pd.DataFrame, tested: int, marks):
    """Exact curve, both models up to `tested` faces, and the bracket; `marks`: sizes to mark."""
    policies = list(dict.fromkeys(table["policy"]))
    far = max(marks)
    fig, axes = new_figure(4.9, len(policies), len(PRIMARY_MODELS), sharex=True, sharey=True)
    for policy, row in zip(policies, axes, strict=True):
        for ax, model in zip(row, PRIMARY_MODELS, strict=True):
            part = table[(table["model"] == model) & (table["policy"] == policy)]
            part = 100 * part.set_index("faces")[["low", "high", "exact", *KINDS]].sort_index()
            near = part.loc[:tested]
            plot = so.Plot(part, x="faces").add(so.Line(color=INK, linewidth=2), y="exact")
            for piece, alpha in ((near, 0.35), (part.loc[tested:], 0.14)):
                band = so.Band(color=MUTED, alpha=alpha)
                plot = plot.add(band, data=piece, ymin="low", ymax="high")
            for kind in KINDS:
                line = so.Line(color=KIND_COLOUR[kind], linewidth=1.4)
                plot = plot.add(line, data=near, y=kind)
            draw(ax, plot)
            for n in marks:
                ax.axvline(n, color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=1)
            log_axis(ax, "x", [1e3, 1e6, far])
            ax.set_xticks([1e3, 1e6, far], ["1,000", "1 m", f"{far / 1e6:.0f} m"])
            ax.set_xlim(SIZES[0], 1.3 * far)
            ax.set_ylim(0, 105)
            ax.yaxis.set_major_formatter(PERCENT)
            ax.grid(axis="y")
            ax.spines["left"].set_visible(False)
        row[0].set_ylabel(_short(policy))
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        ax.set_title(MODEL_LABELS[model])
    for y, (text, colour) in enumerate({**KIND_COLOUR, "exact": INK}.items()):
        direct_label(axes[0, 0], 1300, 92 - 13 * y, text, colour)
    axes[-1, 0].set_xlabel("Faces in the gallery", loc="left")
    return fig
