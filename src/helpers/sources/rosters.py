"""Who is searched: the 115th Congress as it sat on 26 July 2018, from published rosters.

`build_members` reconciles the raw files; `load_members` reads what ships. Ethnicity and gender
are the roster publisher's coding.
"""

import json
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pandera.pandas as pa
import yaml

from helpers.paths import DATA
from helpers.sources.fetch import load_manifest, local_files
from helpers.sources.groups import ETHNICITIES, GROUP_OF_ETHNICITY, GROUPS, of_colour

DAY = "2018-07-26"
ROSTER = DATA / "roster"
PHOTOS = (
    "https://raw.githubusercontent.com/voteview/member_photos/"
    "687cf7a9212a445431ad7441d8bfd0b7bf297eff/"
)
SEATS = {"house": 435, "senate": 100}
# chamber -> ids in the manifest of rosters; the later one serves successors and cross-checks
SNAPSHOTS = {"house": ("house-2017", "house-2019"), "senate": ("senate-2018", "senate-2021")}
SECOND = ("second-portraits", "same-photographs")  # what is kept, what is not
SAME_PHOTOGRAPH = 0.93
FACE = (60, 80)  # pixels, width and height, at which two portraits are compared


def load_members() -> pd.DataFrame:
    """The reconciled roster, checked: one row a member, sorted by member_id.

    The columns of members.csv, then `group` (one of GROUPS, from the publisher's ethnicity,
    which has one code for Asian members: asian_american_members.csv divides them) and
    `of_colour` (bool, every group but White).
    """
    members = read(ROSTER / "members.csv", MEMBERS)
    check_members(members)
    asian = pd.read_csv(ROSTER / "asian_american_members.csv").set_index("member_id").group
    group = members.ethnicity.replace(GROUP_OF_ETHNICITY)
    members["group"] = group.where(group.ne("Asian"), members.member_id.map(asian))
    lost = members.name[~members.group.isin(GROUPS)]
    if len(lost):
        raise ValueError(f"no group for {', '.join(lost)}: see asian_american_members.csv")
    members["of_colour"] = of_colour(members.group)
    return members


def read(path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Read a roster with the columns of a schema, unchecked."""
    missing = {"district": [""], "icpsr": [""]}
    return pd.read_csv(path, dtype=types(schema), na_values=missing, keep_default_na=False)


def types(schema: pa.DataFrameSchema) -> dict[str, str]:
    """The dtypes of a schema's columns, as pandas names them."""
    names = {column: str(dtype) for column, dtype in schema.dtypes.items()}
    return {column: "str" if name.startswith("str") else name for column, name in names.items()}


def build_members() -> pd.DataFrame:
    """Build members.csv from the raw rosters, the dates of changes and corrections.csv.

    Raises ValueError if a correction no longer fits what is published, and whatever
    `check_members` finds.
    """
    corrections = load_corrections()
    rows = pd.concat([_chamber(c, corrections) for c in SNAPSHOTS], ignore_index=True)
    for fix in corrections[corrections.field.eq("portrait")].itertuples():
        here = rows.member_id.eq(fix.member_id) & rows.portrait_url.str.endswith(fix.published)
        if here.sum() != 1:
            raise ValueError(f"correction of the portrait of {fix.name} does not fit the rosters")
        folder = rows.loc[here, "portrait_url"].item().removesuffix(fix.published)
        # another file of the same folder, or an address elsewhere
        elsewhere = fix.corrected.startswith("https://")
        rows.loc[here, "portrait_url"] = fix.corrected if elsewhere else folder + fix.corrected
    plain = corrections.field.isin(["name", "gender", "date_of_birth"])
    for fix in corrections[plain].itertuples():
        here = rows.member_id.eq(fix.member_id)
        if here.sum() != 1 or rows.loc[here, fix.field].item() != fix.published:
            raise ValueError(f"correction of {fix.field} of {fix.name} does not fit the rosters")
        rows.loc[here, fix.field] = fix.corrected
    rows["ethnicity"] = rows.ethnicity.replace(ETHNICITIES)
    rows["voting"] = True
    links = link_voteview(rows)
    rows["icpsr"] = rows.member_id.map(links.icpsr).astype("Int64")
    second = load_second_portraits().query("kept").set_index("member_id").url
    rows["second_portrait_url"] = rows.member_id.map(second).fillna("")
    members = rows[list(MEMBERS.columns)].sort_values("member_id", ignore_index=True)
    members = members.astype(types(MEMBERS))
    check_members(members)
    return members


def load_corrections() -> pd.DataFrame:
    """Every correction of the published rosters: who, field, published, corrected, why, source."""
    return pd.read_csv(ROSTER / "corrections.csv", dtype=str, keep_default_na=False)


def seat_changes() -> pd.DataFrame:
    """Seats that changed hands in the 115th Congress before 26 July 2018, with dates."""
    return pd.read_csv(DATA / "published" / "seat_changes.csv", dtype=str, keep_default_na=False)


def vacant_seats() -> list[str]:
    """Seats without a member on 26 July 2018."""
    changes = seat_changes()
    gone = changes.left_on.le(DAY)
    late = changes.successor_sworn_in.eq("") | changes.successor_sworn_in.gt(DAY)
    return sorted(changes.seat[gone & late])


def seat(row) -> str:
    """Name of a member's seat as in seat_changes.csv: KS-4, MT-AL, AL-Senate."""
    if row.chamber == "senate":
        return f"{row.state}-Senate"
    return f"{row.state}-{'AL' if pd.isna(row.district) else int(row.district)}"


def _raw(identifier):
    files = local_files("rosters").set_index("id").path
    return json.loads(files[identifier].read_text(encoding="utf-8"))


def snapshot(chamber: str, identifier: str) -> pd.DataFrame:
    """A published roster in our columns; names, ids and codes still as published."""
    url = load_manifest("rosters").set_index("id").url[identifier]
    folder = url.rsplit("/data/", 1)[0] + "/images/headshots/512x512/"
    raw = pd.DataFrame(_raw(identifier)).dropna(subset="name")  # a vacant seat has no name
    return pd.DataFrame(
        {
            "member_id": raw.bioguide.fillna("").astype(str),
            "name": raw.name,
            "chamber": chamber,
            "state": raw.state_code,
            "district": pd.to_numeric(raw.district).astype("Int64")
            if chamber == "house"
            else pd.NA,
            "party": raw.party,
            "gender": raw.gender,
            "ethnicity": raw.ethnicity,
            "date_of_birth": raw.date_of_birth,
            "entered_office": raw.entered_office,
            "portrait_url": folder + raw.photo_url.fillna("").str.rsplit("/", n=1).str[-1],
            "source": identifier,
        }
    )


def _chamber(chamber, corrections):
    """The earlier snapshot with stale seats replaced from the later one, or left vacant."""
    early, late = (snapshot(chamber, i) for i in SNAPSHOTS[chamber])
    for fix in corrections[corrections.field.eq("member_id")].itertuples():
        early.loc[early.name.eq(fix.name) & early.member_id.eq(""), "member_id"] = fix.corrected
    seats = corrections[corrections.field.eq("seat")]
    stale = seats[seats.member_id.isin(early.member_id)]
    rows = [early[~early.member_id.isin(stale.member_id)]]
    for fix in stale.itertuples():
        where, successor = fix.corrected.split(": ")
        if successor == "vacant":
            continue
        new = late[late.name.str.split().str.join(" ").eq(successor)]
        if len(new) != 1:
            raise ValueError(f"{successor} is not in the later snapshot of the {chamber}")
        district = where.split("-")[1]  # not the later one: Pennsylvania was redrawn in between
        new = new.assign(district=int(district) if district.isdigit() else pd.NA)
        rows.append(new)
    return pd.concat(rows, ignore_index=True)


def _plain(text):
    """Letters only, lower case, without accents: for comparing names across publishers."""
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.findall("[a-z]+", text.replace("'", ""))


def load_voteview() -> pd.DataFrame:
    """voteview's list of legislators since 1789, one row a person, party and presidency.

    name, icpsr, state, party, congress (the last one), chamber, born, died, image, source,
    provenance; icpsr, congress, born and died are Int64.
    """
    path = local_files("rosters").set_index("id").path["voteview"]
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = ["icpsr", "congress", "born", "died"]
    table[numbers] = table[numbers].apply(pd.to_numeric).astype("Int64")
    return table


def load_congress_legislators() -> pd.DataFrame:
    """Members of congress-legislators' current list, about half of those of 2018.

    member_id, icpsr (Int64), last (name), gender, date_of_birth, terms (dicts).
    """
    path = local_files("rosters").set_index("id").path["legislators-current"]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    people = yaml.load(path.read_text(encoding="utf-8"), loader)
    return pd.DataFrame(
        {
            "member_id": p["id"]["bioguide"],
            "icpsr": p["id"].get("icpsr"),
            "last": p["name"]["last"],
            "gender": {"M": "male", "F": "female"}[p["bio"]["gender"]],
            "date_of_birth": p["bio"]["birthday"],
            "terms": p["terms"],
        }
        for p in people
    ).astype({"icpsr": "Int64"})


def link_voteview(members: pd.DataFrame) -> pd.DataFrame:
    """Link members to voteview: index member_id; icpsr, image, linked_by.

    By id (congress-legislators' ICPSR number); else by name, state and birth year; else by name
    and state alone, where the publishers disagree on the year. Party decides between two records
    of one person. Only records whose service reached the 115th Congress are considered.
    """
    voteview = load_voteview().query("congress >= 115").copy()
    voteview["words"] = voteview.name.map(lambda n: set(_plain(n)))
    voteview["last"] = voteview.name.map(lambda n: set(_plain(n.split(",")[0])))
    states = {r["state_code"]: r["state_name"] for r in _raw("house-2017")}
    icpsr = load_congress_legislators().dropna(subset="icpsr").set_index("member_id").icpsr
    links = []
    for m in members.itertuples():
        words = _plain(m.name)
        by_id = voteview.icpsr.eq(icpsr.get(m.member_id, -1))
        named = voteview.state.eq(states[m.state]) & voteview["last"].map(
            lambda last, words=words: words[-1] in last
        )
        first = voteview.words.map(lambda w, words=words: words[0] in w)
        year = voteview.born.eq(int(m.date_of_birth[:4]))
        for how, mask in [
            ("id", by_id),
            ("name and birth year", named & year),
            ("name and birth year", named & year & first),
            ("name and state", named & first),
        ]:
            found = voteview[mask]
            if len(found) > 1:
                found = found[found.party.str.lower().str.startswith(m.party[:8])]
            if len(found) == 1:
                links.append((m.member_id, found.icpsr.item(), found.image.item(), how))
                break
    return pd.DataFrame(links, columns=["member_id", "icpsr", "image", "linked_by"]).set_index(
        "member_id"
    )


def cross_check(members: pd.DataFrame) -> pd.DataFrame:
    """Whatever other published data say otherwise: member_id, name, field, ours, theirs, source.

    Compared are the later snapshot (gender, ethnicity, date of birth), congress-legislators
    (family name, gender, date of birth, and the term of 26 July 2018) and voteview (birth year).
    """
    found = []
    late = pd.concat([snapshot(c, ids[1]) for c, ids in SNAPSHOTS.items()])
    late = late.replace({"ethnicity": ETHNICITIES}).set_index(["chamber", "member_id"])
    current = load_congress_legislators().set_index("member_id")
    voteview = load_voteview().set_index("icpsr")
    for m in members.itertuples():
        theirs = []
        if (m.chamber, m.member_id) in late.index:
            other = late.loc[m.chamber, m.member_id]
            fields = ["gender", "ethnicity", "date_of_birth"]
            theirs += [(f, getattr(m, f), other[f], other.source) for f in fields]
        if m.member_id in current.index:
            other, source = current.loc[m.member_id], "congress-legislators"
            term: dict = next((t for t in other.terms if t["start"] <= DAY < t["end"]), {})
            place = f"{term.get('type')} {term.get('state')} {term.get('district') or ''}".strip()
            chamber = {"house": "rep", "senate": "sen"}[m.chamber]
            ours = f"{chamber} {m.state} {'' if pd.isna(m.district) else m.district}".strip()
            ends = m.name.endswith(other["last"])
            theirs += [
                ("name", m.name, m.name if ends else other["last"], source),
                ("gender", m.gender, other.gender, source),
                ("date_of_birth", m.date_of_birth, other.date_of_birth, source),
                ("seat", ours, place, source),
                ("party", m.party, str(term.get("party")).lower(), source),
            ]
        if not pd.isna(m.icpsr):
            other = voteview.loc[m.icpsr]
            theirs.append(("birth year", m.date_of_birth[:4], str(other.born), "voteview"))
            theirs.append(("party", m.party, other.party.split()[0].lower()[:8], "voteview"))
        found += [(m.member_id, m.name, *t) for t in theirs if not str(t[1]).startswith(t[2])]
    return pd.DataFrame(found, columns=["member_id", "name", "field", "ours", "theirs", "source"])


def _seats_filled(members):
    vacant = sum(seat.endswith("-Senate") for seat in vacant_seats())
    empty = {"house": len(vacant_seats()) - vacant, "senate": vacant}
    return all(members.chamber.eq(c).sum() == n - empty[c] for c, n in SEATS.items())


def _one_a_seat(members):
    seats = members.apply(seat, axis=1)
    house = members.chamber.eq("house")
    return not seats[house].duplicated().any() and seats[~house].value_counts().eq(2).all()


def stale_members(members: pd.DataFrame) -> pd.DataFrame:
    """Rows of members who, by seat_changes.csv, had left their seat or not yet entered it."""
    family = members.name.map(lambda name: _plain(name)[-1])
    seats = members.apply(seat, axis=1)
    stale = pd.Series(False, index=members.index)
    for change in seat_changes().query("left_on <= @DAY").itertuples():
        *between, successor = change.successor.split(" then ")
        here = seats.eq(change.seat)
        if not change.successor_sworn_in or change.successor_sworn_in > DAY:
            stale |= here
        elif change.seat.endswith("-Senate"):  # the state's other senator is no successor
            stale |= here & family.isin([_plain(n)[-1] for n in (change.left, *between)])
        else:
            stale |= here & family.ne(_plain(successor)[-1])
    return members[stale]


MEMBERS = pa.DataFrameSchema(
    {
        "member_id": pa.Column(str, pa.Check.str_matches(r"^[A-Z]\d{6}$"), unique=True),
        "name": pa.Column(str, pa.Check(lambda s: s.eq(s.str.split().str.join(" ")) & s.ne(""))),
        "chamber": pa.Column(str, pa.Check.isin(SEATS)),
        "state": pa.Column(str, pa.Check.str_matches("^[A-Z]{2}$")),
        "district": pa.Column("Int64", pa.Check.in_range(1, 53), nullable=True),
        "party": pa.Column(str, pa.Check.isin(["democrat", "republican", "independent"])),
        "gender": pa.Column(str, pa.Check.isin(["female", "male"])),
        "ethnicity": pa.Column(str, pa.Check.isin(list(ETHNICITIES.values()))),
        "date_of_birth": pa.Column(str, pa.Check.str_matches(r"^(19[2-9]\d)-\d\d-\d\d$")),
        "voting": pa.Column(bool, pa.Check.eq(True)),
        "icpsr": pa.Column("Int64", nullable=True),
        "portrait_url": pa.Column(str, pa.Check.str_matches(r"^https://.+\.jpg$"), unique=True),
        "second_portrait_url": pa.Column(str),
        "source": pa.Column(str, pa.Check.isin([i for s in SNAPSHOTS.values() for i in s])),
    },
    checks=[
        pa.Check(_seats_filled, name="seats less vacancies"),
        pa.Check(_one_a_seat, name="one member a district, two senators a state"),
        pa.Check(lambda m: stale_members(m).empty, name="no stale seat"),
        pa.Check(lambda m: ~m.icpsr.dropna().duplicated().any(), name="one member an icpsr"),
    ],
    strict=True,
    ordered=True,
)


def check_members(members: pd.DataFrame) -> None:
    """Check a roster against the schema and the seats of 26 July 2018.

    Raises ValueError that names every failed check: a duplicate, a missing id, a stale or
    doubly filled seat, an unknown label, a count that is not the seats less the vacancies.
    """
    check(members, MEMBERS, f"the roster is not that of {DAY}")


def check(rows: pd.DataFrame, schema: pa.DataFrameSchema, fault: str) -> None:
    """Check a table against its schema; raises ValueError that names all faults."""
    try:
        schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases[["column", "check", "failure_case"]].drop_duplicates()
        text = "; ".join(f"{c.column}: {c.check} ({c.failure_case})" for c in cases.itertuples())
        raise ValueError(f"{fault}: {text}") from errors


def load_second_portraits() -> pd.DataFrame:
    """Other portraits of members, from voteview: member_id, icpsr, url, linked_by, score, kept.

    score is `same_photograph` of the two portraits; kept is False where they are one photograph.
    """
    return pd.read_csv(ROSTER / "second_portraits.csv")


def build_second_portraits(members: pd.DataFrame) -> pd.DataFrame:
    """Link members to voteview's own portraits and mark those that are the same photograph.

    Same: a score of SAME_PHOTOGRAPH or more, unless second_portraits_by_eye.csv says otherwise:
    it decides the pairs near that score, so that no decision hangs on the last digit. A portrait
    that already serves as the first one is left out.
    """
    links = link_voteview(members)
    links = links[~(PHOTOS + links.image).isin(members.portrait_url)]
    return compared(links, "probes", SECOND, "second_portraits_by_eye.csv")


def compared(links: pd.DataFrame, first: str, second: Sequence[str], by_eye: str) -> pd.DataFrame:
    """The links of `link_voteview` to portraits, with their score and whether they are kept.

    first, second: datasets of the portraits to compare. by_eye: the file that decides near the
    threshold.
    """
    import cv2

    def grey(files, member):
        return cv2.imread(str(files[member]), cv2.IMREAD_GRAYSCALE)

    links = links[links.image.str.startswith("images/bio_guide/")].reset_index()
    links["url"] = PHOTOS + links.image
    one = local_files(first).set_index("id").path
    other = pd.concat(map(local_files, second)).set_index("id").path
    links["score"] = [
        round(same_photograph(grey(one, i), grey(other, i)), 3) for i in links.member_id
    ]
    eye = pd.read_csv(ROSTER / by_eye).set_index("member_id").same
    same = links.member_id.map(eye).fillna(links.score.ge(SAME_PHOTOGRAPH)).astype(bool)
    links["kept"] = ~same
    return links[["member_id", "icpsr", "url", "linked_by", "score", "kept"]]


def same_photograph(first: np.ndarray, second: np.ndarray) -> float:
    """How alike two portraits of one person are as pictures: correlation, 1 is the same picture.

    Two uint8 grey images; the first is a 512 x 512 portrait with the face in the middle. Its face
    (or the mirrored one: the roster's publisher mirrors portraits) is searched in the second at
    24 sizes, the three best places are refined by an affine alignment (Evangelidis and Psarakis
    2008, `findTransformECC`), and the grey values inside an ellipse are correlated. Cropping,
    size, mirroring, brightness and contrast make no difference, a changed background little.
    """
    import cv2  # half a second that a run on what ships need not spend

    best = 0.0
    for face in (first, first[:, ::-1]):
        face = cv2.resize(face[96:416, 136:376], FACE, interpolation=cv2.INTER_AREA)
        places = []
        for width in np.geomspace(24, 150, 24):
            scale = FACE[0] / width
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            scaled = cv2.resize(second, None, fx=scale, fy=scale, interpolation=how)
            if scaled.shape[1] > FACE[0] and scaled.shape[0] > FACE[1]:
                found = cv2.matchTemplate(scaled, face, cv2.TM_CCOEFF_NORMED)
                _, score, _, (x, y) = cv2.minMaxLoc(found)
                places.append((score, x, y, scaled))
        for _, x, y, scaled in sorted(places, key=lambda p: -p[0])[:3]:
            best = max(best, _aligned_correlation(face, scaled, x, y))
    return best


def _aligned_correlation(face, image, x, y):
    import cv2

    face, image = face.astype(np.float32), image.astype(np.float32)
    warp = np.array([[1, 0, x], [0, 1, y]], dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-3)
    try:
        # the stubs lack the mask None, which the documentation allows
        _, warp = cv2.findTransformECC(  # type: ignore[call-overload]
            face, image, warp, cv2.MOTION_AFFINE, stop, None, 3
        )
    except cv2.error:  # no convergence: not the same picture
        return 0.0
    if not 0.7 < np.sqrt(abs(np.linalg.det(warp[:, :2]))) < 1.4:  # shrunk to a spot
        return 0.0
    back = cv2.warpAffine(image, warp, FACE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    y, x = np.mgrid[-1 : 1 : FACE[1] * 1j, -1 : 1 : FACE[0] * 1j]
    inside = x**2 + y**2 <= 1
    a, b = face[inside], back[inside]
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0


def load_delegates() -> pd.DataFrame:
    """The six non-voting delegates of 26 July 2018, with their portraits from voteview.

    The roster publisher does not list them: no coded ethnicity or gender, no row in members.csv.
    """
    return pd.read_csv(ROSTER / "delegates.csv", dtype={"icpsr": "Int64"}, keep_default_na=False)
