"""Degradations on images with a known answer, searching on made-up faces, tables on what ships."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.experiments.how_good_is_the_photo import make as q
from helpers.faces import enrolment
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import congress_test, shipping

sys.path.insert(0, str(Path(__file__).parent))
import synthetic


def picture(height=90, width=120, seed=0) -> np.ndarray:
    """A colourful image that is neither flat nor noise."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + c)) + np.cos(y / (7 - c)) for c in range(3)]
    return np.round(127 + 50 * np.stack(waves, axis=-1)).astype(np.uint8)


def frame(**size) -> q.Frame:
    image = picture(**size)
    return q.Frame(image, (image.shape[1] / 2, image.shape[0] / 3))


def distance(a, b) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


EVERY = [c for c in q.conditions() if c[0] != q.UNDEGRADED]


@pytest.mark.parametrize(("kind", "level"), EVERY)
def test_every_degradation_is_pure_and_keeps_the_size(kind, level):
    given_frame = frame(height=190, width=150)
    before = given_frame.image.copy()
    once = q.degrade(given_frame, kind, level, 7)
    assert once.shape == before.shape and once.dtype == np.uint8
    assert (given_frame.image == before).all()
    assert (q.degrade(given_frame, kind, level, 7) == once).all()
    assert (once != before).any() == (kind != q.SCALED)


@pytest.mark.parametrize("kind", [k for k in q.LEVELS if k not in ("cover",)])
def test_a_later_level_is_farther_from_the_portrait(kind):
    far = [distance(q.degrade(frame(), kind, v, 7), frame().image) for v in q.LEVELS[kind]]
    assert far == sorted(far) and len(set(far)) == len(far)


def test_unknown_kinds_are_refused():
    with pytest.raises(KeyError):
        q.degrade(frame(), "sepia", 1, 0)


def test_scaling_brings_every_face_to_one_size():
    image = picture(300, 200)
    for face_size in (80.0, 147.6, 300.0):
        scaled = q.scale(image, face_size, (100, 120))
        factor = q.EYES * q.FACE_PER_EYES / face_size
        assert scaled.image.shape == (round(300 * factor), round(200 * factor), 3)
        assert scaled.between_eyes == pytest.approx((100 * factor, 120 * factor))
    assert (q.scale(image, q.EYES * q.FACE_PER_EYES, (1, 1)).image == image).all()


def test_the_size_of_a_face_follows_from_the_eyes_of_the_members():
    faces = enrolment.read_faces(shipping.faces_path("probes", PRIMARY_MODELS[0]))
    eyes = np.hypot(
        faces["left_eye_x"] - faces["right_eye_x"], faces["left_eye_y"] - faces["right_eye_y"]
    )
    assert (faces["face_size"] / eyes).median() == pytest.approx(q.FACE_PER_EYES, abs=0.05)
    x = (faces["left_eye_x"] + faces["right_eye_x"]) / 2 / faces["width"]
    y = (faces["left_eye_y"] + faces["right_eye_y"]) / 2 / faces["height"]
    assert (x.median(), y.median()) == pytest.approx(q.EYES_IN_PORTRAIT, abs=0.03)


def test_resolution_keeps_the_mean_of_a_pixel_and_nothing_finer():
    flat = np.full((60, 60, 3), 77, dtype=np.uint8)
    assert (q.resolution(flat, 8) == 77).all()
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    board = np.repeat(board[:, :, None], 3, axis=2)
    # at half the pixels each is the mean of two black and two white ones
    assert np.abs(q.resolution(board, q.EYES / 2).astype(float) - 127.5).max() <= 1
    assert (q.resolution(board, q.EYES) == board).all()


def test_blur_has_the_standard_deviation_it_names():
    point = np.zeros((81, 81, 3), dtype=np.uint8)
    point[:, 40:] = 255  # an edge becomes the normal distribution function
    row = q.blur(point, 4)[40, :, 0] / 255
    density = np.diff(row)
    x = np.arange(80) + 0.5
    mean = (density * x).sum()
    assert mean == pytest.approx(39.5, abs=0.2)
    assert np.sqrt((density * (x - mean) ** 2).sum()) == pytest.approx(4, abs=0.25)


def test_a_stop_doubles_the_light():
    grey = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    assert (q.exposure(grey, 0) == grey).all()
    assert (np.diff(q.exposure(grey, 1)[0, :, 0].astype(int)) >= 0).all()
    # 18 % grey is sRGB 118; half and double the light are 85 and 162 (IEC 61966-2-1)
    assert q.exposure(grey, -1)[0, 118, 0] == pytest.approx(85, abs=1)
    assert q.exposure(grey, 1)[0, 118, 0] == pytest.approx(162, abs=1)
    assert (q.exposure(grey, 12)[0, :, 0] == [0, *[255] * 255]).all()


@given(st.integers(0, 2**63), st.sampled_from([5, 10, 20]))
@settings(max_examples=20, deadline=None)
def test_noise_has_its_strength_and_its_seed(seed, sd):
    grey = np.full((60, 60, 3), 128, dtype=np.uint8)
    noisy = q.noise(grey, sd, seed)
    assert (noisy == q.noise(grey, sd, seed)).all()
    assert (noisy != q.noise(grey, sd, seed + 1)).any()
    error = noisy.astype(float) - 128
    assert error.std() == pytest.approx(sd, rel=0.06) and abs(error.mean()) < sd / 20
    # one pattern at every level
    other = q.noise(grey, 2 * sd, seed).astype(float) - 128
    assert np.corrcoef(error.ravel(), other.ravel())[0, 1] > 0.95


def test_noise_is_clipped_and_does_not_wrap_around():
    white = np.full((40, 40, 3), 250, dtype=np.uint8)
    assert q.noise(white, 40, 1).min() > 60  # a wrapped 270 would be 14


@pytest.mark.parametrize("which", q.COVERS)
def test_a_cover_hides_its_rectangle_and_nothing_else(which):
    image = picture(300, 240)
    x, y = 120.0, 110.0
    top, bottom, half = q.COVERS[which]
    covered = q.cover(image, which, (x, y))
    hidden = np.zeros(image.shape[:2], dtype=bool)
    hidden[
        round(y + top * q.EYES) : round(y + bottom * q.EYES),
        round(x - half * q.EYES) : round(x + half * q.EYES),
    ] = True
    assert (covered[hidden] == q.COVER_COLOUR[which]).all() and hidden.any()
    assert (covered[~hidden] == image[~hidden]).all()


def test_a_cover_beyond_the_edge_is_cut_off():
    image = picture(50, 50)
    assert (q.cover(image, 1, (25, 40)) == image).all()  # all of it lies below the picture
    assert (q.cover(image, 3, (-500, 25)) == image).all()
    assert (q.cover(image, 3, (0, 0)) != image).any()


def test_seeds_differ_by_image_and_kind_and_stay():
    seeds = {q.seed_of(i, k) for i in ("A000001", "A000002") for k in ("noise", "jpeg")}
    assert len(seeds) == 4
    assert q.seed_of("A000001", "noise") == 6601713170962049192


def test_conditions_have_names_of_their_own():
    names = [f"{kind}-{level:g}" for kind, level in q.conditions()]
    assert len(set(names)) == len(names) == 2 + sum(map(len, q.LEVELS.values()))


# ---------------------------------------------------------------- measuring


class Face:
    def __init__(self, box, score=0.9):
        self.box, self.score = box, score


def test_the_largest_face_is_enrolled():
    faces = [Face((0, 0, 5, 5)), Face((9, 0, 8, 6)), Face((1, 0, 6, 8), 0.95)]
    networks = {"a": (lambda image, face: np.array(face.box, dtype=np.float32), np.stack)}
    assert list(q.enrol_one(picture(), lambda image: faces, networks)["a"]) == [1, 0, 6, 8]


def test_no_face_an_error_and_a_useless_embedding_are_failures_to_enrol():
    one = lambda image: [Face((0, 0, 5, 5))]  # noqa: E731

    def breaks(*_):
        raise RuntimeError("spoilt")

    cut = lambda *_: np.ones(3)  # noqa: E731
    good, zero = (cut, np.stack), (cut, lambda crops: 0 * np.stack(crops))

    assert q.enrol_one(picture(), lambda image: [], {"a": good}) == {}
    assert q.enrol_one(picture(), breaks, {"a": good}) == {}
    assert q.enrol_one(picture(), one, {"a": good, "b": (breaks, np.stack)}) == {}
    assert q.enrol_one(picture(), one, {"a": good, "b": (cut, breaks)}) == {}
    assert q.enrol_one(picture(), one, {"a": good, "b": zero}) == {}
    assert set(q.enrol_one(picture(), one, {"a": good, "b": good})) == {"a", "b"}


def test_a_condition_that_lies_there_is_not_measured_again(tmp_path, monkeypatch):
    enrolled = {PRIMARY_MODELS[0]: np.ones(2)}
    monkeypatch.setattr(q, "conditions", lambda: [("none", 0.0), ("blur", 2.0)])
    monkeypatch.setattr(q.fetch, "local_files", lambda _: pd.DataFrame({"id": ["A"], "path": [""]}))
    monkeypatch.setattr(q.pipelines, "load", lambda _: (None, None, None))
    monkeypatch.setattr(q, "framed", lambda *_: frame())
    monkeypatch.setattr(q, "enrol_one", lambda *_: enrolled)
    first = q.measure(tmp_path)["blur", 2.0]
    assert list(first["probe_id"]) == ["A"] and list(first[PRIMARY_MODELS[0]][0]) == [1, 1]
    enrolled[PRIMARY_MODELS[0]] = np.zeros(2)
    assert list(q.measure(tmp_path)["blur", 2.0][PRIMARY_MODELS[0]][0]) == [1, 1]
    monkeypatch.setattr(q.enrolment, "describe", lambda _: {"other": "weights"})
    assert list(q.measure(tmp_path)["blur", 2.0][PRIMARY_MODELS[0]][0]) == [0, 0]


# ---------------------------------------------------------------- searching


@pytest.fixture
def galleries():
    """Faces at given cosine distances from the first axis, which is the only probe's face."""

    def faces(ids, distances):
        embeddings = np.zeros((len(ids), 6))
        made = synthetic.at_distances(distances)
        embeddings[:, : made.shape[1]] = made
        return synthetic.collection(ids, embeddings)

    private = faces(["g1", "g2", "g3", "z"], [0.3, 0.2, 0.6, 1.0])
    former = faces(["v1", "v2", "z"], [0.45, 0.7, 1.0])
    second = faces(["A", "B", "z"], [0.5, 0.25, 1.0])
    return q.Galleries(private, former, second)


def probes(ids):
    embeddings = np.zeros((len(ids), 6))
    embeddings[:, 0] = 1
    return synthetic.collection(ids, embeddings)


def test_a_search_finds_best_mate_and_rank(galleries):
    found = q.search_one(probes(["A", "B", "C"]), galleries).set_index("probe_id")
    assert (found["best"] == 0.2).all()
    assert (found["legislators"] == 0.45).all()
    assert found.loc["A", "genuine"] == 0.5 and found.loc["B", "genuine"] == 0.25
    assert np.isnan(found.loc["C", "genuine"])
    # A: nearer are g2, g1 and B's second portrait; B: only g2; C has no mate
    assert found["rank"].tolist() == [4, 2, 0]


def test_a_search_of_nobody_is_empty(galleries):
    assert len(q.search_one(probes([]), galleries)) == 0


def test_failures_to_enrol_are_no_match_and_a_miss():
    people = congress_test.people_searched()["member_id"]
    mates = shipping.load_dataset("second-portraits", PRIMARY_MODELS[0]).ids
    with_mate = next(i for i in people if i in set(mates))
    without = next(i for i in people if i not in set(mates))
    rows = [(i, 0.3, 0.4, 0.35 if i in set(mates) else np.nan, 1) for i in people]
    columns = ["probe_id", "best", "legislators", "genuine", "rank"]
    found = pd.DataFrame(rows, columns=columns)
    failed = found[~found["probe_id"].isin([with_mate, without])]
    table = q.everyone(failed).set_index("probe_id")
    assert list(table.index) == list(people) and table["enrolled"].sum() == len(people) - 2
    assert np.isinf(table.loc[[with_mate, without], "best"]).all()
    assert np.isinf(table.loc[with_mate, "genuine"]) and np.isnan(table.loc[without, "genuine"])
    nobody = q.everyone(found.iloc[:0])
    assert not nobody["enrolled"].any() and np.isinf(nobody["best"]).all()
    assert np.isinf(nobody["genuine"]).sum() == np.isin(people, mates).sum()
