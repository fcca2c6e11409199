"""A sample of what really ships, made again from the images: `congress-test verify --sample`."""

from helpers.faces import pipelines
from helpers.protocol import shipping
from helpers.rebuild import verification


def test_a_sample_of_what_ships_is_made_again(mirror):
    report = verification.verify(sample=8, workers=2)
    assert report["agrees"].all(), report[~report["agrees"]].to_string()
    faces = report[report["what"].str.startswith("faces/")]
    assert len(faces) == len(shipping.PUBLIC) * len(pipelines.MODELS)
    assert (faces["checked"] >= 6).all()
    near = report[report["what"].str.endswith(": candidates")]
    assert len(near) >= len(pipelines.PRIMARY_MODELS) and (near["checked"] >= 1).all()
