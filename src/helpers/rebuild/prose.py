"""Reading what people typed: blocks of Markdown, texts of figures, their numbers and citations.

The rules are those of CONTRIBUTING, "Prose".
"""

import ast
import functools
import html
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from helpers.paths import FIGURES, NOTEBOOKS

PATHS = sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
TEXTS = ("title", "subtitle", "caption", "alt")  # of a figure or table, typed where it is saved
CITED = re.compile(r"\]\((?:\.\./)?figures/((?:fig|tab)-[\w-]+)\.csv\)")
NUMBER = re.compile(r"(?<![\w.,–-])\d[\d,]*(?:\.\d+)?(?![\w]|\.\d)")
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
CLAUSE = re.compile(r"[;:()—]|,(?=\s)|\s(?:and|but|against|than|while|or)\s")
PROGRAMS = {"dlib", "sface", "facenet"}
SMALL = {"the", "and", "for", "with", "all", "not", "who", "are", "was", "its", "per", "from"}


class Block(NamedTuple):
    """A paragraph, list item or text of a figure: where it stands, its heading, what it cites."""

    where: str
    heading: str
    text: str
    cites: tuple[str, ...]


def blocks(nb, name: str) -> list[Block]:
    """What is typed in the Markdown cells, a block a paragraph, list item or row; no headings."""
    found, heading = [], ""
    for number, cell in enumerate(nb.cells):
        if cell.cell_type != "markdown":
            continue
        text = re.sub(r"^```.*?^```", "", cell.source, flags=re.M | re.S)
        for part in re.split(r"\n\s*\n|\n(?=\s*(?:[*+-]|\d+\.) )|\n(?=\|)", text):
            lines = part.strip()
            if lines.startswith("#"):
                heading, _, lines = lines.lstrip("#").strip().partition("\n")
            if lines.strip():
                found.append(Block(f"{name}, cell {number}", heading, lines, cited(lines)))
    return found


def saved(nb, name: str) -> dict[str, dict]:
    """The texts of figures and tables, as typed: id -> {title, subtitle, caption, alt}.

    A text that is no literal is None.
    """
    found = {}
    for cell in nb.cells:
        for node in ast.walk(ast.parse(cell.source if cell.cell_type == "code" else "")):
            match node:
                case ast.Call(func=ast.Attribute(attr="save" | "table"), keywords=keywords):
                    given = {k.arg: k.value for k in keywords}
                    if {"id", "caption"} <= set(given):
                        found[ast.literal_eval(given["id"])] = {
                            k: v.value if isinstance(v := given[k], ast.Constant) else None
                            for k in TEXTS
                            if k in given
                        }
    return found


def saved_blocks(nb, name: str) -> list[Block]:
    """The texts of figures and tables as blocks, each citing its own data."""
    return [
        Block(f"{id}, {kind}", texts.get("title") or "", text, (id, *cited(text)))
        for id, texts in saved(nb, name).items()
        for kind, text in texts.items()
        if text
    ]


def cited(text: str) -> tuple[str, ...]:
    return tuple(CITED.findall(text))


def plain(markdown: str) -> str:
    """What a reader reads as words: no code, addresses, emphasis, numbers of headings or lists."""
    text = re.sub(r"`[^`\n]+`", "", markdown)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+|ISO/IEC [\d-]+(?::\d+)?|IR \d+", "", text)
    text = re.sub(r"^\s*(?:[*+-]|\d+[.)])\s", "", text, flags=re.M)
    named = "sections?|notebooks?|figures?|step|version|release|Python"
    pages = rf"\b(?:{named}) [\d.]+(?:(?:, | and | to )\d+)*"
    text = re.sub(pages, "", text, flags=re.I)
    text = re.sub(rf"\b\d{{1,2}} (?:{MONTHS})\b|\b(?:{MONTHS}) \d{{1,2}}\b", "", text)
    return html.unescape(re.sub(r"[*_]{1,2}(?=\S)|(?<=\S)[*_]{1,2}", "", text))


def sentences(text: str) -> list[str]:
    """Sentences of a plain text; abbreviations of the project do not end one."""
    joined = " ".join(text.split())
    joined = re.sub(r"\b(e\.g|i\.e|vs|Dr|Mr|Ms|No|St|U\.S)\. ", "\\1.\u00a0", joined)
    return [s for s in re.split(r"(?<=[.?!])[\"”)*]*\s+(?=[A-Z“\"\[(])", joined) if s.strip()]


@functools.lru_cache
def _table(path: Path, changed: int) -> pd.DataFrame:
    """The data of a figure or table, as text, cell by cell."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def label_columns(data: pd.DataFrame) -> list[str]:
    """The columns that name rows: words, more than one of them, and no number in front."""
    return [
        c
        for c in data
        if data[c].nunique() > 1
        and data[c].str.contains(r"[A-Za-z]", regex=True).any()
        and not data[c].str.match(r"\s*[-−+<]?\d").any()
        and data[c].str.len().max() < 80
    ]


def holds(cell: str, number: str, percent: bool) -> bool:
    """Whether a cell says a number: verbatim in its text, or rounded as the number is."""
    if number in NUMBER.findall(cell):
        return True
    try:
        value = float(cell)
    except ValueError:
        return False
    wanted, digits = float(number.replace(",", "")), len(number.partition(".")[2])
    values = [value, 100 * value] if percent else [value]
    return any(round(v, digits) == wanted for v in values)


def stems(text: str) -> set[str]:
    found = re.findall(r"[a-z0-9][a-z0-9.]*[a-z0-9]|[0-9]", text.lower())
    return {w[:-1] if len(w) > 3 and w.endswith("s") else w for w in found if w not in SMALL}


def unsupported(block: Block, constants: str, folder: Path = FIGURES) -> list[str]:
    """Numbers of a block that no row of a cited table holds which the words around them name.

    For each column of labels, the nearest words that name any of its values decide: the clause, the
    sentence so far, the sentence, then paragraph and heading. The row's value must be named there.
    constants: what is passed over, a regular expression; years are, too. folder: of the tables.
    """
    text = plain(block.text)
    paths = [folder / f"{id}.csv" for id in block.cites]
    tables = [_table(path, path.stat().st_mtime_ns) for path in paths if path.exists()]
    everywhere = stems(f"{block.heading} {text}")
    found = []
    for sentence in sentences(re.sub(constants, "", text)):
        start = 0
        for clause in CLAUSE.split(sentence):
            at = sentence.index(clause, start)
            start = at + len(clause)
            contexts = [stems(clause), stems(sentence[:start]), stems(sentence), everywhere]
            for match in NUMBER.finditer(clause):
                number = match.group().rstrip(",")
                after = sentence[at + match.end() :]
                percent = bool(re.match(r"\s*(%|percent|per cent)", after))
                if re.fullmatch(r"(?:1[5-9]|20)\d\d", number):
                    continue
                if not any(_in_a_named_row(t, number, percent, contexts) for t in tables):
                    found.append(f"{block.where}: {number} in {clause.strip()!r}")
    return found


def _in_a_named_row(data, number, percent, contexts) -> bool:
    named = {}
    for column in label_columns(data):
        labels = {value: stems(value) for value in data[column]}
        by_context = ({v for v, said in labels.items() if said and said <= c} for c in contexts)
        named[column] = next((found for found in by_context if found), set())
    columns = _of_named_programs(data, contexts)
    return any(
        all(row[column] in values for column, values in named.items())
        and any(holds(row[column], number, percent) for column in columns)
        for row in data.to_dict("records")
    )


def _of_named_programs(data, contexts) -> list[str]:
    """The columns but for those of a program that the nearest words leave out, if they name one."""
    words = {column: stems(column) & PROGRAMS for column in data}
    headed = set().union(*words.values())
    said = next((found for c in contexts if (found := c & headed)), headed)
    return [column for column, programs in words.items() if not programs or programs & said]


def opening(nb) -> str:
    """The answer: what stands under the title in the first cell, without a link of its own."""
    body = re.sub(r"^# .+$", "", nb.cells[0].source, count=1, flags=re.M).strip()
    return re.sub(r"(?:\s*\[[^\]]+\]\([^)]*\)\s*[.·|]?)+\s*$", "", body)
