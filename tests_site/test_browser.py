"""The site as a reader has it: in a browser, on a phone, from the keyboard."""

import re

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from helpers.paths import FIGURES, ROOT
from helpers.show.layout import SMALLEST_PT
from helpers.site import citation, openings, seats

NARROW = {"width": 390, "height": 844}  # a phone of today; PHONE is a smaller one
SMALLEST_PX = 8  # of a letter in a figure
PHONE = {"width": 375, "height": 720}
AXE = Axe()
EXPLORER = "notebooks/10-explore.html"


def wide(page) -> str:
    """What makes a page wider than the window, '' if nothing does."""
    return page.evaluate(
        """() => {
        const width = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= width) return '';
        const found = [...document.querySelectorAll('article *')].filter(
            (e) => e.getBoundingClientRect().right > width + 1);
        return (found[0] || document.body).outerHTML.slice(0, 200);
        }"""
    )


def narrow(page) -> list[str]:
    """Texts in a table or list that stand letter under letter."""
    return page.evaluate(
        """() => [...document.querySelectorAll('article :is(td, th, li, dt, dd, p)')]
        .filter((e) => {
        const text = e.innerText.trim(), box = e.getBoundingClientRect();
        const longest = Math.max(...text.split(/[\\s\u2013\u2014/.,_-]+/).map((w) => w.length));
        const size = parseFloat(getComputedStyle(e).fontSize);
        return box.width && longest < 20 && box.width < 0.4 * size * longest;
        }).slice(0, 3).map((e) => 'narrow: ' + e.outerHTML.slice(0, 150))"""
    )


def serious(page) -> list[str]:
    """What axe-core calls serious or critical."""
    found = AXE.run(page).response["violations"]
    return [
        f"{v['id']}: {n['html'][:160]} {n.get('failureSummary', '')[:300]}"
        for v in found if v["impact"] in ("serious", "critical") for n in v["nodes"][:3]
    ]  # fmt: skip


def moving(page) -> list[str]:
    """What moves sideways: the page, and boxes, but for tables that say so."""
    return page.evaluate(
        """async () => {
        document.querySelectorAll('details').forEach((e) => e.open = true);
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));  // resized
        const moves = (e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1
            && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
        const says = (e) => e.matches('.table-scroll, .table-wrapper')
            && getComputedStyle(e, '::before').content.includes('sideways');
        const root = document.documentElement;
        return [...document.querySelectorAll('article *')].filter((e) => moves(e) && !says(e))
            .concat(root.scrollWidth > root.clientWidth ? [root] : [])
            .map((e) => 'moves: ' + e.outerHTML.slice(0, 150));
        }"""
    )


def small(page) -> list[str]:
    """Figures in which a letter of the smallest size that `figures.save` takes cannot be read."""
    return page.evaluate(
        """([pt, px]) => [
        ...[...document.querySelectorAll('a.picture img')].map((e) =>
            [e, pt * 4 / 3 * e.getBoundingClientRect().width / e.getAttribute('width')]),
        ...[...document.querySelectorAll('article svg text')].map((e) =>
            [e, parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a]),
        ].filter(([e, size]) => e.getBoundingClientRect().width && size < px)
        .map(([e, size]) => size.toFixed(1) + ' px: ' + e.outerHTML.slice(0, 100))""",
        [SMALLEST_PT, SMALLEST_PX],
    )


def test_pages_load_quietly_and_on_a_phone_only_tables_move_sideways(page, all_pages):
    problems = {}
    for path in all_pages:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(path)
        found = [wide(page)]
        page.set_viewport_size(PHONE)
        found += [wide(page), *narrow(page)]
        page.set_viewport_size(NARROW)
        found += [*small(page), *moving(page), *page.complaints]
        page.complaints.clear()
        if any(found):
            problems[path] = [f for f in found if f]
    assert not problems


def test_what_moves_or_is_small_on_a_phone_would_be_noticed(page):
    page.set_viewport_size(NARROW)
    page.goto("figures/fig-02-ratios.html")
    assert page.locator(".scrolls").count() >= 1 and not moving(page) and not small(page)
    page.evaluate(
        "() => { document.querySelector('.scrolls').classList.remove('scrolls');"
        "document.querySelector('article').insertAdjacentHTML('beforeend',"
        '\'<div style="overflow-x: auto"><p style="width: 900px">wide</p></div>\');'
        "document.querySelector('a.picture img').style.width = '300px'; }"
    )
    assert len(moving(page)) == 2 and len(small(page)) == 1


def test_the_seats_stand_below_each_other_on_a_phone_and_their_names_fit(page):
    page.set_viewport_size(NARROW)
    page.goto("index.html")
    left, overflow = page.evaluate(
        """() => [
        new Set([...document.querySelectorAll('.seats section')].map(
            (e) => e.getBoundingClientRect().left)).size,
        [...document.querySelectorAll('.seats button')].filter((e) => { e.focus();
            return document.documentElement.scrollWidth > innerWidth; }).length]"""
    )
    assert (left, overflow) == (1, 0)


def test_a_complaint_would_be_noticed(page):
    page.goto("index.html")
    page.evaluate(
        "() => { console.error('oh'); new Image().src = 'http://127.0.0.1:9/x.png';"
        "document.querySelector('article').style.width = '3000px';"
        "document.querySelector('dd').outerHTML = '<dd><p style=\"width: 1em\">letters</p></dd>' }"
    )
    page.wait_for_timeout(500)
    assert any("oh" in c for c in page.complaints)
    assert any("127.0.0.1:9" in c for c in page.complaints)
    assert wide(page) and narrow(page)


def test_axe_finds_nothing_serious(page, kinds_of_pages):
    problems = {}
    for path in kinds_of_pages:
        page.goto(path)
        page.wait_for_load_state("load")
        if found := serious(page):
            problems[path] = found
    assert not problems


@pytest.mark.parametrize(
    "path",
    ["index.html", "notebooks/02-the-congress-test.html", "figures/fig-02-ratios.html", EXPLORER],
)
def test_axe_finds_nothing_serious_in_the_dark_or_on_a_phone(page, path):
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(PHONE)
    page.goto(path)
    page.wait_for_load_state("load")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 200
    assert not serious(page)


def test_axe_would_find_something(page):
    page.goto("index.html")
    page.evaluate(
        "document.querySelector('article').innerHTML += '<img src=x.svg><button></button>'"
    )
    assert len(serious(page)) >= 2


def test_the_landing_page_is_light(page, measured):
    sizes = {}
    page.on("requestfinished", lambda r: sizes.update({r.url: r.sizes()["responseBodySize"]}))
    page.goto("index.html")
    page.wait_for_load_state("networkidle")
    before_figures = sum(size for url, size in sizes.items() if "/figures/" not in url)
    measured["landing page before figures, kB"] = round(before_figures / 1000)
    measured["landing page with figures, kB"] = round(sum(sizes.values()) / 1000)
    assert 20_000 < before_figures < 500_000


@pytest.mark.parametrize("name", ["Gutiérrez", "Henry Johnson", "Norma Torres"])
def test_search_finds_a_member(page, name):
    page.goto("index.html")
    page.fill(".sidebar-search", name)
    page.press(".sidebar-search", "Enter")
    page.wait_for_selector("ul.search li a")
    links = page.eval_on_selector_all("ul.search li a", "all => all.map((a) => a.href)")
    assert any("notebooks/" in link or "figures/" in link for link in links)
    assert not page.complaints


def test_light_and_dark(page):
    page.goto("index.html")
    colour = "getComputedStyle(document.body).backgroundColor"
    seen = set()
    for _ in range(3):
        seen.add(page.evaluate(colour))
        page.click(".content-icon-container .theme-toggle")
    assert len(seen) == 2


def focused(page) -> dict:
    return page.evaluate(
        """() => { const e = document.activeElement, box = e.getBoundingClientRect();
        return {text: (e.innerText || e.getAttribute('aria-label') || e.placeholder || '').trim(),
                inside: !!e.closest('article'), seen: box.width > 0 && box.height > 0,
                tag: e.tagName}; }"""
    )


def test_everything_is_reached_from_the_keyboard(page):
    page.goto("index.html")
    page.keyboard.press("Tab")
    assert "skip to content" in focused(page)["text"].lower()
    steps = []
    for _ in range(120):
        page.keyboard.press("Tab")
        steps.append(focused(page))
        if steps[-1]["tag"] == "BODY":
            break
    assert any(s["tag"] == "INPUT" for s in steps)  # the search
    inside = [s["text"] for s in steps if s["inside"]]
    assert any("how to cite" in t for t in inside) and any(
        "taken for someone else" in t for t in inside
    )
    assert all(s["seen"] for s in steps if s["inside"])


def test_folded_code_opens_from_the_keyboard(page):
    page.goto("notebooks/02-the-congress-test.html")
    summary = page.locator("details summary").first
    summary.focus()
    assert not page.locator("details").first.evaluate("e => e.open")
    page.keyboard.press("Enter")
    assert page.locator("details").first.evaluate("e => e.open")


def test_a_download_is_the_file(page):
    page.goto("figures/fig-02-ratios.html")
    for kind, head in {"SVG": b"<?xml", "PDF": b"%PDF", "PNG": b"\x89PNG", "CSV": b""}.items():
        with page.expect_download() as waiting:
            page.click(f".downloads a:has-text('{kind}')")
        with open(waiting.value.path(), "rb") as file:
            assert file.read(5).startswith(head[:5])


# ---------------------------------------------------------------- the explorer


def test_the_sliders_of_the_explorer_change_the_chart(page):
    page.goto(EXPLORER)
    sliders = page.locator("article input[type=range]")
    assert sliders.count() >= 2, "no sliders for threshold and size of the gallery"
    shown = page.locator("#cx")
    assert shown.count() == 1
    for i in range(2):
        slider = sliders.nth(i)
        slider.focus()
        page.keyboard.press("Home")
        low = shown.inner_text(), shown.locator("[data-part=body]").inner_html()
        page.keyboard.press("End")
        high = shown.inner_text(), shown.locator("[data-part=body]").inner_html()
        assert low[0] != high[0] and low[1] != high[1]
    for part in ("model", "gallery"):
        before = shown.locator("[data-part=body]").inner_html()
        choice = shown.locator(f"select[data-part={part}]")
        choice.select_option(index=1)
        assert shown.locator("[data-part=body]").inner_html() != before
    assert not page.complaints


# ---------------------------------------------------------------- the reader test


def reader_test() -> list[tuple[str, list[str]]]:
    """Questions and the links to click, as docs/reader-test.md says."""
    text = (ROOT / "docs" / "reader-test.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [(question, re.findall(r'\d\. "([^"]+)"', path)) for question, path, _ in rows[1:]]


def opening_answer(name: str) -> str:
    """The first sentence of a notebook's answer."""
    return openings.openings()[name].lead


def of_the_marks() -> list[str]:
    table = pd.read_csv(FIGURES / f"{seats.ID}.csv", keep_default_na=False)
    counts = table.groupby(["list", "group"])["flagged"].agg(["sum", "size"])
    return [f"{group} {r['sum']} of {r['size']}" for (_, group), r in counts.iterrows()]


def of_the_aclu() -> list[str]:
    table = pd.read_csv(FIGURES / "tab-02-names.csv")
    return ["ACLU 2018", *table.loc[table["ACLU 2018"].notna(), "Member"]]


def of_the_figure() -> list[str]:
    entry = citation.find(seats.ID)
    return [entry["cite"], *citation.bibtex(entry).splitlines()[:2], "CSV"]


# What must be visible at the end of each path
ANSWERS = [
    of_the_marks,
    lambda: [opening_answer("05-who-is-in-the-gallery")],
    lambda: [opening_answer("03-what-is-80-percent")],
    of_the_aclu,
    of_the_figure,
]


def plain(text: str) -> str:
    """A text as it can be compared: no emphasis, straight quotes, single spaces."""
    for curly, straight in {"’": "'", "‘": "'", "“": '"', "”": '"', "*": ""}.items():
        text = text.replace(curly, straight)
    return " ".join(text.split())


@pytest.mark.parametrize("number", range(5))
def test_a_question_is_answered_within_two_clicks(page, number):
    assert len(reader_test()) == len(ANSWERS) == 5
    _, clicks = reader_test()[number]
    assert len(clicks) <= 2
    page.goto("index.html")
    for link in clicks:
        page.locator("article").get_by_role("link", name=link, exact=True).first.click()
        page.wait_for_load_state("load")
    text = plain(page.locator("article").inner_text())
    wanted = ANSWERS[number]()
    assert len(wanted) and [w for w in wanted if plain(w) not in text] == []
    assert not page.complaints


def test_the_reader_test_says_whose_it_is(page):
    page.goto("reader-test.html")
    assert "our own test" in page.locator("article").inner_text()


def test_the_pdf_is_a_click_away(page):
    for path in ("index.html", "cite.html"):
        page.goto(path)
        link = page.locator("article a[href='congress-test.pdf']")
        answer = page.request.get(page.evaluate("a => a.href", link.element_handle()))
        assert answer.ok and answer.body().startswith(b"%PDF")
