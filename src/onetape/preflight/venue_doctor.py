"""The checks of `onetape doctor` on configured venues and accounts.

A venue gets public queries; an account's key is tried as in a live run, without any order. The account of a running
gateway is not queried: two programs with one key disturb each other at some venues, and the gateway reports its own
status.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from onetape.model.errors import BadConfig, OnetapeError, ProcessDown
from onetape.model.placement import is_local, local_proxies
from onetape.model.proxy import Proxy
from onetape.model.sections import AccountConfig, CollectorConfig, Config, VenueConfig
from onetape.model.symbol import exchange_of
from onetape.model.time import DAY, SECOND, format_time, parse_time
from onetape.options.bridge import CCXT
from onetape.preflight.configured import proxy_of
from onetape.preflight.findings import ERROR, OK, WARNING, Finding
from onetape.preflight.preflight import (
    CHECKED,
    Passed,
    Target,
    check_open,
    look,
    market_of,
    preflight,
    secret_of,
    secrets_of,
    target_of,
    third_secret,
)
from onetape.preflight.venue_access import VenueAccess
from onetape.venues.fact_tables import facts_date, has_facts
from onetape.venues.key_check import Wanted
from onetape.venues.open import open_trading_venue
from onetape.venues.sunsets import SOON_DAYS, Stage, Sunset, due

__all__ = ["check_account", "check_sunsets", "check_venue", "examine"]

SAMPLE_S: Final = 5.0  # a mark comes each second, a trade of a busy market several times
SHOWN_MAX: Final = 20  # drifts shown by name
SOON: Final = 7 * 86_400 * SECOND  # before a key expires


def examine(
    config: Config,
    folder: Path,
    home: Path,
    only: str = "",
    *,
    sample_s: float = SAMPLE_S,
    doing: Callable[[str], None] = lambda words: None,
    now: int | None = None,
) -> Iterator[Finding]:
    """Checks all venues and their accounts. only: name of the one venue to check; sample_s: how long to listen to its
    market at most, 0: not at all; doing: called before each venue with a description; now: ns UTC, None: by the clock.
    Raises BadConfig for an unknown name."""
    now = time.time_ns() if now is None else now
    if only and only not in config.venues:
        there = ", ".join(config.venues) or "none"
        raise BadConfig(f"no venue {only!r}", location="--venue", todo=f"choose from {there}")
    for name in local_proxies(config) if not only else ():
        yield from _proxy(config, name, folder)
    for name, venue in config.venues.items():
        if only in ("", name):
            listens = f", and listens for {sample_s:.0f} s at most" if sample_s else ""
            doing(f"asks venue {name}{listens}")
            yield from _with_accounts(config, name, venue, folder, home, sample_s, now)
            yield from check_sunsets(name, venue, now)


def _with_accounts(
    config: Config, name: str, venue: VenueConfig, folder: Path, home: Path, sample_s: float, now: int
) -> Iterator[Finding]:
    users = _users(config)
    way = next((each.proxy for each in users if each.venue == name), "")  # the proxy of the venue's first user
    try:
        proxy = proxy_of(config, way, os.environ, folder)
    except OnetapeError as error:
        yield Finding.of(f"venue {name}", error)
        return
    found = list(check_venue(config, name, venue, sample_s, proxy=proxy, now=now))
    yield from found
    is_there = not any(each.state == ERROR for each in found if each.subject == f"venue {name}")
    for each, account in config.accounts.items():
        if account.venue == name and is_local(config, f"gateway:{each}"):
            yield from check_account(config, each, folder, home, is_there=is_there)


def check_sunsets(name: str, venue: VenueConfig, now: int, rows: Sequence[Sunset] | None = None) -> Iterator[Finding]:
    """Reports what a venue retires within 30 days: an error once it has, if our adapter needs it. A simulated exchange
    retires nothing. now: ns UTC; rows: instead of the shipped table."""
    for each, stage in due({venue.kind}, now, rows) if venue.mode != "sim" else ():
        state = ERROR if stage is Stage.OVER else WARNING
        louder = f"within {SOON_DAYS} days! " if stage is Stage.SOON else ""
        todo = "look for a newer onetape before you trade" if each.uses_old else ""
        yield Finding(state, f"venue {name}", f"{louder}{each.text(now)}", todo)


def _users(config: Config) -> list[AccountConfig | CollectorConfig]:
    """Returns what connects to venues from this host."""
    accounts = (each for name, each in config.accounts.items() if is_local(config, f"gateway:{name}"))
    collectors = (each for name, each in config.collectors.items() if is_local(config, f"collector:{name}"))
    return [*accounts, *collectors]


def _proxy(config: Config, name: str, folder: Path) -> Iterator[Finding]:
    """Checks whether a proxy connects to the venues of its users; the venues' answers are reported with the venues."""
    subject = f"proxy {name}"
    users = _users(config)
    its = [each for each in users if each.proxy == name]
    if not its:
        yield Finding(WARNING, subject, "no account or collector uses it", f'write proxy = "{name}" in one')
    try:
        proxy = proxy_of(config, name, os.environ, folder)
        venues = {v: config.venues[v] for v in (each.venue for each in its) if v and not is_own(config.venues[v])}
        rests = {market_of(v, venue).addresses.rest for v, venue in venues.items()}
        rests |= {re.sub("^ws", "http", e.address) for e in config.collectors.values() if e.proxy == name}
        for rest in sorted(filter(None, rests)):
            access, began = VenueAccess(rest, proxy=proxy), time.monotonic()
            try:
                access.connect()
            finally:
                access.close()
            yield Finding(OK, subject, f"{rest} is reached through it, {(time.monotonic() - began) * 1000:.0f} ms")
    except OnetapeError as error:
        yield Finding.of(subject, error)


def is_own(venue: VenueConfig) -> bool:
    """Tells whether the venue is a simulated exchange that starts and ends with each run, so that it cannot be
    queried."""
    return venue.mode == "sim" and not venue.rest


def check_venue(
    config: Config,
    name: str,
    venue: VenueConfig,
    sample_s: float = SAMPLE_S,
    *,
    proxy: Proxy | None = None,
    now: int | None = None,
) -> Iterator[Finding]:
    """Checks a venue, and whether it lists the symbols of [symbols] in `config`. now: ns UTC, None: by the clock."""
    subject, dated = f"venue {name}", _dated(facts_date(venue.kind), time.time_ns() if now is None else now)
    if is_own(venue):
        try:
            check_open(name, venue)
        except OnetapeError as error:
            yield Finding.of(subject, error)
            return
        yield Finding(OK, subject, "; ".join(filter(None, (f"{venue.kind}, simulated, started by `up`", dated))))
        return
    try:
        target = replace(target_of(name, venue), proxy=proxy)
        if venue.kind not in CHECKED:
            yield Finding(WARNING, subject, "; ".join(filter(None, (f"{venue.kind} is not checked", dated))))
            return
        passed = look(target)
    except OnetapeError as error:
        yield Finding.of(subject, error)
        return
    yield Finding(OK, subject, f"{target.addresses.rest} answers, {_clock(passed)}")
    yield from _listed(subject, target, passed, config)
    if has_facts(target.kind):
        yield from _drift(subject, target, passed, sample_s, dated)
    else:
        yield Finding(
            WARNING,
            subject,
            f"whether {target.kind} has changed is not checked: its messages are not described; {dated}",
        )


def _listed(at: str, target: Target, passed: Passed, config: Config) -> Iterator[Finding]:
    """Reports which instruments of a venue the names in [symbols] mean, and which of them it does not list: an error if
    it lists no symbol of that name, and no other configured venue of the exchange could."""
    venue, exchange = open_trading_venue(target.kind, "", "", target.addresses), exchange_of(target.kind)
    is_one_of_many = sum(exchange_of(each.kind) == exchange for each in config.venues.values()) > 1
    for name, listed in config.symbols.items():
        own = [each for each in listed if each.startswith(f"{exchange}:")]
        try:
            found = venue.instruments_of(passed.raw, frozenset(own)) if own else []
        except (LookupError, TypeError, ValueError, AttributeError, msgspec.DecodeError):  # reported as drift
            continue
        there = {each.symbol: each.raw_symbol for each in found}
        if lacking := [each for each in own if each not in there]:
            words = f"{', '.join(lacking)} does not trade at {at}"
            todo = "" if there or is_one_of_many else f"correct [symbols] {name}, or leave it out"
            yield Finding(ERROR if todo else WARNING, f"symbol {name}", words, todo)
        if means := next((each for each in own if each in there), ""):
            yield Finding(OK, f"symbol {name}", f"{means} at {at}, which calls it {there[means]}")


def _drift(subject: str, target: Target, passed: Passed, sample_s: float, dated: str) -> Iterator[Finding]:
    """Compares the venue's messages with the adapter's facts."""
    from onetape.preflight.venue_drift import venue_drift  # imports an event loop and sockets

    try:
        report = venue_drift(target, passed, sample_s=sample_s)
    except OnetapeError as error:
        yield Finding.of(subject, error)
        return
    heard = sum(report.messages.values())
    text = f"{dated}, against {report.answers} answers, {heard} messages, {report.refusals} refusals: "
    if not report.found:
        yield Finding(OK, subject, text + "no drift")
        return
    state = ERROR if report.broken else WARNING
    kept = [each.text for each in report.found[:SHOWN_MAX]]
    if more := len(report.found) - len(kept):
        kept.append(f"{more} more")
    todo = "look for a newer onetape before you trade" if report.broken else ""
    yield Finding(state, subject, text + "; ".join(kept), todo)


def check_account(config: Config, name: str, folder: Path, home: Path, *, is_there: bool = True) -> Iterator[Finding]:
    """Checks an account. is_there: the venue answers; if not, only local facts are checked."""
    subject, account = f"account {name}", config.accounts[name]
    venue = config.venues[account.venue]
    places = [each for each in (account.key, account.secret) if each]
    if is_own(venue) and not places:
        yield Finding(OK, subject, "keys of the simulated exchange")
        return
    if any(each.startswith("fd:") for each in places):
        yield Finding(OK, subject, "the secret is in a descriptor, which can be read once: not checked")
        return
    keys, wanted_keys = {}, secrets_of(account, venue.kind)
    for what in wanted_keys:
        try:
            keys[what] = secret_of(name, account, what, os.environ, folder)
        except OnetapeError as error:
            yield Finding.of(subject, error)
    if len(keys) < len(wanted_keys):
        return
    if is_own(venue):
        return
    if not is_there or venue.kind not in CHECKED:
        yield from _unfit_keys(account.venue, venue, subject, keys)
        return
    if (running := _running(home, name)) is not None:
        yield running
        return
    try:
        wanted = Wanted(account.position_mode == "hedge", account.allow_withdraw)
        proxy = proxy_of(config, account.proxy, os.environ, folder)
        target = replace(target_of(account.venue, venue), proxy=proxy)
        passed = preflight(target, name, keys, _symbols(config, name), wanted)
    except OnetapeError as error:
        yield Finding.of(subject, error)
        return
    yield Finding(OK, subject, _fit(passed))
    if passed.rights is not None and (expires := passed.rights.expires) and expires < time.time_ns() + SOON:
        yield Finding(
            WARNING, subject, f"the key ends at {format_time(expires)}", "approve a new agent wallet at the venue"
        )
    if passed.rights is not None and passed.rights.is_bound is False and venue.mode == "live":
        yield Finding(WARNING, subject, "the key works from any address", "restrict it to your addresses at the venue")


def _unfit_keys(name: str, venue: VenueConfig, subject: str, keys: dict[str, str]) -> Iterator[Finding]:
    """Reports faults of keys that can be seen without the venue: malformed keys, and a main wallet's."""
    if venue.kind.startswith(CCXT):  # only the bridge can read them
        return
    try:
        addresses = target_of(name, venue).addresses
    except OnetapeError:  # reported with the venue
        return
    try:
        open_trading_venue(venue.kind, keys["key"], keys["secret"], addresses, third_secret(keys))
    except OnetapeError as error:
        yield Finding.of(subject, error)


def _running(home: Path, name: str) -> Finding | None:
    """Returns the status that the account's running gateway reports; None if none runs."""
    from onetape.clients.gateway import GatewayClient

    try:
        client = GatewayClient(home, name)
    except ProcessDown:
        return None
    try:
        status = client.ask("status")
    except ProcessDown as error:
        return Finding.of(f"account {name}", error)
    counts = {str(k): int(v) for k, v in status.get("counts", {}).items()}
    unknown = ", ".join(f"{each} {count}" for each, count in sorted(counts.items()))
    differences = len(status.get("differences", ()))
    text = f"a gateway trades on it, {differences} differences"
    if dated := _dated(status.get("facts_read", ""), time.time_ns()):
        text += f"; {dated}"
    return Finding(
        WARNING if differences or not status.get("ready") else OK,
        f"account {name}",
        text + (f"; counted: {unknown}" if unknown else ""),
    )


def _symbols(config: Config, account: str) -> list[str]:
    """Returns the configured symbols of the robots of an account."""
    found: dict[str, None] = {}
    for robot in config.robots.values():
        if account not in robot.traded_on:
            continue
        found |= dict.fromkeys(robot.symbols)
    return list(found)


def _dated(read: str, now: int) -> str:
    """Returns the date of facts and their age, "" without a date. now: ns UTC."""
    if not read:
        return ""
    days = max(now - parse_time(read), 0) // DAY
    return f"facts of {read}, {days} day{'s' * (days != 1)} old"


def _clock(passed: Passed) -> str:
    return f"clock {passed.offset / 1e6:+,.0f} ms"


def _fit(passed: Passed) -> str:
    assert passed.mode is not None
    mode = "hedge mode" if passed.mode.hedge else "one-way"
    if passed.rights is None or passed.rights.withdraw is None:
        withdraw = "withdrawal not known" if passed.mode.can_withdraw else "may not withdraw"
    else:
        withdraw = "may withdraw" if passed.rights.withdraw else "may not withdraw"
    return f"the key may trade, {withdraw}; {mode}"
