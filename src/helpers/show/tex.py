"""Text as TeX reads it."""

SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\ensuremath{<}",
    ">": "\\ensuremath{>}",
    "≥": "\\ensuremath{\\geq}",
    "≤": "\\ensuremath{\\leq}",
    "−": "\\ensuremath{-}",
    "×": "\\ensuremath{\\times}",
}


def escape(text) -> str:
    """A value as text that TeX prints as it is."""
    return "".join(SPECIAL.get(c, c) for c in str(text))
