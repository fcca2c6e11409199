"""The site: `make site` builds site/ from what is committed; nothing is executed or fetched.

Markdown and notebooks go into build/site-source/, then Sphinx makes HTML of them.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pandas as pd

from helpers.errors import UserError
from helpers.paths import FIGURES, NOTEBOOKS, ROOT
from helpers.show import figures
from helpers.site import citation, seats
from helpers.site import pages as site_pages
from helpers.site import pdf as printing
from helpers.site.openings import ANSWERED, opening

SITE = ROOT / "site"
BUILD = ROOT / "build"
SOURCE = BUILD / "site-source"
WARNINGS = BUILD / "site-warnings.txt"
DOCS = ROOT / "docs"
REGISTER = DOCS / "figure-ids.csv"
# Documents of the repository that are pages as well: page -> file, title on the site
DOCUMENTS = {
    "data-cards": ("data/README.md", "Data cards"),
    "contributing": ("CONTRIBUTING.md", None),
    "changelog": ("CHANGELOG.md", None),
}
LINKED = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def commits(root: Path = ROOT) -> dict[str, tuple[str, str]]:
    """The last commit of each figure's data: id -> (hash, date); {} without git or its history."""
    command = ["git", "log", "--format=@%H %cs", "--name-only", "--", "figures/*.csv"]
    try:
        said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    found, current = {}, ("", "")
    for line in said.splitlines():
        if line.startswith("@"):
            current = tuple(line[1:].split())
        elif line.strip():
            found.setdefault(Path(line).stem, current)
    return found


def read_register() -> pd.DataFrame:
    """docs/figure-ids.csv: id, since and retired (versions), data (the columns of its CSV)."""
    return pd.read_csv(REGISTER, dtype=str, keep_default_na=False)


def columns_of(entry: dict) -> str:
    """The columns of a figure's or table's data, in order, as the register has them."""
    return ", ".join(pd.read_csv(FIGURES / entry["data"], nrows=0).columns)


def register_problems() -> list[str]:
    """Ids that are not registered, mean something else now, or are gone; [] if nothing."""
    known = read_register().set_index("id")
    entries = {e["id"]: e for e in figures.read_index()}
    problems = [
        f"{i} is not registered: run `make register`" for i in entries if i not in known.index
    ]
    for id, row in known.iterrows():
        if id not in entries and not row["retired"]:
            problems.append(f"{id} is gone but not retired in docs/figure-ids.csv")
        elif id in entries and row["retired"]:
            problems.append(f"{id} was retired: a new figure needs a new id")
        elif id in entries and columns_of(entries[id]) != row["data"]:
            problems.append(f"{id} has other columns than registered: give it a new id")
    return problems


def register() -> list[str]:
    """Add new ids to docs/figure-ids.csv; return them. Entries that exist are never changed."""
    known = read_register()
    version = str(citation.cff()["version"])
    new = [
        {"id": e["id"], "since": version, "data": columns_of(e), "retired": ""}
        for e in figures.read_index()
        if e["id"] not in set(known["id"])
    ]
    both = pd.concat([known, pd.DataFrame(new, columns=known.columns)]).sort_values("id")
    both.to_csv(REGISTER, index=False, lineterminator="\n")
    return [e["id"] for e in new]


def prepare() -> None:
    """Write everything that Sphinx reads into build/site-source, which is emptied first."""
    source = SOURCE
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(DOCS, source)
    extra = source / "extra"
    entries = {e["id"]: e for e in figures.read_index()}
    paths = sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
    notebooks = {p.stem: nbformat.read(p, as_version=4) for p in paths}
    openings = {name: opening(nb) for name, nb in notebooks.items()}
    titles = {name: found.title for name, found in openings.items()}
    missing = sorted({e["notebook"] for e in entries.values()} - set(titles))
    problems = figures.index_problems() + [f"there is no notebook {name}" for name in missing]
    problems += register_problems()
    if problems:
        raise UserError("figures/ and notebooks/ do not fit: " + "; ".join(problems[:5]))

    shutil.copytree(FIGURES, extra / "figures", ignore=shutil.ignore_patterns("*.tmp"))
    (extra / "notebooks").mkdir()
    (source / "notebooks").mkdir()
    for path in paths:
        shutil.copy(path, extra / "notebooks")
        page = site_pages.notebook_page(path, entries)
        for cell in page.cells:
            if cell.cell_type == "markdown":
                cell.source = _local_links(cell.source, path.parent, "..", extra)
            for output in cell.get("outputs", []):
                if words := output.get("data", {}).get("text/markdown"):
                    words = _local_links(words, path.parent, "..", extra, resolved=False)
                    output["data"]["text/markdown"] = words
        nbformat.write(page, source / "notebooks" / path.name)

    pages = {
        "figures/index": site_pages.figure_index(list(entries.values()), titles),
        "figure-ids": site_pages.register_page(read_register(), set(entries)),
    }
    made = commits()
    for id, entry in entries.items():
        about = titles[entry["notebook"]], site_pages.made_by(id, made)
        pages[f"figures/{id}"] = site_pages.figure_page(entry, *about)
    for name, (file, title) in DOCUMENTS.items():
        text = (ROOT / file).read_text("utf-8")
        if title:
            text = re.sub(r"^# .+$", f"# {title}", text, count=1, flags=re.M)
        pages[name] = _local_links(text, (ROOT / file).parent, ".", extra)
    (source / "figures").mkdir()
    for name, text in pages.items():
        (source / f"{name}.md").write_text(text, "utf-8")
    printing.make(extra / printing.OUT.name)

    values = {
        "answer": lambda: site_pages.answer(openings[ANSWERED]),
        "seats": seats.picture,
        "reading-order": lambda: site_pages.reading_order(openings),
        "toctree": lambda: "\n".join(
            f"{name[:2]} · {title} <notebooks/{name}>" for name, title in titles.items()
        ),
        "model-card": site_pages.model_card,
        "similarity": site_pages.similarity_table,
        "not-here": site_pages.operations_not_here,
        "service-speed": site_pages.service_speed,
        "indexing-speed": site_pages.indexing_speed,
        "cite": citation.collection,
        "bibtex": citation.bibtex,
        "version": lambda: str(citation.cff()["version"]),
        "figures": lambda: str(sum(e["kind"] == "figure" for e in entries.values())),
        "tables": lambda: str(sum(e["kind"] == "table" for e in entries.values())),
    }
    for path in source.glob("*.md"):
        text = path.read_text("utf-8")
        if "{{ " in text:
            path.write_text(site_pages.fill(text, values), "utf-8")


def _local_links(text: str, folder: Path, up: str, extra: Path, resolved: bool = True) -> str:
    """Copy linked files that are no pages; resolved: whether Sphinx resolves links to pages."""

    def mend(found):
        label, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        path = (folder / unquote(target.split("#")[0])).resolve()
        pages = {ROOT / file: page for page, (file, _) in DOCUMENTS.items()}
        pages |= {p: p.stem for p in DOCS.glob("*.md")}
        if path in pages:
            page = f"{up}/{pages[path]}"
            return f"[{label}]({page}.md)" if resolved else f'<a href="{page}.html">{label}</a>'
        record = path.suffix == ".md" and path.is_file()  # no page of the site: a file
        if re.search(r"\.(ipynb|md)(#|$)", target) and not record:
            page = re.sub(r"\.(ipynb|md)(#|$)", r".html\2", target)
            return found[0] if resolved else f'<a href="{page}">{label}</a>'
        if not path.is_file() or not path.is_relative_to(ROOT):
            return label if path.is_dir() else found[0]  # a folder has no page
        name = str(path.relative_to(ROOT))
        copy = extra / "files" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        return f'<a href="{up}/files/{name}">{label}</a>'

    return LINKED.sub(mend, text)


def build() -> None:
    """Run Sphinx; raises UserError if it fails. Warnings are shown and kept in `WARNINGS`."""
    made = BUILD / "site-html"  # myst-nb leaves a folder of its own beside it
    shutil.rmtree(made, ignore_errors=True)
    places = ("-d", BUILD / "site-doctrees", "-w", WARNINGS, SOURCE, made)
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-j", "1", "-E"]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "0"}  # no date of today in a page
    if subprocess.run([*command, *map(str, places)], env=environment).returncode:
        raise UserError("Sphinx failed, see above")
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.move(made, SITE)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build site/ from the committed notebooks.")
    parser.add_argument(
        "--portraits", action="store_true",
        help="add contact sheets of the members to notebook 01's page (local images only)",
    )  # fmt: skip
    parser.add_argument("--register", action="store_true", help="only add new figure ids")
    options = parser.parse_args(arguments)
    if options.register:
        print("\n".join(register()) or "no new ids")
        return 0
    start = time.perf_counter()
    try:
        prepare()
        if options.portraits:
            from helpers.site import contact_sheets

            shown = contact_sheets.add(SOURCE)
            print(
                f"{shown} portraits of members on the page of notebook 01; do not publish "
                "them without looking at their licence"
            )
        build()
    except UserError as error:
        print(f"make site: {error}", file=sys.stderr)
        return 1
    pages = len(list(SITE.rglob("*.html")))
    print(f"{pages} pages in site/ in {time.perf_counter() - start:.0f} s; `make serve` shows them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
