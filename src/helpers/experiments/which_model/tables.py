"""The tables of notebook 07: the feed, the rules, the curve beside chance, failures to enrol."""

import itertools
from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.the_people import validity as gate
from helpers.experiments.which_model.detectors import FRAMINGS, RESULTS, SEED
from helpers.experiments.which_model.specifications import (
    AXES,
    COUNTED,
    SAME_LIST,
    SEARCH,
    Chance,
    beside_chance,
    counted,
    curve,
    moves,
    only,
    ratios,
    shuffled,
    survival,
)
from helpers.faces.pipelines import (
    DEEPFACE,
    MODEL_LABELS,
    MODELS,
    NATIVE,
    PIPELINES,
    PRIMARY_MODELS,
)
from helpers.protocol import congress_test, shipped, validity
from helpers.show.numbers import percent, rate
from helpers.sources import groups
from helpers.statistics import exact_tests, intervals

GALLERIES = {"utkface": "Adult strangers", "legislators": "Former legislators"}
FEEDS = {NATIVE: "as its publisher feeds it", DEEPFACE: "through deepface"}
CHOICES = {
    "feed": "feed: the publisher's or deepface's",
    "network": "network",
    "gallery": "gallery: strangers or former legislators",
    "size": "gallery: whole or a sample",
    "detector": "detector",
    "framing": "framing of the members' photographs",
    "portrait": "which portrait",
    "policy": "threshold",
    "variant": "who is left out as the same person",
    "release 0.1": "four programs compared at first",
}
RULE_LABELS = {
    COUNTED: "Counted",
    "failures": "Over 5 % of the members fail to enrol",
    "ties": "Ties flag more people than asked for",
    "few": "Fewer than ten people flagged",
    "many": "More than half of those searched flagged",
    SAME_LIST: "The same people as another choice",
}


def at_28() -> pd.DataFrame:
    """The first portraits at 28 flagged, whole galleries, rule applied: a row a pipeline, gallery.

    Columns model, gallery, flagged, of_colour, expected (of colour among as many women and men
    drawn at random), ratio, low, high, row (in `curve`).
    """
    found = curve()
    table = found.table
    usual = {a: options[0] for a, options in AXES.items() if a not in SEARCH[:3]}
    usual |= {"policy": shipped.PRIMARY}
    # the rule leaves nobody out of the former legislators
    left_out = table["variant"].eq(np.where(table["gallery"] == "utkface", "rule", "any"))
    usual.pop("variant")
    here = (table[list(usual)] == pd.Series(usual)).all(axis=1) & left_out
    rows = []
    colour = found.members["of_colour"].astype(float)
    share = colour.groupby(found.members["gender"]).transform("mean").to_numpy()
    for gallery, model in itertools.product(GALLERIES, MODELS):
        how = {"network": PIPELINES[model].recogniser, "feed": PIPELINES[model].feed}
        mine = (
            here & (table[list(how)] == pd.Series(how)).all(axis=1) & table["gallery"].eq(gallery)
        )
        row = table[mine].index[0]
        people = found.flagged[row]
        ratio = table.loc[row, ["ratio", "low", "high"]].to_list()
        counts = (int(people.sum()), int(people @ colour), float(share[people].sum()))
        rows.append((model, gallery, *counts, *ratio, row))
    columns = ["model", "gallery", "flagged", "of_colour", "expected", "ratio", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "row"])


def dots() -> pd.DataFrame:
    """`at_28` for the picture: Gallery, Pipeline, Gate, Picked, Of colour, By chance."""
    table = at_28()
    return pd.DataFrame(
        {
            "Gallery": table["gallery"].map(GALLERIES),
            "Pipeline": table["model"].map(MODEL_LABELS),
            "Gate": table["model"].map(_gate),
            "Picked": table["flagged"],
            "Of colour": table["of_colour"],
            "By chance": table["expected"].round(1),
        }
    )


@cache
def passing() -> frozenset:
    """The pipelines that pass the validity gate, measured on the members' second portraits."""
    table = gate.measured().query("dataset == @gate.LARGER")
    return frozenset(row["model"] for row in table.to_dict("records") if validity.passes(row))


def _gate(model: str) -> str:
    return "passes" if model in passing() else "fails"


def feeds() -> pd.DataFrame:
    """One network, two feeds: the gate, and what is picked among adult strangers at 28 flagged."""
    measured = gate.measured().query("dataset == @gate.LARGER").set_index("model")
    found, here = curve(), at_28().query("gallery == 'utkface'").set_index("model")
    framed, tar = _framed(), f"tar_{validity.VALID_FMR:g}"
    rows = []
    for model in sorted(MODELS, key=lambda m: AXES["network"].index(PIPELINES[m].recogniser)):
        native = next(m for m in PRIMARY_MODELS if _network(m) == _network(model))
        both = found.flagged[here.at[model, "row"]] & found.flagged[here.at[native, "row"]]
        one, pair = here.loc[model], measured.loc[model]
        rows.append(
            {
                "Pipeline": MODEL_LABELS[model],
                "Pairs accepted": f"{percent(pair[tar])}: {_gate(model)}",
                "Own portrait first": percent(pair["rank_1_rate"]),
                "Of colour among those picked": f"{one['of_colour']} of {one['flagged']}",
                "Ratio": f"{one['ratio']:.2f}",
                "95 % interval": f"{one['low']:.2f}–{one['high']:.2f}",
                "Ratio, photo cut as UTKFace": f"{framed[model]:.2f}",
                "Picked by the native feed, too": int(both.sum()),
            }
        )
    return pd.DataFrame(rows)


def _network(model: str) -> str:
    return PIPELINES[model].recogniser


def _framed() -> dict[str, float]:
    """The ratio at 28 flagged with the members' photographs cut as UTKFace's, by pipeline."""
    table = curve().table.query("framing == @FRAMINGS[1] and variant == 'rule'")
    table = table[table["policy"].eq(shipped.PRIMARY)].set_index(["network", "feed"])["ratio"]
    return {m: table[_network(m), PIPELINES[m].feed] for m in MODELS}


def rules() -> pd.DataFrame:
    """How many specifications each rule leaves out: Rule, then a column a feed."""
    table = curve().table
    counts = table.groupby(["why", "feed"]).size().unstack(fill_value=0)
    counts = counts.reindex(list(RULE_LABELS), fill_value=0)
    columns = {f"{FEEDS[f].capitalize()}": counts[f].to_list() for f in FEEDS}
    shown = pd.DataFrame({"Rule": list(RULE_LABELS.values()), **columns})
    total = pd.DataFrame([{"Rule": "All", **{c: shown[c].sum() for c in columns}}])
    return pd.concat([shown, total], ignore_index=True)


def drawn() -> pd.DataFrame:
    """The specifications of the curve, native ones first, each block sorted by ratio."""
    table = curve().table
    table = table[table["why"].eq(COUNTED)].drop(columns="why")
    table = table.assign(counted=table["feed"].eq(NATIVE))
    # ties would stand in an order of the machine's own
    by = ["counted", "ratio", *AXES]
    return table.sort_values(by, ascending=[False] + [True] * (len(by) - 1), ignore_index=True)


@cache
def chances() -> pd.DataFrame:
    """`survival` of parts of the curve: where, specifications, conclusion, then as in `Chance`."""
    native, other = counted(curve()), counted(curve(), DEEPFACE)
    parts = {"All, as published": native}
    parts |= {n: only(native, native.table["network"].eq(n)) for n in AXES["network"]}
    parts |= {t: only(native, native.table["gallery"].eq(g)) for g, t in GALLERIES.items()}
    parts |= {"All, through deepface": other}
    rows = [
        (name, len(part.table), conclusion, *chance)
        for name, part in parts.items()
        for conclusion, chance in survival(part).items()
    ]
    return pd.DataFrame(rows, columns=["where", "specifications", "conclusion", *Chance._fields])


CONCLUSIONS = {
    "median": "Median ratio",
    "more": "More often",
    "clearly more": "Clearly more often",
    "clearly less": "Clearly less often",
    "more, not Asian": "More often, without Asian members",
}


def survived() -> pd.DataFrame:
    """`chances` for readers: a row a part of the curve; in brackets what shuffled labels give."""
    rows = []
    for (where, n), part in chances().groupby(["where", "specifications"], sort=False):
        row = {"Specifications": where, "Number": n}
        for one in part.itertuples():
            if one.conclusion == "median":
                text = f"{one.observed:.1f} (chance {one.low:.1f}–{one.high:.1f})"
            else:
                text = f"{percent(one.observed, 0)} (chance {interval_of(one)})"
            row[CONCLUSIONS[one.conclusion]] = text
        rows.append(row)
    return pd.DataFrame(rows)


def interval_of(chance) -> str:
    """The central 95 % of shuffles of a share, in whole per cent: "32–68 %"."""
    return f"{100 * chance.low:.0f}–{100 * chance.high:.0f} %"


def fpirs() -> pd.DataFrame:
    """How many are falsely matched in whole galleries, by threshold: native feeds, any portrait."""
    table = curve().table
    table = table[table["size"].eq("whole") & table["feed"].eq(NATIVE)]
    table = table[table["framing"].eq(FRAMINGS[0]) & ~table["policy"].str.startswith("count")]
    names = {"default": "Publisher's default", "fmr:1e-4": "FMR of 1 in 10,000"}
    names |= {"fmr:1e-5": "FMR of 1 in 100,000", "fmr:1e-6": "FMR of 1 in a million"}
    rows = [
        {
            "Threshold": name,
            "Least": percent(fpir.min()),
            "Median": percent(fpir.median()),
            "Greatest": percent(fpir.max()),
        }
        for policy, name in names.items()
        if len(fpir := table.loc[table["policy"].eq(policy), "fpir"])
    ]
    return pd.DataFrame(rows)


def shown_moves() -> pd.DataFrame:
    """`moves` for readers."""
    table = moves()
    return pd.DataFrame(
        {
            "Choice": table["choice"].map(CHOICES),
            "Pairs": table["pairs"],
            "Typical factor": table["factor"].round(2),
            "One pair in ten exceeds": table["factor_90"].round(2),
            "Other side of 1": table["flips"].map(lambda v: percent(v, 0)),
            "People in common": table["shared"].map(
                lambda v: "–" if np.isnan(v) else percent(v, 0)
            ),
        }
    )


def parts() -> pd.DataFrame:
    """Each recorded group against white members over the counted native specifications.

    Columns Group, Members, Picked more often (share of specifications, in brackets chance), Median,
    Least, Greatest FPIR.
    """
    found = counted(curve())
    group = found.members["group"]
    masks = groups.masks(group)
    white = shuffled(found.members, masks.pop(groups.WHITE))
    rows = []
    for name, mask in masks.items():
        ratio, *_ = ratios(found, shuffled(found.members, mask), white)
        chance = beside_chance((ratio > 1).mean(axis=0))
        fpir = pd.Series(found.flagged[:, mask].mean(axis=1))
        more = f"{percent(chance.observed, 0)} (chance {interval_of(chance)})"
        ends = [percent(f) for f in (fpir.median(), fpir.min(), fpir.max())]
        rows.append((name, int(mask.sum()), more, *ends))
    columns = ["Group", "Members", "Picked more often", "Median FPIR", "Least", "Greatest"]
    return pd.DataFrame(rows, columns=columns)


def names() -> pd.DataFrame:
    """How often the same members are picked at 28 flagged, over the counted native ones."""
    found = counted(curve())
    here = found.table["policy"].eq(shipped.PRIMARY).to_numpy()
    times, n = found.flagged[here].sum(axis=0), int(here.sum())
    rows = [
        ("Lists compared", n),
        ("On one list or more", int((times > 0).sum())),
        ("On most lists", int((times > n / 2).sum())),
        ("On every list", int((times == n).sum())),
    ]
    return pd.DataFrame(rows, columns=["Members", "Number"])


# ---------------------------------------------------------------- failures to enrol


@cache
def member_failures() -> pd.DataFrame:
    """Members whose roster's portrait fails to enrol: a row a way to find the face and a group.

    Columns how, group (All members, and those of `groups.masks`), failures, images, low, high
    (Wilson).
    """
    members = congress_test.people_searched()
    masks = {"All members": members["group"].notna()} | groups.masks(members["group"])
    found = curve()
    rows = []
    for how, choices in FINDERS.items():
        here = (found.table[list(choices)] == pd.Series(choices)).all(axis=1).to_numpy()
        failed = ~found.enrolled[here & found.table["portrait"].eq("first").to_numpy()].any(axis=0)
        for group, mask in masks.items():
            k, n = int((failed & mask).sum()), int(mask.sum())
            rows.append((how, group, k, n, *intervals.wilson(k, n)))
    columns = ["how", "group", "failures", "images", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


FINDERS = {
    "YuNet": {"detector": "yunet", "feed": NATIVE, "framing": FRAMINGS[0]},
    "YuNet, photo cut": {"detector": "yunet", "feed": NATIVE, "framing": FRAMINGS[1]},
    "YuNet of deepface": {"detector": "yunet", "feed": DEEPFACE, "framing": FRAMINGS[0]},
    "OpenCV Haar": {"detector": "opencv"},
    "dlib HOG": {"detector": "dlib"},
}


def gallery_failures() -> pd.DataFrame:
    """Failures to enrol of all datasets and, for the strangers, by published label.

    Columns dataset, detector, framing, part (all, a gender, a race), failures, elsewhere, images,
    low, high (Wilson, of the failures).
    """
    table = pd.read_csv(RESULTS / "detectors-failures.csv")
    table["low"], table["high"] = intervals.wilson(table["failures"], table["images"])
    return table


def shown_failures() -> pd.DataFrame:
    """Failures to enrol for readers: members by recorded group, strangers by published label."""
    table = member_failures()
    members = {
        how: part.set_index("group").apply(_rate, axis=1) for how, part in table.groupby("how")
    }
    strangers = gallery_failures().query("dataset == 'utkface'")
    detectors = {"yunet": "YuNet", "opencv": "OpenCV Haar", "dlib": "dlib HOG"}
    others = {
        detectors[d]: part.set_index("part").apply(_rate, axis=1)
        for d, part in strangers.groupby("detector")
    }
    upper = pd.DataFrame(members)[list(FINDERS)]
    upper.index = [f"{i} members" if i in groups.GROUPS else i for i in upper.index]
    lower = pd.DataFrame(others)
    label = {"all": "All strangers", "female": "Strangers, women", "male": "Strangers, men"}
    lower.index = [label.get(i, f"Strangers, {i}") for i in lower.index]
    order = [*label.values(), *(f"Strangers, {r}" for r in groups.RACES)]
    both = pd.concat([upper, lower.loc[order]]).fillna("")
    return both.rename_axis("People").reset_index()


def _rate(row) -> str:
    return rate(int(row["failures"]), int(row["images"]), row["low"], row["high"])


def uneven_failures(resamples: int = 9999) -> pd.DataFrame:
    """Do the strangers' failures differ by published race? One row a detector: detector, p, holm_p.

    Chi-squared statistic of failures and successes by race, its p from permutations.
    """
    table = gallery_failures().query("dataset == 'utkface' and part in @groups.RACES")
    rows = []
    for detector, part in table.groupby("detector", sort=False):
        cells = np.array([part["failures"], part["images"] - part["failures"]])
        rows.append((detector, chance_of(cells, resamples)))
    result = pd.DataFrame(rows, columns=["detector", "p"])
    return result.assign(holm_p=exact_tests.holm(result["p"]))


def chance_of(cells: np.ndarray, resamples: int = 9999, seed: int = SEED) -> float:
    """Permutation p of the chi-squared statistic of a 2 x k table, margins kept."""
    failed, total = cells[0].sum(), cells.sum(axis=0)
    if failed in (0, total.sum()):
        return 1.0
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(total, failed, resamples)
    # with fixed margins chi-squared is this sum times a constant
    expected = total * failed / total.sum()
    far = ((np.vstack([cells[0], drawn]) - expected) ** 2 / expected).sum(axis=1)
    return float((far >= far[0] - 1e-9).mean())


def framing() -> pd.DataFrame:
    """How faces lie in their images: images, faces, side, centre_x, centre_y (medians, as parts of
    the image's width; side: square root of the area of YuNet's box)."""
    return pd.read_csv(RESULTS / "detectors-framing.csv")
