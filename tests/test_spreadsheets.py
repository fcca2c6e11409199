"""CSV files as spreadsheets write them: read, or refused with the hint that mends them."""

import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.sources import galleries, spreadsheets

PLAIN = "id,name,group,gender\na.png,José,White,F\nb.png,Li,Asian,nonbinary\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\r\n").encode("utf-16"),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        ("sep=;\n" + PLAIN.replace(",", ";")).encode("utf-8-sig"),
        PLAIN.replace("\n", ",,,\n").encode(),
        ("\n,,\n" + PLAIN.replace("\n", "\n,,,\n  ,\n")).encode(),
        PLAIN.replace("José", "  Jose\u0301 ").replace("id,", " ID ,").encode(),
        PLAIN.replace("Li", '"Li"').encode(),
    ],
)
def test_what_spreadsheets_write_is_one_table(tmp_path, content):
    (tmp_path / "labels.csv").write_bytes(content)
    labels = galleries.read_labels(tmp_path / "labels.csv")
    assert labels.to_numpy().tolist() == [
        ["a.png", "José", "White", "female"],
        ["b.png", "Li", "Asian", "nonbinary"],
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (PLAIN.encode("cp1252"), "save it again as .CSV UTF-8."),
        (PLAIN.encode("utf-16-le"), "save it again as .CSV UTF-8."),
        (b"PK\x03\x04\x14\0\x06\0xl/workbook.xml", "save it again as .CSV UTF-8."),
        (b"id,name\na.png,King, Jr.\n", "line 2 .* has 3 values for 2 columns: put quotes"),
        (b"id;name;name\na;b;c\n", "two columns 'name'"),
        (b'id,name\na.png,"Ada\n', "cannot read .* in line 2"),
        (b" \n\n", "it is empty"),
        (b"", "it is empty"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_mends_it(tmp_path, content, told):
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(UserError, match=told):
        galleries.read_labels(tmp_path / "labels.csv")


def test_lines_are_counted_as_an_editor_does(tmp_path):
    (tmp_path / "a.csv").write_text('\nid,name\n"a\nb",x\n\nc,y\n')
    assert list(spreadsheets.read(tmp_path / "a.csv").index) == [4, 6]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROWS = st.lists(st.lists(TEXT, max_size=6).map(",".join), max_size=6).map("\n".join)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.binary(max_size=60),
        ROWS.map(str.encode),
        ROWS.map(lambda rows: f"id,name\n{rows}".encode()),
        st.text(string.printable, max_size=60).map(lambda t: t.encode("utf-16")),
    )
)
def test_any_bytes_are_a_table_of_texts_or_a_sentence(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels.csv")
        path.write_bytes(content)
        try:
            table = galleries.read_labels(path)
        except UserError as error:
            assert str(path) in str(error)
            return
    assert table["id"].is_unique
    assert all(isinstance(v, str) and v == v.strip() for v in table["id"].dropna())
