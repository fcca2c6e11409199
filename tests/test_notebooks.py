"""Executing notebooks: the same bytes every time, and nothing untidy gets through."""

import nbformat
import pytest

from helpers.errors import UserError
from helpers.rebuild import notebooks


def write(path, *sources):
    nb = nbformat.v4.new_notebook()
    nb.cells = [nbformat.v4.new_markdown_cell("# Why?")]
    nb.cells += [nbformat.v4.new_code_cell(s) for s in sources]
    nb.metadata["language_info"] = {"name": "python", "version": "3.11.99"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, path)
    return path


def test_execution_into_a_folder_leaves_the_notebook_and_says_the_same_twice(tmp_path):
    path = write(
        tmp_path / "notebooks/00-why.ipynb",
        "import os, sys\nfrom pathlib import Path\nPath.cwd().name",
        "for i in range(3):\n    print(i, flush=True)",
        "os.environ['OMP_NUM_THREADS'], os.environ['PYTHONHASHSEED']",
        "print(Path(sys.prefix).name)",
    )
    before = path.read_bytes()
    said = []
    (one,) = notebooks.execute_all([path], tmp_path / "build/notebooks", said.append)
    assert path.read_bytes() == before
    assert len(said) == 1 and said[0].startswith("00-why.ipynb: ")
    nb = nbformat.read(one, as_version=4)
    code = [c for c in nb.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == [1, 2, 3, 4]
    assert code[0].outputs[0].data["text/plain"] == "'notebooks'"  # its own folder
    assert [o.text for o in code[1].outputs] == ["0\n1\n2\n"]  # one piece, however it came
    assert code[2].outputs[0].data["text/plain"] == "('1', '0')"
    assert "version" not in nb.metadata.language_info
    assert all(c.metadata == {} for c in nb.cells)
    first = one.read_bytes()
    notebooks.execute(one, one)  # an executed notebook, in place
    assert one.read_bytes() == first


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import sys\nprint('careful', file=sys.stderr)", "writes to stderr: 'careful'"),
    ],
)
def test_a_notebook_that_fails_or_complains_is_not_written(tmp_path, source, message):
    path = write(tmp_path / "00-why.ipynb", "1 + 1", source)
    before = path.read_bytes()
    with pytest.raises(UserError, match=message):
        notebooks.execute(path, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["00-why.ipynb"]


def executed(*cells):
    nb = nbformat.v4.new_notebook()
    for count, (source, output) in enumerate(cells, 1):
        outputs = [nbformat.v4.new_output(**output)] if output else []
        nb.cells.append(nbformat.v4.new_code_cell(source, execution_count=count, outputs=outputs))
    return nb


def result(**data):
    return {"output_type": "display_data", "data": data}


@pytest.mark.parametrize(
    ("nb", "message"),
    [
        (executed(("x = 1\n" * 31, None), ("y", None), ("y", None)), "31 lines"),
        (executed(("x = 1\n" * 4, None)), "median cell has 4"),
        (executed(("x", result(**{"text/plain": "<object at 0x7f00aa11bb22>"}))), "memory"),
        (executed(("x", result(**{"text/plain": "/" + "home/ann/a.csv"}))), "path of this machine"),
        (executed(("x", result(**{"image/jpeg": "AAAA"}))), "JPEG"),
        (executed(("x", result(**{"text/html": "<img src='data:image/jpeg;base64,A'>"}))), "JPEG"),
        (
            executed(("x", {"output_type": "stream", "name": "stderr", "text": "hm"})),
            "writes to stderr",
        ),
        (
            executed(("x", {"output_type": "error", "ename": "KeyError", "evalue": "'a'"})),
            "ends in KeyError",
        ),
    ],
)
def test_problems_are_named(nb, message):
    assert any(message in problem for problem in notebooks.problems(nb))


def test_the_typed_texts_of_a_figure_are_no_lines_of_code():
    texts = "table(\n    x,\n    title='A',\n    caption='B '\n    'C',\n)\n"
    assert notebooks.problems(executed((texts, None))) == []
    assert "median cell has 4" in notebooks.problems(executed(("y = 1\n" + texts, None)))[0]


def test_cells_out_of_order_or_never_run_are_named():
    nb = executed(("x", None), ("y", None))
    assert notebooks.problems(nb) == []
    nb.cells[0].execution_count = 3
    assert "not executed from 1 to 2 in order: [3, 2]" in notebooks.problems(nb)[0]
    nb.cells[0].execution_count = None
    assert "in order: [None, 2]" in notebooks.problems(nb)[0]


def test_normalising_is_done_once_and_for_all():
    nb = executed(("x", None), ("x", None))
    nb.cells[0].metadata = {"execution": {"a": 1}, "tags": ["wide"], "scrolled": True}
    nb.cells[1]["id"] = nb.cells[0]["id"]
    notebooks.normalise(nb)
    assert nb.cells[0].metadata == {"tags": ["wide"]}
    assert nb.cells[0]["id"] != nb.cells[1]["id"]
    once = nbformat.writes(nb)
    notebooks.normalise(nb)
    assert nbformat.writes(nb) == once
