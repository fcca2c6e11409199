"""Running a test of one's own, and keeping counts: results/ holds no name, no id, no candidate.

The page is made from these tables alone: a reader can compute it again without a photograph.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.faces import enrolment, kept
from helpers.faces.pipelines import MODEL_LABELS
from helpers.files import write_atomically
from helpers.own_test.plan import Plan, frozen, moved, registered, side
from helpers.protocol import calibration, congress_test, own_pairs, policy, registration, shipping
from helpers.show import numbers
from helpers.sources import galleries, groups
from helpers.statistics import intervals, rates

RESULTS = "results"
TABLES = ("runs", "groups", "labels", "sides", "gate", "misses", "best")
ACLU = policy.ACLU_COUNT / 535  # share of those searched that its test flagged
SIMILARITIES = ("95", "99")  # percent, beside the default of a service
# of a run's summary, as named here and in the table of groups
COUNTS = {"searched": "searched", "falsely_matched": "flagged", "fpir": "fpir", "fpir_low": "low",
          "fpir_high": "high"}  # fmt: skip
KEPT = (
    "threshold", "gallery_faces", "failures_to_enrol", "pairs_at_threshold", "comparisons",
    "implied_fmr", "same_person_rule", "same_person_pairs", "contested_pairs",
    "gallery_faces_left_out", "falsely_matched_none_left_out",
    "falsely_matched_contested_left_out", "names_withheld", "colour_flagged", "colour_searched",
    "white_flagged", "white_searched", "ratio", "ratio_low", "ratio_high", "ratio_within_sex",
    "ratio_within_sex_low", "ratio_within_sex_high",
)  # fmt: skip


class Measured(NamedTuple):
    """The tables of results/, and about: parameters, what was planned, the registration's hash.

    runs: a row a pipeline and setting. groups: FPIR by recorded group and gender at the test's
    threshold. labels: as given and as counted. sides: what was in the folders. gate, misses: of
    the pairs, empty without. best: each person's best score, in order, without the person.
    """

    runs: pd.DataFrame
    groups: pd.DataFrame
    labels: pd.DataFrame
    sides: pd.DataFrame
    gate: pd.DataFrame
    misses: pd.DataFrame
    best: pd.DataFrame
    about: dict

    @property
    def owner(self) -> str:
        """Whose figures these are, as they say at their foot."""
        return self.about["name"] + ("" if self.about["registered"] else ", exploratory")


def results(plan: Plan, folder: Path | str = ".") -> Measured:
    """What was measured for this plan; measured now where anything about it has changed.

    plan: with paths as seen from the folder of the test. Raises UserError.
    """
    folder = Path(folder)
    here = moved(plan, lambda p: os.path.abspath(folder / p))
    if (folder / RESULTS / "about.json").is_file():
        test = read(folder)
        # a reader of the page has the counts and not the photographs
        there = all(Path(side(what, m)).exists() for m in plan.models for what in here[:2])
        same = not there or json.loads(json.dumps(frozen(here))) == test.about["planned"]
        if same and test.about["parameters"] == plan._asdict():
            return test
    if plan.rekognition:
        raise UserError("the test has changed; congress-test publish asks the service again")
    measure(plan, folder, lambda question: False, progress=False)
    return read(folder)


def read(folder: Path) -> Measured:
    """The tables of results/ as they lie there."""
    place = Path(folder) / RESULTS
    tables = {t: pd.read_csv(place / f"{t}.csv", keep_default_na=False, na_values=[""])
              for t in TABLES}  # fmt: skip
    return Measured(**tables, about=json.loads((place / "about.json").read_text("utf-8")))


def measure(
    plan: Plan,
    folder: Path,
    agree: Callable[[str], bool],
    yes: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Run the test and write results/ in its folder.

    plan: with paths as seen from the folder. agree, yes: as for `amazon.run`. Raises UserError,
    also where the registration says something else.
    """
    here = moved(plan, lambda p: os.path.abspath(folder / p))
    planned = frozen(here)
    digest = registered(plan, planned, folder)
    parts = [_open(here, model, workers, progress) for model in plan.models]
    if plan.rekognition:
        parts.append(_service(here, agree, yes))
    tables = {t: pd.concat([p[t] for p in parts if t in p] or [pd.DataFrame()]) for t in TABLES}
    tables["sides"] = tables["sides"].sort_values("side", ascending=False, kind="stable")
    tables["labels"] = _labels(here)
    place = folder / RESULTS
    place.mkdir(exist_ok=True)
    for name, table in tables.items():
        text = table.to_csv(index=False, float_format="%.6g") if len(table.columns) else "none\n"
        with write_atomically(place / f"{name}.csv") as half:
            half.write_text(text, "utf-8")
    about = {"name": folder.resolve().name, "registered": digest, "parameters": plan._asdict()}
    with write_atomically(place / "about.json") as half:
        half.write_text(json.dumps(about | {"planned": planned}, indent=1) + "\n", "utf-8")


def _open(plan: Plan, model: str, workers, progress) -> dict[str, pd.DataFrame]:
    """The tables of one open pipeline."""
    label = MODEL_LABELS.get(model, model)
    probes, gallery = side(plan.probes, model), side(plan.gallery, model)
    labels = Path(plan.labels) if plan.labels else None
    found: dict[str, pd.DataFrame] = {}
    pairs = None
    if plan.pairs:  # contradictions in the list are told before hours of enrolment
        where = (Path(plan.pairs), Path(plan.images), model, workers, progress)
        found["gate"] = own_pairs.gate(*where).assign(model=label, dataset="pairs")
        pairs = own_pairs.compare(*own_pairs.enrolled(*where)[::-1])
    people, scores = congress_test.gather(
        probes, gallery, model, "yunet", labels, workers, progress
    )
    count = min(round(len(people) * ACLU), int((scores.best["portrait"] == "first").sum()))
    policies = [*_policies(plan, model), f"count:{max(1, count)}"]
    runs = {p: congress_test.run(people, scores, p) for p in policies}
    settings = {p: _setting(p) for p in runs}
    found["runs"] = _runs(label, runs, settings, plan.threshold)
    found["groups"] = _groups(label, runs[plan.threshold].members)
    found["best"] = _best(label, runs[plan.threshold].members)
    found["sides"] = _sides(label, shipping.configuration(model), probes, gallery)
    if pairs is not None:
        genuine = pairs.loc[pairs["genuine"], "score"]
        missed = np.array(
            [(~rates.at_or_below(genuine, r.summary["threshold"])).sum() for r in runs.values()]
        )
        low, high = intervals.wilson(missed, len(genuine))
        found["misses"] = pd.DataFrame(
            {"pipeline": label, "setting": list(settings.values()), "missed": missed,
             "pairs": len(genuine), "fnmr_low": low, "fnmr_high": high}
        )  # fmt: skip
    return found


def _policies(plan: Plan, model: str) -> list[str]:
    """The settings that the page compares: the default, the test's own, each FMR."""
    table = calibration.thresholds()
    offered = table.loc[(table["model"] == model) & (table["detector"] == "yunet"), "target_fmr"]
    given = policy.parse(plan.threshold)
    fmrs = {
        t: plan.threshold if policy.Policy("fmr", t) == given else f"fmr:{t:g}" for t in offered
    }
    own = [] if plan.threshold in fmrs.values() else [plan.threshold]
    return list(dict.fromkeys(["default", *own, *(fmrs[t] for t in sorted(fmrs, reverse=True))]))


def _setting(given: str) -> str:
    """A policy as the page names it."""
    parsed = policy.parse(given)
    return f"FMR {numbers.one_in(parsed.value)}" if parsed.kind == "fmr" else policy.label(parsed)


def _runs(label: str, runs: dict, settings: dict, main: str) -> pd.DataFrame:
    rows = []
    for p, run in runs.items():
        kind, value = policy.parse(p)
        target = value if kind == "fmr" else None
        row = {"pipeline": label, "setting": settings[p], "main": p == main, "target_fmr": target}
        counted = {name: run.summary[key] for key, name in COUNTS.items()}
        rows.append(row | counted | {key: run.summary.get(key) for key in KEPT})
    return pd.DataFrame(rows)


def _groups(label: str, members: pd.DataFrame) -> pd.DataFrame:
    """FPIR of everybody, by recorded group, by gender, and by both: a row each."""
    members = members.assign(everybody="everybody")
    kinds = [c for c in ("group", "gender") if c in members]
    parts = [("everybody", "everybody")] + [(c, c) for c in kinds]
    tables = []
    for kind, column in parts:
        order = groups.in_order(members[column]) if kind == "group" else None
        table = rates.by_group(members, column, order).rename_axis("label").reset_index()
        tables.append(table.assign(kind=kind))
    if len(kinds) == 2:
        both = rates.within_sex(members, order=groups.in_order(members["group"])).reset_index()
        both["label"] = both["group"].astype(str) + ", " + both["gender"].astype(str)
        tables.append(both[both["searched"] > 0].assign(kind="group and gender"))
    columns = ["kind", "label", "searched", "flagged", "fpir", "low", "high"]
    table = pd.concat(tables)[columns].astype({"label": str})
    return table.assign(pipeline=label)[["pipeline", *columns]]


def _best(label: str, members: pd.DataFrame) -> pd.DataFrame:
    """Everybody's best score in order, +inf without a face: nobody can be told from it."""
    best = members["score"].sort_values(ignore_index=True)
    return pd.DataFrame({"pipeline": label, "score": best.map("{:.4f}".format)})


def _sides(label: str, config, probes: str, gallery: str) -> pd.DataFrame:
    """Images, failures, ignored files and identical images of both sides, as counts."""
    rows, images = [], {}
    for name, what in (("searched", probes), ("gallery", gallery)):
        path = _metadata(what, config)
        row: dict = {"pipeline": label, "side": name, "given": _shown(what, config.model)}
        images[name] = pd.Series(dtype=str)
        if path.is_file():
            images[name] = enrolment.read_faces(path)["image_sha256"]
            row |= {"failed": None, "reasons": "unknown"}
            if enrolment.failures_path(path).exists():  # a copied file comes without
                failed = enrolment.read_failures(path)
                images[name] = pd.concat([images[name], failed["image_sha256"]])
                reasons = _reasons(failed["reason"].value_counts().to_dict())
                row |= {"failed": len(failed), "reasons": reasons}
            row["images"] = len(images[name])
        row["ignored"] = _ignored(what)
        rows.append(row)
    return _identical(pd.DataFrame(rows), images)


def _metadata(what: str, config) -> Path:
    if what in registration.NAMED:
        return shipping.faces_path(registration.NAMED[what], config.model, config.detector)
    if enrolment.is_metadata(what):
        return Path(what)
    images = galleries.load_folder(Path(what))  # enrolled before: only looked up
    return kept.enrolled(images, Path(what), config.model, config.detector, progress=False)


def _ignored(what: str) -> str:
    """What in a folder is taken for no image, in words."""
    return galleries.load_folder(Path(what)).attrs["ignored"] if Path(what).is_dir() else ""


def _identical(rows: pd.DataFrame, images: dict[str, pd.Series]) -> pd.DataFrame:
    """Columns identical (copies of another image of the side), other_side (also on the other)."""
    known = {name: hashes[hashes != ""] for name, hashes in images.items()}
    other = {"searched": "gallery", "gallery": "searched"}
    rows["identical"] = [int(known[s].duplicated().sum()) for s in rows["side"]]
    rows["other_side"] = [int(known[s].isin(known[other[s]]).sum()) for s in rows["side"]]
    return rows


def _reasons(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items()))


def _shown(what: str, model: str = "") -> str:
    """A side as the page names it: no path of this machine, no name of a pipeline."""
    return what if what in registration.NAMED else Path(what).stem.replace(f"-{model}", "")


def _labels(plan: Plan) -> pd.DataFrame:
    """Labels as given and as counted; people."""
    columns = ["kind", "as given", "counted as", "people"]
    given = galleries.read_labels(Path(plan.labels)) if plan.labels else pd.DataFrame()
    rows = []
    for kind in ("group", "gender"):
        if kind in given and given[kind].notna().any():
            said = given[kind].fillna("")
            counted = groups.recorded(said) if kind == "group" else said.replace("", "not recorded")
            table = pd.DataFrame({"as given": said, "counted as": counted}).value_counts(sort=False)
            rows.append(table.rename("people").reset_index().assign(kind=kind))
    return pd.concat(rows)[columns] if rows else pd.DataFrame(columns=columns)


def _service(plan: Plan, agree, yes: bool) -> dict[str, pd.DataFrame]:
    """The tables of a service that speaks Amazon Rekognition's protocol."""
    from helpers.service import amazon

    account = amazon.Account(**plan.rekognition, yes=yes)
    labels = Path(plan.labels) if plan.labels else None
    job = amazon.gather(plan.probes, plan.gallery, labels)
    count = f"count:{max(1, round(len(job.people) * ACLU))}"
    runs = {}
    for p in ("default", *SIMILARITIES, count):  # the journal pays for one search only
        runs[p], _ = amazon.run(plan.probes, plan.gallery, p, labels, account, agree)
    summary = runs["default"].summary
    version = re.search(r"face model (.*?);", summary["engine"])
    who = "Service at another address" if account.endpoint_url else "Amazon Rekognition"
    label = f"{who} ({version[1] if version else 'unknown'})"
    settings = {"default": f"{amazon.DEFAULT:g} % (default)"}
    settings |= {p: f"{p} %" for p in SIMILARITIES} | {count: policy.label(count)}
    rows = pd.DataFrame(
        {
            "pipeline": label,
            "side": ["searched", "gallery"],
            "given": [_shown(plan.probes), _shown(plan.gallery)],
            "images": [len(job.probes), len(job.gallery) + job.left_out],
            "failed": [summary["failures_to_enrol"],
                       sum(summary["gallery_failure_reasons"].values())],
            "reasons": [_reasons(summary[k])
                        for k in ("failure_reasons", "gallery_failure_reasons")],
            "ignored": [_ignored(plan.probes), _ignored(plan.gallery)],
        }
    )  # fmt: skip
    images = {"searched": job.probes["sha256"], "gallery": job.gallery["sha256"]}
    both = pd.Series(sorted(job.identical), dtype=str)  # was not sent
    images["gallery"] = pd.concat([images["gallery"], both])
    return {
        "runs": _runs(label, runs, settings, "default"),
        "groups": _groups(label, runs["default"].members),
        "best": _best(label, runs["default"].members),
        "sides": _identical(rows, images),
    }
