"""The validity gate as plain text."""

import textwrap

import pandas as pd

from helpers.faces.pipelines import MODEL_LABELS
from helpers.protocol import validity
from helpers.show.numbers import interval, one_in, percent
from helpers.sources import published

SETS = {"second-portraits": "second portraits", "returning": "returning members"}
STATED = "What publishers state of the task of LFW, to call pairs of photographs same or different:"


def text(table: pd.DataFrame) -> str:
    """The table of `validity.gate` for people: a row a pipeline and set, the verdicts, the rule."""
    shown = pd.DataFrame([as_shown(row) for row in table.to_dict("records")])
    judged = table.drop_duplicates("model")  # by the first, larger set
    verdicts = [f"{_label(row['model'])}: {_verdict(row)}" for row in judged.to_dict("records")]
    stated = published.lfw().drop_duplicates("pipeline")
    stated = [
        f"{_label(row.pipeline)}: {percent(row.accuracy)} right ({row.what}), {row.source_url}"
        for row in stated[stated["pipeline"].isin(table["model"])].itertuples()
    ]
    first, last = map(one_in, validity.TARGETS)
    rule = (
        f"The rule: a pipeline whose TAR at an FMR of {first} is below "
        f"{percent(validity.VALID_TAR, 0)} carries no conclusion about people. TAR: share of "
        f"genuine pairs (two portraits of one person) at or below the threshold that "
        f"{first} or {last} impostor pairs (two people) reach, too. AUC: chance that a "
        f"genuine pair is nearer than an impostor pair. EER: the smallest rate that false matches "
        f"and misses can both be held to. First: the own portrait comes before anybody else's. "
        f"In brackets 95 % intervals, people resampled. Failed: genuine pairs that were not "
        f"compared, because no face was found on a portrait."
    )
    said = [STATED, *stated] if stated else []
    blocks = [[shown.to_string(index=False)], verdicts, said, textwrap.wrap(rule, 100)]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _label(model: str) -> str:
    return MODEL_LABELS.get(model, model)


def as_shown(row: dict) -> dict:
    """A row of `validity.gate` as texts, by heading."""
    shown = {
        "pipeline": _label(row["model"]),
        "portraits": SETS.get(row["dataset"], row["dataset"]),
        "genuine": f"{row['genuine']:,}",
        "failed": row["failed"],
        "impostors": f"{row['impostors']:,}",
        "AUC": f"{row['auc']:.4f}",
        "EER": percent(row["eer"]),
    }
    for target in validity.TARGETS:
        tar = row[f"tar_{target:g}"]
        ends = (row[f"tar_{target:g}_low"], row[f"tar_{target:g}_high"])
        shown[f"TAR at {one_in(target)}"] = (
            "too few pairs" if pd.isna(tar) else f"{percent(tar)} ({interval(*ends)})"
        )
    found = row.get("searched")
    shown["first"] = f"{row['rank_1']} of {found}" if found else "not asked"
    return shown


def _verdict(row: dict) -> str:
    try:
        passed = validity.passes(row)
    except ValueError:
        needed = round(validity.MIN_ERRORS / validity.VALID_FMR)
        return f"cannot be said, {row['impostors']:,} impostor pairs of the {needed:,} needed"
    return "passes" if passed else "fails: no conclusion about people"
