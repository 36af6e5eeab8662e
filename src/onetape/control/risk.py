"""Risk of accounts: present and past figures, alerts, and the trading that they block."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from onetape.accounts.entries import TOTAL
from onetape.figures.views import Views, main_coin
from onetape.hedge.model import LegView
from onetape.ipc.system import IPCCommandSystem
from onetape.model.errors import (
    BY_CODE,
    BadInput,
    BlockedByRiskAlert,
    NotAvailable,
    OnetapeError,
    ProcessDown,
    ProxyFailed,
)
from onetape.model.sections import ControlConfig
from onetape.model.time import MS
from onetape.notify.alert import Type, is_about_sinks
from onetape.notify.past_alerts import PastAlerts, alert_rows
from onetape.store.records import Records, metadata
from onetape.web.control_models import Alert, RiskMetrics
from onetape.web.refusals import NotServed

__all__ = ["HISTORY_MAX", "Risk"]

HISTORY_MAX: Final = 1000
RETRY_S: Final = 5.0  # wait after the database did not answer
READ_EVERY_S: Final = 1.0  # the recorder writes as often
ACK_WITHIN_S: Final = 5.0


class Risk:
    """Shows the risk of accounts and its alerts. stop: the alert of an active stop of the system, which is in no
    journal. url: of the recorder's database, "": there is no recorder. The database is read outside the event loop."""

    def __init__(
        self,
        views: Views,
        stop: Callable[[], Alert | None],
        url: str = "",
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._views, self._stop, self._url, self._now_s = views, stop, url, now_s
        self._records: Records | None = None
        self._failed_at = float("-inf")
        # By account and currency: the last minute read, and the greatest drawdown.
        self._worst: dict[tuple[str, str], tuple[int, float]] = {}
        self._read_at: dict[tuple[str, str], float] = {}
        self._peaks: dict[tuple[str, str], tuple[Decimal, float]] = {}
        self._past = PastAlerts(views.home)
        self._listed: list[Alert] = []
        self._active: list[Alert] = []  # of these: open and not acknowledged

    def close(self) -> None:
        self._past.close()
        self._away()

    # --- figures --------------------------------------------------------------------------------------

    def metrics(self, account: str) -> RiskMetrics:
        """Returns an account's risk as of the views' last refresh. Raises InvalidAccount, ProxyFailed if it has no
        reports yet."""
        views = self._views
        held = views.held(account)
        money = views.any_leg(account)
        if money is None or not money.account_at or not money.equity:
            lacking = f"no price of {', '.join(money.unpriced)}" if money and money.unpriced else ""
            why = views.figures(account).why or lacking or "its equity is not known"
            raise ProxyFailed(why, location=f"account {account}", todo="onetape status")
        first, delta = main_coin(held) or (money, Decimal(0))
        ages = {"account": views.now - money.account_at}
        if held:
            ages["market"] = max(views.now - each.market_at for each in held)
        if at := views.figures(account).confirmed_at:
            ages["confirmed"] = views.now - at
        return RiskMetrics(
            account_id=account,
            delta_deviation=float(abs(delta)),
            delta_unit=first.instrument.base,
            utilization_rate=float(money.utilization),
            leverage_ratio=float(money.gross / money.equity) if money.equity > 0 else None,
            unrealized_pnl=float(money.unrealized),
            max_drawdown=self._drawdown(account, money),
            timestamp=views.now // MS,
            ages={name: round(age / MS, 3) for name, age in ages.items()},
            unpriced=list(money.unpriced),
        )

    def _drawdown(self, account: str, money: LegView) -> float:
        """Returns the greatest drawdown of all recorded full minutes, as last read, and now. If nothing was read it
        counts from the first request to this process; equity without a coin's price is left out."""
        key, equity = (account, money.instrument.settle), money.equity
        if (read := self._worst.get(key)) is not None:
            return read[1]
        peak, worst = self._peaks.get(key, (equity, 0.0))
        if money.unpriced:
            return worst
        peak = max(peak, equity)
        worst = max(worst, float((peak - equity) / peak) if peak > 0 else 0.0)
        self._peaks[key] = peak, worst
        return worst

    def unread(self, account: str) -> str | None:
        """Returns the currency for which `read` is due, once. Raises InvalidAccount."""
        currency = self.currency(account) if self._url else ""
        key = account, currency
        if not currency or self._now_s() - self._read_at.get(key, float("-inf")) < READ_EVERY_S:
            return None
        self._read_at[key] = self._now_s()
        return currency

    def read(self, account: str, currency: str) -> None:
        """Reads the greatest recorded drawdown. Blocks on the database: not for an event loop; call `read`, `history`
        and `close` in one thread."""
        until, worst = self._worst.get((account, currency), (0, 0.0))
        minutes, now = metadata.tables["record_equity"], metadata.tables["record_risk"]
        try:
            if (records := self._open()) is None:
                return
            for table, since in ((minutes, until), (now, 0)):
                of = (table.c.account == account, table.c.slot == TOTAL, table.c.currency == currency)
                figures = sa.func.max(table.c.drawdown).label("drawdown"), sa.func.max(table.c.ts).label("ts")
                (row,) = records.rows(sa.select(*figures).where(*of, table.c.ts > since))
                worst = max(worst, row["drawdown"] or 0.0)
                until = max(until, row["ts"] or 0) if table is minutes else until
            self._worst[account, currency] = until, worst
        except OnetapeError:
            self._away()

    def currency(self, account: str) -> str:
        """Returns the currency of an account's figures, "": none. Raises InvalidAccount."""
        self._views.symbols().check(account)
        money = self._views.any_leg(account)
        return money.instrument.settle if money is not None and money.equity else ""

    def history(
        self, account: str, limit: int = 100, since: int | None = None, currency: str = ""
    ) -> list[RiskMetrics]:
        """Returns an account's risk at full minutes, newest first; call it in `read`'s thread. since: only newer ones,
        ms UTC. currency: of its figures; "": that with the most units. Raises BadInput for a limit, NotAvailable
        without a recorder, ProcessDown without its database, BadConfig for another home's."""
        if not 1 <= limit <= HISTORY_MAX:
            raise BadInput(f"limit is 1 to {HISTORY_MAX}, not {limit}")
        if not self._url:
            raise NotAvailable("the risk of accounts is not recorded", todo="add [recorder]")
        minutes, now = metadata.tables["record_equity"], metadata.tables["record_risk"]
        if (records := self._open()) is None:
            raise ProcessDown("the records' database does not answer", location="[recorder] url")
        try:
            found = records.rows(sa.select(now).where(now.c.account == account, now.c.slot == TOTAL))
            most = max(found, key=lambda row: float(row["equity"]), default={"currency": ""})["currency"]
            named = currency if currency in {row["currency"] for row in found} else most
            of = (minutes.c.account == account, minutes.c.slot == TOTAL, minutes.c.currency == named)
            wanted = sa.select(minutes).where(*of, minutes.c.ts > (since or 0) * MS + (MS - 1 if since else 0))
            rows = records.rows(wanted.order_by(minutes.c.ts.desc()).limit(limit))
        except OnetapeError:
            self._away()
            raise
        return [_past(account, row) for row in rows]

    def _open(self) -> Records | None:
        if self._records is None and self._url and self._now_s() - self._failed_at >= RETRY_S:
            try:
                self._records = Records(self._url, home=self._views.home, only_reads=True)
            except ProcessDown:
                self._failed_at = self._now_s()
        return self._records

    def _away(self) -> None:
        if self._records is not None:
            self._records.close()
        self._records, self._failed_at = None, self._now_s()

    # --- alerts ---------------------------------------------------------------------------------------

    def alerts(
        self, account: str | None = None, severity: str | None = None, type: str | None = None, all: bool = False
    ) -> list[Alert]:
        """Returns open alerts that are not acknowledged, oldest first, and a stop of the system. all: also ended and
        acknowledged ones. account: alerts of the whole system are listed for each. `data.blocks` marks those that block
        trades which add risk. Raises InvalidAccount."""
        if account is not None:
            self._views.symbols().check(account)
        self._look()
        stop = self._stop()
        return [
            each
            for each in (*(self._listed if all else self._active), *([stop] if stop is not None else ()))
            if (account is None or each.account_id in ("", account))
            and severity in (None, each.severity)
            and type in (None, each.type)
        ]

    def faults(self) -> Counter[str]:
        """Counts the WARN and CRITICAL alerts of each process; the end of a process counts for its supervisor."""
        self._look()
        faults = (each for each in self._listed if each.severity != "INFO" and each.type != f"{Type.PROCESS}-alert")
        return Counter(str(each.data["subject"]).partition(" ")[0] for each in faults)

    async def acknowledge(self, commands: IPCCommandSystem, id_: str, command_id: str | None = None) -> Alert:
        """Records on the supervisor's journal that the operator has acknowledged an alert, which then blocks no more.
        Raises NotServed if there is none of that id, or if it is a stop of the system; ServiceTimeout without a
        supervisor."""
        if (stop := self._stop()) is not None and stop.id == id_:
            raise NotServed(409, "a stop of the system goes on until a restart", "POST /api/v1/system/restart")
        fields = {"id": id_}
        answer = await commands.send_command("supervisor", "ack", fields, timeout=ACK_WITHIN_S, command_id=command_id)
        if answer.error is not None and answer.error["code"] != BadInput.code:
            raise BY_CODE[answer.error["code"]](answer.error["message"])
        self._look()
        ids = (id_, answer.result.get("id")) if answer.error is None else ()
        if (found := next((each for each in self._listed if each.id in ids), None)) is None:
            raise NotServed(404, f"no alert {id_[:40]!r} goes on", "GET /risk/alerts?all=true")
        return found

    def gate(self, accounts: Sequence[str], reduces: bool) -> None:
        """Allows trades that reduce risk. Raises BlockedByRiskAlert if an alert blocks one of the accounts, or all."""
        if reduces:
            return
        self._look()
        for each in self._active:
            if each.data["blocks"] and each.account_id in ("", *accounts):
                raise BlockedByRiskAlert(
                    f"alert {each.id} goes on: {each.message}",
                    location=each.account_id or each.data["subject"],
                    todo=f"end its cause, or POST /risk/alerts/{each.id}/ack",
                )

    def _look(self) -> None:
        if self._past.take():
            section: ControlConfig = self._views.config.control
            rows = alert_rows(self._past.found, self._views.config, is_all=True)
            self._listed = [_alert(each, needs_alerts=section.needs_alerts) for each in rows]
            self._active = [each for each in self._listed if not (each.acked or each.data["cleared"] is not None)]


def _alert(row: dict[str, Any], *, needs_alerts: bool) -> Alert:
    """needs_alerts: alerts that could not be delivered block, too."""
    times = {name: None if row[name] is None else row[name] // MS for name in ("cleared", "acked")}
    is_active = row["cleared"] is None and row["acked"] is None
    counts = needs_alerts or not is_about_sinks(row["subject"])
    blocks = row["severity"] == "CRITICAL" and is_active and counts
    return Alert(
        id=row["id"],
        type=f"{row['type']}-alert",
        severity=row["severity"],
        account_id=row["account"],
        message=row["message"],
        timestamp=row["since"] // MS,
        data={"subject": row["subject"], **times, **row["data"], "blocks": blocks},
        acked=row["acked"] is not None,
    )


def _past(account: str, row: dict[str, Any]) -> RiskMetrics:
    return RiskMetrics(
        account_id=account,
        delta_deviation=abs(float(row["delta"])),
        delta_unit=row["currency"],
        utilization_rate=1.0 if row["utilization"] is None else row["utilization"],
        leverage_ratio=row["leverage"],
        unrealized_pnl=float(row["unrealized"]),
        max_drawdown=row["drawdown"],
        timestamp=row["ts"] // MS,
    )
