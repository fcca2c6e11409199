"""Time and peak memory of `congress-test reproduce`, what `make run` does once it is installed.

    python benchmarks/run.py [--repeats 1] [-- COMMAND ...]

The peak is the largest sum over the process and its children of their resident memory, looked at
ten times a second; pages that processes share count in each.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil

HERE = Path(__file__).parent
COMMAND = [str(Path(sys.executable).with_name("congress-test")), "reproduce"]


def measure(command: list[str]) -> dict:
    """Run a command to its end: seconds, peak MB of it all and of its largest process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=HERE.parent)
    total = largest = most = 0
    while process.poll() is None:
        sizes = list(resident(process.pid))
        total = max(total, sum(sizes))
        largest = max([largest, *sizes])
        most = max(most, len(sizes))
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with status {process.returncode}")
    return {
        "seconds": round(seconds, 1),
        "peak_mb": round(total / 1e6),
        "peak_mb_of_largest_process": round(largest / 1e6),
        "processes": most,
    }


def resident(pid: int):
    """Resident memory of a process and all below it, in bytes."""
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            try:
                yield process.memory_info().rss
            except psutil.NoSuchProcess:  # it has just ended
                continue
    except psutil.NoSuchProcess:
        return


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=1, help="a row each")
    out = HERE / "results-run.csv"
    parser.add_argument("--out", type=Path, default=out, help="table to write")
    parser.add_argument("command", nargs="*", help="default: congress-test reproduce")
    arguments = parser.parse_args()
    command = arguments.command or COMMAND
    name = " ".join([Path(command[0]).name, *command[1:]])
    rows = [{"command": name} | measure(command) for _ in range(arguments.repeats)]
    table = pd.DataFrame(rows)
    table.to_csv(arguments.out, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
