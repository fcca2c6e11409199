"""The registry of pipelines, and a pipeline's name -> functions on images, with verified weights.

A pipeline is detector + crop + normalisation + network + metric. Each of three networks stands here
twice: `…-native` as its publisher feeds it, and under deepface's own name as deepface feeds it, as
every other name of deepface's.
"""

import functools
import logging
import math
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from helpers.errors import UserError
from helpers.faces import feeds, networks, weights, yunet
from helpers.files import sha256

DETECTORS = ("yunet", "dlib")
NATIVE, DEEPFACE = "native", "deepface"  # feeds


class Pipeline(NamedTuple):
    """A row of the registry: a network, how it is fed and compared, and how it is drawn.

    `feed`: NATIVE or DEEPFACE. `crop`, `normalisation`: what that is, in words. `metric`,
    `default_threshold` and its source as in `Configuration`. `line`: matplotlib's line style.
    """

    label: str
    colour: str
    line: str | tuple
    feed: str
    recogniser: str
    crop: str
    normalisation: str
    metric: str
    default_threshold: float
    threshold_source: str


def _through_deepface(label: str, colour: str, recogniser: str, threshold: float) -> Pipeline:
    """A network as deepface feeds it: its crop, cosine distance, deepface's own threshold."""
    return Pipeline(
        label=label,
        colour=colour,
        line=(0, (1.5, 1.2)),
        feed=DEEPFACE,
        recogniser=recogniser,
        crop="deepface's: box rotated to level eyes, padded to a square",
        normalisation="deepface's base: 0 to 1",
        metric="cosine",
        default_threshold=threshold,
        threshold_source=f"deepface {metadata.version('deepface')}, cosine",
    )


# The colours are apart in greyscale and for the colour blind, as the groups' colours are.
PIPELINES = {
    "dlib-native": Pipeline(
        label="Dlib",
        colour="#001A80",
        line="-",
        feed=NATIVE,
        recogniser="Dlib",
        crop=f"dlib's chip of 5 landmarks, padding {feeds.CHIP_PADDING}",
        normalisation="dlib's: RGB less its mean, by 256",
        metric="euclidean",
        default_threshold=0.6,  # David King's own, http://dlib.net/face_recognition.py.html
        threshold_source="dlib's example face_recognition.py",
    ),
    "sface-native": Pipeline(
        label="SFace",
        colour="#A03F14",
        line=(0, (5, 1.5)),
        feed=NATIVE,
        recogniser="SFace",
        crop="OpenCV's alignCrop: 5 landmarks onto 112 x 112",
        normalisation="RGB, 0 to 255",
        metric="cosine",
        default_threshold=0.637,  # a cosine similarity of 0.363
        threshold_source="OpenCV's tutorial of FaceRecognizerSF: cosine similarity 0.363",
    ),
    "facenet-native": Pipeline(
        label="Facenet",
        colour="#1DB9D6",
        line="-",
        feed=NATIVE,
        recogniser="Facenet",
        crop=f"the box and a margin of {feeds.FACENET_MARGIN} pixels, stretched to 160 x 160",
        normalisation="RGB, each crop to mean 0 and deviation 1",
        metric="euclidean",
        default_threshold=round(math.sqrt(1.242), 4),
        threshold_source="FaceNet paper (Schroff et al. 2015), squared distance 1.242",
    ),
    "Dlib": _through_deepface("Dlib (deepface)", "#7A7A7A", "Dlib", 0.07),
    "SFace": _through_deepface("SFace (deepface)", "#C77B3C", "SFace", 0.593),
    "Facenet": _through_deepface("Facenet (deepface)", "#6F9F5F", "Facenet", 0.40),
}
MODELS = tuple(PIPELINES)
PRIMARY_MODELS = tuple(name for name, row in PIPELINES.items() if row.feed == NATIVE)
MODEL_LABELS = {name: row.label for name, row in PIPELINES.items()}


class Configuration(NamedTuple):
    """Everything that decides a comparison score except the images.

    `metric` is "cosine" (1 - cosine of the angle, 0 to 2) or "euclidean"; both are distances:
    small is alike. `default_threshold` is the library's own: a pair at or below it "matches".
    """

    model: str
    recogniser: str
    detector: str
    crop: str
    normalisation: str
    metric: str
    default_threshold: float
    threshold_source: str


class Face(NamedTuple):
    """One detected face: box (x, y, width, height) and eyes in whole pixels of the image.

    crop: deepface's, BGR uint8, empty where a native pipeline asks; landmarks: (5, 2) float32 of
    `yunet.find`, None from any other detector.
    """

    box: tuple[int, int, int, int]
    left_eye: tuple[int, int] | None
    right_eye: tuple[int, int] | None
    score: float
    crop: np.ndarray
    landmarks: np.ndarray | None = None


def configuration(model: str, detector: str = "yunet") -> Configuration:
    """The full configuration behind a model's and a detector's name.

    Raises UserError for a name that neither deepface nor this project knows.
    """
    if model == "sface-native" and detector != "yunet":
        raise UserError("sface-native needs five landmarks, which only the detector yunet gives")
    if model in PIPELINES and detector in DETECTORS:  # deepface takes seconds to import
        return _configuration(model, PIPELINES[model], detector)
    _quiet_deepface()
    from deepface.config.threshold import thresholds
    from deepface.modules.modeling import AVAILABLE_MODELS

    if detector not in AVAILABLE_MODELS["face_detector"]:
        known = ", ".join(sorted(AVAILABLE_MODELS["face_detector"]))
        raise UserError(f"unknown detector {detector!r}; deepface knows {known}")
    if model not in thresholds and model not in PIPELINES:
        known = ", ".join([*PRIMARY_MODELS, *sorted(thresholds)])
        raise UserError(f"unknown model {model!r}; known are {known}")
    row = PIPELINES.get(model)
    if row is None:
        row = _through_deepface(model, "", model, thresholds[model]["cosine"])
    return _configuration(model, row, detector)


def _configuration(model: str, row: Pipeline, detector: str) -> Configuration:
    how = {k: v for k, v in row._asdict().items() if k in Configuration._fields}
    return Configuration(model=model, detector=detector, **how)


def weight_hashes(config: Configuration) -> dict[str, str]:
    """Make the weights of a configuration available, see `weights.find`; return {file name:
    SHA-256}.

    Models outside the manifest name their own files: they are loaded to learn which, and any copy
    of such a file counts, under the hash it has.
    """
    names, files = {"face_detector": config.detector}, set()
    if config.model in PIPELINES:
        files.add(networks.FILES[config.recogniser])
    else:
        names["facial_recognition"] = config.recogniser
    if config.model == "dlib-native":
        files.add(weights.FILES["dlib"])
    for task, name in names.items():
        files |= {weights.FILES[name]} if name in weights.FILES else set(build(task, name)[1])
    return {file: sha256(weights.find(file)) for file in sorted(files)}


def load(config: Configuration) -> tuple[Callable, Callable, Callable]:
    """Load detector and recogniser on one thread.

    Returns `detect(image) -> list[Face]`, `crop(image, face)`: what the network sees of a face, and
    `embed(crops) -> embeddings`, (n, d) float32, of a list of crops. `image` is (height, width, 3)
    uint8 BGR. Raises UserError when weights are missing.
    """
    weight_hashes(config)
    _own_weights_for_deepface()
    import cv2

    cv2.setNumThreads(1)
    native = config.model in PRIMARY_MODELS
    if config.detector == "yunet":
        detect = _yunet_native() if native else _yunet()
    else:
        detect = _detector(config.detector)
    if config.model not in PIPELINES:
        return detect, *_client(config.recogniser)
    return detect, *(feeds.native if native else feeds.deepface)(config.recogniser)


def _client(name: str) -> tuple[Callable, Callable]:
    """`crop` and `embed` of a recogniser that only deepface knows: its own client, one thread."""
    import onnxruntime

    recogniser, _ = build("facial_recognition", name)
    session = getattr(recogniser, "model", None)
    # a session without a path was made here, by an earlier `load`
    if isinstance(session, onnxruntime.InferenceSession) and session._model_path:
        recogniser.model = networks.session(networks.without_prelu(session._model_path))
    height, width = recogniser.input_shape

    def crop(image, face):
        return feeds.deepface_blob(face, (width, height))

    def embed(crops):
        return np.array([recogniser.forward(one) for one in crops], dtype=np.float32)

    return crop, embed


@functools.cache
def build(task: str, name: str) -> tuple[Any, tuple[str, ...]]:
    """A model of deepface and the names of its weights files, once a process."""
    files = _own_weights_for_deepface()
    from deepface.modules import modeling

    try:
        return modeling.build_model(task, name), tuple(files)
    except UserError:
        raise
    except Exception as error:  # each library behind deepface has its own kinds
        where = f" from {', '.join(files)}" if files else ""
        raise UserError(
            f"{name} cannot be loaded{where} ({weights.first_line(error)}); "
            f"weights lie in {weights.deepface_home() / '.deepface' / 'weights'}"
        ) from error


def _own_weights_for_deepface() -> list[str]:
    """Let deepface find its weights by `weights.find`, with its hashes: the names it asks for."""
    _quiet_deepface()
    os.environ["DEEPFACE_HOME"] = str(weights.deepface_home())
    from deepface.commons import weight_utils

    asked: list[str] = []

    def find(file_name, source_url, compress_type=None):
        addresses = (source_url,) if isinstance(source_url, str) else tuple(source_url)
        asked.append(file_name)
        return str(weights.find(file_name, addresses))

    weight_utils.download_weights_if_necessary = find
    return asked


def _yunet():
    session = yunet.load(weights.find(weights.FILES["yunet"]))

    def detect(image):
        return [Face(*face) for face in yunet.detect(session, image) if face[-1].size]

    return detect


def _yunet_native():
    session = yunet.load(weights.find(weights.FILES["yunet"]))
    none = np.empty(0, dtype=np.uint8)

    def detect(image):
        return [
            Face(box, _point(points[1]), _point(points[0]), score, none, points)
            for box, points, score in yunet.find(session, image)
        ]

    return detect


def _detector(name: str):
    from deepface.modules.detection import detect_faces

    def face(found):
        area = found.facial_area
        box = int(area.x), int(area.y), int(area.w), int(area.h)
        score = float(area.confidence or 0)
        return Face(box, _point(area.left_eye), _point(area.right_eye), score, found.img)

    def detect(image):
        return [face(f) for f in detect_faces(name, image, align=True) if f.img.size]

    return detect


def _point(point) -> tuple[int, int] | None:
    return None if point is None else (int(point[0]), int(point[1]))


def _quiet_deepface() -> None:
    # remembered before `load` points deepface to the project's folder
    os.environ.setdefault("DEEPFACE_HOME_USER", os.environ.get("DEEPFACE_HOME", str(Path.home())))
    os.environ.setdefault("DEEPFACE_BACKEND_ENGINE", "onnx")
    os.environ.setdefault("DEEPFACE_LOG_LEVEL", str(logging.CRITICAL))
