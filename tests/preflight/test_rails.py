"""A live account that neither sets its limits nor is expressly without them does not start."""

from __future__ import annotations

import pytest

from onetape import Strategy
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.preflight.rails import ACCOUNT_RAILS, SYSTEM_RAILS, check_rails, missing_rails
from onetape.robot.live import LiveOptions, run_live

BEGINNING = '[venues.b]\nkind = "binance-usdm"\nmode = "{mode}"\n[accounts.main]\nvenue = "b"\n'
SET = {
    "symbols": '["binance:BTC/USDT:USDT"]',
    "position_max": '{ "binance:BTC/USDT:USDT" = 0.01 }',
    "order_max": '{ "binance:BTC/USDT:USDT" = 0.01 }',
    "order_value_max": "{ USDT = 1000 }",
    "price_band": "0.02",
    "orders_per_second": "10",
}
LOOSE = {
    "symbols": "[]",
    "position_max": "{}",
    "order_max": "{}",
    "order_value_max": "{}",
    "price_band": "0",
    "orders_per_second": "0",
}
SYSTEM = '[guardian]\nenabled = {enabled}\n[guardian.halts]\nday = "{day}"\n'


class Idle(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"


def config(keys: dict[str, str], system: str = SYSTEM.format(enabled="true", day="100 USDT"), mode: str = "live"):
    account = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return parse_config(BEGINNING.format(mode=mode) + account + system)


@pytest.mark.parametrize("keys", [SET, LOOSE])
@pytest.mark.parametrize(("enabled", "day"), [("true", "100 USDT"), ("false", "")])
def test_what_is_set_or_expressly_without_starts(keys, enabled, day):
    made = config(keys, SYSTEM.format(enabled=enabled, day=day))
    assert list(missing_rails(made, "main")) == []
    check_rails(made, "main")


def test_every_rail_has_a_row_here():
    assert [key for key, _, _ in ACCOUNT_RAILS] == [*SET] == [*LOOSE]
    assert [".".join(path) for path, _, _ in SYSTEM_RAILS] == ["guardian.enabled", "guardian.halts.day"]


@pytest.mark.parametrize("key", SET)
def test_each_limit_that_lacks_is_named_with_the_line_to_write(key):
    made = config({name: value for name, value in SET.items() if name != key})
    (lacking,) = missing_rails(made, "main")
    assert f"`{key}`" in lacking.what
    assert f"{key} = " in lacking.todo and f"{key} = {LOOSE[key]}" in lacking.todo
    assert lacking.location == "onetape.toml:4"
    # The line that it shows, written, is enough.
    line = lacking.todo.removeprefix("write [accounts.main] ").partition(", or ")[0]
    assert list(missing_rails(config({**SET} | dict([line.split(" = ", 1)])), "main")) == []


@pytest.mark.parametrize(
    ("system", "lacks"),
    [
        ("", {"`guardian.enabled`", "`guardian.halts.day`"}),
        ("[guardian]\nenabled = false\n", {"`guardian.halts.day`"}),
        ('[guardian.halts]\nday = ""\n', set()),  # a guardian that has halts is on
    ],
)
def test_guardian_and_daily_loss_are_rails_too(system, lacks):
    made = config(SET, system)
    assert {each.what.rpartition(" ")[2] for each in missing_rails(made, "main")} == lacks


@pytest.mark.parametrize("mode", ["sim", "demo"])
def test_no_money_no_rails(mode):
    assert list(missing_rails(config({}, "", mode), "main")) == []


def test_a_live_run_refuses_before_it_asks_the_venue(tmp_path):
    options = LiveOptions(strategy=Idle, data=(), home=tmp_path, config=config({}, ""), environ={})
    with pytest.raises(BadConfig, match="price_band") as caught:
        run_live(options)
    assert "price_band = 0.02" in caught.value.todo
