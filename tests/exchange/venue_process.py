"""A simulated exchange as a process of its own, that can be killed and started again."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from subprocess import PIPE

from copied_process import ONETAPE, Copied
from exchange.venue_client import Wire
from waiting import PATIENCE_S
from worlds.ports import free_port


class VenueProcess:
    """`onetape sim` with a state and a control endpoint."""

    def __init__(self, state: Path, kind: str = "binance-usdm", *more: str, port: int = 0) -> None:
        words = ("--control", 0, "--seed", 7, "--no-limits", "--port", port or free_port(), *more)
        # A file: a pipe that nobody reads stops who writes to it once it is full.
        log, home = (state.with_name(f"{state.name}.{end}") for end in ("log", "home"))
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self.process = Copied(
                ONETAPE, "sim", kind, "--state", state, "--home", home, *words, stdout=PIPE, stderr=errors
            )
        line = self.process.stdout.readline()
        assert line, log.read_text()
        self.ready = json.loads(line)
        self.port = int(self.ready["rest"].rpartition(":")[2])
        self.wire = Wire(self.port)
        self.control = Wire(int(self.ready["control"].rpartition(":")[2]))

    def state(self) -> dict:
        return self.control.request("GET", "/state", b"", {})[1]

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()
