"""What is a photograph, decided once: which files of a folder count, and how one is decoded."""

import io
import os
import stat
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.errors import UserError
from helpers.files import printable

# what Pillow decodes here; stereo JPEG (MPO) opens as JPEG
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "AVIF", "JPEG2000", "PPM")
SUFFIXES = {
    ".apng", ".avif", ".avifs", ".bmp", ".gif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe",
    ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".tif",
    ".tiff", ".webp",
}  # fmt: skip
# photographs as well, though nothing here decodes them: each is a failure, and counted
UNREAD = {".heic", ".heif", ".hif", ".jxl"}
MAX_PIXELS = 50_000_000
DARK = 64  # of 255: what 14 bits in 16 reach
NOT_ENTERED = {"#recycle", "#snapshot", "__macosx", "lost+found", "system volume information"}


class Unreadable(ValueError):
    """An image that gives no pixels; `reason` is one of the words listed at `read_image`."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(detail or reason)
        self.reason = reason


def in_folder(directory: Path) -> tuple[dict[str, Path], str]:
    """The photographs below a folder, id -> path sorted by id, and what was ignored, in words.

    Counts every file with the suffix of an image, whether it can be read or not, and any other
    that a decoder opens. Not entered are hidden folders, those of systems (@eaDir, __MACOSX, ...)
    and linked ones; hidden files do not count. The id is the path below the folder, with forward
    slashes, as `printable` gives it. Raises OSError for a folder that may not be read.
    """

    def refuse(error):
        raise error

    found: list[tuple[str, Path]] = []
    files: Counter = Counter()
    folders: Counter = Counter()
    for place, inner, names in os.walk(directory, onerror=refuse):
        for name in list(inner):
            if why := _not_entered(Path(place, name)):
                folders[why] += 1
                inner.remove(name)
        for path in (Path(place, name) for name in names):
            if path.name.startswith("."):
                files["hidden"] += 1
            elif is_photograph(path):
                found.append((printable(path.relative_to(directory).as_posix()), path))
            else:
                files["no image"] += 1
    twice = {i for i, n in Counter(i for i, _ in found).items() if n > 1}
    ids = {
        # two names that read the same are told apart by their characters
        ascii(path.relative_to(directory).as_posix())[1:-1] if i in twice else i: path
        for i, path in found
    }
    said = [_counted(files, "file"), _counted(folders, "folder")]
    return dict(sorted(ids.items())), ", ".join(filter(None, said))


def spelled(folder: Path, path: Path) -> Path:
    """The path below a folder, or where nothing has that name, what reads the same (NFC).

    Macs spell an é as two characters. Raises UserError where several files read the same, OSError
    for a folder on the way that is none.
    """
    found = folder
    for name in path.relative_to(folder).parts:
        if not (name.isascii() or (found / name).exists()):
            read = unicodedata.normalize("NFC", name)
            same = [n for n in os.listdir(found) if unicodedata.normalize("NFC", n) == read]
            if len(same) > 1:
                raise UserError(
                    f"{len(same)} names in {found.name} read {read}: give one as it is stored"
                )
            name = same[0] if same else name
        found /= name
    return found


def is_photograph(path: Path) -> bool:
    """Whether a file counts as a photograph: by its suffix, else because a decoder opens it."""
    if path.suffix.lower() in SUFFIXES | UNREAD:
        return True
    if not path.is_file():  # a pipe may never end
        return False
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except PermissionError:
        return True  # nobody knows: an error, not an omission
    except Exception:  # Pillow raises many kinds for broken data
        return False


def _not_entered(folder: Path) -> str:
    name = folder.name.lower()
    if folder.is_symlink():
        return "linked"
    if name.startswith("."):
        return "hidden"
    return "of a system" if name[0] in "@$" or name in NOT_ENTERED else ""


def _counted(ignored: Counter, what: str) -> str:
    if not ignored:
        return ""
    total = ignored.total()
    why = ", ".join(f"{n:,} {w}" if len(ignored) > 1 else w for w, n in sorted(ignored.items()))
    return f"{total:,} {what}{'s' if total > 1 else ''} ({why})"


def read_image(path: Path) -> np.ndarray:
    """Decode an image file to (height, width, 3) uint8 BGR.

    Grey, palette, CMYK and deeper images become 8-bit colour, transparency is dropped, EXIF
    rotation is applied, of an animation the first frame is taken. Raises Unreadable with the reason
    "missing file", "not a file" (a folder, a device), "unreadable file" (no permission, a broken
    disk), "empty file", "not an image", "unsupported format" (an image that nothing here decodes),
    "unknown range" (which number is white is not said, and cannot be told), "truncated image" (or
    otherwise damaged), or "too many pixels" (over 50 million, refused before decoding).
    """
    path = Path(path)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # a loop of links or a name too long is missing, too
        denied = isinstance(error, PermissionError)
        raise Unreadable("unreadable file" if denied else "missing file") from error
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("not a file")
    if status.st_size == 0:
        raise Unreadable("empty file")
    return decode_image(path)


def decode_image(source, formats=FORMATS) -> np.ndarray:
    """As `read_image`, for the path of a file or a binary stream, of the given formats only."""
    previous, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # our own limit is below
    try:
        with Image.open(source, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable("too many pixels", f"{image.width} x {image.height}")
            deep = image.format in ("JPEG2000", "PPM") or ";16" in str(image.tile[:1])
            try:
                image.load()
            except OSError:
                if image.format != "JPEG" or (whole := _without_end(source)) is None:
                    raise
                image = whole
            image = _eight_bits(image)
            ImageOps.exif_transpose(image, in_place=True)
            # neither makes a copy of what is as it should be
            image = image if image.mode == "RGB" else image.convert("RGB")
            pixels = np.frombuffer(image.tobytes("raw", "BGR"), dtype=np.uint8)
            pixels = pixels.reshape(image.height, image.width, 3)
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable(_unidentified(source)) from error
    except Exception as error:  # Pillow raises many kinds for broken data
        # the system's own errors have a number, Pillow's have none
        of_system = isinstance(error, OSError) and error.errno is not None
        reason = "unreadable file" if of_system else "truncated image"
        raise Unreadable(reason, in_words(error)) from error
    finally:
        Image.MAX_IMAGE_PIXELS = previous
    if deep and pixels.max() < DARK:
        raise Unreadable("unknown range", f"16 bits that reach {pixels.max() / 255:.0%} of white")
    return pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    """An image of one channel with more than 8 bits, scaled to 8 by the white that it states."""
    if not image.mode.startswith("I;16") and image.mode not in ("I", "F"):
        return image
    tags = getattr(image, "tag_v2", {})
    white = tags.get(341, tags.get(281))  # SMaxSampleValue, MaxSampleValue
    if isinstance(white, tuple):
        white = white[0]
    if white is None and image.mode == "F":
        white = 1  # as agreed for floating point, though no file says so
    elif white is None and (image.mode != "I" or image.format == "PPM"):
        white = 2 ** tags.get(258, (16,))[0] - 1  # BitsPerSample
    elif white is None:
        raise Unreadable("unknown range", "32-bit integers")
    with np.errstate(invalid="ignore"):  # numbers that are none are refused below
        grey = np.asarray(image, dtype=np.float64)
    low, high = grey.min(), grey.max()
    if not 0 <= low <= high <= white:  # and NaN
        raise Unreadable("unknown range", f"{low:g} to {high:g}, white would be {white:g}")
    if tags.get(262) == 0:  # PhotometricInterpretation: white is zero
        grey = white - grey
    return Image.fromarray(np.round(grey / white * 255).astype(np.uint8))


def _without_end(source) -> Image.Image | None:
    """A JPEG of which only the mark at its end is missing, whole; None where pixels are missing.

    If the last block is there, no pixel depends on what is appended.
    """
    data = _bytes(source).rstrip(b"\xff")
    one, other = (
        Image.open(io.BytesIO(data + 64 * filler + b"\xff\xd9"), formats=["JPEG"])
        for filler in (b"\x00", b"\x7f")
    )
    return one if np.array_equal(np.asarray(one), np.asarray(other)) else None


def _bytes(source, most: int = -1) -> bytes:
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return file.read(most)
    source.seek(0)
    return source.read(most)


def _unidentified(source) -> str:
    """What to call a file that no decoder knows: an image all the same, by its first bytes?"""
    start = _bytes(source, 12)
    known = (b"II*\0", b"MM\0*", b"\xff\x0a", b"\0\0\0\x0cJXL ")
    image = start.startswith(known) or start[4:8] == b"ftyp"
    return "unsupported format" if image else "not an image"


def in_words(error: Exception) -> str:
    """An error in one line without the path, which differs from machine to machine."""
    message = getattr(error, "strerror", None) or " ".join(str(error).split())
    return printable(f"{type(error).__name__}: {message}"[:120])
