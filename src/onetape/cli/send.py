"""Provide `onetape send`: a command to a running process, and its answer."""

from __future__ import annotations

import uuid
from typing import Any

import click

from onetape.cli.arguments import parameters
from onetape.cli.complete import processes
from onetape.cli.frame import Answer, Shell, load, rows, verb
from onetape.model.errors import BY_CODE, OnetapeError, PermissionDenied


@verb("send", example="onetape send gateway kill reason=lunch")
@click.argument("target", shell_complete=processes)
@click.argument("command_name", metavar="COMMAND")
@click.argument("fields", nargs=-1, metavar="[k=v]...")
@click.option("--id", "id_", default="", help="Id of the command; a repeated id has no effect.")
def command(shell: Shell, target: str, command_name: str, fields: tuple[str, ...], id_: str) -> Answer:
    """Send a command as operator and wait for its answer.

    TARGET is a robot (`robot:NAME` or NAME alone, or `robot`: all that run), the `supervisor`, a
    gateway (`gateway`, `gateway:ACCOUNT`, or `VENUE_gateway`), or `*`: all that take commands.

    To a robot: params NAME=VALUE... (from the next event on, also after a restart), stop (cancel working orders, stop
    trading), start, save (writes its section of the configuration with the current parameters to HOME/robots), status.

    To the supervisor: add_robot (name= strategy= account=, and subaccount= on_error= restart=
    NAME=VALUE...: parameters), remove_robot (name= of an added robot), status.

    To a collector (`collector:NAME`): subscribe and unsubscribe (symbol=NAME or topic=NAME),
    status.

    To the `hub`: pin (symbol=NAME source=NAME or source=auto; `onetape feeds pin`), status.

    To a gateway: ping,
    kill (cancel everything, refuse new risk until `unkill`), unkill, cancel_all, reconcile,
    settle (order=CLIENT_ID as=open|filled|closed [venue_id=ID] [filled=QTY]: the state at the
    venue of an order that stays UNKNOWN) latency (of orders: received, decided, sent, acknowledged), orders by hand
    (place, cancel, close, flatten: what `onetape buy` and the verbs beside it send), and commands that move money, at
    one gateway only: allocate, release, adjust, set, reset (currency=usd amount=100 index=2), and transfer, from one
    wallet of an account to another (id=ID currency=usd amount=100 from=trading to=spot [index=2] [deadline=60s]).
    transfers shows their state.
    """
    send = load("onetape.ipc.operator", "send_command", what="commands")
    answers = send(
        shell.home, shell.process(target), command_name, parameters(fields, location="send"), id_ or uuid.uuid4().hex
    )
    value = answers[0] if len(answers) == 1 else {"answers": answers}
    error = next((_error(a["error"]) for a in answers if a["error"]), None)
    text = "\n".join(rows(_without_said(answer, error)) for answer in answers)
    if len(answers) == 1 or error is None:
        return Answer.of_check(value, error, text)
    return Answer(value, text, error.exit_code, error)


def _without_said(answer: dict[str, Any], error: OnetapeError | None) -> dict[str, Any]:
    """Returns the answer without the error that is printed below it."""
    is_said = error is not None and (answer["error"] is None or answer["error"]["message"] == error.what)
    return {key: value for key, value in answer.items() if not (is_said and key == "error")}


def _error(reply: dict[str, Any]) -> OnetapeError:
    """Returns the error that a process has replied."""
    return BY_CODE.get(reply["code"], PermissionDenied)(reply["message"])
