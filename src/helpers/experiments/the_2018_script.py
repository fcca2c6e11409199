"""The tables behind notebook 11: the test of 2018 as a client program, against open models.

The program is notebooks/script_2018.py, as docs/face-search.md shows it. Here it is run against the
local service, which is then asked again at the settings named as Amazon's replies named theirs;
`from_scores` computes the same without a service. `Similarity` is in percent, large is alike.
"""

import contextlib
import runpy
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import NullLocator

from helpers.experiments.the_congress_test import tables as headline
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import NOTEBOOKS, ROOT
from helpers.protocol import congress_test, error_rates, shipped, shipping
from helpers.protocol.scores import pairs_at
from helpers.service import similarity
from helpers.show import figures, plots, style
from helpers.show.numbers import fnmr_of, fpir_of
from helpers.statistics import rates

SCRIPT = NOTEBOOKS / "script_2018.py"
MODEL = PRIMARY_MODELS[0]  # with which the whole script runs
COLLECTION = "gallery"  # of the script
GALLERY = "legislators"
SETTINGS = (80, 95, 99)  # percent, named as Amazon's default and its two replies
SETTING_LABELS = {80: "at 80, the default", 95: "at what we named 95", 99: "at what we named 99"}
THREADS = 4
NOTHING = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
CURVE = np.append(np.arange(80.0, 99.0, 0.5), 99.0)  # percent


# ---------------------------------------------------------------- asking


def run_script(url: str) -> tuple[pd.DataFrame, object]:
    """Run the script, as it is, against the service at `url`; it prints its own table.

    Returns what it found, as `answers`, and its client.
    """
    arguments = sys.argv
    sys.argv = [str(SCRIPT), url]
    try:
        with contextlib.chdir(ROOT):
            names = runpy.run_path(str(SCRIPT))
    finally:
        sys.argv = arguments
    return answers(names["found"]), names["client"]


def ask(client, percent: float) -> pd.DataFrame:
    """Search every member in the script's collection with a threshold of its own: `answers`.

    Only the best candidate is asked for: whether there is one decides, and its similarity is kept.
    """

    def search(member):
        photo = {"S3Object": {"Bucket": "probes", "Name": member}}
        asked = {"CollectionId": COLLECTION, "Image": photo, "MaxFaces": 1}
        try:
            found = client.search_faces_by_image(**asked, FaceMatchThreshold=percent)
            return found["FaceMatches"]
        except client.exceptions.InvalidParameterException as error:
            if "no faces in the image" not in str(error):
                raise

    members = congress_test.people_searched()["member_id"]
    with ThreadPoolExecutor(THREADS) as pool:
        return answers(dict(zip(members, pool.map(search, members), strict=True)))


def answers(found: dict) -> pd.DataFrame:
    """One row a member: member_id, enrolled (bool), similarity of the best candidate, NaN for none.

    found: member id -> FaceMatches, best first, or None where there was no face in the image.
    """
    best = [matches[0]["Similarity"] if matches else np.nan for matches in found.values()]
    enrolled = [matches is not None for matches in found.values()]
    return pd.DataFrame({"member_id": list(found), "enrolled": enrolled, "similarity": best})


def imported(model: str) -> pd.DataFrame:
    """The members searched at 80 % by another model, whose gallery is imported, not indexed."""
    import boto3

    from helpers.service import server
    from helpers.service.store import FaceStore, read_import

    with tempfile.TemporaryDirectory() as folder:
        store = FaceStore(Path(folder))
        store.import_faces(*read_import(COLLECTION, shipping.faces_path(GALLERY, model)))
        store.close()
        with server.running("--model", model, store=Path(folder)) as url:
            client = boto3.client(
                "rekognition", endpoint_url=url, region_name="us-east-1", **NOTHING
            )
            return ask(client, SETTINGS[0])


# ---------------------------------------------------------------- counting


def flagged(found: pd.DataFrame, percent: float) -> np.ndarray:
    """Which members have a candidate of at least this similarity; `found` as `answers` gives it."""
    return found["similarity"].ge(percent).to_numpy()


def people(found: pd.DataFrame, percent: float) -> pd.DataFrame:
    """The members with their recorded labels and `flagged`, in the order of the roster."""
    table = found.assign(flagged=flagged(found, percent))
    return congress_test.people_searched().merge(table, on="member_id", validate="1:1")


def counts(results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a model and setting: the false matches, and what the setting misses.

    results: model -> `answers` at 80 % or below. Columns model, similarity, flagged, searched,
    fpir, fpir_low, fpir_high; per_million: matches in a million comparisons of members with this
    gallery; missed, pairs, fnmr, fnmr_low, fnmr_high: genuine pairs, members' two portraits, below
    the setting.
    """
    rows = []
    for model, found in results.items():
        scores = shipped.scores(GALLERY, model)
        comparisons = shipped.result(GALLERY, model).summary["comparisons"]
        for percent in SETTINGS:
            rate = rates.fpir(flagged(found, percent))
            distance = round(float(similarity.to_distance(model, percent)), similarity.DECIMALS)
            errors = error_rates.errors_at(model, distance)
            rows.append(
                {
                    "model": model,
                    "similarity": percent,
                    "flagged": rate.numerator,
                    "searched": rate.denominator,
                    "fpir": rate.rate,
                    "fpir_low": rate.low,
                    "fpir_high": rate.high,
                    "per_million": 1e6 * pairs_at(scores, distance) / comparisons,
                    **{k: errors[k] for k in ("missed", "pairs", "fnmr", "fnmr_low", "fnmr_high")},
                }
            )
    return pd.DataFrame(rows)


def beside_the_aclu(results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The settings and the ACLU's result as rows of one figure.

    Columns section, label, flagged, searched, fpir, low, high.
    """
    ours = counts(results).rename(columns={"fpir_low": "low", "fpir_high": "high"})
    ours["section"] = ours["model"].map(MODEL_LABELS) + ", former legislators"
    ours["label"] = ours["similarity"].map(SETTING_LABELS)
    theirs = headline.aclu() | {"section": headline.ACLU_SECTION, "label": "at Amazon's 80"}
    columns = ["section", "label", "flagged", "searched", "fpir", "low", "high"]
    return pd.concat([pd.DataFrame([theirs]), ours], ignore_index=True)[columns]


def agreement(results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The service at 80 % beside the scores at the default, nobody left out: a row a model.

    Columns model, service, scores (members flagged), differ (members flagged by only one), furthest
    (largest difference between the similarity that the client got and the one that the score has,
    over members flagged by both, in percentage points).
    """
    rows = []
    for model, found in results.items():
        theirs = shipped.result(GALLERY, model, "default", "any").members
        theirs = theirs[["member_id", "score", "flagged"]].rename(columns={"flagged": "by_score"})
        both = people(found, SETTINGS[0]).merge(theirs, on="member_id", validate="1:1")
        expected = similarity.from_distance(model, both["score"].to_numpy())
        agreed = both["flagged"] & both["by_score"]
        rows.append(
            {
                "model": model,
                "service": int(both["flagged"].sum()),
                "scores": int(both["by_score"].sum()),
                "differ": int((both["flagged"] != both["by_score"]).sum()),
                "furthest": float(np.abs(both["similarity"] - expected)[agreed].max()),
            }
        )
    return pd.DataFrame(rows)


def same_answer(results: dict, asked: dict[int, pd.DataFrame]) -> bool:
    """Whether another FaceMatchThreshold flags whom the similarities of the first answer do.

    asked: setting -> `answers` of MODEL with that threshold.
    """
    first = results[MODEL]
    return all(
        (flagged(found, percent) == flagged(first, percent)).all()
        and found["similarity"].notna().equals(pd.Series(flagged(first, percent)))
        for percent, found in asked.items()
    )


def curves(models=PRIMARY_MODELS) -> pd.DataFrame:
    """What a similarity means, as curves: model, similarity, fmr (NaN without an error), fnmr."""
    rows = []
    for model in models:
        for percent in CURVE:
            distance = round(float(similarity.to_distance(model, percent)), similarity.DECIMALS)
            fmr, fnmr = (
                error_rates.fmr_at(model, distance)["fmr"],
                error_rates.errors_at(model, distance)["fnmr"],
            )
            rows.append({"model": model, "similarity": percent, "fmr": fmr, "fnmr": fnmr})
    return pd.DataFrame(rows)


def from_scores(model: str) -> pd.DataFrame:
    """What the service must answer at 80 %, from the scores that ship: see `answers`."""
    found = shipped.result(GALLERY, model, "default", "any").members
    percent = similarity.from_distance(model, found["score"].to_numpy())
    return pd.DataFrame(
        {
            "member_id": found["member_id"],
            "enrolled": found["enrolled"],
            "similarity": np.where(percent >= SETTINGS[0], percent, np.nan),
        }
    )


# ---------------------------------------------------------------- as notebook 11 shows it


def show_counts(results: dict) -> pd.DataFrame:
    """`counts` with names and rates written out."""
    table = counts(results)
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Setting": table["similarity"].map("at {}".format),
            "Members falsely matched": table.apply(fpir_of, axis=1),
            "False matches in a million comparisons": table["per_million"].map("{:,.0f}".format),
            "Second portraits missed": table.apply(fnmr_of, axis=1),
        }
    )


def show_agreement(results: dict) -> pd.DataFrame:
    """`agreement` with names."""
    table = agreement(results)
    return pd.DataFrame(
        {
            "Program": table["model"].map(MODEL_LABELS),
            "Matched through the service": table["service"],
            "Matched by the scores alone": table["scores"],
            "Members matched by only one": table["differ"],
            "Largest difference in similarity": table["furthest"].map("{:.4f}".format),
        }
    )


@style.styled()
def plot_curves(table: pd.DataFrame) -> figures.Figure:
    """FMR and FNMR over the similarity, a panel each, a line a model."""
    fig, axes = plots.new_figure(3.1, 1, 2)
    left, right = axes[0]
    plots.lines(left, table, "similarity", "fmr", "model", style.MODEL_LINES, scale=1, width=1.6)
    plots.lines(right, table, "similarity", "fnmr", "model", style.MODEL_LINES, width=1.6)
    for model, part in table.groupby("model", sort=False):
        y = 100 * part["fnmr"].iloc[-1]
        plots.direct_label(right, 99.6, y, MODEL_LABELS[model], style.MODEL_LINES[model]["color"])
    left.set_yscale("log")
    left.yaxis.set_major_formatter(lambda v, _: f"1 in {1 / v:,.0f}" if v > 0 else "")
    left.yaxis.set_minor_locator(NullLocator())
    left.set_title("Strangers that match")
    right.set_title("Second portraits missed")
    right.set_ylim(0, None)
    right.yaxis.set_major_formatter(plots.PERCENT)
    left.set_xlim(CURVE[0], 100)
    right.set_xlim(CURVE[0], 108)
    for ax in (left, right):
        ax.set_xticks([80, 90, 95, 99])
        ax.grid(axis="both")
    left.set_xlabel("Similarity of this service, in percent", loc="left")
    return fig
