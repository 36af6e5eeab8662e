"""Checks of venue, clock and key before any trading.

A few queries over plain HTTP, the public ones first, so that a wrong address never sees a signed request. After a
refused signed request none follows, because venues lock out callers that repeat requests with a wrong key. Each fault
is one error of one line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.errors import BadConfig, OnetapeError, ProxyFailed, VenueClosed, VenueUnavailable
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.model.proxy import Proxy
from onetape.model.sections import AccountConfig, VenueConfig
from onetape.model.symbol import not_listed
from onetape.model.time import clock_offset
from onetape.model.venue_kinds import VENUE_KINDS
from onetape.options.bridge import CCXT
from onetape.orders.calls import Call
from onetape.orders.malformed import MALFORMED
from onetape.orders.outcome import Outcome
from onetape.orders.reports import AccountModeReport
from onetape.preflight.venue_access import VenueAccess
from onetape.security.redaction import Redactor
from onetape.security.secrets import read_secret
from onetape.venues.adapter import adapter_of
from onetape.venues.binance.protocol import BinanceProtocol
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.contract import Addresses, TradingVenue, joined
from onetape.venues.hosts import unfit_address
from onetape.venues.key_check import (
    KeyRights,
    ReportsKey,
    Wanted,
    binance_ids,
    clock_wrong,
    other_account,
    refused,
    unfit,
)
from onetape.venues.open import open_trading_venue, ws_address

__all__ = [
    "CHECKED",
    "Passed",
    "Target",
    "check_open",
    "keys_of",
    "look",
    "market_of",
    "preflight",
    "secret_of",
    "target_of",
]

CHECKED: Final = tuple(name for name, each in VENUE_KINDS.items() if not each.closed)


@dataclass(frozen=True, slots=True)
class Target:
    """A venue to be checked."""

    kind: str
    mode: str
    addresses: Addresses
    live_account: str = ""  # the expected account of the key; "": any
    proxy: Proxy | None = None  # for the connections to it


@dataclass(slots=True)
class Passed:
    """The results of the checks. offset: the venue's clock minus ours, ns. raw: the list of instruments as received."""

    offset: int = 0
    instruments: list[Instrument] = field(default_factory=list)
    mode: AccountModeReport | None = None
    rights: KeyRights | None = None
    account: str = ""  # the venue's id of it, where the key's rights come with one
    raw: bytes = b""


def check_open(name: str, venue: VenueConfig) -> None:
    """Raises NotAvailable for a kind that cannot be traded on, VenueClosed for a venue that no longer exists, except
    its simulated exchange."""
    ws_address(venue.kind, venue.rest)
    native = VENUE_KINDS.get(venue.kind)
    if native is not None and native.closed and venue.mode != "sim":
        raise VenueClosed(native.closed, location=f"[venues.{name}]", todo='write mode = "sim", or backtest it')


def target_of(name: str, venue: VenueConfig) -> Target:
    """Returns the addresses of a configured venue, for trading. Raises VenueClosed, BadConfig, NotAvailable."""
    check_open(name, venue)
    _check_named(name, venue)
    return market_of(name, venue)


def market_of(name: str, venue: VenueConfig) -> Target:
    """Returns the addresses of a configured venue, for market data. Raises the same errors."""
    check_open(name, venue)
    _check_hosts(name, venue)
    local = ws_address(venue.kind, venue.rest)
    if venue.mode == "sim" and venue.rest:
        ws = venue.ws or local
        wallet = venue.rest_wallet or venue.rest
        return Target(venue.kind, venue.mode, Addresses(venue.rest, ws, ws, "", wallet))
    if venue.mode != "sim" and venue.kind.startswith(CCXT):
        return Target(venue.kind, venue.mode, Addresses("", "", ""))  # ccxt has the addresses
    hosts = adapter_of(venue.kind).addresses.get(venue.mode)
    if hosts is None:
        raise BadConfig(
            f"{venue.kind} has no {venue.mode} mode",
            location=f"[venues.{name}]",
            todo=f'start `onetape sim {venue.kind}` and write rest = "http://..."',
        )
    ws = venue.ws or hosts.ws
    private = venue.ws or hosts.ws_private
    addresses = hosts._replace(
        rest=venue.rest or hosts.rest, ws=ws, ws_private=private, wallet=venue.rest_wallet or hosts.wallet
    )
    return Target(venue.kind, venue.mode, addresses, venue.live_account)


def _check_hosts(name: str, venue: VenueConfig) -> None:
    """Raises BadConfig for a host that is not the venue's, because a key goes only to its venue."""
    own = adapter_of(venue.kind).hosts(venue.mode)
    for key in ("rest", "ws", "rest_wallet"):
        address = getattr(venue, key)
        if address and (wrong := unfit_address(venue.kind, venue.mode, address, own)) is not None:
            shown = "" if "@" in address else f" = {address!r}"  # the part before @ may be secret
            raise BadConfig(wrong[0], location=f"[venues.{name}] {key}{shown}", todo=wrong[1])


def _check_named(name: str, venue: VenueConfig) -> None:
    """Raises BadConfig if mode is live and `live_account` is missing, so that a typo in one word cannot trade real
    money."""
    if venue.mode == "live" and not venue.live_account:
        raise BadConfig(
            "live trading needs the id of the account in the configuration",
            location=f"[venues.{name}]",
            todo='write live_account = "..."',
        )


def keys_of(name: str, account: AccountConfig, kind: str, environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Returns an account's secrets by their keys in the configuration. Raises BadConfig, PermissionDenied."""
    return {what: secret_of(name, account, what, environ, folder) for what in secrets_of(account, kind)}


def secrets_of(account: AccountConfig, kind: str) -> tuple[str, ...]:
    """Returns the keys of an account's configuration that name its secrets. The venue's third secret is among them
    unless it is optional and absent."""
    third = VENUE_KINDS[kind].third_secret if kind in VENUE_KINDS else ""
    is_wanted = third == "password" or (third and account.api_config_key)
    return ("key", "secret", third) if is_wanted else ("key", "secret")


def third_secret(keys: Mapping[str, str]) -> str:
    """Returns the third of an account's secrets, "" if there is none."""
    return keys.get("password") or keys.get("api_config_key", "")


def secret_of(name: str, account: AccountConfig, what: str, environ: Mapping[str, str], folder: Path) -> str:
    """Returns a secret. what: its key in the configuration. Raises BadConfig, PermissionDenied."""
    place = getattr(account, what)
    if not place:
        raise BadConfig(
            f"the account has no {what}",
            location=f"[accounts.{name}]",
            todo=f'write {what} = "env:NAME" or "file:/path"',
        )
    return read_secret(place, environ, folder=folder).reveal()


def preflight(target: Target, account: str, keys: Mapping[str, str], symbols: Sequence[str], wanted: Wanted) -> Passed:
    """Checks a venue and an account. keys: as `keys_of` returns them. Raises the first fault: VenueUnavailable,
    ProxyFailed, UnknownSymbol, ClockSkew, BadSignature, PermissionDenied, AccountMode, and the venue's other
    refusals."""
    venue = open_trading_venue(target.kind, keys["key"], keys["secret"], target.addresses, third_secret(keys))
    hide = Redactor(*keys.values())
    access = VenueAccess(target.addresses.rest, hide, proxy=target.proxy)
    try:
        passed = _public(access, venue, target, symbols)
        location = f"[accounts.{account}] at {target.addresses.rest}"
        _account(access, venue, target, location, passed, wanted, hide)
    finally:
        access.close()
    return passed


def look(target: Target, symbols: Sequence[str] = ()) -> Passed:
    """Checks everything that needs no key. Raises the errors of `preflight`."""
    # A dummy secret, in base64 because some venues require that.
    venue = open_trading_venue(target.kind, "", "", target.addresses)
    access = VenueAccess(target.addresses.rest, proxy=target.proxy)
    try:
        return _public(access, venue, target, symbols)
    finally:
        access.close()


def _public(access: VenueAccess, venue: TradingVenue, target: Target, symbols: Sequence[str]) -> Passed:
    location = target.addresses.rest
    access.ask(venue.time())  # opens the connection, which is not part of the next measurement
    call = venue.time()
    sent = time.time_ns()
    status, headers, body = access.ask(call)
    received = time.time_ns()
    answer = venue.protocol.answer(call, status, headers, body, sent)
    if not answer.value:
        what = headers.get("content-type", "").partition(";")[0] or "nothing"
        raise VenueUnavailable(
            f"no exchange of the kind {target.kind} answers: HTTP {status}, {what}", location=location
        )
    passed = Passed(offset=clock_offset(int(answer.value), venue.clock_step, sent, received))
    answers = [access.ask(call) for call in venue.instrument_lists()]
    status, passed.raw = answers[-1][0], joined([body for *_, body in answers])
    try:
        # Without symbols nothing depends on the list: anomalies in it are drift, and reported as such.
        if symbols:
            passed.instruments = venue.instruments_of(passed.raw, frozenset(symbols))
    except (LookupError, TypeError, ValueError, AttributeError, msgspec.DecodeError) as error:
        raise VenueUnavailable(
            f"the venue's list of instruments cannot be read: HTTP {status}, {type(error).__name__} {error}",
            location=location,
        ) from None
    if missing := set(symbols) - {i.symbol for i in passed.instruments}:
        raise not_listed(missing, location=location)
    if wrong := clock_wrong(passed.offset, location):
        raise wrong
    return passed


def _account(
    access: VenueAccess,
    venue: TradingVenue,
    target: Target,
    location: str,
    passed: Passed,
    wanted: Wanted,
    hide: Redactor,
) -> None:
    now = time.time_ns() + passed.offset
    call = venue.protocol.modes(now)
    answer = venue.protocol.answer(call, *access.ask(call), now)
    passed.mode = next((each for each in answer.reports if isinstance(each, AccountModeReport)), None)
    if passed.mode is not None or answer.venue_code == "-2015":
        passed.account, passed.rights = _rights(access, venue, target, now, hide)
    if passed.mode is None:
        raise refused(answer, location, passed.rights)
    wrong: OnetapeError | None = None
    if target.live_account:
        ids = _ids(access, venue, target, now, passed, hide)
        wrong = other_account(target.live_account, ids, location)
    wrong = wrong or unfit(passed.mode, passed.rights, wanted, location)
    if wrong is not None:
        raise wrong
    if isinstance(venue.protocol, ReportsKey):  # what the gateway asks before it listens
        call = venue.stream_key(now)
        answer = venue.protocol.answer(call, *access.ask(call), now)
        if answer.outcome is Outcome.DEFINITIVE:
            raise refused(answer, location, passed.rights)


def _ids(
    access: VenueAccess, venue: TradingVenue, target: Target, now: int, passed: Passed, hide: Redactor
) -> list[str]:
    """Returns the venue's names of the account. Kraken returns it with the key's rights; Binance has two names: the
    user's number at the wallet service, and the alias of the futures account. Where a wallet signs, it is the account
    for which it signs."""
    protocol = venue.protocol
    if isinstance(protocol, ReportsKey):
        return [passed.account] if passed.account else []
    if not isinstance(protocol, BinanceUsdmProtocol):
        return [passed.mode.account] if passed.mode is not None and passed.mode.account else []
    if protocol.nonce_owner:
        return [protocol.key]
    status, _, body = access.ask(protocol.balances(now))
    number = _of_wallet(access, target, protocol.wallets(now)["spot"], hide)
    return binance_ids(read_json(body) if status == 200 else None, number)


def _rights(
    access: VenueAccess, venue: TradingVenue, target: Target, now: int, hide: Redactor
) -> tuple[str, KeyRights | None]:
    """Returns the venue's id of the account, "" where the answer has none, and the key's rights; None: the venue does
    not report them, which is no fault of the key."""
    protocol = venue.protocol
    if isinstance(protocol, ReportsKey):
        try:
            return protocol.read_key(read_json(access.ask(protocol.key_info(now))[2]))
        except MALFORMED:
            return "", None
    if not isinstance(protocol, BinanceProtocol):
        return "", None
    value = _of_wallet(access, target, protocol.key_rights(now), hide)
    try:
        if value is not None:
            return "", protocol.family.wallet_side.read_rights(value, protocol.nonce_owner)
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    return "", None


def _of_wallet(access: VenueAccess, target: Target, call: Call, hide: Redactor) -> Any:
    """Returns the answer of the venue's wallet service; None if it is not usable."""
    wallet = access.rest if call.target.startswith("/fapi/") else target.addresses.wallet
    if not wallet:
        return None
    is_same = wallet == access.rest
    other = access if is_same else VenueAccess(wallet, hide, proxy=target.proxy)
    try:
        status, _, body = other.ask(call)
        return read_json(body) if status == 200 else None
    except (VenueUnavailable, ProxyFailed, msgspec.DecodeError):
        return None
    finally:
        if not is_same:
            other.close()
