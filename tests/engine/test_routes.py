"""Each venue has its own way: when orders arrive, when answers are heard of, and its clock."""

from __future__ import annotations

import pytest

from onetape import Strategy
from onetape.engine.latency import Latency, parse_latencies
from worlds.tapes import BTC, MS, at_ns, play
from worlds.two_venues import FLAT, KRAKEN, TWO, two


class Sends(Strategy):
    """Two orders to the slow venue, then one to the quick one; when each is heard of."""

    def on_start(self):
        for symbol in (BTC, KRAKEN):
            self.subscribe(symbol, quotes=True)
        self.heard = []
        self.n = 0

    def on_quote(self, q):
        self.n += 1
        if self.n == 2:
            for symbol, tag in ((KRAKEN, "a"), (KRAKEN, "b"), (BTC, "c")):
                self.buy(symbol, 1, tag=tag)

    def on_fill(self, fill):
        self.heard.append((fill.order.tag, (self.now - at_ns(0)) // MS, (fill.ts_event - at_ns(0)) // MS))


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        # Heard and matched, ms after the start; decided at 0.
        ("10ms,30ms", [("a", 40, 10), ("b", 40, 10), ("c", 40, 10)]),
        ("10ms,30ms;kraken=20ms,80ms", [("c", 40, 10), ("a", 100, 20), ("b", 100, 20)]),
        ("kraken=0;300ms", [("a", 0, 0), ("b", 0, 0), ("c", 600, 300)]),
        ("binance=1500ms;kraken=0,2s", [("a", 2000, 0), ("b", 2000, 0), ("c", 3000, 1500)]),
    ],
)
def test_each_venue_has_its_own_way(tmp_path, text, heard) -> None:
    tape = two(tmp_path / "t", FLAT).done()
    latency, latencies = parse_latencies(text)
    played = play(Sends, tape, latency=latency, latencies=latencies, accounts=TWO)
    assert played.robot.heard == heard


def test_a_curve_at_one_venue_holds_back_nothing_at_another(tmp_path) -> None:
    """Kraken's answers take 5 s, then nothing: what was asked later waits for what was asked
    first. Binance's do not."""
    slow = Latency(curve=((at_ns(0), 0, 5 * 10**9), (at_ns(1), 0, 0)))

    class Twice(Sends):
        def on_quote(self, q):
            if q.symbol == BTC:
                self.n += 1
                if self.n in (1, 3):
                    self.buy(KRAKEN, 1, tag=f"kraken {self.n}")
                    self.buy(BTC, 1, tag=f"binance {self.n}")

    market = two(tmp_path / "t", [(-1, 100, 100)])
    for at in range(12):
        market.quote(at, 99.9, 100)
        market.quote(at, 99.9, 100, symbol=KRAKEN)
    played = play(Twice, market.done(), accounts=TWO, latencies={"kraken": slow}, start=at_ns(0))
    assert [(tag, heard) for tag, heard, _ in played.robot.heard] == [
        ("binance 1", 0),
        ("binance 3", 2000),
        ("kraken 1", 5000),
        ("kraken 3", 5000),
    ]


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("100ms", 100.0),  # as of its receipt: what comes at 2.0 is not there yet
        ("kraken=100ms,feed=500ms;100ms", 110.0),  # it was there at 1.5 already
        ("binance=100ms,feed=500ms;100ms", 100.0),  # another venue's clock is nothing to kraken
    ],
)
def test_each_venue_has_its_own_clock(tmp_path, text, price) -> None:
    """Decided at 1.6, at kraken at 1.7. Its quote that is received at 2.0 was made at 1.5 if its
    events are 500 ms old."""

    class At(Sends):
        def on_start(self):
            super().on_start()
            self.set_timer("go", at=at_ns(1.6))

        def on_quote(self, q):
            pass

        def on_timer(self, name):
            self.buy(KRAKEN, 1)
            self.buy(BTC, 1)

        def on_fill(self, fill):
            self.heard.append((fill.order.symbol, fill.price, (fill.ts_event - at_ns(0)) // MS))

    prices = [(0, 100, 100), (1, 100, 100), (2, 100, 110), (3, 100, 110), (4, 100, 110)]
    tape = two(tmp_path / "t", prices).done()
    latency, latencies = parse_latencies(text)
    played = play(At, tape, latency=latency, latencies=latencies, accounts=TWO)
    assert sorted(played.robot.heard) == [(BTC, 100.0, 1700), (KRAKEN, price, 1700)]


def test_a_quiet_venue_s_order_does_not_wait_for_its_next_event(tmp_path) -> None:
    """Kraken's events are 50 ms old, and it is silent for a minute: binance's tell the time."""

    class Early(Sends):
        def on_quote(self, q):
            if q.symbol == KRAKEN and not self.n:
                self.n = 1
                self.buy(KRAKEN, 1, tag="quiet")

    market = two(tmp_path / "t", [(0, 100, 100)])
    for tenth in range(1, 600):
        market.quote(tenth / 10, 99.9, 100)
    market.quote(60, 99.9, 100, symbol=KRAKEN)
    _, latencies = parse_latencies("kraken=20ms,30ms,feed=50ms")
    played = play(Early, market.done(), accounts=TWO, latencies=latencies)
    ((tag, heard, matched),) = played.robot.heard
    # Known with the event of 0.1 s, which says that kraken's market up to 0.05 s is here.
    assert (tag, heard, matched) == ("quiet", 50, 20)
