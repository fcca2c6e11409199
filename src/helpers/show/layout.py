"""The words around a picture, and what makes a drawn figure hard to read."""

import itertools
import textwrap
import warnings

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from helpers.show.style import INK, MARGIN, MUTED, WIDTH

SMALLEST_PT = 8.0
MOST_LINES = 4
LEADING = 1.28  # height of a line of a title, in font sizes


def headline(fig: Figure, title: str, subtitle: str, source: str) -> None:
    """Set title and subtitle at the top left, the source at the bottom left, and make room."""
    old = [t for t in fig.texts if t.get_gid() == "headline"]
    for text in old:
        text.remove()
    width, height = fig.get_size_inches()
    left = MARGIN / width
    said = [(title.strip().rstrip("."), 11, "bold", INK), (subtitle.strip(), 9, "normal", MUTED)]
    blocks = [
        (_wrap(fig, text, size, weight, width - 2 * MARGIN), size, weight, colour)
        for text, size, weight, colour in said
        if text
    ]
    if not old:  # second lines make the figure higher, they take nothing from the plot
        height += sum(lines.count("\n") * size * LEADING / 72 for lines, size, _, _ in blocks)
        fig.set_size_inches(width, height)
    top = 1 - 0.06 / height
    for lines, size, weight, colour in blocks:
        fig.text(
            left, top, lines, fontsize=size, weight=weight, color=colour, va="top", ha="left",
            linespacing=1.25, gid="headline", in_layout=False,
        )  # fmt: skip
        top -= (lines.count("\n") + 1) * size * LEADING / 72 / height + 0.03 / height
    fig.text(
        left, 0.05 / height, source, fontsize=8, color=MUTED, va="bottom", ha="left",
        gid="headline", in_layout=False,
    )  # fmt: skip
    if fig.get_layout_engine() is None:
        fig.set_layout_engine("constrained")
    bottom = 0.22 / height
    rect = (0, bottom, 1, top - 0.04 / height - bottom)
    fig.get_layout_engine().set(rect=rect)  # type: ignore[union-attr, call-arg]


def _wrap(fig: Figure, text: str, size: float, weight: str, width: float) -> str:
    """Break a text into lines of about the same length that fit `width` inches."""

    def too_wide(lines: list[str]) -> bool:
        probe = fig.text(0, 0, "\n".join(lines), fontsize=size, weight=weight)
        extent = probe.get_window_extent(renderer_of(fig)).width
        probe.remove()
        return extent > width * fig.dpi

    columns = min(len(text), int(width * 72 / size / 0.45))  # no font's letters are narrower
    while too_wide(lines := textwrap.wrap(text, columns)) and columns > 20:
        columns -= 1
    if len(lines) > MOST_LINES:
        raise ValueError(f"too long for the head of a figure, {len(lines)} lines: {text!r}")
    while 1 < len(lines) == len(shorter := textwrap.wrap(text, columns - 1)):
        lines, columns = shorter, columns - 1  # no orphan on the last line
    return "\n".join(lines)


def renderer_of(fig: Figure):
    canvas = fig.canvas if isinstance(fig.canvas, FigureCanvasAgg) else FigureCanvasAgg(fig)
    return canvas.get_renderer()


def layout_problems(fig: Figure) -> list[str]:
    """What a reader would stumble over in the drawn figure, a sentence each; [] if nothing.

    Measured on the drawn texts: size below 8 pt when the figure is printed WIDTH inches wide,
    a text that leaves the picture, two texts that overlap by more than a pixel.
    """
    renderer = renderer_of(fig)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fig.draw_without_rendering()
    if any("not applied" in str(w.message) for w in caught):
        return ["there is no room left for the axes, make the figure higher or the texts shorter"]
    shrink = min(1.0, WIDTH / fig.get_size_inches()[0])
    boxes, problems = [], []
    for text in _drawn_texts(fig):
        name = repr(text.get_text().replace("\n", " "))
        size = text.get_fontsize() * shrink
        if size < SMALLEST_PT - 1e-9:
            problems.append(f"{name} is {size:.1f} pt at {WIDTH} inches, less than {SMALLEST_PT:g}")
        box = text.get_window_extent(renderer)
        boxes.append((name, box))
        if min(box.min) < -1 or max(np.subtract(box.max, fig.bbox.max)) > 1:  # pixels
            problems.append(f"{name} is cut off at the edge")
    for (a, box_a), (b, box_b) in itertools.combinations(boxes, 2):
        across = min(box_a.x1, box_b.x1) - max(box_a.x0, box_b.x0)
        down = min(box_a.y1, box_b.y1) - max(box_a.y0, box_b.y0)
        if across > 1 and down > 1:
            problems.append(f"{a} overlaps {b}")
    return problems


def _drawn_texts(fig: Figure) -> list[Text]:
    """The visible texts; tick labels outside the axes' limits exist but are not drawn."""
    undrawn = set()
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * (abs(high - low) or 1)
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                hidden = not (ax.get_visible() and axis.get_visible() and tick.get_visible())
                if hidden or not low - slack <= tick.get_loc() <= high + slack:
                    undrawn |= {tick.label1, tick.label2}
            if not (ax.get_visible() and axis.get_visible() and ax.axison):
                undrawn |= {axis.label, axis.offsetText}
    return [
        t
        for t in fig.findobj(Text)
        if t not in undrawn and t.get_visible() and t.get_text().strip() and t.get_alpha() != 0
    ]
