"""What the notebook of a test shows: tables as its readers see them, and which case it is."""

import pandas as pd

from helpers.faces.pipelines import DEEPFACE, PIPELINES
from helpers.own_test.measure import Measured
from helpers.protocol import validity
from helpers.show import numbers
from helpers.show import validity as shown_validity
from helpers.sources import groups as recorded

FEW = 30  # people; a rate of fewer says little
MANY = 600  # marks, the most that one picture shows
FAR = 2  # a measured FMR further from its target than by this factor is unlike it


def case(test: Measured) -> dict[str, bool]:
    """What holds of a test: the conditions that cells of the template name."""
    main, plan = test.runs[test.runs["main"]], test.about["parameters"]
    gate = [verdict(row) for row in test.gate.to_dict("records")]
    fmr = _fmr(test)
    kinds = set(test.groups["kind"])
    given = test.labels.loc[test.labels["kind"] == "group", "counted as"]
    return {
        "registered": bool(test.about["registered"]),
        "exploratory": not test.about["registered"],
        "someone": bool(main["flagged"].gt(0).any()),
        "most": bool((2 * main["flagged"] > main["searched"]).any()),
        "service": bool(plan["rekognition"]),
        "amazon": bool(plan["rekognition"]) and not plan["rekognition"].get("endpoint_url"),
        "marks": int(main["searched"].iloc[0]) <= MANY,
        "failures": bool(test.sides["failed"].gt(0).any()),
        "ignored": bool(test.sides["ignored"].notna().any()),
        "identical": bool(test.sides["identical"].gt(0).any()),
        "shared": bool(test.sides["other_side"].gt(0).any()),
        "file": len(test.labels) > 0,
        "recorder": bool(plan["recorded_by"]),
        "labels": bool({"group", "gender"} & kinds),
        "group": "group" in kinds,
        "both": "group and gender" in kinds,
        "unknown": bool((~recorded.is_known(given) & given.ne(recorded.NOT_RECORDED)).any()),
        "few": bool(test.groups["searched"].lt(FEW).any()),
        "compared": bool(main["ratio"].notna().any()),
        "deepface": any(PIPELINES[m].feed == DEEPFACE for m in plan["models"] if m in PIPELINES),
        "pairs": len(gate) > 0,
        "passes": len(gate) > 0 and set(gate) == {"passes"},
        "fails": "fails" in gate,
        "unsaid": "too few pairs to say" in gate,
        "calibrated": len(fmr) > 0,
        "alike": len(fmr) > 0 and fmr["verdict"].eq("alike").all(),
        "unlike": fmr["verdict"].isin(["more", "fewer"]).any() if len(fmr) else False,
        "rule": bool(main["same_person_rule"].any()),
        "candidates": bool(main[["same_person_pairs", "contested_pairs"]].gt(0).any(axis=None)),
    }  # fmt: skip


def verdict(row: dict) -> str:
    """Of a row of the gate: "passes", "fails" or that the pairs are too few."""
    try:
        return "passes" if validity.passes(row) else "fails"
    except ValueError:
        return "too few pairs to say"


def _told_apart(rows) -> pd.DataFrame:
    """Rows as a table, without the column Pipeline where there is one pipeline only."""
    table = pd.DataFrame(rows)
    one = len(table) > 1 and table["Pipeline"].nunique() == 1
    return table.drop(columns="Pipeline") if one else table


def sides(test: Measured) -> pd.DataFrame:
    """Who was searched in what: a row a side, and a pipeline where they differ."""
    table = test.sides.drop(columns="pipeline").drop_duplicates()
    if table["side"].duplicated().any():
        table = test.sides
    table = table.assign(side=table["side"].str.capitalize() + " (" + table["given"] + ")")
    names = {"pipeline": "Pipeline", "side": "Side", "images": "Images", "failed": "Not enrolled",
             "reasons": "Why", "identical": "Copies of an image",
             "other_side": "Also on the other side", "ignored": "Ignored"}  # fmt: skip
    table = table[[c for c in names if c in table]].rename(columns=names)
    return table.astype(dict.fromkeys(table.select_dtypes("number"), "Int64"))


def labels(test: Measured) -> pd.DataFrame:
    """The labels as given and as counted."""
    names = {"kind": "Label", "as given": "As given", "counted as": "Counted as",
             "people": "People"}  # fmt: skip
    return test.labels.fillna("(empty)")[list(names)].rename(columns=names)


def gate(test: Measured) -> pd.DataFrame:
    """The validity gate, a row a pipeline."""
    rows = []
    for row in test.gate.to_dict("records"):
        shown = shown_validity.as_shown(row)
        rows.append(shown | {"pipeline": row["model"], "Verdict": verdict(row)})
    names = {"pipeline": "Pipeline", "genuine": "Genuine pairs", "failed": "Not compared",
             "impostors": "Impostor pairs"}  # fmt: skip
    table = pd.DataFrame(rows).drop(columns=["portraits", "EER", "first"])
    return table.rename(columns=names)


def settings(test: Measured) -> pd.DataFrame:
    """How many are matched at each setting."""
    rows = []
    for row in test.runs.to_dict("records"):
        counted = row["flagged"], row["searched"], row["low"], row["high"]
        fixed = pd.isna(row["low"])  # a count that the setting fixes has no interval
        shown = {
            "Pipeline": row["pipeline"],
            "Setting": row["setting"] + (" *" if row["main"] else ""),
            "Falsely matched (FPIR)": numbers.rate(*(counted[:2] if fixed else counted)),
            "Threshold": row["threshold"],
        }
        pairs = f"{row['pairs_at_threshold']:,} of {row['comparisons']:,}"
        unknown = pd.isna(row["implied_fmr"])
        rows.append(shown | {"Matches among all comparisons": "" if unknown else pairs})
    return _told_apart(rows)


def _fmr(test: Measured) -> pd.DataFrame:
    """Calibrated settings: the FMR promised and the one measured here, and how they compare."""
    table = test.runs[test.runs["target_fmr"].notna() & test.runs["comparisons"].gt(0)]
    expected = table["target_fmr"] * table["comparisons"]
    found = table["pairs_at_threshold"]
    said = pd.Series("alike", table.index)
    said[found > FAR * expected] = "more"
    said[found < expected / FAR] = "fewer"
    said[pd.concat([expected, found], axis=1).max(axis=1) < validity.MIN_ERRORS] = "too few to say"
    return table.assign(expected=expected, verdict=said)


def fmr(test: Measured) -> pd.DataFrame:
    """What the calibrated settings promise, and what this gallery gave."""
    return _told_apart(
        {
            "Pipeline": row["pipeline"],
            "Calibrated to": numbers.one_in(row["target_fmr"]),
            "Matches promised": f"{row['expected']:,.1f}",
            "Matches here": f"{row['pairs_at_threshold']:,}",
            "Comparisons": f"{row['comparisons']:,}",
            "Here against promised": row["verdict"],
        }
        for row in _fmr(test).to_dict("records")
    )


def groups(test: Measured) -> pd.DataFrame:
    """FPIR by recorded label at the test's setting, a column a pipeline, with who is few."""
    shown: dict = {}
    for pipeline, table in test.groups.groupby("pipeline", sort=False):
        shown["Recorded"] = table["label"].to_list()
        counted = table[["flagged", "searched", "low", "high"]].itertuples(index=False)
        shown[pipeline] = [numbers.rate(*row) for row in counted]
        small = ["fewer than 30" if n < FEW else "" for n in table["searched"]]
    return pd.DataFrame(shown | {"Small number": small})


def compared(test: Measured) -> pd.DataFrame:
    """People of colour against white people at each setting: counts and ratios of rates."""
    rows = []
    for row in test.runs[test.runs["ratio"].notna()].to_dict("records"):
        shown = {"Pipeline": row["pipeline"], "Setting": row["setting"]}
        for side, name in (("colour", "Of colour"), ("white", "White")):
            shown[name] = numbers.rate(int(row[f"{side}_flagged"]), int(row[f"{side}_searched"]))
        shown["Ratio"] = _ratio(row, "ratio")
        if pd.notna(row.get("ratio_within_sex")):
            shown["Within recorded gender"] = _ratio(row, "ratio_within_sex")
        rows.append(shown)
    return _told_apart(rows)


def _ratio(row: dict, name: str) -> str:
    ends = numbers.ratio_interval(row[f"{name}_low"], row[f"{name}_high"])
    value = row[name]
    return f"{'above any number' if value == float('inf') else f'{value:.2f}'} ({ends})"


def same_person(test: Measured) -> pd.DataFrame:
    """How many matches may be the person searched, as counts, at the test's setting."""
    rows = []
    for row in test.runs[test.runs["main"]].to_dict("records"):
        looked = bool(row["same_person_rule"])
        shown = {"Pipeline": row["pipeline"], "Looked for": "yes" if looked else "no"}
        kinds = {"Falsely matched": "flagged"}
        if looked:
            kinds = {
                "Probably the same person, pairs": "same_person_pairs",
                "Contested pairs": "contested_pairs",
                "Gallery faces left out": "gallery_faces_left_out",
                "Falsely matched, nobody left out": "falsely_matched_none_left_out",
                **kinds,
                "Falsely matched, contested left out": "falsely_matched_contested_left_out",
                "Matched by contested faces alone": "names_withheld",
            }
        rows.append(shown | {name: int(row[key]) for name, key in kinds.items()})
    return pd.DataFrame(rows).convert_dtypes()


def misses(test: Measured) -> pd.DataFrame:
    """At each setting: false matches of the search, and misses among the user's own pairs."""
    table = test.misses.merge(test.runs, on=["pipeline", "setting"])
    return _told_apart(
        {
            "Pipeline": row["pipeline"],
            "Setting": row["setting"],
            "Falsely matched (FPIR)": numbers.rate(row["flagged"], row["searched"]),
            "Misses (FNMR)": numbers.rate_of(row, "missed", "pairs", "fnmr"),
        }
        for row in table.to_dict("records")
    )
