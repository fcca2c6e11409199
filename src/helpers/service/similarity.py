"""Similarity in percent: one documented scale for each model, from its comparison scores.

100 % is distance 0; 80 %, Amazon Rekognition's default, the publisher's default threshold; 99 %,
which Amazon recommended, the threshold at the strictest FMR on offer, 1 in 1,000,000; straight
lines between, and on to 0 %. No probability, and not Amazon's scale; `table` says what it means.
"""

from functools import cache

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import calibration, shipping

DECIMALS = 4  # as fine as the scores: no two of them get one similarity
DEFAULT = 80.0
STRICT, STRICT_FMR = 99.0, 1e-6
SHOWN = (80.0, 90.0, 95.0, 99.0)


@cache
def points(model: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Where the scale bends: distances, ascending, and their similarities in percent.

    Raises UserError for a model without calibrated thresholds.
    """
    if model not in PRIMARY_MODELS:
        raise UserError(
            f"no similarity scale is defined for {model!r}; there are {', '.join(PRIMARY_MODELS)}"
        )
    config = shipping.configuration(model)
    default, strict = config.default_threshold, calibration.threshold(config, STRICT_FMR)
    zero = default + DEFAULT * (default - strict) / (STRICT - DEFAULT)
    return (0.0, strict, default, zero), (100.0, STRICT, DEFAULT, 0.0)


def from_distance(model: str, distance):
    """Comparison scores (distances, small is alike) -> similarity in percent, large is alike."""
    return np.round(np.interp(distance, *points(model)), DECIMALS)


def to_distance(model: str, percent):
    """Similarity in percent -> the distance that has it; 0 % is where the scale ends."""
    distances, similarities = points(model)
    return np.interp(percent, similarities[::-1], distances[::-1])


def table(models=PRIMARY_MODELS) -> pd.DataFrame:
    """What a similarity means: false matches and misses, a row a model and percentage.

    Columns: model, similarity (of SHOWN), distance; errors, comparisons, fmr, low, high, offered
    (see `error_rates.fmr_at`); missed, pairs, fnmr, fnmr_low, fnmr_high (`error_rates.errors_at`).
    """
    from helpers.protocol import error_rates  # here: a service needs none, nor scipy

    columns = ["model", "similarity", "distance", "errors", "comparisons", "fmr", "low", "high"]
    columns += ["offered", "missed", "pairs", "fnmr", "fnmr_low", "fnmr_high"]
    rows = []
    for model in models:
        for percent in SHOWN:
            distance = round(float(to_distance(model, percent)), DECIMALS)
            found = error_rates.fmr_at(model, distance) | error_rates.errors_at(model, distance)
            rows.append(found | {"model": model, "similarity": percent, "distance": distance})
    return pd.DataFrame(rows)[columns]


def shown() -> pd.DataFrame:
    """`table` for readers: model by its label, percentage, distance, FMR and FNMR as text."""
    from helpers.faces.pipelines import MODEL_LABELS
    from helpers.show.numbers import fmr_text, fnmr_of

    found = table()
    return pd.DataFrame(
        {
            "Model": found["model"].map(MODEL_LABELS),
            "Similarity": found["similarity"].map("{:g} %".format),
            "Distance": found["distance"].map("{:.4f}".format),
            "FMR": found.apply(fmr_text, axis=1),
            "Genuine pairs missed (FNMR)": found.apply(fnmr_of, axis=1),
        }
    )
