"""What ships in data/: made here from the images, and verified here against the images."""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers import collection, enrolment, galleries, identities, models, scores, sources
from helpers.errors import UserError
from helpers.paths import DATA, cache_dir

PUBLIC = ("probes", "second-portraits", "delegates", "legislators")
DETECTOR = "yunet"
KEEP_PROBES = 150  # candidates ship up to the score at which so many members have one
COSINE_TOLERANCE = 0.9999  # between an embedding that ships and one recomputed on another machine
SCORE_TOLERANCE = 0.002


def faces_path(dataset: str, model: str) -> Path:
    """Where the face metadata of a dataset lie: in data/ for public officials, else in the cache."""
    folder = DATA / "faces" if dataset in PUBLIC else cache_dir() / "faces"
    return folder / f"{dataset}-{model}.parquet"


def enrol_dataset(dataset: str, model: str, workers: int | None = None, progress=True) -> Path:
    """Enrol a named dataset with the project's detector, to where its face metadata belong."""
    path = faces_path(dataset, model)
    enrolment.enrol(sources.local_files(dataset), path, model, DETECTOR, workers, progress)
    return path


def load_dataset(dataset: str, model: str) -> collection.Collection:
    """The collection of a named dataset, from its face metadata."""
    return collection.load_collection(faces_path(dataset, model))


def ship_scores(model_names=models.MODELS) -> None:
    """Write data/scores/utkface-<model>/ from the face metadata of the members and of `utkface`.

    Also data/scores/strata.csv, the number of gallery faces a stratum.
    """
    private = {m: load_dataset("utkface", m) for m in models.MODELS}
    clusters = identities.identity_clusters([private[m] for m in models.PRIMARY_MODELS])
    labels = galleries.load_utkface().set_index("id")
    adults = labels.index[labels["adult"]]
    for model in model_names:
        gallery = collection.subset(private[model], adults)
        scores.save_scores(
            utkface_scores(model, gallery, clusters), DATA / "scores" / f"utkface-{model}"
        )


def utkface_scores(model, gallery, clusters) -> scores.Scores:
    """The members against the adults of `utkface`: see `scores.compute`."""
    probes, second = load_dataset("probes", model), load_dataset("second-portraits", model)
    return against(probes, second, gallery, clusters, KEEP_PROBES, scores.PER_FACE)


def against(probes, second, gallery, clusters, keep_probes, per_face=None) -> scores.Scores:
    """Scores of probes against a gallery after the same-person rule, fed by second portraits."""
    model = probes.description["configuration"]["model"]
    candidates = collection.search(probes, gallery, top=identities.DEPTH)
    again = collection.search(second, gallery, top=1) if second else None
    same = identities.probable_same_person(
        candidates, again, clusters, identities.MARGIN.get(model, np.inf)
    )
    p90 = scores.genuine_p90(scores.genuine_scores(probes, second)) if second else 0.0
    return scores.compute(probes, gallery, clusters, same, p90, keep_probes, per_face)
