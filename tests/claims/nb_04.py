"""Claims of notebook 04: which groups are misidentified, with which program."""

import functools
import re

import pandas as pd

from helpers.experiments.who_is_misidentified import adjustment, parts
from helpers.experiments.who_is_misidentified import tables as who
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import FIGURES
from helpers.sources.groups import ASIAN, COLOUR, NOT_ASIAN

DLIB, SFACE, FACENET = PRIMARY_MODELS
BOTH = (COLOUR, "Women")


@functools.cache
def table(id: str) -> pd.DataFrame:
    return pd.read_csv(FIGURES / f"{id}.csv")


def holds(group: str, variant: str = "rule") -> list[int]:
    """The verdict on a group, in the order Dlib, SFace, Facenet."""
    rows = who.rule(variant).query("group == @group").set_index("model")
    return rows.loc[list(PRIMARY_MODELS), "holds"].tolist()


def verdict(group: str, left_out: str = "probable same persons left out") -> list[bool]:
    """Whether the shown table says "more often" of a comparison, by program."""
    rows = table("tab-04-verdicts").query("`Left out` == @left_out")
    row = rows[rows["Compared"].str.startswith(f"{group} against")].iloc[0]
    return [row[p].startswith("more often") for p in ("Dlib", "SFace", "Facenet")]


def picked(group: str, column: str = "picked") -> pd.Series:
    """How many of a group each list has: the ACLU's, Dlib's, SFace's, Facenet's."""
    return table("fig-04-picked").query("group == @group").set_index("list")[column]


def reversals(gallery: str, column: str, compared: str = "") -> pd.Series:
    """Ends of the intervals of both main comparisons, by program and comparison."""
    rows = table("tab-04-reversals").query("Gallery == @gallery")
    rows = rows[rows["Compared"].str.startswith(compared)]
    return rows.set_index(["Program", "Compared"])[column].map(ends)


def ends(text: str) -> tuple[float, float]:
    """The ends of an interval in a cell: "0.71 (0.64–0.77)"."""
    low, high = re.search(r"([\d.]+)–([\d.]+)\)?$", text).groups()
    return float(low), float(high)


def a_fifth_and_half() -> bool:
    rows = table("tab-04-bounds").query("not Compared.str.contains('Asian')")
    k, n = (rows["Picked"].str.split(" of ").str[i].astype(int) for i in (0, 1))
    half = (k[rows["Program"] != "SFace"] >= 14).all() and len(rows) == 6
    return bool(half and (n / 529).between(0.18, 0.22).all())


def one_woman() -> bool:
    more = (picked("Women") > picked("Men")).tolist()
    return picked("Women").iloc[0] == 1 and more == [False, True, False, True]


def chance_with_sface() -> bool:
    return all(verdict(g) == [True, False, True] for g in BOTH)


def depends_on_same_persons() -> bool:
    nobody = verdict(COLOUR, "nobody left out")
    strict = verdict(COLOUR, "contested identities left out too")
    return not any(nobody) and all(strict)


def nearness_reverses() -> bool:
    """Every AUC, crude: above one half among strangers, below it among former legislators."""
    here, there = reversals("UTKFace", "AUC"), reversals("Former legislators", "AUC")
    here = here.loc[["Dlib", "SFace", "Facenet"]]
    rows = len(here) == len(there) == 6
    return rows and min(low for low, _ in here) > 0.5 and max(high for _, high in there) < 0.5


def who_stands_out() -> bool:
    rows = table("fig-04-rates").set_index(["program", "group"])
    dlib, sface = rows.loc["Dlib"], rows.loc["SFace"]
    same = sface["low"].lt(28 / 529).all() and sface["high"].gt(28 / 529).all()
    most = dlib.at["East Asian", "fpir"] > 0.5 and dlib.at["Hispanic", "flagged"] == 0
    return bool(most and same)


def differ(model: str, whole: str = COLOUR) -> bool:
    return parts.pooled()[model, whole][1].p < 0.05


def black_members() -> bool:
    fails = who.rule().query("group == 'Black' and model == @DLIB").iloc[0]
    only = [c for c in who.checks() if not fails[c]] == ["at 14"]
    return holds("Black") == [0, 0, 1] and only


def aligned_sface() -> bool:
    low, high = reversals("UTKFace", "Ratio, like with like", "Women").loc["SFace"].item()
    return low < 1 < high


def dlib_turns_round() -> bool:
    rows = reversals("UTKFace", "AUC, like with like")
    fed, native = rows.loc["Dlib (deepface)"], rows.loc["Dlib"]
    return len(fed) == 2 and max(e[1] for e in fed) < 0.5 < min(e[0] for e in native)


def adjusted_gaps() -> bool:
    table = adjustment.adjusted()
    others, sface = table.query("model != @SFACE"), table.query("model == @SFACE")
    chance = (sface["low"] < 1) & (sface["high"] > 1)
    return bool(len(table) == 36 and others["low"].min() > 1 and chance.all())


def intersections() -> bool:
    rows = who.secondary().query("characteristic == @who.BOTH and holm_p < 0.05")
    left = rows[["model", "group", "n1"]].to_numpy().tolist() == [[DLIB, "East Asian women", 7]]
    half = who.load("who-half-samples").query("group == 'Women of colour'")
    chance = ((half["ratio_low"] < 1) & (half["ratio_high"] > 1)).all()
    return bool(left and len(half) == 3 and chance)


def party() -> bool:
    rows = (
        who.secondary().query("group == 'Democrats'").set_index("model").loc[list(PRIMARY_MODELS)]
    )
    crude = rows["low"] > 1
    like = (rows["within_low"] < 1) & (rows["within_high"] > 1)
    return crude.tolist() == [True, False, True] and bool(like.all())


def no_group_is_enough() -> bool:
    return not parts.apart()["enough"].any()


def infinite_by_chance() -> bool:
    rows = parts.apart().query("groups == 'all groups' and measure == 'max / min'")
    return len(rows) == 3 and bool((rows[["value", "chance"]] == float("inf")).all(axis=None))


def only_dlib_beyond_chance() -> bool:
    rows = parts.apart().query("groups != 'all groups' and measure == 'Gini'")
    return rows["model"][rows["value"] > rows["chance_high"]].tolist() == [DLIB]


def other_lists() -> bool:
    asian = sum(picked(g) for g in ASIAN)
    return asian.iloc[0] == 0 and asian.iloc[1:].gt(0).tolist() == [True] * 3


def no_hispanic() -> bool:
    return picked("Hispanic").eq(0).tolist() == [False, True, False, False]


def dlib_elsewhere() -> bool:
    found = reversals("Former legislators", "Ratio, like with like", COLOUR).droplevel(1)
    return found["Dlib"][0] > 1 and all(found[p][0] < 1 < found[p][1] for p in ("SFace", "Facenet"))


def without_asian_members() -> bool:
    rows = table("tab-04-bounds").query("Program == 'Dlib'").set_index("Compared")
    interval = rows["Interval, half-samples"].map(ends)
    whole, rest = (interval[f"{g} against white members"] for g in (COLOUR, NOT_ASIAN))
    return whole[0] > 1 and rest[0] < 1 < rest[1]


CLAIMS = [
    (
        "Women and members of colour are each a fifth of Congress, but at least half of the 28 "
        "whom two of three programs falsely matched.",
        a_fifth_and_half,
    ),
    ("The third program's picks could be chance.", chance_with_sface),
    (
        "For members of colour it turns on which matches are the members themselves.",
        depends_on_same_persons,
    ),
    (
        "Without a threshold, both resemble former legislators less than white members and men do.",
        nearness_reverses,
    ),
    (
        "The ACLU's list has one woman; two of three open programs picked more women than men",
        one_woman,
    ),
    (
        "With Dlib and with Facenet, members of colour and women were picked more often in this "
        "gallery, in every check. With SFace neither passes.",
        lambda: all(holds(g) == [1, 0, 1] for g in BOTH),
    ),
    (
        "If nobody is left out as probably the member, no program passes; if every contested "
        "identity goes, all three do.",
        lambda: (holds(COLOUR, "any"), holds(COLOUR, "strict")) == ([0, 0, 0], [1, 1, 1]),
    ),
    (
        "Women against men come out the same each time.",
        lambda: all(holds("Women", v) == [1, 0, 1] for v in who.TREATMENTS),
    ),
    (
        "Dlib picked most East Asian members and no Hispanic one; with SFace no group stands out",
        who_stands_out,
    ),
    ("With Dlib the parts differ.", lambda: differ(DLIB) and differ(DLIB, NOT_ASIAN)),
    (
        "With SFace and with Facenet the parts could be alike, which is not shown",
        lambda: not any(differ(m, w) for m in (SFACE, FACENET) for w in (COLOUR, NOT_ASIAN)),
    ),
    (
        "Black members were picked more often with Facenet, in every check. With Dlib they were so at "
        "28, and a stricter threshold leaves too few to tell; with SFace it could be chance.",
        black_members,
    ),
    ("Without a threshold, Dlib fed by deepface turns both comparisons round.", dlib_turns_round),
    (
        "Search former legislators instead, and without a threshold white members lie nearer than "
        "members of colour, and men nearer than women, with all three programs.",
        nearness_reverses,
    ),
    (
        "At 28, Dlib still picks members of colour more often there; the others could be chance.",
        dlib_elsewhere,
    ),
    (
        "Of the intersections only East Asian women with Dlib are left after Holm, seven people.",
        intersections,
    ),
    (
        "Democrats were picked more often with Dlib and Facenet, but among members of the same "
        "gender, white or of colour, it could be chance in all three.",
        party,
    ),
    (
        "No group here has both 30 people and 30 errors, below which a rate is not fixed.",
        no_group_is_enough,
    ),
    (
        "With all groups the ratio of largest to smallest is infinite in every program, and "
        "infinite by chance, too.",
        infinite_by_chance,
    ),
    (
        "Of groups of 30 people or more, only Dlib's have a Gini coefficient beyond what chance "
        "gives in nineteen draws of twenty.",
        only_dlib_beyond_chance,
    ),
    ("It has no Asian member, and each of ours has some.", other_lists),
    (
        "Without Asian members, Dlib's ratio for members of colour could be chance, too.",
        without_asian_members,
    ),
    (
        "Aligned as its publisher does, SFace gives a ratio that could be chance.",
        aligned_sface,
    ),
    (
        "Whichever of them is adjusted for, Dlib's and Facenet's gaps stay above chance, and SFace's "
        "could be chance.",
        adjusted_gaps,
    ),
    ("Dlib picked no Hispanic member", no_hispanic),
]
