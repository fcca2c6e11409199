"""Shared fixtures. With a mirror set no test may be skipped: a skip then fails the run."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The local mirror of the public images; tests that need it are skipped without one."""
    value = os.environ.get("CONGRESS_TEST_MIRROR")
    if not value:
        pytest.skip("needs the images: set CONGRESS_TEST_MIRROR to a mirror")
    path = Path(value).resolve()
    assert path.is_dir(), f"CONGRESS_TEST_MIRROR={value} is no folder"
    return path


def pytest_collection_modifyitems(items):
    for item in items:
        if "mirror" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.mirror)


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CONGRESS_TEST_MIRROR") and skipped and exitstatus == 0:
        reporter.write_line(f"{len(skipped)} skipped although a mirror is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
