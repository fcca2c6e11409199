"""The results of the newcomers: newcomers.csv (a row each and pipeline) and newcomers-gate.csv.

Nobody is enrolled before the registration is committed, or with anything else than it froze.
"""

from pathlib import Path

import pandas as pd

from helpers.experiments.does_it_replicate import registration
from helpers.faces import collection, enrolment, same_person
from helpers.faces.collection import Collection
from helpers.faces.pipelines import MODELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import scores, shipping, validity
from helpers.sources import galleries
from helpers.statistics.rates import at_or_below

FIRST, SECOND = "newcomers", "newcomers-second-portraits"
RESULTS, GATE = "newcomers.csv", "newcomers-gate.csv"
VARIANTS = ("any", "rule", "strict")


def make(out: Path) -> None:
    """Enrol and search the newcomers as registered; write RESULTS and GATE into the folder `out`.

    Needs the faces of `utkface` in the cache. UserError without a committed, valid registration.
    """
    protocol = registration.require()
    for model in MODELS:
        for dataset in (FIRST, SECOND):
            shipping.enrol_dataset(dataset, model)
    private = {m: shipping.load_dataset("utkface", m) for m in MODELS}
    clusters = same_person.identity_clusters([private[m] for m in PRIMARY_MODELS])
    labels = galleries.load_utkface()
    adults = labels.loc[labels["adult"], "id"]
    private = {m: collection.subset(c, adults) for m, c in private.items()}
    first, second = ({m: shipping.load_dataset(d, m) for m in MODELS} for d in (FIRST, SECOND))
    members = pd.read_csv(DATA / "scores" / "same-person.csv", keep_default_na=False)
    table = search(protocol, first, second, private, clusters, members)
    table["protocol"], table["commit"] = registration.digest(), registration.commit()
    table.to_csv(out / RESULTS, index=False, float_format="%.4f", lineterminator="\n")
    gate(first, second).to_csv(out / GATE, index=False, float_format="%.6g", lineterminator="\n")


def search(
    protocol: dict,
    first: dict[str, Collection],
    second: dict[str, Collection],
    private: dict[str, Collection],
    clusters: pd.Series,
    members: pd.DataFrame,
) -> pd.DataFrame:
    """Newcomers searched with each pipeline: a row an enrolled newcomer, by pipeline.

    first, second, private: portraits and gallery (adults) by pipeline; clusters: gallery id ->
    identity; members: the same-person decisions on the 115th, whose faces stay left out. Returns
    member_id, model, the best scores `any`, `rule` and `strict` (distances, inf for none), flagged
    (at the frozen threshold, by the rule), flagged_default, decision (on the newcomer, "" for
    none) and withheld (bool: the match rests on contested identities alone, no name is given).
    """
    primary = [m for m in PRIMARY_MODELS if m in private]
    mine = decide(first, second, {m: private[m] for m in primary}, clusters)
    decisions = pd.concat([members, mine], ignore_index=True)
    # a newcomer may be the same person as one identity and contested for another
    decided = mine.sort_values("same_person").drop_duplicates("probe_id", keep="last")
    decided = decided.set_index("probe_id")["decision"]
    tables = []
    for model, gallery in private.items():
        frozen = protocol["pipelines"][model]
        both = first[model], second[model]
        found = scores.compute(*both, gallery, clusters, decisions, shipping.KEEP_PROBES)
        best = found.best.query("portrait == 'first'").rename(columns={"probe_id": "member_id"})
        default = frozen["configuration"]["default_threshold"]
        hidden = scores.withheld(found, best["member_id"], frozen["threshold"])
        table = best[["member_id", *VARIANTS]].assign(
            model=model,
            flagged=at_or_below(best["rule"], frozen["threshold"]),
            flagged_default=at_or_below(best["rule"], default),
            decision=best["member_id"].map(decided).fillna(""),
            withheld=best["member_id"].isin(hidden),
        )
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table.insert(1, "model", table.pop("model"))

    def order(column):
        return column.map(list(MODELS).index) if column.name == "model" else column

    return table.sort_values(["model", "member_id"], key=order, ignore_index=True)


def decide(first, second, private, clusters) -> pd.DataFrame:
    """The same-person rule on the newcomers, by the margins that ship: `same_person.DECISIONS`."""
    margins = same_person.load_margins()
    seen = {}
    for model, gallery in private.items():
        near = collection.search(first[model], gallery, top=same_person.DEPTH)
        again = collection.search(second[model], gallery, top=same_person.DEPTH)
        seen[model] = same_person.evidence(near, again, clusters, margins[model])
    return same_person.decide(seen)


def gate(first: dict[str, Collection], second: dict[str, Collection]) -> pd.DataFrame:
    """The validity gate on newcomers who have a second portrait: model, then `validity.measure`."""
    rows = []
    for model in first:
        listed = set(second[model].ids) | failed(SECOND, model)
        compared = set(first[model].ids) & set(second[model].ids)
        measured = validity.measure(first[model], second[model], len(listed - compared))
        rows.append({"model": model} | measured)
    return pd.DataFrame(rows)


def failed(dataset: str, model: str) -> set[str]:
    """Ids of a dataset that failed to enrol."""
    path = shipping.faces_path(dataset, model)
    return set(enrolment.read_failures(path)["id"]) if path.exists() else set()
