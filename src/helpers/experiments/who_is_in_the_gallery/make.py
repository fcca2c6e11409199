"""Who is in the gallery: the same members against galleries of other compositions.

A composition says how many faces of each stratum (published gender and race, age band) of `utkface`
are drawn. Nothing is drawn at random: the chance that a member is falsely matched in such a gallery
is exact (`rates.expected_fpir_hypergeometric`), and the expected FPIR of a group is the mean over
its members. The unit is the face, as in the primary analysis; one face an identity is a variant.

`python -m helpers.experiments.who_is_in_the_gallery.make` makes data/results/composition*. It needs
the face metadata of `utkface` in the cache (`congress-test fetch utkface`, `congress-test enrol
utkface`) and takes some ten minutes. What it writes of private people are sums over strata of at
least 50 faces.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.experiments import the_congress_test as headline
from helpers.faces import collection, same_person
from helpers.faces.pipelines import PRIMARY_MODELS, Configuration
from helpers.paths import DATA
from helpers.protocol import calibration, congress_test, shipping
from helpers.sources import galleries
from helpers.statistics import intervals, rates

RESULTS = DATA / "results"
TARGETS = DATA / "published" / "composition_targets.csv"
GENDERS = ("female", "male")
RACES = ("White", "Black", "Asian", "Indian", "Others")
BANDS = ("18-34", "35-75")
CHILD = "0-17"
STRATA = tuple(f"{g}, {r}, {b}" for g in GENDERS for r in RACES for b in (*BANDS, CHILD))
# The nearest published label of UTKFace for each recorded group; none for Native and Pacific.
CROSSWALK = {
    "White": "White",
    "Black": "Black",
    "Hispanic": "Others",
    "East Asian": "Asian",
    "South Asian": "Indian",
}
SIZE = 1000  # the one size of all compositions; `largest_common_size` says how far it could go
POLICIES = ("default", "primary", "matched")
WANTED = congress_test.ACLU_COUNT
RATIOS = ("crude", "within", "not_asian")
FILLED = 0.95  # at most this part of a stratum is drawn, so that the jackknife can leave some out
PARTS = 40  # of the gallery's identities, for the jackknife
SEED = 20180726
REDRAWS = 10
HEAT_FMR = 1e-4


# ---------------------------------------------------------------- compositions


def targets() -> pd.DataFrame:
    """The published figures behind the targets: a row for each category of each target.

    target, category (the publisher's), race, gender, age_band (the crosswalk to UTKFace's labels;
    empty: all), value, of, unit, source_url, status (primary: the publisher's own page was read;
    copy: the publisher's table on another page; press), note.
    """
    return pd.read_csv(TARGETS, keep_default_na=False)


def margins(target: str, hispanic: str = "Others") -> list[pd.DataFrame]:
    """Margins of a target over UTKFace's labels: tables of the columns they fix, and share.

    hispanic: the label under which Hispanic people whom the publisher counts by race go: "Others",
    or "White" (left where the FBI has them, since most are recorded as white).
    """
    table = targets()
    rows = table[table["target"] == target]
    if rows.empty:
        raise ValueError(f"no target {target!r}; there are {', '.join(table['target'].unique())}")
    indian = table[table["target"] == "asian"].iloc[0]
    indian = indian["value"] / indian["of"]
    share = rows["value"] / rows["of"]
    moved = share[rows["race"].str.startswith("from White")].sum()
    race = share.groupby(rows["race"]).sum()
    asian = race["Asian and Indian"]
    race = race.reindex(RACES, fill_value=0.0)
    race["Asian"], race["Indian"] = asian * (1 - indian), asian * indian
    if hispanic == "Others":
        race["White"] -= moved
        race["Others"] += moved
    found = [race.rename_axis("race").rename("share").reset_index()]
    rest = rows.assign(share=share)[rows["race"] == ""]
    for keys in (["gender"], ["age_band"], ["gender", "age_band"]):
        others = [c for c in ("gender", "age_band") if c not in keys]
        part = rest[(rest[keys] != "").all(axis=1) & (rest[others] == "").all(axis=1)]
        if len(part):
            found.append(part[[*keys, "share"]].reset_index(drop=True))
    for part in found:
        part["share"] /= part["share"].sum()
    return found


def rake(parts: list[pd.DataFrame], odds: float = 1.0) -> pd.Series:
    """Joint shares of the adult strata with the given margins, by iterative proportional fitting.

    What the margins leave open is independent; `odds` other than 1 ties women to the label White by
    that odds ratio instead. Returns stratum -> share, sum 1 (Deming and Stephan 1940).
    """
    names = ["gender", "race", "age_band"]
    cells = pd.MultiIndex.from_product([GENDERS, RACES, BANDS], names=names).to_frame(index=False)
    women = (cells["gender"] == "female") & (cells["race"] == "White")
    share = np.where(women, odds, 1.0) / len(cells)
    fits = []
    for part in parts:
        keys = [c for c in part.columns if c != "share"]
        wanted = part.set_index(keys)["share"].sort_index()
        row = cells[keys[0]] if len(keys) == 1 else pd.MultiIndex.from_frame(cells[keys])
        fits.append((wanted.index.get_indexer(row), wanted.to_numpy()))
    for _ in range(1000):
        before = share
        for at, wanted in fits:
            share = share * (wanted / np.bincount(at, share))[at]
        if np.abs(share - before).max() < 1e-15:
            break
    return pd.Series(share, index=cells["gender"] + ", " + cells["race"] + ", " + cells["age_band"])


def apportion(shares: pd.Series, size: int) -> pd.Series:
    """Whole numbers that add to `size` in the given shares, by the largest remainder."""
    wanted = shares / shares.sum() * size
    whole = np.floor(wanted + 1e-9).astype(int)
    order = (whole - wanted).sort_values(kind="stable").index
    whole[order[: size - whole.sum()]] += 1
    return whole


def largest_size(shares: pd.Series, faces: pd.Series, filled: float = FILLED) -> int:
    """The largest gallery in the given shares that the faces of each stratum allow."""
    used = shares[shares > 0] / shares.sum()
    return int((filled * faces.reindex(used.index, fill_value=0) / used).min() + 1e-9)


def fixed_designs() -> dict[str, pd.Series]:
    """The compositions that do not depend on the faces there are, as shares of all strata."""
    arrests = margins("us-arrests")
    joint = rake(arrests)
    men = joint[joint.index.str.startswith("male")]
    age = [m for m in arrests if "age_band" in m]
    found = {
        "balanced": joint * 0 + 1 / len(joint),
        "US adults": rake(margins("us-adults")),
        "US arrests": joint,
        "US arrests, men only": men / men.sum(),
        "US arrests, Hispanic people as White": rake(margins("us-arrests", hispanic="White")),
        "US arrests, suburban race table": rake(margins("us-arrests-suburban") + arrests[1:]),
        "US arrests, white women twice as likely": rake(arrests, odds=2.0),
        "US arrests, white women half as likely": rake(arrests, odds=0.5),
        "US jails": rake(margins("us-jails") + age),
    }
    return {k: v.reindex(STRATA, fill_value=0.0) for k, v in found.items()}


def designs(faces: pd.Series) -> dict[str, pd.Series]:
    """Every composition as shares of strata, from the faces there are (stratum -> faces).

    A single-race gallery is half women and half men, in the ages that UTKFace has of them.
    """
    faces = pd.Series(faces.reindex(STRATA).to_numpy(dtype=float), index=list(STRATA))
    label = pd.DataFrame([s.split(", ") for s in STRATA], index=faces.index)
    gender, race, adult = label[0], label[1], label[2] != CHILD

    def within(mask):
        return faces.where(mask, 0.0) / faces[mask].sum()

    found = {"as it is": within(adult)}
    for r in RACES:
        halves = [within(adult & (race == r) & (gender == g)) for g in GENDERS]
        found[f"{r} only"] = sum(halves) / len(GENDERS)
    found["women only"] = within(adult & (gender == "female"))
    found["men only"] = within(adult & (gender == "male"))
    found["with children"] = within(gender != "")
    found["children only"] = within(~adult)
    return found | fixed_designs()


MAIN = ("as it is", "balanced", "US adults", "US arrests")
SINGLE = tuple(f"{race} only" for race in RACES)
ARRESTS = (
    "US arrests",
    "US arrests, men only",
    "US arrests, Hispanic people as White",
    "US arrests, suburban race table",
    "US arrests, white women twice as likely",
    "US arrests, white women half as likely",
    "US jails",
)
WHOLE, LEGISLATORS = "whole gallery", "legislators"
OWN, OWN_SEX = "own group", "own group and sex"


def largest_common_size(faces: pd.Series) -> int:
    """The largest size that every composition allows."""
    return min(largest_size(shares, faces) for shares in designs(faces).values())


def own_groups(members: pd.DataFrame, faces: pd.Series, size: int = SIZE) -> dict:
    """Galleries of a member's own group, equally large for everyone: name -> faces a member.

    Each entry is an integer array (members, strata): "own group" has `size` faces of the member's
    label by the crosswalk, half women; "own group and sex" half as many of the member's own sex.
    Rows of zeros for members whose group has no label.
    """
    plans = designs(faces)
    race = members["group"].map(CROSSWALK)
    both = np.zeros((len(members), len(faces)), dtype=int)
    alone = np.zeros_like(both)
    for label in race.dropna().unique():
        shares = plans[f"{label} only"]
        both[(race == label).to_numpy()] = apportion(shares, size)
        for gender in GENDERS:
            part = shares * shares.index.str.startswith(gender)
            mine = (race == label) & (members["gender"] == gender)
            alone[mine.to_numpy()] = apportion(part, size // 2)
    return {OWN: both, OWN_SEX: alone}


# ---------------------------------------------------------------- chances


class Faces(NamedTuple):
    """Scores of the members against one gallery, ordered by stratum and part.

    scores: int16 (members, faces), in steps of 0.0001; code: stratum x PARTS + part of each face;
    sizes: faces of each stratum and part, (strata, PARTS); strata: their names. Members that failed
    to enrol have no finite score (the largest int16).
    """

    scores: np.ndarray
    code: np.ndarray
    sizes: np.ndarray
    strata: list


def make_faces(scores, stratum, part, strata) -> Faces:
    """Order a score matrix by stratum and part; faces of a stratum that is not listed are left out.

    scores: int16 (members, faces); stratum: name a face; part: int a face, below PARTS.
    """
    index = pd.Index(strata).get_indexer(stratum)
    keep = np.flatnonzero(index >= 0)
    code = index[keep] * PARTS + np.asarray(part)[keep]
    order = np.argsort(code, kind="stable")
    sizes = np.bincount(code, minlength=len(strata) * PARTS).reshape(len(strata), PARTS)
    return Faces(np.ascontiguousarray(scores[:, keep[order]]), code[order], sizes, list(strata))


def counts(faces: Faces, step: int) -> np.ndarray:
    """Faces at or below a threshold (in steps of 0.0001): (members, strata, PARTS)."""
    there, start = np.unique(faces.code, return_index=True)
    found = np.zeros((len(faces.scores), faces.sizes.size), dtype=np.int64)
    if len(there):
        inside = faces.scores <= step
        found[:, there] = np.add.reduceat(inside, start, axis=1, dtype=np.int64)
    return found.reshape(len(faces.scores), *faces.sizes.shape)


def chances(k: np.ndarray, faces: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Chance of each member to be falsely matched in a gallery drawn by strata.

    k: faces that match, (members, strata); faces: faces there are, (strata,); drawn: faces that are
    drawn, (strata,) or (members, strata). NaN for a member whose gallery is empty.
    """
    if drawn.ndim == 1:
        used = drawn > 0
        return rates.expected_fpir_hypergeometric(k[:, used], faces[used], drawn[used])
    out = np.full(len(k), np.nan)
    for row in np.unique(drawn, axis=0):
        mine = (drawn == row).all(axis=1)
        if row.any():
            out[mine] = chances(k[mine], faces, row)
    return out


def matched_step(faces: Faces, drawn: np.ndarray, wanted: float = WANTED) -> int:
    """The threshold, in steps of 0.0001, at which the expected number flagged is next to `wanted`.

    Ties are broken towards the stricter one.
    """

    def expected(step):
        k = counts(faces, step).sum(axis=2)
        return np.nansum(chances(k, faces.sizes.sum(axis=1), drawn))

    low, high = -1, int(np.iinfo(faces.scores.dtype).max) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if expected(middle) < wanted else (low, middle)
    return low if low >= 0 and wanted - expected(low) <= expected(high) - wanted else high


def weights(members: pd.DataFrame, within_sex: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights of members whose weighted sums of chances have the FPIR ratio as their quotient.

    Crude: 1/n of each group. Within sex: the Mantel-Haenszel weights, n of the other group over n
    of the stratum. Returns those of members of colour and of white members.
    """
    colour = members["of_colour"].to_numpy()
    sex = members["gender"].to_numpy() if within_sex else np.repeat("all", len(members))
    one, zero = np.zeros(len(members)), np.zeros(len(members))
    for s in np.unique(sex):
        n1, n0 = (colour & (sex == s)).sum(), (~colour & (sex == s)).sum()
        if n1 and n0:
            one[colour & (sex == s)] = n0 / (n1 + n0)
            zero[~colour & (sex == s)] = n1 / (n1 + n0)
    return one, zero


def log_ratio(chance: np.ndarray, members: pd.DataFrame, within_sex: bool = False) -> float:
    """Logarithm of the ratio of expected FPIRs, members of colour to white members.

    Members without a chance (NaN) are left out. NaN or infinite where a group's sum is zero.
    """
    there = ~np.isnan(chance)
    one, zero = weights(members[there], within_sex)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log(one @ chance[there]) - np.log(zero @ chance[there]))


def log_ratios(chance: np.ndarray, members: pd.DataFrame) -> list[float]:
    """`log_ratio` crude, within sex, and crude without Asian members: one for each of RATIOS."""
    return [
        log_ratio(chance, members),
        log_ratio(chance, members, within_sex=True),
        log_ratio(without_asian(chance, members), members),
    ]


def without_asian(chance: np.ndarray, members: pd.DataFrame) -> np.ndarray:
    """The chances with those of East and South Asian members missing."""
    return np.where(members["group"].isin(["East Asian", "South Asian"]), np.nan, chance)


def variance_members(chance: np.ndarray, members: pd.DataFrame, within_sex: bool = False) -> float:
    """Variance of `log_ratio` for other members of the same kind (delta method, fixed weights)."""
    there = ~np.isnan(chance)
    members, chance = members[there], chance[there]
    sex = members["gender"].to_numpy() if within_sex else np.repeat("all", len(members))
    total = 0.0
    for w, mine in zip(
        weights(members, within_sex),
        (members["of_colour"].to_numpy(), ~members["of_colour"].to_numpy()),
        strict=True,
    ):
        spread = 0.0
        for s in np.unique(sex[mine]):
            cell = chance[mine & (sex == s)]
            if len(cell) > 1:
                spread += w[mine & (sex == s)][0] ** 2 * len(cell) * cell.var(ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            total += spread / (w @ chance) ** 2
    return float(total)


def variances_gallery(
    k: np.ndarray, sizes: np.ndarray, drawn: np.ndarray, members: pd.DataFrame
) -> list[float]:
    """Variances of `log_ratios` for other gallery identities of the same kind.

    A delete-a-group jackknife over PARTS of the identities at a fixed threshold. It may be used
    here because an expected FPIR is smooth in the gallery's counts, unlike the best score of one
    gallery; where much of a stratum is drawn it errs on the wide side (Efron and Stein 1981).
    k: (members, strata, PARTS); sizes: (strata, PARTS).
    """
    all_k, all_n = k.sum(axis=2), sizes.sum(axis=1)
    found = []
    for part in range(sizes.shape[1]):
        left = all_n - sizes[:, part]
        chance = chances(all_k - k[:, :, part], left, np.minimum(drawn, left))
        found.append(log_ratios(chance, members))
    found = np.array(found)
    found[~np.isfinite(found)] = np.nan  # a group without an expected match has no ratio
    g = len(found)
    return list((g - 1) / g * ((found - found.mean(axis=0)) ** 2).sum(axis=0))


# ---------------------------------------------------------------- from the private gallery


class Gallery(NamedTuple):
    """The enrolled faces of `utkface` that may be drawn.

    table: one row a face: id, gender, race, band, cluster, part, stratum; without probable same
    persons and those older than 75. members: the people searched. load: (dataset, model) ->
    collection.
    """

    table: pd.DataFrame
    members: pd.DataFrame
    load: object


def load_gallery(load=shipping.load_dataset, seed: int = SEED) -> Gallery:
    """The faces of `utkface` with identities and strata, as `shipping.ship` has them."""
    private = [load("utkface", m) for m in PRIMARY_MODELS]
    enrolled = set(private[0].ids).intersection(*(set(c.ids) for c in private[1:]))
    clusters = same_person.identity_clusters(private)
    same = pd.read_csv(DATA / "scores" / "same-person.csv")
    left_out = set(same.loc[same["same_person"].astype(bool), "cluster"])
    table = galleries.load_utkface()
    labels = ["id", "gender", "race", "age_band"]
    table[labels] = table[labels].astype(object)
    table["cluster"] = table["id"].map(clusters)
    child = table["age_band"].eq(CHILD) & table["gender"].notna() & table["race"].notna()
    band = np.where(table["age"].fillna(0) < 35, *BANDS)
    table["band"] = np.where(child, CHILD, band)
    keep = (table["adult"] | child) & table["id"].isin(enrolled) & ~table["cluster"].isin(left_out)
    table = table[keep].reset_index(drop=True)
    names = np.array(sorted(table["cluster"].unique()))
    part = np.random.default_rng(seed).permutation(len(names)) % PARTS
    table["part"] = part[np.searchsorted(names, table["cluster"])]
    table["stratum"] = table["gender"] + ", " + table["race"] + ", " + table["band"]
    return Gallery(table, congress_test.people_searched(), load)


def score_steps(probes, gallery, ids) -> np.ndarray:
    """Scores as int16 in steps of 0.0001, rows in the order of `ids` (all who are searched)."""
    out = np.full((len(ids), len(gallery.ids)), np.iinfo(np.int16).max, dtype=np.int16)
    row = pd.Index(ids).get_indexer(probes.ids)
    for rows, block in collection.score_blocks(probes, gallery):
        steps = np.minimum(np.round(block * 1e4), np.iinfo(np.int16).max - 1).astype(np.int16)
        mine = row[rows]
        out[mine[mine >= 0]] = steps[mine >= 0]
    return out


def strata_table(gallery: Gallery) -> pd.DataFrame:
    """Faces of each composition by stratum: composition, size, stratum, drawn, faces."""
    faces = gallery.table["stratum"].value_counts().reindex(STRATA, fill_value=0)
    rows = []
    for name, shares in designs(faces).items():
        drawn = apportion(shares, SIZE)
        part = pd.DataFrame({"stratum": faces.index, "drawn": drawn, "faces": faces.to_numpy()})
        rows.append(part.assign(composition=name, size=SIZE))
    table = pd.concat(rows, ignore_index=True)
    return table[["composition", "size", "stratum", "drawn", "faces"]]


def model_results(gallery: Gallery, model: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Chances of every member in every composition, and a row for each gallery, for one model."""
    members, table = gallery.members, gallery.table
    probes, private = gallery.load("probes", model), gallery.load("utkface", model)
    config = Configuration(**probes.description["configuration"])
    private = collection.subset(private, table["id"])
    table = table.set_index("id").loc[private.ids]
    steps = score_steps(probes, private, members["member_id"])
    faces = make_faces(steps, table["stratum"], table["part"], list(STRATA))
    available = pd.Series(faces.sizes.sum(axis=1), index=STRATA)
    plans = {name: apportion(s, SIZE).to_numpy() for name, s in designs(available).items()}
    plans |= own_groups(members, available)
    adults = np.array([not s.endswith(CHILD) for s in STRATA])
    jobs = [(name, faces, drawn) for name, drawn in plans.items()]
    jobs.append((WHOLE, faces, available.to_numpy() * adults))
    former = gallery.load("legislators", model)
    part = np.arange(len(former.ids)) % PARTS
    steps = score_steps(probes, former, members["member_id"])
    former = make_faces(steps, np.repeat("all", len(part)), part, ["all"])
    jobs.append((LEGISLATORS, former, np.array([SIZE])))
    fixed = {
        "default": config.default_threshold,
        "primary": headline.result("utkface", model, headline.PRIMARY).summary["threshold"],
    }
    rows, people = [], []
    for name, these, drawn in tqdm(jobs, desc=model, unit="gallery"):
        for policy in POLICIES:
            step = round(1e4 * fixed[policy]) if policy in fixed else matched_step(these, drawn)
            k = counts(these, step)
            chance = chances(k.sum(axis=2), these.sizes.sum(axis=1), drawn)
            spread = [np.nan] * len(RATIOS)  # the whole gallery's FPIR is not smooth in its faces
            if name != WHOLE:
                spread = variances_gallery(k, these.sizes, drawn, members)
            rows.append(
                {
                    "model": model,
                    "composition": name,
                    "policy": policy,
                    "threshold": step / 1e4,
                    "faces": int(drawn.sum() if drawn.ndim == 1 else drawn.sum(axis=1).max()),
                    "expected": np.nansum(chance),
                    **{f"variance_{r}": v for r, v in zip(RATIOS, spread, strict=True)},
                }
            )
            row = {"model": model, "composition": name, "policy": policy}
            people.append(
                pd.DataFrame(row | {"member_id": members["member_id"], "chance": chance.round(5)})
            )
    return pd.concat(people, ignore_index=True), pd.DataFrame(rows)


def heat(gallery: Gallery, model: str) -> pd.DataFrame:
    """FMR of each recorded group against each label of the adults, for one model.

    Columns model, threshold_name ("primary", "fmr:0.0001"), threshold, pairs ("all", or "same sex":
    only comparisons of the same recorded and published sex), group, race, members, identities,
    errors, comparisons, fmr, low, high. The interval allows for members and identities that take
    part in many comparisons (`intervals.fmr_interval`), or is Wilson's where there is no error.
    """
    members = gallery.members.set_index("member_id")
    probes, private = gallery.load("probes", model), gallery.load("utkface", model)
    table = gallery.table[gallery.table["band"] != CHILD].set_index("id")
    private = collection.subset(private, table.index)
    config = Configuration(**probes.description["configuration"])
    probes = collection.subset(probes, members.index)
    named = {
        "primary": headline.result("utkface", model, headline.PRIMARY).summary["threshold"],
        f"fmr:{HEAT_FMR:g}": calibration.threshold(config, HEAT_FMR),
    }
    near = collection.search(probes, private, threshold=max(named.values()))
    near = near.join(members[["group", "gender"]], on="probe_id")
    near = near.join(table[["race", "gender", "cluster"]], on="gallery_id", rsuffix="_face")
    people = members.loc[probes.ids]
    rows = []
    for name, threshold in named.items():
        at = near[rates.at_or_below(near["score"], threshold)]
        for pairs in ("all", "same sex"):
            same = at if pairs == "all" else at[at["gender"] == at["gender_face"]]
            for group in CROSSWALK.keys() | {"Native and Pacific"}:
                for race in RACES:
                    mine = same[(same["group"] == group) & (same["race"] == race)]
                    searched = people[people["group"] == group]
                    drawn = table.loc[private.ids]
                    drawn = drawn[drawn["race"] == race]
                    n = len(searched) * len(drawn)
                    if pairs == "same sex":
                        n = sum(
                            (searched["gender"] == g).sum() * (drawn["gender"] == g).sum()
                            for g in GENDERS
                        )
                    identities_there = drawn["cluster"].nunique()
                    if len(mine):
                        found = intervals.fmr_interval(
                            mine["probe_id"], mine["cluster"], len(searched), identities_there, n
                        )
                    else:
                        found = (0.0, *intervals.wilson(0, n))
                    rows.append(
                        {
                            "model": model,
                            "threshold_name": name,
                            "threshold": threshold,
                            "pairs": pairs,
                            "group": group,
                            "race": race,
                            "members": len(searched),
                            "identities": identities_there,
                            "errors": len(mine),
                            "comparisons": n,
                            **dict(zip(("fmr", "low", "high"), found, strict=True)),
                        }
                    )
    order = {g: i for i, g in enumerate([*CROSSWALK, "Native and Pacific"])}
    found = pd.DataFrame(rows)
    found["order"] = found["group"].map(order)
    keys = ["threshold_name", "pairs", "order"]
    return found.sort_values(keys, kind="stable").drop(columns="order").reset_index(drop=True)


# ---------------------------------------------------------------- labels


def disagreement(table: pd.DataFrame) -> pd.DataFrame:
    """How often faces that are near-duplicates have different labels.

    table: columns cluster, gender, race. Returns a row for each label: clusters (of two faces or
    more), clusters_differ, pairs (of faces in one cluster), pairs_differ.
    """
    rows = []
    several = table[table.duplicated("cluster", keep=False)]
    sizes = several.groupby("cluster").size()
    pairs = int((sizes * (sizes - 1) // 2).sum())
    for label in ("gender", "race"):
        by = several.groupby(["cluster", label]).size()
        alike = int((by * (by - 1) // 2).sum())
        differ = int((several.groupby("cluster")[label].nunique() > 1).sum())
        rows.append((label, len(sizes), differ, pairs, pairs - alike))
    columns = ["label", "clusters", "clusters_differ", "pairs", "pairs_differ"]
    return pd.DataFrame(rows, columns=columns)


def transitions(table: pd.DataFrame) -> pd.DataFrame:
    """Which other race label a face gets when two labels differ: race x race, rows add to 1.

    From pairs of faces in one cluster, each pair both ways, with one pair added to every cell.
    """
    several = table.loc[table.duplicated("cluster", keep=False), ["cluster", "race"]]
    both = several.merge(several, on="cluster")
    both = both[both["race_x"] != both["race_y"]]
    found = pd.crosstab(both["race_x"], both["race_y"])
    found = found.reindex(index=RACES, columns=RACES, fill_value=0) + 1.0
    found = found * (1 - np.eye(len(RACES)))
    return found.div(found.sum(axis=1), axis=0)


def relabel(table: pd.DataFrame, race_rate: float, gender_rate: float, change, rng) -> pd.DataFrame:
    """The gallery as a second labelling might have it: labels that differ at the given rates.

    change: as `transitions`. Gender is exchanged. Each face is taken by itself.
    """
    race = table["race"].to_numpy(dtype=object).copy()
    gender = table["gender"].to_numpy(dtype=object).copy()
    for label in RACES:
        mine = np.flatnonzero((table["race"] == label) & (rng.random(len(table)) < race_rate))
        race[mine] = rng.choice(RACES, size=len(mine), p=change.loc[label].to_numpy())
    flip = rng.random(len(table)) < gender_rate
    gender[flip] = np.where(gender[flip] == "female", "male", "female")
    return table.assign(race=race, gender=gender)


def labelled_otherwise(table: pd.DataFrame, identical: dict, seed: int = SEED) -> dict[str, list]:
    """Variants of the labels of the adults: name -> list of tables (several where redrawn).

    identical: label -> share of identical photographs whose names disagree.
    """
    differ = table.groupby("cluster")[["gender", "race"]].nunique().gt(1).any(axis=1)
    found = {
        "as published": [table],
        "one face an identity": [table[~table["cluster"].duplicated()]],
        "identities with disputed labels left out": [table[~table["cluster"].map(differ)]],
    }
    near = disagreement(table).set_index("label")
    near = (near["pairs_differ"] / near["pairs"]).to_dict()
    change = transitions(table)
    for name, rate in (("near-duplicates", near), ("identical photographs", identical)):
        rng = np.random.default_rng(seed)
        found[f"redrawn at the rate of {name}"] = [
            relabel(table, rate["race"], rate["gender"], change, rng) for _ in range(REDRAWS)
        ]
    return found


RELABELLED = ("balanced", "US adults", "US arrests")


def labels_size(variants: dict) -> int:
    """The largest gallery, in hundreds and at most SIZE, that all variants of the labels allow."""
    plans, largest = fixed_designs(), SIZE
    for table in (t for tables in variants.values() for t in tables):
        faces = (table["gender"] + ", " + table["race"] + ", " + table["band"]).value_counts()
        largest = min(largest, *(largest_size(plans[name], faces, 1.0) for name in RELABELLED))
    return 100 * (largest // 100)


def labels_sensitivity(gallery: Gallery, model: str, variants: dict, size: int) -> pd.DataFrame:
    """The matched ratios under other labels: model, labels, composition, size, draws, log ratios.

    Columns ratio, ratio_within and their standard deviations over the redraws (0 without).
    """
    members = gallery.members
    probes, private = gallery.load("probes", model), gallery.load("utkface", model)
    everyone = collection.subset(private, variants["as published"][0]["id"])
    steps = score_steps(probes, everyone, members["member_id"])
    position = {i: n for n, i in enumerate(everyone.ids)}
    plans, rows = fixed_designs(), []
    for labels, tables in tqdm(variants.items(), desc=f"{model}, labels", unit="variant"):
        found = {name: [] for name in RELABELLED}
        for table in tables:
            stratum = table["gender"] + ", " + table["race"] + ", " + table["band"]
            columns = table["id"].map(position).to_numpy()
            faces = make_faces(steps[:, columns], stratum, table["part"], list(STRATA))
            for name in RELABELLED:
                drawn = apportion(plans[name], size).to_numpy()
                k = counts(faces, matched_step(faces, drawn)).sum(axis=2)
                chance = chances(k, faces.sizes.sum(axis=1), drawn)
                found[name].append([log_ratio(chance, members, w) for w in (False, True)])
        for name, logs in found.items():
            logs = np.array(logs)
            rows.append(
                {
                    "model": model,
                    "labels": labels,
                    "composition": name,
                    "size": size,
                    "faces": len(tables[0]),
                    "draws": len(logs),
                    "ratio": np.exp(logs[:, 0].mean()),
                    "ratio_within": np.exp(logs[:, 1].mean()),
                    "ratio_low": np.exp(logs[:, 0].min()),
                    "ratio_high": np.exp(logs[:, 0].max()),
                }
            )
    return pd.DataFrame(rows)


def make(out: Path = RESULTS, load=shipping.load_dataset) -> None:
    """Write data/results/composition*: chances, galleries, strata, heat, disagreement, labels."""
    from helpers.experiments import the_people as people

    gallery = load_gallery(load)
    adults = gallery.table[gallery.table["band"] != CHILD].reset_index(drop=True)
    shipped = people.utkface_labels()
    several = shipped["images with several names"]
    identical = {
        label: shipped[f"of these, names that disagree on {label}"] / several
        for label in ("gender", "race")
    }
    variants = labelled_otherwise(adults, identical)
    size = labels_size(variants)
    parts = [model_results(gallery, m) for m in PRIMARY_MODELS]
    chance = pd.concat([p for p, _ in parts], ignore_index=True)
    for column in ("model", "composition", "policy", "member_id"):
        chance[column] = chance[column].astype("category")
    chance["chance"] = chance["chance"].astype(np.float32)
    heats = pd.concat([heat(gallery, m) for m in PRIMARY_MODELS])
    labels = pd.concat([labels_sensitivity(gallery, m, variants, size) for m in PRIMARY_MODELS])
    out.mkdir(parents=True, exist_ok=True)
    chance.to_parquet(out / "composition.parquet", index=False, compression="zstd")
    for name, table in (
        ("galleries", pd.concat([g for _, g in parts])),
        ("strata", strata_table(gallery)),
        ("heat", heats),
        ("disagreement", disagreement(adults)),
        ("labels", labels),
    ):
        table.to_csv(out / f"composition-{name}.csv", index=False, float_format="%.6g")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[1])
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the tables")
    make(parser.parse_args().out)
