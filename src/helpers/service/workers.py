"""Processes that look at images for the service: all cores at once, and whatever an image does to
the process that looks at it, the service goes on.
"""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from helpers.faces import cluster
from helpers.service.protocol import ServiceError


class Workers:
    """At most `count` processes that do one thing at a time each; none before the first thing."""

    def __init__(self, count: int):
        self._count, self._lock = count, threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def do(self, work: Callable, *args):
        """What `work(*args)` gives; waits for its turn.

        Raises what it raises, and ServiceError for all that is in hand when a process dies.
        """
        with self._lock:
            if self._pool is None:
                spawn = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self._count, spawn, _begin)
            pool = self._pool
        try:
            return pool.submit(work, *args).result()
        except BrokenProcessPool as error:
            with self._lock:
                if self._pool is pool:
                    self._pool = None
            lost = "a process that looks at images died (out of memory?): ask again"
            raise ServiceError("InternalServerError", lost, 500) from error

    def close(self) -> None:
        """End the processes, each after what it has in hand."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def _begin() -> None:
    cluster.begin()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends them
