"""Compute fees by volume from a schedule of tiers, each valid from a thirty-day volume on.

The volume is what the account traded, in the quote currency (of an inverse contract: contracts
times multiplier), over all instruments of the same venue, market and quote currency that have a
schedule. Below the first tier the instrument's own fees hold. The volume before a fill decides its fee; fills of
thirty days ago or more no longer count.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from onetape.model.decimals import canonical
from onetape.model.errors import BadInput
from onetape.model.money import money_units, rate_units

TIERS_MAX: Final = 100


class FeeTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rates of a fee tier, as shares of notional; a negative rate is a rebate."""

    volume_min: Decimal
    maker_fee: Decimal
    taker_fee: Decimal


def checked(tiers: Sequence[FeeTier]) -> tuple[FeeTier, ...]:
    """Returns the tiers in canonical form. Raises BadInput where volumes do not rise or a rate is invalid."""
    if len(tiers) > TIERS_MAX:
        raise BadInput(f"{len(tiers)} fee tiers, at most {TIERS_MAX}")
    rows: list[FeeTier] = []
    for number, tier in enumerate(tiers, 1):
        what = f"fee tier {number}"
        for value in (tier.volume_min, tier.maker_fee, tier.taker_fee):
            if not value.is_finite():
                raise BadInput(f"{what}: numbers must be finite: {value}")
        if tier.volume_min < 0 or (rows and tier.volume_min <= rows[-1].volume_min):
            raise BadInput(f"{what}: volume_min {tier.volume_min} does not rise")
        if max(abs(tier.maker_fee), abs(tier.taker_fee)) >= 1:
            raise BadInput(f"{what}: a fee is a share of the notional, below 1")
        money_units(tier.volume_min)  # raises ValueError where it does not fit
        rows.append(
            FeeTier(
                volume_min=canonical(tier.volume_min),
                maker_fee=canonical(tier.maker_fee),
                taker_fee=canonical(tier.taker_fee),
            )
        )
    return tuple(rows)


def core_rows(tiers: Sequence[FeeTier]) -> list[tuple[int, int, int]]:
    """Returns the tiers in the core's form: money in 1e-18, rates in 1e-12."""
    return [(money_units(t.volume_min), rate_units(t.maker_fee), rate_units(t.taker_fee)) for t in tiers]


__all__ = ["TIERS_MAX", "FeeTier", "checked", "core_rows"]
