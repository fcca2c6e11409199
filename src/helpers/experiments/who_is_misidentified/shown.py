"""The tables of notebook 04 as they are shown: rounded, with plain names."""

import numpy as np
import pandas as pd

from helpers.experiments.who_is_misidentified import adjustment, parts
from helpers.experiments.who_is_misidentified import tables as who
from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.show import numbers
from helpers.show.numbers import p_text, percent
from helpers.sources.groups import COLOUR, GROUPS, NOT_ASIAN

MAIN = (COLOUR, "Women")
STATEMENTS = (COLOUR, NOT_ASIAN, "Black", "Hispanic", "East Asian", "Women")
GALLERIES = {"utkface": "UTKFace", "legislators": "Former legislators"}


def number(value: float, low: float, high: float) -> str:
    """An estimate with its interval, where there is one; a dash without an estimate."""
    if np.isnan(value):
        return "–"
    return f"{value:.2f}" if np.isnan(low) else numbers.ratio(value, low, high)


def with_interval(row, name: str) -> str:
    """An estimate with its interval from the columns name, name_low, name_high."""
    return number(row[name], row[f"{name}_low"], row[f"{name}_high"])


def drawn(row, name: str) -> str:
    """The half-sample interval of a comparison's "ratio", "within" or "auc"."""
    half = who.half_samples().loc[(row["model"], row["group"])]
    return numbers.ratio_interval(half[f"{name}_low"], half[f"{name}_high"])


def statement(row) -> str:
    """A comparison in words: "Black members against white members"."""
    group, against = row["group"], row["against"].lower()
    group = f"{group} members" if group in GROUPS else group
    return f"{group} against {'white members' if against == 'white' else against}"


def compared(row) -> dict:
    """Program and comparison, and how many were picked."""
    return {
        "Program": MODEL_LABELS[row["model"]],
        "Compared": statement(row),
        "Picked": f"{row['k1']} of {row['n1']}",
        "Counterpart picked": f"{row['k0']} of {row['n0']}",
    }


def verdicts() -> pd.DataFrame:
    """Which comparison holds in which pipeline, by which matches are left out: a row each."""
    rows = []
    for variant, words in who.TREATMENTS.items():
        table = who.rule(variant).set_index(["group", "model"], drop=False)
        for group in STATEMENTS if variant == "rule" else MAIN:
            part = table.loc[group]
            found = {MODEL_LABELS[m]: _verdict(part.loc[m], variant) for m in PRIMARY_MODELS}
            first = {"Compared": statement(part.iloc[0]), "Left out": words}
            rows.append(first | found)
    return pd.DataFrame(rows)


def _verdict(row, variant: str) -> str:
    if row["holds"]:
        few = "" if min(row["n1"], row["n0"]) >= who.HEADLINE_N else ", too few people"
        return {1: "more often", -1: "less often"}[row["holds"]] + few
    return f"could be chance ({', '.join(c for c in who.checks(variant) if not row[c])})"


def checks() -> pd.DataFrame:
    """The numbers behind `verdicts` under the same-person rule: a row a pipeline and comparison."""
    rows = [
        {
            "Program": MODEL_LABELS[row["model"]],
            "Compared": statement(row),
            **{f"Ratio at {c}": with_interval(row, f"within_{c}") for c in who.COUNTS},
            "Half-samples at 28": drawn(row, "within"),
            "AUC": with_interval(row, "auc"),
            "AUC, like with like": with_interval(row, "auc_within"),
            "AUC, half-samples": drawn(row, "auc"),
            "Holm p": p_text(row["holm_p"]),
        }
        for row in who.rule().query("group in @STATEMENTS").to_dict("records")
    ]
    return pd.DataFrame(rows)


def bounds() -> pd.DataFrame:
    """The main comparisons by what is left out as the same person: a row a pipeline and group."""
    other = {v: who.secondary(v).set_index(["model", "group"]) for v in ("any", "strict")}
    rows = []
    for group in (COLOUR, NOT_ASIAN, "Women"):
        for row in who.rule().query("group == @group").to_dict("records"):
            key = (row["model"], group)
            cells = {
                **compared(row),
                "Ratio, like with like": f"{row['within']:.1f}",
                "Interval, half-samples": drawn(row, "within"),
                "Nobody left out": with_interval(other["any"].loc[key], "within"),
                "Contested left out too": with_interval(other["strict"].loc[key], "within"),
                "Crude ratio": f"{row['ratio']:.1f}",
                "Crude, half-samples": drawn(row, "ratio"),
                "Holm p": p_text(row["holm_p"]),
            }
            rows.append(cells)
    return pd.DataFrame(rows)


def pooled_parts() -> pd.DataFrame:
    """The parts by partial pooling, below the primary comparison that pools them: a row each."""
    whole = who.secondary().set_index(["model", "group"], drop=False)
    rows = []
    for (model, group), (found, test) in parts.pooled().items():
        row = whole.loc[(model, group)]
        picked, ratio = compared(row)["Picked"], f"{row['within']:.1f}"
        rows.append((model, group, picked, ratio, drawn(row, "within"), "", p_text(test.p)))
        for part in found.parts.itertuples():
            name = part.Index + ("" if group == COLOUR else ", without Asian")
            picked, ratio = f"{part.flagged} of {part.searched}", f"{part.rate_ratio:.1f}"
            chance = "> 99 %" if part.above > 0.99 else percent(part.above, 0)
            interval = numbers.ratio_interval(part.rate_low, part.rate_high)
            rows.append((model, name, picked, ratio, interval, chance, ""))
    names = ["Program", "Group", "Picked", "Rate ratio", "Interval", "Chance that above 1"]
    table = pd.DataFrame(rows, columns=[*names, "Parts differ, p"])
    return table.replace({"Program": MODEL_LABELS})


def reversals() -> pd.DataFrame:
    """Both main comparisons with every pipeline, and in the gallery of former legislators."""
    rows = []
    searches = [("utkface", m) for m in MODELS] + [("legislators", m) for m in PRIMARY_MODELS]
    for gallery, model in searches:
        members = shipped.result(gallery, model, shipped.PRIMARY).members
        found = who.compare(members).query("group in @MAIN").assign(model=model)
        for row in found.to_dict("records"):
            cells = {
                "Gallery": GALLERIES[gallery],
                **compared(row),
                "Ratio, like with like": with_interval(row, "within"),
                "AUC": with_interval(row, "auc"),
                "AUC, like with like": with_interval(row, "auc_within"),
            }
            rows.append(cells)
    return pd.DataFrame(rows).sort_values("Compared", kind="stable", ignore_index=True)


def comparisons() -> pd.DataFrame:
    """Every comparison: FPIR ratios by model, crude and within strata; * where Holm p < 0.05."""
    rows = []
    keys = ["characteristic", "group", "against"]
    for (section, group, against), part in who.secondary().groupby(keys, sort=False):
        n1, n0 = part[["n1", "n0"]].iloc[0]
        row = {"Characteristic": section, "Group": f"{group} ({n1})"}
        row["Against"] = f"{against} ({n0})"
        for r in part.to_dict("records"):
            program, star = MODEL_LABELS[r["model"]], " *" if r["holm_p"] < 0.05 else ""
            crude = number(r["ratio"], r["low"], r["high"])
            row[program] = f"{r['k1']} : {r['k0']}, {crude}{star}"
            within = with_interval(r, "within") if section != who.BOTH else "–"
            row[f"{program}, like with like"] = within
        rows.append(row)
    return pd.DataFrame(rows)


def odds() -> pd.DataFrame:
    """Odds ratios before and after adjustment, a row a gap and set of terms, a column a model."""
    table = adjustment.adjusted()
    text = [
        number(r.odds_ratio, r.low, r.high) + (f", x {r.change:.2f}" if r.terms else "")
        for r in table.itertuples()
    ]
    table = table.assign(text=text, terms=table["terms"].replace("", "nothing"))
    wide = table.groupby(["gap", "terms", "model"], sort=False)["text"].first().unstack()
    wide = wide.rename(columns=MODEL_LABELS).rename_axis(columns=None)
    return wide.reset_index(names=["Gap", "Adjusted for"])


def differentials() -> pd.DataFrame:
    """The measures of ISO/IEC 19795-10 and NIST beside what chance gives: a row each."""
    names = {"model": "Program", "groups": "Groups", "measure": "Measure", "value": "Value"}
    names |= {"chance": "By chance, median", "chance_high": "By chance, 95 % point"}
    names |= {"smallest": "Smallest group", "fewest": "Fewest picked"}
    table = parts.apart()[[*names]].rename(columns=names).replace({"Program": MODEL_LABELS})
    for name in list(names.values())[3:6]:
        table[name] = table[name].map("{:.2f}".format).replace("inf", "infinite")
    return table
