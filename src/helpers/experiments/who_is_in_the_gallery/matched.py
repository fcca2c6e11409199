"""Galleries with the members' own ages and genders, and the FPIR that is expected in them.

Counts ship in two age bands: "matched" means that the younger has the members' share. Within 35-75
faces stay younger (median 48) than members (60), so a gap that is left can still be one of age.
"""

import numpy as np
import pandas as pd

from helpers.experiments.the_people import tables as people
from helpers.experiments.who_is_in_the_gallery import compositions
from helpers.sources.groups import GENDERS

AS_IT_IS = "as it is"
AGES = "the members' ages"
AGES_GENDERS = "the members' ages and genders"
DESIGNS = (AS_IT_IS, AGES, AGES_GENDERS)


def bands(born: pd.Series) -> pd.Series:
    """The age band of each member on the day of the search; born: ISO dates."""
    young, old = compositions.BANDS
    return people.ages(born).lt(35).map({True: young, False: old})


def targets(members: pd.DataFrame) -> pd.DataFrame:
    """The members' shares by recorded gender and age band, also where nobody is, sum 1."""
    index = pd.MultiIndex.from_product([GENDERS, compositions.BANDS], names=["gender", "age_band"])
    cells = pd.DataFrame({"gender": members["gender"], "age_band": bands(members["date_of_birth"])})
    share = cells.value_counts(normalize=True).reindex(index, fill_value=0.0)
    return share.rename("share").reset_index()


def designs(members: pd.DataFrame, faces: pd.Series) -> dict[str, pd.Series]:
    """Compositions matched to the members, and the gallery as it is: name -> shares of strata.

    faces: stratum -> faces there are, without children. AGES changes the ages alone: label and
    gender keep their shares, and neither depends on age any more. AGES_GENDERS has the members'
    genders in each band, too, and the gallery's labels.
    """
    strata = pd.DataFrame([s.split(", ") for s in faces.index], columns=["gender", "race", "band"])
    table = strata.rename(columns={"band": "age_band"}).assign(share=faces.to_numpy() / faces.sum())
    own = targets(members)

    def margin(table, keys):
        return table.groupby(keys)["share"].sum().reset_index()

    found = {
        AS_IT_IS: pd.Series(table["share"].to_numpy(), index=faces.index),
        AGES: compositions.rake([margin(table, ["gender", "race"]), margin(own, ["age_band"])]),
        AGES_GENDERS: compositions.rake([margin(table, ["race"]), own]),
    }
    return {name: shares.reindex(faces.index, fill_value=0.0) for name, shares in found.items()}


def matches(counts: pd.DataFrame, member_ids, strata) -> np.ndarray:
    """Faces at or below a threshold, (members, strata); ValueError for unknown strata."""
    unknown = sorted(set(counts["stratum"]) - set(strata))
    if unknown:
        raise ValueError(f"counts of strata that the gallery does not have: {unknown}")
    table = counts.pivot(index="probe_id", columns="stratum", values="faces")
    table = table.reindex(index=list(member_ids), columns=list(strata))
    return table.fillna(0).to_numpy(dtype=np.int64)


def expected(members: pd.DataFrame, counts: pd.DataFrame, faces: pd.Series) -> pd.DataFrame:
    """Expected FPIR in a gallery of each design, all of one size, at one threshold: exact.

    members: member_id, gender, group, of_colour, date_of_birth; counts: as for `matches`. The size
    is that of the smallest of the largest galleries, so that only the composition differs. Columns
    design, size, flagged (expected number), and the ratio for each of compositions.RATIOS.
    """
    k = matches(counts, members["member_id"], faces.index)
    plans = designs(members, faces)
    size = min(compositions.largest_size(shares, faces) for shares in plans.values())
    rows = []
    for name, shares in plans.items():
        drawn = compositions.apportion(shares, size).to_numpy()
        chance = compositions.chances(k, faces.to_numpy(), drawn)
        ratios = np.exp(compositions.log_ratios(chance, members))
        rows.append([name, size, chance.sum(), *ratios])
    columns = ["design", "size", "flagged", *compositions.RATIOS]
    return pd.DataFrame(rows, columns=columns)
