"""The face search service, driven by Amazon's own client; every answer is checked by its shape."""

import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from botocore.exceptions import ClientError

from helpers.errors import UserError
from helpers.faces import collection, enrolment
from helpers.paths import ROOT
from helpers.protocol import shipping
from helpers.service import operations as service
from helpers.service import server, similarity
from helpers.service.protocol import OPERATIONS
from helpers.service.store import FaceStore, read_import
from helpers.service.workers import Workers
from helpers.sources.rosters import load_members

sys.path.insert(0, str(Path(__file__).parent))
import boto
import images

MODEL = "dlib-native"
PROBES = shipping.faces_path("probes", MODEL)
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with server.running("--model", MODEL, store=tmp_path_factory.mktemp("store")) as address:
        yield address


@pytest.fixture(scope="module")
def amazon(url):
    return boto.client(url)


@pytest.fixture
def name(amazon, request):
    """An empty collection."""
    made = request.node.name.replace("[", ".").replace("]", "").replace("/", "_")[:200]
    amazon.create_collection(CollectionId=made)
    yield made
    amazon.delete_collection(CollectionId=made)


@contextmanager
def refused(code: str, status: int = 400):
    with pytest.raises(ClientError) as error:
        yield
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["Error"]["Message"]
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.value.response["ResponseMetadata"]["RequestId"]


def index(amazon, name, ids, bucket="probes", **more):
    return [
        amazon.index_faces(CollectionId=name, Image=boto.held(bucket, i), ExternalImageId=i, **more)
        for i in ids
    ]


@pytest.fixture(scope="module")
def ids():
    return enrolment.read_faces(PROBES)["id"].to_list()


# ---------------------------------------------------------------- collections


def test_the_life_of_a_collection(amazon):
    made = amazon.create_collection(CollectionId="life")
    assert made["StatusCode"] == 200 and made["CollectionArn"].endswith("collection/life")
    with refused("ResourceAlreadyExistsException"):
        amazon.create_collection(CollectionId="life")
    found = amazon.describe_collection(CollectionId="life")
    assert found["FaceCount"] == 0 and found["FaceModelVersion"] == f"{MODEL}/yunet"
    assert abs(found["CreationTimestamp"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert amazon.delete_collection(CollectionId="life")["StatusCode"] == 200
    for ask in (amazon.describe_collection, amazon.delete_collection, amazon.list_faces):
        with refused("ResourceNotFoundException"):
            ask(CollectionId="life")


def test_collections_are_listed_page_by_page(amazon):
    wanted = [f"page-{i}-{'x' * 200}" for i in range(5)]
    for each in wanted:
        amazon.create_collection(CollectionId=each)
    pages = amazon.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2})
    pages = list(pages)
    assert [i for page in pages for i in page["CollectionIds"]] == wanted
    assert [len(page["CollectionIds"]) for page in pages] == [2, 2, 1]
    assert {v for page in pages for v in page["FaceModelVersions"]} == {f"{MODEL}/yunet"}
    for token in ("nonsense", "ff", "66616365733a31", "é"):
        with refused("InvalidPaginationTokenException"):
            amazon.list_collections(NextToken=token)
    for each in wanted:
        amazon.delete_collection(CollectionId=each)


@pytest.mark.parametrize("bad", ["a b", "a/b", "ü", "x" * 256])
def test_a_collections_name_has_amazons_characters(amazon, bad):
    with refused("InvalidParameterException"):
        amazon.create_collection(CollectionId=bad)


def test_tags_are_refused_rather_than_lost(amazon):
    with refused("InvalidParameterException"):
        amazon.create_collection(CollectionId="tagged", Tags={"a": "b"})


# ---------------------------------------------------------------- faces


def test_what_was_indexed_is_listed_and_deleted(amazon, name, ids):
    records = [r["FaceRecords"][0] for r in index(amazon, name, ids[:5])]
    assert amazon.describe_collection(CollectionId=name)["FaceCount"] == 5
    pages = amazon.get_paginator("list_faces").paginate(
        CollectionId=name, PaginationConfig={"PageSize": 2}
    )
    listed = [face for page in pages for face in page["Faces"]]
    assert listed == [r["Face"] for r in records]
    assert [f["ExternalImageId"] for f in listed] == ids[:5]
    some = [listed[3]["FaceId"], listed[1]["FaceId"]]
    only = amazon.list_faces(CollectionId=name, FaceIds=[*some, NOBODY])["Faces"]
    assert only == [listed[1], listed[3]]
    gone = amazon.delete_faces(CollectionId=name, FaceIds=[*some, NOBODY])
    assert gone["DeletedFaces"] == some
    assert gone["UnsuccessfulFaceDeletions"] == [{"FaceId": NOBODY, "Reasons": ["FACE_NOT_FOUND"]}]
    left = amazon.list_faces(CollectionId=name)["Faces"]
    assert left == [listed[0], listed[2], listed[4]]


def test_the_same_image_is_not_stored_twice(amazon, name, ids):
    first, again = (index(amazon, name, ids[:1])[0]["FaceRecords"] for _ in range(2))
    assert first == again
    other = amazon.index_faces(
        CollectionId=name, Image=boto.held("probes", ids[0]), ExternalImageId="other"
    )
    assert other["FaceRecords"][0]["Face"]["FaceId"] != first[0]["Face"]["FaceId"]
    assert amazon.describe_collection(CollectionId=name)["FaceCount"] == 2


def test_an_image_without_a_face(amazon, name):
    nobody = enrolment.read_failures(shipping.faces_path("legislators", MODEL))["id"].iloc[0]
    answer = index(amazon, name, [nobody], "legislators")[0]
    assert answer["FaceRecords"] == [] and answer["UnindexedFaces"] == []
    with refused("InvalidParameterException"):
        amazon.search_faces_by_image(CollectionId=name, Image=boto.held("legislators", nobody))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ExternalImageId": "a b"}, "InvalidParameterException"),
        ({"ExternalImageId": "x" * 256}, "InvalidParameterException"),
        ({"QualityFilter": "BEST"}, "InvalidParameterException"),
        ({"DetectionAttributes": ["COLOUR"]}, "InvalidParameterException"),
        ({"Image": {}}, "InvalidParameterException"),
        ({"Image": boto.held("nowhere", "a.jpg")}, "InvalidS3ObjectException"),
        ({"Image": boto.held("probes", "nobody")}, "InvalidS3ObjectException"),
        ({"Image": {"Bytes": b"not an image"}}, "InvalidImageFormatException"),
        ({"Image": {"Bytes": b"x" * (service.MOST_BYTES + 1)}}, "ImageTooLargeException"),
        ({"CollectionId": "nowhere"}, "ResourceNotFoundException"),
    ],
)
def test_what_index_faces_refuses(amazon, name, ids, change, code):
    image = boto.held("probes", ids[0])
    with refused(code):
        amazon.index_faces(**{"CollectionId": name, "Image": image, **change})


def test_the_quality_filter(amazon, name):
    faces = enrolment.read_faces(shipping.faces_path("legislators", MODEL))
    small = faces.loc[faces["face_size"].between(20, 39), "id"].iloc[0]
    passed = {}
    for bar in ("NONE", "AUTO", "LOW", "MEDIUM", "HIGH"):
        answer = index(amazon, name, [small], "legislators", QualityFilter=bar)[0]
        passed[bar] = len(answer["FaceRecords"])
        reasons = [r for u in answer["UnindexedFaces"] for r in u["Reasons"]]
        assert ("SMALL_BOUNDING_BOX" in reasons) == (passed[bar] == 0)
    assert passed == {"NONE": 1, "AUTO": 1, "LOW": 1, "MEDIUM": 0, "HIGH": 0}


# ---------------------------------------------------------------- search


def test_the_service_finds_what_the_search_in_process_finds(amazon, name, ids):
    index(amazon, name, ids[:60])
    faces = collection.load_collection(PROBES)
    gallery = collection.subset(faces, ids[:60])
    for threshold in (80.0, 60.0, 0.0):
        limit = None if threshold == 0 else float(similarity.to_distance(MODEL, threshold))
        expected = collection.search(faces, gallery, limit)
        for probe in ids[50:70]:
            found = amazon.search_faces_by_image(
                CollectionId=name,
                Image=boto.held("probes", probe),
                FaceMatchThreshold=threshold,
                MaxFaces=100,
            )["FaceMatches"]
            wanted = expected[expected["probe_id"] == probe]
            assert {m["Face"]["ExternalImageId"] for m in found} == set(wanted["gallery_id"])
            percent = similarity.from_distance(MODEL, wanted["score"])
            assert [m["Similarity"] for m in found] == pytest.approx(list(percent))


def test_defaults_of_a_search_are_amazons(amazon, name, ids):
    index(amazon, name, ids[:30])
    image = boto.held("probes", ids[0])
    plain = amazon.search_faces_by_image(CollectionId=name, Image=image)["FaceMatches"]
    asked = amazon.search_faces_by_image(
        CollectionId=name, Image=image, FaceMatchThreshold=80, MaxFaces=80, QualityFilter="NONE"
    )["FaceMatches"]
    assert plain == asked and plain[0]["Similarity"] == 100
    one = amazon.search_faces_by_image(
        CollectionId=name, Image=image, FaceMatchThreshold=0, MaxFaces=1
    )
    assert len(one["FaceMatches"]) == 1


def test_a_face_is_no_candidate_of_its_own_search(amazon, name, ids):
    records = index(amazon, name, ids[:10])
    face = records[4]["FaceRecords"][0]["Face"]["FaceId"]
    answer = amazon.search_faces(CollectionId=name, FaceId=face, FaceMatchThreshold=0)
    assert answer["SearchedFaceId"] == face
    assert len(answer["FaceMatches"]) == 9
    found = [m["Face"]["FaceId"] for m in answer["FaceMatches"]]
    assert face not in found
    percents = [m["Similarity"] for m in answer["FaceMatches"]]
    assert percents == sorted(percents, reverse=True)
    with refused("InvalidParameterException"):
        amazon.search_faces(CollectionId=name, FaceId=NOBODY)


@pytest.mark.parametrize(
    "change",
    [{"FaceMatchThreshold": 100.1}, {"MaxFaces": 4097}],
)
def test_limits_of_a_search(amazon, name, change):
    with refused("InvalidParameterException"):
        amazon.search_faces(CollectionId=name, FaceId=NOBODY, **change)


def test_an_empty_collection_holds_nobody(amazon, name, ids):
    image = boto.held("probes", ids[0])
    assert amazon.search_faces_by_image(CollectionId=name, Image=image)["FaceMatches"] == []


def test_clients_that_index_and_search_at_once(url, name, ids):
    """Every search sees whole faces of the collection, and in the end every face is found."""
    clients = [boto.client(url) for _ in range(6)]

    def indexes(client, part):
        index(client, name, part)

    def searches(client, part):
        for probe in part:
            found = client.search_faces_by_image(
                CollectionId=name, Image=boto.held("probes", probe), FaceMatchThreshold=0
            )["FaceMatches"]
            seen = [match["Face"]["ExternalImageId"] for match in found]
            assert len(seen) == len(set(seen)) and set(seen) <= set(ids[:90])

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(indexes, clients[i], ids[30 * i : 30 * i + 30]) for i in range(3)]
        jobs += [pool.submit(searches, clients[3 + i], ids[i:60:3]) for i in range(3)]
        for job in jobs:
            job.result()
    for probe in ids[:90]:
        best = clients[0].search_faces_by_image(
            CollectionId=name, Image=boto.held("probes", probe), MaxFaces=1
        )["FaceMatches"][0]
        assert (best["Face"]["ExternalImageId"], best["Similarity"]) == (probe, 100)


def test_faces_of_two_models_are_never_compared(tmp_path, ids):
    other = shipping.faces_path("probes", "sface-native")
    options = ("--model", MODEL, "--bucket", f"other={other}")
    with server.running(*options, store=tmp_path) as address:
        amazon = boto.client(address)
        amazon.create_collection(CollectionId="c")
        with refused("InvalidParameterException"):
            amazon.index_faces(CollectionId="c", Image=boto.held("other", ids[0]))
        index(amazon, "c", ids[:1])
        with refused("InvalidParameterException"):
            amazon.search_faces_by_image(CollectionId="c", Image=boto.held("other", ids[0]))
        with refused("InvalidParameterException"):
            amazon.compare_faces(
                SourceImage=boto.held("other", ids[0]),
                TargetImage=boto.held("probes", ids[0]),
            )
    with server.running("--model", "sface-native", store=tmp_path) as address:
        amazon = boto.client(address)
        assert amazon.describe_collection(CollectionId="c")["FaceCount"] == 1
        with refused("InvalidParameterException"):
            index(amazon, "c", ids[:1])


# ---------------------------------------------------------------- images


def content(path) -> dict:
    return {"Bytes": path.read_bytes()}


def test_bytes_give_the_face_that_enrolment_gives(amazon, name, mirror, tmp_path):
    portraits = images.portraits(mirror, 4)
    for path in portraits:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    enrolment.enrol(images.listed(tmp_path), tmp_path / "f.parquet", MODEL, progress=False)
    rows = enrolment.read_faces(tmp_path / "f.parquet")
    faces = collection.make_collection(rows)
    expected = collection.search(faces, faces)
    for path, row in zip(portraits, rows.itertuples(), strict=True):
        record = amazon.index_faces(
            CollectionId=name,
            Image=content(path),
            ExternalImageId=row.id,
            DetectionAttributes=["ALL"],
        )["FaceRecords"][0]
        box = record["Face"]["BoundingBox"]
        assert box["Left"] * row.width == pytest.approx(row.box_x)
        assert box["Height"] * row.height == pytest.approx(row.box_h)
        marks = {m["Type"]: m for m in record["FaceDetail"]["Landmarks"]}
        assert marks["eyeLeft"]["X"] < marks["eyeRight"]["X"]
        assert marks["eyeRight"]["X"] * row.width == pytest.approx(row.left_eye_x)
        assert record["FaceDetail"]["Gender"]["Value"] in ("Male", "Female")
        years = record["FaceDetail"]["AgeRange"]
        assert 0 <= years["Low"] < years["High"] < 110
    for path, row in zip(portraits, rows.itertuples(), strict=True):
        found = amazon.search_faces_by_image(
            CollectionId=name, Image=content(path), FaceMatchThreshold=0
        )["FaceMatches"]
        scores = expected[expected["probe_id"] == row.id].set_index("gallery_id")["score"]
        assert {m["Face"]["ExternalImageId"] for m in found} == set(scores.index)
        for match in found:
            percent = similarity.from_distance(MODEL, scores[match["Face"]["ExternalImageId"]])
            assert match["Similarity"] == pytest.approx(percent, abs=0.05)


def test_several_faces_of_an_image(amazon, name, mirror, tmp_path):
    portraits = images.portraits(mirror, 3)
    images.tile(portraits, [512, 400, 288]).save(tmp_path / "sheet.png")
    image = content(tmp_path / "sheet.png")
    found = amazon.detect_faces(Image=image)["FaceDetails"]
    assert [round(f["BoundingBox"]["Left"], 1) for f in found] == [0.1, 0.5, 0.8]
    areas = [f["BoundingBox"]["Width"] * f["BoundingBox"]["Height"] for f in found]
    assert areas == sorted(areas, reverse=True)
    assert "Gender" not in found[0]
    gender = amazon.detect_faces(Image=image, Attributes=["GENDER"])["FaceDetails"][0]
    assert "Gender" in gender and "AgeRange" not in gender
    answer = amazon.index_faces(CollectionId=name, Image=image, MaxFaces=2)
    assert len(answer["FaceRecords"]) == 2
    assert [u["Reasons"] for u in answer["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]]
    assert len({r["Face"]["ImageId"] for r in answer["FaceRecords"]}) == 1
    # one more face of the same image joins the two, which stay
    more = amazon.index_faces(CollectionId=name, Image=image)["FaceRecords"]
    assert more[:2] == [
        {**new, "Face": old["Face"]} for old, new in zip(answer["FaceRecords"], more, strict=False)
    ]
    assert len({r["Face"]["ImageId"] for r in more}) == 1
    assert amazon.describe_collection(CollectionId=name)["FaceCount"] == 3
    compared = amazon.compare_faces(
        SourceImage=content(portraits[1]), TargetImage=image, SimilarityThreshold=90
    )
    assert len(compared["FaceMatches"]) == 1 and len(compared["UnmatchedFaces"]) == 2
    assert round(compared["FaceMatches"][0]["Face"]["BoundingBox"]["Left"], 1) == 0.5
    loose = amazon.compare_faces(
        SourceImage=content(portraits[1]), TargetImage=image, SimilarityThreshold=0
    )["FaceMatches"]
    assert len(loose) == 3
    assert loose[0]["Similarity"] >= loose[1]["Similarity"] >= loose[2]["Similarity"]


def test_a_folder_is_a_bucket(mirror, tmp_path):
    folder = tmp_path / "photos"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a.jpg").write_bytes(images.portraits(mirror, 1)[0].read_bytes())
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    with server.running("--bucket", f"photos={folder}", store=tmp_path / "store") as address:
        amazon = boto.client(address)
        assert len(amazon.detect_faces(Image=boto.held("photos", "in/a.jpg"))["FaceDetails"])
        for outside in ("../outside.jpg", str(tmp_path / "outside.jpg"), "in", "in/\0", "x" * 1024):
            with refused("InvalidS3ObjectException"):
                amazon.detect_faces(Image=boto.held("photos", outside))


@pytest.mark.parametrize("count", [1, 2])
def test_no_more_images_are_looked_at_than_there_are_workers(count):
    with closing(Workers(count)) as workers, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: workers.do(time.sleep, 0.5), range(4)))  # all have started
        start = time.monotonic()
        processes = set(pool.map(lambda _: _slowly(workers), range(8)))
        assert 8 * 0.4 / count <= time.monotonic() - start
    assert len(processes) == count and os.getpid() not in processes


def _slowly(workers) -> int:
    workers.do(time.sleep, 0.4)
    return workers.do(os.getpid)


def test_an_image_that_ends_its_process_leaves_the_others():
    with closing(Workers(2)) as workers, ThreadPoolExecutor(1) as pool:
        first = workers.do(os.getpid)
        other = pool.submit(workers.do, time.sleep, 2)
        time.sleep(0.5)
        with pytest.raises(service.ServiceError) as error:
            workers.do(os._exit, 1)
        assert (error.value.code, error.value.status) == ("InternalServerError", 500)
        second = workers.do(os.getpid)
        assert second not in (first, os.getpid())
        assert other.result() is None


def test_a_worker_that_died_idle_is_missed_by_nobody():
    with closing(Workers(1)) as workers:
        first = workers.do(os.getpid)
        os.kill(first, signal.SIGKILL)
        while first in [process.pid for process in multiprocessing.active_children()]:
            time.sleep(0.01)
        assert workers.do(os.getpid) not in (first, os.getpid())


def test_what_a_worker_refuses_is_refused_as_it_says():
    with closing(Workers(1)) as workers, pytest.raises(service.ServiceError) as error:
        workers.do(service.look, service.Sight(MODEL, {}), {"Bytes": b"no image"})
    assert error.value.code == "InvalidImageFormatException" and error.value.status == 400
    assert error.value.message.startswith("Request has invalid image format")


def test_a_name_in_a_bucket_is_found_however_its_letters_are_spelled(tmp_path):
    one, two = "\u00e9", "e\u0301"  # the same letter, as most write it and as Macs do
    folder = tmp_path / "photos"
    (folder / f"jos{two}").mkdir(parents=True)
    (folder / f"jos{two}" / f"{two}.jpg").write_bytes(b"two")
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    (folder / f"{two}.png").symlink_to(tmp_path / "outside.jpg")
    find = service._file
    assert find(folder, f"jos{one}/{one}.jpg") == find(folder, f"jos{two}/{one}.jpg") == b"two"
    (folder / f"jos{two}" / f"{one}.jpg").write_bytes(b"one")
    assert find(folder, f"jos{one}/{one}.jpg") == b"one"  # what is called so comes first
    assert find(folder, f"jos{one}/{two}.jpg") == b"two"
    for none in (f"{one}.png", f"{one}/{one}.jpg", f"jos{one}/{one}.jpg/{one}", f"../{one}"):
        assert find(folder, none) is None
    for name in (one + two, two + one):
        (folder / f"{name}.jpg").write_bytes(b"which?")
    with pytest.raises(service.ServiceError, match="2 names in photos read éé"):
        find(folder, f"{one}{one}.jpg")


def test_images_that_are_none(amazon, tmp_path):
    images.scene().save(tmp_path / "a.gif")
    images.scene(1, 400, 300).save(tmp_path / "whole.jpg")
    (tmp_path / "b.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:900])
    for file in ("a.gif", "b.jpg"):
        with refused("InvalidImageFormatException"):
            amazon.detect_faces(Image=content(tmp_path / file))
    bomb = images.png_header(30_000, 30_000)
    with refused("ImageTooLargeException"):
        amazon.detect_faces(Image={"Bytes": bomb})
    assert amazon.detect_faces(Image=content(tmp_path / "whole.jpg"))["FaceDetails"] == []
    with refused("InvalidParameterException"):
        amazon.compare_faces(
            SourceImage=content(tmp_path / "whole.jpg"), TargetImage=content(tmp_path / "whole.jpg")
        )


# ---------------------------------------------------------------- protocol


def raw(url, body=b"{}", method="POST", **headers):
    """Status and content of a request that no client would send."""
    usual = {
        "X-Amz-Target": "RekognitionService.ListCollections",
        "Content-Type": "application/x-amz-json-1.1",
    }
    asked = urllib.request.Request(url, data=body, method=method)
    for key, value in (usual | headers).items():
        if value is not None:
            asked.add_header(key, value)
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_every_operation_is_driven_here():
    source = (server.ROOT / "tests" / "test_service.py").read_text()
    for operation in OPERATIONS:
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in operation)[1:]
        assert f".{snake}" in source, f"no test calls {operation}"


def test_what_is_not_here_is_unknown(amazon):
    with refused("UnknownOperationException"):
        amazon.detect_labels(Image={"Bytes": b"x"})
    with refused("UnknownOperationException"):
        amazon.list_stream_processors()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", None),
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
        (b"\xff\xfe", "SerializationException"),
        (b'{"MaxResults": NaN}', "SerializationException"),
        (b'{"MaxResults": 1e999}', "SerializationException"),
        (b'{"MaxResults": "9"}', "SerializationException"),
        (b'{"MaxResults": true}', "SerializationException"),
        (b'{"MaxResults": 1.5}', "SerializationException"),
        (b'{"MaxResults": -1}', "InvalidParameterException"),
        (b'{"MaxResults": ' + b"9" * 5000 + b"}", "SerializationException"),
        (b'{"a":' * 100_000, "SerializationException"),
        (b'{"NextToken": null, "Whatever": [1]}', None),
    ],
)
def test_bodies(url, body, code):
    status, content = raw(url, body)
    assert (status, content.get("__type")) == ((400, code) if code else (200, None))


def test_base64_is_base64(url):
    body = json.dumps({"Image": {"Bytes": "%%%"}}).encode()
    headers = {"X-Amz-Target": "RekognitionService.DetectFaces"}
    assert raw(url, body, **headers)[1]["__type"] == "SerializationException"


def test_requests_that_a_page_in_a_browser_could_make(url):
    assert raw(url, **{"Content-Type": "text/plain"})[0] == 400
    assert raw(url, **{"X-Amz-Target": None})[0] == 400
    assert raw(url, Host="evil.example")[0] == 403
    assert raw(url, Host="localhost:1")[0] == 200


def test_other_addresses_and_methods(url):
    assert raw(f"{url}/admin")[0] == 404
    assert raw(url, method="PUT")[0] == 405
    with urllib.request.urlopen(url) as answer:
        text = answer.read().decode()
    assert url in text and all(operation in text for operation in OPERATIONS)


def test_a_body_beyond_the_limit(url):
    # the server may close before it has read everything, which a client sees as a broken pipe
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n"
            b"X-Amz-Target: RekognitionService.ListCollections\r\n"
            b"Content-Type: application/x-amz-json-1.1\r\n\r\n"
        )
        assert b" 413 " in line.recv(1000).splitlines()[0]


def test_a_rate_that_is_exceeded(tmp_path):
    with server.running("--rate", "5", store=tmp_path) as address:
        amazon = boto.client(address)
        with refused("ThrottlingException"):
            for _ in range(50):
                amazon.list_collections()
        patient = boto.client(address, attempts=6)
        for _ in range(8):  # the client waits and asks again, as at Amazon
            patient.list_collections()


# ---------------------------------------------------------------- who may ask


def test_a_token_is_the_secret_key(tmp_path, monkeypatch, ids):
    monkeypatch.setenv(server.TOKEN, "correct horse battery staple")
    with server.running(store=tmp_path) as address:
        amazon = boto.client(address, secret="correct horse battery staple")
        amazon.create_collection(CollectionId="mine")
        index(amazon, "mine", ids[:1])
        with refused("InvalidSignatureException", 403):
            boto.client(address, secret="wrong").list_collections()
        assert raw(address)[0] == 403
        assert raw(address)[1]["__type"] == "MissingAuthenticationTokenException"
        # a signature covers the body and the operation, and grows old
        signed = {}
        amazon.meta.events.register(
            "before-send.rekognition", lambda request, **_: signed.update(request.headers)
        )
        amazon.describe_collection(CollectionId="mine")
        headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in signed.items()}
        body = b'{"CollectionId": "mine"}'
        assert raw(address, body, **headers)[0] == 200
        assert raw(address, b'{"CollectionId": "other"}', **headers)[0] == 403
        other = headers | {"X-Amz-Target": "RekognitionService.DeleteCollection"}
        assert raw(address, body, **other)[0] == 403
        old = headers | {"X-Amz-Date": "20200101T000000Z"}
        assert raw(address, body, **old)[0] == 403


def test_another_address_wants_a_token(tmp_path, monkeypatch):
    monkeypatch.delenv(server.TOKEN, raising=False)
    with pytest.raises(UserError, match=server.TOKEN):
        server.serve(tmp_path, MODEL, host="0.0.0.0", port=0)
    assert server.is_loopback("127.0.0.1") and server.is_loopback("localhost")
    assert server.is_loopback("::1") and not server.is_loopback("192.0.2.1")
    assert not server.is_loopback(None) and not server.is_loopback("localhost.evil.example")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_search_loads_no_network(tmp_path):
    """Nor scipy: in a service of a million faces there is room for little else."""
    with closing(FaceStore(tmp_path)) as store:
        store.import_faces(*read_import("c", PROBES))
        face = store.faces("c", limit=1)[0]["face_id"]
    before = set(started())
    with server.running("--model", MODEL, store=tmp_path) as address:
        (process,) = set(started()) - before
        amazon = boto.client(address)
        assert amazon.search_faces(CollectionId="c", FaceId=face)["FaceMatches"]
        assert not started(process)
        images.scene().save(tmp_path / "scene.png")
        amazon.detect_faces(Image={"Bytes": (tmp_path / "scene.png").read_bytes()})
        heavy = ("onnxruntime", "cv2", "dlib", "scipy/stats")
        assert not _mapped(process, heavy)
        assert any(_mapped(worker, ["onnxruntime"]) for worker in started(process))


def _mapped(process, libraries) -> list[str]:
    maps = Path(f"/proc/{process}/maps").read_text()
    return [name for name in libraries if name in maps]


def started(process="self") -> list[str]:
    """The processes that one, this one, started."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [number for task in tasks for number in task.read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_end_with_their_service(tmp_path, amazon):
    command = [sys.executable, "-m", "helpers.cli", "serve", "--port", "0", "--store"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    images.scene().save(tmp_path / "scene.png")
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen([*command, tmp_path], **options, start_new_session=True)
        address = process.stdout.readline().split()[0]
        image = {"Bytes": (tmp_path / "scene.png").read_bytes()}
        boto.client(address).detect_faces(Image=image)
        assert started(process.pid)
        if number == signal.SIGINT:  # Ctrl-C reaches all of them
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        said = process.communicate(timeout=20)[1]  # as soon as the last of them ended
        assert "Traceback" not in said


def test_a_service_ends_with_whoever_started_it(tmp_path):
    script = (
        "import time\nfrom helpers.service import server\n"
        f"with server.running(store={str(tmp_path)!r}) as url:\n"
        "    print(url, flush=True)\n    time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    address = owner.stdout.readline().strip()
    assert raw(address)[0] == 200
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            raw(address)
        except OSError:  # no connection, or one that was cut
            return
        time.sleep(0.2)
    pytest.fail("the service is still there")


def test_one_store_one_process_and_one_port(url, tmp_path):
    with server.running(store=tmp_path), pytest.raises(UserError, match="another process"):
        server.serve(tmp_path, MODEL, port=0)
    with pytest.raises(UserError, match="port"):
        server.serve(tmp_path / "other", MODEL, port=int(url.rsplit(":", 1)[1]))


@pytest.mark.parametrize(
    ("bucket", "why"),
    [
        ("xxx", "NAME=PATH"),
        ("xxx=", "NAME=PATH"),
        ("=src", "NAME=PATH"),
        ("xxx=missing", "NAME=PATH"),
        ("xxx=README.md", "no readable Parquet"),
        ("xx=src", "2 characters, allowed are 3 to 255"),
        ("x/x=src", "does not match"),
        ("probes=src", "there is a bucket probes already"),
    ],
)
def test_a_bucket_is_a_folder_or_face_metadata_with_a_name_of_its_own(bucket, why, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=why):
        server.buckets([bucket], MODEL)


def test_a_bucket_at_home(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert server.buckets(["mine=~/photos"], MODEL)["mine"] == tmp_path / "photos"
    with pytest.raises(UserError, match="a bucket mine already"):
        server.buckets(["mine=~/photos", "mine=~/photos"], MODEL)


def test_a_service_that_is_refused_leaves_no_store(tmp_path, url):
    for bad in ({"bucket": ["x=src"]}, {"port": int(url.rsplit(":", 1)[1])}):
        with pytest.raises(UserError):
            server.serve(tmp_path / "store", MODEL, **({"port": 0} | bad))
    assert not (tmp_path / "store").exists()


def test_a_model_without_a_scale(tmp_path):
    with pytest.raises(UserError, match="serves dlib-native, sface-native, facenet-native"):
        server.serve(tmp_path, "ArcFace", port=0)


def test_a_secret_is_never_said(tmp_path):
    """A client's secret stands in no output of the service, whatever goes wrong."""
    canary = "canary-8f3a1c"
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.cli", "serve", "--port", "0", "--store", str(tmp_path)],
        env={**os.environ, server.TOKEN: canary},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = process.stdout.readline().split()[0]
    boto.client(address, secret=canary).list_collections()
    for secret in (canary + "x", "no"):
        with refused("InvalidSignatureException", 403):
            boto.client(address, secret=secret).list_collections()
    process.terminate()
    said = "".join(process.communicate())
    stored = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert canary not in said and canary.encode() not in stored


def test_the_example_of_the_page_runs(amazon, url, mirror, tmp_path):
    page = (server.ROOT / "docs" / "face-search.md").read_text("utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    assert f"http://127.0.0.1:{server.PORT}" in code
    for name in ("photo.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(images.portraits(mirror, 1)[0].read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", code.replace(f"http://127.0.0.1:{server.PORT}", url)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "a 100.0\n", done.stderr
    amazon.delete_collection(CollectionId="photos")


def test_members_are_found_under_their_names(amazon, name):
    """The buckets that ship are named by the ids of the roster."""
    member = load_members()["member_id"].iloc[0]
    assert len(index(amazon, name, [member])[0]["FaceRecords"]) == 1
    assert np.isfinite(similarity.from_distance(MODEL, 0.3))
