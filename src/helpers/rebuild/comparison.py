"""Two folders of what ships, compared: what differs, and by how much."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.protocol.shipping import SCORE_TOLERANCE
from helpers.statistics.rates import reach


def compare_folders(shipped: Path, again: Path) -> list[dict]:
    """Compare what is made of `utkface` in two data folders, file by file: a row each.

    Scores may differ by SCORE_TOLERANCE, counts and rates at a threshold by COUNT_TOLERANCE (and
    counts by 2), since a score may cross a threshold on another processor.
    """
    rows = []
    for folder, pattern in MADE.items():
        names = {
            p.relative_to(root)
            for root in (shipped, again)
            for p in (root / folder).rglob(pattern)
            if p.is_file()
        }
        for name in sorted(names):
            absent = [
                side
                for side, root in (("ships", shipped), ("was made again", again))
                if not (root / name).exists()
            ]
            if absent:
                rows.append(_row(str(name), 0, False, f"no such file {absent[0]}"))
            elif name.name == "summary.json":
                rows.append(_compare_summaries(name, shipped, again))
            elif folder in ("results", "galleries"):
                rows.append(_compare_results(name, shipped, again))
            elif name.name == "histogram.parquet":
                rows.append(_compare_histograms(name, shipped, again))
            else:
                rows.append(_compare_tables(name, shipped, again))
    return rows


def _read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def _compare_tables(name, shipped, again) -> dict:
    old, new = _read(shipped / name), _read(again / name)
    if list(old.columns) != list(new.columns):
        return _row(str(name), 0, False, "the columns differ")
    keys = KEYS.get(name.name)
    if keys is None:
        return _row(str(name), 0, False, "a file that is not known here")
    if old.equals(new):
        return _row(str(name), len(new), True, "identical")
    old, new = (t.fillna(dict.fromkeys(keys, "")).set_index(keys).sort_index() for t in (old, new))
    if not (old.index.is_unique and new.index.is_unique):
        return _row(str(name), 0, False, "a row occurs twice")
    both = old.index.intersection(new.index)
    lone = len(old) + len(new) - 2 * len(both)
    problems = []
    if lone > ONE_SIDED.get(name.name, 0) * len(new):
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
        relative = 0 if scores else COUNT_TOLERANCE
        near = np.isclose(
            a, b, rtol=relative, atol=SCORE_TOLERANCE if scores else 2 * counts, equal_nan=True
        )
        with np.errstate(invalid="ignore"):
            largest = max(largest, np.nanmax(np.where(a == b, 0, np.abs(a - b)), initial=0))
        problems += [f"{column} differs in {(~near).sum()} rows"] * (not near.all())
    detail = f"largest difference {largest:.6g}, {lone} rows in one only"
    return _row(str(name), len(new), not problems, "; ".join([*problems, detail]))


def _compare_results(name, shipped, again) -> dict:
    """Row by row: text equal, numbers within the tolerances, but for UNLIKE of the cells."""
    old, new = _read(shipped / name), _read(again / name)
    if list(old.columns) != list(new.columns):
        return _row(str(name), 0, False, "the columns differ")
    if len(old) != len(new):
        return _row(str(name), len(new), False, f"{len(new)} rows, {len(old)} ship")
    if old.equals(new):
        return _row(str(name), len(new), True, "identical")
    unlike = 0
    for column in old:
        a, b = old[column], new[column]
        if pd.api.types.is_numeric_dtype(a) and not pd.api.types.is_bool_dtype(a):
            a, b = a.to_numpy(dtype=float), b.to_numpy(dtype=float)
            same = np.isclose(a, b, rtol=COUNT_TOLERANCE, atol=SCORE_TOLERANCE, equal_nan=True)
        else:
            same = a.astype(str).to_numpy() == b.astype(str).to_numpy()
        unlike += int((~same).sum())
    return _row(
        str(name),
        len(new),
        unlike <= UNLIKE * old.size,
        f"{unlike} of {old.size} cells differ",
    )


def _compare_summaries(name, shipped, again) -> dict:
    old, new = (json.loads((root / name).read_text()) for root in (shipped, again))
    if other := _unlike(old["description"], new["description"]):
        return _row(str(name), 0, False, f"not compared: {other}")
    problems = [
        f"{key} is {old[key]}, was {new[key]}"
        for key in ("faces", "removed")
        if old[key] != new[key]
    ]
    pairs = [("upto", old["upto"], new["upto"])]
    pairs.append(("genuine_p90", *(x["description"]["genuine_p90"] for x in (old, new))))
    problems += [
        f"{key} is {a}, was {b}" for key, a, b in pairs if not abs(a - b) <= SCORE_TOLERANCE
    ]
    return _row(str(name), len(pairs) + 2, not problems, "; ".join(problems) or "the same")


def _compare_histograms(name, shipped, again) -> dict:
    """As many scores up to each point, the point being moved by SCORE_TOLERANCE either way."""
    old, new = (_read(root / name).sort_values("score") for root in (shipped, again))
    points = new["score"].to_numpy()

    def up_to(table, limit):
        total = np.concatenate([[0], np.cumsum(table["pairs"].to_numpy())])
        return total[np.searchsorted(table["score"].to_numpy(), reach(limit), side="right")]

    low, high = up_to(old, points - SCORE_TOLERANCE), up_to(old, points + SCORE_TOLERANCE)
    here = up_to(new, points)
    good = (old["pairs"].sum() == new["pairs"].sum()) and ((low <= here) & (here <= high)).all()
    detail = "as many scores up to each point" if good else "the distributions of scores differ"
    return _row(str(name), int(new["pairs"].sum()), good, detail)


COUNT_TOLERANCE = 0.02  # relative, of counts and rates at a threshold that scores may cross


def _row(what, checked, agrees, detail) -> dict:
    return dict(zip(REPORT, (what, int(checked), bool(agrees), detail), strict=True))


def _unlike(old: dict, new: dict) -> str:
    """Why two enrolments cannot be compared; empty if they can."""
    if old["configuration"] != new["configuration"]:
        keys = [
            k
            for k in new["configuration"]
            if old["configuration"].get(k) != new["configuration"][k]
        ]
        return f"made with another {', '.join(keys)}"
    a, b = old["weights_sha256"], new["weights_sha256"]
    files = sorted(file for file in a | b if a.get(file) != b.get(file))
    return f"made with other weights ({', '.join(files)})" if files else ""


def _versions(old: dict, new: dict) -> list[str]:
    a, b = old.get("versions", {}), new.get("versions", {})
    other = [f"{k} {a.get(k)} then, {b.get(k)} now" for k in sorted(a | b) if a.get(k) != b.get(k)]
    return [f"versions differ ({', '.join(other)})"] if other else []


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


# Candidates were compared one by one; here it is their number that counts.
ONE_SIDED = {"candidates.parquet": 0.02, "counts.parquet": 0.02}  # share of rows


MADE = {"scores": "*", "calibration": "*", "results": "*", "galleries": "utkface-*"}


UNLIKE = 0.02  # share of a results table's cells that may differ by more than the tolerances


REPORT = ["what", "checked", "agrees", "detail"]
