"""What notebook 09 claims, and how it would be noticed if it were false."""

import pandas as pd

from helpers.experiments.what_the_officer_sees import reviewers as r
from helpers.experiments.what_the_officer_sees import tables as c
from helpers.faces.pipelines import MODEL_LABELS
from helpers.protocol import shipped
from helpers.statistics.paired import mcnemar
from helpers.statistics.rates import at_or_below

TEN = c.LIST


def at(rule: str) -> pd.DataFrame:
    """Both errors of one rule on lists of at most ten, a row a program."""
    table = c.errors().query("rule == @rule and list_size == @TEN")
    return table.set_index(table["model"].map(MODEL_LABELS))


def always_full() -> bool:
    none = at("none")
    return (none["any"] == none["searched"]).all() and (none["mean"] == TEN * c.THOUSAND).all()


def strict_spares() -> bool:
    return (at(c.STRICT)["mean"] < at("none")["mean"] / 10).all()


def sface_hardly_rises() -> bool:
    """Of the same people; the more who are missed could be chance (McNemar)."""
    more = at(c.STRICT)["missed"] - at("none")["missed"]
    return more["SFace"] <= 2 and mcnemar(more["SFace"], 0) > 0.05 > mcnemar(more["Dlib"], 0)


def blocks() -> pd.DataFrame:
    return c.thousand(r.base_rate()).set_index(["Program", "Threshold"])


def turns_into_strangers() -> bool:
    none = blocks().xs("no threshold", level="Threshold")
    return (none["nobody listed"] == 0).all() and (none["strangers listed"] == 736).all()


def as_the_blocks_look() -> bool:
    sface = blocks().loc["SFace"]["strangers listed"]
    return 700 < sface["no threshold"] < 750 and 200 < sface["strict threshold"] < 250


def one_portrait_fails() -> bool:
    lost = c.enrolled().query("rank == inf")
    return lost.groupby("model").size().eq(1).all() and lost["member_id"].nunique() == 1


def black_members_first() -> bool:
    black = c.enrolled().query("group == 'Black'")
    first = black["rank"].eq(1).groupby(black["model"]).mean()
    return first["sface-native"] == 1 and first["dlib-native"] < 0.8


def defaults_spare_few() -> bool:
    mean = at("default")["mean"]
    return mean[["Dlib", "Facenet"]].min() > 0.8 * TEN * c.THOUSAND > 2 * mean["SFace"]


def more_pass_than_named() -> bool:
    """Strangers listed in a comparison, the places beyond ten not counted, against the FMR."""
    faces = shipped.scores("utkface", "sface-native").faces
    return (at("fmr:1e-06")["mean"] / c.THOUSAND / faces > 1e-6).all()


def rarer_is_worse() -> bool:
    drawn = r.curves().query("scenario != 'A reviewer who never errs'")
    return all(
        part.sort_values("share")["low"].is_monotonic_decreasing
        and part.sort_values("share")["high"].is_monotonic_decreasing
        for _, part in drawn.groupby("scenario")
    )


def computed_there() -> bool:
    """The last cell's <= agrees with the tables."""
    for model, rows in c.table().groupby("model"):
        limit = c.threshold(model, c.STRICT)
        row = at(c.STRICT).loc[MODEL_LABELS[model]]
        own = rows.dropna(subset="rank")
        found = ((own["rank"] <= TEN) & (own["genuine"] <= limit)).sum()
        if found != row["enrolled"] - row["missed"]:
            return False
        if at_or_below(rows["stranger_1"], limit).sum() != row["any"]:
            return False
    return True


CLAIMS = [
    (
        "A candidate list without a threshold names innocent people whenever the person sought is "
        "not in the gallery.",
        always_full,
    ),
    ("A strict threshold spares most of them.", strict_spares),
    (
        "With Dlib, people missed rise from 2.3 % with no threshold to 14.4 % with a strict "
        "threshold; with SFace they hardly rise.",
        sface_hardly_rises,
    ),
    ("which could be chance", sface_hardly_rises),
    (
        "A thousand searches: without a threshold each one for a person who is not in the gallery "
        "ends in a list of strangers",
        turns_into_strangers,
    ),
    ("SFace, which misses fewest", lambda: at("none")["missed"].idxmin() == "SFace"),
    ("Without a threshold nearly three quarters are lists of strangers.", as_the_blocks_look),
    ("of whom one fails to enrol and is on no list", one_portrait_fails),
    (
        "No difference between members of colour and white members in who comes first is beyond "
        "chance",
        lambda: (c.differences() > 0.05).all(),
    ),
    ("with SFace all of them", black_members_first),
    ("The library defaults spare hardly anybody with Dlib and Facenet", defaults_spare_few),
    ("at the strictest more of these comparisons pass than the name says", more_pass_than_named),
    (
        "The rarer the person sought is in the gallery, the more of those named are someone else",
        rarer_is_worse,
    ),
    ("Without a threshold, and cut at the strict one", computed_there),
]
