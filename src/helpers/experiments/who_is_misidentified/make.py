"""What ships for notebook 04: half-sample intervals of every group, and the simulations."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from helpers.experiments.what_the_officer_sees.tables import faces_searched
from helpers.experiments.who_is_misidentified import simulation, tables
from helpers.faces import collection
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipped, shipping
from helpers.protocol.congress_test import people_searched
from helpers.protocol.policy import ACLU_COUNT
from helpers.statistics.half_samples import half_sample


def half_samples(draws: int = 300) -> pd.DataFrame:
    """Half-sample intervals for every group and comparison, see `half_samples.half_sample`.

    One row a model and group: flagged, searched, low, high (FPIR at 28 flagged, threshold set anew
    in each draw), and for its comparison, at the threshold held fixed, ratio_low, ratio_high,
    within_low, within_high, auc_low, auc_high (none for a group of fewer than FEWEST). Needs the
    face metadata of `utkface`.
    """
    members = people_searched()
    everybody = tables.groups(members)
    inside = {g["group"]: g["inside"] for g in everybody}
    rows = []
    nearest, clusters = _nearest()
    for model, near in nearest.items():
        threshold = shipped.result("utkface", model, shipped.PRIMARY).summary["threshold"]
        for g in tqdm(everybody, desc=f"half-samples, {model}", disable=None):
            one = g["inside"]
            row = {"model": model, "characteristic": g["characteristic"], "group": g["group"]}
            whole = members[["member_id"]].assign(of_colour=one)
            options = {"draws": draws, "seed": tables.SEED}
            found = half_sample(near, clusters, whole, count=ACLU_COUNT, **options)
            found = found.loc["fpir of colour"]
            row |= {"flagged": found["numerator"], "searched": found["denominator"]}
            row |= {"low": found["low"], "high": found["high"]}
            row["design_effect"] = found["design_effect"]
            if g["against"] and one.sum() >= tables.FEWEST:
                both = one | inside[g["against"]]
                two = whole[both].assign(gender=g["strata"][both])
                table = half_sample(near, clusters, two, threshold=threshold, **options)
                names = {"risk ratio": "ratio", "risk ratio within sex": "within", "auc": "auc"}
                for statistic, name in names.items():
                    if statistic in table.index:
                        row[f"{name}_low"] = table.at[statistic, "low"]
                        row[f"{name}_high"] = table.at[statistic, "high"]
            rows.append(row)
    return pd.DataFrame(rows).round(4).astype({"flagged": int, "searched": int})


def _nearest(top: int = 90) -> tuple[dict, pd.Series]:
    """Nearest faces of each member by model, deep enough for a half gallery; the clusters."""
    near = {}
    for model in PRIMARY_MODELS:
        faces, clusters, kept = faces_searched("utkface", model)
        probes = shipping.load_dataset("probes", model)
        gallery = collection.subset(faces, faces.ids[kept])
        near[model] = collection.search(probes, gallery, top=top)
    return near, clusters


def make(out: Path = tables.RESULTS) -> None:
    """Write who-half-samples.csv, coverage.csv and test-size.csv into a folder."""
    half_samples().to_csv(out / "who-half-samples.csv", index=False, lineterminator="\n")
    simulation.coverage().to_csv(out / "coverage.csv", index=False, lineterminator="\n")
    simulation.size().to_csv(out / "test-size.csv", index=False, lineterminator="\n")
