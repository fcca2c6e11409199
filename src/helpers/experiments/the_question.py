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
from helpers.sources import groups, published
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
MARKED = {  # how an event begins -> what stands at its dot
    "Robert Williams was": "Robert Williams",
    "Porcha Woodruff": "Porcha Woodruff",
    "The San Francisco Board": "San Francisco",
    "Maryland enacted": "Maryland's limits",
    "Detroit settled": "Detroit's settlement",
    "Amazon announced": "Amazon's moratorium",
    "GAO reported that 20": "federal agencies",
    "The Washington Post reported at least eight": "Washington Post",
    "NIST published its first": "NIST's report",
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
        rows.append(
            {
                "Coding": "As reported" if not row.exact else "By the roster",
                "Of colour, of the matched": numbers.rate(k, row.flagged),
                "Of colour, of Congress": f"{about}{percent(n / row.searched, 0)}",
                "Matched, of members of colour": f"{about}{percent(k / n, 0)}",
                "Matched, of white members": f"{about}{percent(white / others, 0)}",
                "95 % interval of the share": numbers.interval(*wilson(k, row.flagged)),
            }
        )
    return pd.DataFrame(rows)


def on_the_list() -> pd.DataFrame:
    """Women and Asian members on the ACLU's list, and how often a draw by lot has so few."""
    names, members = published.aclu_28(), load_members()
    rows = []
    for label, here, of in (
        ("Women", names["gender"].eq("female"), members["gender"].eq("female")),
        ("Asian members", groups.asian(names["group"]), groups.asian(members["group"])),
    ):
        found, everybody = int(here.sum()), int(of.sum())
        chance = rates.chance_of_so_few(found, everybody, len(names), len(members))
        rows.append((label, found, everybody, percent(chance, 0 if chance > 0.1 else 1)))
    columns = ["Who", "On the list", "In Congress", "So few by lot"]
    return pd.DataFrame(rows, columns=columns)


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
    found = {r: power_fisher(int(colour.sum()), int((~colour).sum()), count, r) for r in (2, 3)}
    rows = [("two times", found[2]), ("three times", found[3])]
    table = pd.DataFrame(rows, columns=["True ratio", "Found"])
    return table.assign(Found=table["Found"].map(lambda p: percent(p, 0)))


def what_happened() -> pd.DataFrame:
    """The events since 2018 as a table: Date, Kind, What happened, and where it was read."""
    table = published.events()
    shown = {"Date": table["date"], "Kind": table["kind"].map(LANES), "What": table["event"]}
    return pd.DataFrame(shown).join(_read_in(table))


def plot_events() -> tuple[Figure, pd.DataFrame]:
    """Events since 2018 as dots in a lane a kind, and their table; a few are named at the dot."""
    table = published.events()
    data = table.assign(lane=table["kind"].map(LANES))[["date", "lane", "actor", "event", "day"]]
    lanes = list(LANES.values())
    with styled():
        fig, axes = plots.new_figure(3.9)
        ax = axes[0, 0]
        colours = [INK if lane == lanes[0] else MUTED for lane in lanes]
        sns.swarmplot(
            data, x="day", y="lane", hue="lane", order=lanes, hue_order=lanes, size=5,
            palette=colours, legend=False, ax=ax,
        )  # fmt: skip
        for begins, text in MARKED.items():
            (row,) = data[data["event"].str.startswith(begins)].itertuples()
            ax.annotate(
                text, (row.day, lanes.index(row.lane)), xytext=(0, -7),
                textcoords="offset points", ha="center", va="top", fontsize=7.5,
            )  # fmt: skip
        ax.axvline(TEST, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        ax.annotate(
            "the ACLU's test", (TEST, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
            textcoords="offset points", ha="left", va="bottom", fontsize=7.5, color=MUTED,
        )  # fmt: skip
        for y, lane in enumerate(lanes):
            plots.note(ax, y, str(data["lane"].eq(lane).sum()), color=INK, fontsize=8)
        ax.set(xlabel="", ylabel="", ylim=(len(lanes) - 0.35, -0.5))
        ax.xaxis.set_major_locator(YearLocator())
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        plots.left_align(fig, ax)
    return fig, data.drop(columns="day")
