"""The collection as one PDF: `python -m helpers.print` (`make pdf`) writes site/congress-test.pdf.

The committed notebooks become one HTML text (words, tables, figures as SVG, no code), pandoc makes
Typst of it, Typst the PDF. Nothing is executed or fetched; the same input gives the same bytes.
"""

import html
import re
import sys
import time
from pathlib import Path

import nbformat

from helpers import citation, figures, site_pages
from helpers.paths import FIGURES, NOTEBOOKS, ROOT

OUT = ROOT / "site" / "congress-test.pdf"
WORK = ROOT / "build" / "pdf"

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
#show link: set text(fill: rgb("#8A3510"))
#show table: set text(7.5pt, hyphenate: true)
#show table: set par(leading: 0.5em)
#set table(stroke: none, inset: (x: 4pt, y: 3pt))
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
    parts = []
    for path in paths:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                parts.append(markdown.render(cell.source))
                continue
            for output in cell.outputs:
                parts.append(_output(output, entries, markdown))
    text = "\n".join(parts)
    # links to other notebooks lead nowhere on paper
    return re.sub(r'<a href="(?!https?:)[^"]*">(.*?)</a>', r"\1", text, flags=re.S)


def _output(output, entries: dict[str, dict], markdown) -> str:
    data = output.get("data", {})
    entry = site_pages.entry_of(data, entries)
    if entry and "image/png" in data:
        alt = html.escape(entry["alt"])
        return f'<p><img src="{FIGURES / entry["id"]}.svg" alt="{alt}" width="100%"></p>'
    if "<script" in data.get("text/html", ""):
        return "<p><em>Here the pages have an interactive explorer.</em></p>"
    if "text/html" in data:
        title = f"<p><strong>{html.escape(entry['title'])}</strong></p>" if entry else ""
        return title + _plain_table(data["text/html"])
    if "text/markdown" in data:
        words = re.sub(r" ?\[Data\]\([^)]*\)", "", data["text/markdown"])
        return markdown.render(words)
    if "text/plain" in data or "text" in output:
        return f"<pre>{html.escape(data.get('text/plain') or output['text'])}</pre>"
    return ""


def _plain_table(text: str) -> str:
    """A dataframe's HTML without its styles: pandoc takes widths and alignment from them."""
    return re.sub(
        r' (?:style|class|border)="[^"]*"', "", re.sub(r"<style.*?</style>", "", text, flags=re.S)
    )


def make(out: Path = OUT) -> None:
    """Write the PDF."""
    import pypandoc
    import typst

    entries = {e["id"]: e for e in figures.read_index()}
    paths = sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
    source = collected(paths, entries)
    body = pypandoc.convert_text(source, "typst", format="html", extra_args=["--wrap=none"])
    body = body.replace(f'"{FIGURES}/', '"/figures/').replace(
        "#figure(\n  align(center)[", "#figure(\n  align(left)["
    )
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
    size = OUT.stat().st_size / 1e6
    print(f"{OUT.relative_to(ROOT)}, {size:.1f} MB, in {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
