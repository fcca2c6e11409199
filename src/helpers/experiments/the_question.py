"""What was claimed, by whom, on what evidence: the tables and sentences of notebook 00.

Every number comes from `helpers.sources.published` or from the roster; the intervals are ours.
"""

from datetime import date
from urllib.parse import urlsplit

import pandas as pd

from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show import numbers
from helpers.show.numbers import percent
from helpers.sources import groups, published
from helpers.sources.galleries import ADULT
from helpers.sources.groups import GROUPS
from helpers.sources.rosters import load_members
from helpers.statistics import rates
from helpers.statistics.exact_tests import power_fisher
from helpers.statistics.intervals import risk_ratio, wilson

REPLIES = ["Amazon reply 2018", "Amazon reply 2019", "Amazon moratorium", "IBM", "Microsoft"]
STATUS_WORDS = {
    "primary": "publisher's own page",
    "press": "press report",
    "copy of the paper": "copy of the paper",
}


# ---------------------------------------------------------------- as notebook 00 shows it


def _value(row) -> str:
    """A published value as a reader expects it: 28 of 535, 80 %, 25,000."""
    text, of = row["value"], row["denominator"]
    if row["quantity"].endswith(("falsely matched", "(share)")) and of:
        return f"{text} of {int(of):,}"
    if row["quantity"].endswith("(share)"):
        return percent(float(text), max(0, len(text.partition(".")[2]) - 2))  # as many digits
    if row["quantity"].endswith("percent)"):
        return f"{text} %"
    return f"{float(text):,.10g}" if text.replace(".", "", 1).isdigit() else text


def show(studies: list[str], *columns: str) -> pd.DataFrame:
    """The published numbers of some studies, written out, with their source and its status."""
    table = published.published_results()
    table = table[table["study"].isin(studies)].sort_values("date", kind="stable")
    ends = r" \((?:share|percent)\)$"
    shown = pd.DataFrame(
        {
            "Date": table["date"],
            "Study": table["study"],
            "What": table["quantity"].str.replace(ends, "", regex=True),
            "Published": table.apply(_value, axis=1),
            "Note": table["note"],
            "Read in": table["status"].map(STATUS_WORDS),
            "At": table["source_url"].map(lambda u: urlsplit(u).netloc.removeprefix("www.")),
        }
    )
    before = [c for c in columns if c != "Note"]
    after = [c for c in columns if c == "Note"]
    return shown[[*before, "What", "Published", *after, "Read in", "At"]]


def others() -> list[str]:
    """The studies that are neither the ACLU's test of 2018 nor a reply of a company."""
    studies = published.published_results()["study"].unique()
    return [s for s in studies if s != published.ACLU and s not in REPLIES]


def show_codings() -> pd.DataFrame:
    """`codings` as shares beside rates; what rests on a round number says "about"."""
    rows = []
    for row in published.codings().to_dict("records"):
        k, n = row["colour_flagged"], row["colour_searched"]
        other_k, other_n = row["flagged"] - k, row["searched"] - n
        ratio = risk_ratio(k, n, other_k, other_n)
        if row["exact"]:
            of_all = numbers.rate(n, row["searched"])
            colour, other = (
                numbers.rate(a, b, *wilson(a, b)) for a, b in ((k, n), (other_k, other_n))
            )
            text = numbers.ratio(ratio.ratio, ratio.low, ratio.high)
        else:
            of_all = f"about {percent(n / row['searched'], 0)}"
            colour, other = f"about {percent(k / n, 0)}", f"about {percent(other_k / other_n, 0)}"
            text = f"about {ratio.ratio:.1f}"
        rows.append(
            {
                "Coding": row["coding"],
                "Of the falsely matched, of colour (a share)": numbers.rate(
                    k, row["flagged"], *wilson(k, row["flagged"])
                ),
                "Of those searched, of colour": of_all,
                "FPIR, members of colour": colour,
                "FPIR, white members": other,
                "Ratio of the FPIRs": text,
            }
        )
    return pd.DataFrame(rows)


def _rate(row) -> str:
    return numbers.rate(int(row["flagged"]), int(row["searched"]), row["low"], row["high"])


def _aclu() -> pd.Series:
    return published.searches().set_index("study").loc[published.ACLU]


def _day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%B %Y}"


def answer() -> str:
    """The answer of notebook 00 in two sentences."""
    test, reported = _aclu(), published.codings().iloc[0]
    k, n = reported["colour_flagged"], reported["flagged"]
    strict = published.number("Amazon reply 2018", "false matches at 99 percent")
    return (
        f"**On {_day(test['date'])} the ACLU reported that Amazon Rekognition, at its default "
        f"settings, had matched {_rate(test)} of the members of Congress to strangers in a gallery "
        f"of {test['gallery']:,} arrest photos, and that {numbers.rate(k, n, *wilson(k, n))} "
        f"of the matched were people of colour; Amazon replied that at a threshold of "
        f"{_advice()[-1]} % its own re-run gave {strict:.0f} false matches.** "
        "**Neither side published photographs, scores or code, so neither number can be checked; "
        "the protocol can be repeated with open models, and that is what these notebooks do.**"
    )


def _advice() -> list[str]:
    """The thresholds that Amazon recommended to the police, in per cent, first to last."""
    table = published.published_results().sort_values("date", kind="stable")
    advice = "threshold recommended for law enforcement (percent)"
    return table[table["quantity"].eq(advice)]["value"].tolist()


def words_arithmetic() -> str:
    """FPIR and FMR of the ACLU's test, worked out."""
    test = _aclu()
    comparisons = int(test["searched"] * test["gallery"])
    once = comparisons / test["flagged"]
    return (
        f"The ACLU searched {test['searched']} photographs, each in a gallery of "
        f"{test['gallery']:,}: {comparisons:,} single comparisons. {test['flagged']} searches "
        f"returned somebody, so the **FPIR** was {_rate(test)}. How many candidates they returned "
        f"was not published; at least one each, so the **FMR** was at least {test['flagged']} in "
        f"{comparisons:,}, about 1 in {round(once, -3):,.0f}. Both numbers describe the same test. "
        f"A rate that sounds negligible for one comparison is not negligible for a search, because "
        f"a search is {test['gallery']:,} comparisons: were they independent, an FMR of 1 in a "
        f"million would give a stranger in "
        f"{percent(rates.chance_of_a_candidate(1e-6, test['gallery']))} "
        f"of all searches. (They are not independent, since some faces resemble many others; the "
        f"next notebooks measure it.)"
    )


def words_share() -> str:
    """Why the 39 % is a share and not an error rate."""
    reported, coded = published.codings().to_dict("records")
    k, n = reported["colour_flagged"], reported["flagged"]
    mine, white = coded["colour_flagged"], coded["flagged"] - coded["colour_flagged"]
    groups = published.aclu_28()["group"].value_counts()
    parts = " and ".join(f"{groups[g]} {g}" for g in GROUPS[1:] if g in groups)
    return (
        f"**The much-quoted {percent(k / n, 0)} is a share.** Of the {n} falsely matched members, "
        f"{k} were people of colour. It does *not* say that {percent(k / n, 0)} of the members of "
        f"colour were falsely matched: on the list of names, coded by the roster's publisher, that "
        f"is {percent(mine / coded['colour_searched'])} of them, against "
        f"{percent(white / (coded['searched'] - coded['colour_searched']))} of the white members. "
        f"A share says little until the share of the group among those searched stands beside it.\n"
        f"\n**Two codings.** The reports count {k}. The list of {n} names, as far as it is known, "
        f"holds {mine} members whom the roster's publisher codes as members of colour: {parts}. "
        f"Which member makes the difference was not published. Both are shown:"
    )


def words_pattern() -> str:
    """Who is hardly on the ACLU's list: women and Asian members."""
    names, members = published.aclu_28(), load_members()
    women = (names["gender"].eq("female").sum(), members["gender"].eq("female").sum())
    asians = (groups.asian(names["group"]).sum(), groups.asian(members["group"]).sum())
    few_women, few_asians = (
        rates.chance_of_so_few(*x, len(names), len(members)) for x in (women, asians)
    )
    return (
        f"The same list holds {women[0]} of the {women[1]} women and {asians[0]} of the "
        f"{asians[1]} Asian members. Were {len(names)} members drawn by lot, so few women would "
        f"come up in {percent(few_women)} of the draws and so few Asian members in "
        f"{percent(few_asians, 0)}: the second is no finding, the first hardly chance. An arrest "
        f"gallery with few women in it might do that; as the gallery was never described, the "
        f"cause cannot be known. And every interval here speaks of chance alone: software, "
        f"photographs and gallery were one choice each."
    )


def words_reply() -> str:
    """Amazon's replies, and what a zero can mean."""

    def number(study, quantity):
        return published.number(study, quantity)

    first, second = _advice()
    searched = int(number(published.ACLU, "members searched"))
    zero = number("Amazon reply 2018", "false matches at 99 percent")
    low, high = wilson(0, searched)
    default = number(published.ACLU, "similarity threshold (percent)")
    return (
        f"Amazon's reply was about the threshold. The default of {default:.0f} % was not meant for "
        f"police work; it recommended {first} % on the first day and {second} % on the next, at "
        f"which its own re-run gave {zero:.0f} false matches. A zero needs its denominator: if all "
        f"{searched} members were searched, it is {numbers.rate(0, searched, low, high)}. A "
        f"stricter threshold also misses more of the people who *are* in the gallery; the reports "
        f"that we read give no number for that. What a percentage on such a scale means, and what "
        f"strictness costs, is a question of its own."
    )


def words_sources() -> str:
    """How well the published numbers could be verified."""
    status = published.published_results()["status"].value_counts()
    names = published.aclu_28()
    again = int(names["note"].str.contains("confirmed by").sum())
    return (
        f"Of the {status.sum()} published numbers collected for this project, {status['primary']} "
        f"were read on the publisher's own page, {status['copy of the paper']} in a copy of the "
        f"paper and {status['press']} in a press report only. The {len(names)} names are known to "
        f"us from one press copy of the ACLU's list; {again} of them are confirmed by another "
        f"source. Full addresses are in [results.csv](../data/published/results.csv) and "
        f"[aclu_28.csv](../data/published/aclu_28.csv)."
    )


def words_plan() -> str:
    """The primary analysis as the design fixes it, with its power."""
    members = load_members()
    colour = int(members["of_colour"].sum())
    count = int(published.number(published.ACLU, "members falsely matched"))
    power = {r: power_fisher(colour, len(members) - colour, count, r) for r in (2, 3)}
    names = [MODEL_LABELS[m] for m in PRIMARY_MODELS]
    return (
        f"* **Primary.** For each of {', '.join(names[:-1])} and {names[-1]}, in a gallery of "
        f"strangers of {ADULT[0]} to {ADULT[1]} years: the threshold at which {count} members are "
        f"flagged, the ACLU's count. The overall FPIR is then fixed and gets no interval; the "
        f"result is the ratio of the FPIR of members of colour to that of white members, crude and "
        f"within recorded sex, with Fisher's exact test, adjusted (Holm) for the {len(names)} "
        f"models.\n"
        f"* **Power.** With {count} flagged, a test of {colour} members of colour against "
        f"{len(members) - colour} white members finds a true ratio of 2 with a probability of "
        f"{power[2]:.1f} and one of 3 with {power[3]:.1f}. A null result is weak evidence.\n"
        f"* **Descriptive.** What the libraries' default thresholds do.\n"
        f"* **Exploratory.** Single groups, gender, party, chamber, age: shown with their numbers "
        f"and intervals, never as a headline.\n"
        f"* **No headline rests on one model.** In the pilot, models disagreed about the disparity "
        f"at the same overall rate."
    )


def title_searches() -> str:
    """Title of the figure of published tests."""
    table = published.searches()
    low, high = percent(table["fpir"].min(), 0), percent(table["fpir"].max(), 0)
    return f"Tests published by others falsely matched {low} to {high} of the people searched"


def caption_searches() -> str:
    """Caption of the figure of published tests."""
    table = published.searches()
    sizes = " or ".join(f"{g:,}" for g in sorted(table["gallery"].unique()))
    return (
        f"People falsely matched by Amazon Rekognition, as published by others. People, "
        f"photographs and galleries ({sizes} arrest photos) differ from row to row, so the rows "
        f"are not comparable as such. We know of no published data behind them. The Wilson "
        f"intervals are ours and treat searches as independent, although all people of one test "
        f"share a gallery."
    )


def alt_searches() -> str:
    """Alternative text of the figure of published tests."""
    rows = "; ".join(f"{r['label']} {_rate(r)}" for r in published.searches().to_dict("records"))
    return f"Dots with intervals, one row for each published test: {rows}."
