"""Queries of the records for people and programs. Sums are exact: they use the amounts of 1e-18, never the doubles
beside them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from onetape.accounts.entries import TOTAL
from onetape.model.decimals import to_units
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, money_text, text_units
from onetape.model.time import DAY, HOUR, TIME_MAX
from onetape.store.records import Records, metadata

__all__ = [
    "EXTERNAL",
    "NETTING",
    "ONE",
    "activity",
    "equity",
    "equity_before",
    "ledger",
    "opened_flat",
    "result_of",
    "risk",
    "slippage",
    "trips",
]

EXTERNAL: Final = "external"  # strategy of orders outside our robots
NETTING: Final = "netting"  # strategy of what an account realizes beyond its strategies' own fills
ONE: Final = 10**MONEY_DECIMALS  # scale of the counted amounts
_PARTS: Final = ("realized", "traded", "funding", "transfer", "interest", "correction", "fee")


def ledger(
    records: Records, *, by: str, since: int = 0, until: int = TIME_MAX, accounts: Container[str] | None = None
) -> list[dict[str, Any]]:
    """Returns rows by key and currency: movements from `since` until before `until`, ns UTC by the venue's clock.

    currency: of realized, funding, transfers ... and net. fees: by asset, of trades in that currency. traded: of
    spot, the movements of purchases and sales, coins at cost; it is in no net. An asset's balance has moved by its
    rows' realized, traded, funding, transfers, interest and corrections, less all rows' fees in it. accounts: only
    these; None: all.
    """
    sums: dict[tuple[str, str], dict[str, int]] = {}
    fees: dict[tuple[str, str], dict[str, int]] = {}
    for row in _parts(records, since, until):
        if row["kind"] not in _PARTS or (accounts is not None and row["account"] not in accounts):
            continue
        key = _key(row, by), row["currency"]
        amount = text_units(row["amount_exact"])
        part = sums.setdefault(key, {})
        if row["kind"] == "fee":
            paid = fees.setdefault(key, {})
            paid[row["asset"]] = paid.get(row["asset"], 0) - amount
        else:
            part[row["kind"]] = part.get(row["kind"], 0) + amount
    return [
        {
            "key": key,
            "realized": money_text(part.get("realized", 0)),
            "traded": money_text(traded := part.get("traded", 0)),
            "fees": {asset: money_text(fee) for asset, fee in sorted(fees.get((key, currency), {}).items())},
            "funding": money_text(part.get("funding", 0)),
            "transfers": money_text(part.get("transfer", 0)),
            "interest": money_text(part.get("interest", 0)),
            "corrections": money_text(part.get("correction", 0)),
            "net": money_text(sum(part.values()) - traded - fees.get((key, currency), {}).get(currency, 0)),
            "currency": currency,
        }
        for (key, currency), part in sorted(sums.items())
    ]


def result_of(row: Mapping[str, Any]) -> str:
    """Returns the trading result of a ledger row's `net`: without transfers and corrections, after the fees in its
    own currency. Fees in other assets are only in the row's `fees`."""
    return money_text(text_units(row["net"]) - text_units(row["transfers"]) - text_units(row["corrections"]))


def slippage(
    records: Records,
    facts: Mapping[tuple[str, str], Instrument],
    *,
    by: str,
    since: int,
    fills_max: int,
    accounts: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Returns rows by key and currency of the slippage of fills against the mid at the time when their orders came to
    the gateway: a part of realized and open profit, negative if better. notional: at that mid.

    facts: by account and symbol. fills_max: the newest ones are read; `is_cut`: there are more. unpriced: fills whose
    order found no market, or was external. accounts: the others' fills are left out; None: all are in."""
    fills, orders = metadata.tables["record_fills"].c, metadata.tables["record_orders"]
    its_order = sa.and_(*(fills[name] == orders.c[name] for name in ("journal", "robot", "order_id")))
    names = ("account", "strategy", "symbol", "side", "ts_event", "price_exact", "qty_exact")
    wanted = sa.select(*(fills[name] for name in names), orders.c.bid, orders.c.ask)
    wanted = wanted.select_from(
        metadata.tables["record_fills"].outerjoin(metadata.tables["record_orders"], its_order)
    ).where(fills.ts_event >= since, *(() if accounts is None else (fills.account.in_(list(accounts)),)))
    found = records.rows(wanted.order_by(fills.ts.desc()).limit(fills_max + 1))
    sums: dict[tuple[str, str], list[int]] = {}
    unpriced = 0
    for row in found[:fills_max]:
        instrument = facts.get((row["account"], row["symbol"]))
        if instrument is None or row["bid"] is None or row["ask"] is None:
            unpriced += 1
            continue
        middle = sum(to_units(Decimal(repr(row[side])), instrument.price_decimals) for side in ("bid", "ask"))
        price = 2 * to_units(Decimal(row["price_exact"]), instrument.price_decimals)
        size = to_units(Decimal(row["qty_exact"]), instrument.size_decimals)
        key = _key({**row, "day": row["ts_event"] // DAY}, by), instrument.settle
        cost, notional = sums.setdefault(key, [0, 0])
        base = instrument.cost_units(row["side"], middle, size)
        sums[key] = [cost + instrument.cost_units(row["side"], price, size) - base, notional + abs(base)]
    rows = [
        {"key": key, "currency": currency, "slippage": money_text(cost), "notional": money_text(notional)}
        for (key, currency), (cost, notional) in sorted(sums.items())
    ]
    return {"rows": rows, "unpriced": unpriced, "is_cut": len(found) > fills_max}


def _key(row: Mapping[str, Any], by: str) -> str:
    match by:
        case "day":
            return datetime.fromtimestamp(row["day"] * 86400, tz=UTC).date().isoformat()
        case "hour":
            return datetime.fromtimestamp(row["hour"] * 3600, tz=UTC).isoformat().removesuffix("+00:00") + "Z"
        case "strategy":
            return str(row["strategy"]) or EXTERNAL
        case _:
            return str(row[by])


def _parts(records: Records, since: int, until: int) -> Iterator[Mapping[str, Any]]:
    """Yields whole days from their sums, and days that begin or end within from their rows."""
    days, income = metadata.tables["record_days"], metadata.tables["record_income"]
    first, last = -(-since // DAY), until // DAY  # the first whole day, and the one after the last
    if first < last:
        yield from records.rows(sa.select(days).where(days.c.day >= first, days.c.day < last))
        spans = [(since, first * DAY), (last * DAY, until)]
    else:
        spans = [(since, until)]
    for begin, end in spans:
        if begin < end:
            wanted = sa.select(income).where(income.c.ts >= begin, income.c.ts < end)
            for row in records.rows(wanted):
                yield {**row, "day": row["ts"] // DAY}


def activity(records: Records, *, by: str, since: int = 0, until: int = TIME_MAX) -> list[dict[str, Any]]:
    """Returns rows by key of the whole hours that contain `since` until before `until`, ns UTC by the tape's clock.

    Orders count in the hour of their making: sent, or denied before; of the sent ones filled (also partly) and
    canceled, and ratio: filled to sent. volume: traded at the venue, by settle currency.
    """
    table = metadata.tables["record_activity"]
    wanted = sa.select(table).where(table.c.hour >= since // HOUR, table.c.hour < -(-until // HOUR))
    counts: dict[str, dict[str, int]] = {}
    volumes: dict[str, dict[str, int]] = {}
    for row in records.rows(wanted):
        key, amount = _key({**row, "day": row["hour"] // 24}, by), text_units(row["amount_exact"])
        part, name = (volumes, row["asset"]) if row["kind"] == "volume" else (counts, row["kind"])
        sums = part.setdefault(key, {})
        sums[name] = sums.get(name, 0) + amount
    return [
        {
            "key": key,
            "sent": (sent := (count.get("made", 0) - count.get("denied", 0)) // ONE),
            **{kind: count.get(kind, 0) // ONE for kind in ("denied", "filled", "canceled", "fills")},
            "ratio": count.get("filled", 0) // ONE / sent if sent else None,
            "volume": {asset: money_text(value) for asset, value in sorted(volumes.get(key, {}).items())},
        }
        for key, count in sorted(counts.items())
    ]


def trips(records: Records, *, since: int = 0, until: int = TIME_MAX) -> list[dict[str, Any]]:
    """Returns round trips closed in that time, the oldest first: amounts as exact text, times ns UTC."""
    table = metadata.tables["record_trips"]
    found = records.rows(
        sa.select(table).where(table.c.ts_close >= since, table.c.ts_close < until).order_by(table.c.ts_close)
    )
    for row in found:
        row["fees"], row["context"] = msgspec.json.decode(row["fees"]), msgspec.json.decode(row["context"])
    return found


def equity(records: Records, *, by: str = "account", since: int = 0, until: int = TIME_MAX) -> list[dict[str, Any]]:
    """Returns rows at each full minute by currency, and the present ones, by time. by: "account"; "strategy", which
    is a sub-account and its robots; "all", the sum of all accounts."""
    minutes, now = metadata.tables["record_equity"], metadata.tables["record_risk"]
    found: list[dict[str, Any]] = []
    for table in (minutes, now):
        wanted = sa.select(table).where(table.c.slot != TOTAL if by == "strategy" else table.c.slot == TOTAL)
        # For the sum of all, the peak may be before the window.
        wanted = wanted.where(table.c.ts < until, *(() if by == "all" else (table.c.ts >= since,)))
        found += map(_shown, records.rows(wanted.order_by(table.c.ts, table.c.account, table.c.slot, table.c.currency)))
    found.sort(key=itemgetter("ts"))  # the last row of a stopped account is older than minutes of others
    return [row for row in _together(found) if row["ts"] >= since] if by == "all" else found


def equity_before(records: Records, moment: int) -> list[dict[str, Any]]:
    """Returns the last full minute's row of each account and currency in the week before a time, ns UTC."""
    minutes = metadata.tables["record_equity"]
    c = minutes.c
    is_meant = sa.and_(c.slot == TOTAL, c.ts >= moment - 7 * DAY, c.ts < moment)
    newest = sa.select(c.account, c.currency, sa.func.max(c.ts).label("ts")).where(is_meant)
    last = newest.group_by(c.account, c.currency).subquery()
    joined = sa.and_(c.account == last.c.account, c.currency == last.c.currency, c.ts == last.c.ts)
    return [_shown(row) for row in records.rows(sa.select(minutes).join(last, joined).where(c.slot == TOTAL))]


def opened_flat(records: Records, since: int) -> set[str]:
    """Returns the accounts whose books began since then without a position: before that they have no result."""
    c = metadata.tables["record_openings"].c
    first = sa.select(c.account, sa.func.min(c.ts).label("ts"), sa.func.max(c.symbol).label("symbol"))
    rows = records.rows(first.group_by(c.account))
    return {row["account"] for row in rows if row["ts"] >= since and not row["symbol"]}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row of figures: an account has no strategy."""
    if row["slot"] == TOTAL:
        del row["slot"], row["subaccount"], row["strategy"]
    return row


def _together(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields the sums of accounts at each time, with an account's last figures if it has none then. rows: by time."""
    last: dict[str, dict[str, tuple[int, int, int]]] = {}  # currency -> account -> equity, capital, unrealized
    best: dict[str, int] = {}
    for ts, group in groupby(rows, key=itemgetter("ts")):
        for row in group:
            if row["capital"] is not None:  # of a release that did not record it
                figures = (text_units(row["equity"]), text_units(row["capital"]), text_units(row["unrealized"]))
                last.setdefault(row["currency"], {})[row["account"]] = figures
        for currency, accounts in sorted(last.items()):
            worth, capital, unrealized = map(sum, zip(*accounts.values(), strict=True))
            best[currency] = max(best.get(currency, worth - capital), worth - capital)
            peak = best[currency] + capital
            yield {
                "ts": ts,
                "currency": currency,
                "equity": money_text(worth),
                "capital": money_text(capital),
                "unrealized": money_text(unrealized),
                "drawdown": (peak - worth) / peak if peak > 0 else 0.0,
            }


def risk(records: Records) -> list[dict[str, Any]]:
    """Returns the present row of each account and settle currency. delta: signed notional of all positions, and the
    worth of coins; utilization: margin at the account's leverage over equity; drawdown: from the highest equity of a
    full minute, without deposits and withdrawals. Shares are of 1; None: equity is not above 0."""
    table = metadata.tables["record_risk"]
    wanted = sa.select(table).where(table.c.slot == TOTAL).order_by(table.c.account, table.c.currency)
    return [_shown(row) for row in records.rows(wanted)]
