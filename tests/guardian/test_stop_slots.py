"""A venue's bound of conditional orders of an account: stops come before take-profits, and every position has some."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from guardian.guarded_world import ACCOUNT, BOTH, BTC, MS, START, tell
from onetape.guardian import stop_slots
from onetape.guardian.core import GuardianCore
from onetape.guardian.events import CancelStops, PlaceStops, ReadVenue, StopRow
from onetape.guardian.kept import Kept
from onetape.guardian.stop_slots import slots_of
from onetape.model.enums import OrderState, Side
from onetape.model.time import SECOND
from onetape.options.guardian_rules import GuardianSettings, Rules
from onetape.orders.calls import TriggerBounds
from onetape.orders.reports import PositionReport
from onetape.venues.binance.trading import BinanceUsdmProtocol

BOUNDS = BinanceUsdmProtocol("key", "secret").traits.triggers_max
CAP = BOUNDS.account
TARGETS = Rules(targets=(Decimal("0.02"), Decimal("0.04")))
LISTED = [msgspec.structs.replace(BTC, symbol=f"binance:C{n}/USDT:USDT", raw_symbol=f"C{n}USDT") for n in range(60)]


class Venue:
    """Takes at most `CAP` orders with a trigger, counts what is refused, and answers a step later."""

    def __init__(self, rules: Rules = TARGETS) -> None:
        self.core = GuardianCore(GuardianSettings(rules), epoch="1", watched={ACCOUNT}, bounds={ACCOUNT: BOUNDS})
        self.now, self.count, self.refused, self.most = SECOND, 0, 0, 0
        self.rests: dict[str, StopRow] = {}
        self.held: dict[str, int] = {}
        self.others = 0
        self.records: list = []
        self.late: list = []
        self.prices = dict.fromkeys((each.symbol for each in LISTED), START)
        for each in LISTED:
            self.core.instrument(ACCOUNT, each)
        self.core.caught_up(ACCOUNT, self.now)

    def hold(self, symbol: str, qty: int) -> None:
        self.held[symbol] = qty
        entry = Fraction(START) if qty else None
        self.core.position(ACCOUNT, symbol, BOTH, qty, entry, self.now, opened="1" if qty else "")

    def run(self, seconds: float) -> Venue:
        for tick in range(round(seconds * 20)):
            self.now += 50 * MS
            late, self.late = self.late, []
            for each in late:
                each()
            if tick % 20 == 0:
                for symbol, price in self.prices.items():
                    tell(self.core, symbol, price, self.now)
            self.core.tick(self.now)
            self.carry_out()
            self.most = max(self.most, len(self.rests) + self.others)
        return self

    def carry_out(self) -> None:
        effects, self.core.effects = self.core.effects, []
        for effect in effects:
            match effect:
                case PlaceStops():
                    self.late.append(lambda effect=effect: self.place(effect))
                case CancelStops():
                    self.late.append(lambda effect=effect: self.cancel(effect.orders))
                case ReadVenue(symbol=""):
                    at, rows = (
                        self.now,
                        [PositionReport(s, BOTH, q, self.now, Decimal(1)) for s, q in self.held.items()],
                    )
                    self.late.append(lambda rows=rows, at=at: self.core.positions_read(ACCOUNT, rows, at, self.now))
                case ReadVenue(symbol=symbol):
                    names, at = [name for name, row in self.rests.items() if row.symbol == symbol], self.now
                    self.late.append(lambda s=symbol, n=names, at=at: self.core.stops_read(ACCOUNT, s, n, at, self.now))
                case _ if hasattr(effect, "severity"):
                    self.records.append(effect)

    def place(self, effect: PlaceStops) -> None:
        placed, refused = {}, {}
        for rung in effect.rungs:
            self.count += 1
            name = f"c{self.count}"
            if not rung.trigger:
                self.hold(effect.symbol, self.held[effect.symbol] - rung.size)
                continue
            if len(self.rests) + self.others >= CAP:
                self.refused += 1
                refused[rung] = 4045
                continue
            placed[name] = rung
            of = effect.symbol, BOTH, effect.closes, rung.trigger, rung.size, OrderState.ACCEPTED, effect.is_target
            self.rests[name] = StopRow(name, name, *of)
            self.core.stop(ACCOUNT, self.rests[name], self.now)
        self.core.answered(effect.id, placed, refused, self.now)

    def cancel(self, names) -> None:
        for name in names:
            if self.rests.pop(name, None) is not None:
                self.core.stop_ended(ACCOUNT, name, self.now)

    def covered(self, symbol: str) -> int:
        return sum(row.left for row in self.rests.values() if row.symbol == symbol and not row.is_target)

    def bare(self) -> list[str]:
        return [symbol for symbol, qty in self.held.items() if self.covered(symbol) < qty * 0.95]

    def restart(self) -> None:
        """Another life begins, with what this one has written down."""
        kept = Kept()
        for each in self.records:
            kept.take({"kind": each.kind, "subject": each.subject, "state": each.state, "about": dict(each.about)})
        self.core = GuardianCore(self.core.settings, epoch="2", watched={ACCOUNT}, bounds={ACCOUNT: BOUNDS})
        self.late = []
        for each in LISTED:
            self.core.instrument(ACCOUNT, each)
        for symbol, qty in self.held.items():
            self.hold(symbol, qty)
        for row in self.rests.values():
            self.core.stop(ACCOUNT, row, self.now)
        self.core.others(ACCOUNT, {"": self.others})
        kept.resume(self.core, ACCOUNT, {each.symbol for each in LISTED})
        self.core.caught_up(ACCOUNT, self.now)

    @property
    def cut(self) -> list[str]:
        return [each.state for each in self.records if each.kind == "ladders"]


def orders(venue: Venue, symbol: str, *, is_target: bool = False) -> int:
    return sum(row.symbol == symbol and row.is_target is is_target for row in venue.rests.values())


@pytest.mark.parametrize("apart", [0, 0.1])
def test_fifty_positions_with_take_profits_are_all_protected(apart):
    """At once, one after the other, and while those before have whole ladders and targets."""
    venue = Venue()
    for each in LISTED[:50]:
        venue.hold(each.symbol, 1000)
        venue.run(apart)
    venue.run(5)
    assert not venue.bare() and not venue.refused and venue.most <= CAP
    assert not any(orders(venue, each.symbol, is_target=True) for each in LISTED)
    assert f" positions share {CAP} orders with a trigger: 3 stops each, take-profits are local" in venue.cut[-1]
    for each in LISTED[:50]:  # all grow at once
        venue.hold(each.symbol, 1100)
    venue.run(5)
    assert not venue.bare() and not venue.refused and sum(map(venue.covered, venue.held)) == 50 * 1100
    assert not [each for each in venue.records if each.kind == "protection"]


def test_where_take_profits_have_no_room_they_are_local_and_take_once():
    venue = Venue()
    for each in LISTED[:50]:
        venue.hold(each.symbol, 1000)
    venue.run(5)
    one = LISTED[7].symbol
    for share, left in ((101, 1000), (102, 500), (101, 500), (102, 500), (105, 0)):
        venue.prices[one] = START * share // 100 + 10
        venue.run(3)
        assert venue.held[one] == left == venue.covered(one), share


def test_ladders_are_whole_again_where_there_is_room():
    venue = Venue()
    for each in LISTED[:50]:
        venue.hold(each.symbol, 1000)
    venue.run(5)
    for each in LISTED[10:50]:
        venue.hold(each.symbol, 0)
    venue.run(20)
    assert venue.cut[-1] == "all ladders are whole" and not venue.bare()
    assert {(orders(venue, each.symbol), orders(venue, each.symbol, is_target=True)) for each in LISTED[:10]} == {
        (5, 2)
    }


def test_orders_of_robots_count_and_one_stop_of_the_whole_size_is_the_least():
    venue = Venue()
    venue.others = 100
    venue.core.others(ACCOUNT, {"": 100})
    for each in LISTED:
        venue.hold(each.symbol, 1000)
    venue.run(10)
    assert not venue.bare() and not venue.refused
    assert {orders(venue, each.symbol) for each in LISTED} >= {1} and venue.most <= CAP
    assert venue.cut[-1].startswith(f"60 positions share {CAP} orders with a trigger, robots have 100 of them: 1 stops")


def test_a_share_above_the_greatest_market_order_is_closed_in_pieces():
    venue = Venue(Rules())
    top = msgspec.structs.replace(LISTED[0], market_size_max=Decimal("0.15"))
    venue.core.instrument(ACCOUNT, top)
    venue.hold(top.symbol, 1000)
    venue.run(3)
    venue.core.guards[ACCOUNT, top.symbol, BOTH].stops.retry_at = 10**18
    venue.cancel(list(venue.rests))
    venue.prices[top.symbol] = START * 9425 // 10000
    seen = venue.place
    sizes: list[int] = []
    venue.place = lambda effect: (sizes.extend(rung.size for rung in effect.rungs), seen(effect))[1]
    venue.run(1)
    assert sizes == [134, 133, 133] and venue.held[top.symbol] == 600


def made_since(venue: Venue, seconds: float) -> int:
    """Returns how many orders are placed in so long."""
    before = venue.count
    return venue.run(seconds).count - before


def test_a_ladder_that_its_position_keeps_short_is_not_made_anew():
    """Of three lots, where its share is four stops: it has three, and all that it can have."""
    venue = Venue(Rules())
    for number, each in enumerate(LISTED[:40]):
        venue.hold(each.symbol, 3 if number >= 20 else 1000)
    venue.run(20)
    assert {orders(venue, each.symbol) for each in LISTED[20:40]} == {3} and len(venue.rests) == 160
    assert made_since(venue, 10) == 0


def test_a_ladder_that_cannot_be_shorter_is_not_made_anew_to_make_room():
    """One stop of a position that the venue takes only in ten pieces."""
    venue = Venue(Rules())
    venue.core.instrument(ACCOUNT, msgspec.structs.replace(LISTED[0], market_size_max=Decimal("0.1")))
    for each in LISTED:
        venue.hold(each.symbol, 1000)
    venue.run(20)
    refused = venue.refused
    assert made_since(venue, 10) == 0 and venue.refused == refused and not venue.bare()


def test_take_profits_do_not_come_and_go_with_orders_of_robots():
    venue = Venue()
    for each in LISTED[:25]:
        venue.hold(each.symbol, 1000)
    venue.run(5)
    assert sum(orders(venue, each.symbol, is_target=True) for each in LISTED[:25]) == 50
    for _ in range(5):
        for others in (6, 0):
            venue.others = others
            venue.core.others(ACCOUNT, {"": others})
            venue.run(1)
    assert made_since(venue, 3) == 0 and venue.count <= 25 * 7
    assert len(venue.cut) == 2 and not orders(venue, LISTED[0].symbol, is_target=True)


def test_shares_are_counted_once_a_tick(monkeypatch):
    """And not by each position that waits for room."""
    venue, counted = Venue(), []
    monkeypatch.setattr(stop_slots, "slots_of", lambda *of, **more: (counted.append(1), slots_of(*of, **more))[1])
    venue.others = 150
    venue.core.others(ACCOUNT, {"": venue.others})
    for each in LISTED:
        venue.hold(each.symbol, 1000)
    venue.run(5)
    counted.clear()
    venue.run(2)
    assert venue.bare() and len(counted) <= 40  # ticks


def test_ladders_that_an_earlier_life_has_cut_are_whole_where_there_is_room():
    venue = Venue(Rules())
    venue.others = 165
    venue.core.others(ACCOUNT, {"": venue.others})
    for each in LISTED[:18]:
        venue.hold(each.symbol, 1000)
    venue.run(10)
    assert {orders(venue, each.symbol) for each in LISTED[:18]} == {1}
    venue.others = 0
    venue.restart()
    venue.run(20)
    assert {orders(venue, each.symbol) for each in LISTED[:18]} == {5} and not venue.bare()
    assert venue.cut[-1] == "all ladders are whole"
    assert made_since(venue, 5) == 0


@pytest.mark.parametrize("restarts", [False, True])
def test_what_a_take_profit_of_the_venue_took_is_not_taken_again(restarts):
    """When room is short later they are local."""
    venue, one = Venue(), LISTED[0].symbol
    venue.hold(one, 1000)
    venue.run(5)
    venue.prices[one] = START * 102 // 100 + 10
    venue.run(1.5)
    near = min((row for row in venue.rests.values() if row.is_target), key=lambda row: row.trigger)
    venue.cancel([near.client_id])
    venue.hold(one, 500)
    venue.run(5)
    if restarts:  # and the market has come back
        venue.prices[one] = START
        venue.run(1.5).restart()
    for each in LISTED[1:50]:
        venue.hold(each.symbol, 1000)
    venue.run(5)
    venue.prices[one] = START * 102 // 100 + 10
    venue.run(3)
    assert not orders(venue, one, is_target=True) and venue.held[one] == 500
    venue.prices[one] = START * 104 // 100 + 10
    venue.run(3)
    assert venue.held[one] == 0


def test_two_ladders_of_an_earlier_life_make_room_for_the_one_that_is_due():
    """It was killed after it had placed the second one, and its position became smaller meanwhile."""
    venue = Venue(Rules())
    symbol = LISTED[0].symbol
    venue.core = GuardianCore(
        GuardianSettings(Rules()), epoch="2", watched={ACCOUNT}, bounds={ACCOUNT: TriggerBounds(symbol=10)}
    )
    venue.core.instrument(ACCOUNT, LISTED[0])
    for n, size in enumerate([120] * 5 + [360] * 5):
        of = symbol, BOTH, Side.SELL, START * (95 - n % 5) // 100, size, OrderState.ACCEPTED
        venue.rests[f"e{n}"] = StopRow(f"e{n}", f"e{n}", *of)
        venue.core.stop(ACCOUNT, venue.rests[f"e{n}"], venue.now)
    venue.hold(symbol, 1400)
    venue.core.caught_up(ACCOUNT, venue.now)
    for _ in range(200):
        assert venue.run(0.1).covered(symbol) >= 1400 * 0.95
        assert len(venue.rests) <= 10
    assert venue.covered(symbol) == 1400 and len(venue.rests) == 5


def test_room_is_made_by_what_the_venue_lists_since_the_position_became_smaller():
    """Two stops have fired, and no stream has told of it: they stand for nothing any more."""
    venue = Venue(Rules())
    symbol = LISTED[0].symbol
    venue.core = GuardianCore(
        GuardianSettings(Rules()), epoch="2", watched={ACCOUNT}, bounds={ACCOUNT: TriggerBounds(symbol=10)}
    )
    venue.core.instrument(ACCOUNT, LISTED[0])
    for n in range(10):
        of = symbol, BOTH, Side.SELL, START * (95 - n % 5) // 100, 100, OrderState.ACCEPTED
        venue.rests[f"e{n}"] = StopRow(f"e{n}", f"e{n}", *of)
        venue.core.stop(ACCOUNT, venue.rests[f"e{n}"], venue.now)
    venue.hold(symbol, 1000)
    venue.core.caught_up(ACCOUNT, venue.now)
    assert venue.run(5).covered(symbol) == 1000
    fired = ["e0", "e5"]
    for name in fired:
        del venue.rests[name]
    venue.hold(symbol, 500)
    for _ in range(20):
        assert venue.run(0.1).covered(symbol) >= 500 * 0.95
    for name in fired:
        venue.core.stop_ended(ACCOUNT, name, venue.now)
    assert venue.run(5).covered(symbol) == 500


def test_a_position_that_is_filled_on_while_its_ladder_is_replaced_is_protected_in_the_end():
    """A symbol has ten orders with a trigger: neither ladder is enough, and one more stop takes off all."""
    symbol, venue = LISTED[0].symbol, Venue(Rules())
    venue.core = GuardianCore(
        GuardianSettings(Rules()), epoch="1", watched={ACCOUNT}, bounds={ACCOUNT: TriggerBounds(symbol=10)}
    )
    venue.core.instrument(ACCOUNT, LISTED[0])
    venue.core.caught_up(ACCOUNT, venue.now)
    venue.hold(symbol, 10)
    venue.run(1)
    venue.hold(symbol, 39)
    venue.run(0.05)  # the second one is on its way
    venue.hold(symbol, 100)
    for _ in range(50):
        assert len(venue.run(0.1).rests) <= 10
    assert venue.covered(symbol) == 100 and len(venue.rests) == 5


def test_the_smallest_of_ten_stops_that_are_not_enough_makes_room():
    """The position became greater, and answers were lost: of two ladders none is redundant."""
    venue, symbol = bound_to_ten(), LISTED[0].symbol
    for n, size in enumerate([120] * 5 + [360] * 5):
        adopt(venue, f"e{n}", size, rests=True)
    venue.hold(symbol, 3600)
    venue.core.caught_up(ACCOUNT, venue.now)
    for _ in range(200):
        assert venue.run(0.1).covered(symbol) >= 2400 - 120
        assert len(venue.rests) <= 10
    assert venue.covered(symbol) == 3600 and len(venue.rests) == 5


def bound_to_ten() -> Venue:
    """A symbol has ten orders with a trigger, and nothing is held yet."""
    venue = Venue(Rules())
    venue.core = GuardianCore(
        GuardianSettings(Rules()), epoch="2", watched={ACCOUNT}, bounds={ACCOUNT: TriggerBounds(symbol=10)}
    )
    venue.core.instrument(ACCOUNT, LISTED[0])
    return venue


def adopt(venue: Venue, name: str, size: int, *, rests: bool) -> None:
    """The gateway's tape has a stop that works. rests: the venue has it, too."""
    row = StopRow(name, name, LISTED[0].symbol, BOTH, Side.SELL, START * 95 // 100, size, OrderState.ACCEPTED)
    venue.core.stop(ACCOUNT, row, venue.now)
    if rests:
        venue.rests[name] = row


def test_stops_that_only_the_tape_of_a_dead_gateway_has_take_no_room():
    """An earlier life has canceled nine past that gateway: no tape says so, and no listing has had them in this one."""
    venue, symbol = bound_to_ten(), LISTED[0].symbol
    adopt(venue, "whole", 1000, rests=True)
    for n in range(9):
        adopt(venue, f"e{n}", 100, rests=False)
    venue.hold(symbol, 1000)
    venue.core.caught_up(ACCOUNT, venue.now)
    venue.core.gateway_dead(ACCOUNT)
    venue.run(1)
    venue.hold(symbol, 500)
    assert venue.run(5).covered(symbol) == 1000  # one that listings lack may come yet
    assert venue.run(10).covered(symbol) == 500 and len(venue.rests) == 5
    assert "whole" not in venue.rests and venue.cut[-1] == "all ladders are whole"


def test_stops_that_only_the_tape_of_a_dead_gateway_has_keep_no_local_stop_from_closing():
    """They were canceled, and the market is past where others could rest."""
    venue, symbol = bound_to_ten(), LISTED[0].symbol
    adopt(venue, "e0", 1000, rests=False)
    venue.hold(symbol, 1000)
    venue.core.caught_up(ACCOUNT, venue.now)
    venue.core.gateway_dead(ACCOUNT)
    venue.core.guards[ACCOUNT, symbol, BOTH].stops.retry_at = 10**18  # nothing is placed
    venue.prices[symbol] = START * 9425 // 10000
    assert venue.run(5).held[symbol] == 1000
    assert venue.run(10).held[symbol] == 600


def test_a_stop_that_a_listing_has_late_counts_from_then_on():
    venue, symbol = bound_to_ten(), LISTED[0].symbol
    adopt(venue, "e0", 1000, rests=False)
    venue.hold(symbol, 1000)
    venue.core.caught_up(ACCOUNT, venue.now)
    venue.core.gateway_dead(ACCOUNT)
    guard = venue.core.guards[ACCOUNT, symbol, BOTH]
    guard.stops.retry_at = 10**18
    venue.run(15)
    assert not guard.is_protected and guard.orders == guard.working_size == 0
    adopt(venue, "e0", 1000, rests=True)
    venue.run(5)
    assert guard.is_protected and (guard.orders, guard.working_size) == (1, 1000)


def test_a_stop_that_no_listing_has_had_counts_while_its_gateway_lives():
    """The gateway says what becomes of it."""
    venue, symbol = bound_to_ten(), LISTED[0].symbol
    adopt(venue, "e0", 1000, rests=False)
    venue.hold(symbol, 1000)
    venue.core.caught_up(ACCOUNT, venue.now)
    guard = venue.core.guards[ACCOUNT, symbol, BOTH]
    guard.stops.retry_at = 10**18
    venue.run(70)
    assert (guard.orders, guard.working_size) == (1, 1000)


def test_orders_of_robots_that_the_venue_no_longer_lists_take_no_room_past_a_dead_gateway():
    venue, symbol = bound_to_ten(), LISTED[0].symbol
    venue.core.others(ACCOUNT, {symbol: 10})
    venue.core.caught_up(ACCOUNT, venue.now)
    venue.hold(symbol, 1000)
    assert venue.run(5).covered(symbol) == 0
    venue.core.gateway_dead(ACCOUNT)
    assert venue.run(5).covered(symbol) == 1000 and len(venue.rests) == 5
    venue.core.gateway_back(ACCOUNT)
    venue.run(0.1)
    assert venue.cut[-1].startswith("1 position has 10 orders with a trigger, robots have 10 of them: 1 stops each")
