"""How to cite the collection, a figure or a table: plain text and BibTeX."""

from functools import cache

import yaml

from helpers.errors import UserError
from helpers.paths import ROOT
from helpers.show import tex
from helpers.show.figures import AUTHORS, read_index


@cache
def cff() -> dict:
    """CITATION.cff: the one place of title, version and date."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


def find(id: str) -> dict:
    """The index entry of a figure or table; UserError names the nearest ids if there is none."""
    entries = {e["id"]: e for e in read_index()}
    if id in entries:
        return entries[id]
    import difflib

    near = difflib.get_close_matches(id, entries, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "figures/index.json lists all of them"
    raise UserError(f"there is no figure or table {id!r}; {hint}")


def plain(entry: dict) -> str:
    """The citation of one figure or table as a line of text."""
    return entry["cite"]


def bibtex(entry: dict | None = None) -> str:
    """The BibTeX entry of one figure or table, or of the whole collection without one."""
    cite = cff()
    whole = f"{cite['title']}, version {cite['version']}"
    fields = {"author": "{" + AUTHORS + "}", "title": "{" + tex.escape(cite["title"]) + "}"}
    key = "congress-test"
    if entry:
        key += "-" + entry["id"]
        fields["title"] = "{" + tex.escape(entry["title"].rstrip(".")) + "}"
        kind = entry["kind"].capitalize()
        fields["howpublished"] = tex.escape(f"{kind} {entry['id']} in: {whole}")
    else:
        fields["howpublished"] = tex.escape(f"Data, code and notebooks, version {cite['version']}")
    fields |= {"year": str(cite["date-released"])[:4], "note": "CC BY 4.0"}
    lines = [f"  {name:<12} = {{{value}}}" for name, value in fields.items()]
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"


def collection() -> str:
    """The citation of the whole collection as a line of text."""
    cite = cff()
    return (
        f"{AUTHORS} ({str(cite['date-released'])[:4]}). {cite['title']}, "
        f"version {cite['version']}. CC BY 4.0."
    )
