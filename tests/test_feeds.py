"""Native feeds are their publishers': crops and embeddings against OpenCV's and dlib's own code."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import UserError
from helpers.faces import enrolment, feeds, networks, pipelines, weights

sys.path.insert(0, str(Path(__file__).parent))
import images

SFACE = 200  # portraits on which the crop is compared
DLIB = 40


def cosine(a, b) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def faces(mirror):
    """Portraits as (image, face) with the landmarks of YuNet."""
    detect, *_ = pipelines.load(pipelines.configuration("sface-native"))
    found = []
    for path in images.portraits(mirror, SFACE):
        image = enrolment.read_image(path)
        found.append((image, max(detect(image), key=lambda f: f.box[2] * f.box[3])))
    return found


def test_sfaces_crop_and_embedding_are_opencvs(faces):
    """`cv2.FaceRecognizerSF`, the publisher's own program, on the same landmarks."""
    theirs = cv2.FaceRecognizerSF.create(str(weights.find(networks.FILES["SFace"])), "")
    crop, embed = feeds.native("SFace")
    for image, face in faces:
        row = np.zeros((1, 15), dtype=np.float32)
        row[0, 4:14] = face.landmarks.ravel()
        aligned = theirs.alignCrop(image, row)
        ours = feeds.sface_crop(image, face)[:, :, ::-1]
        # OpenCV's transform is float32, ours float64: a weight of its interpolation may tip over
        differ = np.abs(aligned.astype(int) - ours)
        assert differ.max() <= 8 and differ.mean() < 0.02
        assert cosine(embed([crop(image, face)])[0], theirs.feature(aligned)[0]) > 0.9999


def test_dlibs_embedding_is_dlibs(faces):
    """dlib's own network on dlib's own chip: embeddings, and every pair's distance."""
    import dlib

    theirs = dlib.face_recognition_model_v1(str(weights.find(weights.FILES["Dlib"])))
    (crop, embed), landmarks = feeds.native("Dlib"), feeds.dlib_landmarks()
    ours, dlibs = [], []
    for image, face in faces[:DLIB]:
        rgb, points = landmarks(image, face)
        chip = dlib.get_face_chip(rgb, points, 150, 0.25)
        np.testing.assert_array_equal(feeds.dlib_chip(rgb, points), chip)
        ours += list(embed([crop(image, face)]))
        dlibs.append(np.asarray(theirs.compute_face_descriptor(chip)))
    assert min(cosine(a, b) for a, b in zip(ours, dlibs, strict=True)) > 0.999999
    apart = [np.linalg.norm(np.array(x)[:, None] - np.array(x), axis=2) for x in (ours, dlibs)]
    np.testing.assert_allclose(*apart, atol=2e-5)
    assert ((apart[0] <= 0.6) == (apart[1] <= 0.6)).all()


def test_facenets_crop_is_the_examples(faces):
    """Box and margin cut by hand, stretched, standardised: the recipe as its example has it."""
    image, face = faces[0]
    x, y, w, h = face.box
    cut = image[y - 5 : y + h + 5, x - 5 : x + w + 5, [2, 1, 0]].astype(float)
    stretched = cv2.resize(cut, (160, 160))
    expected = (stretched - stretched.mean()) / stretched.std()
    crop = feeds.facenet_crop(image, face)
    assert crop.shape == (160, 160, 3) and crop.dtype == np.float32
    np.testing.assert_allclose(crop, expected, atol=1e-3)
    _, embed = feeds.native("Facenet")
    assert abs(np.linalg.norm(embed([crop])) - 1) < 1e-5


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([112, 150, 160]), st.booleans())
def test_deepfaces_input_is_deepfaces(height, width, side, dark):
    from deepface.modules.preprocessing import resize_image

    crop = np.random.default_rng(height).integers(0, 2 if dark else 256, (height, width, 3))
    crop = crop.astype(np.uint8)
    if not all(int(n * side / max(height, width)) for n in (height, width)):
        return  # nothing is left of a side: OpenCV refuses, here as there
    theirs = resize_image(crop / 255 if crop.max() > 1 else crop, (side, side))
    ours = feeds.deepface_blob(pipelines.Face((0, 0, 1, 1), None, None, 1.0, crop), (side, side))
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs)


def test_a_grey_crop_is_not_divided_by_nothing():
    grey = np.full((60, 60, 3), 128, dtype=np.uint8)
    face = pipelines.Face((5, 5, 40, 40), None, None, 1.0, grey)
    assert np.isfinite(feeds.facenet_crop(grey, face)).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 20), st.floats(-300, 300), st.floats(-300, 300))
def test_a_similarity_is_found_again(angle, scale, x, y):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = feeds.SFACE_TEMPLATE @ turn.T + [x, y]
    found = feeds.similarity_transform(feeds.SFACE_TEMPLATE, moved)
    np.testing.assert_allclose(found, np.column_stack([turn, [x, y]]), atol=1e-6)


def test_a_mirrored_face_is_not_mirrored_back():
    """Points that only a reflection would take to the template get a rotation."""
    mirrored = feeds.SFACE_TEMPLATE * [-1, 1]
    assert np.linalg.det(feeds.similarity_transform(mirrored, feeds.SFACE_TEMPLATE)[:, :2]) > 0


def test_sface_says_which_detector_it_needs():
    with pytest.raises(UserError, match="five landmarks, which only the detector yunet gives"):
        pipelines.configuration("sface-native", "opencv")


# ---- a wrong feed must not pass the gate: each fault is planted in a native pipeline


def tar(first, second, fmr=1e-3) -> float:
    """The share of genuine pairs at or below the distance that so many impostor pairs reach."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in map(np.array, (first, second)))
    apart = 1 - a @ b.T
    impostors = apart[~np.eye(len(a), dtype=bool)]
    return float((np.diag(apart) <= np.quantile(impostors, fmr)).mean())


@pytest.fixture(scope="module")
def pairs(mirror):
    """Portraits of members and their second portraits: (image, face) twice, 120 members."""
    from helpers.sources import fetch

    detect, *_ = pipelines.load(pipelines.configuration("sface-native"))
    first = fetch.local_files("probes").set_index("id")["path"]
    second = fetch.local_files("second-portraits").set_index("id")["path"]
    rows = []
    for member in sorted(set(first.index) & set(second.index))[:120]:
        both = []
        for path in (first[member], second[member]):
            image = enrolment.read_image(path)
            found = detect(image)
            if found:
                both.append((image, max(found, key=lambda f: f.box[2] * f.box[3])))
        if len(both) == 2:
            rows.append(both)
    return rows


def shifted(by: float):
    """A crop that shows the face too far to the right and too low, by a share of its side."""

    def change(crop):
        return np.roll(crop, (round(by * len(crop)),) * 2, axis=(0, 1))

    return change


def upside_down(crop):
    return crop[::-1, ::-1]  # what five landmarks with eyes and mouth exchanged would cut


def channels_swapped(crop):
    return crop[:, :, ::-1]


def from_0_to_255(crop):  # Facenet's crop without its standardisation
    return (crop - crop.min()) / (crop.max() - crop.min()) * 255


def from_0_to_1(crop):  # SFace's crop as deepface scales pictures
    return crop / np.float32(255)


@pytest.fixture(scope="module")
def measured(pairs):
    """`tar` of a native pipeline with a fault planted between its crop and its network."""
    landmarks = feeds.dlib_landmarks()

    def measure(network, fault=None):
        run, sides = networks.load(network), ([], [])
        for both in pairs:
            for side, (image, face) in zip(sides, both, strict=True):
                given = landmarks(image, face) if network == "Dlib" else (image, face)
                crop = feeds.CROPS[network](*given)
                side.append(fault(crop) if fault else crop)
        return tar(*map(run, sides))

    return measure


@pytest.mark.parametrize("network", ["Dlib", "SFace", "Facenet"])
def test_the_gate_falls_for_a_wrong_feed(measured, network):
    right = measured(network)
    assert right >= 0.90
    closing = [upside_down, shifted(0.25)]
    closing += {"SFace": [from_0_to_1], "Facenet": [from_0_to_255]}.get(network, [])
    for fault in closing:
        assert measured(network, fault) < 0.90
    # a network reads blue for red nearly as well: the measure falls, the gate stays open, and it is
    # the comparison with the publisher's program above that notices
    assert measured(network, channels_swapped) < right


def test_swapped_eyes_close_the_gate(pairs, monkeypatch):
    """The landmarks named by the other side's names, as between a viewer's and a person's left."""
    (crop, embed), right = feeds.native("SFace"), []
    for swap in (False, True):
        order = [1, 0, 2, 4, 3] if swap else [0, 1, 2, 3, 4]
        sides = ([], [])
        for both in pairs:
            for side, (image, face) in zip(sides, both, strict=True):
                side.append(crop(image, face._replace(landmarks=face.landmarks[order])))
        right.append(tar(*map(embed, sides)))
    assert right[0] >= 0.90 > right[1]
