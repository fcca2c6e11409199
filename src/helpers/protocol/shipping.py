"""What ships in data/: made here from the images, and verified here against the images."""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces import collection, enrolment, pipelines, same_person
from helpers.paths import DATA, cache_dir
from helpers.protocol import scores
from helpers.sources import fetch

PUBLIC = (
    "probes",
    "second-portraits",
    "returning",
    "delegates",
    "legislators",
    "newcomers",
    "newcomers-second-portraits",
)
DETECTOR = "yunet"
KEEP_PROBES = 75  # candidates ship up to the score at which so many members have one
SMALLEST = 50  # faces; nothing measured is told of fewer people without a name
COSINE_TOLERANCE = 0.9999  # between an embedding that ships and one recomputed on another machine
SCORE_TOLERANCE = 0.002


def faces_path(dataset: str, model: str, detector: str = DETECTOR) -> Path:
    """Where the face metadata of a dataset lie: in data/ if they ship, else in the cache."""
    if dataset in PUBLIC and model in pipelines.MODELS and detector == DETECTOR:
        return DATA / "faces" / f"{dataset}-{model}.parquet"
    return cache_dir() / "faces" / f"{dataset}-{model}-{detector}.parquet"


def configuration(model: str, detector: str = DETECTOR) -> pipelines.Configuration:
    """As `models.configuration`, from what ships if possible: deepface takes long to import."""
    path = faces_path("probes", model, detector)
    if path.is_relative_to(DATA) and path.exists():
        return pipelines.Configuration(**enrolment.read_description(path)["configuration"])
    return pipelines.configuration(model, detector)


def enrol_dataset(dataset: str, model: str, detector: str = DETECTOR, **how) -> Path:
    """Enrol a named dataset to where its face metadata belong; return that path.

    how: workers, progress and pool, as for `enrolment.enrol`.
    """
    path = faces_path(dataset, model, detector)
    enrolment.enrol(fetch.local_files(dataset), path, model, detector, **how)
    return path


def load_dataset(dataset: str, model: str, path=faces_path) -> collection.Collection:
    """The collection of a named dataset, from its face metadata at `path(dataset, model)`."""
    return collection.load_collection(path(dataset, model))


def ship(model_names=pipelines.MODELS, out: Path = DATA, path=faces_path) -> None:
    """Make what ships of `utkface`: scores of the members, strata, and calibrated thresholds.

    Needs the face metadata of all named datasets, found at `path(dataset, model)`; writes scores/
    and calibration/ in `out`.
    """
    # here: the service and most commands only ask where files lie
    from helpers.protocol import calibration
    from helpers.sources import galleries

    def load(dataset, model):
        return load_dataset(dataset, model, path)

    place = out / "scores"
    place.mkdir(parents=True, exist_ok=True)
    near, margins = same_person_distances(model_names, load, place)
    private = {m: load("utkface", m) for m in model_names}
    primary = [m for m in pipelines.PRIMARY_MODELS if m in private]
    clusters = same_person.identity_clusters([private[m] for m in primary], near)
    labels = galleries.load_utkface().set_index("id")
    adults = labels.index[labels["adult"]]
    private = {m: collection.subset(c, adults) for m, c in private.items()}
    limits = same_person.by_pipeline(margins, same_person.PERCENTILE)
    alone = same_person.by_pipeline(margins, same_person.ALONE)
    same = _same_person({m: private[m] for m in primary}, clusters, limits, load)
    same.to_csv(place / "same-person.csv", index=False)
    former = {m: load("legislators", m) for m in primary}
    strangers = {
        m: _evidence(c, pd.Series(c.ids, c.ids), limits[m], load) for m, c in former.items()
    }
    same_person.errors(strangers).to_csv(place / "same-person-errors.csv", index=False)
    # two bands only: in finer ones some strata are so small that counts would speak of single faces
    band = np.where(labels["age"].fillna(0) < 35, "18-34", "35-75")
    strata = labels["gender"] + ", " + labels["race"] + ", " + band
    thresholds, by_group = [], []
    for model, gallery in private.items():
        probes, second = load("probes", model), load("second-portraits", model)
        found = scores.compute(
            probes, second, gallery, clusters, same, KEEP_PROBES, scores.PER_FACE
        )
        kept, sure = scores.left_in(clusters.reindex(gallery.ids).to_numpy(), same)
        delegates, _ = scores.best_and_histogram(
            load("delegates", model), gallery, kept, sure, found.description["genuine_p90"]
        )
        best = pd.concat([found.best, delegates.assign(portrait="first")], ignore_index=True)
        folder = place / f"utkface-{model}"
        scores.save_scores(found._replace(best=best), folder)
        a, b = calibration.calibrate(
            load("legislators", model), gallery, clusters, labels, alone[model]
        )
        thresholds.append(a)
        by_group.append(b)
        config = pipelines.Configuration(**probes.description["configuration"])
        named = {"default": config.default_threshold}
        named |= {f"fmr:{t:g}": v for t, v in zip(a["target_fmr"], a["threshold"], strict=True)}
        counts = scores.counts_by_stratum(probes, gallery, kept, strata, named)
        counts.to_parquet(folder / "counts.parquet", index=False, compression="zstd")
        sizes = strata.reindex(gallery.ids[kept]).value_counts().sort_index()
        sizes.rename_axis("stratum").rename("faces").to_csv(folder / "strata.csv")
    faces = enrolment.read_faces(path("utkface", pipelines.PRIMARY_MODELS[0]))
    enrolment_by_stratum(labels, faces).to_csv(place / "utkface-enrolment.csv", index=False)
    (out / "calibration").mkdir(parents=True, exist_ok=True)
    for name, tables in (("thresholds", thresholds), ("by-group", by_group)):
        table = pd.concat(tables, ignore_index=True)
        table.to_csv(out / "calibration" / f"{name}.csv", index=False, float_format="%.6g")


def enrolment_by_stratum(labels: pd.DataFrame, faces: pd.DataFrame) -> pd.DataFrame:
    """Images, failures to enrol and median photo quality of `utkface` by published label.

    Columns gender, race, age_band (empty where the set has no label or two that disagree), images,
    failures, face_size (pixels), sharpness, brightness (medians; empty for fewer than SMALLEST
    faces).
    """
    measured = faces.set_index("id")[["face_size", "sharpness", "brightness"]]
    table = labels[["gender", "race", "age_band"]].fillna("").join(measured)
    groups = table.groupby(["gender", "race", "age_band"])
    result = groups[["face_size", "sharpness", "brightness"]].median().round(1)
    result = result[groups["face_size"].count() >= SMALLEST].reindex(groups.size().index)
    result.insert(0, "images", groups.size())
    result.insert(1, "failures", groups["face_size"].apply(lambda column: column.isna().sum()))
    return result.reset_index()


def same_person_distances(model_names, load, place: Path) -> tuple[dict, pd.DataFrame]:
    """Measure the distances of the same-person rule on members and former legislators.

    Writes them to `place` and returns near-duplicate distance by pipeline, and the margins
    (pipeline, percentile, k, margin, searches).
    """
    near, margins = [], {}
    for model in model_names:
        members, former = load("probes", model), load("legislators", model)
        near.append(same_person.near_limit(members, former))
        found = collection.search(members, former, top=same_person.DEPTH)
        margins[model] = same_person.margins(found)
    limits = pd.DataFrame(near)
    every = pd.concat(margins, names=["pipeline"]).reset_index("pipeline").reset_index(drop=True)
    limits.to_csv(place / same_person.NEAR, index=False)
    every.to_csv(place / same_person.MARGINS, index=False)
    return limits.set_index("pipeline")["near"].to_dict(), every


def _evidence(gallery, clusters, margin, load) -> pd.DataFrame:
    """What a gallery's pipeline says of the members and their second portraits."""
    model = gallery.description["configuration"]["model"]
    first, second = (
        collection.search(load(side, model), gallery, top=same_person.DEPTH)
        for side in ("probes", "second-portraits")
    )
    return same_person.evidence(first, second, clusters, margin)


def _same_person(private: dict, clusters: pd.Series, margins: dict, load) -> pd.DataFrame:
    """The rule's decisions on the members and `utkface`; rows whose `decided_by` is a person's
    stay.
    """
    seen = {m: _evidence(gallery, clusters, margins[m], load) for m, gallery in private.items()}
    table = same_person.decide(seen).assign(decided_by="rule")
    path = DATA / "scores" / "same-person.csv"
    if path.exists():
        old = pd.read_csv(path, keep_default_na=False)
        by_hand = old[old["decided_by"] != "rule"]
        known = (same_person.SAME, same_person.CONTESTED, same_person.DIFFERENT)
        if len(by_hand):
            if unknown := set(by_hand["decision"]) - set(known):
                raise UserError(
                    f"{path.name} holds the decision {min(unknown)!r}; write {', '.join(known)}"
                )
            table = pd.concat([by_hand, table]).drop_duplicates(["probe_id", "cluster"])
            table["same_person"] = table["decision"] == same_person.SAME
    return table.sort_values(["probe_id", "cluster"], ignore_index=True)
