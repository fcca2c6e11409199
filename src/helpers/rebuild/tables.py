"""Results tables in data/results/: which module makes which, and how they are made again.

Making them needs the images, the embeddings of the gallery, or minutes.
"""

import argparse
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.experiments.explore import make as explore
from helpers.experiments.how_big_is_the_gallery import make as how_big_is_the_gallery
from helpers.experiments.how_good_is_the_photo import make as how_good_is_the_photo
from helpers.experiments.what_gender_does_it_see import tables as what_gender_does_it_see
from helpers.experiments.what_is_80_percent import make as what_is_80_percent
from helpers.experiments.what_the_officer_sees import tables as what_the_officer_sees
from helpers.experiments.which_model import detectors
from helpers.experiments.who_is_in_the_gallery import make as who_is_in_the_gallery
from helpers.experiments.who_is_misidentified import make as who_is_misidentified
from helpers.faces import pipelines
from helpers.paths import DATA
from helpers.protocol import shipped, shipping

RESULTS = DATA / "results"

# by notebook; the last three start from the photographs
MAKERS: dict[str, Callable[[Path], None]] = {
    "03-what-is-80-percent": what_is_80_percent.make,
    "04-who-is-misidentified": who_is_misidentified.make,
    "05-who-is-in-the-gallery": who_is_in_the_gallery.make,
    "06-how-big-is-the-gallery": how_big_is_the_gallery.make,
    "09-what-the-officer-sees": what_the_officer_sees.make,
    "10-explore": explore.make,
    "07-which-model": detectors.make,
    "08-how-good-is-the-photo": how_good_is_the_photo.make,
    "12-what-gender-does-it-see": what_gender_does_it_see.make,
}


def make(out: Path, notebooks=tuple(MAKERS)) -> None:
    """Write the results tables of some notebooks into the folder `out`; all take about an hour.

    Needs the face metadata of all named datasets where `shipping.faces_path` looks for them.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in notebooks:
        MAKERS[name](out)


def provide_faces(path: Callable[[str, str], Path]) -> None:
    """Put the face metadata of `utkface` at `path(dataset, model)` where `make` looks for them."""
    for model in pipelines.MODELS:
        place = shipping.faces_path("utkface", model)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path("utkface", model), place)


def disagreements() -> dict[str, str]:
    """What the results tables and the scores that ship both say: name -> how they differ, or ""."""
    checks = {
        "candidate-lists.csv: nearest stranger of each member": _nearest_strangers,
        "gallery-size-counts.parquet: faces at the default": _tenths,
        "explorer.csv: members flagged in the whole gallery": _explorer,
        "composition.parquet: members flagged in the whole gallery": _composition,
        "photo-quality.parquet: members flagged, photograph as it is": _photographs,
    }
    return {name: "; ".join(check()) for name, check in checks.items()}


def _nearest_strangers() -> Iterator[str]:
    table = pd.read_csv(RESULTS / "candidate-lists.csv").query("gallery == 'utkface'")
    found = table.set_index(["model", "probe_id"])["stranger_1"]
    for model in pipelines.PRIMARY_MODELS:
        best = shipped.scores("utkface", model).best.query("portrait == 'first'")
        apart = (best.set_index("probe_id")["rule"] - found[model]).abs()
        wrong = ~(apart.reindex(found[model].index) < 1e-9)
        if wrong.any():
            yield f"{model}: {wrong.sum()} of {len(wrong)} differ"


def _tenths() -> Iterator[str]:
    tenths = pd.read_parquet(RESULTS / "gallery-size-counts.parquet")
    tenths = tenths[tenths["threshold"] == "default"].groupby(["model", "probe_id"])["faces"].sum()
    for model in pipelines.PRIMARY_MODELS:
        counts = pd.read_parquet(DATA / "scores" / f"utkface-{model}" / "counts.parquet")
        counts = counts[counts["threshold"] == "default"].groupby("probe_id")["faces"].sum()
        if not counts.sub(tenths[model], fill_value=0).eq(0).all():
            yield f"{model}: the tenths do not add up"


def _explorer() -> Iterator[str]:
    table = pd.read_csv(RESULTS / "explorer.csv").dropna(subset="name")
    whole = table[table["size"] == table.groupby("gallery")["size"].transform("max")]
    cells = [c for c in table if ", " in c]
    rows = whole[["gallery", "model", "name"]].itertuples(index=False)
    for row, expected in zip(rows, whole[cells].sum(axis=1), strict=True):
        flagged = shipped.result(*row).summary["falsely_matched"]
        if not np.isclose(expected, flagged, atol=1e-6):
            yield f"{' '.join(row)}: {expected:g} instead of {flagged}"


def _composition() -> Iterator[str]:
    table = pd.read_parquet(RESULTS / "composition.parquet")
    whole = table[(table["composition"] == "whole gallery") & (table["policy"] == "default")]
    for model, chance in whole.groupby("model", observed=True)["chance"].sum().items():
        flagged = shipped.result("utkface", model).summary["falsely_matched"]
        if not np.isclose(chance, flagged, atol=1e-3):
            yield f"{model}: {chance:g} instead of {flagged}"


def _photographs() -> Iterator[str]:
    table = pd.read_parquet(RESULTS / how_good_is_the_photo.ROWS)
    as_it_is = table[table["kind"] == how_good_is_the_photo.UNDEGRADED]
    for column, policy in how_good_is_the_photo.POLICIES.items():
        for model, count in as_it_is.groupby("model", observed=True)[column].sum().items():
            flagged = shipped.result("utkface", model, policy).summary["falsely_matched"]
            if count != flagged:
                yield f"{model}, {policy}: {count} instead of {flagged}"


def main() -> None:
    """`python -m helpers.rebuild.tables [--out FOLDER] [NOTEBOOK ...]`."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.rebuild.tables",
        description="Make the results tables of notebooks again. Needs the face metadata of "
        "utkface in the cache (congress-test fetch utkface, congress-test enrol utkface). Those of "
        "07, 08 and 12 start from the photographs: 07 takes half an hour, each other one minutes.",
    )
    parser.add_argument("notebook", nargs="*", help=f"of {', '.join(MAKERS)}; all by default")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder (default: data/results)")
    given = parser.parse_args()
    unknown = sorted(set(given.notebook) - set(MAKERS))
    if unknown:
        parser.error(f"no results tables ship for {', '.join(unknown)}")
    make(given.out, given.notebook or tuple(MAKERS))


if __name__ == "__main__":
    main()
