"""How often two open classifiers guess another gender than the one recorded: notebook 12.

`python -m helpers.rebuild.tables 12-what-gender-does-it-see` makes data/results/gender-members.csv
and gender-utkface.csv. It needs the portraits (`congress-test fetch`), the images of `utkface` and
their enrolled faces (`congress-test rebuild`), and a quarter of an hour on one core. Detection is
not repeated: boxes come from the face metadata.

The words: a guess is wrong when it differs from the label somebody recorded. Errors are counted
among faces that got a guess; where no face was found there is none.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.experiments.the_people.tables import MODEL
from helpers.faces import enrolment, gender_classifiers, pipelines, same_person
from helpers.faces.gender_classifiers import CLASSIFIERS
from helpers.paths import DATA
from helpers.protocol import shipping
from helpers.show import numbers
from helpers.show.numbers import p_text, percent
from helpers.sources import fetch, galleries, groups, published
from helpers.sources.groups import GROUPS, RACES
from helpers.sources.rosters import load_members
from helpers.statistics.exact_tests import fisher_exact, holm
from helpers.statistics.intervals import risk_ratio, wilson
from helpers.statistics.paired import PairedChange, paired_change
from helpers.statistics.rates import at_or_above

RESULTS = DATA / "results"
MEMBERS, STRANGERS = "gender-members.csv", "gender-utkface.csv"
PORTRAITS = {"probes": "first", "second-portraits": "second"}
DECIMALS = 4
GENDERS = ("female", "male")
WORDS = {"female": "Women", "male": "Men"}
# A guess is as confident as the larger of its two probabilities. One of 0.5 calls every face.
CONFIDENCES = (0.5, 0.6, 0.8, 0.9, 0.95, 0.99)
NO_FACE = "no face found"
# as in data/scores: in finer bands some strata hold fewer than 50 faces
OLDER = 35
BANDS = ["18-34", "35-75"]
# faceres' author calls "male" from here on: facial_analysis.py, `is_male`
HSE_MALE = 0.6


# ---------------------------------------------------------------- guessing, from the images


def make(out: Path = RESULTS, progress: bool = True) -> None:
    """Write gender-members.csv and gender-utkface.csv to `out`; deterministic."""
    out.mkdir(parents=True, exist_ok=True)
    table = pd.concat(
        [guess_portraits(dataset, progress=progress) for dataset in PORTRAITS], ignore_index=True
    )
    table.to_csv(out / MEMBERS, index=False)
    strata = strangers()
    guesses = guess_faces("utkface", list(strata.index), progress)
    count_guesses(guesses, strata).to_csv(out / STRANGERS, index=False)


def guess_portraits(dataset: str, ids=None, progress: bool = False) -> pd.DataFrame:
    """Every classifier's guess on portraits of members, all or those of some ids.

    Columns member_id, portrait ("first" | "second"), classifier, p_female (rounded; missing after a
    failure), failure (the reason; empty where there is a guess).
    """
    ids = list(fetch.load_manifest(dataset)["id"]) if ids is None else ids
    table = guess_faces(dataset, ids, progress).rename(columns={"id": "member_id"})
    table.insert(1, "portrait", PORTRAITS[dataset])
    return table


def guess_faces(dataset: str, ids, progress: bool = False) -> pd.DataFrame:
    """Guesses on the enrolled faces of a dataset: id, classifier, p_female, failure; sorted."""
    path = shipping.faces_path(dataset, MODEL)
    faces = enrolment.read_faces(path).set_index("id")
    reasons = enrolment.read_failures(path).set_index("id")["reason"]
    functions = {name: gender_classifiers.load(name) for name in CLASSIFIERS}
    rows = []
    files = fetch.local_files(dataset, ids)
    for file in tqdm(
        files.itertuples(), f"guess {dataset}", len(files), disable=not progress or None
    ):
        if file.id not in faces.index:
            rows += [(file.id, name, np.nan, reasons[file.id]) for name in CLASSIFIERS]
            continue
        image, face = enrolment.read_image(file.path), _face(faces.loc[file.id])
        for name, guess in functions.items():
            rows.append((file.id, name, round(guess(image, face).p_female, DECIMALS), ""))
    return pd.DataFrame(rows, columns=["id", "classifier", "p_female", "failure"])


def _face(row) -> pipelines.Face:
    x, y, w, h = (int(row[c]) for c in ("box_x", "box_y", "box_w", "box_h"))
    return pipelines.Face((x, y, w, h), None, None, float(row["detector_score"]), np.empty(0))


def strangers() -> pd.DataFrame:
    """Adults of `utkface`, one face of each identity: gender, race, age_band by id.

    Of an identity cluster the face with the smallest id; all images in which no face was found.
    Raises ValueError if a stratum would hold fewer than `shipping.SMALLEST` faces.
    """
    labels = galleries.load_utkface().set_index("id")
    private = [shipping.load_dataset("utkface", m) for m in pipelines.PRIMARY_MODELS]
    clusters = same_person.identity_clusters(private)
    labels = labels[labels["adult"]]
    cluster = clusters.reindex(labels.index).fillna(labels.index.to_series())
    labels = labels[~cluster.sort_index().duplicated().reindex(labels.index)]
    band = np.where(labels["age"] < OLDER, *BANDS)
    strata = labels[["gender", "race"]].astype(str).assign(age_band=band).sort_index()
    if strata.groupby(list(strata)).size().min() < shipping.SMALLEST:
        raise ValueError("a stratum holds too few people to tell of")
    return strata


def count_guesses(guesses: pd.DataFrame, strata: pd.DataFrame) -> pd.DataFrame:
    """How many faces of each stratum got which guess, how confidently.

    guesses: as from `guess_faces`; strata: columns by id. Columns classifier, those of `strata`,
    guess ("female" | "male" | "no face found"), confidence (of CONFIDENCES, the largest reached;
    missing without a face), faces. Every combination that occurs, sorted.
    """
    called, reached = call(guesses["p_female"])
    table = guesses[["classifier"]].assign(guess=called.fillna(NO_FACE), confidence=reached)
    table = table.join(strata.reindex(guesses["id"]).set_index(table.index))
    columns = ["classifier", *strata, "guess", "confidence"]
    counts = table.groupby(columns, dropna=False, observed=True).size().rename("faces")
    return counts.reset_index()


def call(p_female: pd.Series) -> tuple[pd.Series, pd.Series]:
    """A guess and its confidence: "female" from 0.5 on, else "male"; missing without a guess.

    The confidence is rounded down to one of CONFIDENCES.
    """
    p = p_female.to_numpy(dtype=float)
    known = ~np.isnan(p)
    guess = pd.Series(np.where(p >= 0.5, *GENDERS), p_female.index).where(known)
    surer = np.round(np.maximum(p, 1 - p), DECIMALS)
    place = np.searchsorted(CONFIDENCES, np.where(known, surer, 1), side="right") - 1
    reached = pd.Series(np.asarray(CONFIDENCES)[place], p_female.index).where(known)
    return guess, reached


# ---------------------------------------------------------------- the members


@cache
def members() -> pd.DataFrame:
    """One row a portrait and classifier, with the roster's labels.

    Columns of gender-members.csv, then name, gender, group, of_colour, guess, confidence, guessed
    and wrong (bool; never wrong without a guess).
    """
    table = pd.read_csv(RESULTS / MEMBERS, dtype={"failure": str}, keep_default_na=False)
    table["p_female"] = pd.to_numeric(table["p_female"])
    kept = load_members()[["member_id", "name", "gender", "group", "of_colour"]]
    table = table.merge(kept, on="member_id", how="left", validate="many_to_one")
    table["guess"], table["confidence"] = call(table["p_female"])
    table["guessed"] = table["guess"].notna()
    table["wrong"] = table["guessed"] & table["guess"].ne(table["gender"])
    return table


def portraits(portrait: str = "first", classifier: str | None = None) -> pd.DataFrame:
    """The rows of `members` of one portrait, of one classifier or all; a copy."""
    table = members().query("portrait == @portrait")
    return (table if classifier is None else table.query("classifier == @classifier")).copy()


def member_cells() -> pd.DataFrame:
    """The cells in which members are counted, in order.

    Columns cell (its name), kind ("all" | "gender" | "group" | "intersection"), genders and groups
    (lists of the labels that belong to it).
    """
    colour = list(GROUPS[1:])
    sets = {
        "White": ["White"],
        "of colour": colour,
        "of colour, not Asian": [g for g in colour if g not in groups.ASIAN],
        **{group: [group] for group in colour},
    }
    rows = [("All", "all", list(GENDERS), list(GROUPS))]
    rows += [(word, "gender", [gender], list(GROUPS)) for gender, word in WORDS.items()]
    rows += [(_cell("Members", s), "group", list(GENDERS), groups) for s, groups in sets.items()]
    for gender, word in WORDS.items():
        rows += [(_cell(word, s), "intersection", [gender], groups) for s, groups in sets.items()]
    return pd.DataFrame(rows, columns=["cell", "kind", "genders", "groups"])


def _cell(word: str, group: str) -> str:
    """A cell's name: "Women of colour", "White women"."""
    return f"{word} {group}" if group.startswith("of ") else f"{group} {word.lower()}"


@cache
def member_errors(portrait: str = "first") -> pd.DataFrame:
    """Errors in every cell: classifier, cell, kind, wrong, n, rate, low, high (Wilson), failed."""
    rows = []
    for classifier in CLASSIFIERS:
        table = portraits(portrait, classifier)
        for cell in member_cells().itertuples():
            part = table[table["gender"].isin(cell.genders) & table["group"].isin(cell.groups)]
            n, wrong = int(part["guessed"].sum()), int(part["wrong"].sum())
            rows.append((classifier, cell.cell, cell.kind, wrong, n, len(part) - n))
    columns = ["classifier", "cell", "kind", "wrong", "n", "failed"]
    return _with_rates(pd.DataFrame(rows, columns=columns))


def _with_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Add rate, low, high (Wilson, 95 %) to columns wrong and n; missing where n is 0."""
    some = table["n"].to_numpy() > 0
    low, high = wilson(table["wrong"], table["n"])
    rate = table["wrong"] / table["n"].where(some)
    low, high = (np.where(some, bound, np.nan) for bound in (low, high))
    return table.assign(rate=rate, low=low, high=high)


def wrong_members() -> pd.DataFrame:
    """Every wrong guess on a member's portrait, surest first: the rows of `members`."""
    wrong = members()[members()["wrong"]]
    surer = np.maximum(wrong["p_female"], 1 - wrong["p_female"])
    return wrong.assign(surer=surer).sort_values(["surer", "member_id"], ascending=[False, True])


def two_portraits() -> pd.DataFrame:
    """Both guesses on members with two portraits, a row a classifier.

    Columns classifier, both (members), wrong_first, wrong_second, wrong_both, changed (the two
    guesses differ), apart (median absolute difference of p_female).
    """
    rows = []
    for classifier in CLASSIFIERS:
        first, second = (
            portraits(p, classifier).set_index("member_id").query("guessed")
            for p in PORTRAITS.values()
        )
        both = first.merge(second, on="member_id", suffixes=("", "_2"))
        rows.append(
            {
                "classifier": classifier,
                "both": len(both),
                "wrong_first": int(both["wrong"].sum()),
                "wrong_second": int(both["wrong_2"].sum()),
                "wrong_both": int((both["wrong"] & both["wrong_2"]).sum()),
                "changed": int(both["guess"].ne(both["guess_2"]).sum()),
                "apart": float((both["p_female"] - both["p_female_2"]).abs().median()),
            }
        )
    return pd.DataFrame(rows)


def paired_members() -> PairedChange:
    """The second classifier against the first on the same portraits; exploratory."""
    first, second = (
        portraits("first", c).set_index("member_id").query("guessed")["wrong"] for c in CLASSIFIERS
    )
    return paired_change(first, second.reindex(first.index))


@cache
def member_tests() -> pd.DataFrame:
    """Fisher's exact tests on the members, within each classifier, Holm over all of them.

    Columns classifier, comparison, wrong1, n1, wrong0, n0, p, holm_p. Women against men; members of
    colour against white members, among women and among men.
    """
    cells = member_errors().set_index(["classifier", "cell"])
    pairs = {
        "women against men": ("Women", "Men"),
        "women: of colour against White": ("Women of colour", "White women"),
        "men: of colour against White": ("Men of colour", "White men"),
    }
    rows = []
    for classifier in CLASSIFIERS:
        for name, (one, other) in pairs.items():
            a, b = cells.loc[(classifier, one)], cells.loc[(classifier, other)]
            counts = [int(v) for v in (a["wrong"], a["n"], b["wrong"], b["n"])]
            rows.append((classifier, name, *counts, fisher_exact(*counts)))
    columns = ["classifier", "comparison", "wrong1", "n1", "wrong0", "n0", "p"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(holm_p=holm(table["p"]))


# ---------------------------------------------------------------- the adults of utkface


@cache
def stranger_counts() -> pd.DataFrame:
    """gender-utkface.csv, with the bool column wrong (of a guess)."""
    table = pd.read_csv(RESULTS / STRANGERS)
    called = table["guess"].isin(GENDERS)
    return table.assign(guessed=called, wrong=called & table["guess"].ne(table["gender"]))


@cache
def stranger_errors(*by: str, threshold: float = CONFIDENCES[0]) -> pd.DataFrame:
    """Errors among the decided, by columns of the table (`by` may be empty), at a threshold.

    Columns classifier, those of `by`, faces (with a face found), n (decided: as confident as the
    threshold or more), wrong, rate, low, high (Wilson), undecided, share, share_low, share_high (of
    faces left undecided), failed (no face found).
    """
    table = stranger_counts()
    decided = table["guessed"] & at_or_above(table["confidence"], threshold)
    values = {
        "faces": table["faces"].where(table["guessed"], 0),
        "n": table["faces"].where(decided, 0),
        "wrong": table["faces"].where(decided & table["wrong"], 0),
        "failed": table["faces"].where(~table["guessed"], 0),
    }
    sums = table.assign(**values).groupby(["classifier", *by], sort=False)[list(values)].sum()
    sums = _with_rates(sums.astype(int).reset_index())
    return _with_undecided(_ordered(sums, list(by)))


def _with_undecided(table: pd.DataFrame) -> pd.DataFrame:
    undecided = table["faces"] - table["n"]
    low, high = wilson(undecided, table["faces"])
    share = undecided / table["faces"]
    return table.assign(undecided=undecided, share=share, share_low=low, share_high=high)


def _ordered(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    order = {"classifier": list(CLASSIFIERS), "gender": list(GENDERS), "race": list(RACES)}
    order |= {"age_band": BANDS}
    columns = ["classifier", *by]
    ranks = [table[c].map({v: i for i, v in enumerate(order[c])}) for c in columns]
    place = pd.concat(ranks, axis=1).set_axis(columns, axis=1).sort_values(columns).index
    return table.loc[place].reset_index(drop=True)


@cache
def stranger_ratios() -> pd.DataFrame:
    """Ratios of error rates by published label: score intervals and Fisher's p, Holm over all.

    Columns classifier, comparison, part, wrong1, n1, wrong0, n0, ratio, low, high, p, holm_p. Women
    against men, in all and within each published race; each race against White within gender.
    """
    cells = stranger_errors("gender", "race").set_index(["classifier", "gender", "race"])
    whole = stranger_errors("gender").set_index(["classifier", "gender"])
    rows = []

    def add(classifier, comparison, part, a, b):
        counts = [int(v) for v in (a["wrong"], a["n"], b["wrong"], b["n"])]
        found = risk_ratio(*counts)
        numbers = (found.ratio, found.low, found.high, fisher_exact(*counts))
        rows.append((classifier, comparison, part, *counts, *numbers))

    for c in CLASSIFIERS:
        add(c, "women to men", "All", whole.loc[(c, "female")], whole.loc[(c, "male")])
        for race in RACES:
            add(
                c,
                "women to men",
                race,
                cells.loc[(c, "female", race)],
                cells.loc[(c, "male", race)],
            )
        for gender, word in WORDS.items():
            for race in RACES[1:]:
                add(c, f"{word.lower()}, to White", race, cells.loc[(c, gender, race)],
                    cells.loc[(c, gender, "White")])  # fmt: skip
    columns = ["classifier", "comparison", "part", "wrong1", "n1", "wrong0", "n0"]
    table = pd.DataFrame(rows, columns=[*columns, "ratio", "low", "high", "p"])
    return table.assign(holm_p=holm(table["p"]))


def hse_rule(by: list[str]) -> pd.DataFrame:
    """faceres by its author's own rule, "male" from 0.6 on instead of 0.5, on `utkface`.

    Columns those of `by`, n, wrong (at 0.5), wrong_author, rate, rate_author. Faces between are
    called female: the guess "male" with a confidence below 0.6.
    """
    table = stranger_counts().query("classifier == 'faceres' and guessed")
    between = table["guess"].eq("male") & table["confidence"].lt(HSE_MALE)
    author = np.where(between, table["gender"].eq("male"), table["wrong"])
    values = {
        "n": table["faces"],
        "wrong": table["faces"] * table["wrong"],
        "wrong_author": table["faces"] * author,
    }
    sums = table.assign(**values).groupby(by)[list(values)].sum().astype(int).reset_index()
    rates = {"rate": sums["wrong"] / sums["n"], "rate_author": sums["wrong_author"] / sums["n"]}
    return sums.assign(**rates)


# ---------------------------------------------------------------- the confidence threshold


@cache
def member_curve(portrait: str = "first") -> pd.DataFrame:
    """Errors among the decided and share left undecided, by recorded gender and of colour or not.

    Columns as of `stranger_errors`, after classifier, gender, part ("all" | "of colour" |
    "White") and threshold.
    """
    table = portraits(portrait).query("guessed")
    colour = table["of_colour"].map({True: "of colour", False: "White"})
    table = pd.concat([table.assign(part="all"), table.assign(part=colour)])
    table = table.merge(pd.DataFrame({"threshold": CONFIDENCES}), how="cross")
    table["decided"] = at_or_above(table["confidence"], table["threshold"])
    table["wrong"] &= table["decided"]
    keys = ["classifier", "gender", "part", "threshold"]
    values = table[keys].assign(faces=1, n=table["decided"], wrong=table["wrong"])
    sums = values.groupby(keys).sum().astype(int).reset_index()
    return _with_undecided(_with_rates(_ordered(sums, ["gender"])))


def stranger_curve(*by: str) -> pd.DataFrame:
    """`stranger_errors` at every threshold, with the column threshold."""
    tables = [stranger_errors(*by, threshold=t).assign(threshold=t) for t in CONFIDENCES]
    return pd.concat(tables, ignore_index=True)


# ---------------------------------------------------------------- tables for readers

SMALL = 10  # members; no interval is shown for a cell of fewer
SHOWN = (0.5, 0.8, 0.9, 0.99)  # thresholds; the figure has all


def _wrong(row) -> str:
    return numbers.rate(int(row["wrong"]), int(row["n"]), row["low"], row["high"])


def _undecided(row) -> str:
    counts = int(row["undecided"]), int(row["faces"])
    return numbers.rate(*counts, row["share_low"], row["share_high"])


def _ratio_of(one, other, wrong: str = "wrong") -> str:
    found = risk_ratio(*(int(v) for v in (one[wrong], one["n"], other[wrong], other["n"])))
    return numbers.ratio(found.ratio, found.low, found.high)


def show_training() -> pd.DataFrame:
    """What the publishers say of the training, and what that means here."""
    table = published._read("gender_training.csv")
    columns = {"classifier": "Classifier", "what": "What", "statement": "As published or found"}
    return table.rename(columns=columns | {"status": "Status"})[[*columns.values(), "Status"]]


def published_errors() -> pd.DataFrame:
    """Published error rates of gender classification: study, system, people, error, status."""
    rows = []
    for row in published.published_results().itertuples():
        system, marker, people = row.quantity.partition(" gender-classification error ")
        if marker:
            rows.append((row.study, system, people, row.value, row.status))
    more = published._read("gender.csv")
    for row in more[more["quantity"].str.startswith("error ")].itertuples():
        rows.append((row.study, row.system, row.quantity[6:], row.value, row.status))
    table = pd.DataFrame(rows, columns=["study", "system", "people", "error", "status"])
    table["people"] = table["people"].str.removesuffix(" (share)").str.removeprefix("on ")
    table["error"] = table["error"].astype(float)
    return table.sort_values(["study", "people", "error"], ignore_index=True)


def show_published() -> pd.DataFrame:
    """Published errors, and below them ours on the members."""
    rows = [
        (r.study, r.system, "Pilot Parliaments", r.people, percent(r.error), r.status)
        for r in published_errors().itertuples()
    ]
    cells = member_errors().set_index(["classifier", "cell"])
    for name in CLASSIFIERS:
        for cell in ("All", "Women of colour", "White men"):
            ours = _wrong(cells.loc[(name, cell)])
            rows.append(("here", name, "US Congress", cell, ours, "computed"))
    columns = ["Study", "System", "Photographs", "People", "Error", "Status"]
    return pd.DataFrame(rows, columns=columns)


def show_members() -> pd.DataFrame:
    """Errors of both classifiers in every cell; an interval from SMALL members on."""
    cells = member_errors().set_index(["classifier", "cell"])
    rows = []
    for cell in member_cells()["cell"]:
        row = {"Members": "All members" if cell == "All" else cell}
        for name in CLASSIFIERS:
            found = cells.loc[(name, cell)]
            few = found["n"] < SMALL
            row[name] = f"{found['wrong']} of {found['n']}" if few else _wrong(found)
            row["No face"] = found["failed"]
        rows.append(row)
    return pd.DataFrame(rows)


def show_two_portraits() -> pd.DataFrame:
    """`two_portraits` for readers: a row a classifier."""
    table = two_portraits()
    columns = {
        "classifier": "Classifier",
        "both": "Members with two portraits",
        "wrong_first": "Wrong on the first",
        "wrong_second": "Wrong on the second",
        "wrong_both": "Wrong on both",
    }
    return table.rename(columns=columns)[list(columns.values())]


def strangers_drawn() -> pd.DataFrame:
    """Errors on the adults of `utkface` by published gender and race: the data of the figure."""
    table = stranger_errors("gender", "race")
    block = table["classifier"] + ", " + table["gender"].map(WORDS).str.lower()
    columns = ["classifier", "gender", "race", "wrong", "n", "rate", "low", "high", "failed"]
    return table[columns].assign(block=block)


def show_ratios() -> pd.DataFrame:
    """Ratios of error rates among the strangers, a row a comparison."""
    rows = []
    for (comparison, part), two in stranger_ratios().groupby(["comparison", "part"], sort=False):
        row = {"Comparison": comparison, "Published race": part}
        for r in two.to_dict("records"):
            row[r["classifier"]] = numbers.ratio(r["ratio"], r["low"], r["high"])
            row[f"p, {r['classifier']}"] = p_text(r["holm_p"])
        rows.append(row)
    return pd.DataFrame(rows)


def show_ages() -> pd.DataFrame:
    """Errors by published gender and age band among the strangers: a row a gender and band."""
    table = stranger_errors("gender", "age_band")
    table = table.assign(shown=[_wrong(row) for row in table.to_dict("records")])
    wide = table.pivot(index=["gender", "age_band"], columns="classifier", values="shown")
    wide = wide[list(CLASSIFIERS)].reset_index()
    wide["age_band"] = wide["age_band"].str.replace("-", " to ")
    wide["gender"] = wide["gender"].map(WORDS)
    return wide.rename(columns={"gender": "Strangers", "age_band": "Published age"})


@cache
def curves() -> pd.DataFrame:
    """Errors among the decided and share undecided of members and strangers, by gender."""
    members = member_curve().query("part == 'all'").assign(people="members")
    strangers = stranger_curve("gender").assign(people="strangers")
    columns = ["people", "classifier", "gender", "threshold", "faces", "n", "wrong", "rate", "low",
               "high", "undecided", "share", "share_low", "share_high"]  # fmt: skip
    return pd.concat([members, strangers], ignore_index=True)[columns]


def show_threshold() -> pd.DataFrame:
    """Errors among the decided and undecided at some thresholds, members and strangers."""
    rows = []
    for threshold in SHOWN:
        part = curves()[np.isclose(curves()["threshold"], threshold)]
        for (who, gender), two in part.groupby(["people", "gender"], sort=False):
            row = {"Threshold": f"{threshold:g}", "People": f"{who}, {WORDS[gender].lower()}"}
            for r in two.to_dict("records"):
                row[f"{r['classifier']}, wrong of decided"] = _wrong(r)
                all_decided = threshold == CONFIDENCES[0]
                text = "0, by design" if all_decided else _undecided(r)
                row[f"{r['classifier']}, undecided"] = text
            rows.append(row)
    return pd.DataFrame(rows)


def show_black_women() -> pd.DataFrame:
    """Women labelled Black against women labelled White among the strangers, by threshold."""
    table = stranger_curve("gender", "race").query("gender == 'female'")
    table = table.set_index(["classifier", "threshold", "race"])
    rows = []
    for name in CLASSIFIERS:
        for threshold in SHOWN:
            a, b = (table.loc[(name, threshold, race)] for race in ("Black", "White"))
            silent = percent(a["share"]), percent(b["share"])
            rows.append((name, f"{threshold:g}", _ratio_of(a, b), *silent))
    columns = ["Classifier", "Threshold", "Ratio of errors", "Black, undecided", "White, undecided"]
    return pd.DataFrame(rows, columns=columns)


def show_cut() -> pd.DataFrame:
    """faceres by the two rules for where "male" begins: errors of the strangers, and ratios."""
    both, races = hse_rule(["gender"]), hse_rule(["gender", "race"])
    both, races = both.set_index("gender"), races.set_index(["gender", "race"])
    rows = []
    for name, suffix in (("0.5, as the library", ""), (f"{HSE_MALE:g}, as its author", "_author")):
        women, men = (percent(both.loc[g, f"rate{suffix}"]) for g in GENDERS)
        black, white = (races.loc[("female", race)] for race in ("Black", "White"))
        ratio = _ratio_of(both.loc["female"], both.loc["male"], f"wrong{suffix}")
        rows.append((name, women, men, ratio, _ratio_of(black, white, f"wrong{suffix}")))
    columns = ["Male from", "Women wrong", "Men wrong", "Women to men"]
    return pd.DataFrame(rows, columns=[*columns, "Women, Black to White"])
