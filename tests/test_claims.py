"""Claims: a sentence that is no number is held here, verbatim, with a check on the data.

A sentence whose check fails, or that is no longer typed in its notebook, fails the test; so does
a sentence of an opening, or a figure's title, that has no check.
"""

import importlib.util

import nbformat
import pytest

from helpers.paths import ROOT
from helpers.rebuild import prose


def claims_of(stem: str) -> list:
    path = ROOT / "tests" / "claims" / f"nb_{stem[:2]}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CLAIMS


def words(text: str) -> str:
    """A typed text as its words, one blank between two."""
    return " ".join(prose.plain(text).split())


def typed(path) -> list[str]:
    nb = nbformat.read(path, as_version=4)
    blocks = [*prose.blocks(nb, path.stem), *prose.saved_blocks(nb, path.stem)]
    return [words(b.text) for b in blocks]


@pytest.mark.parametrize("path", prose.PATHS, ids=lambda p: p.stem)
def test_each_claim_is_typed_and_true(path):
    texts = typed(path)
    for sentence, check in claims_of(path.stem):
        assert any(words(sentence) in text for text in texts), f"no longer typed: {sentence}"
        assert check(), f"not true: {sentence}"


@pytest.mark.parametrize("path", prose.PATHS, ids=lambda p: p.stem)
def test_each_sentence_of_the_opening_and_each_title_has_a_check(path):
    nb = nbformat.read(path, as_version=4)
    claimed = {words(sentence) for sentence, _ in claims_of(path.stem)}
    opening = prose.sentences(words(prose.opening(nb)))
    titles = [words(t["title"]) for t in prose.saved(nb, path.stem).values() if "alt" in t]
    missing = [
        text
        for text in [*opening, *titles]
        if not any(text.strip() in c or c in text for c in claimed)
    ]
    assert missing == []
