"""Compares a venue with its adapter's facts: its clock, instruments, refusals and some market messages.

No request needs a key, and none is an order. The comparison is in `venues/drift.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import picows

from onetape.model.errors import VenueUnavailable
from onetape.model.json_text import read_json
from onetape.net.connection import connected
from onetape.net.egress import Egress, egress_of
from onetape.net.tasks import ended
from onetape.orders.calls import Call, Purpose
from onetape.preflight.preflight import Passed, Target
from onetape.preflight.venue_access import VenueAccess
from onetape.venues.drift import Drift, Drifts, Facts, What
from onetape.venues.fact_tables import errors_of, facts_of
from onetape.venues.open import open_trading_venue

__all__ = ["DriftReport", "venue_drift"]


@dataclass(slots=True)
class DriftReport:
    """The number of comparisons, and their results."""

    facts: Facts
    answers: int = 0
    messages: dict[str, int] = field(default_factory=dict)  # by name
    refusals: int = 0
    found: list[Drift] = field(default_factory=list)

    @property
    def broken(self) -> list[Drift]:
        """Returns the missing fields that the adapter needs."""
        return [each for each in self.found if each.what is What.MISSING]


def venue_drift(target: Target, passed: Passed, symbols: Sequence[str] = (), *, sample_s: float) -> DriftReport:
    """Runs all comparisons. passed: the results of `look`. symbols: those whose market is listened to, by default the
    ones in the facts. Raises NotAvailable for a kind without facts, VenueUnavailable if the venue no longer answers."""
    facts = facts_of(target.kind)
    report, drifts = DriftReport(facts), Drifts(facts)
    access = VenueAccess(target.addresses.rest, proxy=target.proxy)
    try:
        _answers(access, target, passed, report, drifts)
        for bad in facts.bad_requests:
            call = Call(Purpose.QUERY, "GET", bad.target, b"", {}, 1)
            status, _, body = access.ask(call)
            drifts.refusal(bad, status, body, errors_of(target.kind))
            report.refusals += 1
    finally:
        access.close()
    if sample_s:
        wanted = [*symbols] or [facts.sample_symbol]
        asyncio.run(_listen(target, passed, wanted, report, drifts, sample_s))
    report.found = drifts.rows()
    return report


def _answers(access: VenueAccess, target: Target, passed: Passed, report: DriftReport, drifts: Drifts) -> None:
    venue = open_trading_venue(target.kind, "", "", target.addresses)
    _, headers, body = access.ask(venue.time())
    for name, answer in (("time", body), ("instruments", passed.raw)):
        try:
            drifts.answer(name, read_json(answer))
        except msgspec.DecodeError:
            drifts.note(What.MISSING, f"{name}: no JSON")
        report.answers += 1
    for name in report.facts.headers:
        if name not in headers:
            drifts.note(What.HEADER, name)


async def _listen(
    target: Target, passed: Passed, symbols: list[str], report: DriftReport, drifts: Drifts, sample_s: float
) -> None:
    """Listens until each message of the sample has come, or the time is over. An acknowledged subscription proves
    nothing: only the first message of each kind does."""
    venue = open_trading_venue(target.kind, "", "", target.addresses)
    try:
        instruments = venue.instruments_of(passed.raw, frozenset(symbols))
    except (LookupError, TypeError, ValueError, AttributeError):
        instruments = []
    if not instruments:
        drifts.note(What.SILENT, f"{', '.join(symbols)} does not trade there")
        return
    market = venue.market(instruments)
    waiting = set(report.facts.sample)
    enough = asyncio.Event()

    def take(message: bytes) -> bool:
        try:
            value = read_json(message)
        except msgspec.DecodeError:
            value = None
        drifts.message(value)
        name = drifts.name_of(value)
        report.messages[name] = report.messages.get(name, 0) + 1
        waiting.discard(name)
        if not waiting:
            enough.set()
        return enough.is_set()

    egress = egress_of(target.proxy)
    tasks = [asyncio.ensure_future(_follow(s.url, s.hello, take, egress)) for s in market.streams()]
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(enough.wait(), sample_s)
    results = await ended(tasks)
    if not report.messages and (why := next((e for e in results if isinstance(e, OSError)), None)):
        raise VenueUnavailable(f"no market data: {type(why).__name__}", location=target.addresses.ws) from None
    for name in sorted(waiting):
        drifts.note(What.SILENT, f"{name} within {sample_s:g} s")
    unknown = getattr(market, "unknown", {})
    for name in sorted(unknown):
        if name not in report.messages:
            drifts.note(What.MESSAGE, f"{name}, says the decoder")


async def _follow(url: str, hello: Sequence[bytes], take: Callable[[bytes], bool], egress: Egress | None) -> None:
    try:
        await connected(url, hello, take, egress=egress)
    except (picows.WSError, TimeoutError) as error:
        raise ConnectionError(str(error)) from None
