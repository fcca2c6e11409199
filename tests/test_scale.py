"""docs/scale.md holds what benchmarks/ say, and the simulated schedule is what it claims to be."""

import sys

import pytest

from helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import scale
import schedule


def test_the_page_and_its_picture_are_of_the_results_that_lie_there():
    text = scale.PAGE.read_text("utf-8")
    again = "python benchmarks/scale.py makes it again"
    assert scale.page(text) == text, again
    assert scale.draw() == scale.PICTURE.read_bytes(), again


def test_an_undisturbed_schedule_is_the_ideal_one(monkeypatch):
    for name, value in (("SPREAD", 0), ("NOISE", 0), ("STRAGGLERS", 0), ("HOURS_TO_FAILURE", 1e9)):
        monkeypatch.setattr(schedule, name, value)
    monkeypatch.setattr(schedule, "WORKERS", 10)
    made = schedule.simulate(100, 7.0, seed=1)
    assert made == {"seconds": pytest.approx(70), "tail": 0, "lost": 0, "failures": 0}
    made = schedule.simulate(101, 7.0, seed=1)
    assert made["seconds"] == pytest.approx(77) and made["tail"] == pytest.approx(7)


def test_stragglers_and_failures_cost_what_they_must(monkeypatch):
    monkeypatch.setattr(schedule, "WORKERS", 10)
    monkeypatch.setattr(schedule, "SPREAD", 0)
    monkeypatch.setattr(schedule, "NOISE", 0)
    monkeypatch.setattr(schedule, "HOURS_TO_FAILURE", 1e9)
    monkeypatch.setattr(schedule, "STRAGGLERS", 0.1)
    assert schedule.simulate(10, 7.0, seed=1)["seconds"] == pytest.approx(21)
    monkeypatch.setattr(schedule, "STRAGGLERS", 0)
    monkeypatch.setattr(schedule, "HOURS_TO_FAILURE", 0.1)
    made = schedule.simulate(200, 60.0, seed=1)
    assert made["failures"] > 5 and made["seconds"] > 1200 + made["lost"] / 10
    assert made == schedule.simulate(200, 60.0, seed=1)
