"""What notebook 07 says: the figures, tables and sentences made from `tables`."""

from functools import cache

import numpy as np
import pandas as pd

from helpers.experiments.the_congress_test import tables as headline
from helpers.experiments.which_model import charts as plots
from helpers.experiments.which_model import detectors
from helpers.experiments.which_model import tables as spec
from helpers.experiments.which_model.charts import AXIS_NAMES, LABELS
from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.protocol import shipped
from helpers.show import numbers
from helpers.show.numbers import listed, percent
from helpers.sources.groups import GROUPS, NOT_ASIAN

CHOICES = [
    ("model", "Dlib (native), SFace, Facenet, Dlib (deepface)", "counted",
     "what a user can install; the two Dlib are one network, cropped and compared differently"),
    ("gallery", "strangers, former legislators", "counted",
     "nobody knows the ACLU's gallery, and each of these is open to a replicator"),
    ("gallery size", "whole; a sample of it", "counted",
     "detectors other than YuNet saw a sample; a policy by count asks for the same rate"),
    ("detector", "YuNet, OpenCV Haar, dlib HOG", "counted",
     "Haar cascades are deepface's own default"),
    ("framing", "as published; cropped as UTKFace", "counted",
     "UTKFace's images are cropped tightly, the members' are not"),
    ("portrait", "the roster's; the other one, if there is any", "counted",
     "either is a published portrait of the member"),
    ("threshold", "default; FMR 1e-4, 1e-5, 1e-6; 14, 28, 56 flagged", "counted",
     "a user's, an engineer's and the ACLU's way to set it, and half and double its count"),
    ("same persons", "nobody left out; the rule of section 5 of notebook 02", "counted",
     "nobody checked in 2018; the rule was fixed before totals by group were seen"),
    ("same persons", spec.RULES["score alone"], "shown only",
     "a rule on the score alone deletes the highest impostors, whoever has most of them"),
    ("failures to enrol", "no match; left out of the denominator", "counted",
     "a search without a template returns nobody, or is no search"),
    ("any", spec.RULES["few"], "shown only", "a ratio of a few people says little"),
    ("any", spec.RULES["many"], "shown only", "where nearly all are flagged the ratio nears 1"),
    ("any", spec.RULES["ties"], "shown only", "another rate than the one it is named after"),
    ("any", spec.RULES["failures"], "shown only", "not a working system"),
]  # fmt: skip
CLAIMS = {
    "default": "At the library default more members are falsely matched than in the ACLU's test",
    "above": "Members of colour are falsely matched more often than white members",
    "clear": "... and the 95 % interval of the ratio lies above 1",
    "within": "... more often within recorded sex",
    "within clear": "... within recorded sex, and the interval lies above 1",
    "not Asian": "... more often when Asian members are left out",
    "reversed": "White members more often, and the interval lies below 1",
}


@cache
def fair() -> spec.Curve:
    """The counted specifications."""
    return spec.counted(spec.curve())


@cache
def survival() -> pd.DataFrame:
    """`specification.survival` against the ACLU's published FPIR."""
    return spec.survival(spec.curve(), headline.aclu()["fpir"])


@cache
def joint() -> pd.DataFrame:
    """`specification.joint_test` of the counted specifications, by statistic."""
    return spec.joint_test(fair()).set_index("statistic")


@cache
def moves() -> pd.DataFrame:
    """`specification.moves` of the counted specifications."""
    return spec.moves(fair())


def holds(claim: str, of: str = "all") -> tuple[int, int]:
    """In how many specifications a conclusion holds, and how many were asked."""
    row = survival().query("conclusion == @claim and of == @of").iloc[0]
    return int(row["holds"]), int(row["specifications"])


def how_many(k: int, n: int) -> str:
    """A share of specifications in words: they are no sample, so no interval."""
    if n == 0:
        return "none asked"
    return f"all {n:,}" if k == n else f"none of {n:,}" if k == 0 else f"{k:,} of {n:,}"


# ---------------------------------------------------------------- the curves


def ratio_rows() -> pd.DataFrame:
    """What the figure of ratios draws: counted ones first, each part sorted by the crude ratio."""
    table = spec.curve().table.dropna(subset=["ratio"])
    table = table.assign(counted=table["why"].eq(""))
    return table.sort_values(["counted", "ratio", "within"], ascending=[False, True, True])


def fpir_rows() -> pd.DataFrame:
    """What the figure of FPIRs draws: every specification whose policy does not fix the FPIR."""
    table = spec.curve().table
    table = table[~table["policy"].str.startswith("count")]
    # half of the rates are ties, which quicksort leaves in an order of the machine's own
    return table.assign(counted=True).sort_values(["fpir", *spec.AXES], kind="stable")


def plot_ratios():
    """The specification curve of the FPIR ratio, crude and within sex."""
    panels = [
        ("ratio", "ratio_low", "ratio_high", "crude"),
        ("within", "within_low", "within_high", "within sex"),
    ]
    return plots.plot_curve(ratio_rows(), panels, reference=1, log=True)


def plot_fpir():
    """The specification curve of the FPIR."""
    return plots.plot_curve(
        fpir_rows(), [("fpir", "low", "high", "FPIR")], headline.aclu()["fpir"], log=False
    )


def plot_moves():
    """How far each choice moves the ratio when all others stay."""
    return plots.plot_moves(moves())


def title_moves() -> str:
    """The finding of the figure of choices."""
    first = moves().iloc[0]
    return (
        f"The choice that moves the ratio most: {AXIS_NAMES[first['choice']]}, typically by a "
        f"factor of {first['factor']:.1f}"
    )


def caption_moves() -> str:
    """Caption of the figure of choices."""
    return (
        "Pairs of counted specifications that differ in one choice alone. Dot: median factor "
        "between their two FPIR ratios; line: up to the factor that one pair in ten exceeds. "
        "Flips: pairs with one ratio above 1 and one below. Names shared: of the members flagged "
        "by the one, those flagged by the other, mean over pairs at 28 flagged."
    )


def alt_moves() -> str:
    """What the figure of choices shows, in words."""
    parts = [f"{AXIS_NAMES[r.choice]} {r.factor:.2f}" for r in moves().itertuples()]
    return f"Dots on a logarithmic scale, typical factor by choice: {'; '.join(parts)}."


def title_ratios() -> str:
    """The finding of the figure of ratios."""
    k, n = holds("above")
    clear, _ = holds("clear")
    return (
        f"Members of colour are matched more often in {how_many(k, n)} counted specifications, "
        f"with the interval above 1 in {clear:,}"
    )


def caption_ratios() -> str:
    """Caption of the figure of ratios."""
    table = ratio_rows()
    shown = table["counted"]
    return (
        f"Each column is one specification: {int(shown.sum()):,} counted ones on the left, "
        f"{int((~shown).sum()):,} that the rules only show on the right (grey), each part sorted "
        "by the crude ratio. Strokes: 95 % intervals (Miettinen-Nurminen; within sex: "
        "Mantel-Haenszel with Greenland-Robins), cut at 0.1 and 30. Below: which choices a column "
        "makes; right: median crude ratio of the counted ones with that choice. The columns share "
        "members and photographs: their number is no sample size."
    )


def alt_ratios() -> str:
    """What the figure of ratios shows, in words."""
    table = ratio_rows().query("counted")
    parts = [
        f"{LABELS[r.axis][r.option]} {r.median:.1f}" for r in spec.by_option(fair()).itertuples()
    ]
    return (
        f"Sorted curve of {len(table):,} FPIR ratios from {table['ratio'].min():.1f} to "
        f"{table['ratio'].max():.1f} with a matrix of the choices behind each. Medians by choice: "
        f"{', '.join(parts)}."
    )


def _whole(policy: str) -> pd.Series:
    """The FPIRs at a policy in whole galleries, without the variant by score alone."""
    table = spec.curve().table
    table = table[table["size"].eq("whole") & table["variant"].ne("p90")]
    return table.loc[table["policy"].eq(policy), "fpir"]


def _range(policy: str, digits: int = 0) -> str:
    fpir = _whole(policy)
    return f"{percent(fpir.min(), digits)} to {percent(fpir.max(), digits)}"


def title_fpir() -> str:
    """The finding of the figure of FPIRs."""
    return (
        f"Library defaults falsely match {_range('default')} of Congress, thresholds at an FMR of "
        f"1 in a million {_range('fmr:1e-6')}"
    )


def caption_fpir() -> str:
    """Caption of the figure of FPIRs."""
    return (
        f"Each column is one of {len(fpir_rows()):,} specifications at a library default or a "
        "calibrated FMR, sorted; policies by count are left out because they fix the FPIR. "
        "Strokes: 95 % Wilson intervals. Dashed: the ACLU's 28 of 535. Right: median FPIR of the "
        "specifications with that choice. A sample of a gallery has fewer faces, so fewer matches."
    )


def alt_fpir() -> str:
    """What the figure of FPIRs shows, in words."""
    table = fpir_rows()
    parts = [
        f"{LABELS['policy'][p]} {percent(part['fpir'].median(), 0)}"
        for p, part in table.groupby("policy")
    ]
    return (
        f"Sorted curve of {len(table):,} FPIRs with a matrix of the choices behind each. Medians "
        f"by threshold: {', '.join(parts)}."
    )


# ---------------------------------------------------------------- tables


def show_choices() -> pd.DataFrame:
    """The choices, whether they count, and why."""
    return pd.DataFrame(CHOICES, columns=["Choice", "Options", "Ratio", "Why"])


def show_survival() -> pd.DataFrame:
    """In how many specifications each conclusion holds."""
    names = {"all": "Holds in", **MODEL_LABELS, **LABELS["gallery"]}
    rows = []
    for claim, text in CLAIMS.items():
        cells = {label: how_many(*holds(claim, of)) for of, label in names.items()}
        rows.append({"Conclusion": text, **cells})
    return pd.DataFrame(rows)


def show_groups() -> pd.DataFrame:
    """`specification.by_group` of the counted specifications, written out."""
    table = spec.by_group(fair())
    above = [how_many(k, n) for k, n in zip(table["above"], table["specifications"], strict=True)]
    return pd.DataFrame(
        {
            "Group": table["group"],
            "Members": table["members"],
            "FPIR above the white members'": np.where(table["group"] == "White", "–", above),
            "Median FPIR": table["median"].map(percent),
            "Least": table["least"].map(percent),
            "Greatest": table["greatest"].map(percent),
        }
    )


def show_member_failures() -> pd.DataFrame:
    """Failures to enrol of the members by recorded group: a column a detector."""
    table = spec.member_failures()
    columns = {}
    for (detector, framing), part in table.groupby(["detector", "framing"], sort=False):
        name = LABELS["detector"][detector]
        name += "" if framing == spec.FRAMINGS[0] else ", cropped"
        part = part.set_index("group")
        columns[name] = [_rate(row) for row in part.to_dict("records")]
    return pd.DataFrame(columns, index=part.index).rename_axis("Members").reset_index()


def show_gallery_failures() -> pd.DataFrame:
    """Failures to enrol of the strangers by published label: a column a detector."""
    table = spec.gallery_failures().query("dataset == 'utkface'")
    columns = {
        LABELS["detector"][d]: part.set_index("part").apply(_rate, axis=1)
        for d, part in table.groupby("detector", sort=False)
    }
    return pd.DataFrame(columns).rename_axis("Published label").reset_index()


def _rate(row) -> str:
    return numbers.rate(int(row["failures"]), int(row["images"]), row["low"], row["high"])


# ---------------------------------------------------------------- sentences


def answer() -> str:
    """The answer of notebook 07, with numbers."""
    k, n = holds("above")
    every = len(spec.curve().table)
    ratio = fair().table["ratio"]
    row = joint().loc["median ratio"]
    low, high = ratio.quantile([0.05, 0.95])
    models = [f"{MODEL_LABELS[m]} {how_many(*holds('above', m))}" for m in MODELS]
    galleries = [f"{text} {how_many(*holds('above', g))}" for g, text in LABELS["gallery"].items()]
    return (
        f"**Of {every:,} ways to run the test, {n:,} count under rules fixed beforehand. Members "
        f"of colour are falsely matched more often than white members in {how_many(k, n)} "
        f"({_against_chance()}); by gallery, {listed(galleries)}; by model, {listed(models)}. The "
        f"95 % interval of the ratio lies above 1 in {how_many(*holds('clear'))} (within recorded "
        f"sex in {holds('within clear')[0]:,}) and below 1 in {holds('reversed')[0]:,}.** **The "
        f"median ratio is {ratio.median():.1f}, and 90 % of the specifications lie between "
        f"{low:.1f} and {high:.1f}; shuffled, the median is {row['expected']:.2f} (95 % of "
        f"shuffles {row['low']:.2f}–{row['high']:.2f}; p {_p(row['p'])}).** {_survivors()}"
    )


def _against_chance() -> str:
    """The share of ratios above 1 beside that of a shuffled label."""
    row = joint().loc["share above 1"]
    verdict = "not clearly different from"
    if row["p"] < 0.05:
        verdict = "more than" if row["observed"] > row["expected"] else "less than"
    return (
        f"{percent(row['observed'], 0)}, {verdict} the {percent(row['expected'], 0)} that "
        f"shuffling the label among the members of one sex gives, p {_p(row['p'])}"
    )


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _survivors() -> str:
    """Which conclusions hold in every specification asked, and which in none or some."""
    names = {
        "default": "that a library default matches more members than the ACLU's test",
        "above": "the direction of the ratio",
        "clear": "that the ratio's interval excludes 1",
        "within clear": "that it does so within recorded sex",
    }
    survive = [text for claim, text in names.items() if holds(claim)[0] == holds(claim)[1]]
    fall = [text for claim, text in names.items() if holds(claim)[0] < holds(claim)[1]]
    parts = []
    if survive:
        parts.append(f"What survives every counted choice: {listed(survive)}.")
    if fall:
        parts.append(f"What does not: {listed(fall)}.")
    return " ".join(parts)


def words_counts() -> str:
    """How many specifications there are, and why some are only shown."""
    table = spec.curve().table
    why = table["why"].value_counts()
    parts = [f"{spec.RULES[name]}: {why[name]:,}" for name in spec.RULES if name in why]
    return (
        f"That makes {len(table):,} specifications, of which {int(table['why'].eq('').sum()):,} "
        f"count for the ratio. Only shown, by the first rule that applies: {'; '.join(parts)}. A "
        "choice that changes nothing (the same-person rule where it leaves nobody out) makes no "
        "specification of its own."
    )


def words_framing() -> str:
    """How tightly the images are framed, before and after cropping."""
    table = spec.framing().set_index("images")["side"]
    return (
        "The side of YuNet's face box is, at the median, "
        f"{percent(table['utkface'], 0)} of the width of a UTKFace image and "
        f"{percent(table['members'], 0)} of the width of a member's portrait. For the choice "
        "'cropped as UTKFace' each portrait was cut to the square in which the face lies like the "
        f"median face of UTKFace, and reduced to {detectors.CHIP} x {detectors.CHIP} pixels: "
        f"{percent(table['members as UTKFace'], 0)} then."
    )


def words_samples() -> str:
    """What was enrolled with which detector."""
    settings = pd.read_csv(spec.RESULTS / "detectors-settings.csv")
    sample = settings[settings["gallery"].eq("utkface sample")]
    faces = (sample["faces"] + sample["removed"]).groupby(sample["detector"]).max()
    enrolled = listed(f"{LABELS['detector'][d]} {faces[d]:,}" for d in spec.DETECTORS)
    return (
        "Detectors other than YuNet take several times as long, so they saw the roster's portraits "
        "and a sample of the strangers: whole identity clusters, at most "
        f"{detectors.SAMPLE:,} adults, drawn once with a fixed seed. Enrolled are {enrolled}; "
        "YuNet is asked on the same sample. No FMR was calibrated for the other detectors, nor for "
        "cropped photographs: there the thresholds are the default and the counts."
    )


def words_fpir() -> str:
    """The curve of FPIRs in words."""
    policies = [p for p in spec.POLICIES if not p.startswith("count")]
    parts = [f"{LABELS['policy'][p]} {_range(p, 1)}" for p in policies]
    k, n = holds("default")
    return (
        f"In the whole galleries, without the variant by score alone: {'; '.join(parts)}. At the "
        "library default the interval of the FPIR lies above the ACLU's 28 of 535 in "
        f"{how_many(k, n)} specifications. A nominal FMR does not fix the FPIR: it was calibrated "
        "on former legislators, and a rate of pairs is no rate of people."
    )


def words_ratios() -> str:
    """The curve of ratios in words: by model and gallery, and what contradicts it."""
    table = fair().table
    parts = []
    for model in MODELS:
        part = table.loc[table["model"].eq(model), "ratio"]
        parts.append(
            f"{MODEL_LABELS[model]} {part.median():.1f} ({part.min():.1f} to {part.max():.1f})"
        )
    galleries = [
        f"{label} {table.loc[table['gallery'].eq(name), 'ratio'].median():.1f}"
        for name, label in LABELS["gallery"].items()
    ]
    k, n = holds("reversed")
    which = [f"{MODEL_LABELS[m]} {holds('reversed', m)[0]:,}" for m in MODELS]
    below = (
        "In no counted specification does the interval lie below 1."
        if k == 0
        else f"The interval lies below 1 in {how_many(k, n)} ({listed(which)})."
    )
    primary = {c: [sum(v) for v in zip(*(holds(c, m) for m in PRIMARY_MODELS), strict=True)]
               for c in ("above", "clear", "within", "within clear", "reversed")}  # fmt: skip
    return (
        f"Median ratio and range by model: {'; '.join(parts)}. By gallery: {listed(galleries)}. "
        f"{below} Within recorded sex the median ratio is {table['within'].median():.1f} instead "
        f"of {table['ratio'].median():.1f}. With the three models of the primary analysis alone "
        f"the ratio is above 1 in {how_many(*primary['above'])}, its interval in "
        f"{how_many(*primary['clear'])}; within recorded sex the ratio in "
        f"{how_many(*primary['within'])}, its interval in {how_many(*primary['within clear'])}; "
        f"the interval lies below 1 in {how_many(*primary['reversed'])}."
    )


def words_joint() -> str:
    """The joint test in words."""
    table = joint()
    ratio = table.loc["median ratio"]
    shares = [
        f"{percent(row['observed'], 0)} lie {name.removeprefix('share ')}, shuffled "
        f"{percent(row['expected'], 0)} ({percent(row['low'], 0)} to {percent(row['high'], 0)}; "
        f"p {_p(row['p'])})"
        for name, row in table.iloc[1:].iterrows()
    ]
    more = [
        side
        for side in ("above", "below")
        if (row := table.loc[f"share clearly {side} 1"])["p"] < 0.05
        and row["observed"] > row["expected"]
    ]
    verdict = (
        f"So {' and '.join(f'more specifications lie clearly {side} 1' for side in more)} than "
        "chance gives among these members, with these photographs and galleries."
        if more
        else "So neither side has more clear specifications than chance gives among these members."
    )
    return (
        "The specifications share members, photographs and galleries, so counting them proves "
        "nothing by itself. The answer of Simonsohn, Simmons and Nelson (2020) is to ask how the "
        "whole curve would look if the label meant nothing: who is of colour was shuffled among "
        "the members of one recorded sex, 1,999 times, and every counted specification computed "
        f"anew. The median ratio is {ratio['observed']:.2f}; shuffled {ratio['expected']:.2f} "
        f"(95 % of shuffles {ratio['low']:.2f}–{ratio['high']:.2f}; p {_p(ratio['p'])}). Of the "
        f"specifications, {'; '.join(shares)}. {verdict} Exploratory; half a person is added to "
        "each count, and 'clearly' means by 1.96 standard errors of the logarithm."
    )


def words_moves() -> str:
    """Which choice moves the ratio most, in words."""
    table = moves().set_index("choice")
    first, last = table.iloc[0], table.iloc[-1]
    names = table["shared"].drop("denominator", errors="ignore").dropna()  # it flags nobody else
    three = fair().table["model"].isin(PRIMARY_MODELS).to_numpy()
    three = spec.moves(spec.only(fair(), three)).set_index("choice")
    text = (
        f"The choice that moves the ratio most: {AXIS_NAMES[table.index[0]]}, with all else "
        f"equal, typically by a factor of {first['factor']:.2f}; the least, "
        f"{AXIS_NAMES[table.index[-1]]}, by {last['factor']:.2f}. Among the three models of the "
        f"primary analysis alone another model moves it by {three.at['model', 'factor']:.2f}. The "
        f"side of 1 flips in {percent(table['flips'].sum() / table['pairs'].sum(), 0)} of all "
        "pairs."
    )
    if len(names):
        text += (
            f" At 28 flagged, changing the {AXIS_NAMES[names.idxmin()]} leaves "
            f"{percent(names.min(), 0)} of the names, on average; changing "
            f"{AXIS_NAMES[names.idxmax()]}, {percent(names.max(), 0)}."
        )
    return text


def words_names() -> str:
    """How stable the list of names is over the counted specifications at 28 flagged."""
    times = spec.names(fair())
    n = int(fair().table["policy"].eq(shipped.PRIMARY).sum())
    most = int((times > n / 2).sum())
    return (
        f"Over the {n:,} counted specifications with 28 flagged, {int((times > 0).sum())} of the "
        f"{len(times)} members are flagged at least once, {most} in more than half, and "
        f"{int((times == n).sum())} in every one; nobody in more than {int(times.max())}. A name "
        "on a list of 28 is a statement about the choices as well as about a photograph."
    )


def words_groups() -> str:
    """The parts of "members of colour" over the specifications, in words."""
    table = spec.by_group(fair()).set_index("group")
    parts = [
        f"{g} {how_many(int(table.at[g, 'above']), int(table.at[g, 'specifications']))}"
        for g in [*GROUPS[1:], NOT_ASIAN]
    ]
    return (
        f"FPIR above that of the white members: {'; '.join(parts)}. The groups differ in size, "
        "and the FPIR of a few members takes few values, zero among them, so these counts do not "
        "rank the groups."
    )


def words_enrolment() -> str:
    """Failures to enrol in words."""
    table = spec.member_failures()
    everyone = table[table["group"].eq("All members")]
    parts = []
    for row in everyone.to_dict("records"):
        name = LABELS["detector"][row["detector"]]
        name += "" if row["framing"] == spec.FRAMINGS[0] else " on cropped photographs"
        parts.append(f"{name} {_rate(row)}")
    every = spec.gallery_failures().query("part == 'all' and framing == @spec.FRAMINGS[0]")
    probes = every[every["dataset"].eq("probes")]
    away = [
        f"{LABELS['detector'][r.detector]} {r.elsewhere}"
        for r in probes.itertuples()
        if r.detector != "yunet"
    ]
    strangers = [
        f"{LABELS['detector'][row['detector']]} {_rate(row)}"
        for row in every[every["dataset"].eq("utkface")].to_dict("records")
    ]
    return (
        f"Members who fail to enrol: {'; '.join(parts)}. Strangers in the sample: "
        f"{'; '.join(strangers)}. A detector can also enrol something else than the face, without "
        "saying so: portraits in which its box has its centre outside the face that YuNet found: "
        f"{listed(away)}. By published race the failures of the strangers differ by more than "
        f"chance for {_uneven()} (permutation test of the table of failures and races, Holm over "
        "the detectors; exploratory, and not within sex, whose strata would be too small to show)."
    )


def _uneven() -> str:
    table = spec.uneven_failures()
    parts = [f"{LABELS['detector'][r.detector]} p {_p(r.holm_p)}" for r in table.itertuples()]
    found = [LABELS["detector"][d] for d in table.loc[table["holm_p"] < 0.05, "detector"]]
    return f"{listed(found) if found else 'none of the detectors'} ({', '.join(parts)})"


def words_models() -> str:
    """Which further models there could be, in words."""
    return (
        "deepface names further recognisers: VGG-Face, Facenet512, OpenFace, DeepFace, DeepID, "
        "ArcFace, GhostFaceNet, Buffalo_L. Their weights lie at addresses that this project could "
        "not reach and in no package that carries them, so none of them is in these curves. To "
        "add one, let deepface fetch its weights or put the file into the project's cache (the "
        "error names file and place), enrol the members and a gallery with "
        "`congress-test enrol`, and run `congress-test run` with its name; to have it in the "
        "curves, add the name to `MODELS` in `helpers.faces.pipelines` and run "
        "`congress-test rebuild`."
    )


def finding() -> str:
    """One line for the README's table of findings."""
    k, n = holds("above")
    ratio = fair().table["ratio"]
    low, high = ratio.quantile([0.05, 0.95])
    first, second = moves()["choice"].head(2).map(AXIS_NAMES)
    return (
        f"Over {n:,} defensible specifications the FPIR ratio of members of colour to white "
        f"members has a median of {ratio.median():.1f} (90 % of them {low:.1f}–{high:.1f}); it is "
        f"above 1 in {k:,}, its 95 % interval above 1 in {holds('clear')[0]:,} and below 1 in "
        f"{holds('reversed')[0]:,}. The choices that move it most: {first}; {second}. "
        f"{_survivors()}"
    )
