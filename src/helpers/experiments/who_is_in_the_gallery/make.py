"""Who is in the gallery: the same members against galleries of other compositions, exactly.

A composition says how many faces of each stratum (published gender and race, age band) of `utkface`
are drawn; a group's expected FPIR is the mean chance of its members. Sums of 50 or more ship.
"""

import itertools
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
from helpers.sources.groups import GENDERS
from helpers.statistics import intervals

SEED = 20180726


class Gallery(NamedTuple):
    """The enrolled faces of `utkface` that may be drawn, who is searched, and how faces load.

    table: a row a face: id, gender, race, band, cluster, part, stratum; without probable same
    persons and those older than 75. load: (dataset, model) -> collection.
    """

    table: pd.DataFrame
    members: pd.DataFrame
    load: Callable


def load_gallery(load) -> Gallery:
    """The faces of `utkface` with identities and strata, as `shipping.ship` has them."""
    private = [load("utkface", m) for m in PRIMARY_MODELS]
    enrolled = set(private[0].ids).intersection(*(set(c.ids) for c in private[1:]))
    clusters = same_person.identity_clusters(private)
    same = pd.read_csv(DATA / "scores" / "same-person.csv")
    left_out = set(same.loc[same["same_person"].astype(bool), "cluster"])
    table = galleries.load_utkface()
    labels = ["id", "gender", "race"]
    table[labels] = table[labels].astype(object)
    table["cluster"] = table["id"].map(clusters)
    table["band"] = np.where(table["age"].fillna(0) < 35, *compositions.BANDS)
    keep = table["adult"] & table["id"].isin(enrolled) & ~table["cluster"].isin(left_out)
    table = table[keep].reset_index(drop=True)
    names = np.array(sorted(table["cluster"].unique()))
    part = np.random.default_rng(SEED).permutation(len(names)) % compositions.PARTS
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
    members = gallery.members
    probes, private = gallery.load("probes", model), gallery.load("utkface", model)
    private = collection.subset(private, gallery.table["id"])
    table = gallery.table.set_index("id").loc[private.ids]
    steps = score_steps(probes, private, members["member_id"])
    labels = table["stratum"], table["part"], list(compositions.STRATA)
    faces = compositions.make_faces(steps, *labels)
    available = pd.Series(faces.sizes.sum(axis=1), index=compositions.STRATA)
    jobs = [
        (name, faces, compositions.apportion(shares, compositions.SIZE).to_numpy())
        for name, shares in compositions.designs(available).items()
    ]
    jobs.append((compositions.OWN, faces, compositions.own_group(members, available)))
    jobs.append((compositions.WHOLE, faces, available.to_numpy()))
    former = gallery.load("legislators", model)
    part = np.arange(len(former.ids)) % compositions.PARTS
    steps = score_steps(probes, former, members["member_id"])
    former = compositions.make_faces(steps, np.repeat("all", len(part)), part, ["all"])
    jobs.append((compositions.LEGISLATORS, former, np.array([compositions.SIZE])))
    fixed = {
        "default": Configuration(**probes.description["configuration"]).default_threshold,
        "primary": shipped.result("utkface", model, shipped.PRIMARY).summary["threshold"],
    }
    rows, people = [], []
    for name, these, drawn in tqdm(jobs, desc=model, unit="gallery", disable=None):
        for policy in compositions.POLICIES:
            at = fixed.get(policy)
            step = round(1e4 * at) if at else compositions.matched_step(these, drawn)
            k = compositions.counts(these, step)
            chance = compositions.chances(k.sum(axis=2), these.sizes.sum(axis=1), drawn)
            # the whole gallery's FPIR is not smooth in its faces
            spread = [np.nan] * len(compositions.RATIOS)
            if name != compositions.WHOLE:
                spread = compositions.variances_gallery(k, these.sizes, drawn, members)
            row = {"model": model, "composition": name, "policy": policy}
            size = int(drawn.sum() if drawn.ndim == 1 else drawn.sum(axis=1).max())
            found = {"threshold": step / 1e4, "faces": size, "expected": np.nansum(chance)}
            variances = [f"variance_{r}" for r in compositions.RATIOS]
            rows.append(row | found | dict(zip(variances, spread, strict=True)))
            everyone = {"member_id": members["member_id"], "chance": chance.round(5)}
            people.append(pd.DataFrame(row | everyone))
    return pd.concat(people, ignore_index=True), pd.DataFrame(rows)


def heat(gallery: Gallery, model: str) -> pd.DataFrame:
    """FMR of each recorded group against each label of the adults of the same gender.

    Columns model, threshold_name, threshold, pairs, group, race, members, identities, errors,
    comparisons, fmr, low, high: `intervals.fmr_interval`, Wilson's where there is no error.
    """
    members = gallery.members.set_index("member_id")
    probes, private = gallery.load("probes", model), gallery.load("utkface", model)
    table = gallery.table.set_index("id")
    private = collection.subset(private, table.index)
    config = Configuration(**probes.description["configuration"])
    probes = collection.subset(probes, members.index)
    threshold = calibration.threshold(config, compositions.HEAT_FMR)
    near = collection.search(probes, private, threshold=threshold)
    near = near.join(members[["group", "gender"]], on="probe_id")
    near = near.join(table[["race", "gender", "cluster"]], on="gallery_id", rsuffix="_face")
    near = near[near["gender"] == near["gender_face"]]
    people, enrolled = members.loc[probes.ids], table.loc[private.ids]
    rows: list[tuple] = []
    for group, race in itertools.product(groups.GROUPS, groups.RACES):
        searched, drawn = people[people["group"] == group], enrolled[enrolled["race"] == race]
        mine = near[(near["group"] == group) & (near["race"] == race)]
        n = sum((searched["gender"] == g).sum() * (drawn["gender"] == g).sum() for g in GENDERS)
        sizes = (len(searched), drawn["cluster"].nunique())
        found = (0.0, *intervals.wilson(0, n))
        if len(mine):
            found = intervals.fmr_interval(mine["probe_id"], mine["cluster"], *sizes, n)
        rows.append((model, "fmr:0.0001", threshold, "same sex", group, race, *sizes))
        rows[-1] += (len(mine), n, *found)
    columns = "model threshold_name threshold pairs group race members identities errors"
    return pd.DataFrame(rows, columns=[*columns.split(), "comparisons", "fmr", "low", "high"])


def make(out: Path = compositions.RESULTS, load=shipping.load_dataset) -> None:
    """Write data/results/composition*: chances, galleries, strata, heat."""
    gallery = load_gallery(load)
    parts = [model_results(gallery, m) for m in PRIMARY_MODELS]
    chance = pd.concat([p for p, _ in parts], ignore_index=True)
    names = ("model", "composition", "policy", "member_id")
    chance = chance.astype(dict.fromkeys(names, "category") | {"chance": np.float32})
    chance.to_parquet(out / "composition.parquet", index=False, compression="zstd")
    tables = {"galleries": pd.concat([g for _, g in parts]), "strata": strata_table(gallery)}
    tables["heat"] = pd.concat([heat(gallery, m) for m in PRIMARY_MODELS])
    for name, table in tables.items():
        table.to_csv(out / f"composition-{name}.csv", index=False, float_format="%.6g")
