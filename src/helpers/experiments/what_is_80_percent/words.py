"""What notebook 03 says of `thresholds`: tables for reading and sentences."""

import numpy as np
import pandas as pd

from helpers.experiments.what_is_80_percent import make
from helpers.experiments.what_is_80_percent import tables as t
from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.protocol import calibration, error_rates, shipped
from helpers.protocol import policy as policies
from helpers.protocol.policy import ACLU_COUNT
from helpers.show import numbers
from helpers.show.numbers import listed, percent
from helpers.sources import published
from helpers.statistics import rates

MARKS = {name: policies.label(name) for name in ("default", shipped.PRIMARY)}
MARKS |= {f"fmr:{f:g}": f"FMR of 1 in {1 / f:,.0f}" for f in calibration.TARGETS}
RATES = (0.5, 0.2, 0.1, ACLU_COUNT / 529, 0.01)  # FPIRs of the table of errors


# ---------------------------------------------------------------- numbers as text


def each(parts: dict[str, str]) -> str:
    """{model: words} -> "Dlib (native) ..., SFace ... and Facenet ..."."""
    texts = [f"{MODEL_LABELS[model]} {words}" for model, words in parts.items()]
    return listed(texts)


def with_each(parts: dict[str, str]) -> str:
    """{model: words} -> "... with Dlib (native), ... with SFace and ... with Facenet"."""
    texts = [f"{words} with {MODEL_LABELS[model]}" for model, words in parts.items()]
    return listed(texts)


def span(values, form=str) -> str:
    low, high = form(min(values)), form(max(values))
    return low if low == high else f"{low} to {high}"


# ---------------------------------------------------------------- 1, the scales


def show_scales() -> pd.DataFrame:
    """The marked thresholds for reading, each model from its loosest to its strictest."""
    table = t.scales()
    order = table["model"].map({m: i for i, m in enumerate(MODELS)})
    table = table.assign(order=order).sort_values(["order", "threshold"], ascending=[True, False])
    fixed = table["mark"].eq(shipped.PRIMARY)
    counts = table.apply(lambda r: numbers.rate(int(r["flagged"]), int(r["searched"])), axis=1)
    return pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Threshold": table["mark"].map(MARKS),
            "Distance": table["threshold"].map("{:.4f}".format),
            "deepface confidence": table["confidence"].map("{:.0f}".format),
            "FMR (former legislators)": table.apply(numbers.fmr_text, axis=1),
            "Members flagged (FPIR)": counts.where(fixed, table.apply(numbers.fpir_of, axis=1)),
            "Second portraits missed (FNMR)": table.apply(numbers.fnmr_of, axis=1),
        }
    )


def whole(value: float) -> str:
    return f"{value:.0f}"


def words_defaults() -> str:
    """What the library defaults mean: a good rule for pairs, a bad one for searches."""
    table = t.scales().query("mark == 'default'").set_index("model")
    main = table.loc[list(PRIMARY_MODELS)]
    faces = shipped.scores("utkface", MODELS[0]).faces
    return (
        f"At the library defaults the FMR is "
        f"{each({m: numbers.fmr_text(r, errors=False) for m, r in main.iterrows()})}. Asked about one pair "
        f"of strangers, such a rule takes them for one person at most {numbers.one_in(main['fmr'].max())} "
        f"times. A search is {faces:,} pairs: the average search of a member returns "
        f"{each({m: f'{r.candidates:.0f}' for m, r in main.iterrows()})} strangers at or below the "
        f"default, and {each({m: numbers.fpir_of(r) for m, r in main.iterrows()})} of the members get at "
        f"least one. Of the pairs of portraits it still misses "
        f"{each({m: numbers.fnmr_of(r) for m, r in main.iterrows()})}."
    )


# ---------------------------------------------------------------- 2, confidence


def show_confidence() -> pd.DataFrame:
    """What a rule "confidence of at least 80, 95, 99" does with each model."""
    table = t.at_confidence()
    return pd.DataFrame(
        {
            "Confidence": table["confidence"].map("at least {:g}".format),
            "Model": table["model"].map(MODEL_LABELS),
            "Distance": table["threshold"].map("{:.4f}".format),
            "FMR (former legislators)": table.apply(numbers.fmr_text, axis=1),
            "Members flagged (FPIR)": table.apply(numbers.fpir_of, axis=1),
            "Second portraits missed (FNMR)": table.apply(numbers.fnmr_of, axis=1),
        }
    )


def words_confidence() -> str:
    """Why deepface's confidence is no probability and not Amazon's percent."""
    table = t.jumps().set_index("model")
    at_80 = t.at_confidence((80.0,)).set_index("model")
    low, high = at_80["flagged"].idxmin(), at_80["flagged"].idxmax()
    below_half = int((table["highest"] < 50).sum())
    weakest = table["highest"].idxmin()
    half = (
        f"For {MODEL_LABELS[weakest]} the regression never gives more than "
        f"{table['highest'][weakest]:.0f} %, even at distance 0: a confidence of 100 begins at "
        f"distance {table['full'][weakest]:g}, where it says "
        f"{float(t.logistic(weakest, table['full'][weakest])):.0f} %. "
        if below_half
        else ""
    )
    model = PRIMARY_MODELS[0]
    own = error_rates.threshold_of(model, shipped.PRIMARY)
    moved = (
        f"Whoever sets a threshold of {own:.4f} with {MODEL_LABELS[model]} instead of the default "
        f"sees the confidence fall from {t.confidence(model, own, True):.0f} at it to "
        f"{t.confidence(model, own + error_rates.STEP, False):.0f} one step beyond, where the default gives "
        f"{t.confidence(model, own + error_rates.STEP):.0f}. "
    )
    return (
        f"The library's documentation calls it the likelihood that two images show one person. "
        f"Four reasons not to read it so. **It is rescaled.** A logistic regression that comes "
        f"with the library gives a percentage; at the default thresholds that is "
        f"{each({m: f'{v:.0f} %' for m, v in table['logistic'].items()})}. deepface then stretches "
        f"it so that every match gets 51 or more and every other pair 49 or less: the confidence "
        f"is {span(table['at'], whole)} at the threshold and {span(table['beyond'], whole)} one "
        f"ten-thousandth beyond. {half}**It moves with the user.** {moved}**It depends on the "
        f"model.** The same words, “confidence of at least 80”, flag {numbers.fpir_of(at_80.loc[low])} of "
        f"the members with {MODEL_LABELS[low]} and {numbers.fpir_of(at_80.loc[high])} with "
        f"{MODEL_LABELS[high]}. **It knows nothing of the search.** The regression was fitted to "
        f"pairs; how many strangers a search looks at, and how likely it was that the person is "
        f"there at all, does not enter. A probability that a candidate is the person would need "
        f"both."
    )


def words_99() -> str:
    """What a confidence of 99 does."""
    table = t.at_confidence((99.0,))
    worst, best = table["missed"].max(), table["missed"].min()
    n = int(table["pairs"].iloc[0])
    return (
        f"A rule of 99 on this scale flags {span(table['flagged'])} of {table['searched'].iloc[0]} "
        f"members, and it misses {best} to {worst} of {n} genuine pairs ({percent(best / n)} to "
        f"{percent(worst / n)}): on deepface's scale “use 99” means to find almost nobody. That "
        f"says nothing about Amazon's 99, which is another scale; it says that a number between 0 "
        f"and 100 carries no meaning of its own."
        if best / n > 0.8
        else f"A rule of 99 on this scale flags {span(table['flagged'])} of "
        f"{table['searched'].iloc[0]} members and misses {best} to {worst} of {n} genuine pairs."
    )


# ---------------------------------------------------------------- 3, the impostors behind an FMR


def show_impostors(target: float = 1e-5) -> pd.DataFrame:
    """One calibrated threshold a model, and its FMR among three sets of impostors."""
    rows = []
    for model in MODELS:
        at = error_rates.threshold_of(model, f"fmr:{target:g}")
        every, recent, ours = (
            error_rates.fmr_at(model, at),
            error_rates.fmr_at(model, at, "recent"),
            error_rates.errors_at(model, at),
        )
        comparisons = error_rates._searches(model)[1]
        busy = f"{every['probes']:,.0f} of {_sets(model)['legislators']:,}"
        rows.append(
            {
                "Model": MODEL_LABELS[model],
                "Distance": f"{at:.4f}",
                "Former legislators": f"{every['errors']:,} in {every['comparisons']:,}",
                "FMR": numbers.fmr_text(every, "low", "high", errors=False),
                "Legislators with an error": busy,
                "As many as": f"{every['effective_probes']:,.0f} equally busy ones",
                "Those who left in 1981 or later": (
                    f"{recent['errors']:,} in {recent['comparisons']:,}"
                ),
                "Their FMR": numbers.fmr_text(recent, "low", "high", errors=False),
                "Members of Congress": f"{ours['pairs_at_threshold']:,} in {comparisons:,}",
            }
        )
    return pd.DataFrame(rows)


def _sets(model: str, which: str = "all") -> pd.Series:
    return error_rates.impostors().set_index(["model", "impostors"]).loc[(model, which)]


def words_floor() -> str:
    """How many impostor pairs there are and down to which FMR they carry."""
    sets = error_rates.impostors().query("impostors == 'all' and model in @PRIMARY_MODELS")
    recent = error_rates.impostors().query("impostors == 'recent' and model in @PRIMARY_MODELS")
    floors = [error_rates.floor(m) for m in PRIMARY_MODELS]
    return (
        f"The impostor pairs: {span(sets['legislators'], '{:,}'.format)} former legislators, each "
        f"against one face of each of {span(sets['identities'], '{:,}'.format)} identities in the "
        f"gallery, {span(sets['comparisons'] / 1e6, '{:.0f}'.format)} million comparisons a model. "
        f"None of them is a member of the 115th Congress, and "
        f"{span(sets['left_out_as_same_person'])} legislators who are probably in the gallery "
        f"themselves are left out. With the rule of 30 (no FMR on fewer than {error_rates.MIN_ERRORS} "
        f"errors) they carry down to {numbers.one_in(max(floors))}; below that, nothing is offered here. "
        f"The stricter set of those who left Congress in 1981 or later has "
        f"{span(recent['legislators'], '{:,}'.format)} legislators and "
        f"{span(recent['comparisons'] / 1e6, '{:.0f}'.format)} million comparisons and carries "
        f"down to {numbers.one_in(max(error_rates.floor(m, 'recent') for m in PRIMARY_MODELS))}."
    )


def words_tail(target: float = 1e-5) -> str:
    """How far an FMR depends on who the impostors are."""
    found = {m: _impostors_at(m, target) for m in PRIMARY_MODELS}
    factors = {m: f["members"] / f["all"]["fmr"] for m, f in found.items()}
    recent = {m: numbers.rate(f["recent"]["errors"], f["all"]["errors"]) for m, f in found.items()}
    parts = [_sets(m, "recent")["comparisons"] / _sets(m)["comparisons"] for m in PRIMARY_MODELS]
    few = _fewest(target)
    tail = found[few]["all"]
    verdict = (
        f"So the FMR of {MODEL_LABELS[few]} at this threshold describes a few mostly old "
        f"photographs that the model takes for other people's, and for modern portraits the "
        f"threshold is much stricter than its name says. "
        if factors[few] < 0.2
        else ""
    )
    return (
        f"**An FMR is a property of a threshold *and* of the people compared.** At the threshold "
        f"that all former legislators calibrate to {numbers.one_in(target)}, the members themselves, whose "
        f"photographs are new and of one kind, make "
        f"{each({m: f'{v:.1f}' for m, v in factors.items()})} times that rate. Those who left "
        f"Congress in 1981 or later are in {span(parts, lambda v: percent(v, 0))} of the "
        f"comparisons and make {each(recent)} of the errors. The errors of {MODEL_LABELS[few]} "
        f"come from the fewest people: {tail['probes']:,.0f} of {_sets(few)['legislators']:,} "
        f"legislators make all {tail['errors']:,}, as many as {tail['effective_probes']:.0f} "
        f"equally busy ones would. {verdict}"
    ).strip()


def _fewest(target: float = 1e-5) -> str:
    """The model whose errors at a calibrated FMR come from the fewest legislators."""
    return min(PRIMARY_MODELS, key=lambda m: _impostors_at(m, target)["all"]["effective_probes"])


def _impostors_at(model: str, target: float) -> dict:
    at = error_rates.threshold_of(model, f"fmr:{target:g}")
    sets = {which: error_rates.fmr_at(model, at, which) for which in make.IMPOSTOR_SETS}
    return sets | {"members": error_rates.errors_at(model, at)["implied_fmr"]}


def show_by_group(target: float = 1e-4) -> pd.DataFrame:
    """FMR at one calibrated threshold by the gallery face's published labels, a column a model."""
    table = pd.read_csv(calibration.FOLDER / "by-group.csv")
    table = table[np.isclose(table["target_fmr"], target)]
    columns = {}
    for model in PRIMARY_MODELS:
        part = table[table["model"] == model].set_index(["gender", "race"])
        text = part.apply(
            lambda r: (
                f"{numbers.one_in(r['fmr'])} ({r['errors']:.0f} errors)"
                if r["errors"] >= error_rates.MIN_ERRORS
                else f"not offered ({r['errors']:.0f} errors)"
            ),
            axis=1,
        )
        columns[MODEL_LABELS[model]] = text
    return pd.DataFrame(columns).rename_axis(["Gender", "Race (published label)"]).reset_index()


def words_by_group(target: float = 1e-4) -> str:
    """How far the FMR differs by the gallery face's labels, within sex."""
    table = pd.read_csv(calibration.FOLDER / "by-group.csv")
    table = table[
        np.isclose(table["target_fmr"], target) & (table["errors"] >= error_rates.MIN_ERRORS)
    ]
    parts = {}
    for model in PRIMARY_MODELS:
        spans = [
            f"{g['fmr'].max() / g['fmr'].min():.0f} among {sex} faces"
            for sex, g in table[table["model"] == model].groupby("gender")
        ]
        parts[model] = " and ".join(spans)
    return (
        f"A threshold calibrated to {numbers.one_in(target)} is an average over the people it was "
        f"calibrated on. Where at least {error_rates.MIN_ERRORS} errors carry them, the largest FMR by the "
        f"gallery face's published label is so many times the smallest: {each(parts)}. The "
        f"legislators are mostly white men, so the rows differ in how many pairs are of one sex "
        f"and group: the table describes the impostor set as much as the models. A single FMR "
        f"promises little to any one group."
    )


# ---------------------------------------------------------------- 4, both errors


def at_28() -> pd.DataFrame:
    rows = [
        error_rates.errors_at(m, error_rates.threshold_of(m, shipped.PRIMARY))
        for m in PRIMARY_MODELS
    ]
    return pd.DataFrame(rows).set_index("model")


def show_errors() -> pd.DataFrame:
    """Misses at five rates of false matches, a row a rate and model."""
    rows = []
    for rate in RATES:
        for model in MODELS:
            best = error_rates.best_impostor(model)
            at = rates.threshold_for_count(best, round(rate * len(best))).threshold
            row = error_rates.errors_at(model, at)
            rows.append(
                {
                    "Members flagged (FPIR)": numbers.rate(row["flagged"], row["searched"]),
                    "Model": MODEL_LABELS[model],
                    "Distance": f"{at:.4f}",
                    "Pairs missed (FNMR)": numbers.fnmr_of(row),
                    "Not returned (FNIR)": numbers.rate_of(row, "not_found", "mates", "fnir"),
                    "Not returned at rank 1": numbers.rate_of(
                        row, "not_first", "mates", "fnir_first"
                    ),
                }
            )
    return pd.DataFrame(rows)


def words_genuine() -> str:
    """Which genuine pairs there are, and that none is the same photograph twice."""
    table = error_rates.nearest_genuine()
    mates = len(error_rates.genuine(PRIMARY_MODELS[0]))
    pairs = int(table["pairs"].iloc[0])
    votes = int(table["votes"].iloc[0])
    verdict = (
        "no pair is as near as two prints of one photograph in two of the three models"
        if votes == 0
        else f"{votes} pairs are as near as two prints of one photograph in two of the models"
    )
    return (
        f"{mates} members have a second portrait that is another photograph; {pairs} of these "
        f"pairs enrolled on both sides. A check on the scores: {verdict} (the nearest pair lies at "
        f"{each({r['model']: format(r['nearest'], '.3f') for r in table.to_dict('records')})}). "
        f"These are official portraits, posed, lit and frontal, often taken years apart: kinder "
        f"than a camera in a shop, and harsher than two frames of one film."
    )


def words_tradeoff() -> str:
    """Both errors at the ACLU's rate, in words."""
    table = at_28()
    rank = {m: numbers.rate_of(r, "not_first", "mates", "fnir_first") for m, r in table.iterrows()}
    return (
        f"At the threshold that flags {ACLU_COUNT} of 529 members, the models miss "
        f"{each({m: numbers.fnmr_of(r) for m, r in table.iterrows()})} of the pairs. With the second "
        f"portrait enrolled among the strangers, {each(rank)} of the members are not returned at "
        f"rank 1. The left end of the curve of {MODEL_LABELS[_fewest()]} in the left panel rests "
        f"on the few legislators of section 3, who are not in the right one. A rate of false "
        f"matches says nothing about a system until the misses stand beside it, and the other way "
        f"round."
    )


# ---------------------------------------------------------------- 5, the published tests


def show_stated() -> pd.DataFrame:
    """What the reports state of each published test: threshold, gallery, counts, source."""
    table = published.searches()
    stated = t.stated()
    key = "similarity threshold (percent)"
    said = dict(stated.loc[stated["quantity"] == key, ["study", "value"]].to_numpy())
    said[published.ACLU] = f"{published.number(published.ACLU, key):.0f}"
    notes = stated[~stated["quantity"].eq(key)]
    return pd.DataFrame(
        {
            "Test": table["label"],
            "Falsely matched": table.apply(
                lambda r: numbers.rate(int(r["flagged"]), int(r["searched"]), r["low"], r["high"]),
                axis=1,
            ),
            "Gallery": table["gallery"].map("{:,}".format),
            "Threshold": table["study"].map(said).map(lambda v: f"{v} %" if v else "not stated"),
            "Also reported": table.apply(_also, axis=1, notes=notes),
        }
    )


def _also(test, notes: pd.DataFrame) -> str:
    """What else is reported of a test; a note on one country's politicians stays with them."""
    mine = notes[notes["study"] == test["study"]]
    country = test["people"].split()[0]
    other = {"US": "UK ", "UK": "US "}.get(country)
    if other:
        mine = mine[~mine["quantity"].str.startswith(other)]
    return "; ".join(mine["quantity"] + ": " + mine["value"])


def show_published() -> pd.DataFrame:
    """The threshold that gives each published rate in our test, and its FMR."""
    table = t.equivalents()
    return pd.DataFrame(
        {
            "Test": table["label"],
            "Model": table["model"].map(MODEL_LABELS),
            "Ours at that rate": table.apply(
                lambda r: f"{r['count']} of {r['our_searched']}", axis=1
            ),
            "Compatible": table.apply(lambda r: f"{r['counts_low']} to {r['counts_high']}", axis=1),
            "Distance": table.apply(
                lambda r: f"{r['threshold']:.4f} ({r['t_low']:.4f}–{r['t_high']:.4f})", axis=1
            ),
            "FMR": table.apply(numbers.fmr_text, axis=1),
            "Range": table.apply(_range, axis=1),
            "FMR at our gallery's size": table["sized_fmr"].map(
                lambda v: numbers.one_in(v) if np.isfinite(v) else "not offered"
            ),
        }
    )


def _range(row) -> str:
    strict = "not offered" if np.isnan(row["range_low"]) else numbers.one_in(row["range_low"])
    return f"{numbers.one_in(row['range_high'])} to {strict}"


def words_aclu() -> str:
    """The threshold that reproduces 28 of 535, with what it means."""
    table = t.equivalents().query("study == @published.ACLU")
    row = table.iloc[0]
    same = (
        f"the same {row['count']} of {row['our_searched']} members whether one matches the count "
        f"or the rate"
        if row["count"] == ACLU_COUNT
        else f"{row['count']} of {row['our_searched']} by the rate and {ACLU_COUNT} by count"
    )
    rows = {r["model"]: r for r in table.to_dict("records")}
    return (
        f"{row['flagged']:.0f} of {row['searched']:.0f} is {percent(row['fpir'])}; in our test "
        f"that is {same}. The distances are "
        f"{each({m: format(r['threshold'], '.4f') for m, r in rows.items()})}, and the FMR there "
        f"is {each({m: numbers.fmr_text(r) for m, r in rows.items()})}. Counts from "
        f"{table['counts_low'].min()} to {table['counts_high'].max()} are compatible with the "
        f"published rate; the FMR of their thresholds goes from "
        f"{each({m: _range(r) for m, r in rows.items()})}. Among the members themselves it is "
        f"{each({m: numbers.one_in(r['implied_fmr']) for m, r in rows.items()})}, among the former "
        f"legislators who left in 1981 or later {each({m: _recent(r) for m, r in rows.items()})}."
    )


def _recent(row) -> str:
    if row["recent_errors"] < error_rates.MIN_ERRORS:
        return f"not offered ({row['recent_errors']} errors)"
    return numbers.one_in(row["recent_fmr"])


def words_size() -> str:
    """What the other gallery sizes do to the equivalents."""
    table = t.equivalents()
    table = table[np.isfinite(table["sized_fmr"])]
    ratio = table["fmr"] / table["sized_fmr"]
    ours = shipped.scores("utkface", PRIMARY_MODELS[0]).faces
    sizes = sorted(table["gallery"].unique())
    return (
        f"Their galleries were larger ({' and '.join(f'{s:,.0f}' for s in sizes)} photographs, as "
        f"reported) than ours ({ours:,}), and at one threshold a larger gallery flags more. "
        f"Carried over to our size in proportion, the FMRs become {ratio.min():.1f} to "
        f"{ratio.max():.1f} times smaller (last column). That proportion is an assumption; how an "
        f"FPIR really grows with the gallery is the question of [notebook "
        f"06](06-how-big-is-the-gallery.ipynb)."
    )


def words_members() -> str:
    """How far the list of members rests on the threshold."""
    table = t.aclu_members()
    strict = {m: int((table[m] == "strict").sum()) for m in PRIMARY_MODELS}
    any_at_loose = int((table != "").any(axis=1).sum())
    every = int((table == "strict").all(axis=1).sum())
    every_28 = int(table.isin(["strict", "28"]).all(axis=1).sum())
    every_loose = int((table != "").all(axis=1).sum())
    return (
        f"Whoever reads names off such a list should know how they hang on the threshold. At the "
        f"strictest threshold compatible with the ACLU's rate "
        f"{each({m: str(n) for m, n in strict.items()})} of the {ACLU_COUNT} remain. All three "
        f"models agree on {every} members at the strict end, {every_28} at {ACLU_COUNT} flagged "
        f"and {every_loose} at the loose end, where {any_at_loose} of {len(table)} members are "
        f"flagged by at least one. The names, with their second portraits, are in [notebook "
        f"02](02-the-congress-test.ipynb)."
    )


# ---------------------------------------------------------------- 6, use 95, use 99


def show_zero() -> pd.DataFrame:
    """Both errors at 28 flagged and at none, a row a model."""
    table = t.price_of_zero()
    return pd.DataFrame(
        {
            "Model": table["model"].map(MODEL_LABELS),
            "Distance, nobody flagged": table["threshold"].map("{:.4f}".format),
            "FMR there": table.apply(_zero_fmr, axis=1),
            "Missed at 28 flagged": table.apply(
                lambda r: numbers.rate(
                    r["missed_28"], r["pairs"], r["fnmr_low_28"], r["fnmr_high_28"]
                ),
                axis=1,
            ),
            "Missed at none flagged": table.apply(numbers.fnmr_of, axis=1),
        }
    )


def _zero_fmr(row) -> str:
    if not row["offered"]:
        return f"not offered: {row['errors']:,} in {row['comparisons']:,}"
    return f"{numbers.one_in(row['fmr'])} ({row['errors']:,} errors)"


def words_zero() -> str:
    """What no false match among the members costs in our models."""
    table = t.price_of_zero()
    rows = {r["model"]: r for r in table.to_dict("records")}
    n = int(error_rates.errors_at(PRIMARY_MODELS[0], 0.0)["searched"])
    return (
        f"Every model can be made to flag nobody: the threshold only has to lie below the best "
        f"impostor score of all members. The genuine pairs missed then rise from "
        f"{each({m: str(r['missed_28']) for m, r in rows.items()})} to "
        f"{each({m: str(r['missed']) for m, r in rows.items()})} of "
        f"{rows[PRIMARY_MODELS[0]]['pairs']}. And none of {n} is not zero: it is "
        f"{numbers.rate(0, n, 0.0, table['zero_high'].iloc[0])}, for a threshold that was "
        f"chosen on the very searches it is judged by, which flatters it."
    )


def words_99_claim() -> str:
    """What Amazon's zero at 99 bounds, and what it leaves open."""
    faces = int(t.stated_value("Amazon reply 2018", "gallery size (faces)"))
    bound = t.zero_bound(faces)
    floor = max(error_rates.floor(m) for m in PRIMARY_MODELS)
    interval = numbers.rate(0, bound["searched"], 0.0, bound["fpir_high"])
    can, cannot = "**It can be said**", "**It cannot be said**"
    points = [
        f"{can} that a stricter threshold gives fewer false matches: that holds for every model, "
        f"by construction.",
        f"{can} what the claimed zero would bound. If all {bound['searched']} members were "
        f"searched (the reports do not give the number) in the {faces:,} faces of Amazon's re-run, "
        f"no false match is {interval}: an FMR below {numbers.one_in(bound['fmr_high'])}, were all "
        f"comparisons independent. Our impostor pairs carry down to {numbers.one_in(floor)}, "
        f"{floor / bound['fmr_high']:.0f} times more, so nothing here can confirm or refute it.",
        f"{cannot} what 99 costs. The reports that we read give no misses at any threshold, from "
        f"Amazon or from its critics; Comparitech says that its test could not measure them.",
        f"{cannot} what 95 does. Amazon named it on the first day; the reports that we read hold "
        f"no count at 95, from anyone.",
        f"{cannot} which FMR belongs to 80, 95 or 99 on Amazon's scale. Section 5 says what *our* "
        f"models need for the same counts at 80, and no more.",
        "**And a recommendation is not a setting.** A search returned matches from 80 upwards "
        "unless told otherwise: that is what a user gets who changes nothing.",
    ]
    return "\n".join(f"* {point}" for point in points)


# ---------------------------------------------------------------- the answer


def answer() -> str:
    """The answer of notebook 03, with numbers and intervals."""
    default = t.scales().query("mark == 'default' and model in @PRIMARY_MODELS")
    at_80 = t.at_confidence((80.0,))
    zero = {r["model"]: numbers.fnmr_of(r) for r in t.price_of_zero().to_dict("records")}
    return (
        f"**It is a mark on one maker's scale, and no open model has it. What can be compared is "
        f"how often strangers match: the threshold that flags the ACLU's share of Congress in our "
        f"gallery has an FMR of {with_each(_aclu_fmrs())}, measured on former legislators, and of "
        f"{with_each(_aclu_fmrs('implied_fmr'))} among the members themselves; the libraries' own "
        f"defaults have {numbers.one_in(default['fmr'].max())} to {numbers.one_in(default['fmr'].min())} and flag "
        f"{percent(default['fpir'].min(), 0)} to {percent(default['fpir'].max(), 0)} of the "
        f"members.** **Strictness is paid in misses: of the pairs of portraits of one member, "
        f"{with_each({m: numbers.fnmr_of(r) for m, r in at_28().iterrows()})} are missed at the ACLU's "
        f"rate, and {with_each(zero)} at the threshold that flags nobody.** deepface's “confidence "
        f"of at least 80” flags {span(at_80['flagged'])} of {at_80['searched'].iloc[0]} members, "
        f"depending on the model: it is not Amazon's 80. (The ranges of the FMRs take in every "
        f"threshold that is compatible with the ACLU's count, and the 95 % interval of the FMR.)"
    )


def finding() -> str:
    """One sentence for the README."""
    zero = t.price_of_zero()
    return (
        f"The threshold that reproduces the ACLU's 28 of 535 has an FMR of "
        f"{with_each(_aclu_fmrs())} among former legislators and of "
        f"{with_each(_aclu_fmrs('implied_fmr'))} among the members themselves; going on to flag "
        f"nobody raises the genuine pairs missed from {with_each(_missed(zero, 'missed_28'))} to "
        f"{with_each(_missed(zero, 'missed'))} of {zero['pairs'].iloc[0]}. No percentage of an "
        f"open model is Amazon's 80."
    )


def _aclu_fmrs(key: str = "fmr") -> dict[str, str]:
    """The FMR at the ACLU's rate by model; of the former legislators with its range."""
    rows = t.equivalents().query("study == @published.ACLU").to_dict("records")
    ranges = {r["model"]: f" ({_range(r)})" if key == "fmr" else "" for r in rows}
    return {r["model"]: numbers.one_in(r[key]) + ranges[r["model"]] for r in rows}


def _missed(table: pd.DataFrame, column: str) -> dict[str, str]:
    return dict(zip(table["model"], table[column].astype(str), strict=True))


# ---------------------------------------------------------------- captions of the tables


def caption_table_scales() -> str:
    """Caption of the table of marked thresholds."""
    faces = shipped.scores("utkface", MODELS[0]).faces
    return (
        f"Each model from its loosest to its strictest threshold. FMR: former legislators against "
        f"one face of each identity of the gallery; the interval lets identities on both sides "
        f"vary. FPIR: 529 members against {faces:,} adult strangers, Wilson interval; {ACLU_COUNT} "
        f"flagged is fixed by construction and has none. FNMR: pairs of portraits of one member, "
        f"Wilson interval."
    )


def caption_table_confidence() -> str:
    """Caption of the table of rules on the confidence."""
    return (
        f"The distance is the largest at which deepface reports the confidence. An FMR on fewer "
        f"than {error_rates.MIN_ERRORS} errors is not offered: errors and comparisons are given instead."
    )


def caption_table_impostors() -> str:
    """Caption of the table of the sets of impostors."""
    return (
        "At the threshold calibrated to an FMR of 1 in 100,000 on all former legislators: the "
        "errors behind it, how many people they come from, and the false matches of two other sets "
        "at the same threshold. The members are the people tested, so theirs is no calibration; it "
        "shows what another set of photographs does."
    )


def caption_table_by_group() -> str:
    """Caption of the table of the FMR by labels."""
    return (
        "At the threshold calibrated to an FMR of 1 in 10,000. Labels as published with UTKFace, "
        "estimated by an algorithm and checked by a person. The legislators' side has no recorded "
        "labels. Descriptive: no test is made."
    )


def caption_table_errors() -> str:
    """Caption of the table of both errors."""
    return (
        "The threshold is set so that the share of members flagged is the one in the first column, "
        "which therefore has no interval. Not returned: the second portrait, enrolled among the "
        "strangers, is not at or below the threshold (failures to enrol count); at rank 1: or a "
        "stranger is nearer. 95 % Wilson intervals."
    )


def caption_table_stated() -> str:
    """Caption of the table of what the reports state."""
    return (
        "Wilson intervals are ours. Sources: data/published/results.csv and, for thresholds and "
        "what other reports say, data/published/thresholds.csv, each with its address and whether "
        "the publisher's own page or a press report was read."
    )


def caption_table_zero() -> str:
    """Caption of the table of the price of zero."""
    return (
        f"The largest distance at which none of the 529 members is flagged. The misses are of the "
        f"same pairs as above, 95 % Wilson intervals. An FMR on fewer than {error_rates.MIN_ERRORS} errors "
        f"is not offered."
    )
