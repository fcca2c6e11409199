"""Who is searched against: a named gallery -> one row a face image with its recorded labels."""

import os
from pathlib import Path

import pandas as pd

from helpers.errors import UserError
from helpers.paths import DATA, cache_dir
from helpers.sources.rosters import PHOTOS, load_delegates, load_voteview

AGE_BANDS = ["0-17", "18-34", "35-54", "55-75", "76+"]
ADULT = (18, 75)  # ages of the primary analysis, both included
LAST_CONGRESS = 114
IMAGES = {
    ".avif", ".bmp", ".gif", ".heic", ".jfif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm",
    ".tif", ".tiff", ".webp",
}  # fmt: skip
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

    One row a person: of several records (one for each party, one for the presidency) the last.
    Anyone with another record that reaches the 115th is left out, and so is the delegate for
    whom voteview's `congress` stops too early. Raises ValueError if two persons share one image.
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

    id, age (Int64), gender (female|male), race (White|Black|Asian|Indian|Others), files (how many
    file names the image has), disputed (they disagree), age_band, adult (age 18 to 75 and no
    label missing: the primary analysis). Raises UserError if the set was never fetched.
    """
    path = cache_dir() / "utkface" / "labels.csv"
    if not path.is_file():
        raise UserError("the labels of UTKFace are not here; run: congress-test fetch utkface")
    labels = pd.read_csv(path, dtype={"age": "Int64", "gender": "string", "race": "string"})
    labels["age_band"] = age_band(labels.age)
    adult = labels.age.between(*ADULT) & labels.gender.notna() & labels.race.notna()
    labels["adult"] = adult.fillna(False).astype(bool)
    return labels


def load_folder(directory, labels_csv=None) -> pd.DataFrame:
    """Any folder of images, with its subfolders: id, path, name, group, gender, sorted by id.

    The id is the path below the folder, with forward slashes. A labels file is a CSV with a
    column `id` (or `file`) and any of name, group, gender (female|male, or f|m); it may leave
    images out, and a label that is not given is missing. Raises UserError for an empty folder and
    for labels that do not fit the images.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise UserError(f"{directory} is not a folder")
    paths = {
        path.relative_to(directory).as_posix(): path
        for folder, _, names in os.walk(directory)
        for path in (Path(folder, name) for name in names)
        if path.suffix.lower() in IMAGES and not path.name.startswith(".")
    }
    if not paths:
        raise UserError(f"no image in {directory}; looked for {', '.join(sorted(IMAGES))}")
    faces = pd.DataFrame(sorted(paths.items()), columns=["id", "path"])
    if labels_csv is None:
        return faces.reindex(columns=["id", "path", *LABELS])
    labels = read_labels(labels_csv)
    unknown = labels.id[~labels.id.isin(faces.id)]
    if len(unknown):
        raise UserError(
            f"{labels_csv} labels {len(unknown)} images that are not in {directory} "
            f"(first: {unknown.iloc[0]!r})"
        )
    return faces.merge(labels, on="id", how="left").reindex(columns=["id", "path", *LABELS])


def read_labels(labels_csv) -> pd.DataFrame:
    """Read a labels file: id and those of name, group, gender that it has; empty is missing.

    Raises UserError for a file without the columns, an id that occurs twice, an unknown gender.
    """
    try:
        labels = pd.read_csv(labels_csv, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the labels file {labels_csv}: {error}") from error
    labels.columns = labels.columns.str.strip().str.lower()
    if "id" not in labels:
        labels = labels.rename(columns={"file": "id"})
    given = [c for c in LABELS if c in labels]
    if "id" not in labels or not given:
        raise UserError(
            f"{labels_csv} needs a column id (or file) and at least one of {', '.join(LABELS)}; "
            f"it has {', '.join(labels.columns)}"
        )
    labels = labels[["id", *given]].apply(lambda column: column.str.strip())
    repeated = labels.id[labels.id.duplicated()]
    if len(repeated):
        raise UserError(
            f"{labels_csv} has {len(repeated)} repeated ids, first {repeated.iloc[0]!r}"
        )
    if "gender" in labels:
        gender = labels.gender.str.lower().replace({"f": "female", "m": "male"})
        strange = gender[~gender.isin(["female", "male", ""])]
        if len(strange):
            raise UserError(f"{labels_csv}: gender is female or male, not {strange.iloc[0]!r}")
        labels["gender"] = gender
    return labels.replace("", None)
