"""What notebook 01 claims, and how it would be noticed if it were false."""

import pandas as pd

from helpers.experiments.the_people import tables as p
from helpers.experiments.the_people import validity as v
from helpers.faces.pipelines import MODELS, PIPELINES, PRIMARY_MODELS
from helpers.paths import FIGURES, ROOT
from helpers.protocol import validity
from helpers.sources import rosters
from helpers.sources.groups import COLOUR, GROUPS
from helpers.sources.published import aclu_28


def passing() -> set[str]:
    gate = v.measured().query("dataset == @v.LARGER")
    return {row["model"] for row in gate.to_dict("records") if validity.passes(row)}


def only_the_native_pass() -> bool:
    return passing() == set(PRIMARY_MODELS) == {m for m in MODELS if PIPELINES[m].feed == "native"}


def counts() -> pd.DataFrame:
    return pd.read_csv(FIGURES / "tab-01-groups.csv").set_index("Group")


def brightness() -> pd.Series:
    members = p.photographed()
    return members.groupby(["gender", "group"])["brightness"].median()


def darker() -> bool:
    found = brightness()
    return all(
        found[gender, group] < found[gender, "White"]
        for gender in ("female", "male")
        for group in ("Black", "East Asian")
    )


def more_male_whiter_older() -> bool:
    mix = p.composition().set_index("label")
    ours, theirs = mix["congress_share"], mix["utkface_share"]
    white, women = ours["White"] > theirs["White"], ours["Women"] < theirs["Women"]
    return white and women and ours["55–75"] > theirs["55–75"] and ours["18–34"] < theirs["18–34"]


def facenet_is_the_nearest() -> bool:
    gate = v.measured().query("dataset == @v.LARGER").set_index("model")
    tar = gate[f"tar_{validity.VALID_FMR:g}"].drop(list(PRIMARY_MODELS))
    return tar.idxmax() == "Facenet" and tar.max() < validity.VALID_TAR


def two_failed_and_one_is_on_the_list() -> bool:
    deepface = p.read_failures(p.faces_path("probes", p.DEEPFACE))["id"]
    natively = p.read_failures(p.faces_path("probes", p.MODEL))["id"]
    on_list = set(deepface) & set(aclu_28()["member_id"])
    return len(natively) == 0 and len(deepface) == 2 and len(on_list) == 1


def deepface_is_below() -> bool:
    lfw = v.sources.lfw().groupby("pipeline")["accuracy"].max()
    return all(
        lfw[m] < lfw[n]
        for m in ("Dlib", "SFace", "Facenet")
        for n in PRIMARY_MODELS
        if PIPELINES[m].recogniser == PIPELINES[n].recogniser
    )


CLAIMS = [
    (
        "All three programs tell members' portraits apart when each is fed as its publisher feeds "
        "it; as deepface feeds them, none does well enough.",
        only_the_native_pass,
    ),
    ("So conclusions about people rest on the three native ones.", only_the_native_pass),
    (
        "Searched are 529 voting members, 102 of them members of colour by the publisher's record.",
        lambda: counts().loc[COLOUR, "All"] == 102 and counts().loc["All", "All"] == 529,
    ),
    (
        "Neither gallery is an arrest file.",
        lambda: "arrest" not in (ROOT / "data/manifests/legislators.csv").read_text("utf-8"),
    ),
    (
        "Fed natively, all three networks tell people apart; as deepface feeds them, none well enough",
        only_the_native_pass,
    ),
    (
        "Members of colour are five groups, and three of these have fewer than ten members",
        lambda: len(GROUPS) == 6 and (counts().loc[list(GROUPS[1:]), "All"] < 10).sum() == 3,
    ),
    ("Facenet is the nearest to the bar of the three.", facenet_is_the_nearest),
    (
        "Congress is whiter, more male and older than the gallery of strangers",
        more_male_whiter_older,
    ),
    (
        "Portraits of Black and of East Asian members are darker than those of white members",
        darker,
    ),
    (
        "In release 0.1 two members failed to enrol, one of them on the ACLU's list",
        two_failed_and_one_is_on_the_list,
    ),
    (
        "deepface's own benchmark of its feeds is below what the publishers of the networks report",
        deepface_is_below,
    ),
    (
        "Two recorded genders were wrong",
        lambda: rosters.load_corrections()["field"].eq("gender").sum() == 2,
    ),
]
