"""Format a robot's state at one place of its run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from onetape.cli.frame import TIME_KEYS, TIME_NS_MIN, moment

__all__ = ["book_lines", "brief_lines", "divergence_lines", "frame_line", "frame_lines", "order_lines", "state_text"]

WIDTH = 100
_BESIDE = {"flags", "ts_recv"}  # not shown


def state_text(state: dict[str, Any]) -> str:
    """Returns the complete state as text."""
    lines = [*frame_lines(state), "", *_head(state)]
    lines += _named("parameters", state["params"])
    lines += _named("memory", state["memory"])
    lines += _named("own", state["own"])
    lines += ["balances", *(f"  {_balance(each)}" for each in state["balances"])]
    lines += position_lines(state) + order_lines(state)
    for symbol, market in state["market"].items():
        lines += [f"market {symbol}", f"  {_quote(market['quote'])}"]
        if market["book"] is not None:
            lines.append(f"  {_top(market['book'])}")
    return "\n".join(lines)


def brief_lines(state: dict[str, Any]) -> list[str]:
    """Returns the changes of a step: the frame, and the robot's state."""
    frame = state["frame"]
    lines = [frame_line(frame) if frame else "before the first frame"]
    held = ", ".join(f"{each['qty']} {each['symbol']} at {each['entry_price']}" for each in state["positions"])
    lines.append(
        f"  equity {state['equity']}  position {held or 'none'}  "
        f"working orders {len(state['orders'])}"
        + ("  HALTED" if state["halted"] else "")
        + ("  the run ends here" if state["is_end"] else "")
    )
    return lines


def frame_lines(state: dict[str, Any]) -> list[str]:
    """Returns the lines of a frame and of its neighbours."""
    lines = [f"  {frame_line(each)}" for each in state["before"]]
    if state["frame"] is not None:
        lines.append(f"> {frame_line(state['frame'])}")
    return lines + [f"  {frame_line(each)}" for each in state["after"]]


def divergence_lines(found: dict[str, Any]) -> list[str]:
    """Returns the first differing frame: both sides, and the frames around it."""
    sides = [f"  {side}: {frame_line(found[side]) if found[side] else 'nothing'}" for side in ("recorded", "repeated")]
    return [
        "equal before",
        *(f"  {frame_line(each)}" for each in found["before"]),
        "they part",
        *sides,
        "the market there",
        *frame_lines(found["input"]),
    ]


def frame_line(frame: dict[str, Any]) -> str:
    body = "  ".join(f"{name} {_value(name, value)}" for name, value in frame["data"].items() if name not in _BESIDE)
    text = (
        f"{frame.get('tape', 'run')}:{frame['seq']}  {moment(frame['time'])}  {frame['type']}  "
        f"{frame['symbol']}  {body}"
    )
    return text if len(text) <= 2 * WIDTH else f"{text[: 2 * WIDTH]}..."


def order_lines(state: dict[str, Any]) -> list[str]:
    if not state["orders"]:
        return ["no working orders"]
    lines = ["working orders"]
    for each in state["orders"]:
        price = f"at {each['price']}" if each["price"] is not None else "at market"
        kind = each["kind"] or "trigger"
        trigger = f" {kind} {each['trigger']}" if each["trigger"] is not None else ""
        tag = f" {each['tag']}" if each["tag"] else ""
        lines.append(
            f"  {each['id']}  {each['side']} {each['qty']} {each['symbol']} {price}{trigger}  "
            f"{each['state']}  filled {each['filled']}{tag}"
        )
    return lines


def position_lines(state: dict[str, Any]) -> list[str]:
    if not state["positions"]:
        return ["no positions"]
    return ["positions"] + [
        f"  {each['symbol']} {each['side']}  {each['qty']} at {each['entry_price']}  "
        f"realized {each['realized']}  unrealized {each['unrealized']}"
        for each in state["positions"]
    ]


def book_lines(state: dict[str, Any]) -> list[str]:
    """Returns all books, asks above bids."""
    lines = []
    for symbol, market in state["market"].items():
        book = market["book"]
        lines.append(f"{symbol}  {_quote(market['quote'])}")
        if book is None:
            continue
        lines[-1] += "" if book["synced"] else "  not in sync"
        lines += [f"  {'':>16} {price:>16} {size:>16}" for price, size in reversed(book["asks"])]
        lines += [f"  {size:>16} {price:>16}" for price, size in book["bids"]]
    return lines


def _head(state: dict[str, Any]) -> list[str]:
    said = [f"now {moment(state['now'])}", f"life {state['life']}", f"frames {state['frames']}"]
    said += ["trading" if state["trading"] else "not trading"]
    said += ["halted"] if state["halted"] else []
    return ["  ".join(said), f"equity {state['equity']}"]


def _named(title: str, values: Mapping[str, Any]) -> list[str]:
    if not values:
        return [f"{title}: none"]
    return [title, *(f"  {name} = {_short(value)}" for name, value in values.items())]


def _balance(each: dict[str, Any]) -> str:
    account = f"{each['account']} " if each["account"] else ""
    return f"{account}{each['currency']}  total {each['total']}  available {each['available']}  locked {each['locked']}"


def _quote(quote: dict[str, Any] | None) -> str:
    if quote is None:
        return "no quote yet"
    return f"{quote['bid_size']} @ {quote['bid']} / {quote['ask']} @ {quote['ask_size']}"


def _top(book: dict[str, Any]) -> str:
    bid = " @ ".join(reversed(book["bids"][0])) if book["bids"] else "-"
    ask = " @ ".join(book["asks"][0]) if book["asks"] else "-"
    return f"book {bid} / {ask}" + ("" if book["synced"] else "  not in sync")


def _value(name: str, value: Any) -> str:
    is_time = isinstance(value, int) and value >= TIME_NS_MIN and (name.startswith("ts_") or name in TIME_KEYS)
    return moment(value) if is_time else _short(value)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."
