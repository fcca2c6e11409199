"""Malformed requests by the thousand: each gets a 4xx or a closed line, and the server lives on."""

import base64
import functools
import io
import json
import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from helpers.service import server
from helpers.service.protocol import OPERATIONS

sys.path.insert(0, str(Path(__file__).parent))
import boto
import images

REQUESTS = 10_000  # malformed ones; some of those that are sent happen to be right
SENT = 10_400
CLIENTS = 8
NOT_IMPLEMENTED = 501  # HTTP's own answer to a transfer encoding that nobody uses
GROWTH = 100  # MB that the server may grow by, after the first tenth of the requests


@pytest.fixture
def started(tmp_path):
    """A server's process and port; its output goes to a file."""
    with (tmp_path / "said.txt").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "helpers.cli", "serve", "--port", "0"]
            + ["--store", str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        url = process.stdout.readline().split()[0]
        yield process, url
        process.terminate()
        process.communicate()


def memory(process) -> float:
    """Resident memory of a process in MB."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("needs /proc")
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


# ---------------------------------------------------------------- malformed in many ways


def picture(rng) -> bytes:
    """An image file, damaged more often than not."""
    file = io.BytesIO()
    images.scene(rng.randrange(5)).save(file, rng.choice(["JPEG", "PNG", "GIF", "BMP"]))
    data = bytearray(file.getvalue())
    for _ in range(rng.choice([0, 1, 5, 50])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    data = bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
    size = rng.choice([1, 0, 30_000, 2**31 - 1])
    return rng.choice([data, data, images.png_header(size, size), rng.randbytes(200), b""])


@functools.cache
def pictures() -> list[str]:
    """Image files as base64, or nearly so."""
    rng = random.Random(1)
    made = [base64.b64encode(picture(rng)).decode() for _ in range(300)]
    return [rng.choice([text, text[:-1], "%" + text]) for text in made]


def value(rng, depth=0):
    """Any JSON value, the wrong ones above all."""
    plain = [None, True, -1, 0, 1e308, 2**70, 0.5, "", "c", "a b", "\0", "é" * 300, "9" * 5000]
    if depth > 3 or rng.random() < 0.6:
        return rng.choice(plain)
    if rng.random() < 0.5:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    names = ["CollectionId", "Image", "Bytes", "S3Object", "Bucket", "Name", "__proto__", ""]
    return {rng.choice(names): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def parameters(rng) -> dict:
    """Parameters of no operation in particular."""
    made = {
        "CollectionId": rng.choice(["c", "nowhere", value(rng)]),
        "FaceId": rng.choice(["x", "0" * 36, value(rng)]),
        "FaceIds": rng.choice([[], ["x"] * 5000, value(rng)]),
        "MaxFaces": value(rng),
        "MaxResults": value(rng),
        "NextToken": value(rng),
        "FaceMatchThreshold": value(rng),
        "QualityFilter": value(rng),
        "ExternalImageId": value(rng),
        "DetectionAttributes": value(rng),
    }
    for name in ("Image", "SourceImage", "TargetImage"):
        held = {"Bucket": rng.choice(["probes", "../.."]), "Name": value(rng)}
        inline = {"Bytes": rng.choice(pictures())}
        made[name] = rng.choice([inline, {"S3Object": held}, value(rng)])
    return {k: v for k, v in made.items() if rng.random() < 0.6}


def body(rng) -> bytes:
    """A body: JSON of wrong values, JSON that was damaged, or anything at all."""
    kind = rng.randrange(5)
    if kind == 0:
        return rng.randbytes(rng.randrange(300))
    if kind == 1:
        return rng.choice([b"[" * 50_000, b'{"a":' * 50_000, b"NaN", b"1e999", b'"' + b"\xff" * 9])
    data = bytearray(json.dumps(parameters(rng)).encode())
    if kind == 2:
        for _ in range(1 + rng.randrange(5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def headers(rng, length: int) -> list[bytes]:
    """Header lines, some of them abused."""
    operation = rng.choice(OPERATIONS).encode()
    lines = [
        b"Host: " + rng.choice([b"127.0.0.1"] * 12 + [b"evil.example", b"", b"[::1", b"a" * 300]),
        b"Content-Type: "
        + rng.choice([b"application/x-amz-json-1.1"] * 5 + [b"text/plain", b"\xff"]),
        b"X-Amz-Target: RekognitionService."
        + rng.choice([operation] * 6 + [b"Nothing", b"", b"\xe9", b"../x"]),
        b"Content-Length: "
        + rng.choice([b"%d" % length] * 12 + [b"-1", b"x", b"%d" % (length + 9), b"9" * 30, b""]),
    ]
    extra = [
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Content-Length: 3",
        b"X: " + b"y" * 20_000,
        b"No colon",
        b" Folded: x",
        b"Expect: 100-continue",
        b"Connection: upgrade\r\nUpgrade: websocket",
        b"Authorization: AWS4-HMAC-SHA256 Credential=a/b",
        b"Content-Encoding: gzip",
        b"\0: \0",
    ]
    if rng.random() < 0.3:
        lines.append(rng.choice(extra))
    if rng.random() < 0.05:
        lines += [b"H%d: x" % i for i in range(2000)]
    rng.shuffle(lines)
    return lines


def message(rng) -> bytes:
    """One whole malformed request, or part of one."""
    content = body(rng)
    first = rng.choice([b"POST / HTTP/1.1"] * 15 + [b"GET / HTTP/9", b"POST", b"\x16\x03\x01", b""])
    data = b"\r\n".join([first, *headers(rng, len(content)), b"Connection: close", b"", content])
    return data[: rng.randrange(len(data))] if rng.random() < 0.05 else data


def send(address, data: bytes) -> int:
    """The status of the answer; 0 where the line was closed without one."""
    with socket.create_connection(address, timeout=30) as line:
        try:
            line.sendall(data)
            # the server may be waiting for more: say that there is none
            if not select.select([line], [], [], 0.1)[0]:
                line.shutdown(socket.SHUT_WR)
            answer = line.recv(64)
        except TimeoutError:
            raise
        except OSError:  # closed by the server, in one of several ways
            answer = b""
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else 0


def test_ten_thousand_malformed_requests(started, tmp_path):
    process, url = started
    amazon = boto.client(url)
    amazon.create_collection(CollectionId="c")
    host, port = url.removeprefix("http://").split(":")
    address, statuses, sizes = (host, int(port)), [], []
    lock = threading.Lock()

    def work(seed):
        for i in range(SENT // CLIENTS):
            data = message(random.Random(seed * 1_000_000 + i))
            status = send(address, data)
            with lock:
                statuses.append(status)
                if status >= 500 and status != NOT_IMPLEMENTED:
                    (tmp_path / f"{seed}-{i}.bin").write_bytes(data)

    clients = [threading.Thread(target=work, args=(seed,)) for seed in range(CLIENTS)]
    for each in clients:
        each.start()
    while any(each.is_alive() for each in clients):
        time.sleep(0.2)
        sizes.append((len(statuses), memory(process)))
    assert process.poll() is None, "the server died"
    assert len(statuses) == SENT
    wrong = sorted(tmp_path.glob("*.bin"))
    said = (tmp_path / "said.txt").read_text()
    assert not wrong, (
        f"{len(wrong)} answers of 500 or more, the first to {wrong[0]}:\n{said[-2000:]}"
    )
    accepted = statuses.count(200)
    assert len(statuses) - accepted >= REQUESTS, "too few of the requests were malformed"
    # a line that is closed before all was sent loses the answer
    assert statuses.count(0) < len(statuses) / 2, Counter(statuses)
    assert amazon.describe_collection(CollectionId="c")["FaceCount"] == 0
    early = max(size for done, size in sizes if done <= SENT // 10)
    assert memory(process) - early < GROWTH
    counts = ", ".join(f"{k}: {n:,}" for k, n in sorted(Counter(statuses).items()))
    print(f"{counts}; {early:.0f} MB, then {memory(process):.0f} MB")


def test_lines_that_say_nothing_are_closed(started):
    """More connections than the server takes, each with half a header: it answers again soon."""
    _, url = started
    host, port = url.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(2 * server.CONNECTIONS)]
    for line in idle:
        line.sendall(b"POST / HTTP/1.1\r\nX: ")
    start = time.monotonic()
    assert boto.client(url, attempts=3).list_collections()["CollectionIds"] == []
    assert time.monotonic() - start < 5 * server.PATIENCE
    for line in idle:
        line.close()
