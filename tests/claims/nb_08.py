"""What notebook 08 claims, and how it would be noticed if it were false."""

import pandas as pd

from helpers.experiments.how_good_is_the_photo import tables as t
from helpers.faces.enrolment import read_failures
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol.shipping import faces_path

THRESHOLDS = ("28", "default", "fmr_1e_4")


def rates(outcome: str) -> pd.DataFrame:
    """Shares of the figure: a row a photo, a column a program."""
    table = t.worse().query("outcome == @outcome")
    return table.pivot(index="Photo", columns="Program", values="rate")


def change(outcome: str) -> pd.DataFrame:
    found = rates(outcome)
    return found.drop("As published") - found.loc["As published"]


def costs_finds() -> bool:
    lost, added = change("not found"), change("falsely matched")
    return bool((lost > added.abs()).all(axis=None))


def nearly_all() -> bool:
    missed = rates("not found").loc["Blur, strong"]
    return missed["SFace"] < 0.75 and missed.drop("SFace").min() > 0.95


def blur_up_and_down() -> bool:
    moved = t.moved().query("kind == 'blur' and level == 6").set_index("model")["change"]
    return moved["dlib-native"] > 0 > moved["sface-native"] and len(moved) == 2


def either_way() -> bool:
    false = change("falsely matched")
    return bool((false > 0).any(axis=None) and (false < 0).any(axis=None))


def sface_only_down() -> bool:
    down = [(t.moved(p).query("model == 'sface-native'")["change"] < 0).all() for p in THRESHOLDS]
    return all(down) and len(t.moved().query("model == 'sface-native'")) > 0


def few_moved() -> bool:
    tested = t.overall()["holm_p"]
    return (tested < t.SIGNIFICANT).sum() < tested.notna().sum() / 4


def default_down() -> bool:
    moved, before = t.moved("default"), t.overall("default").query("kind == @t.UNDEGRADED")
    return (moved["change"] < 0).all() and len(moved) > 0 and (before["fpir"] > 0.5).all()


def misses_rise() -> bool:
    found = [
        t.overall(p).query("fnir_holm_p < @t.SIGNIFICANT") for p in (*THRESHOLDS, "legislators")
    ]
    return all((part["fnir_change"] > 0).all() and len(part) for part in found)


def clear_gaps(policy: str) -> set:
    clear = t.gaps(f"at_{policy}").query("within_holm_p < @t.SIGNIFICANT")
    return {(t.photo(r.kind, r.level), r.model) for r in clear.itertuples()}


def only_facenet() -> bool:
    photos = ("Blur, medium", "Low resolution, medium")
    return clear_gaps("28") == {(photo, "facenet-native") for photo in photos}


def no_gap_at_two() -> bool:
    seen = [gap for policy in THRESHOLDS for gap in clear_gaps(policy)]
    return len(seen) == len(set(seen)) > 0


def chance_elsewhere() -> bool:
    gap = ("Blur, medium", "facenet-native")
    auc = t.summary().query("kind == 'blur' and level == 4 and model == 'facenet-native'")
    elsewhere = clear_gaps("default") | clear_gaps("fmr_1e_4")
    return gap in clear_gaps("28") and gap not in elsewhere and (auc["auc_holm_p"] > 0.05).all()


def gaps_stay() -> bool:
    table = t.gaps().query("model != 'sface-native'")
    return bool((table["k1"] / table["n1"] > table["k0"] / table["n0"]).all())


def sides_of_sface() -> bool:
    table = t.gaps().query("model == 'sface-native'")
    behind = table["k1"] / table["n1"] < table["k0"] / table["n0"]
    return behind.any() and not behind.all()


def black_members() -> pd.DataFrame:
    return t.no_face("Black").set_index("Photo")


def five_degradations() -> bool:
    clear = black_members().query("holm_p < @t.SIGNIFICANT")
    return len(clear) == 5 and (clear["k1"] / clear["n1"] > clear["k0"] / clear["n0"]).all()


def scaling() -> bool:
    scaled = t.overall().query("kind == @t.SCALED")
    return (scaled["flagged"] - 28).abs().max() <= 2 and scaled["lost"].max() > 10


def all_have_a_face() -> bool:
    return len(read_failures(faces_path("probes", PRIMARY_MODELS[0]))) == 0


def missed_as_computed_there() -> bool:
    """The last cell's > agrees with what the tables hold."""
    rows = t.results().query("kind == 'blur' and level == 6 and genuine.notna()")
    limit = rows["model"].map(lambda m: t.thresholds(m)["at_28"])
    return bool(((rows["genuine"] > limit) == rows["missed_28"].astype(bool)).all())


CLAIMS = [
    ("A worse photo costs finds more than it adds false matches.", costs_finds),
    (
        "With strong blur, 69 % of the members who are in the gallery are not found by SFace, and "
        "nearly all by the others.",
        nearly_all,
    ),
    (
        "False matches move little: strong blur raises them with Dlib and lowers them with SFace.",
        lambda: blur_up_and_down() and few_moved(),
    ),
    (
        "On every worse photo fewer members are found; false matches go up or down",
        lambda: bool((change("not found") > 0).all(axis=None)) and either_way(),
    ),
    ("Scaling alone hardly changes how many are falsely matched, but it changes who", scaling),
    ("in which the detector finds a face, which are all of them", all_have_a_face),
    ("Most changes could be chance.", few_moved),
    ("SFace only ever moves down", sface_only_down),
    ("every clear change is downwards", default_down),
    ("never does a worse photo find clearly more, at any threshold", misses_rise),
    (
        "At 28 flagged the gap between the groups changes by more than chance only with Facenet, on "
        "medium blur and medium low resolution",
        only_facenet,
    ),
    ("without any threshold, that change could be chance", chance_elsewhere),
    ("No change of the gap, in any program, holds at two thresholds.", no_gap_at_two),
    (
        "the gap that Dlib and Facenet have on published portraits does not go away on any photo",
        gaps_stay,
    ),
    ("with SFace they are close together and change places in some rows", sides_of_sface),
    (
        "In five degradations the difference is more than chance within recorded gender.",
        five_degradations,
    ),
    (
        "there no Black member is lost",
        lambda: (black_members().loc[["Too dark, mild", "Too dark, strong"], "k1"] == 0).all(),
    ),
    ("how many of the members who are in the gallery are missed?", missed_as_computed_there),
]
