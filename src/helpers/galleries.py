"""Who is searched against: a named gallery -> one row a face image with its recorded labels."""

import os
from pathlib import Path

import pandas as pd

from helpers.errors import UserError
from helpers.paths import DATA, cache_dir
from helpers.rosters import load_delegates, load_voteview
from helpers.sources import load_manifest

AGE_BANDS = ["0-17", "18-34", "35-54", "55-75", "76+"]
ADULT = (18, 75)  # the primary analysis, both ages included
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
LAST_CONGRESS = 114
PHOTOS = "https://raw.githubusercontent.com/voteview/member_photos/687cf7a9212a445431ad7441d8bfd0b7bf297eff/"


def age_band(age):
    """Age band of an age in years (scalar or series): 0-17, 18-34, 35-54, 55-75, 76+."""
    bands = pd.cut(pd.Series(age), [-1, 17, 34, 55 - 1, 75, float("inf")], labels=AGE_BANDS)
    bands = bands.astype(object).where(bands.notna(), None)
    return bands if isinstance(age, pd.Series) else bands.iloc[0]


def build_legislators() -> pd.DataFrame:
    """Portraits of legislators who had left before the 115th Congress, from voteview's list.

    One row a person: of several records (one for each party, one for the presidency) the last.
    Anyone with another record that reaches the 115th is left out, and so is the delegate for whom
    voteview's `congress` stops too early.
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
    # party changers and presidents have two or three records, nearly all with one same image
    former = former.sort_values(["congress", "icpsr"], ascending=[False, True])
    former = former.drop_duplicates(["name", "born"])
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
