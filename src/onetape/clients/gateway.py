"""Requests to a gateway over its socket."""

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
    """Queries a gateway, with a new connection for each request, because a gateway closes idle ones. actor: the
    requesting robot, which shows the token of its name; else the operator."""

    def __init__(self, home: Path, account: str, actor: str = OPERATOR) -> None:
        """Raises ProcessDown if no gateway listens, and the errors of `read_token`."""
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
        """Sends a request and returns the answer. Raises ProcessDown if the gateway is gone or does not answer in time,
        and the error with which it refuses."""
        request = json.dumps({"do": do, **self._shown, **fields}).encode() + b"\n"
        try:
            with self._connect() as made, made.makefile("rwb") as file:
                file.write(request)
                file.flush()
                line = file.readline()
        except TimeoutError as error:
            raise ProcessDown("the gateway does not answer", location=f"asked to {do}") from error
        except OSError as error:  # killed during the request
            raise ProcessDown("the gateway ended", location=f"asked to {do}") from error
        if not line.endswith(b"\n"):
            raise ProcessDown("the gateway ended", location=f"asked to {do}")
        return checked(do, json.loads(line))


def checked(do: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Returns `answer`. Raises ProcessDown if it reports a failure, and the error with which the gateway refuses."""
    if answer.get("status") == "refused":
        raise BY_CODE[answer["error"]["code"]](answer["error"]["message"], location=f"asked to {do}")
    if "error" in answer and "status" not in answer:  # a command's answer has both
        raise ProcessDown(str(answer["error"]), location=f"the gateway, asked to {do}")
    return answer


def decision_ages(home: Path) -> dict[str, dict[str, Any]]:
    """Returns how old the market was when robots decided, by account and feed, from the running gateways: counts and
    percentiles."""
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
