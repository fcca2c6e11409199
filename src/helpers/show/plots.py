"""Drawings that several notebooks share: dots with intervals, and small multiples by group."""

import math

import numpy as np
import pandas as pd
import seaborn.objects as so
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

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
    rows, y, last = [], 0.0, None  # (position, text, row); headings have no row
    for _, row in df.iterrows():
        if section and row[section] != last:
            last = row[section]
            y += 0.45 if rows else 0
            rows.append((y, str(last), None))
            y += 1
        rows.append((y, str(row[label]), row))
        y += 1
    with styled():
        fig, axes = new_figure(0.95 + 0.235 * y)
        ax = axes[0, 0]
        limit = scale * (xmax or 1.04 * float(np.nanmax(df[[estimate, high]].to_numpy(float))))
        marks, numbers = [], []
        for at, text, row in rows:
            if row is None:
                continue
            value, a, b = (float(row[c]) * scale for c in (estimate, low, high))
            marks.append((at, value, a, b, str(row[group]) if group else text))
            tally = f"{row[count]:,.0f} of {row[n]:,.0f}" if count and n else ""
            numbers.append((at, tally, _interval_text(value, a, b, unit)))
        _dots(ax, marks, math.inf if log else limit)
        ax.set_ylim(y - 0.4, -0.6)
        ax.set_yticks([at for at, _, _ in rows], [text for _, text, _ in rows])
        for tick, (_, text, row) in zip(ax.get_yticklabels(), rows, strict=True):
            if row is None or text in emphasise:
                tick.set_fontweight("bold")
        if log:
            _log_ticks(ax, df, low, high, scale)
        else:
            ax.set_xlim(0, limit)
            ax.xaxis.set_major_locator(MaxNLocator(6, min_n_ticks=3))
            sign = " %" if unit == "percent" else ""
            ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.10g}{sign}"))
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(xlabel, loc="left")
        if reference is not None:
            ax.axvline(reference * scale, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
            if reference_label:
                ax.annotate(
                    reference_label, (reference * scale, 1), xycoords=("data", "axes fraction"),
                    xytext=(0, 3), textcoords="offset points", ha="center", va="bottom",
                    fontsize=7.5, color=MUTED,
                )  # fmt: skip
        left_align(fig, ax)
        _number_columns(fig, ax, numbers, unit, counted)
    return fig


def _dots(ax, rows: list[tuple[float, float, float, float, str]], limit: float) -> None:
    """Dots with intervals, rows of y, value, low, high and name; ticks and limits come later.

    Each name has its group's colour and marker, or ink and a circle. An interval that leaves the
    axes at `limit` ends in an arrow head, for which seaborn has no mark.
    """
    df = pd.DataFrame(rows, columns=["y", "value", "low", "high", "name"])
    df = df.dropna(subset="value").assign(end=lambda d: d["high"].clip(upper=limit))
    names = list(dict.fromkeys(df["name"]))
    place = so.Plot(df, y="y", color="name").theme(STYLE).on(ax).label(x="", y="")
    place = place.scale(color={name: colour_of(name) for name in names})
    drawn = len(ax.collections)
    place.add(
        so.Range(linewidth=2.2, alpha=0.55), xmin="low", xmax="end", data=df.dropna(), legend=False
    ).plot()
    place.add(
        so.Dot(pointsize=5.6, edgecolor="white", edgewidth=0.7),
        x="value", marker="name", data=df[df["value"] <= limit], legend=False,
    ).scale(marker={name: GROUP_MARKERS.get(name, "o") for name in names}).plot()  # fmt: skip
    for over, marks in enumerate(ax.collections[drawn:]):
        marks.set(zorder=2 + over, clip_on=False)  # half a dot at 0 is no dot
    for row in df[df["high"] > limit].itertuples():
        ax.plot(limit, row.y, ">", color=colour_of(str(row.name)), ms=4.5, mew=0, clip_on=False)


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
            _dots(ax, marks, 100 * limit)
            ax.set_title(MODEL_LABELS.get(name, str(name)), pad=7)  # seaborn clears it
            ax.set_xlim(0, 100 * limit)
            for y, row in rows:
                if count and n:
                    ax.annotate(
                        f"{row[count]:,.0f}/{row[n]:,.0f}", (1, y),
                        xycoords=("axes fraction", "data"), xytext=(6, 0),
                        textcoords="offset points", va="center_baseline", fontsize=7.5,
                        color=MUTED,
                    )  # fmt: skip
            if overall:
                value = 100 * float(part[overall].iloc[0])
                ax.axvline(value, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
            ax.grid(axis="x")
            ax.spines["left"].set_visible(False)
            ax.set_ylim(len(labels) - 0.4, -0.6)
            ax.xaxis.set_major_locator(MaxNLocator(2 if len(panels) > 2 else 4))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.10g} %"))
        for ax in axes[0, 1:]:
            ax.tick_params(labelleft=False)  # seaborn shows them on every panel
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


def _interval_text(value: float, low: float, high: float, unit: str) -> str:
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
        texts = {row[0]: row[column] for row in rows if row[column]}
        if not texts:
            continue
        offsets = {"xytext": (offset, 0), "textcoords": "offset points"}
        made = [
            ax.annotate(
                text, (1, y), xycoords=("axes fraction", "data"), va="center_baseline",
                fontsize=8, **offsets,
            )
            for y, text in texts.items()
        ]  # fmt: skip
        offsets["xytext"] = (offset, 3)
        made.append(
            ax.annotate(
                title, (1, 1), xycoords="axes fraction", va="bottom", fontsize=7.5, color=MUTED,
                **offsets,
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
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.10g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
