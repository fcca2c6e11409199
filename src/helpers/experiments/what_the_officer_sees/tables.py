"""Candidate lists: whom a search returns, with and without a threshold.

Not enrolled: members searched among strangers. Enrolled: with their second portraits put in. What
ships are scores at four places of each list without the faces, too few to locate any one face.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces import collection, same_person
from helpers.faces.collection import Collection
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS, Configuration
from helpers.paths import DATA
from helpers.protocol import policy, scores, shipped, shipping
from helpers.show import numbers
from helpers.show.numbers import number, p_text
from helpers.show.style import GALLERY_LABELS
from helpers.sources import fetch, galleries, groups
from helpers.statistics import exact_tests, rates
from helpers.statistics.intervals import wilson
from helpers.statistics.stratified_exact import conditional_odds_ratio

LISTS = (1, 5, 10, 50)  # lengths of a candidate list
RESULTS = DATA / "results"
TABLE = "candidate-lists.csv"
# The rules a list can be cut off by, and their names. A calibrated FMR is the only open analogue of
# a strict rule; it is not Amazon's per cent.
RULES = {
    "none": "no threshold",
    "default": "library default",
    "fmr:0.0001": "loose threshold",
    "fmr:1e-05": "strict threshold",
    "fmr:1e-06": "strictest threshold",
}
THOUSAND = 1000


def lists(
    probes: Collection, second: Collection, strangers: Collection
) -> tuple[pd.DataFrame, np.ndarray]:
    """Search every probe among strangers, alone and with the second portraits enrolled as well.

    Returns a table with one row an enrolled probe: probe_id; stranger_1, .._5, .._10, .._50 (score
    of the stranger at that place of the list, a distance); genuine (score of the probe's own second
    portrait, NaN without one); rank (its place among strangers and all second portraits, ties
    against it). Then how many of these scores each stranger supplied.
    """
    if len(strangers.ids) < max(LISTS):
        raise UserError(f"a list of {max(LISTS)} needs a gallery of at least so many faces")
    mates = np.concatenate([near for _, near in collection.score_blocks(probes, second)])
    own = pd.Index(second.ids).get_indexer(probes.ids)
    places = [k - 1 for k in LISTS]
    owners = np.zeros(len(strangers.ids), dtype=int)
    rows = []
    for span, near in collection.score_blocks(probes, strangers):
        # ties are in the order of the gallery: which face comes first changes no score
        order = np.argsort(near, axis=1, kind="stable")[:, places]
        owners += np.bincount(order.ravel(), minlength=len(owners))
        shown = np.take_along_axis(near, order, axis=1)
        for i, j in enumerate(range(*span.indices(len(probes.ids)))):
            row: dict = {"probe_id": str(probes.ids[j])}
            row |= {f"stranger_{k}": v for k, v in zip(LISTS, shown[i], strict=True)}
            if own[j] >= 0:
                genuine = mates[j, own[j]]
                # the own portrait is counted among the second ones, hence no 1 to add
                rank = int((mates[j] <= genuine).sum() + (near[i] <= genuine).sum())
                row |= {"genuine": genuine, "rank": rank}
            rows.append(row)
    return pd.DataFrame(rows).astype({"rank": "Int64"}), owners


@cache
def _identities() -> pd.Series:
    """The identity clusters of `utkface`; a minute or two, so they are kept for the next call."""
    private = [shipping.load_dataset("utkface", m) for m in PRIMARY_MODELS]
    return same_person.identity_clusters(private)


def faces_searched(gallery: str, model: str) -> tuple[Collection, pd.Series, np.ndarray]:
    """Faces of a gallery, gallery id -> identity, kept (no probable same person); adults only."""
    faces = shipping.load_dataset(gallery, model)
    if gallery != "utkface":
        return faces, pd.Series(faces.ids, index=faces.ids), np.ones(len(faces.ids), dtype=bool)
    labels = galleries.load_utkface()
    faces = collection.subset(faces, labels.loc[labels["adult"], "id"])
    same = scores.load_scores(f"utkface-{model}").same_person
    left_out = same.loc[same["same_person"].astype(bool), "cluster"]
    return faces, _identities(), ~_identities().reindex(faces.ids).isin(left_out).to_numpy()


def make(out: Path) -> None:
    """Write the table into the folder `out`; deterministic, scores rounded to 4 decimals."""
    tables = []
    pairs = [(gallery, model) for gallery in shipped.GALLERIES for model in PRIMARY_MODELS]
    for gallery, model in pairs:
        probes = shipping.load_dataset("probes", model)
        second = shipping.load_dataset("second-portraits", model)
        faces, _, kept = faces_searched(gallery, model)
        found, owners = lists(probes, second, collection.subset(faces, faces.ids[kept]))
        if gallery == "utkface" and owners.max() > scores.PER_FACE:
            raise UserError(
                f"{model}: {owners.max()} of the scores are those of one gallery face, more than "
                f"the {scores.PER_FACE} that may ship"
            )
        found.insert(0, "gallery", gallery)
        found.insert(1, "model", model)
        tables.append(found)
    whole = pd.concat(tables, ignore_index=True)
    whole.to_csv(out / TABLE, index=False, float_format="%.4f", lineterminator="\n")


@cache
def table(gallery: str = "utkface") -> pd.DataFrame:
    """The shipped table of one gallery: columns as `lists` describes, and model."""
    found = pd.read_csv(RESULTS / TABLE, dtype={"probe_id": str})
    return found[found["gallery"] == gallery].drop(columns="gallery").reset_index(drop=True)


def candidates_at(model: str, rule: str) -> pd.Series:
    """Strangers of `utkface` at or below a rule's threshold, by member_id, everyone searched.

    A failure to enrol has 0; without a threshold it is the whole gallery.
    """
    everyone = shipped.result("utkface", model).members.set_index("member_id")
    if rule == "none":
        n = shipped.scores("utkface", model).faces
        return (everyone["enrolled"].astype(int) * n).rename("faces")
    threshold(model, rule)  # refuses what is not on offer; no rows mean that nobody has a candidate
    counts = pd.read_parquet(DATA / "scores" / f"utkface-{model}" / "counts.parquet")
    found = counts[counts["threshold"] == rule].groupby("probe_id")["faces"].sum()
    return found.reindex(everyone.index, fill_value=0).rename("faces")


def threshold(model: str, rule: str) -> float:
    """The distance of a rule of RULES for a model; NaN for no threshold."""
    if rule == "none":
        return float("nan")
    config = Configuration(**shipped.scores("utkface", model).description["configuration"])
    return policy.resolve(rule, None, config)[0]


@cache
def enrolled(gallery: str = "utkface") -> pd.DataFrame:
    """The searches of enrolled people: one row a model and member with a second portrait.

    Columns model, member_id, group, gender, of_colour, genuine, rank; where one of the two
    portraits failed to enrol both are +inf: a miss.
    """
    pairs = fetch.load_manifest("second-portraits")["id"]
    members = shipped.result("utkface", PRIMARY_MODELS[0]).members
    members = members.set_index("member_id")[["group", "gender", "of_colour"]].loc[pairs]
    parts = []
    for model, found in table(gallery).groupby("model", sort=False):
        mine = found.set_index("probe_id")[["genuine", "rank"]].reindex(pairs)
        mine = members.join(mine.astype(float).fillna(np.inf))
        parts.append(mine.rename_axis("member_id").reset_index().assign(model=model))
    return pd.concat(parts, ignore_index=True)


@cache
def errors() -> pd.DataFrame:
    """FNIR(N, T, L) beside FPIR(N, T): one row a model, rule and list size, `utkface`.

    Columns model, rule, list_size, threshold (NaN for none), missed, enrolled, fnir, fnir_low,
    fnir_high (Wilson); of searches for people who are not enrolled: searched, any (list somebody),
    fpir, fpir_low, fpir_high, mean (listed per thousand searches). Failures to enrol are misses,
    or searches with nobody listed.
    """
    rows = []
    for model, part in enrolled().groupby("model", sort=False):
        for rule in RULES:
            limit, found = threshold(model, rule), candidates_at(model, rule).to_numpy()
            some, reach = rates.fpir(found > 0), np.nan_to_num(limit, nan=99.0)
            about = {"model": model, "rule": rule, "threshold": limit}
            about |= {"any": some.numerator, "searched": some.denominator, "fpir": some.rate}
            about |= {"fpir_low": some.low, "fpir_high": some.high}
            for size in LISTS:
                lost = rates.fnir(part["genuine"], reach, part["rank"], size)
                row = {"list_size": size, "missed": lost.numerator, "enrolled": lost.denominator}
                row |= {"fnir": lost.rate, "fnir_low": lost.low, "fnir_high": lost.high}
                row["mean"] = THOUSAND * np.minimum(found, size).mean()
                rows.append(about | row)
    return pd.DataFrame(rows)


@cache
def differences() -> pd.Series:
    """Of colour against white, who comes first, within gender: exact two-sided p, Holm."""
    found = {}
    for model, part in enrolled().groupby("model", sort=False):
        part = part.assign(hit=part["rank"] == 1)
        sides = part.groupby(["gender", "of_colour"])["hit"].agg(["sum", "size"]).unstack()
        strata = {"k1": sides["sum"][True], "n1": sides["size"][True]}
        strata |= {"k0": sides["sum"][False], "n0": sides["size"][False]}
        test = conditional_odds_ratio(pd.DataFrame(strata))
        found[model] = min(1.0, 2 * min(test.p_higher, test.p_lower))
    return exact_tests.holm(pd.Series(found))


LIST = 10  # the list in the sentences
STRICT = "fmr:1e-05"


def _rate(hit) -> str:
    k, n = int(np.sum(hit)), len(hit)
    return numbers.rate(k, n, *wilson(k, n))


def show_hits() -> pd.DataFrame:
    """Hit rates without a threshold: a row a gallery and program, a column a list."""
    rows = []
    for gallery, word in GALLERY_LABELS.items():
        for model, part in enrolled(gallery).groupby("model", sort=False):
            row = {"Gallery": word, "Program": MODEL_LABELS[model]}
            rows.append(row | {f"List of {k}": _rate(part["rank"] <= k) for k in LISTS})
    return pd.DataFrame(rows)


def show_first_by_group() -> pd.DataFrame:
    """Who comes first in the own search: a row a recorded group, a column a program; exact p."""
    columns = {}
    for model, part in enrolled().groupby("model", sort=False):
        first = part["rank"] == 1
        masks = groups.masks(part["group"])
        shown = {g: f"{first[mask].sum()} of {mask.sum()}" for g, mask in masks.items()}
        shown["Holm p, of colour and white"] = p_text(differences()[model])
        columns[MODEL_LABELS[model]] = pd.Series(shown)
    return pd.DataFrame(columns).rename_axis("Group").reset_index()


def show_thresholds() -> pd.DataFrame:
    """Both errors of each threshold: a row a program and rule, lists of at most LIST."""
    found = errors().query("list_size == @LIST")
    listed = zip(*(found[c] for c in ("any", "searched", "fpir_low", "fpir_high")), strict=True)
    missed = zip(*(found[c] for c in ("missed", "enrolled", "fnir_low", "fnir_high")), strict=True)
    shown = {
        "Program": found["model"].map(MODEL_LABELS),
        "Threshold": found["rule"].map(RULES),
        "Distance": found["threshold"].map("{:.4f}".format).replace("nan", "none"),
        "Searches that list a stranger": [numbers.rate(*row) for row in listed],
        "Strangers listed per thousand": found["mean"].map(number),
        "People in the gallery missed": [numbers.rate(*row) for row in missed],
    }
    return pd.DataFrame(shown)


OUTCOMES = ("found", "missed", "strangers listed", "nobody listed")


def thousand(share: float, rules=("none", "fmr:1e-05", "fmr:1e-06")) -> pd.DataFrame:
    """What becomes of a thousand searches, lists of at most LIST: a row a program and rule.

    share: part of the searches that are for someone in the gallery. Columns Program, Threshold,
    in the gallery (searches for someone there) and OUTCOMES: two of people in the gallery, then
    two of people who are not. Whole searches (largest remainder) that add up to a thousand.
    """
    rows = []
    table = errors().query("list_size == @LIST and rule in @rules")
    for r in table.to_dict("records"):
        there, absent = THOUSAND * share, THOUSAND * (1 - share)
        expected = [there * (1 - r["fnir"]), there * r["fnir"]]
        expected += [absent * r["fpir"], absent * (1 - r["fpir"])]
        head: dict = {"Program": MODEL_LABELS[r["model"]], "Threshold": RULES[r["rule"]]}
        head["in the gallery"] = round(there)
        rows.append(head | dict(zip(OUTCOMES, whole(expected), strict=True)))
    return pd.DataFrame(rows)


def whole(expected) -> list[int]:
    """Numbers rounded so that they keep their sum: the largest remainders are rounded up.

    >>> whole([1.4, 1.3, 1.3])
    [2, 1, 1]
    """
    down = np.floor(expected).astype(int)
    up = np.argsort(down - np.asarray(expected), kind="stable")[: round(sum(expected)) - down.sum()]
    down[up] += 1
    return down.tolist()
