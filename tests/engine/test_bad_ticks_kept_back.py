"""With the filter a strategy never sees a bad tick; the run's journal names each, and a jump of the
market is seen once it is confirmed."""

from __future__ import annotations

from pathlib import Path

from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, Market, play, records


class Seen(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True, trades=True, mark=True, bars="1s")
        self.bids, self.prices, self.marks, self.highs = [], [], [], []

    def on_quote(self, quote):
        self.bids.append(quote.bid)
        if len(self.bids) == 20:
            self.buy(BTC, 1)

    def on_trade(self, trade):
        self.prices.append(trade.price)

    def on_mark(self, mark):
        self.marks.append(mark.mark)

    def on_bar(self, bar):
        self.highs.append(bar.high)


def market(tmp_path: Path) -> Path:
    made = Market(tmp_path / "t")
    for n in range(40):
        made.quote(n * 0.1, 100 + n % 3 * 0.1, 100.5 + n % 3 * 0.1).trade(n * 0.1 + 0.01, 100.2, 1)
    made.quote(4.0, 130, 131).trade(4.01, 55, 1)  # a spike, and another
    made.quote(4.1, 101, 100).quote(4.2, 0, 100.5).mark(4.25, 0).mark(4.3, 100.2)
    made.quote(4.4, 100, 100.5).trade(4.41, 100.3, 1)
    for n in range(6):  # and now it is there
        made.trade(4.5 + n * 0.1, 120 + n * 0.1, 2)
    return made.quote(5.2, 119, 119.5).done()


def test_bad_ticks_are_seen_by_nobody_and_named(tmp_path):
    tape = market(tmp_path)
    plain = play(Seen, tape).robot
    assert 130 in plain.bids
    assert 55 in plain.prices
    assert 131 not in plain.highs  # of trades
    journal = tmp_path / "run"
    played = play(Seen, tape, journal=journal, filter=True)
    robot = played.robot
    assert not {130, 101, 0} & set(robot.bids)
    assert 55 not in robot.prices
    assert robot.marks == [100.2]
    assert robot.prices[-6:] == [120.0 + n * 0.1 for n in range(6)]  # in their order, none missing
    assert robot.bids[-1] == 119
    said = [r.data for r in records(journal, "health") if r.data["kind"] == "quarantine"]
    rules = [each["state"] for each in said]
    assert rules[:5] == ["spike", "spike", "crossed", "zero_price", "zero_price"]
    assert rules[5:] == ["spike", "spike"]  # the first two of the new market: taken with the third
    assert {each["subject"] for each in said} == {BTC}
    originals = {record.sequence: record for record in records(tape, "quote", "trade", "mark")}
    assert [originals[int(each["source_sequence"])].type for each in said] == [each["event"] for each in said]
    assert originals[int(said[1]["source_sequence"])].data["price"] == 550
    assert played.loop.bad_ticks == {"spike": 4, "crossed": 1, "zero_price": 2}


def test_a_clean_market_is_the_same_with_and_without(tmp_path):
    made = Market(tmp_path / "t")
    for n in range(200):
        made.quote(n * 0.1, 100 + n % 3 * 0.1, 100.5 + n % 3 * 0.1).trade(n * 0.1 + 0.01, 100.2, 1)
    tape = made.done()
    plain, filtered = play(Seen, tape), play(Seen, tape, filter=True)
    assert (plain.action_hash, plain.equity) == (filtered.action_hash, filtered.equity)
    assert vars(plain.robot)["bids"] == vars(filtered.robot)["bids"]
    assert filtered.loop.bad_ticks == {}
