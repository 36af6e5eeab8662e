"""The commands that a page may send: a table of commands for other processes, with the same checks, journal records
and ids as `onetape send`. No other command is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from onetape.clients.by_hand import ByHand
from onetape.dashboard.hedging import ControlPlane
from onetape.dashboard.trials import Trials
from onetape.ipc.system import CommandResult, IPCCommandSystem
from onetape.model.errors import BadInput, OnetapeError, OrderError
from onetape.model.sections import CONTROL

__all__ = ["ACTIONS", "Action", "Doors", "carry_out"]

WITHIN_S: Final = 5.0
SLOW_S: Final = 20.0
TRIALS: Final = "trials"
BY_HAND: Final = "account"
ADD, REMOVE = "add_robot", "remove_robot"
_SINGLE: Final = ("supervisor", CONTROL, TRIALS)


class Doors(NamedTuple):
    """The senders of actions."""

    commands: IPCCommandSystem
    control: ControlPlane
    trials: Trials
    by_hand: Callable[[str], ByHand]  # by the command's id


class Action(NamedTuple):
    """A command for a kind of process, a route of the control plane, or a backtest. kind: `gateway` or `robot` means
    the process in `name`. fields: permitted ones, None: any."""

    kind: str
    command: str
    fields: tuple[str, ...] | None = ()
    within_s: float = WITHIN_S


ACTIONS: Final = {
    "ack": Action("supervisor", "ack", ("id",)),
    "kill": Action("gateway", "kill", ("reason",)),
    "unkill": Action("gateway", "unkill"),
    "lift": Action("gateway", "lift_halt", ("id", "reason")),
    "cancel": Action("gateway", "cancel", ("order", "symbol"), SLOW_S),
    "flatten": Action(BY_HAND, "flatten", ("symbol",)),
    "robot_add": Action("supervisor", ADD, ("name", "strategy", "account", "subaccount", "params"), SLOW_S),
    "robot_remove": Action("supervisor", REMOVE, ("name",), SLOW_S),
    "robot_params": Action("robot", "params", None),
    "robot_stop": Action("robot", "stop"),
    "robot_start": Action("robot", "start"),
    "delta_control": Action("control", "delta_control", None),
    "delta_auto": Action("control", "set_delta_auto", None),
    "backtest": Action(TRIALS, "backtest", ("strategy", "tapes", "params", "cash", "run")),
    "sweep": Action(TRIALS, "sweep", ("strategy", "tapes", "params", "cash", "metric", "run")),
    "end_backtest": Action(TRIALS, "stop", ("run",)),
}


async def carry_out(doors: Doors, request: Mapping[str, Any], session: str) -> CommandResult:
    """Sends an action and returns its answer. request: `do`, `name`, `fields` and `id`, which acts once. session:
    who, as the command's id shows on the tape. Raises BadInput for an invalid action."""
    action = ACTIONS.get(str(request.get("do")))
    if action is None:
        raise BadInput(f"no action {str(request.get('do'))[:80]!r}", location="do")
    fields, name, id_ = request.get("fields") or {}, request.get("name") or "", request.get("id")
    if not isinstance(fields, dict) or not isinstance(name, str) or not isinstance(id_, str) or not 0 < len(id_) <= 64:
        raise BadInput("an action has do, name, fields and id", location="body")
    if action.fields is not None and (unknown := set(fields) - set(action.fields)):
        raise BadInput(f"{request['do']} takes {', '.join(action.fields) or 'nothing'}", location=min(unknown)[:80])
    if (action.kind in _SINGLE) == bool(name):
        raise BadInput(f"{request['do']} is of one {action.kind}", location="name")
    if action.kind in (CONTROL, TRIALS, BY_HAND):
        try:
            if action.kind == BY_HAND:
                result = await _flattened(doors.by_hand(f"page {session} {id_}"), str(fields.get("symbol") or ""), name)
            elif action.kind == TRIALS:
                result = await doors.trials.carry_out(action.command, fields)
            else:
                result = await doors.control.call(action.command, fields, actor=session, key=f"{session}-{id_}")
        except OnetapeError as error:
            return CommandResult(id_, "refused", None, dict(error.as_json()["error"]))
        return CommandResult(id_, "applied", result)
    if action.command == ADD:  # only code of this folder
        await doors.trials.check_strategy(str(fields.get("strategy")).partition(":")[0])
    target = f"{action.kind}:{name}" if name else action.kind
    return await doors.commands.send_command(
        target, action.command, fields, timeout=action.within_s, command_id=f"page {session} {id_}"
    )


async def _flattened(done: ByHand, symbol: str, account: str) -> dict[str, Any]:
    """Closes a symbol like `onetape flatten --symbol`, round by round. Raises the last round's refusal."""
    if not symbol:
        raise BadInput("flatten needs a symbol", location="symbol", todo="name one; the kill switch stops all of them")
    await asyncio.get_running_loop().run_in_executor(None, done.flatten, symbol, account)
    if done.error is not None:
        raise done.error
    if done.value.get("left"):
        raise OrderError("not all of it is closed: " + ", ".join(map(_left, done.value["left"])), todo="flatten again")
    return done.value


def _left(row: Any) -> str:
    return f"{row['qty']} {row['symbol']}" if isinstance(row, dict) and "qty" in row else str(row)
