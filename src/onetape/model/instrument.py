"""Define one version of one instrument: the meaning of its numbers, and the rules of its venue.

An Instrument is a value: a changed tick, lot, multiplier or fee is another version of it, and every
frame names the version it was written under. On tape it is the cold record of an `instrument`
frame: a MessagePack map with the field names below as keys, decimals as text.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Final

import msgspec

from onetape import _core
from onetape.model import fee_tiers, money, rounding
from onetape.model.decimals import EXACT, Number, canonical, decimals_of, scaled, to_decimal, to_units
from onetape.model.enums import TRIGGER_PRICES, AmendRule, Kind, MetTrigger, Origin, Side, TriggerBy
from onetape.model.errors import BadInput
from onetape.model.fee_tiers import FeeTier
from onetape.model.margin import LEVERAGE_MAX, MarginBracket, completed, core_rows
from onetape.model.money import RATE_DECIMALS, rate_units
from onetape.model.symbol import UNKNOWN_CURRENCY, parse_symbol
from onetape.model.typed import from_builtins

DECIMALS_MAX: Final = 18
BAND_DECIMALS: Final = 6

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


class Instrument(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The facts of one version. Decimals are canonical (no trailing zeros); a limit or rate of 0 means "no limit" or
    "not known". Raises BadInput when facts contradict each other."""

    symbol: str
    """Its symbol: `binance:BTC/USDT:USDT`."""
    venue: str
    """The exchange, as in the symbol."""
    base: str
    """The currency traded."""
    quote: str
    """The currency of its prices."""
    settle: str
    """The currency of its profit."""
    kind: Kind
    """spot, linear or inverse."""
    price_decimals: int
    """How many decimals its prices have."""
    size_decimals: int
    """How many decimals its quantities have."""
    tick: Decimal
    """Its prices are multiples of it [price]."""
    lot: Decimal
    """Quantities are multiples of it [qty]."""
    raw_symbol: str = ""
    """The venue's own name for it, "": not known."""
    venue_number: int | None = None
    """The number that names it in the venue's requests. None: its name does."""
    perpetual: bool = False
    """True: it has no expiry, and pays funding."""
    expiry: int | None = None
    """When it ends [ns UTC]. None: spot, or perpetual."""
    multiplier: Decimal = _ONE
    """Linear: base currency of one unit of quantity; inverse: quote currency of one contract."""
    size_min: Decimal = _ZERO
    """The smallest order, 0: no limit [qty]."""
    size_max: Decimal = _ZERO
    """The largest order, 0: no limit [qty]."""
    market_lot: Decimal = _ZERO
    """Quantities of market orders are multiples of it, 0: as lot [qty]."""
    market_size_min: Decimal = _ZERO
    """The smallest market order, 0: as others [qty]."""
    market_size_max: Decimal = _ZERO
    """The largest market order, 0: as others [qty]."""
    notional_min: Decimal = _ZERO
    """The smallest value of an order, price times quantity, 0: no limit [quote currency]."""
    band_up: Decimal = _ZERO
    """How far above the venue's reference price a limit may be, 0.05 is 5 %, 0: no limit."""
    band_down: Decimal = _ZERO
    """How far below the reference price a limit may be, 0: no limit."""
    maker_fee: Decimal = _ZERO
    """Maker fee as a share of a fill's value, below 0: a rebate."""
    taker_fee: Decimal = _ZERO
    """Taker fee as a share of a fill's value."""
    maintenance_rate: Decimal = _ZERO
    """Maintenance margin as a share of a position's value; with brackets the rate of the first."""
    brackets: tuple[MarginBracket, ...] = ()
    """Margin brackets by the value of a position, empty: one rate for all values."""
    fee_tiers: tuple[FeeTier, ...] = ()
    """Fees by volume, empty: the two fees above."""
    liquidation_fee: Decimal = _ZERO
    """Liquidation fee as a share of the liquidated value."""
    leverage: int = 0
    """Leverage of the account for this instrument, 0: the run's."""
    funding_interval: int = 0
    """How often funding is paid, 0: never, or not known [ns]."""
    amend: AmendRule = AmendRule.DECREASE_KEEPS
    """Effect of a change on the queue position of a resting order."""
    amend_triggers: bool = True
    """True: orders with a waiting trigger can be changed, too."""
    met_triggers: MetTrigger = MetTrigger.FIRES
    """Outcome of an order whose trigger is met on arrival."""
    trigger_by: tuple[TriggerBy, ...] = TRIGGER_PRICES
    """The prices that triggers may watch."""
    version: int = 1
    """Number of this version, from 1 within a symbol."""
    valid_from: int = 0
    """From when on this version is valid, 0: always [ns UTC]."""
    origin: Origin = Origin.USER
    """The source of the facts."""
    inferred: tuple[str, ...] = ()
    """Fields inferred from the data."""
    defaulted: tuple[str, ...] = ()
    """Fields without a source: a venue's or the system's default."""

    def __post_init__(self) -> None:
        for field in _DECIMAL_FIELDS:
            value = getattr(self, field)
            if not isinstance(value, Decimal) or not value.is_finite():
                raise BadInput(f"{field} must be a finite decimal: {value!r}", location=self.symbol)
            msgspec.structs.force_setattr(self, field, canonical(value))
        if self.brackets:
            msgspec.structs.force_setattr(self, "brackets", self._completed_brackets())
            first = self.brackets[0].maintenance_rate
            msgspec.structs.force_setattr(self, "maintenance_rate", first)
        if self.fee_tiers:
            msgspec.structs.force_setattr(self, "fee_tiers", self._checked_tiers())
        rule = self._broken_rule()
        if rule:
            raise BadInput(rule, location=self.symbol)

    def _completed_brackets(self) -> tuple[MarginBracket, ...]:
        if self.kind is Kind.SPOT:
            raise BadInput("spot has no margin brackets", location=self.symbol)
        try:
            return completed(self.brackets)
        except (BadInput, ValueError) as error:
            raise BadInput(str(getattr(error, "what", error)), location=self.symbol) from None

    def _checked_tiers(self) -> tuple[FeeTier, ...]:
        try:
            return fee_tiers.checked(self.fee_tiers)
        except (BadInput, ValueError) as error:
            raise BadInput(str(getattr(error, "what", error)), location=self.symbol) from None

    def _broken_rule(self) -> str:
        for field in ("price_decimals", "size_decimals"):
            if not 0 <= getattr(self, field) <= DECIMALS_MAX:
                return f"{field} must lie in 0..{DECIMALS_MAX}: {getattr(self, field)}"
        for field in ("tick", "lot", "multiplier"):
            if getattr(self, field) <= 0:
                return f"{field} must be positive: {getattr(self, field)}"
        for field in _NEVER_NEGATIVE:
            if getattr(self, field) < 0:
                return f"{field} must not be negative: {getattr(self, field)}"
        if not 0 <= self.leverage <= LEVERAGE_MAX:
            return f"leverage must lie in 0..{LEVERAGE_MAX}: {self.leverage}"
        if decimals_of(self.tick) > self.price_decimals:
            return f"tick {self.tick} has more than {self.price_decimals} price decimals"
        for field in _SIZES:
            if decimals_of(getattr(self, field)) > self.size_decimals:
                value = getattr(self, field)
                return f"{field} {value} has more than {self.size_decimals} size decimals"
        if self.size_max and self.size_min > self.size_max:
            return f"size_min {self.size_min} is above size_max {self.size_max}"
        if self.kind is Kind.SPOT and (self.perpetual or self.expiry is not None):
            return "spot neither expires nor is it perpetual"
        if self.kind is not Kind.SPOT and self.perpetual == (self.expiry is not None):
            return "a contract either expires or is perpetual"
        settle = self.base if self.kind is Kind.INVERSE else self.quote
        if self.settle != settle:
            return f"{self.kind} settles in {settle}, not in {self.settle}"
        return ""

    # Prices and quantities

    def price_int(self, price: Number, side: Side) -> int:
        """Returns the int64 price on the tick, passive for the side. See onetape.model.rounding."""
        return rounding.price_to_int(price, tick=self.tick, decimals=self.price_decimals, side=side)

    def size_int(self, size: Number) -> int:
        """Returns the int64 quantity, down to the lot. Raises ValueError below zero."""
        return rounding.size_to_int(size, lot=self.lot, decimals=self.size_decimals)

    def lots(self, size: Number | Fraction) -> int:
        """Returns whole lots, signed, rounded towards zero. Raises TypeError and ValueError for values that are not
        numbers."""
        return rounding.to_steps(size, self.lot, rounding.Rounding.TOWARD_ZERO, what="quantity")

    @property
    def lot_int(self) -> int:
        """Returns one lot in size units."""
        return int(self.lot.scaleb(self.size_decimals))

    @cached_property
    def market_steps(self) -> tuple[int, int, int]:
        """Returns lot, smallest and largest quantity of market orders, in size units; 0: no largest."""

        def units(value: Decimal) -> int:
            return int(value.scaleb(self.size_decimals))

        step = lcm(max(units(self.lot), 1), max(units(self.market_lot), 1))
        least = max(units(self.size_min), units(self.market_size_min), step)
        tops = [units(each) for each in (self.size_max, self.market_size_max) if each]
        return step, least, min(tops, default=0) // step * step

    def watched(self, wanted: TriggerBy) -> TriggerBy:
        """Returns the price that a trigger watches: `wanted`, else the first that the venue has."""
        return wanted if wanted in self.trigger_by or not self.trigger_by else self.trigger_by[0]

    def price(self, price_int: int) -> Decimal:
        """Returns the exact price of an int64 price."""
        return scaled(price_int, self.price_decimals)

    def size(self, size_int: int) -> Decimal:
        """Returns the exact quantity of an int64 quantity."""
        return scaled(size_int, self.size_decimals)

    def price_text(self, price_int: int) -> str:
        """Returns the price with all its decimals, as venues expect it: 60000.10."""
        return _padded(price_int, self.price_decimals)

    def size_text(self, size_int: int) -> str:
        """Returns the quantity with all its decimals."""
        return _padded(size_int, self.size_decimals)

    @cached_property
    def core(self) -> _core.InstrumentSpec:
        """Returns the core's form of the instrument: values, fees, and the rules for orders."""
        return _core.InstrumentSpec(**self.spec())

    @cached_property
    def fee_units(self) -> tuple[int, int]:
        """Returns maker and taker fee, in money units per whole; a rebate is negative."""
        return money.money_units(self.maker_fee), money.money_units(self.taker_fee)

    @cached_property
    def _margins(self) -> _core.MarginTable:
        return _core.MarginTable(core_rows(self.brackets), rate_units(self.maintenance_rate))

    def notional_units(self, price_int: int, size_int: int) -> int:
        """Returns the value in money units (1e-18) of the settle currency, signed as the size. Raises OverflowError
        beyond 128 bits."""
        return self.core.notional(price_int, size_int)

    def cost_units(self, side: str, halves: int, size_int: int) -> int:
        """Returns the cost of a size in money units of the settle currency, negative for a sell: the higher of two
        prices' costs is always the worse one. halves: price in half price units."""
        worth: int = self.core.notional_doubled(halves, size_int)
        return worth if (side == "buy") != (self.kind is Kind.INVERSE) else -worth

    @cached_property
    def _product_value(self) -> tuple[int, int]:
        over, under = self.multiplier.as_integer_ratio()
        return over * 10**money.MONEY_DECIMALS, under * int(10 ** (self.price_decimals + self.size_decimals))

    def turnover_units(self, product: int) -> int:
        """Returns the value in money units. product: sum of price_int * size_int, which may exceed 64 bits. Spot and
        linear only."""
        over, under = self._product_value
        return money.divide_half_even(product * over, under)

    def maintenance_units(self, value: int) -> int:
        """Returns the maintenance margin of a position's value, both in money units: the bracket's rate of the
        value, less the bracket's amount."""
        return self._margins.maintenance(value)

    # Forms for other modules

    @property
    def name(self) -> str:
        """Returns the symbol without its venue."""
        return self.symbol.partition(":")[2]

    @property
    def volume_group(self) -> tuple[str, bool, str]:
        """Returns the key of instruments that share one volume for fee tiers: venue, spot or not, quote currency."""
        return self.venue, self.kind is Kind.SPOT, self.quote

    def spec(self) -> dict[str, int]:
        """Returns the keyword arguments of the core's InstrumentSpec: whole numbers only.

        Prices and sizes in units of their decimals, money in 1e-18, fees and the maintenance rate
        in 1e-12, bands in 1e-6, the multiplier as mantissa and decimals, what triggers
        may watch as bits.
        """

        def sized(value: Decimal) -> int:
            return to_units(value, self.size_decimals)

        def cut(value: Decimal) -> int:
            # Some limits (daily averages) are finer than the lot: they are rounded so that no limit grows. A limit
            # beyond 64 bits counts as none.
            return min(int(EXACT.scaleb(value, self.size_decimals)), rounding.INT64_MAX)

        multiplier_decimals = decimals_of(self.multiplier)
        return {
            "kind": self.kind.id,
            "price_decimals": self.price_decimals,
            "size_decimals": self.size_decimals,
            "tick": to_units(self.tick, self.price_decimals),
            "lot": sized(self.lot),
            "size_min": sized(self.size_min),
            "size_max": cut(self.size_max),
            "market_lot": sized(self.market_lot),
            "market_size_min": sized(self.market_size_min),
            "market_size_max": cut(self.market_size_max),
            "notional_min": money.money_units(self.notional_min),
            "multiplier": to_units(self.multiplier, multiplier_decimals),
            "multiplier_decimals": multiplier_decimals,
            "maker_fee": rate_units(self.maker_fee),
            "taker_fee": rate_units(self.taker_fee),
            "band_up": money.divide_half_even(rate_units(self.band_up), _RATE_PER_BAND),
            "band_down": money.divide_half_even(rate_units(self.band_down), _RATE_PER_BAND),
            "maintenance_rate": rate_units(self.maintenance_rate),
            "trigger_by": sum(1 << by.id for by in self.trigger_by),
        }

    def terms(self) -> dict[str, object]:
        """Returns the keyword arguments of the core's InstrumentTerms: tables of whole numbers."""
        return {
            "brackets": core_rows(self.brackets),
            "leverage": self.leverage,
            "liquidation_fee": rate_units(self.liquidation_fee),
            "fee_tiers": fee_tiers.core_rows(self.fee_tiers),
            "funding_interval": self.funding_interval,
            "expiry": self.expiry or 0,
            "amend": str(self.amend),
            "amend_triggers": self.amend_triggers,
            "refuses_met_triggers": self.met_triggers is MetTrigger.REFUSED,
        }

    def to_msgpack(self) -> bytes:
        """Returns the payload of the instrument's frame."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_msgpack(cls, payload: bytes) -> Instrument:
        """Parse a frame's payload. Unknown keys are ignored; missing ones take their default. Raises BadInput where
        required ones are missing or facts contradict."""
        try:
            return _DECODER.decode(payload)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise BadInput(f"not an instrument record: {error}") from None


_DECIMAL_FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(Instrument) if field.type is Decimal)
_NEVER_NEGATIVE: Final = tuple(field for field in _DECIMAL_FIELDS if field not in {"maker_fee", "taker_fee"})
# Fields that must lie on the size decimals.
_SIZES: Final = ("lot", "size_min", "market_lot", "market_size_min")
_RATE_PER_BAND: Final = 10 ** (RATE_DECIMALS - BAND_DECIMALS)
_DECODER: Final = msgspec.msgpack.Decoder(Instrument)


def from_symbol(symbol: str, **facts: object) -> Instrument:
    """Returns an Instrument with the venue, currencies, kind and expiry of its symbol.

    `facts` are the other fields, numbers in any exact form; `price_decimals` and `size_decimals`
    are the fewest that hold tick, lot and smallest quantities unless set. Currencies and kind may
    be set too, where the symbol is a free name. Raises BadInput naming the fact that is missing,
    wrong or contradicts.
    """
    parsed = parse_symbol(symbol)
    named: dict[str, object] = {
        "symbol": symbol,
        "venue": parsed.venue,
        "base": parsed.base,
        "quote": parsed.quote,
        "settle": parsed.settle,
        "kind": parsed.kind,
        "perpetual": parsed.is_perpetual,
        "expiry": parsed.expiry,
        **facts,
    }
    try:
        for field in _DECIMAL_FIELDS:
            value = named.get(field)
            if isinstance(value, str | int | float | Decimal):
                named[field] = to_decimal(value, what=field)
        for decimals, fields in (("price_decimals", ("tick",)), ("size_decimals", _SIZES)):
            if named.get(fields[0]) is None:
                raise BadInput(f"{fields[0]} is missing", location=symbol)
            steps = [value for f in fields if isinstance(value := named.get(f), Decimal)]
            named.setdefault(decimals, max(map(decimals_of, steps), default=0))
        return from_builtins(named, Instrument)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise BadInput(f"not an instrument: {error}", location=symbol) from None


def _padded(units: int, decimals: int) -> str:
    if not decimals:
        return str(units)
    text = str(units).zfill(decimals + 1 + (units < 0))  # it checks the sign
    return f"{text[:-decimals]}.{text[-decimals:]}"


__all__ = ["BAND_DECIMALS", "DECIMALS_MAX", "UNKNOWN_CURRENCY", "Instrument", "Kind", "from_symbol"]
