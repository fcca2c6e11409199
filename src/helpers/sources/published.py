"""What others published, each number with its source and how well that could be verified.

`status`: what was read, `primary` (the publisher's own page), `press` (a report) or `copy` (a copy
or quotation). Every published number that a notebook or page quotes comes from here.
"""

import pandas as pd
import pandera.pandas as pa

from helpers.paths import DATA
from helpers.sources.rosters import load_members
from helpers.statistics.intervals import wilson

ACLU = "ACLU 2018"
STATUSES = ["primary", "press", "copy"]
KINDS = [
    "wrongful arrest", "count of arrests", "use figures", "law", "enforcement", "company",
    "evaluation",
]  # fmt: skip
DISCLOSED = ["yes", "named", "no", "not found", "none to name"]
SOURCED = {
    "source_url": pa.Column(str, pa.Check.str_matches(r"^https?://\S+$")),
    "status": pa.Column(str, pa.Check.isin(STATUSES)),
    "note": pa.Column(str),
}
DATE = pa.Check.str_matches(r"^20[012]\d(-[01]\d(-[0-3]\d)?)?$")
RESULTS = pa.DataFrameSchema(
    {
        **{c: pa.Column(str, pa.Check.str_length(min_value=1)) for c in ("study", "quantity")},
        "date": pa.Column(str, DATE),
        **{c: pa.Column(str) for c in ("value", "denominator")},
        **SOURCED,
    },
    unique=["study", "date", "quantity"],
    strict=True,
)
AMOUNT = pa.Check.str_matches(r"^>?[\d.]*$")
EVENTS = pa.DataFrameSchema(
    {
        "date": pa.Column(str, [DATE, pa.Check(lambda s: s > "2018-07-26")]),
        "event": pa.Column(str, pa.Check.str_matches(r"^[A-Z].+\.$"), unique=True),
        "actor": pa.Column(str, pa.Check.str_length(min_value=1)),
        "kind": pa.Column(str, pa.Check.isin(KINDS)),
        **{c: pa.Column(str, AMOUNT) for c in ("value", "denominator")},
        **SOURCED,
    },
    checks=pa.Check(lambda df: df["date"].is_monotonic_increasing, name="sorted by date"),
    strict=True,
)
DISCLOSURES = pa.DataFrameSchema(
    {
        **{c: pa.Column(str, pa.Check.str_length(min_value=1)) for c in ("test", "what")},
        "published": pa.Column(str, pa.Check.isin(DISCLOSED)),
        **SOURCED,
    },
    unique=["test", "what"],
    strict=True,
)


def _read(name):
    return pd.read_csv(DATA / "published" / name, dtype=str, keep_default_na=False)


def published_results() -> pd.DataFrame:
    """All published numbers: study, date, quantity, value, denominator, source_url, status, note.

    value and denominator are text as published ("10 to >100" is a value); `number` gives one.
    """
    return _checked("results.csv", RESULTS)


def events() -> pd.DataFrame:
    """What happened since the ACLU's test, by date: a sentence an event, with its source.

    date (text; month or day may be unknown), event, actor, kind (of KINDS), value and denominator
    (text, "" for none; `note` says what they are), source_url, status, note, and day: the date,
    with the middle of the month or year where no more is known. ValueError for a damaged file.
    """
    table = _checked("events_since_2018.csv", EVENTS)
    middle = table["date"].str.len().map({4: "-07-01", 7: "-15", 10: ""})
    return table.assign(day=pd.to_datetime(table["date"] + middle))


def disclosures() -> pd.DataFrame:
    """What the publisher of each test laid open: test, what, published, source_url, status, note.

    published: yes, named (a set that has a name), no (a source says so), not found (in nothing that
    was read) or none to name. ValueError for a damaged file.
    """
    return _checked("disclosed.csv", DISCLOSURES)


def _checked(name: str, schema: pa.DataFrameSchema) -> pd.DataFrame:
    try:
        return schema.validate(_read(name))
    except pa.errors.SchemaError as error:
        raise ValueError(f"{name}: {error}") from None


def number(study: str, quantity: str) -> float:
    """One published number; LookupError if there is none, or more than one, or it is no number."""
    results = published_results()
    found = results[results.study.eq(study) & results.quantity.eq(quantity)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} published values of {quantity!r} in {study!r}")
    try:
        return float(found.value.item())
    except ValueError:
        raise LookupError(f"{quantity!r} in {study!r} is {found.value.item()!r}") from None


def aclu_28() -> pd.DataFrame:
    """The 28 members whom the ACLU's test falsely matched, with their row of the roster.

    member_id, name_as_published, source_url, note, then the columns of `load_members`. The list
    is known from one press copy; `note` says which names another source confirms.
    """
    published = _read("aclu_28.csv")
    members = load_members()
    linked = published.member_id.isin(members.member_id) & ~published.member_id.duplicated()
    if not linked.all():
        raise ValueError("aclu_28.csv holds a member twice, or one who is not in the roster")
    joined = published.merge(members, on="member_id", suffixes=("", "_roster"))
    wrong = joined[joined.state.ne(joined.state_roster) | joined.chamber.ne(joined.chamber_roster)]
    if len(wrong):
        raise ValueError(f"linked to another state or chamber: {', '.join(wrong.name)}")
    return joined.drop(columns=["state_roster", "chamber_roster"])


def lfw() -> pd.DataFrame:
    """What publishers state of pipelines on LFW, the first row of each nearest to its use here.

    pipeline, network, accuracy (share of LFW's pairs judged right), what, source_url, status, note.
    Accuracy on 6,000 pairs, half of them genuine, says little of an FMR of 1 in 1,000.
    """
    table = _read("validation_lfw.csv")
    return table.assign(accuracy=pd.to_numeric(table["accuracy"]))


def searches() -> pd.DataFrame:
    """The published tests that searched people in a gallery of strangers, one row a test.

    Columns study, date, people, label, gallery (faces), galleries (how many of this size the count
    is an average of), flagged, searched, fpir, low, high (Wilson, ours; missing for an average),
    status. ValueError if a gallery size is not among what was published.
    """
    table = published_results()
    sizes = table[table["quantity"].str.startswith("gallery size")].set_index("study")["value"]
    averaged = table[table["quantity"].eq("number of galleries the counts are averaged over")]
    people = table["quantity"].str.extract(r"^((?:\w+ )?\w+) falsely matched$")[0]
    table = table.assign(people=people)[people.notna()].reset_index(drop=True)
    table["gallery"] = table["study"].map(sizes)
    if table["gallery"].isna().any():
        raise ValueError("the size of a published test's gallery is missing")
    many = table["study"].map(averaged.set_index("study")["value"]).fillna("1")
    table = table.assign(gallery=table["gallery"].astype(int), galleries=many.astype(int))
    table["flagged"] = pd.to_numeric(table["value"])
    table["searched"] = pd.to_numeric(table["denominator"])
    table["fpir"] = table["flagged"] / table["searched"]
    table["low"], table["high"] = wilson(table["flagged"], table["searched"])
    table[["low", "high"]] = table[["low", "high"]].where(table["galleries"].eq(1))
    table["people"] = table["people"].replace("members", "members of Congress")
    table["label"] = table["study"] + ": " + table["people"]
    columns = ["study", "date", "people", "label", "gallery", "galleries", "flagged", "searched"]
    return table[[*columns, "fpir", "low", "high", "status"]]


def codings() -> pd.DataFrame:
    """The ACLU's false matches by colour, as reported and as the list of names is coded here.

    One row a coding: coding, colour_flagged, flagged, colour_searched, searched, exact (False: the
    share of Congress was reported as a round number, so `colour_searched` is rounded from it).
    """
    flagged = int(number(ACLU, "members falsely matched"))
    searched = int(number(ACLU, "members searched"))
    share = number(ACLU, "people of colour in Congress (share)")
    reported = int(number(ACLU, "people of colour among the falsely matched"))
    names, members = aclu_28(), load_members()
    return pd.DataFrame(
        {
            "coding": ["as reported in 2018", "the list of names, coded by the roster's publisher"],
            "colour_flagged": [reported, int(names["of_colour"].sum())],
            "flagged": [flagged, len(names)],
            "colour_searched": [round(share * searched), int(members["of_colour"].sum())],
            "searched": [searched, len(members)],
            "exact": [False, True],
        }
    )
