"""`self.funding` and `mark.rate`: what the venue tells of the next payment, what the last one was, and None where
nobody has said."""

from __future__ import annotations

import pytest

from onetape.engine.strategy import Strategy
from onetape.model.funding import FundingRates
from worlds.tapes import BTC, SECOND, START, Market, play

HOUR = 3600
NOTHING = FundingRates(None, None, None, None)


class Looks(Strategy):
    """Notes what is known at each mark, and after each payment."""

    def on_start(self):
        self.subscribe(BTC, mark=True, funding=True)
        self.seen = [self.funding(BTC)]

    def on_mark(self, mark):
        self.seen.append((mark.rate, self.funding(BTC)))

    def on_funding(self, funding):
        self.seen.append(self.funding(BTC))


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def seen(market: Market):
    played = play(Looks, market.done())
    assert not played.host.failures
    return played.robot.seen


def test_before_anything_was_said_each_is_none(tmp_path):
    market = Market(tmp_path / "a.tape").mark(1, 100)
    assert seen(market) == [NOTHING, (None, NOTHING)]


def test_of_payments_alone_the_last_one_and_when_the_next_is_due(tmp_path):
    market = Market(tmp_path / "a.tape").funding(1, "0.0001", 100, interval_h=8).mark(2, 100)
    rates = FundingRates(0.0001, None, 8 * HOUR * SECOND, at(1 + 8 * HOUR))
    assert seen(market) == [NOTHING, rates, (0.0001, rates)]


def test_of_payments_without_an_interval_the_next_time_is_not_known(tmp_path):
    market = Market(tmp_path / "a.tape").funding(1, "-0.0002", 100)
    assert seen(market)[-1] == FundingRates(-0.0002, None, None, None)


@pytest.mark.parametrize("predicted", [None, "0", "-0.0003"])
def test_what_the_venue_tells_goes_before_the_last_payment(tmp_path, predicted):
    market = Market(tmp_path / "a.tape")
    market.funding_rate(1, "0.0001", predicted=predicted, next_s=HOUR).mark(1, 100)
    market.funding(HOUR, "0.0001", 100, interval_h=1)
    market.funding_rate(HOUR, "0.0005", next_s=2 * HOUR).mark(HOUR, 100)
    share = None if predicted is None else float(predicted)
    first = FundingRates(0.0001, share, None, at(HOUR))
    last = FundingRates(0.0005, None, HOUR * SECOND, at(2 * HOUR))
    assert seen(market)[1] == (0.0001, first)
    assert seen(market)[-1] == (0.0005, last)
