"""Notebook 02 as it is read: tables, captions, alternative texts and sentences."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.the_congress_test import tables
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import congress_test, shipped
from helpers.protocol.policy import ACLU_COUNT
from helpers.show import numbers
from helpers.show.numbers import listed, p_text, percent
from helpers.show.style import GALLERY_LABELS
from helpers.sources import published
from helpers.statistics import intervals


def _rate(row, k="flagged", n="searched", low="low", high="high") -> str:
    return numbers.rate(int(row[k]), int(row[n]), row[low], row[high])


def _ratio(row, name="ratio") -> str:
    return numbers.ratio(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _each(table: pd.DataFrame, words) -> str:
    """One phrase a model, joined to a list: "Dlib (native) ..., SFace ... and Facenet ..."."""
    parts = [f"{MODEL_LABELS[row['model']]} {words(row)}" for _, row in table.iterrows()]
    return listed(parts)


def answer() -> str:
    """The answer of notebook 02 in two sentences, with numbers and intervals."""
    strangers = tables.defaults().query("gallery == 'utkface' and model in @PRIMARY_MODELS")
    theirs = tables.aclu()
    return (
        f"**At their library defaults, in a gallery of {int(strangers['faces'].max()):,} adult "
        f"strangers, three open models falsely match {percent(strangers['fpir'].min(), 0)} to "
        f"{percent(strangers['fpir'].max(), 0)} of Congress: "
        f"{_each(strangers, _rate)}; the ACLU's test of Amazon Rekognition flagged "
        f"{_rate(theirs)}.** "
        f"**At the ACLU's own number of {ACLU_COUNT} flagged members, {_verdict()}: the ratio of "
        f"their FPIRs is {_each(tables.primary(), _ratio)} with 95 % intervals, and within recorded sex "
        f"{_each(tables.primary(), lambda r: _ratio(r, 'ratio_within_sex'))}.** "
        "With nobody left out of the gallery as probably the member in person, the ratios are "
        f"{_each(tables.primary(variant='any'), _ratio)}."
    )


def finding() -> str:
    """The README's line on notebook 02: library defaults, and the primary ratios."""
    strangers = tables.defaults().query("gallery == 'utkface' and model in @PRIMARY_MODELS")
    verdict = _verdict()
    return (
        f"Library defaults falsely match {_each(strangers, _rate)}. At the ACLU's own number of "
        f"{ACLU_COUNT}, {verdict}: FPIR ratio {_each(tables.primary(), _ratio)}."
    )


def _verdict() -> str:
    k = len(tables.significant())
    if k == 0:
        return "no model falsely matches members of colour significantly more often than white ones"
    which = {1: "one of the three models", 2: "two of the three models", 3: "all three models"}[k]
    verb = "falsely matches" if k == 1 else "falsely match"
    return f"{which} {verb} members of colour significantly more often than white members"


def title_primary() -> str:
    """The finding of the primary analysis, as the title of its figure."""
    text = _verdict()
    return f"{text[0].upper()}{text[1:]}"


def show_defaults() -> pd.DataFrame:
    """`defaults` with names and rates written out."""
    table = tables.defaults()
    return pd.DataFrame(
        {
            "Gallery": table["gallery"].map(GALLERY_LABELS),
            "Model": table["model"].map(MODEL_LABELS),
            "Faces": table["faces"].map("{:,}".format),
            "Threshold (distance)": table["threshold"].map("{:g}".format) + " " + table["metric"],
            "Falsely matched (FPIR)": table.apply(_rate, axis=1),
            "FTE": table["failures_to_enrol"],
            "Implied FMR": table["implied_fmr"].map("{:.1e}".format),
        }
    )


def show_primary(gallery: str = "utkface") -> pd.DataFrame:
    """`primary` with names, rates and ratios written out."""
    table = tables.primary(gallery)
    return pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Threshold": table["threshold"].map("{:.4f}".format),
            "Of colour": table.apply(
                lambda r: f"{r['colour_flagged']} of {r['colour_searched']}", axis=1
            ),
            "White": table.apply(
                lambda r: f"{r['white_flagged']} of {r['white_searched']}", axis=1
            ),
            "FPIR ratio": table.apply(_ratio, axis=1),
            "Within sex": table.apply(_ratio, axis=1, name="ratio_within_sex"),
            "Fisher p": table["fisher_p"].map(p_text),
            "Holm p": table["holm_p"].map(p_text),
            "AUC": table.apply(
                lambda r: numbers.ratio(r["auc"], r["auc_low"], r["auc_high"]), axis=1
            ),
        }
    )


def show_bounds() -> pd.DataFrame:
    """`bounds` with names and ratios written out, a dash where ties leave no threshold for 28."""
    table = tables.bounds()
    near_28 = table["flagged"] <= ACLU_COUNT + shipped.MOST_TIES
    shown = pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Left out": table["variant"].map(tables.VARIANTS),
            "Flagged at the default": table["flagged_default"],
            "Flagged, threshold for 28": table["flagged"].astype(str).where(near_28, "–"),
            "Of colour": table["colour_flagged"].astype(str).where(near_28, "–"),
            "White": table["white_flagged"].astype(str).where(near_28, "–"),
            "FPIR ratio": table.apply(_ratio, axis=1).where(near_28, "–"),
        }
    )
    return shown


def show_within_sex() -> pd.DataFrame:
    """Flagged of searched in the primary analysis: a row a gender and group, a column a model."""
    columns = {}
    for model in PRIMARY_MODELS:
        table = shipped.result("utkface", model, shipped.PRIMARY).within_sex
        columns[MODEL_LABELS[model]] = (
            table["flagged"].astype(str) + " of " + table["searched"].astype(str)
        )
    return pd.DataFrame(columns).rename_axis(["Gender", "Group"]).reset_index()


def show_members() -> pd.DataFrame:
    """`flagged_members` for reading: a mark where a model, or the ACLU's test, flagged."""
    table = tables.flagged_members()
    shown = pd.DataFrame(
        {
            "Member": table["name"],
            "Seat": table["chamber"].str.title() + ", " + table["state"],
            "Group": table["group"],
        }
    )
    for model in PRIMARY_MODELS:
        again = table[f"{model} second"].eq(True)
        mark = np.where(table[model] & again, "yes, both", np.where(table[model], "yes", ""))
        shown[MODEL_LABELS[model]] = mark
    shown["ACLU 2018"] = np.where(table["aclu"], "yes", "")
    return shown.reset_index(drop=True)


def show_stability() -> pd.DataFrame:
    """`stability` written out."""
    table = tables.stability()
    return pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Flagged": table["flagged"],
            "With a second portrait": table["with_second"],
            "Flagged on it too": table.apply(
                _rate, axis=1, k="again", n="with_second", low="again_low", high="again_high"
            ),
            "All second portraits": table.apply(
                lambda r: numbers.rate(r["second_flagged"], r["second_searched"]), axis=1
            ),
        }
    )


def show_denominators() -> pd.DataFrame:
    """The library defaults among the enrolled only, and with the six delegates."""
    rows = []
    for row in tables.with_delegates().to_dict("records"):
        s = shipped.result("utkface", row["model"]).summary
        enrolled = s["searched"] - s["failures_to_enrol"]
        k = s["falsely_matched"]
        rows.append(
            {
                "Model": MODEL_LABELS[row["model"]],
                "Voting members": numbers.rate(k, s["searched"], s["fpir_low"], s["fpir_high"]),
                "Enrolled only": numbers.rate(k, enrolled, *intervals.wilson(k, enrolled)),
                "With delegates": numbers.rate(
                    row["all_flagged"],
                    row["all_searched"],
                    *intervals.wilson(row["all_flagged"], row["all_searched"]),
                ),
            }
        )
    return pd.DataFrame(rows)


def caption_defaults() -> str:
    """Caption of the figure of the defaults."""
    s = shipped.result("utkface", PRIMARY_MODELS[0]).summary
    return (
        f"Share of {s['searched']} voting members for whom the search returned at least one other "
        f"person at the library's default threshold; {s['failures_to_enrol']} failures to enrol "
        "count as no match. The ACLU searched 535 people in arrest photographs. Galleries, models "
        "and thresholds differ, so the rows are not a ranking of products."
    )


def alt_defaults() -> str:
    """What the figure of the defaults shows, in words."""
    table = tables.beside_the_aclu()
    rows = [f"{r['label']} {percent(r['fpir'])}" for _, r in table.iterrows()]
    return (
        "Dots with intervals of the share of Congress falsely matched. The ACLU in 2018: "
        f"{rows[0]}. Open models with a gallery of adult strangers: {', '.join(rows[1:5])}. With "
        f"former legislators: {', '.join(rows[5:])}."
    )


def caption_primary() -> str:
    """Caption of the table of the primary analysis."""
    return (
        "Gallery: adults of UTKFace. FPIR ratio with the score interval of Miettinen and Nurminen; "
        "within sex: Mantel-Haenszel with the interval of Greenland and Robins; AUC: chance that "
        "the best impostor score of a member of colour is nearer than that of a white member, over "
        "all thresholds. All intervals 95 %. The test's power with one model is "
        f"{tables.power(2):.2f} at a true ratio of 2 and {tables.power(3):.2f} at 3."
    )


def caption_ratios() -> str:
    """Caption of the figure of the primary ratios."""
    return (
        "Ratio of the FPIR of members of colour to that of white members, threshold set for each "
        "model so that 28 members are flagged. Right of the line: members of colour are falsely "
        "matched more often."
    )


def alt_ratios() -> str:
    """What the figure of the primary ratios shows, in words."""
    parts = [
        f"{section}: " + ", ".join(f"{r['label']} {r['ratio']:.1f}" for _, r in part.iterrows())
        for section, part in tables.ratios().groupby("section", sort=False)
    ]
    return f"FPIR ratios with intervals on a logarithmic scale. {'. '.join(parts)}."


def words_primary() -> str:
    """The primary analysis in words."""
    table = tables.primary()
    standard = (table["ratio_within_sex_low"] > 1).sum()
    auc = (table["auc_low"] > 0.5).sum()
    return (
        f"After Holm's correction {_verdict()}. The share of the 28 false matches that are of "
        "members of colour (a share, not an error rate) is "
        f"{_each(table, lambda r: _share(r))}; they are "
        f"{_percent(table['colour_searched'].iloc[0], table)} of those searched. Within recorded "
        f"sex, the interval of the ratio lies above 1 for {standard} of the three models; the "
        f"threshold-free AUC lies above one half, with its interval, for {auc} of three. "
        "What differs between the models is part of the answer: with the same photographs, the "
        "same gallery and the same number of false matches, the choice of software alone moves "
        f"the ratio from {table['ratio'].min():.1f} to {table['ratio'].max():.1f}."
    )


def _share(row) -> str:
    share = percent(row["share_of_false_matches"], 0)
    return f"{row['colour_flagged']} of {row['flagged']} ({share})"


def _percent(colour: int, table: pd.DataFrame) -> str:
    n = colour + table["white_searched"].iloc[0]
    return f"{colour} of {n} ({percent(colour / n, 0)})"


def caption_groups() -> str:
    """Caption of the figure by recorded group."""
    return (
        "Ethnicity as the roster's publisher recorded it. Exploratory. 'Members of colour' is "
        "everyone not recorded as white; 'not Asian' leaves out East and South Asian members."
    )


def alt_groups(table: pd.DataFrame) -> str:
    """What the figure by recorded group shows, in words."""
    parts = []
    for model, part in table.groupby("model", sort=False):
        counts = ", ".join(
            f"{r['group']} {r['flagged']} of {r['searched']}" for _, r in part.iterrows()
        )
        parts.append(f"{MODEL_LABELS[model]}: {counts}")
    return f"FPIR by group, one panel a model. {'. '.join(parts)}."


def caption_members() -> str:
    """Caption of the table of flagged members."""
    return (
        "'yes, both': flagged on the second portrait too, at the same threshold. ACLU 2018: the 28 "
        "names as the press published them (see notebook 00)."
    )


def words_overlap() -> str:
    """How far the models' lists and the ACLU's agree, with what chance alone would give."""
    table = tables.flagged_members()
    members = congress_test.people_searched()
    n_aclu, n = int(table["aclu"].sum()), len(members)
    every = int((table["models"] == len(PRIMARY_MODELS)).sum())
    some = int((table["models"] > 0).sum())
    parts = [
        f"{MODEL_LABELS[m]} shares {int((table[m] & table['aclu']).sum())}" for m in PRIMARY_MODELS
    ]
    chance = ACLU_COUNT * n_aclu / n
    return (
        f"{some} members are flagged by at least one model and {every} by all three. Of the "
        f"ACLU's {n_aclu}, {', '.join(parts)}; two lists of {ACLU_COUNT} names drawn at random "
        f"from {n} share {chance:.1f} on average. {_missing_from_aclu()}"
    )


def _missing_from_aclu() -> str:
    theirs = published.aclu_28()
    women = int((theirs["gender"] == "female").sum())
    members = congress_test.people_searched()
    ours = []
    for model in PRIMARY_MODELS:
        flagged = shipped.result("utkface", model, shipped.PRIMARY).members.query("flagged")
        ours.append(f"{MODEL_LABELS[model]} {int((flagged['gender'] == 'female').sum())}")
    return (
        f"The ACLU's list holds {women} of {int((members['gender'] == 'female').sum())} women; "
        f"women among our 28: {', '.join(ours)}. Whether its arrest photographs were mostly of "
        "men cannot be known."
    )


def words_stability() -> str:
    """What the second portraits say, in words."""
    table = tables.stability()
    return (
        f"So a list of names is partly a list of photographs: {_each(table, _again)} of the "
        "flagged members with a second portrait are flagged on that one too."
    )


def _again(row) -> str:
    return f"{row['again']} of {row['with_second']}"


def caption_bounds() -> str:
    """Caption of the table of bounds."""
    p90 = {m: shipped.scores("utkface", m).description["genuine_p90"] for m in PRIMARY_MODELS}
    limits = ", ".join(f"{MODEL_LABELS[m]} {v:.3f}" for m, v in p90.items())
    return (
        f"90 % of the genuine pairs score at or below: {limits}. Where that is beyond the default "
        "threshold nobody is left to be flagged at the default; where the scores beyond it lie too "
        "densely, no threshold flags exactly 28."
    )


def words_same_person() -> str:
    """What the same-person rule decided, in words."""
    decided = shipped.scores("utkface", PRIMARY_MODELS[0]).same_person
    yes = decided[decided["same_person"]]
    left = {m: shipped.scores("utkface", m).removed for m in PRIMARY_MODELS}
    return (
        f"The rule looked at {len(decided)} members and identities that stand apart in some model "
        f"and takes {len(yes)} of them for the same person; {max(left.values())} gallery faces are "
        "left out for it. Both errors of the rule are possible: a member whose gallery photograph "
        "is unlike the portrait stays in, and a stranger who happens to stand apart goes. Among "
        "former legislators, where every such decision is known to be wrong, the same rule takes "
        f"{_false_decisions()} of {len(congress_test.people_searched())} members for someone else."
    )


@cache
def _false_decisions() -> int:
    """How many members the same-person rule finds among former legislators, where none is."""
    table = pd.read_csv(DATA / "scores" / "same-person-errors.csv")
    return int(table["same_person"].sum())


def words_legislators() -> str:
    """The gallery of former legislators in words."""
    table = tables.primary("legislators")
    ours = tables.primary()
    return (
        "With this gallery the FPIR ratio is "
        f"{_each(table, lambda r: _ratio(r))}, against {_each(ours, lambda r: _ratio(r))} with the "
        "strangers. Same members, same photographs, same models, same number of false matches: the "
        "ratio depends on the gallery as well, on who is in it and on what its photographs are "
        "like. This comparison cannot separate the two."
    )
