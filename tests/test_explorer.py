"""The explorer: its grid against the test itself, and a widget that works alone."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.experiments.explore import make, tables, widget
from helpers.faces.pipelines import MODELS
from helpers.protocol import shipped
from helpers.sources.groups import GROUPS
from helpers.statistics import intervals, rates

LIMIT = 150_000  # bytes of HTML


def test_expected_is_exact_at_the_ends():
    cells = pd.Series(["x", "x", "y"])
    whole = make.expected(np.array([0, 3, 1]), 10, 10, cells)
    assert whole.to_dict() == {"x": 1.0, "y": 1.0}
    one = make.expected(np.array([0, 3, 1]), 10, 1, cells)
    assert one.to_dict() == pytest.approx({"x": 0.3, "y": 0.1})


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(1, 40))
def test_expected_grows_with_the_gallery(within, size):
    cells = pd.Series(["all"] * len(within))
    small, large = (make.expected(np.array(within), 40, n, cells)["all"] for n in (size, 40))
    assert small <= large + 1e-9 and large == pytest.approx(sum(k > 0 for k in within))


def test_a_drawn_gallery_holds_the_expected_number():
    rng = np.random.default_rng(0)
    found = rng.uniform(size=(30, 400)).round(4)
    enrolled = np.array([True] * 30 + [False])
    thresholds = pd.DataFrame({"threshold": [0.01], "name": [""]})
    cells = pd.Series(["a"] * 20 + ["b"] * 11)
    table = make.explore(found, enrolled, cells, thresholds, (100,))
    draws = [
        (found[:, rng.choice(400, 100, replace=False)] <= 0.01).any(axis=1) for _ in range(2000)
    ]
    means = np.mean(draws, axis=0)
    row = table[table["size"] == 100].iloc[0]
    assert row["a"] == pytest.approx(means[:20].sum(), abs=0.25)
    assert row["b"] == pytest.approx(means[20:].sum(), abs=0.25)
    assert row["per_million"] == pytest.approx(1e6 * (found <= 0.01).mean())


def test_the_grid_holds_the_named_thresholds_once():
    table = make.grid(
        np.r_[np.linspace(0.3, 0.6, 50), np.inf], {"default": 0.55, "count:28": 0.4123}
    )
    assert table["threshold"].is_monotonic_increasing and table["threshold"].is_unique
    assert table.set_index("name")["threshold"][["default", "count:28"]].tolist() == [0.55, 0.4123]


POSITIONS = [("utkface", m, p) for m in MODELS for p in ("default", "count:28", "fmr:1e-05")]


@pytest.mark.parametrize("position", [*POSITIONS, ("legislators", "sface-native", "default")])
def test_the_whole_gallery_gives_what_the_test_gives(position):
    result = shipped.result(*position)
    found = tables.state(*position).set_index("group")
    assert found.loc["All members", "flagged"] == result.summary["falsely_matched"]
    columns = ["searched", "flagged"]
    assert np.array_equal(
        found.loc[list(GROUPS), columns], result.groups.loc[list(GROUPS), columns]
    )


def test_the_largest_size_is_the_whole_gallery():
    faces = shipped.scores("utkface", "SFace").faces
    assert tables.table().query("gallery == 'utkface' and model == 'SFace'")["size"].max() == faces


def test_within_recorded_gender_as_the_test():
    for gender in ("female", "male"):
        within = shipped.result("utkface", "Facenet").within_sex.loc[gender]
        found = tables.state("utkface", "Facenet", "default", gender=gender).set_index("group")
        mine = found.loc[list(GROUPS), "flagged"]
        assert (mine.to_numpy() == within.loc[list(GROUPS), "flagged"].to_numpy()).all()


def test_a_smaller_gallery_or_a_stricter_threshold_never_flags_more():
    cells = list(tables.cells().index)
    for _, part in tables.table().groupby(["gallery", "model"]):
        total = part.assign(total=part[cells].sum(axis=1)).pivot(
            index="threshold", columns="size", values="total"
        )
        assert (total.diff().iloc[1:] >= -1e-6).all(axis=None)
        assert (total.diff(axis=1).iloc[:, 1:] >= -1e-6).all(axis=None)


def test_members_of_colour_are_the_sum_of_their_parts():
    for gender in tables.GENDERS:
        found = tables.state(*tables.OPENING, gender=gender).set_index("group")
        parts = found.loc[[g for g in GROUPS if g != "White"]]
        assert found.loc["Members of colour", "flagged"] == parts["flagged"].sum()
        asian = parts.loc[["East Asian", "South Asian"], "searched"].sum()
        rest = found.loc["Members of colour, not Asian", "searched"]
        assert rest == parts["searched"].sum() - asian
    assert tables.state(*tables.OPENING)["searched"][0] == 529


def test_a_position_beside_the_grid_is_refused():
    with pytest.raises(LookupError):
        tables.state("utkface", "SFace", "default", size=1234)


# ---- the widget


class Page(HTMLParser):
    """Collects tags, the text of scripts, and what is asked from outside."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.addresses, self.inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.addresses += [given[k] for k in ("src", "href", "srcset", "action") if k in given]
        if tag == "script":
            self.scripts.append("")
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def page():
    return Page(widget.widget())


def test_the_widget_is_small_and_asks_for_nothing_from_outside(page):
    text = widget.widget()
    assert len(text.encode()) < LIMIT
    assert page.addresses == []
    script = page.scripts[1]
    style = text.split("<style>")[1].split("</style>")[0]
    for word in ("http", "//cdn", "fetch(", "XMLHttp", "import ", "@import", "url("):
        assert word not in script and word not in style, word
    assert text == widget.widget()  # the same bytes each time


def test_the_data_inside_are_those_of_the_table(page):
    data = json.loads(page.scripts[0])
    found = tables.table()
    names = list(tables.cells().index)
    assert data["searched"] == tables.cells().tolist() and sum(data["searched"]) == 529
    for (gallery, model), part in found.groupby(["gallery", "model"], sort=False):
        grid = data["grids"][f"{gallery}|{model}"]
        shape = (len(grid["thresholds"]), len(grid["sizes"]), len(names))
        values = np.array(grid["values"]).reshape(shape) / 10
        there = part[names].to_numpy().reshape(shape)
        assert np.abs(values - there).max() <= 0.0501
        assert grid["sizes"] == sorted(grid["sizes"]) == sorted(set(part["size"]))
        assert [t[0] for t in grid["thresholds"]] == sorted(part["threshold"].unique())
    for gender in tables.GENDERS:
        for name, cells in data["rows"][gender]:
            assert [names[i] for i in cells] == tables.rows(gender)[name]


def test_every_control_has_a_label_and_the_page_speaks_without_a_script(page):
    text = widget.widget()
    controls = [t for t, _ in page.tags if t in ("select", "input")]
    assert len(controls) == 5 == len(re.findall(r"<label>", text))
    assert 'role="status"' in text and "<noscript>" in text and "<caption>" in text
    assert sum(t == "th" and a.get("scope") == "row" for t, a in page.tags) == len(tables.rows())
    opening = tables.state(*tables.OPENING).iloc[0]
    assert f"<td>{opening['flagged']:.0f} of 529</td>" in text
    low, high = intervals.wilson(int(opening["flagged"]), 529)
    assert f"{100 * low:.1f}–{100 * high:.1f}" in text
    assert "prefers-color-scheme:dark" in text


def test_the_widget_names_no_gallery_face():
    assert not re.search(r"\bu\d{5}\b", widget.widget())
    assert "Others" not in tables.table().columns and rates.EPSILON < 1e-4
