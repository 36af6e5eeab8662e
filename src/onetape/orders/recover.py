"""A gateway's order manager from its own journal: what was intended, said and filled before.

The same books as before the end, with one difference: a request whose answer is not on the tape
may or may not have arrived. Its order is UNKNOWN and is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from onetape.model.enums import OrderNews, OrderState, PositionSide, RequestKind
from onetape.model.errors import VenueUnavailable
from onetape.orders.books import BooksRecord
from onetape.orders.index import OrderIndexRecord
from onetape.orders.internal import end_held, trade_inside
from onetape.orders.machine import OrderLife
from onetape.orders.managed import Managed
from onetape.orders.manager import OrderManager
from onetape.orders.order_frames import NewsFrame, RequestFrame
from onetape.orders.reports import FillReport

__all__ = ["Openings", "Recovery", "RecoveryRecord"]

Held = tuple[str, PositionSide]
K = TypeVar("K", bound=tuple[str, ...])


class RecoveryRecord(msgspec.Struct, frozen=True):
    """Keeps in a checkpoint what a journal's frames up to one of them come to."""

    orders: OrderIndexRecord
    books: BooksRecord
    unmatched: list[FillReport]
    settled: list[str]
    counts: dict[str, int]
    newest_fill: int
    newest_read: int
    trades_inside: int
    halves: list[FillReport]
    has_begun: bool
    records: int
    opened: dict[str, int] = {}  # by symbol and side


class Openings(Generic[K]):
    """Names each position, or part of one, by the frame that opened it, so that another one is not taken for it."""

    def __init__(self, frames: Mapping[str, int], held: Mapping[K, int]) -> None:
        self._opened = {key: (qty > 0, frames.get(" ".join(key), 0)) for key, qty in held.items() if qty}

    def note(self, key: K, qty: int, sequence: int) -> None:
        """Takes in that so much is held by the frame of this sequence."""
        if not qty:
            self._opened.pop(key, None)
        elif key not in self._opened or self._opened[key][0] != (qty > 0):
            self._opened[key] = qty > 0, sequence

    def frame(self, key: K) -> int:
        """Returns the frame that opened a position, 0: it is not known, or flat."""
        return self._opened.get(key, (False, 0))[1]

    def frames(self) -> dict[str, int]:
        """Returns all frames, as a checkpoint has them."""
        return {" ".join(key): frame for key, (_, frame) in self._opened.items()}


class Recovery:
    """Rebuilds orders and books from the journal's records, fed in order; `finish` when there are no more."""

    def __init__(self, manager: OrderManager) -> None:
        self.manager = manager
        self.openings: Openings[Held] = Openings({}, {})
        self.newest_fill = 0  # ns, by the venue's clock: up to here none is missing
        self._heard = 0  # the newest of all
        self._halves: dict[tuple[str, int], FillReport] = {}  # such trades of which one side is here
        self.has_begun = False  # a round was reconciled: the books have their beginning
        self.records = 0

    def intent(self, client_id: str, request: RequestFrame, time: int) -> None:
        self.records += 1
        kind, spec = request.kind, request.spec
        if kind is RequestKind.PLACE:
            order = Managed(
                client_id=client_id,
                robot=request.robot,
                order_id=request.order_id,
                spec=spec,
                life=OrderLife(spec.size_int),
                created=time,
                price=spec.price_int,
                conditional=self.manager.waits_apart(spec),
            )
            order.take_request(kind, is_held=request.is_held)
            self.manager.index.add(order)
            return
        former = self.manager.index.get(client_id)
        if former is None or not former.is_open:
            return
        if kind is RequestKind.AMEND and request.is_reissue:
            chars = self.manager.venue.client_id_chars
            name = client_id if former.is_held else former.next_name(chars)
            self.manager.index.reissue(former, name, time)
            return
        former.take_request_frame(request)
        if kind is RequestKind.AMEND:
            former.amended_at = time

    def news(self, client_id: str, heard: NewsFrame) -> None:
        """Takes in a report that the journal has of an order."""
        self.records += 1
        order = self.manager.index.get(client_id)
        if order is None:
            return
        if heard.venue_id:
            self.manager.note_venue_id(order, str(heard.venue_id))
        if heard.is_local:
            return
        news = heard.news
        order.take_news(news, heard.size)
        if news in _PRICED:
            order.price = heard.price
        if news is OrderNews.TRIGGERED:
            order.conditional = False  # from here on it is an order of the book
        self.manager.close(order)

    def fill(self, fill: FillReport, sequence: int = 0) -> None:
        self.records += 1
        manager = self.manager
        former = manager.index.find(fill.client_id, fill.symbol, fill.venue_id)
        manager.book(fill, former, fill.time)
        manager.outs.clear()  # nobody is told again
        self._note_opening((fill.symbol, fill.position_side), sequence)
        if not fill.is_internal:
            self._heard = max(self._heard, fill.time)
            return
        manager.trades_inside = max(manager.trades_inside, fill.trade_id)
        at = (fill.symbol, fill.trade_id)
        if self._halves.pop(at, None) is None:
            self._halves[at] = fill

    def began(self, time: int) -> None:
        """Takes in the time of the journal's first record: before it there is nothing to miss."""
        self.newest_fill = self.newest_fill or time

    def life_began(self) -> None:
        """Takes in that another life of the gateway begins: what was not answered until here never is."""
        for order in self.manager.open.values():
            order.take_incarnation()

    def begin_anew(self) -> None:
        """Takes in that the frames from here on are of another exchange."""
        self.manager.books.begin_anew()
        self.openings = Openings({}, {})
        self.has_begun = False

    def reconciled(self) -> None:
        """Takes in that a round has ended. What was filled later may have gaps: a stream that came back tells of a new
        fill while those that it missed are still being asked for."""
        self.has_begun = True
        self.newest_fill = max(self.newest_fill, self._heard)

    def held(self, symbol: str, side: PositionSide, qty: int, sequence: int = 0) -> None:
        """Enters a position with which the books begin: what the account had before."""
        self.manager.positions[symbol, side] = qty
        self._note_opening((symbol, side), sequence)

    def _note_opening(self, key: Held, sequence: int) -> None:
        self.openings.note(key, self.manager.positions.get(key, 0), sequence)

    def finish(self, now: int) -> int:
        """Ends recovery and returns how many orders are unknown. What the tape says of one side of an internal trade is
        true of the other; what was held is over."""
        unknown = 0
        self.life_began()
        for half in self._halves.values():
            trade_inside(self.manager, half, now)
        for order in list(self.manager.open.values()):
            self.manager.index.mark(order)
            if order.is_held:
                end_held(self.manager, order, now, VenueUnavailable.code, "its gateway ended")
                continue
            if order.state is OrderState.UNKNOWN:
                order.lost_at = order.ask_at = order.placed_at = now  # it may have been sent until this life began
                unknown += 1
        return unknown

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> RecoveryRecord:
        """Makes the record of a checkpoint from the frames read so far. To be called before `finish`."""
        manager = self.manager
        return RecoveryRecord(
            orders=manager.index.to_record(),
            books=manager.books.to_record(),
            unmatched=list(manager.unmatched.values()),
            settled=sorted(manager.resolved),
            counts=manager.counts,
            newest_fill=self.newest_fill,
            newest_read=self._heard,
            trades_inside=manager.trades_inside,
            halves=list(self._halves.values()),
            has_begun=self.has_begun,
            records=self.records,
            opened=self.openings.frames(),
        )

    def restore(self, record: RecoveryRecord) -> None:
        """Goes on from a checkpoint: before the first frame, with a new manager."""
        manager = self.manager
        manager.index.restore(record.orders)
        manager.books.restore(record.books)
        manager.unmatched.update({fill.key: fill for fill in record.unmatched})
        manager.resolved.update(record.settled)
        manager.counts.update(record.counts)
        self.newest_fill, self._heard = record.newest_fill, record.newest_read
        manager.trades_inside = record.trades_inside
        self._halves = {(fill.symbol, fill.trade_id): fill for fill in record.halves}
        self.has_begun, self.records = record.has_begun, record.records
        self.openings = Openings(record.opened, manager.positions)


# The price that they tell is the order's from then on.
_PRICED = frozenset({OrderNews.UPDATED, OrderNews.FOUND})
