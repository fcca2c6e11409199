"""What notebook 12 claims, and how it would be noticed if it were false."""

import pandas as pd

from helpers.experiments.what_gender_does_it_see import tables as g
from helpers.faces.gender_classifiers import CLASSIFIERS


def ratio(comparison: str, part: str, sign: int = 1) -> list[bool]:
    """For each classifier: is the ratio above 1 (sign 1) or below, after Holm's adjustment?"""
    table = g.stranger_ratios().query("comparison == @comparison and part == @part")
    assert len(table) == len(CLASSIFIERS) == 2
    return [(sign * (r.ratio - 1) > 0) and r.holm_p < 0.05 for r in table.itertuples()]


def nearly_always() -> bool:
    table = g.member_errors().query("cell == 'All'")
    return len(table) == 2 and bool((table["rate"] < 0.01).all() and (table["n"] > 500).all())


def too_few_to_tell() -> bool:
    return bool((g.member_tests()["holm_p"] > 0.05).all())


def undecided(threshold: float = 0.9) -> pd.DataFrame:
    table = g.stranger_errors("gender", threshold=threshold)
    return table.set_index(["classifier", "gender"])["share"].unstack()


def fewer_errors_when_confident() -> bool:
    first, then = (g.stranger_errors("gender", threshold=t) for t in (0.5, 0.9))
    return bool((then["rate"] < first["rate"]).all())


def more_than_a_third_of_the_women() -> bool:
    share = undecided()["female"]
    return bool(share["faceres"] > 1 / 3 > share["gender-v1"])


def one_in_a_hundred_to_one_in_ten() -> bool:
    rates = g.strangers_drawn()["rate"]
    return 0.008 < rates.min() < 0.013 and 0.09 < rates.max() < 0.11


def stricter() -> bool:
    table = g.curves().query("people == 'strangers'")
    parts = [p for _, p in table.groupby(["classifier", "gender"])]
    assert len(parts) == 4
    falls = all(p["rate"].is_monotonic_decreasing for p in parts)
    return falls and all(p["share"].is_monotonic_increasing for p in parts)


def never_twice() -> bool:
    table = g.two_portraits()
    some = table[["wrong_first", "wrong_second"]].to_numpy().sum()
    return bool(some > 0 and table["wrong_both"].sum() == 0)


def only_faceres() -> bool:
    found = dict(zip(CLASSIFIERS, ratio("women to men", "All"), strict=True))
    return [c for c, more in found.items() if more] == ["faceres"]


def age_turns_it_round() -> bool:
    table = g.stranger_errors("gender", "age_band")
    rate = table.set_index(["gender", "age_band", "classifier"])["rate"]
    young, old = g.BANDS
    women, men = rate["female"], rate["male"]
    return bool((women[old] > women[young]).all() and (men[old] < men[young]).all())


def silence_on_women() -> bool:
    return all(
        undecided(t).loc["faceres", "female"] > undecided(t).loc["faceres", "male"]
        for t in g.CONFIDENCES[1:]
    )


def black_women() -> pd.DataFrame:
    table = g.stranger_curve("gender", "race").query("gender == 'female' and threshold in @g.SHOWN")
    return table.set_index(["classifier", "threshold", "race"])


def above_one_everywhere() -> bool:
    rate = black_women()["rate"].unstack()
    return bool((rate["Black"] > rate["White"]).all())


def could_be_chance_when_strict() -> bool:
    found = g.show_black_women().set_index(["Classifier", "Threshold"])["Ratio of errors"]
    low = found.str.extract(r"\(([\d.]+)")[0].astype(float).unstack()
    return bool(
        (low[["0.5", "0.8"]] > 1).all(axis=None) and (low[["0.9", "0.99"]] <= 1).all(axis=None)
    )


def more_silence_for_black_women() -> bool:
    share = black_women()["share"].unstack().drop(0.5, level="threshold")
    return bool((share["Black"] > share["White"]).all())


def the_authors_cut() -> bool:
    rate = g.hse_rule(["gender"]).set_index("gender")
    race = g.hse_rule(["gender", "race"]).set_index(["gender", "race"])
    apart = [abs(rate.loc["female", c] - rate.loc["male", c]) for c in ("rate", "rate_author")]
    black = race.loc[("female", "Black"), "rate_author"]
    return apart[1] < apart[0] / 2 and black > 2 * race.loc[("female", "White"), "rate_author"]


CLAIMS = [
    (
        "On the portraits of Congress two open classifiers nearly always guess the recorded "
        "gender.",
        nearly_always,
    ),
    (
        "On strangers both are wrong about women labelled Black more often than about women "
        "labelled White.",
        lambda: all(ratio("women, to White", "Black")),
    ),
    (
        "Counting only confident guesses lowers the errors, and one of the two then leaves more "
        "than a third of the women undecided.",
        lambda: fewer_errors_when_confident() and more_than_a_third_of_the_women(),
    ),
    (
        "On strangers about one guess in a hundred to one in ten is wrong, by label",
        one_in_a_hundred_to_one_in_ten,
    ),
    (
        "Strangers: a stricter threshold means fewer errors and more faces left undecided",
        stricter,
    ),
    ("too few to tell one group from another", too_few_to_tell),
    ("No member is guessed wrong on both portraits.", never_twice),
    (
        "Women labelled Black against women labelled White: more errors with both classifiers.",
        lambda: all(ratio("women, to White", "Black")),
    ),
    (
        "Men labelled Asian against men labelled White: more errors with both, too.",
        lambda: all(ratio("men, to White", "Asian")),
    ),
    ("only faceres is wrong about women more often than about men", only_faceres),
    (
        "among strangers labelled Asian both are wrong about men more often",
        lambda: all(ratio("women to men", "Asian", -1)),
    ),
    (
        "With age the picture turns round in both classifiers: older women are guessed wrong more "
        "often than younger ones, older men less often.",
        age_turns_it_round,
    ),
    ("With faceres the silence falls on women more than on men.", silence_on_women),
    (
        "The ratio stays above one at every threshold, but at the stricter ones it could be chance",
        lambda: above_one_everywhere() and could_be_chance_when_strict(),
    ),
    (
        "at each of them more of the women labelled Black are left undecided",
        more_silence_for_black_women,
    ),
    (
        "At the author's number most of the difference between women and men is gone; that between "
        "women labelled Black and White stays.",
        the_authors_cut,
    ),
]
