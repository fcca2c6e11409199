"""The examples in docstrings say what the functions return."""

import doctest
import importlib
import pkgutil

import pytest

import helpers.protocol
import helpers.statistics

MODULES = {
    room.__name__: [f"{room.__name__}.{m.name}" for m in pkgutil.iter_modules(room.__path__)]
    for room in (helpers.statistics, helpers.protocol)
}
FEWEST = {"helpers.statistics": 10, "helpers.protocol": 3}  # functions with an example


def examples(module: str) -> list[doctest.DocTest]:
    """The docstrings of a module that hold examples."""
    found = doctest.DocTestFinder().find(importlib.import_module(module))
    return [test for test in found if test.examples]


@pytest.mark.parametrize("module", [m for modules in MODULES.values() for m in modules])
def test_examples_say_what_is_returned(module):
    for test in examples(module):
        said: list[str] = []
        result = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
        assert result.failed == 0, "".join(said)


@pytest.mark.parametrize("room", MODULES)
def test_rooms_have_examples(room):
    assert sum(len(examples(module)) for module in MODULES[room]) >= FEWEST[room]
