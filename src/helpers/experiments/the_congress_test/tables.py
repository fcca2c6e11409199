"""The tables behind notebook 02: our result beside the ACLU's.

The primary analysis is the one of the design: gallery `utkface` (adults), the threshold at which
28 members are flagged after the same-person rule, Dlib (native), SFace and Facenet, Holm over the
three. Everything else here is descriptive or exploratory.
"""

import numpy as np
import pandas as pd

from helpers.faces.pipelines import MODEL_LABELS, MODELS, PRIMARY_MODELS
from helpers.protocol import congress_test, shipped
from helpers.protocol.policy import ACLU_COUNT
from helpers.sources import groups, published
from helpers.sources.rosters import load_delegates
from helpers.statistics import exact_tests, half_samples, intervals, rates
from helpers.statistics.auc import auc_best_scores

VARIANTS = {
    "any": "nobody left out",
    "rule": "probable same persons left out",
    "p90": "every candidate nearer than 90 % of genuine pairs left out",
}
ACLU_SECTION = "ACLU 2018, arrest photos"
GALLERY_WORDS = {"utkface": "strangers", "legislators": "former legislators"}
RATIO_WORDS = {
    "crude": "Crude",
    "within": "Within recorded sex",
    "shared": "Crude, other half-gallery",
}


def defaults() -> pd.DataFrame:
    """The library defaults: one row a gallery and model, FPIR with its Wilson interval.

    Columns gallery, model, metric, threshold, faces, searched, failures_to_enrol, flagged, fpir,
    low, high, implied_fmr.
    """
    rows = []
    for gallery in shipped.GALLERIES:
        for model in MODELS:
            s = shipped.result(gallery, model).summary
            rows.append(
                {
                    "gallery": gallery,
                    "model": model,
                    "metric": s["metric"],
                    "threshold": s["threshold"],
                    "faces": s["gallery_faces"],
                    "searched": s["searched"],
                    "failures_to_enrol": s["failures_to_enrol"],
                    "flagged": s["falsely_matched"],
                    "fpir": s["fpir"],
                    "low": s["fpir_low"],
                    "high": s["fpir_high"],
                    "implied_fmr": s["implied_fmr"],
                }
            )
    return pd.DataFrame(rows)


def aclu() -> dict:
    """The ACLU's published result: flagged, searched, fpir, low, high (Wilson, ours)."""
    k = int(published.number("ACLU 2018", "members falsely matched"))
    n = int(published.number("ACLU 2018", "members searched"))
    low, high = intervals.wilson(k, n)
    return {"flagged": k, "searched": n, "fpir": k / n, "low": low, "high": high}


def beside_the_aclu() -> pd.DataFrame:
    """The library defaults and the ACLU's result as rows of one figure.

    Columns section, label, flagged, searched, fpir, low, high.
    """
    published_row = aclu() | {"label": "Amazon Rekognition", "section": ACLU_SECTION}
    ours = defaults()
    ours["label"] = ours["model"].map(MODEL_LABELS)
    ours["section"] = ours.apply(
        lambda row: f"{row['faces']:,} {GALLERY_WORDS[row['gallery']]}",
        axis=1,
    )
    columns = ["section", "label", "flagged", "searched", "fpir", "low", "high"]
    return pd.concat([pd.DataFrame([published_row]), ours], ignore_index=True)[columns]


def ratios() -> pd.DataFrame:
    """The primary ratios as rows of one figure: crude, within sex, and with the shared gallery.

    Columns section (the kind of ratio), model, label, ratio, low, high.
    """
    main, shared = primary(), shared_gallery()
    names = {"crude": ("", main), "within": ("_within_sex", main)}
    tables = [
        pd.DataFrame(
            {
                "section": RATIO_WORDS[kind],
                "model": table["model"],
                "ratio": table[f"ratio{suffix}"],
                "low": table[f"ratio{suffix}_low"],
                "high": table[f"ratio{suffix}_high"],
            }
        )
        for kind, (suffix, table) in names.items()
    ]
    both = shared[["model", "ratio", "ratio_low", "ratio_high"]]
    tables.append(
        both.set_axis(["model", "ratio", "low", "high"], axis=1).assign(
            section=RATIO_WORDS["shared"]
        )
    )
    table = pd.concat(tables, ignore_index=True)
    table["label"] = table["model"].map(MODEL_LABELS)
    return table[["section", "model", "label", "ratio", "low", "high"]]


def primary(gallery: str = "utkface", variant: str = "rule") -> pd.DataFrame:
    """The primary analysis: one row a model, the FPIR of members of colour against white members.

    Columns model, threshold, implied_fmr, flagged, colour_flagged, colour_searched, white_flagged,
    white_searched, ratio, ratio_low, ratio_high (crude, Miettinen-Nurminen), ratio_within_sex, ..
    (Mantel-Haenszel), fisher_p, holm_p (over the three models), share_of_false_matches, auc,
    auc_low, auc_high (best impostor score of a member of colour nearer than a white member's).
    """
    rows = []
    for model in PRIMARY_MODELS:
        found = shipped.result(gallery, model, shipped.PRIMARY, variant)
        colour = found.members["of_colour"].to_numpy()
        score = found.members["score"].to_numpy()
        auc = auc_best_scores(score[colour], score[~colour])
        keys = [k for k in found.summary if k.startswith(("colour_", "white_", "ratio", "share_"))]
        rows.append(
            {
                "model": model,
                "threshold": found.summary["threshold"],
                "implied_fmr": found.summary["implied_fmr"],
                "flagged": found.summary["falsely_matched"],
                **{k: found.summary[k] for k in keys},
                "fisher_p": found.summary["fisher_p"],
                "auc": auc.auc,
                "auc_low": auc.low,
                "auc_high": auc.high,
            }
        )
    table = pd.DataFrame(rows)
    table.insert(
        table.columns.get_loc("fisher_p") + 1, "holm_p", exact_tests.holm(table["fisher_p"])
    )
    return table


def power(ratio: float) -> float:
    """Power of the primary test (one model, unadjusted 5 %) at a true FPIR ratio."""
    members = congress_test.people_searched()
    colour = int(members["of_colour"].sum())
    return exact_tests.power_fisher(colour, len(members) - colour, ACLU_COUNT, ratio)


def shared_gallery(draws: int = 1000, seed: int = 20180726) -> pd.DataFrame:
    """Half-sample intervals of the primary ratios: other members and another half of the gallery.

    One row a model: ratio, low, high, ratio_within_sex, .., design_effect, as `half_sample` of
    `half_samples` gives them.
    """
    rows = []
    for model in PRIMARY_MODELS:
        people, found = shipped.gathered("utkface", model)
        near = found.candidates
        clusters = near.drop_duplicates("gallery_id").set_index("gallery_id")["cluster"]
        table = half_samples.half_sample(
            near, clusters, people, count=ACLU_COUNT, draws=draws, seed=seed
        )
        row = {"model": model}
        for statistic, name in (("risk ratio", "ratio"), ("risk ratio within sex", "within_sex")):
            line = table.loc[statistic]
            row |= {
                name: line["estimate"],
                f"{name}_low": line["low"],
                f"{name}_high": line["high"],
            }
        rows.append(row)
    return pd.DataFrame(rows)


def bounds() -> pd.DataFrame:
    """What the same-person question does to the result: one row a model and variant.

    Columns model, variant (any, rule, p90), flagged_default (at the library default), ratio,
    ratio_low, ratio_high (at 28 flagged, threshold set anew).
    """
    rows = []
    for model in PRIMARY_MODELS:
        for variant in VARIANTS:
            at_28 = shipped.result("utkface", model, shipped.PRIMARY, variant).summary
            rows.append(
                {
                    "model": model,
                    "variant": variant,
                    "flagged_default": shipped.result("utkface", model, "default", variant).summary[
                        "falsely_matched"
                    ],
                    "threshold": at_28["threshold"],
                    "flagged": at_28["falsely_matched"],
                    **{k: at_28[k] for k in ("colour_flagged", "white_flagged")},
                    **{k: at_28[k] for k in ("ratio", "ratio_low", "ratio_high")},
                }
            )
    return pd.DataFrame(rows)


def by_group(policy: str = shipped.PRIMARY, gallery: str = "utkface", models=PRIMARY_MODELS):
    """FPIR by recorded group and for members of colour, with and without Asian: a row each.

    Columns model, group, searched, flagged, fpir, low, high.
    """
    tables = []
    for model in models:
        members = shipped.result(gallery, model, policy).members
        parts = groups.masks(members["group"])
        rows = [(name, *rates.fpir(members.loc[mask, "flagged"])) for name, mask in parts.items()]
        table = pd.DataFrame(rows, columns=["group", "flagged", "searched", "fpir", "low", "high"])
        tables.append(table.assign(model=model))
    columns = ["model", "group", "searched", "flagged", "fpir", "low", "high"]
    return pd.concat(tables, ignore_index=True)[columns]


def flagged_members() -> pd.DataFrame:
    """Who is flagged in the primary analysis: one row a member flagged by a model or by the ACLU.

    Columns name, chamber, state, party, group, gender, aclu, one bool a model, models (how many of
    the three), second portrait (a text for each: which models flag that one too). The matched
    gallery faces are private people's and are never shown.
    """
    members = congress_test.people_searched().set_index("member_id")
    table = members[["name", "chamber", "state", "party", "group", "gender"]].copy()
    table["aclu"] = table.index.isin(published.aclu_28()["member_id"])
    for model in PRIMARY_MODELS:
        found = shipped.result("utkface", model, shipped.PRIMARY).members.set_index("member_id")
        table[model] = found["flagged"]
        second, _ = _second(model)
        table[f"{model} second"] = second.reindex(table.index)
    table["models"] = table[list(PRIMARY_MODELS)].sum(axis=1)
    table = table[(table["models"] > 0) | table["aclu"]]
    return table.sort_values(["models", "aclu", "name"], ascending=[False, False, True])


def _second(model: str) -> tuple[pd.Series, float]:
    """Is each member with a second portrait flagged on that one, at the primary threshold?"""
    best = shipped.scores("utkface", model).best
    best = best[best["portrait"] == "second"].set_index("probe_id")["rule"]
    threshold = shipped.result("utkface", model, shipped.PRIMARY).summary["threshold"]
    return pd.Series(rates.at_or_below(best, threshold), index=best.index), threshold


def stability() -> pd.DataFrame:
    """How many of the flagged are flagged on their other portrait too, at the same threshold.

    Columns model, flagged, with_second (how many of them have one that enrolled), again, and for
    comparison all members with a second portrait: second_searched, second_flagged.
    """
    rows = []
    for model in PRIMARY_MODELS:
        members = shipped.result("utkface", model, shipped.PRIMARY).members.set_index("member_id")
        second, threshold = _second(model)
        flagged = members.index[members["flagged"]]
        both = second.reindex(flagged).dropna()
        low, high = intervals.wilson(int(both.sum()), len(both))
        rows.append(
            {
                "model": model,
                "threshold": threshold,
                "flagged": len(flagged),
                "with_second": len(both),
                "again": int(both.sum()),
                "again_low": low,
                "again_high": high,
                "second_searched": len(second),
                "second_flagged": int(second.sum()),
            }
        )
    return pd.DataFrame(rows)


def with_delegates(policy: str = "default") -> pd.DataFrame:
    """The result with the six non-voting delegates, for whom only another portrait is at hand.

    Columns model, flagged, searched (529), delegates_flagged, delegates_searched, all_flagged,
    all_searched (535).
    """
    ids = load_delegates()["member_id"]
    rows = []
    for model in PRIMARY_MODELS:
        summary = shipped.result("utkface", model, policy).summary
        best = shipped.scores("utkface", model).best.query("portrait == 'first'")
        best = best.set_index("probe_id")["rule"]
        theirs = rates.at_or_below(best.reindex(ids).fillna(np.inf), summary["threshold"])
        rows.append(
            {
                "model": model,
                "flagged": summary["falsely_matched"],
                "searched": summary["searched"],
                "delegates_flagged": int(theirs.sum()),
                "delegates_searched": len(ids),
                "all_flagged": summary["falsely_matched"] + int(theirs.sum()),
                "all_searched": summary["searched"] + len(ids),
            }
        )
    return pd.DataFrame(rows)


def significant() -> pd.DataFrame:
    """The rows of the primary analysis with a Holm-adjusted p below 0.05 and a ratio above 1."""
    return primary().query("holm_p < 0.05 and ratio > 1")
