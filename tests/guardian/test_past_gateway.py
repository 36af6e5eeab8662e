"""The guardian past a gateway that is dead, with real processes at each venue that rests stops: it protects, it
flattens, and the gateway that comes back takes over what it has done."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import NamedTuple

import pytest

from long_form import long_form
from onetape.clients.gateway import GatewayClient
from onetape.feeds.kept_nonces import keep_nonces
from onetape.ipc.fence import Fence
from onetape.model.catalogue import find
from onetape.model.enums import OrderType, Side
from onetape.model.ids import parse_client_id
from onetape.model.order import OrderSpec
from onetape.orders.calls import OrderKey, Purpose
from onetape.orders.reports import OrderStatusReport, PositionReport
from onetape.projections.followed_account import read_account
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue, ws_address
from waiting import wait_for
from worlds.supervised import Home


class Place(NamedTuple):
    """A venue, and what is traded there. qty: what its robot holds; more: what other hands buy, of which the loss
    of a spread is beyond `limit`. pace: seconds before each look, whose budget is the guardian's, too."""

    kind: str
    symbol: str
    qty: float
    more: float
    limit: str
    pace: float = 1


PLACES = (
    Place("binance-usdm", "binance:BTC/USDT:USDT", 0.03, 20, "10 USDT"),
    Place("aster", "aster:BTC/USDT:USDT", 0.03, 20, "10 USDT"),
    Place("pacifica", "pacifica:BTC/USDC:USDC", 0.03, 20, "30 USDC", 5),
    Place("bitmex", "bitmex:BTC/USD:BTC", 3000, 1_000_000, "0.0001 BTC"),
    Place("bybit", "bybit:BTC/USDT:USDT", 0.03, 20, "10 USDT"),
    Place("hyperliquid", "hyperliquid:BTC/USDC:USDC", 0.03, 20, "10 USDC"),
    Place("okx", "okx:BTC/USDT:USDT", 3, 2000, "10 USDT"),
)
HOLD = """
from onetape import Strategy


class Hold(Strategy):
    symbol: str = "{symbol}"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.set_timer("act", every="100ms")

    def on_timer(self, name):
        if self.quote(self.symbol) is not None and not self.memory.get("done"):
            self.memory["done"] = True
            self.buy(self.symbol, {qty})
"""
CONFIG = """
[venues.x]
kind = "{kind}"
mode = "sim"
[accounts.main]
venue = "x"
[guardian]
takeover_after = "1s"
total_loss = "{limit}"
[robots.mm]
strategy = "maker.py"
account = "main"
"""


class Venue:
    """The simulated exchange, asked past all of ours with the account's key."""

    def __init__(self, home: Home, place: Place) -> None:
        said = json.loads((home.home / "run" / "venue-x.ready").read_text())
        account = said["accounts"][0]
        ws = ws_address(place.kind, said["rest"])
        venue = open_trading_venue(
            place.kind, account["key"], account["secret"], Addresses(said["rest"], ws, ws), account.get("password", "")
        )
        self.rest, self.protocol, self.instrument = said["rest"], venue.protocol, find(place.symbol)
        self.pace = place.pace
        keep_nonces(self.protocol, home.home)
        self.protocol.set_instruments([self.instrument])

    def ask(self, what, *of) -> list:
        """The reports of its answer, however long the venue's limit keeps it."""
        while (found := self._answer(what, *of)) is None:
            pass
        return found

    def _answer(self, what, *of) -> list | None:
        """None: the venue takes nothing for now."""
        time.sleep(self.pace)
        call = self.protocol.signed(what(*of, time.time_ns()), time.time_ns())
        request = urllib.request.Request(
            self.rest + call.target, method=call.method, headers=dict(call.headers), data=call.body or None
        )
        try:
            with urllib.request.urlopen(request) as reply:
                answer = self.protocol.answer(call, reply.status, {}, reply.read(), time.time_ns())
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.TOO_MANY_REQUESTS:
                return None
            if call.purpose is Purpose.CANCEL:  # the guardian's ladders have been replaced meanwhile
                return []
            raise
        return list(answer.reports)

    def stops(self) -> list[OrderStatusReport]:
        return self.ask(self.protocol.open_stops, self.instrument.symbol)

    def held(self) -> int:
        rows = self.ask(self.protocol.positions)
        return sum(row.qty for row in rows if isinstance(row, PositionReport))

    def cancel_stops(self) -> None:
        for row in self.stops():
            key = OrderKey(row.symbol, row.client_id, conditional=self.protocol.traits.conditionals)
            self.ask(self.protocol.cancel, key)

    def buy(self, qty: float) -> None:
        spec = OrderSpec(
            symbol=self.instrument.symbol, side=Side.BUY, size_int=self.instrument.size_int(qty), type=OrderType.MARKET
        )
        self.ask(self.protocol.place, "byotherhands", spec)


def whole(venue: Venue) -> list[OrderStatusReport]:
    rows = venue.stops()
    return rows if 0.95 * venue.held() <= sum(row.size for row in rows) <= venue.held() else []


def protected(home: Home, place: Place) -> set[str]:
    """The stops' client ids, once the venue itself has said that it has all levels."""
    (row,) = home.run("stops") or [None]
    if row is None or row["verified_age_ms"] is None:
        return set()
    if round(sum(float(each["qty"]) for each in row["levels"]), 9) != place.qty:
        return set()
    return {each["client_id"] for each in home.run("orders") if each["kind"] == "stop"}


def agrees(home: Home) -> bool:
    """The gateway holds nothing, as the venue, and neither does the robot."""
    path = home.home / "journal" / "gateway-main"
    if GatewayClient(home.home, "main").ask("status")["differences"]:
        return False
    view = read_account(path)
    mine = [life.held for life in view.robots.values() if life.name == "mm"]
    own = [qty for each in mine for of in each.values() for qty in of.values()]
    return not any(each.qty for each in view.held.values()) and sum(own) == 0


@pytest.mark.parametrize(
    "place", [PLACES[0], PLACES[1], *long_form(*((each,) for each in PLACES[2:]))], ids=lambda each: each.kind
)
def test_a_guardian_protects_past_a_dead_gateway_and_the_next_one_takes_its_stops_over(tmp_path, place):
    with Home(tmp_path, CONFIG.format(**place._asdict()), HOLD.format(**place._asdict())) as home:
        up = home.run("up")
        before = wait_for(lambda: protected(home, place))
        pids = {each["name"]: each["pid"] for each in up["processes"]}
        venue = Venue(home, place)
        os.kill(pids["supervisor"], signal.SIGKILL)  # nobody starts another one
        os.kill(pids["gateway:main"], signal.SIGKILL)
        venue.cancel_stops()
        placed = wait_for(lambda: whole(venue))
        assert not before & {each.client_id for each in placed}
        assert all(parse_client_id(each.client_id).tag == "mm" for each in placed)  # they take off what is the robot's
        os.kill(pids["guardian"], signal.SIGKILL)
        home.run("up")
        assert wait_for(lambda: protected(home, place)) == {each.client_id for each in placed}
        assert {each["robot"] for each in home.run("orders")} == {"mm"}
        assert not Fence(home.home, "main", holder="nobody").take()

        # What a gateway which is dead does not hear of: the loss of all is beyond its limit.
        pids = {each["name"]: each["pid"] for each in home.status()["processes"]}
        os.kill(pids["supervisor"], signal.SIGKILL)
        os.kill(pids["gateway:main"], signal.SIGKILL)
        venue.buy(place.more)
        wait_for(lambda: venue.held() == 0)
        wait_for(lambda: not venue.stops())
        home.run("up")
        wait_for(lambda: agrees(home))
        home.run("down")
