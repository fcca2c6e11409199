"""CSV files as spreadsheet programs write them -> a table of texts, or a sentence that mends it."""

import codecs
import csv
import io
from pathlib import Path

import pandas as pd

from helpers.errors import UserError
from helpers.files import printable


def read(path: Path, what: str = "file") -> pd.DataFrame:
    """Read a CSV: all values texts without outer blanks, "" where empty; indexed by line number.

    UTF-8 or UTF-16; separated by commas, semicolons or tabs, whichever the header has most of.
    Blank rows and empty columns at the end are passed over; names of columns become lower case.
    Raises UserError for a file that cannot be read, another encoding, rows longer than the header.
    """
    unread = f"cannot read the {what} {path}"
    try:
        content = Path(path).read_bytes()
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except OSError as error:
        raise UserError(f"{unread}: {error.strerror}") from error
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UserError(
            f"{unread}: it is no text in UTF-8. In a spreadsheet program save it again as "
            '"CSV UTF-8" (or "Text CSV" with the character set UTF-8)'
        )
    first, _, rest = text.lstrip().partition("\n")
    if first.lower().startswith("sep="):  # a line for Excel
        text = rest
        first = rest.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = {}
    try:
        for row in reader:
            row = [printable(value.strip()) for value in row]
            if any(row):
                rows[reader.line_num] = row
    except csv.Error as error:
        raise UserError(f"{unread}: {error}, in line {reader.line_num}") from error
    if not rows:
        raise UserError(f"{unread}: it is empty")
    header = rows.pop(min(rows))
    while not header[-1]:
        header.pop()
    for line, row in rows.items():
        if any(row[len(header) :]):
            raise UserError(
                f"line {line} of {path} has {len(row)} values for {len(header)} columns: put "
                f'quotes (") around a value that holds {delimiter!r}'
            )
    width = len(header)
    cells = [(row + [""] * width)[:width] for row in rows.values()]
    table = pd.DataFrame(cells, list(rows), [name.lower() for name in header], dtype=str)
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise UserError(f"{path} has two columns {twice!r}: rename one")
    return table
