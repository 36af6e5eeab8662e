"""Symbols that the account trades and that nobody named to its gateway: a position from the venue's own page is
followed, shown and closed like any other."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import count
from pathlib import Path

import msgspec
import pytest

from exchange.venue_client import served
from onetape.exchange.hands import trade_by_hand
from onetape.ipc.operator import send_command
from onetape.model.enums import Kind
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot

CONTRACTS = ["binance-usdm", "aster", "bitmex", "pacifica", "bybit", "hyperliquid", "okx"]
IDS = count(1)


class World:
    """A gateway that follows one symbol of several that its venue has."""

    def __init__(self, tmp_path: Path, kind: str, dialect, port: int) -> None:
        self.exchange, self.account, self.folder = dialect.exchange, dialect.exchange.accounts[0], tmp_path
        self.gateway = GatewayProcess(kind, tmp_path / "home", port, self.account)
        (tmp_path / "home").mkdir(mode=0o700)
        own = TRADED[kind][0]
        self.index, self.other = next(
            (n, i) for n, i in enumerate(self.exchange.instruments) if i.symbol != own and i.kind is not Kind.SPOT
        )

    def trade(self, lots: int) -> None:
        """By hand at the venue's page, in the other symbol."""
        amount = self.other.lot * lots
        now = self.exchange.now
        wait_for(lambda: self.exchange.listings[self.index].bid and self.exchange.listings[self.index].ask)
        trade_by_hand(self.exchange, self.account, self.index, Decimal(amount), now)

    def status(self) -> dict:
        """Of the gateway, which is away for a moment while it begins with another symbol."""

        def answer_of() -> dict | None:
            with suppress(OSError, ValueError):
                return self.gateway.ask("status")
            return None

        return wait_for(answer_of)

    def held(self) -> Decimal:
        held = self.status()["positions"].get(f"{self.other.symbol} both", 0)
        return self.other.size(held) / self.other.lot

    def shows(self, lots: int) -> None:
        def is_shown() -> bool:
            status = self.status()
            return self.held() == lots and status["ready"] and not status["reconciling"]

        wait_for(is_shown)
        status = self.status()
        assert self.other.symbol in status["symbols"] and status["differences"] == []

    def close_position(self) -> None:
        def closed() -> bool:
            fields = {"symbol": self.other.symbol}
            (answer,) = send_command(self.gateway.home, "gateway:main", "close", fields, f"close {next(IDS)}")
            assert answer["status"] == "applied" or answer["error"]["name"] == "STALE_DATA", answer
            if answer["status"] != "applied":
                return False
            (order,) = answer["result"]["orders"]
            return order["state"] != "DENIED"  # a venue may need a price for it, and none has come yet

        wait_for(closed)
        self.shows(0)

    def said(self, kind: str) -> list[tuple[str, str]]:
        with JournalReader(gateway_journal(self.gateway.home, "main")) as reader:
            records = [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(("health",))]
        return [(each["subject"], each["state"]) for each in records if each["kind"] == kind]


@contextmanager
def world(tmp_path: Path, kind: str):
    with served(kind, seed=3, limits=False) as (dialect, port):
        made = World(tmp_path, kind, dialect, port)
        try:
            yield made
        finally:
            if made.gateway.process is not None and made.gateway.process.poll() is None:
                made.gateway.kill()


@pytest.mark.parametrize("kind", CONTRACTS)
def test_a_position_of_other_hands_is_followed_shown_and_closed(tmp_path, kind):
    with world(tmp_path, kind) as w:
        w.gateway.start()
        robot = Robot(tmp_path / "robot", w.gateway, 1)
        before = w.status()["symbols"]
        assert w.other.symbol not in before
        w.trade(200)
        w.shows(200)
        assert w.status()["symbols"] == [*before, w.other.symbol]
        assert [subject for subject, _ in w.said("other symbol")] == [w.other.symbol]
        assert w.status()["robots"] == 1  # who was attached still is
        w.close_position()
        robot.writer.close()


@pytest.mark.parametrize("kind", ["binance-usdm", "pacifica"])
def test_it_is_found_at_a_start_whether_the_journal_knows_it_or_not(tmp_path, kind):
    with world(tmp_path, kind) as w:
        w.trade(200)  # before anything of ours has begun
        w.gateway.start()
        w.shows(200)
        w.gateway.kill()
        w.trade(100)  # while nobody listens
        w.gateway.start()
        w.shows(300)
        w.close_position()
        w.gateway.kill()
        w.gateway.start()
        assert w.held() == 0 and w.status()["differences"] == []


def test_a_symbol_that_the_venue_has_paused_is_waited_for(tmp_path):
    """It traded before: another name than that of a symbol which never did, so that it is tried again."""
    with world(tmp_path, "binance-usdm") as w:
        w.gateway.start()
        w.gateway.kill()
        own = next(n for n, i in enumerate(w.exchange.instruments) if i.symbol == TRADED["binance-usdm"][0])
        w.exchange.clearing.delist(own, w.exchange.now)
        with pytest.raises(AssertionError, match="VENUE_UNAVAILABLE"):
            w.gateway.start()
        w.gateway.options = {"symbols": [TRADED["binance-usdm"][0], "binance:NIX/USDT:USDT"]}
        with pytest.raises(AssertionError, match="UNKNOWN_SYMBOL"):
            w.gateway.start()
