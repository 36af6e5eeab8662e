"""Compile a started strategy to machine code that the loop calls."""

from __future__ import annotations

import dis
import inspect
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir as llvm_ir
from numba.core import cgutils, config, errors, ir, types
from numba.extending import intrinsic, models, overload_method, register_model

import onetape.engine.jit.arithmetic
import onetape.engine.jit.bars
import onetape.engine.jit.identity
import onetape.engine.jit.market
import onetape.engine.jit.orders
import onetape.engine.jit.words  # noqa: F401 - the overloads that these register
from onetape import _core
from onetape.engine.jit.calls import NOT_AVAILABLE
from onetape.engine.jit.fingerprint import UnknownDependencyError, fingerprint
from onetape.engine.jit.machine_code import MachineCode, compile_callback, find, keep
from onetape.engine.jit.types import (
    TIMER,
    Attribute,
    BookType,
    ColumnType,
    EventType,
    OrderType,
    PositionType,
    RandomType,
    StrategyType,
    WordType,
    load,
)
from onetape.engine.strategy import Strategy
from onetape.model.errors import NotAvailable, OnetapeError, StrategyError

__all__ = ["Compiled", "compile_strategy"]

_HEAD_BYTES = 8  # CompiledState of the core
# callback -> its argument
_CALLBACKS = {
    "on_quote": "quote",
    "on_trade": "trade",
    "on_book": "book",
    "on_bar": "bar",
    "on_mark": "mark",
    "on_funding": "funding",
    "on_liquidation": "liquidation",
    "on_mbo": "mbo",
    "on_timer": "timer",
    "on_order": "order",
    "on_fill": "fill",
    "on_position": "position",
}
_NOT_COMPILED = ("on_instrument", "on_event", "on_health", "on_params")
_HOW_TO = "change it, or take @compiled away: the same code runs interpreted"
_INTERPRETED = "run it with --interpret, or take @compiled away: there it works"
_INT64 = 2**63
_CHECKED = {"boundscheck": True}  # without it an index beyond an array reads and writes foreign memory
_NUMBA = Path(numba.__file__).parent
_UNSET = re.compile(r'uninitialized variable (\S+)\s+File "([^"]+)", line (\d+)')


class Compiled:
    """Machine code of one strategy and the memory of its attributes. Call it within `with compiled`: an exception
    cannot pass through machine code, numba hands it to a hook of the interpreter."""

    def __init__(self, robot: Strategy, typ: StrategyType, record: Any) -> None:
        self.robot = robot
        self.type = typ
        self.record = record  # bytes: the head, then the attributes
        self.callbacks: dict[str, MachineCode] = {}
        self.words: dict[str, int] = {}  # timers by name
        self.problem: BaseException | None = None
        self._hook = sys.unraisablehook

    def attach(self, loop: _core.TradingLoop) -> None:
        """Make the loop call the machine code from here on."""
        addresses = {name: each.address for name, each in self.callbacks.items()}
        orders = {name: each.offset for name, each in self.type.attributes.items() if each.is_order}
        # on_start may have closed a position, which was refused: the order stays readable.
        held = [order for order in (getattr(self.robot, name) for name in orders) if isinstance(order, _core.Order)]
        cells = list(orders.values())
        loop.set_compiled(self.record.ctypes.data, addresses, self.words, cells, held)

    def __enter__(self) -> None:
        self._hook, sys.unraisablehook = sys.unraisablehook, self._keep

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook = self._hook

    def _keep(self, unraisable: Any) -> None:
        self.problem = unraisable.exc_value

    def take_problem(self) -> BaseException:
        """Returns the exception of the last callback."""
        problem, self.problem = self.problem, None
        return problem or RuntimeError("the compiled callback failed without saying why")

    def write_back(self) -> None:
        """Copy the attributes from the machine code back to the strategy."""
        for name, attribute in self.type.attributes.items():
            if attribute.offset < 0 or isinstance(attribute.type, types.Array):
                continue
            cell = self.record[attribute.offset : attribute.offset + 8]
            if attribute.type is types.float64:
                value: Any = float(cell.view(np.float64)[0])
            elif isinstance(attribute.type, types.Boolean):
                value = bool(cell[0])
            else:
                value = int(cell.view(np.int64)[0])
                if attribute.is_order:
                    value = self._order(value)
            # An unchanged constant of the class stays on the class.
            if name in vars(self.robot) or value != getattr(self.robot, name):
                setattr(self.robot, name, value)

    def _order(self, number: int) -> Any:
        working = [order for order in self.robot.orders() if order.id == number]
        return working[0] if working else None


def compile_strategy(robot: Strategy, host: Any) -> Compiled:
    """Returns the callbacks that `robot` overrides, compiled for the attributes that it has now.

    Raises StrategyError naming the callback, the line and the construct that numba cannot compile.
    """
    cls = type(robot)
    for name in _NOT_COMPILED:
        if getattr(cls, name) is not getattr(Strategy, name):
            raise _refusal(cls, name, "this callback cannot be compiled", "")
    typ, record = _strategy_type(robot, host)
    compiled = Compiled(robot, typ, record)
    wanted = {name: getattr(cls, name) for name in _CALLBACKS if getattr(cls, name) is not getattr(Strategy, name)}
    if "on_timer" in wanted:
        compiled.words = {name: number for number, name in enumerate(_timer_names(compiled))}
    key = _key(compiled, wanted)
    found = find(key) if key is not None else None
    if found is not None:
        compiled.callbacks = found
        return compiled
    _register_helpers(cls, typ)
    for name, method in wanted.items():
        _compile_callback(compiled, name, method, is_mid=False)
        if name == "on_bar":
            _compile_callback(compiled, name, method, is_mid=True)
    if key is not None:
        keep(key, compiled.callbacks)
    return compiled


def _key(compiled: Compiled, wanted: dict[str, Any]) -> bytes | None:
    """Returns the cache key; None: the code depends on a value without a key, and is compiled in each run."""
    more = (tuple(wanted), tuple(compiled.words))
    try:
        return fingerprint(type(compiled.robot), compiled.type, list(wanted.values()), more)
    except UnknownDependencyError:
        return None


# --- attributes -----------------------------------------------------------------------------------


def _strategy_type(robot: Strategy, host: Any) -> tuple[StrategyType, Any]:
    cls = type(robot)
    symbols = tuple(host.instruments)
    values = _class_constants(cls) | {name: value for name, value in vars(robot).items() if not name.startswith("_")}
    values.pop("random", None)
    attributes: dict[str, Attribute] = {"random": Attribute(RandomType(), constant=0)}
    initial: list[tuple[int, Any, Any]] = []
    offset = _HEAD_BYTES
    for name, value in values.items():
        found = _attribute_of(cls, name, value, symbols)
        if found.offset == 0:
            found = Attribute(found.type, offset, found.constant)
            initial.append((offset, found.type, value))
            offset += 8
        attributes[name] = found
    record = np.zeros(offset, dtype=np.uint8)
    for at, kind, value in initial:
        cell = record[at : at + 8]
        if kind is types.float64:
            cell.view(np.float64)[0] = value
        elif isinstance(kind, types.Boolean):
            cell[0] = bool(value)
        elif isinstance(kind, types.Array):
            cell.view(np.int64)[0] = value.ctypes.data
        else:
            cell.view(np.int64)[0] = value.id if isinstance(value, _core.Order) else value or 0
    bar_keys = dict(host.bars.keys)
    made = type(cls.__name__, (StrategyType,), {})
    register_model(made)(models.OpaqueModel)
    return made(cls.__name__, symbols, attributes, bar_keys), record


def _class_constants(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        if each in Strategy.__mro__:
            continue
        found |= {
            name: value
            for name, value in vars(each).items()
            if not name.startswith("_") and isinstance(value, (bool, int, float, str))
        }
    return found


def _attribute_of(cls: type, name: str, value: Any, symbols: tuple[str, ...]) -> Attribute:
    """Returns an attribute's type. offset 0: it gets a cell of the record."""
    if isinstance(value, (bool, np.bool_)):
        return Attribute(types.boolean, 0)
    if isinstance(value, (int, np.integer)):
        if not -_INT64 <= int(value) < _INT64:
            raise _attribute_refusal(cls, name, "a whole number beyond 64 bits")
        return Attribute(types.int64, 0)
    if isinstance(value, (float, np.floating)):
        return Attribute(types.float64, 0)
    if value is None or isinstance(value, _core.Order):
        return Attribute(types.Optional(OrderType(symbols)), 0)  # type: ignore[attr-defined]
    if isinstance(value, str):
        return Attribute(types.literal(value))  # type: ignore[attr-defined]
    if isinstance(value, _core.LiveBook):
        return Attribute(BookType(symbols), constant=symbols.index(value.symbol))
    if isinstance(value, _core.Position):
        side = ("both", "long", "short").index(value.side)
        return Attribute(PositionType(symbols), constant=symbols.index(value.symbol) * 4 + side)
    if isinstance(value, np.ndarray):
        if value.dtype in (np.float64, np.int64) and value.flags.c_contiguous:
            kind = types.float64 if value.dtype == np.float64 else types.int64
            return Attribute(ColumnType(kind, value.ndim, "C"), 0, value)
        raise _attribute_refusal(cls, name, f"an array of {value.dtype}: use float64 or int64")
    if isinstance(value, (list, dict, set)) or hasattr(value, "append"):
        raise _attribute_refusal(cls, name, f"a {type(value).__name__}: use a numpy array of fixed length and an index")
    raise _attribute_refusal(cls, name, f"a {type(value).__name__}")


# --- callbacks ------------------------------------------------------------------------------------


def _register_helpers(cls: type, typ: StrategyType) -> None:
    """Register methods of the strategy itself: `self.spread()` inside a callback."""
    made = type(typ)
    services = set(dir(Strategy))
    for each in reversed(cls.__mro__):
        if each in Strategy.__mro__:
            continue
        for name, method in vars(each).items():
            if name not in services and callable(method) and not name.startswith("__"):
                _check_helper(typ, cls, name, method)
                overload_method(made, name, prefer_literal=True, jit_options=_CHECKED)(_as_overload(method))


def _as_overload(method: Any) -> Any:
    """Wrap a function as numba wants it: an overload of the same signature that returns the implementation."""
    names = list(inspect.signature(method).parameters.values())
    text = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in names)
    scope: dict[str, Any] = {"method": method}
    exec(f"def overloaded({text}):\n    return method", scope)  # noqa: S102 - names of a signature
    return scope["overloaded"]


def _compile_callback(compiled: Compiled, name: str, method: Any, *, is_mid: bool) -> None:
    cls = type(compiled.robot)
    inner = numba.njit(**_CHECKED)(method)
    maker = _argument_maker(_CALLBACKS[name], compiled, is_mid=is_mid)
    self_at, done = _self_maker(compiled.type), _done_maker()
    argument = maker

    def callback(state: Any, payload: Any, facts: Any) -> None:
        inner(self_at(state), argument(payload, facts))
        done(state)

    try:
        with _unset_variables() as unset:
            made = compile_callback(callback)
        if unset:
            said, place = unset[0]
            raise _refusal(cls, name, said, place)
        _check_stores(compiled, cls, name, inner)
    except errors.NumbaError as problem:
        raise _explained(cls, name, method, problem) from None
    except TypeError as problem:
        raise _refusal(cls, name, str(problem), _location(method)) from None
    compiled.callbacks["on_mid_bar" if is_mid else name] = made


@contextmanager
def _unset_variables() -> Iterator[list[tuple[str, str]]]:
    """Yields a list that finally holds the local variables that a compiled function may read before setting them:
    Python raises there, and numba goes on with zero."""
    found: list[tuple[str, str]] = []
    before, config.ALWAYS_WARN_UNINIT_VAR = config.ALWAYS_WARN_UNINIT_VAR, 1
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", errors.NumbaWarning)
            yield found
    finally:
        config.ALWAYS_WARN_UNINIT_VAR = before
    for name, file, line in _UNSET.findall("\n".join(str(each.message) for each in caught)):
        if name.isidentifier() and not Path(file).resolve().is_relative_to(_NUMBA):
            found.append((f"{name} may be read before it is set", f"{Path(file).name}:{line}"))


def _argument_maker(event: str, compiled: Compiled, *, is_mid: bool) -> Any:
    """Returns an intrinsic (payload, facts) -> the callback's argument."""
    symbols = compiled.type.symbols
    word = llvm_ir.IntType(64)
    if event in ("timer", "order"):
        if event == "timer":
            result: Any = WordType(TIMER, tuple(compiled.words))
        else:
            result = OrderType(symbols)

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return load(builder, args[0], 0, word)

    elif event == "book":
        result = BookType(symbols)

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return load(builder, args[1], 24, word)

    elif event == "position":
        result = PositionType(symbols)

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            instrument = load(builder, args[1], 24, word)
            four = llvm_ir.Constant(word, 4)
            return builder.add(builder.mul(instrument, four), load(builder, args[0], 0, word))

    else:
        result = EventType(event, symbols, is_mid=is_mid)

        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            made = cgutils.create_struct_proxy(result)(context, builder)
            made.payload, made.facts = args
            return made._getvalue()

    @intrinsic
    def make_argument(typingctx: Any, payload: Any, facts: Any) -> Any:
        return result(payload, facts), build

    return make_argument


def _timer_names(compiled: Compiled) -> list[str]:
    """Returns every text in the class: any of them may name a timer."""
    found: list[str] = []
    for each in type(compiled.robot).__mro__:
        if each in Strategy.__mro__:
            continue
        for method in vars(each).values():
            code = getattr(method, "__code__", None)
            if code is not None:
                found += [c for c in code.co_consts if isinstance(c, str) and c not in found]
    return found


def _self_maker(typ: StrategyType) -> Any:
    @intrinsic
    def make(typingctx: Any, state: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return args[0]

        return typ(state), build

    return make


def _done_maker() -> Any:
    @intrinsic
    def done(typingctx: Any, state: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            word = llvm_ir.IntType(64)
            builder.store(llvm_ir.Constant(word, 1), builder.bitcast(args[0], word.as_pointer()))
            return context.get_dummy_value()

        return types.void(state), build

    return done


def _check_stores(compiled: Compiled, cls: type, name: str, inner: Any) -> None:
    """Refuse a float stored in an attribute that began as an int: it would lose its fraction silently."""
    for result in inner.overloads.values():
        annotation = result.type_annotation
        for block in annotation.blocks.values():
            for statement in block.find_insts(ir.SetAttr):
                attribute = compiled.type.attributes.get(statement.attr)
                stored = annotation.typemap.get(statement.value.name)
                if attribute is None or stored is None or _holds(attribute.type, stored):
                    continue
                began = "a bool" if isinstance(attribute.type, types.Boolean) else "a whole number"
                raise _refusal(
                    cls,
                    name,
                    f"self.{statement.attr} began as {began} and gets a {stored}: begin it as that in on_start",
                    f"{Path(statement.loc.filename).name}:{statement.loc.line}",
                )


def _holds(kind: Any, stored: Any) -> bool:
    if isinstance(kind, types.Boolean):
        return isinstance(stored, types.Boolean)
    if kind is types.int64:
        return isinstance(stored, (types.Integer, types.Boolean))
    return True


def _check_helper(typ: StrategyType, cls: type, name: str, method: Any) -> None:
    """Refuse a helper that stores whole numbers in attributes: its caller's check does not see its stores."""
    for step in dis.get_instructions(method):
        if step.opname != "STORE_ATTR":
            continue
        attribute = typ.attributes.get(step.argval)
        if attribute is None or isinstance(attribute.type, types.Float) or attribute.is_order:
            continue
        raise _refusal(cls, name, f"a helper may not set self.{step.argval}: set it in the callback", _location(method))


# --- messages ------------------------------------------------------------------------------------


def _explained(cls: type, name: str, method: Any, problem: errors.NumbaError) -> OnetapeError:
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(problem))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = next((line for line in lines if _SAYS.search(line)), lines[0] if lines else "?")
    own_words = re.search(r"onetape: (.*)", text)
    if own_words:
        said = own_words[1].strip()
        if said.startswith(NOT_AVAILABLE):
            what = f"{said.removeprefix(NOT_AVAILABLE)} in compiled code"
            return NotAvailable(what, location=_place(cls, name, _line_of(method, text)), todo=_INTERPRETED)
    unknown = re.search(r"Unknown attribute '(\w+)' of type (\w+)", text)
    if unknown:
        owner = "self" if unknown[2] == cls.__name__ else unknown[2]
        said = f"{owner}.{unknown[1]} cannot be used in compiled code"
        if owner == "self" and not hasattr(Strategy, unknown[1]):
            said = f"self.{unknown[1]} must be set in on_start"
    return _refusal(cls, name, said.removeprefix("- "), _line_of(method, text))


def _line_of(method: Any, text: str) -> str:
    places = re.findall(r'File "([^"]+)", line (\d+)', text)
    own = Path(method.__code__.co_filename)
    return next(
        (f"{own.name}:{line}" for file, line in reversed(places) if Path(file).name == own.name), _location(method)
    )


_SAYS = re.compile(
    r"Unknown attribute|Cannot unify|Cannot resolve|must be|takes either|is not in the data|"
    r"not subscribed|Undefined|Unsupported|not supported|No implementation|is never|may be None|"
    r"Untyped global|NameError|Unbound|cannot"
)


def _location(method: Any) -> str:
    code = method.__code__
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"


def _refusal(cls: type, name: str, said: str, location: str) -> StrategyError:
    return StrategyError(f"cannot be compiled: {said}", location=_place(cls, name, location), todo=_HOW_TO)


def _place(cls: type, name: str, location: str) -> str:
    return f"{cls.__name__}.{name}" + (f", {location}" if location else "")


def _attribute_refusal(cls: type, name: str, said: str) -> StrategyError:
    return StrategyError(
        f"cannot be compiled: self.{name} is {said}",
        location=f"{cls.__name__}.on_start",
        todo="numbers, bools, texts, orders, books, positions and numpy arrays can be",
    )
