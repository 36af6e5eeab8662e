"""Show a robot's state at one place of its run as plain values: for tables, --json and readers.

Prices, sizes and money are exact decimals as text. Attributes of the strategy are shown with bounded size and without
calling their code, so that showing them changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType
from typing import Any, Final

from onetape import _core
from onetape.engine.parameters import parameters_of
from onetape.engine.plan import toml_value
from onetape.engine.session import Session
from onetape.model.decimals import decimal_text, scaled
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.replay.frames_around import AROUND, FramesAround
from onetape.replay.repetition import Repetition

__all__ = ["LEVELS", "opened_at", "state_of", "whole_state", "worded"]

LEVELS: Final = 10  # levels of each side of a book
DEPTH_MAX: Final = 6  # levels of nesting shown
ITEMS_MAX: Final = 100  # items shown of a list or dict; longer ones are marked
TEXT_MAX: Final = 500  # characters shown of a text
_LENT: Final = frozenset({"_loop", "_host", "random", "resumed"})  # attributes set by the engine
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


def state_of(session: Session) -> dict[str, Any]:
    """Returns the state that decides the robot's next action (parameters, memory, attributes, positions, working
    orders) and its equity."""
    loop, robot = session.loop, session.robot
    if session.compiled is not None:
        session.compiled.write_back()  # copy the attributes from the machine code's memory
    facts = session.host.instruments
    declared = parameters_of(type(robot))
    return {
        "params": {name: toml_value(value) for name, value in session.params.items()},
        "equity": loop.equity_text,
        "trading": loop.trading,
        "halted": loop.halted,
        "positions": [_position(p, facts[p.symbol]) for p in loop.positions()],
        "orders": [_order(o, facts[o.symbol]) for o in loop.working(None)],
        "memory": dict(session.host.memory),
        "own": {
            name: worded(value) for name, value in vars(robot).items() if name not in declared and name not in _LENT
        },
    }


def whole_state(session: Session) -> dict[str, Any]:
    """Returns `state_of` with the time, the money and the robot's market."""
    state = state_of(session)
    return {
        "now": session.loop.now,
        **{name: state.pop(name) for name in ("equity", "trading", "halted")},
        "balances": _balances(session),
        **state,
        "market": _market_of(session),
        "state_hash": session.loop.state_hash(session.host.memory_bytes).hex(),
    }


def opened_at(repetition: Repetition, frames: FramesAround, *, life: int, around: int = AROUND) -> dict[str, Any]:
    """Returns the whole state of a repetition with the last frame taken and its neighbours. life: index of the
    incarnation."""
    return {
        "life": life + 1,
        "frames": repetition.frames,
        "is_end": repetition.is_whole,
        **frames.at(repetition.taken, around),
        **whole_state(repetition.session),
    }


def _market_of(session: Session) -> dict[str, Any]:
    """Returns symbol -> best bid and ask, the book if there is one, and the robot's subscriptions."""
    listens: dict[str, list[str]] = {}
    for symbol, kind in sorted(session.host.subscriptions):
        listens.setdefault(symbol, []).append(kind)
    shown = {}
    for symbol, facts in session.host.instruments.items():
        quote = session.loop.quote(symbol)
        book = session.loop.book(symbol)
        bids, asks = book.bids(LEVELS), book.asks(LEVELS)
        shown[symbol] = {
            "subscribed": listens.get(symbol, []),
            "quote": _quote(quote, facts) if quote is not None else None,
            "book": {"synced": book.synced, "bids": _levels(bids, facts), "asks": _levels(asks, facts)}
            if len(bids) or len(asks)
            else None,
        }
    return shown


def _position(position: _core.Position, facts: Instrument) -> dict[str, Any]:
    return {
        "symbol": position.symbol,
        "side": str(position.side),
        "qty": facts.size_text(position.qty_int),
        "entry_price": _number(position.entry_price),
        "realized": _number(position.realized),
        "unrealized": _number(position.unrealized),
    }


def _order(order: _core.Order, facts: Instrument) -> dict[str, Any]:
    return {
        "id": order.id,
        "symbol": order.symbol,
        "side": str(order.side),
        "type": str(order.type),
        "price": None if order.price is None else facts.price_text(order.price_int),
        "trigger": None if order.trigger is None else facts.price_text(order.trigger_int),
        "kind": order.kind,
        "qty": facts.size_text(order.qty_int),
        "filled": facts.size_text(order.filled_int),
        "state": str(order.state),
        "tif": str(order.tif),
        "tag": order.tag,
        "ts_created": order.ts_created,
    }


def _quote(quote: _core.Quote, facts: Instrument) -> dict[str, Any]:
    return {
        "bid": facts.price_text(quote.bid_int),
        "ask": facts.price_text(quote.ask_int),
        "bid_size": facts.size_text(quote.bid_size_int),
        "ask_size": facts.size_text(quote.ask_size_int),
        "ts_event": quote.ts_event,
        "ts_recv": quote.ts_recv,
    }


def _levels(levels: Iterable[tuple[float, float]], facts: Instrument) -> list[list[str]]:
    return [[f"{price:.{facts.price_decimals}f}", f"{size:.{facts.size_decimals}f}"] for price, size in levels]


def _balances(session: Session) -> list[dict[str, Any]]:
    return [
        {
            "account": account,
            "currency": each.currency,
            "total": _money(each.total),
            "available": _money(each.available),
            "locked": _money(each.locked),
        }
        for account, each in session.host.balances
    ]


def _money(amount: Fraction) -> str:
    return decimal_text(scaled(int(amount * 10**MONEY_DECIMALS), MONEY_DECIMALS))


def _number(value: float | None) -> str | None:
    return None if value is None else decimal_text(Decimal(f"{value:.12g}"))


# --- any object -----------------------------------------------------------------------------------


def worded(value: Any, depth: int = 0) -> Any:
    """Returns a value in JSON form with bounded size. Objects are shown by their attributes, without running their
    code. A text that begins with `...` marks an omission."""
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or type(value) in (bool, int):
        return value
    if type(value) is float:
        return value if value - value == 0 else str(value)
    if type(value) is str:
        return _cut(value)
    if type(value).__module__ == "onetape._core":
        return _cut(_ADDRESS.sub("", repr(value)))  # values of our own types
    if depth >= DEPTH_MAX:
        return f"... {type(value).__name__}"
    if isinstance(value, Mapping) and type(value).__module__ in ("builtins", "collections"):
        return _mapping(value, depth)
    if isinstance(value, (set, frozenset)) and type(value).__module__ == "builtins":
        return sorted(map(str, (worded(each, DEPTH_MAX) for each in value)))[:ITEMS_MAX]
    if type(value) in (list, tuple) or type(value).__name__ == "deque":
        return _sequence(value, len(value), depth)
    if type(value).__module__.partition(".")[0] == "numpy":
        return _array(value, depth)
    if type(value).__module__ in ("decimal", "fractions", "datetime", "uuid"):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return f"{bytes(value[:32]).hex()}{'...' if len(value) > 32 else ''}"
    return _object(value, depth)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}... of {len(text)} characters"


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    found = {}
    for number, (key, each) in enumerate(value.items()):
        if number == ITEMS_MAX:
            found["..."] = f"{len(value) - ITEMS_MAX} more"
            break
        found[key if type(key) is str else str(worded(key, DEPTH_MAX))] = worded(each, depth + 1)
    return found


def _sequence(values: Iterable[Any], count: int, depth: int) -> list[Any]:
    """Returns the last items: of a history the end matters most."""
    found = list(values) if count <= ITEMS_MAX else list(values)[-ITEMS_MAX:]
    shown = [worded(each, depth + 1) for each in found]
    return shown if count <= ITEMS_MAX else [f"... {count - ITEMS_MAX} before", *shown]


def _array(value: Any, depth: int) -> Any:
    """Returns a numpy array: one dimension as a list, more as their shape and last values."""
    shape = getattr(value, "shape", None)
    if shape == () and hasattr(value, "item"):
        return worded(value.item(), depth)
    if not shape or not hasattr(value, "tolist"):
        return f"... {type(value).__name__}"
    tail = value.reshape(-1)[-ITEMS_MAX:].tolist()
    if len(shape) == 1:
        cut = shape[0] - len(tail)
        shown = [worded(each, depth + 1) for each in tail]
        return [f"... {cut} before", *shown] if cut else shown
    return {"shape": list(shape), "last": [worded(each, depth + 1) for each in tail]}


def _object(value: Any, depth: int) -> Any:
    if isinstance(value, (type, FunctionType, BuiltinFunctionType, MethodType)):
        return f"... {value.__qualname__}"
    name = type(value).__name__
    kept: dict[str, Any] = {}
    for klass in reversed(type(value).__mro__):
        for slot, member in vars(klass).items():
            if isinstance(member, MemberDescriptorType):
                with suppress(AttributeError):  # the slot was never set
                    kept[slot] = member.__get__(value, type(value))
    with suppress(AttributeError):  # no such attribute
        kept.update(object.__getattribute__(value, "__dict__"))
    kept = {key: each for key, each in kept.items() if key not in _LENT}
    if kept:
        return {"type": name, **_mapping(kept, depth)}
    return f"... {name}"
