"""Commands on images and face metadata: fetch, enrol, search, validate."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from helpers.cli.options import Detector, Model, Workers, app
from helpers.errors import UserError

DATASETS = ("rosters", "probes", "second-portraits", "returning", "delegates")
DATASETS += ("legislators", "newcomers", "newcomers-second-portraits", "utkface")


@app.command()
def fetch(
    datasets: Annotated[
        list[str] | None, typer.Argument(help=f"Any of {', '.join(DATASETS)}; all but the last")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="A copy of UTKFace: archive or folder")
    ] = None,
) -> None:
    """Get portraits and rosters: from the cache, a mirror (CONGRESS_TEST_MIRROR), the network.

    Every file is checked against its SHA-256. UTKFace has no address; give a copy of it:
    congress-test fetch utkface --from UTKFace.tar.gz
    """
    from helpers.sources import fetch as sources

    datasets = datasets or list(DATASETS[:-1])
    unknown = sorted(set(datasets) - set(DATASETS))
    if unknown:
        raise UserError(f"unknown dataset {unknown[0]!r}; there are {', '.join(DATASETS)}")
    if source:
        if datasets != ["utkface"]:
            raise UserError("--from is for utkface alone: congress-test fetch utkface --from FILE")
        counts = sources.fetch_utkface(source, progress=sys.stderr.isatty())
        typer.echo("utkface: " + ", ".join(f"{n:,} {what}" for what, n in counts.items()))
        if counts["missing"]:
            raise UserError(f"{counts['missing']:,} images of utkface were not in {source}")
        return
    report = sources.fetch(datasets, progress=sys.stderr.isatty())
    typer.echo(sources.summary(report))
    if (report["status"] == "failed").any():
        raise typer.Exit(1)


@app.command()
def enrol(
    images: Annotated[str, typer.Option(help="A folder of images, or the name of a dataset")],
    out: Annotated[Path, typer.Option(help="Parquet file of face metadata to write")],
    model: Model = "dlib-native",
    detector: Detector = "yunet",
    workers: Workers = None,
) -> None:
    """Turn images into face metadata; a killed run goes on where it stopped.

    The largest face of each image is enrolled. Beside OUT lies a CSV of the failures to enrol with
    a reason each. No pixels are stored.
    """
    from helpers.faces import enrolment
    from helpers.sources import fetch as sources
    from helpers.sources import galleries

    named = images in DATASETS[1:]  # the rosters are no images
    files = sources.local_files(images) if named else galleries.load_folder(images)
    faces, failures = enrolment.enrol(files, out, model, detector, workers)
    typer.echo(f"{faces:,} faces enrolled in {out}, {failures:,} failures to enrol")
    if failures:
        reasons = enrolment.read_failures(out)["reason"].value_counts()
        typer.echo("  " + ", ".join(f"{reason}: {n:,}" for reason, n in reasons.items()))


@app.command()
def search(
    probes: Annotated[Path, typer.Option(help="Face metadata of the probes (.parquet)")],
    gallery: Annotated[Path, typer.Option(help="Face metadata of the gallery (.parquet)")],
    out: Annotated[Path, typer.Option(help="CSV of candidates to write")],
    threshold: Annotated[float | None, typer.Option(help="Distance; default: no threshold")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="At most so many candidates a probe")] = 10,
) -> None:
    """Search every probe in a gallery, exactly, and write the candidates."""
    from helpers.faces import collection

    found = collection.search(
        collection.load_collection(probes), collection.load_collection(gallery), threshold, top
    )
    found.to_csv(out, index=False, float_format="%.4f")
    typer.echo(f"{len(found):,} candidates of {found['probe_id'].nunique():,} probes in {out}")


@app.command()
def validate(
    model: Annotated[
        str | None, typer.Option(help="One pipeline, any deepface name; default: all that ship")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV with the columns a and b: two files of a person a row")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="The folder of the files in PAIRS")] = None,
    csv_out: Annotated[Path | None, typer.Option("--csv", help="Write all numbers")] = None,
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
    progress = sys.stderr.isatty()
    if pairs and images:
        table = own_pairs.gate(pairs, images, model or "dlib-native", workers, progress)
    else:
        table = validity.gate(model, workers, progress)
    if csv_out:
        table.to_csv(csv_out, index=False, float_format="%.6g")
    typer.echo(shown.text(table))
