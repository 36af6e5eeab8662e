"""Pre-trade rules on the request itself, and on whether new risk may be taken now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from onetape.model.enums import OrderType, PositionSide
from onetape.model.errors import (
    AccountMode,
    BannedSymbol,
    DiskFull,
    HaltedAccount,
    Killed,
    LossHalt,
    MarketDataUnavailable,
    NoGuardian,
    NoLease,
    NotProtected,
    OnetapeError,
    OrderInvalid,
    OrderOutcomeUnknown,
    StaleData,
    UnknownSymbol,
    VenueUnavailable,
)
from onetape.model.time import SECOND, format_time
from onetape.orders.filters import NOT_MEASURED, Measure, Refusal
from onetape.orders.halts import Halt, Level, Scope
from onetape.orders.pre_trade.view import View


def may_be_wrong(view: View) -> bool:
    spec, manager = view.spec, view.state.manager
    return (
        view.instrument is None
        or len(view.client_id) > manager.venue.client_id_chars
        or spec.once is not None
        or not _has_side(view)
        or not view.near
    )


def unpriced(view: View) -> Refusal | None:
    spec = view.spec
    if view.near or spec.type is not OrderType.MARKET or not view.state.manager.venue.traits.prices_market:
        return None
    return Refusal.of(MarketDataUnavailable, f"{spec.symbol} has no price yet: this venue needs a price for it")


def market_price(view: View) -> Measure:
    return ("a price" if view.near else "no price"), "a price"


def unlisted(view: View) -> Refusal | None:
    if view.is_listed:
        return None
    return Refusal.of(UnknownSymbol, f"{view.spec.symbol} is not traded by this gateway")


def symbol(view: View) -> Measure:
    return view.spec.symbol, None


def long_id(view: View) -> Refusal | None:
    # After many restarts of a robot, or many orders: a new robot name starts short ids again.
    chars = view.state.manager.venue.client_id_chars
    if len(view.client_id) <= chars:
        return None
    text = f"{view.client_id} has {len(view.client_id)} letters, at most {chars}"
    return Refusal.of(OrderInvalid, text)


def id_chars(view: View) -> Measure:
    return str(len(view.client_id)), str(view.state.manager.venue.client_id_chars)


def taken(view: View) -> Refusal | None:
    key = view.spec.once
    if key is None or view.keys is None or view.old is not None:
        return None
    return view.keys.refusal(key, view.slot, view.now)


def of_other_side(view: View) -> Refusal | None:
    """Refuses a position side that the account's mode does not have, because the venue would, possibly after other
    orders of the same decision have filled. If the mode was changed, the rule `account mode` refuses instead."""
    mode, side = view.state.manager.mode, view.spec.position_side
    if mode is None or _has_side(view) or other_mode(view) is not None:
        return None
    if not _has_position(view):
        return Refusal.of(AccountMode, f"{side}: spot has no sides")
    text = f"{side}: the account is in {_mode(mode.hedge)} mode, whose sides are {_sides(mode.hedge)}"
    return Refusal.of(AccountMode, text)


def position_side(view: View) -> Measure:
    mode = view.state.manager.mode
    sides = None if mode is None else _sides(mode.hedge and _has_position(view))
    return view.spec.position_side.value, sides


def _has_side(view: View) -> bool:
    mode = view.state.manager.mode
    is_both = view.spec.position_side is PositionSide.BOTH
    return mode is None or is_both is not (mode.hedge and _has_position(view))


def _has_position(view: View) -> bool:
    return view.state.manager.venue.traits.has_position(view.spec.symbol)


def may_be_halted(view: View) -> bool:
    state, symbol = view.state, view.spec.symbol
    return bool(
        state.halts.killed
        or state.disk_full
        or state.halts
        or state.halts.unprotected
        or (state.around.is_guarded and view.now >= state.halts.lease_until)
        or view.now >= state.halts.open_until
        or not state.ready
        or state.is_deaf
        or view.behind_ns
        or state.around.silent_ns(symbol)
        or bool(state.manager.account.unknown(symbol))
    )


def killed(view: View) -> Refusal | None:
    killed = view.state.halts.killed
    if not killed or view.takes_off:
        return None
    until = "until it is off: onetape send gateway:ACCOUNT unkill"
    return Refusal.of(Killed, f"on: {killed}; nothing that adds risk leaves {until}")


def kill_switch(view: View) -> Measure:
    killed = view.state.halts.killed
    return (f"on: {killed}" if killed else "off"), "off"


def full(view: View) -> Refusal | None:
    if not view.state.disk_full:
        return None
    return Refusal.of(DiskFull, "it is full; nothing that adds risk leaves until it has room")


def room(view: View) -> Measure:
    return ("full" if view.state.disk_full else "has room"), "has room"


_HALTED_WITH: Final[Mapping[Scope, type[OnetapeError]]] = {
    Scope.SYMBOL: BannedSymbol,
    Scope.STRATEGY: LossHalt,
    Scope.ACCOUNT: HaltedAccount,
    Scope.SYSTEM: LossHalt,
}
HALTED: Final = (BannedSymbol, LossHalt, HaltedAccount)


def halted(view: View) -> Refusal | None:
    halt = _halt(view)
    if halt is None or not view.state.is_halted(halt, view.spec, view.left, view.old, owner=view.owner):
        return None
    return _refused(halt, "may only be reduced" if halt.level > Level.ADD else "opens nothing new")


def _refused(halt: Halt, what: str) -> Refusal:
    until = f"until {format_time(halt.until)}" if halt.until else "until it is lifted"
    lost = f"{halt.loss} lost by {halt.rule}, at most {halt.limit}" if halt.loss else f"{halt.rule}"
    why = f" ({halt.reason})" if halt.reason else ""
    return Refusal.of(_HALTED_WITH[halt.scope], f"{halt.name} {what} {until}: {lost}{why}; {halt.id}")


def halt(view: View) -> Measure:
    found = _halt(view)
    if found is None:
        return "none", "none"
    return (found.loss, found.limit) if found.loss else (found.rule, "none")


def by_robot(view: View) -> Refusal | None:
    """Refuses a robot's order, reductions too, at the highest danger level."""
    halt = _halt(view)
    if halt is None or halt.level < Level.HANDS or view.is_by_hand:
        return None
    return _refused(halt, "is traded by hand alone")


def danger(view: View) -> Measure:
    found = _halt(view)
    return (f"{found.level:d}" if found is not None else "0"), f"{Level.HANDS - 1}"


def _halt(view: View) -> Halt | None:
    state = view.state
    return state.halts.of(view.spec.symbol, state.around.strategy_of(view.robot), view.now) if state.halts else None


def unguarded(view: View) -> Refusal | None:
    state = view.state
    if not state.around.is_guarded or view.now < state.halts.lease_until or view.takes_off:
        return None
    late, limit = lease(view)
    return Refusal.of(NoGuardian, f"no guardian watches this account: its lease has {late}, at most {limit}")


def lease(view: View) -> Measure:
    state = view.state
    if not state.around.is_guarded:
        return NOT_MEASURED
    until = state.halts.lease_until
    if not until:
        return "not begun", "0 s"
    return (f"been over for {_seconds(view.now - until)}" if view.now >= until else "0 s"), "0 s"


def unleased(view: View) -> Refusal | None:
    if view.now < view.state.halts.open_until or view.takes_off:
        return None
    late, _ = host_lease(view)
    return Refusal.of(NoLease, f"another host may trade on this account soon: the lease of this one has {late}")


def host_lease(view: View) -> Measure:
    until = view.state.halts.open_until
    return (f"been over for {_seconds(view.now - until)}" if view.now >= until else "0 s"), "0 s"


def unprotected(view: View) -> Refusal | None:
    if view.spec.symbol not in view.state.halts.unprotected or view.takes_off:
        return None
    bare, limit = protection(view)
    text = f"the position in {view.spec.symbol} has had no verified stop for {bare}, at most {limit}"
    return Refusal.of(NotProtected, text)


def protection(view: View) -> Measure:
    since = view.state.halts.unprotected.get(view.spec.symbol)
    return "0 s" if since is None else _seconds(max(view.now - since, 0)), "0 s"


def not_reconciled(view: View) -> Refusal | None:
    """Refuses what is no reduction. On spot no venue enforces one, so before the first reconciliation there is none: a
    journal that another host copied may lack the last fills."""
    state = view.state
    if state.ready:
        return None
    if view.reduces and (state.reconciled_once or state.manager.venue.traits.has_position(view.spec.symbol)):
        return None
    return Refusal.of(VenueUnavailable, "the account is being reconciled")


def reconciled(view: View) -> Measure:
    return ("reconciled" if view.state.ready else "being reconciled"), "reconciled"


def deaf(view: View) -> Refusal | None:
    if not view.state.is_deaf:
        return None
    return Refusal.of(StaleData, "it is connected but silent, not reporting fills and orders")


def account_stream(view: View) -> Measure:
    return ("silent" if view.state.is_deaf else "reporting"), "reporting"


def silent(view: View) -> Refusal | None:
    silent = view.state.around.silent_ns(view.spec.symbol)
    if not silent:
        return None
    bound = _seconds(view.state.around.silent_max_ns(view.spec.symbol))
    return Refusal.of(StaleData, f"{view.spec.symbol} has been silent for {_seconds(silent)}, at most {bound}")


def silence(view: View) -> Measure:
    state, symbol = view.state, view.spec.symbol
    return f"silent for {_seconds(state.around.silent_ns(symbol))}", _seconds(state.around.silent_max_ns(symbol))


def late(view: View) -> Refusal | None:
    if not view.behind_ns:
        return None
    text = f"the robot had not read the last {_seconds(view.behind_ns)} of the market when it decided"
    return Refusal.of(StaleData, f"{text}, at most {_seconds(view.state.around.decision_max_ns)}")


def lateness(view: View) -> Measure:
    bound = view.state.around.decision_max_ns
    return _seconds(view.behind_ns), _seconds(bound) if bound else None


def _seconds(ns: int) -> str:
    return f"{ns / SECOND:.1f} s"


def unknown(view: View) -> Refusal | None:
    unknown = view.state.manager.account.unknown(view.spec.symbol)
    if not unknown:
        return None
    text = f"{len(unknown)} with an unknown outcome, among them {unknown[0].client_id}"
    return Refusal.of(OrderOutcomeUnknown, f"{text}; at most 0")


def unknown_orders(view: View) -> Measure:
    return str(len(view.state.manager.account.unknown(view.spec.symbol))), "0"


def other_mode(view: View) -> Refusal | None:
    mode = view.state.manager.mode
    if mode is None:
        return None
    wanted = view.state.hedge_wanted(mode.hedge)
    if mode.hedge != wanted:
        text = f"the account is in {_mode(mode.hedge)} mode, not in {_mode(wanted)} mode"
        return Refusal.of(AccountMode, text)
    if not mode.can_trade:
        text = f"the venue says that this account, {_mode(mode.hedge)}, cannot trade"
        return Refusal.of(AccountMode, text)
    return None


def account_mode(view: View) -> Measure:
    mode = view.state.manager.mode
    if mode is None:
        return NOT_MEASURED
    found = _mode(mode.hedge) + ("" if mode.can_trade else ", cannot trade")
    return found, _mode(view.state.hedge_wanted(mode.hedge))


def _mode(is_hedge: bool) -> str:
    return "hedge" if is_hedge else "one-way"


def _sides(is_hedge: bool) -> str:
    return "long or short" if is_hedge else "both"
