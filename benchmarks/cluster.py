"""A gallery in parts on a local Dask cluster: search up to 5,000,000 faces, and enrolment.

    python benchmarks/cluster.py [--workers 2] [--memory 2000] [--images 792] [--most 5000000]

All members are searched among made-up faces with the mean and covariance of the former legislators'
in parts of 100,000, three ways in turns: the bare product in float32 of benchmarks/search.py, the
parts by one process, the parts by a cluster of `--workers` processes, none of which can have more
than `--memory` MB. Every way has one thread of BLAS. Seconds are by the clock; core seconds are
what the cores spent on it, which other work on the machine changes less. Then the members'
portraits are enrolled by as many processes, and by the cluster. Needs Linux, the portraits (the
cache or CONGRESS_TEST_MIRROR), and 6 GB of disk for a while.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
os.environ |= THREADS  # before numpy, and for the workers

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import psutil  # noqa: E402
import pyarrow as pa  # noqa: E402
from search import bare, write_faces  # noqa: E402

from helpers.errors import UserError  # noqa: E402
from helpers.faces import cluster, collection, enrolment, parts, pipelines  # noqa: E402
from helpers.files import say  # noqa: E402
from helpers.sources import fetch  # noqa: E402

HERE = Path(__file__).parent
MODEL = "sface-native"
SIZES = (1_000, 10_000, 100_000, 1_000_000, 5_000_000)
PART = 100_000
SHARE_OF_PAIRS = 1e-4  # at or below the threshold
PROBES = 529


def write_gallery(vectors: np.ndarray, description: dict, out: Path) -> str:
    """Faces (n, d) float32 as a gallery in parts of PART, with no more than ids and templates."""
    out.mkdir()
    rows = []
    for start in range(0, len(vectors), PART):
        some = np.asarray(vectors[start : start + PART])
        made = {
            "id": pa.array([f"{i:07d}" for i in range(start, start + len(some))]),
            "embedding": pa.FixedSizeListArray.from_arrays(some.ravel(), some.shape[1]),
        }
        columns = [
            made[name].cast(kind) if name in made else pa.nulls(len(some), kind)
            for name, kind in enrolment.COLUMNS.items()
        ]
        path = out / f"part-{start // PART:06d}.parquet"
        table = pa.table(columns, schema=pa.schema(enrolment.COLUMNS))
        enrolment.write_faces(table, path, description)
        rows.append(parts._row(path))
    parts.write(out, description, rows, 0)
    return str(out)


def first_parts(address: str, size: int, out: Path) -> str:
    """A gallery of the first parts of another: the same files, listed by fewer rows."""
    gallery = parts.read(address)
    out.mkdir()
    rows = gallery["parts"][: size // PART]
    for row in rows:
        (out / row["name"]).symlink_to(Path(address) / row["name"])
    parts.write(out, gallery["description"], rows, 0)
    return str(out)


def peak_mb(process: subprocess.Popen) -> float:
    """The most memory that a process had, in MB, pages of files not counted twice."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def cpu_seconds(process: int) -> float:
    """Seconds that the cores have spent on a process, all its threads together."""
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


@contextmanager
def timed(taken: list, processes: list[int]):
    """Add what a block takes: seconds by the clock, and of cores for the given processes."""
    start, before = time.perf_counter(), sum(map(cpu_seconds, processes))
    yield
    spent = sum(map(cpu_seconds, processes)) - before
    taken.append((time.perf_counter() - start, spent))


def means(taken: dict[str, list]) -> dict[str, float]:
    names = ("seconds", "core_seconds")
    return {
        f"{way}_{name}": float(np.mean([each[i] for each in many]))
        for i, name in enumerate(names)
        for way, many in taken.items()
    }


def start_cluster(workers: int, memory: int) -> tuple[str, list[subprocess.Popen]]:
    """A scheduler's address, and it and its workers; each is ended by Dask's limit of memory."""
    with socket.socket() as one:  # a free port
        one.bind(("127.0.0.1", 0))
        port = str(one.getsockname()[1])
    command = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    where = ("--host", "127.0.0.1", "--port", port, "--no-dashboard")
    running = [subprocess.Popen([*command, "scheduler", *where], **quiet)]
    limit = resource_limit(memory)
    for _ in range(workers):
        worker = ["worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-nanny"]
        worker += ["--no-dashboard", "--memory-limit", f"{memory}MB"]
        running.append(subprocess.Popen([*command, *worker], preexec_fn=limit, **quiet))
    return f"tcp://127.0.0.1:{port}", running


def resource_limit(memory: int):
    """What a worker does before it starts: it may have no more memory than that of its own."""
    import resource

    limits = (memory * 10**6, memory * 10**6)
    return lambda: resource.setrlimit(resource.RLIMIT_DATA, limits)


def searches(pool, workers, running, sizes: list[int], folder: Path) -> pd.DataFrame:
    """Time the three ways for each of the sizes: a row a size."""
    say(f"{sizes[-1]:,} faces, then their parts ...")
    description, few = write_faces(MODEL, PROBES, sizes[-1], folder)
    threshold = float(np.quantile(few, SHARE_OF_PAIRS).round(4))
    vectors = np.load(folder / "gallery.npy", mmap_mode="r")
    probes = np.load(folder / "probes.npy")
    sought = collection.Collection(np.arange(PROBES).astype("U3"), probes, description)
    whole = write_gallery(vectors, description, folder / "whole")
    rows = []
    for size in sizes:
        say(f"{PROBES} in {size:,}, three ways ...")
        out = folder / f"of-{size}"
        some = size % PART
        address = (
            write_gallery(vectors[:size], description, out)
            if some
            else first_parts(whole, size, out)
        )
        parts.SHARE = max(PART, min(10**6, size // workers))
        if size == sizes[0]:  # imports, in every worker
            list(cluster.each(pool, parts.search, ((i, (sought, address)) for i in range(9))))
        taken = {way: [] for way in ("bare", "one", "cluster")}
        for _ in range(max(1, min(30, 10**6 // size))):
            with timed(taken["bare"], [os.getpid()]):
                hits = bare(probes, vectors[:size], None, np.float32(1 - threshold))
            with timed(taken["one"], [os.getpid()]):
                one = parts.search(sought, address, threshold)
            with timed(taken["cluster"], [process.pid for process in running[1:]]):
                many = parts.search(sought, address, threshold, pool=pool)
            pd.testing.assert_frame_equal(one, many, check_exact=True)
        files = sum(path.stat().st_size for path in Path(address).glob("*.parquet"))
        row = {"model": MODEL, "probes": PROBES, "gallery": size}
        row |= {"parts": -(-size // PART), "workers": workers, "threshold": threshold}
        row |= {"candidates": len(many), "bare_hits": hits}
        row |= means(taken)
        row["bytes_a_face"] = files / size
        row["worker_peak_mb"] = max(peak_mb(process) for process in running[1:])
        rows.append(row)
        print(row, flush=True)
    return pd.DataFrame(rows)


def portraits(count: int) -> pd.DataFrame:
    """Portraits to enrol: id, path. Raises UserError where they, or weights, are missing."""
    pipelines.weight_hashes(pipelines.configuration(MODEL))
    files = pd.concat([fetch.local_files(name) for name in ("probes", "second-portraits")])
    return pd.DataFrame({"id": files["path"].astype(str), "path": files["path"]})[:count]


def enrolments(pool, workers: int, files, repeats: int, folder: Path) -> pd.DataFrame:
    """Time enrolment of portraits into parts of 99, by processes and by the cluster, in turns."""
    parts.PART = 99
    taken = {"processes": [], "cluster": []}
    for i in range(repeats):
        for way, those in (("processes", None), ("cluster", pool)):
            say(f"enrol {len(files)} portraits, {way}, {i + 1} of {repeats} ...")
            start = time.perf_counter()
            parts.enrol(
                files, folder / f"{way}{i}", MODEL, workers=workers, progress=False, pool=those
            )
            taken[way].append(time.perf_counter() - start)
    made = [(folder / f"{way}0" / "part-000000.parquet").read_bytes() for way in taken]
    assert made[0] == made[1]
    row = {"model": MODEL, "images": len(files), "workers": workers}
    row |= {f"{way}_seconds": float(np.median(each)) for way, each in taken.items()}
    row["ratio"] = row["cluster_seconds"] / row["processes_seconds"]
    return pd.DataFrame([row])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", type=int, default=2_000, help="MB a worker may take")
    parser.add_argument("--images", type=int, default=792, help="portraits to enrol")
    parser.add_argument("--most", type=int, default=SIZES[-1], help="faces of a gallery")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the two tables")
    arguments = parser.parse_args()
    files = portraits(arguments.images)
    sizes = [size for size in SIZES if size <= arguments.most]
    address, running = start_cluster(arguments.workers, arguments.memory)
    try:
        with (
            tempfile.TemporaryDirectory() as name,
            cluster.connect(address) as pool,
        ):
            while pool.slots() < arguments.workers:
                if any(process.poll() is not None for process in running):
                    raise UserError("a worker ended before its work: allow it more --memory")
                time.sleep(0.1)
            table = searches(pool, arguments.workers, running, sizes, Path(name))
            table["load_average"] = round(os.getloadavg()[1], 1)
            digits = {"bytes_a_face": 0, "worker_peak_mb": 0}
            out = arguments.out
            table.round(4).round(digits).to_csv(out / "results-cluster-search.csv", index=False)
            made = enrolments(pool, arguments.workers, files, 2, Path(name))
            made.round(4).to_csv(out / "results-cluster-enrolment.csv", index=False)
            print(made.T.to_string(header=False))
    finally:
        for process in running:
            process.kill()


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
