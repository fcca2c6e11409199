"""Commands that run a test, and freeze one before it is run: run, register."""

import functools
import json
from pathlib import Path
from typing import Annotated

import typer

from helpers.cli.options import (
    Detector,
    Gallery,
    Labels,
    Model,
    Probes,
    Scheduler,
    Workers,
    app,
    number,
    path_in,
    path_out,
    say,
    words,
)
from helpers.errors import UserError
from helpers.files import keep_inputs, write_atomically


@app.command()
def run(
    probes: Probes = "dataset:congress",
    gallery: Gallery = "dataset:legislators",
    model: Model = "dlib-native",
    detector: Detector = "yunet",
    threshold: Annotated[
        str, typer.Option(help="default, a distance (rekognition: percent), fmr:1e-5, count:28")
    ] = "default",
    labels: Labels = None,
    json_out: Annotated[bool, typer.Option("--json", help="Print JSON instead")] = False,
    csv_out: Annotated[
        Path | None, path_out("--csv", help="Write one row a person searched")
    ] = None,
    registration: Annotated[
        Path | None, path_in(help="Refuse anything but what this file froze (register)")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    engine: Annotated[str, typer.Option(help="open: open models; rekognition: Amazon's")] = "open",
    region: Annotated[str | None, words(help="rekognition: where, e.g. us-east-1")] = None,
    endpoint_url: Annotated[
        str | None, words(help="rekognition: another address, e.g. of the local service")
    ] = None,
    price: Annotated[float, number(0, help="rekognition: US dollars a photograph")] = 0.001,
    rate: Annotated[float, number(0.1, help="rekognition: calls a second")] = 5.0,
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
    from helpers.faces import cluster
    from helpers.protocol import congress_test, policy, shipping
    from helpers.show.report import report

    keep_inputs(csv_out, probes, gallery, labels, registration)
    if engine == "rekognition":
        from helpers.service import amazon

        if (model, detector) != ("dlib-native", "yunet"):
            raise UserError("--model and --detector are for open models; Amazon has its own")
        if registration:
            raise UserError("--registration is for open models: it freezes a pipeline of theirs")
        account = amazon.Account(region, endpoint_url, price, rate, yes, delete_collection)
        agree = functools.partial(typer.confirm, err=True)  # stdout may be for a machine
        result, more = amazon.run(probes, gallery, threshold, labels, account, agree)
    elif engine == "open":
        if region or endpoint_url or yes or delete_collection:
            raise UserError(
                "--region, --endpoint-url, --yes, --delete-collection are for --engine rekognition"
            )
        policy.check(threshold, shipping.configuration(model, detector))
        digest = ""
        if registration:
            from helpers.protocol import registration as registered

            plan = registered.register(probes, gallery, model, detector, threshold, labels)
            digest = registered.require(registration, plan)
        with cluster.connect(scheduler, workers) as pool:
            people, scores = congress_test.gather(
                probes, gallery, model, detector, labels, workers, pool=pool
            )
        result = congress_test.run(people, scores, threshold)
        more = f"\n  as registered            {registration}, SHA-256 {digest}" if digest else ""
    else:
        raise UserError(f"--engine is open or rekognition, not {engine!r}")
    if json_out:
        say(json.dumps(congress_test.as_json(result), indent=1, allow_nan=False))
    else:
        say(report(result, f"{probes} searched in {gallery}") + more)
    if csv_out:
        # the gallery side is never written: it may hold people whose identities are not published
        with write_atomically(csv_out) as half:
            result.members.to_csv(half, index=False, float_format="%.4f")
    if delete_collection and not result.summary["collection_deleted"]:
        raise typer.Exit(1)  # why was said


@app.command()
def register(
    probes: Probes,
    gallery: Gallery,
    out: Annotated[Path, path_out(help="JSON file to write, once")],
    model: Model = "dlib-native",
    detector: Detector = "yunet",
    threshold: Annotated[str, typer.Option(help="default, a distance, fmr:1e-5")] = "default",
    labels: Labels = None,
) -> None:
    """Freeze a run before anybody is enrolled: people, gallery, pipeline, threshold, by digest.

    Type what you predict into its `hypotheses`, commit the file, and only then:

      congress-test run --registration FILE ... (with the same choices)

    which refuses to run with anything else. Notebook 13 was made that way.

    A gallery in parts (enrol --out FOLDER/, or an address) is known by its gallery.json, which has
    the SHA-256 of every part; all are read once. The same faces in one file, or in other parts, are
    another gallery to a registration.
    """
    from helpers.faces import parts
    from helpers.protocol import registration as registered

    registered.refuse_existing(out)
    plan = registered.register(probes, gallery, model, detector, threshold, labels)
    if parts.is_one(str(gallery)):
        parts.check(str(gallery))
    registered.write(plan, out)
    say(f"{out}: add your hypotheses and commit it before the run")
