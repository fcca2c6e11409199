"""Commands on images and face metadata: fetch, enrol, search, validate."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from helpers import files
from helpers.cli.options import (
    Detector,
    Model,
    Scheduler,
    Workers,
    app,
    argument_in,
    dataset_or_path,
    faces_out,
    gallery_in,
    number,
    path_in,
    path_out,
    say,
    words,
)
from helpers.errors import UserError

DATASETS = ("rosters", "probes", "second-portraits", "returning", "delegates")
DATASETS += ("legislators", "newcomers", "newcomers-second-portraits", "utkface")


@app.command()
def fetch(
    datasets: Annotated[
        list[str] | None, typer.Argument(help=f"Any of {', '.join(DATASETS)}; all but the last")
    ] = None,
    source: Annotated[
        Path | None, path_in("--from", help="A copy of UTKFace: archive or folder")
    ] = None,
) -> None:
    """Get portraits and rosters: from the cache, a mirror (CONGRESS_TEST_MIRROR), the network.

    Every file is checked against its SHA-256. UTKFace has no address; give a copy of it:
    congress-test fetch utkface --from UTKFace.tar.gz
    """
    from helpers.sources import fetch as sources

    datasets = datasets or list(DATASETS[:-1])
    if unknown := sorted(set(datasets) - set(DATASETS)):
        raise UserError(f"unknown dataset {unknown[0]!r}; there are {', '.join(DATASETS)}")
    if source:
        if datasets != ["utkface"]:
            raise UserError("--from is for utkface alone: congress-test fetch utkface --from FILE")
        counts = sources.fetch_utkface(source, progress=sys.stderr.isatty())
        say("utkface: " + ", ".join(f"{n:,} {what}" for what, n in counts.items()))
        if counts["missing"]:
            raise UserError(f"{counts['missing']:,} images of utkface were not in {source}")
        return
    report = sources.fetch(datasets, progress=sys.stderr.isatty())
    say(sources.summary(report))
    if (report["status"] == "failed").any():
        raise typer.Exit(1)


def _images(text: str) -> str | Path:
    return files.dataset_or_path(text, DATASETS[1:])  # the rosters are no images


@app.command()
def enrol(
    images: Annotated[
        Any, dataset_or_path(_images, help="A folder of images, or the name of a dataset")
    ],
    out: Annotated[Any, faces_out(help="Parquet file of face metadata to write, or FOLDER/")],
    model: Model = "dlib-native",
    detector: Detector = "yunet",
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Turn images into face metadata; a killed run goes on where it stopped.

    The largest face of each image is enrolled. Beside OUT lies a CSV of the failures to enrol with
    a reason each. No pixels are stored.

    For more faces than one machine holds, let OUT be a folder, with a / at its end: it gets a file
    for every 8,192 images, and search and run take it as a gallery.
    """
    from helpers.faces import cluster, enrolment, parts
    from helpers.sources import fetch as sources
    from helpers.sources import galleries

    named = isinstance(images, str)
    found = sources.local_files(images) if named else galleries.load_folder(images)
    whole = isinstance(out, Path)
    make = enrolment.enrol if whole else parts.enrol
    with cluster.connect(scheduler, workers) as pool:
        faces, failures = make(found, out, model, detector, workers, pool=pool)
    say(f"{faces:,} faces enrolled in {out}, {failures:,} failures to enrol")
    if ignored := found.attrs.get("ignored"):
        say(f"  ignored: {ignored}")
    if failures and whole:
        reasons = enrolment.read_failures(out)["reason"].value_counts()
        say("  " + ", ".join(f"{reason}: {n:,}" for reason, n in reasons.items()))


@app.command()
def forget(
    folder: Annotated[Path, argument_in(help="A folder of images that was searched or tested")],
) -> None:
    """Delete what the cache keeps of a folder's photographs: the templates that run made of them.

    The folder need not be there any more. Files that you named yourself (enrol, export) stay.
    """
    from helpers.faces import kept

    say(f"{kept.forget(folder):,} files of face metadata deleted")


@app.command()
def search(
    probes: Annotated[Path, path_in(help="Face metadata of the probes (.parquet)")],
    gallery: Annotated[
        str, gallery_in(help="Face metadata (.parquet), or a folder or address of parts")
    ],
    out: Annotated[Path, path_out(help="CSV of candidates to write")],
    threshold: Annotated[float | None, number(0, help="Distance; default: no threshold")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="At most so many candidates a probe")] = 10,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Search every probe in a gallery, exactly, and write the candidates.

    A gallery in parts (enrol --out FOLDER/) is searched part by part, by this process or on a
    cluster, whose workers read it at the same address; a killed search goes on where it stopped.
    """
    from helpers.faces import cluster, collection, parts
    from helpers.protocol import policy

    files.keep_inputs(out, probes, gallery)
    searched, keep = collection.load_collection(probes), out.with_name(f"{out.name}.parts")
    if threshold is not None:
        policy.check_distance(threshold, searched.metric)
    if "://" in gallery or Path(gallery).is_dir():
        with cluster.connect(scheduler, workers) as pool:
            found = parts.search(searched, gallery, threshold, top, pool, keep)
    elif scheduler:
        raise UserError("--scheduler wants a gallery in parts: enrol it with --out FOLDER/")
    else:
        enrolled = collection.load_collection(Path(gallery))
        found = collection.search(searched, enrolled, threshold, top)
    with files.write_atomically(out) as half:
        found.to_csv(half, index=False, float_format="%.4f")
    shutil.rmtree(keep, ignore_errors=True)
    say(f"{len(found):,} candidates of {found['probe_id'].nunique():,} probes in {out}")


@app.command()
def validate(
    model: Annotated[
        str | None, words(help="One pipeline, any deepface name; default: all that ship")
    ] = None,
    pairs: Annotated[
        Path | None, path_in(help="CSV with the columns a and b: two files of a person a row")
    ] = None,
    images: Annotated[Path | None, path_in(help="The folder of the files in PAIRS")] = None,
    csv_out: Annotated[Path | None, path_out("--csv", help="Write all numbers")] = None,
    workers: Workers = None,
) -> None:
    """Ask whether a pipeline can tell people apart at all: the gate before any other result.

    Genuine pairs are two portraits of one person: members' second portraits, and the new
    portraits of returning members. Impostor pairs are portraits of different people. A pipeline
    that accepts less than 90 % of genuine pairs where one impostor pair in 1,000 passes carries no
    conclusion about people. What ships needs no image:

      congress-test validate

    Another pipeline (enrols the members' portraits, so it needs them: congress-test fetch):

      congress-test validate --model ArcFace

    Your own photographs (two each of 125 people make the 30,000 impostor pairs that it takes).
    With a third column, same (1 or 0), only the pairs listed are compared:

      congress-test validate --pairs pairs.csv --images photos/ --model SFace
    """
    from helpers.protocol import own_pairs, validity
    from helpers.show import validity as shown

    if (pairs is None) != (images is None):
        raise UserError("--pairs and --images go together: a CSV of file names, and their folder")
    files.keep_inputs(csv_out, pairs, images)
    progress = sys.stderr.isatty()
    if pairs and images:
        table = own_pairs.gate(pairs, images, model or "dlib-native", workers, progress)
    else:
        table = validity.gate(model, workers, progress)
    say(shown.text(table))
    if csv_out:
        with files.write_atomically(csv_out) as half:
            table.to_csv(half, index=False, float_format="%.6g")
