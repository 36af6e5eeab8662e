"""Parse the options for a run's simulated venues by time and count, and convert them to the core's VenueRules.

    closed        [VENUE@]FROM..TO[,cancel]     orders are refused; resting ones wait, or are canceled
    order rate    [VENUE=]N/DURATION            orders and amendments a venue takes in a time
    borrow        CUR=RATE[,CUR=RATE]           share of a negative balance, each full hour UTC
    trigger delay DURATION                      from trigger to live order

Levels at which loans are called in, and positions that the venue takes over, come from the file of
--instruments (model/user_rules.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from onetape.engine.by_venue import ByVenue, split_by_venue
from onetape.model.errors import BadConfig, BadInput, UsageError
from onetape.model.instrument import Instrument, Kind
from onetape.model.money import rate_units
from onetape.model.near import list_symbols
from onetape.model.time import DAY, format_time, parse_duration, parse_time
from onetape.model.user_rules import NEVER_CALLED, Adl, LoanLevels, rules_of

ORDERS_MAX: Final = 10**9
WINDOW_MAX: Final = DAY
SPANS_MAX: Final = 1000


class Closed(NamedTuple):
    """Hours in which a venue takes no requests: ns UTC, the end exclusive. venue "": all venues."""

    start: int
    end: int
    venue: str = ""
    cancels: bool = False

    def __str__(self) -> str:
        prefix = f"{self.venue}@" if self.venue else ""
        suffix = ",cancel" if self.cancels else ""
        return f"{prefix}{format_time(self.start)}..{format_time(self.end)}{suffix}"


@dataclass(slots=True)
class VenueOptions:
    """The rules for all venues of a run."""

    order_rate: tuple[int, int] | None = None  # orders, ns
    order_rates: dict[str, tuple[int, int]] = field(default_factory=dict)  # by named venue
    trigger_delay: int = 0  # ns
    closed: list[Closed] = field(default_factory=list)
    borrow: dict[str, Decimal] = field(default_factory=dict)  # hourly rate by currency
    loans: LoanLevels | None = None  # None: the default, where something may be borrowed
    adl: list[Adl] = field(default_factory=list)  # by time

    def as_table(self) -> dict[str, Any]:
        """Returns the table for run.toml."""
        return {
            "order_rate": list(self.order_rate or ()),
            "order_rates": {venue: list(rate) for venue, rate in self.order_rates.items()},
            "trigger_delay": self.trigger_delay,
            "closed": [str(each) for each in self.closed],
            "borrow": [f"{currency}={rate}" for currency, rate in self.borrow.items()],
            **({"loans": self.loans.as_table()} if self.loans else {}),
            **({"adl": [each.as_table() for each in self.adl]} if self.adl else {}),
        }

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> VenueOptions:
        """Parse the table of run.toml; older runs have none."""
        rate = table.get("order_rate") or None
        rules = rules_of(table, location="venue")
        return cls(
            order_rate=None if rate is None else (rate[0], rate[1]),
            order_rates={v: (r[0], r[1]) for v, r in table.get("order_rates", {}).items()},
            trigger_delay=table.get("trigger_delay", 0),
            closed=[parse_closed(text) for text in table.get("closed", ())],
            borrow=parse_borrow(",".join(table.get("borrow", ()))),
            # Before loans could be called in, they stayed forever.
            loans=rules.loans or (NEVER_CALLED if table.get("borrow") else None),
            adl=list(rules.adl),
        )

    def core(
        self,
        money: Callable[[str], Sequence[tuple[int, str]]],
        venue: Callable[[str], int],
        instruments: Mapping[str, Instrument],
    ) -> dict[str, object]:
        """Returns the keyword arguments of the core's VenueRules. money: the core's number of a currency in each
        account, and the account. instruments: those of the run, in the core's order. Raises BadConfig for a position
        that is impossible on them."""
        limit, window = self.order_rate or (0, 0)
        loans = self.loans or NEVER_CALLED
        numbers = {symbol: number for number, symbol in enumerate(instruments)}
        for each in self.adl:
            if each.symbol not in numbers:
                raise BadConfig(
                    f"{each.symbol} is not in the data",
                    location="[[adl]] of --instruments",
                    todo=list_symbols(each.symbol, numbers),
                )
        return {
            "order_limit": limit,
            "order_window": window,
            "order_rates": [(venue(name), *rate) for name, rate in self.order_rates.items()],
            "trigger_delay": self.trigger_delay,
            "closed": [
                (each.start, each.end, venue(each.venue) if each.venue else 0, each.cancels) for each in self.closed
            ],
            "borrow": [
                (number, rate_units(rate), name, account)
                for name, rate in self.borrow.items()
                for number, account in money(name)
            ],
            "loans": (int(loans.call * 10**6), int(loans.liquidation * 10**6), rate_units(loans.fee)),
            "deleveragings": [
                (
                    each.time,
                    numbers[each.symbol],
                    each.is_long,
                    _price(each, instruments[each.symbol]),
                    int(each.share * 10**6),
                )
                for each in self.adl
            ],
        }


def _price(adl: Adl, instrument: Instrument) -> int:
    if instrument.kind is Kind.SPOT:
        raise BadConfig(
            f"{adl.symbol} is spot, and has no position that a venue takes over", location="[[adl]] of --instruments"
        )
    if adl.price is None:
        return 0
    units = adl.price.scaleb(instrument.price_decimals)
    if units != units.to_integral_value() or units >= 2**62:
        raise BadConfig(
            f"price {adl.price} of {adl.symbol}",
            location="[[adl]] of --instruments",
            todo=f"give at most {instrument.price_decimals} decimals",
        )
    return int(units)


def parse_order_rates(options: ByVenue) -> tuple[tuple[int, int] | None, dict[str, tuple[int, int]]]:
    """Parse `300/10s` and `kraken=60/1s`: the order rate of all venues that are not named, and of those that are."""
    todo = "write 300/10s, or kraken=60/1s for one venue"
    common, named = split_by_venue(options, location="--order-rate", todo=todo)
    rates = {venue: parse_order_rate(text) for venue, text in named.items()}
    return None if common is None else parse_order_rate(common), rates


def parse_order_rate(text: str) -> tuple[int, int]:
    """Parse `300/10s` into (orders, ns)."""
    count, slash, length = text.partition("/")
    try:
        window = parse_duration(length.strip()) if slash else 0
    except UsageError:
        window = 0
    orders = int(count) if count.strip().isdecimal() and len(count) < 12 else 0
    if not 1 <= orders <= ORDERS_MAX or not 1 <= window <= WINDOW_MAX:
        raise BadConfig(f"order rate {text!r}", location="--order-rate", todo="write 300/10s")
    return orders, window


def parse_delay(text: str) -> int:
    """Parse `2ms` or `0` into ns."""
    try:
        delay = 0 if text.strip() == "0" else parse_duration(text.strip())
    except UsageError as problem:
        raise BadConfig(problem.what, location="--trigger-delay", todo="write 2ms") from None
    if not 0 <= delay <= WINDOW_MAX:
        raise BadConfig(f"delay {text!r}", location="--trigger-delay", todo="give 0 to one day")
    return delay


def parse_closed(text: str) -> Closed:
    """Parse `binance@2024-08-08T02:00:00Z..2024-08-08T03:00:00Z,cancel`."""
    body, comma, mode = text.strip().partition(",")
    venue, at, span = body.rpartition("@")
    first, dots, last = span.partition("..")
    try:
        start, end = parse_time(first.strip()), parse_time(last.strip())
    except (BadInput, ValueError):
        start = end = 0
    named = bool(venue.strip()) or not at
    if not dots or start >= end or not named or (comma and mode.strip() != "cancel"):
        raise BadConfig(
            f"closed hours {text!r}",
            location="--closed",
            todo="write [VENUE@]2024-08-08T02:00:00Z..2024-08-08T03:00:00Z[,cancel]",
        )
    return Closed(start, end, venue.strip(), bool(comma))


def parse_closed_all(texts: Sequence[str]) -> list[Closed]:
    """Parse repeated options, sorted by their start."""
    if len(texts) > SPANS_MAX:
        raise BadConfig(f"{len(texts)} spans, at most {SPANS_MAX}", location="--closed")
    return sorted(map(parse_closed, texts))


def parse_borrow(text: str) -> dict[str, Decimal]:
    """Parse `USDT=0.00001,BTC=0.000002`: a share of the loan each hour."""
    rates: dict[str, Decimal] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        currency, _, number = part.partition("=")
        try:
            rate = Decimal(number.strip())
        except ArithmeticError:
            rate = Decimal(-1)
        name = currency.strip().upper()
        if not name or name in rates or not rate.is_finite() or not 0 <= rate < 1:
            raise BadConfig(f"borrow rate {part!r}", location="--borrow", todo="write USDT=0.00001,BTC=0.000002")
        rates[name] = rate
    return rates


__all__ = [
    "Closed",
    "VenueOptions",
    "parse_borrow",
    "parse_closed",
    "parse_closed_all",
    "parse_delay",
    "parse_order_rate",
    "parse_order_rates",
]
