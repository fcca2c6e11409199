"""The specification curve: every choice once, the rules, what survives; and what ships for it."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.experiments.the_congress_test import tables as headline
from helpers.experiments.which_model import detectors, words
from helpers.experiments.which_model import tables as spec
from helpers.faces.pipelines import PRIMARY_MODELS
from helpers.protocol.scores import load_scores
from helpers.statistics import intervals, rates

N = 120
RNG = np.random.default_rng(7)


def members(n=N) -> pd.DataFrame:
    """n members: every fourth of colour, half of those Asian; every third a woman."""
    i = np.arange(n)
    group = np.where(i % 4 == 0, np.where(i % 8 == 0, "East Asian", "Black"), "White")
    return pd.DataFrame(
        {
            "member_id": [f"M{k:03d}" for k in i],
            "group": group,
            "of_colour": group != "White",
            "gender": np.where(i % 3 == 0, "female", "male"),
        }
    )


def setting(first, second=None, removed=0, failed=(), **changes) -> dict:
    """One search with the given best scores of M000, M001, ..., alike in every variant."""
    tables = []
    for portrait, best in (("first", first), ("second", first if second is None else second)):
        table = pd.DataFrame({"probe_id": members(len(best))["member_id"], "portrait": portrait})
        tables.append(table.assign(any=best, rule=best, p90=np.asarray(best) + 1))
    best = pd.concat(tables)
    choices = {"model": "SFace", "gallery": "utkface", "size": "whole", "detector": "yunet",
               "framing": detectors.FRAMINGS[0]}  # fmt: skip
    return {
        "choices": choices | changes,
        "best": best[~best["probe_id"].isin(failed)],
        "removed": removed,
        "faces": 1000,
        "default": 0.5,
        "fmr": {1e-4: 0.3},
    }


def specify(*all_settings, n=N, has_second=None) -> spec.Curve:
    none = np.zeros(n, dtype=bool) if has_second is None else has_second
    return spec.specify(list(all_settings), members(n), none)


def row(found, **choices) -> pd.Series:
    table = found.table
    for name, value in choices.items():
        table = table[table[name].eq(value)]
    assert len(table) == 1
    return table.iloc[0]


FIRST = {"portrait": "first", "variant": "any", "denominator": "searched"}


def test_choices_that_change_nothing_make_no_specification():
    best = RNG.random(N)
    found = specify(setting(best))
    # two portraits, any and p90, five policies: fmr:1e-5 and fmr:1e-6 are not on offer
    assert len(found.table) == 2 * 2 * 5
    assert set(found.table["variant"]) == {"any", "p90"}
    assert set(found.table["denominator"]) == {"searched"}
    assert len(specify(setting(best, removed=3)).table) == 2 * 3 * 5
    assert len(specify(setting(best, removed=3, failed=["M007"])).table) == 2 * 3 * 5 * 2
    assert not found.table.duplicated(list(spec.AXES)).any()


def test_rates_and_ratios_are_what_a_direct_count_gives():
    best = RNG.random(N).round(4)
    found = specify(setting(best, failed=["M001", "M004"]))
    people = members()
    for denominator in ("searched", "enrolled"):
        mine = row(found, policy="fmr:1e-4", **FIRST | {"denominator": denominator})
        here = ~people["member_id"].isin(["M001", "M004"]).to_numpy()
        searched = here if denominator == "enrolled" else np.ones(N, dtype=bool)
        flagged = here & (best <= 0.3)
        colour = people["of_colour"].to_numpy()
        assert (mine["flagged"], mine["searched"]) == (flagged.sum(), searched.sum())
        assert mine["fpir"] == flagged.sum() / searched.sum()
        assert (mine["low"], mine["high"]) == pytest.approx(
            intervals.wilson(flagged.sum(), searched.sum())
        )
        counts = [(flagged & colour).sum(), (searched & colour).sum(),
                  (flagged & ~colour).sum(), (searched & ~colour).sum()]  # fmt: skip
        expected = intervals.risk_ratio(*counts)
        assert (mine["ratio"], mine["ratio_low"], mine["ratio_high"]) == pytest.approx(expected[:3])
        black = (people["group"] == "Black").to_numpy()
        assert mine["not_asian"] == pytest.approx(
            ((flagged & black).sum() / (searched & black).sum()) / (counts[2] / counts[3])
        )
    assert found.table["failures"].eq(2).all()


def test_a_policy_by_count_flags_that_many_and_has_no_interval():
    found = specify(setting(RNG.permutation(N) / 1000))
    for k in (14, 28, 56):
        mine = row(found, policy=f"count:{k}", **FIRST)
        assert mine["flagged"] == k and np.isnan(mine["low"])


def test_a_search_of_first_portraits_alone_has_no_other_portrait_and_no_p90():
    only = setting(RNG.random(N))
    only["best"] = only["best"].query("portrait == 'first'").drop(columns="p90")
    found = specify(only)
    assert len(found.table) == 5
    assert set(found.table["portrait"]) == {"first"} and set(found.table["variant"]) == {"any"}


def test_the_other_portrait_replaces_the_first_only_where_there_is_one():
    has = np.arange(N) < 60
    second = np.where(np.arange(N) < 30, 0.1, 0.9)
    found = specify(setting(np.full(N, 0.2), second), has_second=has)
    mine = row(found, policy="fmr:1e-4", **FIRST | {"portrait": "second"})
    assert mine["flagged"] == 30 + 60
    assert row(found, policy="fmr:1e-4", **FIRST)["flagged"] == N


def test_each_rule_keeps_its_specifications_from_counting():
    n = 200
    spread = np.arange(n) / n
    found = specify(setting(spread, failed=[f"M{k:03d}" for k in range(189, 200)]), n=n)
    assert set(found.table["why"]) == {"score alone", "failures"}  # 11 of 200 is over 5 %
    found = specify(setting(spread), n=n)
    assert row(found, policy="default", **FIRST)["why"] == "many"
    assert row(found, policy="fmr:1e-4", **FIRST)["why"] == ""
    few = setting(spread) | {"fmr": {1e-4: 0.04, 1e-5: 0.045}}
    assert row(specify(few, n=n), policy="fmr:1e-4", **FIRST)["why"] == "few"  # 9 flagged
    assert row(specify(few, n=n), policy="fmr:1e-5", **FIRST)["why"] == ""  # 10 flagged
    tied = np.where(np.arange(n) < 31, 0.1, 0.9)
    assert row(specify(setting(tied), n=n), policy="count:28", **FIRST)["why"] == "ties"
    tied = np.where(np.arange(n) < 30, 0.1, 0.9)
    assert row(specify(setting(tied), n=n), policy="count:28", **FIRST)["why"] == ""
    assert (spec.counted(found).table["why"] == "").all()
    assert len(spec.counted(found).flagged) == len(spec.counted(found).table)


counts = st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=3))
def test_many_mantel_haenszel_ratios_equal_single_ones(strata):
    rows = pd.DataFrame([(*a, *b) for a, b in strata], columns=["k1", "n1", "k0", "n0"])
    if not (rows[["n1", "n0"]] > 0).all(axis=1).all():
        return
    found = [float(x[0]) for x in spec.mantel_haenszel(rows.to_numpy(dtype=float)[:, :, None])]
    single = intervals.mantel_haenszel_risk_ratio(rows)
    assert found == pytest.approx(single[:3], nan_ok=True)


def two_models(a, b) -> spec.Curve:
    """Two specifications that differ in the model, flagging the given members of 120."""
    flags = np.zeros((2, N), dtype=bool)
    flags[0, a], flags[1, b] = True, True
    shared = {axis: options[0] for axis, options in spec.AXES.items()} | {"policy": "count:28"}
    table = pd.DataFrame([shared | {"model": m, "why": ""} for m in ("SFace", "Facenet")])
    return spec.Curve(table, flags, np.ones_like(flags), members())


def test_moves_gives_the_factor_the_flips_and_the_shared_names():
    colour = np.flatnonzero(members()["of_colour"])
    white = np.flatnonzero(~members()["of_colour"])
    found = two_models([*colour[:20], *white[:10]], [*colour[:5], *white[:25]])
    (mine,) = spec.moves(found).to_dict("records")
    logs, _ = spec.log_ratios(found, members()["of_colour"].to_numpy())
    assert np.exp(logs) == pytest.approx([(20.5 / 31) / (10.5 / 91), (5.5 / 31) / (25.5 / 91)])
    assert mine["choice"] == "model" and mine["pairs"] == 1 and mine["flips"] == 1
    assert mine["factor"] == pytest.approx(np.exp(abs(logs[0] - logs[1])))
    assert mine["shared"] == pytest.approx(15 / 30)
    same = spec.moves(two_models(colour[:9], colour[:9])).iloc[0]
    assert (same["factor"], same["flips"], same["shared"]) == (1, 0, 1)


def test_the_joint_test_finds_a_planted_difference_and_is_level_without_one():
    colour = members()["of_colour"].to_numpy()
    rng = np.random.default_rng(1)
    chance = np.where(colour, 0.6, 0.15)
    flags = rng.random((40, N)) < chance
    table = pd.DataFrame({"policy": ["count:28"] * 40})
    everyone = np.ones_like(flags)
    planted = spec.joint_test(spec.Curve(table, flags, everyone, members()), draws=199)
    planted = planted.set_index("statistic")
    assert planted.at["median ratio", "p"] == pytest.approx(2 / 200)
    assert planted.at["median ratio", "observed"] > 2.5
    small = 0
    for seed in range(40):
        # one underlying order of members for all specifications: as dependent as can be
        order = np.random.default_rng(seed).random(N)
        flags = order < np.linspace(0.1, 0.4, 20)[:, None]
        null = spec.Curve(table, flags, np.ones_like(flags), members())
        found = spec.joint_test(null, draws=99, seed=seed).set_index("statistic")
        small += found.at["median ratio", "p"] <= 0.1
        assert 0.6 < found.at["median ratio", "expected"] < 1.7
    assert small <= 10  # 4 expected of 40


def test_the_shuffle_stays_within_recorded_sex():
    """A difference between the sexes alone is expected, not found."""
    people = members()
    female = people["gender"].eq("female").to_numpy()
    people["of_colour"] = np.where(female, np.arange(N) % 2 == 0, np.arange(N) % 9 == 1)
    flags = np.random.default_rng(3).random((30, N)) < np.where(female, 0.5, 0.1)
    found = spec.Curve(pd.DataFrame(index=range(30)), flags, np.ones_like(flags), people)
    table = spec.joint_test(found, draws=199).set_index("statistic")
    assert table.at["median ratio", "expected"] > 1.4


def test_names_count_the_specifications_that_flag_a_member():
    found = two_models([0, 1], [1, 2])
    assert spec.names(found).head(4).to_list() == [1, 2, 1, 0]


def test_by_group_compares_with_the_white_members():
    colour = np.flatnonzero(members()["group"] == "Black")
    white = np.flatnonzero(members()["group"] == "White")
    with np.errstate(invalid="ignore"):
        table = spec.by_group(two_models([*colour[:5], *white[:5]], white[:9])).set_index("group")
    assert table.at["Black", "above"] == 1 and table.at["East Asian", "above"] == 0
    assert table.at["White", "greatest"] == pytest.approx(9 / 90)


def test_uneven_failures_are_found_and_even_ones_are_not():
    exact = stats.fisher_exact([[4, 4], [50, 20]]).pvalue
    assert spec.chance_of(np.array([[4, 4], [50, 20]])) == pytest.approx(exact, abs=0.02)
    assert spec.chance_of(np.array([[14, 27, 4], [477, 207, 169]])) < 0.001
    assert spec.chance_of(np.array([[3, 3, 3], [97, 97, 97]])) > 0.99
    assert spec.chance_of(np.array([[0, 0], [5, 9]])) == 1


# ---- samples and framing


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.integers(1, 80))
def test_drawn_clusters_are_whole_and_not_too_many(sizes, limit):
    clusters = pd.Series(np.repeat([f"c{i:02d}" for i in range(len(sizes))], sizes))
    drawn = detectors.draw_clusters(clusters, limit)
    assert len(drawn) <= limit
    chosen = set(clusters[drawn])
    assert len(drawn) == clusters.isin(chosen).sum()
    assert drawn == detectors.draw_clusters(clusters, limit)
    if sum(sizes) <= limit:
        assert len(drawn) == sum(sizes)


def test_a_cropped_face_lies_as_the_framing_says():
    image = np.zeros((400, 300, 3), dtype=np.uint8)
    image[150:250, 100:180] = 255  # the face: 80 wide, 100 high
    want = {"side": 0.6, "centre_x": 0.5, "centre_y": 0.45}
    crop = detectors.crop_like(image, (100, 150, 80, 100), want)
    assert crop.shape == (200, 200, 3)
    y, x = np.nonzero(crop[:, :, 0] > 127)
    width, height = np.ptp(x) + 1, np.ptp(y) + 1
    assert np.sqrt(width * height) / 200 == pytest.approx(0.6, abs=0.02)
    assert (x.mean() / 200, y.mean() / 200) == pytest.approx((0.5, 0.45), abs=0.02)


def test_a_crop_beyond_the_image_repeats_its_edge():
    image = np.full((100, 100, 3), 80, dtype=np.uint8)
    want = {"side": 0.3, "centre_x": 0.5, "centre_y": 0.5}
    crop = detectors.crop_like(image, (0, 0, 90, 90), want)
    assert (crop == 80).all()


def test_typical_framing_is_the_median_of_what_was_found():
    boxes = pd.DataFrame(
        {
            "width": [100, 100, 200, 100],
            "box_x": [10, 20, 40, np.nan],
            "box_y": [0, 10, 20, np.nan],
            "box_w": [40, 40, 80, np.nan],
            "box_h": [90, 90, 180, np.nan],
        }
    )
    found = detectors.typical_framing(boxes)
    assert found == pytest.approx({"faces": 3, "side": 0.6, "centre_x": 0.4, "centre_y": 0.55})


# ---- what ships


def test_the_curve_holds_the_primary_analysis():
    table = spec.curve().table
    primary = headline.primary().set_index("model")
    for model in PRIMARY_MODELS:
        choices = {axis: options[0] for axis, options in spec.AXES.items()}
        choices |= {"model": model, "variant": "rule", "policy": "count:28"}
        mine = table[(table[list(choices)] == pd.Series(choices)).all(axis=1)]
        assert len(mine) == 1
        for ours, theirs in (("ratio", "ratio"), ("ratio_low", "ratio_low"),
                             ("within", "ratio_within_sex"), ("within_low", "ratio_within_sex_low"),
                             ("flagged", "flagged"), ("threshold", "threshold")):  # fmt: skip
            assert mine[ours].item() == pytest.approx(primary.at[model, theirs]), ours


def test_a_sample_is_never_nearer_than_the_whole_gallery():
    best = pd.read_parquet(spec.RESULTS / "detectors.parquet")
    for model in PRIMARY_MODELS:
        whole = load_scores(f"utkface-{model}").best.query("portrait == 'first'")
        whole = whole.set_index("probe_id")
        part = best.query(
            "model == @model and gallery == 'utkface sample' and detector == 'yunet'"
        ).set_index("probe_id")
        assert len(part) > 500
        assert (part["any"] >= whole["any"].reindex(part.index) - 1e-9).all()
        assert rates.at_or_below(part["any"], 5).all()


def test_what_ships_of_private_people_is_scores_and_counts_of_fifty():
    best = pd.read_parquet(spec.RESULTS / "detectors.parquet")
    assert list(best.columns) == [*spec.KEYS, "probe_id", "any", "rule"]
    assert not best["probe_id"].str.fullmatch(r"u\d{5}").any()
    assert not best.duplicated([*spec.KEYS, "probe_id"]).any()
    failures = pd.read_csv(spec.RESULTS / "detectors-failures.csv")
    assert failures.query("dataset == 'utkface'")["images"].min() >= 50
    assert (failures["failures"] + failures["elsewhere"] <= failures["images"]).all()
    assert len(pd.read_csv(spec.RESULTS / "detectors-framing.csv")) == 3


def test_survival_adds_up_over_models_and_galleries():
    table = words.survival().set_index(["conclusion", "of"])["holds"]
    for claim, axis in itertools.product(words.CLAIMS, ("model", "gallery")):
        assert table[claim, "all"] == sum(table[claim, o] for o in spec.AXES[axis])


def test_sentences_follow_the_numbers():
    k, n = words.holds("above")
    assert words.how_many(k, n) in words.answer() and f"above 1 in {k:,}" in words.finding()
    assert words.how_many(3, 3) == "all 3" and words.how_many(0, 3) == "none of 3"
    first = words.moves().sort_values("factor").iloc[-1]
    assert words.AXIS_NAMES[first["choice"]] in words.title_moves()
    for name in dir(words):
        if re.match(r"words_|caption_|alt_|title_", name):
            text = getattr(words, name)()
            assert text and "nan" not in text and "  " not in text, name
