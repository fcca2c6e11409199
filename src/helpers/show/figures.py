"""Figures and tables: one way to save (figures/<id>.svg, .pdf, .png, .csv, .tex), one index.

The same input gives the same bytes: no dates, a fixed font and fixed element ids.
"""

import base64
import fcntl
import io
import json
import os
import re
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib as mpl
import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from helpers.files import write_atomically
from helpers.paths import FIGURES, ROOT
from helpers.show import tex
from helpers.show.layout import headline, layout_problems
from helpers.show.style import DPI, WIDTH, styled

AUTHORS = "The Congress Test contributors"


class Saved(dict):
    """An entry of the index which, as the last line of a notebook cell, shows itself."""

    def __init__(self, entry: dict, folder: Path, html: str = "") -> None:
        super().__init__(entry)
        self.folder, self.html = folder, html

    def _ipython_display_(self) -> None:
        from IPython.display import display

        up = "../" if self.folder == FIGURES else ""  # somebody's own lie beside the notebook
        data = f"{up}{self.folder.name}/{self['data']}"
        caption = f"**{self['id']}.** {self['caption']} [Data]({data})"
        plain = f"{self['id']}: {self['title']}"
        if self["kind"] == "table":
            display({"text/html": self.html, "text/plain": plain}, raw=True)
        else:
            png = base64.b64encode((self.folder / f"{self['id']}.png").read_bytes())
            bundle = {"image/png": png.decode(), "text/plain": f"{plain}. {self['alt']}"}
            meta = {"image/png": {"alt": self["alt"], "width": int(WIDTH * 125)}}
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
    owner: str = "",
) -> Saved:
    """Write one figure in four files and its entry in the index; return the entry.

    `title` (the finding, in a sentence) and `subtitle` (what is drawn, in which unit) are set at
    the top of the picture, so draw none yourself. `data` holds the numbers that are drawn, in the
    order they should be read; the CSV has them to six significant digits. `id` is
    fig-NN-some-name with NN the notebook's number. `caption` says how to read the figure, `alt`
    what can be seen in it, for someone who cannot. `owner`: whose it is, if not the project's.

    Raises ValueError if a text is missing or `alt` is shorter than 40 characters, the id is
    malformed or taken by another notebook, there are no data, or, in the finished picture, a
    letter is smaller than 8 pt at the final width, a text is cut off or two texts overlap. A
    title or subtitle may take four lines.
    """
    folder = Path(folder or FIGURES)
    entry = _entry("figure", id, title, caption, notebook, folder, owner, alt=alt)
    source = f"{owner}, {id}" if owner else f"The Congress Test, {id}. CC BY 4.0."
    table_csv = _csv(data)
    with styled(**{"svg.hashsalt": id}):
        fig.set_dpi(DPI)
        headline(fig, title, subtitle, source)
        problems = layout_problems(fig)
        if problems:
            raise ValueError(f"{id} is hard to read: " + "; ".join(problems))
        engine = fig.get_layout_engine()
        fig.set_layout_engine("none")  # what was checked is drawn, and three layouts are spared
        files = {"svg": _svg(fig, title, alt), "csv": table_csv}
        there = all((folder / f"{id}.{kind}").is_file() for kind in ("svg", "pdf", "png"))
        if not there or (folder / f"{id}.svg").read_bytes() != files["svg"]:
            about = {"Title": title, "Creator": AUTHORS, "CreationDate": None}
            files["pdf"] = _bytes(fig, "pdf", metadata=about)
            files["png"] = _bytes(fig, "png", dpi=DPI, metadata={"Software": None})
        fig.set_layout_engine(engine)
    _write_all(folder, entry, files)
    return Saved(entry, folder)


def table(
    df: pd.DataFrame,
    *,
    id: str,
    title: str,
    caption: str,
    notebook: str,
    folder: Path | str | None = None,
    owner: str = "",
) -> Saved:
    """Write one table as figures/<id>.csv and .tex and its entry in the index; return the entry.

    `id` is tab-NN-some-name with NN the notebook's number. What the notebook shows is `df` as it
    is, without its row index; round and name the columns first. Raises ValueError as `save` does.
    """
    folder = Path(folder or FIGURES)
    entry = _entry("table", id, title, caption, notebook, folder, owner)
    _write_all(folder, entry, {"csv": _csv(df), "tex": _tex(df, entry)})
    shown = df.rename_axis(columns=None)  # a name would become a column
    for column in df.select_dtypes("integer"):
        shown[column] = ["" if pd.isna(v) else _whole(v) for v in df[column]]
    html = shown.to_html(
        index=False, border=0, justify="left", na_rep="", float_format=lambda v: f"{v:,.6g}"
    )
    return Saved(entry, folder, html)


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


@cache
def cff() -> dict:
    """CITATION.cff: the one place of title, version and date."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


def how_to_cite(id: str, title: str, owner: str = "") -> str:
    """The citation of one figure or table; version and year are those of CITATION.cff."""
    if owner:
        return f'{owner}. "{title}" ({id}).'
    cite = cff()
    return (
        f'{AUTHORS} ({str(cite["date-released"])[:4]}). "{title}" ({id}). In: {cite["title"]}, '
        f"version {cite['version']}. CC BY 4.0."
    )


def _entry(kind, id, title, caption, notebook, folder, owner, alt=None) -> dict:
    """The checked index entry; ValueError says what is missing or taken."""
    prefix = {"figure": "fig", "table": "tab"}[kind]
    if not re.fullmatch(prefix + r"-\d\d(-[a-z0-9]+)+", id):
        raise ValueError(f"id {id!r} should look like {prefix}-02-some-name")
    notebook = Path(notebook).stem
    if not re.fullmatch(r"\d\d(-[a-z0-9]+)+", notebook):
        raise ValueError(f"notebook {notebook!r} should look like 02-the-congress-test")
    entry = {"id": id, "kind": kind, "title": title, "caption": caption}
    if kind == "figure":
        entry["alt"] = alt
    entry = {name: (text or "").strip() for name, text in entry.items()}
    for name in ("title", "caption"):
        if not entry[name]:
            raise ValueError(f"{id} has no {name}")
    if kind == "figure" and len(entry["alt"]) < 40:
        raise ValueError(
            f"{id} needs an alternative text of 40 characters or more: say what can be seen"
        )
    for other in read_index(folder):
        if other["id"] == id and other["notebook"] != notebook:
            raise ValueError(f"id {id} is taken by notebook {other['notebook']}; choose another")
    if id[4:6] != notebook[:2]:
        raise ValueError(f"id {id} should have the number of its notebook, {notebook[:2]}")
    cite = how_to_cite(id, entry["title"].rstrip("."), owner)
    return entry | {"notebook": notebook, "data": f"{id}.csv", "cite": cite}


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


def _whole(value) -> str:
    """A whole number with separators from five digits on: a year has none."""
    return f"{value:,}" if abs(value) >= 10_000 else str(value)


def _shown(cell) -> str:
    if pd.isna(cell):
        return ""
    if isinstance(cell, int | np.integer) and not isinstance(cell, bool):
        return _whole(cell)
    return f"{cell:,.6g}" if isinstance(cell, float) else str(cell)


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
    named = f"\n <title>{escape(title)}</title>\n <desc>{escape(alt)}</desc>"
    return (text[: start - 1] + ' role="img">' + named + text[start:]).encode("utf-8")


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
    with write_atomically(path) as half:
        half.write_bytes(content)
