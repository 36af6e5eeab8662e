from __future__ import annotations

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.toml_lines import key_lines

WHOLE = """\
[venues.kraken]
kind = "kraken"                 # binance-usdm | aster | bitmex | kraken | ccxt:<id>
mode = "sim"
[accounts.main]
venue = "kraken"
subaccounts = { a = 2, b = 3 }  # name = slot
[robots.mm]
strategy = "strategies/market_maker.py:MarketMaker"
account = "main"
subaccount = "a"
on_error = "halt"
restart = "memory"
params = { symbol = "kraken:BTC/USD", size = 0.01 }
"""

OWN_KEY = "[guardian.accounts.main]\nkey = 'env:K'\n"
OTHER_KEY = OWN_KEY.replace("main", "other")


def test_the_contracts_example_is_understood():
    config = parse_config(WHOLE)
    assert config.venues["kraken"].mode == "sim"
    assert config.accounts["main"].subaccounts == {"a": 2, "b": 3}
    assert config.robots["mm"].params == {"symbol": "kraken:BTC/USD", "size": 0.01}
    assert config.hub.enabled and config.control.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("[guardian.halts]\nsymbols = ['4h 1 USD']", "did you mean symbol? keys are symbol, "),
        ("[guardian.halts]\nday = 5", "text stands in quotes"),
        ("[notify.telegram]\nbot = 'x'", "keys are token, "),
        ("[guardian]\nlader = ['5%']", "did you mean ladder? keys are enabled, "),
    ],
)
def test_the_keys_that_are_named_are_those_of_the_section(text, keys):
    with pytest.raises(BadConfig) as caught:
        parse_config(text)
    assert caught.value.todo.startswith(keys)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('position_max = { "BTCUSDT" = 1 }', "no symbol of this account: 'BTCUSDT'"),
        ('order_max = { "binance:BTC/USDT:USDT" = 1 }', "no symbol of this account: 'binance:BTC/USDT:USDT'"),
        ("order_value_max = { usd = 1000 }", "no currency 'usd'"),
        ("open_value_max = { usd = 1000 }", "no currency 'usd'"),
        ("leverage = 0", "leverage 0.0 is out of range"),
        ("leverage = nan", "leverage nan is out of range"),
        ("leverage = 1e-20", "leverage 1e-20 is out of range"),
        ("leverage = 1e20", "leverage 1e.20 is out of range"),
        ("price_band = -0.1", "no limit: -0.1"),
        ("price_band = nan", "no limit: nan"),
        ("orders_per_second = -1", "no limit: -1"),
        ("open_orders_max = -1", "no limit: -1"),
        ("messages_per_second = -1", "no limit: -1"),
        ('position_max = { "kraken:BTC/USD:BTC" = -1 }', "no limit: -1"),
        ('order_max = { "kraken:BTC/USD:BTC" = inf }', "no limit: inf"),
    ],
)
def test_a_limit_that_would_hold_for_nothing_or_is_none_is_refused(line, why):
    with pytest.raises(BadConfig, match=why):
        parse_config(WHOLE.replace('venue = "kraken"\n', f'venue = "kraken"\n{line}\n', 1))


def test_nothing_at_all_is_a_configuration():
    assert parse_config("").robots == {}


@pytest.mark.parametrize(
    ("old", "new", "says", "line"),
    [
        ("on_error", "on_eror", "unknown key `on_eror`", 11),
        ('mode = "sim"', 'mode = "simm"', "'simm' is not allowed", 3),
        ('mode = "sim"', "mode = 3", "3 is not text", 3),
        ("b = 3", "b = 2", "slots must differ", 6),
        ("b = 3", "b = 1", "slots must differ", 6),
        ("b = 3", "b = 64", "the highest slot is 63", 6),
        ("b = 3", "operator = 3", "a sub-account cannot be called `operator`", 6),
        ("b = 3", 'b = "3"', "'3' is not a whole number", 6),
        ('account = "main"', 'account = "nobody"', "no account `nobody`", 9),
        ('subaccount = "a"', 'subaccount = "z"', "no sub-account `z`", 10),
        ('venue = "kraken"', 'venue = "mtgox"', "no venue `mtgox`", 5),
        ("[robots.mm]", "[robot.mm]", "unknown section `robot`", 7),
        ("[robots.mm]", "[robots.operator]", "a robot cannot be called `operator`", 7),
        ('account = "main"\n', "", "missing key `account`", 7),
        ('venue = "kraken"', 'venue = "kraken"\nkey = "abc123"', "a secret in the open", 6),
        ("[robots.mm]", '[guardian]\ntakeover_after = "soon"\n[robots.mm]', "soon", 8),
        ("[robots.mm]", f"{OWN_KEY}secret = 'abc'\n[robots.mm]", "no reference to a secret", 9),
        ("[robots.mm]", f"{OTHER_KEY}secret = 'env:S'\n[robots.mm]", "no account `other`", 7),
        ("[robots.mm]", '[control]\nmarket_age = "0s"\n[robots.mm]', "no time", 8),
        ("[robots.mm]", '[control]\nhosts = [""]\n[robots.mm]', "'' is no host name", 8),
        ("[robots.mm]", '[dashboard]\nhosts = ["a.b", "*"]\n[robots.mm]', "'*' is no host name", 8),
        ("[robots.mm]", '[control]\nhosts = ["a b"]\n[robots.mm]', "'a b' is no host name", 8),
        ('venue = "kraken"', 'venue = "kraken"\nposition_mode = "hedge"', "kraken is not traded in hedge mode", 6),
        ('venue = "kraken"', 'venue = "kraken"\nmargin = "isolated"', "orders of kraken name no margin mode", 6),
        ('venue = "kraken"', 'venue = "kraken"\nmaster = "boss"', "no other account `boss`", 6),
        ('venue = "kraken"', 'venue = "kraken"\nmaster = "main"', "no other account `main`", 6),
    ],
)
def test_an_error_names_its_line(old, new, says, line):
    text = WHOLE.replace(old, new, 1)
    assert text != WHOLE
    with pytest.raises(BadConfig) as caught:
        parse_config(text, name="my.toml")
    assert says in caught.value.what
    assert caught.value.location == f"my.toml:{line}"
    assert "abc123" not in str(caught.value)


def test_broken_toml_names_its_line():
    with pytest.raises(BadConfig, match=r"onetape\.toml:2"):
        parse_config("[hub]\nenabled = tru\n")


def test_a_value_outside_any_section_is_an_error():
    with pytest.raises(BadConfig, match="outside any section"):
        parse_config("mode = 1\n")


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("ONETAPE_ROBOTS__MM__ON_ERROR", "flatten", lambda c: c.robots["mm"].on_error == "flatten"),
        ("ONETAPE_ROBOTS__MM__PARAMS__SIZE", "0.5", lambda c: c.robots["mm"].params["size"] == 0.5),
        ("ONETAPE_HUB__ENABLED", "false", lambda c: c.hub.enabled is False),
        ("ONETAPE_CONTROL__PORT", "8080", lambda c: c.control.port == 8080),
        ("ONETAPE_NOTIFY__URLS", '["env:A", "json://b"]', lambda c: len(c.notify.urls) == 2),
        ("ONETAPE_HOME", "/somewhere", lambda c: True),
    ],
)
def test_any_key_can_be_set_by_environment(variable, value, read):
    assert read(parse_config(WHOLE, environ={variable: value}))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ONETAPE_ROBOTS__MM__ON_ERROR", "explode"),
        ("ONETAPE_HUB__NOPE", "1"),
        ("ONETAPE_ROBOTS__MM__STRATEGY__DEEPER", "1"),
    ],
)
def test_a_wrong_environment_names_the_variable(variable, value):
    with pytest.raises(BadConfig) as caught:
        parse_config(WHOLE, environ={variable: value})
    assert caught.value.location == f"environment variable {variable}"


TRICKY = '''
# [not.a.table]
"quoted key" = "= [x]"
list = [ # [nor.this]
  "a = 1", ["b"],
]
long = """
[hidden]
key = 1
""" # after
[a."b.c"]
d.e = 1
f = { g = "}", h = { i = [1, 2] } }
[[many]]
x = 1
'''


def test_lines_are_found_around_everything_that_could_hide_them():
    tomllib.loads(TRICKY)
    lines = key_lines(TRICKY)
    assert lines[("quoted key",)] == 3
    assert lines[("list",)] == 4
    assert lines[("long",)] == 7
    assert ("hidden",) not in lines and ("key",) not in lines
    assert lines[("a", "b.c")] == 11
    assert lines[("a", "b.c", "d", "e")] == 12
    assert lines[("a", "b.c", "f", "h", "i")] == 13
    assert lines[("many", "0", "x")] == 15


names = st.text("abcxyz_-09", min_size=1, max_size=6)
scalars = st.one_of(
    st.integers(-9, 9),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12),
    st.lists(st.integers(0, 9), max_size=3),
)


def basic(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return basic(value) if isinstance(value, str) else str(value)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, st.dictionaries(names, scalars, max_size=4), max_size=4))
def test_every_key_of_any_file_is_on_its_line(tables):
    rows: list[str] = []
    lines: dict[tuple[str, ...], int] = {}
    for table, pairs in tables.items():
        rows.append(f"[{basic(table)}]")
        lines[(table,)] = len(rows)
        for key, value in pairs.items():
            rows.append(f"{basic(key)} = {literal(value)} # = [no]")
            lines[(table, key)] = len(rows)
    text = "\n".join(rows)
    assert tomllib.loads(text) == tables
    assert key_lines(text) == lines


SENDING = """\
[venues.b]
kind = "binance-usdm"
[venues.k]
kind = "kraken"
[accounts.main]
venue = "b"
allow_withdraw = true
[accounts.main.withdraw.hedge.BTC]
network = "BTC"
address = "bc1q"
[accounts.hedge]
venue = "k"
allow_withdraw = true
withdraw = { main = { BTC = { address = "bc1r", key = "there" } } }
"""


def test_addresses_are_of_an_account_and_a_currency():
    accounts = parse_config(SENDING).accounts
    assert accounts["main"].withdraw["hedge"]["BTC"].address == "bc1q"
    assert accounts["hedge"].withdraw["main"]["BTC"].key == "there"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("withdraw.hedge", "withdraw.nobody", "no account `nobody` at another venue"),
        ("withdraw.hedge", "withdraw.main", "no account `main` at another venue"),
        ('"b"\nallow_withdraw = true', '"b"', "withdrawals need a key that may withdraw"),
        ('network = "BTC"\n', "", "no `network`"),
        (', key = "there"', "", "no `key`"),
        ('address = "bc1q"', 'adress = "bc1q"', "unknown key `adress`"),
        ('address = "bc1q"', 'address = ""', "no `address`"),
    ],
)
def test_an_address_that_cannot_be_used_is_an_error(old, new, says):
    text = SENDING.replace(old, new, 1)
    assert text != SENDING
    with pytest.raises(BadConfig) as caught:
        parse_config(text)
    assert says in caught.value.what
