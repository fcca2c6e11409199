"""The command line itself, and the options that several commands share."""

import errno
from typing import Annotated

import typer

from helpers.errors import UserError


class _Friendly(typer.core.TyperGroup):
    """Shows a UserError, or why a file cannot be used, as one sentence and exits with 2."""

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
        typer.echo(f"congress-test: {text}", err=True)
        raise typer.Exit(2) from cause


app = typer.Typer(
    cls=_Friendly,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="An open replication of the 2018 audit of face recognition on the US Congress. "
    "Scores are distances: small is alike.",
)
Model = Annotated[
    str, typer.Option(help="dlib-native, sface-native, facenet-native, or a name of deepface's")
]
Detector = Annotated[str, typer.Option(help="yunet, dlib, or any detector of deepface")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one for each core")]
