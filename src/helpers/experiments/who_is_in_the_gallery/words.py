"""Notebook 05 in words: the answer, titles, captions, alternative texts and sentences."""

import numpy as np
import pandas as pd

from helpers.experiments.who_is_in_the_gallery import compositions
from helpers.experiments.who_is_in_the_gallery import tables as t
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import congress_test
from helpers.show.numbers import listed, percent
from helpers.sources import groups

# ---------------------------------------------------------------- phrases


def _range(values) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


def _ranges(table: pd.DataFrame, column: str = "crude") -> str:
    """Smallest to largest of each model: "Dlib (native) 1.2 to 3.4, ..."."""
    return listed(
        f"{MODEL_LABELS[m]} {_range(p[column])}" for m, p in table.groupby("model", sort=False)
    )


def _each(table: pd.DataFrame, name: str = "crude") -> str:
    """The ratio of each model with its interval: one row a model."""
    return listed(
        f"{MODEL_LABELS[r['model']]} {t.ratio_text(r, name)}" for _, r in table.iterrows()
    )


def _of(k: int, n: int) -> str:
    """3 of 4, all 4, none of 4."""
    return f"all {n}" if k == n else f"none of {n}" if k == 0 else f"{k} of {n}"


# ---------------------------------------------------------------- who is in the galleries


def words_targets() -> str:
    """How well the published figures could be read, and what was assumed to combine them."""
    table = compositions.targets()
    status = table["status"].value_counts()
    arrests = compositions.margins("us-arrests")[0].set_index("race")["share"]
    fbi = compositions.margins("us-arrests", hispanic="White")[0].set_index("race")["share"]
    return (
        f"Of {len(table)} figures, {status.get('primary', 0)} were read on the publisher's own "
        f"page, {status.get('copy', 0)} in a copy of the publisher's table and "
        f"{status.get('press', 0)} in a press report. The FBI's national table of arrests by race "
        "could not be read, so the races are those of arrests in cities, the ages those of arrests "
        "in suburbs, and the sexes a textbook's, from the FBI's national table; nobody publishes "
        "arrests by race, sex and age together, so the three are combined **as if independent**, "
        "which is an assumption. The FBI counts Hispanic arrests apart from race; they are taken "
        "out of White and put under Others, so White falls from "
        f"{percent(fbi['White'], 0)} to {percent(arrests['White'], 0)} of arrests. What other "
        "assumptions would do is shown in section 7."
    )


def words_size() -> str:
    """The common size and what limits it."""
    faces = t.strata().set_index("stratum")["faces"]
    largest = {
        k: compositions.largest_size(v, faces) for k, v in compositions.designs(faces).items()
    }
    name = min(largest, key=lambda k: largest[k])
    adults = faces[~faces.index.str.endswith(compositions.CHILD)].sum()
    return (
        f"**One size for all: {compositions.SIZE:,} faces.** UTKFace has {adults:,} enrolled adults without "
        f"the probable same persons, but not enough of each kind: the gallery '{name}' could have "
        f"at most {largest[name]:,}, the least of all, and galleries can only be compared at one "
        "size. A smaller gallery gives fewer false matches at any threshold, so the numbers "
        "flagged here are not those of notebook 02."
    )


# ---------------------------------------------------------------- the ratio


def answer() -> str:
    """The answer of notebook 05."""
    white = _each(t.picked(("White only",)))
    moved, main, own = (
        t.spread(compositions.MAIN),
        t.picked(compositions.MAIN),
        t.picked((compositions.OWN,)),
    )
    gallery, model = max(moved["by_gallery"].values()), max(moved["by_model"].values())
    return (
        f"**Same members, same photographs, {compositions.WANTED} expected to be flagged in galleries of "
        f"{compositions.SIZE:,} strangers: over four galleries (UTKFace as it is, balanced, like US adults, "
        "like US arrests) the ratio of the FPIR of members of colour to that of white members is "
        f"{_ranges(main)}, and within recorded sex {_ranges(main, 'within')}. Its 95 % interval "
        f"lies above 1 for {_above(main)} of them (within sex {_above(main, 'within')}); another "
        f"gallery moves the ratio by a factor of up to {gallery:.1f}, another model by up to "
        f"{model:.1f}.** "
        f"**In a gallery of faces labelled White alone the ratio is "
        f"{white}; with every member searched among equally many faces of the own group it is "
        f"{_each(own)}. {_both(own)}**"
    )


def _above(table: pd.DataFrame, name: str = "crude") -> str:
    """In how many galleries the interval lies above 1, model by model."""
    return listed(
        f"{MODEL_LABELS[model]} in {_of(int((part[f'{name}_low'] > 1).sum()), len(part))}"
        for model, part in table.groupby("model", sort=False)
    )


def _both(own: pd.DataFrame) -> str:
    """What goes with who is enrolled, and what is left with equal numbers: a sentence."""
    white, main = t.picked(("White only",)), t.picked(compositions.MAIN)
    least = main.groupby("model")["crude"].min()
    below = [MODEL_LABELS[r.model] for r in white.itertuples() if r.crude < least[r.model]]
    left = [MODEL_LABELS[m] for m in own.loc[own["crude_low"] > 1, "model"]]
    enrolled = (
        f"the disparity goes with who is enrolled for {listed(below)}"
        if below
        else "the disparity goes with who is enrolled for no model"
    )
    if not left:
        return f"So {enrolled}, and none beyond chance is left once the numbers are equal."
    return (
        f"So {enrolled}; and for {listed(left)} it is there when the "
        "numbers are equal, and then it goes with the model on these photographs."
    )


def caption_groups() -> str:
    """Caption of the table by recorded group."""
    return (
        f"Expected number flagged of those searched, {compositions.WANTED} expected in all, in galleries of "
        f"{compositions.SIZE:,} faces. 95 % intervals: Wilson on the expected number, as for one such gallery "
        "and independent searches. Exploratory; groups of fewer than ten members say little."
    )


def title_ratios() -> str:
    """The finding of the figure of ratios."""
    white, black = (t.picked((f"{r} only",))["crude"] for r in ("White", "Black"))
    return (
        "Same members, same photographs: in a gallery of faces labelled White the ratio is "
        f"{_range(white)}, in one of faces labelled Black {_range(black)}"
    )


def alt_ratios() -> str:
    """What the figure of ratios shows, in words."""
    table = t.picked(t.SHOWN)
    parts = []
    for model, part in table.groupby("model", sort=False):
        rows = [f"{r.composition} {r.crude:.1f}" for r in part.itertuples()]
        parts.append(f"{MODEL_LABELS[model]}: {', '.join(rows)}")
    return f"FPIR ratios with intervals, crude and within sex. Crude: {'. '.join(parts)}."


def caption_ratios() -> str:
    """Caption of the figure of ratios."""
    return "Right of the line: members of colour are falsely matched more often. " + caption_table()


def caption_table() -> str:
    """Caption of the table of ratios."""
    return (
        f"Exact expectations in random galleries of {compositions.SIZE:,} faces, threshold set anew for each "
        f"so that {compositions.WANTED} members are expected to be flagged. 95 % intervals for other members "
        "and other gallery identities of the same kind (the two variances added, which is on the "
        "safe side). Exploratory. Galleries of one label are half women; 'legislators' are former "
        "members of Congress, on other kinds of photographs."
    )


def words_ratios() -> str:
    """The ratios of the main galleries in words."""
    rows = []
    for name in compositions.MAIN:
        part = t.picked((name,))
        rows.append(f"* **{name}**: {_each(part)}; within recorded sex {_each(part, 'within')}.")
    return "\n".join(rows)


def words_spread() -> str:
    """Model against gallery: the two-way comparison in words."""
    parts = []
    for name, chosen in (
        ("the four main galleries", compositions.MAIN),
        ("these and the five of one label", (*compositions.MAIN, *compositions.SINGLE)),
    ):
        crude, within = t.spread(chosen), t.spread(chosen, "within")
        parts.append(
            f"Over {name}, the choice of gallery moves the ratio of one model by a factor of "
            f"{_range(crude['by_gallery'].values())}, and the choice of model that of one gallery "
            f"by {_range(crude['by_model'].values())} (within sex: "
            f"{_range(within['by_gallery'].values())} and {_range(within['by_model'].values())}). "
            f"Of the sum of squares of the log ratios, {percent(crude['shares']['model'], 0)} go "
            f"with the model, {percent(crude['shares']['gallery'], 0)} with the gallery and "
            f"{percent(crude['shares']['rest'], 0)} with the two together; within sex "
            f"{percent(within['shares']['model'], 0)}, {percent(within['shares']['gallery'], 0)} "
            f"and {percent(within['shares']['rest'], 0)}."
        )
    return " ".join(parts) + (
        " Such shares depend on which galleries and models are put into the table; they describe "
        "this one and are no law."
    )


# ---------------------------------------------------------------- pairs of groups


def title_heat() -> str:
    """The finding of the heatmap."""
    table = t.own_is_highest()
    hits = int((table["own"] == table["highest"]).sum())
    return (
        f"In {hits} of {len(table)} rows a group of members is most often taken for faces of the "
        "label nearest to its own"
    )


def caption_heat() -> str:
    """Caption of the heatmap."""
    return (
        "False matches in 100,000 comparisons of the same recorded and published sex, with 95 % "
        "intervals that allow for members and identities that take part in many comparisons (for a "
        "cell without any false match Wilson's, which is too narrow). Threshold: FMR of 1 in "
        "10,000, that is 10 in 100,000, calibrated on former legislators. Framed: the label taken "
        "as the group's own. Adults of UTKFace; exploratory. All pairs, and the threshold of the "
        "28, are in data/results/composition-heat.csv."
    )


def alt_heat() -> str:
    """What the heatmap shows, in words."""
    parts = []
    for model, part in t.show_heat().groupby("model", sort=False):
        own = part[part["group"].map(groups.RACE_OF_GROUP) == part["race"]]
        rows = [f"{r.group} {100_000 * r.fmr:.0f}" for r in own.itertuples()]
        parts.append(f"{MODEL_LABELS[model]}: {', '.join(rows)}")
    return (
        "Grids of FMR, recorded group of the member by published label of the gallery face. "
        f"Against the own label, in 100,000 comparisons: {'. '.join(parts)}."
    )


def words_heat() -> str:
    """The heatmap in words."""
    table, own = t.show_heat(), t.own_is_highest()
    parts = []
    for model, part in table.groupby("model", sort=False):
        diagonal = part[part["group"].map(groups.RACE_OF_GROUP) == part["race"]].set_index("group")
        white = diagonal.loc["White"]
        above = [
            g for g in diagonal.index if g != "White" and diagonal.loc[g, "low"] > white["high"]
        ]
        below = [
            g for g in diagonal.index if g != "White" and diagonal.loc[g, "high"] < white["low"]
        ]
        told = [f"higher for {listed(above)}"] if above else []
        told += [f"lower for {listed(below)}"] if below else []
        parts.append(
            f"{MODEL_LABELS[model]} {100_000 * white['fmr']:.0f} "
            f"({100_000 * white['low']:.0f}–{100_000 * white['high']:.0f}), "
            + (listed(told) if told else "none apart")
        )
    hits, others = own[own["own"] == own["highest"]], own[own["own"] != own["highest"]]
    not_own = "; ".join(
        f"{r.group} members with {MODEL_LABELS[r.model]}, where it is {r.highest}"
        for r in others.itertuples()
    )
    middle = own["ratio"].median()
    return (
        f"In {len(hits)} of {len(own)} rows the highest FMR of a group is that against its own "
        f"label (not so: {not_own or 'none'}); in the median row it is {middle:.1f} times that "
        "against all other labels together. So a gallery with more faces of one's own group holds "
        "more chances of a false match. But the framed cells, where each group meets its own, "
        "differ too, and a rate per comparison does not depend on how many are enrolled. False "
        "matches in 100,000 comparisons of white members with their own label, and the groups "
        f"whose interval lies apart from it: {'; '.join(parts)}. Groups of fewer than ten members "
        "are few photographs, whatever their interval says."
    )


# ---------------------------------------------------------------- equal own-group size


def title_own() -> str:
    """The finding of the figure of own-group galleries."""
    smaller, larger = _moved()
    told = [f"smaller for {listed(smaller)}"] if smaller else []
    told += [f"larger for {listed(larger)}"] if larger else []
    return (
        "With equally many faces of the own group, the ratio of members of colour to white members "
        f"is {listed(told)}"
    )


def _moved() -> tuple[list, list]:
    """The models whose ratio is smaller, and larger, with own-group galleries than as it is."""
    own, before = (
        t.picked((n,)).set_index("model")["crude"] for n in (compositions.OWN, "as it is")
    )
    smaller = [MODEL_LABELS[m] for m in own.index if own[m] < before[m]]
    return smaller, [MODEL_LABELS[m] for m in own.index if MODEL_LABELS[m] not in smaller]


def alt_own() -> str:
    """What the figure of own-group galleries shows, in words."""
    parts = []
    for model, part in t.own_figure_rows().groupby("model", sort=False):
        wide = part.pivot(index="row", columns="series", values="fpir")
        rows = [
            f"{g} {percent(wide.loc[g, 'as it is'])} and {percent(wide.loc[g, compositions.OWN])}"
            for g in t.OWN_ROWS
        ]
        parts.append(f"{MODEL_LABELS[model]}: {', '.join(rows)}")
    return f"Expected FPIR, gallery as it is and own group. {'. '.join(parts)}."


def caption_own() -> str:
    """Caption of the table of own-group galleries."""
    return (
        f"Expected number flagged, of those searched; threshold set anew so that {compositions.WANTED} are "
        f"expected in all. Own group: {compositions.SIZE:,} faces of the label nearest to the member's "
        f"recorded group, half women; own group and sex: {compositions.SIZE // 2} faces, all of the member's "
        "recorded sex. 95 % intervals: Wilson on the expected number. Members without a label of "
        "their own (Native and Pacific) are left out. Exploratory."
    )


def words_own() -> str:
    """Equal own-group size in words."""
    parts = []
    for name in ("as it is", compositions.OWN, compositions.OWN_SEX):
        part = t.picked((name,))
        parts.append(f"* **{name}**: {_each(part)}; within recorded sex {_each(part, 'within')}.")
    own = t.picked((compositions.OWN,)).set_index("model")
    still = [MODEL_LABELS[m] for m in own.index if own.loc[m, "crude_low"] > 1]
    smaller, larger = _moved()
    if smaller:
        moved = f"The ratio is smaller with equal numbers than as it is for {listed(smaller)}"
    else:
        moved = "The ratio is smaller with equal numbers for no model"
    if smaller and larger:
        moved += f", larger for {listed(larger)}"
    rest = f"its interval lies above 1 for {listed(still)}" if still else "no interval lies above 1"
    bullets = "\n".join(parts)
    return (
        f"The ratio of expected FPIRs, members of colour to white members:\n\n{bullets}\n\n"
        f"{moved}; {rest}. A difference that remains when everyone meets as "
        "many faces of the own group is one of the model with these photographs and labels, not of "
        "the numbers enrolled; one that vanishes went with the numbers. UTKFace's labels fit some "
        "groups better than others ('Others' for Hispanic members above all), so this is a "
        "comparison of labels as much as of people."
    )


# ---------------------------------------------------------------- thresholds


def caption_policies() -> str:
    """Caption of the table of threshold policies."""
    return (
        f"Expected number flagged of those searched, in galleries of {compositions.SIZE:,} faces, and FPIR "
        "ratio of members of colour to white members with its 95 % interval. Library default: the "
        "software's own. Threshold of the 28: the primary analysis' threshold, at which that many "
        "are flagged in the whole gallery."
    )


def words_policies() -> str:
    """What one threshold gives in the four main galleries."""
    parts = []
    for policy in ("default", "primary"):
        table = t.picked(compositions.MAIN, policy)
        ranges = listed(
            f"{MODEL_LABELS[m]} {t.number_text(k.min())} to {t.number_text(k.max())}"
            for m, k in table.groupby("model", sort=False)["expected"]
        )
        parts.append((ranges, table))
    (default, _), (primary, table) = parts
    factor = table.groupby("model")["expected"].agg(lambda v: v.max() / v.min()).max()
    return (
        f"At the library defaults the expected number flagged over the four galleries is {default} "
        f"of {len(congress_test.people_searched())}; at the one threshold that flags {compositions.WANTED} in "
        f"the whole gallery it is {primary}. So at one threshold and one size the composition "
        f"alone changes the number of false matches by a factor of up to {factor:.1f}: a threshold "
        "calibrated on one gallery does not keep its promise in another."
    )


# ---------------------------------------------------------------- children, women and men, arrests


def caption_others() -> str:
    """Caption of the table of children, women and men, and legislators."""
    return (
        f"Galleries of {compositions.SIZE:,} faces. The one threshold is that of the 28 in the whole gallery "
        "of adults; for the ratios it is set anew, so that 28 are expected. 95 % intervals."
    )


def words_others() -> str:
    """Children, women and men, legislators, in words."""
    at = {n: t.picked((n,), "primary").set_index("model") for n in t.OTHERS}
    matched = {n: t.picked((n,)).set_index("model") for n in t.OTHERS}

    def fewer(name):
        return listed(
            f"{MODEL_LABELS[m]} {t.number_text(at['as it is'].loc[m, 'expected'])} to "
            f"{t.number_text(at[name].loc[m, 'expected'])}"
            for m in PRIMARY_MODELS
        )

    children = t.strata()
    children = children[children["stratum"].str.endswith(compositions.CHILD)]["faces"].sum()
    former = listed(
        f"{MODEL_LABELS[m]} {t.ratio_text(matched[compositions.LEGISLATORS].loc[m])}"
        for m in PRIMARY_MODELS
    )
    members = congress_test.people_searched()
    women = members["gender"].eq("female").groupby(members["of_colour"]).mean()
    bullets = [
        f"**Children.** UTKFace holds {children:,} enrolled children; the primary analysis leaves "
        "them out. Drawn along with the adults they replace some of them, and the expected number "
        f"at the one threshold goes from {fewer('with children')}; in a gallery of children alone "
        f"from {fewer('children only')}.",
        f"**Women and men.** {percent(women[True], 0)} of the members of colour are women, and "
        f"{percent(women[False], 0)} of the white members. So galleries of one sex change the "
        "crude ratio by whom they can find at all, and only the ratio within recorded sex compares "
        f"them: women only {_each(t.picked(('women only',)), 'within')}, men only "
        f"{_each(t.picked(('men only',)), 'within')}.",
        f"**Legislators.** In {compositions.SIZE:,} former legislators the ratio is {former}; their portraits "
        "are of another kind, so composition and photography cannot be told apart there.",
    ]
    return "\n".join(f"* {b}" for b in bullets)


def caption_arrests() -> str:
    """Caption of the table of assumptions."""
    return (
        "'White women twice (half) as likely': the odds of being a woman are twice (half) as high "
        "for White arrests as for others, all totals kept. 'US jails': people in jail in 2018 by "
        "race and sex, ages as for arrests. 28 expected; 95 % intervals."
    )


def words_arrests() -> str:
    """How far the assumptions behind the arrest gallery matter."""
    table = t.picked(compositions.ARRESTS)
    ranges = _ranges(table)
    base = t.picked(("US arrests",)).set_index("model")["crude"]
    far = {m: np.exp(np.abs(np.log(p["crude"] / base[m])).max()) for m, p in table.groupby("model")}
    return (
        f"Over {len(compositions.ARRESTS)} ways to build an arrest gallery the crude ratio is {ranges}; the "
        f"farthest is a factor of {max(far.values()):.2f} from the one used above. The ACLU never "
        "described its gallery, so none of these is a reconstruction of it."
    )


# ---------------------------------------------------------------- labels


def caption_labels() -> str:
    """Caption of the table of other labels."""
    table = t.read("labels")
    return (
        f"Crude FPIR ratio at {compositions.WANTED} expected, galleries of {table['size'].iloc[0]:,} faces. "
        f"Redrawn: mean of {table['draws'].max()} redraws and their range, in which labels differ "
        "from the published ones at the rate named, to the label that near-duplicates have "
        "instead. One face an identity: the unit is the identity cluster and not the face."
    )


def words_labels() -> str:
    """Label disagreement and what it does, in words."""
    table = t.read("labels")
    base = table[table["labels"] == "as published"].set_index(["composition", "model"])["ratio"]
    rest = table[table["labels"] != "as published"].copy()
    keys = pd.MultiIndex.from_frame(rest[["composition", "model"]])
    rest["far"] = np.abs(np.log(rest["ratio"].to_numpy() / base.reindex(keys).to_numpy()))
    far = np.exp(rest.groupby("labels", sort=False)["far"].max())
    worst = far.idxmax()
    wide = table.pivot_table("ratio", ["labels", "model"], "composition")
    wide = (wide.max(axis=1) / wide.min(axis=1)).unstack()
    moved = listed(
        f"{MODEL_LABELS[m]} {wide.loc['as published', m]:.1f} to {wide.loc[worst, m]:.1f}"
        for m in PRIMARY_MODELS
    )
    sided = np.sign(np.log(rest["ratio"].to_numpy())) == np.sign(
        np.log(base.reindex(keys).to_numpy())
    )
    sides = (
        "No variant moves a ratio across 1."
        if sided.all()
        else f"{int((~sided).sum())} of {len(sided)} ratios cross 1."
    )
    parts = listed(f"{name} {value:.2f}" for name, value in far.items())
    return (
        f"The largest change of any ratio, as a factor: {parts}. It is largest in '{worst}', where "
        "galleries that should differ grow alike: the largest over the smallest ratio of the three "
        f"galleries goes from {moved}. {sides} Photographs that occur twice "
        "are no random sample of the set, so the rates may not hold for the rest."
    )


def words_unit() -> str:
    """Face or identity as the unit, in words."""
    sizes = t.read("labels").groupby("labels")["faces"].first()
    faces, one = sizes["as published"], sizes["one face an identity"]
    return (
        f"**The unit is the face.** {faces:,} adult faces are {one:,} identities by the "
        "near-duplicate rule, so few faces are copies of another; a mugshot file, too, holds some "
        "people more than once. With one face an identity the ratios are in the table of section 8."
    )


def finding() -> str:
    """The line of this notebook in the README's table of findings."""
    main, single = t.picked(compositions.MAIN), t.picked(compositions.SINGLE)

    own = t.picked((compositions.OWN,))
    return (
        f"At {compositions.WANTED} expected false matches in {compositions.SIZE:,} faces the FPIR ratio of members of "
        f"colour to white members is {_ranges(main)} over four plausible galleries, "
        f"{_ranges(single)} over galleries of one label, and "
        f"{_each(own)} when "
        "everyone meets equally many faces of the own group."
    )
