"""Drawings that several notebooks share: dots with intervals, lines with bands, small multiples.

`draw`, `dots` and `lines` draw with seaborn, which resets scale, ticks, labels and title of the
axes: draw first, set the axes afterwards.
"""

import math

import numpy as np
import pandas as pd
import seaborn.objects as so
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from helpers.faces.pipelines import MODEL_LABELS, MODELS
from helpers.show.layout import renderer_of
from helpers.show.style import (
    DPI,
    GROUP_MARKERS,
    INK,
    MARGIN,
    MUTED,
    STYLE,
    WIDTH,
    colour_of,
    styled,
)
from helpers.sources.groups import GROUPS


def new_figure(height: float, rows: int = 1, columns: int = 1, **options):
    """A figure of the project's width (inches) in its style, and its axes as an array."""
    with styled():
        fig = Figure(figsize=(WIDTH, height), layout="constrained", dpi=DPI)
        axes = fig.subplots(rows, columns, squeeze=False, **options)
    fig.get_layout_engine().set(  # type: ignore[union-attr, call-arg]
        w_pad=MARGIN, h_pad=0.05, wspace=0.03, hspace=0.04
    )
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
    shown = {
        f"label{side}": axis.get_tick_params().get(f"label{side}", True)
        for side, axis in (("left", ax.yaxis), ("bottom", ax.xaxis))
    }
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
    scale: float = 100,
    width: float = 1.5,
    size: float = 4,
    alpha: float = 0.18,
) -> None:
    """Lines over `x`, one a value of the column `by`, with a band or bars between two columns.

    looks: value of `by` -> color, ls and marker, as in MODEL_LINES; values without one are left
    out. `y` and the columns `spread` are drawn times `scale`: shares as per cent.
    """
    df = df[df[by].isin(list(looks))]
    names = df[by].astype(str)  # seaborn would make numbers of numbers
    looks = {str(name): look for name, look in looks.items()}
    df = df.assign(**{by: names}, **{c: scale * df[c] for c in (y, *(spread or ()))})
    plot = so.Plot(df, x=x, color=by).scale(
        color={name: look["color"] for name, look in looks.items()},
        linestyle={name: look.get("ls", "-") for name, look in looks.items()},
        marker={name: look.get("marker", "") for name, look in looks.items()},
    )
    if spread:
        mark = so.Range(linewidth=1.2, alpha=alpha) if bars else so.Band(alpha=alpha)
        plot = plot.add(mark, ymin=spread[0], ymax=spread[1], legend=False)
    mark = so.Line({"clip_on": not bars}, linewidth=width, pointsize=size, edgecolor="white",
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
        name: {"color": colour_of(name), "marker": GROUP_MARKERS.get(name, "o")}
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
    count: str | None = None,
    n: str | None = None,
    section: str | None = None,
    group: str | None = None,
    reference: float | None = None,
    reference_label: str = "",
    xlabel: str = "",
    unit: str = "percent",
    log: bool = False,
    xmax: float | None = None,
    emphasise: tuple[str, ...] = (),
    counted: str = "flagged",
) -> Figure:
    """Horizontal dots with intervals, a row of `df` each, top to bottom in the order of `df`.

    `label`, `estimate`, `low`, `high` name columns; a row whose `low` is missing gets a dot
    without interval (a rate fixed by design), one whose `estimate` is missing says "none".
    `count` and `n` (columns) are written at the right as "33 of 529", with the estimate and its
    interval in numbers beside it; `counted` heads the counts. `section` (column) puts bold headings
    between blocks, `group` (column) gives each row its group's colour and marker. `unit` is
    "percent" (shares, drawn as per cent) or "ratio"; ratios are usually drawn with `log=True` and
    `reference=1`. Labels in `emphasise` are bold. Raises ValueError for an empty frame, a missing
    column, an unknown unit or a log scale with values at or below zero.
    """
    _need(df, [label, estimate, low, high, count, n, section, group])
    if unit not in ("percent", "ratio"):
        raise ValueError(f"unit {unit!r} is not 'percent' or 'ratio'")
    scale = 100.0 if unit == "percent" else 1.0
    if log and (df[[estimate, low]].min(axis=None) <= 0):
        raise ValueError("a log scale needs estimates and intervals above zero")
    sections = df[section] if section else None
    at = np.arange(float(len(df))) if sections is None else row_positions(sections)
    y = at[-1] + 1
    with styled():
        fig, axes = new_figure(0.95 + 0.235 * y)
        ax = axes[0, 0]
        limit = scale * (xmax or 1.04 * float(np.nanmax(df[[estimate, high]].to_numpy(float))))
        values = scale * df[[estimate, low, high]].set_axis(MARKS[1:4], axis=1)
        names = df[group or label].astype(str)
        dots(ax, values.assign(y=at, name=names), limits=(-math.inf, math.inf if log else limit))
        tallies = [""] * len(df)
        if count and n:
            tallies = [f"{k:,.0f} of {of:,.0f}" for k, of in df[[count, n]].to_numpy(float)]
        texts = values.apply(_interval_text, axis=1, unit=unit)
        numbers = list(zip(at, tallies, texts, strict=True))
        ax.set_ylim(y - 0.4, -0.6)
        name_rows(ax, at, df[label], sections, emphasise)
        if log:
            _log_ticks(ax, df, low, high, scale)
        else:
            ax.set_xlim(0, limit)
            ax.xaxis.set_major_locator(MaxNLocator(3, min_n_ticks=3))
            sign = " %" if unit == "percent" else ""
            ax.xaxis.set_major_formatter("{x:,.10g}" + sign)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(xlabel, loc="left")
        if reference is not None:
            ax.axvline(reference * scale, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
            if reference_label:
                ax.annotate(
                    reference_label, (reference * scale, 1), xycoords=("data", "axes fraction"),
                    xytext=(0, 3), textcoords="offset points", ha="center", va="bottom",
                    fontsize=8, color=MUTED,
                )  # fmt: skip
        left_align(fig, ax)
        _number_columns(fig, ax, numbers, unit, counted)
    return fig


def plot_rates_by_group(
    df: pd.DataFrame,
    *,
    panel: str = "model",
    label: str = "group",
    estimate: str = "rate",
    low: str = "low",
    high: str = "high",
    count: str | None = "count",
    n: str | None = "n",
    overall: str | None = None,
    xlabel: str = "",
    xmax: float | None = None,
) -> Figure:
    """Rates by group as small multiples: a panel for each model, a row for each group.

    One row of `df` for each panel and label; rates are shares, drawn as per cent on one common
    axis. Panels come in MODELS and rows in GROUPS, other names first, in the order of
    `df`. `count` and `n` are written at the right of each row ("5/46"); `overall` names a column
    with the panel's overall rate, drawn as a thin line. Raises ValueError for an empty frame, a
    missing column, a repeated panel and label, or more than four panels.
    """
    _need(df, [panel, label, estimate, low, high, count, n, overall])
    if df.duplicated([panel, label]).any():
        raise ValueError(f"more than one row for the same {panel} and {label}")
    panels = _in_order(df[panel], MODELS)
    labels = _in_order(df[label], GROUPS)
    if len(panels) > 4:
        raise ValueError(f"{len(panels)} panels do not fit side by side; choose four or fewer")
    limit = xmax or 1.05 * float(np.nanmax(df[[estimate, high]].to_numpy(float)))
    with styled():
        fig, axes = new_figure(1.15 + 0.26 * len(labels), 1, len(panels), sharex=True, sharey=True)
        for ax, name in zip(axes[0], panels, strict=True):
            part = df[df[panel] == name].set_index(label)
            rows = [(y, part.loc[g]) for y, g in enumerate(labels) if g in part.index]
            marks = [(y, *(100 * row[[estimate, low, high]]), str(row.name)) for y, row in rows]
            dots(ax, pd.DataFrame(marks, columns=MARKS), limits=(-math.inf, 100 * limit))
            ax.set_title(MODEL_LABELS.get(name, str(name)), pad=7)  # seaborn clears it
            ax.set_xlim(0, 100 * limit)
            for y, row in rows:
                if count and n:
                    note(ax, y, f"{row[count]:,.0f}/{row[n]:,.0f}")
            if overall:
                value = 100 * float(part[overall].iloc[0])
                ax.axvline(value, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
            ax.grid(axis="x")
            ax.spines["left"].set_visible(False)
            ax.set_ylim(len(labels) - 0.4, -0.6)
            ax.xaxis.set_major_locator(MaxNLocator(2 if len(panels) > 2 else 4))
            ax.xaxis.set_major_formatter(PERCENT)
        axes[0, 0].set_yticks(range(len(labels)), labels)
        axes[0, 0].set_xlabel(xlabel, loc="left")
        for tick, group in zip(axes[0, 0].get_yticklabels(), labels, strict=True):
            if group not in GROUPS:
                tick.set_fontweight("bold")
        left_align(fig, axes[0, 0])
    return fig


def _need(df: pd.DataFrame, columns: list[str | None]) -> None:
    missing = [c for c in columns if c is not None and c not in df.columns]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}; there are {', '.join(df.columns)}")
    if df.empty:
        raise ValueError("there is nothing to draw: the dataframe has no rows")


def _in_order(values: pd.Series, order: tuple[str, ...]) -> list[str]:
    """The distinct values: those not in `order` first, as they come, then in that order."""
    there = list(dict.fromkeys(values))
    return [v for v in there if v not in order] + [v for v in order if v in there]


def _interval_text(row: pd.Series, unit: str) -> str:
    value, low, high = row
    digits, sign = (1, " %") if unit == "percent" else (2, "")
    if math.isnan(value):
        return "none"
    if math.isnan(low) or math.isnan(high):
        return f"{value:,.{digits}f}{sign}"
    return f"{value:,.{digits}f}{sign} ({low:,.{digits}f}–{high:,.{digits}f})"


def _number_columns(fig, ax, rows: list[tuple[float, str, str]], unit: str, counted: str) -> None:
    """Write counts and estimates in columns at the right of the axes, with headings."""
    renderer = renderer_of(fig)
    heading = "estimate (95 % interval)" if unit == "ratio" else "rate (95 % interval)"
    if not any("(" in numbers for _, _, numbers in rows):
        heading = heading.split(" (")[0]
    offset = 8.0  # points from the right edge of the axes
    for column, title in ((1, counted), (2, heading)):
        texts = {row[0]: str(row[column]) for row in rows if row[column]}
        if not texts:
            continue
        made = [note(ax, y, text, offset, fontsize=8, color=INK) for y, text in texts.items()]
        made.append(
            ax.annotate(
                title, (1, 1), xycoords="axes fraction", xytext=(offset, 3), va="bottom",
                textcoords="offset points", fontsize=8, color=MUTED,
            )
        )  # fmt: skip
        widest = max(t.get_window_extent(renderer).width for t in made)
        offset += widest * 72 / fig.dpi + 10


def left_align(fig, ax) -> None:
    """Tick labels of the y axis flush left, at the distance that the longest one needs."""
    renderer = renderer_of(fig)
    widest = max(t.get_window_extent(renderer).width for t in ax.get_yticklabels())
    for tick in ax.get_yticklabels():
        tick.set_ha("left")
    ax.tick_params(axis="y", pad=widest / fig.dpi * 72 + 8)


def _log_ticks(ax, df, low: str, high: str, scale: float) -> None:
    """Ticks at 1, 2 and 5 of each decade, written as plain numbers."""
    values = df[[low, high]].to_numpy(float) * scale
    smallest, largest = np.nanmin(values) / 1.15, np.nanmax(values) * 1.15
    decades = range(math.floor(math.log10(smallest)), math.ceil(math.log10(largest)) + 1)
    ticks = [m * 10.0**d for d in decades for m in (1, 2, 5)]
    ax.set_xscale("log")
    ax.set_xlim(smallest, largest)
    ax.set_xticks([t for t in ticks if smallest <= t <= largest])
    ax.xaxis.set_major_formatter("{x:,.10g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
