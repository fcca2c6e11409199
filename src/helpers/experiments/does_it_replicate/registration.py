"""The registration of the replication: what is frozen before any newcomer is enrolled.

`write` makes data/registration/protocol.json and protocol.md from the results of the 115th;
`require` refuses to go on with anything else than what was frozen and committed. The digest of the
registration is the SHA-256 of protocol.json; results carry it, and the commit it came with.
"""

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.errors import UserError
from helpers.experiments.does_it_replicate import verdicts
from helpers.faces import enrolment
from helpers.faces.pipelines import MODELS, PRIMARY_MODELS, Configuration
from helpers.files import sha256, write_atomically
from helpers.paths import DATA, ROOT
from helpers.protocol import shipped, shipping
from helpers.protocol.congress_test import Result
from helpers.sources import groups
from helpers.sources.newcomers import load_newcomers
from helpers.statistics import pooling, rates
from helpers.statistics.intervals import mantel_haenszel_risk_ratio

REGISTRATION = DATA / "registration"
PROTOCOL = REGISTRATION / "protocol.json"
GALLERY = "utkface"
NEWCOMERS = (
    "roster/newcomers.csv",
    "manifests/newcomers.csv",
    "manifests/newcomers-second-portraits.csv",
)
# the decisions on the 115th, and the distances by which newcomers are decided
SAME_PERSON = (
    "scores/same-person.csv",
    "scores/same-person-near.csv",
    "scores/same-person-margins.csv",
)


def build(results: dict[str, Result], newcomers: pd.DataFrame, draws: int = verdicts.DRAWS) -> dict:
    """The protocol as JSON-able values, but for the digests of files.

    results: of each pipeline on the 115th at the threshold to freeze; there are hypotheses on the
    primary ones. newcomers: member_id, group, gender, uncertain. Deterministic.
    """
    hypotheses, parts, white = [], {}, []
    counted = newcomers["group"].value_counts()
    for model, result in results.items():
        if model not in PRIMARY_MODELS:
            continue
        pooled = pooling.partial_pooling(_parts(result.members), groups.WHITE).parts
        parts[model] = _records(pooled.reset_index().round(4))
        part = verdicts.predicted_part(pooled, counted)
        ratio = float(pooled["odds_ratio"].get(part, np.nan))
        hypotheses.append((model, "part", part, "higher", ratio))
        everybody = verdicts.exact(verdicts.counts(result.members, groups.COLOUR)).odds_ratio
        direction = "higher" if everybody >= 1 else "lower"
        hypotheses.append((model, "pooled", groups.COLOUR, direction, everybody))
        white += [verdicts.white_rates(result.members)] * 2
    columns = ["model", "kind", "part", "direction", "ratio_115"]
    table = pd.DataFrame(hypotheses, columns=columns)
    table["ratio_115"] = table["ratio_115"].round(4)
    nobody = newcomers.assign(flagged=False)
    searched = [verdicts.counts(nobody, p) if p else None for p in table["part"]]
    expected = verdicts.power(table, searched, white, draws)
    return {
        "newcomers": {
            "people": len(newcomers),
            "by_group_and_gender": _sizes(newcomers),
            "uncertain": sorted(newcomers.loc[newcomers["uncertain"], "member_id"]),
        },
        "pipelines": {model: _frozen(r) for model, r in results.items()},
        "parts_of_the_115th": parts,
        "hypotheses": _records(table),
        "least_newcomers": verdicts.LEAST_NEWCOMERS,
        "least_probability": verdicts.LEAST_PROBABILITY,
        "alpha": verdicts.ALPHA,
        "verdicts": verdicts.VERDICTS,
        "draws": draws,
        "seed": verdicts.SEED,
        "power": _records(expected.round(4)),
    }


def _parts(members):
    """Counts of the six groups within recorded gender, as `partial_pooling` wants them."""
    return rates.within_sex(members, order=list(groups.GROUPS))[["searched", "flagged"]]


def _sizes(people):
    table = people.groupby(["group", "gender"]).size().unstack(fill_value=0)
    table = table.reindex(index=groups.in_order(table.index), columns=list(groups.GENDERS))
    return {g: {k: int(v) for k, v in row.items()} for g, row in table.fillna(0).iterrows()}


def _frozen(result):
    summary = result.summary
    within = mantel_haenszel_risk_ratio(verdicts.counts(result.members, groups.COLOUR))
    return {
        "configuration": {k: summary[k] for k in Configuration._fields},
        "threshold": summary["threshold"],
        "members_flagged": summary["falsely_matched"],
        "members_searched": summary["searched"],
        "gallery_faces": summary["gallery_faces"],
        "ratio_of_rates_within_gender": round(within.ratio, 4),
    }


def _records(table):
    """Rows as JSON-able values: None for what is missing, "inf" for infinity."""

    def plain(value):
        if isinstance(value, (float, np.floating)):
            return None if np.isnan(value) else "inf" if np.isinf(value) else float(value)
        return value.item() if isinstance(value, np.generic) else value

    return [{k: plain(v) for k, v in row.items()} for row in table.to_dict("records")]


# digests


def digest_of(files, data: Path = DATA) -> str:
    """SHA-256 over the SHA-256 and the name of each file of `data`, in the order given."""
    lines = [f"{sha256(data / name)}  {name}\n" for name in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digests() -> dict:
    """What identifies newcomers, gallery and pipelines as they are now.

    The gallery's images are named by the digest in its private face metadata, None where these are
    not in the cache.
    """
    images = {}
    for model in MODELS:
        path = shipping.faces_path(GALLERY, model)
        images[model] = enrolment.read_description(path)["images_sha256"] if path.exists() else None
    scores = {m: shipped.scores(GALLERY, m).description for m in MODELS}
    return {
        "newcomers_sha256": digest_of(NEWCOMERS),
        "gallery": {
            "name": GALLERY,
            "people": "adults of 18 to 75, without the probable same persons of the 115th",
            "manifest_sha256": sha256(DATA / "manifests" / f"{GALLERY}.csv"),
            "same_person_sha256": digest_of(SAME_PERSON),
            "images_sha256": images,
        },
        "weights_sha256": {m: d["weights_sha256"] for m, d in scores.items()},
        "members_images_sha256": {m: d["images_sha256"] for m, d in scores.items()},
    }


def current(draws: int = verdicts.DRAWS) -> dict:
    """The protocol that would be written now."""
    results = {m: shipped.result(GALLERY, m, shipped.PRIMARY) for m in MODELS}
    return {"version": 1} | digests() | build(results, load_newcomers(), draws)


def write(folder: Path = REGISTRATION) -> Path:
    """Write protocol.json and protocol.md; the registration is made by committing them.

    Raises UserError if a registration is there already (it is not made twice), or if the private
    gallery's face metadata are not in the cache.
    """
    if (folder / PROTOCOL.name).exists():
        raise UserError(f"{folder / PROTOCOL.name} exists: a registration is written once")
    protocol = current()
    missing = [m for m, d in protocol["gallery"]["images_sha256"].items() if d is None]
    if missing:
        raise UserError(f"enrol {GALLERY} first with {', '.join(missing)}: its images are frozen")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("protocol.md", as_text(protocol)), (PROTOCOL.name, as_json(protocol))):
        with write_atomically(folder / name) as path:
            path.write_text(text, encoding="utf-8")
    return folder / PROTOCOL.name


def as_json(protocol: dict) -> str:
    """The protocol as it is stored."""
    return json.dumps(protocol, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def load(path: Path = PROTOCOL) -> dict:
    """The frozen protocol; raises UserError if none was written."""
    if not path.is_file():
        raise UserError(f"{path} does not exist: register the replication first")
    return json.loads(path.read_text(encoding="utf-8"))


def digest(path: Path = PROTOCOL) -> str:
    """SHA-256 of the frozen protocol, which results carry."""
    return sha256(path)


def hypotheses(protocol: dict) -> pd.DataFrame:
    """The registered hypotheses: model, kind, part, direction, ratio_115."""
    table = pd.DataFrame(protocol["hypotheses"])
    return table.assign(ratio_115=table["ratio_115"].astype(float))


def differences(frozen: dict, now: dict) -> list[str]:
    """Where the protocol that would be written now is not the frozen one: dotted names.

    A digest that is None now, because the private gallery is not here, is passed over.
    """
    found = []
    for key in sorted(frozen.keys() | now.keys()):
        a, b = frozen.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += [f"{key}.{name}" for name in differences(a, b)]
        elif a != b and not (b is None and key in now):
            found.append(key)
    return found


def require(path: Path = PROTOCOL) -> dict:
    """The frozen protocol, if newcomers, gallery, pipelines and thresholds are still those.

    Raises UserError if there is none, if it is not committed, or naming what is different.
    """
    frozen = load(path)
    commit(path)
    now = current(frozen["draws"])
    wrong = differences(frozen, now)
    if wrong:
        raise UserError(f"not what was registered: {', '.join(wrong[:5])}")
    return frozen


def commit(path: Path = PROTOCOL) -> str:
    """The commit that registered the protocol as it lies here; raises UserError if none did."""
    if _git("status", "--porcelain", "--", str(path), at=path.parent):
        raise UserError(f"{path} is not committed: a registration comes before the results")
    found = _git("log", "-1", "--format=%H", "--", str(path), at=path.parent)
    if not found:
        raise UserError(f"{path} is in no commit: a registration comes before the results")
    return found


def _git(*words, at: Path = ROOT) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=at, capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"git could not say when the protocol was committed: {error}") from error
    return done.stdout.strip()


def as_text(protocol: dict) -> str:
    """The protocol for a reader: a record of what is in the JSON, and nothing else."""
    sizes = protocol["newcomers"]["by_group_and_gender"]
    # JSON has its keys by the alphabet
    order = groups.in_order(pd.Series(list(sizes)))
    rows = [f"| {g} | {sizes[g]['female']} | {sizes[g]['male']} |" for g in order]
    frozen = {m: protocol["pipelines"][m] for m in MODELS if m in protocol["pipelines"]}
    pipelines = [
        f"| {m} | {p['threshold']:.4f} | {p['members_flagged']} of {p['members_searched']} "
        f"| {p['gallery_faces']:,} |"
        for m, p in frozen.items()
    ]
    expected = [
        f"| {h['model']} | {h['part'] or 'none predicted'} | {h['direction']} | {_number(h)} |"
        for h in protocol["hypotheses"]
    ]
    chances = [
        f"| {r['model']} | {r['part']} | {r['truth']} | "
        + " | ".join(f"{r[v]:.2f}" for v in verdicts.VERDICTS)
        + " |"
        for r in protocol["power"]
    ]
    meaning = [f"- **{name}**: {protocol['verdicts'][name]}." for name in verdicts.VERDICTS]
    return TEMPLATE.format(
        **protocol,
        people=protocol["newcomers"]["people"],
        not_sure=len(protocol["newcomers"]["uncertain"]),
        sizes="\n".join(rows),
        frozen="\n".join(pipelines),
        expected="\n".join(expected),
        chances="\n".join(chances),
        meaning="\n".join(meaning),
    )


def _number(row):
    return "" if row["ratio_115"] is None else f"{row['ratio_115']}"


TEMPLATE = """\
# Registration of the replication

Written and committed before any newcomer's portrait was enrolled. `protocol.json` beside this file
is what binds, and its SHA-256 is in the results. This page says the same in words.

## Question

In the 115th Congress some groups were matched more often than white members. Plan and pilot used
those same members. Does it hold for the {people} members of the 116th and 117th Congress who were
not among them?

## Who is searched

{people} newcomers (`data/roster/newcomers.csv`; digest of the roster and its two manifests:
`{newcomers_sha256}`). Groups and gender are those of the second, public source. Everybody whose
group is not White is of colour, Middle Eastern and Multiple included; neither of these two is a
part. {not_sure} groups are uncertain: results are shown with and without them, and the verdicts
are those with them.

| group | female | male |
|---|---|---|
{sizes}

## Gallery, pipelines, thresholds

The gallery is `{gallery[name]}`: {gallery[people]}.
Its manifest, its images, the same-person decisions and the margins behind them are frozen by
digest, the pipelines by their configuration and the SHA-256 of their weights. A newcomer is flagged
when the best score, after the same-person rule, is at or below the threshold at which 28 members of
the 115th were flagged. The last three pipelines are what a user of deepface gets; there are no
hypotheses about them.

| pipeline | threshold (distance) | 115th flagged | gallery faces |
|---|---|---|---|
{frozen}

A portrait without a detected face counts as searched and not flagged. Probable same persons of a
newcomer are left out by the rule of the 115th; bounds with nobody left out, and with contested
faces left out, are shown beside it. The verdicts are those of the rule. Its decisions on newcomers
are not overruled by hand.

## Hypotheses

Two for each primary pipeline. *Part*: of the parts with at least {least_newcomers} newcomers, the
one with the highest posterior probability of a higher rate in the 115th (partial pooling within
recorded gender), if that is at least {least_probability:g}, against white newcomers. *Pooled*:
newcomers of colour against white newcomers, in the direction of the 115th.

| pipeline | who | rate than white newcomers | odds ratio in the 115th |
|---|---|---|---|
{expected}

## Test and verdicts

The odds ratio within recorded gender, its exact conditional interval (95 %) and one-sided exact
p. Holm's correction over the pipelines, for each of the two kinds by itself, alpha {alpha:g}. The
ratio of rates (Mantel-Haenszel) is shown beside it.

{meaning}

## Power

Share of {draws:,} simulated sets of newcomers with each verdict (seed {seed}), if the odds ratios
are those of the 115th, and if they are 1. White newcomers are flagged as white members of the
115th were. Pipelines are drawn independently of each other, which they are not.

| pipeline | who | truth | replicated | not replicated | undecided |
|---|---|---|---|---|---|
{chances}

## Afterwards

The validity gate on the newcomers who have a second portrait; the libraries' default thresholds;
then, as an update and not as a confirmation, the 115th and the newcomers together, with Middle
Eastern counted as White, as the roster of the 115th does.
"""
