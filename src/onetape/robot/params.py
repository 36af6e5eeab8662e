"""List the parameters of a strategy's source or of a running robot with their descriptions."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from onetape.engine.loader import load_strategy
from onetape.engine.parameters import described
from onetape.ipc.operator import send_command
from onetape.model.errors import ProcessDown

__all__ = ["params_of"]


def params_of(home: Path, target: str) -> dict[str, dict[str, Any]]:
    """Returns by name: value, default, type, optional, min, max, step, choices, help. target: `robot:NAME`, or a
    strategy. Raises ProcessDown for a robot that does not run, and as `load_strategy`."""
    if not target.startswith("robot:"):
        return described(load_strategy(target), {})
    (reply,) = send_command(home, target, "status", {}, uuid.uuid4().hex)
    if reply["status"] != "applied":
        raise ProcessDown(reply["error"]["message"], location=target)
    params: dict[str, dict[str, Any]] = reply["result"]["strategies"][0]["params"]
    return params
