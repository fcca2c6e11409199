"""Who is in the gallery: the same members against galleries of other compositions.

A composition says how many faces of each stratum (published gender and race, age band) of `utkface`
are drawn. Nothing is drawn at random: the chance that a member is falsely matched in such a gallery
is exact (`rates.expected_fpir_hypergeometric`), and the expected FPIR of a group is the mean over
its members. The unit is the face, as in the primary analysis; one face an identity is a variant.

`python -m helpers.rebuild.tables 05-who-is-in-the-gallery` makes data/results/composition*. It
needs the face metadata of `utkface` in the cache (`congress-test fetch utkface`, `congress-test
enrol utkface`) and takes some ten minutes. What it writes of the gallery are sums over strata of
at least 50 faces.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.experiments.who_is_in_the_gallery import compositions
from helpers.faces import collection, same_person
from helpers.faces.pipelines import PRIMARY_MODELS, Configuration
from helpers.paths import DATA
from helpers.protocol import calibration, congress_test, shipped, shipping
from helpers.sources import galleries, groups
from helpers.statistics import intervals, rates

SEED = 20180726
REDRAWS = 10


class Gallery(NamedTuple):
    """The enrolled faces of `utkface` that may be drawn.

    table: one row a face: id, gender, race, band, cluster, part, stratum; without probable same
    persons and those older than 75. members: the people searched. load: (dataset, model) ->
    collection.
    """

    table: pd.DataFrame
    members: pd.DataFrame
    load: Callable


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
    child = (
        table["age_band"].eq(compositions.CHILD) & table["gender"].notna() & table["race"].notna()
    )
    band = np.where(table["age"].fillna(0) < 35, *compositions.BANDS)
    table["band"] = np.where(child, compositions.CHILD, band)
    keep = (table["adult"] | child) & table["id"].isin(enrolled) & ~table["cluster"].isin(left_out)
    table = table[keep].reset_index(drop=True)
    names = np.array(sorted(table["cluster"].unique()))
    part = np.random.default_rng(seed).permutation(len(names)) % compositions.PARTS
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
    faces = gallery.table["stratum"].value_counts().reindex(compositions.STRATA, fill_value=0)
    rows = []
    for name, shares in compositions.designs(faces).items():
        drawn = compositions.apportion(shares, compositions.SIZE)
        part = pd.DataFrame({"stratum": faces.index, "drawn": drawn, "faces": faces.to_numpy()})
        rows.append(part.assign(composition=name, size=compositions.SIZE))
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
    faces = compositions.make_faces(
        steps, table["stratum"], table["part"], list(compositions.STRATA)
    )
    available = pd.Series(faces.sizes.sum(axis=1), index=compositions.STRATA)
    plans = {
        name: compositions.apportion(s, compositions.SIZE).to_numpy()
        for name, s in compositions.designs(available).items()
    }
    plans |= compositions.own_groups(members, available)
    adults = np.array([not s.endswith(compositions.CHILD) for s in compositions.STRATA])
    jobs = [(name, faces, drawn) for name, drawn in plans.items()]
    jobs.append((compositions.WHOLE, faces, available.to_numpy() * adults))
    former = gallery.load("legislators", model)
    part = np.arange(len(former.ids)) % compositions.PARTS
    steps = score_steps(probes, former, members["member_id"])
    former = compositions.make_faces(steps, np.repeat("all", len(part)), part, ["all"])
    jobs.append((compositions.LEGISLATORS, former, np.array([compositions.SIZE])))
    fixed = {
        "default": config.default_threshold,
        "primary": shipped.result("utkface", model, shipped.PRIMARY).summary["threshold"],
    }
    rows, people = [], []
    for name, these, drawn in tqdm(jobs, desc=model, unit="gallery", disable=None):
        for policy in compositions.POLICIES:
            step = (
                round(1e4 * fixed[policy])
                if policy in fixed
                else compositions.matched_step(these, drawn)
            )
            k = compositions.counts(these, step)
            chance = compositions.chances(k.sum(axis=2), these.sizes.sum(axis=1), drawn)
            spread = [np.nan] * len(
                compositions.RATIOS
            )  # the whole gallery's FPIR is not smooth in its faces
            if name != compositions.WHOLE:
                spread = compositions.variances_gallery(k, these.sizes, drawn, members)
            rows.append(
                {
                    "model": model,
                    "composition": name,
                    "policy": policy,
                    "threshold": step / 1e4,
                    "faces": int(drawn.sum() if drawn.ndim == 1 else drawn.sum(axis=1).max()),
                    "expected": np.nansum(chance),
                    **{
                        f"variance_{r}": v for r, v in zip(compositions.RATIOS, spread, strict=True)
                    },
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
    table = gallery.table[gallery.table["band"] != compositions.CHILD].set_index("id")
    private = collection.subset(private, table.index)
    config = Configuration(**probes.description["configuration"])
    probes = collection.subset(probes, members.index)
    named = {
        "primary": shipped.result("utkface", model, shipped.PRIMARY).summary["threshold"],
        f"fmr:{compositions.HEAT_FMR:g}": calibration.threshold(config, compositions.HEAT_FMR),
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
            for group in groups.RACE_OF_GROUP.keys() | {"Native and Pacific"}:
                for race in groups.RACES:
                    mine = same[(same["group"] == group) & (same["race"] == race)]
                    searched = people[people["group"] == group]
                    drawn = table.loc[private.ids]
                    drawn = drawn[drawn["race"] == race]
                    n = len(searched) * len(drawn)
                    if pairs == "same sex":
                        n = sum(
                            (searched["gender"] == g).sum() * (drawn["gender"] == g).sum()
                            for g in groups.GENDERS
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
    order = {g: i for i, g in enumerate([*groups.RACE_OF_GROUP, "Native and Pacific"])}
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
    found = found.reindex(index=groups.RACES, columns=groups.RACES, fill_value=0) + 1.0
    found = found * (1 - np.eye(len(groups.RACES)))
    return found.div(found.sum(axis=1), axis=0)


def relabel(table: pd.DataFrame, race_rate: float, gender_rate: float, change, rng) -> pd.DataFrame:
    """The gallery as a second labelling might have it: labels that differ at the given rates.

    change: as `transitions`. Gender is exchanged. Each face is taken by itself.
    """
    race = table["race"].to_numpy(dtype=object).copy()
    gender = table["gender"].to_numpy(dtype=object).copy()
    for label in groups.RACES:
        mine = np.flatnonzero((table["race"] == label) & (rng.random(len(table)) < race_rate))
        race[mine] = rng.choice(groups.RACES, size=len(mine), p=change.loc[label].to_numpy())
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
    plans, largest = compositions.fixed_designs(), compositions.SIZE
    for table in (t for tables in variants.values() for t in tables):
        faces = (table["gender"] + ", " + table["race"] + ", " + table["band"]).value_counts()
        largest = min(
            largest, *(compositions.largest_size(plans[name], faces, 1.0) for name in RELABELLED)
        )
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
    plans, rows = compositions.fixed_designs(), []
    for labels, tables in tqdm(
        variants.items(), desc=f"{model}, labels", unit="variant", disable=None
    ):
        found = {name: [] for name in RELABELLED}
        for table in tables:
            stratum = table["gender"] + ", " + table["race"] + ", " + table["band"]
            columns = table["id"].map(position).to_numpy()
            faces = compositions.make_faces(
                steps[:, columns], stratum, table["part"], list(compositions.STRATA)
            )
            for name in RELABELLED:
                drawn = compositions.apportion(plans[name], size).to_numpy()
                k = compositions.counts(faces, compositions.matched_step(faces, drawn)).sum(axis=2)
                chance = compositions.chances(k, faces.sizes.sum(axis=1), drawn)
                found[name].append(
                    [compositions.log_ratio(chance, members, w) for w in (False, True)]
                )
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


def make(out: Path = compositions.RESULTS, load=shipping.load_dataset) -> None:
    """Write data/results/composition*: chances, galleries, strata, heat, disagreement, labels."""
    from helpers.experiments.the_people import tables as people

    gallery = load_gallery(load)
    adults = gallery.table[gallery.table["band"] != compositions.CHILD].reset_index(drop=True)
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
