"""Commands of the operator to gateways that run, over their sockets.

Who may send is who may open the socket: it lies in a folder of mode 0700.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onetape.model.config import Config
from onetape.model.errors import NotAvailable, ProcessDown
from onetape.services.gateway_options import gateway_socket
from onetape.services.live import GatewayClient

__all__ = ["send_command"]


def send_command(
    home: Path, config: Config, target: str, command: str, fields: dict[str, Any], id_: str
) -> list[dict[str, Any]]:
    """The answers, `{id, status, result, error}`, one for each gateway that the target names.

    Raises ProcessDown where none runs, NotAvailable for kinds of process that there are not yet.
    """
    answers = []
    for account in _accounts(home, config, target):
        client = GatewayClient(gateway_socket(home, account))
        try:
            answer = client.ask("command", id=id_, command=command, fields=fields)
        finally:
            client.close()
        answers.append({**answer, "process": f"gateway:{account}"})
    return answers


def _accounts(home: Path, config: Config, target: str) -> list[str]:
    folder = home / "run"
    there = sorted(
        path.name.removeprefix("gateway-").removesuffix(".sock")
        for path in folder.glob("gateway-*.sock")
    )
    kind, _, name = target.partition(":")
    if kind == "gateway":
        chosen = [name] if name else there
    elif target.endswith("_gateway"):
        venue = target.removesuffix("_gateway")
        named = {n for n, a in config.accounts.items() if venue in (a.venue, "")}
        named |= {
            n for n, a in config.accounts.items()
            if a.venue in config.venues and config.venues[a.venue].kind.startswith(venue)
        }  # fmt: skip
        chosen = [n for n in there if n in named]
    else:
        raise NotAvailable(f"commands to {target}", todo="docs/roadmap.md says when")
    if not chosen:
        raise ProcessDown("no gateway runs", where=target, todo="start one: onetape run --live")
    return chosen
