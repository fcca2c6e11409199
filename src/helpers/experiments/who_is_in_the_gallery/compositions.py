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
CHILD = "0-17"
STRATA = tuple(
    f"{g}, {r}, {b}" for g in groups.GENDERS for r in groups.RACES for b in (*BANDS, CHILD)
)
SIZE = 1000  # the one size of all compositions
POLICIES = ("default", "primary", "matched")
WANTED = ACLU_COUNT
RATIOS = ("crude", "within", "not_asian")
FILLED = 0.95  # at most this part of a stratum is drawn, so that the jackknife can leave some out
PARTS = 40  # of the gallery's identities, for the jackknife
HEAT_FMR = 1e-4


def targets() -> pd.DataFrame:
    """The published figures behind the targets: a row for each category of each target.

    target, category (the publisher's), race, gender, age_band (the crosswalk to UTKFace's labels;
    empty: all), value, of, unit, source_url, status (primary: the publisher's own page was read;
    copy: the publisher's table on another page; press), note.
    """
    return pd.read_csv(TARGETS, keep_default_na=False)


def margins(target: str, hispanic: str = "Others") -> list[pd.DataFrame]:
    """Margins of a target over UTKFace's labels: tables of the columns they fix, and share.

    hispanic: the label under which Hispanic people whom the publisher counts by race go: "Others",
    or "White" (left where the FBI has them, since most are recorded as white).
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


def rake(parts: list[pd.DataFrame], odds: float = 1.0) -> pd.Series:
    """Joint shares of the adult strata with the given margins, by iterative proportional fitting.

    What the margins leave open is independent; `odds` other than 1 ties women to the label White by
    that odds ratio instead. Returns stratum -> share, sum 1 (Deming and Stephan 1940).
    """
    names = ["gender", "race", "age_band"]
    cells = pd.MultiIndex.from_product([groups.GENDERS, groups.RACES, BANDS], names=names).to_frame(
        index=False
    )
    women = (cells["gender"] == "female") & (cells["race"] == "White")
    share = np.where(women, odds, 1.0) / len(cells)
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
    return pd.Series(share, index=cells["gender"] + ", " + cells["race"] + ", " + cells["age_band"])


def apportion(shares: pd.Series, size: int) -> pd.Series:
    """Whole numbers that add to `size` in the given shares, by the largest remainder."""
    wanted = shares / shares.sum() * size
    whole = np.floor(wanted + 1e-9).astype(int)
    order = (whole - wanted).sort_values(kind="stable").index
    whole[order[: size - whole.sum()]] += 1
    return whole


def largest_size(shares: pd.Series, faces: pd.Series, filled: float = FILLED) -> int:
    """The largest gallery in the given shares that the faces of each stratum allow."""
    used = shares[shares > 0] / shares.sum()
    return int((filled * faces.reindex(used.index, fill_value=0) / used).min() + 1e-9)


def fixed_designs() -> dict[str, pd.Series]:
    """The compositions that do not depend on the faces there are, as shares of all strata."""
    arrests = margins("us-arrests")
    joint = rake(arrests)
    men = joint[joint.index.str.startswith("male")]
    age = [m for m in arrests if "age_band" in m]
    found = {
        "balanced": joint * 0 + 1 / len(joint),
        "US adults": rake(margins("us-adults")),
        "US arrests": joint,
        "US arrests, men only": men / men.sum(),
        "US arrests, Hispanic people as White": rake(margins("us-arrests", hispanic="White")),
        "US arrests, suburban race table": rake(margins("us-arrests-suburban") + arrests[1:]),
        "US arrests, white women twice as likely": rake(arrests, odds=2.0),
        "US arrests, white women half as likely": rake(arrests, odds=0.5),
        "US jails": rake(margins("us-jails") + age),
    }
    return {k: v.reindex(STRATA, fill_value=0.0) for k, v in found.items()}


def designs(faces: pd.Series) -> dict[str, pd.Series]:
    """Every composition as shares of strata, from the faces there are (stratum -> faces).

    A single-race gallery is half women and half men, in the ages that UTKFace has of them.
    """
    faces = pd.Series(faces.reindex(STRATA).to_numpy(dtype=float), index=list(STRATA))
    label = pd.DataFrame([s.split(", ") for s in STRATA], index=faces.index)
    gender, race, adult = label[0], label[1], label[2] != CHILD

    def within(mask):
        return faces.where(mask, 0.0) / faces[mask].sum()

    found = {"as it is": within(adult)}
    for r in groups.RACES:
        halves = [within(adult & (race == r) & (gender == g)) for g in groups.GENDERS]
        found[f"{r} only"] = sum(halves) / len(groups.GENDERS)
    found["women only"] = within(adult & (gender == "female"))
    found["men only"] = within(adult & (gender == "male"))
    found["with children"] = within(gender != "")
    found["children only"] = within(~adult)
    return found | fixed_designs()


MAIN = ("as it is", "balanced", "US adults", "US arrests")
SINGLE = tuple(f"{race} only" for race in groups.RACES)
ARRESTS = (
    "US arrests",
    "US arrests, men only",
    "US arrests, Hispanic people as White",
    "US arrests, suburban race table",
    "US arrests, white women twice as likely",
    "US arrests, white women half as likely",
    "US jails",
)


WHOLE, LEGISLATORS = "whole gallery", "legislators"


OWN, OWN_SEX = "own group", "own group and sex"


def own_groups(members: pd.DataFrame, faces: pd.Series, size: int = SIZE) -> dict:
    """Galleries of a member's own group, equally large for everyone: name -> faces a member.

    Each entry is an integer array (members, strata): "own group" has `size` faces of the member's
    label by the crosswalk, half women; "own group and sex" half as many of the member's own sex.
    Rows of zeros for members whose group has no label.
    """
    plans = designs(faces)
    race = members["group"].map(groups.RACE_OF_GROUP)
    both = np.zeros((len(members), len(faces)), dtype=int)
    alone = np.zeros_like(both)
    for label in race.dropna().unique():
        shares = plans[f"{label} only"]
        both[(race == label).to_numpy()] = apportion(shares, size)
        for gender in groups.GENDERS:
            part = shares * shares.index.str.startswith(gender)
            mine = (race == label) & (members["gender"] == gender)
            alone[mine.to_numpy()] = apportion(part, size // 2)
    return {OWN: both, OWN_SEX: alone}


class Faces(NamedTuple):
    """Scores of the members against one gallery, ordered by stratum and part.

    scores: int16 (members, faces), in steps of 0.0001; code: stratum x PARTS + part of each face;
    sizes: faces of each stratum and part, (strata, PARTS); strata: their names. Members that failed
    to enrol have no finite score (the largest int16).
    """

    scores: np.ndarray
    code: np.ndarray
    sizes: np.ndarray
    strata: list


def make_faces(scores, stratum, part, strata) -> Faces:
    """Order a score matrix by stratum and part; faces of a stratum that is not listed are left out.

    scores: int16 (members, faces); stratum: name a face; part: int a face, below PARTS.
    """
    index = pd.Index(strata).get_indexer(stratum)
    keep = np.flatnonzero(index >= 0)
    code = index[keep] * PARTS + np.asarray(part)[keep]
    order = np.argsort(code, kind="stable")
    sizes = np.bincount(code, minlength=len(strata) * PARTS).reshape(len(strata), PARTS)
    return Faces(np.ascontiguousarray(scores[:, keep[order]]), code[order], sizes, list(strata))


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
    """The threshold, in steps of 0.0001, at which the expected number flagged is next to `wanted`.

    Ties are broken towards the stricter one.
    """

    def expected(step):
        k = counts(faces, step).sum(axis=2)
        return np.nansum(chances(k, faces.sizes.sum(axis=1), drawn))

    low, high = -1, int(np.iinfo(faces.scores.dtype).max) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if expected(middle) < wanted else (low, middle)
    return low if low >= 0 and wanted - expected(low) <= expected(high) - wanted else high


def weights(members: pd.DataFrame, within_sex: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights of members whose weighted sums of chances have the FPIR ratio as their quotient.

    Crude: 1/n of each group. Within sex: the Mantel-Haenszel weights, n of the other group over n
    of the stratum. Returns those of members of colour and of white members.
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
    """Logarithm of the ratio of expected FPIRs, members of colour to white members.

    Members without a chance (NaN) are left out. NaN or infinite where a group's sum is zero.
    """
    there = ~np.isnan(chance)
    one, zero = weights(members[there], within_sex)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log(one @ chance[there]) - np.log(zero @ chance[there]))


def log_ratios(chance: np.ndarray, members: pd.DataFrame) -> list[float]:
    """`log_ratio` crude, within sex, and crude without Asian members: one for each of RATIOS."""
    return [
        log_ratio(chance, members),
        log_ratio(chance, members, within_sex=True),
        log_ratio(without_asian(chance, members), members),
    ]


def without_asian(chance: np.ndarray, members: pd.DataFrame) -> np.ndarray:
    """The chances with those of East and South Asian members missing."""
    return np.where(groups.asian(members["group"]), np.nan, chance)


def variance_members(chance: np.ndarray, members: pd.DataFrame, within_sex: bool = False) -> float:
    """Variance of `log_ratio` for other members of the same kind (delta method, fixed weights)."""
    there = ~np.isnan(chance)
    members, chance = members[there], chance[there]
    sex = members["gender"].to_numpy() if within_sex else np.repeat("all", len(members))
    total = 0.0
    for w, mine in zip(
        weights(members, within_sex),
        (members["of_colour"].to_numpy(), ~members["of_colour"].to_numpy()),
        strict=True,
    ):
        spread = 0.0
        for s in np.unique(sex[mine]):
            cell = chance[mine & (sex == s)]
            if len(cell) > 1:
                spread += w[mine & (sex == s)][0] ** 2 * len(cell) * cell.var(ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            total += spread / (w @ chance) ** 2
    return float(total)


def variances_gallery(
    k: np.ndarray, sizes: np.ndarray, drawn: np.ndarray, members: pd.DataFrame
) -> list[float]:
    """Variances of `log_ratios` for other gallery identities of the same kind.

    A delete-a-group jackknife over PARTS of the identities at a fixed threshold. It may be used
    here because an expected FPIR is smooth in the gallery's counts, unlike the best score of one
    gallery; where much of a stratum is drawn it errs on the wide side (Efron and Stein 1981).
    k: (members, strata, PARTS); sizes: (strata, PARTS).
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
