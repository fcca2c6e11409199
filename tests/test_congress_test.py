"""The protocol: threshold policies, counts and denominators, and a report that says all of it."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from helpers.errors import UserError
from helpers.faces.same_person import CONTESTED, SAME
from helpers.protocol import congress_test, shipping
from helpers.protocol.scores import Scores
from helpers.statistics import rates

sys.path.insert(0, str(Path(__file__).parent))
import synthetic

from helpers.show import report

INF = np.inf


def people(n=12, labels=True) -> pd.DataFrame:
    """n members: every third of colour, every other a woman."""
    table = pd.DataFrame({"member_id": [f"M{i:03d}" for i in range(n)]})
    if labels:
        table["name"] = [f"Member {i}" for i in range(n)]
        table["gender"] = np.where(np.arange(n) % 2, "female", "male")
        table["group"] = np.where(np.arange(n) % 3 == 0, "Black", "White")
        table["of_colour"] = table["group"] != "White"
    return table


def scores(best, failed=(), p90=0.1, any_=None, p90_best=None, removed=2, strict=None) -> Scores:
    """Scores with the given best impostor scores of M000, M001, ...; `failed` did not enrol."""
    best = np.asarray(best, dtype=float)
    table = pd.DataFrame(
        {
            "probe_id": [f"M{i:03d}" for i in range(len(best))],
            "any": best if any_ is None else any_,
            "rule": best,
            "strict": best if strict is None else strict,
            "p90": best if p90_best is None else p90_best,
            "portrait": "first",
        }
    )
    second = table.assign(
        portrait="second", any=0.0, rule=0.0, strict=9.0, p90=0.0
    )  # must never count
    table = pd.concat([table, second])
    table = table[~table["probe_id"].isin(failed)]
    same = pd.DataFrame({"probe_id": ["M000", "M001"], "cluster": ["a", "b"]})
    return Scores(
        best=table,
        candidates=pd.DataFrame(),
        histogram=pd.DataFrame({"score": [0.2, 0.3, 0.4, 0.9], "pairs": [3, 2, 5, 90]}),
        faces=10,
        removed=removed,
        upto=0.5,
        same_person=same.assign(decision=[SAME, CONTESTED]),
        description=synthetic.describe() | {"genuine_p90": p90},
    )


BEST = [0.20, 0.25, 0.30, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70]

# ---- counts and denominators


def test_flags_and_denominators():
    result = congress_test.run(people(), scores(BEST), "0.35")
    s = result.summary
    assert list(result.members["flagged"]) == [b <= 0.35 for b in BEST]
    assert (s["falsely_matched"], s["searched"], s["failures_to_enrol"]) == (5, 12, 0)
    assert s["fpir"] == 5 / 12
    low, high = proportion_confint(5, 12, method="wilson")
    assert (s["fpir_low"], s["fpir_high"]) == pytest.approx((low, high))
    assert s["pairs_at_threshold"] == 5 and s["comparisons"] == 12 * 10
    assert s["implied_fmr"] == 5 / 120
    assert s["same_person_pairs"] == 1 and s["gallery_faces_left_out"] == 2
    assert s["contested_pairs"] == 1


def test_a_failure_to_enrol_is_searched_and_never_matched():
    result = congress_test.run(people(), scores(BEST, failed=("M000", "M011")), "0.35")
    s = result.summary
    assert (s["falsely_matched"], s["searched"], s["failures_to_enrol"]) == (4, 12, 2)
    assert s["fpir"] == 4 / 12 and s["fpir_of_enrolled"] == 4 / 10
    assert s["comparisons"] == 10 * 10
    members = result.members.set_index("member_id")
    assert not members.loc["M000", "enrolled"] and not members.loc["M000", "flagged"]
    assert np.isinf(members.loc["M000", "score"])


def test_a_count_flags_so_many_and_gets_no_interval():
    result = congress_test.run(people(), scores(BEST), "count:2")
    s = result.summary
    assert s["falsely_matched"] == 2 and s["fpir_low"] is None and s["fpir_high"] is None
    assert s["threshold"] == 0.25
    tied = congress_test.run(people(), scores(BEST), "count:3").summary
    assert tied["falsely_matched"] == 4 and "4 with ties" in tied["threshold_origin"]


def test_a_count_is_of_those_who_are_in_the_table():
    """The threshold is the k-th best of the people given, not of everyone with scores."""
    some = people().iloc[4:].reset_index(drop=True)
    result = congress_test.run(some, scores(BEST), "count:2")
    assert list(result.members.loc[result.members["flagged"], "member_id"]) == ["M004", "M005"]


def test_bounds_with_and_without_probable_same_persons():
    any_ = np.array(BEST) - 0.15
    p90 = np.array(BEST) + 0.15
    given = scores(BEST, any_=any_, p90_best=p90)
    s = congress_test.run(people(), given, "0.35").summary
    assert s["falsely_matched"] == 5
    assert s["falsely_matched_none_left_out"] == (any_ <= 0.35 + 1e-9).sum()
    assert s["falsely_matched_p90_left_out"] == (p90 <= 0.35 + 1e-9).sum()
    variant = congress_test.run(people(), given, "0.35", variant="any")
    assert variant.summary["falsely_matched"] == s["falsely_matched_none_left_out"]
    # at a count the threshold stays that of the variant asked for
    fixed = congress_test.run(people(), given, "count:3").summary
    assert fixed["threshold"] == 0.30
    assert fixed["falsely_matched_none_left_out"] == (any_ <= 0.30 + 1e-9).sum()


def test_bounds_without_contested_identities():
    strict = np.array(BEST) + np.where(np.arange(12) % 2, 0.2, 0)
    given = scores(BEST, strict=strict)
    result = congress_test.run(people(), given, "0.35")
    s = result.summary
    assert s["falsely_matched"] == 5 and s["falsely_matched_contested_left_out"] == 3
    assert s["names_withheld"] == 2  # M001 and M003
    variant = congress_test.run(people(), given, "0.35", variant="strict").summary
    assert variant["falsely_matched"] == 3 and variant["names_withheld"] == 2
    # only the people in the table count
    some = people().iloc[2:].reset_index(drop=True)
    assert congress_test.run(some, given, "0.35").summary["names_withheld"] == 1


def test_without_genuine_scores_there_is_no_such_bound():
    s = congress_test.run(people(), scores(BEST, p90=0.0), "0.35").summary
    assert s["genuine_p90"] is None and s["falsely_matched_p90_left_out"] is None
    assert "genuine" not in report.report(congress_test.run(people(), scores(BEST, p90=0.0)), "")


def test_a_person_twice_is_refused():
    twice = pd.concat([people(), people().iloc[:1]])
    with pytest.raises(UserError, match="occurs twice"):
        congress_test.run(twice, scores(BEST))


def test_second_portraits_never_count():
    """In `scores` every second portrait matches at 0."""
    assert congress_test.run(people(), scores(BEST), "0.01").summary["falsely_matched"] == 0


# ---- by group


def test_groups_and_within_sex_are_those_of_rates():
    result = congress_test.run(people(), scores(BEST), "0.35")
    assert list(result.groups.index) == ["White", "Black"]  # in the order of the roster
    pd.testing.assert_frame_equal(
        result.groups, rates.by_group(result.members, "group", ["White", "Black"])
    )
    assert result.groups["searched"].sum() == result.within_sex["searched"].sum() == 12
    assert result.groups["flagged"].sum() == result.within_sex["flagged"].sum() == 5


def test_comparison_against_statsmodels():
    result = congress_test.run(people(), scores(BEST), "0.35")
    m, s = result.members, result.summary
    k1, n1 = int((m["flagged"] & m["of_colour"]).sum()), int(m["of_colour"].sum())
    k0, n0 = int((m["flagged"] & ~m["of_colour"]).sum()), int((~m["of_colour"]).sum())
    assert (s["colour_flagged"], s["colour_searched"]) == (k1, n1) == (2, 4)
    assert (s["white_flagged"], s["white_searched"]) == (k0, n0) == (3, 8)
    assert s["ratio"] == pytest.approx((k1 / n1) / (k0 / n0))
    low, high = confint_proportions_2indep(k1, n1, k0, n0, compare="ratio", method="score")
    assert (s["ratio_low"], s["ratio_high"]) == pytest.approx((low, high))
    from scipy.stats import fisher_exact

    assert s["fisher_p"] == pytest.approx(fisher_exact([[k1, n1 - k1], [k0, n0 - k0]]).pvalue)
    tables = []
    for _, part in m.groupby("gender"):
        rows = [part[part["of_colour"] == side]["flagged"] for side in (True, False)]
        tables.append([[int(r.sum()), int((~r).sum())] for r in rows])
    pooled = StratifiedTable([np.array(t) for t in tables]).riskratio_pooled
    assert s["ratio_within_sex"] == pytest.approx(pooled)
    assert s["ratio_within_sex_low"] < pooled < s["ratio_within_sex_high"]
    assert s["share_of_false_matches"] == k1 / (k1 + k0)


def test_people_without_a_recorded_group_are_in_neither_group():
    table = people()
    table.loc[:3, "group"] = None
    labelled = congress_test.labelled(table.drop(columns="of_colour"))
    assert list(labelled.loc[:3, "group"]) == ["not recorded"] * 4
    s = congress_test.run(labelled, scores(BEST), "0.35").summary
    assert s["colour_searched"] + s["white_searched"] == 8 and s["searched"] == 12
    assert s["colour_flagged"] + s["white_flagged"] == 1 and s["falsely_matched"] == 5
    assert s["share_of_false_matches"] == s["colour_flagged"] / 1


def test_sexes_that_never_meet_have_no_ratio_within_sex():
    table = people()
    table["gender"] = np.where(table["of_colour"], "female", "male")
    result = congress_test.run(table, scores(BEST), "0.35")
    assert "ratio" in result.summary and "ratio_within_sex" not in result.summary
    assert "within recorded gender" not in report.report(result, "")


def test_groups_without_the_reference_are_not_compared():
    table = people().drop(columns="of_colour").assign(group="Labour")
    table.loc[0, "group"] = "Tory"
    result = congress_test.run(congress_test.labelled(table), scores(BEST), "0.35")
    assert "ratio" not in result.summary and list(result.groups.index) == ["Labour", "Tory"]


def test_people_without_labels():
    result = congress_test.run(people(labels=False), scores(BEST), "0.35")
    assert result.groups.empty and result.within_sex.empty and "ratio" not in result.summary
    assert "M000" in report.report(result, "")


# ---- JSON and the report


@pytest.mark.parametrize("policy", ["0.35", "count:2", "0.01", "2"])
@pytest.mark.parametrize("labels", [True, False])
def test_json_has_no_nan(policy, labels):
    result = congress_test.run(people(labels=labels), scores(BEST, failed=("M011",)), policy)
    text = json.dumps(congress_test.as_json(result), allow_nan=False)
    again = json.loads(text)
    assert again["summary"]["searched"] == 12
    assert set(again) == {"summary", "groups", "within_sex"}
    if labels:
        assert sum(row["flagged"] for row in again["groups"]) == again["summary"]["falsely_matched"]


def test_json_of_a_ratio_that_is_infinite():
    flagged = [0.2 if i % 3 == 0 else 0.9 for i in range(12)]
    result = congress_test.run(people(), scores(flagged), "0.35")
    assert congress_test.as_json(result)["summary"]["ratio"] == "inf"
    assert "above any number" in report.report(result, "")


def test_labels_of_a_users_file_are_read_as_the_publishers():
    """`white` beside `White` is white, and what nothing is known of is on neither side."""
    given = people(labels=False)
    given["group"] = ["White", "white", " WHITE "] + ["Black", "african-american", "black"] * 2 + [
        "Martian", None, "Martian"]  # fmt: skip
    found = congress_test.run(congress_test.labelled(given), scores(BEST), "0.35")
    s = found.summary
    assert (s["white_searched"], s["colour_searched"]) == (3, 6)
    text = report.report(found, "A file with labels of its own")
    assert "groups not known         'Martian' (2): in neither row" in text
    assert found.groups["searched"].to_dict() == {
        "White": 3, "Black": 6, "Martian": 2, "not recorded": 1,
    }  # fmt: skip


def test_the_report_has_every_number():
    result = congress_test.run(people(), scores(BEST, failed=("M011",)), "0.35")
    s, text = result.summary, report.report(result, "Ten members searched in a made-up set")
    lines = text.splitlines()
    assert lines[0] == "Ten members searched in a made-up set"
    low, high = 100 * s["fpir_low"], 100 * s["fpir_high"]
    for needed in (
        "SFace", "yunet", "cosine distance", "threshold 0.3500: given", "12 people", "10 faces",
        "failures to enrol        1 ",
        f"5 of 12 (41.7 %, 95 % interval {low:.1f}–{high:.1f})",
        "5 of 110 comparisons (4.5e-02)",
        "1 pairs, 2 gallery faces left out; falsely matched with them in: 5",
        "(90 % of genuine pairs are): 5",
        f"FPIR ratio               {s['ratio']:.2f} (95 % interval {s['ratio_low']:.2f}–",
        f"Fisher's exact p = {s['fisher_p']:.3f}",
        f"{s['ratio_within_sex']:.2f}", "Mantel-Haenszel",
        "2 of 5 are members of colour (a share, not an error rate)",
        "FPIR by group", "FPIR by gender and group",
    ):  # fmt: skip
        assert needed in text, needed
    who = " ".join(lines[lines.index("  who, nearest first") :])
    assert [f"Member {i}" in who for i in range(12)] == list(result.members["flagged"])
    assert max(map(len, lines)) <= 120


def test_the_report_of_a_count_has_no_interval_of_the_fpir():
    lines = report.report(congress_test.run(people(), scores(BEST), "count:2"), "").splitlines()
    line = next(x for x in lines if "falsely matched (FPIR)" in x)
    assert "2 of 12 (16.7 %)" in line and "interval" not in line


def test_the_report_of_nobody_flagged():
    text = report.report(congress_test.run(people(), scores(BEST), "0.01"), "")
    assert "0 of 12 (0.0 %, 95 % interval 0.0–" in text and "who" not in text
    assert "ratio               not defined (95 % interval not defined)" in text
    assert "nan" not in text


def test_long_lists_of_names_are_not_printed():
    n = report.NAMES_SHOWN + 1
    result = congress_test.run(people(n), scores(np.full(n, 0.2)), "0.35")
    assert f"who: {n} people, listed by --csv" in report.report(result, "")


def test_a_small_gallery_is_said_to_be_one():
    small = report.report(congress_test.run(people(), scores(BEST)), "")
    large = scores(BEST)._replace(faces=congress_test.SMALL_GALLERY)
    assert "in one this small it leaves out too many" in small
    assert "this small" not in report.report(congress_test.run(people(), large), "")


def test_a_rule_that_was_not_applied_is_said():
    given = scores(BEST)
    given = given._replace(description=given.description | {"same_person_rule": False})
    text = report.report(congress_test.run(people(), given, "0.35"), "")
    assert "not looked for" in text and "left out;" not in text


# ---- what ships


@pytest.mark.parametrize("gallery", ["legislators", "utkface"])
def test_the_protocol_on_what_ships(gallery):
    searched, found = congress_test.gather("congress", gallery, "SFace", progress=False)
    result = congress_test.run(searched, found, "count:28")
    s = result.summary
    assert s["searched"] == 529 and s["searched"] == len(result.members)
    assert s["falsely_matched"] >= 28 and (
        s["falsely_matched"] == 28 or "ties" in s["threshold_origin"]
    )
    assert s["colour_searched"] + s["white_searched"] == 529
    assert s["colour_flagged"] + s["white_flagged"] == s["falsely_matched"]
    assert result.groups["searched"].sum() == result.within_sex["searched"].sum() == 529
    default = congress_test.run(searched, found).summary
    assert default["threshold"] == found.description["configuration"]["default_threshold"]
    assert default["fpir_low"] < default["fpir"] < default["fpir_high"]
    assert s["falsely_matched_none_left_out"] >= s["falsely_matched"]
    if gallery == "legislators":
        assert s["same_person_pairs"] == 0


def test_shipped_configurations_are_those_of_the_models():
    from helpers.faces import pipelines

    for model in pipelines.MODELS:
        assert shipping.configuration(model) == pipelines.configuration(model, "yunet")
