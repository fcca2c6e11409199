"""The texts of the site, citations, the register of ids, the hooks; the browser: tests_site/."""

import ast
import json
import re
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from helpers.cli import app
from helpers.errors import UserError
from helpers.paths import FIGURES, ROOT
from helpers.rebuild import precommit
from helpers.show import figures
from helpers.site import build as site
from helpers.site import citation, openings, seats
from helpers.site import pages as site_pages
from helpers.site import pdf as printing

PRIMARY = "fig-02-ratios"


def entries():
    return {e["id"]: e for e in figures.read_index()}


# ---------------------------------------------------------------- citing


def test_cite_prints_text_and_bibtex():
    said = CliRunner().invoke(app, ["cite", PRIMARY])
    assert said.exit_code == 0
    text, bibtex = said.output.strip().split("\n\n")
    assert text == entries()[PRIMARY]["cite"]
    assert bibtex.startswith("@misc{congress-test-fig-02-ratios,")
    assert bibtex.count("{") == bibtex.count("}")


def test_cite_suggests_the_nearest_id():
    with pytest.raises(UserError, match="did you mean fig-02-ratios"):
        citation.find("fig-02-ratois")


def test_bibtex_escapes_what_tex_would_read():
    entry = {"id": "fig-00-x", "kind": "figure", "title": "5 % & more_of #1"}
    assert r"5 \% \& more\_of \#1" in citation.bibtex(entry)
    assert all(r"\%" in citation.bibtex(e) for e in entries().values() if "%" in e["title"])


def test_the_archive_metadata_agree_with_the_citation():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    zenodo = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
    assert zenodo["title"] == cff["title"] and zenodo["version"] == str(cff["version"])
    assert zenodo["publication_date"] == str(cff["date-released"])
    assert [c["name"] for c in zenodo["creators"]] == [a["name"] for a in cff["authors"]]
    assert f"## {cff['version']} ({cff['date-released']})" in (ROOT / "CHANGELOG.md").read_text()


def test_ids_keep_their_meaning():
    assert site.register_problems() == []


def test_a_changed_or_vanished_id_would_be_found(monkeypatch, tmp_path):
    known = site.read_register()
    known.loc[known["id"] == PRIMARY, "data"] = "something, else"
    known = known[known["id"] != "fig-00-since"]
    known.loc[len(known) + 1] = ["fig-99-gone", "0.1.0", "a, b", ""]
    known.loc[len(known) + 1] = ["fig-99-retired", "0.1.0", "a, b", "0.2.0"]
    known.to_csv(tmp_path / "ids.csv", index=False)
    monkeypatch.setattr(site, "REGISTER", tmp_path / "ids.csv")
    problems = " ".join(site.register_problems())
    assert "fig-02-ratios has other columns" in problems
    assert "fig-00-since is not registered" in problems
    assert "fig-99-gone is gone" in problems and "fig-99-retired" not in problems
    assert site.register() == ["fig-00-since"]


# ---------------------------------------------------------------- pages


def imported(path):
    """The modules of this project that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_site_is_made_from_what_is_committed_and_computes_nothing():
    computing = r"helpers\.(experiments|protocol|statistics|faces(?!\.(pipelines|weights)))\b"
    found = {
        f"{path.name}: {name}"
        for path in [*(ROOT / "src" / "helpers" / "site").glob("*.py"), ROOT / "docs" / "conf.py"]
        for name in imported(path)
        if re.match(computing, name)
    }
    assert found == set()


def test_a_figure_page_has_what_a_reader_needs():
    entry = entries()[PRIMARY]
    page = site_pages.figure_page(entry, "The Congress test", "Made by commit `abc`.")
    for words in (entry["title"], entry["alt"].split(".")[0], entry["cite"], "@misc{", "abc"):
        assert words in page
    assert [k for k in ("svg", "pdf", "png", "csv") if f'href="{PRIMARY}.{k}"' not in page] == []
    rows = len(pd.read_csv(FIGURES / entry["data"]))
    assert page.count("<tr") == rows + 1


def test_commits_are_found_and_not_needed(tmp_path):
    assert re.fullmatch(r"[0-9a-f]{40}", site.commits()[PRIMARY][0])
    assert site.commits(tmp_path) == {}
    assert "not known" in site_pages.made_by(PRIMARY, {})


def test_a_notebook_page_has_svg_folded_code_and_links_to_figure_pages(tmp_path):
    data = {"image/png": "iVBORw0KGgo=", "text/plain": f"{PRIMARY}: Title. Alt"}
    caption = {"text/markdown": f"**{PRIMARY}.** Words. [Data](../figures/{PRIMARY}.csv)"}
    table = {"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "tab-02-names: T"}
    outputs = [nbformat.v4.new_output("display_data", d) for d in (data, caption, table)]
    cell = nbformat.v4.new_code_cell("1", outputs=outputs, execution_count=1)
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# T\n\n**Why?**"), cell])
    nbformat.write(nb, tmp_path / "02-x.ipynb")
    page = site_pages.notebook_page(tmp_path / "02-x.ipynb", entries())
    shown = [next(iter(o["data"].values())) for o in page.cells[-1].outputs]
    assert f"{PRIMARY}.svg" in shown[0] and "iVBOR" not in shown[0]
    assert f"../figures/{PRIMARY}.md" in shown[1]
    assert 'tabindex="0"' in shown[2]
    assert page.cells[-1].metadata["tags"] == ["hide-input"]
    assert openings.opening(nb) == ("T", "**Why?**", "Why?")


def test_terms_are_found_as_words():
    terms = site_pages.term_pattern(["FMR", "gallery", "false match share", "probe", "rank"])
    found = [m[1] for m in terms.finditer("Galleries, a Gallery; probes, reprobe; FMR fmr, ranked")]
    assert found == ["Galleries", "Gallery", "probe", "FMR"]
    assert [m[1] for m in terms.finditer("A false match share")] == ["false match share"]


def test_what_a_title_says_is_shown_as_it_is():
    from markdown_it import MarkdownIt

    for text in (
        "5 % to 22 % of *all* [x](y) <b> a_b_c `d` # e",
        *(e["title"] for e in entries().values()),
    ):
        shown = MarkdownIt().renderInline(site_pages.escape(text))
        assert re.sub("<[^>]*>", "", shown) == re.sub("&(?!quot)", "&amp;", text).replace(
            "<", "&lt;"
        ).replace(">", "&gt;").replace('"', "&quot;")


def test_columns_are_as_wide_as_they_can_be_read():
    frame = pd.DataFrame(
        {"Model": ["Dlib (native)"] * 2, "FPIR": ["33 of 529 (6.2 %, 95 % interval 4.5–8.6)"] * 2}
    )
    box = site_pages.scrolling(frame.to_html(index=False, border=0), "T")
    widths = [int(w) for w in re.findall(r"min-width: (\d+)ch", box)]
    assert len("(native)") < widths[0] <= 14 <= widths[1] < 43
    assert "6.2\u00a0%" in box and 'tabindex="0"' in box


def test_the_register_names_every_id_with_its_columns():
    register = site.read_register()
    register.loc[len(register)] = ["fig-99-retired", "0.1.0", "a, b", "0.2.0"]
    page = site_pages.register_page(register, set(entries()))
    assert all(f"`{id}`" in page for id in register["id"])
    assert f"[`{PRIMARY}`](figures/{PRIMARY}.md)\n: since 1.0.0: `section, label" in page
    assert "\n`fig-99-retired`\n: since 0.1.0, retired in 0.2.0: `a, b`" in page


# ---------------------------------------------------------------- print


def test_columns_of_a_printed_table_follow_their_content():
    cells = np.array(
        [["Model", "Note"], ["SFace", "a long note " * 12], ["Dlib", ""]], dtype=object
    )
    widths, lines = printing.column_widths(cells, 60)
    assert widths.sum() == 60 and widths[0] < 12 and 3 < lines < 8
    assert printing.column_widths(cells, 200)[1] == 3


def test_only_tables_with_little_room_lie_across_the_page():
    wide = np.array([[f"column {i}" for i in range(25)]] * 3, dtype=object)
    assert printing.is_wide(wide) and not printing.is_wide(wide[:, :5])


def test_print_keeps_rates_whole_and_drops_the_way_to_other_pages(tmp_path):
    rate = "33 of 529 (6.2 %, 95 % interval 4.5–8.6)"
    frame = pd.DataFrame({"FPIR": [rate], "At": ["https://example.org/" + "a/" * 30]})
    data = {"text/html": frame.to_html(index=False), "text/plain": "tab-02-names: T"}
    cells = [
        nbformat.v4.new_code_cell(
            "1", outputs=[nbformat.v4.new_output("display_data", data)], execution_count=1
        ),
        nbformat.v4.new_markdown_cell(
            "Next: [galleries, people](01-the-people.ipynb). Back to [x](y.ipynb)."
        ),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "02-x.ipynb")
    text = printing.collected([tmp_path / "02-x.ipynb"], entries())
    assert "6.2\u00a0%" in text and "4.5–\u20608.6" in text and "a/\u200ba/" in text
    assert text.count("<col ") == 2 and "galleries, people" not in text


def test_an_unknown_placeholder_is_an_error():
    assert site_pages.fill("a {{ x y }} b", {"x": str.upper}) == "a Y b"
    with pytest.raises(KeyError):
        site_pages.fill("{{ nothing }}", {})


def test_the_readme_quotes_the_openings():
    text = (ROOT / "README.md").read_text("utf-8")
    assert openings.findings() in text
    assert len(text.split()) <= 900 and "git clone" in text[:1500]


def test_a_link_of_an_opening_leads_somewhere_from_the_readme_and_from_the_landing_page():
    found = openings.Opening("T", "**A.** [x](../figures/tab-02-names.csv) [y](05-z.ipynb)", "A.")
    assert openings._from_root(found.answer).endswith(
        "[x](figures/tab-02-names.csv) [y](notebooks/05-z.ipynb)"
    )
    assert site_pages.answer(found).endswith(
        "[x](figures/tab-02-names.md) · [y](notebooks/05-z.ipynb)"
    )


def test_the_landing_page_has_every_member_and_no_withheld_name():
    page = seats.picture()
    table = pd.read_csv(FIGURES / f"{seats.ID}.csv", keep_default_na=False)
    flagged = table[table["flagged"]]
    assert len(table) == 4 * 529 and page.count("<i></i>") + page.count("<button") == len(table)
    assert page.count('name withheld" aria') == (flagged["name"] == "").sum() > 0
    assert table.loc[~table["flagged"], "name"].eq("").all()


# ---------------------------------------------------------------- portraits


def test_contact_sheets_show_members_only(mirror, tmp_path):
    from helpers.site import contact_sheets
    from helpers.sources import rosters

    assert contact_sheets.DATASET == "probes"
    cells = [nbformat.v4.new_markdown_cell("# T"), nbformat.v4.new_markdown_cell("End")]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / contact_sheets.PAGE
    )
    assert contact_sheets.add(tmp_path) == 529
    made = {p.stem for p in (tmp_path / "extra" / "portraits").iterdir()}
    assert made == set(rosters.load_members()["member_id"])
    text = (tmp_path / "notebooks" / contact_sheets.PAGE).read_text("utf-8")
    assert text.count("<img") == 529 and "data:image" not in text


def test_the_site_is_ignored_by_git():
    for name in ("site/portraits/A000055.jpg", "site/index.html", "build/site-source/index.md"):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT).returncode == 0


# ---------------------------------------------------------------- hooks


def test_the_hooks_find_pixels_and_disorder(tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(b"\xff\xd8\xff\xe0 and more")
    (tmp_path / "b.csv").write_text("id\n1\n")
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", execution_count=4)])
    nbformat.write(nb, tmp_path / "c.ipynb")
    names = [str(tmp_path / n) for n in ("a.txt", "b.csv")]
    assert precommit.main(["pixels", *names]) == 1
    assert capsys.readouterr().out.strip().endswith("a.txt is a JPEG")
    assert precommit.main(["notebooks", str(tmp_path / "c.ipynb")]) == 1
    assert "in order" in capsys.readouterr().out
    assert precommit.main(["pixels", str(FIGURES / f"{PRIMARY}.png"), names[1]]) == 0


def test_the_hooks_of_the_configuration_exist():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [r["repo"] for r in hooks] == ["local"]
    entries = [h["entry"] for h in hooks[0]["hooks"]]
    assert len(entries) == 6
    for program in ("ruff check", "ruff format", "mypy", "codespell"):
        assert [e for e in entries if program in e] and f"$(BIN)/{program}" in makefile
    said = subprocess.run(
        [
            sys.executable,
            "-m",
            "helpers.rebuild.precommit",
            "notebooks",
            "notebooks/00-the-question.ipynb",
        ],
        cwd=ROOT,
    )
    assert said.returncode == 0


def test_the_issue_form_asks_for_the_number():
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/number.yml").read_text("utf-8"))
    assert form["name"] == "I think this number is wrong"
    assert {"where", "says", "why"} <= {f.get("id") for f in form["body"]}
