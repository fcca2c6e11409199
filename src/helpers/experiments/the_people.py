"""Who is searched, who is searched against, and how good the photographs are: notebook 01.

`python -m helpers.experiments.the_people` counts the labels and the photo quality of `utkface`,
whose faces do not ship, into data/galleries/utkface-labels.csv and utkface-quality.csv; everything
else is read from what ships. Faces are found alike for all models, so the face metadata of one
model serve.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.faces.enrolment import read_faces, read_failures
from helpers.paths import DATA
from helpers.protocol.calibration import thresholds
from helpers.protocol.shipping import faces_path
from helpers.show import figures
from helpers.show.figures import GROUP_ORDER, percent
from helpers.show.numbers import listed
from helpers.sources import galleries, rosters
from helpers.sources.published import aclu_28
from helpers.statistics.intervals import wilson
from helpers.statistics.rates import by_group, format_rate

MODEL = "dlib-native"
QUALITY = {"face_size": "Face size (pixels)", "sharpness": "Sharpness", "brightness": "Brightness"}
SETS = {
    "members, as searched": "probes",
    "members, second portrait": "second-portraits",
    "former legislators": "legislators",
    "UTKFace, adults": "utkface",
}
RACES = ["White", "Black", "Asian", "Indian", "Others"]
ADULT_BANDS = galleries.AGE_BANDS[1:4]  # 18 to 75
# A class of UTKFace beside the group of the roster that comes nearest to it; None: has none.
ALIKE = {
    "White": ("White", "White"),
    "Black": ("Black", "Black"),
    "Hispanic": ("Hispanic", None),
    "East Asian | Asian": ("East Asian", "Asian"),
    "South Asian | Indian": ("South Asian", "Indian"),
    "Native and Pacific": ("Native and Pacific", None),
    "Others": (None, "Others"),
}
DETECTOR_ACCEPTS = 0.9  # deepface's default for YuNet (yunet_score_threshold)
COHORT = 20  # years of birth that stand together
FEWEST = 5  # faces of which quartiles are drawn
WOMEN, MEN = "#001A80", "#7FA8C9"


# ---------------------------------------------------------------- the people searched


def photographed(dataset: str = "probes") -> pd.DataFrame:
    """The members with a portrait in a dataset (`probes`, `second-portraits`), one row each.

    The columns of `load_members`, then age (years on 26 July 2018), failed (bool: no face was
    enrolled), and of the enrolled face face_size (pixels), sharpness, brightness, else NaN.
    """
    return _photographed(dataset).copy()


@cache
def _photographed(dataset):
    path = faces_path(dataset, MODEL)
    faces = read_faces(path).set_index("id")[list(QUALITY)]
    failures = read_failures(path)["id"]
    members = rosters.load_members().set_index("member_id", drop=False)
    members = members[members.index.isin([*faces.index, *failures])]
    if dataset == "second-portraits":  # without those that are the same photograph
        members = members[
            members.index.isin(rosters.load_second_portraits().query("kept")["member_id"])
        ]
    members["age"] = ages(members["date_of_birth"])
    members["failed"] = members.index.isin(failures)
    return members.join(faces).reset_index(drop=True)


def ages(born, day: str = rosters.DAY) -> pd.Series:
    """Whole years of age on a day; `born`: a series of ISO dates."""
    born, day = pd.to_datetime(born), pd.Timestamp(day)
    early = (born.dt.month * 100 + born.dt.day) > day.month * 100 + day.day
    return day.year - born.dt.year - early.astype(int)


def counts(members: pd.DataFrame) -> pd.DataFrame:
    """Members by group and recorded gender: group, women, men, all, with the totals at the end."""
    table = pd.crosstab(members["group"], members["gender"]).reindex(GROUP_ORDER)
    table = table.rename(columns={"female": "women", "male": "men"})[["women", "men"]]
    table.loc["Members of colour"] = table.drop("White").sum()
    table.loc["All"] = table.loc["White"] + table.loc["Members of colour"]
    return table.assign(all=table.sum(axis=1)).rename_axis(None, axis=1).reset_index()


def failures_by(people: pd.DataFrame, column: str, order=None) -> pd.DataFrame:
    """Failures to enrol by a column: group, images, failed, rate, low, high (Wilson, 95 %)."""
    table = by_group(people, column, order, flag_col="failed").reset_index()
    table = table.set_axis(["group", "images", "failed", "rate", "low", "high"], axis=1)
    return table.astype({"group": str})


def quartiles(people: pd.DataFrame, by: list[str], order: dict | None = None) -> pd.DataFrame:
    """Photo quality of the enrolled faces: the columns `by`, measure, faces, q25, median, q75.

    order: column -> its values in the order wanted, in which the rows come.
    """
    enrolled = people.dropna(subset=list(QUALITY))
    long = enrolled.melt(by, list(QUALITY), var_name="measure")
    groups = long.groupby([*by, "measure"])["value"]
    table = groups.quantile([0.25, 0.5, 0.75]).unstack().set_axis(["q25", "median", "q75"], axis=1)
    table = table.round(1).reset_index()
    table.insert(len(by) + 1, "faces", groups.size().to_numpy())
    for column, values in ({"measure": list(QUALITY)} | (order or {})).items():
        table[column] = pd.Categorical(table[column], values, ordered=True)
    table = table.sort_values([*by, "measure"], ignore_index=True)
    return table.astype(dict.fromkeys([*by, "measure"], str))


def seats() -> pd.DataFrame:
    """Every seat that changed hands before 26 July 2018 and who held it on that day."""
    table = rosters.seat_changes().query("left_on <= @rosters.DAY").sort_values("left_on")
    vacant = table["seat"].isin(rosters.vacant_seats())
    return pd.DataFrame(
        {
            "Seat": table["seat"],
            "Left": table["left"],
            "On": table["left_on"],
            "Why": table["reason"],
            "Held on 26 July 2018 by": table["successor"].mask(vacant, "nobody: vacant"),
            "Sworn in": table["successor_sworn_in"].mask(vacant, ""),
        }
    )


# ---------------------------------------------------------------- the galleries


def former() -> pd.DataFrame:
    """Former legislators: the columns of `load_legislators`, then failed and the photo quality."""
    path = faces_path("legislators", MODEL)
    people = galleries.load_legislators()
    people["failed"] = people["gallery_id"].isin(read_failures(path)["id"])
    return people.join(read_faces(path).set_index("id")[list(QUALITY)], on="gallery_id")


def cohorts() -> pd.DataFrame:
    """Failures to enrol of `legislators` by year of birth: as `failures_by`, group "1840-1859"."""
    people = former().dropna(subset="born")
    start = people["born"].astype(int).clip(lower=1740) // COHORT * COHORT
    start = start.clip(upper=1960)
    names = {s: f"{s}–{s + COHORT - 1}" for s in sorted(start.unique())}
    names |= {min(names): f"before {min(names) + COHORT}", max(names): f"{max(names)} or later"}
    people["cohort"] = start.map(names)
    return failures_by(people, "cohort", list(names.values()))


def utkface() -> pd.DataFrame:
    """Images and failures to enrol of `utkface` by published label, as they ship.

    gender, race, age_band ("" where a label is missing or disputed), images, failures, adult
    (bool: in the primary analysis), enrolled.
    """
    path = DATA / "scores" / "utkface-enrolment.csv"
    table = pd.read_csv(path, keep_default_na=False, na_values={"face_size": [""]})
    table["adult"] = table[["gender", "race"]].ne("").all(axis=1) & table["age_band"].isin(
        ADULT_BANDS
    )
    table["enrolled"] = table["images"] - table["failures"]
    return table[["gender", "race", "age_band", "images", "failures", "adult", "enrolled"]]


def utkface_failures() -> pd.DataFrame:
    """Failures to enrol of the adults of `utkface` by published gender and race.

    Columns gender, group (the race label), images, failed, rate, low, high (Wilson, 95 %).
    """
    table = utkface().query("adult").groupby(["gender", "race"])[["images", "failures"]].sum()
    table = table.reindex(pd.MultiIndex.from_product([["female", "male"], RACES])).reset_index()
    table = table.set_axis(["gender", "group", "images", "failed"], axis=1)
    table["rate"] = table["failed"] / table["images"]
    table["low"], table["high"] = wilson(table["failed"], table["images"])
    return table


def composition() -> pd.DataFrame:
    """Congress beside the adults of `utkface`: section, label, and for each count, of and share.

    Columns section, label, congress, congress_of, congress_share, utkface, utkface_of,
    utkface_share; missing where one side has no such class, or leaves the ages out.
    """
    members, table = photographed(), utkface()
    adults = table[table["adult"]]
    bands = galleries.age_band(members["age"])
    rows = [
        (
            "Race or ethnicity, as recorded",
            label,
            float("nan") if ours is None else members["group"].eq(ours).sum(),
            float("nan") if theirs is None else adults["enrolled"][adults["race"].eq(theirs)].sum(),
        )
        for label, (ours, theirs) in ALIKE.items()
    ]
    women = adults["enrolled"][adults["gender"].eq("female")].sum()
    rows.append(("Gender, as recorded", "Women", members["gender"].eq("female").sum(), women))
    for band in galleries.AGE_BANDS[1:]:
        theirs = adults["enrolled"][adults["age_band"].eq(band)].sum()
        theirs = theirs if band in ADULT_BANDS else float("nan")
        rows.append(("Age in years", band.replace("-", "–"), bands.eq(band).sum(), theirs))
    found = pd.DataFrame(rows, columns=["section", "label", "congress", "utkface"])
    for side, total in (("congress", len(members)), ("utkface", adults["enrolled"].sum())):
        found[f"{side}_of"] = total
        found[f"{side}_share"] = found[side] / total
    return found


def label_counts(labels: pd.DataFrame) -> pd.DataFrame:
    """What the file names of UTKFace say of its labels: quantity, images.

    labels: as `galleries.load_utkface`. Labels stand in the file names, and one photograph under
    several names may have several labels.
    """
    several = labels[labels["files"] > 1]
    rows = {
        "file names": labels["files"].sum(),
        "different images": len(labels),
        "images with several names": len(several),
        "of these, names that disagree on any label": labels["disputed"].sum(),
    }
    for label in ("age", "gender", "race"):
        rows[f"of these, names that disagree on {label}"] = (
            labels["disputed"] & labels[label].isna()
        ).sum()
    unlabelled = labels[["age", "gender", "race"]].isna().all(axis=1) & ~labels["disputed"]
    rows["images without a readable label"] = unlabelled.sum()
    rows["adults of 18 to 75, no label missing or disputed"] = labels["adult"].sum()
    return pd.DataFrame({"quantity": rows.keys(), "images": [int(v) for v in rows.values()]})


def write_utkface_tables(out: Path = DATA, path=faces_path) -> None:
    """Write the two tables of `utkface` that need its labels and faces into `out`/galleries.

    The face metadata are those at `path(dataset, model)`. The quality of all adults together
    stands in the row of gender "all" and race "all".
    """
    labels = galleries.load_utkface()
    faces = read_faces(path("utkface", MODEL)).set_index("id")[list(QUALITY)]
    adults = labels[labels["adult"]].set_index("id").join(faces, how="inner")
    adults = pd.concat([adults.assign(gender="all", race="all"), adults])
    order = {"gender": ["all", "female", "male"], "race": ["all", *RACES]}
    folder = out / "galleries"
    folder.mkdir(parents=True, exist_ok=True)
    label_counts(labels).to_csv(folder / "utkface-labels.csv", index=False)
    quality = quartiles(adults, ["gender", "race"], order)
    quality.to_csv(folder / "utkface-quality.csv", index=False)


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """A table of failures with the number of images in a column `label`, for a figure."""
    label = table["group"] + " (" + table["images"].map("{:,}".format) + ")"
    table = table.assign(label=label)
    return table.replace({"female": "Women", "male": "Men"}) if "gender" in table else table


def utkface_labels() -> pd.Series:
    """`label_counts` as they ship: quantity -> images."""
    table = pd.read_csv(DATA / "galleries" / "utkface-labels.csv")
    return table.set_index("quantity")["images"]


def utkface_quality() -> pd.DataFrame:
    """Photo quality of the adults of `utkface` as it ships, columns as in `quartiles`."""
    return pd.read_csv(DATA / "galleries" / "utkface-quality.csv")


def photographs() -> pd.DataFrame:
    """The four sets of photographs beside each other: a row each.

    set, images, failed, and for each measure the median and quartiles as text, "259 (245 to 272)".
    """
    rows = []
    for words, dataset in SETS.items():
        if dataset == "utkface":
            table = utkface().query("adult")
            images, failed = int(table["images"].sum()), int(table["failures"].sum())
            quality = utkface_quality().query("gender == 'all'")
        else:
            people = former() if dataset == "legislators" else photographed(dataset)
            images, failed = len(people), int(people["failed"].sum())
            quality = quartiles(people.assign(set=words), ["set"])
        quality = quality.set_index("measure")
        texts = {}
        for measure, name in QUALITY.items():
            low, middle, high = quality.loc[measure, ["q25", "median", "q75"]]
            texts[name] = f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"
        rows.append({"set": words, "images": images, "failed": failed, **texts})
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- figures


def plot_counts(table: pd.DataFrame) -> Figure:
    """Women and men in each group as bars; `table` as from `counts`, without its totals."""
    fig, axes = figures.new_figure(2.7)
    ax = axes[0, 0]
    y = range(len(table))
    ax.barh(y, table["women"], color=WOMEN, height=0.62)
    ax.barh(y, table["men"], left=table["women"], color=MEN, height=0.62)
    for at, row in enumerate(table.itertuples()):
        text = f"{row.all} ({row.women} {'woman' if row.women == 1 else 'women'}, {row.men} men)"
        ax.annotate(text, (row.all, at), xytext=(4, 0), textcoords="offset points",
                    va="center_baseline", fontsize=8)  # fmt: skip
    ax.set_yticks(y, table["group"])
    ax.set_ylim(len(table) - 0.5, -0.6)
    ax.set_xlim(0, 1.32 * table["all"].max())
    ax.grid(axis="x")
    ax.set_xlabel("Members", loc="left")
    first = table.iloc[0]
    for x, text, colour in (
        (first["women"] / 2, "women", "white"),
        (first["women"] + first["men"] / 2, "men", figures.INK),
    ):
        ax.text(x, 0, text, ha="center", va="center_baseline", fontsize=8, color=colour)
    return fig


def plot_composition(table: pd.DataFrame) -> Figure:
    """Shares of Congress (dots) and of the adults of UTKFace (diamonds), a row each."""
    headings = table["section"].ne(table["section"].shift())
    at = (headings.cumsum() * 1.25 + np.arange(len(table))).to_numpy()
    fig, axes = figures.new_figure(0.9 + 0.235 * at[-1])
    ax = axes[0, 0]
    ticks = list(zip(at, table["label"], strict=True))
    ticks += [(y - 1, s) for y, s in zip(at[headings], table["section"][headings], strict=True)]
    ax.set_yticks(*zip(*sorted(ticks), strict=True))
    for tick in ax.get_yticklabels():
        tick.set_fontweight("bold" if tick.get_text() in set(table["section"]) else "normal")
    for y, row in zip(at, table.to_dict("records"), strict=True):
        shares = [row["congress_share"], row["utkface_share"]]
        if not any(pd.isna(shares)):
            ax.plot([100 * s for s in shares], [y, y], color="#B5B5B5", lw=1.4, zorder=1)
        ax.plot(100 * shares[0], y, "o", color=figures.INK, ms=6, zorder=3)
        ax.plot(100 * shares[1], y, "D", color=figures.IMPOSTOR_COLOUR, ms=5.5, zorder=2)
        for share, offset in zip(shares, (30, 88), strict=True):
            text = "no class" if pd.isna(share) else percent(share)
            text = "left out" if pd.isna(share) and row["section"].startswith("Age") else text
            colour = figures.MUTED if pd.isna(share) else figures.INK
            ax.annotate(text, (1, y), xycoords=("axes fraction", "data"), xytext=(offset, 0),
                        textcoords="offset points", ha="center", va="center_baseline",
                        fontsize=8, color=colour)  # fmt: skip
    for text, offset, colour in (
        ("● Congress", 30, figures.INK),
        ("◆ UTKFace", 88, figures.IMPOSTOR_COLOUR),
    ):
        ax.annotate(text, (1, at[0] - 1), xycoords=("axes fraction", "data"), xytext=(offset, 0),
                    textcoords="offset points", ha="center", va="center_baseline", fontsize=8,
                    color=colour, weight="bold")  # fmt: skip
    ax.set_ylim(at[-1] + 0.6, at[0] - 1.6)
    ax.set_xlim(-2, 102)
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:.10g} %")
    ax.grid(axis="x")
    ax.spines["left"].set_visible(False)
    return fig


def plot_quality(table: pd.DataFrame, label: str, panel: str | None = None) -> Figure:
    """Median and quartiles of each measure, three columns, a row of dots for each label.

    table: as from `quartiles`; `panel` names a column whose values stand below each other. The
    number of faces stands at the right; below FEWEST of them the median has no bar.
    """
    panels = list(dict.fromkeys(table[panel])) if panel else [None]
    labels = list(dict.fromkeys(table[label]))
    fig, axes = figures.new_figure(
        0.9 + 0.24 * len(labels) * len(panels), len(panels), 3, sharex="col", sharey=True
    )
    for row, name in zip(axes, panels, strict=True):
        part = table[table[panel] == name] if panel else table
        for ax, (measure, words) in zip(row, QUALITY.items(), strict=True):
            here = part[part["measure"] == measure].set_index(label)
            for y, group in enumerate(labels):
                if group in here.index:
                    one = here.loc[group]
                    colour = figures.colour_of(group)
                    if one["faces"] >= FEWEST:
                        ax.plot([one["q25"], one["q75"]], [y, y], color=colour, lw=2.2, alpha=0.55)
                    ax.plot(one["median"], y, figures.GROUP_MARKERS.get(group, "o"), color=colour,
                            ms=5.6, mec="white", mew=0.7)  # fmt: skip
            ax.grid(axis="x")
            ax.spines["left"].set_visible(False)
            ax.margins(x=0.08)
            ax.set_ylim(len(labels) - 0.4, -0.6)
            if name == panels[0]:
                ax.set_title(words, fontsize=9, weight="bold", loc="left")
        faces = part.drop_duplicates(label).set_index(label)["faces"]
        numbers = [(y, f"{faces[g]:,}") for y, g in enumerate(labels) if g in faces]
        for y, text in [(-1, "faces"), *numbers] if name == panels[0] else numbers:
            row[-1].annotate(text, (1, y), xycoords=("axes fraction", "data"), xytext=(26, 0),
                             textcoords="offset points", ha="right", va="center_baseline",
                             fontsize=8, color=figures.MUTED)  # fmt: skip
        row[0].set_yticks(range(len(labels)), labels)
        if panel:
            row[0].set_ylabel({"female": "Women", "male": "Men"}.get(name, name), weight="bold")
    return fig


# ---------------------------------------------------------------- as notebook 01 shows it


def _rate(row, n: str = "images") -> str:
    return format_rate(int(row["failed"]), int(row[n]), row["low"], row["high"])


def _of(k, n) -> str:
    return format_rate(int(k), int(n))


def show_failures(table: pd.DataFrame, names: dict) -> pd.DataFrame:
    """A table of failures to enrol with the rate written out; names: column -> heading."""
    shown = table[list(names)].rename(columns=names)
    return shown.assign(**{"Failures to enrol": table.apply(_rate, axis=1)})


def show_photographs() -> pd.DataFrame:
    """`photographs` with capitals, and the failures with their denominator."""
    table = photographs()
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
    members, n = photographed(), len(photographed())
    failed = failures_by(members.assign(who="all"), "who").iloc[0]
    mix = composition().set_index("label")
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
    return failures_by(former().assign(who="all"), "who").iloc[0]


def words_seats() -> str:
    """Why 529."""
    vacant = rosters.vacant_seats()
    house, senate = rosters.SEATS["house"], rosters.SEATS["senate"]
    return (
        f"The House has {house} seats and the Senate {senate}. On 26 July 2018 "
        f"{len(vacant)} were vacant ({listed(vacant)}), which leaves "
        f"**{len(photographed())} voting members**. {len(seats())} seats had changed hands since "
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
    n, delegates = len(photographed()), len(rosters.load_delegates())
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
    table = counts(photographed()).set_index("group")
    colour, white = table.loc["Members of colour"], table.loc["White"]
    parts = [f"{table.loc[g, 'all']} {g}" for g in GROUP_ORDER[1:]]
    small = [g for g in GROUP_ORDER if table.loc[g, "all"] < 10]
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
    members = photographed()
    failed = members[members["failed"]]
    who = listed([f"{m.name} ({m.group}, {m.state})" for m in failed.itertuples(index=False)])
    n = len(failed)
    text = (
        f"On {n} of {len(members)} photographs no face is found: {who}. It is the same with "
        f"every model, because all use one detector (YuNet), and deepface accepts its finds from a "
        f"score of {DETECTOR_ACCEPTS} up. They count as searched and not matched. A failure is no "
        f"protection: another photograph of the same person may enrol."
    )
    seconds = photographed("second-portraits").query("not failed")["member_id"]
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
    members = photographed()
    table = quartiles(members, ["group"], {"group": GROUP_ORDER})
    large = table[table["faces"] >= 10]
    parts = []
    for measure, name in QUALITY.items():
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
    links, members = rosters.load_second_portraits(), photographed()
    by_eye = pd.read_csv(rosters.ROSTER / "second_portraits_by_eye.csv")
    kept = members[members["member_id"].isin(links[links["kept"]]["member_id"])]
    ways = links["linked_by"].value_counts()
    colour = members["of_colour"]
    have = kept["of_colour"].sum(), (~kept["of_colour"]).sum()
    failed = photographed("second-portraits").query("failed")["name"]
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
    alone = len(photographed()) - len(rosters.load_second_portraits()) - from_voteview()
    return (
        f"{rows}\n\nPortraits of other people were found by comparing a member's two portraits. "
        f"Among the {alone} members of whom the other collection has none, one would not have been "
        f"found."
    )


def from_voteview() -> int:
    """How many members are searched with voteview's portrait in place of the publisher's."""
    return int(photographed()["portrait_url"].str.contains("/voteview/", regex=False).sum())


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
    table = cohorts().set_index("group")
    most, last = table["rate"].idxmax(), table.index[-1]
    return (
        f"No face is found on {percent(table.loc[most, 'rate'], 0)} of the portraits of those "
        f"born {most}, and on {percent(table.loc[last, 'rate'], 0)} of those born {last}"
    )


def alt_cohorts() -> str:
    """Alternative text of the figure of cohorts."""
    rows = [f"{r['group']} {_rate(r)}" for r in cohorts().to_dict("records")]
    return f"Failures to enrol by year of birth, a dot with an interval each: {'; '.join(rows)}."


def words_utkface() -> str:
    """The gallery of strangers in numbers."""
    labels, table = utkface_labels(), utkface()
    adults = table[table["adult"]]
    children = table[table["age_band"] == galleries.AGE_BANDS[0]]["images"].sum()
    low, high = galleries.ADULT
    total = adults["images"].sum()
    failed = {"failed": adults["failures"].sum(), "images": total}
    failed["low"], failed["high"] = wilson(failed["failed"], total)
    clusters = thresholds().query("model == @MODEL")["gallery_identities"].iloc[0]
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
    n = utkface_labels()
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
    table = composition().set_index("label")
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
        f"{percent(utkface_failures()['rate'].max())} fail"
    )


def alt_utkface_failures() -> str:
    """Alternative text of the figure of failures to enrol in `utkface`."""
    rows = [f"{r['gender']} {r['group']} {_rate(r)}" for r in utkface_failures().to_dict("records")]
    return f"Dots with intervals, women above men, one for each label: {'; '.join(rows)}."


def alt_composition() -> str:
    """Alternative text of the figure of composition."""

    def text(share):
        return "none" if pd.isna(share) else percent(share)

    rows = [
        f"{r['label'].replace(' | ', ' beside ')}: {text(r['congress_share'])} and "
        f"{text(r['utkface_share'])}"
        for r in composition().to_dict("records")
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
        numbers = [f"{QUALITY[m].split(' (')[0].lower()} {medians[m]:,.0f}" for m in QUALITY]
        gender = {"female": "women", "male": "men"}
        rows.append(f"{', '.join(gender.get(k, k) for k in key)}: {listed(numbers)}")
    return f"Medians with quartiles in three columns. {'; '.join(rows)}."


def title_counts() -> str:
    """The finding of the figure of groups."""
    sizes = counts(photographed()).set_index("group")["all"]
    small = sizes[[g for g in GROUP_ORDER if sizes[g] < 10]]
    return (
        f"{sizes['Members of colour']} members of colour in {len(GROUP_ORDER) - 1} groups, "
        f"{len(small)} of which have fewer than ten members"
    )


def alt_counts() -> str:
    """Alternative text of the figure of groups."""
    table = counts(photographed()).set_index("group").loc[GROUP_ORDER]
    rows = [f"{g} {r['women']} women and {r['men']} men" for g, r in table.iterrows()]
    return f"Stacked bars of women and men, one bar for each group: {'; '.join(rows)}."


if __name__ == "__main__":
    write_utkface_tables()
