"""The built files: links and downloads resolve, nothing is missing, nothing private is there."""

import html
import re
import subprocess
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from helpers import figures, headline, site, site_pages, wording
from helpers.paths import NOTEBOOKS, ROOT
from helpers.site import SITE


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
                assert len(picture["alt"]) >= figures.SHORTEST_ALT, path


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
        for kind in site_pages.files_of(entry["id"]):
            assert f'href="{entry["id"]}.{kind}"' in text, entry["id"]
        plain = re.sub(r"<[^>]+>", "", text)
        for words in ("Cite this", "@misc{congress-test-" + entry["id"], "Where it comes from"):
            assert words in plain, entry["id"]
        assert f"notebooks/{entry['notebook']}.html" in text


def test_each_notebook_has_a_page_that_the_landing_page_names(parsed):
    for path in NOTEBOOKS.glob("*.ipynb"):
        assert f"notebooks/{path.stem}.html" in parsed["index.html"].targets
        assert (SITE / "notebooks" / path.name).read_bytes() == path.read_bytes()


def test_the_landing_page_gives_the_answer_of_the_readme_and_notebook_02():
    answer = headline.answer()
    assert answer in (ROOT / "README.md").read_text("utf-8")
    nb = nbformat.read(NOTEBOOKS / "02-the-congress-test.ipynb", as_version=4)
    outputs = [
        o.get("data", {}).get("text/markdown") for c in nb.cells for o in c.get("outputs", [])
    ]
    assert answer in outputs
    shown = html.unescape(re.sub(r"<[^>]+>", "", (SITE / "index.html").read_text("utf-8")))
    shown = " ".join(shown.replace("’", "'").split())
    for sentence in answer.split("**"):
        assert " ".join(sentence.split()) in shown


def test_glossary_terms_are_linked_once_a_page(all_pages):
    text = (SITE / "notebooks" / "02-the-congress-test.html").read_text("utf-8")
    links = re.findall(r'<a class="term[^"]*" href="\.\./glossary\.html#(term-[^"]+)"', text)
    assert "term-FPIR" in links and len(links) == len(set(links))


def test_numbers_are_written_in_one_way(all_pages):
    odd = {path: wording.odd_numbers((SITE / path).read_text("utf-8")) for path in all_pages}
    assert {path: found for path, found in odd.items() if found} == {}


def test_no_photograph_is_in_the_site_and_the_site_is_never_committed(all_pages):
    assert not [p for p in SITE.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".webp")]
    for folder in ("site/index.html", "build/site-source/index.md"):
        asked = subprocess.run(["git", "check-ignore", "-q", folder], cwd=ROOT)
        assert asked.returncode == 0, folder


def test_the_pdf_has_every_figure_as_vectors(tmp_path):
    from helpers import print as printing

    printing.make(tmp_path / "one.pdf")
    printing.make(tmp_path / "two.pdf")
    content = (tmp_path / "one.pdf").read_bytes()
    assert content == (tmp_path / "two.pdf").read_bytes()
    assert content.startswith(b"%PDF") and b"/Subtype /Image" not in content
    text = (printing.WORK / "congress-test.typ").read_text("utf-8")
    shown = [e for e in figures.read_index() if e["kind"] == "figure"]
    assert all(f"/figures/{e['id']}.svg" in text for e in shown)
