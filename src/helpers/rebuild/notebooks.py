"""Executing the notebooks (`make notebooks`), and what may be wrong with an executed one.

It holds no times, no Python patch version and no paths: the same results give the same bytes.
"""

import argparse
import hashlib
import os
import re
import statistics
import sys
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import nbformat

from helpers.errors import UserError
from helpers.files import write_atomically

# One thread, because the order of a sum changes its last digits; quiet models; a fixed hash seed.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm would like a widget
    "DEEPFACE_LOG_LEVEL": "50",
    "DEEPFACE_BACKEND_ENGINE": "onnx",
}
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE_INFO = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
TIMEOUT = 600  # seconds for one cell
LONGEST_CELL, LONGEST_MEDIAN = 30, 3  # lines of code
# the typed texts of a figure are prose: they have a test of their own
PROSE_LINE = re.compile(r"\s*(?:(?:id|notebook|title|subtitle|caption|alt)=|[\"'#])")
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|Users|root|tmp|work|private|var/folders)/[\w.-]+")


def execute(path: Path | str, out: Path | str, folder: Path | None = None) -> Path:
    """Execute a notebook in its own folder or `folder` and write a copy to `out`; return `out`.

    `out` may be the notebook itself. The kernel is this Python, whatever kernels are registered.
    Raises UserError, and writes nothing, if a cell fails or the result has `problems`.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    path, out = Path(path), Path(out)
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    specs = KernelSpecManager(kernel_dirs=[])  # without kernel folders only its own is known
    client = NotebookClient(
        nb,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs),
        timeout=TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str((folder or path.parent).resolve())}},
    )
    try:
        # a kernel manager passes the environment on as it is, so it has to be complete
        client.execute(env=os.environ | ENVIRONMENT, cleanup_kc=True)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise UserError(f"{path.name} does not run: {error}") from error
    normalise(nb)
    if found := problems(nb):
        raise UserError(f"{path.name}, executed: " + "; ".join(found))
    out.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(out) as half:
        nbformat.write(nb, half)
    return out


def execute_all(paths: Iterable[Path | str], folder: Path | str | None = None, say=print) -> list:
    """Execute notebooks, one a core at a time, into `folder` or, without one, in place.

    `say` gets a line with the time for each. Returns the paths written, in the order given. After
    one that fails no other is started; raises `execute`'s UserError.
    """

    def one(path):
        start = time.perf_counter()
        written = execute(path, Path(folder) / path.name if folder else path)
        say(f"{path.name}: {time.perf_counter() - start:.1f} s")
        return written

    # a kernel is a process of its own: the threads here only wait
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        futures = [pool.submit(one, path) for path in map(Path, paths)]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        failed = next((error for future in done if (error := future.exception())), None)
        if failed:
            pool.shutdown(cancel_futures=True)
            raise failed
        return [future.result() for future in futures]


def normalise(nb) -> None:
    """Drop, in place, what differs between machines and runs; give cells without an id one."""
    nb.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO})
    nb.nbformat, nb.nbformat_minor = 4, 5
    taken = set()
    for position, cell in enumerate(nb.cells):
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        new = hashlib.sha256(f"{position} {cell.source}".encode()).hexdigest()[:8]
        cell["id"] = cell.get("id") if cell.get("id") not in {None, "", *taken} else new
        taken.add(cell["id"])


def problems(nb) -> list[str]:
    """What is wrong with an executed notebook, a sentence each; [] if nothing.

    Every code cell has run, from 1 to n in order; nothing on stderr, no error, no address in
    memory, no path of a machine, no photograph (a JPEG) in an output; cells are short.
    """
    found = []
    cells = [c for c in nb.cells if c.cell_type == "code"]
    counts = [c.execution_count for c in cells]
    if counts != list(range(1, len(cells) + 1)):
        found.append(f"cells are not executed from 1 to {len(cells)} in order: {counts}")
    lines = [[line for line in c.source.splitlines() if line.strip()] for c in cells]
    lengths = [sum(not PROSE_LINE.match(line) for line in of_cell) for of_cell in lines]
    if lengths and statistics.median(lengths) > LONGEST_MEDIAN:
        found.append(f"the median cell has {statistics.median(lengths):g} lines of code")
    for count, cell, length in zip(counts, cells, lengths, strict=True):
        where = f"cell {count}"
        if length > LONGEST_CELL:
            found.append(f"{where} has {length} lines of code")
        for output in cell.outputs:
            found += [f"{where} {what}" for what in _output_problems(output)]
    return found


def _output_problems(output) -> list[str]:
    if output.output_type == "error":
        return [f"ends in {output.ename}: {output.evalue}"]
    if output.output_type == "stream":
        if output.name == "stderr":
            return [f"writes to stderr: {output.text.strip()[:200]!r}"]
        texts = {"text": output.text}
    else:
        texts = {kind: str(text) for kind, text in output.data.items()}
    found = []
    for kind, text in texts.items():
        if kind == "image/jpeg" or "data:image/jpeg" in text:
            found.append("shows a JPEG, which may be a photograph of a person")
        if kind.startswith("image/"):
            continue
        if re.search(r"\bat 0x[0-9a-f]{6,}", text):
            found.append("prints an address in memory, which changes with every run")
        if path := MACHINE_PATH.search(text):
            found.append(f"prints a path of this machine: {path.group()}")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Execute notebooks, in place or into a folder.")
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="folder for the executed copies")
    options = parser.parse_args(arguments)
    try:
        execute_all(options.notebooks, options.out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
