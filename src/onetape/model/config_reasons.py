"""Explain why a value of the configuration is refused, in the file's terms: msgspec uses those of JSON and its own
types."""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

import msgspec

from onetape.model.near import did_you_mean
from onetape.model.typed import from_builtins

__all__ = ["Reason", "reason_of", "syntax_reason"]

# msgspec's name of a type -> message.
_FORMS: Final = {
    "int": "not a whole number",
    "float": "not a number",
    "str": "not text",
    "bool": "neither true nor false",
    "object": "not a table, such as { name = value }",
    "array": "not a list, such as [a, b]",
}
QUOTES: Final = 'text stands in quotes, name = "text"'
# Values of these keys appear in no message: they may be secrets.
_UNSHOWN: Final = frozenset({"key", "secret", "password", "api_config_key", "token", "url", "urls"})
_MISMATCH: Final = re.compile(r"Expected `([^`]+)`, got `[^`]+`")
_BOUND: Final = re.compile(r"Expected `int` ([<>])= (-?\d+)")
_PLACE: Final = re.compile(r" \(at line (\d+), column \d+\)$")


class Reason(NamedTuple):
    """Why a value is refused. path: its keys within the section; what: is wrong; todo: what to write instead."""

    path: tuple[str, ...]
    what: str
    todo: str


def reason_of(error: msgspec.ValidationError, value: object, kind: type[msgspec.Struct]) -> Reason:
    """Returns why `value` is not a valid section of `kind`."""
    what, _, at = str(error).partition(" - at `$")
    path = _path_of(at.rstrip("`"), value, kind)
    name = next(iter(what.split("`")[1:2]), "")
    if "unknown field" in what or "missing required field" in what:
        keys = section_at(kind, path).__struct_fields__
        if "missing" in what:
            return Reason(path, f"missing key `{name}`", f"write {name} = ...; keys are {', '.join(keys)}")
        near = did_you_mean(name, keys)
        return Reason((*path, name), f"unknown key `{name}`", f"{near} keys are {', '.join(keys)}".strip())
    refused = _shown(value, path, kind)
    if what.startswith("Invalid enum value"):
        choices = [str(each) for each in _choices(section_at(kind, path[:-1]), path[-1:])]
        refused = refused or name
        todo = " ".join(filter(None, (f"write {_either(choices)}.", did_you_mean(refused.strip("'"), choices))))
        return Reason(path, f"{refused} is not allowed", todo)
    if (mismatch := _MISMATCH.match(what)) is not None:
        forms = [_FORMS.get(each, f"not {each}") for each in mismatch[1].split(" | ") if each != "null"]
        return Reason(
            path, f"{refused or 'the value'} is {' and '.join(forms)}", QUOTES if mismatch[1] == "str" else ""
        )
    if (bound := _BOUND.match(what)) is not None:
        side = "above" if bound[1] == "<" else "below"
        return Reason(path, f"{refused or 'the number'} is {side} {bound[2]}", "")
    return Reason(path, f"{refused or 'the value'}: {what[:1].lower()}{what[1:]}", "")


def syntax_reason(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, str, str]:
    """Returns the line of the TOML syntax error (0: unknown), what is wrong and what to write instead."""
    what, lines = str(error), text.splitlines()
    if (place := _PLACE.search(what)) is None or not 0 < int(place[1]) <= len(lines):
        return 0, f"not TOML: {what}", ""
    number, line = int(place[1]), lines[int(place[1]) - 1].strip()[:80]
    what = f"not TOML: {what[: place.start()]}"
    todo = ""
    if what.endswith("Invalid value"):
        todo = f"{QUOTES}; true, false and numbers stand alone"
    elif "overwrite" in what or "twice" in what:
        what, todo = (
            f"not TOML: {'a section' if line.startswith('[') else 'a key'} is written twice",
            "remove one of them",
        )
    name = line.partition("=")[0].strip()
    is_shown = not line or name not in _UNSHOWN
    return number, f"{what}: `{line if is_shown else name}`", todo


def section_at(kind: type[msgspec.Struct], path: tuple[str, ...]) -> type[msgspec.Struct]:
    """Returns the section at this path within one of `kind`, or the last one on the way to it."""
    for name in path:
        declared = next((each.type for each in msgspec.structs.fields(kind) if each.name == name), None)
        options = get_args(declared) or (declared,)
        inner = next((each for each in options if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)
        if inner is None:
            break
        kind = inner
    return kind


def _choices(kind: type[msgspec.Struct], path: tuple[str, ...]) -> Iterator[object]:
    declared = [each.type for each in msgspec.structs.fields(kind) if (each.name,) == path]
    while declared:
        one = declared.pop()
        if isinstance(one, type) and issubclass(one, enum.Enum):
            yield from (each.value for each in one)
        elif get_origin(one) is Literal:
            yield from get_args(one)
        else:
            declared += get_args(one)


def _either(choices: list[str]) -> str:
    *first, last = choices or ["another"]
    return f"{', '.join(first)} or {last}" if first else last


def _shown(value: Any, path: tuple[str, ...], kind: type[msgspec.Struct]) -> str:
    """Returns the value at the path as text, "" where it may be a secret. Of a table or list the first entry with a
    wrong type: msgspec names only keys that we have declared."""
    if _UNSHOWN.intersection(path):
        return ""
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return ""
        value = value[name]
    if isinstance(value, (dict, list)) and path:
        declared = next(
            each.type for each in msgspec.structs.fields(section_at(kind, path[:-1])) if each.name == path[-1]
        )
        args = get_args(declared)
        if args and get_origin(declared) is type(value):
            entries = value.values() if isinstance(value, dict) else value
            value = next((each for each in entries if _is_refused(each, args[-1])), value)
    return repr(value)[:80]


def _path_of(place: str, value: object, kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Returns the keys of a path in msgspec's notation (`.strategies[...].share`), where every user-chosen key is
    `[...]`: the first one whose section is refused."""
    found: tuple[str, ...] = ()
    for name, index in re.findall(r"\.([^.\[]+)|\[([^\]]*)\]", place):
        entries = value.items() if isinstance(value, dict) else ()
        if index == "...":
            section = section_at(kind, found)
            name = next((key for key, each in entries if isinstance(each, dict) and _is_refused(each, section)), "")
        value = value.get(name) if isinstance(value, dict) else None
        found = (*found, name) if name else found
    return found


def _is_refused(value: object, kind: Any) -> bool:
    try:
        from_builtins(value, kind)
    except msgspec.ValidationError:
        return True
    return False
