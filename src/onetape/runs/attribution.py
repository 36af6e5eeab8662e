"""Attribute a run's profit to strategies, symbols, days, and long or short positions.

A cell's gross profit over a day is its position's value at the end of the day, less its value at the beginning and
the payments of its fills in between; for inverse contracts with the opposite sign. A day's end is valued once, for
the day that ends and the day that begins, so all cells add up to the account's profit, in whole units of 1e-18.
Profit outside all cells (interest, holdings from before the run) has a row of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from onetape.accounts.entries import Cause
from onetape.accounts.entry_frames import unpack
from onetape.accounts.sharing import shares
from onetape.engine.plan import RunPlan, read_plan
from onetape.engine.tape_facts import tape_span
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even, money_text, money_units
from onetape.model.time import DAY, TIME_MAX
from onetape.replay.filled_orders import FilledOrder, OrderFill, OrdersOfRun, read_orders
from onetape.replay.market_prices import Market
from onetape.report.annual import Annual, annual_of
from onetape.report.statistics import sharpe
from onetape.report.sweep_results import require_polars
from onetape.runs.earlier_incarnations import profit_so_far, traded_from
from onetape.tape.durable import durable_file
from onetape.tape.journal import JournalReader

Floats = NDArray[np.float64]

__all__ = ["GROUPS", "MONEY", "Attribution", "attribution_of", "run_attribution", "side_by_side", "write_rows"]

GROUPS: Final = ("strategy", "symbol", "day", "direction")
ACCOUNT: Final = "account"  # name of the row of profit outside all cells
NOBODY: Final = "nobody"  # a portfolio's profit that belongs to no member
_PART: Final = {"member", "symbol", "qty", "price", "fee", "fill"}  # fields of members' log lines
_BUY: Final = 1
_AMOUNTS: Final = ("gross", "fees", "funding", "other")
DAYS_MIN: Final = 30  # days needed for a Sharpe ratio
MONEY: Final = (*_AMOUNTS, "volume", "net")


@dataclass(slots=True)
class Cell:
    """One cell; amounts in 1e-18 of `currency`; fees are positive when paid. trades: closed positions."""

    currency: str
    gross: int = 0
    fees: int = 0
    funding: int = 0
    other: int = 0
    fills: int = 0
    trades: int = 0
    volume: int = 0
    other_fees: dict[str, int] = field(default_factory=dict)

    @property
    def net(self) -> int:
        return self.gross - self.fees + self.funding + self.other

    def add(self, other: Cell) -> None:
        for name in (*_AMOUNTS, "fills", "trades", "volume"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for asset, fee in other.other_fees.items():
            self.other_fees[asset] = self.other_fees.get(asset, 0) + fee

    def take(self, paid: int, fee: int) -> None:
        self.gross -= paid
        self.volume += abs(paid)
        self.fees += fee

    def as_json(self) -> dict[str, Any]:
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in (*_AMOUNTS, "volume"):
            found[name] = money_text(found[name])
        found["other_fees"] = {asset: money_text(fee) for asset, fee in sorted(self.other_fees.items())}
        return {**found, "net": money_text(self.net)}


Key = tuple[str, str, int, str]  # strategy, symbol, day since 1970, direction


@dataclass(slots=True)
class Attribution:
    """A run's attributed profit. cells: in the account's currency and others; account: the account's profit, None: no
    equity yet, so the cells are not reconciled; accounts: the same by venue, if each venue has its own account;
    until: ns UTC, last equity sample of a run that has no end yet or was killed, None: the run's end."""

    currency: str
    account: int | None
    cells: dict[Key, Cell]
    held: dict[str, float] = field(default_factory=dict)  # symbol -> return of buy and hold over the run
    accounts: dict[str, str] = field(default_factory=dict)
    until: int | None = None
    annual: Annual = field(default_factory=Annual)

    def rows(self) -> list[dict[str, Any]]:
        return self.summed(*GROUPS)

    def summed(self, *by: str) -> list[dict[str, Any]]:
        """Returns a row for each value of `by` and each currency."""
        sums: dict[tuple[Any, ...], Cell] = {}
        for key, cell in self.cells.items():
            group = (*(self._value(key, name) for name in by), cell.currency)
            sums.setdefault(group, Cell(cell.currency)).add(cell)
        return [
            {**{n: _day(v) if n == "day" else v for n, v in zip(by, group, strict=False)}, **cell.as_json()}
            for group, cell in sorted(sums.items())
        ]

    def _value(self, key: Key, name: str) -> str | int:
        """Returns the value of a cell's key by which rows are grouped. `account` is "" for a cell without a symbol."""
        if name != ACCOUNT:
            return key[GROUPS.index(name)]
        return self.accounts.get(key[1].partition(":")[0], "")

    def grouped(self, by: str) -> list[dict[str, Any]]:
        """Returns a row for each value of `by`. A strategy's row also has its maximum drawdown on days' ends, and the
        return of buying and holding its symbols in equal parts."""
        rows = self.summed(by)
        if by == "strategy":
            days, curves = self.curves()
            ends = (np.array(days, dtype=np.int64) + 1) * DAY
            counted = self.annual.counts(ends, DAY) | (ends == ends[:1])  # the curves' beginning, too
            year_ns = self.annual.scale(ends, DAY).year_ns
            for row in rows:
                level = curves[row["strategy"], row["currency"]]
                symbols = sorted({key[1] for key in self.cells if key[0] == row["strategy"] and key[1] in self.held})
                row["hold_return"] = sum(self.held[each] for each in symbols) / len(symbols) if symbols else None
                row["max_drawdown"] = float((np.maximum.accumulate(level) - level).max())
                # Amounts of money: there is no capital from which a riskless rate could be subtracted.
                row["sharpe"] = sharpe(np.diff(level[counted]), DAY, year_ns) if len(level) > DAYS_MIN else None
        return rows

    def curves(self) -> tuple[list[int], dict[tuple[str, str], Floats]]:
        """Returns (days since 1970, beginning one day before the first; (strategy, currency) -> total profit at the
        end of each day)."""
        numbers = [key[2] for key in self.cells]
        days = list(range(min(numbers) - 1, max(numbers) + 1)) if numbers else []
        nets: dict[tuple[str, str], Floats] = {}
        for (strategy, _, day, _), cell in self.cells.items():
            net = nets.setdefault((strategy, cell.currency), np.zeros(len(days)))
            net[day - days[0]] += cell.net / 1e18
        return days, {key: np.cumsum(net) for key, net in nets.items()}

    def as_json(self) -> dict[str, Any]:
        total = sum(cell.net for cell in self.cells.values() if cell.currency == self.currency)
        return {
            "currency": self.currency,
            "account": None if self.account is None else money_text(self.account),
            "sum": money_text(total),
            "until": self.until,
            "rows": self.rows(),
            **{f"by_{name}": self.grouped(name) for name in (*GROUPS, ACCOUNT)},
        }


def attribution_of(run: Path) -> Attribution:
    """Attribute the profit of a run's folder. Raises BadConfig for a folder that is no run, BadInput where a tape of
    its market is missing."""
    plan, document = read_plan(run)
    found = read_orders(run / "journal")
    market, until = Market(plan, sorted(found.actions.instruments)), None
    if (pnl := document.get("result", {}).get("pnl")) is None and (
        sample := profit_so_far(run / "journal")
    ) is not None:
        until, pnl = sample
    account = None if pnl is None else money_units(Decimal(pnl))
    return run_attribution(plan, run / "journal", found, market, account, until=until)


def run_attribution(
    plan: RunPlan, journal: Path, found: OrdersOfRun, market: Market, account: int | None, *, until: int | None = None
) -> Attribution:
    book = _Book(found.actions.instruments, market, "/" + plan.strategy.rpartition(":")[2].lower())
    fills = found.fills()
    is_portfolio = plan.strategy.partition(":")[0].endswith(".toml")
    crossed, parts = _members(journal, book, fills) if is_portfolio else ([], {})
    events: list[tuple[int, int, tuple[FilledOrder, OrderFill] | _Cash | _Part]] = [
        (pair[1].heard, pair[1].sequence, pair) for pair in fills
    ]
    events += [(each.time, each.sequence, each) for each in _cash(plan, journal)]
    events += [(each.time, each.sequence, each) for each in crossed]
    span = tape_span(journal)
    last = until if until is not None else span[1] if span else 0
    for time, _, event in sorted(events, key=lambda each: each[:2]):
        if until is not None and time > until:
            break
        book.until(time)
        if isinstance(event, _Cash):
            book.pay(event, plan.currency)
        elif isinstance(event, _Part):
            book.take(event)
        else:
            book.fill(*event, parts.get(event[1].sequence, ()))
    book.until(last)
    book.value(last // DAY, TIME_MAX if until is None else until, is_end=True)
    cells = dict(book.cells)
    for key, cell in list(cells.items()):
        if cell.currency != plan.currency and plan.counts(cell.currency):
            cell.currency = plan.currency  # valued one for one
        if cell == Cell(cell.currency):
            del cells[key]
    if account is not None:
        rest = account - sum(cell.net for cell in cells.values() if cell.currency == plan.currency)
        if rest:
            key = ACCOUNT, plan.currency, last // DAY, ""
            cells.setdefault(key, Cell(plan.currency)).other += rest
    names = {seat.venue: seat.account for seat in plan.live.seats if seat.venue} if plan.live is not None else {}
    accounts = names or {venue: name for name, venue in plan.named_accounts.items() if plan.accounts}
    held = _held(found, market, span[0] if span else 0)
    return Attribution(plan.currency, account, cells, held, accounts, until, annual_of(plan))


def _held(found: OrdersOfRun, market: Market, first: int) -> dict[str, float]:
    """Returns symbol -> return of buy and hold, for symbols with a price when the run began."""
    returns = {}
    for symbol in sorted({order.symbol for order in found.orders.values()}):
        begun, ended = (int(each) for each in market.values_at(symbol, np.array([first, TIME_MAX])))
        if begun:
            returns[symbol] = ended / begun - 1
    return returns


@dataclass(frozen=True, slots=True)
class _Cash:
    """A payment without a fill, such as funding. symbol: "" for interest and other payments of the account."""

    time: int
    sequence: int
    kind: str
    symbol: str
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A portfolio member's part of a fill, or of an internal trade between members. price: in half price units."""

    time: int
    sequence: int
    strategy: str
    symbol: str
    change: int
    price: int
    fee: int
    position_side: int = 0


class _Book:
    """Positions by strategy, symbol and (hedge mode) side, with the cells of their profits."""

    def __init__(self, instruments: dict[str, Instrument], market: Market, root: str) -> None:
        self.cells: defaultdict[Key, Cell] = defaultdict(lambda: Cell(""))
        self.instruments, self._market, self.root = instruments, market, root
        self._held: dict[tuple[str, str, int], int] = {}
        self._day = -1

    def _cell(self, strategy: str, symbol: str, qty: int, day: int | None = None) -> Cell:
        """Returns the cell of a strategy, symbol and day. qty: its sign gives the direction."""
        cell = self.cells[strategy, symbol, self._day if day is None else day, "long" if qty > 0 else "short"]
        cell.currency = self.instruments[symbol].settle
        return cell

    def until(self, time: int) -> None:
        """Value positions at the end of each day before that of `time`."""
        day = time // DAY
        if self._day < 0 or not any(self._held.values()):
            self._day = max(day, self._day)
        while self._day < day:
            self.value(self._day, (self._day + 1) * DAY - 1)
            self._day += 1

    def value(self, day: int, moment: int, *, is_end: bool = False) -> None:
        for (strategy, symbol, _), qty in self._held.items():
            price = int(self._market.values_at(symbol, np.array([moment]))[0]) if qty else 0
            if price:
                worth = self._worth(symbol, price, qty)
                self._cell(strategy, symbol, qty, day).gross += worth
                if not is_end:
                    self._cell(strategy, symbol, qty, day + 1).gross -= worth

    def _worth(self, symbol: str, halves: int, qty: int) -> int:
        """Returns the value of a signed quantity at a price."""
        facts = self.instruments[symbol]
        worth: int = facts.core.notional_doubled(halves, qty)
        return -worth if facts.kind is Kind.INVERSE else worth

    def fill(self, order: FilledOrder, fill: OrderFill, parts: Sequence[_Part]) -> None:
        """Book a fill for the strategy of its order, or for its members."""
        strategy, change = order.location or self.root, fill.size if order.side == _BUY else -fill.size
        of = fill.heard, fill.sequence, strategy, order.symbol, change, fill.price, fill.fee, fill.position_side
        cells = [self.take(each) for each in parts or (_Part(*of),)]
        if fill.other_fee:
            cells[0].add(Cell("", other_fees={fill.fee_currency: fill.other_fee}))

    def take(self, part: _Part) -> Cell:
        """Apply a fill: the closing part counts for the old direction, the opening part for the new one. Returns the
        first cell it changed."""
        strategy, symbol, change, fee = part.strategy, part.symbol, part.change, part.fee
        key = strategy, symbol, part.position_side
        before = self._held.get(key, 0)
        paid, left = self._worth(symbol, part.price, change), change
        self._held[key] = before + change
        cell = first = self._cell(strategy, symbol, before or change)
        cell.fills += 1
        if before * change < 0:
            closed = change if abs(change) < abs(before) else -before
            cell.trades += closed == -before
            left -= closed
            worth = self._worth(symbol, part.price, closed) if left else paid
            own = divide_half_even(fee * abs(closed), abs(change))
            cell.take(worth, own)
            paid, fee = paid - worth, fee - own
        if left:
            self._cell(strategy, symbol, left).take(paid, fee)
        return first

    def pay(self, cash: _Cash, currency: str) -> None:
        """Distribute funding over the holders of the symbol by quantity; without a holder it belongs to the run's own
        strategy."""
        held = {key: qty for key, qty in self._held.items() if key[1] == cash.symbol and qty}
        if not cash.symbol or cash.symbol not in self.instruments:
            name = cash.currency or currency
            cell = self.cells[ACCOUNT, name, cash.time // DAY, ""]
            cell.currency = name
            cell.other += cash.amount
            return
        keys = list(held) or [(self.root, cash.symbol, 0)]
        weights = {at: held.get(key, 1) for at, key in enumerate(keys)}
        if not sum(weights.values()):  # members' positions add up to zero
            weights = {at: abs(qty) for at, qty in weights.items()}
        for at, amount in shares(cash.amount, weights, rest_to=0).items():
            cell = self._cell(keys[at][0], cash.symbol, held.get(keys[at], 1))
            if cash.kind == "funding":
                cell.funding += amount
            else:
                cell.other += amount


def _cash(plan: RunPlan, journal: Path) -> Iterator[_Cash]:
    """Yields payments without a fill: from the run's own tape, for a live run from its gateway's tape."""
    if (live := plan.live) is None or not plan.is_at_gateway:
        with JournalReader(journal) as reader:
            for frame in reader.frames(types=["transfer"]):
                record = msgspec.msgpack.decode(frame.payload)
                kind = record.get("kind", "")
                if kind in ("funding", "insurance", "interest"):
                    amount = money_units(Decimal(record["amount"]))
                    yield _Cash(
                        frame.time, frame.sequence, kind, record.get("symbol", ""), record.get("currency", ""), amount
                    )
        return
    for seat, gateway in zip(live.seats, plan.inputs, strict=False):
        began = traded_from(Path(gateway.path), seat)
        with JournalReader(Path(gateway.path)) as reader:
            for frame in reader.frames(types=["entry"]):
                if not seat.entries_after < frame.sequence <= (gateway.last_sequence or TIME_MAX):  # 0: it runs
                    continue
                entry = unpack(frame.payload)
                if entry.cause is Cause.FUNDING and frame.sequence <= began.get(entry.note, frame.sequence):
                    continue
                if entry.cause in (Cause.FUNDING, Cause.INTEREST):
                    for holder, currency, amount, wallet in entry.legs:
                        if holder == seat.slot and not wallet:
                            symbol = entry.note if entry.cause is Cause.FUNDING else ""
                            if symbol and "@" in seat.venue:  # the symbol's name on this account
                                symbol = f"{seat.venue}:{symbol.partition(':')[2]}"
                            yield _Cash(frame.time, frame.sequence, str(entry.cause), symbol, currency, amount)


def _members(
    journal: Path, book: _Book, fills: Sequence[tuple[FilledOrder, OrderFill]]
) -> tuple[list[_Part], dict[int, list[_Part]]]:
    """Returns (internal trades of a portfolio's members; sequence of a fill -> members' parts of it). Parts are read
    from log lines after the fill, and ignored if they do not add up to it."""
    crossed: list[_Part] = []
    parts: dict[int, list[_Part]] = {}
    by_symbol: dict[str, list[tuple[int, FilledOrder, OrderFill]]] = defaultdict(list)
    for order, fill in fills:
        by_symbol[order.symbol].append((fill.sequence, order, fill))
    with JournalReader(journal) as reader:
        for frame in reader.frames(types=["log"]):
            said = msgspec.msgpack.decode(frame.payload).get("fields") or {}
            instrument = book.instruments.get(said.get("symbol", ""))
            if instrument is None or not said.keys() >= _PART:
                continue
            change, price = (
                int(Decimal(said[name]).scaleb(decimals))
                for name, decimals in (("qty", instrument.size_decimals), ("price", instrument.price_decimals))
            )
            name = book.root if said["member"] == NOBODY else f"{book.root}/{said['member']}"
            fee = money_units(Decimal(said["fee"]))
            part = _Part(frame.time, frame.sequence, name, said["symbol"], change, 2 * price, fee)
            listed = by_symbol[part.symbol]
            at = bisect_left(listed, frame.sequence, key=lambda each: each[0]) - 1
            if not said["fill"]:
                crossed.append(part)
            elif at >= 0:
                fill = listed[at][2]
                parts.setdefault(fill.sequence, []).append(replace(part, position_side=fill.position_side))
    for order, fill in fills:
        size = fill.size if order.side == _BUY else -fill.size
        if fill.sequence in parts and sum(each.change for each in parts[fill.sequence]) != size:
            del parts[fill.sequence]
    return crossed, parts


def _day(number: int) -> str:
    return datetime.fromtimestamp(number * 86400, tz=UTC).date().isoformat()


def side_by_side(mine: Attribution, other: Attribution, by: str) -> list[dict[str, Any]]:
    """Returns rows of both runs by the same key: net profit of each, and the difference."""
    tables = [{(row[by], row["currency"]): row for row in each.grouped(by)} for each in (mine, other)]
    found = []
    for key in sorted({*tables[0], *tables[1]}):
        left, right = (table.get(key, {"net": "0", "trades": 0, "fees": "0"}) for table in tables)
        found.append(
            {
                by: key[0],
                "currency": key[1],
                **{name: left[name] for name in ("net", "trades", "fees")},
                **{f"{name}_beside": right[name] for name in ("net", "trades", "fees")},
                "difference": decimal_text(Decimal(left["net"]) - Decimal(right["net"])),
            }
        )
    return found


def write_rows(found: Attribution, path: Path) -> Path:
    """Write rows as Parquet: amounts as numbers, each with its exact text. Raises NotAvailable without polars."""
    polars = require_polars()
    rows = []
    for row in found.rows():
        row["other_fees"] = ", ".join(f"{fee} {asset}" for asset, fee in row["other_fees"].items())
        rows.append({**row, **{f"{name}_exact": row[name] for name in MONEY}, **{n: float(row[n]) for n in MONEY}})
    with durable_file(path) as file:
        polars.DataFrame(rows).write_parquet(file)
    return path
