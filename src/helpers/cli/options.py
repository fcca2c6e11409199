"""The command line itself, and the options that several commands share."""

import errno
import functools
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from helpers import files
from helpers.errors import UserError

GALLERIES = ("legislators", "utkface")
SIDES = ("congress", *GALLERIES)


class _Friendly(typer.core.TyperGroup):
    """Shows a UserError, or why a file cannot be used, as one sentence and exits with 2."""

    def main(self, *args, **kwargs):
        if hasattr(sys.stdout, "reconfigure"):
            # a terminal without the letter gets a "?", and the run is not lost
            sys.stdout.reconfigure(errors="replace")
        return super().main(*args, **kwargs)

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except UserError as error:
            text, cause = str(error), error
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head` closed the pipe: no error
                raise
            known = error.strerror and error.filename
            text, cause = f"{error.filename}: {error.strerror}" if known else str(error), error
        say(f"congress-test: {text}".replace("\n", " "), err=True)
        raise typer.Exit(2) from cause


def say(text: str, err: bool = False) -> None:
    """Print a text, without what a name in it could do to a terminal."""
    lines = "\n".join(map(files.printable, text.split("\n")))
    # not typer's echo: it takes an ASCII terminal for one of UTF-8
    print(lines, file=sys.stderr if err else sys.stdout, flush=True)


app = typer.Typer(
    cls=_Friendly,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="An open replication of the 2018 audit of face recognition on the US Congress. "
    "Scores are distances: small is alike.",
)

# ---- kinds of values: what each means is decided here, for every command

path_in = functools.partial(typer.Option, parser=files.typed, metavar="PATH")
path_out = functools.partial(typer.Option, parser=files.output, metavar="FILE")
argument_in = functools.partial(typer.Argument, parser=files.typed)
argument_out = functools.partial(typer.Argument, parser=files.output)


def number(low: float, **more):
    """An option that takes a finite number of at least `low`."""

    def parse(value: str | float) -> float:
        if not low <= float(value) < math.inf:
            raise ValueError(f"{value} is not a number from {low:g} upwards")
        return float(value)

    return typer.Option(parser=parse, metavar="NUMBER", **more)


def _words(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


def _probes(text: str) -> str | Path:
    found = files.dataset_or_path(text, SIDES)
    if found in GALLERIES:
        raise UserError(f"{found} is a gallery: --probes takes congress, a folder, face metadata")
    return found


def _gallery(text: str) -> str | Path:
    return text if "://" in str(text) else files.dataset_or_path(text, SIDES)


def dataset_or_path(parser, **more):
    """An option that takes the name of a dataset (then a str) or a path (then a Path)."""
    return typer.Option(parser=parser, metavar="NAME|PATH", **more)


def _address(text: str) -> str:
    """The path of a file or folder, or an address such as s3://..., as a text."""
    return text if "://" in text else str(files.typed(text))


def _file_or_folder(text: str) -> str | Path:
    """Where face metadata go: a file, a Path, or a folder of parts, a str that ends with /."""
    if not str(text).endswith("/"):
        return files.output(text)
    path = files.typed(text)
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file: name another folder")
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")
    return f"{path}/"


gallery_in = functools.partial(typer.Option, parser=_address, metavar="PATH|ADDRESS")
faces_out = functools.partial(typer.Option, parser=_file_or_folder, metavar="FILE")
words = functools.partial(typer.Option, parser=_words, metavar="TEXT")
Probes = Annotated[
    Any,  # str | Path: a dataset or a path
    dataset_or_path(_probes, help="congress, a folder, face metadata", show_default="congress"),
]
Gallery = Annotated[
    Any,  # str | Path: a dataset or a path
    dataset_or_path(
        _gallery,
        help="legislators, utkface, a folder, face metadata (also in parts)",
        show_default="legislators",
    ),
]
Labels = Annotated[Path | None, path_in(help="CSV for your own probes: id, name, group, gender")]
Model = Annotated[
    str, typer.Option(help="dlib-native, sface-native, facenet-native, or a name of deepface's")
]
Detector = Annotated[str, typer.Option(help="yunet, dlib, or any detector of deepface")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one for each core")]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Work on a Dask cluster: tcp://host:8786; or local, for --workers of this machine"
    ),
]
