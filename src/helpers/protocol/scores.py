"""Scores of a set of probes against a gallery, reduced to what the analyses need and may ship.

From a private gallery only what `Scores` holds leaves the machine, and counts by stratum; see the
datasheet in data/README.md.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces.collection import DECIMALS, Collection, score_blocks, search, subset
from helpers.faces.same_person import CONTESTED, SAME
from helpers.paths import DATA
from helpers.statistics.rates import at_or_below

VARIANTS = ("any", "rule", "strict", "p90")  # the columns of best scores
PER_FACE = 16  # candidates that ship for one gallery face and model, at most
NOBODY_LEFT = (
    "every gallery face was left out as probably one of the people searched: "
    "are probes and gallery the same people?"
)


class Scores(NamedTuple):
    """Everything known of some probes against one gallery with one configuration.

    best: one row an enrolled probe image: probe_id, portrait ("first", or "second" for the other
    portrait of the same person), and the best impostor score with no gallery face left out (`any`),
    without probable same persons (`rule`), without contested identities either (`strict`), and
    among scores above the 90th percentile of the genuine scores (`p90`); inf where nothing is left.

    candidates, without probable same persons: probe_id, gallery_id, cluster, contested (bool: is
    the identity contested, for whomever), score, rank, complete up to `upto` but for the cap on one
    gallery face. histogram, of first portraits, likewise: score (4 decimals), pairs. faces: gallery
    faces without probable same persons; removed: those left out. same_person: the rule's decisions.
    description: configuration, weights, genuine percentile.
    """

    best: pd.DataFrame
    candidates: pd.DataFrame
    histogram: pd.DataFrame
    faces: int
    removed: int
    upto: float
    same_person: pd.DataFrame
    description: dict


def compute(
    probes: Collection,
    second: Collection | None,
    gallery: Collection,
    clusters: pd.Series,
    decisions: pd.DataFrame,
    keep_probes: int,
    per_face: int | None = None,
) -> Scores:
    """Compare every probe with every gallery face, block by block, and keep what `Scores` holds.

    second: the probes' second portraits, where there are any, searched too. decisions: of the
    same-person rule. keep_probes: the candidates are complete up to the score at which so many
    probes have one. per_face: the cap on candidates of one gallery face, best first (None: no cap).
    """
    cluster = pd.Series(gallery.ids).map(clusters).fillna(pd.Series(gallery.ids)).to_numpy()
    kept, sure = left_in(cluster, decisions)
    if not kept.any():
        raise UserError(NOBODY_LEFT)
    p90 = genuine_p90(genuine_scores(probes, second)) if second else 0.0
    first, histogram = best_and_histogram(probes, gallery, kept, sure, p90)
    best = [first.assign(portrait="first")]
    if second:
        again = best_and_histogram(second, gallery, kept, sure, p90)[0]
        best.append(again.assign(portrait="second"))
    upto = float(np.sort(first["rule"])[min(keep_probes, len(first)) - 1])
    candidates = search(probes, subset(gallery, gallery.ids[kept]), threshold=upto)
    of_face = dict(zip(gallery.ids, cluster, strict=True))
    candidates.insert(2, "cluster", candidates["gallery_id"].map(of_face))
    candidates.insert(3, "contested", candidates["cluster"].isin(cluster[~sure]))
    if per_face:
        nearest = candidates.groupby("gallery_id")["score"].rank(method="first")
        candidates = candidates[nearest <= per_face].reset_index(drop=True)
    return Scores(
        best=pd.concat(best, ignore_index=True),
        candidates=candidates,
        histogram=histogram,
        faces=int(kept.sum()),
        removed=int((~kept).sum()),
        upto=upto,
        same_person=decisions,
        description={**probes.description, "genuine_p90": p90},
    )


def left_in(cluster: np.ndarray, decisions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Which gallery faces, of these clusters, the same-person rule leaves in for everybody (bool).

    First without probable same persons, second without contested identities either.
    """
    kept, sure = (
        ~np.isin(cluster, decisions.loc[decisions["decision"].isin(which), "cluster"].to_list())
        for which in ([SAME], [SAME, CONTESTED])
    )
    return kept, sure


def withheld(scores: Scores, members, threshold: float) -> set[str]:
    """Those of members (ids) whose match at a threshold rests on contested identities alone.

    They are flagged under the rule, and no longer without the contested identities: no name is
    published.
    """
    first = scores.best[scores.best["portrait"] == "first"].set_index("probe_id")
    flagged, strict = (at_or_below(first[v], threshold) for v in ("rule", "strict"))
    return set(first.index[flagged & ~strict]) & set(members)


def best_and_histogram(probes, gallery, kept, sure, p90) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Best scores of each probe (columns of `Scores.best`), and a histogram of the kept scores.

    kept, sure: bool a gallery face, as from `left_in`; p90: scores up to it are passed over in the
    column p90.
    """
    size = 1 + int(2.5 * 10**DECIMALS)  # distances beyond 2.5 share the last bin
    counts = np.zeros(size, dtype=np.int64)
    best = []
    for rows, scores in score_blocks(probes, gallery):
        columns = scores[:, kept]
        bins = np.minimum(np.round(columns * 10**DECIMALS).astype(np.int64), size - 1)
        counts += np.bincount(bins.ravel(), minlength=size)
        above = np.where(at_or_below(scores, p90), np.inf, scores)
        best.append(
            pd.DataFrame(
                {
                    "probe_id": probes.ids[rows].astype(str),
                    "any": scores.min(axis=1),
                    "rule": columns.min(axis=1, initial=np.inf),
                    "strict": scores[:, sure].min(axis=1, initial=np.inf),
                    "p90": above.min(axis=1),
                }
            )
        )
    filled = np.flatnonzero(counts)
    histogram = pd.DataFrame({"score": filled / 10**DECIMALS, "pairs": counts[filled]})
    return pd.concat(best, ignore_index=True), histogram


def counts_by_stratum(probes, gallery, kept, strata: pd.Series, thresholds: dict) -> pd.DataFrame:
    """How many gallery faces of each stratum lie at or below each threshold, for each probe.

    strata: gallery id -> stratum; thresholds: name -> distance. Returns probe_id, threshold (its
    name), stratum, faces; rows of zero are left out.
    """
    names = np.array(sorted(strata.reindex(gallery.ids[kept]).unique()))
    index = np.searchsorted(names, strata.reindex(gallery.ids[kept]).to_numpy(dtype=str))
    member = np.zeros((kept.sum(), len(names)), dtype=np.float32)
    member[np.arange(kept.sum()), index] = 1
    tables = []
    for rows, scores in score_blocks(probes, gallery):
        for name, threshold in thresholds.items():
            inside = at_or_below(scores[:, kept], threshold).astype(np.float32) @ member
            probe, stratum = np.nonzero(inside)
            tables.append(
                pd.DataFrame(
                    {
                        "probe_id": probes.ids[rows][probe].astype(str),
                        "threshold": name,
                        "stratum": names[stratum],
                        "faces": inside[probe, stratum].astype(np.int32),
                    }
                )
            )
    table = pd.concat(tables, ignore_index=True)
    return table.sort_values(["threshold", "probe_id", "stratum"], ignore_index=True)


def pairs_at(scores: Scores, threshold: float) -> int:
    """Comparisons at or below a threshold, probable same persons left out.

    >>> from types import SimpleNamespace
    >>> histogram = pd.DataFrame({"score": [0.1, 0.2, 0.3], "pairs": [1, 4, 9]})
    >>> pairs_at(SimpleNamespace(histogram=histogram), 0.2)
    5
    """
    table = scores.histogram
    return int(table.loc[at_or_below(table["score"], threshold), "pairs"].sum())


def genuine_p90(genuine: pd.DataFrame) -> float:
    """The 90th percentile of genuine scores (column score), a distance, rounded to 4 decimals.

    >>> genuine_p90(pd.DataFrame({"score": np.arange(11) / 10}))
    0.9
    """
    return float(np.round(np.percentile(genuine["score"], 90), DECIMALS))


def genuine_scores(probes: Collection, second: Collection) -> pd.DataFrame:
    """Scores of each probe against its own second portrait: probe_id, score."""
    tables = []
    for span, scores in score_blocks(probes, second):
        probe, mate = np.nonzero(probes.ids[span][:, None] == second.ids)
        ids = probes.ids[span][probe].astype(str)
        tables.append(pd.DataFrame({"probe_id": ids, "score": scores[probe, mate]}))
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        raise UserError("no probe has a second portrait")
    return table


def save_scores(scores: Scores, folder: Path) -> None:
    """Write scores as files that ship; the numbers are rounded already."""
    folder.mkdir(parents=True, exist_ok=True)
    scores.best.to_csv(folder / "best.csv", index=False, float_format="%.4f")
    scores.histogram.to_parquet(folder / "histogram.parquet", index=False, compression="zstd")
    scores.candidates.to_parquet(folder / "candidates.parquet", index=False, compression="zstd")
    summary = {k: getattr(scores, k) for k in ("faces", "removed", "upto", "description")}
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")


def load_scores(name: str) -> Scores:
    """Scores that ship with the repository, e.g. `load_scores("utkface-SFace")`.

    Raises UserError when none of that name ship.
    """
    folder = DATA / "scores" / name
    if not (folder / "summary.json").exists():
        known = ", ".join(sorted(p.parent.name for p in (DATA / "scores").glob("*/summary.json")))
        raise UserError(f"no scores named {name!r} ship with the repository; there are {known}")
    summary = json.loads((folder / "summary.json").read_text())
    return Scores(
        best=pd.read_csv(folder / "best.csv"),
        candidates=_table(folder / "candidates.parquet"),
        histogram=_table(folder / "histogram.parquet"),
        same_person=pd.read_csv(DATA / "scores" / "same-person.csv", keep_default_na=False),
        **summary,
    )


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # neither names the file
        raise UserError(f"{path} is damaged ({error}): git checkout brings it back") from error
