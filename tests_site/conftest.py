"""The built site, a server for it, and a headless Chromium that is told of every request."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers.paths import ROOT
from helpers.site.build import SITE

ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def pytest_addoption(parser):
    parser.addoption("--keep-site", action="store_true", help="test site/ as it is, do not build")


MEASURED = {}  # what is said at the end of the run


def pytest_terminal_summary(terminalreporter):
    for what, value in MEASURED.items():
        terminalreporter.write_line(f"{what}: {value}")


@pytest.fixture
def measured() -> dict:
    return MEASURED


@pytest.fixture(scope="session")
def build_seconds(pytestconfig) -> float | None:
    """Builds the site; how long that took."""
    if pytestconfig.getoption("--keep-site"):
        return None
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "helpers.site.build"], cwd=ROOT, check=True)
    seconds = time.perf_counter() - start
    MEASURED["build, seconds"] = round(seconds)
    return seconds


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address(build_seconds):
    """Where the site is served."""
    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, or any that is installed; its absence fails, it does not skip."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((p for p in map(shutil.which, names) if p), None)
    assert found, "no Chromium; on Debian and Ubuntu: apt-get install -y chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """A page of a fresh profile. `page.complaints` collects errors and requests elsewhere."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, color_scheme="light", base_url=address
    )
    page = context.new_page()
    page.complaints = []
    page.set_default_timeout(60_000)

    def requested(request):
        if not request.url.startswith((address, "data:", "blob:")):
            page.complaints.append(f"asks {request.url}")

    def answered(response):
        if response.status >= 400:
            page.complaints.append(f"{response.status} for {response.url}")

    def said(message):
        if message.type == "error":
            page.complaints.append(f"console: {message.text}")

    page.on("request", requested)
    page.on("response", answered)
    page.on("console", said)
    page.on("pageerror", lambda error: page.complaints.append(f"error: {error}"))
    yield page
    context.close()


def pages() -> list[str]:
    """The pages of the built site, by their path below it."""
    return sorted(p.relative_to(SITE).as_posix() for p in Path(SITE).rglob("*.html"))


@pytest.fixture(scope="session")
def all_pages(build_seconds) -> list[str]:
    return pages()


@pytest.fixture(scope="session")
def kinds_of_pages(all_pages) -> list[str]:
    """All pages but, of the many figures and tables, one of each notebook."""
    chosen, seen = [], set()
    for path in all_pages:
        name = Path(path).name
        kind = name[:6] if name.startswith(("fig-", "tab-")) else path
        if kind not in seen:
            chosen.append(path)
        seen.add(kind)
    return chosen
