"""Open gender classifiers: two networks of different origin that guess a label from a face.

They guess one of two words from how a face looks in a photograph; that is no one's gender. Notebook
12 measures how often the guess differs from what was recorded.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from helpers.errors import UserError
from helpers.faces import feeds, networks, pipelines, weights

CLASSIFIERS = ("gender-v1", "faceres")

# https://github.com/davisking/dlib-models, as its example programs feed the two networks
CYDRAL_MEAN = np.array([122.782, 117.001, 104.298], dtype=np.float32)  # RGB
GENDER_CHIP, AGE_CHIP, CYDRAL_PADDING = 32, 64, 0.2
CYDRAL_AGES = np.array([0.25, *range(1, 81)])

# https://github.com/HSE-asavchenko/HSE_FaceRec_tf, age_gender_identity/facial_analysis.py; there
# the box grows by ten pixels on each side, here by a tenth, so that it does not depend on the size
HSE_MEAN = np.array([103.939, 116.779, 123.68], dtype=np.float32)  # BGR
HSE_SIZE, HSE_MARGIN, HSE_FIRST_AGE = 224, 0.1, 1


class Guess(NamedTuple):
    """A classifier's guess: `p_female` from 0 to 1 (the rest is "male"), `age` in years or None."""

    p_female: float
    age: float | None


def load(name: str) -> Callable[[np.ndarray, pipelines.Face], Guess]:
    """Load a classifier on one thread: `guess(image, face) -> Guess`.

    `image` is (height, width, 3) uint8 BGR, `face` one that a detector found in it. Both
    classifiers are read as their publishers do: "gender-v1" on dlib's chip of five landmarks, its
    age from its sister network age-v1 as the expected value; "faceres" on the box with a margin,
    its age from the two likeliest years. Raises UserError for an unknown name and missing weights.
    """
    if name not in CLASSIFIERS:
        raise UserError(f"unknown gender classifier {name!r}; known are {', '.join(CLASSIFIERS)}")
    return _gender_v1() if name == "gender-v1" else _faceres()


def _gender_v1():
    gender, age = _session("gender-v1"), _session("age-v1")
    landmarks = feeds.dlib_landmarks()
    import dlib

    def guess(image, face):
        rgb, points = landmarks(image, face)

        def run(network, size):
            chip = dlib.get_face_chip(rgb, points, size, CYDRAL_PADDING)
            return network.run(None, {"images": cydral_input(chip)})[0][0]

        female, _male = run(gender, GENDER_CHIP)
        ages = run(age, AGE_CHIP)
        return Guess(float(female), float(CYDRAL_AGES @ ages))

    return guess


def _faceres():
    session = _session("faceres")

    def guess(image, face):
        male, ages = session.run(["male", "age"], {"images": hse_input(image, face.box)})
        return Guess(1 - float(male[0, 0]), hse_age(ages[0]))

    return guess


def cydral_input(chip: np.ndarray) -> np.ndarray:
    """An aligned chip, (n, n, 3) uint8 RGB -> what gender-v1 and age-v1 take, (1, 3, n, n)."""
    return ((chip.astype(np.float32) - CYDRAL_MEAN) / 256).transpose(2, 0, 1)[None]


def hse_input(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """An image (uint8 BGR) and a face's box in it -> what faceres takes, (1, 224, 224, 3) BGR.

    The box grows by a tenth of its width and height on each side and is cut at the image's edge.
    Raises ValueError for a box that lies outside the image.
    """
    import cv2

    x, y, w, h = box
    left, top = max(0, round(x - HSE_MARGIN * w)), max(0, round(y - HSE_MARGIN * h))
    right, bottom = round(x + (1 + HSE_MARGIN) * w), round(y + (1 + HSE_MARGIN) * h)
    crop = image[top : max(bottom, 0), left : max(right, 0)]
    if crop.size == 0:
        raise ValueError(f"the box {box} lies outside the image")
    return (cv2.resize(crop, (HSE_SIZE, HSE_SIZE)).astype(np.float32) - HSE_MEAN)[None]


def hse_age(probabilities: np.ndarray) -> float:
    """Age in years from faceres' 100 probabilities: the mean of the two likeliest, weighted."""
    two = np.argsort(-probabilities, kind="stable")[:2]
    return float(HSE_FIRST_AGE + two @ probabilities[two] / probabilities[two].sum())


def _session(name: str):
    return networks.session(weights.find(weights.FILES[name]).read_bytes())
