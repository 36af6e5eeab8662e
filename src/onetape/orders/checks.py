"""What an order would have to pass, rule by rule, with the figure that was found and the limit that
it was held to: for people who ask before they send.

The rules are the gate's own, asked in its order; nothing is judged here. A figure or a limit that a
rule does not have is None. Quantities, prices and amounts are decimal text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind, OrderType, Side
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.backing import free_funds, reducible, spending, worst_held
from onetape.orders.filters import Refusal
from onetape.orders.gate import Gate

__all__ = ["Check", "checks"]

Measure = tuple[str | None, str | None]
_NOTHING: Final[Measure] = (None, None)


class Check(NamedTuple):
    """One rule. refusal: how it is broken, None: it is not."""

    rule: str
    refusal: Refusal | None
    figure: str | None = None
    limit: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`rule`, `passed`, `figure`, `limit`, and where it is broken `code` and `reason`."""
        shown = {"rule": self.rule, "passed": self.refusal is None, "figure": self.figure, "limit": self.limit}
        return {**shown, **(self.refusal._asdict() if self.refusal is not None else {})}


def checks(
    gate: Gate, spec: OrderSpec, now: int, *, is_inside: bool = False, robot: int = 0, rate: int = 0
) -> list[Check]:
    """All rules of the gate. now: ns UTC; is_inside, robot, rate: as the gate's."""
    instrument = gate.instruments[spec.symbol]
    found = gate.rules(spec, now, is_inside=is_inside, robot=robot, rate=rate)
    return [Check(name, refusal, *MEASURES[name](gate, spec, instrument, now)) for name, refusal in found]


def _quantity(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    is_market = spec.type is OrderType.MARKET
    least = (is_market and instrument.market_size_min) or instrument.size_min
    most = (is_market and instrument.market_size_max) or instrument.size_max
    lot = (is_market and instrument.market_lot) or instrument.lot
    upper = f" to {decimal_text(most)}" if most else ""
    limit = f"{decimal_text(least)}{upper} in steps of {decimal_text(lot)}"
    return instrument.size_text(spec.size_int), limit


def _tick(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    if spec.type is not OrderType.LIMIT:
        return _NOTHING
    return instrument.price_text(spec.price_int), decimal_text(instrument.tick)


def _near(gate: Gate, spec: OrderSpec) -> int:
    return spec.trigger_int or gate.manager.references.get(spec.symbol, 0)


def _away(gate: Gate, spec: OrderSpec) -> str | None:
    """How far a limit price is on the dear side of the market."""
    near = _near(gate, spec)
    if not near or spec.type is not OrderType.LIMIT:
        return None
    return f"{(spec.price_int - near) * spec.side.sign / abs(near) * 100:.4g} %"


def _venue_band(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    band = instrument.band_up if spec.side is Side.BUY else instrument.band_down
    return _away(gate, spec), f"{decimal_text(band * 100)} %" if band else None


def _own_band(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    band = gate.limits.price_band
    return _away(gate, spec), f"{decimal_text(band * 100)} %" if band else None


def _value(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    least = decimal_text(instrument.notional_min) if instrument.notional_min else None
    price = spec.price_int or _near(gate, spec)
    if not price:
        return None, least
    return decimal_text(money(abs(instrument.notional_units(price, spec.size_int)))), least


def _reduction(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    if not gate.reduces(spec):
        return _NOTHING
    most = max(reducible(gate.manager, spec), 0)
    return instrument.size_text(spec.size_int), instrument.size_text(most)


def _kill(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    return (f"on: {gate.killed}" if gate.killed else "off"), "off"


def _room(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    return ("full" if gate.disk_full else "has room"), "has room"


def _stream(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    return ("silent" if gate.is_deaf else "tells"), "tells"


def _reconciled(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    return ("yes" if gate.ready else "no"), "yes"


def _market(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    return f"silent for {gate.silent_ns(spec.symbol) / SECOND:.1f} s", "0 s"


def _mode(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    mode = gate.manager.mode
    if mode is None:
        return _NOTHING
    return ("hedge" if mode.hedge else "one-way") + ("" if mode.can_trade else ", no trading"), None


def _unknown(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    unknown = gate.manager.directory.working.all_unknown()
    return str(sum(each.spec.symbol == spec.symbol for each in unknown)), "0"


def _order_size(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    return _of_most(instrument, spec.size_int, gate.limits.order_max.get(spec.symbol, 0))


def _position(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    worst = worst_held(gate.manager, spec)
    worst += 0 if gate.reduces(spec) else spec.size_int
    return _of_most(instrument, worst, gate.limits.position_max.get(spec.symbol, 0))


def _of_most(instrument: Instrument, size: int, most: int) -> Measure:
    return instrument.size_text(size), instrument.size_text(most) if most else None


def _own_orders(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    other = gate.manager.directory.working.meets(spec)
    return (None if other is None else f"meets {other.client_id}"), None


def _rate(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    most = gate.limits.orders_a_second
    return str(gate.sent_this_second(now)), str(most) if most else None


def _funds(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    near = spec.price_int or _near(gate, spec)
    wanted = spending(instrument, spec, spec.size_int, near)
    if wanted is None or instrument.kind is not Kind.SPOT:
        return _NOTHING
    free = max(free_funds(gate.manager, gate.instruments, wanted.currency), 0)
    return tuple(f"{decimal_text(money(each))} {wanted.currency}" for each in (wanted.amount, free))  # type: ignore[return-value]


def _none(gate: Gate, spec: OrderSpec, instrument: Instrument, now: int) -> Measure:
    return _NOTHING


MEASURES: Final[Mapping[str, Callable[[Gate, OrderSpec, Instrument, int], Measure]]] = {
    "order": _none,
    "trigger": _none,
    "quantity": _quantity,
    "tick": _tick,
    "venue price band": _venue_band,
    "least value": _value,
    "reduction": _reduction,
    "kill switch": _kill,
    "journal": _room,
    "account stream": _stream,
    "reconciled": _reconciled,
    "market data": _market,
    "account mode": _mode,
    "unknown orders": _unknown,
    "order size": _order_size,
    "position": _position,
    "price band": _own_band,
    "own orders": _own_orders,
    "order rate": _rate,
    "money": _funds,
}
