"""Files of every room: what one holds, and how one is written without ever being half there."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits; raises OSError for one that cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place when the block is done.

    Whoever reads finds the old file or the new one, never a part. When the block fails the old
    file stays and nothing is left beside it. The folder has to exist.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:  # an interrupt as well
        temporary.unlink(missing_ok=True)
        raise
