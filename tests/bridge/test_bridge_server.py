"""What the bridge is sure of: who may ask it, what has left, and which trades there are."""

from __future__ import annotations

import json
import subprocess
import time

import msgspec

from bridge.bridge_process import PYTHON, bridge_to, needs_ccxt
from certify.desks import Http
from exchange.venue_client import served
from onetape.gateway.bridge_process import FOLDER
from onetape.model.enums import OrderType, Side
from onetape.model.errors import VenueRateLimit
from onetape.model.order import OrderSpec
from onetape.orders.outcome import Outcome
from onetape.orders.reports import FillReport
from onetape.venues.ccxt.gateway import CcxtVenue
from onetape.venues.contract import Addresses

KRAKEN = "kraken:BTC/USD"
TRADES = 53  # more than fit on a page of the venue, fewer than on two


def venue_at(options, exchange: str, symbol: str):
    venue = CcxtVenue(exchange, options.key, Addresses(options.rest, options.ws, options.ws))
    http = Http(options.rest)
    _, _, body = http.carry(venue.instruments())
    (instrument,) = venue.instruments_of(body, frozenset({symbol}))

    def ask(call):
        status, headers, body = http.carry(call)
        return venue.protocol.answer(call, status, headers, body, time.time_ns())

    return http, venue.protocol, instrument, ask


@needs_ccxt
def test_the_bridge_answers_who_knows_its_token_and_lets_nothing_late_leave():
    """And it gives every trade of a venue that tells the newest fifty first."""
    with served("kraken", limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        with bridge_to("ccxt:kraken", port, account, KRAKEN) as options:
            http, protocol, i, ask = venue_at(options, "kraken", KRAKEN)
            for header in ({}, {"Authorization": "x" * 64}):
                status, _, body = http.send("POST", "/balances", b"{}", header)
                assert (status, b"USD" in body) == (401, False)
            seen = {"Authorization": options.key}
            assert http.send("POST", "/exchange", b"{}", seen)[0] == 404

            spec = OrderSpec(
                symbol=KRAKEN,
                side=Side.BUY,
                size_int=i.size_int("0.001"),
                type=OrderType.LIMIT,
                price_int=i.price_int(50000, Side.BUY),
            )
            abandoned = time.time_ns() - 4 * 10**9
            late = ask(protocol.place("Tr1X1X1c", spec, abandoned))
            assert (late.outcome, late.code) == (Outcome.SAFE, VenueRateLimit.code)
            assert account.by_id == {}
            assert ask(protocol.place("Tr1X1X1c", spec, time.time_ns())).outcome is Outcome.DONE
            assert len(account.by_id) == 1

            since = time.time_ns() - 60 * 10**9
            market = msgspec.structs.replace(spec, type=OrderType.MARKET, price_int=0)
            for number in range(TRADES):
                placed = ask(protocol.place(f"Tr1X1X{number + 2}c", market, time.time_ns()))
                assert placed.outcome is Outcome.DONE, placed
            found, pages, cursor = [], 0, ""
            while pages == 0 or cursor:
                answer = ask(protocol.fills(KRAKEN, 0, since=since, cursor=cursor))
                found += [t for t in answer.reports if isinstance(t, FillReport)]
                pages, cursor = pages + 1, answer.cursor
            assert pages > 1
            sizes = {fill.trade_id: fill.size for fill in found}
            assert sum(sizes.values()) == TRADES * market.size_int
            assert len(sizes) == len(account.trades)


@needs_ccxt
def test_an_exchange_that_ccxt_does_not_have_is_said_in_one_line():
    said = {"exchange": "nosuch", "key": "k", "secret": "hush", "symbols": []}
    done = subprocess.run(
        [PYTHON, "-I", "-B", str(FOLDER)],
        input=json.dumps(said) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (line,) = done.stdout.splitlines()
    error = json.loads(line)["error"]
    assert done.returncode == 1
    assert "LookupError" in error["names"] and "nosuch" in error["text"]
    assert "hush" not in done.stdout + done.stderr
