"""Hostile inputs by the thousand: `python tests/campaign_inputs.py images --n 1000`.

images: valid photographs of every format, damaged at random, then enrolled. labels: tables as
spreadsheets write them, and damaged ones. kills: enrolment killed at random moments and begun
again. Each prints what became of them, and stops at what should not be. Seeds are fixed;
`tests/test_campaign_inputs.py` runs a few of each.
"""

import argparse
import csv
import io
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import images

from helpers.errors import UserError
from helpers.faces import enrolment, pipelines
from helpers.files import printable
from helpers.sources import galleries, photographs

REASONS = {
    "missing file", "not a file", "unreadable file", "empty file", "not an image",
    "unsupported format", "unknown range", "truncated image", "too many pixels", "no face found",
    "detector failed", "recogniser failed", "no usable embedding",
}  # fmt: skip

if __name__ in ("__main__", "__mp_main__"):  # in the processes that enrol, too
    pipelines.load, pipelines.weight_hashes = images.fake_load, images.fake_weights
    pipelines.configuration = images.fake_configuration


# ---- images


def valid_images(folder: Path) -> list[bytes]:
    """A small photograph in every format and manner, as bytes."""
    folder.mkdir()
    scene = images.scene(3, 60, 44)
    images.write_variants(scene, folder)
    grey, deep = scene.convert("L"), np.asarray(scene.convert("L"))
    scene.save(folder / "a.avif")
    scene.save(folder / "b.jp2")
    scene.save(folder / "c.jpg", progressive=True)
    for name in ("d.ppm", "e.webp"):
        scene.save(folder / name)
    grey.save(folder / "f.pgm")
    grey.convert("1").save(folder / "g.pbm")
    for name in ("jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits", "raw"):
        scene.save(folder / f"{name}.tif", compression=name)
    Image.fromarray(deep.astype(np.float32) / 255).save(folder / "h.tif")
    Image.fromarray(deep.astype(np.uint16) * 257).save(folder / "i.jp2")
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def damaged(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """A file's bytes with one to four faults of the kinds that disks, networks and people make."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        head = rng.randrange(min(len(data), 64) + 1)
        kind = rng.randrange(7)
        if kind == 0:  # a bit
            data[at : at + 1] = bytes(b ^ (1 << rng.randrange(8)) for b in data[at : at + 1])
        elif kind == 1:  # the end
            del data[at:]
        elif kind == 2:  # a hole
            data[at : at + 50] = bytes(len(data[at : at + 50]))
        elif kind == 3:  # what does not belong there
            data[at:at] = rng.randbytes(rng.randint(1, 50))
        elif kind == 4:  # a number of the header
            extreme = rng.choice(
                [0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, rng.getrandbits(32)]
            )
            data[head : head + 4] = struct.pack(rng.choice("<>") + "I", extreme)
        elif kind == 5:  # another file's end
            data[at:] = other[rng.randrange(len(other)) :]
        else:  # twice
            data[at:at] = data[max(at - 80, 0) : at]
    return bytes(data)


def try_images(count: int, seed: int, place: Path) -> Counter:
    """Enrol so many damaged images; each is a row or a failure, and a second run agrees."""
    rng = random.Random(seed)
    valid = valid_images(place / "valid")
    folder = place / "in"
    folder.mkdir()
    for i in range(count):
        suffix = rng.choice(["", *sorted(photographs.SUFFIXES | photographs.UNREAD)])
        content = damaged(valid[i % len(valid)], rng.choice(valid), rng)
        (folder / f"{i:05d}{suffix}").write_bytes(content)
    listed = galleries.load_folder(folder)
    ignored = count - len(listed)
    outcomes = set()
    for out in (place / "a.parquet", place / "b.parquet"):
        faces, failures = enrolment.enrol(listed, out, "SFace", workers=2, progress=False)
        assert faces + failures == len(listed), "an image is lost"
        reasons = enrolment.read_failures(out)["reason"]
        assert set(reasons) <= REASONS, set(reasons) - REASONS
        outcomes.add((out.read_bytes(), enrolment.failures_path(out).read_bytes()))
    assert len(outcomes) == 1, "a second run differs"
    return Counter({"enrolled": faces, "no image, no suffix": ignored}) + Counter(reasons)


# ---- tables of labels

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@st.composite
def tables(draw):
    """(rows, bytes): a table of labels, and one of the ways in which a program may write it."""
    names = draw(st.lists(TEXT.filter(lambda t: t.strip()), min_size=1, max_size=5))
    rows = [[f"{i}.png", name, draw(TEXT)] for i, name in enumerate(names)]
    delimiter = draw(st.sampled_from(",;\t"))
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=delimiter,
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
    )
    if draw(st.booleans()):
        out.write(f"sep={delimiter}\n")
    more = [""] * draw(st.integers(0, 3))
    for row in [["ID", " name", "Group "], *rows]:
        writer.writerow([*row, *more])
        if draw(st.booleans()):
            writer.writerow([""] * draw(st.integers(1, 5)))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    return rows, out.getvalue().encode(encoding)


@st.composite
def damaged_tables(draw):
    """Bytes of a table of labels, some of them changed, lost or added."""
    data = bytearray(draw(tables())[1])
    for _ in range(draw(st.integers(1, 4))):
        at, end = (draw(st.integers(0, len(data))) for _ in "ab")
        data[at : draw(st.sampled_from([at, at + 1, max(at, end)]))] = draw(st.binary(max_size=3))
    return bytes(data)


def read_back(content: bytes, folder: Path):
    """The labels of a file with this content; the error as a text where it is refused."""
    path = folder / "labels.csv"
    path.write_bytes(content)
    try:
        return galleries.read_labels(path)
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return str(error)


def try_labels(count: int, place: Path) -> Counter:
    """Read so many tables, half of them damaged: none is lost, none ends in a traceback."""
    seen: Counter = Counter()
    more = {"max_examples": max(count // 2, 1), "deadline": None, "derandomize": True}

    @settings(**more)
    @given(tables())
    def whole(table):
        rows, content = table
        labels = read_back(content, place)
        assert not isinstance(labels, str), labels
        expected = [[printable(v.strip()) or None for v in row] for row in rows]
        found = labels.astype(object).where(labels.notna(), None).to_numpy().tolist()
        assert found == expected
        seen["read"] += 1

    @settings(**more)
    @given(damaged_tables())
    def broken(content):
        labels = read_back(content, place)
        seen["damaged, refused" if isinstance(labels, str) else "damaged, read"] += 1

    whole()
    broken()
    return seen


# ---- kills


def try_kills(count: int, seed: int, place: Path) -> Counter:
    """Kill enrolment so often at random moments, and begin again: the bytes are the same."""
    rng = random.Random(seed)
    folder = place / "in"
    folder.mkdir()
    for i in range(40):
        images.scene(i, 32, 24).save(folder / f"{i:02d}.png")
    (folder / "broken.jpg").write_bytes(b"x")
    listed = galleries.load_folder(folder)

    def enrol(out):
        enrolment.enrol(listed, out / "faces.parquet", "SFace", workers=1, progress=False)

    def files(out):
        return {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}

    start = time.monotonic()
    enrol(place / "calm")
    span, calm = time.monotonic() - start, files(place / "calm")
    seen: Counter = Counter()
    while seen["kills"] < count:
        out = place / "out"
        shutil.rmtree(out, ignore_errors=True)
        while True:
            pid = os.fork()
            if pid == 0:
                try:
                    enrol(out)
                    os._exit(0)
                finally:
                    os._exit(1)
            time.sleep(rng.uniform(0, 1.2 * span))
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
            if os.WIFEXITED(status):
                assert os.WEXITSTATUS(status) == 0, "a resumed run failed"
                break
            seen["kills"] += 1
        assert files(out) == calm, "a resumed run ends with other bytes"
        seen["runs that ended"] += 1
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["images", "labels", "kills"])
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given_ = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if given_.what == "images":
            seen = try_images(given_.n, given_.seed, place)
        elif given_.what == "labels":
            seen = try_labels(given_.n, place)
        else:
            from test_enrolment import Inline

            enrolment.ProcessPoolExecutor, enrolment.BATCH = Inline, 8
            seen = try_kills(given_.n, given_.seed, place)
    print(f"{given_.what}: {dict(seen.most_common())} in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
