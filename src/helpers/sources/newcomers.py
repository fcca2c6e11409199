"""Who was not there: members of the 116th and 117th Congress who are not among the 529.

Made from the later rosters, newcomers_corrections.csv and newcomers_coding.csv, a second, public
source, because the publisher codes 21 of them wrongly. Nothing is read off a face.
"""

import pandas as pd
import pandera.pandas as pa

from helpers.sources import groups, rosters
from helpers.sources.galleries import load_legislators
from helpers.sources.rosters import ROSTER

# in the order in which a newcomer's row and portrait are looked for
SNAPSHOTS = {
    "house-2020": "house", "senate-2020": "senate", "house-2021": "house", "senate-2021": "senate",
}  # fmt: skip
CONGRESS_117 = "2021-01-03"  # its first day
PLAIN = ["name", "party", "gender", "date_of_birth", "entered_office"]


def load_newcomers() -> pd.DataFrame:
    """The newcomers, checked: one row a person, sorted by member_id.

    `ethnicity` and `gender` are those of the second source, `publisher_*` those of the rosters;
    `group` is one of groups.LATER_GROUPS; bool: `uncertain` (sources differ on it), `of_colour`
    (all but White); `gallery_id`: of former legislators, or "". ValueError for a damaged file.
    """
    newcomers = rosters.read(ROSTER / "newcomers.csv", NEWCOMERS)
    check_newcomers(newcomers)
    newcomers["of_colour"] = groups.of_colour(newcomers["group"])
    return newcomers


def load_coding() -> pd.DataFrame:
    """What the second source records of each newcomer, with its address and our notes.

    member_id, name, gender, gender_source, ethnicity (heritages, "; " between two), group,
    ethnicity_source, status ("read", or "general record" for none found), uncertain (bool),
    sat_before (Congresses before the 115th), note.
    """
    table = pd.read_csv(ROSTER / "newcomers_coding.csv", dtype=str, keep_default_na=False)
    return table.assign(uncertain=table["uncertain"].eq("True"))


def load_corrections() -> pd.DataFrame:
    """Every correction of the later rosters: who, snapshot, field, published, corrected, why."""
    return pd.read_csv(ROSTER / "newcomers_corrections.csv", dtype=str, keep_default_na=False)


def build_newcomers() -> pd.DataFrame:
    """Build newcomers.csv from the later rosters, the corrections and the second source.

    A newcomer's row is that of the earliest snapshot which shows the person. Raises ValueError if
    a correction no longer fits, the second source names other people, or a check fails.
    """
    published = pd.concat([rosters.snapshot(c, i) for i, c in SNAPSHOTS.items()])
    published = published.assign(publisher_gender=published["gender"])
    rows = correct(published.reset_index(drop=True), load_corrections())
    rows = rows[~rows["member_id"].isin(rosters.load_members()["member_id"])]
    rows = rows.drop_duplicates("member_id")
    coding = load_coding().set_index("member_id")
    if set(coding.index) != set(rows["member_id"]):
        strange = sorted(set(coding.index) ^ set(rows["member_id"]))
        raise ValueError(f"in the rosters or in newcomers_coding.csv alone: {', '.join(strange)}")
    rows = rows.set_index("member_id").sort_index()
    differ = rows["gender"].ne(coding["gender"].reindex(rows.index))
    if differ.any():
        raise ValueError(f"recorded gender is disputed of {', '.join(rows['name'][differ])}")
    rows["publisher_ethnicity"] = rows["ethnicity"].map(groups.LATER_ETHNICITIES)
    taken = ["ethnicity", "group", "uncertain", "status", "sat_before", "gender_source",
             "ethnicity_source"]  # fmt: skip
    rows[taken] = coding[taken].reindex(rows.index)
    rows["congress"] = rows["entered_office"].lt(CONGRESS_117).map({True: 116, False: 117})
    rows = rows.reset_index()
    icpsr = rows["member_id"].map(rosters.link_voteview(rows).icpsr).astype("Int64")
    rows["icpsr"], rows["gallery_id"] = icpsr, in_legislators(rows.assign(icpsr=icpsr))
    second = load_second_portraits().query("kept").set_index("member_id").url
    rows["second_portrait_url"] = rows["member_id"].map(second).fillna("")
    rows = rows[list(NEWCOMERS.columns)].astype(rosters.types(NEWCOMERS))
    check_newcomers(rows)
    return rows


def correct(published: pd.DataFrame, corrections: pd.DataFrame) -> pd.DataFrame:
    """Apply corrections to snapshots: `seat` removes a row of somebody who did not sit.

    `absent` records a member whom no snapshot shows; `portrait` names another file of the same
    folder; the rest replace a value. Raises ValueError for a row that does not fit.
    """
    rows = published.copy()
    for fix in corrections.itertuples():
        here = rows["member_id"].eq(fix.member_id) & rows["source"].eq(fix.snapshot)
        if fix.field == "absent":
            fits = not rows["name"].eq(fix.name).any()
        elif fix.field == "seat":
            seats = rows[here].apply(rosters.seat, axis=1) + ": " + rows.loc[here, "name"]
            fits = seats.tolist() == [fix.published]
            rows = rows[~here]
        elif fix.field == "portrait":
            url = rows.loc[here, "portrait_url"]
            fits = len(url) == 1 and url.item().rsplit("/", 1)[1] == fix.published
            rows.loc[here, "portrait_url"] = url.str.rsplit("/", n=1).str[0] + "/" + fix.corrected
        else:
            fits = fix.field in PLAIN and rows.loc[here, fix.field].tolist() == [fix.published]
            rows.loc[here, fix.field] = fix.corrected
        if not fits:
            raise ValueError(f"correction of {fix.field} of {fix.name} does not fit the rosters")
    return rows


def in_legislators(newcomers: pd.DataFrame) -> pd.Series:
    """Each newcomer's id in the gallery of former legislators, by ICPSR number; "" for none.

    Who is in it is left out of it when searched. Those who came back are not, as long as voteview
    has one number for both periods.
    """
    ids = newcomers["icpsr"].map("v{:06d}".format, na_action="ignore")
    return ids.where(ids.isin(load_legislators()["gallery_id"]), "").fillna("").astype(str)


def _one_heritage_or_multiple(rows):
    one = rows["ethnicity"].replace(groups.GROUP_OF_ETHNICITY)
    named = one.eq(rows["group"]) | (one.eq("Asian") & rows["group"].isin(groups.ASIAN))
    several = rows["ethnicity"].str.contains("; ")
    return named.where(~several, rows["group"].eq(groups.MULTIPLE))


def _known_heritages(ethnicity):
    return ethnicity.str.split("; ").map(set(LABELS).issuperset)


DATE = pa.Check.str_matches(r"^\d{4}-\d\d-\d\d$")
JPEG = pa.Check.str_matches(r"^https://.+\.jpg$")
LABELS = list(groups.LATER_ETHNICITIES.values())
NEWCOMERS = pa.DataFrameSchema(
    {
        "member_id": pa.Column(str, pa.Check.str_matches(r"^[A-Z]\d{6}$"), unique=True),
        "name": pa.Column(str, pa.Check(lambda s: s.eq(s.str.split().str.join(" ")) & s.ne(""))),
        "congress": pa.Column("int64", pa.Check.isin([116, 117])),
        "chamber": pa.Column(str, pa.Check.isin(["house", "senate"])),
        "state": pa.Column(str, pa.Check.str_matches("^[A-Z]{2}$")),
        "district": pa.Column("Int64", pa.Check.in_range(1, 53), nullable=True),
        "party": pa.Column(str, pa.Check.isin(["democrat", "republican", "independent"])),
        "gender": pa.Column(str, pa.Check.isin(groups.GENDERS)),
        "publisher_gender": pa.Column(str, pa.Check.isin(groups.GENDERS)),
        "ethnicity": pa.Column(str, pa.Check(_known_heritages)),
        "publisher_ethnicity": pa.Column(str, pa.Check.isin(LABELS)),
        "group": pa.Column(str, pa.Check.isin(groups.LATER_GROUPS)),
        "uncertain": pa.Column(bool),
        "status": pa.Column(str, pa.Check.isin(["read", "general record"])),
        "date_of_birth": pa.Column(str, DATE),
        "entered_office": pa.Column(str, [DATE, pa.Check(lambda s: s.gt(rosters.DAY))]),
        "sat_before": pa.Column(str, pa.Check.str_matches(r"^(\d{2,3}(; \d{2,3})*)?$")),
        "icpsr": pa.Column("Int64", nullable=True, unique=True),
        "gallery_id": pa.Column(str, pa.Check.str_matches(r"^(v\d{6})?$")),
        "portrait_url": pa.Column(str, JPEG, unique=True),
        "second_portrait_url": pa.Column(str),
        "source": pa.Column(str, pa.Check.isin(SNAPSHOTS)),
        "gender_source": pa.Column(str, pa.Check.ne("")),
        "ethnicity_source": pa.Column(str),
    },
    checks=[
        pa.Check(_one_heritage_or_multiple, name="one heritage is a group, several are Multiple"),
        pa.Check(
            lambda r: r["ethnicity_source"].ne("") | r["status"].eq("general record"),
            name="a source for each heritage",
        ),
    ],
    strict=True,
    ordered=True,
)  # fmt: skip


def check_newcomers(newcomers: pd.DataFrame) -> None:
    """Check the newcomers' columns, labels and sources; raises ValueError that names all faults."""
    rosters.check(newcomers, NEWCOMERS, "newcomers.csv is damaged")


def load_second_portraits() -> pd.DataFrame:
    """voteview's portraits of newcomers: member_id, icpsr, url, linked_by, score, kept.

    score is `rosters.same_photograph` of the two portraits; kept is False where they are one
    photograph.
    """
    return pd.read_csv(ROSTER / "newcomers_second_portraits.csv")


def build_second_portraits(newcomers: pd.DataFrame) -> pd.DataFrame:
    """Compare both portraits of each newcomer as pictures: are they the same photograph?

    The rule and the threshold are those of `rosters.build_second_portraits`; near the threshold
    newcomers_second_portraits_by_eye.csv decides.
    """
    links = rosters.link_voteview(newcomers).sort_index()
    second = [f"newcomers-{d}" for d in rosters.SECOND]
    by_eye = "newcomers_second_portraits_by_eye.csv"
    return rosters.compared(links, "newcomers", second, by_eye)
