"""Thresholds on their scales: known answers on synthetic pairs, and what ships against itself."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.experiments.what_is_80_percent import halves
from helpers.experiments.what_is_80_percent import tables as t
from helpers.faces import same_person
from helpers.faces.pipelines import MODELS, PRIMARY_MODELS
from helpers.paths import DATA
from helpers.protocol import calibration
from helpers.statistics import intervals

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

from helpers.experiments.what_is_80_percent import make
from helpers.protocol import error_rates, shipped
from helpers.show import numbers


def pairs_of(rng, probes, faces, n):
    """n different impostor pairs, some identities busier than others, scores with ties."""
    every = [(p, g) for p in range(probes) for g in range(faces)]
    weight = np.array([1.0 / (1 + p) for p, _ in every])
    chosen = rng.choice(len(every), n, replace=False, p=weight / weight.sum())
    table = pd.DataFrame([every[i] for i in chosen], columns=["probe_id", "gallery_id"])
    return table.assign(score=np.round(rng.uniform(0, 0.05, n), 3))


# ---------------------------------------------------------------- the FMR curve


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 120))
def test_the_curve_is_the_interval_of_inference_at_every_score(seed, n):
    rng = np.random.default_rng(seed)
    pairs = pairs_of(rng, 12, 15, n)
    curve = make.fmr_curve(pairs, 12, 15)
    assert list(curve["score"]) == sorted(pairs["score"].unique())
    for row in curve.iloc[:: max(1, len(curve) // 5)].to_dict("records"):
        at = pairs[pairs["score"] <= row["score"]]
        assert row["errors"] == len(at)
        assert row["probes"] == at["probe_id"].nunique()
        busy = at["probe_id"].value_counts()
        assert row["effective_probes"] == pytest.approx(len(at) ** 2 / (busy**2).sum(), abs=0.06)
        rate, low, _ = intervals.fmr_interval(at["probe_id"], at["gallery_id"], 12, 15, 180)
        z = stats.norm.ppf(0.975)
        assert low == pytest.approx(rate * np.exp(-z * row["log_se"]), rel=2e-3)


def test_one_identity_behind_all_errors_counts_as_one():
    pairs = pd.DataFrame({"probe_id": "a", "gallery_id": range(40), "score": 0.1})
    row = make.fmr_curve(pairs, 1000, 1000).iloc[-1]
    assert (row["errors"], row["probes"], row["effective_probes"]) == (40, 1, 1.0)
    even = pd.DataFrame({"probe_id": range(40), "gallery_id": range(40), "score": 0.1})
    row_even = make.fmr_curve(even, 1000, 1000).iloc[-1]
    assert row_even["effective_probes"] == 40
    assert row["log_se"] > 4 * row_even["log_se"]


def test_the_curve_refuses_a_pair_that_was_compared_twice():
    twice = pd.DataFrame({"probe_id": ["a", "a"], "gallery_id": ["x", "x"], "score": [0.1, 0.2]})
    with pytest.raises(ValueError, match="twice"):
        make.fmr_curve(twice, 2, 2)


@pytest.fixture
def small_curve(tmp_path, monkeypatch):
    """A curve of one model in a folder of its own: 10 errors at 0.1, 40 at 0.2."""
    head = {"model": "SFace", "impostors": "all"}
    rows = [head | {"score": s, "errors": e, "log_se": 0.1, "probes": 5, "effective_probes": 4.0}
            for s, e in ((0.1, 10), (0.2, 40))]  # fmt: skip
    pd.DataFrame(rows).to_parquet(tmp_path / error_rates.CURVE)
    sizes = {"legislators": 100, "identities": 1000, "comparisons": 100_000}
    pd.DataFrame([head | sizes | {"left_out_as_same_person": 1}]).to_csv(
        tmp_path / error_rates.IMPOSTORS
    )
    monkeypatch.setattr(error_rates, "RESULTS", tmp_path)
    for function in (error_rates.curve, error_rates.impostors):
        function.cache_clear()
    yield
    for function in (error_rates.curve, error_rates.impostors):
        function.cache_clear()


def test_fmr_at_takes_everything_at_or_below_and_offers_from_30_errors(small_curve):
    assert error_rates.fmr_at("SFace", 0.05)["errors"] == 0
    assert not error_rates.fmr_at("SFace", 0.05)["offered"] and np.isnan(
        error_rates.fmr_at("SFace", 0.05)["fmr"]
    )
    assert (
        error_rates.fmr_at("SFace", 0.1)["errors"]
        == error_rates.fmr_at("SFace", 0.1999)["errors"]
        == 10
    )
    assert not error_rates.fmr_at("SFace", 0.1)["offered"]
    found = error_rates.fmr_at("SFace", 0.2)
    assert found["offered"] and found["fmr"] == pytest.approx(40 / 100_000)
    assert found["low"] < found["fmr"] < found["high"]
    assert error_rates.floor("SFace") == pytest.approx(30 / 100_000)
    assert "not offered: 10 in 100,000" in numbers.fmr_text(error_rates.fmr_at("SFace", 0.1))
    with pytest.raises(ValueError, match=r"up to 0\.2"):
        error_rates.fmr_at("SFace", 0.3)


def test_make_counts_what_a_direct_count_gives(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    faces, former = synthetic.people(rng, 60, 16), synthetic.people(rng, 40, 16)
    former[0] = synthetic.near(rng, faces[:1], 0.01)[0]  # one legislator is in the gallery
    ids = {"utkface": [f"u{i:02d}" for i in range(60)], "legislators": [f"v{i}" for i in range(40)],
           "probes": [f"p{i}" for i in range(20)]}  # fmt: skip
    sets = {"utkface": faces, "legislators": former, "probes": synthetic.people(rng, 20, 16)}
    monkeypatch.setattr(
        make.shipping, "load_dataset", lambda d, m: synthetic.collection(ids[d], sets[d], m)
    )
    adult = np.arange(60) >= 10
    labels = pd.DataFrame({"id": ids["utkface"], "adult": adult})
    monkeypatch.setattr(make.galleries, "load_utkface", lambda: labels)
    monkeypatch.setattr(halves.calibration, "LOOSEST", 0.3)
    monkeypatch.setattr(halves.calibration, "TARGETS", (0.2, 1e-3))
    one = pd.Series(ids["utkface"], index=ids["utkface"])
    one["u59"] = "u58"  # one identity twice
    monkeypatch.setattr(make.same_person, "identity_clusters", lambda _: one)
    found = pd.DataFrame({"probe_id": ["v1"]})
    alone = same_person.load_margins(same_person.ALONE)
    monkeypatch.setattr(
        make.same_person, "same_person_alone",
        lambda near, clusters, margin: found if margin.equals(alone["sface-native"])
        else found.iloc[:0],
    )  # fmt: skip
    make.make(tmp_path)
    sizes = pd.read_csv(tmp_path / error_rates.IMPOSTORS).set_index(["model", "impostors"])
    table = pd.read_parquet(tmp_path / error_rates.CURVE)
    assert set(table["model"]) == set(MODELS)
    assert sizes.loc[("sface-native", "all"), "legislators"] == 39
    assert sizes.loc[("Facenet", "all"), "legislators"] == 40
    assert (sizes["comparisons"] == sizes["legislators"] * 49).all()
    scores = 1 - former @ faces[10:59].T
    last = table[table["model"] == "Facenet"].iloc[-1]
    assert last["errors"] == (np.round(scores, 4) <= last["score"] + 1e-9).sum()
    halved = pd.read_csv(tmp_path / halves.FILE)
    assert halved["target_fmr"].eq(0.2).all()  # at 1e-3 a quarter of the pairs has no 30 errors
    assert halved["model"].to_list() == list(MODELS)
    assert halved[["members", "identities", "comparisons"]].eq([20, 49, 10 * 24]).all(axis=None)
    again = tmp_path / "again"
    again.mkdir()
    make.make(again)
    assert (again / error_rates.CURVE).read_bytes() == (tmp_path / error_rates.CURVE).read_bytes()


def crossed(n_members, n_faces, score):
    """All pairs of so many members and faces; score: function of the two indices."""
    pairs = pd.DataFrame(
        [(f"p{i:03d}", f"g{j:03d}", score(i, j)) for i in range(n_members) for j in range(n_faces)],
        columns=["probe_id", "gallery_id", "score"],
    )
    return pairs, pairs["probe_id"].unique(), pairs["gallery_id"].unique()


def test_a_threshold_on_halves_keeps_its_rate_on_the_other_halves():
    rng = np.random.default_rng(1)
    scores = np.round(rng.uniform(0, 1, (80, 90)), 4)
    found = halves.calibrate(*crossed(80, 90, lambda i, j: scores[i, j]), targets=(0.05, 0.01))
    assert found["target_fmr"].to_list() == [0.05]  # 18 errors of 1,800 are too few for 0.01
    row = found.iloc[0]
    assert row["errors"] <= 0.05 * 40 * 45 == 90
    assert row["threshold"] == pytest.approx(0.05, abs=0.01)
    assert row["held_out"] == pytest.approx(0.05, abs=0.005)
    assert row["lowest"] < row["threshold"] < row["highest"]


@pytest.mark.parametrize("side", ["member", "face"])
def test_the_other_halves_share_nobody_with_those_that_set_the_threshold(side):
    """One person is near everybody: on the others missing, or the cause of most errors."""
    scores = np.round(np.random.default_rng(2).uniform(0.3, 0.9, (20, 60)), 4)
    scores[7] = 0.1
    scores = scores if side == "member" else scores.T
    pairs = crossed(*scores.shape, lambda i, j: scores[i, j])
    found = halves.calibrate(*pairs, targets=(0.1,), splits=50).iloc[0]
    assert found["errors"] == 0.1 * 10 * 30
    assert (found["held_out_low"], found["lowest"]) == (0, 0.1)
    assert found["held_out_high"] > 0.15


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_the_halves_that_ship_are_those_of_the_members(model):
    mine = t.calibrated().query("model == @model")
    assert mine["target_fmr"].to_list() == [1e-4, 1e-3]
    for row in mine.to_dict("records"):
        assert row["errors"] >= 30 and row["members"] == 529
        at = error_rates.errors_at(model, row["threshold"])["implied_fmr"]
        assert at == pytest.approx(row["target_fmr"], rel=0.1)
        assert row["held_out_low"] < row["held_out"] < row["held_out_high"]


@pytest.mark.parametrize("model", MODELS)
def test_what_ships_agrees_with_the_calibrated_thresholds(model):
    mine = calibration.thresholds().query("model == @model")
    assert len(mine) >= 3
    for row in mine.to_dict("records"):
        found = error_rates.fmr_at(model, row["threshold"])
        assert (found["errors"], found["comparisons"]) == (row["errors"], row["comparisons"])
        for key in ("fmr", "low", "high"):
            assert found[key] == pytest.approx(row[key], rel=1e-3)


# ---------------------------------------------------------------- the members


def test_genuine_pairs_are_different_photographs():
    same = set(pd.read_csv(DATA / "manifests" / "same-photographs.csv")["id"])
    kept = set(pd.read_csv(DATA / "manifests" / "second-portraits.csv")["id"])
    for model in PRIMARY_MODELS:
        pairs = error_rates.genuine(model)
        assert set(pairs["probe_id"]) == kept and not kept & same
        assert np.isfinite(pairs["score"]).sum() == 262


@pytest.mark.parametrize("model", PRIMARY_MODELS)
def test_errors_at_are_direct_counts(model):
    at = error_rates.threshold_of(model, shipped.PRIMARY)
    row, pairs = error_rates.errors_at(model, at), error_rates.genuine(model)
    result = shipped.result("utkface", model, shipped.PRIMARY).summary
    assert row["flagged"] == result["falsely_matched"] == 28
    assert row["implied_fmr"] == pytest.approx(result["implied_fmr"])
    finite = pairs[np.isfinite(pairs["score"])]
    assert row["missed"] == (finite["score"] > at + 1e-9).sum()
    assert row["not_found"] == row["missed"] + len(pairs) - len(finite)
    beaten = (pairs["score"] <= at) & (pairs["score"] > pairs["best_impostor"])
    assert row["not_first"] == row["not_found"] + beaten.sum()


@settings(max_examples=15, deadline=None)
@given(a=st.floats(0, 0.6), b=st.floats(0, 0.6), model=st.sampled_from(PRIMARY_MODELS))
def test_a_looser_threshold_flags_more_and_misses_less(a, b, model):
    strict, loose = (error_rates.errors_at(model, x) for x in sorted((a, b)))
    assert strict["flagged"] <= loose["flagged"]
    assert strict["missed"] >= loose["missed"] and strict["not_found"] >= loose["not_found"]


@pytest.mark.parametrize("model", MODELS)
def test_the_tradeoff_passes_through_the_single_thresholds(model):
    table = t.tradeoff(model)
    assert table["fpir"].is_monotonic_increasing and table["fnmr"].is_monotonic_decreasing
    for row in table.iloc[[0, len(table) // 3, -1]].to_dict("records"):
        found = error_rates.errors_at(model, row["threshold"])
        assert (row["fpir"], row["fnmr"]) == pytest.approx((found["fpir"], found["fnmr"]))


# ---------------------------------------------------------------- deepface's confidence


@pytest.mark.parametrize("model", t.DEEPFACE_MODELS)
def test_confidence_is_deepfaces_and_rescales_its_logistic(model):
    from deepface.config.confidence import confidences

    config = t.configuration(model)
    of = confidences[config.recogniser][config.metric]
    middle = 0.6 * config.default_threshold
    raw = float(t.logistic(model, middle))
    span = of["denorm_max_true"] - of["denorm_min_true"]
    low = max(51, of["denorm_min_true"])
    by_hand = low + (raw - of["denorm_min_true"]) / span * (100 - low)
    assert t.confidence(model, middle) == pytest.approx(min(100, max(51, by_hand)), abs=0.01)
    assert t.confidence(model, config.default_threshold) >= 51
    assert t.confidence(model, config.default_threshold + error_rates.STEP) <= 49


@pytest.mark.parametrize("model", t.DEEPFACE_MODELS)
@pytest.mark.parametrize("wanted", [60.0, *t.CONFIDENCES])
def test_distance_for_is_the_last_one_that_reaches_a_confidence(model, wanted):
    at = t.distance_for(model, wanted)
    assert (
        t.confidence(model, at, True) >= wanted > t.confidence(model, at + error_rates.STEP, True)
    )


def test_no_distance_has_a_confidence_above_100():
    with pytest.raises(ValueError, match="101"):
        t.distance_for("SFace", 101.0)


# ---------------------------------------------------------------- tables for reading


@pytest.mark.parametrize(
    "rate, text",
    [(1e-5, "1 in 100,000"), (1 / 98_400, "1 in 98,000"), (1 / 456, "1 in 460"), (0.5, "1 in 2")],
)
def test_small_rates_are_written_to_two_digits(rate, text):
    assert numbers.one_in(rate) == text


def test_an_fmr_on_fewer_than_30_errors_is_not_offered():
    assert t.fmr_or_not(29, 1e-5) == "not offered (29 errors)"
    assert t.fmr_or_not(30, 1e-5) == "1 in 100,000"


def test_the_marked_thresholds_are_what_their_names_say():
    table = t.marked().set_index(["mark", "model"])
    assert (table.loc[t.AT_28, "flagged"] == 28).all()
    assert (table.loc[t.NONE, "flagged"] == 0).all()
    for model, at in table.loc[t.NONE, "threshold"].items():
        assert error_rates.errors_at(model, at + error_rates.STEP)["flagged"] >= 1
    at = table.loc[t.STRICT, "implied_fmr"]
    assert at.to_list() == pytest.approx([t.STRICT_FMR] * len(MODELS), rel=0.1)
    for model in MODELS:
        config = t.configuration(model)
        assert table.loc[(t.DEFAULT, model), "threshold"] == config.default_threshold


def test_a_list_finds_at_least_whom_a_decision_finds():
    shown = t.show_uses().set_index("Program")
    firsts = shown.filter(like="own portrait").map(lambda text: int(text.split()[0]))
    assert (firsts.iloc[:, 0] >= firsts.iloc[:, 1]).all()
    assert (firsts.iloc[:, 1] >= firsts.iloc[:, 2]).all()
    sface = error_rates.genuine("sface-native")
    assert firsts.loc["SFace"].iloc[0] == (sface["score"] <= sface["best_impostor"]).sum()


SHOWN = [getattr(t, n) for n in dir(t) if n.startswith("show_")]


@pytest.mark.parametrize("show", SHOWN, ids=lambda f: f.__name__)
def test_tables_have_no_holes(show):
    table = show()
    assert len(table) and not table.isna().any(axis=None)
    assert not table.astype(str).apply(lambda c: c.str.contains(r"\bnan\b")).any(axis=None)
