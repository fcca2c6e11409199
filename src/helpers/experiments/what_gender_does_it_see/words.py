"""Notebook 12 as it is read: tables, figures and sentences on gender classification."""

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from helpers.experiments.the_people import tables as people
from helpers.experiments.what_gender_does_it_see import tables as g
from helpers.experiments.what_gender_does_it_see.tables import CONFIDENCES, GENDERS, WORDS
from helpers.faces.gender_classifiers import CLASSIFIERS
from helpers.show import numbers
from helpers.show.numbers import listed, p_text, percent
from helpers.sources import published
from helpers.sources.rosters import load_members
from helpers.statistics.intervals import risk_ratio

SMALL = 10  # members; no interval is drawn for a cell of fewer
SHOWN = 0.9  # the threshold of the sentences; the figures and tables hold all
STRICT = 0.99  # Amazon's advice, if it were given for a guess of gender
AUDIT = "Actionable Auditing 2019"
DARKER_WOMEN = "gender-classification error on darker-skinned women (share)"


def rate(row) -> str:
    """Errors of a row with wrong, n, low, high: "4 of 527 (0.8 %, 95 % interval 0.3–1.9)"."""
    return numbers.rate(int(row["wrong"]), int(row["n"]), row["low"], row["high"])


def silent(row) -> str:
    """The undecided of a row, as `rate` writes the errors."""
    return numbers.rate(
        int(row["undecided"]), int(row["faces"]), row["share_low"], row["share_high"]
    )


def ratio(row) -> str:
    """A ratio with its interval: "2.64 (2.07–3.37)"."""
    return numbers.ratio(row["ratio"], row["low"], row["high"])


def in_each(words) -> str:
    """The same the other way round: "... with gender-v1 and ... with faceres"."""
    return listed([f"{words(name)} with {name}" for name in CLASSIFIERS])


def _member(classifier: str, cell: str, portrait: str = "first") -> pd.Series:
    return g.member_errors(portrait).set_index(["classifier", "cell"]).loc[(classifier, cell)]


def _stranger(classifier: str, **labels) -> pd.Series:
    table = g.stranger_errors(*labels).set_index(["classifier", *labels])
    return table.loc[(classifier, *labels.values()) if labels else classifier]


def _ratio(classifier: str, comparison: str, part: str) -> pd.Series:
    table = g.stranger_ratios().set_index(["classifier", "comparison", "part"])
    return table.loc[(classifier, comparison, part)]


def _ratio_of(one, other, wrong: str = "wrong") -> str:
    """The ratio of two rows' error rates with its score interval."""
    found = risk_ratio(*(int(v) for v in (one[wrong], one["n"], other[wrong], other["n"])))
    return ratio(found._asdict())


def _direction(row) -> int:
    """1 or -1 where a ratio is above or below 1 after Holm's adjustment, else 0."""
    return int(np.sign(row["ratio"] - 1)) if row["holm_p"] < 0.05 else 0


# ---------------------------------------------------------------- the answer


def answer() -> str:
    """The answer of notebook 12."""
    return (
        "**On the portraits of Congress both classifiers nearly always guess what the roster's "
        f"publisher recorded: wrong are {in_each(lambda c: rate(_member(c, 'All')))}; of women of "
        f"colour {in_each(lambda c: rate(_member(c, 'Women of colour')))}. {_few()}** "
        "On adult strangers, whose published labels were made by an algorithm and checked by a "
        f"person, wrong are {in_each(lambda c: rate(_stranger(c)))}. {_black_women()} "
        f"{_women_to_men()} **A threshold on confidence lowers the error among those it decides, "
        f"and leaves others undecided:** a confidence of {SHOWN} lowers the strangers' errors from "
        f"{in_each(_lowered)}, and leaves undecided {in_each(_silence)}."
    )


def _lowered(classifier: str) -> str:
    first, then = (_decided(classifier, t) for t in (CONFIDENCES[0], SHOWN))
    return f"{percent(first['rate'])} to {percent(then['rate'])}"


def _silence(classifier: str) -> str:
    women, men = (percent(_decided(classifier, SHOWN, s)["share"], 0) for s in GENDERS)
    return f"{women} of the women and {men} of the men"


def _decided(classifier: str, threshold: float, gender: str | None = None) -> pd.Series:
    """The strangers' row at a threshold: all of them, or one published gender."""
    table = g.stranger_errors(*(["gender"] if gender else []), threshold=threshold)
    table = table[table["classifier"].eq(classifier)]
    return (table[table["gender"].eq(gender)] if gender else table).iloc[0]


def _few() -> str:
    table = g.member_tests()
    some = table[table["holm_p"] < 0.05]
    if some.empty:
        return "That is too few errors to tell one group from another."
    found = [f"{r.comparison} ({r.classifier})" for r in some.itertuples()]
    return f"Groups differ significantly in {listed(found)}."


def _black_women() -> str:
    """Black women against white women on the strangers, as far as both classifiers agree."""
    rows = [_ratio(c, "women, to White", "Black") for c in CLASSIFIERS]
    text = in_each(lambda c: ratio(_ratio(c, "women, to White", "Black")))
    both = {_direction(r) for r in rows}
    if both == {1}:
        return (
            "There both are wrong about women labelled Black significantly more often than about "
            "women labelled White, as the published audits lead one to expect: ratio of errors "
            f"{text}."
        )
    return (
        "Between women labelled Black and White they do not both differ in the direction that the "
        f"published audits lead one to expect: ratio of errors {text}."
    )


def _women_to_men() -> str:
    """Women against men on the strangers: not the same in both, or the same."""
    rows = {c: _ratio(c, "women to men", "All") for c in CLASSIFIERS}
    text = in_each(lambda c: ratio(rows[c]))
    signs = {_direction(r) for r in rows.values()}
    if signs == {1}:
        start = "As expected, both are wrong about women more often than about men"
    elif 1 in signs:
        start = (
            "Against expectation, only one of the two is wrong about women more often than about "
            "men"
        )
    else:
        start = "Against expectation, neither is wrong about women more often than about men"
    table = g.hse_rule(["gender"]).set_index("gender")
    author = _ratio_of(table.loc["female"], table.loc["male"], "wrong_author")
    return (
        f"{start}: ratio {text}, where the cut between the two words that faceres' own author uses "
        f"would make it {author}."
    )


def finding() -> str:
    """The line of notebook 12 in the README's table of findings."""
    black = in_each(lambda c: ratio(_ratio(c, "women, to White", "Black")))
    women = in_each(lambda c: ratio(_ratio(c, "women to men", "All")))
    return (
        "Of the members of Congress two open gender classifiers are wrong about "
        f"{in_each(lambda c: rate(_member(c, 'All')))}. {_few()} Of adult "
        f"strangers with published labels they are wrong about "
        f"{in_each(lambda c: rate(_stranger(c)))}; the ratio of errors is {black} for women "
        f"labelled Black to women labelled White, and {women} for women to men. A confidence "
        f"threshold of {SHOWN} leaves undecided {in_each(_silence)}."
    )


# ---------------------------------------------------------------- the classifiers


def show_training() -> pd.DataFrame:
    """What the publishers say of the training, and what that means here."""
    table = published._read("gender_training.csv")
    columns = {"classifier": "Classifier", "what": "What", "statement": "As published or found"}
    return table.rename(columns=columns | {"status": "Status"})[[*columns.values(), "Status"]]


# ---------------------------------------------------------------- published audits


def published_errors() -> pd.DataFrame:
    """Published error rates of gender classification: study, system, people, error, status."""
    rows = []
    for row in published.published_results().itertuples():
        system, marker, people = row.quantity.partition(" gender-classification error ")
        if marker:
            rows.append((row.study, system, people, row.value, row.status))
    more = published._read("gender.csv")
    for row in more[more["quantity"].str.startswith("error ")].itertuples():
        rows.append((row.study, row.system, row.quantity[6:], row.value, row.status))
    table = pd.DataFrame(rows, columns=["study", "system", "people", "error", "status"])
    table["people"] = table["people"].str.removesuffix(" (share)").str.removeprefix("on ")
    table["error"] = table["error"].astype(float)
    return table.sort_values(["study", "people", "error"], ignore_index=True)


def show_published() -> pd.DataFrame:
    """Published errors, and below them ours on the members."""
    table = published_errors()
    rows = [
        (r.study, r.system, "Pilot Parliaments", r.people, percent(r.error), r.status)
        for r in table.itertuples()
    ]
    for name in CLASSIFIERS:
        for cell in ("All", "Women of colour", "White men"):
            rows.append(("here", name, "US Congress", cell, rate(_member(name, cell)), "computed"))
    columns = ["Study", "System", "Photographs", "People", "Error", "Status"]
    return pd.DataFrame(rows, columns=columns)


def words_amazon() -> str:
    """What Amazon answered, from data/published/gender.csv."""
    table = published._read("gender.csv").set_index("quantity")
    tested = int(table.loc["images in Amazon's own test", "value"])
    advised = table.loc["confidence threshold recommended to law enforcement (percent)", "value"]
    return (
        f"Amazon answered the second audit that its own test of {tested:,} images had found no "
        "significant difference between ethnicities (no data were published), that an outdated "
        "version had been tested, that analysis is not matching, and that it recommends a "
        f"confidence of {advised} % to law enforcement, which is advice on matching. Today its "
        "documentation says that the guess is not designed to categorise a person's gender "
        "identity and should not serve decisions about a person's rights, privacy or access to "
        "services."
    )


# ---------------------------------------------------------------- the members


def show_members() -> pd.DataFrame:
    """Errors of both classifiers in every cell; an interval from SMALL members on."""
    rows = []
    for cell in g.member_cells()["cell"]:
        row = {"Members": cell}
        for name in CLASSIFIERS:
            found = _member(name, cell)
            few = found["n"] < SMALL
            row[name] = f"{found['wrong']} of {found['n']}" if few else rate(found)
            row["No face"] = found["failed"]
        rows.append(row)
    return pd.DataFrame(rows)


def members_drawn() -> pd.DataFrame:
    """The cells of SMALL members or more: the data of the figure."""
    table = g.member_errors()
    group = table["cell"].str.split().str[0].where(table["kind"].isin(["group", "intersection"]))
    drawn = table.assign(group=group.fillna(""))[table["n"] >= SMALL]
    return drawn[drawn["kind"].ne("group")].reset_index(drop=True)


def title_members() -> str:
    counts = [int(_member(c, "All")["wrong"]) for c in CLASSIFIERS]
    n = int(_member(CLASSIFIERS[0], "All")["n"])
    return f"The two classifiers are wrong about {listed(map(str, counts))} of {n} members"


def alt_members() -> str:
    parts = [
        f"{name}: " + ", ".join(f"{r.cell} {r.wrong} of {r.n}" for r in part.itertuples())
        for name, part in members_drawn().groupby("classifier", sort=False)
    ]
    return f"Dots with intervals, wrong guesses by recorded gender and group. {'. '.join(parts)}."


def words_members() -> str:
    """Where the errors on the members lie, and what that can and cannot say."""
    cells = g.member_errors().query("kind == 'intersection'")
    cells = cells[~cells["cell"].str.contains(" of colour")]
    parts = []
    for name in CLASSIFIERS:
        own = cells[cells["classifier"] == name]
        where = own[own["wrong"] > 0]
        found = (
            listed(f"{r.cell} ({r.wrong})" for r in where.itertuples()) if len(where) else "none"
        )
        none, one = int((own["wrong"] == 0).sum()), int((own["wrong"] == 1).sum())
        parts.append(
            f"{name} errs on {found}; {none} of {len(own)} combinations of gender and group have "
            f"no error and {one} have one"
        )
    tests = g.member_tests()
    return (
        f"{'. '.join(parts)}. A cell with no error or one says how few faces it has, not that its "
        f"rate is low. Of {len(tests)} exact tests (women against men, and members of colour "
        "against white members among women and among men, for each classifier) the smallest "
        f"p after Holm's adjustment is {p_text(tests['holm_p'].min())}."
    )


def words_expected() -> str:
    """How likely so few errors would be at the rate published for Amazon and darker women."""
    high = published.number(AUDIT, f"Amazon {DARKER_WOMEN}")

    def chance(name):
        found = _member(name, "Women of colour")
        p = stats.binom.cdf(int(found["wrong"]), int(found["n"]), high)
        return f"{p_text(p)} ({found['wrong']} of {found['n']})"

    return (
        f"The small cells can still exclude something. If a classifier erred on {percent(high)} of "
        "the women of colour in Congress, the rate published for Amazon and darker-skinned women "
        "of other parliaments, so few errors would have a probability of "
        f"{in_each(chance)}. Ethnicity is not skin type and the photographs are others, so this "
        "compares no two systems; it says that these portraits are easy for these networks, or "
        "were among those they learnt from."
    )


def words_wrong() -> str:
    """The wrong guesses one by one, without names: how sure they were."""
    table = g.wrong_members().query("portrait == 'first'")
    if table.empty:
        return "No guess on a first portrait is wrong."
    parts = [
        f"{r.surer:.2f} ({r.classifier}, {'woman' if r.gender == 'female' else 'man'}, {r.group})"
        for r in table.itertuples()
    ]
    return (
        f"The confidence of the {len(table)} wrong guesses, from the surest: {', '.join(parts)}. "
        "Nobody is named here: the guess says nothing about a person, and the rows are in "
        "[the table](../data/results/gender-members.csv)."
    )


def words_failures() -> str:
    """In how many portraits no face was found, and whose they are."""
    table = g.portraits("first", CLASSIFIERS[0])
    failed = table[~table["guessed"]]
    if failed.empty:
        return "A face was found in every portrait."
    whose = listed(f"{r.group}, {r.gender}" for r in failed.itertuples())
    return (
        f"In {len(failed)} of {len(table)} portraits the detector found no face ({whose}, as "
        "recorded): there is no guess, and they are left out of the rates."
    )


def words_second() -> str:
    """Stability: the same members on their other portrait."""
    table = g.two_portraits().set_index("classifier")
    n = int(table["both"].iloc[0])

    def one(name):
        row = table.loc[name, ["wrong_first", "wrong_second", "wrong_both"]].astype(int)
        return (
            f"{name} is wrong about {row['wrong_first']} on the first portrait, "
            f"{row['wrong_second']} on the second and {row['wrong_both']} on both"
        )

    again = listed([one(c) for c in CLASSIFIERS])
    same = table["wrong_both"].sum() == 0
    moral = (
        "No member is guessed wrong on both."
        if same and table[["wrong_first", "wrong_second"]].to_numpy().any()
        else "Some members are guessed wrong on both."
        if not same
        else "None of them is guessed wrong."
    )
    return f"Of the {n} members with two portraits and a face in both, {again}. {moral}"


def words_paired() -> str:
    """The two classifiers on the same portraits; exploratory."""
    found = g.paired_members()
    low, high = (f"{100 * v:+.1f}".replace("-", "−") for v in (found.low, found.high))
    first, second = CLASSIFIERS
    change = f"{100 * found.change:+.1f}".replace("-", "−")
    return (
        f"On the same {found.n} portraits {found.lost} are wrong with {first} alone and "
        f"{found.gained} with {second} alone (exact McNemar test, p = {p_text(found.p)}; "
        f"difference {change} points, 95 % interval {low} to {high}). Exploratory."
    )


# ---------------------------------------------------------------- the strangers


def strangers_drawn() -> pd.DataFrame:
    """Errors on the adults of `utkface` by published gender and race: the data of the figure."""
    table = g.stranger_errors("gender", "race")
    block = table["classifier"] + ", " + table["gender"].map(WORDS).str.lower()
    columns = ["classifier", "gender", "race", "wrong", "n", "rate", "low", "high", "failed"]
    return table[columns].assign(block=block)


def title_strangers() -> str:
    table = g.stranger_errors("gender", "race")
    low, high = (percent(f(table["rate"])) for f in (min, max))
    return f"Guesses on strangers are wrong for {low} to {high}, by published gender and race"


def alt_strangers() -> str:
    parts = [
        f"{block}: " + ", ".join(f"{r.race} {percent(r.rate)}" for r in part.itertuples())
        for block, part in strangers_drawn().groupby("block", sort=False)
    ]
    return f"Dots with intervals, wrong guesses. {'. '.join(parts)}."


def caption_strangers() -> str:
    n = int(_stranger(CLASSIFIERS[0])["n"])
    failed = int(_stranger(CLASSIFIERS[0])["failed"])
    return (
        f"{n:,} adults of UTKFace, one face of each identity ({failed} more in which no face was "
        "found are left out). Labels estimated by an algorithm and checked by a person. Wilson "
        "intervals. Exploratory."
    )


def show_ratios() -> pd.DataFrame:
    """Ratios of error rates among the strangers, a row a comparison."""
    table = g.stranger_ratios()
    rows = []
    for (comparison, part), two in table.groupby(["comparison", "part"], sort=False):
        row = {"Comparison": comparison, "Published race": part}
        for r in two.to_dict("records"):
            row[r["classifier"]] = ratio(r)
            row[f"p, {r['classifier']}"] = p_text(r["holm_p"])
        rows.append(row)
    return pd.DataFrame(rows)


def caption_ratios() -> str:
    return (
        "Ratios of error rates with 95 % score intervals (Miettinen and Nurminen); p of Fisher's "
        f"exact test after Holm's adjustment over all {len(g.stranger_ratios())}. Exploratory."
    )


def words_ratios() -> str:
    """Which comparisons come out the same way in both classifiers."""
    table = g.stranger_ratios().assign(sign=lambda t: [_direction(r) for _, r in t.iterrows()])
    wide = table.pivot(index=["comparison", "part"], columns="classifier", values="sign")
    wide = wide.loc[table[["comparison", "part"]].drop_duplicates().itertuples(index=False)]
    names = {
        sign: [_comparison(*key) for key in wide.index[(wide == sign).all(axis=1)]]
        for sign in (1, -1)
    }
    opposed = wide[(wide.max(axis=1) == 1) & (wide.min(axis=1) == -1)]
    parts = [
        f"{word}: {listed(found)}"
        for word, found in (("more errors", names[1]), ("fewer", names[-1]))
        if found
    ]
    return (
        f"Of {len(wide)} comparisons, {len(names[1]) + len(names[-1])} come out significantly in "
        f"the same direction with both classifiers{', ' * bool(parts)}{'; '.join(parts)}. In "
        f"{len(opposed)} they contradict each other significantly. This is no order of groups: "
        "which cell has most errors depends on the classifier, and the threshold moves it too "
        "(section 4)."
    )


def _comparison(comparison: str, part: str) -> str:
    if comparison == "women to men":
        return "women against men" if part == "All" else f"{part} women against {part} men"
    word = comparison.split(",")[0]
    return f"{part} {word} against White {word}"


def words_age() -> str:
    """Errors by published gender and age band among the strangers."""
    table = g.stranger_errors("gender", "age_band").set_index(["classifier", "gender", "age_band"])
    young, old = g.BANDS
    ages = people.ages(load_members()["date_of_birth"])

    def one(name):
        women, men = (
            f"from {percent(table.loc[(name, s, young), 'rate'])} to "
            f"{percent(table.loc[(name, s, old), 'rate'])} for {WORDS[s].lower()}"
            for s in GENDERS
        )
        return f"{women} and {men} with {name}"

    rises = all(
        table.loc[(c, "female", old), "rate"] > table.loc[(c, "female", young), "rate"]
        and table.loc[(c, "male", old), "rate"] < table.loc[(c, "male", young), "rate"]
        for c in CLASSIFIERS
    )
    start = (
        "With age the picture turns round in both"
        if rises
        else "From the younger to the older the errors change"
    )
    colon = ": " if rises else " "
    return (
        f"{start}{colon}{listed([one(c) for c in CLASSIFIERS])}, from the published ages "
        f"{young.replace('-', '–')} to {old.replace('-', '–')}. Of the members of Congress "
        f"{int((ages >= g.OLDER).sum())} of {len(ages)} were {g.OLDER} or older in July 2018."
    )


# ---------------------------------------------------------------- the threshold


@cache
def curves() -> pd.DataFrame:
    """Errors among the decided and share undecided of members and strangers, by gender."""
    members = g.member_curve().query("part == 'all'").assign(people="members")
    strangers = g.stranger_curve("gender").assign(people="strangers")
    columns = ["people", "classifier", "gender", "threshold", "faces", "n", "wrong", "rate", "low",
               "high", "undecided", "share", "share_low", "share_high"]  # fmt: skip
    return pd.concat([members, strangers], ignore_index=True)[columns]


def group_curves() -> pd.DataFrame:
    """The same of the strangers, by published gender and race."""
    table = g.stranger_curve("gender", "race")
    columns = ["classifier", "gender", "race", "threshold", "faces", "n", "wrong", "rate", "low",
               "high", "undecided", "share", "share_low", "share_high"]  # fmt: skip
    return table[columns]


def title_curves() -> str:
    rows = _at(STRICT, "strangers")
    low, high = (percent(f(r["share"] for r in rows.values()), 0) for f in (min, max))
    return f"At a confidence of {STRICT:g}, {low} to {high} of the strangers are left undecided"


def _at(threshold: float, people: str) -> dict:
    table = curves().query("people == @people and threshold == @threshold")
    return {(r["classifier"], r["gender"]): r for r in table.to_dict("records")}


def alt_curves() -> str:
    parts = []
    keys = ["people", "classifier", "gender"]
    for (who, name, gender), part in curves().groupby(keys, sort=False):
        first, last = part.iloc[0], part.iloc[-1]
        parts.append(
            f"{who}, {name}, {WORDS[gender].lower()}: errors from {percent(first['rate'])} to "
            f"{percent(last['rate'])}, undecided up to {percent(last['share'])}"
        )
    return f"Lines over thresholds from {CONFIDENCES[0]:g} to {STRICT:g}. {'; '.join(parts)}."


def alt_group_curves() -> str:
    table = group_curves().query("threshold == @SHOWN")
    parts = [
        f"{name}, {WORDS[gender].lower()}: "
        + ", ".join(
            f"{r.race} {percent(r.rate)} wrong and {percent(r.share)} undecided"
            for r in part.itertuples()
        )
        for (name, gender), part in table.groupby(["classifier", "gender"], sort=False)
    ]
    return f"Lines over thresholds, one a published race. At {SHOWN:g}: {'; '.join(parts)}."


def show_threshold() -> pd.DataFrame:
    """Errors among the decided and undecided at some thresholds, members and strangers."""
    table = curves()
    rows = []
    for threshold in (CONFIDENCES[0], 0.8, SHOWN, STRICT):
        part = table[np.isclose(table["threshold"], threshold)]
        for (who, gender), two in part.groupby(["people", "gender"], sort=False):
            row = {"Threshold": f"{threshold:g}", "People": f"{who}, {WORDS[gender].lower()}"}
            for r in two.to_dict("records"):
                row[f"{r['classifier']}, wrong of decided"] = rate(r)
                all_decided = threshold == CONFIDENCES[0]
                row[f"{r['classifier']}, undecided"] = "0, by design" if all_decided else silent(r)
            rows.append(row)
    return pd.DataFrame(rows)


def words_threshold() -> str:
    """What the threshold does on the members and on the strangers."""
    members, strangers = _at(SHOWN, "members"), _at(SHOWN, "strangers")

    def sides(rows, name):
        women, men = (percent(rows[(name, s)]["share"]) for s in GENDERS)
        return f"{women} of the women and {men} of the men with {name}"

    wrong = sum(r["wrong"] for r in members.values())
    more = [c for c in CLASSIFIERS if strangers[(c, "female")]["share_low"]
            > strangers[(c, "male")]["share_high"]]  # fmt: skip
    moved = (
        f"With {listed(more)} the silence falls on women more than on men: an audit that counts "
        "only errors among the decided would miss it. "
        if more
        else ""
    )
    return (
        f"At {SHOWN:g}, {wrong or 'none'} of the decided members' guesses "
        f"{'is' if wrong < 2 else 'are'} wrong, and undecided are "
        f"{listed([sides(members, c) for c in CLASSIFIERS])}; of the strangers, "
        f"{listed([sides(strangers, c) for c in CLASSIFIERS])}. {moved}{_strict()} The confidences "
        "of two classifiers are not one scale: neither is a probability that was checked."
    )


def _strict() -> str:
    rows = _at(STRICT, "strangers")
    kept = listed([f"{percent(max(rows[(c, s)]['share'] for s in GENDERS), 0)} with {c}"
                   for c in CLASSIFIERS])  # fmt: skip
    return (
        f"At {STRICT:g}, the number of Amazon's advice on matching, left undecided are up to "
        f"{kept} of one gender or the other."
    )


def words_black_women() -> str:
    """Whether the difference between Black and White women survives the threshold."""
    table = group_curves().query("gender == 'female' and threshold == @SHOWN")
    table = table.set_index(["classifier", "race"])

    def one(name):
        a, b = table.loc[(name, "Black")], table.loc[(name, "White")]
        return (
            f"{_ratio_of(a, b)} with {name}, which leaves {percent(a['share'], 0)} and "
            f"{percent(b['share'], 0)} undecided"
        )

    return (
        f"Among the decided at {SHOWN:g}, the ratio of errors of women labelled Black to women "
        f"labelled White is {listed([one(c) for c in CLASSIFIERS])}."
    )


def words_rule() -> str:
    """The other threshold: where "female" ends and "male" begins."""
    table = g.hse_rule(["gender"]).set_index("gender")
    races = g.hse_rule(["gender", "race"]).set_index(["gender", "race"])

    def sides(column):
        return listed(f"{percent(table.loc[s, column])} of the {WORDS[s].lower()}" for s in GENDERS)

    apart, author = (table.loc["female", c] - table.loc["male", c] for c in ("rate", "rate_author"))
    end = (
        "At that number most of the difference between women and men is gone"
        if abs(author) < abs(apart) / 2
        else "Most of the difference between women and men stays"
    )
    a, b = races.loc[("female", "Black")], races.loc[("female", "White")]
    return (
        "There is another threshold, which nobody sees: the probability from which a face is "
        "called male. faceres is read here at 0.5, as the library that carries it does, and is "
        f"wrong about {sides('rate')} among the strangers. Its author's own program says male from "
        f"{g.HSE_MALE:g} on, and would be wrong about {sides('rate_author')}. {end}; the ratio of "
        f"errors of women labelled Black to women labelled White is then "
        f"{_ratio_of(a, b, 'wrong_author')}."
    )


def words_missing() -> str:
    """What could not be run."""
    return (
        "deepface's own gender model is missing: its weights could not be had when this was made. "
        '`helpers.faces.gender_classifiers.load("deepface")` reads it where they can, and has been '
        "tested with a stand-in only."
    )
