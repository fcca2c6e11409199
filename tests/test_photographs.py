"""What counts as a photograph: one rule for files, folders, names, and which number is white."""

import io
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.errors import UserError
from helpers.files import printable
from helpers.sources import galleries, photographs

sys.path.insert(0, str(Path(__file__).parent))
import images

EYE = np.asarray(images.scene(4, 120, 80).convert("L"))


# ---- files and folders


def test_every_suffix_of_what_is_decoded_counts_and_no_other():
    registered = Image.registered_extensions()
    known = {s for s, f in registered.items() if f in {*photographs.FORMATS, "MPO"}}
    assert known == photographs.SUFFIXES | {".dib"} & known


def test_a_folder_is_counted_and_what_is_ignored_is_said(tmp_path):
    picture = images.scene(1)
    kinds = {"a.jpe": "JPEG", "b.jp2": "JPEG2000", "c.ppm": "PPM", "d.pgm": "PPM", "e.avif": "AVIF"}
    kinds |= {"no suffix": "PNG", "odd.data": "WEBP", "sub/f.PNG": "PNG"}
    for name, kind in kinds.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture.convert("L" if name == "d.pgm" else "RGB").save(tmp_path / name, kind)
    for name in ("g.heic", "h.heif", "i.jpg"):  # a photograph, read or not
        (tmp_path / name).write_bytes(b"x")
    for name in ("notes.txt", "table.csv", "._a.jpe", "README"):
        (tmp_path / name).write_text("P1 is no picture")
    for name in ("@eaDir", ".thumbnails", "__MACOSX", "sub/#recycle"):
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / "z.png")
    (tmp_path / "linked").symlink_to(tmp_path / "sub")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    found, ignored = photographs.in_folder(tmp_path)
    assert list(found) == sorted([*kinds, "g.heic", "h.heif", "i.jpg"])
    assert (
        ignored == "6 files (1 hidden, 5 no image), 5 folders (1 hidden, 1 linked, 3 of a system)"
    )
    for name in kinds:
        assert photographs.read_image(found[name]).shape == (64, 96, 3), name
    for name in ("g.heic", "h.heif", "i.jpg"):
        with pytest.raises(photographs.Unreadable, match="not an image"):
            photographs.read_image(found[name])
    assert galleries.load_folder(tmp_path).attrs["ignored"] == ignored


def test_an_image_of_another_kind_is_called_one(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    cv2.imwrite(str(tmp_path / "b.tif"), np.zeros((9, 9, 3), np.float32))
    for path in tmp_path.iterdir():
        with pytest.raises(photographs.Unreadable, match="unsupported format"):
            photographs.read_image(path)


def test_a_folder_that_may_not_be_read_is_no_empty_one(tmp_path, monkeypatch):
    images.scene().save(tmp_path / "a.png")
    (tmp_path / "locked").mkdir()
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="locked"):
        photographs.in_folder(tmp_path)


def test_a_folder_with_nothing_but_links_says_so(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "linked").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"no image .*; ignored: 1 folder \(linked\)"):
        galleries.load_folder(tmp_path / "in")


# ---- names


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain (1).jpg", "plain (1).jpg"),
        ("写真 é 🧑‍⚖️.jpg", "写真 é 🧑‍⚖️.jpg"),
        ("cafe\u0301.jpg", "café.jpg"),
        ("a\rb\nc\td.jpg", r"a\rb\nc\td.jpg"),
        ("\x1b[31mred.jpg", r"\x1b[31mred.jpg"),
        ("gpj.\u202eevil", r"gpj.\u202eevil"),
        (os.fsdecode(b"caf\xe9.jpg"), r"caf\xe9.jpg"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_names_are_shown_in_one_way(name, shown):
    assert printable(name) == shown
    assert printable(printable(name)) == printable(name)


def test_names_of_every_kind_are_ids_that_labels_find(tmp_path):
    names = ["cafe\u0301.png", "a\r\x1b[2Jb.png", os.fsdecode(b"caf\xe9.png"), "x;y.png"]
    for name in names:
        images.scene().save(tmp_path / name)
    (tmp_path / "labels.csv").write_text(
        'id,name\ncaf\u00e9.png,Ann\n"a\\r\\x1b[2Jb.png",Bob\ncaf\\xe9.png,Cy\nx;y.png,"\x1b[2JDi"\n'
    )
    faces = galleries.load_folder(tmp_path, tmp_path / "labels.csv")
    assert dict(zip(faces["id"], faces["name"], strict=True)) == {
        "café.png": "Ann", "a\\r\\x1b[2Jb.png": "Bob", "caf\\xe9.png": "Cy", "x;y.png": r"\x1b[2JDi"
    }  # fmt: skip
    assert all(path.is_file() for path in faces["path"])


def test_two_names_that_read_the_same_are_two_photographs(tmp_path):
    for name in ("café.png", "cafe\u0301.png"):
        images.scene().save(tmp_path / name)
    assert list(photographs.in_folder(tmp_path)[0]) == ["caf\\xe9.png", "cafe\\u0301.png"]


# ---- which number is white


def stored(folder: Path, name: str, pixels: np.ndarray, tags=None) -> Path:
    path = folder / name
    if tags is None:
        assert cv2.imwrite(str(path), pixels)
    else:
        Image.fromarray(pixels).save(path, tiffinfo=tags)
    return path


@pytest.mark.parametrize(
    ("name", "pixels", "tags"),
    [
        ("float.tif", EYE.astype(np.float32) / 255, None),
        ("stated-float.tif", EYE.astype(np.float32) * 10, {341: 2550.0}),
        ("twelve-of-sixteen.tif", EYE.astype(np.uint16) * 16, {281: 4080}),
        ("negative.tif", (255 - EYE).astype(np.uint16) * 257, {262: 0}),
        ("sixteen.pgm", EYE.astype(np.uint16) * 257, None),
        ("sixteen.jp2", EYE.astype(np.uint16) * 257, None),
        ("stated-integers.tif", EYE.astype(np.int32) * 200, {281: 51_000}),
    ],
)
def test_deep_images_are_scaled_by_what_their_file_says(tmp_path, name, pixels, tags):
    read = photographs.read_image(stored(tmp_path, name, pixels, tags))
    assert np.abs(read[:, :, 0].astype(int) - EYE).max() <= (4 if name.endswith("jp2") else 1)


@pytest.mark.parametrize(
    ("name", "pixels", "said"),
    [
        ("float-255.tif", EYE.astype(np.float32), "white would be 1"),
        ("nan.tif", np.where(EYE > 128, np.nan, 0.5).astype(np.float32), "nan"),
        ("twelve.tif", EYE.astype(np.uint16) * 16, "[56]% of white"),
        ("twelve.png", EYE.astype(np.uint16) * 16, "[56]% of white"),
        ("twelve-colour.png", np.dstack([EYE] * 3).astype(np.uint16) * 16, "[56]% of white"),
        ("twelve-colour.tif", np.dstack([EYE] * 3).astype(np.uint16) * 16, "[56]% of white"),
        ("twelve.pgm", EYE.astype(np.uint16) * 16, "[56]% of white"),
        ("twelve-colour.jp2", np.dstack([EYE] * 3).astype(np.uint16) * 16, "[56]% of white"),
        ("integers.tif", EYE.astype(np.int32) * 1000, "32-bit integers"),
    ],
)
def test_an_image_of_unknown_range_is_refused_and_not_nearly_black(tmp_path, name, pixels, said):
    with pytest.raises(photographs.Unreadable, match=said) as error:
        photographs.read_image(stored(tmp_path, name, pixels))
    assert error.value.reason == "unknown range"


# ---- the end of a JPEG


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_jpeg_without_its_end_is_whole_and_one_without_pixels_is_not(
    tmp_path, progressive, stream
):
    file = io.BytesIO()
    images.scene(3, 97, 65).save(file, "JPEG", quality=90, progressive=progressive)
    whole = photographs.decode_image(file)

    def cut(count):
        (tmp_path / "cut.jpg").write_bytes(file.getvalue()[:-count])
        path = tmp_path / "cut.jpg"
        return photographs.decode_image(io.BytesIO(path.read_bytes()) if stream else path)

    for count in (1, 2):
        assert np.array_equal(cut(count), whole), count
    for count in (4, 5, 6, 10, 100, 600):
        with pytest.raises(photographs.Unreadable) as error:
            cut(count)
        assert error.value.reason == "truncated image"
