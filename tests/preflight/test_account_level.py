"""An account is refused before it trades if its level cannot trade what is wanted, or is not supported."""

from __future__ import annotations

import pytest

from exchange.venue_client import served
from onetape.model.errors import AccountMode
from onetape.preflight.preflight import Target, preflight
from onetape.venues.contract import Addresses
from onetape.venues.key_check import Wanted

SPOT, SWAP = "okx:BTC/USDT", "okx:BTC/USDT:USDT"


@pytest.mark.parametrize(
    ("level", "symbols", "refused"),
    [
        ("1", [SPOT], ""),
        ("1", [SPOT, SWAP], rf"spot mode \(acctLv 1\), which has no contracts: {SWAP}"),
        ("2", [SPOT, SWAP], ""),
        ("3", [SPOT, SWAP], ""),
        ("4", [SPOT], "the account has portfolio margin, which is not supported"),
    ],
)
def test_an_accounts_level_is_checked_for_what_it_is_to_trade(level, symbols, refused):
    with served("okx", limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        dialect.exchange.accounts.set_level(account, level)
        rest = f"http://127.0.0.1:{port}"
        target = Target("okx", "sim", Addresses(rest, "", "", "", rest), "")
        keys = {"key": account.key, "secret": account.secret, "password": account.password}
        if not refused:
            assert {each.symbol for each in preflight(target, "main", keys, symbols, Wanted()).instruments} == {
                *symbols
            }
            return
        with pytest.raises(AccountMode, match=refused):
            preflight(target, "main", keys, symbols, Wanted())
