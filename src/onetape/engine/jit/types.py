"""Define the numba types that a compiled callback uses: strategy, events, orders, positions and books.

Each is a number or two pointers: an event's attributes are read from the frame's payload in
place, an order's are requested from the loop. Words that have a fixed list (sides, states, symbols) are
numbers, compared with literals while the strategy is compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import lower_getattr_generic, lower_setattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import models, register_model

from onetape import _core
from onetape.tape.payloads import offset_of

SIDES: Final = ("none", "buy", "sell")
POSITION_SIDES: Final = ("both", "long", "short")
STATES: Final = (
    "", "INITIALIZED", "SUBMITTED", "ACCEPTED", "PARTIALLY_FILLED", "FILLED", "PENDING_CANCEL",
    "CANCELED", "PENDING_UPDATE", "REJECTED", "DENIED", "EXPIRED", "TRIGGERED", "UNKNOWN",
)  # fmt: skip
TIMER, PERIOD, SYMBOL = "timer", "period", "symbol"


# --- words ----------------------------------------------------------------------------------------


class WordType(types.Type):
    """The type of a word as a number. `names` lists the words by number; timers and periods have no list."""

    def __init__(self, kind: str, names: tuple[str, ...] = ()) -> None:
        self.kind, self.names = kind, names
        super().__init__(name=f"Word({kind}{names!r})")


class _NumberType(types.Type):
    """The type of a value represented by one 64-bit number."""


class _NumberModel(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, ir.IntType(64))


class OrderType(_NumberType):
    """The type of an own order, by id. A value that may be None is numba's Optional of it; in a strategy's record
    None is 0."""

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        self.symbols = words
        super().__init__(name=f"Order{words!r}")


class PositionType(_NumberType):
    """The type of an own position: instrument * 4 + side."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.symbols = symbols
        super().__init__(name=f"Position{symbols!r}")


class BookType(_NumberType):
    """The type of a live order book, by instrument."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.symbols = symbols
        super().__init__(name=f"LiveBook{symbols!r}")


class RandomType(types.Type):
    """The type of the strategy's seeded source of random numbers."""

    def __init__(self) -> None:
        super().__init__(name="Random")


for _type in (WordType, OrderType, PositionType, BookType):
    register_model(_type)(_NumberModel)
register_model(RandomType)(models.OpaqueModel)


class ColumnType(types.Array):
    """The type of an array whose sum and mean are numpy's to the last bit; so are those of its slices."""

    def copy(self, **changes: Any) -> types.Array:
        return _as_column(super().copy(**changes))

    def unify(self, typingctx: Any, other: Any) -> Any:
        both = super().unify(typingctx, other)
        return _as_column(both) if both is not None and isinstance(other, ColumnType) else both


def _as_column(plain: types.Array) -> ColumnType:
    return ColumnType(plain.dtype, plain.ndim, plain.layout, readonly=not plain.mutable, aligned=plain.aligned)


register_model(ColumnType)(models.ArrayModel)


# --- events ---------------------------------------------------------------------------------------

PRICE, SIZE, INTEGER, RATE, BYTE, MID, INSTRUMENT = range(7)


@dataclass(frozen=True, slots=True)
class Member:
    """One attribute of an event: how it is read, from which byte of the payload."""

    how: int
    offset: int = 0
    words: str = ""  # kind of word that the number represents
    names: tuple[str, ...] = ()


def _members(event: str, **more: Member) -> dict[str, Member]:
    """Returns the members from the core's own table of the layout."""
    spec = next(each for each in _core.event_specs() if each[1] == event)
    found: dict[str, Member] = {"symbol": Member(INSTRUMENT, words=SYMBOL)}
    for name, kind, width, offset, names in spec[4]:
        if kind == "p":
            found[name] = Member(PRICE, offset)
            found[f"{name}_int"] = Member(INTEGER, offset)
        elif kind == "s":
            found[name] = Member(SIZE, offset)
            found[f"{name}_int"] = Member(INTEGER, offset)
        elif kind in "ti" and width == 8:
            found[name] = Member(INTEGER, offset)
        elif kind == "r":
            found[name] = Member(RATE, offset)
        elif kind == "e":
            found[name] = Member(BYTE, offset, name, tuple(names.split(",")))
    return found | more


_FILL = _members("fill")
EVENTS: Final = {
    "quote": _members("quote", mid=Member(MID)),
    "trade": _members("trade"),
    "bar": {name: member for name, member in _members("bar").items() if name != "trades"}
    | {"period": Member(INTEGER, offset_of("bar", "period_ns"), PERIOD)},
    "mark": _members("mark"),
    "funding": {name: member for name, member in _members("funding").items() if name != "mark"},
    "liquidation": _members("liquidation"),
    "mbo": _members("mbo", order_id=Member(INTEGER, offset_of("mbo", "order_id"))),
    "fill": {
        name: _FILL[name] for name in ("symbol", "side", "position_side", "price", "price_int", "liquidity", "ts_event")
    }
    | {
        "qty": _FILL["size"],
        "qty_int": _FILL["size_int"],
        "_fee_low": Member(INTEGER, offset_of("fill", "fee")),
        "_fee_high": Member(INTEGER, offset_of("fill", "fee") + 8),
    },
}


class EventType(types.Type):
    """The type of a market event or a fill: pointers to payload and facts in the loop's memory."""

    def __init__(self, kind: str, symbols: tuple[str, ...], *, is_mid: bool = False) -> None:
        self.kind, self.symbols, self.is_mid = kind, symbols, is_mid
        super().__init__(name=f"{kind.capitalize()}{symbols!r}{'@mid' if is_mid else ''}")


@register_model(EventType)
class _EventModel(models.StructModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        members = [("payload", types.voidptr), ("facts", types.voidptr)]
        super().__init__(manager, fe_type, members)


@infer_getattr
class _EventAttributes(AttributeTemplate):
    key = EventType

    def generic_resolve(self, typ: EventType, attr: str) -> Any:
        member = EVENTS[typ.kind].get(attr)
        if typ.kind == "fill" and attr == "order":
            return OrderType(typ.symbols)
        if member is None:
            return None
        if member.words:
            return WordType(member.words, typ.symbols if member.words == SYMBOL else member.names)
        is_integer = member.how in (INTEGER, BYTE, INSTRUMENT)
        return types.int64 if is_integer else types.float64


def load(builder: Any, pointer: Any, offset: int, kind: Any) -> Any:
    """Returns a value of LLVM type `kind`, `offset` bytes behind a byte pointer."""
    place = builder.gep(pointer, [ir.Constant(ir.IntType(64), offset)])
    return builder.load(builder.bitcast(place, kind.as_pointer()))


_PRICE_SCALE, _SIZE_SCALE, _MID_SCALE, _INSTRUMENT = 0, 8, 16, 24  # CompiledFacts of the core
_I64, _DOUBLE = ir.IntType(64), ir.DoubleType()
_BID, _ASK = offset_of("quote", "bid"), offset_of("quote", "ask")
_NO_ORDER = ir.Constant(_I64, 0)


@lower_getattr_generic(EventType)
def _event_attribute(context: Any, builder: Any, typ: EventType, value: Any, attr: str) -> Any:
    event = cgutils.create_struct_proxy(typ)(context, builder, value=value)
    if typ.kind == "fill" and attr == "order":
        return load(builder, event.payload, 0, _I64)
    member = EVENTS[typ.kind][attr]

    def integer(offset: int) -> Any:
        return load(builder, event.payload, offset, _I64)

    def scale(offset: int) -> Any:
        return load(builder, event.facts, offset, _DOUBLE)

    match member.how:
        case 0:  # PRICE
            units = builder.sitofp(integer(member.offset), _DOUBLE)
            return builder.fdiv(units, scale(_MID_SCALE if typ.is_mid else _PRICE_SCALE))
        case 1:  # SIZE
            return builder.fdiv(builder.sitofp(integer(member.offset), _DOUBLE), scale(_SIZE_SCALE))
        case 2:  # INTEGER
            return integer(member.offset)
        case 3:  # RATE
            return builder.fdiv(builder.sitofp(integer(member.offset), _DOUBLE), ir.Constant(_DOUBLE, 1e12))
        case 4:  # BYTE
            return builder.zext(load(builder, event.payload, member.offset, ir.IntType(8)), _I64)
        case 5:  # MID
            both = builder.sitofp(builder.add(integer(_BID), integer(_ASK)), _DOUBLE)
            twice = builder.fmul(ir.Constant(_DOUBLE, 2.0), scale(_PRICE_SCALE))
            return builder.fdiv(both, twice)
        case _:  # INSTRUMENT
            return load(builder, event.facts, _INSTRUMENT, _I64)


# --- the strategy ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of the strategy. offset: in its record, -1: it never changes.

    The cell of an array holds its address: the code itself contains none, so that it can be stored.
    """

    type: Any
    offset: int = -1
    constant: Any = None

    @property
    def is_order(self) -> bool:
        return isinstance(self.type, types.Optional)


class StrategyType(types.Type):
    """The type of one strategy class with the attributes that it had after on_start."""

    def __init__(
        self,
        name: str,
        symbols: tuple[str, ...],
        attributes: dict[str, Attribute],
        bar_keys: dict[tuple[str, str], tuple[int, int]],
    ) -> None:
        self.symbols, self.attributes, self.bar_keys = symbols, attributes, bar_keys
        super().__init__(name=f"{name}@{id(self):x}")


register_model(StrategyType)(models.OpaqueModel)


@infer_getattr
class _StrategyAttributes(AttributeTemplate):
    key = StrategyType

    def generic_resolve(self, typ: StrategyType, attr: str) -> Any:
        found = typ.attributes.get(attr)
        return found.type if found is not None else None


def _place(builder: Any, value: Any, offset: int, kind: Any) -> Any:
    return builder.bitcast(builder.gep(value, [ir.Constant(_I64, offset)]), kind.as_pointer())


@lower_getattr_generic(StrategyType)
def _strategy_attribute(context: Any, builder: Any, typ: StrategyType, value: Any, attr: str) -> Any:
    found = typ.attributes[attr]
    if isinstance(found.type, types.Array):
        address = builder.load(_place(builder, value, found.offset, _I64))
        address.set_metadata("invariant.load", builder.module.add_metadata([]))
        return _array_at(context, builder, found.type, found.constant, address)
    if isinstance(found.type, (types.StringLiteral, RandomType)):
        return context.get_dummy_value()
    if found.offset < 0:
        return ir.Constant(_I64, found.constant)
    if found.is_order:
        order = context.make_helper(builder, found.type)
        order.data = builder.load(_place(builder, value, found.offset, _I64))
        order.valid = builder.icmp_unsigned("!=", order.data, _NO_ORDER)
        return order._getvalue()
    pointer = _place(builder, value, found.offset, context.get_data_type(found.type))
    return context.unpack_value(builder, found.type, pointer)


@lower_setattr_generic(StrategyType)
def _set_strategy_attribute(context: Any, builder: Any, sig: Any, args: Any, attr: str) -> Any:
    typ, _ = sig.args
    found = typ.attributes[attr]
    if found.offset < 0 or isinstance(found.type, types.Array):
        raise TypeError(f"self.{attr} cannot be set to another object")
    target, value = args
    if found.is_order:
        order = context.make_helper(builder, found.type, value=value)
        number = builder.select(cgutils.as_bool_bit(builder, order.valid), order.data, _NO_ORDER)
        builder.store(number, _place(builder, target, found.offset, _I64))
        return
    pointer = _place(builder, target, found.offset, context.get_data_type(found.type))
    context.pack_value(builder, found.type, value, pointer)


def _array_at(context: Any, builder: Any, typ: Any, array: Any, address: Any) -> Any:
    """Returns a numpy array created in on_start, at its address; its shape is constant."""
    from numba.np.arrayobj import make_array, populate_array

    made = make_array(typ)(context, builder)
    word = context.get_value_type(types.intp)
    data_type = context.get_data_type(typ.dtype)
    populate_array(
        made,
        data=builder.inttoptr(address, data_type.as_pointer()),
        shape=[ir.Constant(word, n) for n in array.shape],
        strides=[ir.Constant(word, n) for n in array.strides],
        itemsize=ir.Constant(word, array.itemsize),
        meminfo=None,
    )
    return made._getvalue()
