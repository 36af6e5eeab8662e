"""The control plane's process under the supervisor: `python -m onetape.control.main`, its options as JSON on standard
input. It prints `ready` and its address when it listens; calls that need a gateway that is away wait for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from onetape.control.auto import Automatic
from onetape.control.call import Call, Handler
from onetape.control.desk import Desk
from onetape.control.desk_replies import shown_moves
from onetape.control.operations import ControlTape, Operations, has_ended
from onetape.control.orders import OrderEntry
from onetape.control.server import ControlServer
from onetape.control.state import State
from onetape.control.system import System
from onetape.ipc.process import run_process, serve
from onetape.model.time import MS
from onetape.options.control import ControlOptions
from onetape.security.confine import confine
from onetape.web.control_models import Caller, OperationReply
from onetape.web.refusals import NotServed

__all__ = ["ControlPlane", "main"]


class ControlPlane:
    """The parts of the process. stopping: set to end it. Raises JournalLocked if another one runs in this home."""

    def __init__(self, options: ControlOptions) -> None:
        self.stopping = asyncio.Event()
        home = Path(options.home)
        self.tape = ControlTape(home)
        self.operations = Operations(self.tape)
        self.system = System(
            home, options.config, self.operations, lambda: self.server.performance(), lambda: self.state.risk.faults()
        )
        self.state = State(home, options.config, stop=lambda: self.system.alert, records=options.records)
        self.desk = Desk(
            self.state.views, self.state.risk, home, self.tape, self.state.commands, check=self.system.check_runs
        )
        self.orders = OrderEntry(self.state.views, self.state.risk, home, self.tape)
        self.auto = Automatic(
            self.state.views, self.state.risk, self.desk, self.operations, check=self.system.check_runs
        )
        self.state.market.keep = self.tape.append
        self.state.market.restore(each.record for each in self.tape.read())
        self.state.is_held, self.state.market.moved = self.auto.is_held, self.auto.look
        self.state.moving = lambda: shown_moves(self.desk.moves.under_way)
        self.server = ControlServer(options, self.operations, self._handlers(), check=self.system.check_runs)

    def _handlers(self) -> Mapping[str, Handler]:
        """Returns the handlers by route."""
        return {
            "system_status": self.system.status,
            "system_stop": self.system.stop,
            "system_restart": self.system.restart,
            "caller": self._caller,
            "operation": self._operation,
            **self.state.handlers,
            **self.desk.handlers,
            **self.orders.handlers,
            **self.auto.handlers,
        }

    async def start(self) -> None:
        self.state.start()
        await self.desk.resume()
        self.server.resume(lambda operation: self.desk.has_begun(operation) or self.orders.has_begun(operation))
        self.auto.start()
        await self.server.start()
        self.system.resume()

    async def close(self) -> None:
        await self.server.stop()
        await self.system.close()
        await self.auto.close()
        await self.orders.close()
        await self.desk.close()
        await self.state.close()
        self.tape.close()

    # --- small routes -----------------------------------------------------------------------------

    async def _caller(self, call: Call) -> Caller:
        grant = call.grant
        return Caller(
            actor=grant.name,
            scopes=list(grant.scopes),
            token=bool(grant.digest),
            expires=grant.expires // MS if grant.expires else None,
        )

    async def _operation(self, call: Call) -> OperationReply:
        found = await asyncio.get_running_loop().run_in_executor(None, self.operations.records, call.path["id"])
        if not found:
            raise NotServed(404, f"no operation {call.path['id']!r}", "onetape journal cat shows older ones")
        first = found[0].record
        return OperationReply(
            operation_id=first["operation"],
            kind=first["kind"],
            actor=first["actor"],
            timestamp=found[0].time // MS,
            done=has_ended(found),
            request=first["fields"],
            answer=next((each.record["answer"] for each in found if "answer" in each.record), None),
            records=[{"sequence": each.sequence, "time": each.time, **each.record} for each in found],
        )


def main() -> int:
    return run_process(ControlOptions, _run)


def _run(options: ControlOptions) -> None:
    confine()

    async def work() -> None:
        await serve(ControlPlane(options))

    uvloop.run(work())


if __name__ == "__main__":
    sys.exit(main())
