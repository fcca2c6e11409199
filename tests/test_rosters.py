"""The roster of 26 July 2018: what it holds, and the faults its checks catch."""

import cv2
import numpy as np
import pandas as pd
import pytest

from helpers.sources import rosters


@pytest.fixture(scope="module")
def shipped():
    return rosters.read(rosters.ROSTER / "members.csv", rosters.MEMBERS)


@pytest.fixture
def members(shipped):
    return shipped.copy()


def at(members, name):
    index = members.index[members.name.eq(name)]
    assert len(index) == 1
    return index[0]


def test_the_seats_of_the_day(members):
    rosters.check_members(members)
    assert members.chamber.value_counts().to_dict() == {"house": 429, "senate": 100}
    assert rosters.vacant_seats() == ["MI-13", "NY-25", "OH-12", "OK-1", "PA-15", "PA-7"]
    assert len(rosters.load_delegates()) == 6
    assert members.member_id.is_monotonic_increasing


def test_groups_and_their_sizes():
    members = rosters.load_members()
    assert members.group.value_counts().reindex(rosters.GROUPS).tolist() == [427, 47, 38, 9, 5, 3]
    assert members.of_colour.sum() == 102
    assert members.groupby("of_colour").gender.value_counts()[True, "female"] == 38
    assert members.groupby("of_colour").gender.value_counts()[False, "female"] == 69


def test_every_asian_member_is_divided_and_nobody_else():
    divided = pd.read_csv(rosters.ROSTER / "asian_american_members.csv")
    members = rosters.load_members()
    assert set(divided.member_id) == set(members.member_id[members.ethnicity.eq("Asian")])
    assert divided.source.notna().all()


def plant_duplicate(m):
    return pd.concat([m, m.iloc[[10]]], ignore_index=True)


def plant_missing_id(m):
    m.loc[3, "member_id"] = ""


def plant_absent_member(m):
    return m.drop(index=5)


def plant_stale_house_seat(m):
    i = at(m, "Ron Estes")
    m.loc[i, ["member_id", "name"]] = ["P000602", "Mike Pompeo"]


def plant_stale_senate_seat(m):
    i = at(m, "Cindy Hyde-Smith")
    m.loc[i, ["member_id", "name"]] = ["C000567", "Thad Cochran"]


def plant_senator_in_between(m):
    i = at(m, "Gordon Jones")
    m.loc[i, ["member_id", "name"]] = ["S001202", "Luther Strange"]


def plant_early_successor(m):
    # sworn in on 5 September 2018; the count stays right because another row goes
    row = m.loc[[at(m, "Steve Stivers")]].assign(
        member_id="B001306",
        name="Troy Balderson",
        district=12,
        icpsr=1,
        portrait_url="https://x.jpg",
    )
    return pd.concat([m.drop(index=0), row], ignore_index=True)


def plant_unknown_ethnicity(m):
    m.loc[7, "ethnicity"] = "unspecified"


def plant_unknown_gender(m):
    m.loc[7, "gender"] = "Female"


def plant_unknown_party(m):
    m.loc[7, "party"] = "whig"


def plant_stray_space(m):
    m.loc[7, "name"] = m.loc[7, "name"] + " "


def plant_two_in_a_district(m):
    i, j = at(m, "Ron Estes"), at(m, "Kevin Yoder")
    m.loc[j, "district"] = m.loc[i, "district"]


def plant_third_senator(m):
    m.loc[at(m, "Roger Wicker"), "state"] = "AL"


def plant_shared_portrait(m):
    m.loc[1, "portrait_url"] = m.loc[2, "portrait_url"]


def plant_no_portrait(m):
    m.loc[1, "portrait_url"] = ""


def plant_bad_birth_date(m):
    m.loc[1, "date_of_birth"] = "12/11/1961"


def plant_delegate(m):
    m.loc[1, "voting"] = False


FAULTS = [
    (plant_duplicate, "member_id"), (plant_missing_id, "member_id"),
    (plant_absent_member, "seats less vacancies"), (plant_stale_house_seat, "stale"),
    (plant_stale_senate_seat, "stale"), (plant_senator_in_between, "stale"),
    (plant_early_successor, "stale"), (plant_unknown_ethnicity, "ethnicity"),
    (plant_unknown_gender, "gender"), (plant_unknown_party, "party"),
    (plant_stray_space, "name"), (plant_two_in_a_district, "one member a district"),
    (plant_third_senator, "two senators a state"), (plant_shared_portrait, "portrait_url"),
    (plant_no_portrait, "portrait_url"), (plant_bad_birth_date, "date_of_birth"),
    (plant_delegate, "voting"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "told"), FAULTS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_planted_fault_is_found_and_named(members, plant, told):
    changed = plant(members)
    with pytest.raises(ValueError, match=told):
        rosters.check_members(members if changed is None else changed)


def test_a_lost_or_added_column_is_found(members):
    for changed in (members.drop(columns="gender"), members.assign(race="x")):
        with pytest.raises(ValueError, match="the roster is not that of"):
            rosters.check_members(changed)


def test_every_correction_has_a_reason_and_a_source():
    corrections = rosters.load_corrections()
    assert (corrections.drop(columns="published") != "").all(axis=None)
    assert corrections.duplicated(["member_id", "field"]).sum() == 0
    assert corrections.field.isin(
        ["seat", "member_id", "name", "gender", "date_of_birth", "portrait"]
    ).all()
    assert not (corrections.published == corrections.corrected).any()


def test_corrections_are_what_the_roster_holds(members):
    corrections = rosters.load_corrections()
    rows = members.set_index("member_id")
    for fix in corrections[
        corrections.field.isin(["name", "gender", "date_of_birth"])
    ].itertuples():
        assert rows.loc[fix.member_id, fix.field] == fix.corrected
    for fix in corrections[corrections.field.eq("portrait")].itertuples():
        assert rows.loc[fix.member_id, "portrait_url"].endswith(fix.corrected)
    gone = corrections[corrections.field.eq("seat") & corrections.member_id.ne("L000588")]
    assert not gone.member_id.isin(members.member_id).any() and len(gone) == 12


def test_seat_corrections_agree_with_the_dates_of_general_record():
    corrections = rosters.load_corrections().query("field == 'seat' and member_id != 'L000588'")
    changes = rosters.seat_changes().set_index("seat")
    for fix in corrections.itertuples():
        seat, new = fix.corrected.split(": ")
        change = changes.loc[seat]
        assert fix.published == f"{seat}: {change.left}" and change.left_on <= rosters.DAY
        family = change.successor.split()[-1:] or ["vacant"]
        assert new.split()[-1:] == family


def test_second_portraits_fit_the_members(members):
    second = rosters.load_second_portraits()
    assert len(second) == 405 and second.kept.sum() == 263
    assert second.linked_by.isin(["id", "name and birth year", "name and state"]).all()
    assert not second.duplicated("member_id").any() and not second.duplicated("url").any()
    icpsr = members.set_index("member_id").icpsr[second.member_id]
    assert icpsr.tolist() == second.icpsr.tolist()
    urls = members.set_index("member_id").second_portrait_url
    kept = second[second.kept].set_index("member_id").url
    assert urls[urls.ne("")].to_dict() == kept.to_dict()
    assert not set(second.url) & set(members.portrait_url)


def test_no_decision_on_a_photograph_hangs_on_the_last_digit():
    second = rosters.load_second_portraits().set_index("member_id")
    eye = pd.read_csv(rosters.ROSTER / "second_portraits_by_eye.csv").set_index("member_id")
    assert (second.kept[eye.index] == ~eye.same).all()
    others = second.drop(eye.index)
    assert (others.kept == (others.score < rosters.SAME_PHOTOGRAPH)).all()
    assert ((others.score - rosters.SAME_PHOTOGRAPH).abs() > 0.02).all()


def picture(seed, size=512):
    """A smooth random picture, grey."""
    noise = np.random.default_rng(seed).normal(size=(size, size)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 18)
    return cv2.normalize(smooth, None, 10, 245, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_a_crop_is_the_same_photograph_also_mirrored_darker_and_turned(seed):
    first = picture(seed)
    turn = cv2.getRotationMatrix2D((256, 256), 3, 1)
    second = cv2.warpAffine(first, turn, (512, 512), borderMode=cv2.BORDER_REFLECT)[40:, 30:490]
    second = cv2.resize(second, None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA)
    second = (30 + 0.5 * second).astype(np.uint8)
    for version in (second, second[:, ::-1].copy()):
        assert rosters.same_photograph(first, version) > 0.97


@pytest.mark.parametrize("seed", range(3))
def test_other_pictures_and_flat_ones_are_not_the_same_photograph(seed):
    other = cv2.resize(picture(seed + 100), None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA)
    score = rosters.same_photograph(picture(seed), other)
    assert score < rosters.SAME_PHOTOGRAPH
    flat = np.full((220, 180), 128, np.uint8)
    assert rosters.same_photograph(picture(seed), flat) < 0.5


def test_delegates_have_no_invented_coding():
    delegates = rosters.load_delegates()
    assert delegates.ethnicity.eq("").all() and "gender" not in delegates
    assert not delegates.member_id.isin(rosters.load_members().member_id).any()
    assert sorted(delegates.state) == ["AS", "DC", "GU", "MP", "PR", "VI"]


@pytest.mark.mirror
def test_members_are_built_from_the_published_files(mirror, members):
    built = rosters.build_members()
    pd.testing.assert_frame_equal(built, members)
    text = built.to_csv(index=False, lineterminator="\n")
    assert text == (rosters.ROSTER / "members.csv").read_text(encoding="utf-8")


@pytest.mark.mirror
def test_what_others_publish_disagrees_only_where_it_is_written_down(mirror, members):
    known = pd.read_csv(rosters.ROSTER / "disagreements.csv", dtype=str)
    found = rosters.cross_check(members).astype(str)
    pd.testing.assert_frame_equal(found, known, check_dtype=False)


@pytest.mark.mirror
def test_the_cross_check_sees_planted_faults(mirror, members):
    i = at(members, "Maria Cantwell")
    members.loc[i, ["gender", "party", "date_of_birth"]] = ["male", "republican", "1950-01-01"]
    members.loc[at(members, "Lois Frankel"), "district"] = 1
    found = rosters.cross_check(members).groupby("name").field.agg(set)
    assert found["Maria Cantwell"] >= {"gender", "party", "date_of_birth", "birth year"}
    assert found["Lois Frankel"] == {"seat"}


@pytest.mark.mirror
@pytest.mark.parametrize(
    ("field", "published"),
    [("gender", "female"), ("name", "Lois  Frankel"), ("portrait", "lois.jpg")],
)
def test_a_correction_that_no_longer_fits_is_refused(mirror, monkeypatch, field, published):
    corrections = rosters.load_corrections()
    extra = corrections.iloc[[0]].assign(
        member_id="F000462", name="Lois Frankel", field=field, published=published, corrected="x"
    )
    changed = pd.concat([corrections[corrections.member_id.ne("F000462")], extra])
    monkeypatch.setattr(rosters, "load_corrections", lambda: changed)
    with pytest.raises(ValueError, match="does not fit the rosters"):
        rosters.build_members()


@pytest.mark.mirror
def test_a_sample_of_second_portraits_scores_as_written(mirror):
    files = [rosters.local_files(d) for d in ("second-portraits", "same-photographs")]
    second = pd.concat(files).set_index("id").path
    first = rosters.local_files("probes").set_index("id").path
    for row in rosters.load_second_portraits().iloc[::45].itertuples():
        i = row.member_id
        both = (cv2.imread(str(p[i]), cv2.IMREAD_GRAYSCALE) for p in (first, second))
        score = rosters.same_photograph(*both)
        assert abs(score - row.score) < 0.01
