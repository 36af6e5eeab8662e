"""Binance USD-M: balance changes other than fills. The venue reports each twice; it is counted once.

The account's stream reports a change with a reason and without an id; the income history has an id (`tranId`, unique
within a type) and its own words for the reasons. Two reports match if kind, currency and amount are equal, and the
symbol if both have it, within `WINDOW`; the nearest in time wins, and each report matches once. The first report gives
the change its reference, which says from which of the two it came, so that a restarted gateway recognizes it on its
tape.

Sources: "Balance and Position Update" and "Get Income History" of the USD-M documentation, read 2026-11. The history
has three months, and seven days if no start is requested.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from onetape.model.time import MS, SECOND
from onetape.orders.reports import MoveKind, MoveReport
from onetape.venues.numbers import money_of

__all__ = ["WINDOW_MS", "SeenMoves", "income_terms", "kind_of", "next_income"]

# The stream reports funding when the account is settled, some time after the full hour that the history shows.
WINDOW_MS: Final = 60_000
INCOME_PAGE: Final = 1000
INCOME_KEPT: Final = 90 * 86_400 * SECOND
INCOME_USUAL: Final = 7 * 86_400 * SECOND  # default reach of the history
KEPT: Final = 10_000

_NO_MOVE: Final = frozenset({"ORDER", "MARGIN_TRANSFER", "MARGIN_TYPE_CHANGE"})
# Income of fills, which each fill reports itself.
_OF_FILLS: Final = frozenset({"REALIZED_PNL", "COMMISSION", "DELIVERED_SETTELMENT"})

_KINDS: Final = {
    # the stream's reasons
    "DEPOSIT": MoveKind.TRANSFER,
    "WITHDRAW": MoveKind.TRANSFER,
    "WITHDRAW_REJECT": MoveKind.TRANSFER,
    "ADMIN_DEPOSIT": MoveKind.TRANSFER,
    "ADMIN_WITHDRAW": MoveKind.TRANSFER,
    "ASSET_TRANSFER": MoveKind.TRANSFER,
    "ADJUSTMENT": MoveKind.TRANSFER,
    # the history's types, and those with the same word in both
    "TRANSFER": MoveKind.TRANSFER,
    "INTERNAL_TRANSFER": MoveKind.TRANSFER,
    "CROSS_COLLATERAL_TRANSFER": MoveKind.TRANSFER,
    "STRATEGY_UMFUTURES_TRANSFER": MoveKind.TRANSFER,
    "COIN_SWAP_DEPOSIT": MoveKind.TRANSFER,
    "COIN_SWAP_WITHDRAW": MoveKind.TRANSFER,
    "FUNDING_FEE": MoveKind.FUNDING,
    "INSURANCE_CLEAR": MoveKind.FEE,
    "COMMISSION_REBATE": MoveKind.FEE,
    "REFERRAL_KICKBACK": MoveKind.FEE,
    "API_REBATE": MoveKind.FEE,
    "FEE_RETURN": MoveKind.FEE,
    "POSITION_LIMIT_INCREASE_FEE": MoveKind.FEE,
    "BFUSD_REWARD": MoveKind.INTEREST,
}


def kind_of(word: str) -> MoveKind:
    """Returns the kind of a stream's reason or a history's type; OTHER for a new one."""
    return _KINDS.get(word, MoveKind.OTHER)


_WORDS: Final = frozenset(kind.value for kind in MoveKind)
_Sum = tuple[MoveKind, str, int]  # kind, currency, amount


def income_terms(now: int, since: int, cursor: str, *, pages: bool = True) -> dict[str, str]:
    """Returns the parameters of the request for a page of the history, oldest first. cursor: `START:PAGE`, or `START`
    if the history has no pages."""
    start, _, page = cursor.partition(":")
    start = start or str(max(since, now - (INCOME_KEPT if since else INCOME_USUAL)) // MS)
    return {"startTime": start, "limit": str(INCOME_PAGE)} | ({"page": page or "1"} if pages else {})


def next_income(rows: Sequence[Mapping[str, Any]], sent: Mapping[str, str]) -> str:
    """Returns the cursor after a page, "" at the end. Without pages the next query begins at the millisecond of the
    last row; rows that come twice are recognized by their id. A millisecond that fills a whole page is skipped."""
    if len(rows) < INCOME_PAGE:
        return ""
    if "page" in sent:
        return f"{sent['startTime']}:{int(sent['page']) + 1}"
    start, last = int(sent["startTime"]), max(int(row["time"]) for row in rows)
    return str(last if last > start else start + 1)


@dataclass(slots=True)
class _Seen:
    """One reported balance change. time_ms: the time of its first report."""

    reference: str
    symbol: str
    time_ms: int
    stream_ms: int = 0  # time of the stream's event, 0: the stream has not reported it
    tran: str = ""  # its id in the history, "": not shown there yet


class SeenMoves:
    """Remembers the recently reported balance changes of one account."""

    def __init__(self) -> None:
        self._by_sum: dict[_Sum, list[_Seen]] = {}
        self._order: deque[tuple[_Sum, _Seen]] = deque()

    def reference_of(self, kind: MoveKind, currency: str, amount: int, symbol: str, time_ms: int) -> str:
        """Returns the reference of a change that the stream reports; a repeated event gets the same one."""
        key = (kind, currency, amount)
        for each in self._by_sum.get(key, ()):
            if each.stream_ms == time_ms and (each.symbol == symbol or not symbol):
                return each.reference
        found = self._nearest(key, symbol, time_ms, lambda each: not each.stream_ms)
        if found is None:
            reference = _reference("stream", kind, currency, amount, symbol, time_ms)
            found = self._keep(key, _Seen(reference, symbol, time_ms))
        found.stream_ms = time_ms
        return found.reference

    def listed(self, tran: str, kind: MoveKind, currency: str, amount: int, symbol: str, time_ms: int) -> str:
        """Returns the reference of a row of the history."""
        key = (kind, currency, amount)
        for each in self._by_sum.get(key, ()):
            if each.tran == tran:
                return each.reference
        found = self._nearest(key, symbol, time_ms, lambda each: not each.tran)
        if found is None:
            reference = _reference(tran, kind, currency, amount, symbol, time_ms)
            found = self._keep(key, _Seen(reference, symbol, time_ms))
        found.tran = tran
        return found.reference

    def of_event(self, body: Mapping[str, Any], time_ms: int, symbol_of: Callable[[str], str]) -> list[MoveReport]:
        """Returns the balance changes of an ACCOUNT_UPDATE; Each row's `bc` is the change without profit and
        commission. Raises LookupError, TypeError, ValueError."""
        if body.get("m", "ORDER") in _NO_MOVE:
            return []
        kind, raw = kind_of(body["m"]), body.get("S", "")
        found = []
        for row in body.get("B", ()):
            amount, currency = money_of(row.get("bc", "0")), row["a"]
            if amount:
                reference = self.reference_of(kind, currency, amount, raw, time_ms)
                time = time_ms * MS
                found.append(MoveReport(reference, currency, amount, time, kind, symbol_of(raw)))
        return found

    def of_history(self, rows: Iterable[Mapping[str, Any]], symbol_of: Callable[[str], str]) -> list[MoveReport]:
        """Returns the balance changes of a page of the history, without those of fills. Raises LookupError, TypeError,
        ValueError."""
        found = []
        for row in rows:
            if row["incomeType"] in _OF_FILLS:
                continue
            kind, currency, raw = kind_of(row["incomeType"]), row["asset"], row["symbol"]
            amount, time_ms = money_of(row["income"]), int(row["time"])
            reference = self.listed(str(row["tranId"]), kind, currency, amount, raw, time_ms)
            time = time_ms * MS
            found.append(MoveReport(reference, currency, amount, time, kind, symbol_of(raw)))
        return found

    def note(self, reference: str) -> None:
        """Notes a change that is on a tape; a reference of another form is ignored."""
        parts = reference.split(" ")
        if len(parts) != 6 or parts[1] not in _WORDS or not parts[5].isdecimal():
            return
        source, kind, currency, amount, symbol, time_ms = parts
        symbol = "" if symbol == "-" else symbol
        one = _Seen(reference, symbol, int(time_ms))
        if source == "stream":
            one.stream_ms = one.time_ms
        else:
            one.tran = source
        self._keep((MoveKind(kind), currency, int(amount)), one)

    def _nearest(self, key: _Sum, symbol: str, time_ms: int, is_free: Callable[[_Seen], bool]) -> _Seen | None:
        near = [
            each
            for each in self._by_sum.get(key, ())
            if is_free(each)
            and abs(each.time_ms - time_ms) <= WINDOW_MS
            and (each.symbol == symbol or not each.symbol or not symbol)
        ]
        return min(near, key=lambda each: abs(each.time_ms - time_ms), default=None)

    def _keep(self, key: _Sum, one: _Seen) -> _Seen:
        self._by_sum.setdefault(key, []).append(one)
        self._order.append((key, one))
        if len(self._order) > KEPT:
            old_key, old = self._order.popleft()
            self._by_sum[old_key].remove(old)
            if not self._by_sum[old_key]:
                del self._by_sum[old_key]
        return one


def _reference(source: str, kind: MoveKind, currency: str, amount: int, symbol: str, time_ms: int) -> str:
    return f"{source} {kind} {currency} {amount} {symbol or '-'} {time_ms}"
