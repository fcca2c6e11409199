"""What notebook 07 claims, and how it would be noticed if it were false."""

import pandas as pd

from helpers.experiments.which_model import specifications
from helpers.experiments.which_model import tables as t
from helpers.faces.pipelines import MODELS, PRIMARY_MODELS
from helpers.protocol import shipped

STRANGERS, LEGISLATORS = t.GALLERIES.values()
NATIVE, DEEPFACE = "All, as published", "All, through deepface"


def chance(where: str, conclusion: str = "more") -> pd.Series:
    table = t.chances().set_index(["where", "conclusion"])
    return table.loc[(where, conclusion)]


def nearly_every_choice() -> bool:
    among, reversed_ = chance(STRANGERS), chance(LEGISLATORS)
    return bool(among["observed"] > 0.95 and reversed_["observed"] < 0.5)


def holds_at_three_thresholds_in_each() -> bool:
    """What a sentence about members of colour among strangers has to hold."""
    results = [
        shipped.result("utkface", model, policy).summary["ratio_within_sex"]
        for model in PRIMARY_MODELS
        for policy in ("count:14", "count:28", "count:56")
    ]
    return min(results) > 1


def could_be_chance() -> bool:
    at_28 = t.at_28().query("gallery == 'utkface'").set_index("model")
    clear = {m for m in PRIMARY_MODELS if at_28.loc[m, "low"] > 1}
    return clear == {"dlib-native", "facenet-native"} and within_chance(LEGISLATORS)


def within_chance(where: str, conclusion: str = "more") -> bool:
    row = chance(where, conclusion)
    return bool(row["low"] <= row["observed"] <= row["high"])


def other_people_on_either_side() -> bool:
    feed = specifications.moves().set_index("choice").loc["feed"]
    return bool(feed["shared"] < 0.25 and 0.4 < chance(DEEPFACE)["observed"] < 0.6)


def of_colour(gallery: str) -> pd.Series:
    return t.at_28().query("gallery == @gallery").set_index("model")["of_colour"]


def network_gallery_and_feed() -> bool:
    ours, former = of_colour("utkface"), of_colour("legislators")
    native = list(PRIMARY_MODELS)
    return bool(
        ours[native].max() - ours[native].min() > 5
        and (ours[native] > former[native]).all()
        and ours["dlib-native"] - ours["Dlib"] > 10
    )


def feeds() -> pd.DataFrame:
    return t.feeds().set_index("Pipeline")


def no_one_on_both() -> bool:
    both = feeds()["Picked by the native feed, too"]
    return int(both["Dlib (deepface)"]) == 0 and feeds().loc["Dlib (deepface)", "Ratio"] < "1"


def stay_nearly() -> bool:
    ratio = feeds()[["Ratio", "Ratio, photo cut as UTKFace"]].astype(float)
    change = ratio["Ratio, photo cut as UTKFace"] / ratio["Ratio"]
    native = change[["Dlib", "SFace", "Facenet"]]
    return bool(native.between(0.8, 1.25).all() and change["Dlib (deepface)"] > 2)


def a_good_part_was_feeding() -> bool:
    factor = specifications.moves().set_index("choice")["factor"]
    return bool(factor.idxmax() == "release 0.1" and factor["feed"] > factor["network"])


def moves_most_and_least() -> bool:
    order = [c for c in specifications.moves()["choice"] if c != "release 0.1"]
    return set(order[:3]) == {"gallery", "feed", "network"} and set(order[-2:]) == {
        "portrait",
        "framing",
    }


def agree_only_among_strangers() -> bool:
    row = chance(STRANGERS)
    return bool(row["observed"] > row["high"]) and within_chance(LEGISLATORS)


def clear_on_both_sides() -> bool:
    rows = [chance(DEEPFACE, c) for c in ("clearly more", "clearly less")]
    return within_chance(DEEPFACE) and all(r["observed"] > r["high"] for r in rows)


def who_is_left_out() -> bool:
    ratio = {
        v: [shipped.result("utkface", m, shipped.PRIMARY, v).summary["ratio_within_sex"]
            for m in PRIMARY_MODELS]
        for v in ("any", "rule", "strict")
    }  # fmt: skip
    return all(a < b < c for a, b, c in zip(*ratio.values(), strict=True))


def none_on_every_list() -> bool:
    return int(t.names().set_index("Members").loc["On every list", "Number"]) == 0


def most_of_congress() -> bool:
    table = t.fpirs().set_index("Threshold")
    return float(table.loc["Publisher's default", "Least"].split()[0]) > 50


def parts() -> pd.DataFrame:
    found = t.parts().set_index("Group")["Picked more often"]
    return found.str.extract(r"(\d+) % \(chance (\d+)–(\d+) %\)").astype(int)


def each_part_but_one() -> bool:
    share = parts()[0].drop(["Members of colour", "Members of colour, not Asian"])
    members = t.parts().set_index("Group")["Members"]
    above = set(share.index[share > 50])
    return set(share.index) - above == {"Native and Pacific"} and members["Native and Pacific"] == 3


def hispanic_within_chance() -> bool:
    found = parts().drop(["Members of colour", "Members of colour, not Asian"])
    beyond = found[found[0] > found[2]]
    return set(beyond.index) == {"Black", "East Asian", "South Asian"} and bool(
        (beyond[0] - beyond[2] <= 5).all()
    )


def haar_loses_most() -> bool:
    table = t.member_failures().query("group == 'All members'").set_index("how")["failures"]
    return table.idxmax() == "OpenCV Haar" and table.sort_values().iloc[-2] < 5


def uneven() -> bool:
    p = t.uneven_failures().set_index("detector")["holm_p"]
    return set(p.index[p < 0.05]) == {"opencv", "dlib"} and p["yunet"] > 0.05


CLAIMS = [
    (
        "Among strangers nearly every defensible choice has members of colour picked more often "
        "than white members; among former legislators most have it reversed.",
        lambda: nearly_every_choice() and holds_at_three_thresholds_in_each(),
    ),
    (
        "For SFace alone the first could be chance at 28 picked; the second could be chance "
        "altogether.",
        could_be_chance,
    ),
    (
        "Fed by deepface, the same networks pick other people and land on either side.",
        other_people_on_either_side,
    ),
    (
        "How many of those picked are of colour changes with network, gallery and feed",
        network_gallery_and_feed,
    ),
    (
        "Fed by deepface none of the three networks passes the gate of notebook 01; fed as "
        "published all three do.",
        lambda: t.passing() == set(PRIMARY_MODELS) and len(MODELS) == 2 * len(PRIMARY_MODELS),
    ),
    ("The feed can undo a result.", no_one_on_both),
    ("no one is on both lists", no_one_on_both),
    (
        "Fed as published, all three stay nearly where they were when the photo is cut as UTKFace",
        stay_nearly,
    ),
    ("So a good part of that finding was feeding", a_good_part_was_feeding),
    (
        "leaving them out moves the ratio by next to nothing",
        lambda: specifications.failures_counted_or_not().quantile(0.9) < 1.03,
    ),
    (
        "Fed as published, most specifications lie above one; through deepface about half do",
        lambda: chance(NATIVE)["observed"] > 0.75 and 0.4 < chance(DEEPFACE)["observed"] < 0.6,
    ),
    (
        "Fed as published, the choices agree beyond chance, but only among strangers",
        agree_only_among_strangers,
    ),
    (
        "Yet more of them lie clearly above and clearly below one than chance gives",
        clear_on_both_sides,
    ),
    (
        "with nobody left out the ratio at 28 picked is lower in all three networks, with "
        "contested ones left out as well it is higher",
        who_is_left_out,
    ),
    (
        "Gallery, feed and network move the ratio most; portrait and framing hardly",
        moves_most_and_least,
    ),
    ("none on every list", none_on_every_list),
    ("a search takes most of Congress for someone else", most_of_congress),
    (
        "In most specifications each part but Native and Pacific, who are three people, lies above "
        "white members.",
        each_part_but_one,
    ),
    (
        "For Hispanic members chance would do, and for the others it is only just beyond chance.",
        hispanic_within_chance,
    ),
    ("OpenCV Haar, deepface's own default, loses most", haar_loses_most),
    ("uneven beyond chance with Haar and with dlib HOG, not with YuNet", uneven),
]
