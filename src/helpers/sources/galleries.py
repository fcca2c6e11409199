"""Who is searched against: a named gallery -> one row a face image with its recorded labels."""

from pathlib import Path

import pandas as pd

from helpers.errors import UserError
from helpers.files import printable
from helpers.paths import DATA, cache_dir
from helpers.sources import fetch, photographs, spreadsheets
from helpers.sources.rosters import PHOTOS, load_delegates, load_voteview

AGE_BANDS = ["0-17", "18-34", "35-54", "55-75", "76+"]
ADULT = (18, 75)  # ages of the primary analysis, both included
LAST_CONGRESS = 114
LABELS = ["name", "group", "gender"]


def age_band(ages) -> pd.Series:
    """Age bands of ages in years (a series): "0-17" ... "76+", missing where the age is."""
    ages = pd.to_numeric(pd.Series(ages), errors="coerce").astype(float)
    bands = pd.cut(ages, [0, 18, 35, 55, 76, float("inf")], right=False, labels=AGE_BANDS)
    return bands.astype("string").rename("age_band")


def load_legislators() -> pd.DataFrame:
    """Former members of Congress with a portrait in voteview's collection, one row a person.

    gallery_id (v and the ICPSR number), name, state, party, born, died, last_congress (Int64),
    chamber (house|senate|president), image_url. No recorded gender or ethnicity.
    """
    return pd.read_csv(
        DATA / "galleries" / "legislators.csv",
        dtype={"born": "Int64", "died": "Int64", "last_congress": "Int64"},
    )


def build_legislators() -> pd.DataFrame:
    """Portraits of legislators who had left before the 115th Congress, from voteview's list.

    One row a person, of several records the last. Left out is anyone with another record that
    reaches the 115th, and the delegate for whom voteview's `congress` stops too early. Raises
    ValueError if two persons share one image.
    """
    people = load_voteview()
    person = people.name + people.born.astype(str)
    late = set(person[people.congress > LAST_CONGRESS])
    former = people[
        people.image.str.startswith("images/bio_guide/")
        & people.congress.le(LAST_CONGRESS)
        & ~person.isin(late)
        & ~people.icpsr.isin(load_delegates().icpsr)
    ]
    former = former.sort_values(["congress", "icpsr"], ascending=[False, True])
    former = former.drop_duplicates(["name", "born"])
    if former.image.duplicated().any():
        raise ValueError("two persons share one image in voteview's list")
    return pd.DataFrame(
        {
            "gallery_id": former.icpsr.map("v{:06d}".format),
            "name": former.name.str.split().str.join(" "),
            "state": former.state,
            "party": former.party,
            "born": former.born,
            "died": former.died,
            "last_congress": former.congress,
            "chamber": former.chamber.str.lower(),
            "image_url": PHOTOS + former.image,
        }
    ).sort_values("gallery_id", ignore_index=True)


def load_utkface() -> pd.DataFrame:
    """Published labels of UTKFace, from the cache: they are private and never ship.

    id, age (Int64), gender (female|male), race (of groups.RACES), files (how many file names the
    image has), disputed (they disagree), age_band, adult (age 18 to 75 and no label missing: the
    primary analysis). Raises UserError if the set was never fetched.
    """
    path = cache_dir() / "utkface" / "labels.csv"
    if not path.is_file():
        raise UserError("the labels of UTKFace are not here; run: congress-test fetch utkface")
    try:
        labels = pd.read_csv(path, dtype={"age": "Int64", "gender": "string", "race": "string"})
        labels = labels[fetch.LABELS]
    except (KeyError, ValueError) as error:
        path.unlink()
        why = "the labels of UTKFace were damaged; run: congress-test fetch utkface"
        raise UserError(why) from error
    labels["age_band"] = age_band(labels.age)
    whole = labels[["age", "gender", "race"]].notna().all(axis=1)
    labels["adult"] = whole & labels.age.between(*ADULT).fillna(False).astype(bool)
    return labels


def load_folder(directory, labels_csv=None) -> pd.DataFrame:
    """Any folder of images, with its subfolders: id, path, name, group, gender, sorted by id.

    What counts as an image, and its id, is decided by `photographs.in_folder`; what was ignored is
    in `.attrs["ignored"]`, in words. A labels file is a CSV with a column `id` (or `file`) and any
    of name, group, gender; it may leave images out, and a label that is not given is missing.
    Raises UserError for an empty folder and for labels that do not fit the images.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise UserError(f"{directory} is not a folder")
    paths, ignored = photographs.in_folder(directory)
    if not paths:
        said = f"; ignored: {ignored}" if ignored else ""
        raise UserError(
            f"no image in {directory}{said}; looked for {', '.join(sorted(photographs.SUFFIXES))}"
        )
    faces = pd.DataFrame({"id": list(paths), "path": list(paths.values())})
    if labels_csv is not None:
        faces = labelled(faces, labels_csv, directory)
    faces = faces.reindex(columns=["id", "path", *LABELS])
    faces.attrs["ignored"] = ignored
    return faces


def labelled(faces: pd.DataFrame, labels_csv, place) -> pd.DataFrame:
    """Faces (column id) with the labels of a file beside them; `place` names them in an error.

    Raises UserError for labels of a face that is not there.
    """
    labels = read_labels(labels_csv)
    shown = faces.id.map(printable)  # files of others may hold names as they were
    if len(unknown := labels.id[~labels.id.isin(shown)]):
        raise UserError(
            f"{labels_csv} labels {len(unknown)} images that are not in {place} "
            f"(first: {unknown.iloc[0]!r}): an id is the path below the folder, suffix included"
        )
    given = labels.set_index("id").reindex(shown).set_axis(faces.index)
    return faces.join(given)


def read_labels(labels_csv) -> pd.DataFrame:
    """Read a labels file: id and those of name, group, gender that it has; empty is missing.

    f and m are female and male; any other gender stays as it is, in lower case. Raises UserError
    for a file without the columns or an id that occurs twice.
    """
    labels = spreadsheets.read(labels_csv, "labels file")
    if "id" not in labels:
        labels = labels.rename(columns={"file": "id"})
    given = [c for c in LABELS if c in labels]
    if "id" not in labels or not given:
        raise UserError(
            f"{labels_csv} needs a column id (or file) and at least one of {', '.join(LABELS)}; "
            f"it has {', '.join(labels.columns)}"
        )
    labels = labels[["id", *given]].reset_index(drop=True)
    if len(repeated := labels.id[labels.id.duplicated()]):
        first = repeated.iloc[0]
        raise UserError(f"{labels_csv} has {len(repeated)} repeated ids, first {first!r}")
    if "gender" in labels:
        labels["gender"] = labels.gender.str.lower().replace({"f": "female", "m": "male"})
    return labels.replace("", None)
