"""What the pre-commit hooks ask: `python -m helpers.rebuild.precommit notebooks|pixels FILES`.

Says what is wrong, a line each, and exits with 1 if anything is.
"""

import re
import sys
from pathlib import Path

PIXELS_AND_PICKLES = {
    "a JPEG": rb"^\xff\xd8\xff",
    "a PNG": rb"^\x89PNG",
    "a GIF": rb"^GIF8",
    "a TIFF": rb"^(II\*\x00|MM\x00\*)",
    "a WebP": rb"^RIFF.{4}WEBP",
    "an HEIC or AVIF": rb"^.{4}ftyp",
    "an array": rb"^\x93NUMPY",
    "an archive": rb"^(PK\x03\x04|\x1f\x8b|BZh|\xfd7zXZ)",
    "an HDF5 file": rb"^\x89HDF",
    "a pickle": rb"^\x80[\x02-\x05]",
}
OURS = re.compile(r"figures/fig-[\w-]+\.png$")  # drawn, not photographed
JPEG_IN_TEXT = re.compile(rb"(?<![A-Za-z0-9+/])/9j/[A-Za-z0-9+/\n\\]{200}")


def pixels(path: Path) -> list[str]:
    """Why a file may not be committed, as far as its bytes tell."""
    content = path.read_bytes()
    if OURS.search(path.as_posix()):
        return []
    kinds = PIXELS_AND_PICKLES.items()
    found = [f"{path} is {kind}" for kind, magic in kinds if re.match(magic, content[:32], re.S)]
    return found + ([f"{path} holds a JPEG"] if JPEG_IN_TEXT.search(content) else [])


def notebook(path: Path) -> list[str]:
    """What is wrong with an executed notebook."""
    import nbformat

    from helpers.rebuild import notebooks

    return [f"{path}: {what}" for what in notebooks.problems(nbformat.read(path, as_version=4))]


def main(arguments: list[str]) -> int:
    check = {"notebooks": notebook, "pixels": pixels}[arguments[0]]
    problems = [p for name in arguments[1:] for p in check(Path(name))]
    print("\n".join(problems), end="\n" if problems else "")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
