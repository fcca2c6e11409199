"""Faces as Amazon Rekognition writes them."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from helpers.service.protocol import ServiceError

# What a face must reach under QualityFilter: side of its box in pixels, sharpness and brightness
# as `_quality` writes them, 0 to 100. The bars are ours: Amazon does not publish its own.
BARS = {
    "LOW": {"SMALL_BOUNDING_BOX": 16, "LOW_SHARPNESS": 5, "LOW_BRIGHTNESS": 10},
    "MEDIUM": {"SMALL_BOUNDING_BOX": 40, "LOW_SHARPNESS": 30, "LOW_BRIGHTNESS": 20},
    "HIGH": {"SMALL_BOUNDING_BOX": 80, "LOW_SHARPNESS": 60, "LOW_BRIGHTNESS": 30},
}
BARS["AUTO"] = BARS["LOW"]
SHARP = 100.0  # variance of the Laplacian that is written as a sharpness of 50


class Seen(NamedTuple):
    """A face in a picture: face metadata without embedding, and what gives that and the labels."""

    row: dict
    embed: Callable[[], np.ndarray]
    classify: Callable[[], dict]


class Picture(NamedTuple):
    """The faces of an image, largest first, and how their embeddings were or are made."""

    faces: list[Seen]
    description: dict


def _box(row: dict) -> dict:
    return {
        "Width": row["box_w"] / row["width"],
        "Height": row["box_h"] / row["height"],
        "Left": row["box_x"] / row["width"],
        "Top": row["box_y"] / row["height"],
    }


def _confidence(row: dict) -> float:
    return round(min(100.0, 100.0 * row["detector_score"]), 4)


def _quality(row: dict) -> dict:
    """Brightness: the mean grey. Sharpness: v / (v + 100), v the Laplacian's variance. Percent."""
    brightness, sharp = row["brightness"], row["sharpness"]
    if not (math.isfinite(brightness) and math.isfinite(sharp)):  # a box outside of the image
        return {"Brightness": 0.0, "Sharpness": 0.0}
    return {
        "Brightness": round(100 * brightness / 255, 4),
        "Sharpness": round(100 * sharp / (sharp + SHARP), 4),
    }


def _eyes(row: dict) -> list[tuple[str, float, float]]:
    """Left and right as seen in the image, as Amazon has them; ours are the person's own."""
    eyes = []
    for name, ours in (("eyeLeft", "right_eye"), ("eyeRight", "left_eye")):
        x, y = row[f"{ours}_x"], row[f"{ours}_y"]
        if x is not None and x == x:
            eyes.append((name, float(x), float(y)))
    return eyes


def _detail(seen: Seen, attributes=()) -> dict:
    row = seen.row
    eyes = _eyes(row)
    detail = {
        "BoundingBox": _box(row),
        "Confidence": _confidence(row),
        "Landmarks": [
            {"Type": name, "X": x / row["width"], "Y": y / row["height"]} for name, x, y in eyes
        ],
        "Quality": _quality(row),
    }
    if len(eyes) == 2:
        (_, x0, y0), (_, x1, y1) = eyes
        detail["Pose"] = {"Roll": round(math.degrees(math.atan2(y1 - y0, x1 - x0)), 4)}
    wanted = {"GENDER": "Gender", "AGE_RANGE": "AgeRange"}
    names = {n for a, n in wanted.items() if a in attributes or "ALL" in attributes}
    if names:
        detail |= {k: v for k, v in seen.classify().items() if k in names}
    return detail


def _face(face: dict) -> dict:
    """A stored face."""
    named = {"ExternalImageId": face["external_image_id"]} if face["external_image_id"] else {}
    return {
        "FaceId": face["face_id"],
        "ImageId": face["image_id"],
        **named,
        "BoundingBox": _box(face),
        "Confidence": _confidence(face),
    }


def _reasons(row: dict, quality_filter: str) -> list[str]:
    """Why a face does not pass a quality filter."""
    if quality_filter == "NONE":
        return []
    quality = _quality(row)
    measured = {
        "SMALL_BOUNDING_BOX": row["face_size"],
        "LOW_SHARPNESS": quality["Sharpness"],
        "LOW_BRIGHTNESS": quality["Brightness"],
    }
    return [r for r, bar in BARS[quality_filter].items() if measured[r] < bar]


def _largest(picture: Picture, quality_filter: str) -> Seen:
    faces = [f for f in picture.faces if not _reasons(f.row, quality_filter)]
    if not faces:
        raise ServiceError(
            "InvalidParameterException", "There are no faces in the image. Should be at least 1."
        )
    return faces[0]
