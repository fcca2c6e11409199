"""The tables behind notebook 08, from what ships (made by `make`)."""

from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from helpers.experiments.how_good_is_the_photo.make import (
    EYES,
    FACE_PER_EYES,
    LEVELS,
    ROWS,
    SCALED,
    SUMMARY,
    UNDEGRADED,
    conditions,
    thresholds,
)
from helpers.faces import enrolment
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import congress_test, shipping
from helpers.protocol.policy import ACLU_COUNT
from helpers.show.numbers import p_text, signed
from helpers.sources import groups
from helpers.statistics import exact_tests, intervals
from helpers.statistics.paired import gap_change, paired_change
from helpers.statistics.rates import at_or_below, threshold_for_count


@cache
def results() -> pd.DataFrame:
    """What ships, with the members' labels: one row a member, condition and model.

    Columns probe_id, kind, level, model, enrolled, at_28, at_default, at_fmr_1e_4 (falsely matched
    at that threshold), legislators, genuine, rank (see `search_one`), missed_28 and so on (the
    member's second portrait is not returned; missing without one), at_legislators and
    missed_legislators (the threshold that flags 28 undegraded in that gallery), of_colour, group,
    gender.
    """
    table = pd.read_parquet(DATA / "results" / ROWS)
    people = congress_test.people_searched().set_index("member_id")
    for column in ("of_colour", "group", "gender"):
        table[column] = table["probe_id"].map(people[column])
    for model in PRIMARY_MODELS:
        mine = table["model"] == model
        limits = thresholds(model)
        for column, limit in limits.items():
            missed = _missed(table.loc[mine, "genuine"], limit)
            table.loc[mine, column.replace("at_", "missed_")] = missed
        near = table.loc[mine, "legislators"]
        limit = threshold_for_count(near[table["kind"] == UNDEGRADED], ACLU_COUNT).threshold
        table.loc[mine, "at_legislators"] = at_or_below(near, limit)
        table.loc[mine, "missed_legislators"] = _missed(table.loc[mine, "genuine"], limit)
    return table.astype({"at_legislators": bool})


def _missed(genuine: pd.Series, limit: float) -> pd.Series:
    """1.0 where the own second portrait lies beyond the threshold, NaN where there is none."""
    beyond = ~at_or_below(genuine.fillna(np.inf), limit)
    return pd.Series(beyond, index=genuine.index, dtype=float).mask(genuine.isna())


def eye_distances() -> pd.DataFrame:
    """Pixels between the eyes of each portrait with a face: columns published and scaled."""
    faces = enrolment.read_faces(shipping.faces_path("probes", PRIMARY_MODELS[0]))
    x, y = (faces[f"left_eye_{a}"] - faces[f"right_eye_{a}"] for a in "xy")
    eyes = pd.Series(np.hypot(x, y))
    factor = EYES * FACE_PER_EYES / faces["face_size"].astype(float)
    return pd.DataFrame({"published": eyes, "scaled": eyes * factor})


def summary() -> pd.DataFrame:
    """The threshold-free scores that ship, see `summarise`; one row a condition and model.

    Also auc_holm_p: of the change of the AUC, from its normal interval, Holm-adjusted.
    """
    table = pd.read_csv(DATA / "results" / SUMMARY)
    error = (table["auc_change_high"] - table["auc_change_low"]) / (2 * stats.norm.ppf(0.975))
    with np.errstate(invalid="ignore"):
        table["auc_p"] = 2 * stats.norm.sf(np.abs(table["auc_change"] / error))
    return _holm(table, "auc_p", "auc_holm_p")


def _each_condition(function) -> pd.DataFrame:
    """`function(rows, undegraded rows)` -> a dict, for each condition and model: one row each."""
    rows = []
    for model in PRIMARY_MODELS:
        mine = results().query("model == @model")
        parts = dict(iter(mine.groupby(["kind", "level"], sort=False)))
        before = parts[(UNDEGRADED, 0.0)]
        for kind, level in conditions():
            head = {"kind": kind, "level": level, "model": model}
            rows.append(head | function(parts[(kind, level)], before))
    return pd.DataFrame(rows)


@cache
def overall(policy: str = "28") -> pd.DataFrame:
    """FPIR, FNIR and failures to enrol of all members: one row a condition and model.

    policy: "28", "default", "fmr_1e_4", or "legislators" (28 flagged in that gallery).
    Columns kind, level, model; failed, searched, fte, .. (Wilson); flagged, fpir, fpir_low,
    fpir_high, fpir_enrolled (failures left out); change, change_low, change_high, gained, lost, p
    (paired with the undegraded portrait); missed, mates, fnir, .., fnir_enrolled, beyond_rank_1
    (the second portrait is not the nearest), fnir_change, .. (paired). A failure to enrol is no
    match and a miss.
    """

    def rates_of(rows, before):
        n, enrolled = len(rows), rows["enrolled"].to_numpy()
        flagged = rows[f"at_{policy}"].to_numpy()
        paired = paired_change(before[f"at_{policy}"], flagged)
        mates = rows["genuine"].notna().to_numpy()
        missed = rows[f"missed_{policy}"][mates].to_numpy(dtype=bool)
        misses = paired_change(before[f"missed_{policy}"][mates.tolist()], missed)
        ranked = rows["rank"][mates].to_numpy()
        result: dict = {"searched": n, "mates": int(mates.sum())}
        for name, rate, k, m in (
            ("failed", "fte", int((~enrolled).sum()), n),
            ("flagged", "fpir", int(flagged.sum()), n),
            ("missed", "fnir", int(missed.sum()), len(missed)),
        ):
            low, high = intervals.wilson(k, m)
            result |= {name: k, rate: k / m, f"{rate}_low": low, f"{rate}_high": high}
        return result | {
            "fpir_enrolled": flagged.sum() / max(enrolled.sum(), 1),
            "fnir_enrolled": missed[enrolled[mates]].mean() if enrolled[mates].any() else np.nan,
            "beyond_rank_1": int((ranked != 1).sum()),
            **{k: getattr(paired, k) for k in ("change", "gained", "lost", "p")},
            "change_low": paired.low,
            "change_high": paired.high,
            "fnir_change": misses.change,
            "fnir_change_low": misses.low,
            "fnir_change_high": misses.high,
            "fnir_p": misses.p,
        }

    table = _each_condition(rates_of)
    return _holm(_holm(table, "p", "holm_p"), "fnir_p", "fnir_holm_p")


def _holm(table: pd.DataFrame, p: str, name: str) -> pd.DataFrame:
    """Holm's adjustment over all degradations and models together."""
    tested = ~table["kind"].isin([UNDEGRADED, SCALED])
    return table.assign(**{name: exact_tests.holm(table.loc[tested, p]).reindex(table.index)})


@cache
def gaps(outcome: str = "at_28", group: str = groups.COLOUR) -> pd.DataFrame:
    """Members of colour, or one recorded group of them, against white members.

    outcome: a column of `results` ("at_28", "missed_28", "failed"); members for whom it is missing
    are left out. One row a condition and model: kind, level, model; k1, n1 (of the group), k0, n0
    (white); change1, low1, high1, change0, .. (paired with the undegraded portrait); ratio,
    ratio_low, ratio_high (Miettinen-Nurminen); gap_change, ..; within, .. (the same within recorded
    gender), within_p, within_holm_p.
    """

    def compare(rows, before):
        after, earlier = _outcome(rows, outcome), _outcome(before, outcome)
        masks = groups.masks(rows["group"])
        some = after.notna().to_numpy() & (masks[group] | masks[groups.WHITE])
        after, earlier = (x.to_numpy()[some].astype(bool) for x in (after, earlier))
        colour, gender = rows["of_colour"].to_numpy()[some], rows["gender"].to_numpy()[some]
        result = {}
        for side, mask in (("1", colour), ("0", ~colour)):
            found = paired_change(earlier[mask], after[mask])
            result |= {f"k{side}": found.after, f"n{side}": found.n, f"change{side}": found.change}
            result |= {f"low{side}": found.low, f"high{side}": found.high}
        ratio, ratio_low, ratio_high = _risk_ratio(*(result[k] for k in ("k1", "n1", "k0", "n0")))
        whole = gap_change(earlier, after, colour)
        within = gap_change(earlier, after, colour, gender)
        return result | {
            "ratio": ratio,
            "ratio_low": ratio_low,
            "ratio_high": ratio_high,
            "gap_change": whole.change,
            "gap_low": whole.low,
            "gap_high": whole.high,
            "within": within.change,
            "within_low": within.low,
            "within_high": within.high,
            "within_p": within.p,
        }

    table = _each_condition(compare)
    return _holm(table, "within_p", "within_holm_p")


def _risk_ratio(k1, n1, k0, n0) -> tuple[float, float, float]:
    if k1 == n1 and k0 == n0:
        return 1.0, float("nan"), float("nan")  # everyone in both groups: the method has no bounds
    found = intervals.risk_ratio(k1, n1, k0, n0)
    return found.ratio, found.low, found.high


def _outcome(rows: pd.DataFrame, outcome: str) -> pd.Series:
    return (~rows["enrolled"]).astype(float) if outcome == "failed" else rows[outcome].astype(float)


@cache
def by_group(outcome: str = "at_28") -> pd.DataFrame:
    """Counts by recorded group: kind, level, model, group, count, n, before, change, low, high.

    Groups: every recorded one, members of colour, and these without Asian members.
    """
    rows = []
    for model in PRIMARY_MODELS:
        mine = results().query("model == @model")
        parts = dict(iter(mine.groupby(["kind", "level"], sort=False)))
        before = _outcome(parts[(UNDEGRADED, 0.0)], outcome).to_numpy()
        for kind, level in conditions():
            part = parts[(kind, level)]
            after = _outcome(part, outcome).to_numpy()
            for group, mask in groups.masks(part["group"]).items():
                here = mask & ~np.isnan(after)
                if not here.any():
                    continue
                found = paired_change(before[here], after[here])
                head = {"kind": kind, "level": level, "model": model, "group": group}
                counts = {"count": found.after, "n": found.n, "before": found.before}
                interval = {"change": found.change, "low": found.low, "high": found.high}
                rows.append(head | counts | interval)
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- as notebook 08 shows them

KINDS = {
    UNDEGRADED: "As published",
    SCALED: "Only scaled",
    "resolution": "Low resolution",
    "blur": "Blur",
    "jpeg": "Compression",
    "noise": "Noise",
    "dark": "Too dark",
    "bright": "Too bright",
    "cover": "Covered",
}
UNITS = {
    "resolution": "pixels between the eyes, enlarged again",
    "blur": "standard deviation of a Gaussian, in pixels",
    "jpeg": "JPEG quality, 1 to 100",
    "noise": "standard deviation, in grey levels of 255",
    "dark": "stops of under-exposure; each halves the light",
    "bright": "stops of over-exposure; each doubles the light, white clips",
    "cover": "an opaque rectangle over a part of the face",
}
COVERED = {1: "mouth and chin", 2: "mask", 3: "eyes"}
STRENGTHS = {1: ("strong",), 2: ("mild", "strong"), 3: ("mild", "medium", "strong")}
OUTCOMES = {"fpir": "falsely matched", "fnir": "not found"}


def strength(kind: str, level: float) -> str:
    """A level in a word: mild, medium, strong, or what is covered; none of an undegraded photo."""
    if kind in (UNDEGRADED, SCALED):
        return ""
    levels = LEVELS[kind]
    if kind == "cover":
        return COVERED[int(level)]
    return STRENGTHS[len(levels)][levels.index(level)]


def photo(kind: str, level: float) -> str:
    """A condition as a row is named: "Blur, strong", "Covered, eyes", "As published"."""
    return ", ".join(t for t in (KINDS[kind], strength(kind, level)) if t)


def strong() -> list[tuple[str, float]]:
    """The published portraits, the strongest level of each kind, and each cover."""
    last = [(kind, float(v[-1])) for kind, v in LEVELS.items() if kind != "cover"]
    return [(UNDEGRADED, 0.0), *last, *(("cover", float(v)) for v in LEVELS["cover"])]


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """With the columns Photo and Program in front."""
    named = table.assign(
        Photo=[photo(k, v) for k, v in zip(table["kind"], table["level"], strict=True)],
        Program=table["model"].map(MODEL_LABELS),
    )
    return named[["Photo", "Program", *table.columns]]


def show_levels() -> pd.DataFrame:
    """What is done to the portraits: a row a kind, its levels from mild to strong."""
    rows = []
    for kind, levels in LEVELS.items():
        words = [COVERED[int(v)] if kind == "cover" else f"{v:g}" for v in levels]
        rows.append((KINDS[kind], UNITS[kind], ", ".join(words)))
    return pd.DataFrame(rows, columns=["Degradation", "Unit", "Levels, mild first"])


def show_sizes() -> pd.DataFrame:
    """Pixels between the eyes: of the published portraits, and of all once they are scaled."""
    eyes, scaled = (eye_distances()[column] for column in ("published", "scaled"))
    rows = [
        ("published portraits, median", eyes.median()),
        ("published portraits, 5 % have less", eyes.quantile(0.05)),
        ("published portraits, 5 % have more", eyes.quantile(0.95)),
        ("scaled portraits, median", scaled.median()),
    ]
    return pd.DataFrame(
        [(name, f"{value:.0f}") for name, value in rows],
        columns=["Portraits", "Pixels between the eyes"],
    )


def worse() -> pd.DataFrame:
    """False matches and misses at `strong`, for the figure: a row a photo, program and outcome."""
    table = _named(overall())
    table = table[table["Photo"].isin([photo(*condition) for condition in strong()])]
    counts = {"fpir": ("flagged", "searched"), "fnir": ("missed", "mates")}
    parts = []
    for rate, outcome in OUTCOMES.items():
        count, of = counts[rate]
        columns = {count: "count", of: "of", rate: "rate"}
        columns |= {f"{rate}_low": "low", f"{rate}_high": "high"}
        part = table[["Photo", "Program", *columns]].rename(columns=columns)
        parts.append(part.assign(outcome=outcome))
    order = ["outcome", "Photo", "Program", "count", "of", "rate", "low", "high"]
    return pd.concat(parts, ignore_index=True)[order]


def show_counts() -> pd.DataFrame:
    """Counts at 28 flagged: a row a photo, columns the programs' false matches and misses."""
    table = overall()
    labels = [MODEL_LABELS[m] for m in PRIMARY_MODELS]
    rows = []
    for kind, level in conditions():
        part = table[(table["kind"] == kind) & (table["level"] == level)].set_index("model")
        part = part.loc[list(PRIMARY_MODELS)]
        row = {"Photo": photo(kind, level), "No face found": part["failed"].iloc[0]}
        for heading, column in zip(OUTCOMES.values(), ("flagged", "missed"), strict=True):
            row |= {f"{n}: {heading}": k for n, k in zip(labels, part[column], strict=True)}
        rows.append(row)
    return pd.DataFrame(rows)


SIGNIFICANT = 0.05


def moved(policy: str = "28") -> pd.DataFrame:
    """Degradations that change the false matches by more than chance: Holm p below SIGNIFICANT."""
    table = overall(policy)
    return table[table["holm_p"] < SIGNIFICANT]


def show_moved() -> pd.DataFrame:
    """Those changes at 28 flagged, in words and numbers."""
    table = _named(moved())
    changes = table[["change", "change_low", "change_high"]].to_numpy()
    return _exchanged(table).assign(
        **{
            "Change, points (95 % interval)": [_points(*row) for row in changes],
            "Holm p": table["holm_p"].map(p_text),
        }
    )


def show_scaled() -> pd.DataFrame:
    """What scaling alone does at 28 flagged."""
    return _exchanged(_named(overall().query("kind == @SCALED")))


def _exchanged(table: pd.DataFrame) -> pd.DataFrame:
    """Members falsely matched, and who came and went against the published portraits."""
    names = {"flagged": "Falsely matched", "gained": "New", "lost": "No longer"}
    return table[["Program", "Photo", *names]].rename(columns=names)


def tallies() -> pd.DataFrame:
    """How many degradations change something by more than chance: a row a threshold and program."""
    names = {"28": "28 flagged", "default": "library default", "fmr_1e_4": "FMR 1e-4"}
    names |= {"legislators": "28 flagged, former legislators"}
    rows = []
    for policy, name in names.items():
        for label, models in [
            *((MODEL_LABELS[m], [m]) for m in PRIMARY_MODELS),
            ("All programs", list(PRIMARY_MODELS)),
        ]:
            table = overall(policy)
            table = table[table["model"].isin(models) & table["holm_p"].notna()]
            rows.append((name, label, *_more_and_fewer(table), len(table)))
    headings = [f"{what}: {how}" for what in OUTCOMES.values() for how in ("more", "fewer")]
    return pd.DataFrame(rows, columns=["Threshold", "Program", *headings, "Degradations tested"])


def _more_and_fewer(table: pd.DataFrame) -> list[int]:
    """False matches more and fewer, members not found more and fewer, by more than chance."""
    return [
        int(((table[p] < SIGNIFICANT) & (sign * table[change] > 0)).sum())
        for change, p in (("change", "holm_p"), ("fnir_change", "fnir_holm_p"))
        for sign in (1, -1)
    ]


def _points(change, low, high) -> str:
    change, low, high = (signed(100 * value, 1) for value in (change, low, high))
    return f"{change} ({low} to {high})"


def sides() -> pd.DataFrame:
    """Members of colour and white members falsely matched, for the figure: a row each."""
    table = _named(gaps())
    parts = []
    for side, name in (("1", groups.COLOUR), ("0", "White members")):
        count, of = table[f"k{side}"], table[f"n{side}"]
        low, high = intervals.wilson(count.to_numpy(), of.to_numpy())
        part = table[["Photo", "Program"]].assign(Group=name, count=count, of=of, rate=count / of)
        parts.append(part.assign(low=low, high=high))
    return pd.concat(parts, ignore_index=True)


def show_gaps() -> pd.DataFrame:
    """How the gap within recorded gender changes, a row a condition and program, degraded ones."""
    table = _named(gaps())
    table = table[table["within_holm_p"].notna()]
    scores = summary().set_index(["kind", "level", "model"])
    auc = scores.loc[list(zip(table["kind"], table["level"], table["model"], strict=True))]
    return pd.DataFrame(
        {
            "Program": table["Program"],
            "Photo": table["Photo"],
            "Of colour": [f"{k} of {n}" for k, n in table[["k1", "n1"]].to_numpy()],
            "White": [f"{k} of {n}" for k, n in table[["k0", "n0"]].to_numpy()],
            "Change of the gap, points (95 % interval)": [
                _points(*row) for row in table[["within", "within_low", "within_high"]].to_numpy()
            ],
            "Holm p": table["within_holm_p"].map(p_text),
            "AUC": [f"{v:.2f}" for v in auc["auc"]],
            "Change of the AUC": [
                f"{signed(a)} ({signed(b)} to {signed(c)})"
                for a, b, c in auc[["auc_change", "auc_change_low", "auc_change_high"]].to_numpy()
            ],
        }
    ).sort_values("Program", kind="stable", key=lambda p: p.map(_order))


def _order(label: str) -> int:
    return [MODEL_LABELS[m] for m in PRIMARY_MODELS].index(label)


def show_parts() -> pd.DataFrame:
    """Falsely matched at 28 flagged by recorded group on `strong` portraits: counts."""
    return _by_group("at_28", strong(), PRIMARY_MODELS)


def show_no_face() -> pd.DataFrame:
    """Members without a usable face by recorded group, and Black against white members.

    Rows: `strong`. Detection is shared, so one model's rows stand for all. The last columns: exact
    p within recorded gender, Holm-adjusted over all degradations.
    """
    table = _by_group("failed", strong(), PRIMARY_MODELS[:1]).drop(columns="Program")
    for heading, group in (("of colour", groups.COLOUR), ("Black", "Black")):
        p = no_face(group).set_index("Photo")["holm_p"]
        table[f"Holm p, {heading} and white"] = p.reindex(table["Photo"]).map(p_text).to_numpy()
    return table


def no_face(group: str) -> pd.DataFrame:
    """Members of a group and white members without a usable face, a row a degradation.

    Columns Photo, k1, n1, k0, n0, holm_p (exact, within recorded gender, Holm over degradations).
    """
    table = _named(gaps("failed", group)).query("model == @PRIMARY_MODELS[0]")
    table = table[~table["kind"].isin([UNDEGRADED, SCALED])]
    table = table.assign(holm_p=exact_tests.holm(table["within_p"]))
    return table[["Photo", "k1", "n1", "k0", "n0", "holm_p"]]


def _by_group(outcome: str, wanted: list, models) -> pd.DataFrame:
    table = _named(by_group(outcome))
    names = [photo(*condition) for condition in wanted]
    table = table[table["Photo"].isin(names) & table["model"].isin(models)]
    sizes = {g: f"{g} ({n})" for g, n in table.drop_duplicates("group")[["group", "n"]].to_numpy()}
    wide = table.assign(column=table["group"].map(sizes)).pivot(
        index=["Program", "Photo"], columns="column", values="count"
    )
    order = [(MODEL_LABELS[m], name) for m in models for name in names]
    return wide.loc[order, list(sizes.values())].rename_axis(columns=None).reset_index()
