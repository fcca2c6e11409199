"""The faster YuNet finds what deepface's YuNet finds: boxes, eyes and crops, pixel by pixel."""

import math
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.faces import enrolment, networks, pipelines, weights, yunet
from helpers.sources import fetch

sys.path.insert(0, str(Path(__file__).parent))
import images


@pytest.fixture(scope="module")
def both():
    """deepface's way and ours, each image -> list of faces."""
    pipelines.load(pipelines.configuration("SFace"))
    return pipelines._detector("yunet"), pipelines._yunet()


def assert_same(both, image):
    theirs, ours = (detect(image) for detect in both)
    assert [face[:3] for face in ours] == [face[:3] for face in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert abs(a.score - b.score) < 1e-5
        np.testing.assert_array_equal(a.crop, b.crop)
    return len(ours)


@pytest.mark.parametrize("dataset", ["probes", "second-portraits", "legislators", "utkface"])
def test_the_same_faces_in_the_same_photographs(mirror, both, dataset):
    files = fetch.local_files(dataset)["path"]
    some = files.sample(40, random_state=20180726)
    found = [assert_same(both, enrolment.read_image(path)) for path in some]
    assert sum(found) > 20


@pytest.mark.parametrize("scale", [0.1, 0.37, 0.62, 1.3, 2.4])
@pytest.mark.parametrize("angle", [0, 25, -60])
def test_the_same_faces_at_any_size_and_angle(mirror, both, scale, angle):
    image = enrolment.read_image(images.portraits(mirror, 1)[0])
    turn = cv2.getRotationMatrix2D((256, 256), angle, 1)
    image = cv2.resize(cv2.warpAffine(image, turn, (512, 512)), None, fx=scale, fy=scale)
    assert_same(both, image)


def test_several_faces_and_faces_cut_by_the_edge(mirror, both):
    portraits = [enrolment.read_image(path) for path in images.portraits(mirror, 3)]
    for wide in (np.hstack(portraits), np.hstack([portraits[0], portraits[1][:, ::-1]])):
        theirs, ours = (detect(wide) for detect in both)
        assert len(ours) == len(theirs) == wide.shape[1] // 512
        # beside an edge a coordinate may tip over to the next pixel of the scaled image
        pixel = math.ceil(2 * max(wide.shape) / yunet.LARGEST)
        for a, b in zip(ours, theirs, strict=True):
            assert np.abs(np.subtract(a.box + a.left_eye, b.box + b.left_eye)).max() <= pixel
            assert abs(a.score - b.score) < 0.001
    for cut in (portraits[0][150:], portraits[1][:, :300], portraits[2][:330, 180:]):
        assert_same(both, np.ascontiguousarray(cut))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 90), st.integers(2, 90), st.integers(0, 9))
def test_no_face_in_noise_of_any_shape(height, width, seed):
    session = yunet.load(weights.find(weights.FILES["yunet"]))
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert yunet.detect(session, noise) == []


def test_without_prelu_the_numbers_differ_in_the_last_bit_only():
    path = weights.find(weights.FILES["SFace"])
    original = onnxruntime.InferenceSession(str(path))
    rewritten = onnxruntime.InferenceSession(networks.without_prelu(str(path)))
    for seed in range(3):
        face = np.random.default_rng(seed).uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)
        ours, theirs = (s.run(None, {"data": face})[0] for s in (rewritten, original))
        np.testing.assert_allclose(ours, theirs, atol=4e-6 * np.abs(theirs).max())


def test_the_native_way_is_opencvs(mirror):
    """Boxes, landmarks and scores of `cv2.FaceDetectorYN` at its defaults, on portraits."""
    path = weights.find(weights.FILES["yunet"])
    session = yunet.load(path)
    for file in images.portraits(mirror, 25):
        image = enrolment.read_image(file)
        theirs = cv2.FaceDetectorYN.create(str(path), "", image.shape[1::-1]).detect(image)[1]
        ours = yunet.find(session, image)
        assert len(ours) == len(theirs)
        for (box, points, score), row in zip(ours, theirs, strict=True):
            assert np.abs(np.array(box) - row[:4]).max() <= 0.51
            assert np.abs(points.ravel() - row[4:14]).max() < 0.01
            assert abs(score - row[14]) < 1e-4


def test_a_large_photograph_is_scaled_down_and_its_faces_are_told_in_its_own_pixels(mirror):
    session = yunet.load(weights.find(weights.FILES["yunet"]))
    image = enrolment.read_image(images.portraits(mirror, 1)[0])
    ((box, points, _),) = yunet.find(session, image)
    ((large, large_points, _),) = yunet.find(session, cv2.resize(image, None, fx=5, fy=5))
    assert np.abs(np.array(large) / 5 - box).max() < 25
    assert np.abs(large_points / 5 - points).max() < 12
