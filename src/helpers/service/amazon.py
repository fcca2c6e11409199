"""The protocol against Amazon Rekognition itself, with the user's own account and money.

Every answer goes into a journal in the cache: a killed run goes on and nothing is paid twice. The
score is 100 less Amazon's similarity in percent: a distance. Credentials are boto3's affair alone.
"""

import contextlib
import hashlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.errors import UserError
from helpers.faces import enrolment
from helpers.faces.pipelines import Configuration
from helpers.faces.same_person import DECISIONS
from helpers.protocol import congress_test
from helpers.protocol.congress_test import Result
from helpers.protocol.scores import VARIANTS, Scores
from helpers.service.journal import (
    ABOUT_THE_PHOTOGRAPH,
    GO_ON,
    NO_FACE,
    REFUSED,
    SERVICE_ERROR,
    Job,
    Journal,
    Todo,
    described,
    error_code,
    final,
    open_journal,
    remaining,
    stopped,
    unsearched,
)
from helpers.service.store import external_id
from helpers.sources import fetch, galleries

DEFAULT = 80.0  # percent: Amazon's FaceMatchThreshold where nobody names one
CANDIDATES = 80  # Amazon's MaxFaces where nobody names one
# What Amazon charges for the first million images a month in us-east-1, and for a stored face and
# month: from general record. Its page (aws.amazon.com/rekognition/pricing) was read only in part:
# that IndexFaces and SearchFacesByImage are charged by image, and stored faces by the month.
PRICE, STORAGE = 0.001, 0.00001  # US dollars
RATE = 5.0  # calls a second: the quota of most regions
THREADS = 8
ATTEMPTS = 8  # of botocore for one call that fails for a while
GIVE_UP = 5  # errors of the service one after the other
MOST_BYTES = 5 * 1024 * 1024  # of an image that is sent
MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # what Amazon reads: JPEG, PNG
AMAZON = Configuration(
    model="rekognition",
    recogniser="Amazon's",
    detector="Amazon's",
    crop="Amazon's",
    normalisation="Amazon's",
    metric="100 - similarity",
    default_threshold=100 - DEFAULT,
    threshold_source="Amazon's",
)


class Account(NamedTuple):
    """How to ask: where, at what price (US dollars a photograph) and rate (calls a second), whether
    the user agreed beforehand, and whether the collection is deleted in the end."""

    region: str | None = None
    endpoint_url: str | None = None
    price: float = PRICE
    rate: float = RATE
    yes: bool = False
    delete: bool = False


def check_policy(policy: str) -> str:
    """A threshold policy in percent -> as `congress_test.run` has it, on the distances here.

    "default", a similarity in percent, or "count:28". Raises UserError for anything else.
    """
    policy = policy.strip()
    if policy.startswith("fmr:"):
        raise UserError("nothing is calibrated for Amazon: no FMR is known for any similarity")
    kind, _, count = policy.partition(":")
    if policy == "default" or (kind == "count" and count.isdecimal() and int(count)):
        return policy
    with contextlib.suppress(ValueError):
        percent = float(policy)
        if 0 < percent <= 1:
            raise UserError(f"--threshold {policy}: a similarity is in percent, 0 to 100; say 80")
        if 0 <= percent <= 100:
            return f"{100 - percent:.10g}"
    raise UserError(f"--threshold {policy!r} is none of default, a similarity in percent, count:28")


def gather(probes: str | Path, gallery: str | Path, labels: Path | None = None) -> Job:
    """The photographs of both sides, looked at but not sent.

    probes: "congress" or a folder. gallery: "legislators", "utkface" (its adults) or a folder.
    Photographs of the gallery that are also searched are left out. Raises UserError where images
    are missing, or two ids of the gallery become one at Amazon.
    """
    congress_test.check_probes(probes, labels)
    if probes == "congress":
        people, searched = congress_test.people_searched(), fetch.local_files("probes")
        searched = searched[searched["id"].isin(people["member_id"])]
    else:
        searched = _folder(probes, labels)
        people = congress_test.labelled(searched.rename(columns={"id": "member_id"}))
    if gallery in ("legislators", "utkface"):
        stored = fetch.local_files(gallery)
        if gallery == "utkface":
            faces = galleries.load_utkface()
            stored = stored[stored["id"].isin(faces.loc[faces["adult"], "id"])]
    else:
        stored = _folder(gallery)
    passed = [
        f"in {side}: {ignored}"
        for side, files in ((probes, searched), (gallery, stored))
        if (ignored := files.attrs.get("ignored"))
    ]
    searched, stored = (
        pd.DataFrame(
            [(row.id, row.path, *_examine(Path(row.path))) for row in files.itertuples()],
            columns=["id", "path", "sha256", "problem"],
        )
        for files in (searched, stored)
    )
    twice = stored["sha256"].isin(set(searched["sha256"]) - {""})
    if twice.all():
        raise congress_test.same_on_both_sides(probes, gallery)
    identical, stored = stored[twice], stored[~twice].reset_index(drop=True)
    stored["external"] = stored["id"].map(external_id)
    if (same := stored["external"].duplicated(keep=False)).any():
        first = stored.loc[stored["external"] == stored.loc[same, "external"].iloc[0], "id"]
        raise UserError(
            f"{' and '.join(map(repr, first[:2]))} of {gallery} would both be "
            f"{external_id(first.iloc[0])!r} at Amazon: rename one"
        )
    lines = "\n".join(sorted(stored["external"] + " " + stored["sha256"]))
    name = "congress-test-" + hashlib.sha256(lines.encode()).hexdigest()[:16]
    return Job(people, searched, stored, name, set(identical["sha256"]), len(identical), passed)


def _folder(what: str | Path, labels: Path | None = None) -> pd.DataFrame:
    if enrolment.is_metadata(what):
        raise UserError(f"{what} holds face metadata; Amazon wants the images")
    return galleries.load_folder(what, labels)


def _examine(path: Path) -> tuple[str, str]:
    """SHA-256 of a file, and why Amazon would refuse it, "" if it would not."""
    if path.exists() and not path.is_file():  # a pipe may never end
        return "", "not a file"
    try:
        content = path.read_bytes()
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    problem = ""
    if len(content) > MOST_BYTES:
        problem = "larger than 5 MB"
    elif not content.startswith(MAGIC):
        problem = "neither JPEG nor PNG"
    return hashlib.sha256(content).hexdigest(), problem


def make_client(region: str | None = None, endpoint_url: str | None = None):
    """Amazon's client with the credentials that boto3 finds. Raises UserError without a region."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise UserError("this needs more: pip install 'congress-test[service]'") from error
    if endpoint_url and not _is_address(endpoint_url):
        raise UserError("--endpoint-url is no address such as http://127.0.0.1:8018")
    for name in ("boto3", "botocore", "urllib3"):
        # at DEBUG botocore writes a session's token down
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    config = Config(retries=retries, max_pool_connections=THREADS, read_timeout=60)
    try:
        # a session of its own: the default one keeps credentials that have changed since
        return boto3.session.Session().client(
            "rekognition", region_name=region, endpoint_url=endpoint_url, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise stopped(error) from error


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        given = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        return bool(given) and url.isprintable()
    except ValueError:  # a port that is none
        return False


def estimate(job: Job, todo: Todo, address: str, price: float = PRICE, rate: float = RATE) -> str:
    """What a run will do and cost, as text."""
    calls = len(todo.gallery) + len(todo.probes)
    sides = job.gallery, job.probes.drop_duplicates("sha256")
    refused = sum(int(side["problem"].ne("").sum()) for side in sides)
    before = sum(map(len, sides)) - refused - calls
    cost, kept = _dollars(calls * price), _dollars(len(job.gallery) * STORAGE)
    return f"""Amazon Rekognition at {address}, collection {job.collection}
  to index     {len(todo.gallery):,} photographs of the gallery
  to search    {len(todo.probes):,} photographs of the people searched
  not sent     {before:,} answered before, {refused:,} that it cannot read
  costs about  {cost} US dollars, at {price:g} a photograph (--price)
  then         {kept} US dollars a month, as long as the collection is kept
  takes about  {calls / rate / 60:,.0f} min, at {rate:g} a second (--rate)
Prices are from general record: see aws.amazon.com/rekognition/pricing for yours.
The photographs are sent to Amazon, which may keep them to improve its services \
unless your account has opted out. Send only what you may."""


def ask(job: Job, journal: Journal, todo: Todo, client, rate: float = RATE) -> dict[str, str]:
    """Index and search what remains; return what failed for now, sha256 -> reason.

    The journal holds every answer when this returns, and those so far when it raises: UserError
    where going on makes no sense.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if not journal.made.get("made"):
        try:
            client.create_collection(CollectionId=job.collection)
        except (BotoCoreError, ClientError) as error:
            raise stopped(error) from error
        journal.write(described(client, job.collection))
    later: dict[str, str] = {}
    in_a_row = [0]

    def guarded(call, row, key):
        try:
            answer = call(row)
        except (BotoCoreError, ClientError, KeyError) as error:  # KeyError: an answer cut off
            answer = _failure(error)
        in_a_row[0] = in_a_row[0] + 1 if answer == SERVICE_ERROR else 0
        journal.write(key | {"answer": answer} | ({} if final(answer) else {"final": False}))
        if not final(answer):
            later[row.sha256] = answer
        if in_a_row[0] >= GIVE_UP:
            raise UserError(f"Amazon has internal errors. {GO_ON}")

    def index(row):
        found = client.index_faces(
            CollectionId=job.collection,
            Image={"Bytes": _content(row)},
            ExternalImageId=row.external,
            MaxFaces=1,  # the largest face, as with the open models
            QualityFilter="NONE",  # in 2018 there was no other
        )
        return len(found["FaceRecords"]) or NO_FACE

    def search(row):
        # any similarity at one price: other thresholds are then a matter of counting
        found = client.search_faces_by_image(
            CollectionId=job.collection,
            Image={"Bytes": _content(row)},
            FaceMatchThreshold=0,
            MaxFaces=CANDIDATES,
            QualityFilter="NONE",
        )
        return [
            [match["Face"].get("ExternalImageId", ""), round(match["Similarity"], 4)]
            for match in found["FaceMatches"]
        ]

    _each(todo.gallery, rate, "index", lambda r: guarded(index, r, {"indexed": r.external}))
    _require_faces(job, journal, later)
    left = unsearched(todo.probes, journal)
    _each(left, rate, "search", lambda r: guarded(search, r, {"searched": r.sha256}))
    return later


def _content(row) -> bytes:
    content = Path(row.path).read_bytes()
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise UserError(f"{row.path} was changed during the run. {GO_ON}")
    return content


def _each(rows: pd.DataFrame, rate: float, what: str, call: Callable) -> None:
    """Call for each row from several threads, at most `rate` a second; the first error ends it."""
    stop, lock, slot = threading.Event(), threading.Lock(), [time.monotonic()]

    def one(row):
        with lock:
            slot[0] = max(slot[0] + 1 / rate, time.monotonic())
            wait = slot[0] - time.monotonic()
        if stop.wait(wait):
            return
        try:
            call(row)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(one, row) for row in rows.itertuples()]
        try:
            for future in tqdm(as_completed(futures), what, len(futures), disable=None):
                future.result()
        except BaseException:
            stop.set()
            raise


def delete_collection(job: Job, client) -> bool:
    """Delete the collection at Amazon, if it is there; say on stderr whether it is gone."""
    from botocore.exceptions import BotoCoreError, ClientError

    why = ""
    try:
        client.delete_collection(CollectionId=job.collection)
    except (BotoCoreError, ClientError) as error:
        if error_code(error) != "ResourceNotFoundException":
            why = str(stopped(error)).removesuffix(GO_ON)
    said = f"could not be deleted and stays at Amazon: {why}" if why else "is deleted."
    print(f"The collection {job.collection} {said}", file=sys.stderr)
    return not why


def _failure(error) -> str:
    """Why there are no faces of one photograph. Raises UserError for what ends a run."""
    code = error_code(error)
    if code == "InvalidParameterException":
        no_face = "no faces in the image" in error.response["Error"].get("Message", "")
        return NO_FACE if no_face else REFUSED
    if code == "InternalServerError" or isinstance(error, KeyError):
        return SERVICE_ERROR
    if code in ABOUT_THE_PHOTOGRAPH:
        return ABOUT_THE_PHOTOGRAPH[code]
    raise stopped(error) from error


def to_scores(job: Job, journal: Journal) -> Scores:
    """What Amazon answered as scores: the distance is 100 less the similarity.

    A search returns no more than CANDIDATES faces, so the histogram may end early.
    """
    best, distances = [], []
    for row in job.probes.itertuples():
        if isinstance(answer := journal.searched.get(row.sha256), list):
            found = [round(100 - percent, 4) for _, percent in answer]
            distances += found
            nearest = min(found, default=np.inf)
            # a photograph that is in the gallery as well is found there, whoever asks
            nearest_of_all = 0.0 if row.sha256 in job.identical else nearest
            best.append((row.id, "first", nearest_of_all, nearest, nearest, np.inf))
    scores, pairs = np.unique(distances, return_counts=True)
    faces = [n for i in job.gallery["external"] if isinstance(n := journal.indexed.get(i), int)]
    return Scores(
        best=pd.DataFrame(best, columns=["probe_id", "portrait", *VARIANTS]),
        candidates=pd.DataFrame(
            columns=["probe_id", "gallery_id", "cluster", "contested", "score", "rank"]
        ),
        histogram=pd.DataFrame({"score": scores, "pairs": pairs}),
        faces=sum(faces),
        removed=job.left_out,
        upto=100.0,
        same_person=pd.DataFrame(columns=DECISIONS),
        description={
            "configuration": AMAZON._asdict(),
            "genuine_p90": 0.0,
            "same_person_rule": False,
            "identical_images": job.left_out,
            "ignored": job.ignored,
        },
    )


def result(job: Job, journal: Journal, policy: str, later: dict | None = None) -> Result:
    """The result of a run, as of one with open models; the summary says a little more.

    Keys besides: engine, similarity_threshold (percent), pairs_complete (False: a search was cut at
    CANDIDATES, the pairs are a lower bound), failure_reasons, gallery_photographs,
    gallery_failure_reasons. Raises UserError for a policy, and where no face was found at all.
    """
    _require_faces(job, journal, later)
    found = to_scores(job, journal)
    if found.best.empty:
        reasons = _listed(_reasons(job.probes, "sha256", journal.searched, later))
        raise UserError(f"Amazon found no face in any photograph of the people searched{reasons}")
    run = congress_test.run(job.people, found, check_policy(policy))
    threshold = run.summary["threshold"]
    complete = not any(
        len(answer) == CANDIDATES < found.faces and 100 - answer[-1][1] <= threshold
        for answer in journal.searched.values()
        if isinstance(answer, list)
    )
    similarity = round(100 - threshold, 4)
    origin = "Amazon's default" if policy == "default" else run.summary["threshold_origin"]
    run.summary.update(
        policy=policy,
        engine=f"Amazon Rekognition, face model {journal.made.get('face_model', 'unknown')}; "
        "the threshold is 100 less the similarity in percent",
        threshold_origin=f"a similarity of {similarity:g} %, {origin}",
        similarity_threshold=similarity,
        pairs_complete=complete,
        failure_reasons=_reasons(job.probes, "sha256", journal.searched, later),
        gallery_photographs=len(job.gallery),
        gallery_failure_reasons=_reasons(job.gallery, "external", journal.indexed, later),
    )
    if not complete:
        run.summary["implied_fmr"] = None
    return run


def _require_faces(job: Job, journal: Journal, later: dict | None) -> None:
    if not any(isinstance(n, int) for n in journal.indexed.values()):
        reasons = _listed(_reasons(job.gallery, "external", journal.indexed, later))
        raise UserError(f"Amazon found no face in any photograph of the gallery{reasons}")


def _listed(reasons: dict[str, int]) -> str:
    return "".join(f"; {reason}: {n:,}" for reason, n in reasons.items())


def _reasons(rows: pd.DataFrame, key: str, answers: dict, later: dict | None) -> dict[str, int]:
    """How many photographs failed for which reason."""
    found = [
        row.problem or (later or {}).get(row.sha256) or answers.get(getattr(row, key))
        for row in rows.itertuples()
    ]
    return pd.Series([r for r in found if isinstance(r, str)], dtype=str).value_counts().to_dict()


def _dollars(amount: float) -> str:
    return "less than 0.01" if 0 < amount < 0.01 else f"{amount:,.2f}"


def postscript(run: Result, job: Job, deleted: bool) -> str:
    """What the report does not say: photographs that failed, and what remains at Amazon."""
    s = run.summary
    sides = {
        "searched": (s["failure_reasons"], s["searched"]),
        "in the gallery": (s["gallery_failure_reasons"], s["gallery_photographs"]),
    }
    lines = [
        f"  without a face {side}: {sum(reasons.values()):,} of {total:,} photographs"
        + _listed(reasons)
        for side, (reasons, total) in sides.items()
    ]
    if again := {SERVICE_ERROR, REFUSED} & {r for reasons, _ in sides.values() for r in reasons}:
        lines.append(f"  The same command asks again: {', '.join(sorted(again))}.")
    if not deleted:
        cost = _dollars(s["gallery_faces"] * STORAGE)
        lines.append(
            f"  The collection {job.collection} stays at Amazon, for {cost} US dollars a month or "
            "so;\n  the same command with --delete-collection deletes it and asks for nothing else."
        )
    return "\n".join(lines)


def run(
    probes: str | Path,
    gallery: str | Path,
    policy: str,
    labels: Path | None,
    account: Account,
    agree: Callable[[str], bool],
) -> tuple[Result, str]:
    """Run the Congress test at Amazon; return the result and what to add to its report.

    agree: asks the user a question. Nothing is sent before the user agreed to the estimate, which
    goes to stderr, and nothing is asked that the journal answers. Raises UserError.
    """
    check_policy(policy)
    client = make_client(account.region, account.endpoint_url)  # before all is read and hashed
    job = gather(probes, gallery, labels)
    with open_journal(job, client) as journal:
        try:
            later = _agreed(job, journal, client, account, agree)
            found = result(job, journal, policy, later)
        finally:
            deleted = account.delete and delete_collection(job, client)
    found.summary["collection_deleted"] = deleted
    return found, "\n" + postscript(found, job, deleted)


def _agreed(job, journal, client, account, agree) -> dict[str, str]:
    """Ask what remains to be asked, if the user agrees."""
    todo = remaining(job, journal, client)
    if len(todo.gallery) + len(todo.probes) == 0:
        return {}
    text = estimate(job, todo, client.meta.endpoint_url, account.price, account.rate)
    print(text, file=sys.stderr)
    if not account.yes:
        if not sys.stdin.isatty():
            raise UserError("this costs money and nobody is there to agree: say --yes")
        if not agree("Send them?"):
            raise UserError("nothing was sent")
    return ask(job, journal, todo, client, account.rate)
