"""What is wrong with a key or its account, from what a venue answered: one row, one rule."""

from __future__ import annotations

import json

import pytest

from onetape.model.errors import (
    AccountMode,
    BadSignature,
    ClockSkew,
    PermissionDenied,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.orders.reports import AccountModeReport
from onetape.venues.contract import Addresses
from onetape.venues.key_check import KeyRights, Wanted, clock_wrong, refused, unfit
from onetape.venues.open import open_trading_venue

NOW = 1_795_000_000_000_000_000
SECOND = 1_000_000_000
GOOD = AccountModeReport(hedge=False, multi_assets=False, can_trade=True, can_withdraw=False)
ONE_WAY, HEDGE = Wanted(), Wanted(hedge=True)


def answered(kind: str, status: int, body: object):
    """What the adapter makes of an answer about the account."""
    protocol = open_trading_venue(kind, "", "", Addresses("", "", "")).protocol
    call = protocol.modes(NOW)
    return protocol.answer(call, status, {}, json.dumps(body).encode(), NOW)


BINANCE = [
    (401, -2014, "API-key format invalid.", BadSignature, "wrong key"),
    (401, -2015, "Invalid API-key, IP, or permissions for action.", PermissionDenied, "wrong key"),
    (
        401,
        -2015,
        "Invalid API-key, IP, or permissions for action, request ip: 192.0.2.7",
        PermissionDenied,
        "address not allowed (192.0.2.7)",
    ),
    (401, -2017, "API Keys are locked on this account.", PermissionDenied, "locked"),
    (400, -1022, "Signature for this request is not valid.", BadSignature, "wrong secret"),
    (400, -1021, "Timestamp for this request is outside of the recvWindow.", ClockSkew, "clock"),
    (429, -1003, "Too many requests.", VenueRateLimit, "wait"),
    (503, -1001, "Internal error.", VenueUnavailable, "no answer about the account"),
    (400, -9876, "Something new.", VenueRejected, "refuses this account: -9876 Something new."),
]


def test_a_nonce_that_is_refused_is_the_clock():
    answer = answered("binance-usdm", 400, {"code": -4225, "msg": "Nonce Expired"})
    assert isinstance(refused(answer, "there"), ClockSkew)


@pytest.mark.parametrize(("status", "code", "text", "error", "says"), BINANCE)
def test_binance_refusals(status, code, text, error, says):
    found = refused(answered("binance-usdm", status, {"code": code, "msg": text}), "there")
    assert type(found) is error
    assert says in found.message and "there" in found.message


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("EAPI:Invalid key", BadSignature, "wrong key"),
        ("EAPI:Invalid signature", BadSignature, "wrong secret"),
        ("EAPI:Invalid nonce", ClockSkew, "larger nonce"),
        ("EGeneral:Permission denied", PermissionDenied, "may not query its account"),
        ("EGeneral:Temporary lockout", VenueRateLimit, "wait"),
        ("ETrade:User Locked", PermissionDenied, "locked"),
        ("EService:Unavailable", VenueUnavailable, "no answer about the account"),
        ("ENew:Something else", VenueRejected, "ENew:Something else"),
    ],
)
def test_kraken_refusals(text, error, says):
    found = refused(answered("kraken", 200, {"error": [text]}), "there")
    assert type(found) is error
    assert says in found.message


def test_a_right_that_lacks_is_told_apart_where_the_wallet_side_says_so():
    answer = answered("binance-usdm", 401, {"code": -2015, "msg": "Invalid API-key, IP, or"})
    found = refused(answer, "there", KeyRights(read=True, trade=False))
    assert "no right to trade on this market" in found.message


@pytest.mark.parametrize(
    ("mode", "rights", "wanted", "error"),
    [
        (GOOD, None, ONE_WAY, None),
        (GOOD._replace(can_trade=False), None, ONE_WAY, PermissionDenied),
        (GOOD, KeyRights(trade=False), ONE_WAY, PermissionDenied),
        (GOOD._replace(can_withdraw=True), None, ONE_WAY, PermissionDenied),
        (GOOD._replace(can_withdraw=True), None, Wanted(allow_withdraw=True), None),
        # The account may, its key may not.
        (GOOD._replace(can_withdraw=True), KeyRights(trade=True, withdraw=False), ONE_WAY, None),
        (GOOD, KeyRights(trade=True, withdraw=True), ONE_WAY, PermissionDenied),
        (GOOD, KeyRights(portfolio_margin=True), ONE_WAY, AccountMode),
        (GOOD._replace(multi_assets=True), None, ONE_WAY, AccountMode),
        (GOOD._replace(hedge=True), None, ONE_WAY, AccountMode),
        (GOOD._replace(hedge=True), None, HEDGE, None),
        (GOOD, None, HEDGE, AccountMode),
    ],
)
def test_what_keeps_a_key_from_trading(mode, rights, wanted, error):
    found = unfit(mode, rights, wanted, "there")
    assert (None if found is None else type(found)) is error


@pytest.mark.parametrize(
    ("offset", "says"),
    [
        (0, ""),
        (5 * SECOND, ""),
        (-5 * SECOND, ""),
        (5 * SECOND + 100_000_000, "5.1 s behind the venue's"),
        (-3600 * SECOND, "3,600.0 s ahead of the venue's"),
    ],
)
def test_a_clock_that_is_off_is_said_with_how_much_and_which_way(offset, says):
    found = clock_wrong(offset, "there")
    assert (found is None) is (says == "")
    assert found is None or says in found.message


def test_rights_that_are_no_rights_are_refused():
    assert KeyRights.of_binance({"enableFutures": True}).withdraw is None
    with pytest.raises(TypeError):
        KeyRights.of_binance({"enableFutures": "yes"})
