"""Spread jobs over several processes: local workers, or a Ray cluster (ray_pool). Results arrive as they finish.

Both take the set-up and the jobs as plain values and give rows as plain values, so that the choice
of one, and the number of processes, changes no result.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

from onetape.model.errors import ProcessDown

__all__ = ["WAIT_S", "Batch", "Waiting", "run_local"]

Row = dict[str, Any]
Jobs = Sequence[Mapping[str, Any]]
WAIT_S = 0.2  # seconds between progress updates while no variant ends
STOP_S = 2.0  # seconds after SIGTERM until a worker is killed
# One thread per worker: more threads than cores would compete.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of jobs with one set-up, for local workers or a cluster. jobs: lists of jobs, each run by one process
    as it becomes idle; None in between: wait for a result. take: called with each row as it arrives; idle: called
    every WAIT_S while no row arrives. address: of a cluster of other machines, "": none."""

    setup: Mapping[str, Any]
    jobs: Iterable[Jobs | None]
    take: Callable[[Row], None]
    processes: int
    idle: Callable[[], None] = lambda: None
    address: str = ""


class _Worker:
    """A process with at most one list of jobs queued ahead."""

    def __init__(self, setup: Mapping[str, Any]) -> None:
        self.jobs: Jobs = ()
        self.is_ready = False
        self.buffer = b""
        environment = {**dict.fromkeys(_THREADS, "1"), **os.environ}
        self.process = subprocess.Popen(
            # -P: files of the current folder, such as `random.py`, do not hide modules.
            [sys.executable, "-P", "-m", "onetape.research.variant"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # Only the parent handles Ctrl-C on the terminal.
            start_new_session=True,
        )
        self.send(setup)

    @property
    def answers(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def send(self, value: Mapping[str, Any] | Jobs) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # the worker has ended: `read` notices it
            self.process.stdin.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
            self.process.stdin.flush()

    def give(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.send(jobs)

    def read(self) -> tuple[list[Row], bool]:
        """Returns the complete rows received, and whether the process has ended."""
        piece = os.read(self.answers.fileno(), 1 << 20)
        *lines, self.buffer = (self.buffer + piece).split(b"\n")
        return [json.loads(line) for line in lines], not piece

    def end(self) -> int:
        """Wait for the process to end; returns how it ended, in words."""
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def run_local(batch: Batch) -> None:
    """Run a batch on worker processes of this machine.

    A worker that dies (killed for its memory, say) is replaced, and the variant that it worked on
    becomes a row with the error. Raises ProcessDown when workers cannot even
    begin.
    """
    waiting = Waiting(batch.jobs)
    with selectors.DefaultSelector() as selector:
        workers: list[_Worker] = []
        unused: deque[_Worker] = deque()

        def start() -> None:
            worker = _Worker(batch.setup)
            workers.append(worker)
            selector.register(worker.answers, selectors.EVENT_READ, worker)

        def drop(worker: _Worker) -> int:
            selector.unregister(worker.answers)
            workers.remove(worker)
            return worker.end()

        def hand_out() -> None:
            while unused:
                if (jobs := waiting.next()) is not None:
                    unused.popleft().give(jobs)
                elif waiting.is_over:
                    drop(unused.popleft())
                else:
                    return

        try:
            for _ in range(batch.processes):
                start()
            while workers:
                for key, _ in selector.select(WAIT_S):
                    worker: _Worker = key.data
                    answers, has_ended = worker.read()
                    for answer in answers:
                        if not worker.is_ready:
                            if not answer["ready"]:
                                raise ProcessDown(answer["error"], location="a worker of the sweep")
                            worker.is_ready = True
                        else:
                            for row in answer["rows"]:
                                batch.take(row)
                        worker.jobs = ()
                        unused.append(worker)
                    if has_ended:
                        _bury(worker, drop(worker), batch.take, waiting)
                        if worker in unused:
                            unused.remove(worker)
                        if not waiting.is_over:
                            start()
                hand_out()
                batch.idle()
        finally:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                worker.end()


class Waiting:
    """Jobs that no worker has yet."""

    def __init__(self, jobs: Iterable[Jobs | None]) -> None:
        self._jobs = iter(jobs)
        self.is_over = False

    def put_back(self, jobs: Jobs) -> None:
        """Return jobs for a retry, each alone and before the others."""
        self._jobs = chain([[each] for each in jobs], self._jobs)
        self.is_over = False

    def next(self) -> Jobs | None:
        """Returns the next jobs; None: there are none, or not yet."""
        try:
            return next(self._jobs)
        except StopIteration:
            self.is_over = True
            return None


def _bury(worker: _Worker, code: int, take: Callable[[Row], None], waiting: Waiting) -> None:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    if not worker.is_ready:
        raise ProcessDown(
            f"a worker ended before it was ready ({how})", location=sys.executable, todo="see its output above"
        )
    if len(worker.jobs) > 1:  # one job caused the failure: run each alone
        waiting.put_back(worker.jobs)
    elif worker.jobs:
        take({"key": worker.jobs[0]["key"], "error": f"its worker process ended with {how}"})
