"""Parse names of instruments: `venue:UNIFIED`, unified as ccxt writes it, or any `venue:NAME`.

    kraken:BTC/USD                  spot
    binance:BTC/USDT:USDT           perpetual, linear (settles in the quote)
    bitmex:BTC/USD:BTC              perpetual, inverse (settles in the base)
    okx:BTC/USD:BTC-241227          dated: expires 2024-12-27, at 08:00 UTC unless a catalogue says
    csv:MYDATA                      a free name; currency XXX unless set
    binance@b:BTC/USDT:USDT         binance's instrument on account `b` of a run with others there

Names are case sensitive. A venue is lower case.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final
from urllib.parse import quote as percent_encode

import msgspec

from onetape.model.enums import Kind
from onetape.model.errors import BadInput, NotAvailable, OnetapeError, UnknownSymbol
from onetape.model.time import parse_time

UNKNOWN_CURRENCY: Final = "XXX"
NAME_CHARS_MAX: Final = 64
# The hour at which most crypto venues settle dated contracts.
_EXPIRY_HOUR: Final = "08:00:00"

_VENUE = re.compile(r"[a-z][a-z0-9_-]{0,31}(@[A-Za-z0-9_-]{1,32})?\Z")
# Some listings have had non-ASCII names since 2025. Refused are only separators of a symbol's parts and characters
# with a meaning in a shell or file system.
_NAME = re.compile(r"[^\s\x00-\x1f\x7f\\'\"`<>|*?]+\Z")
_UNIFIED = re.compile(
    r"(?P<base>[^/:]+)/(?P<quote>[^/:]+?)"
    r"(?::(?P<settle>[^/:-]+)(?:-(?P<expiry>\d{6})(?P<option>-[^/:]+)?)?)?\Z"
)
# Names of options end with expiry, strike, and call or put: BTC-241227-60000-C (Binance), BTC-USD-241227-60000-C (OKX),
# BTC-27DEC24-60000-C-USDT (Bybit, Deribit), XRP_USDC-27DEC24-1d25-P, AAPL240119C00150000 (OCC).
_OPTION = re.compile(
    r"[^/:]+-(\d{6}|\d{1,2}[A-Z]{3}\d{2})-\d+([.d]\d+)?-[CP](-[A-Z]+)?\Z|[A-Z.]{1,6} *\d{6}[CP]\d{8}\Z", re.ASCII
)


_EXCHANGES: Final = {"binanceusdm": "binance"}  # exchanges whose ccxt name differs


def exchange_of(kind: str) -> str:
    """Returns the exchange name in the symbols of a kind: `binance` for `binance-usdm` and `ccxt:binanceusdm`,
    `kraken` for `ccxt:kraken`."""
    name = kind.removeprefix("ccxt:").partition("-")[0]
    return _EXCHANGES.get(name, name)


@lru_cache(maxsize=4096)
def at_exchange(text: str) -> str:
    """Returns a symbol or venue without its account: `binance` for `binance@b`."""
    venue, colon, name = text.partition(":")
    return f"{venue.partition('@')[0]}{colon}{name}"


class Symbol(msgspec.Struct, frozen=True):
    """A parsed name. `expiry` is int ns UTC, None for spot, perpetual and free names."""

    text: str
    venue: str
    name: str
    base: str
    quote: str
    settle: str
    kind: Kind
    expiry: int | None
    is_unified: bool

    @property
    def is_perpetual(self) -> bool:
        """True for a contract without expiry."""
        return self.kind is not Kind.SPOT and self.expiry is None


@lru_cache(maxsize=4096)
def parse_symbol(text: str) -> Symbol:
    """Returns the parts of a name. Raises BadInput naming the violated rule, NotAvailable for options.

    A free name is a linear perpetual in XXX: it can be sold short, and its profit is the price difference.
    """
    venue, colon, name = text.partition(":")
    if not colon or not _VENUE.match(venue):
        raise BadInput(f"not a symbol: {text!r}", todo="write venue:NAME, such as binance:BTC/USDT:USDT")
    if len(name) > NAME_CHARS_MAX or not _NAME.match(name):
        raise BadInput(
            f"not an instrument's name: {name!r}",
            todo=f"use 1 to {NAME_CHARS_MAX} characters without spaces and quotes",
        )
    if is_option(text):
        raise option_refused(text)
    parts = _UNIFIED.match(name)
    if parts is None:
        if "/" in name or ":" in name:
            raise BadInput(f"not an instrument's name: {name!r}", todo="write BASE/QUOTE or BASE/QUOTE:SETTLE")
        return Symbol(
            text,
            venue,
            name,
            base=name,
            quote=UNKNOWN_CURRENCY,
            settle=UNKNOWN_CURRENCY,
            kind=Kind.LINEAR,
            expiry=None,
            is_unified=False,
        )
    base, quote, settle = parts["base"], parts["quote"], parts["settle"]
    if settle is None:
        kind = Kind.SPOT
    elif settle == quote:
        kind = Kind.LINEAR
    elif settle == base:
        kind = Kind.INVERSE
    else:
        raise NotAvailable(
            f"a contract that settles neither in {quote} nor in {base} (quanto) is not modelled", location=text
        )
    expiry = _expiry(parts["expiry"], text) if parts["expiry"] else None
    return Symbol(text, venue, name, base, quote, settle or quote, kind, expiry, is_unified=True)


def is_option(text: str) -> bool:
    """Returns True for the name of an option, with or without its venue: unified, or as a venue writes it."""
    name = text.partition(":")[2] if text[:1].islower() else text
    unified = _UNIFIED.match(name)
    return bool(unified["option"]) if unified else _OPTION.match(name) is not None


def option_refused(text: str) -> NotAvailable:
    """Returns the error that refuses an option by name."""
    return NotAvailable(f"{text} is an option, and options are not modelled", todo="leave it out")


def not_listed(symbols: Collection[str], *, kind: str = "", location: str = "") -> OnetapeError:
    """Returns the error for symbols that a venue does not list; options are refused as such. kind: of the venue."""
    options = sorted(filter(is_option, symbols))
    if options:
        return option_refused(", ".join(options))
    return UnknownSymbol(
        f"{', '.join(sorted(symbols))} does not trade {f'at {kind}' if kind else 'there'}", location=location
    )


def is_unified(text: str) -> bool:
    """Returns True for a unified symbol: it begins with `venue:BASE/QUOTE`."""
    try:
        return parse_symbol(text).is_unified
    except (BadInput, NotAvailable):
        return False


def is_venue(text: str) -> bool:
    """Returns True for a valid venue name."""
    return _VENUE.match(text) is not None


def _expiry(yymmdd: str, text: str) -> int:
    try:
        return parse_time(f"20{yymmdd[:2]}-{yymmdd[2:4]}-{yymmdd[4:]}T{_EXPIRY_HOUR}Z")
    except BadInput:
        raise BadInput(f"not a date: {yymmdd}", location=text, todo="write YYMMDD") from None


def file_stem(symbol: str) -> str:
    """Returns the symbol as a file name without separators; different symbols differ: `binance:BTC/USDT:USDT` ->
    `binance@BTC_USDT@USDT`."""
    return "".join(_FILE_SIGNS.get(c) or percent_encode(c, safe="") for c in symbol)


# "_", "~" and "@" of a name itself are escaped, so that the three below stay unambiguous.
_FILE_SIGNS = {":": "@", "/": "_", "_": "%5F", "~": "%7E"}

__all__ = ["NAME_CHARS_MAX", "UNKNOWN_CURRENCY", "Symbol", "file_stem", "is_unified", "is_venue", "parse_symbol"]
