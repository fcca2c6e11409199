"""The tables behind notebook 02: whom the searches take for someone else, beside the ACLU's list.

Primary: gallery `utkface` (adults), 28 members flagged after the same-person rule, the three native
pipelines, Holm over the three. Everything else is descriptive or exploratory.
"""

import itertools
from functools import cache

import numpy as np
import pandas as pd

from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import congress_test, shipped
from helpers.protocol.policy import ACLU_COUNT
from helpers.show import numbers
from helpers.show.style import GALLERY_LABELS
from helpers.sources import groups, published
from helpers.statistics import exact_tests, intervals, pooling, rates
from helpers.statistics.auc import auc_best_scores

VARIANTS = {
    "any": "Nobody left out",
    "rule": "Probable members left out",
    "strict": "Contested left out too",
}
ACLU = "ACLU 2018"
ACLU_SECTION = "ACLU 2018, arrest photos"
SEED = 20180726
# the names of the press and of their own pages, where the roster has a longer one
KNOWN_AS = {
    "C001049": "Lacy Clay",
    "E000285": "Mike Enzi",
    "G000551": "Raúl Grijalva",
    "G000584": "Greg Gianforte",
    "H001076": "Maggie Hassan",
    "J000288": "Hank Johnson",
    "L000565": "Dave Loebsack",
    "M000133": "Ed Markey",
    "S000033": "Bernie Sanders",
    "T000461": "Pat Toomey",
    "W000810": "Rob Woodall",
}


@cache
def people() -> pd.DataFrame:
    """The members searched, by member_id, each with the name that the person is known by."""
    members = congress_test.people_searched().set_index("member_id")
    names = members.index.to_series().map(KNOWN_AS)
    return members.assign(name=names.fillna(members["name"]))


def aclu() -> dict:
    """The ACLU's published result: flagged, searched, fpir, low, high (Wilson, ours)."""
    k = int(published.number(ACLU, "members falsely matched"))
    n = int(published.number(ACLU, "members searched"))
    low, high = intervals.wilson(k, n)
    return {"flagged": k, "searched": n, "fpir": k / n, "low": low, "high": high}


def primary(
    gallery: str = "utkface", variant: str = "rule", models: tuple[str, ...] = PRIMARY_MODELS
) -> pd.DataFrame:
    """The primary analysis, a row a model: `Result.summary`, auc, auc_low, auc_high, Fisher holm_p.

    auc: the chance that the best impostor score of a member of colour is the nearer one.
    """
    rows = []
    for model in models:
        found = shipped.result(gallery, model, shipped.PRIMARY, variant)
        score, colour = found.members["score"].to_numpy(), found.members["of_colour"].to_numpy()
        auc = auc_best_scores(score[colour], score[~colour])
        rows.append(found.summary | {"auc": auc.auc, "auc_low": auc.low, "auc_high": auc.high})
    table = pd.DataFrame(rows)
    return table.assign(holm_p=exact_tests.holm(table["fisher_p"]))


def half_samples(group: str = groups.COLOUR) -> pd.DataFrame:
    """Half-sample intervals of a group's ratio by model: within_low, within_high, crude_low, .."""
    table = pd.read_csv(DATA / "results" / "who-half-samples.csv").query("group == @group")
    names = {"ratio_low": "crude_low", "ratio_high": "crude_high"}
    table = table.rename(columns=names).set_index("model")
    return table[["within_low", "within_high", *names.values()]]


def bounds() -> pd.DataFrame:
    """`primary` and `half_samples` (the rule's) by variant; adds variant, program, treatment."""
    table = pd.concat([primary(variant=v).assign(variant=v) for v in VARIANTS])
    table = table.sort_values("model", key=lambda m: m.map(MODELS.index), kind="stable")
    table["program"] = table["model"].map(MODEL_LABELS)
    table["treatment"] = table["variant"].map(VARIANTS)
    shared = half_samples().assign(variant="rule").reset_index()
    return table.merge(shared, "left", ["model", "variant"])


def show_bounds() -> pd.DataFrame:
    """`bounds` rounded and with plain names."""
    table = bounds()
    shown = {
        "Program": table["program"],
        "Treatment": table["treatment"],
        "Of colour": table["colour_flagged"],
        "White": table["white_flagged"],
        "Ratio within recorded gender": table["ratio_within_sex"].round(2),
        "Interval": _ends(table, "within"),
        "Crude ratio": table["ratio"].round(2),
        "Crude interval": _ends(table, "crude"),
        "Fisher p": table["fisher_p"].map(numbers.p_text),
        "Holm p": table["holm_p"].map(numbers.p_text),
    }
    return pd.DataFrame(shown)


def _ends(table: pd.DataFrame, name: str) -> list[str]:
    ends = table[[f"{name}_low", f"{name}_high"]].to_numpy()
    return ["" if np.isnan(low) else numbers.ratio_interval(low, high) for low, high in ends]


def drawn_bounds() -> pd.DataFrame:
    """The ratios within recorded gender as rows of one figure: section, label, ratio, low, high."""
    columns = ["program", "treatment", "ratio_within_sex", "within_low", "within_high"]
    return bounds()[columns].set_axis(["section", "label", "ratio", "low", "high"], axis=1)


def show_parts() -> pd.DataFrame:
    """Flagged of each group by program, ratio to white members; in the last row p that they differ.

    Single groups: partially pooled. The two sums: within recorded gender, half-sample intervals.
    """
    members = people()
    inside = groups.masks(members["group"])
    shown = pd.DataFrame({"Group": [*inside, "Chance of such differences, p"]})
    shown["Searched"] = pd.array([*(m.sum() for m in inside.values()), None], dtype="Int64")
    for model in PRIMARY_MODELS:
        found = shipped.result("utkface", model, shipped.PRIMARY)
        flagged = members.index.isin(lists()[MODEL_LABELS[model]])
        counts = [int((flagged & mask).sum()) for mask in inside.values()]
        parts = pooling.partial_pooling(found.within_sex, groups.WHITE).parts
        pooled = parts[["rate_ratio", "rate_low", "rate_high"]].T
        ratios = {group: numbers.ratio(*pooled[group]) for group in pooled}
        for group in (groups.COLOUR, groups.NOT_ASIAN):
            kept = inside[group] | inside[groups.WHITE]
            ratio = congress_test.compare(members.assign(flagged=flagged)[kept])["ratio_within_sex"]
            ratios[group] = numbers.ratio(ratio, *half_samples(group).loc[model].iloc[:2])
        p = pooling.heterogeneity(found.within_sex, groups.WHITE, seed=SEED).p
        shown[MODEL_LABELS[model]] = pd.array([*counts, None], dtype="Int64")
        texts = [ratios.get(group, "") for group in inside]
        shown[f"{MODEL_LABELS[model]}, ratio"] = [*texts, numbers.p_text(p)]
    return shown


@cache
def lists(named: bool = False) -> dict[str, frozenset[str]]:
    """The ids on the ACLU's and our lists, by label.

    named: without members whose match rests on a contested identity, on any of our lists: the same
    seat on another list would tell the name.
    """
    found, withheld = {ACLU: frozenset(published.aclu_28()["member_id"])}, set()
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, shipped.PRIMARY).members.set_index("member_id")
        found[MODEL_LABELS[model]] = frozenset(members.index[members["flagged"]])
        withheld |= set(members.index[members["withheld"]])
    return {k: v - withheld if named and k != ACLU else v for k, v in found.items()}


def four_ways() -> pd.DataFrame:
    """Every member on every list, in the same seat: list, group, seat, name, flagged.

    Seats are drawn at random within a group: none tells a withheld name. name: "" unless given.
    """
    members = people().sample(frac=1, random_state=SEED)
    members["group"] = pd.Categorical(members["group"], groups.GROUPS)
    members["seat"] = members.groupby("group", observed=True).cumcount() + 1
    members = members.sort_values(["group", "seat"]).astype({"group": str})
    tables = []
    for name, flagged in lists().items():
        given = members.index.isin(lists(named=True)[name])
        table = members.assign(list=name, flagged=members.index.isin(flagged))
        tables.append(table.assign(name=table["name"].where(given, "")))
    columns = ["list", "group", "seat", "name", "flagged"]
    return pd.concat(tables, ignore_index=True)[columns]


def show_lists() -> pd.DataFrame:
    """The lists of 28 counted: of colour, women, on the ACLU's list too, names withheld."""
    members, rows = people(), []
    women = members["gender"] == "female"
    for name, flagged in lists().items():
        on = members.index.isin(flagged)
        counts = [on.sum(), (on & members["of_colour"]).sum(), (on & women).sum()]
        withheld = len(flagged - lists(named=True)[name])
        rows.append([name, *counts, len(flagged & lists()[ACLU]), withheld])
    everybody = members["of_colour"].sum(), women.sum(), ACLU_COUNT
    expected = [f"{ACLU_COUNT * n / len(members):.1f}" for n in everybody]
    rows.append(["Drawn by lot", ACLU_COUNT, *expected, 0])
    columns = ["List", "Flagged", "Of colour", "Women", "On the ACLU's list too", "Names withheld"]
    return pd.DataFrame(rows, columns=columns)


def show_overlap() -> pd.DataFrame:
    """How many people the three programs' lists hold together."""
    ours = [flagged for name, flagged in lists().items() if name != ACLU]
    named = [flagged for name, flagged in lists(named=True).items() if name != ACLU]
    times = pd.Series([member for flagged in ours for member in flagged]).value_counts()
    found = [shipped.result("utkface", m, shipped.PRIMARY).members for m in PRIMARY_MODELS]
    counts = {
        "Different people": len(times),
        "On one list": (times == 1).sum(),
        "On two lists": (times == 2).sum(),
        "On all three lists": (times == 3).sum(),
        "People named": len(frozenset.union(*named)),
        "Matches": times.sum(),
        "Contested matches": sum(members["withheld"].sum() for members in found),
    }
    return pd.DataFrame({"What": list(counts), "Count": list(counts.values())})


def show_names() -> pd.DataFrame:
    """Who is named: a row a member with a match that may be named, or on the ACLU's list."""
    named = lists(named=True)
    shown = people().loc[sorted(frozenset.union(*named.values()))]
    seats = shown["chamber"].str.title() + ", " + shown["state"]
    table = pd.DataFrame({"Member": shown["name"], "Seat": seats, "Group": shown["group"]})
    ours = pd.DataFrame({n: table.index.isin(named[n]) for n in [*named][1:] + [ACLU]}, table.index)
    table = table.join(ours.replace({True: "yes", False: ""}))
    table["times"] = ours.drop(columns=ACLU).sum(axis=1)
    table["last"] = shown["name"].str.split().str[-1]
    table = table.sort_values(["times", "last", "Member"], ascending=[False, True, True])
    return table.drop(columns=["times", "last"]).reset_index(drop=True)


def other_photo() -> pd.DataFrame:
    """Flagged who are flagged on their second portrait too, same threshold: a row a program.

    For comparison: all second portraits that enrolled, and how many of them are flagged.
    """
    rows = []
    for model in PRIMARY_MODELS:
        best = shipped.scores("utkface", model).best.query("portrait == 'second'")
        threshold = shipped.result("utkface", model, shipped.PRIMARY).summary["threshold"]
        on_it = rates.at_or_below(best["rule"], threshold)
        both = best["probe_id"].isin(lists()[MODEL_LABELS[model]])
        counts = [both.sum(), (both & on_it).sum(), len(best), on_it.sum()]
        rows.append([MODEL_LABELS[model], len(lists()[MODEL_LABELS[model]]), *counts])
    columns = ["program", "flagged", "with a second portrait", "flagged again"]
    return pd.DataFrame(rows, columns=[*columns, "all second portraits", "all flagged"])


def show_reversals() -> pd.DataFrame:
    """The ratio at 28 flagged, and the AUC over all thresholds, of every pipeline and gallery."""
    tables = [primary(g, models=MODELS).assign(gallery=g) for g in shipped.GALLERIES]
    table = pd.concat(tables, ignore_index=True)
    shown = {
        "Gallery": table["gallery"].map(GALLERY_LABELS).str.capitalize(),
        "Program": table["model"].map(MODEL_LABELS),
        "Of colour": table["colour_flagged"],
        "White": table["white_flagged"],
        "Ratio within recorded gender": table["ratio_within_sex"].round(2),
        "Crude ratio": table["ratio"].round(2),
        "AUC": table["auc"].round(2),
        "AUC interval": _ends(table, "auc"),
    }
    return pd.DataFrame(shown)


def every_list() -> pd.DataFrame:
    """The 28 by colour: the ACLU's list, then every pipeline with both galleries.

    Columns gallery, program, flagged, of colour, white, chance (of colour, drawn by lot).
    """
    colour = int(people().loc[sorted(lists()[ACLU]), "of_colour"].sum())
    aclus = ["Arrest photos", "Amazon, ACLU 2018", colour, ACLU_COUNT - colour]
    rows = [aclus, *show_reversals().iloc[:, :4].to_numpy()]
    table = pd.DataFrame(rows, columns=["gallery", "program", "of colour", "white"])
    table.insert(2, "flagged", table["of colour"] + table["white"])
    return table.assign(chance=(people()["of_colour"].mean() * table["flagged"]).round(1))


def show_defaults() -> pd.DataFrame:
    """The default settings: a row a gallery and pipeline, FPIR with its Wilson interval."""
    rows = []
    for gallery, model in itertools.product(shipped.GALLERIES, MODELS):
        s = shipped.result(gallery, model).summary
        rate = ("falsely_matched", "searched", "fpir_low", "fpir_high")
        cells = {
            "Gallery": GALLERY_LABELS[gallery],
            "Model": MODEL_LABELS[model],
            "Faces": f"{s['gallery_faces']:,}",
            "Threshold (distance)": f"{s['threshold']:g} {s['metric']}",
            "Falsely matched (FPIR)": numbers.rate(*(s[key] for key in rate)),
            "FTE": s["failures_to_enrol"],
            "Implied FMR": f"{s['implied_fmr']:.1e}",
        }
        rows.append(cells)
    return pd.DataFrame(rows)


def show_rule() -> pd.DataFrame:
    """Decisions of the same-person rule and its errors by k identities that stand apart."""
    errors = pd.read_csv(DATA / "scores" / "same-person-errors.csv").set_index("k")
    decided = shipped.scores("utkface", PRIMARY_MODELS[0]).same_person.sort_values("k")
    decided = decided.drop_duplicates(["probe_id", "decision"])
    members = pd.crosstab(decided["k"], decided["decision"]).reindex(errors.index, fill_value=0)
    table = {
        "Members: probably a member": members["same person"],
        "Known strangers: probably a member": errors["same_person"],
        "Members: contested": members["contested"],
        "Known strangers: contested": errors["contested"],
    }
    table = pd.DataFrame(table)
    table.loc["any"] = table.sum()
    table.insert(0, "Searched", errors["searches"].iloc[0])
    return table.rename_axis("k").reset_index().astype({"k": str})
