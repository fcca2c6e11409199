"""Candidate lists: whom a search returns, with and without a threshold, and what a reviewer adds.

Two kinds of search. **Not enrolled**: the members are searched among strangers; everyone listed is
innocent. **Enrolled**: the members' second portraits are put among the strangers and searched with
the first; the question is at which rank they come back.

`python -m helpers.rebuild.tables 09-what-the-officer-sees` makes data/results/candidate-lists.csv
and candidate-lists-hubs.csv. It needs the face metadata of `utkface` in the cache (`congress-test
fetch utkface`, `congress-test enrol utkface`), no images, and takes some minutes.

What ships of the gallery are scores of each probe at four places of its list, without the faces.
An attack on one face needs many scores that are known to be that face's. Here no score says whose
it is; and even an attacker who could tell would gain little: four scores a probe among all gallery
faces are about a tenth of a score a face, and `make` refuses to write if one face supplied more
than the cap that holds for the candidates that ship. How often single faces are listed is told only
of 50 faces together, or more.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from helpers.errors import UserError
from helpers.faces import collection, same_person
from helpers.faces.collection import Collection
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS, Configuration
from helpers.paths import DATA
from helpers.protocol import policy, scores, shipped, shipping
from helpers.show import numbers
from helpers.show.numbers import number, p_text, percent
from helpers.show.style import GALLERY_LABELS
from helpers.sources import fetch, galleries, groups
from helpers.statistics import exact_tests, rates
from helpers.statistics.intervals import wilson
from helpers.statistics.stratified_exact import conditional_odds_ratio

LISTS = (1, 5, 10, 50)  # lengths of a candidate list
RESULTS = DATA / "results"
TABLE, HUBS = "candidate-lists.csv", "candidate-lists-hubs.csv"
TOPS = (0, 0.01, 0.05, 0.1)  # the most listed faces, parts of the gallery; never fewer than FEWEST
FEWEST = shipping.SMALLEST
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


# ---------------------------------------------------------------- what ships, made from embeddings


def lists(
    probes: Collection, second: Collection, gallery: Collection, clusters: pd.Series, kept
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Search every probe among strangers, alone and with the second portraits enrolled as well.

    clusters: gallery id -> identity. kept: bool a gallery face, False for probable same persons.
    Returns a table with one row an enrolled probe: probe_id; stranger_1, .._5, .._10, .._50 (score
    of the stranger at that place of the list, a distance); genuine (score of the probe's own second
    portrait, NaN without one); rank (its place among strangers and all second portraits, ties
    against it), rank_people (identities counted once), rank_any (no stranger left out). Then the
    places: int (searches, 50), the gallery faces of each list in order, as positions among the kept
    faces; and their scores' owners, how many of the shipped scores each kept face supplied.
    """
    names = pd.Series(gallery.ids).map(clusters).fillna(pd.Series(gallery.ids)).to_numpy()
    strangers = collection.subset(gallery, gallery.ids[kept])
    if len(strangers.ids) < max(LISTS):
        raise UserError(f"a list of {max(LISTS)} needs a gallery of at least so many faces")
    people = names[kept]
    mates = _mate_scores(probes, second)
    rows, places = [], []
    for span, found in collection.score_blocks(probes, gallery):
        near = found[:, kept]
        # ties are in the order of the gallery: which face comes first changes no score
        order = np.argsort(near, axis=1, kind="stable")[:, : max(LISTS)]
        places.append(order)
        for i, probe in enumerate(probes.ids[span]):
            row: dict = {"probe_id": str(probe)}
            row |= {f"stranger_{k}": near[i, order[i, k - 1]] for k in LISTS}
            mate = mates.get(str(probe))
            if mate is not None:
                own, others = mate
                ahead = int((others <= own).sum())
                before = near[i] <= own
                row |= {
                    "genuine": own,
                    "rank": 1 + ahead + int(before.sum()),
                    "rank_people": 1 + ahead + len(set(people[before])),
                    "rank_any": 1 + ahead + int((found[i] <= own).sum()),
                }
            rows.append(row)
    columns = ["probe_id", *(f"stranger_{k}" for k in LISTS), "genuine"]
    columns += ["rank", "rank_people", "rank_any"]
    table = pd.DataFrame(rows).reindex(columns=columns)
    for column in columns[-3:]:
        table[column] = table[column].astype("Int64")
    places = np.concatenate(places)
    owners = np.bincount(places[:, [k - 1 for k in LISTS]].ravel(), minlength=len(strangers.ids))
    return table, places, owners


def _mate_scores(probes: Collection, second: Collection) -> dict:
    """Probe id -> (score with its own second portrait, scores with all other second portraits)."""
    position = {i: k for k, i in enumerate(second.ids)}
    found = {}
    for span, near in collection.score_blocks(probes, second):
        for i, probe in enumerate(probes.ids[span]):
            if probe in position:
                k = position[probe]
                found[str(probe)] = near[i, k], np.delete(near[i], k)
    return found


def concentration(places: np.ndarray, n_faces: int, strata: np.ndarray) -> pd.DataFrame:
    """On how few gallery faces the lists concentrate: one row a length of list and part of the top.

    places: (searches, 50) positions of gallery faces, best first. strata: (n_faces,) the stratum of
    each gallery face. Columns list_size, searches, top (faces), share (of all places, those taken
    by the `top` most listed faces), by_chance (the same if each stratum's places were drawn at
    random within it: Poisson with the stratum's mean), listed (different faces on any list),
    listed_by_chance, skewness (of the number of lists a face is on; Radovanovic et al. 2010).
    """
    names, stratum = np.unique(strata, return_inverse=True)
    sizes = np.bincount(stratum, minlength=len(names))
    rows = []
    for size in LISTS:
        listed = places[:, :size].ravel()
        counts = np.bincount(listed, minlength=n_faces)
        means = np.bincount(stratum[listed], minlength=len(names)) / sizes
        most_first = np.sort(counts)[::-1]
        for n in sorted({max(FEWEST, int(part * n_faces)) for part in TOPS}):
            rows.append(
                {
                    "list_size": size,
                    "searches": len(places),
                    "faces": n_faces,
                    "top": n,
                    "share": most_first[:n].sum() / listed.size,
                    "by_chance": expected_share(means, sizes, n),
                    "listed": int((counts > 0).sum()),
                    "listed_by_chance": float((sizes * -np.expm1(-means)).sum()),
                    "skewness": float(stats.skew(counts)),
                }
            )
    return pd.DataFrame(rows)


def expected_share(means: np.ndarray, sizes: np.ndarray, top: int) -> float:
    """Share of the places that the `top` most listed faces would take by chance.

    means, sizes: mean number of lists of a face, and faces, a stratum. Each face's number is
    Poisson with its stratum's mean; the expected numbers of faces at each count are filled in from
    the largest count down until `top` faces are reached.
    """
    means, sizes = np.asarray(means, float), np.asarray(sizes, float)
    total = (means * sizes).sum()
    if total == 0:
        raise ValueError("no place on any list")
    counts = np.arange(int(stats.poisson.isf(1e-9, means.max())) + 1)
    faces = (sizes[:, None] * stats.poisson.pmf(counts, means[:, None])).sum(axis=0)
    taken = room = 0.0
    for count, n in zip(counts[::-1], faces[::-1], strict=True):
        use = min(n, top - room)
        taken, room = taken + use * count, room + use
        if room >= top:
            break
    return float(taken / total)


@cache
def _identities() -> pd.Series:
    """The identity clusters of `utkface`; a minute or two, so they are kept for the next call."""
    return same_person.identity_clusters(
        [shipping.load_dataset("utkface", m) for m in PRIMARY_MODELS]
    )


def faces_searched(gallery: str, model: str) -> tuple[Collection, pd.Series, np.ndarray]:
    """A gallery as the test searches it: faces, gallery id -> identity, kept (bool a face).

    kept is False for probable same persons. `utkface` comes from the cache, adults only.
    """
    faces = shipping.load_dataset(gallery, model)
    if gallery != "utkface":
        return faces, pd.Series(faces.ids, index=faces.ids), np.ones(len(faces.ids), dtype=bool)
    labels = galleries.load_utkface()
    faces = collection.subset(faces, labels.loc[labels["adult"], "id"])
    same = scores.load_scores(f"utkface-{model}").same_person
    left_out = same.loc[same["same_person"].astype(bool), "cluster"]
    return faces, _identities(), ~_identities().reindex(faces.ids).isin(left_out).to_numpy()


def _strata(gallery: str, ids: np.ndarray) -> np.ndarray:
    """The stratum of each face, as they ship: published gender, race and two age bands."""
    if gallery != "utkface":
        return np.full(len(ids), "all")
    labels = galleries.load_utkface().set_index("id").loc[ids]
    band = np.where(labels["age"].astype(int) < 35, "18-34", "35-75")
    return (labels["gender"] + ", " + labels["race"] + ", " + band).to_numpy(dtype=str)


def make(out: Path, progress: bool = False) -> None:
    """Write both tables into the folder `out`; deterministic, scores rounded to 4 decimals."""
    tables, hubs = [], []
    pairs = [(gallery, model) for gallery in shipped.GALLERIES for model in PRIMARY_MODELS]
    for gallery, model in tqdm(pairs, disable=not progress or None):
        probes = shipping.load_dataset("probes", model)
        second = shipping.load_dataset("second-portraits", model)
        faces, clusters, kept = faces_searched(gallery, model)
        found, places, owners = lists(probes, second, faces, clusters, kept)
        if gallery == "utkface" and owners.max() > scores.PER_FACE:
            raise UserError(
                f"{model}: {owners.max()} of the scores are those of one gallery face, more than "
                f"the {scores.PER_FACE} that may ship"
            )
        ids = faces.ids[kept]
        spread = concentration(places, len(ids), _strata(gallery, ids))
        who = clusters.reindex(ids).to_numpy()
        spread["people"] = [len(set(who[places[:, :n]].ravel())) for n in spread["list_size"]]
        head = {"gallery": gallery, "model": model}
        tables.append(found.assign(**head))
        hubs.append(spread.assign(**head))
    out.mkdir(parents=True, exist_ok=True)
    for name, parts, digits in ((TABLE, tables, "%.4f"), (HUBS, hubs, "%.6g")):
        joined = pd.concat(parts, ignore_index=True)
        joined = joined[["gallery", "model", *joined.columns.drop(["gallery", "model"])]]
        joined.to_csv(out / name, index=False, float_format=digits, lineterminator="\n")


# ---------------------------------------------------------------- the person sought is not enrolled


@cache
def table(gallery: str = "utkface") -> pd.DataFrame:
    """The shipped table of one gallery: columns as `lists` describes, and model."""
    found = pd.read_csv(RESULTS / TABLE, dtype={"probe_id": str})
    return found[found["gallery"] == gallery].drop(columns="gallery").reset_index(drop=True)


@cache
def hubs(gallery: str = "utkface") -> pd.DataFrame:
    """The shipped table of concentration: model, and columns as `concentration`; people."""
    found = pd.read_csv(RESULTS / HUBS)
    return found[found["gallery"] == gallery].drop(columns="gallery").reset_index(drop=True)


def candidates_at(model: str, rule: str) -> pd.Series:
    """How many strangers of `utkface` each member's search holds at or below a rule's threshold.

    Indexed by member_id, everyone searched; a failure to enrol has 0. With no threshold it is the
    whole gallery for whoever enrolled.
    """
    everyone = shipped.result("utkface", model).members.set_index("member_id")
    if rule == "none":
        n = shipped.scores("utkface", model).faces
        return (everyone["enrolled"].astype(int) * n).rename("faces")
    threshold(model, rule)  # refuses what is not on offer; no rows mean that nobody has a candidate
    counts = pd.read_parquet(DATA / "scores" / f"utkface-{model}" / "counts.parquet")
    found = counts[counts["threshold"] == rule].groupby("probe_id")["faces"].sum()
    return found.reindex(everyone.index, fill_value=0).rename("faces")


@cache
def innocents(draws: int = 2000, seed: int = 9) -> pd.DataFrame:
    """Innocent people on the lists when the person sought is not enrolled, `utkface`.

    One row a model, rule and list size: searched, mean (listed, per thousand searches; low, high:
    bootstrap over members, which leaves the gallery as it is), empty (searches with nobody listed),
    any (searches with somebody), fpir, fpir_low, fpir_high (Wilson). Failures to enrol are searches
    with nobody listed.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for model in PRIMARY_MODELS:
        n = len(candidates_at(model, "none"))
        weights = rng.multinomial(n, np.full(n, 1 / n), size=draws)
        for rule in RULES:
            found = candidates_at(model, rule).to_numpy()
            some = rates.fpir(found > 0)
            for size in LISTS:
                listed = np.minimum(found, size)
                low, high = np.percentile(weights @ listed / n, [2.5, 97.5])
                rows.append(
                    {
                        "model": model,
                        "rule": rule,
                        "list_size": size,
                        "searched": n,
                        "mean": THOUSAND * listed.mean(),
                        "low": THOUSAND * low,
                        "high": THOUSAND * high,
                        "any": some.numerator,
                        "fpir": some.rate,
                        "fpir_low": some.low,
                        "fpir_high": some.high,
                    }
                )
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- the person sought is enrolled


@cache
def enrolled(gallery: str = "utkface") -> pd.DataFrame:
    """The searches of enrolled people: one row a model and member with a second portrait.

    Columns model, member_id, group, gender, of_colour, genuine, rank, rank_people, rank_any; where
    one of the two portraits failed to enrol the score and ranks are +inf: a miss.
    """
    pairs = fetch.load_manifest("second-portraits")["id"]
    members = shipped.result("utkface", PRIMARY_MODELS[0]).members
    members = members.set_index("member_id")[["group", "gender", "of_colour"]]
    found = table(gallery)
    ranks = ["genuine", "rank", "rank_people", "rank_any"]
    parts = []
    for model in PRIMARY_MODELS:
        mine = found[found["model"] == model].set_index("probe_id")[ranks]
        mine = mine.reindex(pairs).astype(float).fillna(np.inf)
        part = members.loc[pairs].join(mine).rename_axis("member_id").reset_index()
        parts.append(part.assign(model=model))
    return pd.concat(parts, ignore_index=True)


def hit_rates(gallery: str = "utkface", rank: str = "rank") -> pd.DataFrame:
    """How often the enrolled person is on the list: one row a model and list size.

    rank: "rank" (faces), "rank_people" (identities), "rank_any" (no stranger left out). Columns
    model, list_size, hits, searched, rate, low, high (Wilson).
    """
    rows = []
    for model, part in enrolled(gallery).groupby("model", sort=False):
        rows += [{"model": model, "list_size": k, **_hits(part[rank] <= k)} for k in LISTS]
    return pd.DataFrame(rows)


def _hits(hit) -> dict:
    k, n = int(np.sum(hit)), len(hit)
    low, high = wilson(k, n) if n else (np.nan, np.nan)
    return {"hits": k, "searched": n, "rate": k / n if n else np.nan, "low": low, "high": high}


@cache
def misses() -> pd.DataFrame:
    """FNIR(N, T, L) beside FPIR(N, T): one row a model, rule and list size, `utkface`.

    Columns model, rule, list_size, threshold (NaN for none), missed, searched, fnir, fnir_low,
    fnir_high, and the columns of `innocents`.
    """
    rows = []
    for model, part in enrolled().groupby("model", sort=False):
        for rule in RULES:
            limit = threshold(model, rule)
            for size in LISTS:
                found = rates.fnir(
                    part["genuine"], 99.0 if np.isnan(limit) else limit, part["rank"], size
                )
                rows.append(
                    {
                        "model": model,
                        "rule": rule,
                        "list_size": size,
                        "threshold": limit,
                        "missed": found.numerator,
                        "enrolled": found.denominator,
                        "fnir": found.rate,
                        "fnir_low": found.low,
                        "fnir_high": found.high,
                    }
                )
    return pd.DataFrame(rows).merge(innocents(), on=["model", "rule", "list_size"])


def threshold(model: str, rule: str) -> float:
    """The distance of a rule of RULES for a model; NaN for no threshold."""
    if rule == "none":
        return float("nan")
    config = Configuration(**shipped.scores("utkface", model).description["configuration"])
    return policy.resolve(rule, None, config)[0]


def hit_rates_by_group(size: int, gallery: str = "utkface") -> pd.DataFrame:
    """How often enrolled people of each recorded group are on a list of `size`; exploratory.

    One row a model and group, with members of colour whole and without Asian members, columns
    model, group, hits, searched, rate, low, high.
    """
    rows = []
    for model, part in enrolled(gallery).groupby("model", sort=False):
        for group, mask in groups.masks(part["group"]).items():
            rows.append({"model": model, "group": group, **_hits(part.loc[mask, "rank"] <= size)})
    return pd.DataFrame(rows)


@cache
def group_differences(size: int = 1) -> pd.DataFrame:
    """Members of colour against white members, found on a list of `size`, within recorded gender.

    One row a model: model, p (exact conditional test, two-sided), holm_p over the models.
    """
    rows = []
    for model, part in enrolled().groupby("model", sort=False):
        strata = []
        for _, same in part.groupby("gender"):
            hit, colour = same["rank"] <= size, same["of_colour"]
            strata.append(
                {
                    "k1": hit[colour].sum(),
                    "n1": colour.sum(),
                    "k0": hit[~colour].sum(),
                    "n0": (~colour).sum(),
                }
            )
        found = conditional_odds_ratio(pd.DataFrame(strata))
        rows.append({"model": model, "p": min(1.0, 2 * min(found.p_higher, found.p_lower))})
    table = pd.DataFrame(rows)
    return table.assign(holm_p=exact_tests.holm(table["p"]))


@cache
def alike() -> pd.DataFrame:
    """How alike the listed strangers are: a row a model and place of the list.

    Columns model, place, lists, nearer (lists whose stranger at that place is at least as near as
    the middle one of the genuine pairs), nearer_p90 (as near as 90 % of the genuine pairs).
    """
    rows = []
    for model, part in table().groupby("model", sort=False):
        genuine = part["genuine"].dropna()
        for k in LISTS:
            found = part[f"stranger_{k}"]
            rows.append(
                {
                    "model": model,
                    "place": k,
                    "lists": len(found),
                    "nearer": int(rates.at_or_below(found, genuine.median()).sum()),
                    "nearer_p90": int(rates.at_or_below(found, genuine.quantile(0.9)).sum()),
                }
            )
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- as notebook 09 shows them

LIST = 10  # the list in the sentences
STRICT = "fmr:1e-05"


def _hit(row) -> str:
    return numbers.rate(row["hits"], row["searched"], row["low"], row["high"])


def missing() -> pd.DataFrame:
    """People who are in the gallery and not on the list, for the figure: a row a program and list.

    Columns program, list, missed, searched, rate, low, high (Wilson).
    """
    found = hit_rates()
    return pd.DataFrame(
        {
            "program": found["model"].map(MODEL_LABELS),
            "list": [f"list of {k}" for k in found["list_size"]],
            "missed": found["searched"] - found["hits"],
            "searched": found["searched"],
            "rate": 1 - found["rate"],
            "low": 1 - found["high"],
            "high": 1 - found["low"],
        }
    )


def show_hits() -> pd.DataFrame:
    """Hit rates without a threshold: a row a gallery and program, a column a list."""
    rows = []
    for gallery, word in GALLERY_LABELS.items():
        for model, part in hit_rates(gallery).groupby("model", sort=False):
            row = {"Gallery": word, "Program": MODEL_LABELS[model]}
            rows.append(row | {f"List of {r['list_size']}": _hit(r) for _, r in part.iterrows()})
    return pd.DataFrame(rows)


def show_first_by_group() -> pd.DataFrame:
    """Who comes first in the own search: a row a recorded group, a column a program; exact p."""
    found = hit_rates_by_group(1)
    shown = [f"{k} of {n}" for k, n in found[["hits", "searched"]].to_numpy()]
    wide = found.assign(shown=shown).pivot(index="group", columns="model", values="shown")
    wide = wide.loc[list(dict.fromkeys(found["group"])), list(PRIMARY_MODELS)]
    p = group_differences().set_index("model")["holm_p"].map(p_text)
    wide.loc["Holm p, of colour and white"] = p
    wide = wide.rename(columns=MODEL_LABELS).rename_axis(columns=None)
    return wide.rename_axis("Group").reset_index()


def show_alike() -> pd.DataFrame:
    """Lists whose first stranger is nearer than genuine pairs are: a row a program."""
    first = alike().query("place == 1")
    return pd.DataFrame(
        {
            "Program": first["model"].map(MODEL_LABELS),
            "Lists": first["lists"],
            "First stranger nearer than one genuine pair in ten": first["nearer_p90"],
            "nearer than half of them": first["nearer"],
        }
    )


def show_most_listed() -> pd.DataFrame:
    """On how few gallery faces lists of LIST concentrate: a row a program."""
    found = hubs().query("list_size == @LIST")
    most = found.groupby("model", sort=False).nth(1)  # 1 % of the gallery
    return pd.DataFrame(
        {
            "Program": most["model"].map(MODEL_LABELS),
            "Places on lists": [number(n * LIST) for n in most["searches"]],
            "Different faces": most["listed"].map(number),
            "by chance": most["listed_by_chance"].map(number),
            "Places of the most listed 1 %": most["share"].map(percent),
            "by chance ": most["by_chance"].map(percent),
        }
    )


def show_thresholds() -> pd.DataFrame:
    """Both errors of each threshold: a row a program and rule, lists of at most LIST."""
    found = misses().query("list_size == @LIST and rule != 'none'")
    return pd.DataFrame(
        {
            "Program": found["model"].map(MODEL_LABELS),
            "Threshold": found["rule"].map(RULES),
            "Distance": found["threshold"].map("{:.4f}".format),
            "Searches that list a stranger": [
                numbers.rate(*row)
                for row in found[["any", "searched", "fpir_low", "fpir_high"]].itertuples(
                    index=False
                )
            ],
            "Strangers listed per thousand": [_per_thousand(r) for _, r in found.iterrows()],
            "People in the gallery missed": [
                numbers.rate(*row)
                for row in found[["missed", "enrolled", "fnir_low", "fnir_high"]].itertuples(
                    index=False
                )
            ],
        }
    )


def _per_thousand(row) -> str:
    """A mean number of strangers with its interval; a bootstrap has none for zero events."""
    if row["any"] == 0:
        return f"none in {row['searched']} searches"
    return f"{number(row['mean'])} ({number(row['low'])}–{number(row['high'])})"


OUTCOMES = ("found", "missed", "strangers listed", "nobody listed")


def thousand(share: float, rules=("none", "fmr:1e-05", "fmr:1e-06")) -> pd.DataFrame:
    """What becomes of a thousand searches, lists of at most LIST: a row a program and rule.

    share: part of the searches that are for someone in the gallery. Columns Program, Threshold,
    in the gallery (searches for someone there) and OUTCOMES: two of people in the gallery, then
    two of people who are not. Whole searches (largest remainder) that add up to a thousand.
    """
    rows = []
    table = misses().query("list_size == @LIST and rule in @rules")
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
