"""`onetape status`: what runs."""

from __future__ import annotations

from typing import Any

from onetape.cli.frame import Answer, Shell, load, verb

COLUMNS = (
    "name", "pid", "state", "heartbeat", "progress", "lag", "cpu", "memory", "files", "restarts",
    "reason",
)  # fmt: skip


@verb("status", example="onetape status --json")
def command(shell: Shell) -> Answer:
    """Show the processes: state, heartbeat and progress, lag in frames, share of a core,
    memory, open files, restarts, working orders.

    A process that waits says what for.
    """
    status_of = load("onetape.services.supervisor_client", "status_of", what="the supervisor")
    views = load("onetape.services.account_views", "summary", what="accounts")
    told = status_of(shell.home)
    told = {**told, **views(shell.home, shell.config)}
    return Answer(told, table(told))


def table(told: dict[str, Any]) -> str:
    """The processes for a reader."""
    if not told["processes"]:
        return "nothing runs (onetape up)"
    lines = [COLUMNS, *map(_row, told["processes"])]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
    shown = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    if "orders" in told:
        count = told["orders"]
        shown.append(f"{count} working order{'s' if count != 1 else ''}")
    return "\n".join(shown)


def _row(process: dict[str, Any]) -> tuple[str, ...]:
    def age(key: str) -> str:
        value = process[key]
        return "-" if value is None else f"{value} ms"

    def shown(key: str, unit: int, word: str = "") -> str:
        value = process[key]
        return "-" if value is None else f"{value / unit:.0f}{word}"

    return (
        process["name"], str(process["pid"] or "-"), process["state"], age("heartbeat_age_ms"),
        age("progress_age_ms"), "-" if process["lag"] is None else str(process["lag"]),
        shown("cpu_percent", 1, " %"), shown("memory_bytes", 1 << 20, " MiB"),
        shown("open_files", 1), str(process["restarts"]), process["reason"],
    )  # fmt: skip
