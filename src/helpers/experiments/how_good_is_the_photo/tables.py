"""The tables behind notebook 08, from what ships (made by `make`)."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.how_good_is_the_photo import make
from helpers.experiments.how_good_is_the_photo.make import SCALED, UNDEGRADED, conditions
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import congress_test
from helpers.protocol.policy import ACLU_COUNT
from helpers.show.numbers import p_text, signed
from helpers.sources import groups
from helpers.statistics import exact_tests, intervals
from helpers.statistics.paired import gap_change, paired_change
from helpers.statistics.rates import at_or_below, threshold_for_count

SIGNIFICANT = 0.05  # after Holm


@cache
def results() -> pd.DataFrame:
    """What ships, with the members' labels: one row a member, condition and model.

    Columns probe_id, kind, level, model, enrolled, at_28, at_default, at_fmr_1e_4 (falsely matched
    at that threshold), legislators, genuine, rank (see `search_one`), missed_28 and so on (the
    member's second portrait is not returned; missing without one), at_legislators and
    missed_legislators (the threshold that flags 28 undegraded in that gallery), failed, of_colour,
    group, gender.
    """
    table = pd.read_parquet(DATA / "results" / make.ROWS)
    people = congress_test.people_searched().set_index("member_id")
    for column in ("of_colour", "group", "gender"):
        table[column] = table["probe_id"].map(people[column])
    for model in PRIMARY_MODELS:
        mine = table["model"] == model
        genuine, near = table.loc[mine, "genuine"], table.loc[mine, "legislators"]
        former = threshold_for_count(near[table["kind"] == UNDEGRADED], ACLU_COUNT).threshold
        table.loc[mine, "at_legislators"] = at_or_below(near, former)
        for column, limit in (make.thresholds(model) | {"at_legislators": former}).items():
            beyond = pd.Series(~at_or_below(genuine.fillna(np.inf), limit), genuine.index, float)
            table.loc[mine, column.replace("at_", "missed_")] = beyond.mask(genuine.isna())
    return table.astype({"at_legislators": bool}).assign(failed=~table["enrolled"])


def _each_condition(function) -> pd.DataFrame:
    """`function(rows, undegraded rows)` -> a dict, for each condition and model: one row each."""
    rows = []
    for model in PRIMARY_MODELS:
        mine = results().query("model == @model")
        parts = dict(iter(mine.groupby(["kind", "level"], sort=False)))
        before = parts[(UNDEGRADED, 0.0)]
        for kind, level in conditions():
            head: dict = {"Photo": photo(kind, level), "Program": MODEL_LABELS[model]}
            head |= {"kind": kind, "level": level, "model": model}
            rows.append(head | function(parts[(kind, level)], before))
    return pd.DataFrame(rows)


def _holm(table: pd.DataFrame, p: str, name: str) -> pd.DataFrame:
    """Holm's adjustment over all degradations and models together."""
    tested = ~table["kind"].isin([UNDEGRADED, SCALED])
    return table.assign(**{name: exact_tests.holm(table.loc[tested, p]).reindex(table.index)})


@cache
def overall(policy: str = "28") -> pd.DataFrame:
    """FPIR and FNIR of all members: one row a condition and model. A failure to enrol is no match
    and a miss.

    policy: "28", "default", "fmr_1e_4", or "legislators" (28 flagged in that gallery).
    Columns Photo, Program, kind, level, model; failed, searched; flagged, fpir, change, change_low,
    change_high, gained, lost, holm_p (paired with the undegraded portrait); missed, mates, fnir,
    fnir_change, fnir_holm_p (the same of those with a second portrait).
    """

    def rates_of(rows, before):
        mates = rows["genuine"].notna().to_numpy()
        false = paired_change(before[f"at_{policy}"], rows[f"at_{policy}"])
        was, missed = (t[f"missed_{policy}"][mates].astype(bool) for t in (before, rows))
        miss = paired_change(was, missed)
        found: dict = {"failed": int(rows["failed"].sum()), "searched": false.n}
        found |= {"flagged": false.after, "fpir": false.after / false.n}
        found |= {"change": false.change, "change_low": false.low, "change_high": false.high}
        found |= {"gained": false.gained, "lost": false.lost, "p": false.p}
        found |= {"missed": miss.after, "mates": miss.n}
        return found | {"fnir": miss.after / miss.n, "fnir_change": miss.change, "fnir_p": miss.p}

    table = _each_condition(rates_of)
    return _holm(_holm(table, "p", "holm_p"), "fnir_p", "fnir_holm_p")


@cache
def gaps(outcome: str = "at_28", group: str = groups.COLOUR) -> pd.DataFrame:
    """Members of colour, or one recorded group of them, against white members.

    outcome: a column of `results` without missing values. One row a condition and model: Photo,
    Program, kind, level, model; k1, n1 (of the group), k0, n0 (white); change, low, high, p: of the
    gap, within recorded gender, against the undegraded portraits; holm_p.
    """

    def compare(rows, before):
        masks = groups.masks(rows["group"])
        some = masks[group] | masks[groups.WHITE]
        after, earlier = (table[outcome].to_numpy(dtype=bool)[some] for table in (rows, before))
        colour, gender = rows["of_colour"].to_numpy()[some], rows["gender"].to_numpy()[some]
        result = {"k1": after[colour].sum(), "n1": colour.sum()}
        result |= {"k0": after[~colour].sum(), "n0": (~colour).sum()}
        within = gap_change(earlier, after, colour, gender)
        return result | {k: getattr(within, k) for k in ("change", "low", "high", "p")}

    return _holm(_each_condition(compare), "p", "holm_p")


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
STRENGTHS = {2: ("mild", "strong"), 3: ("mild", "medium", "strong")}
OUTCOMES = {"fpir": "falsely matched", "fnir": "not found"}


def photo(kind: str, level: float) -> str:
    """A condition as a row is named: "Blur, strong", "Covered, eyes", "As published"."""
    if kind in (UNDEGRADED, SCALED):
        return KINDS[kind]
    levels = make.LEVELS[kind]
    strength = STRENGTHS[len(levels)][levels.index(level)]
    return f"{KINDS[kind]}, {COVERED[int(level)] if kind == 'cover' else strength}"


def strong() -> list[str]:
    """The published portraits, the strongest level of each kind, and each cover."""
    last = [photo(kind, v[-1]) for kind, v in make.LEVELS.items() if kind != "cover"]
    return [photo(UNDEGRADED, 0), *last, *(photo("cover", v) for v in make.LEVELS["cover"])]


def show_levels() -> pd.DataFrame:
    """What is done to the portraits: a row a kind, its levels from mild to strong."""
    rows = []
    for kind, levels in make.LEVELS.items():
        words = [COVERED[int(v)] if kind == "cover" else f"{v:g}" for v in levels]
        rows.append((KINDS[kind], UNITS[kind], ", ".join(words)))
    return pd.DataFrame(rows, columns=["Degradation", "Unit", "Levels, mild first"])


def worse() -> pd.DataFrame:
    """False matches and misses at `strong`, for the figure: a row a photo, program and outcome."""
    table = overall()[overall()["Photo"].isin(strong())]
    parts = []
    for rate, count, of in (("fpir", "flagged", "searched"), ("fnir", "missed", "mates")):
        part = table[["Photo", "Program"]].assign(outcome=OUTCOMES[rate])
        part = part.assign(count=table[count], of=table[of])
        low, high = intervals.wilson(part["count"], part["of"])
        parts.append(part.assign(rate=table[rate], low=low, high=high))
    order = ["outcome", "Photo", "Program", "count", "of", "rate", "low", "high"]
    return pd.concat(parts, ignore_index=True)[order]


def show_counts() -> pd.DataFrame:
    """Counts at 28 flagged: a row a photo, columns the programs' false matches and misses."""
    wide = overall().pivot(index="Photo", columns="Program", values=["flagged", "missed", "failed"])
    wide = wide.loc[[photo(*condition) for condition in conditions()]]
    labels = [MODEL_LABELS[m] for m in PRIMARY_MODELS]
    shown = {"No face found": wide["failed"][labels[0]]}
    for heading, column in zip(OUTCOMES.values(), ("flagged", "missed"), strict=True):
        shown |= {f"{name}: {heading}": wide[column][name] for name in labels}
    return pd.DataFrame(shown).reset_index()


def moved(policy: str = "28") -> pd.DataFrame:
    """Degradations that change the false matches by more than chance: Holm p below SIGNIFICANT."""
    table = overall(policy)
    return table[table["holm_p"] < SIGNIFICANT]


def show_moved() -> pd.DataFrame:
    """Those changes at 28 flagged, in words and numbers; before them what scaling alone does."""
    table = pd.concat([overall().query("kind == @SCALED"), moved()])
    names = {"flagged": "Falsely matched", "gained": "New", "lost": "No longer"}
    shown = table[["Program", "Photo", *names]].rename(columns=names)
    ends = table[["change", "change_low", "change_high"]].to_numpy()
    shown["Change, points (95 % interval)"] = [_points(*row) for row in ends]
    return shown.assign(**{"Holm p": table["holm_p"].map(p_text)})


def tallies() -> pd.DataFrame:
    """How many degradations change something by more than chance: a row a threshold and program."""
    names = {"28": "28 flagged", "default": "library default", "fmr_1e_4": "FMR 1e-4"}
    names |= {"legislators": "28 flagged, former legislators"}
    rows = []
    for policy, name in names.items():
        tested = overall(policy).query("holm_p.notna()", engine="python")
        parts = {MODEL_LABELS[m]: tested[tested["model"] == m] for m in PRIMARY_MODELS}
        for label, table in (parts | {"All programs": tested}).items():
            clear = [
                int(((table[p] < SIGNIFICANT) & (sign * table[change] > 0)).sum())
                for change, p in (("change", "holm_p"), ("fnir_change", "fnir_holm_p"))
                for sign in (1, -1)
            ]
            rows.append((name, label, *clear, len(table)))
    headings = [f"{what}: {how}" for what in OUTCOMES.values() for how in ("more", "fewer")]
    return pd.DataFrame(rows, columns=["Threshold", "Program", *headings, "Degradations tested"])


def _points(change, low, high) -> str:
    change, low, high = (signed(100 * value, 1) for value in (change, low, high))
    return f"{change} ({low} to {high})"


def show_gaps() -> pd.DataFrame:
    """How the gap within recorded gender changes, a row a condition and program, degraded ones."""
    table = gaps()[gaps()["holm_p"].notna()]
    changes = [_points(*row) for row in table[["change", "low", "high"]].to_numpy()]
    shown = {
        "Program": table["Program"],
        "Photo": table["Photo"],
        "Of colour": [f"{k} of {n}" for k, n in table[["k1", "n1"]].to_numpy()],
        "White": [f"{k} of {n}" for k, n in table[["k0", "n0"]].to_numpy()],
        "Change of the gap, points (95 % interval)": changes,
        "Holm p": table["holm_p"].map(p_text),
    }
    return pd.DataFrame(shown)


def no_face(group: str) -> pd.DataFrame:
    """`gaps` of the failures to enrol, a row a photo: detection is shared, so one model stands for
    all, and Holm's adjustment is over the degradations alone."""
    table = gaps("failed", group).query("model == @PRIMARY_MODELS[0]")
    return _holm(table, "p", "holm_p").set_index("Photo")


def show_no_face() -> pd.DataFrame:
    """Members without a usable face by recorded group on `strong` photos, with exact p values."""
    rows = results().query("model == @PRIMARY_MODELS[0]")
    people = rows[rows["kind"] == UNDEGRADED]["group"]
    table = pd.DataFrame({"Photo": strong()})
    names = [photo(*c) for c in zip(rows["kind"], rows["level"], strict=True)]
    for group, mask in groups.masks(rows["group"]).items():
        lost = (rows["failed"] & mask).groupby(names).sum()
        n = groups.masks(people)[group].sum()
        table[f"{group} ({n})"] = lost[strong()].to_numpy()
    for heading, group in (("of colour", groups.COLOUR), ("Black", "Black")):
        p = no_face(group)["holm_p"][strong()]
        table[f"Holm p, {heading} and white"] = p.map(p_text).to_numpy()
    return table
