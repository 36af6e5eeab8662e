"""What an order must pass before it leaves: rules of the instrument, of the account, of the moment.

Pure: the state is the order manager's. Each refusal has an error's number and words, and becomes
DENIED (of an amendment: update_rejected; the order stays as it was).

What always passes: cancels; an amendment that only makes an order smaller; and a true reduction, an
order that can only take off what is held. A reduction passes the kill switch, the account's modes,
unknown orders, a market that is too old, streams that have fallen silent and every limit of ours
(position, size, rate, band). The venue's own band is measured by the last price that is known: on a
silent market it is wider for a reduction, the longer the more. A reduction does not pass what would
be none: more than is held less what works to reduce it, or a trade with an order of our own, which
would leave the position as it is; nor a rule of the venue, which would refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from msgspec import structs

from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind, OrderType, Side, TriggerBy
from onetape.model.errors import (
    AccountMode,
    DiskFull,
    InsufficientFunds,
    Killed,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderRate,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
    StaleData,
    UnknownSymbol,
    VenueUnavailable,
)
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.backing import free_funds, only_reduces, reducible, spending, worst_held
from onetape.orders.filters import VENUE_RULES, Refusal, Rules, refusal_of
from onetape.orders.managed import Managed
from onetape.orders.manager import OrderManager
from onetape.orders.working import nearest, waits

__all__ = ["RISK_RULES", "Gate", "Limits"]


# Named once: a member looked up at its class costs as much as a call.
_SPOT: Final = Kind.SPOT
_NO_TRIGGER: Final = TriggerBy.NONE
WIDENS: Final = SECOND  # of silence: the venue's band, as a reduction is measured, once more
BURST_S: Final = 10  # over which a robot's rate is meant: what it did not use it may send at once


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one gateway. position_max: by symbol, in units of quantity, working and unknown orders
    counted as filled; order_max: of one order, likewise; price_band: how far a limit price may be
    on the dear side of the market, 0.05 is 5 %; orders_a_second: of all robots together. 0 or not
    there: no limit."""

    position_max: Mapping[str, int] = field(default_factory=dict)
    order_max: Mapping[str, int] = field(default_factory=dict)
    price_band: Decimal = Decimal(0)
    orders_a_second: int = 0


@dataclass(slots=True)
class Gate:
    """Asked for every new order and every amendment."""

    manager: OrderManager
    instruments: Mapping[str, Instrument]
    limits: Limits = field(default_factory=Limits)
    ready: bool = False  # reconciled, and the account's stream is there
    killed: str = ""  # why nothing new may leave
    disk_full: bool = False  # the journal's next segment has no room
    is_deaf: bool = False  # the account's stream does not tell what happens, though it is connected
    # For how long a symbol's market has been silent, ns; 0: it speaks.
    silent_ns: Callable[[str], int] = lambda _: 0
    # What the book has at better prices than one, by symbol and side; 0: none is known.
    in_front: Callable[[str, Side, int], int] = lambda *_: 0
    _hedge: bool | None = None  # the mode that the account was found in
    _second: int = 0
    _sent: int = 0
    _due: dict[int, int] = field(default_factory=dict)  # by robot, ns
    _rules: dict[str, Rules] = field(default_factory=dict)  # of each symbol

    def refusal(
        self, spec: OrderSpec, now: int, *, is_inside: bool = False, behind_ns: int = 0, robot: int = 0, rate: int = 0
    ) -> Refusal | None:
        """The first rule that the order breaks, None where none. Counts it against the rates.
        is_inside: it trades with orders of ours and not at the venue. behind_ns: how much too old
        the market was that it was decided on. rate: the robot's orders a second, 0: no limit of
        its own."""
        instrument = self.instruments.get(spec.symbol)
        if instrument is None:
            return Refusal.of(UnknownSymbol, f"{spec.symbol} is not traded by this gateway")
        return (
            self._of_venue(spec, instrument)
            or self._of_account(spec, instrument, None, is_inside=is_inside, behind_ns=behind_ns)
            or self._rate(spec, now, None, robot, rate)
            or self._funds(spec, instrument, None)
        )

    def amendment(
        self, order: Managed, now: int, *, price: int, size: int, behind_ns: int = 0, rate: int = 0
    ) -> Refusal | None:
        """Of another price or size (0: as it is), judged as a new order in the place of the old.
        One that only makes it smaller always passes."""
        price, size = price or order.price, size or order.life.size
        if size < order.life.size and price == order.price:
            return None
        spec = structs.replace(order.spec, size_int=size, price_int=price)
        instrument = self.instruments.get(spec.symbol)
        if instrument is None:
            return Refusal.of(UnknownSymbol, f"{spec.symbol} is not traded by this gateway")
        return (
            self._of_venue(spec, instrument, order)
            or self._of_account(spec, instrument, order, behind_ns=behind_ns)
            or self._rate(spec, now, order, order.robot, rate)
            or self._funds(spec, instrument, order)
        )

    def left(self, order: Managed, now: int, *, is_inside: bool = False) -> Refusal | None:
        """Of what is left of an order that was let through and is to be placed (again). now: ns."""
        instrument = self.instruments[order.spec.symbol]
        life = order.life
        spec = structs.replace(order.spec, size_int=life.size, price_int=order.price)
        sent = structs.replace(spec, size_int=life.size - life.filled)
        return (
            self._of_venue(sent, instrument, order)
            or self._of_account(spec, instrument, order, is_inside=is_inside)
            or self._funds(spec, instrument, order)
        )

    def reduces(self, spec: OrderSpec, old: Managed | None = None) -> bool:
        """It can only take off a position: by its own words, or on spot, where there are none, by
        what was bought and works to be sold."""
        if self.manager.venue.traits.positions:
            return only_reduces(spec)
        return spec.side is Side.SELL and spec.size_int <= reducible(self.manager, spec, without=old)

    def hold_to_kill(self, now: int) -> None:
        """While killed: cancels what robots still have working that could open a position. An
        order may appear late, or a cancel may not have left before the gateway itself died."""
        for order in list(self.manager.open.values()) if self.killed else ():
            if order.robot and not self.reduces(order.spec, order):
                self.manager.cancel_once(order, now)

    def _of_venue(self, spec: OrderSpec, instrument: Instrument, old: Managed | None = None) -> Refusal | None:
        rules = self._rules.get(spec.symbol)
        if rules is None or rules.instrument is not instrument:  # it has a new version
            rules = self._rules[spec.symbol] = Rules(instrument)
        near = self._reference(spec.symbol)
        if rules.are_kept(spec, near):
            return None
        return refusal_of(spec, instrument, reference=near, widened=self._widened(spec, old))

    def _widened(self, spec: OrderSpec, old: Managed | None) -> int:
        """Times the venue's band."""
        silent = self.silent_ns(spec.symbol)
        return 1 + silent // WIDENS if silent and self.reduces(spec, old) else 1

    def _of_account(
        self,
        spec: OrderSpec,
        instrument: Instrument,
        old: Managed | None,
        *,
        is_inside: bool = False,
        behind_ns: int = 0,
    ) -> Refusal | None:
        """old: the order that it takes the place of."""
        left = _left(spec, old)
        if (none := self._no_reduction(spec)) is not None:
            return none
        if self.reduces(spec, old):
            broken = self._reduction(spec, instrument, left, old)
        else:
            broken = self._new_risk(spec, instrument, left, old)
            if broken is None and behind_ns:
                shown = f"{behind_ns / SECOND:.1f} s of it had not been read"
                broken = Refusal.of(StaleData, f"it was decided on an old market, {shown}")
        if broken is None and not is_inside:
            broken = self._own_orders(spec)
        return broken

    def _no_reduction(self, spec: OrderSpec) -> Refusal | None:
        if spec.reduce_only and not self.manager.venue.traits.positions:
            # Rather than forgotten: there it would be an order like any other.
            return Refusal.of(ReduceOnlyViolated, "a spot account has no position to reduce")
        return None

    def _reduction(self, spec: OrderSpec, instrument: Instrument, left: int, old: Managed | None) -> Refusal | None:
        """While the account is not reconciled what is held is not known, and the venue judges. So
        it does when a trigger fires: what is held then counts."""
        if not self.ready or spec.trigger_by is not TriggerBy.NONE:
            return None
        most = reducible(self.manager, spec, without=old)
        if left <= most:
            return None
        shown = f"{instrument.size_text(max(most, 0))} can be reduced with what works"
        return Refusal.of(ReduceOnlyViolated, f"{instrument.size_text(left)}, {shown}")

    def _new_risk(self, spec: OrderSpec, instrument: Instrument, left: int, old: Managed | None) -> Refusal | None:
        for _, broken in RISK_RULES:
            refusal = broken(self, spec, instrument, left, old)
            if refusal is not None:
                return refusal
        return None

    def rules(
        self, spec: OrderSpec, now: int, *, is_inside: bool = False, robot: int = 0, rate: int = 0
    ) -> Iterator[tuple[str, Refusal | None]]:
        """Each rule by name, in the order in which `refusal` asks them, and how a new order breaks
        it. Counts nothing."""
        instrument = self.instruments[spec.symbol]
        near = spec.trigger_int or self._reference(spec.symbol)
        widened = self._widened(spec, None)
        for name, error, words in VENUE_RULES:
            rule = words(spec, instrument, near, widened)
            yield name, Refusal.of(error, rule) if rule else None
        left, reduces = _left(spec, None), self.reduces(spec)
        yield (
            "reduction",
            (self._no_reduction(spec) or (self._reduction(spec, instrument, left, None) if reduces else None)),
        )
        for name, broken in RISK_RULES:
            yield name, None if reduces else broken(self, spec, instrument, left, None)
        yield "own orders", None if is_inside else self._own_orders(spec)
        yield "order rate", self._over_rate(spec, now, None, robot, rate)
        yield "money", self._funds(spec, instrument, None)

    def sent_this_second(self, now: int) -> int:
        """Orders of all robots together."""
        return self._sent if now // SECOND == self._second else 0

    def _kill(self, spec: OrderSpec, *_: object) -> Refusal | None:
        if self.killed:
            return Refusal.of(Killed, f"the kill switch is on: {self.killed}")
        return None

    def _room(self, spec: OrderSpec, *_: object) -> Refusal | None:
        if self.disk_full:
            return Refusal.of(DiskFull, "there is no room for the gateway's journal")
        return None

    def _stream(self, spec: OrderSpec, *_: object) -> Refusal | None:
        if self.is_deaf:
            return Refusal.of(StaleData, "the account's stream does not tell what happens")
        return None

    def _reconciled(self, spec: OrderSpec, *_: object) -> Refusal | None:
        if not self.ready:
            return Refusal.of(VenueUnavailable, "what the account holds is being reconciled")
        return None

    def _market(self, spec: OrderSpec, *_: object) -> Refusal | None:
        if silent := self.silent_ns(spec.symbol):
            shown = f"{silent / SECOND:.1f} s"
            return Refusal.of(StaleData, f"the market of {spec.symbol} has been silent for {shown}")
        return None

    def _unknown(self, spec: OrderSpec, *_: object) -> Refusal | None:
        unknown = self.manager.directory.working.unknown(spec.symbol)
        if unknown is not None:
            return Refusal.of(OrderOutcomeUnknown, f"nobody knows yet what became of {unknown.client_id}")
        return None

    def _order_size(self, spec: OrderSpec, instrument: Instrument, left: int, old: Managed | None) -> Refusal | None:
        most = self.limits.order_max.get(spec.symbol, 0)
        if most and spec.size_int > most:
            shown = f"{instrument.size_text(spec.size_int)} is above the most of this account"
            return Refusal.of(OrderInvalid, f"quantity {shown}, {instrument.size_text(most)}")
        return None

    def _position(self, spec: OrderSpec, instrument: Instrument, left: int, old: Managed | None) -> Refusal | None:
        most = self.limits.position_max.get(spec.symbol, 0)
        if most:
            worst = worst_held(self.manager, spec, without=old) + left
            if worst > most:
                text = f"{instrument.size_text(worst)} with what works, at most "
                return Refusal.of(PositionLimit, text + instrument.size_text(most))
        return None

    def _mode(self, spec: OrderSpec, *_: object) -> Refusal | None:
        mode = self.manager.mode
        if mode is None:
            return None
        if self._hedge is None:
            self._hedge = mode.hedge
        if mode.hedge != self._hedge:
            found, wanted = (("hedge", "one-way"), ("one-way", "hedge"))[not mode.hedge]
            return Refusal.of(AccountMode, f"the account is in {found} mode, not in {wanted} mode")
        if not mode.can_trade:
            return Refusal.of(AccountMode, "the venue says that this account cannot trade")
        return None

    def _band(self, spec: OrderSpec, instrument: Instrument, *_: object) -> Refusal | None:
        """Our own, on the side that would pay too much."""
        band = self.limits.price_band
        if not band or spec.type is not OrderType.LIMIT:
            return None
        near = spec.trigger_int or self._reference(spec.symbol)
        if not near:
            return Refusal.of(StaleData, "no price is known yet to measure it by")
        away = (spec.price_int - near) * spec.side.sign
        if away <= abs(near) * band:
            return None
        where = "above" if spec.side is Side.BUY else "below"
        return Refusal.of(
            PriceBand,
            f"price {instrument.price_text(spec.price_int)} is more than"
            f" {decimal_text(band * 100)} % {where} {instrument.price_text(near)}",
        )

    def _own_orders(self, spec: OrderSpec) -> Refusal | None:
        """A robot's order must not trade with another one of the same account. (One that is
        amended is on the side that is not looked at.)"""
        if spec.post_only or spec.trigger_by is not _NO_TRIGGER:
            return None
        other = self.manager.directory.working.meets(spec)
        if other is None:
            return None
        text = f"it would meet {other.client_id}"
        if spec.type is OrderType.MARKET:
            front = self.in_front(spec.symbol, other.spec.side, nearest(other))
            wanted = spec.size_int + self._taking(spec)
            if wanted <= front:
                return None
            sized = self.instruments[spec.symbol].size_text
            text += f": {sized(wanted)} with what is on its way, {sized(front)} known in front"
        return Refusal.of(SelfTrade, text)

    def _taking(self, spec: OrderSpec) -> int:
        """What may take from the book before an order of that side: of market type, or nobody knows
        yet that it is in the book."""
        return sum(
            each.worst_left
            for each in self.manager.open.values()
            if each.spec.symbol == spec.symbol
            and each.spec.side is spec.side
            and (each.spec.type is OrderType.MARKET or each.pending or each.is_unknown)
            and not waits(each, self.manager.venue.traits)
        )

    def _funds(self, spec: OrderSpec, instrument: Instrument, old: Managed | None) -> Refusal | None:
        """On spot; of margin the venue knows more than we do. Asked last: what lacks nothing but
        money may wait for it."""
        if instrument.kind is not _SPOT or not self.ready:
            return None
        near = spec.price_int or spec.trigger_int or self._reference(spec.symbol)
        wanted = spending(instrument, spec, _left(spec, old), near)
        if wanted is None:
            return None
        free = free_funds(self.manager, self.instruments, wanted.currency, without=old)
        if wanted.amount <= free:
            return None
        text = f"{decimal_text(money(wanted.amount))} {wanted.currency} with the fee, "
        return Refusal.of(InsufficientFunds, f"{text}{decimal_text(money(max(free, 0)))} are free of what works")

    def _reference(self, symbol: str) -> int:
        return self.manager.references.get(symbol, 0)

    def _rate(self, spec: OrderSpec, now: int, old: Managed | None, robot: int, rate: int) -> Refusal | None:
        """What only reduces passes, and counts."""
        if not (rate or self.limits.orders_a_second):
            return None
        refusal = self._over_rate(spec, now, old, robot, rate)
        if refusal is None:
            second = now // SECOND
            if second != self._second:
                self._second, self._sent = second, 0
            self._sent += 1
            if rate:
                self._due[robot] = max(self._due.get(robot, 0), now) + SECOND // rate
        return refusal

    def _over_rate(self, spec: OrderSpec, now: int, old: Managed | None, robot: int, rate: int) -> Refusal | None:
        """The same, and counts nothing."""
        all_together = self.limits.orders_a_second
        if not (rate or all_together) or self.reduces(spec, old):
            return None
        due = max(self._due.get(robot, 0), now)  # when all that it has sent is paid for
        if rate and due - now > (rate * BURST_S - 1) * SECOND // rate:
            return Refusal.of(OrderRate, f"more than {rate} orders a second of this robot")
        if all_together and self.sent_this_second(now) >= all_together:
            return Refusal.of(OrderRate, f"more than {all_together} orders a second")
        return None


# What only new risk has to pass, in the order in which it is asked.
RISK_RULES: Final = (
    ("kill switch", Gate._kill),
    ("journal", Gate._room),
    ("account stream", Gate._stream),
    ("reconciled", Gate._reconciled),
    ("market data", Gate._market),
    ("account mode", Gate._mode),
    ("unknown orders", Gate._unknown),
    ("order size", Gate._order_size),
    ("position", Gate._position),
    ("price band", Gate._band),
)


def _left(spec: OrderSpec, old: Managed | None) -> int:
    """What can be filled of an order in the place of another."""
    return spec.size_int - (old.life.filled if old is not None else 0)
