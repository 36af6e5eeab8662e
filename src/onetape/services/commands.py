"""Commands of the operator to processes that run, over their sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from onetape.accounts.slots import MONEY
from onetape.ipc.door import OPERATOR
from onetape.ipc.system import CommandResult, IPCCommandSystem
from onetape.model.errors import ProcessDown

__all__ = ["send_command"]

WITHIN_S: Final = 5.0


def send_command(
    home: Path, target: str, command: str, fields: dict[str, Any], id_: str
) -> list[dict[str, Any]]:
    """The answers, `{id, status, result, error, process}`, one for each process that answers to the
    target. Raises ProcessDown where there is none, UsageError for what is no command."""
    return asyncio.run(_sent(home, target, command, fields, id_))


async def _sent(
    home: Path, target: str, command: str, fields: dict[str, Any], id_: str
) -> list[dict[str, Any]]:
    system = IPCCommandSystem(OPERATOR, home=home)
    system.start()
    try:
        # Several processes may be meant by one word, but money is moved at one.
        if command in MONEY or command.endswith("strategy_balance"):
            answers = [await system.send_command(
                target, command, fields, command_id=id_, timeout=WITHIN_S
            )]  # fmt: skip
        else:
            answers = await system.send_to_each(target, command, fields, id_=id_, timeout=WITHIN_S)
    finally:
        system.stop()
    if not answers:
        raise ProcessDown(
            "no process answers to it", where=target, todo="start one: onetape run --live"
        )
    return [_row(each) for each in answers]


def _row(answer: CommandResult) -> dict[str, Any]:
    return {key: answer[key] for key in answer}
