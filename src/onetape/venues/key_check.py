"""Explains in one line what is wrong with a key, from the venue's answers. No I/O. A venue says less than a user wants
to know: Binance has one code for a wrong key, a key bound to other addresses, and a missing right. Causes that the
answers do not distinguish are named together. Sources: "Error Codes" and "Get API Key Permission" of Binance's
documentation, docs.kraken.com "API errors" and "Get API Key Info", read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from onetape.model.errors import (
    AccountMode,
    BadSignature,
    ClockSkew,
    NotAvailable,
    OnetapeError,
    PermissionDenied,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.orders.calls import Call
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import AccountModeReport

__all__ = [
    "CLOCK_OFF_MAX_S",
    "KeyRights",
    "ReportsKey",
    "Wanted",
    "binance_ids",
    "clock_wrong",
    "other_account",
    "refused",
    "unfit",
]

# Signing with the venue's time would hide a larger error, but the user's bars, deadlines and records would still be off
# by it.
CLOCK_OFF_MAX_S: Final = 5.0
_TEXT_MAX: Final = 160

_KEY, _SECRET = "check `key`", "check `secret`"
_OTHER_WORLD: Final = "demo and live have different keys"


class KeyRights(NamedTuple):
    """A key's own rights, apart from its account's; None: not reported."""

    read: bool | None = None
    trade: bool | None = None
    withdraw: bool | None = None
    is_bound: bool | None = None  # to IP addresses
    portfolio_margin: bool | None = None
    expires: int | None = None  # end of validity, ns UTC; 0: none

    @classmethod
    def of_binance(cls, value: Mapping[str, Any], trade: str = "enableFutures") -> KeyRights:
        """Reads the wallet service's apiRestrictions. trade: the right to trade on this market. Raises TypeError for
        malformed ones."""

        def right(name: str) -> bool | None:
            found = value.get(name)
            if found is not None and not isinstance(found, bool):
                raise TypeError(f"{name} is {found!r}")
            return found

        return cls(
            read=right("enableReading"),
            trade=right(trade),
            withdraw=right("enableWithdrawals"),
            is_bound=right("ipRestrict"),
            portfolio_margin=right("enablePortfolioMarginTrading"),
        )

    @classmethod
    def of_agents(cls, rows: Sequence[Mapping[str, Any]], signer: str) -> KeyRights | None:
        """Returns the rights of `signer` from Aster's list of a wallet's agents; None: it is not among them. Raises
        LookupError, TypeError, ValueError, AttributeError for a malformed list."""
        found = next((row for row in rows if row["agentAddress"].lower() == signer.lower()), None)
        if found is None:
            return None
        rights = [found[name] for name in ("canRead", "canPerpTrade", "canWithdraw")]
        if not all(isinstance(each, bool) for each in rights):
            raise TypeError(f"rights are {rights!r}")
        return cls(
            rights[0], rights[1], rights[2], bool(found["ipWhitelist"]), expires=int(found["expired"]) * 1_000_000
        )


@runtime_checkable
class ReportsKey(Protocol):
    """The protocol of a venue that reports a key's account and rights in one answer."""

    def key_info(self, now: int) -> Call: ...

    def read_key(self, value: Any) -> tuple[str, KeyRights]:
        """Returns the venue's id of the account, and the key's rights. Raises the errors of parsing."""
        ...


class Wanted(NamedTuple):
    """The account as configured."""

    hedge: bool = False
    allow_withdraw: bool = False


def clock_wrong(offset_ns: int, location: str) -> ClockSkew | None:
    """Returns the error of a clock that is too far off. offset_ns: the venue's clock minus ours."""
    seconds = offset_ns / 1e9
    if abs(seconds) <= CLOCK_OFF_MAX_S:
        return None
    word = "behind" if seconds > 0 else "ahead of"
    return ClockSkew(
        f"this machine's clock is {abs(seconds):,.1f} s {word} the venue's",
        location=location,
        todo="set it, and run a time service (NTP)",
    )


def refused(answer: Answer, location: str, rights: KeyRights | None = None) -> OnetapeError:
    """Returns the error of the first signed request that failed. rights: the key's rights, if the venue's wallet
    service reported them."""
    code, text = answer.venue_code, answer.text[:_TEXT_MAX]
    kind, _, rest = text.partition(":")
    if code == "-2014" or text.startswith("EAPI:Invalid key"):
        return BadSignature("wrong key: the venue does not know it", location=location, todo=_KEY)
    if code == "-1022" or text.startswith("EAPI:Invalid signature"):
        return BadSignature(
            "wrong secret: the venue knows the key but refuses the signature", location=location, todo=_SECRET
        )
    if code in ("-2015", "-1002"):
        return _not_allowed(text, location, rights)
    if code == "-2017" or text.startswith("ETrade:User Locked"):
        return PermissionDenied("the venue has locked this account's keys", location=location)
    if code in ("-1021", "-5028", "-4225"):
        return ClockSkew("the venue refuses our clock", location=location, todo="set it")
    if text.startswith("EAPI:Invalid nonce"):
        return ClockSkew(
            "the venue saw a larger nonce from this key",
            location=location,
            todo="another program uses the key, or this clock went back: use one key per program",
        )
    if kind == "EGeneral" and rest.startswith("Permission denied"):
        return PermissionDenied(
            "the key may not query its account, or not from this address",
            location=location,
            todo="give it the rights to query funds and orders and to create and cancel orders",
        )
    if answer.code == AccountMode.code:
        return AccountMode(text, location=location, todo="change it at the venue, or name another account")
    if answer.code == NotAvailable.code:
        return NotAvailable(text, location=location, todo="name another account")
    if answer.code == VenueRateLimit.code:
        return VenueRateLimit(
            f"the venue's rate limit makes this address wait: {text or code}", location=location, todo="wait a while"
        )
    is_named = answer.code != VenueRejected.code
    if is_named and answer.outcome in (Outcome.AMBIGUOUS, Outcome.SAFE):
        return VenueUnavailable(f"no answer about the account: {text or code}", location=location)
    return VenueRejected(f"the venue refuses this account: {code} {text}".strip(), location=location)


def _not_allowed(text: str, location: str, rights: KeyRights | None) -> OnetapeError:
    if rights is not None and rights.trade is False:
        return PermissionDenied(
            "the key has no right to trade on this market", location=location, todo="grant it at the venue"
        )
    _, found, address = text.partition("request ip: ")
    ours = f" ({address.strip(' .')})" if found else ""
    return PermissionDenied(
        f"wrong key, address not allowed{ours}, or no right to trade: the venue does not say which",
        location=location,
        todo=f"check `key` and its list of addresses; {_OTHER_WORLD}",
    )


def binance_ids(balances: Any, wallet: Any) -> list[str]:
    """Returns both names of an account at Binance, from its futures balances (`accountAlias`) and from the account of
    its wallet service (`uid`, the number on its pages)."""
    found = [wallet.get("uid")] if isinstance(wallet, dict) else []
    if isinstance(balances, list):
        found += [each.get("accountAlias") for each in balances[:1] if isinstance(each, dict)]
    return [str(each) for each in found if each]


def other_account(typed: str, ids: Sequence[str], location: str) -> OnetapeError | None:
    """Returns the error of a key of another account than the configured one. None: it matches."""
    if not ids:
        return VenueUnavailable("the venue does not say to which account the key belongs", location=location)
    if _plain(typed) in map(_plain, ids):
        return None
    return PermissionDenied(
        f"the key is of another account: live_account says {typed}, the venue {' or '.join(ids)}",
        location=location,
        todo="use the key of the account that is meant to trade",
    )


def _plain(name: str) -> str:
    return name.replace(" ", "").upper()


def unfit(mode: AccountModeReport, rights: KeyRights | None, wanted: Wanted, location: str) -> OnetapeError | None:
    """Returns why a valid key, or its account, cannot be used for trading; None: it can. If the venue reports the key's
    rights, they decide about withdrawals, not the account's.
    """
    withdraw = mode.can_withdraw if rights is None else rights.withdraw
    if not mode.can_trade or (rights is not None and rights.trade is False):
        return PermissionDenied(
            "the key may read but not trade", location=location, todo="grant it the right to trade at the venue"
        )
    if withdraw and not wanted.allow_withdraw:
        return PermissionDenied(
            "the key may withdraw money",
            location=location,
            todo="make one that may not, or write allow_withdraw = true",
        )
    if rights is not None and rights.portfolio_margin:
        return AccountMode(
            "the account has portfolio margin, which is not supported",
            location=location,
            todo="turn it off at the venue, or name another account",
        )
    if mode.multi_assets:
        return AccountMode(
            "the account is in multi-assets mode, which is not supported",
            location=location,
            todo="change it to single-asset mode at the venue",
        )
    if mode.hedge != wanted.hedge:
        has, wants = ("hedge", "one-way") if mode.hedge else ("one-way", "hedge")
        return AccountMode(
            f"the account is in {has} mode, the configuration wants {wants}",
            location=location,
            todo=f'change it at the venue, or write position_mode = "{has}"',
        )
    return None
