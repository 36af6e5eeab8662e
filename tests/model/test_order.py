"""Orders as values."""

from __future__ import annotations

from typing import Any

import pytest

from onetape.model.enums import OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.order import OrderSpec


def spec(**changes: Any) -> OrderSpec:
    base: dict[str, Any] = {"symbol": "binance:BTC/USDT:USDT", "side": Side.BUY, "size_int": 1, "price_int": 10}
    return OrderSpec(**{**base, **changes})


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
        ({"type": OrderType.MARKET, "price_int": 0, "tif": TimeInForce.GTD, "expire": 5}, "cannot be GTD"),
        ({"tif": TimeInForce.GTD}, "GTD needs an expiry, and an expiry GTD"),
        ({"expire": 5}, "GTD needs an expiry, and an expiry GTD"),
        ({"tif": TimeInForce.GTD, "expire": 5}, ""),
        ({"trigger_int": 5}, "needs both a trigger price and trigger_by"),
        ({"trigger_int": 5, "trigger_by": TriggerBy.MARK}, "stop or take-profit"),
        ({"trigger_kind": TriggerKind.STOP}, "stop or take-profit"),
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
