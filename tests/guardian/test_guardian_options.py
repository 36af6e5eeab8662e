"""With which key the guardian reaches an account, and under which epoch and ids."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from functools import partial

import msgspec
import pytest

from exchange.venue_client import served
from onetape.gateway.gateway import Gateway
from onetape.guardian.events import Record
from onetape.guardian.guardian import Guardian
from onetape.guardian.past_gateway import OrderNumbers
from onetape.guardian.venue_reader import VenueReader, can_watch
from onetape.model import catalogue
from onetape.model.enums import OrderType, Side
from onetape.model.errors import BadConfig
from onetape.model.home import guardian_journal
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.options.gateway import GatewayOptions
from onetape.options.guardian import AccountOptions, GuardianOptions, guarded_account, guardian_options
from onetape.options.guardian_rules import DISTANCES, GuardianSettings
from onetape.preflight.configured import clean_environ
from onetape.robot.live import addressed
from onetape.store.config import parse_config
from onetape.tape.journal import JournalReader
from waiting import wait_in_loop
from worlds.gateway_process import cut_journal

CONFIG = """
[venues.x]
kind = "binance-usdm"
[accounts.main]
venue = "x"
"""
OWN = """
[guardian.accounts.main]
key = "env:GUARDIAN_KEY"
secret = "env:GUARDIAN_SECRET"
"""
SECRETS = {"GUARDIAN_KEY": "own key", "GUARDIAN_SECRET": "own secret"}


@pytest.mark.parametrize(("more", "key"), [("", "gateway's"), (OWN, "own key")])
def test_it_is_its_own_where_there_is_one_else_the_gateways(tmp_path, monkeypatch, more, key):
    config = parse_config(CONFIG + more)
    made = GatewayOptions(
        kind="binance-usdm", account="main", rest="http://x", ws="", key="gateway's", secret="its", home="", symbols=[]
    )
    assert guarded_account(made, config, SECRETS, tmp_path).key == key
    monkeypatch.setenv("GUARDIAN_SECRET", "own secret")
    assert ("GUARDIAN_SECRET" in clean_environ(config)) == (not more)  # other processes do not see it


@pytest.mark.parametrize(
    ("text", "field", "own", "others"),
    [
        ('hard_stop = ""', "hard_stop", Decimal(0), Decimal("0.06")),
        ('look_back = ""', "look_back", 0, 86_400 * SECOND),
        ('look_back_beyond = ""', "beyond", Decimal(0), Decimal("0.01")),
        ('ladder = ["2%"]', "hard_stop", Decimal("0.06"), Decimal("0.06")),
        ("ladder = []", "distances", (), DISTANCES),
        ("take_profit = []", "targets", (), (Decimal("0.1"),)),
    ],
)
def test_a_symbol_has_none_of_what_is_written_empty_for_it(tmp_path, text, field, own, others):
    symbol = "binance:BTC/USDT:USDT"
    guardian = '[guardian]\nhard_stop = "6%"\nlook_back = "1d"\nlook_back_beyond = "1%"\ntake_profit = ["10%"]\n'
    config = parse_config(f'{CONFIG}{guardian}[guardian.symbols."{symbol}"]\n{text}')
    settings = guardian_options(config, {}, home=tmp_path).settings
    assert [getattr(settings.of(each), field) for each in (symbol, "any other")] == [own, others]


@pytest.mark.parametrize(
    ("symbol", "text", "words"),
    [
        ("BTC", 'hard_stop = "3%"', "BTC"),
        ("kraken:BTC/USD:USD", 'hard_stop = "3%"', "no account is at kraken"),
        ("binance:BTC/USDT", 'hard_stop = "3%"', "spot"),
        ("binance:BTC/USDT:USDT", 'ladder = ["6%", "5%"]', "levels"),
    ],
)
def test_what_is_other_for_a_symbol_and_never_used_is_refused(symbol, text, words):
    with pytest.raises(BadConfig, match=words):
        parse_config(f'{CONFIG}[guardian.symbols."{symbol}"]\n{text}')


@pytest.mark.parametrize(("text", "mode"), [("", "cross"), ('margin = "isolated"', "isolated")])
def test_gateway_and_guardian_order_in_the_accounts_margin(tmp_path, text, mode):
    config = parse_config(f'[venues.okx]\nkind = "okx"\n[accounts.main]\nvenue = "okx"\n{text}')
    exchange = {"venue": "okx", "rest": "http://x", "ws": "ws://x"}
    keys = {"key": "k", "secret": "s", "password": "p"}
    made = addressed(tmp_path, "main", exchange, keys, [], config.accounts["main"])
    guarded = guarded_account(made, config, {}, tmp_path)
    assert [each.isolated for each in (made, guarded)] == [mode == "isolated"] * 2
    symbol, said = "okx:BTC/USDT:USDT", []
    spec = OrderSpec(symbol=symbol, side=Side.SELL, size_int=1, type=OrderType.MARKET, reduce_only=True)
    for protocol in (Gateway(made).protocol, VenueReader(guarded, tmp_path, said.append).protocol):
        protocol.set_instruments([catalogue.find(symbol)])
        call = protocol.signed(protocol.place("a1", spec, 10**18), 10**18)
        assert json.loads(call.body)["tdMode"] == mode


@pytest.mark.parametrize("confirm", ["", "49ms", "6s", "soon", "0s"])
def test_the_time_that_confirms_a_price_is_bounded(confirm):
    with pytest.raises(BadConfig, match="confirm"):
        parse_config(f'{CONFIG}[guardian]\nconfirm = "{confirm}"')


def test_a_guardian_without_any_ladder_is_refused():
    with pytest.raises(BadConfig, match="levels"):
        parse_config(f"{CONFIG}[guardian]\nladder = []")


def test_the_time_that_confirms_a_price_is_that_of_the_file(tmp_path):
    config = parse_config(f'{CONFIG}[guardian]\nconfirm = "1s"')
    assert guardian_options(config, {}, home=tmp_path).settings.confirm == SECOND


def test_the_epoch_of_a_guardian_is_a_later_one_though_the_clock_has_stepped_back(tmp_path, monkeypatch):
    options = GuardianOptions(home=str(tmp_path), accounts={}, settings=GuardianSettings())
    epochs = []
    for now in (2_000, 1_000, 1_500, 9_000):
        monkeypatch.setattr(time, "time_ns", lambda now=now: now * SECOND)
        guardian = Guardian(options, asyncio.Event())
        epochs.append(guardian._epoch)
        guardian._writer.close()
    assert epochs == [2_000 * SECOND, 2_000 * SECOND + 1, 2_000 * SECOND + 2, 9_000 * SECOND]


def test_numbers_past_a_gateway_that_run_ahead_of_the_clock_are_not_used_anew_after_losses_of_power(tmp_path):
    """The disk has what was synced, and nothing of what came later."""
    options = GuardianOptions(home=str(tmp_path), accounts={}, settings=GuardianSettings())
    used: list[int] = []
    for boot in range(3):
        guardian = Guardian(options, asyncio.Event())
        numbers = OrderNumbers(guardian._kept.numbers.get("main", 0), partial(guardian._reserve, "main"))
        used += [numbers.next((1_795_000_000 + 20 * boot) * SECOND) for _ in range(250)]
        durable = guardian._writer.durable
        guardian._say(Record("gateway", f"lost {boot}", "back", {}))
        guardian._writer.__dict__.clear()  # as one that is killed
        with JournalReader(guardian_journal(tmp_path)) as reader:
            lost = next(each for each in reader.frames(("health",)) if each.sequence > durable)
            payload = lost.payload
        cut_journal(guardian_journal(tmp_path), payload)
    assert len(set(used)) == len(used)


def test_a_budget_of_an_address_that_is_there_again_is_said(tmp_path):
    with served("binance-usdm", seed=11, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        rest = f"http://127.0.0.1:{port}"
        made = AccountOptions(kind="binance-usdm", rest=rest, ws="", key=account.key, secret=account.secret)
        options = GuardianOptions(home=str(tmp_path), accounts={"main": made}, settings=GuardianSettings())

        def said() -> list[tuple[str, str | None]]:
            with JournalReader(guardian_journal(tmp_path)) as reader:
                rows = [msgspec.msgpack.decode(each.payload) for each in reader.frames(("health",))]
            return [(row["state"], row.get("severity")) for row in rows if row["kind"] == "budget"]

        async def guards() -> None:
            stopping = asyncio.Event()
            guardian = Guardian(options, stopping)
            reader = guardian._readers["main"]
            reader._budget.shut_out(SECOND // 2)
            running = asyncio.ensure_future(guardian.run(lambda: None))
            await reader.positions()
            await wait_in_loop(lambda: len(said()) > 1)
            stopping.set()
            await running

        asyncio.run(guards())
        assert "banned this address" in said()[0][0]
        assert said()[-1] == ("available again", None)  # with a severity it would end no alert


@pytest.mark.parametrize(
    ("kind", "rests"),
    [
        ("binance-usdm", True),
        ("aster", True),
        ("pacifica", True),
        ("bitmex", True),
        ("kraken", False),
        ("ccxt:okx", False),
    ],
)
def test_stops_rest_wherever_positions_are_held_and_what_waits_is_listed(kind, rests):
    """In a service of their own, or in the book."""
    assert can_watch(AccountOptions(kind=kind, rest="http://x", ws="", key="", secret="")) is rests
