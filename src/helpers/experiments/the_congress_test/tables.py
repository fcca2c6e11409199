"""The tables behind notebook 02: whom the searches take for someone else, beside the ACLU's list.

The primary analysis is that of the design: gallery `utkface` (adults), the threshold at which 28
members are flagged after the same-person rule, the three native pipelines, Holm over the three.
Everything else is descriptive or exploratory.
"""

from functools import cache

import numpy as np
import pandas as pd

from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import congress_test, shipped
from helpers.protocol.policy import ACLU_COUNT
from helpers.protocol.scores import withheld
from helpers.show import numbers
from helpers.show.style import GALLERY_LABELS
from helpers.sources import groups, published
from helpers.sources.rosters import load_delegates
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


# ---- the primary analysis


def primary(
    gallery: str = "utkface", variant: str = "rule", models: tuple[str, ...] = PRIMARY_MODELS
) -> pd.DataFrame:
    """The primary analysis: one row a model, the FPIR of members of colour against white members.

    Columns model, threshold, implied_fmr, flagged, colour_flagged, colour_searched, white_flagged,
    white_searched, ratio, ratio_low, ratio_high (crude, Miettinen-Nurminen), ratio_within_sex, ..
    (Mantel-Haenszel), fisher_p, holm_p (over the models), share_of_false_matches, auc, auc_low,
    auc_high (chance that the best impostor score of a member of colour is the nearer one).
    """
    rows = []
    for model in models:
        found = shipped.result(gallery, model, shipped.PRIMARY, variant)
        colour = found.members["of_colour"].to_numpy()
        score = found.members["score"].to_numpy()
        auc = auc_best_scores(score[colour], score[~colour])
        keys = [k for k in found.summary if k.startswith(("colour_", "white_", "ratio", "share_"))]
        rows.append(
            {
                "model": model,
                "threshold": found.summary["threshold"],
                "implied_fmr": found.summary["implied_fmr"],
                "flagged": found.summary["falsely_matched"],
                **{k: found.summary[k] for k in keys},
                "fisher_p": found.summary["fisher_p"],
                "auc": auc.auc,
                "auc_low": auc.low,
                "auc_high": auc.high,
            }
        )
    table = pd.DataFrame(rows)
    adjusted = exact_tests.holm(table["fisher_p"])
    table.insert(table.columns.get_loc("fisher_p") + 1, "holm_p", adjusted)
    return table


def half_samples(group: str = groups.COLOUR) -> pd.DataFrame:
    """Intervals of a group's ratio that allow for the shared gallery: notebook 04 makes them.

    Indexed by model: ratio_low, ratio_high (crude), within_low, within_high, and more.
    """
    table = pd.read_csv(DATA / "results" / "who-half-samples.csv")
    return table[table["group"] == group].set_index("model")


def bounds() -> pd.DataFrame:
    """The primary analysis by what is left out of the gallery: one row a model and variant.

    Columns of `primary`, and left_out, within_low, within_high, crude_low, crude_high: half-sample
    intervals, which are known for the rule alone.
    """
    table = pd.concat([primary(variant=v).assign(variant=v) for v in VARIANTS])
    table["left_out"] = table["variant"].map(VARIANTS)
    shared = half_samples().reindex(table["model"])
    rule = (table["variant"] == "rule").to_numpy()
    ends = {"crude": "ratio", "within": "within"}
    for ours, theirs in ends.items():
        for end in ("low", "high"):
            table[f"{ours}_{end}"] = np.where(rule, shared[f"{theirs}_{end}"], np.nan)
    order = [
        (MODELS.index(m), list(VARIANTS).index(v)) for m, v in table[["model", "variant"]].values
    ]
    return table.assign(order=order).sort_values("order", ignore_index=True).drop(columns="order")


def show_bounds() -> pd.DataFrame:
    """`bounds` rounded and with plain names."""
    table = bounds()
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Treatment": table["left_out"],
            "Of colour": table["colour_flagged"],
            "White": table["white_flagged"],
            "Ratio within recorded gender": table["ratio_within_sex"].round(2),
            "Interval": _ends(table, "within"),
            "Crude ratio": table["ratio"].round(2),
            "Crude interval": _ends(table, "crude"),
            "Fisher p": table["fisher_p"].map(numbers.p_text),
            "Holm p": table["holm_p"].map(numbers.p_text),
        }
    )


def _ends(table: pd.DataFrame, name: str) -> list[str]:
    ends = table[[f"{name}_low", f"{name}_high"]].to_numpy()
    return ["" if np.isnan(low) else numbers.ratio_interval(low, high) for low, high in ends]


def drawn_bounds() -> pd.DataFrame:
    """The ratios within recorded gender as rows of one figure: section, label, ratio, low, high."""
    table = bounds()
    names = {"ratio_within_sex": "ratio", "within_low": "low", "within_high": "high"}
    table["section"], table["label"] = table["model"].map(MODEL_LABELS), table["left_out"]
    return table.rename(columns={"ratio": "crude"} | names)[
        ["section", "label", "ratio", "low", "high"]
    ]


def power(ratio: float) -> float:
    """Power of the primary test (one model, unadjusted 5 %) at a true FPIR ratio."""
    colour = int(people()["of_colour"].sum())
    return exact_tests.power_fisher(colour, len(people()) - colour, ACLU_COUNT, ratio)


def show_power() -> pd.DataFrame:
    """The power of the primary test at three true ratios."""
    wanted = [2, 3, 4]
    return pd.DataFrame({"True ratio": wanted, "Power": [round(power(r), 2) for r in wanted]})


def parts(model: str) -> tuple[pd.DataFrame, pooling.Heterogeneity]:
    """Partial pooling of the groups of colour against white members in the primary analysis.

    Returns `Pooled.parts` and the test whether the parts differ.
    """
    found = shipped.result("utkface", model, shipped.PRIMARY).within_sex
    return (
        pooling.partial_pooling(found, groups.WHITE).parts,
        pooling.heterogeneity(found, groups.WHITE, seed=SEED),
    )


def show_parts() -> pd.DataFrame:
    """Flagged of each recorded group by program, and its rate ratio to white members.

    Single groups: partially pooled. The two sums: within recorded gender, half-sample intervals.
    The last row holds the p of the test whether single groups differ.
    """
    members = people()
    inside = groups.masks(members["group"])
    shown = pd.DataFrame({"Group": [*inside, "Chance of such differences, p"]})
    shown["Searched"] = pd.array([*(m.sum() for m in inside.values()), None], dtype="Int64")
    for model in PRIMARY_MODELS:
        flagged = members.index.isin(lists()[model])
        found, differ = parts(model)
        single = found[["rate_ratio", "rate_low", "rate_high"]].T
        ratios = [
            numbers.ratio(*single[g]) if g in single else _sum_of_groups(model, g, flagged)
            for g in inside
        ]
        counts = [int((flagged & mask).sum()) for mask in inside.values()]
        shown[MODEL_LABELS[model]] = pd.array([*counts, None], dtype="Int64")
        shown[f"{MODEL_LABELS[model]}, ratio"] = [*ratios, numbers.p_text(differ.p)]
    return shown


def _sum_of_groups(model: str, group: str, flagged: np.ndarray) -> str:
    if group == groups.WHITE:
        return ""
    members = people().assign(flagged=flagged)
    kept = groups.masks(members["group"])[group] | ~members["of_colour"]
    estimate = congress_test.compare(members[kept])["ratio_within_sex"]
    return numbers.ratio(estimate, *half_samples(group).loc[model, ["within_low", "within_high"]])


# ---- who they are


@cache
def lists() -> dict[str, frozenset[str]]:
    """The members on each list of 28: the ACLU's and one a primary pipeline, as ids."""
    found = {ACLU: frozenset(published.aclu_28()["member_id"])}
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, shipped.PRIMARY).members
        found[model] = frozenset(members.loc[members["flagged"], "member_id"])
    return found


@cache
def unnamed() -> dict[str, frozenset[str]]:
    """Those on each list whose match rests on a contested identity: ids, no name is given."""
    found = {ACLU: frozenset[str]()}
    for model in PRIMARY_MODELS:
        result = shipped.result("utkface", model, shipped.PRIMARY)
        members, threshold = result.members["member_id"], result.summary["threshold"]
        found[model] = frozenset(withheld(shipped.scores("utkface", model), members, threshold))
    return found


def label(name: str) -> str:
    """A list's name as figures and tables say it."""
    return MODEL_LABELS.get(name, name)


def four_ways() -> pd.DataFrame:
    """Every member on every list, in the same seat: list, group, seat, name, flagged.

    Seats count within a group, in an order drawn at random, so that none tells a withheld name;
    name is empty unless flagged and given.
    """
    members = people().sample(frac=1, random_state=SEED)
    members["group"] = pd.Categorical(members["group"], groups.GROUPS)
    members["seat"] = members.groupby("group", observed=True).cumcount() + 1
    members = members.sort_values(["group", "seat"])
    tables = []
    for key, flagged in lists().items():
        table = members[["group", "seat", "name"]].assign(flagged=members.index.isin(flagged))
        given = table["flagged"] & ~members.index.isin(unnamed()[key])
        table["name"] = table["name"].where(given, "")
        tables.append(table.assign(list=label(key)))
    columns = ["list", "group", "seat", "name", "flagged"]
    return pd.concat(tables, ignore_index=True)[columns].astype({"group": str})


def show_lists() -> pd.DataFrame:
    """The lists of 28 counted: of colour, women, on the ACLU's list too, names withheld."""
    members, rows = people(), []
    for key, flagged in lists().items():
        these = members.loc[sorted(flagged)]
        rows.append(
            {
                "List": label(key),
                "Flagged": len(these),
                "Of colour": int(these["of_colour"].sum()),
                "Women": int((these["gender"] == "female").sum()),
                "On the ACLU's list too": len(flagged & lists()[ACLU]),
                "Names withheld": len(unnamed()[key]),
            }
        )
    everybody = members["of_colour"].sum(), (members["gender"] == "female").sum()
    expected = [f"{ACLU_COUNT * n / len(members):.1f}" for n in (*everybody, ACLU_COUNT)]
    chance = pd.DataFrame([["Drawn by lot", ACLU_COUNT, *expected, 0]], columns=[*rows[0]])
    return pd.concat([pd.DataFrame(rows), chance], ignore_index=True)


def on_how_many() -> pd.Series:
    """How many of the three programs' lists each member is on, for those on any."""
    each = pd.concat([pd.Series(sorted(lists()[m])) for m in PRIMARY_MODELS])
    return each.value_counts()


def show_overlap() -> pd.DataFrame:
    """How many people the three programs' lists hold together."""
    times = on_how_many()
    named = set().union(*(lists()[m] - unnamed()[m] for m in PRIMARY_MODELS))
    matches = sum(len(lists()[m]) for m in PRIMARY_MODELS)
    doubtful = sum(len(unnamed()[m]) for m in PRIMARY_MODELS)
    counts = {
        "Different people": len(times),
        "On one list": int((times == 1).sum()),
        "On two lists": int((times == 2).sum()),
        "On all three lists": int((times == len(PRIMARY_MODELS)).sum()),
        "People named": len(named),
        "Matches": matches,
        "Contested matches": doubtful,
    }
    return pd.DataFrame({"What": list(counts), "Count": list(counts.values())})


def show_names() -> pd.DataFrame:
    """Who is named: a row a member with a match that may be named, or on the ACLU's list."""
    members = people()
    named = {key: lists()[key] - unnamed()[key] for key in lists()}
    shown = members.loc[sorted(set().union(*named.values()))]
    seats = shown["chamber"].str.title() + ", " + shown["state"]
    table = pd.DataFrame({"Member": shown["name"], "Seat": seats, "Group": shown["group"]})
    ours = {label(key): table.index.isin(named[key]) for key in (*PRIMARY_MODELS, ACLU)}
    for name, is_named in ours.items():
        table[name] = np.where(is_named, "yes", "")
    times = sum(ours[label(m)].astype(int) for m in PRIMARY_MODELS)
    table = table.assign(times=times, last=shown["name"].str.split().str[-1])
    table = table.sort_values(["times", "last", "Member"], ascending=[False, True, True])
    return table.drop(columns=["times", "last"]).reset_index(drop=True)


def other_photo() -> pd.DataFrame:
    """How many of the flagged are flagged on their second portrait too, at the same threshold.

    Columns program, flagged, with a second portrait (one that enrolled), flagged again, and for
    comparison of all second portraits: all second portraits, all flagged.
    """
    rows = []
    for model in PRIMARY_MODELS:
        best = shipped.scores("utkface", model).best
        best = best[best["portrait"] == "second"].set_index("probe_id")["rule"]
        threshold = shipped.result("utkface", model, shipped.PRIMARY).summary["threshold"]
        second = pd.Series(rates.at_or_below(best, threshold), index=best.index)
        both = second[second.index.isin(lists()[model])]
        rows.append(
            {
                "program": MODEL_LABELS[model],
                "flagged": len(lists()[model]),
                "with a second portrait": len(both),
                "flagged again": int(both.sum()),
                "all second portraits": len(second),
                "all flagged": int(second.sum()),
            }
        )
    return pd.DataFrame(rows)


# ---- other galleries, feeds, settings and denominators


def every_list() -> pd.DataFrame:
    """The 28 by colour: the ACLU's list, then every pipeline with both galleries.

    Columns gallery, program, flagged, of colour, white, chance (members of colour among so many
    drawn by lot).
    """
    members = people()
    share = float(members["of_colour"].mean())
    colour = int(members.loc[sorted(lists()[ACLU]), "of_colour"].sum())
    rows = [("Arrest photos", "Amazon, ACLU 2018", ACLU_COUNT, colour)]
    for gallery in shipped.GALLERIES:
        for row in primary(gallery, models=MODELS).to_dict("records"):
            name = GALLERY_LABELS[gallery].capitalize()
            rows.append((name, label(row["model"]), row["flagged"], row["colour_flagged"]))
    table = pd.DataFrame(rows, columns=["gallery", "program", "flagged", "of colour"])
    table["white"] = table["flagged"] - table["of colour"]
    return table.assign(chance=(share * table["flagged"]).round(1))


def show_reversals() -> pd.DataFrame:
    """The ratio at 28 flagged, and the AUC over all thresholds, of every pipeline and gallery."""
    rows = []
    for gallery in shipped.GALLERIES:
        table = primary(gallery, models=MODELS)
        rows.append(
            pd.DataFrame(
                {
                    "Gallery": GALLERY_LABELS[gallery].capitalize(),
                    "Program": table["model"].map(MODEL_LABELS),
                    "Of colour": table["colour_flagged"],
                    "White": table["white_flagged"],
                    "Ratio within recorded gender": table["ratio_within_sex"].round(2),
                    "Crude ratio": table["ratio"].round(2),
                    "AUC": table["auc"].round(2),
                    "AUC interval": _ends(table, "auc"),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def defaults() -> pd.DataFrame:
    """The default settings: one row a gallery and pipeline, FPIR with its Wilson interval.

    Columns gallery, model, metric, threshold, faces, searched, failures_to_enrol, flagged, fpir,
    low, high, implied_fmr.
    """
    names = {"faces": "gallery_faces", "flagged": "falsely_matched", "low": "fpir_low"}
    names |= {"high": "fpir_high"}
    same = ["metric", "threshold", "searched", "failures_to_enrol", "fpir", "implied_fmr"]
    names |= {key: key for key in same}
    rows = []
    for gallery in shipped.GALLERIES:
        for model in MODELS:
            s = shipped.result(gallery, model).summary
            row = {"gallery": gallery, "model": model}
            rows.append(row | {ours: s[theirs] for ours, theirs in names.items()})
    return pd.DataFrame(rows)


def show_defaults() -> pd.DataFrame:
    """`defaults` with names and rates written out."""
    table = defaults()
    rate = ["flagged", "searched", "low", "high"]
    return pd.DataFrame(
        {
            "Gallery": table["gallery"].map(GALLERY_LABELS),
            "Model": table["model"].map(MODEL_LABELS),
            "Faces": table["faces"].map("{:,}".format),
            "Threshold (distance)": table["threshold"].map("{:g}".format) + " " + table["metric"],
            "Falsely matched (FPIR)": [
                numbers.rate(int(k), int(n), low, high)
                for k, n, low, high in table[rate].to_numpy()
            ],
            "FTE": table["failures_to_enrol"],
            "Implied FMR": table["implied_fmr"].map("{:.1e}".format),
        }
    )


def show_denominators() -> pd.DataFrame:
    """The flagged among 529 voting members, and among the six delegates, by program and setting.

    For the delegates only another portrait than the rosters' is at hand.
    """
    ids, rows = load_delegates()["member_id"], []
    for model in PRIMARY_MODELS:
        best = shipped.scores("utkface", model).best.query("portrait == 'first'")
        best = best.set_index("probe_id")["rule"].reindex(ids).fillna(np.inf)
        for policy, setting in ((shipped.PRIMARY, "set for 28"), ("default", "default")):
            s = shipped.result("utkface", model, policy).summary
            rows.append(
                {
                    "Program": MODEL_LABELS[model],
                    "Setting": setting,
                    "Members flagged": s["falsely_matched"],
                    "Members searched": s["searched"],
                    "Failures to enrol": s["failures_to_enrol"],
                    "Delegates flagged": int(rates.at_or_below(best, s["threshold"]).sum()),
                    "Delegates searched": len(ids),
                }
            )
    return pd.DataFrame(rows)


# ---- the same-person rule


def show_rule() -> pd.DataFrame:
    """What the rule decided about members, and its errors among known strangers, by k.

    k: identities that stand apart together.
    """
    errors = pd.read_csv(DATA / "scores" / "same-person-errors.csv").set_index("k")
    decided = shipped.scores("utkface", PRIMARY_MODELS[0]).same_person
    table = pd.DataFrame({"k": errors.index.astype(str), "Searched": errors["searches"]})
    for decision, name in (("same person", "same_person"), ("contested", "contested")):
        mine = decided[decided["decision"] == decision].sort_values("k")
        counts = mine.drop_duplicates("probe_id")["k"].value_counts()
        title = {"same_person": "probably a member", "contested": "contested"}[name]
        table[f"Members: {title}"] = counts.reindex(errors.index, fill_value=0).to_numpy()
        table[f"Known strangers: {title}"] = errors[name].to_numpy()
    total = table.drop(columns=["k", "Searched"]).sum()
    last = {"k": "any", "Searched": table["Searched"].iloc[0]} | total.to_dict()
    return pd.concat([table, pd.DataFrame([last])], ignore_index=True)
