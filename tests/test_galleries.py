"""Named galleries and folders: one row a face image, with its recorded labels."""

import pandas as pd
import pytest

from helpers.errors import UserError
from helpers.sources import fetch, galleries, rosters


@pytest.mark.parametrize(
    ("age", "band"),
    [(0, "0-17"), (1, "0-17"), (17, "0-17"), (18, "18-34"), (34, "18-34"), (35, "35-54"),
     (54, "35-54"), (55, "55-75"), (75, "55-75"), (76, "76+"), (116, "76+")],
)  # fmt: skip
def test_age_bands_at_their_edges(age, band):
    assert galleries.age_band([age]).tolist() == [band]


def test_a_missing_or_impossible_age_has_no_band():
    assert galleries.age_band([None, float("nan"), -1, "x"]).isna().all()


def test_legislators_are_one_row_a_person_and_no_probe():
    people = galleries.load_legislators()
    assert len(people) == 5831 and people.last_congress.max() == galleries.LAST_CONGRESS
    assert not people.duplicated("gallery_id").any() and not people.duplicated("image_url").any()
    assert not people.dropna(subset="born").duplicated(["name", "born"]).any()
    numbers = people.gallery_id.str[1:].astype(int)
    assert not numbers.isin(rosters.load_members().icpsr.dropna()).any()
    assert not numbers.isin(rosters.load_delegates().icpsr).any()
    # a probe's record under another party
    assert "v014659" not in set(people.gallery_id)
    assert set(people.gallery_id) == set(fetch.load_manifest("legislators").id)


@pytest.mark.mirror
def test_legislators_are_built_from_the_published_list(mirror):
    built = galleries.build_legislators()
    pd.testing.assert_frame_equal(built, galleries.load_legislators(), check_dtype=False)


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(tmp_path))
    (tmp_path / "utkface").mkdir()

    def write(rows):
        pd.DataFrame(rows, columns=fetch.LABELS).to_csv(
            tmp_path / "utkface" / "labels.csv", index=False
        )
        return galleries.load_utkface().set_index("id")

    return write


def test_adults_are_18_to_75_with_every_label(labelled):
    faces = labelled(
        [
            ("u1", 17, "male", "White", 1, False),
            ("u2", 18, "male", "White", 1, False),
            ("u3", 75, "female", "Black", 1, False),
            ("u4", 76, "female", "Black", 1, False),
            ("u5", None, None, None, 1, False),
            ("u6", 30, None, "Asian", 2, True),
        ]
    )
    assert faces.adult.to_dict() == {
        "u1": False, "u2": True, "u3": True, "u4": False, "u5": False, "u6": False,
    }  # fmt: skip
    assert pd.isna(faces.age_band["u5"]) and faces.age_band["u6"] == "18-34"


def test_labels_that_were_never_fetched_name_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("CONGRESS_TEST_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="congress-test fetch utkface"):
        galleries.load_utkface()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "images"
    for name in ("b.JPG", "a.png", "deep/er/c.jpeg", "deep/d.tif", "notes.txt", ".hidden.jpg"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def labels(folder, text):
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_folder_is_read_with_its_subfolders_in_order(folder):
    faces = galleries.load_folder(folder)
    assert faces.id.tolist() == ["a.png", "b.JPG", "deep/d.tif", "deep/er/c.jpeg"]
    assert all(p.is_file() for p in faces.path)
    assert faces[["name", "group", "gender"]].isna().all(axis=None)


@pytest.mark.parametrize("key", ["id", "file", "ID", "\ufeffid"])
def test_labels_are_joined_and_may_leave_images_out(folder, key):
    path = labels(folder, f"{key},Name,gender\na.png,Ada ,F\ndeep/er/c.jpeg,,male\n")
    faces = galleries.load_folder(folder, path).set_index("id")
    assert (faces.name["a.png"], faces.gender["a.png"]) == ("Ada", "female")
    assert faces.gender["deep/er/c.jpeg"] == "male" and pd.isna(faces.name["deep/er/c.jpeg"])
    assert faces.loc["b.JPG", ["name", "group", "gender"]].isna().all()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,name\nz.png,Zoe\n", "'z.png'"),
        ("id,name\na.png,Ada\na.png,Eve\n", "repeated ids"),
        ("name,group\nAda,x\n", "needs a column id"),
        ("id,colour\na.png,x\n", "at least one of"),
        ("", "cannot read"),
        ('id,name\na.png,"Ada\n', "cannot read"),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_the_reason(folder, text, told):
    with pytest.raises(UserError, match=told):
        galleries.load_folder(folder, labels(folder, text))


def test_no_folder_no_image_no_labels_file(tmp_path, folder):
    with pytest.raises(UserError, match="not a folder"):
        galleries.load_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image"):
        galleries.load_folder(tmp_path / "empty")
    with pytest.raises(UserError, match="cannot read"):
        galleries.load_folder(folder, tmp_path / "none.csv")
