"""Pacifica's API config key: requests are counted for it, in place of the address, and nobody else sees it."""

from __future__ import annotations

import pytest

from exchange.venue_client import served
from onetape.exchange.keys import CONFIG
from onetape.feeds.request_budget import budget_file
from onetape.model.config import parse_config
from onetape.model.enums import Side
from onetape.model.sections import AccountConfig
from onetape.preflight.preflight import keys_of
from onetape.robot.live import addressed
from onetape.security.secret_keys import secret_places
from waiting import wait_for
from worlds.gateway_process import GatewayProcess, Robot, news_of


@pytest.fixture
def exchange():
    with served("pacifica", seed=3, limits=True) as (dialect, port):
        yield dialect, port


def key_of(dialect) -> str:
    account = dialect.exchange.accounts[0]
    return dialect.exchange.accounts.make_key(account, "config-1", CONFIG).key


@pytest.mark.parametrize("order_entry", ["rest", "socket"])
def test_what_a_gateway_asks_is_counted_for_its_config_key(exchange, tmp_path, order_entry):
    dialect, port = exchange
    account, listing, key = dialect.exchange.accounts[0], dialect.exchange.listings[0], key_of(dialect)
    home = tmp_path / "home"
    gateway = GatewayProcess("pacifica", home, port, account, order_entry=order_entry, third_secret=key)
    gateway.start()
    robot = Robot(tmp_path / "robot", gateway, 1)
    try:
        if order_entry == "socket":
            wait_for(lambda: gateway.ask("status")["order_entry"]["up"])
        order = robot.place(Side.BUY, listing.bid - 200 * dialect.exchange.instruments[0].core.tick)
        wait_for(lambda: len(account.open_orders) == 1)
        robot.cancel_all()
        wait_for(lambda: not account.open_orders)
        assert ("accepted", 0) in news_of(home, order)
        assert set(dialect.limits.spent) == {account.key}
        budget = gateway.ask("status")["budget"]
        assert budget["used"][0] > 0
        if order_entry == "socket":  # the venue says there how much is left
            assert gateway.ask("status")["order_entry"]["limits"]["credits 1m"][1] == 300
        rest = f"http://127.0.0.1:{port}"
        assert budget_file(home, rest, key).exists()
        assert not budget_file(home, rest).exists()
    finally:
        gateway.kill()
        robot.writer.close()
    written = [each.read_bytes() for each in [*home.rglob("*"), home.with_name("home.log")] if each.is_file()]
    assert written
    assert not any(key.encode() in each for each in written)


def test_a_config_key_that_is_revoked_is_refused_and_not_shown(exchange, tmp_path):
    dialect, port = exchange
    key = key_of(dialect)
    dialect.exchange.accounts.revoke_key(key)
    home = tmp_path / "home"
    gateway = GatewayProcess("pacifica", home, port, dialect.exchange.accounts[0], third_secret=key)
    with pytest.raises(AssertionError) as failed:
        gateway.start()
    gateway.process.wait()
    gateway.process.stdout.close()
    assert "403" in str(failed.value)
    assert key not in str(failed.value)


def test_a_config_key_is_read_where_the_account_says_and_goes_to_its_gateway_only(tmp_path):
    account = AccountConfig(venue="p", key="env:A", secret="env:B", api_config_key="env:C")
    environ = {"A": "an address", "B": "a secret", "C": "abcdefgh_6Fk7"}
    keys = keys_of("main", account, "pacifica", environ, tmp_path)
    assert keys == {"key": "an address", "secret": "a secret", "api_config_key": "abcdefgh_6Fk7"}
    plain = AccountConfig(venue="p", key="env:A", secret="env:B")
    assert "api_config_key" not in keys_of("main", plain, "pacifica", environ, tmp_path)
    exchange = {"venue": "pacifica", "rest": "http://127.0.0.1:1", "ws": "ws://127.0.0.1:1/ws"}
    options = addressed(tmp_path, "main", exchange, keys, [], account)
    assert options.third_secret == "abcdefgh_6Fk7"
    assert "abcdefgh" not in repr(options)
    text = '[venues.p]\nkind = "pacifica"\n[accounts.main]\nvenue = "p"\napi_config_key = "env:C"\n'
    assert "env:C" in secret_places(parse_config(text))
