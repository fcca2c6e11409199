"""Notebook 01 as it is read: tables, captions, alternative texts and sentences."""

import pandas as pd

from helpers.experiments.the_people import tables
from helpers.protocol.calibration import thresholds
from helpers.show import numbers
from helpers.show.numbers import listed, percent
from helpers.sources import galleries, rosters
from helpers.sources.groups import COLOUR, GROUPS, WHITE
from helpers.sources.published import aclu_28
from helpers.statistics.intervals import wilson


def _rate(row, n: str = "images") -> str:
    return numbers.rate(int(row["failed"]), int(row[n]), row["low"], row["high"])


def _of(k, n) -> str:
    return numbers.rate(int(k), int(n))


def show_failures(table: pd.DataFrame, names: dict) -> pd.DataFrame:
    """A table of failures to enrol with the rate written out; names: column -> heading."""
    shown = table[list(names)].rename(columns=names)
    return shown.assign(**{"Failures to enrol": table.apply(_rate, axis=1)})


def show_photographs() -> pd.DataFrame:
    """`photographs` with capitals, and the failures with their denominator."""
    table = tables.photographs()
    table["failed"] = [_of(k, n) for k, n in zip(table["failed"], table["images"], strict=True)]
    return table.drop(columns="images").rename(
        columns={"set": "Photographs", "failed": "Failures to enrol"}
    )


def caption_cohorts() -> str:
    """Caption of the figure of cohorts."""
    unknown = int(galleries.load_legislators()["born"].isna().sum())
    return (
        f"Portraits in voteview's collection, how many in brackets. Left out: {unknown} whose year "
        f"of birth is unknown."
    )


def show_corrections() -> pd.DataFrame:
    """The corrections of the rosters as a reader needs them."""
    table = rosters.load_corrections()
    shown = table[["name", "field", "published", "corrected", "reason"]].copy()
    shown["name"] = shown["name"].str.split().str.join(" ")
    shown["corrected"] = shown["corrected"].str.replace("^https://.*/", "voteview: ", regex=True)
    return shown.replace("", "missing").rename(columns=str.capitalize)


def answer() -> str:
    """The answer of notebook 01 in two sentences."""
    members, n = tables.photographed(), len(tables.photographed())
    failed = tables.failures_by(members.assign(who="all"), "who").iloc[0]
    mix = tables.composition().set_index("label")
    adults = int(mix["utkface_of"].iloc[0])
    legislators = cohorts_total()
    return (
        f"**{n} voting members sat on 26 July 2018; the roster's publisher codes "
        f"{_of(members['of_colour'].sum(), n)} as members of colour and "
        f"{_of(members['gender'].eq('female').sum(), n)} as women, and no face was found on the "
        f"portraits of {_rate(failed)}.** "
        f"**They are searched against {adults:,} images of adult strangers, of which "
        f"{percent(mix.loc['White', 'utkface_share'], 0)} are labelled White against "
        f"{percent(mix.loc['White', 'congress_share'], 0)} of Congress, and against "
        f"{int(legislators['images'] - legislators['failed']):,} former legislators: neither is an "
        f"arrest file.**"
    )


def cohorts_total() -> pd.Series:
    """Failures to enrol of all `legislators`: images, failed, rate, low, high."""
    return tables.failures_by(tables.former().assign(who="all"), "who").iloc[0]


def words_seats() -> str:
    """Why 529."""
    vacant = rosters.vacant_seats()
    house, senate = rosters.SEATS["house"], rosters.SEATS["senate"]
    return (
        f"The House has {house} seats and the Senate {senate}. On 26 July 2018 "
        f"{len(vacant)} were vacant ({listed(vacant)}), which leaves "
        f"**{len(tables.photographed())} voting members**. {len(tables.seats())} seats had changed hands since "
        f"January 2017; whoever sat on that day is searched, and nobody else:"
    )


def words_corrections() -> str:
    """How many corrections of what."""
    fields = rosters.load_corrections()["field"].value_counts()
    names = {
        "seat": "a seat that had passed to somebody else, or has another number",
        "member_id": "a missing id",
        "portrait": "a portrait",
        "name": "a name",
        "gender": "a recorded gender",
        "date_of_birth": "a date of birth",
    }
    parts = [f"{fields[f]} of {names.get(f, f)}" for f in [*names, *fields.index] if f in fields]
    parts = list(dict.fromkeys(parts))
    others = pd.read_csv(rosters.ROSTER / "disagreements.csv")
    left = sorted(others["field"].str.replace("_", " ").unique())
    return (
        f"The rosters were published on other days, and no publisher is free of slips. "
        f"{fields.sum()} corrections were needed: {listed(parts)}. Each is a row of "
        f"[corrections.csv](../data/roster/corrections.csv) with its reason and its source; that "
        f"the result has one member a district, two a state and nobody stale is checked whenever "
        f"it is read. {len(others)} disagreements with other publishers remain "
        f"([disagreements.csv](../data/roster/disagreements.csv)), on {listed(left)}."
    )


def words_denominators() -> str:
    """529 or 535."""
    n, delegates = len(tables.photographed()), len(rosters.load_delegates())
    total = sum(rosters.SEATS.values())
    return (
        f"The reports of the ACLU's test say {total}. That is the number of seats, vacant ones "
        f"included; it is also {n} voting members and {delegates} delegates without a vote "
        f"({n + delegates}). The ACLU's page says only \u201cevery current member of the House and "
        f"Senate\u201d, and which it was we cannot tell. We search {n} and show {n + delegates} "
        f"beside it. The roster's publisher does not list the delegates, so their ethnicity and "
        f"gender are not recorded; their portraits come from voteview's collection, and they are "
        f"in no comparison of groups."
    )


def words_groups() -> str:
    """The groups, and how gender is tangled up with them."""
    table = tables.counts(tables.photographed()).set_index("group")
    colour, white = table.loc[COLOUR], table.loc[WHITE]
    parts = [f"{table.loc[g, 'all']} {g}" for g in GROUPS[1:]]
    small = [g for g in GROUPS if table.loc[g, "all"] < 10]
    return (
        f"{_of(colour['all'], table.loc['All', 'all'])} are members of colour: {listed(parts)}. "
        f"{_of(colour['women'], colour['all'])} of them are women, but only "
        f"{_of(white['women'], white['all'])} of the white members. So a comparison by ethnicity "
        f"is in part one by gender, and each is also made within recorded gender. "
        f"{listed([f'*{g}*' for g in small])} have fewer than ten members each: they "
        f"are shown, with their numbers, and no sentence here rests on them alone."
    )


def words_labels() -> str:
    """Who recorded the labels, and what is wrong with them."""
    members = rosters.load_members()
    asian = members[members["ethnicity"] == "Asian"]["group"].value_counts()
    native = members[members["group"] == "Native and Pacific"]["ethnicity"].value_counts()
    genders = rosters.load_corrections().query("field == 'gender'")["name"]
    harris = members.set_index("name").loc["Kamala Harris"]
    return (
        f"* **Who.** Ethnicity and gender are the coding of the roster's publisher, "
        f"CivilServiceUSA. We know of no account of how it was made. "
        f"{len(genders)} recorded genders were wrong ({listed(genders)}) and came to light because "
        f"other sources disagree; a wrong code that all sources share would not.\n"
        f"* **One code a person.** Kamala Harris, for example, the daughter of a Jamaican father "
        f"and an Indian mother, is coded {harris['ethnicity']} by the publisher, and so counted "
        f"as {harris['group']} and not as Black. A code is not an identity, nor a skin tone.\n"
        f"* **Ours.** The publisher has one code for {asian.sum()} Asian members. Their division "
        f"into {asian['East Asian']} East and {asian['South Asian']} South Asian is this project's "
        f"own: South Asian are those who were reported as Indian Americans, and East Asian all "
        f"others, Southeast Asian among them ([file](../data/roster/asian_american_members.csv), "
        f"with sources). Native and Pacific joins {listed(f'{v} {k}' for k, v in native.items())}."
    )


def words_failures() -> str:
    """Who failed to enrol, by name, and what follows."""
    members = tables.photographed()
    failed = members[members["failed"]]
    who = listed([f"{m.name} ({m.group}, {m.state})" for m in failed.itertuples(index=False)])
    n = len(failed)
    text = (
        f"On {n} of {len(members)} photographs no face is found: {who}. It is the same with "
        f"every model, because all use one detector (YuNet), and deepface accepts its finds from a "
        f"score of {tables.DETECTOR_ACCEPTS} up. They count as searched and not matched. A failure is no "
        f"protection: another photograph of the same person may enrol."
    )
    seconds = tables.photographed("second-portraits").query("not failed")["member_id"]
    again = failed[failed["member_id"].isin(seconds)]["name"]
    if len(again):
        text += f" So it is: on the second portrait of {listed(again)} a face is found."
    on_list = failed[failed["member_id"].isin(aclu_28()["member_id"])]["name"]
    if len(on_list):
        text += (
            f" {listed(on_list)} is on the ACLU's list, so on these photographs no model here can "
            f"flag more than {len(aclu_28()) - len(on_list)} of those {len(aclu_28())}."
        )
    return text


def words_quality() -> str:
    """How the photographs of the larger groups differ."""
    members = tables.photographed()
    table = tables.quartiles(members, ["group"], {"group": GROUPS})
    large = table[table["faces"] >= 10]
    parts = []
    for measure, name in tables.QUALITY.items():
        part = large[large["measure"] == measure].set_index("group")["median"]
        parts.append(
            f"{name.split(' (')[0].lower()} from {part.min():,.0f} ({part.idxmin()}) to "
            f"{part.max():,.0f} ({part.idxmax()})"
        )
    return (
        f"Between the groups of ten members or more the medians run: {'; '.join(parts)}. "
        f"Brightness is the mean grey of the face box (0 black, 255 white): it measures skin, "
        f"light and background together and cannot tell them apart. So these are possible "
        f"*mediators*, not nuisances to be adjusted away: the unadjusted gap between groups is "
        f"what a person meets, and what changes after adjustment is a question of its own."
    )


def words_second() -> str:
    """How many members have a second portrait, and how it was found."""
    links, members = rosters.load_second_portraits(), tables.photographed()
    by_eye = pd.read_csv(rosters.ROSTER / "second_portraits_by_eye.csv")
    kept = members[members["member_id"].isin(links[links["kept"]]["member_id"])]
    ways = links["linked_by"].value_counts()
    colour = members["of_colour"]
    have = kept["of_colour"].sum(), (~kept["of_colour"]).sum()
    failed = tables.photographed("second-portraits").query("failed")["name"]
    text = (
        f"Besides the {from_voteview()} whose portrait there serves as the first, {len(links)} of "
        f"the {len(members)} members were found in voteview's collection, "
        f"{listed([f'{v} by {k}' for k, v in ways.items()])}. {(~links['kept']).sum()} "
        f"were dropped because the two are one photograph, cropped or scaled: such a pair says "
        f"nothing about recognition. ({len(by_eye)} doubtful pairs were decided by eye, with a "
        f"reason each.) **{len(kept)} second portraits remain**, for "
        f"{_of(have[0], colour.sum())} of the members of colour and "
        f"{_of(have[1], (~colour).sum())} of the white members."
    )
    if len(failed):
        text += f" No face was found on that of {listed(failed)}."
    return text


def words_portraits() -> str:
    """What the corrections say about portraits, as a list, and what they cannot have found."""
    table = rosters.load_corrections().query("field == 'portrait'")
    rows = "\n".join(f"* **{row['name']}**: {row['reason']}." for row in table.to_dict("records"))
    alone = len(tables.photographed()) - len(rosters.load_second_portraits()) - from_voteview()
    return (
        f"{rows}\n\nPortraits of other people were found by comparing a member's two portraits. "
        f"Among the {alone} members of whom the other collection has none, one would not have been "
        f"found."
    )


def from_voteview() -> int:
    """How many members are searched with voteview's portrait in place of the publisher's."""
    return int(tables.photographed()["portrait_url"].str.contains("/voteview/", regex=False).sum())


def words_legislators() -> str:
    """The gallery of former legislators in numbers."""
    people, total = galleries.load_legislators(), cohorts_total()
    born = people["born"]
    return (
        f"**Former legislators.** {len(people):,} people who sat between the "
        f"{ordinal(people['last_congress'].min())} and the "
        f"{ordinal(people['last_congress'].max())} Congress and had left before the 115th, one "
        f"portrait each, born {born.min()} to {born.max()}. On {_rate(total)} no face was found, "
        f"so the gallery holds {int(total['images'] - total['failed']):,} faces. They were public "
        f"officials, so their face metadata ship and everyone can rerun this search offline. Our "
        f"source does not record their gender or ethnicity; for most of that history nearly all "
        f"were white men. Relatives of sitting members are among them."
    )


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 11th, 114th."""
    teens = 10 <= number % 100 <= 20
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def title_cohorts() -> str:
    """The finding of the figure of cohorts."""
    table = tables.cohorts().set_index("group")
    most, last = table["rate"].idxmax(), table.index[-1]
    return (
        f"No face is found on {percent(table.loc[most, 'rate'], 0)} of the portraits of those "
        f"born {most}, and on {percent(table.loc[last, 'rate'], 0)} of those born {last}"
    )


def alt_cohorts() -> str:
    """Alternative text of the figure of cohorts."""
    rows = [f"{r['group']} {_rate(r)}" for r in tables.cohorts().to_dict("records")]
    return f"Failures to enrol by year of birth, a dot with an interval each: {'; '.join(rows)}."


def words_utkface() -> str:
    """The gallery of strangers in numbers."""
    labels, table = tables.utkface_labels(), tables.utkface()
    adults = table[table["adult"]]
    children = table[table["age_band"] == galleries.AGE_BANDS[0]]["images"].sum()
    low, high = galleries.ADULT
    total = adults["images"].sum()
    failed = {"failed": adults["failures"].sum(), "images": total}
    failed["low"], failed["high"] = wilson(failed["failed"], total)
    clusters = thresholds().query("model == @tables.MODEL")["gallery_identities"].iloc[0]
    return (
        f"**UTKFace.** {labels['different images']:,} different photographs of private people, "
        f"collected from the web for research, cropped and aligned by their publisher. "
        f"{children:,} are labelled as children; the primary analysis takes the {total:,} "
        f"labelled {low} to {high} years whose labels are all there and undisputed. On "
        f"{_rate(failed)} of these no face was found. The others fall into {clusters:,} clusters "
        f"of near-duplicates; since other photographs of one person mostly stay apart, there are "
        f"fewer people than that. Some members of Congress may be among them: notebook 02 says how "
        f"that is dealt with, and its gallery is smaller by the faces that are left out for it."
    )


def words_disputed() -> str:
    """What the same photograph under different names says about the labels."""
    n = tables.utkface_labels()
    several = n["images with several names"]
    by = [
        f"{n[f'of these, names that disagree on {label}']} on {label}"
        for label in ("age", "gender", "race")
    ]
    any_label = n["of these, names that disagree on any label"]
    return (
        f"Age, gender and race in UTKFace were estimated by an algorithm (DEX) and checked by a "
        f"person: *published labels*, not ground truth. They stand in the file names, and the "
        f"{n['file names']:,} names hold only {n['different images']:,} different images. "
        f"{several} images have several names, and the names of {_of(any_label, several)} "
        f"disagree: {listed(by)}. That is not the error rate of all labels, because images that "
        f"were collected twice are no random sample; it is the only check that the set itself "
        f"offers. Disputed labels are treated as missing. *Others* mixes Hispanic, Latino and "
        f"Middle Eastern; there is no Hispanic and no Native class, so no comparison can be made "
        f"within these groups."
    )


def title_composition() -> str:
    """The finding of the figure of composition."""
    table = tables.composition().set_index("label")
    white, women = table.loc["White"], table.loc["Women"]
    return (
        f"Congress is {percent(white['congress_share'], 0)} white and "
        f"{percent(women['congress_share'], 0)} women, the strangers' gallery "
        f"{percent(white['utkface_share'], 0)} and {percent(women['utkface_share'], 0)}"
    )


def title_utkface_failures() -> str:
    """The finding of the figure of failures to enrol in `utkface`."""
    return (
        f"On the strangers' images a face is nearly always found: with no label more than "
        f"{percent(tables.utkface_failures()['rate'].max())} fail"
    )


def alt_utkface_failures() -> str:
    """Alternative text of the figure of failures to enrol in `utkface`."""
    rows = [
        f"{r['gender']} {r['group']} {_rate(r)}"
        for r in tables.utkface_failures().to_dict("records")
    ]
    return f"Dots with intervals, women above men, one for each label: {'; '.join(rows)}."


def alt_composition() -> str:
    """Alternative text of the figure of composition."""

    def text(share):
        return "none" if pd.isna(share) else percent(share)

    rows = [
        f"{r['label'].replace(' | ', ' beside ')}: {text(r['congress_share'])} and "
        f"{text(r['utkface_share'])}"
        for r in tables.composition().to_dict("records")
    ]
    return f"Shares of Congress and of the adults of UTKFace: {'; '.join(rows)}."


def title_quality(table: pd.DataFrame, whose: str) -> str:
    """The finding of a figure of photo quality: how far the medians of brightness are apart."""
    enough = table[table["measure"].eq("brightness") & table["faces"].ge(10)]["median"]
    return (
        f"{whose} differ in brightness: the medians run from {enough.min():.0f} to "
        f"{enough.max():.0f}"
    )


def alt_quality(table: pd.DataFrame, labels: list[str]) -> str:
    """Alternative text of a figure of photo quality: the medians in words."""
    rows = []
    for key, part in table.groupby(labels, sort=False):
        medians = part.set_index("measure")["median"]
        numbers = [
            f"{tables.QUALITY[m].split(' (')[0].lower()} {medians[m]:,.0f}" for m in tables.QUALITY
        ]
        gender = {"female": "women", "male": "men"}
        rows.append(f"{', '.join(gender.get(k, k) for k in key)}: {listed(numbers)}")
    return f"Medians with quartiles in three columns. {'; '.join(rows)}."


def title_counts() -> str:
    """The finding of the figure of groups."""
    sizes = tables.counts(tables.photographed()).set_index("group")["all"]
    small = sizes[[g for g in GROUPS if sizes[g] < 10]]
    return (
        f"{sizes['Members of colour']} members of colour in {len(GROUPS) - 1} groups, "
        f"{len(small)} of which have fewer than ten members"
    )


def alt_counts() -> str:
    """Alternative text of the figure of groups."""
    table = tables.counts(tables.photographed()).set_index("group").loc[list(GROUPS)]
    rows = [f"{g} {r['women']} women and {r['men']} men" for g, r in table.iterrows()]
    return f"Stacked bars of women and men, one bar for each group: {'; '.join(rows)}."
