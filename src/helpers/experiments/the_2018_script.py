"""The test of 2018 as a client program, against open models: the tables of notebook 11.

notebooks/script_2018.py is run against the local service. It asks once, at 80; the similarities it
gets (percent, large is alike) say who would be matched at the settings of Amazon's replies.
"""

import contextlib
import runpy
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.the_congress_test import tables as headline
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import NOTEBOOKS, ROOT
from helpers.protocol import congress_test, error_rates, shipped, shipping
from helpers.protocol.scores import pairs_at
from helpers.service import similarity
from helpers.show import plots, style
from helpers.show.numbers import fnmr_of, fpir_of
from helpers.statistics import rates

SCRIPT = NOTEBOOKS / "script_2018.py"
MODEL = PRIMARY_MODELS[0]  # with which the whole script runs
COLLECTION = "gallery"  # of the script
GALLERY = "legislators"
SETTINGS = (80, 95, 99)  # percent, named as Amazon's default and its two replies
THREADS = 4
NOTHING = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}


def run_script(url: str) -> pd.DataFrame:
    """Run the script as it is against `url`; it prints its own table. Returns its `answers`."""
    arguments = sys.argv
    sys.argv = [str(SCRIPT), url]
    try:
        with contextlib.chdir(ROOT):
            return answers(runpy.run_path(str(SCRIPT))["found"])
    finally:
        sys.argv = arguments


def answers(found: dict) -> pd.DataFrame:
    """One row a member: member_id, enrolled (bool), similarity of the best candidate, NaN for none.

    found: member id -> FaceMatches, best first, or None where there was no face in the image.
    """
    best = [matches[0]["Similarity"] if matches else np.nan for matches in found.values()]
    enrolled = [matches is not None for matches in found.values()]
    return pd.DataFrame({"member_id": list(found), "enrolled": enrolled, "similarity": best})


def imported(model: str) -> pd.DataFrame:
    """Members searched at 80 %, best candidate only; the model's gallery is imported."""
    import boto3

    from helpers.service import server
    from helpers.service.store import FaceStore, read_import

    def search(member):
        photo = {"S3Object": {"Bucket": "probes", "Name": member}}
        asked = {"CollectionId": COLLECTION, "Image": photo, "MaxFaces": 1}
        try:
            return client.search_faces_by_image(**asked)["FaceMatches"]
        except client.exceptions.InvalidParameterException as error:
            if "no faces in the image" not in str(error):
                raise

    members = congress_test.people_searched()["member_id"]
    with tempfile.TemporaryDirectory() as folder:
        store = FaceStore(Path(folder))
        store.import_faces(*read_import(COLLECTION, shipping.faces_path(GALLERY, model)))
        store.close()
        with (
            server.running("--model", model, store=Path(folder)) as url,
            ThreadPoolExecutor(THREADS) as pool,
        ):
            about = {"endpoint_url": url, "region_name": "us-east-1", **NOTHING}
            client = boto3.client("rekognition", **about)
            return answers(dict(zip(members, pool.map(search, members), strict=True)))


def flagged(found: pd.DataFrame, percent: float) -> np.ndarray:
    """Which members have a candidate of at least this similarity; `found` as `answers` gives it."""
    return found["similarity"].ge(percent).to_numpy()


def counts(results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """False matches and misses, a row a model and setting; results: model -> `answers` at 80 %.

    per_million: matches in a million comparisons of members with this gallery; missed, pairs, fnmr,
    fnmr_low, fnmr_high: genuine pairs, members' two portraits, below the setting.
    """
    rows, missed = [], ["missed", "pairs", "fnmr", "fnmr_low", "fnmr_high"]
    for model, found in results.items():
        scores = shipped.scores(GALLERY, model)
        comparisons = shipped.result(GALLERY, model).summary["comparisons"]
        for percent in SETTINGS:
            rate = rates.fpir(flagged(found, percent))
            distance = round(float(similarity.to_distance(model, percent)), similarity.DECIMALS)
            errors = error_rates.errors_at(model, distance)
            million = 1e6 * pairs_at(scores, distance) / comparisons
            rows.append((model, percent, *rate, million, *(errors[name] for name in missed)))
    columns = ["model", "similarity", "flagged", "searched", "fpir", "fpir_low", "fpir_high"]
    return pd.DataFrame(rows, columns=[*columns, "per_million", *missed])


def beside_the_aclu(results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Rows of a figure: section, label, flagged, searched, fpir, low, high; the ACLU's first."""
    ours = counts(results).rename(columns={"fpir_low": "low", "fpir_high": "high"})
    ours["section"] = ours["model"].map(MODEL_LABELS) + ", former legislators"
    ours["label"] = ours["similarity"].map("our {}".format)
    theirs = headline.aclu() | {"section": headline.ACLU_SECTION, "label": "Amazon's 80"}
    columns = ["section", "label", "flagged", "searched", "fpir", "low", "high"]
    return pd.concat([pd.DataFrame([theirs]), ours], ignore_index=True)[columns]


def agreement(results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The service at 80 % beside the scores at the default, nobody left out: a row a program.

    The difference is over members matched by both, in percentage points.
    """
    rows = []
    for model, found in results.items():
        expected = from_scores(model).set_index("member_id")["similarity"]
        got = found.set_index("member_id")["similarity"]
        matched, by_score = got.notna(), expected.notna()
        cells = {
            "Program": MODEL_LABELS[model],
            "Matched through the service": int(matched.sum()),
            "Matched by the scores alone": int(by_score.sum()),
            "Members matched by only one": int((matched != by_score).sum()),
            "Largest difference in similarity": f"{(got - expected).abs().max():.4f}",
        }
        rows.append(cells)
    return pd.DataFrame(rows)


def from_scores(model: str) -> pd.DataFrame:
    """What the service must answer at 80 %, from the scores that ship: see `answers`."""
    found = shipped.result(GALLERY, model, "default", "any").members
    percent = similarity.from_distance(model, found["score"].to_numpy())
    shown = {
        "member_id": found["member_id"],
        "enrolled": found["enrolled"],
        "similarity": np.where(percent >= SETTINGS[0], percent, np.nan),
    }
    return pd.DataFrame(shown)


def show_counts(results: dict) -> pd.DataFrame:
    """`counts` with names and rates written out."""
    table = counts(results)
    shown = {
        "Program": table["model"].map(MODEL_LABELS),
        "Setting": table["similarity"].map("at {}".format),
        "Members falsely matched": table.apply(fpir_of, axis=1),
        "False matches in a million comparisons": table["per_million"].map("{:,.0f}".format),
        "Second portraits missed": table.apply(fnmr_of, axis=1),
    }
    return pd.DataFrame(shown)


@style.styled()
def plot_settings(table: pd.DataFrame) -> Figure:
    """A dot with its interval a row of `beside_the_aclu`, counts at the right."""
    fig, [[ax]] = plots.new_figure(0.6 + 0.24 * len(table))
    values = 100 * table[["fpir", "low", "high"]].set_axis(["value", "low", "high"], axis=1)
    marks = values.assign(y=range(len(table)), name=table["section"])
    plots.dots(ax, marks, {name: {"color": style.INK} for name in table["section"]})
    names = table["section"].str.split(",").str[0] + ", " + table["label"]
    plots.name_rows(ax, marks["y"].to_numpy(), names)
    for row in table.itertuples():
        plots.note(ax, row.Index, f"{row.flagged} of {row.searched}", fontsize=8, color=style.INK)
    ax.set(xlim=(0, 100), ylim=(len(table) - 0.4, -0.6))
    ax.xaxis.set_major_formatter(plots.PERCENT)
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    return fig
