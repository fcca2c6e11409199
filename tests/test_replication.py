"""Newcomers searched, judged and tabulated, on made-up faces and made-up results."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.errors import UserError
from helpers.experiments.does_it_replicate import make, registration, tables, verdicts
from helpers.faces import same_person
from helpers.faces.pipelines import MODELS, PRIMARY_MODELS, configuration
from helpers.protocol import shipped, shipping
from helpers.protocol.congress_test import Result
from helpers.sources.newcomers import load_newcomers

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

D = 256
IDS = [f"N{i:06d}" for i in range(40)]
PRIVATE = [f"u{i:05d}" for i in range(300)]
GONE = PRIVATE[30:34]


def test_nobody_is_enrolled_without_a_registration(monkeypatch, tmp_path):
    enrolled = []
    monkeypatch.setattr(shipping, "enrol_dataset", lambda *given: enrolled.append(given))

    def refuse():
        raise UserError("register first")

    monkeypatch.setattr(registration, "require", refuse)
    with pytest.raises(UserError, match="register first"):
        make.make(tmp_path)
    assert not enrolled and not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def faces():
    """First and second portraits and a gallery in three pipelines.

    N000000 is in the gallery in all three, N000001 in one only, N000002 looks
    like four faces, GONE, which were left out of the gallery of the 115th: too many to stand apart.
    """
    rng = np.random.default_rng(7)
    sides: tuple[dict, dict, dict] = ({}, {}, {})
    for model in PRIMARY_MODELS:
        who, private = synthetic.people(rng, len(IDS), D), synthetic.people(rng, len(PRIVATE), D)
        private[10] = synthetic.near(rng, who[:1], 0.02)[0]
        private[30:34] = synthetic.near(rng, np.repeat(who[2:3], 4, axis=0), 0.02)
        if model == "sface-native":
            private[20] = synthetic.near(rng, who[1:2], 0.02)[0]
        second = synthetic.near(rng, who[:30], 0.05)
        given = ((IDS, who), (IDS[:30], second), (PRIVATE, private))
        for side, (ids, embeddings) in zip(sides, given, strict=True):
            side[model] = synthetic.collection(ids, embeddings, model)
    return sides


@pytest.fixture
def found(faces, monkeypatch):
    margins = {m: pd.Series([0.3, 0.3, 0.3], index=[1, 2, 3]) for m in PRIMARY_MODELS}
    monkeypatch.setattr(same_person, "load_margins", lambda: margins)
    clusters = pd.Series(PRIVATE, index=PRIVATE)
    rows = [("M000001", cluster, 1, "x", "yes", same_person.SAME, True) for cluster in GONE]
    members = pd.DataFrame(rows, columns=same_person.DECISIONS)
    frozen = {"configuration": {"default_threshold": 0.9}, "threshold": 0.5}
    protocol = {"pipelines": dict.fromkeys(PRIMARY_MODELS, frozen)}
    table = make.search(protocol, *faces, clusters, members)
    return table.set_index(["model", "member_id"])


def test_a_newcomer_in_the_gallery_is_left_out_and_told(found):
    for model in PRIMARY_MODELS:
        row = found.loc[(model, IDS[0])]
        assert row["any"] < 0.5 < row["rule"] and not row["flagged"]
        assert row["decision"] == same_person.SAME and not row["withheld"]


def test_a_contested_match_counts_and_its_name_is_withheld(found):
    row = found.loc[("sface-native", IDS[1])]
    assert row["rule"] < 0.5 < row["strict"]
    assert row["flagged"] and row["withheld"] and row["decision"] == same_person.CONTESTED
    others = found.drop(index=[(m, IDS[1]) for m in PRIMARY_MODELS])
    assert not others["withheld"].any() and not others["flagged"].any()


def test_the_gallery_is_that_of_the_115th(found):
    for model in PRIMARY_MODELS:
        row = found.loc[(model, IDS[2])]
        assert row["any"] < 0.5 < row["rule"] and row["decision"] == ""


def test_the_default_is_another_threshold(found):
    assert found["flagged_default"].sum() > found["flagged"].sum()
    near = found["rule"] <= 0.9
    assert (found["flagged_default"] == near).all()
    assert list(found.index.unique(0)) == list(PRIMARY_MODELS)


def test_the_gate_counts_pairs_that_were_not_compared(faces, monkeypatch):
    first, second, _ = faces
    monkeypatch.setattr(make, "failed", lambda dataset, model: {"N999999"})
    table = make.gate(first, second)
    assert table["model"].tolist() == list(PRIMARY_MODELS)
    assert (table["genuine"] == 30).all() and (table["failed"] == 1).all()
    assert (table["rank_1"] == 30).all()


# ---- tables, on made-up results of the real newcomers


def results(failing="Rashida Tlaib", withheld="Colin Allred") -> pd.DataFrame:
    """Black newcomers and one in twenty others are flagged by every pipeline."""
    people = load_newcomers()
    score = np.where(people["group"].eq("Black") | (np.arange(len(people)) % 20 == 0), 0.2, 0.6)
    one = pd.DataFrame(
        {"member_id": people["member_id"], "any": score, "rule": score,
         "strict": np.where(people["name"].eq(withheld), 0.6, score),
         "withheld": people["name"].eq(withheld), "protocol": "p"}
    )  # fmt: skip
    one.loc[people["name"].eq("Ron Wright"), "any"] = 0.1
    return pd.concat(one[people["name"].ne(failing)].assign(model=m) for m in MODELS)


@pytest.fixture
def stored(monkeypatch, tmp_path):
    frozen = {
        m: {"threshold": 0.4,
            "configuration": configuration(m)._asdict() | {"default_threshold": 0.7}}
        for m in MODELS
    }  # fmt: skip
    rows = [
        {"model": m, "kind": kind, "part": part, "direction": "higher", "ratio_115": 4.0}
        for m in PRIMARY_MODELS
        for kind, part in (("part", "Black"), ("pooled", "Members of colour"))
    ]
    rows[2]["part"], rows[2]["ratio_115"] = "", None
    protocol = {"pipelines": frozen, "hypotheses": rows}
    table = results()
    monkeypatch.setattr(tables, "protocol", lambda: protocol)
    monkeypatch.setattr(tables, "results", lambda: table)
    old = load_newcomers().head(60).assign(flagged=np.arange(60) < 6)
    old["member_id"] = "X" + old["member_id"]
    old["group"] = old["group"].replace({"Middle Eastern": "White", "Multiple": "Black"})
    result = Result(old, {}, pd.DataFrame(), pd.DataFrame())
    monkeypatch.setattr(shipped, "result", lambda gallery, model, policy: result)
    return table


def test_whoever_failed_to_enrol_is_searched_and_not_flagged(stored):
    table = tables.people("dlib-native", default=True).set_index("name")
    assert len(table) == 169 and not table.loc["Rashida Tlaib", "flagged"]
    assert table["flagged"].sum() == 168  # the default flags all others
    assert not table.loc["Rashida Tlaib", "enrolled"] and table["enrolled"].sum() == 168


def test_flagged_by_group(stored):
    table = tables.flagged().set_index(["model", "group"])
    row = table.loc[("facenet-native", "Black")]
    assert (row["flagged"], row["searched"], row["fpir"]) == (15, 15, 1.0)
    everybody = table.loc[("SFace", "All newcomers")]
    assert everybody["searched"] == 169 and 0 < everybody["low"] < everybody["fpir"]
    assert table.loc[("SFace", "Members of colour"), "searched"] == 46


def test_each_hypothesis_has_its_verdict(stored):
    table = tables.hypotheses().set_index(["model", "kind"])
    row = table.loc[("dlib-native", "part")]
    assert row["verdict"] == verdicts.REPLICATED and row["flagged"] == 15
    assert row["rate_ratio"] > 5 and row["rate_low"] < row["rate_ratio"] < row["rate_high"]
    assert table.loc[("sface-native", "part"), "verdict"] == verdicts.NONE
    assert np.isnan(table.loc[("sface-native", "part"), "rate_ratio"])


def test_readings_change_who_counts(stored):
    table = tables.sensitivity().query("kind == 'pooled' and model == 'dlib-native'")
    table = table.set_index("reading")
    usual = table.loc["as registered"]
    assert (usual["searched"], usual["white_searched"]) == (46, 123)
    assert table.loc["without the uncertain groups", "searched"] == 46 - 7  # Trahan is White
    folded = table.loc["Middle Eastern counted as White"]
    assert (folded["searched"], folded["white_searched"]) == (43, 126)
    assert table.loc["nobody left out", "white_flagged"] == usual["white_flagged"] + 1
    assert table.loc["contested faces left out too", "flagged"] == usual["flagged"] - 1


def test_a_withheld_person_is_told_by_nothing(stored):
    table = tables.who_table()
    assert "Colin Allred" not in set(table["Name"]) and "Jamaal Bowman" in set(table["Name"])
    assert table["Name"].iloc[-1] == "1 names withheld"
    assert (table["Flagged by"].iloc[:-1] == "Dlib, SFace, Facenet").all()
    assert table.iloc[-1][["State", "Group"]].tolist() == ["", ""]


def test_the_update_adds_both_rosters(stored):
    table = tables.update().set_index(["Program", "People"])
    for column in ("Of colour", "White"):
        old, new, both = (
            np.array([int(n) for n in table.at[("Dlib", s), column].split(" of ")])
            for s in ("the 115th", "newcomers", "together")
        )
        assert (old + new == both).all()
    assert table.at[("Dlib", "newcomers"), "White"].endswith("of 126")  # Middle Eastern, too


def test_results_of_another_registration_are_refused(monkeypatch, tmp_path):
    results().to_csv(tmp_path / "newcomers.csv", index=False)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    monkeypatch.setattr(registration, "digest", lambda: "q")
    tables.results.cache_clear()
    with pytest.raises(ValueError, match="another registration"):
        tables.results()
