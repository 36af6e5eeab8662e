"""The real REST server on a real port and a real tape, in a thread; its handlers are a test's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onetape.control.call import Handler
from onetape.control.operations import ControlTape, Operations
from onetape.control.server import ControlServer
from onetape.model.sections import Config, ControlConfig
from onetape.options.control import ControlOptions

SECTION = ControlConfig(port=0, calls_per_second=0)


class Plane:
    """A server that runs. calls(): of the tape, who called what."""

    def __init__(self, home: Path, server: ControlServer, tape: ControlTape) -> None:
        self.home, self.url, self._tape = home, server.address, tape

    def calls(self) -> list[tuple[str, str, str, int]]:
        records = [each.record for each in self._tape.records(("log",))]
        return [(each["actor"], each["method"], each["path"], each["status"]) for each in records]


@contextmanager
def control_server(home: Path, handlers: Mapping[str, Handler], section: ControlConfig = SECTION) -> Iterator[Plane]:
    tape = ControlTape(home)
    files = {"tls_cert": section.tls_cert, "tls_key": section.tls_key}
    options = ControlOptions(home=str(home), folder=str(home), config=Config(control=section), **files)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    async def made() -> ControlServer:
        server = ControlServer(options, Operations(tape), handlers)
        await server.start()
        return server

    server = run(made())
    try:
        yield Plane(home, server, tape)
    finally:
        run(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        tape.close()
