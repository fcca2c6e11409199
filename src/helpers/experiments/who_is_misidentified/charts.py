"""The figures of notebook 04: the rows that are drawn, and how."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.who_is_misidentified import tables as who
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.protocol.congress_test import people_searched
from helpers.protocol.policy import ACLU_COUNT
from helpers.show import plots, style
from helpers.sources import published
from helpers.sources.groups import GROUPS

SHOWN = (*GROUPS, "Women", "Men")  # the tables have all groups


def picked() -> pd.DataFrame:
    """Each list of 28 by recorded group and gender: list, group, picked, by_lot (on average)."""
    members = people_searched()
    on = {"The ACLU's test, 2018": members["member_id"].isin(published.aclu_28()["member_id"])}
    for model in PRIMARY_MODELS:
        found = shipped.result("utkface", model, shipped.PRIMARY).members
        on[MODEL_LABELS[model]] = found["flagged"]
    inside = {g["group"]: g["inside"] for g in who.groups(members)}
    rows = [
        (name, g, int(listed[inside[g]].sum()), ACLU_COUNT * inside[g].mean())
        for name, listed in on.items()
        for g in SHOWN
    ]
    return pd.DataFrame(rows, columns=["list", "group", "picked", "by_lot"])


@style.styled()
def plot_picked(table: pd.DataFrame) -> Figure:
    """A dot a member picked, a panel a list, a row a group; the tick: what a draw by lot gives."""
    at = {g: y + 0.6 * (g in ("Women", "Men")) for y, g in enumerate(SHOWN)}
    fig, axes = plots.new_figure(4.2, 2, 2, sharex=True, sharey=True)
    for ax, (name, part) in zip(axes.flat, table.groupby("list", sort=False), strict=True):
        for row in part.itertuples():
            y, colour = at[row.group], style.colour_of(row.group)
            ax.plot(np.arange(row.picked) + 0.5, [y] * row.picked, "o", color=colour, ms=3.2, mew=0)
            ax.plot([row.by_lot] * 2, [y - 0.42, y + 0.42], color=style.INK, lw=1.3)
            plots.note(ax, y, str(row.picked), 2, fontsize=8.5, color=style.INK)
        ax.set(title=name, xlim=(0, ACLU_COUNT), xticks=[])
        ax.spines[["left", "bottom"]].set_visible(False)
    axes[0, 0].set_yticks(list(at.values()), list(at))
    axes[0, 0].set_ylim(max(at.values()) + 0.6, -0.7)
    return fig


def rates() -> pd.DataFrame:
    """FPIR by recorded group and gender at 28 flagged, with half-sample intervals: a row each."""
    half = who.load("who-half-samples")
    half = half.set_index("group").loc[list(SHOWN)].reset_index()
    half["program"] = half["model"].map(MODEL_LABELS)
    half["fpir"] = half["flagged"] / half["searched"]
    return half[["program", "group", "searched", "flagged", "fpir", "low", "high"]]


@style.styled()
def plot_rates(table: pd.DataFrame) -> Figure:
    """Dots with intervals on a square-root scale, which parts small rates; a panel a program."""
    fig, axes = plots.new_figure(6.6, 3, 1, sharex=True)
    for ax, label in zip(axes.flat, MODEL_LABELS.values(), strict=False):
        part = table[table["program"] == label].reset_index(drop=True)
        shares = part[["fpir", "low", "high"]].set_axis(["value", "low", "high"], axis=1)
        plots.dots(ax, (100 * shares).assign(y=part.index, name=part["group"]), limits=(0, 100))
        ax.set_xscale("function", functions=(np.sqrt, np.square))
        ax.set(title=label, xlim=(0, 100), ylim=(len(part) - 0.4, -0.6))
        ax.set_xticks([0, 5, 20, 50, 100])
        ax.xaxis.set_major_formatter(plots.PERCENT)
        plots.name_rows(ax, part.index, part["group"])
        for row in part.itertuples():
            plots.note(ax, row.Index, f"{row.flagged} of {row.searched}", fontsize=8)
        ax.grid(axis="x")
    return fig
