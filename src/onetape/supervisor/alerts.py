"""`onetape alerts`: what was told, and a test of the sinks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onetape.ipc.operator import send_command
from onetape.model.errors import BY_CODE, BadConfig, OnetapeError, ProcessDown
from onetape.model.sections import Config
from onetape.notify.alert import Alert, Severity, Type
from onetape.notify.rules import KINDS
from onetape.supervisor.alert_watch import past_alerts, routes_of

__all__ = ["acknowledge", "alerts_of", "send_test"]

ALERTS_MAX = 10_000


def alerts_of(home: Path, config: Config, *, is_all: bool) -> list[dict[str, Any]]:
    """Alerts of this home, the oldest first, a row for each thing that went on: those whose cause has not ended
    and that nobody has acknowledged; is_all: the others, too.

    id: of its first frame; since, cleared, acked: ns UTC, null: not yet. data: `more`, how often it was
    told again, and `actor` who acknowledged it.
    """
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for each in past_alerts(home, ALERTS_MAX):
        if each["state"] == "end":
            continue
        key = each["type"], each["subject"], each["state"], each["cleared"]
        row = rows.get(key)
        if row is None:
            rows[key] = {
                "id": each["id"],
                "type": each["type"],
                "severity": each["severity"].upper(),
                "account": _account(each["subject"], config),
                "subject": each["subject"],
                "message": each["message"],
                "since": each["time"],
                "cleared": each["cleared"],
                "acked": each["acked"],
                "data": {"more": each["more"], **({"actor": each["actor"]} if "actor" in each else {})},
            }
            continue
        row["message"], row["acked"] = each["message"], row["acked"] or each["acked"]
        row["severity"] = max(row["severity"], each["severity"].upper(), key=_SEVERITIES.index)
        row["data"]["more"] += each["more"] + 1
    return [row for row in rows.values() if is_all or (row["cleared"] is None and row["acked"] is None)]


def _account(subject: str, config: Config) -> str:
    """Returns the account that is meant, "": none. Gateways and robots are of one, others name it after the kind."""
    process, _, rest = subject.partition(" ")
    of, _, name = process.partition(":")
    if of == "robot":
        return config.robots[name].account if name in config.robots else ""
    if of != "gateway":
        kind = max((each for each in KINDS if rest.startswith(f"{each} ")), key=len, default="")
        name = rest[len(kind) :].strip().partition(" ")[0]
    return name if of == "gateway" or name in config.accounts else ""


_SEVERITIES = ("INFO", "WARN", "CRITICAL")


def acknowledge(home: Path, id_: str) -> dict[str, Any]:
    """Says on the supervisor's journal that a person knows of an alert. Returns it. Raises BadInput where
    there is none of that id, ProcessDown without a supervisor."""
    (answer,) = send_command(home, "supervisor", "ack", {"id": id_}, uuid.uuid4().hex)
    if (refused := answer["error"]) is not None:
        error: OnetapeError = BY_CODE[refused["code"]](refused["message"])
        raise error
    made: dict[str, Any] = answer["result"]
    return made


def send_test(config: Config, environ: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Sends one alert to all sinks of all routes, now. Raises BadConfig where there is none, ProcessDown
    where one does not take it."""
    routes = routes_of(config.notify, environ, folder)
    if not routes:
        raise BadConfig("no sink is configured", location="onetape.toml", todo='[notify] urls = ["env:ALERTS"]')
    sinks = [make() for _, make in routes]
    alert = Alert(Type.TEST, Severity.INFO, "alerts", "this is a test", time.time_ns())
    refused = [route.name for (route, _), each in zip(routes, sinks, strict=True) if not each.send(alert)]
    if refused:
        raise ProcessDown(
            "a sink did not take the alert",
            location=", ".join(f"[notify.routes.{name}] urls" if name else "[notify] urls" for name in refused),
            todo="see the address, and whether it can be reached from here",
        )
    return {"sent": True, "sinks": sum(map(len, sinks)), **alert.as_json()}
