"""Command line: congress-test fetch / enrol / run / reproduce / verify ..."""

from helpers.cli import faces, own_test, project, runs, service  # each adds its commands
from helpers.cli.options import app

__all__ = ["app", "faces", "own_test", "project", "runs", "service"]
