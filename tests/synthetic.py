"""Collections of made-up faces, for tests that need no image and no model."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa

from helpers.faces import enrolment
from helpers.faces.collection import Collection
from helpers.faces.pipelines import Configuration

METRICS = {"dlib-native": "euclidean", "SFace": "cosine", "Facenet": "cosine", "Dlib": "cosine"}


def configuration(model: str = "SFace", **changes) -> Configuration:
    """A configuration as `models.configuration` makes it, without loading deepface."""
    return Configuration(
        model=model,
        recogniser="Dlib" if model == "dlib-native" else model,
        detector="yunet",
        crop="none",
        normalisation="none",
        metric=METRICS.get(model, "cosine"),
        default_threshold=0.5,
        threshold_source="this test",
    )._replace(**changes)


def describe(model: str = "SFace", **changes) -> dict:
    """The description of face metadata made with a model."""
    return {
        "configuration": configuration(model, **changes)._asdict(),
        "weights_sha256": {f"{model}.onnx": "0" * 64},
        "versions": {},
        "images_sha256": "0" * 64,
    }


def collection(ids, embeddings, model: str = "SFace") -> Collection:
    """A collection of faces with the given embeddings (n, d)."""
    return Collection(
        np.array(list(ids), dtype=str), np.asarray(embeddings, dtype=np.float64), describe(model)
    )


def people(rng, n: int, d: int = 32) -> np.ndarray:
    """Embeddings (n, d) of n different people, of length 1."""
    x = rng.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def near(rng, faces: np.ndarray, cosine_distance: float) -> np.ndarray:
    """Other photographs of the same people: faces at about the given cosine distance."""
    noise = rng.normal(size=faces.shape)
    noise -= (noise * faces).sum(axis=1, keepdims=True) * faces
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    cos = 1 - cosine_distance
    return cos * faces + np.sqrt(1 - cos**2) * noise


def at_distances(distances) -> np.ndarray:
    """Embeddings (n, n + 1) at the given cosine distances from the first unit vector."""
    cos = 1 - np.asarray(distances, dtype=float)
    faces = np.zeros((len(cos), len(cos) + 1))
    faces[:, 0] = cos
    faces[np.arange(len(cos)), np.arange(len(cos)) + 1] = np.sqrt(1 - cos**2)
    return faces


def write(path, faces: Collection, failed=(), hashes=None) -> None:
    """Write a collection as a file of face metadata, with failures to enrol beside it."""
    n = len(faces.ids)
    columns = {
        "id": list(faces.ids),
        "image_sha256": [
            hashes[i] if hashes else hashlib.sha256(i.encode() + e.tobytes()).hexdigest()
            for i, e in zip(faces.ids, faces.embeddings, strict=True)
        ],
        "detector_score": [0.9] * n,
        "face_size": [100.0] * n,
        "sharpness": [50.0] * n,
        "brightness": [120.0] * n,
        "embedding": list(faces.embeddings.astype(np.float32)),
    }
    arrays = [pa.array(columns.get(c, [1] * n), t) for c, t in enrolment.COLUMNS.items()]
    table = pa.table(arrays, names=list(enrolment.COLUMNS))
    enrolment.write_faces(table, path, faces.description)
    rows = [(i, "no face found", "", "0" * 64) for i in failed]
    failures = pd.DataFrame(rows, columns=list(enrolment.FAILURE_COLUMNS))
    failures.to_csv(enrolment.failures_path(path), index=False)


def auc_by_loop(a, b):
    """Chance that one of a is smaller than one of b, a tie counting half, by its definition."""
    return sum((x < y) + 0.5 * (x == y) for x in a for y in b) / (len(a) * len(b))
