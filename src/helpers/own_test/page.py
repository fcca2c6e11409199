"""An executed test as one HTML page: nothing is fetched, figures and their data are inside."""

import base64
import html
import re
from importlib import resources
from pathlib import Path

from helpers.errors import UserError
from helpers.own_test.measure import Measured
from helpers.show import figures
from helpers.site import pages

LINK = re.compile(r'href="figures/((?:fig|tab)-[\w-]+)\.csv"')
# nothing that a browser would fetch, and no picture but drawings
FETCHED = re.compile(
    r"<(?:script|link|iframe|object|embed|video|audio)\b|@import|url\("
    r"|\bsrc=\"(?!data:image/svg\+xml;base64,)|\bsrcset="
)


def make(nb, folder: Path, test: Measured) -> str:
    """The page as text. UserError where it would fetch something or show a photograph."""
    entries = {e["id"]: e for e in figures.read_index(folder / "figures")}
    body = "\n".join(_cell(cell, entries, folder / "figures") for cell in pages.joined(nb.cells))
    body = LINK.sub(r'href="#\1"', body)
    title = re.search(r"<h1>(.*?)</h1>", body)
    css = (resources.files("helpers.own_test") / "page.css").read_text("utf-8")
    kind = "registered" if test.about["registered"] else "exploratory"
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title[1] if title else html.escape(test.about["name"])}</title>
<style>
{css}
@page {{ @top-right {{ content: "{test.about["name"]}: {kind}"; font: 8pt sans-serif; }} }}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
    if bad := FETCHED.search(text):
        raise UserError(f"the page would fetch or embed something: {text[bad.start() :][:60]!r}")
    return text


def _cell(cell, entries: dict[str, dict], folder: Path) -> str:
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    if cell.cell_type == "markdown":
        return markdown.render(cell.source)
    shown = []
    for output in cell.outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        entry = pages.entry_of(data, entries)
        if entry:
            shown.append(_entry(entry, data, folder, markdown))
        elif "text/markdown" not in data:  # the caption stands with its figure
            shown.append(f"<pre>{html.escape(data.get('text/plain', ''))}</pre>")
    code = f"<details><summary>Code</summary><pre>{html.escape(cell.source)}</pre></details>"
    return "\n".join([*shown, code])


def _entry(entry: dict, data: dict, folder: Path, markdown) -> str:
    """A figure or table with its caption, and its data to download."""
    id, title = entry["id"], html.escape(entry["title"])
    csv = _embedded((folder / entry["data"]).read_bytes(), "text/csv")
    if entry["kind"] == "figure":
        svg = (folder / f"{id}.svg").read_bytes()
        if b"<image" in svg:
            raise UserError(f"{id} holds a picture made of pixels")
        alt = html.escape(entry["alt"])
        shown = f'<img src="{_embedded(svg, "image/svg+xml")}" alt="{alt}">'
    else:
        shown = f"<h3>{title}</h3>" + pages.scrolling(data["text/html"], entry["title"])
    caption = markdown.renderInline(entry["caption"])
    return (
        f'<figure id="{id}">{shown}<figcaption><b>{id}.</b> {caption} '
        f'<a href="{csv}" download="{entry["data"]}">Data</a></figcaption></figure>'
    )


def _embedded(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
