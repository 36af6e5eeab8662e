"""Provide `onetape halts`: halted or banned trading, and since when."""

from __future__ import annotations

import click

from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.listing import aligned, listing
from onetape.model.errors import UsageError

PAST = ("ts", "account", "event", "id", "level", "scope", "subject", "rule", "until", "actor", "reason")
HEADS = ("id", "level", "scope", "subject", "rule", "loss", "limit", "since", "until", "accounts")


@verb(
    "halts",
    example="""
    onetape halts
    onetape halts lift h-455d23aa43 --reason "looked at it"
    onetape halts level 1 --symbol binance:BTC/USDT:USDT --until 4h --reason "news at 14:00"
    """,
)
@click.argument("action", type=click.Choice(["ls", "lift", "level"]), default="ls", metavar="[ls|lift|level]")
@click.argument("id_", metavar="[ID|LEVEL]", default="")
@click.option("--reason", default="", help="Reason for lifting or setting; recorded on the tape.")
@click.option("--symbol", default="", metavar="SYMBOL", help="level: set it for a symbol.")
@click.option("--strategy", default="", metavar="SUBACCOUNT", help="level: set it for a sub-account.")
@click.option("--account", default="", metavar="ACCOUNT", help="level: only at this account [default: at each].")
@click.option("--until", default="", metavar="DURATION", help="level: how long it lasts [default: until lifted].")
@click.option("--all", "is_all", is_flag=True, help="Show the history: begun and lifted halts, when, by whom and why.")
def command(shell: Shell, action: str, id_: str, reason: str, is_all: bool, **of: str) -> Answer:
    """Show halts and bans: no position may be opened there, reductions are allowed.

    `lift ID --reason R` ends a halt at every account that has it. Losses until then no longer count for its limit.
    `level N --reason R` sets the danger level of accounts, a symbol or a sub-account. 1: existing positions may grow,
    no new ones; 2: positions may only be reduced; 3: only trading by hand; 0: lifts the level. A ban by hand:
    `onetape send gateway halt symbol=S reason=R` (or strategy=SUBACCOUNT, scope=account, scope=system; until=4h).
    """
    if action != "level" and any(of.values()):
        raise UsageError(
            f"{', '.join(f'--{name}' for name in of if of[name])} belongs to `halts level`", location="halts"
        )
    if action == "ls":
        if id_ or reason:
            raise UsageError("an ID and --reason belong to `halts lift`", location="halts")
        if is_all:
            past = load("onetape.clients.halts", "past_halts", what="halts")(shell.home, shell.running_config)
            shown = [{**row, "ts": moment(row["ts"]), "until": row["until"] and moment(row["until"])} for row in past]
            return Answer(past, listing(shown, PAST, nothing="nothing was halted"))
        found = load("onetape.clients.halts", "halts", what="halts")(shell.home, shell.running_config)
    elif action == "level":
        if id_ not in ("0", "1", "2", "3") or not reason or is_all:
            raise UsageError("level needs 0, 1, 2 or 3 and --reason", location="halts level")
        if id_ == "0" and of["until"]:
            raise UsageError("level 0 lifts at once: remove --until", location="halts level")
        fields = {"reason": reason, **{name: text for name, text in of.items() if text and name != "account"}}
        set_danger = load("onetape.clients.halts", "set_danger", what="halts")
        found = set_danger(shell.home, shell.running_config, int(id_), fields, of["account"])
    else:
        if not id_ or not reason or is_all:
            raise UsageError("lift needs an ID and --reason", location="halts lift")
        found = load("onetape.clients.halts", "lift", what="halts")(shell.home, shell.running_config, id_, reason)
    rows, away = found
    cells = [
        [
            row["id"],
            f"{row['level']}",
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
    text = (
        "\n".join(aligned([HEADS, *cells])) if cells else "nothing is halted; `onetape status` shows the kill switches"
    )
    text = text if action != "lift" else f"lifted:\n{text}"
    return Answer(rows, text, away.exit_code if away is not None else 0, away)
