"""The charts of notebook 03."""

import pandas as pd
import seaborn.objects as so

from helpers.experiments.what_is_80_percent import tables as t
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show import plots
from helpers.show.style import IMPOSTOR_COLOUR, INK, MODEL_LINES, MUTED, styled


def data_errors() -> pd.DataFrame:
    """The lines of `plot_errors`: program, threshold, flagged, missed (shares), a row a score."""
    parts = [
        t.tradeoff(m).assign(program=MODEL_LABELS[m])[["program", "threshold", "fpir", "fnmr"]]
        for m in PRIMARY_MODELS
    ]
    return pd.concat(parts, ignore_index=True).rename(columns={"fpir": "flagged", "fnmr": "missed"})


@styled()
def plot_errors():
    """Second portraits missed against members flagged, a line a primary pipeline."""
    fig, [[ax]] = plots.new_figure(3.3)
    looks = {MODEL_LABELS[m]: MODEL_LINES[m] for m in PRIMARY_MODELS}
    lines = data_errors().query("flagged > 0").assign(flagged=lambda d: 100 * d["flagged"])
    plots.lines(ax, lines, "flagged", "missed", "program", looks, width=1.8)
    shapes = {t.DEFAULT: "s", t.AT_28: "o"}
    for row in t.marked().query("model in @PRIMARY_MODELS and mark in @shapes").itertuples():
        look = {"marker": shapes[row.mark], "color": MODEL_LINES[row.model]["color"]}
        ax.plot(
            100 * row.fpir, 100 * row.fnmr, **look, ms=6.5, mec="white", zorder=5, clip_on=False
        )
    for name, look in looks.items():
        start = lines[lines["program"] == name].iloc[0]
        x, y = start["flagged"] * 1.12, 100 * start["missed"] + 3.2
        plots.direct_label(ax, x, y, name, look["color"])
    plots.direct_label(ax, 5.3, 26, "28 flagged", INK, ha="center")
    plots.direct_label(ax, 105, 6, "defaults", INK, ha="right")
    plots.log_axis(ax, "x", [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100], "{:g} %")
    ax.set(xlim=(0.18, 108), ylim=(0, 76), ylabel="Second portraits missed")
    ax.yaxis.set_major_formatter(plots.PERCENT)
    ax.grid(True)
    ax.set_xlabel("Members flagged (logarithmic)", loc="left")
    return fig


def data_confidence() -> pd.DataFrame:
    """The curves of `plot_confidence`: program, distance, side, confidence, logistic."""
    table = pd.concat([t.confidence_curve(m) for m in t.DEEPFACE_MODELS], ignore_index=True)
    table = table.assign(program=table["model"].map(MODEL_LABELS))
    return table[["program", "distance", "side", "confidence", "logistic"]].round(4)


@styled()
def plot_confidence():
    """deepface's confidence along the distance, a panel a pipeline, with the logistic behind it."""
    fig, axes = plots.new_figure(5, len(t.DEEPFACE_MODELS), 1, sharey=True)
    for ax, model in zip(axes.flat, t.DEEPFACE_MODELS, strict=True):
        default = t.configuration(model).default_threshold
        behind = so.Line(color=MUTED, linewidth=1, linestyle=(2, 2))
        plot = so.Plot(t.confidence_curve(model), x="distance").add(behind, y="logistic")
        reported = so.Line(color=IMPOSTOR_COLOUR, linewidth=2)
        plots.draw(ax, plot.add(reported, y="confidence", group="side"))
        ax.axvline(default, color=INK, lw=0.9, ls=(0, (4, 2)), zorder=1)
        ax.set(title=MODEL_LABELS[model], xlim=(0, 1.6 * default), ylim=(0, 104))
        ax.grid(axis="y")
        plots.direct_label(ax, default * 1.03, 75, "default", INK)
    plots.direct_label(axes[0, 0], default * 0.09, 85, "reported", IMPOSTOR_COLOUR)
    plots.direct_label(axes[0, 0], default * 0.02, 18, "regression", MUTED)
    axes[0, 0].set_ylabel("Confidence")
    axes[-1, 0].set_xlabel("Distance", loc="left")
    return fig
