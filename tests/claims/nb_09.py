"""What notebook 09 claims, and how it would be noticed if it were false."""

import pandas as pd

from helpers.experiments.what_the_officer_sees import reviewers as r
from helpers.experiments.what_the_officer_sees import tables as c
from helpers.faces.pipelines import MODEL_LABELS
from helpers.statistics.rates import at_or_below

TEN = c.LIST


def at(rule: str) -> pd.DataFrame:
    """Both errors of one rule on lists of at most ten, a row a program."""
    table = c.misses().query("rule == @rule and list_size == @TEN")
    return table.set_index(table["model"].map(MODEL_LABELS))


def always_full() -> bool:
    none = at("none")
    return (none["any"] == none["searched"]).all() and (none["mean"] == TEN * c.THOUSAND).all()


def strict_spares_and_misses() -> bool:
    none, strict = at("none"), at(c.STRICT)
    return (strict["mean"] < none["mean"] / 10).all() and (strict["fnir"] > none["fnir"]).all()


def blocks() -> pd.DataFrame:
    return c.thousand(r.base_rate()).set_index(["Program", "Threshold"])


def turns_into_strangers() -> bool:
    none = blocks().xs("no threshold", level="Threshold")
    return (none["nobody listed"] == 0).all() and (none["strangers listed"] == 736).all()


def as_the_blocks_look() -> bool:
    sface = blocks().loc["SFace"]["strangers listed"]
    return 700 < sface["no threshold"] < 750 and 200 < sface["strict threshold"] < 250


def longer_lists_lack_fewer() -> bool:
    missed = c.missing().pivot(index="program", columns="list", values="missed")
    return (missed["list of 10"] < missed["list of 1"]).all()


def one_portrait_fails() -> bool:
    lost = c.enrolled().query("rank == inf")
    return lost.groupby("model").size().eq(1).all() and lost["member_id"].nunique() == 1


def black_members_first() -> bool:
    first = c.hit_rates_by_group(1).query("group == 'Black'").set_index("model")
    sface = first.loc["sface-native"]
    return sface["hits"] == sface["searched"] and first.loc["dlib-native", "rate"] < 0.8


def first_strangers() -> dict:
    return c.alike().query("place == 1").set_index("model")["nearer_p90"].to_dict()


def more_than_chance() -> bool:
    found = c.hubs().query("list_size == @TEN")
    return (found["share"] > found["by_chance"])[found["top"] < found["faces"] / 50].all()


def defaults_spare_few() -> bool:
    mean = at("default")["mean"]
    return mean[["Dlib", "Facenet"]].min() > 0.8 * TEN * c.THOUSAND > 2 * mean["SFace"]


def more_pass_than_named() -> bool:
    """Strangers listed in a comparison, the places beyond ten not counted, against the FMR."""
    return (at("fmr:1e-06")["mean"] / c.THOUSAND / c.hubs()["faces"].iloc[0] > 1e-6).all()


def rarer_is_worse() -> bool:
    drawn = r.curves().query("scenario != 'A reviewer who never errs'")
    return all(
        part.sort_values("share")["low"].is_monotonic_decreasing
        and part.sort_values("share")["high"].is_monotonic_decreasing
        for _, part in drawn.groupby("scenario")
    )


def strict_helps_more_than_eyes() -> bool:
    """Of wrong names at one in ten: what the threshold takes, and what better eyes take."""
    wrong = r.calculate((0.1,)).groupby("scenario")["wrong_worst"].max()
    users, examiners = wrong["Users of such software"], wrong["Facial examiners"]
    strict = wrong["Facial examiners, strict threshold"]
    return strict < examiners < users and strict / examiners < examiners / users


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
    ("A list of ten names ten, with every program.", always_full),
    (
        "A strict threshold spares most of them, and misses more of the people sought: with SFace "
        "1.5 %, with Dlib 14.4 %.",
        strict_spares_and_misses,
    ),
    (
        "A thousand searches: without a threshold everyone who is not in the gallery turns into a "
        "list of strangers",
        turns_into_strangers,
    ),
    ("Without a threshold nearly three quarters are lists of strangers.", as_the_blocks_look),
    (
        "With every program a list of ten lacks fewer of the people sought than the first face alone",
        longer_lists_lack_fewer,
    ),
    ("one such portrait fails to enrol", one_portrait_fails),
    (
        "Members of colour and white members do not differ by more than chance in who comes first.",
        lambda: (c.group_differences()["holm_p"] > 0.05).all(),
    ),
    ("with SFace all of them", black_members_first),
    (
        "no first stranger is nearer than one genuine pair in ten",
        lambda: first_strangers()["sface-native"] == 0 < first_strangers()["dlib-native"],
    ),
    ("with each program more than chance would give them", more_than_chance),
    ("The library defaults spare hardly anybody with Dlib and Facenet", defaults_spare_few),
    ("at the strictest more of these comparisons pass than the name says", more_pass_than_named),
    (
        "The rarer the person sought is in the gallery, the more of those named are someone else",
        rarer_is_worse,
    ),
    (
        "a strict threshold before it helps more than the better eyes alone",
        strict_helps_more_than_eyes,
    ),
    ("Without a threshold, and cut at the strict one", computed_there),
]
