"""A registration: what a run will do, frozen before anybody is enrolled.

It names who is searched, in which gallery, by which pipeline, at which threshold. What is predicted
the person who registers types into `hypotheses`.
"""

import json
from pathlib import Path

from helpers.errors import UserError
from helpers.faces import enrolment, parts, pipelines
from helpers.files import sha256, write_atomically
from helpers.protocol import policy as policies
from helpers.protocol import shipping
from helpers.protocol.congress_test import check_made_with, check_probes
from helpers.sources import fetch, galleries

NAMED = {"congress": "probes", "legislators": "legislators", "utkface": "utkface"}


def register(
    probes: str | Path,
    gallery: str | Path,
    model: str,
    detector: str,
    threshold: str,
    labels: Path | None,
) -> dict:
    """What a run with these choices would do, as JSON-able values; nobody is enrolled.

    The sides are named by a digest: see `side`. The threshold is a number of the pipeline, so
    "count:28", which asks for the scores, is refused. Raises UserError.
    """
    policy = policies.parse(threshold)
    if policy.kind == "count":
        raise UserError(
            f"--threshold {policy} needs the scores; register a distance, default or fmr:1e-5"
        )
    check_probes(probes, labels)
    config = shipping.configuration(model, detector)
    number, origin = policies.resolve(policy, None, config)
    return {
        "probes": side(probes, config, labels),
        "gallery": side(gallery, config),
        "labels_sha256": sha256(labels) if labels else None,
        "configuration": config._asdict(),
        "weights_sha256": pipelines.weight_hashes(config),
        "threshold": number,
        "threshold_origin": origin,
    }


def side(
    what: str | Path, config: pipelines.Configuration | None = None, labels: Path | None = None
) -> str:
    """The digest that names a side.

    Of a named set its manifest's, of a folder its images', of a face metadata file its own SHA-256,
    of a gallery in parts that of gallery.json, which has the SHA-256 of each. The same faces in one
    file, or in other parts, have another digest: that they are the same is not looked for.
    Raises UserError for what is missing or was made with another configuration.
    """
    if what in NAMED:
        return sha256(fetch.MANIFESTS / f"{NAMED[what]}.csv")
    if parts.is_one(str(what)):
        if config:
            check_made_with(parts.read(str(what))["description"], config, what)
        return parts.digest(str(what))
    if enrolment.is_metadata(what):
        if config:
            check_made_with(enrolment.read_description(Path(what)), config, what)
        return sha256(Path(what))
    return enrolment.digest(galleries.load_folder(Path(what), labels))


def refuse_existing(out: Path) -> None:
    """Raise UserError if the file exists."""
    if out.exists():
        raise UserError(f"{out} exists: a registration is written once")


def write(registration: dict, out: Path) -> None:
    """Write a registration; raises UserError if the file exists: it is written once."""
    refuse_existing(out)
    text = json.dumps({**registration, "hypotheses": []}, indent=1, sort_keys=True)
    with write_atomically(out) as half:
        half.write_text(text + "\n", encoding="utf-8")


def require(path: Path, planned: dict) -> str:
    """The SHA-256 of a registration, if the planned run is what it froze.

    planned: as from `register`. Raises UserError naming what is different.
    """
    try:
        frozen = json.loads(path.read_text("utf-8"))
        wrong = [key for key in planned if frozen.get(key) != json.loads(json.dumps(planned[key]))]
    except (ValueError, AttributeError) as error:  # no text, no JSON, no object
        raise UserError(f"{path} is no registration: {error}") from error
    if wrong:
        raise UserError(
            f"not what {path} registered: {', '.join(wrong)} differ; give what was registered, or "
            "register this run too, in another file"
        )
    return sha256(path)
