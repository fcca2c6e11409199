"""What notebook 12 claims, and how it would be noticed if it were false."""

import pandas as pd

from helpers.experiments.what_gender_does_it_see import tables as g
from helpers.faces.gender_classifiers import CLASSIFIERS
from helpers.sources import published
from helpers.statistics.exact_tests import fisher_exact, holm


def ratio(comparison: str, part: str, sign: int = 1) -> list[bool]:
    """For each classifier: is the ratio above 1 (sign 1) or below, after Holm's adjustment?"""
    table = g.stranger_ratios().query("comparison == @comparison and part == @part")
    assert len(table) == len(CLASSIFIERS) == 2
    return [(sign * (r.ratio - 1) > 0) and r.holm_p < 0.05 for r in table.itertuples()]


def nearly_always() -> bool:
    table = g.member_errors().query("cell == 'All members'")
    return len(table) == 2 and bool((table["rate"] < 0.01).all() and (table["n"] > 500).all())


def too_few_to_tell() -> bool:
    """Fisher's exact tests on the members, Holm over all of them."""
    cells = g.member_errors().set_index(["classifier", "cell"])[["wrong", "n"]]
    pairs = [("Women", "Men"), ("Women of colour", "White women"), ("Men of colour", "White men")]
    p = [
        fisher_exact(*cells.loc[(name, one)], *cells.loc[(name, other)])
        for name in CLASSIFIERS
        for one, other in pairs
    ]
    return len(p) == 6 and bool((holm(p) > 0.05).all())


def audits_found() -> bool:
    """Darker-skinned women against lighter-skinned men, in both studies."""
    table = published.published_results().query("quantity.str.contains('gender-classification')")
    table = table.assign(value=table["value"].astype(float))
    women = table[table["quantity"].str.contains("darker-skinned women")].groupby("study")["value"]
    men = table[table["quantity"].str.contains("lighter-skinned men")].groupby("study")["value"]
    return women.ngroups == men.ngroups == 2 and bool((women.min() > 10 * men.max()).all())


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
    tables = [g.stranger_errors("gender", "race", threshold=t).assign(threshold=t) for t in g.SHOWN]
    table = pd.concat(tables).query("gender == 'female'")
    return table.set_index(["classifier", "threshold", "race"])


def most_errors_by_label() -> bool:
    rate = g.strangers_drawn().set_index(["classifier", "gender", "race"])["rate"]
    most = rate.groupby(["classifier", "gender"]).idxmax().map(lambda key: key[2]).unstack()
    return most["female"].eq("Black").all() and most["male"].eq("Asian").all() and len(most) == 2


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
    library, author = (g.errors(g.male_from(c), "gender").set_index("gender") for c in g.CUTS)
    apart = [abs(t.loc["female", "rate"] - t.loc["male", "rate"]) for t in (library, author)]
    race = g.errors(g.male_from(0.6), "gender", "race").set_index(["gender", "race"])["rate"]
    return apart[1] < apart[0] / 2 and race["female", "Black"] > 2 * race["female", "White"]


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
    (
        "Two audits of 2018 and 2019 found that commercial software guessed wrong about "
        "darker-skinned women far more often than about lighter-skinned men",
        audits_found,
    ),
    (
        "Among women most errors are on those labelled Black, among men on those labelled Asian, "
        "with both.",
        most_errors_by_label,
    ),
    ("too few to tell one group from another", too_few_to_tell),
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
        "Age works in opposite directions, with both classifiers: older women are guessed wrong "
        "more often than younger ones, older men less often.",
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
