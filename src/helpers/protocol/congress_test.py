"""The protocol: people searched x scores x threshold policy -> a result with its tables.

A result speaks of the people it was given: everyone in the table counts as searched, a failure to
enrol is no match. It never mixes rates (of a group's members, how many are matched) with shares
(of the matched, how many belong to a group).
"""

import hashlib
import math
import textwrap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces import collection, enrolment, same_person
from helpers.faces.pipelines import MODELS, Configuration
from helpers.paths import cache_dir
from helpers.protocol import calibration, shipping
from helpers.protocol import scores as score_store
from helpers.protocol.scores import Scores, pairs_at
from helpers.show.numbers import p_text
from helpers.sources import galleries
from helpers.sources.rosters import GROUPS, load_members
from helpers.statistics import exact_tests, intervals, rates

ACLU_COUNT = 28
REFERENCE = "White"  # the group that members of colour are compared with
NOT_RECORDED = "not recorded"
NAMES_SHOWN = 60
# The margin of one model leaves out 0.4 % of members by chance among 4,175 former legislators,
# but 0.6 to 4 % among 1,000 of them and 2 to 6 % among 200.
SMALL_GALLERY = 2000
INDENT = {"initial_indent": "    ", "subsequent_indent": "    "}


class Result(NamedTuple):
    """One run of the test.

    members: the people table with enrolled (bool), score (best impostor score, +inf for none) and
    flagged (bool). summary: every number of the report. groups, within_sex: FPIR by recorded group,
    and by group within recorded gender, with Wilson intervals.
    """

    members: pd.DataFrame
    summary: dict
    groups: pd.DataFrame
    within_sex: pd.DataFrame


def threshold_of(policy: str, best, config: Configuration) -> tuple[float, str]:
    """A threshold policy -> the threshold (a distance) and a sentence on where it comes from.

    policy: "default" (the library's own), a number, "fmr:1e-5" (calibrated, see
    `helpers.protocol.calibration`) or "count:28" (the score that flags so many, from `best`, the
    best impostor score of each person). Raises UserError for anything else, or what is not on
    offer.
    """
    policy = str(policy).strip()
    if policy == "default":
        return config.default_threshold, f"library default ({config.threshold_source})"
    kind, value = policy.split(":", 1) if ":" in policy else ("distance", policy)
    try:
        number = {"count": int, "fmr": float, "distance": float}[kind](value)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"--threshold {policy!r} is none of default, a number, fmr:1e-5, count:28"
        ) from error
    if kind == "fmr":
        return calibration.threshold(config, number), f"calibrated to an FMR of {number:g}"
    if kind == "count":
        try:
            found = rates.threshold_for_count(best, number)
        except ValueError as error:
            raise UserError(f"--threshold {policy}: {error}") from error
        ties = "" if found.attained == found.wanted else f", {found.attained} with ties"
        return found.threshold, f"set so that {found.wanted} are flagged{ties}"
    if not 0 <= number < math.inf:
        raise UserError(f"--threshold {policy}: a distance is a number from 0 upwards")
    return number, "given"


def people_searched() -> pd.DataFrame:
    """The 529 voting members of 26 July 2018 with their recorded groups: see `load_members`."""
    return load_members().query("voting").reset_index(drop=True)


def gather(
    probes: str,
    gallery: str,
    model: str,
    detector: str = "yunet",
    labels: Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[pd.DataFrame, Scores]:
    """People and their scores for named sets, folders of images or face metadata files.

    probes: "congress", a folder, or a .parquet made by `enrol`. gallery: "legislators", "utkface",
    a folder or a .parquet. labels: a CSV for the probes of a folder or file (id, and any of name,
    group, gender). Folders are enrolled into the cache once. Raises UserError.
    """
    if probes == "congress" and labels:
        raise UserError("--labels is for your own probes; those of congress come with labels")
    named = probes == "congress" and detector == shipping.DETECTOR and model in MODELS
    if gallery == "utkface" and named:
        return people_searched(), score_store.load_scores(f"utkface-{model}")
    config = shipping.configuration(model, detector)
    people, probe_faces = _side(probes, config, labels, workers, progress)
    _, gallery_faces = _side(gallery, config, None, workers, progress)
    if gallery == "utkface":
        faces = galleries.load_utkface()
        gallery_faces = collection.subset(gallery_faces, faces.loc[faces["adult"], "id"])
    for side, faces in ((probes, probe_faces), (gallery, gallery_faces)):
        if len(faces.ids) == 0:
            raise UserError(f"no face was found in any image of {side}")
    ids = pd.Series(gallery_faces.ids, index=gallery_faces.ids)
    second = shipping.load_dataset("second-portraits", model) if named else None
    clusters, same = ids, pd.DataFrame(columns=["probe_id", "cluster", "same_person"])
    # legislators: identities are known, no member is among them
    rule = gallery == "legislators" or (
        model in same_person.NEAR
        and detector == shipping.DETECTOR
        and len(ids) >= same_person.SMALLEST_GALLERY
    )
    if rule and gallery != "legislators":
        collection.check_comparable(probe_faces, gallery_faces)
        clusters = same_person.identity_clusters([gallery_faces])
        near = collection.search(probe_faces, gallery_faces, top=same_person.DEPTH)
        same = same_person.same_person_alone(near, clusters, same_person.MARGIN_ALONE[model])
    found = score_store.compute(
        probe_faces, second, gallery_faces, clusters, same, shipping.KEEP_PROBES
    )
    return people, found._replace(description={**found.description, "same_person_rule": rule})


def _side(what, config, labels, workers, progress):
    """One side of a search: everyone in it (member_id and labels), and the enrolled faces."""
    named = {"congress": "probes", "legislators": "legislators", "utkface": "utkface"}
    if what in named:
        path = shipping.faces_path(named[what], config.model, config.detector)
        if not path.exists():
            shipping.enrol_dataset(named[what], config.model, config.detector, workers, progress)
        people = people_searched() if what == "congress" else None
    elif str(what).endswith(".parquet"):
        path = Path(what)
        faces = enrolment.read_faces(path)
        failures = enrolment.read_failures(path)
        people = pd.DataFrame({"id": sorted([*faces["id"], *failures["id"]])})
        if labels:
            given = galleries.read_labels(labels)
            unknown = given["id"][~given["id"].isin(people["id"])]
            if len(unknown):
                raise UserError(
                    f"{labels} labels {len(unknown)} images that are not in {what} "
                    f"(first: {unknown.iloc[0]!r})"
                )
            people = people.merge(given, on="id", how="left")
    else:
        people = galleries.load_folder(Path(what), labels)
        path = _folder_cache(people, config)
        enrolment.enrol(people, path, config.model, config.detector, workers, progress)
    if people is not None and "id" in people:
        people = labelled(people.rename(columns={"id": "member_id"}))
    faces = collection.load_collection(path)
    made = faces.description["configuration"]
    if (made["model"], made["detector"]) != (config.model, config.detector):
        raise UserError(
            f"{what} was enrolled with another configuration; "
            f"say --model {made['model']} --detector {made['detector']}"
        )
    return people, faces


def _folder_cache(images: pd.DataFrame, config) -> Path:
    place = Path(images["path"].iloc[0]).resolve().parent
    key = hashlib.sha256(f"{place}|{len(images)}".encode()).hexdigest()[:16]
    return cache_dir() / "folders" / f"{key}-{config.model}-{config.detector}.parquet"


def labelled(people: pd.DataFrame) -> pd.DataFrame:
    """People as `run` wants them, from a folder's labels: a row a person with their member_id.

    Drops label columns nobody filled, names what is missing, compares with REFERENCE if present.
    """
    people = people.drop(columns=["path"], errors="ignore").dropna(axis="columns", how="all")
    for column in ("group", "gender"):
        if column in people:
            people[column] = people[column].fillna(NOT_RECORDED)
    if "group" in people and REFERENCE in set(people["group"]):
        people["of_colour"] = people["group"] != REFERENCE
    return people


def run(people: pd.DataFrame, scores: Scores, policy: str = "default", variant="rule") -> Result:
    """Run the Congress test.

    people: one row a person searched: member_id, and where recorded name, group, gender,
    of_colour (bool). scores: of these people against a gallery. variant: which gallery faces are
    left out: "rule" (probable same persons), "any" (none), "p90" (every candidate inside the 90th
    genuine percentile).
    """
    if people["member_id"].duplicated().any():
        raise UserError("a member_id occurs twice among the people")
    config = Configuration(**scores.description["configuration"])
    first = scores.best[scores.best["portrait"] == "first"].set_index("probe_id")
    best = first[["any", "rule", "p90"]]
    best = best.reindex(people["member_id"]).fillna(np.inf)
    threshold, origin = threshold_of(policy, best[variant], config)
    flags = {v: rates.at_or_below(best[v], threshold) for v in best}
    members = people.reset_index(drop=True).assign(
        enrolled=people["member_id"].isin(first.index).to_numpy(),
        score=best[variant].to_numpy(),
        flagged=flags[variant],
    )
    fixed = str(policy).startswith("count:")
    searched = rates.fpir(members["flagged"].to_numpy())
    enrolled = members[members["enrolled"]]
    p90 = scores.description["genuine_p90"] or None
    pairs, comparisons = pairs_at(scores, threshold), len(enrolled) * scores.faces
    summary = {
        **config._asdict(),
        "policy": str(policy),
        "threshold": threshold,
        "threshold_origin": origin,
        "gallery_faces": scores.faces,
        "searched": searched.denominator,
        "failures_to_enrol": int((~members["enrolled"]).sum()),
        "falsely_matched": searched.numerator,
        "fpir": searched.rate,
        "fpir_low": None if fixed else searched.low,
        "fpir_high": None if fixed else searched.high,
        "fpir_of_enrolled": searched.numerator / len(enrolled) if len(enrolled) else None,
        "pairs_at_threshold": pairs,
        "comparisons": comparisons,
        "implied_fmr": pairs / comparisons if comparisons else None,
        "same_person_rule": scores.description.get("same_person_rule", True),
        "same_person_pairs": int(scores.same_person["same_person"].astype(bool).sum()),
        "gallery_faces_left_out": scores.removed,
        "falsely_matched_none_left_out": int(flags["any"].sum()),
        # without second portraits there are no genuine scores, and no such variant
        "falsely_matched_p90_left_out": int(flags["p90"].sum()) if p90 else None,
        "genuine_p90": p90,
    }
    groups = within = pd.DataFrame()
    if "group" in members:
        groups = rates.by_group(members, "group", _order(members["group"]))
        if "gender" in members:
            within = rates.within_sex(members, order=_order(members["group"]))
    if "of_colour" in members:
        recorded = members[members["group"] != NOT_RECORDED] if "group" in members else members
        if recorded["of_colour"].nunique() == 2:
            summary |= compare(recorded)
    return Result(members, summary, groups, within)


def compare(members: pd.DataFrame) -> dict:
    """Members of colour against white members: counts, FPIR ratios, Fisher's p, share.

    members: flagged (bool), of_colour (bool), and gender where recorded. The keys of the result
    begin with `colour_`, `white_`, `ratio`, `fisher` or `share`.
    """
    k, n = _counts(members)
    crude = intervals.risk_ratio(k[True], n[True], k[False], n[False])
    share = rates.false_match_share(members["flagged"].to_numpy(), members["of_colour"].to_numpy())
    result = {
        "colour_flagged": k[True],
        "colour_searched": n[True],
        "white_flagged": k[False],
        "white_searched": n[False],
        "ratio": crude.ratio,
        "ratio_low": crude.low,
        "ratio_high": crude.high,
        "fisher_p": exact_tests.fisher_exact(k[True], n[True], k[False], n[False]),
        "share_of_false_matches": share.share,
        "share_low": share.low,
        "share_high": share.high,
    }
    if "gender" in members:
        rows = []
        for _, part in members.groupby("gender"):
            k, n = _counts(part)
            rows.append({"k1": k[True], "n1": n[True], "k0": k[False], "n0": n[False]})
        if not any(row["n1"] and row["n0"] for row in rows):
            return result  # nobody of one sex to compare with somebody of the same sex
        standard = intervals.mantel_haenszel_risk_ratio(pd.DataFrame(rows))
        result |= {
            "ratio_within_sex": standard.ratio,
            "ratio_within_sex_low": standard.low,
            "ratio_within_sex_high": standard.high,
        }
    return result


def _counts(members) -> tuple[dict, dict]:
    colour = members["of_colour"].to_numpy(dtype=bool)
    flagged = members["flagged"].to_numpy(dtype=bool)
    k = {side: int((flagged & (colour == side)).sum()) for side in (True, False)}
    return k, {side: int((colour == side).sum()) for side in (True, False)}


def _order(groups: pd.Series) -> list[str]:
    present = set(groups)
    known = [g for g in GROUPS if g in present]
    return known + sorted(present - set(known))


def report(result: Result, title: str) -> str:
    """The result as plain text, one statement a line."""
    s = result.summary
    low = s["fpir_low"], s["fpir_high"]
    lines = [
        title,
        f"  {s['engine']}"
        if "engine" in s
        else f"  {s['model']} ({s['recogniser']}, detector {s['detector']}, {s['alignment']}, "
        f"padding {s['padding']}, {s['metric']} distance)",
        f"  threshold {s['threshold']:.4f}: {s['threshold_origin']}",
        f"  searched                 {s['searched']:,} people in a gallery of "
        f"{s['gallery_faces']:,} faces",
        f"  failures to enrol        {s['failures_to_enrol']:,} (counted as no match)",
        f"  falsely matched (FPIR)   "
        f"{rates.format_rate(s['falsely_matched'], s['searched'], *low)}",
        f"  implied FMR              {'' if s.get('pairs_complete', True) else 'at least '}"
        f"{s['pairs_at_threshold']:,} of {s['comparisons']:,} "
        f"comparisons ({_small(s['implied_fmr'])})",
        f"  probable same person     {s['same_person_pairs']} pairs, "
        f"{s['gallery_faces_left_out']} gallery faces left out; "
        f"falsely matched with them in: {s['falsely_matched_none_left_out']}"
        if s["same_person_rule"]
        else "  probable same person     not looked for: no margin is known for this "
        "configuration, or for so small a gallery",
    ]
    if s["same_person_rule"] and s["same_person_pairs"] and s["gallery_faces"] < SMALL_GALLERY:
        lines.append(
            "                           (the rule was set on a gallery of thousands: "
            "in one this small it leaves out too many)"
        )
    if s["genuine_p90"]:
        lines.append(
            f"                           without any candidate nearer than {s['genuine_p90']:.4f} "
            f"(90 % of genuine pairs are): {s['falsely_matched_p90_left_out']}"
        )
    if "ratio" in s:
        interval = rates.format_interval(s["ratio_low"], s["ratio_high"], percent=False)
        lines += [
            f"  members of colour        {_wilson_text(s['colour_flagged'], s['colour_searched'])}",
            f"  white members            {_wilson_text(s['white_flagged'], s['white_searched'])}",
            f"  FPIR ratio               {_ratio(s['ratio'])} (95 % interval {interval}), "
            f"Fisher's exact p = {p_text(s['fisher_p'])}",
        ]
        if "ratio_within_sex" in s:
            interval = rates.format_interval(
                s["ratio_within_sex_low"], s["ratio_within_sex_high"], percent=False
            )
            lines.append(
                f"  within recorded sex      {_ratio(s['ratio_within_sex'])} "
                f"(95 % interval {interval}), Mantel-Haenszel"
            )
        lines.append(
            f"  share of false matches   {s['colour_flagged']} of "
            f"{s['colour_flagged'] + s['white_flagged']} are "
            "members of colour (a share, not an error rate)"
        )
    for name, table in (("by group", result.groups), ("by gender and group", result.within_sex)):
        if len(table):
            lines.append(f"  FPIR {name}")
            for key, row in table.iterrows():
                label = ", ".join(key) if isinstance(key, tuple) else str(key)
                text = rates.format_rate(
                    int(row["flagged"]), int(row["searched"]), row["low"], row["high"]
                )
                lines.append(f"    {label:<24} {text}")
    return "\n".join([*lines, *_who(result.members)])


def _who(members: pd.DataFrame) -> list[str]:
    """The falsely matched by name, or by id where there is none, nearest first."""
    found = members[members["flagged"]].sort_values(["score", "member_id"])
    if len(found) == 0:
        return []
    if len(found) > NAMES_SHOWN:
        return [f"  who: {len(found)} people, listed by --csv FILE"]
    names = found["member_id"] if "name" not in found else found["name"].fillna(found["member_id"])
    return ["  who, nearest first", *textwrap.wrap("; ".join(names), 96, **INDENT)]


def _ratio(value: float) -> str:
    if math.isnan(value):
        return "not defined"
    return "above any number" if math.isinf(value) else f"{value:.2f}"


def _wilson_text(k, n) -> str:
    return rates.format_rate(k, n, *intervals.wilson(k, n))


def _small(value) -> str:
    return "not defined" if value is None else f"{value:.1e}"


def as_json(result: Result) -> dict:
    """The summary and tables as JSON-able values: no NaN, infinity as the string "inf"."""

    def clean(value):
        if isinstance(value, (np.bool_, bool)):
            return bool(value)
        if isinstance(value, np.integer):
            return int(value)
        if isinstance(value, (float, np.floating)):
            if math.isnan(value):
                return None
            return "inf" if math.isinf(value) else float(value)
        return value

    return {
        "summary": {k: clean(v) for k, v in result.summary.items()},
        **{
            name: [
                {k: clean(v) for k, v in row.items()}
                for row in table.reset_index().to_dict("records")
            ]
            for name, table in (("groups", result.groups), ("within_sex", result.within_sex))
        },
    }
