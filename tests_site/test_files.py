"""The built files: links and downloads resolve, nothing is missing, nothing private is there."""

import html
import re
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from helpers.paths import FIGURES, NOTEBOOKS, ROOT
from helpers.show import figures, numbers
from helpers.site import build as site
from helpers.site import openings
from helpers.site import pages as site_pages
from helpers.site.build import SITE


class Page(HTMLParser):
    """The ids and the addresses of a page, and its pictures."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.targets, self.pictures = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.add(attrs["id"])
        if tag == "a" and "name" in attrs:
            self.ids.add(attrs["name"])
        self.targets += [attrs[a] for a in ("href", "src") if attrs.get(a)]
        if tag == "img":
            self.pictures.append(attrs)


@pytest.fixture(scope="module")
def parsed(all_pages):
    return {p: Page((SITE / p).read_text("utf-8")) for p in all_pages}


def broken(parsed: dict, root) -> list[str]:
    found = []
    for path, page in parsed.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (root / path).parent / unquote(parts.path) if parts.path else root / path
            if not file.resolve().is_file():
                found.append(f"{path}: {target} leads nowhere")
                continue
            name = file.resolve().relative_to(root.resolve()).as_posix()
            anchor = unquote(parts.fragment)
            if anchor and name in parsed and anchor not in parsed[name].ids:
                found.append(f"{path}: {target} names no place on that page")
    return found


def test_the_build_takes_under_two_minutes(build_seconds):
    assert build_seconds is None or build_seconds < 120


def test_the_build_has_no_warnings(all_pages):
    assert site.WARNINGS.read_text("utf-8") == ""


def test_every_link_and_download_resolves(parsed):
    assert not broken(parsed, SITE)


def test_a_broken_link_would_be_found(tmp_path):
    (tmp_path / "a.html").write_text("")
    there = {"a.html": Page('<a href="b.html">b</a><a href="#x">x</a><a href="a.html">a</a>')}
    assert len(broken(there, tmp_path)) == 2


def test_every_picture_has_an_alternative_text(parsed):
    for path, page in parsed.items():
        for picture in page.pictures:
            assert "alt" in picture, path
            if "figures/" in picture["src"] or path.startswith("figures/"):
                assert len(picture["alt"]) >= 40, path


def test_pages_load_nothing_from_elsewhere(all_pages):
    loads = re.compile(
        r"""<(?:script|img|link|iframe|source)[^>]*(?:src|href)=["'](?:https?:)?//"""
    )
    for path in all_pages:
        assert not loads.search((SITE / path).read_text("utf-8")), path


def test_each_figure_and_table_has_a_page_with_everything():
    entries = figures.read_index()
    assert entries
    for entry in entries:
        text = (SITE / "figures" / f"{entry['id']}.html").read_text("utf-8")
        for kind in (k for k in site_pages.KINDS if (FIGURES / f"{entry['id']}.{k}").exists()):
            assert f'href="{entry["id"]}.{kind}"' in text, entry["id"]
        plain = re.sub(r"<[^>]+>", "", text)
        for piece in ("Cite this", "@misc{congress-test-" + entry["id"], "Where it comes from"):
            assert piece in plain, entry["id"]
        assert f"notebooks/{entry['notebook']}.html" in text


def test_each_notebook_has_a_page_that_the_landing_page_names(parsed):
    for path in NOTEBOOKS.glob("*.ipynb"):
        assert f"notebooks/{path.stem}.html" in parsed["index.html"].targets
        assert (SITE / "notebooks" / path.name).read_bytes() == path.read_bytes()


def test_the_landing_page_gives_the_answer_of_the_readme_and_notebook_02():
    found = openings.openings()[openings.ANSWERED]
    assert f"**{found.lead}**" in (ROOT / "README.md").read_text("utf-8")
    shown = html.unescape(re.sub(r"<[^>]+>", "", (SITE / "index.html").read_text("utf-8")))
    shown = " ".join(shown.replace("’", "'").split())
    said = re.sub(r"(?: · )?\[[^\]]*\]\([^)]*\)|\*\*", "", found.answer)
    for sentence in re.split(r"(?<=[.;])\s+", " ".join(said.split())):
        assert sentence in shown


EMPTY = {"br", "col", "hr", "img", "input", "link", "meta", "wbr"}  # tags that are never closed
OTHER = {"a", "code", "pre", "script", "style", "button", *(f"h{i}" for i in range(1, 7))}
BOXES = {"table-scroll", "text_html", "downloads", "about", "seats"}


class Prose(HTMLParser):
    """The texts of an article that may link a term, in order: (text, whether it is such a link).

    Headings, other links, code and what is not written as text (tables, figures) may not.
    """

    def __init__(self, text):
        super().__init__()
        self.open, self.texts = [], []
        self.feed(text[text.index("<article") : text.index("</article>")])

    def handle_starttag(self, tag, attrs):
        classes = set((dict(attrs).get("class") or "").split())
        if tag not in EMPTY:
            skipped = tag in OTHER or bool(classes & BOXES)
            self.open.append((tag, "term" if "term" in classes and tag == "a" else skipped))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        kinds = {kind for _, kind in self.open}
        if "term" in kinds or True not in kinds:
            self.texts.append((data, "term" in kinds))


def terms() -> list[str]:
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    return re.findall(r"^(\S.*)\n  \S", text.split("```{glossary}")[1], flags=re.M)


def term_problems(page: str) -> list[str]:
    """Terms that a page uses before it links them, or links twice."""
    pattern, names = site_pages.term_pattern(terms()), {t.lower() for t in terms()}
    linked, problems = set(), []
    for text, is_link in Prose(page).texts:
        for found in pattern.finditer(text):
            key = found[1].lower().replace("’", "'")
            key = key if key in names else re.sub("ies$", "y", key)
            if is_link and key in linked:
                problems.append(f"{key} is linked twice")
            elif is_link:
                linked.add(key)
            elif key not in linked:
                problems.append(f"{key} is used before it is linked: {text.strip()[:60]!r}")
    return problems


def test_every_page_links_a_term_where_it_first_uses_it(all_pages):
    assert len(terms()) > 20
    texts = {p: (SITE / p).read_text("utf-8") for p in all_pages if p != "glossary.html"}
    texts = {p: text for p, text in texts.items() if "<article" in text}
    assert {p: found for p, text in texts.items() if (found := term_problems(text))} == {}
    assert "glossary.html#term-FPIR" in texts["notebooks/02-the-congress-test.html"]


def test_a_term_without_its_link_would_be_found():
    page = (
        '<article><h1>FMR</h1><p>Two galleries<br> and <a class="term" href="">FPIR</a>{}</article>'
    )
    assert [p.split()[0] for p in term_problems(page.format("; FPIRs."))] == ["gallery"]
    assert len(term_problems(page.format('<a class="term" href="">FPIR</a>'))) == 2


def test_numbers_are_written_in_one_way(all_pages):
    odd = {path: numbers.odd_numbers((SITE / path).read_text("utf-8")) for path in all_pages}
    assert {path: found for path, found in odd.items() if found} == {}


def test_no_photograph_is_in_the_site_and_the_site_is_never_committed(all_pages):
    assert not [p for p in SITE.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".webp")]
    for folder in ("site/index.html", "build/site-source/index.md"):
        asked = subprocess.run(["git", "check-ignore", "-q", folder], cwd=ROOT)
        assert asked.returncode == 0, folder


def test_the_pdf_has_every_figure_as_vectors(tmp_path):
    from helpers.site import pdf as printing

    printing.make(tmp_path / "one.pdf")
    printing.make(tmp_path / "two.pdf")
    content = (tmp_path / "one.pdf").read_bytes()
    assert content == (tmp_path / "two.pdf").read_bytes()
    assert content.startswith(b"%PDF") and not re.search(rb"/Subtype\s*/Image", content)
    text = (printing.WORK / "congress-test.typ").read_text("utf-8")
    shown = [e for e in figures.read_index() if e["kind"] == "figure"]
    assert all(f"/figures/{e['id']}.svg" in text for e in shown)
