"""The tables of notebook 04 as they are shown: rounded, with plain names."""

import numpy as np
import pandas as pd

from helpers.experiments.who_is_misidentified import aclu, adjustment, parts
from helpers.experiments.who_is_misidentified import tables as who
from helpers.experiments.who_is_misidentified.tables import COUNTS
from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.show import numbers
from helpers.show.numbers import p_text, percent
from helpers.sources.groups import COLOUR, GROUPS, NOT_ASIAN

STATEMENTS = (COLOUR, NOT_ASIAN, "Black", "Hispanic", "East Asian", "Women")
VERDICTS = {1: "more often", -1: "less often"}


def number(value: float, low: float, high: float) -> str:
    """An estimate with its interval, where there is one; a dash without an estimate."""
    if np.isnan(value):
        return "–"
    return f"{value:.2f}" if np.isnan(low) else numbers.ratio(value, low, high)


def with_interval(row, name: str = "", low: str = "low", high: str = "high") -> str:
    """An estimate with its interval from the columns name, name_low, name_high."""
    prefix = f"{name}_" if name else ""
    return number(row[name or "ratio"], row[prefix + low], row[prefix + high])


def statement(row) -> str:
    """A comparison in words: "Black members against white members"."""
    group, against = row["group"], who.counterpart(row["against"])
    group = f"{group} members" if group in GROUPS else group
    return f"{group} against {'white members' if against == 'white' else against}"


def verdicts() -> pd.DataFrame:
    """Which comparison holds in which pipeline, by which matches are left out: a row each."""
    rows = []
    for variant, words in who.TREATMENTS.items():
        table = who.rule(variant)
        wanted = STATEMENTS if variant == "rule" else (COLOUR, "Women")
        for group in wanted:
            part = table[table["group"] == group].set_index("model")
            row = {"Compared": statement(part.iloc[0]), "Left out": words}
            for model in PRIMARY_MODELS:
                row[MODEL_LABELS[model]] = _verdict(part.loc[model], who.checks(variant))
            rows.append(row)
    return pd.DataFrame(rows).sort_values(
        "Left out", key=lambda s: s != who.TREATMENTS["rule"], kind="stable", ignore_index=True
    )


def _verdict(row, checks) -> str:
    if row["holds"]:
        few = "" if min(row["n1"], row["n0"]) >= who.HEADLINE_N else ", too few people"
        return VERDICTS[row["holds"]] + few
    return f"could be chance ({', '.join(c for c in checks if not row[c])})"


def checks() -> pd.DataFrame:
    """The numbers behind `verdicts` under the same-person rule: a row a pipeline and comparison."""
    half = who.half_samples()
    rows = []
    for row in who.rule().query("group in @STATEMENTS").to_dict("records"):
        drawn = half.loc[(row["model"], row["group"])]
        rows.append(
            {
                "Program": MODEL_LABELS[row["model"]],
                "Compared": statement(row),
                **{
                    f"Ratio at {c}": number(
                        row[f"within_{c}"], row[f"within_low_{c}"], row[f"within_high_{c}"]
                    )
                    for c in COUNTS
                },
                "Half-samples at 28": numbers.ratio_interval(
                    drawn["within_low"], drawn["within_high"]
                ),
                "AUC": with_interval(row, "auc"),
                "AUC, like with like": with_interval(row, "auc_within"),
                "AUC, half-samples": numbers.ratio_interval(drawn["auc_low"], drawn["auc_high"]),
                "Holm p": p_text(row["holm_p"]),
            }
        )
    return pd.DataFrame(rows)


def bounds() -> pd.DataFrame:
    """The main comparisons by what is left out as the same person: a row a pipeline and group."""
    half = who.half_samples()
    other = {v: who.secondary(v).set_index(["model", "group"]) for v in ("any", "strict")}
    rows = []
    for group in (COLOUR, NOT_ASIAN, "Women"):
        for row in who.rule().query("group == @group").to_dict("records"):
            key = (row["model"], group)
            drawn = half.loc[key]
            rows.append(
                {
                    "Program": MODEL_LABELS[row["model"]],
                    "Compared": statement(row),
                    "Picked": f"{row['k1']} of {row['n1']}",
                    "Counterpart picked": f"{row['k0']} of {row['n0']}",
                    "Ratio, like with like": f"{row['within']:.1f}",
                    "Interval, half-samples": numbers.ratio_interval(
                        drawn["within_low"], drawn["within_high"]
                    ),
                    "Nobody left out": with_interval(other["any"].loc[key], "within"),
                    "Contested left out too": with_interval(other["strict"].loc[key], "within"),
                    "Crude ratio": f"{row['ratio']:.1f}",
                    "Crude, half-samples": numbers.ratio_interval(
                        drawn["ratio_low"], drawn["ratio_high"]
                    ),
                    "Holm p": p_text(row["holm_p"]),
                }
            )
    return pd.DataFrame(rows)


def pooled_parts() -> pd.DataFrame:
    """The parts by partial pooling, below the primary comparison that pools them: a row each."""
    half = who.half_samples()
    whole = who.secondary().set_index(["model", "group"])
    rows = []
    for (model, group), (found, test) in parts.pooled().items():
        row, drawn = whole.loc[(model, group)], half.loc[(model, group)]
        rows.append(
            {
                "Program": MODEL_LABELS[model],
                "Group": group,
                "Picked": f"{row['k1']} of {row['n1']}",
                "Rate ratio": f"{row['within']:.1f}",
                "Interval": numbers.ratio_interval(drawn["within_low"], drawn["within_high"]),
                "Chance that above 1": "",
                "Parts differ, p": p_text(test.p),
            }
        )
        for part in found.parts.itertuples():
            rows.append(
                {
                    "Program": MODEL_LABELS[model],
                    "Group": f"{part.Index}" + ("" if group == COLOUR else ", without Asian"),
                    "Picked": f"{part.flagged} of {part.searched}",
                    "Rate ratio": f"{part.rate_ratio:.1f}",
                    "Interval": numbers.ratio_interval(part.rate_low, part.rate_high),
                    "Chance that above 1": _chance(part.above),
                    "Parts differ, p": "",
                }
            )
    return pd.DataFrame(rows)


def _chance(value: float) -> str:
    return "> 99 %" if value > 0.99 else percent(value, 0)


def feeds() -> pd.DataFrame:
    """Both main comparisons with every pipeline, also as deepface feeds the networks."""
    return _at_28([("utkface", model) for model in MODELS])


def elsewhere() -> pd.DataFrame:
    """Both main comparisons in the other gallery, former legislators."""
    return _at_28([("legislators", model) for model in PRIMARY_MODELS])


def _at_28(searches) -> pd.DataFrame:
    rows = []
    for gallery, model in searches:
        members = shipped.result(gallery, model, shipped.PRIMARY).members
        table = who.compare(members).query("group in [@COLOUR, 'Women']")
        for row in table.to_dict("records"):
            rows.append(
                {
                    "Program": MODEL_LABELS[model],
                    "Compared": statement(row),
                    "Picked": f"{row['k1']} of {row['n1']}",
                    "Counterpart picked": f"{row['k0']} of {row['n0']}",
                    "Ratio, like with like": with_interval(row, "within"),
                    "AUC": with_interval(row, "auc"),
                    "AUC, like with like": with_interval(row, "auc_within"),
                }
            )
    return pd.DataFrame(rows).sort_values("Compared", kind="stable", ignore_index=True)


def comparisons() -> pd.DataFrame:
    """Every comparison: FPIR ratios by model, crude and within strata; * where Holm p < 0.05."""
    rows = []
    for (section, group, against), part in who.secondary().groupby(
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
            crude = number(r["ratio"], r["low"], r["high"])
            row[MODEL_LABELS[r["model"]]] = f"{r['k1']} : {r['k0']}, {crude}{star}"
            within = with_interval(r, "within") if section != who.BOTH else "–"
            row[f"{MODEL_LABELS[r['model']]}, like with like"] = within
        rows.append(row)
    return pd.DataFrame(rows)


def holm() -> pd.DataFrame:
    """How many of the exploratory tests are below 0.05, before and after Holm: a row a program."""
    table = who.secondary().query("not primary and p.notna()")
    few = table[["n1", "n0"]].min(axis=1) < who.HEADLINE_N
    after = table["holm_p"] < 0.05
    counts = pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Tests": 1,
            "p below 0.05": table["p"] < 0.05,
            "After Holm": after,
            "Of these, groups under 30": after & few,
        }
    )
    total = counts.groupby("Program", sort=False).sum()
    total.loc["All programs"] = total.sum()
    return total.astype(int).reset_index()


def odds() -> pd.DataFrame:
    """Odds ratios before and after adjustment, a row a gap and set of terms, a column a model."""
    table = adjustment.adjusted()
    table = table.assign(
        terms=table["terms"].replace("", "nothing"),
        text=[
            number(r.odds_ratio, r.low, r.high) + (f", x {r.change:.2f}" if r.terms else "")
            for r in table.itertuples()
        ],
    )
    keys = ["gap", "terms"]
    wide = table.pivot(index=keys, columns="model", values="text")
    wide = wide.reindex(
        index=pd.MultiIndex.from_frame(
            table[keys].drop_duplicates().sort_values("gap", kind="stable")
        ),
        columns=list(PRIMARY_MODELS),
    )
    wide = wide.rename(columns=MODEL_LABELS).rename_axis(columns=None)
    return wide.reset_index(names=["Gap", "Adjusted for"])


def differentials() -> pd.DataFrame:
    """The measures of ISO/IEC 19795-10 and NIST beside what chance gives: a row each."""
    table = parts.apart()

    def text(value):
        return "infinite" if np.isinf(value) else f"{value:.2f}"

    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Groups": table["groups"],
            "Measure": table["measure"],
            "Value": table["value"].map(text),
            "By chance, median": table["chance"].map(text),
            "By chance, 95 % point": table["chance_high"].map(text),
            "Smallest group": table["smallest"],
            "Fewest picked": table["fewest"],
        }
    )


def lists() -> pd.DataFrame:
    """The ACLU's 28 and ours by recorded group and gender."""
    table = aclu.aclu_beside()
    shown = pd.DataFrame(
        {
            "Group": table["group"],
            "Searched": table["searched"],
            "By lot, on average": table["by_lot"].map("{:.1f}".format),
            "ACLU 2018": table["aclu"],
        }
    )
    return shown.assign(**{MODEL_LABELS[model]: table[model] for model in PRIMARY_MODELS})


def nearness() -> pd.DataFrame:
    """The rank test of the ACLU's 28, a row a model."""
    table = aclu.rank_test()
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "AUC within gender and group": table["auc"].map("{:.2f}".format),
            "Permutation p": table["p"].map(p_text),
            "Holm p": table["holm_p"].map(p_text),
        }
    )


def shares() -> pd.DataFrame:
    """Share, part of the searched, rates and ratio: the ACLU's list in both codings, and ours."""
    rows = []
    for r in aclu.shares().itertuples():
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


def power() -> pd.DataFrame:
    """Power of the rank test of the ACLU's names by true AUC."""
    table = who.load("test-size").query('world == "ACLU\'s list"')
    auc = table["test"].str.extract(r"(0\.\d+)")[0]
    return pd.DataFrame({"True AUC": auc, "Found": table["rejected"].map(lambda v: percent(v, 0))})
