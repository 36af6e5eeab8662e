"""Fees in coins that are neither quote nor settle currency: on a gateway's tape, in what a saga costs and changes."""

from __future__ import annotations

import time
from decimal import Decimal

import msgspec
import pytest

from control.test_risk import Gateway
from hedge.hedge_world import ZERO
from hedge.test_saga import goal
from onetape.control.order_tape import OrderTape, next_sequence
from onetape.figures.views import Views
from onetape.hedge.saga import Fills, Saga
from onetape.model.config import parse_config
from onetape.model.enums import Liquidity, OrderType, PositionSide, RequestKind, Side, TimeInForce, TriggerBy
from onetape.model.instrument import from_symbol
from onetape.model.money import money_units
from onetape.model.request_key import key_by_hand
from worlds.frames import FILL, QUOTE, REQUEST

SPOT = from_symbol("kraken:BTC/USDT", tick="0.1", lot="0.001", taker_fee="0.0005")
COIN = from_symbol("kraken:BNB/USDC", tick="0.1", lot="0.001")


@pytest.fixture
def views(tmp_path):
    made = Views(parse_config('[venues.x]\nkind = "kraken"\n[accounts.main]\nvenue = "x"\n'), tmp_path)
    yield made
    made.close()


def test_fees_are_worth_what_their_coin_is_and_base_that_is_paid_is_not_held(tmp_path, views):
    """The coin's name came long before the order; SOL has no market."""
    gateway = Gateway(tmp_path, "main", SPOT)
    now = time.time_ns()
    gateway.tape.append_instrument(2, now, COIN.to_msgpack())
    for number, name in enumerate(("BNB", "BTC", "SOL"), 1):
        gateway.tape.append("params", msgspec.msgpack.encode({"currency": number, "name": name}), time=now)
    first = next_sequence(tmp_path, "main")
    words = (RequestKind.PLACE.id, Side.BUY.id, OrderType.LIMIT.id, TimeInForce.IOC.id, 0, TriggerBy.NONE.id)
    request = REQUEST.pack(1, 500_000, 1000, 0, 0, *words, PositionSide.BOTH.id, 1, b"")
    request += msgspec.msgpack.encode(key_by_hand("op.1").as_record())
    gateway.tape.append("order_request", request, stream=1, time=now)
    fees = ((0, "5"), (1, "0.01"), (2, "0.002"), (3, "1"))
    for trade, (currency, fee) in enumerate(fees, 1):
        low = money_units(fee)
        row = (1, 1, trade, now, 500_000, 250, low, 0, Side.BUY.id, Liquidity.TAKER.id, PositionSide.BOTH.id, 1)
        gateway.tape.append("fill", FILL.pack(*row, currency, 0), stream=1, time=now)
    gateway.tape.append("quote", QUOTE.pack(now, now, 6000, 6000, 1, 1, 0), stream=2, time=now)
    views.refresh()
    tape = OrderTape(tmp_path, "main", first)
    order = tape.order("op.1")
    fills = order.fills("o", SPOT, tape.currencies(order), lambda coin: views.price_of(coin, "USDT"))
    tape.close()
    gateway.close()
    assert (fills.base, fills.price, fills.lost) == (1, 50_000, Decimal("0.002"))
    assert fills.others == {"BNB": Decimal("0.01"), "BTC": Decimal("0.002"), "SOL": 1} and fills.unpriced == ("SOL",)
    assert fills.fees == 5 + 6 + 100  # of USDT, BNB at 600 and BTC at the price of the fills


def test_what_was_paid_in_base_is_missing_of_the_change():
    saga = Saga(goal(("a", "1")))
    saga.begin(0)
    saga.closed(1, Fills("o", Decimal(1), Decimal(60_000), Decimal(60), 1, lost=Decimal("0.001")), 1)
    assert saga.change == saga.moved["a"] == Decimal("0.999")
    assert saga.naked == ZERO and saga.cost == 60 + (60_000 - saga.attempts[0].leg.mid)
