"""What each simulated exchange does with an order whose trigger is before the price, at it or
beyond it when the order arrives, in the venue's own words."""

from __future__ import annotations

from itertools import product

import pytest

from exchange.bitmex.bitmex_client import BitmexClient
from exchange.kraken_client import KrakenClient
from exchange.venue_client import BinanceClient, Virtual

PLACES = {"before": 40, "at": 0, "beyond": -40}  # ticks that the price has still to go
CASES = [pytest.param(*each, id="-".join(each)) for each in product(["buy", "sell"], ["stop", "take_profit"], PLACES)]
BITMEX = {"stop": "Stop", "take_profit": "MarketIfTouched"}
KRAKEN = {"stop": "stop-loss", "take_profit": "take-profit"}


class Venue:
    """The first instrument of a simulated exchange, whose trades go on."""

    def __init__(self, kind: str, client: type) -> None:
        self.venue = Virtual(kind, limits=False)
        self.exchange = self.venue.dialect.exchange
        self.account = self.exchange.accounts[0]
        self.client = client(self.venue, self.account.key, self.account.secret)
        self.instrument = self.exchange.instruments[0]
        self.venue.wait(5)  # something has traded

    def trigger(self, side: str, kind: str, place: str) -> str:
        way = 1 if (side == "buy") == (kind == "stop") else -1
        i = self.instrument
        tick = int(i.tick.scaleb(i.price_decimals))
        return i.price_text(self.exchange.listings[0].last + PLACES[place] * way * tick)


@pytest.mark.parametrize(("side", "kind", "place"), CASES)
def test_binance_refuses_what_is_met(side, kind, place):
    venue = Venue("binance-usdm", BinanceClient)
    status, answer = venue.client.ask(
        "POST",
        "/fapi/v1/algoOrder",
        algoType="CONDITIONAL",
        symbol=venue.instrument.raw_symbol,
        side=side.upper(),
        type=f"{kind.upper()}_MARKET",
        quantity="0.010",
        triggerPrice=venue.trigger(side, kind, place),
    )
    if place == "before":
        assert (status, answer["algoStatus"]) == (200, "NEW"), answer
    else:
        assert (status, answer["code"]) == (400, -2021)
    waits = venue.exchange.conditionals.open_of(venue.account)
    assert len(waits) == (place == "before")


@pytest.mark.parametrize(("side", "kind", "place"), CASES)
def test_bitmex_refuses_what_is_met(side, kind, place):
    venue = Venue("bitmex", BitmexClient)
    status, answer = venue.client.order(
        side.capitalize(),
        100,
        ordType=BITMEX[kind],
        execInst="LastPrice",
        stopPx=float(venue.trigger(side, kind, place)),
    )
    if place == "before":
        assert (status, answer["ordStatus"], answer["triggered"]) == (200, "New", ""), answer
    else:
        assert (status, answer["error"]["message"]) == (400, "Invalid stopPx for ordType")
    assert len(venue.account.open_orders) == (place == "before")


@pytest.mark.parametrize(("side", "kind", "place"), CASES)
def test_kraken_fires_what_is_met(side, kind, place):
    venue = Venue("kraken", KrakenClient)
    placed, error = venue.client.place(side, ordertype=KRAKEN[kind], price=venue.trigger(side, kind, place))
    assert error == []
    (txid,) = placed["txid"]
    row = venue.client.ask("QueryOrders", txid=txid)[0][txid]
    assert row["descr"]["ordertype"] == KRAKEN[kind]
    if place == "before":
        assert (row["status"], row["misc"]) == ("open", "")
    else:
        assert (row["status"], row["vol_exec"], row["misc"]) == ("closed", "0.01000000", "stopped")


@pytest.mark.parametrize("kind", KRAKEN)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_kraken_keeps_the_kind_of_a_trigger_that_is_moved(side, kind):
    venue = Venue("kraken", KrakenClient)
    (txid,) = venue.client.place(side, ordertype=KRAKEN[kind], price=venue.trigger(side, kind, "before"))[0]["txid"]
    moved = venue.trigger(side, kind, "beyond")
    assert venue.client.ask("AmendOrder", txid=txid, trigger_price=moved)[1] == []
    row = venue.client.ask("QueryOrders", txid=txid)[0][txid]
    assert (row["status"], row["descr"]["ordertype"]) == ("closed", KRAKEN[kind])
