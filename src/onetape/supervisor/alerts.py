"""`onetape alerts`: what was told, and a test of the sinks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onetape.model.config import Config
from onetape.model.errors import BadConfig, ProcessDown
from onetape.notify.alert import Alert, Severity, Type
from onetape.supervisor.alert_watch import past_alerts, sinks_of

__all__ = ["past_alerts", "send_test"]


def send_test(config: Config, environ: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Sends one alert to all sinks, now. Raises BadConfig where there is none, ProcessDown where one does
    not take it."""
    urls = config.notify.urls
    if not urls:
        raise BadConfig("no sink is configured", location="onetape.toml", todo='[notify] urls = ["env:ALERTS"]')
    sinks = sinks_of(urls, environ, folder)
    alert = Alert(Type.TEST, Severity.INFO, "alerts", "this is a test", time.time_ns())
    if not sinks.send(alert):
        raise ProcessDown(
            "a sink did not take the alert",
            location="[notify] urls",
            todo="see the address, and whether it can be reached from here",
        )
    return {"sent": True, "sinks": len(sinks), **alert.as_json()}
