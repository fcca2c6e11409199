"""A test of one's own, from two folders to a page: two examples, a service, and what is refused."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from helpers import cli
from helpers.errors import UserError
from helpers.faces import enrolment
from helpers.own_test import measure, page, plan, publish, tables
from helpers.protocol import shipping
from helpers.rebuild import prose
from helpers.service import server
from helpers.sources import fetch, newcomers, rosters

sys.path.insert(0, str(Path(__file__).parent))
import images

MODELS = ("dlib-native", "sface-native")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of its own: nothing is left in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONGRESS_TEST_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "any")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield


def call(*arguments, status=0) -> str:
    found = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == status, found.output
    return found.output


# ---------------------------------------------------------------- the 117th Congress


def of_the_117th() -> pd.DataFrame:
    """Who sat in the 117th Congress, with the groups recorded here."""
    sat = pd.concat([rosters.snapshot(c, f"{c}-2021") for c in ("house", "senate")])
    known = pd.concat([rosters.load_members(), newcomers.load_newcomers()])
    return known[known["member_id"].isin(sat["member_id"])]


@pytest.fixture(scope="module")
def congress(mirror, tmp_path_factory) -> Path:
    """The 117th Congress in former legislators, by two pipelines, from face metadata that ship."""
    folder = tmp_path_factory.mktemp("congress")
    people = of_the_117th()
    for model in MODELS:
        parts = [shipping.faces_path(d, model) for d in ("probes", "newcomers")]
        faces = pd.concat([enrolment.read_faces(p) for p in parts])
        faces = faces[faces["id"].isin(people["member_id"])].to_dict("records")
        description = enrolment.read_description(parts[0])
        out = folder / f"congress-117-{model}.parquet"
        enrolment.write_faces(enrolment.face_table(faces), out, description)
        failures = pd.concat([enrolment.read_failures(p) for p in parts])
        failures = failures[failures["id"].isin(people["member_id"])]
        failures.to_csv(enrolment.failures_path(out), index=False)
    labels = people.rename(columns={"member_id": "id"})[["id", "group", "gender"]]
    labels.to_csv(folder / "labels.csv", index=False)
    call(
        "new", folder / "congress-117", "--probes", folder / "congress-117-{model}.parquet",
        "--gallery", "legislators", "--labels", folder / "labels.csv",
        "--recorded-by", "the rosters of this project", "--threshold", "fmr:1e-4",
        *(x for m in MODELS for x in ("--model", m)),
    )  # fmt: skip
    call("publish", folder / "congress-117")
    return folder / "congress-117"


def test_the_117th_congress(congress):
    test = measure.read(congress)
    main = test.runs[test.runs["main"]].set_index("pipeline")
    assert list(main.index) == ["Dlib", "SFace"] and set(main["searched"]) == {535}
    assert set(main["setting"]) == {"FMR 1 in 10,000"}
    people = of_the_117th()
    sizes = test.groups.query("pipeline == 'Dlib' and kind == 'group'").set_index("label")
    assert sizes["searched"].to_dict() == people["group"].value_counts().to_dict()
    case = tables.case(test)
    assert case["registered"] and case["compared"] and case["rule"]
    assert not case["pairs"] and not case["service"]
    text = (congress / "congress-117.html").read_text("utf-8")
    assert "Nobody knows, for these photographs" in text and "Exploratory" not in text
    assert 'content: "congress-117: registered"' in text
    digest = json.loads((congress / "results/about.json").read_text())["registered"]
    assert re.fullmatch(r"[0-9a-f]{64}", digest) and digest in text


def test_its_best_scores_give_its_counts(congress):
    best = pd.read_csv(congress / "results/best.csv")
    for run in measure.read(congress).runs.to_dict("records"):
        scores = best.loc[best["pipeline"] == run["pipeline"], "score"]
        assert (scores <= run["threshold"] + 1e-9).sum() == run["flagged"]
        assert (np.diff(scores[np.isfinite(scores)]) >= 0).all()  # sorted: no place is a person's


def test_nobody_is_named(congress):
    people = of_the_117th()
    written = [p for p in congress.rglob("*") if p.suffix in (".html", ".ipynb", ".csv", ".json")]
    assert len(written) > 15
    for path in written:
        text = path.read_text("utf-8")
        assert not [i for i in people["member_id"] if i in text], path.name
        assert not re.search(r"\bv0\d{5}\b", text), path.name  # ids of the gallery


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.images, self.links, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        if tag == "img":
            self.images.append(given)
        if tag == "a":
            self.links.append(given["href"])


def test_the_page_is_one_file(congress):
    text = (congress / "congress-117.html").read_text("utf-8")
    shown = Page(text)
    assert len(shown.images) == 3 and all(len(i["alt"]) > 40 for i in shown.images)
    assert all(i["src"].startswith("data:image/svg+xml;base64,") for i in shown.images)
    assert not page.FETCHED.search(text) and "default-src 'none'" in text
    inside = [link[1:] for link in shown.links if link.startswith("#")]
    assert inside and set(inside) <= shown.ids
    data = [link for link in shown.links if link.startswith("data:text/csv;base64,")]
    files = {p.read_bytes() for p in (congress / "figures").glob("*.csv")}
    assert {base64.b64decode(link.split(",")[1]) for link in data} == files
    assert all(re.match("#|data:|https:", link) for link in shown.links)


def test_it_can_be_computed_again_without_a_photograph(congress, tmp_path):
    """A reader has the folder, and not what was searched."""
    copy = tmp_path / "congress-117"
    shutil.copytree(congress, copy)
    parameters = plan.read(nbformat.read(copy / "congress-117.ipynb", as_version=4))
    assert measure.results(parameters, copy).runs.equals(measure.read(congress).runs)


def test_another_threshold_is_not_what_was_registered(congress):
    source = congress / "congress-117.ipynb"
    before = source.read_text("utf-8")
    try:
        source.write_text(before.replace("threshold = 'fmr:1e-4'", "threshold = 'fmr:1e-5'"))
        said = call("publish", congress, status=2)
        assert "not what" in said and "dlib-native, sface-native differ" in said
        exploratory = before.replace("exploratory = False", "exploratory = True")
        parameters = plan.read(nbformat.reads(exploratory, as_version=4))
        assert plan.registered(parameters, {}, congress) == ""
    finally:
        source.write_text(before)


# ---------------------------------------------------------------- thirty made-up images

# as a spreadsheet program leaves it: UTF-16, semicolons, empty columns and rows, any spelling
LABELS = "sep=;\n ID ; Group;GENDER;notes;;\n{0}; white ;F\n{1};WHITE;m;x;;\n;;;;;\n"
LABELS += "{2};african-american;M;;;\n{3};Ｂｌａｃｋ;NonBinary;;\n{4};Klingon;f;;\n\n"
LABELS += "{5};;female;;\nnoise-0.png;White;;;\n"


@pytest.fixture(scope="module")
def made_up(mirror, tmp_path_factory) -> Path:
    """Noise and a few portraits, labels with the defects of real files, pairs, exploratory."""
    folder = tmp_path_factory.mktemp("made-up")
    second = fetch.local_files("second-portraits").head(6)
    first = fetch.local_files("probes", second["id"])
    others = images.portraits(mirror, 20)[-8:]
    for name in ("probes", "gallery", "photos"):
        (folder / name).mkdir()
    for path in first["path"]:
        shutil.copy(path, folder / "probes" / Path(path).name)
    for path in others:
        shutil.copy(path, folder / "gallery" / path.name)
    for i in range(8):
        place = folder / ("probes" if i < 5 else "gallery")
        pixels = np.random.default_rng(i).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"noise-{i}.png")
    shutil.copy(folder / "probes/noise-0.png", folder / "probes/noise-again.png")
    shutil.copy(others[0], folder / "probes" / "on-both-sides.jpg")
    (folder / "gallery" / "Thumbs.db").write_bytes(b"\0")
    names = [Path(p).name for p in first["path"]]
    (folder / "labels.csv").write_bytes(LABELS.format(*names).encode("utf-16"))
    for name, path in zip(names, second["path"], strict=True):
        shutil.copy(path, folder / "photos" / f"second-{name}")
        shutil.copy(folder / "probes" / name, folder / "photos" / name)
    pairs = pd.DataFrame({"a": names, "b": [f"second-{n}" for n in names]})
    pairs.to_csv(folder / "photos" / "pairs.csv", index=False)
    call(
        "new", folder / "made-up", "--probes", folder / "probes", "--gallery", folder / "gallery",
        "--labels", folder / "labels.csv", "--pairs", folder / "photos" / "pairs.csv",
        "--model", "sface-native", "--exploratory",
    )  # fmt: skip
    call("publish", folder / "made-up", "--workers", "2")
    return folder / "made-up"


def test_thirty_made_up_images(made_up):
    test = measure.read(made_up)
    sides = test.sides.set_index("side")
    assert sides["images"].to_dict() == {"searched": 13, "gallery": 11}
    assert sides["failed"].to_dict() == {"searched": 6, "gallery": 3}
    assert sides["reasons"]["searched"] == "6 no face found"
    assert sides["ignored"].fillna("").to_dict() == {"searched": "", "gallery": "1 file (no image)"}
    misses = test.misses.set_index("setting")["missed"]
    assert misses["library default"] == 0 <= misses["FMR 1 in 1,000,000"] < 6
    assert sides["identical"].to_dict() == {"searched": 1, "gallery": 0}
    assert sides["other_side"].to_dict() == {"searched": 1, "gallery": 1}
    labels = test.labels.fillna("").groupby(["kind", "counted as"])["people"].sum()
    assert labels["group"].to_dict() == {"Black": 2, "Klingon": 1, "White": 3, "not recorded": 1}
    genders = {"female": 3, "male": 2, "nonbinary": 1, "not recorded": 1}
    assert labels["gender"].to_dict() == genders
    main = test.runs[test.runs["main"]].iloc[0]
    assert (main["colour_searched"], main["white_searched"]) == (2, 3)
    gate = test.gate.iloc[0]
    assert (gate["genuine"], gate["impostors"]) == (6, 60)


def test_what_the_made_up_page_says(made_up):
    text = (made_up / "made-up.html").read_text("utf-8")
    for sentence in (
        "Exploratory.", "Some images are on both sides.", "Some of these numbers are small.",
        "Some images are copies of others", "Some files in the folders were taken for no image",
        "Nobody has said who recorded the labels", "The pairs are too few to say",
        "Some labels cannot be told white or of colour", "Nobody looked: the rule needs a gallery",
        "Choosing a row is choosing who pays",
    ):  # fmt: skip
        assert sentence in text, sentence
    assert 'content: "made-up: exploratory"' in text and "Registered." not in text
    assert "Nobody knows, for these photographs" not in text
    figures = json.loads((made_up / "figures/index.json").read_text("utf-8"))
    assert all("made-up, exploratory" in entry["cite"] for entry in figures)
    assert not (made_up / "registration.json").exists()


def test_what_git_would_take(made_up):
    """Of everything in the folder, and of pictures and templates that end up in it."""
    private = ("face.jpg", "face.PNG", "templates.parquet", "people.csv", "figures/face.png")
    for name in private:
        (made_up / name).write_bytes(b"")
    subprocess.run(["git", "init", "-q", made_up], check=True)
    said = subprocess.run(
        ["git", "-C", made_up, "ls-files", "-o", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert {"made-up.html", "made-up.ipynb", "results/runs.csv", "figures/fig-01-people.png"} <= {
        *said
    }
    assert not set(private) & set(said)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("Of the probes searched 6 were not enrolled [table](figures/tab-01-sides.csv).", ""),
        ("Of the probes searched 7 were not enrolled [table](figures/tab-01-sides.csv).", "7 in"),
        ("Of those searched 6 were not enrolled.", "6 in"),
        ("Nobody [minds](figures/tab-01-nothing.csv).", "no table or figure here"),
        ("See ![them](probes/a.jpg).", "shows a picture"),
        ("<img src=x onerror=y>", "holds HTML"),
    ],
)
def test_typed_words_are_checked(made_up, typed, problem):
    nb = nbformat.read(made_up / "made-up-executed.ipynb", as_version=4)
    assert publish.problems(nb, made_up / "figures") == []
    nb.cells.append(nbformat.v4.new_markdown_cell(typed))
    found = publish.problems(nb, made_up / "figures")
    assert [problem in text for text in found] == ([True] if problem else [])


def test_no_page_with_a_file_of_the_gallery_or_a_photograph(made_up):
    test = measure.read(made_up)
    nb = nbformat.read(made_up / "made-up-executed.ipynb", as_version=4)
    code = next(c for c in nb.cells if c.cell_type == "code" and c.outputs)
    folder = made_up / "figures"
    svg = folder / "fig-01-people.svg"
    drawn = svg.read_bytes()
    try:
        svg.write_bytes(drawn.replace(b"</svg>", b'<image href="x"/></svg>'))
        with pytest.raises(UserError, match="made of pixels"):
            page.make(nb, made_up, test)
    finally:
        svg.write_bytes(drawn)
    names = publish._names(str(made_up.parent / "gallery"))
    assert len(names) == 11 and not [n for n in names if n in page.make(nb, made_up, test)]
    code.outputs[0] = nbformat.v4.new_output("stream", text=names[0])
    assert names[0] in page.make(nb, made_up, test)


# ---------------------------------------------------------------- a service beside it


def test_a_service_side_by_side(mirror, tmp_path):
    probes, gallery = images.two_folders(images.portraits(mirror, 9), 4, tmp_path)
    with server.running("--model", "sface-native") as url:
        call(
            "new", tmp_path / "both", "--probes", probes, "--gallery", gallery, "--model",
            "sface-native", "--engine", "rekognition", "--endpoint-url", url,
        )  # fmt: skip
        nb = nbformat.read(tmp_path / "both" / "both.ipynb", as_version=4)
        measure.measure(plan.read(nb), tmp_path / "both", lambda question: False, yes=True)
    test = measure.read(tmp_path / "both")  # the page is tested above
    ours, theirs = (part for _, part in test.runs.groupby("pipeline", sort=False))
    assert theirs["pipeline"].iloc[0] == "Service at another address (sface-native/yunet)"
    assert theirs["setting"].tolist()[:3] == ["80 % (default)", "95 %", "99 %"]
    for column in ("searched", "gallery_faces", "failures_to_enrol", "flagged"):
        assert ours[column].iloc[0] == theirs[column].iloc[0], column
    sides = test.sides.groupby("side")[["images", "failed"]].nunique()
    assert (sides == 1).all(axis=None)
    case = tables.case(test)
    assert case["service"] and not case["amazon"] and not case["labels"]
    assert "rekognition" in json.loads((tmp_path / "both" / "registration.json").read_text())
    with pytest.raises(UserError, match="asks the service again"):
        measure.results(plan.read(nb)._replace(exploratory=True), tmp_path / "both")


# ---------------------------------------------------------------- the template and the parameters


@pytest.fixture(scope="module")
def template():
    fields = {"name": "x", "version": "1", "cite": "X", "lines": "probes = ''"}
    return plan.notebook(plan.filled("template.txt", fields))


def test_every_alternative_of_the_template_is_short_and_typed(template):
    openings = [c for c in template.cells if c.source.startswith("# ") and c.cell_type != "code"]
    assert len(openings) == 4
    for cell in openings:
        text = prose.plain(prose.opening(nbformat.from_dict({"cells": [cell]})))
        assert len(text.split()) <= 60 and not prose.NUMBER.findall(text)
        assert all(len(s.split()) <= 25 for s in prose.sentences(text))
    blocks = [*prose.blocks(template, "template"), *prose.saved_blocks(template, "template")]
    assert len(blocks) > 80
    found = [x for b in blocks for x in prose.unsupported(b, publish.CONSTANTS, Path("nowhere"))]
    assert found == []
    for id, texts in prose.saved(template, "").items():
        assert None not in texts.values() and len(texts.get("alt", "")) <= 250, id


def test_exactly_one_opening_stays(template):
    conditions = ("fails", "someone", "most")
    known = {t[3:].removeprefix("not-") for c in template.cells
             for t in c.metadata.get("tags", []) if t.startswith("if-")}  # fmt: skip
    for bits in range(8):
        case = dict.fromkeys(known, False)
        case |= {name: bool(bits >> i & 1) for i, name in enumerate(conditions)}
        case["someone"] |= case["most"]
        kept = publish.choose(template, case).cells
        assert sum(c.source.startswith("# x:") for c in kept) == 1
    with pytest.raises(UserError, match="if-"):
        publish.choose(template, {})


def test_parameters_are_read_back_and_papermill_may_inject(template):
    nb = nbformat.from_dict(template)
    cell = next(c for c in nb.cells if "parameters" in c.metadata.get("tags", []))
    given = plan.Plan("../a", "../b", ["dlib-native"], {}, threshold="fmr:1e-4")
    cell.source = "# parameters\n" + "\n".join(f"{k} = {v!r}" for k, v in given._asdict().items())
    assert plan.read(nb) == given
    more = nbformat.v4.new_code_cell("threshold = 0.5", metadata={"tags": ["injected-parameters"]})
    nb.cells.append(more)
    assert plan.read(nb).threshold == 0.5
    nb.cells[-1].source = "threshold = open('x')"
    with pytest.raises(UserError, match="no plain value"):
        plan.read(nb)


def test_what_new_refuses(tmp_path):
    (tmp_path / "there").mkdir()
    sides = ("--probes", "congress", "--gallery", "legislators")
    for arguments, sentence in [
        ((tmp_path / "My Test", *sides), "small letters"),
        ((tmp_path / "there", *sides), "exists"),
        ((tmp_path / "a", *sides, "--labels", "x.csv"), "--labels is for your own probes"),
        ((tmp_path / "a", *sides, "--engine", "azure"), "--engine is open or rekognition"),
        ((tmp_path / "a", *sides, "--threshold", "count:28"), "--exploratory"),
        ((tmp_path / "a", "--probes", tmp_path / "no", "--gallery", "legislators"), "no is not a"),
    ]:
        said = call("new", *arguments, status=2)
        assert sentence in said and not (tmp_path / "a").exists(), said
    assert "congress-test new makes such a folder" in call("publish", tmp_path / "there", status=2)


def test_verdicts_on_calibration():
    """Far more matches than promised is unlike; few comparisons say nothing."""
    runs = pd.DataFrame({"pipeline": "x", "target_fmr": 1e-3, "comparisons": [1e6, 1e6, 1e6, 1e3],
                         "pairs_at_threshold": [1100, 2500, 300, 9]})  # fmt: skip
    test = measure.Measured(runs, *[pd.DataFrame()] * 6, about={})
    said = tables._fmr(test)["verdict"].to_list()
    assert said == ["alike", "more", "fewer", "too few to say"]


def test_paths_are_as_seen_from_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    moved = plan.moved(
        plan.Plan("a", "legislators", ["x"], {}), lambda p: os.path.relpath(p, "my-test")
    )
    assert (moved.probes, moved.gallery, moved.labels) == ("../a", "legislators", "")
