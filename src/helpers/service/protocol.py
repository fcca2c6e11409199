"""The Amazon Rekognition JSON protocol: requests read and checked, errors as Amazon writes them.

What a request may hold is not written here: it is read from the description of the service that
botocore, the core of Amazon's own client, carries.
"""

import base64
import binascii
import hmac
import json
import math
import re
import sys
from datetime import UTC, datetime
from functools import cache

from helpers.errors import UserError

CONTENT_TYPE = "application/x-amz-json-1.1"
TARGET = "RekognitionService."
# the operations that a face collection and the experiments need; any other is unknown here
OPERATIONS = (
    "CompareFaces",
    "CreateCollection",
    "DeleteCollection",
    "DeleteFaces",
    "DescribeCollection",
    "DetectFaces",
    "IndexFaces",
    "ListCollections",
    "ListFaces",
    "SearchFaces",
    "SearchFacesByImage",
)
INVALID = "Request has invalid parameters: "
CLOCK = 15 * 60  # seconds that a signature may be old or early, as at Amazon


class ServiceError(Exception):
    """An error as the client sees it: `code` (the exception's name at Amazon), message, status."""

    def __init__(self, code: str, message: str, status: int = 400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status

    def __reduce__(self):  # from the process that looked at an image
        return type(self), (self.code, self.message, self.status)


def invalid(message: str) -> ServiceError:
    """The error for a parameter that breaks a rule."""
    return ServiceError("InvalidParameterException", INVALID + message)


@cache
def service_model() -> dict:
    """Amazon's own description of Rekognition: operations and shapes."""
    try:
        from botocore.loaders import Loader
    except ImportError as error:
        raise UserError("this needs more: pip install 'congress-test[service]'") from error
    return Loader().load_service_model("rekognition", "service-2")


def check_name(shape: str, name: str) -> str:
    """A name that any client can say: of a CollectionId, an S3Bucket, ... Raises UserError."""
    try:
        return _read(shape, name, f"the name {name!r}")
    except ServiceError as error:
        raise UserError(error.message.removeprefix(INVALID)) from error


def as_name(shape: str, text: str) -> str:
    """A text as a name of that shape: cut, with "_" for each character that it may not hold."""
    rule = service_model()["shapes"][shape]
    fits = re.compile(rule["pattern"])
    return "".join(c if fits.fullmatch(c) else "_" for c in text)[: rule["max"]]


def operation_of(target: str) -> str:
    """The operation named by the header X-Amz-Target. Raises ServiceError for any unknown."""
    name = target.removeprefix(TARGET)
    if not target.startswith(TARGET) or name not in OPERATIONS:
        raise ServiceError("UnknownOperationException", f"no operation {name[:80]!r} here")
    return name


def read_request(operation: str, body: bytes) -> dict:
    """The parameters of a request, checked, with blobs decoded. Raises ServiceError.

    Members that the description does not know are ignored, as Amazon does.
    """
    try:
        values = json.loads(body or b"{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ServiceError("SerializationException", "the body is no JSON") from error
    if not isinstance(values, dict):
        raise ServiceError("SerializationException", "the body is no JSON object")
    shape = service_model()["operations"][operation]["input"]["shape"]
    return _read(shape, values, "")


def _refuse(constant: str):
    raise ValueError(f"{constant} is no JSON")


def _read(shape_name: str, value, place: str):
    """A JSON value as its shape wants it."""
    shape = service_model()["shapes"][shape_name]
    kind = shape["type"]
    if kind == "structure":
        _is(isinstance(value, dict), place, "an object")
        for name in shape.get("required", ()):
            if value.get(name) is None:
                raise invalid(f"{place}.{name}".lstrip(".") + " is missing")
        return {
            name: _read(member["shape"], value[name], f"{place}.{name}".lstrip("."))
            for name, member in shape["members"].items()
            if value.get(name) is not None
        }
    if kind == "list":
        _is(isinstance(value, list), place, "a list")
        _in_range(shape, len(value), place, "has {} items")
        member = shape["member"]["shape"]
        return [_read(member, item, f"{place}[{i}]") for i, item in enumerate(value)]
    if kind == "map":
        _is(isinstance(value, dict), place, "an object")
        return value
    if kind == "blob":
        _is(isinstance(value, str), place, "base64 text")
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ServiceError("SerializationException", f"{place} is no base64") from error
    if kind == "string":
        _is(isinstance(value, str), place, "a text")
        _in_range(shape, len(value), place, "has {} characters")
        if "enum" in shape and value not in shape["enum"]:
            raise invalid(f"{place} is none of {', '.join(shape['enum'])}")
        if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
            raise invalid(f"{place} does not match {shape['pattern']}")
        return value
    number = type(value) in (int, float) and abs(value) <= sys.float_info.max  # no bool, no NaN
    if kind in ("integer", "long"):
        _is(number and float(value).is_integer(), place, "an integer")
        value = int(value)
    else:
        _is(number, place, "a number")
        value = float(value)
    _in_range(shape, value, place, "is {}")
    return value


def _is(condition: bool, place: str, what: str) -> None:
    if not condition:
        raise ServiceError("SerializationException", f"{place} is not {what}")


def _in_range(shape: dict, size, place: str, text: str) -> None:
    low, high = shape.get("min", -math.inf), shape.get("max", math.inf)
    if not low <= size <= high:
        raise invalid(f"{place} {text.format(size)}, allowed are {low} to {high}")


def check_signature(headers: dict[str, str], body: bytes, token: str) -> None:
    """Raise ServiceError unless a POST to / is signed (AWS Signature Version 4) with the token.

    headers: by lower-case name. The token is the client's secret access key; its access key id may
    be anything. The algorithm is botocore's own, run on the request that came.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/(\d{8})/([\w-]+)/([\w-]+)/aws4_request, ?"
        r"SignedHeaders=([\w;-]+), ?Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if not found:
        wanted = "this service wants signed requests"
        raise ServiceError("MissingAuthenticationTokenException", wanted, 403)
    key, day, region, service, names, signature = found.groups()
    date = headers.get("x-amz-date", "")
    try:
        sent = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise ServiceError("InvalidSignatureException", "no X-Amz-Date", 403) from error
    if abs((datetime.now(UTC) - sent).total_seconds()) > CLOCK or not date.startswith(day):
        raise ServiceError("InvalidSignatureException", "the signature has expired", 403)
    covered = names.split(";")
    if not {"host", "x-amz-date", "x-amz-target"} <= set(covered):
        raise ServiceError("InvalidSignatureException", "the signature covers too little", 403)
    auth = SigV4Auth(Credentials(key, token), service, region)
    signed = {name: headers.get(name, "") for name in covered}
    copy = AWSRequest("POST", f"http://{headers.get('host', '')}/", headers=signed, data=body)
    copy.context["timestamp"] = date
    text = auth.string_to_sign(copy, auth.canonical_request(copy))
    if not hmac.compare_digest(auth.signature(text, copy), signature):
        raise ServiceError("InvalidSignatureException", "the signature does not match", 403)
