"""Compute a run's result at each venue, with the assumptions on accounts and latency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from onetape.engine.accounts import accounts_text
from onetape.engine.latency import RECEIPT, Latency
from onetape.engine.plan import RunPlan
from onetape.engine.session import Session
from onetape.model.decimals import decimal_text
from onetape.report.report_data import Assumption, VenueLine

__all__ = ["VenueResult", "account_lines", "latency_lines", "latency_text", "venue_results"]

_MONEY = ("cash", "final_equity", "pnl", "fees", "funding", "volume")


@dataclass(slots=True)
class VenueResult:
    """The result at one venue in one settle currency; amounts in that currency.

    cash, final_equity: None if one account serves several venues. volume: value of own fills; fees: of fills.
    """

    venue: str
    currency: str
    cash: Decimal | None
    final_equity: Decimal | None
    pnl: Decimal
    fees: Decimal
    funding: Decimal
    volume: Decimal

    def as_json(self) -> dict[str, Any]:
        """Returns money as decimal strings."""
        amounts = {name: getattr(self, name) for name in _MONEY}
        return {
            "venue": self.venue,
            "currency": self.currency,
            **{k: None if v is None else decimal_text(v) for k, v in amounts.items()},
        }

    def line(self) -> VenueLine:
        """Returns the line for the report."""
        amounts = (getattr(self, name) for name in _MONEY)
        return VenueLine(self.venue, self.currency, *(None if each is None else float(each) for each in amounts))


def venue_results(session: Session) -> list[VenueResult]:
    """Returns results by venue and currency, in the order of the instruments. The profit of a venue with its own
    account is its change of equity. With one account for several venues it is the sum of its instruments' profits,
    without interest."""
    loop, host, plan = session.loop, session.host, session.plan
    rows: dict[tuple[str, str], list[int]] = {}
    for index, each in enumerate(host.instruments.values()):
        rows.setdefault((each.venue, each.settle), []).append(index)
    is_alone = bool(plan.accounts) or len({venue for venue, _ in rows}) == 1
    found = []
    for (venue, currency), indices in rows.items():
        fees, funding, volume, pnl = (
            sum((Decimal(read(i)) for i in indices), Decimal(0))
            for read in (loop.fees_text, loop.funding_text, loop.traded_text, loop.gained_text)
        )
        cash = equity = None
        if is_alone:
            account = host.account_of(venue)
            cash = plan.money.get(account, {}).get(currency, Decimal(0))
            number = host.money_index(account, currency)
            equity = Decimal(loop.equity_of_text(number))
            # A currency of which the run had no cash began at zero.
            pnl = equity - session.start_money.get((account, currency), Decimal(0))
            pnl -= Decimal(loop.moved_in_of_text(number))
        found.append(VenueResult(venue, currency, cash, equity, pnl, fees, funding, volume))
    return found


def account_lines(session: Session) -> list[Assumption]:
    """Returns lines on the cash, and on which venues could use it."""
    plan = session.plan
    lines = [Assumption(f"cash {accounts_text(plan.money)}, leverage {plan.leverage}x, {plan.margin} margin", None)]
    venues = sorted({each.venue for each in session.host.instruments.values()})
    if not plan.accounts:
        if len(venues) > 1:
            split = ",".join(f"{venue}=.." for venue in venues)
            text = (
                f"one account serves {', '.join(venues)}: money moves between the venues at once, and margin at one "
                f"covers positions at another; --cash '{split}' gives each its own"
            )
            lines.append(Assumption(text, 1, key="one account"))
        return lines
    if len(venues) > 1:
        text = f"{', '.join(venues)} have separate accounts: no money moves between them"
        lines.append(Assumption(text, None))
    names = {name for cash in plan.accounts.values() for name in cash} | {
        each.settle for each in session.host.instruments.values()
    }
    if par := sorted(name for name in names if name != plan.currency and plan.counts(name)):
        text = f"equity is in {plan.currency}; one {' or '.join(par)} counts as one {plan.currency}"
        lines.append(Assumption(text, 0, key="par"))
    settled = {each.settle for each in session.host.instruments.values()}
    if left := sorted(name for name in settled if not plan.counts(name)):
        text = (
            f"money in {', '.join(left)} is not part of the equity and profit, which are in "
            f"{plan.currency}: see the table by venue"
        )
        lines.append(Assumption(text, 0, key="not counted"))
    return lines


def latency_text(plan: RunPlan) -> str:
    """Returns `10ms,10ms`, or with other venues': `10ms,10ms; kraken 20ms,80ms`."""
    named = [f"{venue} {latency}" for venue, latency in plan.latencies.items()]
    return "; ".join([str(plan.latency), *named])


def latency_lines(plan: RunPlan, venues: Iterable[str]) -> list[Assumption]:
    """Returns the latencies: one line for all venues, or one for each where some are named."""
    if not plan.latencies:
        return _latency_lines(plan.latency, "", "")
    lines: list[Assumption] = []
    for venue in sorted(venues):
        lines += _latency_lines(plan.latency_of(venue), f"{venue}: ", f" {venue}")
    return lines


def _latency_lines(latency: Latency, prefix: str, suffix: str) -> list[Assumption]:
    if latency.curve or latency.request or latency.reply:
        text = f"{prefix}latency to the exchange and back: {latency}"
        lines = [Assumption(text, key=f"latency{suffix}")]
    else:
        text = f"{prefix}orders reach the exchange at once: no latency"
        lines = [Assumption(text, 1, key=f"latency{suffix}")]
    if latency.clock == RECEIPT:
        said = f"{prefix}the exchange runs on the receipt times of the data: the robot sees the market at once"
        lines.append(Assumption(said, 1, key=f"feed{suffix}"))
    return lines
