"""Galleries of stated compositions, and the chance of a false match in one drawn at random."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.paths import DATA
from helpers.protocol.policy import ACLU_COUNT
from helpers.sources import groups
from helpers.statistics import rates

RESULTS = DATA / "results"
TARGETS = DATA / "published" / "composition_targets.csv"
BANDS = ("18-34", "35-75")
STRATA = tuple(f"{g}, {r}, {b}" for g in groups.GENDERS for r in groups.RACES for b in BANDS)
SIZE = 1000  # the one size of all compositions
POLICIES = ("default", "primary", "matched")
WANTED = ACLU_COUNT
RATIOS = ("crude", "within", "not_asian")
FILLED = 0.95  # at most this part of a stratum is drawn, so that the jackknife can leave some out
PARTS = 40  # of the gallery's identities, for the jackknife
HEAT_FMR = 1e-4


def targets() -> pd.DataFrame:
    """The published figures behind the targets, a row a category; race, gender and age_band say
    where it goes among UTKFace's labels (empty: all), status how it was read.
    """
    return pd.read_csv(TARGETS, keep_default_na=False)


def margins(target: str, hispanic: str = "Others") -> list[pd.DataFrame]:
    """Margins of a target over UTKFace's labels: tables of the columns they fix, and share.

    hispanic: the label of Hispanic people whom the publisher counts by race: "Others", or "White".
    """
    table = targets()
    rows = table[table["target"] == target]
    if rows.empty:
        raise ValueError(f"no target {target!r}; there are {', '.join(table['target'].unique())}")
    indian = table[table["target"] == "asian"].iloc[0]
    indian = indian["value"] / indian["of"]
    share = rows["value"] / rows["of"]
    moved = share[rows["race"].str.startswith("from White")].sum()
    race = share.groupby(rows["race"]).sum()
    asian = race["Asian and Indian"]
    race = race.reindex(groups.RACES, fill_value=0.0)
    race["Asian"], race["Indian"] = asian * (1 - indian), asian * indian
    if hispanic == "Others":
        race["White"] -= moved
        race["Others"] += moved
    found = [race.rename_axis("race").rename("share").reset_index()]
    rest = rows.assign(share=share)[rows["race"] == ""]
    for keys in (["gender"], ["age_band"], ["gender", "age_band"]):
        others = [c for c in ("gender", "age_band") if c not in keys]
        part = rest[(rest[keys] != "").all(axis=1) & (rest[others] == "").all(axis=1)]
        if len(part):
            found.append(part[[*keys, "share"]].reset_index(drop=True))
    for part in found:
        part["share"] /= part["share"].sum()
    return found


def rake(parts: list[pd.DataFrame]) -> pd.Series:
    """Shares of the strata with the given margins (Deming, Stephan 1940), else independent."""
    cells = pd.DataFrame([s.split(", ") for s in STRATA], columns=["gender", "race", "age_band"])
    share = np.repeat(1 / len(cells), len(cells))
    fits = []
    for part in parts:
        keys = [c for c in part.columns if c != "share"]
        wanted = part.set_index(keys)["share"].sort_index()
        row = cells[keys[0]] if len(keys) == 1 else pd.MultiIndex.from_frame(cells[keys])
        fits.append((wanted.index.get_indexer(row), wanted.to_numpy()))
    for _ in range(1000):
        before = share
        for at, wanted in fits:
            share = share * (wanted / np.bincount(at, share))[at]
        if np.abs(share - before).max() < 1e-15:
            break
    return pd.Series(share, index=list(STRATA))


def apportion(shares: pd.Series, size: int) -> pd.Series:
    """Whole numbers that add to `size` in the given shares, by the largest remainder."""
    wanted = shares / shares.sum() * size
    whole = np.floor(wanted + 1e-9).astype(int)
    order = (whole - wanted).sort_values(kind="stable").index
    whole[order[: size - whole.sum()]] += 1
    return whole


def largest_size(shares: pd.Series, faces: pd.Series) -> int:
    """The largest gallery in the given shares that the faces of each stratum allow."""
    used = shares[shares > 0] / shares.sum()
    return int((FILLED * faces.reindex(used.index, fill_value=0) / used).min() + 1e-9)


def designs(faces: pd.Series) -> dict[str, pd.Series]:
    """Every composition as shares of strata, from the faces there are (stratum -> faces).

    A single-race gallery is half women and half men, in the ages that UTKFace has of them.
    """
    faces = pd.Series(faces.reindex(STRATA).to_numpy(dtype=float), index=list(STRATA))
    label = pd.DataFrame([s.split(", ") for s in STRATA], index=faces.index)
    gender, race = label[0], label[1]
    men = gender == "male"

    def within(mask):
        return faces.where(mask, 0.0) / faces[mask].sum()

    arrests = rake(margins("us-arrests"))
    found = {
        "as it is": faces / faces.sum(),
        "balanced": faces * 0 + 1 / len(faces),
        "US adults": rake(margins("us-adults")),
        "US arrests": arrests,
        "US arrests, men only": arrests.where(men, 0.0) / arrests[men].sum(),
        "US arrests, Hispanic people as White": rake(margins("us-arrests", hispanic="White")),
        "women only": within(~men),
        "men only": within(men),
    }
    for r in groups.RACES:
        halves = [within((race == r) & (gender == g)) for g in groups.GENDERS]
        found[f"{r} only"] = sum(halves) / len(groups.GENDERS)
    return found


MAIN = ("as it is", "balanced", "US adults", "US arrests")
WHOLE, LEGISLATORS = "whole gallery", "legislators"
OWN = "own group"


def own_group(members: pd.DataFrame, faces: pd.Series) -> np.ndarray:
    """Faces drawn for each member, all of the own label: (members, strata), zeros without one."""
    plans = designs(faces)
    drawn = np.zeros((len(members), len(faces)), dtype=int)
    for group, label in groups.RACE_OF_GROUP.items():
        drawn[(members["group"] == group).to_numpy()] = apportion(plans[f"{label} only"], SIZE)
    return drawn


class Faces(NamedTuple):
    """Scores of the members against one gallery, ordered by stratum and part.

    scores: int16 (members, faces), in steps of 0.0001, the largest int16 for members that failed to
    enrol; code: stratum x PARTS + part of each face; sizes: faces, (strata, PARTS).
    """

    scores: np.ndarray
    code: np.ndarray
    sizes: np.ndarray


def make_faces(scores, stratum, part, strata) -> Faces:
    """Order a score matrix by stratum and part; a stratum that is not listed is left out."""
    index = pd.Index(strata).get_indexer(stratum)
    keep = np.flatnonzero(index >= 0)
    code = index[keep] * PARTS + np.asarray(part)[keep]
    order = np.argsort(code, kind="stable")
    sizes = np.bincount(code, minlength=len(strata) * PARTS).reshape(len(strata), PARTS)
    return Faces(np.ascontiguousarray(scores[:, keep[order]]), code[order], sizes)


def counts(faces: Faces, step: int) -> np.ndarray:
    """Faces at or below a threshold (in steps of 0.0001): (members, strata, PARTS)."""
    there, start = np.unique(faces.code, return_index=True)
    found = np.zeros((len(faces.scores), faces.sizes.size), dtype=np.int64)
    if len(there):
        inside = faces.scores <= step
        found[:, there] = np.add.reduceat(inside, start, axis=1, dtype=np.int64)
    return found.reshape(len(faces.scores), *faces.sizes.shape)


def chances(k: np.ndarray, faces: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Chance of each member to be falsely matched in a gallery drawn by strata.

    k: faces that match, (members, strata); faces: faces there are, (strata,); drawn: faces that are
    drawn, (strata,) or (members, strata). NaN for a member whose gallery is empty.
    """
    if drawn.ndim == 1:
        used = drawn > 0
        return rates.expected_fpir_hypergeometric(k[:, used], faces[used], drawn[used])
    out = np.full(len(k), np.nan)
    for row in np.unique(drawn, axis=0):
        mine = (drawn == row).all(axis=1)
        if row.any():
            out[mine] = chances(k[mine], faces, row)
    return out


def matched_step(faces: Faces, drawn: np.ndarray, wanted: float = WANTED) -> int:
    """Threshold, in steps of 0.0001, that flags nearest to `wanted`, the stricter of ties."""

    def expected(step):
        k = counts(faces, step).sum(axis=2)
        return np.nansum(chances(k, faces.sizes.sum(axis=1), drawn))

    low, high = -1, int(np.iinfo(faces.scores.dtype).max) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if expected(middle) < wanted else (low, middle)
    return low if low >= 0 and wanted - expected(low) <= expected(high) - wanted else high


def weights(members: pd.DataFrame, within_sex: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights of members of colour and of white members: the quotient of their weighted sums of
    chances is the FPIR ratio, crude or as Mantel and Haenszel have it within gender.
    """
    colour = members["of_colour"].to_numpy()
    sex = members["gender"].to_numpy() if within_sex else np.repeat("all", len(members))
    one, zero = np.zeros(len(members)), np.zeros(len(members))
    for s in np.unique(sex):
        n1, n0 = (colour & (sex == s)).sum(), (~colour & (sex == s)).sum()
        if n1 and n0:
            one[colour & (sex == s)] = n0 / (n1 + n0)
            zero[~colour & (sex == s)] = n1 / (n1 + n0)
    return one, zero


def log_ratio(chance: np.ndarray, members: pd.DataFrame, within_sex: bool = False) -> float:
    """Log ratio of expected FPIRs, of colour to white, without NaN; NaN or inf for sums of 0."""
    there = ~np.isnan(chance)
    one, zero = weights(members[there], within_sex)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log(one @ chance[there]) - np.log(zero @ chance[there]))


def each_ratio(chance: np.ndarray, members: pd.DataFrame) -> list[tuple[np.ndarray, bool]]:
    """For each of RATIOS: the chances it takes (Asian members' missing in the last), within sex?"""
    not_asian = np.where(groups.asian(members["group"]), np.nan, chance)
    return [(chance, False), (chance, True), (not_asian, False)]


def log_ratios(chance: np.ndarray, members: pd.DataFrame) -> list[float]:
    """`log_ratio` for each of RATIOS."""
    return [log_ratio(values, members, within) for values, within in each_ratio(chance, members)]


def variance_members(chance: np.ndarray, members: pd.DataFrame, within_sex: bool = False) -> float:
    """Variance of `log_ratio` for other members of the same kind (delta method, fixed weights)."""
    there = ~np.isnan(chance)
    members, chance = members[there], chance[there]
    sex = members["gender"].to_numpy() if within_sex else np.repeat("all", len(members))
    total = 0.0
    for w in weights(members, within_sex):
        cells = pd.DataFrame({"sex": sex, "w": w, "chance": chance})[w > 0].groupby("sex")
        spread = (cells["w"].first() ** 2 * cells.size() * cells["chance"].var()).sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            total += spread / (w @ chance) ** 2
    return float(total)


def variances_gallery(
    k: np.ndarray, sizes: np.ndarray, drawn: np.ndarray, members: pd.DataFrame
) -> list[float]:
    """Variances of `log_ratios` for other gallery identities: delete-a-group jackknife over PARTS.

    It may be used as an expected FPIR at a fixed threshold is smooth in the gallery's counts; where
    much of a stratum is drawn it errs on the wide side (Efron and Stein 1981). k: (members, strata,
    PARTS); sizes: (strata, PARTS).
    """
    all_k, all_n = k.sum(axis=2), sizes.sum(axis=1)
    found = []
    for part in range(sizes.shape[1]):
        left = all_n - sizes[:, part]
        chance = chances(all_k - k[:, :, part], left, np.minimum(drawn, left))
        found.append(log_ratios(chance, members))
    found = np.array(found)
    found[~np.isfinite(found)] = np.nan  # a group without an expected match has no ratio
    g = len(found)
    return list((g - 1) / g * ((found - found.mean(axis=0)) ** 2).sum(axis=0))
