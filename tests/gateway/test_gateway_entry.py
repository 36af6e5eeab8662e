"""Orders over a kept-open WebSocket, with real processes and sockets: what the gateway believes is
what the exchange says, also when the line is cut with requests on it."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from exchange.venue_client import served
from onetape.model.enums import RequestKind, Side
from onetape.simulation.venue_numbers import venue_number
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot, booked, news_of

KINDS = ("binance-usdm", "kraken", "bybit", "okx", "binance-spot")  # that take orders by WebSocket
PLACES = {
    "binance-usdm": "order.place",
    "kraken": "add_order",
    "bybit": "order.create",
    "okx": "order",
    "binance-spot": "order.place",
}


def rule(action: str, **keys) -> str:
    lines = [f"{name} = {value!r}" for name, value in keys.items()]
    return "\n".join(["[[fault]]", f'action = "{action}"', 'method = "WS"', *lines, ""])


def ed25519(dialect) -> dict:
    """The key of the first account that is one of Ed25519, as a gateway's options."""
    exchange = dialect.exchange
    key = next(k for k in exchange.accounts.keys.values() if k.kind == "ed25519" and k.account is exchange.accounts[0])
    return {"key": key.key, "secret": key.secret}


class Session:
    """An exchange, a gateway process that sends orders over a socket, and a robot."""

    def __init__(self, kind: str, home, dialect, port: int, **options) -> None:
        self.kind, self.home, self.dialect = kind, home, dialect
        self.account = dialect.exchange.accounts[0]
        self.listing = dialect.exchange.listings[0]
        self.gateway = GatewayProcess(kind, home, port, self.account, **{"order_entry": "socket", **options})
        self.gateway.start()
        self.robot = Robot(home / "robot", self.gateway, 1)
        if "ws_entry" not in options and self.gateway.options["order_entry"] == "socket":
            wait_for(lambda: self.entry()["up"])

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_) -> None:
        self.gateway.kill()
        self.robot.writer.close()

    def entry(self) -> dict:
        return self.gateway.ask("status")["order_entry"]

    def news(self, order_id: int) -> list[str]:
        return [word for word, _ in news_of(self.home, order_id)]

    def end(self) -> dict:
        """Cancels everything, lets both sides settle, and gives the gateway's status."""
        for order_id, side, price in self.robot.placed:
            self.robot.request(RequestKind.CANCEL, order_id, side, price)

        def is_settled() -> bool:
            status = self.gateway.ask("status")
            return not (status["open"] or self.account.open_orders or status["reconciling"])

        wait_for(is_settled)
        self.gateway.ask("reconcile")
        wait_for(lambda: not self.gateway.ask("status")["reconciling"])
        return self.gateway.ask("status")

    def check(self) -> dict:
        status = self.end()
        assert status["differences"] == []
        trades = Counter(venue_number(self.dialect, trade) for trade in self.account.trades)
        assert booked(self.home) == trades
        held = self.account.qty(0)
        assert status["positions"].get(f"{TRADED[self.kind][0]} both", 0) == held
        ids = Counter(o.client_id for o in self.account.by_id.values())
        assert max(ids.values()) == 1
        return status


@pytest.mark.parametrize("kind", KINDS)
def test_orders_are_placed_amended_and_cancelled_over_the_socket(kind, tmp_path):
    with served(kind, limits=False, faults="") as (dialect, port), Session(kind, tmp_path, dialect, port) as world:
        robot, account = world.robot, world.account
        low = world.listing.bid - 2000
        order_id = robot.place(Side.BUY, low)
        wait_for(lambda: "accepted" in world.news(order_id))
        (order,) = account.open_orders.values()
        if kind == "binance-spot":  # it only makes an order smaller
            robot.size //= 2
            robot.request(RequestKind.AMEND, order_id, Side.BUY, low)
            wait_for(lambda: order.size == robot.size)
        else:
            robot.request(RequestKind.AMEND, order_id, Side.BUY, low - 10)
            wait_for(lambda: order.price == low - 10)
        wait_for(lambda: "updated" in world.news(order_id))
        robot.request(RequestKind.CANCEL, order_id, Side.BUY, low)
        wait_for(lambda: "canceled" in world.news(order_id))
        filled = robot.place(Side.BUY, 0)
        wait_for(lambda: not world.gateway.ask("status")["open"] and len(booked(tmp_path)) > 0)
        refused = robot.place(Side.SELL, low * 3)  # beyond the venue's own band, or its funds
        wait_for(lambda: world.news(refused))
        assert world.news(filled)[0] == "accepted"
        status = world.check()
        assert status["order_entry"]["sent"] >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_with_requests_pending_loses_and_doubles_nothing(kind, tmp_path):
    """The first order arrives and its answer is lost, the second takes the connection down with
    it. (That what never arrived is found out, takes its time: it is in the simulation.)"""
    place = PLACES[kind]
    faults = rule("drop_answer", path=place, nth=1) + rule("disconnect", path=place, nth=1)
    with served(kind, limits=False, faults=faults) as (dialect, port), Session(kind, tmp_path, dialect, port) as world:
        low = world.listing.bid - 2000
        ids = [world.robot.place(Side.BUY, low - 10 * n) for n in range(2)]
        for each in ids:
            wait_for(lambda each=each: {"accepted", "found"} & set(world.news(each)))
        assert len(world.account.open_orders) == 2
        # The cut took the account's stream, too: nothing new is let through before it is back.
        wait_for(lambda: world.gateway.ask("status")["ready"] and world.entry()["up"])
        sent = world.entry()["sent"]
        second = world.robot.place(Side.BUY, low - 100)
        wait_for(lambda: "accepted" in world.news(second))
        assert world.entry()["sent"] == sent + 1
        world.check()


@pytest.mark.parametrize("kind", KINDS[:1])
def test_while_the_line_is_down_what_was_never_sent_goes_by_rest(kind, tmp_path):
    with (
        served(kind, limits=False) as (dialect, port),
        Session(kind, tmp_path, dialect, port, ws_entry="ws://127.0.0.1:9/none") as world,
    ):
        order_id = world.robot.place(Side.BUY, world.listing.bid - 2000)
        wait_for(lambda: "accepted" in world.news(order_id))
        status = world.check()
        assert not status["order_entry"]["up"]
        assert status["order_entry"]["sent"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_random_trading_over_a_line_that_fails_ends_in_agreement(kind, tmp_path):
    place = PLACES[kind]
    faults = (
        rule("drop_answer", path=place, probability=0.1, to="3s")
        + rule("delay", purpose="cancel", probability=0.1, wait="1s", to="3s")
        + rule("disconnect", purpose="cancel", probability=0.05, to="3s")
    )
    rng = random.Random(3)
    with (
        served(kind, seed=3, limits=False, faults=faults) as (dialect, port),
        Session(kind, tmp_path, dialect, port) as world,
    ):
        for _ in range(60):
            world.robot.act(world.listing.bid)
            time.sleep(rng.uniform(0.001, 0.02))
        world.check()


@pytest.mark.parametrize("order_entry", ["socket", "rest"])
def test_an_ed25519_key_opens_the_session_or_signs_each_request(order_entry, tmp_path):
    with (
        served("binance-usdm", limits=False) as (dialect, port),
        Session("binance-usdm", tmp_path, dialect, port, order_entry=order_entry, **ed25519(dialect)) as world,
    ):
        low = world.listing.bid - 2000
        order_id = world.robot.place(Side.BUY, low)
        wait_for(lambda: "accepted" in world.news(order_id))
        status = world.check()
        assert (status["order_entry"] or {"sent": 0})["sent"] == (2 if order_entry == "socket" else 0)
