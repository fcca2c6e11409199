"""Prose is typed by people and checked here: a number stands in a table that its paragraph cites.

The rules are those of CONTRIBUTING, "Prose". Claims without a number are in `test_claims`.
"""

import ast
import re

import nbformat
import pytest

from helpers.faces.pipelines import PIPELINES
from helpers.paths import ROOT
from helpers.rebuild import prose
from helpers.show import numbers

# of the protocol, the law, the calendar and what Amazon and the ACLU said: no results of ours
CONSTANTS = "|".join(
    (
        r"(?<![\d.,])(?:28|535|529|80|95|99)(?![\d.,]*\d)(?: %)?",
        r"25,000(?! \w*\d)",  # arrest photos in the ACLU's gallery
        r"39 %",  # the quoted share
        r"18 to 75|18–75",  # years, of an adult in the primary gallery
        r"1 in (?:1,000|10,000|100,000)\b|1e-[3-6]",  # target FMRs
        r"0\.90|90 %",  # of the gate
        r"\b30 (?:errors|people|members)",  # below which nothing is said
        r"1:1|1:N|rank 1\b",
        r"0 to 255",  # of a grey value
    )
)
MOST_WORDS, MOST_NUMBERS, LONGEST_SENTENCE, LONGEST_ALT = 60, 5, 25, 250
INTERVAL = re.compile(r"\d\s*[–-]\s*\d|\binterval\b")
NETWORKS = sorted({row.recogniser for row in PIPELINES.values()})


@pytest.fixture(params=prose.PATHS, ids=lambda p: p.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4), request.param.stem


def test_every_number_stands_in_a_cited_table_in_a_row_that_its_clause_names(notebook):
    nb, name = notebook
    found = [*prose.blocks(nb, name), *prose.saved_blocks(nb, name)]
    assert [problem for block in found for problem in prose.unsupported(block, CONSTANTS)] == []


def test_openings_are_short(notebook):
    nb, _ = notebook
    text = prose.plain(prose.opening(nb))
    assert len(text.split()) <= MOST_WORDS, len(text.split())
    assert len(prose.NUMBER.findall(text)) <= MOST_NUMBERS
    assert not INTERVAL.search(text)
    assert [s for s in prose.sentences(text) if len(s.split()) > LONGEST_SENTENCE] == []
    later = [b for b in prose.blocks(nb, "") if "What this does not show" in b.heading + b.text]
    assert later, "an opening is followed by what it does not show"


def test_no_sentence_lists_three_pipelines_with_three_numbers(notebook):
    nb, name = notebook
    lists = []
    for block in [*prose.blocks(nb, name), *prose.saved_blocks(nb, name)]:
        for sentence in prose.sentences(prose.plain(block.text)):
            if all(n in sentence for n in NETWORKS) and len(prose.NUMBER.findall(sentence)) >= 3:
                lists.append(f"{block.where}: {sentence}")
    assert lists == []


def test_texts_of_figures_are_typed_where_they_are_saved(notebook):
    nb, name = notebook
    for id, texts in prose.saved(nb, name).items():
        assert None not in texts.values(), f"{id}: a text is computed"
        assert len(texts.get("alt") or "") <= LONGEST_ALT, f"{id}: {len(texts['alt'])} characters"


def test_no_cell_shows_a_computed_sentence(notebook):
    nb, _ = notebook
    code = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    assert [source for source in code if "Markdown(" in source] == []


MOST_WORDS_OF_A_LABEL = 9


def returned_sentences(source: str) -> list[str]:
    """Functions that return a text of more words than a label has."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value]
        for node in (n for value in returned for n in ast.walk(value)):
            parts = [c for c in ast.walk(node) if isinstance(c, ast.Constant)]
            text = " ".join(str(c.value) for c in parts)
            whole = isinstance(node, ast.JoinedStr | ast.Constant)
            if whole and len(re.findall(r"[A-Za-z]+", text)) > MOST_WORDS_OF_A_LABEL:
                found.append(function.name)
    return sorted(set(found))


# registration.py writes a record, once; it is no page
EXPERIMENTS = sorted((ROOT / "src/helpers/experiments").rglob("*.py"))


@pytest.mark.parametrize(
    "path", [p for p in EXPERIMENTS if p.stem != "registration"], ids=lambda p: p.stem
)
def test_no_function_of_an_experiment_returns_a_sentence(path):
    assert returned_sentences(path.read_text("utf-8")) == []


def test_a_function_that_returns_a_sentence_is_noticed():
    source = "def f(n):\n    return f'Members of colour were picked {n} times as often as others'\n"
    assert returned_sentences(source) == ["f"]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("Dlib picked 17 members of colour.", []),
        ("Dlib picked 13 members of colour.", ["13"]),  # stale
        ("Dlib picked 11 members of colour.", ["11"]),  # the other row
        ("Dlib picked 17 members of colour and 11 white members.", []),
        ("Dlib picked 11 members of colour and 17 white members.", ["11", "17"]),
        ("SFace picked 17 members of colour.", ["17"]),  # the other pipeline's number
        ("Dlib picked 16.7 % of members of colour.", []),
        ("Dlib picked 28 in all.", []),
    ],
)
def test_a_number_needs_its_row(tmp_path, text, missing):
    rows = "Program,Group,Picked,Share\nDlib,Members of colour,17,0.16667\n"
    rows += "Dlib,White,11,0.0258\nSFace,Members of colour,9,0.0882\nSFace,White,19,0.0445\n"
    (tmp_path / "tab-99-test.csv").write_text(rows)
    block = prose.Block("here", "", text, ("tab-99-test",))
    assert [p.split()[1] for p in prose.unsupported(block, CONSTANTS, tmp_path)] == missing
    without = prose.unsupported(block._replace(cites=()), CONSTANTS, tmp_path)
    assert len(without) == len(prose.NUMBER.findall(text.replace("28", "")))


def said_by_outputs(nb) -> str:
    texts = []
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text", "")})
            texts += [str(v) for k, v in data.items() if k.startswith("text/")]
    return re.sub(r"<[^>]+>", " ", " ".join(texts))


def test_numbers_are_written_in_one_way():
    names = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "data/README.md"]
    names += ["figures/index.json", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
    texts = {name: [(ROOT / name).read_text("utf-8")] for name in names}
    for path in prose.PATHS:
        nb = nbformat.read(path, as_version=4)
        typed = [c.source for c in nb.cells if c.cell_type == "markdown"]
        texts[path.stem] = [*typed, said_by_outputs(nb)]
    odd = {name: [f for t in said for f in numbers.odd_numbers(t)] for name, said in texts.items()}
    assert {name: found for name, found in odd.items() if found} == {}
