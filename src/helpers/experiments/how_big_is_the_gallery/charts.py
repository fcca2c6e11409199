"""The figures of notebook 06; each draws a table of `tables` or its words."""

import pandas as pd

from helpers.experiments.how_big_is_the_gallery.models_beyond import KINDS
from helpers.experiments.how_big_is_the_gallery.tables import FIXED, FIXED_FPIR, POLICIES, SIZES
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show.numbers import number
from helpers.show.plots import direct_label, new_figure
from helpers.show.style import INK, MUTED

POLICY_LABELS = {
    "default": "Library default",
    "fmr:0.0001": "Calibrated FMR 1e-4",
    "fmr:1e-05": "Calibrated FMR 1e-5",
    "fmr:1e-06": "Calibrated FMR 1e-6",
    FIXED: "28 flagged in the whole gallery",
    FIXED_FPIR: "28 flagged in every gallery",
}
POLICY_STYLE = {
    "default": ("#1DB9D6", "o"),
    "fmr:0.0001": ("#A56C9F", "D"),
    "fmr:1e-05": ("#A03F14", "s"),
    "fmr:1e-06": ("#001A80", "^"),
    FIXED: (INK, "X"),
    FIXED_FPIR: ("#A03F14", "s"),
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
    ax.set_xscale("log")
    ax.set_xlim(850, 21000)
    ticks = [SIZES[0], SIZES[-1]]
    ax.set_xticks(ticks, [number(t) for t in ticks])
    ax.minorticks_off()
    ax.grid(axis="y")
    ax.spines["left"].set_visible(False)


def _title(ax, model: str) -> None:
    ax.set_title(MODEL_LABELS[model], fontsize=9, fontweight="bold", loc="left")


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


def _legend(below, ax, columns: int) -> None:
    legend = below.legend(
        *ax.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(0, 1.6),
        ncols=columns, fontsize=7.5, columnspacing=1.2, frameon=False, borderaxespad=0,
    )  # fmt: skip
    legend.set_in_layout(False)  # it is wider than the axes that hold it


def plot_size(table: pd.DataFrame):
    """FPIR against gallery size at the fixed thresholds, a panel a model, both axes logarithmic."""
    fig, axes, below = _panels_and_legend(3.5)
    for ax, model in zip(axes, PRIMARY_MODELS, strict=True):
        for policy in POLICIES:
            part = table[(table["model"] == model) & (table["policy"] == policy)]
            if not part["fpir"].any():
                continue  # nobody is flagged: no place on a logarithmic axis
            colour, marker = POLICY_STYLE[policy]
            drawn = part.dropna(subset="spread_low")
            low = 100 * drawn["spread_low"].clip(lower=1e-4)
            ax.fill_between(
                drawn["faces"], low, 100 * drawn["spread_high"], color=colour, alpha=0.18, lw=0
            )
            ax.plot(
                part["faces"], 100 * part["fpir"], color=colour, marker=marker, ms=4, lw=1.5,
                label=_short(policy), mec="white", mew=0.5,
            )  # fmt: skip
        _title(ax, model)
        _size_axis(ax)
        ax.set_yscale("log")
        ax.set_ylim(0.08, 130)
        ax.set_yticks([0.1, 1, 10, 100], ["0.1 %", "1 %", "10 %", "100 %"])
        ax.minorticks_off()
    axes[0].set_xlabel("Faces in the gallery", loc="left")
    _legend(below, axes[0], 5)
    return fig


def plot_naive(table: pd.DataFrame):
    """Exact curve and independence formula, a column a model, a row a threshold."""
    fig, axes = new_figure(4.4, 2, len(PRIMARY_MODELS), sharex=True, sharey="row")
    everybody = table[table["group"] == "Everybody"].set_index(["policy", "model"])
    for policy, row in zip(("default", FIXED), axes, strict=True):
        for ax, model in zip(row, PRIMARY_MODELS, strict=True):
            part = everybody.loc[(policy, model)]
            ax.plot(part["faces"], 100 * part["fpir"], color=INK, marker="o", ms=4, lw=1.6)
            ax.plot(
                part["faces"], 100 * part["naive"], color=FAILED, ls=(0, (4, 2)), marker="^", ms=4,
                lw=1.4,
            )  # fmt: skip
            _size_axis(ax)
            ax.yaxis.set_major_formatter(lambda v, _: f"{v:g} %")
        row[0].set_ylim(0, 105 * everybody.loc[policy][["fpir", "naive"]].max(axis=None))
        row[0].set_ylabel(_short(policy))
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        _title(ax, model)
    middle = everybody.loc[(FIXED, PRIMARY_MODELS[0])].iloc[2]
    direct_label(axes[1, 0], 1000, 160 * middle["naive"], "1−(1−FMR)^N", FAILED)
    direct_label(axes[1, 0], 6500, 60 * middle["fpir"], "exact", INK)
    axes[1, 0].set_xlabel("Faces in the gallery", loc="left")
    return fig


def plot_ratio(table: pd.DataFrame):
    """FPIR ratio by gallery size at fixed thresholds and at a fixed FPIR, a panel a model."""
    fig, axes, below = _panels_and_legend(3.5)
    for ax, model in zip(axes, PRIMARY_MODELS, strict=True):
        for policy in ("default", FIXED, FIXED_FPIR):
            part = table[(table["model"] == model) & (table["policy"] == policy)]
            colour, marker = POLICY_STYLE[policy]
            ax.plot(
                part["faces"], part["ratio"], color=colour, marker=marker, ms=4.5, lw=1.5,
                mec="white", mew=0.5, label=f"Fixed {what_is_fixed(policy)}",
            )  # fmt: skip
            ax.plot(part["faces"], part["within_sex"], color=colour, lw=1.1, ls=(0, (2, 2)))
        ax.axhline(1, color=MUTED, lw=0.9, ls=(0, (5, 3)), zorder=1)
        _title(ax, model)
        _size_axis(ax)
        ax.set_yscale("log")
        ax.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
        ax.minorticks_off()
    axes[0].set_xlabel("Faces in the gallery", loc="left")
    _legend(below, axes[0], 3)
    return fig


def plot_backtest(table: pd.DataFrame):
    """Predictions from each tenth over the truth, a column a model, a block a method."""
    blocks = list(dict.fromkeys(zip(table["policy"], table["method"], strict=True)))
    fig, axes = new_figure(6.6, 1, len(PRIMARY_MODELS), sharex=True, sharey=True)
    at = {block: 13 * i for i, block in enumerate(blocks)}
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        for (policy, method), y in at.items():
            mine = (table["model"] == model) & (table["policy"] == policy)
            part = table[mine & (table["method"] == method)]
            for held, colour, mark in ((True, HELD, "o"), (False, FAILED, "X")):
                some = part[(part["covered"] == held) & part["predicted"].notna()]
                rows = y + some["tenth"]
                low, value, high = (
                    (some[c] / some["truth"]).clip(lower=LOWEST)
                    for c in ("low", "predicted", "high")
                )
                ax.hlines(rows, low, high, color=colour, lw=1)
                ax.plot(value, rows, mark, color=colour, ms=2.8, mew=0)
            if part.empty:
                ax.text(1, y + 4.5, "nobody flagged", ha="center", va="center", fontsize=7.5,
                        color=MUTED)  # fmt: skip
            else:
                text = f"{int(part['covered'].sum())}/{len(part)}"
                ax.annotate(text, (1, y + 4.5), xycoords=("axes fraction", "data"),
                            xytext=(3, 0), textcoords="offset points", va="center_baseline",
                            fontsize=7.5, color=MUTED)  # fmt: skip
        ax.axvline(1, color=INK, lw=0.9, zorder=0)
        ax.set_xscale("log")
        ax.set_xlim(LOWEST, 9)
        ax.set_xticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
        ax.minorticks_off()
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        _title(ax, model)
        ax.set_ylim(13 * len(blocks) - 2, -2)
    names = [f"{_short(policy)}:\n{method}" for policy, method in blocks]
    axes[0, 0].set_yticks([y + 4.5 for y in at.values()], names)
    axes[0, 0].set_xlabel("Predicted / true number flagged", loc="left")
    return fig


def plot_beyond(table: pd.DataFrame, tested: int, marks):
    """Exact curve, both models up to `tested` faces, and the bracket; `marks`: sizes to mark."""
    policies = list(dict.fromkeys(table["policy"]))
    far = max(marks)
    fig, axes = new_figure(4.9, len(policies), len(PRIMARY_MODELS), sharex=True, sharey=True)
    for policy, row in zip(policies, axes, strict=True):
        for ax, model in zip(row, PRIMARY_MODELS, strict=True):
            part = table[(table["model"] == model) & (table["policy"] == policy)]
            part = part.sort_values("faces")
            near, beyond = part[part["faces"] <= tested], part[part["faces"] >= tested]
            for piece, alpha in ((near.dropna(subset="low"), 0.35), (beyond, 0.14)):
                band = 100 * piece["low"], 100 * piece["high"]
                ax.fill_between(piece["faces"], *band, color=MUTED, alpha=alpha, lw=0)
            for kind in KINDS:
                ax.plot(near["faces"], 100 * near[kind], color=KIND_COLOUR[kind], lw=1.4)
            ax.plot(part["faces"], 100 * part["exact"], color=INK, lw=2)
            for n in marks:
                ax.axvline(n, color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=1)
            ax.set_xscale("log")
            ax.set_xlim(SIZES[0], 1.3 * far)
            ax.set_xticks([1e3, 1e6, far], ["1,000", "1 m", f"{far / 1e6:.0f} m"])
            ax.minorticks_off()
            ax.set_ylim(0, 105)
            ax.yaxis.set_major_formatter(lambda v, _: f"{v:g} %")
            ax.grid(axis="y")
            ax.spines["left"].set_visible(False)
        row[0].set_ylabel(_short(policy))
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        _title(ax, model)
    for y, (text, colour) in enumerate({**KIND_COLOUR, "exact": INK}.items()):
        direct_label(axes[0, 0], 1300, 92 - 13 * y, text, colour)
    axes[-1, 0].set_xlabel("Faces in the gallery", loc="left")
    return fig
