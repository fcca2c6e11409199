"""What notebook 13 claims, and how it would be noticed if it were false."""

import numpy as np
import pandas as pd

from helpers.experiments.does_it_replicate import registration, tables, verdicts
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipped, validity
from helpers.sources import groups


def verdict() -> dict:
    found = tables.hypotheses()
    return {(r.model, r.kind): (r.part, r.verdict) for r in found.itertuples()}


def dlib_held_in_everything() -> bool:
    mine = tables.sensitivity().query("model == 'dlib-native'")
    return len(mine) == 10 and mine["verdict"].eq(verdicts.REPLICATED).all()


def part(model: str):
    (row,) = tables.hypotheses().query("model == @model and kind == 'part'").itertuples()
    return row


def dlib_as_registered() -> bool:
    east, found = part("dlib-native"), verdict()
    held = all(found["dlib-native", k][1] == verdicts.REPLICATED for k in verdicts.KINDS)
    return held and (east.part, east.flagged, east.searched) == ("East Asian", 3, 4)


def one_of_facenets_on_three_people() -> bool:
    found = [verdict()["facenet-native", k][1] for k in ("part", "pooled")]
    return found == ["replicated", "undecided"] and part("facenet-native").flagged == 3


def facenet_reaches_equality() -> bool:
    row = part("facenet-native")
    return row.flagged == 3 and row.low < 1 < row.high


def dlib_without_east_asian_newcomers() -> bool:
    people = tables.people("dlib-native").query("group != 'East Asian'")
    return verdicts.exact(verdicts.counts(people, groups.COLOUR)).p_higher > 0.05


def refuting_was_unlikely() -> bool:
    """Even with no difference at all, and if all was as in the 115th; and none was refuted."""
    table = pd.DataFrame(registration.load()["power"])
    as_before = table[table["truth"] == "as in the 115th"]
    undecided = as_before["undecided"] > as_before[["replicated", "not replicated"]].max(axis=1)
    none = not tables.hypotheses()["verdict"].eq(verdicts.NOT).any()
    return none and table["not replicated"].max() < 0.5 and undecided.sum() > len(as_before) / 2


def facenet_is_fragile() -> bool:
    mine = tables.sensitivity().query("model == 'facenet-native' and kind == 'part'")
    mine = mine.set_index("reading")["verdict"]
    others = ["nobody left out", "contested faces left out too"]
    return mine["as registered"] == verdicts.REPLICATED and mine[others].eq("undecided").all()


def directions_came_back() -> bool:
    found = tables.hypotheses().query("part != ''")
    same = (found["odds_ratio"] > 1) == (found["ratio_115"] > 1)
    said = found["verdict"].value_counts()
    few = found["flagged"].max() < 10
    return few and same.all() and (said["replicated"], said["undecided"]) == (3, 2)


def near_2018() -> bool:
    table = tables.flagged().query("group == 'All newcomers'").set_index("model")
    return all(table.loc[m, "low"] < 28 / 529 < table.loc[m, "high"] for m in PRIMARY_MODELS)


def facenet_by_deepface() -> bool:
    here = tables.gate().set_index("model")["tar_0.001"]
    there = validity.measure(*validity.members("Facenet", "second-portraits")[:2])
    native = all(here[m] >= validity.VALID_TAR for m in PRIMARY_MODELS)
    return native and here["Facenet"] >= validity.VALID_TAR > there["tar_0.001"]


def together() -> bool:
    table = tables.update().query("People == 'together'").set_index("Program")["Odds ratio"]
    ends = table.str.extract(r"\(([\d.]+)–([\d.]+)\)").astype(float)
    sure = ends.loc[["Dlib", "Facenet"], 0].min() > 1
    return sure and ends.loc["SFace", 0] < 1 < ends.loc["SFace", 1]


def at_defaults() -> bool:
    table = tables.flagged(default=True).query("group == 'All newcomers'")
    old = [shipped.result("utkface", m).summary["fpir"] for m in table["model"]]
    return len(table) == 6 and (table["fpir"] > 0.5).all() and np.min(old) > 0.5


CLAIMS = [
    (
        "What Dlib did to the Congress of 2018, it did again to newcomers, in the same gallery.",
        dlib_held_in_everything,
    ),
    (
        "As registered, it picked those of colour more often than white ones.",
        dlib_as_registered,
    ),
    (
        "Facenet repeated one of two results, on three people.",
        one_of_facenets_on_three_people,
    ),
    ("SFace stays undecided.", lambda: verdict()["sface-native", "pooled"][1] == "undecided"),
    (
        "Three of five registered hypotheses are confirmed, on few people; two stay undecided",
        directions_came_back,
    ),
    (
        "What Facenet's verdict rests on is three people, and its two-sided interval still reaches "
        "equality",
        facenet_reaches_equality,
    ),
    (
        "without the East Asian newcomers Dlib's difference could be chance.",
        dlib_without_east_asian_newcomers,
    ),
    (
        'with so few people that verdict was unlikely from the start, and "undecided" the '
        "likeliest for most",
        refuting_was_unlikely,
    ),
    ("it came out near the rate of 2018 in every program", near_2018),
    ("Dlib's two hypotheses hold in every reading.", dlib_held_in_everything),
    (
        "with nobody left out of the gallery, or with contested faces left out too, it is undecided",
        facenet_is_fragile,
    ),
    ("The native three pass again.", facenet_by_deepface),
    ("At their defaults all pipelines take most newcomers for somebody else", at_defaults),
    (
        "Together, Dlib and Facenet flag members of colour more often in this gallery, with intervals that leave equality out",
        together,
    ),
]
