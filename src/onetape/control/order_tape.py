"""Follows orders by hand on their gateway's journal, which can be read whether the gateway runs or not.

A command's order is found by its request key, which is on the tape before anything is sent. So an order that is missing
at the command's deadline was never placed, and an existing one is the gateway's to finish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from onetape.hedge.plan import base_of
from onetape.hedge.saga import Fills
from onetape.model.enums import EventType, RequestKind
from onetape.model.home import gateway_journal
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.model.request_key import key_by_hand
from onetape.orders.order import Key, Order, apply_fill, apply_news, apply_request
from onetape.orders.order import placed as order_placed
from onetape.orders.order_frames import FillFrame, fill_of, news_of, request_of
from onetape.projections.checkpoint import checkpoint_file
from onetape.projections.followed_account import FollowedAccount
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.segments import is_tape

__all__ = ["OrderTape", "Placed", "next_sequence"]

_ZERO: Final = Decimal(0)
_TYPES = ("order_request", "order_event", "fill", "params")


def next_sequence(home: Path, account: str) -> int:
    """Returns the end of a gateway's journal; 0: there is none yet."""
    path = gateway_journal(home, account)
    if not is_tape(path):
        return 0
    with JournalReader(path) as reader:
        return reader.last_sequence + 1


@dataclass(slots=True)
class Placed:
    """An order by hand, with the fees of its fills. fees: 1e-18 of the settle currency; others: the same by the tape's
    number of another currency; at: ns UTC, of its newest fill; sequences: of the frames about it."""

    order: Order
    fees: int = 0
    others: dict[int, int] = field(default_factory=dict)
    at: int = 0
    sequences: list[int] = field(default_factory=list)

    def note_fee(self, fill: FillFrame, time: int) -> None:
        if fill.currency:
            self.others[fill.currency] = self.others.get(fill.currency, 0) + fill.fee
        else:
            self.fees += fill.fee
        self.at = max(self.at, time)

    def fills(
        self, name: str, instrument: Instrument, currencies: Mapping[int, str], price_of: Callable[[str], Decimal]
    ) -> Fills:
        """Returns the fills. currencies: names of the tape's numbers; price_of: a coin in the settle currency, 0:
        unknown."""
        traded = self.order.filled
        if not traded:
            return Fills(name, sequences=tuple(self.sequences))
        price = instrument.price(self.order.spent) / traded
        base = base_of(instrument, instrument.size(traded), price)
        others = {currencies.get(number, str(number)): money(fee) for number, fee in self.others.items()}
        fills = Fills(name, base, price, money(self.fees), self.at, tuple(self.sequences), others)
        return fills.charged(instrument, price_of)


class OrderTape:
    """Follows orders by hand on one gateway's journal, from a sequence on."""

    def __init__(self, home: Path, account: str, first: int) -> None:
        self.path = gateway_journal(home, account)
        self._checkpoint = checkpoint_file(home, account)
        self._currencies: dict[int, str] = {}
        self._first = first
        self._reader: JournalReader | None = None
        self._commands: dict[str, Placed] = {}  # by request key
        self._placed: dict[Key, Placed] = {}

    def order(self, command: str) -> Placed | None:
        """Reads new frames; returns the order of a command, None if there is none yet."""
        if self._reader is None and is_tape(self.path):
            self._reader = JournalReader(self.path)
            self._reader.seek_sequence(self._first)
        if self._reader is not None:
            for frame in self._reader.frames(_TYPES):
                self._take(frame)
        return self._commands.get(key_by_hand(command).key)

    def currencies(self, order: Placed) -> Mapping[int, str]:
        """Returns the names of the currencies of an order's fees, whose frames may be long before it."""
        if not order.others.keys() <= self._currencies.keys():
            account = FollowedAccount(self.path, self._checkpoint)
            account.take()
            account.close()
            self._currencies = account.view.currencies
        return self._currencies

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _take(self, frame: Frame) -> None:
        if (placed := self._read(frame)) is not None:
            placed.sequences.append(frame.sequence)

    def _read(self, frame: Frame) -> Placed | None:
        """Returns the order by hand that a frame concerns."""
        match frame.type:
            case EventType.ORDER_REQUEST.id:
                request = request_of(frame.payload, "")
                placed = self._placed.get((request.robot, request.order_id))
                if placed is None and (once := request.spec.once) is not None:
                    placed = Placed(order_placed(request, frame.time))
                    self._placed[placed.order.key] = self._commands[once.key] = placed
                elif placed is not None and request.kind is not RequestKind.PLACE:
                    apply_request(placed.order, request)
            case EventType.ORDER_EVENT.id:
                news = news_of(frame)
                if (placed := self._placed.get((news.robot, news.order_id))) is not None:
                    apply_news(placed.order, news)
            case EventType.PARAMS.id:
                if "opened" in msgspec.msgpack.decode(frame.payload):
                    for each in self._placed.values():
                        each.order.take_incarnation()
                return None
            case _:
                fill = fill_of(frame.payload)
                if (placed := self._placed.get((fill.robot, fill.order_id))) is not None:
                    apply_fill(placed.order, fill)
                    placed.note_fee(fill, frame.time)
        return placed
