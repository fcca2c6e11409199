"""Results tables: they agree with the rest of what ships, and say nothing of a private face."""

import re

import pandas as pd
import pytest

from helpers.rebuild import tables
from helpers.rebuild.tables import RESULTS

FILES = sorted(RESULTS.iterdir())
FORBIDDEN = {"gallery_id", "cluster", "embedding", "image_sha256", "path", "identity"}
GALLERY_ID = re.compile(r"\bu\d{5}\b|\d{1,3}_[01]_[0-4]_\d{14}")


def read(path):
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def test_results_agree_with_the_scores_that_ship():
    assert {name: problem for name, problem in tables.disagreements().items() if problem} == {}


def test_a_wrong_number_is_noticed(monkeypatch, tmp_path):
    table = pd.read_csv(RESULTS / "candidate-lists.csv")
    table.loc[table.index[table["gallery"] == "utkface"][0], "stranger_1"] += 0.01
    table.to_csv(tmp_path / "candidate-lists.csv", index=False)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    assert list(tables._nearest_strangers()) == ["dlib-native: 1 of 529 differ"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_no_gallery_face_is_named(path):
    table = read(path)
    assert not FORBIDDEN & set(table.columns)
    for column in table.select_dtypes(["object", "string", "category"]):
        assert not table[column].astype(str).str.contains(GALLERY_ID).any(), column
    assert path.stat().st_size < 1_000_000
