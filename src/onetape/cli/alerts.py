"""Provide `onetape alerts`: open alerts, their acknowledgement, and a test of the sinks."""

from __future__ import annotations

import os

import click

from onetape.cli.frame import Answer, Shell, load, rows, verb
from onetape.cli.listing import listing
from onetape.model.errors import UsageError

COLUMNS = ("id", "ts_since", "severity", "type", "subject", "message")


@verb("alerts", example="onetape alerts ls --all\nonetape alerts ack 412\nonetape alerts test")
@click.argument("words", nargs=-1, metavar="[ls | ack ID | test]")
@click.option("--all", "is_all", is_flag=True, help="Show also ended and acknowledged alerts.")
def command(shell: Shell, words: tuple[str, ...], is_all: bool) -> Answer:
    """Show open alerts; `ack` acknowledges one, `test` sends an alert to the sinks of [notify] and
    waits.

    An alert stays open until its cause has ended. Types: delta, utilization, failover, proxy, risk, stop, ledger,
    process, clock, disk. Severities: INFO, WARN, CRITICAL.
    """
    module = "onetape.supervisor.alerts"
    match words:
        case () | ("ls",):
            found = load(module, "alerts_of", what="alerts")(shell.home, shell.running_config, is_all=is_all)
            shown = [{**each, "ts_since": each["since"]} for each in found]
            return Answer(found, listing(shown, COLUMNS, nothing="none"))
        case ("ack", id_):
            acked = load(module, "acknowledge", what="alerts")(shell.home, id_)
            return Answer(acked, f"acknowledged: {acked['subject']}")
        case ("test",):
            sent = load(module, "send_test", what="alerts")(shell.running_config, os.environ, shell.config_folder)
            return Answer(sent, rows(sent))
        case _:
            raise UsageError(f"unknown words: {' '.join(words)[:80]}", location="onetape alerts", todo="see --help")
