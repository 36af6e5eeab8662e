"""Money of sub-accounts, moved by commands to a gateway that runs, is killed and runs again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from decimal import Decimal
from enum import Enum

import pytest

import copied_process
from exchange.venue_client import served
from onetape.accounts import StrategyBalanceManager
from onetape.ipc import IPCCommandSystem
from onetape.ipc.commands import (
    BINANCE_STRATEGY_BALANCE_CMD,
    KRAKEN_STRATEGY_BALANCE_CMD,
    binance_strategy_balance,
    kraken_strategy_balance,
)
from onetape.model.errors import ProcessDown, StaleData
from waiting import PATIENCE_S
from worlds.gateway_process import GatewayProcess

CMD = BINANCE_STRATEGY_BALANCE_CMD
IS_LONG = bool(os.environ.get("ONETAPE_LONG"))
SUBACCOUNTS = {name: slot for slot, name in enumerate("abcdefgh", 2)}
STRATEGIES = list(SUBACCOUNTS.items()) if IS_LONG else [("a", 2), ("b", 3)]
COUNT = 10_000 if IS_LONG else 60  # commands of each


class Currency(Enum):
    USDT = 7


@pytest.fixture
def gateway(tmp_path):
    with served("binance-usdm", seed=3, limits=False) as (dialect, port):
        account = dialect.exchange.accounts[0]
        gateway = GatewayProcess(
            "binance-usdm", tmp_path, port, account, commands="process", subaccounts=SUBACCOUNTS, venue="binance"
        )
        gateway.start()
        yield gateway
        gateway.kill()


def sent(home, *payloads, actor: str = "a", command: str = CMD, target: str = "binance_gateway"):
    async def work():
        system = IPCCommandSystem(actor, home=home)
        system.start()
        answers = [
            await system.send_command(target, command, payload, timeout=PATIENCE_S, command_id=id_)
            for payload, id_ in payloads
        ]
        system.stop()
        return answers

    return asyncio.run(work())


def test_a_strategy_takes_and_gives_back_what_is_its_own(gateway, tmp_path):
    manager = StrategyBalanceManager("binance", strategy_count=8, home=tmp_path)
    total, pool, *rest = manager.get_all("USDT")
    assert total == pool and not any(rest)
    allocate = binance_strategy_balance(
        strategy="a", cmd="allocate", currency=Currency.USDT, index=2, amount=Decimal("100.1")
    )
    release = binance_strategy_balance("a", "release", "usdt", amount=0.1, index=2)
    as_written = {"strategy": "a", "cmd": "allocate", "currency": "usdt", "amount": 50, "index": 2}
    foreign = binance_strategy_balance("a", "allocate", "usdt", 1, index=3)
    posing = binance_strategy_balance("b", "allocate", "usdt", 1, index=3)
    too_much = binance_strategy_balance("a", "release", "usdt", 1000, index="a")
    applied, second, written, *refused = sent(
        tmp_path,
        (allocate, "one"),
        (allocate, "one"),
        (as_written, None),
        (foreign, None),
        (posing, None),
        (too_much, None),
        (binance_strategy_balance("a", "set", "usdt", 5, index=2), None),
        (binance_strategy_balance("a", "allocate", "usdt", float("nan"), index=2), None),
        (binance_strategy_balance("a", "allocate", "usdt", "1e999999999", index=2), None),
    )
    assert (applied.status, second.status, written.status) == ("applied", "duplicate", "applied")
    moved = [{"slot": 1, "currency": "USDT", "amount": "-100.1"}, {"slot": 2, "currency": "USDT", "amount": "100.1"}]
    assert applied.result == second.result == {"moved": moved}
    assert {each.status for each in refused} == {"refused"}
    codes = [4206, 4206, 4201, 3001, 4203, 4203]
    assert [each.error["code"] for each in refused] == codes
    assert sent(tmp_path, (release, None))[0].status == "applied"
    assert manager.get_balance("USDT", 2) == 150
    wrong_venue = kraken_strategy_balance("a", "allocate", "usdt", 1, index=2)
    (refused,) = sent(tmp_path, (wrong_venue, None), command=KRAKEN_STRATEGY_BALANCE_CMD, target="gateway:main")
    assert refused.status == "refused" and "knows no command" in refused.error["message"]
    gateway.kill()
    gateway.start()
    assert manager.get_all("USDT")[:4] == [total, total - 150, 150, 0]
    second, other = sent(tmp_path, (allocate, "one"), (as_written, "one"))
    assert (second.status, second.result) == ("duplicate", {"moved": moved})
    assert other.error["name"] == "DUPLICATE_COMMAND"
    assert manager.get_balance("USDT", 2) == 150


def test_the_operator_moves_money_from_the_command_line(gateway, tmp_path):
    def send(*words: str) -> dict:
        done = copied_process.run("send", *words, "--json", "--home", tmp_path)
        return {"exit": done.returncode, **json.loads(done.stdout)}

    words = ("binance_gateway", "allocate", "strategy=b", "currency=usdt", "amount=100", "index=3")
    assert send(*words)["status"] == "applied"
    refused = send("gateway", "release", "strategy=b", "currency=usdt", "amount=100.5", "index=3")
    assert (refused["status"], refused["exit"]) == ("refused", 5)
    assert refused["error"]["name"] == "INSUFFICIENT_FUNDS"
    assert send("gateway", "release", "currency=usdt", "amount=40", "index=b")["exit"] == 0
    manager = StrategyBalanceManager("binance", strategy_count=8, home=tmp_path)
    assert manager.get_balance("USDT", 3) == 60


def test_strategies_at_once_while_the_gateway_is_killed_end_where_their_answers_say(gateway, tmp_path):
    """Each command is applied once or refused; the slots are what the applied ones add up to, and
    at every look the slots add up to the total."""
    manager = StrategyBalanceManager("binance", strategy_count=16, home=tmp_path)
    total = manager.get_balance("USDT")

    async def strategy(name: str, index: int) -> Decimal:
        rng = random.Random(index)
        system = IPCCommandSystem(name, home=tmp_path)
        system.start()
        own = Decimal(0)
        for _ in range(COUNT):
            cmd, amount = rng.choice(("allocate", "release")), Decimal(rng.randint(1, 4000)) / 8
            payload = binance_strategy_balance(name, cmd, "usdt", amount, index=index)
            answer = await system.send_command("gateway:main", CMD, payload, timeout=PATIENCE_S)
            if cmd == "release" and amount > own:
                assert answer.error["name"] == "INSUFFICIENT_FUNDS"
            elif answer.status == "applied":
                own += amount if cmd == "allocate" else -amount
            else:
                assert cmd == "allocate" and answer.error["name"] == "INSUFFICIENT_FUNDS"
        system.stop()
        return own

    async def look() -> None:
        while True:
            with contextlib.suppress(StaleData, ProcessDown):  # while it is being killed
                reported, *slots = manager.get_all("USDT")
                assert reported == total == sum(slots)
            await asyncio.sleep(0)

    async def work() -> list[Decimal]:
        all_of_them = [asyncio.ensure_future(strategy(*each)) for each in STRATEGIES]
        looking = asyncio.ensure_future(look())
        await asyncio.sleep(0.01)
        await asyncio.to_thread(gateway.kill)
        await asyncio.to_thread(gateway.start)
        own = await asyncio.gather(*all_of_them)
        assert not looking.done()
        looking.cancel()
        return own

    own = asyncio.run(work())
    snapshot = manager.get_all("USDT")
    assert snapshot[2 : 2 + len(own)] == own
    assert snapshot[0] == total == sum(snapshot[1:])
