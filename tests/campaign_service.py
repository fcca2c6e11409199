"""SIGKILLs of the face search at random moments: of `import`, and of a service that indexes.

    python tests/campaign_service.py --imports 100 --services 100 --seed 1

After each kill the store is opened again: what was there or acknowledged is there, once, and the
work goes on. In the end the collection is exported, to the same bytes as one that was never killed.
`test_face_store` runs a few of each.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

sys.path.insert(0, str(Path(__file__).parent))
import boto

from helpers.paths import ROOT
from helpers.protocol import shipping
from helpers.service.store import FILE, FaceStore, read_import

MODEL = "dlib-native"
PROBES = shipping.faces_path("probes", MODEL)
GALLERY = shipping.faces_path("legislators", MODEL)
CLIENTS = 6


def _command(*arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "helpers.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )


def _exported(folder: Path, name: str) -> bytes:
    out = folder / "out.parquet"
    with closing(FaceStore(folder, make=False)) as store:
        store.export_faces(name, out)
    return out.read_bytes()


def _never_killed(folder: Path, source: Path) -> bytes:
    with closing(FaceStore(folder)) as store:
        store.import_faces(*read_import("c", source))
    return _exported(folder, "c")


def kill_imports(folder: Path, kills: int, chance: random.Random) -> Counter:
    """Kill `import` so many times, each time in a store that holds another collection already."""
    wanted, before = (_never_killed(folder / p.stem, p) for p in (GALLERY, PROBES))
    place, found = folder / PROBES.stem, Counter()  # its collection c has to survive
    new = read_import("new", GALLERY)
    faces = len(new[1])
    longest = 3.0
    for _ in range(kills):
        process, start = _command("import", "new", GALLERY, "--store", place), time.monotonic()
        if chance.random() < 0.7:  # most of its time goes before the store is opened
            while not (place / f"{FILE}-wal").exists() and process.poll() is None:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.5))
        else:
            time.sleep(chance.uniform(0, longest))
        ended = process.poll() is not None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if ended:
            longest = time.monotonic() - start
        with closing(FaceStore(place)) as store:
            there = {c.id: c.faces for c in store.collections()}
            whole = "new" in there
            assert there.get("new", faces) == faces, "a part of a collection"
            if not whole:
                store.import_faces(*new)
        assert _exported(place, "new") == wanted, "another export than without a kill"
        assert _exported(place, "c") == before, "the other collection has changed"
        with closing(FaceStore(place)) as store:
            store.delete("new")
        found["ended before the kill" if ended else "whole" if whole else "nothing of it"] += 1
    return found


def kill_services(folder: Path, kills: int, chance: random.Random) -> Counter:
    """Kill a service so many times while six clients index the members' portraits.

    A client asks again for what was not acknowledged, as boto3 does.
    """
    wanted, place = _never_killed(folder / "whole", PROBES), folder / "killed"
    names = list(read_import("c", PROBES)[1]["id"])
    acknowledged, left, lock = {}, list(reversed(names)), threading.Lock()
    found = Counter()

    def index(url):
        amazon = boto.client(url, check=False)
        while True:
            with lock:
                if not left:
                    return
                name = left.pop()
            try:
                answer = amazon.index_faces(
                    CollectionId="c", Image=boto.held("probes", name), ExternalImageId=name
                )
                face = answer["FaceRecords"][0]["Face"]["FaceId"]
            # boto3 takes an answer whose body was cut off altogether for an empty one
            except (BotoCoreError, ClientError, KeyError):
                with lock:
                    left.append(name)
                return
            with lock:
                acknowledged[name] = face

    def started():
        process = _command("serve", "--port", 0, "--store", place)
        return process, process.stdout.readline().split()[0]

    def killed(process):
        process.send_signal(signal.SIGKILL)
        process.communicate()

    process, url = started()
    boto.client(url).create_collection(CollectionId="c")
    for number in range(kills):
        clients = [threading.Thread(target=index, args=(url,)) for _ in range(CLIENTS)]
        for each in clients:
            each.start()
        enough = (number + 1) * len(names) // (kills + 1)
        while len(acknowledged) < enough:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        killed(process)
        for each in clients:
            each.join()
        found["while indexing"] += 1
        if chance.random() < 0.3:  # and again, while it starts or recovers
            process = _command("serve", "--port", 0, "--store", place)
            time.sleep(chance.uniform(0, 2.5))
            killed(process)
            found["while starting"] += 1
        process, url = started()
        listed = _listed(url)
        stored = {face["ExternalImageId"]: face["FaceId"] for face in listed}
        assert len(stored) == len(listed), "a face is there twice"
        assert acknowledged.items() <= stored.items(), "an acknowledged face is lost"
        found["not acknowledged, and there"] += len(stored) - len(acknowledged)
    while left:
        index(url)
    assert sorted(f["ExternalImageId"] for f in _listed(url)) == sorted(names)
    killed(process)
    assert _exported(place, "c") == wanted, "another export than without a kill"
    return found


def _listed(url: str) -> list[dict]:
    pages = boto.client(url).get_paginator("list_faces").paginate(CollectionId="c")
    return [face for page in pages for face in page["Faces"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--imports", type=int, default=100)
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for campaign, kills in ((kill_imports, asked.imports), (kill_services, asked.services)):
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            found = campaign(Path(folder), kills, random.Random(asked.seed))
            took = time.monotonic() - start
        print(f"{campaign.__name__}: {kills} in {took:.0f} s; {dict(found)}; nothing lost")


if __name__ == "__main__":
    main()
