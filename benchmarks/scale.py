"""What 1, 25 and 640 million faces cost: the tables and the figure of docs/scale.md.

    python benchmarks/scale.py

Reads the results of enrolment.py, search.py --scale, cluster.py and schedule.py beside it, and
writes the tables into docs/scale.md, between its marks, and docs/_static/scale-cost.svg.
"""

import argparse
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.files import write_atomically
from helpers.paths import DATA, ROOT
from helpers.show.layout import headline, layout_problems
from helpers.show.style import DPI, INK, MUTED, styled

HERE = Path(__file__).parent
PAGE, PICTURE = ROOT / "docs" / "scale.md", ROOT / "docs" / "_static" / "scale-cost.svg"
SIZES = (10**6, 25 * 10**6, 640 * 10**6)
MODEL = "sface-native"
PART = 8_192  # faces
LISTED = 1_200  # bytes that the machine which enrols takes for an image of its list, measured
TITLE = "From 100,000 faces on, a search in parts costs two to four times the bare product"
SUBTITLE = "Core seconds of a search of all 529 members. Crosses: gallery in memory"


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(HERE / f"results-{name}.csv")


def measured() -> dict[str, float]:
    """What one core does, and what a face takes: core seconds, bytes, MB."""
    enrolment = read("enrolment").set_index("model").loc[MODEL]
    search = read("cluster-search").iloc[-1]
    faces = DATA / "faces" / f"legislators-{MODEL}.parquet"
    return {
        "enrol": enrolment["processes"] / enrolment["ours_images_per_second"],
        "search": search["cluster_core_seconds"] / search["gallery"],
        "bare": search["bare_core_seconds"] / search["gallery"],
        "portrait": pd.read_csv(DATA / "manifests" / "probes.csv")["bytes"].mean(),
        "face": faces.stat().st_size / len(pd.read_parquet(faces, columns=["id"])),
        "peak": search["worker_peak_mb"],
    }


def markdown(rows: list[tuple]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


def costs() -> str:
    """The table of what the three sizes cost, with the arithmetic of each row."""
    m = measured()
    head = ("", "how", *(f"{n // 10**6} million" for n in SIZES))

    def row(name, how, value, unit, digits=0):
        return (name, how, *(f"{value(n):,.{digits}f} {unit}" for n in SIZES))

    return markdown(
        [
            head,
            row("Enrolment, core hours", f"faces × {m['enrol']:.4f} s ÷ 3,600",
                lambda n: n * m["enrol"] / 3600, "h"),
            row("Images read over the network", f"faces × {m['portrait'] / 1e3:.0f} kB",
                lambda n: n * m["portrait"] / 1e9, "GB"),
            row("Face metadata to store", f"faces × {m['face']:.0f} B",
                lambda n: n * m["face"] / 1e9, "GB", 1),
            row("Files of it", f"faces ÷ {PART:,}", lambda n: -(-n // PART), "files"),
            row("Memory of the machine that enrols", f"faces × {LISTED:,} B",
                lambda n: n * LISTED / 1e9, "GB", 1),
            row("A search of all 529 members, core seconds", f"faces × {m['search'] * 1e6:.2f} µs",
                lambda n: n * m["search"], "s"),
            row("The bare product of it, core seconds", f"faces × {m['bare'] * 1e6:.2f} µs",
                lambda n: n * m["bare"], "s"),
            row("Read over the network by a search", "all face metadata once",
                lambda n: n * m["face"] / 1e9, "GB", 1),
            row("Memory of a worker, most", "measured with parts of 100,000",
                lambda n: m["peak"], "MB"),
        ]
    )  # fmt: skip


def throughput() -> str:
    """The table of what a core does, as measured."""
    rows = [("", "one core", "from")]
    table = read("enrolment").set_index("model")
    for model in ("dlib-native", "sface-native", "facenet-native"):
        each = table.loc[model, "ours_images_per_second"] / table.loc[model, "processes"]
        rows.append((f"Enrolment, {model}", f"{each:.0f} images a second", "results-enrolment.csv"))
    last = read("cluster-search").iloc[-1]
    for name, way in (("in parts, on the cluster", "cluster"), ("in parts, one process", "one"),
                      ("the bare product", "bare")):  # fmt: skip
        pairs = last["gallery"] * last["probes"] / last[f"{way}_core_seconds"]
        said = f"{pairs / 1e6:,.0f} million comparisons a second"
        rows.append((f"Search, {name}", said, "results-cluster-search.csv"))
    return markdown(rows)


def schedule() -> str:
    """The table of the simulation."""
    head = ("", "faces", "faces a task", "tasks", "a task takes", "if all were even", "takes")
    rows = [(*head, "worst of 10", "work lost")]
    for r in read("schedule").sort_values(["what", "faces", "faces_a_task"]).itertuples():
        times = (r.task_seconds / 60, r.ideal_minutes, r.minutes, r.worst_minutes)
        words = (f"{m:,.0f} min" if m >= 10 else f"{60 * m:,.3g} s" for m in times)
        lost = f"{60 * r.lost_core_hours:,.0f} core min"
        faces = f"{r.faces // 10**6} million"
        rows.append((r.what, faces, f"{r.faces_a_task:,}", f"{r.tasks:,}", *words, lost))
    return markdown(rows)


def draw() -> bytes:
    """The figure: core seconds of a search of all members against gallery size, as SVG."""
    table, memory = read("cluster-search"), read("search-scale")
    memory = memory[(memory["model"] == "SFace") & (memory["probes"] == 529) & memory["top"].isna()]
    memory = memory.drop_duplicates("gallery")
    ways = (("cluster", "in parts, on a cluster", INK, "-", 8, "right"),)
    ways += (("bare", "bare product", MUTED, "--", -12, "left"),)
    with styled(**{"svg.hashsalt": "scale-cost"}):
        fig = Figure(figsize=(4.6, 3.4), layout="constrained", dpi=DPI)
        ax = fig.subplots()
        for way, label, colour, line, above, side in ways:
            seconds = table[f"{way}_core_seconds"]
            ax.plot(table["gallery"], seconds, line, color=colour, marker="o", ms=4)
            at = (table["gallery"].iloc[2], seconds.iloc[2])
            beside = {"textcoords": "offset points", "ha": side, "color": colour}
            ax.annotate(label, at, (-above, above), **beside)
        # measured on another day: as its ratio to the product of that day
        sizes = np.log(table["gallery"]), np.log(table["bare_core_seconds"])
        product = np.exp(np.interp(np.log(memory["gallery"]), *sizes))
        ax.plot(memory["gallery"], product * memory["ratio"], "x", color=INK, ms=6)
        ax.set(xscale="log", yscale="log", xlabel="faces in the gallery", ylabel="core seconds")
        ax.set_xticks(table["gallery"], [f"{n:,}" for n in table["gallery"]])
        ax.set_yticks(ticks := [0.001, 0.01, 0.1, 1, 10], [f"{n:g}" for n in ticks])
        ax.minorticks_off()
        headline(fig, TITLE, SUBTITLE, "The Congress Test, benchmarks/scale.py. CC BY 4.0.")
        problems = layout_problems(fig)
        assert not problems, problems
        out = io.BytesIO()
        fig.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": TITLE})
    return out.getvalue()


def page(text: str) -> str:
    """The page with its tables made anew, each between two marks."""
    for table in (throughput, costs, schedule):
        name = table.__name__
        marks = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(
            marks, lambda m, t=table: f"{m[1]}\n{t()}\n\n{m[2]}", text, flags=re.S
        )
        assert count == 1, f"docs/scale.md has no place for {name}"
    return text


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    with write_atomically(PAGE) as half:
        half.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    with write_atomically(PICTURE) as half:
        half.write_bytes(draw())


if __name__ == "__main__":
    main()
