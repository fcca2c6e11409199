"""Commands on this project's own results: reproduce, verify, cite, rebuild."""

from typing import Annotated

import typer

from helpers.cli.options import Workers, app, say


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
    from helpers.show.report import report
    from helpers.sources import published

    matched = published.number(published.ACLU, "members falsely matched")
    searched = published.number(published.ACLU, "members searched")
    say(
        f"The ACLU's test of July 2018 (Amazon Rekognition, threshold 80 %): {matched:.0f} of "
        f"{searched:.0f} members falsely matched ({matched / searched:.1%}).\n"
    )
    for gallery in ("legislators", "utkface"):
        for policy in ("default", "count:28"):
            people, scores = congress_test.gather("congress", gallery, "dlib-native")
            result = congress_test.run(people, scores, policy)
            say(report(result, f"Congress searched in {gallery}") + "\n")
    if notebooks:
        say("Executing the notebooks, which write figures/ ...")
        # the last ones first: among them is the longest, which would keep the others' core idle
        paths = sorted(NOTEBOOKS.glob("*.ipynb"), reverse=True)
        execute_all(paths, ROOT / "build" / "notebooks", say)


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
    import pandas as pd

    from helpers.rebuild import verification

    report = verification.verify(sample, workers)
    with pd.option_context("display.width", 160, "display.max_columns", None):
        say(report.to_string(index=False))
    if not report["agrees"].all():
        raise typer.Exit(1)


@app.command()
def cite(
    figure: Annotated[str, typer.Argument(help="The id of a figure or table: fig-02-four-ways")],
) -> None:
    """Print how to cite a figure or table: a line of text, then BibTeX."""
    from helpers.site import citation

    entry = citation.find(figure)
    say(f"{entry['cite']}\n\n{citation.bibtex(entry)}")


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
