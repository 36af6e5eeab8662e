"""Kraken spot: balances, orders, trades and the ledger of an account. Source: docs.kraken.com "Account data" of Spot
REST, as of 2026-11.

The ledger is derived from deposits and trades, so it cannot contradict them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import takewhile
from typing import Any, Final, NamedTuple, TypeVar

from onetape.exchange.account import TRADES_MAX, Income, SimAccount, SimFill, SimOrder, Trade, since
from onetape.exchange.exchange import SimExchange
from onetape.exchange.keys import MAIN, ApiKey
from onetape.exchange.kraken.names import identify
from onetape.exchange.kraken.public import PublicData, fee_steps
from onetape.exchange.kraken.terms import Params, flag, text_of
from onetape.exchange.kraken.wire import (
    Refused,
    cost_units,
    invalid,
    money_text,
    order_id,
    order_number,
    order_row,
    seconds,
    trade_id,
    trade_number,
    trade_row,
)
from onetape.model.enums import Side
from onetape.model.money import MONEY_DECIMALS

__all__ = ["AccountData", "LedgerEntry", "entries_of_fill", "entry_of_income", "held_back", "reference_of"]

PAGE: Final = 50
IDS_MAX: Final = 50
DAYS_30: Final = 30 * 86_400 * 1_000_000_000
_DEPOSIT: Final = 1 << 76

Row = TypeVar("Row")


class LedgerEntry(NamedTuple):
    """One change of a balance. Amounts in 1e-18; the fee is separate, in `fee`."""

    number: int
    reference: str
    time: int
    kind: str
    currency: int
    amount: int
    fee: int
    balance: int
    subtype: str = ""

    @property
    def id(self) -> str:
        return identify("L", self.number)


def entries_of_fill(exchange: SimExchange, order: SimOrder, fill: SimFill) -> list[LedgerEntry]:
    """Returns a fill's changes of two balances, quote first, without the resulting balances."""
    i = exchange.instruments[order.index]
    sign = 1 if order.side is Side.BUY else -1
    in_base = order.extra.get("fee_in_base")
    quote = -sign * cost_units(i, fill.price * fill.size)
    base = sign * fill.size * 10 ** (MONEY_DECIMALS - i.size_decimals)
    legs = ((i.settle, quote, 0 if in_base else fill.fee), (i.base, base, fill.fee if in_base else 0))
    first, reference, currencies = trade_number(order, fill) * 2, trade_id(order, fill), exchange.currencies
    return [
        LedgerEntry(first + leg, reference, fill.time, "trade", currencies.index(name), amount, fee, 0)
        for leg, (name, amount, fee) in enumerate(legs)
    ]


def reference_of(income: int, letter: str) -> str:
    """Returns the reference of a deposit or withdrawal, by its number in the account's history."""
    return identify(letter, _DEPOSIT + income)


def entry_of_income(income: Income, balance: int) -> LedgerEntry:
    """Returns the ledger entry of a balance change without a trade. balance: the balance after it."""
    number = _DEPOSIT + income.id
    kind, letter, subtype = "deposit", "D", ""
    if income.kind == "withdrawal":
        kind, letter = "withdrawal", "W"
    if income.kind == "transfer":
        kind, letter = "transfer", "F"
        subtype = "spottofutures" if income.amount < 0 else "spotfromfutures"
    return LedgerEntry(
        number,
        identify(letter, number),
        income.time,
        kind,
        income.currency,
        income.amount + income.fee,
        income.fee,
        balance,
        subtype,
    )


@dataclass(slots=True)
class _Ledger:
    """An account's entries so far, oldest first, and the last trade and the last income that they include."""

    entries: deque[LedgerEntry] = field(default_factory=lambda: deque(maxlen=2 * TRADES_MAX))
    left: dict[int, int] = field(default_factory=dict)
    trade: Trade | None = None
    income: Income | None = None


def held_back(exchange: SimExchange, account: SimAccount, currency: int) -> int:
    """Returns the amount of a currency reserved by working orders."""
    money = account.money
    return max(int(money.balance(currency)) - int(money.available(currency)), 0)


class AccountData:
    """Serves the private requests that read."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public
        self._ledgers: dict[int, _Ledger] = {}  # account's number -> its ledger

    # --- money ------------------------------------------------------------------------------------

    def balance(self, account: SimAccount) -> dict[str, str]:
        return {name: money_text(int(account.money.balance(at))) for at, name in enumerate(self.public.names.asset_ids)}

    def balance_ex(self, account: SimAccount) -> dict[str, Any]:
        return {
            name: {
                "balance": money_text(int(account.money.balance(at))),
                "hold_trade": money_text(held_back(self.exchange, account, at)),
            }
            for at, name in enumerate(self.public.names.asset_ids)
        }

    def trade_balance(self, account: SimAccount, params: Params) -> dict[str, str]:
        """Returns the value of all balances at the last prices. Without margin, everything is free."""
        asset = self.public.names.by_asset.get(text_of(params, "asset") or "ZUSD")
        if asset is None:
            raise Refused("EQuery:Unknown asset")
        total = int(account.money.balance(asset))
        for listing in self.exchange.listings:
            i = listing.instrument
            if self.exchange.currencies.index(i.settle) == asset and listing.last:
                held = int(account.money.balance(self.exchange.currencies.index(i.base)))
                total += held * listing.last // 10**i.price_decimals
        own = money_text(int(account.money.balance(asset)), 4)
        zero, worth = money_text(0, 4), money_text(total, 4)
        return {"eb": worth, "tb": own, "m": zero, "uv": zero, "n": zero, "c": zero, "v": zero, "e": own, "mf": own}

    def trade_volume(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Returns the volume of the last 30 days. Every account pays the fees of the first tier."""
        volume = 0
        usd = self.public.names.by_asset.get("ZUSD", 0)
        for order, fill in account.trades:
            i = self.exchange.instruments[order.index]
            if fill.time > now - DAYS_30 and self.exchange.currencies.index(i.settle) == usd:
                volume += cost_units(i, fill.price * fill.size)
        answer: dict[str, Any] = {"currency": "ZUSD", "volume": money_text(volume, 4)}
        if params.get("pair"):
            for name, is_maker in (("fees", False), ("fees_maker", True)):
                answer[name] = {
                    pair: self._fee(at, is_maker=is_maker) for pair, at in self.public.instruments_of(params).items()
                }
        return answer

    def _fee(self, at: int, *, is_maker: bool) -> dict[str, Any]:
        i = self.exchange.instruments[at]
        steps = fee_steps(i, is_maker=is_maker)
        rate = i.maker_fee if is_maker else i.taker_fee
        percent = f"{rate * 100:.4f}"

        def four(shown: Any) -> str:
            return f"{Decimal(bytes(shown).decode()):.4f}"

        return {
            "fee": percent,
            "minfee": four(steps[-1][1]),
            "maxfee": percent,
            "nextfee": four(steps[1][1]) if len(steps) > 1 else None,
            "nextvolume": f"{steps[1][0]}.0000" if len(steps) > 1 else None,
            "tiervolume": "0.0000",
        }

    def ledger(self, account: SimAccount) -> Sequence[LedgerEntry]:
        """Returns entries, oldest first."""
        kept = self._ledgers.setdefault(account.number, _Ledger())
        incomes, trades = _after(account.income, kept.income), _after(account.trades, kept.trade)
        moves = [entry_of_income(income, 0) for income in incomes if income.at < 0]
        moves += [entry for trade in trades for entry in entries_of_fill(self.exchange, *trade)]
        moves.sort(key=lambda m: m.time)  # stable: entries of the same time keep their order
        for move in moves:
            balance = kept.left.get(move.currency, 0) + move.amount - move.fee
            kept.left[move.currency] = balance
            silent = account.silent_by(move.currency, move.time)
            kept.entries.append(move._replace(balance=balance + silent))
        kept.income = incomes[-1] if incomes else kept.income
        kept.trade = trades[-1] if trades else kept.trade
        return kept.entries

    def ledgers(self, account: SimAccount, params: Params) -> dict[str, Any]:
        entries = _in_time(self.ledger(account), params, lambda entry: entry.time)
        asset = text_of(params, "asset")
        if asset not in ("", "all"):
            wanted = {self.public.names.by_asset.get(each, -1) for each in asset.split(",")}
            if -1 in wanted:
                raise Refused("EQuery:Unknown asset")
            entries = [e for e in entries if e.currency in wanted]
        kind = text_of(params, "type")
        if kind not in ("", "all"):
            entries = [e for e in entries if e.kind == kind]
        rows = {e.id: self._ledger_row(e) for e in _page(entries, params)}
        return {"ledger": rows, "count": len(entries)}

    def query_ledgers(self, account: SimAccount, params: Params) -> dict[str, Any]:
        wanted = _ids(params, "id")
        by_id = {entry.id: entry for entry in self.ledger(account)}
        if not set(wanted).issubset(by_id):
            raise invalid("id")
        return {text: self._ledger_row(by_id[text]) for text in wanted}

    def _ledger_row(self, entry: LedgerEntry) -> dict[str, Any]:
        return {
            "refid": entry.reference,
            "time": seconds(entry.time),
            "type": entry.kind,
            "subtype": entry.subtype,
            "aclass": "currency",
            "asset": self.public.names.asset_ids[entry.currency],
            "amount": money_text(entry.amount),
            "fee": money_text(entry.fee),
            "balance": money_text(entry.balance),
        }

    # --- orders -----------------------------------------------------------------------------------

    def _rows(self, account: SimAccount, orders: Iterable[SimOrder], params: Params) -> dict[str, Any]:
        by_order: dict[int, list[str]] | None = None
        if flag(params, "trades"):
            by_order = {}
            for trade in account.trades:
                by_order.setdefault(trade.order.id, []).append(trade_id(trade.order, trade.fill))
        names, instruments = self.public.names.altnames, self.exchange.instruments
        return {
            order_id(o): order_row(
                instruments[o.index], names[o.index], o, None if by_order is None else by_order.get(o.id, [])
            )
            for o in orders
        }

    @staticmethod
    def _named(orders: Iterable[SimOrder], params: Params) -> list[SimOrder]:
        reference, own = text_of(params, "userref"), text_of(params, "cl_ord_id")
        return [
            o
            for o in orders
            if (not reference or str(o.extra.get("userref")) == reference) and (not own or o.client_id == own)
        ]

    def open_orders(self, account: SimAccount, params: Params) -> dict[str, Any]:
        newest = reversed(list(account.open_orders.values()))
        return {"open": self._rows(account, self._named(newest, params), params)}

    def closed_orders(self, account: SimAccount, params: Params) -> dict[str, Any]:
        by = text_of(params, "closetime") or "both"
        if by not in ("open", "close", "both"):
            raise invalid("closetime")

        after, until = _span(params)

        def fits(order: SimOrder) -> bool:
            times = {"open": (order.created,), "close": (order.updated,)}.get(by, (order.created, order.updated))
            return any(after < time <= until for time in times)

        found = [o for o in self._named(account.closed, params) if fits(o)]
        return {"closed": self._rows(account, _page(found, params), params), "count": len(found)}

    def query_orders(self, account: SimAccount, params: Params) -> dict[str, Any]:
        own = text_of(params, "cl_ord_id")
        if own and not text_of(params, "txid"):
            order = account.by_client_id.get(own)
            return self._rows(account, [order] if order else [], params)
        found = []
        for text in _ids(params):
            order = account.by_id.get(order_number(text))
            if order is None:
                raise Refused("EOrder:Unknown order")
            found.append(order)
        return self._rows(account, self._named(found, params), params)

    # --- trades -----------------------------------------------------------------------------------

    def trades_history(self, account: SimAccount, params: Params) -> dict[str, Any]:
        kind = text_of(params, "type")
        if kind not in ("", "all", "no position"):
            raise invalid("type")
        found = _in_time(account.trades, params, lambda trade: trade.fill.time)
        return {"trades": {trade_id(*t): self._trade(t) for t in _page(found, params)}, "count": len(found)}

    def query_trades(self, account: SimAccount, params: Params) -> dict[str, Any]:
        wanted = _ids(params)
        by_id = {trade_id(*t): t for t in account.trades}
        if not set(wanted).issubset(by_id):
            raise Refused("EOrder:Unknown trade")
        return {text: self._trade(by_id[text]) for text in wanted}

    def _trade(self, trade: Trade) -> dict[str, Any]:
        at = trade.order.index
        return trade_row(self.exchange.instruments[at], self.public.names.pair_ids[at], trade)

    @staticmethod
    def key_info(key: ApiKey, nonce: int) -> dict[str, Any]:
        """Returns the permissions of the key, in the fields that matter to a client."""
        account = key.account
        allowed = ["query-funds", "query-open-trades", "query-closed-trades", "query-ledger"]
        if key.can_trade and account.can_trade:
            allowed += ["modify-trades", "close-trades"]
        if key.can_withdraw or account.can_withdraw:
            allowed += ["withdraw-funds"]
        return {
            "api_key_name": account.name if key.label == MAIN else key.label,
            "api_key": key.key,
            "nonce": str(nonce),
            "nonce_window": 0,
            "permissions": allowed,
            "iban": f"AA00 N84G SIMX {account.number:04d}",
            "valid_until": "0",
            "query_from": "0",
            "query_to": "0",
        }


def _ids(params: Params, name: str = "txid") -> list[str]:
    found = [each.strip() for each in text_of(params, name).split(",") if each.strip()]
    if not 1 <= len(found) <= IDS_MAX:
        raise invalid(name)
    return found


def _page(rows: Sequence[Row], params: Params) -> list[Row]:
    """Returns fifty rows, newest first, from `ofs` on."""
    text = text_of(params, "ofs") or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise invalid("ofs")
    newest = list(reversed(rows))
    return newest[int(text) : int(text) + PAGE]


def _after(rows: Sequence[Row], last: Row | None) -> list[Row]:
    """Returns the rows after the last known one."""
    found = list(takewhile(lambda row: row is not last, reversed(rows)))
    found.reverse()
    return found


def _in_time(rows: Sequence[Row], params: Params, time: Callable[[Row], int]) -> list[Row]:
    """Returns the rows, sorted by time, within the requested span."""
    after, until = _span(params)
    return [row for row in since(rows, after + 1, time) if time(row) <= until]


def _span(params: Params) -> tuple[int, int]:
    """Returns the span after `start`, until `end` inclusive: seconds, with or without decimals."""
    start, end = _instant(params, "start"), _instant(params, "end")
    return -1 if start is None else start, 2**63 if end is None else end


def _instant(params: Params, name: str) -> int | None:
    text = text_of(params, name)
    if not text:
        return None
    whole, _, rest = text.partition(".")
    if not (whole + rest).isdigit() or not text.isascii() or len(text) > 30:
        raise invalid(name)
    return int(whole or "0") * 1_000_000_000 + int(rest[:9].ljust(9, "0"))
