"""`onetape send`: a command to a process that runs, and its answer."""

from __future__ import annotations

import uuid

import click

from onetape.cli.arguments import parameters
from onetape.cli.frame import Answer, Shell, load, rows, verb
from onetape.model.errors import PermissionDenied


@verb("send", example="onetape send gateway kill reason=lunch")
@click.argument("target")
@click.argument("command_name", metavar="COMMAND")
@click.argument("fields", nargs=-1, metavar="[k=v]...")
@click.option("--id", "id_", default="", help="Of the command: the same id acts once.")
def command(
    shell: Shell, target: str, command_name: str, fields: tuple[str, ...], id_: str
) -> Answer:
    """Send a command as operator and wait for its answer.

    TARGET is a gateway: `gateway` (all that run), `gateway:ACCOUNT`, or `VENUE_gateway`. COMMAND is
    kill (cancel everything, refuse new risk until `unkill`), unkill, cancel_all, reconcile,
    settle (order=CLIENT_ID as=open|filled|closed [venue_id=ID] [filled=QTY]: what stands at the
    venue about an order that stays UNKNOWN) or latency (what orders took: received, decided, out,
    acknowledged).
    """
    send = load("onetape.services.commands", "send_command", what="commands")
    answers = send(
        shell.home,
        shell.config,
        target,
        command_name,
        parameters(fields, where="send"),
        id_ or uuid.uuid4().hex,
    )
    value = answers[0] if len(answers) == 1 else {"answers": answers}
    refused = next((a["error"] for a in answers if a["status"] == "refused"), None)
    error = None if refused is None else PermissionDenied(refused, where=target)
    text = "\n".join(rows(answer) for answer in answers)
    return Answer.of_check(value, error, text) if len(answers) == 1 else Answer(value, text)
