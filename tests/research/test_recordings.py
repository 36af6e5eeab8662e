"""A recording of many symbols as the data of a run, as it lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

import onetape
from onetape import Strategy

SYMBOLS = ("okx:BTC/USD:BTC-220527", "okx:UNI/USD:UNI", "okx:BTC/USDT")


class Seen(Strategy):
    """Counts what comes of each symbol."""

    def on_start(self):
        self.books, self.trades, self.quotes = {}, {}, {}
        for symbol in SYMBOLS:
            self.subscribe(symbol, quotes=True, trades=True, book=True)

    def on_book(self, book):
        assert book.synced and book.best_bid < book.best_ask
        self.books[book.symbol] = self.books.get(book.symbol, 0) + 1

    def on_trade(self, trade):
        self.trades[trade.symbol] = self.trades.get(trade.symbol, 0) + 1

    def on_quote(self, quote):
        self.quotes[quote.symbol] = self.quotes.get(quote.symbol, 0) + 1

    def on_stop(self):
        kinds = (self.books, self.trades, self.quotes)
        self.log(str([[kind.get(symbol, 0) for symbol in SYMBOLS] for kind in kinds]))


def test_all_symbols_are_there_from_the_start(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONETAPE_HOME", str(tmp_path / "home"))
    run = onetape.backtest(Seen, data=shared / "okx" / "3-instruments-2022-05-13.ws.txt.gz")
    with run.reader as reader:
        texts = [record.data["text"] for record in reader if record.type == "log"]
    assert texts == ["[[99, 93, 98], [4, 1, 69], [2, 1, 25]]"]
