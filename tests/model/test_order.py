"""Orders and fills as values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from onetape.model.enums import OrderState, OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import OrderInvalid
from onetape.model.fill import Fill
from onetape.model.instrument import from_symbol
from onetape.model.order import Order, OrderSpec, order_spec

D = Decimal
BTC = from_symbol("binance:BTC/USDT:USDT", tick=D("0.1"), lot=D("0.001"))


def spec(**changes: Any) -> OrderSpec:
    base: dict[str, Any] = {"symbol": BTC.symbol, "side": Side.BUY, "size_int": 1, "price_int": 10}
    return OrderSpec(**{**base, **changes})


def test_a_person_s_numbers_become_an_order() -> None:
    order = order_spec(BTC, Side.SELL, 0.1 + 0.2, "60000.11", post_only=True, tag="leg")
    assert (order.size_int, order.price_int, order.type) == (300, 600002, OrderType.LIMIT)
    assert (order.flags, order.trigger_by, order.broken_rule()) == (1, TriggerBy.NONE, "")
    stop = order_spec(BTC, Side.SELL, 1, trigger=59000, trigger_kind=TriggerKind.STOP, reduce_only=True)
    assert (stop.type, stop.trigger_int, stop.trigger_by) == (OrderType.MARKET, 590000, TriggerBy.LAST)
    assert (stop.flags, stop.broken_rule()) == (2 + 64, "")


@pytest.mark.parametrize("size", [-1, float("nan"), "x"])
def test_numbers_no_order_can_have(size: object) -> None:
    with pytest.raises(OrderInvalid, match="quantity"):
        order_spec(BTC, Side.BUY, size)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, ""),
        ({"side": Side.NONE}, "buys or sells"),
        ({"size_int": 0}, "quantity must be positive: 0"),
        ({"type": OrderType.MARKET}, "a market order has no price"),
        ({"type": OrderType.MARKET, "price_int": 0, "post_only": True}, "post-only"),
        ({"tif": TimeInForce.IOC, "post_only": True}, "IOC cannot be post-only"),
        ({"price_int": 0}, "a limit order has a price"),
        ({"type": OrderType.MARKET, "price_int": 0, "tif": TimeInForce.GTD, "expire": 5}, "until a time"),
        ({"tif": TimeInForce.GTD}, "GTD and an expiry go together"),
        ({"expire": 5}, "GTD and an expiry go together"),
        ({"tif": TimeInForce.GTD, "expire": 5}, ""),
        ({"trigger_int": 5}, "go together"),
        ({"trigger_int": 5, "trigger_by": TriggerBy.MARK}, "a stop or a take-profit"),
        ({"trigger_kind": TriggerKind.STOP}, "a stop or a take-profit"),
        ({"trigger_int": 5, "trigger_by": TriggerBy.MARK, "trigger_kind": TriggerKind.STOP}, ""),
        ({"tag": "x" * 32}, ""),
        ({"tag": "ü" * 17}, "at most 32 bytes"),
        ({"price_int": -5}, ""),
    ],
)
def test_the_rules_of_an_order_s_own_fields(changes: dict[str, Any], rule: str) -> None:
    found = spec(**changes).broken_rule()
    assert rule in found
    assert bool(rule) == bool(found)


def test_how_an_order_stands() -> None:
    order = Order(order_id=1, client_id="T", spec=spec(size_int=3), ts_created=0)
    assert (order.average_price(BTC), order.remaining_int) == (0, 3)
    filled = msgspec.structs.replace(order, state=OrderState.PARTIALLY_FILLED, filled_int=3, cost=600001 + 600002 * 2)
    assert filled.average_price(BTC) == D("60000.166666666666666667")
    ended = msgspec.structs.replace(order, state=OrderState.CANCELED, filled_int=1)
    assert ended.remaining_int == 0


def test_a_fill_s_amounts() -> None:
    fill = Fill(
        symbol=BTC.symbol,
        order_id=1,
        trade_id="9",
        side=Side.SELL,
        price_int=600001,
        size_int=2,
        ts_event=0,
        fee=-25 * 10**15,
        fee_currency="USDT",
    )
    assert fill.signed_size_int == -2
    assert str(fill.fee_amount) == "-0.025 USDT"
