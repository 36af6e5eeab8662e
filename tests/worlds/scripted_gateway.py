"""Gateways for a robot in the tests' own process: what their tapes say is a test's. And such a robot over its lives."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import msgspec

from onetape import Strategy
from onetape.accounts.entries import Cause, Entry, Leg, Outside
from onetape.accounts.entry_frames import pack
from onetape.model import catalogue
from onetape.model.enums import Liquidity, OrderNews, OrderState, PositionSide, RequestKind, Side
from onetape.model.errors import ProcessDown
from onetape.model.home import gateway_journal
from onetape.model.ids import EPOCH_BITS
from onetape.model.order import OrderSpec
from onetape.orders.managed import FillOut, IntentOut, NewsOut, Request, requested_order
from onetape.orders.reports import FillReport
from onetape.projections.robot_life import RobotLife
from onetape.robot.earlier_run import earlier_of
from onetape.robot.live import LiveOptions, open_live
from onetape.tape.journal import JournalWriter
from worlds.frames import QUOTE
from worlds.gateway_tapes import first_tape
from worlds.tapes import records

A, B = "binance:BTC/USDT:USDT", "aster:BTC/USDT:USDT"
UNIT = 10**18
VENUES = {"a": "binance", "b": "aster", "c": "binance@c"}


class Gateway:
    """A gateway that answers a robot which attaches, and what its tape says is a test's."""

    def __init__(self, home: Path, account: str, epoch: int = 0, symbol: str = "") -> None:
        facts = catalogue.find(symbol or {"a": A, "b": B, "c": A}[account])
        assert facts is not None
        self.symbol, self.account, self.epoch = facts.symbol, account, epoch
        self.tape = first_tape(JournalWriter(gateway_journal(home, account), process=f"gateway:{account}"), (facts,))
        self.later = time.time_ns() + 3600 * 10**9
        self.tape.open(time.time_ns())
        self.quote()
        self.trades, self.settled, self.journal, self.bars, self.hedge = 0, 0, "", 0, False
        self.balances = {"USDT": "1000"}

    def quote(self, bid: int = 600_000) -> None:
        self.later += 10**9
        quote = QUOTE.pack(self.later, self.later, bid, bid + 10, 10, 10, 0)
        self.tape.writer.append("quote", quote, stream=1, time=self.later)

    def trade(self, price: int) -> None:
        trade = struct.pack("<4qQQBB14x", self.later, self.later, price, 10, 0, 0, 1, 0)
        self.tape.writer.append("trade", trade, stream=1, time=self.later)

    def ask(self, do: str, **fields):
        match do:
            case "follow":
                return {"lacking": []}
            case "status":
                return {"market": {"hears": True, "bars": self.bars}}
            case "history":
                raise ProcessDown("it asks no venue")
            case "life":
                return {"journal": self.journal, "epoch": self.epoch, "since": 0, "hub": None}
            case "standing":
                self.settled += 1
                return {"settled": True}
        self.journal = fields["journal"]
        self.epoch = max(self.epoch + 1, fields["epoch"])
        self.tape.attach(RobotLife(1, fields["name"], self.epoch, fields["journal"], slot=2), time.time_ns())
        return {
            "robot": 1,  # the same at both
            "base": self.epoch << EPOCH_BITS,
            "balances": self.balances,
            "hedge": self.hedge,
            "currencies": {},
            "slot": 2,
            "leverage": 1.0,
            "entries_after": self.tape.writer.published,
            "others": {},
        }

    def order(
        self, order_id: int, size: int = 40, side: Side = Side.BUY, tag: str = "", *, accepts: bool = True, **terms
    ):
        spec = OrderSpec(symbol=self.symbol, side=side, size_int=size, price_int=600_000, tag=tag)
        spec = msgspec.structs.replace(spec, **terms)
        order = requested_order("c", Request(1, RequestKind.PLACE, order_id, spec), time.time_ns())
        if accepts:
            self.tape.write(IntentOut(order, RequestKind.PLACE, spec.price_int, size), self.later)
            self.tape.write(NewsOut(order, OrderNews.ACCEPTED, order.state, self.later), self.later)
        return order

    def fill(self, order, size: int, fee_currency: str, side: Side = Side.BUY) -> None:
        """The ledger books a fee of 1, whatever the fill said."""
        self.trades += 1
        fill = FillReport(
            symbol=self.symbol,
            client_id="c",
            venue_id="77",
            trade_id=self.trades,
            side=side,
            position_side=PositionSide.BOTH,
            price=600_000,
            size=size,
            time=1_000 + self.trades,
            fee=2 * UNIT,
            fee_currency=fee_currency,
            liquidity=Liquidity.MAKER,
        )
        sequence = self.tape.write(FillOut(order, fill), self.later)
        legs = (Leg(2, "USDT", -UNIT), Leg(Outside.FEES, "USDT", UNIT))
        entry = Entry(self.later, Cause.FILL, legs, "", sequence)
        self.tape.writer.append("entry", pack(entry), stream=0, time=self.later)


class Robot:
    """One robot over its lives."""

    def __init__(
        self, home: Path, kind: type[Strategy], accounts: str = "a", gateway: Gateway | None = None, **options: object
    ) -> None:
        self.gateways = {"a": gateway} if gateway is not None else {each: Gateway(home, each) for each in accounts}
        venues = {each: VENUES[each] for each in accounts} if len(accounts) > 1 else {}
        symbols = [A, B] if "b" in accounts else [self.gateways["a"].symbol]
        params = {"symbols": symbols, **options.pop("params", {})}
        self.options = LiveOptions(
            strategy=kind,
            data=[],
            home=home,
            venues=venues,
            params=params,
            robot="r",
            goes_on_since=1,
            wall=lambda: self.now,
            **options,
        )
        self.first = self.gateways["a"]
        self.now = time.time_ns()

    def __enter__(self) -> Robot:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.run.session.close()
        for gateway in self.gateways.values():
            gateway.tape.writer.close()

    def begin(self) -> None:
        """When all that is on the tapes has been; then the market goes on."""
        self.now = max(gateway.later for gateway in self.gateways.values()) + 1
        for gateway in self.gateways.values():
            gateway.quote()
        before = earlier_of(self.options, self.gateways)
        assert before is None or before.continues
        self.run = open_live(self.options, self.gateways, before)
        self.loop, self.robot = self.run.session.loop, self.run.session.robot
        self.step()

    def kill(self, *canceled) -> None:
        """Nothing is finished; its working orders go, as those of a robot that is dead. canceled: as the gateway has
        them."""
        self.run.session.close()
        for order in canceled:
            news = NewsOut(order, OrderNews.CANCELED, OrderState.CANCELED, self.first.later)
            self.first.tape.write(news, self.first.later)
        self.begin()

    def step(self, after_ns: int = 0) -> None:
        for gateway in self.gateways.values():
            gateway.later += after_ns
            gateway.quote()
        self.run.step()

    def working(self) -> list[tuple[str, str, float]]:
        return [(order.symbol, order.side, order.qty) for order in self.loop.working(None)]

    def fill(self, account: str = "a", size: int | None = None) -> None:
        """What works on the account, or so much of it (units)."""
        gateway, venue = self.gateways[account], VENUES[account]
        (order,) = self.loop.working(f"{venue}:{gateway.symbol.partition(':')[2]}")
        side = Side.BUY if order.side == "buy" else Side.SELL
        taken = gateway.order(order.id, order.qty_int, side)
        gateway.fill(taken, size or order.qty_int, "USDT", side)
        self.run.step()

    def said(self, words: str) -> list[str]:
        texts = [each.data["text"] for each in records(self.run.folder / "journal", "log")]
        return [text for text in texts if words in text]
