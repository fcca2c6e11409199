"""The tables of notebook 13, from data/results/newcomers.csv and the registration."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.does_it_replicate import make, registration, verdicts
from helpers.faces.pipelines import MODELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import shipped
from helpers.sources import groups
from helpers.sources.newcomers import load_newcomers
from helpers.statistics import intervals, pooling, rates
from helpers.statistics.rates import at_or_below

RESULTS = DATA / "results"
AS_REGISTERED = "as registered"
READINGS = (
    AS_REGISTERED,
    "nobody left out",
    "contested faces left out too",
    "without the uncertain groups",
    "Middle Eastern counted as White",
)
VARIANT = {"nobody left out": "any", "contested faces left out too": "strict"}


@cache
def protocol() -> dict:
    """The frozen protocol."""
    return registration.load()


@cache
def results() -> pd.DataFrame:
    """The results as stored; raises ValueError if they name another registration."""
    table = pd.read_csv(RESULTS / make.RESULTS, keep_default_na=False)
    if set(table["protocol"]) != {registration.digest()}:
        raise ValueError(f"{make.RESULTS} was made under another registration")
    return table


def people(model: str, variant: str = "rule", default: bool = False) -> pd.DataFrame:
    """The newcomers with enrolled, score, flagged and withheld (all but score bool), one pipeline.

    At the threshold frozen from the 115th, or at the library's default. Whoever failed to enrol is
    searched and not flagged.
    """
    frozen = protocol()["pipelines"][model]
    threshold = frozen["configuration"]["default_threshold"] if default else frozen["threshold"]
    mine = results().query("model == @model").set_index("member_id")
    newcomers = load_newcomers()
    score = mine[variant].reindex(newcomers["member_id"]).fillna(np.inf)
    withheld = mine["withheld"].reindex(newcomers["member_id"], fill_value=False)
    return newcomers.assign(
        enrolled=newcomers["member_id"].isin(mine.index),
        score=score.to_numpy(),
        flagged=at_or_below(score.to_numpy(), threshold),
        withheld=withheld.to_numpy(),
    )


def flagged(default: bool = False) -> pd.DataFrame:
    """Newcomers flagged by pipeline, group and recorded gender, with Wilson intervals.

    Columns model, group, gender ("all" for both), searched, flagged, fpir, low, high. Groups are
    those of newcomers in their order, then everybody of colour and everybody.
    """
    tables = []
    for model in MODELS:
        table = people(model, default=default)
        everybody = table.assign(group="All newcomers")
        colour = table[table["of_colour"]].assign(group=groups.COLOUR)
        every = pd.concat([table, colour, everybody])
        every = pd.concat([every, every.assign(gender="all")])
        counts = every.groupby(["group", "gender"])["flagged"].agg(["size", "sum"])
        order = [*groups.in_order(table["group"]), groups.COLOUR, "All newcomers"]
        index = pd.MultiIndex.from_product([order, [*groups.GENDERS, "all"]])
        counts = counts.reindex(index, fill_value=0).rename_axis(["group", "gender"])
        low, high = intervals.wilson(counts["sum"], counts["size"])
        searched = counts["size"].to_numpy()
        share = np.divide(
            counts["sum"], searched, where=searched > 0, out=np.full(len(low), np.nan)
        )
        tables.append(
            pd.DataFrame(
                {"searched": searched, "flagged": counts["sum"], "fpir": share, "low": low,
                 "high": high}
            ).reset_index().assign(model=model)
        )  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    return table[["model", "group", "gender", "searched", "flagged", "fpir", "low", "high"]]


def hypotheses(reading: str = AS_REGISTERED) -> pd.DataFrame:
    """Each registered hypothesis with its verdict: `verdicts.decide`, and the ratio of rates.

    reading: one of READINGS; the verdicts that count are those as registered. Adds rate_ratio,
    rate_low, rate_high (Mantel-Haenszel within recorded gender).
    """
    registered = registration.hypotheses(protocol())
    counted = {m: _read(m, reading) for m in registered["model"].unique()}
    tables = [
        verdicts.counts(counted[row.model], row.part or groups.COLOUR)
        for row in registered.itertuples()
    ]
    found = verdicts.decide(registered, tables)
    ratios = [intervals.mantel_haenszel_risk_ratio(t) for t in tables]
    for column, name in (("ratio", "rate_ratio"), ("low", "rate_low"), ("high", "rate_high")):
        values = pd.Series([getattr(r, column) for r in ratios], index=found.index)
        found[name] = values.where(found["part"].ne(""))
    return found


def _read(model, reading):
    table = people(model, VARIANT.get(reading, "rule"))
    if reading == "without the uncertain groups":
        table = table[~table["uncertain"]]
    if reading == "Middle Eastern counted as White":
        table = table.assign(group=groups.as_in_115(table["group"]))
    return table


def sensitivity() -> pd.DataFrame:
    """The hypotheses under each of READINGS: reading, then the columns of `hypotheses`."""
    return pd.concat([hypotheses(r).assign(reading=r) for r in READINGS], ignore_index=True)


def gate() -> pd.DataFrame:
    """The validity gate on newcomers with a second portrait, a row a pipeline."""
    return pd.read_csv(RESULTS / make.GATE)


def who() -> pd.DataFrame:
    """Newcomers flagged by any primary pipeline at the frozen thresholds; contested names withheld.

    Columns name ("name withheld"), chamber, state, party, group, gender, one bool a pipeline, and
    how many flag them.
    """
    tables = {m: people(m).set_index("member_id") for m in PRIMARY_MODELS}
    table = load_newcomers().set_index("member_id")
    table = table[["name", "chamber", "state", "party", "group", "gender"]]
    hidden = pd.concat([t["withheld"] for t in tables.values()], axis=1).any(axis=1)
    for model, found in tables.items():
        table[model] = found["flagged"]
    table["pipelines"] = table[list(PRIMARY_MODELS)].sum(axis=1)
    # a withheld person is told by no other column either
    told = ["name", "chamber", "state", "party", "group", "gender"]
    table[told] = table[told].mask(hidden, "withheld")
    table = table[table["pipelines"] > 0]
    return table.sort_values(["pipelines", "name"], ascending=[False, True], ignore_index=True)


def update() -> pd.DataFrame:
    """The 115th and the newcomers together: an update, not a confirmation.

    At the frozen thresholds, Middle Eastern counted as White, as the roster of the 115th does; a
    row a primary pipeline and set of people ("115th", "newcomers", "together"): model, people,
    then k1 of n1 of colour and k0 of n0 white flagged, odds_ratio, low, high (exact, within
    recorded gender).
    """
    rows = []
    for model in PRIMARY_MODELS:
        for name, table in _sets(model).items():
            counts = verdicts.counts(table, groups.COLOUR)
            found = verdicts.exact(counts)
            sums = counts.sum().to_dict()
            rows.append(
                {"model": model, "people": name} | sums
                | {"odds_ratio": found.odds_ratio, "low": found.low, "high": found.high}
            )  # fmt: skip
    return pd.DataFrame(rows)


def updated_parts() -> pd.DataFrame:
    """Partial pooling of the parts with 115th and newcomers together: model, part, its columns.

    Multiple is no part: those people are in `update` only.
    """
    tables = []
    for model in PRIMARY_MODELS:
        table = _sets(model)["together"]
        table = table[table["group"].isin(groups.GROUPS)]
        counts = rates.within_sex(table, order=list(groups.GROUPS))[["searched", "flagged"]]
        parts = pooling.partial_pooling(counts, groups.WHITE).parts
        tables.append(parts.reset_index().assign(model=model))
    table = pd.concat(tables, ignore_index=True)
    return table[["model", *(c for c in table if c != "model")]]


def _sets(model):
    old = shipped.result(registration.GALLERY, model, shipped.PRIMARY).members
    new = people(model)
    new = new.assign(group=groups.as_in_115(new["group"]))
    columns = ["member_id", "group", "gender", "flagged"]
    sets = {"115th": old[columns], "newcomers": new[columns]}
    return sets | {"together": pd.concat(sets.values(), ignore_index=True)}
