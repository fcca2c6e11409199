"""Search of all probes in a gallery of 23,000 against `DeepFace.find`, and whether both agree.

    python benchmarks/search.py [--gallery 23000] [--queries 5] [--repeats 3] [--model SFace]
    python benchmarks/search.py --scale [--repeats 9] [--most 5000000]

The gallery: the portraits of former legislators that ship, and as many made-up embeddings with
their mean and covariance as are missing. `find` gets the same gallery as its own datastore, so
that it need not enrol anything. It takes a while a query, so a few are timed, and scaled. Needs
the portraits of the queried members: the cache or CONGRESS_TEST_MIRROR.

With --scale: against a bare product in float32, from one probe to galleries of millions. Needs
Linux, no portraits, and 3 GB of disk for a while.
"""

import argparse
import hashlib
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from helpers.errors import UserError
from helpers.faces import collection, enrolment, exact, pipelines, weights
from helpers.files import say

HERE = Path(__file__).parent
DETECTOR = "yunet"
# model, probes, gallery, share of pairs at the threshold, top (in place of it), MB allowed
SCALES = (
    ("SFace", 529, 23_000, 1e-4, None, None),
    ("SFace", 529, 23_000, 5e-3, None, None),
    ("SFace", 529, 23_000, 1e-4, 20, None),
    ("dlib-native", 529, 23_000, 1e-4, None, None),
    ("dlib-native", 529, 23_000, 5e-3, None, None),
    ("dlib-native", 529, 23_000, 1e-4, 20, None),
    ("SFace", 1, 25_000, 1e-4, None, None),
    ("SFace", 1, 25_000, 1e-4, 80, None),
    ("dlib-native", 1, 25_000, 1e-4, None, None),
    ("SFace", 529, 1_000_000, 1e-4, None, None),
    ("SFace", 529, 5_000_000, 1e-4, None, 2_000),
)
CANDIDATES = 20  # at the threshold of the benchmark each queried member has at least so many


def make_gallery(model: str, size: int, out: Path) -> tuple[list[str], np.ndarray]:
    """Write a gallery of real and made-up faces as a Parquet file; return ids and embeddings.

    A made-up face has the box and the quality of a real one, and no image.
    """
    from helpers.protocol import shipping

    real = shipping.load_dataset("legislators", model)
    ids, embeddings = list(real.ids[:size]), real.embeddings[:size]
    missing = size - len(ids)
    if missing:
        rng = np.random.default_rng(0)
        mean, covariance = embeddings.mean(axis=0), np.cov(embeddings.T)
        drawn = rng.multivariate_normal(mean, covariance, missing, method="cholesky")
        ids += [f"made-up-{i:06d}" for i in range(missing)]
        embeddings = np.concatenate([embeddings, drawn])
    embeddings = embeddings.astype(np.float32)
    faces = itertools.cycle(
        enrolment.read_faces(shipping.faces_path("legislators", model)).to_dict("records")
    )
    rows = [
        face | {"id": i, "embedding": e, "image_sha256": hashlib.sha256(i.encode()).hexdigest()}
        for face, i, e in zip(faces, ids, embeddings, strict=False)
    ]
    table = pa.Table.from_pylist(rows, schema=pa.schema(enrolment.COLUMNS))
    enrolment.write_faces(table, out, real.description)
    return ids, embeddings


def search(probes: Path, gallery: Path, threshold: float, repeats: int) -> dict:
    """Time our search, in a process of its own so that its peak of memory is known."""
    start = time.perf_counter()
    loaded = collection.load_collection(probes), collection.load_collection(gallery)
    load_seconds = time.perf_counter() - start
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = collection.search(*loaded, threshold=threshold)
        seconds.append(time.perf_counter() - start)
    if sys.platform == "linux":  # ru_maxrss would count the process that started this one
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next(float(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "probes": len(loaded[0].ids),
        "search_seconds": float(np.median(seconds)),
        "load_seconds": load_seconds,
        "peak_mb": peak / (1e6 if sys.platform == "darwin" else 1e3),
        "candidates": len(found),
    }


def write_datastore(ids, embeddings, model: str, folder: Path) -> None:
    """The gallery as `find` keeps it: one file an image, and its own file of representations."""
    from deepface.commons import image_utils
    from deepface.modules import filestore, recognition

    store = filestore.build_file_store(str(folder))
    representations = []
    for i, embedding in zip(ids, embeddings, strict=True):
        path = folder / f"{i}.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n")  # it looks at no more than this
        row = {"identity": str(path), "hash": image_utils.find_image_hash(str(path))}
        row |= {"embedding": embedding.astype(float).tolist()}
        representations.append(row | {f"target_{k}": 0 for k in "xywh"})
    name = f"ds_model_{model}_detector_{DETECTOR}_aligned_normalization_base_expand_0.npz"
    save = getattr(recognition, "__save_representations")
    save(
        store=store,
        datastore_path=str(folder / name.replace("-", "").lower()),
        datastore_format="npz",
        representations=representations,
    )


def find(path: str, folder: Path, model: str, **options) -> tuple[float, pd.DataFrame]:
    """Seconds of one `find`, and its candidates: gallery_id, score."""
    from deepface import DeepFace

    start = time.perf_counter()
    (faces, *_) = DeepFace.find(
        path, str(folder), model_name=model, detector_backend=DETECTOR, silent=True, **options
    )
    seconds = time.perf_counter() - start
    faces = pd.DataFrame(faces, columns=["identity", "distance"])
    ids = pd.Series([Path(i).stem for i in faces["identity"]], dtype=str)
    return seconds, pd.DataFrame({"gallery_id": ids, "score": faces["distance"].to_numpy(float)})


def differing(ours: pd.DataFrame, theirs: pd.DataFrame, threshold: float) -> tuple[int, float]:
    """Candidates that one has and the other lacks, and the largest difference of a score.

    Scores of ours are rounded to 4 decimals, and the probe was embedded twice: within 0.0002 of
    the threshold a candidate may be missing.
    """
    both = ours.merge(theirs, on="gallery_id", how="outer", suffixes=("_ours", "_theirs"))
    scores = both[["score_ours", "score_theirs"]]
    alone = scores.isna().any(axis=1)
    at_threshold = (scores.mean(axis=1) - threshold).abs() < 2e-4
    difference = (scores["score_ours"] - scores["score_theirs"]).abs().max()
    return int((alone & ~at_threshold).sum()), float(difference)


# ---- against a bare product


def write_faces(model: str, probes: int, size: int, folder: Path) -> tuple[dict, np.ndarray]:
    """Made-up faces of float32 with a model's mean and covariance -> probes.npy, gallery.npy.

    For the metric "cosine" of length 1, so that the bare product need not normalise them. Returns
    the description of the model's faces, and scores of the first ones.
    """
    from helpers.protocol import shipping

    real = shipping.load_dataset("legislators", model)
    mean, root = real.embeddings.mean(axis=0), np.linalg.cholesky(np.cov(real.embeddings.T))
    rng = np.random.default_rng(0)
    for name, count in (("probes", probes), ("gallery", size)):
        shape = (count, len(mean))
        out = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, shape)
        for start in range(0, count, 50_000):
            rows = mean + rng.normal(size=(min(50_000, count - start), len(mean))) @ root.T
            out[start : start + 50_000] = exact.normalised(rows, real.metric)
        out.flush()
    few = (
        np.load(folder / f"{name}.npy", mmap_mode="r")[:20_000] for name in ("probes", "gallery")
    )
    scores = exact.distances(*(x.astype(np.float64) for x in few), real.metric)
    return real.description, scores


def bare(probes, gallery, half, limit) -> int:
    """Products of float32 in blocks, and how many pairs reach the limit of their probe (n, 1)."""
    width, hits = exact.BLOCK // len(probes), 0
    memory = np.empty(len(probes) * min(width, len(gallery)), np.float32)
    for start in range(0, len(gallery), width):
        block = gallery[start : start + width]
        product = memory[: len(probes) * len(block)].reshape(len(probes), -1)
        np.matmul(probes, block.T, out=product)
        if half is not None:
            product -= half[start : start + width]
        hits += len(np.flatnonzero(product >= limit))
    return hits


def own_memory(stop: threading.Event, peaks: list[float]) -> None:
    """Watch the process's own memory in MB, without pages of files, which the system can drop."""
    while not peaks or not stop.wait(0.01):
        lines = Path("/proc/self/status").read_text().splitlines()
        anonymous = next(float(line.split()[1]) for line in lines if line.startswith("RssAnon"))
        peaks.append(anonymous / 1e3)


def measure(folder: Path, repeats: int, description: dict, threshold, top, allowed) -> dict:
    """Time search and bare product in turns, in a process of its own; MB of the first search."""
    if allowed:  # of memory that is not a file's
        resource.setrlimit(resource.RLIMIT_DATA, (allowed * 10**6, allowed * 10**6))
    stop, peaks = threading.Event(), []
    watch = threading.Thread(target=own_memory, args=(stop, peaks))
    watch.start()
    probes = np.load(folder / "probes.npy")
    vectors = np.load(folder / "gallery.npy", mmap_mode="r" if allowed else None)
    made = [
        collection.Collection(np.strings.zfill(np.arange(len(x)).astype("U7"), 7), x, description)
        for x in (probes, vectors)
    ]
    metric = made[0].metric
    start = time.perf_counter()
    gallery = collection.prepare(made[1])
    prepare_seconds = time.perf_counter() - start
    if metric == "cosine":
        half, limit = None, np.float32(1 - threshold)
    else:
        half = gallery.lengths
        limit = ((probes**2).sum(axis=1, keepdims=True) - np.float32(threshold**2)) / 2
    seconds = {"search": [], "bare": []}
    for _ in range(repeats):
        start = time.perf_counter()
        found = collection.search(made[0], gallery, None if top else threshold, top)
        seconds["search"].append(time.perf_counter() - start)
        if not stop.is_set():
            stop.set()
            watch.join()
        start = time.perf_counter()
        hits = bare(probes, vectors, half, limit)
        seconds["bare"].append(time.perf_counter() - start)
    median = {key: float(np.median(value)) for key, value in seconds.items()}
    return {
        "threshold": threshold,
        "candidates": len(found),
        "bare_hits": hits,
        "prepare_seconds": prepare_seconds,
        "search_ms": 1000 * median["search"],
        "bare_ms": 1000 * median["bare"],
        "ratio": median["search"] / median["bare"],
        "own_mb": max(peaks),
    }


def scale(repeats: int, most: int, out: Path) -> None:
    """Measure SCALES up to a gallery, each in a process with one thread; write a table."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    rows = []
    with tempfile.TemporaryDirectory() as name:
        made = None
        for model, probes, size, share, top, allowed in SCALES:
            if size > most:
                continue
            say(f"{model}: {probes} in {size:,}, top {top}, {share:g} of the pairs ...")
            if made != (made := (model, probes, size)):
                description, few = write_faces(model, probes, size, Path(name))
            threshold = float(np.quantile(few, share).round(4))
            # a long one varies less
            task = [name, 2 if size >= 10**6 else repeats, description, threshold, top, allowed]
            command = [sys.executable, __file__, "--measure", json.dumps(task)]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | threads
            )
            row = {"model": model, "probes": probes, "gallery": size, "top": top}
            row |= {"blas_threads": 1, "allowed_mb": allowed}
            rows.append(row | json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).astype({"top": "Int64", "allowed_mb": "Int64"})
    digits = {"threshold": 4, "prepare_seconds": 3, "search_ms": 2, "bare_ms": 2, "ratio": 2}
    table.round(digits | {"own_mb": 0}).to_csv(out, index=False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gallery", type=int, default=23_000, help="faces in the gallery")
    parser.add_argument("--queries", type=int, default=5, help="searches by `find` that are timed")
    parser.add_argument("--repeats", type=int, help="of a search; the median counts")
    parser.add_argument("--scale", action="store_true", help="compare with a bare product instead")
    parser.add_argument("--most", type=int, default=SCALES[-1][2], help="faces, with --scale")
    parser.add_argument("--model", default="SFace", choices=["SFace", "Facenet", "Dlib"])
    parser.add_argument("--out", type=Path, help="table to write; default: the one beside this")
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        folder, *task = arguments.measure
        print(json.dumps(measure(Path(folder), *task)))
        return
    if arguments.scale:
        scale(
            arguments.repeats or 9,
            arguments.most,
            arguments.out or HERE / "results-search-scale.csv",
        )
        return
    repeats = arguments.repeats or 3
    if arguments.task:
        probes, gallery, threshold = arguments.task
        result = search(Path(probes), Path(gallery), float(threshold), repeats)
        print(json.dumps(result))
        return

    # not at the top: the process that is measured needs neither
    from helpers.protocol import shipping
    from helpers.sources import fetch

    model = arguments.model
    images = fetch.local_files("probes").set_index("id")["path"].astype(str)
    probes = shipping.faces_path("probes", model)
    pipelines.weight_hashes(pipelines.configuration(model, DETECTOR))
    os.environ["DEEPFACE_HOME"] = str(weights.deepface_home())
    os.environ["DEEPFACE_LOG_LEVEL"] = "50"
    say(f"{model}: a gallery of {arguments.gallery:,}, for both ...")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        gallery = Path(name) / "gallery.parquet"
        ids, embeddings = make_gallery(model, arguments.gallery, gallery)
        write_datastore(ids, embeddings, model, folder)
        enrolled = collection.load_collection(probes)
        # spread over all members
        picked = enrolled.ids[:: max(1, len(enrolled.ids) // arguments.queries)]
        picked = picked[: arguments.queries]
        queried = collection.subset(enrolled, picked)
        found = collection.search(queried, collection.load_collection(gallery), top=CANDIDATES)
        threshold = float(found["score"].max())
        found = collection.search(queried, collection.load_collection(gallery), threshold)
        say("ours, all probes ...")
        command = [sys.executable, __file__, "--repeats", str(repeats)]
        command += ["--task", str(probes), str(gallery), str(threshold)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        row = {"model": model, "gallery": len(ids), "threshold": threshold}
        row |= json.loads(done.stdout.splitlines()[-1])

        from deepface import DeepFace

        DeepFace.represent(images[picked[0]], model_name=model, detector_backend=DETECTOR)
        seconds = {"find": [], "fast_find": [], "embed": []}
        different, largest, candidates = 0, 0.0, 0
        for probe in picked:
            say(f"DeepFace.find, {probe} ...")
            path = images[probe]
            start = time.perf_counter()
            DeepFace.represent(path, model_name=model, detector_backend=DETECTOR)
            seconds["embed"].append(time.perf_counter() - start)
            taken, theirs = find(path, folder, model, threshold=threshold)
            seconds["find"].append(taken)
            # the fastest way to ask for the same
            fast = {"refresh_database": False, "return_type": "dict", "threshold": threshold}
            seconds["fast_find"].append(find(path, folder, model, **fast)[0])
            ours = found.loc[found["probe_id"] == probe, ["gallery_id", "score"]]
            count, difference = differing(ours, theirs, threshold)
            different, candidates = different + count, candidates + len(theirs)
            largest = max(largest, difference)
        median = {key: float(np.median(value)) for key, value in seconds.items()}
        ours_each = row["search_seconds"] / row["probes"]
        row |= {"find_queries": len(picked), "find_seconds_a_query": median["find"]}
        row |= {"fast_find_seconds_a_query": median["fast_find"]}
        row |= {"embed_seconds_a_query": median["embed"]}
        row["find_seconds_scaled_to_all"] = median["find"] * row["probes"]
        # `find` embeds the probe each time; without that:
        row["ratio"] = (median["find"] - median["embed"]) / ours_each
        row["ratio_to_fast_find"] = (median["fast_find"] - median["embed"]) / ours_each
        row |= {"find_candidates": candidates, "different_candidates": different}
        row["largest_difference_of_a_score"] = largest
    table = pd.DataFrame([row]).round(6)
    table.to_csv(arguments.out or HERE / "results-search.csv", index=False)
    print(table.T.to_string(header=False))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
