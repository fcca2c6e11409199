"""Threshold policies: what they parse as, how they are spelled, what they resolve to."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from helpers.errors import UserError
from helpers.protocol import calibration
from helpers.protocol.policy import DEFAULT, PRIMARY, Policy, label, parse, resolve

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

BEST = [0.20, 0.25, 0.30, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70]


def test_the_library_default():
    config = synthetic.configuration()
    threshold, origin = resolve("default", BEST, config)
    assert threshold == 0.5 and origin == "default (this test)"


def test_a_distance():
    config = synthetic.configuration()
    assert resolve("0.31", BEST, config) == (0.31, "given")
    assert resolve(" 0 ", BEST, config) == (0.0, "given")
    assert resolve(0.4, BEST, config)[0] == 0.4


def test_a_count():
    config = synthetic.configuration()
    assert resolve("count:2", BEST, config) == (
        0.25,
        "set so that 2 are flagged",
    )
    threshold, origin = resolve("count:3", BEST, config)
    assert threshold == 0.30 and origin == "set so that 3 are flagged, 4 with ties"


def test_a_calibrated_fmr(tmp_path, monkeypatch):

    monkeypatch.setattr(calibration, "FOLDER", tmp_path)
    table = pd.DataFrame(
        {"model": ["SFace"], "detector": "yunet", "target_fmr": 1e-4, "threshold": 0.43}
    )
    table.to_csv(tmp_path / "thresholds.csv", index=False)
    found = resolve("fmr:1e-4", BEST, synthetic.configuration())
    assert found == (0.43, "calibrated to an FMR of 0.0001")
    with pytest.raises(UserError, match="no threshold for an FMR of 1e-09 is on offer"):
        resolve("fmr:1e-9", BEST, synthetic.configuration())


@pytest.mark.parametrize(
    "policy",
    ["", "80%", "defaults", "count", "count:", "count:x", "count:2.5", "fmr:", "fmr:low", "fmr",
     "0,5", "fpir:0.1", "count:1:2"],
)  # fmt: skip
def test_a_policy_that_is_none_is_refused(policy):
    with pytest.raises(UserError, match=r"is none of default, a number, fmr:1e-5, count:28"):
        resolve(policy, BEST, synthetic.configuration())


@pytest.mark.parametrize("policy", ["-0.1", "nan", "inf", "-inf"])
def test_a_number_that_is_no_distance_is_refused(policy):
    with pytest.raises(UserError, match="a distance is a number from 0 upwards"):
        resolve(policy, BEST, synthetic.configuration())


@pytest.mark.parametrize(
    ("policy", "why"),
    [("count:0", "at least 1"), ("count:-3", "at least 1"), ("count:13", "only 12 of 12")],
)
def test_a_count_that_cannot_be(policy, why):
    with pytest.raises(UserError, match=why):
        resolve(policy, BEST, synthetic.configuration())


@pytest.mark.parametrize("text", ["default", "0.31", "fmr:0.0001", "fmr:1e-05", "count:28"])
def test_a_policy_is_read_back_as_it_is_spelled(text):
    assert str(parse(text)) == text
    assert parse(parse(text)) == parse(text)


def test_two_spellings_of_an_fmr_are_one_policy():
    assert parse("fmr:1e-4") == parse("fmr:0.0001") == Policy("fmr", 1e-4)
    assert parse("fmr:1e-4") != parse("fmr:1e-5")


def test_labels():
    named = {"default": "library default", "fmr:1e-5": "FMR 1e-5", "fmr:0.001": "FMR 1e-3",
             "count:28": "28 flagged", 0.25: "distance 0.25"}  # fmt: skip
    assert {p: label(p) for p in named} == named


def test_the_primary_policy_is_the_aclus_count():
    assert str(PRIMARY) == "count:28" and str(DEFAULT) == "default"
