"""Claims of notebook 04: which groups are misidentified, with which program."""

import functools
import re

import pandas as pd

from helpers.experiments.who_is_misidentified import aclu, adjustment, parts
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


def picked(group: str) -> pd.Series:
    return table("tab-04-lists").set_index("Group").loc[group]


def ends(text: str) -> tuple[float, float]:
    """The ends of an interval in a cell: "0.71 (0.64–0.77)"."""
    low, high = re.search(r"([\d.]+)–([\d.]+)\)?$", text).groups()
    return float(low), float(high)


def a_fifth_and_half() -> bool:
    fifth = all(0.18 < picked(g)["Searched"] / 529 < 0.22 for g in BOTH)
    return fifth and all(picked(g)[p] >= 14 for g in BOTH for p in ("Dlib", "Facenet"))


def chance_with_sface() -> bool:
    return all(verdict(g) == [True, False, True] for g in BOTH)


def depends_on_same_persons() -> bool:
    nobody = verdict(COLOUR, "nobody left out")
    strict = verdict(COLOUR, "contested identities left out too")
    return not any(nobody) and all(strict)


def nearness_reverses() -> bool:
    """Every AUC, crude: above one half among strangers, below it among former legislators."""
    here = table("tab-04-feeds").query("Program in ['Dlib', 'SFace', 'Facenet']")["AUC"].map(ends)
    there = table("tab-04-elsewhere")["AUC"].map(ends)
    rows = len(here) == len(there) == 6
    return rows and min(low for low, _ in here) > 0.5 and max(high for _, high in there) < 0.5


def four_mixes() -> bool:
    wide = table("fig-04-picked").pivot(index="group", columns="list", values="picked")
    return len(wide.columns) == 4 and wide.T.drop_duplicates().shape[0] == 4


def fewer_white_than_by_lot() -> bool:
    white = table("fig-04-picked").query("group == 'White'")
    return bool((white["picked"] < white["by_lot"]).all())


def gaps_at_thresholds() -> bool:
    at = table("fig-04-thresholds").query("flagged in [14, 28, 56]")
    low = at.groupby(["model", "gap"])["low"].agg(["min", "size"])
    over = low["min"].unstack() > 1
    rows = (low["size"] == 3).all()
    return bool(rows and over.loc[[DLIB, FACENET]].all(axis=None) and not over.loc[SFACE].any())


def without_a_threshold() -> bool:
    rows = table("fig-04-auc").query("group in @BOTH").set_index(["model", "group"])
    above = (rows["within_low"] > 0.5) & (rows["low"] > 0.5)
    inside = rows["within_low"] < 0.5
    both = [(m, g) for m in (DLIB, FACENET) for g in BOTH]
    return bool(above.loc[both].all() and inside.loc[[(SFACE, g) for g in BOTH]].all())


def who_stands_out() -> bool:
    rows = table("fig-04-groups").set_index(["model", "group"])
    dlib = rows.loc[DLIB]
    sface = rows.loc[SFACE]
    all_of_it = sface["low"].lt(28 / 529).all() and sface["high"].gt(28 / 529).all()
    return bool(
        dlib.at["East Asian", "fpir"] > 0.5 and dlib.at["Hispanic", "flagged"] == 0 and all_of_it
    )


def differ(model: str, whole: str = COLOUR) -> bool:
    return parts.pooled()[model, whole][1].p < 0.05


def black_members() -> bool:
    fails = who.rule().query("group == 'Black' and model == @DLIB").iloc[0]
    only = [c for c in who.checks() if not fails[c]] == ["at 14"]
    return holds("Black") == [0, 0, 1] and only


def feeds_ratio(program: str, compared: str) -> tuple[float, float, float]:
    rows = table("tab-04-feeds").query("Program == @program")
    text = rows.loc[rows["Compared"].str.startswith(compared), "Ratio, like with like"].item()
    return float(text.split()[0]), *ends(text)


def dlib_turns_round() -> bool:
    rows = table("tab-04-feeds").set_index(["Program", "Compared"])["AUC, like with like"].map(ends)
    fed, native = rows["Dlib (deepface)"], rows["Dlib"]
    return len(fed) == 2 and max(e[1] for e in fed) < 0.5 < min(e[0] for e in native)


def women_two_to_five() -> bool:
    """With Dlib and Facenet under each treatment; with SFace one lies in the interval."""
    rows = table("tab-04-bounds").query("Compared == 'Women against men'").set_index("Program")
    cells = rows[["Nobody left out", "Contested left out too"]].map(lambda s: float(s.split()[0]))
    found = cells.assign(rule=rows["Ratio, like with like"]).loc[["Dlib", "Facenet"]]
    low, high = ends(rows.at["SFace", "Interval, half-samples"])
    return bool(low < 1 < high and found.min(axis=None) > 2 and found.max(axis=None) < 5)


def adjusted_gaps() -> bool:
    rows = adjustment.adjusted_ranks().query("model != @SFACE")
    most = rows["terms"].str.count(",").max()
    full = rows[rows["terms"].str.count(",") == most]
    return bool(len(full) == 4 and (full["change"] < 0).all() and (full["low"] > 0.5).all())


def gaps_stay() -> bool:
    ranks, odds = adjustment.adjusted_ranks(), adjustment.adjusted()
    others = odds.query("model != @SFACE")["low"].min() > 1
    sface = odds.query("model == @SFACE")
    chance = ((sface["low"] < 1) & (sface["high"] > 1)).all()
    return bool(others and chance and ranks.query("model != @SFACE")["low"].min() > 0.5)


def intersections() -> bool:
    rows = who.secondary().query("characteristic == @who.BOTH and holm_p < 0.05")
    left = rows[["model", "group", "n1"]].to_numpy().tolist() == [[DLIB, "East Asian women", 7]]
    half = who.load("who-half-samples").query("group == 'Women of colour'")
    chance = ((half["ratio_low"] < 1) & (half["ratio_high"] > 1)).all()
    return bool(left and len(half) == 3 and chance)


def party() -> bool:
    rows = who.secondary().query("group == 'Democrats'").set_index("model")
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
    asian = table("tab-04-lists").set_index("Group").loc[list(ASIAN)].sum()
    return asian["ACLU 2018"] == 0 and all(asian[p] > 0 for p in ("Dlib", "SFace", "Facenet"))


def the_share_elsewhere() -> bool:
    share = aclu.shares().iloc[0]["share"]
    return aclu.ratio_implied(share, 0.5) < 1 < aclu.ratio_implied(share, 0.2)


def without_asian_members() -> bool:
    rows = table("tab-04-bounds").query("Program == 'Dlib'").set_index("Compared")
    interval = rows["Interval, half-samples"].map(ends)
    whole, rest = (interval[f"{g} against white members"] for g in (COLOUR, NOT_ASIAN))
    return whole[0] > 1 and rest[0] < 1 < rest[1]


def dlib_elsewhere() -> bool:
    rows = table("tab-04-elsewhere")
    rows = rows[rows["Compared"].str.startswith(COLOUR)].set_index("Program")
    found = rows["Ratio, like with like"].map(ends)
    return found["Dlib"][0] > 1 and all(found[p][0] < 1 < found[p][1] for p in ("SFace", "Facenet"))


CLAIMS = [
    (
        "Women and members of colour are each a fifth of Congress, but each at least half of those "
        "whom Dlib and Facenet picked.",
        a_fifth_and_half,
    ),
    (
        "SFace's picks could be chance, so no such sentence holds for all three programs.",
        chance_with_sface,
    ),
    (
        "For members of colour it turns on which matches are really the members themselves.",
        depends_on_same_persons,
    ),
    ("Among former legislators the order of nearness reverses.", nearness_reverses),
    ("Four lists of 28, four mixes of people", four_mixes),
    ("White members are fewer than by lot on all four lists.", fewer_white_than_by_lot),
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
    ("Without Asian members, Dlib's could be chance, too.", without_asian_members),
    (
        "With Dlib and Facenet both gaps hold at all three thresholds, with SFace neither",
        gaps_at_thresholds,
    ),
    (
        "Without a threshold, women and members of colour lie nearer to strangers with Dlib and "
        "Facenet; like with like, SFace's gap could be chance",
        without_a_threshold,
    ),
    (
        "Dlib picked most East Asian members and no Hispanic one; with SFace no group stands out",
        who_stands_out,
    ),
    ("With Dlib the parts differ.", lambda: differ(DLIB) and differ(DLIB, NOT_ASIAN)),
    (
        "With SFace and with Facenet the parts could be alike",
        lambda: not any(differ(m, w) for m in (SFACE, FACENET) for w in (COLOUR, NOT_ASIAN)),
    ),
    (
        "Black members were picked more often with Facenet, in every check. With Dlib they were so at "
        "28, and a stricter threshold leaves too few to tell; with SFace it could be chance.",
        black_members,
    ),
    (
        "Women were picked two to five times as often as men with Dlib and Facenet, depending on "
        "what is left out as the same person; with SFace it could be chance.",
        women_two_to_five,
    ),
    (
        "Aligned as its publisher does, SFace gives 1.71, which could be chance.",
        lambda: feeds_ratio("SFace", "Women")[1] < 1 < feeds_ratio("SFace", "Women")[2],
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
        "Adjusted for age and photograph, the gaps of Dlib and Facenet shrink and stay",
        adjusted_gaps,
    ),
    (
        "Adjusted or not, with or without a threshold, Dlib's and Facenet's gaps stay above chance, "
        "and SFace's at 28 could be chance.",
        gaps_stay,
    ),
    (
        "Of the intersections only East Asian women with Dlib are left, seven people.",
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
        "It could be chance in all three.",
        lambda: aclu.rank_test()["holm_p"].min() > 0.05,
    ),
    (
        "Where half of the searched are people of colour, the same share would mean a ratio below "
        "one.",
        the_share_elsewhere,
    ),
]
