"""`onetape halts`: what may only be reduced, and since when."""

from __future__ import annotations

import click

from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.listing import aligned, listing
from onetape.model.errors import UsageError

PAST = ("ts", "account", "event", "id", "scope", "subject", "rule", "until", "actor", "reason")
HEADS = ("id", "scope", "subject", "rule", "loss", "limit", "since", "until", "accounts")


@verb("halts", example='onetape halts\nonetape halts lift h-455d23aa43 --reason "looked at it"')
@click.argument("action", type=click.Choice(["list", "lift"]), default="list", metavar="[list|lift]")
@click.argument("id_", metavar="[ID]", default="")
@click.option("--reason", default="", help="Why it is lifted; it is kept on the tape.")
@click.option("--all", "is_all", is_flag=True, help="Each that began or was lifted, when, by whom and why.")
def command(shell: Shell, action: str, id_: str, reason: str, is_all: bool) -> Answer:
    """Show what is halted or banned: of that nothing is opened, reductions pass.

    `lift ID --reason R` ends one at each account that has it. What was lost until then counts no more
    for its limit. A ban by hand: `onetape send gateway halt symbol=S reason=R` (or strategy=SUBACCOUNT,
    scope=account, scope=system; until=4h).
    """
    if action == "list":
        if id_ or reason:
            raise UsageError("an ID and a reason go with lift", location="halts")
        if is_all:
            past = load("onetape.gateway.halts_client", "past_halts", what="halts")(shell.home, shell.config)
            shown = [{**row, "ts": moment(row["ts"]), "until": row["until"] and moment(row["until"])} for row in past]
            return Answer(past, listing(shown, PAST, nothing="nothing was halted"))
        rows = load("onetape.gateway.halts_client", "halts", what="halts")(shell.home, shell.config)
    else:
        if not id_ or not reason or is_all:
            raise UsageError("lift takes an ID and --reason", location="halts lift")
        rows = load("onetape.gateway.halts_client", "lift", what="halts")(shell.home, shell.config, id_, reason)
    cells = [
        [
            row["id"],
            row["scope"],
            row["subject"] or "-",
            row["rule"],
            row["loss"] or "-",
            row["limit"] or "-",
            moment(row["since"]),
            moment(row["until"]) if row["until"] else "lifted",
            ",".join(row["accounts"]),
        ]
        for row in rows
    ]
    text = "\n".join(aligned([HEADS, *cells])) if cells else "nothing is halted"
    return Answer(rows, text if action == "list" or not rows else f"lifted:\n{text}")
