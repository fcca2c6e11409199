"""Publishing a test: run it, choose the cells whose condition holds, execute, check, make the page.

Refused are: another registration, a number that no cited table holds, a computed text of a figure,
a picture that is no drawing of its own, a file name of the gallery.
"""

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import nbformat

from helpers.errors import UserError
from helpers.files import write_atomically
from helpers.own_test import measure, page, plan, tables
from helpers.rebuild import notebooks, prose
from helpers.show import figures
from helpers.sources import galleries

FIGURES = "figures"
# of the rules and of the ACLU's test: no results
CONSTANTS = (
    r"(?<![\d.,])28\b|1 in (?:1,000|10,000|100,000|1,000,000)\b|1e-[3-6]|90 %|95 %"
    r"|30,000(?= pairs)|125(?= people)|\b30 people|CC BY 4\.0"
)
PICTURE = re.compile(r"!\[|<(?!https?:|mailto:)[a-zA-Z/!]")


def publish(
    folder: Path, agree: Callable[[str], bool], yes: bool = False, workers: int | None = None
) -> Path:
    """Run, execute and check a test of one's own, and write its page; return that path.

    agree, yes: as for `amazon.run`. Raises UserError, see above.
    """
    name = folder.resolve().name
    source = folder / f"{name}.ipynb"
    if not source.is_file():
        raise UserError(f"{folder} holds no {name}.ipynb; congress-test new makes such a folder")
    nb = nbformat.read(source, as_version=4)
    parameters = plan.read(nb)
    measure.measure(parameters, folder, agree, yes, workers)
    test = measure.read(folder)
    chosen = choose(nb, tables.case(test))
    for old in (folder / FIGURES).glob("[ft]*-01-*"):  # of an earlier run with another case
        old.unlink()
    (folder / FIGURES / "index.json").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as place:
        draft = Path(place) / f"{name}.ipynb"
        nbformat.write(chosen, draft)
        notebooks.execute(draft, draft, folder)
        executed = nbformat.read(draft, as_version=4)
    if found := problems(executed, folder / FIGURES):
        raise UserError("the page was not written:\n  " + "\n  ".join(found))
    text = page.make(executed, folder, test)
    here = plan.moved(parameters, lambda p: os.path.abspath(folder / p))
    if leaks := [n for n in _names(here.gallery) if n in text]:
        raise UserError(f"the page was not written: it names {leaks[0]!r}, a file of the gallery")
    nbformat.write(executed, folder / f"{name}-executed.ipynb")
    out = folder / f"{name}.html"
    with write_atomically(out) as half:
        half.write_text(text, "utf-8")
    return out


def choose(nb, case: dict[str, bool]):
    """The notebook with the cells whose every condition holds. UserError for an unknown one."""
    kept = []
    for cell in nb.cells:
        tags = [t[3:] for t in cell.metadata.get("tags", []) if t.startswith("if-")]
        wanted = {t.removeprefix("not-"): not t.startswith("not-") for t in tags}
        if unknown := sorted(set(wanted) - set(case)):
            raise UserError(f"a cell has the tag if-{unknown[0]}; there are {', '.join(case)}")
        if all(case[condition] == holds for condition, holds in wanted.items()):
            kept.append(cell)
    return nbformat.from_dict({**nb, "cells": kept})


def problems(nb, folder: Path) -> list[str]:
    """What may not be published of an executed notebook, a sentence each; [] if nothing.

    folder: of its figures. Numbers as in the collection: see `helpers.rebuild.prose`.
    """
    found = []
    for block in [*prose.blocks(nb, "the text"), *prose.saved_blocks(nb, "the text")]:
        for missing in prose.unsupported(block, CONSTANTS, folder):
            found.append(f"{missing}: link the table that holds this number, or take it out")
    for id, texts in prose.saved(nb, "").items():
        if None in texts.values():
            found.append(f"{id}: title, caption and alternative text are typed, not computed")
    for cell in nb.cells:
        if cell.cell_type == "code" and "Markdown(" in cell.source:
            found.append("a cell shows a computed sentence: type it")
        if cell.cell_type == "markdown" and PICTURE.search(re.sub("`[^`]*`", "", cell.source)):
            found.append("the text shows a picture or holds HTML: only figures that are saved may")
    entries = {e["id"] for e in figures.read_index(folder)}
    gone = {i for c in nb.cells for i in prose.cited(c.source)} - entries
    return found + [f"the text links {i}, which is no table or figure here" for i in sorted(gone)]


def _names(gallery: str) -> list[str]:
    """The names of the gallery's images, which no page may hold."""
    if not Path(gallery).is_dir():
        return []
    return [Path(i).name for i in galleries.load_folder(gallery)["id"]]
