"""The audit of gender classification: guesses, cells, thresholds on made-up data with known
answers, and what ships against what the images give."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.experiments.what_gender_does_it_see import tables as g
from helpers.experiments.what_gender_does_it_see.tables import CONFIDENCES
from helpers.faces import enrolment
from helpers.faces.gender_classifiers import CLASSIFIERS
from helpers.paths import DATA
from helpers.protocol import shipping
from helpers.sources import galleries, rosters


@pytest.fixture
def fresh():
    """The cached tables, forgotten before and after a test that replaces what they read."""
    cached = [f for f in vars(g).values() if hasattr(f, "cache_clear")]
    for f in cached:
        f.cache_clear()
    yield
    for f in cached:
        f.cache_clear()


def guesses(values: dict, classifier="faceres") -> pd.DataFrame:
    """Rows as from `guess_faces`: {id: p_female or None}."""
    rows = [
        (i, classifier, np.nan if p is None else p, g.NO_FACE if p is None else "")
        for i, p in values.items()
    ]
    return pd.DataFrame(rows, columns=["id", "classifier", "p_female", "failure"])


# ---- one guess


@pytest.mark.parametrize(
    ("p", "guess", "confidence"),
    [
        (0.5, "female", 0.5), (0.4999, "male", 0.5), (0.4, "male", 0.6), (0.4001, "male", 0.5),
        (0.9, "female", 0.9), (0.8999, "female", 0.8), (0.1, "male", 0.9), (0.05, "male", 0.95),
        (0.01, "male", 0.99), (0.0101, "male", 0.95), (1.0, "female", 0.99), (0.0, "male", 0.99),
    ],
)  # fmt: skip
def test_a_guess_and_the_confidence_it_reaches(p, guess, confidence):
    called, reached = g.call(pd.Series([p]))
    assert (called[0], reached[0]) == (guess, confidence)


def test_no_guess_without_a_face():
    called, reached = g.call(pd.Series([np.nan, 0.7]))
    assert called.isna().tolist() == [True, False] == reached.isna().tolist()


@given(st.lists(st.integers(0, 10000), min_size=1, max_size=50))
def test_a_guess_and_its_mirror_image(values):
    p = pd.Series(values) / 10000
    called, reached = g.call(p)
    other, again = g.call((1 - p).round(4))
    assert (reached == again).all()
    assert ((called != other) | (p == 0.5)).all()
    assert (reached <= np.maximum(p, 1 - p) + 1e-9).all()


# ---- counts of private people


STRATA = pd.DataFrame(
    {"gender": ["female"] * 5 + ["male"] * 3, "race": "White", "age_band": "18-34"},
    index=list("abcdefgh"),
)
MADE = {"a": 0.97, "b": 0.85, "c": 0.45, "d": 0.005, "e": None, "f": 0.02, "g": 0.7, "h": 0.35}


@pytest.fixture
def strangers(fresh, tmp_path, monkeypatch):
    """A made-up table of strangers, written and read as the real one."""
    tables = [g.count_guesses(guesses(MADE, name), STRATA) for name in CLASSIFIERS]
    pd.concat(tables).to_csv(tmp_path / g.STRANGERS, index=False)
    monkeypatch.setattr(g, "RESULTS", tmp_path)


def test_counts_lose_nobody_and_name_nobody():
    table = g.count_guesses(guesses(MADE), STRATA)
    columns = ["classifier", "gender", "race", "age_band", "guess", "confidence", "faces"]
    assert list(table.columns) == columns
    assert table["faces"].sum() == len(MADE)
    failed = table[table["guess"] == g.NO_FACE]
    assert failed["faces"].tolist() == [1] and failed["confidence"].isna().all()


def test_errors_and_silence_at_a_threshold(strangers):
    rows = g.stranger_errors("gender").set_index(["classifier", "gender"])
    women, men = rows.loc[("faceres", "female")], rows.loc[("faceres", "male")]
    assert women[["faces", "n", "wrong", "undecided", "failed"]].tolist() == [4, 4, 2, 0, 1]
    assert men[["faces", "n", "wrong", "undecided", "failed"]].tolist() == [3, 3, 1, 0, 0]
    rows = g.stranger_errors("gender", threshold=0.8).set_index(["classifier", "gender"])
    women, men = rows.loc[("faceres", "female")], rows.loc[("faceres", "male")]
    assert women[["faces", "n", "wrong", "undecided"]].tolist() == [4, 3, 1, 1]
    assert women["rate"] == pytest.approx(1 / 3) and women["share"] == pytest.approx(1 / 4)
    assert men[["faces", "n", "wrong", "undecided"]].tolist() == [3, 1, 0, 2]
    rows = g.stranger_errors("gender", threshold=0.99).set_index(["classifier", "gender"])
    nobody = rows.loc[("faceres", "male")]
    assert nobody["n"] == 0 and np.isnan(nobody[["rate", "low", "high"]].astype(float)).all()


def test_the_authors_rule_moves_the_faces_between(strangers):
    library, author = (g.errors(g.male_from(cut), "gender").set_index("gender") for cut in g.CUTS)
    # c (0.45 female) is called female from 0.6 on; h (0.35) stays male
    assert library["wrong"].to_dict() == {"female": 2, "male": 1}
    assert author["wrong"].to_dict() == {"female": 1, "male": 1}
    assert author["n"].to_dict() == {"female": 4, "male": 3}


def test_one_face_of_each_identity_and_all_failures(tmp_path, monkeypatch):
    labels = pd.DataFrame(
        {"age": [20, 40, 40, 50, 50, 30], "gender": "female", "race": "White",
         "adult": [True, True, True, True, True, False]},
        index=pd.Index(list("abcdef"), name="id"),
    )  # fmt: skip
    clusters = pd.Series({"a": "a", "b": "b", "c": "b", "d": "d", "f": "f"})  # e: no face
    monkeypatch.setattr(galleries, "load_utkface", lambda: labels.reset_index())
    monkeypatch.setattr(shipping, "load_dataset", lambda *_: None)
    monkeypatch.setattr(g.same_person, "identity_clusters", lambda _: clusters)
    monkeypatch.setattr(shipping, "SMALLEST", 1)
    strata = g.strangers()
    assert strata.index.tolist() == ["a", "b", "d", "e"]
    assert strata["age_band"].tolist() == ["18-34", "35-75", "35-75", "35-75"]
    monkeypatch.setattr(shipping, "SMALLEST", 2)
    with pytest.raises(ValueError, match="too few people"):
        g.strangers()


# ---- the members' cells


def test_cells_add_up():
    table = g.member_errors().set_index(["classifier", "cell"])[["wrong", "n", "failed"]]
    for name in CLASSIFIERS:
        cell = table.loc[name]
        every = cell.loc["All members"]
        assert (cell.loc["Women"] + cell.loc["Men"] == every).all()
        assert (cell.loc["White members"] + cell.loc["Members of colour"] == every).all()
        assert every["n"] + every["failed"] == 529
        for word in ("women", "men"):
            parts = [f"{group} {word}" for group in rosters.GROUPS[1:]]
            colour = f"{word.capitalize()} of colour"
            assert (cell.loc[parts].sum() == cell.loc[colour]).all()
            asian = cell.loc[[f"East Asian {word}", f"South Asian {word}"]].sum()
            assert (cell.loc[f"{colour}, not Asian"] + asian == cell.loc[colour]).all()


def test_errors_are_disagreements_with_the_roster(fresh, tmp_path, monkeypatch):
    members = rosters.load_members()
    woman = members.query("gender == 'female' and group == 'Black'").member_id.iloc[0]
    man = members.query("gender == 'male' and group == 'White'").member_id.iloc[0]
    lost = members.query("gender == 'male' and group == 'Hispanic'").member_id.iloc[0]
    rows = [(woman, 0.2, ""), (man, 0.1, ""), (lost, None, g.NO_FACE)]
    table = pd.DataFrame(rows, columns=["member_id", "p_female", "failure"])
    table = pd.concat([table.assign(classifier=name) for name in CLASSIFIERS])
    table.to_csv(tmp_path / g.MEMBERS, index=False)
    monkeypatch.setattr(g, "RESULTS", tmp_path)
    cells = g.member_errors().set_index(["classifier", "cell"])
    assert cells.loc[("faceres", "Black women"), ["wrong", "n"]].tolist() == [1, 1]
    assert cells.loc[("faceres", "Men"), ["wrong", "n", "failed"]].tolist() == [0, 1, 1]
    assert np.isnan(cells.loc[("faceres", "Hispanic men"), "rate"])
    for threshold, wanted in {0.8: [1, 1, 0], 0.9: [0, 0, 1]}.items():
        rows = g.errors(g.member_counts(), "gender", threshold=threshold)
        women = rows.set_index(["classifier", "gender"]).loc[("faceres", "female")]
        assert women[["n", "wrong", "undecided"]].tolist() == wanted


def test_a_higher_threshold_decides_fewer():
    keys = ["people", "classifier", "gender"]
    for _, part in g.curves().groupby(keys, observed=True):
        assert part["threshold"].tolist() == list(CONFIDENCES)
        assert part["n"].is_monotonic_decreasing and part["wrong"].is_monotonic_decreasing
        assert (part["n"] + part["undecided"] == part["faces"]).all()
        assert part["undecided"].iloc[0] == 0


# ---- what ships


def test_what_ships_of_private_people_is_counts_of_large_strata():
    table = pd.read_csv(DATA / "results" / g.STRANGERS)
    strata = table.groupby(["classifier", "gender", "race", "age_band"])["faces"].sum().unstack(0)
    assert len(strata) == 20 and strata.min(axis=None) >= shipping.SMALLEST == 50
    assert (strata[CLASSIFIERS[0]] == strata[CLASSIFIERS[1]]).all()
    assert set(table["guess"]) == {"female", "male", g.NO_FACE}
    assert set(table["confidence"].dropna()) == set(CONFIDENCES)
    # no more faces than the set has, and as many of them without one
    known = pd.read_csv(DATA / "scores" / "utkface-enrolment.csv", keep_default_na=False)
    known = known[known["age_band"].isin(galleries.AGE_BANDS[1:4]) & known["gender"].ne("")]
    band = np.where(known["age_band"] == "18-34", *g.BANDS)
    known = known.assign(age_band=band).query("race != ''")
    known = known.groupby(["gender", "race", "age_band"])[["images", "failures"]].sum()
    assert (strata[CLASSIFIERS[0]] <= known["images"]).all()
    assert strata[CLASSIFIERS[0]].sum() > 0.95 * known["images"].sum()
    failed = table[table["guess"] == g.NO_FACE]
    failed = failed.groupby(["classifier", "gender", "race", "age_band"])["faces"].sum()
    for name in CLASSIFIERS:
        assert failed[name].reindex(known.index, fill_value=0).equals(known["failures"])


def test_every_portrait_has_a_guess_or_a_reason():
    table = pd.read_csv(DATA / "results" / g.MEMBERS, keep_default_na=False)
    columns = ["member_id", "classifier", "p_female", "failure"]
    assert list(table.columns) == columns
    assert ((table["p_female"] == "") == (table["failure"] != "")).all()
    p = pd.to_numeric(table["p_female"])
    assert p.dropna().between(0, 1).all() and np.allclose(
        p.dropna() * 1e4, (p.dropna() * 1e4).round()
    )
    path = shipping.faces_path("probes", g.MODEL)
    there = set(enrolment.read_faces(path)["id"]), set(enrolment.read_failures(path)["id"])
    for _, part in table.groupby("classifier"):
        failed = part["failure"].ne("")
        assert (set(part["member_id"][~failed]), set(part["member_id"][failed])) == there


def test_a_sample_is_guessed_as_it_ships(mirror):
    ships = pd.read_csv(DATA / "results" / g.MEMBERS, dtype={"failure": str}, keep_default_na=False)
    ids = sorted(ships["member_id"].unique()[::18])
    again = g.guess_faces("probes", ids).rename(columns={"id": "member_id"})
    ships = ships[ships["member_id"].isin(ids)].reset_index(drop=True)
    keys = ["member_id", "classifier", "failure"]
    assert again[keys].equals(ships[keys])
    apart = (again["p_female"] - pd.to_numeric(ships["p_female"])).abs()
    assert apart.max() < 0.002


# ---- what is said


def test_training_sets_and_published_figures_have_sources():
    for name in ("gender.csv", "gender_training.csv"):
        table = pd.read_csv(DATA / "published" / name, dtype=str, keep_default_na=False)
        assert table["source_url"].str.startswith("https://").all()
        statuses = {"primary", "press", "copy of the paper", "our finding"}
        assert set(table["status"]) <= statuses
    assert set(g.show_training()["Classifier"]) == set(CLASSIFIERS)


def test_tables_for_readers_hold_every_cell():
    members = g.show_members()
    assert members["Members"].is_unique and len(members) == 3 + 3 * 8
    small = members[members["Members"].eq("East Asian members")]
    assert "interval" not in small["faceres"].item()  # nine members
    assert len(g.curves()) == 2 * 2 * 2 * len(CONFIDENCES)
    assert len(g.show_threshold()) == 4 * len(g.SHOWN)
    assert len(g.strangers_drawn()) == 2 * 2 * 5


def test_women_labelled_black_are_compared_with_women_labelled_white(fresh, tmp_path, monkeypatch):
    rows = [
        (name, "female", race, "18-34", guess, confidence, faces)
        for name in CLASSIFIERS
        for race, guess, confidence, faces in (
            ("Black", "male", 0.5, 6), ("Black", "female", 0.99, 14),
            ("White", "male", 0.99, 1), ("White", "female", 0.99, 19),
        )
    ]  # fmt: skip
    columns = ["classifier", "gender", "race", "age_band", "guess", "confidence", "faces"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / g.STRANGERS, index=False)
    monkeypatch.setattr(g, "RESULTS", tmp_path)
    table = g.show_black_women().set_index(["Classifier", "Threshold"])
    assert table.loc[("faceres", "0.5"), "Ratio of errors"].startswith("6.00 (")
    assert table.loc[("faceres", "0.8"), "Ratio of errors"].startswith("0.00 (")
    assert table.loc[("faceres", "0.8"), "Black, undecided"] == "30.0 %"
    assert table.loc[("faceres", "0.8"), "White, undecided"] == "0.0 %"
