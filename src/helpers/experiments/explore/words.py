"""The words and the figure of notebook 10."""

import pandas as pd
from matplotlib.figure import Figure

from helpers.experiments.explore.make import NAMED
from helpers.experiments.explore.tables import OPENING, state
from helpers.experiments.explore.widget import GALLERY_LABELS
from helpers.faces.pipelines import MODEL_LABELS, MODELS
from helpers.show import numbers
from helpers.show.plots import PERCENT, direct_label, lines, log_axis, new_figure
from helpers.show.style import styled

SMALL_GALLERY = 1000


def _all(gallery, model, policy, size=None) -> str:
    """All members at one position: a rate with its interval, the expected number rounded."""
    row = state(gallery, model, policy, size).iloc[0]
    return numbers.rate(round(row["flagged"]), row["searched"], row["low"], row["high"])


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


@styled()
def plot_curves(found: pd.DataFrame) -> Figure:
    """FPIR against the share of single comparisons at the threshold, a line a size."""
    colours = ["#5C8FB8", "#2F5F8A", "#1A1A1A"]
    fig, axes = new_figure(4.6, 2, 2, sharex=True, sharey=True)
    for ax, model in zip(axes.ravel(), MODELS, strict=True):
        part = found[found["model"] == model]
        looks = {
            size: {"color": colour}
            for size, colour in zip(sorted(part["size"].unique()), colours, strict=True)
        }
        lines(ax, part, "per_million", "fpir", "size", looks, spread=("low", "high"), width=1.6)
        for (size, look), y in zip(looks.items(), (64, 79, 94), strict=True):
            direct_label(ax, 0.35, y, f"{size:,} faces", look["color"])
        ax.set_title(MODEL_LABELS[model])
        log_axis(ax, "x", [1, 10, 100, 1000, 10_000], "{:,}")
        ax.set_xlim(0.3, 1e5)
        ax.set_ylim(0, 101)
        ax.yaxis.set_major_formatter(PERCENT)
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
