"""The configured rules by which a guardian protects positions and ends stale orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from onetape.market.confirmed_price import SETTLES
from onetape.model.enums import TriggerBy

__all__ = ["GuardianSettings", "Rules", "StaleRule", "StaleRules"]

DISTANCES: Final = tuple(map(Decimal, ("0.05", "0.055", "0.06", "0.065", "0.07")))
ANY: Final = "*"  # tag of the default rule


class Rules(msgspec.Struct, frozen=True):
    """The protective levels of one symbol. distances: of the levels, as shares of the entry price, ascending.
    hard_stop: distance at which the position is closed, 0: none. look_back: ns before the position was first seen; no
    level of a long position is farther than `beyond` (a share of the price) below the low of that time, of a short one
    above the high; 0: no look-back. targets: distances of take-profits, ascending; with look_back none of a long
    position is above the high, none of a short one below the low."""

    distances: tuple[Decimal, ...] = DISTANCES
    hard_stop: Decimal = Decimal("0.07")
    look_back: int = 0
    beyond: Decimal = Decimal(0)
    targets: tuple[Decimal, ...] = ()


class GuardianSettings(msgspec.Struct, frozen=True):
    """The settings of the guardian. total_loss: limit on the unrealized loss of all positions, by settle currency;
    beyond it all are closed. symbols: symbol -> own rules. confirm: ns for which a single kind of message must
    confirm a price, see `ConfirmedPrice`."""

    rules: Rules = Rules()
    symbols: dict[str, Rules] = {}
    total_loss: dict[str, Decimal] = {}
    trigger_by: TriggerBy = TriggerBy.LAST
    confirm: int = SETTLES

    def of(self, symbol: str) -> Rules:
        return self.symbols.get(symbol, self.rules)


class StaleRule(msgspec.Struct, frozen=True):
    """When orders of one tag are stale, and what is done then. cancel_after, take_after: ns since the order was placed,
    0: never. share: of the open quantity to take; within: limit of that order, as a share: a buy this far above the
    best bid, a sell below the best ask."""

    cancel_after: int = 0
    take_after: int = 0
    share: Decimal = Decimal("0.3")
    within: Decimal = Decimal("0.002")


class StaleRules(msgspec.Struct, frozen=True):
    """The rules of orders that worked too long, by tag. orphans_after: ns after which a trigger order without a
    position to close is canceled, 0: never."""

    tags: dict[str, StaleRule] = {}
    orphans_after: int = 0

    def of(self, tag: str) -> StaleRule:
        return self.tags.get(tag) or self.tags.get(ANY, StaleRule())
