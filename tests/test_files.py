"""Files are hashed and written in one place, and never half written."""

import re

import pytest

from helpers.files import sha256, write_atomically
from helpers.paths import ROOT

SOURCE = ROOT / "src" / "helpers"
OWN = re.compile(r"file_digest|os\.replace|\.replace\((path|out|target)\)|mkstemp")
# fetch.py checks a copy before it takes its place, and says why; enrolment moves two files that
# are complete, in an order that a reader relies on
OTHERS = {"sources/fetch.py", "faces/enrolment.py"}


def test_sha256_known_answer(tmp_path):
    file = tmp_path / "abc"
    file.write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(FileNotFoundError):
        sha256(tmp_path / "missing")


def test_a_file_is_new_when_the_block_is_done_and_not_before(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("old")
    with write_atomically(file) as half:
        half.write_text("new")
        assert half.parent == tmp_path and file.read_text() == "old"
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("old", ["old", None])
def test_a_crash_in_the_middle_leaves_the_old_file_and_nothing_beside_it(tmp_path, error, old):
    file = tmp_path / "a.csv"
    if old:
        file.write_text(old)
    with pytest.raises(error), write_atomically(file) as half:
        half.write_text("ne")
        raise error
    assert [p.read_text() for p in tmp_path.iterdir()] == ([old] if old else [])


def test_a_crash_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="early"), write_atomically(tmp_path / "a.csv"):
        raise ValueError("early")
    assert not list(tmp_path.iterdir())


def test_nobody_else_hashes_files_or_moves_them_into_place():
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if OWN.search(path.read_text("utf-8"))
    }
    assert found == {"files.py", *OTHERS}
