"""Homes of several hosts that share an exchange and an account there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from exchange.venue_client import served
from waiting import wait_for
from worlds.gateway_process import booked
from worlds.nats_hosts import free_port, server
from worlds.supervised import MAKER, Home

__all__ = ["ACCOUNT", "ClusterHomes"]

ACCOUNT = """
[venues.x]
kind = "binance-usdm"
rest = "http://127.0.0.1:{port}"
ws = "ws://127.0.0.1:{port}"
[accounts.main]
venue = "x"
key = "file:key"
secret = "file:secret"
"""
CLUSTER = """
[cluster]
servers = ["nats://127.0.0.1:{nats}"]
host = "{host}"
"""


class ClusterHomes:
    """Homes, by host, and their NATS server. config: all but [cluster]; `{port}` is the exchange's."""

    def __init__(self, folder: Path, stack: ExitStack, config: str, names: Sequence[str]) -> None:
        dialect, port = stack.enter_context(served("binance-usdm", seed=4, limits=False))
        self.account = dialect.exchange.accounts[0]
        self.nats = free_port()
        self.server = stack.enter_context(server(folder, self.nats))
        self.homes: dict[str, Home] = {}
        for name in names:
            (folder / name).mkdir()
            for what in ("key", "secret"):
                file = folder / name / what
                file.write_text(getattr(self.account, what))
                file.chmod(0o600)
            text = CLUSTER.format(nats=self.nats, host=name) + config.replace("{port}", str(port))
            self.homes[name] = stack.enter_context(Home(folder / name, text, MAKER))

    def up(self) -> None:
        for home in self.homes.values():
            home.run("up")

    def said(self) -> Any:
        return [home.log() for home in self.homes.values()]

    def trades(self, more: int) -> None:
        """Waits for more trades of the account."""
        before = len(self.account.trades)
        wait_for(lambda: len(self.account.trades) >= before + more, self.said)

    def check_books(self, home: Home) -> None:
        """The tape has each trade of the exchange once."""
        wait_for(lambda: booked(home.home) == Counter(trade.fill.trade_id for trade in self.account.trades), self.said)
