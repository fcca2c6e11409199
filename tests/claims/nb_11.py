"""Claims of notebook 11, each with a check on its data."""

import pandas as pd

from helpers.experiments import the_2018_script as script
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import FIGURES


def matched(percent: int) -> pd.Series:
    """The open programs at one setting."""
    data = pd.read_csv(FIGURES / "fig-11-three-settings.csv")
    data = data[data["label"].eq(f"our {percent}")].reset_index(drop=True)
    assert len(data) == len(PRIMARY_MODELS)
    return data["flagged"]


def matched_by_each(percent: int) -> list[set]:
    found = {m: script.from_scores(m) for m in PRIMARY_MODELS}
    return [set(f["member_id"][script.flagged(f, percent)]) for f in found.values()]


def in_a_million(percent: int) -> pd.Series:
    """False matches in a million comparisons of members with former legislators, by program."""
    data = pd.read_csv(FIGURES / "tab-11-three-settings.csv", thousands=",")
    data = data[data["Setting"] == f"at {percent}"].set_index("Program")
    return data["False matches in a million comparisons"]


def gain_and_price_differ() -> bool:
    found = script.counts({m: script.from_scores(m) for m in PRIMARY_MODELS})
    at_99 = found[found["similarity"] == 99]
    return all(at_99[c].max() > 5 * at_99[c].min() > 0 for c in ("fnmr", "flagged"))


def agreement() -> pd.DataFrame:
    return pd.read_csv(FIGURES / "tab-11-same-members.csv")


CLAIMS = [
    (
        "Three open programs answer the same calls, each differently.",
        lambda: all(
            a != b
            for percent in script.SETTINGS
            for sets in [matched_by_each(percent)]
            for a, b in zip(sets, [*sets[1:], sets[0]], strict=True)
        ),
    ),
    (
        "At the default, 80, all take most of Congress for former members.",
        lambda: (matched(80) > 529 / 2).all(),
    ),
    (
        "At what we named 95 and 99 far fewer are matched, but always some.",
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
    ("Gain and price differ by program.", gain_and_price_differ),
    (
        "A calibrated threshold need not hold elsewhere.",
        lambda: in_a_million(99)["SFace"] > 10,
    ),
]
