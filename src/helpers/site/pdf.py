"""The collection as one PDF: `make pdf` writes site/congress-test.pdf, the same bytes each time.

The committed notebooks become one HTML text without code, pandoc makes Typst of it, Typst the PDF.
"""

import html
import re
import sys
import time
from pathlib import Path

import nbformat
import numpy as np

from helpers.paths import FIGURES, NOTEBOOKS, ROOT
from helpers.show import figures
from helpers.site import citation, openings
from helpers.site import pages as site_pages

OUT = ROOT / "site" / "congress-test.pdf"
WORK = ROOT / "build" / "pdf"
# Letters of a table's size on a line of text, upright and across the page
UPRIGHT, ACROSS = 132, 218
GAP = 2  # letters between columns
SHORT = 40  # lines of a table that is kept on one page
WIDE, NARROW = "A WIDE TABLE BEGINS", "A WIDE TABLE ENDS"

PAGE = """#set document(title: "{title}", author: "{author}", date: none)
#set page(paper: "a4", margin: (x: 2.4cm, y: 2.3cm), numbering: "1",
  footer: context text(8pt, fill: luma(90))[The Congress Test, version {version}. CC BY 4.0.
    #h(1fr) #counter(page).display()])
#set text(size: 10pt, lang: "en", font: "Libertinus Serif")
#set par(justify: false, leading: 0.62em)
#set heading(numbering: none)
#show heading.where(level: 1): it => {{
  pagebreak(weak: true)
  block(below: 1em, text(20pt, it.body))
}}
#show heading.where(level: 2): it => block(above: 1.4em, below: .8em, text(13pt, it.body))
#show heading.where(level: 4): it => block(above: 1.2em, below: .8em, text(10pt, it.body))
#show link: set text(fill: rgb("#8A3510"))
#show table: set text(7.5pt, hyphenate: false)
#show table: set par(leading: 0.5em)
#set table(inset: (x: 3pt, y: 3pt),
  stroke: (x, y) => if y > 1 {{ (top: .3pt + luma(205)) }})
#show table.cell.where(y: 0): set text(weight: "bold")
#show figure: set block(breakable: true)
#show figure: set align(left)
#let horizontalrule = line(length: 100%, stroke: .5pt + luma(180))

#v(5cm)
#text(28pt, weight: "bold")[The Congress Test]
#v(.4cm)
#text(13pt)[{subtitle}]
#v(1cm)
{authors}, version {version}, {date}. Text and figures CC BY 4.0, code MIT.

The notebooks of the collection in order, without their code. Each figure and table is named by an
id; its data lie in `figures/` under this id. `congress-test cite ID` prints the citation.
#pagebreak()
#outline(depth: 1, title: [Contents])
"""


def collected(paths: list[Path], entries: dict[str, dict]) -> str:
    """The notebooks as one HTML text: words and outputs, no code."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark").enable("table")
    parts = [_summary(markdown)]
    for path in paths:
        for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
            if cell.cell_type == "markdown":
                title = "# " if number else f"# {path.stem[:2]} "
                parts.append(markdown.render(cell.source.replace("# ", title, 1)))
            else:
                shown = "".join(_output(output, entries, markdown) for output in cell.outputs)
                parts.append(_kept_together(shown))
    text = "\n".join(parts)
    # links to other notebooks lead nowhere on paper, and a line of nothing else helps nobody
    text = re.sub(r"<p>(?:Next|Back)\b[^<]*(?:<a [^>]*>[^<]*</a>[^<]*)+</p>", "", text)
    return re.sub(r'<a href="(?!https?:)[^"]*">(.*?)</a>', r"\1", text, flags=re.S)


def _summary(markdown) -> str:
    """The first page: the answer, then each notebook's question and first sentence."""
    found = openings.openings()
    lines = ["# In one page", found[openings.ANSWERED].answer]
    lines += [f"**{name[:2]} {o.title}** {o.lead}" for name, o in found.items()]
    return markdown.render("\n\n".join(lines))


def _kept_together(shown: str) -> str:
    """A wide table on a page of its own; a figure or a short table on one page with its caption."""
    if "<table" in shown and is_wide(site_pages.cells_of(shown)):
        return f"<p>{WIDE}</p>{shown}<p>{NARROW}</p>"
    table = "<table" in shown and column_widths(site_pages.cells_of(shown), UPRIGHT)[1] < SHORT
    return f"<div>{shown}</div>" if "<img" in shown or table else shown


def _output(output, entries: dict[str, dict], markdown) -> str:
    data = output.get("data", {})
    entry = site_pages.entry_of(data, entries)
    if entry and "image/png" in data:
        alt = html.escape(entry["alt"])  # 72 % of a line: at its own size
        return f'<p><img src="{FIGURES / entry["id"]}.svg" alt="{alt}" width="72%"></p>'
    if "<script" in data.get("text/html", ""):
        return "<p><em>Here the pages have an interactive explorer.</em></p>"
    if "text/html" in data:
        title = f"<h4>{html.escape(entry['title'])}</h4>" if entry else ""
        return title + _plain_table(data["text/html"])
    if "text/markdown" in data:
        return markdown.render(re.sub(r" ?\[Data\]\([^)]*\)", "", data["text/markdown"]))
    if "text/plain" in data or "text" in output:
        return f"<pre>{html.escape(data.get('text/plain') or output['text'])}</pre>"
    return ""


def column_widths(cells: np.ndarray, width: int) -> tuple[np.ndarray, int]:
    """How to share a line of `width` letters among columns, and how many lines the table takes.

    No column gets less than its longest word; what is left goes, letter by letter, to the column
    in which it saves most lines, until no cell needs a second line.
    """
    lengths = np.vectorize(len)(cells)
    words = np.vectorize(lambda text: max(map(len, re.split(r"[ \u200b]", text))))(cells)
    widths = words.max(axis=0) + 1
    while True:
        lines = np.ceil(1.1 * lengths / widths)
        tall = (lines == lines.max(axis=1, keepdims=True)) & (lines > 1)
        if widths.sum() + GAP * len(widths) >= width or not tall.any():
            return widths + GAP, int(lines.max(axis=1).sum())
        missing = 1.1 * lengths / np.maximum(lines - 1, 1) - widths  # letters to save a line
        widths[np.where(tall, 1 / np.maximum(missing, 1), 0).sum(axis=0).argmax()] += 1


def is_wide(cells: np.ndarray) -> bool:
    """Whether a table is much easier to read across the long side of a page."""
    widths, upright = column_widths(cells, UPRIGHT)
    _, across = column_widths(cells, ACROSS)
    long = upright > 2.2 * len(cells) and upright > SHORT
    return widths.sum() > UPRIGHT or (long and across < 0.7 * upright)


def _plain_table(text: str) -> str:
    """A dataframe's HTML without styles, with a width for each column; only addresses break."""
    text = re.sub(r"<style.*?</style>|</?div[^>]*>", "", text, flags=re.S)
    text = re.sub(r' (?:style|class|border)="[^"]*"', "", text)
    text = re.sub(r"(?<=\d)–(?=\d)", "–\u2060", text.replace(" %", "\u00a0%"))
    text = re.sub(r"[^\s<>]{25,}", lambda m: re.sub(r"([/._=-])", "\\1\u200b", m[0]), text)
    cells = site_pages.cells_of(text)
    widths, _ = column_widths(cells, ACROSS if is_wide(cells) else UPRIGHT)
    shares = 100 * widths / max(widths.sum(), 0.45 * UPRIGHT)
    columns = "".join(f'<col style="width: {share:.1f}%">' for share in shares)
    return text.replace("<thead>", f"<colgroup>{columns}</colgroup><thead>", 1)


def make(out: Path = OUT) -> None:
    """Write the PDF."""
    import pypandoc
    import typst

    entries = {e["id"]: e for e in figures.read_index()}
    paths = sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
    source = collected(paths, entries)
    body = pypandoc.convert_text(source, "typst", format="html", extra_args=["--wrap=none"])
    for old, new in {
        f'"{FIGURES}/': '"/figures/',
        "#figure(\n  align(center)[": "#figure(\n  align(left)[",
        "#block[": "#block(breakable: false)[",
        WIDE: "#page(flipped: true, margin: (x: 1.6cm, y: 1.7cm))[\n"
        "#show table: set text(7pt)\n#set table(inset: (x: 3pt, y: 2.2pt))",
        NARROW: "]",
    }.items():
        body = body.replace(old, new)
    cite = citation.cff()
    head = PAGE.format(
        title=cite["title"], author=citation.AUTHORS, authors=citation.AUTHORS,
        subtitle=cite["title"].split(": ", 1)[1].capitalize().replace("us congress", "US Congress"),
        version=cite["version"], date=cite["date-released"],
    )  # fmt: skip
    WORK.mkdir(parents=True, exist_ok=True)
    file = WORK / "congress-test.typ"
    file.write_text(head + body, "utf-8")
    out.parent.mkdir(parents=True, exist_ok=True)
    typst.compile(str(file), output=str(out), root=str(ROOT), ignore_system_fonts=True, timestamp=0)


def main() -> int:
    start = time.perf_counter()
    make()
    size, seconds = OUT.stat().st_size / 1e6, time.perf_counter() - start
    print(f"{OUT.relative_to(ROOT)}, {size:.1f} MB, in {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
