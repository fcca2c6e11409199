"""The tables of notebook 07: the feed, the rules, the curve beside chance, failures to enrol."""

import itertools
from functools import cache

import pandas as pd

from helpers.experiments.the_people import validity as gate
from helpers.experiments.which_model import specifications
from helpers.experiments.which_model.detectors import FRAMINGS, RESULTS
from helpers.experiments.which_model.specifications import AXES, counted, curve, only, survival
from helpers.faces import pipelines
from helpers.faces.pipelines import MODEL_LABELS, MODELS, PIPELINES, PRIMARY_MODELS
from helpers.protocol import shipped, validity
from helpers.show.numbers import percent, rate
from helpers.sources.groups import RACES
from helpers.statistics import intervals

GALLERIES = {"utkface": "Adult strangers", "legislators": "Former legislators"}
FEEDS = {pipelines.NATIVE: "as its publisher feeds it", pipelines.DEEPFACE: "through deepface"}
RULE_LABELS = {
    specifications.COUNTED: "Counted",
    "failures": "Over 5 % of the members fail to enrol",
    "ties": "Ties flag more people than asked for",
    "few": "Fewer than ten people flagged",
    "many": "More than half of those searched flagged",
    specifications.SAME_LIST: "The same people as another choice",
}


def at_28() -> pd.DataFrame:
    """The first portraits at 28 flagged, whole galleries, by rule: a row a pipeline and gallery.

    Adds of_colour, expected (as many women and men drawn by lot), ratio, low, high, row in `curve`.
    """
    found = curve()
    usual = {axis: options[0] for axis, options in AXES.items()} | {"policy": shipped.PRIMARY}
    table = found.table.set_index(list(AXES))
    colour = found.members["of_colour"].astype(float)
    share = colour.groupby(found.members["gender"]).transform("mean").to_numpy()
    rows = []
    for gallery, model in itertools.product(GALLERIES, MODELS):
        # the rule leaves nobody out of the former legislators
        variant = "rule" if gallery == "utkface" else "any"
        mine = usual | {"gallery": gallery, "network": _network(model), "variant": variant}
        row = table.index.get_loc(tuple((mine | {"feed": PIPELINES[model].feed}).values()))
        people = found.flagged[row]
        counts = (int(people.sum()), int(people @ colour), float(share[people].sum()))
        rows.append((model, gallery, *counts, *found.table.loc[row, ["ratio", "low", "high"]], row))
    columns = ["model", "gallery", "flagged", "of_colour", "expected", "ratio", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "row"])


def dots() -> pd.DataFrame:
    """`at_28` for the picture: Gallery, Pipeline, Gate, Picked, Of colour, By chance."""
    table = at_28()
    shown = {
        "Gallery": table["gallery"].map(GALLERIES),
        "Pipeline": table["model"].map(MODEL_LABELS),
        "Gate": table["model"].map(_verdict),
        "Picked": table["flagged"],
        "Of colour": table["of_colour"],
        "By chance": table["expected"].round(1),
    }
    return pd.DataFrame(shown)


@cache
def passing() -> frozenset:
    """The pipelines that pass the validity gate, measured on the members' second portraits."""
    rows = _gate().to_dict("records")
    return frozenset(row["model"] for row in rows if validity.passes(row))


def _gate() -> pd.DataFrame:
    table = gate.measured()
    return table[table["dataset"].eq(gate.LARGER)]


def _verdict(model: str) -> str:
    return "passes" if model in passing() else "fails"


def feeds() -> pd.DataFrame:
    """One network, two feeds: the gate, and what is picked among adult strangers at 28 flagged."""
    measured, found = _gate().set_index("model"), curve()
    here = at_28().query("gallery == 'utkface'").set_index("model")
    framed = found.table[found.table["framing"].eq(FRAMINGS[1]) & found.table["variant"].eq("rule")]
    framed = framed[framed["policy"].eq(shipped.PRIMARY)].set_index(["network", "feed"])["ratio"]
    rows = []
    for model in sorted(MODELS, key=lambda m: AXES["network"].index(_network(m))):
        native = next(m for m in PRIMARY_MODELS if _network(m) == _network(model))
        both = found.flagged[here.at[model, "row"]] & found.flagged[here.at[native, "row"]]
        one, pair = here.loc[model], measured.loc[model]
        accepted = percent(pair[f"tar_{validity.VALID_FMR:g}"])
        as_cut = framed[_network(model), PIPELINES[model].feed]
        cells = {
            "Pipeline": MODEL_LABELS[model],
            "Pairs accepted": f"{accepted}: {_verdict(model)}",
            "Own portrait first": percent(pair["rank_1_rate"]),
            "Of colour among those picked": f"{one['of_colour']} of {one['flagged']}",
            "Ratio": f"{one['ratio']:.2f}",
            "95 % interval": f"{one['low']:.2f}–{one['high']:.2f}",
            "Ratio, photo cut as UTKFace": f"{as_cut:.2f}",
            "Picked by the native feed, too": int(both.sum()),
        }
        rows.append(cells)
    return pd.DataFrame(rows)


def _network(model: str) -> str:
    return PIPELINES[model].recogniser


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
    table = table[table["why"].eq(specifications.COUNTED)].drop(columns="why")
    table = table.assign(counted=table["feed"].eq(pipelines.NATIVE))
    # ties would stand in an order of the machine's own
    by = ["counted", "ratio", *AXES]
    return table.sort_values(by, ascending=[False] + [True] * (len(by) - 1), ignore_index=True)


@cache
def chances() -> pd.DataFrame:
    """`survival` of the counted specifications: where, specifications, then a row a conclusion."""
    parts = []
    for feed, suffix in ((pipelines.NATIVE, ""), (pipelines.DEEPFACE, " (deepface)")):
        for gallery, name in GALLERIES.items():
            found = counted(curve(), feed)
            found = only(found, found.table["gallery"].eq(gallery))
            networks = {f"{name}, {n}": found.table["network"].eq(n) for n in AXES["network"]}
            parts.append((name + suffix, found))
            parts += [(n, only(found, here)) for n, here in networks.items() if not suffix]
    found = [survival(part).assign(where=name, specifications=len(part.table))
             for name, part in parts]  # fmt: skip
    return pd.concat(found).rename_axis("conclusion").reset_index()


CONCLUSIONS = {
    "median": "Median ratio",
    "more": "More often",
    "clearly more": "Clearly more often",
    "clearly less": "Clearly less often",
    "more, not Asian": "More often, without Asian members",
}


def survived() -> pd.DataFrame:
    """`chances` for readers: a row a part of the curve; in brackets what shuffled labels give."""
    table = chances()
    ends = table[["observed", "low", "high"]].to_numpy()
    table["text"] = [
        f"{v:.1f} (chance {low:.1f}–{high:.1f})"
        if name == "median"
        else f"{percent(v, 0)} (chance {100 * low:.0f}–{100 * high:.0f} %)"
        for name, (v, low, high) in zip(table["conclusion"], ends, strict=True)
    ]
    index = ["where", "specifications"]
    wide = table.pivot(index=index, columns="conclusion", values="text")
    wide = wide.loc[table.set_index(index).index.unique(), list(CONCLUSIONS)]
    wide = wide.rename(columns=CONCLUSIONS).rename_axis(columns=None).reset_index()
    return wide.rename(columns={"where": "Specifications", "specifications": "Number"})


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


DETECTED = {"yunet": "YuNet", "opencv": "OpenCV Haar", "dlib": "dlib HOG"}


def failures() -> pd.DataFrame:
    """Failures to enrol: all members, a sample of the strangers, these by published label."""
    table = pd.read_csv(RESULTS / "detectors-failures.csv")
    table = table[table["framing"].eq(FRAMINGS[0])]
    low, high = intervals.wilson(table["failures"], table["images"])
    table["text"] = list(map(rate, table["failures"], table["images"], low, high))
    names = {"all": "All strangers", "female": "Strangers, women", "male": "Strangers, men"}
    names |= {race: f"Strangers, {race}" for race in RACES}
    table["People"] = table["part"].map(names).mask(table["dataset"].eq("probes"), "All members")
    wide = table.pivot(index="People", columns="detector", values="text")
    wide = wide.loc[["All members", *names.values()], list(DETECTED)]
    return wide.rename(columns=DETECTED).rename_axis(columns=None).reset_index()
