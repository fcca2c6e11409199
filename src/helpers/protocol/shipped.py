"""The Congress test on what ships, by gallery, pipeline and policy; kept for later calls."""

from functools import cache

import pandas as pd

from helpers.protocol import congress_test
from helpers.protocol import policy as policies
from helpers.protocol.congress_test import Result
from helpers.protocol.scores import Scores

PRIMARY = str(policies.PRIMARY)
MOST_TIES = 2  # more flagged than that beyond 28 is another rate, and not shown as this one
GALLERIES = ("utkface", "legislators")


@cache
def gathered(gallery: str, model: str) -> tuple[pd.DataFrame, Scores]:
    """The members and their scores for one gallery and model."""
    return congress_test.gather("congress", gallery, model, progress=False)


@cache
def result(gallery: str, model: str, policy: str = "default", variant: str = "rule") -> Result:
    """The Congress test for one gallery, model and threshold policy; kept for later calls."""
    return congress_test.run(*gathered(gallery, model), policy, variant)


def scores(gallery: str, model: str) -> Scores:
    """The scores behind `result`."""
    return gathered(gallery, model)[1]
