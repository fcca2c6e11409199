"""Who is searched, who is searched against, and how good the photographs are: notebook 01.

Faces are found alike for all pipelines of one feed, so one native pipeline's metadata serve.
"""

from functools import cache
from pathlib import Path

import pandas as pd

from helpers.faces.enrolment import read_faces, read_failures
from helpers.paths import DATA
from helpers.protocol.shipping import faces_path
from helpers.show import numbers
from helpers.sources import galleries, rosters
from helpers.sources.groups import COLOUR, GROUPS, RACES, WHITE

MODEL = "dlib-native"
QUALITY = {"face_size": "Face size (pixels)", "sharpness": "Sharpness", "brightness": "Brightness"}
SETS = {
    "members, as searched": "probes",
    "members, second portrait": "second-portraits",
    "former legislators": "legislators",
    "UTKFace, adults": "utkface",
}
DEEPFACE = "SFace"  # the pipeline whose failures are those of deepface's feed
PUBLIC = {
    "Members, as searched": "probes",
    "Second portraits of members": "second-portraits",
    "Portraits of returning members": "returning",
    "Delegates": "delegates",
    "Former legislators": "legislators",
    "Newcomers of the two Congresses after": "newcomers",
    "Second portraits of newcomers": "newcomers-second-portraits",
}
ADULT_BANDS = galleries.AGE_BANDS[1:4]  # 18 to 75
# A class of UTKFace beside the group of the roster that comes nearest to it; None: has none.
ALIKE = {
    "White": ("White", "White"),
    "Black": ("Black", "Black"),
    "Hispanic": ("Hispanic", None),
    "East Asian | Asian": ("East Asian", "Asian"),
    "South Asian | Indian": ("South Asian", "Indian"),
    "Native and Pacific": ("Native and Pacific", None),
    "Others": (None, "Others"),
}


@cache
def photographed(dataset: str = "probes") -> pd.DataFrame:
    """The members with a portrait in a dataset (`probes`, `second-portraits`), one row each.

    The columns of `load_members`, then age (years on 26 July 2018), failed (bool: no face was
    enrolled), and of the enrolled face face_size (pixels), sharpness, brightness, else NaN.
    """
    path = faces_path(dataset, MODEL)
    faces = read_faces(path).set_index("id")[list(QUALITY)]
    failures = read_failures(path)["id"]
    members = rosters.load_members().set_index("member_id", drop=False)
    members = members[members.index.isin([*faces.index, *failures])]
    if dataset == "second-portraits":  # without those that are the same photograph
        kept = rosters.load_second_portraits().query("kept")["member_id"]
        members = members[members.index.isin(kept)]
    members["age"] = ages(members["date_of_birth"])
    members["failed"] = members.index.isin(failures)
    return members.join(faces).reset_index(drop=True)


def ages(born, day: str = rosters.DAY) -> pd.Series:
    """Whole years of age on a day; `born`: a series of ISO dates."""
    born, day = pd.to_datetime(born), pd.Timestamp(day)
    early = (born.dt.month * 100 + born.dt.day) > day.month * 100 + day.day
    return day.year - born.dt.year - early.astype(int)


def counts(members: pd.DataFrame) -> pd.DataFrame:
    """Members by group and recorded gender: group, women, men, all, with the totals at the end."""
    table = pd.crosstab(members["group"], members["gender"]).reindex(GROUPS)
    table = table.rename(columns={"female": "women", "male": "men"})[["women", "men"]]
    table.loc[COLOUR] = table.drop(WHITE).sum()
    table.loc["All"] = table.loc[WHITE] + table.loc[COLOUR]
    return table.assign(all=table.sum(axis=1)).rename_axis(None, axis=1).reset_index()


def quartiles(people: pd.DataFrame, by: list[str], order: dict | None = None) -> pd.DataFrame:
    """Quality by columns: `by`, measure, faces, q25, median, q75; order: column -> its values."""
    enrolled = people.dropna(subset=list(QUALITY))
    long = enrolled.melt(by, list(QUALITY), var_name="measure")
    groups = long.groupby([*by, "measure"])["value"]
    table = groups.quantile([0.25, 0.5, 0.75]).unstack().set_axis(["q25", "median", "q75"], axis=1)
    table = table.round(1).reset_index()
    table.insert(len(by) + 1, "faces", groups.size().to_numpy())
    for column, values in ({"measure": list(QUALITY)} | (order or {})).items():
        table[column] = pd.Categorical(table[column], values, ordered=True)
    table = table.sort_values([*by, "measure"], ignore_index=True)
    return table.astype(dict.fromkeys([*by, "measure"], str))


def seats() -> pd.DataFrame:
    """Every seat that changed hands before 26 July 2018 and who held it on that day."""
    table = rosters.seat_changes().query("left_on <= @rosters.DAY").sort_values("left_on")
    vacant = table["seat"].isin(rosters.vacant_seats())
    shown = {
        "Seat": table["seat"],
        "Left": table["left"],
        "On": table["left_on"],
        "Why": table["reason"],
        "Held on 26 July 2018 by": table["successor"].mask(vacant, "nobody: vacant"),
        "Sworn in": table["successor_sworn_in"].mask(vacant, ""),
    }
    return pd.DataFrame(shown)


def show_enrolment() -> pd.DataFrame:
    """Images without a face in the sets that ship, by how the detector is run."""
    rows = []
    for words, dataset in PUBLIC.items():
        row = {"Images": words}
        for heading, model in (("As OpenCV runs it", MODEL), ("As deepface runs it", DEEPFACE)):
            path = faces_path(dataset, model)
            failed = len(read_failures(path))
            row[heading] = numbers.rate(failed, failed + len(read_faces(path)))
        rows.append(row)
    return pd.DataFrame(rows)


def former() -> pd.DataFrame:
    """Former legislators: the columns of `load_legislators`, then failed and the photo quality."""
    path = faces_path("legislators", MODEL)
    people = galleries.load_legislators()
    people["failed"] = people["gallery_id"].isin(read_failures(path)["id"])
    return people.join(read_faces(path).set_index("id")[list(QUALITY)], on="gallery_id")


def utkface() -> pd.DataFrame:
    """Images and failures to enrol of `utkface` by published label, as they ship.

    gender, race, age_band ("" where a label is missing or disputed), images, failures, adult
    (bool: in the primary analysis), enrolled.
    """
    path = DATA / "scores" / "utkface-enrolment.csv"
    table = pd.read_csv(path, keep_default_na=False, na_values={"face_size": [""]})
    labelled = table[["gender", "race"]].ne("").all(axis=1)
    table["adult"] = labelled & table["age_band"].isin(ADULT_BANDS)
    table["enrolled"] = table["images"] - table["failures"]
    return table[["gender", "race", "age_band", "images", "failures", "adult", "enrolled"]]


def composition() -> pd.DataFrame:
    """Congress beside the adults of `utkface`, NaN where one side has no such class or band.

    Columns section, label, and for congress and utkface the count, <side>_of and <side>_share.
    """
    members, adults = photographed(), utkface().query("adult")
    group, gender = members["group"].value_counts(), members["gender"].value_counts()
    band = galleries.age_band(members["age"]).value_counts()
    race, sex, age = (adults.groupby(c)["enrolled"].sum() for c in ("race", "gender", "age_band"))
    rows = [
        ("Recorded group", label, group.get(ours), race.get(theirs))
        for label, (ours, theirs) in ALIKE.items()
    ]
    rows.append(("Recorded gender", "Women", gender["female"], sex["female"]))
    for years in galleries.AGE_BANDS[1:]:
        rows.append(("Age in years", years.replace("-", "–"), band.get(years), age.get(years)))
    found = pd.DataFrame(rows, columns=["section", "label", "congress", "utkface"])
    found = found.astype({"congress": float, "utkface": float})
    for side, total in (("congress", len(members)), ("utkface", adults["enrolled"].sum())):
        found[f"{side}_of"] = total
        found[f"{side}_share"] = found[side] / total
    return found


def label_counts(labels: pd.DataFrame) -> pd.DataFrame:
    """What the file names say of the labels (`load_utkface`): quantity, images."""
    several = labels[labels["files"] > 1]
    rows = {
        "file names": labels["files"].sum(),
        "different images": len(labels),
        "images with several names": len(several),
        "of these, names that disagree on any label": labels["disputed"].sum(),
    }
    for label in ("age", "gender", "race"):
        found = labels["disputed"] & labels[label].isna()
        rows[f"of these, names that disagree on {label}"] = found.sum()
    unlabelled = labels[["age", "gender", "race"]].isna().all(axis=1) & ~labels["disputed"]
    rows["images without a readable label"] = unlabelled.sum()
    rows["adults of 18 to 75, no label missing or disputed"] = labels["adult"].sum()
    return pd.DataFrame({"quantity": rows.keys(), "images": [int(v) for v in rows.values()]})


def write_utkface_tables(out: Path = DATA, path=faces_path) -> None:
    """Write the two tables of `utkface`, faces at `path(dataset, model)`, into `out`/galleries.

    The quality of all adults together stands in the row of gender "all" and race "all".
    """
    labels = galleries.load_utkface()
    faces = read_faces(path("utkface", MODEL)).set_index("id")[list(QUALITY)]
    adults = labels[labels["adult"]].set_index("id").join(faces, how="inner")
    adults = pd.concat([adults.assign(gender="all", race="all"), adults])
    order = {"gender": ["all", "female", "male"], "race": ["all", *RACES]}
    folder = out / "galleries"
    folder.mkdir(parents=True, exist_ok=True)
    label_counts(labels).to_csv(folder / "utkface-labels.csv", index=False)
    quality = quartiles(adults, ["gender", "race"], order)
    quality.to_csv(folder / "utkface-quality.csv", index=False)


def utkface_labels() -> pd.Series:
    """`label_counts` as they ship: quantity -> images."""
    table = pd.read_csv(DATA / "galleries" / "utkface-labels.csv")
    return table.set_index("quantity")["images"]


def utkface_quality() -> pd.DataFrame:
    """Photo quality of the adults of `utkface` as it ships, columns as in `quartiles`."""
    return pd.read_csv(DATA / "galleries" / "utkface-quality.csv")


def show_corrections() -> pd.DataFrame:
    """The corrections of the rosters as a reader needs them."""
    table = rosters.load_corrections()
    shown = table[["name", "field", "published", "corrected", "reason"]].copy()
    shown["name"] = shown["name"].str.split().str.join(" ")
    shown["corrected"] = shown["corrected"].str.replace("^https://.*/", "voteview: ", regex=True)
    return shown.replace("", "missing").rename(columns=str.capitalize)


def show_photographs() -> pd.DataFrame:
    """The four sets of photographs: failures to enrol, median and quartiles of each measure."""
    rows = []
    for words, dataset in SETS.items():
        if dataset == "utkface":
            table = utkface().query("adult")
            failed, images = table[["failures", "images"]].sum().astype(int)
            quality = utkface_quality().query("gender == 'all'")
        else:
            people = former() if dataset == "legislators" else photographed(dataset)
            failed, images = int(people["failed"].sum()), len(people)
            quality = quartiles(people.assign(set=words), ["set"])
        row = {"Photographs": words, "Failures to enrol": numbers.rate(failed, images)}
        for q in quality.itertuples():
            row[QUALITY[q.measure]] = f"{q.median:,.0f} ({q.q25:,.0f} to {q.q75:,.0f})"
        rows.append(row)
    return pd.DataFrame(rows)


def show_brightness() -> pd.DataFrame:
    """Brightness of the members' faces by recorded gender and group, with quartiles."""
    order = {"gender": ["female", "male"], "group": GROUPS}
    table = quartiles(photographed(), ["gender", "group"], order).query("measure == 'brightness'")
    table = table.replace({"gender": {"female": "Women", "male": "Men"}}).drop(columns="measure")
    names = ["Recorded gender", "Group", "Faces", "Lower quartile", "Median", "Upper quartile"]
    return table.set_axis(names, axis=1)
