"""Returning members: the other portrait that a later roster has of somebody who was searched.

The rosters are of the 116th and 117th Congress, by the same publisher. A portrait that is the first
one cut differently says nothing about recognition; `scored` finds those.
"""

import numpy as np
import pandas as pd
from PIL import Image

from helpers.paths import DATA
from helpers.sources.fetch import local_files
from helpers.sources.rosters import SAME_PHOTOGRAPH, same_photograph

FILE = DATA / "roster" / "returning_portraits.csv"


def load() -> pd.DataFrame:
    """Returning members' new portraits, one row a member, sorted by member_id.

    member_id, name, snapshot (chamber and Congress of the roster), file, difference (mean absolute
    difference of grey values, 0 to 255), score (`rosters.same_photograph`), same_photograph (bool:
    left out of genuine pairs), note, source.

    >>> load()["same_photograph"].value_counts().to_dict()
    {False: 17, True: 6}
    """
    return pd.read_csv(FILE, keep_default_na=False)


def kept() -> list[str]:
    """The members whose new portrait is another photograph than the first."""
    table = load()
    return table.loc[~table["same_photograph"], "member_id"].to_list()


def scored(portraits: pd.DataFrame) -> pd.DataFrame:
    """Portraits with their score and same_photograph, computed from the images again.

    The new portrait is halved first: faces as large as both are at 512 pixels are not searched for.
    """
    import cv2  # half a second that a run on what ships need not spend

    first = local_files("probes", portraits["member_id"]).set_index("id")["path"]
    new = local_files("returning", portraits["member_id"]).set_index("id")["path"]
    scores = []
    for member in portraits["member_id"]:
        one, other = (np.asarray(Image.open(p[member]).convert("L")) for p in (first, new))
        half = cv2.resize(other, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        scores.append(round(same_photograph(one, half), 3))
    table = portraits.assign(score=scores)
    return table.assign(same_photograph=table["score"] >= SAME_PHOTOGRAPH)
