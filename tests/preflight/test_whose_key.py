"""Live trading is on the account that was typed: what the venue says of the key decides."""

from __future__ import annotations

from collections import defaultdict

import pytest

from exchange.venue_client import served
from onetape.exchange.keys import AGENT
from onetape.model.errors import PermissionDenied, VenueUnavailable
from onetape.model.symbol import exchange_of
from onetape.model.venue_kinds import VENUE_KINDS
from onetape.preflight.preflight import Target, preflight
from onetape.venues.adapter import adapter_of
from onetape.venues.aster.signing import WalletSigner
from onetape.venues.contract import Addresses
from onetape.venues.hosts import unfit_address
from onetape.venues.key_check import Wanted, other_account


@pytest.fixture(scope="module", params=[name for name, each in VENUE_KINDS.items() if not each.closed])
def exchange(request):
    with served(request.param, limits=False) as (dialect, port):
        yield request.param, dialect.exchange.accounts[0], f"http://127.0.0.1:{port}"


NAMES = {
    "binance-usdm": ["sim0001", "1000001"],  # the alias of its futures, the number of its user
    "kraken": ["AA00 N84G SIMX 0001", "aa00n84gsimx0001"],
    "bybit": ["10000001"],
    "okx": ["30000000000000001"],
    "binance-spot": ["1000001"],
}


def keys_of(account) -> dict[str, str]:
    third = {"password": account.password} if account.password else {}
    return {"key": account.key, "secret": account.secret, **third}


def checked(exchange, live_account: str) -> None:
    kind, account, rest = exchange
    target = Target(kind, "live", Addresses(rest, "", "", "", rest), live_account)
    preflight(target, "main", keys_of(account), [], Wanted())


def test_each_name_that_the_venue_has_for_the_account_is_taken(exchange):
    kind, account, _ = exchange
    assert account.number == 1
    for name in NAMES.get(kind, [account.key, account.key.lower()]):  # where wallets sign, its address
        checked(exchange, name)


@pytest.mark.parametrize("typed", ["x", "sim0002", "1000002", "AA00 N84G SIMX 0002"])
def test_a_key_of_another_account_is_refused(exchange, typed):
    with pytest.raises(PermissionDenied, match=f"another account: live_account says {typed}"):
        checked(exchange, typed)


def test_a_venue_that_does_not_say_whose_key_it_is_trades_nothing():
    assert isinstance(other_account("x", [], ""), VenueUnavailable)


def test_our_own_addresses_are_on_the_list_and_no_host_is_of_two_exchanges_or_modes():
    hosts: dict[tuple[str, str], frozenset[str]] = defaultdict(frozenset)
    for kind in VENUE_KINDS:
        adapter = adapter_of(kind)
        for mode, addresses in adapter.addresses.items():
            own = adapter.hosts(mode)
            # At OKX the address of the WebSocket decides, and a header for REST.
            hosts[exchange_of(kind), mode] |= {
                host for host in own if kind != "okx" or mode == "live" or host.startswith("ws")
            }
            for address in filter(None, addresses):
                assert unfit_address(kind, mode, address, own) is None, address
                assert unfit_address(kind, "sim", address, own) is not None
    assert sum(map(len, hosts.values())) == len(frozenset().union(*hosts.values()))


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://localhost:1", "ws://[::1]:9/x", "https://127.9.9.9"])
def test_sim_is_any_port_of_this_machine(address):
    assert unfit_address("kraken", "sim", address, ()) is None


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1.example:1",
        "http://localhost.example",
        "http://0.0.0.0:1",
        "http://192.168.1.2:1",
        "https://api.kraken.com",
        "http://2130706433x/",
        "ftp://localhost",
        "http://[::ffff:8.8.8.8]/",
        "127.0.0.1:1",
        "",
    ],
)
def test_sim_is_nothing_else(address):
    assert unfit_address("kraken", "sim", address, ()) is not None


SECRET = "3" * 64


@pytest.mark.parametrize(
    ("rights", "error"),
    [({}, ""), ({"can_trade": False}, "may read but not trade"), ({"can_withdraw": True}, "may withdraw money")],
)
def test_what_an_agent_may_do_and_how_long_is_known_before_it_trades(rights, error):
    with served("aster") as (dialect, port):
        accounts = dialect.exchange.accounts
        agent = WalletSigner(accounts[0].key, SECRET).signer
        key = accounts.make_key(accounts[0], agent, AGENT).key
        accounts.change_key(key, terms={"expired": "1967945395040", "ipWhitelist": "192.0.2.7"}, **rights)
        target = Target("aster", "sim", Addresses(f"http://127.0.0.1:{port}", "", ""))
        if error:
            with pytest.raises(PermissionDenied, match=error):
                preflight(target, "main", {"key": accounts[0].key, "secret": SECRET}, [], Wanted())
            return
        found = preflight(
            target, "main", {"key": accounts[0].key, "secret": SECRET}, ["aster:BTC/USDT:USDT"], Wanted()
        ).rights
        assert found is not None
        assert (found.trade, found.withdraw, found.is_bound, found.expires) == (
            True,
            False,
            True,
            1967945395040 * 10**6,
        )
        accounts.revoke_key(key)
        with pytest.raises(PermissionDenied):
            preflight(target, "main", {"key": accounts[0].key, "secret": SECRET}, [], Wanted())
