"""What notebook 04 shows: figures, tables and sentences on `tables`."""

import numpy as np
import pandas as pd

from helpers.experiments.the_congress_test import tables as headline
from helpers.experiments.the_congress_test import words
from helpers.experiments.who_is_misidentified import tables as who
from helpers.experiments.who_is_misidentified.tables import COLOUR, COUNTS, HEADLINE_N, NOT_ASIAN
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol.congress_test import people_searched
from helpers.protocol.policy import ACLU_COUNT
from helpers.show import numbers
from helpers.show.numbers import listed, p_text, percent, signed
from helpers.sources import groups
from helpers.sources.groups import GROUPS
from helpers.statistics import exact_tests, rates

STRATA_WORDS = (
    "recorded gender for ethnicity, white or of colour for gender, both for party, chamber and age"
)
NUMBERS = ["none", "one", "two", "three"]


# ---------------------------------------------------------------- small words


def model_names(names) -> str:
    """The labels of some models, in the usual order, as a list in words."""
    return listed([MODEL_LABELS[m] for m in PRIMARY_MODELS if m in set(names)])


def number(value: float, low: float, high: float) -> str:
    """An estimate with its interval, where there is one; a dash without an estimate."""
    if np.isnan(value):
        return "–"
    return f"{value:.2f}" if np.isnan(low) else numbers.ratio(value, low, high)


def with_interval(row, name: str) -> str:
    """An estimate with its interval from the columns name, name_low, name_high."""
    return number(row[name], row[f"{name}_low"], row[f"{name}_high"])


def each(table: pd.DataFrame, words) -> str:
    """One phrase a model: "Dlib (native) ..., SFace ... and Facenet ..."."""
    return listed([f"{MODEL_LABELS[r['model']]} {words(r)}" for r in table.to_dict("records")])


def one_group(group: str) -> pd.DataFrame:
    """The rows of `who.rule` of one group, a row a model."""
    return who.rule().query("group == @group")


def half_of(group: str) -> pd.DataFrame:
    """The half-samples of one group, indexed by model."""
    return who.load("who-half-samples").query("group == @group").set_index("model")


# ---------------------------------------------------------------- the answer


def large() -> pd.DataFrame:
    """The rows of `who.rule` with at least HEADLINE_N members on both sides."""
    table = who.rule()
    return table[table[["n1", "n0"]].min(axis=1) >= HEADLINE_N]


def in_every_model() -> list[str]:
    """Comparisons of large groups that hold, by the rule, in the same direction in all models."""
    table = large()
    total = table.groupby(["group", "against"], sort=False)["holds"].sum().abs()
    return [
        f"{g} against {who.counterpart(a)}" for g, a in total.index[total == len(PRIMARY_MODELS)]
    ]


def holding(group: str, direction: int) -> list[str]:
    return list(one_group(group).query("holds == @direction")["model"])


def answer() -> str:
    """The answer of notebook 04, with numbers and intervals."""
    colour, women = one_group(COLOUR), one_group("Women")
    agree = in_every_model()
    verdict = words.title_primary()
    agreement = (
        f"The models agree on {listed(agree)} and on nothing else"
        if agree
        else "No difference between groups holds in all three models"
    )
    return (
        f"**{verdict} at {ACLU_COUNT} flagged (the primary analysis); within recorded sex the "
        f"ratio of their FPIRs is {each(colour, within)}.** "
        f"**The ratio of women to men, within white members and members of colour (exploratory), "
        f"is {each(women, within)}, all with 95 % intervals.** "
        f"**{agreement}, if a difference has to show at three thresholds, without any threshold "
        f"and within sex: {_which(COLOUR, 'members of colour')}, {_which('Women', 'women')}.** "
        f"Without any threshold members of colour lie nearer to strangers than white members in "
        f"{nearer(COLOUR)} of three models, women nearer than men in {nearer('Women')}."
    )


def _which(group: str, words: str) -> str:
    """ "SFace falsely matches women more often", by the rule."""
    texts = []
    for how, direction in (("more", 1), ("less", -1)):
        names = holding(group, direction)
        verb = "falsely matches" if len(names) == 1 else "falsely match"
        if names:
            texts.append(f"{model_names(names)} {verb} {words} {how} often")
    return listed(texts) if texts else f"no model falsely matches {words} more often"


def nearer(group: str) -> str:
    """In how many models, as a word, a group lies nearer to strangers without any threshold.

    Both AUCs, crude (half-samples) and standardised, have to lie above one half with their
    intervals.
    """
    table = one_group(group).set_index("model")
    low = np.minimum(table["auc_within_low"], half_of(group)["auc_low"])
    return NUMBERS[int((low > 0.5).sum())]


def finding() -> str:
    """One line for the README's table of findings."""
    colour, women, agree = one_group(COLOUR), one_group("Women"), in_every_model()
    end = f"only {listed(agree)} holds" if agree else "no difference between groups holds"
    return (
        f"FPIR ratios at {ACLU_COUNT} flagged, members of colour to white members within recorded "
        f"sex: {each(colour, within)}; women to men within white and of colour (exploratory): "
        f"{each(women, within)}. At three thresholds and threshold-free {end} in all three models."
    )


# ---------------------------------------------------------------- 1. the primary analysis


def show_primary() -> pd.DataFrame:
    """The primary comparison and its variant without Asian members, crude to half-samples."""
    rows = []
    for group in (COLOUR, NOT_ASIAN):
        for row in one_group(group).to_dict("records"):
            half = half_of(group).loc[row["model"]]
            rows.append(
                {
                    "Model": MODEL_LABELS[row["model"]],
                    "Group": group,
                    "Flagged": f"{row['k1']} of {row['n1']}",
                    "White": f"{row['k0']} of {row['n0']}",
                    "FPIR ratio": number(row["ratio"], row["low"], row["high"]),
                    "Within recorded sex": with_interval(row, "within"),
                    "Half-samples": numbers.ratio_interval(half["ratio_low"], half["ratio_high"]),
                    "Half-samples, within sex": numbers.ratio_interval(
                        half["within_low"], half["within_high"]
                    ),
                    "Holm p": p_text(row["holm_p"]),
                }
            )
    return pd.DataFrame(rows)


def caption_primary() -> str:
    """Caption of the table of the primary analysis."""
    return (
        f"Gallery: adults of UTKFace, {ACLU_COUNT} flagged. FPIR ratio with its 95 % interval "
        "(Miettinen-Nurminen); within recorded sex: Mantel-Haenszel (Greenland-Robins). "
        "Half-samples: 95 % intervals of the same ratios that allow for other members and another "
        "half of the gallery, the threshold held. Holm p: Fisher's exact test, over the three "
        "models for the pre-specified comparison; in the family of all secondary tests for the "
        "other."
    )


def words_primary() -> str:
    """The primary analysis restated, in words."""
    table, not_asian = one_group(COLOUR), one_group(NOT_ASIAN)
    part = dict(list(headline.by_group().groupby("model", sort=False)))
    parts = [
        f"{MODEL_LABELS[m]} "
        + ", ".join(
            f"{r.flagged} of {r.searched} {r.group}" for r in t.itertuples() if r.group in GROUPS
        )
        for m, t in part.items()
    ]
    k = int((table["holm_p"] < 0.05).sum())
    return (
        f"With {ACLU_COUNT} of {len(people_searched())} members flagged by each model, the FPIR "
        f"ratio of members of colour to white members is {each(table, crude)}; Holm's p over the "
        f"three is below 0.05 for {NUMBERS[k]} of them. Without the members recorded as Asian it "
        f"is {each(not_asian, crude)}. The parts, by recorded group: {'; '.join(parts)}."
    )


def crude(row) -> str:
    return number(row["ratio"], row["low"], row["high"])


# ---------------------------------------------------------------- 2. every group


def show_ratios() -> pd.DataFrame:
    """Every comparison: FPIR ratios by model, crude and within strata; * where Holm p < 0.05."""
    rows = []
    table = who.secondary()
    for (section, group, against), part in table.groupby(
        ["characteristic", "group", "against"], sort=False
    ):
        one = part.iloc[0]
        row = {
            "Characteristic": section,
            "Group": f"{group} ({one['n1']})",
            "Against": f"{against} ({one['n0']})",
        }
        for r in part.to_dict("records"):
            star = " *" if r["holm_p"] < 0.05 else ""
            row[MODEL_LABELS[r["model"]]] = f"{r['k1']} : {r['k0']}, {crude(r)}{star}"
            within = with_interval(r, "within") if section != who.BOTH else "–"
            row[f"{MODEL_LABELS[r['model']]}, within"] = within
        rows.append(row)
    return pd.DataFrame(rows)


def caption_ratios() -> str:
    """Caption of the table of all comparisons."""
    table = who.secondary()
    tests = int((~table["primary"] & table["p"].notna()).sum())
    return (
        "Flagged in the group : flagged in its counterpart, FPIR ratio with its 95 % interval "
        f"(Miettinen-Nurminen); 'within': Mantel-Haenszel over {STRATA_WORDS} (without "
        "an interval where one side has no flagged member; a dash where the comparison is within a "
        f"gender already). * Holm-adjusted p below 0.05 (Fisher's exact test), in one family of "
        f"{tests} tests: every comparison but the primary one, all three models. Members searched "
        "in brackets. Groups of a few people are shown because leaving them out would hide them; "
        "their ratios say little."
    )


def words_holm() -> str:
    """How many secondary comparisons survive Holm's correction."""
    table = who.secondary().query("not primary and p.notna()")
    left = table[table["holm_p"] < 0.05]
    few = (left[["n1", "n0"]].min(axis=1) < HEADLINE_N).sum()
    return (
        f"Of the {len(table)} secondary tests {(table['p'] < 0.05).sum()} have p below 0.05, and "
        f"{len(left)} still have it after Holm's correction over all of them; {few} of these rest "
        f"on a group of fewer than {HEADLINE_N}. Which of them can carry a sentence is the subject "
        "of the next section."
    )


def _listing(table: pd.DataFrame, n: bool = False) -> str:
    """ "Women against men (Dlib (native): more often; SFace: ...)", one phrase a comparison."""
    texts = []
    for (group, against), part in table.groupby(["group", "against"], sort=False):
        ways = {"more often": part["ratio"] > 1, "less often": part["ratio"] <= 1}
        ways = [f"{how}: {model_names(part.loc[m, 'model'])}" for how, m in ways.items() if m.any()]
        size = f", n = {part['n1'].iloc[0]}" if n else ""
        texts.append(f"{group} against {who.counterpart(against)}{size} ({'; '.join(ways)})")
    return listed(texts)


def words_party() -> str:
    """Party: crude against standardised."""
    table = one_group("Democrats")
    members = people_searched()
    parts = members.groupby("party")["of_colour"].agg(["sum", "size"])
    women = (members["gender"] == "female").groupby(members["party"]).sum()
    d, r = parts.loc["democrat"], parts.loc["republican"]
    before = int((table["low"] > 1).sum())
    kept = int((table["within_low"] > 1).sum())
    return (
        f"Party shows why a crude ratio is not enough. {each(table, flagged_of)} of the flagged "
        f"are Democrats, and the crude ratio to Republicans is {each(table, crude)}, "
        f"above 1 with its interval in {NUMBERS[before]} of three models. But {d['sum']} of "
        f"{d['size']} Democrats are members of colour and {women['democrat']} women; of "
        f"{r['size']} Republicans {r['sum']} and {women['republican']}. Within recorded gender and "
        f"white or of colour the ratio is {each(table, within)}, above 1 "
        f"with its interval in {NUMBERS[kept]}."
    )


def within(row) -> str:
    """The standardised ratio of a row of `who.compare`, with its interval."""
    return with_interval(row, "within")


def flagged_of(row) -> str:
    return f"{row['k1']} of {ACLU_COUNT}"


def words_unexpected() -> str:
    """Where groups of some size lie against the direction of the primary comparison."""
    table = large().query(
        "characteristic in [@who.ETHNICITY, @who.BOTH] and against != 'White men'"
    )
    men = large().query("characteristic == @who.BOTH and against == 'White men'")
    table = pd.concat([table, men[men["group"] != "White women"]])
    against = table[(table["ratio"] < 1) | (table["within"] < 1) | (table["auc"] < 0.5)]
    cases = [
        f"{r['group']} against {who.counterpart(r['against'])} with {MODEL_LABELS[r['model']]} "
        f"({r['k1']} of {r['n1']} to {r['k0']} of {r['n0']}; AUC "
        f"{with_interval(r, 'auc')})"
        for r in against.to_dict("records")
    ]
    members = large().query("group == @COLOUR")
    null = members[(members["within_low"] <= 1) & (members["within_high"] >= 1)]
    found = (
        f"Not every comparison points the way of the crude primary ratio. Among groups of "
        f"{HEADLINE_N} or more, a ratio below 1 or an AUC below one half: {listed(cases)}."
        if cases
        else f"Among groups of {HEADLINE_N} or more no ratio is below 1, no AUC below one half."
    )
    if len(null):
        found += (
            f" And within recorded sex the primary ratio of {model_names(null['model'])} is "
            f"{listed(with_interval(r, 'within') for r in null.to_dict('records'))}: its "
            "interval includes no difference."
        )
    return found


def words_half() -> str:
    """What the shared gallery does to the intervals."""
    table = who.load("who-half-samples").query("searched >= @HEADLINE_N and flagged > 0")
    effect = table["design_effect"]
    half, plain = half_of(COLOUR), one_group(COLOUR).set_index("model")
    longer = np.log(half["ratio_high"] / half["ratio_low"]) / np.log(plain["high"] / plain["low"])
    return (
        "Members share one gallery: if one of its faces happens to resemble many people, many "
        "searches fail together. The half-samples allow for that. For groups of "
        f"{HEADLINE_N} or more with a flagged member they multiply the variance of a rate by "
        f"{effect.min():.1f} to {effect.max():.1f} (median {effect.median():.1f}); the interval of "
        f"the primary ratio becomes {longer.min():.2f} to {longer.max():.2f} times as long on the "
        "log scale."
    )


# ---------------------------------------------------------------- 3. a rule for sentences


def show_rule() -> pd.DataFrame:
    """The comparisons with p below 0.05 in some model, and the primary one, against the rule."""
    table = who.rule()
    table = table[(table["p"] < 0.05) | table["primary"]]
    half = who.load("who-half-samples").set_index(["model", "group"])
    rows = []
    for r in table.to_dict("records"):
        drawn = half.loc[(r["model"], r["group"])]
        rows.append(
            {
                "Model": MODEL_LABELS[r["model"]],
                "Group": f"{r['group']} ({r['n1']})",
                "Against": f"{r['against']} ({r['n0']})",
                **{
                    f"Ratio at {c}": number(r[f"ratio_{c}"], r[f"low_{c}"], r[f"high_{c}"])
                    for c in COUNTS
                },
                f"At {ACLU_COUNT}, half-samples": numbers.ratio_interval(
                    drawn["ratio_low"], drawn["ratio_high"]
                ),
                "AUC": with_interval(r, "auc"),
                "AUC within": with_interval(r, "auc_within"),
                "p": p_text(r["p"]),
                "Holm p": p_text(r["holm_p"]),
                "Holds": _holds(r),
            }
        )
    return pd.DataFrame(rows)


def _holds(row) -> str:
    if not row["holds"]:
        return ""
    few = "" if min(row["n1"], row["n0"]) >= HEADLINE_N else ", too few for a sentence"
    return ("more often" if row["holds"] > 0 else "less often") + few


def caption_rule() -> str:
    """Caption of the table of the rule."""
    return (
        f"Comparisons with an unadjusted p below 0.05, and the primary one. Ratio: FPIR ratio with "
        f"{listed([str(c) for c in COUNTS])} members flagged. AUC: chance that the best impostor "
        f"score of a member of the group is nearer than that of its counterpart, DeLong's "
        f"interval; within: pooled over {STRATA_WORDS}. 'Holds': all intervals of the "
        "row, and the standardised ratios at the three thresholds, lie on one side of no "
        "difference, and Holm's p is below 0.05."
    )


def words_rule() -> str:
    """What the rule lets one say."""
    table = who.rule()
    holds = table[table["holds"] != 0]
    enough = large()
    enough = enough[enough["holds"] != 0]
    small = holds.drop(enough.index)
    agree = in_every_model()
    text = (
        f"In groups of {HEADLINE_N} or more the rule lets through {_listing(enough)}. "
        if len(enough)
        else f"In groups of {HEADLINE_N} or more the rule lets no comparison through. "
    )
    text += (
        f"In all three models: {listed(agree)}. "
        if agree
        else "None of these holds in all three models. "
    )
    if len(small):
        text += (
            f"In smaller groups the numbers satisfy it for {_listing(small, n=True)}; that is "
            "shown and not concluded from. "
        )
    failing = one_group(COLOUR).query("holds == 0")
    for r in failing.to_dict("records"):
        text += f"The primary comparison with {MODEL_LABELS[r['model']]} fails at {_failed(r)}. "
    return text + (
        "A comparison that the rule does not let through is not shown to be equal: at these counts "
        "the tests see only large differences."
    )


def _failed(row) -> str:
    """Which parts of the rule a comparison (more often) does not meet."""
    parts = []
    for count in COUNTS:
        if not row[f"low_{count}"] > 1:
            parts.append(f"the ratio with {count} flagged")
        at = who.at_count(count)
        low = at.loc[(at["model"] == row["model"]) & (at["group"] == row["group"]), "within_low"]
        if not low.item() > 1:
            parts.append(f"the ratio within recorded sex with {count} flagged")
    parts += ["the AUC"] * (not row["auc_low"] > 0.5)
    parts += ["the AUC within recorded sex"] * (not row["auc_within_low"] > 0.5)
    parts += ["Holm's p"] * (not row["holm_p"] < 0.05)
    return listed(parts)


# ---------------------------------------------------------------- 4. age and photo quality


def show_adjusted() -> pd.DataFrame:
    """Odds ratios before and after adjustment, a row a gap and set of terms, a column a model."""
    table = who.adjusted()
    rows = []
    for (gap, _), part in table.assign(order=_orders(table)).groupby(["gap", "order"], sort=False):
        terms = part["terms"].iloc[0]
        row = {"Gap": gap, "Adjusted for": terms or "nothing"}
        for r in part.to_dict("records"):
            change = f", x {r['change']:.2f}" if terms else ""
            name = MODEL_LABELS[r["model"]]
            row[name] = number(r["odds_ratio"], r["low"], r["high"]) + change
        rows.append(row)
    return pd.DataFrame(rows).sort_values("Gap", kind="stable", ignore_index=True)


def _orders(table: pd.DataFrame) -> pd.Series:
    return (
        table["terms"].ne("").astype(int)
        + table["terms"].str.count(",") * 10
        + table["terms"].map({t: i / 100 for i, t in enumerate(dict.fromkeys(table["terms"]))})
    )


def caption_adjusted() -> str:
    """Caption of the table of adjusted odds ratios."""
    table = who.adjusted()
    return (
        f"Odds ratio of being flagged at {table['events'].iloc[0]} flagged among "
        f"{table['members'].iloc[0]} enrolled members, Firth's penalised logistic regression with "
        "profile 95 % intervals and at most three terms; x: change, the odds ratio over the "
        "unadjusted one. Age in decades; sharpness, brightness and face size of the portrait in "
        "standard deviations. An odds ratio lies farther from 1 than an FPIR ratio, and moves a "
        "little with any added term that matters, confounder or not."
    )


def words_adjusted() -> str:
    """How the gaps change after adjustment."""
    ranks, odds = who.adjusted_ranks(), who.adjusted()
    texts = []
    for gap, part in ranks.groupby("gap", sort=False):
        before = part[part["terms"] == ""].set_index("model")
        after = part[part["terms"].str.count(",") == part["terms"].str.count(",").max()]
        after = after.set_index("model")
        values = [
            f"{MODEL_LABELS[m]} from {before.at[m, 'auc']:.2f} to {after.at[m, 'auc']:.2f} (change "
            f"{signed(after.at[m, 'change'])}, {signed(after.at[m, 'change_low'])} to "
            f"{signed(after.at[m, 'change_high'])})"
            for m in PRIMARY_MODELS
        ]
        still = int((after["low"] > 0.5).sum())
        texts.append(
            f"**{gap}**: the AUC changes after adjustment for {after['terms'].iloc[0]}: "
            f"{listed(values)}; it stays above one half with its interval in {NUMBERS[still]} of "
            f"three models."
        )
    two = odds[odds["terms"].str.count(",") == 0].query("terms != ''").set_index(["model", "gap"])
    three = odds[odds["terms"].str.count(",") == 1]
    base = two["odds_ratio"].reindex(pd.MultiIndex.from_frame(three[["model", "gap"]])).to_numpy()
    moved = three["odds_ratio"] / base
    colour = moved[three["gap"] == who.GAPS["of_colour"]]
    women = moved[three["gap"] == who.GAPS["woman"]]
    return (
        "\n\n".join(texts)
        + f"\n\nAt {ACLU_COUNT} flagged, adding age or one measure of the photograph to a model "
        f"that holds recorded gender and white or of colour multiplies the odds ratio of the first "
        f"gap by {colour.min():.2f} to {colour.max():.2f} and that of the second by "
        f"{women.min():.2f} to {women.max():.2f}."
    )


# ---------------------------------------------------------------- 5. the ACLU's list


def show_aclu() -> pd.DataFrame:
    """The ACLU's 28 and ours by recorded group and gender."""
    table = who.aclu_beside()
    shown = pd.DataFrame(
        {
            "Group": table["group"],
            "Searched": table["searched"],
            "By lot, on average": table["by_lot"].map("{:.1f}".format),
            "ACLU 2018": table["aclu"],
        }
    )
    for model in PRIMARY_MODELS:
        shown[MODEL_LABELS[model]] = table[model]
    return shown


def words_aclu() -> str:
    """The ACLU's pattern beside ours."""
    table = who.aclu_beside().set_index("group")
    n = int(table.loc[["Women", "Men"], "searched"].sum())
    asian = table.loc[list(groups.ASIAN)].sum(numeric_only=True)

    def so(found, group):
        few = rates.chance_of_so_few(int(found), int(group), ACLU_COUNT, n)
        many = 1 - rates.chance_of_so_few(int(found) - 1, int(group), ACLU_COUNT, n)
        small, word = min((few, "few"), (many, "many"))
        chance = percent(small, 0) if small >= 0.01 else "less than 1 %"
        return f"so {word} in {chance} of draws by lot"

    women = table.loc["Women"]
    ours = listed(
        [
            f"{MODEL_LABELS[m]} {women[m]} ({so(women[m], women['searched'])})"
            for m in PRIMARY_MODELS
        ]
    )
    ours_asian = listed([f"{MODEL_LABELS[m]} {int(asian[m])}" for m in PRIMARY_MODELS])
    return (
        f"The ACLU's list holds {women['aclu']} of the {women['searched']} women "
        f"({so(women['aclu'], women['searched'])}); ours hold {ours}. It holds "
        f"{int(asian['aclu'])} of the {int(asian['searched'])} members recorded as Asian "
        f"({so(asian['aclu'], asian['searched'])}); ours {ours_asian}. Its false matches among "
        f"members of colour are {table.at['Black', 'aclu']} Black and "
        f"{table.at['Hispanic', 'aclu']} Hispanic members. So where the shares of members of "
        f"colour look alike, the lists need not: gallery, model and photographs were other ones. "
        f"An arrest gallery mostly of men might leave women out; it was never described, so the "
        f"cause cannot be known."
    )


def show_rank() -> pd.DataFrame:
    """The rank test of the ACLU's 28, a row a model."""
    table = who.rank_test()
    return pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "AUC within gender and group": table["auc"].map("{:.2f}".format),
            "Permutation p": table["p"].map(p_text),
            "Holm p": table["holm_p"].map(p_text),
        }
    )


def _power() -> pd.Series:
    """Power of the rank test by true AUC."""
    table = who.load("test-size").query('world == "ACLU\'s list"')
    return table.set_index(table["test"].str.extract(r"(0\.\d+)")[0].astype(float))["rejected"]


def words_rank() -> str:
    """The rank test and its power."""
    table, power = who.rank_test(), _power()
    least, size = table["holm_p"].min(), power.loc[0.5]
    verdict = (
        "in no model are the ACLU's names nearer to our strangers, or farther, than others of "
        "their recorded gender and group"
        if least >= 0.05
        else f"{model_names(table.loc[table['holm_p'] < 0.05, 'model'])} put the ACLU's names at "
        "another distance from our strangers than others of their recorded gender and group"
    )
    others = ", ".join(f"{percent(v, 0)} at {a:.2f}" for a, v in power.drop(0.5).items())
    return (
        f"After Holm's correction {verdict} (smallest p {least:.2f}; AUC "
        f"{each(table, lambda r: number(r['auc'], np.nan, np.nan))}; one half is no difference). "
        f"The test is weak: with {ACLU_COUNT} names it finds a true AUC with a probability of "
        f"{others} (one model, unadjusted, by simulation), and rejects in {percent(size, 1)} "
        f"where there is nothing. And whatever it says is about our models and our gallery: a "
        f"null says nothing about Rekognition."
    )


# ---------------------------------------------------------------- 6. a share and a rate


def show_shares() -> pd.DataFrame:
    """Share, part of the searched, rates and ratio: the ACLU's list in both codings, and ours."""
    rows = []
    for r in who.shares().itertuples():
        about = "" if r.exact else "about "
        white, others = r.flagged - r.k1, r.searched - r.n1
        rows.append(
            {
                "List": MODEL_LABELS.get(r.source, r.source),
                "Share of the false matches": numbers.rate(
                    r.k1, r.flagged, r.share_low, r.share_high
                ),
                "Part of the searched": f"{about}{percent(r.n1 / r.searched)}",
                "FPIR, members of colour": f"{about}{percent(r.k1 / r.n1)}",
                "FPIR, white members": f"{about}{percent(white / others)}",
                "Ratio of the FPIRs": f"{about}{number(r.ratio, r.low, r.high)}",
            }
        )
    return pd.DataFrame(rows)


def words_share() -> str:
    """Share against rate against ratio."""
    table = who.shares()
    reported, coded = table.iloc[0], table.iloc[1]
    part = coded["n1"] / coded["searched"]
    implied = [who.ratio_implied(s, part) for s in reported[["share", "share_low", "share_high"]]]
    ours = table[table["source"].isin(PRIMARY_MODELS)]
    above = ours[ours["share"] > reported["share"]]
    return (
        f"{reported['k1']} of {reported['flagged']} is {percent(reported['share'], 0)}: a share of "
        f"the false matches. With {coded['n1']} of {coded['searched']} members recorded as of "
        f"colour it implies an FPIR ratio of {number(*implied)} (the interval is that of the "
        f"share, {ACLU_COUNT} flagged being given); with the coding of the list of names, "
        f"{coded['k1']} of {coded['flagged']}, the ratio is "
        f"{number(coded['ratio'], coded['low'], coded['high'])}. The same share would mean a "
        f"ratio of 1 where {percent(reported['share'], 0)} of the searched are people of colour, "
        f"and of {who.ratio_implied(reported['share'], 0.5):.2f} where half are. Our own shares "
        f"are {each(ours.rename(columns={'source': 'model'}), lambda r: percent(r['share'], 0))}: "
        + (
            f"{model_names(above['source'])} above the ACLU's"
            if len(above)
            else "none above the ACLU's"
        )
        + ". The ratio, not the share, can be compared between places."
    )


def words_power() -> str:
    """The power of the primary test, and what it means for small groups."""
    members = people_searched()
    n = len(members)
    black = int((members["group"] == "Black").sum())
    few = exact_tests.power_fisher(black, n - black, ACLU_COUNT, 3)
    return (
        f"With {ACLU_COUNT} flagged, the primary test finds a true ratio of 2 with a probability "
        f"of {headline.power(2):.2f} and of 3 with {headline.power(3):.2f}; for a group of {black} "
        f"against everybody else a ratio of 3 is found with {few:.2f}, before any correction."
    )
