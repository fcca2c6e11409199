"""Drawings that several notebooks share: dots with intervals, lines with bands.

`draw`, `dots` and `lines` reset scale, ticks, labels and title: set the axes afterwards.
"""

import math

import numpy as np
import pandas as pd
import seaborn.objects as so
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from helpers.show import style
from helpers.show.layout import renderer_of
from helpers.show.style import DPI, INK, MARGIN, MUTED, STYLE, WIDTH, colour_of, styled


def new_figure(height: float, rows: int = 1, columns: int = 1, **options):
    """A figure of the project's width (inches) in its style, and its axes as an array."""
    with styled():
        fig = Figure(figsize=(WIDTH, height), layout="constrained", dpi=DPI)
        axes = fig.subplots(rows, columns, squeeze=False, **options)
    pads = {"w_pad": MARGIN, "h_pad": 0.05, "wspace": 0.03, "hspace": 0.04}
    fig.get_layout_engine().set(**pads)  # type: ignore[union-attr]
    return fig, axes


def direct_label(ax, x: float, y: float, text: str, colour: str = INK, **options):
    """A label at a line or point instead of a legend, legible on a grid line."""
    settings = {"va": "center", "ha": "left", "fontsize": 8, "weight": "bold", "zorder": 6}
    edge = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
    return ax.text(x, y, text, color=colour, bbox=edge, **settings | options)


MARKS = ["y", "value", "low", "high", "name"]  # of `dots`
PERCENT = "{x:.10g} %"  # as matplotlib formats a tick


def note(ax, y: float, text: str, offset: float = 6, **options):
    """A text at the right of the axes, at the height `y` of a row, `offset` points off."""
    settings = {"va": "center_baseline", "fontsize": 8, "color": MUTED}
    return ax.annotate(
        text, (1, y), xycoords=("axes fraction", "data"), xytext=(offset, 0),
        textcoords="offset points", **settings | options,
    )  # fmt: skip


def log_axis(ax, axis: str, ticks, text: str = "{:g}") -> None:
    """Make the axis "x" or "y" logarithmic, with these ticks and no others, written as `text`."""
    getattr(ax, f"set_{axis}scale")("log")
    getattr(ax, f"set_{axis}ticks")(ticks, [text.format(tick) for tick in ticks])
    getattr(ax, f"{axis}axis").set_minor_locator(NullLocator())


def draw(ax, plot: so.Plot) -> None:
    """Draw a plot of seaborn on `ax` in the project's theme; hidden tick labels stay hidden."""
    ticks = {**ax.xaxis.get_tick_params(), **ax.yaxis.get_tick_params()}
    shown = {side: ticks.get(side, True) for side in ("labelleft", "labelbottom")}
    plot.theme(STYLE).on(ax).label(x="", y="").plot()  # type: ignore[arg-type]
    ax.tick_params(**shown)


def lines(
    ax,
    df: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    looks: dict,
    *,
    spread: tuple[str, str] | None = None,
    bars: bool = False,
    width: float = 1.5,
    alpha: float = 0.18,
) -> None:
    """Lines over `x`, one a value of the column `by`, with a band or bars between two columns.

    looks: value of `by` -> color, ls and marker, as in MODEL_LINES; values without one are left
    out. `y` and the columns `spread` are shares, drawn as per cent.
    """
    df = df[df[by].isin(list(looks))]
    names = df[by].astype(str)  # seaborn would make numbers of numbers
    looks = {str(name): look for name, look in looks.items()}
    df = df.assign(**{by: names}, **{c: 100 * df[c] for c in (y, *(spread or ()))})
    plot = so.Plot(df, x=x, color=by).scale(
        color={name: look["color"] for name, look in looks.items()},
        linestyle={name: look.get("ls", "-") for name, look in looks.items()},
        marker={name: look.get("marker", "") for name, look in looks.items()},
    )
    if spread:
        mark = so.Range(linewidth=1.2, alpha=alpha) if bars else so.Band(alpha=alpha)
        plot = plot.add(mark, ymin=spread[0], ymax=spread[1], legend=False)
    mark = so.Line({"clip_on": not bars}, linewidth=width, pointsize=4, edgecolor="white",
                   edgewidth=0.5)  # fmt: skip
    draw(ax, plot.add(mark, y=y, linestyle=by, marker=by, legend=False))


def handles(looks: dict, **options) -> list[Artist]:
    """What a legend shows for `lines`: label -> look, as there."""
    settings = {"lw": 1.5, "ms": 4, "mec": "white", "mew": 0.5} | options
    return [Line2D([], [], label=name, **settings | look) for name, look in looks.items()]


def dots(
    ax,
    df: pd.DataFrame,
    looks: dict | None = None,
    limits: tuple[float, float] = (-math.inf, math.inf),
    *,
    ring: bool = False,
    size: float = 5.6,
    width: float = 2.2,
    alpha: float = 0.55,
) -> None:
    """Dots, or rings, with intervals; columns y, value and name, and low and high where there are.

    looks: name -> color and marker; without it each name has its group's, or ink and a circle. An
    interval that leaves the limits ends in an arrow head, for which seaborn has no mark.
    """
    first, last = limits
    df = df.reindex(columns=MARKS).dropna(subset="value")
    df = df.assign(start=df["low"].clip(lower=first), end=df["high"].clip(upper=last))
    looks = looks or {
        name: {"color": colour_of(name), "marker": style.GROUP_MARKERS.get(name, "o")}
        for name in df["name"]
    }
    colours = {name: look["color"] for name, look in looks.items()}
    markers = {name: look.get("marker", "o") for name, look in looks.items()}
    plot = so.Plot(df, y="y").scale(color=colours, edgecolor=colours, marker=markers)
    if len(both := df.dropna()):
        bars = so.Range(linewidth=width, alpha=alpha)
        ends = {"orient": "y", "xmin": "start", "xmax": "end"}
        plot = plot.add(bars, color="name", data=both, legend=False, **ends)
    coloured, white = ("edgecolor", "color") if ring else ("color", "edgecolor")
    mark = so.Dot(pointsize=size, edgewidth=1.2 if ring else size / 8, **{white: "white"})
    inside = df[df["value"].between(first, last)]
    look = {coloured: "name", "marker": "name"}
    drawn = len(ax.collections)
    draw(ax, plot.add(mark, x="value", data=inside, legend=False, **look))
    for over, marks in enumerate(ax.collections[drawn:]):
        marks.set(zorder=2 + over, clip_on=False)  # half a dot at 0 is no dot
    for outside, at, shape in (("low < @first", first, "<"), ("high > @last", last, ">")):
        for row in df.query(outside).itertuples():
            ax.plot(at, row.y, shape, color=colours[row.name], ms=0.8 * size, mew=0, clip_on=False)


def row_positions(sections: pd.Series, gap: float = 1.45) -> np.ndarray:
    """Where rows stand: one below the other, `gap` more for the heading of each new section."""
    started = sections.ne(sections.shift()).cumsum().to_numpy()
    return np.arange(len(sections)) + gap * started + 1 - gap


def name_rows(ax, at: np.ndarray, labels: pd.Series, sections=None, emphasise=()) -> None:
    """Tick labels of rows at `row_positions`, and bold ones of sections, one above their first."""
    ticks = [(float(y), str(text), text in emphasise) for y, text in zip(at, labels, strict=True)]
    if sections is not None:
        first = sections.ne(sections.shift()).to_numpy()
        ticks += [
            (y - 1, str(text), True) for y, text in zip(at[first], sections[first], strict=True)
        ]
    ticks.sort()
    ax.set_yticks([y for y, _, _ in ticks], [text for _, text, _ in ticks])
    for tick, (_, _, bold) in zip(ax.get_yticklabels(), ticks, strict=True):
        tick.set_fontweight("bold" if bold else "normal")


def plot_dots_with_intervals(
    df: pd.DataFrame,
    label: str,
    estimate: str,
    low: str,
    high: str,
    *,
    section: str,
    reference: float | None = None,
    reference_label: str = "",
    unit: str = "percent",
    log: bool = False,
) -> Figure:
    """Horizontal dots with intervals, a row of `df` each, top to bottom in the order of `df`.

    `label`, `estimate`, `low`, `high` and `section` name columns; a section has a bold heading. A
    row whose `low` is missing gets a dot without interval (a rate fixed by design), one whose
    `estimate` is missing says "none". Estimate and interval stand in numbers at the right. `unit`
    is "percent" (shares, drawn as per cent) or "ratio"; ratios are usually drawn with `log=True`
    and `reference=1`. Raises ValueError for an empty frame, a missing column, an unknown unit or a
    log scale with values at or below zero.
    """
    columns = [label, estimate, low, high, section]
    if missing := [c for c in columns if c not in df]:
        raise ValueError(f"no column {', '.join(missing)}; there are {', '.join(df.columns)}")
    if df.empty:
        raise ValueError("there is nothing to draw: the dataframe has no rows")
    if unit not in ("percent", "ratio"):
        raise ValueError(f"unit {unit!r} is not 'percent' or 'ratio'")
    scale, sign, word = (100, " %", "rate") if unit == "percent" else (1, "", "estimate")
    values = scale * df[[estimate, low, high]].set_axis(MARKS[1:4], axis=1)
    if log and values[["value", "low"]].min(axis=None) <= 0:
        raise ValueError("a log scale needs estimates and intervals above zero")
    at = row_positions(df[section])
    y = at[-1] + 1
    with styled():
        fig, axes = new_figure(0.95 + 0.235 * y)
        ax = axes[0, 0]
        limit = 1.04 * float(np.nanmax(values[["value", "high"]].to_numpy(float)))
        marks = values.assign(y=at, name=df[label].astype(str))
        dots(ax, marks, limits=(-math.inf, math.inf if log else limit))
        ax.set_ylim(y - 0.4, -0.6)
        name_rows(ax, at, df[label], df[section])
        if log:
            _log_ticks(ax, values)
        else:
            ax.set_xlim(0, limit)
            ax.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=3))
            ax.xaxis.set_major_formatter("{x:,.10g}" + sign)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        above = {"textcoords": "offset points", "va": "bottom", "fontsize": 8, "color": MUTED}
        if reference is not None:
            ax.axvline(reference * scale, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
            ax.annotate(
                reference_label, (reference * scale, 1), xycoords=("data", "axes fraction"),
                xytext=(0, 3), ha="center", **above,
            )  # fmt: skip
        left_align(fig, ax)
        for row, text in zip(at, values.apply(_interval_text, axis=1, sign=sign), strict=True):
            note(ax, row, text, 8, color=INK)
        heading = word + " (95 % interval)" * bool(values.notna().all(axis=1).any())
        ax.annotate(heading, (1, 1), xycoords="axes fraction", xytext=(8, 3), **above)
    return fig


def _interval_text(row: pd.Series, sign: str) -> str:
    value, low, high = (f"{x:,.{1 if sign else 2}f}" for x in row)
    if row.isna()["value"]:
        return "none"
    return f"{value}{sign}" + (f" ({low}–{high})" if row.notna().all() else "")


def left_align(fig, ax) -> None:
    """Tick labels of the y axis flush left, at the distance that the longest one needs."""
    renderer = renderer_of(fig)
    widest = max(t.get_window_extent(renderer).width for t in ax.get_yticklabels())
    for tick in ax.get_yticklabels():
        tick.set_ha("left")
    ax.tick_params(axis="y", pad=widest / fig.dpi * 72 + 8)


def _log_ticks(ax, values: pd.DataFrame) -> None:
    """Ticks at 1, 2 and 5 of each decade, written as plain numbers."""
    smallest, largest = values["low"].min() / 1.15, values["high"].max() * 1.15
    decades = range(math.floor(math.log10(smallest)), math.ceil(math.log10(largest)) + 1)
    ticks = [m * 10.0**d for d in decades for m in (1, 2, 5)]
    ax.set_xscale("log")
    ax.set_xlim(smallest, largest)
    ax.set_xticks([t for t in ticks if smallest <= t <= largest])
    ax.xaxis.set_major_formatter("{x:,.10g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
