"""What must hold on a gateway's tape, one function for each: nothing but the tape is read.

They hold at every frame of every tape, whoever wrote it and however often it was killed. `problems` runs all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from onetape.accounts.entries import Cause, Entry
from onetape.accounts.entry_frames import unpack
from onetape.accounts.kept_money import OTHER_EXCHANGE
from onetape.model.enums import EventType, OrderNews, RequestKind
from onetape.orders.order import Key
from onetape.orders.order_frames import FillFrame, NewsFrame, RequestFrame, fill_of, news_of, request_of
from onetape.orders.reports import INTERNAL_TRADES
from onetape.projections.account import READ_PARTS, AccountState
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.pruned import read_pruned

__all__ = ["CHECKS", "FoldedTape", "problems", "read_tape"]

NO_REQUEST: Final = frozenset({OrderNews.DENIED, OrderNews.CANCEL_REJECTED, OrderNews.UPDATE_REJECTED})
REFUSED: Final = frozenset({OrderNews.DENIED, OrderNews.REJECTED})


@dataclass
class FoldedTape:
    """A gateway's tape in memory, since its account's last change of exchange: (frame's sequence, decoded) by kind."""

    path: Path
    requests: list[tuple[int, RequestFrame]] = field(default_factory=list)
    news: list[tuple[int, NewsFrame]] = field(default_factory=list)
    fills: list[tuple[int, str, FillFrame]] = field(default_factory=list)  # with the symbol
    entries: list[tuple[int, Entry]] = field(default_factory=list)
    state: AccountState = field(default_factory=lambda: AccountState(keeps_fills=False, keeps_parts=True))

    def take(self, frame: Frame) -> None:
        self.state.apply(frame)
        match frame.type:
            case EventType.ORDER_REQUEST.id:
                self.requests.append((frame.sequence, request_of(frame.payload, self.state.streams[frame.stream])))
            case EventType.ORDER_EVENT.id:
                self.news.append((frame.sequence, news_of(frame)))
            case EventType.FILL.id:
                self.fills.append((frame.sequence, self.state.streams[frame.stream], fill_of(frame.payload)))
            case EventType.ENTRY.id:
                entry = unpack(frame.payload)
                if entry.note == OTHER_EXCHANGE:
                    self.entries.clear()
                self.entries.append((frame.sequence, entry))
            case EventType.HEALTH.id:
                record = msgspec.msgpack.decode(frame.payload)
                if (record["kind"], record["state"]) == ("exchange", "new"):
                    for each in (self.requests, self.news, self.fills):
                        each.clear()


def read_tape(path: Path) -> FoldedTape | None:
    """Reads a gateway's tape. None: its beginning has been deleted."""
    tape = FoldedTape(path)
    if read_pruned(path) is not None:
        return None
    with JournalReader(path) as reader:
        for frame in reader.frames(READ_PARTS):
            tape.take(frame)
    return tape


def requests_come_first(tape: FoldedTape) -> Iterator[str]:
    """What a gateway says about a robot's order follows the request; only a refusal may be without one."""
    placed = {(each.robot, each.order_id): at for at, each in reversed(tape.requests) if each.kind is RequestKind.PLACE}
    for at, news in tape.news:
        key = news.robot, news.order_id
        if news.robot and news.news not in NO_REQUEST and placed.get(key, at) >= at:
            yield f"frame {at}: {news.news} of order {key}, which no request placed"


def refused_orders_stay_refused(tape: FoldedTape) -> Iterator[str]:
    """A denied or rejected order has no fill, and no later news but refusals."""
    ended: dict[Key, int] = {}
    events: list[tuple[int, NewsFrame | FillFrame]] = [*tape.news, *((at, fill) for at, _, fill in tape.fills)]
    for at, event in sorted(events, key=lambda each: each[0]):
        key, news = (event.robot, event.order_id), event.news if isinstance(event, NewsFrame) else None
        if event.robot and news not in NO_REQUEST and key in ended:
            yield f"frame {at}: order {key} goes on, which was refused by frame {ended[key]}"
        if news in REFUSED:
            ended[key] = at


def orders_are_filled_once(tape: FoldedTape) -> Iterator[str]:
    """The fills of a robot's order are no more than its greatest size."""
    sizes: dict[Key, int] = defaultdict(int)
    filled: dict[Key, dict[tuple[int, object], int]] = defaultdict(dict)
    for _, request in tape.requests:
        sizes[request.robot, request.order_id] = max(sizes[request.robot, request.order_id], request.spec.size_int)
    for _, news in tape.news:
        sizes[news.robot, news.order_id] = max(sizes[news.robot, news.order_id], news.size)
    for _, _, fill in tape.fills:
        filled[fill.robot, fill.order_id][fill.trade_id, fill.side] = fill.size
    for key, parts in filled.items():
        if key[0] and key in sizes and sum(parts.values()) > sizes[key]:
            yield f"order {key}: {sum(parts.values())} filled of {sizes[key]}"


def entries_add_up(tape: FoldedTape) -> Iterator[str]:
    """The legs of an entry add up to zero in each currency."""
    for at, entry in tape.entries:
        sums: Counter[str] = Counter()
        for leg in entry.legs:
            sums[leg.currency] += leg.amount
        if any(sums.values()):
            yield f"frame {at}: {entry.cause} {entry.reference} does not add up: {dict(sums)}"


def entries_are_booked_once(tape: FoldedTape) -> Iterator[str]:
    """No cause and reference has two entries."""
    booked: dict[tuple[Cause, str], int] = {}
    for at, entry in tape.entries:
        if entry.reference and (before := booked.setdefault((entry.cause, entry.reference), at)) != at:
            yield f"frame {at}: {entry.cause} {entry.reference} was booked by frame {before}"


def fills_are_booked_once(tape: FoldedTape) -> Iterator[str]:
    """Each fill since the ledger's beginning has one entry, and each entry of a fill has that fill before it. The last
    fills may be without: their gateway died."""
    fills = {at: (symbol, fill) for at, symbol, fill in tape.fills}
    booked: dict[int, int] = {}
    for at, entry in tape.entries:
        if entry.of and entry.cause is Cause.FILL:
            if entry.of not in fills or entry.of > at:
                yield f"frame {at}: {entry.reference} is booked for frame {entry.of}, which is no fill before it"
            if booked.setdefault(entry.of, at) != at:
                yield f"frame {at}: the fill of frame {entry.of} was booked by frame {booked[entry.of]}"
    if not tape.entries:
        return
    first, last = tape.entries[0][0], max(booked, default=0)
    reported = {(symbol, fill.trade_id, fill.side) for at, (symbol, fill) in fills.items() if at in booked}
    for at, (symbol, fill) in fills.items():
        if first < at < last and at not in booked and (symbol, fill.trade_id, fill.side) not in reported:
            yield f"frame {at}: the fill {symbol} {fill.trade_id} {fill.side} is not booked"


def parts_add_up(tape: FoldedTape) -> Iterator[str]:
    """Sub-accounts' positions add up to the account's, which are the fills'."""
    booking = tape.state.subaccounts.booking
    parts: Counter[tuple[str, object]] = Counter()
    for (_, symbol, side), own in booking.positions.items():
        parts[symbol, side] += own.qty
    waiting: Counter[tuple[str, object]] = Counter()
    for _, fill, _ in tape.state.subaccounts.waiting:
        waiting[fill.symbol, fill.position_side] += (
            0 if fill.trade_id >= INTERNAL_TRADES else fill.size * fill.side.sign
        )
    for (symbol, side), held in booking.account.items():
        if held.terms.is_spot:
            continue
        if parts[symbol, side] != held.qty:
            yield f"{symbol} {side}: sub-accounts hold {parts[symbol, side]}, the account {held.qty}"
        filled = tape.state.held.get((symbol, side))
        if filled is not None and filled.qty != held.qty + waiting[symbol, side]:
            yield f"{symbol} {side}: fills add up to {filled.qty}, the books have {held.qty}"


CHECKS: Final[tuple[Callable[[FoldedTape], Iterator[str]], ...]] = (
    requests_come_first,
    refused_orders_stay_refused,
    orders_are_filled_once,
    entries_add_up,
    entries_are_booked_once,
    fills_are_booked_once,
    parts_add_up,
)


def problems(path: Path) -> list[str]:
    """Returns what does not hold on a gateway's tape, each with the check's name."""
    tape = read_tape(path)
    return [] if tape is None else [f"{check.__name__}: {each}" for check in CHECKS for each in check(tape)]
