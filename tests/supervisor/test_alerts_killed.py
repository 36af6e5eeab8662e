"""A critical alert reaches the sink, whichever process is killed on its way, and however the sink answers."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.context import ForkServerProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import msgspec
import pytest

from onetape.model.sections import NotifyConfig
from onetape.notify import sink
from onetape.notify.past_alerts import past_alerts
from onetape.supervisor.alert_watch import LOOKED, AlertWatch, routes_of
from onetape.supervisor.options import supervisor_journal
from onetape.tape.journal import JournalWriter
from waiting import wait_for

apprise = pytest.importorskip("apprise", reason="NOT_AVAILABLE: apprise is not installed")

ALERTS, KILLS = 60, 12
PAUSE_S = 0.02  # between two tries of a sink
CLEAN = multiprocessing.get_context("forkserver")  # threads of other tests' sinks may hold locks, which a fork keeps
CLEAN.set_forkserver_preload(["apprise", __name__])


@contextmanager
def moody_sink(rng: random.Random) -> Iterator[tuple[str, Counter[str]]]:
    """Every third time it answers 500, or not at all."""
    took: Counter[str] = Counter()

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["title"]
            if (mood := rng.random()) < 1 / 6:
                self.connection.close()
                return
            self.send_response(500 if mood < 1 / 3 else 200)
            self.end_headers()
            if mood >= 1 / 3:
                took[said.rpartition(" ")[2]] += 1

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"json://127.0.0.1:{server.server_port}/", took
    finally:
        server.shutdown()
        server.server_close()


def gateway(path: Path, written: Synchronized[int]) -> None:
    with JournalWriter(path, process="gateway:main", durable=False) as writer:
        for number in range(written.value, ALERTS):
            record = {"kind": "halt", "subject": str(number), "state": "begun", "severity": "critical"}
            writer.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())
            written.value = number + 1
            time.sleep(0.01)
    signal.pause()


def supervisor(home: Path, path: Path, url: str) -> None:
    sink.PAUSE_S = PAUSE_S  # type: ignore[misc]
    tape = JournalWriter(supervisor_journal(home))

    def tell(record: dict) -> None:
        tape.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())

    routes = routes_of(NotifyConfig(urls=[url]), {}, home)
    watch = AlertWatch(home, lambda: {"gateway:main": path}, tell=tell, said=lambda _: None, routes=routes)
    signal.pause()
    watch.close()


class Restarted:
    """A process that is killed and begins anew."""

    def __init__(self, work: Callable[..., None], *words: object) -> None:
        self._work, self._words = work, words
        self._begin()

    def _begin(self) -> None:
        self._process: ForkServerProcess = CLEAN.Process(target=self._work, args=self._words)
        self._process.start()

    def kill(self, *, is_last: bool = False) -> None:
        assert self._process.is_alive() and self._process.pid
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        if not is_last:
            self._begin()


def test_a_critical_alert_is_never_lost_over_kills_of_every_process(tmp_path: Path):
    (tmp_path / "run").mkdir()
    path, written, rng = tmp_path / "journal" / "gateway-main", CLEAN.Value("q", 0), random.Random(7)
    with moody_sink(random.Random(8)) as (url, took):
        processes = [Restarted(supervisor, tmp_path, path, url)]
        try:
            wait_for((tmp_path / "run" / LOOKED).exists)  # what is older than any supervisor is no news
            processes.append(Restarted(gateway, path, written))
            for kill in range(KILLS):
                wait_for(lambda kill=kill: written.value >= (kill + 1) * ALERTS // (KILLS + 1))
                for each in rng.choice([processes, processes[:1], processes[1:]]):
                    time.sleep(rng.random() / 20)
                    each.kill()
            wait_for(lambda: len({name for name in took if name.isdigit()}) == ALERTS, lambda: took)
            begun = Counter(e["subject"] for e in past_alerts(tmp_path, 999) if e["subject"].startswith("gateway"))
            assert begun == {f"gateway:main halt {number}": 1 for number in range(ALERTS)}
        finally:
            for each in processes:
                each.kill(is_last=True)
