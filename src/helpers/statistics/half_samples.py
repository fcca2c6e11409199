"""Intervals for members who all share one gallery, from half-samples of it."""

import numpy as np
import pandas as pd
from scipy import stats

from helpers.statistics.auc import delong
from helpers.statistics.intervals import logit_interval, mantel_haenszel_risk_ratio, wilson
from helpers.statistics.rates import reach

NEAREST = 30  # clusters kept a probe: that a half gallery holds none of 30 has a chance of 1e-9


def half_sample(
    candidates,
    clusters,
    members,
    *,
    count=None,
    threshold=None,
    n_clusters=None,
    draws=1000,
    seed=0,
):
    """95 % intervals that allow for the gallery that all members share, from half-samples of it.

    candidates: columns probe_id, gallery_id, score (distance, four decimals), complete up to a
    score well beyond the threshold: in a half gallery a member's second or third best counts.
    clusters: Series, gallery id -> identity cluster; None if every face is its own cluster.
    members: one row a person searched, with member_id (= probe id), of_colour (bool) and, if
    wanted, gender (for the ratio within sex) and group (for an FPIR of each).
    count: members flagged, at a threshold re-derived in every draw; or threshold: a fixed distance.
    n_clusters: clusters in the whole gallery, of which exactly half are drawn; without it each is
    in with chance 1/2.

    Returns one row a statistic ("fpir", "fpir of colour", "fpir white", "fpir <group>", "false
    match share", "risk ratio", "risk ratio within sex", "auc") with numerator, denominator,
    estimate, low, high, design_effect (variance over that of independent searches) and
    sd_members, sd_gallery, sd_both: the spread on the working scale when only members, only the
    gallery, or both are redrawn. With a count the overall FPIR has no interval. auc is left out
    where a half gallery leaves more than 1 % of the members without a kept candidate.

    Scale. Half of M clusters, drawn without replacement, gives a mean the variance
    (1 - 1/2) S^2 / (M/2) = S^2 / M, that of the whole gallery's: the spread needs no factor. But a
    half gallery has about half the matches. So an FPIR is followed as the hazard -log(1 - FPIR),
    which is proportional to the gallery, its spread relative to its mean; the ratio on the scale of
    the share; and a count k flags n (1 - sqrt(1 - k/n)) in a half gallery, at the same threshold.

    Members and gallery together. With effects of members (A), of gallery faces (B) and of pairs
    (E), redrawing members sees V_m = A + E, the gallery V_g = B + E, both V_b = A + B + 3E (Owen,
    Ann. Appl. Stat. 1 (2007), 386-411). The variance of the estimate is A + B + E =
    2 (V_m + V_g) - V_b, never below V_m, V_g or that of independent searches; the gallery's part is
    widened by Student's t where few different faces make the matches.

    Intervals are Wilson's with counts divided by the design effect, so that zero cells keep a
    bound: for an FPIR directly; for the share given the sizes of both groups; for the ratio from
    the share, ratio = odds of the share x n0 / n1. The ratio within sex takes the design effect of
    the crude one. The AUC's is on the logit scale. Coverage: see `simulate_coverage`.

    >>> from helpers.statistics.made_up_searches import simulate_search
    >>> search = simulate_search(np.random.default_rng(0))
    >>> table = half_sample(*search, count=28, draws=100)
    >>> int(table.at["fpir of colour", "numerator"] + table.at["fpir white", "numerator"])
    28
    """
    data = _half_data(candidates, clusters, members)
    n = data["n"]
    kind, value = _flagging(count, threshold, n)
    if draws < 50:
        raise ValueError(f"{draws} draws give no usable spread: take at least 50")
    rng = np.random.default_rng(seed)
    full = data["best"][None, :]
    halves = _half_best(data, n_clusters, draws, rng)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64)
    once = np.ones((draws, n))
    with_auc = np.isinf(halves).mean() - np.isinf(full).mean() <= 0.01

    half_value = n * (1 - np.sqrt(1 - value / n)) if kind == "count" else value
    flags = _flags(full, once[:1], kind, value)
    data["flags"] = flags[0]
    counts = _cells(flags, once[:1], data)
    scale = _scale(counts)
    drawn = {}
    for name, best, w, at in (
        ("members", np.broadcast_to(full, halves.shape), weights, value),
        ("gallery", halves, once, half_value),
        ("both", halves, weights, half_value),
    ):
        drawn[name] = _working(_cells(_flags(best, w, kind, at), w, data), scale)
        if with_auc:
            drawn[name]["auc"] = _weighted_auc(best, w, data["of_colour"])
    sds = pd.DataFrame({name: _spread(pd.DataFrame(d)) for name, d in drawn.items()})
    return _half_table(data, counts, sds, kind)


def _flagging(count, threshold, n):
    """("count", k) or ("fixed", threshold)."""
    if (count is None) == (threshold is None):
        raise ValueError("give a count of members flagged or a fixed threshold, one of the two")
    if count is not None:
        if not 1 <= count <= n:
            raise ValueError(f"{count} of {n} members cannot be flagged")
        return "count", int(count)
    if not np.isfinite(threshold):
        raise ValueError(f"the threshold must be a finite number, not {threshold}")
    return "fixed", float(threshold)


def _half_data(candidates, clusters, members):
    """Sorted arrays for the draws: the nearest clusters of each member, and the cells."""
    missing = {"probe_id", "gallery_id", "score"} - set(candidates.columns)
    if missing:
        raise ValueError(f"the candidates have no column {sorted(missing)}")
    ids = pd.Index(members.get("member_id", members.index))
    if ids.has_duplicates:
        raise ValueError(f"a member is listed twice: {ids[ids.duplicated()][0]!r}")
    of_colour = members["of_colour"].to_numpy()
    if of_colour.dtype != bool or of_colour.all() or not of_colour.any():
        raise ValueError("of_colour must hold True and False, both of them")
    gallery = candidates["gallery_id"]
    cluster = gallery if clusters is None else gallery.map(clusters)
    if cluster.isna().any():
        raise ValueError(f"gallery face {gallery[cluster.isna()].iloc[0]!r} has no cluster")
    rows = pd.DataFrame(
        {
            "member": ids.get_indexer(candidates["probe_id"]),
            "cluster": pd.factorize(cluster)[0],
            "score": candidates["score"].to_numpy(dtype=np.float64).round(4),
        }
    )
    rows = rows[rows["member"] >= 0]
    if not len(rows) or not np.isfinite(rows["score"]).all():
        raise ValueError("the members have no candidates, or a score is NaN or inf")
    rows = rows.sort_values(["member", "score", "cluster"]).drop_duplicates(["member", "cluster"])
    rows = rows.groupby("member").head(NEAREST)
    if rows["member"].is_unique:
        raise ValueError(
            "only one identity is kept for each member: a half gallery needs the next best, so "
            "keep more candidates, up to a looser score"
        )
    who, start = np.unique(rows["member"].to_numpy(), return_index=True)
    best = np.full(len(ids), np.inf)
    best[who] = rows["score"].to_numpy()[start]
    code, _ = pd.factorize(rows["cluster"])
    nearest = np.full(len(ids), -1)
    nearest[who] = code[start]
    cells = {"": np.ones(len(ids), bool), " of colour": of_colour, " white": ~of_colour}
    if "group" in members:
        for group in pd.unique(members["group"]):
            inside = (members["group"] == group).to_numpy()
            if not any((inside == other).all() for other in cells.values()):
                cells[f" {group}"] = inside
    return {
        "n": len(ids),
        "of_colour": of_colour,
        "gender": members["gender"].to_numpy() if "gender" in members else None,
        "names": list(cells),
        "cells": np.column_stack(list(cells.values())).astype(np.float64),
        "best": best,
        "nearest": nearest,
        "who": who,
        "start": start,
        "score": rows["score"].to_numpy(),
        "cluster": code,
        "n_codes": int(code.max()) + 1,
    }


def _half_best(data, n_clusters, draws, rng):
    """Best score of each member in each half gallery: float64, (draws, members), inf for none."""
    c = data["n_codes"]
    if n_clusters is not None and n_clusters < c:
        raise ValueError(f"{c} clusters appear among the candidates, more than {n_clusters}")
    out = np.full((draws, data["n"]), np.inf)
    step = max(1, 4_000_000 // max(c, len(data["score"])))
    for first in range(0, draws, step):
        block = min(step, draws - first)
        if n_clusters is None:
            inside = rng.random((block, c)) < 0.5
        else:
            # how many of the half fall on clusters that appear, then which of them
            size = rng.hypergeometric(c, n_clusters - c, n_clusters // 2, size=block)
            inside = rng.permuted(np.arange(c)[None, :] < size[:, None], axis=1)
        scores = np.where(inside[:, data["cluster"]], data["score"], np.inf)
        best = np.minimum.reduceat(scores, data["start"], axis=1)
        out[first : first + block, data["who"]] = best
    return out


def _flags(best, weights, kind, value):
    """Who is flagged in each draw; with a count T is the value-th best, with weights."""
    if kind == "fixed":
        return best <= reach(value)
    order = np.argsort(best, axis=1)
    reached = np.cumsum(np.take_along_axis(weights, order, 1), 1) >= max(1, round(value))
    at = np.take_along_axis(order, reached.argmax(axis=1)[:, None], 1)
    threshold = np.take_along_axis(best, at, 1)
    if np.isinf(threshold).any() or not reached.any(axis=1).all():
        raise ValueError(
            f"too few candidates to flag {round(value)} members in every draw: keep candidates up "
            "to a looser score"
        )
    return best <= reach(threshold)


def _cells(flags, weights, data):
    """Flagged and searched of each cell in each draw: two arrays (draws, cells)."""
    return (weights * flags) @ data["cells"], weights @ data["cells"]


def _hazard(k, n):
    """-log(1 - k/n): proportional to the size of the gallery; held finite where all are flagged."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return -np.log1p(-np.minimum(k / n, 1 - 0.5 / np.maximum(n, 1)))


def _scale(counts):
    """What carries a ratio of hazards over to a ratio of FPIRs: slopes, and where it is centred."""
    k, n = counts[0][0], counts[1][0]
    f = (k[1:3] + 0.5) / (n[1:3] + 1)
    slope = (1 - f) * -np.log1p(-f) / f  # d log FPIR / d log hazard
    h = -np.log1p(-f)
    odds = f[0] * n[1] / (f[1] * n[2])
    return slope, odds * h[1] ** slope[1] / h[0] ** slope[0]


def _working(cells, scale):
    """The statistics of each draw on the scale on which their spread is taken."""
    k, n = cells
    (slope1, slope0), odds = scale
    with np.errstate(invalid="ignore", divide="ignore"):
        hazards = _hazard(k, n)  # NaN where no member of a group was redrawn
        one, zero = odds * _hazard(k[:, 1], n[:, 1]) ** slope1, _hazard(k[:, 2], n[:, 2]) ** slope0
        share = one / (one + zero)
    return {**{f"fpir {j}": hazards[:, j] for j in range(k.shape[1])}, "share": share}


def _weighted_auc(best, weights, of_colour):
    """AUC of each draw: chance that a member of colour's best is smaller, ties one half."""
    found, order = [], np.argsort(best[:, ~of_colour], axis=1)
    for b, w, at in zip(best, weights, order, strict=True):
        white, own = b[~of_colour][at], w[of_colour]
        up_to = np.concatenate([[0.0], np.cumsum(w[~of_colour][at])])
        below, reached = (
            up_to[np.searchsorted(white, b[of_colour], side)] for side in ("left", "right")
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            above = own @ (up_to[-1] - (below + reached) / 2)
            found.append(above / (own.sum() * up_to[-1]))
    return np.array(found)


def _spread(draws):
    """Standard deviation of each column, NaN draws left out; relative to the mean for a hazard."""
    sd = draws.std(ddof=1)
    hazards = sd.index.str.startswith("fpir")
    with np.errstate(invalid="ignore"):
        sd[hazards] = sd[hazards] / draws.mean()[hazards]
    return sd


def _total_variance(sds, floor, faces):
    """A + B + E, the gallery's part widened by Student's t where it rests on few faces."""
    m, g, b = (sds[c] ** 2 for c in ("members", "gallery", "both"))
    total = np.nanmax([2 * (m + g) - b, m, g, floor])
    gallery = max(0.0, total - np.nanmax([m, floor]))
    # members a cluster: their effective number, less one, gives the degrees of freedom
    c = np.unique(faces, return_counts=True)[1]
    freedom = max(2.0, c.sum() ** 2 / (c**2).sum() - 1) if c.size else 2.0
    widened = (stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975)) ** 2
    return float(total + gallery * (widened - 1))


def _half_table(data, counts, sds, kind):
    k, n = counts[0][0], counts[1][0]
    rows, nan = {}, float("nan")
    faces = data["nearest"][data["flags"]]
    for j, cell in enumerate(data["names"]):
        sd = sds.loc[f"fpir {j}"]
        p = k[j] / n[j] if 0 < k[j] < n[j] else (k[j] + 0.5) / (n[j] + 1)
        floor = p / (1 - p) / np.log1p(-p) ** 2 / n[j]  # of the log hazard
        effect = _total_variance(sd, floor, faces) / floor
        low, high = wilson(k[j] / effect, n[j] / effect)
        if j == 0 and kind == "count":
            low = high = effect = nan
        rows[f"fpir{cell}"] = [k[j], n[j], k[j] / n[j], low, high, effect, *sd]

    (k1, k0), (n1, n0) = k[1:3], n[1:3]
    total = k1 + k0
    if total:
        add_half = 0 if k1 and k0 else 0.5  # only an empty cell needs it
        p = (k1 + add_half) / (total + 2 * add_half)
        floor = (1 - k1 / n1) / (k1 + add_half) + (1 - k0 / n0) / (k0 + add_half)
        floor = max(floor, 1e-12)  # of the log ratio
        sd = sds.loc["share"]
        variance = _total_variance(sd, floor * (p * (1 - p)) ** 2, faces) / (p * (1 - p)) ** 2
        effect = variance / floor

        def through_share(ratio, variance):
            """Wilson's interval of the share that the ratio implies, and of the ratio."""
            share = 1.0 if np.isinf(ratio) else ratio * n1 / (ratio * n1 + n0)
            size = 1 / (p * (1 - p) * variance)
            ends = np.array(wilson(share * size, size))
            with np.errstate(divide="ignore"):
                return ends, ends / (1 - ends) * n0 / n1

        ratio = (k1 / n1) / (k0 / n0) if k0 else np.inf
        of_share, of_ratio = through_share(ratio, variance)
        rows["false match share"] = [k1, total, k1 / total, *of_share, effect, *sd]
        rows["risk ratio"] = [k1, total, ratio, *of_ratio, effect, *sd]
        if data["gender"] is not None:
            mh = mantel_haenszel_risk_ratio(_strata(data))
            plain = floor
            if np.isfinite(mh.low):
                z = stats.norm.ppf(0.975)
                plain = ((np.log(mh.high) - np.log(mh.low)) / (2 * z)) ** 2
            ends = (nan, nan)
            if not np.isnan(mh.ratio):
                ends = through_share(mh.ratio, plain * effect)[1]
            rows["risk ratio within sex"] = [k1, total, mh.ratio, *ends, effect, *sd]

    if "auc" in sds.index:
        auc, plain = delong(data["best"][data["of_colour"]], data["best"][~data["of_colour"]])
        sd = sds.loc["auc"]
        variance = _total_variance(sd, plain, data["nearest"][data["who"]])
        rows["auc"] = [nan, nan, auc, *logit_interval(auc, variance), variance / plain, *sd]

    columns = ["numerator", "denominator", "estimate", "low", "high", "design_effect"]
    columns += ["sd_members", "sd_gallery", "sd_both"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("statistic")
    return table.astype({"numerator": "Int64", "denominator": "Int64"})


def _strata(data):
    """Flagged and searched within recorded gender: columns k1, n1, k0, n0."""
    frame = pd.DataFrame({"gender": data["gender"], "colour": data["of_colour"]})
    frame["flagged"] = data["flags"]
    by = frame.groupby(["gender", "colour"])["flagged"].agg(["sum", "size"]).unstack(fill_value=0)
    cells = {"k1": ("sum", True), "n1": ("size", True), "k0": ("sum", False), "n0": ("size", False)}
    return pd.DataFrame({name: by[cell] for name, cell in cells.items()})
