"""The journal of an asked engine: every answer is on the disk before the next question."""

import contextlib
import fcntl
import hashlib
import json
import threading
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from helpers.errors import UserError
from helpers.files import private_folder
from helpers.paths import cache_dir

NO_FACE = "no face found"
# What is final, with NO_FACE: the photograph is the reason. Anything else is asked again.
ABOUT_THE_PHOTOGRAPH = {
    "ImageTooLargeException": "too large for Amazon",
    "InvalidImageFormatException": "an image that Amazon cannot read",
}
SERVICE_ERROR = "error of the service"
REFUSED = "refused by Amazon, but not for the photograph's sake"
# What stops a run, and what to do about it. The text of these errors is not shown: it can hold
# the request, with a session's token.
STOPS = {
    "ExpiredTokenException": "your credentials have expired: sign in again",
    "IncompleteSignatureException": "Amazon does not accept the credentials",
    "InvalidClientTokenId": "Amazon does not know these credentials",
    "InvalidSignatureException": "Amazon does not accept the credentials (or the clock is wrong)",
    "MissingAuthenticationTokenException": "no credentials were sent",
    "UnrecognizedClientException": "Amazon does not know these credentials",
    "AccessDeniedException": "Amazon does not allow this account to do that: it needs the "
    "rekognition actions CreateCollection, DescribeCollection, IndexFaces, SearchFacesByImage and, "
    "to delete, DeleteCollection",
    "LimitExceededException": "a limit of the account is reached",
    "ProvisionedThroughputExceededException": "asked too fast: give a lower --rate",
    "ResourceNotFoundException": "the collection was deleted in the meantime",
    "ServiceQuotaExceededException": "a quota of the account is reached",
    "ThrottlingException": "asked too fast: give a lower --rate",
}
GO_ON = "The same command goes on where this run stopped."


class Job(NamedTuple):
    """What is asked. people: a row a person (member_id and labels). probes, gallery: a row a
    photograph: id, path, sha256, problem (why it is not sent; "" if it is), and for the gallery
    external (its id at Amazon). collection: the name at Amazon, the same for the same gallery.
    identical: SHA-256 of photographs on both sides; left_out: how many the gallery lost by them;
    ignored: what of the folders is no photograph, in words."""

    people: pd.DataFrame
    probes: pd.DataFrame
    gallery: pd.DataFrame
    collection: str
    identical: set[str]
    left_out: int
    ignored: list[str]


class Journal(NamedTuple):
    """What Amazon answered. made: identity of the collection, empty before there is one. indexed:
    external id -> number of faces, or the reason of the failure. searched: SHA-256 of a probe ->
    [[external id, similarity], ...] best first, or the reason. Of both only what is final is here,
    the file holds the rest with "final": false. write: adds a record."""

    made: dict
    indexed: dict
    searched: dict
    write: Callable[[dict], None]


class Todo(NamedTuple):
    """What is not in the journal yet: rows of the gallery and of the probes to be sent."""

    gallery: pd.DataFrame
    probes: pd.DataFrame


@contextlib.contextmanager
def open_journal(job: Job, client):
    """The journal of this gallery at this address, for one run at a time. Raises UserError."""
    address = hashlib.sha256(client.meta.endpoint_url.encode()).hexdigest()[:8]
    path = cache_dir() / "rekognition" / f"{job.collection}-{address}.jsonl"
    private_folder(path.parent)
    path.touch(0o600)
    lock = threading.Lock()
    with path.open("a+", encoding="utf-8", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError("another run is asking Amazon about this gallery") from error
        journal = Journal({}, {}, {}, lambda record: None)
        file.seek(0)
        text = file.read()
        for line in text.splitlines():
            # a line that a killed run did not finish, or that a disk has damaged
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                _note(journal, json.loads(line))
        if text and not text.endswith("\n"):
            file.write("\n")

        def write(record: dict) -> None:
            with lock:
                file.write(json.dumps(record) + "\n")
                file.flush()
                _note(journal, record)

        yield journal._replace(write=write)


def _note(journal: Journal, record: dict) -> None:
    if "made" in record:
        for part in (journal.made, journal.indexed, journal.searched):
            part.clear()  # another collection: nothing of the old one is there
        journal.made.update(record)
    elif not final(record.get("answer")):
        return
    elif "indexed" in record:
        journal.indexed[record["indexed"]] = record["answer"]
        if isinstance(record["answer"], int):
            journal.searched.clear()  # what was found in a smaller gallery is not the answer
    elif "searched" in record:
        journal.searched[record["searched"]] = record["answer"]


def final(answer) -> bool:
    """Whether an answer is one about the photograph: faces, or a reason that lies in it."""
    return isinstance(answer, (int, list)) or answer in (NO_FACE, *ABOUT_THE_PHOTOGRAPH.values())


def remaining(job: Job, journal: Journal, client) -> Todo:
    """What has to be asked; where anything has, the collection is looked for at Amazon first.

    One that is gone, or another one of that name, empties the journal. Raises UserError.
    """
    todo = _todo(job, journal)
    if len(todo.gallery) + len(todo.probes) == 0:
        return todo
    if (there := described(client, job.collection)) != journal.made:
        journal.write(there)
    return _todo(job, journal)


def _todo(job: Job, journal: Journal) -> Todo:
    stored, searched = job.gallery, job.probes.drop_duplicates("sha256")
    stored = stored[stored["problem"].eq("") & ~stored["external"].isin(journal.indexed)]
    searched = searched[searched["problem"].eq("")]
    # a gallery that grows is searched anew
    return Todo(stored, searched if len(stored) else unsearched(searched, journal))


def unsearched(probes: pd.DataFrame, journal: Journal) -> pd.DataFrame:
    """The photographs whose search has no answer yet."""
    return probes[~probes["sha256"].isin(journal.searched)]


def described(client, collection: str) -> dict:
    """What makes a collection this one, and its face model; made is None where there is none."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = client.describe_collection(CollectionId=collection)
    except (BotoCoreError, ClientError) as error:
        if error_code(error) == "ResourceNotFoundException":
            return {"made": None}
        raise stopped(error) from error
    made = found["CreationTimestamp"].timestamp()
    return {"made": made, "face_model": found["FaceModelVersion"]}


def error_code(error) -> str:
    response = getattr(error, "response", None) or {}
    return response.get("Error", {}).get("Code", "")


def stopped(error) -> UserError:
    """An error that ends a run, in words that hold no credential."""
    from botocore import exceptions as e

    code = error_code(error)
    if code:
        return UserError(f"{STOPS.get(code, f'Amazon answered {code}')}. {GO_ON}")
    if isinstance(error, e.NoRegionError):
        return UserError("no region: give --region, us-east-1 for example")
    if isinstance(error, ValueError):  # botocore's for a name that no region has, among others
        return UserError("that is no region, or no address: look at --region and --endpoint-url")
    if isinstance(error, (e.NoCredentialsError, e.PartialCredentialsError)):
        return UserError("no complete credentials were found: see boto3's guide to credentials")
    if isinstance(error, (e.EndpointConnectionError, e.HTTPClientError)):
        address = getattr(error, "kwargs", {}).get("endpoint_url", "Amazon")
        return UserError(
            f"{address} could not be reached: look at --region, --endpoint-url and the network. "
            "When it can be, the same command goes on where this run stopped."
        )
    # its text may hold what a credential program said
    return UserError(f"boto3 stopped with {type(error).__name__}. {GO_ON}")
