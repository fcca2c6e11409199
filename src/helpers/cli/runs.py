"""Commands that run a test, and freeze one before it is run: run, register."""

import functools
import json
from pathlib import Path
from typing import Annotated

import typer

from helpers.cli.options import Detector, Model, Workers, app
from helpers.errors import UserError


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
    from helpers.show.report import report

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
        typer.echo(report(result, f"{probes} searched in {gallery}") + more)


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
