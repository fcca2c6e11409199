"""The texts of the site: what a notebook, a figure, a table, a model becomes as a page."""

import html
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from helpers.faces.pipelines import MODEL_LABELS
from helpers.paths import DATA, FIGURES, ROOT
from helpers.site import citation, openings

KINDS = {"svg": "SVG", "pdf": "PDF", "png": "PNG", "csv": "CSV", "tex": "LaTeX"}
MOST_ROWS = 200  # of a data table on a page; the CSV has all


def escape(text: str) -> str:
    """Text -> Markdown that shows exactly this text."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", text)


def picture(entry: dict, up: str, link: str) -> str:
    """A figure as linked HTML; up: the way from the page to the figures, e.g. "../figures/"."""
    head = (FIGURES / f"{entry['id']}.svg").read_text("utf-8")[:2000]
    sizes = dict(re.findall(r'\b(width|height)="([\d.]+)pt"', head))
    size = " ".join(f'{side}="{float(sizes[side]) * 4 / 3:.0f}"' for side in ("width", "height"))
    return (
        f'<a class="picture" href="{link}"><img src="{up}{entry["id"]}.svg" '
        f'alt="{html.escape(entry["alt"])}" {size} loading="lazy"></a>'
    )


def cells_of(table: str) -> np.ndarray:
    """The cells of a dataframe's HTML as text, its head first: shape (rows, columns)."""
    rows = re.findall(r"<tr.*?</tr>", table, flags=re.S)
    texts = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.S) for row in rows]
    most = max(map(len, texts))  # a cell may stand for several rows
    texts = [[""] * (most - len(row)) + row for row in texts]
    return np.array([[html.unescape(cell).strip() for cell in row] for row in texts], dtype=object)


def _least_widths(cells: np.ndarray) -> list[int]:
    """Letters that each column needs: words unbroken, short cells in two lines, long in three."""
    longest = np.vectorize(len)(cells).max(axis=0)
    words = np.vectorize(lambda text: max(map(len, text.split()), default=1))(cells).max(axis=0)
    return [
        int(max(1.1 * min(w, 20) + 1, min(-(-n // 2), 14), min(-(-n // 3), 36)))
        for n, w in zip(longest, words, strict=True)
    ]


def scrolling(table: str, label: str) -> str:
    """A dataframe's HTML in a box that scrolls by itself, its columns as wide as is readable."""
    head, body, rest = table.partition("<tbody>")  # a row may begin with a heading, too
    widths = iter(_least_widths(cells_of(table)))
    head = re.sub(r"<th>", lambda _: f'<th style="min-width: {next(widths, 6)}ch">', head)
    table = re.sub(r"[\d.,]+–[\d.,]+", r'<span class="whole">\g<0></span>', head + body + rest)
    table = table.replace(" %", "\u00a0%")
    return (
        f'<div class="table-scroll" role="region" tabindex="0" aria-label="{html.escape(label)}">'
        f"{table}</div>"
    )


def to_pages(text: str, up: str = "../") -> str:
    """A notebook's links to the data of figures and tables -> to their pages."""
    link = r"\]\(\.\./figures/((?:fig|tab)-[\w-]+)\.csv\)"
    return re.sub(link, rf"]({up}figures/\1.md)", text)


def notebook_page(path: Path, entries: dict[str, dict]):
    """A notebook -> what Sphinx reads: code folded, figures as SVG. entries: by id."""
    nb = nbformat.read(path, as_version=4)
    nb.cells = joined(nb.cells)
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = to_pages(cell.source)
        else:
            cell.metadata["tags"] = ["hide-input"]
            for output in cell.outputs:
                if "data" in output:
                    _show(output, entries)
    about = (
        f'<p class="about">Notebook {path.stem[:2]} of the collection, as committed. '
        f'<a href="{path.name}" download>Download the notebook</a></p>'
    )
    nb.cells.insert(1, nbformat.v4.new_markdown_cell(about, id="about-this-page"))
    return nb


def joined(cells: list) -> list:
    """Code that shows nothing goes into the next cell's code: fewer folds on the page."""
    kept = []
    for cell in cells:
        before = kept[-1] if kept else None
        if before and cell.cell_type == before.cell_type == "code" and not before.outputs:
            cell.source = f"{before.source}\n\n{cell.source}"
            kept.pop()
        kept.append(cell)
    return kept


def entry_of(data: dict, entries: dict[str, dict]) -> dict | None:
    """The index entry of a figure or table that a cell shows, None for another output."""
    named = re.match(r"((?:fig|tab)-[\w-]+): ", data.get("text/plain", ""))
    return entries.get(named[1]) if named else None


def _show(output, entries: dict[str, dict]) -> None:
    """Mend one output in place: SVG instead of PNG, tables that scroll, links to figure pages."""
    data = output["data"]
    entry = entry_of(data, entries)
    if "image/png" in data and entry:
        shown = picture(entry, "../figures/", f"../figures/{entry['id']}.html")
        output["data"], output["metadata"] = {"text/html": shown}, {}
    elif "<table" in data.get("text/html", "") and "<script" not in data["text/html"]:
        label = entry["title"] if entry else "Table"
        output["data"] = {"text/html": scrolling(data["text/html"], label)}
    elif "text/markdown" in data:
        words = data["text/markdown"].replace("[Data](", "[Data, downloads, how to cite](")
        output["data"] = {"text/markdown": to_pages(words)}


def figure_page(entry: dict, notebook_title: str, made_by: str) -> str:
    """The page of one figure or table as Markdown."""
    id, kind = entry["id"], entry["kind"]
    found = re.search(r"commit `(\w+)`", made_by)
    commit = f" Data of commit {found[1]}." if found else ""
    number = entry["notebook"][:2]
    downloads = [
        f'<a href="{path.name}" download>{name} <span>{_size(path)}</span></a>'
        for ext, name in KINDS.items()
        if (path := FIGURES / f"{id}.{ext}").exists()
    ]
    parts = [
        "---\norphan: true\n---\n",
        f"# {escape(entry['title'])}\n",
        f"[All figures and tables](index.md) › "
        f"[{number} {escape(notebook_title)}](../notebooks/{entry['notebook']}.ipynb) › `{id}`\n",
    ]
    if kind == "figure":
        parts.append(picture(entry, "", f"{id}.svg") + "\n")
    parts += [
        escape(entry["caption"]) + "\n",
        '<p class="downloads">Download: ' + " ".join(downloads) + "</p>\n",
        "## Data\n",
        _data_table(FIGURES / entry["data"], f"Data of {id}") + "\n",
    ]
    if kind == "figure":
        parts += ["## In words\n", escape(entry["alt"]) + "\n"]
    parts += [
        "## Cite this\n",
        f"```{{code-block}} text\n:class: copy\n\n{entry['cite']}{commit}\n```\n",
        f"```{{code-block}} bibtex\n\n{citation.bibtex(entry)}\n```\n",
        f"On the command line: `congress-test cite {id}`. The id keeps its meaning: if what is "
        "counted changes, the figure gets another id ([how](../cite.md)).\n",
        "## Where it comes from\n",
        f"[Notebook {number}, {escape(notebook_title)}](../notebooks/{entry['notebook']}.ipynb) "
        f"draws it from what ships in the repository; `make run` makes it again. {made_by}\n",
    ]
    return "\n".join(parts)


def _data_table(csv: Path, label: str) -> str:
    """A CSV as an HTML table, numbers to four significant digits."""
    table = pd.read_csv(csv, keep_default_na=False, na_values=[""])
    more = len(table) - MOST_ROWS
    shown = table.head(MOST_ROWS).map(_cell)
    body = shown.to_html(index=False, border=0, justify="left", na_rep="", classes="data")
    note = f"<p>The CSV has {more:,} more rows.</p>" if more > 0 else ""
    return scrolling(body, label) + note


def _cell(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if pd.isna(value):
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1000:,.0f} kB" if size >= 1000 else f"{size} bytes"


def figure_index(entries: list[dict], titles: dict[str, str]) -> str:
    """The index of figures and tables as Markdown, by notebook."""
    parts = [
        "# Figures and tables\n\nEach has a page with its data, downloads and how to cite it. A "
        "title states a finding, the caption on the page says how far it goes.\n"
    ]
    for name in sorted({e["notebook"] for e in entries}):
        parts.append(f"## {name[:2]} {escape(titles[name])}\n")
        mine = [e for e in entries if e["notebook"] == name]
        for e in sorted(mine, key=lambda e: (e["kind"], e["id"])):
            alt = html.escape(e.get("alt", ""))
            small = f'<img class="thumb" src="{e["id"]}.svg" alt="{alt}" loading="lazy"><br>'
            small *= e["kind"] == "figure"
            parts.append(f"* {small}[{escape(e['title'])}]({e['id']}.md) `{e['id']}`")
        parts.append("")
    return "\n".join(parts)


def made_by(id: str, commits: dict[str, tuple[str, str]]) -> str:
    """Which commit made the data of a figure, in words; `commits`: see `build.commits`."""
    if id not in commits:
        version = citation.cff()["version"]
        return f"Version {version}; the commit is not known here (no history at hand)."
    commit, date = commits[id]
    return f"Its data were last changed by commit `{commit[:10]}` of {date}."


def reading_order(notebooks: dict[str, openings.Opening]) -> str:
    """The notebooks' questions, each with the first sentence of its answer, as a Markdown list."""
    lines = [
        f"{int(name[:2])}. [{escape(found.title)}](notebooks/{name}.ipynb)<br>{found.lead}"
        for name, found in notebooks.items()
    ]
    return "{.reading-order}\n" + "\n".join(lines)


def answer(found: openings.Opening) -> str:
    """The answer of a notebook, its links as the landing page has them."""
    text = to_pages(found.answer, "").replace(") [", ") · [")
    return re.sub(r"\]\((\d\d-[\w-]+\.ipynb)", r"](notebooks/\1", text)


def register_page(register: pd.DataFrame, current: set[str]) -> str:
    """The register of figure ids as Markdown; current: the ids that have a page."""
    lines = ["# Register of figure ids", "", "Each id with the columns of its data, in order.", ""]
    for r in register.itertuples(index=False):
        name = f"[`{r.id}`](figures/{r.id}.md)" if r.id in current else f"`{r.id}`"
        until = f", retired in {r.retired}" if r.retired else ""
        lines += [name, f": since {r.since}{until}: `{r.data}`", ""]
    return "---\norphan: true\n---\n\n" + "\n".join(lines)


def model_card(model: str) -> str:
    """What decides a model's scores, its weights, and how it fared, as a Markdown table."""
    from helpers.faces import weights
    from helpers.faces.pipelines import configuration

    config = configuration(model)
    rows = {
        "Name here": f"`{model}`",
        "Recogniser": config.recogniser,
        "Detector": f"{config.detector}",
        "Crop": config.crop,
        "Normalisation": config.normalisation,
        "Score": f"{config.metric} distance: small is alike",
        "Default threshold": f"{config.default_threshold:g} ({config.threshold_source})",
    }
    manifest = json.loads((DATA / "manifests" / "weights.json").read_text("utf-8"))
    name = "Dlib, converted" if config.recogniser == "Dlib" else config.recogniser
    for source in manifest[weights.FILES[name]]:
        where = source.get("installed") or source.get("distribution") or "publisher"
        rows[f"Weights, {source['what']}, from {where}"] = f"`{source['sha256']}`"
    gate = pd.read_csv(FIGURES / "tab-01-validity.csv", dtype=str, keep_default_na=False)
    for row in gate[gate["Pipeline"] == MODEL_LABELS[model]].to_dict("records"):
        whose = f"{row['Genuine pairs']} pairs, {row['Portraits']}"
        name = f"Genuine pairs that match at an FMR of 1 in 1,000 ({whose})"
        rows[name] = row["TAR at an FMR of 1 in 1,000"]
        if row["Conclusions"]:
            rows["Passes the validity gate"] = row["Conclusions"]
    found = pd.read_csv(FIGURES / "tab-02-defaults.csv", dtype=str)
    for row in found[found["Model"] == MODEL_LABELS[model]].to_dict("records"):
        name = f"Members falsely matched at the default, {row['Faces']} {row['Gallery']}"
        rows[name] = row["Falsely matched (FPIR)"]
    return _markdown(pd.DataFrame(rows.items(), columns=["", ""]))


def similarity_table() -> str:
    """What the service's Similarity means, as a Markdown table."""
    return _markdown(pd.read_csv(FIGURES / "tab-11-scale.csv", dtype=str))


def _markdown(table: pd.DataFrame) -> str:
    rows = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def operations_not_here() -> str:
    """The operations of Amazon Rekognition that the service does not know, by name."""
    from helpers.service.protocol import OPERATIONS, service_model

    return ", ".join(f"`{o}`" for o in sorted(set(service_model()["operations"]) - set(OPERATIONS)))


def service_speed() -> str:
    """The measured throughput of the service, a table in Markdown."""
    found = pd.read_csv(ROOT / "benchmarks" / "results-service.csv")
    found["client"] = found["client"].replace("boto", "boto3")
    columns = {
        "Faces": ("gallery", "{:,}"),
        "Client": ("client", "{}"),
        "Clients": ("clients", "{}"),
        "Searches a second": ("searches_a_second", "{:.0f}"),
        "Half within": ("p50_ms", "{:.0f}\u00a0ms"),
        "99 of 100 within": ("p99_ms", "{:.0f}\u00a0ms"),
        "Bare": ("bare_ms", "{:.1f}\u00a0ms"),
        "First search after": ("first_search_seconds", "{:.0f} s"),
    }
    shown = {name: found[c].map(form.format) for name, (c, form) in columns.items()}
    return _markdown(pd.DataFrame(shown))


def indexing_speed() -> str:
    """Images that the service indexed a second, a table in Markdown."""
    found = pd.read_csv(ROOT / "benchmarks" / "results-service-images.csv", keep_default_na=False)
    who = ["model", "client", "clients"]
    one, two = (found[found["workers"].eq(n)].set_index(who) for n in (1, 2))
    shown = pd.DataFrame(
        {
            "One worker": one["images_a_second"].map("{:.0f}".format),
            "Two workers": two["images_a_second"].map("{:.0f}".format),
            "Times as many": two["ratio"].map("{:.2f}".format),
            "Cores in use by two": two["cores_in_use"].map("{:.1f}".format),
        }
    ).reset_index()
    shown["client"] = shown["client"].replace({"boto": "boto3", "none": "workers alone"})
    return _markdown(shown.rename(columns=str.capitalize))


def fill(text: str, values: dict) -> str:
    """Replace `{{ name }}` or `{{ name argument }}` in a page; a KeyError names what is unknown."""

    def value(found):
        name, *arguments = found[1].split()
        return values[name](*arguments)

    return re.sub(r"\{\{ ([^{}]+?) \}\}", value, text)


def link_terms(app, doctree, docname: str) -> None:
    """Sphinx event: link each glossary term to its entry where a page first uses it."""
    from docutils import nodes

    terms = {
        name: labelid
        for (kind, name), (page, labelid) in app.env.get_domain("std").objects.items()
        if kind == "term" and page == "glossary"
    }
    if docname == "glossary" or not terms or app.builder.format != "html":
        return
    to_glossary = app.builder.get_relative_uri(docname, "glossary")
    wanted = term_pattern(terms)
    by_key = {name.lower(): name for name in terms}
    left = set(by_key)
    left_out = (nodes.title, nodes.reference, nodes.comment, *_verbatim())
    for text in list(doctree.findall(nodes.Text)):
        if _inside(text, left_out):
            continue
        pieces, at = [], 0
        for found in wanted.finditer(str(text)):
            key = found[1].lower()
            key = key if key in by_key else re.sub("ies$", "y", key.replace("’", "'"))
            if key not in left:
                continue
            left.discard(key)
            pieces.append(nodes.Text(text[at : found.start()]))
            target = f"{to_glossary}#{terms[by_key[key]]}"
            link = nodes.reference("", found[0], internal=True, refuri=target)
            link["classes"].append("term")
            pieces.append(link)
            at = found.end()
        if pieces:
            pieces.append(nodes.Text(text[at:]))
            text.parent.replace(text, [p for p in pieces if len(p.astext())])


def keep_percent_signs(app, doctree, docname: str) -> None:
    """Sphinx event: no line breaks between a number and its percent sign."""
    from docutils import nodes

    for text in list(doctree.findall(nodes.Text)):
        if " %" in text and not _inside(text, _verbatim()):
            text.parent.replace(text, nodes.Text(text.replace(" %", "\u00a0%")))


def term_pattern(terms) -> re.Pattern:
    """A pattern that finds glossary terms: acronyms as they stand, words in any case and plural."""
    longest = sorted(terms, key=len, reverse=True)
    words = [re.escape(t) if t.isupper() else "(?i:" + re.escape(t) + ")" for t in longest]
    words = [re.sub(r"y\)$", "(?:y|ies))", word).replace("'", "['’]") for word in words]
    return re.compile(r"(?<![\w-])(" + "|".join(words) + r")s?(?![\w-])")


def _verbatim() -> tuple:
    from docutils import nodes

    return nodes.literal, nodes.literal_block, nodes.raw


def _inside(node, kinds) -> bool:
    return node is not None and (isinstance(node, kinds) or _inside(node.parent, kinds))
