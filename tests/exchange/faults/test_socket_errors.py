"""Errors on request over the sockets that take orders: in the venue's own envelope, and carried out
or not as over HTTP."""

from __future__ import annotations

import json

import pytest

from exchange.venue_client import Virtual
from onetape.exchange.dialect import Connection
from onetape.model import catalogue
from onetape.model.enums import Side
from onetape.model.order import OrderSpec
from onetape.orders.outcome import Outcome
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from onetape.venues.order_entry import EntrySession

SYMBOLS = {"binance-usdm": "binance:BTC/USDT:USDT", "kraken": "kraken:BTC/USD"}
AMBIGUOUS = {"binance-usdm": "-1007", "kraken": "EService:Busy"}
DEFINITIVE = {"binance-usdm": "-2019", "kraken": "EOrder:Insufficient funds"}


def query(kind: str, fault: str):
    """(the answer to an order over the socket, how many orders the exchange has then)."""
    world = Virtual(kind, faults=fault)
    account = world.dialect.exchange.accounts[0]
    venue = open_trading_venue(kind, account.key, account.secret, Addresses("", "", ""), account.password)
    venue.protocol.set_instruments([catalogue.find(SYMBOLS[kind])])
    venue.protocol.signs_late = True
    key = ""
    if (call := venue.entry_key(world.time)) is not None:
        _, body, _ = world.request(call.method, call.target, call.body, dict(call.headers))
        key = body["result"]["token"]
    session = EntrySession(venue.entry_dialect(key))
    connection: Connection = world.connect(venue.entry_url or "/v2")

    def say(message: bytes) -> list:
        world.dialect.message(connection, message, world.time)
        out, connection.out = connection.out, []
        return [each for message in out for each in session.take(message, world.time)]

    for hello in session.opened(world.time):
        say(hello)
    assert session.is_ready
    price = world.dialect.exchange.listings[0].bid * 9 // 10
    unit = catalogue.find(SYMBOLS[kind]).size_int("0.01")
    spec = OrderSpec(symbol=SYMBOLS[kind], side=Side.BUY, size_int=unit, price_int=price)
    ((_, answer),) = say(session.send(venue.protocol.place("x-1", spec, world.time), world.time))
    assert json.dumps(answer.text)
    return answer, len(account.open_orders)


def rule(error: str, **keys) -> str:
    lines = "".join(f"{name} = {str(value).lower()}\n" for name, value in keys.items())
    return f'[[fault]]\npurpose = "place"\naction = "error"\nerror = "{error}"\n{lines}'


@pytest.mark.parametrize("kind", SYMBOLS)
def test_a_definitive_error_is_said_and_nothing_was_done(kind):
    answer, orders = query(kind, rule(DEFINITIVE[kind]))
    assert (answer.outcome, orders) == (Outcome.DEFINITIVE, 0)
    assert DEFINITIVE[kind] in (answer.venue_code, answer.text)


@pytest.mark.parametrize("kind", SYMBOLS)
@pytest.mark.parametrize("done", [True, False])
def test_after_an_ambiguous_error_the_order_is_there_or_not(kind, done):
    answer, orders = query(kind, rule(AMBIGUOUS[kind], done=done))
    assert (answer.outcome, orders) == (Outcome.AMBIGUOUS, int(done))


@pytest.mark.parametrize("kind", SYMBOLS)
def test_what_no_socket_says_is_not_said_there(kind):
    fault = '[[fault]]\npurpose = "place"\naction = "error"\nstatus = 520\nbody = "<html>"\n'
    answer, orders = query(kind, fault)
    assert (answer.outcome, orders) == (Outcome.DONE, 1)
