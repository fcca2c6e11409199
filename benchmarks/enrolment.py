"""Enrolment against a loop of `DeepFace.represent`, and against its networks alone.

    python benchmarks/enrolment.py [--images 792] [--workers 2] [--repeats 2] [--model SFace ...]

Three ways take turns: the loop, `enrol`, and "bare": as many processes, each of which runs detector
and recogniser on arrays of the right size, as often as there are images, and nothing else. What
deepface feeds is compared with deepface's loop, detector, crop and weights being the same; a native
pipeline only with the bare networks. Each measurement is a process of its own, from its start to
its end, on all images and on two of them; the second is the start-up (imports, loading of the
models). Needs the portraits: the cache (`congress-test fetch probes`) or CONGRESS_TEST_MIRROR.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces import enrolment, networks, pipelines, weights, yunet

HERE = Path(__file__).parent
FEW = 2
# rows and columns that YuNet sees of a portrait of 512 x 512: all of it, or deepface's border too
SEEN = {pipelines.NATIVE: (512, 512), pipelines.DEEPFACE: (576, 576)}


def loop(paths: list[str], model: str, out: Path) -> None:
    """What a user of deepface writes: one image after the other, the largest face of each."""
    os.environ["DEEPFACE_HOME"] = str(weights.deepface_home())
    os.environ["DEEPFACE_BACKEND_ENGINE"] = "onnx"
    os.environ["DEEPFACE_LOG_LEVEL"] = "50"
    from deepface import DeepFace

    embeddings = {}
    for path in paths:
        try:
            faces = DeepFace.represent(path, model_name=model, detector_backend="yunet")
        except ValueError:  # no face found
            continue
        face = max(faces, key=lambda f: f["facial_area"]["w"] * f["facial_area"]["h"])
        embeddings[path] = np.asarray(face["embedding"])
    np.savez(out, ids=np.array(list(embeddings)), embeddings=np.stack(list(embeddings.values())))


def ours(paths: list[str], model: str, out: Path, workers: int) -> None:
    """`enrol`, as `congress-test enrol` calls it."""
    images = pd.DataFrame({"id": paths, "path": paths})
    enrolment.enrol(images, out, model, "yunet", workers=workers, progress=False)


def bare(paths: list[str], model: str, workers: int) -> None:
    """Detector and recogniser alone, `len(paths)` times, shared by `workers` processes."""
    share = [len(paths[i::workers]) for i in range(workers)]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=run_networks, args=(model, n)) for n in share]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def run_networks(model: str, count: int) -> None:
    row = pipelines.PIPELINES[model]
    detector = yunet.load(weights.find(weights.FILES["yunet"]))
    recogniser, side = networks.load(row.recogniser), networks.SIDES[row.recogniser]
    seen = np.full((*SEEN[row.feed], 3), 128, dtype=np.uint8)
    crop = np.full((side, side, 3), 128, np.float32 if row.recogniser == "Facenet" else np.uint8)
    for _ in range(count):
        detector.run(None, {"pixels": seen})
        recogniser([crop])


def measure(way: str, paths: list[str], model: str, workers: int, folder: Path) -> float:
    """Seconds that a fresh process takes for it all; its embeddings are left in the folder."""
    out = folder / f"{way}-{model}-{len(paths)}.{'npz' if way == 'loop' else 'parquet'}"
    out.unlink(missing_ok=True)
    task = {"way": way, "paths": paths, "model": model, "workers": workers, "out": str(out)}
    (folder / "task.json").write_text(json.dumps(task))
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, __file__, "--task", str(folder / "task.json")]
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment)
    return time.perf_counter() - start


def agreement(model: str, count: int, folder: Path) -> dict:
    """Least cosine between the two embeddings of an image, and how many images have both."""
    with np.load(folder / f"loop-{model}-{count}.npz") as stored:
        theirs = dict(zip(stored["ids"].tolist(), stored["embeddings"], strict=True))
    faces = enrolment.read_faces(folder / f"ours-{model}-{count}.parquet").set_index("id")
    both = [i for i in faces.index if i in theirs]
    a = np.stack([theirs[i] for i in both])
    b = np.stack(faces.loc[both, "embedding"].to_list()).astype(float)
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    different = len(set(theirs) ^ set(faces.index))
    return {"compared": len(both), "found_by_one_only": different, "least_cosine": cosine.min()}


def ways_of(model: str) -> tuple[str, ...]:
    """The loop feeds a network as deepface does, so only that is compared with it."""
    native = pipelines.PIPELINES[model].feed == pipelines.NATIVE
    return ("ours", "bare") if native else ("loop", "ours", "bare")


def compare(model: str, paths: list[str], workers: int, repeats: int, folder: Path) -> dict:
    pipelines.weight_hashes(pipelines.configuration(model))  # none of them has to download
    ways = ways_of(model)
    for way in ways:  # so that files are in memory and modules compiled, for all
        measure(way, paths[:FEW], model, workers, folder)
    seconds = {(way, n): [] for way in ways for n in (FEW, len(paths))}
    for _ in range(repeats):
        for way, n in seconds:
            seconds[way, n].append(measure(way, paths[:n], model, workers, folder))
    whole = {way: np.median(seconds[way, len(paths)]) for way in ways}
    start = {way: np.median(seconds[way, FEW]) for way in ways}
    net = {way: whole[way] - start[way] for way in whole}
    row = {"model": model, "detector": "yunet", "images": len(paths)}
    row |= {"processes": workers, "repeats": repeats}
    for way in whole:
        row |= {f"{way}_seconds": whole[way], f"{way}_startup_seconds": start[way]}
    row["ours_images_per_second"] = len(paths) / whole["ours"]
    row["ours_to_bare_after_startup"] = net["ours"] / net["bare"]
    if "loop" in ways:
        row["ratio"] = whole["loop"] / whole["ours"]
        row["ratio_after_startup"] = net["loop"] / net["ours"]
        row |= agreement(model, len(paths), folder)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=792, help="portraits of members to use")
    parser.add_argument("--workers", type=int, default=2, help="processes of `enrol`")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--model", action="append", choices=pipelines.MODELS, help="default: all")
    parser.add_argument("--out", type=Path, default=HERE / "results-enrolment.csv")
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        task = json.loads(arguments.task.read_text())
        if task["way"] == "loop":
            loop(task["paths"], task["model"], Path(task["out"]))
        elif task["way"] == "bare":
            bare(task["paths"], task["model"], task["workers"])
        else:
            ours(task["paths"], task["model"], Path(task["out"]), task["workers"])
        return
    from helpers.sources import fetch

    both = (fetch.local_files(name)["path"] for name in ("probes", "second-portraits"))
    paths = pd.concat(both).astype(str).tolist()[: arguments.images]
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            compare(model, paths, arguments.workers, arguments.repeats, Path(folder))
            for model in arguments.model or pipelines.MODELS
        ]
    table = pd.DataFrame(rows).round(4)
    table.to_csv(arguments.out, index=False)
    print(table.set_index("model").T.to_string())


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
