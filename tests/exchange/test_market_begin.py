"""A generated market that nobody takes part in begins as one that is listened to."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.exchange.exchange import SimExchange
from onetape.exchange.flow import GeneratedMarket
from onetape.exchange.listing import SIDES, Listing
from onetape.exchange.reports import TradeReport
from onetape.exchange.venues import facts_of, listed_market
from onetape.model.catalogue import find
from onetape.model.enums import Side
from onetape.model.time import HOUR, MINUTE, SECOND

NOW = 1_795_000_000 * SECOND
SPAN = 2 * HOUR + 17 * SECOND  # with a payment of funding where that is each hour


def opened(kind: str, seed: int, rate: float) -> SimExchange:
    facts = facts_of(kind)
    markets = [listed_market(symbol, facts) for symbol in facts.symbols]
    market = GeneratedMarket(markets, seed=seed, start=NOW - SPAN, rate=rate)
    return SimExchange(market, facts.rules, keyring=(seed, kind), currencies=tuple(facts.balances))


def shown(exchange: SimExchange) -> list[dict[str, object]]:
    """All that listings have, bars of prices as their rows."""
    return [
        {
            each.name: getattr(value, "bars", value)
            for each in fields(listing)
            for value in [getattr(listing, each.name)]
        }
        for listing in exchange.listings
    ]


@pytest.mark.parametrize(("kind", "seed", "rate"), [("bitmex", 1, 0.5), ("pacifica", 2, 0.02), ("kraken", 3, 2.0)])
def test_it_has_the_same_trades_bars_marks_and_books_and_goes_on_alike(kind, seed, rate):
    quick, slow = opened(kind, seed, rate), opened(kind, seed, rate)
    quick.begin(NOW)
    slow.advance_unheard(NOW)
    slow.take()
    assert quick.take() == [], "nobody is there to be told"
    assert quick.now == slow.now == NOW
    assert shown(quick) == shown(slow)
    for each in (quick, slow):
        each.advance(NOW + 5 * MINUTE)
    assert quick.take() == slow.take()
    assert shown(quick) == shown(slow)


@settings(max_examples=examples(200))
@given(
    st.sampled_from(("binance:BTC/USDT:USDT", "bitmex:BTC/USD:BTC")),
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from((0, 1, 20, 60, 100)),
            st.integers(1, 40),
            st.sampled_from((Side.BUY, Side.SELL)),
        )
    ),
)
@example("binance:BTC/USDT:USDT", [(False, 20, 1, Side.BUY), (False, 60, 2, Side.SELL)])  # at the end of a minute
def test_many_trades_make_the_bars_that_they_make_one_by_one(symbol, steps):
    """Also over minutes without a trade, of which none or several have ended meanwhile."""
    instrument = find(symbol)
    assert instrument is not None
    slow, quick = Listing(instrument), Listing(instrument)
    minutes: list[tuple[int, list[tuple[int, ...]]]] = [(0, [])]
    now = NOW
    for number, (ends, seconds, size, side) in enumerate(steps):
        now += seconds * SECOND
        if ends:
            minutes[-1] = (now - now % MINUTE, minutes[-1][1])
            minutes.append((0, []))
            slow.close_bar(minutes[-2][0])
            continue
        trade = TradeReport(now, 0, 600_000 + size, size, side, number)
        minutes[-1][1].append((now, trade.price, size, number, SIDES.index(side)))
        if slow.bar is not None and slow.bar.close_time <= now:
            slow.close_bar(slow.bar.close_time)
        slow.add_trade(trade)
    for minute in minutes:
        quick.add_minute(*minute)
    assert (quick.bars, quick.bar, quick.trades, quick.last) == (slow.bars, slow.bar, slow.trades, slow.last)
