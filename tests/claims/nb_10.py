"""What notebook 10 claims, and how it would be noticed if it were false."""

from helpers.experiments.explore import tables as t
from helpers.faces.pipelines import PRIMARY_MODELS


def all_members(model, policy, size=None) -> float:
    return t.state("utkface", model, policy, size)["flagged"].iloc[0]


def nearly_anything() -> bool:
    found = t.table().query("gallery == 'utkface'")
    shares = found[list(t.cells().index)].sum(axis=1) / t.cells().sum()
    return bool(shares.min() < 0.01 and shares.max() > 0.99)


def grows() -> bool:
    curves = t.curves().query("model in @PRIMARY_MODELS")
    by = curves.pivot(index=["model", "threshold"], columns="size", values="fpir")
    sizes = [by.xs(m, level="model").dropna(axis=1, how="all") for m in PRIMARY_MODELS]
    larger = all((table.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None) for table in sizes)
    looser = all((table.diff().iloc[1:] >= 0).all(axis=None) for table in sizes)
    return larger and looser and all(table.iloc[-1].max() > 0.5 for table in sizes)


CLAIMS = [
    (
        "Almost any number can be had: the threshold and the size of the gallery decide how many members are matched.",
        nearly_anything,
    ),
    (
        "At its author's default Dlib matches 527 members with all faces and 329 with a random 1,000.",
        lambda: (
            all_members("dlib-native", "default") == 527
            and round(all_members("dlib-native", "default", 1000)) == 329
        ),
    ),
    (
        "The number alone says little about a program.",
        lambda: all_members("dlib-native", "default") > 5 * all_members("dlib-native", "fmr:1e-05"),
    ),
    ("The larger the gallery and the looser the threshold, the more members are matched", grows),
]
