"""Claims of notebook 03, each with a check on its data."""

import re

import pandas as pd

from helpers.experiments.what_is_80_percent import tables as t
from helpers.paths import FIGURES
from helpers.protocol import error_rates


def shown(id: str) -> pd.DataFrame:
    return pd.read_csv(FIGURES / f"{id}.csv", keep_default_na=False)


def count(text) -> int:
    """The first number of "28 of 529 (5.3 %)" or "1 in 120,000"'s second."""
    found = re.match(r"(?:1 in )?([\d,]+)", str(text))
    assert found, text
    return int(found[1].replace(",", ""))


def share(text: str) -> float:
    k, n = re.match(r"([\d,]+) of ([\d,]+)", text).groups()
    return int(k.replace(",", "")) / int(n.replace(",", ""))


def marked(threshold: str, column: str, deepface: bool = False) -> pd.Series:
    """A column of tab-03-marked at one threshold, of the native programs or of deepface's."""
    table = shown("tab-03-marked")
    table = table[table["Threshold"].eq(threshold)]
    table = table[table["Program"].str.contains("deepface") == deepface]
    assert len(table) == 3
    return table.set_index("Program")[column]


def missed(threshold: str, deepface: bool = False) -> pd.Series:
    return marked(threshold, "Second portraits missed", deepface).map(share)


def flagged(threshold: str) -> pd.Series:
    return marked(threshold, "Members flagged").map(share)


def misses_rise_as_flags_fall() -> bool:
    lines = shown("fig-03-two-errors").astype({"flagged": float, "missed": float})
    falls = [
        part.sort_values("threshold")["missed"].is_monotonic_decreasing
        and part.sort_values("threshold")["flagged"].is_monotonic_increasing
        for _, part in lines.groupby("program")
    ]
    return len(falls) == 3 and all(falls) and (missed("28 flagged") > missed("default")).all()


def confidence(at_least: int, column: str) -> pd.Series:
    table = shown("tab-03-confidence-rules")
    return table[table["Confidence"] == f"at least {at_least}"].set_index("Program")[column]


def old_portraits() -> pd.Series:
    """How many times the stated FMR members have at the legislators' threshold of 1 in 10,000."""
    table = shown("tab-03-calibrated")
    return table[table["Set to"] == "at 1 in 10,000"].set_index("Program")["Times the stated rate"]


def jumps() -> pd.DataFrame:
    """The first and last confidence of each side of the default, and the regression's largest."""
    curves = shown("fig-03-deepface-confidence")
    sides = curves.groupby(["program", "side"], sort=False)["confidence"].agg(["first", "last"])
    wide = sides.unstack()
    return pd.DataFrame(
        {
            "at": wide["last", "match"],
            "beyond": wide["first", "no match"],
            "regression": curves.groupby("program")["logistic"].max(),
        }
    )


def offered_below_ten_thousand() -> pd.Series:
    table = shown("tab-03-calibrated")
    return table[table["Set to"].isin(["at 1 in 100,000", "at 1 in 1,000,000"])]["Distance"]


CLAIMS = [
    (
        "A mark on one maker's scale: the same number means something else in every program.",
        lambda: (
            confidence(80, "Members flagged").map(count).is_unique
            and confidence(80, "Second portraits missed").map(count).is_unique
        ),
    ),
    (
        "Set so that strangers match in 1 in 10,000 comparisons, a search still takes a third to "
        "three quarters of Congress for someone else.",
        lambda: (
            0.33 < flagged("one in ten thousand").min() < 0.36
            and 0.74 < flagged("one in ten thousand").max() < 0.77
        ),
    ),
    (
        "Set as strictly as the ACLU's rate, the programs miss one in forty to one in five second "
        "portraits.",
        lambda: (
            1 / 45 < missed("28 flagged").min() < 1 / 35
            and 1 / 5.2 < missed("28 flagged").max() < 1 / 4.8
        ),
    ),
    (
        "Fewer false matches cost more misses, and how many depends on the program",
        lambda: (
            misses_rise_as_flags_fall()
            and missed("28 flagged").max() > 5 * missed("28 flagged").min()
        ),
    ),
    (
        "deepface's confidence jumps at its default threshold",
        lambda: (jumps()["at"] - jumps()["beyond"] > 10).all() and len(jumps()) == 3,
    ),
    (
        "Every match gets more than half of the scale, although the regression of Dlib (deepface) "
        "says no more than about a third",
        lambda: jumps()["at"].min() > 50 and 30 < jumps().at["Dlib (deepface)", "regression"] < 36,
    ),
    (
        "Beyond 1 in 10,000 the halves make fewer than 30 errors, and no FMR is offered.",
        lambda: (
            len(offered_below_ten_thousand()) == 6
            and offered_below_ten_thousand().str.startswith("not offered").all()
            and t.calibrated()["errors"].min() >= error_rates.MIN_ERRORS
        ),
    ),
    (
        "A threshold is as strict as the people it was set on.",
        lambda: (old_portraits().astype(float) > 1.4).all() and len(old_portraits()) == 3,
    ),
    (
        "most with Facenet",
        lambda: old_portraits().astype(float).idxmax() == "Facenet",
    ),
    (
        "All three programs flag most of Congress there.",
        lambda: (flagged("default") > 0.5).all(),
    ),
    (
        "That was an artefact of feeding.",
        lambda: missed("28 flagged", True)["SFace (deepface)"] > 10 * missed("28 flagged")["SFace"],
    ),
    (
        "Zero is cheap for one program and ruinous for another.",
        lambda: missed("none flagged")["SFace"] < 0.1 and missed("none flagged")["Dlib"] > 0.6,
    ),
    (
        "Of the second portraits nearly all are missed",
        lambda: (confidence(99, "Second portraits missed").map(share) > 0.95).all(),
    ),
    (
        "The ACLU's rate needs about one false match in some hundred thousand comparisons, in all "
        "three programs.",
        lambda: marked("28 flagged", "FMR among members").map(count).between(1e5, 4e5).all(),
    ),
    (
        "No report of these tests that we read gives misses at any setting.",
        lambda: (
            shown("tab-03-reported")
            .query("Quantity.str.contains('miss')")["Value"]
            .eq("not measured")
            .all()
        ),
    ),
]
