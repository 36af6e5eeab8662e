"""Both exchanges play one world. Where they differ, the world is cut down to what still differs
and printed as a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import core_tested

from onetape import _core
from onetape.model.margin import core_rows
from reference.account import SIDES
from reference.exchange import Exchange
from reference.facts import Facts
from reference.shrink import script, shrunk
from reference.worlds import Step, World

QUEUES = ("conservative", "power", "power2", "power3", "log", "log2")
SNAPSHOT = 1  # flag of a frame
COUNTED = ("ambiguous_bars", "ambiguous_fills", "gapped_limits", "late_stops")
SPEC = (
    "kind", "price_decimals", "size_decimals", "tick", "lot", "size_min", "size_max", "market_lot",
    "market_size_min", "market_size_max", "notional_min", "maker_fee", "taker_fee", "band_up",
    "band_down", "maintenance_rate",
)  # fmt: skip
TERMS = ("leverage", "liquidation_fee", "fee_tiers", "volume_group", "expiry", "venue", "refuses_met_triggers")


class Fast:
    """The core's exchange behind the calls of the reference."""

    def __init__(self, world: World) -> None:
        self.core = core_tested.RecordedExchange(
            hedge=world.hedge,
            leverage=world.leverage,
            isolated=world.isolated,
            check_funds=world.check_funds,
            bar_volume_share=world.bar_volume_share,
            queue_model=QUEUES.index(world.queue.name),
            queue_exponent=world.queue.exponent,
            queue_by_order=True,  # where there are orders
            **({"impact": tuple(world.impact)} if world.impact else {}),
            limits_at_limit=world.limits_at_limit,
        )
        for index, facts in enumerate(world.facts):
            self.update(index, facts)
        rules = world.rules
        self.core.set_rules(
            _core.VenueRules(
                order_limit=rules.order_limit,
                order_window=rules.order_window,
                trigger_delay=rules.trigger_delay,
                order_rates=[(venue, *rate) for venue, rate in rules.order_rates.items()],
                closed=[(c.begin, c.end, c.venue, c.cancels) for c in rules.closed],
                borrow=list(rules.borrow.items()),
                loans=(rules.loans.call, rules.loans.liquidation, rules.loans.fee),
                deleveragings=list(rules.take_overs),
                currencies=[str(number) for number in (0, *world.money)],
            )
        )
        self.core.begin(0)

    def update(self, index: int, facts: Facts) -> None:
        values = {name: getattr(facts, name) for name in SPEC}
        spec = _core.InstrumentSpec(**values, multiplier=int(facts.multiplier))
        self.core.add_instrument(index, spec, facts.settle, facts.base)
        terms = {name: getattr(facts, name) for name in TERMS}
        terms["fee_tiers"] = list(facts.fee_tiers)
        self.core.set_terms(index, _core.InstrumentTerms(brackets=core_rows(facts.brackets), **terms))

    def clock(self, now: int) -> list[dict[str, Any]]:
        events = []
        while min(self.core.next_event, self.core.next_expiry) <= now:
            event, expiry = self.core.next_event, self.core.next_expiry
            call = self.core.run_events if event <= expiry else self.core.expire
            events += call(min(event, expiry))
        return events

    def money(self, world: World) -> dict[str, Any]:
        a = self.core.account
        result = {f"balance {c}": a.balance(c) for c in world.money}
        for i in range(len(world.facts)):
            result |= {
                f"fees {i}": a.fees(i),
                f"funding {i}": a.funding(i),
                f"liquidation fees {i}": a.liquidation_fees(i),
                f"insurance {i}": a.insurance(i),
                f"impact {i}": self.core.impact_cost(i),
                f"gapped {i}": self.core.gapped_gain(i),
            }
            for side in SIDES:
                p = a.position(i, side)
                result[f"position {i} {side}"] = (p.qty, p.cost, p.realized, a.allotted(i, side))
        result |= {name: self.core.counters()[name] for name in COUNTED}
        return result | {f"interest {c}": a.interest(c) for c in world.money}


def slow_exchange(world: World) -> Exchange:
    return Exchange(
        world.facts,
        rules=world.rules,
        leverage=world.leverage,
        hedge=world.hedge,
        isolated=world.isolated,
        queue=world.queue,
        bar_volume_share=world.bar_volume_share,
        check_funds=world.check_funds,
        impact=world.impact,
        limits_at_limit=world.limits_at_limit,
    )


def slow_money(slow: Exchange, world: World) -> dict[str, Any]:
    a = slow.account
    result: dict[str, Any] = {f"balance {c}": a.balances[c] for c in world.money}
    for i in range(len(world.facts)):
        result |= {
            f"fees {i}": a.fees[i],
            f"funding {i}": a.funding[i],
            f"liquidation fees {i}": a.liquidation_fees[i],
            f"insurance {i}": a.insurance[i],
            f"impact {i}": slow.impact_costs[i],
            f"gapped {i}": slow.gapped_gains[i],
        }
        for side in SIDES:
            h = a.held.get((i, side))
            result[f"position {i} {side}"] = (h.qty, h.cost, h.realized, h.margin) if h else (0, 0, 0, 0)
    result |= {name: getattr(slow, name) for name in COUNTED}
    return result | {f"interest {c}": a.interest[c] for c in world.money}


def play(step: Step, fast: Fast, slow: Exchange) -> tuple[list[Any], list[Any]]:
    """One step in both: what it caused here and there."""
    name, now, *cells = step
    before = (fast.clock(now), slow.clock(now))
    core = fast.core
    if name == "deposit":
        core.deposit(*cells)
        slow.account.balances[cells[0]] += cells[1]
        return before
    if name == "finish":
        return before[0] + core.finish(now), before[1] + slow.finish(now)
    index, *cells = cells
    if name == "attach":
        core.attach(*cells)
        slow.attach(*cells)
        return before
    if name == "version":
        fast.update(index, cells[0])
        slow.update(index, cells[0])
        return before
    if name in ("place", "cancel", "amend"):
        fields = cells[-1] if isinstance(cells[-1], dict) else {}
        if name != "place":
            fields = {"order_id": cells[0], **fields}
        requests = (core.request(now, index, kind=name, **fields), slow.ask(now, index, kind=name, **fields))
    elif name == "bar":
        opened, *prices = cells
        requests = (core.bar(opened, now, *prices, index), slow.bar(opened, now, *prices, index=index))
    elif name == "mbo":
        action, number, side, price, size, last, reported, snapshot = cells
        flags = SNAPSHOT if snapshot else 0
        requests = (
            core.mbo(now, action, number, side, price, size, last, reported, flags, index),
            slow.mbo(now, *cells, index=index),
        )
    else:
        calls = {"funding": (core.funding, slow.pay)}
        a, b = calls.get(name) or (getattr(core, name), getattr(slow, name))
        requests = a(now, *cells, index=index), b(now, *cells, index=index)
    return before[0] + requests[0], before[1] + requests[1]


def play_all(world: World, core_facts: Sequence[Facts] | None = None) -> tuple[str | None, list[dict[str, Any]], Fast]:
    """Where the two part first, or None when they agree to the last unit; what the core said; the
    core. core_facts: other instruments for the core, to try the comparison itself."""
    fast = Fast(replace(world, facts=list(core_facts)) if core_facts else world)
    slow = slow_exchange(world)
    said: list[dict[str, Any]] = []
    for currency, amount in world.deposits.items():
        fast.core.account.deposit(currency, amount)
        slow.account.balances[currency] += amount
    if world.volume:
        fast.core.add_volume(0, world.volume)
        groups = {facts.volume_group for facts in world.facts} | {0}
        slow.traded += [(0, group, world.volume) for group in groups]
    for number, step in enumerate(world.steps):
        got, wanted = play(step, fast, slow)
        said += got
        context = f"step {number} {step}:\n"
        for one, two in zip(got, wanted, strict=False):
            if one != two:
                odd = {k: (one.get(k), two.get(k)) for k in one | two if one.get(k) != two.get(k)}
                return f"{context}  core      {one}\n  reference {two}\n  {odd}", said, fast
        if len(got) != len(wanted):
            more = "core" if len(got) > len(wanted) else "reference"
            rest = max(got, wanted, key=len)[min(len(got), len(wanted)) :]
            return f"{context}  the {more} alone says {rest}", said, fast
        local, there = fast.money(world), slow_money(slow, world)
        if local != there:
            odd = {k: (local[k], there[k]) for k in local if local[k] != there[k]}
            return f"{context}  money differs (core, reference): {odd}", said, fast
    return None, said, fast


def difference(world: World, core_facts: Sequence[Facts] | None = None) -> str | None:
    return play_all(world, core_facts)[0]


def explained(world: World, core_facts: Sequence[Facts] | None = None) -> str | None:
    """None, or the smallest case that still differs, as text."""
    if difference(world, core_facts) is None:
        return None
    small = shrunk(world, lambda tried: difference(tried, core_facts) is not None)
    return f"{difference(small, core_facts)}\n\n{script(small)}"
