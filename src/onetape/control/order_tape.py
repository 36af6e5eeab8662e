"""What became of orders by hand: on their gateway's own journal, which is read whether it runs or not.

A command's order is found by its request key, which stands on the tape before anything leaves. So what is not there by
the command's time was never placed, and what is there is the gateway's to finish.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from onetape.gateway.account_projection import FollowedAccount
from onetape.gateway.by_hand import key_by_hand
from onetape.gateway.checkpoint import checkpoint_file
from onetape.gateway.options import gateway_journal
from onetape.gateway.order_frames import DENIED_FLAG, REQUEST, fill_of, key_of
from onetape.hedge.plan import base_of
from onetape.hedge.saga import Fills
from onetape.model.enums import EventType, OrderState
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.payloads import fields
from onetape.tape.segments import is_tape

__all__ = ["OrderTape", "Placed", "next_sequence"]

_ZERO: Final = Decimal(0)
_TYPES = ("order_request", "order_event", "fill")
_ORDERED: Final = fields("order_request", "order_id", "size", "flags", "robot")
_NEWS: Final = fields("order_event", "order_id", "size", "filled", "code", "state", "robot")


def next_sequence(home: Path, account: str) -> int:
    """Returns where a gateway's journal ends now; 0: there is none yet."""
    path = gateway_journal(home, account)
    if not is_tape(path):
        return 0
    with JournalReader(path) as reader:
        return reader.last_sequence + 1


@dataclass(slots=True)
class Placed:
    """An order as its gateway's journal has it. Sizes in the instrument's units; at: ns UTC, of its newest fill."""

    size: int
    is_final: bool = False
    code: int = 0
    reported: int = 0  # filled, by the venue's word on the order
    traded: int = 0  # by its fills
    spent: int = 0  # price times size, in units of both
    fees: int = 0  # 1e-18 of the settle currency
    others: dict[int, int] = field(default_factory=dict)  # 1e-18, by the tape's number of another currency
    at: int = 0
    sequences: list[int] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        """Tells whether nothing more will be filled, and all fills are there."""
        return self.traded >= self.size or (self.is_final and self.traded >= self.reported)

    def fills(
        self, name: str, instrument: Instrument, currencies: Mapping[int, str], price_of: Callable[[str], Decimal]
    ) -> Fills:
        """Returns what was filled. currencies: names of the tape's numbers; price_of: a coin in the settle currency, 0:
        unknown."""
        if not self.traded:
            return Fills(name, sequences=tuple(self.sequences))
        price = instrument.price(self.spent) / self.traded
        base = base_of(instrument, instrument.size(self.traded), price)
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
        self._keys: dict[str, Placed] = {}
        self._orders: dict[tuple[int, int], Placed] = {}  # by robot and order

    def order(self, command: str) -> Placed | None:
        """Reads what is new; returns the order of a command, None where there is none yet."""
        if self._reader is None and is_tape(self.path):
            self._reader = JournalReader(self.path)
            self._reader.seek_sequence(self._first)
        if self._reader is not None:
            for frame in self._reader.frames(_TYPES):
                self._take(frame)
        return self._keys.get(key_by_hand(command).key)

    def currencies(self, order: Placed) -> Mapping[int, str]:
        """Returns the names of the currencies that an order's fees are in: their frames may be long before it."""
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
        match frame.type:
            case EventType.ORDER_REQUEST.id:
                self._request(frame)
            case EventType.ORDER_EVENT.id:
                order_id, size, filled, code, state, robot = _NEWS.unpack(frame.payload)
                if (order := self._orders.get((robot, order_id))) is not None:
                    order.is_final = OrderState.from_id(state).is_final
                    order.size, order.code, order.reported = size or order.size, code or order.code, filled
                    order.sequences.append(frame.sequence)
            case _:
                fill = fill_of(frame.payload)
                if (order := self._orders.get((fill.robot, fill.order_id))) is not None:
                    order.traded += fill.size
                    order.spent += fill.price * fill.size
                    if fill.currency:
                        order.others[fill.currency] = order.others.get(fill.currency, 0) + fill.fee
                    else:
                        order.fees += fill.fee
                    order.at = max(order.at, frame.time)
                    order.sequences.append(frame.sequence)

    def _request(self, frame: Frame) -> None:
        order_id, size, flags, robot = _ORDERED.unpack_from(frame.payload)
        more = frame.payload[REQUEST.size :]
        key = key_of(more) if more else None
        if key is not None and (robot, order_id) not in self._orders:
            order = self._orders[robot, order_id] = self._keys[key.key] = Placed(size)
            order.is_final = bool(flags & DENIED_FLAG)
            order.sequences.append(frame.sequence)
