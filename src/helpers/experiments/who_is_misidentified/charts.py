"""The figures of notebook 04: what is drawn, how, with titles, captions and alternative texts."""

from functools import cache

import numpy as np
import pandas as pd
import seaborn.objects as so
from matplotlib.figure import Figure

from helpers.experiments.who_is_misidentified import tables as who
from helpers.experiments.who_is_misidentified.tables import COLOUR, COUNTS
from helpers.experiments.who_is_misidentified.words import (
    NUMBERS,
    STRATA_WORDS,
    in_every_model,
    nearer,
)
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.protocol.policy import ACLU_COUNT
from helpers.show import plots, style
from helpers.show.numbers import listed


@cache
def forest() -> pd.DataFrame:
    """FPIR of every group at 28 flagged with half-sample intervals: a row a model and group.

    Columns model, section, group, label, searched, flagged, fpir, low, high, design_effect.
    ValueError if the half-samples that ship were drawn for other counts.
    """
    half = who.load("who-half-samples").set_index(["model", "group"])
    rows = []
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, shipped.PRIMARY).members
        for g in who.groups(members):
            inside = members.loc[g["inside"], "flagged"]
            k, n = int(inside.sum()), len(inside)
            drawn = half.loc[(model, g["group"])]
            if (drawn["flagged"], drawn["searched"]) != (k, n):
                raise ValueError(f"half-samples of {g['group']} are old: rebuild them")
            rows.append(
                {
                    "model": model,
                    "section": g["characteristic"],
                    "group": g["group"],
                    "label": f"{g['group']} ({n})",
                    "searched": n,
                    "flagged": k,
                    "fpir": k / n,
                    **drawn[["low", "high", "design_effect"]],
                }
            )
    return pd.DataFrame(rows)


def aucs() -> pd.DataFrame:
    """AUC of every compared group, all and within strata: a row a model and comparison.

    Columns model, section, group, label, auc, low, high (half-samples), within, within_low,
    within_high (members taken as independent).
    """
    half = who.load("who-half-samples").set_index(["model", "group"])
    table = who.secondary().query("characteristic != @who.BOTH").copy()
    drawn = half.reindex(pd.MultiIndex.from_frame(table[["model", "group"]]))
    label = table["group"] + " / " + table["against"].map(who.counterpart)
    return pd.DataFrame(
        {
            "model": table["model"],
            "section": table["characteristic"],
            "group": table["group"],
            "label": label + " (" + table["n1"].astype(str) + ")",
            "auc": table["auc"],
            "low": drawn["auc_low"].to_numpy(),
            "high": drawn["auc_high"].to_numpy(),
            "within": table["auc_within"],
            "within_low": table["auc_within_low"],
            "within_high": table["auc_within_high"],
        }
    )


def gaps() -> pd.DataFrame:
    """`who.adjusted_ranks` as rows of a figure: section (the gap), label (adjusted for)."""
    table = who.adjusted_ranks()
    quality = ", ".join(who.COVARIATES[c] for c in who.QUALITY)
    label = "+ " + table["terms"].str.replace(quality, "photo quality")
    return table.assign(section=table["gap"], label=label.where(table["terms"] != "", "unadjusted"))


@style.styled()
def plot_panels(
    df: pd.DataFrame,
    estimate: str,
    *,
    unit: str = "percent",
    tally: str | None = None,
    hollow: str | None = None,
    reference: float | None = None,
    limits: tuple[float, float] = (0, 1),
) -> Figure:
    """Dots with intervals (low, high), a panel a model, rows of `label` under headings `section`.

    unit: "percent" (drawn on a square-root scale, which parts small rates) or "ratio". tally: a
    column written at the right of each panel. hollow: a second estimate, as a ring.
    """
    first = df[df["model"] == df["model"].iloc[0]]
    at = plots.row_positions(first["section"], gap=1.35)
    models = list(dict.fromkeys(df["model"]))
    scale = 100 if unit == "percent" else 1
    fig, axes = plots.new_figure(0.815 + 0.185 * at[-1], 1, len(models), sharex=True, sharey=True)
    ends = (scale * limits[0], scale * limits[1])
    for ax, model in zip(axes[0], models, strict=True):
        part = df[df["model"] == model].assign(y=at)
        names = part.get("group", pd.Series("", part.index))
        if hollow:
            rings = pd.DataFrame({"y": at, "value": scale * part[hollow], "name": names})
            plots.dots(ax, rings, ring=True, size=5.2)
        values = {c: scale * part[c] for c in ("low", "high")} | {"value": scale * part[estimate]}
        plots.dots(ax, part.assign(name=names, **values), limits=ends, size=4.8, width=2)
        ax.set_title(MODEL_LABELS[model], pad=7)
        if unit == "percent":
            ax.set_xscale("function", functions=(np.sqrt, np.square))
            ax.set_xticks([0, 10, 40, 100])
        ax.xaxis.set_major_formatter(plots.PERCENT if unit == "percent" else "{x:g}")
        ax.set_xlim(*ends)
        if tally:
            for y, number in zip(at, part[tally], strict=True):
                plots.note(ax, y, f"{number:,}", 5)
        if reference is not None:
            ax.axvline(scale * reference, color=style.MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)
        ax.set_ylim(at[-1] + 0.6, -0.7)
    plots.name_rows(axes[0, 0], at, first["label"], first["section"])
    axes[0, 0].tick_params(axis="y", labelsize=8)
    return fig


@style.styled()
def plot_thresholds(table: pd.DataFrame) -> Figure:
    """FPIR ratio against the number flagged, a panel a gap and model; table: `who.by_threshold`."""
    names = list(dict.fromkeys(table["gap"]))
    fig, axes = plots.new_figure(4.1, len(names), len(PRIMARY_MODELS), sharex=True, sharey=True)
    table = table.assign(low=table["low"].clip(lower=0.2), high=table["high"].clip(upper=50))
    for row, gap in zip(axes, names, strict=True):
        for ax, model in zip(row, PRIMARY_MODELS, strict=True):
            part = table[(table["gap"] == gap) & (table["model"] == model)]
            plot = so.Plot(part, x="flagged").add(
                so.Band(color="#7FA8C9", alpha=0.45), ymin="low", ymax="high"
            )
            plots.draw(ax, plot.add(so.Line(color=style.INK, linewidth=1.5), y="ratio"))
            plots.log_axis(ax, "x", [*COUNTS, 132, 264])
            plots.log_axis(ax, "y", [0.5, 1, 2, 5, 10, 20])
            ax.set_ylim(0.3, 25)
            ax.axhline(1, color=style.MUTED, lw=0.9, ls=(0, (4, 3)))
            for count in COUNTS:
                ax.axvline(count, color=style.GRID, lw=0.9, zorder=0)
            ax.tick_params(axis="y", labelcolor=style.MUTED, labelsize=8)
            if gap == names[0]:
                ax.set_title(MODEL_LABELS[model], pad=7)
        row[0].set_ylabel(gap.replace(" / ", " /\n"))
    axes[-1, 0].set_xlabel("Members flagged (log scale; strict to loose threshold)", loc="left")
    return fig


def title_groups() -> str:
    """Title of the forest plot."""
    agree = in_every_model()
    if agree:
        return f"By every model: {listed(agree)}"
    return "Which groups are falsely matched more often depends on the model"


def caption_groups() -> str:
    """Caption of the forest plot."""
    return (
        f"FPIR at {ACLU_COUNT} flagged, gallery: adults of UTKFace. Members searched in brackets, "
        "members flagged at the right of each panel. Ethnicity and gender as the roster's "
        "publisher recorded them. 95 % intervals from half-samples: other members and another half "
        "of the gallery, threshold set anew; long where the few false matches "
        "of a group go back to one or two gallery faces. Exploratory but for the first and third "
        "row."
    )


def alt_groups() -> str:
    """What the forest plot shows, in words."""
    texts = []
    for model, part in forest().groupby("model", sort=False):
        counts = ", ".join(f"{r.group} {r.flagged} of {r.searched}" for r in part.itertuples())
        texts.append(f"{MODEL_LABELS[model]}: {counts}")
    return f"Dots with intervals of the FPIR of each group, one panel a model. {'. '.join(texts)}."


def title_thresholds() -> str:
    """Title of the figure of ratios by threshold."""
    table = who.by_threshold()
    texts = []
    for gap, part in table[table["flagged"].isin(COUNTS)].groupby("gap", sort=False):
        low = part.groupby("model")["low"].min()
        name = gap.split(" / ")[0]
        texts.append(f"{name[0].lower()}{name[1:]} in {NUMBERS[int((low > 1).sum())]}")
    return f"More often at all three thresholds: {', '.join(texts)} of three models"


def caption_thresholds() -> str:
    """Caption of the figure of ratios by threshold."""
    return (
        "FPIR ratio against the number of members flagged, from strict to loose thresholds; line: "
        "Mantel-Haenszel ratio (members of colour against white members within recorded sex; women "
        "against men within white and of colour), band: 95 % interval (Greenland-Robins), where "
        f"both sides have flagged members. Upright lines: {listed([str(c) for c in COUNTS])} "
        "flagged, the three thresholds of the rule. A ratio of rates must come near 1 when nearly "
        "everybody is flagged; the AUC has no such limit."
    )


def alt_thresholds() -> str:
    """What the figure of ratios by threshold shows, in words."""
    table = who.by_threshold()
    texts = []
    for (gap, model), part in table[table["flagged"].isin(COUNTS)].groupby(
        ["gap", "model"], sort=False
    ):
        values = ", ".join(f"{r.ratio:.1f} at {r.flagged}" for r in part.itertuples())
        texts.append(f"{gap}, {MODEL_LABELS[model]}: {values}")
    return f"Six panels with a line and a band each. {'; '.join(texts)}."


def title_auc() -> str:
    """Title of the figure of AUCs."""
    return (
        f"Without any threshold, members of colour lie nearer to strangers in {nearer(COLOUR)} of "
        f"three models, women in {nearer('Women')}"
    )


def caption_auc() -> str:
    """Caption of the figure of AUCs."""
    return (
        "Chance that the best impostor score of a member of the group is nearer than that of one "
        "of its counterpart; one half: no difference. Filled: all members, 95 % interval from "
        f"half-samples of the gallery and other members; ring: pooled over {STRATA_WORDS}. "
        "Members of the group in brackets. Exploratory but for the first row. The title counts "
        "the models in which both intervals, crude and standardised, lie above one half."
    )


def alt_auc() -> str:
    """What the figure of AUCs shows, in words."""
    texts = []
    for model, part in aucs().groupby("model", sort=False):
        values = ", ".join(
            f"{r.group} {r.auc:.2f} (within {r.within:.2f})" for r in part.itertuples()
        )
        texts.append(f"{MODEL_LABELS[model]}: {values}")
    return f"Dots with intervals of the AUC of each group, a panel a model. {'. '.join(texts)}."


def title_adjusted() -> str:
    """Title of the figure of adjusted AUCs."""
    ranks = who.adjusted_ranks()
    full = ranks[ranks["terms"].str.count(",") == ranks["terms"].str.count(",").max()]
    above = full[full["low"] > 0.5]["gap"].value_counts().reindex(who.GAPS.values(), fill_value=0)
    colour, women = (NUMBERS[n] for n in above)
    return (
        "Adjusted for age and photo quality, members of colour lie nearer to strangers in "
        f"{colour} of three models, women in {women}"
    )


def caption_gaps() -> str:
    """Caption of the figure of adjusted AUCs."""
    return (
        "One half plus the coefficient of a linear model of the members' ranks (unadjusted: "
        f"exactly the AUC), {who.adjusted_ranks()['members'].iloc[0]} enrolled members, 95 % "
        "intervals from redrawn members, the gallery held. Photo quality: sharpness, brightness "
        "and face size of the portrait. The unadjusted gap is the estimand; an adjusted one is "
        "shown for its change. Brightness measures skin too."
    )


def alt_gaps() -> str:
    """What the figure of adjusted AUCs shows, in words."""
    texts = []
    for (model, gap), part in gaps().groupby(["model", "section"], sort=False):
        values = ", ".join(f"{r.label} {r.auc:.2f}" for r in part.itertuples())
        texts.append(f"{MODEL_LABELS[model]}, {gap}: {values}")
    return f"Dots with intervals, a panel a model. {'. '.join(texts)}."
