"""How often two open classifiers guess another gender than the recorded one: notebook 12.

Wrong is a guess that differs from the label; errors are counted among faces that got a guess.
`make` needs the images and enrolled faces of members and `utkface`, and a quarter of an hour.
"""

import itertools
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
from helpers.sources.groups import GENDERS, RACES
from helpers.sources.rosters import load_members
from helpers.statistics.exact_tests import fisher_exact, holm
from helpers.statistics.intervals import risk_ratio, wilson
from helpers.statistics.rates import at_or_above

RESULTS = DATA / "results"
MEMBERS, STRANGERS = "gender-members.csv", "gender-utkface.csv"
DECIMALS = 4
WORDS = {"female": "Women", "male": "Men"}
# A guess is as confident as the larger of its two probabilities. One of 0.5 calls every face.
CONFIDENCES = (0.5, 0.6, 0.8, 0.9, 0.95, 0.99)
SHOWN = (0.5, 0.8, 0.9, 0.99)  # in tables; the figure has all
NO_FACE = "no face found"
# as in data/scores: in finer bands some strata hold fewer than 50 faces
OLDER = 35
BANDS = ["18-34", "35-75"]
# where "male" begins; the second is that of faceres' author: facial_analysis.py, `is_male`
CUTS = {0.5: "0.5, as the library", 0.6: "0.6, as its author"}
SMALL = 10  # members; no interval is shown for a cell of fewer


def make(out: Path = RESULTS) -> None:
    """Write gender-members.csv and gender-utkface.csv to `out`; deterministic."""
    table = guess_faces("probes", list(fetch.load_manifest("probes")["id"]))
    table.rename(columns={"id": "member_id"}).to_csv(out / MEMBERS, index=False)
    strata = strangers()
    guesses = guess_faces("utkface", list(strata.index))
    count_guesses(guesses, strata).to_csv(out / STRANGERS, index=False)


def guess_faces(dataset: str, ids) -> pd.DataFrame:
    """Guesses on enrolled faces: id, classifier, p_female (NaN: failed), failure (the reason)."""
    path = shipping.faces_path(dataset, MODEL)
    faces = enrolment.read_faces(path).set_index("id")
    reasons = enrolment.read_failures(path).set_index("id")["reason"]
    functions = {name: gender_classifiers.load(name) for name in CLASSIFIERS}
    rows = []
    files = fetch.local_files(dataset, ids)
    bar = tqdm(files.itertuples(), f"guess {dataset}", len(files), disable=None)
    for file in bar:
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
    """Adults of `utkface`, the first face of each identity and all without one: labels by id.

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
    """Faces of each stratum by guess ("female", "male", NO_FACE) and confidence reached; sorted.

    Columns classifier, those of `strata` (by id), guess, confidence (NaN without a face), faces.
    """
    called, reached = call(guesses["p_female"])
    table = guesses[["classifier"]].assign(guess=called.fillna(NO_FACE), confidence=reached)
    table = table.join(strata.reindex(guesses["id"]).set_index(table.index))
    columns = ["classifier", *strata, "guess", "confidence"]
    counts = table.groupby(columns, dropna=False, observed=True).size().rename("faces")
    return counts.reset_index()


def call(p_female: pd.Series) -> tuple[pd.Series, pd.Series]:
    """ "female" from 0.5 on or "male", with its confidence (of CONFIDENCES, rounded down)."""
    p = p_female.to_numpy(dtype=float)
    known = ~np.isnan(p)
    guess = pd.Series(np.where(p >= 0.5, *GENDERS), p_female.index).where(known)
    surer = np.round(np.maximum(p, 1 - p), DECIMALS)
    place = np.searchsorted(CONFIDENCES, np.where(known, surer, 1), side="right") - 1
    reached = pd.Series(np.asarray(CONFIDENCES)[place], p_female.index).where(known)
    return guess, reached


@cache
def member_counts() -> pd.DataFrame:
    """A row a member and classifier: labels, guess, confidence, faces (1)."""
    table = pd.read_csv(RESULTS / MEMBERS)
    kept = load_members()[["member_id", "gender", "group"]]
    table = table.merge(kept, on="member_id", validate="many_to_one")
    guess, table["confidence"] = call(table["p_female"])
    return _in_order(table.assign(guess=guess.fillna(NO_FACE), faces=1))


@cache
def stranger_counts() -> pd.DataFrame:
    """gender-utkface.csv: faces by classifier, published labels, guess and confidence."""
    return _in_order(pd.read_csv(RESULTS / STRANGERS))


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """The labels as categories in the order in which they are shown."""
    orders = {"classifier": CLASSIFIERS, "gender": GENDERS, "race": RACES, "age_band": BANDS}
    kinds = {c: pd.CategoricalDtype(list(v)) for c, v in orders.items() if c in table}
    return table.astype(kinds)


def errors(table: pd.DataFrame, *by: str, threshold: float = CONFIDENCES[0]) -> pd.DataFrame:
    """Errors among the decided, by columns of the counts, at a threshold.

    Columns classifier, those of `by`, faces (with a face found), n (decided: as confident as the
    threshold or more), wrong, failed (no face found), rate, low, high (Wilson; missing where n is
    0), undecided, share, share_low, share_high (of faces left undecided).
    """
    found = table["guess"] != NO_FACE
    decided = found & at_or_above(table["confidence"], threshold)
    wrong = decided & (table["guess"] != table["gender"].astype(str))
    masks = {"faces": found, "n": decided, "wrong": wrong, "failed": ~found}
    values = {name: table["faces"].where(mask, 0) for name, mask in masks.items()}
    sums = table.assign(**values).groupby(["classifier", *by], observed=True)[list(masks)].sum()
    sums = sums.reset_index()
    some, undecided = sums["n"] > 0, sums["faces"] - sums["n"]
    low, high = (np.where(some, bound, np.nan) for bound in wilson(sums["wrong"], sums["n"]))
    sums = sums.assign(rate=sums["wrong"] / sums["n"].where(some), low=low, high=high)
    low, high = wilson(undecided, sums["faces"])
    share = undecided / sums["faces"]
    return sums.assign(undecided=undecided, share=share, share_low=low, share_high=high)


def stranger_errors(*by: str, threshold: float = CONFIDENCES[0]) -> pd.DataFrame:
    """`errors` on the adults of `utkface`."""
    return errors(stranger_counts(), *by, threshold=threshold)


@cache
def member_errors() -> pd.DataFrame:
    """`errors` on the members in every cell of recorded gender and group: cell, ..."""
    table = member_counts()
    masks = groups.masks(table["group"])
    order = (groups.WHITE, groups.COLOUR, groups.NOT_ASIAN, *groups.OF_COLOUR)
    cells = {"All members": table["faces"] > 0}
    cells |= {word: table["gender"] == gender for gender, word in WORDS.items()}
    for word, inside in [("Members", cells["All members"]), *list(cells.items())[1:]]:
        for group in order:
            of_colour = group.startswith(groups.COLOUR)
            name = group.replace("Members", word) if of_colour else f"{group} {word.lower()}"
            cells[name] = inside & masks[group]
    return pd.concat([errors(table[mask]).assign(cell=name) for name, mask in cells.items()])


@cache
def stranger_ratios() -> pd.DataFrame:
    """Ratios of error rates by published label: score intervals and Fisher's p, Holm over all.

    Columns classifier, comparison, part, wrong1, n1, wrong0, n0, ratio, low, high, p, holm_p. Women
    against men, in all and within each published race; each race against White within gender.
    """
    whole = stranger_errors("gender").assign(race="All")
    cells = pd.concat([whole, stranger_errors("gender", "race").astype({"race": str})])
    cells = cells.set_index(["classifier", "gender", "race"])[["wrong", "n"]]
    pairs = [("women to men", r, ("female", r), ("male", r)) for r in ("All", *RACES)]
    pairs += [
        (f"{word.lower()}, to White", race, (gender, race), (gender, "White"))
        for gender, word in WORDS.items()
        for race in RACES[1:]
    ]
    rows = []
    for name, (comparison, part, one, other) in itertools.product(CLASSIFIERS, pairs):
        counts = [int(v) for v in (*cells.loc[(name, *one)], *cells.loc[(name, *other)])]
        found = risk_ratio(*counts)
        p = fisher_exact(*counts)
        rows.append((name, comparison, part, *counts, found.ratio, found.low, found.high, p))
    columns = ["classifier", "comparison", "part", "wrong1", "n1", "wrong0", "n0"]
    table = pd.DataFrame(rows, columns=[*columns, "ratio", "low", "high", "p"])
    return table.assign(holm_p=holm(table["p"]))


def male_from(cut: float) -> pd.DataFrame:
    """faceres' counts of strangers if "male" begins at a confidence of `cut` instead of 0.5."""
    table = stranger_counts().query("classifier == 'faceres'")
    between = table["guess"].eq("male") & table["confidence"].lt(cut)
    return table.assign(guess=table["guess"].mask(between, "female"))


def curves() -> pd.DataFrame:
    """Errors among the decided and share undecided of members and strangers, by gender."""
    people = {"members": member_counts(), "strangers": stranger_counts()}
    parts = [
        errors(counts, "gender", threshold=t).assign(people=name, threshold=t)
        for name, counts in people.items()
        for t in CONFIDENCES
    ]
    first = ["people", "classifier", "gender", "threshold"]
    table = pd.concat(parts, ignore_index=True).drop(columns="failed")
    return table[[*first, *table.columns.difference(first, sort=False)]]


def _wrong(row) -> str:
    return numbers.rate(int(row["wrong"]), int(row["n"]), row["low"], row["high"])


def _undecided(row) -> str:
    counts = int(row["undecided"]), int(row["faces"])
    return numbers.rate(*counts, row["share_low"], row["share_high"])


def _ratio_of(one, other) -> str:
    found = risk_ratio(*(int(v) for v in (one["wrong"], one["n"], other["wrong"], other["n"])))
    return numbers.ratio(found.ratio, found.low, found.high)


def show_training() -> pd.DataFrame:
    """What the publishers say of the training, and what that means here."""
    table = published._read("gender_training.csv")
    columns = {"classifier": "Classifier", "what": "What", "statement": "As published or found"}
    return table.rename(columns=columns | {"status": "Status"})[[*columns.values(), "Status"]]


def show_members() -> pd.DataFrame:
    """Errors of both classifiers in every cell; an interval from SMALL members on."""
    table = member_errors()
    few = table["wrong"].astype(str) + " of " + table["n"].astype(str)
    shown = table.apply(_wrong, axis=1).where(table["n"] >= SMALL, few)
    rows = []
    for cell, part in table.assign(shown=shown).groupby("cell", sort=False):
        first, second = part["shown"]
        rows.append((cell, first, part["failed"].max(), second))
    one, other = CLASSIFIERS
    return pd.DataFrame(rows, columns=["Members", one, "No face", other])


def strangers_drawn() -> pd.DataFrame:
    """Errors on the adults of `utkface` by published gender and race: the data of the figure."""
    table = stranger_errors("gender", "race")
    table = table.astype(dict.fromkeys(("classifier", "gender", "race"), str))
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
    table = table.assign(shown=table.apply(_wrong, axis=1))
    wide = table.pivot(index=["gender", "age_band"], columns="classifier", values="shown")
    wide = wide.astype(object).reset_index().astype({"gender": str, "age_band": str})
    wide["age_band"] = wide["age_band"].str.replace("-", " to ")
    wide["gender"] = wide["gender"].map(WORDS)
    return wide.set_axis(["Strangers", "Published age", *CLASSIFIERS], axis=1)


def show_threshold() -> pd.DataFrame:
    """Errors among the decided and undecided at some thresholds, members and strangers."""
    rows = []
    table = curves()
    for threshold in SHOWN:
        part = table[np.isclose(table["threshold"], threshold)]
        for (who, gender), two in part.groupby(["people", "gender"], observed=True):
            row = {"Threshold": f"{threshold:g}", "People": f"{who}, {WORDS[gender].lower()}"}
            for r in two.to_dict("records"):
                row[f"{r['classifier']}, wrong of decided"] = _wrong(r)
                text = _undecided(r) if threshold > CONFIDENCES[0] else "0, by design"
                row[f"{r['classifier']}, undecided"] = text
            rows.append(row)
    return pd.DataFrame(rows)


def show_black_women() -> pd.DataFrame:
    """Women labelled Black against women labelled White among the strangers, by threshold."""
    rows = []
    for name, threshold in itertools.product(CLASSIFIERS, SHOWN):
        table = stranger_errors("gender", "race", threshold=threshold)
        table = table.set_index(["classifier", "gender", "race"]).loc[(name, "female")]
        a, b = table.loc["Black"], table.loc["White"]
        silent = percent(a["share"]), percent(b["share"])
        rows.append((name, f"{threshold:g}", _ratio_of(a, b), *silent))
    columns = ["Classifier", "Threshold", "Ratio of errors", "Black, undecided", "White, undecided"]
    return pd.DataFrame(rows, columns=columns)


def show_cut() -> pd.DataFrame:
    """faceres by the two rules for where "male" begins: errors of the strangers, and ratios."""
    rows = []
    for cut, name in CUTS.items():
        both = errors(male_from(cut), "gender").set_index("gender")
        races = errors(male_from(cut), "gender", "race").set_index(["gender", "race"])
        wrong = [percent(both.loc[g, "rate"]) for g in GENDERS]
        ratio = _ratio_of(*(both.loc[g] for g in GENDERS))
        black = _ratio_of(*(races.loc[("female", race)] for race in ("Black", "White")))
        rows.append((name, *wrong, ratio, black))
    columns = ["Male from", "Women wrong", "Men wrong", "Women to men", "Women, Black to White"]
    return pd.DataFrame(rows, columns=columns)
