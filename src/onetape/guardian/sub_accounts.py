"""What sub-accounts hold of an account's positions: folded from its gateway's journal, and closed by local stops where
they hold against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from onetape.accounts.booking import FORCED, Booking
from onetape.accounts.entry_frames import unpack
from onetape.accounts.holding import Holding
from onetape.gateway.kept_money import LEDGER, OTHER_EXCHANGE
from onetape.gateway.order_frames import FillFrame
from onetape.model.enums import Kind, PositionSide
from onetape.model.instrument import Instrument
from onetape.orders.reports import FillReport

__all__ = ["Held", "SubAccountStop", "SubPositions"]


class Held(NamedTuple):
    slot: int
    symbol: str
    side: PositionSide
    holding: Holding


class SubPositions:
    """Of one account, with the ledger's arithmetic. A fill counts when its entry comes."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._waiting: tuple[int, FillReport, int] | None = None  # the last fill: its frame, its slot
        self._booking = Booking(instruments)

    def fill(self, sequence: int, symbol: str, row: FillFrame, slot: int) -> None:
        fill = FillReport(
            symbol,
            "",
            "",
            row.trade_id,
            row.side,
            row.position_side,
            row.price,
            row.size,
            row.time,
            row.fee,
            "",
            row.liquidity,
        )
        self._waiting = sequence, fill, slot

    def entry(self, payload: bytes) -> list[Held]:
        """Returns what has changed by it."""
        entry = unpack(payload)
        if entry.note == OTHER_EXCHANGE:
            gone = [each._replace(holding=Holding(each.holding.terms)) for each in self.held()]
            self._booking = Booking(self._instruments)
            return gone
        if self._waiting is None or entry.of != self._waiting[0]:
            return []
        (_, fill, slot), self._waiting = self._waiting, None
        if fill.symbol not in self._instruments or self._instruments[fill.symbol].kind is Kind.SPOT:
            return []
        if entry.note == FORCED:
            self._booking.forced(fill)
        else:
            self._booking.fill(fill, slot)
        return [each for each in self.held() if (each.symbol, each.side) == (fill.symbol, fill.position_side)]

    def position(self, record: Mapping[str, Any]) -> None:
        """One with which the ledger begins: the pool's."""
        if record["source"] == LEDGER and record["symbol"] in self._instruments and record["qty"]:
            side = PositionSide(record["side"])
            self._booking.adopt(record["symbol"], side, record["qty"], record["price"])

    def held(self) -> Iterator[Held]:
        """Also what is flat now."""
        for key, each in self._booking.positions.items():
            yield Held(*key, each)


@dataclass(slots=True)
class SubAccountStop:
    """One sub-account's part of a position, as the core has it. entry: units of price; base: the most that was held
    since it was opened."""

    qty: int = 0
    cost: int = 0
    entry: Fraction = Fraction(0)
    base: int = 0
    closed_at: int = -(10**10)
    refusals: int = 0  # of its closes, one after the other
    refused: str = ""  # why the last one was

    def hold(self, qty: int, cost: int, entry: Fraction) -> None:
        if qty * self.qty <= 0:
            self.base = 0
        self.qty, self.cost, self.entry = qty, cost, entry
        self.base = max(self.base, abs(qty))
