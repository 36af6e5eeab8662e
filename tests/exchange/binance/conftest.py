"""A simulated Binance USD-M in virtual time, and a client of its first account."""

from __future__ import annotations

import pytest

from exchange.venue_client import BinanceClient, Virtual


@pytest.fixture
def venue():
    return Virtual("binance-usdm")


@pytest.fixture
def client(venue):
    account = venue.dialect.exchange.accounts[0]
    return BinanceClient(venue, account.key, account.secret)
