"""Prose and output in step: no number of ours stands in a cell that nothing recomputes.

What depends on the data is said by functions, in outputs that nbval compares with a new run. A
number in a cell of plain text must therefore be one of the protocol, of the calendar or of a
published result, or stand in an output of the same notebook, where a change of it is noticed.
"""

import html
import re

import nbformat
import pytest

from helpers.paths import NOTEBOOKS, ROOT
from helpers.show import numbers

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
KNOWN = {
    "28": "members falsely matched in the ACLU's test, and the count of our primary analysis",
    "535": "searched by the ACLU",
    "529": "voting members on the day of the test, counted in notebook 01",
    "640": "million photographs that the FBI could search, data/published/gallery_sizes.csv",
    "25,000": "arrest photos in the ACLU's gallery",
    "80": "Amazon's default threshold, in percent",
    "95": "Amazon's advice in 2018, in percent; also the level of every interval, and of tests",
    "99": "Amazon's later advice, in percent",
    "90": "the percentile of the genuine scores in the bounds",
    "39": "the quoted share, in percent",
    "18": "the age from which a face counts as an adult's",
    "75": "the age up to which a face is in the primary gallery",
    "10": "times the gallery: no number beyond that in an answer",
    "1": "the ratio of no difference, a rank",
    "0": "the least a distance can be",
    "2": "in FPIR and FMR formulas",
    "100": "a whole in percent, senators",
}
CALENDAR = re.compile(r"(?:1[5-9]|20)\d\d")
NUMBER = re.compile(r"(?<![\w.,#-])\d[\d,]*(?:\.\d+)?(?!\w)")


def plain(markdown: str) -> str:
    """What a reader reads as a sentence: no code, no addresses, no numbers of headings or lists."""
    text = re.sub(r"^```.*?^```", "", markdown, flags=re.M | re.S)
    text = re.sub(r"`[^`\n]+`", "", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"https?://\S+|ISO/IEC [\d-]+", "", text)
    text = re.sub(r"^(#+|) *\d+[.)] ", "", text, flags=re.M)
    text = re.sub(
        r"\b(?:sections?|notebooks?|figures?|step) \d+(?:(?:, | and | to )\d+)*",
        "",
        text,
        flags=re.I,
    )
    return re.sub(
        r"\b\d{1,2} (?:January|February|March|April|May|June|July|August|September"
        r"|October|November|December)\b",
        "",
        text,
    )


def said_by_outputs(nb) -> str:
    texts = []
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text", "")})
            texts += [str(v) for k, v in data.items() if k.startswith("text/")]
    return html.unescape(re.sub(r"<[^>]+>", " ", " ".join(texts)))


def loose_numbers(nb) -> list[str]:
    """Numbers of the plain text that neither the protocol nor an output of the notebook holds."""
    known = set(NUMBER.findall(said_by_outputs(nb))) | set(KNOWN)
    found = []
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            text = plain(cell.source)
            found += [
                f"{m.group()} in: ...{text[max(m.start() - 40, 0) : m.end() + 20]!r}"
                for m in NUMBER.finditer(text)
                if m.group().rstrip(",") not in known and not CALENDAR.fullmatch(m.group())
            ]
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_no_number_of_ours_stands_in_plain_text(path):
    assert loose_numbers(nbformat.read(path, as_version=4)) == []


def test_a_loose_number_is_found():
    nb = nbformat.v4.new_notebook()
    nb.cells = [
        nbformat.v4.new_markdown_cell(
            "## 3. Of 529 members 33 are flagged, 6.2 % of them; see\n"
            "[the data](data/77.csv), section 12, `x = 41`, July 2018."
        ),
        nbformat.v4.new_code_cell(
            "x",
            outputs=[nbformat.v4.new_output("display_data", data={"text/markdown": "33 of 529"})],
        ),
    ]
    assert [found.split()[0] for found in loose_numbers(nb)] == ["6.2"]
    nb.cells[1].outputs[0].data["text/markdown"] = "34 of 529 (6.4 %)"
    assert [found.split()[0] for found in loose_numbers(nb)] == ["33", "6.2"]


def committed_texts() -> dict[str, list[str]]:
    """The documents, the texts of figures, and what each notebook says and shows."""
    names = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "data/README.md"]
    names += ["figures/index.json", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
    texts = {name: [(ROOT / name).read_text("utf-8")] for name in names}
    for path in PATHS:
        nb = nbformat.read(path, as_version=4)
        said = [c.source for c in nb.cells if c.cell_type == "markdown"]
        texts[path.stem] = [*said, said_by_outputs(nb)]
    return texts


def test_numbers_are_written_in_one_way():
    odd = {
        name: [found for text in said for found in numbers.odd_numbers(text)]
        for name, said in committed_texts().items()
    }
    assert {name: found for name, found in odd.items() if found} == {}


def test_the_readmes_findings_are_what_the_notebooks_say():
    """Each line of its table of findings is made by a function of its notebook's module."""
    from helpers.experiments import findings

    assert findings.table() in (ROOT / "README.md").read_text("utf-8")
