"""The pictures of notebook 07: rows of people, the specification curve, and what a choice does."""

import numpy as np
import pandas as pd
import seaborn.objects as so

from helpers.experiments.which_model.specifications import AXES
from helpers.experiments.which_model.tables import GALLERIES
from helpers.show.numbers import percent
from helpers.show.plots import dots, draw, log_axis, name_rows, new_figure, note, row_positions
from helpers.show.style import INK, MUTED, styled

BAND = "#9DB4C8"
COLOUR, WHITE = "#A03F14", "#D8D2C8"  # who is picked
FAILS = " (deepface)"
LIMITS = 0.1, 20


@styled()
def plot_dots(table: pd.DataFrame):
    """People picked (`tables.dots`), of colour first; a tick at chance; failing rows pale."""
    table = table.sort_values("Gate", ascending=False, kind="stable", ignore_index=True)
    passes = table["Gate"].eq("passes")
    section = table["Gallery"] + np.where(passes, "", FAILS)
    at = row_positions(section)
    fig, [[ax]] = new_figure(0.6 + 0.2 * at[-1])
    one_each = table.assign(y=at, alpha=np.where(passes, 1.0, 0.45))
    one_each = one_each.loc[one_each.index.repeat(one_each["Picked"])]
    one_each["x"] = one_each.groupby(level=0).cumcount() + 1
    one_each = one_each.reset_index(drop=True)
    one_each["who"] = np.where(one_each["x"] <= one_each["Of colour"], "of colour", "white")
    dot = so.Dot(pointsize=6, edgewidth=0)
    plot = so.Plot(one_each, x="x", y="y", color="who", alpha="alpha").add(dot, legend=False)
    draw(ax, plot.scale(color={"of colour": COLOUR, "white": WHITE}, alpha=None))
    chance = table["By chance"] + 0.5
    ax.vlines(chance, at - 0.42, at + 0.42, color=INK, lw=1.6, zorder=5)
    _name_rows(ax, at, table["Pipeline"].str.replace(FAILS, ""), section)
    for y, row in zip(at, table.itertuples(index=False), strict=True):
        note(ax, y, f"{row[4]} of {row[3]}", fontsize=8, color=INK)
    ax.set(xlim=(0, table["Picked"].max() + 1), ylim=(at[-1] + 0.6, -1.4), xticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
    return fig


def _name_rows(ax, at, labels, sections) -> None:
    """Names of the rows, and of each section above its first row, within the axes."""
    name_rows(ax, at, labels)
    first = sections.ne(sections.shift()).to_numpy()
    for y, text in zip(at[first], sections[first], strict=True):
        ax.text(0, y - 1, text, transform=ax.get_yaxis_transform(), weight="bold", va="center")


@styled()
def plot_curve(table: pd.DataFrame):
    """A dot a specification of `tables.drawn`, sorted by ratio in its row."""
    sections = [name + end for end in ("", FAILS) for name in GALLERIES.values()]
    section = table["gallery"].map(GALLERIES) + np.where(table["counted"], "", FAILS)
    by = {"section": (section, sections), "network": (table["network"], AXES["network"])}
    table = table.assign(**{name: pd.Categorical(*of) for name, of in by.items()})
    each = table.groupby(list(by), observed=True)["ratio"]
    rows = each.agg(share=lambda ratio: ratio.gt(1).mean(), size="size").reset_index()
    rows["at"] = row_positions(rows["section"])
    table = table.assign(y=0.4 - 0.8 * each.rank(method="first", pct=True))
    table = table.merge(rows, on=list(by)).assign(x=lambda t: t["ratio"].clip(*LIMITS))
    last = rows["at"].max()
    fig, [[ax]] = new_figure(0.7 + 0.28 * last)
    plot = so.Plot(table.assign(y=table["y"] + table["at"]), x="x", y="y", color="counted")
    plot = plot.scale(color={True: INK, False: BAND})
    draw(ax, plot.add(so.Dot(pointsize=2.2, edgewidth=0), legend=False))
    _name_rows(ax, rows["at"].to_numpy(), rows["network"], rows["section"].astype(str))
    for row in rows.itertuples():
        note(ax, row.at, f"{percent(row.share, 0)} of {row.size}", fontsize=8, color=INK)
    note(ax, -1, "above 1", fontsize=8)
    log_axis(ax, "x", [0.1, 0.3, 1, 3, 10])
    ax.set(xlim=LIMITS, ylim=(last + 0.6, -1.5))
    ax.axvline(1, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=0)
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("ratio of FPIRs", loc="left")
    return fig


@styled()
def plot_moves(table: pd.DataFrame):
    """How far each choice moves the ratio when all others stay: `specifications.moves` drawn."""
    fig, [[ax]] = new_figure(0.9 + 0.24 * len(table))
    marks = table.assign(value=table["Typical factor"], low=table["Typical factor"], name="all")
    marks = marks.assign(high=table["One pair in ten exceeds"], y=range(len(table)))
    dots(ax, marks, {"all": {"color": INK}}, alpha=0.3)
    name_rows(ax, marks["y"], table["Choice"])
    for y, shared in enumerate(table["People in common"]):
        note(ax, y, "–" if np.isnan(shared) else percent(shared, 0), 8, fontsize=8, color=INK)
    ax.annotate("same\npeople", (1, 1), xycoords="axes fraction", xytext=(6, 3), fontsize=8,
                textcoords="offset points", color=MUTED)  # fmt: skip
    log_axis(ax, "x", [1, 1.5, 2, 3, 5, 10])
    ax.set(xlim=(0.97, 1.1 * marks["high"].max()), ylim=(len(table) - 0.4, -0.6))
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("larger ratio / smaller ratio", loc="left")
    return fig
