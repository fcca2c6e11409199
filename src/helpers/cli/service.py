"""Commands of the face search service: serve, import, export, similarity."""

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from helpers.cli.options import app, argument_in, argument_out, number, path_in, say


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8018,
    store: Annotated[Path, path_in(help="Folder of the collections; made if missing")] = Path(
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
    rate: Annotated[float | None, number(1, help="Requests a second, at most")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Images analysed at a time; default: the cores")
    ] = None,
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
    # before numpy loads: a thread a search, and the clients share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from helpers.service import server

    def ready(url: str) -> None:
        say(f"{url}  {model}, collections in {store}, until Ctrl-C")

    server.serve(store, model, host, port, bucket or [], rate, workers, ready)


@app.command("import")
def import_collection(
    name: Annotated[str, typer.Argument(help="The new collection's name")],
    faces: Annotated[Path, argument_in(help="Face metadata (.parquet), made by enrol")],
    store: Annotated[Path, path_in(help="Folder of the collections")] = Path("collections"),
) -> None:
    """Make a collection of the service from face metadata, without any image."""
    from helpers.service.store import FaceStore, read_import

    read = read_import(name, faces)  # before a store is made for it
    with closing(FaceStore(store)) as opened:
        say(f"{opened.import_faces(*read):,} faces in {name}")


@app.command("export")
def export_collection(
    name: Annotated[str, typer.Argument(help="A collection of the service")],
    out: Annotated[Path, argument_out(help="Face metadata (.parquet) to write")],
    store: Annotated[Path, path_in(help="Folder of the collections")] = Path("collections"),
) -> None:
    """Write a collection of the service as face metadata, for `search` and `run`."""
    from helpers.files import keep_inputs
    from helpers.service.store import FaceStore

    keep_inputs(out, store)
    with closing(FaceStore(store, make=False)) as opened:
        say(f"{opened.export_faces(name, out):,} faces in {out}")


@app.command()
def similarity() -> None:
    """Show what the service's Similarity means: false matches and misses at 80, 90, 95 and 99 %.

    False matches: pairs of a former legislator and a stranger. Misses: a member's two portraits.
    """
    import pandas as pd

    from helpers.service import similarity as scale

    with pd.option_context("display.width", None, "display.max_colwidth", None):
        say(scale.shown().to_string(index=False))
