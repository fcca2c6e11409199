"""Where work is done: by processes of this machine, or on a Dask cluster.

Dask (the extra `cluster`) is imported only when a scheduler is named. What a worker is given and
gives back goes through the scheduler unencrypted and as pickles: a cluster belongs in a network
that nobody else can reach.
"""

import ctypes
import itertools
import logging
import multiprocessing
import os
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from importlib import metadata
from typing import Any, NamedTuple

from helpers.errors import UserError

LOCAL = "local"  # in place of an address: a cluster of processes on this machine
PATIENCE = 30  # seconds for a scheduler or a worker to appear
VERSIONED = ("congress-test", "deepface", "opencv-python-headless", "dlib-bin", "onnxruntime")
VERSIONED += ("numpy", "pillow", "pyarrow")
GOES_ON = "what was finished is kept, the same command goes on from there"


class Pool(NamedTuple):
    """Those who do the work: how one task is given to them, how many they want at a time.

    losses: kinds of exceptions that mean that somebody was lost, each with the sentence to show.
    """

    submit: Callable[..., Future]
    slots: Callable[[], int]
    losses: dict[Any, str]


def each(pool: Pool, work: Callable, tasks: Iterable[tuple]) -> Iterator[tuple]:
    """Do `work(*args)` for all tasks (key, args); yield (key, result) in the order they end.

    No more tasks are out than they want: tasks take memory, and one that waits for a slow worker
    could be done by another. Raises UserError when workers are lost, and whatever a task raises.
    """
    queue, pending = iter(tasks), {}
    key, heard = None, time.monotonic()
    try:
        while True:
            free = max(pool.slots(), 1) - len(pending)
            for key, args in itertools.islice(queue, max(0, free)):
                pending[pool.submit(work, *args)] = key
            if not pending:
                return
            done = wait(pending, 1, FIRST_COMPLETED).done  # meanwhile others may come
            if done or pool.slots():
                heard = time.monotonic()
            elif time.monotonic() > heard + PATIENCE:
                raise UserError(f"no worker is left; {GOES_ON} when there is one")
            for future in done:
                key = pending.pop(future)
                yield key, future.result()
    except tuple(pool.losses) as error:
        why = next(text for kind, text in pool.losses.items() if isinstance(error, kind))
        raise UserError(f"{why.format(key)}; {GOES_ON}") from error


def begin() -> None:
    """Make a process one that looks at images, before it loads a network."""
    # one thread a process: faster on these networks, and sums do not depend on the machine
    os.environ["OMP_NUM_THREADS"] = "1"
    warnings.filterwarnings("ignore", module="PIL")  # a damaged EXIF block fails no image
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    # dlib frees its layers after each face; given back to the system and asked for again, their
    # pages cost a twentieth of the time
    with suppress(AttributeError, OSError):  # only glibc has this
        for option, value in ((-3, 32 << 20), (-1, 1 << 30), (-2, 64 << 20)):
            ctypes.CDLL(None).mallopt(option, value)  # M_MMAP_, M_TRIM_THRESHOLD, M_TOP_PAD


def _end_with(parent) -> None:
    # a killed parent would leave its spawned processes waiting for work for ever
    parent.join()
    os._exit(1)


@contextmanager
def connect(scheduler: str | None, workers: int | None = None) -> Iterator[Pool | None]:
    """The Dask cluster of a scheduler's address; with LOCAL, one of `workers` processes here.

    None without a scheduler: work is done as it always was. Raises UserError.
    """
    if scheduler is None:
        yield None
        return
    if workers and scheduler != LOCAL:
        raise UserError("--workers is for this machine; a scheduler knows its own workers")
    try:
        from distributed import Client, KilledWorker, LocalCluster
        from distributed.comm import CommClosedError
    except ImportError as error:
        raise UserError("--scheduler needs Dask: pip install dask distributed") from error
    # what goes wrong is said in a sentence
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    made: dict = {"n_workers": workers or os.cpu_count(), "threads_per_worker": 1}
    with ExitStack() as stack:
        try:
            there = scheduler
            if scheduler == LOCAL:
                there = stack.enter_context(LocalCluster(**made, dashboard_address=None))
            client = Client(there, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            raise UserError(
                f"no scheduler answers at {scheduler}; `dask scheduler` starts one"
            ) from error
        stack.callback(client.close, timeout=1)
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise UserError(
                f"the scheduler at {scheduler} has no worker; `dask worker {scheduler}` starts one"
            ) from error
        try:
            client.run_on_scheduler(software)
        except Exception as error:  # whatever the lack of a package looks like from there
            raise UserError(
                f"the scheduler at {scheduler} lacks this project: install the same everywhere"
            ) from error
        executor = client.get_executor(pure=False)  # nothing is taken from an earlier run
        stack.callback(executor.shutdown, wait=False)
        losses: dict[type, str] = dict.fromkeys(
            (CancelledError, CommClosedError), "the scheduler was lost"
        )
        losses[KilledWorker] = "workers died again and again over {}"
        losses[ModuleNotFoundError] = "a worker lacks this project"
        yield Pool(executor.submit, lambda: sum(client.nthreads().values()), losses)


def software() -> dict[str, str]:
    """The versions here of what decides the numbers that a task gives back."""
    return {name: metadata.version(name) for name in VERSIONED}


def refuse_others(mine: dict, asked: dict) -> None:
    """Raise UserError, on a worker, unless it has what the machine that asks has."""
    for key, wanted in asked.items():
        have = mine[key]
        if differing := sorted(k for k in have | wanted if have.get(k) != wanted.get(k)):
            what = ", ".join(f"{k} {have.get(k)}, not {wanted.get(k)}" for k in differing)
            raise UserError(
                f"a worker on {socket.gethostname()} has {what}; install the same on all machines"
            )
