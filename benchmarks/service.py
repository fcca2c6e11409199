"""What the face search service takes: searches at 25,000 and 1,000,000 faces, images indexed.

    python benchmarks/service.py [--galleries 25000 1000000] [--seconds 10] [--model dlib-native]

Each client is a process that asks SearchFaces for one face after another, as fast as it gets
answers: `boto3`, Amazon's own client, or `plain`, the same bytes over one kept connection without
what boto3 does for each request. Bare: one product in float32 of a face and the gallery, compared
with the threshold. Images: IndexFaces of the members' portraits, with one worker and with two, for
four clients and for one a worker; bare are the workers without a service around them.
"""

import argparse
import base64
import contextlib
import itertools
import json
import multiprocessing
import os
import queue
import re
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import search

from helpers.errors import UserError
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.service import operations, server, similarity
from helpers.service.store import FaceStore, read_import
from helpers.service.workers import Workers
from helpers.sources import fetch

HERE = Path(__file__).parent
NAME = "benchmark"
WARM_UP = 1.0  # seconds whose searches do not count


def amazons(url: str):
    """Amazon's own client."""
    import boto3

    return boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def boto(url: str):
    """A function that searches for one face, through boto3."""
    client = amazons(url)
    return lambda face: client.search_faces(CollectionId=NAME, FaceId=face)


def plain(url: str):
    """The same, by the standard library alone."""
    send = sending(url, "SearchFaces")
    return lambda face: send(json.dumps({"CollectionId": NAME, "FaceId": face}).encode())


def sending(url: str, operation: str):
    """A function that sends the body of a request, over one kept connection."""
    place = urlsplit(url)
    line = socket.create_connection((place.hostname, place.port))
    head = (
        f"POST / HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/x-amz-json-1.1\r\n"
        f"X-Amz-Target: RekognitionService.{operation}\r\nContent-Length: "
    ).encode()

    def send(body: bytes):
        line.sendall(b"%s%d\r\n\r\n%s" % (head, len(body), body))
        answer, wanted = b"", None
        while wanted is None or len(answer) < wanted:
            more = line.recv(1 << 16)
            if not more:
                raise RuntimeError("the service hung up")
            answer += more
            if wanted is None and (end := answer.find(b"\r\n\r\n") + 4) > 3:
                wanted = end + int(re.search(rb"Content-Length: (\d+)", answer)[1])
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(answer)
        return json.loads(answer[end:])

    return send


def client(make, url, faces, seconds, barrier, results) -> None:
    """One client: the seconds that each of its searches took."""
    ask, taken = make(url), []
    barrier.wait()
    start = time.perf_counter()
    for face in itertools.cycle(faces):
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


def bare_ms(store, model: str) -> float:
    """Median of a float32 product of one face with the gallery, and the comparison."""
    vectors = np.stack([face["embedding"] for face in store.faces(NAME)])
    limit = np.float32(similarity.to_distance(model, similarity.DEFAULT)) ** 2
    half, taken = (vectors * vectors).sum(axis=1) / 2, []
    for probe in vectors[:50]:
        start = time.perf_counter()
        np.flatnonzero(half - vectors @ probe <= (limit - probe @ probe) / 2)
        taken.append(time.perf_counter() - start)
    return 1000 * float(np.median(taken))


def peak_mb(process: int) -> float:
    """The most memory that a process ever had in RAM (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def searches(model: str, size: int, seconds: float, folder: Path) -> pd.DataFrame:
    """A row for each kind and number of clients, in a gallery of `size` faces."""
    gallery = folder / "gallery.parquet"
    search.make_gallery(model, size, gallery)
    start = time.perf_counter()
    given = read_import(NAME, gallery)
    with contextlib.closing(FaceStore(folder / "store")) as store:
        store.import_faces(*given)
        import_seconds = time.perf_counter() - start
        some = np.random.default_rng(0).permutation(size)[:2000]
        faces = [face["face_id"] for face in store.faces(NAME, limit=int(some.max()) + 1)]
        faces, bare = [faces[i] for i in some], bare_ms(store, model)
        vectors_mb = size * given[1]["embedding"].iloc[0].size * 4 / 2**20
    del given
    rows = []
    start = time.perf_counter()
    with server.running("--model", model, store=folder / "store") as url:
        plain(url)(faces[0])
        first = time.perf_counter() - start
        for make, count in ((plain, 1), (plain, 8), (boto, 1), (boto, 8)):
            rows.append(measure(make, count, url, faces, seconds))
        (service,) = serving()
        memory = peak_mb(service)
    return pd.DataFrame(rows).assign(
        gallery=size,
        import_seconds=import_seconds,
        first_search_seconds=first,
        bare_ms=bare,
        peak_mb=memory,
        vectors_mb=vectors_mb,
    )


def children(of: int | str = "self", deep: bool = False) -> list[int]:
    """The processes that one, this one, started; with `deep` also those that they did (Linux)."""
    tasks = Path(f"/proc/{of}/task").glob("*/children")
    own = [int(n) for task in tasks for n in task.read_text().split()]
    return own + [n for child in own if deep for n in children(child, deep)]


def serving() -> list[int]:
    """The services that this process started."""
    return [p for p in children() if "serve" in Path(f"/proc/{p}/cmdline").read_text()]


def boto_indexing(url: str):
    """A function that indexes an image, through boto3."""
    client = amazons(url)
    return lambda image: client.index_faces(CollectionId=NAME, Image={"Bytes": image})


def plain_indexing(url: str):
    """The same, of the body of a request."""
    return sending(url, "IndexFaces")


def body(image: bytes) -> bytes:
    """The request that boto3 would make of an image."""
    content = base64.b64encode(image).decode()
    return json.dumps({"CollectionId": NAME, "Image": {"Bytes": content}}).encode()


def indexing(make, url: str, items: list, clients: int) -> tuple[float, float]:
    """Images a second that clients index in an empty collection, and cores in use by all."""
    amazons(url).create_collection(CollectionId=NAME)
    asks = [make(url) for _ in range(clients)]
    with ThreadPoolExecutor(clients) as pool:  # loads the networks, opens the connections
        list(pool.map(lambda ask: [ask(item) for item in items[:20]], asks))
    result = asking(asks, items)
    amazons(url).delete_collection(CollectionId=NAME)
    return result


def asking(asks: list, items: list) -> tuple[float, float]:
    """Items a second that are asked for, each asker with one at a time, and cores in use by all."""
    waiting = queue.SimpleQueue()
    for item in items:
        waiting.put(item)

    def work(ask):
        with contextlib.suppress(queue.Empty):
            while True:
                ask(waiting.get_nowait())

    start, before = time.perf_counter(), cpu_seconds()
    with ThreadPoolExecutor(len(asks)) as pool:
        list(pool.map(work, asks))
    seconds = time.perf_counter() - start
    return len(items) / seconds, (cpu_seconds() - before) / seconds


def cpu_seconds() -> float:
    """What this process and all that it started have used so far (Linux)."""
    ticks = 0
    for process in ("self", *children(deep=True)):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime, stime
    return ticks / os.sysconf("SC_CLK_TCK")


def by_workers_alone(model: str, content: list, count: int) -> tuple[float, float]:
    """The same images without a service: nothing is asked over a port, nothing stored."""
    sight, requests = operations.Sight(model, {}), [{"Image": {"Bytes": c}} for c in content]
    with contextlib.closing(Workers(count)) as workers:

        def ask(request):
            return workers.do(operations._chosen, sight, request)

        asking([ask] * 2 * count, requests)
        return asking([ask] * 2 * count, requests)


def images(model: str, count: int = 200, repeats: int = 5) -> pd.DataFrame:
    """Images that IndexFaces takes a second with one worker and with two; medians, in turns."""
    content = [path.read_bytes() for path in fetch.local_files("probes")["path"][:count]]
    bodies = [body(image) for image in content]
    rows = []
    for _, workers in itertools.product(range(repeats), (1, 2)):
        bare = by_workers_alone(model, content, workers)
        rows.append((model, "none", "", workers, *bare, np.nan, np.nan))
        with server.running("--model", model, "--workers", str(workers)) as url:
            for make, items, clients in (
                (plain_indexing, bodies, 4),
                (boto_indexing, content, 4),
                (plain_indexing, bodies, workers),
            ):
                who = make.__name__.removesuffix("_indexing")
                many = "one a worker" if clients == workers else clients
                result = indexing(make, url, items, clients)
                (service,) = serving()
                most = max(map(peak_mb, children(service)))
                rows.append((model, who, many, workers, *result, peak_mb(service), most))
    keys = ["model", "client", "clients", "workers"]
    columns = [*keys, "images_a_second", "cores_in_use", "service_peak_mb", "worker_peak_mb"]
    table = pd.DataFrame(rows, columns=columns).groupby(keys, sort=False).median()
    rate = table["images_a_second"]
    table.insert(1, "ratio", rate / rate.groupby(keys[:-1]).transform("first"))
    return table.reset_index().assign(images=count, repeats=repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--galleries", type=int, nargs="+", default=[25_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--model", default="dlib-native")
    arguments = parser.parse_args()
    tables = []
    for size in arguments.galleries:
        with tempfile.TemporaryDirectory() as name:
            tables.append(searches(arguments.model, size, arguments.seconds, Path(name)))
    indexed = pd.concat([images(model) for model in PRIMARY_MODELS], ignore_index=True)
    for table, name in ((pd.concat(tables), "service"), (indexed, "service-images")):
        table = table.round(3)
        table.to_csv(HERE / f"results-{name}.csv", index=False)
        print(table.T.to_string(header=False))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
