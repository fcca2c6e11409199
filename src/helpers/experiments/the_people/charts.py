"""The figures of notebook 01."""

import pandas as pd
import seaborn.objects as so
from matplotlib.figure import Figure

from helpers.experiments.the_people import tables
from helpers.show import plots, style
from helpers.show.numbers import percent

COLOURS = {"women": "#001A80", "men": "#7FA8C9"}


@style.styled()
def plot_counts(table: pd.DataFrame) -> Figure:
    """Women and men in each group as bars; `table` as from `counts`, without its totals."""
    fig, axes = plots.new_figure(2.7)
    ax = axes[0, 0]
    both = table.melt("group", ["women", "men"], "gender", "members")
    bars = so.Plot(both, x="members", y="group", color="gender").scale(color=COLOURS)
    plots.draw(ax, bars.add(so.Bar(width=0.62, alpha=1, edgewidth=0), so.Stack(), legend=False))
    for at, row in enumerate(table.itertuples()):
        text = f"{row.all} ({row.women} {'woman' if row.women == 1 else 'women'}, {row.men} men)"
        ax.annotate(text, (row.all, at), xytext=(4, 0), textcoords="offset points",
                    va="center_baseline", fontsize=8)  # fmt: skip
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


@style.styled()
def plot_composition(table: pd.DataFrame) -> Figure:
    """Shares of Congress (dots) and of the adults of UTKFace (diamonds), a row each."""
    marks = (
        ("utkface_share", "◆ UTKFace", "D", style.IMPOSTOR_COLOUR, 88),
        ("congress_share", "● Congress", "o", style.INK, 30),
    )
    at = plots.row_positions(table["section"], gap=1.25)
    fig, axes = plots.new_figure(0.96 + 0.235 * at[-1])
    ax = axes[0, 0]
    between = so.Range({"zorder": 1}, color="#B5B5B5", linewidth=1.4)
    plot = so.Plot(100 * table[[column for column, *_ in marks]], y=at)
    plot = plot.add(between, orient="y", xmin=marks[0][0], xmax=marks[1][0])
    for column, _, marker, colour, _ in marks:
        plot = plot.add(so.Dot(marker=marker, color=colour, pointsize=6.8, edgewidth=0), x=column)
    plots.draw(ax, plot)
    plots.name_rows(ax, at, table["label"], table["section"])
    for column, heading, _, colour, offset in marks:
        look: dict = {"offset": offset, "ha": "center", "fontsize": 8}
        plots.note(ax, at[0] - 1, heading, color=colour, weight="bold", **look)
        for y, share, section in zip(at, table[column], table["section"], strict=True):
            none = "left out" if section.startswith("Age") else "no class"
            text, shade = (none, style.MUTED) if pd.isna(share) else (percent(share), style.INK)
            plots.note(ax, y, text, color=shade, **look)
    ax.set_ylim(at[-1] + 0.6, at[0] - 1.6)
    ax.set_xlim(-2, 102)
    ax.xaxis.set_major_formatter(plots.PERCENT)
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    return fig


@style.styled()
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
            here = part[part["measure"] == measure]
            low = here["q25"].where(here["faces"] >= tables.FEWEST)
            marks = here.assign(y=here[label].map(labels.index), value=here["median"], low=low)
            plots.dots(ax, marks.assign(high=here["q75"], name=here[label]))
            ax.grid(axis="x")
            ax.spines["left"].set_visible(False)
            ax.margins(x=0.08)
            ax.set_ylim(len(labels) - 0.4, -0.6)
            if name == panels[0]:
                ax.set_title(words)
        faces = part.drop_duplicates(label).set_index(label)["faces"]
        numbers = [(y, f"{faces[g]:,}") for y, g in enumerate(labels) if g in faces]
        for y, text in [(-1, "faces"), *numbers] if name == panels[0] else numbers:
            plots.note(row[-1], y, text, 26, ha="right", fontsize=8)
        row[0].set_yticks(range(len(labels)), labels)
        if panel:
            row[0].set_ylabel(
                {"female": "Women", "male": "Men"}.get(str(name), name), weight="bold"
            )
    return fig
