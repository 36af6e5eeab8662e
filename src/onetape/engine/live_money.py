"""Follow a live robot's money at one gateway: its sub-account, by the entries on the gateway's tape.

The ledger defines the sub-account's total. The locked part is computed here by the gateway's own
rule (`accounts/reserves.py`) from the robot's orders and positions, so that an order counts at once,
before the gateway has received it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from onetape._core import EntryKind, TradingLoop
from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.accounts.reserves import Reserves
from onetape.engine.plan import Seat
from onetape.model.enums import Kind, OrderType, PositionSide, Side
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec

__all__ = ["LiveMoney"]

_KINDS: Final = {Cause.FILL: EntryKind.FILL, Cause.FUNDING: EntryKind.FUNDING, Cause.INTEREST: EntryKind.INTEREST}
_SIDES: Final = PositionSide.by_id()


class LiveMoney:
    """Keeps a live robot's money at one gateway. gateway: number of its tape. money_index: returns the loop's number
    of a currency, creating it if needed."""

    def __init__(
        self,
        loop: TradingLoop,
        gateway: int,
        seat: Seat,
        instruments: Mapping[str, Instrument],
        money_index: Callable[[str], int],
    ) -> None:
        self._loop = loop
        self._gateway = gateway
        self._slot = seat.slot
        self._venue = seat.venue
        self._leverage = seat.leverage
        self._instruments = instruments
        self._numbers: dict[str, int] = {}  # the loop's index by symbol
        self._money_index = money_index
        self._reserves: Reserves | None = None
        self._locked_at = -1  # the loop's count of orders and fills

    def entry(self, payload: bytes) -> None:
        """Apply an entry of the ledger. Entries that move nothing of the slot are ignored."""
        entry = unpack(payload)
        amounts: dict[str, int] = {}
        for holder, currency, amount, wallet in entry.legs:
            if holder == self._slot and not wallet:
                amounts[currency] = amounts.get(currency, 0) + amount
        # A fill that moves no money also ends the estimate that was made for it.
        if not amounts and entry.cause is not Cause.FILL:
            return
        legs = [(self._money_index(name), amount) for name, amount in amounts.items()]
        at = self._number(entry.note) if entry.cause is Cause.FUNDING else -1
        self._loop.post(self._gateway, _KINDS.get(entry.cause, EntryKind.MOVED), entry.of, at, legs)

    def _number(self, symbol: str) -> int:
        if symbol not in self._instruments:
            return -1
        if symbol not in self._numbers:
            self._numbers = {name: at for at, name in enumerate(self._instruments)}
        return self._numbers[symbol]

    def locked(self, currency: str) -> int:
        """Returns the money locked by the robot's orders and positions, 1e-18."""
        return self._held().held(currency, self._slot)

    def _held(self) -> Reserves:
        changes = self._loop.order_changes
        if self._reserves is None or self._locked_at != changes:
            self._reserves, self._locked_at = self._reckoned(), changes
        return self._reserves

    def _reckoned(self) -> Reserves:
        reserves = Reserves(self._instruments, leverage=self._leverage)
        for symbol, side, qty, cost in self._loop.holdings():
            if self._instruments[symbol].kind is not Kind.SPOT and self._is_there(symbol):
                reserves.position(self._slot, symbol, _SIDES[side], qty, cost)
        for order in self._loop.working(None):
            if not self._is_there(order.symbol):
                continue
            spec = _spec(order)
            price = spec.price_int or spec.trigger_int or self._touch(spec)
            reserves.hold(str(order.id), spec, order.qty_int - order.filled_int, price, self._slot)
        return reserves

    def _is_there(self, symbol: str) -> bool:
        """Returns True when the symbol is traded at this gateway."""
        return self._venue in ("", self._instruments[symbol].venue)

    def _touch(self, spec: OrderSpec) -> int:
        """Returns the opposite best price, which an order without a price would meet; 0: no quote yet."""
        quote = self._loop.quote(spec.symbol)
        if quote is None:
            return 0
        return int(quote.ask_int if spec.side is Side.BUY else quote.bid_int)


def _spec(order: Any) -> OrderSpec:
    return OrderSpec(
        symbol=order.symbol,
        side=Side(order.side),
        size_int=order.qty_int,
        type=OrderType(order.type),
        price_int=order.price_int,
        trigger_int=order.trigger_int,
        position_side=PositionSide(order.position_side),
        post_only=order.post_only,
        reduce_only=order.reduce_only,
    )
