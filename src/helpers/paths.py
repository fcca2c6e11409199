"""Where things lie: the repository's folders, the cache, the mirror."""

import os
from pathlib import Path

import pooch

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
FIGURES = ROOT / "figures"
NOTEBOOKS = ROOT / "notebooks"


def cache_dir() -> Path:
    """Folder for downloads and intermediate results (`CONGRESS_TEST_CACHE`, else the user's)."""
    return Path(os.environ.get("CONGRESS_TEST_CACHE") or pooch.os_cache("congress-test"))


def mirror_dir() -> Path | None:
    """Local mirror of the public data (`CONGRESS_TEST_MIRROR`), laid out `<host>/<path of URL>`."""
    value = os.environ.get("CONGRESS_TEST_MIRROR")
    return Path(value).resolve() if value else None
