"""Provide `onetape alerts`: open alerts, their acknowledgement, and a test of the sinks."""

from __future__ import annotations

import os
import textwrap
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, rows, verb
from onetape.cli.listing import listing
from onetape.model.errors import UsageError

WIDTH = 100
COLUMNS = ("id", "ts_since", "severity", "type", "subject", "message")


@verb(
    "alerts",
    example="onetape alerts ls --all\nonetape alerts ack 412\nonetape alerts help protection\nonetape alerts test",
)
@click.argument("words", nargs=-1, metavar="[ls | ack ID | help WORD | test]")
@click.option("--all", "is_all", is_flag=True, help="Show also ended and acknowledged alerts.")
def command(shell: Shell, words: tuple[str, ...], is_all: bool) -> Answer:
    """Show open alerts; `ack` acknowledges one, `test` sends an alert to the sinks of [notify] and
    waits.

    `help` says what an alert or an error means, what happens by itself and what to do. WORD: the kind or id of an
    alert, the number or name of an error.

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
        case ("help", *kind) if kind:
            section = load(module, "explain", what="alerts")(shell.home, " ".join(kind))
            return Answer(section.as_json(), _section_text(section.as_json()))
        case ("test",):
            sent = load(module, "send_test", what="alerts")(shell.running_config, os.environ, shell.config_folder)
            return Answer(sent, rows(sent))
        case _:
            raise UsageError(f"unknown words: {' '.join(words)[:80]}", location="onetape alerts", todo="see --help")


def _section_text(section: dict[str, Any]) -> str:
    parts = [section["title"] + (f" ({section['severity']})" if section["severity"] else "")]
    for head, name in (("Meaning", "means"), ("By itself", "automatic"), ("What to do", "todo")):
        parts.append(textwrap.fill(f"{head}: {section[name]}", WIDTH))
    parts.insert(3, "\n".join(["Look at:", *(f"  {each}" for each in section["look"])]))
    return "\n\n".join(parts)
