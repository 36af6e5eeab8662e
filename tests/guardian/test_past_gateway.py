"""The guardian past a gateway that is dead, with real processes: it protects, it flattens, and the gateway that
comes back takes over what it has done."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request

from test_guardian_under_up import CONFIG, HOLD, SYMBOL, protected

from onetape.gateway.account_projection import read_account
from onetape.gateway.client import GatewayClient
from onetape.gateway.fence import Fence
from onetape.model.catalogue import find
from onetape.model.enums import OrderType, Side
from onetape.model.ids import parse_client_id
from onetape.model.order import OrderSpec
from onetape.orders.calls import OrderKey
from onetape.orders.reports import OrderStatusReport, PositionReport
from onetape.venues.binance.trading import BinanceUsdmProtocol
from waiting import wait_for
from worlds.supervised import Home

GUARDED = CONFIG.replace("[guardian]", '[guardian]\ntakeover_after = "1s"\ntotal_loss = "10 USDT"')
BTC = find(SYMBOL)


class Venue:
    """The simulated exchange, asked past all of ours with the account's key."""

    def __init__(self, home: Home) -> None:
        self.said = json.loads((home.home / "run" / "venue-x.ready").read_text())
        account = self.said["accounts"][0]
        self.protocol = BinanceUsdmProtocol(account["key"], account["secret"])
        self.protocol.set_instruments([BTC])

    def ask(self, call) -> list:
        request = urllib.request.Request(
            self.said["rest"] + call.target, method=call.method, headers=dict(call.headers)
        )
        with urllib.request.urlopen(request) as reply:
            answer = self.protocol.answer(call, reply.status, {}, reply.read(), time.time_ns())
        return list(answer.reports)

    def stops(self) -> list[OrderStatusReport]:
        return self.ask(self.protocol.open_stops(SYMBOL, time.time_ns()))

    def held(self) -> int:
        time.sleep(0.5)  # whoever waits asks often, and the address's budget is the guardian's, too
        rows = self.ask(self.protocol.positions(time.time_ns()))
        return sum(row.qty for row in rows if isinstance(row, PositionReport))

    def cancel_stops(self) -> None:
        for row in self.stops():
            key = OrderKey(row.symbol, row.client_id, conditional=True)
            self.ask(self.protocol.cancel(key, time.time_ns()))

    def buy(self, size: int) -> None:
        spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=size, type=OrderType.MARKET)
        self.ask(self.protocol.place("by-other-hands", spec, time.time_ns()))


def whole(venue: Venue) -> list[OrderStatusReport]:
    rows = venue.stops()
    return rows if 0.95 * venue.held() <= sum(row.size for row in rows) <= venue.held() else []


def agrees(home: Home) -> bool:
    """The gateway holds nothing, as the venue, and neither does the robot."""
    path = home.home / "journal" / "gateway-main"
    if GatewayClient(home.home, "main").ask("status")["differences"]:
        return False
    view = read_account(path)
    robots = {number: life.name for number, life in view.robots.items()}
    own = [qty for (robot, *_), qty in view.parts.items() if robots[robot] == "mm"]
    return not any(each.qty for each in view.held.values()) and sum(own) == 0


def test_a_guardian_protects_past_a_dead_gateway_and_the_next_one_takes_its_stops_over(tmp_path):
    with Home(tmp_path, GUARDED, HOLD) as home:
        up = home.run("up")
        before = {each["venue_id"] for each in wait_for(lambda: protected(home))}
        pids = {each["name"]: each["pid"] for each in up["processes"]}
        venue = Venue(home)
        os.kill(pids["supervisor"], signal.SIGKILL)  # nobody starts another one
        os.kill(pids["gateway:main"], signal.SIGKILL)
        venue.cancel_stops()
        placed = wait_for(lambda: whole(venue))
        assert not before & {each.venue_id for each in placed}
        assert all(parse_client_id(each.client_id).tag == "mm" for each in placed)  # they take off what is the robot's
        os.kill(pids["guardian"], signal.SIGKILL)
        home.run("up")
        after = wait_for(lambda: protected(home))
        assert {each["venue_id"] for each in after} == {each.venue_id for each in placed}
        assert {each["robot"] for each in home.run("orders")} == {"mm"}
        assert not Fence(home.home, "main", holder="nobody").take()

        # What a gateway which is dead does not hear of: the loss of all is beyond its limit.
        pids = {each["name"]: each["pid"] for each in home.status()["processes"]}
        os.kill(pids["supervisor"], signal.SIGKILL)
        os.kill(pids["gateway:main"], signal.SIGKILL)
        venue.buy(BTC.size_int(20))
        wait_for(lambda: venue.held() == 0)
        wait_for(lambda: not venue.stops())
        home.run("up")
        wait_for(lambda: agrees(home))
        home.run("down")
