"""What `accounts`, `orders`, `positions` and `fills` show, from a gateway's journal and table."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from onetape.accounts.table import AccountTable
from onetape.cli.account_lists import ORDERS_COLUMNS
from onetape.cli.main import run
from onetape.model import catalogue
from onetape.model.config import parse_config
from onetape.model.enums import (
    Liquidity,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.home import gateway_journal
from onetape.model.order import TRIGGER_KIND_SHIFT
from onetape.projections.account_balances import balances
from onetape.projections.account_views import fills, orders, positions, summary
from onetape.tape.journal import JournalWriter
from worlds.frames import FILL, NEWS, QUOTE, REQUEST

SYMBOL = "binance:BTC/USDT:USDT"
UNIT = 10**18
LIFE = 1 << 32  # order ids of a robot's first life begin there
CONFIG_TEXT = '[venues.x]\nkind = "binance-usdm"\n[accounts.main]\nvenue = "x"\nsubaccounts = { a = 2 }\n'
CONFIG = parse_config(CONFIG_TEXT)


class Tape:
    """Writes what a gateway would."""

    def __init__(self, home: Path) -> None:
        self.instrument = catalogue.find(SYMBOL)
        self.writer = JournalWriter(gateway_journal(home, "main"), process="gateway:main")
        self.writer.append_instrument(1, 1, self.instrument.to_msgpack())
        self.cold("params", robot=1, name="mm", epoch=1, journal="nowhere", slot=2)

    def cold(self, event: str, **record: object) -> None:
        self.writer.append(event, msgspec.msgpack.encode(record), time=1)

    def place(self, order: int, side: Side, price: str, qty: str, trigger: str = "") -> None:
        """trigger: of a stop at the market."""
        payload = REQUEST.pack(
            LIFE + order,
            0 if trigger else self.instrument.price_int(price, side),
            self.instrument.size_int(qty),
            self.instrument.price_int(trigger, side) if trigger else 0,
            0,
            RequestKind.PLACE.id,
            side.id,
            (OrderType.MARKET if trigger else OrderType.LIMIT).id,
            TimeInForce.GTC.id,
            TriggerKind.STOP.id << TRIGGER_KIND_SHIFT if trigger else 0,
            TriggerBy.LAST.id,
            PositionSide.BOTH.id,
            1,
            b"t",
        )
        self.writer.append("order_request", payload, stream=1, time=order)

    def news(self, order: int, state: OrderState, price: str, qty: str, code: int = 0) -> None:
        payload = NEWS.pack(
            LIFE + order,
            7,
            1,
            self.instrument.price_int(price, Side.BUY),
            self.instrument.size_int(qty),
            0,
            code,
            (OrderNews.CANCEL_REJECTED if code else OrderNews[state.name]).id,
            state.id,
            1,
            0,
        )
        self.writer.append("order_event", payload, stream=1, time=1)

    def fill(self, order: int, trade: int, side: Side, price: str, qty: str, currency: int = 0) -> None:
        payload = FILL.pack(
            LIFE + order,
            7,
            trade,
            trade,
            self.instrument.price_int(price, side),
            self.instrument.size_int(qty),
            UNIT // 10,
            0,
            side.id,
            Liquidity.MAKER.id,
            PositionSide.BOTH.id,
            1,
            currency,
            0,
        )
        self.writer.append("fill", payload, stream=1, time=1)

    def quote(self, bid: str, ask: str) -> None:
        side = Side.BUY
        prices = [self.instrument.price_int(each, side) for each in (bid, ask)]
        self.writer.append("quote", QUOTE.pack(1, 1, *prices, 1, 1, 0), stream=1, time=1)


@pytest.fixture
def tape(tmp_path: Path):
    made = Tape(tmp_path)
    yield made
    made.writer.close()


def test_an_order_is_shown_while_it_works(tmp_path: Path, tape: Tape) -> None:
    tape.place(1, Side.BUY, "60000", "0.03")
    tape.place(2, Side.SELL, "61000", "0.01")
    (first, second) = orders(tmp_path, CONFIG)
    assert (first["state"], first["qty"], first["filled"]) == ("SUBMITTED", "0.030", "0.000")
    assert (second["side"], Decimal(second["price"]), second["tag"]) == ("sell", 61000, "t")
    tape.news(1, OrderState.ACCEPTED, "60000", "0.03")
    tape.fill(1, 100, Side.BUY, "59990", "0.01")
    tape.fill(1, 101, Side.BUY, "60000", "0.01")
    tape.news(2, OrderState.CANCELED, "61000", "0.01")
    (row,) = orders(tmp_path, CONFIG)
    assert row["state"] == "PARTIALLY_FILLED"
    assert (row["filled"], row["remaining"], row["average_price"]) == ("0.020", "0.010", "59995")
    assert (row["venue_id"], row["account"], row["robot"]) == ("7", "main", "mm")
    assert summary(tmp_path, CONFIG)["orders"] == 1
    tape.fill(1, 102, Side.BUY, "60000", "0.01")
    assert orders(tmp_path, CONFIG) == []


def test_the_commands_name_a_stop_with_its_trigger_and_a_fee_with_its_currency(
    tmp_path: Path, tape: Tape, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "onetape.toml").write_text(CONFIG_TEXT)
    tape.place(1, Side.SELL, "", "0.03", trigger="57000")
    tape.place(2, Side.BUY, "56000", "0.01")
    tape.fill(3, 100, Side.BUY, "60000", "0.01")
    options = ["--home", str(tmp_path), "--config", str(tmp_path / "onetape.toml")]

    assert run(["orders", *options]) == 0
    heads, stop, limit = capsys.readouterr().out.splitlines()
    assert tuple(heads.split()) == ORDERS_COLUMNS and "trigger" in ORDERS_COLUMNS
    assert stop.split() == f"main mm {SYMBOL} sell stop market - 57000.0 0.030 0.000 SUBMITTED t".split()
    assert limit.split() == f"main mm {SYMBOL} buy limit 56000.0 - 0.010 0.000 SUBMITTED t".split()

    assert run(["fills", *options]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-3:] == ["0.10", "USDT", "maker"]


def test_why_a_cancel_was_refused_is_shown_until_the_next_word_about_its_order(tmp_path: Path, tape: Tape) -> None:
    def said() -> tuple[int, str]:
        (row,) = orders(tmp_path, CONFIG)
        return row["code"], row["reason"]

    tape.place(1, Side.BUY, "60000", "0.03")
    for end in ("news", "fill"):
        tape.cold("reply", robot=1, order=LIFE + 1, reason="busy")
        tape.news(1, OrderState.ACCEPTED, "60000", "0.03", 4104)
        assert said() == (4104, "busy")
        if end == "news":
            tape.news(1, OrderState.ACCEPTED, "60001", "0.03")
        else:
            tape.fill(1, 100, Side.BUY, "60000", "0.01")
        assert said() == (0, "")


@pytest.mark.parametrize("verb", ["accounts", "orders", "positions", "fills", "stops"])
def test_without_a_configuration_nothing_is_said_to_be_flat(
    tmp_path: Path, tape: Tape, verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tape.fill(1, 100, Side.BUY, "60000", "0.01")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run([verb, "--home", str(tmp_path)]) == 2
    seen = capsys.readouterr()
    assert seen.out == "" and "there is no configuration here" in seen.err and "--config FILE" in seen.err


def test_a_position_is_at_average_cost_and_turns_around(tmp_path: Path, tape: Tape) -> None:
    tape.fill(1, 100, Side.BUY, "60000", "0.01")
    tape.fill(2, 101, Side.BUY, "60200", "0.03")
    tape.quote("60299.9", "60300.1")
    (row,) = positions(tmp_path, CONFIG)
    assert (Decimal(row["qty"]), row["entry_price"]) == (Decimal("0.04"), "60150")
    assert (row["unrealized"], row["realized"], row["side"]) == ("6", "0", "both")
    tape.fill(3, 102, Side.SELL, "60350", "0.06")
    (row,) = positions(tmp_path, CONFIG)
    assert (Decimal(row["qty"]), row["entry_price"]) == (Decimal("-0.02"), "60350")
    assert (row["realized"], row["unrealized"]) == ("8", "1")


def test_a_position_is_shown_with_its_price_and_currency_and_rounded_for_a_reader(
    tmp_path: Path, tape: Tape, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "onetape.toml").write_text(CONFIG_TEXT)
    tape.fill(1, 100, Side.BUY, "60000", "0.01")
    tape.fill(2, 101, Side.BUY, "60000.1", "0.002")
    tape.quote("60299.9", "60300.1")
    (row,) = positions(tmp_path, CONFIG)
    assert (row["price"], row["currency"], row["unrealized"]) == ("60300", "USDT", "3.5998")
    assert run(["positions", "--home", str(tmp_path), "--config", str(tmp_path / "onetape.toml")]) == 0
    heads, line, of_when = capsys.readouterr().out.splitlines()
    assert of_when == "no gateway of main runs: shown as of the end of its journal, at its last quote"
    assert heads.split()[-4:] == ["price", "unrealized", "realized", "currency"]
    assert line.split()[-4:] == ["60300", "3.60", "0.00", "USDT"]


def test_a_position_that_nobody_here_bought_has_no_price(tmp_path: Path, tape: Tape) -> None:
    tape.cold("position", symbol=SYMBOL, side="both", qty=20, source="opening", ts_event=1)
    (row,) = positions(tmp_path, CONFIG)
    assert Decimal(row["qty"]) == tape.instrument.size(20)
    assert row["entry_price"] is None


def test_what_trades_into_a_position_of_unknown_price_leaves_it_unknown(tmp_path: Path, tape: Tape) -> None:
    tape.cold("position", symbol=SYMBOL, side="both", qty=20, source="opening", ts_event=1)
    tape.fill(1, 100, Side.BUY, "60000", "0.01")
    tape.fill(2, 101, Side.SELL, "61000", "0.005")
    tape.quote("60299.9", "60300.1")
    (row,) = positions(tmp_path, CONFIG)
    assert Decimal(row["qty"]) == tape.instrument.size(20) + Decimal("0.005")
    assert (row["entry_price"], row["unrealized"], row["realized"]) == (None, None, "0")
    tape.fill(3, 102, Side.SELL, "60350", "0.035")  # through zero: from here on it is known
    (row,) = positions(tmp_path, CONFIG)
    assert (Decimal(row["qty"]), row["entry_price"]) == (Decimal("-0.01"), "60350")
    assert (row["unrealized"], row["realized"]) == ("0.5", "0")


def test_fills_are_in_order_and_exact(tmp_path: Path, tape: Tape) -> None:
    for trade in range(1, 4):
        tape.fill(1, trade, Side.BUY, "60000.5", "0.001")
    rows = fills(tmp_path, CONFIG)
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert [row["id"] for row in fills(tmp_path, CONFIG, last=1)] == ["3"]
    assert (Decimal(rows[0]["price"]), rows[0]["fee"], rows[0]["fee_currency"]) == (Decimal("60000.5"), "0.1", "USDT")
    assert rows[0]["liquidity"] == "maker"
    tape.cold("params", currency=1, name="BNB")
    tape.fill(1, 4, Side.BUY, "60000.5", "0.001", currency=1)
    assert fills(tmp_path, CONFIG)[-1]["fee_currency"] == "BNB"


def test_a_new_exchange_knows_nothing_of_the_old_one(tmp_path: Path, tape: Tape) -> None:
    tape.place(1, Side.BUY, "60000", "0.03")
    tape.fill(2, 100, Side.BUY, "60000", "0.01")
    tape.cold("health", kind="exchange", subject="main", state="new")
    assert orders(tmp_path, CONFIG) == []
    assert positions(tmp_path, CONFIG) == []
    assert len(fills(tmp_path, CONFIG)) == 1


def test_balances_are_the_tables_where_there_is_one(tmp_path: Path, tape: Tape) -> None:
    total = 100 * UNIT
    tape.cold("balance", currency="USDT", total=str(total), source="rest", ts_event=1)
    (row,) = balances(tmp_path, CONFIG)
    assert (row["total"], row["available"], row["alive"]) == ("100", "100", False)
    assert row["subaccounts"]["main"]["total"] == "100"
    assert row["subaccounts"]["a"]["total"] == "0"
    table = AccountTable(tmp_path, venue="x", account="main", kind="binance-usdm", names={"a": 2})
    held = [0, 0, 5 * UNIT]
    now = time.time_ns()
    table.put("USDT", [total, 70 * UNIT, 30 * UNIT], [sum(held), *held[1:]], ts=now, sequence=1)
    table.alive(now)
    table.ready()
    (row,) = balances(tmp_path, CONFIG)
    assert (row["total"], row["available"], row["locked"]) == ("100", "95", "5")
    assert row["subaccounts"] == {
        "main": {"index": 1, "total": "70", "available": "70", "locked": "0"},
        "a": {"index": 2, "total": "30", "available": "25", "locked": "5"},
    }
    assert row["alive"] is True
    assert row["data_age_ms"] < 60_000
    table.close()
