"""The registration of the replication: what it freezes, what it refuses, and what verdicts mean."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from helpers.errors import UserError
from helpers.experiments.does_it_replicate import registration, verdicts
from helpers.faces.pipelines import PRIMARY_MODELS, configuration
from helpers.paths import DATA, ROOT
from helpers.protocol.congress_test import Result
from helpers.sources.newcomers import load_newcomers
from helpers.statistics.exact_tests import holm

RESULTS = DATA / "results" / "newcomers.csv"


def people(flagged: dict, searched: dict) -> pd.DataFrame:
    """People of groups and genders, so many of them flagged: keys (group, gender)."""
    rows = [
        {"group": group, "gender": gender, "flagged": k < flagged.get((group, gender), 0)}
        for (group, gender), n in searched.items()
        for k in range(n)
    ]
    return pd.DataFrame(rows)


SIZES = {("White", "male"): 300, ("White", "female"): 60, ("Black", "male"): 30,
         ("Black", "female"): 20, ("Hispanic", "male"): 20, ("Hispanic", "female"): 10}  # fmt: skip
MANY = {("White", "male"): 10, ("White", "female"): 2, ("Black", "male"): 9, ("Black", "female"): 7}
FEW = {("White", "male"): 22, ("White", "female"): 4, ("Hispanic", "male"): 2}


def result(model: str, flagged: dict) -> Result:
    members = people(flagged, SIZES)
    summary = configuration(model)._asdict() | {
        "threshold": 0.4321, "falsely_matched": int(members["flagged"].sum()),
        "searched": len(members), "gallery_faces": 1000,
    }  # fmt: skip
    return Result(members, summary, pd.DataFrame(), pd.DataFrame())


@pytest.fixture(scope="module")
def protocol():
    results = {
        "dlib-native": result("dlib-native", MANY),
        "sface-native": result("sface-native", FEW),
        "facenet-native": result("facenet-native", MANY),
        "SFace": result("SFace", MANY),
    }
    return registration.build(results, load_newcomers(), draws=200)


# hypotheses


def test_hypotheses_follow_from_the_115th(protocol):
    table = registration.hypotheses(protocol)
    assert list(zip(table["model"], table["kind"], strict=True)) == [
        (m, k) for m in PRIMARY_MODELS for k in verdicts.KINDS
    ]
    part = table.query("kind == 'part'").set_index("model")["part"]
    assert part.to_dict() == {"dlib-native": "Black", "sface-native": "", "facenet-native": "Black"}
    pooled = table.query("kind == 'pooled'").set_index("model")
    assert pooled["direction"].to_dict() == {
        "dlib-native": "higher", "sface-native": "lower", "facenet-native": "higher",
    }  # fmt: skip
    assert pooled["ratio_115"]["dlib-native"] > 3 and pooled["ratio_115"]["sface-native"] < 1
    assert protocol["pipelines"]["SFace"]["threshold"] == 0.4321
    assert protocol["newcomers"]["people"] == 169 and len(protocol["newcomers"]["uncertain"]) == 8
    assert protocol["newcomers"]["by_group_and_gender"]["Middle Eastern"] == {
        "female": 3, "male": 0,
    }  # fmt: skip


def test_the_predicted_part_is_sure_and_has_newcomers():
    parts = pd.DataFrame({"above": [0.99, 0.97, 0.999]}, index=["Black", "Hispanic", "South Asian"])
    counted = pd.Series({"Black": 3, "Hispanic": 15, "South Asian": 2})
    assert verdicts.predicted_part(parts, counted) == "Black"
    assert verdicts.predicted_part(parts, counted.drop("Black")) == "Hispanic"
    assert verdicts.predicted_part(parts - 0.05, counted) == ""


def test_counts_are_of_a_part_and_of_white_people():
    table = verdicts.counts(people(MANY, SIZES), "Black")
    assert table.loc["male"].tolist() == [9, 30, 10, 300]
    assert table.loc["female"].tolist() == [7, 20, 2, 60]
    everybody = verdicts.counts(people(MANY, SIZES), "Members of colour")
    assert everybody.loc["male"].tolist() == [9, 50, 10, 300]


# verdicts


def hypothesis(direction="higher", ratio=3.0, part="Black", model="dlib-native", kind="part"):
    return {"model": model, "kind": kind, "part": part, "direction": direction, "ratio_115": ratio}


def verdict(k1, k0, n1=20, n0=200, **more):
    table = pd.DataFrame({"k1": [k1], "n1": [n1], "k0": [k0], "n0": [n0]})
    row = verdicts.decide(pd.DataFrame([hypothesis(**more)]), [table]).iloc[0]
    return row["verdict"]


def test_what_counts_as_replicated_and_what_does_not():
    assert verdict(6, 10) == "replicated"
    assert verdict(2, 10) == "undecided"  # 10 % of 20 and 5 % of 200: too few to say
    assert verdict(0, 10) == "undecided"  # the estimate points the other way, as chance may
    assert verdict(2, 10, ratio=200.0) == "not replicated"  # the interval leaves 200 out
    assert verdict(0, 0) == "undecided"  # nobody flagged: nothing known
    assert verdict(0, 60, direction="lower", ratio=0.2) == "replicated"
    assert verdict(6, 10, direction="lower", ratio=0.2) == "not replicated"
    assert verdict(6, 10, part="") == "no part predicted"


def test_holm_is_over_the_pipelines_and_each_kind_by_itself():
    once = pd.DataFrame({"k1": [4], "n1": [20], "k0": [10], "n0": [200]})
    rows = [hypothesis(model=m, kind=k) for k in verdicts.KINDS for m in PRIMARY_MODELS]
    rows[0]["part"] = ""
    found = verdicts.decide(pd.DataFrame(rows), [once] * 6)
    p = found["p"].iloc[1]
    assert np.isnan(found["p_holm"].iloc[0])
    assert found["p_holm"].iloc[1:3].tolist() == pytest.approx([2 * p] * 2)
    assert found["p_holm"].iloc[3:].tolist() == pytest.approx([3 * p] * 3)
    alone = fisher_exact([[4, 16], [10, 190]], alternative="greater").pvalue
    assert p == pytest.approx(alone) and 0.025 < p < 0.05
    assert set(found["verdict"].iloc[1:]) == {"undecided"}  # alone it would do


def test_holm_of_each_row_is_holm():
    p = np.random.default_rng(1).uniform(size=(50, 3))
    assert verdicts.holm_of_each(p) == pytest.approx(np.array([holm(row) for row in p]))


def test_power_is_seeded_and_grows_with_the_ratio(protocol):
    table = pd.DataFrame(protocol["power"]).set_index(["model", "kind", "truth"])
    assert table[list(verdicts.VERDICTS)].sum(axis=1).to_numpy() == pytest.approx(1, abs=2e-4)
    no = table.xs("no difference", level="truth")["replicated"]
    assert no.max() <= verdicts.ALPHA
    yes = table.xs("as in the 115th", level="truth")["replicated"]
    assert yes["dlib-native", "pooled"] > 0.5
    results = {"dlib-native": result("dlib-native", MANY)}
    again = [registration.build(results, load_newcomers(), draws=20) for _ in range(2)]
    assert again[0] == again[1]


# files


@pytest.fixture
def frozen(protocol, tmp_path, monkeypatch):
    """A registration in a repository of its own, not yet committed."""
    now = json.loads(json.dumps(protocol))  # as it is read back
    now |= {"newcomers_sha256": "a" * 64, "gallery": {"name": "utkface", "people": "adults",
            "images_sha256": {"dlib-native": "b" * 64}}}  # fmt: skip
    monkeypatch.setattr(registration, "current", lambda draws=200: json.loads(json.dumps(now)))
    git(tmp_path, "init", "-q")
    path = tmp_path / "protocol.json"
    path.write_text(json.dumps(now))
    return path, now


def git(place, *words):
    given = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", *given, *words], cwd=place, check=True, capture_output=True)


def test_a_registration_is_asked_for(frozen, tmp_path):
    path, now = frozen
    assert registration.load(path) == now
    with pytest.raises(UserError, match="register the replication first"):
        registration.load(tmp_path / "nothing.json")


def test_nothing_goes_on_before_the_commit(frozen, tmp_path):
    path, _ = frozen
    with pytest.raises(UserError, match="not committed"):
        registration.require(path)
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "Registered")
    assert registration.require(path)["alpha"] == 0.05
    assert len(registration.commit(path)) == 40
    path.write_text(path.read_text() + "\n")  # changed since
    with pytest.raises(UserError, match="not committed"):
        registration.require(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p["pipelines"]["dlib-native"].update(threshold=0.5), r"dlib-native\.threshold"),
        (lambda p: p.update(newcomers_sha256="c" * 64), "newcomers_sha256"),
        (lambda p: p["gallery"]["images_sha256"].update({"dlib-native": "d"}), "images_sha256"),
        (lambda p: p["hypotheses"][0].update(part="Hispanic"), "hypotheses"),
        (lambda p: p.update(weights_sha256={"x": "y"}), "weights_sha256"),
    ],
)
def test_anything_else_than_what_was_frozen_is_refused(frozen, tmp_path, monkeypatch, change, told):
    path, now = frozen
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "Registered")
    change(now)
    with pytest.raises(UserError, match=told):
        registration.require(path)


def test_images_that_are_not_here_cannot_be_compared(frozen, tmp_path):
    path, now = frozen
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "Registered")
    now["gallery"]["images_sha256"]["dlib-native"] = None
    assert registration.require(path)


def test_a_digest_changes_with_any_byte_and_with_the_order(tmp_path):
    for name, text in (("a", "1"), ("b", "2")):
        (tmp_path / name).write_text(text)
    first = registration.digest_of(("a", "b"), tmp_path)
    assert registration.digest_of(("b", "a"), tmp_path) != first
    (tmp_path / "b").write_text("3")
    assert registration.digest_of(("a", "b"), tmp_path) != first


# what ships


def test_the_registration_is_what_would_be_written_now():
    """Newcomers, thresholds, hypotheses and power are those of the data that ship."""
    stored = registration.load()
    assert registration.differences(stored, registration.current(stored["draws"])) == []


def test_the_words_of_the_registration_say_what_it_freezes():
    stored = registration.load()
    text = (registration.PROTOCOL.parent / "protocol.md").read_text(encoding="utf-8")
    for model, frozen in stored["pipelines"].items():
        assert f"| {model} | {frozen['threshold']:.4f} | {frozen['members_flagged']} of" in text
    for row in stored["hypotheses"]:
        who = row["part"] or "none predicted"
        assert f"| {row['model']} | {who} | {row['direction']} |" in text
    assert stored["newcomers_sha256"] in text and all(v in text for v in stored["verdicts"])


def test_results_name_the_registration_and_came_after_it():
    if not RESULTS.exists():
        return assert_nobody_enrolled()
    stored = pd.read_csv(RESULTS)
    assert set(stored["protocol"]) == {registration.digest()}
    (named,) = set(stored["commit"])
    assert len(named) == 40 and set(named) <= set("0123456789abcdef")
    if not (ROOT / ".git").exists() or git_says("rev-parse", "--is-shallow-repository") == "true":
        return None  # the recorded commit has to do
    assert git_says("show", f"{named}:data/registration/protocol.json").strip() == (
        registration.PROTOCOL.read_text(encoding="utf-8").strip()
    )
    first = git_says("log", "--format=%H", "--diff-filter=A", "--", str(RESULTS)).split()
    if first:  # not yet committed otherwise
        assert first[-1] != named
        assert git_says("merge-base", named, first[-1]) == named
    return None


def assert_nobody_enrolled():
    assert not list((DATA / "faces").glob("newcomers*"))
    assert not list((DATA / "results").glob("newcomers*"))


def git_says(*words) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
