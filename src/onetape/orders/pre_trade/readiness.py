"""Whether an order may be asked for by whoever asks, and whether new risk may be taken on now."""

from __future__ import annotations

from onetape.model.errors import (
    AccountMode,
    DiskFull,
    Killed,
    OrderInvalid,
    OrderOutcomeUnknown,
    StaleData,
    UnknownSymbol,
    VenueUnavailable,
)
from onetape.model.time import SECOND
from onetape.orders.filters import NOT_MEASURED, Measure, Refusal
from onetape.orders.pre_trade.view import View


def may_be_wrong(view: View) -> bool:
    chars = view.state.manager.venue.client_id_chars
    return view.instrument is None or len(view.client_id) > chars or view.spec.once is not None


def unlisted(view: View) -> Refusal | None:
    if view.is_listed:
        return None
    return Refusal.of(UnknownSymbol, f"{view.spec.symbol} is not traded by this gateway")


def symbol(view: View) -> Measure:
    return view.spec.symbol, None


def long_id(view: View) -> Refusal | None:
    # Many lives of a robot, or many orders: a new name begins anew.
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


def may_be_halted(view: View) -> bool:
    state, symbol = view.state, view.spec.symbol
    return bool(
        state.killed
        or state.disk_full
        or not state.ready
        or state.is_deaf
        or view.behind_ns
        or state.silent_ns(symbol)
        or state.manager.index.working.unknown(symbol) is not None
    )


def killed(view: View) -> Refusal | None:
    killed = view.state.killed
    if not killed:
        return None
    return Refusal.of(Killed, f"on: {killed}; nothing that adds risk leaves until it is off")


def kill_switch(view: View) -> Measure:
    killed = view.state.killed
    return (f"on: {killed}" if killed else "off"), "off"


def full(view: View) -> Refusal | None:
    if not view.state.disk_full:
        return None
    return Refusal.of(DiskFull, "it is full; nothing that adds risk leaves until it has room")


def room(view: View) -> Measure:
    return ("full" if view.state.disk_full else "has room"), "has room"


def not_reconciled(view: View) -> Refusal | None:
    if view.state.ready:
        return None
    return Refusal.of(VenueUnavailable, "what the account holds is being reconciled")


def reconciled(view: View) -> Measure:
    return ("reconciled" if view.state.ready else "being reconciled"), "reconciled"


def deaf(view: View) -> Refusal | None:
    if not view.state.is_deaf:
        return None
    return Refusal.of(StaleData, "it is silent, though connected: nobody tells what happens")


def account_stream(view: View) -> Measure:
    return ("silent" if view.state.is_deaf else "tells"), "tells"


def silent(view: View) -> Refusal | None:
    silent = view.state.silent_ns(view.spec.symbol)
    if not silent:
        return None
    bound = _seconds(view.state.silent_max_ns(view.spec.symbol))
    return Refusal.of(StaleData, f"that of {view.spec.symbol} has been silent for {_seconds(silent)}, at most {bound}")


def silence(view: View) -> Measure:
    state, symbol = view.state, view.spec.symbol
    return f"silent for {_seconds(state.silent_ns(symbol))}", _seconds(state.silent_max_ns(symbol))


def late(view: View) -> Refusal | None:
    if not view.behind_ns:
        return None
    text = f"it was decided on an old market, {_seconds(view.behind_ns)} of it had not been read"
    return Refusal.of(StaleData, f"{text}, at most {_seconds(view.state.decision_max_ns)}")


def lateness(view: View) -> Measure:
    bound = view.state.decision_max_ns
    return _seconds(view.behind_ns), _seconds(bound) if bound else None


def _seconds(ns: int) -> str:
    return f"{ns / SECOND:.1f} s"


def unknown(view: View) -> Refusal | None:
    unknown = view.state.manager.index.working.unknown(view.spec.symbol)
    if unknown is None:
        return None
    text = f"nobody knows yet what became of {_unknown_count(view)}, {unknown.client_id} for one"
    return Refusal.of(OrderOutcomeUnknown, f"{text}; at most 0")


def unknown_orders(view: View) -> Measure:
    return str(_unknown_count(view)), "0"


def _unknown_count(view: View) -> int:
    unknown = view.state.manager.index.working.all_unknown()
    return sum(each.spec.symbol == view.spec.symbol for each in unknown)


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
