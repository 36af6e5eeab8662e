"""Orders of two sub-accounts that meet, at a gateway that crosses inside: real processes and
sockets, the simulated exchange behind them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.venue_client import served
from onetape.accounts.entry_frames import unpack
from onetape.gateway.explain_tape import explain_journal
from onetape.model.enums import RequestKind, Side
from onetape.model.errors import SelfTrade
from onetape.model.home import gateway_journal
from onetape.model.ids import parse_client_id
from onetape.model.money import money_units
from onetape.orders.reports import INTERNAL_TRADES
from onetape.projections.followed_account import read_account
from onetape.tape.journal import JournalReader
from waiting import wait_for
from worlds.frames import FILL
from worlds.gateway_process import SYMBOL, cut_journal
from worlds.netting_world import EACH, QUOTE, NettingWorld


@pytest.fixture
def world(request, tmp_path):
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        made = NettingWorld(tmp_path, dialect, port, cross_internally=getattr(request, "param", True))
        yield made
        made.close()


def inside(world) -> list[tuple[int, int, int, int, int]]:
    """Of internal fills: trade, robot, signed size, price, fee."""
    with JournalReader(gateway_journal(world.home, "main")) as reader:
        received = [FILL.unpack(f.payload) for f in reader.frames(("fill",))]
    return [
        (f[2] - INTERNAL_TRADES, f[11], f[5] * Side.from_id(f[8]).sign, f[4], f[6])
        for f in received
        if f[2] >= INTERNAL_TRADES
    ]


def entries(world) -> list:
    with JournalReader(gateway_journal(world.home, "main")) as reader:
        return [unpack(f.payload) for f in reader.frames(("entry",))]


def bid_at_best(world, robot) -> int:
    """An order that is the best of the market, so that a market order would meet it."""
    listing = world.exchange.listings[0]
    return world.rest(robot, Side.BUY, (listing.bid + listing.ask) // 2)


def crossed_once(world) -> tuple[int, int]:
    """Until B's market order has met what A had at the venue; the market moves, and may be there
    first. Both orders."""
    a, b = world.robots
    many = len(inside(world))
    for _ in range(20):
        waiting = bid_at_best(world, a)
        taking = b.place(Side.SELL, 0)
        wait_for(lambda at=taking: world.filled(b, at) or world.news(b, at))
        if len(inside(world)) > many:
            wait_for(lambda: len(inside(world)) == many + 2)
            return waiting, taking
    raise AssertionError("they never met")


def test_orders_that_meet_trade_inside_and_the_venue_hears_of_no_trade(world):
    waiting, taking = crossed_once(world)
    a, b = world.robots
    names = {o.client_id for o in world.account.by_id.values()}
    assert world.client_id(a, waiting) in names  # it was there, and was taken off
    assert world.client_id(b, taking) not in names
    (one, two) = inside(world)[:2]
    assert one[0] == two[0] and one[3] == two[3] and one[4] == two[4] == 0
    assert (one[1:3], two[1:3]) == ((b.number, -10), (a.number, 10))
    own_a, own_b, net = world.held()
    assert own_a + own_b == net
    view = read_account(gateway_journal(world.home, "main"))
    shown = [f for f in view.fills("main") if f["internal"]]
    assert [(f["robot"], f["side"]) for f in shown[:2]] == [("b", "sell"), ("a", "buy")]
    wait_for(lambda: world.gateway.ask("status")["ready"])
    (held,) = [p for p in view.positions_at("main", {}) if p["symbol"] == SYMBOL] or [{"qty": "0"}]
    assert float(held["qty"]) == net / 1000


@pytest.mark.parametrize("kind", ["binance-usdm", "kraken"])
def test_what_is_left_works_on_at_the_venue_as_the_same_order(tmp_path, kind):
    with served(kind, seed=11, limits=False) as (dialect, port):
        world = NettingWorld(tmp_path, dialect, port, kind=kind, cross_internally=True)
        try:
            if kind == "kraken":
                world.allocate(3, "BTC", 0.5)
            world.allocate(2, QUOTE[kind], 30_000)  # for as many tries as it takes
            a, _ = world.robots
            a.size = whole = a.size * 4

            def there(name: str = "") -> list:
                return [o for o in world.account.by_id.values() if o.client_id == (name or second)]

            def is_settled() -> bool:
                """Placed again, or the market took all that was left before it was taken off."""
                return bool(there() and ("updated", 0) in world.news(a, waiting)) or world.filled(a, waiting) == whole

            for _ in range(20):
                waiting, _ = crossed_once(world)
                first = world.client_id(a, waiting)
                second = str(parse_client_id(first)._replace(attempt=1))
                wait_for(is_settled)
                if there():
                    break
            other = sum(f[2] for f in inside(world)[-2:] if f[1] == a.number)
            (order,), (before,) = there(), there(first)
            other += before.filled  # by others, before it was taken off: the market does not wait
            assert order.size == whole - other
            assert "canceled" not in [word for word, _ in world.news(a, waiting)]
            world.restart()
            (order,) = there()
            assert world.gateway.ask("status")["differences"] == []
            if order.is_open:
                assert order.filled + other <= world.filled(a, waiting) <= whole
                a.request(RequestKind.CANCEL, waiting, Side.BUY, 0)
            wait_for(lambda: not there()[0].is_open)
            wait_for(lambda: world.filled(a, waiting) == there()[0].filled + other)
            own_a, own_b, net = world.held()
            if kind != "kraken":
                assert own_a + own_b == net
        finally:
            world.close()


def test_what_is_inside_is_on_the_tape_once_whenever_the_gateway_is_killed(world):
    crossed_once(world)
    for robot in world.robots:  # what an earlier try has left at the venue may fill at any time
        robot.cancel_all()
    wait_for(lambda: not world.gateway.ask("status")["open"])
    before = inside(world), world.held()
    world.restart()
    world.restart()
    assert (inside(world), world.held()) == before
    explained = explain_journal(gateway_journal(world.home, "main"), since=0, until=2**62)
    rows = {each.slot: each for each in explained if each.currency == "USDT"}
    assert all(each.rest == 0 for each in explained)
    assert rows[2].closing + rows[3].closing <= 2 * money_units(EACH)
    references = [e.reference for e in entries(world) if str(INTERNAL_TRADES + 1) in e.reference]
    assert len(references) == len(set(references)) == 2


def test_a_tape_that_ends_between_the_two_fills_has_both_in_the_next_life(world):
    crossed_once(world)
    world.gateway.kill()
    before = inside(world)[:2]
    cut_before_second_inside(gateway_journal(world.home, "main"))
    assert inside(world) == before[:1]
    world.gateway.start()
    wait_for(lambda: world.gateway.ask("status")["ready"])
    wait_for(lambda: len(inside(world)) == 2)
    assert inside(world) == before
    own_a, own_b, net = world.held()
    assert own_a + own_b == net == world.gateway.ask("status")["positions"].get(f"{SYMBOL} both", 0)
    assert world.gateway.ask("status")["differences"] == []
    booked = [e.reference for e in entries(world) if str(INTERNAL_TRADES + 1) in e.reference]
    assert len(booked) == len(set(booked)) == 2


def cut_before_second_inside(journal) -> None:
    """As the disk has it after a loss of power."""
    with JournalReader(journal) as reader:
        received = [f.payload for f in reader.frames(("fill",))]
    lost = [f for f in received if FILL.unpack(f)[2] >= INTERNAL_TRADES][1]
    cut_journal(journal, lost)


@pytest.mark.parametrize("world", [False], indirect=True)
def test_without_the_option_the_second_order_is_refused(world):
    """The market moves: where it had what B wants before B came to A's order, B's is let by."""
    a, b = world.robots
    denied = ("denied", SelfTrade.code)
    for _ in range(20):
        waiting = bid_at_best(world, a)
        limit = world.at_venue(a, waiting).price
        taking = b.place(Side.SELL, 0)
        wait_for(lambda at=taking: denied in world.news(b, at) or world.filled(b, at) == b.size)
        assert inside(world) == []
        if denied in world.news(b, taking):
            assert world.news(b, taking) == [denied]
            assert world.filled(b, taking) == 0
            return
        if min(prices(world, b, taking)) < limit:
            wait_for(lambda at=waiting: world.filled(a, at))  # of one trade, B's is booked first
    raise AssertionError("they never met")


def prices(world, robot, order) -> list[int]:
    with JournalReader(gateway_journal(world.home, "main")) as reader:
        received = [FILL.unpack(f.payload) for f in reader.frames(("fill",))]
    return [f[4] for f in received if (f[0], f[11]) == (order, robot.number)]


@pytest.mark.parametrize("world", [False], indirect=True)
def test_a_market_order_passes_an_own_one_that_it_cannot_reach(world):
    a, b = world.robots
    waiting = world.rest(a, Side.BUY, world.bid - 5000)

    def fills() -> int:
        """An order's number: once the best bid has as much."""
        taking, denied = b.place(Side.SELL, 0), ("denied", SelfTrade.code)
        wait_for(lambda: world.filled(b, taking) or denied in world.news(b, taking))
        return taking if world.filled(b, taking) else 0

    taking = wait_for(fills)
    wait_for(lambda: world.filled(b, taking) == b.size)
    assert world.filled(a, waiting) == 0
    assert world.at_venue(a, waiting).is_open


def test_on_spot_coins_and_money_change_hands_and_the_venue_moves_nothing(tmp_path):
    with served("kraken", seed=11, limits=False) as (dialect, port):
        world = NettingWorld(tmp_path, dialect, port, kind="kraken", cross_internally=True)
        try:
            world.allocate(3, "BTC", 0.5)
            crossed_once(world)
            dollars = sum(f[2] * f[3] for f in inside(world) if f[1] == 1)
            if len(world.fills()) == 2:  # the market was not there first in an earlier try
                paid = Decimal(dollars).scaleb(-9)
                wait_for(lambda: world.slots("BTC")[2] == Decimal("0.01"))
                assert world.slots("BTC") == [1, Decimal("0.5"), Decimal("0.01"), Decimal("0.49")]
                assert world.slots("USD") == [100_000, 94_000, EACH - paid, EACH + paid]
            world.gateway.ask("reconcile")
            wait_for(lambda: not world.gateway.ask("status")["reconciling"])
            assert world.gateway.ask("status")["differences"] == []
            at = {c: n for n, c in enumerate(world.exchange.currencies)}
            for name in ("BTC", "USD"):
                held = Decimal(world.account.money.balance(at[name])).scaleb(-18)
                assert world.slots(name)[0] == held
        finally:
            world.close()
