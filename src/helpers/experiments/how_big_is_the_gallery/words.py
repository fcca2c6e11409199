"""Notebook 06 in tables and sentences; the numbers come from `tables`."""

import numpy as np
import pandas as pd

from helpers.experiments.how_big_is_the_gallery import tables as size
from helpers.experiments.how_big_is_the_gallery.charts import POLICY_LABELS, what_is_fixed
from helpers.experiments.how_big_is_the_gallery.models_beyond import KINDS
from helpers.experiments.how_big_is_the_gallery.tables import FIXED, FIXED_FPIR, POLICIES
from helpers.experiments.the_congress_test.tables import ACLU_COUNT
from helpers.faces.pipelines import MODEL_LABELS, PRIMARY_MODELS
from helpers.protocol import congress_test
from helpers.protocol.scores import DECIMALS, PER_FACE
from helpers.show import numbers
from helpers.show.numbers import listed, number, percent
from helpers.sources import published
from helpers.statistics import rates
from helpers.statistics.intervals import wilson

TIMES = 10  # no prediction beyond so many times our gallery but as a bracket
BEYOND = (FIXED, "fmr:0.0001")  # the thresholds that are drawn beyond our gallery


def _each(words) -> str:
    """One phrase a model, joined: "Dlib (native) ..., SFace ... and Facenet ..."."""
    parts = [f"{MODEL_LABELS[m]} {words(m)}" for m in PRIMARY_MODELS]
    return listed(parts)


def _range(low: float, high: float) -> str:
    return f"{numbers.interval(low, high)} %"


def _some(count: int, of: int) -> str:
    """A count of the three models as words: no, one of the, all."""
    names = {0: "none of the", of: "all"}
    return f"{names.get(count, f'{count} of the')} {of}"


def whole() -> int:
    """Faces in the whole gallery, the same for the three models."""
    n = {size.faces(m) for m in PRIMARY_MODELS}
    if len(n) != 1:
        raise ValueError(f"the models have galleries of different size: {sorted(n)}")
    return n.pop()


def aclu_gallery() -> int:
    """Faces in the ACLU's gallery."""
    return int(published.number("ACLU 2018", "gallery size (arrest photos)"))


def beyond_sizes() -> tuple[int, ...]:
    """The ACLU's gallery, TIMES ours, and the sizes that others announced."""
    return (aclu_gallery(), TIMES * whole(), *size.announced()["faces"])


def _at(model: str, policy: str, n: int) -> pd.Series:
    table = size.curves()
    found = table[(table["model"] == model) & (table["policy"] == policy) & (table["faces"] == n)]
    return found.iloc[0]


def _fpir(row) -> str:
    k, n, interval = row["flagged"], int(row["searched"]), (row["low"], row["high"])
    count = f"{k:.0f}" if abs(k - round(k)) < 1e-6 else f"{k:.1f}"
    text = f"{percent(row['fpir'])}, 95 % interval {numbers.interval(*interval)}"
    return f"{count} of {n} ({text})"


def _expected(k: float, n: int) -> str:
    """An expected count as a rate with its interval: "3.6 of 529 (0.7 %, 0.3–1.8)"."""
    return f"{k:.1f} of {n} ({percent(k / n)}, {numbers.interval(*wilson(k, n))})"


# ---------------------------------------------------------------- the answer


def answer() -> str:
    """The answer of notebook 06, with numbers and intervals, and what it does not show."""
    small, n = size.SIZES[0], whole()
    table = size.beyond_fixed_threshold((aclu_gallery(),), (FIXED,))
    ahead = table.set_index("model")
    over = sum(_at(m, FIXED, n)["naive"] > _at(m, FIXED, n)["fpir"] for m in PRIMARY_MODELS)
    return (
        f"**At the threshold at which {ACLU_COUNT} of {len(size.members())} members are falsely "
        f"matched in all {number(n)} faces, a random {number(small)} of them falsely match, on "
        f"average, {_each(lambda m: _fpir(_at(m, FIXED, small)))}: {n / small:.0f} times the faces "
        f"bring an FPIR that is {_grown(FIXED)} times as high, {_slower(FIXED)}.** "
        f"**The usual formula 1−(1−FMR)^N, fed with the FMR measured on these very comparisons, "
        f"expects {_each(lambda m: percent(_at(m, FIXED, n)['naive']))} in the whole gallery "
        f"instead of {percent(ACLU_COUNT / len(size.members()))}, too many with {_some(over, 3)} "
        f"models: it deals out false matches by lot, but half of them belong to "
        f"{_each(lambda m: size.concentration(m, FIXED)['half'])} members.** "
        f"At the library defaults the FPIR rises from "
        f"{_each(lambda m: _fpir(_at(m, 'default', small)))} to "
        f"{_each(lambda m: _fpir(_at(m, 'default', n)))}. With {number(aclu_gallery())} faces, the "
        "ACLU's number, the thresholds for 28 are predicted to give (bracket of two models) "
        f"{_each(lambda m: _range(ahead.loc[m, 'low'], ahead.loc[m, 'high']))}. "
        "Not shown: any gallery but strangers of this kind. Relatives of the person searched and "
        "repeat enrolments are outside the data."
    )


def _growth(model: str, policy: str) -> float:
    whole_row, small = _at(model, policy, whole()), _at(model, policy, size.SIZES[0])
    return whole_row["fpir"] / small["fpir"]


def _grown(policy: str) -> str:
    return _each(lambda m: f"{_growth(m, policy):.1f}")


def _slower(policy: str) -> str:
    times = whole() / size.SIZES[0]
    slower = sum(_growth(m, policy) < times for m in PRIMARY_MODELS)
    return f"less than in proportion with {_some(slower, len(PRIMARY_MODELS))} models"


def finding() -> str:
    """One sentence for the README's table of findings."""
    small, n = size.SIZES[0], whole()
    held, of = _bracket_score()
    alone = size.bracket_test()[list(KINDS)].sum()
    return (
        f"From {number(small)} to {number(n)} faces ({n / small:.0f} times) the FPIR at the "
        f"threshold for {ACLU_COUNT} grows by a "
        f"factor of {_grown(FIXED)}. The independence formula "
        f"1−(1−FMR)^N expects {_each(lambda m: percent(_at(m, FIXED, n)['naive']))} instead of "
        f"{percent(ACLU_COUNT / len(size.members()))}. Predicted from a tenth of it, the whole "
        f"gallery lies in a bracket of two models in {held} of {of} back-tests, in the interval of "
        f"one of them in {alone['gamma']} (gamma) and {alone['log-normal']} (log-normal)."
    )


# ---------------------------------------------------------------- up to the whole gallery


def words_complete() -> str:
    """That nothing is missing from what ships, for the thresholds used here."""
    most = max(size.capped(m) for m in PRIMARY_MODELS)
    left_out = _whose(lambda m: int(size.counts(m, FIXED).sum()))
    return (
        "How many faces of the gallery lie at or below a threshold is known for each member: from "
        "the counts that ship for the library default and the calibrated thresholds, and from the "
        f"candidates that ship for the threshold at which {ACLU_COUNT} are flagged ({left_out} "
        f"pairs). Of one gallery face at most {PER_FACE} candidates ship; the most that one has "
        f"is {most}, so {'none is missing' if most < PER_FACE else 'some may be missing'}."
    )


def _whose(words) -> str:
    return ", ".join(f"{MODEL_LABELS[m]} {words(m)}" for m in PRIMARY_MODELS)


def title_size() -> str:
    """The finding of the figure of the FPIR by size."""
    times = whole() / size.SIZES[0]
    flagged = [(m, p) for m in PRIMARY_MODELS for p in POLICIES if size.counts(m, p).any()]
    if all(_growth(m, p) < times for m, p in flagged):
        return "A larger gallery has a higher FPIR, but never in proportion to its size"
    return "A larger gallery has a higher FPIR, and not always less than in proportion"


def caption_size() -> str:
    """Caption of the figure of the FPIR by size."""
    none = [
        f"{MODEL_LABELS[m]} at {POLICY_LABELS[p]}"
        for m in PRIMARY_MODELS
        for p in POLICIES
        if not size.counts(m, p).any()
    ]
    missing = f" Nobody is flagged, and no line drawn, for {' and '.join(none)}." if none else ""
    return (
        f"Lines: FPIR of {len(size.members())} members expected in a random part of the gallery, "
        f"exact, up to all {number(whole())} faces. Bands: 95 % of {size.DRAWS} galleries drawn "
        f"without replacement. Both axes are logarithmic.{missing}"
    )


def alt_size(table: pd.DataFrame) -> str:
    """What the figure of the FPIR by size shows, in words."""
    parts = []
    for (model, policy), part in table.groupby(["model", "policy"], sort=False):
        ends = part["fpir"].iloc[[0, -1]].map(percent)
        parts.append(f"{MODEL_LABELS[model]}, {POLICY_LABELS[policy]}: {ends.iloc[0]} to "
                     f"{ends.iloc[-1]}")  # fmt: skip
    return (
        f"Rising lines of the FPIR from {number(size.SIZES[0])} to {number(whole())} faces, one "
        f"panel a model. {'; '.join(parts)}."
    )


def show_size() -> pd.DataFrame:
    """FPIR at three sizes for each model and threshold, with intervals and the spread."""
    rows = []
    for model in PRIMARY_MODELS:
        for policy in POLICIES:
            row = {"Model": MODEL_LABELS[model], "Threshold": POLICY_LABELS[policy]}
            row["Distance"] = f"{size.threshold(model, policy):.4f}"
            for n in (size.SIZES[0], size.SIZES[-1], whole()):
                at = _at(model, policy, n)
                row[f"FPIR, {number(n)} faces"] = _expected(at["flagged"], int(at["searched"]))
            first = _at(model, policy, size.SIZES[0])
            spread = _range(first["spread_low"], first["spread_high"])
            row[f"Drawn galleries of {number(size.SIZES[0])}"] = spread
            k = _at(model, policy, whole())["fpir"]
            row["Growth"] = f"{_growth(model, policy):.1f}" if k else "–"
            rows.append(row)
    return pd.DataFrame(rows)


def caption_show_size() -> str:
    """Caption of the table of the FPIR by size."""
    return (
        "Expected number of members flagged, of those searched, with the FPIR and its 95 % Wilson "
        "interval (other members). Drawn galleries: what 95 % of galleries of that size give, "
        f"members as they are. Growth: FPIR in all {number(whole())} faces over that in "
        f"{number(size.SIZES[0])}; in proportion to the gallery it would be "
        f"{whole() / size.SIZES[0]:.1f}."
    )


def words_size() -> str:
    """How the FPIR grows, in words."""
    spread = _each(
        lambda m: (
            f"{_range(*_at(m, FIXED, size.SIZES[0])[['spread_low', 'spread_high']])} around "
            f"{percent(_at(m, FIXED, size.SIZES[0])['fpir'])}"
        )
    )
    return (
        f"A gallery {whole() / size.SIZES[0]:.0f} times as large has an FPIR that is higher by a "
        f"factor of {_grown(FIXED)} at the strict threshold and of {_grown('default')} at the "
        "library default; nobody can be flagged twice. One small gallery is a lottery: "
        f"95 % of the drawn galleries of {number(size.SIZES[0])} faces give {spread}."
    )


# ---------------------------------------------------------------- the naive formula


def naive_table() -> pd.DataFrame:
    """The exact FPIR and the independence formula, overall and by group: a row a curve and size."""
    rows = []
    for policy in ("default", FIXED):
        groups = size.by_group(policy).query("group in ['Members of colour', 'White']")
        overall = size.curves((policy,)).assign(group="Everybody")
        table = pd.concat([overall, groups], ignore_index=True)
        rows.append(table.assign(policy=policy))
    columns = ["model", "policy", "group", "faces", "searched", "flagged", "fpir", "low", "high"]
    return pd.concat(rows, ignore_index=True)[[*columns, "naive"]]


def title_naive(table: pd.DataFrame) -> str:
    """The finding of the figure of the independence formula."""
    last = table.query("group == 'Everybody' and faces == @whole()")
    over = int((last["naive"] > last["fpir"]).sum())
    if over == len(last):
        return "The independence formula expects more false matches than there are"
    return f"The independence formula overstates the FPIR in {over} of {len(last)} cases"


def caption_naive() -> str:
    """Caption of the figure of the independence formula."""
    return (
        "Solid: exact expected FPIR. Dashed: 1−(1−FMR)^N with the FMR measured on the same "
        "comparisons at the same threshold, so the only thing wrong with it is independence. "
        f"Upper row: {POLICY_LABELS['default'].lower()}; lower row: {POLICY_LABELS[FIXED]}."
    )


def alt_naive(table: pd.DataFrame) -> str:
    """What the figure of the independence formula shows, in words."""
    parts = []
    everybody = table[table["group"] == "Everybody"]
    for (policy, model), part in everybody.groupby(["policy", "model"], sort=False):
        row = part.iloc[[0, -1]]
        text = " to ".join(
            f"{percent(r['fpir'])} (formula {percent(r['naive'])})" for _, r in row.iterrows()
        )
        parts.append(f"{MODEL_LABELS[model]}, {POLICY_LABELS[policy]}: {text}")
    return f"The dashed formula runs beside or above the exact curve. {'; '.join(parts)}."


def show_naive() -> pd.DataFrame:
    """Exact FPIR against the formula for everybody, members of colour and white members."""
    table = naive_table()
    table = table[table["faces"].isin([size.SIZES[0], whole()])]
    shown = pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Threshold": table["policy"].map(POLICY_LABELS),
            "Group": table["group"],
            "Faces": table["faces"].map(number),
            "FPIR (exact)": [
                _expected(k, int(n))
                for k, n in zip(table["flagged"], table["searched"], strict=True)
            ],
            "1−(1−FMR)^N": table["naive"].map(percent),
            "Formula / exact": (table["naive"] / table["fpir"]).map("{:.2f}".format),
        }
    )
    return shown.reset_index(drop=True)


def show_concentration() -> pd.DataFrame:
    """On how many members the false-matching pairs fall, by model and threshold."""
    rows = []
    for model in PRIMARY_MODELS:
        for policy in POLICIES:
            c = size.concentration(model, policy)
            rows.append(
                {
                    "Model": MODEL_LABELS[model],
                    "Threshold": POLICY_LABELS[policy],
                    "FMR measured": f"{c['pairs'] / len(size.members()) / whole():.1e}",
                    "False-matching pairs": number(c["pairs"]),
                    "Members flagged (FPIR)": numbers.rate(c["flagged"], len(size.members())),
                    "If pairs fell by lot": f"{c['even']:.0f}" if c["pairs"] else "–",
                    "Members who hold half of the pairs": c["half"] if c["pairs"] else "–",
                    "Formula, calibrated FMR": percent(_nominal(policy)) if ":" in policy else "–",
                }
            )
    return pd.DataFrame(rows).astype(str)


def _nominal(policy: str) -> float:
    return rates.chance_of_a_candidate(float(policy.split(":")[1]), whole())


def caption_concentration() -> str:
    """Caption of the table of the false-matching pairs."""
    return (
        f"Pairs of a member and one of {number(whole())} faces at or below the threshold. By lot: "
        "members flagged if each pair fell on a member by lot, which is what the formula assumes. "
        "Last column: the formula fed with the FMR that the threshold was calibrated to on other "
        "people, as somebody would who knows a product's stated FMR only."
    )


def words_naive() -> str:
    """How wrong the independence formula is, and why."""
    groups = naive_table().query("policy == @FIXED and faces == @whole()")
    worse = (groups["naive"] / groups["fpir"]).set_axis([groups["group"], groups["model"]])
    held = {m: size.concentration(m, FIXED) for m in PRIMARY_MODELS}
    apart = worse[(groups["group"] != "Everybody").to_numpy()]
    over = int((apart > 1).sum())

    def times(group):
        return _each(lambda m: f"{worse.loc[(group, m)]:.1f}")

    small = size.SIZES[0]
    return (
        f"At the threshold for {ACLU_COUNT}, the formula gives for the whole gallery the exact "
        f"FPIR multiplied by {times('Everybody')} (members of colour "
        f"{times('Members of colour')}; white members {times('White')}, each with the group's own "
        f"FMR). {_loose(small)} The arithmetic is right and the premise is wrong: members differ "
        "in how many strangers they resemble. At the threshold for "
        f"{ACLU_COUNT}, half of all false-matching pairs belong to "
        f"{_each(lambda m: held[m]['half'])} of {len(size.members())} "
        "members; a second candidate for somebody who already has one flags nobody new. The same "
        "pairs dealt out by lot would flag "
        f"{_each(lambda m: round(held[m]['even']))} members instead of "
        f"{_each(lambda m: held[m]['flagged'])}. Dividing the people into "
        f"groups does not repair the formula: it is still too high in {over} of {len(apart)} "
        "cases, since members of one group differ as well."
    )


def _loose(n: int) -> str:
    def one(model):
        row = _at(model, "default", n)
        return f"{percent(row['naive'])} for {percent(row['fpir'])}"

    return f"At the library default it is off already at {number(n)} faces: {_each(one)}."


# ---------------------------------------------------------------- what size means for the ratio


def _flatter() -> int:
    """Models whose ratio at the library default is nearer to 1 in the whole gallery."""
    table = (
        size.ratios()
        .query("policy == 'default'")
        .pivot(index="model", columns="faces", values="ratio")
    )
    far = np.log(table).abs()
    return int((far[whole()] < far[size.SIZES[0]]).sum())


def title_ratio() -> str:
    """The finding of the figure of the ratios."""
    if _flatter() == len(PRIMARY_MODELS):
        return "At the library default the FPIR ratio goes towards one as the gallery grows"
    return "The FPIR ratio by gallery size, at fixed thresholds and at a fixed FPIR"


def caption_ratio() -> str:
    """Caption of the figure of the ratios."""
    return (
        "FPIR of members of colour over that of white members. Solid: crude; dotted: within "
        "recorded sex (Mantel-Haenszel). At a fixed threshold exact; at a fixed FPIR the threshold "
        f"is set anew in each of {size.DRAWS} drawn galleries. Intervals are in the table. "
        "Exploratory. In the whole gallery the second and the third are the same analysis."
    )


def alt_ratio(table: pd.DataFrame) -> str:
    """What the figure of the ratios shows, in words."""
    parts = []
    for (model, policy), part in table.groupby(["model", "policy"], sort=False):
        first, last = part["ratio"].iloc[0], part["ratio"].iloc[-1]
        parts.append(f"{MODEL_LABELS[model]}, {what_is_fixed(policy)}: {first:.1f} to {last:.1f}")
    return (
        f"Lines of the FPIR ratio from {number(size.SIZES[0])} to {number(whole())} faces. "
        f"{'; '.join(parts)}."
    )


def show_ratio() -> pd.DataFrame:
    """The ratios at the smallest and the whole gallery, with intervals."""
    table = size.ratios()
    table = table[table["faces"].isin([size.SIZES[0], whole()])]
    n1 = int(size.members()["of_colour"].sum())
    n0 = len(size.members()) - n1
    return pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Fixed": table["policy"].map(what_is_fixed).str.replace(":", ","),
            "Faces": table["faces"].map(number),
            "Of colour": [_expected(v * n1, n1) for v in table["colour"]],
            "White": [_expected(v * n0, n0) for v in table["white"]],
            "FPIR ratio": table.apply(_ratio, axis=1),
            "Within sex": table.apply(_ratio, axis=1, name="within_sex"),
            "Drawn galleries": [
                "–" if np.isnan(a) else numbers.ratio_interval(a, b)
                for a, b in zip(table["spread_low"], table["spread_high"], strict=True)
            ],
        }
    ).reset_index(drop=True)


def _ratio(row, name: str = "ratio") -> str:
    prefix = "" if name == "ratio" else f"{name}_"
    return numbers.ratio(row[name], row[f"{prefix}low"], row[f"{prefix}high"])


def caption_show_ratio() -> str:
    """Caption of the table of the ratios."""
    return (
        "Expected members flagged of those searched, FPIR and 95 % Wilson interval. Ratios, crude "
        "and within recorded sex, with 95 % intervals from redrawing the members, gallery as it "
        "is; drawn galleries: the crude ratio in 95 % of galleries of that size, same members. "
        "Exploratory; the primary analysis is in notebook 02."
    )


def words_ratio() -> str:
    """What size means for the disparity, in words."""
    table = size.ratios().set_index(["model", "policy", "faces"])
    small, n = size.SIZES[0], whole()

    def moves(policy, name="ratio"):
        def one(m):
            first, last = (table.loc[(m, policy, x), name] for x in (small, n))
            return f"from {first:.1f} to {last:.1f}"

        return _each(one)

    inside = 0
    for m in PRIMARY_MODELS:
        row, last = (table.loc[(m, FIXED_FPIR, x)] for x in (small, n))
        inside += row["spread_low"] <= last["ratio"] <= row["spread_high"]
    return (
        f"From {number(small)} to {number(n)} faces the ratio goes, at the library default, "
        f"{moves('default')}: nearer to one with {_some(_flatter(), 3)} models. Where almost "
        "everybody is flagged, no group can be flagged much more often than another; that is "
        f"saturation, not fairness. At the strict threshold, fixed, it goes {moves(FIXED)}. At a "
        f"fixed FPIR, where size and strictness move together, it goes {moves(FIXED_FPIR)} (within "
        f"recorded sex {moves(FIXED_FPIR, 'within_sex')}); the ratio in the whole gallery lies "
        f"within what 95 % of drawn galleries of {number(small)} faces give for "
        f"{_some(int(inside), 3)} models. A ratio without its gallery size and its threshold says "
        "little."
    )


def show_groups(policy: str) -> pd.DataFrame:
    """FPIR by recorded group in the smallest and the whole gallery at a fixed threshold."""
    table = size.by_group(policy)
    rows = []
    for (model, group), part in table.groupby(["model", "group"], sort=False):
        row = {"Model": MODEL_LABELS[model], "Group": group}
        for n in (size.SIZES[0], whole()):
            at = part[part["faces"] == n].iloc[0]
            row[f"{number(n)} faces"] = _expected(at["flagged"], int(at["searched"]))
        rows.append(row)
    return pd.DataFrame(rows)


def caption_groups() -> str:
    """Caption of the tables by recorded group."""
    return (
        "Expected members flagged of those searched, FPIR and 95 % Wilson interval. Groups as the "
        "roster's publisher recorded them; the two lines of women and men compare within recorded "
        "sex. Exploratory: no test is made."
    )


# ---------------------------------------------------------------- back-tests


def backtest_table() -> pd.DataFrame:
    """Every prediction of the whole gallery from a tenth, as rows of one figure.

    Columns model, policy, method, tenth, predicted, low, high, truth (members flagged), covered.
    At a fixed FPIR predicted is what the predicted threshold flags in the whole gallery.
    """
    fixed = size.backtest_fixed_threshold().rename(columns={"kind": "method"})
    moving = size.backtest_fixed_fpir()
    moving = pd.DataFrame(
        {
            "model": moving["model"],
            "policy": FIXED_FPIR,
            "method": np.where(moving["grown"], "tail, growth measured", "tail alone"),
            "tenth": moving["tenth"],
            "predicted": moving["flagged"],
            "low": moving["flagged_low"],
            "high": moving["flagged_high"],
            "truth": ACLU_COUNT,
            "covered": moving["covered"],
        }
    )
    columns = list(moving.columns)
    return pd.concat([fixed[columns], moving], ignore_index=True)


def title_backtest(table: pd.DataFrame) -> str:
    """The finding of the figure of the back-tests."""
    failed = int((~table["covered"].astype(bool)).sum())
    return (
        f"Predicted from a tenth of the gallery: {failed} of {len(table)} intervals miss the truth"
    )


def caption_backtest() -> str:
    """Caption of the figure of the back-tests."""
    return (
        f"Each line: the whole gallery predicted from one of {size.TENTHS} disjoint tenths, with "
        "its 95 % interval, over the truth. Blue: the interval holds the truth; red, with a cross: "
        f"it fails. Right: how many hold. A fixed FPIR is shown as the number that the predicted "
        f"threshold flags over the wanted {ACLU_COUNT}. Tenths in which nobody matches predict "
        "nothing and count as failed. The ten share one truth: they are no ten independent tests."
    )


def alt_backtest(table: pd.DataFrame) -> str:
    """What the figure of the back-tests shows, in words."""
    parts = []
    for (model, policy, method), part in table.groupby(["model", "policy", "method"], sort=False):
        parts.append(
            f"{MODEL_LABELS[model]}, {POLICY_LABELS[policy]}, {method}: {part['covered'].sum()} of "
            f"{len(part)}"
        )
    return f"Intervals of predictions over the truth. Hold the truth: {'; '.join(parts)}."


def show_backtest() -> pd.DataFrame:
    """The back-tests, a row a model, threshold and method: predictions, truth, how many hold."""
    rows = []
    table = backtest_table()
    for (model, policy, method), part in table.groupby(["model", "policy", "method"], sort=False):
        low, high = part["predicted"].min(), part["predicted"].max()
        first = part.sort_values("tenth").iloc[0]
        rows.append(
            {
                "Model": MODEL_LABELS[model],
                "Threshold": POLICY_LABELS[policy],
                "Method": method,
                "Truth (flagged)": first["truth"],
                "First tenth: predicted (95 % interval)": "no match, no prediction"
                if np.isnan(first["predicted"])
                else f"{first['predicted']:.0f} ({first['low']:.0f}–{first['high']:.0f})",
                "Covered": "yes" if first["covered"] else "no",
                "Ten tenths: predictions": f"{low:.0f}–{high:.0f}",
                "Intervals that hold": f"{int(part['covered'].sum())} of {len(part)}",
            }
        )
    return pd.DataFrame(rows)


def caption_show_backtest() -> str:
    """Caption of the table of the back-tests."""
    return (
        f"Members (of {len(size.members())}) flagged in the whole gallery of {number(whole())} "
        "faces: the truth, the prediction from the first tenth with its interval, and the range of "
        "the predictions from ten tenths. For 28 flagged in every gallery: what the predicted "
        "threshold flags in the whole gallery. The fixed thresholds are those of the whole "
        "gallery, known to the models. All predictions are in the data of the figure."
    )


def _bracket_score() -> tuple[int, int]:
    table = size.bracket_test()
    return int(table["bracket"].sum()), int(table["tenths"].sum())


def words_backtest_fixed() -> str:
    """What the back-tests at fixed thresholds say."""
    table = size.bracket_test()
    held, of = _bracket_score()
    scores = {kind: int(table[kind].sum()) for kind in KINDS}
    loose = table[table["policy"] == "default"].set_index("model")
    directions = _each(
        lambda m: (
            f"{loose.loc[m, 'gamma_mean']:.0f} and {loose.loc[m, 'log-normal_mean']:.0f} "
            f"for {loose.loc[m, 'truth']}"
        )
    )
    worst = table.loc[table["gamma"].idxmin()]
    between = int(
        (
            (loose["gamma_mean"] <= loose["truth"]) & (loose["truth"] <= loose["log-normal_mean"])
        ).sum()
    )
    return (
        f"**At a fixed threshold** the 95 % intervals of the gamma model hold the truth in "
        f"{numbers.rate(scores['gamma'], of)} back-tests, those of the log-normal in "
        f"{numbers.rate(scores['log-normal'], of)}. The worst for gamma is "
        f"{MODEL_LABELS[worst['model']]} at {POLICY_LABELS[worst['policy']]} "
        f"({int(worst['gamma'])} of {int(worst['tenths'])}). At the library default they predict, "
        f"on average over the tenths, {directions}; the truth lies between the two means for "
        f"{_some(between, 3)} models. So we quote the two as a **bracket**, from the lower end of "
        f"the one to the upper end of the other: it holds the truth in "
        f"{numbers.rate(held, of)}{_without(table)}. The bracket was chosen after seeing that "
        "single models fail, so the back-test does not confirm it independently."
    )


def _without(table: pd.DataFrame) -> str:
    k = int(table["without"].sum())
    return (
        f" ({k} of the others could predict nothing, as no face of the tenth matched)" if k else ""
    )


def words_backtest_fpir() -> str:
    """What the back-tests at a fixed FPIR say."""
    table = size.backtest_fixed_fpir()
    plain, grown = (table[table["grown"] == g].groupby("model") for g in (False, True))

    def held(groups):
        return _each(
            lambda m: f"{int(groups.get_group(m)['covered'].sum())} of {len(groups.get_group(m))}"
        )

    def mean(groups):
        return _each(lambda m: f"{groups.get_group(m)['flagged'].mean():.0f}")

    exponents = _each(lambda m: f"{plain.get_group(m)['exponent'].mean():.2f}")
    return (
        "**At a fixed FPIR** the tail alone holds the true threshold in "
        f"{held(plain)} back-tests; its thresholds flag {mean(plain)} members on average where "
        f"{ACLU_COUNT} were wanted. It assumes that each further face adds a chance of its own. "
        "Measured within the tenths, from half of one to all of it, the FPIR grows with the power "
        f"{exponents} of the gallery instead of 1. With this growth put in, the intervals hold in "
        f"{held(grown)}, and the thresholds flag {mean(grown)}. The second version was made after "
        "the first had failed on these data, so its success is not independent evidence."
    )


# ---------------------------------------------------------------- beyond


def beyond_curves() -> pd.DataFrame:
    """The curves of the figure beyond our gallery: exact up to it, both models and the bracket on.

    Columns model, policy, faces, exact, gamma, log-normal, low, high; they meet at our gallery.
    """
    far = int(size.announced()["faces"].max())
    ten = TIMES * whole()
    at = np.concatenate([np.geomspace(whole(), ten, 5), np.geomspace(ten, far, 9)[1:]])
    ahead = size.beyond_fixed_threshold(tuple(int(n) for n in at.round()), BEYOND)
    known = size.curves().rename(columns={"fpir": "exact"})
    columns = ["model", "policy", "faces"]
    table = pd.concat([known[[*columns, "exact"]], ahead[[*columns, *KINDS, "low", "high"]]])
    table = table[table["policy"].isin(BEYOND)].groupby(columns).first()
    ours = table.index.get_level_values("faces") == whole()
    for column in (*KINDS, "low", "high"):  # here the truth is known
        table.loc[ours, column] = table.loc[ours, "exact"]
    table = table.reset_index()
    order = table["policy"].map(BEYOND.index)
    return table.iloc[np.lexsort((table["faces"], order))].reset_index(drop=True)


def title_beyond() -> str:
    """What the figure beyond our gallery shows."""
    far = int(size.announced()["faces"].max())
    table = size.beyond_fixed_threshold((far,), (FIXED,))
    return (
        f"Exact to {number(whole())} faces; at {number(far)} any FPIR from "
        f"{percent(table['low'].min())} to {percent(table['high'].max())}"
    )


def caption_beyond() -> str:
    """Caption of the figure beyond our gallery."""
    names = " and ".join(
        f"{number(r['faces'])} ({r['label']}, {r['status']})"
        for _, r in size.announced().iterrows()
    )
    return (
        f"Black: exact, up to {number(whole())} faces. Blue and yellow: the two models up to "
        f"{TIMES} times that. Grey: the bracket of both with their 95 % intervals; light beyond "
        f"{TIMES} times, where no back-test reaches. Dashed lines: {names}. Strangers only: no "
        "relatives, no repeat enrolments."
    )


def alt_beyond() -> str:
    """What the figure beyond our gallery shows, in words."""
    table = size.beyond_fixed_threshold(beyond_sizes())
    parts = []
    for policy in BEYOND:
        for m in PRIMARY_MODELS:
            rows = table.query("model == @m and policy == @policy")
            steps = [f"{number(r['faces'])}: {_range(r['low'], r['high'])}" for _, r in
                     rows.iterrows()]  # fmt: skip
            parts.append(f"{MODEL_LABELS[m]}, {POLICY_LABELS[policy]}: {', '.join(steps)}")
    return f"Rising curves that open into a wide grey bracket. {'; '.join(parts)}."


def show_beyond() -> pd.DataFrame:
    """Predicted FPIR in larger galleries at the fixed thresholds, as brackets."""
    table = size.beyond_fixed_threshold(beyond_sizes())
    tested = size.bracket_test().set_index(["model", "policy"])
    rows = []
    for (model, policy), part in table.groupby(["model", "policy"], sort=False):
        if not part["now"].iloc[0]:
            continue  # nobody is flagged: nothing to extrapolate
        score = tested.loc[(model, policy)]
        row = {"Model": MODEL_LABELS[model], "Threshold": POLICY_LABELS[policy]}
        row["Back-test"] = f"{score['bracket']:.0f} of {score['tenths']:.0f}"
        row[f"{number(whole())} (exact)"] = percent(part["now"].iloc[0])
        for _, at in part.iterrows():
            row[number(at["faces"])] = _range(at["low"], at["high"])
        rows.append(row)
    return pd.DataFrame(rows)


def caption_show_beyond() -> str:
    """Caption of the table beyond our gallery."""
    none = [
        f"{MODEL_LABELS[m]} at {POLICY_LABELS[p]}"
        for m in PRIMARY_MODELS
        for p in POLICIES
        if not size.counts(m, p).any()
    ]
    tail = f" Left out, as nobody is flagged: {', '.join(none)}." if none else ""
    return (
        "FPIR in galleries of that many strangers: brackets of the two models with their 95 % "
        f"intervals. Beyond {number(TIMES * whole())} faces they are no predictions: no back-test "
        f"reaches there. Back-test: how many of the tenths' brackets held the truth.{tail}"
    )


def words_beyond() -> str:
    """What happens in larger galleries at a fixed threshold, as far as the data go."""
    table = size.beyond_fixed_threshold(beyond_sizes()).query("policy == @FIXED")
    table = table.set_index(["model", "faces"])
    aclu, ten = beyond_sizes()[:2]

    def at(n):
        return _each(lambda m: _range(table.loc[(m, n), "low"], table.loc[(m, n), "high"]))

    news = size.announced()
    far = "; ".join(
        f"in {number(r['faces'])} faces ({r['label']}) {at(r['faces'])}" for _, r in news.iterrows()
    )
    return (
        f"At the threshold for {ACLU_COUNT}, strangers of this kind would give an FPIR of "
        f"{at(aclu)} in {number(aclu)} faces, the size of the ACLU's gallery, and {at(ten)} in "
        f"{number(ten)}. Beyond that the brackets say how little is known: {far}. The number of "
        "Amazon's test and that of the FBI's photographs are known to us from press reports. In "
        "such galleries a person has relatives, and one person has many photographs, among "
        "them perhaps the person searched. None of this is in the data, and all of it changes "
        "the result."
    )


def show_threshold() -> pd.DataFrame:
    """Thresholds predicted to flag 28 in larger galleries, and the misses that they cost."""
    table = size.beyond_fixed_fpir(beyond_sizes())
    rows = []
    for _, r in table.iterrows():
        ours = r["faces"] == whole()
        if ours and r["grown"]:
            continue  # the same row as without growth
        misses = numbers.rate(r["misses"], r["pairs"], r["fnmr_low"], r["fnmr_high"])
        ends = sorted((r["fnmr_at_low"], r["fnmr_at_high"]))
        low, high = max(r["low"], 0), r["high"]
        rows.append(
            {
                "Model": MODEL_LABELS[r["model"]],
                "Method": "as measured" if ours else
                ("tail, growth measured" if r["grown"] else "tail alone"),
                "Faces": number(r["faces"]),
                "Threshold for 28": f"{r['threshold']:.3f}"
                + ("" if ours else f" ({low:.3f}–{high:.3f})"),
                "Misses of second portraits (FNMR)": misses,
                "FNMR at the ends": "–" if ours else _range(*ends),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def caption_show_threshold() -> str:
    """Caption of the table of thresholds beyond our gallery."""
    return (
        f"Distances at which {ACLU_COUNT} of {len(size.members())} members would be flagged, with "
        "95 % intervals from redrawing the members; FNMR: share of members' second portraits "
        "beyond that distance, with a 95 % Wilson interval, and at the ends of the threshold's "
        "interval. "
        f"Beyond {number(TIMES * whole())} faces no back-test reaches."
    )


def words_threshold() -> str:
    """What holding the FPIR costs in misses, up to TIMES our gallery."""
    n = TIMES * whole()
    table = size.beyond_fixed_fpir((n,)).query("grown").set_index(["model", "faces"])

    def one(m):
        now, then = table.loc[(m, whole())], table.loc[(m, n)]
        ends = _range(*sorted((then["fnmr_at_low"], then["fnmr_at_high"])))
        return (
            f"from {percent(now['fnmr'])} to {percent(then['fnmr'])} ({ends} at the ends of the "
            "threshold's interval)"
        )

    return (
        f"To keep {ACLU_COUNT} false matches in {TIMES} times the gallery, the threshold must "
        "become stricter, and then more of the right people are missed: the share of members' "
        f"second portraits beyond the threshold (FNMR) would go: {_each(one)}. So a larger "
        "gallery costs false matches, or misses, or both; which of them is somebody's choice."
    )


def words_reply() -> str:
    """Amazon's later test, as far as size matters to it."""
    row = size.announced().iloc[0]
    searched = len(congress_test.people_searched())
    low, high = wilson(0, searched)
    return (
        f"Amazon wrote in 2019 that parliamentary photographs searched in {number(row['faces'])} "
        "faces gave no false match at 99 %; how many were searched was not published in the report "
        f"that we read. Were it {searched}, as many as here, a zero would be "
        f"{numbers.rate(0, searched, low, high)}. Size alone does not contradict it, since a "
        "threshold can always be strict enough to match nobody, at a price: at the loosest that "
        f"flags no member in our {number(whole())} faces, the second portraits that are missed "
        f"(FNMR) are {_each(_misses_at_zero)}."
    )


def _misses_at_zero(model: str) -> str:
    """FNMR just below the best impostor score of all."""
    none_flagged = size.best_scores(model)[0] - 10.0**-DECIMALS
    missed = rates.fnmr(size.genuine(model), none_flagged)
    return numbers.rate(missed.numerator, missed.denominator, missed.low, missed.high)
