"""Provide `onetape trace`: follow an order or a command, frame by frame."""

from __future__ import annotations

from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.listing import aligned
from onetape.cli.records import moment as when
from onetape.cli.records import of_records
from onetape.model.errors import UsageError
from onetape.options.recorder import has_recorder

_LEFT_OUT = ("ts_recv", "robot", "cause", "symbol", "order_id", "flags")
_EMPTY = (None, "", 0, "0.0", "none", ())


@verb("trace", example="onetape trace Tmm1X2X1c8k\nonetape trace --otlp http://127.0.0.1:4318 --since 1h --follow")
@click.argument("name", metavar="ID", required=False)
@click.option("--otlp", metavar="URL", help="Send ended orders to an OpenTelemetry collector.")
@click.option("--since", callback=when, metavar="T", help="With --otlp: only orders with events after this time.")
@click.option("-f", "--follow", is_flag=True, help="With --otlp: send further orders as they end, until Ctrl-C.")
def command(shell: Shell, name: str | None, otlp: str | None, since: int | None, follow: bool) -> Answer:
    """Follow a command, an order or a fill through the journals: from its cause to its money.

    ID: of an operation, a command or a transfer, an order's client or venue id, a trade's id, or a
    frame as JOURNAL:SEQUENCE.
    """
    if (name is None) == (otlp is None) or (otlp is None and (follow or since is not None)):
        raise UsageError("nothing to follow", location="onetape trace", todo="give an ID, or --otlp URL")
    if otlp is not None:
        send = load("onetape.recorder.otlp", "send_traces", what="traces")
        count = send(shell.home, otlp, since=since or 0, follow=follow, sent=shell.progress.of("orders"))
        return Answer({"orders": count, "to": otlp}, f"{count:,} orders to {otlp}")
    found = load("onetape.recorder.chains", "trace", what="traces")(shell.home, name)
    if has_recorder(shell.running_config):
        found = of_records(shell, "onetape.recorder.chains", "add_rows", chains=found)
    return Answer(found, "\n\n".join(map(_text, found)))


def _text(chain: dict[str, Any]) -> str:
    head = "  ".join(str(chain[name]) for name in ("id", "account", "robot", "symbol") if chain[name])
    lines = [
        [
            moment(hop["ts"]),
            f"+{hop['after_ns'] / 1e6:,.3f} ms",
            hop["process"],
            str(hop["seq"]),
            hop["what"],
            _data(hop),
        ]
        for hop in chain["hops"]
    ]
    tables = [row["table"] for row in chain["rows"]]
    rows = "".join(f"\nrows: {tables.count(each)} of {each}" for each in dict.fromkeys(tables))
    return "\n".join([head, *aligned(lines, right=(1, 3))]) + rows


def _data(hop: dict[str, Any]) -> str:
    shown = {name: value for name, value in hop["data"].items() if name not in _LEFT_OUT and value not in _EMPTY}
    return "  ".join(f"{name}={value}" for name, value in shown.items())
