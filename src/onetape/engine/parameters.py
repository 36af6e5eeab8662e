"""A strategy's parameters: its annotated class attributes, and how text becomes their values."""

from __future__ import annotations

import enum
import inspect
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from onetape.model.errors import BadConfig

__all__ = ["Parameter", "coerce", "parameters_of", "resolve"]

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One annotated class attribute. `default` is `required` when the class gives none."""

    name: str
    kind: Any
    default: Any

    @property
    def is_required(self) -> bool:
        return self.default is inspect.Parameter.empty


def parameters_of(strategy: type) -> dict[str, Parameter]:
    """Parameters of a strategy class, base classes first, in the order of their definition."""
    found: dict[str, Parameter] = {}
    for klass in reversed(strategy.__mro__):
        if klass.__module__ == "onetape.engine.strategy":
            continue  # what the base class annotates are services
        notes = inspect.get_annotations(klass)
        for name, note in notes.items():
            if name.startswith("_") or _is_class_var(note):
                continue
            default = getattr(strategy, name, inspect.Parameter.empty)
            found[name] = Parameter(name, _resolved(note, klass), default)
        # A subclass may give a new default without repeating the annotation.
        for name in klass.__dict__:
            if name in found:
                found[name] = Parameter(name, found[name].kind, getattr(strategy, name))
    return found


def _is_class_var(note: Any) -> bool:
    if isinstance(note, str):
        return note.replace("typing.", "").startswith("ClassVar")
    return typing.get_origin(note) is typing.ClassVar or note is typing.ClassVar


def _resolved(note: Any, klass: type) -> Any:
    """The annotation as a type; an unreadable one accepts whatever comes."""
    if not isinstance(note, str):
        return note
    scope = vars(inspect.getmodule(klass) or types.SimpleNamespace())
    try:
        return eval(note, {**vars(typing), **scope})  # noqa: S307 - the strategy's own source
    except (NameError, SyntaxError, TypeError, AttributeError):
        return Any


def resolve(strategy: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters with their values: `given` over the defaults.

    Text is read as the annotation says. Raises BadConfig for a name the strategy does not have, a
    value that does not fit, and a parameter without a value.
    """
    known = parameters_of(strategy)
    for name in given:
        if name not in known:
            raise BadConfig(
                f"unknown parameter {name!r}",
                where=strategy.__name__,
                todo=f"it has: {', '.join(known) or 'none'}",
            )
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        if name in given:
            values[name] = coerce(given[name], parameter, strategy.__name__)
        elif parameter.is_required:
            raise BadConfig(
                f"parameter {name!r} has no value",
                where=strategy.__name__,
                todo=f"give --param {name}=...",
            )
        else:
            values[name] = parameter.default
    return values


def coerce(value: Any, parameter: Parameter, owner: str) -> Any:
    """`value` as the parameter's type; numbers widen (int to float), text is parsed."""
    kind = parameter.kind
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if typing.get_origin(kind) is typing.Union:
        options = typing.get_args(kind)
    is_none = value is None or (isinstance(value, str) and value.strip().lower() == "none")
    if is_none and type(None) in options:
        return None  # run.toml has no null, and a command line has only text
    for option in options:
        try:
            return _as(value, option)
        except (ValueError, TypeError, ArithmeticError):
            continue
    expected = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise BadConfig(
        f"parameter {parameter.name!r} must be {expected}, not {value!r}",
        where=owner,
        todo=f"for example --param {parameter.name}={parameter.default!r}",
    )


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
        if isinstance(value, float):
            if not value.is_integer():
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
    """A member of an enumeration by its value or its name."""
    if not issubclass(kind, enum.Enum):
        raise ValueError(value)
    for member in kind:
        if str(value) in (str(member.value), member.name):
            return member
    raise ValueError(value)
