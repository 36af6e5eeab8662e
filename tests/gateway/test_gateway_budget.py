"""One address, several processes: what one of them learns of its budget holds for all."""

from __future__ import annotations

import time

import msgspec
import pytest

from exchange.venue_client import served
from onetape.feeds.request_budget import budget_file
from onetape.model.enums import RequestKind, Side
from onetape.model.errors import VenueRateLimit
from onetape.model.home import gateway_journal
from onetape.store.shared_counters import SharedCounters
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.gateway_process import GatewayProcess, Robot, news_of


@pytest.fixture(params=["rest", "socket"])
def world(tmp_path, request):
    """(dialect, gateway, robot, the address's counts as another process has them)."""
    with served("binance-usdm", seed=3, limits=True) as (dialect, port):
        exchange = dialect.exchange
        gateway = GatewayProcess("binance-usdm", tmp_path, port, exchange.accounts[0], order_entry=request.param)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        counts = SharedCounters(budget_file(tmp_path, f"http://127.0.0.1:{port}"))
        yield dialect, gateway, robot, counts
        counts.close()
        gateway.kill()
        robot.writer.close()


def said(home) -> list[str]:
    with JournalReader(gateway_journal(home, "main")) as reader:
        received = [msgspec.msgpack.decode(f.payload) for f in reader.frames(("health",))]
    return [each["state"] for each in received if each["kind"] == "budget"]


def test_an_address_that_is_shut_out_sends_nothing_and_says_so(world, tmp_path):
    dialect, gateway, robot, counts = world
    exchange = dialect.exchange
    account, listing = exchange.accounts[0], exchange.listings[0]
    first = robot.place(Side.BUY, listing.bid - 2000)
    wait_for(lambda: len(account.open_orders) == 1)
    counts.ban(time.monotonic_ns() + 3_000_000_000)  # another process was told
    before = len(account.by_id)
    refused = robot.place(Side.BUY, listing.bid - 2100)
    robot.request(RequestKind.CANCEL, first, Side.BUY, listing.bid - 2000)
    wait_for(lambda: news_of(tmp_path, refused))
    assert news_of(tmp_path, refused) == [("rejected", VenueRateLimit.code)]
    assert len(account.by_id) == before
    wait_for(lambda: said(tmp_path))
    assert "VENUE_RATE_LIMIT(4403): the venue has banned this address" in said(tmp_path)[0]
    status = gateway.ask("status")["budget"]
    assert status["refused"] >= 2
    wait_for(lambda: not account.open_orders)  # the cancel leaves when it may
    wait_for(lambda: said(tmp_path)[-1] == "available again")


def test_what_the_venue_says_of_its_budget_reaches_every_process(world):
    dialect, gateway, _, counts = world

    def is_counted() -> bool:  # what was asked at the start counts no more when a minute has begun since
        gateway.ask("reconcile")
        return 0 < gateway.ask("status")["budget"]["used"][0] < 1000

    wait_for(is_counted)

    def is_shut_out() -> bool:
        for recorded in dialect.limits.addresses.values():  # somebody else behind this address
            recorded.weight = 10_000
        gateway.ask("reconcile")
        return counts.banned_until() > time.monotonic_ns()

    wait_for(is_shut_out)
