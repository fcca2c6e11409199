"""Small pieces of sentences that every notebook's module needs."""

import math
from collections.abc import Iterable


def listed(texts: Iterable[str]) -> str:
    """Join one text or more to a list: "a, b and c"."""
    *most, last = texts
    return f"{', '.join(most)} and {last}" if most else last


def p_text(value: float) -> str:
    """A p value to three decimals, "< 0.001" below that, a dash where there is none (NaN)."""
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
