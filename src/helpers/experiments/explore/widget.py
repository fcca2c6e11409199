"""The interactive explorer: HTML with its data and script inside; no kernel and no network.

The script computes sums of cells, the Wilson interval, and texts, and nothing else.
"""

import html
import json
from importlib.resources import files
from string import Template

import numpy as np

from helpers.experiments.explore.make import NAMED
from helpers.experiments.explore.tables import GENDERS, OPENING, cells, rows, state, table
from helpers.faces.pipelines import MODEL_LABELS, MODELS
from helpers.protocol import policy as policies

GALLERY_LABELS = {"utkface": "Adult strangers (UTKFace)", "legislators": "Former legislators"}
JUMPS = ("default", "count:28", "fmr:0.0001", "fmr:1e-05", "fmr:1e-06")
LABELS = {m: MODEL_LABELS[m] for m in MODELS}


def payload() -> dict:
    """The data inside the widget: the grid in tenths of a member, as whole numbers.

    Keys cells, searched, rows (per gender: name, cells), names, and grids: "gallery|model" ->
    thresholds [distance, name, per million], sizes, values (a list a threshold and size).
    """
    found = table()
    names = list(cells().index)
    grids = {}
    for (gallery, model), part in found.groupby(["gallery", "model"], sort=False):
        heads = part[["threshold", "name", "per_million"]].drop_duplicates()
        tenths = np.rint(part[names].to_numpy() * 10).astype(int)
        grids[f"{gallery}|{model}"] = {
            "thresholds": [[float(t), n, float(f)] for t, n, f in heads.itertuples(index=False)],
            "sizes": [int(s) for s in part["size"].unique()],
            "values": tenths.ravel().tolist(),
        }
    index = {c: i for i, c in enumerate(names)}
    return {
        "searched": [int(n) for n in cells()],
        "rows": {g: [[n, [index[c] for c in p]] for n, p in rows(g).items()] for g in GENDERS},
        "names": NAMED,
        "galleries": GALLERY_LABELS,
        "models": LABELS,
        "opening": OPENING,
        "grids": grids,
    }


def widget() -> str:
    """The explorer in one piece of HTML; without a script the opening position stays."""
    style, script, page = (
        files(__package__).joinpath(name).read_text("utf-8")
        for name in ("explorer.css", "explorer.js", "explorer.html")
    )
    data = json.dumps(payload(), separators=(",", ":"), ensure_ascii=True).replace("</", "<\\/")
    jumps = "".join(
        f'<button type="button" value="{k}" aria-pressed="false">'
        f"{html.escape(policies.label(k))}</button>"
        for k in JUMPS
    )
    lines = "".join(
        f'<tr><th scope="row">{r.group}</th><td>{r.flagged:.0f} of {r.searched}</td>'
        f"<td>{100 * r.fpir:.1f} % ({100 * r.low:.1f}–{100 * r.high:.1f})</td></tr>"
        for r in state(*OPENING).itertuples()
    )
    choices = _choice("gallery", "Gallery", GALLERY_LABELS) + _choice("model", "Pipeline", LABELS)
    choices += _choice("gender", "Members (recorded gender)", GENDERS)
    parts = {"style": style, "script": script, "data": data, "jumps": jumps, "lines": lines}
    return Template(page.strip()).substitute(parts, choices=choices)


def _choice(part: str, label: str, values: dict[str, str]) -> str:
    options = "".join(
        f'<option value="{html.escape(k)}">{html.escape(v)}</option>' for k, v in values.items()
    )
    return f'<label>{label}<select data-part="{part}">{options}</select></label>'


def show() -> None:
    """Show the widget as the output of a notebook cell; the bytes are the same every time."""
    from IPython.display import display

    display({"text/html": widget(), "text/plain": "the explorer"}, raw=True)
