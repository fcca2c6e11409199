"""The validity gate in notebook 01: can each pipeline tell members' portraits apart at all?

Computed from the face metadata that ship, in seconds. The distances of two pipelines cannot be
compared, so each panel of the figure has an axis of its own.
"""

from functools import cache

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.faces.pipelines import MODEL_LABELS, MODELS, PIPELINES
from helpers.protocol import validity
from helpers.show import plots
from helpers.show.numbers import interval, one_in, percent
from helpers.show.style import GENUINE_COLOUR, IMPOSTOR_COLOUR, INK, styled
from helpers.sources import published as sources

SETS = {"second-portraits": "second portraits", "returning": "new portraits of returning members"}
LARGER = "second-portraits"  # the set whose pairs decide
KINDS = {True: "genuine", False: "impostor"}
BINS = 48


@cache
def measured() -> pd.DataFrame:
    """The gate as numbers: a row a pipeline and set, columns of `protocol.validity.gate`."""
    return validity.gate()


def table() -> pd.DataFrame:
    """The gate for readers: a row a pipeline and set, shares in per cent with 95 % intervals.

    "Conclusions" is the rule's verdict, from the second portraits; empty for the other set, whose
    pairs are few.
    """
    gate = measured()
    shown = pd.DataFrame(
        {
            "Pipeline": gate["model"].map(MODEL_LABELS),
            "Portraits": gate["dataset"].map(SETS),
            "Genuine pairs": gate["genuine"],
            "Failed to enrol": gate["failed"],
            "Impostor pairs": gate["impostors"].map("{:,}".format),
            "AUC": gate["auc"].map("{:.4f}".format),
            "EER": _with_interval(gate, "eer"),
        }
    )
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
    lfw = lfw.assign(order=lfw["pipeline"].map({m: i for i, m in enumerate(MODELS)}))
    lfw = lfw.dropna(subset="order").sort_values("order", kind="stable")
    return pd.DataFrame(
        {
            "Pipeline": lfw["pipeline"].map(MODEL_LABELS),
            "Network": lfw["network"],
            "Right": lfw["accuracy"].map(lambda share: percent(share, 2)),
            "Of what": lfw["what"],
            "Read in": lfw["source_url"],
            "Status": lfw["status"],
        }
    ).reset_index(drop=True)


def distributions() -> pd.DataFrame:
    """Histograms of both kinds of pairs, from the second portraits: what `draw` draws.

    Columns model, kind ("genuine", "impostor"), start and end (of the bin, a distance), share (of
    the kind's pairs), threshold (for an FMR of 1 in 1,000) and tar (there). The last bin of a
    pipeline ends at its largest distance.
    """
    gate = measured()
    gate = gate[gate["dataset"] == LARGER].set_index("model")
    parts = []
    for model, row in gate.iterrows():
        first, second, _ = validity.members(str(model), LARGER)
        pairs = validity.compare(first, second)
        edges = np.linspace(0, pairs["score"].max(), BINS + 1)
        for genuine, part in pairs.groupby("genuine"):
            shares = np.histogram(part["score"], edges)[0] / len(part)
            parts.append(
                pd.DataFrame(
                    {
                        "model": model,
                        "kind": KINDS[bool(genuine)],
                        "start": edges[:-1],
                        "end": edges[1:],
                        "share": shares,
                        "threshold": row[f"threshold_{validity.VALID_FMR:g}"],
                        "tar": row[f"tar_{validity.VALID_FMR:g}"],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


@styled()
def draw(data: pd.DataFrame) -> Figure:
    """A panel a pipeline, a row a network: genuine pairs filled, impostor pairs as a line.

    data: as from `distributions`. Each kind is as high as its highest bin; the line is the
    threshold, and right of it are the misses.
    """
    panels = _places(data["model"].unique())
    rows = 1 + max(row for row, _ in panels.values())
    fig, axes = plots.new_figure(0.7 + 1.45 * rows, rows, 2)
    for ax in axes.ravel():
        ax.set_visible(False)
    for model, place in panels.items():
        axes[place].set_visible(True)
        _panel(axes[place], data[data["model"] == model], model, first=model == next(iter(panels)))
    axes[-1, 0].set_xlabel("Distance between two portraits (small is alike)", loc="left")
    return fig


def _places(models) -> dict[str, tuple[int, int]]:
    """Row and column of each pipeline: a row a network, one column a feed."""
    networks = list(dict.fromkeys(PIPELINES[m].recogniser for m in MODELS if m in models))
    feeds = list(dict.fromkeys(row.feed for row in PIPELINES.values()))
    return {
        m: (networks.index(PIPELINES[m].recogniser), feeds.index(PIPELINES[m].feed))
        for m in MODELS
        if m in models
    }


def _panel(ax, data: pd.DataFrame, model: str, first: bool) -> None:
    for kind, colour, look in (
        ("genuine", GENUINE_COLOUR, {"fill": True, "lw": 0, "alpha": 0.75}),
        ("impostor", IMPOSTOR_COLOUR, {"fill": False, "lw": 1.2}),
    ):
        part = data[data["kind"] == kind]
        edges = [*part["start"], part["end"].iloc[-1]]
        sns.histplot(x=part["start"], weights=part["share"] / part["share"].max(), bins=edges,
                     element="step", color=colour, ax=ax, **look)  # fmt: skip
    threshold, tar = data[["threshold", "tar"]].iloc[0]
    ax.axvline(threshold, color=INK, lw=1, zorder=4)
    ax.set(xlim=(0, data["end"].max()), ylim=(0, 1.35), xlabel="", ylabel="", yticks=[])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_title(MODEL_LABELS[model])
    ax.annotate(f"← {percent(tar)} accepted", (threshold, 1.33), xytext=(4, 0),
                textcoords="offset points", va="top", fontsize=8)  # fmt: skip
    if first:
        plots.direct_label(ax, 0.02, 0.55, "same\nperson", "#4A7396")
        plots.direct_label(ax, 0.97 * data["end"].max(), 0.85, "different\npeople",
                           IMPOSTOR_COLOUR, ha="right")  # fmt: skip
