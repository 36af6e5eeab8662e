"""An account with sub-accounts, judged as a gateway judges, without a venue: whoever writes the
test says what it does. Of BTC and ETH, on spot or as contracts, at 60 000 and 2 500."""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

from onetape.accounts.crossing import Crossing
from onetape.accounts.kept_money import KeptMoney
from onetape.accounts.proceeds import Proceeds
from onetape.accounts.reductions import Reductions
from onetape.accounts.slots import Refused
from onetape.accounts.table import AccountTable
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.core import open_proceeds
from onetape.model import catalogue
from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, RequestKind, Side
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.gate import Gate
from onetape.orders.halts import Halts
from onetape.orders.managed import FillOut, IntentOut, NewsOut, Request
from onetape.orders.order import Order
from onetape.orders.reports import BalanceReport, FillReport, OrderStatusReport
from onetape.orders.trading_state import Limits
from onetape.tape.journal import JournalWriter
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.kraken.assets import Pairs
from onetape.venues.kraken.trading import KrakenSpotProtocol
from orders.surroundings import OPEN, manager_at
from orders.test_working import PAIRS
from worlds.gateway_money import options_of

UNIT = 10**18
MS = 1_000_000
NOW = 1_795_000_000_000_000_000
BUY, SELL = Side.BUY, Side.SELL
A, B = 2, 3  # robots, numbered as their slots
PRICES = {"BTC": 60_000, "ETH": 2_500}
SYMBOLS = {
    "spot": {"BTC": "kraken:BTC/USD", "ETH": "kraken:ETH/USD"},
    "contracts": {"BTC": "binance:BTC/USDT:USDT", "ETH": "binance:ETH/USDT:USDT"},
}
SPREAD = 2  # ticks
STATES = {OrderNews.CANCELED: OrderState.CANCELED, OrderNews.REJECTED: OrderState.REJECTED}


class Funded(AbstractContextManager):
    """kind: spot or contracts. Nobody has anything but the pool."""

    def __init__(self, home: Path, kind: str, *, subaccounts: bool = True, crosses: bool = False) -> None:
        self.kind, self.is_spot = kind, kind == "spot"
        self.quote = "USD" if self.is_spot else "USDT"
        self.symbols = SYMBOLS[kind]
        found = [catalogue.find(symbol) for symbol in self.symbols.values()]
        self.instruments = {i.symbol: i for i in found if i is not None}
        self.now, self.ids, self.sequences = NOW, count(1), count(1)
        self.sent: list[tuple[Purpose, str]] = []
        self.said: list[tuple[str, OrderNews, int, str]] = []
        venue = "kraken" if self.is_spot else "binance-usdm"
        protocol = KrakenSpotProtocol("k", "c2VjcmV0") if self.is_spot else BinanceUsdmProtocol("k", "s")
        protocol.set_instruments(list(self.instruments.values()))
        if self.is_spot:
            protocol.set_pairs(Pairs(PAIRS))
        protocol.signs_late = True
        self.manager = manager_at(
            protocol, goes_on=lambda *ended: self.crossing is not None and self.crossing.ended(*ended)
        )
        for coin in PRICES:
            self.manager.references[self.symbols[coin]] = self.price(coin)
        names = {"a": A, "b": B} if subaccounts else {}
        options = options_of(home, kind=venue, symbols=list(self.instruments), subaccounts=names, leverage=10.0)
        kept = KeptMoney(options, self.instruments, self.manager.references, lambda currency: 0)
        self.writer = JournalWriter(home / "tape", durable=False)
        slot_of = (lambda robot: robot) if subaccounts else (lambda robot: 1)
        self.reductions = Reductions(
            self.manager,
            self.instruments,
            own=lambda *of: self.money.own(*of),
            slot_of=slot_of,
            bounds={},
            is_shared=subaccounts,
        )
        self.money = AccountMoney(
            kept,
            self.writer,
            AccountTable(home, venue="v", account="main", kind=venue),
            self.reductions,
            slot_of=slot_of,
            say=lambda out: None,
            stop=self.stop,
            wall=lambda: self.now,
        )
        self.money.recover()
        self.gate = Gate(self.manager, self.instruments, Limits(), Halts(), OPEN, ready=True)
        self.crossing: Crossing | None = None
        if crosses:
            self.crossing = Crossing(
                self.manager, self.instruments, slot_of=slot_of, quote=self.touch, judge=self.gate.left
            )
        self.proceeds: Proceeds = open_proceeds(
            self.manager,
            self.instruments,
            self.money,
            slot_of=slot_of,
            quote=self.touch,
            gate=self.gate,
            crossing=self.crossing,
        )

    def __exit__(self, *raised: object) -> None:
        self.money.close()
        self.writer.close()

    def stop(self, slots: tuple[int, ...]) -> None:
        for order in list(self.manager.open.values()):
            if order.robot in slots:
                self.manager.cancel_once(order, self.now)

    # --- what it has ------------------------------------------------------------------------------

    def fund(self, **amounts: float) -> None:
        """The account, at the venue."""
        received = {c: BalanceReport(c, int(n * 10**8) * 10**10, self.now) for c, n in amounts.items()}
        self.manager.hear(received.values(), self.now)
        self.money.begin(received, is_other=False)
        self.money.check(received, self.now)
        self.manager.outs.clear()

    def allocate(self, slot: int, **amounts: float) -> None:
        for currency, amount in amounts.items():
            fields = {"currency": currency, "index": slot, "amount": str(amount)}
            done = self.money.command("operator", "allocate", fields, f"{next(self.ids)}", self.now)
            assert not isinstance(done, Refused), done

    def free(self, slot: int, currency: str = "") -> float:
        return self.money.accounts.available(currency or self.quote, slot) / UNIT

    def locked(self, slot: int) -> float:
        return self.money.reserves.held(self.quote, slot) / UNIT

    def price(self, coin: str, ticks: int = 0) -> int:
        return PRICES[coin] * 10 ** self.instruments[self.symbols[coin]].price_decimals + ticks

    def size(self, coin: str, size: float) -> int:
        return int(self.instruments[self.symbols[coin]].size_int(str(size)))

    def touch(self, symbol: str) -> tuple[int, int]:
        price = self.manager.references[symbol]
        return price - SPREAD, price + SPREAD

    # --- what robots ask for ----------------------------------------------------------------------

    def ask(self, robot: int, side: Side, coin: str, size: float, *, cause: int = 0, **terms) -> Order:
        """As a gateway takes a request."""
        terms.setdefault("type", OrderType.LIMIT if "price_int" in terms else OrderType.MARKET)
        spec = OrderSpec(symbol=self.symbols[coin], side=side, size_int=self.size(coin, size), **terms)
        number = next(self.ids)
        name = client_id(f"r{robot}", epoch=1, ordinal=number)
        if self.proceeds.waiting:
            self.proceeds.came(robot, cause)
        found = self.reductions.outgoing(robot, spec, knows=True)
        assert isinstance(found, OrderSpec), found
        matches = self.crossing.matches(robot, found) if self.crossing else []
        refusal = self.gate.refusal(found, self.now, is_inside=bool(matches))
        refusal = refusal or self.money.refusal(robot, found, found.size_int)
        request = Request(robot, RequestKind.PLACE, number, found)
        if refusal is None:
            if matches and self.crossing is not None:
                order = self.crossing.hold(name, request, matches, self.now)
            else:
                order = self.manager.submit(name, request, self.now)
            self.money.order(order)
        else:
            held = self.proceeds.hold(name, request, refusal, self.now, cause=cause)
            order = held or self.manager.deny(name, request, self.now, refusal.code, refusal.reason)
        self.write()
        return order

    def hold(self, robot: int, coin: str, size: float, side: Side = BUY, **terms) -> None:
        """A robot comes to hold a position, or coins."""
        if self.is_spot:
            self.allocate(robot, **{coin: size})
            return
        self.fill(self.ask(robot, side, coin, size, **terms), size)
        self.sent.clear()

    # --- what happens -----------------------------------------------------------------------------

    def write(self) -> None:
        """As a gateway carries out."""
        while self.manager.outs:
            outs, self.manager.outs = self.manager.outs, []
            for out in outs:
                if isinstance(out, NewsOut):
                    self.said.append((out.order.client_id, out.news, out.code, out.reason))
                if isinstance(out, NewsOut | FillOut | IntentOut):
                    self.money.wrote(out, next(self.sequences))
            self.reductions.hold(self.now)
            if self.proceeds.waiting:
                self.proceeds.look(self.now)
        calls, self.manager.calls = self.manager.calls, []
        for call in calls:
            if call.subject is not None:
                self.sent.append((call.purpose, call.subject.client_id))

    def wait(self, ms: int) -> None:
        self.now += ms * MS
        self.manager.tick(self.now)
        self.proceeds.look(self.now)
        if self.crossing is not None:
            self.crossing.tick(self.now)
        self.write()

    def fill(self, order: Order, size: float, ticks: int = 0) -> None:
        spec = order.spec
        coin = next(c for c, symbol in self.symbols.items() if symbol == spec.symbol)
        self.now += MS
        reported = FillReport(
            spec.symbol,
            order.client_id,
            "",
            next(self.ids),
            spec.side,
            spec.position_side,
            self.price(coin, ticks),
            self.size(coin, size),
            self.now,
            0,
            "",
            Liquidity.TAKER,
        )
        self.manager.hear([reported], self.now)
        self.write()

    def ended(self, order: Order, news: OrderNews = OrderNews.CANCELED) -> None:
        """By the venue's word, with what is filled until then."""
        reported = OrderStatusReport(
            order.spec.symbol,
            order.client_id,
            "",
            STATES[news],
            self.now,
            news=news,
            filled=order.filled,
            size=order.size,
        )
        self.manager.hear([reported], self.now)
        self.write()

    def news(self, order: Order) -> tuple[OrderNews, int, str]:
        """The last that was said of it."""
        return next(words[1:] for words in reversed(self.said) if words[0] == order.client_id)

    def placed(self) -> list[str]:
        """Client ids in the order in which they left."""
        return [name for purpose, name in self.sent if purpose is Purpose.PLACE]
