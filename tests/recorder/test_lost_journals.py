"""Orders that were open when their gateway's journal was lost end in the records, or go on in their rows, as the
gateway of the next journal finds them at the venue."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from onetape.model import catalogue
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
)
from onetape.model.home import gateway_journal
from onetape.model.ids import client_id_of_order, robot_tag
from onetape.recorder.recorder import Recorder
from onetape.store.records import Records, metadata
from onetape.tape.journal import JournalWriter
from worlds.frames import FILL, NEWS, REQUEST

SYMBOL, OTHER = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"
EPOCH = 50_000_000 << 32
ORDER, PRICE, SIZE, VENUE = EPOCH | 5, 600_000, 40, 77


class Gateway:
    """Writes the journal of an account's gateway, in which nothing has happened."""

    def __init__(self, home: Path, symbol: str = SYMBOL) -> None:
        self.time = 0
        self.writer = JournalWriter(gateway_journal(home, "main"), process="gateway:main", account="main")
        self.writer.append_instrument(1, 1, catalogue.find(symbol).to_msgpack())

    def robot(self, number: int = 1, name: str = "mm") -> None:
        self.say("params", {"robot": number, "name": name, "slot": 2}, stream=0)

    def say(self, event: str, record: dict, stream: int = 1) -> None:
        self.write(event, msgspec.msgpack.encode(record), stream)

    def health(self, kind: str, subject: str, state: str) -> None:
        self.say("health", {"kind": kind, "subject": subject, "state": state})

    def write(self, event: str, payload: bytes, stream: int = 1) -> None:
        self.time += 1
        self.writer.append(event, payload, stream=stream, time=self.time)

    def place(self, order: int = ORDER, robot: int = 1) -> None:
        terms = RequestKind.PLACE.id, Side.BUY.id, OrderType.LIMIT.id, TimeInForce.GTC.id, 0
        sides = TriggerBy.LAST.id, PositionSide.BOTH.id
        self.write("order_request", REQUEST.pack(order, PRICE, SIZE, 0, 0, *terms, *sides, robot, b"t"))

    def news(self, news: OrderNews, state: OrderState, order: int = ORDER, robot: int = 1) -> None:
        words = news.id, state.id, robot, 0
        self.write("order_event", NEWS.pack(order, VENUE, 1, PRICE, SIZE, 0, 0, *words))

    def fill(self, size: int, trade: int, order: int = ORDER, robot: int = 1) -> None:
        words = Side.BUY.id, Liquidity.MAKER.id, PositionSide.BOTH.id, robot, 0, 0
        self.write("fill", FILL.pack(order, VENUE, trade, trade, PRICE, size, 0, 0, *words))

    def lose(self) -> None:
        self.writer.close()
        shutil.rmtree(self.writer.path)


class Recorded:
    """The recorder of a home, which dies and begins anew at each look."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def orders(self) -> list[tuple[int, str, float]]:
        """Order id, state, filled of each row, oldest first."""
        records = Records("sqlite:///store.db", home=self.home)
        try:
            assert records.take_lease() == ""
            recorder = Recorder(self.home, records, leverage={})
            while recorder.step():
                pass
            records.drop_lease()
            table = metadata.tables["record_orders"]
            rows = records.rows(sa.select(table).order_by(table.c.order_id, table.c.ts_created))
            return [(row["order_id"], row["state"], row["filled"]) for row in rows]
        finally:
            records.close()


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Of an order that works, has been filled in part, and whose journal is lost."""
    made, gateway = Recorded(tmp_path), Gateway(tmp_path)
    gateway.robot()
    gateway.place()
    gateway.news(OrderNews.ACCEPTED, OrderState.ACCEPTED)
    gateway.fill(10, 1)
    assert made.orders() == [(ORDER, "PARTIALLY_FILLED", 0.01)]
    gateway.lose()
    return made


def name(order: int = ORDER, robot: str = "mm") -> str:
    return client_id_of_order(robot_tag(robot), order)


def test_it_ends_when_the_next_gateway_has_compared_itself_and_does_not_find_it(recorded: Recorded):
    gateway = Gateway(recorded.home)
    gateway.health("order", name(robot="other"), "foreign")
    assert recorded.orders() == [(ORDER, "PARTIALLY_FILLED", 0.01)]
    gateway.health("reconciled", "start", "0 differences")
    assert recorded.orders() == [(ORDER, "EXPIRED", 0.01)]


@pytest.mark.parametrize("is_attributed", [False, True])
def test_one_that_works_still_goes_on_in_its_row_and_ends_with_its_fills(recorded: Recorded, is_attributed: bool):
    gateway, robot = Gateway(recorded.home), 0
    if is_attributed:
        robot = 3
        gateway.robot(robot)
    gateway.health("order", name(), "attributed" if is_attributed else "foreign")
    gateway.health("reconciled", "start", "1 difference")
    gateway.health("reconciled", "asked", "0 differences")
    assert recorded.orders() == [(ORDER, "PARTIALLY_FILLED", 0.01)]
    gateway.fill(20, 2, ORDER if robot else 0, robot)
    assert recorded.orders() == [(ORDER, "PARTIALLY_FILLED", 0.03)]
    gateway.fill(10, 3, ORDER if robot else 0, robot)
    assert recorded.orders() == [(ORDER, "FILLED", 0.04)]


@pytest.mark.parametrize("is_attributed", [False, True])
def test_one_that_works_still_ends_when_it_is_canceled(recorded: Recorded, is_attributed: bool):
    gateway = Gateway(recorded.home)
    if is_attributed:
        gateway.robot(3)
    gateway.health("order", name(), "attributed" if is_attributed else "foreign")
    gateway.health("reconciled", "start", "0 differences")
    recorded.orders()
    if is_attributed:
        gateway.news(OrderNews.CANCELED, OrderState.CANCELED, robot=3)
    else:
        gateway.health("foreign order", name(), "updated")
        assert recorded.orders() == [(ORDER, "PARTIALLY_FILLED", 0.01)]
        gateway.health("foreign order", name(), "canceled")
    assert recorded.orders() == [(ORDER, "CANCELED", 0.01)]


def test_one_that_was_filled_meanwhile_is_filled_before_it_would_end(recorded: Recorded):
    gateway = Gateway(recorded.home)
    gateway.fill(10, 1, 0, 0)  # told once more
    gateway.fill(30, 2, 0, 0)
    gateway.health("reconciled", "start", "0 differences")
    assert recorded.orders() == [(ORDER, "FILLED", 0.04)]


def test_one_that_the_next_journal_takes_over_has_one_row(recorded: Recorded):
    """As stops of a guardian that were placed while no gateway ran."""
    gateway = Gateway(recorded.home)
    gateway.robot(2)
    gateway.place(robot=2)
    gateway.health("reconciled", "start", "0 differences")
    assert recorded.orders() == [(ORDER, "PARTIALLY_FILLED", 0.01)]
    gateway.news(OrderNews.CANCELED, OrderState.CANCELED, robot=2)
    assert recorded.orders() == [(ORDER, "CANCELED", 0.01)]


def test_of_a_symbol_that_is_not_followed_any_more_nobody_knows(recorded: Recorded):
    gateway = Gateway(recorded.home, OTHER)
    gateway.health("reconciled", "start", "0 differences")
    assert recorded.orders() == [(ORDER, "PARTIALLY_FILLED", 0.01)]


def test_another_exchange_knows_nothing_of_it(recorded: Recorded):
    gateway = Gateway(recorded.home)
    gateway.health("exchange", "main", "new")
    assert recorded.orders() == [(ORDER, "EXPIRED", 0.01)]
