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
    return _of("CONGRESS_TEST_CACHE") or Path(pooch.os_cache("congress-test"))


def is_cached(path: Path) -> bool:
    """Whether a file lies in the cache: made here, and made again where it is damaged."""
    return path.resolve().is_relative_to(cache_dir().resolve())


def mirror_dir() -> Path | None:
    """Local mirror of the public data (`CONGRESS_TEST_MIRROR`), laid out `<host>/<path of URL>`."""
    path = _of("CONGRESS_TEST_MIRROR")
    return path.resolve() if path else None


def _of(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(os.path.expanduser(value)) if value else None
