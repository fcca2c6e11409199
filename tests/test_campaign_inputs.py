"""A short run of the campaign of hostile inputs (tests/campaign_inputs.py)."""

import sys
from pathlib import Path

import pytest

from helpers.faces import enrolment, pipelines

sys.path.insert(0, str(Path(__file__).parent))
import campaign_inputs
import images
from test_enrolment import Inline


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    """Enrolment in this process, with a stand-in for the models."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(enrolment, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(enrolment, "BATCH", 8)
    monkeypatch.setattr(pipelines, "load", images.fake_load)
    monkeypatch.setattr(pipelines, "weight_hashes", images.fake_weights)


def test_damaged_images_are_rows_or_failures(tmp_path):
    seen = campaign_inputs.try_images(200, 1, tmp_path)
    assert seen.total() == 200 and seen["enrolled"] > 20 and seen["truncated image"] > 20


def test_tables_are_read_or_refused(tmp_path):
    seen = campaign_inputs.try_labels(200, tmp_path)
    assert seen["read"] > 50 and seen["damaged, refused"] > 10


def test_killed_enrolment_ends_with_the_same_bytes(tmp_path):
    assert campaign_inputs.try_kills(12, 1, tmp_path)["runs that ended"]
