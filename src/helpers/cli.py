"""Command line: congress-test fetch / enrol / run / reproduce / verify ..."""

import errno
import functools
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from helpers.errors import UserError
from helpers.show import report


class _Friendly(typer.core.TyperGroup):
    """Shows a UserError, or why a file cannot be used, as one sentence and exits with 2."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except UserError as error:
            text, cause = str(error), error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head` closed the pipe: no error
                raise
            known = error.strerror and error.filename
            text, cause = f"{error.filename}: {error.strerror}" if known else str(error), error
        typer.echo(f"congress-test: {text}", err=True)
        raise typer.Exit(2) from cause


app = typer.Typer(
    cls=_Friendly,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="An open replication of the 2018 audit of face recognition on the US Congress. "
    "Scores are distances: small is alike.",
)
Model = Annotated[
    str, typer.Option(help="dlib-native, sface-native, facenet-native, or a name of deepface's")
]
Detector = Annotated[str, typer.Option(help="yunet, dlib, or any detector of deepface")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one for each core")]
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
def run(
    probes: Annotated[str, typer.Option(help="congress, a folder, or face metadata")] = "congress",
    gallery: Annotated[
        str, typer.Option(help="legislators, utkface, a folder, or face metadata")
    ] = "legislators",
    model: Model = "dlib-native",
    detector: Detector = "yunet",
    threshold: Annotated[
        str, typer.Option(help="default, a distance (rekognition: percent), fmr:1e-5, count:28")
    ] = "default",
    labels: Annotated[
        Path | None, typer.Option(help="CSV for a folder of probes: id, name, group, gender")
    ] = None,
    json_out: Annotated[bool, typer.Option("--json", help="Print JSON instead")] = False,
    csv_out: Annotated[
        Path | None, typer.Option("--csv", help="Write one row a person searched")
    ] = None,
    registration: Annotated[
        Path | None, typer.Option(help="Refuse anything but what this file froze (register)")
    ] = None,
    workers: Workers = None,
    engine: Annotated[str, typer.Option(help="open: open models; rekognition: Amazon's")] = "open",
    region: Annotated[str | None, typer.Option(help="rekognition: where, e.g. us-east-1")] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="rekognition: another address, e.g. of the local service")
    ] = None,
    price: Annotated[float, typer.Option(min=0, help="rekognition: US dollars a photograph")] = (
        0.001
    ),
    rate: Annotated[float, typer.Option(min=0.1, help="rekognition: calls a second")] = 5.0,
    yes: Annotated[bool, typer.Option("--yes", help="rekognition: agree to the estimate")] = False,
    delete_collection: Annotated[
        bool, typer.Option("--delete-collection", help="rekognition: leave nothing at Amazon")
    ] = False,
) -> None:
    """Run the Congress test and print how many people are falsely matched, and who they are.

    Members against the galleries that ship need no images:

      congress-test run --gallery utkface --model sface-native --threshold count:28

    With your own photographs (a folder each, and a CSV of labels if you have one):

      congress-test run --probes councillors/ --labels councillors.csv --gallery mugshots/

    Against Amazon itself, with your own account and after you agreed to what it costs:

      congress-test run --engine rekognition --region us-east-1
    """
    from helpers.protocol import congress_test

    if engine == "rekognition":
        from helpers.service import amazon

        if (model, detector) != ("dlib-native", "yunet"):
            raise UserError("--model and --detector are for open models; Amazon has its own")
        account = amazon.Account(region, endpoint_url, price, rate, yes, delete_collection)
        agree = functools.partial(typer.confirm, err=True)  # stdout may be for a machine
        result, more = amazon.run(probes, gallery, threshold, labels, account, agree)
    elif engine == "open":
        digest = ""
        if registration:
            from helpers.protocol import registration as registered

            plan = registered.register(probes, gallery, model, detector, threshold, labels)
            digest = registered.require(registration, plan)
        people, scores = congress_test.gather(probes, gallery, model, detector, labels, workers)
        result = congress_test.run(people, scores, threshold)
        more = f"\n  as registered            {registration}, SHA-256 {digest}" if digest else ""
    else:
        raise UserError(f"--engine is open or rekognition, not {engine!r}")
    if csv_out:
        # the gallery side is never written: it may hold people whose identities are not published
        result.members.to_csv(csv_out, index=False, float_format="%.4f")
    if json_out:
        typer.echo(json.dumps(congress_test.as_json(result), indent=1, allow_nan=False))
    else:
        typer.echo(report.report(result, f"{probes} searched in {gallery}") + more)


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


@app.command()
def register(
    probes: Annotated[str, typer.Option(help="congress, a folder, or face metadata")],
    gallery: Annotated[str, typer.Option(help="legislators, utkface, a folder, or face metadata")],
    out: Annotated[Path, typer.Option(help="JSON file to write, once")],
    model: Model = "dlib-native",
    detector: Detector = "yunet",
    threshold: Annotated[str, typer.Option(help="default, a distance, fmr:1e-5")] = "default",
    labels: Annotated[Path | None, typer.Option(help="As for run")] = None,
) -> None:
    """Freeze a run before anybody is enrolled: people, gallery, pipeline, threshold, by digest.

    Type what you predict into its `hypotheses`, commit the file, and only then:

      congress-test run --registration FILE ... (with the same choices)

    which refuses to run with anything else. Notebook 13 was made that way.
    """
    from helpers.protocol import registration as registered

    registered.write(registered.register(probes, gallery, model, detector, threshold, labels), out)
    typer.echo(f"{out}: add your hypotheses and commit it before the run")


@app.command()
def reproduce(
    notebooks: Annotated[bool, typer.Option(help="Also execute the notebooks into build/")] = True,
) -> None:
    """What `make run` does: the test from what ships, beside the ACLU's, then all notebooks.

    Writes figures/ (by the notebooks) and build/notebooks/; needs no image and no network.
    """
    from helpers.paths import NOTEBOOKS, ROOT
    from helpers.protocol import congress_test
    from helpers.rebuild.notebooks import execute_all
    from helpers.sources import published

    study = "ACLU 2018"
    matched = published.number(study, "members falsely matched")
    searched = published.number(study, "members searched")
    typer.echo(
        f"The ACLU's test of July 2018 (Amazon Rekognition, threshold 80 %): {matched:.0f} of "
        f"{searched:.0f} members falsely matched ({matched / searched:.1%}).\n"
    )
    for gallery in ("legislators", "utkface"):
        for policy in ("default", "count:28"):
            result = congress_test.run(
                *congress_test.gather("congress", gallery, "dlib-native"), policy
            )
            typer.echo(report.report(result, f"Congress searched in {gallery}") + "\n")
    if notebooks:
        typer.echo("Executing the notebooks, which write figures/ ...")
        # the last ones first: among them is the longest, which would keep the others' core idle
        paths = sorted(NOTEBOOKS.glob("*.ipynb"), reverse=True)
        execute_all(paths, ROOT / "build" / "notebooks", typer.echo)


@app.command()
def verify(
    sample: Annotated[
        int | None, typer.Option(min=1, help="Check so many images of each set instead of all")
    ] = None,
    workers: Workers = None,
) -> None:
    """Recompute what ships in data/ from the images and compare: needs mirror or network.

    Only like is compared with like: a file made with other weights is reported, not compared.
    """
    from helpers.rebuild import verification

    report = verification.verify(sample, workers)
    with pd.option_context("display.width", 160, "display.max_columns", None):
        typer.echo(report.to_string(index=False))
    if not report["agrees"].all():
        raise typer.Exit(1)


@app.command()
def cite(
    figure: Annotated[str, typer.Argument(help="The id of a figure or table: fig-02-four-ways")],
) -> None:
    """Print how to cite a figure or table: a line of text, then BibTeX."""
    from helpers.site import citation

    entry = citation.find(figure)
    typer.echo(f"{citation.plain(entry)}\n\n{citation.bibtex(entry)}")


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8018,
    store: Annotated[Path, typer.Option(help="Folder of the collections; made if missing")] = Path(
        "collections"
    ),
    model: Annotated[
        str, typer.Option(help="dlib-native, sface-native or facenet-native")
    ] = "dlib-native",
    host: Annotated[
        str, typer.Option(help="Any but a loopback address needs CONGRESS_TEST_TOKEN")
    ] = "127.0.0.1",
    bucket: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH: a folder of images, or face metadata, as an S3 bucket"),
    ] = None,
    rate: Annotated[float | None, typer.Option(min=1, help="Requests a second, at most")] = None,
) -> None:
    """Search faces as Amazon Rekognition does: the same client, another endpoint_url.

    What the script of 2018 did to Amazon, done to an open model on this machine:

      congress-test serve

      boto3.client("rekognition", endpoint_url="http://127.0.0.1:8018", region_name="us-east-1",
                   aws_access_key_id="any", aws_secret_access_key="any")

    Images are never stored, face metadata lie in one SQLite file. The datasets that ship (probes,
    legislators, ...) are there as buckets. With CONGRESS_TEST_TOKEN set, requests must be signed
    with it: it is the client's secret access key.
    """
    from helpers.service import server

    def ready(url: str) -> None:
        typer.echo(f"{url}  {model}, collections in {store}, until Ctrl-C")

    server.serve(store, model, host, port, bucket or [], rate, ready)


@app.command("import")
def import_collection(
    name: Annotated[str, typer.Argument(help="The new collection's name")],
    faces: Annotated[Path, typer.Argument(help="Face metadata (.parquet), made by enrol")],
    store: Annotated[Path, typer.Option(help="Folder of the collections")] = Path("collections"),
) -> None:
    """Make a collection of the service from face metadata, without any image."""
    from helpers.service.store import FaceStore

    with closing(FaceStore(store)) as opened:
        typer.echo(f"{opened.import_faces(name, faces):,} faces in {name}")


@app.command("export")
def export_collection(
    name: Annotated[str, typer.Argument(help="A collection of the service")],
    out: Annotated[Path, typer.Argument(help="Face metadata (.parquet) to write")],
    store: Annotated[Path, typer.Option(help="Folder of the collections")] = Path("collections"),
) -> None:
    """Write a collection of the service as face metadata, for `search` and `run`."""
    from helpers.service.store import FaceStore

    with closing(FaceStore(store)) as opened:
        typer.echo(f"{opened.export_faces(name, out):,} faces in {out}")


@app.command()
def similarity() -> None:
    """Show what the service's Similarity means: false matches and misses at 80, 90, 95 and 99 %.

    False matches: pairs of a former legislator and a stranger. Misses: a member's two portraits.
    """
    from helpers.service import similarity as scale

    with pd.option_context("display.width", None, "display.max_colwidth", None):
        typer.echo(scale.shown().to_string(index=False))


@app.command()
def rebuild(workers: Workers = None) -> None:
    """Make everything in data/ that is computed from images again (hours; needs all images)."""
    from helpers.experiments.the_people import tables as people
    from helpers.faces import pipelines
    from helpers.protocol import shipping
    from helpers.rebuild import tables

    for dataset in (*shipping.PUBLIC, "utkface"):
        for model in pipelines.MODELS:
            shipping.enrol_dataset(dataset, model, workers=workers)
    shipping.ship()
    people.write_utkface_tables()
    tables.make(tables.RESULTS)


if __name__ == "__main__":
    app()
