"""The figures of notebook 01."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.the_people import tables
from helpers.show import plots, style
from helpers.show.numbers import percent

WOMEN, MEN = "#001A80", "#7FA8C9"


def plot_counts(table: pd.DataFrame) -> Figure:
    """Women and men in each group as bars; `table` as from `counts`, without its totals."""
    fig, axes = plots.new_figure(2.7)
    ax = axes[0, 0]
    y = range(len(table))
    ax.barh(y, table["women"], color=WOMEN, height=0.62)
    ax.barh(y, table["men"], left=table["women"], color=MEN, height=0.62)
    for at, row in enumerate(table.itertuples()):
        text = f"{row.all} ({row.women} {'woman' if row.women == 1 else 'women'}, {row.men} men)"
        ax.annotate(text, (row.all, at), xytext=(4, 0), textcoords="offset points",
                    va="center_baseline", fontsize=8)  # fmt: skip
    ax.set_yticks(y, table["group"])
    ax.set_ylim(len(table) - 0.5, -0.6)
    ax.set_xlim(0, 1.32 * table["all"].max())
    ax.grid(axis="x")
    ax.set_xlabel("Members", loc="left")
    first = table.iloc[0]
    for x, text, colour in (
        (first["women"] / 2, "women", "white"),
        (first["women"] + first["men"] / 2, "men", style.INK),
    ):
        ax.text(x, 0, text, ha="center", va="center_baseline", fontsize=8, color=colour)
    return fig


def plot_composition(table: pd.DataFrame) -> Figure:
    """Shares of Congress (dots) and of the adults of UTKFace (diamonds), a row each."""
    headings = table["section"].ne(table["section"].shift())
    at = (headings.cumsum() * 1.25 + np.arange(len(table))).to_numpy()
    fig, axes = plots.new_figure(0.9 + 0.235 * at[-1])
    ax = axes[0, 0]
    ticks = list(zip(at, table["label"], strict=True))
    ticks += [(y - 1, s) for y, s in zip(at[headings], table["section"][headings], strict=True)]
    ax.set_yticks(*zip(*sorted(ticks), strict=True))
    for tick in ax.get_yticklabels():
        tick.set_fontweight("bold" if tick.get_text() in set(table["section"]) else "normal")
    for y, row in zip(at, table.to_dict("records"), strict=True):
        shares = [row["congress_share"], row["utkface_share"]]
        if not any(pd.isna(shares)):
            ax.plot([100 * s for s in shares], [y, y], color="#B5B5B5", lw=1.4, zorder=1)
        ax.plot(100 * shares[0], y, "o", color=style.INK, ms=6, zorder=3)
        ax.plot(100 * shares[1], y, "D", color=style.IMPOSTOR_COLOUR, ms=5.5, zorder=2)
        for share, offset in zip(shares, (30, 88), strict=True):
            text = "no class" if pd.isna(share) else percent(share)
            text = "left out" if pd.isna(share) and row["section"].startswith("Age") else text
            colour = style.MUTED if pd.isna(share) else style.INK
            ax.annotate(text, (1, y), xycoords=("axes fraction", "data"), xytext=(offset, 0),
                        textcoords="offset points", ha="center", va="center_baseline",
                        fontsize=8, color=colour)  # fmt: skip
    for text, offset, colour in (
        ("● Congress", 30, style.INK),
        ("◆ UTKFace", 88, style.IMPOSTOR_COLOUR),
    ):
        ax.annotate(text, (1, at[0] - 1), xycoords=("axes fraction", "data"), xytext=(offset, 0),
                    textcoords="offset points", ha="center", va="center_baseline", fontsize=8,
                    color=colour, weight="bold")  # fmt: skip
    ax.set_ylim(at[-1] + 0.6, at[0] - 1.6)
    ax.set_xlim(-2, 102)
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:.10g} %")
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    return fig


def plot_quality(table: pd.DataFrame, label: str, panel: str | None = None) -> Figure:
    """Median and quartiles of each measure, three columns, a row of dots for each label.

    table: as from `quartiles`; `panel` names a column whose values stand below each other. The
    number of faces stands at the right; below FEWEST of them the median has no bar.
    """
    panels = list(dict.fromkeys(table[panel])) if panel else [None]
    labels = list(dict.fromkeys(table[label]))
    fig, axes = plots.new_figure(
        0.9 + 0.24 * len(labels) * len(panels), len(panels), 3, sharex="col", sharey=True
    )
    for row, name in zip(axes, panels, strict=True):
        part = table[table[panel] == name] if panel else table
        for ax, (measure, words) in zip(row, tables.QUALITY.items(), strict=True):
            here = part[part["measure"] == measure].set_index(label)
            for y, group in enumerate(labels):
                if group in here.index:
                    one = here.loc[group]
                    colour = style.colour_of(group)
                    if one["faces"] >= tables.FEWEST:
                        ax.plot([one["q25"], one["q75"]], [y, y], color=colour, lw=2.2, alpha=0.55)
                    ax.plot(one["median"], y, style.GROUP_MARKERS.get(group, "o"), color=colour,
                            ms=5.6, mec="white", mew=0.7)  # fmt: skip
            ax.grid(axis="x")
            ax.spines["left"].set_visible(False)
            ax.margins(x=0.08)
            ax.set_ylim(len(labels) - 0.4, -0.6)
            if name == panels[0]:
                ax.set_title(words, fontsize=9, weight="bold", loc="left")
        faces = part.drop_duplicates(label).set_index(label)["faces"]
        numbers = [(y, f"{faces[g]:,}") for y, g in enumerate(labels) if g in faces]
        for y, text in [(-1, "faces"), *numbers] if name == panels[0] else numbers:
            row[-1].annotate(text, (1, y), xycoords=("axes fraction", "data"), xytext=(26, 0),
                             textcoords="offset points", ha="right", va="center_baseline",
                             fontsize=8, color=style.MUTED)  # fmt: skip
        row[0].set_yticks(range(len(labels)), labels)
        if panel:
            row[0].set_ylabel(
                {"female": "Women", "male": "Men"}.get(str(name), name), weight="bold"
            )
    return fig
