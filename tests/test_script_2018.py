"""The script of 2018 as a stranger runs it, and what notebook 11 makes of its answers."""

import ast
import csv
import subprocess
import sys

import nbformat
import numpy as np
import pytest

from helpers.experiments import the_2018_script as s
from helpers.faces import collection
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.paths import DATA, NOTEBOOKS, ROOT
from helpers.protocol import shipped, shipping
from helpers.service import server, similarity
from helpers.statistics import rates


@pytest.fixture
def results():
    return {model: s.from_scores(model) for model in PRIMARY_MODELS}


# ---------------------------------------------------------------- the script


def test_page_and_notebook_show_the_script_as_it_is():
    page = (ROOT / "docs/face-search.md").read_text("utf-8")
    source = s.SCRIPT.read_text("utf-8")
    assert f"```python\n{source}```" in page
    nb = nbformat.read(NOTEBOOKS / "11-the-2018-script.ipynb", as_version=4)
    printed, shown = [o.text for c in nb.cells for o in c.get("outputs", ()) if "text" in o]
    assert shown == source
    assert printed.startswith("gallery: ") and f"```text\n{printed}```" in page


def test_the_script_needs_boto3_alone_and_is_short():
    tree = ast.parse(s.SCRIPT.read_text("utf-8"))
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"boto3"}
    assert len([line for line in s.SCRIPT.read_text("utf-8").splitlines() if line.strip()]) <= 36
    assert "FaceMatchThreshold=" not in s.SCRIPT.read_text("utf-8")  # the default is the point


def part_of(source, out, keep):
    """A table of the repository with some of its rows, where the script looks for it."""
    out.parent.mkdir(parents=True)
    with source.open(encoding="utf-8") as file, out.open("w", encoding="utf-8") as small:
        rows = list(csv.DictReader(file))[keep]
        writer = csv.DictWriter(small, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_a_stranger_runs_it_twice(tmp_path):
    """In another folder with a part of the gallery, as a process; the table is what it must be."""
    model = "sface-native"
    gallery = part_of(DATA / "galleries" / "legislators.csv",
                      tmp_path / "data" / "galleries" / "legislators.csv",
                      slice(0, None, 23))  # fmt: skip
    members = part_of(DATA / "roster" / "members.csv", tmp_path / "data" / "roster" / "members.csv",
                      slice(1, None, 4))  # fmt: skip
    faces = {d: shipping.load_dataset(d, model) for d in ("probes", "legislators")}
    known = set(faces["legislators"].ids)
    enrolled = [row["gallery_id"] for row in gallery if row["gallery_id"] in known]
    near = collection.search(
        faces["probes"],
        collection.subset(faces["legislators"], enrolled),
        shipping.configuration(model).default_threshold,
    )
    matched = set(near["probe_id"])
    expected = [f"gallery: {len(enrolled)} faces in {len(gallery)} photographs"]
    for name, wanted in (("all", (True, False)), ("White", (True,)), ("of colour", (False,))):
        ids = [m["member_id"] for m in members if (m["ethnicity"] == "White") in wanted]
        failed = len(set(ids) - set(faces["probes"].ids))
        expected.append(
            f"{name}: {len(matched & set(ids))} of {len(ids)} falsely matched, "
            f"{failed} without a face"
        )
    assert matched and len(enrolled) < len(gallery)
    with server.running("--model", model) as url:
        for _ in range(2):  # nothing is indexed twice, at Amazon neither
            run = subprocess.run(
                [sys.executable, s.SCRIPT, url], cwd=tmp_path, capture_output=True, text=True
            )
            assert run.stdout.splitlines() == expected, run.stderr


def test_the_service_answers_as_the_scores_do():
    """At 80 %, the library's default: the same members, with the similarity of their score."""
    found = s.imported("facenet-native")
    expected = s.from_scores("facenet-native")
    assert found["member_id"].equals(expected["member_id"])
    assert found["enrolled"].equals(expected["enrolled"]) and found["enrolled"].all()
    assert (s.flagged(found, 80) == s.flagged(expected, 80)).all()
    assert s.flagged(found, 80).sum() == shipped.result(
        "legislators", "facenet-native", "default", "any"
    ).summary["falsely_matched"]  # fmt: skip
    assert np.nanmax(np.abs(found["similarity"] - expected["similarity"])) < 1e-4
    table = s.agreement({"facenet-native": found})
    assert table["Members matched by only one"].item() == 0
    assert table["Largest difference in similarity"].item() == "0.0000"


# ---------------------------------------------------------------- counting


def test_answers_and_who_is_flagged():
    found = s.answers({"a": [{"Similarity": 99.0}, {"Similarity": 81.0}], "b": [], "c": None})
    assert found["enrolled"].to_list() == [True, True, False]
    assert s.flagged(found, 99).tolist() == [True, False, False]
    assert s.flagged(found, 99.1).sum() == 0


def test_counts_are_the_distances_of_the_scale(results):
    table = s.counts(results).set_index(["model", "similarity"])
    for model in PRIMARY_MODELS:
        score = shipped.result("legislators", model, "default", "any").members["score"]
        for percent in s.SETTINGS:
            limit = float(similarity.to_distance(model, percent))
            row = table.loc[(model, percent)]
            assert row["flagged"] == rates.at_or_below(score, limit).sum()
            assert row["fpir_low"] <= row["fpir"] <= row["fpir_high"]
        flags = [table.loc[(model, p), "flagged"] for p in s.SETTINGS]
        misses = [table.loc[(model, p), "missed"] for p in s.SETTINGS]
        assert flags == sorted(flags, reverse=True) and misses == sorted(misses)


def test_a_disagreement_is_seen(results):
    assert s.agreement(results)["Members matched by only one"].eq(0).all()
    other = results["sface-native"].copy()
    first = other["similarity"].first_valid_index()
    other.loc[first, "similarity"] = np.nan
    assert s.agreement(results | {"sface-native": other})[
        "Members matched by only one"
    ].to_list() == [0, 1, 0]


def test_matches_in_a_million_are_pairs_of_this_gallery(results):
    table = s.counts(results).set_index(["model", "similarity"])
    for model in PRIMARY_MODELS:
        faces = [shipping.load_dataset(d, model) for d in ("probes", "legislators")]
        n = len(faces[0].ids) * len(faces[1].ids)
        for percent in (95, 99):
            at = float(similarity.to_distance(model, percent))
            pairs = len(collection.search(*faces, threshold=round(at, similarity.DECIMALS)))
            assert table.loc[(model, percent), "per_million"] == pytest.approx(1e6 * pairs / n)
