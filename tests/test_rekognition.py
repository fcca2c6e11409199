"""Running the protocol against Amazon: a stand-in for Amazon here, and the local service."""

import base64
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers.cli import app
from helpers.errors import UserError
from helpers.service import amazon as rekognition
from helpers.service import server

sys.path.insert(0, str(Path(__file__).parent))
import images

from helpers.service import journal

SECRET, SESSION = "canary/secret/7f3a91", "canary/session/52c8de"
JPEG = b"\xff\xd8\xff"


class Amazon:
    """A stand-in: a "photograph" is a JPEG's first bytes and a number, alike are near numbers."""

    def __init__(self):
        self.calls, self.faces, self.made, self.delay = Counter(), {}, {}, 0.0
        self.trouble = lambda operation, content, times: None  # an error's code, or nothing
        self.no_face = "There are no faces in the image. Should be at least 1."
        self.lock, self.asked = threading.Lock(), Counter()

    def answer(self, operation: str, request: dict):
        content = base64.b64decode(request["Image"]["Bytes"]) if "Image" in request else b""
        time.sleep(self.delay)
        with self.lock:
            self.calls[operation] += 1
            self.asked[operation, content] += 1
            if code := self.trouble(operation, content, self.asked[operation, content]):
                return code
            return getattr(self, operation)(request["CollectionId"], request, content[3:].decode())

    def DescribeCollection(self, name, request, photo):
        if name not in self.made:
            return "ResourceNotFoundException"
        there = {"FaceCount": len(self.faces[name]), "CollectionARN": "arn"}
        return there | {"CreationTimestamp": self.made[name], "FaceModelVersion": "7.0"}

    def CreateCollection(self, name, request, photo):
        self.made[name], self.faces[name] = 1.5e9 + len(self.calls), {}
        return {"StatusCode": 200, "CollectionArn": "arn", "FaceModelVersion": "7.0"}

    def DeleteCollection(self, name, request, photo):
        return {"StatusCode": 200} if self.made.pop(name, None) else "ResourceNotFoundException"

    def IndexFaces(self, name, request, photo):
        assert request["QualityFilter"] == "NONE" and request["MaxFaces"] == 1
        records = []
        if not photo.startswith("landscape"):
            self.faces[name][request["ExternalImageId"]] = float(photo)
            records = [{"Face": {"FaceId": "0" * 8, "ExternalImageId": request["ExternalImageId"]}}]
        return {"FaceRecords": records, "UnindexedFaces": [], "FaceModelVersion": "7.0"}

    def SearchFacesByImage(self, name, request, photo):
        if photo.startswith("landscape"):
            return "InvalidParameterException"
        found = {i: 100 - abs(float(photo) - v) for i, v in self.faces[name].items()}
        near = sorted(found, key=lambda i: (-found[i], i))
        near = [i for i in near if found[i] >= request["FaceMatchThreshold"]]
        return {
            "FaceMatches": [
                {"Similarity": found[i], "Face": {"ExternalImageId": i}}
                for i in near[: request["MaxFaces"]]
            ],
            "FaceModelVersion": "7.0",
        }


@pytest.fixture
def amazon():
    """The stand-in on a port of this machine; its `url`."""
    stand_in = Amazon()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].split(".")[1]
            answer = stand_in.answer(operation, json.loads(body))
            status = 200
            if isinstance(answer, str):
                status = 500 if answer == "InternalServerError" else 400
                # as Amazon: a wrong signature is answered with what was signed
                message = stand_in.no_face
                if answer != "InvalidParameterException":
                    message = f"canonical string: {dict(self.headers)}"
                answer = {"__type": answer, "message": message}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        stand_in.url = f"http://127.0.0.1:{http.server_port}"
        yield stand_in
        http.shutdown()


@pytest.fixture(autouse=True)
def account(tmp_path, monkeypatch):
    """Credentials and a cache of this test alone; nothing here may reach Amazon or an account."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(rekognition, "ATTEMPTS", 2)


def photographs(folder: Path, numbers) -> Path:
    folder.mkdir(parents=True)
    for i, number in enumerate(numbers):
        (folder / f"{i:02d}.jpg").write_bytes(JPEG + str(number).encode())
    return folder


@pytest.fixture
def sides(tmp_path):
    """Twelve photographs to search and twenty to search in; the best similarities are known."""
    photographs(tmp_path / "probes", [i * 100 for i in range(11)] + ["landscape"])
    # probe i has its nearest face at 100 - 3 i percent, from probe 0 (100 %) to probe 10 (70 %)
    near = [0.0, *(i * 100 + 3 * i for i in range(1, 11))]
    photographs(tmp_path / "gallery", near + [5000 + i for i in range(8)] + ["landscape, too"])
    return ("--probes", tmp_path / "probes", "--gallery", tmp_path / "gallery")


def call(amazon, *arguments, yes=True, status=0, text=False):
    arguments = ["run", "--engine", "rekognition", "--rate", "2000", *map(str, arguments)]
    arguments += ["--endpoint-url", amazon.url] if amazon else []
    arguments += ["--yes"] if yes else []
    found = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert found.exit_code == status, found.output
    if status or text:
        return found.stdout + found.stderr
    return json.loads(found.stdout)


def journal_of(tmp_path) -> Path:
    (path,) = (tmp_path / "cache" / "rekognition").glob("*.jsonl")
    return path


# ---------------------------------------------------------------- a run


def test_a_run_gives_the_result_of_any_run(amazon, sides, tmp_path):
    labels = tmp_path / "labels.csv"
    rows = [f"{i:02d}.jpg,Person {i},{'White' if i % 2 else 'Black'},f" for i in range(12)]
    labels.write_text("id,name,group,gender\n" + "\n".join(rows) + "\n")
    found = call(amazon, *sides, "--labels", labels, "--json", "--csv", tmp_path / "out.csv")
    s = found["summary"]
    assert (s["falsely_matched"], s["searched"], s["gallery_faces"]) == (7, 12, 19)
    assert (s["failures_to_enrol"], s["failure_reasons"]) == (1, {"no face found": 1})
    assert (s["gallery_photographs"], s["gallery_failure_reasons"]) == (20, {"no face found": 1})
    assert s["similarity_threshold"] == 80 and s["threshold"] == 20 and not s["same_person_rule"]
    assert s["pairs_at_threshold"] == 7 and s["comparisons"] == 11 * 19 and s["pairs_complete"]
    assert [g["flagged"] for g in found["groups"]] == [3, 4] and s["white_searched"] == 6
    members = pd.read_csv(tmp_path / "out.csv").set_index("name")
    assert members["score"]["Person 4"] == 12 and not members["enrolled"]["Person 11"]
    assert members["flagged"].sum() == 7
    report = call(amazon, *sides, "--labels", labels, text=True)
    assert "Amazon Rekognition, face model 7.0" in report
    assert "threshold 20.0000: a similarity of 80 %, Amazon's default" in report
    assert "7 of 12 (58.3 %" in report and "Person 0; Person 1" in report
    assert "not looked for" in report and "no face found: 1" in report
    assert "stays at Amazon" in report and "--delete-collection" in report


def test_a_photograph_on_both_sides_is_not_sent_and_both_counts_are_given(amazon, sides, tmp_path):
    for name in ("05.jpg", "09.jpg"):
        (tmp_path / "gallery" / f"copy-{name}").write_bytes(
            (tmp_path / "probes" / name).read_bytes()
        )
    (tmp_path / "gallery" / "notes.txt").write_text("x")
    (tmp_path / "gallery" / "@eaDir").mkdir()
    s = call(amazon, *sides, "--json")["summary"]
    assert (s["falsely_matched"], s["gallery_faces"], s["identical_images"]) == (7, 19, 2)
    assert s["falsely_matched_none_left_out"] == 8  # 05 is matched in any case, 09 (73 %) is not
    assert amazon.calls["IndexFaces"] == 20
    report = call(amazon, *sides, text=True)
    assert "identical images         2 in the gallery" in report
    assert "gallery: 1 file (no image), 1 folder (of a system)" in report
    assert "every photograph of" in call(amazon, *sides[:2], "--gallery", sides[1], status=2)
    os.mkfifo(tmp_path / "gallery" / "pipe.jpg")
    assert call(amazon, *sides, "--json")["summary"]["gallery_failure_reasons"]["not a file"] == 1


@pytest.mark.parametrize(
    ("policy", "matched", "similarity"),
    [("95", 2, 95.0), ("70", 11, 70.0), ("99.99", 1, 99.99), ("count:5", 5, 88.0)],
)
def test_other_thresholds(amazon, sides, policy, matched, similarity):
    s = call(amazon, *sides, "--threshold", policy, "--json")["summary"]
    assert (s["falsely_matched"], s["similarity_threshold"]) == (matched, similarity)
    assert s["policy"] == policy
    assert s["threshold_origin"].startswith(f"a similarity of {similarity:g} %, ")


def test_an_answer_is_paid_once(amazon, sides, tmp_path):
    call(amazon, *sides, "--json")
    assert (amazon.calls["IndexFaces"], amazon.calls["SearchFacesByImage"]) == (20, 12)
    before = amazon.calls.copy()
    call(amazon, *sides, "--threshold", "99", "--json", yes=False)  # nothing to agree to
    assert amazon.calls == before
    # other people in the same gallery: only they are asked about
    photographs(tmp_path / "others", [100, 40, 40])  # one was asked before, two are one photograph
    sides = ("--probes", tmp_path / "others", *sides[2:])
    assert call(amazon, *sides, "--json")["summary"]["searched"] == 3
    assert (amazon.calls["IndexFaces"], amazon.calls["SearchFacesByImage"]) == (20, 13)


def test_a_collection_that_is_gone_is_made_again(amazon, sides):
    first = call(amazon, *sides, "--json")
    amazon.made.clear()
    before = amazon.calls.copy()
    assert call(amazon, *sides, "--json") == first and amazon.calls == before
    shutil.copy(Path(sides[1]) / "00.jpg", Path(sides[1]) / "again.jpg")
    (Path(sides[1]) / "new.jpg").write_bytes(JPEG + b"7")
    s = call(amazon, *sides, "--json")["summary"]
    assert (s["searched"], s["falsely_matched"]) == (14, 9)
    assert (amazon.calls["IndexFaces"], amazon.calls["SearchFacesByImage"]) == (40, 25)


def test_the_collection_is_deleted_on_request(amazon, sides):
    text = call(amazon, *sides, "--delete-collection", text=True)
    assert "is deleted" in text and not amazon.made
    before = amazon.calls["IndexFaces"]
    call(amazon, *sides, "--delete-collection", text=True)  # the result is still there
    assert amazon.calls["IndexFaces"] == before


def test_pairs_are_a_lower_bound_where_a_search_is_full(amazon, sides, monkeypatch):
    monkeypatch.setattr(rekognition, "CANDIDATES", 2)
    assert call(amazon, *sides, "--json")["summary"]["pairs_complete"]
    s = call(amazon, *sides, "--threshold", "0", "--json")["summary"]
    assert not s["pairs_complete"] and s["implied_fmr"] is None
    assert "at least" in call(amazon, *sides, "--threshold", "0", text=True)


# ---------------------------------------------------------------- money


def test_nothing_is_sent_without_consent(amazon, sides):
    text = call(amazon, *sides, yes=False, status=2)
    assert "nobody is there to agree: say --yes" in text
    assert set(amazon.calls) == {"DescribeCollection"}
    assert re.search(r"to index +20 ", text) and re.search(r"to search +12 ", text)
    assert "0.03 US dollars, at 0.001 a photograph" in text and "opted out" in text
    assert "3.20 US dollars" in call(amazon, *sides, "--price", "0.1", yes=False, status=2)


@pytest.mark.parametrize("agreed", [False, True])
def test_the_user_is_asked(amazon, sides, monkeypatch, agreed):
    questions = []
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    account = rekognition.Account(endpoint_url=amazon.url, rate=2000)
    run = (str(sides[1]), str(sides[3]), "default", None, account)
    agree = lambda question: questions.append(question) or agreed  # noqa: E731
    if agreed:
        result, _ = rekognition.run(*run, agree)
        assert result.summary["falsely_matched"] == 7
    else:
        with pytest.raises(UserError, match="nothing was sent"):
            rekognition.run(*run, agree)
        assert not amazon.calls["IndexFaces"]
    assert len(questions) == 1


def test_what_amazon_cannot_read_is_not_sent(amazon, sides, monkeypatch):
    monkeypatch.setattr(rekognition, "MOST_BYTES", 1000)
    folder = Path(sides[1])
    (folder / "large.jpg").write_bytes(JPEG + b"0" * 1000)
    (folder / "picture.gif").write_bytes(b"GIF89a")
    (folder / "empty.png").write_bytes(b"")
    s = call(amazon, *sides, "--json")["summary"]
    assert s["failure_reasons"] == {
        "neither JPEG nor PNG": 2, "larger than 5 MB": 1, "no face found": 1
    }  # fmt: skip
    assert s["searched"] == 15 and amazon.calls["SearchFacesByImage"] == 12


def test_a_killed_run_goes_on_and_pays_nothing_twice(amazon, sides, tmp_path):
    amazon.delay = 0.05
    command = [sys.executable, "-m", "helpers.cli", "run", "--engine", "rekognition", "--yes"]
    command += ["--endpoint-url", amazon.url, "--rate", "12", "--json", *map(str, sides)]
    total = 0
    for kind, wanted in (("indexed", 3), ("searched", 2)):  # once in each half
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        place = tmp_path / "cache" / "rekognition"
        for _ in range(3000):
            text = "".join(path.read_text() for path in place.glob("*.jsonl"))
            if text.count(f'"{kind}"') >= wanted:
                break
            time.sleep(0.02)
        else:
            raise AssertionError("the run wrote no journal")
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert amazon.calls["SearchFacesByImage"] < 12
    with journal_of(tmp_path).open("a") as file:
        file.write('{"searched": "ab')  # as a kill in the middle of a write leaves it
    time.sleep(0.2)
    s = call(amazon, *sides, "--json")["summary"]
    assert (s["falsely_matched"], s["searched"], s["gallery_faces"]) == (7, 12, 19)
    total = amazon.calls["IndexFaces"] + amazon.calls["SearchFacesByImage"]
    # what was under way when it was killed is all that may be asked again
    assert 32 <= total <= 32 + 2 * rekognition.THREADS
    records = [
        json.loads(x) for x in journal_of(tmp_path).read_text().splitlines() if "ab" not in x
    ]
    keys = [r.get("indexed") or r.get("searched") for r in records if "made" not in r]
    assert max(Counter(keys).values()) == 1


def test_a_damaged_journal_is_read_as_far_as_it_goes(amazon, sides, tmp_path):
    call(amazon, *sides, "--json")
    with journal_of(tmp_path).open("ab") as file:
        file.write(b'\xff\xfe\x00\n5\n[]\n{"searched": 1}\n{"indexed": [], "answer": {}}\n')
    before = amazon.calls.copy()
    assert call(amazon, *sides, "--json")["summary"]["falsely_matched"] == 7
    assert amazon.calls == before


def test_one_run_at_a_time(amazon, sides):
    job = rekognition.gather(str(sides[1]), str(sides[3]))
    client = rekognition.make_client(endpoint_url=amazon.url)
    with journal.open_journal(job, client):
        assert "another run is asking" in call(amazon, *sides, status=2)


# ---------------------------------------------------------------- trouble


def test_an_error_about_one_photograph_is_a_failure_and_the_rest_goes_on(amazon, sides):
    def trouble(operation, content, times):
        if content == JPEG + b"300":
            return "InvalidImageFormatException"
        if operation == "IndexFaces" and content == JPEG + b"5003":
            return "ImageTooLargeException"

    amazon.trouble = trouble
    s = call(amazon, *sides, "--json")["summary"]
    assert s["failure_reasons"] == {"no face found": 1, "an image that Amazon cannot read": 1}
    assert s["gallery_failure_reasons"] == {"no face found": 1, "too large for Amazon": 1}
    assert (s["falsely_matched"], s["searched"], s["failures_to_enrol"]) == (6, 12, 2)


def test_being_too_fast_is_tried_again(amazon, sides):
    amazon.trouble = lambda operation, content, times: (
        "ThrottlingException" if content == JPEG + b"300" and times == 1 else None
    )
    s = call(amazon, *sides, "--json")["summary"]
    assert s["falsely_matched"] == 7 and amazon.calls["SearchFacesByImage"] == 13


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_being_too_fast_for_long_stops_and_keeps_what_is_done(amazon, sides, code):
    amazon.trouble = lambda operation, content, times: (
        code if operation == "SearchFacesByImage" else None
    )
    text = call(amazon, *sides, status=2)
    assert "lower --rate" in text and "goes on where this run stopped" in text
    amazon.trouble = lambda *_: None
    assert call(amazon, *sides, "--json")["summary"]["falsely_matched"] == 7
    assert amazon.calls["IndexFaces"] == 20


def test_an_error_of_the_service_is_asked_again_next_time(amazon, sides):
    amazon.trouble = lambda operation, content, times: (
        "InternalServerError" if content == JPEG + b"300" else None
    )
    report = call(amazon, *sides, text=True)
    assert "error of the service: 1" in report and "6 of 12" in report and "asks again" in report
    amazon.trouble = lambda *_: None
    s = call(amazon, *sides, "--json")["summary"]
    assert s["falsely_matched"] == 7 and s["failure_reasons"] == {"no face found": 1}
    amazon.trouble = lambda *_: "InternalServerError"
    amazon.made.clear()
    (Path(sides[3]) / "new.jpg").write_bytes(JPEG + b"7")
    assert "Amazon answered InternalServerError" in call(amazon, *sides, status=2)
    amazon.trouble = lambda operation, *_: (
        "InternalServerError" if operation == "IndexFaces" else None
    )
    assert "internal errors" in call(amazon, *sides, status=2)


@pytest.mark.parametrize(
    ("operation", "code", "sentence"),
    [
        ("DescribeCollection", "UnrecognizedClientException", "does not know these credentials"),
        ("DescribeCollection", "InvalidSignatureException", "does not accept the credentials"),
        ("CreateCollection", "AccessDeniedException", "does not allow this account"),
        ("CreateCollection", "ServiceQuotaExceededException", "a quota of the account"),
        ("IndexFaces", "ExpiredTokenException", "have expired"),
        ("SearchFacesByImage", "AccessDeniedException", "does not allow this account"),
        ("SearchFacesByImage", "NobodyKnowsException", "Amazon answered NobodyKnowsException"),
    ],
)
def test_what_stops_a_run_is_said_without_a_secret(
    amazon, sides, tmp_path, caplog, operation, code, sentence
):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore").setLevel(logging.DEBUG)
    amazon.trouble = lambda asked, *_: code if asked == operation else None
    said = call(amazon, *sides, status=2)
    assert sentence in said
    written = [p.read_text() for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    for text in (said, caplog.text, *written):
        assert SECRET not in text and SESSION not in text and "AKIATEST" not in text


def test_no_secret_in_what_a_good_run_writes(amazon, sides, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    said = call(amazon, *sides, "--csv", tmp_path / "out.csv", text=True)
    written = [p.read_text() for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    for text in (said, caplog.text, (tmp_path / "out.csv").read_text(), *written):
        assert SECRET not in text and SESSION not in text and "AKIATEST" not in text


def test_no_credentials_no_region_no_connection(amazon, sides, monkeypatch):
    with monkeypatch.context() as without:
        without.delenv("AWS_DEFAULT_REGION")
        assert "give --region" in call(None, *sides, status=2)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no complete credentials" in call(amazon, *sides, status=2)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "no complete credentials" in call(amazon, *sides, status=2)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    amazon.url = "http://127.0.0.1:1"
    text = call(amazon, *sides, status=2)
    assert "http://127.0.0.1:1/ could not be reached: look at --region, --endpoint-url" in text


# ---------------------------------------------------------------- what is final


def test_a_refusal_that_is_not_about_the_photograph_is_asked_again(amazon, sides, tmp_path):
    """As by a service of another model than the collection's."""
    amazon.no_face = "Request has invalid parameters: the faces cannot be compared"
    amazon.trouble = lambda operation, content, times: (
        "InvalidParameterException" if operation == "SearchFacesByImage" else None
    )
    text = call(amazon, *sides, status=2)
    assert "no face in any photograph of the people searched; refused by Amazon, but not" in text
    records = [json.loads(line) for line in journal_of(tmp_path).read_text().splitlines()]
    refused = [r for r in records if "searched" in r]
    assert len(refused) == 12 and all(r["final"] is False for r in refused)
    amazon.trouble = lambda operation, content, times: (
        "InvalidParameterException" if content == JPEG + b"300" else None
    )
    amazon.no_face = "Request has invalid parameters"
    text = call(amazon, *sides, text=True)
    assert "for the photograph's sake: 2" in text and "The same command asks again: refused" in text
    amazon.trouble, amazon.no_face = lambda *_: None, Amazon().no_face
    s = call(amazon, *sides, "--json")["summary"]
    assert s["falsely_matched"] == 7 and s["failure_reasons"] == {"no face found": 1}
    before = amazon.calls.copy()
    call(amazon, *sides, "--json")
    assert amazon.calls == before


def test_a_refusal_kept_by_an_older_version_is_asked_again(amazon, sides, tmp_path):
    call(amazon, *sides, "--json")
    path = journal_of(tmp_path)
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    for record in kept:
        if isinstance(record.get("answer"), list):
            record["answer"] = "refused by Amazon"
    path.write_text("".join(json.dumps(r) + "\n" for r in kept))
    assert call(amazon, *sides, "--json")["summary"]["falsely_matched"] == 7


def test_a_gallery_that_grew_is_searched_anew(amazon, sides):
    """One photograph could not be indexed at first, and it is the nearest of a member's."""
    broken = "InternalServerError"
    amazon.trouble = lambda operation, content, times: (
        broken if operation == "IndexFaces" and content == JPEG + b"309" else None
    )
    report = call(amazon, *sides, text=True)
    assert "6 of 12" in report and "asks again: error of the service" in report
    amazon.trouble = lambda *_: None
    assert "to search    12 " in call(amazon, *sides, yes=False, status=2)
    s = call(amazon, *sides, "--json")["summary"]
    assert (s["falsely_matched"], s["gallery_faces"]) == (7, 19)


def test_an_answer_that_was_cut_off_is_no_answer(amazon, sides, monkeypatch):
    answer = Amazon.SearchFacesByImage

    def cut(self, name, request, photo):
        return {} if photo == "300" else answer(self, name, request, photo)

    monkeypatch.setattr(Amazon, "SearchFacesByImage", cut)
    assert "error of the service: 1" in call(amazon, *sides, text=True)
    monkeypatch.setattr(Amazon, "SearchFacesByImage", answer)
    assert call(amazon, *sides, "--json")["summary"]["falsely_matched"] == 7


def test_a_photograph_that_was_changed_meanwhile_is_not_sent(amazon, sides):
    job = rekognition.gather(*map(Path, sides[1::2]))
    client = rekognition.make_client(endpoint_url=amazon.url)
    with journal.open_journal(job, client) as book:
        todo = journal.remaining(job, book, client)
        (Path(sides[1]) / "03.jpg").write_bytes(JPEG + b"0")
        with pytest.raises(UserError, match="was changed during the run"):
            rekognition.ask(job, book, todo, client, 2000)
        changed = job.probes.loc[job.probes["id"] == "03.jpg", "sha256"].item()
        assert changed not in book.searched


# ---------------------------------------------------------------- what stays at Amazon


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
def test_the_collection_is_deleted_whatever_became_of_the_run(amazon, sides, code):
    amazon.trouble = lambda operation, *_: code if operation == "SearchFacesByImage" else None
    text = call(amazon, *sides, "--delete-collection", status=2)
    assert "is deleted." in text and not amazon.made
    assert "goes on where this run stopped" in text
    call(amazon, *sides, status=2)
    assert amazon.made
    # nobody agrees to send more; what is there is deleted all the same
    assert "say --yes" in call(amazon, *sides, "--delete-collection", yes=False, status=2)
    assert not amazon.made


def test_a_collection_that_cannot_be_deleted_is_named_and_the_result_is_kept(amazon, sides):
    amazon.trouble = lambda operation, *_: (
        "AccessDeniedException" if operation == "DeleteCollection" else None
    )
    text = call(amazon, *sides, "--delete-collection", status=1)
    assert re.search(r"collection congress-test-\w+ could not be deleted and stays", text)
    assert "7 of 12" in text and "stays at Amazon, for" in text
    text = call(amazon, *sides, "--delete-collection", "--json", status=1)
    assert json.loads(text[: text.rindex("}") + 1])["summary"]["collection_deleted"] is False


def test_a_collection_of_another_run_is_left_alone(amazon, sides):
    call(amazon, *sides, text=True)
    job = rekognition.gather(*map(Path, sides[1::2]))
    with journal.open_journal(job, rekognition.make_client(endpoint_url=amazon.url)):
        assert "another run" in call(amazon, *sides, "--delete-collection", status=2)
    assert amazon.made


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8018", "http://", "ftp://x", "http://a b", "http://127.0.0.1:99999", "x"]
)
def test_an_address_that_is_none_will_never_go_on(sides, url):
    local = type("Local", (), {"url": url})()
    text = call(local, *sides, status=2)
    assert "--endpoint-url" in text and "goes on" not in text and "Traceback" not in text


def test_a_region_that_is_none(amazon, sides):
    text = call(amazon, *sides, "--region", "us east", status=2)
    assert "that is no region" in text and "goes on" not in text


BAD = ["0.8", "1", "fmr:1e-5", "101", "-1", "nan", "80%", "fast", "count:0", "count:x"]


@pytest.mark.parametrize("policy", BAD)
def test_bad_thresholds_cost_nothing(amazon, sides, policy):
    text = call(amazon, *sides, "--threshold", policy, status=2)
    assert "nothing is calibrated" in text or "in percent" in text
    assert not amazon.calls


def test_bad_input_costs_nothing(amazon, sides, tmp_path):
    probes, gallery = Path(sides[1]), Path(sides[3])

    def refuse(*more, **sides):
        both = {"probes": probes, "gallery": gallery} | sides
        arguments = [x for k, v in both.items() for x in (f"--{k}", v)]
        return call(amazon, *arguments, *more, status=2)

    (gallery / "a b.jpg").write_bytes(JPEG + b"1")
    (gallery / "a_b.jpg").write_bytes(JPEG + b"2")
    assert "'a b.jpg' and 'a_b.jpg' of" in refuse() and "rename one" in refuse()
    assert "holds face metadata" in refuse(gallery="faces.parquet")
    assert "is not a folder" in refuse(probes=tmp_path / "nowhere")
    assert "--labels is for your own probes" in refuse("--labels", "x.csv", probes="congress")
    assert "Amazon has its own" in refuse("--model", "sface-native")
    assert not amazon.calls
    found = CliRunner().invoke(app, ["run", "--engine", "azure"])
    assert found.exit_code == 2 and "--engine is open or rekognition" in found.output


def test_a_gallery_without_a_face(amazon, sides, tmp_path):
    photographs(tmp_path / "views", ["landscape"])
    text = call(amazon, *sides[:2], "--gallery", tmp_path / "views", status=2)
    assert "no face in any photograph of the gallery" in text


# ---------------------------------------------------------------- real portraits


def test_the_local_service_and_the_open_engine_agree(mirror, tmp_path, monkeypatch):
    """Both see the same portraits with SFace: by Amazon's protocol, slowed down, and without it."""
    portraits = images.portraits(mirror, 15)
    probes, gallery = images.two_folders(portraits, 5, tmp_path)
    monkeypatch.setattr(rekognition, "ATTEMPTS", 8)
    make, codes = rekognition.make_client, []

    def heard(response, **_):
        codes.append(response[1].get("Error", {}).get("Code") if response else None)

    def watched(*where):
        client = make(*where)
        client.meta.events.register_first("needs-retry.rekognition", heard)
        return client

    monkeypatch.setattr(rekognition, "make_client", watched)
    both = ("--probes", str(probes), "--gallery", str(gallery), "--json")
    with server.running("--model", "sface-native", "--rate", "4") as url:
        local = type("Local", (), {"url": url})()
        theirs = {p: call(local, *both, "--threshold", p) for p in ("default", "count:3", "60")}
    assert "ThrottlingException" in codes
    said = (
        CliRunner().invoke(app, ["run", *both, "--model", "sface-native", "--workers", "1"]).stdout
    )
    ours = json.loads(said[said.index("{\n") :])["summary"]
    s = theirs["default"]["summary"]
    for key in ("falsely_matched", "searched", "gallery_faces", "pairs_at_threshold"):
        assert s[key] == ours[key], key
    assert s["failures_to_enrol"] == ours["failures_to_enrol"] == 1
    assert s["engine"].startswith("Amazon Rekognition, face model sface-native/yunet")
    assert theirs["count:3"]["summary"]["falsely_matched"] == 3
    assert theirs["60"]["summary"]["falsely_matched"] >= s["falsely_matched"] >= 1


def test_the_photographs_of_the_named_sets_are_found(mirror):
    job = rekognition.gather("congress", "legislators")
    assert (len(job.people), len(job.probes), len(job.gallery)) == (529, 529, 5831)
    assert set(job.probes["id"]) == set(job.people["member_id"]) and "group" in job.people
    assert job.probes["problem"].eq("").all() and job.gallery["problem"].eq("").all()
    todo = journal._todo(job, journal.Journal({}, {}, {}, print))
    text = rekognition.estimate(job, todo, "http://127.0.0.1")
    assert "6.36 US dollars" in text and "0.06 US dollars a month" in text and "21 min" in text
