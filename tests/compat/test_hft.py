"""Scripts that were written for `hft`, with their import line changed, as processes beside a gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from worlds.transfer_processes import World

READER = """
from onetape.compat import hft

quote = hft.getSingleQuoteCurrency(hft.Exchange.KRAKEN, hft.DataType.BALANCE, hft.Currency.USD)
manager = hft.StrategyBalanceManager("kraken", strategy_count=8)
total, pool, own = (float(manager.get_balance("usd", index)) for index in (0, 1, 2))
print(json.dumps([quote.mid, quote.timestamp, quote.localTimestamp, total, pool, own]))
"""
SENDER = """
from onetape.compat import hft

async def main():
    commands = hft.IPCCommandSystem("a")
    commands.start()
    payload = hft.kraken_strategy_balance(
        strategy="a", cmd="allocate", currency=hft.Currency.USD, amount=100, index=2
    )
    result = await commands.send_command("kraken_gateway", hft.KRAKEN_STRATEGY_BALANCE_CMD, payload)
    print(json.dumps([result.status, result["error"]]))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("hft"), kind="kraken")
    yield made
    made.stop()


def run(world: World, script: str) -> list:
    done = subprocess.run(
        [sys.executable, "-c", f"import asyncio, json\n{script}"],
        env={**os.environ, "ONETAPE_HOME": str(world.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_reader_and_a_sender_run_as_they_were_written(world):
    mid, stamped, read, total, pool, own = run(world, READER)
    assert mid == total == pool + own == float(world.slots[0])
    assert 0 < stamped <= read and read > 1_700_000_000 * 10**6  # us UTC
    assert own == 0
    assert run(world, SENDER) == ["applied", None]
    assert run(world, READER)[3:] == [total, pool - 100, 100]
