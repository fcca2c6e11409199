"""Compositions of the gallery: known answers, and other routes to the numbers that ship."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.experiments.who_is_in_the_gallery import compositions, matched, tables
from helpers.experiments.who_is_in_the_gallery import make as c
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol import shipped, shipping
from helpers.sources import groups
from helpers.statistics import intervals

FACES = pd.Series(200, index=compositions.STRATA)


def members(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "member_id": [f"m{i}" for i in range(n)],
            "of_colour": rng.random(n) < 0.3,
            "gender": np.where(rng.random(n) < 0.3, "female", "male"),
            "group": rng.choice(["White", "Black", "Hispanic", "Native and Pacific"], n),
        }
    )


def one_stratum(scores, part=None):
    """Faces of one stratum, from scores in steps (members, faces)."""
    scores = np.asarray(scores, dtype=np.int16)
    part = np.zeros(scores.shape[1], dtype=int) if part is None else part
    return compositions.make_faces(scores, np.repeat("all", scores.shape[1]), part, ["all"])


# ---------------------------------------------------------------- targets


def test_every_published_figure_has_its_source_and_status():
    table = compositions.targets()
    assert table["source_url"].str.startswith("http").all()
    assert set(table["status"]) <= {"primary", "copy", "press"}
    assert (table["value"] > 0).all() and (table["value"] <= table["of"]).all()
    assert set(table["race"]) <= {
        *groups.RACES,
        "Asian and Indian",
        "from White to Others",
        "",
    }


def test_the_bands_of_the_census_add_to_the_adults_under_75():
    table = compositions.targets().query("target == 'us-adults' and unit == 'people'")
    over_74 = 9_955_322 + 6_388_779 + 6_336_435
    assert table["value"].sum() == 258_343_281 - over_74
    men = table[table["gender"] == "male"]["value"].sum()
    assert men == 125_305_465 - 4_475_564 - 2_721_048 - 2_286_037


def test_the_fbi_races_and_ages_add_to_its_totals():
    table = compositions.targets().query("target == 'us-arrests'")
    by_race = table[(table["race"] != "") & ~table["race"].str.startswith("from")]
    assert by_race["value"].sum() == by_race["of"].iloc[0]
    by_age = table[table["age_band"] != ""]
    assert by_age["value"].sum() == by_age["of"].iloc[0]


def test_hispanic_arrests_move_from_white_to_others_and_nowhere_else():
    moved, left = (
        compositions.margins("us-arrests", h)[0].set_index("race")["share"] for h in ("Others", "")
    )
    share = 876_586 / 4_324_743
    assert left["White"] - moved["White"] == pytest.approx(share)
    assert moved["Others"] - left["Others"] == pytest.approx(share)
    assert (moved - left)[["Black", "Asian", "Indian"]].abs().max() == pytest.approx(0, abs=1e-12)


def test_an_unknown_target_is_refused_by_name():
    with pytest.raises(ValueError, match="martians"):
        compositions.margins("martians")


def by(shares, place):
    return shares.groupby([s.split(", ")[place] for s in shares.index]).sum()


@pytest.mark.parametrize("target", ["us-adults", "us-arrests"])
def test_raking_keeps_every_margin(target):
    parts = compositions.margins(target)
    shares = compositions.rake(parts)
    assert shares.sum() == pytest.approx(1)
    for part in parts:
        keys = [k for k in part.columns if k != "share"]
        place = {"gender": 0, "race": 1, "age_band": 2}
        for row in part.to_dict("records"):
            inside = [all(s.split(", ")[place[k]] == row[k] for k in keys) for s in shares.index]
            assert shares[inside].sum() == pytest.approx(row["share"], abs=1e-9)


def test_raking_leaves_open_what_no_margin_says():
    shares = compositions.rake(compositions.margins("us-arrests"))
    f1, f0 = shares["female, White, 18-34"], shares["female, Black, 18-34"]
    m1, m0 = shares["male, White, 18-34"], shares["male, Black, 18-34"]
    assert f1 * m0 / (f0 * m1) == pytest.approx(1)


# ---------------------------------------------------------------- sizes


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(1, 5000))
def test_apportioned_numbers_add_up_and_stay_within_one_of_their_share(values, size):
    shares = pd.Series(values) + 1e-6
    found = compositions.apportion(shares, size)
    assert found.sum() == size
    assert (found - shares / shares.sum() * size).abs().max() < 1 + 1e-6


def test_largest_size_is_set_by_the_scarcest_stratum():
    shares, faces = pd.Series({"a": 0.5, "b": 0.5}), pd.Series({"a": 1000, "b": 40})
    assert compositions.largest_size(shares, faces) == 80 * compositions.FILLED
    alone = pd.Series({"a": 1.0, "b": 0.0})
    assert compositions.largest_size(alone, faces) == 1000 * compositions.FILLED


def test_every_design_is_a_share_and_names_its_group_alone():
    found = compositions.designs(FACES)
    for name, shares in found.items():
        assert shares.sum() == pytest.approx(1), name
        assert (shares >= 0).all()
        assert list(shares.index) == list(compositions.STRATA), name
    for race in groups.RACES:
        shares = found[f"{race} only"]
        assert by(shares, 1)[race] == pytest.approx(1)
        assert by(shares, 0)["female"] == pytest.approx(0.5)
    assert by(found["men only"], 0)["male"] == pytest.approx(1)
    assert by(found["US arrests, men only"], 0)["male"] == pytest.approx(1)
    whiter = found["US arrests, Hispanic people as White"]
    assert by(whiter, 1)["White"] > by(found["US arrests"], 1)["White"]
    named = {*tables.GALLERIES} - {compositions.LEGISLATORS, compositions.OWN}
    assert named == set(found)


def test_own_group_galleries_are_equally_large_and_hold_the_own_label():
    people = members()
    found = compositions.own_group(people, FACES)
    race = np.array([s.split(", ")[1] for s in compositions.STRATA])
    for i, person in people.iterrows():
        label = groups.RACE_OF_GROUP.get(person["group"])
        assert found[i].sum() == (compositions.SIZE if label else 0)
        assert set(race[found[i] > 0]) == ({label} if label else set())


# ---------------------------------------------------------------- chances


def test_chances_are_those_of_every_possible_gallery():
    k, faces, drawn = np.array([[2, 1], [0, 0], [5, 3]]), np.array([5, 3]), np.array([2, 1])
    found = compositions.chances(k, faces, drawn)
    for row, chance in zip(k, found, strict=True):
        first = [i < row[0] for i in range(5)]
        second = [i < row[1] for i in range(3)]
        hits = [any(a) or b for a, b in itertools.product(itertools.combinations(first, 2), second)]
        assert chance == pytest.approx(np.mean(hits))


def test_chances_with_a_gallery_for_each_member():
    k, faces = np.array([[1, 0], [1, 0], [1, 0]]), np.array([4, 4])
    found = compositions.chances(k, faces, np.array([[2, 0], [0, 2], [0, 0]]))
    assert found[:2] == pytest.approx([0.5, 0])
    assert math.isnan(found[2])


def test_counts_leave_out_strata_that_are_not_listed_and_keep_parts_apart():
    scores = np.array([[10, 20, 30, 40]], dtype=np.int16)
    faces = compositions.make_faces(scores, ["a", "b", "a", "z"], [0, 1, 2, 0], ["a", "b", "empty"])
    assert faces.sizes.sum(axis=1).tolist() == [2, 1, 0]
    k = compositions.counts(faces, 20)
    assert k.shape == (1, 3, compositions.PARTS)
    assert k[0].sum(axis=1).tolist() == [1, 1, 0]
    assert k[0, 0, 0] == 1 and k[0, 1, 1] == 1


def test_the_matched_threshold_of_the_whole_gallery_is_the_score_that_flags_so_many():
    rng = np.random.default_rng(1)
    scores = rng.permutation(np.arange(20_000))[: 60 * 300].reshape(60, 300)
    faces = one_stratum(scores)
    step = compositions.matched_step(faces, np.array([300]), wanted=7)
    assert step == np.sort(scores.min(axis=1))[6]


def test_the_matched_threshold_of_a_drawn_gallery_has_the_expected_number():
    rng = np.random.default_rng(2)
    faces = one_stratum(rng.integers(0, 20_000, (100, 500)))
    drawn = np.array([50])
    step = compositions.matched_step(faces, drawn, wanted=9)
    off = [
        abs(
            compositions.chances(
                compositions.counts(faces, s).sum(axis=2), np.array([500]), drawn
            ).sum()
            - 9
        )
        for s in (step - 1, step, step + 1)
    ]
    assert off[1] == min(off) and off[1] < 0.5


def test_ratios_of_flags_are_the_crude_and_the_mantel_haenszel_ratio():
    people = members(400)
    flags = np.random.default_rng(3).random(400) < 0.2
    white, colour = ~people["of_colour"], people["of_colour"]
    crude = flags[colour].mean() / flags[white].mean()
    assert np.exp(compositions.log_ratio(flags.astype(float), people)) == pytest.approx(crude)
    rows = []
    for sex in ("female", "male"):
        a, b = colour & (people["gender"] == sex), white & (people["gender"] == sex)
        rows.append((flags[a].sum(), a.sum(), flags[b].sum(), b.sum()))
    table = pd.DataFrame(rows, columns=["k1", "n1", "k0", "n0"])
    expected = intervals.mantel_haenszel_risk_ratio(table).ratio
    assert np.exp(compositions.log_ratio(flags.astype(float), people, True)) == pytest.approx(
        expected
    )


def test_members_without_a_gallery_are_left_out_of_the_ratio():
    people = members(100)
    chance = np.where(np.arange(100) % 10 == 0, np.nan, 0.3)
    assert compositions.log_ratio(chance, people) == pytest.approx(0)
    assert np.isfinite(compositions.variance_members(chance, people, True))


def test_no_expected_match_in_a_group_gives_no_finite_ratio():
    people = members(50)
    chance = np.where(people["of_colour"], 0.0, 0.2)
    assert compositions.log_ratio(chance, people) == -np.inf
    assert math.isnan(compositions.log_ratio(np.zeros(50), people))


def test_variance_over_members_of_flags_is_the_usual_one():
    people = members(500)
    flags = (np.random.default_rng(4).random(500) < 0.2).astype(float)
    wanted = 0.0
    for mine in (people["of_colour"], ~people["of_colour"]):
        k, n = flags[mine].sum(), mine.sum()
        wanted += (1 / k - 1 / n) * n / (n - 1)  # Katz, with n - 1
    assert compositions.variance_members(flags, people) == pytest.approx(wanted)


def test_the_jackknife_finds_the_spread_between_galleries():
    """Forty galleries of one kind: the variance each of them claims, and that between them."""
    rng = np.random.default_rng(5)
    people = members(150)
    claimed, logs = [], []
    for _ in range(40):
        effect = rng.normal(size=400)
        middle = 4000 + 400 * effect - 300 * people["of_colour"].to_numpy()[:, None]
        scores = middle + 300 * rng.normal(size=(150, 400))
        faces = one_stratum(scores, np.arange(400) % compositions.PARTS)
        k, drawn = compositions.counts(faces, 2900), np.array([20])
        logs.append(
            compositions.log_ratio(
                compositions.chances(k.sum(axis=2), np.array([400]), drawn), people
            )
        )
        claimed.append(compositions.variances_gallery(k, faces.sizes, drawn, people)[0])
    assert 0.5 < np.mean(claimed) / np.var(logs, ddof=1) < 2


# ---------------------------------------------------------------- what ships, by other routes


@pytest.mark.parametrize("model", PRIMARY_MODELS)
@pytest.mark.parametrize("policy", ["default", "primary"])
def test_the_whole_gallery_flags_whom_notebook_02_flags(model, policy):
    name = shipped.PRIMARY if policy == "primary" else "default"
    members = shipped.result("utkface", model, name).members.set_index("member_id")
    table = tables.chances()
    table = table[(table["model"] == model) & (table["policy"] == policy)]
    whole = table[table["composition"] == compositions.WHOLE].set_index("member_id")["chance"]
    assert (whole.reindex(members.index).eq(1) == members["flagged"]).all()
    assert set(whole) <= {0.0, 1.0}


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_chances_at_the_default_agree_with_the_counts_that_ship_by_stratum(model):
    folder = c.DATA / "scores" / f"utkface-{model}"
    k = pd.read_parquet(folder / "counts.parquet").query("threshold == 'default'")
    sizes = pd.read_csv(folder / "strata.csv").set_index("stratum")["faces"]
    k = k.pivot(index="probe_id", columns="stratum", values="faces").fillna(0).astype(int)
    k = k.reindex(columns=sizes.index, fill_value=0)
    table = tables.chances().query("model == @model and policy == 'default'")
    drawn = tables.read("strata").set_index(["composition", "stratum"])["drawn"]
    for name in (*compositions.MAIN, "Others only"):
        mine = drawn[name].reindex(sizes.index).to_numpy()
        again = pd.Series(compositions.chances(k.to_numpy(), sizes.to_numpy(), mine), index=k.index)
        ships = table[table["composition"] == name].set_index("member_id")["chance"]
        again = again.reindex(ships.index, fill_value=0.0)
        assert np.abs(again - ships).max() < 2e-5, name


def test_the_matched_thresholds_have_the_wanted_number():
    table = tables.galleries().query("policy == 'matched'")
    assert (table["expected"] - compositions.WANTED).abs().max() < 1
    sums = table["colour_expected"] + table["white_expected"]
    assert np.abs(sums - table["expected"]).max() < 0.01


def test_every_gallery_has_the_common_size_and_no_stratum_is_small():
    table = tables.read("strata")
    assert (table.groupby("composition")["drawn"].sum() == compositions.SIZE).all()
    assert (table["drawn"] <= table["faces"]).all()
    assert table["faces"].min() >= shipping.SMALLEST


def test_the_wanted_compositions_are_what_ships():
    faces = tables.strata().set_index("stratum")["faces"]
    drawn = tables.read("strata").set_index(["composition", "stratum"])["drawn"]
    for name, shares in compositions.designs(faces).items():
        assert (drawn[name] == compositions.apportion(shares, compositions.SIZE)).all(), name


def test_nothing_that_ships_names_a_face_of_the_gallery():
    for path in compositions.RESULTS.glob("composition*"):
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        assert not {"gallery_id", "cluster", "id"} & set(table.columns), path.name
        for column in table.select_dtypes(["object", "string", "category"]):
            assert not table[column].astype(str).str.fullmatch(r"u\d{5}").any(), path.name


def test_pairs_of_groups_count_every_comparison_once():
    people = tables.congress_test.people_searched()["gender"].value_counts()
    faces = tables.strata().set_index("stratum")["faces"]
    faces = by(faces, 0)
    table = tables.read("heat")
    for _, part in table.groupby("model"):
        assert part["comparisons"].sum() == sum(people[g] * faces[g] for g in groups.GENDERS)
    assert ((table["low"] <= table["fmr"]) & (table["fmr"] <= table["high"])).all()


def test_marks_add_to_28_and_follow_the_ratio():
    table = tables.marks().merge(tables.ratios(), on=["Gallery", "Program"], validate="1:1")
    assert len(table) == len(tables.DRAWN) * len(PRIMARY_MODELS)
    assert table["Marks of colour"].between(0, compositions.WANTED).all()
    assert ((table["Of colour"] > table["By chance"]) == (table["Ratio"] > 1)).all()


def test_the_galleries_of_the_members_ages_are_recomputed_at_another_size(monkeypatch):
    """UTKFace as it is, at the common size of this table, lies where the exact curve has it."""
    table = tables.ages().query("Gallery == 'UTKFace as it is'")
    assert table["Faces"].nunique() == 1
    counts = pd.read_parquet(c.DATA / "scores" / "utkface-dlib-native" / "counts.parquet")
    k = counts.query("threshold == 'fmr:1e-05'").groupby("probe_id")["faces"].sum()
    whole = int(tables.strata()["faces"].sum())
    # one stratum for all: stratified drawing differs from it by little
    n = table["Faces"].iloc[0]
    again = compositions.chances(k.to_numpy()[:, None], np.array([whole]), np.array([n])).sum()
    row = table[(table["Program"] == "Dlib") & table["Threshold"].str.endswith("100,000")]
    assert row["Flagged, expected"].iloc[0] == pytest.approx(again, rel=0.02)


def test_matched_galleries_are_older_and_named_for_what_they_match():
    people = tables.congress_test.people_searched()
    faces = tables.strata().set_index("stratum")["faces"]
    plans = matched.designs(people, faces)
    young = {name: by(shares, 2)[compositions.BANDS[0]] for name, shares in plans.items()}
    assert young[matched.AGES] < 0.01 < 0.5 < young[matched.AS_IT_IS]
