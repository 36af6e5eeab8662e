"""Read a strategy's parameters, its annotated class attributes, and parse their values."""

from __future__ import annotations

import ast
import copy
import enum
import inspect
import io
import json
import textwrap
import tokenize
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from onetape.model.errors import BadConfig

__all__ = ["WHOLE_NUMBERS", "Param", "Parameter", "coerce", "coerced", "described", "parameters_of", "resolve"]

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


Bound = int | float | Decimal
WHOLE_NUMBERS = range(-(2**63), 2**64)  # integers that a tape can store
_WORDS = {int: "int", float: "float", bool: "bool", str: "str", Decimal: "decimal"}


@lru_cache(maxsize=64)
def comments_of(strategy: type) -> Mapping[str, str]:
    """Returns name -> comment on the line of its annotation, of the class and its base classes. Empty where there is
    no source. Cached."""
    found: dict[str, str] = {}
    for klass in reversed(strategy.__mro__):
        if klass is object:
            continue
        try:
            text = textwrap.dedent(inspect.getsource(klass))
            found |= _comments_in(text)
        except (OSError, TypeError, SyntaxError, tokenize.TokenError):
            continue
    return found


def _comments_in(text: str) -> dict[str, str]:
    lines = {
        token.start[0]: token.string.lstrip("#: ").strip()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    klass = ast.parse(text).body[0]
    assert isinstance(klass, ast.ClassDef)
    return {
        each.target.id: lines[each.end_lineno]
        for each in klass.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.end_lineno in lines
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """Describes a parameter beyond its type:

        shift: Annotated[int, Param(min=1, max=50, help="ticks from the mid")] = 5

    min, max: the bounds, included; of a list, of each of its items. step: step of a form's field;
    any value between the bounds is allowed. help: one line; default: the comment behind it.
    """

    min: Bound | None = None
    max: Bound | None = None
    step: Bound | None = None
    help: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One annotated class attribute. `default` is `required` when the class sets none."""

    name: str
    kind: Any
    default: Any
    facts: Param = Param()

    @property
    def is_required(self) -> bool:
        return self.default is inspect.Parameter.empty


def parameters_of(strategy: type) -> dict[str, Parameter]:
    """Returns the parameters of a strategy class, base classes first, in definition order."""
    found: dict[str, Parameter] = {}
    for klass in reversed(strategy.__mro__):
        if klass.__module__ == "onetape.engine.strategy":
            continue  # annotations of the base class are services
        notes = inspect.get_annotations(klass)
        for name, note in notes.items():
            if name.startswith("_") or _is_class_var(note):
                continue
            default = getattr(strategy, name, inspect.Parameter.empty)
            found[name] = Parameter(name, *_declaration(_resolved(note, klass), default))
        # A subclass may set a new default without repeating the annotation.
        for name in klass.__dict__:
            if name in found:
                found[name] = replace(found[name], default=getattr(strategy, name))
    return found


def _declaration(kind: Any, default: Any) -> tuple[Any, Any, Param]:
    """Returns the parts of Annotated[int, Param(...)]."""
    if typing.get_origin(kind) is not Annotated:
        return kind, default, Param()
    kind, *more = typing.get_args(kind)
    return kind, default, next((each for each in more if isinstance(each, Param)), Param())


def _is_class_var(note: Any) -> bool:
    if isinstance(note, str):
        return note.replace("typing.", "").startswith("ClassVar")
    return typing.get_origin(note) is typing.ClassVar or note is typing.ClassVar


def _resolved(note: Any, klass: type) -> Any:
    """Returns the annotation as a type; an unreadable one accepts any value."""
    if not isinstance(note, str):
        return note
    scope = vars(inspect.getmodule(klass) or types.SimpleNamespace())
    try:
        return eval(note, {**vars(typing), **scope})  # noqa: S307 - the strategy's own source
    except (NameError, SyntaxError, TypeError, AttributeError):
        return Any


def resolve(strategy: type, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all parameters with their values: `chosen` over the defaults.

    Text is read as the annotation says. Raises BadConfig for a name the strategy does not have, a
    value that does not fit, and a parameter without a value.
    """
    declared = parameters_of(strategy)
    values: dict[str, Any] = {}
    made = coerced(strategy, chosen)
    for name, parameter in declared.items():
        if name in made:
            values[name] = made[name]
        elif parameter.is_required:
            raise BadConfig(
                f"parameter {name!r} has no value", location=strategy.__name__, todo=f"give --param {name}=..."
            )
        else:
            values[name] = _default_of(parameter, strategy.__name__)
    return values


def _default_of(parameter: Parameter, owner: str) -> Any:
    """Returns the default value. Raises BadConfig for a number, flag or text that does not fit the annotation. Text
    for another annotation is parsed as on a command line. None and collections are not checked, as many classes write
    `stop: float = None`."""
    default = parameter.default
    kind, _ = _bare(parameter.kind)
    if default is None or (kind not in _WORDS and not isinstance(default, str)):
        return _bounded(default, parameter, owner)
    fitting = coerce(default, parameter, owner, is_default=True)
    return fitting if isinstance(default, str) else _bounded(default, parameter, owner)


def coerced(strategy: type, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the chosen parameters with their values. Raises as `resolve`."""
    declared = parameters_of(strategy)
    for name in chosen:
        if name not in declared:
            raise BadConfig(
                f"unknown parameter {name!r}",
                location=strategy.__name__,
                todo=f"it has: {', '.join(declared) or 'none'}",
            )
    return {name: coerce(value, declared[name], strategy.__name__) for name, value in chosen.items()}


def described(strategy: type, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns each parameter for a form: `value`, `default` (None: it has none), `type` (int float bool str decimal
    choice list dict any), `optional`, `min`, `max`, `step`, `choices`, `help`. Decimal values are text."""
    helps = comments_of(strategy)
    found = {}
    for name, parameter in parameters_of(strategy).items():
        kind, is_optional = _bare(parameter.kind)
        word, choices = _word_of(kind)
        facts = parameter.facts
        default = None if parameter.is_required else parameter.default
        found[name] = {
            "value": _shown(values.get(name, default)),
            "default": _shown(default),
            "type": word,
            "optional": is_optional,
            "min": _shown(facts.min),
            "max": _shown(facts.max),
            "step": _shown(1 if facts.step is None and word == "int" else facts.step),
            "choices": choices,
            "help": facts.help or helps.get(name, ""),
        }
    return found


def _bare(kind: Any) -> tuple[Any, bool]:
    """Returns the type without None, and whether None was among its options."""
    options = typing.get_args(kind) if _is_union(kind) else (kind,)
    rest = [each for each in options if each is not type(None)]
    return rest[0] if len(rest) == 1 else Any, len(rest) < len(options)


def _word_of(kind: Any) -> tuple[str, list[Any] | None]:
    if typing.get_origin(kind) is typing.Literal:
        return "choice", list(typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "choice", [str(member.value) for member in kind]
    kind = typing.get_origin(kind) or kind
    if kind in (list, tuple, set, frozenset):
        return "list", None
    return ("dict" if kind is dict else _WORDS.get(kind, "any")), None


def _shown(value: Any) -> Any:
    """Returns a value in JSON form."""
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        return {str(key): _shown(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_shown(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def coerce(value: Any, parameter: Parameter, owner: str, *, is_default: bool = False) -> Any:
    """Convert `value` to the parameter's type; numbers widen (int to float), text is parsed. is_default: it is the
    parameter's own default, which an error says."""
    kind = parameter.kind
    options = typing.get_args(kind) if _is_union(kind) else (kind,)
    is_none = value is None or (isinstance(value, str) and value.strip().lower() == "none")
    if is_none and type(None) in options:
        return None  # run.toml has no null, and a command line has only text
    for option in options:
        try:
            made = _as(value, option)
        except (ValueError, TypeError, ArithmeticError):
            continue
        return _bounded(made, parameter, owner)
    expected = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise BadConfig(
        f"{'default of ' if is_default else ''}parameter {parameter.name!r} must be {expected}, not {value!r}",
        location=owner,
        todo="change the default or the annotation"
        if is_default
        else f"for example --param {parameter.name}={parameter.default!r}",
    )


def _is_union(kind: Any) -> bool:
    return isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union


def _bounded(value: Any, parameter: Parameter, owner: str) -> Any:
    """Returns `value` when it and all of its items are within the bounds: NaN never is, and an integer has 64 bits
    as on the tape. Mutable values are copied: a default belongs to the class, and a run must not pass its list to
    the next."""
    low, high = parameter.facts.min, parameter.facts.max
    for each in value if isinstance(value, (list, tuple, set, frozenset)) else (value,):
        if isinstance(each, bool) or not isinstance(each, (int, float, Decimal)):
            continue
        if isinstance(each, int) and each not in WHOLE_NUMBERS:
            raise BadConfig(f"parameter {parameter.name!r} is {each}, beyond 64 bits", location=owner)
        if (low is None or low <= each) and (high is None or each <= high):
            continue
        bounds = " and ".join(
            f"at {word} {bound}" for word, bound in (("least", low), ("most", high)) if bound is not None
        )
        raise BadConfig(f"parameter {parameter.name!r} is {each}, and must be {bounds}", location=owner)
    return copy.deepcopy(value) if isinstance(value, (list, dict, set)) else value


def _as(value: Any, kind: Any) -> Any:
    if kind is Any:
        return value
    if kind is bool:
        if isinstance(value, bool):
            return value
        text = str(value).strip().lower()
        if text in _TRUE | _FALSE:
            return text in _TRUE
        raise ValueError(value)
    if kind is int:
        if isinstance(value, bool):
            raise ValueError(value)
        if isinstance(value, (float, Decimal)):
            if value != int(value):
                raise ValueError(value)
            return int(value)
        return int(str(value).replace("_", "")) if isinstance(value, str) else int(value)
    if kind in (float, Decimal):
        if isinstance(value, bool):
            raise ValueError(value)
        return kind(str(value)) if kind is Decimal else float(value)
    if kind is str:
        if not isinstance(value, str):
            raise ValueError(value)
        return value
    origin = typing.get_origin(kind) or kind
    if origin in (list, tuple, set, frozenset):
        item = (typing.get_args(kind) or (str,))[0]
        parts = [p.strip() for p in value.split(",")] if isinstance(value, str) else list(value)
        return origin(_as(part, item) for part in parts)
    if origin is dict:
        return dict(json.loads(value) if isinstance(value, str) else value)
    if origin is typing.Literal:
        found = [each for each in typing.get_args(kind) if value in (each, str(each))]
        if found:
            return found[0]
    elif isinstance(kind, type):
        return value if isinstance(value, kind) else _as_member(value, kind)
    raise ValueError(value)


def _as_member(value: Any, kind: type) -> Any:
    """Returns a member of an enumeration by its value or its name."""
    if not issubclass(kind, enum.Enum):
        raise ValueError(value)
    for member in kind:
        if str(value) in (str(member.value), member.name):
            return member
    raise ValueError(value)
