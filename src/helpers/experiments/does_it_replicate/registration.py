"""The registration of the replication: what is frozen before any newcomer is enrolled.

data/registration/protocol.json was written once, from `current`, and committed with protocol.md,
which says it in words. Results carry its SHA-256, the digest of the registration, and the commit.
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
from helpers.files import sha256
from helpers.paths import DATA, ROOT
from helpers.protocol import shipped, shipping
from helpers.protocol.congress_test import Result
from helpers.sources import groups
from helpers.sources.newcomers import load_newcomers
from helpers.statistics import pooling, rates
from helpers.statistics.intervals import mantel_haenszel_risk_ratio

PROTOCOL = DATA / "registration" / "protocol.json"
GALLERY = "utkface"
NEWCOMERS = (
    "roster/newcomers.csv",
    "manifests/newcomers.csv",
    "manifests/newcomers-second-portraits.csv",
)
# the decisions on the 115th, and the distances by which newcomers are decided
SAME_PERSON = tuple(f"scores/same-person{part}.csv" for part in ("", "-near", "-margins"))


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
        within = rates.within_sex(result.members, order=list(groups.GROUPS))
        pooled = pooling.partial_pooling(within[["searched", "flagged"]], groups.WHITE).parts
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


def _sizes(people):
    table = pd.crosstab(people["group"], people["gender"])
    order = {"index": groups.in_order(table.index), "columns": list(groups.GENDERS)}
    return table.reindex(**order, fill_value=0).to_dict("index")


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


def digest_of(files, data: Path = DATA) -> str:
    """SHA-256 over the SHA-256 and the name of each file of `data`, in the order given."""
    lines = [f"{sha256(data / name)}  {name}\n" for name in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def digests() -> dict:
    """What identifies newcomers, gallery (None: not in the cache) and pipelines as they are now."""
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
    """Where `now` is not what was frozen: dotted names; None now (no private gallery) is passed."""
    found = []
    for key in sorted(frozen.keys() | now.keys()):
        a, b = frozen.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += [f"{key}.{name}" for name in differences(a, b)]
        elif a != b and not (b is None and key in now):
            found.append(key)
    return found


def require(path: Path = PROTOCOL) -> dict:
    """The frozen protocol, if what it froze is still so and it is committed; else UserError."""
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
