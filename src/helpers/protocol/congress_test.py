"""The protocol: people searched x scores x threshold policy -> a result with its tables.

A result speaks of the people it was given: everyone in the table counts as searched, a failure to
enrol is no match. It never mixes rates (of a group's members, how many are matched) with shares
(of the matched, how many belong to a group).
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces import cluster, collection, enrolment, kept, parts, same_person
from helpers.faces.pipelines import MODELS, Configuration
from helpers.protocol import in_parts, shipping
from helpers.protocol import scores as score_store
from helpers.protocol.policy import parse, resolve
from helpers.protocol.scores import Scores, pairs_at
from helpers.sources import galleries, groups
from helpers.sources.rosters import load_members
from helpers.statistics import exact_tests, intervals, rates

# The margin of one model leaves out 0.4 % of members by chance among 4,175 former legislators,
# but 0.6 to 4 % among 1,000 of them and 2 to 6 % among 200.
SMALL_GALLERY = 2000


class Result(NamedTuple):
    """One run of the test.

    members: the people table with enrolled (bool), score (best impostor score, +inf for none),
    flagged (bool) and withheld (bool: flagged, but the match rests on contested identities, so the
    name is not published). summary: every number of the report. groups, within_sex: FPIR by
    recorded group, and by group within recorded gender, with Wilson intervals.
    """

    members: pd.DataFrame
    summary: dict
    groups: pd.DataFrame
    within_sex: pd.DataFrame


def people_searched() -> pd.DataFrame:
    """The 529 voting members of 26 July 2018 with their recorded groups: see `load_members`."""
    return load_members().query("voting").reset_index(drop=True)


def check_probes(probes: str | Path, labels: Path | None) -> None:
    """Raise UserError for labels of people who come with theirs, and for probes in parts."""
    if probes == "congress" and labels:
        raise UserError("--labels is for your own probes; those of congress come with labels")
    if parts.is_one(str(probes)):
        raise UserError(
            "a gallery in parts is no set of probes: give their images, or enrol them into a "
            ".parquet file"
        )


def gather(
    probes: str | Path,
    gallery: str | Path,
    model: str,
    detector: str = "yunet",
    labels: Path | None = None,
    workers: int | None = None,
    progress: bool = True,
    pool: cluster.Pool | None = None,
) -> tuple[pd.DataFrame, Scores]:
    """People and their scores for named sets, folders of images or face metadata files.

    probes: "congress", a folder, or a .parquet made by `enrol`. gallery: "legislators", "utkface",
    a folder, a .parquet or a gallery in parts. labels: a CSV for the probes of a folder or file
    (id, and any of name, group, gender). Folders are enrolled into the cache once, by the pool if
    there is one. Raises UserError.
    """
    check_probes(probes, labels)
    named = probes == "congress" and detector == shipping.DETECTOR and model in MODELS
    if gallery == "utkface" and named:
        return people_searched(), score_store.load_scores(f"utkface-{model}")
    config = shipping.configuration(model, detector)
    how = {"workers": workers, "progress": progress, "pool": pool}
    people, probe_rows, passed = _side(probes, config, labels, **how)
    if parts.is_one(str(gallery)):
        second = shipping.load_dataset("second-portraits", model) if named else None
        found = _in_parts(probe_rows, second, str(gallery), config, probes, pool)
        more = {
            "failures_known": _failures_known(probes),
            "ignored": [f"in {probes}: {passed}"] if passed else [],
        }
        return people, found._replace(description=found.description | more)
    stored, gallery_rows, passed_too = _side(gallery, config, None, **how)
    if gallery == "utkface":
        faces = galleries.load_utkface()
        gallery_rows = gallery_rows[gallery_rows["id"].isin(faces.loc[faces["adult"], "id"])]
    for side, rows in ((probes, probe_rows), (gallery, gallery_rows)):
        if len(rows) == 0:
            raise UserError(f"no face was found in any image of {side}")
    probe_faces, gallery_faces = map(collection.make_collection, (probe_rows, gallery_rows))
    ids = pd.Series(gallery_faces.ids, index=gallery_faces.ids)
    second = shipping.load_dataset("second-portraits", model) if named else None
    clusters, same = ids, pd.DataFrame(columns=same_person.DECISIONS)
    known = (probes, gallery) == ("congress", "legislators")  # no member is among them
    rule = known or _rule(model, detector, len(ids))
    if rule and not known:
        collection.check_comparable(probe_faces, gallery_faces)
        clusters = same_person.identity_clusters([gallery_faces])
        near = collection.search(probe_faces, gallery_faces, top=same_person.DEPTH)
        margin = same_person.load_margins(same_person.ALONE)[model]
        same = same_person.same_person_alone(near, clusters, margin)
    twice = _identical(probe_rows, gallery_rows, clusters)
    searched_too = gallery_rows["image_sha256"].isin(probe_rows["image_sha256"])
    if searched_too.all():
        raise same_on_both_sides(probes, gallery)
    if len(twice):
        same = pd.concat([twice, same], ignore_index=True).drop_duplicates(["probe_id", "cluster"])
    found = score_store.compute(
        probe_faces, second, gallery_faces, clusters, same, shipping.KEEP_PROBES
    )
    more = {
        "same_person_rule": rule,
        "failures_known": _failures_known(probes),
        "identical_images": int(searched_too.sum()),
        "gallery_failures": 0 if stored is None else len(stored) - len(gallery_rows),
        "ignored": [f"in {a}: {b}" for a, b in ((probes, passed), (gallery, passed_too)) if b],
    }
    return people, found._replace(description=found.description | more)


def _in_parts(probe_rows, second, gallery: str, config, probes, pool) -> Scores:
    """The scores of `gather` for a gallery in parts."""
    if len(probe_rows) == 0:
        raise UserError(f"no face was found in any image of {probes}")
    made = parts.read(gallery)
    check_made_with(made["description"], config, gallery)
    images = in_parts.with_images(gallery, probe_rows["image_sha256"], pool)
    if len(images) == made["faces"]:
        raise same_on_both_sides(probes, gallery)
    twice = _identical(probe_rows, images, pd.Series(images["id"].to_numpy(), images["id"]))
    rule = _rule(config.model, config.detector, made["faces"])
    margin = same_person.load_margins(same_person.ALONE)[config.model] if rule else None
    faces = collection.make_collection(probe_rows)
    found = in_parts.compute(faces, second, gallery, margin, twice, shipping.KEEP_PROBES, pool)
    more = {"same_person_rule": rule, "identical_images": len(images)}
    more |= {"gallery_failures": made["failures"]}
    return found._replace(description=found.description | more)


def _rule(model: str, detector: str, faces: int) -> bool:
    """Whether margins of the same-person rule are known, for a gallery of so many faces."""
    shipped = model in MODELS and detector == shipping.DETECTOR
    return shipped and faces >= same_person.SMALLEST_GALLERY


def _failures_known(probes) -> bool:
    alone = probes != "congress" and enrolment.is_metadata(probes)
    return not alone or enrolment.failures_path(Path(probes)).exists()


def same_on_both_sides(probes, gallery) -> UserError:
    """The refusal of a gallery that holds the photographs searched, and no other."""
    return UserError(
        f"every photograph of {gallery} is one of {probes}: nobody is left who could be taken for "
        "somebody else. Give a gallery of other people"
    )


def _identical(probes: pd.DataFrame, gallery: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    """Faces of the gallery from a file that is searched, as decisions of the same-person rule."""
    columns = ["id", "image_sha256"]
    both = probes[columns].merge(gallery[columns], on="image_sha256", suffixes=("", "_there"))
    decided = {"probe_id": both["id"], "cluster": both["id_there"].map(clusters)}
    return pd.DataFrame(decided).assign(decision=same_person.SAME, same_person=True)


def _side(what, config, labels, **how):
    """One side of a search: everyone in it (member_id and labels), their enrolled faces, and what
    was ignored, in words."""
    ignored = ""
    named = {"congress": "probes", "legislators": "legislators", "utkface": "utkface"}
    if what in named:
        path = shipping.faces_path(named[what], config.model, config.detector)
        enrolment.discard_if_damaged(path)
        if not path.exists():
            shipping.enrol_dataset(named[what], config.model, config.detector, **how)
        people = people_searched() if what == "congress" else None
    elif enrolment.is_metadata(what):
        path = Path(what)
        ids = enrolment.read_faces(path)["id"].to_list()
        known = enrolment.failures_path(path).exists()
        if known:  # a copied or exported file comes without
            ids += enrolment.read_failures(path)["id"].to_list()
        people = pd.DataFrame({"id": sorted(ids)})
        if labels:
            said = "" if known else ", whose failures to enrol are not known"
            people = galleries.labelled(people, labels, f"{what}{said}")
    else:
        people = galleries.load_folder(Path(what), labels)
        ignored = people.attrs["ignored"]
        path = kept.enrolled(people, what, config.model, config.detector, **how)
    if people is not None and "id" in people:
        people = labelled(people.rename(columns={"id": "member_id"}))
    faces = enrolment.read_faces(path)
    check_made_with(faces.attrs, config, what)
    return people, faces, ignored


def check_made_with(description: dict, config: Configuration, what: str | Path) -> None:
    """Raise UserError for face metadata of another configuration than a run asks for."""
    made = description["configuration"]
    if (made["model"], made["detector"]) != (config.model, config.detector):
        raise UserError(
            f"{what} was enrolled with another configuration; "
            f"say --model {made['model']} --detector {made['detector']}"
        )


def labelled(people: pd.DataFrame) -> pd.DataFrame:
    """People as `run` wants them, from a folder's labels: a row a person with their member_id.

    Drops label columns nobody filled, spells groups as `groups.recorded` does and names what is
    missing. With somebody white, `of_colour` is added; it is missing (NA) for a group that is not
    known to be white or of colour.
    """
    people = people.drop(columns=["path"], errors="ignore").dropna(axis="columns", how="all")
    if "gender" in people:
        people["gender"] = people["gender"].fillna(groups.NOT_RECORDED)
    if "group" in people:
        people["group"] = groups.recorded(people["group"])
        if groups.WHITE in set(people["group"]):
            known = people["group"][groups.is_known(people["group"])]
            colour = pd.Series(groups.of_colour(known), known.index, dtype="boolean")
            people["of_colour"] = colour.reindex(people.index)
    return people


def run(people: pd.DataFrame, scores: Scores, policy: str = "default", variant="rule") -> Result:
    """Run the Congress test.

    people: one row a person searched: member_id, and where recorded name, group, gender,
    of_colour (bool). scores: of these people against a gallery. variant: which gallery faces are
    left out: "rule" (probable same persons), "any" (none), "strict" (probable same persons and
    contested identities), "p90" (every candidate inside the 90th genuine percentile).
    """
    if people["member_id"].duplicated().any():
        raise UserError("a member_id occurs twice among the people")
    config = Configuration(**scores.description["configuration"])
    first = scores.best[scores.best["portrait"] == "first"].set_index("probe_id")
    best = first[list(score_store.VARIANTS)]
    best = best.reindex(people["member_id"]).fillna(np.inf)
    threshold, origin = resolve(policy, best[variant], config)
    flags = {v: rates.at_or_below(best[v], threshold) for v in best}
    hidden = score_store.withheld(scores, people["member_id"], threshold)
    members = people.reset_index(drop=True).assign(
        enrolled=people["member_id"].isin(first.index).to_numpy(),
        score=best[variant].to_numpy(),
        flagged=flags[variant],
        withheld=people["member_id"].isin(hidden).to_numpy(),
    )
    fixed = parse(policy).kind == "count"
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
        "failures_to_enrol": int((~members["enrolled"]).sum())
        if scores.description.get("failures_known", True)
        else None,
        "falsely_matched": searched.numerator,
        "fpir": searched.rate,
        "fpir_low": None if fixed else searched.low,
        "fpir_high": None if fixed else searched.high,
        "fpir_of_enrolled": searched.numerator / len(enrolled) if len(enrolled) else None,
        "pairs_at_threshold": pairs,
        "comparisons": comparisons,
        "implied_fmr": pairs / comparisons if comparisons else None,
        "same_person_rule": scores.description.get("same_person_rule", True),
        "same_person_pairs": int((scores.same_person["decision"] == same_person.SAME).sum()),
        "contested_pairs": int((scores.same_person["decision"] == same_person.CONTESTED).sum()),
        "gallery_faces_left_out": scores.removed,
        "falsely_matched_none_left_out": int(flags["any"].sum()),
        "falsely_matched_contested_left_out": int(flags["strict"].sum()),
        "names_withheld": len(hidden),
        # without second portraits there are no genuine scores, and no such variant
        "falsely_matched_p90_left_out": int(flags["p90"].sum()) if p90 else None,
        "genuine_p90": p90,
    }
    for key in ("gallery_failures", "identical_images", "ignored"):  # of one's own photographs
        if found := scores.description.get(key):
            summary[key] = found
    by_group = within = pd.DataFrame()
    if "group" in members:
        by_group = rates.by_group(members, "group", groups.in_order(members["group"]))
        if "gender" in members:
            within = rates.within_sex(members, order=groups.in_order(members["group"]))
    if "of_colour" in members:
        known = members[members["of_colour"].notna()]
        if known["of_colour"].nunique() == 2:
            summary |= compare(known.astype({"of_colour": bool}))
    return Result(members, summary, by_group, within)


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
