"""The project's look: colours, markers and lines by name, sizes, and matplotlib's settings."""

from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.rcsetup import cycler

from helpers.faces.pipelines import PIPELINES

# Lightness differs by 7 or more between any two (greyscale print) and the colour distance is 18
# or more with each kind of colour blindness (tests/test_figures.py computes both).
GROUP_COLOURS = {
    "White": "#4A4A4A",
    "Black": "#001A80",
    "Hispanic": "#A03F14",
    "East Asian": "#1DB9D6",
    "South Asian": "#A56C9F",
    "Native and Pacific": "#C98A00",
}
GROUP_MARKERS = {
    "White": "o",
    "Black": "s",
    "Hispanic": "D",
    "East Asian": "^",
    "South Asian": "v",
    "Native and Pacific": "X",
}
MODEL_LINES: dict[str, dict] = {
    name: {"color": row.colour, "ls": row.line} for name, row in PIPELINES.items()
}
GALLERY_LABELS = {"utkface": "adult strangers", "legislators": "former legislators"}
INK, MUTED, GRID = "#1A1A1A", "#5F5F5F", "#E3E3E3"
IMPOSTOR_COLOUR, GENUINE_COLOUR = "#A03F14", "#7FA8C9"

WIDTH = 4.6  # inches: a phone of 390 px shows it at 80 %, so that letters of 8 pt can be read
DPI = 200
MARGIN = 0.06  # inches

STYLE = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine has the same one
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.edgecolor": "#B5B5B5",
    "axes.linewidth": 0.8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=list(GROUP_COLOURS.values())),
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": "#B5B5B5",
    "ytick.color": "#B5B5B5",
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.solid_capstyle": "butt",
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "path.simplify": False,
    "text.hinting": "none",  # the same widths at every resolution and in every format
    "svg.fonttype": "path",  # outlines: looks alike where DejaVu is not installed
    "pdf.fonttype": 42,
    "pdf.compression": 0,  # no dependence on the system's zlib
}


@contextmanager
def styled(**more):
    """The project's style for as long as the block lasts, whatever a user or matplotlib set."""
    kept = {"backend", "backend_fallback", "interactive", "toolbar", "timezone"}
    with mpl.rc_context():
        mpl.rcParams.update({k: v for k, v in mpl.rcParamsDefault.items() if k not in kept})
        mpl.rcParams.update(STYLE | more)  # type: ignore[arg-type]
        yield


def colour_of(name: str) -> str:
    """The colour of a group; the ink colour for totals and everything else."""
    return GROUP_COLOURS.get(name, INK)
