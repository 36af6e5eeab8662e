"""`onetape alerts`: past and open alerts, and a test of the sinks."""

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
from onetape.notify.handbook import Section, section_of
from onetape.notify.past_alerts import ALERTS_MAX, alert_rows, past_alerts
from onetape.notify.rules import kind_of
from onetape.supervisor.alert_watch import routes_of

__all__ = ["acknowledge", "alerts_of", "explain", "send_test"]


def alerts_of(home: Path, config: Config, *, is_all: bool) -> list[dict[str, Any]]:
    """Returns the alerts of this home, the oldest first, in the form of `alert_rows`."""
    return alert_rows(past_alerts(home, ALERTS_MAX), config, is_all=is_all)


def acknowledge(home: Path, id_: str) -> dict[str, Any]:
    """Records on the supervisor's journal that the operator has acknowledged an alert, and returns it. Raises
    BadInput if there is none of that id, ProcessDown without a supervisor."""
    (answer,) = send_command(home, "supervisor", "ack", {"id": id_}, uuid.uuid4().hex)
    if (refused := answer["error"]) is not None:
        error: OnetapeError = BY_CODE[refused["code"]](refused["message"])
        raise error
    made: dict[str, Any] = answer["result"]
    return made


def explain(home: Path, word: str) -> Section:
    """Returns the handbook's section about an alert's kind or id, or an error's number or name; a number that is both
    counts as an error's. Raises BadInput."""
    if word.isdigit() and int(word) not in BY_CODE:
        alert = next((each for each in past_alerts(home, ALERTS_MAX) if each["id"] == word), None)
        word = word if alert is None else kind_of(alert["type"], alert["subject"]) or word
    return section_of(word)


def send_test(config: Config, environ: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Sends one alert to all sinks of all routes, now. Raises BadConfig if there is none, ProcessDown if one fails."""
    routes = routes_of(config.notify, environ, folder)
    if not routes:
        raise BadConfig("no sink is configured", location="onetape.toml", todo='[notify] urls = ["env:ALERTS"]')
    sinks = [(route.name, make()) for route, makes in routes for make in makes]
    alert = Alert(Type.TEST, Severity.INFO, "alerts", "this is a test", time.time_ns())
    refused = {name: None for name, each in sinks if not each.send(alert)}
    if refused:
        raise ProcessDown(
            "a sink did not accept the alert",
            location=", ".join(f"[notify.routes.{name}] urls" if name else "[notify] urls" for name in refused),
            todo="check the address, and whether this machine can reach it",
        )
    return {"sent": True, "sinks": sum(len(each) for _, each in sinks), **alert.as_json()}
