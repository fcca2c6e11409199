"""The interactive explorer: threshold, gallery and its size, model -> members falsely matched.

The numbers are exact expectations on a grid, not simulations: for each member the number of gallery
faces at or below a threshold is known, and with it the chance that a random part of the gallery
holds at least one of them (`rates.expected_fpir_hypergeometric`). The page needs no kernel and no
network: `widget` returns HTML with the data and a small script inside.

`python -m helpers.experiments.explore` makes data/results/explorer.csv. It needs the face metadata
of `utkface` in the cache (`congress-test fetch utkface`, `congress-test enrol utkface`), no images,
and takes some minutes. What ships are sums over recorded groups of members; nothing in it is of a
single gallery face.
"""

import argparse
import html
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.experiments import the_congress_test as headline
from helpers.experiments.what_the_officer_sees import tables as candidate_lists
from helpers.faces import collection
from helpers.faces.pipelines import MODELS
from helpers.paths import DATA
from helpers.protocol import shipping
from helpers.show import figures
from helpers.show.figures import GROUP_ORDER, MODEL_LABELS
from helpers.statistics import rates
from helpers.statistics.intervals import wilson

RESULTS = DATA / "results"
TABLE = "explorer.csv"
STEPS = 20  # thresholds at even distances, besides the named ones
SIZES = {
    "utkface": (500, 1000, 2000, 3000, 5000, 7500, 10000, 12500, 15000),
    "legislators": (250, 500, 1000, 1500, 2000, 2500, 3000, 3500),
}  # faces; the whole gallery comes last
NAMED = {
    "default": "the library's default",
    "count:28": "28 members flagged in the whole gallery",
    "fmr:0.001": "calibrated to an FMR of 1e-3",
    "fmr:0.0001": "calibrated to an FMR of 1e-4",
    "fmr:1e-05": "calibrated to an FMR of 1e-5",
    "fmr:1e-06": "calibrated to an FMR of 1e-6",
}
GALLERY_LABELS = {
    "utkface": "Adult strangers (UTKFace)",
    "legislators": "Former legislators",
}
GENDERS = {"": "Everyone", "female": "Women", "male": "Men"}  # as recorded by the publisher
OPENING = ("utkface", "dlib-native", "default")
SMALL_GALLERY = 1000
DRAWN = (1000, 5000)  # sizes in the figure, besides the whole gallery


# ---------------------------------------------------------------- the grid


def grid(best: np.ndarray, named: dict, steps: int = STEPS) -> pd.DataFrame:
    """The thresholds of one gallery and model: columns threshold (ascending), name ("" if none).

    best: best impostor score of each member. Even steps lead from just below the best of all to
    the score within which 98 % of the members have a candidate, or the loosest named threshold.
    """
    best = np.sort(best[np.isfinite(best)])
    low = 0.97 * min(best[0], *named.values())
    high = max(best[int(0.98 * (len(best) - 1))], *named.values())
    even = np.round(np.linspace(low, high, steps), 3)
    names = {round(value, 4): name for name, value in named.items()}
    values = sorted({*names, *(v for v in even if v not in names)})
    return pd.DataFrame({"threshold": values, "name": [names.get(v, "") for v in values]})


def expected(within: np.ndarray, faces: int, size: int, cells: pd.Series) -> pd.Series:
    """Expected number of members falsely matched in a random gallery of `size` faces, by cell.

    within: (members,) gallery faces at or below the threshold, of `faces`. cells: the cell of each
    member. Exact: 1 - C(faces - k, size) / C(faces, size), summed over members.
    """
    chance = rates.expected_fpir_hypergeometric(
        np.asarray(within).reshape(-1, 1), np.array([faces]), np.array([size])
    )
    return pd.Series(chance).groupby(cells.to_numpy()).sum()


def explore(scores_of: np.ndarray, enrolled: np.ndarray, cells, thresholds, sizes) -> pd.DataFrame:
    """The grid of one gallery and model: one row a threshold and size.

    scores_of: (enrolled members, faces) distances. enrolled: (members,) bool; whoever failed to
    enrol is never matched. cells: (members,). Columns threshold, name, size, per_million (of a
    million single comparisons, those at or below the threshold), and one a cell: expected number of
    its members falsely matched.
    """
    n_faces = scores_of.shape[1]
    rows = []
    for threshold, name in thresholds[["threshold", "name"]].itertuples(index=False):
        within = np.zeros(len(enrolled), dtype=np.int64)
        within[enrolled] = (scores_of <= threshold + 1e-9).sum(axis=1)  # rounded already
        head = {"threshold": threshold, "name": name}
        fmr = within.sum() / (enrolled.sum() * n_faces)
        for size in [*(s for s in sizes if s < n_faces), n_faces]:
            row = head | {"size": size, "per_million": 1e6 * fmr}
            rows.append(row | expected(within, n_faces, size, cells).to_dict())
    return pd.DataFrame(rows)


def make(out: Path, progress: bool = False) -> None:
    """Write explorer.csv into the folder `out`; deterministic."""
    parts = []
    pairs = [(gallery, model) for gallery in headline.GALLERIES for model in MODELS]
    for gallery, model in tqdm(pairs, disable=not progress):
        members = headline.result(gallery, model).members
        probes = shipping.load_dataset("probes", model)
        faces, _, kept = candidate_lists.faces_searched(gallery, model)
        strangers = collection.subset(faces, faces.ids[kept])
        blocks = [found for _, found in collection.score_blocks(probes, strangers)]
        position = pd.Index(probes.ids).get_indexer(members.loc[members["enrolled"], "member_id"])
        named = {}
        for policy in NAMED:
            named[policy] = headline.result(gallery, model, policy).summary["threshold"]
        thresholds = grid(members["score"].to_numpy(), named)
        table = explore(
            np.concatenate(blocks)[position],
            members["enrolled"].to_numpy(),
            members["group"] + ", " + members["gender"],
            thresholds,
            SIZES[gallery],
        )
        parts.append(table.assign(gallery=gallery, model=model))
    table = pd.concat(parts, ignore_index=True)
    first = ["gallery", "model", "threshold", "name", "size", "per_million"]
    table = table[[*first, *table.columns.drop(first)]]
    table["per_million"] = table["per_million"].map(lambda v: float(f"{v:.4g}"))
    table = table.round(dict.fromkeys(table.columns[len(first) :], 2))
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / TABLE, index=False, float_format="%.6g", lineterminator="\n")


# ---------------------------------------------------------------- what the widget shows


@cache
def table() -> pd.DataFrame:
    """The shipped grid: one row a gallery, model, threshold and size, columns as `explore`."""
    return pd.read_csv(RESULTS / TABLE, keep_default_na=False)


@cache
def cells() -> pd.Series:
    """How many members were searched, by cell ("White, female"), failures to enrol included."""
    members = headline.result(*OPENING[:2]).members
    sizes = (members["group"] + ", " + members["gender"]).value_counts()
    return sizes.reindex(table().columns[6:]).rename("searched")


def rows(gender: str = "") -> dict[str, list[str]]:
    """The rows of the explorer's table: a name and the cells that it sums.

    gender: "" for everyone, else the recorded gender that is shown.
    """
    mine = [c for c in cells().index if gender in ("", c.split(", ")[1])]
    groups = {g: [c for c in mine if c.split(", ")[0] == g] for g in GROUP_ORDER}
    colour = [c for g, parts in groups.items() if g != "White" for c in parts]
    return {
        {"": "All members", "female": "All women", "male": "All men"}[gender]: mine,
        "White": groups["White"],
        "Members of colour": colour,
        "Members of colour, not Asian": [c for c in colour if "Asian" not in c],
        **{g: groups[g] for g in GROUP_ORDER if g != "White"},
    }


def state(gallery: str, model: str, policy: str, size: int | None = None, gender: str = ""):
    """One position of the sliders: a row each of `rows` with searched, flagged, fpir, low, high.

    policy: a name of NAMED. size: faces, None for the whole gallery. flagged is an expectation
    where the gallery is smaller than the whole; low, high: Wilson, as if so many were flagged.
    Raises LookupError for a position that is not on the grid.
    """
    found = table()
    found = found[(found["gallery"] == gallery) & (found["model"] == model)]
    found = found[(found["name"] == policy) & (found["size"] == (size or found["size"].max()))]
    if len(found) != 1:
        raise LookupError(f"{gallery}, {model}, {policy}, {size} is not on the grid")
    shown = []
    for name, parts in rows(gender).items():
        n, k = int(cells()[parts].sum()), float(found[parts].iloc[0].sum())
        low, high = wilson(k, n) if n else (np.nan, np.nan)
        fpir = k / n if n else np.nan
        shown.append((name, n, k, fpir, float(low), float(high)))
    return pd.DataFrame(shown, columns=["group", "searched", "flagged", "fpir", "low", "high"])


def payload() -> dict:
    """The data inside the widget: the grid in tenths of a member, as whole numbers.

    Keys cells, searched, rows (per gender: name, cells), names, and grids: "gallery|model" ->
    thresholds [distance, name, per million], sizes, values (a list a threshold and size).
    """
    found = table()
    names = list(cells().index)
    grids = {}
    for (gallery, model), part in found.groupby(["gallery", "model"], sort=False):
        heads = part[["threshold", "name", "per_million"]].drop_duplicates()
        tenths = np.rint(part[names].to_numpy() * 10).astype(int)
        grids[f"{gallery}|{model}"] = {
            "thresholds": [[float(t), n, float(f)] for t, n, f in heads.itertuples(index=False)],
            "sizes": [int(s) for s in part["size"].unique()],
            "values": tenths.ravel().tolist(),
        }
    index = {c: i for i, c in enumerate(names)}
    return {
        "searched": [int(n) for n in cells()],
        "rows": {g: [[n, [index[c] for c in p]] for n, p in rows(g).items()] for g in GENDERS},
        "names": NAMED,
        "galleries": GALLERY_LABELS,
        "models": {m: MODEL_LABELS[m] for m in MODELS},
        "opening": OPENING,
        "grids": grids,
    }


JUMPS = {
    "default": "library default",
    "count:28": "28 flagged",
    "fmr:0.0001": "FMR 1e-4",
    "fmr:1e-05": "FMR 1e-5",
    "fmr:1e-06": "FMR 1e-6",
}

STYLE = """
#cx{--bg:#fff;--ink:#1a1a1a;--muted:#5f5f5f;--line:#d5d5d5;--bar:#7fa8c9;--mark:#1a3a5a;
 background:var(--bg);color:var(--ink);border:1px solid var(--line);border-radius:8px;
 padding:1rem;max-width:52rem;font:15px/1.45 system-ui,sans-serif}
@media (prefers-color-scheme:dark){#cx{--bg:#16191d;--ink:#eaeaea;--muted:#b0b4ba;--line:#41464d;
 --bar:#3f6f96;--mark:#d6e8f7}}
body[data-jp-theme-light=true] #cx{--bg:#fff;--ink:#1a1a1a;--muted:#5f5f5f;--line:#d5d5d5;
 --bar:#7fa8c9;--mark:#1a3a5a}
body[data-jp-theme-light=false] #cx{--bg:#16191d;--ink:#eaeaea;--muted:#b0b4ba;--line:#41464d;
 --bar:#3f6f96;--mark:#d6e8f7}
#cx *{box-sizing:border-box}
#cx .controls{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,14rem),1fr));
 gap:.6rem 1.2rem}
#cx .controls[hidden]{display:none}
#cx label{display:block;font-weight:600}
#cx select,#cx input{width:100%;margin:.2rem 0;font:inherit;font-weight:400}
#cx select,#cx button{background:var(--bg);color:var(--ink);border:1px solid var(--muted);
 border-radius:4px;padding:.35rem}
#cx button{font:inherit;font-size:13px;cursor:pointer}
#cx button[aria-pressed=true]{background:var(--mark);color:var(--bg)}
#cx .wide{grid-column:1/-1}
#cx .jump{display:flex;flex-wrap:wrap;gap:.35rem;align-items:center}
#cx output,#cx .note{color:var(--muted);font-size:14px;font-weight:400}
#cx .said{font-size:16px;font-weight:600;margin:.9rem 0 .4rem}
#cx table{width:100%;border-collapse:collapse;margin:0;background:none;font-size:14px}
#cx caption{text-align:left;color:var(--muted);font-size:13px;padding:.2rem 0}
#cx th,#cx td{text-align:left;padding:.28rem .5rem .28rem 0;border:0;
 border-bottom:1px solid var(--line);background:none;color:var(--ink);font-weight:400;
 white-space:normal;max-width:none;vertical-align:middle}
#cx .bar{width:30%}
#cx thead th{color:var(--muted);font-size:13px}
#cx tbody tr:first-child th,#cx tbody tr:nth-child(3) th{font-weight:600}
#cx .track{position:relative;height:14px;min-width:5rem;background:none;
 border-left:1px solid var(--muted)}
#cx .track i{position:absolute;display:block;top:2px;height:10px;left:0;background:var(--bar)}
#cx .track b{position:absolute;display:block;top:6px;height:2px;background:var(--mark)}
#cx :focus-visible{outline:2px solid var(--mark);outline-offset:2px}
@media (max-width:34rem){#cx{padding:.7rem}#cx .bar{display:none;width:auto}
 #cx tbody tr{position:relative}#cx tbody th,#cx tbody td{padding-bottom:.75rem}
 #cx .bar.narrow{display:block;position:absolute;left:0;right:0;bottom:0;padding:0;border:0}
 #cx .track{height:8px}#cx .track i{top:1px;height:6px}#cx .track b{top:3px}}
"""

# Everything that the script computes: sums of cells, the Wilson interval, and texts.
SCRIPT = """
(function () {
  var root = document.getElementById('cx');
  if (!root || root.dataset.ready) return;
  root.dataset.ready = '1';
  var data = JSON.parse(root.querySelector('.data').textContent);
  function part(name) { return root.querySelector('[data-part=' + name + ']'); }
  var gallery = part('gallery'), model = part('model'), gender = part('gender');
  var threshold = part('threshold'), size = part('size'), jump = part('jump');
  function grid() { return data.grids[gallery.value + '|' + model.value]; }
  function wilson(k, n) {
    var z = 1.959963984540054, p = k / n, d = 1 + z * z / n, m = (p + z * z / (2 * n)) / d;
    var h = z / d * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return [Math.max(0, m - h), Math.min(1, m + h)];
  }
  function number(v) { return v.toLocaleString('en-US'); }
  function count(k, whole) { return whole ? Math.round(k) : k.toFixed(1); }
  function percent(v, d) { return (100 * v).toFixed(d); }
  function named(name) {
    var all = grid().thresholds;
    for (var i = 0; i < all.length; i++) if (all[i][1] === name) return i;
    return -1;
  }
  function choose(name, share) {  // after another gallery or model: the same name, if it has one
    threshold.max = grid().thresholds.length - 1;
    size.max = grid().sizes.length - 1;
    var at = named(name || 'default');
    threshold.value = at < 0 ? named('default') : at;
    size.value = Math.round(share * size.max);
    draw();
  }
  var before = '';
  function draw() {
    var g = grid(), t = +threshold.value, s = +size.value, cut = g.thresholds[t];
    var whole = s === g.sizes.length - 1, n = data.searched.length;
    var from = (t * g.sizes.length + s) * n, values = g.values.slice(from, from + n);
    before = cut[1];
    var words = cut[0].toFixed(4) + (cut[1] ? ', ' + data.names[cut[1]] : '');
    var faces = number(g.sizes[s]) + ' faces'
      + (whole ? ', the whole gallery' : ', drawn at random');
    part('threshold-said').textContent = 'Distance ' + words + '. Of a million single comparisons, '
      + number(+cut[2].toPrecision(3)) + ' are at or below it.';
    part('size-said').textContent = faces;
    threshold.setAttribute('aria-valuetext', words);
    size.setAttribute('aria-valuetext', faces);
    jump.querySelectorAll('button').forEach(function (b) {
      b.setAttribute('aria-pressed', String(b.value === cut[1]));
    });
    var lines = data.rows[gender.value].map(function (r) {
      var k = 0, m = 0;
      r[1].forEach(function (c) { k += values[c] / 10; m += data.searched[c]; });
      var ends = m ? wilson(k, m) : [0, 0];
      return {name: r[0], k: k, n: m, rate: m ? k / m : 0, low: ends[0], high: ends[1]};
    });
    var top = Math.max.apply(null, lines.map(function (r) { return r.n >= 10 ? r.high : r.rate; }));
    var scale = top <= 0.1 ? 0.1 : top <= 0.25 ? 0.25 : top <= 0.5 ? 0.5 : 1;
    part('scale').textContent = '0 to ' + percent(scale, 0) + ' %';
    var body = part('body');
    body.textContent = '';
    lines.forEach(function (r) {
      var tr = document.createElement('tr');
      function cell(tag, text) {
        var c = document.createElement(tag);
        c.textContent = text; tr.appendChild(c); return c;
      }
      cell('th', r.name).scope = 'row';
      cell('td', r.n ? count(r.k, whole) + ' of ' + r.n : 'nobody searched');
      cell('td', r.n ? percent(r.rate, 1) + ' % (' + percent(r.low, 1) + '\\u2060\\u2013\\u2060'
        + percent(r.high, 1) + ')' : '');
      var bar = cell('td', '');
      bar.className = 'bar narrow'; bar.setAttribute('aria-hidden', 'true');
      if (r.n) {
        var track = document.createElement('div'), i = document.createElement('i'),
          b = document.createElement('b');
        track.className = 'track';
        i.style.width = Math.min(100, 100 * r.rate / scale) + '%';
        b.style.left = Math.min(100, 100 * r.low / scale) + '%';
        b.style.right = Math.max(0, 100 - 100 * r.high / scale) + '%';
        track.appendChild(i); track.appendChild(b); bar.appendChild(track);
      }
      body.appendChild(tr);
    });
    var all = lines[0], who = {'': 'members', female: 'women', male: 'men'}[gender.value];
    part('said').textContent = count(all.k, whole) + ' of ' + all.n + ' '
      + who + ' falsely matched' + (whole ? '' : ' (expected)') + ': FPIR ' + percent(all.rate, 1)
      + ' % (95 % interval ' + percent(all.low, 1) + '\\u2013' + percent(all.high, 1) + ')';
  }
  [gallery, model].forEach(function (c) {
    c.addEventListener('change', function () { choose(before, +size.value / +size.max); });
  });
  [threshold, size].forEach(function (c) { c.addEventListener('input', draw); });
  gender.addEventListener('change', draw);
  jump.addEventListener('click', function (e) {
    if (e.target.value) { threshold.value = named(e.target.value); draw(); }
  });
  part('controls').hidden = false;
  root.querySelectorAll('.bar').forEach(function (c) { c.hidden = false; });
  gallery.value = data.opening[0]; model.value = data.opening[1];
  choose(data.opening[2], 1);
})();
"""


def widget() -> str:
    """The explorer as HTML: controls, table, data and script in one piece, nothing from outside.

    Without a script the table of the opening position stays, and says so.
    """
    opening = state(*OPENING)
    data = json.dumps(payload(), separators=(",", ":"), ensure_ascii=True).replace("</", "<\\/")

    def options(labels):
        return "".join(
            f'<option value="{html.escape(k)}">{html.escape(v)}</option>' for k, v in labels.items()
        )

    def choice(part, label, labels):
        return f'<label>{label}<select data-part="{part}">{options(labels)}</select></label>'

    def slider(part, label):
        return (
            f'<div class="wide"><label>{label}<input type="range" data-part="{part}" min="0" '
            f'step="1"></label><output data-part="{part}-said"></output></div>'
        )

    jumps = "".join(
        f'<button type="button" value="{k}" aria-pressed="false">{html.escape(v)}</button>'
        for k, v in JUMPS.items()
    )
    lines = "".join(
        f'<tr><th scope="row">{r.group}</th><td>{r.flagged:.0f} of {r.searched}</td>'
        f"<td>{100 * r.fpir:.1f} % ({100 * r.low:.1f}–{100 * r.high:.1f})</td></tr>"
        for r in opening.itertuples()
    )
    return (
        f'<section id="cx" aria-label="Explorer of false matches"><style>{STYLE}</style>'
        '<div class="controls" data-part="controls" hidden>'
        + choice("gallery", "Gallery", GALLERY_LABELS)
        + choice("model", "Model", {m: MODEL_LABELS[m] for m in MODELS})
        + choice("gender", "Members (recorded gender)", GENDERS)
        + slider("threshold", "Threshold: stricter on the left, looser on the right")
        + f'<div class="wide jump" data-part="jump"><span class="note">Go to:</span>{jumps}</div>'
        + slider("size", "Gallery size")
        + f'</div><p class="said" data-part="said" role="status">{words_opening()}</p>'
        "<table><caption>Members falsely matched, by the ethnicity that the roster's publisher "
        "recorded; 95 % Wilson intervals. Groups of fewer than ten members say little.</caption>"
        '<thead><tr><th scope="col">Group</th><th scope="col">Falsely matched</th>'
        '<th scope="col">FPIR (95 % interval)</th><th class="bar" scope="col" aria-hidden="true" '
        'hidden data-part="scale"></th></tr></thead>'
        f'<tbody data-part="body">{lines}</tbody></table>'
        "<noscript><p>The sliders need JavaScript. The table shows one position; all of them are "
        "in data/results/explorer.csv.</p></noscript>"
        f'<script type="application/json" class="data">{data}</script><script>{SCRIPT}</script>'
        "</section>"
    )


def words_opening() -> str:
    """The opening position in a sentence."""
    r = state(*OPENING).iloc[0]
    return (
        f"{r['flagged']:.0f} of {r['searched']} members falsely matched: FPIR "
        f"{100 * r['fpir']:.1f} % (95 % interval {100 * r['low']:.1f}–{100 * r['high']:.1f})"
    )


# ---------------------------------------------------------------- as notebook 10 shows it


def show() -> None:
    """Show the widget as the output of a notebook cell; the bytes are the same every time."""
    from IPython.display import display

    display({"text/html": widget(), "text/plain": words_opening()}, raw=True)


def _all(gallery, model, policy, size=None) -> str:
    """All members at one position: a rate with its interval, the expected number rounded."""
    row = state(gallery, model, policy, size).iloc[0]
    return rates.format_rate(round(row["flagged"]), row["searched"], row["low"], row["high"])


def answer() -> str:
    """The answer of notebook 10: what each slider moves, from the opening position."""
    gallery, model, policy = OPENING
    return (
        f"**{GALLERY_LABELS[gallery]}, {MODEL_LABELS[model]}, at {NAMED[policy]}: "
        f"{_all(*OPENING)} members are falsely matched. Moving the threshold alone to where the "
        f"FMR was calibrated to 1 in 100,000 leaves {_all(gallery, model, 'fmr:1e-05')}; keeping "
        f"the default and drawing {SMALL_GALLERY:,} of the faces at random leaves "
        f"{_all(gallery, model, policy, SMALL_GALLERY)} on average.**"
    )


def words_models() -> str:
    """The other models at the same named position, in words."""
    others = [m for m in MODELS if m != OPENING[1]]
    parts = [f"{MODEL_LABELS[m]} {_all(OPENING[0], m, OPENING[2])}" for m in others]
    return (
        f"At their own library defaults, in the same gallery: {', '.join(parts)}. Distances of "
        "different models are on different scales; to compare models, compare positions of the "
        "same name, or of the same number of single comparisons."
    )


def show_opening() -> pd.DataFrame:
    """The opening position as a table, for print."""
    found = state(*OPENING)
    return pd.DataFrame(
        {
            "Group": found["group"],
            "Falsely matched (FPIR)": [
                rates.format_rate(round(r.flagged), r.searched, r.low, r.high)
                for r in found.itertuples()
            ],
        }
    )


def curves() -> pd.DataFrame:
    """All members' FPIR over the thresholds for some gallery sizes of `utkface`, for the figure.

    Columns model, size, threshold, per_million, flagged, searched, fpir, low, high.
    """
    found = table()
    found = found[(found["gallery"] == "utkface") & (found["per_million"] > 0)]
    largest = found.groupby("model")["size"].transform("max")
    found = found[found["size"].isin(DRAWN) | (found["size"] == largest)]
    n = int(cells().sum())
    flagged = found[list(cells().index)].sum(axis=1)
    low, high = wilson(flagged.to_numpy(), n)
    columns = ["model", "size", "threshold", "per_million"]
    return found[columns].assign(flagged=flagged, searched=n, fpir=flagged / n, low=low, high=high)


def plot_curves(found: pd.DataFrame) -> figures.Figure:
    """FPIR against the share of single comparisons at the threshold, a line a size."""
    colours = ["#5C8FB8", "#2F5F8A", "#1A1A1A"]
    with figures._styled():
        fig, axes = figures.new_figure(4.6, 2, 2, sharex=True, sharey=True)
        for ax, model in zip(axes.ravel(), figures.MODEL_ORDER, strict=True):
            part = found[found["model"] == model]
            sizes = sorted(part["size"].unique())
            for size, colour in zip(sizes, colours, strict=True):
                line = part[part["size"] == size]
                ax.fill_between(
                    line["per_million"], 100 * line["low"], 100 * line["high"], color=colour,
                    alpha=0.18, lw=0,
                )  # fmt: skip
                ax.plot(line["per_million"], 100 * line["fpir"], color=colour, lw=1.6)
            for size, colour, y in zip(sizes, colours, (64, 79, 94), strict=True):
                figures.direct_label(ax, 0.35, y, f"{size:,} faces", colour)
            ax.set_title(MODEL_LABELS[model])
            ax.set_xscale("log")
            ax.set_xlim(0.3, 1e5)
            ax.set_ylim(0, 101)
            ax.set_xticks([1, 10, 100, 1000, 10_000])
            ax.xaxis.set_major_formatter(figures.FuncFormatter(lambda v, _: f"{v:,.0f}"))
            ax.xaxis.set_minor_locator(figures.NullLocator())
            ax.yaxis.set_major_formatter(figures.FuncFormatter(lambda v, _: f"{v:.0f} %"))
            ax.grid(axis="both")
        axes[1, 0].set_xlabel("Of a million single comparisons, at the threshold", loc="left")
    return fig


def alt_curves() -> str:
    """What the figure shows, in words."""
    parts = []
    for model in MODELS:
        default, strict = (state("utkface", model, p).iloc[0] for p in ("default", "fmr:1e-05"))
        parts.append(
            f"{MODEL_LABELS[model]} {100 * default['fpir']:.0f} % at its default and "
            f"{100 * strict['fpir']:.0f} % where the FMR is 1e-5"
        )
    return f"Rising curves in four panels, three sizes each. Whole gallery: {'; '.join(parts)}."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Make data/results/explorer.csv from the face metadata in the cache."
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder to write to")
    make(parser.parse_args().out, progress=True)
