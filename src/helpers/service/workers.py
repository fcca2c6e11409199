"""Processes that look at images for the service: on all cores, and whatever an image does to the
process that looks at it, the service and the other images go on.
"""

import multiprocessing
import queue
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

from helpers.faces import cluster
from helpers.service.protocol import ServiceError


class _Worker(NamedTuple):
    process: multiprocessing.process.BaseProcess
    line: Connection


class Workers:
    """At most `count` processes that do one thing at a time each; none before the first thing."""

    def __init__(self, count: int):
        # who was busy last comes first: a process starts only when all others have something to do
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(None)

    def do(self, work: Callable, *args):
        """What `work(*args)` gives; waits for its turn.

        Raises what it raises, and ServiceError where its process dies.
        """
        worker, kept = self._idle.get(), None
        try:
            if worker is None or not worker.process.is_alive():
                worker = _start()
            worker.line.send((work, args))
            result, error = worker.line.recv()
            kept = worker
        except (EOFError, OSError) as lost:
            text = "the process that looked at this died (out of memory?)"
            raise ServiceError("InternalServerError", text, 500) from lost
        finally:
            self._idle.put(kept)
        if error:
            raise error
        return result

    def close(self) -> None:
        """End the processes that have nothing to do."""
        while not self._idle.empty():
            if worker := self._idle.get():
                worker.line.close()
                worker.process.join()


def _start() -> _Worker:
    spawn = multiprocessing.get_context("spawn")
    line, there = spawn.Pipe()
    process = spawn.Process(target=_work, args=(there,), daemon=True)
    process.start()
    there.close()
    return _Worker(process, line)


def _work(line: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends this
    cluster.begin()
    while True:
        try:
            work, args = line.recv()
        except EOFError:
            return
        try:
            line.send((work(*args), None))
        except Exception as error:
            error.add_note(traceback.format_exc())
            line.send((None, error))
