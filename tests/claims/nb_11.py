"""Claims of notebook 11, each with a check on its data."""

import pandas as pd

from helpers.experiments import the_2018_script as script
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import FIGURES

PROGRAMS = ("Dlib", "SFace", "Facenet")


def rows(id: str, percent: int) -> pd.DataFrame:
    """The open programs at one setting, in the data of a figure or table."""
    data = pd.read_csv(FIGURES / f"{id}.csv")
    if "section" in data:
        label = script.SETTING_LABELS[percent]
        data = data[data["label"].eq(label) & data["section"].str.contains("former")]
    else:
        data = data[data["similarity"].eq(percent)]
    assert len(data) == len(PROGRAMS)
    return data.reset_index(drop=True)


def matched(percent: int) -> pd.Series:
    return rows("fig-11-three-settings", percent)["flagged"]


def matched_by_each(percent: int) -> list[set]:
    found = {m: script.from_scores(m) for m in PRIMARY_MODELS}
    return [set(f["member_id"][script.flagged(f, percent)]) for f in found.values()]


def spread(percent: int, column: str) -> float:
    """How many times the smallest value of the programs the largest is, at one percentage."""
    values = rows("fig-11-one-percentage", percent)[column]
    return values.max() / values.min()


def in_a_million(percent: int) -> pd.Series:
    """False matches in a million comparisons of members with former legislators, by program."""
    data = pd.read_csv(FIGURES / "tab-11-three-settings.csv", thousands=",")
    data = data[data["Setting"] == f"at {percent}"].set_index("Program")
    return data["False matches in a million comparisons"]


def agreement() -> pd.DataFrame:
    return pd.read_csv(FIGURES / "tab-11-same-members.csv")


CLAIMS = [
    (
        "The same calls get an answer from any software, and each program gives another one.",
        lambda: all(
            a != b
            for percent in script.SETTINGS
            for sets in [matched_by_each(percent)]
            for a, b in zip(sets, [*sets[1:], sets[0]], strict=True)
        ),
    ),
    (
        "At the default of 80, open programs take most of Congress for former members.",
        lambda: (matched(80) > 529 / 2).all(),
    ),
    (
        "At the settings that we named 95 and 99 far fewer are matched, but in every program some "
        "still are.",
        lambda: (
            (matched(95) < matched(80) / 4).all()
            and (matched(99) < matched(95)).all()
            and (matched(99) > 0).all()
        ),
    ),
    (
        "Raising 80 to 99 removes most false matches of the open programs, but not all of any",
        lambda: (matched(99) < matched(80) / 2).all() and (matched(99) > 0).all(),
    ),
    (
        "One percentage, different errors: false matches differ at 80, misses at 99",
        lambda: spread(80, "fmr") > 10 and spread(99, "fnmr") > 3 and spread(99, "fmr") < 1.05,
    ),
    (
        "None of them changes who is matched.",
        lambda: agreement()["Members matched by only one"].eq(0).all(),
    ),
    (
        "The service matches the members whom the scores match",
        lambda: (
            agreement()["Matched through the service"]
            .eq(agreement()["Matched by the scores alone"])
            .all()
        ),
    ),
    (
        "The price differs as much as the gain.",
        lambda: spread(99, "fnmr") > 5 and matched(99).max() > 5 * matched(99).min() > 0,
    ),
    (
        "A calibrated threshold does not travel.",
        lambda: in_a_million(99)["SFace"] > 10 and (in_a_million(99) > 1.5).all(),
    ),
]
