"""Thresholds at a stated FMR: a known answer, what is not on offer, and what ships."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.errors import UserError
from helpers.faces.collection import score_blocks
from helpers.protocol import calibration

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

from helpers.statistics import intervals

MARGIN = pd.Series({1: 0.094, 2: 0.065, 3: 0.055})
CELLS = [(g, r) for g in ("female", "male") for r in ("Asian", "Black")]


def world(rng, n_legislators, n_gallery, model="SFace", d=256):
    """Two disjoint sets of people; some gallery identities have two faces."""
    legislators = synthetic.people(rng, n_legislators, d)
    gallery = synthetic.people(rng, n_gallery, d)
    ids = [f"u{i:05d}" for i in range(n_gallery)]
    clusters = pd.Series(ids, index=ids)
    for i in range(0, n_gallery // 10, 2):
        gallery[i + 1] = gallery[i]
        clusters.iloc[i + 1] = ids[i]
    labels = pd.DataFrame(
        [CELLS[i % 4] for i in range(n_gallery)], index=ids, columns=["gender", "race"]
    )
    former = synthetic.collection([f"v{i:06d}" for i in range(n_legislators)], legislators, model)
    return former, synthetic.collection(ids, gallery, model), clusters, labels


@pytest.fixture(scope="module")
def calibrated():
    former, gallery, clusters, labels = world(np.random.default_rng(21), 500, 900)
    nobody = pd.Series({1: 1.0, 2: 1.0, 3: 1.0})  # stands apart
    tables = calibration.calibrate(former, gallery, clusters, labels, nobody)
    return former, gallery, clusters, labels, *tables


def test_the_fmr_at_each_threshold_is_counted_again(calibrated):
    former, gallery, clusters, _, thresholds, _ = calibrated
    one_each = (~clusters.duplicated()).to_numpy()
    every = np.concatenate([s[:, one_each] for _, s in score_blocks(former, gallery)])
    assert list(thresholds["target_fmr"]) == [1e-3, 1e-4]  # 4e-6 x 30 errors is beyond the pairs
    assert thresholds["left_out_as_same_person"].eq(0).all()
    for row in thresholds.itertuples():
        assert row.comparisons == every.size
        assert row.legislators == 500 and row.gallery_identities == one_each.sum()
        assert row.errors == (every <= row.threshold + 1e-9).sum() >= 30
        assert row.fmr == row.errors / every.size <= row.target_fmr
        # the next score up would exceed the target
        beyond = np.unique(every[every > row.threshold + 1e-9])[0]
        assert (every <= beyond + 1e-9).sum() > row.target_fmr * every.size
        assert row.low < row.fmr < row.high


def test_the_fmr_by_label_adds_up(calibrated):
    _, _, clusters, labels, thresholds, groups = calibrated
    one_each = clusters.index[~clusters.duplicated()]
    for row in thresholds.itertuples():
        mine = groups[groups["target_fmr"] == row.target_fmr]
        assert list(zip(mine["gender"], mine["race"], strict=True)) == CELLS
        assert mine["errors"].sum() == row.errors
        assert mine["comparisons"].sum() == row.comparisons
        assert (mine["fmr"] == mine["errors"] / mine["comparisons"]).all()
    sizes = labels.loc[one_each].value_counts()
    at = groups[groups["target_fmr"] == 1e-3].set_index(["gender", "race"])["comparisons"]
    assert (at == sizes.reindex(at.index) * 500).all()


def test_a_target_with_fewer_than_30_errors_is_not_offered():
    former, gallery, clusters, labels = world(np.random.default_rng(22), 60, 100)
    thresholds, groups = calibration.calibrate(former, gallery, clusters, labels, MARGIN)
    assert thresholds.empty and groups.empty  # 6,000 pairs hold 6 errors at 1 in 1,000


def test_a_legislator_who_is_in_the_gallery_takes_no_part():
    rng = np.random.default_rng(23)
    former, gallery, clusters, labels = world(rng, 500, 900)
    gallery.embeddings[700] = synthetic.near(rng, former.embeddings[3:4], 0.05)[0]
    thresholds, _ = calibration.calibrate(former, gallery, clusters, labels, MARGIN)
    assert (thresholds["left_out_as_same_person"] >= 1).all()
    left_out = thresholds["left_out_as_same_person"].iloc[0]
    assert (thresholds["legislators"] == 500 - left_out).all()


def test_the_interval_allows_for_faces_that_match_many():
    """Twenty gallery faces near to fourteen legislators each make the interval wider."""
    rng = np.random.default_rng(24)
    former, gallery, clusters, labels = world(rng, 500, 900)
    for i in range(20):
        gallery.embeddings[500 + i] = former.embeddings[14 * i : 14 * i + 14].mean(axis=0)
    row = calibration.calibrate(former, gallery, clusters, labels, MARGIN)[0].iloc[0]
    low, high = intervals.wilson(row["errors"], row["comparisons"])
    assert row["high"] - row["low"] > 1.5 * (high - low)


# ---- asking for a threshold


def test_what_is_not_on_offer_is_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "FOLDER", tmp_path)
    table = pd.DataFrame(
        {"model": "SFace", "detector": "yunet", "target_fmr": [1e-3, 1e-4], "threshold": [0.6, 0.5]}
    )
    table.to_csv(tmp_path / "thresholds.csv", index=False, float_format="%.6g")
    config = synthetic.configuration("SFace")
    assert calibration.threshold(config, 1e-4) == 0.5
    assert calibration.threshold(config, 0.001) == 0.6
    with pytest.raises(UserError, match=r"FMR of 1e-05 is on offer; there are 0.001, 0.0001"):
        calibration.threshold(config, 1e-5)
    with pytest.raises(UserError, match="no threshold for an FMR of nan"):
        calibration.threshold(config, float("nan"))
    with pytest.raises(UserError, match=r"ArcFace .* is not calibrated; calibrated are SFace with"):
        calibration.threshold(synthetic.configuration("ArcFace"), 1e-4)
    with pytest.raises(UserError, match="detector dlib is not calibrated"):
        calibration.threshold(config._replace(detector="dlib"), 1e-4)


# ---- what ships


def test_what_ships_keeps_the_rule_of_30_and_fits_itself():
    from helpers.faces.pipelines import PRIMARY_MODELS

    table = calibration.thresholds()
    groups = pd.read_csv(calibration.FOLDER / "by-group.csv")
    keys = ["model", "detector", "target_fmr"]
    assert set(table["model"]) >= set(PRIMARY_MODELS) and not table.duplicated(keys).any()
    assert (table["errors"] >= 30).all() and (table["fmr"] <= table["target_fmr"] * 1.000001).all()
    assert ((table["low"] < table["fmr"]) & (table["fmr"] < table["high"])).all()
    assert (table["comparisons"] == table["legislators"] * table["gallery_identities"]).all()
    for _, part in table.groupby("model"):
        assert part.sort_values("target_fmr")["threshold"].is_monotonic_increasing
    sums = groups.groupby(keys)[["errors", "comparisons"]].sum()
    stored = table.set_index(keys)[["errors", "comparisons"]]
    assert (sums == stored.reindex(sums.index)).all(axis=None) and len(sums) == len(stored)
    within = groups.groupby(keys)[["gender", "race"]].nunique()
    assert (within["gender"] == 2).all() and (within["race"] == 5).all()
