"""Files of every room: what a typed path means, what a file holds, and how one is written whole."""

import fcntl
import hashlib
import os
import sys
import tempfile
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.errors import UserError

DATASET = "dataset:"  # before a name: the dataset, whatever lies in the folder


def typed(text: str | Path) -> Path:
    """The path that a user means; ~ is the home folder. Raises UserError where there is none."""
    if not str(text).strip():
        raise UserError("a path is empty: name a file or a folder (. is the one you are in)")
    path = os.path.expanduser(text)
    if str(path).startswith("~"):
        raise UserError(f"{text}: nobody's home folder; what is really called so is ./{text}")
    return Path(path)


def output(text: str | Path) -> Path:
    """The path of a file to be written. Raises UserError where it could not be: no work is lost."""
    path = typed(text)
    if path.is_dir() or str(text).endswith("/"):
        raise UserError(f"{path} is a folder: name a file in it")
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(f"{path} cannot be written: it is there and write-protected")
    if not path.exists() or path.is_file():  # a device or a pipe is not replaced
        try:
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error
    return path


def keep_inputs(out: Path | None, *inputs: str | Path | None) -> None:
    """Raise UserError where a file to be written is one that the same command reads.

    Read is a file, or all in a folder but CSV files; what does not exist is neither.
    """
    if out is None or not out.is_file():
        return
    for given in (Path(i) for i in inputs if i):
        inside = out.suffix != ".csv" and out.resolve().is_relative_to(given.resolve())
        if given.exists() and (given.samefile(out) or inside):
            raise UserError(f"{out} is read by this command: give another file to write")


def dataset_or_path(text: str | Path, datasets: Collection[str]) -> str | Path:
    """What a user means: one of the datasets, a str, or else a path, a Path.

    `dataset:NAME` is always the dataset, `./NAME` always the path. Raises UserError for a bare
    name that could be either.
    """
    name = str(text)
    if name.startswith(DATASET):
        dataset = name.removeprefix(DATASET)
        if dataset not in datasets:
            raise UserError(f"there is no dataset {dataset!r} here, only {', '.join(datasets)}")
        return dataset
    if name not in datasets:
        return typed(text)
    if os.path.lexists(name):
        raise UserError(
            f"{name} is a dataset, and something in this folder: say {DATASET}{name} or ./{name}"
        )
    return name


def sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits; raises OSError for one that cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def write_atomically(path: Path, private: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place when the block is done.

    Whoever reads finds the old file or the new one, never a part. When the block fails the old
    file stays and nothing is left beside it. The folder has to exist. A device or a pipe is
    written to as it is. private: only the owner may read it (600).
    """
    special = path.exists() and not path.is_file()
    half = path if special else path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if private and not special:
            half.touch(0o600)
        yield half
        if not special:
            half.replace(path)
    except BaseException as error:  # an interrupt as well
        if not special:
            half.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and not error.filename:
            error.filename, error.strerror = str(path), os.strerror(error.errno)  # a full disk
        raise


def private_folder(path: Path) -> Path:
    """Make a folder, and what is missing above it, that only the owner may enter (700)."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(0o700, exist_ok=True)
    return path


def lock_file(path: Path) -> Path:
    """What `alone` locks; a killed process leaves it, and nobody minds."""
    return path.with_name(f".{path.name}.lock")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Work on `path` in one process at a time; another one waits, and says so on stderr."""
    lock = lock_file(path)
    while True:
        with open(lock, "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"another process makes {path}; waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
            # who was before may have removed it: then somebody else can hold another one
            if lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                try:
                    yield
                    return
                finally:
                    lock.unlink(missing_ok=True)


def say(text: str) -> None:
    """A line to the user that is no part of the result."""
    print(printable(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    r"""A text as it is shown and stored: in normal form (NFC), what nobody can see escaped.

    Escaped are control characters, breaks of lines, marks of direction, and the bytes of a file
    name that are no UTF-8, as \x1b, \u202e, \xe9. A text that is escaped already stays as it is.
    """
    text = unicodedata.normalize("NFC", text)
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    if character in "\u200c\u200d":  # joiners: spelling in Persian and Hindi, parts of emoji
        return character
    byte = os.fsencode(character) if "\udc80" <= character <= "\udcff" else b""
    return f"\\x{byte[0]:02x}" if byte else ascii(character)[1:-1]
