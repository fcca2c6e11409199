"""The charts of notebook 03."""

import pandas as pd
import seaborn.objects as so
from matplotlib.ticker import MaxNLocator

from helpers.experiments.what_is_80_percent import tables as t
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import error_rates
from helpers.show import plots
from helpers.show.style import IMPOSTOR_COLOUR, INK, MODEL_LINES, MUTED, styled


def data_errors() -> pd.DataFrame:
    """The lines of `plot_errors`: program, threshold, flagged, missed (shares), a row a score."""
    parts = [
        t.tradeoff(m).assign(program=MODEL_LABELS[m])[["program", "threshold", "fpir", "fnmr"]]
        for m in PRIMARY_MODELS
    ]
    return pd.concat(parts, ignore_index=True).rename(columns={"fpir": "flagged", "fnmr": "missed"})


def marks_errors() -> pd.DataFrame:
    """The marks of `plot_errors`: program, mark, flagged, missed (shares)."""
    table = t.marked()
    table = table[table["model"].isin(PRIMARY_MODELS) & table["mark"].ne(t.STRICT)]
    return pd.DataFrame(
        {
            "program": table["model"].map(MODEL_LABELS),
            "mark": table["mark"].map(t.MARKS),
            "flagged": table["fpir"],
            "missed": table["fnmr"],
        }
    )


@styled()
def plot_errors():
    """Second portraits missed against members flagged, a line a primary pipeline."""
    fig, axes = plots.new_figure(3.3)
    ax = axes[0, 0]
    looks = {MODEL_LABELS[m]: MODEL_LINES[m] for m in PRIMARY_MODELS}
    lines = data_errors().query("flagged > 0").assign(flagged=lambda d: 100 * d["flagged"])
    plots.lines(ax, lines, "flagged", "missed", "program", looks, width=1.8)
    marks = marks_errors()
    dot = so.Dot({"zorder": 5, "clip_on": False}, pointsize=6.5, edgecolor="white", edgewidth=0.7)
    shapes = {t.MARKS[t.DEFAULT]: "s", t.MARKS[t.AT_28]: "o"}
    plot = so.Plot(marks, x=100 * marks["flagged"], y=100 * marks["missed"], color="program",
                   marker="mark")  # fmt: skip
    plot = plot.scale(color={n: look["color"] for n, look in looks.items()}, marker=shapes)
    plots.draw(ax, plot.add(dot, legend=False))
    for name, look in looks.items():
        start = lines[lines["program"] == name].iloc[0]
        plots.direct_label(ax, start["flagged"] * 1.12, 100 * start["missed"] + 3.2, name,
                           look["color"])  # fmt: skip
    plots.log_axis(ax, "x", [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100], "{:g} %")
    ax.set_xlim(0.18, 108)
    ax.set_ylim(0, 76)
    ax.yaxis.set_major_formatter(plots.PERCENT)
    ax.grid(True)
    at_28 = marks[marks["mark"] == t.MARKS[t.AT_28]].iloc[0]
    plots.direct_label(ax, 100 * at_28["flagged"], 100 * at_28["missed"] + 4, "28 flagged", INK)
    plots.direct_label(ax, 105, 6, "defaults", INK, ha="right")
    ax.set_xlabel("Members flagged (logarithmic)", loc="left")
    ax.set_ylabel("Second portraits missed")
    return fig


def data_confidence() -> pd.DataFrame:
    """The curves of `plot_confidence`: program, distance, side, confidence, logistic."""
    table = pd.concat([t.confidence_curve(m) for m in t.DEEPFACE_MODELS], ignore_index=True)
    table = table.assign(program=table["model"].map(MODEL_LABELS))
    return table[["program", "distance", "side", "confidence", "logistic"]].round(4)


@styled()
def plot_confidence():
    """deepface's confidence along the distance, a panel a pipeline, with the logistic behind it."""
    fig, axes = plots.new_figure(2.75, 1, len(t.DEEPFACE_MODELS), sharey=True)
    for ax, model in zip(axes[0], t.DEEPFACE_MODELS, strict=True):
        table = t.confidence_curve(model)
        default = error_rates.threshold_of(model, "default")
        behind = so.Line(color=MUTED, linewidth=1, linestyle=(2, 2))
        plot = so.Plot(table, x="distance").add(behind, y="logistic")
        reported = so.Line(color=IMPOSTOR_COLOUR, linewidth=2)
        plots.draw(ax, plot.add(reported, y="confidence", group="side"))
        ax.axvline(default, color=INK, lw=0.9, ls=(0, (4, 2)), zorder=1)
        ax.set_title(MODEL_LABELS[model])
        ax.set_xlim(0, 1.6 * default)
        ax.set_ylim(0, 104)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.grid(axis="y")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", labelcolor=MUTED, labelsize=8)
    first = error_rates.threshold_of(t.DEEPFACE_MODELS[0], "default")
    plots.direct_label(axes[0, 0], first * 1.05, 70, "default", INK)
    plots.direct_label(axes[0, 0], first * 0.42, 92, "reported", IMPOSTOR_COLOUR)
    plots.direct_label(axes[0, 0], first * 0.1, 22, "regression", MUTED)
    axes[0, 0].set_ylabel("Confidence")
    axes[0, 0].set_xlabel("Distance", loc="left")
    return fig
