"""A fill comes to the same whether the core books it in one call or the order manager and the ledger do."""

from __future__ import annotations

import gc
import os
import random
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from onetape._core import PlainFills
from onetape.accounts.entries import Outside
from onetape.accounts.table import AccountReader, AccountTable
from onetape.gateway.checkpoint import Recovered
from onetape.gateway.core import GatewayCore, Moment
from onetape.gateway.gateway_tape import GatewayTape
from onetape.model.catalogue import find
from onetape.model.enums import Liquidity, OrderNews, OrderState, PositionSide, RequestKind, Side
from onetape.model.ids import EPOCH_BITS
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.account_orders import AccountOrders
from onetape.orders.managed import Request
from onetape.orders.order import Order
from onetape.orders.reports import HASHED_TRADES, BalanceReport, FillReport, OrderStatusReport, VenueReport
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from worlds.gateway_money import options_of

LONG = bool(os.environ.get("ONETAPE_LONG"))
BEGAN = 1_790_000_000 * SECOND
LINEAR, INVERSE = "binance:BTC/USDT:USDT", "bitmex:BTC/USD:BTC"
SLOTS = {"a": 2, "b": 3, "c": 9}


class Gateway(AbstractContextManager):
    """A gateway without its connections, with two robots that hold a little."""

    def __init__(self, home: Path, symbol: str, *, is_slow: bool, **options: Any) -> None:
        instrument = find(symbol)
        assert instrument is not None
        self.instrument = instrument
        self.now = BEGAN
        kind = "binance-usdm" if symbol == LINEAR else "bitmex"
        venue = open_trading_venue(kind, "k" * 64, "s" * 64, Addresses("http://x", "ws://x", "ws://x"))
        venue.protocol.set_instruments([instrument])
        made = options_of(home, kind=kind, symbols=[symbol], subaccounts=SLOTS, is_slow=is_slow, **options)
        self.core = GatewayCore(made, venue, self)
        self.writer = JournalWriter(home / "tape", process="gateway:main")
        self.best = self.silent_ns = self.silent_max_ns = self.in_front = lambda *of: 0
        begun = Recovered.nothing(AccountOrders(venue.protocol), self.core.kept_money([instrument]))
        tape = GatewayTape(self.writer, [instrument], begun.account.parts, begun.state, begun.account.currencies)
        self.table = AccountTable(home, venue=instrument.venue, account="main", kind=kind, names=SLOTS)
        self.core.open([instrument], self, self.table, begun, tape, self.moment())
        self.manager, self.money = self.core.manager, self.core.money
        self.core.gate.ready = True
        balances = {name: BalanceReport(name, 10**26, BEGAN) for name in (instrument.settle, "BNB")}
        self.money.begin(balances, is_other=False)
        self.money.ready()
        self.robots = [self._attached(name, slot) for name, slot in SLOTS.items()]
        self.count = self.trades = 0
        for robot in self.robots[:2]:
            self.fill(self.place(robot, Side.BUY, 10), 10)
        self.plain = Counter[bool]()

    def _attached(self, name: str, slot: int) -> int:
        life = self.core.requests.attach(name, "", BEGAN, slot=slot)
        assert life is not None
        return life.number

    def __exit__(self, *_: object) -> None:
        self.table.close()
        self.writer.close()

    def moment(self) -> Moment:
        self.now += 1000
        return Moment(self.now, self.now, self.now)

    # --- shell and market -------------------------------------------------------------------------

    def send(self, calls: object) -> None: ...
    def wake(self) -> None: ...
    def clock_set(self, step: int) -> None: ...
    def cut_stream(self) -> None: ...
    def messages(self) -> int:
        return 0

    # --- what happens -----------------------------------------------------------------------------

    def place(self, robot: int, side: Side, size: int, **terms: Any) -> Order:
        self.count += 1
        of = {"symbol": self.instrument.symbol, "price_int": 600_000, **terms}
        order_id = 1 << EPOCH_BITS | self.count
        request = Request(robot, RequestKind.PLACE, order_id, OrderSpec(side=side, size_int=size, **of))
        order = self.manager.submit(self.core.tape.robots[robot].client_id(order_id), request, self.now)
        self.core.carry_out()
        return order

    def hear(self, *reports: VenueReport) -> None:
        self.core.reports(reports, self.moment())

    def fill(self, order: Order, size: int, **heard: Any) -> FillReport:
        self.trades += 1
        spec = order.spec
        of = (spec.symbol, order.client_id, "7", self.trades, spec.side, spec.position_side, 600_000, size, self.now)
        fill = FillReport(*of, 5 * 10**15, "", Liquidity.TAKER)._replace(**heard)
        self.hear(fill)
        return fill

    def works(self, order: Order, state: OrderState, news: OrderNews | None, filled: int = 0) -> None:
        self.hear(OrderStatusReport(order.spec.symbol, order.client_id, "7", state, self.now, news, filled=filled))

    # --- what has come of it ----------------------------------------------------------------------

    def tape(self) -> list[tuple[Any, ...]]:
        with JournalReader(self.writer.path) as reader:
            return [(f.type, f.flags, f.time, f.stream, f.payload) for f in reader.frames()][1:]

    def state(self) -> dict[str, Any]:
        money, manager = self.money, self.manager
        reader = AccountReader(self.core.options.home, "gateway:main")
        orders = [
            (
                o.client_id,
                o.state,
                o.filled,
                o.venue_id,
                o.ask_at,
                o.asks,
                len(o.pending.all()),
                o.reported_end,
                o.reported_time,
            )
            for o in manager.account.orders.values()
        ]
        return {
            "ledger": money.ledger.to_record(),
            "booking": money.booking.to_record(),
            "books": manager.books.to_record(),
            "orders": sorted(orders, key=lambda each: each[0]),
            "open": sorted(manager.open),
            "held": {life.name: life.held for life in self.core.tape.robots.values()},
            "reserved": {name: money.reserves.held_in(name, 4) for name in money.ledger.currencies()},
            "shown": reader.positions(),
            "slots": money.slots_used,
            "touched": sorted(manager.touched),
        }

    @contextmanager
    def counted(self) -> Iterator[None]:
        """plain: of fills, how many the core has taken."""
        fills, self.manager.plain_fills = self.manager.plain_fills, self
        self._fills = fills
        yield
        self.manager.plain_fills = fills

    def take(self, fill: FillReport, wall: int) -> bool:
        assert self._fills is not None
        is_plain = self._fills.take(fill, wall)
        self.plain[is_plain] += 1
        return is_plain


Both = tuple[Gateway, Gateway]


@contextmanager
def both(home: Path, symbol: str = LINEAR, **options: Any) -> Iterator[Both]:
    """A gateway whose fills the core takes in, and one without."""
    for name in ("plain", "slow"):
        (home / name).mkdir()
    with (
        Gateway(home / "plain", symbol, is_slow=False, **options) as plain,
        Gateway(home / "slow", symbol, is_slow=True, **options) as slow,
        plain.counted(),
    ):
        assert slow.manager.plain_fills is None
        yield plain, slow
        assert plain.tape() == slow.tape()
        assert plain.state() == slow.state()


def on(gateways: Both, do: Callable[[Gateway], Any]) -> None:
    for each in gateways:
        do(each)


USUAL: dict[str, dict[str, Any]] = {
    "a purchase": {"side": Side.BUY},
    "a sale that turns it": {"side": Side.SELL, "size": 25},
    "a reduction": {"side": Side.SELL, "size": 4, "terms": {"reduce_only": True}},
    "a part of it": {"part": 3},
    "a fee in what it settles in": {"heard": {"fee_currency": "USDT"}},
    "a fee in what the tape has named": {"heard": {"fee_currency": "BNB"}, "before": {"fee_currency": "BNB"}},
    "a rebate": {"heard": {"fee": -(10**15)}},
    "no fee": {"heard": {"fee": 0}},
    "a venue id that is no number": {"heard": {"venue_id": "8a-1"}},
    "a hash for a trade": {"heard": {"trade_id": HASHED_TRADES + 5}},
    "a hash of what rested": {"heard": {"trade_id": HASHED_TRADES + 5, "liquidity": Liquidity.MAKER}},
    "known by the venue's id alone": {"heard": {"client_id": ""}, "is_named": True},
    "of the moment of the one before": {"heard": {"time": BEGAN + 6000}},
}


@pytest.mark.parametrize("case", USUAL.values(), ids=USUAL)
def test_a_usual_fill_is_booked_by_the_core(case: dict[str, Any], tmp_path: Path) -> None:
    size = case.get("size", 5)
    with both(tmp_path) as gateways:

        def fill(each: Gateway) -> None:
            if before := case.get("before"):
                each.fill(each.place(each.robots[0], Side.BUY, 1), 1, **before)
                each.plain.clear()
            order = each.place(each.robots[0], case.get("side", Side.BUY), size, **case.get("terms", {}))
            if case.get("is_named"):
                each.works(order, OrderState.ACCEPTED, OrderNews.ACCEPTED)
            heard = each.fill(order, case.get("part", size), **case.get("heard", {}))
            assert order.filled == heard.size and order.is_open is ("part" in case)

        on(gateways, fill)
        assert gateways[0].plain == {True: 1}


OTHERS: dict[str, Callable[[Gateway, Order], Any]] = {
    "one that was booked": lambda g, o: (g.fill(o, 2, trade_id=77), g.fill(o, 2, trade_id=77)),
    "a hash that was booked by a former id": lambda g, o: (
        g.fill(o, 2, trade_id=10), g.fill(o, 2, trade_id=HASHED_TRADES + 5),
    ),
    "one from before another": lambda g, o: g.fill(o, 5, time=BEGAN + 10),
    "one of the same moment with a lower id": lambda g, o: (
        g.fill(o, 2, trade_id=90, time=BEGAN + SECOND), g.fill(o, 2, trade_id=89, time=BEGAN + SECOND),
    ),
    "one of a sweep that met a better price": lambda g, o: (
        g.fill(o, 2, trade_id=HASHED_TRADES + 1001, time=BEGAN + SECOND),
        g.fill(o, 2, trade_id=HASHED_TRADES + 1002, time=BEGAN + SECOND, price=599_000),
    ),
    "a fee that the tape has not named": lambda g, o: g.fill(o, 5, fee_currency="BNB"),
    "more than is left": lambda g, o: g.fill(o, 7),
    "one of nobody's order": lambda g, o: g.fill(o, 5, client_id="manual-1", venue_id="99"),
    "a trade that no venue knows": lambda g, o: g.fill(o, 5, trade_id=2**63 + 1),
    "one of an order that has ended": lambda g, o: (
        g.works(o, OrderState.CANCELED, OrderNews.CANCELED), g.fill(o, 5),
    ),
    "one that an end waits for": lambda g, o: (
        g.works(o, OrderState.CANCELED, OrderNews.CANCELED, filled=5), g.fill(o, 5),
    ),
    "one of an order that is being canceled": lambda g, o: (
        g.works(o, OrderState.ACCEPTED, OrderNews.ACCEPTED),
        g.manager.cancel(o, g.now), g.core.carry_out(), g.fill(o, 5),
    ),
    "one of an unknown order": lambda g, o: (
        g.manager.report(o, OrderNews.LOST, g.now), g.core.carry_out(), g.fill(o, 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("happens", OTHERS.values(), ids=OTHERS)
def test_other_fills_are_for_the_manager(happens: Callable[[Gateway, Order], Any], tmp_path: Path) -> None:
    with both(tmp_path) as gateways:
        on(gateways, lambda each: happens(each, each.place(each.robots[0], Side.BUY, 5)))
        assert gateways[0].plain[False] >= 1


def test_the_first_fill_of_a_position_is_for_the_manager(tmp_path: Path) -> None:
    with both(tmp_path) as gateways:
        on(
            gateways,
            lambda each: each.fill(each.place(each.robots[0], Side.SELL, 5, position_side=PositionSide.SHORT), 5),
        )
        assert gateways[0].plain == {False: 1}


def test_the_first_money_of_a_slot_that_has_lost_its_name_is_for_the_ledger(tmp_path: Path) -> None:
    """Its position is there, and the account's table shows fewer slots."""
    with both(tmp_path) as gateways:

        def happen(each: Gateway) -> None:
            robot = each.robots[2]
            each.fill(each.place(robot, Side.BUY, 5), 5, fee=0)
            each.money.slots_used = SLOTS["b"] + 1
            for _ in range(2):
                each.fill(each.place(robot, Side.BUY, 5), 5)
            assert each.money.slots_used == SLOTS["c"] + 1

        on(gateways, happen)
        assert gateways[0].plain == {False: 2, True: 1}


def test_a_late_word_of_an_order_that_waits_for_its_fills_starts_no_query_anew(tmp_path: Path) -> None:
    with both(tmp_path) as gateways:

        def happen(each: Gateway) -> None:
            order = each.place(each.robots[0], Side.BUY, 5)
            each.works(order, OrderState.ACCEPTED, OrderNews.ACCEPTED)
            for _ in range(3):
                each.works(order, OrderState.CANCELED, OrderNews.CANCELED, 5)
                each.now += SECOND
                each.core.tick(each.moment())
                order.asking = False
            assert order.asks
            each.works(order, OrderState.PARTIALLY_FILLED, None, 5)

        on(gateways, happen)


def test_a_position_that_is_as_it_was_shown_keeps_its_time(tmp_path: Path) -> None:
    with Gateway(tmp_path, LINEAR, is_slow=False) as gateway:
        for _ in range(3):
            gateway.now += SECOND
            gateway.core.tick(gateway.moment())
            shown = gateway.state()["shown"]
        assert shown and max(each.ts for each in shown) < BEGAN + SECOND
        order = gateway.place(gateway.robots[0], Side.BUY, 5)
        gateway.fill(order, 5)
        assert max(each.ts for each in gateway.state()["shown"]) == gateway.now


def test_where_fills_are_counted_none_is_booked_by_the_core(tmp_path: Path) -> None:
    home = tmp_path / "counted"
    home.mkdir()
    with Gateway(home, LINEAR, is_slow=False, executions_max=5, executions_ns=SECOND) as gateway:
        assert gateway.manager.plain is not None and gateway.manager.plain_fills is None


def test_a_correction_of_the_balance_makes_earlier_fills_late(tmp_path: Path) -> None:
    """What the pool took up for it goes back."""
    with both(tmp_path) as gateways:

        def happen(each: Gateway) -> None:
            order = each.place(each.robots[0], Side.BUY, 5)
            each.now += SECOND
            at = each.now
            report = BalanceReport("USDT", each.money.ledger.total("USDT") - 5 * 10**15, at)
            for _ in range(2):
                each.money.check({"USDT": report}, at)
                each.core.carry_out()
            assert each.money.ledger.balance("USDT", Outside.UNEXPLAINED)
            each.fill(order, 2, time=at - 1000)
            assert not each.money.ledger.balance("USDT", Outside.UNEXPLAINED)
            each.fill(order, 2, time=at + 1)

        on(gateways, happen)
        assert gateways[0].plain == {False: 1, True: 1}


def test_an_account_that_nobody_refers_to_is_collected(tmp_path: Path) -> None:
    with Gateway(tmp_path, LINEAR, is_slow=False) as gateway:
        assert isinstance(gateway.manager.plain_fills, PlainFills)
        gone = weakref.ref(gateway.manager)
    del gateway
    gc.collect()
    assert gone() is None


def test_legs_are_by_the_holders_that_the_ledger_names() -> None:
    assert (Outside.MARKET, Outside.FEES, Outside.NETTING) == (-1, -2, -9)  # core/accounts/fill_entry.hpp


def random_day(gateway: Gateway, seed: int) -> None:
    """Orders and fills in any order, heard twice, late, and of one moment."""
    rng = random.Random(seed)
    heard: list[FillReport] = []
    orders = [gateway.place(gateway.robots[0], Side.BUY, 10)]
    for _ in range(rng.randrange(20, 60)):
        draw = rng.random()
        if draw < 0.3:
            robot, side = rng.choice(gateway.robots), rng.choice((Side.BUY, Side.SELL))
            terms = {"reduce_only": True} if rng.random() < 0.25 else {"own_reducing": True} if draw < 0.05 else {}
            orders.append(gateway.place(robot, side, rng.choice((1, 5, 30)), **terms))
        elif draw < 0.4:
            order = rng.choice(orders)
            state, news = rng.choice(
                (
                    (OrderState.ACCEPTED, OrderNews.ACCEPTED),
                    (OrderState.CANCELED, OrderNews.CANCELED),
                    (OrderState.FILLED, None),
                    (OrderState.PARTIALLY_FILLED, None),
                )
            )
            gateway.works(order, state, news, rng.choice((0, order.filled, order.size)))
        elif draw < 0.45:
            gateway.manager.cancel_once(rng.choice(orders), gateway.now)
            gateway.core.carry_out()
        elif draw < 0.5 and heard:
            gateway.hear(*rng.sample(heard, k=min(2, len(heard))))
        else:
            order = rng.choice(orders)
            price, size = rng.choice((590_000, 600_000, 601_000)), rng.choice((1, 2, max(order.size - order.filled, 1)))
            changed: dict[str, Any] = {"price": price}
            if rng.random() < 0.2:
                changed["time"] = gateway.now - rng.choice((0, 1000, 5000))
            if rng.random() < 0.3:
                changed["fee_currency"] = rng.choice(("BNB", gateway.instrument.settle))
            if rng.random() < 0.2:
                changed["trade_id"] = HASHED_TRADES + gateway.trades
                changed["liquidity"] = rng.choice((Liquidity.MAKER, Liquidity.TAKER))
            heard.append(gateway.fill(order, size, **changed))
        gateway.now += rng.choice((0, 1000, SECOND))
        if rng.random() < 0.1:
            gateway.core.tick(gateway.moment())


@pytest.mark.parametrize("symbol", (LINEAR, INVERSE))
@pytest.mark.parametrize("seed", range(300 if LONG else 12))
def test_random_fills_come_to_the_same(symbol: str, seed: int, tmp_path: Path) -> None:
    with both(tmp_path, symbol) as gateways:
        on(gateways, lambda each: random_day(each, seed))
    assert gateways[0].plain[True] and gateways[0].plain[False]
