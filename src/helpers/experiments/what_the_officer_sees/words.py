"""Notebook 09 as it is read: tables, figures and sentences on candidate lists."""

import math
from functools import cache

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.what_the_officer_sees import tables as c
from helpers.experiments.what_the_officer_sees.tables import LISTS, RULES, THOUSAND
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.show import numbers
from helpers.show.numbers import listed, number, percent
from helpers.show.plots import PERCENT, direct_label, lines, log_axis, new_figure
from helpers.show.style import GALLERY_LABELS, INK, MODEL_LINES, styled
from helpers.sources.groups import COLOUR, WHITE
from helpers.statistics import rates
from helpers.statistics.intervals import wilson

STRICT = "fmr:1e-05"  # the rule in the sentences; the tables hold all
LIST = 10  # the list in the sentences
SMALL = 10  # people; groups of fewer say little


def each(table: pd.DataFrame, words) -> str:
    """One phrase a row: "244 of 263 with Dlib (native), .. with SFace and .. with Facenet"."""
    parts = [f"{words(r)} with {MODEL_LABELS[r['model']]}" for _, r in table.iterrows()]
    return listed(parts)


def span(values, digits: int = 0) -> str:
    """The smallest and largest of some numbers: "57 to 117", or one number if they agree."""
    low, high = (number(f(values), digits) for f in (min, max))
    return low if low == high else f"{low} to {high}"


def span_percent(values, digits: int = 0) -> str:
    low, high = (f"{100 * f(values):.{digits}f}" for f in (min, max))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _hit(row) -> str:
    return numbers.rate(row["hits"], row["searched"], row["low"], row["high"])


def _at(rule: str, size: int = LIST) -> pd.DataFrame:
    table = c.misses()
    return table[(table["rule"] == rule) & (table["list_size"] == size)]


# ---------------------------------------------------------------- the answer


def answer() -> str:
    """The answer of notebook 09."""
    ten, strict = c.hit_rates().query("list_size == @LIST"), _at(STRICT)
    return (
        f"**Without a threshold, a list of {LIST} names {LIST} innocent people whenever the person "
        f"sought is not in the gallery: {number(LIST * THOUSAND)} per thousand searches, "
        f"by definition, with every model and for everyone.** When the person is in it, the list "
        f"holds them in {each(ten, _hit)}. **A strict rule trades one error for the other:** cut "
        f"off at an FMR of {_rule_number(STRICT)}, the innocent people named per thousand searches "
        f"fall to {each(strict, _per_thousand)}, and those in the gallery are missed in "
        f"{each(strict, _fnir)}."
    )


def finding() -> str:
    """The line of notebook 09 in the README's table of findings."""
    ten, strict = c.hit_rates().query("list_size == @LIST"), _at(STRICT)
    return (
        f"A list of {LIST} candidates without a threshold names {LIST} innocent people whenever "
        "the person sought is not in the gallery. When they are, the list holds them in "
        f"{each(ten, _hit)}. Cut off at an FMR of {_rule_number(STRICT)}, it names "
        f"{span(strict['mean'])} innocent people per thousand searches and misses those in the "
        f"gallery in {each(strict, _fnir)}."
    )


def _rule_number(rule: str) -> str:
    return f"1 in {number(1 / float(rule.split(':')[1]))}"


def _per_thousand(row) -> str:
    """A mean number of innocent people with its interval; a bootstrap has none for zero events."""
    if row["any"] == 0:
        return f"none (in {row['searched']} searches)"
    interval = f"{number(row['low'])}–{number(row['high'])}"
    return f"{number(row['mean'])} (95 % interval {interval})"


def _fnir(row) -> str:
    return numbers.rate(row["missed"], row["enrolled"], row["fnir_low"], row["fnir_high"])


# ---------------------------------------------------------------- not enrolled


def show_innocents() -> pd.DataFrame:
    """Innocent people per thousand searches: a row a model and rule, a column a list size."""
    rows = []
    for (model, rule), part in c.innocents().groupby(["model", "rule"], sort=False):
        row = {"Model": MODEL_LABELS[model], "Rule": RULES[rule]}
        for _, r in part.iterrows():
            whole = number(r["list_size"] * THOUSAND)
            text = whole if rule == "none" else _per_thousand(r).replace("95 % interval ", "")
            row[f"List of {r['list_size']}"] = text
        rows.append(row)
    return pd.DataFrame(rows)


def caption_innocents() -> str:
    """Caption of the table of innocent people."""
    n = int(c.innocents()["searched"].iloc[0])
    failed = n - int(c.candidates_at(PRIMARY_MODELS[0], "none").gt(0).sum())
    return (
        f"{n} members searched among adult strangers; a failure to enrol ({failed}) is a search "
        "that names nobody, except in the rows without a threshold, which count the searches that "
        "could be made. In brackets: 95 % bootstrap intervals over members, the gallery as it is."
    )


def words_innocents() -> str:
    """How many innocent people, in words."""
    loose, strict = _at("default"), _at(STRICT)
    return (
        "Without a threshold the number of innocent people is the length of the list, and nothing "
        "about the software can change it. The count is then the same for every group; what still "
        "differs is how near the listed strangers are, and with that how they look to whoever "
        f"reads the list. The library defaults leave {span(loose['mean'])} of the "
        f"{number(LIST * THOUSAND)} innocent people per thousand searches on lists of "
        f"{LIST}; an FMR of {_rule_number(STRICT)} leaves {span(strict['mean'])}."
    )


@cache
def alike() -> pd.DataFrame:
    """How alike the listed strangers are: a row a model and place of the list.

    Columns model, place, lists, nearer (lists whose stranger at that place is at least as near as
    the middle one of the genuine pairs), nearer_p90 (as near as 90 % of the genuine pairs).
    """
    rows = []
    for model, part in c.table().groupby("model", sort=False):
        genuine = part["genuine"].dropna()
        for k in LISTS:
            scores = part[f"stranger_{k}"]
            rows.append(
                {
                    "model": model,
                    "place": k,
                    "lists": len(scores),
                    "nearer": int(rates.at_or_below(scores, genuine.median()).sum()),
                    "nearer_p90": int(rates.at_or_below(scores, genuine.quantile(0.9)).sum()),
                }
            )
    return pd.DataFrame(rows)


def words_alike() -> str:
    """How alike the listed strangers are, in words."""
    first = alike().query("place == 1")
    return (
        "Do the scores tell that nobody on the list is the person? That depends on the model. Of "
        "the lists, the first stranger is nearer than one in ten genuine pairs (two portraits of "
        f"one member) in {each(first, lambda r: _lists(r, 'nearer_p90'))}; nearer than half of "
        f"them in {each(first, lambda r: _lists(r, 'nearer'))}."
    )


def _lists(row, column) -> str:
    k, n = row[column], row["lists"]
    return numbers.rate(k, n, *wilson(k, n))


def show_hubs() -> pd.DataFrame:
    """On how few gallery faces the lists concentrate: a row a model and list size."""
    table = c.hubs()
    rows = []
    for (model, size), part in table.groupby(["model", "list_size"], sort=False):
        top, one = part.iloc[0], part.iloc[1]
        rows.append(
            {
                "Model": MODEL_LABELS[model],
                "List": size,
                "Places": number(top["searches"] * size),
                "Different faces": number(top["listed"]),
                "by chance": number(top["listed_by_chance"]),
                "Different identities": number(top["people"]),
                f"Places of the {top['top']} most listed faces": percent(top["share"]),
                "by chance ": percent(top["by_chance"]),
                f"Places of the most listed 1 % ({one['top']})": percent(one["share"]),
                "by chance  ": percent(one["by_chance"]),
            }
        )
    return pd.DataFrame(rows)


def caption_hubs() -> str:
    """Caption of the table of concentration."""
    top = c.hubs().iloc[0]
    return (
        f"{top['searches']:.0f} lists from {number(top['faces'])} adult strangers. By "
        "chance: if the places of each published gender, race and age band were given to its faces "
        "at random. How often one face is listed is never told of fewer than "
        f"{c.FEWEST}."
    )


def words_hubs() -> str:
    """Concentration, in words."""
    table = c.hubs().query("list_size == @LIST")
    one = table[table["top"] == table.groupby("model")["top"].transform(lambda t: sorted(t)[1])]
    more = (one["share"] > one["by_chance"]).all()
    verdict = (
        "more than chance would give within the same published gender, race and age band, with "
        "every model"
        if more
        else "which chance within the same published gender, race and age band would also give "
        "with at least one model"
    )
    return (
        f"The burden is not spread evenly. Of all places on lists of {LIST}, the most listed 1 % "
        f"of the gallery faces take {each(one, _places)}: {verdict}. In biometrics such faces are "
        "called lambs, in the study of neighbourhoods hubs. The age bands are coarse, so a part of "
        "this may be age, hair or the kind of photograph. At the other end, "
        f"{span_percent(1 - one['listed'] / one['faces'])} of the faces are on none of these "
        "lists. Different photographs of one person count as different faces unless they are "
        "near-duplicates."
    )


def _places(row) -> str:
    return f"{percent(row['share'])} (by chance {percent(row['by_chance'])})"


# ---------------------------------------------------------------- enrolled


@styled()
def plot_ranks(table: pd.DataFrame) -> Figure:
    """Share of the enrolled people returned at each rank or better, a line a model."""
    faces = c.hubs()["faces"].max()
    fig, axes = new_figure(3.2)
    ax = axes[0, 0]
    # corners, because seaborn's bands have no steps
    ends = table.groupby("model").tail(1).assign(rank=faces)
    steps = pd.concat([table, ends], ignore_index=True)
    before = steps.assign(rank=steps.groupby("model")["rank"].shift(-1)).dropna(subset="rank")
    steps = pd.concat([steps, before]).sort_index(kind="stable").reset_index()
    lines(ax, steps, "rank", "rate", "model", MODEL_LINES, spread=("low", "high"), width=1.8,
          alpha=0.13)  # fmt: skip
    for model, part in table.groupby("model", sort=False):
        direct_label(ax, 1.08, 100 * part["rate"].iloc[0] - 2.7, MODEL_LABELS[model], INK)
    log_axis(ax, "x", [1, 5, 10, 50, 100, 1000, 10000], "{:,}")
    ax.set_xlim(1, faces)
    ax.set_ylim(50, 100.5)
    ax.yaxis.set_major_formatter(PERCENT)
    ax.grid(axis="both")
    ax.set_xlabel("Length of the list (logarithmic)", loc="left")
    return fig


def title_ranks() -> str:
    """The finding of the figure of ranks."""
    first = c.hit_rates().query("list_size == 1")["rate"]
    return (
        f"The person sought comes first in {span_percent(first)} of searches, depending on the "
        "model"
    )


def caption_ranks() -> str:
    """Caption of the figure of ranks."""
    pairs = c.enrolled().query("model == @PRIMARY_MODELS[0]")
    failed = int(np.isinf(pairs["rank"]).sum())
    faces = int(c.hubs()["faces"].iloc[0])
    return (
        f"{len(pairs)} members with a second portrait, another photograph: it is enrolled "
        f"among {number(faces)} adult strangers, together with those of the others, and "
        f"searched with the first. {failed} could not be enrolled or searched and count as misses. "
        "Bands: 95 % Wilson intervals. The axis begins at one half."
    )


def alt_ranks() -> str:
    """What the figure of ranks shows."""
    table = c.hit_rates()
    parts = [
        f"{MODEL_LABELS[m]} "
        + ", ".join(f"{percent(r['rate'])} at {r['list_size']}" for _, r in part.iterrows())
        for m, part in table.groupby("model", sort=False)
    ]
    return f"Rising steps: share of enrolled people on lists of that length. {'; '.join(parts)}."


def show_ranks() -> pd.DataFrame:
    """Hit rates: a row a model and gallery, a column a list size."""
    rows = []
    for gallery, word in GALLERY_LABELS.items():
        table = c.hit_rates(gallery)
        for model, part in table.groupby("model", sort=False):
            row = {"Gallery": word, "Model": MODEL_LABELS[model]}
            rows.append(row | {f"List of {r['list_size']}": _hit(r) for _, r in part.iterrows()})
    return pd.DataFrame(rows)


def words_ranks() -> str:
    """Ranks in words, with what counting identities and the same-person rule change."""
    faces, people, everyone = (c.hit_rates(rank=r) for r in ("rank", "rank_people", "rank_any"))
    more = int((people["hits"] - faces["hits"]).abs().max())
    rule = int((everyone["hits"] - faces["hits"]).abs().max())
    last = faces.query("list_size == @LISTS[-1]")
    missing = last.assign(hits=last["searched"] - last["hits"])
    return (
        f"A longer list finds more people and always costs the same: {LISTS[-1]} faces still lack "
        "the person enrolled in "
        f"{each(missing, lambda r: numbers.rate(r['hits'], r['searched']))}, and every search "
        f"shows {LISTS[-1] - 1} innocent people or more. "
        f"Counting each identity of strangers once instead of each face {_changes(more)}; leaving "
        f"nobody out as probably the member in person {_changes(rule)}. These are members of "
        "Congress on official portraits: people of whom many photographs are public and who may be "
        "among those the models were trained on. What a camera's picture changes is the subject of "
        "[notebook 08](08-how-good-is-the-photo.ipynb)."
    )


def _changes(most: int) -> str:
    return f"changes no number of hits by more than {most}" if most else "changes no number of hits"


def groups() -> pd.DataFrame:
    """Hit rate at rank 1 by recorded group, for the figure."""
    return c.hit_rates_by_group(1)


def alt_groups() -> str:
    """What the figure of hit rates by group shows."""
    parts = [
        f"{MODEL_LABELS[m]}: "
        + ", ".join(f"{r['group']} {r['hits']} of {r['searched']}" for _, r in part.iterrows())
        for m, part in groups().groupby("model", sort=False)
    ]
    return (
        f"Share of enrolled people who come first, by group, a panel a model. {'. '.join(parts)}."
    )


def show_within_sex() -> pd.DataFrame:
    """Hit rates at rank 1 within recorded gender: a row a gender and group, a column a model."""
    table = c.hit_rates_within_sex(1)
    table["shown"] = [
        _hit(r) if r["searched"] >= SMALL else f"{r['hits']} of {r['searched']}"
        for _, r in table.iterrows()
    ]
    wide = table.pivot(index=["gender", "group"], columns="model", values="shown")
    order = table[["gender", "group"]].drop_duplicates().sort_values("gender", kind="stable")
    wide = wide.loc[list(order.itertuples(index=False, name=None)), list(PRIMARY_MODELS)]
    wide = wide.rename(columns=MODEL_LABELS).rename_axis(columns=None)
    return wide.rename_axis(["Gender", "Group"]).reset_index()


def words_groups() -> str:
    """The comparison of groups, in words; exploratory."""
    table = c.hit_rates_by_group(1).set_index(["model", "group"])
    within = c.hit_rates_within_sex(1).set_index(["model", "gender", "group"])
    pairs = []
    for m in PRIMARY_MODELS:
        colour, white = table.loc[(m, COLOUR)], table.loc[(m, WHITE)]
        pairs.append(
            f"{MODEL_LABELS[m]} {percent(colour['rate'], 0)} against {percent(white['rate'], 0)}"
        )
    lower = sum(
        within.loc[(m, s, COLOUR), "rate"] < within.loc[(m, s, WHITE), "rate"]
        for m in PRIMARY_MODELS
        for s in ("female", "male")
    )
    overlap = all(
        table.loc[(m, COLOUR), "high"] >= table.loc[(m, WHITE), "low"]
        and table.loc[(m, WHITE), "high"] >= table.loc[(m, COLOUR), "low"]
        for m in PRIMARY_MODELS
    )
    n = int(table.loc[(PRIMARY_MODELS[0], COLOUR), "searched"])
    return (
        f"Members of colour come first as follows, compared with white members: "
        f"{', '.join(pairs)}. Within recorded gender their share is the lower one in {lower} of "
        f"{2 * len(PRIMARY_MODELS)} comparisons (three models, two genders). "
        f"{'All' if overlap else 'Not all'} pairs of intervals overlap; with {n} members of colour "
        "no test was planned and none is made here."
    )


# ---------------------------------------------------------------- rules


@styled()
def plot_tradeoff(table: pd.DataFrame) -> Figure:
    """Innocent people per thousand searches against people found, a panel a model."""
    looks = {
        "none": {"color": "#A03F14", "marker": "o"},
        "cut": {"color": "#1A3A5A", "marker": "s"},
    }
    series = table["rule"].where(table["rule"] == "none", "cut")
    found = 1 - table[["fnir", "fnir_low", "fnir_high"]]
    table = table.assign(series=series, **found)
    table = table[(table["rule"] == "none") | (table["list_size"] == LISTS[-1])]
    sides = {5: (2, "right"), 10: (-2, "left")}  # these two stand close
    fig, axes = new_figure(3.0, 1, len(PRIMARY_MODELS), sharey=True)
    for ax, model in zip(axes[0], PRIMARY_MODELS, strict=True):
        part = table[(table["model"] == model) & (table["mean"] > 0)]
        spread = ("fnir_high", "fnir_low")
        lines(ax, part, "mean", "fnir", "series", looks, spread=spread, bars=True, width=1.2,
              size=5.2, alpha=1)  # fmt: skip
        for r in part.to_dict("records"):
            shift, side, y, lift = 0, "center", 100 * r["fnir_high"], -10
            text = RULES[r["rule"]].replace("library ", "").replace("FMR ", "")
            if r["rule"] == "none":
                shift, side = sides.get(r["list_size"], (0, "center"))
                y, lift, text = 100, 4, r["list_size"]
            ax.annotate(
                text, (r["mean"], y), xytext=(shift, lift), textcoords="offset points", ha=side,
                fontsize=7.5, color=looks[r["series"]]["color"], weight="bold",
            )  # fmt: skip
        ax.set_title(MODEL_LABELS[model])
        log_axis(ax, "x", [10, 100, 1000, 10_000], "{:,}")
        ax.set_xlim(3, 100_000)
        ax.set_ylim(0, 112)
        ax.set_yticks([0, 25, 50, 75, 100])
        ax.tick_params(axis="x", labelsize=7.5)
        ax.yaxis.set_major_formatter(PERCENT)
        ax.grid(axis="both")
    axes[0, 0].set_xlabel("Innocent people per thousand searches (logarithmic)", loc="left")
    return fig


def title_tradeoff() -> str:
    """What the figure of rules shows, true by construction."""
    return "A strict rule names fewer innocent people and misses more of the people sought"


def caption_tradeoff() -> str:
    """Caption of the figure of rules."""
    gone = c.misses().query("list_size == @LISTS[-1] and mean == 0")
    dropped = ", ".join(
        f"{MODEL_LABELS[r['model']]} at {RULES[r['rule']]} ({percent(1 - r['fnir'], 0)} found)"
        for _, r in gone.iterrows()
    )
    tail = f" Nobody is listed, and no point drawn, for {dropped}." if dropped else ""
    return (
        "Across: innocent people listed when the person sought is not enrolled. Up: people on the "
        "list when they are, with 95 % Wilson intervals. Circles, named at the top: lists of "
        f"that length without a threshold. Squares: at most {LISTS[-1]} faces, cut off at the "
        f"library default or at a calibrated FMR.{tail}"
    )


def alt_tradeoff() -> str:
    """What the figure of rules shows."""
    parts = []
    for m in PRIMARY_MODELS:
        rows = pd.concat([_at("none"), _at(STRICT)]).query("model == @m")
        parts.append(
            f"{MODEL_LABELS[m]}: "
            + ", ".join(
                f"{RULES[r['rule']]} {number(r['mean'])} innocent and "
                f"{percent(1 - r['fnir'], 0)} found"
                for _, r in rows.iterrows()
            )
        )
    return (
        "Two lines of points in each of three panels, innocent people listed against people found. "
        f"On lists of {LIST}: {'; '.join(parts)}."
    )


def show_rules() -> pd.DataFrame:
    """Every rule on lists of LIST: FPIR, innocent people, FNIR."""
    table = c.misses().query("list_size == @LIST")
    return pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Rule": table["rule"].map(RULES),
            "Threshold": table["threshold"].map(lambda t: "–" if math.isnan(t) else f"{t:.4f}"),
            "FPIR": [
                "1, by definition"
                if r["rule"] == "none"
                else numbers.rate(r["any"], r["searched"], r["fpir_low"], r["fpir_high"])
                for _, r in table.iterrows()
            ],
            "Missed (FNIR)": table.apply(_fnir, axis=1),
        }
    )


def words_rules() -> str:
    """What a strict rule does, in words."""
    strict, loose = _at(STRICT), _at("none")
    hardest = _at("fmr:1e-06")
    return (
        f"Cutting the list of {LIST} at an FMR of {_rule_number(STRICT)} takes the innocent people "
        f"from {number(LIST * THOUSAND)} to {each(strict, _mean)} per thousand searches, "
        f"and the misses from {each(loose, lambda r: percent(r['fnir']))} to "
        f"{each(strict, lambda r: percent(r['fnir']))}. At {_rule_number('fmr:1e-06')}, "
        f"{each(hardest, lambda r: percent(r['fnir']))} are missed. The rates were calibrated on "
        "former legislators, and Facenet's strict ones rest on few people with poor portraits: its "
        "thresholds are stricter on modern portraits than their names say. So a strict rule is no "
        "free safeguard. It is a choice between two errors, and it can only be made by someone who "
        "knows both rates for the software, the photographs and the gallery in use."
    )


def _mean(row) -> str:
    return number(row["mean"])
