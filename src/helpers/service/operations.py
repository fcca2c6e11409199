"""Face search that answers as Amazon Rekognition does: operations on requests that are checked.

Each takes the service and the checked parameters, and returns what the client gets. Images are
looked at in processes of their own and forgotten; `helpers.service.server` puts this on a port.
"""

import functools
import hashlib
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.errors import UserError
from helpers.faces import collection, enrolment, exact, pipelines
from helpers.protocol import shipping
from helpers.service import similarity, wire
from helpers.service.protocol import ServiceError, invalid
from helpers.service.store import (
    CollectionExists,
    FaceStore,
    Info,
    NoSuchCollection,
    StoreFull,
    Unlike,
)
from helpers.service.workers import Workers
from helpers.sources import photographs

FORMATS = ("JPEG", "PNG")  # as Amazon
MOST_BYTES = 5 * 1024 * 1024  # of an image in a request, as Amazon
MOST_BYTES_BUCKET = 15 * 1024 * 1024  # of an image in a bucket, as Amazon
MOST_FACES_INDEXED = 100  # of one image, as Amazon
MOST_FACES_SEARCHED = 80  # candidates where the client names no number
IMAGES = ("Image", "SourceImage", "TargetImage")  # parameters
PAGE = 1000  # rows of a list where the client names no number; as many as Amazon allows is 4,096
ARN = "aws:rekognition:local:000000000000:collection/"
GENDER_CLASSIFIER = "gender-v1"
AGE_MARGIN = 10  # years


class Sight(NamedTuple):
    """What images are looked at with. buckets: name -> a folder of images, or face metadata."""

    model: str
    buckets: dict[str, Path]


class Service(NamedTuple):
    """What the operations share."""

    store: FaceStore
    sight: Sight
    workers: Workers


@functools.cache
def _loaded(model: str):
    config = pipelines.configuration(model)
    return pipelines.load(config), enrolment.describe(config)


@functools.cache
def _classifier():
    from helpers.faces import gender_classifiers

    return gender_classifiers.load(GENDER_CLASSIFIER)


def _see(service: Service, look_for: Callable, request: dict):
    """What `look_for(sight, request)` gives; a worker does it if there are pixels to look at."""
    images = (request[name] for name in IMAGES if name in request)
    if any(_has_pixels(service.sight, image) for image in images):
        return service.workers.do(look_for, service.sight, request)
    return look_for(service.sight, request)


def _has_pixels(sight: Sight, image: dict) -> bool:
    place = sight.buckets.get(image.get("S3Object", {}).get("Bucket"))
    return "Bytes" in image or bool(place and not enrolment.is_metadata(place))


def look(sight: Sight, image: dict) -> wire.Picture:
    """The faces of an image parameter: Bytes, or the S3Object of a bucket that is a local folder.

    In a bucket that is face metadata the "image" is what was enrolled of it. Raises ServiceError.
    """
    if ("Bytes" in image) == ("S3Object" in image):
        raise invalid("an image is Bytes or an S3Object")
    if "Bytes" in image:
        return _look_at(sight.model, image["Bytes"], MOST_BYTES)
    bucket, name = (image["S3Object"].get(key, "") for key in ("Bucket", "Name"))
    place = sight.buckets.get(bucket)
    if place is None:
        known = ", ".join(sorted(sight.buckets)) or "none"
        text = f"there is no bucket {bucket!r} here; there are {known}"
        raise ServiceError("InvalidS3ObjectException", text)
    if enrolment.is_metadata(place):
        faces, failures, description = _metadata(place)
        if name in failures:
            return wire.Picture([], description)
        if name in faces:
            row = faces[name].copy()
            embedding = row.pop("embedding")
            return wire.Picture([wire.Seen(row, lambda: embedding, _no_pixels)], description)
    else:
        content = _file(place, name)
        if content is not None:
            return _look_at(sight.model, content, MOST_BYTES_BUCKET, name)
    raise ServiceError("InvalidS3ObjectException", f"bucket {bucket!r} holds no {name[:100]!r}")


def _file(folder: Path, name: str) -> bytes | None:
    """A file below a folder; nothing where there is none, or where the name leads out of it."""
    try:
        root = folder.resolve()
        file = (root / name).resolve()
        if file.is_relative_to(root):
            file = photographs.spelled(root, file).resolve()
        if not (file.is_relative_to(root) and file.is_file()):
            return None
        if file.stat().st_size > MOST_BYTES_BUCKET:
            raise _too_large(f"{file.stat().st_size:,} bytes, at most {MOST_BYTES_BUCKET:,}")
        return file.read_bytes()
    except UserError as error:
        raise ServiceError("InvalidS3ObjectException", str(error)) from error
    except (OSError, ValueError):  # a name that no file can have, among others
        return None


@functools.lru_cache(maxsize=16)
def _metadata(path: Path) -> tuple[dict, set, dict]:
    """Face metadata by id, the ids of the failures to enrol beside them, and the description."""
    frame = enrolment.read_faces(path)
    failures = enrolment.failures_path(path)
    failed = set(enrolment.read_failures(path)["id"]) if failures.exists() else set()
    return {row["id"]: row for row in frame.to_dict("records")}, failed, frame.attrs


def _no_pixels() -> dict:
    raise invalid("this bucket holds face metadata; Gender and AgeRange need the image")


def _too_large(what: str) -> ServiceError:
    return ServiceError("ImageTooLargeException", f"Image is too large: {what}")


def _look_at(model: str, content: bytes, most: int, name: str = "") -> wire.Picture:
    if len(content) > most:
        raise _too_large(f"{len(content):,} bytes, at most {most:,}")
    digest = hashlib.sha256(content).hexdigest()
    try:
        image = photographs.decode_image(io.BytesIO(content), FORMATS)
    except photographs.Unreadable as error:
        if error.reason == "too many pixels":
            raise _too_large(str(error)) from error
        text = f"Request has invalid image format ({error.reason}): JPEG and PNG are read"
        raise ServiceError("InvalidImageFormatException", text) from error
    (detect, crop, embed), description = _loaded(model)
    try:
        found = detect(image)
    except Exception as error:  # each detector has its own kinds
        size = f"{image.shape[1]} x {image.shape[0]} pixels"
        raise invalid(f"no face can be looked for in {size}") from error
    named = {"id": name} if name else {}

    def embedding_of(face):
        vector = embed([crop(image, face)])[0]
        if not enrolment.usable(vector):
            raise invalid("the face gives no usable embedding")
        return vector

    def labels_of(face):
        return _labels(_classifier()(image, face))

    faces = []
    for row in enrolment.face_rows(image, found):
        embed_it, label_it = (functools.partial(f, row["face"]) for f in (embedding_of, labels_of))
        del row["face"]
        faces.append(wire.Seen(named | {"image_sha256": digest} | row, embed_it, label_it))
    return wire.Picture(faces, description)


def _labels(guess) -> dict:
    female = guess.p_female >= 0.5
    confidence = round(100 * max(guess.p_female, 1 - guess.p_female), 4)
    labels: dict = {"Gender": {"Value": "Female" if female else "Male", "Confidence": confidence}}
    if guess.age is not None:  # a convention and no interval
        low, high = math.floor(guess.age - AGE_MARGIN), math.ceil(guess.age + AGE_MARGIN)
        labels["AgeRange"] = {"Low": max(0, low), "High": high}
    return labels


def _version(model: str) -> str:
    return f"{model}/{shipping.DETECTOR}"


def create_collection(service: Service, request: dict) -> dict:
    """CreateCollection."""
    if request.get("Tags"):
        raise invalid("Tags are not kept here")
    name, model = request["CollectionId"], service.sight.model
    service.store.create(name, model)
    version = _version(model)
    return {"StatusCode": 200, "CollectionArn": ARN + name, "FaceModelVersion": version}


def describe_collection(service: Service, request: dict) -> dict:
    """DescribeCollection."""
    info = service.store.info(request["CollectionId"])
    return {
        "FaceCount": info.faces,
        "FaceModelVersion": _version(info.model),
        "CollectionARN": ARN + info.id,
        "CreationTimestamp": round(info.created, 3),
        "UserCount": 0,
    }


def list_collections(service: Service, request: dict) -> dict:
    """ListCollections, in the order in which they were made, page by page."""
    after, size = _after(request, "collections"), request.get("MaxResults") or PAGE
    found = [c for c in service.store.collections() if c.number > after]
    page = found[:size]
    more = {"NextToken": _token("collections", page[-1].number)} if found[size:] else {}
    return {
        "CollectionIds": [c.id for c in page],
        "FaceModelVersions": [_version(c.model) for c in page],
        **more,
    }


def delete_collection(service: Service, request: dict) -> dict:
    """DeleteCollection."""
    service.store.delete(request["CollectionId"])
    return {"StatusCode": 200}


def _token(place: str, number: int) -> str:
    return f"{place}:{number}".encode().hex()


def _after(request: dict, place: str) -> int:
    """The number at which the last page ended, from its NextToken; 0 for the first page."""
    token = request.get("NextToken")
    if not token:
        return 0
    try:
        prefix, number = bytes.fromhex(token).decode().split(":")
        if prefix == place and number.isdecimal() and len(number) < 19:
            return int(number)
    except ValueError:
        pass
    raise ServiceError("InvalidPaginationTokenException", "the NextToken is not of this list")


def index_faces(service: Service, request: dict) -> dict:
    """IndexFaces: the largest faces that pass the quality filter, at most MaxFaces."""
    name = request["CollectionId"]
    info = service.store.info(name)
    rows, details, left_out, description = _see(service, _chosen, request)
    external = request.get("ExternalImageId", "")
    stored = service.store.add(name, rows, description, external) if rows else []
    return {
        "FaceRecords": [
            {"Face": wire._face(face), "FaceDetail": detail}
            for face, detail in zip(stored, details, strict=True)
        ],
        "FaceModelVersion": _version(info.model),
        "UnindexedFaces": left_out,
    }


def _chosen(sight: Sight, request: dict) -> tuple[list[dict], list[dict], list[dict], dict]:
    """Face metadata and details of the faces to index, the others and why, how they were made."""
    attributes = request.get("DetectionAttributes", ())
    most = min(request.get("MaxFaces", MOST_FACES_INDEXED), MOST_FACES_INDEXED)
    quality_filter = request.get("QualityFilter", "AUTO")
    picture = look(sight, request["Image"])
    kept, left_out = [], []
    for seen in picture.faces:
        reasons = wire._reasons(seen.row, quality_filter)
        if not reasons and len(kept) == most:
            reasons = ["EXCEEDS_MAX_FACES"]
        if reasons:
            left_out.append({"FaceDetail": wire._detail(seen), "Reasons": reasons})
        else:
            kept.append(seen)
    details = [wire._detail(seen, attributes) for seen in kept]
    rows = [{**seen.row, "embedding": seen.embed()} for seen in kept]
    return rows, details, left_out, picture.description


def list_faces(service: Service, request: dict) -> dict:
    """ListFaces, in the order in which they came, page by page."""
    name = request["CollectionId"]
    info = service.store.info(name)
    if "UserId" in request:
        raise invalid("UserId: there are no users here")
    after, size = _after(request, "faces"), request.get("MaxResults") or PAGE
    found = service.store.faces(name, after, size + 1, request.get("FaceIds"))
    page = found[:size]
    more = {"NextToken": _token("faces", page[-1]["number"])} if found[size:] else {}
    return {
        "Faces": [wire._face(face) for face in page],
        "FaceModelVersion": _version(info.model),
        **more,
    }


def delete_faces(service: Service, request: dict) -> dict:
    """DeleteFaces."""
    gone = service.store.remove(request["CollectionId"], request["FaceIds"])
    missing = [i for i in dict.fromkeys(request["FaceIds"]) if i not in set(gone)]
    failed = [{"FaceId": i, "Reasons": ["FACE_NOT_FOUND"]} for i in missing]
    return {"DeletedFaces": gone, "UnsuccessfulFaceDeletions": failed}


def search_faces(service: Service, request: dict) -> dict:
    """SearchFaces: the faces of a collection like one of it, which is itself no candidate."""
    name, face_id = request["CollectionId"], request["FaceId"]
    info = service.store.info(name)
    embedding = service.store.embedding(name, face_id)
    if embedding is None:
        raise invalid(f"faceId {face_id} was not found in the collection")
    return {
        "SearchedFaceId": face_id,
        "FaceMatches": _matches(service, info, embedding, request, face_id),
        "FaceModelVersion": _version(info.model),
    }


def search_faces_by_image(service: Service, request: dict) -> dict:
    """SearchFacesByImage: the faces of a collection like the largest one of an image."""
    name = request["CollectionId"]
    info = service.store.info(name)
    row, embedding, description = _see(service, _searched, request)
    made = service.store.description(name)
    if made is not None and (why := collection.difference(made, description)):
        raise Unlike(why)
    return {
        "SearchedFaceBoundingBox": wire._box(row),
        "SearchedFaceConfidence": wire._confidence(row),
        "FaceMatches": _matches(service, info, embedding, request),
        "FaceModelVersion": _version(info.model),
    }


def _searched(sight: Sight, request: dict) -> tuple[dict, np.ndarray, dict]:
    picture = look(sight, request["Image"])
    seen = wire._largest(picture, request.get("QualityFilter", "NONE"))
    return seen.row, seen.embed(), picture.description


def _matches(service, info: Info, embedding, request: dict, leave_out: str | None = None):
    threshold = request.get("FaceMatchThreshold", similarity.DEFAULT)
    top = request.get("MaxFaces", MOST_FACES_SEARCHED)
    limit = math.inf
    if threshold > 0:  # one step of a score farther: the rounded percentages decide, below
        limit = float(similarity.to_distance(info.model, threshold)) + 10**-collection.DECIMALS
    found = service.store.search(info.id, embedding, limit, top, leave_out)
    percent = similarity.from_distance(info.model, [distance for _, distance in found])
    return [
        {"Similarity": float(p), "Face": wire._face(face)}
        for p, (face, _) in zip(percent, found, strict=True)
        if p >= threshold
    ]


def compare_faces(service: Service, request: dict) -> dict:
    """CompareFaces: the largest face of one image with every face of another."""
    return _see(service, _compared, request)


def _compared(sight: Sight, request: dict) -> dict:
    quality_filter = request.get("QualityFilter", "NONE")
    threshold = request.get("SimilarityThreshold", similarity.DEFAULT)
    first, second = (look(sight, request[k]) for k in ("SourceImage", "TargetImage"))
    model = first.description["configuration"]["model"]
    if why := collection.difference(first.description, second.description):
        raise invalid(f"the two faces cannot be compared: {why}")
    source = wire._largest(first, quality_filter)
    wire._largest(second, quality_filter)
    metric = first.description["configuration"]["metric"]
    compared = [f for f in second.faces if not wire._reasons(f.row, quality_filter)]
    one, many = (
        exact.normalised(np.stack([f.embed() for f in faces]), metric)
        for faces in ([source], compared)
    )
    scores = exact.distances(one, many, metric)[0]
    matches, others = [], []
    for seen, percent in zip(compared, similarity.from_distance(model, scores), strict=True):
        if percent >= threshold:
            matches.append({"Similarity": float(percent), "Face": wire._detail(seen)})
        else:
            others.append(wire._detail(seen))
    box, confidence = wire._box(source.row), wire._confidence(source.row)
    return {
        "SourceImageFace": {"BoundingBox": box, "Confidence": confidence},
        "FaceMatches": sorted(matches, key=lambda m: -m["Similarity"]),
        "UnmatchedFaces": others,
    }


def detect_faces(service: Service, request: dict) -> dict:
    """DetectFaces: the largest 100 faces of an image; of the attributes Gender and AgeRange."""
    return _see(service, _detected, request)


def _detected(sight: Sight, request: dict) -> dict:
    picture = look(sight, request["Image"])
    attributes = request.get("Attributes", ())
    largest = picture.faces[:MOST_FACES_INDEXED]
    return {"FaceDetails": [wire._detail(seen, attributes) for seen in largest]}


def answer(service: Service, operation: str, request: dict) -> dict:
    """The answer of an operation, by its name in the protocol. Raises ServiceError."""
    try:
        return HANDLERS[operation](service, request)
    except NoSuchCollection as error:
        missing = f"The collection id: {request['CollectionId']} does not exist"
        raise ServiceError("ResourceNotFoundException", missing) from error
    except CollectionExists as error:
        there = f"The collection id: {request['CollectionId']} already exists"
        raise ServiceError("ResourceAlreadyExistsException", there) from error
    except StoreFull as error:
        raise ServiceError("ServiceQuotaExceededException", str(error)) from error
    except Unlike as error:
        raise invalid(
            f"faces of this service cannot be compared with those of {request['CollectionId']}: "
            f"{error}. Serve that model (--model), or another store (--store)"
        ) from error
    except UserError as error:  # weights that cannot be had, say
        raise ServiceError("InternalServerError", str(error), 500) from error


HANDLERS = {
    function.__name__.title().replace("_", ""): function
    for function in (
        compare_faces, create_collection, delete_collection, delete_faces,
        describe_collection, detect_faces, index_faces, list_collections, list_faces,
        search_faces, search_faces_by_image,
    )
}  # fmt: skip
