"""Do the intervals and tests of notebook 04 do what they say? Simulations with a known answer."""

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.experiments.who_is_misidentified import tables as who
from helpers.protocol.policy import ACLU_COUNT
from helpers.show.numbers import percent
from helpers.statistics import exact_tests, half_samples, made_up_searches, rates

# Made-up searches, see `made_up_searches.simulate_search`: in each the intervals are asked how
# often they hold the true value over other members and other galleries.
HUBS = {"gallery_spread": 0.4, "shift": 3.0, "gallery_share": 0.5, "n_clusters": 600}
UNEVEN = {"probe_spread": 0.15, "gallery_spread": 0.25, "shift": 3.0}
COVERAGE_WORLDS = {
    "members and faces much alike": {},
    "one sex is matched less easily": {"shift_women": 1.5, "shift": 0.5, "gallery_spread": 0.2},
    "unequal members and faces": UNEVEN,
    "unequal, a group of nine": UNEVEN | {"share": 9 / 529},
    "a few faces match everybody": HUBS,
    "the same, threshold held fixed": HUBS | {"fixed": True},
}
# Worlds without a difference between the groups as such.
SIZE_WORLDS = {
    "no difference": {"shift": 0.0},
    "no difference within sex, but sexes differ": {"shift": 0.0, "shift_women": 2.0},
    "no difference over many galleries, a few faces match everybody": HUBS,
}


def coverage(repeats: int = 200, truth_repeats: int = 300, draws: int = 100, seed: int = 5):
    """Coverage of the 95 % intervals in made-up worlds: see `made_up_searches.simulate_coverage`.

    coverage: half-samples; plain: the interval that takes members as independent.
    """
    tables = []
    for world, changes in tqdm(COVERAGE_WORLDS.items(), desc="coverage", disable=None):
        options = {"count": ACLU_COUNT, "draws": draws, "seed": seed} | changes
        options |= {"repeats": repeats, "truth_repeats": truth_repeats}
        table = made_up_searches.simulate_coverage(**options).reset_index()
        tables.append(table.assign(world=world, repeats=repeats))
    columns = ["world", "statistic", "truth", "coverage", "plain", "design_effect", "repeats"]
    return pd.concat(tables, ignore_index=True)[columns].round(4)


def size(repeats: int = 300, draws: int = 100, seed: int = 5) -> pd.DataFrame:
    """Share of tests and intervals at 5 % that find a difference where none is, by world."""
    rows = []
    for world, changes in SIZE_WORLDS.items():
        rng = np.random.default_rng(seed)
        turns = tqdm(range(repeats), desc=f"tests: {world}", disable=None)
        found = pd.DataFrame([_tests(rng, changes, draws) for _ in turns])
        fisher = found.pop("fisher")
        for name, rejected in found.items():
            rows.append((world, name, rejected.mean(), repeats))
        families = fisher.to_numpy()[: repeats // 3 * 3].reshape(-1, 3)
        any_holm = [exact_tests.holm(p).min() < 0.05 for p in families]
        rows.append((world, "Fisher, any of three after Holm", np.mean(any_holm), len(families)))
    return pd.DataFrame(rows, columns=["world", "test", "rejected", "repeats"]).round(4)


def _tests(rng, world: dict, draws: int) -> dict:
    """The tests of the notebook on one made-up search: name -> rejected (fisher: its p)."""
    candidates, clusters, members = made_up_searches.simulate_search(rng, **world)
    best = candidates.groupby("probe_id")["score"].min().reindex(members["member_id"]).to_numpy()
    flagged = rates.at_or_below(best, rates.threshold_for_count(best, ACLU_COUNT).threshold)
    one, sex = members["of_colour"].to_numpy(), members["gender"].to_numpy(str)
    row = who.compared(flagged, best, one, ~one, sex)
    half = half_samples.half_sample(
        candidates, clusters, members, count=ACLU_COUNT, n_clusters=clusters.nunique(),
        draws=draws, seed=int(rng.integers(2**32)),
    )  # fmt: skip

    def outside(low, high, value=1.0):
        return bool(low > value or high < value)

    ratio, within = half.loc["risk ratio"], half.loc["risk ratio within sex"]
    auc = half.loc["auc"]
    return {
        "fisher": row["p"],
        "Fisher": row["p"] < 0.05,
        "FPIR ratio": outside(row["low"], row["high"]),
        "FPIR ratio within sex": outside(row["within_low"], row["within_high"]),
        "FPIR ratio, half-samples": outside(ratio["low"], ratio["high"]),
        "FPIR ratio within sex, half-samples": outside(within["low"], within["high"]),
        "AUC": outside(row["auc_low"], row["auc_high"], 0.5),
        "AUC within sex": outside(row["auc_within_low"], row["auc_within_high"], 0.5),
        "AUC, half-samples": outside(auc["low"], auc["high"], 0.5),
    }


COVERAGE_SHOWN = {
    "fpir": "FPIR of all",
    "fpir white": "FPIR of the others",
    "fpir of colour": "FPIR of the group",
    "risk ratio": "FPIR ratio",
    "risk ratio within sex": "Ratio within gender",
    "false match share": "Share",
    "auc": "AUC",
}


def show_coverage() -> pd.DataFrame:
    """Coverage by world and statistic: half-samples, in brackets the plain interval."""
    table = who.load("coverage")
    plain = table["plain"].map(lambda v: "" if np.isnan(v) else f" ({percent(v)})")
    table = table.assign(text=table["coverage"].map(percent) + plain)
    wide = table.groupby(["world", "statistic"], sort=False)["text"].first().unstack()
    wide = wide.reindex(columns=list(COVERAGE_SHOWN)).rename(columns=COVERAGE_SHOWN)
    return _shown(wide.fillna("–"), "Made-up world")  # FPIR of all: fixed at 28


def show_size() -> pd.DataFrame:
    """How often each test finds a difference where there is none: a row a test."""
    table = who.load("test-size")
    wide = table.groupby(["test", "world"], sort=False)["rejected"].first().unstack()
    return _shown(wide.map(percent), "Test or interval at 5 %")


def _shown(wide: pd.DataFrame, first: str) -> pd.DataFrame:
    """With the notebook's word for recorded gender, and the index as a column of its own."""
    wide.index, wide.columns = (
        names.str.replace("sexes", "genders").str.replace("sex", "gender")
        for names in (wide.index, wide.columns)
    )
    return wide.rename_axis(first).rename_axis(None, axis=1).reset_index()
