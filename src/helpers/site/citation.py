"""How to cite the collection, a figure or a table: plain text and BibTeX."""

import difflib

from helpers.errors import UserError
from helpers.show import tex
from helpers.show.figures import AUTHORS, cff, read_index


def find(id: str) -> dict:
    """The index entry of a figure or table; UserError names the nearest ids if there is none."""
    entries = {e["id"]: e for e in read_index()}
    if id in entries:
        return entries[id]
    near = difflib.get_close_matches(id, entries, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "figures/index.json lists all of them"
    raise UserError(f"there is no figure or table {id!r}; {hint}")


def bibtex(entry: dict | None = None) -> str:
    """The BibTeX entry of one figure or table, or of the whole collection without one."""
    cite = cff()
    key, title = "congress-test", cite["title"]
    where = f"Data, code and notebooks, version {cite['version']}"
    if entry:
        key, title = f"congress-test-{entry['id']}", entry["title"].rstrip(".")
        where = f"{entry['kind'].capitalize()} {entry['id']} in: {cite['title']}, "
        where += f"version {cite['version']}"
    fields = {
        "author": "{" + AUTHORS + "}",
        "title": "{" + tex.escape(title) + "}",
        "howpublished": tex.escape(where),
        "year": str(cite["date-released"])[:4],
        "note": "CC BY 4.0",
    }
    lines = [f"  {name:<12} = {{{value}}}" for name, value in fields.items()]
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"


def collection() -> str:
    """The citation of the whole collection as a line of text."""
    cite = cff()
    return (
        f"{AUTHORS} ({str(cite['date-released'])[:4]}). {cite['title']}, "
        f"version {cite['version']}. CC BY 4.0."
    )
