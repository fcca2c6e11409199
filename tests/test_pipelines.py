"""The registry of pipelines: a row a pipeline; a swapped or edited row is noticed."""

import pytest

from helpers.faces import enrolment, pipelines
from helpers.faces.pipelines import MODELS, PIPELINES
from helpers.paths import DATA

ROWS = {  # label, feed, network, metric, default threshold
    "dlib-native": ("Dlib", "native", "Dlib", "euclidean", 0.6),
    "sface-native": ("SFace", "native", "SFace", "cosine", 0.637),
    "facenet-native": ("Facenet", "native", "Facenet", "euclidean", 1.1145),
    "Dlib": ("Dlib (deepface)", "deepface", "Dlib", "cosine", 0.07),
    "SFace": ("SFace (deepface)", "deepface", "SFace", "cosine", 0.593),
    "Facenet": ("Facenet (deepface)", "deepface", "Facenet", "cosine", 0.40),
}


def test_each_row_is_what_it_says():
    assert list(PIPELINES) == list(ROWS)
    for name, row in PIPELINES.items():
        assert (row.label, row.feed, row.recogniser, *row[-3:-1]) == ROWS[name]
    assert pipelines.PRIMARY_MODELS == ("dlib-native", "sface-native", "facenet-native")


def test_no_two_pipelines_are_drawn_alike():
    assert len({(row.colour, row.line) for row in PIPELINES.values()}) == len(PIPELINES)
    assert len({row.label for row in PIPELINES.values()}) == len(PIPELINES)


@pytest.mark.parametrize("model", MODELS)
def test_the_row_is_the_configuration_that_ships(model):
    path = DATA / "faces" / f"probes-{model}.parquet"
    ships = enrolment.read_description(path)["configuration"]
    assert pipelines.configuration(model)._asdict() == ships


def test_the_thresholds_are_deepfaces_own():
    from deepface.config.threshold import thresholds

    for name in ("SFace", "Facenet", "Dlib"):
        assert PIPELINES[name].default_threshold == thresholds[name]["cosine"]
