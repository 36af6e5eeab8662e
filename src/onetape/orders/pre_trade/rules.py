"""The pre-trade checks of an order: one list of rules, in the order in which they are tested.

A new order, an amendment (as the order that replaces the old one) and the rest of an order that is placed again are
tested by this list, whoever requests them. A dry run and the documentation are made from it, too. An entry has its
name, the errors that it refuses with, whether a true reduction passes it, its test, and its measure: the figure that it
compares and the limit, as text. Pure; only `take` counts, for an order that has passed so far.

A reduction can only reduce a position. It passes the rules that stop new risk: the kill switch, lost and silent
streams, unknown orders, the account's mode and every limit of ours. It does not pass if it would be none: more than the
position less the working reductions, or a trade with an order of our own, which would leave the position unchanged; nor
against a rule of the venue, which would refuse it. The venue's band is measured by the last price: on a silent market
the band widens with time for a reduction. Kill switch, halts, lease and protection also pass a plain order that reduces
a position. Cancels always pass, and are not tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from onetape.model.errors import (
    BY_CODE,
    AccountMode,
    BannedSymbol,
    DiskFull,
    DuplicateCommand,
    InsufficientFunds,
    Killed,
    MarketDataUnavailable,
    NoGuardian,
    NoLease,
    NotProtected,
    OnetapeError,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderRate,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
    StaleData,
    UnknownSymbol,
    VenueUnavailable,
)
from onetape.orders.filters import NOT_MEASURED, VENUE_RULES, Measure, Refusal, VenueRule, keeps_rules
from onetape.orders.pre_trade import allowances, exposure, readiness
from onetape.orders.pre_trade.view import View

__all__ = ["RULES", "Check", "Rule", "checks", "refusal_of"]


class Rule(NamedTuple):
    """One rule of the pre-trade list.

    broken: returns why the rule refuses, None: it passes.
    reduction: True: a reduction passes without a test.
    take: counts an order that has passed this rule.
    may_be_broken: if False, this rule and its neighbours with the same function pass, and count nothing.
    """

    name: str
    errors: tuple[type[OnetapeError], ...]
    broken: Callable[[View], Refusal | None]
    measure: Callable[[View], Measure]
    reduction: bool = False
    take: Callable[[View], None] | None = None
    may_be_broken: Callable[[View], bool] | None = None


class Check(NamedTuple):
    """The outcome of one rule for an order. refusal: None: passed. figure, limit: None: the rule has none."""

    rule: str
    refusal: Refusal | None
    figure: str | None = None
    limit: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Renders `rule`, `passed`, `figure`, `limit`, and if refused `code`, `name` and `reason`."""
        shown = {"rule": self.rule, "passed": self.refusal is None, "figure": self.figure, "limit": self.limit}
        if self.refusal is None:
            return shown
        return {**shown, **self.refusal._asdict(), "name": BY_CODE[self.refusal.code].name}


def refusal_of(view: View) -> Refusal | None:
    """Returns the refusal of the first broken rule, with its name before the text; None: all pass. An order that gets
    to the rate rules is counted."""
    for may_be_broken, tests, takes in _STEPS[view.reduces]:
        if may_be_broken(view):
            for broken, rule in tests:
                refusal = broken(view)
                if refusal is not None:
                    return _named(rule, refusal)
            for take in takes:
                take(view)
    return None


def checks(view: View) -> list[Check]:
    """Returns the outcome of each rule, in the same order. Nothing is counted."""
    if not view.is_listed:  # nothing else can be tested
        rule = RULES[0]
        return [Check(rule.name, _refusal(rule, view), *rule.measure(view))]
    found = []
    for question, rules in _GROUPS:
        may_be_broken = question(view)
        for rule in rules:
            refusal = _refusal(rule, view) if may_be_broken else None
            found.append(Check(rule.name, refusal, *rule.measure(view)))
    return found


def _refusal(rule: Rule, view: View) -> Refusal | None:
    refusal = None if rule.reduction and view.reduces else rule.broken(view)
    return None if refusal is None else _named(rule, refusal)


def _named(rule: Rule, refusal: Refusal) -> Refusal:
    return Refusal(refusal.code, f"{rule.name}: {refusal.reason}")


def _not_measured(view: View) -> Measure:
    return NOT_MEASURED


def _may_break_venue(view: View) -> bool:
    return not keeps_rules(view.at_venue or view.spec, view.instrument, view.reference)


def _of_venue(rule: VenueRule) -> Rule:
    def broken(view: View) -> Refusal | None:
        spec = view.at_venue or view.spec
        words = rule.words(spec, view.instrument, view.near, view.widened)
        return Refusal.of(rule.error, words) if words else None

    def measure(view: View) -> Measure:
        spec = view.at_venue or view.spec
        return rule.measure(spec, view.instrument, view.near, view.widened)

    return Rule(rule.name, (rule.error,), broken, measure)


def _together(may_be_broken: Callable[[View], bool], *rules: Rule) -> Iterator[Rule]:
    """Groups rules under one cheap test, which nearly all orders pass."""
    return (rule._replace(may_be_broken=may_be_broken) for rule in rules)


RULES: Final = (
    *_together(
        readiness.may_be_wrong,
        Rule("instrument", (UnknownSymbol,), readiness.unlisted, readiness.symbol),
        Rule("client id", (OrderInvalid,), readiness.long_id, readiness.id_chars),
        Rule("request key", (DuplicateCommand, OrderInvalid, OrderRate), readiness.taken, _not_measured),
        Rule("position side", (AccountMode,), readiness.of_other_side, readiness.position_side),
        Rule("market price", (MarketDataUnavailable,), readiness.unpriced, readiness.market_price),
    ),
    *_together(
        readiness.may_be_halted,
        Rule("kill switch", (Killed,), readiness.killed, readiness.kill_switch, True),
        Rule("journal", (DiskFull,), readiness.full, readiness.room, True),
        Rule("danger", readiness.HALTED, readiness.by_robot, readiness.danger),
        Rule("halt", readiness.HALTED, readiness.halted, readiness.halt, True),
        Rule("guardian", (NoGuardian,), readiness.unguarded, readiness.lease, True),
        Rule("host lease", (NoLease,), readiness.unleased, readiness.host_lease, True),
        Rule("protection", (NotProtected,), readiness.unprotected, readiness.protection, True),
        # A silent stream also leaves the account unreconciled; its silence is the better reason, so it comes first.
        Rule("account stream", (StaleData,), readiness.deaf, readiness.account_stream, True),
        Rule("reconciled", (VenueUnavailable,), readiness.not_reconciled, readiness.reconciled),
        Rule("market data", (StaleData,), readiness.silent, readiness.silence, True),
        Rule("decision age", (StaleData,), readiness.late, readiness.lateness, True),
        Rule("unknown orders", (OrderOutcomeUnknown,), readiness.unknown, readiness.unknown_orders, True),
    ),
    *_together(_may_break_venue, *map(_of_venue, VENUE_RULES)),
    Rule("account mode", (AccountMode,), readiness.other_mode, readiness.account_mode, True),
    Rule("own orders", (SelfTrade,), exposure.meets, exposure.own_orders),
    *_together(
        exposure.may_be_beyond,
        Rule("sub-account reduction", (ReduceOnlyViolated, PositionLimit), exposure.beyond_share, exposure.share),
        Rule("reduction", (ReduceOnlyViolated,), exposure.beyond_held, exposure.held),
    ),
    *_together(
        exposure.may_be_limited,
        Rule("symbols", (BannedSymbol,), exposure.not_allowed, exposure.allowed, True),
        Rule("order size", (OrderInvalid,), exposure.above_order_max, exposure.order_size, True),
        Rule("order value", (PositionLimit, StaleData), exposure.above_order_value, exposure.order_value, True),
        Rule("open orders", (PositionLimit,), exposure.above_open_orders, exposure.open_orders, True),
        Rule("open value", (PositionLimit, StaleData), exposure.above_open_value, exposure.open_value, True),
        Rule("position", (PositionLimit,), exposure.above_position_max, exposure.position, True),
        Rule("price band", (PriceBand, StaleData), exposure.outside_band, exposure.price_band, True),
    ),
    *_together(
        allowances.is_counted,
        Rule("robot's order rate", (OrderRate,), allowances.too_fast, allowances.robot_rate, True),
        Rule(
            "messages",
            (OrderRate,),
            allowances.too_many_messages,
            allowances.messages,
            True,
            take=allowances.count_message,
        ),
        Rule("order rate", (OrderRate,), allowances.too_many, allowances.rate, True, take=allowances.count),
    ),
    # Money is tested last: an order that lacks only money may wait for it.
    *_together(
        allowances.may_be_unpaid,
        Rule("money", (InsufficientFunds,), allowances.unpaid, allowances.spot_money),
        Rule("sub-account money", (InsufficientFunds,), allowances.share_unpaid, allowances.share_money),
    ),
)

# The list as it is executed: a group's cheap test, its rules, and its counters. Plain tuples, which Python unpacks
# fastest.
_Tests = tuple[tuple[Callable[[View], Refusal | None], Rule], ...]
_Step = tuple[Callable[[View], object], _Tests, tuple[Callable[[View], None], ...]]


_GROUPS: Final = tuple(
    (question, tuple(rules)) for question, rules in groupby(RULES, key=lambda rule: rule.may_be_broken or rule.broken)
)


def _steps(*, reduces: bool) -> Iterator[_Step]:
    for question, rules in _GROUPS:
        tests = tuple((each.broken, each) for each in rules if not (reduces and each.reduction))
        takes = tuple(each.take for each in rules if each.take is not None)
        if tests or takes:
            yield question, tests, takes


_STEPS: Final = (tuple(_steps(reduces=False)), tuple(_steps(reduces=True)))
