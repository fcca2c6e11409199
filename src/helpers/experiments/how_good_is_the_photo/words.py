"""Notebook 08 as it is read: tables, figures, captions and sentences, each number computed."""

import numpy as np
import pandas as pd
import seaborn.objects as so
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator

from helpers.experiments.how_good_is_the_photo import tables
from helpers.experiments.how_good_is_the_photo.make import (
    EYES,
    LEVELS,
    SCALED,
    UNDEGRADED,
    conditions,
)
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import policy as policies
from helpers.protocol import shipping
from helpers.show import numbers
from helpers.show.numbers import listed, p_text, percent, signed
from helpers.show.plots import PERCENT, direct_label, draw, handles, lines, new_figure
from helpers.show.style import INK, MODEL_LINES, MUTED, styled
from helpers.statistics import exact_tests, intervals

KIND_LABELS = {
    UNDEGRADED: "As published",
    SCALED: f"Scaled to {EYES} pixels",
    "resolution": "Resolution",
    "blur": "Blur",
    "jpeg": "Compression",
    "noise": "Noise",
    "dark": "Too dark",
    "bright": "Too bright",
    "cover": "Covered",
}
WHAT = {
    "resolution": "pixels between the eyes, then enlarged again",
    "blur": "Gaussian, standard deviation in pixels",
    "jpeg": "JPEG quality, 1 to 100",
    "noise": "normal, standard deviation in grey levels of 255",
    "dark": "stops of under-exposure (each halves the light)",
    "bright": "stops of over-exposure (each doubles the light, white clips)",
    "cover": "an opaque rectangle over a part of the face",
}
COVER_LABELS = {1: "mouth", 2: "mask", 3: "eyes"}
COVER_WORDS = {1: "mouth and chin", 2: "from the middle of the nose down", 3: "a band of the eyes"}
MODEL_STYLES = {
    model: MODEL_LINES[model] | {"marker": marker}
    for model, marker in zip(PRIMARY_MODELS, "os^", strict=True)
}
SIDES = {"1": ("of colour", "#A03F14", "D"), "0": ("white", "#4A4A4A", "o")}
POLICY_WORDS = {
    "28": policies.label(policies.PRIMARY),
    "default": policies.label("default"),
    "fmr_1e_4": policies.label("fmr:1e-4"),
}


def level_label(kind: str, level: float) -> str:
    """A level as it is written on an axis: "12", "mask"."""
    return COVER_LABELS[int(level)] if kind == "cover" else f"{level:g}"


def condition_label(kind: str, level: float) -> str:
    """A kind and level in words: "resolution 12", "covered, mask"."""
    if kind in (UNDEGRADED, SCALED):
        return KIND_LABELS[kind]
    joint = ", " if kind == "cover" else " "
    return f"{KIND_LABELS[kind].lower()}{joint}{level_label(kind, level)}"


def strongest() -> list[tuple[str, float]]:
    """The strongest level of each kind."""
    return [(kind, float(levels[-1])) for kind, levels in LEVELS.items()]


def _degraded(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["kind"].isin([UNDEGRADED, SCALED])]


def _only(table: pd.DataFrame, wanted: list[tuple[str, float]]) -> pd.DataFrame:
    """The rows of some conditions, in that order."""
    keyed = table.set_index(["kind", "level"])
    return pd.concat([keyed.loc[[key]] for key in wanted]).reset_index()


def _points(change, low, high) -> str:
    change, low, high = (signed(100 * value, 1) for value in (change, low, high))
    return f"{change} ({low} to {high})"


# ---------------------------------------------------------------- tables


def show_levels() -> pd.DataFrame:
    """What is done to the portraits: a row a kind."""
    rows = []
    for kind, levels in LEVELS.items():
        words = [COVER_WORDS[v] if kind == "cover" else f"{v:g}" for v in levels]
        rows.append((KIND_LABELS[kind], WHAT[kind], ", ".join(words)))
    return pd.DataFrame(rows, columns=["Degradation", "What the level is", "Levels, mild first"])


def show_overall() -> pd.DataFrame:
    """All rates of the undegraded, the scaled and the strongest level of each kind, by model."""
    wanted = [(UNDEGRADED, 0.0), (SCALED, 0.0), *strongest()]
    parts = {policy: _only(tables.overall(policy), wanted) for policy in POLICY_WORDS}
    at_28 = parts["28"]
    shown = {
        "Photo": [condition_label(r.kind, r.level) for r in at_28.itertuples()],
        "Model": at_28["model"].map(MODEL_LABELS),
        "FTE": at_28.apply(lambda r: numbers.rate(r["failed"], r["searched"]), axis=1),
    }
    for policy, words in POLICY_WORDS.items():
        shown[f"FPIR, {words}"] = parts[policy].apply(
            lambda r: numbers.rate(r["flagged"], r["searched"]), axis=1
        )
    shown["FPIR of the enrolled, 28 flagged"] = at_28["fpir_enrolled"].map(percent)
    shown["FNIR, 28 flagged"] = at_28.apply(lambda r: numbers.rate(r["missed"], r["mates"]), axis=1)
    shown["FNIR of the enrolled"] = at_28["fnir_enrolled"].map(percent)
    shown["Not nearest"] = at_28.apply(
        lambda r: numbers.rate(r["beyond_rank_1"], r["mates"]), axis=1
    )
    return pd.DataFrame(shown)


def show_gaps() -> pd.DataFrame:
    """Paired changes of members of colour and white members at the strongest levels."""
    table = _only(tables.gaps(), strongest())
    return pd.DataFrame(
        {
            "Photo": [condition_label(r.kind, r.level) for r in table.itertuples()],
            "Model": table["model"].map(MODEL_LABELS),
            "Of colour": table.apply(lambda r: f"{r['k1']} of {r['n1']}", axis=1),
            "Change, points": table.apply(
                lambda r: _points(r["change1"], r["low1"], r["high1"]), axis=1
            ),
            "White": table.apply(lambda r: f"{r['k0']} of {r['n0']}", axis=1),
            "Change, points ": table.apply(
                lambda r: _points(r["change0"], r["low0"], r["high0"]), axis=1
            ),
            "Change of the gap": table.apply(
                lambda r: _points(r["gap_change"], r["gap_low"], r["gap_high"]), axis=1
            ),
            "Within sex": table.apply(
                lambda r: _points(r["within_sex"], r["within_low"], r["within_high"]), axis=1
            ),
            "Holm p, within sex": table["within_holm_p"].map(p_text),
            "FPIR ratio": table.apply(_ratio, axis=1),
        }
    )


def _ratio(row) -> str:
    if np.isnan(row["ratio"]):
        return "nobody flagged"
    return numbers.ratio(row["ratio"], row["ratio_low"], row["ratio_high"])


def show_parts() -> pd.DataFrame:
    """Falsely matched by recorded group at the strongest levels: counts."""
    wanted = [(UNDEGRADED, 0.0), *strongest()]
    return _by_group("at_28", wanted, PRIMARY_MODELS)


def show_failures() -> pd.DataFrame:
    """Failures to enrol by recorded group, wherever more failed than of the portraits as published.

    Detection is shared, so one model's rows stand for all.
    """
    table = tables.overall().query("model == @PRIMARY_MODELS[0]")
    usual = table.iloc[0]["failed"]
    more = table[table["failed"] > usual]
    wanted = [(UNDEGRADED, 0.0), *zip(more["kind"], more["level"], strict=True)]
    return _by_group("failed", wanted, PRIMARY_MODELS[:1]).drop(columns="Model")


def _by_group(outcome: str, wanted: list, models) -> pd.DataFrame:
    table = _only(tables.by_group(outcome), wanted).query("model in @models")
    names = {g: f"{g} ({n})" for g, n in table.drop_duplicates("group")[["group", "n"]].to_numpy()}
    table = table.assign(
        Photo=[condition_label(r.kind, r.level) for r in table.itertuples()],
        Model=table["model"].map(MODEL_LABELS),
        column=table["group"].map(names),
    )
    order = list(dict.fromkeys(zip(table["Photo"], table["Model"], strict=True)))
    wide = table.pivot(index=["Photo", "Model"], columns="column", values="count")
    return wide.loc[order, list(names.values())].rename_axis(columns=None).reset_index()


# ---------------------------------------------------------------- figures


def false_matches() -> pd.DataFrame:
    """FPIR at 28 flagged by condition and model, as the figure draws it."""
    columns = ["kind", "level", "model", "flagged", "searched", "fpir", "fpir_low", "fpir_high"]
    columns += ["failed", "fpir_enrolled", "change", "change_low", "change_high", "holm_p"]
    return tables.overall()[columns]


def misses() -> pd.DataFrame:
    """FNIR at 28 flagged and failures to enrol by condition and model, as the figure draws them."""
    columns = ["kind", "level", "model", "missed", "mates", "fnir", "fnir_low", "fnir_high"]
    columns += ["failed", "searched", "fte", "fte_low", "fte_high", "fnir_holm_p"]
    return tables.overall()[columns]


@styled()
def plot_rates(table: pd.DataFrame, rate: str, fte: bool = False) -> Figure:
    """One panel a kind, one line a model, levels from left (as published) to right.

    rate: "fpir" or "fnir"; fte: draw the failures to enrol as an area, too. FPIRs run from a few
    per cent to nearly all, so their axis is a square root's.
    """
    fig, axes = new_figure(4.6, 2, 4, sharey=True)
    spread = (f"{rate}_low", f"{rate}_high")
    highest = 100 * table[[spread[1], *(["fte_high"] if fte else [])]].max(axis=None)
    for ax, kind in zip(axes.flat, LEVELS, strict=False):
        part = table[table["kind"].isin([UNDEGRADED, kind])]
        part = part.assign(x=part.groupby("model").cumcount())
        if fte:
            failed = part[part["model"] == part["model"].iloc[-1]]
            area = so.Area({"zorder": 0}, color="#C9C9C9", alpha=1, edgewidth=0)
            draw(ax, so.Plot(failed, x="x", y=100 * failed["fte"]).add(area))
        lines(ax, part, "x", rate, "model", MODEL_STYLES, spread=spread, bars=True, width=1.4,
              alpha=0.4)  # fmt: skip
        _kind_axis(ax, kind, highest)
        if rate == "fpir":
            ax.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
            ax.set_ylim(0, 104)
            ax.yaxis.set_major_locator(FixedLocator([0, 2, 5, 10, 20, 50, 100]))
            ax.yaxis.set_major_formatter(PERCENT)
    last = axes.flat[len(LEVELS)]
    last.set_axis_off()
    key = handles({MODEL_LABELS[model]: look for model, look in MODEL_STYLES.items()}, lw=1.4)
    key += [Patch(color="#C9C9C9", lw=0, label="failure to enrol")] if fte else []
    last.legend(handles=key, loc="center left", fontsize=8, labelspacing=1.2, borderaxespad=0)
    return fig


def _kind_axis(ax, kind: str, highest: float, size: float = 7.5) -> None:
    labels = ["as is", *(level_label(kind, v) for v in LEVELS[kind])]
    ax.set_title(KIND_LABELS[kind], fontsize=8.5, weight="normal", loc="center")
    ax.set_xticks(range(len(labels)), labels, fontsize=size)
    ax.set_xlim(-0.35, len(labels) - 0.65)
    ax.set_ylim(0, min(100, 1.04 * highest))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(PERCENT)
    ax.tick_params(axis="y", labelcolor=MUTED, labelsize=8)
    ax.grid(axis="y")
    ax.spines["left"].set_visible(False)


def sides() -> pd.DataFrame:
    """FPIR of members of colour and white members by condition and model, with paired changes."""
    table = tables.gaps()
    for side in SIDES:
        low, high = intervals.wilson(table[f"k{side}"].to_numpy(), table[f"n{side}"].to_numpy())
        rate = table[f"k{side}"] / table[f"n{side}"]
        table = table.assign(
            **{f"rate{side}": rate, f"rate{side}_low": low, f"rate{side}_high": high}
        )
    return table


@styled()
def plot_sides(table: pd.DataFrame) -> Figure:
    """A row a model, a column a kind: FPIR of members of colour and of white members."""
    fig, axes = new_figure(5.0, len(PRIMARY_MODELS), len(LEVELS), sharey="row")
    for row, model in zip(axes, PRIMARY_MODELS, strict=True):
        mine = table[table["model"] == model]
        highest = 100 * mine[["rate1_high", "rate0_high"]].max(axis=None)
        for ax, kind in zip(row, LEVELS, strict=True):
            line = mine[mine["kind"].isin([UNDEGRADED, kind])].reset_index()
            for side, (name, colour, marker) in SIDES.items():
                look = {name: {"color": colour, "marker": marker}}
                shifted = line.assign(x=line.index + (0.08 if side == "1" else -0.08), name=name)
                spread = (f"rate{side}_low", f"rate{side}_high")
                lines(ax, shifted, "x", f"rate{side}", "name", look, spread=spread, bars=True,
                      width=1.2, alpha=0.4)  # fmt: skip
            _kind_axis(ax, kind, 1.2 * highest, size=7)
            ends = {0: "as is", len(line) - 1: level_label(kind, LEVELS[kind][-1])}
            ends = ends if model == PRIMARY_MODELS[-1] else {}
            ax.set_xticks(line.index, [ends.get(i, "") for i in line.index])
            if model != PRIMARY_MODELS[0]:
                ax.set_title("", loc="center")
        row[0].set_ylabel(MODEL_LABELS[model], weight="bold", color=INK)
    fig.align_ylabels(axes[:, 0])
    for y, (name, colour, _) in zip((0.98, 0.87), SIDES.values(), strict=True):
        direct_label(axes[0, 0], 0.04, y, name, colour, va="top", fontsize=7.5,
                             transform=axes[0, 0].transAxes, in_layout=False)  # fmt: skip
    return fig


# ---------------------------------------------------------------- sentences

SIGNIFICANT = 0.05


def _moved(table: pd.DataFrame, change: str, p: str) -> tuple[int, int]:
    """How many degradations raise and how many lower a share significantly."""
    real = _degraded(table)
    real = real[real[p] < SIGNIFICANT]
    return int((real[change] > 0).sum()), int((real[change] < 0).sum())


def _by_model(table: pd.DataFrame, words) -> str:
    """One phrase a model: `words(its rows)` after its name and a colon."""
    parts = [f"{MODEL_LABELS[m]}: {words(table[table['model'] == m])}" for m in PRIMARY_MODELS]
    return "; ".join(parts)


def _tests() -> int:
    return len(_degraded(tables.overall()))


def _up_down(part: pd.DataFrame, change: str = "change", p: str = "holm_p") -> str:
    up, down = _moved(part, change, p)
    return f"up in {up}, down in {down}"


def _extreme(part: pd.DataFrame, largest: bool = True) -> str:
    """The row with the largest (or smallest) paired change of FPIR, in words."""
    real = _degraded(part)
    row = real.loc[real["change"].idxmax() if largest else real["change"].idxmin()]
    points = _points(row["change"], row["change_low"], row["change_high"])
    return (
        f"{row['flagged']} of {row['searched']} with {condition_label(row['kind'], row['level'])} "
        f"({percent(row['fpir'])}; change {points} points)"
    )


def _verdict() -> str:
    """What degradations do to the FPIR, over all models."""
    moved = [
        _moved(tables.overall().query("model == @model"), "change", "holm_p")
        for model in PRIMARY_MODELS
    ]
    up, down = sum(a for a, _ in moved), sum(b for _, b in moved)
    if any(a and not b for a, b in moved) and any(b and not a for a, b in moved):
        return "whether a worse photo raises or lowers false matches depends on the model"
    if up and down:
        return "a worse photo can raise false matches and it can lower them"
    if up or down:
        return f"a worse photo {'raises' if up else 'lowers'} false matches or leaves them"
    return "no degradation changes the number of false matches significantly"


def _gap_verdict() -> str:
    table = tables.gaps()
    against, favour = _moved(table, "within_sex", "within_holm_p")
    start = (
        "The difference between the FPIRs of members of colour and of white members, within "
        "recorded sex, changes significantly in "
    )
    if not against + favour:
        return f"{start}none of {_tests()} combinations (Holm)"
    real = table[table["within_holm_p"] < SIGNIFICANT]
    most = int(((real["k1"] + real["k0"]) / (real["n1"] + real["n0"]) > 0.5).sum())
    full = f"; in {most} of these more than half of all members are flagged" if most else ""
    return (
        f"{start}{against + favour} of {_tests()} combinations (Holm): against members of colour "
        f"in {against}, in their favour in {favour}{full}"
    )


def answer() -> str:
    """The answer of notebook 08, with numbers and intervals."""
    table = tables.overall()
    as_is = table.iloc[0]
    n = _tests() // len(PRIMARY_MODELS)
    verdict = _verdict()
    missed, found = _moved(table, "fnir_change", "fnir_holm_p")
    return (
        f"**{verdict[0].upper()}{verdict[1:]}: at the threshold that flags {as_is['flagged']} of "
        f"{as_is['searched']} members on their published portraits, the FPIR goes significantly "
        f"({n} degradations; Holm) {_by_model(table, _up_down)}. The most flagged are "
        f"{_by_model(table, _extreme)}, with 95 % intervals.** "
        f"**Members who are in the gallery are missed significantly more often in {missed} of "
        f"{_tests()} combinations of degradation and model, and less often in {found}. "
        f"{_gap_verdict()}.**"
    )


def finding() -> str:
    """One sentence for the README's table of findings."""
    table = tables.overall()
    verdict = _verdict()
    return (
        f"{verdict[0].upper()}{verdict[1:]}: where {table.iloc[0]['flagged']} of "
        f"{table.iloc[0]['searched']} members are flagged on published portraits, the most on "
        f"degraded ones are {_by_model(table, _extreme)} (95 % intervals, paired). "
        f"{_gap_verdict()}."
    )


def words_portraits() -> str:
    """How large the faces of the published portraits are, and what scaling alone does."""
    scaled = tables.overall().query("kind == @SCALED")
    eyes = tables.eye_distances()
    return (
        f"In the published portraits the eyes lie {eyes.median():.0f} pixels apart (median; "
        f"{eyes.quantile(0.05):.0f} to {eyes.quantile(0.95):.0f} in nine of ten). Scaling alone is "
        f"a control: with nothing else done the threshold flags "
        f"{_by_model(scaled, lambda t: _paired(t.iloc[0]))}."
    )


def _paired(row) -> str:
    points = _points(row["change"], row["change_low"], row["change_high"])
    return (
        f"{row['flagged']} of {row['searched']} ({row['gained']} new, {row['lost']} no longer; "
        f"change {points} points)"
    )


def caption_levels() -> str:
    """Caption of the table of degradations."""
    return (
        f"Each portrait is first scaled so that the eyes are about {EYES} pixels apart, so that a "
        "level means the same for every face. Levels were fixed on six portraits, before any "
        "false match was counted. Noise has one seed for each portrait; all else is free of chance."
    )


def title_false_matches() -> str:
    """The finding of the figure of false matches."""
    text = _verdict()
    return f"{text[0].upper()}{text[1:]}"


def caption_false_matches() -> str:
    """Caption of the figure of false matches."""
    row = tables.overall().iloc[0]
    return (
        f"Share of {row['searched']} members falsely matched (FPIR) by degradation, at the "
        f"threshold of each model that flags {row['flagged']} on the published portraits ('as "
        "is'). Gallery: adults of UTKFace. Levels from mild to strong, units in tab-08-levels. A "
        "failure to enrol counts as no match. Bars: 95 % Wilson intervals. Square-root scale."
    )


def alt_false_matches() -> str:
    """What the figure of false matches shows, in words."""
    return f"Lines by degradation and model. {_ends('flagged')}."


def _ends(count: str) -> str:
    table = _only(tables.overall(), strongest())
    parts = []
    for (kind, level), part in table.groupby(["kind", "level"], sort=False):
        counts = [f"{MODEL_LABELS[r['model']]} {r[count]}" for _, r in part.iterrows()]
        parts.append(f"{condition_label(kind, level)}: {', '.join(counts)}")
    n = table.iloc[0]["searched" if count == "flagged" else "mates"]
    return f"Of {n} at the strongest level, {'; '.join(parts)}"


def words_false_matches() -> str:
    """False matches in words: directions, failures to enrol, other thresholds."""
    table = tables.overall()
    real = _degraded(table)
    enrolled = real["fpir_enrolled"] - real["model"].map(
        table.query("kind == @UNDEGRADED").set_index("model")["fpir_enrolled"]
    )
    others = [
        f"{words} ({_by_model(tables.overall(policy), _up_down)})"
        for policy, words in POLICY_WORDS.items()
        if policy != "28"
    ]
    return (
        f"Significantly (McNemar's exact test, Holm over {_tests()} tests) the FPIR goes "
        f"{_by_model(table, _up_down)}. The lowest values are "
        f"{_by_model(table, lambda t: _extreme(t, False))}. Part of a fall is failure to enrol: a "
        "photo without a face matches nobody. Among the enrolled alone the FPIR is higher than on "
        f"the published portraits in {int((enrolled > 0).sum())} of {_tests()} combinations and "
        f"lower in {int((enrolled < 0).sum())}. {_opposite()} At the other thresholds the FPIR "
        f"goes significantly as follows: {listed(others)}."
    )


def _opposite() -> str:
    """The degradations in which two models move significantly in opposite directions."""
    real = _degraded(tables.overall())
    real = real[real["holm_p"] < SIGNIFICANT]
    sides = [set(zip(p["kind"], p["level"], strict=True)) for p in (
        real[real["change"] > 0], real[real["change"] < 0]
    )]  # fmt: skip
    both = [c for c in conditions() if c in sides[0] & sides[1]]
    if not both:
        return "No degradation raises one model's FPIR and lowers another's significantly."
    names = listed([condition_label(*c) for c in both])
    return (
        f"With the very same degraded portraits one model flags significantly more members and "
        f"another significantly fewer in {len(both)} degradations: {names}."
    )


def words_identities() -> str:
    """Whose faces the falsely matched are matched with: many people's, or a few?"""
    table = tables.summary().merge(tables.overall(), on=["kind", "level", "model"])

    def most(part):
        as_is = part.iloc[0]
        real = _degraded(part)
        row = real.loc[real["flagged"].idxmax()]
        if row["flagged"] == 0:
            return "flags nobody"
        return (
            f"{row['identities']} for the {row['flagged']} members flagged with "
            f"{condition_label(row['kind'], row['level'])} ({as_is['identities']} for the "
            f"{as_is['flagged']} on published portraits)"
        )

    return (
        "Are the flagged matched with many different strangers? The number of different people "
        f"among their nearest faces is {_by_model(table, most)}. Far fewer people than members "
        "means that the degraded portraits have become alike: they meet at the same few faces of "
        "the gallery."
    )


def title_misses() -> str:
    """The finding of the figure of misses."""
    up, down = _moved(tables.overall(), "fnir_change", "fnir_holm_p")
    if not up and not down:
        return "No degradation changes the misses significantly"
    if not up:
        return f"Misses fall in {down} of {_tests()} combinations of degradation and model"
    more = f", and fall in {down}" if down else ""
    return f"Misses rise in {up} of {_tests()} combinations of degradation and model{more}"


def caption_misses() -> str:
    """Caption of the figure of misses."""
    row = tables.overall().iloc[0]
    return (
        f"FNIR: share of {row['mates']} members, whose other portrait is enrolled, whom a search "
        "with the degraded first portrait does not return at the threshold that flags 28. A "
        "failure to enrol (grey, of all members) is a miss. Bars: 95 % Wilson intervals."
    )


def alt_misses() -> str:
    """What the figure of misses shows, in words."""
    return (
        f"Lines of misses by degradation and model, failures to enrol as areas. {_ends('missed')}."
    )


def words_misses() -> str:
    """Misses in words, with and without a threshold."""
    table = tables.overall()
    as_is = table.query("kind == @UNDEGRADED")

    def one(part):
        row, real = part.iloc[0], _degraded(part)
        worst = real.loc[real["fnir"].idxmax()]
        return (
            f"{numbers.rate(row['missed'], row['mates'], row['fnir_low'], row['fnir_high'])} "
            f"on published portraits, at most {percent(worst['fnir'])} "
            f"({condition_label(worst['kind'], worst['level'])})"
        )

    def nearest(part):
        row, real = part.iloc[0], _degraded(part)
        worst = real.loc[real["beyond_rank_1"].idxmax()]
        return (
            f"{numbers.rate(row['beyond_rank_1'], row['mates'])} on published portraits, at "
            f"most {numbers.rate(worst['beyond_rank_1'], worst['mates'])}"
        )

    second = shipping.load_dataset("second-portraits", PRIMARY_MODELS[0])
    return (
        f"Missed at this threshold are {_by_model(table, one)}. The two portraits of a member are "
        "often years apart, so many are missed before anything is degraded. Without any threshold "
        "the question is whether the member's own second portrait is the nearest of all: it is not "
        f"for {_by_model(table, nearest)}. ({len(second.ids)} second portraits enrolled; the "
        f"{int(as_is.iloc[0]['failed'])} members whose first portrait fails to enrol count as "
        "missed.)"
    )


def caption_overall() -> str:
    """Caption of the table of all rates."""
    return (
        "The strongest level of each degradation; every level is in the data of the figures. FTE: "
        "failures to enrol, no match and a miss. FNIR and 'not nearest': of the members whose "
        "second portrait enrolled; not nearest: some other face, a stranger's or another "
        "member's, is nearer, or the photo failed to enrol."
    )


def title_sides() -> str:
    """The finding of the figure of both groups."""
    against, favour = _moved(tables.gaps(), "within_sex", "within_holm_p")
    if not against + favour:
        return (
            "No degradation changes the gap between members of colour and white ones beyond doubt"
        )
    return (
        f"The gap moves significantly against members of colour in {against} of {_tests()} "
        f"combinations and in their favour in {favour}"
    )


def caption_sides() -> str:
    """Caption of the figure of both groups."""
    row = tables.gaps().iloc[0]
    return (
        f"FPIR of the {row['n1']} members of colour and the {row['n0']} white members, at the "
        "threshold that flags 28 on the published portraits ('as is'), levels from mild to "
        "strong. Bars: 95 % Wilson intervals. Scales differ between the rows. Exploratory. "
        f"{_gap_verdict()}."
    )


def alt_sides() -> str:
    """What the figure of both groups shows, in words."""
    table = _only(tables.gaps(), [(UNDEGRADED, 0.0), *strongest()])
    parts = [
        f"{MODEL_LABELS[r['model']]}, {condition_label(r['kind'], r['level'])}: of colour "
        f"{r['k1']}, white {r['k0']}"
        for _, r in table.iterrows()
    ]
    row = table.iloc[0]
    return (
        f"Lines of FPIR, a row a model and a column a degradation. Falsely matched of {row['n1']} "
        f"members of colour and {row['n0']} white members: {'; '.join(parts)}."
    )


def caption_gaps() -> str:
    """Caption of the table of paired changes."""
    return (
        "Strongest level of each degradation, threshold for 28. Change: in points of FPIR against "
        "the published portraits of the same members, 95 % interval of Tango; change of the gap: "
        "members of colour minus white members (Zou and Donner), also within recorded sex; Holm "
        f"over the {_tests()} combinations of all levels, exact permutation test. FPIR ratio: of "
        "colour over white, Miettinen-Nurminen. Exploratory."
    )


def words_gaps() -> str:
    """The gap between the groups in words: at three thresholds, ratios, misses, failures."""
    policies = [
        f"{words} ({_gained(tables.gaps(f'at_{policy}'))})"
        for policy, words in POLICY_WORDS.items()
    ]
    real = _degraded(tables.gaps())
    as_is = tables.gaps().query("kind == @UNDEGRADED")
    half = 100 * ((real["within_high"] - real["within_low"]) / 2).median()
    return (
        f"Within recorded sex, the gap in FPIR changes significantly at the three thresholds as "
        f"follows: {listed(policies)}; for misses {_gained(tables.gaps('missed_28'))}. The rest is "
        f"no proof of equality: the 95 % interval of a change of the gap reaches {half:.0f} points "
        "to either side (median). The FPIR ratio of members of colour to white members is "
        f"{_by_model(as_is, lambda t: _ratio(t.iloc[0]))} on published portraits; over the "
        f"degradations its interval lies above 1 in {int((real['ratio_low'] > 1).sum())} of "
        f"{_tests()} combinations and below 1 in {int((real['ratio_high'] < 1).sum())}. Where "
        "nearly everyone is flagged, a ratio has to be near 1 and a gap near 0."
    )


def _gained(table: pd.DataFrame) -> str:
    against, favour = _moved(table, "within_sex", "within_holm_p")
    return f"against members of colour in {against} of {_tests()}, in their favour in {favour}"


def words_auc() -> str:
    """The threshold-free companion in words."""
    table = tables.summary()
    real = _degraded(table)
    up, down = (real["auc_change_low"] > 0).sum(), (real["auc_change_high"] < 0).sum()

    held = _moved(table, "auc_change", "auc_holm_p")

    def span(part):
        row, rest = part.iloc[0], _degraded(part)["auc"]
        auc = numbers.ratio(row["auc"], row["auc_low"], row["auc_high"])
        return (
            f"{auc} on published portraits and {rest.min():.2f} to "
            f"{rest.max():.2f} on degraded ones"
        )

    return (
        "Without any threshold: the chance that the best impostor score of a member of colour is "
        f"nearer than a white member's (AUC) is {_by_model(table, span)}. Its paired change is "
        f"above zero with its 95 % interval in {up} of {_tests()} combinations and below zero in "
        f"{down} (DeLong); after Holm's correction in {held[0]} and in {held[1]}. Below zero means "
        "that the difference between the groups has become smaller, or has turned."
    )


def words_legislators() -> str:
    """The same with the gallery of former legislators, in words."""
    same = other = none = 0
    here = tables.overall().set_index(["kind", "level", "model"])["change"]
    there = tables.overall("legislators").set_index(["kind", "level", "model"])
    for key, row in _degraded(there.reset_index()).set_index(there.index.names).iterrows():
        sign = np.sign(row["change"]) * np.sign(here[key])
        same, other, none = same + (sign > 0), other + (sign < 0), none + (sign == 0)
    return (
        "With former legislators as the gallery, and the threshold that flags 28 there, the FPIR "
        f"goes significantly {_by_model(there.reset_index(), _up_down)}. The direction is that of "
        f"the strangers in {same} of {_tests()} combinations, the opposite in {other}, and one of "
        f"the two does not move in {none}."
    )


def caption_parts() -> str:
    """Caption of the table of falsely matched by group."""
    return (
        "Members falsely matched at the threshold for 28, by recorded group, strongest level of "
        "each degradation; in brackets how many were searched. Groups of fewer than ten members "
        "say little. Exploratory: no test is made, and none is named worst."
    )


def caption_failures() -> str:
    """Caption of the table of failures to enrol by group."""
    return (
        "Members in whose degraded portrait no usable face was found, wherever there are more than "
        "on the published portraits; in brackets how many were searched. One detector (YuNet) "
        "serves all models."
    )


def words_failures() -> str:
    """Failures to enrol in words: how many, and the gap between the groups."""
    table = tables.gaps("failed").query("model == @PRIMARY_MODELS[0]")
    table = _degraded(table)
    table = table.assign(holm_p=exact_tests.holm(table["within_p"]))
    worst = table.loc[(table["k1"] + table["k0"]).idxmax()]
    different = table[table["holm_p"] < SIGNIFICANT]
    darkest = tables.by_group("failed").query("kind == 'dark' and model == @PRIMARY_MODELS[0]")
    darkest = darkest[darkest["level"] == darkest["level"].max()].set_index("group")
    text = (
        f"Most fail with {condition_label(worst['kind'], worst['level'])}: {worst['k1']} of "
        f"{worst['n1']} members of colour and {worst['k0']} of {worst['n0']} white members. "
        f"In the darkest photos {_failed(darkest, 'Black')} Black members fail, "
        f"{_failed(darkest, 'Members of colour')} members of colour and "
        f"{_failed(darkest, 'White')} white members. "
    )
    if different.empty:
        return text + (
            f"In none of {len(table)} degradations do the groups differ significantly within "
            "recorded sex (Holm)."
        )
    parts = [
        f"{condition_label(r['kind'], r['level'])} ({r['k1']} of {r['n1']} of colour, {r['k0']} of "
        f"{r['n0']} white)"
        for _, r in different.iterrows()
    ]
    return text + (
        f"Within recorded sex the groups differ significantly (Holm over {len(table)}) in "
        f"{listed(parts)}."
    )


def _failed(table: pd.DataFrame, group: str) -> str:
    return f"{table.loc[group, 'count']} of {table.loc[group, 'n']}"
