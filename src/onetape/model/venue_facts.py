"""Read public facts of a venue as a whole, beside its instruments: how it treats amendments
and triggers that are met on arrival, its fees by volume, when it calls loans in. Each fact
has its source and date.

`venues.json` holds them; tools/make_venues.py makes it. A venue or a number without a dated source
is not in it: then the rule is the common one, and the fees stay at the base tier.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from onetape.model.enums import TRIGGER_PRICES, AmendRule, Kind, MetTrigger, TriggerBy
from onetape.model.fee_tiers import FeeTier, checked
from onetape.model.time import parse_time
from onetape.model.typed import from_json

_BEGINNING: Final = -(2**63)


class AmendFact(msgspec.Struct, frozen=True):
    """A venue's treatment of an amended resting order."""

    venue: str
    markets: tuple[Kind, ...]
    rule: AmendRule
    triggers: bool
    about: str
    as_of: str


class TriggerFact(msgspec.Struct, frozen=True):
    """A venue's treatment of an order whose trigger is met on arrival; `by`: the prices that its triggers may watch."""

    venue: str
    markets: tuple[Kind, ...]
    met: MetTrigger
    about: str
    as_of: str
    by: tuple[TriggerBy, ...] = TRIGGER_PRICES


class LoanFact(msgspec.Struct, frozen=True):
    """The levels of a venue's loans, as assets over debts: below `call` the venue warns, at `liquidation` or below
    it sells. `fee` is a share of the value that it sells or buys."""

    venue: str
    call: Decimal
    liquidation: Decimal
    fee: Decimal
    about: str
    as_of: str


class FeeSchedule(msgspec.Struct, frozen=True):
    """Fees by the volume of thirty days, from the base tier (volume 0) up. `needs`: requirements beside volume.
    `names`: only instruments with these venue names; empty: all others."""

    venue: str
    markets: tuple[Kind, ...]
    about: str
    as_of: str
    valid_from: str
    quotes: tuple[str, ...]
    tiers: tuple[tuple[Decimal, Decimal, Decimal], ...]
    needs: str = ""
    names: tuple[str, ...] = ()

    @property
    def since(self) -> int:
        """Start of validity, ns UTC; the beginning of time where nothing older is known."""
        return parse_time(self.valid_from) if self.valid_from else _BEGINNING

    @property
    def base(self) -> tuple[Decimal, Decimal]:
        """(maker, taker) of the base tier."""
        return self.tiers[0][1], self.tiers[0][2]

    def tiers_in(self, quote: str) -> tuple[FeeTier, ...]:
        """Returns the tiers above the base one; none where a volume in `quote` does not define them."""
        if quote not in self.quotes:
            return ()
        return checked([FeeTier(volume_min=v, maker_fee=m, taker_fee=t) for v, m, t in self.tiers[1:]])


class _File(msgspec.Struct, frozen=True):
    amend: tuple[AmendFact, ...]
    triggers: tuple[TriggerFact, ...]
    loans: tuple[LoanFact, ...]
    fees: tuple[FeeSchedule, ...]


@lru_cache(maxsize=1)
def _file() -> _File:
    return from_json(Path(__file__).with_name("venues.json").read_bytes(), _File)


def amend_fact(venue: str, kind: Kind) -> AmendFact | None:
    """Returns how the venue treats amendments in that market; None: unknown."""
    return next((f for f in _file().amend if f.venue == venue and kind in f.markets), None)


def trigger_fact(venue: str, kind: Kind) -> TriggerFact | None:
    """Returns what the venue does with a trigger that is met on arrival; None: unknown."""
    return next((f for f in _file().triggers if f.venue == venue and kind in f.markets), None)


def loan_fact(venue: str) -> LoanFact | None:
    """Returns when the venue calls spot loans in; None: unknown."""
    return next((f for f in _file().loans if f.venue == venue), None)


def loan_facts() -> tuple[LoanFact, ...]:
    """Returns the loan facts of all venues."""
    return _file().loans


def schedules(venue: str, kind: Kind, names: tuple[str, ...] = ()) -> list[FeeSchedule]:
    """Returns an instrument's fee schedules, oldest first. names: the venue's names of the instrument; a schedule for
    one of them replaces the common one of the same time."""
    dated: dict[int, FeeSchedule] = {}
    for each in _file().fees:
        if each.venue != venue or kind not in each.markets:
            continue
        if not each.names or set(each.names) & set(names):
            dated[each.since] = each if each.names else dated.get(each.since, each)
    return [dated[since] for since in sorted(dated)]


def fee_source(venue: str, kind: Kind, fees: tuple[Decimal, Decimal], tiers: tuple[FeeTier, ...]) -> FeeSchedule | None:
    """Returns the shipped schedule with exactly these fees, or None."""
    for each in _file().fees:
        if each.venue == venue and kind in each.markets and each.base == fees:
            found = [(t.volume_min, t.maker_fee, t.taker_fee) for t in tiers]
            if found == list(each.tiers[1:]):
                return each
    return None


__all__ = [
    "AmendFact",
    "FeeSchedule",
    "LoanFact",
    "TriggerFact",
    "amend_fact",
    "fee_source",
    "loan_fact",
    "loan_facts",
    "schedules",
    "trigger_fact",
]
