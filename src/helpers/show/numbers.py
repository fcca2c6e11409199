"""Small pieces of sentences that every notebook's module needs."""

import html
import math
import re
from collections.abc import Iterable

import numpy as np

HYPHENATED = re.compile(r"interval \d[\d.,]*-\d[\d.,]*|(?<![\w.,-])\d+\.\d+-\d+\.\d+(?![\w-])")
UNSEPARATED = re.compile(r"(?<![\w.,/#:=+-])\d{5,}(?![\w/-]|\.\w)")


def listed(texts: Iterable[str]) -> str:
    """Join one text or more to a list: "a, b and c"."""
    *most, last = texts
    return f"{', '.join(most)} and {last}" if most else last


def number(value: float) -> str:
    """A whole number with thousands separators, e.g. 23,700."""
    return f"{value:,.0f}"


def percent(value: float, digits: int = 1) -> str:
    """A share as a percentage, e.g. 0.0624 -> '6.2 %'."""
    return f"{100 * value:.{digits}f} %"


def rate(k: float, n: float, low: float | None = None, high: float | None = None) -> str:
    """A rate with its counts: "33 of 529 (6.2 %, 95 % interval 4.5–8.6)".

    low, high: the interval as fractions; left out where the policy fixes the count. Raises
    ValueError for a count that is no part of n, or if one end of the interval is missing.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no rate")
    if (low is None) != (high is None):
        raise ValueError("give both ends of the interval, or neither")
    if n == 0:
        return "0 of 0 (not defined)"
    text = f"{k:,} of {n:,} ({100 * k / n:.{_digits(k / n)}f} %"
    if low is None or high is None:
        return text + ")"
    return f"{text}, 95 % interval {interval(low, high)})"


def interval(low: float, high: float) -> str:
    """An interval of a rate (fractions) in per cent: "4.5–8.6"."""
    if math.isnan(low) or math.isnan(high):
        return "not defined"
    digits = _digits(high)
    return f"{100 * low:.{digits}f}–{100 * high:.{digits}f}"


def _digits(share: float) -> int:
    """Decimals of a rate in percent: one, or enough for two figures below 0.1 %."""
    return 1 if share == 0 or share >= 0.001 else int(1 - np.floor(np.log10(100 * share)))


def ratio(value: float, low: float, high: float) -> str:
    """A ratio, or an area under a curve, with its interval: "0.89 (0.36–2.20)"."""
    return f"{value:.2f} ({ratio_interval(low, high)})"


def ratio_interval(low: float, high: float) -> str:
    """The interval of a ratio: "0.36–2.20"; an open end in words."""
    if math.isnan(low) or math.isnan(high):
        return "not defined"
    return f"{low:.2f} or more" if math.isinf(high) else f"{low:.2f}–{high:.2f}"


def p_text(value: float) -> str:
    """A p value to three decimals, "< 0.001" below that, a dash where there is none (NaN)."""
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def signed(value: float, digits: int = 2) -> str:
    """A change with its sign: +0.30, or −0.30 with a minus that is no hyphen."""
    return f"{value:+.{digits}f}".replace("-", "−")


def odd_numbers(page: str) -> list[str]:
    """What a page (text, Markdown or HTML) does not write as the project writes numbers.

    Intervals with a hyphen instead of a dash, also in alternative texts, and, outside of code and
    scripts, numbers of five digits or more without separators; each with the words before it.
    """
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    prose = re.sub(r"<(pre|code)\b.*?</\1>|```.*?```|`[^`\n]+`|\]\([^)]*\)", " ", text, flags=re.S)
    found = []
    for pattern, where in ((HYPHENATED, text), (UNSEPARATED, prose)):
        texts = [re.sub(r"<[^>]*>", " ", where), *re.findall(r'alt="([^"]*)"', where)]
        where = html.unescape(" ".join(texts))
        found += [where[max(m.start() - 30, 0) : m.end()] for m in pattern.finditer(where)]
    return found


def one_in(fmr: float) -> str:
    """A small rate as "1 in 98,000", to two significant digits."""
    n = 1 / fmr
    digits = 1 - int(np.floor(np.log10(n)))
    return f"1 in {round(n, digits):,.0f}"


def fmr_text(row) -> str:
    """An FMR with its interval and errors, or that it is not offered and why."""
    if not row["offered"]:
        return f"not offered: {row['errors']:,} in {row['comparisons']:,}"
    interval = f"95 % interval {one_in(row['high'])[5:]} to {one_in(row['low'])[5:]}"
    return f"{one_in(row['fmr'])} ({interval}; {row['errors']:,} errors)"


def rate_of(row, k: str, n: str, name: str) -> str:
    return rate(int(row[k]), int(row[n]), row[f"{name}_low"], row[f"{name}_high"])


def fpir_of(row) -> str:
    return rate_of(row, "flagged", "searched", "fpir")


def fnmr_of(row) -> str:
    return rate_of(row, "missed", "pairs", "fnmr")
