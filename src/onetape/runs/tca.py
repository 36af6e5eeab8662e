"""Analyse the transaction costs of a run: the cost of each parent order against the market at its decision, by cause.

With V the value of the filled quantity at a price, s +1 for a buy and -1 for a sell (the other way round for inverse
contracts), A the mid at the decision, B the mid when the first order arrived at the exchange, M the mid just before a
fill and P its price:

    shortfall = sum of s (V(P) - V(A)) + fees
              = sum of s (V(B) - V(A))      delay
              + sum of s (V(M) - V(B))      impact: the market's move while the order worked, own push and drift
              + sum of s (V(P) - V(M))      spread: paid beyond the mid, below zero where earned
              + fees

In a run whose own takers moved the market (--impact) a fill meets the recorded market, M, plus
their impact: with R the fill's price without impact,

    impact = sum of s (V(M) - V(B))      drift: of the recorded market, which never saw the run
           + sum of s (V(P) - V(R))      own_push

and spread is the rest. All values are whole units of 1e-18, so the parts add up to the shortfall exactly. A cost is
positive. Separately, the cost of the quantity that was missing at a target's end (deadline):

    opportunity = sum of s (V(E) - V(A)) of the missing quantity, E the mid at the end
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from onetape.engine.impact import Impact
from onetape.engine.plan import RunPlan, read_plan, to_toml
from onetape.model.errors import BadInput
from onetape.model.instrument import Instrument
from onetape.model.money import money_text
from onetape.model.time import MS
from onetape.replay.filled_orders import FilledOrder, OrderFill, OrdersOfRun, read_orders
from onetape.replay.market_prices import Market
from onetape.replay.resampling import interval_of, resampled
from onetape.report.order_flow import spread
from onetape.runs.impact_fit import ImpactFit, ParentOrders, fit_rows, impact_rows
from onetape.runs.pushed_fills import read_pushed_fills
from onetape.tape.durable import SHARED, write_durably

__all__ = ["CAUSES", "PARTS", "Costs", "costs_of", "fit_impact", "run_costs"]

CAUSES: Final = ("spread", "impact", "delay", "fees")
_BUY, _SELL = 1, 2
_TAKER: Final = 2
_COLUMNS: Final = ("shortfall", *CAUSES, "against_vwap", "opportunity")
PARTS: Final = ("own_push", "drift")  # parts of impact, if an impact model separates them
_GROUPS: Final = ("strategy", "symbol", "algo", "side")


@dataclass(slots=True)
class Parent:
    """One target with its orders, or a single order. Costs in 1e-18 of `currency`; prices in half price units."""

    strategy: str
    symbol: str
    side: str
    algo: str
    currency: str
    facts: Instrument
    number: int  # number of the target, or of the single order
    start: int  # time of the decision, ns
    orders: list[FilledOrder] = field(default_factory=list)
    prices: dict[str, int | Fraction] = field(default_factory=dict)
    cost: dict[str, int] = field(default_factory=dict)
    notional: int = 0  # filled quantity, valued at the mid of the decision
    missing: int = 0  # units missing at the target's end
    ended: int = 0  # ns; 0: still working, or a single order
    missed: int = 0  # missing quantity, valued at the mid of the decision

    @property
    def fills(self) -> list[OrderFill]:
        return [fill for order in self.orders for fill in order.fills]

    def value(self, halves: int, size: int) -> int:
        return self.facts.cost_units(self.side, halves, size)

    def base(self, name: str) -> int:
        """Returns the notional to which basis points of a cost refer, 0 where the cost is unknown."""
        return (self.notional + self.missed * (name == "opportunity")) * (name in self.cost)

    def as_json(self) -> dict[str, Any]:
        facts, fills = self.facts, self.fills
        size = sum(fill.size for fill in fills)
        average = sum(fill.price * fill.size for fill in fills) / size if size else None
        scale = 2 * 10.0**facts.price_decimals
        return {
            **{name: getattr(self, name) for name in ("strategy", "symbol", "side", "algo", "number", "currency")},
            "ts": self.start,
            "ts_end": max([self.ended, *(fill.time for fill in fills)]),
            "orders": len(self.orders),
            "fills": len(fills),
            "filled": facts.size_text(size),
            "missing": facts.size_text(self.missing),
            "average_price": average / scale if average is not None else None,
            **{name: price / scale if price else None for name, price in self.prices.items()},
            **{name: money_text(units) for name, units in self.cost.items()},
            **{f"{name}_bps": units / base * 1e4 for name, units in self.cost.items() if (base := self.base(name))},
        }


@dataclass(slots=True)
class Costs:
    """A run's costs. parents: those with fills and a market on the tapes, by time of decision; unpriced: number of
    other parents with fills; forced: number of orders by the venue itself; other_fees: asset -> fees in other
    currencies, not part of a shortfall; latency: rows by strategy; own_impact: fit of the square-root law."""

    currency: str
    parents: list[Parent]
    own_impact: ImpactFit
    unpriced: int = 0
    forced: int = 0
    other_fees: dict[str, int] = field(default_factory=dict)
    reference: dict[str, str] = field(default_factory=dict)
    latency: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "currency": self.currency,
            "costs": self.causes(),
            **{f"by_{name}": self.grouped(name) for name in _GROUPS},
            "parents": [each.as_json() for each in self.parents],
            "unpriced": self.unpriced,
            "forced": self.forced,
            "other_fees": {asset: money_text(units) for asset, units in sorted(self.other_fees.items())},
            "reference": self.reference,
            "latency": self.latency,
            "own_impact": self.own_impact.as_json(),
        }

    def causes(self) -> list[dict[str, Any]]:
        """Returns a row for each currency and cause: amount, basis points of the notional, and their 95 % interval."""
        found = []
        for currency in dict.fromkeys([self.currency, *(each.currency for each in self.parents)]):
            mine = [each for each in self.parents if each.currency == currency]
            errors = _errors(mine)
            parts = PARTS if any("own_push" in each.cost for each in mine) else ()
            for name in (*_COLUMNS, *parts):
                row = _row(mine, name, errors[name])
                found.append({"cause": name, "currency": currency, **row})
        return found

    def grouped(self, by: str) -> list[dict[str, Any]]:
        """Returns a row for each value of `by` and currency, with its shortfall, its interval, and each cause in
        basis points."""
        groups: dict[tuple[str, str], list[Parent]] = defaultdict(list)
        for each in self.parents:
            groups[getattr(each, by), each.currency].append(each)
        return [
            {
                by: key,
                "currency": currency,
                "parents": len(mine),
                **_row(mine, "shortfall", _errors(mine)["shortfall"]),
                **{f"{name}_bps": _row(mine, name, (None, None))["bps"] for name in _COLUMNS[1:]},
            }
            for (key, currency), mine in sorted(groups.items())
        ]


def costs_of(run: Path, law: Impact | None = None) -> Costs:
    """Returns the costs of a run's folder. law: as in run_costs. Raises BadConfig for a folder that is no run,
    BadInput where a tape of its market is missing."""
    plan, _ = read_plan(run)
    found = read_orders(run / "journal")
    return run_costs(plan, found, Market(plan, sorted(found.actions.instruments)), read_pushed_fills(run), law)


def fit_impact(run: Path, out: Path, law: Impact | None = None) -> ImpactFit:
    """Write the file for `--impact FILE`. law: as in run_costs. Raises BadInput when own impact cannot be
    distinguished from none."""
    fit = costs_of(run, law).own_impact
    if not fit.is_positive:
        raise BadInput(
            str(fit), location=str(run), todo="name a run with larger or more taker orders; or assume --impact sqrt"
        )
    facts = {name: value for name, value in fit.as_json().items() if value is not None}
    write_durably(out, to_toml({"impact": {**facts, "run": str(run)}}), mode=SHARED)
    return fit


def run_costs(
    plan: RunPlan,
    found: OrdersOfRun,
    market: Market,
    recorded: Mapping[int, int] | None = None,
    law: Impact | None = None,
) -> Costs:
    """Returns the costs of a run. recorded: for a run with own impact, the price of each fill without it, by trade.
    law: values of own impact that are not fitted; None: those of the run's law, or the defaults."""
    root = "/" + plan.strategy.rpartition(":")[2].lower()
    groups: dict[tuple[bool, int, str, int], Parent] = {}
    forced = sum(bool(order.forced and order.fills) for order in found.orders.values())
    for order in found.orders.values():
        if order.forced:
            continue
        key = bool(order.target), order.target or order.number, order.symbol, order.side
        if key not in groups:
            target = found.targets.get(order.target, {})
            facts = found.actions.instruments[order.symbol]
            algo = str(target.get("algo", "touch" if order.target or order.tag == "target" else "order"))
            start = int(target.get("time", order.time))
            groups[key] = Parent(
                order.location or root,
                order.symbol,
                "buy" if order.side == _BUY else "sell",
                algo,
                facts.settle,
                facts,
                key[1],
                start,
            )
        groups[key].orders.append(order)
    _note_ends(groups, found, root)
    wanted = sorted(
        (each for each in groups.values() if each.fills or each.missing), key=lambda each: (each.start, each.number)
    )
    fit = _own_impact(wanted, plan, found, market, law or plan.impact or Impact())
    costs = Costs(plan.currency, [], fit, forced=forced, latency=_latency(found, root))
    for symbol in dict.fromkeys(each.symbol for each in wanted):
        mine = [each for each in wanted if each.symbol == symbol]
        # An order without latency arrives after the event of the same time, an order with latency before it.
        at_once = not plan.is_at_gateway and not any(plan.latency_of(mine[0].facts.venue).longest)
        costs.reference[symbol] = _note_costs(mine, market, symbol, int(at_once))
        if recorded is not None:
            _note_push(mine, recorded)
    for each in wanted:
        if each.cost:
            costs.parents.append(each)
        else:
            costs.unpriced += 1
        for fill in each.fills:
            if fill.other_fee:
                asset = fill.fee_currency
                costs.other_fees[asset] = costs.other_fees.get(asset, 0) + fill.other_fee
    return costs


def _own_impact(parents: Sequence[Parent], plan: RunPlan, found: OrdersOfRun, market: Market, law: Impact) -> ImpactFit:
    filled = [each for each in parents if each.fills]
    rows = impact_rows(
        (ParentOrders(each.facts, 1 if each.side == "buy" else -1, each.start, each.orders) for each in filled),
        found,
        market,
        law,
        at_venue=plan.is_at_gateway,
    )
    return fit_rows(rows, law, unfitted=len(filled) - len(rows))


def _latency(found: OrdersOfRun, root: str) -> list[dict[str, Any]]:
    """Returns a row for each strategy and direction, in ms: from an order's event to the venue's stamp of the answer,
    from there to the robot, and the sum. A clock offset lengthens one direction and shortens the other."""
    stamps: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for order in found.orders.values():
        if order.answered and not order.forced:
            stamps[order.location or root].append((order.time, order.arrived, order.answered))
    rows = []
    for strategy, mine in sorted(stamps.items()):
        sent, there, heard = np.array(mine, dtype=np.int64).T
        for way, took in (("order_to_venue", there - sent), ("venue_to_robot", heard - there), ("both", heard - sent)):
            if (found_of := spread(took)) is not None:
                in_ms = {name: value / MS for name, value in asdict(found_of).items() if name != "count"}
                rows.append({"strategy": strategy, "way": way, "orders": len(mine), **in_ms})
    return rows


def _note_ends(groups: dict[tuple[bool, int, str, int], Parent], found: OrdersOfRun, root: str) -> None:
    """Add the ends of targets to their parents; a target without any order becomes a parent, too."""
    for number, target in found.targets.items():
        symbol = str(target["symbol"])
        if "ended" not in target or symbol not in found.actions.instruments:
            continue
        facts = found.actions.instruments[symbol]
        missing = int(Decimal(target["missing"]).scaleb(facts.size_decimals))
        keys = [(True, number, symbol, side) for side in ((_SELL, _BUY) if missing < 0 else (_BUY, _SELL))]
        parent = next((groups[key] for key in keys if key in groups), None)
        if parent is None and missing:
            side, location = ("buy" if missing > 0 else "sell"), target.get("location") or root
            algo, start = str(target.get("algo", "touch")), int(target["time"])
            parent = Parent(location, symbol, side, algo, facts.settle, facts, number, start)
            groups[keys[0]] = parent
        if parent is not None:
            # Other trades of the run may have moved the position beyond the target.
            parent.ended, parent.missing = target["ended"], max(missing if parent.side == "buy" else -missing, 0)


def _note_costs(parents: Sequence[Parent], market: Market, symbol: str, later: int) -> str:
    """Fill in prices and costs; returns the kind of prices used. later: ns, 1 for orders that arrive after the event
    of the same time."""

    def of_fills(parent: Parent) -> list[int]:
        return [fill.time + later * (fill.liquidity == _TAKER) for fill in parent.fills]

    at, kind = market.reference(symbol, _times(parents, lambda each: [each.start]))
    arrived, _ = market.reference(symbol, _times(parents, _arrival) + later, before=True)
    met, _ = market.reference(symbol, _times(parents, of_fills), before=True)
    last, _ = market.reference(symbol, _times(parents, lambda each: [each.ended]))
    mids = iter(met.tolist())
    for each, decided, begun, end in zip(parents, at.tolist(), arrived.tolist(), last.tolist(), strict=True):
        fills = each.fills
        pairs = [(fill, next(mids)) for fill in fills]
        begun = begun or decided
        if not decided or not all(mid for _, mid in pairs):
            continue
        size = sum(fill.size for fill in fills)
        value = each.value
        paid = sum(value(fill.price, fill.size) for fill in fills)
        middle = sum(value(mid, fill.size) for fill, mid in pairs)
        worked = sum(value(begun, fill.size) for fill in fills)
        expected = sum(value(decided, fill.size) for fill in fills)
        fees = sum(fill.fee for fill in fills)
        vwap = market.vwap(symbol, _arrival(each)[0], max(fill.time for fill in fills)) if fills else Fraction(0)
        each.prices = {"arrival": decided, "arrival_at_venue": begun, "vwap": vwap}
        each.notional = abs(each.facts.core.notional_doubled(decided, size))
        each.cost = {
            "shortfall": paid - expected + fees,
            "spread": paid - middle,
            "impact": middle - worked,
            "delay": worked - expected,
            "fees": fees,
        }
        if each.ended and end:
            each.prices["end"] = end
            each.missed = abs(each.facts.core.notional_doubled(decided, each.missing))
            each.cost["opportunity"] = value(end, each.missing) - value(decided, each.missing)
        if vwap:
            low, high = value(vwap // 1, size), value(vwap // 1 + 1, size)  # the average lies between two prices
            each.cost["against_vwap"] = paid - low - round((high - low) * (vwap % 1))
    return kind


def _note_push(parents: Sequence[Parent], recorded: Mapping[int, int]) -> None:
    """Count displacement by own takers as impact instead of spread. recorded: trade id -> price without own impact."""
    for each in parents:
        if not each.cost:
            continue
        pushed = [fill for fill in each.fills if fill.trade in recorded]
        own = sum(
            each.value(fill.price, fill.size) - each.value(2 * recorded[fill.trade], fill.size) for fill in pushed
        )
        each.cost |= {"own_push": own, "drift": each.cost["impact"]}
        each.cost["impact"] += own
        each.cost["spread"] -= own


def _arrival(parent: Parent) -> list[int]:
    """Returns when the first order reached the exchange, ns; for a parent without orders the time of the decision."""
    came = [order.arrived or order.fills[0].time for order in parent.orders if order.arrived or order.fills]
    return [min(came, default=parent.start)]


def _times(parents: Sequence[Parent], of: Callable[[Parent], list[int]]) -> NDArray[np.int64]:
    return np.array([time for each in parents for time in of(each)], dtype=np.int64)


def _row(parents: Sequence[Parent], name: str, interval: tuple[float | None, float | None]) -> dict[str, Any]:
    priced = [each for each in parents if name in each.cost]
    amount = sum(each.cost[name] for each in priced)
    notional = sum(each.base(name) for each in priced)
    return {
        "amount": money_text(amount),
        "bps": amount / notional * 1e4 if notional else None,
        "low": interval[0],
        "high": interval[1],
    }


def _errors(parents: Sequence[Parent]) -> dict[str, tuple[float | None, float | None]]:
    """Returns name -> 95 % interval of each cost in basis points, from resampled parents; (None, None) for fewer than
    two parents."""
    columns = (*_COLUMNS, *PARTS)
    found: dict[str, tuple[float | None, float | None]] = dict.fromkeys(columns, (None, None))
    if len(parents) < 2:
        return found
    table = np.array([[float(each.cost.get(name, 0)) for name in columns] for each in parents])
    priced = np.array([[float(each.base(name)) for name in columns] for each in parents])
    sums = resampled(np.hstack([table, priced]))
    for at, name in enumerate(columns):
        amount, below = sums[:, at], sums[:, at + len(columns)]
        shares = np.divide(amount * 1e4, below, out=np.full(len(sums), np.nan), where=below > 0)
        found[name] = interval_of(shares) or (None, None)
    return found
