"""Commands for a test of one's own: new, publish."""

import os
from pathlib import Path
from typing import Annotated

import typer

from helpers.cli.options import (
    Gallery,
    Labels,
    Probes,
    Workers,
    app,
    argument_in,
    path_in,
    say,
    words,
)
from helpers.errors import UserError


@app.command()
def new(
    folder: Annotated[Path, argument_in(help="A folder to make, named as the test: my-test")],
    probes: Probes,
    gallery: Gallery,
    labels: Labels = None,
    recorded_by: Annotated[str | None, words(help="Who wrote the labels down, and how")] = None,
    pairs: Annotated[
        Path | None, path_in(help="CSV with the columns a and b: two files of a person a row")
    ] = None,
    images: Annotated[
        Path | None, path_in(help="The folder of the files in PAIRS; default: its")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A pipeline; give it again for another beside it")
    ] = None,
    threshold: Annotated[str, typer.Option(help="default, a distance, fmr:1e-5")] = "default",
    engine: Annotated[str, typer.Option(help="open; rekognition: a service, too")] = "open",
    region: Annotated[str | None, words(help="rekognition: where, e.g. us-east-1")] = None,
    endpoint_url: Annotated[
        str | None, words(help="rekognition: another address, e.g. of the local service")
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
        probes=_text(probes), gallery=_text(gallery), models=models, rekognition=service,
        labels=_text(labels), recorded_by=recorded_by or "", pairs=_text(pairs),
        images=_text(images), threshold=threshold, exploratory=exploratory,
    )  # fmt: skip
    plan.new(folder, test)
    say(f"{folder}: read {folder / 'README.md'}, then congress-test publish {folder}")


def _text(given: str | Path | None) -> str:
    """A dataset's name, a path that cannot be taken for one, or "" for nothing."""
    return os.path.abspath(given) if isinstance(given, Path) else given or ""


@app.command()
def publish(
    folder: Annotated[Path, argument_in(help="A folder made by new")],
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
    say(f"{page} is one file to send or to put on a web site; figures/ has the data")
