"""What the control plane knows of simulated venues: it is what they say, after whatever is killed, and what is not
known is said to be so. One home for all tests of this file; each leaves its accounts as they were."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from decimal import Decimal

import msgspec
import pytest

from onetape.control.accounts import sync
from onetape.figures.views import Views
from onetape.ipc.operator import send_command
from onetape.ipc.system import IPCCommandSystem
from onetape.model.enums import PositionSide
from onetape.model.home import gateway_journal
from onetape.model.sections import CONTROL
from onetape.projections.followed_account import read_account
from onetape.store.config import load_config
from onetape.web.control_models import AccountSync, SyncReply
from waiting import wait_for
from worlds.supervised import Home

BINANCE, PACIFICA = "binance:BTC/USDT:USDT", "pacifica:BTC/USDC:USDC"
CONFIG = """
[venues.b]
kind = "binance-usdm"
[venues.p]
kind = "pacifica"
[accounts.near]
venue = "b"
leverage = 10
[accounts.far]
venue = "p"
[collectors.ws]
venue = "b"
symbols = ["binance:BTC/USDT:USDT"]
depth = ["binance:BTC/USDT:USDT"]
[collectors.rest]
venue = "b"
transport = "rest"
symbols = ["binance:BTC/USDT:USDT"]
[hub]
[control]
port = 0
[symbols]
"BTC-USD" = ["binance:BTC/USDT:USDT", "pacifica:BTC/USDC:USDC"]
"""


class World:
    def __init__(self, home: Home, address: str) -> None:
        self.home, self.address = home, address
        self.views = Views(load_config(home.folder / "onetape.toml", {}), home.home)

    def legs(self):
        self.views.refresh()
        return {each.account: each for each in self.views.legs("BTC-USD", ["near", "far"])}

    def trade(self, account: str, side: str, qty: str) -> None:
        """At the market; returns when the gateway has taken the order, which may be before its fills."""
        symbol = {"near": BINANCE, "far": PACIFICA}[account]
        fields = {"symbol": symbol, "side": side, "qty": qty}
        (answer,) = send_command(self.home.home, f"gateway:{account}", "place", fields, uuid.uuid4().hex)
        assert answer["error"] is None and answer["result"]["orders"][0]["state"] != "DENIED", answer

    def sync(self, *accounts: str, **options) -> SyncReply:
        async def ask() -> SyncReply:
            commands = IPCCommandSystem(CONTROL, home=self.home.home)
            commands.start()
            try:
                return await sync(self.views, AccountSync(accounts=list(accounts), **options), commands)
            finally:
                commands.stop()

        return asyncio.run(ask())

    def get(self, path: str):
        with urllib.request.urlopen(f"{self.address}/api/v1{path}") as answer:
            return msgspec.json.decode(answer.read())

    def feeds(self) -> dict[str, dict]:
        found = self.get("/market/feeds")
        self.active, self.failed_over = found["activeFeed"], found["lastFailover"]
        return {each["feedId"]: each for each in found["feeds"]}

    def fail_over(self, target: str) -> tuple[int, dict]:
        call = urllib.request.Request(
            f"{self.address}/api/v1/market/failover",
            msgspec.json.encode({"targetFeed": target, "reason": "test"}),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(call) as answer:
                return answer.status, msgspec.json.decode(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, msgspec.json.decode(error.read())

    def is_at(self, account: str, qty: str) -> bool:
        return self.legs()[account].position == Decimal(qty)

    @contextmanager
    def hung(self, name: str):
        with self.home.frozen(name):
            yield
        wait_for(lambda: not any(each.refusal for each in self.legs().values()))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with Home(tmp_path_factory.mktemp("pair"), CONFIG) as home:
        address = home.run("up")["control"]
        made = World(home, address)
        wait_for(lambda: not any(each.refusal for each in made.legs().values()), made.legs)
        yield made
        made.views.close()


def test_legs_have_money_depth_and_fees_of_their_accounts(world):
    wait_for(lambda: all(len(each.bids) >= 5 for each in world.legs().values()), world.legs)
    legs = world.legs()
    for account, symbol, fee in (("near", BINANCE, "0.0005"), ("far", PACIFICA, "0.0004")):
        leg = legs[account]
        assert (leg.instrument.symbol, leg.taker_fee, leg.equity) == (symbol, Decimal(fee), Decimal(100_000))
        assert leg.available == leg.equity and not leg.gross and not leg.position
        bids, asks = [each.price for each in leg.bids], [each.price for each in leg.asks]
        assert bids == sorted(bids, reverse=True) and asks == sorted(asks) and bids[0] < asks[0]
        assert abs(leg.mark / bids[0] - 1) < Decimal("0.02") and all(each.base > 0 for each in leg.bids)
    assert legs["near"].leverage == 10
    # Of the next payment its own feed says the rate, of which the hub knows the last one alone.
    wait_for(lambda: world.legs()["far"].funding_rate is not None)
    assert 0 < world.legs()["far"].funding_at - time.time_ns() <= legs["far"].instrument.funding_interval


def test_a_position_is_known_as_soon_as_its_fill_is_on_the_tape(world):
    """The gateway's table has it a moment later; `test_risk` has what that moment is."""
    path, both = gateway_journal(world.home.home, "near"), (BINANCE, PositionSide.BOTH)

    def on_tape() -> Decimal:
        view = read_account(path)
        return view.instruments[BINANCE].size(view.held[both].qty) if both in view.held else Decimal(0)

    compared = 0
    for number in range(20):
        world.trade("near", "buy" if number % 2 == 0 else "sell", "0.02")
        while True:
            before, leg, after = on_tape(), world.legs()["near"], on_tape()
            if before == after:
                assert leg.position == before
                compared += 1
                if before == (Decimal("0.02") if number % 2 == 0 else 0):
                    break
    assert compared >= 20


def test_positions_are_the_venues_after_gateways_were_killed(world):
    world.trade("near", "buy", "0.05")
    world.trade("far", "sell", "0.03")
    wait_for(lambda: world.is_at("near", "0.05") and world.is_at("far", "-0.03"), world.legs)
    wait_for(lambda: world.legs()["near"].maintenance > 0, world.legs)  # the gateway reckons it in its next turn
    leg = world.legs()["near"]
    assert abs(leg.gross - Decimal("0.05") * leg.mark) < 1
    assert abs((leg.equity - leg.available) * 10 - leg.gross) < 1  # at its leverage
    for account, qty in (("near", "0.05"), ("far", "-0.03")):
        # Until the next one has compared its books with the venue nothing is decided on them.
        world.home.kill(f"gateway:{account}", before_next=lambda account=account: world.legs()[account].refusal)
        wait_for(lambda account=account: not world.legs()[account].refusal, world.legs)
        assert world.is_at(account, qty)
    assert sum(each.position for each in world.views.legs("BTC-USD", ["near", "far"])) == Decimal("0.02")
    states = world.sync("near", "far").account_states
    assert [(each.account_id, each.net_position) for each in states] == [("near", 0.05), ("far", -0.03)]
    world.trade("near", "sell", "0.05")
    world.trade("far", "buy", "0.03")
    wait_for(lambda: world.is_at("near", "0") and world.is_at("far", "0"), world.legs)


def test_of_a_gateway_that_hangs_nothing_is_decided_and_others_are_synced(world):
    with world.hung("gateway:far"):
        reply = world.sync("near", "far", timeout=5000)
        assert (reply.success, reply.synced_accounts, reply.failed_accounts) == (False, ["near"], ["far"])
        assert [each.split(" ")[:2] for each in reply.errors] == [["far:", "2001"]]
        first = wait_for(lambda: world.legs()["far"].refusal)
        assert first.startswith(("its gateway has been silent", "its market has been silent"))
        at = world.legs()["far"].account_at
        wait_for(lambda: "its gateway has been silent" in world.legs()["far"].refusal)
        assert abs(world.legs()["far"].account_at - at) < 10**8 and not world.legs()["near"].refusal


def test_of_a_venue_that_is_silent_prices_grow_old(world):
    with world.hung("venue:p"):
        wait_for(lambda: "its market has been silent" in world.legs()["far"].refusal, world.legs)
        feeds = wait_for(lambda: found if (found := world.feeds())["far:ws"]["status"] != "healthy" else None)
        assert feeds["ws"]["status"] == "healthy"


def test_the_interface_answers_from_the_same(world):
    world.trade("near", "buy", "0.1")
    wait_for(lambda: world.is_at("near", "0.1"))
    metrics = world.get("/risk/metrics/near")
    leg = world.legs()["near"]
    assert metrics["deltaDeviation"] == 0.1 and metrics["deltaUnit"] == "BTC"
    assert metrics["leverageRatio"] == pytest.approx(float(leg.gross / leg.equity), rel=0.01)
    assert metrics["utilizationRate"] == pytest.approx(metrics["leverageRatio"] / 10, rel=0.01)
    assert metrics["ages"]["account"] < 5000
    (symbol,) = [each for each in world.get("/delta/status")["symbols"] if each["symbol"] == "BTC-USD"]
    assert symbol["netDelta"] == 0.1 and [each["accountId"] for each in symbol["legs"]] == ["near", "far"]
    shown = {each["symbol"]: each["configured"] for each in world.get("/symbols")["symbols"]}
    assert shown == {"BTC-USD": True, "ETH-USD": False, "SOL-USD": False}
    world.trade("near", "sell", "0.1")
    wait_for(lambda: world.is_at("near", "0"))


def test_a_failover_pins_the_source_and_one_that_fails_is_refused(world):
    wait_for(lambda: world.feeds().keys() >= {"ws", "rest", "far:ws"} and world.active == "ws", world.feeds)
    wait_for(lambda: world.feeds()["rest"]["status"] != "failing", world.feeds)
    before = world.failed_over
    status, answer = world.fail_over("nowhere")
    assert (status, answer["code"]) == (400, 4501) and "ws" in answer["solution"]
    status, answer = world.fail_over("far:ws")
    assert answer["code"] == 4601, answer
    wait_for(lambda: world.feeds() and world.active == "ws" and world.failed_over == before, lambda: vars(world))
    status, answer = world.fail_over("rest")
    assert status == 200 and (answer["previousFeed"], answer["activeFeed"]) == ("ws", "rest"), answer
    assert world.feeds() and world.active == "rest" and world.failed_over >= (before or 1)
    pinned = {each["source"]: each["pinned"] for each in world.home.run("feeds") if each["symbol"] == BINANCE}
    assert pinned == {"ws": False, "rest": True}
    with world.home.frozen("collector:ws"):  # who pins it now would have no prices
        wait_for(lambda: world.feeds()["ws"]["status"] == "failing", world.feeds)
        status, answer = world.fail_over("ws")
        assert (status, answer["code"]) == (503, 1005), answer
        assert world.feeds() and world.active == "rest"
    wait_for(lambda: world.feeds()["ws"]["status"] != "failing", world.feeds)
    assert world.fail_over("auto")[0] == 200
    wait_for(lambda: world.feeds() and world.active == "ws", world.feeds)
    before = world.failed_over
    world.home.kill("control")
    world.address = world.home.now()["control"]
    assert world.feeds() and world.failed_over == before
