"""Too many orders of an account hold back that account's orders, and nothing else."""

from __future__ import annotations

import time

import pytest

from exchange.venue_client import served
from onetape.exchange.binance.limits import ORDERS, SECOND
from onetape.feeds.request_budget import budget_file
from onetape.model.enums import RequestKind, Side
from onetape.model.errors import VenueRateLimit
from onetape.store.shared_counters import SharedCounters
from waiting import wait_for
from worlds.gateway_process import GatewayProcess, Robot, news_of


@pytest.fixture(params=["rest", "socket"])
def world(tmp_path, request):
    """(dialect, gateway, robot): other hands of the account are the test's."""
    with served("binance-usdm", seed=3, limits=True) as (dialect, port):
        account = dialect.exchange.accounts[0]
        gateway = GatewayProcess("binance-usdm", tmp_path, port, account, order_entry=request.param)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        if request.param == "socket":
            wait_for(lambda: gateway.ask("status")["order_entry"]["up"])
        yield dialect, gateway, robot
        gateway.kill()
        robot.writer.close()


def used(dialect, most: int) -> None:
    """So many orders of the account, by other hands, in all windows that run."""
    for seconds, _ in ORDERS:
        window = time.time_ns() // (seconds * SECOND)
        dialect.limits.orders[1, seconds] = (window, most)


def placed(dialect, tmp_path, robot) -> tuple[int, list]:
    """An order far from the market, and what became of it."""
    order = robot.place(Side.BUY, dialect.exchange.listings[0].bid - 2000)
    wait_for(lambda: news_of(tmp_path, order))
    return order, news_of(tmp_path, order)


def test_an_order_limit_shuts_no_address_out(world, tmp_path):
    dialect, gateway, robot = world
    account = dialect.exchange.accounts[0]
    first, _ = placed(dialect, tmp_path, robot)
    wait_for(lambda: len(account.open_orders) == 1)

    def is_held() -> bool:
        """By the venue's own words: it says so to a new order, and the next one does not leave."""
        used(dialect, 5000)
        robot.place(Side.BUY, dialect.exchange.listings[0].bid - 2000)
        if not gateway.ask("status")["order_budget"]["held_s"]:
            return False
        used(dialect, 0)  # the venue would take it
        return placed(dialect, tmp_path, robot)[1] == [("rejected", VenueRateLimit.code)]

    wait_for(is_held)
    before = gateway.ask("status")["rounds"]
    gateway.ask("reconcile")  # questions go on
    wait_for(lambda: gateway.ask("status")["rounds"] > before)
    robot.request(RequestKind.CANCEL, first, Side.BUY, 1)  # and so do cancels
    wait_for(lambda: ("canceled", 0) in news_of(tmp_path, first))
    status = gateway.ask("status")
    assert status["order_budget"]["held_s"] > 0
    assert status["budget"]["shut_out_s"] == 0
    counts = SharedCounters(budget_file(tmp_path, f"http://127.0.0.1:{gateway.port}"))
    assert counts.banned_until() == 0  # what other accounts behind this address look at
    counts.close()


def test_the_limit_is_kept_before_the_venue_has_to_say_so(world, tmp_path):
    dialect, gateway, robot = world
    refused = VenueRateLimit.code
    most = [most for _, most in ORDERS]

    def is_refused() -> bool:
        used(dialect, most[0] * 85 // 100)  # the next answer tells
        return placed(dialect, tmp_path, robot)[1] == [("rejected", refused)]

    wait_for(is_refused)
    status = gateway.ask("status")["order_budget"]
    assert status["held_s"] == 0
    assert sorted(status["most"]) == most
    assert status["refused"] >= 1
