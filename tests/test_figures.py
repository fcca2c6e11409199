"""Figures: the same bytes every time, a complete index, and no figure a reader cannot use."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from helpers.paths import FIGURES, ROOT
from helpers.show import figures, plots
from helpers.show.layout import layout_problems
from helpers.show.plots import new_figure, plot_dots_with_intervals
from helpers.show.style import GROUP_COLOURS, GROUP_MARKERS, WIDTH
from helpers.sources.groups import GROUPS

NOTEBOOK = "02-the-congress-test"
TEXTS = {
    "title": "One in twenty is taken for someone else",
    "caption": "Dots are rates, bars are intervals.",
    "alt": "Two dots with intervals; the upper one lies to the right of the lower one.",
    "notebook": NOTEBOOK,
}


def rates(rows: int = 2) -> pd.DataFrame:
    names = (GROUPS * 3)[:rows]
    estimate = np.linspace(0.05, 0.2, rows)
    return pd.DataFrame(
        {
            "group": names,
            "section": "all",
            "rate": estimate,
            "low": estimate / 2,
            "high": estimate * 1.5,
        }
    )


def dots(df: pd.DataFrame, **options):
    return plot_dots_with_intervals(
        df, "group", "rate", "low", "high", **({"section": "section"} | options)
    )


def save_one(folder: Path, id: str = "fig-02-rates", **changes) -> figures.Saved:
    df = rates()
    fig = dots(df)
    return figures.save(fig, df, id=id, folder=folder, **(TEXTS | changes))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A folder with one saved figure, for tests that only look."""
    folder = tmp_path_factory.mktemp("saved")
    save_one(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# ---------------------------------------------------------------- bytes and index


def test_a_figure_is_four_files_and_one_entry(saved):
    assert sorted(contents(saved)) == [
        "fig-02-rates.csv",
        "fig-02-rates.pdf",
        "fig-02-rates.png",
        "fig-02-rates.svg",
        "index.json",
    ]
    (entry,) = figures.read_index(saved)
    assert set(entry) == {"id", "kind", "title", "caption", "alt", "notebook", "data", "cite"}
    assert entry["data"] == "fig-02-rates.csv" and entry["notebook"] == NOTEBOOK
    assert entry["title"] in entry["cite"] and "fig-02-rates" in entry["cite"]
    assert figures.index_problems(saved) == []


def test_another_process_with_other_settings_writes_the_same_bytes(saved, tmp_path):
    there, settings = tmp_path / "there", tmp_path / "settings"
    settings.mkdir()
    (settings / "matplotlibrc").write_text(
        "font.size: 20\nsavefig.dpi: 37\naxes.grid: True\nsvg.fonttype: none\nlines.linewidth: 9\n"
    )
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from test_figures import save_one\n"
        "save_one(Path(sys.argv[2]))\n"
    )
    changed = {"PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(settings), "SOURCE_DATE_EPOCH": "9"}
    subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), str(there)],
        check=True,
        env=os.environ | changed | {"PYTHONPATH": str(ROOT / "src")},
    )
    assert contents(saved) == contents(there)


def test_nothing_dates_the_files(saved):
    files = contents(saved)
    assert b"CreationDate" not in files["fig-02-rates.pdf"]
    assert b"Software" not in files["fig-02-rates.png"]
    assert b"dc:date" not in files["fig-02-rates.svg"]


def test_the_svg_says_what_it_shows(tmp_path):
    save_one(tmp_path, title="More & more <matches>")
    svg = (tmp_path / "fig-02-rates.svg").read_text("utf-8")
    assert 'role="img"' in svg
    assert "<title>More &amp; more &lt;matches&gt;</title>" in svg
    assert f"<desc>{TEXTS['alt']}</desc>" in svg
    import xml.etree.ElementTree as ElementTree

    ElementTree.fromstring(svg)


def test_saving_again_touches_nothing(tmp_path):
    save_one(tmp_path)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    save_one(tmp_path)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_a_changed_figure_replaces_its_entry(tmp_path):
    save_one(tmp_path)
    save_one(tmp_path, caption="Another caption.")
    assert [e["caption"] for e in figures.read_index(tmp_path)] == ["Another caption."]


def test_index_is_sorted_and_complete_when_many_save_at_once(tmp_path):
    names = [f"tab-02-part-{i}" for i in range(12)]

    def write(id):
        figures.table(rates(), id=id, title="t", caption="c", notebook=NOTEBOOK, folder=tmp_path)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, reversed(names)))
    assert [e["id"] for e in figures.read_index(tmp_path)] == sorted(names)
    assert figures.index_problems(tmp_path) == []


def test_index_problems_names_what_is_missing_and_what_is_left_over(tmp_path):
    save_one(tmp_path)
    (tmp_path / "fig-02-rates.pdf").unlink()
    (tmp_path / "fig-02-old.png").write_bytes(b"")
    assert figures.index_problems(tmp_path) == [
        "fig-02-rates.pdf is in the index but missing",
        "fig-02-old.png is not in the index",
    ]


def test_the_csv_has_six_digits_in_the_order_given(tmp_path):
    df = pd.DataFrame({"name": ["b", "a"], "rate": [1 / 3, 12345.678], "n": [2, 1]})
    figures.table(df, id="tab-02-t", title="T", caption="C", notebook=NOTEBOOK, folder=tmp_path)
    text = (tmp_path / "tab-02-t.csv").read_bytes()
    assert text == b"name,rate,n\nb,0.333333,2\na,12345.7,1\n"


def test_a_table_is_latex_too_and_nothing_in_it_is_a_command(tmp_path):
    df = pd.DataFrame({"group & sex": ["50 % of {a_b}", "C:\\dir", None], "n": [1.5, np.nan, 2]})
    figures.table(
        df, id="tab-02-t", title="T", caption="p < 5 %", notebook=NOTEBOOK, folder=tmp_path
    )
    lines = (tmp_path / "tab-02-t.tex").read_text("utf-8").splitlines()
    assert "\\caption{T. p \\ensuremath{<} 5 \\%}" in lines and "\\label{tab-02-t}" in lines
    assert "\\begin{tabular}{lr}" in lines
    body = lines[lines.index("\\toprule") + 1 : lines.index("\\bottomrule")]
    assert body == [
        "group \\& sex & n \\\\",
        "\\midrule",
        "50 \\% of \\{a\\_b\\} & 1.5 \\\\",
        "C:\\textbackslash{}dir &  \\\\",
        " & 2 \\\\",
    ]


def test_committed_figures_agree_with_their_index():
    assert figures.read_index(), "figures/index.json is missing or empty: run `make run`"
    assert figures.index_problems() == []
    for entry in figures.read_index():
        csv = pd.read_csv(FIGURES / entry["data"])
        assert len(csv), entry["id"]
        assert entry["cite"] == figures.how_to_cite(entry["id"], entry["title"].rstrip("."))
        # these texts also stand in LaTeX, in an alternative text and in a citation
        texts = entry["title"] + entry["caption"] + entry.get("alt", "")
        assert "](" not in texts and "**" not in texts, entry["id"]


def test_committed_figures_are_vectors():
    pictures = [p.name for p in FIGURES.glob("*.svg") if "<image" in p.read_text("utf-8")]
    pictures += [p.name for p in FIGURES.glob("*.pdf") if b"/Subtype /Image" in p.read_bytes()]
    assert pictures == []


# ---------------------------------------------------------------- guards


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": " "}, "no title"),
        ({"caption": ""}, "no caption"),
        ({"alt": "a chart"}, "alternative text"),
        ({"alt": None}, "alternative text"),
        ({"id": "figure-2"}, "should look like"),
        ({"id": "fig-2-rates"}, "should look like"),
        ({"id": "fig-02-Rates"}, "should look like"),
        ({"id": "tab-02-rates"}, "should look like"),
        ({"id": "fig-03-rates"}, "number of its notebook"),
        ({"notebook": "headline"}, "notebook"),
    ],
)
def test_bad_texts_are_refused_and_leave_nothing(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        save_one(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_an_id_belongs_to_one_notebook(saved):
    with pytest.raises(ValueError, match="taken by notebook 02-the-congress-test"):
        save_one(saved, notebook="02-another")


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": []}),
        pd.DataFrame({"name": ["x", "y"], "rate": [np.nan, np.nan]}),
        pd.DataFrame({"name": [None, None]}),
        [1, 2, 3],
    ],
)
def test_no_data_is_refused(tmp_path, data):
    fig = dots(rates())
    with pytest.raises(ValueError, match="no data"):
        figures.save(fig, data, id="fig-02-none", folder=tmp_path, **TEXTS)
    assert list(tmp_path.iterdir()) == []


def refused(fig, tmp_path) -> str:
    with pytest.raises(ValueError, match="hard to read") as caught:
        figures.save(fig, rates(), id="fig-02-hard", folder=tmp_path, **TEXTS)
    assert list(tmp_path.iterdir()) == []
    return str(caught.value)


def test_small_letters_are_refused(tmp_path):
    fig, axes = new_figure(3)
    axes[0, 0].text(0.5, 0.5, "tiny", fontsize=6.9)
    assert "'tiny' is 6.9 pt" in refused(fig, tmp_path)


def test_letters_that_become_small_in_print_are_refused(tmp_path):
    fig, axes = new_figure(3)
    fig.set_size_inches(2 * WIDTH, 3)
    axes[0, 0].text(0.5, 0.5, "shrinks", fontsize=12)
    assert "'shrinks' is 6.0 pt" in refused(fig, tmp_path)


def test_overlapping_texts_are_refused(tmp_path):
    fig, axes = new_figure(3)
    axes[0, 0].text(0.5, 0.5, "first label")
    axes[0, 0].text(0.52, 0.51, "second label")
    assert "'first label' overlaps 'second label'" in refused(fig, tmp_path)


def test_overlapping_tick_labels_are_refused(tmp_path):
    fig, axes = new_figure(3)
    axes[0, 0].set_xticks(range(12), [f"a long label {i}" for i in range(12)])
    assert "overlaps" in refused(fig, tmp_path)


def test_a_text_that_leaves_the_picture_is_refused(tmp_path):
    fig, _ = new_figure(3)
    fig.text(0.9, 0.5, "a text that starts near the edge and does not end before it")
    assert "cut off" in refused(fig, tmp_path)


def test_what_is_not_drawn_is_not_measured():
    fig, axes = new_figure(3)
    ax = axes[0, 0]
    ax.set_xticks([0, 0.001, 0.002, 1, 2], ["zero", "outside", "outside too", "one", "two"])
    ax.set_xlim(0.5, 2.5)
    ax.text(1, 0.5, "hidden", visible=False, fontsize=3)
    assert layout_problems(fig) == []


def test_long_titles_are_broken_into_lines_that_fit(tmp_path):
    words = "A title that goes on for two lines because its author had a lot to say about it all"
    df = rates(8)
    figures.save(dots(df), df, id="fig-02-long", folder=tmp_path, **(TEXTS | {"title": words}))


def test_titles_of_more_than_three_lines_are_refused(tmp_path):
    with pytest.raises(ValueError, match="too long"):
        save_one(tmp_path, title="A title that never ends, " * 12)


def test_a_figure_without_room_is_refused(tmp_path):
    fig, _ = new_figure(0.6)
    assert "no room" in refused(fig, tmp_path)


# ---------------------------------------------------------------- palette and words


def lightness_and_distances(colours: list[str]) -> tuple[float, float]:
    """Smallest gap in CIE lightness, and smallest CIELAB distance with any colour vision.

    Colour blindness as in Machado, Oliveira and Fernandes (2009), severity 1.
    """
    sight = {
        "normal": np.eye(3),
        "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                       [-0.003882, -0.048116, 1.051998]],
        "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                         [-0.011820, 0.042940, 0.968881]],
        "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                       [0.004733, 0.691367, 0.303900]],
    }  # fmt: skip
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
         [0.0193339, 0.1191920, 0.9503041]]
    )  # fmt: skip
    rgb = np.array([mpl.colors.to_rgb(c) for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)

    def lab(linear):
        xyz = linear @ to_xyz.T / [0.95047, 1, 1.08883]
        f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        return np.stack(
            [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1
        )

    closest = []
    for matrix in sight.values():
        seen = lab(np.clip(linear @ np.array(matrix).T, 0, 1))
        distance = np.linalg.norm(seen[:, None] - seen[None], axis=2)
        closest.append(distance[~np.eye(len(colours), dtype=bool)].min())
    return np.diff(np.sort(lab(linear)[:, 0])).min(), min(closest)


def test_the_palette_survives_greyscale_and_colour_blindness():
    colours = [GROUP_COLOURS[g] for g in GROUPS]
    gap, distance = lightness_and_distances(colours)
    assert gap >= 7 and distance >= 18
    markers = [GROUP_MARKERS[g] for g in GROUPS]
    assert len(set(markers)) == len(markers)


def test_an_ordinary_palette_would_not_pass():
    gap, distance = lightness_and_distances(["#D62728", "#2CA02C", "#1F77B4", "#9467BD"])
    assert gap < 7 and distance < 18


# ---------------------------------------------------------------- plots


def markers_drawn(fig) -> list[tuple[float, float]]:
    """Where the dots stand, panel by panel."""
    dots = [c for ax in fig.axes for c in ax.collections if isinstance(c, PathCollection)]
    return [tuple(point) for collection in dots for point in collection.get_offsets()]


def test_dots_stand_at_the_estimates_in_the_order_of_the_rows():
    df = rates(4)
    points = markers_drawn(dots(df))
    assert [x for x, _ in points] == pytest.approx(list(100 * df.rate))
    assert [y for _, y in points] == sorted(y for _, y in points)


def test_headings_numbers_and_missing_values_fit(tmp_path):
    df = rates(12).assign(model=["Dlib (native)"] * 6 + ["SFace"] * 6)
    df.loc[3, ["low", "high"]] = np.nan
    df.loc[5, ["rate", "low", "high"]] = np.nan
    fig = dots(df, section="model", reference=0.0523, reference_label="ACLU")
    texts = [t.get_text() for ax in fig.axes for t in ax.texts]
    assert texts[:2] == ["ACLU", "5.0 % (2.5–7.5)"] and texts[-1] == "rate (95 % interval)"
    assert (texts[4], texts[6]) == ("9.1 %", "none")
    assert len(markers_drawn(fig)) == 11
    figures.save(fig, df, id="fig-02-many", folder=tmp_path, **TEXTS)


def test_ratios_on_a_log_scale(tmp_path):
    df = rates(3)
    df[["rate", "low", "high"]] = [[2.0, 0.9, 4.4], [1.0, 0.3, 3.3], [15.0, 5.0, 45.0]]
    fig = dots(df, unit="ratio", log=True, reference=1, reference_label="no difference")
    figures.save(fig, df, id="fig-02-ratio", folder=tmp_path, **TEXTS)
    df.loc[0, "low"] = 0
    with pytest.raises(ValueError, match="above zero"):
        dots(df, unit="ratio", log=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dots(rates().drop(columns="low")), "no column low"),
        (lambda: dots(rates()[:0]), "no rows"),
        (lambda: dots(rates(), unit="share"), "not 'percent' or 'ratio'"),
    ],
)
def test_bad_tables_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_index_is_plain_json(saved):
    text = (saved / "index.json").read_text("utf-8")
    assert text.endswith("]\n") and isinstance(json.loads(text), list)
    assert not re.search(r"\\u[0-9a-f]{4}", text)


def test_an_unchanged_drawing_is_not_drawn_again_and_a_lost_format_is(tmp_path):
    save_one(tmp_path)
    whole = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    (tmp_path / "fig-02-rates.png").unlink()
    (tmp_path / "fig-02-rates.pdf").write_bytes(b"an older drawing")
    save_one(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == whole
    (tmp_path / "fig-02-rates.svg").write_bytes(b"an older drawing")
    (tmp_path / "fig-02-rates.pdf").write_bytes(b"an older drawing")
    save_one(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == whole
    stamp = (tmp_path / "fig-02-rates.pdf").stat().st_mtime_ns
    save_one(tmp_path)
    assert (tmp_path / "fig-02-rates.pdf").stat().st_mtime_ns == stamp


# ---------------------------------------------------------------- drawing on the project's axes


def two_panels():
    fig, axes = new_figure(2, 1, 2, sharey=True)
    return fig, axes[0]


def test_lines_are_drawn_in_per_cent_each_in_its_look():
    df = pd.DataFrame({"x": [1, 2, 1, 2, 1], "size": [10, 10, 500, 500, 7]})
    df = df.assign(rate=df["x"] / 10, low=0.0, high=1.0)
    looks = {500: {"color": "#001A80", "ls": (0, (4, 2))}, 10: {"color": "#A03F14", "marker": "s"}}
    _, (ax, _) = two_panels()
    plots.lines(ax, df, "x", "rate", "size", looks, spread=("low", "high"))
    drawn = {to_hex(line.get_color()).upper(): line for line in ax.lines}
    assert set(drawn) == {"#001A80", "#A03F14"}  # seven has no look
    assert drawn["#A03F14"].get_ydata().tolist() == [10, 20]
    assert [drawn[c].get_marker() for c in ("#A03F14", "#001A80")] == ["s", ""]
    dashes = [drawn[c]._unscaled_dash_pattern for c in ("#A03F14", "#001A80")]
    assert dashes == [(0, None), (0, (4, 2))]
    assert len(ax.patches) == 2  # the bands
    assert max(band.get_path().vertices[:, 1].max() for band in ax.patches) == 100


def test_dots_leave_nothing_outside_the_limits():
    df = pd.DataFrame(
        {"y": [0, 1, 2], "value": [1, 5, np.nan], "low": [-9, 4, 0], "high": [2, 6, 1]}
    )
    _, (ax, _) = two_panels()
    plots.dots(ax, df.assign(name="White"), limits=(0, 3))
    (points,) = (c for c in ax.collections if isinstance(c, PathCollection))
    assert points.get_offsets().tolist() == [[1, 0]]  # 5 lies beyond, the last is missing
    heads = {(line.get_marker(), *line.get_xydata()[0]) for line in ax.lines}
    assert heads == {("<", 0, 0), (">", 3, 1)}


def test_hidden_tick_labels_stay_hidden():
    fig, (left, right) = two_panels()
    sections = pd.Series(["a", "b"])
    rows = pd.DataFrame({"y": plots.row_positions(sections), "value": [1, 2], "name": "White"})
    for ax in (left, right):
        plots.dots(ax, rows, ring=True)
    plots.name_rows(left, rows["y"].to_numpy(), pd.Series(["one", "two"]), sections)
    fig.canvas.draw()
    assert [t.get_text() for t in left.get_yticklabels()] == ["a", "one", "b", "two"]
    assert [t.get_fontweight() for t in left.get_yticklabels()] == ["bold", "normal"] * 2
    assert not any(t.label1.get_visible() for t in right.yaxis.get_major_ticks())


def test_rows_stand_apart_where_a_section_begins():
    assert plots.row_positions(pd.Series(["a", "a", "b"]), gap=1.5).tolist() == [1, 2, 4.5]


def test_a_logarithmic_axis_has_the_ticks_that_it_is_given():
    fig, (ax, _) = two_panels()
    plots.log_axis(ax, "x", [1, 1000], "{:,} %")
    fig.canvas.draw()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1 %", "1,000 %"]
    assert ax.get_xscale() == "log" and ax.get_xticks(minor=True).size == 0
