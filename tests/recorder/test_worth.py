"""What an account and its sub-accounts are worth: coins at the tape's quotes, what is put in or taken out
being neither gain nor loss."""

from __future__ import annotations

import struct
from decimal import Decimal

import msgspec
import pytest

from onetape.accounts.entries import MAIN, Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.accounts.kept_money import LEDGER
from onetape.model import catalogue
from onetape.model.enums import EventType
from onetape.model.time import MINUTE
from onetape.recorder.projection import Projection
from onetape.store.record_queries import _together
from onetape.tape.journal import Frame

UNIT = 10**18
SLOT = 2


class Tape:
    """Feeds a projection with frames of a minute after the other."""

    def __init__(self, *symbols: str) -> None:
        self.projection, self.sequence, self.minute = Projection("main", "j"), 0, 1
        self.rows: list[dict] = []
        self.symbols = list(symbols)
        for number, symbol in enumerate(symbols, 1):
            self.frame("instrument", catalogue.find(symbol).to_msgpack(), stream=number)
        self.frame("params", msgspec.msgpack.encode({"slots": {"a": SLOT}}))
        self.frame("params", msgspec.msgpack.encode({"robot": 1, "name": "mm", "slot": SLOT}))

    def frame(self, event: str, payload: bytes, *, stream: int = 0) -> None:
        self.sequence += 1
        type_ = EventType(event).id
        self.projection.take(Frame(type_, 0, self.sequence, self.minute * MINUTE + self.sequence, stream, payload))

    def quote(self, symbol: str, price: int) -> None:
        units = price * 10 ** catalogue.find(symbol).price_decimals
        payload = struct.pack("<6qQQ", 0, 0, units - 1 if price else 0, units + 1, 1, 1, 0, 0)
        self.frame("quote", payload, stream=1 + self.symbols.index(symbol))

    def moves(self, cause: Cause, outside: Outside | int, slot: int, **amounts: str) -> None:
        legs = []
        for asset, amount in amounts.items():
            units = int(Decimal(amount) * UNIT)
            legs += [Leg(slot, asset, units), Leg(int(outside), asset, -units)]
        self.frame("entry", pack(Entry(self.minute * MINUTE, cause, tuple(legs))))

    def figures(self, currency: str, slot: int = 0) -> dict[str, Decimal]:
        """At the next full minute."""
        self.minute += 1
        self.frame("params", msgspec.msgpack.encode({}))
        self.rows = self.projection.drain().added["record_equity"]
        row = [row for row in self.rows if (row["currency"], row["slot"]) == (currency, slot)][-1]
        names = ("equity", "capital", "coins", "delta", "drawdown")
        return {name: round(Decimal(row[name]), 6) for name in names}


def expected(*numbers: str) -> dict[str, Decimal]:
    return {
        name: round(Decimal(n), 6)
        for name, n in zip(("equity", "capital", "coins", "delta", "drawdown"), numbers, strict=True)
    }


def test_coins_are_worth_what_their_market_pays_and_fall_with_it():
    tape = Tape("kraken:BTC/USD")
    tape.moves(Cause.OPENING, Outside.OPENING, MAIN, USD="1000", BTC="2")
    assert tape.figures("USD") == expected("1000", "1000", "0", "0", "0")  # what has no price yet is in no figure
    tape.quote("kraken:BTC/USD", 100)
    assert tape.figures("USD") == expected("1200", "1200", "200", "200", "0")  # and is no gain when it gets one
    tape.quote("kraken:BTC/USD", 80)
    assert tape.figures("USD") == expected("1160", "1200", "160", "160", str(40 / 1200))
    tape.moves(Cause.TRANSFER, Outside.WORLD, MAIN, BTC="1")  # a deposit, at 80
    assert tape.figures("USD") == expected("1240", "1280", "240", "240", str(40 / 1280))
    tape.quote("kraken:BTC/USD", 0)  # nobody bids: it was worth 80 last
    assert tape.figures("USD") == expected("1240", "1280", "240", "240", str(40 / 1280))
    tape.moves(Cause.TRANSFER, Outside.WORLD, MAIN, USD="-1000")
    assert tape.figures("USD") == expected("240", "280", "240", "240", str(40 / 280))
    assert {row["currency"] for row in tape.rows} == {"USD"}


def test_a_sub_account_has_what_was_allocated_and_what_its_robot_made_of_it():
    tape = Tape("kraken:BTC/USD")
    tape.moves(Cause.OPENING, Outside.OPENING, MAIN, USD="1000")
    tape.quote("kraken:BTC/USD", 80)
    tape.moves(Cause.COMMAND, MAIN, SLOT, USD="300")
    tape.moves(Cause.FILL, Outside.MARKET, SLOT, USD="-80", BTC="1")
    assert tape.figures("USD", SLOT) == expected("300", "300", "80", "80", "0")
    tape.quote("kraken:BTC/USD", 50)
    assert tape.figures("USD", SLOT) == expected("270", "300", "50", "50", "0.1")
    assert tape.figures("USD", MAIN) == expected("700", "700", "0", "0", "0")
    assert tape.figures("USD") == expected("970", "1000", "50", "50", "0.03")
    names = {row["slot"]: (row["subaccount"], row["strategy"]) for row in tape.rows}
    assert names == {0: ("", ""), MAIN: ("main", ""), SLOT: ("a", "mm")}


@pytest.mark.parametrize(
    ("symbols", "rows"),
    [
        # A coin's worth stands in one row: where its first market leads to, or its own.
        (("kraken:BTC/USD", "kraken:ETH/BTC"), {"USD": "111"}),
        (("kraken:ETH/BTC", "kraken:BTC/USD"), {"USD": "111"}),
        (("kraken:ETH/BTC",), {"BTC": "1.1"}),
        (("kraken:BTC/USD", "bitmex:BTC/USD:BTC"), {"BTC": "1", "USD": "1"}),
    ],
)
def test_a_coin_is_in_one_row(symbols, rows, monkeypatch):
    listed = {each: catalogue.find(each) or _spot(each) for each in symbols}
    monkeypatch.setattr(catalogue, "find", listed.get)
    tape = Tape(*symbols)
    tape.moves(Cause.OPENING, Outside.OPENING, MAIN, BTC="1", ETH="1", USD="1")
    for symbol, price in (("kraken:BTC/USD", 100), ("kraken:ETH/BTC", 1)):
        if symbol in symbols:
            tape.quote(symbol, price)
    if "kraken:ETH/BTC" in symbols:
        tape.moves(Cause.TRANSFER, Outside.WORLD, MAIN, ETH="-0.9")
    tape.figures(next(iter(rows)))
    assert {row["currency"]: row["equity"] for row in tape.rows if row["slot"] == 0} == rows


def _spot(symbol: str):
    like = catalogue.find("kraken:BTC/USD")
    return msgspec.structs.replace(like, symbol=symbol, base="ETH", quote="BTC", settle="BTC")


def test_all_together_are_the_last_figures_of_each_account():
    """What one of them has gained and the other has lost is no drawdown; nor is what went from one to the other."""
    names = ("account", "ts", "equity", "capital")
    rows = [
        ("a", 1, "100", "100"),
        ("b", 1, "50", "50"),
        ("a", 2, "140", "100"),  # +40; b says nothing
        ("b", 3, "20", "50"),  # -30
        ("a", 4, "40", "0"),  # 100 are taken out
        ("b", 5, "120", "150"),  # and put in there
        ("b", 5, "x", None),  # of a release that did not record it
    ]
    said = [dict(zip(names, row, strict=True)) | {"currency": "USD", "unrealized": "0"} for row in rows]
    found = [(row["ts"], row["equity"], round(row["drawdown"], 6)) for row in _together(said)]
    assert found == [
        (1, "150", 0),
        (2, "190", 0),
        (3, "160", round(30 / 190, 6)),
        (4, "60", round(30 / 90, 6)),
        (5, "160", round(30 / 190, 6)),
    ]


@pytest.mark.parametrize("made", ["-30", "20"])
def test_a_line_begins_with_what_was_put_in_and_no_result(made: str):
    """What is lost or gained before the first full minute is in the line, and in its drawdown."""
    tape = Tape("binance:BTC/USDT:USDT")
    tape.moves(Cause.OPENING, Outside.OPENING, MAIN, USDT="1000")
    lines: dict[int, list[tuple[int, Decimal, float]]] = {}
    for minute in range(3):
        if minute == 1:  # a robot begins, trades at once, and its pool has had rows before
            tape.moves(Cause.COMMAND, MAIN, SLOT, USDT="100")
            tape.moves(Cause.FILL, Outside.FEES, SLOT, USDT=made)
        if minute == 2:
            tape.projection.restore(tape.projection.to_record())
        tape.figures("USDT")
        for row in tape.rows:
            result = Decimal(row["equity"]) - Decimal(row["capital"])
            lines.setdefault(row["slot"], []).append((row["ts"] // MINUTE, result, row["drawdown"]))
    lost = pytest.approx(0.3 if made == "-30" else 0.0)
    of_all = pytest.approx(0.03 if made == "-30" else 0.0)
    result = Decimal(made)
    assert lines[SLOT] == [(2, 0, 0.0), (3, result, lost), (4, result, lost)]
    assert lines[0] == [(1, 0, 0.0), (2, 0, 0.0), (3, result, of_all), (4, result, of_all)]


def test_the_line_of_an_account_that_begins_with_a_position_has_no_result_that_is_not_its_own():
    tape = Tape("binance:BTC/USDT:USDT")
    tape.quote("binance:BTC/USDT:USDT", 100)
    record = {"symbol": "binance:BTC/USDT:USDT", "source": LEDGER, "qty": 1000, "price": 2000, "side": "both"}
    tape.frame("position", msgspec.msgpack.encode(record), stream=1)
    tape.moves(Cause.OPENING, Outside.OPENING, MAIN, USDT="1000")
    tape.figures("USDT")
    assert {row["ts"] // MINUTE for row in tape.rows if row["slot"] == 0} == {2}
