"""Two folders of what ships, compared: what differs, and by how much."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.protocol.shipping import SCORE_TOLERANCE
from helpers.statistics.rates import reach

COUNT_TOLERANCE = 0.02  # relative, of counts and rates at a threshold that scores may cross
UNLIKE = 0.02  # share of a results table's cells that may differ by more than the tolerances
# Share of rows: candidates were compared one by one, here it is their number that counts.
ONE_SIDED = {"candidates.parquet": 0.02, "counts.parquet": 0.02}
MADE = {"scores": "*", "calibration": "*", "results": "*", "galleries": "utkface-*"}
REPORT = ["what", "checked", "agrees", "detail"]
KEYS = {
    "best.csv": ["probe_id", "portrait"],
    "candidates.parquet": ["probe_id", "gallery_id"],
    "counts.parquet": ["probe_id", "threshold", "stratum"],
    "strata.csv": ["stratum"],
    "same-person.csv": ["probe_id", "cluster"],
    "same-person-errors.csv": ["k"],
    "same-person-margins.csv": ["pipeline", "percentile", "k"],
    "same-person-near.csv": ["pipeline"],
    "utkface-enrolment.csv": ["gender", "race", "age_band"],
    "thresholds.csv": ["model", "detector", "target_fmr"],
    "by-group.csv": ["model", "detector", "target_fmr", "gender", "race"],
}


def compare_folders(shipped: Path, again: Path) -> list[dict]:
    """Compare what is made of `utkface` in two data folders, file by file: a row each.

    Scores may differ by SCORE_TOLERANCE, counts and rates at a threshold by COUNT_TOLERANCE (and
    counts by 2), since a score may cross a threshold on another processor.
    """
    rows = []
    for folder, pattern in MADE.items():
        ships, made = (
            {p.relative_to(root) for p in (root / folder).rglob(pattern) if p.is_file()}
            for root in (shipped, again)
        )
        for name in sorted(ships | made):
            found = (0, False, f"no such file {'was made again' if name in ships else 'ships'}")
            if name in ships & made:
                found = _compare(name, shipped / name, again / name)
            rows.append(_row(str(name), *found))
    return rows


def _compare(name: Path, shipped: Path, again: Path) -> tuple[int, bool, str]:
    """How many rows or scores were compared, whether they agree, and what there is to say."""
    if name.name == "summary.json":
        return _compare_summaries(*(json.loads(path.read_text()) for path in (shipped, again)))
    old, new = _read(shipped), _read(again)
    if name.name == "histogram.parquet":
        return _compare_histograms(old, new)
    if list(old.columns) != list(new.columns):
        return 0, False, "the columns differ"
    results = name.parts[0] in ("results", "galleries")
    if not results and name.name not in KEYS:
        return 0, False, "a file that is not known here"
    if old.equals(new):
        return len(new), True, "identical"
    return _compare_results(old, new) if results else _compare_tables(name.name, old, new)


def _read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def _compare_tables(name: str, old: pd.DataFrame, new: pd.DataFrame) -> tuple[int, bool, str]:
    keys = KEYS[name]
    old, new = (t.fillna(dict.fromkeys(keys, "")).set_index(keys).sort_index() for t in (old, new))
    if not (old.index.is_unique and new.index.is_unique):
        return 0, False, "a row occurs twice"
    both = old.index.intersection(new.index)
    lone = len(old) + len(new) - 2 * len(both)
    problems = []
    if lone > ONE_SIDED.get(name, 0) * len(new):
        problems.append(f"{lone} rows are in one of the two only")
    old, new, largest = old.loc[both], new.loc[both], 0.0
    for column in old.columns.difference(["rank"]):  # ranks shift when a neighbour comes or goes
        a, b = old[column], new[column]
        if not pd.api.types.is_numeric_dtype(a) or pd.api.types.is_bool_dtype(a):
            problems += [f"{column} differs"] * (not a.fillna("").equals(b.fillna("")))
            continue
        a, b = a.to_numpy(dtype=float), b.to_numpy(dtype=float)
        counts = pd.api.types.is_integer_dtype(new[column])
        scores = column in ("any", "rule", "strict", "p90", "score", "threshold")
        rtol, atol = (0, SCORE_TOLERANCE) if scores else (COUNT_TOLERANCE, 2 * counts)
        near = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
        with np.errstate(invalid="ignore"):
            largest = max(largest, np.nanmax(np.where(a == b, 0, np.abs(a - b)), initial=0))
        problems += [f"{column} differs in {(~near).sum()} rows"] * (not near.all())
    detail = f"largest difference {largest:.6g}, {lone} rows in one only"
    return len(new), not problems, "; ".join([*problems, detail])


def _compare_results(old: pd.DataFrame, new: pd.DataFrame) -> tuple[int, bool, str]:
    """Row by row: text equal, numbers within the tolerances, but for UNLIKE of the cells."""
    if len(old) != len(new):
        return len(new), False, f"{len(new)} rows, {len(old)} ship"
    unlike = 0
    for column in old:
        a, b = old[column], new[column]
        if pd.api.types.is_numeric_dtype(a) and not pd.api.types.is_bool_dtype(a):
            a, b = a.to_numpy(dtype=float), b.to_numpy(dtype=float)
            same = np.isclose(a, b, rtol=COUNT_TOLERANCE, atol=SCORE_TOLERANCE, equal_nan=True)
        else:
            same = a.astype(str).to_numpy() == b.astype(str).to_numpy()
        unlike += int((~same).sum())
    return len(new), unlike <= UNLIKE * old.size, f"{unlike} of {old.size} cells differ"


def _compare_summaries(old: dict, new: dict) -> tuple[int, bool, str]:
    if other := _unlike(old["description"], new["description"]):
        return 0, False, f"not compared: {other}"
    tolerances = {"faces": 0, "removed": 0, "upto": SCORE_TOLERANCE, "genuine_p90": SCORE_TOLERANCE}
    old, new = old["description"] | old, new["description"] | new
    problems = [
        f"{key} is {old[key]}, was {new[key]}"
        for key, tolerance in tolerances.items()
        if not abs(old[key] - new[key]) <= tolerance
    ]
    return len(tolerances), not problems, "; ".join(problems) or "the same"


def _compare_histograms(old: pd.DataFrame, new: pd.DataFrame) -> tuple[int, bool, str]:
    """As many scores up to each point, the point being moved by SCORE_TOLERANCE either way."""
    old, new = old.sort_values("score"), new.sort_values("score")
    points = new["score"].to_numpy()

    def up_to(table, limit):
        total = np.concatenate([[0], np.cumsum(table["pairs"].to_numpy())])
        return total[np.searchsorted(table["score"].to_numpy(), reach(limit), side="right")]

    low, high = up_to(old, points - SCORE_TOLERANCE), up_to(old, points + SCORE_TOLERANCE)
    here = up_to(new, points)
    good = (old["pairs"].sum() == new["pairs"].sum()) and ((low <= here) & (here <= high)).all()
    detail = "as many scores up to each point" if good else "the distributions of scores differ"
    return int(new["pairs"].sum()), good, detail


def _row(what, checked, agrees, detail) -> dict:
    return dict(zip(REPORT, (what, int(checked), bool(agrees), detail), strict=True))


def _unlike(old: dict, new: dict) -> str:
    """Why two enrolments cannot be compared; empty if they can."""
    a, b = old["configuration"], new["configuration"]
    if a != b:
        return f"made with another {', '.join(k for k in b if a.get(k) != b[k])}"
    a, b = old["weights_sha256"], new["weights_sha256"]
    files = sorted(file for file in a | b if a.get(file) != b.get(file))
    return f"made with other weights ({', '.join(files)})" if files else ""


def _versions(old: dict, new: dict) -> list[str]:
    a, b = old.get("versions", {}), new.get("versions", {})
    other = [f"{k} {a.get(k)} then, {b.get(k)} now" for k in sorted(a | b) if a.get(k) != b.get(k)]
    return [f"versions differ ({', '.join(other)})"] if other else []
