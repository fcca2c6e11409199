"""Notebook 13 as it is read: display tables, and the figure of the hypotheses."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.does_it_replicate import tables, verdicts
from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.protocol import validity
from helpers.show import numbers, plots
from helpers.show.style import INK, MUTED, styled
from helpers.sources import groups

PEOPLE = {"part": "{} against white newcomers", "pooled": "Of colour against white newcomers"}
LARGEST = 200  # an odds ratio: an interval beyond that leaves the axis
SETS = {"115th": "the 115th", "newcomers": "newcomers", "together": "together"}


def verdict_table() -> pd.DataFrame:
    """Each registered hypothesis with its counts, odds ratio, p and verdict."""
    found = tables.hypotheses()
    predicted = found["part"].ne("")
    who = [PEOPLE[r.kind].format(r.part) if r.part else "None" for r in found.itertuples()]
    shown = pd.DataFrame({"Program": found["model"].map(MODEL_LABELS), "Hypothesis": who})
    shown["Flagged, these"] = [f"{r.flagged} of {r.searched}" for r in found.itertuples()]
    shown["Flagged, white"] = [
        f"{r.white_flagged} of {r.white_searched}" for r in found.itertuples()
    ]
    shown["Odds ratio in the 115th"] = found["ratio_115"].map("{:.1f}".format)
    shown["Odds ratio of newcomers"] = [
        f"{r.odds_ratio:.1f} ({numbers.ratio_interval(r.low, r.high)})" if r.part else ""
        for r in found.itertuples()
    ]
    shown["p, Holm"] = found["p_holm"].map(numbers.p_text)
    shown["Verdict"] = found["verdict"]
    shown.loc[~predicted, shown.columns[2:7]] = ""
    return shown


def group_table() -> pd.DataFrame:
    """Newcomers flagged at the frozen thresholds by recorded group, a column a program."""
    found = tables.flagged().query("gender == 'all' and model in @PRIMARY_MODELS")
    found = found.assign(
        said=[numbers.rate(r.flagged, r.searched, r.low, r.high) for r in found.itertuples()]
    )
    order = list(dict.fromkeys(found["group"]))
    shown = found.pivot(index="group", columns="model", values="said").loc[order]
    shown = shown[list(PRIMARY_MODELS)].rename(columns=MODEL_LABELS)
    return shown.rename_axis(columns=None).rename_axis("Group").reset_index()


def gender_table() -> pd.DataFrame:
    """Newcomers of colour and white ones flagged within recorded gender, a row each."""
    found = tables.flagged().query("gender != 'all' and model in @PRIMARY_MODELS")
    found = found[found["group"].isin([groups.COLOUR, groups.WHITE])]
    return pd.DataFrame(
        {
            "Program": found["model"].map(MODEL_LABELS),
            "Group": found["group"],
            "Recorded gender": found["gender"],
            "Flagged": [
                numbers.rate(r.flagged, r.searched, r.low, r.high) for r in found.itertuples()
            ],
        }
    ).reset_index(drop=True)


def reading_table() -> pd.DataFrame:
    """The verdict of each hypothesis as registered and under other readings, a column each."""
    found = tables.sensitivity()
    found = found[found["part"].ne("")]
    who = [PEOPLE[r.kind].format(r.part) for r in found.itertuples()]
    found = found.assign(Program=found["model"].map(MODEL_LABELS), Hypothesis=who)
    shown = found.pivot(index=["Program", "Hypothesis"], columns="reading", values="verdict")
    shown = shown[list(tables.READINGS)].rename_axis(columns=None).reset_index()
    return shown.rename(columns=lambda c: c[0].upper() + c[1:])


def gate_table() -> pd.DataFrame:
    """The validity gate on the newcomers' second portraits, a row a pipeline."""
    gate = tables.gate()
    name = f"tar_{validity.VALID_FMR:g}"
    return pd.DataFrame(
        {
            "Pipeline": gate["model"].map(MODEL_LABELS),
            "Genuine pairs": gate["genuine"],
            "TAR at an FMR of 1 in 1,000": [
                f"{numbers.percent(tar)} ({numbers.interval(low, high)})"
                for tar, low, high in gate[[name, f"{name}_low", f"{name}_high"]].to_numpy()
            ],
            "Own portrait first": [f"{r.rank_1} of {r.searched}" for r in gate.itertuples()],
            "Passes": ["yes" if tar >= validity.VALID_TAR else "no" for tar in gate[name]],
        }
    )


def default_table() -> pd.DataFrame:
    """Newcomers flagged at each pipeline's default threshold."""
    found = tables.flagged(default=True)
    found = found[found["group"].eq("All newcomers") & found["gender"].eq("all")].set_index("model")
    found = found.loc[list(MODELS)]
    said = [numbers.rate(r.flagged, r.searched, r.low, r.high) for r in found.itertuples()]
    labels = [MODEL_LABELS[m] for m in found.index]
    return pd.DataFrame({"Pipeline": labels, "Flagged at the default": said})


def who_table() -> pd.DataFrame:
    """Newcomers flagged by any program, whose names may be published; a row for those withheld."""
    found = tables.who()
    told = found[found["name"] != "withheld"]
    lists = [
        ", ".join(MODEL_LABELS[m] for m in PRIMARY_MODELS if row[m])
        for row in told.to_dict("records")
    ]
    shown = told[["name", "state", "group"]].rename(columns=str.capitalize)
    shown["Flagged by"] = lists
    hidden = len(found) - len(told)
    last = pd.DataFrame([{"Name": f"{hidden} names withheld", "State": "", "Group": "",
                          "Flagged by": "the match rests on a contested identity"}])  # fmt: skip
    return pd.concat([shown, last], ignore_index=True)


def update_table() -> pd.DataFrame:
    """The 115th, the newcomers, and both together: counts and odds ratios within gender."""
    found = tables.update()
    return pd.DataFrame(
        {
            "Program": found["model"].map(MODEL_LABELS),
            "People": found["people"].map(SETS),
            "Of colour": [f"{int(r.k1)} of {int(r.n1)}" for r in found.itertuples()],
            "White": [f"{int(r.k0)} of {int(r.n0)}" for r in found.itertuples()],
            "Odds ratio": [numbers.ratio(r.odds_ratio, r.low, r.high) for r in found.itertuples()],
        }
    )


def ratios() -> pd.DataFrame:
    """What `draw` draws: the odds ratios of the registered hypotheses that name somebody."""
    found = tables.hypotheses()
    found = found[found["part"].ne("")]
    label = [f"{MODEL_LABELS[r.model]}: {r.part.lower() if r.kind == 'pooled' else r.part}"
             for r in found.itertuples()]  # fmt: skip
    columns = ["odds_ratio", "low", "high", "ratio_115", "verdict"]
    return found[columns].assign(label=label)[["label", *columns]].reset_index(drop=True)


@styled()
def draw(data: pd.DataFrame) -> Figure:
    """A row a hypothesis: the newcomers' odds ratio with its interval, a tick at the 115th's."""
    fig, axes = plots.new_figure(0.9 + 0.42 * len(data))
    ax = axes[0, 0]
    y = np.arange(len(data))
    sure = data["verdict"] == verdicts.REPLICATED
    for at, row in enumerate(data.itertuples()):
        colour = INK if sure.iloc[at] else MUTED
        ax.plot([row.low, min(row.high, LARGEST)], [at, at], color=colour, lw=1.5)
        ax.plot(row.odds_ratio, at, "o", color=colour, ms=7)
        ax.plot(row.ratio_115, at, "|", color="#A03F14", ms=15, mew=2.5)
        ax.annotate(row.verdict, (1.02, at), xycoords=("axes fraction", "data"),
                    va="center_baseline", fontsize=8, color=colour)  # fmt: skip
    ax.axvline(1, color=MUTED, lw=1)
    plots.log_axis(ax, "x", [0.5, 1, 2, 5, 10, 20, 50, 100], "{:g}")
    ax.set_xlim(0.2, LARGEST)
    ax.set_ylim(len(data) - 0.4, -0.6)
    ax.set_yticks(y, data["label"])
    ax.set_xlabel("Odds ratio within recorded gender (1: no difference), logarithmic", loc="left")
    ax.grid(axis="x")
    return fig
