"""A gateway follows more symbols than one connection of its venue takes: over several."""

from __future__ import annotations

import time

import pytest
from msgspec import structs

from exchange.venue_client import served
from onetape.exchange.flow import FlowMarket, GeneratedMarket, flow_market
from onetape.model import catalogue
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess

COUNT = {"binance-usdm": 200, "pacifica": 25}


def listed(like: Instrument, base: str) -> FlowMarket:
    """A contract that is like another but for its names."""
    symbol, raw = like.symbol.replace("BTC/", f"{base}/"), like.raw_symbol.replace("BTC", base)
    return flow_market(like.symbol, structs.replace(like, symbol=symbol, raw_symbol=raw, base=base, leverage=10))


@pytest.mark.parametrize("kind", COUNT)
def test_the_market_of_all_is_heard(tmp_path, kind):
    like = catalogue.find(TRADED[kind][0])
    markets = [listed(like, f"X{number:03}") for number in range(COUNT[kind])]
    symbols = [each.instrument.symbol for each in markets]
    assert len(symbols) > open_trading_venue(kind, "", "", Addresses("", "", "")).symbols_max
    market = GeneratedMarket(markets, seed=1, start=time.time_ns() - 30 * SECOND, rate=0.1)
    with served(kind, seed=1, limits=False, market=market) as (dialect, port):
        gateway = GatewayProcess(kind, tmp_path, port, dialect.exchange.accounts[0], symbols=symbols)
        gateway.start()
        try:
            wait_for(lambda: gateway.ask("status")["market"]["hears"])
        finally:
            gateway.kill()
