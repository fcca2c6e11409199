"""For tests of the face search service: Amazon's own client, with every answer checked.

What an answer may hold is read from the description of Rekognition that botocore carries.
"""

import json
import re

import boto3
from botocore.config import Config

from helpers.service.protocol import service_model

ANY = "any"


def client(url: str, secret: str = ANY, attempts: int = 1, check: bool = True):
    """A boto3 client of the service at `url`; each answer is checked against Amazon's shapes."""
    made = boto3.client(
        "rekognition",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=ANY,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": attempts}, max_pool_connections=16),
    )
    if check:
        made.meta.events.register("after-call.rekognition", _check)
    return made


def _check(http_response, model, **_):
    if http_response.status_code == 200:
        content = json.loads(http_response.content)
        wrong = problems(model.output_shape.name, content, model.name)
        assert not wrong, wrong


def problems(shape_name: str, value, place: str) -> list[str]:
    """Where a JSON value is not as its shape says: members, types, ranges, patterns, enums."""
    shape = service_model()["shapes"][shape_name]
    kind = shape["type"]
    python = {
        "structure": dict,
        "list": list,
        "string": str,
        "integer": int,
        "long": int,
        "float": (int, float),
        "double": (int, float),
        "timestamp": (int, float),
        "boolean": bool,
    }[kind]
    if not isinstance(value, python):
        return [f"{place}: {value!r} is no {kind}"]
    if kind == "structure":
        known = shape["members"]
        wrong = [f"{place}.{n} is not in the shape" for n in value if n not in known]
        wrong += [f"{place}.{n} is missing" for n in shape.get("required", ()) if n not in value]
        for name in set(value) & set(known):
            wrong += problems(known[name]["shape"], value[name], f"{place}.{name}")
        return wrong
    wrong = []
    size = value if kind in ("integer", "long", "float", "double") else None
    if kind in ("string", "list"):
        size = len(value)
    if size is not None and not shape.get("min", size) <= size <= shape.get("max", size):
        wrong.append(f"{place}: {size} is out of range")
    if kind == "list":
        for i, item in enumerate(value):
            wrong += problems(shape["member"]["shape"], item, f"{place}[{i}]")
    if "enum" in shape and value not in shape["enum"]:
        wrong.append(f"{place}: {value!r} is none of {shape['enum']}")
    if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        wrong.append(f"{place}: {value!r} does not match {shape['pattern']}")
    return wrong


def held(bucket: str, name: str) -> dict:
    """An image parameter: an object of a bucket."""
    return {"S3Object": {"Bucket": bucket, "Name": name}}
