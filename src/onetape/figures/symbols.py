"""Neutral symbols: one name for the instruments of all accounts. Pure.

`BTC-USD` of [symbols] means the instruments listed there; without a list it is each account's perpetual of that
base, in that quote or, for USD, in a token worth one. A venue's own name works, too, on the accounts that trade it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from onetape.model.enums import Kind
from onetape.model.errors import InvalidAccount, UnknownSymbol
from onetape.model.instrument import Instrument
from onetape.model.near import did_you_mean
from onetape.web.control_models import AccountInstrument, NeutralSymbol

__all__ = ["USD", "NeutralSymbols"]

# Quote currencies of `-USD`, the preferred one first. Linear contracts come before inverse ones.
USD: Final = ("USDT", "USDC", "USD")


class NeutralSymbols:
    """Finds each account's instrument of a neutral symbol. configured: [symbols]; instruments: account -> symbol ->
    instrument of its gateway."""

    def __init__(
        self, configured: Mapping[str, Collection[str]], instruments: Mapping[str, Mapping[str, Instrument]]
    ) -> None:
        self._configured = configured
        self._instruments = instruments
        self._found: dict[str, dict[str, Instrument | None]] = {}

    def of(self, name: str) -> dict[str, Instrument | None]:
        """Returns each account's instrument, None if it has none. Raises UnknownSymbol if no account has one."""
        if (found := self._found.get(name)) is None:
            found = self._all(name)
            if not any(found.values()):
                names = [each for each in self.names() if each != name]  # one of [symbols] that is not traded yet
                todo = did_you_mean(name, names) or f"there are {', '.join(names[:8]) or 'none yet'}"
                raise UnknownSymbol(f"no account trades {name[:80]!r}", todo=todo)
            self._found[name] = found
        return found

    def on(self, name: str, accounts: Collection[str]) -> dict[str, Instrument]:
        """Returns account -> instrument for these accounts. Raises InvalidAccount for an unknown account,
        UnknownSymbol if one of them does not trade the symbol."""
        for account in accounts:
            self.check(account)
        found = self.of(name)
        instruments = {account: found[account] for account in accounts}
        if lacking := [account for account, each in instruments.items() if each is None]:
            having = ", ".join(account for account, each in found.items() if each is not None)
            raise UnknownSymbol(
                f"{lacking[0]} does not trade {name[:80]!r}", todo=f"{having} {'do' if having.count(',') else 'does'}"
            )
        return {account: each for account, each in instruments.items() if each is not None}

    def check(self, account: str) -> None:
        """Raises InvalidAccount for an account that is not configured."""
        if account not in self._instruments:
            todo = did_you_mean(account, self._instruments) or f"there are {', '.join(self._instruments) or 'none'}"
            raise InvalidAccount(f"no account `{account[:80]}`", todo=todo)

    def names(self) -> list[str]:
        """Returns the names in [symbols], then the default names that at least two accounts have."""
        counts: dict[str, int] = {}
        for own in self._instruments.values():
            for base in {each.base for each in own.values() if each.perpetual and _rank(each, "USD") is not None}:
                counts[f"{base}-USD"] = counts.get(f"{base}-USD", 0) + 1
        return list(dict.fromkeys([*self._configured, *sorted(name for name, n in counts.items() if n > 1)]))

    def traded(self) -> list[str]:
        """Returns the names that an account trades now."""
        return [name for name in self.names() if any(self._all(name).values())]

    def _all(self, name: str) -> dict[str, Instrument | None]:
        return {account: self._chosen(name, own) for account, own in self._instruments.items()}

    def shown(self) -> list[NeutralSymbol]:
        return [
            NeutralSymbol(
                symbol=name,
                configured=name in self._configured,
                instruments=[_shown(account, each) for account, each in of.items() if each is not None],
            )
            for name, of in ((name, self._all(name)) for name in self.names())
        ]

    def _chosen(self, name: str, own: Mapping[str, Instrument]) -> Instrument | None:
        if (listed := self._configured.get(name)) is not None:
            return next((own[symbol] for symbol in listed if symbol in own), None)
        if name in own:
            return own[name]
        base, _, quote = name.partition("-")
        ranked = [
            (rank, each.symbol, each)
            for each in own.values()
            if each.base == base and each.perpetual and (rank := _rank(each, quote)) is not None
        ]
        return min(ranked)[2] if ranked else None


def _rank(instrument: Instrument, quote: str) -> tuple[bool, int] | None:
    """Returns the rank of an instrument for a name (the lowest rank wins), or None when it does not match."""
    quotes = USD if quote == "USD" else (quote,)
    if instrument.quote not in quotes:
        return None
    return instrument.kind is Kind.INVERSE, quotes.index(instrument.quote)


def _shown(account: str, instrument: Instrument) -> AccountInstrument:
    return AccountInstrument(
        account_id=account,
        symbol=instrument.symbol,
        raw_symbol=instrument.raw_symbol,
        base=instrument.base,
        quote=instrument.quote,
        settle=instrument.settle,
        multiplier=float(instrument.multiplier),
        inverse=instrument.kind is Kind.INVERSE,
    )
