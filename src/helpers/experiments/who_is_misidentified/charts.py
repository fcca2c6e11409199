"""The figures of notebook 04: the rows that are drawn, and how."""

from functools import cache

import numpy as np
import pandas as pd
import seaborn.objects as so
from matplotlib.figure import Figure

from helpers.experiments.who_is_misidentified import aclu, adjustment
from helpers.experiments.who_is_misidentified import tables as who
from helpers.experiments.who_is_misidentified.tables import COUNTS
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.protocol.policy import ACLU_COUNT
from helpers.show import plots, style
from helpers.sources.groups import COLOUR, NOT_ASIAN

SHOWN = (who.ETHNICITY, who.GENDER)  # characteristics in the figures; the table has all


def picked() -> pd.DataFrame:
    """Each list of 28 by recorded group and gender: list, group, picked, by_lot (on average)."""
    table = aclu.aclu_beside()
    table = table[~table["group"].isin([COLOUR, NOT_ASIAN])]
    names = {"aclu": "The ACLU's test, 2018"} | {m: MODEL_LABELS[m] for m in PRIMARY_MODELS}
    long = table.melt(["group", "by_lot"], list(names), var_name="list", value_name="picked")
    return long.assign(list=long["list"].map(names))[["list", "group", "picked", "by_lot"]]


@style.styled()
def plot_picked(table: pd.DataFrame) -> Figure:
    """A dot a member picked, a panel a list, a row a group; the tick: what a draw by lot gives."""
    lists, groups = list(dict.fromkeys(table["list"])), list(dict.fromkeys(table["group"]))
    at = {g: y + 0.6 * (g in ("Women", "Men")) for y, g in enumerate(groups)}
    fig, axes = plots.new_figure(4.7, 2, 2, sharex=True, sharey=True)
    for ax, name in zip(axes.flat, lists, strict=True):
        for row in table[table["list"] == name].itertuples():
            y, colour = at[row.group], style.colour_of(row.group)
            x = np.arange(row.picked) + 0.5
            ax.plot(x, np.full(row.picked, y), "o", color=colour, ms=4.6, mew=0)
            ax.plot([row.by_lot] * 2, [y - 0.42, y + 0.42], color=style.INK, lw=1.3)
            plots.note(ax, y, str(row.picked), 2, fontsize=8.5, color=style.INK)
        ax.set_title(name)
        ax.set_xlim(0, ACLU_COUNT)
        ax.set_xticks([])
        ax.spines[["left", "bottom"]].set_visible(False)
    axes[0, 0].set_yticks(list(at.values()), list(at))
    axes[0, 0].set_ylim(max(at.values()) + 0.6, -0.7)
    return fig


@cache
def forest() -> pd.DataFrame:
    """FPIR by recorded group and gender at 28 flagged, half-sample intervals: a row a model each.

    Columns model, section, group, label, searched, flagged, fpir, low, high, design_effect.
    ValueError if the half-samples that ship were drawn for other counts.
    """
    half = who.half_samples()
    rows = []
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, shipped.PRIMARY).members
        for g in who.groups(members):
            if g["characteristic"] not in SHOWN:
                continue
            inside = members.loc[g["inside"], "flagged"]
            k, n = int(inside.sum()), len(inside)
            drawn = half.loc[(model, g["group"])]
            if (drawn["flagged"], drawn["searched"]) != (k, n):
                raise ValueError(f"half-samples of {g['group']} are old: rebuild them")
            rows.append(
                {
                    "model": model,
                    "section": g["characteristic"],
                    "group": g["group"],
                    "label": f"{g['group']} ({n})",
                    "searched": n,
                    "flagged": k,
                    "fpir": k / n,
                    **drawn[["low", "high", "design_effect"]],
                }
            )
    return pd.DataFrame(rows)


def aucs() -> pd.DataFrame:
    """AUC by recorded group and gender, all and within strata: a row a model and comparison.

    Columns model, section, group, label, auc, low, high (half-samples), within, within_low,
    within_high (members taken as independent).
    """
    half = who.half_samples()
    table = who.secondary().query("characteristic in @SHOWN").copy()
    drawn = half.reindex(pd.MultiIndex.from_frame(table[["model", "group"]]))
    label = table["group"] + " / " + table["against"].map(who.counterpart)
    return pd.DataFrame(
        {
            "model": table["model"],
            "section": table["characteristic"],
            "group": table["group"],
            "label": label + " (" + table["n1"].astype(str) + ")",
            "auc": table["auc"],
            "low": drawn["auc_low"].to_numpy(),
            "high": drawn["auc_high"].to_numpy(),
            "within": table["auc_within"],
            "within_low": table["auc_within_low"],
            "within_high": table["auc_within_high"],
        }
    )


def gaps() -> pd.DataFrame:
    """`adjustment.adjusted_ranks` as rows of a figure: section (the gap), label (adjusted for)."""
    table = adjustment.adjusted_ranks()
    quality = ", ".join(adjustment.COVARIATES[c] for c in adjustment.QUALITY)
    label = "+ " + table["terms"].str.replace(quality, "photo quality")
    return table.assign(section=table["gap"], label=label.where(table["terms"] != "", "unadjusted"))


@style.styled()
def plot_panels(
    df: pd.DataFrame,
    estimate: str,
    *,
    unit: str = "percent",
    tally: str | None = None,
    hollow: str | None = None,
    reference: float | None = None,
    limits: tuple[float, float] = (0, 1),
) -> Figure:
    """Dots with intervals (low, high), a panel a model, rows of `label` under headings `section`.

    unit: "percent" (drawn on a square-root scale, which parts small rates) or "ratio". tally: a
    column written at the right of each panel. hollow: a second estimate, as a ring.
    """
    first = df[df["model"] == df["model"].iloc[0]]
    at = plots.row_positions(first["section"], gap=1.35)
    models = list(dict.fromkeys(df["model"]))
    scale = 100 if unit == "percent" else 1
    fig, axes = plots.new_figure(0.815 + 0.185 * at[-1], 1, len(models), sharex=True, sharey=True)
    ends = (scale * limits[0], scale * limits[1])
    for ax, model in zip(axes[0], models, strict=True):
        part = df[df["model"] == model].assign(y=at)
        names = part.get("group", pd.Series("", part.index))
        if hollow:
            rings = pd.DataFrame({"y": at, "value": scale * part[hollow], "name": names})
            plots.dots(ax, rings, ring=True, size=5.2)
        values = {c: scale * part[c] for c in ("low", "high")} | {"value": scale * part[estimate]}
        plots.dots(ax, part.assign(name=names, **values), limits=ends, size=4.8, width=2)
        ax.set_title(MODEL_LABELS[model], pad=7)
        if unit == "percent":
            ax.set_xscale("function", functions=(np.sqrt, np.square))
            ax.set_xticks([0, 10, 40, 100])
        ax.xaxis.set_major_formatter(plots.PERCENT if unit == "percent" else "{x:g}")
        ax.set_xlim(*ends)
        if tally:
            for y, number in zip(at, part[tally], strict=True):
                plots.note(ax, y, f"{number:,}", 5)
        if reference is not None:
            ax.axvline(scale * reference, color=style.MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        ax.set_ylim(at[-1] + 0.6, -0.7)
    plots.name_rows(axes[0, 0], at, first["label"], first["section"])
    axes[0, 0].tick_params(axis="y", labelsize=8)
    return fig


@style.styled()
def plot_thresholds(table: pd.DataFrame) -> Figure:
    """FPIR ratio against the number flagged, a panel a gap and model; table: `who.by_threshold`."""
    names = list(dict.fromkeys(table["gap"]))
    fig, axes = plots.new_figure(4.1, len(names), len(PRIMARY_MODELS), sharex=True, sharey=True)
    table = table.assign(low=table["low"].clip(lower=0.2), high=table["high"].clip(upper=50))
    for row, gap in zip(axes, names, strict=True):
        for ax, model in zip(row, PRIMARY_MODELS, strict=True):
            part = table[(table["gap"] == gap) & (table["model"] == model)]
            plot = so.Plot(part, x="flagged").add(
                so.Band(color="#7FA8C9", alpha=0.45), ymin="low", ymax="high"
            )
            plots.draw(ax, plot.add(so.Line(color=style.INK, linewidth=1.5), y="ratio"))
            plots.log_axis(ax, "x", [*COUNTS, 132, 264])
            plots.log_axis(ax, "y", [0.5, 1, 2, 5, 10, 20])
            ax.set_ylim(0.3, 25)
            ax.axhline(1, color=style.MUTED, lw=0.9, ls=(0, (4, 3)))
            for count in COUNTS:
                ax.axvline(count, color=style.GRID, lw=0.9, zorder=0)
            ax.tick_params(axis="y", labelcolor=style.MUTED, labelsize=8)
            if gap == names[0]:
                ax.set_title(MODEL_LABELS[model], pad=7)
        row[0].set_ylabel(gap.replace(" / ", " /\n"))
    axes[-1, 0].set_xlabel("Members flagged (log scale; strict to loose threshold)", loc="left")
    return fig
