"""What notebook 13 claims, and how it would be noticed if it were false."""

import numpy as np

from helpers.experiments.does_it_replicate import registration, tables, verdicts
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipped, validity


def verdict() -> dict:
    found = tables.hypotheses()
    return {(r.model, r.kind): (r.part, r.verdict) for r in found.itertuples()}


def dlib_held_in_everything() -> bool:
    mine = tables.sensitivity().query("model == 'dlib-native'")
    return len(mine) == 10 and mine["verdict"].eq(verdicts.REPLICATED).all()


def none_failed() -> bool:
    found = tables.hypotheses()
    return not found["verdict"].eq(verdicts.NOT).any()


def facenet_is_fragile() -> bool:
    mine = tables.sensitivity().query("model == 'facenet-native' and kind == 'part'")
    mine = mine.set_index("reading")["verdict"]
    others = ["nobody left out", "contested faces left out too"]
    return mine["as registered"] == verdicts.REPLICATED and mine[others].eq("undecided").all()


def directions_came_back() -> bool:
    found = tables.hypotheses().query("part != ''")
    same = (found["odds_ratio"] > 1) == (found["ratio_115"] > 1)
    return len(found) == 5 and same.all() and found["verdict"].eq("replicated").sum() == 3


def near_2018() -> bool:
    table = (
        tables.flagged().query("group == 'All newcomers' and gender == 'all'").set_index("model")
    )
    return all(table.loc[m, "low"] < 28 / 529 < table.loc[m, "high"] for m in PRIMARY_MODELS)


def facenet_by_deepface() -> bool:
    here = tables.gate().set_index("model")["tar_0.001"]
    there = validity.measure(*validity.members("Facenet", "second-portraits")[:2])
    native = all(here[m] >= validity.VALID_TAR for m in PRIMARY_MODELS)
    return native and here["Facenet"] >= validity.VALID_TAR > there["tar_0.001"]


def together() -> bool:
    table = tables.update().query("people == 'together'").set_index("model")
    sure = table.loc[["dlib-native", "facenet-native"], "low"].min() > 1
    return sure and table.loc["sface-native", "low"] < 1 < table.loc["sface-native", "high"]


def at_defaults() -> bool:
    table = tables.flagged(default=True).query("group == 'All newcomers' and gender == 'all'")
    old = [shipped.result("utkface", m).summary["fpir"] for m in table["model"]]
    return len(table) == 6 and (table["fpir"] > 0.5).all() and np.min(old) > 0.5


CLAIMS = [
    (
        "What Dlib did to the Congress of 2018, it did again to members who were not there.",
        dlib_held_in_everything,
    ),
    (
        "Of 169 newcomers it picked those of colour, East Asian ones above all, more often than white ones, as registered beforehand.",
        lambda: (
            verdict()["dlib-native", "part"] == ("East Asian", "replicated")
            and verdict()["dlib-native", "pooled"][1] == "replicated"
            and registration.load()["newcomers"]["people"] == 169
        ),
    ),
    (
        "For Facenet one of two hypotheses held, on three people.",
        lambda: (
            tables.hypotheses()
            .query("model == 'facenet-native' and kind == 'part'")["flagged"]
            .item()
            == 3
            and [verdict()["facenet-native", k][1] for k in ("part", "pooled")]
            == ["replicated", "undecided"]
        ),
    ),
    (
        "SFace stays undecided.",
        lambda: verdict()["sface-native", "pooled"][1] == "undecided",
    ),
    (
        "No hypothesis failed.",
        none_failed,
    ),
    (
        "Every registered direction came back; three of five hypotheses are confirmed",
        directions_came_back,
    ),
    (
        "what Facenet's verdict rests on is three people, and among East Asian newcomers there are four to be searched",
        lambda: (
            tables.hypotheses()
            .query("model == 'facenet-native' and kind == 'part'")["flagged"]
            .item()
            == 3
            and tables.hypotheses().query("part == 'East Asian'")["searched"].item() == 4
        ),
    ),
    (
        "it was the likeliest verdict for most hypotheses even if nothing had changed",
        lambda: (
            sum(
                r["undecided"] > max(r["replicated"], r["not replicated"])
                for r in registration.load()["power"]
                if r["truth"] == "as in the 115th"
            )
            > 2.5
        ),
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
