"""Provide `onetape logs`: log lines of processes and strategies."""

from __future__ import annotations

import uuid
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, verb
from onetape.cli.output import to_json, write_line
from onetape.model.errors import ProcessDown, UsageError
from onetape.model.shown import line_shown


@verb("logs", example="onetape logs mm --follow")
@click.argument("name", required=False, default="")
@click.option("-n", "--count", type=click.IntRange(min=0), default=100, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Print new lines as they arrive, until Ctrl-C.")
@click.option("--all", "hosts", is_flag=True, help="Show lines of all hosts of the cluster, without strategies' own.")
def command(shell: Shell, name: str, count: int, follow: bool, hosts: bool) -> Answer:
    """Show log lines of processes, the newest last; with --json one object a line.

    NAME is a process as in `onetape status`, for a robot also its bare name [default: all].
    Logs of strategies are read from the tapes of their runs.
    """
    if hosts and follow:
        raise UsageError("--all with --follow", location="onetape logs", todo="choose one")
    if hosts:
        for row in _of_hosts(shell, name, count):
            write_line(to_json(row) if shell.json else line_shown(f"{row['host']:<10} {_line(row)}"))
        return Answer(None)
    log_lines = load("onetape.supervisor.logs", "log_lines", what="logs")
    try:
        for row in log_lines(shell.home, shell.running_config, name, count=count, follow=follow):
            shell.progress.end()  # the first is found
            write_line(to_json(row) if shell.json else line_shown(_line(row)))
    except KeyboardInterrupt:  # and SIGTERM
        if not follow:
            raise
    return Answer(None)


def _of_hosts(shell: Shell, name: str, count: int) -> list[dict[str, Any]]:
    """Returns the newest lines of all hosts, with their host, in the order of time."""
    seen = load("onetape.cluster.view", "hosts_now", what="the cluster")(shell.home)
    if seen is None:
        raise ProcessDown("this home is connected to no other", location="onetape logs --all", todo="onetape up")
    send = load("onetape.ipc.operator", "send_command", what="commands")
    most, rows = load("onetape.supervisor.logs", "LINES_MAX", what="logs"), []
    for host in seen["hosts"]:
        if host["state"] in ("away", "down"):
            shell.progress.say(f"{host['host']} is {host['state']}")
            continue
        target = "supervisor" if host["state"] == "self" else f"supervisor:{host['host']}"
        fields = {"process": name, "count": max(1, min(count, most))}
        (answer,) = send(shell.home, target, "log", fields, uuid.uuid4().hex)
        if answer["error"] is not None:
            shell.progress.say(f"{host['host']}: {answer['error']['message']}")
            continue
        rows += [{"host": host["host"], **row} for row in answer["result"]["lines"]]
    return sorted(rows, key=lambda row: str(row["time"]))[-count:] if count else []


def _line(row: dict[str, Any]) -> str:
    more = "".join(f"  {name}={value}" for name, value in row.get("fields", {}).items())
    return f"{row['time']}  {row['process']:<16} {row['level']:<8} {row['text']}{more}"
