"""A person looks at a candidate list: arithmetic from stated error rates, and what is published.

Reviewers' error rates come from data/published/reviewers.csv or are called assumptions; only hit
rates and FPIRs (`tables`) were observed here.
"""

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.experiments.what_the_officer_sees import tables as candidate_lists
from helpers.experiments.what_the_officer_sees.tables import LIST, STRICT, THOUSAND
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.show.numbers import number
from helpers.sources import published

# what police departments reported of their searches: actor and value in the table of events
NEW_YORK, DETROIT = "New York City Police Department", "Detroit Police Department"
USE = {
    (NEW_YORK, "1851"): "New York, searches of 2018: a possible match",
    (NEW_YORK, "998"): "New York, searches of 2018: an arrest",
    (NEW_YORK, "2510"): "New York, searches of 2019: a possible match",
    (DETROIT, "0.3"): "Detroit, searches until 2019: a further step",
}


def use() -> pd.DataFrame:
    """Published outcomes of police searches and their sources; KeyError if one is missing."""
    events = published.events().set_index(["actor", "value"]).loc[list(USE)]
    searches = events["denominator"].astype(float)
    value = np.array([float(value) for _, value in USE])
    shown = {
        "What became of the searches": list(USE.values()),
        "Searches": searches.map(number).to_numpy(),
        "Share": np.where(value < 1, value, value / searches),
        "Status": events["status"].to_numpy(),
        "Note": events["note"].to_numpy(),
        "Address": events["source_url"].to_numpy(),
    }
    return pd.DataFrame(shown)


def base_rate() -> float:
    """Part of New York's searches of 2018 that ended with a possible match."""
    return float(use()["Share"].iloc[0])


def inputs() -> dict[str, float]:
    """Of the searches, those whose person is in the gallery: what the calculator is asked at."""
    return {
        "one in two": 0.5,
        "as in New York": base_rate(),
        "one in ten": 0.1,
        "one in a hundred": 0.01,
    }


class Reviewer(NamedTuple):
    """Stated error rates of whoever looks at a list; each is a share of lists, given what is on it.

    finds: of the lists that hold the person sought, those where the reviewer names that person.
    wrong_pick: of the same lists, those where the reviewer names someone else.
    false_alarm: of the lists without the person, those where the reviewer names someone.
    """

    finds: float
    wrong_pick: float
    false_alarm: float


def outcomes(reviewer: Reviewer, enrolled_share: float, on_list: float, shown: float = 1.0) -> dict:
    """What comes out of THOUSAND searches, each list looked at by a reviewer: expected numbers.

    enrolled_share: share of searches whose person is in the gallery. on_list: of these, the share
    listed (1 - FNIR). shown: share of the others whose list holds anybody. Returns right, wrong,
    nobody (named), right_share (of the named, or NaN). Raises ValueError for a rate outside 0 to 1.
    """
    for name, value in {**reviewer._asdict(), "enrolled_share": enrolled_share,
                        "on_list": on_list, "shown": shown}.items():  # fmt: skip
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is a share between 0 and 1, not {value}")
    if reviewer.finds + reviewer.wrong_pick > 1:
        raise ValueError("a reviewer who finds the person does not name someone else")
    there = enrolled_share * on_list
    absent = (1 - there) * shown
    right = THOUSAND * there * reviewer.finds
    wrong = THOUSAND * (there * reviewer.wrong_pick + absent * reviewer.false_alarm)
    named = right + wrong
    return {
        "right": right,
        "wrong": wrong,
        "nobody": THOUSAND - named,
        "right_share": right / named if named else float("nan"),
    }


def reviewers() -> pd.DataFrame:
    """Published: study, date, quantity, value (text), source_url, status, note."""
    found = published._read("reviewers.csv")
    unknown = set(found["status"]) - {"primary", "press", "quoted"}
    if unknown or found.duplicated(["study", "quantity"]).any():
        raise ValueError(f"reviewers.csv has an unknown status {unknown} or a repeated quantity")
    return found


def published_rate(study: str, quantity: str) -> float:
    """One number of `reviewers`; LookupError if there is none or it is no number."""
    found = reviewers()
    value = found.loc[found["study"].eq(study) & found["quantity"].eq(quantity), "value"]
    if len(value) != 1:
        raise LookupError(f"{len(value)} published values of {quantity!r} in {study!r}")
    return float(value.item())


@cache
def scenarios() -> pd.DataFrame:
    """Who looks at the list: columns scenario, list_size, rule, best, worst (Reviewers).

    Rates are those of the studies; of nobody, and of one who never errs, assumptions. Examiners err
    on lists as users less the difference that White 2015 found; Bruce 1999 agrees.

    best and worst differ where a study tells how often reviewers err on a list with the person, but
    not how: all of those errors are misses (best), or all name someone else (worst).
    """
    officers = published_rate("White 2014", "wrong person accepted (share)")
    rejected = published_rate("White 2014", "right person rejected (share)")
    users = published_rate("White 2015", "errors of users on candidate lists (share)")
    examiners = users - published_rate("White 2015", "fewer errors of facial examiners (share)")
    rows = [
        ("Nobody checks: the first is taken", 1, "none", 0.0, 1.0, 1.0),
        ("Passport officers, first only", 1, "none", rejected, officers, 0.0),
        ("Users of such software", LIST, "none", users, users, users),
        ("Facial examiners", LIST, "none", examiners, examiners, examiners),
        ("Facial examiners, strict threshold", LIST, STRICT, examiners, examiners, examiners),
        ("A reviewer who never errs", LIST, "none", 0.0, 0.0, 0.0),
    ]
    columns = ["scenario", "list_size", "rule", "missed", "alarm", "wrong"]
    found = pd.DataFrame(rows, columns=columns)
    best = [Reviewer(1 - r.missed, 0.0, r.alarm) for r in found.itertuples()]
    worst = [Reviewer(1 - r.missed, min(r.wrong, r.missed), r.alarm) for r in found.itertuples()]
    return found[columns[:3]].assign(best=best, worst=worst)


def calculate(shares=None) -> pd.DataFrame:
    """`outcomes` a thousand searches: a row a scenario, model, case and share of enrolled persons.

    case: "best" or "worst" as in `scenarios`; with a threshold the worst takes the FPIR's high end.
    """
    rates_of = candidate_lists.errors().set_index(["model", "rule", "list_size"])
    rows = []
    for s, model in itertools.product(scenarios().to_dict("records"), PRIMARY_MODELS):
        r = rates_of.loc[(model, s["rule"], s["list_size"])]
        for case, fpir in (("best", r["fpir"]), ("worst", r["fpir_high"])):
            shown = 1.0 if s["rule"] == "none" else fpir
            for share in inputs().values() if shares is None else shares:
                head = {"scenario": s["scenario"], "model": model, "case": case, "share": share}
                rows.append(head | outcomes(s[case], share, 1 - r["fnir"], shown))
    return pd.DataFrame(rows)


def show_published(*studies: str) -> pd.DataFrame:
    """Published facts of some studies: on lists in use, or on people who look at faces."""
    columns = {"study": "Source", "date": "Date", "quantity": "What", "value": "Value"}
    columns |= {"status": "Status", "note": "Note", "source_url": "Address"}
    table = reviewers()
    return table[table["study"].isin(studies)][list(columns)].rename(columns=columns)


def show_outcomes() -> pd.DataFrame:
    """The calculator's table: a row a scenario and share; ranges over programs and what is open."""
    names = {share: name for name, share in inputs().items()}
    rows = []
    for (scenario, share), part in calculate().groupby(["scenario", "share"], sort=False):
        named = f"{span(100 * (1 - part['right_share']))} %"
        rows.append((scenario, names[share], span(part["right"]), span(part["wrong"]), named))
    columns = ["Who looks", "In the gallery", "Right names", "Wrong names", "Wrong, of those named"]
    return pd.DataFrame(rows, columns=columns)


def span(values) -> str:
    """The smallest and largest of some numbers: "57 to 117", or one number if they agree."""
    low, high = (number(f(values)) for f in (min, max))
    return low if low == high else f"{low} to {high}"


def curves() -> pd.DataFrame:
    """Part of the named who are someone else: scenario, share, low, high (over what is open)."""
    table = calculate(np.round(np.logspace(-2, 0, 41), 4))
    wrong = (1 - table["right_share"]).groupby([table["scenario"], table["share"]], sort=False)
    return wrong.agg(low="min", high="max").reset_index()
