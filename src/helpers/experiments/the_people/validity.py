"""The validity gate in notebook 01: can each pipeline tell members' portraits apart at all?

Distances of two pipelines cannot be compared, so each panel of the figure has its own axis.
"""

from functools import cache

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.faces.pipelines import MODEL_LABELS, MODELS
from helpers.protocol import validity
from helpers.show import plots
from helpers.show.numbers import interval, one_in, percent
from helpers.show.style import GENUINE_COLOUR, IMPOSTOR_COLOUR, INK, styled
from helpers.sources import published as sources

SETS = {"second-portraits": "second portraits", "returning": "new portraits of returning members"}
LARGER = "second-portraits"  # the set whose pairs decide
BINS = 48


@cache
def measured() -> pd.DataFrame:
    """The gate as numbers: a row a pipeline and set, columns of `protocol.validity.gate`."""
    return validity.gate()


def table() -> pd.DataFrame:
    """The gate for readers, in per cent; conclusions (the rule's) by the larger set only."""
    gate = measured()
    shown = {
        "Pipeline": gate["model"].map(MODEL_LABELS),
        "Portraits": gate["dataset"].map(SETS),
        "Genuine pairs": gate["genuine"],
        "Failed to enrol": gate["failed"],
        "Impostor pairs": gate["impostors"].map("{:,}".format),
        "AUC": gate["auc"].map("{:.4f}".format),
        "EER": _with_interval(gate, "eer"),
    }
    shown = pd.DataFrame(shown)
    for target in validity.TARGETS:
        shown[f"TAR at an FMR of {one_in(target)}"] = _with_interval(gate, f"tar_{target:g}")
    shown["Own portrait first"] = [
        f"{row.rank_1} of {row.searched} ({percent(row.rank_1_rate)}, "
        f"{interval(row.rank_1_low, row.rank_1_high)})"
        for row in gate.itertuples()
    ]
    passed = [
        ("yes" if validity.passes(row) else "no") if row["dataset"] == LARGER else ""
        for row in gate.to_dict("records")
    ]
    return shown.assign(Conclusions=passed)


def _with_interval(gate: pd.DataFrame, name: str) -> list[str]:
    ends = gate[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False, name=None)
    return [
        "too few pairs" if np.isnan(value) else f"{percent(value)} ({interval(low, high)})"
        for value, low, high in ends
    ]


def stated() -> pd.DataFrame:
    """What publishers state of their pipelines on LFW: the first row of each nearest to its use."""
    lfw = sources.lfw()
    lfw = lfw[lfw["pipeline"].isin(MODELS)]
    lfw = lfw.sort_values("pipeline", key=lambda p: p.map(MODELS.index), kind="stable")
    shown = {
        "Pipeline": lfw["pipeline"].map(MODEL_LABELS),
        "Network": lfw["network"],
        "Right": lfw["accuracy"].map(lambda share: percent(share, 2)),
        "Of what": lfw["what"],
        "Read in": lfw["source_url"],
        "Status": lfw["status"],
    }
    return pd.DataFrame(shown).reset_index(drop=True)


def distributions() -> pd.DataFrame:
    """Histograms of both kinds of pairs, from the second portraits: what `draw` draws.

    Columns model, kind ("genuine", "impostor"), start and end (of the bin, a distance), share (of
    the kind's pairs), threshold (for an FMR of 1 in 1,000) and tar (there).
    """
    gate = measured()
    parts = []
    for row in gate[gate["dataset"] == LARGER].to_dict("records"):
        pairs = validity.compare(*validity.members(row["model"], LARGER)[:2])
        edges = np.linspace(0, pairs["score"].max(), BINS + 1)
        for kind, genuine in (("impostor", False), ("genuine", True)):
            scores = pairs.loc[pairs["genuine"] == genuine, "score"]
            bins = {"start": edges[:-1], "end": edges[1:]}
            shares = np.histogram(scores, edges)[0] / len(scores)
            part = pd.DataFrame({"model": row["model"], "kind": kind, **bins, "share": shares})
            there = {n: row[f"{n}_{validity.VALID_FMR:g}"] for n in ("threshold", "tar")}
            parts.append(part.assign(**there))
    return pd.concat(parts, ignore_index=True)


@styled()
def draw(data: pd.DataFrame) -> Figure:
    """A panel a pipeline, native feeds left: genuine pairs filled, impostors a line, as high.

    data: as from `distributions`. Right of the upright line, the threshold, are the misses.
    """
    fig, axes = plots.new_figure(4.6, 3, 2)
    for ax, model in zip(axes.T.flat, MODELS, strict=True):
        mine = data[data["model"] == model]
        for kind, colour, fill in (
            ("genuine", GENUINE_COLOUR, True), ("impostor", IMPOSTOR_COLOUR, False)
        ):  # fmt: skip
            part = mine[mine["kind"] == kind]
            sns.histplot(x=part["start"], weights=part["share"] / part["share"].max(), fill=fill,
                         bins=[*part["start"], part["end"].iloc[-1]], element="step", alpha=0.75,
                         color=colour, lw=0 if fill else 1.2, ax=ax)  # fmt: skip
        threshold, tar = mine[["threshold", "tar"]].iloc[0]
        ax.axvline(threshold, color=INK, lw=1, zorder=4)
        ax.set(xlim=(0, mine["end"].max()), ylim=(0, 1.55), xlabel="", ylabel="", yticks=[])
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.set_title(MODEL_LABELS[model])
        ax.text(threshold, 1.54, f" ← {percent(tar)}", va="top", fontsize=8)
    first = axes[0, 0]
    plots.direct_label(first, 0.02, 0.55, "same\nperson", "#4A7396")
    end = 0.97 * first.get_xlim()[1]
    plots.direct_label(first, end, 1.16, "different people", IMPOSTOR_COLOUR, ha="right")
    axes[-1, 0].set_xlabel("Distance (small is alike)", loc="left")
    return fig
