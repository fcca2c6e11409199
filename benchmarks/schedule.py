"""A made-up day of 1,000 workers: how long enrolment and search take with stragglers and failures.

    python benchmarks/schedule.py [--seeds 10]

No cluster is needed: each task goes to whoever is free first, as Dask gives them, and the time of
a task is drawn. Throughput of a core is taken from results-enrolment.csv and
results-cluster-search.csv, everything else is an assumption, named below. Seeded.
"""

import argparse
import heapq
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
MODEL = "sface-native"
WORKERS = 1_000  # of one core each
SPREAD = 0.1  # of the workers' speeds, standard deviation of the logarithm
STRAGGLERS, SLOWNESS = 0.02, 3.0  # that share of the workers is so many times slower
NOISE = 0.05  # of the times of tasks of one worker
HOURS_TO_FAILURE = 100.0  # of a worker, mean; what it had in hand is lost
MINUTES_AWAY = 10.0  # until it is back
# what, faces, faces of a task
RUNS = [("enrol", n, task) for n in (10**6, 25 * 10**6, 640 * 10**6) for task in (1_024, 8_192)]
RUNS += [("enrol", 25 * 10**6, 65_536), ("enrol", 640 * 10**6, 65_536)]
RUNS += [("search", n, task) for n in (25 * 10**6, 640 * 10**6) for task in (10**5, 10**6)]


def seconds_a_face() -> dict[str, float]:
    """Of one core: to enrol an image, to search all members in a face."""
    made = pd.read_csv(HERE / "results-enrolment.csv").set_index("model").loc[MODEL]
    found = pd.read_csv(HERE / "results-cluster-search.csv").iloc[-1]
    return {
        "enrol": made["processes"] / made["ours_images_per_second"],
        "search": found["cluster_core_seconds"] / found["gallery"],
    }


def simulate(tasks: int, seconds: float, seed: int) -> dict[str, float]:
    """One run: seconds to its end, from the first idle worker to the end, lost; failures.

    seconds: what a task takes on a worker of speed 1 that nothing disturbs.
    """
    rng = np.random.default_rng(seed)
    speed = np.exp(rng.normal(0, SPREAD, WORKERS))
    speed[: round(STRAGGLERS * WORKERS)] /= SLOWNESS
    takes = seconds * np.exp(rng.normal(0, NOISE, tasks))
    fails = rng.exponential(HOURS_TO_FAILURE * 3600, WORKERS)
    queue, idle = list(range(tasks)), []
    events = [(0.0, worker, -1) for worker in range(WORKERS)]  # when, who is free, what was lost
    end, first_idle, lost, failures = 0.0, np.inf, 0.0, 0
    while events:
        now, worker, task = heapq.heappop(events)
        if task >= 0:
            queue.append(task)
            heapq.heappush(events, (now + 60 * MINUTES_AWAY, worker, -1))
            if idle:
                heapq.heappush(events, (now, idle.pop(), -1))
        elif not queue:
            idle.append(worker)
            first_idle = min(first_idle, now)
        else:
            task = queue.pop()
            done = now + takes[task] / speed[worker]
            while fails[worker] < now:  # while it had nothing to do, or was away
                fails[worker] += rng.exponential(HOURS_TO_FAILURE * 3600)
            if fails[worker] < done:
                lost, failures = lost + fails[worker] - now, failures + 1
                heapq.heappush(events, (fails[worker], worker, task))
            else:
                end = max(end, done)
                heapq.heappush(events, (done, worker, -1))
    return {"seconds": end, "tail": end - first_idle, "lost": lost, "failures": failures}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="runs of each row")
    out = HERE / "results-schedule.csv"
    parser.add_argument("--out", type=Path, default=out, help="table to write")
    arguments = parser.parse_args()
    rows = []
    for what, faces, task in RUNS:
        each = seconds_a_face()[what]
        tasks = -(-faces // task)
        runs = pd.DataFrame(simulate(tasks, each * task, seed) for seed in range(arguments.seeds))
        ideal = each * faces / WORKERS
        row = {"what": what, "faces": faces, "faces_a_task": task, "tasks": tasks}
        row |= {"workers": WORKERS, "task_seconds": each * task, "core_hours": each * faces / 3600}
        row |= {"ideal_minutes": ideal / 60, "minutes": runs["seconds"].mean() / 60}
        row |= {"worst_minutes": runs["seconds"].max() / 60}
        row |= {"ratio_to_ideal": runs["seconds"].mean() / ideal}
        row |= {"minutes_after_first_idle": runs["tail"].mean() / 60}
        row |= {"failures": runs["failures"].mean(), "lost_core_hours": runs["lost"].mean() / 3600}
        rows.append(row)
        print(row, flush=True)
    pd.DataFrame(rows).round(3).to_csv(arguments.out, index=False)


if __name__ == "__main__":
    main()
