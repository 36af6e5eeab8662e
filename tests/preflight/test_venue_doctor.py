"""`onetape doctor` at venues that answer: what it finds, and what a gateway says that runs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import msgspec
import pytest

import copied_process
from exchange.venue_client import served
from onetape.exchange.venues import facts_of
from onetape.model.enums import Side
from onetape.model.home import gateway_journal
from onetape.model.sections import AccountConfig, Config, VenueConfig
from onetape.model.time import DAY, parse_time
from onetape.model.venue_kinds import VENUE_KINDS
from onetape.preflight.venue_doctor import check_account, check_venue
from onetape.tape.journal import JournalReader
from onetape.venues import fact_tables
from onetape.venues.fact_tables import facts_date
from waiting import wait_for
from worlds.gateway_process import GatewayProcess, Robot


def doctor(folder: Path, *more: str, code: int = 0) -> list[dict]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
    done = copied_process.run("doctor", "--json", *more, cwd=folder, env=clean)
    assert done.returncode == code, done.stdout + done.stderr
    value = json.loads(done.stdout)
    return [f for f in value["findings"] if f["subject"].startswith(("venue ", "account ", "symbol "))]


def write(folder: Path, text: str) -> None:
    (folder / "onetape.toml").write_text(text)


@pytest.mark.parametrize("kind", ["binance-usdm", "kraken", "binance-spot", "bybit", "hyperliquid", "okx", "pacifica"])
def test_an_exchange_that_is_as_known_shows_no_drift(kind, tmp_path):
    with served(kind, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        names = ["key", "secret", *(["password"] if account.password else [])]
        for name in names:
            (tmp_path / name).write_text(getattr(account, name))
            (tmp_path / name).chmod(0o600)
        write(
            tmp_path,
            f'[venues.v]\nkind = "{kind}"\nrest = "http://127.0.0.1:{port}"\n[accounts.a]\nvenue = "v"\n'
            + "".join(f'{name} = "file:{name}"\n' for name in names),
        )
        found = doctor(tmp_path, "--venue", "v", "--listen", "50")
        assert not account.by_id  # no order was sent
    if kind == "pacifica":
        changed = "whether pacifica has changed is not checked: its messages are not described"
        assert found[1]["text"].startswith(f"{changed}; facts of 2026-07-01, ") and found[1]["text"].endswith(
            " days old"
        )
        assert [f["text"] for f in found[2:]] == ["the key may trade, may not withdraw; one-way"]
        return
    assert [f["state"] for f in found] == ["ok", "ok", "ok"]
    assert found[0]["text"].startswith(f"http://127.0.0.1:{port} answers, clock ")
    assert re.match(rf"facts of {facts_date(kind)}, \d+ days? old, against 2 answers, ", found[1]["text"])
    refusals = len(fact_tables.facts_of(kind).bad_requests)
    assert found[1]["text"].endswith(f" {refusals} refusals: no drift")
    assert found[2]["text"] == "the key may trade, may not withdraw; one-way"


@pytest.mark.parametrize("kind", [*(kind for kind, each in VENUE_KINDS.items() if not each.closed), "ccxt:okx"])
def test_the_age_of_the_facts_of_each_kind_is_said(kind):
    read = facts_date(kind)
    now = parse_time(read) + 9 * DAY + DAY // 2
    (found,) = check_venue(Config(), "v", VenueConfig(kind=kind), now=now)
    assert found.text.endswith(f"facts of {read}, 9 days old")


def test_what_an_exchange_has_changed_is_said_by_name(tmp_path):
    with served("binance-usdm", limits=False) as (dialect, port):
        as_it_was = dialect.public.exchange_info

        def changed(now: int) -> dict:
            answer = as_it_was(now)
            answer["symbols"][0]["mood"] = "calm"
            for row in answer["symbols"]:
                row["timeInForce"].append("GTW")
                del row["marginAsset"]
            return answer

        dialect.public.exchange_info = changed
        write(tmp_path, f'[venues.v]\nkind = "binance-usdm"\nrest = "http://127.0.0.1:{port}"\n')
        found = doctor(tmp_path, "--listen", "0", code=2)
    (reported,) = [f for f in found if f["state"] == "error"]
    assert reported["text"].endswith(
        "missing field instruments.symbols.marginAsset (3 times); "
        "unknown field instruments.symbols.mood; "
        "unknown value instruments.symbols.timeInForce = GTW (3 times)"
    )
    assert "newer onetape" in reported["todo"]


@pytest.mark.parametrize("others", ["", '[venues.spot]\nkind = "binance-spot"\n'])
def test_neutral_symbols_are_looked_for_at_each_venue(tmp_path, others):
    """What is not there is a fault where neither the list nor another venue of the exchange may have it."""
    with served("binance-usdm", limits=False) as (_, port):
        write(
            tmp_path,
            f'[venues.v]\nkind = "binance-usdm"\nrest = "http://127.0.0.1:{port}"\n[venues.k]\nkind = "kraken"\n'
            f"{others}"
            '[symbols]\nBTC-USD = ["kraken:BTC/USD", "binance:BTC/USDC:USDC", "binance:BTC/USDT:USDT"]\n'
            'KRK = ["kraken:BTC/EUR"]\nSPOT = ["binance:BTC/USDT"]\n',
        )
        venue = ("--venue", "v", "--listen", "0")
        found = [f for f in doctor(tmp_path, *venue, code=0 if others else 2) if f["subject"].startswith("symbol ")]
    assert [(f["state"], f["subject"], f["text"]) for f in found] == [
        ("warning", "symbol BTC-USD", "binance:BTC/USDC:USDC does not trade at venue v"),
        ("ok", "symbol BTC-USD", "binance:BTC/USDT:USDT at venue v, which calls it BTCUSDT"),
        ("warning" if others else "error", "symbol SPOT", "binance:BTC/USDT does not trade at venue v"),
    ]


def test_a_name_that_no_venue_has_is_wrong_usage(tmp_path):
    write(tmp_path, '[venues.v]\nkind = "kraken"\n')
    done = copied_process.run("doctor", "--venue", "w", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == "error BAD_CONFIG(4602): no venue 'w', --venue, choose from v"


@pytest.mark.parametrize(("kind", "wallet"), [(kind, facts_of(kind).keys) for kind in ("aster", "pacifica")])
@pytest.mark.parametrize(("whose", "said"), [("main", "key of the main wallet"), ("nobody", "no private key")])
def test_a_key_that_no_gateway_takes_is_said_where_the_venue_does_not_answer(kind, wallet, whose, said, tmp_path):
    address, secret = wallet(0, "main")
    secret = secret if whose == "main" else "zz"
    for name, text in (("key", address), ("secret", secret)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    config = Config(
        venues={"v": VenueConfig(kind=kind, mode="demo")},
        accounts={"a": AccountConfig(venue="v", key="file:key", secret="file:secret")},
    )
    (found,) = check_account(config, "a", tmp_path, tmp_path / ".onetape", is_there=False)
    assert (found.state, found.subject) == ("error", "account a")
    assert said in found.text and secret not in found.text


def test_an_account_on_which_a_gateway_trades_is_left_alone(tmp_path):
    """Two programs on one key disturb each other: what the gateway says is shown."""
    home = tmp_path / ".onetape"
    with served("kraken", limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        gateway = GatewayProcess("kraken", home, port, account)
        gateway.start()
        try:
            write(
                tmp_path,
                f'[venues.v]\nkind = "kraken"\nrest = "http://127.0.0.1:{port}"\n'
                '[accounts.main]\nvenue = "v"\nkey = "env:ANY"\nsecret = "env:ANY"\n',
            )
            os.environ["ANY"] = "bm8="
            found = doctor(tmp_path, "--listen", "0")
        finally:
            del os.environ["ANY"]
            gateway.kill()
    assert found[-1]["text"].startswith("a gateway trades on it, 0 differences; facts of 2026-11-20, ")


def test_a_gateway_counts_by_name_what_its_adapter_does_not_know(tmp_path):
    """A field that the venue adds: once on the journal, each time in the status, and in doctor."""
    home = tmp_path / ".onetape"
    with served("binance-usdm", limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        tell, stream = dialect.streams.user._tell, dialect.streams._stream

        def telling(of, event: dict) -> None:
            if event["e"] == "ORDER_TRADE_UPDATE":
                event["o"]["zz"] = 1
            tell(of, event)

        def streaming(name: str, event: dict | list) -> None:
            stream(name, {**event, "mood": "calm"} if isinstance(event, dict) else event)

        dialect.streams.user._tell, dialect.streams._stream = telling, streaming
        gateway = GatewayProcess("binance-usdm", home, port, account)
        gateway.start()
        robot = Robot(tmp_path / "robot", gateway, 1)
        try:
            bid = dialect.exchange.listings[0].bid
            for step in range(3):
                robot.place(Side.BUY, bid - 2000 - 10 * step)
            field = "unknown field ORDER_TRADE_UPDATE.o.zz"
            wait_for(lambda: gateway.ask("status")["counts"].get(field, 0) >= 3)
            wait_for(lambda: "unknown field bookTicker.mood" in gateway.ask("status")["counts"])
            counts = gateway.ask("status")["counts"]
            wait_for(lambda: field in said(home))
            assert said(home).count(field) == 1
            write(
                tmp_path,
                f'[venues.v]\nkind = "binance-usdm"\nrest = "http://127.0.0.1:{port}"\n'
                '[accounts.main]\nvenue = "v"\nkey = "file:any"\nsecret = "file:any"\n',
            )
            (tmp_path / "any").write_text("of no use here")
            (tmp_path / "any").chmod(0o600)
            found = doctor(tmp_path, "--listen", "0")
            assert f"{field} {counts[field]}" in found[-1]["text"]
        finally:
            gateway.kill()
            robot.writer.close()


def said(home: Path) -> list[str]:
    with JournalReader(gateway_journal(home, "main")) as reader:
        received = [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(("health",))]
    return [each["state"] for each in received if each["kind"] == "drift"]
