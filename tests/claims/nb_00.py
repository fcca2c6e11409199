"""Claims of notebook 00: what was claimed, what was published of it, what happened since."""

import pandas as pd

from helpers.paths import FIGURES
from helpers.sources import published

DATA = ["Photographs searched", "Scores", "Code"]
CLOSED = {"no", "not found"}


def table(id):
    return pd.read_csv(FIGURES / f"{id}.csv", dtype=str, keep_default_na=False)


def laid_open():
    return table("tab-00-laid-open").set_index("Test")


def events(kind):
    found = published.events()
    return found[found["kind"].eq(kind)]


def aclu_reported():
    claim = table("tab-00-claim").set_index("What").loc["members falsely matched"]
    return claim["Date"].startswith("2018-07") and claim["Published"] == "28 of 535"


def amazon_found_none():
    rows = table("tab-00-amazon").query("Study == 'Amazon reply 2018'")
    own = rows[rows["What"].eq("false matches at 99 percent")]
    default = table("tab-00-claim").set_index("What").loc["similarity threshold", "Published"]
    return own["Published"].tolist() == ["0"] and default == "80 %"


def nothing_from_either_side():
    sides = laid_open().loc[["ACLU 2018", "Amazon 2018", "Amazon 2019"], DATA]
    return sides.isin(CLOSED).all(axis=None)


def cannot_be_checked():
    sides = laid_open().loc[["ACLU 2018", "Amazon 2018"], [*DATA, "Gallery"]]
    return sides.isin(CLOSED).all(axis=None)


def eleven_of_fifteen():
    drawn = table("fig-00-since")["lane"].eq("Wrongful arrests").sum()
    known = events("count of arrests").iloc[-1]
    return drawn == 11 and "at least the fifteenth publicly known" in known["event"]


def no_rarer():
    rate = table("fig-00-others").set_index("study")["fpir"].astype(float)
    return rate.round(2).min() == round(rate["ACLU 2018"], 2)


def one_in_twenty_or_more():
    found = table("fig-00-others")
    return (found["fpir"].astype(float).between(0.05, 1)).all() and len(found) == 5


def politicians_athletes_legislators():
    rate = table("fig-00-others").set_index("people")["fpir"].astype(float)
    lowest = rate[["members of Congress", "US politicians", "UK politicians"]]
    close = lowest.max() - lowest.min() < 0.01
    return close and lowest.max() < rate["athletes"] < rate["legislators"] == rate.max()


def thresholds_as_a_rule():
    shown = laid_open()
    return shown["Threshold"].eq("yes").mean() > 0.5 and shown[DATA].isin(CLOSED).all(axis=None)


def most_gave_the_threshold():
    given = laid_open()["Threshold"]
    return len(given) / 2 < given.eq("yes").sum() < len(given)


def advice_came_on_two_days():
    rows = table("tab-00-amazon")
    advice = rows[rows["What"].eq("threshold recommended for law enforcement")]
    wanted = [["2018-07-26", "95 %"], ["2018-07-27", "99 %"]]
    return advice[["Date", "Published"]].to_numpy().tolist() == wanted


def manual_came_later():
    rows = table("tab-00-amazon").set_index("What")
    day = pd.Timestamp(rows.loc["threshold recommended for many law enforcement uses", "Date"])
    return 14 < (day - pd.Timestamp("2018-07-26")).days < 90


def none_of_amazon():
    arrests = events("wrongful arrest")
    words = arrests[["event", "actor", "note"]].agg(" ".join, axis=1)
    return not words.str.contains("Amazon|Rekognition").any() and len(arrests) > 0


def bans_that_went():
    law = events("law")
    replaced = law[law["event"].str.contains("Virginia replaced its ban")]
    return len(replaced) == 1 and law["event"].str.contains("body cameras.*expired").sum() == 1


def not_among_nist():
    rows = published.published_results().query("study == 'NISTIR 8280 2019'")
    return rows["note"].str.contains("Amazon is not among the developers").any()


def year_then_open_end():
    company = events("company").query("actor == 'Amazon'")["event"].tolist()
    return "one-year moratorium" in company[0] and "until further notice" in company[1]


CLAIMS = [
    (
        "In July 2018 the ACLU reported that Amazon's Rekognition took 28 members of Congress for "
        "people in arrest photos.",
        aclu_reported,
    ),
    (
        "Amazon answered that its own test, at a stricter threshold, had no false match.",
        amazon_found_none,
    ),
    ("We found no photographs, scores or code from either side.", nothing_from_either_side),
    ("Neither claim can be checked; only the protocol can be repeated.", cannot_be_checked),
    (
        "Eleven wrongful arrests after a match, of at least fifteen that are publicly known",
        eleven_of_fifteen,
    ),
    (
        "Each test that we found, Amazon's own aside, falsely matched one in twenty people or more",
        one_in_twenty_or_more,
    ),
    ("In the tests that we found, false matches were hardly rarer than in 2018.", no_rarer),
    (
        "Congress in the ACLU's test and the politicians of Comparitech's lie lowest and close "
        "together, the athletes of Massachusetts higher, the legislators of California highest.",
        politicians_athletes_legislators,
    ),
    (
        "Found published of the tests: mostly a threshold, never photographs, scores or code",
        thresholds_as_a_rule,
    ),
    ("Most publishers gave the threshold", most_gave_the_threshold),
    ("it advised 95 on the first day and 99 on the next", advice_came_on_two_days),
    ("some weeks after the test", manual_came_later),
    (
        "No wrongful arrest in it is known to us to have involved Amazon's service.",
        none_of_amazon,
    ),
    (
        "Virginia later replaced its ban with rules, and California's, on body cameras, expired.",
        bans_that_went,
    ),
    ("Amazon's was not among them, according to reports.", not_among_nist),
    (
        "Amazon stopped selling face recognition to police for a year, then until further notice.",
        year_then_open_end,
    ),
]
