"""The price at which a venue closes by force: exact, for each kind, side and margin.

In x = price (linear) or x = 1 / price (inverse) a position's value is its amount times x, its
profit a line, and its maintenance a line in each bracket. What is looked for is the x at which

    backing + profits - maintenances

passes zero: of one position, or of the long and the short one of a contract together. For one
bracket these are the venue's formulas (Binance, "Liquidation Price of USD-M Futures Contracts",
read 2026-11); the bracket is the one that holds at that price, not at today's.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from onetape.accounts.margin import Contract, Wallet
from onetape.model.enums import Kind, PositionSide
from onetape.model.money import MONEY_DECIMALS, RATE_DECIMALS

__all__ = ["liquidation_price"]

_MONEY = 10**MONEY_DECIMALS
_RATE = 10**RATE_DECIMALS


class _Line(NamedTuple):
    """slope * x + start, from `after` to `until` (None: and on)."""

    slope: Fraction
    start: Fraction
    after: Fraction
    until: Fraction | None


def liquidation_price(wallet: Wallet, symbol: str, side: PositionSide = PositionSide.BOTH) -> Fraction | None:
    """Of a position: cross, where the whole wallet backs it, with the other side of its contract;
    isolated, its own margin. None where no price does it, and where it is flat.

    While both sides of a contract are held in cross margin they have one such price: below the mark
    where the long one is greater, else above.
    """
    contract = wallet.contracts[symbol]
    if contract.instrument.kind is Kind.SPOT or not contract.at(side).qty:
        return None
    if contract.is_isolated:
        sides, backing = [side], contract.at(side).margin
    else:
        sides, backing = list(contract.sides), wallet.backing(symbol)
    is_inverse = contract.instrument.kind is Kind.INVERSE
    net = sum(contract.at(each).qty for each in sides)
    grows = net != 0 and (net > 0) != is_inverse  # what is left grows with x
    x = _crossing(_lines(contract, sides, Fraction(backing, _MONEY)), grows=grows)
    if x is None or x <= 0:
        return None
    return 1 / x if is_inverse else x


def _lines(contract: Contract, sides: list[PositionSide], backing: Fraction) -> list[_Line]:
    """What is left over maintenance, piece by piece from x = 0 on."""
    sign = -1 if contract.instrument.kind is Kind.INVERSE else 1
    slope, start = Fraction(0), backing
    edges: list[tuple[Fraction, Fraction, Fraction]] = []  # x, and how slope and start change
    unit = Fraction(contract.instrument.multiplier) / 10**contract.instrument.size_decimals
    for each in sides:
        held = contract.at(each)
        if not held.qty:
            continue
        amount = abs(held.qty) * unit
        slope += sign * held.qty * unit
        start -= sign * Fraction(held.cost, _MONEY)
        before = (Fraction(0), Fraction(0))
        floor = Fraction(0)
        for most, rate, relief in contract.rows():
            row = (amount * Fraction(rate, _RATE), Fraction(relief, _MONEY))
            edges.append((floor, before[0] - row[0], row[1] - before[1]))
            before, floor = row, Fraction(most, _MONEY) / amount
    edges.sort()
    lines: list[_Line] = []
    for number, (x, more, up) in enumerate(edges):
        slope, start = slope + more, start + up
        if number + 1 < len(edges) and edges[number + 1][0] == x:
            continue
        until = edges[number + 1][0] if number + 1 < len(edges) else None
        lines.append(_Line(slope, start, x, until))
    return lines


def _crossing(lines: list[_Line], *, grows: bool) -> Fraction | None:
    """Where it passes zero: the last x where it grows, the first where it falls. An edge counts
    where the two lines at it lie on both sides of zero."""
    found: list[Fraction] = []
    for number, line in enumerate(lines):
        if line.slope:
            x = -line.start / line.slope
            inside = x > line.after and (line.until is None or x <= line.until)
            if inside and (line.slope > 0) == grows:
                found.append(x)
        if number and line.after:
            before = lines[number - 1].slope * line.after + lines[number - 1].start
            after = line.slope * line.after + line.start
            if (before < 0 <= after) if grows else (after < 0 <= before):
                found.append(line.after)
    if not found:
        return None
    return max(found) if grows else min(found)
