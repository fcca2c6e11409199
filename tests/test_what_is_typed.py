"""What is typed: paths, names, numbers. Decided once, so asked of every command here."""

import json
import os
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest
import typer

from helpers import cli, files
from helpers.errors import UserError
from helpers.faces import enrolment
from helpers.paths import ROOT, cache_dir, mirror_dir
from helpers.protocol import congress_test, own_pairs, registration
from helpers.service import server

sys.path.insert(0, str(Path(__file__).parent))
import images
import synthetic
from test_cli import call, refused

COMMANDS = typer.main.get_command(cli.app).commands
CALLBACKS = {c.name or c.callback.__name__: c.callback for c in cli.app.registered_commands}
KINDS = ("PATH", "FILE", "NAME|PATH")
PATHS = [(name, p) for name, c in COMMANDS.items() for p in c.params if p.metavar in KINDS]
ARGUMENTS = [("import", "faces"), ("export", "out"), ("forget", "folder")]
ARGUMENTS += [("new", "folder"), ("publish", "folder")]


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """A folder with face metadata of some people and others; the folder one is in, and home."""
    rng = np.random.default_rng(5)
    sides = {"people": 6, "others": 20}
    for name, count in sides.items():
        ids = [f"{name}{i}.jpg" for i in range(count)]
        made = synthetic.collection(ids, synthetic.people(rng, count, 64))
        synthetic.write(tmp_path / f"{name}.parquet", made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


RUN = ("run", "--probes", "people.parquet", "--gallery", "others.parquet", "--model", "SFace")
SEARCH = ("search", "--probes", "people.parquet", "--gallery", "others.parquet")


# ---- paths


def test_every_parameter_that_is_a_path_has_one_of_the_kinds():
    found = {(name, p.name) for name, p in PATHS} | set(ARGUMENTS)
    for name, callback in CALLBACKS.items():
        for parameter, hint in typing.get_type_hints(callback).items():
            if Path in (hint, *typing.get_args(hint)):
                assert (name, parameter) in found, (name, parameter)


@pytest.mark.parametrize(("command", "option"), PATHS, ids=lambda x: getattr(x, "name", x))
@pytest.mark.parametrize("text", ["", "  "], ids=["empty", "blank"])
def test_no_option_takes_an_empty_path(command, option, text):
    assert "a path is empty" in refused(command, option.opts[0], text)


def test_no_argument_and_no_bucket_takes_an_empty_path(faces):
    assert "a path is empty" in refused("import", "name", "")
    assert "a path is empty" in refused("export", "name", "")
    assert "a path is empty" in refused("forget", "")
    assert "a path is empty" in refused("publish", "")
    with pytest.raises(UserError, match="NAME=PATH"):
        server.buckets(["mine="], "dlib-native")
    with pytest.raises(UserError, match="a path is empty"):
        server.buckets(["mine= "], "dlib-native")


def test_home_is_the_home_folder_wherever_a_path_comes_in(faces, monkeypatch):
    sides = ("--probes=~/people.parquet", "--gallery=~/others.parquet", "--model", "SFace")
    call("run", *sides, "--csv=~/out.csv")
    call("search", *sides[:2], "--out=~/near.csv")
    call("import", "people", "~/people.parquet", "--store=~/store")
    call("export", "people", "~/back.parquet", "--store=~/store")
    for name in ("out.csv", "near.csv", "back.parquet", "store"):
        assert (faces / name).exists()
    assert not (faces / "~").exists()
    monkeypatch.setenv("CONGRESS_TEST_CACHE", "~/cache")
    monkeypatch.setenv("CONGRESS_TEST_MIRROR", "~/mirror")
    assert (cache_dir(), mirror_dir()) == (faces / "cache", (faces / "mirror").resolve())
    monkeypatch.setenv("CONGRESS_TEST_MIRROR", " ")
    assert mirror_dir() is None
    text = refused("import", "people", "people.parquet", "--store=~nobody-of-that-name")
    assert "nobody's home folder" in text and not list(faces.glob("~*"))


@pytest.mark.parametrize(
    "arguments",
    [
        (*RUN, "--csv"),
        (*SEARCH, "--out"),
        ("enrol", "--images", "photos", "--out"),
        ("register", "--probes", "photos", "--gallery", "photos", "--out"),
        ("validate", "--csv"),
        ("export", "people", "--store", "store"),
    ],
    ids=lambda a: a[0],
)
def test_where_nothing_can_be_written_no_work_begins(faces, monkeypatch, arguments):
    def never(*_, **__):
        raise AssertionError("began to work")

    for module, name in (
        (congress_test, "gather"),
        (enrolment, "enrol"),
        (enrolment, "read_faces"),
        (registration, "register"),
        (own_pairs.validity, "gate"),
        (server.FaceStore, "__init__"),
    ):
        monkeypatch.setattr(module, name, never)
    for folder in ("folder", "photos"):
        (faces / folder).mkdir()
    images.scene(1).save(faces / "photos" / "1.png")
    assert "there is no folder nowhere" in refused(*arguments, "nowhere/out")
    assert "is a folder" in refused(*arguments, "folder")
    if arguments[0] != "enrol":  # which takes a folder, of parts
        assert "is a folder" in refused(*arguments, "nowhere/")
    assert "there is no folder" in refused(*arguments, "people.parquet/out")
    assert "cannot be written" in refused(*arguments, "/proc/out")
    with pytest.raises(AssertionError, match="began to work"):
        call(*arguments, "out")
    assert not list(faces.glob("**/*.tmp"))


def test_a_file_that_may_not_be_written_is_refused(faces, monkeypatch):
    (faces / "kept.csv").write_text("kept")
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)  # the superuser always may
    assert "write-protected" in refused(*SEARCH, "--out", "kept.csv")


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ((*SEARCH, "--out"), ("people.parquet", "others.parquet", "./others.parquet", "link")),
        (("search", *SEARCH[1:3], "--gallery", "parts", "--out"), ("parts/gallery.json",)),
        ((*RUN, "--labels", "labels.csv", "--csv"), ("people.parquet", "labels.csv")),
        ((*RUN, "--registration", "plan.json", "--csv"), ("others.parquet", "plan.json")),
        (("run", "--probes", "photos", "--csv"), ("photos/a/1.png",)),
        (("validate", "--pairs", "pairs.csv", "--images", "photos", "--csv"),
         ("pairs.csv", "photos/a/1.png")),
        (("export", "people", "--store", "parts"), ("parts/faces.sqlite",)),
        (("enrol", "--images", "photos", "--out"), ("photos/a/1.png",)),
        (("register", *RUN[1:], "--out"), ("others.parquet",)),
    ],
)  # fmt: skip
def test_no_command_overwrites_what_it_reads(faces, arguments, read):
    (faces / "link").symlink_to("others.parquet")
    (faces / "photos" / "a").mkdir(parents=True)
    (faces / "parts").mkdir()
    images.scene(1).save(faces / "photos" / "a" / "1.png")
    for name in (
        "labels.csv",
        "pairs.csv",
        "plan.json",
        "parts/gallery.json",
        "parts/faces.sqlite",
    ):
        (faces / name).write_text("mine")
    for name in read:
        before = (faces / name).read_bytes()
        said = {"enrol": "is no readable Parquet file", "register": "written once"}
        assert said.get(arguments[0], f"{Path(name)} is read by") in refused(*arguments, name)
        assert (faces / name).read_bytes() == before


def test_a_table_beside_photographs_is_written_again(faces):
    for _ in range(2):
        call(
            "search", "--probes", "people.parquet", "--gallery", "others.parquet", "--out", "a.csv"
        )
        call(*RUN, "--csv", "a.csv")
    files.keep_inputs(Path("a.csv"), Path("."), "nowhere", None)
    with pytest.raises(UserError, match="is read by this command"):
        files.keep_inputs(Path("people.parquet"), Path("."))


def test_a_device_is_written_to_and_not_replaced(faces):
    call(*RUN, "--csv", "/dev/null")
    assert not Path("/dev/null").is_file()


def test_a_result_is_told_even_where_its_table_cannot_be_written(faces):
    text = call(*RUN, "--csv", "/dev/full", status=2)
    assert "6 people in a gallery of 20 faces" in text and "/dev/full: No space left" in text


# ---- a dataset or a path


@pytest.mark.parametrize(
    ("command", "option", "name"),
    [
        ("run", "--probes", "congress"),
        ("run", "--gallery", "legislators"),
        ("run", "--gallery", "utkface"),
        ("register", "--probes", "congress"),
        ("register", "--gallery", "utkface"),
        ("enrol", "--images", "probes"),
        ("enrol", "--images", "newcomers"),
    ],
)
def test_a_name_that_could_be_either_is_refused(faces, command, option, name):
    (faces / name).mkdir()
    text = refused(command, option, name)
    assert f"say dataset:{name} or ./{name}" in text


def test_both_can_be_meant(faces, monkeypatch):
    (faces / "legislators").mkdir()
    images.scene(1).save(faces / "legislators" / "1.png")
    asked = []

    def gather(probes, gallery, *_, **__):
        asked.append((probes, gallery))
        raise UserError("asked")

    monkeypatch.setattr(congress_test, "gather", gather)
    for typed in ("dataset:legislators", "./legislators", "legislators/"):
        refused("run", "--gallery", typed)
    assert asked == [
        ("congress", "legislators"),
        ("congress", Path("legislators")),
        ("congress", Path("legislators")),
    ]
    frozen = [  # a folder's digest is not that of the dataset
        registration.side(files.dataset_or_path(t, ("legislators",)), None)
        for t in ("dataset:legislators", "./legislators")
    ]
    assert frozen[0] != frozen[1]
    # a folder of a dataset's name is no obstacle where nobody named it
    (faces / "congress").mkdir()
    refused("run", "--gallery", "dataset:utkface")
    assert asked[-1] == ("congress", "utkface")


def test_a_dataset_where_it_cannot_be(faces):
    assert "legislators is a gallery" in refused("run", "--probes", "legislators")
    assert "no dataset 'mugshots'" in refused("run", "--gallery", "dataset:mugshots")
    assert "no dataset 'rosters'" in refused("enrol", "--images", "dataset:rosters", "--out", "x")


# ---- what lies beside a file


def test_a_gallery_needs_no_list_of_failures(faces):
    (faces / "others.failures.csv").unlink()
    assert "failures to enrol        0 (counted" in call(*RUN)


def test_failures_of_the_people_searched_that_are_not_known_are_said_to_be(faces):
    (faces / "people.failures.csv").unlink()
    assert "failures to enrol        unknown" in call(*RUN)
    assert json.loads(call(*RUN, "--json"))["summary"]["failures_to_enrol"] is None
    (faces / "labels.csv").write_text("id,name\npeople9.jpg,Nine\n")
    assert "failures to enrol are not known" in refused(*RUN, "--labels", "labels.csv")
    (faces / "people.failures.csv").write_text("")
    assert "people.failures.csv cannot be read" in refused(*RUN)
    (faces / "people.failures.csv").write_text("name\nx\n")
    assert "it lacks detail" in refused(*RUN)


def test_an_exported_collection_is_searched_and_takes_no_failures_of_another(faces):
    call("import", "c", "people.parquet")
    synthetic.write(faces / "old.parquet", synthetic.collection(["a"], np.eye(1, 64)), ["b"])
    call("export", "c", "old.parquet")
    arguments = ("run", "--probes", "old.parquet", *RUN[3:])
    assert "6 people in a gallery" in call(*arguments) and "unknown" in call(*arguments)


def test_files_with_dots_in_their_names_share_nothing(faces):
    source = ROOT / "src" / "helpers"
    assert not [p for p in source.rglob("*.py") if ".with_suffix(" in p.read_text("utf-8")]
    names = ("gallery.2018", "gallery.2019", "gallery.2018.parquet")
    made = [enrolment.failures_path(faces / name).name for name in names]
    assert made == [f"{n.removesuffix('.parquet')}.failures.csv" for n in names]
    for name, failed in zip(names[:2], (["x"], ["y", "z"]), strict=True):
        synthetic.write(faces / name, synthetic.collection(["a"], np.eye(1, 64)), failed)
    assert list(enrolment.read_failures(faces / names[0])["id"]) == ["x"]
    # and a file of any name is face metadata
    assert "3 people in" in call("run", "--probes", "gallery.2019", *RUN[3:])


# ---- numbers


@pytest.mark.parametrize("number", ["100", "2.01", "80"])
def test_a_threshold_beyond_the_metric_is_refused_before_the_work(faces, monkeypatch, number):
    monkeypatch.setattr(congress_test, "gather", lambda *_: pytest.fail("began to work"))
    for command in (
        RUN,
        (*SEARCH, "--out", "x.csv"),
        ("register", *RUN[1:5], "--out", "x.json"),
        ("run", "--model", "facenet-native"),
    ):
        text = refused(*command, "--threshold", number)
        assert "go from 0 to 2" in text and "not percent" in text
    assert not list(faces.glob("x.*"))


@pytest.mark.parametrize("number", ["-1", "nan", "inf", "-inf", "1e400"])
def test_a_threshold_that_is_no_distance(faces, number):
    for command in (RUN, ("register", *RUN[1:5], "--out", "x.json")):
        assert "--threshold" in refused(*command, "--threshold", number)
    assert "is not a number from 0" in call(
        *SEARCH, "--out", "x.csv", "--threshold", number, status=2
    )
    assert not list(faces.glob("x.*"))


@pytest.mark.parametrize("option", ["run --price", "run --rate", "serve --rate"])
@pytest.mark.parametrize("number", ["nan", "inf", "-1", "fast", ""])
def test_other_numbers(option, number):
    command, name = option.split()
    assert name in call(command, name, number, status=2)


def test_a_count_is_checked_before_the_work(faces, monkeypatch):
    monkeypatch.setattr(congress_test, "gather", lambda *_: pytest.fail("began to work"))
    for policy in ("count:0", "count:-3"):
        assert "at least 1" in refused(*RUN, "--threshold", policy)
    assert "on offer" in refused("run", "--threshold", "fmr:2")


def test_a_text_that_is_empty_is_not_taken_for_none(faces):
    for option in ("--endpoint-url", "--region"):
        assert "it is empty" in call("run", "--engine", "rekognition", option, "", status=2)
    assert "it is empty" in call("validate", "--model", "", status=2)


@pytest.mark.parametrize(
    "option", ["--yes", "--delete-collection", "--endpoint-url=http://x", "--region=us-east-1"]
)
def test_what_is_meant_for_amazon_is_not_passed_over(faces, option):
    assert "for --engine rekognition" in refused(*RUN, option)


# ---- what is printed


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_without_the_letters_loses_no_run(faces, encoding):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "helpers.cli", *RUN], env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-500:]
    text = done.stdout.decode(encoding)
    assert "6 people in a gallery of 20 faces" in text and "95 % interval" in text and "?" in text


def test_nothing_in_a_name_reaches_the_terminal(faces):
    (faces / "labels.csv").write_text(
        "id,name\n" + "".join(f'people{i}.jpg,"A\x1b[2J\u202eB{i}"\n' for i in range(6))
    )
    text = call(*RUN, "--labels", "labels.csv", "--threshold", "2")
    assert "B5" in text and "\x1b" not in text and "\u202e" not in text
    name = "\x1b]0;owned\x07.parquet"
    text = refused("run", "--probes", name, *RUN[3:])
    assert "owned" in text and "\x1b" not in text and "\x07" not in text


# ---- the service's store


def test_a_collection_has_a_name_that_a_client_can_say(faces):
    for name in ("bad name!", "", "a/b", "ü", "x" * 256):
        assert "the name" in refused("import", name, "people.parquet")
    assert not (faces / "collections").exists()
    call("import", "good-name_1.0", "people.parquet")


def test_a_mistyped_store_is_not_made(faces):
    assert "no face store in TYPO" in refused("export", "c", "out.parquet", "--store", "TYPO")
    assert "does not exist" in refused("import", "c", "none.parquet", "--store", "TYPO")
    assert not (faces / "TYPO").exists() and not (faces / "out.parquet").exists()


def test_what_the_database_says_is_a_sentence(faces, monkeypatch):
    call("import", "c", "others.parquet")
    path = faces / "collections" / "faces.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))  # the tables are found, no more
    for command in (("export", "c", "out.parquet"), ("import", "d", "people.parquet")):
        assert "faces.sqlite" in refused(*command)
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    assert "write-protected" in refused("import", "d", "people.parquet")
    monkeypatch.undo()
    monkeypatch.chdir(faces)
    path.unlink()
    path.mkdir()
    assert "unable to open" in refused("import", "d", "people.parquet")


def test_a_host_that_is_none(faces, monkeypatch):
    monkeypatch.setenv("CONGRESS_TEST_TOKEN", "token")
    assert "of 'a b'" in refused("serve", "--host", "a b", "--port", 0)


def test_what_a_run_would_refuse_is_not_registered(faces):
    (faces / "labels.csv").write_text("id,name\nnobody.jpg,Nobody\n")
    images.scene(1).save(faces / "1.png")
    out = ("--out", "plan.json", "--model", "sface-native")
    sides = ("register", "--gallery", ".", "--labels", "labels.csv", *out)
    assert "is for your own probes" in refused(*sides, "--probes", "congress")
    assert "labels 1 images that are not in" in refused(*sides, "--probes", ".")
    sides = ("register", "--probes", "congress", *out)
    assert "say --model SFace" in refused(*sides, "--gallery", "others.parquet")
    assert not (faces / "plan.json").exists()


def test_a_registration_that_is_none(faces):
    sides = ("--gallery", "legislators", "--model", "dlib-native", "--registration", "plan.json")
    for content in (b"[]", b"\xff\xfe", b"{", b'"x"'):
        (faces / "plan.json").write_bytes(content)
        assert "plan.json is no registration" in refused("run", *sides)
    assert "is for open models" in refused("run", "--engine", "rekognition", *sides[4:])
