"""The overview of a home: its worth, today's profit in total and by robot, open risk against limits, and problems.
Pure: `first_look` of the data read, for pages and terminals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from onetape.model.decimals import decimal_text
from onetape.model.placement import WELL
from onetape.model.time import MS

__all__ = ["AccountNow", "DayOf", "Look", "first_look"]

_ZERO: Final = Decimal(0)
RED_MAX: Final = 50  # lines; more are not useful
_RANKS: Final = {"CRITICAL": 0, "WARN": 1, "INFO": 2}


@dataclass(frozen=True, slots=True)
class AccountNow:
    """One account in the currency in which its contracts settle. gross: notional of all positions; why: its figures
    are not reliable, "": they are; age_ms: since its gateway last confirmed them."""

    name: str
    venue: str
    kind: str
    currency: str = ""
    equity: Decimal | None = None
    unrealized: Decimal = _ZERO
    gross: Decimal = _ZERO
    utilization: float = 0.0
    age_ms: int | None = None
    why: str = ""


@dataclass(slots=True)
class DayOf:
    """The records of the UTC day. start: equity without deposits and withdrawals at the day's beginning, capital:
    sum of deposits, both by account and currency; ledger: rows of `record_queries.ledger` by strategy; minutes:
    equity of all accounts by currency as if today's deposits had been there all day, (ns UTC, equity); limits:
    figures of accounts from `record_queries.risk`."""

    start: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    capital: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    minutes: dict[str, list[tuple[int, Decimal]]] = field(default_factory=dict)
    risk: list[dict[str, Any]] = field(default_factory=list)
    why: str = ""  # there is none


@dataclass(slots=True)
class Look:
    """The data read from a home at `now`, ns UTC. status: the supervisor's; robots: by process, their own reports;
    alerts: as `alert_rows`; halts: as `onetape halts`; stops: as `onetape stops`, None: no guardian answers; killed:
    why a kill switch is on, by account."""

    now: int
    status: Mapping[str, Any]
    robots: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accounts: Sequence[AccountNow] = ()
    alerts: Sequence[Mapping[str, Any]] = ()
    halts: Sequence[Mapping[str, Any]] = ()
    stops: Sequence[Mapping[str, Any]] | None = None
    killed: Mapping[str, str] = field(default_factory=dict)
    day: DayOf = field(default_factory=DayOf)
    orders: int = 0  # working orders


def first_look(look: Look) -> dict[str, Any]:
    """Returns the overview: money is decimal text after fees, times ms UTC, shares of 1; None: unknown."""
    processes = look.status.get("processes", ())
    return {
        "at": look.now // MS,
        "running": bool(look.status.get("running")),
        "equity": _equities(look),
        "robots": [_robot(each, look) for each in processes if each["kind"] == "robot"],
        "risk": [_risk(each, look) for each in look.accounts],
        "red": _red(look),
        "counts": {
            "processes": len(processes),
            "running": sum(each["state"] == "running" for each in processes),
            "orders": look.orders,
            "stops": _protection(look.stops),
        },
    }


# --- money ----------------------------------------------------------------------------------------


def _equities(look: Look) -> list[dict[str, Any]]:
    """Returns a row by currency: nothing is converted."""
    found = []
    for currency in dict.fromkeys(each.currency for each in look.accounts if each.currency):
        own = [each for each in look.accounts if each.currency == currency and each.equity is not None]
        lacking = [each.name for each in look.accounts if each.currency == currency and each.why]
        equity = sum((each.equity for each in own if each.equity is not None), _ZERO)
        starts = [_since_start(each, look.day) for each in own]
        made = [each for each in starts if each is not None]
        result = sum(made, _ZERO) if made and len(made) == len(starts) else None
        began = equity - result if result is not None else _ZERO
        rows = [row for row in look.day.ledger if row["currency"] == currency]
        found.append(
            {
                "currency": currency,
                "equity": _text(equity),
                "day": None if result is None else _text(result),
                "day_share": float(result / began) if result is not None and began > 0 else None,
                "fees": None
                if look.day.why
                else _text(sum((Decimal(row["fees"].get(currency, 0)) for row in rows), _ZERO)),
                "funding": None if look.day.why else _text(sum((Decimal(row["funding"]) for row in rows), _ZERO)),
                "unrealized": _text(sum((each.unrealized for each in own), _ZERO)),
                "why": look.day.why,
                "lacking": lacking,
                "minutes": [(at // MS, float(worth)) for at, worth in look.day.minutes.get(currency, ())],
            }
        )
    return found


def _since_start(account: AccountNow, day: DayOf) -> Decimal | None:
    """Returns the profit of an account since the day began, including open profit and fees, without deposits."""
    key = account.name, account.currency
    if account.equity is None or key not in day.start:
        return None
    return account.equity - day.capital.get(key, _ZERO) - day.start[key]


def _robot(process: Mapping[str, Any], look: Look) -> dict[str, Any]:
    shown = look.robots.get(process["name"], {})
    symbols = shown.get("symbols", {})
    return {
        "name": process["name"].partition(":")[2],
        "process": process["name"],
        "state": process["state"],
        "status": shown.get("status"),
        "why": process.get("reason", ""),
        "strategy": shown.get("type"),
        "symbol": shown.get("symbol"),
        "profit": shown.get("profit"),
        "positions": [
            {"symbol": name, "qty": str(each["position"])} for name, each in symbols.items() if each.get("position")
        ],
        "orders": shown.get("orders"),
        "fills": shown.get("total_trades"),
        "lag": process.get("lag"),
    }


def _risk(account: AccountNow, look: Look) -> dict[str, Any]:
    recorded = next(
        (r for r in look.day.risk if (r["account"], r["currency"]) == (account.name, account.currency)), None
    )
    equity = account.equity
    return {
        "account": account.name,
        "venue": account.venue,
        "kind": account.kind,
        "currency": account.currency,
        "equity": None if equity is None else _text(equity),
        "gross": _text(account.gross),
        "leverage": float(account.gross / equity) if equity is not None and equity > 0 else None,
        "utilization": account.utilization,
        "unrealized": _text(account.unrealized),
        "drawdown": recorded["drawdown"] if recorded else None,
        "age": account.age_ms,
        "why": account.why,
    }


def _protection(stops: Sequence[Mapping[str, Any]] | None) -> dict[str, Any] | None:
    if stops is None:
        return None
    held = [each for each in stops if Decimal(each["qty"])]
    return {
        "positions": len(held),
        "protected": sum(each["protected"] >= 0.95 for each in held),
        "verified": sum(each["verified_age_ms"] is not None for each in held),
    }


# --- problems -----------------------------------------------------------------------------------------------------


def _red(look: Look) -> list[dict[str, Any]]:
    """Returns the problems that need attention, the worst first. page: where to handle it."""
    found = [*_of_processes(look.status), *_of_alerts(look.alerts), *_of_halts(look.halts), *_of_stops(look.stops)]
    found += [_line("WARN", "account", each.name, each.why, "system") for each in look.accounts if each.why]
    found += [_line("CRITICAL", "kill", name, f"kill switch: {why}", "guardian") for name, why in look.killed.items()]
    if not look.status.get("running"):
        found.append(
            _line("CRITICAL", "supervisor", "supervisor", "no supervisor: ended processes stay down", "system")
        )
    return sorted(found, key=lambda each: (_RANKS[each["severity"]], -(each["since"] or 0)))[:RED_MAX]


def _line(severity: str, kind: str, subject: str, text: str, page: str, since: int | None = None) -> dict[str, Any]:
    return {"severity": severity, "kind": kind, "subject": subject, "text": text, "page": page, "since": since}


def _of_processes(status: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for each in status.get("processes", ()):
        if each["state"] not in WELL:
            severity = "CRITICAL" if each["state"] == "failed" else "WARN"
            yield _line(
                severity, "process", each["name"], f"{each['state']}: {each['reason'] or 'no reason'}", "system"
            )
        elif each["reason"]:
            yield _line("WARN", "process", each["name"], each["reason"], "system")


def _of_alerts(alerts: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for each in alerts:
        yield _line(each["severity"], "alert", each["subject"], each["message"], "guardian", each["since"] // MS)


def _of_halts(halts: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for each in halts:
        subject = f"{each['scope']} {each['subject']}".strip()
        lost = f": lost {each['loss']} of {each['limit']}" if each["limit"] else ""
        yield _line("WARN", "halt", subject, f"{each['rule']}{lost}", "guardian", each["since"] // MS)


def _of_stops(stops: Iterable[Mapping[str, Any]] | None) -> Iterable[dict[str, Any]]:
    for each in stops or ():
        if Decimal(each["qty"]) and each["protected"] < 0.95:
            words = f"{each['protected']:.0%} of {each['qty']} is protected by stops"
            yield _line("CRITICAL", "stop", f"{each['account']} {each['symbol']}", words, "guardian")


def _text(value: Decimal) -> str:
    return decimal_text(round(value, 12))
