"""Test images, made when they are needed, and a stand-in for the models that needs no weights.

Nothing here holds a real face; images with faces are made from portraits of the mirror.
"""

import fcntl
import os
import shutil
import struct
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from helpers.faces import pipelines

HEADSHOTS = "raw.githubusercontent.com/CivilServiceUSA/us-house/983dd805*/**/512x512/*.jpg"
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif")
DELAY = 0.0  # seconds the stand-in takes for an image
LOG = None  # a folder; each process of the stand-in writes down there what it has detected in
HELD = 65  # over an image of this height the stand-in waits for a file `go` in that folder


def portraits(mirror: Path, count: int) -> list[Path]:
    """The first portraits of the House in the mirror, 512 x 512 JPEG with one face each."""
    found = sorted(mirror.glob(HEADSHOTS))[:count]
    assert len(found) == count, "the mirror holds too few portraits"
    return found


def listed(folder: Path | str) -> pd.DataFrame:
    """Every file below a folder with an image's suffix: columns id (relative path), path; sorted.

    A link that leads nowhere is listed, so that its failure is counted.
    """
    folder = Path(folder)
    paths = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.is_dir()]
    # a file name may hold bytes that are no UTF-8, an id may not
    ids = [os.fsencode(p.relative_to(folder).as_posix()) for p in paths]
    ids = [i.decode("utf-8", "backslashreplace") for i in ids]
    return pd.DataFrame(sorted(zip(ids, paths, strict=True)), columns=["id", "path"])


def scene(seed: int = 0, width: int = 96, height: int = 64) -> Image.Image:
    """A colourful image without a face: smooth, so that it survives JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def write_variants(image: Image.Image, folder: Path) -> list[str]:
    """The same RGB image in every way that a file may hold it; all of them can be read."""
    pixels = np.asarray(image)
    sixteen = pixels[:, :, ::-1].astype(np.uint16) * 257
    grey = np.asarray(image.convert("L"))
    other = Image.fromarray(255 - pixels)
    image.save(folder / "plain.png")
    image.save(folder / "plain.jpg", quality=95)
    image.save(folder / "plain.bmp")
    image.save(folder / "plain.webp", lossless=True)
    image.convert("L").save(folder / "grey.jpg", quality=95)
    image.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    image.quantize(64).save(folder / "palette.png")
    image.convert("RGBA").save(folder / "transparent.png")
    cv2.imwrite(str(folder / "grey16.png"), grey.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "grey16.tif"), grey.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "colour16.png"), sixteen)
    cv2.imwrite(str(folder / "colour16.tif"), sixteen, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    image.save(folder / "animated.png", save_all=True, append_images=[other])
    image.save(folder / "animated.webp", save_all=True, append_images=[other], lossless=True)
    image.quantize(128).save(
        folder / "animated.gif", save_all=True, append_images=[other.quantize(128)]
    )
    stereo = {"format": "MPO", "save_all": True, "append_images": [other], "quality": 95}
    image.save(folder / "stereo.jpg", **stereo)
    write_turned(image, 6, folder / "turned.png")
    image.save(folder / "im Büro 写真 (1).png")
    (folder / "broken-exif.jpg").write_bytes(with_exif(folder / "plain.jpg", b"Exif\0\0MM\0*oops"))
    return sorted(path.name for path in folder.iterdir())


def write_turned(image: Image.Image, orientation: int, path: Path) -> None:
    """Store an image so that only a reader who follows its EXIF orientation sees it upright."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    (image.transpose(undo) if undo is not None else image).save(path, exif=exif)


def with_exif(path: Path, payload: bytes) -> bytes:
    """Bytes of a JPEG file with another APP1 segment at its start."""
    data = path.read_bytes()
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + data[2:]


def write_faults(folder: Path) -> dict[str, str]:
    """Files that give no pixels -> {file name: the reason that must be stated}."""
    plain = folder / "whole.jpg"
    scene(1, 300, 200).save(plain, quality=95)
    whole = plain.read_bytes()
    plain.unlink()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("This is no image.\n")
    (folder / "page.png").write_text("<!doctype html><title>404: Not Found</title>")
    (folder / "bomb.png").write_bytes(png_header(30_000, 30_000))
    (folder / "bomb.jpg").write_bytes(jpeg_of_size(whole, 30_000, 30_000))
    scene().quantize(16).save(folder / "bomb.gif")
    data = bytearray((folder / "bomb.gif").read_bytes())
    data[6:10] = struct.pack("<HH", 30_000, 30_000)
    (folder / "bomb.gif").write_bytes(data)
    (folder / "broken.png").write_bytes(png_header(30, 20))
    (folder / "loop.jpg").symlink_to(folder / "pool.jpg")
    (folder / "pool.jpg").symlink_to(folder / "loop.jpg")
    (folder / "nowhere.jpg").symlink_to(folder / "gone.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return {
        "bomb.gif": "too many pixels",
        "bomb.jpg": "too many pixels",
        "bomb.png": "too many pixels",
        "broken.png": "truncated image",
        "empty.jpg": "empty file",
        "loop.jpg": "missing file",
        "nowhere.jpg": "missing file",
        "page.png": "not an image",
        "pipe.jpg": "not a file",
        "pool.jpg": "missing file",
        "text.jpg": "not an image",
        "truncated.jpg": "truncated image",
    }


def png_header(width: int, height: int) -> bytes:
    """A PNG of under 100 bytes that declares any size and holds next to no pixel data."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_of_size(data: bytes, width: int, height: int) -> bytes:
    """A JPEG file's bytes with another size in its frame header."""
    start = data.index(b"\xff\xc0")
    return data[: start + 5] + struct.pack(">HH", height, width) + data[start + 9 :]


def tile(paths: list[Path], sizes: list[int]) -> Image.Image:
    """Portraits side by side on a grey ground, each scaled to a size in pixels."""
    canvas = Image.new("RGB", (sum(sizes), max(sizes)), (128, 128, 128))
    left = 0
    for path, size in zip(paths, sizes, strict=True):
        canvas.paste(Image.open(path).resize((size, size)), (left, 0))
        left += size
    return canvas


def two_folders(portraits: list[Path], searched: int, folder: Path) -> tuple[Path, Path]:
    """Folders of probes and gallery: the first person in both, one probe without a face."""
    probes, gallery = folder / "probes", folder / "gallery"
    for place, paths in ((probes, portraits[:searched]), (gallery, portraits[searched:])):
        place.mkdir()
        for path in paths:
            shutil.copy(path, place / path.name)
    Image.open(portraits[0]).resize((300, 300)).save(gallery / "again.png")
    scene().save(probes / "landscape.png")
    return probes, gallery


def fake_weights(config) -> dict[str, str]:
    """Stands in for `pipelines.weight_hashes`."""
    return {f"{config.detector}-{config.recogniser}.onnx": "0" * 64}


def fake_configuration(model: str, detector: str) -> pipelines.Configuration:
    """Stands in for `models.configuration`."""
    return pipelines.Configuration(model, model, detector, "none", "none", "cosine", 0.5, "made up")


def fake_load(config):
    """Stands in for `models.load`: any image with contrast has one face, told by its colours."""
    log = None
    if LOG:
        log = (Path(LOG) / f"{os.getpid()}.log").open("a")
        fcntl.flock(log, fcntl.LOCK_EX)  # held for as long as the process lives

    def detect(image):
        if log:
            print(image.shape, file=log, flush=True)
        time.sleep(DELAY)
        while log and image.shape[0] == HELD and not (Path(LOG) / "go").exists():
            time.sleep(0.01)
        height, width = image.shape[:2]
        box = (width // 4, height // 4, width // 2, height // 2)
        face = pipelines.Face(box, (width // 2, height // 3), None, 0.5, image)
        return [face] if image.std() > 1 else []

    def crop(image, face):
        return cv2.resize(face.crop, (4, 4), interpolation=cv2.INTER_AREA)

    def embed(crops):
        return np.stack([crop.ravel().astype("f4") for crop in crops])

    return detect, crop, embed
