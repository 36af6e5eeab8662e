"""One wrong message closes nothing: no hard stop, local stop, take-profit or total loss, with a gateway, with a hub and
past a dead gateway. A real fall does, within a second."""

from __future__ import annotations

import struct
import time
from decimal import Decimal
from fractions import Fraction

import pytest

from guardian.guarded_world import ACCOUNT, BOTH, BTC, MS, START, SYMBOL
from onetape.guardian.account_follower import AccountFollower
from onetape.guardian.core import GuardianCore
from onetape.guardian.events import CloseSubAccount, Flatten, PlaceStops, ReadVenue, Record
from onetape.market.confirmed_price import SETTLES, PriceKind
from onetape.model import catalogue
from onetape.model.enums import Kind, PositionSide
from onetape.model.home import gateway_journal
from onetape.model.time import SECOND
from onetape.options.gateway import HubOfGateway
from onetape.options.guardian_rules import GuardianSettings, Rules
from onetape.orders.reports import PositionReport
from onetape.tape.journal import JournalWriter
from onetape.tape.wait import Waiter
from waiting import wait_for

QUOTE, MARK, TRADE = PriceKind.QUOTE, PriceKind.MARK, PriceKind.TRADE
FEEDS = [(QUOTE, TRADE, MARK), (QUOTE, MARK), (QUOTE, TRADE), (QUOTE,), (MARK,)]
ALONE = GuardianSettings(Rules(hard_stop=Decimal("0.07")))
SETTINGS = {
    "hard stop": ALONE,
    "local stops": GuardianSettings(Rules(hard_stop=Decimal(0))),
    "take-profits": GuardianSettings(Rules((Decimal("0.5"),), Decimal(0), targets=(Decimal("0.05"),))),
    "total loss": GuardianSettings(Rules((Decimal("0.5"),), Decimal(0)), total_loss={"USDT": Decimal(500)}),
}


class Market:
    """A core with a position and the market around it, on a clock of its own."""

    def __init__(self, rule: str = "hard stop", sign: int = 1, *feed: PriceKind, watched: bool = False) -> None:
        self.core = GuardianCore(SETTINGS[rule], epoch="1", watched={ACCOUNT} if watched else set())
        self.now, self.feed = 100 * SECOND, feed or FEEDS[0]
        self.way = -sign if rule == "take-profits" else sign  # a price of less than before closes it
        self.price = START
        self.core._slots.has_targets = lambda guard: False  # take-profits are local
        self.core.instrument(ACCOUNT, BTC)
        self.core.position(ACCOUNT, SYMBOL, BOTH, sign * 1000, Fraction(START), self.now, opened="x")
        self.core.caught_up(ACCOUNT, self.now)
        self.run(5)

    @property
    def beyond(self) -> int:
        return START - self.way * START // 10

    def tell(self, kind: PriceKind, price: int) -> None:
        self.core.priced(ACCOUNT, SYMBOL, kind, price, self.now)

    def run(self, seconds: float) -> None:
        """Marks each second, all else each tenth."""
        for _ in range(round(seconds * 10)):
            for kind in self.feed:
                if kind is not MARK or self.now // (SECOND // 10) % 10 == 0:
                    self.tell(kind, self.price)
            self.pass_time(100)

    def pass_time(self, ms: int) -> None:
        for _ in range(ms // 50):
            self.now += 50 * MS
            self.core.tick(self.now)

    @property
    def closes(self) -> list:
        """What closes at the market."""
        return [
            each
            for each in self.core.effects
            if isinstance(each, Flatten | CloseSubAccount)
            or (isinstance(each, PlaceStops) and any(not rung.trigger for rung in each.rungs))
        ]


@pytest.mark.parametrize("rule", SETTINGS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("feed", FEEDS, ids=str)
@pytest.mark.parametrize("is_doubled", [False, True])
def test_one_wrong_message_closes_nothing(rule, sign, feed, is_doubled):
    for wrong in feed:
        market = Market(rule, sign, *feed)
        for _ in range(1 + is_doubled):
            market.tell(wrong, market.beyond)
        market.pass_time(100)
        market.run(5)
        said = {each.state for each in market.core.effects if isinstance(each, Record)}
        assert not market.closes and not said & {"closing", "flattening"}


@pytest.mark.parametrize("rule", SETTINGS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("feed", FEEDS[:4], ids=str)
def test_a_real_fall_closes_within_a_second(rule, sign, feed):
    market = Market(rule, sign, *feed)
    market.price = market.beyond
    if QUOTE in feed and MARK in feed and TRADE not in feed:
        market.now -= market.now % SECOND  # the next mark is told within the second
    market.run(1)
    assert market.closes


def test_wrong_quotes_that_go_on_are_disputed_by_the_marks_and_confirmed_by_their_own_going_on():
    market = Market("hard stop", 1, QUOTE, MARK)
    for n in range(20):
        market.tell(QUOTE, market.beyond)
        market.tell(*((MARK, START) if n % 10 == 0 else (QUOTE, market.beyond)))
        market.pass_time(100)
    assert not market.closes
    for _ in range(20):
        market.tell(QUOTE, market.beyond)
        market.pass_time(100)
    assert market.closes


def test_a_ladder_that_is_placed_beside_a_wrong_price_closes_nothing_at_the_market():
    market = Market("hard stop", 1, watched=True)
    market.core.effects.clear()
    market.tell(QUOTE, market.beyond)
    market.core.reset(ACCOUNT, SYMBOL, market.now)
    assert all(rung.trigger for each in market.core.effects if isinstance(each, PlaceStops) for rung in each.rungs)
    assert not market.closes


def listing(mark: int | None, *, liquidation: int | None = None) -> list[PositionReport]:
    row = PositionReport(SYMBOL, BOTH, 1000, 0, BTC.price(START), BTC.price(mark) if mark else None)
    return [row._replace(liquidation=BTC.price(liquidation) if liquidation else None)]


def test_a_price_in_doubt_is_asked_for_at_the_venue_whose_mark_confirms_it_or_not():
    for mark, closes in ((START, False), (90_000 * 10**BTC.price_decimals, True)):
        market = Market("hard stop", 1, QUOTE, watched=True)
        market.core.position(ACCOUNT, SYMBOL, BOTH, 1000, Fraction(START), market.now, opened="x")
        market.core.positions_read(ACCOUNT, listing(START), market.now, market.now)
        market.run(1)
        market.core.effects.clear()
        market.tell(QUOTE, market.beyond)
        market.pass_time(500)
        assert ReadVenue(ACCOUNT) in market.core.effects
        market.core.positions_read(ACCOUNT, listing(mark), market.now, market.now)
        market.pass_time(100)
        assert bool(market.closes) is closes


@pytest.mark.parametrize("is_real", [False, True])
def test_past_a_dead_gateway_a_mark_that_one_listing_has_closes_nothing(is_real):
    market = Market("hard stop", 1, *FEEDS[0], watched=True)
    market.core.gateway_dead(ACCOUNT)
    for _ in range(3):
        market.core.positions_read(ACCOUNT, listing(START), market.now, market.now)
        market.pass_time(1000)
    market.core.effects.clear()
    market.core.positions_read(ACCOUNT, listing(market.beyond), market.now, market.now)
    market.pass_time(600)
    assert ReadVenue(ACCOUNT) in market.core.effects and not market.closes  # asked again before its turn
    market.core.positions_read(ACCOUNT, listing(market.beyond if is_real else START), market.now, market.now)
    market.pass_time(100)
    assert bool(market.closes) is is_real


@pytest.mark.parametrize("is_real", [False, True])
def test_a_liquidation_price_that_is_nearer_is_believed_when_two_listings_have_it(is_real):
    market = Market("local stops", 1, watched=True)
    core = market.core
    (guard,) = core.guards.values()
    far, near = START * 80 // 100, START * 101 // 102
    for each in (far, near, near if is_real else far):
        core.positions_read(ACCOUNT, listing(START, liquidation=each), market.now, market.now)
        if each == near and guard.liquidation == near:
            assert is_real
        market.run(1)
    assert guard.liquidation == (near if is_real else far)


# --- by the journals that processes read ------------------------------------------------------------------------------

VENUES = ["binance:BTC/USDT:USDT", "aster:BTC/USDT:USDT", "bitmex:BTC/USD:BTC", "pacifica:BTC/USDC:USDC"]
SPOT = "kraken:BTC/USD"


class Journals:
    """A gateway's journal and, with a hub, the hub's, as their processes write them."""

    def __init__(self, folder, symbol: str, *, has_hub: bool) -> None:
        self.instrument = catalogue.find(symbol)
        self.price = int(Decimal(60_000).scaleb(self.instrument.price_decimals))
        self.folder, self.symbol, self.has_hub = folder, symbol, has_hub
        self.core, self.waiter = GuardianCore(ALONE, epoch="1", watched=()), Waiter()
        self.gateway = JournalWriter(gateway_journal(folder, ACCOUNT), process="gateway", heartbeat=True)
        self.hub = JournalWriter(folder / "hub", process="hub", heartbeat=True)
        for writer in (self.gateway, self.hub):
            writer.append_instrument(1, time.time_ns(), self.instrument.to_msgpack())
        options = HubOfGateway(journal=str(folder / "hub"), symbols=[symbol]) if has_hub else None
        self.follower = AccountFollower(ACCOUNT, folder, self.core, hub=options)
        assert self.follower.follow(self.waiter, 0)
        if self.instrument.kind is not Kind.SPOT:
            self.core.position(ACCOUNT, symbol, PositionSide.BOTH, 1000, Fraction(self.price), 0, opened="x")
        self.market = self.hub if has_hub else self.gateway
        self.began, self.count = time.time_ns(), 0

    def close(self) -> None:
        self.follower.leave(self.waiter)
        self.gateway.close()
        self.hub.close()

    def tell(self, kind: PriceKind, price: int) -> None:
        at = time.time_ns()
        self.count += 1
        match kind:
            case PriceKind.QUOTE:
                payload = struct.pack("<6q2Q", at, at, price - 1, price + 1, 5, 5, self.count, 0)
            case PriceKind.MARK:
                payload = struct.pack("<4q", at, at, price, 0)
            case _:
                payload = struct.pack("<4q2Q2B14x", at, at, price, 5, self.count, 0, 0, 1)
        self.market.append(str(kind), payload, stream=1, time=at)

    def look(self) -> None:
        self.market.progress(self.market.published)
        now = time.monotonic_ns()
        self.follower.take(now)
        self.follower.look_at_hub(now)
        self.core.tick(now)

    def settle(self) -> bool:
        """Goes on until the price is confirmed."""
        self.tell(QUOTE, self.price)
        self.look()
        (guard,) = self.core.guards.values()
        return guard.price(time.monotonic_ns()) > 0

    @property
    def is_flattening(self) -> bool:
        (guard,) = self.core.guards.values()
        return bool(guard.flattening)


@pytest.mark.parametrize("has_hub", [False, True])
@pytest.mark.parametrize("symbol", VENUES)
def test_a_wrong_quote_on_the_journal_closes_nothing_and_a_fall_does(tmp_path, symbol, has_hub):
    journals = Journals(tmp_path, symbol, has_hub=has_hub)
    try:
        journals.core.caught_up(ACCOUNT, time.monotonic_ns())
        wait_for(journals.settle)
        low = journals.price * 9 // 10
        journals.tell(QUOTE, low)
        for _ in range(5):
            journals.look()
        assert not journals.is_flattening
        wait_for(lambda: journals.settle() and not journals.is_flattening)

        def falls() -> bool:
            journals.tell(QUOTE, low)
            journals.look()
            return journals.is_flattening

        began = time.monotonic_ns()
        wait_for(falls)
        assert time.monotonic_ns() - began >= SETTLES // 2
        if not has_hub:
            journals = Journals(tmp_path / "two", symbol, has_hub=False)
            journals.core.caught_up(ACCOUNT, time.monotonic_ns())
            wait_for(journals.settle)
            journals.tell(TRADE, low)
            journals.look()
            assert not journals.is_flattening
            journals.tell(QUOTE, low)
            journals.look()
            assert journals.is_flattening  # two kinds: at once
    finally:
        journals.close()


@pytest.mark.parametrize("has_hub", [False, True])
def test_no_price_of_a_spot_account_closes_anything(tmp_path, has_hub):
    """Kraken is spot: coins are no positions, so that a guardian has nothing to protect there, nor to close."""
    journals = Journals(tmp_path, SPOT, has_hub=has_hub)
    try:
        journals.core.caught_up(ACCOUNT, time.monotonic_ns())
        journals.core.effects.clear()
        for price in (journals.price, journals.price * 9 // 10) * 5:
            journals.tell(QUOTE, price)
            journals.tell(TRADE, price)
            journals.look()
        assert not journals.core.guards
        assert not [each for each in journals.core.effects if isinstance(each, Flatten | CloseSubAccount | PlaceStops)]
    finally:
        journals.close()
