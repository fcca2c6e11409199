"""The charts of notebook 03, with their data, titles, captions and alternative texts."""

import numpy as np
import pandas as pd
import seaborn as sns
import seaborn.objects as so
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from helpers.experiments.what_is_80_percent import tables as t
from helpers.experiments.what_is_80_percent import words as w
from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.protocol import error_rates, shipped
from helpers.protocol.policy import ACLU_COUNT
from helpers.show import numbers, plots
from helpers.show.numbers import percent
from helpers.show.style import GENUINE_COLOUR, IMPOSTOR_COLOUR, INK, MODEL_LINES, MUTED, styled

SHORT = {1e-2: "100", 1e-3: "1k", 1e-4: "10k", 1e-5: "100k", 1e-6: "1M"}


# ---------------------------------------------------------------- 1, the scales


@styled()
def plot_scales():
    """One panel a model: four scales of one threshold, and the scores of two kinds of pairs."""
    fig, axes = plots.new_figure(8.4, len(MODELS), 1)
    for ax, model in zip(axes[:, 0], MODELS, strict=True):
        _scale_panel(ax, model)
    axes[-1, 0].set_xlabel("Distance between two faces (small is alike)", loc="left")
    return fig


def _scale_panel(ax, model: str) -> None:
    default = error_rates.threshold_of(model, "default")
    pairs = error_rates.genuine(model)["score"]
    pairs = pairs[np.isfinite(pairs)]
    members = error_rates.best_impostor(model)
    members = members[np.isfinite(members)]
    right = max(1.2 * default, float(np.quantile(pairs, 0.98)))
    edges = np.linspace(0, right, 46)
    drawn = ((pairs, GENUINE_COLOUR, True), (members, IMPOSTOR_COLOUR, False))
    shares = [np.histogram(values, edges)[0] / len(values) for values, _, _ in drawn]
    top = max(s.max() for s in shares)
    for share, (_, colour, fill) in zip(shares, drawn, strict=True):
        look = {"lw": 0, "alpha": 0.6} if fill else {"lw": 1.2}
        sns.histplot(x=edges[:-1], weights=share / top, bins=list(edges), element="step", fill=fill,
                     color=colour, ax=ax, **look)  # fmt: skip
    if model == MODELS[0]:
        peaks = [(edges[s.argmax()], s.max() / top) for s in shares]
        plots.direct_label(ax, peaks[0][0] - 0.1, 0.8, "same person,\ntwo portraits", "#4A7396",
                             ha="right")  # fmt: skip
        plots.direct_label(ax, default + 0.01, 0.62, "member\nand nearest\nstranger",
                             IMPOSTOR_COLOUR)  # fmt: skip
    _ruler(ax, 1.3, [(t_at, text) for t_at, text in _fmr_ticks(model) if t_at <= right])
    _ruler(ax, 1.72, _confidence_ticks(model, right))
    for policy, dash, align in (("default", (0, (4, 2)), "left"), (shipped.PRIMARY, "-", "right")):
        at = error_rates.threshold_of(model, policy)
        ax.axvline(at, color=INK, lw=1, ls=dash, zorder=4)
        shift = 2 if align == "left" else -2
        ax.annotate(
            f"{w.MARKS[policy]} {at:.4g}", (at, 1), xycoords=("data", "axes fraction"),
            xytext=(shift, 1), textcoords="offset points", ha=align, va="bottom", fontsize=7.5,
        )  # fmt: skip
    ax.set_xlim(0, right)
    ax.set_ylim(0, 2.02)
    ax.set_yticks([0.45, 1.3, 1.72], ["share of pairs", "1 false match in", "deepface confidence"])
    ax.tick_params(axis="y", labelsize=7.5, labelcolor=MUTED)
    ax.xaxis.set_major_locator(MaxNLocator(8))
    ax.set_title(MODEL_LABELS[model], pad=13)
    ax.set_ylabel("")
    ax.spines["left"].set_visible(False)


def _ruler(ax, y: float, ticks: list[tuple[float, str]]) -> None:
    """A second scale inside the axes: a line with ticks below their labels."""
    ax.axhline(y, color="#B5B5B5", lw=0.8, zorder=1)
    for x, text in ticks:
        ax.plot([x, x], [y, y + 0.05], color=INK, lw=1, zorder=5)
        align, shift = {"|": ("right", -2), "/": ("left", 2)}.get(text[-1], ("center", 0))
        ax.annotate(
            text.rstrip("|/"), (x, y + 0.07), xytext=(shift, 0), textcoords="offset points",
            ha=align, va="bottom", fontsize=7.5, zorder=10,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _fmr_ticks(model: str) -> list[tuple[float, str]]:
    """(distance, text) of the decades of FMR that the impostor pairs carry."""
    table = error_rates.curve(model)
    ticks = []
    for target, text in SHORT.items():
        within = table[(table["fmr"] <= target) & table["offered"]]
        if len(within) and target < table["fmr"].iloc[-1]:
            ticks.append((float(within["score"].iloc[-1]), text))
    return ticks


def _confidence_ticks(model: str, right: float) -> list[tuple[float, str]]:
    """(distance, text) along deepface's confidence; both sides of the default are marked."""
    default = error_rates.threshold_of(model, "default")
    here = t.jumps().set_index("model").loc[model]
    ticks = [(t.distance_for(model, float(c)), str(c)) for c in (99, 95, 90, 80, 70, 60)]
    ticks += [(default, f"{here['at']:.0f}|"), (default, f"{here['beyond']:.0f}/")]
    beyond = np.arange(default, right, default / 200)
    values = np.array([t.confidence(model, d, False) for d in beyond])
    for wanted in (30, 20, 10):
        x = beyond[values >= wanted]
        if len(x) and default + 0.06 * right < x[-1] < 0.985 * right:
            ticks.append((float(x[-1]), str(wanted)))
    return ticks


def data_scales() -> pd.DataFrame:
    """The numbers that the chart of the scales marks, one row a model and mark."""
    table = t.scales()
    keep = ["model", "mark", "threshold", "confidence", "fmr", "fmr_low", "fmr_high", "errors"]
    rest = ["comparisons", "flagged", "searched", "fpir", "missed", "pairs", "fnmr"]
    more = t.at_confidence().assign(
        mark=lambda d: "confidence " + d["confidence"].map("{:g}".format)
    )
    more = more[keep + rest + ["offered"]]
    both = pd.concat([table[keep + rest + ["offered"]], more], ignore_index=True)
    hidden = ["fmr", "fmr_low", "fmr_high"]
    both[hidden] = both[hidden].where(both["offered"])
    order = both["model"].map({m: i for i, m in enumerate(MODELS)})
    both = both.assign(order=order).sort_values(["order", "threshold"], ascending=[True, False])
    return both.drop(columns=["order", "offered"]).reset_index(drop=True)


def caption_scales() -> str:
    """Caption of the chart of the scales."""
    n = {m: int(np.isfinite(error_rates.genuine(m)["score"]).sum()) for m in MODELS}
    faces = shipped.scores("utkface", MODELS[0]).faces
    return (
        f"One threshold, four scales: the distance below each panel, the FMR (one false match in "
        f"so many comparisons of former legislators with strangers), deepface's confidence, and "
        f"the scores themselves. Filled: {w.span(n.values())} members with two different "
        f"portraits. Outline: the nearest of {faces:,} strangers to each of 529 members. Lines: "
        f"the library's default (dashed) and the threshold at which {ACLU_COUNT} members are "
        f"flagged. The panels' distances are not comparable with each other."
    )


def alt_scales() -> str:
    """What the chart of the scales shows, in words."""
    table = t.scales().set_index(["model", "mark"])
    parts = []
    for m in MODELS:
        a, b = table.loc[(m, "default")], table.loc[(m, shipped.PRIMARY)]
        parts.append(
            f"{MODEL_LABELS[m]}: default at distance {a['threshold']:g}, confidence "
            f"{a['confidence']:.0f}; {ACLU_COUNT} flagged at {b['threshold']:g}, confidence "
            f"{b['confidence']:.0f}"
        )
    return (
        "Four panels with parallel scales over histograms of distances. " + "; ".join(parts) + "."
    )


def title_scales() -> str:
    """The finding of the chart of the scales."""
    table = t.scales().query("mark == @shipped.PRIMARY and model in @PRIMARY_MODELS")
    return (
        f"The ACLU's rate lies at deepface confidences of {w.span(table['confidence'], w.whole)}, "
        f"depending on the model"
    )


# ---------------------------------------------------------------- 2, confidence


@styled()
def plot_confidence():
    """deepface's confidence along the distance, a panel a model, with the logistic behind it."""
    fig, axes = plots.new_figure(2.75, 1, len(MODELS), sharey=True)
    for ax, model in zip(axes[0], MODELS, strict=True):
        table = t.confidence_curve(model)
        default = error_rates.threshold_of(model, "default")
        behind = so.Line(color=MUTED, linewidth=1, linestyle=(2, 2))
        plot = so.Plot(table, x="distance").add(behind, y="logistic")
        reported = so.Line(color=IMPOSTOR_COLOUR, linewidth=2)
        plots.draw(ax, plot.add(reported, y="confidence", group="side"))
        ax.axvline(default, color=INK, lw=0.9, ls=(0, (4, 2)), zorder=1)
        ax.axhline(80, color="#B5B5B5", lw=0.8, zorder=0)
        at = t.distance_for(model, 80.0)
        ax.plot(at, 80, "o", color=INK, ms=4, zorder=5)
        ax.text(0.05, 0.05, f"80 at {at:.3g}", transform=ax.transAxes, fontsize=7.5)
        ax.set_title(MODEL_LABELS[model])
        ax.set_xlim(0, 1.6 * default)
        ax.set_ylim(0, 104)
        ax.xaxis.set_major_locator(MaxNLocator(3))
        ax.grid(axis="y")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", labelcolor=MUTED, labelsize=8)
    axes[0, 0].set_ylabel("Confidence")
    axes[0, 0].set_xlabel("Distance", loc="left")
    return fig


def data_confidence() -> pd.DataFrame:
    """The curves of `plot_confidence` as one table."""
    table = pd.concat([t.confidence_curve(m) for m in MODELS], ignore_index=True)
    return table[["model", "distance", "side", "confidence", "logistic"]].round(4)


def title_confidence() -> str:
    """The finding of the chart of confidence."""
    table = t.jumps()
    gap = table["at"] - table["beyond"]
    return (
        f"deepface's confidence jumps by {gap.min():.0f} to {gap.max():.0f} points at the default "
        f"threshold, by construction"
    )


def caption_confidence() -> str:
    """Caption of the chart of confidence."""
    return (
        "Computed with deepface's own function. Solid: the confidence it reports. Dotted: the "
        "logistic regression behind it, before it is stretched to 51 to 100 for a match and 0 to "
        "49 otherwise. Vertical: the default threshold. Dot: where a match has a confidence of 80. "
        "Dlib (native) has no confidence of its own and is shown with deepface's for Dlib and the "
        "Euclidean distance."
    )


def alt_confidence() -> str:
    """What the chart of confidence shows, in words."""
    parts = [
        f"{MODEL_LABELS[r['model']]} falls from 100 to {r['at']:.0f} at distance "
        f"{r['threshold']:g} and drops to {r['beyond']:.0f} just beyond"
        for r in t.jumps().to_dict("records")
    ]
    return "Four falling curves with a step. " + "; ".join(parts) + "."


# ---------------------------------------------------------------- 4, both errors


@styled()
def plot_errors():
    """Two panels: FNMR against FMR, FNIR against FPIR, a line a model."""
    fig, axes = plots.new_figure(3.6, 1, 2, sharey=True)
    left, right = axes[0]
    curves = data_errors().assign(percent=lambda d: 100 * d["fpir"])
    marks = t.scales().query("mark in ('default', @shipped.PRIMARY)")
    marks = marks.assign(percent=100 * marks["fpir"])
    at = so.Plot(marks, color="model", marker="mark").scale(
        color={model: look["color"] for model, look in MODEL_LINES.items()},
        marker={"default": "s", shipped.PRIMARY: "o"},
    )
    dot = so.Dot({"zorder": 5}, pointsize=5.5, edgecolor="white", edgewidth=0.7)
    for ax, x, y in ((left, "fmr", "fnmr"), (right, "percent", "fnir")):
        plots.lines(ax, curves[curves[x] > 0], x, y, "model", MODEL_LINES, width=1.6)
        plots.draw(ax, at.add(dot, x=marks[x], y=100 * marks[y], legend=False))
        ax.set_ylim(0, 100)
        ax.tick_params(axis="y", labelcolor=MUTED, labelsize=8)
        ax.spines["left"].set_visible(False)
    plots.log_axis(left, "x", list(SHORT))
    left.set_xticklabels(SHORT.values())
    left.set_xlim(3e-7, 2e-2)
    plots.log_axis(right, "x", [0.2, 1, 5, 20, 100], "{:g} %")
    right.set_xlim(0.17, 115)
    left.yaxis.set_major_formatter(plots.PERCENT)
    for ax, title in ((left, "One comparison"), (right, "One search")):
        ax.grid(True)
        ax.set_title(title)
    left.set_xlabel("FMR: one false match in ...", loc="left")
    right.set_xlabel("FPIR: members flagged", loc="left")
    left.set_ylabel("Genuine pairs missed")
    looks = {MODEL_LABELS[model]: MODEL_LINES[model] for model in MODELS}
    left.legend(handles=plots.handles(looks, lw=1.6), loc="upper right", fontsize=7.5,
                handlelength=2.6)  # fmt: skip
    return fig


def data_errors() -> pd.DataFrame:
    """The lines of `plot_errors`: a row a model and threshold."""
    return pd.concat([t.tradeoff(m).assign(model=m) for m in MODELS], ignore_index=True)[
        ["model", "threshold", "fmr", "fmr_low", "fmr_high", "fnmr", "fpir", "fnir"]
    ]


def title_errors() -> str:
    """The finding of the chart of both errors."""
    table = w.at_28()
    low, high = percent(table["fnmr"].min(), 0), percent(table["fnmr"].max(), 0)
    text = f"At the ACLU's rate of false matches, {low} to {high} of genuine pairs are missed"
    return text.replace(" %", "\u00a0%")  # no line may begin with the sign


def caption_errors() -> str:
    """Caption of the chart of both errors."""
    pairs = error_rates.genuine(PRIMARY_MODELS[0])
    enrolled = int(np.isfinite(pairs["score"]).sum())
    return (
        f"Left: misses among {enrolled} pairs of portraits against false matches among impostor "
        f"pairs, drawn where at least {error_rates.MIN_ERRORS} errors carry the FMR. Right: "
        f"{len(pairs)} "
        f"members whose second portrait is enrolled among the strangers and not returned, failures "
        f"to enrol included, against the share of 529 members flagged. Squares: library defaults; "
        f"circles: {ACLU_COUNT} flagged. Intervals are in the tables."
    )


def alt_errors() -> str:
    """What the chart of both errors shows, in words."""
    table = w.at_28()
    return (
        f"Two panels of falling curves: fewer false matches, more misses. At {ACLU_COUNT} flagged "
        f"the genuine pairs missed are "
        f"{w.each({m: percent(r['fnmr'], 0) for m, r in table.iterrows()})}."
    )


# ---------------------------------------------------------------- 5, the published tests


@styled()
def plot_published():
    """FMR that reproduces each published rate: rows test x model, logarithmic axis."""
    table = t.equivalents()
    first = table.drop_duplicates("label").set_index("label")
    country = first["people"].str.split().str[0]
    place = (", " + country).where(country.isin(["US", "UK"]), "")
    counts = [f"{k:.0f} of {n:,.0f}" for k, n in first[["flagged", "searched"]].to_numpy()]
    sections = table["label"].map(first["study"] + place + ": " + counts)
    at = plots.row_positions(sections, gap=1.4)
    fig, axes = plots.new_figure(1.28 + 0.235 * at[-1])
    ax = axes[0, 0]
    left = 10 ** np.floor(np.log10(np.nanmin(table[["fmr", "range_low"]].to_numpy())))
    rows = pd.DataFrame({"y": at, "name": table["model"], "high": table["range_high"]})
    rows["low"] = table["range_low"].fillna(left)
    diamonds = {m: look | {"marker": "D"} for m, look in MODEL_LINES.items()}
    plots.dots(ax, rows.assign(value=table["fmr"]), MODEL_LINES)
    plots.dots(ax, rows[["y", "name"]].assign(value=table["implied_fmr"]), diamonds, ring=True,
               size=4.2)  # fmt: skip
    for y, fmr in zip(at, table["fmr"], strict=True):
        plots.note(ax, y, numbers.one_in(fmr), 8, fontsize=8, color=INK)
    ax.set_ylim(at[-1] + 0.6, -0.7)
    plots.name_rows(ax, at, table["model"].map(MODEL_LABELS), sections)
    ax.set_xscale("log")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"1 in {1 / v:,.0f}"))
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("FMR at the threshold that gives the published rate", loc="left")
    plots.left_align(fig, ax)
    return fig


def data_published() -> pd.DataFrame:
    """The numbers of the chart of published tests."""
    table = t.equivalents()
    keep = ["study", "people", "flagged", "searched", "fpir", "gallery", "model", "count"]
    keep += ["threshold", "counts_low", "counts_high", "t_low", "t_high", "design_effect", "fmr"]
    keep += ["fmr_low", "fmr_high", "errors", "comparisons", "range_low", "range_high"]
    return table[[*keep, "recent_fmr", "implied_fmr", "sized_count", "sized_fmr"]]


def title_published() -> str:
    """The finding of the chart of published tests."""
    by_test = t.equivalents().groupby("label")["fmr"]
    factor = (by_test.max() / by_test.min()).max()
    return f"At one published rate, the FMRs of three models differ up to {factor:.0f}-fold"


def caption_published() -> str:
    """Caption of the chart and table of published tests."""
    effects = t.equivalents()["design_effect"]
    return (
        f"Dots: FMR among former legislators at the threshold where our test flags the published "
        f"share of 529 members; diamonds: among the members themselves, who are the people tested. "
        f"Lines: from the strictest to the loosest threshold whose count does not differ from the "
        f"published one at 5 % (pooled z test; our searches divided by a design effect of "
        f"{w.span(effects, '{:.2f}'.format)} for the shared gallery), widened by the 95 % interval "
        f"of the FMR. It takes their people and galleries to be like ours, which nobody can check."
    )


def alt_published() -> str:
    """What the chart of published tests shows, in words."""
    parts = [
        f"{label}: "
        f"{w.each({r['model']: numbers.one_in(r['fmr']) for r in part.to_dict('records')})}"
        for label, part in t.equivalents().groupby("label", sort=False)
    ]
    return "Dots with ranges on a logarithmic axis of FMR. " + "; ".join(parts) + "."
