"""A score is compared with a threshold in one place: `helpers.statistics.rates`."""

import ast

from helpers.paths import ROOT

SOURCE = ROOT / "src" / "helpers"
PLACE = "statistics/rates.py"
TINY = 1e-6  # no difference of two stored scores, of four decimals, is as small

# other comparisons that need a tolerance of their own: file -> expression, and of what
OTHERS = {
    "statistics/intervals.py": {
        "abs(apart) < 1e-09": "two risks that are equal",
    },
    "statistics/paired.py": {
        "abs(change) - 1e-09": "permuted statistics that tie with the observed",
        "1 - 1e-12": "the edge of the differences of two shares",
    },
    "statistics/pooling.py": {
        "observed - 1e-09": "permuted statistics that tie with the observed",
        "np.abs(step).max() < 1e-09": "coefficients that no longer move",
    },
    "statistics/regression.py": {
        "value - 1e-10": "a likelihood that no longer rises",
        "np.abs(step).max() < 1e-08": "coefficients that no longer move",
    },
    "experiments/who_is_in_the_gallery/compositions.py": {
        "np.abs(share - before).max() < 1e-15": "shares that no longer move",
        "wanted + 1e-09": "a whole number of faces, before it is cut",
        "(FILLED * faces.reindex(used.index, fill_value=0) / used).min() + 1e-09": (
            "a whole number of faces, before it is cut"
        ),
    },
    "rebuild/tables.py": {
        "apart.reindex(found[model].index) < 1e-09": "recomputed scores against stored ones",
    },
    "show/layout.py": {
        "SMALLEST_PT - 1e-09": "points of type",
    },
}


def tolerances(source: str) -> list[str]:
    """Expressions that add, subtract or compare a tiny constant or EPSILON, or name a tiny one."""

    def tiny(node):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            return 0 < node.value <= TINY
        name = getattr(node, "id", getattr(node, "attr", ""))
        return isinstance(node, ast.Name | ast.Attribute) and name == "EPSILON"

    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            parts = [node.value]
        else:
            continue
        if any(tiny(part) for part in parts):
            found.append(ast.unparse(node))
    return found


def test_the_scan_sees_what_it_looks_for():
    assert tolerances("x = score <= limit + 1e-9") == ["limit + 1e-09"]
    assert tolerances("np.searchsorted(scores, at + rates.EPSILON)") == ["at + rates.EPSILON"]
    assert tolerances("GRID = 1e-6") == ["GRID = 1e-06"]
    assert tolerances("abs(score - limit) < 1e-7") == ["abs(score - limit) < 1e-07"]
    assert tolerances("TARGETS = (1e-4, 1e-6)\nclose(a, b, rtol=1e-6)\nx <= y + 0.01") == []


def test_scores_meet_thresholds_in_one_place():
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name != PLACE and (expressions := tolerances(path.read_text("utf-8"))):
            found[name] = set(expressions)
    assert found == {name: set(expressions) for name, expressions in OTHERS.items()}
