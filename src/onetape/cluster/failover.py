"""Move a process to its standby, by the operator's wish."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.cluster.view import hosts_now
from onetape.ipc import local_socket
from onetape.ipc.names import process_socket
from onetape.model.errors import BadConfig, ProcessDown, ServiceTimeout, UsageError
from onetape.model.placement import hosts_of
from onetape.model.sections import CLUSTER, OPERATOR, Config
from onetape.model.time import SECOND
from onetape.options.cluster import LEASE_TAKEN
from onetape.security.tokens import make_token
from onetape.store.config import kept_config

__all__ = ["check_standby", "move", "standby"]

ANSWER_WITHIN_S: Final = 5.0
MOVED_WITHIN_S: Final = 60.0
LOOK_S: Final = 0.1


def check_standby(config: Config, process: str) -> None:
    """Raises BadConfig where this host is no standby of a process."""
    name, account = config.cluster.host, process.partition(":")[2]
    if name not in hosts_of(config, process)[1:]:
        raise BadConfig(
            f"{name} is no standby of {process}",
            location=config.location("accounts", account),
            todo=f'write standby = "{name}" into [accounts.{account}]',
        )


def standby(home: Path, config: Config, process: str) -> dict[str, Any]:
    """Returns {process from to lease seconds}: who runs it, this host, the holder's token, and after how long without
    the holder this host begins to take over."""
    lease = _lease(home, process)
    who = {"process": process, "from": lease["host"], "to": config.cluster.host}
    return {**who, "lease": lease["token"], "seconds": LEASE_TAKEN / SECOND}


def move(home: Path, process: str, to: str, doing: Callable[[str], None]) -> dict[str, Any]:
    """Moves a process to another of its hosts, "": to the one that does not run it. Returns {process from to lease
    seconds}. Raises UsageError, ProcessDown, ServiceTimeout."""
    began, config = time.monotonic(), kept_config(home)
    if config is None:
        raise ProcessDown("nothing runs in this home", location=str(home), todo="onetape up")
    hosts, lease = hosts_of(config, process), _lease(home, process)
    holder = lease["host"]
    if not holder:
        raise UsageError(f"no host runs {process}", todo="onetape status --all")
    to = to or next(each for each in hosts if each != holder)
    if to not in hosts or to == holder:
        words = "runs there already" if to == holder else f"may run on {', '.join(hosts)}"
        raise UsageError(f"{process} {words}", location=to)
    target = CLUSTER if holder == config.cluster.host else f"{CLUSTER}:{holder}"
    doing(f"{holder} stops it")
    token = make_token(home, OPERATOR)
    answer = _ask(home, target, {"do": "move", "process": process, "to": to, "actor": OPERATOR, "token": token})
    while (lease := _lease(home, process))["host"] != to or not _answers(home, process):
        if time.monotonic() - began > MOVED_WITHIN_S:
            raise ServiceTimeout(f"{to} has not taken {process}", todo="onetape status --all")
        doing(f"{holder} stops it" if lease["host"] == holder else f"{to} starts it")
        time.sleep(LOOK_S)
    return {**answer, "lease": lease["token"], "seconds": round(time.monotonic() - began, 1)}


def _lease(home: Path, process: str) -> dict[str, Any]:
    """Returns {host to token}. Raises ProcessDown, UsageError."""
    seen = hosts_now(home)
    if seen is None:
        raise ProcessDown("this home is connected to no other", todo="onetape up")
    if process not in seen["leases"]:
        there = ", ".join(seen["leases"]) or "none"
        raise UsageError(f"{process} has no standby on this host", todo=f"with a standby there is: {there}")
    found: dict[str, Any] = seen["leases"][process]
    return found


def _answers(home: Path, process: str) -> bool:
    try:
        return "process" in _ask(home, process, {"do": "who"})
    except (ProcessDown, UsageError):
        return False


def _ask(home: Path, target: str, request: dict[str, Any]) -> dict[str, Any]:
    try:
        line = local_socket.request(
            process_socket(home, target), msgspec.json.encode(request), timeout_s=ANSWER_WITHIN_S
        )
        answer: dict[str, Any] = msgspec.json.decode(line)
    except (OSError, msgspec.DecodeError) as error:
        raise ProcessDown(f"{target} does not answer: {error}", todo="onetape status --all") from None
    if "error" in answer:
        raise UsageError(str(answer["error"]))
    return answer
