"""The repository keeps its promises: one OpenCV, one lock, true commands, no pixels, no leaks."""

import ast
import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.paths import ROOT
from helpers.rebuild import notebooks

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MADE_LATER = ("build/", ".venv/", "site/")  # named in the README, made by a command


@cache
def tracked() -> dict[str, bytes]:
    """The files under version control as they are in the working tree, by their path."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    names = [n for n in listing.stdout.decode().split("\0") if n]
    return {name: (ROOT / name).read_bytes() for name in names if (ROOT / name).is_file()}


def texts() -> dict[str, str]:
    found = {}
    for name, content in tracked().items():
        try:
            found[name] = content.decode("utf-8")
        except UnicodeDecodeError:
            continue
    return found


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


# ---------------------------------------------------------------- environment


def locked(name="requirements.lock") -> list[tuple[Requirement, str]]:
    """The lock's requirements, each with the block of text that it stands in."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", read(name).strip())
    return [(Requirement(block.split("\\")[0].strip()), block) for block in blocks]


def versions() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for requirement, _ in locked():
        (pin,) = requirement.specifier
        assert pin.operator == "==", f"{requirement} is no exact version"
        found.setdefault(canonicalize_name(requirement.name), set()).add(pin.version)
    return found


def asked_for() -> list[Requirement]:
    lines = [line.split("#")[0].strip() for line in read("requirements.in").splitlines()]
    return [Requirement(line) for line in lines if line]


def test_exactly_one_opencv_is_installed():
    names = {canonicalize_name(d.metadata["Name"]) for d in metadata.distributions()}
    assert sorted(n for n in names if "opencv" in n) == ["opencv-python-headless"]
    import cv2

    assert metadata.version("opencv-python-headless").startswith(cv2.__version__)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-site.lock"])
def test_the_lock_has_hashes_and_no_addresses(name):
    for requirement, block in locked(name):
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), f"{requirement} has no hash"
    for word in ("://", "file:", "@ ", "index-url", "find-links", "trusted-host"):
        assert word not in read(name), f"{name} holds {word!r}: make it with `make lock`"


def test_the_sites_lock_changes_nothing_of_the_other():
    """It is installed into the same environment."""
    there = versions()
    for requirement, _ in locked("requirements-site.lock"):
        known = there.get(canonicalize_name(requirement.name))
        assert not known or {pin.version for pin in requirement.specifier} <= known, requirement


def test_the_lock_has_everything_asked_for_and_nothing_dropped():
    there = versions()
    for requirement in asked_for():
        pins = there.get(canonicalize_name(requirement.name), set())
        assert pins, f"{requirement.name} is not in the lock: run `make lock`"
        assert all(requirement.specifier.contains(v) for v in pins), f"{requirement}: {pins}"
    dropped = [line for line in read("requirements.overrides").splitlines() if line.strip()]
    assert dropped
    for line in dropped:
        assert canonicalize_name(Requirement(line).name) not in there


def test_what_is_installed_is_what_the_lock_says():
    wanted = {
        canonicalize_name(r.name): next(iter(r.specifier)).version
        for r, _ in locked()
        if r.marker is None or r.marker.evaluate()
    }
    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in metadata.distributions()}
    differs = {n: (v, installed.get(n)) for n, v in wanted.items() if installed.get(n) != v}
    assert not differs, f"lock and environment differ (lock, installed): {differs}"


def test_environment_yml_agrees_with_the_lock():
    text = read("environment.yml")
    dependencies = yaml.safe_load(text)["dependencies"]
    conda = [d for d in dependencies if isinstance(d, str)]
    (pip,) = [d["pip"] for d in dependencies if isinstance(d, dict)]
    assert [d.split("=")[0] for d in conda] == ["python", "pip", "make"]
    there = versions()
    pins = [Requirement(line) for line in pip]
    for pin in pins:
        assert str(pin.specifier) in {f"=={v}" for v in there[canonicalize_name(pin.name)]}, pin
    # deepface asks for another OpenCV, so pip may only install it without its dependencies
    wanted = {canonicalize_name(r.name) for r in asked_for()} - {"deepface"}
    assert {canonicalize_name(p.name) for p in pins} == wanted
    head = text.split("\nname:")[0]
    for name in ("deepface", "retina-face"):
        assert f"{name}=={next(iter(there[name]))}" in head
    assert "--no-deps -r requirements.lock" in head


def test_each_package_of_environment_yml_has_a_word_on_why():
    for line in read("environment.yml").splitlines():
        if re.match(r"\s+- [a-z0-9]", line) and line.strip() not in ("- conda-forge", "- pip:"):
            assert re.search(r" # \S.{2}", line), line


def test_python_versions_agree():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in read("Makefile")
    assert re.search(r"- python=3\.1[123]\b", read("environment.yml"))


def test_version_and_licence_agree():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    citation = yaml.safe_load(read("CITATION.cff"))
    assert str(citation["version"]) == project["version"] == metadata.version("congress-test")
    assert citation["license"] == ["MIT", "CC-BY-4.0"]
    assert citation["authors"] == [{"name": project["authors"][0]["name"]}]
    assert "MIT License" in read("LICENSE") and "CC BY 4.0" in read("LICENSE")


# ---------------------------------------------------------------- make and CI


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.M))


def test_make_help_lists_every_target():
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert set(re.findall(r"^  make (\S+)", shown.stdout, re.M)) == targets()


def test_lab_opens_the_notebooks():
    assert "lab" in targets()
    assert "$(BIN)/jupyter lab notebooks/" in read("Makefile")


def test_ci_runs_the_tests_and_those_of_the_site():
    assert (ROOT / ".ci/run").stat().st_mode & stat.S_IXUSR
    commands = [line for line in read(".ci/run").splitlines() if line.startswith("make ")]
    assert commands == ["make test || status=1", "make test-site || status=1"]


def test_the_workflow_runs_the_two_commands_of_the_readme():
    workflow = yaml.safe_load(read(".github/workflows/test.yml"))
    assert workflow["permissions"] == {"contents": "read"}
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    steps = job["steps"]
    assert [s["run"] for s in steps if "run" in s and "if" not in s] == ["make run", "make test"]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", s["uses"]) for s in steps if "uses" in s)


@pytest.mark.parametrize("version", ["3.10.13", "3.14.0"])
def test_make_names_the_python_it_needs(tmp_path, version):
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}"\nexit 1\n')
    fake.chmod(0o755)
    told = subprocess.run(
        ["make", "install", f"PYTHON={fake}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode != 0
    assert f"Python {version}" in told.stdout
    assert "needs Python 3.11, 3.12 or 3.13" in told.stdout
    assert not (tmp_path / "venv").exists()


# ---------------------------------------------------------------- the README


def code_and_prose(markdown: str) -> tuple[list[str], str]:
    """The pieces of code (lines of blocks, inline code), and the text without the blocks."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", markdown, re.M | re.S)
    prose = re.sub(r"^```.*?^```", "", markdown, flags=re.M | re.S)
    return [line for b in blocks for line in b.splitlines()] + re.findall(
        r"`([^`\n]+)`", prose
    ), prose


def commands() -> dict:
    """The subcommands of congress-test, by name, each with its options."""
    import typer

    from helpers.cli import app

    group = typer.main.get_command(app)
    return {
        name: {o for p in command.params for o in [*p.opts, *p.secondary_opts]} | {"--help"}
        for name, command in group.commands.items()
    }


def command_problems(pieces: list[str], subcommands: dict, make_targets: set[str]) -> list[str]:
    """Commands in `pieces` of code that do not exist, a sentence each."""
    found = []
    for piece in pieces:
        for target in re.findall(r"(?:^|[;&$] *)make +([a-z][\w-]*)", piece.strip()):
            if target not in make_targets:
                found.append(f"make {target}: no such target")
        for call in re.findall(r"(?:^|[;&$/] *|bin/)congress-test +([^;&|#\n]+)", piece.strip()):
            words = shlex.split(call.replace("…", " "))
            if not words or not re.fullmatch(r"[a-z][\w-]*", words[0]):
                continue
            if words[0] not in subcommands:
                found.append(f"congress-test {words[0]}: no such command")
                continue
            options = [w.split("=")[0].strip("[]") for w in words if w.strip("[").startswith("-")]
            wrong = [o for o in options if o not in subcommands[words[0]]]
            found += [f"congress-test {words[0]} has no option {o}" for o in wrong]
    return found


def path_problems(markdown: str, folder: Path) -> list[str]:
    """Relative links, and inline code that looks like a path, without a file behind."""
    pieces, prose = code_and_prose(markdown)
    links = re.findall(r"\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)", prose)
    links += re.findall(r"(?:src|href)=\"([^\"]+)\"", prose)
    found = []
    for link in links:
        target = link.split("#")[0]
        outside = re.match(r"[a-z]+:", target) or not target
        if not outside and not (folder / target).exists():
            found.append(f"the link {link} leads nowhere")
    for piece in pieces:
        for word in re.findall(r"(?<![\w./<~$:-])(?:[\w.-]+/)+[\w.-]*(?![\w/<*{…])", piece):
            first = ROOT / word.split("/")[0]
            if word.startswith(MADE_LATER) or not first.exists():
                continue  # made by a command, or no path of this project ("and/or")
            if not (ROOT / word).exists() and not (folder / word).exists():
                found.append(f"the path {word} does not exist")
    return found


def documents() -> list[str]:
    return [n for n in tracked() if n.endswith(".md")]


def test_every_command_in_the_documents_exists():
    assert "README.md" in documents()
    for name in documents():
        pieces, _ = code_and_prose(read(name))
        assert not command_problems(pieces, commands(), targets()), name
    assert "make run" in read("README.md") and "make test" in read("README.md")


def test_every_path_in_the_documents_exists():
    for name in documents():
        if not name.startswith("docs/"):  # pages of the site: tests_site follows their links
            assert not path_problems(read(name), (ROOT / name).parent), name


def test_every_command_in_the_notebooks_exists():
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                pieces, _ = code_and_prose(cell.source)
                assert not command_problems(pieces, commands(), targets()), path.name


def test_wrong_commands_and_paths_would_be_found():
    subcommands = {"run": {"--gallery", "--help"}}
    pieces, _ = code_and_prose(
        "Say `make rum` or `congress-test rnu`.\n"
        "```\n$ congress-test run --galery x\nmake run\n```\n"
    )
    assert command_problems(pieces, subcommands, {"run"}) == [
        "congress-test run has no option --galery",
        "make rum: no such target",
        "congress-test rnu: no such command",
    ]
    text = "[a](src/nothing.py) [b](Makefile) [c](https://example.org/x) `tests/none.py` `and/or`"
    assert path_problems(text, ROOT) == [
        "the link src/nothing.py leads nowhere",
        "the path tests/none.py does not exist",
    ]


# ---------------------------------------------------------------- notebooks


def test_there_are_notebooks_with_names_in_order():
    assert NOTEBOOKS, "no notebooks"
    numbers = [path.name[:3] for path in NOTEBOOKS]
    assert numbers == [f"{i:02d}-" for i in range(len(NOTEBOOKS))]


def test_notebooks_are_executed_in_order_short_and_silent():
    for path in NOTEBOOKS:
        nb = nbformat.read(path, as_version=4)
        assert any(c.cell_type == "code" for c in nb.cells), path.name
        assert not notebooks.problems(nb), path.name


def test_notebooks_open_and_close_with_words():
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        assert cells[0].cell_type == cells[-1].cell_type == "markdown", path.name


def test_notebooks_are_stored_as_make_notebooks_stores_them():
    for path in NOTEBOOKS:
        nb = nbformat.read(path, as_version=4)
        before = nbformat.writes(nb)
        notebooks.normalise(nb)
        assert nbformat.writes(nb) == before, f"{path.name}: run `make notebooks`"


# ---------------------------------------------------------------- what may not be committed

PICTURES = {
    "JPEG": rb"^\xff\xd8\xff",
    "PNG": rb"^\x89PNG",
    "GIF": rb"^GIF8",
    "BMP": rb"^BM.{4}\x00\x00\x00\x00",
    "TIFF": rb"^(II\*\x00|MM\x00\*)",
    "WebP": rb"^RIFF.{4}WEBP",
    "HEIC or AVIF": rb"^.{4}ftyp",
    "JPEG 2000": rb"^(\x00\x00\x00\x0cjP|\xff\x4f\xff\x51)",
    "JPEG XL": rb"^\xff\x0a",
}
CONTAINERS = {
    "npy": rb"^\x93NUMPY",
    "zip, npz": rb"^PK\x03\x04",
    "HDF5": rb"^\x89HDF",
    "pickle": rb"^\x80[\x02-\x05]",
    "gzip": rb"^\x1f\x8b",
    "bzip2": rb"^BZh",
    "xz": rb"^\xfd7zXZ",
}
# how base64 of a JPEG begins; the same four letters may occur inside that of a PNG
JPEG_IN_TEXT = re.compile(r"(?<![A-Za-z0-9+/])/9j/[A-Za-z0-9+/\n\\]{200}")


def kind_of(content: bytes) -> str | None:
    for kind, magic in (PICTURES | CONTAINERS).items():
        if re.match(magic, content[:32], re.S):
            return kind
    return None


def test_no_pixels_and_no_opaque_containers_are_committed():
    for name, content in tracked().items():
        if re.fullmatch(r"figures/(fig)-[\w-]+\.png", name):
            continue
        assert kind_of(content) is None, f"{name} is a {kind_of(content)} file"
        assert not re.search(r"\.(npz|npy|pkl|pickle|h5|onnx|joblib)$", name), name


def test_no_photograph_hides_in_a_text():
    for name, text in texts().items():
        assert not JPEG_IN_TEXT.search(text), f"{name} holds a JPEG"
        assert not re.search(r"data:image/(?!png|svg)[a-z]+;base64,[\w+/]{40}", text), (
            f"{name} holds a picture"
        )


def test_parquet_files_hold_no_bytes():
    import pyarrow.parquet as pq
    import pyarrow.types as types

    for name in tracked():
        if name.endswith(".parquet"):
            schema = pq.read_schema(ROOT / name)
            raw = [
                f.name for f in schema if types.is_binary(f.type) or types.is_large_binary(f.type)
            ]
            assert not raw, f"{name}: {raw} could hold pixels"


def test_pictures_would_be_found():
    import base64
    import io

    from PIL import Image

    image = Image.new("RGB", (64, 64), "red")
    for format in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP"):
        buffer = io.BytesIO()
        image.save(buffer, format)
        assert kind_of(buffer.getvalue()) == format
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    assert JPEG_IN_TEXT.search(json.dumps(base64.encodebytes(buffer.getvalue()).decode()))
    assert kind_of(b"id,name\n1,a\n") is None


def test_what_ships_is_small():
    size = sum(len(c) for n, c in tracked().items() if n.startswith("data/"))
    assert size < 40e6, f"data/ has {size / 1e6:.1f} MB"


# Written in halves, so that this file does not name what it forbids.
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.", "conda.ana" + "conda.org"]


def leaks(text: str) -> list[str]:
    found = [m.group() for m in notebooks.MACHINE_PATH.finditer(text)]
    return found + [host for host in REGISTRIES if host in text]


def test_no_path_of_a_machine_and_no_registry_is_named():
    for name, text in texts().items():
        assert not leaks(text), name


def test_leaks_would_be_found():
    assert leaks("see /" + "home/ann/x.py") and leaks("x = '/" + "tmp/y'")
    assert leaks("https://" + REGISTRIES[0] + "/simple")
    assert not leaks("https://example.org/home/index.html and src/helpers/home/x")


# ---------------------------------------------------------------- style, and the run itself


def test_ruff_finds_nothing():
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", "."],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def strangers_in_queries(code: str) -> list[str]:
    """Names after @ in the texts of `.query(...)` that the file nowhere imports or assigns."""
    nodes = list(ast.walk(ast.parse(code)))
    known = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    known |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    known |= {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
    imports = [n for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)]
    known |= {alias.asname or alias.name for n in imports for alias in n.names}
    queries = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    texts = [ast.unparse(n.args[0]) for n in queries if n.func.attr == "query" and n.args]
    return [name for text in texts for name in re.findall(r"@(\w+)", text) if name not in known]


def test_names_in_queries_exist():  # neither ruff nor mypy reads them
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").glob("*.py")]:
        assert not strangers_in_queries(path.read_text("utf-8")), path
    code = "from a import b\nC = 1\nt.query('x == @b.Y and y == @C')\nt.query(f'z == @gone.Z')\n"
    assert strangers_in_queries(code) == ["gone"]


def test_mypy_finds_nothing():
    checked = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_codespell_finds_nothing(tmp_path):
    command = [sys.executable, "-m", "codespell_lib", "--toml", str(ROOT / "pyproject.toml")]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    (tmp_path / "a.md").write_text("The " + "occu" + "rence of a word.\n")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode != 0


def test_with_a_mirror_a_skip_fails_the_run(tmp_path):
    (tmp_path / "conftest.py").write_text(read("tests/conftest.py"))
    (tmp_path / "test_one.py").write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no reason')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."]

    def status(**more):
        clean = {k: v for k, v in os.environ.items() if k != "CONGRESS_TEST_MIRROR"}
        return subprocess.run(
            command, cwd=tmp_path, env=clean | more, capture_output=True
        ).returncode

    assert status() == 0
    assert status(CONGRESS_TEST_MIRROR=str(tmp_path)) == 1


def test_no_merge_was_left_half_done():
    left = re.compile(r"^(<{7}|>{7}) ", re.M)
    assert len(texts()) > 100
    assert [name for name, text in texts().items() if left.search(text)] == []
