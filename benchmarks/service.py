"""Searches a second of the face search service, with 1 and 8 clients, against the same in process.

    python benchmarks/service.py [--gallery 25000] [--seconds 10] [--model dlib-native]

Each client is a process that asks SearchFaces for one face after another, as fast as it gets
answers: `boto3`, Amazon's own client, or `plain`, the same bytes over one kept connection without
what boto3 does for each request. In process: `collection.search` of one face in the same gallery.
"""

import argparse
import http.client
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import search

from helpers.errors import UserError
from helpers.faces import collection
from helpers.service import server, similarity
from helpers.service.store import FaceStore, read_import

HERE = Path(__file__).parent
NAME = "benchmark"
WARM_UP = 1.0  # seconds whose searches do not count


def boto(url: str):
    """A function that searches for one face, through boto3."""
    import boto3

    client = boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    return lambda face: client.search_faces(CollectionId=NAME, FaceId=face)


def plain(url: str):
    """The same, by the standard library alone."""
    line = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {
        "X-Amz-Target": "RekognitionService.SearchFaces",
        "Content-Type": "application/x-amz-json-1.1",
    }

    def ask(face):
        line.request("POST", "/", json.dumps({"CollectionId": NAME, "FaceId": face}), headers)
        answer = line.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(content)

    return ask


def client(make, url, faces, seconds, barrier, results) -> None:
    """One client: the seconds that each of its searches took."""
    ask, taken = make(url), []
    barrier.wait()
    start = time.perf_counter()
    for face in faces:
        before = time.perf_counter()
        ask(face)
        after = time.perf_counter()
        if before - start > WARM_UP:
            taken.append(after - before)
        if after - start > WARM_UP + seconds:
            break
    results.put(taken)


def measure(make, count: int, url: str, faces: list[str], seconds: float) -> dict:
    """Searches a second and latencies with `count` clients."""
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(count), spawn.Queue()
    rng = np.random.default_rng(0)
    clients = [
        spawn.Process(
            target=client,
            args=(make, url, list(rng.permutation(faces)), seconds, barrier, results),
        )
        for _ in range(count)
    ]
    for each in clients:
        each.start()
    taken = [results.get() for _ in clients]
    for each in clients:
        each.join()
    every = np.concatenate(taken)
    return {
        "client": make.__name__,
        "clients": count,
        "searches": len(every),
        "searches_a_second": len(every) / seconds,
        "p50_ms": 1000 * np.percentile(every, 50),
        "p99_ms": 1000 * np.percentile(every, 99),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gallery", type=int, default=25_000, help="faces in the collection")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--model", default="dlib-native")
    parser.add_argument("--out", type=Path, default=HERE / "results-service.csv")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        gallery = Path(name) / "gallery.parquet"
        search.make_gallery(arguments.model, arguments.gallery, gallery)
        store = FaceStore(Path(name) / "store")
        store.import_faces(*read_import(NAME, gallery))
        faces = [face["face_id"] for face in store.faces(NAME)]
        store.close()
        loaded = collection.load_collection(gallery)
        limit = float(similarity.to_distance(arguments.model, similarity.DEFAULT))
        seconds = []
        for face in loaded.ids[:200]:
            one = collection.subset(loaded, [face])
            start = time.perf_counter()
            collection.search(one, loaded, limit, top=80)
            seconds.append(time.perf_counter() - start)
        alone = 1000 * float(np.median(seconds))
        rows = []
        with server.running("--model", arguments.model, store=Path(name) / "store") as url:
            for make in (boto, plain):
                for count in (1, 8):
                    rows.append(measure(make, count, url, faces, arguments.seconds))
    table = pd.DataFrame(rows).assign(gallery=len(faces), in_process_ms=alone)
    table["ratio_to_in_process"] = table["searches_a_second"] * alone / 1000
    table = table.round(3)
    table.to_csv(arguments.out, index=False)
    print(table.T.to_string(header=False))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
