"""Fees in another currency than an instrument settles in: on the gateway's tape, at its next start,
and at the robot, live and repeated."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from onetape import Strategy
from onetape.accounts.entries import Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.accounts.kept_money import KeptMoney
from onetape.gateway.checkpoint import Recovered, recover
from onetape.gateway.gateway_tape import GatewayTape
from onetape.model import catalogue
from onetape.model.enums import Liquidity, OrderNews, PositionSide, RequestKind, Side
from onetape.model.errors import ProcessDown
from onetape.model.home import gateway_journal
from onetape.model.ids import EPOCH_BITS
from onetape.model.order import OrderSpec
from onetape.orders.managed import FillOut, NewsOut, Request, requested_order
from onetape.orders.reports import FillReport
from onetape.projections.robot_life import RobotLife
from onetape.robot.live import LiveOptions, open_live
from onetape.tape.journal import JournalReader, JournalWriter
from worlds.frames import QUOTE
from worlds.gateway_money import options_of
from worlds.gateway_tapes import first_tape, manager_of, tape_after

UNIT = 10**18
PERPETUAL = catalogue.find("binance:BTC/USDT:USDT")
SPOT = catalogue.find("kraken:BTC/USD")
assert PERPETUAL is not None
assert SPOT is not None


def fill_of(symbol: str, trade: int, fee: int, currency: str, client_id: str = "x") -> FillReport:
    return FillReport(
        symbol=symbol,
        client_id=client_id,
        venue_id="77",
        trade_id=trade,
        side=Side.BUY,
        position_side=PositionSide.BOTH,
        price=600_000,
        size=10,
        time=1_000 + trade,
        fee=fee,
        fee_currency=currency,
        liquidity=Liquidity.MAKER,
    )


def opened(path: Path, read: Recovered | None = None) -> GatewayTape:
    writer = JournalWriter(path, process="gateway:main")
    tape = first_tape(writer, (PERPETUAL, SPOT))
    if read is not None:
        tape = tape_after(read, writer, (PERPETUAL, SPOT))
    tape.open(time.time_ns())
    return tape


def read(path: Path, monkeypatch) -> tuple[Recovered, list[FillReport]]:
    """Returns what a next life reads, and the fills in it."""
    fills = []
    orders = manager_of(PERPETUAL, SPOT).account
    book = orders.fill
    monkeypatch.setattr(orders, "fill", lambda fill, of: (fills.append(fill), book(fill, of)))
    kept = KeptMoney(options_of(path.parent), {}, {}, lambda currency: 0)
    return recover(path, path.parent / "none", orders, kept), fills


@pytest.mark.parametrize(
    ("symbol", "currency", "fee"),
    [
        (PERPETUAL.symbol, "USDT", UNIT // 3),
        (PERPETUAL.symbol, "BNB", UNIT // 1000),
        (PERPETUAL.symbol, "BNB", -UNIT // 1000),  # a rebate
        (SPOT.symbol, "USD", UNIT),
        (SPOT.symbol, "BTC", 7),  # in the base currency, as fcib orders pay
    ],
)
def test_a_fee_comes_back_from_the_tape_in_its_currency(tmp_path, monkeypatch, symbol, currency, fee):
    tape = opened(tmp_path / "tape")
    received = [fill_of(symbol, 1, 5, "KFEE"), fill_of(symbol, 2, fee, currency)]
    for fill in received:
        tape.write(FillOut(None, fill), time.time_ns())
    tape.writer.close()
    _, fills = read(tmp_path / "tape", monkeypatch)
    assert [(f.fee, f.fee_currency) for f in fills] == [(5, "KFEE"), (fee, currency)]


def test_a_currency_has_one_number_over_all_lives(tmp_path, monkeypatch):
    before = None
    for trade, currency in enumerate(("BNB", "KFEE", "BNB"), 1):
        tape = opened(tmp_path / "tape", before)
        tape.write(FillOut(None, fill_of(PERPETUAL.symbol, trade, 1, currency)), time.time_ns())
        tape.writer.close()
        before, fills = read(tmp_path / "tape", monkeypatch)
    assert before.account.currencies == {1: "BNB", 2: "KFEE"}
    assert [f.fee_currency for f in fills] == ["BNB", "KFEE", "BNB"]


class Asks(Strategy):
    symbol: str = PERPETUAL.symbol

    def on_start(self):
        self.fees: list[tuple[float, str]] = []
        self.subscribe(self.symbol, quotes=True)
        self.order = self.buy(self.symbol, 0.04, 60_000.0)

    def on_fill(self, fill):
        self.fees.append((fill.fee, fill.fee_currency))


class Gateway:
    """What a gateway answers a robot that attaches."""

    def __init__(self, tape: GatewayTape) -> None:
        self.tape = tape

    def ask(self, do: str, **fields):
        if do == "follow":
            return {"lacking": []}
        if do == "life":
            return {"epoch": 0}
        if do == "status":
            return {"market": {"hears": True}}
        if do == "history":
            raise ProcessDown("it asks no venue")
        self.life = RobotLife(1, fields["name"], 1, fields["journal"])
        self.tape.attach(self.life, time.time_ns())
        return {
            "robot": 1,
            "base": 1 << EPOCH_BITS,
            "balances": {"USDT": "10000"},
            "hedge": False,
            "currencies": {name: number for number, name in self.tape.currencies.items()},
            "slot": 2,
            "leverage": 1.0,
            "entries_after": self.tape.writer.published,
            "others": {"BNB": "2"},
        }


def test_a_robot_is_told_what_its_fees_are_in_and_its_money_is_its_own(tmp_path):
    tape = opened(gateway_journal(tmp_path, "main"))
    later = time.time_ns() + 3600 * 10**9  # the robot begins with what comes after it is there
    quote = QUOTE.pack(600_000, 10, 600_010, 10, later, later, 0)
    tape.writer.append("quote", quote, stream=1, time=later)
    tape.write(FillOut(None, fill_of(PERPETUAL.symbol, 1, 1, "KFEE")), time.time_ns())
    gateway = Gateway(tape)
    options = LiveOptions(strategy=Asks, data=[], home=tmp_path, symbol=PERPETUAL.symbol)
    robot = open_live(options, {"main": gateway})
    try:
        order_id = (1 << EPOCH_BITS) + 1
        spec = OrderSpec(symbol=PERPETUAL.symbol, side=Side.BUY, size_int=40, price_int=600_000)
        order = requested_order("c", Request(1, RequestKind.PLACE, order_id, spec), time.time_ns())
        tape.write(NewsOut(order, OrderNews.ACCEPTED, order.state, later), later)
        paid = [(UNIT, "USDT"), (UNIT // 500, "BNB"), (-UNIT // 1000, "BNB"), (5 * UNIT, "KFEE")]
        for trade, (fee, currency) in enumerate(paid, 2):
            fill = fill_of(PERPETUAL.symbol, trade, fee, currency, "c")
            sequence = tape.write(FillOut(order, fill), later)
        robot.step()  # all that is there
        assert robot.session.robot.fees == [(1.0, "USDT"), (0.002, "BNB"), (-0.001, "BNB"), (5.0, "KFEE")]
        # What was paid in money that it knows of is taken off that at once.
        balance = robot.session.host.balance
        assert balance("USDT").total == 9999
        assert balance("BNB").total == 1.999
        assert [name for _, name in robot.session.host.money] == ["USDT", "BTC", "BNB"]
        # The rest when the ledger tells of it: what it says of a fill takes the reckoning's place.
        entry = Entry(
            later,
            Cause.FILL,
            (
                Leg(2, "KFEE", -5 * UNIT),
                Leg(Outside.FEES, "KFEE", 5 * UNIT),
                Leg(2, "USDT", -UNIT // 4),
                Leg(Outside.MARKET, "USDT", UNIT // 4),
                Leg(3, "USDT", -UNIT),
                Leg(Outside.MARKET, "USDT", UNIT),
            ),
            "the last fill",
            sequence,
        )
        tape.writer.append("entry", pack(entry), stream=0, time=later)
        robot.step()
        assert balance("KFEE").total == -5
        assert balance("USDT").total == 9998.75
    finally:
        robot.close(keep=False)
        tape.writer.close()
    with JournalReader(gateway_journal(tmp_path, "main")) as reader:
        assert len(list(reader.frames(("fill",)))) == 5
