"""Threshold policies: what a search is asked at, as one value that parses, resolves and labels."""

import math
from typing import NamedTuple

from helpers.errors import UserError
from helpers.faces.pipelines import Configuration
from helpers.protocol import calibration
from helpers.statistics import rates

ACLU_COUNT = 28  # members whom the ACLU's test flagged
KINDS = {"count": int, "fmr": float, "distance": float}
# Distances end there: cosine's, and those of embeddings of length 1. Dlib's are a little longer,
# but no two faces of what ships are farther apart than 1.3. Amazon's are in percent.
HIGHEST = {"cosine": 2.0, "euclidean": 2.0, "100 - similarity": 100.0}


class Policy(NamedTuple):
    """A policy: kind "default", "distance", "fmr" or "count", and the number that goes with it."""

    kind: str
    value: float = 0.0  # none for "default"

    def __str__(self) -> str:
        """The one spelling: "default", "0.25", "fmr:0.0001", "count:28"; `parse` reads it back."""
        if self.kind == "default":
            return self.kind
        return str(self.value) if self.kind == "distance" else f"{self.kind}:{self.value:g}"


DEFAULT = Policy("default")
PRIMARY = Policy("count", ACLU_COUNT)  # the threshold of the primary analysis


def parse(policy: "Policy | str | float") -> Policy:
    """A policy as it is typed: "default", a distance, "fmr:1e-5" or "count:28".

    Raises UserError for anything else, and for a number that cannot be.

    >>> parse("fmr:1e-4") == parse("fmr:0.0001")
    True
    >>> parse("count:28")
    Policy(kind='count', value=28)
    >>> str(parse("fmr:1e-05")), str(parse(0.25))
    ('fmr:1e-05', '0.25')
    """
    if isinstance(policy, Policy):
        return policy
    text = str(policy).strip()
    if text == DEFAULT.kind:
        return DEFAULT
    kind, value = text.split(":", 1) if ":" in text else ("distance", text)
    try:
        number = KINDS[kind](value)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"--threshold {text!r} is none of default, a number, fmr:1e-5, count:28"
        ) from error
    if kind == "distance" and not 0 <= number < math.inf:
        raise UserError(f"--threshold {text}: a distance is a number from 0 upwards")
    if kind == "count" and number < 1:
        raise UserError(f"--threshold {text}: a count is a whole number of at least 1")
    return Policy(kind, number)


def check_distance(number: float, metric: str) -> float:
    """A threshold distance that a metric can have. Raises UserError for any other number."""
    if not 0 <= number <= HIGHEST[metric]:
        raise UserError(
            f"--threshold {number:g}: {metric} distances go from 0 to {HIGHEST[metric]:g}, small "
            "is alike; they are not percent (a similarity in percent is for --engine rekognition)"
        )
    return number


def check(policy, config: Configuration) -> None:
    """Raise UserError for a policy that `resolve` refuses whatever the scores are."""
    if parse(policy).kind != "count":
        resolve(policy, None, config)


def resolve(policy, best, config: Configuration) -> tuple[float, str]:
    """A policy -> the threshold (a distance, small is alike) and where it comes from, in words.

    best: the best impostor score of each person searched, float, +inf for none; only "count" asks
    for it. Raises UserError for a distance beyond the metric's, an FMR that was not calibrated for
    this configuration, or more people than have a candidate.
    """
    policy = parse(policy)
    if policy.kind == "default":
        return config.default_threshold, f"default ({config.threshold_source})"
    if policy.kind == "fmr":
        found = calibration.threshold(config, policy.value)
        return found, f"calibrated to an FMR of {policy.value:g}"
    if policy.kind == "count":
        try:
            at = rates.threshold_for_count(best, policy.value)
        except ValueError as error:
            raise UserError(f"--threshold {policy}: {error}") from error
        ties = "" if at.attained == at.wanted else f", {at.attained} with ties"
        return at.threshold, f"set so that {at.wanted} are flagged{ties}"
    return check_distance(policy.value, config.metric), "given"


def label(policy) -> str:
    """A policy as figures and tables name it.

    >>> [label(p) for p in ("default", "fmr:0.0001", "count:28", 0.25)]
    ['library default', 'FMR 1e-4', '28 flagged', 'distance 0.25']
    """
    policy = parse(policy)
    if policy.kind == "fmr":
        mantissa, _, exponent = f"{policy.value:e}".partition("e")
        return f"FMR {float(mantissa):g}e{int(exponent)}"
    if policy.kind == "count":
        return f"{policy.value} flagged"
    return "library default" if policy.kind == "default" else f"distance {policy.value:g}"
