"""Reads a home for those who look at it: tables and tapes as they are, processes by the words that they give anybody,
and the recorder's database beside the loop. Nothing is computed that another process has computed."""

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
from onetape.model.sections import Config
from onetape.model.time import DAY, MINUTE, SECOND
from onetape.notify.past_alerts import PastAlerts, alert_rows
from onetape.options.guardian import GUARDIAN, has_guardian
from onetape.store.record_queries import equity, equity_before, ledger, opened_flat, risk
from onetape.store.records import Records

__all__ = ["Reader"]

ANSWER_WITHIN_S: Final = 1.0  # who looks does not wait for a process that is busy
RECORDS_EVERY_S: Final = 5.0  # a look at the database; equity is recorded by the minute
RETRY_S: Final = 10.0
FRESH_NS: Final = 20 * 10**6  # for so long what was read last is new enough
T = TypeVar("T")


class Reader:
    """Reads a home, for one loop. name: as whom it calls processes. records: URL of the recorder's database, "": there
    is none. folder: what paths of the configuration are relative to."""

    def __init__(self, name: str, config: Config, home: Path, *, records: str = "", folder: Path | None = None) -> None:
        self.config, self.home, self._url = config, home, records
        self.folder = folder or Path()
        self.views = Views(config, home)
        self.commands = IPCCommandSystem(name, home=home)
        self.commands.start()
        self._supervisor = Connection(process_socket(home, "supervisor"))
        self._past = PastAlerts(home)
        self._database = ThreadPoolExecutor(1, thread_name_prefix="records")  # a connection is one thread's
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
        """Reads all that the first look needs."""
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
        """Returns the supervisor's status; `running` False where none answers."""
        try:
            until = time.time_ns() + int(ANSWER_WITHIN_S * SECOND)
            status: dict[str, Any] = await self._supervisor.ask({"do": "status"}, until)
        except (Gone, TimeoutError):
            return {"running": False, "processes": [], "notes": []}
        gone = set(status.get("removed", ()))  # robots that were added and taken away: nobody is to look after them
        shown = [each for each in status["processes"] if each["name"] not in gone or each["state"] != "stopped"]
        return {**status, "processes": shown}

    async def ask(self, target: str, command: str, fields: dict[str, Any] | None = None) -> Any:
        """Returns the answer to a question, None where there is none in time."""
        if ":" in target and not process_socket(self.home, target).exists():
            return None
        answer = await self.commands.send_command(target, command, fields, timeout=ANSWER_WITHIN_S)
        return answer.result if answer.error is None else None

    async def robots(self) -> dict[str, Mapping[str, Any]]:
        """Returns what each robot that answers shows of itself, by process."""
        answers = await self.commands.send_to_each(
            "robot", "status", {}, timeout=ANSWER_WITHIN_S, id_=self.commands.new_id()
        )
        return {
            each.process: {**strategy, "run": each.result.get("run", "")}
            for each in answers
            for strategy in (each.result or {}).get("strategies", ())
        }

    async def gateways(self) -> dict[str, Any]:
        """Returns what each gateway says of its halts, by account; None: it does not answer."""
        names = list(self.config.accounts)
        answers = await asyncio.gather(*(self.ask(f"gateway:{name}", "halts") for name in names))
        return dict(zip(names, answers, strict=True))

    @staticmethod
    def halts(gateways: Mapping[str, Any]) -> list[dict[str, Any]]:
        return merged({name: each["halts"] for name, each in gateways.items() if each})

    async def stops(self) -> list[dict[str, Any]] | None:
        """Returns what protects positions, None where no guardian answers."""
        if not has_guardian(self.config) or not process_socket(self.home, GUARDIAN).exists():
            return None
        answer = await self.ask(GUARDIAN, "status")
        return None if answer is None else list(answer["stops"])

    # --- tapes and tables -------------------------------------------------------------------------

    def refresh(self) -> Views:
        """Returns the views with what has come; many topics that are read at once read tapes once."""
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
            unrealized=money.unrealized,
            gross=money.gross,
            utilization=float(money.utilization) if money.equity and not is_spot else 0.0,
            age_ms=age,
            why=figures.why or (f"no price of {', '.join(money.unpriced)}" if money.unpriced else ""),
        )

    # --- records ----------------------------------------------------------------------------------

    async def in_database(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database, work)

    @property
    def has_records(self) -> bool:
        return bool(self._url)

    async def read_records(self, read: Callable[[Records], T]) -> T | None:
        """Returns what `read` finds in the recorder's database, None where there is none or it does not answer."""
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
    """accounts: of the configuration; a home may have records of others, which are in no sum."""
    midnight = time.time_ns() // DAY * DAY
    day = DayOf(ledger=ledger(records, by="strategy", since=midnight), risk=risk(records))
    worth: dict[str, dict[str, Decimal]] = {}
    for row in equity_before(records, midnight):
        if row["capital"] is not None and row["account"] in accounts:
            day.start[row["account"], row["currency"]] = Decimal(row["equity"]) - Decimal(row["capital"])
            worth.setdefault(row["currency"], {})[row["account"]] = Decimal(row["equity"])
    flat = opened_flat(records, midnight)
    for row in equity(records, by="account", since=midnight):
        if row["capital"] is None or row["account"] not in accounts:
            continue
        key = row["account"], row["currency"]
        value, day.capital[key] = Decimal(row["equity"]), Decimal(row["capital"])
        # What came before the first full minute is of the day, too.
        day.start.setdefault(key, Decimal(0) if row["account"] in flat else value - day.capital[key])
        own = worth.setdefault(row["currency"], {})
        own[row["account"]] = value
        minutes = day.minutes.setdefault(row["currency"], [])
        point = row["ts"] // MINUTE * MINUTE, sum(own.values(), Decimal(0))
        if minutes and minutes[-1][0] == point[0]:
            minutes[-1] = point
        else:
            minutes.append(point)
    return day
