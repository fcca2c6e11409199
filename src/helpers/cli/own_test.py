"""Commands for a test of one's own: new, publish."""

from pathlib import Path
from typing import Annotated

import typer

from helpers.cli.options import Workers, app
from helpers.errors import UserError


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="A folder to make, named as the test: my-test")],
    probes: Annotated[str, typer.Option(help="congress, a folder, or face metadata")],
    gallery: Annotated[str, typer.Option(help="legislators, a folder, or face metadata")],
    labels: Annotated[
        str, typer.Option(help="CSV for a folder of probes: id, name, group, gender")
    ] = "",
    recorded_by: Annotated[str, typer.Option(help="Who wrote the labels down, and how")] = "",
    pairs: Annotated[
        str, typer.Option(help="CSV with the columns a and b: two files of a person a row")
    ] = "",
    images: Annotated[
        str, typer.Option(help="The folder of the files in PAIRS; default: its")
    ] = "",
    model: Annotated[
        list[str] | None, typer.Option(help="A pipeline; give it again for another beside it")
    ] = None,
    threshold: Annotated[str, typer.Option(help="default, a distance, fmr:1e-5")] = "default",
    engine: Annotated[str, typer.Option(help="open; rekognition: a service, too")] = "open",
    region: Annotated[str | None, typer.Option(help="rekognition: where, e.g. us-east-1")] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="rekognition: another address, e.g. of the local service")
    ] = None,
    exploratory: Annotated[
        bool, typer.Option("--exploratory", help="Register nothing; the page says so")
    ] = False,
) -> None:
    """Make the folder of a test of your own: a notebook, its registration, how to rerun it.

    Nobody is enrolled yet. Read the README in the folder, then:

      congress-test new my-test --probes councillors/ --gallery mugshots/

      congress-test publish my-test/

    Several pipelines side by side, with labels and pairs of photographs for the validity gate:

      congress-test new my-test --probes councillors/ --labels councillors.csv --gallery mugshots/
      --pairs pairs.csv --images photos/ --model dlib-native --model sface-native
    """
    from helpers.own_test import plan

    if engine not in ("open", "rekognition"):
        raise UserError(f"--engine is open or rekognition, not {engine!r}")
    service = {"region": region, "endpoint_url": endpoint_url} if engine == "rekognition" else {}
    models = model or ([] if service else ["dlib-native"])
    test = plan.Plan(
        probes, gallery, models, service, labels, recorded_by, pairs, images, threshold, exploratory
    )
    plan.new(folder, test)
    typer.echo(f"{folder}: read {folder / 'README.md'}, then congress-test publish {folder}")


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="A folder made by new")],
    workers: Workers = None,
    yes: Annotated[bool, typer.Option("--yes", help="rekognition: agree to the estimate")] = False,
) -> None:
    """Run a test of your own, check its words against its tables, write it as one HTML page.

    The page holds figures and counts, no face, no file name of the gallery, no pair of people, and
    fetches nothing. The second time takes seconds: templates are kept in the cache.
    """
    import functools

    from helpers.own_test import publish as publishing

    agree = functools.partial(typer.confirm, err=True)
    page = publishing.publish(folder, agree, yes, workers)
    typer.echo(f"{page} is one file to send or to put on a web site; figures/ has the data")
