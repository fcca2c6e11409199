"""Figures and tables: one look, one way to save, one index.

`save` writes a figure as figures/<id>.svg, .pdf and .png with its data as <id>.csv and adds an
entry to figures/index.json; `table` does the same for a table. The same input gives the same
bytes: no dates, no version numbers, a fixed font and fixed element ids. What a reader could not
use (no alternative text, tiny or overlapping labels) is refused with a ValueError.
"""

import base64
import fcntl
import io
import itertools
import json
import math
import os
import re
import textwrap
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from helpers.faces.pipelines import MODEL_LABELS, PIPELINES
from helpers.paths import FIGURES, ROOT
from helpers.show import tex
from helpers.sources import groups

# ---------------------------------------------------------------- names, colours, style

GROUP_ORDER = list(groups.GROUPS)
# Lightness differs by 7 or more between any two (greyscale print) and the colour distance is 18
# or more with each kind of colour blindness (tests/test_figures.py computes both).
GROUP_COLOURS = {
    "White": "#4A4A4A",
    "Black": "#001A80",
    "Hispanic": "#A03F14",
    "East Asian": "#1DB9D6",
    "South Asian": "#A56C9F",
    "Native and Pacific": "#C98A00",
}
GROUP_MARKERS = {
    "White": "o",
    "Black": "s",
    "Hispanic": "D",
    "East Asian": "^",
    "South Asian": "v",
    "Native and Pacific": "X",
}
MODEL_ORDER = list(PIPELINES)
MODEL_LINES: dict[str, dict] = {
    name: {"color": row.colour, "ls": row.line} for name, row in PIPELINES.items()
}
GALLERY_LABELS = {"utkface": "adult strangers", "legislators": "former legislators"}
INK, MUTED, GRID = "#1A1A1A", "#5F5F5F", "#E3E3E3"
IMPOSTOR_COLOUR, GENUINE_COLOUR = "#A03F14", "#7FA8C9"

WIDTH = 6.3  # inches: the text width of an A4 page, and a phone's width at 60 %
DPI = 200
MARGIN = 0.06  # inches
SMALLEST_PT = 7.0
SHORTEST_ALT = 40
MOST_LINES = 3
LEADING = 1.28  # height of a line of a title, in font sizes

STYLE = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine has the same one
    "font.size": 8.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.edgecolor": "#B5B5B5",
    "axes.linewidth": 0.8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=list(GROUP_COLOURS.values())),
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": "#B5B5B5",
    "ytick.color": "#B5B5B5",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.solid_capstyle": "butt",
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "path.simplify": False,
    "text.hinting": "none",  # the same widths at every resolution and in every format
    "svg.fonttype": "path",  # outlines: looks alike where DejaVu is not installed
    "pdf.fonttype": 42,
    "pdf.compression": 0,  # no dependence on the system's zlib
}


def style() -> None:
    """Set the project's style for figures drawn by hand; the `plot_` functions do it themselves.

    A user's own matplotlib settings are dropped first: they would change the bytes.
    """
    mpl.rcParams.update({k: v for k, v in mpl.rcParamsDefault.items() if k not in _BACKEND_KEYS})
    mpl.rcParams.update(STYLE)  # type: ignore[arg-type]


_BACKEND_KEYS = {"backend", "backend_fallback", "interactive", "toolbar", "timezone"}


@contextmanager
def _styled(**more):
    """The style for as long as the block lasts, whatever was set before."""
    with mpl.rc_context():
        style()
        mpl.rcParams.update(more)  # type: ignore[arg-type]
        yield


def number(value: float, digits: int = 0) -> str:
    """A number with thousands separators, e.g. 23,700."""
    return f"{value:,.{digits}f}"


def percent(value: float, digits: int = 1) -> str:
    """A share as a percentage, e.g. 0.0624 -> '6.2 %'."""
    return f"{100 * value:.{digits}f} %"


# ---------------------------------------------------------------- saving


class Saved(dict):
    """An entry of the index which, as the last line of a notebook cell, shows the figure or table.

    (A dictionary; the class only adds what Jupyter asks of things that display themselves.)
    """

    folder: Path
    html: str = ""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        caption = f"**{self['id']}.** {self['caption']} [Data](../figures/{self['data']})"
        if self["kind"] == "table":
            plain = f"{self['id']}: {self['title']}"
            display({"text/html": self.html, "text/plain": plain}, raw=True)
        else:
            png = (self.folder / f"{self['id']}.png").read_bytes()
            bundle = {
                "image/png": base64.b64encode(png).decode("ascii"),
                "text/plain": f"{self['id']}: {self['title']}. {self['alt']}",
            }
            meta = {"image/png": {"alt": self["alt"], "width": int(WIDTH * 100)}}
            display(bundle, metadata=meta, raw=True)
        display({"text/markdown": caption, "text/plain": self["caption"]}, raw=True)


def save(
    fig: Figure,
    data: pd.DataFrame,
    *,
    id: str,
    title: str,
    caption: str,
    alt: str,
    notebook: str,
    subtitle: str = "",
    folder: Path | str | None = None,
) -> Saved:
    """Write one figure in four files and its entry in the index; return the entry.

    `title` (the finding, in a sentence) and `subtitle` (what is drawn, in which unit) are set at
    the top of the picture, so draw none yourself. `data` holds the numbers that are drawn, in the
    order they should be read; the CSV has them to six significant digits. `id` is
    fig-NN-some-name with NN the notebook's number. `caption` says how to read the figure, `alt`
    what can be seen in it, for someone who cannot.

    Raises ValueError if a text is missing or `alt` is shorter than 40 characters, the id is
    malformed or taken by another notebook, there are no data, or, in the finished picture, a
    letter is smaller than 7 pt at the final width, a text is cut off or two texts overlap. A
    title or subtitle may take three lines.
    """
    folder = Path(folder or FIGURES)
    entry = _entry("figure", id, title, caption, notebook, folder, alt=alt)
    table_csv = _csv(data)
    with _styled(**{"svg.hashsalt": id}):
        fig.set_dpi(DPI)
        _headline(fig, title, subtitle, f"The Congress Test, {id}. CC BY 4.0.")
        problems = layout_problems(fig)
        if problems:
            raise ValueError(f"{id} is hard to read: " + "; ".join(problems))
        engine = fig.get_layout_engine()
        fig.set_layout_engine("none")  # what was checked is drawn, and three layouts are spared
        files = {"svg": _svg(fig, title, alt), "csv": table_csv}
        if not _lies_there(folder, id, files["svg"]):
            files["pdf"] = _bytes(
                fig, "pdf", metadata={"Title": title, "Creator": AUTHORS, "CreationDate": None}
            )
            files["png"] = _bytes(fig, "png", dpi=DPI, metadata={"Software": None})
        fig.set_layout_engine(engine)
    _write_all(folder, entry, files)
    return _saved(entry, folder)


def _lies_there(folder: Path, id: str, svg: bytes) -> bool:
    """Whether this very drawing lies in the folder, in all formats: then none is drawn again."""
    same = (folder / f"{id}.svg").is_file() and (folder / f"{id}.svg").read_bytes() == svg
    return same and all((folder / f"{id}.{kind}").is_file() for kind in ("pdf", "png"))


def table(
    df: pd.DataFrame,
    *,
    id: str,
    title: str,
    caption: str,
    notebook: str,
    folder: Path | str | None = None,
) -> Saved:
    """Write one table as figures/<id>.csv and .tex and its entry in the index; return the entry.

    `id` is tab-NN-some-name with NN the notebook's number. What the notebook shows is `df` as it
    is, without its row index; round and name the columns first. Raises ValueError as `save` does.
    """
    folder = Path(folder or FIGURES)
    entry = _entry("table", id, title, caption, notebook, folder)
    _write_all(folder, entry, {"csv": _csv(df), "tex": _tex(df, entry)})
    saved = _saved(entry, folder)
    saved.html = df.rename_axis(columns=None).to_html(  # a name would become a column
        index=False, border=0, justify="left", na_rep="", float_format=lambda v: f"{v:,.6g}"
    )
    return saved


def read_index(folder: Path | str | None = None) -> list[dict]:
    """The entries of figures/index.json, sorted by id; an empty list if there is none yet."""
    path = Path(folder or FIGURES) / "index.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def index_problems(folder: Path | str | None = None) -> list[str]:
    """What is wrong between the index and the files beside it, a sentence each; [] if nothing."""
    folder = Path(folder or FIGURES)
    entries = read_index(folder)
    ids = [e["id"] for e in entries]
    problems = [] if ids == sorted(set(ids)) else ["index.json is not sorted by id, or an id twice"]
    wanted = {"index.json"} if entries else set()
    for entry in entries:
        kinds = ["csv", "tex"] if entry["kind"] == "table" else ["csv", "pdf", "png", "svg"]
        wanted |= {f"{entry['id']}.{kind}" for kind in kinds}
    there = {p.name for p in folder.iterdir() if p.is_file()} if folder.exists() else set()
    problems += [f"{name} is in the index but missing" for name in sorted(wanted - there)]
    problems += [f"{name} is not in the index" for name in sorted(there - wanted)]
    return problems


AUTHORS = "The Congress Test contributors"


@cache
def _citation() -> dict:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


def how_to_cite(id: str, title: str) -> str:
    """The citation of one figure or table; version and year are those of CITATION.cff."""
    cff = _citation()
    year = str(cff["date-released"])[:4]
    return (
        f'{AUTHORS} ({year}). "{title}" ({id}). In: {cff["title"]}, version {cff["version"]}. '
        "CC BY 4.0."
    )


def _entry(kind, id, title, caption, notebook, folder, alt=None) -> dict:
    """The checked index entry; ValueError says what is missing or taken."""
    prefix = {"figure": "fig", "table": "tab"}[kind]
    if not re.fullmatch(prefix + r"-\d\d(-[a-z0-9]+)+", id):
        raise ValueError(f"id {id!r} should look like {prefix}-02-some-name")
    notebook = Path(notebook).stem
    if not re.fullmatch(r"\d\d(-[a-z0-9]+)+", notebook):
        raise ValueError(f"notebook {notebook!r} should look like 02-the-congress-test")
    for name, text in {"title": title, "caption": caption}.items():
        if not (text or "").strip():
            raise ValueError(f"{id} has no {name}")
    if kind == "figure" and len((alt or "").strip()) < SHORTEST_ALT:
        raise ValueError(
            f"{id} needs an alternative text of {SHORTEST_ALT} characters or more: "
            "say what can be seen"
        )
    for other in read_index(folder):
        if other["id"] == id and other["notebook"] != notebook:
            raise ValueError(f"id {id} is taken by notebook {other['notebook']}; choose another")
    if id[4:6] != notebook[:2]:
        raise ValueError(f"id {id} should have the number of its notebook, {notebook[:2]}")
    entry = {"id": id, "kind": kind, "title": title.strip(), "caption": caption.strip()}
    if kind == "figure":
        entry["alt"] = alt.strip()
    return entry | {
        "notebook": notebook,
        "data": f"{id}.csv",
        "cite": how_to_cite(id, title.strip().rstrip(".")),
    }


def _saved(entry: dict, folder: Path) -> Saved:
    saved = Saved(entry)
    saved.folder = folder
    return saved


def _csv(data: pd.DataFrame) -> bytes:
    """The table as CSV bytes, floats to six significant digits; ValueError if there is nothing."""
    if not isinstance(data, pd.DataFrame) or data.empty:
        raise ValueError("there are no data to save: pass a dataframe with at least one row")
    numbers = data.select_dtypes("number")
    if data.isna().all(axis=None) or (len(numbers.columns) and numbers.isna().all(axis=None)):
        raise ValueError("there are no data to save: every number is missing")
    return data.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode("utf-8")


def _tex(df: pd.DataFrame, entry: dict) -> bytes:
    """The table as LaTeX with booktabs, as the notebook shows it, to \\input into a paper."""
    columns = "".join("r" if pd.api.types.is_numeric_dtype(df[c]) else "l" for c in df)
    lines = [
        f"% {entry['cite']}",
        "% needs \\usepackage{booktabs}; compile with XeLaTeX, LuaLaTeX or pdfLaTeX in UTF-8",
        "\\begin{table}",
        f"\\caption{{{tex.escape(entry['title'])}. {tex.escape(entry['caption'])}}}",
        f"\\label{{{entry['id']}}}",
        "\\small",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
        _tex_row(df.columns),
        "\\midrule",
        *(_tex_row(row) for row in df.itertuples(index=False)),
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _tex_row(cells) -> str:
    return " & ".join(tex.escape(_shown(cell)) for cell in cells) + " \\\\"


def _shown(cell) -> str:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:,.6g}"
    return "" if cell is None or cell is pd.NA or cell is pd.NaT else str(cell)


def _bytes(fig: Figure, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    fig.savefig(buffer, format=format, **options)
    return buffer.getvalue()


def _svg(fig: Figure, title: str, alt: str) -> bytes:
    """SVG with the title and the alternative text where screen readers look for them."""
    text = _bytes(fig, "svg", metadata={"Date": None, "Creator": AUTHORS, "Title": title}).decode()
    # matplotlib names a clipping rectangle after all sixteen digits of its corners
    names = dict.fromkeys(re.findall(r'clipPath id="(\w+)"', text))
    for number, name in enumerate(names, 1):
        text = text.replace(name, f"{mpl.rcParams['svg.hashsalt']}-clip-{number}")
    start = text.index(">", text.index("<svg")) + 1
    named = f"\n <title>{_xml(title)}</title>\n <desc>{_xml(alt)}</desc>"
    return (text[: start - 1] + ' role="img">' + named + text[start:]).encode("utf-8")


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write_all(folder: Path, entry: dict, files: dict[str, bytes]) -> None:
    """Write the files and then the index, each atomically; safe with several processes."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in files.items():
        _write(folder / f"{entry['id']}.{kind}", content)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # two notebooks may save at the same time
        others = [e for e in read_index(folder) if e["id"] != entry["id"]]
        entries = sorted([*others, entry], key=lambda e: e["id"])
        text = json.dumps(entries, indent=1, ensure_ascii=False) + "\n"
        _write(folder / "index.json", text.encode("utf-8"))
    finally:
        os.close(handle)


def _write(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    half = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    half.write_bytes(content)
    half.replace(path)


# ---------------------------------------------------------------- the words around a picture


def _headline(fig: Figure, title: str, subtitle: str, source: str) -> None:
    """Set title and subtitle at the top left, the source at the bottom left, and make room."""
    old = [t for t in fig.texts if t.get_gid() == "headline"]
    for text in old:
        text.remove()
    width, height = fig.get_size_inches()
    left = MARGIN / width
    blocks = [
        (_wrap(fig, text, size, weight, width - 2 * MARGIN), size, weight, colour)
        for text, size, weight, colour in (
            (title.strip().rstrip("."), 11, "bold", INK),
            (subtitle.strip(), 8.5, "normal", MUTED),
        )
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
        left, 0.05 / height, source, fontsize=7, color=MUTED, va="bottom", ha="left",
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
        extent = probe.get_window_extent(_renderer(fig)).width
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


def _renderer(fig: Figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = fig.canvas if isinstance(fig.canvas, FigureCanvasAgg) else FigureCanvasAgg(fig)
    return canvas.get_renderer()


def layout_problems(fig: Figure) -> list[str]:
    """What a reader would stumble over in the drawn figure, a sentence each; [] if nothing.

    Measured on the drawn texts: size below 7 pt when the figure is printed WIDTH inches wide,
    a text that leaves the picture, two texts that overlap by more than a pixel.
    """
    renderer = _renderer(fig)
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
        page = fig.bbox
        outside = max(
            page.x0 - box.x0, box.x1 - page.x1, page.y0 - box.y0, box.y1 - page.y1
        )  # pixels
        if outside > 1:
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


# ---------------------------------------------------------------- plots


def new_figure(height: float, rows: int = 1, columns: int = 1, **options):
    """A figure of the project's width (inches) in its style, and its axes as an array."""
    with _styled():
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


def colour_of(name: str) -> str:
    """The colour of a group; the ink colour for totals and everything else."""
    return GROUP_COLOURS.get(name, INK)


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
    with _styled():
        fig, axes = new_figure(0.95 + 0.235 * y)
        ax = axes[0, 0]
        ax.set_ylim(y - 0.4, -0.6)
        ax.set_yticks([at for at, _, _ in rows], [text for _, text, _ in rows])
        for tick, (_, text, row) in zip(ax.get_yticklabels(), rows, strict=True):
            if row is None or text in emphasise:
                tick.set_fontweight("bold")
        if log:
            _log_ticks(ax, df, low, high, scale)
        else:
            limit = xmax or 1.04 * float(np.nanmax(df[[estimate, high]].to_numpy(float)))
            ax.set_xlim(0, limit * scale)
            ax.xaxis.set_major_locator(MaxNLocator(6, min_n_ticks=3))
            sign = " %" if unit == "percent" else ""
            ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.10g}{sign}"))
        numbers = []
        for at, text, row in rows:
            if row is None:
                continue
            name = str(row[group]) if group else text
            value, a, b = (float(row[c]) * scale for c in (estimate, low, high))
            _dot(ax, at, value, a, b, name)
            tally = f"{row[count]:,.0f} of {row[n]:,.0f}" if count and n else ""
            numbers.append((at, tally, _interval_text(value, a, b, unit)))
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
        _left_align(fig, ax)
        _number_columns(fig, ax, numbers, unit, counted)
    return fig


def _dot(ax, y: float, value: float, low: float, high: float, name: str) -> None:
    """A dot and its interval; an arrow head where the interval leaves the axes."""
    if math.isnan(value):
        return
    colour, marker = colour_of(name), GROUP_MARKERS.get(name, "o")
    limit = ax.get_xlim()[1]
    if not (math.isnan(low) or math.isnan(high)):
        ax.plot([low, min(high, limit)], [y, y], color=colour, lw=2.2, alpha=0.55, zorder=2)
        if high > limit:
            ax.plot(limit, y, ">", color=colour, ms=4.5, mew=0, clip_on=False, zorder=2)
    if value <= limit:
        ax.plot(
            value, y, marker, color=colour, ms=5.6, mec="white", mew=0.7, clip_on=False, zorder=3
        )


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
    axis. Panels come in MODEL_ORDER and rows in GROUP_ORDER, other names first, in the order of
    `df`. `count` and `n` are written at the right of each row ("5/46"); `overall` names a column
    with the panel's overall rate, drawn as a thin line. Raises ValueError for an empty frame, a
    missing column, a repeated panel and label, or more than four panels.
    """
    _need(df, [panel, label, estimate, low, high, count, n, overall])
    if df.duplicated([panel, label]).any():
        raise ValueError(f"more than one row for the same {panel} and {label}")
    panels = _in_order(df[panel], MODEL_ORDER)
    labels = _in_order(df[label], GROUP_ORDER)
    if len(panels) > 4:
        raise ValueError(f"{len(panels)} panels do not fit side by side; choose four or fewer")
    limit = xmax or 1.05 * float(np.nanmax(df[[estimate, high]].to_numpy(float)))
    with _styled():
        fig, axes = new_figure(1.15 + 0.26 * len(labels), 1, len(panels), sharex=True, sharey=True)
        for ax, name in zip(axes[0], panels, strict=True):
            part = df[df[panel] == name].set_index(label)
            ax.set_title(MODEL_LABELS.get(name, str(name)), pad=7)
            ax.set_xlim(0, 100 * limit)
            for y, group in enumerate(labels):
                if group not in part.index:
                    continue
                row = part.loc[group]
                value, a, b = (100 * float(row[c]) for c in (estimate, low, high))
                _dot(ax, y, value, a, b, str(group))
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
        axes[0, 0].set_yticks(range(len(labels)), labels)
        axes[0, 0].set_xlabel(xlabel, loc="left")
        for tick, group in zip(axes[0, 0].get_yticklabels(), labels, strict=True):
            if group not in GROUP_ORDER:
                tick.set_fontweight("bold")
        _left_align(fig, axes[0, 0])
    return fig


def _need(df: pd.DataFrame, columns: list[str | None]) -> None:
    missing = [c for c in columns if c is not None and c not in df.columns]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}; there are {', '.join(df.columns)}")
    if df.empty:
        raise ValueError("there is nothing to draw: the dataframe has no rows")


def _in_order(values: pd.Series, order: list[str]) -> list[str]:
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
    renderer = _renderer(fig)
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


def _left_align(fig, ax) -> None:
    """Tick labels of the y axis flush left, at the distance that the longest one needs."""
    renderer = _renderer(fig)
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
