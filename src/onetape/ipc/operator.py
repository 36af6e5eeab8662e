"""Commands of the operator to running processes, over their sockets."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any, Final

from onetape.accounts.slots import MONEY
from onetape.ipc.door import OPERATOR
from onetape.ipc.names import process_of, sockets
from onetape.ipc.system import CommandResult, IPCCommandSystem
from onetape.model.errors import ProcessDown
from onetape.model.sections import Config

__all__ = ["glance", "robots_now", "send_command", "wallet_balances"]

WITHIN_S: Final = 5.0
GLANCE_S: Final = 1.0  # a display does not wait for a busy robot


def send_command(
    home: Path, target: str, command: str, fields: dict[str, Any], id_: str, *, actor: str = OPERATOR
) -> list[dict[str, Any]]:
    """Sends a command and returns the answers, `{id, status, result, error, process}`, one for each process that
    answers to the target. Raises ProcessDown if there is none, UsageError for an invalid command."""
    answers = asyncio.run(_sent(home, target, command, fields, id_, WITHIN_S, actor=actor))
    if not answers:
        raise ProcessDown(
            f"no process answers to {target}",
            location=str(home),
            todo=f"there is: {', '.join(map(process_of, sockets(home))) or 'none; onetape up starts them'}",
        )
    return answers


async def _sent(
    home: Path, target: str, command: str, fields: dict[str, Any], id_: str, within_s: float, *, actor: str = OPERATOR
) -> list[dict[str, Any]]:
    system = IPCCommandSystem(actor, home=home)
    system.start()
    try:
        # One word may name several processes, but money is moved at one.
        if command in MONEY or command.endswith("strategy_balance"):
            answers = [await system.send_command(target, command, fields, command_id=id_, timeout=within_s)]
        else:
            answers = await system.send_to_each(target, command, fields, id_=id_, timeout=within_s)
    finally:
        system.stop()
    return [_row(each) for each in answers]


def glance(home: Path, target: str, command: str) -> list[dict[str, Any]]:
    """Queries what answers to the target within a second; answers as `send_command`, none is no error."""
    return asyncio.run(_sent(home, target, command, {}, uuid.uuid4().hex, GLANCE_S))


def robots_now(home: Path) -> dict[str, dict[str, Any]]:
    """Returns the state of robots that answer at once, by process: `status` (started stopped halted), `profit` since
    the run began (text), `positions` (symbol -> quantity, text), working `orders` and `fills`."""
    found = {}
    for answer in glance(home, "robot", "status"):
        for strategy in (answer["result"] or {}).get("strategies", ()):
            held = {name: each["position"] for name, each in strategy["symbols"].items()}
            found[answer["process"]] = {
                "status": strategy["status"],
                "profit": strategy["profit"],
                "currency": strategy.get("currency", ""),
                "positions": {name: str(qty) for name, qty in held.items() if qty},
                "orders": strategy["orders"],
                "fills": strategy["total_trades"],
            }
    return found


def _row(answer: CommandResult) -> dict[str, Any]:
    return {key: answer[key] for key in answer}


def wallet_balances(home: Path, config: Config) -> list[dict[str, Any]]:
    """Returns a row for each account, wallet and currency, from running gateways. Raises as `get_balances`."""

    async def found() -> list[dict[str, Any]]:
        system = IPCCommandSystem(OPERATOR, home=home)
        system.start()
        try:
            return [
                {"venue": account.venue, "account": name, **row}
                for name, account in config.accounts.items()
                for row in await system.get_balances(f"gateway:{name}")
            ]
        finally:
            system.stop()

    return asyncio.run(found())
