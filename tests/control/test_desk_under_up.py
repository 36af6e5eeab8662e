"""A desk over three simulated exchanges, their gateways and a supervisor: real processes, sockets and files."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from control.desk_home import ACCOUNTS, CONFIG, DeskOf
from onetape.control.desk import CONTROL_SLIPPAGE
from onetape.control.desk_replies import Asking
from onetape.hedge.plan import Terms, legs_plan
from onetape.hedge.working import Work
from onetape.model.errors import BlockedByRiskAlert, DuplicateCommand, HedgeFailed, SelfTrade
from onetape.model.home import gateway_journal
from onetape.model.time import SECOND
from onetape.projections.account_views import positions
from onetape.store.config import load_config
from onetape.tape.journal import JournalReader
from onetape.web.control_models import DeltaControl, HedgeExecute, UtilizationRebalance
from waiting import wait_for, wait_in_loop
from worlds.supervised import Home

OTHER = """
[accounts.second]
venue = "binance"
master = "binance-backup"
symbols = ["binance:BTC/USDT:USDT"]
"""
# The desk of a process that is killed. As its first order is on the tape, the other leg's gateway stops.
CHILD = """
import asyncio, os, signal, sys
sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from control.desk_home import ACCOUNTS, DeskOf
from onetape.web.control_models import UtilizationRebalance

async def work():
    made = DeskOf(Path(sys.argv[2]))
    made.wait()
    append = made.tape.append
    def said(record):
        sequence = append(record)
        if record["kind"] == "saga_attempt":
            os.kill(int(sys.argv[3]), signal.SIGSTOP)
        print(record["kind"], flush=True)
        return sequence
    made.tape.append = said
    request = UtilizationRebalance(target_utilization=0.0, accounts=list(ACCOUNTS[:2]), symbol="BTC-USD")
    await made.desk.rebalance(request, "rebalance-killed", "test")

asyncio.run(work())
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with Home(tmp_path_factory.mktemp("desk"), CONFIG + OTHER) as made:
        made.run("up")
        yield made


def commands_of(home: Home) -> int:
    """Counts the commands and replies on the gateways' tapes."""
    found = 0
    for name in ACCOUNTS:
        with JournalReader(gateway_journal(home.home, name)) as reader:
            found += sum(1 for _ in reader.frames(("command", "reply")))
    return found


def on(home: Home, work):
    async def do():
        made = DeskOf(home.folder)
        try:
            made.wait()
            await made.desk.resume()
            return await work(made)
        finally:
            await made.close()

    return asyncio.run(do())


def at_venues(home: Home) -> dict[str, Decimal]:
    """What gateways stand by in their tables: a moment later than on their tapes, which a desk reads."""
    found = positions(home.home, load_config(home.folder / "onetape.toml", {}))
    return {
        name: sum((Decimal(each["qty"]) for each in found if each["account"] == name), Decimal(0)) for name in ACCOUNTS
    }


def control(target: float, **facts) -> DeltaControl:
    return DeltaControl(
        target_delta=target,
        accounts=list(ACCOUNTS),
        symbol="BTC-USD",
        **{"max_deviation": 0.01, "tolerance_percent": 0.0, **facts},
    )


def test_a_delta_control_ends_where_it_says_and_the_venues_say_so(home):
    async def work(made):
        before = commands_of(home)
        dry = await made.desk.control(control(0.05, dry_run=True), "ctrl-dry", "test")
        assert commands_of(home) == before
        assert dry.success and dry.plan is not None and dry.plan.legs and dry.plan.blocked == []
        assert all(each["passed"] for leg in dry.plan.legs for each in leg.checks)
        assert not any(made.positions().values())
        done = await made.desk.control(control(0.05), "ctrl-1", "test")
        # The market moves: a leg may leave a rest, and has ended where it says as long as that is within the bound.
        assert done.success and done.delta_deviation <= 0.01
        assert done.delta_deviation == pytest.approx(abs(done.final_delta - 0.05))
        repeated = await made.desk.control(control(0.05), "ctrl-1", "test")
        assert repeated.hedge_results.executed_orders == done.hedge_results.executed_orders
        none = await made.desk.control(control(done.final_delta), "ctrl-2", "test")
        assert (none.adjustment_needed, none.total_adjustments) == (False, 0) and "within" in none.reason
        return done

    done = on(home, work)
    wait_for(lambda: sum(at_venues(home).values()) == Decimal(str(done.final_delta)), lambda: at_venues(home))
    for order in done.hedge_results.executed_orders:
        chain = home.run("trace", order.order_id)
        numbers = {hop["seq"] for each in chain for hop in each["hops"]}
        assert set(order.frames["sequences"]) <= numbers


def test_a_hedge_that_ends_at_a_net_delta_of_nothing_says_that_it_did_less_than_was_wanted(home):
    async def work(made):
        assert (await made.desk.control(control(0.05), "ctrl-open", "test")).success
        hedge = HedgeExecute(symbol="BTC-USD", target_accounts=list(ACCOUNTS), hedge_amount=0.2, side="sell")
        dry = await made.desk.hedge(structs.replace(hedge, dry_run=True), "h-dry", "test")
        done = await made.desk.hedge(hedge, "h-bounded", "test")
        for each in (dry, done):
            assert each.net_delta_change == pytest.approx(-0.05, abs=0.01)
            assert "of 0.2" in each.reason and "net delta of 0" in each.reason
        assert dry.success and done.status == "completed"
        assert (await made.desk.control(control(0.05), "ctrl-back", "test")).success

    on(home, work)


def test_what_forbids_it_is_said_before_anything_is_sent(home):
    async def work(made):
        before = made.positions()
        with pytest.raises(HedgeFailed, match="fits no account"):
            await made.desk.hedge(HedgeExecute(symbol="BTC-USD", hedge_amount=5000.0, side="buy"), "h-big", "test")

        def gate(accounts, reduces):
            if not reduces:
                raise BlockedByRiskAlert("an alert is open")

        made.desk._risk.gate = gate
        more = control(float(sum(before.values())) + 0.1)
        with pytest.raises(BlockedByRiskAlert):
            await made.desk.control(more, "ctrl-more", "test")
        dry = await made.desk.control(control(float(sum(before.values())) + 0.1, dry_run=True), "ctrl-dry-2", "test")
        assert dry.plan.blocked[0]["code"] == 1004
        both = await asyncio.gather(
            made.desk.control(control(0.02), "ctrl-3", "test"),
            made.desk.control(control(0.01, on_busy="refuse"), "ctrl-4", "test"),
            made.desk.hedge(HedgeExecute(symbol="BTC-USD", hedge_amount=0.01, timeout=1), "h-late", "test"),
            return_exceptions=True,
        )
        assert both[0].delta_deviation <= 0.01 and isinstance(both[1], DuplicateCommand)
        assert isinstance(both[2], DuplicateCommand) and "the whole 0.001 s" in str(both[2])

    on(home, work)


def test_a_leg_meets_no_order_of_ours_on_another_account_of_its_venue(home):
    """It stays before one that rests, is not sent at one that came since, and whoever asks hears which it is."""
    symbol = "binance:BTC/USDT:USDT"

    async def work(made):
        (view,) = made.desk._legs(symbol, ["binance-backup"])
        price = (view.asks[0].price * Decimal("0.9975")).quantize(view.instrument.tick)
        send = made.commands.send_command
        fields = {"symbol": symbol, "side": "buy", "qty": "0.01", "price": str(price)}
        placed = await send("gateway:second", "place", fields)
        (row,) = placed.result["orders"]
        seen = await wait_in_loop(lambda: made.desk._legs(symbol, ["binance-backup"])[0].resting)
        assert [(each.account, each.order, each.price) for each in seen] == [("second", row["client_id"], price)]
        hedge = HedgeExecute(
            symbol=symbol, hedge_amount=0.01, side="sell", target_accounts=["binance-backup"], dry_run=True
        )
        dry = await made.desk.hedge(hedge, "h-own", "test")
        assert dry.success and dry.plan.legs[0].limit == float(price + view.instrument.tick)
        call = Asking("h-late-own", "test", made.desk.now(), symbol, ("binance-backup",))
        async with made.desk._turn(call, "wait", 30 * SECOND) as lock:
            plan = legs_plan(
                [view], {"binance-backup": Decimal("-0.01")}, Terms(now=made.desk.now(), slippage=CONTROL_SLIPPAGE)
            )
            saga = made.desk._begin(call, plan, [view], CONTROL_SLIPPAGE, 2 * SECOND, lock=lock)
        await made.desk._outcome("h-late-own", saga)
        await send("gateway:second", "cancel", {"order": row["client_id"]})
        return saga, row["client_id"]

    saga, name = on(home, work)
    assert saga.attempts[0].code == SelfTrade.code and f"our own order {name} of second" in saga.attempts[0].why
    assert all(each.leg.limit > saga.attempts[0].leg.limit for each in saga.attempts[1:])


@pytest.mark.parametrize("rests", [20 * SECOND, SECOND // 5])
def test_a_pair_that_makes_first_rests_with_one_leg_and_takes_the_other(home, rests):
    """What nobody takes in that time is canceled, and taken."""

    async def work(made):
        desk, accounts, operation = made.desk, ACCOUNTS[:2], f"pair-{rests}"
        before = made.positions()
        call = Asking(operation, "test", desk.now(), "BTC-USD", accounts)
        async with desk._turn(call, "wait", 30 * SECOND) as lock:
            views = desk._legs("BTC-USD", accounts)
            trades = {accounts[0]: Decimal("0.03"), accounts[1]: Decimal("-0.03")}
            plan = legs_plan(views, trades, Terms(now=desk.now(), slippage=CONTROL_SLIPPAGE), parallel=False)
            worked = Work("peg", desk.now() + rests)
            saga = desk._begin(call, plan, views, CONTROL_SLIPPAGE, 30 * SECOND, worked, lock=lock)
        outcome = await desk._outcome(operation, saga)
        after = made.positions()
        assert {name: after[name] - before[name] for name in accounts} == trades
        return outcome, saga.attempts

    outcome, (first, *others) = on(home, work)
    assert (outcome.status, outcome.naked, outcome.change, outcome.differs) == ("completed", 0, 0, {})
    chain = next(each for each in home.run("trace", first.fills.order) if each["account"] == first.leg.account)
    fills = [hop["data"] for hop in chain["hops"] if hop["what"] == "fill"]
    assert chain["hops"][0]["data"]["fields"]["post_only"] and all(each["liquidity"] == "maker" for each in fills)
    assert bool(fills) == bool(first.fills.base) and (fills or first.why)  # it was canceled, or would have crossed
    assert any(not each.rests_until for each in others)


def test_a_gateway_that_is_killed_leaves_no_leg_naked(home):
    async def work(made):
        hedge = HedgeExecute(symbol="BTC-USD", hedge_amount=0.1, side="buy", target_accounts=["aster-hedge"])
        assert (await made.desk.hedge(hedge, "h-open", "test")).status == "completed"
        opposite = HedgeExecute(symbol="BTC-USD", hedge_amount=0.1, side="sell", target_accounts=["pacifica-main"])
        victim = home.process("gateway:pacifica-main")["pid"]
        call = asyncio.ensure_future(made.desk.hedge(opposite, "h-other", "test"))
        while not any(each.record["operation"] == "h-other" for each in made.tape.read()):
            await asyncio.sleep(0.0005)
        os.kill(victim, signal.SIGKILL)
        reply = await call
        made.positions()
        return reply

    reply = on(home, work)
    assert reply.status in ("completed", "failed")
    made = DeskOf(home.folder)
    made.wait()
    held = made.positions()
    asyncio.run(made.close())
    assert float(held["pacifica-main"]) == pytest.approx(reply.delta_after)


def test_a_rebalance_whose_process_is_killed_is_ended_by_the_next_one(home):
    async def before(made):
        await made.desk.control(control(0.0), "flat", "test")
        for account, side in (("aster-hedge", "buy"), ("pacifica-main", "sell")):
            held = made.positions()[account]
            amount = Decimal("0.2") - held if side == "buy" else Decimal("0.2") + held
            request = HedgeExecute(
                symbol="BTC-USD",
                hedge_amount=float(amount),
                side=side,
                target_accounts=[account],
                hedge_strategy="same-platform",
            )
            await made.desk.hedge(request, f"open-{account}", "test")
        return made.positions()

    held = on(home, before)
    assert (held["aster-hedge"], held["pacifica-main"]) == (Decimal("0.2"), Decimal("-0.2"))
    stopped = home.process("gateway:pacifica-main")["pid"]
    try:
        ours = [sys.executable, "-c", CHILD, str(Path(__file__).parents[1]), str(home.folder), str(stopped)]
        child = subprocess.Popen(ours, stdout=subprocess.PIPE, text=True)
        for line in child.stdout:
            if line.strip() == "saga_closed":  # the other leg has been filled
                break
        child.kill()
        child.wait()
    finally:
        os.kill(stopped, signal.SIGCONT)

    async def after(made):
        request = UtilizationRebalance(target_utilization=0.0, accounts=list(ACCOUNTS[:2]), symbol="BTC-USD")
        return await made.desk.rebalance(request, "rebalance-killed", "test"), made.positions()

    reply, held = on(home, after)
    assert held["aster-hedge"] + held["pacifica-main"] == 0
    assert reply.net_delta_change == pytest.approx(0.0)


def test_margin_moves_by_the_gateways_own_transfers_also_when_one_is_killed(home):
    """To a sub-account by way of the master's spot wallet, and back by both; nothing is traded for what margin does."""
    pair = ["binance-backup", "second"]

    async def work(made):
        def has_booked(account: str) -> bool:
            made.views.refresh()
            filled = max((sequence for sequence, *_ in made.views.tapes[account].fills), default=0)
            return made.views.figures(account).as_of["USDT"] >= filled

        def money() -> list[Decimal]:
            """With the fees of all fills, which the table has a moment later than the tape."""
            wait_for(lambda: all(map(has_booked, pair)))
            return [made.views.figures(each).balances["USDT"][0] for each in pair]

        def requested(**facts) -> UtilizationRebalance:
            return UtilizationRebalance(accounts=[*pair, "aster-hedge"], symbol="BTC-USD", transfers=True, **facts)

        opened = await made.desk.trade("BTC-USD", pair, {"second": Decimal("0.3")}, "op-open", "test")
        assert opened.success, opened.error
        first, second = (float(each.utilization) for each in made.desk._legs("BTC-USD", pair))
        wanted = {"target_utilization": (first + second) / 2, "tolerance_percent": (second - first) / 4}
        before = money()
        dry = await made.desk.rebalance(requested(**wanted, dry_run=True), "dry", "test")
        planned, missing = (
            [each for each in dry.transfers if each.state == word] for word in ("planned", "unavailable")
        )
        assert (planned[0].source, planned[0].target) == tuple(pair) and money() == before
        assert all("NOT_AVAILABLE" in each.reason for each in missing)
        task = asyncio.ensure_future(made.desk.rebalance(requested(**wanted), "re-1", "test"))
        while not made.desk.moves.under_way:
            await asyncio.sleep(0.001)
        os.kill(home.process("gateway:binance-backup")["pid"], signal.SIGKILL)
        done = await task
        while made.desk.moves.under_way:
            await asyncio.sleep(0.05)
        (move,) = made.desk.moves.of("re-1")
        assert move.state == "arrived" and move.ids == ["re-1.t1.1", "re-1.t1.2"], (done, move.words)
        assert [after - at for at, after in zip(before, money(), strict=True)] == [
            -move.margin.amount,
            move.margin.amount,
        ]
        back = {"from": "second", "to": "binance-backup", "currency": "USDT", "amount": f"{move.margin.amount:f}"}
        made.wait()
        reply = await made.desk.trade("BTC-USD", pair, {}, "op-back", "test", transfers=[back])
        assert reply.success and "have arrived" in reply.reason, reply
        assert money() == before and len(made.desk.moves.of("op-back")[0].ids) == 3

    on(home, work)
