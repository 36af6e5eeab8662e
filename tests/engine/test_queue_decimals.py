"""How many decimals a quantity is written with changes no fill, whatever the queue model: they
reckon in coins and in lots."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from onetape import Strategy
from worlds.tapes import BTC, Market, play

MODELS = ("conservative", "power:2", "power2:2", "power3:2", "log", "log2")


class Joins(Strategy):
    def on_start(self):
        self.news = []
        self.seen = 0
        self.subscribe(BTC, book=True)

    def on_book(self, book):
        self.seen += 1
        if self.seen % 4 == 0 and len(self.orders(BTC)) < 6:
            side = self.buy if self.seen % 8 else self.sell
            level = book.best_bid if self.seen % 8 else book.best_ask
            if level:
                side(BTC, 0.01, level[0], post_only=True)
        elif self.seen % 40 == 1:
            self.cancel_all(BTC)

    def on_fill(self, fill):
        self.news.append((fill.ts_event, fill.order.id, str(fill.price), round(fill.qty, 9)))


def capture(path, decimals, seed=5):
    """Levels that grow and shrink, with and without prints: in thousandths of a coin."""
    chance = random.Random(seed)
    market = Market(path, BTC, lot="0.001", size_decimals=decimals)
    bids = {100 - k / 10: chance.randint(50, 4000) for k in range(1, 4)}
    asks = {100 + k / 10: chance.randint(50, 4000) for k in range(1, 4)}
    for second in range(1500):
        for side in (bids, asks):
            price = chance.choice(list(side))
            side[price] = max(side[price] + chance.randint(-900, 900), 1)
        shown = [[(p, n / 1000) for p, n in sorted(s.items(), reverse=s is bids)] for s in (bids, asks)]
        market.book(second, *shown)
        if chance.random() < 0.5:
            taker = chance.choice(["buy", "sell"])
            best = min(asks) if taker == "buy" else max(bids)
            side = asks if taker == "buy" else bids
            size = chance.randint(1, side[best])
            side[best] = max(side[best] - size, 1)
            market.trade(second + 0.5, best, size / 1000, taker)
    return market.done()


@pytest.mark.parametrize("model", MODELS)
def test_decimals_of_a_quantity_change_no_fill(tmp_path, model):
    heard = []
    for decimals in (3, 6, 9):
        tape = capture(tmp_path / f"{decimals}", decimals)
        played = play(Joins, tape, queue=model, cash={"USDT": Decimal(10**6)})
        assert not played.host.failures
        heard.append(played.robot.news)
    assert len(heard[0]) > 100
    assert heard[1] == heard[0]
    assert heard[2] == heard[0]


def test_the_models_differ(tmp_path):
    """Else the test above would prove nothing."""
    tape = capture(tmp_path / "t", 3)
    found = {str(play(Joins, tape, queue=model, cash={"USDT": Decimal(10**6)}).robot.news) for model in MODELS}
    assert len(found) == len(MODELS)
