"""A person looks at a candidate list: arithmetic from stated error rates, and what is published.

Nothing here was observed in this project but the hit rates and FPIRs of `tables`:
reviewers' error rates come from data/published/reviewers.csv, or are called assumptions.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.what_the_officer_sees import tables as candidate_lists
from helpers.experiments.what_the_officer_sees.tables import THOUSAND
from helpers.experiments.what_the_officer_sees.words import LIST, STRICT, span, span_percent
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show.numbers import percent
from helpers.show.plots import PERCENT, handles, lines, log_axis, new_figure
from helpers.show.style import INK, styled
from helpers.sources import published

SHARES = (0.9, 0.5, 0.1, 0.01)  # of the searches, those whose person is in the gallery


class Reviewer(NamedTuple):
    """Stated error rates of whoever looks at a list; each is a share of lists, given what is on it.

    finds: of the lists that hold the person sought, those where the reviewer names that person.
    wrong_pick: of the same lists, those where the reviewer names someone else.
    false_alarm: of the lists without the person, those where the reviewer names someone.
    """

    finds: float
    wrong_pick: float
    false_alarm: float


def outcomes(
    reviewer: Reviewer, enrolled_share: float, on_list: float, shown: float = 1.0, searches=THOUSAND
) -> dict:
    """What comes out of so many searches, each list looked at by a reviewer: expected numbers.

    enrolled_share: share of the searches whose person is in the gallery. on_list: share of those
    where the person is on the list (the hit rate, 1 - FNIR). shown: share of the other searches
    whose list holds anybody (1 without a threshold, else the FPIR). Returns right, wrong (named
    persons), nobody (searches that end without a name), right_share (of the named; NaN if nobody is
    named). Raises ValueError for a rate outside 0 to 1.
    """
    for name, value in {**reviewer._asdict(), "enrolled_share": enrolled_share,
                        "on_list": on_list, "shown": shown}.items():  # fmt: skip
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is a share between 0 and 1, not {value}")
    if reviewer.finds + reviewer.wrong_pick > 1:
        raise ValueError("a reviewer who finds the person does not name someone else")
    there = enrolled_share * on_list
    absent = (1 - there) * shown
    right = searches * there * reviewer.finds
    wrong = searches * (there * reviewer.wrong_pick + absent * reviewer.false_alarm)
    named = right + wrong
    return {
        "right": right,
        "wrong": wrong,
        "nobody": searches - named,
        "right_share": right / named if named else float("nan"),
    }


def reviewers() -> pd.DataFrame:
    """What studies published on lists and on those who look at them, with source and status.

    Columns study, date, quantity, value (text as published), source_url, status, note.
    """
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
    """Who looks at the list: columns scenario, list_size, rule, best, worst (Reviewers), basis.

    best and worst differ where a study tells how often reviewers err on a list with the person, but
    not how: all of those errors are misses (best), or all name someone else (worst).
    """
    officers = published_rate("White 2014", "wrong person accepted (share)")
    rejected = published_rate("White 2014", "right person rejected (share)")
    users = published_rate("White 2015", "errors of users on candidate lists (share)")
    examiners = users - published_rate("White 2015", "fewer errors of facial examiners (share)")
    rows = [
        ("Nobody checks: the first is taken", 1, "none", (0.0, 1.0), 1.0, "assumption"),
        ("Passport officers, first only", 1, "none", (rejected, officers), 0.0, "White 2014"),
        ("Users of such software", LIST, "none", (users, users), users, "White 2015, see caption"),
        ("Facial examiners", LIST, "none", (examiners, examiners), examiners,
         "White 2015, Bruce 1999, see caption"),
        ("Facial examiners, strict rule", LIST, STRICT, (examiners, examiners), examiners,
         "the same, rule of section 3"),
        ("A reviewer who never errs", LIST, "none", (0.0, 0.0), 0.0, "assumption"),
    ]  # fmt: skip
    return pd.DataFrame(
        [
            {
                "scenario": name,
                "list_size": size,
                "rule": rule,
                "best": Reviewer(1 - missed, 0.0, alarm),
                "worst": Reviewer(1 - missed, min(wrong, missed), alarm),
                "basis": basis,
            }
            for name, size, rule, (missed, alarm), wrong, basis in rows
        ]
    )


def calculate(shares=SHARES) -> pd.DataFrame:
    """The calculator over all scenarios, models and shares of searches with an enrolled person.

    Columns scenario, basis, model, share, right, wrong_best, wrong_worst (named persons per
    thousand searches), right_share_best, right_share_worst (of the named).
    """
    rates_of = candidate_lists.misses().set_index(["model", "rule", "list_size"])
    rows = []
    for s in scenarios().to_dict("records"):
        for model in PRIMARY_MODELS:
            r = rates_of.loc[(model, s["rule"], s["list_size"])]
            shown = (1.0, 1.0) if s["rule"] == "none" else (r["fpir"], r["fpir_high"])
            for share in shares:
                best, worst = (
                    outcomes(s[k], share, 1 - r["fnir"], n)
                    for k, n in zip(("best", "worst"), shown, strict=True)
                )
                rows.append(
                    {
                        "scenario": s["scenario"],
                        "basis": s["basis"],
                        "model": model,
                        "share": share,
                        "right": best["right"],
                        "wrong_best": best["wrong"],
                        "wrong_worst": worst["wrong"],
                        "right_share_best": best["right_share"],
                        "right_share_worst": worst["right_share"],
                    }
                )
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- as notebook 09 shows it


def show_practice() -> pd.DataFrame:
    """Published facts on lists in use."""
    return _published(["GAO-16-267", "GAO-19-579T", "Washington County"])


def show_reviewers() -> pd.DataFrame:
    """Published error rates of people who look at faces."""
    return _published(["White 2015", "Bruce 1999", "White 2014", "Heyer 2018"])


def _published(studies: list[str]) -> pd.DataFrame:
    table = reviewers()
    table = table[table["study"].isin(studies)]
    return pd.DataFrame(
        {
            "Source": table["study"],
            "Date": table["date"],
            "What": table["quantity"],
            "Value": table["value"],
            "Status": table["status"],
            "Note": table["note"],
            "Address": table["source_url"],
        }
    )


def show_outcomes() -> pd.DataFrame:
    """The calculator's table: a row a scenario, columns right / wrong at each share."""
    table = calculate()
    rows = []
    for scenario, part in table.groupby("scenario", sort=False):
        row = {"Who looks": scenario, "Basis": part["basis"].iloc[0]}
        for share in SHARES:
            at = part[part["share"] == share]
            wrong = [*at["wrong_best"], *at["wrong_worst"]]
            row[f"{100 * share:g} % enrolled: right / wrong"] = (
                f"{span(at['right'])} / {span(wrong)}"
            )
        rows.append(row)
    return pd.DataFrame(rows)


def caption_outcomes() -> str:
    """Caption of the calculator's table."""
    return (
        "Expected persons named per thousand searches, right and wrong, when that share of the "
        "searches is for someone who is in the gallery. Ranges: over the three models, and from "
        "the best to the worst that the studies leave open (where the person is on the list, no "
        "error names someone else, or all do; with the strict rule, the FPIR or the upper end of "
        f"its interval). Hit rates and FPIR from sections 2 and 3, lists of 1 or {LIST}. Assumed: "
        "reviewers err on these lists as in the study, and the error share of White 2015 holds "
        "with and without the person on the list."
    )


def curves() -> pd.DataFrame:
    """The calculator over a fine range of shares, for the figure; best case of each scenario."""
    shares = np.round(np.logspace(-2, 0, 41), 4)
    table = calculate(shares)
    return table[["scenario", "model", "share", "right_share_best", "right_share_worst"]]


@styled()
def plot_base_rate(table: pd.DataFrame) -> Figure:
    """Of the persons named, the share that is right, by the share enrolled; a panel a model."""
    looks = {
        "Nobody checks: the first is taken": {"color": "#A03F14"},
        "Users of such software": {"color": "#7A7A7A"},
        "Facial examiners": {"color": INK},
        "Facial examiners, strict rule": {"color": "#1A3A8A", "ls": (0, (4, 1.5))},
    }
    names = ["nobody checks", "users", "examiners", "examiners, strict"]
    spread = ("right_share_worst", "right_share_best")
    fig, axes = new_figure(3.1, 1, len(PRIMARY_MODELS), sharey=True)
    table = table.assign(percent=100 * table["share"])
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        part = table[table["model"] == model]
        lines(ax, part, "percent", spread[1], "scenario", looks, spread=spread, width=1.6,
              alpha=0.15)  # fmt: skip
        ax.set_title(MODEL_LABELS[model])
        log_axis(ax, "x", [1, 10, 100], "{:g} %")
        ax.set_xlim(1, 100)
        ax.set_ylim(0, 102)
        ax.yaxis.set_major_formatter(PERCENT)
        ax.grid(axis="both")
    axes[0, 0].set_xlabel("Searches whose person is in the gallery (logarithmic)", loc="left")
    axes[0, 2].legend(
        handles=handles(dict(zip(names, looks.values(), strict=True)), lw=1.6), loc="upper left",
        bbox_to_anchor=(0, 0.95), fontsize=7.2, handlelength=1.3, borderaxespad=0.1,
    )  # fmt: skip
    return fig


def title_base_rate() -> str:
    """The finding of the figure of base rates."""
    table = calculate((0.1,))
    users = table[table["scenario"] == "Users of such software"]
    wrong = 1 - users[["right_share_best", "right_share_worst"]].to_numpy().ravel()
    return (
        "At the stated error rates, with one search in ten for someone in the gallery, "
        f"{span_percent(wrong)} of the persons that users name are wrong"
    )


def caption_base_rate() -> str:
    """Caption of the figure of base rates."""
    return (
        "Of the persons a reviewer names, the share that is the person sought. Bands: from the "
        "best to the worst that the studies leave open, as in the table. Arithmetic from stated "
        "rates, not an observation."
    )


def alt_base_rate() -> str:
    """What the figure of base rates shows."""
    table = calculate((0.01, 0.1, 0.5))
    parts = []
    for scenario in ("Users of such software", "Facial examiners, strict rule"):
        at = table[table["scenario"] == scenario].groupby("share")["right_share_best"]
        spans = [f"{span_percent(v)} at {percent(k, 0)}" for k, v in at]
        parts.append(f"{scenario}: {', '.join(spans)}")
    return f"Rising curves, share of right names against share enrolled. {'; '.join(parts)}."


def words_outcomes() -> str:
    """The calculator in words."""
    table = calculate()

    def at(scenario, share):
        return table[(table["scenario"] == scenario) & (table["share"] == share)]

    users, none = at("Users of such software", 0.1), at("Nobody checks: the first is taken", 0.1)
    examiners = at("Facial examiners", 0.1)
    strict = at("Facial examiners, strict rule", 0.1)
    return (
        "Right names can only come from searches for people who are in the gallery, wrong ones "
        "come from all. With one search in ten for someone in it, and no threshold, taking the "
        "first face "
        f"names {span(none['right'])} right and {span(none['wrong_best'])} wrong persons per "
        f"thousand searches; users who err as in the study {span(users['right'])} and "
        f"{span([*users['wrong_best'], *users['wrong_worst']])}; facial examiners "
        f"{span(examiners['right'])} and "
        f"{span([*examiners['wrong_best'], *examiners['wrong_worst']])}. With the strict rule "
        f"before them, the examiners name {span(strict['right'])} and "
        f"{span([*strict['wrong_best'], *strict['wrong_worst']])}. "
        f"A human in the loop is a filter with error rates of its own. What share of real searches "
        "is for people who are enrolled has not been published, as far as we know."
    )
