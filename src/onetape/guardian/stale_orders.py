"""Finds robots' orders that have worked for too long, by the purpose in their tag, and cancels them, or lets a share of
them take at a bounded price. Pure.

Orders placed by hand and foreign orders are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from onetape.guardian.events import CancelOrder, Record, TakeShare
from onetape.model.enums import OrderState, OrderType, PositionSide, Side, TriggerBy
from onetape.model.sections import GUARDIAN
from onetape.model.time import SECOND, format_duration
from onetape.options.guardian_rules import StaleRules
from onetape.orders.order import Key, Order
from onetape.projections.account import AccountState

__all__ = ["StaleOrders", "Top"]

RETRY: Final = 2 * SECOND  # of a request without effect, doubled each time
RETRY_MAX: Final = 60 * SECOND
REDUCING: Final = SECOND // 2
# A tenth of the 300 orders in ten seconds that Binance allows an account: a cancel counts one, a taking share two.
PACE: Final = SECOND // 3
AHEAD: Final = SECOND  # burst allowance
FRESH: Final = 10 * SECOND  # an older price is ignored
_WORKS: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})


class Top(NamedTuple):
    """Best prices of a symbol, in units, and when they arrived, ns."""

    bid: int
    ask: int
    at: int


class StaleOrders:
    """Ends the stale orders of one account. epoch: of this incarnation of the guardian, part of the ids of its
    commands."""

    def __init__(self, account: str, rules: StaleRules, *, epoch: str) -> None:
        self._account, self._rules, self._epoch = account, rules, epoch
        self._count = 0
        self._free_at = 0  # by the rate limit
        self._next: dict[Key, tuple[int, int]] = {}  # time of its next check, and the delay after that
        self._orphans: dict[Key, int] = {}  # since when
        self._converted: set[Key] = set()  # or refused
        self._said: set[tuple[Key, bool]] = set()  # recorded already; whether of a cancel

    @property
    def is_idle(self) -> bool:
        return not self._rules.tags and not self._rules.orphans_after

    def look(self, view: AccountState, tops: Mapping[str, Top], now: int) -> list[CancelOrder | TakeShare | Record]:
        """Returns the effects that are due, the oldest orders first. now: ns UTC, like the times of the orders."""
        for kept in (self._next, self._orphans):
            for key in kept.keys() - view.working.keys():
                del kept[key]
        self._converted &= view.working.keys()
        self._said = {each for each in self._said if each[0] in view.working}
        effects: list[CancelOrder | TakeShare | Record] = []
        for key, row in view.working.items():
            if self._free_at > now + AHEAD:
                break
            life = view.robots.get(row.robot)
            if life is None or life.is_operator or row.spec.tag == GUARDIAN or row.state not in _WORKS:
                continue
            at, wait = self._next.get(key, (0, RETRY))
            if now < at:
                continue
            effect = self._due(view, key, row, tops, now)
            if effect is None:
                continue
            is_cancel = isinstance(effect, CancelOrder)
            self._next[key] = (now + wait, min(2 * wait, RETRY_MAX)) if is_cancel else (now + REDUCING, wait)
            self._free_at = max(self._free_at, now) + PACE * (1 if is_cancel else 2)
            if (key, is_cancel) not in self._said:
                self._said.add((key, is_cancel))
                effects.append(self._record(row, effect, now))
            effects.append(effect)
        return effects

    def answered(self, effect: TakeShare, state: str, refused: str) -> list[Record]:
        """Handles a gateway's answer to TakeShare. state: `taken`; or `reducing`: the order is not smaller yet, and the
        command has to be repeated. refused: the reason, "": it was not refused. Both "": no answer came in time."""
        key = effect.robot, effect.order_id
        if not refused and state != "taken":
            return []
        self._converted.add(key)
        words = f"not taken: {refused}" if refused else "taken"
        about = {"account": self._account, "symbol": effect.symbol, "order": effect.order, "qty": effect.qty}
        return [Record("stale order", f"{self._account} {effect.order}", words, about, "warning")]

    def _record(self, row: Order, effect: CancelOrder | TakeShare, now: int) -> Record:
        age_s = round((now - row.created) / SECOND, 3)
        about = {"account": self._account, "symbol": row.spec.symbol, "order": effect.order}
        more = {"tag": row.spec.tag, "age_s": age_s}
        return Record("stale order", f"{self._account} {effect.order}", effect.reason, about | more, "warning")

    def _due(
        self, view: AccountState, key: Key, row: Order, tops: Mapping[str, Top], now: int
    ) -> CancelOrder | TakeShare | None:
        rule, age = self._rules.of(row.spec.tag), now - row.created
        tag = repr(row.spec.tag)
        if row.spec.trigger_by is not TriggerBy.NONE:
            if self._is_orphan(view, key, row, now):
                return self._cancel(view, row, "canceled: a stop without a position")
            return None
        if rule.cancel_after and age >= rule.cancel_after:
            return self._cancel(view, row, f"canceled: {tag} after {format_duration(rule.cancel_after)}")
        if not rule.take_after or age < rule.take_after or key in self._converted:
            return None
        instrument, top = view.instruments[row.spec.symbol], tops.get(row.spec.symbol)
        qty = instrument.size_int(instrument.size(row.left) * rule.share)
        if row.spec.type is not OrderType.LIMIT or not qty:
            self._converted.add(key)
            return None
        if top is None or now - top.at > FRESH or not top.bid or not top.ask:
            return None
        best, sign = (top.bid, 1) if row.spec.side is Side.BUY else (top.ask, -1)
        price = instrument.price_int(instrument.price(best) * (1 + sign * rule.within), row.spec.side)
        reason = f"{rule.share:.0%} takes liquidity after {format_duration(rule.take_after)}: {tag}"
        order = view.robots[row.robot].client_id(row.order_id)
        return TakeShare(self._id(), self._account, order, row.spec.symbol, qty, price, reason, row.robot, row.order_id)

    def _cancel(self, view: AccountState, row: Order, reason: str) -> CancelOrder:
        order = view.robots[row.robot].client_id(row.order_id)
        return CancelOrder(self._id(), self._account, order, reason)

    def _is_orphan(self, view: AccountState, key: Key, row: Order, now: int) -> bool:
        """Tells whether a closing order has had no position to close for the configured time."""
        spec = row.spec
        held = view.held.get((spec.symbol, spec.position_side))
        opens = {PositionSide.LONG: Side.BUY, PositionSide.SHORT: Side.SELL}.get(spec.position_side, spec.side)
        closes = spec.reduce_only or spec.side is not opens
        if not self._rules.orphans_after or not closes or (held is not None and held.qty * spec.side.sign < 0):
            self._orphans.pop(key, None)
            return False
        return now - self._orphans.setdefault(key, now) >= self._rules.orphans_after

    def _id(self) -> str:
        self._count += 1
        return f"guardian {self._epoch} stale {self._count}"
