"""Funding is paid once at its time."""

from __future__ import annotations

from onetape.exchange.venues import open_venue

HOUR = 3600 * 1_000_000_000


def test_each_perpetual_is_funded_once_at_its_time():
    due = 1_795_000_000_000_000_000 // (8 * HOUR) * 8 * HOUR
    exchange = open_venue("binance-usdm", seed=1, now=due - HOUR // 60).exchange
    exchange.advance(due + HOUR // 60)
    for listing in exchange.listings:
        assert [time for time, _, _ in listing.fundings] == [due]
        assert listing.funding_time == due + 8 * HOUR
