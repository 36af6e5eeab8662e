"""Two legs with a parent, live: while answers are lost, fills come late and one leg is refused,
they are never more than a slice apart, and end as far as both could go."""

from __future__ import annotations

import signal
from pathlib import Path

from exchange.venue_client import served
from onetape.model.home import gateway_journal
from onetape.model.time import SECOND
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape
from waiting import wait_for
from worlds.command_lines import begin, ended
from worlds.gateway_process import configure

EXAMPLE = Path(__file__).resolve().parents[2] / "strategies" / "pair_arbitrage.py"
A, B = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"
SLICE, TAKEN = 10, 2  # units of 0.001 of either coin; orders of the second leg that the venue takes
FAULTS = f"""
[[fault]]
action = "delay"
purpose = "place"
symbol = "ETHUSDT"
count = {TAKEN}
wait = "50ms"

[[fault]]
action = "error"
purpose = "place"
symbol = "ETHUSDT"
error = "-4140"

[[fault]]
action = "drop_answer"
purpose = "place"
probability = 0.3
wait = "100ms"

[[fault]]
action = "delay"
event = "ORDER_TRADE_UPDATE"
probability = 0.5
wait = "10ms"
spread = "200ms"
"""


def rejections(home: Path, since: int = 0) -> int:
    """How many there are, once the gateway's tape goes on for `since` ns after the last of them."""
    journal = gateway_journal(home, "main")
    if not is_tape(journal):
        return 0
    with JournalReader(journal) as reader:
        records = list(reader)
    times = [r.time for r in records if r.type == "order_event" and r.data["news"] == "rejected"]
    return len(times) if times and records[-1].time - times[-1] >= since else 0


def positions(account) -> tuple[list[int], list[int]]:
    """Of both coins, and how far the legs were apart after each trade."""
    held, apart = [0, 0], []
    for trade in list(account.trades):
        held[trade.order.index] += trade.fill.size * trade.order.side.sign
        apart.append(abs(sum(held)))
    return held, apart


def test_a_leg_that_is_refused_leaves_the_other_where_both_could_go(tmp_path):
    with served("binance-usdm", seed=9, limits=False, faults=FAULTS) as (dialect, port):
        account = dialect.exchange.accounts[0]
        configure(tmp_path, port, account)
        # Two coins of unlike prices: the gap always pays, so it goes in as far as it may.
        robot = begin(tmp_path, "run", f"{EXAMPLE}:PairArbitrage", "--live", "--param", f"a={A}", "--param", f"b={B}")
        both = [-TAKEN * SLICE, TAKEN * SLICE]
        try:
            # A target that stands would have been tried once more after a quarter of a second.
            wait_for(
                lambda: (
                    robot.poll() is not None
                    or (rejections(tmp_path / ".onetape", SECOND) >= 3 and positions(account)[0] == both)
                )
            )
            robot.send_signal(signal.SIGINT)
            reported = ended(robot)
        finally:
            robot.kill()
        held, apart = positions(account)
        assert max(apart) <= SLICE
        assert held == both
        assert reported["fills"] == len(account.trades)
        assert len([o for o in account.by_id.values() if o.index == 1]) == TAKEN
    assert rejections(tmp_path / ".onetape") == 3, "it gives the leg up after three tries"
    with JournalReader(Path(reported["run"]) / "journal") as reader:
        requests = [r.data for r in reader if r.type == "order_request"]
    locations = {each["more"]["location"] for each in requests if each["kind"] == "place"}
    assert locations == {"/pairarbitrage/a", "/pairarbitrage/b"}
    assert ended(begin(tmp_path, "replay", reported["run"], "--verify"))["divergences"] == 0
