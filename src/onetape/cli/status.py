"""`onetape status`: what runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.listing import aligned
from onetape.model.errors import UsageError

COLUMNS = ("name", "pid", "state", "heartbeat", "progress", "lag", "cpu", "memory", "files", "restarts", "reason")


WATCH_S = 2.0
CLEAR = "\x1b[H\x1b[2J"


@verb("status", example="onetape status --json\nonetape status --watch")
@click.option("-w", "--watch", is_flag=True, help="Show it anew every 2 s, until Ctrl-C.")
def command(shell: Shell, watch: bool) -> Answer:
    """Show the processes: state, heartbeat and progress, lag in frames, share of a core,
    memory, open files, restarts, working orders; what each robot has made and holds, and danger levels above 0.

    A process that waits says what for.
    """
    if not watch:
        state = _state(shell)
        return Answer(state, table(state))
    if shell.json:
        raise UsageError(
            "--watch has no end and --json is one value", location="onetape status", todo="leave one of them out"
        )

    def show() -> None:
        while True:
            print((CLEAR if sys.stdout.isatty() else "") + table(_state(shell)), flush=True)
            time.sleep(WATCH_S)

    return Answer(None, show)


def _state(shell: Shell) -> dict[str, Any]:
    status_of = load("onetape.supervisor.client", "status_of", what="the supervisor")
    views = load("onetape.gateway.account_views", "summary", what="accounts")
    robots_now = load("onetape.ipc.operator", "robots_now", what="robots")
    halts_now = load("onetape.gateway.halts_client", "halts_now", what="halts")
    state = status_of(shell.home)
    robots = robots_now(shell.home) if state["running"] else {}
    processes = [
        {**each, "robot": robots.get(each["name"])} if each["kind"] == "robot" else each for each in state["processes"]
    ]
    halts = halts_now(shell.home) if state["running"] else []
    return {**state, "processes": processes, "halts": halts, **views(shell.home, shell.config)}


def table(state: dict[str, Any]) -> str:
    """The processes for a reader."""
    if not state["processes"]:
        return "nothing runs (onetape up)"
    lines = [COLUMNS, *map(_row, state["processes"])]
    shown = aligned(lines)
    robots = [each for each in state["processes"] if each.get("robot")]
    shown += map(_robot_line, robots)
    if "orders" in state:
        count = state["orders"]
        shown.append(f"{count} working order{'s' if count != 1 else ''}")
    return "\n".join([*shown, *_danger_lines(state.get("halts", ()))])


def _danger_lines(halts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Gives a line for each account, and the system, whose level is above 0; of what is smaller, how many there are."""
    whole = [each for each in halts if each["scope"] in ("account", "system")]
    highest = {(each["scope"], each["subject"]): each for each in sorted(whole, key=lambda row: row["level"])}
    for (scope, subject), each in sorted(highest.items()):
        until = moment(each["until"]) if each["until"] else "it is lifted"
        why = each["reason"] or each["rule"]
        yield f"{scope} {subject}".rstrip() + f"  danger level {each['level']} until {until}: {why}"
    smaller = {(each["scope"], each["subject"]) for each in halts} - set(highest)
    if smaller:
        yield f"above danger level 0, symbols and sub-accounts: {len(smaller)} (onetape halts)"


def _robot_line(process: dict[str, Any]) -> str:
    robot = process["robot"]
    held = ", ".join(f"{qty} {symbol}" for symbol, qty in robot["positions"].items()) or "nothing"
    return (
        f"{process['name']}  {robot['status']}, has made {robot['profit']}, holds {held}, "
        f"{robot['orders']} working, {robot['fills']} filled"
    )


def _row(process: dict[str, Any]) -> tuple[str, ...]:
    def age(key: str) -> str:
        value = process[key]
        return "-" if value is None else f"{value} ms"

    def shown(key: str, unit: int, word: str = "") -> str:
        value = process[key]
        return "-" if value is None else f"{value / unit:.0f}{word}"

    return (
        process["name"],
        str(process["pid"] or "-"),
        process["state"],
        age("heartbeat_age_ms"),
        age("progress_age_ms"),
        "-" if process["lag"] is None else str(process["lag"]),
        shown("cpu_percent", 1, " %"),
        shown("memory_bytes", 1 << 20, " MiB"),
        shown("open_files", 1),
        str(process["restarts"]),
        process["reason"],
    )
