"""The house: each room imports only rooms before it, no circle, no file too long to read."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from helpers.paths import ROOT

SOURCE = ROOT / "src" / "helpers"
FIRST = ("paths", "errors", "files")  # single modules that every room may import
ROOMS = (
    "statistics", "sources", "faces", "protocol", "show", "service", "experiments", "rebuild",
    "site", "own_test", "cli",
)  # fmt: skip
LONGEST = 600
MODULES = {
    ".".join(("helpers", *path.relative_to(SOURCE).with_suffix("").parts)): path
    for path in sorted(SOURCE.rglob("*.py"))
}


def imported(path: Path) -> set[str]:
    """The project's modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in MODULES}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found |= {name for name in (whole, node.module) if name in MODULES}
    return found


def rank(module: str) -> int:
    room = module.split(".")[1]
    return -1 if room in FIRST or room == "__init__" else ROOMS.index(room)


def upwards() -> list[str]:
    """Every import of a later room: "importer -> imported"."""
    return [
        f"{name} -> {other}"
        for name, path in MODULES.items()
        for other in sorted(imported(path))
        if rank(other) > rank(name)
    ]


def test_every_module_stands_in_a_room():
    rooms = {name.split(".")[1] for name in MODULES}
    assert rooms <= {*ROOMS, *FIRST, "__init__"}


def test_imports_run_one_way():
    assert upwards() == []


def test_no_circle():
    try:
        TopologicalSorter({name: imported(path) for name, path in MODULES.items()}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_file_is_too_long_to_read():
    """words.py are the sentences of release 0.1, which typed ones replace."""
    lines = {
        name: len(path.read_text("utf-8").splitlines())
        for name, path in MODULES.items()
        if path.name != "words.py"
    }
    assert {name: n for name, n in lines.items() if n > LONGEST} == {}
