"""The description of a simulated exchange in its folder (`<folder>/facts.py`)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules
from onetape.exchange.keys import key_pair
from onetape.model.enums import Kind
from onetape.model.symbol import parse_symbol

__all__ = ["VenueFacts"]


@dataclass(frozen=True, slots=True)
class VenueFacts:
    """Describes one kind of simulated exchange. balances: the opening balances of every account."""

    symbols: tuple[str, ...]
    balances: dict[str, str]
    rules: Rules
    dialect: Callable[..., Dialect]
    leverage: dict[str, int] = field(default_factory=dict)  # symbol -> default leverage
    ed25519: bool = False  # every account also has an Ed25519 key
    keys: Callable[[int, str], tuple[str, str]] = key_pair  # returns key and secret of an account, by seed and name
    raw_symbol: Callable[[str, str], str] = operator.add  # names an instrument from base and quote
    # Names a dated contract from its perpetual's name and the date, YYMMDD; None: there are none.
    dated_raw: Callable[[str, str], str] | None = None

    @property
    def of_an_account(self) -> tuple[str, ...]:
        """The symbols that one account trades: without spot, if the money of spot is in a wallet of its own."""
        if not self.rules.spot_money:
            return self.symbols
        return tuple(each for each in self.symbols if parse_symbol(each).kind is not Kind.SPOT)
