"""Provide the verbs on processes: `up`, `status`, `restart`, `down`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import click

from onetape.cli.complete import processes
from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.listing import age_text, aligned, amount
from onetape.model.errors import ProcessDown, UsageError
from onetape.model.shown import shown

# Figures that `status` shows -> keys of the table of definitions.
DEFINED = {
    "heartbeat": "heartbeat",
    "progress": "progress",
    "lag": "lag",
    "cpu": "cpu",
    "profit": "pnl",
    "working": "working_orders",
    "filled": "fills",
    "equity": "equity_of_currency",
}
COLUMNS = ("name", "pid", "state", "heartbeat", "progress", "lag", "cpu", "memory", "files", "restarts", "reason")
WATCH_S = 2.0
CLEAR = "\x1b[H\x1b[2J"


@verb("up", example="onetape up\nonetape up --foreground\nonetape up --minimal")
@click.option("--foreground", is_flag=True, help="Stay in the foreground; Ctrl-C stops all processes.")
@click.option("--single", is_flag=True, help="Run all in one process: least memory, but one crash ends all.")
@click.option("--minimal", is_flag=True, help="Start only the processes needed to trade safely.")
@click.option("--standby", metavar="PROCESS", help="Show that this host would take over PROCESS, and when.")
def up(shell: Shell, foreground: bool, single: bool, minimal: bool, standby: str | None) -> Answer:
    """Start the processes of the configuration under a supervisor, and wait until all run.

    Simulated exchanges, a gateway for each account, robots; a process that ends is started again. Processes that
    cannot start are named, and the rest runs. --minimal: only exchanges, gateways, robots with the streams that they
    follow, and the guardian, even without [guardian].
    """
    config, path = shell.config, shell.config_path
    if standby is not None:
        load("onetape.cluster.failover", "check_standby", what="the cluster")(config, standby)
    if foreground:
        front = load("onetape.supervisor.client", "run_in_front", what="the supervisor")

        def ready(status: dict[str, Any]) -> None:
            shell.progress.end()
            print(shown(table(status) + _pages(shell, status)), file=sys.stderr, flush=True)

        front(config, path, shell.home, ready, single=single, is_minimal=minimal)
        return Answer({"running": False}, "all stopped")
    bring_up = load("onetape.supervisor.client", "bring_up", what="the supervisor")
    doing, say = shell.progress.doing, shell.progress.say
    state = bring_up(config, path, shell.home, single=single, is_minimal=minimal, doing=doing, say=say)
    applied, refused = state.get("applied", {}), state.get("refused", {})
    said = "already running, nothing was changed\n" if state["already"] and not applied else ""
    said += "".join(f"{process} was {what}\n" for process, what in applied.items())
    said += "".join(f"{process} was not changed: {why}\n" for process, why in refused.items())
    for key, name in state["changed"].items():
        todo = f"onetape restart {name}" if name else "onetape down, then up"
        said += f"{key} differs from the running configuration: {todo}\n"
    said += "".join(f"{note}\n" for note in state["notes"])
    if standby is not None:
        waits = load("onetape.cluster.failover", "standby", what="the cluster")(shell.home, config, standby)
        words = f"{waits['from'] or 'no host'} runs {standby}; {waits['to']} takes over {waits['seconds']:g} s after it"
        return Answer(waits, f"{said}{table(state)}\n{words}")
    return Answer(state, said + table(state) + _pages(shell, state))


def _pages(shell: Shell, state: dict[str, Any]) -> str:
    """Returns the pages' address, and the link that logs one browser in."""
    if not state.get("dashboard"):
        return ""
    link = load("onetape.dashboard.options", "link_of", what="the pages")(shell.home)
    return f"\npages at {state['dashboard']}; this link lets one browser in, once:\n{link}"


@verb("status", example="onetape status --json\nonetape status --watch\nonetape status --explain")
@click.option("-w", "--watch", is_flag=True, help="Refresh every 2 s, until Ctrl-C.")
@click.option("--all", "hosts", is_flag=True, help="Show the hosts of the cluster and their processes.")
@click.option("--explain", is_flag=True, help="Explain each figure: definition, unit, and what it includes.")
def status(shell: Shell, watch: bool, hosts: bool, explain: bool) -> Answer:
    """Show the processes: state, heartbeat and progress, lag in frames, share of a core,
    memory, open files, restarts, working orders; the profit of each robot, its positions, and danger levels above 0.

    A waiting process shows the reason.
    """
    if hosts:
        return _hosts(shell)
    if not watch:
        state = _state(shell)
        if not explain:
            return Answer(state, table(state))
        state["definitions"] = load("onetape.report.metrics", "definitions", what="definitions")(DEFINED)
        return Answer(state, "\n".join([table(state), "", *_definition_lines(state["definitions"])]))
    if shell.json:
        raise UsageError(
            "--watch has no end, and --json prints one value", location="onetape status", todo="remove one of them"
        )

    def show() -> None:
        with suppress(KeyboardInterrupt):
            follow()

    def follow() -> None:
        while True:  # Ctrl-C is the usual end
            print((CLEAR if sys.stdout.isatty() else "") + table(_state(shell)), flush=True)
            time.sleep(WATCH_S)

    return Answer(None, show)


def _hosts(shell: Shell) -> Answer:
    """Returns the hosts as this one knows them. Raises ProcessDown where it is connected to none."""
    found = load("onetape.cluster.view", "hosts_now", what="the cluster")(shell.home)
    if found is None:
        raise ProcessDown(
            "this home is connected to no other",
            location="onetape status --all",
            todo="write [cluster], and onetape up",
        )
    shown = _hosts_table(found["hosts"])
    if found["server"] != "connected":
        shown.append(found["server"])
    if found["stored"]:
        shown.append(f"the servers store no blocks: {found['stored']}")
    return Answer(found, "\n".join(shown))


def _hosts_table(hosts: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[tuple[str, ...]] = [("host", "state", "version", "clock", "lag", "processes")]
    for each in hosts:
        lag = "-" if each["lag_ms"] is None else age_text(each["lag_ms"])
        names = ", ".join(process["name"] for process in each["processes"])
        clock = f"{each['clock_ms']:.0f} ms"
        lines.append((each["host"], each["state"], each["version"], clock, lag, names or "-"))
    return aligned(lines)


def _state(shell: Shell) -> dict[str, Any]:
    status_of = load("onetape.supervisor.client", "status_of", what="the supervisor")
    views = load("onetape.projections.account_views", "summary", what="accounts")
    robots_now = load("onetape.ipc.operator", "robots_now", what="robots")
    stops_now = load("onetape.clients.halts", "stops_now", what="halts")
    state = status_of(shell.home)
    robots = robots_now(shell.home) if state["running"] else {}
    rows = [
        {**each, "robot": robots.get(each["name"])} if each["kind"] == "robot" else each for each in state["processes"]
    ]
    halts, killed = stops_now(shell.home) if state["running"] else ([], {})
    if (shell.home / "run" / "cluster.json").exists():
        seen = load("onetape.cluster.view", "hosts_now", what="the cluster")(shell.home)
        state |= {} if seen is None else {"hosts": seen["hosts"]}
    return {**state, "processes": rows, "halts": halts, "killed": killed, **views(shell.home, shell.running_config)}


def table(state: dict[str, Any]) -> str:
    """Returns the processes as a table."""
    if not state["processes"]:
        return "nothing runs (onetape up)"
    lines = [COLUMNS, *map(_row, state["processes"])]
    shown = aligned(lines)
    robots = [each for each in state["processes"] if each.get("robot")]
    shown += map(_robot_line, robots)
    if "orders" in state:
        count = state["orders"]
        shown.append(f"{count} working order{'s' if count != 1 else ''}")
    for account, why in state.get("killed", {}).items():
        shown.append(f"account {account}  kill switch on: {why}; off by onetape send gateway:{account} unkill")
    shown += _danger_lines(state.get("halts", ()))
    if len(state.get("hosts", ())) > 1:
        shown += ["", *_hosts_table(state["hosts"])]
    return "\n".join(shown)


def _danger_lines(halts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields a line for the system and each account above danger level 0, and one with the number of such symbols and
    sub-accounts."""
    whole = [each for each in halts if each["scope"] in ("account", "system")]
    highest = {(each["scope"], each["subject"]): each for each in sorted(whole, key=lambda row: row["level"])}
    for (scope, subject), each in sorted(highest.items()):
        until = moment(each["until"]) if each["until"] else "it is lifted"
        why = each["reason"] or each["rule"]
        yield f"{scope} {subject}".rstrip() + f"  danger level {each['level']} until {until}: {why}"
    smaller = {(each["scope"], each["subject"]) for each in halts} - set(highest)
    if smaller:
        yield f"above danger level 0, symbols and sub-accounts: {len(smaller)} (onetape halts)"


def _definition_lines(definitions: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, each in definitions.items():
        if name == "equity":  # in JSON alone
            continue
        includes = "" if each["includes"] is None else f"; includes {', '.join(each['includes'])}"
        yield f"{name}: {each['definition'].rstrip('.')}. Unit: {each['unit']}{includes}"


def _robot_line(process: dict[str, Any]) -> str:
    robot = process["robot"]
    held = ", ".join(f"{qty} {symbol}" for symbol, qty in robot["positions"].items()) or "nothing"
    currency = robot.get("currency", "")
    profit = f"{amount(robot['profit'], currency) or '-'} {currency}".rstrip()
    return (
        f"{process['name']}  {robot['status']}, profit {profit}, holds {held}, "
        f"{robot['orders']} working, {robot['fills']} filled"
    )


def _row(process: dict[str, Any]) -> tuple[str, ...]:
    def age(key: str) -> str:
        value = process[key]
        return "-" if value is None else age_text(value)

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


@verb("restart", example="onetape restart robot:mm")
@click.argument("name", shell_complete=processes)
def restart(shell: Shell, name: str) -> Answer:
    """Stop one process and start it again; returns when it runs. A failed process is started, too.

    It starts with its current section of the configuration; changes are shown. If the section is invalid, nothing is
    stopped.
    """
    restarted = load("onetape.supervisor.client", "restart", what="the supervisor")
    name = shell.process(name)
    done = restarted(shell.home, name, shell.config, shell.config_path, doing=shell.progress.doing)
    text = f"{name} runs, process {done['pid']}"
    changed = [f"  {key}: {was} -> {now}" for key, (was, now) in done["changed"].items()]
    return Answer(done, "\n".join([text, *changed]))


@verb("failover", example="onetape failover gateway:main\nonetape failover gateway:main --to tokyo-1")
@click.argument("process", shell_complete=processes)
@click.option("--to", default="", metavar="HOST", help="The host that runs it next [default: the other one].")
def failover(shell: Shell, process: str, to: str) -> Answer:
    """Move a gateway to its standby: it is stopped on one host, and continues on the other with the same journal."""
    moved = load("onetape.cluster.failover", "move", what="the cluster")
    done = moved(shell.home, process, to, shell.progress.doing)
    return Answer(done, f"{process} moved from {done['from']} to {done['to']} in {done['seconds']:g} s")


@verb("down", example="onetape down")
def down(shell: Shell) -> Answer:
    """Stop all processes in reverse order: robots cancel their orders, then gateways, then venues.

    It is no error if none runs.
    """
    bring_down = load("onetape.supervisor.client", "bring_down", what="the supervisor")
    done = bring_down(shell.home, shell.progress.doing)
    text = f"stopped {', '.join(done['stopped'])}" if done["stopped"] else "nothing runs"
    return Answer({"running": False, **done}, text)
