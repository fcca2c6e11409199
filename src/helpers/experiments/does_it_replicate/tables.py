"""The tables of notebook 13, from data/results/newcomers.csv and the registration."""

from functools import cache

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.does_it_replicate import make, registration, verdicts
from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import shipped, validity
from helpers.show import numbers, plots
from helpers.show.style import IMPOSTOR_COLOUR, INK, MUTED, styled
from helpers.sources import groups
from helpers.sources.newcomers import load_newcomers
from helpers.statistics import intervals, rates
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
EVERYBODY = "All newcomers"
LARGEST = 200  # an odds ratio: an interval beyond that leaves the axis


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

    At the frozen threshold or the default's; who failed to enrol is searched and not flagged.
    """
    frozen = protocol()["pipelines"][model]
    threshold = frozen["configuration"]["default_threshold"] if default else frozen["threshold"]
    newcomers = load_newcomers()
    mine = results().query("model == @model").set_index("member_id")
    mine = mine.reindex(newcomers["member_id"]).reset_index(drop=True)
    score = mine[variant].fillna(np.inf)
    return newcomers.assign(
        enrolled=mine["model"].notna(),
        score=score,
        flagged=at_or_below(score, threshold),
        withheld=mine["withheld"].eq(True),
    )


def flagged(default: bool = False) -> pd.DataFrame:
    """Newcomers flagged by pipeline and group, then of colour, then all; Wilson intervals."""
    tables = []
    for model in MODELS:
        table = people(model, default=default)
        colour = table[table["of_colour"]].assign(group=groups.COLOUR)
        every = pd.concat([table, colour, table.assign(group=EVERYBODY)])
        order = [*groups.in_order(table["group"]), groups.COLOUR, EVERYBODY]
        tables.append(rates.by_group(every, "group", order).reset_index().assign(model=model))
    table = pd.concat(tables, ignore_index=True)
    said = [numbers.rate(r.flagged, r.searched, r.low, r.high) for r in table.itertuples()]
    return table.assign(said=said, program=table["model"].map(MODEL_LABELS))


def group_table() -> pd.DataFrame:
    """Newcomers flagged at the frozen thresholds by recorded group, a column a program."""
    found = flagged()
    wide = found.pivot(index="group", columns="program", values="said")
    wide = wide.loc[found["group"].unique(), [MODEL_LABELS[m] for m in PRIMARY_MODELS]]
    return wide.rename_axis("Group").rename_axis(columns=None).reset_index()


def hypotheses(reading: str = AS_REGISTERED) -> pd.DataFrame:
    """Each registered hypothesis with its verdict: `verdicts.decide`, and the ratio of rates.

    reading: one of READINGS; the verdicts that count are those as registered. Adds rate_ratio,
    rate_low, rate_high (Mantel-Haenszel within recorded gender), and words: program, who.
    """
    registered = registration.hypotheses(protocol())
    asked = registered[["model", "part"]].to_numpy()
    tables = [verdicts.counts(_read(m, reading), part or groups.COLOUR) for m, part in asked]
    found = verdicts.decide(registered, tables)
    ratios = pd.DataFrame(map(intervals.mantel_haenszel_risk_ratio, tables))
    ratios = ratios[["ratio", "low", "high"]]
    ratios.columns = ["rate_ratio", "rate_low", "rate_high"]
    who = found["part"].replace({groups.COLOUR: "Of colour", "": "None"})
    found = found.assign(program=found["model"].map(MODEL_LABELS), who=who)
    return found.join(ratios.where(found["part"].ne("")))


def _read(model: str, reading: str) -> pd.DataFrame:
    table = people(model, VARIANT.get(reading, "rule"))
    if reading == "without the uncertain groups":
        table = table[~table["uncertain"]]
    if reading == "Middle Eastern counted as White":
        table = table.assign(group=groups.as_in_115(table["group"]))
    return table


def verdict_table() -> pd.DataFrame:
    """Each registered hypothesis with its counts, odds ratio, ratio of rates, p and verdict."""
    found = hypotheses()
    rows = list(found.itertuples())
    shown = {
        "Program": found["program"],
        "Hypothesis": found["who"] + " against white newcomers",
        "Flagged, these": [f"{r.flagged} of {r.searched}" for r in rows],
        "Flagged, white": [f"{r.white_flagged} of {r.white_searched}" for r in rows],
        "Odds ratio in the 115th": found["ratio_115"].map("{:.1f}".format),
        "Odds ratio of newcomers": [numbers.ratio(r.odds_ratio, r.low, r.high) for r in rows],
        "Ratio of rates": [numbers.ratio(r.rate_ratio, r.rate_low, r.rate_high) for r in rows],
        "p, Holm": found["p_holm"].map(numbers.p_text),
        "Verdict": found["verdict"],
    }
    shown = pd.DataFrame(shown)
    none = found["part"].eq("")
    shown.loc[none, shown.columns[1:-1]] = ["None", *[""] * 6]
    return shown


def sensitivity() -> pd.DataFrame:
    """The hypotheses under each of READINGS: reading, then the columns of `hypotheses`."""
    return pd.concat([hypotheses(r).assign(reading=r) for r in READINGS], ignore_index=True)


def reading_table() -> pd.DataFrame:
    """The verdict of each hypothesis as registered and under other readings, a column each."""
    found = sensitivity().query("part != ''").rename(columns={"program": "Program"})
    found["Hypothesis"] = found["who"] + " against white newcomers"
    shown = found.pivot(index=["Program", "Hypothesis"], columns="reading", values="verdict")
    shown = shown[list(READINGS)].rename_axis(columns=None).reset_index()
    return shown.rename(columns=lambda c: c[0].upper() + c[1:])


def ratios() -> pd.DataFrame:
    """What `draw` draws: the odds ratios of the registered hypotheses that name somebody."""
    found = hypotheses().query("part != ''")
    label = found["program"] + ": " + found["who"].replace({"Of colour": "of colour"})
    columns = ["odds_ratio", "low", "high", "ratio_115", "verdict"]
    return found[columns].assign(label=label)[["label", *columns]].reset_index(drop=True)


@styled()
def draw(data: pd.DataFrame) -> Figure:
    """A row a hypothesis: the newcomers' odds ratio with its interval, a tick at the 115th's."""
    fig, [[ax]] = plots.new_figure(0.7 + 0.3 * len(data))
    looks = {v: {"color": INK if v == verdicts.REPLICATED else MUTED} for v in verdicts.VERDICTS}
    marks = data.rename(columns={"odds_ratio": "value", "verdict": "name"}).assign(y=data.index)
    plots.dots(ax, marks, looks, limits=(0, LARGEST), size=7)
    ax.plot(data["ratio_115"], data.index, "|", color=IMPOSTOR_COLOUR, ms=14, mew=2.5)
    for row in marks.itertuples():
        plots.note(ax, row.y, row.name, color=looks[row.name]["color"])
    ax.axvline(1, color=MUTED, lw=1)
    plots.log_axis(ax, "x", [0.5, 1, 2, 5, 10, 20, 50, 100], "{:g}")
    ax.set(xlim=(0.2, LARGEST), ylim=(len(data) - 0.4, -0.6))
    ax.set_yticks(data.index, data["label"])
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    plots.left_align(fig, ax)
    return fig


def who_table() -> pd.DataFrame:
    """Newcomers flagged by any program whose names may be published; a row for those withheld."""
    found = {MODEL_LABELS[m]: people(m).set_index("member_id") for m in PRIMARY_MODELS}
    flags = pd.DataFrame({program: table["flagged"] for program, table in found.items()})
    hidden = pd.DataFrame({p: table["withheld"] for p, table in found.items()}).any(axis=1)
    shown = load_newcomers().set_index("member_id")[["name", "state", "group"]]
    shown = shown.rename(columns=str.capitalize)
    shown["Flagged by"] = [", ".join(flags.columns[row]) for row in flags.to_numpy()]
    shown["times"] = -flags.sum(axis=1)
    told = shown[flags.any(axis=1) & ~hidden].sort_values(["times", "Name"]).drop(columns="times")
    # a withheld person is told by no other column either
    last = [f"{(flags.any(axis=1) & hidden).sum()} names withheld", "", ""]
    last.append("the match rests on a contested identity")
    return pd.concat([told, pd.DataFrame([last], columns=told.columns)], ignore_index=True)


def gate() -> pd.DataFrame:
    """The validity gate on newcomers with a second portrait, a row a pipeline."""
    return pd.read_csv(RESULTS / make.GATE)


def pipeline_table() -> pd.DataFrame:
    """The gate on newcomers' second portraits, and the newcomers flagged at the default."""
    name = f"tar_{validity.VALID_FMR:g}"
    table = gate().rename(columns={name: "tar", f"{name}_low": "low", f"{name}_high": "high"})
    at_default = flagged(default=True).query("group == @EVERYBODY").set_index("model")["said"]
    rows = list(table.itertuples())
    shown = {
        "Pipeline": table["model"].map(MODEL_LABELS),
        "Genuine pairs": table["genuine"],
        "TAR at an FMR of 1 in 1,000": [
            f"{numbers.percent(r.tar)} ({numbers.interval(r.low, r.high)})" for r in rows
        ],
        "Own portrait first": [f"{r.rank_1} of {r.searched}" for r in rows],
        "Passes": np.where(table["tar"] >= validity.VALID_TAR, "yes", "no"),
        "Flagged at the default": table["model"].map(at_default),
    }
    return pd.DataFrame(shown)


def update() -> pd.DataFrame:
    """The 115th and the newcomers together: an update, not a confirmation; exact intervals.

    At the frozen thresholds, Middle Eastern counted as White, as the roster of the 115th does.
    """
    rows = []
    for model in PRIMARY_MODELS:
        old = shipped.result(registration.GALLERY, model, shipped.PRIMARY).members
        new = people(model)
        new = new.assign(group=groups.as_in_115(new["group"]))
        sets = {"the 115th": old, "newcomers": new, "together": pd.concat([old, new])}
        for name, table in sets.items():
            counts = verdicts.counts(table, groups.COLOUR)
            n, found = counts.sum(), verdicts.exact(counts)
            tallies = [f"{n['k1']} of {n['n1']}", f"{n['k0']} of {n['n0']}"]
            ratio = numbers.ratio(found.odds_ratio, found.low, found.high)
            rows.append([MODEL_LABELS[model], name, *tallies, ratio])
    return pd.DataFrame(rows, columns=["Program", "People", "Of colour", "White", "Odds ratio"])
