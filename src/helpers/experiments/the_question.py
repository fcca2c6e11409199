"""What was claimed, by whom, on what evidence, and what happened since: the tables of notebook 00.

Every number comes from `helpers.sources.published` or from the roster; the intervals are ours.
"""

import re
from urllib.parse import urlsplit

import pandas as pd
import seaborn as sns
from matplotlib.dates import YearLocator
from matplotlib.figure import Figure

from helpers.show import numbers, plots
from helpers.show.numbers import percent
from helpers.show.style import INK, MUTED, styled
from helpers.sources import published
from helpers.sources.rosters import load_members
from helpers.statistics import rates
from helpers.statistics.exact_tests import power_fisher
from helpers.statistics.intervals import wilson

AMAZON = ["AWS documentation", "Amazon reply 2018", "Amazon reply 2019", "Amazon moratorium"]
OTHER_COMPANIES = ["IBM", "Microsoft"]
STATUS_WORDS = {"primary": "publisher's page", "press": "press report", "copy": "copy or quotation"}
LANES = {
    "wrongful arrest": "Wrongful arrests",
    "law": "Laws and courts",
    "enforcement": "Orders, settlements",
    "company": "Companies",
    "use figures": "Figures on use",
    "count of arrests": "Counts of arrests",
    "evaluation": "Evaluations",
}
TEST = pd.Timestamp("2018-07-26")


def _value(row) -> str:
    """A published value as a reader expects it: 28 of 535, 80 %, 25,000, over 50 %."""
    text, of = row["value"], row["denominator"]
    if of:
        return f"{text} of {int(of):,}"
    if not (found := re.fullmatch(r"(more than |>)?([\d.]+)", text)):
        return text
    before, number = "over " if found[1] else "", found[2]
    if row["quantity"].endswith("(share)"):
        return before + percent(float(number), max(0, len(number.partition(".")[2]) - 2))
    unit = " %" if row["quantity"].endswith("percent)") else ""
    return before + (number if "." in number or unit else f"{int(number):,}") + unit


def _read_in(table: pd.DataFrame) -> pd.DataFrame:
    """How the source was read, and the site it was read at."""
    site = table["source_url"].map(lambda u: urlsplit(u).netloc.removeprefix("www."))
    return pd.DataFrame({"Read in": table["status"].map(STATUS_WORDS), "At": site})


def numbers_of(studies: list[str]) -> pd.DataFrame:
    """The published numbers of some studies by date, written out, with their source."""
    table = published.published_results()
    table = table[table["study"].isin(studies)].sort_values("date", kind="stable")
    what = table["quantity"].str.replace(r" \((?:share|percent)\)$", "", regex=True)
    shown = {"Date": table["date"], "Study": table["study"], "What": what}
    return pd.DataFrame(shown | {"Published": table.apply(_value, axis=1)}).join(_read_in(table))


def others() -> list[str]:
    """The studies that are neither the ACLU's test of 2018 nor words of a company."""
    studies = published.published_results()["study"].unique()
    return [s for s in studies if s not in (published.ACLU, *AMAZON, *OTHER_COMPANIES)]


def laid_open() -> pd.DataFrame:
    """What the publisher of each test laid open, a row a test, a column a thing."""
    table = published.disclosures()
    order = {c: table[c].unique() for c in ("test", "what")}
    wide = table.pivot(index="test", columns="what", values="published")
    wide = wide.reindex(index=order["test"], columns=order["what"])
    sites = _read_in(table)["At"].groupby(table["test"]).agg(lambda s: ", ".join(s.unique()))
    wide = wide.rename(columns=str.capitalize).assign(At=sites)
    return wide.rename_axis("Test", axis=0).rename_axis(None, axis=1).reset_index()


def by_colour() -> pd.DataFrame:
    """The ACLU's false matches by colour in both codings: the share, and the rates behind it."""
    rows = []
    for row in published.codings().itertuples():
        k, n = row.colour_flagged, row.colour_searched
        white, others = row.flagged - k, row.searched - n
        about = "" if row.exact else "about "
        cells = {
            "Coding": "As reported" if not row.exact else "By the roster",
            "Of colour, of the matched": numbers.rate(k, row.flagged),
            "Of colour, of Congress": f"{about}{percent(n / row.searched, 0)}",
            "Matched, of members of colour": f"{about}{percent(k / n, 0)}",
            "Matched, of white members": f"{about}{percent(white / others, 0)}",
            "95 % interval of the share": numbers.interval(*wilson(k, row.flagged)),
        }
        rows.append(cells)
    return pd.DataFrame(rows)


def arithmetic() -> pd.DataFrame:
    """FPIR and FMR of the ACLU's test, worked out."""
    test = published.searches().set_index("study").loc[published.ACLU]
    comparisons = int(test["searched"] * test["gallery"])
    chance = rates.chance_of_a_candidate(1e-6, test["gallery"])
    rows = [
        ("Searched", f"{test['searched']:,}"),
        ("Faces in the gallery", f"{test['gallery']:,}"),
        ("Single comparisons", f"{comparisons:,}"),
        ("Returned somebody", numbers.rate(test["flagged"], test["searched"])),
        ("False match rate", f"at least {numbers.one_in(test['flagged'] / comparisons)}"),
        ("One false match in a million", f"{percent(chance)} of searches"),
    ]
    return pd.DataFrame(rows, columns=["Of the ACLU's test", "Number"])


def power() -> pd.DataFrame:
    """How often the primary analysis finds a true ratio of the rates, with the ACLU's count."""
    colour = load_members()["of_colour"]
    count = int(published.number(published.ACLU, "members falsely matched"))
    sizes = int(colour.sum()), int((~colour).sum())
    found = [percent(power_fisher(*sizes, count, ratio), 0) for ratio in (2, 3)]
    return pd.DataFrame({"True ratio": ["two times", "three times"], "Found": found})


def what_happened() -> pd.DataFrame:
    """The events since 2018 as a table: Date, Kind, What happened, and where it was read."""
    table = published.events()
    shown = {"Date": table["date"], "Kind": table["kind"].map(LANES), "What": table["event"]}
    return pd.DataFrame(shown).join(_read_in(table))


def events() -> pd.DataFrame:
    """The events since 2018: date, day (where it is drawn), lane, actor, event."""
    table = published.events()
    return table.assign(lane=table["kind"].map(LANES))[["date", "day", "lane", "actor", "event"]]


def plot_events(data: pd.DataFrame) -> Figure:
    """`events` as dots in a lane a kind, with their number at the right."""
    lanes = list(LANES.values())
    colours = [INK if lane == lanes[0] else MUTED for lane in lanes]
    with styled():
        fig, [[ax]] = plots.new_figure(2.9)
        sns.swarmplot(
            data, x="day", y="lane", hue="lane", order=lanes, hue_order=lanes, size=4,
            palette=colours, legend=False, ax=ax,
        )  # fmt: skip
        ax.axvline(TEST, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        plots.direct_label(ax, TEST, -0.75, "the ACLU's test", MUTED, weight="normal")
        for y, lane in enumerate(lanes):
            plots.note(ax, y, str(data["lane"].eq(lane).sum()), color=INK)
        ax.set(xlabel="", ylabel="", ylim=(len(lanes) - 0.5, -1))
        ax.xaxis.set_major_locator(YearLocator(2))
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        plots.left_align(fig, ax)
    return fig
