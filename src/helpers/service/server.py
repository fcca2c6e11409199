"""The face search service on a port: HTTP in front of `operations`, with its limits.

Werkzeug reads the requests, waitress serves them. On a loopback address anyone on the machine may
use it; on any other it wants requests signed with a token.
"""

import contextlib
import ipaddress
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from helpers.errors import UserError
from helpers.faces import enrolment
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.files import typed
from helpers.paths import ROOT
from helpers.protocol import shipping
from helpers.service.operations import Service, Sight, answer
from helpers.service.protocol import (
    CONTENT_TYPE,
    OPERATIONS,
    ServiceError,
    check_name,
    check_signature,
    operation_of,
    read_request,
)
from helpers.service.store import FaceStore
from helpers.service.workers import Workers

PORT = 8018
THREADS = 8
CONNECTIONS = 64  # at a time; each may hold a body in memory
MOST_BODY = 15 * 1024 * 1024  # two images of 5 MB as base64, and their frame
MOST_HEADERS = 16 * 1024
PATIENCE = 10  # seconds that a connection may say nothing
TOKEN = "CONGRESS_TEST_TOKEN"
OWNER = "CONGRESS_TEST_OWNER"  # the process that `running` was called in
ABOUT = """The Congress Test: face search on open models, speaking Amazon Rekognition's protocol.

  boto3.client("rekognition", endpoint_url="{url}", region_name="us-east-1",
               aws_access_key_id="any", aws_secret_access_key="{secret}")

Operations: {operations}.
Any other answers UnknownOperationException, as Amazon does. Similarity is a scale of our own, not
Amazon's and not a probability: `congress-test similarity` shows what it means.
"""


class Rate:
    """A limit of requests a second, for all clients together, with bursts of one second."""

    def __init__(self, a_second: float):
        self.a_second, self.left, self.then = a_second, a_second, time.monotonic()
        self.lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more request is within the limit."""
        with self.lock:
            now = time.monotonic()
            self.left = min(self.a_second, self.left + (now - self.then) * self.a_second)
            self.then = now
            if self.left < 1:
                return False
            self.left -= 1
            return True


def make_app(service: Service, url: str, token: str | None = None, rate: float | None = None):
    """The WSGI application of a service at `url`."""
    from werkzeug import Request, Response
    from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

    limit = Rate(rate) if rate else None
    loopback = is_loopback(urlsplit(url).hostname)

    def respond(content: dict, status: int = 200, code: str = ""):
        response = Response(json.dumps(content), status, content_type=CONTENT_TYPE)
        response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        if code:
            response.headers["x-amzn-ErrorType"] = code
        return response

    def refused(error: ServiceError):
        # some clients read "message", some "Message"
        content = {"__type": error.code, "message": error.message, "Message": error.message}
        return respond(content, error.status, error.code)

    def about():
        secret = "the token" if token else "any"
        text = ABOUT.format(url=url, secret=secret, operations=", ".join(OPERATIONS))
        return Response(text, content_type="text/plain; charset=utf-8")

    def operate(request):
        # a page in a browser cannot reach the service under a name of its own
        if loopback and not is_loopback(urlsplit(f"//{request.host}").hostname):
            raise ServiceError("AccessDeniedException", "not the name of this service", 403)
        if limit and not limit.take():
            raise ServiceError("ThrottlingException", "Rate exceeded")
        operation = operation_of(request.headers.get("X-Amz-Target", ""))
        if request.mimetype != CONTENT_TYPE:
            raise ServiceError("SerializationException", f"the content type is {CONTENT_TYPE}")
        body = request.get_data(cache=False)
        if token:
            headers = {name.lower(): value for name, value in request.headers}
            check_signature(headers, body, token)
        return respond(answer(service, operation, read_request(operation, body)))

    def route(request):
        if request.path != "/":
            raise NotFound
        if request.method in ("GET", "HEAD"):
            return about()
        if request.method != "POST":
            raise MethodNotAllowed(["GET", "HEAD", "POST"])
        return operate(request)

    @Request.application
    def app(request):
        request.max_content_length = MOST_BODY
        try:
            return route(request)
        except ServiceError as error:
            return refused(error)
        except HTTPException as error:
            status = error.code or 500
            code = {413: "RequestEntityTooLargeException"}.get(status, "UnknownOperationException")
            return refused(ServiceError(code, error.name, status))
        except Exception as error:
            traceback.print_exception(error, file=sys.stderr)  # holds no image and no credential
            return refused(ServiceError("InternalServerError", "Internal server error", 500))

    return app


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def buckets(given: Sequence[str], model: str) -> dict[str, Path]:
    """What `S3Object` finds: the datasets that ship, and NAME=PATH for folders or face metadata.

    Raises UserError for a name that is taken or that no client could say, and a path to nothing.
    """
    found: dict[str, Path] = {}
    for dataset in shipping.PUBLIC:
        if (path := shipping.faces_path(dataset, model)).exists():
            found[dataset] = path
    for text in given:
        name, _, where = text.partition("=")
        if not (name and where and (typed(where).is_dir() or typed(where).is_file())):
            raise UserError(f"--bucket {text!r} is no NAME=PATH of a folder or face metadata")
        check_name("S3Bucket", name)
        if name in found:
            raise UserError(f"--bucket {text!r}: there is a bucket {name} already, choose a name")
        if (path := typed(where)).is_file():
            enrolment.read_description(path)
        found[name] = path
    return found


def serve(
    folder: Path,
    model: str,
    host: str = "127.0.0.1",
    port: int = PORT,
    bucket: Sequence[str] = (),
    rate: float | None = None,
    workers: int | None = None,
    ready=print,
) -> None:
    """Serve a store until the process is told to stop; say `ready(url)` once it answers.

    workers: images analysed at a time, each by a process; a core each where no number is given.
    Raises UserError for a model without a scale, a port that is taken, an address other than
    loopback without a token (the environment's CONGRESS_TEST_TOKEN).
    """
    try:
        import waitress
    except ImportError as error:
        raise UserError("the service needs more: pip install 'congress-test[service]'") from error
    if model not in PRIMARY_MODELS:
        raise UserError(
            f"the service serves {', '.join(PRIMARY_MODELS)}, each network fed as its publisher "
            f"feeds it, not {model}"
        )
    token = os.environ.get(TOKEN)
    if not is_loopback(host) and not token:
        raise UserError(
            f"{host} can be reached from other machines: set {TOKEN} to a long random text, "
            "which clients then use as their secret access key"
        )
    found = buckets(bucket, model)
    with contextlib.ExitStack() as stack:
        # the port is known only once it is open, and the application wants to know it; the store
        # comes after it: whatever is refused leaves none behind
        place = {}
        try:
            server = waitress.create_server(
                lambda environ, start: place["app"](environ, start),
                host=host,
                port=port,
                threads=THREADS,
                recv_bytes=1 << 16,  # an image in one go
                connection_limit=CONNECTIONS,
                channel_timeout=PATIENCE,
                cleanup_interval=PATIENCE // 2,
                max_request_body_size=MOST_BODY,
                max_request_header_size=MOST_HEADERS,
                inbuf_overflow=2 * MOST_BODY,  # never to a file: images are not stored
                ident=None,
            )
        except (OSError, ValueError) as error:  # waitress's own for a host that is none
            why = getattr(error, "strerror", None) or error
            raise UserError(f"port {port} of {host!r}: {why}") from error
        stack.callback(server.close)
        store = stack.enter_context(contextlib.closing(FaceStore(folder)))
        logging.getLogger("waitress").setLevel(logging.CRITICAL)
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{server.effective_port}"
        those = stack.enter_context(contextlib.closing(Workers(workers or os.cpu_count() or 1)))
        place["app"] = make_app(Service(store, Sight(model, found), those), url, token, rate)
        if OWNER in os.environ:
            owner = int(os.environ[OWNER])
            threading.Thread(target=_end_with, args=(owner,), daemon=True).start()
        ready(url)
        server.run()


def _end_with(owner: int) -> None:
    # a killed notebook would leave its service behind
    while os.getppid() == owner:
        time.sleep(1)
    os._exit(1)


@contextlib.contextmanager
def running(*options: str, store: Path | None = None) -> Iterator[str]:
    """A service of its own in another process, for as long as the block lasts; gives its address.

    options: of `congress-test serve`. store: its folder; a temporary one where none is named.
    Raises UserError when it does not start.
    """
    with contextlib.ExitStack() as stack:
        folder = store or stack.enter_context(tempfile.TemporaryDirectory())
        command = [sys.executable, "-m", "helpers.cli", "serve", "--port", "0"]
        said = stack.enter_context(tempfile.TemporaryFile("w+"))  # a full pipe would stop it
        process = subprocess.Popen(
            [*command, "--store", str(folder), *options],
            cwd=ROOT,
            env={**os.environ, OWNER: str(os.getpid())},
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        try:
            line = process.stdout.readline()  # type: ignore[union-attr]
            if not line.startswith("http"):
                process.wait()
                said.seek(0)
                raise UserError(f"the service did not start: {said.read().strip()}")
            yield line.split()[0]
        finally:
            process.terminate()
            process.communicate()
