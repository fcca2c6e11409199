"""The landing page's picture: every member a mark, in the same seat in each list, flagged or not.

A mark tells its name when pointed at; from the keyboard the table of names is one link away.
"""

import html

import pandas as pd

from helpers.paths import FIGURES
from helpers.site import citation
from helpers.sources import groups

ID = "fig-02-four-ways"


def picture() -> str:
    """The marks as HTML: a list a block, a group a row of marks, with counts in words."""
    table = pd.read_csv(FIGURES / f"{ID}.csv", keep_default_na=False)
    title = html.escape(citation.find(ID)["title"])
    blocks = [_block(name, part) for name, part in table.groupby("list", sort=False)]
    return (
        f'<figure class="seats" aria-label="{title}"><figcaption>{title}</figcaption>'
        f'<div class="lists">{"".join(blocks)}</div></figure>'
    )


def _block(name: str, part: pd.DataFrame) -> str:
    rows = []
    for group in (*groups.OF_COLOUR, groups.WHITE):
        members = part[part["group"] == group]
        marks = "".join(_mark(m) for m in members.sort_values("seat").itertuples())
        count = f"{int(members['flagged'].sum())} of {len(members)}"
        rows.append(f"<dt>{html.escape(group)} <span>{count}</span></dt><dd>{marks}</dd>")
    return f"<section><h3>{html.escape(name)}</h3><dl>{''.join(rows)}</dl></section>"


def _mark(member) -> str:
    if not member.flagged:
        return "<i></i>"
    name = html.escape(member.name or "name withheld")
    return f'<button type="button" tabindex="-1" title="{name}" aria-label="{name}"></button>'
