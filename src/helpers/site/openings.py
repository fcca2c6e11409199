"""The openings of the notebooks: what the README and the landing page quote, never retyped.

`python -m helpers.site.openings` puts them into README.md between its two marks; a test compares.
"""

import re
from typing import NamedTuple

import nbformat

from helpers.files import write_atomically
from helpers.paths import NOTEBOOKS, ROOT

ANSWERED = "02-the-congress-test"  # whose opening is the answer of the whole


class Opening(NamedTuple):
    """The first cell of a notebook: its title, a question; the whole answer; its first sentence."""

    title: str
    answer: str
    lead: str


def opening(nb) -> Opening:
    """The opening of a notebook; ValueError if its first cell has no title or no answer."""
    title, _, answer = nb.cells[0].source.strip().partition("\n")
    bold = re.match(r"\*\*(.+?)\*\*", answer.strip(), re.S)
    if not title.startswith("# ") or not bold:
        raise ValueError(f"the first cell is no title with a bold sentence below: {title!r}")
    return Opening(title[2:].strip(), answer.strip(), " ".join(bold[1].split()))


def openings() -> dict[str, Opening]:
    """The openings of all notebooks, by name, in order."""
    paths = sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
    return {p.stem: opening(nbformat.read(p, as_version=4)) for p in paths}


def findings() -> str:
    """The answer of notebook 02, then every other notebook's question and first sentence."""
    found = openings()
    lines = [_from_root(found[ANSWERED].answer), ""]
    for name, (title, _, lead) in found.items():
        if name != ANSWERED:
            lines.append(f"* [{name[:2]} {title}](notebooks/{name}.ipynb) {lead}")
    return "\n".join(lines)


def _from_root(text: str) -> str:
    """Links of a notebook as the README has them."""
    text = text.replace("](../", "](")
    return re.sub(r"\]\((\d\d-[\w-]+\.ipynb)", r"](notebooks/\1", text)


def update_readme() -> None:
    """Put `findings` between the marks of the README."""
    path = ROOT / "README.md"
    text = path.read_text("utf-8")
    marks = re.compile(r"(<!-- findings[^>]*-->\n).*?(\n<!-- end of findings -->)", re.S)
    if not marks.search(text):
        raise ValueError(f"{path.name} has no marks for the findings")
    with write_atomically(path) as half:
        half.write_text(marks.sub(lambda m: m[1] + findings() + m[2], text), "utf-8")


if __name__ == "__main__":
    update_readme()
