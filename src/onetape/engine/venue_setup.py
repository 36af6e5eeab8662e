"""Set up a session's venues in the loop: money, latency, rules. Each function checks that the run has the venues it
names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from onetape import _core
from onetape.engine.accounts import SHARED
from onetape.engine.host import Host
from onetape.engine.latency import RECORDED, Latency
from onetape.engine.plan import DEFAULT_CASH, RunPlan
from onetape.engine.tape_facts import streams_of
from onetape.engine.venue_options import Closed
from onetape.model.decimals import decimal_text
from onetape.model.errors import BadConfig
from onetape.model.instrument import Instrument, Kind
from onetape.model.symbol import at_exchange
from onetape.model.time import TIME_MAX
from onetape.model.user_rules import default_loans
from onetape.tape.journal import JournalReader

__all__ = ["check_venues", "fund", "prepare_venues", "set_venue_rules", "with_venue_clocks"]


def with_venue_clocks(plan: RunPlan) -> RunPlan:
    """Returns the latency with `feed=recorded` resolved: the offset of a venue's clock from ours, once for the run."""
    return replace(
        plan,
        latency=_with_clock(plan.latency, plan, None),
        latencies={venue: _with_clock(latency, plan, venue) for venue, latency in plan.latencies.items()},
    )


def _with_clock(latency: Latency, plan: RunPlan, venue: str | None) -> Latency:
    """Resolve one latency. venue: only its data define its clock; None: all recorded data."""
    if latency.clock != RECORDED or latency.feed is not None:
        return latency
    offsets = []
    for each in plan.inputs:
        path = Path(each.path)
        streams: list[int] = []
        if venue is not None:
            streams = [s for s, facts in streams_of(path).items() if facts.venue == at_exchange(venue)]
            if not streams:
                continue
        with JournalReader(path) as reader:
            offsets.append(_core.clock_offset(reader.core, streams))
    least = min(offsets, default=TIME_MAX)
    if least == TIME_MAX:
        owner = f" of {venue}" if venue else ""
        raise BadConfig(
            f"no quote, trade or book{owner} carries a stamp of its venue",
            location="--latency feed=recorded",
            todo="give the age of events: feed=2ms",
        )
    return replace(latency, feed=least - latency.feed_age_min)


def prepare_venues(plan: RunPlan, host: Host) -> None:
    """Prepare venues before instruments are added: the currency of the run's equity comes first."""
    host.is_apart = bool(plan.accounts)
    host.trade_on(plan.named_accounts)
    host.leverages = dict.fromkeys(plan.money, float(plan.leverage))
    for account, cash in plan.money.items():
        for currency in cash:
            host.money_index(account, currency)
    if plan.latencies:  # each account has a route of its own
        further = [venue for venue in plan.accounts if plan.option_of(plan.latencies, venue) is not None]
        for venue in dict.fromkeys([*(each for each in plan.latencies if "@" not in each), *further]):
            host.loop.set_latency(host.venue_number(venue), plan.latency_of(venue).core())


def _venues(instruments: Iterable[Instrument]) -> list[str]:
    return sorted({each.venue for each in instruments})


def check_venues(plan: RunPlan, host: Host) -> None:
    """Check that every venue named by an option is in the data. Raises BadConfig."""
    venues = _venues(host.instruments.values())
    listed = {*venues, *(f"{at_exchange(venue)}@{name}" for venue, name in plan.account_names.items())}
    named: list[tuple[str, Iterable[str]]] = [
        ("--cash", plan.accounts),
        ("--latency", plan.latencies),
        ("--fee", plan.fees),
        ("--order-rate", plan.venue.order_rates),
        ("--fee-volume", plan.fee_volumes),
        ("--closed", [each.venue for each in plan.venue.closed if each.venue]),
    ]
    for option, names in named:
        for venue in names:
            if venue not in listed and plan.live is None:
                raise BadConfig(
                    f"no instrument of venue {venue!r} is in the data",
                    location=option,
                    todo=f"name one of {', '.join(venues)}",
                )
    for venue in venues:
        if plan.accounts and venue not in plan.accounts and plan.live is None:  # else the venue is only followed
            settle = next(i.settle for i in host.instruments.values() if i.venue == venue)
            raise BadConfig(
                f"no cash at {venue}, and other venues have an account of their own",
                location="--cash",
                todo=f"add '{venue}=50000 {settle}', or '{venue}=0 {settle}' to trade nothing there",
            )


def fund(plan: RunPlan, host: Host, wanted: Instrument) -> RunPlan:
    """Deposit the run's money; returns the plan that names it. wanted: the instrument whose money is used by
    default."""
    if not plan.cash and not plan.accounts:
        amount = Decimal(10) if wanted.kind is Kind.INVERSE else DEFAULT_CASH
        plan = replace(plan, cash={wanted.settle: amount})
    for account, cash in plan.money.items():
        funded = [i for i in host.instruments.values() if account in (SHARED, i.venue)]
        useful = _useful(funded)
        for currency, amount in cash.items():
            if currency not in useful:
                at, prefix = (f" at {account}", f"{account}=") if account else ("", "")
                settle = funded[0].settle if account else wanted.settle
                raise BadConfig(
                    f"cash in {currency}{at}, and the instruments{' there' if account else ''} "
                    f"settle in {', '.join(sorted(useful))}",
                    location="--cash",
                    todo=f"give for example --cash '{prefix}{amount} {settle}'",
                )
            host.loop.deposit(host.money_index(account, currency), decimal_text(Decimal(amount)))
    _count_money(plan, host)
    if plan.accounts:  # a later instrument may settle in another currency
        host.new_instrument = lambda: _count_money(plan, host)
    return plan


def _count_money(plan: RunPlan, host: Host) -> None:
    """Set the currencies that the run's equity sums, and whose balances go on the tape."""
    host.counted, host.counts = _counted(plan, host), plan.counts
    host.loop.set_report_currencies(host.counted)
    if not plan.accounts:
        return
    useful: dict[str, set[str]] = {}
    for venue in _venues(host.instruments.values()):
        useful[venue] = _useful(i for i in host.instruments.values() if i.venue == venue)
    host.loop.set_account_money(
        [
            (number, account, name)
            for number, (account, name) in enumerate(host.money)
            if name in useful.get(account, ())
        ]
    )


def _useful(instruments: Iterable[Instrument]) -> set[str]:
    """Returns the currencies that an account with these instruments can hold: never a contract's base."""
    found = list(instruments)
    return {i.settle for i in found} | {i.base for i in found if i.kind is Kind.SPOT}


def _counted(plan: RunPlan, host: Host) -> list[int]:
    """Returns the numbers of the currencies that the run's equity sums. A currency valued as a spot holding is not
    counted again as money."""
    first = host.money_index(next(iter(plan.money)), plan.currency)
    pairs = {
        tuple(host.money_index(host.account_of(each.venue), name) for name in (each.base, each.settle))
        for each in host.instruments.values()
        if each.kind is Kind.SPOT and plan.counts(each.base) and plan.counts(each.settle)
    }
    valued = {base for base, _ in pairs} | {settle for base, settle in pairs if base == first}
    rest = [n for n, (_, name) in enumerate(host.money) if plan.counts(name)]
    return [first, *(n for n in rest if n != first and n not in valued)]


def set_venue_rules(plan: RunPlan, host: Host) -> RunPlan:
    """Set closed hours, order rates, loans, and the volume before the start; returns the plan with the loans'
    levels."""
    for currency in plan.venue.borrow:
        if currency not in host.currencies:
            raise BadConfig(
                f"{currency} is not a currency of the data",
                location="--borrow",
                todo=f"name one of {', '.join(host.currencies)}",
            )
    if plan.venue.borrow and plan.venue.loans is None:
        loans = default_loans([each.venue for each in host.instruments.values() if each.kind is Kind.SPOT])
        plan = replace(plan, venue=replace(plan.venue, loans=loans))
    money = list(enumerate(host.money))
    options = replace(plan.venue, order_rates=_order_rates(plan), closed=_closed(plan))
    rules = options.core(
        lambda name: [(n, account) for n, (account, each) in money if each == name], host.venue_number, host.instruments
    )
    names = [f"{name} at {account}" if account else name for account, name in host.money]
    host.loop.set_rules(_core.VenueRules(**rules, currencies=names))
    host.loop.set_fee_volume(decimal_text(plan.fee_volume))

    def traded_before(venue: str, group: int) -> None:
        if (volume := plan.own_of(plan.fee_volumes, venue)) is not None:
            host.loop.set_group_volume(group, decimal_text(volume))

    for (venue, _, _), group in host.volume_groups.items():
        traded_before(venue, group)
    host.new_volume_group = traded_before  # a later version may bring a fee schedule
    return plan


def _order_rates(plan: RunPlan) -> dict[str, tuple[int, int]]:
    """Returns order rates; an exchange's rate applies to each account there."""
    found = {venue: rate for venue, rate in plan.venue.order_rates.items() if "@" not in venue}
    return found | {
        venue: rate for venue in plan.accounts if (rate := plan.option_of(plan.venue.order_rates, venue)) is not None
    }


def _closed(plan: RunPlan) -> list[Closed]:
    """Returns closed hours; a closed exchange is closed for all accounts there."""
    further = [venue for venue in plan.accounts if "@" in venue]
    found = [
        each._replace(venue=venue)
        for each in plan.venue.closed
        for venue in [each.venue, *(other for other in further if at_exchange(other) == each.venue)]
    ]
    return sorted(found, key=lambda each: each.start)
