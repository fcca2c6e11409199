"""Contact sheets of members for a site that is read locally: `make site PORTRAITS=1`.

Only the members' own portraits, only into build/ and site/, which are never committed.
"""

import html
import io
from pathlib import Path

import nbformat
from PIL import Image

from helpers.sources import fetch
from helpers.sources.rosters import load_members

DATASET = "probes"
SIDE = 120  # pixels
PAGE = "01-the-people.ipynb"


def add(source: Path) -> int:
    """Write small portraits below the site's source and a section on notebook 01's page.

    Returns how many. Raises UserError if the portraits are not in the cache or the mirror.
    """
    files = fetch.local_files(DATASET).set_index("id")["path"]
    members = load_members().sort_values(["state", "name"])
    folder = source / "extra" / "portraits"
    folder.mkdir(parents=True, exist_ok=True)
    for id in members["member_id"]:
        (folder / f"{id}.jpg").write_bytes(_small(files[id]))
    path = source / "notebooks" / PAGE
    nb = nbformat.read(path, as_version=4)
    nb.cells.insert(-1, nbformat.v4.new_markdown_cell(_section(members), id="contact-sheets"))
    nbformat.write(nb, path)
    return len(members)


def _small(path: Path) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(
            buffer, "JPEG", quality=80
        )
    return buffer.getvalue()


def _section(members) -> str:
    items = "".join(
        f'<li><img src="../portraits/{r.member_id}.jpg" alt="" width="{SIDE}" height="{SIDE}" '
        f'loading="lazy">{html.escape(r.name)}, {r.state}</li>'
        for r in members.itertuples()
    )
    return (
        "## The portraits\n\nThe portrait with which each member is searched, by state. This copy "
        "of the site was made with the images at hand; they are not part of the repository.\n\n"
        f'<ul class="contact-sheet">{items}</ul>'
    )
