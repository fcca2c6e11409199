"""What notebook 08 claims, and how it would be noticed if it were false."""

import pandas as pd

from helpers.experiments.how_good_is_the_photo import tables as t
from helpers.statistics.intervals import mantel_haenszel_risk_ratio

THRESHOLDS = ("28", "default", "fmr_1e_4")


def rates(outcome: str) -> pd.DataFrame:
    """Shares of the figure: a row a photo, a column a program."""
    table = t.worse().query("outcome == @outcome")
    return table.pivot(index="Photo", columns="Program", values="rate")


def change(outcome: str) -> pd.DataFrame:
    found = rates(outcome)
    return found.drop("As published") - found.loc["As published"]


def depends_on_the_program() -> bool:
    """Dlib goes up at a threshold, SFace never, and the other way round at another."""
    tallies = t.tallies().set_index(["Threshold", "Program"])
    fmr, default = tallies.loc["FMR 1e-4"], tallies.loc["library default"]
    more, fewer = (f"falsely matched: {how}" for how in ("more", "fewer"))
    return fmr.loc["Dlib", more] > 0 == fmr.loc["SFace", more] and default.loc["Dlib", fewer] > 0


def more_than_finds() -> bool:
    table = t.overall("fmr_1e_4").query("model == 'dlib-native'")
    up = table[(table["holm_p"] < t.SIGNIFICANT) & (table["change"] > 0)]
    return len(up) == 12 and (up["change"] > up["fnir_change"]).sum() > 6


def nearly_all() -> bool:
    missed = rates("not found").loc["Blur, strong"]
    return 0.5 < missed["SFace"] < 0.75 and missed.drop("SFace").min() > 0.95


def blur_up_and_down() -> bool:
    moved = t.moved().query("Photo == 'Blur, strong'").set_index("Program")["change"]
    return moved["Dlib"] > 0 > moved["SFace"] and len(moved) == 2


def either_way() -> bool:
    false = change("falsely matched")
    return bool((false > 0).any(axis=None) and (false < 0).any(axis=None))


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
    clear = t.gaps(f"at_{policy}").query("holm_p < @t.SIGNIFICANT")
    return set(zip(clear["Photo"], clear["Program"], strict=True))


def no_gap_at_two() -> bool:
    seen = [gap for policy in THRESHOLDS for gap in clear_gaps(policy)]
    return len(seen) == len(set(seen)) > 0


def chance_elsewhere() -> bool:
    gap = ("Blur, medium", "Facenet")
    return gap in clear_gaps("28") and gap not in clear_gaps("default") | clear_gaps("fmr_1e_4")


def gaps_stay() -> bool:
    """Within recorded gender (Mantel-Haenszel), in every condition."""
    rows = t.results().query("model != 'sface-native'").assign(n=1, k=lambda x: x["at_28"])
    by = ["model", "kind", "level", "gender", "of_colour"]
    sides = rows.groupby(by)[["k", "n"]].sum().unstack()
    sides.columns = [f"{count}{int(colour)}" for count, colour in sides.columns]
    each = sides.groupby(level=by[:3])
    ratios = [mantel_haenszel_risk_ratio(part).ratio for _, part in each]
    return len(ratios) == 42 and min(ratios) > 1


def black_members() -> pd.DataFrame:
    return t.no_face("Black")


def five_degradations() -> bool:
    clear = black_members().query("holm_p < @t.SIGNIFICANT")
    return len(clear) == 5 and (clear["k1"] / clear["n1"] > clear["k0"] / clear["n0"]).all()


def scaling() -> bool:
    scaled = t.overall().query("kind == @t.SCALED")
    return (scaled["flagged"] - 28).abs().max() <= 2 and scaled["lost"].max() > 10


def missed_as_computed_there() -> bool:
    """The last cell's > agrees with what the tables hold."""
    rows = t.results().query("kind == 'blur' and level == 6 and genuine.notna()")
    limit = rows["model"].map(lambda m: t.make.thresholds(m)["at_28"])
    return bool(((rows["genuine"] > limit) == rows["missed_28"].astype(bool)).all())


CLAIMS = [
    (
        "A worse photo loses the people sought; whether it adds false matches depends on the "
        "program.",
        lambda: misses_rise() and depends_on_the_program(),
    ),
    (
        "With strong blur most members in the gallery are not found.",
        nearly_all,
    ),
    (
        "The same blur takes Dlib from 28 members falsely matched to 68, SFace to 5.",
        blur_up_and_down,
    ),
    (
        "On every worse photo fewer members are found; false matches go up or down",
        lambda: bool((change("not found") > 0).all(axis=None)) and either_way(),
    ),
    ("At 28 flagged most changes could be chance, but people change places", few_moved),
    ("A name near the threshold hangs on a trifle.", scaling),
    ("in most of them by more than it loses finds", more_than_finds),
    ("every clear change is downwards", default_down),
    ("never does a worse photo find clearly more, at any threshold", misses_rise),
    ("At the other two thresholds that change could be chance.", chance_elsewhere),
    ("No change of the gap, in any program, holds at two thresholds.", no_gap_at_two),
    ("at 28 flagged it keeps its direction on every photo", gaps_stay),
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
