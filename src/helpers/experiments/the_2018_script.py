"""The tables behind notebook 11: the test of 2018 as a client program, against open models.

The program is notebooks/script_2018.py, as the README shows it. Here it is run against the local
service, which is then asked again at the thresholds that Amazon recommended; notebook 02 computed
the same from the scores, without a service. `Similarity` is in percent, large is alike.
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
from helpers.experiments.what_is_80_percent.words import each
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.paths import NOTEBOOKS, ROOT
from helpers.protocol import congress_test, error_rates, shipped, shipping
from helpers.service import similarity
from helpers.show import figures, numbers, plots, style
from helpers.show.numbers import fnmr_of, fpir_of, listed, one_in
from helpers.sources.groups import COLOUR, NOT_ASIAN, OF_COLOUR, WHITE, masks
from helpers.statistics import intervals, rates

SCRIPT = NOTEBOOKS / "script_2018.py"
MODEL = PRIMARY_MODELS[0]  # with which the whole script runs
COLLECTION = "gallery"  # of the script
GALLERY = "legislators"
SETTINGS = (80, 95, 99)  # percent: the default, and what Amazon recommended, and then recommended
SETTING_LABELS = {80: "80 %, the default", 95: "95 %", 99: "99 %"}
THREADS = 4
NOTHING = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
CURVE = np.append(np.arange(75.0, 99.0, 0.5), 99.0)  # percent, as far as the false matches go


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
    from helpers.service.store import FaceStore

    with tempfile.TemporaryDirectory() as folder:
        store = FaceStore(Path(folder))
        store.import_faces(COLLECTION, shipping.faces_path(GALLERY, model))
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
    fpir, fpir_low, fpir_high; missed, pairs, fnmr, fnmr_low, fnmr_high: genuine pairs, members'
    two portraits, below the setting.
    """
    rows = []
    for model, found in results.items():
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
    theirs = headline.aclu() | {"section": headline.ACLU_SECTION, "label": "80 %, Amazon's default"}
    columns = ["section", "label", "flagged", "searched", "fpir", "low", "high"]
    return pd.concat([pd.DataFrame([theirs]), ours], ignore_index=True)[columns]


def agreement(results: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The service at 80 % beside notebook 02's library default with nobody left out: a row a model.

    Columns model, service, notebook_02 (members flagged), differ (members flagged by only one),
    furthest (largest difference between the similarity that the client got and the one that
    notebook 02's score has, over members flagged by both, in percentage points).
    """
    rows = []
    for model, found in results.items():
        theirs = shipped.result(GALLERY, model, "default", "any").members
        theirs = theirs[["member_id", "score", "flagged"]].rename(columns={"flagged": "flagged_02"})
        both = people(found, SETTINGS[0]).merge(theirs, on="member_id", validate="1:1")
        expected = similarity.from_distance(model, both["score"].to_numpy())
        agreed = both["flagged"] & both["flagged_02"]
        rows.append(
            {
                "model": model,
                "service": int(both["flagged"].sum()),
                "notebook_02": int(both["flagged_02"].sum()),
                "differ": int((both["flagged"] != both["flagged_02"]).sum()),
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


def groups(results: dict[str, pd.DataFrame], percent: float = 80) -> pd.DataFrame:
    """FPIR at a setting by recorded gender and group, members of colour with and without Asian.

    A row a model, gender ("all", female, male) and group: searched, flagged, low, high.
    """
    rows = []
    for model, found in results.items():
        members = people(found, percent)
        whole = masks(members["group"])
        parts = {name: whole[name] for name in (WHITE, COLOUR, NOT_ASIAN, *OF_COLOUR)}
        for gender in ("all", "female", "male"):
            sex = (members["gender"] == gender) | (gender == "all")
            for group, part in parts.items():
                k, n = int(members.loc[part & sex, "flagged"].sum()), int((part & sex).sum())
                low, high = intervals.wilson(k, n) if n else (np.nan, np.nan)
                row = {"model": model, "gender": gender, "group": group}
                rows.append(row | {"searched": n, "flagged": k, "low": low, "high": high})
    return pd.DataFrame(rows)


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


# ---------------------------------------------------------------- as notebook 11 shows it


def source() -> str:
    """The script as a block of Markdown, as it stands in the README too."""
    return f"```python\n{SCRIPT.read_text('utf-8')}```"


def show_counts(results: dict) -> pd.DataFrame:
    """`counts` with names and rates written out."""
    table = counts(results)
    return pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Similarity": table["similarity"].map(SETTING_LABELS),
            "Falsely matched (FPIR)": table.apply(fpir_of, axis=1),
            "Genuine pairs missed (FNMR)": table.apply(fnmr_of, axis=1),
        }
    )


def show_agreement(results: dict) -> pd.DataFrame:
    """`agreement` with names."""
    table = agreement(results)
    return pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Flagged through the service": table["service"],
            "Flagged in notebook 02": table["notebook_02"],
            "Members flagged by only one": table["differ"],
            "Largest difference in similarity": table["furthest"].map("{:.4f}".format),
        }
    )


def show_groups(results: dict) -> pd.DataFrame:
    """`groups` for reading: a row a gender and group, a column a model."""
    table = groups(results)
    rate = [
        numbers.rate(r["flagged"], r["searched"], r["low"], r["high"])
        for r in table.to_dict("records")
    ]
    shown = table.assign(rate=rate, model=table["model"].map(MODEL_LABELS))
    shown = shown.pivot(index=["gender", "group"], columns="model", values="rate")
    order = pd.MultiIndex.from_frame(table[["gender", "group"]].drop_duplicates())
    shown = shown.reindex(order)[[MODEL_LABELS[m] for m in results]]
    shown.columns.name = None
    return shown.reset_index().rename(columns={"gender": "Recorded gender", "group": "Group"})


@style.styled()
def plot_curves(table: pd.DataFrame) -> figures.Figure:
    """FMR and FNMR over the similarity, a panel each, a line a model."""
    fig, axes = plots.new_figure(3.1, 1, 2)
    left, right = axes[0]
    plots.lines(left, table, "similarity", "fmr", "model", style.MODEL_LINES, scale=1, width=1.6)
    plots.lines(right, table, "similarity", "fnmr", "model", style.MODEL_LINES, width=1.6)
    for model, part in table.groupby("model", sort=False):
        x, above = {"dlib-native": (79, 7), "SFace": (78, 13), "Facenet": (87, -11)}[model]
        y = 100 * part.loc[part["similarity"] == x, "fnmr"].item() + above
        plots.direct_label(right, x, y, MODEL_LABELS[model], style.MODEL_LINES[model]["color"])
    left.set_yscale("log")
    left.yaxis.set_major_formatter(lambda v, _: f"1 in {1 / v:,.0f}" if v > 0 else "")
    left.yaxis.set_minor_locator(NullLocator())
    left.set_title("Strangers that match (FMR)")
    right.set_title("Genuine pairs missed (FNMR)")
    right.set_ylim(0, 101)
    right.yaxis.set_major_formatter(plots.PERCENT)
    for ax in (left, right):
        ax.set_xlim(CURVE[0], 100)
        ax.set_xticks([80, 90, 95, 99])
        ax.xaxis.set_major_formatter(plots.PERCENT)
        ax.grid(axis="both")
    left.set_xlabel("Similarity of this service", loc="left")
    return fig


def _of(table: pd.DataFrame, percent: int, words) -> str:
    part = table[table["similarity"] == percent]
    return each({r["model"]: words(r) for r in part.to_dict("records")})


def _of_notebook_02(results: dict) -> str:
    differ = agreement(results)["differ"]
    if differ.eq(0).all():
        return "the very members that notebook 02's library defaults flag in that gallery"
    counts = each(dict(zip(results, differ.map(str), strict=True)))
    return f"but not those that notebook 02's library defaults flag there ({counts} differ)"


def answer(results: dict) -> str:
    """The answer of notebook 11, with numbers and intervals."""
    table = counts(results)
    theirs = headline.aclu()
    aclu = numbers.rate(theirs["flagged"], theirs["searched"], theirs["low"], theirs["high"])
    return (
        f"**Asked by the same client at the default of 80, open models falsely match, in a gallery "
        f"of former legislators, {_of(table, 80, fpir_of)} members of Congress, "
        f"{_of_notebook_02(results)}; in the ACLU's test, Amazon falsely matched {aclu}.** "
        f"**At Amazon's 95 there remain {_of(table, 95, fpir_of)}, at its 99 "
        f"{_of(table, 99, fpir_of)}; of the members' own second portraits, 99 then misses "
        f"{_of(table, 99, fnmr_of)}.**"
    )


def finding() -> str:
    """The README's line on notebook 11, from the scores alone: the service gives the same."""
    results = {model: from_scores(model) for model in PRIMARY_MODELS}
    table = counts(results)
    return (
        f"Amazon's client with another address, searching former legislators, falsely matches at "
        f"80 {_of(table, 80, fpir_of)}, at Amazon's 95 {_of(table, 95, fpir_of)} and at its 99 "
        f"{_of(table, 99, fpir_of)}, where it misses {_of(table, 99, fnmr_of)} genuine pairs. The "
        "percentages are a scale of this project's, not Amazon's."
    )


def from_scores(model: str) -> pd.DataFrame:
    """What the service must answer at 80 %, from notebook 02's scores: see `answers`."""
    found = shipped.result(GALLERY, model, "default", "any").members
    percent = similarity.from_distance(model, found["score"].to_numpy())
    return pd.DataFrame(
        {
            "member_id": found["member_id"],
            "enrolled": found["enrolled"],
            "similarity": np.where(percent >= SETTINGS[0], percent, np.nan),
        }
    )


def words_agreement(results: dict, asked: dict[int, pd.DataFrame]) -> str:
    """Whether the service and notebook 02 agree, and the two ways to ask at 95 and 99."""
    table = agreement(results)
    if table["differ"].eq(0).all():
        total = listed([f"{n}" for n in table["service"]])
        text = (
            f"The same {total} members are flagged as in notebook 02, and no similarity differs "
            f"from the one that belongs to its score by more than {table['furthest'].max():.4f} "
            "points."
        )
    else:
        text = "The service and notebook 02 disagree, so one of them is wrong."
    again = listed([f"{percent}" for percent in asked])
    if same_answer(results, asked):
        return (
            f"{text} Asking {MODEL_LABELS[MODEL]} again with FaceMatchThreshold {again} flags the "
            "members whose similarity in the first answer is at least that, and nobody else; for "
            "the other two models the first answer is therefore enough."
        )
    return f"{text} Asking again at {again} does not flag whom the first answer's similarities do."


def words_failures(results: dict) -> str:
    """How many members had no face in the photograph."""
    failed = {m: int((~found["enrolled"]).sum()) for m, found in results.items()}
    searched = len(results[MODEL])
    return (
        f"In the photographs of {each({m: f'{n} of {searched}' for m, n in failed.items()})} "
        "members the detector found no face. Amazon answers such a search with an error, and so "
        "does this service; they count as searched and not matched, as everywhere here."
    )


def words_settings(results: dict) -> str:
    """What 95 and 99 remove here, and what they cost."""
    table = counts(results).set_index(["model", "similarity"])
    parts = []
    for model in results:
        flags, missed = (
            " to ".join(f"{table.loc[(model, p), column]}" for p in SETTINGS)
            for column in ("flagged", "missed")
        )
        parts.append(f"{MODEL_LABELS[model]} {flags} false matches, {missed} misses")
    pairs, searched = (int(table[c].iloc[0]) for c in ("pairs", "searched"))
    zero = [MODEL_LABELS[m] for m in results if table.loc[(m, 99), "flagged"] == 0]
    all_missed = [MODEL_LABELS[m] for m in results if table.loc[(m, 99), "fnmr"] == 1]
    text = (
        f"From 80 over 95 to 99, of {searched} members and {pairs} genuine pairs: "
        f"{'; '.join(parts)}. On these scales, which are not Amazon's, a higher number has the "
        "effect that its replies promise, and a price, which the reports of them that we read do "
        "not mention."
    )
    text += f" At 99 nobody is falsely matched by {listed(zero)}." if zero else ""
    if all_missed:
        text += (
            f" With {listed(all_missed)} not one of the genuine pairs is left: where nobody is "
            "found, nobody is falsely matched."
        )
    return text


def words_scale() -> str:
    """How the scale is made and how little its percentages have in common between models."""
    table = similarity.table(PRIMARY_MODELS)
    at = {p: table[table["similarity"] == p].set_index("model") for p in (80.0, 99.0)}
    fmr = each(at[80.0]["fmr"].map(one_in).to_dict())
    missed = each(
        {m: f"{k} of {n}" for m, k, n in at[99.0][["missed", "pairs"]].itertuples(name=None)}
    )
    return (
        "Each model's scale is fixed at three points: 100 % is distance 0, 80 % the library's own "
        f"default threshold, and 99 % the threshold calibrated to an FMR of "
        f"{one_in(similarity.STRICT_FMR)}, without any member, on former legislators (this "
        "gallery) against strangers; straight lines join them. So at 80 % the models' FMRs differ "
        f"({fmr}), because the libraries chose their defaults, and at 99 % the misses do "
        f"({missed})."
    )


def caption_agreement() -> str:
    """Caption of the table that compares the service with notebook 02."""
    return (
        "Members with at least one face of a former legislator at 80 % or more through the "
        "service, and at the library's default distance in notebook 02, nobody left out."
    )


def caption_counts() -> str:
    """Caption of the table of the three settings."""
    return (
        "Gallery: former legislators. FPIR of all members searched; FNMR of the members' two "
        "portraits where both enrolled and are different photographs. 95 % Wilson intervals."
    )


def caption_similarity() -> str:
    """Caption of the table of the scale."""
    return (
        "FMR with an interval that draws identities anew; FNMR with the Wilson interval. "
        "`congress-test similarity` prints the same table."
    )


def caption_groups() -> str:
    """Caption of the table by recorded group."""
    return (
        "Gallery: former legislators. FPIR with 95 % Wilson intervals; failures to enrol count as "
        "not matched."
    )


def caption_curves() -> str:
    """Caption of the figure of the scale."""
    return (
        "Strangers: former legislators against the adults of UTKFace. Genuine pairs: members' two "
        "portraits. The scale is this project's; its 80 % is each library's default."
    )


def title_settings(results: dict) -> str:
    """What the figure of the three settings shows, as its title."""
    table = counts(results)
    low, high = (
        numbers.percent(table.loc[table["similarity"] == 80, "fpir"].agg(f), 0)
        for f in ("min", "max")
    )
    strict = numbers.percent(table.loc[table["similarity"] == 99, "fpir"].max())
    return f"At 80 open models falsely match {low} to {high} of Congress, at 99 at most {strict}"


def caption_settings() -> str:
    """Caption of the figure of the three settings."""
    return (
        "80 % here is each library's default, by this project's definition, and nothing is known "
        "of how Amazon's 80, 95 and 99 would lie on these scales. Galleries and software differ, "
        "so the rows are not a ranking of products. A failure to enrol counts as no match."
    )


def alt_settings(table: pd.DataFrame) -> str:
    """What the figure of the three settings shows, in words."""
    rows = [
        f"{r['section']}, {r['label']}: {numbers.percent(r['fpir'])}"
        for r in table.to_dict("records")
    ]
    return "Dots with intervals of the share of Congress falsely matched. " + "; ".join(rows) + "."


def alt_curves(table: pd.DataFrame) -> str:
    """What the figure of the scale shows, in words."""
    ends = table[table["similarity"].isin([80.0, 99.0])]
    parts = [
        f"{MODEL_LABELS[r['model']]} at {r['similarity']:g} %: FMR {one_in(r['fmr'])}, "
        f"{numbers.percent(r['fnmr'], 0)} missed"
        for r in ends.to_dict("records")
    ]
    return (
        "Two panels over the similarity, a line a model: the FMR falls on a logarithmic scale, the "
        "share of genuine pairs missed rises. " + "; ".join(parts) + "."
    )
