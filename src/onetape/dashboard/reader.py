"""Reads a home for viewers: tables and tapes directly, processes by their public answers, and the recorder's
database outside the loop. Nothing is computed that another process has computed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from onetape.clients.halts import merged
from onetape.dashboard.overview import AccountNow, DayOf, Look
from onetape.figures.views import Views
from onetape.ipc.connection import Connection, Gone
from onetape.ipc.names import process_socket
from onetape.ipc.system import IPCCommandSystem
from onetape.model.enums import Kind
from onetape.model.errors import OnetapeError
from onetape.model.money import money as exact
from onetape.model.sections import Config
from onetape.model.time import DAY, MINUTE, SECOND
from onetape.notify.past_alerts import PastAlerts, alert_rows
from onetape.options.guardian import GUARDIAN, has_guardian
from onetape.store.record_queries import equity, equity_before, ledger, opened_flat, risk
from onetape.store.records import Records

__all__ = ["Reader"]

ANSWER_WITHIN_S: Final = 1.0  # viewers do not wait for a busy process
RECORDS_EVERY_S: Final = 5.0  # between reads of the database; equity is recorded by the minute
RETRY_S: Final = 10.0
FRESH_NS: Final = 20 * 10**6  # a read is reused this long
T = TypeVar("T")


class Reader:
    """Reads a home, for one loop. name: as whom it calls processes. records: URL of the recorder's database, "":
    there is none. folder: base of relative paths in the configuration."""

    def __init__(self, name: str, config: Config, home: Path, *, records: str = "", folder: Path | None = None) -> None:
        self.config, self.home, self._url = config, home, records
        self.folder = folder or Path()
        self.views = Views(config, home)
        self.commands = IPCCommandSystem(name, home=home)
        self.commands.start()
        self._supervisor = Connection(process_socket(home, "supervisor"))
        self._past = PastAlerts(home)
        self._database = ThreadPoolExecutor(1, thread_name_prefix="records")  # a connection belongs to one thread
        self._records: Records | None = None
        self._day, self._day_due = DayOf(why="there is no [recorder]" if not records else "not read yet"), 0.0
        self._reading: asyncio.Task[None] | None = None

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self.in_database(self._close_records)
        self._database.shutdown()
        self.commands.stop()
        self._supervisor.close()
        self._past.close()
        self.views.close()

    async def look(self) -> Look:
        """Reads all data of the overview."""
        status, robots, gateways, stops = await asyncio.gather(
            self.status(), self.robots(), self.gateways(), self.stops()
        )
        self.refresh()
        self._renew_day()
        return Look(
            now=time.time_ns(),
            status=status,
            robots=robots,
            accounts=[self.account(name) for name in self.config.accounts],
            alerts=self.alerts(),
            halts=self.halts(gateways),
            killed={name: each["killed"] for name, each in gateways.items() if each and each["killed"]},
            stops=stops,
            day=self._day,
            orders=sum(int(each.get("orders") or 0) for each in robots.values()),
        )

    # --- processes --------------------------------------------------------------------------------

    async def status(self) -> dict[str, Any]:
        """Returns the supervisor's status; `running` False if none answers."""
        try:
            until = time.time_ns() + int(ANSWER_WITHIN_S * SECOND)
            status: dict[str, Any] = await self._supervisor.ask({"do": "status"}, until)
        except (Gone, TimeoutError):
            return {"running": False, "processes": [], "notes": []}
        gone = set(status.get("removed", ()))  # added and removed robots: not to be reported as down
        shown = [each for each in status["processes"] if each["name"] not in gone or each["state"] != "stopped"]
        return {**status, "processes": shown}

    async def ask(self, target: str, command: str, fields: dict[str, Any] | None = None) -> Any:
        """Returns the answer to a query, None if there is none in time."""
        if ":" in target and not process_socket(self.home, target).exists():
            return None
        answer = await self.commands.send_command(target, command, fields, timeout=ANSWER_WITHIN_S)
        return answer.result if answer.error is None else None

    async def robots(self) -> dict[str, Mapping[str, Any]]:
        """Returns the report of each answering robot, by process."""
        answers = await self.commands.send_to_each(
            "robot", "status", {}, timeout=ANSWER_WITHIN_S, id_=self.commands.new_id()
        )
        return {
            each.process: {**strategy, "run": each.result.get("run", "")}
            for each in answers
            for strategy in (each.result or {}).get("strategies", ())
        }

    async def gateways(self) -> dict[str, Any]:
        """Returns each gateway's report of its halts, by account; None: it does not answer."""
        names = list(self.config.accounts)
        answers = await asyncio.gather(*(self.ask(f"gateway:{name}", "halts") for name in names))
        return dict(zip(names, answers, strict=True))

    @staticmethod
    def halts(gateways: Mapping[str, Any]) -> list[dict[str, Any]]:
        return merged({name: each["halts"] for name, each in gateways.items() if each})

    async def stops(self) -> list[dict[str, Any]] | None:
        """Returns the protection of positions, None if no guardian answers."""
        if not has_guardian(self.config) or not process_socket(self.home, GUARDIAN).exists():
            return None
        answer = await self.ask(GUARDIAN, "status")
        return None if answer is None else list(answer["stops"])

    # --- tapes and tables -------------------------------------------------------------------------

    def refresh(self) -> Views:
        """Returns the refreshed views; topics read at the same time read the tapes once."""
        if not 0 <= time.time_ns() - self.views.now < FRESH_NS:  # a clock may be set back
            self.views.refresh()
        return self.views

    def alerts(self, *, is_all: bool = False) -> list[dict[str, Any]]:
        with suppress(OnetapeError):
            self._past.take()
        return alert_rows(self._past.found, self.config, is_all=is_all)

    def account(self, name: str) -> AccountNow:
        """Returns an account as of the views' last refresh."""
        venue = self.config.accounts[name].venue
        figures = self.views.figures(name)
        try:
            money = self.views.any_leg(name)
        except OnetapeError:
            money = None
        age = (self.views.now - figures.at) // 10**6 if figures.at else None
        kind = self.config.venues[venue].kind
        if money is None:
            return AccountNow(name, venue, kind, why=figures.why or "its equity is not known", age_ms=age)
        is_spot = money.instrument.kind is Kind.SPOT
        return AccountNow(
            name,
            venue,
            kind,
            currency=money.instrument.settle,
            equity=money.equity if money.equity or is_spot else None,
            unrealized=money.unrealized + self._open_on_spot(name, money.instrument.settle),
            gross=money.gross,
            utilization=float(money.utilization) if money.equity and not is_spot else 0.0,
            age_ms=age,
            why=figures.why or (f"no price of {', '.join(money.unpriced)}" if money.unpriced else ""),
        )

    def _open_on_spot(self, name: str, currency: str) -> Decimal:
        """Returns the open profit of the coins that an account has bought on spot."""
        instruments, found = self.views.tapes[name].instruments, Decimal(0)
        for (symbol, _), held in self.views.figures(name).positions.items():
            instrument = instruments.get(symbol)
            if instrument is not None and instrument.kind is Kind.SPOT and held.unrealized:
                found += exact(held.unrealized) * self.views.price_of(instrument.settle, currency)
        return found

    # --- records ----------------------------------------------------------------------------------

    async def in_database(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database, work)

    @property
    def has_records(self) -> bool:
        return bool(self._url)

    async def read_records(self, read: Callable[[Records], T]) -> T | None:
        """Returns the result of `read` on the recorder's database, None if there is none or it does not answer."""
        return await self.in_database(lambda: self._read(read)) if self._url else None

    def _renew_day(self) -> None:
        if not self._url or (self._reading is not None and not self._reading.done()):
            return
        if time.monotonic() >= self._day_due:
            self._day_due = time.monotonic() + RECORDS_EVERY_S
            self._reading = asyncio.ensure_future(self._renewed_day())

    async def _renewed_day(self) -> None:
        found = await self.read_records(lambda records: _day(records, self.config.accounts))
        if found is not None:
            self._day = found
        else:
            self._day.why, self._day_due = "the records' database does not answer", time.monotonic() + RETRY_S

    def _read(self, read: Callable[[Records], T]) -> T | None:
        try:
            if self._records is None:
                self._records = Records(self._url, home=self.home, only_reads=True)
            return read(self._records)
        except OnetapeError:
            self._close_records()
            return None

    def _close_records(self) -> None:
        if self._records is not None:
            self._records.close()
            self._records = None


def _day(records: Records, accounts: Container[str]) -> DayOf:
    """Returns the day's records. accounts: of the configuration; records of others are in no sum. The line follows
    profit: an account that begins during the day, a deposit and a withdrawal make no step in it."""
    midnight = time.time_ns() // DAY * DAY
    day = DayOf(ledger=ledger(records, by="strategy", since=midnight, accounts=accounts), risk=risk(records))
    capital: dict[tuple[str, str], Decimal] = {}
    for row in equity_before(records, midnight):
        if row["capital"] is not None and row["account"] in accounts:
            key = row["account"], row["currency"]
            capital[key] = Decimal(row["capital"])
            day.start[key] = Decimal(row["equity"]) - capital[key]
    flat = opened_flat(records, midnight)
    made: list[tuple[int, tuple[str, str], Decimal]] = []
    for row in equity(records, by="account", since=midnight):
        if row["capital"] is None or row["account"] not in accounts:
            continue
        key = row["account"], row["currency"]
        day.capital[key] = Decimal(row["capital"])
        profit = Decimal(row["equity"]) - day.capital[key]
        # Profit before the first full minute belongs to the day, too.
        day.start.setdefault(key, Decimal(0) if row["account"] in flat else profit)
        made.append((row["ts"] // MINUTE * MINUTE, key, profit))
    worth = dict(day.start)
    for key, paid in (capital | day.capital).items():
        worth[key] += paid
    for ts, key, profit in made:
        worth[key] = profit + day.capital[key]
        total = sum((each for other, each in worth.items() if other[1] == key[1]), Decimal(0))
        minutes = day.minutes.setdefault(key[1], [])
        if minutes and minutes[-1][0] == ts:
            minutes[-1] = ts, total
        else:
            minutes.append((ts, total))
    return day
