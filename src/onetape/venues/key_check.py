"""What is wrong with a key, in one line, from what its venue answered. No I/O.

A venue says less than a user wants to know: Binance has one code for a key that is wrong, that is
bound to other addresses, and that lacks the right. What can be told apart is, the rest is named
together. Sources: "Error Codes" and "Get API Key Permission" of Binance's documentation,
docs.kraken.com "API errors" and "Get API Key Info", read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from onetape.model.errors import (
    AccountMode,
    BadSignature,
    ClockSkew,
    OnetapeError,
    PermissionDenied,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import AccountModeReport

__all__ = ["CLOCK_OFF_MAX_S", "KeyRights", "Wanted", "binance_ids", "clock_wrong", "other_account", "refused", "unfit"]

# Signing with the venue's time would hide more than this, and the user's bars, deadlines and
# records would be off by it all the same.
CLOCK_OFF_MAX_S: Final = 5.0
_TEXT_MAX: Final = 160

_KEY, _SECRET = "check `key`", "check `secret`"
_OTHER_WORLD: Final = "keys of demo and live are not the same ones"


class KeyRights(NamedTuple):
    """What a key itself may do, apart from its account; None: the venue does not say."""

    read: bool | None = None
    trade: bool | None = None
    withdraw: bool | None = None
    is_bound: bool | None = None  # to addresses
    portfolio_margin: bool | None = None
    expires: int | None = None  # ns UTC, for how long it is valid; 0: for ever

    @classmethod
    def of_binance(cls, value: Mapping[str, Any]) -> KeyRights:
        """From the wallet side's apiRestrictions. Raises TypeError for what is none."""

        def right(name: str) -> bool | None:
            found = value.get(name)
            if found is not None and not isinstance(found, bool):
                raise TypeError(f"{name} is {found!r}")
            return found

        return cls(
            read=right("enableReading"),
            trade=right("enableFutures"),
            withdraw=right("enableWithdrawals"),
            is_bound=right("ipRestrict"),
            portfolio_margin=right("enablePortfolioMarginTrading"),
        )

    @classmethod
    def of_agents(cls, rows: Sequence[Mapping[str, Any]], signer: str) -> KeyRights | None:
        """From Aster's list of the agents of a wallet. None: the one that signs is not among them. Raises LookupError,
        TypeError, ValueError, AttributeError for what is none."""
        found = next((row for row in rows if row["agentAddress"].lower() == signer.lower()), None)
        if found is None:
            return None
        rights = [found[name] for name in ("canRead", "canPerpTrade", "canWithdraw")]
        if not all(isinstance(each, bool) for each in rights):
            raise TypeError(f"rights are {rights!r}")
        return cls(
            rights[0], rights[1], rights[2], bool(found["ipWhitelist"]), expires=int(found["expired"]) * 1_000_000
        )


class Wanted(NamedTuple):
    """What the configuration says of an account."""

    hedge: bool = False
    allow_withdraw: bool = False


def clock_wrong(offset_ns: int, location: str) -> ClockSkew | None:
    """offset_ns: how far the venue's clock is ahead of ours."""
    seconds = offset_ns / 1e9
    if abs(seconds) <= CLOCK_OFF_MAX_S:
        return None
    word = "behind" if seconds > 0 else "ahead of"
    return ClockSkew(
        f"this machine's clock is {abs(seconds):,.1f} s {word} the venue's",
        location=location,
        todo="set it, and let a time service keep it",
    )


def refused(answer: Answer, location: str, rights: KeyRights | None = None) -> OnetapeError:
    """Returns the error of the first signed request that failed. rights: what the key may do, where the venue said it
    elsewhere although it refused here."""
    code, text = answer.venue_code, answer.text[:_TEXT_MAX]
    kind, _, rest = text.partition(":")
    if code == "-2014" or text.startswith("EAPI:Invalid key"):
        return BadSignature("wrong key: the venue does not know it", location=location, todo=_KEY)
    if code == "-1022" or text.startswith("EAPI:Invalid signature"):
        return BadSignature(
            "wrong secret: the venue knows the key and not its signature", location=location, todo=_SECRET
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
            todo="another program uses the key, or this clock went back: make a key for each",
        )
    if kind == "EGeneral" and rest.startswith("Permission denied"):
        return PermissionDenied(
            "the key may not ask for its account, or not from this address",
            location=location,
            todo="give it the rights to query funds and orders and to create and cancel orders",
        )
    if answer.code == VenueRateLimit.code:
        return VenueRateLimit(
            f"the venue lets this address wait: {text or code}", location=location, todo="wait a while"
        )
    is_named = answer.code != VenueRejected.code
    if is_named and answer.outcome in (Outcome.AMBIGUOUS, Outcome.SAFE):
        return VenueUnavailable(f"no answer about the account: {text or code}", location=location)
    return VenueRejected(f"the venue refuses this account: {code} {text}".strip(), location=location)


def _not_allowed(text: str, location: str, rights: KeyRights | None) -> OnetapeError:
    if rights is not None and rights.trade is False:
        return PermissionDenied(
            "the key has no right to trade futures", location=location, todo="give it, at the venue"
        )
    _, found, address = text.partition("request ip: ")
    ours = f" ({address.strip(' .')})" if found else ""
    return PermissionDenied(
        f"wrong key, address not allowed{ours}, or no right to trade: the venue does not say which",
        location=location,
        todo=f"check `key` and its list of addresses; {_OTHER_WORLD}",
    )


def binance_ids(balances: Any, wallet: Any) -> list[str]:
    """Both names that Binance has for an account, from its futures balances (`accountAlias`) and
    from the account of its wallet side (`uid`, the number that its pages show)."""
    found = [wallet.get("uid")] if isinstance(wallet, dict) else []
    if isinstance(balances, list):
        found += [each.get("accountAlias") for each in balances[:1] if isinstance(each, dict)]
    return [str(each) for each in found if each]


def other_account(typed: str, ids: Sequence[str], location: str) -> OnetapeError | None:
    """None: the account that was typed is the one that the key is of."""
    if not ids:
        return VenueUnavailable("the venue does not say whose key this is", location=location)
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
    """Returns what of a key that works, or of its account, keeps us from trading; None: nothing.

    Where the venue tells a key's rights, the account's own right to withdraw is not the key's.
    """
    withdraw = mode.can_withdraw if rights is None else rights.withdraw
    if not mode.can_trade or (rights is not None and rights.trade is False):
        return PermissionDenied(
            "the key may read and not trade", location=location, todo="give it the right, at the venue"
        )
    if withdraw and not wanted.allow_withdraw:
        return PermissionDenied(
            "the key may withdraw money",
            location=location,
            todo="make one that may not, or write allow_withdraw = true",
        )
    if rights is not None and rights.portfolio_margin:
        return AccountMode(
            "the account has portfolio margin, which is not traded here",
            location=location,
            todo="leave it at the venue, or name another account",
        )
    if mode.multi_assets:
        return AccountMode(
            "the account is in multi-assets mode, whose margin is not reckoned here",
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
