"""Groups of people, defined once: what "of colour" and "not Asian" mean, and every label's order.

A group is what somebody recorded: the publisher of a roster (GROUPS), the publisher of a gallery
(RACES), or a user in a labels file (`recorded`). Nothing here is inferred from a face.
"""

import unicodedata

import numpy as np
import pandas as pd

WHITE = "White"
# recorded groups of members of Congress, in the order in which they are shown everywhere
GROUPS = ("White", "Black", "Hispanic", "East Asian", "South Asian", "Native and Pacific")
# two more of the newcomers of the 116th and 117th Congress, of colour: decided before any newcomer
# was searched. The roster of the 115th has neither: see `as_in_115`
MIDDLE_EASTERN, MULTIPLE = "Middle Eastern", "Multiple"
LATER_GROUPS = (*GROUPS, MIDDLE_EASTERN, MULTIPLE)
OF_COLOUR = tuple(group for group in GROUPS if group != WHITE)
ASIAN = ("East Asian", "South Asian")
# as tables and figures name the two sums of groups
COLOUR, NOT_ASIAN = "Members of colour", "Members of colour, not Asian"
GENDERS = ("female", "male")
NOT_RECORDED = "not recorded"

# labels that UTKFace publishes, and the nearest to a recorded group; Native and Pacific has none
RACES = ("White", "Black", "Asian", "Indian", "Others")
RACE_OF_GROUP = {
    "White": "White",
    "Black": "Black",
    "Hispanic": "Others",
    "East Asian": "Asian",
    "South Asian": "Indian",
}

# the roster publisher's codes
ETHNICITIES = {
    "white-american": "White",
    "african-american": "Black",
    "hispanic-american": "Hispanic",
    "asian-american": "Asian",
    "native-american": "Native American",
    "pacific-islander": "Pacific Islander",
}
# and those it uses for newcomers only
LATER_ETHNICITIES = ETHNICITIES | {
    "middle-eastern-american": MIDDLE_EASTERN,
    "multi-racial-american": MULTIPLE,
}
GROUP_OF_ETHNICITY = {
    "Native American": "Native and Pacific",
    "Pacific Islander": "Native and Pacific",
}

# labels of a user's file that can be told white or of colour, as they are shown
KNOWN = (
    *LATER_GROUPS, *RACES[2:], *(e for e in ETHNICITIES.values() if e not in GROUPS)
)  # fmt: skip


def of_colour(group) -> np.ndarray:
    """Whether each recorded group is one of members of colour: bool, False for White.

    Raises ValueError for a label that is none of KNOWN: it would count on one side or the other
    without anybody having said so.
    """
    group = np.asarray(group, dtype=object)
    unknown = sorted(set(group) - set(KNOWN), key=str)
    if unknown:
        raise ValueError(f"neither white nor of colour is known of the groups {unknown}")
    return group != WHITE


def asian(group) -> np.ndarray:
    """Whether each recorded group is East or South Asian: bool."""
    return np.isin(np.asarray(group, dtype=object), ASIAN)


def not_asian(group) -> np.ndarray:
    """Whether each recorded group is of colour and neither East nor South Asian: bool."""
    return of_colour(group) & ~asian(group)


def masks(group) -> dict[str, np.ndarray]:
    """Who belongs to each group that is shown: name -> bool array; GROUPS, then the two sums."""
    group = np.asarray(group, dtype=object)
    each = {name: group == name for name in GROUPS}
    return each | {COLOUR: of_colour(group), NOT_ASIAN: not_asian(group)}


def as_in_115(group) -> np.ndarray:
    """Recorded groups as the roster of the 115th would count them: Middle Eastern is White.

    "Multiple" stays a label of its own: of colour, and no part. For pooling both rosters.
    """
    group = np.asarray(group, dtype=object)
    return np.where(group == MIDDLE_EASTERN, WHITE, group)


def in_order(labels) -> list[str]:
    """The labels that occur, each once: LATER_GROUPS in order, then others by name."""
    present = set(labels)
    return [g for g in LATER_GROUPS if g in present] + sorted(present - set(LATER_GROUPS))


def recorded(labels: pd.Series) -> pd.Series:
    """Free-text labels of a user's file as they count: spelled as in KNOWN where they are known.

    Case, blanks and Unicode forms do not matter ("white" and " White " are White), nor
    do hyphens and underscores; the roster publisher's codes are known too. A label that is not
    known keeps its text, without outer blanks; one that is empty or missing is NOT_RECORDED.
    """
    known = {_folded(label): label for label in (*KNOWN, NOT_RECORDED)}
    known |= {
        _folded(code): GROUP_OF_ETHNICITY.get(label, label)
        for code, label in LATER_ETHNICITIES.items()
    }
    known |= {_folded(label): group for label, group in GROUP_OF_ETHNICITY.items()}

    def one(label):
        text = "" if pd.isna(label) else " ".join(unicodedata.normalize("NFKC", str(label)).split())
        return known.get(_folded(text), text) if text else NOT_RECORDED

    return labels.map(one, na_action=None).astype(object)


def is_known(group) -> np.ndarray:
    """Whether a group, spelled as `recorded` gives it, can be told white or of colour: bool."""
    return np.isin(np.asarray(group, dtype=object), KNOWN)


def _folded(label: str) -> str:
    text = unicodedata.normalize("NFKC", label).casefold()
    return " ".join(text.replace("-", " ").replace("_", " ").split())
