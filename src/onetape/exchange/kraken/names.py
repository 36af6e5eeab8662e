"""Kraken's names of assets, pairs, orders, trades and ledger entries.

REST has the old names (XXBT, ZUSD, XXBTZUSD; altnames XBT, USD, XBTUSD; wsname XBT/USD), WebSocket v2 the usual ones
(BTC/USD). Sources: GET /0/public/Assets and AssetPairs, docs.kraken.com "WebSocket v2 FAQ", as of 2026-11.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onetape.model.instrument import Instrument

__all__ = ["Names", "altname", "asset_id", "identify", "number_of"]

_ALT: Final = {"BTC": "XBT", "DOGE": "XDG"}
_LEGACY_COINS: Final = frozenset({"XBT", "ETH", "XRP", "LTC", "XDG", "ETC", "MLN", "REP", "XLM", "XMR", "ZEC"})
_LEGACY_MONEY: Final = frozenset({"USD", "EUR", "GBP", "JPY", "CAD", "AUD"})
# Base -> quotes of the old pairs, whose ids are long names. The list is closed: newer pairs of these assets use
# altnames.
_LONG_PAIRS: Final[dict[str, tuple[str, ...]]] = {
    "USDT": ("ZUSD",),
    "XETC": ("XETH", "XXBT", "ZEUR", "ZUSD"),
    "XETH": ("XXBT", "ZCAD", "ZEUR", "ZGBP", "ZJPY", "ZUSD"),
    "XLTC": ("XXBT", "ZEUR", "ZJPY", "ZUSD"),
    "XMLN": ("XETH", "XXBT", "ZEUR", "ZUSD"),
    "XREP": ("XETH", "XXBT", "ZEUR", "ZUSD"),
    "XXBT": ("ZCAD", "ZEUR", "ZGBP", "ZJPY", "ZUSD"),
    "XXDG": ("XXBT",),
    "XXLM": ("XXBT", "ZAUD", "ZEUR", "ZGBP", "ZUSD"),
    "XXMR": ("XXBT", "ZEUR", "ZUSD"),
    "XXRP": ("XXBT", "ZCAD", "ZEUR", "ZJPY", "ZUSD"),
    "XZEC": ("XXBT", "ZEUR", "ZUSD"),
    "ZEUR": ("ZUSD",),
    "ZGBP": ("ZUSD",),
    "ZUSD": ("ZCAD", "ZJPY"),
}
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_DIGITS: Final = 16  # digits of an id, five bits each
_SPACE: Final = 1 << (5 * _DIGITS)
# Odd, so that it has an inverse: ids look random and still encode their numbers.
_SPREAD: Final = 0x9E3779B97F4A7C15F39D
_GATHER: Final = pow(_SPREAD, -1, _SPACE)


def altname(currency: str) -> str:
    """Returns the altname: XBT for BTC."""
    return _ALT.get(currency, currency)


def asset_id(currency: str) -> str:
    """Returns the asset id: XXBT for BTC, ZUSD for USD, SOL for SOL."""
    alt = altname(currency)
    if alt in _LEGACY_COINS:
        return f"X{alt}"
    return f"Z{alt}" if alt in _LEGACY_MONEY else alt


def identify(letter: str, number: int) -> str:
    """Returns an id in Kraken's form, O26VBY-ISGAE-JP5TLU: the same for the same number. 0 <= number < 2**80."""
    spread = number * _SPREAD % _SPACE
    text = "".join(_LETTERS[spread >> 5 * at & 31] for at in reversed(range(_DIGITS)))
    return f"{letter}{text[:5]}-{text[5:10]}-{text[10:]}"


def number_of(letter: str, text: str) -> int:
    """Returns the number from which `identify` made an id; -1 for any other text."""
    if len(text) != 19 or text[0] != letter or text[6] != "-" or text[12] != "-":
        return -1
    spread = 0
    for each in text[1:].replace("-", ""):
        digit = _LETTERS.find(each)
        if digit < 0:
            return -1
        spread = spread << 5 | digit
    return spread * _GATHER % _SPACE if spread < _SPACE else -1


class Names:
    """All names of the pairs and assets of one exchange."""

    def __init__(self, instruments: Sequence[Instrument], currencies: Sequence[str]) -> None:
        self.pair_ids: list[str] = []
        self.altnames: list[str] = []
        self.wsnames: list[str] = []  # REST's: XBT/USD
        self.symbols: list[str] = []  # WebSocket v2's: BTC/USD
        self.by_pair: dict[str, int] = {}
        for at, i in enumerate(instruments):
            base, quote = altname(i.base), altname(i.quote)
            ids = asset_id(i.base), asset_id(i.quote)
            is_long = ids[1] in _LONG_PAIRS.get(ids[0], ())
            pair_id = "".join(ids) if is_long else f"{base}{quote}"
            self.pair_ids.append(pair_id)
            self.altnames.append(f"{base}{quote}")
            self.wsnames.append(f"{base}/{quote}")
            self.symbols.append(f"{i.base}/{i.quote}")
            for name in (pair_id, f"{base}{quote}", f"{base}/{quote}", f"{i.base}/{i.quote}"):
                self.by_pair[name] = at
            self.by_pair[f"{i.base}{i.quote}"] = at
        self.by_symbol = {name: at for at, name in enumerate(self.symbols)}
        self.asset_ids = [asset_id(name) for name in currencies]
        self.by_asset = {
            each: at for at, name in enumerate(currencies) for each in (name, altname(name), asset_id(name))
        }
