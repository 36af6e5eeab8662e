"""Provide `onetape feeds`: the sources of the market."""

from __future__ import annotations

import uuid
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.listing import listing
from onetape.model.errors import BY_CODE, OnetapeError, UsageError

COLUMNS = ("source", "symbol", "transport", "state", "latency_ms", "age_ms", "errors", "share", "pinned")


@verb(
    "feeds",
    example="onetape feeds\nonetape feeds pin binance:BTC/USDT:USDT rest\nonetape feeds pin binance:BTC/USDT:USDT auto",
)
@click.argument("words", nargs=-1, metavar="[pin SYMBOL SOURCE|auto]")
@click.option("--id", "id_", default="", help="Id of the command; a repeated id has no effect.")
def command(shell: Shell, words: tuple[str, ...], id_: str) -> Answer:
    """Show each source of each symbol that the hub merges: its state, its delay against the
    fastest, the age of its last message, its errors, and its share of the merged market. `pin SYMBOL SOURCE` takes a
    symbol's quotes, marks and bars from one source, `pin SYMBOL auto` from the freshest again. With --json
    `decision_age` is the age of the source's data at robots' decisions, by account.
    """
    send = load("onetape.ipc.operator", "send_command", what="commands")
    match words:
        case ():
            pass
        case ("pin", symbol, source):
            (done,) = send(shell.home, "hub", "pin", {"symbol": symbol, "source": source}, id_ or uuid.uuid4().hex)
            _check(done)
        case _:
            raise UsageError(f"unknown words: {' '.join(words)[:80]}", location="onetape feeds", todo="see --help")
    (answer,) = send(shell.home, "hub", "status", {}, uuid.uuid4().hex)
    _check(answer)
    ages = load("onetape.clients.gateway", "decision_ages", what="feeds")(shell.home)
    rows: list[dict[str, Any]] = [
        {**row, "decision_age": {name: by[row["source"]] for name, by in ages.items() if row["source"] in by}}
        for row in answer["result"]["feeds"]
    ]
    return Answer(rows, listing(rows, COLUMNS, nothing="the hub follows no symbol yet"))


def _check(answer: dict[str, Any]) -> None:
    if (reply := answer["error"]) is not None:
        made: OnetapeError = BY_CODE[reply["code"]](reply["message"])
        raise made
