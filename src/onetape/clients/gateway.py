"""Questions to a gateway over its socket."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Final

from onetape.ipc.local_socket import connect
from onetape.model.errors import BY_CODE, ProcessDown
from onetape.model.home import decoded, gateway_journal
from onetape.model.sections import OPERATOR
from onetape.options.gateway import gateway_socket
from onetape.security.tokens import make_token, read_token

__all__ = ["GatewayClient", "checked", "decision_ages"]

ANSWER_WITHIN_S: Final = 10.0


class GatewayClient:
    """Asks a gateway; each question has a connection of its own, because a gateway keeps none that is idle. actor: the
    robot that asks, who shows the token of its name; else the operator."""

    def __init__(self, home: Path, account: str, actor: str = OPERATOR) -> None:
        """Raises ProcessDown where no gateway listens, and as `read_token`."""
        self._path = gateway_socket(home, account)
        self._connect().close()
        token = make_token(home, actor) if actor == OPERATOR else read_token(home, actor)
        self._shown = {"actor": actor, "token": token}

    def _connect(self) -> socket.socket:
        try:
            return connect(self._path, timeout_s=ANSWER_WITHIN_S)
        except OSError as error:
            raise ProcessDown("the gateway does not answer", location=str(self._path)) from error

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Raises ProcessDown for a gateway that is gone, or says nothing in time, and what it
        refuses with."""
        request = json.dumps({"do": do, **self._shown, **fields}).encode() + b"\n"
        try:
            with self._connect() as made, made.makefile("rwb") as file:
                file.write(request)
                file.flush()
                line = file.readline()
        except TimeoutError as error:
            raise ProcessDown("the gateway does not answer", location=f"asked to {do}") from error
        except OSError as error:  # killed while it was asked
            raise ProcessDown("the gateway ended", location=f"asked to {do}") from error
        if not line.endswith(b"\n"):
            raise ProcessDown("the gateway ended", location=f"asked to {do}")
        return checked(do, json.loads(line))


def checked(do: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Returns a gateway's answer. Raises ProcessDown for one that says that it could not, and what it refuses with."""
    if answer.get("status") == "refused":
        raise BY_CODE[answer["error"]["code"]](answer["error"]["message"], location=f"asked to {do}")
    if "error" in answer and "status" not in answer:  # a command has both
        raise ProcessDown(str(answer["error"]), location=f"the gateway, asked to {do}")
    return answer


def decision_ages(home: Path) -> dict[str, dict[str, Any]]:
    """Returns how old the market was at robots' decisions, by account and feed, of the gateways that run: a histogram's
    count and percentiles."""
    found: dict[str, dict[str, Any]] = {}
    journal = gateway_journal(home, "")
    for path in sorted(journal.parent.glob(f"{journal.name}*")):
        account = decoded(path.name.removeprefix(journal.name))
        if account is None:
            continue
        try:
            found[account] = GatewayClient(home, account).ask("status")["market"]["decision_age"]
        except ProcessDown:
            continue
    return found
